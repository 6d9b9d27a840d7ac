//! RADIO: every DISH gets the messages of the groups it has joined (RFC 48).
//!
//! In a pipe, as on the wire, a message is two frames: the group and the body.

use super::backlog::{Backlog, Listener};
use super::distribution::Distribution;
use super::subscription_sizes::Holdings;
use super::{Behaviour, Origin, flag, set_common, single};
use crate::counters::SocketCounter;
use crate::errno::{Errno, Result};
use crate::message::{Frame, FrameKind, GROUP_MAX_LENGTH, Msg, OutFrame};
use crate::options::SocketOptions;
use crate::options::number::{ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE, ZMQ_XPUB_NODROP};
use crate::pipe::{PipeId, Pipes};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

#[derive(Default)]
pub struct Radio {
    out: Distribution,
    /// The pipes in each group, and how often each has joined it.
    groups: BTreeMap<Vec<u8>, BTreeMap<PipeId, u32>>,
    /// How many groups each pipe is in, and what they weigh.
    holdings: Holdings,
    /// Pipes that are gone and still in groups.
    leaving: BTreeSet<PipeId>,
    /// The last group that was looked at for them; `None`: the next look begins with the first.
    looked_at: Option<Vec<u8>>,
    /// Pipes with frames that were not read yet.
    backlog: Backlog,
    /// Pipes that cannot join, so get every message.
    all_groups: Vec<PipeId>,
    /// Without credit the sender waits instead of the peer missing the message.
    no_drop: bool,
    /// The group of the message being sent. Kept so that it need not be allocated again.
    group: Vec<u8>,
}

/// Memberships that one pass looks at for pipes that leave, and at most as many are removed in it.
const PASS_MEMBERS: usize = 256;
/// Memberships looked at for one unit of a [`Budget`](crate::pipe::Budget).
const MEMBERS_PER_UNIT: usize = 2;

impl Radio {
    pub fn new(options: &SocketOptions) -> Radio {
        let mut radio = Radio::default();
        radio.holdings.set_limit(options.max_subscriptions_size);
        radio
    }

    /// Errors: `ENOMEM`, and `ENOBUFS` for more than one pipe may have.
    fn join(&mut self, group: &[u8], pipe: PipeId) -> Result<()> {
        if group.len() > GROUP_MAX_LENGTH {
            // Nothing can be sent to it.
            return Ok(());
        }
        self.holdings.allow(pipe, group.len())?;
        let members = match self.groups.get_mut(group) {
            Some(members) => members,
            None => self.groups.entry(group.to_vec()).or_default(),
        };
        let times = members.entry(pipe).or_default();
        *times = times.saturating_add(1);
        if *times == 1 {
            self.holdings.add(pipe, group.len());
        }
        Ok(())
    }

    fn leave(&mut self, group: &[u8], pipe: PipeId) {
        let Some(members) = self.groups.get_mut(group) else { return };
        if let Some(times) = members.get_mut(&pipe) {
            *times -= 1;
            if *times == 0 {
                self.forget(group, pipe);
            }
        }
    }

    /// Takes a pipe out of a group.
    fn forget(&mut self, group: &[u8], pipe: PipeId) {
        if let Some(members) = self.groups.get_mut(group) {
            members.remove(&pipe);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        if self.holdings.remove(pipe, group.len()) {
            self.leaving.remove(&pipe);
        }
    }

    /// Takes pipes that are gone out of some groups, round and round until they are in none.
    fn forget_some(&mut self, pipes: &mut Pipes) {
        let (mut found, mut looks) = (Vec::new(), 0);
        let after = self.looked_at.take();
        let from = after.as_deref().map_or(Unbounded, Excluded);
        let mut through = after.as_ref();
        for (group, members) in self.groups.range::<[u8], _>((from, Unbounded)) {
            let room = PASS_MEMBERS.saturating_sub(found.len());
            looks += 1 + self.leaving.len().min(members.len());
            // Whichever are fewer are looked for among the others.
            if self.leaving.len() < members.len() {
                let gone = self.leaving.iter().filter(|pipe| members.contains_key(pipe));
                found.extend(gone.take(room).map(|&pipe| (group.clone(), pipe)));
            } else {
                let gone = members.keys().filter(|pipe| self.leaving.contains(pipe));
                found.extend(gone.take(room).map(|&pipe| (group.clone(), pipe)));
            }
            // There may be more of this one, which is then looked at again.
            let is_full = found.len() == PASS_MEMBERS;
            if !is_full {
                through = Some(group);
            }
            if is_full || looks >= PASS_MEMBERS {
                self.looked_at = through.cloned();
                break;
            }
        }
        let units = looks / MEMBERS_PER_UNIT + found.len() + 1;
        pipes.budget.spend(u32::try_from(units).unwrap_or(u32::MAX));
        for (group, pipe) in found {
            self.forget(&group, pipe);
        }
        if self.leaving.is_empty() {
            self.looked_at = None;
        }
    }
}

impl Listener for Radio {
    fn take_in(&mut self, pipe: PipeId, frame: Frame<'_>) -> Result<()> {
        match frame.kind() {
            FrameKind::Join(group) => self.join(group, pipe)?,
            FrameKind::Leave(group) => self.leave(group, pipe),
            _ => {}
        }
        Ok(())
    }
}

impl Behaviour for Radio {
    fn attach(&mut self, pipes: &mut Pipes, pipe: PipeId, origin: Origin) {
        self.out.attach(pipe);
        if origin == Origin::Datagrams {
            self.all_groups.push(pipe);
        }
        // It may have joined groups before it came.
        self.backlog.add(pipe);
        pipes.budget.leave_undone();
    }

