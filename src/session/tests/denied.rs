//! Calls that the system denies to a thread of the program and permits to the I/O thread.

use super::halves::{NO_LIMITS, pipes, streams};
use crate::engine::zmtp::Version;
use crate::errno::Errno;
use crate::message::OutFrame;
use crate::session::connection::recv::{Received, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf, Sent};
use crate::sys::faults::{self, Call};
use std::io::{Read, Write};
use std::os::fd::AsFd;

#[test]
fn denied_call_is_left_to_the_io_thread_for_good() {
    for errno in [Errno::PERM, Errno::ACCES, Errno(libc::ENOSYS)] {
        let (ours, mut theirs) = streams();
        let (mut left, right) = pipes(0, false);
        let (reader, writer, _end) = right.into_parts();
        let mut send = SendHalf::new(reader, SendForm::AsTheyLie);
        let mut recv = RecvHalf::new(writer, RecvForm::Zmtp(Version::V3_1), NO_LIMITS, None);
        left.write(&mut OutFrame::bytes(b"out", false)).unwrap();
        left.flush();
        theirs.write_all(b"\0\x02in").unwrap();
        {
            let _refused = [Call::Send, Call::Receive].map(|call| faults::refuse(call, errno, 1));
            assert_eq!(send.send(ours.as_fd()), Sent::Failed(errno));
            assert_eq!(recv.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Failed(errno));
        }
        // A thread that may: the I/O thread.
        assert_eq!(send.send_for_session(ours.as_fd()), Sent::All);
        assert_eq!(recv.receive_for_session(ours.as_fd(), 0, &mut Vec::new()), Received::Blocked);
        let mut bytes = [0; 9];
        assert_eq!(theirs.read(&mut bytes).unwrap(), 5);
        assert_eq!((&bytes[..5], left.read().unwrap().data()), (&b"\0\x03out"[..], &b"in"[..]));
        // The program's threads are not let in again, and ask the system nothing.
        assert_eq!(send.send(ours.as_fd()), Sent::Failed(errno));
        assert_eq!(recv.receive(ours.as_fd(), 0, &mut Vec::new()), Received::Failed(errno));
        // A call that is denied to the I/O thread, too, ends the connection.
        left.write(&mut OutFrame::bytes(b"out", false)).unwrap();
        left.flush();
        let _refused = [Call::Send, Call::Receive].map(|call| faults::refuse(call, errno, 1));
        assert_eq!(send.send_for_session(ours.as_fd()), Sent::Failed(errno));
        assert_eq!(recv.receive_for_session(ours.as_fd(), 0, &mut Vec::new()), Received::Failed(errno));
    }
}

#[test]
fn a_connection_that_a_thread_may_not_use_stays_blocked_where_it_was() {
    let (ours, _theirs) = streams();
    let (mut left, right) = pipes(0, false);
    let (reader, _writer, _end) = right.into_parts();
    let mut send = SendHalf::new(reader, SendForm::AsTheyLie);
    left.write(&mut OutFrame::bytes(&vec![7; 4 << 20], false)).unwrap();
    left.flush();
    {
        let _refused = faults::refuse(Call::Send, Errno::PERM, 1);
        assert_eq!(send.send(ours.as_fd()), Sent::Failed(Errno::PERM));
    }
    while send.send_for_session(ours.as_fd()) == Sent::Yield {}
    assert!(send.is_busy());
    assert_eq!(send.send(ours.as_fd()), Sent::Failed(Errno::PERM));
    assert!(send.is_busy(), "the reactor has to go on watching for room");
}
