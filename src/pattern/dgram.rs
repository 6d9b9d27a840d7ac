//! DGRAM: datagrams to and from any address; the frame before a body holds the address. Source: zmq_socket(3), zmq_udp(7), and
//! what libzmq does.

use super::{Behaviour, Origin};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::pipe::{PipeId, Pipes};

/// One endpoint, and no other.
#[derive(Default)]
pub struct Dgram {
    endpoint: Option<PipeId>,
    /// The next frame sent is a body.
    inside: bool,
}

impl Behaviour for Dgram {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, _: Origin) {
        match self.endpoint {
            Some(endpoint) if pipes.is_open(endpoint) => pipes.terminate(pipe),
            former => {
                // What it has left is not read any more.
                former.into_iter().for_each(|former| pipes.terminate(former));
                self.endpoint = Some(pipe);
            }
        }
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        // Messages are an address and a body.
        if frame.more() == self.inside {
            return Err(Errno::INVAL);
        }
        let taken = match self.endpoint {
            Some(endpoint) if self.inside => pipes.write_rest(endpoint, frame)?,
            Some(endpoint) => pipes.write(endpoint, frame)?,
            None => false,
        };
        match self.endpoint {
            _ if !taken && !self.inside => return Err(Errno::AGAIN),
            Some(endpoint) if self.inside && taken => pipes.flush(endpoint),
            // Half a message is none.
            Some(endpoint) if self.inside => {
                pipes.record.dropped(Reason::Disconnected, 1);
                pipes.rollback(endpoint);
            }
            None if self.inside => pipes.record.dropped(Reason::Disconnected, 1),
            _ => {}
        }
        self.inside = !self.inside;
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        self.endpoint.and_then(|endpoint| pipes.read(endpoint)).ok_or(Errno::AGAIN)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        self.endpoint.is_some_and(|endpoint| pipes.check_read(endpoint))
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.endpoint.is_some_and(|endpoint| pipes.check_write(endpoint))
    }

    fn terminated(&mut self, _: &mut Pipes, pipe: PipeId) {
        if self.endpoint == Some(pipe) {
            self.endpoint = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_message_is_an_address_and_a_body() {
        let mut bench = Bench::new(SocketType::Dgram);
        assert_eq!(bench.send(&["127.0.0.1:5", "x"]), Err(Errno::AGAIN));
        let mut endpoint = bench.connect();
        assert!(bench.has_out());
        assert_eq!(bench.send_frame("alone", false), Err(Errno::INVAL));
        bench.send_frame("127.0.0.1:5", true).unwrap();
        assert_eq!(endpoint.recv_all(), [""; 0], "not before it is whole");
        assert_eq!(bench.send_frame("too many", true), Err(Errno::INVAL));
        bench.send_frame("body", false).unwrap();
        assert_eq!(endpoint.recv(), ["127.0.0.1:5", "body"]);
        endpoint.send(&["127.0.0.1:6", "answer"]);
        assert!(bench.has_in());
        assert_eq!(bench.recv(), ["127.0.0.1:6", "answer"]);
        assert!(!bench.has_in());
    }

    #[test]
    fn one_endpoint_alone() {
        let mut bench = Bench::new(SocketType::Dgram);
        let one = bench.connect();
        assert!(!bench.connect().is_open() && one.is_open());
        bench.send_frame("127.0.0.1:5", true).unwrap();
        drop(one);
        bench.settle();
        bench.send_frame("of the one that has gone", false).unwrap();
        let mut two = bench.connect();
        bench.send(&["127.0.0.1:5", "x"]).unwrap();
        assert_eq!(two.recv(), ["127.0.0.1:5", "x"]);
    }

    #[test]
    fn what_an_endpoint_has_left_goes_with_it_when_the_next_comes() {
        let mut bench = Bench::new(SocketType::Dgram);
        let mut one = bench.connect();
        one.send(&["127.0.0.1:5", "left"]);
        drop(one);
        bench.settle();
        let mut two = bench.connect();
        two.send(&["127.0.0.1:6", "x"]);
        assert_eq!(bench.recv(), ["127.0.0.1:6", "x"]);
        assert_eq!(bench.pipes.len(), 1);
    }

    #[test]
    fn a_full_pipe_stops_whole_messages() {
        let mut bench = Bench::new(SocketType::Dgram);
        let mut endpoint = bench.connect_with(1, |_| {});
        bench.send(&["127.0.0.1:5", "1"]).unwrap();
        assert!(!bench.has_out());
        assert_eq!(bench.send(&["127.0.0.1:5", "2"]), Err(Errno::AGAIN));
        assert_eq!(endpoint.recv(), ["127.0.0.1:5", "1"]);
        bench.send(&["127.0.0.1:5", "2"]).unwrap();
        assert_eq!(endpoint.recv(), ["127.0.0.1:5", "2"]);
    }
}
