//! A panic on the I/O thread costs the connection it happened in. The injection point is the monitor: its observer is called in
//! the middle of a session's work.

use crate::audit::Record;
use crate::counters::SocketRecord;
use crate::ctx::{Context, SocketTicket};
use crate::engine::Security;
use crate::errno::Errno;
use crate::options::{ContextOptions, SocketOptions, SocketType};
use crate::pipe::{Notify, Pipe, PipeEvent};
use crate::reactor::{Handle, Ready, Source, SourceContext};
use crate::security::Protection;
use crate::session::{
    Command, Endpoints, Listening, Observer, SessionContext, SessionHandle, SocketLink, connect, event,
    listen,
};
use crate::sys::faults::{self, Call};
use crate::sys::lock::Lock;
use crate::sys::park::Parker;
use crate::transport::{self, Scheme};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Long enough for any machine; nothing waits so long unless it fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Panics at the next event of the kind it is armed with.
#[derive(Default)]
struct Bomb(AtomicU64);

/// No authenticator anywhere.
struct Nobody;

impl crate::session::Authenticators for Nobody {
    fn authenticator(&self) -> crate::errno::Result<Option<(crate::pipe::Pipe, Arc<SocketLink>)>> {
        Ok(None)
    }
}

impl Observer for Bomb {
    fn event(&self, kind: u64, _values: &[u64], _endpoints: &Endpoints) {
        if self.0.compare_exchange(kind, 0, SeqCst, SeqCst).is_ok() {
            panic!("injected");
        }
    }

    fn record(&self, _record: &Record, endpoints: &Endpoints) {
        self.event(event::AUDIT, &[], endpoints);
    }
}

impl Bomb {
    fn arm(&self, kind: u64) {
        self.0.store(kind, SeqCst);
    }
}

/// What a socket would be: it takes pipes, and hears when they close.
pub(super) struct Fixture {
    pub(super) owner: Arc<SocketLink>,
    options: Arc<SocketOptions>,
    bomb: Arc<Bomb>,
    context: Context,
    ticket: SocketTicket,
    parker: Arc<Parker>,
}

impl Fixture {
    pub(super) fn new(options: SocketOptions) -> Fixture {
        Fixture::with_io_threads(1, options)
    }

    pub(super) fn with_io_threads(number: i32, options: SocketOptions) -> Fixture {
        let mut context_options = ContextOptions::new();
        context_options.io_threads = number;
        let context = Context::new(context_options);
        let owner = Arc::new(SocketLink::new(0, SocketRecord::default()));
        let stop: Weak<SocketLink> = Arc::downgrade(&owner);
        let ticket = context.register_socket(stop).unwrap();
        let bomb = Arc::new(Bomb::default());
        owner.monitor.set(u64::MAX, bomb.clone()).unwrap();
        let parker = Arc::new(Parker::new());
        owner.mailbox.register(&parker);
        Fixture { owner, options: Arc::new(options), bomb, context, ticket, parker }
    }

    /// Everything of the sessions is gone.
    pub(super) fn end(self) {
        let Fixture { context, ticket, .. } = self;
        drop(ticket);
        assert_eq!(context.terminate(), Ok(()));
    }

    fn session_context(&self) -> SessionContext {
        let (owner, options) = (Arc::clone(&self.owner), Arc::clone(&self.options));
        let security = Security::Null;
        SessionContext {
            owner,
            options,
            security,
            protection: None,
            authenticators: Arc::new(Nobody),
            guard: self.context.guard(),
        }
    }

    fn io_thread(&self) -> Handle {
        self.context.choose_io_thread(0).unwrap()
    }

    /// Refuses a call to the I/O thread `times` times. Returns when that has begun.
    pub(super) fn refuse_there(&self, call: Call, errno: Errno, times: u32) {
        let (begun, has_begun) = channel();
        self.io_thread().add(Box::new(move |cx| {
            // Counted down by the calls that it refuses.
            std::mem::forget(faults::refuse(call, errno, times));
            begun.send(()).unwrap();
            cx.finish();
            Box::new(Nothing)
        }));
        has_begun.recv_timeout(PATIENCE).unwrap();
    }

    /// Returns when the I/O thread has done all that it was woken for before.
    #[cfg(front_epoll)]
    pub(super) fn run_there(&self) {
        for _ in 0..2 {
            let (run, has_run) = channel();
            self.io_thread().add(Box::new(move |cx| {
                run.send(()).unwrap();
                cx.finish();
                Box::new(Nothing)
            }));
            has_run.recv_timeout(PATIENCE).unwrap();
        }
    }

