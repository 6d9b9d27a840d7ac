//! What a forked child finds that threads of its parent were using at that moment.

use crate::support::process::{inside, role, spawn, test_name};
use std::ffi::{c_int, c_void};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use zmq::errno::Errno;
use zmq::ffi::constants::*;
use zmq::ffi::draft_constants::*;
use zmq::ffi::*;
use zmq::options::number::ZMQ_MAX_SOCKETS;

/// Forks, and fails where the child does not come to its end.
fn in_child(inside: impl FnOnce() -> Result<(), u32>) {
    // SAFETY: the child uses only what is meant to be used in a child, and leaves with `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: a child that hangs is killed, which the parent sees.
        unsafe { libc::alarm(20) };
        let code = inside().map_or_else(|line| line.min(255) as i32, |()| 0);
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "exit {} signal {}", libc::WEXITSTATUS(status), libc::WTERMSIG(status));
}

macro_rules! check {
    ($what:expr) => {
        if !$what {
            return Err(line!());
        }
    };
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C-unwind" fn count(_: c_int, _: *mut c_void) {
    CALLS.fetch_add(1, SeqCst);
}

/// Adds a timer that is due, and has it called.
fn fire(timers: *mut c_void) -> Result<(), u32> {
    let before = CALLS.load(SeqCst);
    // SAFETY: the handler ignores its argument.
    check!(unsafe { zmq_timers_add(timers, 0, Some(count), null_mut()) } > 0);
    check!(zmq_timers_timeout(timers) == 0);
    check!(zmq_timers_execute(timers) == 0);
    check!(CALLS.load(SeqCst) > before);
    Ok(())
}

fn end(mut timers: *mut c_void) -> Result<(), u32> {
    // SAFETY: a pointer variable.
    unsafe {
        check!(zmq_timers_destroy(&raw mut timers) == 0 && timers.is_null());
    }
    Ok(())
}

#[test]
fn a_child_makes_sets_of_timers_and_goes_on_with_its_parents_while_threads_use_others() {
    if !inside(test_name!(a_child_makes_sets_of_timers_and_goes_on_with_its_parents_while_threads_use_others))
    {
        return;
    }
    let mine = zmq_timers_new();
    fire(mine).unwrap();
    let (done, at_work) = (AtomicBool::new(false), AtomicUsize::new(0));
    let others = [(); 2].map(|()| zmq_timers_new().addr());
    thread::scope(|scope| {
        for other in others {
            let (done, at_work) = (&done, &at_work);
            scope.spawn(move || {
                let other = without_provenance_mut(other);
                at_work.fetch_add(1, SeqCst);
                while !done.load(SeqCst) {
                    assert_eq!((zmq_timers_timeout(other), zmq_timers_execute(other)), (-1, 0));
                }
            });
        }
        while at_work.load(SeqCst) < 2 {
            thread::yield_now();
        }
        for _ in 0..300 {
            in_child(|| {
                fire(mine)?;
                let fresh = zmq_timers_new();
                check!(!fresh.is_null());
                fire(fresh)?;
                end(fresh)?;
                end(mine)?;
                // In whatever state the threads have left them.
                others.into_iter().try_for_each(|other| end(without_provenance_mut(other)))
            });
        }
        done.store(true, SeqCst);
    });
    fire(mine).unwrap();
    end(mine).unwrap();
}

/// Has the process's stderr be a pipe that is full.
fn fill_stderr() {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which stay open; the buffer is as long as said.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK), 0);
        while libc::write(ends[1], [b'\n'; 4096].as_ptr().cast(), 4096) > 0 {}
        assert_eq!(libc::dup2(ends[1], libc::STDERR_FILENO), libc::STDERR_FILENO);
    }
}

/// A thread's first call waits for its complaint about the variable.
#[test]
fn a_child_makes_a_context_while_a_thread_of_its_parent_makes_the_first() {
    let name = test_name!(a_child_makes_a_context_while_a_thread_of_its_parent_makes_the_first);
    if role().is_some() {
        fill_stderr();
        let begun = AtomicBool::new(false);
        return thread::scope(|scope| {
            let first = scope.spawn(|| {
                begun.store(true, SeqCst);
                assert!(!zmq_ctx_new().is_null());
            });
            while !begun.load(SeqCst) {
                thread::yield_now();
            }
            loop {
                in_child(|| {
                    let context = zmq_ctx_new();
                    check!(!context.is_null() && zmq_ctx_term(context) == 0);
                    Ok(())
                });
                if first.is_finished() {
                    break;
                }
            }
        });
    }
    let output = spawn(name, "first", &["env", "FERROZMQ_AUDIT=/none/trail"]).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

fn context_of_the_parent_goes_on(context: *mut c_void) -> Result<(), u32> {
    check!(zmq_ctx_get(context, ZMQ_MAX_SOCKETS) == 7);
    check!(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 8) == 0 && zmq_ctx_get(context, ZMQ_MAX_SOCKETS) == 8);
    check!(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 0) == -1 && zmq_errno() == libc::EINVAL);
    check!(zmq_ctx_shutdown(context) == 0);
    check!(zmq_socket(context, ZMQ_PULL).is_null() && zmq_errno() == Errno::TERM.0);
    check!(zmq_ctx_term(context) == 0);
    check!(zmq_ctx_term(context) == -1 && zmq_errno() == libc::EFAULT);
    check!(zmq_ctx_get(context, ZMQ_MAX_SOCKETS) == -1 && zmq_errno() == libc::EFAULT);
    Ok(())
}

