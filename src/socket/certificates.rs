//! Options about certificates that no endpoint would heed. A program that sets them expects peers to be turned away, so each call that
//! would leave an endpoint open to them fails.
//!
//! Sockets of one context (`inproc://`) shake no hands over any mechanism, and are left alone.

use super::protection::Refusal;
use super::state::Socket;
use crate::engine::Security;
use crate::errno::{Errno, Result};
use crate::options::number::{ZMQ_FERRO_QZMQ_AUTHORITY, ZMQ_FERRO_QZMQ_REVOKED};
use crate::options::{Mechanism, SocketOptions};
use crate::sys::log::{Level, Notice, Subsystem};
use crate::transport::Scheme;

static REFUSED: Notice = Notice::new(Subsystem::Security, Level::Error);

/// Refuses to open an endpoint at which an option about certificates would have no effect. Errors: `EINVAL`.
pub(super) fn check(socket: &Socket, scheme: Scheme, endpoint: &str) -> std::result::Result<(), Refusal> {
    let options = &socket.options;
    let (idle, forgotten, lack) = if shakes_hands(options, scheme) {
        let forgotten = options.mechanism != Mechanism::Curve || !options.qzmq.has_keys();
        (options.idle_certificate_option(), forgotten, "it needs QZMQ's keys")
    } else {
        (options.qzmq.certificate_option(), true, "its peers shake no hands")
    };
    // Authorities that were removed are wanted all the same.
    let wanted = forgotten && socket.keys.wants_certificates();
    let was_set = || wanted.then(|| "ZMQ_FERRO_QZMQ_AUTHORITY was set".to_owned());
    let Some(said) = idle.map(|option| format!("{option} is set")).or_else(was_set) else { return Ok(()) };
    let why = format!("{said}, and the endpoint would speak no QZMQ: {lack}");
    REFUSED.write(format_args!("{endpoint} is refused: {why}"));
    Err(Refusal { errno: Errno::INVAL, why: Some(why) })
}

/// Refuses an option that would have no effect at an endpoint that is open already. Errors: `EINVAL`.
pub(super) fn check_option(socket: &Socket, option: i32, value: Option<&[u8]>) -> Result<()> {
    let counts_at_once = matches!(option, ZMQ_FERRO_QZMQ_AUTHORITY | ZMQ_FERRO_QZMQ_REVOKED);
    if !counts_at_once || value.is_none() {
        return Ok(());
    }
    let Some(endpoint) = socket.endpoints.first_without_qzmq() else { return Ok(()) };
    REFUSED.write(format_args!("an option about certificates is refused: {endpoint} speaks no QZMQ"));
    Err(Errno::INVAL)
}

/// Whether handshakes at an endpoint heed the options about certificates. A security file that secures it has its own.
pub(super) fn are_heeded(
    options: &SocketOptions,
    scheme: Scheme,
    security: &Security,
    is_secured: bool,
) -> bool {
    shakes_hands(options, scheme) && security.mechanism() == Mechanism::Qzmq && !is_secured
}

/// Whether peers and this side shake hands at all. A WebSocket has ZMTP in its frames in any case.
fn shakes_hands(options: &SocketOptions, scheme: Scheme) -> bool {
    let is_raw = options.raw_socket && !matches!(scheme, Scheme::Ws | Scheme::Wss);
    !scheme.has_datagrams() && !is_raw
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Handle;
    use super::*;
    use crate::crypto::{DsaSecret, DsaSuite};
    use crate::ctx::Context;
    use crate::options::{ContextOptions, SocketType};

    /// Why a socket is opened to no endpoint of two schemes that had an authority once.
    #[test]
    fn an_authority_that_was_taken_away_is_told_from_one_that_is_there() {
        let context = Context::new(ContextOptions::new());
        let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap().public().tagged();
        let handle = Handle::open(&context, SocketType::Dealer).unwrap();
        let why =
            |scheme| check(&handle.0.lock().unwrap(), scheme, "e").err().and_then(|refusal| refusal.why);
        assert_eq!((why(Scheme::Tcp), why(Scheme::Udp)), (None, None));
        for (value, said) in [(Some(&authority[..]), "is set"), (None, "was set")] {
            super::super::options::set(&mut handle.0.lock().unwrap(), ZMQ_FERRO_QZMQ_AUTHORITY, value)
                .unwrap();
            let said = format!("ZMQ_FERRO_QZMQ_AUTHORITY {said}, and the endpoint would speak no QZMQ: ");
            assert_eq!(why(Scheme::Tcp), Some(format!("{said}it needs QZMQ's keys")));
            assert_eq!(why(Scheme::Udp), Some(format!("{said}its peers shake no hands")));
        }
        handle.close().unwrap();
    }
}