    /// Keeps the I/O threads from running until the senders are dropped. Returns when that has begun.
    pub(super) fn hold_io_threads(&self) -> Vec<Sender<()>> {
        let handles = (0..).map_while(|number| self.context.choose_io_thread(1 << number));
        let hold = |handle: Handle| {
            let (release, has_begun) = hold(&handle);
            has_begun.recv_timeout(PATIENCE).unwrap();
            release
        };
        handles.map(hold).collect()
    }

    /// Asks the only I/O thread to be held once more, behind all that it has been asked before. It tells when that has begun, and
    /// it lasts until the sender is dropped.
    pub(super) fn hold_next(&self) -> (Sender<()>, Receiver<()>) {
        hold(&self.io_thread())
    }

    /// Waits until there is a connection, which comes after its pipe.
    pub(super) fn until_connected(&self) {
        let start = Instant::now();
        while self.owner.connections.count() == 0 {
            assert!(start.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }

    pub(super) fn listen(&self) -> (Listening, String) {
        self.listen_at(Scheme::Tcp, "127.0.0.1:0")
    }

    pub(super) fn listen_at(&self, scheme: Scheme, address: &str) -> (Listening, String) {
        let listener = transport::bind(scheme, address, &self.options).unwrap();
        let (_, address) = listener.last_endpoint().split_once("://").unwrap();
        let address = address.to_string();
        (listen(&self.io_thread(), self.session_context(), listener), address)
    }

    /// Connects to a tcp address; `pipe` is the session's end.
    pub(super) fn connect(&self, address: &str, pipe: Pipe) -> SessionHandle {
        let plan = transport::connect(Scheme::Tcp, address, &self.options).unwrap();
        connect(&self.io_thread(), self.session_context(), plan, Some(pipe), Vec::new())
    }

    /// As [`connect`](Fixture::connect), where a security file has its say.
    pub(super) fn connect_protected(
        &self,
        address: &str,
        pipe: Pipe,
        protection: Arc<Protection>,
    ) -> SessionHandle {
        let plan = transport::connect(Scheme::Tcp, address, &self.options).unwrap();
        let context = SessionContext { protection: Some(protection), ..self.session_context() };
        connect(&self.io_thread(), context, plan, Some(pipe), Vec::new())
    }

    pub(super) fn command(&self) -> Command {
        let mut commands = Vec::new();
        loop {
            self.owner.mailbox.take(&mut commands);
            if let Some(command) = commands.pop() {
                assert!(commands.is_empty(), "one at a time");
                return command;
            }
            assert_eq!(self.parker.park(Some(PATIENCE)), Ok(true), "nothing happens");
        }
    }

    pub(super) fn pipe(&self) -> SocketPipe {
        match self.command() {
            Command::Bind(pipe) => SocketPipe::new(*pipe),
            _ => panic!("no pipe"),
        }
    }
}

/// Keeps an I/O thread from running until the sender is dropped. The receiver hears when that has begun.
fn hold(handle: &Handle) -> (Sender<()>, Receiver<()>) {
    let ((begun, has_begun), (release, released)) = (channel(), channel());
    handle.add(Box::new(move |cx| {
        begun.send(()).unwrap();
        // An error: the sender was dropped.
        let _ = released.recv();
        cx.finish();
        Box::new(Nothing)
    }));
    (release, has_begun)
}

/// A source that is gone at once.
struct Nothing;

impl Source for Nothing {
    fn ready(&mut self, _cx: &mut SourceContext<'_>, _ready: Ready) {}
    fn timer(&mut self, _cx: &mut SourceContext<'_>, _id: u8) {}
    fn wake(&mut self, _cx: &mut SourceContext<'_>) {}
}

/// A pipe whose owner only wakes up.
pub(super) struct SocketPipe {
    pub(super) pipe: Pipe,
    pub(super) parker: Arc<Parker>,
    #[cfg(front_epoll)]
    owner: Arc<Wake>,
}

struct Wake(Lock<Arc<Parker>>);

impl Notify for Wake {
    fn notify(&self, _event: PipeEvent) {
        self.0.lock().unpark();
    }
}

impl SocketPipe {
    pub(super) fn new(pipe: Pipe) -> SocketPipe {
        let parker = Arc::new(Parker::new());
        let owner = Arc::new(Wake(Lock::new(Arc::clone(&parker))));
        pipe.set_owner(owner.clone());
        SocketPipe {
            pipe,
            parker,
            #[cfg(front_epoll)]
            owner,
        }
    }

    /// It is this one that hears of the pipe from now on.
    #[cfg(front_epoll)]
    pub(super) fn wake(&mut self, parker: &Arc<Parker>) {
        self.parker = Arc::clone(parker);
        *self.owner.0.lock() = Arc::clone(parker);
    }

    pub(super) fn recv(&mut self) -> Vec<u8> {
        loop {
            if let Some(frame) = self.pipe.read() {
                return frame.data().to_vec();
            }
            assert_eq!(self.parker.park(Some(PATIENCE)), Ok(true), "nothing comes");
        }
    }

    pub(super) fn wait_for_the_end(&mut self) {
        while !self.pipe.check_read() && !self.pipe.ended() {
            assert_eq!(self.parker.park(Some(PATIENCE)), Ok(true), "it does not end");
        }
        assert!(self.pipe.ended());
    }
}

/// A ZMTP 3.1 peer of type PUSH that has said all it has to.
pub(super) fn greet(stream: TcpStream) -> TcpStream {
    greet_as(b"PUSH", stream)
}

/// As [`greet`], of another type.
pub(super) fn greet_as(socket_type: &[u8], mut stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&hello(socket_type)).unwrap();
    stream
}

/// What such a peer says.
pub(super) fn hello(socket_type: &[u8]) -> Vec<u8> {
    let mut hello = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec();
    hello.resize(64, 0);
    let len = u8::try_from(socket_type.len()).unwrap();
    hello.extend_from_slice(&[4, 22 + len]);
    hello.extend_from_slice(b"\x05READY\x0bSocket-Type\0\0\0");
    hello.push(len);
    hello.extend_from_slice(socket_type);
    hello
}

/// Until the other side closes.
pub(super) fn drain(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes);
}

pub(super) fn pull() -> SocketOptions {
    let mut options = SocketOptions::new(SocketType::Pull);
    options.reconnect_ivl_ms = 1;
    options
}

#[test]
fn a_panic_ends_its_own_connection_alone() {
    let fixture = Fixture::new(pull());
    let (listening, address) = fixture.listen();
    let mut good = greet(TcpStream::connect(&address).unwrap());
    let mut good_pipe = fixture.pipe();
    for round in 0..3u8 {
        // During the handshake: there is no pipe yet.
        fixture.bomb.arm(event::HANDSHAKE_SUCCEEDED);
        drain(greet(TcpStream::connect(&address).unwrap()));
        // While it is taken: it costs the listener nothing.
        fixture.bomb.arm(event::ACCEPTED);
        drain(TcpStream::connect(&address).unwrap());
        // In the data phase: the socket is told.
        let mut other = greet(TcpStream::connect(&address).unwrap());
        let mut other_pipe = fixture.pipe();
        fixture.bomb.arm(event::DISCONNECTED);
        other.write_all(b"\0\x01x\x02\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
        assert_eq!(other_pipe.recv(), b"x");
        other_pipe.wait_for_the_end();
        drain(other);
        good.write_all(&[0, 1, round]).unwrap();
        assert_eq!(good_pipe.recv(), [round]);
    }
    listening.close();
    good_pipe.wait_for_the_end();
    fixture.end();
}

#[test]
fn a_connecter_that_panicked_connects_again() {
    let fixture = Fixture::new(pull());
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap().to_string();
    let lane = crate::pipe::LaneOptions { hwm: 10, conflate: false };
    let (ours, theirs) = crate::pipe::pair(lane, lane).unwrap();
    let mut first = SocketPipe::new(ours);
    fixture.bomb.arm(event::HANDSHAKE_SUCCEEDED);
    let session = fixture.connect(&address, theirs);
    drain(greet(peer.accept().unwrap().0));
    first.wait_for_the_end();
    let mut stream = greet(peer.accept().unwrap().0);
    let mut second = fixture.pipe();
    stream.write_all(b"\0\x02hi").unwrap();
    assert_eq!(second.recv(), b"hi");
    session.terminate(fixture.owner.linger_ms());
    second.wait_for_the_end();
    drain(stream);
    fixture.end();
}

#[test]
fn nothing_is_printed() {
    const INSIDE: &str = "FERROZMQ_TEST_PANICS";
    let name = "session::tests::panics::nothing_is_printed";
    if std::env::var_os(INSIDE).is_some() {
        // As the I/O thread of a process in which nothing has panicked before.
        return a_panic_ends_its_own_connection_alone();
    }
    let start = Instant::now();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .env_remove("FERROZMQ_LOG")
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?} {output:?}", start.elapsed());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("injected"));
}
