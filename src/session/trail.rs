//! What the audit trail is told of a socket's peers, endpoints and keys; monitors that ask for it
//! (`ZMQ_FERRO_EVENT_AUDIT`); and the log ([`LOG`](log::LOG)).
//!
//! A record is made only where one of them wants it. Where none does, [`tell`] costs three loads.

use crate::audit::{self, Direction, Event, Outcome, Record};
use crate::counters::QZMQ;
use crate::crypto::{KEY_BYTES, fingerprint};
use crate::errno::{Errno, Result};
use crate::options::{Mechanism, SocketOptions};
use crate::security::key_changes::{KeyChange, News, Whose};
use crate::session::SocketLink;
use crate::session::lifecycle::turned_away::{Kind, MAX_RECORDS};
use crate::session::monitor_events::{Endpoints, event};
use crate::sys::log::{self, Level, Notice, Subsystem};
use crate::sys::probes;
use std::fmt::Display;

/// Whether a record would be heard.
pub fn is_wanted(owner: &SocketLink) -> bool {
    audit::is_on() || owner.monitor.wants(event::AUDIT) || is_logged()
}

/// Makes a record, if one is wanted, and passes it on. `endpoints` are those of the socket's monitor.
pub fn tell(owner: &SocketLink, endpoints: &Endpoints, make: impl FnOnce() -> Record) {
    let (recorded, monitored) = (audit::is_on(), owner.monitor.wants(event::AUDIT));
    let logged = is_logged();
    if recorded || monitored || logged {
        let record = make();
        if logged {
            note(&record);
        }
        if monitored {
            owner.monitor.tell_record(&record, endpoints);
        }
        if recorded {
            audit::record(&record);
        }
    }
}

/// Whether there may be a line about a record in the log.
fn is_logged() -> bool {
    log::is_on(Subsystem::Handshake, Level::Warn) || log::is_on(Subsystem::Security, Level::Warn)
}

/// Writes a line about what has become of a peer, or of this side at a peer, or of a key.
fn note(record: &Record) {
    static SHAKEN: Notice = Notice::new(Subsystem::Handshake, Level::Info);
    static FAILED: [Notice; 2] =
        [Notice::new(Subsystem::Handshake, Level::Warn), Notice::new(Subsystem::Handshake, Level::Warn)];
    static TURNED_AWAY: Notice = Notice::new(Subsystem::Security, Level::Warn);
    static OTHER: Notice = Notice::new(Subsystem::Security, Level::Info);
    let [incoming, outgoing] = &FAILED;
    match record.event {
        Event::Authentication => {
            let (mechanism, time) = (record.mechanism.unwrap_or("no mechanism"), record.duration);
            let text = record.summary().replacen(record.event.name(), "handshake", 1);
            SHAKEN.write(format_args!("{text} ({mechanism}, {:?})", time.unwrap_or_default()));
        }
        Event::Denial if record.duration.is_none() => TURNED_AWAY.write(format_args!("{}", record.summary())),
        Event::Denial if record.direction == Some(Direction::Out) => {
            outgoing.write(format_args!("{}", record.summary()));
        }
        Event::Denial => incoming.write(format_args!("{}", record.summary())),
        Event::Ban => TURNED_AWAY.write(format_args!("{}", record.summary())),
        Event::KeyAdded | Event::KeyWithdrawn | Event::Fallback => {
            OTHER.write(format_args!("{}", record.summary()));
        }
        // The socket tells of these; a gap is the trail's own.
        Event::BindRefused | Event::ConnectRefused | Event::Gap => {}
    }
}

/// A bind or a connect was refused; `why` is what the security file says about that.
pub fn tell_refusal(
    owner: &SocketLink,
    options: &SocketOptions,
    (event, endpoint): (Event, &str),
    errno: Errno,
    why: Option<String>,
) {
    let endpoints = Endpoints { bound: event == Event::BindRefused, ..Endpoints::both(endpoint) };
    tell(owner, &endpoints, || Record {
        outcome: Some(Outcome::Refused),
        endpoint: endpoint.to_owned(),
        status: Some(errno.0.unsigned_abs()),
        reason: why.map_or_else(|| text_of(errno), String::into_bytes),
        ..of_socket(event, options)
    });
}

