//! A socket under attack, one good connection to it that goes on all along, a monitor, and raw peers.

pub use super::zmtp::*;
pub use super::{PATIENCE, PATIENCE_MS};
use std::ffi::{CStr, CString, c_int, c_void};
use std::io::Write;
use std::net::TcpStream;
pub use zmq::ffi::constants::*;
pub use zmq::ffi::*;
pub use zmq::options::number::*;

pub type Socket = *mut c_void;

pub fn errno() -> i32 {
    zmq_errno()
}

pub fn set(socket: Socket, option: c_int, value: c_int) {
    // SAFETY: a pointer to an int and its size.
    let rc = unsafe { zmq_setsockopt(socket, option, (&raw const value).cast(), size_of::<c_int>()) };
    assert_eq!(rc, 0, "option {option}: {}", errno());
}

pub fn set_bytes(socket: Socket, option: c_int, value: &[u8]) {
    // SAFETY: a slice's pointer and length.
    let rc = unsafe { zmq_setsockopt(socket, option, value.as_ptr().cast(), value.len()) };
    assert_eq!(rc, 0, "option {option}: {}", errno());
}

pub fn set_i64(socket: Socket, option: c_int, value: i64) {
    set_bytes(socket, option, &value.to_ne_bytes());
}

pub fn open(context: *mut c_void, kind: c_int) -> Socket {
    let socket = zmq_socket(context, kind);
    assert!(!socket.is_null(), "{}", errno());
    set(socket, ZMQ_LINGER, 0);
    set(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    set(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    socket
}

pub fn connect(socket: Socket, endpoint: &str) {
    assert_eq!(try_connect(socket, endpoint), Ok(()));
}

pub fn try_connect(socket: Socket, endpoint: &str) -> Result<(), i32> {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string.
    if unsafe { zmq_connect(socket, endpoint.as_ptr()) } == 0 { Ok(()) } else { Err(errno()) }
}

/// Binds to a free TCP port. The endpoint it got.
pub fn bind(socket: Socket) -> String {
    try_bind(socket, "tcp://127.0.0.1:*").unwrap()
}

/// Binds. The endpoint it got.
pub fn try_bind(socket: Socket, endpoint: &str) -> Result<String, i32> {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string, and room for the answer.
    unsafe {
        if zmq_bind(socket, endpoint.as_ptr()) != 0 {
            return Err(errno());
        }
        let (mut name, mut len) = ([0u8; 256], 256);
        assert_eq!(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, name.as_mut_ptr().cast(), &raw mut len), 0);
        Ok(CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_string())
    }
}

/// Keys as text with a NUL: the public one and the secret one.
pub fn curve_keypair() -> ([u8; 41], [u8; 41]) {
    let (mut public, mut secret) = ([0u8; 41], [0u8; 41]);
    // SAFETY: 41 writable bytes each.
    let rc = unsafe { zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
    assert_eq!(rc, 0);
    (public, secret)
}

/// Has all events of the socket told to the one that it returns.
pub fn monitor(context: *mut c_void, socket: Socket) -> Socket {
    let (reader, name) = (open(context, ZMQ_PAIR), CString::new(monitor_endpoint(socket)).unwrap());
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_socket_monitor(socket, name.as_ptr(), ZMQ_EVENT_ALL) }, 0, "{}", errno());
    connect(reader, &monitor_endpoint(socket));
    reader
}

fn monitor_endpoint(socket: Socket) -> String {
    format!("inproc://events-{}", socket.addr())
}

/// The next event of a monitor: kind and value.
pub fn event(monitor: Socket) -> Result<(c_int, u32), i32> {
    let event = recv_all(monitor, 0)?.remove(0);
    let kind = u16::from_ne_bytes(event[..2].try_into().unwrap());
    Ok((c_int::from(kind), u32::from_ne_bytes(event[2..6].try_into().unwrap())))
}

/// Waits for an event of this kind; its value.
pub fn wait_for(monitor: Socket, kind: c_int) -> u32 {
    loop {
        let (other, value) = event(monitor).unwrap_or_else(|errno| panic!("no event {kind:#x}: {errno}"));
        if other == kind {
            return value;
        }
    }
}

pub fn send(socket: Socket, frame: &[u8], flags: c_int) -> Result<(), i32> {
    // SAFETY: a slice's pointer and length.
    let rc = unsafe { zmq_send(socket, frame.as_ptr().cast(), frame.len(), flags) };
    if rc < 0 { Err(errno()) } else { Ok(()) }
}

