//! The rates of a security file over each transport that has a way of its own to receive, for each kind of pipe and for either side.
//!
//! A rate is neither exceeded nor left unused: what the bucket holds passes at once, and what is over it at the rate. The former is
//! about speed, and a busy machine gets more than one chance.

use crate::secured::Setup;
use crate::support::bench::*;
use crate::support::tls;
use std::time::{Duration, Instant};
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_HOSTNAME, ZMQ_WSS_KEY_PEM, ZMQ_WSS_TRUST_PEM};

/// Messages a second, and so those that the bucket holds.
const RATE: u32 = 500;
/// In three seconds' worth two are waited for, less what two clocks may differ by.
const TWO_SECONDS: Duration = Duration::from_millis(1950);
/// A bucket that is not used takes a second to fill.
const AT_ONCE: Duration = Duration::from_millis(800);
const ATTEMPTS: usize = 6;

#[derive(Clone, Copy, Debug)]
struct Case {
    scheme: &'static str,
    /// The socket with the rate, and its peer.
    kinds: (i32, i32),
    /// The socket with the rate has bound.
    binds: bool,
}

fn limited_setup() -> Setup {
    Setup::new(&format!("[default]\nmechanism = \"null\"\nlimits = {{ messages_per_second = {RATE} }}\n"))
}

/// A socket with the rate, and a peer without any.
struct Pair {
    /// Kept: the file is looked at while peers come.
    _setup: Setup,
    contexts: [Context; 2],
    limited: Socket,
    flooder: Socket,
}

impl Case {
    fn open(self) -> Pair {
        let setup = limited_setup();
        let contexts = [setup.context(), Context::new()];
        let (limited, flooder) = (contexts[0].patient(self.kinds.0), contexts[1].patient(self.kinds.1));
        limited.set(ZMQ_RCVHWM, 0);
        flooder.set(ZMQ_SNDHWM, 0);
        let (server, client) = if self.binds { (limited, flooder) } else { (flooder, limited) };
        if self.scheme == "tls" {
            server.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
            server.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
            client.set_bytes(ZMQ_WSS_TRUST_PEM, tls::AUTHORITY);
            client.set_bytes(ZMQ_WSS_HOSTNAME, tls::HOSTNAME);
        }
        client.connect(&server.try_bind(&format!("{}://127.0.0.1:*", self.scheme)).unwrap());
        Pair { _setup: setup, contexts, limited, flooder }
    }
}

impl Pair {
    /// A message, or for XPUB a subscription.
    fn send(&self, number: u32) {
        let subscription = [&[1], &number.to_be_bytes()[..]].concat();
        self.flooder.try_send(&subscription, 0).unwrap();
    }

    fn receive(&self, number: u32) {
        assert_eq!(self.limited.try_frame(0).unwrap().0[1..], number.to_be_bytes());
    }

    fn end(self) {
        self.contexts[1].end(&[self.flooder]);
        self.contexts[0].end(&[self.limited]);
    }
}

#[test]
fn a_bucket_passes_at_once_and_the_rest_at_the_rate() {
    let pipeline = (ZMQ_PULL, ZMQ_PUSH);
    for case in [
        Case { scheme: "tcp", kinds: pipeline, binds: true },
        Case { scheme: "tcp", kinds: pipeline, binds: false },
        Case { scheme: "ws", kinds: pipeline, binds: true },
        Case { scheme: "ws", kinds: pipeline, binds: false },
        Case { scheme: "tls", kinds: pipeline, binds: true },
        Case { scheme: "tls", kinds: pipeline, binds: false },
        // Subscriptions count as messages.
        Case { scheme: "tcp", kinds: (ZMQ_XPUB, ZMQ_XSUB), binds: true },
        Case { scheme: "tcp", kinds: (ZMQ_DEALER, ZMQ_DEALER), binds: false },
    ] {
        let mut bursts = Vec::new();
        while bursts.last().is_none_or(|burst| *burst >= AT_ONCE) {
            assert!(bursts.len() < ATTEMPTS, "{case:?}: a bucket took {bursts:?}");
            let pair = case.open();
            let begun = Instant::now();
            (0..3 * RATE).for_each(|number| pair.send(number));
            (0..RATE).for_each(|number| pair.receive(number));
            bursts.push(begun.elapsed());
            (RATE..3 * RATE).for_each(|number| pair.receive(number));
            assert!(begun.elapsed() >= TWO_SECONDS, "{case:?}: {:?}", begun.elapsed());
            pair.end();
        }
    }
}

/// A conflating socket keeps the last message alone. What its peer sends is read at the rate all the same.
#[test]
fn a_conflating_socket_reads_at_the_rate() {
    let setup = limited_setup();
    let contexts = [setup.context(), Context::new()];
    let (limited, flooder) = (contexts[0].patient(ZMQ_PULL), contexts[1].patient(ZMQ_PUSH));
    limited.set(ZMQ_CONFLATE, 1);
    flooder.set(ZMQ_SNDHWM, 0);
    flooder.connect(&limited.bind_anywhere());
    let begun = Instant::now();
    (0..3 * RATE).for_each(|number| flooder.try_send(&number.to_be_bytes(), 0).unwrap());
    let mut seen: Vec<u32> = Vec::new();
    while seen.last() != Some(&(3 * RATE - 1)) {
        let body = limited.try_frame(0).unwrap().0;
        seen.push(u32::from_be_bytes(body.try_into().unwrap()));
    }
    assert!(begun.elapsed() >= TWO_SECONDS, "{:?}", begun.elapsed());
    assert!(seen.is_sorted() && seen.len() > 1, "it saw some on the way: {seen:?}");
    contexts[1].end(&[flooder]);
    contexts[0].end(&[limited]);
}
