//! A pattern with real pipes, and the part of a socket that carries their events to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Origin, Pattern};
use crate::errno::Result;
use crate::message::{FrameKind, Msg, OutFrame};
use crate::options::{SocketOptions, SocketType};
use crate::pipe::budget::CALL_UNITS;
use crate::pipe::{End, LaneOptions, LaneReader, LaneWriter, Notify, Pipe, PipeEvent, PipeId, Pipes, pair};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub struct Bench {
    pub pattern: Pattern,
    pub pipes: Pipes,
    pub options: SocketOptions,
    /// What a call may do of what the peers cause.
    pub units: u32,
    now: Instant,
    events: Arc<Mutex<Vec<(PipeId, PipeEvent)>>>,
}

/// The other end of one of the pipes.
pub struct Peer {
    pub id: PipeId,
    pub pipe: Pipe,
}

struct Teller {
    id: OnceLock<PipeId>,
    events: Arc<Mutex<Vec<(PipeId, PipeEvent)>>>,
}

impl Notify for Teller {
    fn notify(&self, event: PipeEvent) {
        self.events.lock().push((*self.id.get().unwrap(), event));
    }
}

impl Bench {
    pub fn new(socket_type: SocketType) -> Bench {
        let options = SocketOptions::new(socket_type);
        let pattern = Pattern::new(socket_type, &options);
        Bench {
            pattern,
            pipes: Pipes::default(),
            options,
            units: CALL_UNITS,
            now: Instant::now(),
            events: Arc::default(),
        }
    }

    pub fn connect(&mut self) -> Peer {
        self.connect_with(1000, |_| {})
    }

    /// A pipe with this high-water mark in both directions, to which the peer has written before it is attached.
    pub fn connect_with(&mut self, hwm: i32, first: impl FnOnce(&mut Pipe)) -> Peer {
        self.join(hwm, Origin::Accepted, first)
    }

    pub fn join(&mut self, hwm: i32, origin: Origin, first: impl FnOnce(&mut Pipe)) -> Peer {
        let (id, mut theirs) = self.insert(hwm);
        first(&mut theirs);
        self.pattern.attach(&mut self.pipes, id, origin);
        self.settle();
        Peer { id, pipe: theirs }
    }

    /// A pipe whose events reach the pattern, which has not been told of it yet.
    pub fn insert(&mut self, hwm: i32) -> (PipeId, Pipe) {
        let options = LaneOptions { hwm, conflate: false };
        self.insert_with(options, options)
    }

    /// A peer of whose messages the latest alone is kept.
    pub fn connect_conflating(&mut self) -> Peer {
        let [to_peer, from_peer] = [false, true].map(|conflate| LaneOptions { hwm: 0, conflate });
        let (id, pipe) = self.insert_with(to_peer, from_peer);
        self.pattern.attach(&mut self.pipes, id, Origin::Accepted);
        self.settle();
        Peer { id, pipe }
    }

    fn insert_with(&mut self, to_peer: LaneOptions, from_peer: LaneOptions) -> (PipeId, Pipe) {
        self.settle();
        let (ours, theirs) = pair(to_peer, from_peer).unwrap();
        let teller = Arc::new(Teller { id: OnceLock::new(), events: self.events.clone() });
        ours.set_owner(teller.clone());
        let id = self.pipes.insert(ours);
        teller.id.set(id).unwrap();
        (id, theirs)
    }

    /// A peer that calls itself this.
    pub fn connect_as(&mut self, routing_id: &str) -> Peer {
        self.connect_with(1000, |pipe| {
            pipe.write_routing_id(routing_id.as_bytes()).unwrap();
            pipe.flush();
        })
    }

    /// Brings the pattern up to date, as a socket does at the beginning of each call.
    pub fn settle(&mut self) {
        // Calls that lie so far apart share nothing.
        self.now += Duration::from_secs(1);
        self.pipes.budget.begin(self.units, || self.now);
        loop {
            for (id, event) in std::mem::take(&mut *self.events.lock()) {
                let (pattern, pipes) = (&mut self.pattern, &mut self.pipes);
                match event {
                    PipeEvent::Readable => pattern.read_activated(pipes, id),
                    PipeEvent::Writable => pattern.write_activated(pipes, id),
                    PipeEvent::PeerClosed => pattern.peer_closed(pipes, id),
                    PipeEvent::MarksChanged => pipes.heed_peer(id),
                    PipeEvent::Hiccup(writer) => {
                        pipes.replace_writer(id, *writer);
                        pattern.hiccuped(pipes, id);
                    }
                }
            }
            for id in self.pipes.take_closed() {
                self.pattern.terminated(&mut self.pipes, id);
                self.pipes.remove(id);
            }
            self.pattern.go_on(&mut self.pipes);
            if self.events.lock().is_empty() && !self.pipes.any_closed() {
                return;
            }
        }
    }

    pub fn send_frame(&mut self, data: &str, more: bool) -> Result<()> {
        self.settle();
        self.send_frame_unsettled(data, more)
    }

    /// As [`send_frame`](Bench::send_frame), before the pattern has heard what the peers have done.
    pub fn send_frame_unsettled(&mut self, data: &str, more: bool) -> Result<()> {
        self.pattern.send(&mut self.pipes, &mut OutFrame::bytes(data.as_bytes(), more))
    }

