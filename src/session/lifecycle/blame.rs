//! Whether a handshake that a peer began and that has ended counts towards a ban of the peer's address (`ban_list`).
//!
//! The first row that fits decides.
//!
//! | the end | and | counts |
//! |---|---|---|
//! | any | the authenticator has said no, which was counted if it was for good | no |
//! | the system refuses this process something, or other handshakes need the room | | no |
//! | the time is over | the authenticator is asked | no |
//! | the time is over | | yes |
//! | any other | the peer has done nothing but ask a server of CURVE for QZMQ | no |
//! | the peer hangs up, or the stream breaks | the authenticator is asked for [`REASONABLE_WAIT`] or longer | no |
//! | the peer hangs up, or the stream breaks | | yes |
//! | what the peer has said | it is at fault, and not the authenticator | yes |
//!
//! Laws: a peer that says what is wrong counts, and so does one that says nothing. A slow authenticator bans no peer: one that hangs
//! up so late has learned nothing from it. One that hangs up at once counts, or else it could have the authenticator asked without end. A client
//! of a migration asks each server for QZMQ first: it is as honest as others, and what it does costs a server a greeting and no more.

use crate::errno::Errno;
use crate::session::lifecycle::reason::Reason;
use std::time::Duration;

/// For how long a peer waits for the authenticator at least, before it hangs up without counting. An authenticator that is not slow
/// answers sooner, and a client whose own time for handshakes is short waits for longer.
pub const REASONABLE_WAIT: Duration = Duration::from_millis(250);

/// The handshake at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// The authenticator has said no.
    pub denied: bool,
    /// For how long the authenticator has been asked without an answer.
    pub asked_for: Option<Duration>,
    /// All that the peer has done is to ask a server of CURVE for QZMQ.
    pub only_asks_for_qzmq: bool,
}

/// Whether it counts.
pub fn counts(reason: Reason, circumstances: Circumstances) -> bool {
    let Circumstances { denied, asked_for, only_asks_for_qzmq } = circumstances;
    !denied
        && match reason {
            Reason::Own(_) | Reason::Stream(Errno::NOMEM | Errno::NOBUFS) => false,
            Reason::Timeout => asked_for.is_none(),
            _ if only_asks_for_qzmq => false,
            Reason::Stream(_) => asked_for.is_none_or(|wait| wait < REASONABLE_WAIT),
            Reason::Protocol(failure) => failure.is_the_peers(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Failure;

    const NOTHING: Circumstances =
        Circumstances { denied: false, asked_for: None, only_asks_for_qzmq: false };

    fn asked_for_ms(ms: u64) -> Circumstances {
        Circumstances { asked_for: Some(Duration::from_millis(ms)), ..NOTHING }
    }

    #[test]
    fn a_peer_counts_for_what_it_has_done_itself() {
        let hangup = Reason::Stream(Errno::PIPE);
        let probe = Circumstances { only_asks_for_qzmq: true, ..NOTHING };
        for (reason, circumstances, expected) in [
            (hangup, NOTHING, true),
            (Reason::Stream(Errno::CONNRESET), NOTHING, true),
            (Reason::Timeout, NOTHING, true),
            (Reason::Protocol(Failure::CRYPTOGRAPHIC), NOTHING, true),
            (Reason::Protocol(Failure::MECHANISM_MISMATCH), NOTHING, true),
            (Reason::Protocol(Failure::NO_AUTHENTICATOR), NOTHING, false),
            (Reason::Own(Errno::MFILE), NOTHING, false),
            (Reason::Stream(Errno::NOBUFS), NOTHING, false),
            (Reason::Stream(Errno::NOMEM), NOTHING, false),
            // The authenticator thinks.
            (Reason::Timeout, asked_for_ms(1), false),
            (hangup, asked_for_ms(0), true),
            (hangup, asked_for_ms(249), true),
            (hangup, asked_for_ms(250), false),
            (hangup, asked_for_ms(5000), false),
            (Reason::Protocol(Failure::UNEXPECTED_COMMAND), asked_for_ms(5000), true),
            // A client of a migration.
            (Reason::Protocol(Failure::MECHANISM_MISMATCH), probe, false),
            (hangup, probe, false),
            (Reason::Timeout, probe, true),
            // It was told no, and that was counted.
            (hangup, Circumstances { denied: true, ..NOTHING }, false),
            (Reason::Timeout, Circumstances { denied: true, ..NOTHING }, false),
        ] {
            assert_eq!(counts(reason, circumstances), expected, "{} {circumstances:?}", reason.code());
        }
    }
}
