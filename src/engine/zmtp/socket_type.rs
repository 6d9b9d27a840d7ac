//! Socket types by the names that peers exchange, and which types match (RFC 28 and others).
use crate::options::SocketType;

/// The name of a type in the Socket-Type property.
pub fn name(socket_type: SocketType) -> &'static str {
    match socket_type {
        SocketType::Pair => "PAIR",
        SocketType::Pub => "PUB",
        SocketType::Sub => "SUB",
        SocketType::Req => "REQ",
        SocketType::Rep => "REP",
        SocketType::Dealer => "DEALER",
        SocketType::Router => "ROUTER",
        SocketType::Pull => "PULL",
        SocketType::Push => "PUSH",
        SocketType::Xpub => "XPUB",
        SocketType::Xsub => "XSUB",
        SocketType::Stream => "STREAM",
        SocketType::Server => "SERVER",
        SocketType::Client => "CLIENT",
        SocketType::Radio => "RADIO",
        SocketType::Dish => "DISH",
        SocketType::Gather => "GATHER",
        SocketType::Scatter => "SCATTER",
        SocketType::Dgram => "DGRAM",
        SocketType::Peer => "PEER",
        SocketType::Channel => "CHANNEL",
    }
}

/// Whether a peer of the type named `theirs` may talk to a socket of type `ours`.
pub fn compatible(ours: SocketType, theirs: &[u8]) -> bool {
    let peers: &[SocketType] = match ours {
        SocketType::Req => &[SocketType::Rep, SocketType::Router],
        SocketType::Rep => &[SocketType::Req, SocketType::Dealer],
        SocketType::Dealer => &[SocketType::Rep, SocketType::Dealer, SocketType::Router],
        SocketType::Router => &[SocketType::Req, SocketType::Dealer, SocketType::Router],
        SocketType::Push => &[SocketType::Pull],
        SocketType::Pull => &[SocketType::Push],
        SocketType::Pub | SocketType::Xpub => &[SocketType::Sub, SocketType::Xsub],
        SocketType::Sub | SocketType::Xsub => &[SocketType::Pub, SocketType::Xpub],
        SocketType::Pair => &[SocketType::Pair],
        SocketType::Server => &[SocketType::Client],
        SocketType::Client => &[SocketType::Server],
        SocketType::Radio => &[SocketType::Dish],
        SocketType::Dish => &[SocketType::Radio],
        SocketType::Gather => &[SocketType::Scatter],
        SocketType::Scatter => &[SocketType::Gather],
        SocketType::Dgram => &[SocketType::Dgram],
        SocketType::Peer => &[SocketType::Peer],
        SocketType::Channel => &[SocketType::Channel],
        // Speaks no ZMTP.
        SocketType::Stream => &[],
    };
    peers.iter().any(|peer| name(*peer).as_bytes() == theirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::zmtp::tests::ALL_TYPES;

    #[test]
    fn compatible_types_are_so_both_ways() {
        for ours in ALL_TYPES {
            for theirs in ALL_TYPES {
                let forth = compatible(ours, name(theirs).as_bytes());
                let back = compatible(theirs, name(ours).as_bytes());
                assert_eq!(forth, back, "{ours:?} {theirs:?}");
            }
        }
    }

    #[test]
    fn all_but_stream_have_a_peer_and_no_name_is_a_prefix_match() {
        for ours in ALL_TYPES {
            let peers = ALL_TYPES.iter().filter(|theirs| compatible(ours, name(**theirs).as_bytes())).count();
            assert_eq!(peers == 0, ours == SocketType::Stream, "{ours:?}");
        }
        assert!(!compatible(SocketType::Push, b"PUL"));
        assert!(!compatible(SocketType::Push, b"PULL\0"));
        assert!(!compatible(SocketType::Push, b"pull"));
        assert!(!compatible(SocketType::Push, b""));
    }

    #[test]
    fn request_types_match_reply_types() {
        assert!(compatible(SocketType::Req, b"ROUTER"));
        assert!(!compatible(SocketType::Req, b"DEALER"));
        assert!(!compatible(SocketType::Rep, b"ROUTER"));
        assert!(compatible(SocketType::Router, b"ROUTER"));
    }
}