    /// Sends a message; stops at the first frame that is not taken.
    pub fn send(&mut self, frames: &[&str]) -> Result<()> {
        frames.iter().enumerate().try_for_each(|(i, frame)| self.send_frame(frame, i + 1 < frames.len()))
    }

    /// Sends a message to a group.
    pub fn send_to(&mut self, group: &str, data: &str) -> Result<()> {
        let mut msg = Msg::copy_from(data.as_bytes())?;
        msg.set_group(group.as_bytes())?;
        self.send_msg(&mut msg).map(drop)
    }

    pub fn send_msg(&mut self, msg: &mut Msg) -> Result<()> {
        self.settle();
        self.pattern.send(&mut self.pipes, &mut OutFrame::msg(msg, false))
    }

    pub fn recv_msg(&mut self) -> Result<Msg> {
        self.settle();
        self.pattern.recv(&mut self.pipes)?.into_msg()
    }

    /// A message and the group it was sent to.
    pub fn recv_group(&mut self) -> (String, String) {
        let msg = self.recv_msg().unwrap();
        assert!(!msg.more());
        (msg.group().to_str().unwrap().into(), String::from_utf8_lossy(msg.data()).into_owned())
    }

    pub fn join_group(&mut self, group: &str) -> Result<()> {
        self.settle();
        self.pattern.join(&mut self.pipes, true, group.as_bytes())
    }

    pub fn leave_group(&mut self, group: &str) -> Result<()> {
        self.settle();
        self.pattern.join(&mut self.pipes, false, group.as_bytes())
    }

    pub fn recv_frame(&mut self) -> Result<(String, bool)> {
        self.settle();
        let frame = self.pattern.recv(&mut self.pipes)?;
        Ok((String::from_utf8_lossy(frame.data()).into_owned(), frame.more()))
    }

    pub fn try_recv(&mut self) -> Result<Vec<String>> {
        let mut frames = Vec::new();
        loop {
            let (frame, more) = self.recv_frame()?;
            frames.push(frame);
            if !more {
                return Ok(frames);
            }
        }
    }

    pub fn recv(&mut self) -> Vec<String> {
        self.try_recv().unwrap()
    }

    pub fn has_in(&mut self) -> bool {
        self.settle();
        self.pattern.has_in(&mut self.pipes)
    }

    pub fn has_out(&mut self) -> bool {
        self.settle();
        self.pattern.has_out(&mut self.pipes)
    }

    pub fn set(&mut self, option: i32, value: i32) {
        self.set_bytes(option, &value.to_ne_bytes()).unwrap();
    }

    pub fn set_bytes(&mut self, option: i32, value: &[u8]) -> Result<()> {
        self.settle();
        self.pattern.set_option(&mut self.pipes, &mut self.options, option, value).expect("its own option")
    }

    pub fn get(&self, option: i32) -> i32 {
        let mut out = [0; 4];
        assert_eq!(self.pattern.option(option, &mut out), Some(Ok(4)));
        i32::from_ne_bytes(out)
    }
}

impl Peer {
    pub fn is_open(&self) -> bool {
        self.pipe.is_open()
    }

    pub fn write(&mut self, data: &[u8], more: bool) {
        assert!(self.pipe.write(&mut OutFrame::bytes(data, more)).unwrap());
        if !more {
            self.pipe.flush();
        }
    }

    pub fn send(&mut self, frames: &[&str]) {
        for (i, frame) in frames.iter().enumerate() {
            self.write(frame.as_bytes(), i + 1 < frames.len());
        }
    }

    pub fn subscribe(&mut self, subscribe: bool, topic: &str) {
        self.pipe.write_subscription(subscribe, topic.as_bytes()).unwrap();
        self.pipe.flush();
    }

    pub fn join(&mut self, join: bool, group: &str) {
        self.pipe.write_membership(join, group.as_bytes()).unwrap();
        self.pipe.flush();
    }

    /// The next message; empty if there is none. Subscriptions show as `+topic` and `-topic`.
    pub fn recv(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.pipe.read() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            frames.push(match frame.kind() {
                FrameKind::Subscribe(topic) => format!("+{}", text(topic)),
                FrameKind::Cancel(topic) => format!("-{}", text(topic)),
                FrameKind::Join(group) => format!("JOIN {}", text(group)),
                FrameKind::Leave(group) => format!("LEAVE {}", text(group)),
                _ => text(frame.data()),
            });
            if !frame.more() {
                return frames;
            }
        }
        assert!(frames.is_empty(), "a message that does not end: {frames:?}");
        frames
    }

    pub fn recv_all(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let message = self.recv();
            if message.is_empty() {
                return all;
            }
            all.push(message.join("|"));
        }
    }

    /// The peer's connection is replaced: what the socket has written and was not read is dropped. What it writes
    /// from now on comes out here; the writer and the end only have to be kept.
    pub fn hiccup(self) -> (LaneReader, LaneWriter, End) {
        let (_, writer, end) = self.pipe.into_parts();
        let reader = end.hiccup(LaneOptions { hwm: 1000, conflate: false }).unwrap();
        (reader, writer, end)
    }
}
