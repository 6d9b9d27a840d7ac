//! Lines of the log about what the system refuses: descriptors, memory, places for sockets.

use crate::logged::{Folder, inside};
use crate::support::PATIENCE;
use crate::support::bench::*;
use crate::support::process::test_name;
use std::fs::File;
use std::io::Read;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// What stderr says, read with a descriptor that is there from the beginning.
struct Said {
    file: File,
    text: String,
}

impl Said {
    fn in_folder(folder: &Path) -> Said {
        Said { file: File::open(folder.join("stderr")).unwrap(), text: String::new() }
    }

    /// Repeats an act until there is such a line. Lines of one kind come once a second.
    fn until(&mut self, wanted: &str, mut act: impl FnMut()) {
        let began = Instant::now();
        while !self.text.contains(wanted) {
            act();
            self.file.read_to_string(&mut self.text).unwrap();
            assert!(began.elapsed() < PATIENCE, "no line with \"{wanted}\" in:\n{}", self.text);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A stream socket that is not connected yet.
fn stream() -> OwnedFd {
    // SAFETY: no pointers, and the descriptor is owned from here on.
    unsafe { OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)) }
}

fn connect(stream: &OwnedFd, endpoint: &str) {
    let SocketAddr::V4(to) = endpoint["tcp://".len()..].parse().unwrap() else { panic!("{endpoint}") };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    };
    let bytes = size_of::<libc::sockaddr_in>() as u32;
    // SAFETY: an address of that many bytes.
    assert_eq!(unsafe { libc::connect(stream.as_raw_fd(), (&raw const address).cast(), bytes) }, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn what_fails_for_want_of_descriptors_is_told() {
    let name = test_name!(what_fails_for_want_of_descriptors_is_told);
    let Some(folder) = inside() else {
        Folder::new("descriptors").run(name, &[("FERROZMQ_LOG", "limits=warn")]);
        return;
    };
    let mut said = Said::in_folder(&folder);
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    let endpoint = pull.bind_anywhere();
    let [push, watched] = [(); 2].map(|()| context.socket(ZMQ_PUSH));
    push.set(ZMQ_RECONNECT_IVL, 1);
    let (late, peer) = (Context::new(), stream());
    let anyone = TcpListener::bind("127.0.0.1:0").unwrap();
    let limit = libc::rlimit { rlim_cur: 200, rlim_max: 200 };
    // SAFETY: a pointer to a value of the type that is asked for.
    let rc = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(rc, 0);
    let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    connect(&peer, &endpoint);
    said.until(&format!("ferrozmq: {endpoint} accepts no peers for now: Too many open files"), || {});
    push.connect(&format!("tcp://{}", anyone.local_addr().unwrap()));
    said.until("cannot be reached for now: Too many open files", || {});
    said.until("ferrozmq: zmq_socket fails: Too many open files", || {
        assert!(zmq_socket(late.0, ZMQ_PULL).is_null());
    });
    said.until("ferrozmq: an I/O thread cannot be started: Too many open files", || {});
    said.until("ferrozmq: zmq_bind fails: Too many open files", || {
        assert_eq!(pull.try_bind("tcp://127.0.0.1:*").err(), Some(libc::EMFILE));
    });
    said.until("ferrozmq: zmq_getsockopt fails: Too many open files", || {
        assert_eq!(watched.int(ZMQ_FD), Err(libc::EMFILE));
    });
    drop((taken, peer));
    context.end(&[pull, push, watched]);
    late.term();
}

#[test]
fn what_fails_for_want_of_memory_is_told() {
    let name = test_name!(what_fails_for_want_of_memory_is_told);
    let Some(folder) = inside() else {
        Folder::new("memory").run(name, &[("FERROZMQ_LOG", "memory=warn")]);
        return;
    };
    let mut message = MaybeUninit::<zmq_msg_t>::uninit();
    Said::in_folder(&folder).until("ferrozmq: zmq_msg_init_size fails: Cannot allocate memory", || {
        // SAFETY: a message of this process, which is not initialised afterwards.
        assert_eq!(unsafe { zmq_msg_init_size(message.as_mut_ptr(), 1 << 50) }, -1);
        assert_eq!(zmq_errno(), libc::ENOMEM);
    });
}

#[test]
fn a_context_that_is_full_is_told() {
    let name = test_name!(a_context_that_is_full_is_told);
    let Some(folder) = inside() else {
        let said = Folder::new("sockets").run(name, &[("FERROZMQ_LOG", "limits=warn")]);
        assert!(said.contains("ferrozmq: zmq_socket fails: Too many open files"), "{said}");
        return;
    };
    let context = Context::new();
    assert_eq!(zmq_ctx_set(context.0, ZMQ_MAX_SOCKETS, 1), 0);
    let socket = context.socket(ZMQ_PULL);
    Said::in_folder(&folder).until("ferrozmq: the context has its 1 sockets (ZMQ_MAX_SOCKETS)", || {
        assert!(zmq_socket(context.0, ZMQ_PULL).is_null());
    });
    context.end(&[socket]);
}
