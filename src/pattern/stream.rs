//! STREAM: bytes from and to TCP peers that do not speak ZMTP; the frame before them names the peer. Source:
//! zmq_socket(3), "Native pattern".

use super::fair_queue::FairQueue;
use super::routes::Routes;
use super::{Behaviour, Origin, set_common};
use crate::counters::Reason;
use crate::errno::{Errno, Result};
use crate::message::{Frame, OutFrame};
use crate::options::SocketOptions;
use crate::options::number::{ZMQ_CONNECT_ROUTING_ID, ZMQ_ROUTING_ID, ZMQ_STREAM_NOTIFY};
use crate::options::value::put_bytes;
use crate::pipe::{PipeId, Pipes};

pub struct Stream {
    queue: FairQueue,
    routes: Routes,
    /// The next frame sent goes to this pipe; without one it is dropped.
    out: Option<PipeId>,
    /// The next frame sent is not a routing id.
    inside: bool,
    /// The routing id made up last, which `ZMQ_ROUTING_ID` tells.
    made_up: Vec<u8>,
}

impl Stream {
    pub fn new() -> Stream {
        Stream {
            queue: FairQueue::default(),
            routes: Routes::new(),
            out: None,
            inside: false,
            made_up: Vec::new(),
        }
    }

    fn route(&mut self, pipes: &mut Pipes, routing_id: &[u8]) -> Result<PipeId> {
        match self.routes.find_next(pipes, routing_id) {
            Some(pipe) if pipes.check_write_first(pipe) => Ok(pipe),
            Some(pipe) if pipes.is_open(pipe) => Err(Errno::AGAIN),
            _ => Err(Errno::HOSTUNREACH),
        }
    }
}

