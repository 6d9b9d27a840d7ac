//! RADIO: every DISH gets the messages of the groups it has joined (RFC 48).
//!
//! In a pipe, as on the wire, a message is two frames: the group and the body.

use super::distribution::Distribution;
use super::{Behaviour, Sent, flag, single};
use crate::errno::{Errno, Result};
use crate::message::{FrameKind, GROUP_MAX_LENGTH, Msg, OutFrame};
use crate::options::SocketOptions;
use crate::options::number::ZMQ_XPUB_NODROP;
use crate::pipe::{PipeId, Pipes};
use std::collections::HashMap;

#[derive(Default)]
pub struct Radio {
    out: Distribution,
    /// The pipes in each group, as often as they have joined it.
    groups: HashMap<Vec<u8>, Vec<PipeId>>,
    /// Pipes that cannot join, so get every message.
    all_groups: Vec<PipeId>,
    /// Without credit the sender waits instead of the peer missing the message.
    no_drop: bool,
    /// The group of the message being sent. Kept so that it need not be allocated again.
    group: Vec<u8>,
}

impl Radio {
    fn join(&mut self, group: &[u8], pipe: PipeId) {
        match self.groups.get_mut(group) {
            Some(members) => members.push(pipe),
            None if group.len() <= GROUP_MAX_LENGTH => drop(self.groups.insert(group.to_vec(), vec![pipe])),
            // Nothing can be sent to it.
            None => {}
        }
    }

    fn leave(&mut self, group: &[u8], pipe: PipeId) {
        let Some(members) = self.groups.get_mut(group) else { return };
        if let Some(place) = members.iter().position(|&member| member == pipe) {
            members.swap_remove(place);
        }
        if members.is_empty() {
            self.groups.remove(group);
        }
    }
}

impl Behaviour for Radio {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, subscribe_to_all: bool, _: bool) {
        self.out.attach(pipe);
        if subscribe_to_all {
            self.all_groups.push(pipe);
        }
        // It may have joined groups before it came.
        self.read_activated(pipes, pipe);
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<Sent> {
        single(frame)?;
        // Made now if ever: between the two frames it would be too late to fail.
        frame.shared()?;
        self.group.clear();
        self.group.extend_from_slice(frame.as_msg().map_or(c"", Msg::group).to_bytes());
        self.out.unmatch();
        let members = self.groups.get(&self.group).into_iter().flatten();
        for &pipe in members.chain(&self.all_groups) {
            self.out.match_pipe(pipe);
        }
        if self.no_drop && !self.out.check_write(pipes) {
            return Err(Errno::AGAIN);
        }
        self.out.send_to_matching(pipes, &mut OutFrame::bytes(&self.group, true))?;
        self.out.send_to_matching(pipes, frame)?;
        Ok(Sent::Taken)
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // Who gets a message, and so whether it has to wait, shows when it is sent.
        true
    }

    fn read_activated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        while pipes.check_read(pipe) {
            let Some(frame) = pipes.read(pipe) else { return };
            match frame.kind() {
                FrameKind::Join(group) => self.join(group, pipe),
                FrameKind::Leave(group) => self.leave(group, pipe),
                _ => {}
            }
        }
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
    }

    fn hiccuped(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipe);
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        // What a peer joined before it went does not matter.
        pipes.terminate(pipe);
    }

    fn terminated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.terminated(pipe);
        self.all_groups.retain(|&other| other != pipe);
        self.groups.retain(|_, members| {
            members.retain(|&member| member != pipe);
            !members.is_empty()
        });
    }

    fn set_option(
        &mut self,
        _: &mut Pipes,
        _: &mut SocketOptions,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        (option == ZMQ_XPUB_NODROP).then(|| flag(value).map(|yes| self.no_drop = yes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::ZMQ_XPUB_NODROP;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_message_goes_to_the_members_of_its_group() {
        let mut bench = Bench::new(SocketType::Radio);
        let (mut news, mut both, mut none) = (bench.connect(), bench.connect(), bench.connect());
        news.join(true, "News");
        both.join(true, "News");
        both.join(true, "Sports");
        none.join(true, "New");
        bench.send_to("News", "n").unwrap();
        bench.send_to("Sports", "s").unwrap();
        bench.send_to("Movies", "m").unwrap();
        bench.send(&["to no group"]).unwrap();
        assert_eq!(news.recv_all(), ["News|n"]);
        assert_eq!(both.recv_all(), ["News|n", "Sports|s"]);
        assert_eq!(none.recv_all(), [""; 0]);
        both.join(false, "News");
        both.join(false, "never joined");
        bench.send_to("News", "n").unwrap();
        assert_eq!(both.recv_all(), [""; 0]);
        drop(news);
        bench.send_to("News", "n").unwrap();
        assert_eq!(bench.try_recv(), Err(Errno::NOTSUP));
        assert!(bench.has_out() && !bench.has_in());
    }

    #[test]
    fn a_message_is_one_frame_to_the_program() {
        let mut bench = Bench::new(SocketType::Radio);
        assert_eq!(bench.send_frame("half", true), Err(Errno::INVAL));
    }

    #[test]
    fn groups_joined_before_the_pipe_is_attached_count() {
        let mut bench = Bench::new(SocketType::Radio);
        let mut peer = bench.connect_with(0, |pipe| {
            pipe.write_membership(true, b"g").unwrap();
            pipe.flush();
        });
        bench.send_to("g", "x").unwrap();
        assert_eq!(peer.recv(), ["g", "x"]);
    }

    #[test]
    fn who_joins_twice_gets_a_message_once_and_has_to_leave_twice() {
        let mut bench = Bench::new(SocketType::Radio);
        let mut peer = bench.connect();
        peer.join(true, "g");
        peer.join(true, "g");
        bench.send_to("g", "1").unwrap();
        peer.join(false, "g");
        bench.send_to("g", "2").unwrap();
        peer.join(false, "g");
        bench.send_to("g", "3").unwrap();
        assert_eq!(peer.recv_all(), ["g|1", "g|2"]);
    }

    #[test]
    fn without_credit_a_peer_misses_the_message_or_the_sender_waits() {
        let mut bench = Bench::new(SocketType::Radio);
        let mut peer = bench.connect_with(1, |_| {});
        peer.join(true, "g");
        bench.send_to("g", "1").unwrap();
        bench.send_to("g", "lost").unwrap();
        assert_eq!(peer.recv_all(), ["g|1"]);
        bench.set(ZMQ_XPUB_NODROP, 1);
        bench.send_to("g", "2").unwrap();
        assert_eq!(bench.send_to("g", "3"), Err(Errno::AGAIN));
        assert_eq!(peer.recv_all(), ["g|2"]);
        bench.send_to("g", "3").unwrap();
        assert_eq!(peer.recv_all(), ["g|3"]);
    }

    #[test]
    fn who_cannot_join_gets_everything() {
        let mut bench = Bench::new(SocketType::Radio);
        let mut peer = bench.connect();
        bench.pattern.attach(&mut bench.pipes, peer.id, true, false);
        bench.send_to("g", "x").unwrap();
        assert_eq!(peer.recv_all(), ["g|x"]);
    }
}