/// A key of a server was added or withdrawn, or was not. `key`: its mechanism, and what stands for it, as an authenticator is told it.
pub fn tell_key_change(
    owner: &SocketLink,
    options: &SocketOptions,
    (event, endpoint): (Event, &str),
    key: Result<(Mechanism, [u8; KEY_BYTES])>,
) {
    let endpoints = Endpoints { bound: true, ..Endpoints::both(endpoint) };
    if key.is_ok() {
        probes::key_update(endpoint, event == Event::KeyAdded);
    }
    tell(owner, &endpoints, || Record {
        outcome: Some(if key.is_ok() { Outcome::Ok } else { Outcome::Refused }),
        endpoint: endpoint.to_owned(),
        mechanism: Some(name_of(key.map_or(Mechanism::Curve, |(mechanism, _)| mechanism))),
        key: key.ok().map(|(_, key)| fingerprint(&key)),
        status: key.err().map(|errno| errno.0.unsigned_abs()),
        reason: key.err().map(text_of).unwrap_or_default(),
        ..of_socket(event, options)
    });
}

/// Keys that have come and gone with the files that the security file names.
pub fn tell_key_news(owner: &SocketLink, options: &SocketOptions, endpoint: &str, news: News) {
    let endpoints = Endpoints { bound: true, ..Endpoints::both(endpoint) };
    for KeyChange { added, whose, mechanism, key, name } in news.changes {
        let event = if added { Event::KeyAdded } else { Event::KeyWithdrawn };
        if matches!(whose, Whose::Server) {
            probes::key_update(endpoint, added);
        }
        let reason = match (whose, &key) {
            (Whose::Server, _) => "a key of the server, by the security file",
            (Whose::Client, Some(_)) => "a key of a client, by the security file",
            (Whose::Client, None) => "any key of a client, by the security file",
        };
        tell(owner, &endpoints, || Record {
            outcome: Some(Outcome::Ok),
            endpoint: endpoint.to_owned(),
            mechanism: Some(name_of(mechanism)),
            key,
            user: name.into_bytes(),
            reason: reason.as_bytes().to_vec(),
            ..of_socket(event, options)
        });
    }
    if news.left_out > 0 {
        tell(owner, &endpoints, || Record {
            endpoint: endpoint.to_owned(),
            lost: Some(news.left_out),
            reason: b"keys that have come or gone by the security file: too many at once".to_vec(),
            ..Record::new(Event::Gap)
        });
    }
}

/// A connection is closed before its handshake; `errno` and `reason` say why. One of too many is only counted: `true` then, and
/// [`tell_left_out`] is due a second later.
pub fn tell_turned_away(
    (owner, options): (&SocketLink, &SocketOptions),
    endpoints: &Endpoints,
    (kind, peer_address): (Kind, &str),
    (errno, reason): (Errno, &dyn Display),
    now_ms: u64,
) -> bool {
    if !is_wanted(owner) {
        return false;
    }
    tell_left_out(owner, endpoints, now_ms, false);
    if !owner.turned_away.admit(kind, now_ms) {
        return true;
    }
    let event = if kind == Kind::Ban { Event::Ban } else { Event::Denial };
    tell(owner, endpoints, || Record {
        reason: reason.to_string().into_bytes(),
        status: Some(errno.0.unsigned_abs()),
        ..of_turned_away(event, options, endpoints, peer_address)
    });
    false
}

/// Tells how many connections were turned away without a record, once their second is over; `ends`: of any second.
pub fn tell_left_out(owner: &SocketLink, endpoints: &Endpoints, now_ms: u64, ends: bool) {
    for (kind, number) in owner.turned_away.take_left_out(now_ms, ends) {
        let which = match kind {
            Kind::Ban => "connections of refused addresses",
            Kind::Network => "connections of addresses that the security file keeps out",
            Kind::Full => "connections over a limit",
            Kind::Fault => "connections while the security file is at fault",
        };
        tell(owner, endpoints, || Record {
            endpoint: endpoints.identifier().to_owned(),
            lost: Some(number),
            reason: format!("{which}: more than {MAX_RECORDS} in a second").into_bytes(),
            ..Record::new(Event::Gap)
        });
    }
}

