#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::counters::IoThreadRecord;
use crate::errno::Errno;
use crate::sys::faults;
use crate::sys::thread::{Thread, ThreadSettings};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Ready(Ready),
    Timer(u8),
    Wake,
    Panicked,
}

/// A source made of a closure. It reports when it is dropped.
struct Probe<F> {
    on_call: F,
    dropped: Option<Sender<()>>,
}

impl<F: FnMut(&mut SourceContext<'_>, Call) + Send> Source for Probe<F> {
    fn ready(&mut self, cx: &mut SourceContext<'_>, ready: Ready) {
        (self.on_call)(cx, Call::Ready(ready));
    }
    fn timer(&mut self, cx: &mut SourceContext<'_>, id: u8) {
        (self.on_call)(cx, Call::Timer(id));
    }
    fn wake(&mut self, cx: &mut SourceContext<'_>) {
        (self.on_call)(cx, Call::Wake);
    }
    fn panicked(&mut self, cx: &mut SourceContext<'_>) -> bool {
        (self.on_call)(cx, Call::Panicked);
        false
    }
}

impl<F> Drop for Probe<F> {
    fn drop(&mut self) {
        if let Some(dropped) = &self.dropped {
            let _ = dropped.send(());
        }
    }
}

fn probe(on_call: impl FnMut(&mut SourceContext<'_>, Call) + Send + 'static) -> Box<dyn Source> {
    Box::new(Probe { on_call, dropped: None })
}

/// A source that passes its calls on to a channel.
fn recorder(calls: &Sender<Call>) -> Box<dyn Source> {
    let calls = calls.clone();
    probe(move |_, call| calls.send(call).unwrap())
}

fn reactor() -> (Handle, Thread) {
    spawn_reactor(&ThreadSettings::default(), 0, IoThreadRecord::default(), Box::new(|| {})).unwrap()
}

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(Duration::from_secs(20)).expect("the reactor answers")
}

fn end((handle, thread): (Handle, Thread)) {
    handle.stop();
    thread.join();
}

/// Waits until the reactor has done everything asked of it before.
fn settle(handle: &Handle) {
    let (dropped, is_dropped) = channel();
    handle.add(Box::new(move |cx| {
        cx.finish();
        Box::new(Probe { on_call: |_: &mut SourceContext<'_>, _| {}, dropped: Some(dropped) })
    }));
    next(&is_dropped);
}

#[test]
fn a_descriptor_is_announced_until_the_source_finishes() {
    let reactor = reactor();
    let (mut here, mut there) = UnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    let (sender, bytes) = channel();
    let (dropped, is_dropped) = channel();
    reactor.0.add(Box::new(move |cx| {
        cx.register(there.as_raw_fd(), Interest::READABLE).unwrap();
        let on_call = move |cx: &mut SourceContext<'_>, call| {
            assert!(matches!(call, Call::Ready(Ready { readable: true, .. })));
            let mut buffer = [0; 16];
            while let Ok(count) = there.read(&mut buffer) {
                if count == 0 {
                    return cx.finish();
                }
                sender.send(buffer[0]).unwrap();
            }
        };
        Box::new(Probe { on_call, dropped: Some(dropped) })
    }));
    for byte in 1..4 {
        here.write_all(&[byte]).unwrap();
        assert_eq!(next(&bytes), byte);
    }
    assert_eq!(reactor.0.load(), 1);
    drop(here);
    next(&is_dropped);
    assert_eq!(reactor.0.load(), 0);
    end(reactor);
}

#[test]
fn timers_ring_in_order_and_not_early() {
    let reactor = reactor();
    let (sender, receiver) = channel();
    let start = Instant::now();
    reactor.0.add(Box::new(move |cx| {
        cx.set_timer(1, Duration::from_millis(30));
        cx.set_timer(2, Duration::from_millis(1));
        cx.set_timer(2, Duration::from_millis(15));
        cx.set_timer(3, Duration::from_millis(5));
        cx.set_timer(4, Duration::MAX);
        cx.cancel_timer(3);
        probe(move |_, call| sender.send((call, start.elapsed())).unwrap())
    }));
    let (call, after) = next(&receiver);
    assert_eq!(call, Call::Timer(2));
    assert!(after >= Duration::from_millis(15));
    let (call, after) = next(&receiver);
    assert_eq!(call, Call::Timer(1));
    assert!(after >= Duration::from_millis(30));
    end(reactor);
}

#[test]
fn wakes_before_the_call_are_one() {
    let reactor = reactor();
    let (sender, calls) = channel();
    let gate = Arc::new(Barrier::new(2));
    let waiting = Arc::clone(&gate);
    // Keeps the thread busy while the wakes come.
    reactor.0.add(Box::new(move |_| {
        waiting.wait();
        probe(|_, _| {})
    }));
    let remote = reactor.0.add(Box::new(move |_| recorder(&sender)));
    (0..10).for_each(|_| remote.wake());
    gate.wait();
    settle(&reactor.0);
    assert_eq!(calls.try_iter().collect::<Vec<_>>(), [Call::Wake]);
    remote.wake();
    assert_eq!(next(&calls), Call::Wake);
    end(reactor);
}

#[test]
fn no_wake_is_lost_between_threads() {
    const THREADS: usize = 4;
    const EACH: usize = 5000;
    let reactor = reactor();
    let posted = Arc::new(AtomicUsize::new(0));
    let (sender, seen) = channel();
    let counter = Arc::clone(&posted);
    let remote = reactor.0.add(Box::new(move |_| {
        probe(move |_, _| sender.send(counter.load(std::sync::atomic::Ordering::Relaxed)).unwrap())
    }));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (remote, posted) = (remote.clone(), Arc::clone(&posted));
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    // Relaxed: the wake's edge makes it visible.
                    posted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    remote.wake();
                }
            })
        })
        .collect();
    // The last wake is followed by a call that sees everything.
    while next(&seen) < THREADS * EACH {}
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    end(reactor);
}

