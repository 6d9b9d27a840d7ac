//! Which records are wanted.

use super::record::{FIELDS, Record};
use crate::cli::Audit;
use crate::failure::Failure;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::net::IpAddr;

pub struct Filter {
    events: Vec<String>,
    peer: Option<Peer>,
    since: Option<Timestamp>,
    fields: Vec<(String, String)>,
}

/// An address, or all of a network.
#[derive(Debug)]
enum Peer {
    Text(String),
    Network { first: IpAddr, bits: u32 },
}

impl Filter {
    pub fn new(options: &Audit) -> Result<Filter, Failure> {
        let fields = options.fields.iter().map(|text| {
            let (field, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::new(format!("--where {text}: write FIELD=VALUE")))?;
            Ok((known(field)?.to_owned(), value.to_owned()))
        });
        if let Some(field) = &options.count_by {
            known(field)?;
        }
        Ok(Filter {
            events: options.event.clone(),
            peer: options.peer.as_deref().map(Peer::parse).transpose()?,
            since: options.since.as_deref().map(since_here).transpose()?,
            fields: fields.collect::<Result<_, Failure>>()?,
        })
    }

    pub fn matches(&self, record: &Record<'_>) -> bool {
        let is_late = |since: Timestamp| {
            let time = record.text("time").and_then(|time| time.parse::<Timestamp>().ok());
            time.is_some_and(|time| time >= since)
        };
        (self.events.is_empty() || self.events.iter().any(|event| record.is("event", event)))
            && self.peer.as_ref().is_none_or(|peer| record.text("peer").is_some_and(|text| peer.holds(&text)))
            && self.since.is_none_or(is_late)
            && self.fields.iter().all(|(field, value)| record.is(field, value))
    }
}

fn known(field: &str) -> Result<&str, Failure> {
    match FIELDS.contains(&field) {
        true => Ok(field),
        false => Err(Failure::new(format!("{field}: no such field; there are {}", FIELDS.join(", ")))),
    }
}

fn since_here(text: &str) -> Result<Timestamp, Failure> {
    since(text, Timestamp::now(), &TimeZone::system())
}

/// A time, or how long ago: `2026-11-30T05:58:00Z`, `2026-11-30 05:58` in the zone of this machine, `90s`, `2h 30m`, `7 days`.
fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let local = match text.parse::<Span>() {
        Ok(span) => zone.to_datetime(now).checked_sub(span.abs()),
        Err(_) => text.parse::<DateTime>(),
    };
    local.and_then(|time| zone.to_timestamp(time)).map_err(|_| {
        Failure::new(format!(
            "--since {text}: write a time (2026-11-30T05:58:00Z, 2026-11-30 05:58) or an age (90s, 2h, 7 days)"
        ))
    })
}

impl Peer {
    fn parse(text: &str) -> Result<Peer, Failure> {
        let Some((address, bits)) = text.split_once('/') else { return Ok(Peer::Text(text.to_owned())) };
        let network = address.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        let network = network.filter(|(first, bits)| *bits <= if first.is_ipv4() { 32 } else { 128 });
        let (first, bits) = network.ok_or_else(|| {
            Failure::new(format!("--peer {text}: write an address or a network such as 10.0.0.0/8"))
        })?;
        Ok(Peer::Network { first, bits })
    }

    fn holds(&self, peer: &str) -> bool {
        match self {
            Peer::Text(text) => text == peer,
            Peer::Network { first, bits } => {
                // An interface may stand behind an address: fe80::1%eth0.
                let address = peer.split('%').next().unwrap_or_default().parse::<IpAddr>();
                address.is_ok_and(|address| match (first, address) {
                    (IpAddr::V4(first), IpAddr::V4(address)) => {
                        let differing = u32::from(*first) ^ u32::from(address);
                        differing.checked_shr(32 - bits).unwrap_or(0) == 0
                    }
                    (IpAddr::V6(first), IpAddr::V6(address)) => {
                        let differing = u128::from(*first) ^ u128::from(address);
                        differing.checked_shr(128 - bits).unwrap_or(0) == 0
                    }
                    _ => false,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, peer: &str| Peer::parse(network).unwrap().holds(peer);
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("10.0.0.1/32", "10.0.0.1") && !holds("10.0.0.1/32", "10.0.0.0"));
        assert!(holds("fe80::/10", "fe80::1%eth0") && !holds("fe80::/10", "::1"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.10"));
        for wrong in ["10.0.0.0/33", "::/129", "a/8", "10.0.0.0/"] {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_and_ages() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let text = |given: &str| since(given, now, &TimeZone::UTC).unwrap().to_string();
        assert_eq!(text("2026-11-30T05:58:00Z"), "2026-11-30T05:58:00Z");
        assert_eq!(text("90s"), "2026-11-30T11:58:30Z");
        assert_eq!(text("2h 30m"), "2026-11-30T09:30:00Z");
        assert_eq!(text("7 days"), "2026-11-23T12:00:00Z");
        assert!(text("2026-11-30 05:58") == "2026-11-30T05:58:00Z");
        assert!(since("yesterday", now, &TimeZone::UTC).is_err());
    }
}
