//! PAIR: one peer, and no other (RFC 31).

use super::dealer::Dealer;
use super::single_peer::SinglePeer;

pub type Pair = SinglePeer<Dealer>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::Origin;
    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_second_peer_is_turned_away_until_the_first_has_gone() {
        let mut bench = Bench::new(SocketType::Pair);
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        let mut one = bench.connect();
        let two = bench.connect();
        bench.settle();
        assert!(!two.is_open() && one.is_open());
        bench.send(&["to", "one"]).unwrap();
        assert_eq!(one.recv(), ["to", "one"]);
        one.send(&["last"]);
        drop(one);
        let mut three = bench.connect();
        assert!(!three.is_open(), "the first is there until it has been read");
        assert_eq!(bench.recv(), ["last"]);
        assert!(!bench.has_in());
        three = bench.connect();
        bench.send(&["to three"]).unwrap();
        assert_eq!(three.recv(), ["to three"]);
    }

    #[test]
    fn peer_that_has_ended_makes_room_before_its_end_is_noticed() {
        let mut bench = Bench::new(SocketType::Pair);
        let (old, options) = (bench.connect(), crate::pipe::LaneOptions { hwm: 0, conflate: false });
        drop(old);
        let (ours, mut theirs) = crate::pipe::pair(options, options).unwrap();
        let id = bench.pipes.insert(ours);
        bench.pattern.attach(&mut bench.pipes, id, Origin::Accepted);
        bench.send(&["x"]).unwrap();
        assert_eq!(theirs.read().unwrap().data(), b"x");
    }

    #[test]
    fn one_that_is_connected_to_takes_over_from_one_that_has_gone_and_is_read_after_it() {
        let mut bench = Bench::new(SocketType::Pair);
        let mut one = bench.join(0, Origin::Connected, |_| {});
        one.send(&["1", "half"]);
        one.send(&["2"]);
        assert_eq!(bench.recv_frame().unwrap(), ("1".into(), true));
        drop(one);
        assert!(!bench.connect().is_open(), "a stranger has to wait");
        let mut two = bench.join(0, Origin::Reconnected, |_| {});
        two.send(&["3"]);
        bench.send(&["to two"]).unwrap();
        assert_eq!(two.recv(), ["to two"]);
        assert!(!bench.join(0, Origin::Connected, |_| {}).is_open(), "there is one");
        for message in ["half", "2", "3"] {
            assert!(bench.has_in());
            assert_eq!(bench.recv(), [message]);
        }
        two.send(&["4"]);
        assert_eq!(bench.recv(), ["4"]);
        assert_eq!(bench.pipes.len(), 1);
        // One that goes before it is its turn.
        two.send(&["5"]);
        drop(two);
        let mut three = bench.join(0, Origin::Connected, |_| {});
        three.send(&["6"]);
        drop(three);
        assert_eq!((bench.recv(), bench.recv()), (vec!["5".into()], vec!["6".into()]));
        assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
        bench.settle();
        assert_eq!(bench.pipes.len(), 0);
    }

    #[test]
    fn the_next_but_one_is_read_last_too_though_the_next_has_said_nothing() {
        let mut bench = Bench::new(SocketType::Pair);
        let mut one = bench.join(0, Origin::Connected, |_| {});
        for message in ["1", "2"] {
            one.send(&[message]);
        }
        drop(one);
        drop(bench.join(0, Origin::Reconnected, |_| {}));
        assert!(!bench.connect().is_open(), "a stranger has to wait");
        let mut three = bench.join(0, Origin::Reconnected, |_| {});
        for message in ["3", "4"] {
            three.send(&[message]);
        }
        for message in ["1", "2", "3", "4"] {
            assert_eq!(bench.recv(), [message]);
        }
        bench.send(&["to three"]).unwrap();
        assert_eq!(three.recv(), ["to three"]);
    }

    #[test]
    fn a_third_is_read_after_the_second_though_the_first_was_not_seen_to_have_gone() {
        for socket_type in [SocketType::Pair, SocketType::Channel] {
            let mut bench = Bench::new(socket_type);
            let mut one = bench.join(0, Origin::Connected, |_| {});
            one.send(&["1"]);
            drop(one);
            let mut two = bench.join(0, Origin::Reconnected, |_| {});
            two.send(&["2"]);
            drop(two);
            assert_eq!(bench.recv(), ["1"]);
            let mut three = bench.join(0, Origin::Reconnected, |_| {});
            three.send(&["3"]);
            assert_eq!((bench.recv(), bench.recv()), (vec!["2".into()], vec!["3".into()]), "{socket_type:?}");
            assert_eq!(bench.try_recv(), Err(Errno::AGAIN));
            assert_eq!(bench.pipes.len(), 1);
        }
    }

    #[test]
    fn a_message_is_not_split_between_two_peers() {
        let mut bench = Bench::new(SocketType::Pair);
        let one = bench.connect();
        bench.send_frame("half", true).unwrap();
        drop(one);
        bench.settle();
        let mut two = bench.connect();
        bench.send_frame("rest", false).unwrap();
        bench.send(&["whole"]).unwrap();
        assert_eq!(two.recv(), ["whole"]);
    }
}
