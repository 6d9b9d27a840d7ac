//! A TCP wire between sockets under test, which is cut where a test says: after so many bytes, by a reset at both ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub struct Wire {
    /// Where to connect.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer = 0,
    ToClient = 1,
}

struct State {
    target: SocketAddr,
    /// The bytes after which all links are cut, of one that goes this way.
    cut: Option<(Way, usize)>,
    links: usize,
    cuts: usize,
    stopped: bool,
}

/// A connection on both sides of the wire. Dropped, it is reset at both ends.
struct Link {
    ends: [TcpStream; 2],
    /// Bytes read from one end that the other has not taken, and whether there are no more.
    pending: [(Vec<u8>, bool); 2],
}

const READ_BYTES: usize = 3000;
/// How long the wire sleeps at most before it looks at what the test wants.
const LOOK_MS: i32 = 1;

impl Wire {
    pub fn to(target: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { target, cut: None, links: 0, cuts: 0, stopped: false }));
        let theirs = Arc::clone(&state);
        let thread = Some(std::thread::spawn(move || run(&listener, &theirs)));
        Wire { address, state, thread }
    }

    /// Where new connections go.
    pub fn set_target(&self, target: SocketAddr) {
        self.state.lock().unwrap().target = target;
    }

    /// Cuts all links once one has passed this number of bytes more.
    pub fn cut_after(&self, way: Way, bytes: usize) {
        self.state.lock().unwrap().cut = Some((way, bytes));
    }

    /// Nothing is cut that has not been.
    pub fn spare(&self) {
        self.state.lock().unwrap().cut = None;
    }

    /// Links that were cut.
    pub fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.lock().unwrap().stopped = true;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn run(listener: &TcpListener, state: &Mutex<State>) {
    let mut links: Vec<Link> = Vec::new();
    loop {
        wait(listener, &links);
        let mut state = state.lock().unwrap();
        if state.stopped {
            return;
        }
        if let Ok((near, _)) = listener.accept()
            && let Ok(far) = TcpStream::connect(state.target)
        {
            links.push(Link::new([near, far]));
            state.links += 1;
        }
        let cut = &mut state.cut;
        links.retain_mut(|link| link.pass(cut));
        if matches!(cut, Some((_, 0))) {
            *cut = None;
            state.cuts += links.len();
            links.clear();
        }
    }
}

fn wait(listener: &TcpListener, links: &[Link]) {
    let item = |fd: RawFd, events| libc::pollfd { fd, events, revents: 0 };
    let mut items = vec![item(listener.as_raw_fd(), libc::POLLIN)];
    for link in links {
        for from in [0, 1] {
            let (bytes, ended) = &link.pending[from];
            if !bytes.is_empty() {
                items.push(item(link.ends[1 - from].as_raw_fd(), libc::POLLOUT));
            } else if !ended {
                items.push(item(link.ends[from].as_raw_fd(), libc::POLLIN));
            }
        }
    }
    // SAFETY: that many items.
    unsafe { libc::poll(items.as_mut_ptr(), items.len() as libc::nfds_t, LOOK_MS) };
}

impl Link {
    fn new(ends: [TcpStream; 2]) -> Link {
        let reset = libc::linger { l_onoff: 1, l_linger: 0 };
        for end in &ends {
            end.set_nonblocking(true).unwrap();
            // SAFETY: an option of that size.
            let rc = unsafe {
                let size = size_of::<libc::linger>() as libc::socklen_t;
                let fd = end.as_raw_fd();
                libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const reset).cast(), size)
            };
            assert_eq!(rc, 0);
        }
        Link { ends, pending: Default::default() }
    }

    /// Passes what there is. `false`: it is over.
    fn pass(&mut self, cut: &mut Option<(Way, usize)>) -> bool {
        for (from, way) in [(0, Way::ToServer), (1, Way::ToClient)] {
            let mut left = match cut {
                Some((cut, left)) if *cut == way => Some(left),
                _ => None,
            };
            let (bytes, ended) = &mut self.pending[from];
            if bytes.is_empty() && !*ended {
                let most = left.as_ref().map_or(READ_BYTES, |left| **left).min(READ_BYTES);
                let mut buffer = vec![0; most];
                match self.ends[from].read(&mut buffer) {
                    _ if most == 0 => return true,
                    Ok(0) => *ended = true,
                    Ok(length) => bytes.extend(&buffer[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(_) => return false,
                }
                if *ended && self.ends[1 - from].shutdown(Shutdown::Write).is_err() {
                    return false;
                }
            }
            match self.ends[1 - from].write(bytes) {
                Ok(length) => {
                    drop(bytes.drain(..length));
                    if let Some(left) = &mut left {
                        **left = left.saturating_sub(length);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
        }
        !self.pending.iter().all(|(bytes, ended)| bytes.is_empty() && *ended)
    }
}
