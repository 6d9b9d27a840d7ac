//! Heartbeats under load: a peer that is stopped, or whose network is cut, is missed while its stream is full; one that is slow to
//! read is not. The peers are processes of their own: this test once more, which are told their role.

use crate::support::PATIENCE;
use crate::support::process::{role, spawn, test_name};
use crate::support::program::{Context, Monitor, Socket};
use std::ffi::c_int;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zmq::ffi::constants::*;
use zmq::options::number::*;

const INTERVAL_MS: c_int = 300;
const TIMEOUT_MS: c_int = 300;
/// For so long a slow reader is watched: several times what would end a dead one.
const WATCH: Duration = Duration::from_millis(4 * (INTERVAL_MS + TIMEOUT_MS) as u64);
const SIZE: usize = 10_000;

/// A sender's type and its peer's.
const PATTERNS: [(c_int, c_int); 5] = [
    (ZMQ_PUSH, ZMQ_PULL),
    (ZMQ_DEALER, ZMQ_DEALER),
    (ZMQ_PAIR, ZMQ_PAIR),
    (ZMQ_PUB, ZMQ_SUB),
    (ZMQ_XPUB, ZMQ_SUB),
];

/// A peer that receives what comes, `pause_us` after each message, and its endpoint.
fn receive_for_ever(kind: c_int, endpoint: &str, pause_us: u64) -> ! {
    let context = Context::new();
    let socket = context.socket(kind);
    if pause_us > 0 {
        socket.set(ZMQ_RCVHWM, 2);
    }
    if kind == ZMQ_SUB {
        socket.set_bytes(ZMQ_SUBSCRIBE, b"");
    }
    socket.bind(endpoint);
    // The test's own words come before.
    println!("\nendpoint {}", socket.last_endpoint());
    loop {
        drop(socket.try_recv(0));
        if pause_us > 0 {
            std::thread::sleep(Duration::from_micros(pause_us));
        }
    }
}

/// Plays the peer, if that is the role.
fn play() {
    let Some(role) = role() else { return };
    if let [kind, endpoint, pause_us] = role.split(' ').collect::<Vec<_>>()[..] {
        receive_for_ever(kind.parse().unwrap(), endpoint, pause_us.parse().unwrap());
    }
}

/// A peer and a sender that keeps watch over it.
struct Pair {
    context: Context,
    sender: Socket,
    monitor: Monitor,
    peer: Child,
}

impl Pair {
    fn new(test: &str, (kind, peer_kind): (c_int, c_int), endpoint: &str, pause_us: u64) -> Pair {
        let mut peer = spawn(test, &format!("{peer_kind} {endpoint} {pause_us}"), &[]);
        let mut lines = BufReader::new(peer.stdout.take().unwrap()).lines();
        let bound = lines.find_map(|line| line.unwrap().strip_prefix("endpoint ").map(String::from)).unwrap();
        let (context, sender, monitor) = sender(kind, &bound);
        Pair { context, sender, monitor, peer }
    }

    fn signal(&self, signal: c_int) {
        // SAFETY: the process is a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.peer.id().cast_signed(), signal) }, 0);
    }

    fn end(mut self) {
        self.peer.kill().unwrap();
        self.peer.wait().unwrap();
        self.context.end(&[self.sender, self.monitor.0]);
    }
}