#[test]
fn again_comes_after_the_others() {
    let reactor = reactor();
    let (sender, order) = channel();
    let greedy = sender.clone();
    let gate = Arc::new(Barrier::new(2));
    let waiting = Arc::clone(&gate);
    reactor.0.add(Box::new(move |_| {
        waiting.wait();
        probe(|_, _| {})
    }));
    let mut goes = 0;
    let first = reactor.0.add(Box::new(move |_| {
        probe(move |cx, _| {
            goes += 1;
            greedy.send("greedy").unwrap();
            if goes < 3 {
                cx.again();
                cx.again();
            }
        })
    }));
    let second = reactor.0.add(Box::new(move |_| probe(move |_, _| sender.send("modest").unwrap())));
    first.wake();
    second.wake();
    gate.wait();
    let seen: Vec<_> = (0..4).map(|_| next(&order)).collect();
    assert_eq!(seen, ["greedy", "modest", "greedy", "greedy"]);
    settle(&reactor.0);
    assert!(order.try_recv().is_err());
    end(reactor);
}

#[test]
fn a_panic_ends_the_source_and_nothing_else() {
    let reactor = reactor();
    let (sender, calls) = channel();
    let (dropped, is_dropped) = channel();
    let reports = sender.clone();
    let bad = reactor.0.add(Box::new(move |cx| {
        cx.set_timer(1, Duration::from_secs(1000));
        let on_call = move |_: &mut SourceContext<'_>, call| match call {
            Call::Panicked => reports.send(call).unwrap(),
            _ => std::panic::resume_unwind(Box::new("on purpose")),
        };
        Box::new(Probe { on_call, dropped: Some(dropped) })
    }));
    // A source that is never made does no harm either.
    reactor.0.add(Box::new(|_| std::panic::resume_unwind(Box::new("on purpose"))));
    let good = reactor.0.add(Box::new(move |_| recorder(&sender)));
    bad.wake();
    assert_eq!(next(&calls), Call::Panicked);
    next(&is_dropped);
    bad.wake();
    good.wake();
    assert_eq!(next(&calls), Call::Wake);
    assert_eq!(reactor.0.load(), 1);
    end(reactor);
}