#[test]
fn a_child_reads_and_sets_the_options_of_its_parents_context() {
    if !inside(test_name!(a_child_reads_and_sets_the_options_of_its_parents_context)) {
        return;
    }
    let [used, unused] = [(); 2].map(|()| zmq_ctx_new());
    let socket = zmq_socket(used, ZMQ_PULL);
    for context in [used, unused] {
        assert_eq!(zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 7), 0);
    }
    in_child(|| {
        context_of_the_parent_goes_on(used)?;
        context_of_the_parent_goes_on(unused)
    });
    in_child(|| {
        check!(zmq_ctx_shutdown(used) == 0 && zmq_ctx_shutdown(unused) == 0);
        check!(zmq_ctx_term(used) == 0 && zmq_ctx_term(unused) == 0);
        Ok(())
    });
    assert_eq!(zmq_ctx_get(used, ZMQ_MAX_SOCKETS), 7);
    assert_eq!(zmq_close(socket), 0);
    assert_eq!((zmq_ctx_term(used), zmq_ctx_term(unused)), (0, 0));
}

const IN: i16 = ZMQ_POLLIN as i16;
const OUT: i16 = ZMQ_POLLOUT as i16;

/// What is ready of a poller: the events, or errno.
fn poller_wait(poller: *mut c_void) -> Result<i16, c_int> {
    let mut event = zmq_poller_event_t { socket: null_mut(), fd: -1, user_data: null_mut(), events: 0 };
    // SAFETY: a place for an event.
    let rc = unsafe { zmq_poller_wait(poller, &raw mut event, 0) };
    if rc == 0 { Ok(event.events) } else { Err(zmq_errno()) }
}

fn poller_end(mut poller: *mut c_void) -> c_int {
    // SAFETY: a pointer variable.
    unsafe { zmq_poller_destroy(&raw mut poller) }
}

fn readable(fd: c_int) -> bool {
    let mut item = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one item.
    unsafe { libc::poll(&raw mut item, 1, 0) == 1 }
}

#[test]
fn a_child_goes_on_with_its_parents_pollers_and_takes_nothing_from_them() {
    if !inside(test_name!(a_child_goes_on_with_its_parents_pollers_and_takes_nothing_from_them)) {
        return;
    }
    let (mut here, there) = UnixStream::pair().unwrap();
    here.write_all(b"x").unwrap();
    let (raw, mixed) = (zmq_poller_new(), zmq_poller_new());
    assert_eq!(zmq_poller_add_fd(raw, there.as_raw_fd(), null_mut(), IN), 0);
    let context = zmq_ctx_new();
    let socket = zmq_socket(context, ZMQ_CLIENT);
    assert_eq!(zmq_poller_add(mixed, socket, null_mut(), IN), 0);
    let mut fd = -1;
    // SAFETY: a place of the right type, and a string.
    unsafe {
        assert_eq!(zmq_poller_fd(mixed, &raw mut fd), 0);
        // A new endpoint tells of itself.
        assert_eq!(zmq_bind(socket, c"tcp://127.0.0.1:*".as_ptr()), 0);
    }
    assert!(readable(fd));
    in_child(|| {
        check!(poller_wait(raw) == Ok(IN));
        check!(zmq_poller_modify_fd(raw, there.as_raw_fd(), OUT) == 0);
        check!(poller_wait(raw) == Ok(OUT));
        check!(zmq_poller_remove_fd(raw, there.as_raw_fd()) == 0 && zmq_poller_size(raw) == 0);
        check!(poller_wait(mixed) == Err(libc::ENOTSOCK));
        check!(zmq_poller_remove(mixed, socket) == -1 && zmq_poller_size(mixed) == 0);
        check!(zmq_poller_add_fd(mixed, there.as_raw_fd(), null_mut(), IN) == 0);
        check!(poller_wait(mixed) == Ok(IN));
        let context = zmq_ctx_new();
        let socket = zmq_socket(context, ZMQ_CLIENT);
        check!(zmq_poller_add(mixed, socket, null_mut(), IN) == 0);
        check!(zmq_poller_remove(mixed, socket) == 0);
        check!(poller_end(raw) == 0 && poller_end(mixed) == 0);
        check!(poller_end(raw) == -1 && zmq_errno() == libc::EFAULT);
        check!(zmq_close(socket) == 0 && zmq_ctx_term(context) == 0);
        Ok(())
    });
    assert!(readable(fd), "the child has not taken the signal");
    assert_eq!(poller_wait(mixed), Err(libc::EAGAIN));
    assert!(!readable(fd));
    assert_eq!(poller_wait(raw), Ok(IN));
    assert_eq!((poller_end(raw), poller_end(mixed)), (0, 0));
    assert_eq!((zmq_close(socket), zmq_ctx_term(context)), (0, 0));
}