/// A socket that is connected and keeps watch, and its monitor.
fn sender(kind: c_int, endpoint: &str) -> (Context, Socket, Monitor) {
    let context = Context::new();
    let sender = context.socket(kind);
    sender.set(ZMQ_HEARTBEAT_IVL, INTERVAL_MS);
    sender.set(ZMQ_HEARTBEAT_TIMEOUT, TIMEOUT_MS);
    let events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
    let monitor = Monitor::of_events(context, sender, events);
    sender.connect(endpoint);
    assert_eq!(monitor.event(), ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    (context, sender, monitor)
}

/// Sends whatever the socket takes, for so long at most. How long it was until the peer was given up.
fn flood(sender: Socket, monitor: Monitor, most: Duration) -> Option<Duration> {
    let (start, body) = (Instant::now(), vec![7; SIZE]);
    while start.elapsed() < most {
        for _ in 0..20 {
            let _ = sender.try_send(&body, ZMQ_DONTWAIT);
        }
        if monitor.try_event(ZMQ_DONTWAIT).is_ok_and(|(event, ..)| event == ZMQ_EVENT_DISCONNECTED) {
            return Some(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    None
}

/// Does it over each transport, side by side, with a few patterns after each other.
fn with_each(does: impl Fn((c_int, c_int), &str) + Sync) {
    std::thread::scope(|scope| {
        for endpoint in ["tcp://127.0.0.1:0", "ipc://*"] {
            for patterns in PATTERNS.chunks(2) {
                let does = &does;
                scope.spawn(move || patterns.iter().for_each(|pattern| does(*pattern, endpoint)));
            }
        }
    });
}

#[test]
fn a_peer_that_is_stopped_is_missed_by_a_sender_whose_stream_is_full() {
    play();
    with_each(|pattern, endpoint| {
        let test = test_name!(a_peer_that_is_stopped_is_missed_by_a_sender_whose_stream_is_full);
        let pair = Pair::new(test, pattern, endpoint, 0);
        let what = format!("{pattern:?} {endpoint}");
        let early = flood(pair.sender, pair.monitor, Duration::from_millis(100));
        assert_eq!(early, None, "{what}: it reads as fast as it can");
        pair.signal(libc::SIGSTOP);
        assert!(flood(pair.sender, pair.monitor, PATIENCE).is_some(), "{what}: never missed");
        pair.end();
    });
}

#[test]
fn a_peer_that_reads_slowly_is_not_missed() {
    play();
    with_each(|pattern, endpoint| {
        // Ten megabytes a second at most: far less than comes.
        let pair = Pair::new(test_name!(a_peer_that_reads_slowly_is_not_missed), pattern, endpoint, 1000);
        assert_eq!(flood(pair.sender, pair.monitor, WATCH), None, "{pattern:?} {endpoint}");
        pair.end();
    });
}

/// Takes the loopback device of the process's own network up or down.
fn set_loopback(up: bool) {
    // SAFETY: the structure is all zeros but for the name and the flags, and outlives the calls; the descriptor is open between
    // the first and the last.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *place = *byte as libc::c_char;
        }
        assert_eq!(libc::ioctl(fd, libc::SIOCGIFFLAGS, &raw mut request), 0);
        let flag = libc::IFF_UP as libc::c_short;
        let flags = request.ifr_ifru.ifru_flags;
        request.ifr_ifru.ifru_flags = if up { flags | flag } else { flags & !flag };
        assert_eq!(libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request), 0);
        libc::close(fd);
    }
}

/// In a network of its own.
fn cut_the_network() {
    for (kind, peer_kind) in PATTERNS {
        set_loopback(true);
        let context = Context::new();
        let peer = context.socket(peer_kind);
        if peer_kind == ZMQ_SUB {
            peer.set_bytes(ZMQ_SUBSCRIBE, b"");
        }
        peer.bind("tcp://127.0.0.1:0");
        let (other, sender, monitor) = sender(kind, &peer.last_endpoint());
        let body = vec![7; SIZE];
        for _ in 0..10 {
            // A publisher may have nobody to send to yet.
            assert_eq!(sender.try_send(&body, 0), Ok(()));
        }
        set_loopback(false);
        assert!(flood(sender, monitor, PATIENCE).is_some(), "{kind}: never missed");
        other.end(&[sender, monitor.0]);
        context.end(&[peer]);
    }
    println!("\ncut");
}

#[test]
fn a_network_that_is_cut_is_noticed_by_a_sender_whose_stream_is_full() {
    if role().is_some() {
        return cut_the_network();
    }
    if !Command::new("unshare")
        .args(["-n", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|it| it.success())
    {
        return println!("skipped: no right to make a network namespace (unshare -n)");
    }
    let test = test_name!(a_network_that_is_cut_is_noticed_by_a_sender_whose_stream_is_full);
    let output = spawn(test, "cut", &["unshare", "-n"]).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\ncut"));
}