impl Behaviour for Stream {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        let assigned = self.routes.assigned(pipes, pipe);
        let given = if origin == Origin::Connected { self.routes.take_connect_id(pipes) } else { None };
        let routing_id = assigned.or(given).unwrap_or_else(|| {
            self.made_up = self.routes.make_up();
            self.made_up.clone()
        });
        self.routes.add(pipes, pipe, routing_id);
        self.queue.attach(pipe);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        if !self.inside {
            if frame.more() {
                self.out = Some(self.route(pipes, frame.data())?);
            }
            self.inside = true;
            return Ok(());
        }
        if let Some(pipe) = self.out {
            if frame.data().is_empty() {
                // The way to close a connection.
                pipes.terminate(pipe);
            } else {
                // A stream has no messages.
                let more = frame.more();
                frame.set_more(false);
                match pipes.write_rest(pipe, frame) {
                    Ok(true) => pipes.flush(pipe),
                    // There was credit for it, so the connection has gone.
                    Ok(false) => pipes.record.dropped(Reason::Disconnected, 1),
                    Err(errno) => {
                        frame.set_more(more);
                        return Err(errno);
                    }
                }
            }
        } else {
            pipes.record.dropped(Reason::Disconnected, 1);
        }
        self.out = None;
        self.inside = false;
        Ok(())
    }

    fn recv<'p>(&mut self, pipes: &'p mut Pipes) -> Result<Frame<'p>> {
        let pipe = self.queue.next(pipes).ok_or(Errno::AGAIN)?;
        if self.queue.inside().is_none() {
            self.queue.begin(pipes, pipe);
            return pipes.routing_id_frame(pipe).ok_or(Errno::AGAIN);
        }
        self.queue.take(pipes, pipe)
    }

    fn has_in(&mut self, pipes: &mut Pipes) -> bool {
        let Some(pipe) = self.queue.next(pipes) else { return false };
        self.queue.announce(pipes, pipe);
        true
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        true
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.queue.activated(pipe);
    }

    fn hiccuped(&mut self, _: &mut Pipes, pipe: PipeId) {
        if self.out == Some(pipe) {
            // What follows is meant for the connection that was.
            self.out = None;
        }
    }

    fn take_connect_id(&mut self, pipes: &Pipes) -> Option<Vec<u8>> {
        self.routes.take_connect_id(pipes)
    }

    fn find_peer(&self, pipes: &Pipes, routing_id: &[u8]) -> Result<PipeId> {
        self.routes.find_open(pipes, routing_id)
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.routes.remove(pipes, pipe);
        self.queue.terminated(pipe);
        if self.out == Some(pipe) {
            self.out = None;
        }
    }

    fn set_option(
        &mut self,
        _: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            ZMQ_STREAM_NOTIFY => Some(set_common(options, option, value)),
            ZMQ_CONNECT_ROUTING_ID => Some(self.routes.set_connect_id(value)),
            _ => None,
        }
    }

    fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        (option == ZMQ_ROUTING_ID && !self.made_up.is_empty()).then(|| put_bytes(out, &self.made_up))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::message::OutFrame;
    use crate::options::SocketType;
    use crate::options::number::*;
    use crate::pattern::testing::Bench;

    fn send(bench: &mut Bench, data: &[u8], more: bool) -> crate::errno::Result<()> {
        bench.settle();
        bench.pattern.send(&mut bench.pipes, &mut OutFrame::bytes(data, more)).map(drop)
    }

    #[test]
    fn bytes_come_and_go_by_name() {
        let mut bench = Bench::new(SocketType::Stream);
        assert_eq!(bench.pattern.option(ZMQ_ROUTING_ID, &mut [0; 255]), None);
        let mut peer = bench.connect();
        peer.send(&[""]);
        peer.send(&["bytes"]);
        assert!(bench.has_in() && bench.has_out());
        bench.settle();
        let id = bench.pattern.recv(&mut bench.pipes).unwrap().data().to_vec();
        assert_eq!(bench.recv(), [""], "connected");
        assert!(bench.recv_frame().unwrap().1);
        assert_eq!(bench.recv(), ["bytes"]);
        let mut told = [9; 255];
        assert_eq!(bench.pattern.option(ZMQ_ROUTING_ID, &mut told), Some(Ok(5)));
        assert_eq!((&told[..5], told[0]), (&id[..], 0));
        for more in [true, false] {
            send(&mut bench, &id, true).unwrap();
            send(&mut bench, b"answer", more).unwrap();
        }
        assert_eq!(peer.recv_all(), ["answer", "answer"]);
        send(&mut bench, &id, true).unwrap();
        send(&mut bench, b"", false).unwrap();
        assert!(!peer.is_open());
        assert_eq!(send(&mut bench, &id, true), Err(Errno::HOSTUNREACH));
    }

    #[test]
    fn a_name_given_here_is_free_once_its_peer_has_gone_though_it_was_not_read() {
        let mut bench = Bench::new(SocketType::Stream);
        let connect = |bench: &mut Bench| {
            bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"p").unwrap();
            bench.join(0, super::Origin::Connected, |_| {})
        };
        let mut old = connect(&mut bench);
        old.send(&["unread"]);
        drop(old);
        let mut new = connect(&mut bench);
        send(&mut bench, b"p", true).unwrap();
        send(&mut bench, b"x", false).unwrap();
        assert_eq!(new.recv(), ["x"]);
        assert_eq!(bench.recv(), ["p", "unread"]);
    }

    #[test]
    fn a_full_or_unknown_peer_is_an_error() {
        let mut bench = Bench::new(SocketType::Stream);
        assert_eq!(send(&mut bench, b"unknown", true), Err(Errno::HOSTUNREACH));
        bench.set_bytes(ZMQ_CONNECT_ROUTING_ID, b"p").unwrap();
        let mut peer = bench.join(1, super::Origin::Connected, |_| {});
        send(&mut bench, b"p", true).unwrap();
        send(&mut bench, b"1", false).unwrap();
        assert_eq!(send(&mut bench, b"p", true), Err(Errno::AGAIN));
        assert_eq!(peer.recv(), ["1"]);
        send(&mut bench, b"p", true).unwrap();
        drop(peer);
        send(&mut bench, b"dropped", false).unwrap();
        bench.set(ZMQ_STREAM_NOTIFY, 0);
        assert!(!bench.options.raw_notify);
        assert_eq!(bench.set_bytes(ZMQ_STREAM_NOTIFY, &2i32.to_ne_bytes()), Err(Errno::INVAL));
    }
}