/// A frame, and whether more follow.
pub fn recv(socket: Socket, flags: c_int) -> Result<(Vec<u8>, bool), i32> {
    let mut msg = std::mem::MaybeUninit::<zmq_msg_t>::uninit();
    let msg = msg.as_mut_ptr();
    // SAFETY: the message is initialised first and closed last.
    unsafe {
        zmq_msg_init(msg);
        let rc = zmq_msg_recv(msg, socket, flags);
        let result = if rc < 0 {
            Err(errno())
        } else {
            let data = std::slice::from_raw_parts(zmq_msg_data(msg).cast::<u8>(), zmq_msg_size(msg));
            Ok((data.to_vec(), zmq_msg_more(msg) != 0))
        };
        zmq_msg_close(msg);
        result
    }
}

/// A whole message.
pub fn recv_all(socket: Socket, flags: c_int) -> Result<Vec<Vec<u8>>, i32> {
    let mut frames = Vec::new();
    loop {
        let (frame, more) = recv(socket, flags)?;
        frames.push(frame);
        if !more {
            return Ok(frames);
        }
    }
}

/// The socket under attack and what stands around it.
pub struct Bench {
    pub context: *mut c_void,
    pub socket: Socket,
    pub endpoint: String,
    good: Socket,
    monitor: Socket,
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
        prepare: impl FnOnce(*mut c_void, Socket),
        prepare_good: impl FnOnce(Socket),
    ) -> Bench {
        Bench::over("tcp", kind, good_kind, prepare, prepare_good)
    }

    /// As [`with`](Bench::with), over another transport.
    pub fn over(
        scheme: &str,
        kind: c_int,
        good_kind: c_int,
        prepare: impl FnOnce(*mut c_void, Socket),
        prepare_good: impl FnOnce(Socket),
    ) -> Bench {
        let context = zmq_ctx_new();
        let socket = open(context, kind);
        prepare(context, socket);
        let monitor = monitor(context, socket);
        let endpoint = try_bind(socket, &format!("{scheme}://127.0.0.1:*")).unwrap();
        let good = open(context, good_kind);
        if kind == ZMQ_PUB || kind == ZMQ_XPUB {
            set_bytes(good, ZMQ_SUBSCRIBE, b"good");
        }
        prepare_good(good);
        connect(good, &endpoint);
        let mut bench = Bench { context, socket, endpoint, good, monitor, sent: 0, strays: Vec::new() };
        bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        match kind {
            // The subscription is on its way.
            ZMQ_PUB => while send(socket, b"good 0", 0).is_ok() && recv(bench.good, ZMQ_DONTWAIT).is_err() {},
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
            send(self.good, &message, 0).unwrap();
            loop {
                let frames = recv_all(self.socket, 0).expect("the good connection has died");
                if frames.last() == Some(&message) {
                    break;
                }
                self.strays.push(frames);
            }
        }
    }

    /// The good connection still carries this.
    pub fn good_with(&mut self, body: &[u8]) {
        send(self.good, body, 0).unwrap();
        assert!(recv_all(self.socket, 0).unwrap() == [body]);
    }

    /// As [`good`](Bench::good) where the socket under attack is the one that sends.
    pub fn good_out(&mut self) {
        self.sent += 1;
        let message = format!("good {}", self.sent).into_bytes();
        send(self.socket, &message, 0).unwrap();
        loop {
            let (received, _) = recv(self.good, 0).expect("the good connection has died");
            if received == message {
                break;
            }
        }
    }

    /// Sends so many messages, as often as need be to connections that take any: the good one takes what it gets.
    /// How many that were.
    pub fn fill(&mut self, body: &[u8], count: usize) -> usize {
        set(self.good, ZMQ_RCVTIMEO, 0);
        let (mut sent, mut got) = (0, 0);
        while sent < count {
            match send(self.socket, body, ZMQ_DONTWAIT) {
                Ok(()) => sent += 1,
                Err(errno) => assert_eq!(errno, libc::EAGAIN),
            }
            got += (0..).take_while(|_| recv(self.good, 0).is_ok()).count();
        }
        set(self.good, ZMQ_RCVTIMEO, PATIENCE_MS);
        got
    }

    /// The next event of the monitor: kind and value; `None` if none comes in time.
    pub fn event(&self, timeout_ms: c_int) -> Option<(c_int, u32)> {
        set(self.monitor, ZMQ_RCVTIMEO, timeout_ms);
        event(self.monitor).ok()
    }

    /// Waits for an event of this kind; its value.
    pub fn wait_for(&self, kind: c_int) -> u32 {
        set(self.monitor, ZMQ_RCVTIMEO, PATIENCE_MS);
        wait_for(self.monitor, kind)
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
        for socket in [self.good, self.monitor, self.socket] {
            zmq_close(socket);
        }
        if !std::thread::panicking() {
            assert_eq!(zmq_ctx_term(self.context), 0);
        }
    }
}
