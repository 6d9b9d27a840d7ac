//! What becomes of a session whose connection has ended.
//!
//! | what has ended | the peer came to us | the program connects to it |
//! |---|---|---|
//! | the stream | the session ends | connects again after a while: [`after`] |
//! | the handshake, with a refusal | the session ends | as above, or not at all by `ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED` |
//! | the protocol, broken by the peer | the session ends | the session ends when the socket has heard of it |
//! | the pipe, since the socket does not want the peer | the session ends | connects again, with another pipe: [`is_met_again`] |
//! | the pipe, since the socket closes or disconnects | sends what lingers, and ends | sends what lingers, also by a later connection |
//!
//! Laws: a session whose socket has closed connects again for messages alone that the next peer is to have. No pipe is made for such a
//! session, so it ends where it would let go of its own.

use crate::errno::Errno;
use crate::options::SocketType;
use crate::pipe::DISCONNECTED;

/// A session that the program connects, and that has lost its stream.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// The socket has closed its end of the pipe.
    pub closing: bool,
    /// The peer has turned the last attempt down.
    pub refused: bool,
    /// The socket has sent something that no stream has.
    pub something_left: bool,
    /// `ZMQ_IMMEDIATE`.
    pub immediate: bool,
    pub socket_type: SocketType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The session ends, and its pipe with it.
    End,
    ConnectAgain(Kept),
}

/// What stays of the pipe for the next connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Everything,
    /// What the socket has not read: what it has sent are topics, and it tells the next peer of all.
    Incoming,
    /// The next connection brings its own pipe.
    Nothing,
}

/// What a session does that has lost its stream.
pub fn after(lost: Lost) -> After {
    let Lost { closing, refused, something_left, immediate, socket_type } = lost;
    // Topics that are left are of no use to a peer that comes later. With `ZMQ_IMMEDIATE` messages are for one connection.
    let lingers = something_left && !immediate && !socket_type.sends_subscriptions_alone();
    if closing && (refused || !lingers) {
        return After::End;
    }
    let tells_topics = matches!(socket_type, SocketType::Sub | SocketType::Xsub | SocketType::Dish);
    After::ConnectAgain(if immediate {
        Kept::Nothing
    } else if tells_topics && !closing {
        Kept::Incoming
    } else {
        Kept::Everything
    })
}

/// Whether a session whose pipe the socket has refused connects again: the reason may pass. `over`: the program has done with the
/// endpoint.
pub fn is_met_again(refusal: Errno, over: bool) -> bool {
    !over && refusal != DISCONNECTED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::OCCUPIED;

    const LOST: Lost = Lost {
        closing: false,
        refused: false,
        something_left: true,
        immediate: false,
        socket_type: SocketType::Push,
    };

    #[test]
    fn an_open_socket_meets_its_peers_again() {
        for (socket_type, kept) in [
            (SocketType::Push, Kept::Everything),
            (SocketType::Sub, Kept::Incoming),
            (SocketType::Xsub, Kept::Incoming),
            (SocketType::Dish, Kept::Incoming),
        ] {
            for (refused, something_left) in [(false, false), (true, true)] {
                let lost = Lost { socket_type, refused, something_left, ..LOST };
                assert_eq!(after(lost), After::ConnectAgain(kept));
                assert_eq!(after(Lost { immediate: true, ..lost }), After::ConnectAgain(Kept::Nothing));
            }
        }
    }

    #[test]
    fn a_socket_that_has_closed_does_so_for_messages_that_the_next_peer_is_to_have() {
        let closing = Lost { closing: true, ..LOST };
        for socket_type in [SocketType::Push, SocketType::Xsub, SocketType::Dealer] {
            assert_eq!(after(Lost { socket_type, ..closing }), After::ConnectAgain(Kept::Everything));
        }
        for ended in [
            Lost { something_left: false, ..closing },
            Lost { refused: true, ..closing },
            Lost { immediate: true, ..closing },
            Lost { socket_type: SocketType::Sub, ..closing },
            Lost { socket_type: SocketType::Dish, ..closing },
        ] {
            assert_eq!(after(ended), After::End, "{ended:?}");
        }
    }

    #[test]
    fn a_refusal_may_pass_unless_the_program_means_it() {
        for (refusal, over, again) in [
            (Errno::NOBUFS, false, true),
            (OCCUPIED, false, true),
            (OCCUPIED, true, false),
            (DISCONNECTED, false, false),
        ] {
            assert_eq!(is_met_again(refusal, over), again);
        }
    }
}
