//! A socket under attack, one good connection to it that goes on all along, a monitor, and raw peers.

pub use super::program::*;
pub use super::zmtp::*;
pub use super::{PATIENCE, PATIENCE_MS};
use std::ffi::c_int;
use std::io::Write;
use std::net::{Shutdown, TcpStream};

/// The socket under attack and what stands around it.
pub struct Bench {
    pub context: Context,
    pub socket: Socket,
    pub endpoint: String,
    good: Socket,
    monitor: Monitor,
    sent: u32,
    /// Messages of attackers that came in between.
    pub strays: Vec<Vec<Vec<u8>>>,
}

impl Bench {
    /// `prepare` sets options before the bind.
    pub fn new(kind: c_int, good_kind: c_int, prepare: impl FnOnce(Socket)) -> Bench {
        Bench::with(kind, good_kind, |_, socket| prepare(socket), |_| {})
    }

    /// As [`new`](Bench::new); `prepare_good` sets options of the good one before it connects.
    pub fn with(
        kind: c_int,
        good_kind: c_int,
        prepare: impl FnOnce(Context, Socket),
        prepare_good: impl FnOnce(Socket),
    ) -> Bench {
        Bench::over("tcp", kind, good_kind, prepare, prepare_good)
    }

    /// As [`with`](Bench::with), over another transport.
    pub fn over(
        scheme: &str,
        kind: c_int,
        good_kind: c_int,
        prepare: impl FnOnce(Context, Socket),
        prepare_good: impl FnOnce(Socket),
    ) -> Bench {
        let context = Context::new();
        let socket = context.patient(kind);
        prepare(context, socket);
        let monitor = Monitor::of(context, socket);
        let endpoint = socket.try_bind(&format!("{scheme}://127.0.0.1:*")).unwrap();
        let good = context.patient(good_kind);
        if kind == ZMQ_PUB || kind == ZMQ_XPUB {
            good.set_bytes(ZMQ_SUBSCRIBE, b"good");
        }
        prepare_good(good);
        good.connect(&endpoint);
        let mut bench = Bench { context, socket, endpoint, good, monitor, sent: 0, strays: Vec::new() };
        bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        match kind {
            // The subscription is on its way.
            ZMQ_PUB => {
                while socket.try_send(b"good 0", 0).is_ok() && good.try_frame(ZMQ_DONTWAIT).is_err() {}
            }
            ZMQ_PUSH => bench.good_out(),
            _ => bench.good(),
        }
        bench
    }

    pub fn pull() -> Bench {
        Bench::new(ZMQ_PULL, ZMQ_PUSH, |_| {})
    }

    /// The good connection still carries messages.
    pub fn good(&mut self) {
        for _ in 0..3 {
            self.sent += 1;
            let message = format!("good {}", self.sent).into_bytes();
            self.good.try_send(&message, 0).unwrap();
            loop {
                let frames = self.socket.try_frames(0).expect("the good connection has died");
                if frames.last() == Some(&message) {
                    break;
                }
                self.strays.push(frames);
            }
        }
    }

    /// The good connection still carries this.
    pub fn good_with(&mut self, body: &[u8]) {
        self.good.try_send(body, 0).unwrap();
        assert!(self.socket.try_frames(0).unwrap() == [body]);
    }

    /// As [`good`](Bench::good) where the socket under attack is the one that sends.
    pub fn good_out(&mut self) {
        self.sent += 1;
        let message = format!("good {}", self.sent).into_bytes();
        self.socket.try_send(&message, 0).unwrap();
        loop {
            let (received, _) = self.good.try_frame(0).expect("the good connection has died");
            if received == message {
                break;
            }
        }
    }

    /// Sends so many messages, as often as need be to connections that take any: the good one takes what it gets.
    /// How many that were.
    pub fn fill(&mut self, body: &[u8], count: usize) -> usize {
        self.good.set(ZMQ_RCVTIMEO, 0);
        let (mut sent, mut got) = (0, 0);
        while sent < count {
            match self.socket.try_send(body, ZMQ_DONTWAIT) {
                Ok(()) => sent += 1,
                Err(errno) => assert_eq!(errno, libc::EAGAIN),
            }
            got += (0..).take_while(|_| self.good.try_frame(0).is_ok()).count();
        }
        self.good.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        got
    }

    /// The next event of the monitor: kind and value; `None` if none comes in time.
    pub fn event(&self, timeout_ms: c_int) -> Option<(c_int, u32)> {
        self.monitor.0.set(ZMQ_RCVTIMEO, timeout_ms);
        self.monitor.try_event(0).ok().map(|(kind, value, _)| (kind, value.cast_unsigned()))
    }

    /// Waits for an event of this kind; its value.
    pub fn wait_for(&self, kind: c_int) -> u32 {
        self.monitor.0.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        self.monitor.until(kind)
    }

    /// A stranger that says this and ends its side is turned away. What it was told before.
    pub fn turns_away(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.attack();
        if pour(&mut stream, bytes) {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let said = until_closed(&mut stream);
        self.wait_for(ZMQ_EVENT_DISCONNECTED);
        said
    }

    /// Strangers that have said this, and nothing since, are all turned away once the time for handshakes is over
    /// (`ZMQ_HANDSHAKE_IVL`).
    pub fn times_out<'a>(&mut self, beginnings: impl IntoIterator<Item = &'a [u8]>) {
        let begun = |bytes: &[u8]| {
            let mut stream = self.attack();
            stream.write_all(bytes).unwrap();
            stream
        };
        // All at once: they wait side by side.
        let streams: Vec<_> = beginnings.into_iter().map(begun).collect();
        self.good();
        for mut stream in streams {
            until_closed(&mut stream);
            assert_eq!(self.wait_for(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL), libc::ETIMEDOUT as u32);
        }
    }

    pub fn attack(&self) -> TcpStream {
        let (_, address) = self.endpoint.split_once("://").unwrap();
        let (address, _) = address.split_once('/').unwrap_or((address, ""));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A peer that has shaken hands and was accepted.
    pub fn peer(&self, version: Version, socket_type: &str) -> TcpStream {
        let mut stream = self.attack();
        stream.write_all(&hello(version, socket_type, b"")).unwrap();
        stream
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for socket in [self.good, self.monitor.0, self.socket] {
            socket.close();
        }
        if !std::thread::panicking() {
            self.context.term();
        }
    }
}
