//! Calls that the system refuses to the I/O thread for a while: nothing spins, and nothing ends with them.

use super::panics::{Fixture, greet, pull};
use crate::errno::Errno;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{self, LaneOptions};
use crate::sys::faults::Call;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_listener_waits_between_attempts_that_fail_and_goes_on() {
    // Each with how often it may be asked before there has been a pause of at least a tenth of a second twice over.
    for (errno, times, pause_ms) in [
        (libc::ECONNABORTED, 40, 200),
        (libc::ETIMEDOUT, 40, 200),
        (libc::EINTR, 2, 200),
        (libc::EMFILE, 2, 200),
        (libc::EAGAIN, 2, 200),
        (libc::EBADF, 1, 1000),
    ] {
        let fixture = Fixture::new(pull());
        let (listening, address) = fixture.listen();
        // Nothing is asked for of the listener's beginning any more.
        let mut first = greet(TcpStream::connect(&address).unwrap());
        let _first_pipe = fixture.pipe();
        fixture.refuse_there(Call::Accept, Errno(errno), times);
        let start = Instant::now();
        let _second = greet(TcpStream::connect(&address).unwrap());
        let _second_pipe = fixture.pipe();
        assert!(start.elapsed() >= Duration::from_millis(pause_ms), "errno {errno}: {:?}", start.elapsed());
        first.read_exact(&mut [0; 10]).unwrap();
        listening.close();
        fixture.end();
    }
}

#[test]
fn a_connecter_without_descriptors_waits_longer_each_time_and_goes_on() {
    let fixture = Fixture::new(pull());
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let lane = LaneOptions { hwm: 10, conflate: false };
    let (_ours, theirs) = pipe::pair(lane, lane).unwrap();
    fixture.refuse_there(Call::Connect, Errno::MFILE, 2);
    let start = Instant::now();
    let session = fixture.connect(&peer.local_addr().unwrap().to_string(), theirs);
    drop(peer.accept().unwrap());
    assert!(start.elapsed() >= Duration::from_millis(250 + 500), "{:?}", start.elapsed());
    session.terminate(fixture.owner.linger_ms());
    fixture.end();
}

#[test]
fn a_stream_that_takes_nothing_in_spite_of_its_room_is_offered_it_again() {
    for there in [false, true] {
        let fixture = Fixture::new(SocketOptions::new(SocketType::Push));
        let (listening, address) = fixture.listen();
        let mut peer = super::panics::greet_as(b"PULL", TcpStream::connect(&address).unwrap());
        let mut pipe = fixture.pipe();
        let mut greeting = vec![0; super::panics::hello(b"PUSH").len()];
        peer.read_exact(&mut greeting).unwrap();
        fixture.until_connected();
        if there {
            fixture.refuse_there(Call::Send, Errno::AGAIN, 5);
        }
        let _refused = (!there).then(|| crate::sys::faults::refuse(Call::Send, Errno::AGAIN, 1));
        for byte in b"ab" {
            // The second goes behind the first, from either sender.
            pipe.pipe.write(&mut crate::message::OutFrame::bytes(&[*byte], false)).unwrap();
        }
        pipe.pipe.flush();
        let mut bytes = [0; 6];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\x01a\0\x01b");
        listening.close();
        fixture.end();
    }
}