#[test]
fn stop_drops_everything_and_later_sources_too() {
    let reactor = reactor();
    let (dropped, is_dropped) = channel();
    let late = dropped.clone();
    reactor.0.add(Box::new(move |cx| {
        let inner = dropped.clone();
        cx.spawn(move |_| {
            Box::new(Probe { on_call: |_: &mut SourceContext<'_>, _| {}, dropped: Some(inner) })
        })
        .unwrap();
        Box::new(Probe { on_call: |_: &mut SourceContext<'_>, _| {}, dropped: Some(dropped) })
    }));
    settle(&reactor.0);
    assert_eq!(reactor.0.load(), 2);
    let handle = reactor.0.clone();
    end(reactor);
    next(&is_dropped);
    next(&is_dropped);
    let carried = Probe { on_call: |_: &mut SourceContext<'_>, _| {}, dropped: Some(late) };
    let remote = handle.add(Box::new(move |_| Box::new(carried)));
    next(&is_dropped);
    remote.wake();
    assert_eq!(handle.load(), 0);
}

#[test]
fn a_connection_can_be_borrowed_and_given_back() {
    let reactor = reactor();
    let (mut here, there) = UnixStream::pair().unwrap();
    there.set_nonblocking(true).unwrap();
    let fd = there.as_raw_fd();
    let (sender, calls) = channel();
    let remote = reactor.0.add(Box::new(move |cx| {
        cx.register(there.as_raw_fd(), Interest::READABLE).unwrap();
        let keep = there;
        probe(move |_, call| {
            let _ = &keep;
            sender.send(call).unwrap();
        })
    }));
    settle(&reactor.0);
    remote.deregister(fd).unwrap();
    here.write_all(b"x").unwrap();
    settle(&reactor.0);
    settle(&reactor.0);
    assert!(calls.try_recv().is_err());
    remote.register(fd, Interest::READABLE).unwrap();
    assert!(matches!(next(&calls), Call::Ready(Ready { readable: true, .. })));
    end(reactor);
    assert_eq!(remote.register(fd, Interest::READABLE), Err(Errno::NOENT));
}

#[test]
fn registration_errors_come_back() {
    let reactor = reactor();
    let (sender, outcome) = channel();
    reactor.0.add(Box::new(move |cx| {
        let closed: RawFd = -1;
        sender.send(cx.register(closed, Interest::READABLE)).unwrap();
        cx.finish();
        probe(|_, _| {})
    }));
    assert_eq!(next(&outcome), Err(Errno::BADF));
    end(reactor);
}

#[test]
fn threads_hammer_sources_in_and_out() {
    const THREADS: usize = 4;
    const EACH: usize = 300;
    let reactor = reactor();
    let finished = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (handle, finished) = (reactor.0.clone(), Arc::clone(&finished));
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    let finished = Arc::clone(&finished);
                    let remote = handle.add(Box::new(move |_| {
                        probe(move |cx, _| {
                            finished.fetch_add(1, SeqCst);
                            cx.finish();
                        })
                    }));
                    remote.wake();
                    remote.wake();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    settle(&reactor.0);
    assert_eq!(finished.load(SeqCst), THREADS * EACH, "each source finishes once and is not woken again");
    assert_eq!(reactor.0.load(), 0);
    end(reactor);
}

/// Makes a call fail on the I/O thread from now on. Dropping the result, on that thread, ends that.
fn refuse_there(handle: &Handle, call: faults::Call, errno: Errno, times: u32) {
    let (done, is_done) = channel();
    handle.add(Box::new(move |_| {
        // Counted down by the thread that makes the calls.
        std::mem::forget(faults::refuse(call, errno, times));
        done.send(()).unwrap();
        probe(|_, _| {})
    }));
    next(&is_done);
}

#[test]
fn a_failed_epoll_wait_is_tried_again() {
    for errno in [Errno::BADF, Errno::INVAL, Errno::FAULT, Errno::INTR] {
        for times in [1, 9] {
            let reactor = reactor();
            let (mut here, there) = UnixStream::pair().unwrap();
            there.set_nonblocking(true).unwrap();
            let (sender, calls) = channel();
            let raw = there.as_raw_fd();
            let remote = reactor.0.add(Box::new(move |cx| {
                cx.register(raw, Interest::READABLE).unwrap();
                let there = there;
                probe(move |_, call| {
                    let _stays_open = &there;
                    sender.send(call).unwrap();
                })
            }));
            settle(&reactor.0);
            refuse_there(&reactor.0, faults::Call::EpollWait, errno, times);
            // Work that needs no readiness goes on meanwhile.
            remote.wake();
            assert_eq!(next(&calls), Call::Wake);
            here.write_all(b"x").unwrap();
            assert!(matches!(next(&calls), Call::Ready(Ready { readable: true, .. })));
            end(reactor);
        }
    }
}

#[test]
fn a_refused_wake_is_delivered_all_the_same() {
    for times in [1, 2, 1000] {
        let reactor = reactor();
        let (sender, calls) = channel();
        let remote = reactor.0.add(Box::new(move |_| recorder(&sender)));
        settle(&reactor.0);
        for _ in 0..20 {
            // The wake arrives whether the reactor sleeps or not.
            std::thread::sleep(Duration::from_millis(2));
            let _refused = faults::refuse(faults::Call::Signal, Errno(libc::ENOSPC), times);
            remote.wake();
            assert_eq!(next(&calls), Call::Wake);
        }
        end(reactor);
    }
}
