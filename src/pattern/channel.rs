//! CHANNEL: one peer, and no other, messages of one frame each (RFC 52).

use super::client::Client;
use super::single_peer::SinglePeer;

pub type Channel = SinglePeer<Client>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_second_peer_is_turned_away_until_the_first_has_gone() {
        let mut bench = Bench::new(SocketType::Channel);
        assert_eq!(bench.send(&["no peer"]), Err(Errno::AGAIN));
        let mut one = bench.connect();
        let two = bench.connect();
        bench.settle();
        assert!(!two.is_open() && one.is_open());
        bench.send(&["to one"]).unwrap();
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
        assert_eq!(one.recv_all(), ["to one"]);
        one.send(&["last"]);
        drop(one);
        assert!(!bench.connect().is_open(), "the first is there until it has been read");
        assert_eq!(bench.recv(), ["last"]);
        assert!(!bench.has_in());
        let mut three = bench.connect();
        bench.send(&["to three"]).unwrap();
        assert_eq!(three.recv_all(), ["to three"]);
    }
}
