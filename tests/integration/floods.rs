//! Peers that pour without end what a socket drops, or digests in silence, over real connections: each call of the program's
//! is over soon after its timeout, and the other sockets of its thread are looked after.
//!
//! What the patterns do is counted frame by frame in `pattern::flood_tests`; this is about time, with the streams and the threads that
//! belong to it. So the bounds are wide, and a machine that is busy with other things gets more than one chance.

use crate::support::bench::*;
use crate::support::tls;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use zmq::options::SocketType;
use zmq::options::draft_number::{ZMQ_WSS_CERT_PEM, ZMQ_WSS_KEY_PEM};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    /// Messages that nobody wants, or that are none.
    Drop,
    /// Messages of several frames.
    Parts,
    /// PINGs.
    Ping,
    /// Subscriptions, and their ends.
    Subscribe,
    /// The same, each of which brings the last values of many topics.
    LastValues,
    /// Peers that come, subscribe and leave.
    Leave,
}

const FLOODS: [Flood; 6] =
    [Flood::Drop, Flood::Parts, Flood::Ping, Flood::Subscribe, Flood::LastValues, Flood::Leave];
/// Topics that a publisher has last values of.
const VALUES: u32 = 1000;
/// How long a flood is poured, and what a call may take beyond its timeout: some milliseconds where the library is compiled for
/// speed and the machine quiet. A call without a bound would last until the flood ends.
struct Attempt {
    poured: Duration,
    grace: Duration,
}

/// The first is over soon. On a busy machine it may be too strict.
const ATTEMPTS: [Attempt; 4] = [Attempt::of_ms(150, 75), Attempt::LONG, Attempt::LONG, Attempt::LONG];
const TIMEOUT: Duration = Duration::from_millis(5);
const PEER_PATIENCE: Duration = Duration::from_millis(20);

impl Attempt {
    const LONG: Attempt = Attempt::of_ms(500, 300);

    const fn of_ms(poured: u64, grace: u64) -> Attempt {
        Attempt { poured: Duration::from_millis(poured), grace: Duration::from_millis(grace) }
    }
}

/// What the peers of such a socket say that they are; `None`: there are no connections to pour into.
fn peer_of(socket_type: SocketType) -> Option<&'static str> {
    use SocketType::*;
    Some(match socket_type {
        Pair => "PAIR",
        Pub | Xpub => "SUB",
        Sub | Xsub => "PUB",
        Req => "REP",
        Rep | Router => "DEALER",
        Dealer => "ROUTER",
        Pull => "PUSH",
        Push => "PULL",
        // Its peers speak no ZMTP, so all of it is bytes.
        Stream => "DEALER",
        Server => "CLIENT",
        Client => "SERVER",
        Radio => "DISH",
        Dish => "RADIO",
        Gather => "SCATTER",
        Scatter => "GATHER",
        Peer => "PEER",
        Channel => "CHANNEL",
        Dgram => return None,
    })
}

fn bytes(flood: Flood) -> Vec<u8> {
    let of = |flags, body: &[u8]| frame(Version::V3, flags, body);
    let period = match flood {
        Flood::Drop => of(0, b"other"),
        Flood::Parts => [of(MORE, b"other"), of(MORE, b"x"), of(0, b"")].concat(),
        Flood::Ping => of(COMMAND, b"\x04PING\0\0x"),
        Flood::Subscribe | Flood::LastValues | Flood::Leave => [
            of(0, b"\x01topic"),
            of(0, b"\0topic"),
            of(COMMAND, b"\x09SUBSCRIBEtopic"),
            of(COMMAND, b"\x06CANCELtopic"),
            of(COMMAND, b"\x04JOINgroup"),
            of(COMMAND, b"\x05LEAVEgroup"),
        ]
        .concat(),
    };
    period.repeat(64 * 1024 / period.len())
}

