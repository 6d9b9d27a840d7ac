//! A socket under attack, one good connection to it that goes on all along, a monitor, and raw peers.
// Each test program uses a part of it.
#![allow(dead_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
pub use zmq::ffi::constants::*;
pub use zmq::ffi::*;
pub use zmq::options::number::*;

/// Long enough for any machine; nothing waits so long unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

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
    let patience = PATIENCE.as_millis() as c_int;
    set(socket, ZMQ_RCVTIMEO, patience);
    set(socket, ZMQ_SNDTIMEO, patience);
    socket
}

pub fn connect(socket: Socket, endpoint: &str) {
    let endpoint = CString::new(endpoint).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { zmq_connect(socket, endpoint.as_ptr()) }, 0, "{}", errno());
}

/// Binds to a free port and says which.
pub fn bind(socket: Socket) -> String {
    // SAFETY: a C string, and room for the answer.
    unsafe {
        assert_eq!(zmq_bind(socket, c"tcp://127.0.0.1:*".as_ptr()), 0, "{}", errno());
        let (mut name, mut len) = ([0u8; 256], 256);
        assert_eq!(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, name.as_mut_ptr().cast(), &raw mut len), 0);
        CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap().to_string()
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
        let context = zmq_ctx_new();
        let socket = open(context, kind);
        prepare(context, socket);
        let monitor = open(context, ZMQ_PAIR);
        // SAFETY: C strings.
        unsafe {
            assert_eq!(zmq_socket_monitor(socket, c"inproc://monitor".as_ptr(), ZMQ_EVENT_ALL), 0);
            assert_eq!(zmq_connect(monitor, c"inproc://monitor".as_ptr()), 0);
        }
        let endpoint = bind(socket);
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
        set(self.good, ZMQ_RCVTIMEO, PATIENCE.as_millis() as c_int);
        got
    }

    /// The next event of the monitor: kind and value; `None` if none comes in time.
    pub fn event(&self, timeout_ms: c_int) -> Option<(c_int, u32)> {
        set(self.monitor, ZMQ_RCVTIMEO, timeout_ms);
        let frames = recv_all(self.monitor, 0).ok()?;
        let event = &frames[0];
        let kind = u16::from_ne_bytes(event[..2].try_into().unwrap());
        Some((c_int::from(kind), u32::from_ne_bytes(event[2..6].try_into().unwrap())))
    }

    /// Waits for an event of this kind; its value.
    pub fn wait_for(&self, kind: c_int) -> u32 {
        loop {
            let event = self.event(PATIENCE.as_millis() as c_int);
            let (other, value) = event.unwrap_or_else(|| panic!("no event {kind:#x}"));
            if other == kind {
                return value;
            }
        }
    }

    pub fn attack(&self) -> TcpStream {
        let stream = TcpStream::connect(self.endpoint.strip_prefix("tcp://").unwrap()).unwrap();
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    V3,
}

pub const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::V3];

/// All that a peer says before its first message.
pub fn hello(version: Version, socket_type: &str, routing_id: &[u8]) -> Vec<u8> {
    match version {
        // The routing id alone, as a frame.
        Version::V1 => frame(Version::V1, 0, routing_id),
        Version::V2 => {
            let number = match socket_type {
                "PUB" => 1,
                "SUB" => 2,
                "DEALER" => 5,
                "PULL" => 7,
                "PUSH" => 8,
                _ => panic!(),
            };
            let mut hello = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01".to_vec();
            hello.push(number);
            hello.extend_from_slice(&frame(Version::V2, 0, routing_id));
            hello
        }
        Version::V3 => {
            let mut hello = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec();
            hello.resize(64, 0);
            let mut ready = b"\x05READY".to_vec();
            for (name, value) in [("Socket-Type", socket_type.as_bytes()), ("Identity", routing_id)] {
                ready.push(name.len() as u8);
                ready.extend_from_slice(name.as_bytes());
                ready.extend_from_slice(&(value.len() as u32).to_be_bytes());
                ready.extend_from_slice(value);
            }
            hello.extend_from_slice(&frame(Version::V3, COMMAND, &ready));
            hello
        }
    }
}

pub const MORE: u8 = 1;
pub const LARGE: u8 = 2;
pub const COMMAND: u8 = 4;

pub fn frame(version: Version, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = header(version, flags, body.len() as u64);
    frame.extend_from_slice(body);
    frame
}

/// Of a frame whose body is, or claims to be, so long.
pub fn header(version: Version, flags: u8, len: u64) -> Vec<u8> {
    let mut header = Vec::new();
    if version == Version::V1 {
        match len.saturating_add(1) {
            short @ 0..255 => header.push(short as u8),
            long => {
                header.push(0xff);
                header.extend_from_slice(&long.to_be_bytes());
            }
        }
        header.push(flags);
    } else if len <= 255 {
        header.extend_from_slice(&[flags, len as u8]);
    } else {
        header.push(flags | LARGE);
        header.extend_from_slice(&len.to_be_bytes());
    }
    header
}

/// Writes until all is out or the other side has closed; `false` then.
pub fn pour(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    match stream.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                "neither taken nor closed: {error}"
            );
            false
        }
    }
}

/// Reads until the other side closes.
pub fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "not closed");
    }
    bytes
}