    fn send(&mut self, pipes: &mut Pipes, frame: &mut OutFrame<'_>) -> Result<()> {
        single(frame)?;
        // Made now if ever: between the two frames it would be too late to fail.
        frame.shared()?;
        self.group.clear();
        self.group.extend_from_slice(frame.as_msg().map_or(c"", Msg::group).to_bytes());
        self.out.unmatch();
        let members = self.groups.get(&self.group).into_iter().flat_map(BTreeMap::keys);
        for &pipe in members.chain(&self.all_groups) {
            self.out.match_pipe(pipe);
        }
        if self.no_drop && !self.out.check_write(pipes) {
            return Err(Errno::AGAIN);
        }
        self.out.send_to_matching(pipes, &mut OutFrame::bytes(&self.group, true))?;
        self.out.send_to_matching(pipes, frame)?;
        Ok(())
    }

    fn has_out(&mut self, _: &mut Pipes) -> bool {
        // A message's pipes are known, and so whether it has to wait, once it is sent.
        true
    }

    fn read_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.backlog.add(pipe);
    }

    fn go_on(&mut self, pipes: &mut Pipes) {
        let mut backlog = std::mem::take(&mut self.backlog);
        backlog.read(pipes, self);
        self.backlog = backlog;
        while !self.leaving.is_empty() && pipes.budget.allows() {
            self.forget_some(pipes);
        }
        pipes.record.set(SocketCounter::Subscriptions, self.holdings.total() as u64);
    }

    fn write_activated(&mut self, _: &mut Pipes, pipe: PipeId) {
        self.out.activated(pipe);
    }

    fn hiccuped(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.hiccuped(pipes, pipe);
    }

    fn peer_closed(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        // What a peer joined before it went does not matter.
        pipes.terminate(pipe);
    }

    fn terminated(&mut self, pipes: &mut Pipes, pipe: PipeId) {
        self.out.terminated(pipes, pipe);
        self.all_groups.retain(|&other| other != pipe);
        if self.holdings.has_any(pipe) {
            self.leaving.insert(pipe);
            pipes.budget.leave_undone();
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
            ZMQ_XPUB_NODROP => Some(flag(value).map(|yes| self.no_drop = yes)),
            ZMQ_FERRO_MAX_SUBSCRIPTIONS_SIZE => Some(
                set_common(options, option, value)
                    .map(|()| self.holdings.set_limit(options.max_subscriptions_size)),
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::Origin;
    use crate::errno::Errno;
    use crate::options::SocketType;
    use crate::options::number::ZMQ_XPUB_NODROP;
    use crate::pattern::Pattern;
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
    fn peer_that_joins_twice_gets_a_message_once_and_has_to_leave_twice() {
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
    fn many_groups_and_many_members_go_in_steps() {
        const MANY: usize = 3 * super::PASS_MEMBERS;
        let mut bench = Bench::new(SocketType::Radio);
        let mut stays = bench.connect();
        stays.join(true, "all");
        let mut peers: Vec<_> = (0..MANY).map(|_| bench.connect()).collect();
        for (i, peer) in peers.iter_mut().enumerate() {
            peer.join(true, "all");
            peer.join(true, &i.to_string());
        }
        bench.settle();
        drop(peers);
        bench.settle();
        let Pattern::Radio(radio) = &bench.pattern else { unreachable!() };
        assert!(radio.leaving.is_empty() && radio.looked_at.is_none());
        assert_eq!((radio.groups.len(), radio.holdings.total()), (1, 1));
        bench.send_to("all", "x").unwrap();
        assert_eq!(stays.recv_all(), ["all|x"]);
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
    fn peer_that_cannot_join_gets_everything() {
        let mut bench = Bench::new(SocketType::Radio);
        let mut peer = bench.connect();
        bench.pattern.attach(&mut bench.pipes, peer.id, Origin::Datagrams);
        bench.send_to("g", "x").unwrap();
        assert_eq!(peer.recv_all(), ["g|x"]);
    }
}