/// Whether this flood shows what no other does.
fn is_worth_it(socket_type: SocketType, flood: Flood) -> bool {
    match flood {
        Flood::Drop | Flood::Leave => true,
        Flood::LastValues => matches!(socket_type, SocketType::Pub | SocketType::Xpub),
        // To STREAM all of it is bytes.
        Flood::Parts => socket_type != SocketType::Stream,
        // The engine answers it, which is the same for all; one that receives, one that sends, one that does both.
        Flood::Ping => matches!(socket_type, SocketType::Pull | SocketType::Push | SocketType::Dealer),
        // To others it is messages.
        Flood::Subscribe => {
            matches!(socket_type, SocketType::Pub | SocketType::Xpub | SocketType::Radio | SocketType::Pair)
        }
    }
}

/// The transports that are tried. What TLS adds is below the sockets: one that receives, one that sends, and one that does both will do.
fn schemes(socket_type: SocketType) -> &'static [&'static str] {
    match socket_type {
        SocketType::Pull | SocketType::Pub | SocketType::Dealer => &["tcp", "tls"],
        _ => &["tcp"],
    }
}

/// Pours until `end`.
fn pour_on(from: Ipv4Addr, address: SocketAddr, (scheme, hello): (&str, &[u8]), flood: Flood, end: Instant) {
    while Instant::now() < end {
        // A connection that the system drops, as too many wait to be accepted, is tried again at once.
        let Ok(mut stream) = connect_from(from, address, PEER_PATIENCE) else { continue };
        let patience = stream.try_clone().unwrap();
        let set_patience = |time| {
            patience.set_write_timeout(Some(time)).unwrap();
            patience.set_read_timeout(Some(time)).unwrap();
        };
        if scheme == "tls" {
            let mut stream = tls::client(stream, rustls::ALL_VERSIONS, false);
            // It shakes hands with the first byte, for which it has more time.
            if stream.write_all(hello).and_then(|()| stream.flush()).is_ok() {
                set_patience(PEER_PATIENCE);
                pour_into(&mut stream, flood, end);
            }
        } else {
            set_patience(PEER_PATIENCE);
            if stream.write_all(hello).is_ok() {
                pour_into(&mut stream, flood, end);
            }
        }
    }
}