fn of_turned_away(
    event: Event,
    options: &SocketOptions,
    endpoints: &Endpoints,
    peer_address: &str,
) -> Record {
    Record {
        outcome: Some(Outcome::Refused),
        direction: Some(if endpoints.bound { Direction::In } else { Direction::Out }),
        endpoint: endpoints.identifier().to_owned(),
        peer: peer_address.to_owned(),
        port: port_of(&endpoints.remote),
        ..of_socket(event, options)
    }
}

/// What is known of a socket before a peer is there.
fn of_socket(event: Event, options: &SocketOptions) -> Record {
    Record {
        domain: options.zap_domain.as_bytes().to_vec(),
        mechanism: Some(name_of(options.mechanism)),
        ..Record::new(event)
    }
}

/// The port in an endpoint of a transport over TCP.
pub fn port_of(endpoint: &str) -> Option<u16> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let authority = rest.split('/').next()?;
    let port = authority.rsplit_once(':')?.1;
    if matches!(scheme, "tcp" | "ws" | "wss" | "tls") { port.parse().ok() } else { None }
}

/// As ZMTP has it.
pub fn name_of(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Null => "NULL",
        Mechanism::Plain => "PLAIN",
        Mechanism::Curve => "CURVE",
        Mechanism::Qzmq => QZMQ,
        Mechanism::Gssapi => "GSSAPI",
    }
}

/// The text of an error, without its number.
pub fn text_of(errno: Errno) -> Vec<u8> {
    match errno.own_text() {
        Some(text) => text.to_bytes().to_vec(),
        None => {
            let text = std::io::Error::from_raw_os_error(errno.0).to_string();
            text.split(" (os error").next().unwrap_or_default().as_bytes().to_vec()
        }
    }
}

/// The same, for a line of the log.
pub fn shown(errno: Errno) -> String {
    String::from_utf8_lossy(&text_of(errno)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_over_tcp_have_ports() {
        let ports = [
            ("tcp://127.0.0.1:5555", Some(5555)),
            ("tcp://[::1]:5555", Some(5555)),
            ("wss://host:443/path:9", Some(443)),
            ("tcp://host", None),
            ("tcp://host:*", None),
            ("tcp://host:65536", None),
            ("ipc:///tmp/socket:1", None),
            ("ipc://@name:1", None),
            ("", None),
        ];
        for (endpoint, port) in ports {
            assert_eq!(port_of(endpoint), port, "{endpoint}");
        }
    }

    /// A program knows the frame of `ZMQ_FERRO_EVENT_PEER` from its page. The header and the manual page have the words of `constants.rs`.
    #[test]
    fn the_pages_name_all_mechanisms() {
        let pages = [
            (include_str!("../../docs/observability.md"), "| 6 | the mechanism: ", ';'),
            (include_str!("../ffi/constants.rs"), "its user id, and the mechanism (", ')'),
        ];
        for (page, begin, end) in pages {
            let (_, rest) = page.split_once(begin).unwrap_or_default();
            let (names, _) = rest.split_once(end).unwrap_or_default();
            for mechanism in
                [Mechanism::Null, Mechanism::Plain, Mechanism::Curve, Mechanism::Qzmq, Mechanism::Gssapi]
            {
                assert!(names.contains(&format!("`{}`", name_of(mechanism))), "{mechanism:?}: {names:?}");
            }
        }
    }

    #[test]
    fn an_errno_has_a_text_without_its_number() {
        assert_eq!(text_of(Errno::ACCES), b"Permission denied");
        assert_eq!(text_of(Errno::NOCOMPATPROTO), b"The protocol is not compatible with the socket type");
    }
}
