//! The C interface in few words: contexts and sockets as values that cross threads, as handles do in C. What is called `try_` returns
//! errno, the rest fails the test.

use super::PATIENCE_MS;
use std::ffi::{CString, c_int, c_long, c_void};
use std::mem::MaybeUninit;
pub use zmq::ffi::constants::*;
pub use zmq::ffi::*;
pub use zmq::options::number::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context(pub *mut c_void);
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket(pub *mut c_void);

// SAFETY: the library validates handles and locks what they stand for.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}
// SAFETY: as above.
unsafe impl Send for Socket {}
// SAFETY: as above.
unsafe impl Sync for Socket {}

impl Context {
    pub fn new() -> Context {
        Context(zmq_ctx_new())
    }

    pub fn socket(self, socket_type: c_int) -> Socket {
        let socket = Socket(zmq_socket(self.0, socket_type));
        assert!(!socket.0.is_null(), "errno {}", zmq_errno());
        socket.set(ZMQ_LINGER, 0);
        socket
    }

    /// A socket that receives and sends for so long that only a failure takes longer.
    pub fn patient(self, socket_type: c_int) -> Socket {
        let socket = self.socket(socket_type);
        socket.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        socket.set(ZMQ_SNDTIMEO, PATIENCE_MS);
        socket
    }

    /// A socket bound to the name.
    pub fn bound(self, socket_type: c_int, endpoint: &str) -> Socket {
        let socket = self.socket(socket_type);
        socket.bind(endpoint);
        socket
    }

    /// A socket connected to the name.
    pub fn connected(self, socket_type: c_int, endpoint: &str) -> Socket {
        let socket = self.socket(socket_type);
        socket.connect(endpoint);
        socket
    }

    pub fn shutdown(self) {
        assert_eq!(zmq_ctx_shutdown(self.0), 0);
    }

    /// Closes its sockets and ends it.
    pub fn end(self, sockets: &[Socket]) {
        sockets.iter().for_each(|socket| socket.close());
        self.term();
    }

    pub fn term(self) {
        while let Err(errno) = self.try_term() {
            assert_eq!(errno, libc::EINTR);
        }
    }

    pub fn try_term(self) -> Result<(), c_int> {
        outcome(zmq_ctx_term(self.0))
    }
}

impl Socket {
    pub fn bind(self, endpoint: &str) {
        self.try_bind(endpoint).unwrap_or_else(|errno| panic!("{endpoint}: errno {errno}"));
    }

    /// Binds to a free TCP port. The endpoint that it got.
    pub fn bind_anywhere(self) -> String {
        self.try_bind("tcp://127.0.0.1:*").unwrap()
    }