/// Pours into a stream until `end`, or until that is closed.
fn pour_into(stream: &mut (impl Read + Write), flood: Flood, end: Instant) {
    let bytes = bytes(flood);
    if flood == Flood::Leave {
        let _ = stream.write_all(&bytes[..bytes.len().min(2048)]);
        // It leaves once it is known: a row of those that are not accepted yet would stand before any other connection.
        let _ = stream.read(&mut [0; 64]);
        return;
    }
    let (mut at, mut open) = (0, true);
    while open && Instant::now() < end {
        match stream.write(&bytes[at..]) {
            Ok(written) => at = (at + written) % bytes.len(),
            Err(error) => open = error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// The longest that a call has taken beyond its timeout, and which; and the longest way of a message to another socket of the thread.
struct Seen {
    longest: (Duration, &'static str),
    late: Duration,
}

impl Seen {
    fn time<R>(&mut self, name: &'static str, timeout: Duration, call: impl FnOnce() -> R) -> R {
        let begun = Instant::now();
        let result = call();
        let taken = begun.elapsed().saturating_sub(timeout);
        if taken > self.longest.0 {
            self.longest = (taken, name);
        }
        result
    }
}

fn events(socket: Socket) {
    socket.int(ZMQ_EVENTS).unwrap();
}

/// All that a program may call, again and again while the peer pours.
fn under_flood(
    socket_type: SocketType,
    peer: &str,
    (scheme, flood): (&str, Flood),
    poured: Duration,
) -> Seen {
    let context = Context::new();
    let socket = context.patient(socket_type as i32);
    socket.set(ZMQ_RCVTIMEO, TIMEOUT.as_millis() as i32);
    socket.set(ZMQ_SNDTIMEO, TIMEOUT.as_millis() as i32);
    match socket_type {
        SocketType::Sub => socket.set_bytes(ZMQ_SUBSCRIBE, b"match"),
        // SAFETY: a C string.
        SocketType::Dish => assert_eq!(unsafe { zmq_join(socket.0, c"match".as_ptr()) }, 0),
        _ => {}
    }
    let (other, ticker) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    if scheme == "tls" {
        socket.set_bytes(ZMQ_WSS_CERT_PEM, tls::SERVER);
        socket.set_bytes(ZMQ_WSS_KEY_PEM, tls::SERVER_KEY);
    }
    if flood == Flood::LastValues {
        socket.set(ZMQ_FERRO_LAST_VALUE, VALUES as i32);
        (0..VALUES).for_each(|number| socket.send(&[&format!("topic {number}"), "value"]));
    }
    let endpoint = socket.try_bind(&format!("{scheme}://127.0.0.1:*")).unwrap();
    ticker.connect(&other.bind_anywhere());
    ticker.try_send(b"connected", 0).unwrap();
    other.try_frame(0).unwrap();
    let (over, start) = (AtomicBool::new(false), Instant::now());
    let mut seen = Seen { longest: (Duration::ZERO, ""), late: Duration::ZERO };
    let address: SocketAddr = endpoint.split_once("://").unwrap().1.parse().unwrap();
    // Connections that were closed keep their ports for a minute: those of other tests are to be left for them.
    let from = Ipv4Addr::new(127, 1 + socket_type as u8, 1 + flood as u8, 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            pour_on(from, address, (scheme, &hello(Version::V3, peer, b"")), flood, start + poured);
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let now = u64::try_from(start.elapsed().as_micros()).unwrap();
                ticker.try_send(&now.to_ne_bytes(), 0).unwrap();
                // It ticks; nothing waits for it.
                thread::sleep(Duration::from_millis(2));
            }
        });
        let mut heard = start;
        while start.elapsed() < poured {
            seen.time("poll", TIMEOUT, || {
                poll(&mut [socket, other].map(|socket| socket.item(ZMQ_POLLIN)), TIMEOUT.as_millis() as i64)
                    .unwrap()
            });
            while let Ok((told, _)) = other.try_frame(ZMQ_DONTWAIT) {
                let sent = Duration::from_micros(u64::from_ne_bytes(told.try_into().unwrap()));
                seen.late = seen.late.max(start.elapsed().saturating_sub(sent));
                heard = Instant::now();
            }
            // One that never comes is late as well.
            seen.late = seen.late.max(heard.elapsed());
            seen.time("events", Duration::ZERO, || events(socket));
            let _ = seen.time("send", Duration::ZERO, || socket.try_send(b"x", ZMQ_DONTWAIT));
            for _ in 0..5 {
                let _ = seen.time("recv", Duration::ZERO, || socket.try_frame(ZMQ_DONTWAIT));
            }
            let _ = seen.time("recv that waits", TIMEOUT, || socket.try_frame(0));
        }
        over.store(true, Ordering::Relaxed);
    });
    seen.time("close", Duration::ZERO, || socket.close());
    context.end(&[other, ticker]);
    seen
}

/// What was wrong with it, as an attempt sees it.
fn fault(socket_type: SocketType, (scheme, flood): (&str, Flood), attempt: &Attempt) -> Option<String> {
    let peer = peer_of(socket_type)?;
    let seen = under_flood(socket_type, peer, (scheme, flood), attempt.poured);
    let (longest, call) = seen.longest;
    if longest >= attempt.grace {
        return Some(format!(
            "{socket_type:?} over {scheme} under {flood:?}: {call} took {longest:?} too long"
        ));
    }
    let late = seen.late;
    (late >= attempt.grace)
        .then(|| format!("{socket_type:?} over {scheme} under {flood:?}: another socket waited for {late:?}"))
}

/// One after the other: they would measure each other.
#[test]
fn no_peer_keeps_a_thread_of_the_program() {
    for flood in FLOODS {
        for socket_type in SocketType::ALL.into_iter().filter(|one| is_worth_it(*one, flood)) {
            for scheme in schemes(socket_type) {
                let faults =
                    ATTEMPTS.iter().map_while(|attempt| fault(socket_type, (scheme, flood), attempt));
                let faults: Vec<_> = faults.collect();
                assert!(faults.len() < ATTEMPTS.len(), "{}", faults.join("; "));
            }
        }
    }
}
