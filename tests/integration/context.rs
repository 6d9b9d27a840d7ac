//! Contexts and signals, contexts and `fork`.

use crate::support::process::{inside, role, spawn, test_name};
use crate::support::signals::{Signal, Target};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use zmq::ctx::{Context, Mailbox, Slots, SocketTicket};
use zmq::errno::{Errno, Result};
use zmq::options::ContextOptions;
use zmq::options::number::ZMQ_IO_THREADS;

fn socket(context: &Context) -> Result<(Arc<Mailbox<u8>>, SocketTicket)> {
    let mailbox = Arc::new(Mailbox::new());
    let stop: Weak<Mailbox<u8>> = Arc::downgrade(&mailbox);
    Ok((mailbox, context.register_socket(stop)?))
}

#[test]
fn a_signal_interrupts_termination_and_it_can_be_repeated() {
    let signal = Signal::Restarting.handle();
    let context = Context::new(ContextOptions::new());
    let (_mailbox, ticket) = socket(&context).unwrap();
    let interrupted = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let terminator = scope.spawn(|| {
            sender.send(Target::own()).unwrap();
            let first = context.terminate();
            interrupted.store(true, SeqCst);
            // More signals may be on their way.
            let mut last = first;
            while last == Err(Errno::INTR) {
                last = context.terminate();
            }
            (first, last)
        });
        let target: Target = receiver.recv().unwrap();
        while !interrupted.load(SeqCst) {
            target.send(signal);
            thread::sleep(Duration::from_millis(1));
        }
        drop(ticket);
        assert_eq!(terminator.join().unwrap(), (Err(Errno::INTR), Ok(())));
    });
}

static SLOTS: Slots<(Context, Arc<Mailbox<u8>>, SocketTicket)> = Slots::new(0x7371_0001);

/// What a child does first: let go of what it has from its parent; then: start afresh. Returns the line that failed.
fn child(handle: usize, context: &Context) -> std::result::Result<(), u32> {
    macro_rules! check {
        ($what:expr) => {
            if !$what {
                return Err(line!());
            }
        };
    }
    check!(context.forked() && context.stopping());
    check!(socket(context).err() == Some(Errno::TERM));
    check!(context.choose_io_thread(0).is_none());
    check!(context.terminate() == Ok(()));
    let slot = SLOTS.lookup(handle).ok_or(line!())?;
    check!(slot.forked() && slot.lock().is_none());
    check!(slot.abandon() && !slot.abandon() && !slot.forked());
    let fresh = Context::new(ContextOptions::new());
    let (mailbox, ticket) = socket(&fresh).map_err(|_| line!())?;
    check!(fresh.choose_io_thread(0).is_some());
    mailbox.send(7);
    check!(mailbox.pending());
    let own = SLOTS.insert((fresh.clone(), mailbox, ticket)).map_err(|_| line!())?;
    check!(own != handle);
    check!(SLOTS.remove(SLOTS.lock(own).ok_or(line!())?).is_some());
    check!(fresh.terminate() == Ok(()));
    Ok(())
}

#[test]
fn a_forked_child_lets_go_and_starts_afresh_while_the_parent_is_busy() {
    if !inside(test_name!(a_forked_child_lets_go_and_starts_afresh_while_the_parent_is_busy)) {
        return;
    }
    let context = Context::new(ContextOptions::new());
    let (mailbox, ticket) = socket(&context).unwrap();
    let fd = mailbox.fd().unwrap();
    let handle = SLOTS.insert((context.clone(), Arc::clone(&mailbox), ticket)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Locks are taken and released all the time, so that some are held at the fork.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    let (mailbox, ticket) = socket(&context).unwrap();
                    mailbox.send(1);
                    let handle = SLOTS.insert((context.clone(), mailbox, ticket)).unwrap();
                    let guard = context.guard();
                    drop(SLOTS.remove(SLOTS.lock(handle).unwrap()));
                    drop(guard);
                }
            });
        }
        for _ in 0..20 {
            // SAFETY: the child uses only what is meant to be used in a child, and leaves with `_exit`.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: a child that hangs is killed, which the parent sees.
                unsafe { libc::alarm(20) };
                let code = child(handle, &context).map_or_else(|line| line.min(255) as i32, |()| 0);
                mailbox.send(9);
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(code) };
            }
            let mut status = 0;
            // SAFETY: `status` is a valid place for the result.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_eq!(status, 0, "exit {} signal {}", libc::WEXITSTATUS(status), libc::WTERMSIG(status));
        }
        done.store(true, SeqCst);
    });
    // Nothing of what the children did has come to the parent.
    let mut fds = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
    assert_eq!(zmq::sys::poll::poll(&mut fds, Some(Duration::ZERO)), Ok(0));
    assert!(mailbox.state().is_quiet());
    drop(SLOTS.remove(SLOTS.lock(handle).unwrap()));
    assert_eq!(context.terminate(), Ok(()));
}

/// The I/O threads of this process. The log has a thread as well.
#[cfg(target_os = "linux")]
fn io_threads() -> usize {
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(name).filter(|name| name.starts_with("ZMQbg/IO/")).count()
}

/// What `FERROZMQ_IO_THREADS` asks for, what the program sets, and the I/O threads that there are then.
#[cfg(target_os = "linux")]
#[test]
fn the_environment_says_how_many_io_threads_there_are_where_the_program_does_not() {
    if let Some(role) = role() {
        let (set, expected) = role.split_once(' ').unwrap();
        let (set, expected): (i32, usize) = (set.parse().unwrap(), expected.parse().unwrap());
        let mut options = ContextOptions::new();
        if set >= 0 {
            options.set_int(ZMQ_IO_THREADS, set).unwrap();
        }
        let (context, before) = (Context::new(options), io_threads());
        let (_mailbox, ticket) = socket(&context).unwrap();
        // A thread names itself, once it runs.
        let start = Instant::now();
        while io_threads() - before != expected {
            assert!(start.elapsed() < Duration::from_secs(10), "{} I/O threads", io_threads() - before);
            std::thread::yield_now();
        }
        drop(ticket);
        return assert_eq!(context.terminate(), Ok(()));
    }
    let name = test_name!(the_environment_says_how_many_io_threads_there_are_where_the_program_does_not);
    for (wish, set, expected) in [
        ("3", -1, 3),
        // As pyzmq does for each context.
        ("3", 1, 3),
        ("3", 2, 2),
        ("3", 0, 0),
        ("0", -1, 1),
        ("65", -1, 1),
        ("many", 2, 2),
    ] {
        let before = ["env", &format!("FERROZMQ_IO_THREADS={wish}")];
        let output = spawn(name, &format!("{set} {expected}"), &before).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{wish} {set}: {said}");
    }
}
