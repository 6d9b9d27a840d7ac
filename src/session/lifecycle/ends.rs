//! What becomes of a session whose stream or pipe has ended.
//!
//! | [`End`] | the peer came to us | the program connects to it |
//! |---|---|---|
//! | [`Stream`](End::Stream) | the session ends | connects again after a while |
//! | [`Handshake`](End::Handshake) | the session ends | as above, or not at all by `ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED` |
//! | [`Protocol`](End::Protocol), broken by the peer | the session ends | the session ends when the socket has heard of it |
//! | [`Pipe`](End::Pipe), since the socket does not want the peer | the session ends | connects again, with another pipe |
//! | the pipe, since the socket closes or disconnects: [`after_close`] | sends what lingers, and ends | sends what lingers, also by a later connection |
//!
//! Laws, each asserted below:
//! - A session whose socket has closed connects again for messages alone that the next peer is to have.
//! - A socket that is open meets its peers again, also one that turned it down.
//! - What has ended for good is told to a socket that has a pipe and is open, and to no other.
//!
//! No pipe is made for a session whose socket has closed, so it ends where it would let go of its own.

use crate::errno::Errno;
use crate::options::SocketType;
use crate::pipe::DISCONNECTED;

/// What has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream, or there was none: in any stage.
    Stream,
    /// The handshake. `stops`: the program wants no attempt after that.
    Handshake { stops: bool },
    /// The connection, since the peer does not keep to the protocol.
    Protocol,
    /// The pipe, since the socket does not want the peer. `over`: the program has done with the endpoint.
    Pipe { refusal: Errno, over: bool },
}

/// The session that it has ended for.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The program connects the endpoint; otherwise the peer came to us.
    pub connects: bool,
    /// The socket has closed its end of the pipe.
    pub closing: bool,
    /// There is a pipe.
    pub has_pipe: bool,
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
    /// The socket is told, and ends the session when it has heard of it.
    EndWhenHeard,
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

/// What a session does when its socket has closed its end of the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterClose {
    End,
    /// Its connection sends what is left.
    Send,
    /// The next connection does.
    Wait,
}

/// What a session does for which `end` has come.
pub fn after(end: End, session: Ended) -> After {
    let Ended { connects, closing, has_pipe, .. } = session;
    let is_for_good = matches!(end, End::Handshake { stops: true } | End::Protocol);
    match end {
        _ if !connects => After::End,
        _ if is_for_good && has_pipe && !closing => After::EndWhenHeard,
        _ if is_for_good => After::End,
        End::Pipe { refusal, over } if over || refusal == DISCONNECTED => After::End,
        // The reason may pass.
        End::Pipe { .. } => After::ConnectAgain(Kept::Nothing),
        End::Stream | End::Handshake { .. } | End::Protocol => without_stream(session),
    }
}

/// What a session does whose socket has closed. `connected`: it has a stream, whose handshake is over.
pub fn after_close(connected: bool, over: bool, session: Ended) -> AfterClose {
    let Ended { refused, something_left, socket_type, .. } = session;
    match connected {
        // Messages for a peer that has refused us do not outlive the socket, or a context whose client was turned away could never end.
        _ if refused || over => AfterClose::End,
        true => AfterClose::Send,
        // What waits without a connection are subscriptions, of which a peer that comes later has no use.
        false if something_left && !socket_type.sends_subscriptions_alone() => AfterClose::Wait,
        false => AfterClose::End,
    }
}

fn without_stream(session: Ended) -> After {
    let Ended { closing, refused, something_left, immediate, socket_type, .. } = session;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::OCCUPIED;

    const OPEN: Ended = Ended {
        connects: true,
        closing: false,
        has_pipe: true,
        refused: false,
        something_left: true,
        immediate: false,
        socket_type: SocketType::Push,
    };
    const ENDS: [End; 6] = [
        End::Stream,
        End::Handshake { stops: false },
        End::Handshake { stops: true },
        End::Protocol,
        End::Pipe { refusal: OCCUPIED, over: false },
        End::Pipe { refusal: DISCONNECTED, over: true },
    ];

    #[test]
    fn an_open_socket_meets_its_peers_again() {
        for (socket_type, kept) in [
            (SocketType::Push, Kept::Everything),
            (SocketType::Sub, Kept::Incoming),
            (SocketType::Xsub, Kept::Incoming),
            (SocketType::Dish, Kept::Incoming),
        ] {
            for (refused, something_left) in [(false, false), (true, true)] {
                let session = Ended { socket_type, refused, something_left, ..OPEN };
                for end in [End::Stream, End::Handshake { stops: false }] {
                    assert_eq!(after(end, session), After::ConnectAgain(kept));
                    let immediate = Ended { immediate: true, ..session };
                    assert_eq!(after(end, immediate), After::ConnectAgain(Kept::Nothing));
                }
            }
        }
    }

    #[test]
    fn a_socket_that_has_closed_does_so_for_messages_that_the_next_peer_is_to_have() {
        let closing = Ended { closing: true, ..OPEN };
        for socket_type in [SocketType::Push, SocketType::Xsub, SocketType::Dealer] {
            let session = Ended { socket_type, ..closing };
            assert_eq!(after(End::Stream, session), After::ConnectAgain(Kept::Everything));
            assert_eq!(after_close(false, false, session), AfterClose::Wait);
        }
        for ended in [
            Ended { something_left: false, ..closing },
            Ended { refused: true, ..closing },
            Ended { immediate: true, ..closing },
            Ended { socket_type: SocketType::Sub, ..closing },
            Ended { socket_type: SocketType::Dish, ..closing },
        ] {
            assert_eq!(after(End::Stream, ended), After::End, "{ended:?}");
        }
    }

    #[test]
    fn what_ends_for_good_is_told_to_an_open_socket_with_a_pipe() {
        for end in [End::Protocol, End::Handshake { stops: true }] {
            assert_eq!(after(end, OPEN), After::EndWhenHeard);
            for unheard in [Ended { closing: true, ..OPEN }, Ended { has_pipe: false, ..OPEN }] {
                assert_eq!(after(end, unheard), After::End, "{unheard:?}");
            }
        }
    }

    #[test]
    fn a_peer_that_came_to_us_is_not_waited_for() {
        for end in ENDS {
            assert_eq!(after(end, Ended { connects: false, ..OPEN }), After::End, "{end:?}");
        }
    }

    #[test]
    fn a_refusal_may_pass_unless_the_program_means_it() {
        for (refusal, over, next) in [
            (Errno::NOBUFS, false, After::ConnectAgain(Kept::Nothing)),
            (OCCUPIED, false, After::ConnectAgain(Kept::Nothing)),
            (OCCUPIED, true, After::End),
            (DISCONNECTED, false, After::End),
        ] {
            assert_eq!(after(End::Pipe { refusal, over }, OPEN), next);
        }
    }

    #[test]
    fn a_connection_sends_what_lingers_and_a_peer_that_refused_us_has_none_of_it() {
        assert_eq!(after_close(true, false, Ended { something_left: false, ..OPEN }), AfterClose::Send);
        assert_eq!(
            after_close(true, false, Ended { socket_type: SocketType::Sub, ..OPEN }),
            AfterClose::Send
        );
        for (connected, over, session) in [
            (true, false, Ended { refused: true, ..OPEN }),
            (true, true, OPEN),
            (false, true, OPEN),
            (false, false, Ended { something_left: false, ..OPEN }),
            (false, false, Ended { socket_type: SocketType::Sub, ..OPEN }),
        ] {
            assert_eq!(after_close(connected, over, session), AfterClose::End, "{session:?}");
        }
    }
}
