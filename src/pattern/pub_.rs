//! PUB: every subscriber gets the topics it has subscribed to (RFC 29).

use super::xpub::Xpub;
use super::{Behaviour, Origin};
use crate::errno::Result;
use crate::message::OutFrame;
use crate::options::SocketOptions;
use crate::pipe::{PipeId, Pipes};

/// An XPUB whose program does not hear of subscriptions.
pub struct Pub {
    xpub: Xpub,
}

impl Pub {
    pub fn new(options: &SocketOptions) -> Pub {
        Pub { xpub: Xpub::silent(options) }
    }
}

impl Behaviour for Pub {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.xpub.attach(pipes, pipe, origin);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        self.xpub.send(pipes, frame)
    }

    fn has_out(&mut self, pipes: &mut Pipes) -> bool {
        self.xpub.has_out(pipes)
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xpub.read_activated(pipes, pipe);
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        self.xpub.go_on(pipes);
    }

    fn write_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xpub.write_activated(pipes, pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xpub.hiccuped(pipes, pipe);
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        // What a peer subscribed to before it went does not matter.
        pipes.terminate(pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.xpub.terminated(pipes, pipe);
    }

    fn set_option(
        &mut self,
        pipes: &mut Pipes,
        options: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        self.xpub.set_option(pipes, options, option, value)
    }

    fn option(&self, option: i32, out: &mut [u8]) -> Option<Result<usize>> {
        self.xpub.option(option, out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::draft_number::ZMQ_TOPICS_COUNT;
    use crate::options::number::{ZMQ_INVERT_MATCHING, ZMQ_XPUB_NODROP};
    use crate::pattern::testing::Bench;

    #[test]
    fn subscriber_gets_each_message_of_its_topics_once() {
        let mut bench = Bench::new(SocketType::Pub);
        let (mut a, mut b, mut none) = (bench.connect(), bench.connect(), bench.connect());
        a.subscribe(true, "a");
        a.subscribe(true, "");
        b.send(&["\u{1}b"]);
        none.send(&["b"]);
        bench.send(&["apple"]).unwrap();
        bench.send(&["berry", "apple"]).unwrap();
        assert_eq!(a.recv_all(), ["apple", "berry|apple"]);
        assert_eq!(b.recv_all(), ["berry|apple"]);
        assert_eq!(none.recv_all(), [""; 0]);
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 3);
        a.subscribe(false, "");
        b.send(&["\0b"]);
        bench.send(&["berry"]).unwrap();
        assert_eq!((a.recv_all(), b.recv_all()), (vec![], vec![]));
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 1);
        drop(a);
        bench.settle();
        assert_eq!(bench.get(ZMQ_TOPICS_COUNT), 0);
        assert_eq!(bench.try_recv(), Err(Errno::NOTSUP));
        assert!(!bench.has_in() && bench.has_out());
    }

    #[test]
    fn subscriptions_made_before_the_pipe_is_attached_count() {
        let mut bench = Bench::new(SocketType::Pub);
        let mut peer = bench.connect_with(0, |pipe| {
            pipe.write_subscription(true, b"x").unwrap();
            pipe.flush();
        });
        bench.send(&["x"]).unwrap();
        assert_eq!(peer.recv(), ["x"]);
    }

    #[test]
    fn subscriber_without_credit_misses_the_message_whole() {
        let mut bench = Bench::new(SocketType::Pub);
        let (mut slow, mut fast) = (bench.connect_with(1, |_| {}), bench.connect());
        slow.subscribe(true, "");
        fast.subscribe(true, "");
        bench.send(&["1"]).unwrap();
        bench.send_frame("2a", true).unwrap();
        assert_eq!(slow.recv(), ["1"]);
        bench.send_frame("2b", false).unwrap();
        assert_eq!(slow.recv(), [""; 0]);
        bench.send(&["3"]).unwrap();
        assert_eq!(slow.recv(), ["3"]);
        assert_eq!(fast.recv_all(), ["1", "2a|2b", "3"]);
    }

    #[test]
    fn a_peer_that_comes_goes_or_stumbles_in_a_message_gets_none_of_it() {
        let mut bench = Bench::new(SocketType::Pub);
        let (mut steady, mut leaver, mut stumbler) = (bench.connect(), bench.connect(), bench.connect());
        for peer in [&mut steady, &mut leaver, &mut stumbler] {
            peer.subscribe(true, "");
        }
        bench.send_frame("half", true).unwrap();
        drop(leaver);
        let (mut stumbler, _writer, _end) = stumbler.hiccup();
        let mut late = bench.connect();
        late.subscribe(true, "");
        bench.send_frame("rest", false).unwrap();
        bench.send(&["next"]).unwrap();
        assert_eq!(steady.recv_all(), ["half|rest", "next"]);
        assert_eq!(late.recv_all(), ["next"]);
        assert_eq!(stumbler.read().unwrap().data(), b"next");
    }

    #[test]
    fn without_dropping_the_sender_waits_for_the_slowest() {
        let mut bench = Bench::new(SocketType::Pub);
        bench.set(ZMQ_XPUB_NODROP, 1);
        let (mut slow, mut fast) = (bench.connect_with(1, |_| {}), bench.connect());
        slow.subscribe(true, "");
        fast.subscribe(true, "");
        bench.send(&["1"]).unwrap();
        assert_eq!(bench.send(&["2"]), Err(Errno::AGAIN));
        assert_eq!(fast.recv_all(), ["1"], "no subscriber gets a message that was refused");
        assert_eq!(slow.recv(), ["1"]);
        bench.send(&["2"]).unwrap();
        assert_eq!(bench.send(&["3"]), Err(Errno::AGAIN));
        drop(slow);
        bench.pattern.send(&mut bench.pipes, &mut crate::message::OutFrame::bytes(b"3", false)).unwrap();
        assert_eq!(fast.recv_all(), ["2", "3"], "a closed pipe is not waited for");
    }

    #[test]
    fn publisher_that_drops_nothing_does_not_wait_without_subscribers() {
        let mut bench = Bench::new(SocketType::Pub);
        bench.set(ZMQ_XPUB_NODROP, 1);
        for _ in 0..5 {
            bench.send(&["a", "b"]).unwrap();
        }
    }

    #[test]
    fn a_burst_above_the_mark_is_noticed_however_fast_it_leaves() {
        let mut bench = Bench::new(SocketType::Pub);
        bench.set(ZMQ_XPUB_NODROP, 1);
        let mut reader = bench.connect_with(4, |_| {});
        reader.subscribe(true, "");
        let mut refused = 0;
        for _ in 0..100 {
            if bench.send(&["a", "b"]) == Err(Errno::AGAIN) {
                refused += 1;
                bench.send(&["a", "b"]).unwrap();
            }
            assert_eq!(reader.recv(), ["a", "b"]);
        }
        // All four, then as many as had come back.
        assert!((20..50).contains(&refused), "{refused}");
    }

    #[test]
    fn inverted_matching_serves_peers_without_the_subscription() {
        let mut bench = Bench::new(SocketType::Pub);
        let (mut a, mut b) = (bench.connect(), bench.connect());
        a.subscribe(true, "a");
        b.subscribe(true, "b");
        bench.set(ZMQ_INVERT_MATCHING, 1);
        assert!(bench.options.invert_matching);
        bench.send(&["apple", "pie"]).unwrap();
        bench.send(&["cherry"]).unwrap();
        assert_eq!(a.recv_all(), ["cherry"]);
        assert_eq!(b.recv_all(), ["apple|pie", "cherry"]);
    }

    #[test]
    fn a_large_body_is_shared_among_all() {
        let mut bench = Bench::new(SocketType::Pub);
        let mut peers = [bench.connect(), bench.connect(), bench.connect()];
        peers.iter_mut().for_each(|peer| peer.subscribe(true, ""));
        let large = "x".repeat(crate::message::BY_REFERENCE_MIN_BYTES);
        bench.send(&[&large]).unwrap();
        let places = peers.each_mut().map(|peer| {
            let message = peer.pipe.read().unwrap().into_msg().unwrap();
            assert_eq!(message.data(), large.as_bytes());
            message
        });
        assert!(places.iter().all(|message| message.data().as_ptr() == places[0].data().as_ptr()));
    }
}