    /// Binds. The endpoint that it got.
    pub fn try_bind(self, endpoint: &str) -> Result<String, c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a string.
        outcome(unsafe { zmq_bind(self.0, endpoint.as_ptr()) }).map(|()| self.last_endpoint())
    }

    pub fn connect(self, endpoint: &str) {
        assert_eq!(self.try_connect(endpoint), Ok(()), "{endpoint}");
    }

    pub fn try_connect(self, endpoint: &str) -> Result<(), c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a string.
        outcome(unsafe { zmq_connect(self.0, endpoint.as_ptr()) })
    }

    pub fn unbind(self, endpoint: &str) {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a string.
        assert_eq!(unsafe { zmq_unbind(self.0, endpoint.as_ptr()) }, 0, "errno {}", zmq_errno());
    }

    pub fn disconnect(self, endpoint: &str) {
        assert_eq!(self.try_disconnect(endpoint), Ok(()), "{endpoint}");
    }

    pub fn try_disconnect(self, endpoint: &str) -> Result<(), c_int> {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: a string.
        outcome(unsafe { zmq_disconnect(self.0, endpoint.as_ptr()) })
    }

    pub fn set(self, option: c_int, value: c_int) {
        self.set_bytes(option, &value.to_ne_bytes());
    }

    pub fn set_i64(self, option: c_int, value: i64) {
        self.set_bytes(option, &value.to_ne_bytes());
    }

    pub fn set_bytes(self, option: c_int, value: &[u8]) {
        assert_eq!(self.try_set(option, value), Ok(()), "option {option}");
    }

    pub fn try_set(self, option: c_int, value: &[u8]) -> Result<(), c_int> {
        // SAFETY: that many readable bytes.
        outcome(unsafe { zmq_setsockopt(self.0, option, value.as_ptr().cast(), value.len()) })
    }

    pub fn int(self, option: c_int) -> Result<c_int, c_int> {
        let (mut value, mut len) = (0, 4);
        // SAFETY: four writable bytes.
        let rc = unsafe { zmq_getsockopt(self.0, option, (&raw mut value).cast(), &raw mut len) };
        if rc == 0 { Ok(value) } else { Err(zmq_errno()) }
    }

    /// The endpoint that a bind to port 0 has chosen.
    pub fn last_endpoint(self) -> String {
        let (mut value, mut len) = ([0u8; 256], 256);
        let option = ZMQ_LAST_ENDPOINT;
        // SAFETY: that many writable bytes.
        let rc = unsafe { zmq_getsockopt(self.0, option, value.as_mut_ptr().cast(), &raw mut len) };
        assert_eq!(rc, 0, "errno {}", zmq_errno());
        String::from_utf8(value[..len - 1].to_vec()).unwrap()
    }

    pub fn try_send(self, data: &[u8], flags: c_int) -> Result<(), c_int> {
        // SAFETY: that many readable bytes.
        let rc = unsafe { zmq_send(self.0, data.as_ptr().cast(), data.len(), flags) };
        outcome(rc)
    }

    /// A frame as a message, and whether more follow.
    pub fn try_frame(self, flags: c_int) -> Result<(Vec<u8>, bool), c_int> {
        let mut msg = MaybeUninit::<zmq_msg_t>::uninit();
        let msg = msg.as_mut_ptr();
        // SAFETY: the message is initialised first and closed last.
        unsafe {
            zmq_msg_init(msg);
            let result = outcome(zmq_msg_recv(msg, self.0, flags)).map(|()| {
                let data = std::slice::from_raw_parts(zmq_msg_data(msg).cast::<u8>(), zmq_msg_size(msg));
                (data.to_vec(), zmq_msg_more(msg) != 0)
            });
            zmq_msg_close(msg);
            result
        }
    }

    /// All frames of a message.
    pub fn try_frames(self, flags: c_int) -> Result<Vec<Vec<u8>>, c_int> {
        let mut frames = Vec::new();
        loop {
            let (frame, more) = self.try_frame(flags)?;
            frames.push(frame);
            if !more {
                return Ok(frames);
            }
        }
    }

    /// Sends all parts of a message.
    pub fn send(self, parts: &[&str]) {
        for (index, part) in parts.iter().enumerate() {
            let flags = if index + 1 < parts.len() { ZMQ_SNDMORE } else { 0 };
            assert_eq!(self.try_send(part.as_bytes(), flags), Ok(()));
        }
    }

    pub fn try_recv(self, flags: c_int) -> Result<Vec<u8>, c_int> {
        let mut buffer = vec![0; 70_000];
        // SAFETY: that many writable bytes.
        let rc = unsafe { zmq_recv(self.0, buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        let len = usize::try_from(rc).map_err(|_| zmq_errno())?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// Receives all parts of a message.
    pub fn recv(self) -> Vec<String> {
        let mut parts = Vec::new();
        loop {
            parts.push(String::from_utf8_lossy(&self.try_recv(0).unwrap()).into_owned());
            if self.int(ZMQ_RCVMORE) == Ok(0) {
                return parts;
            }
        }
    }

    pub fn close(self) {
        assert_eq!(zmq_close(self.0), 0, "errno {}", zmq_errno());
    }

    pub fn item(self, events: c_int) -> zmq_pollitem_t {
        zmq_pollitem_t { socket: self.0, fd: -1, events: events as i16, revents: -1 }
    }
}

/// The events of a socket, as they come.
#[derive(Clone, Copy)]
pub struct Monitor(pub Socket);

impl Monitor {
    pub fn of(context: Context, socket: Socket) -> Monitor {
        Monitor::of_events(context, socket, ZMQ_EVENT_ALL)
    }

    pub fn of_events(context: Context, socket: Socket, events: c_int) -> Monitor {
        Monitor::start(socket, events);
        Monitor::read(context, socket)
    }

    /// Has events kept for a reader that is yet to come.
    pub fn start(socket: Socket, events: c_int) {
        let name = CString::new(Monitor::endpoint(socket)).unwrap();
        // SAFETY: a string.
        let rc = unsafe { zmq_socket_monitor(socket.0, name.as_ptr(), events) };
        assert_eq!(rc, 0, "errno {}", zmq_errno());
    }

    pub fn stop(socket: Socket) {
        // SAFETY: no string stops it.
        assert_eq!(unsafe { zmq_socket_monitor(socket.0, std::ptr::null(), 0) }, 0);
    }

    /// A reader of a socket that is monitored already.
    pub fn read(context: Context, socket: Socket) -> Monitor {
        let reader = context.connected(ZMQ_PAIR, &Monitor::endpoint(socket));
        reader.set(ZMQ_RCVTIMEO, PATIENCE_MS);
        Monitor(reader)
    }

    fn endpoint(socket: Socket) -> String {
        format!("inproc://events-{}", socket.0.addr())
    }

    /// Which event it is, its value, and of which endpoint.
    pub fn try_event(self, flags: c_int) -> Result<(c_int, c_int, String), c_int> {
        let event = self.0.try_recv(flags)?;
        let endpoint = self.0.try_recv(0)?;
        let value = c_int::from_ne_bytes([event[2], event[3], event[4], event[5]]);
        let kind = u16::from_ne_bytes([event[0], event[1]]).into();
        Ok((kind, value, String::from_utf8(endpoint).unwrap()))
    }

    pub fn event(self) -> c_int {
        self.try_event(0).expect("an event").0
    }

    /// Waits for an event of this kind. Its value.
    pub fn until(self, kind: c_int) -> u32 {
        loop {
            let (other, value, _) =
                self.try_event(0).unwrap_or_else(|errno| panic!("no event {kind:#x}: {errno}"));
            if other == kind {
                return value.cast_unsigned();
            }
        }
    }
}

/// What a call that returns -1 and sets errno has come to.
fn outcome(rc: c_int) -> Result<(), c_int> {
    if rc == -1 { Err(zmq_errno()) } else { Ok(()) }
}

/// Keys as text with a NUL: the public one and the secret one.
pub fn curve_keypair() -> ([u8; 41], [u8; 41]) {
    let (mut public, mut secret) = ([0u8; 41], [0u8; 41]);
    // SAFETY: 41 writable bytes each.
    let rc = unsafe { zmq_curve_keypair(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast()) };
    assert_eq!(rc, 0);
    (public, secret)
}

/// A raw descriptor to poll.
pub fn raw_item(fd: c_int, events: c_int) -> zmq_pollitem_t {
    zmq_pollitem_t { socket: std::ptr::null_mut(), fd, events: events as i16, revents: -1 }
}

/// How many items are ready, or errno.
pub fn poll(items: &mut [zmq_pollitem_t], timeout_ms: c_long) -> Result<c_int, c_int> {
    // SAFETY: that many items.
    let rc = unsafe { zmq_poll(items.as_mut_ptr(), items.len() as c_int, timeout_ms) };
    if rc == -1 { Err(zmq_errno()) } else { Ok(rc) }
}
