//! Records behind the handshake, over bytes or WebSockets: data of both sides, key updates, and a relay that changes the records.
//!
//! What comes out on one side is what went in on the other, from the first byte on. It is all of that unless the relay was at work.

use super::super::input::Input;
use super::super::relay;
use zmq::engine::codec::Traffic;
use zmq::engine::codec::records::{HEAD_BYTES, Kind, MAX_CONTENT_BYTES, RecentTags, RecordKey, box_len};
use zmq::engine::ws::records::{Front, RecordFrames};
use zmq::engine::{Codec, Failure, Peer, ws};

/// Steps of an input.
const MOST_STEPS: usize = 24;

struct Side {
    traffic: Box<Traffic>,
    opening: RecordKey,
    tags: RecentTags,
    frames: Option<RecordFrames>,
    /// Records about keys that are to be sent.
    answers: Vec<u8>,
    sent: Vec<u8>,
    got: Vec<u8>,
    is_over: bool,
    /// It has got a record that came before.
    is_replayed: bool,
}

impl Side {
    fn new(peer: Peer, role: &ws::Role, over_websocket: bool) -> Side {
        let Codec::Qzmq(mut traffic) = peer.codec else { panic!("another mechanism") };
        let opening = traffic.take_opening().unwrap();
        let frames = over_websocket.then(|| RecordFrames::new(role));
        let (answers, sent, got) = (Vec::new(), Vec::new(), Vec::new());
        let (tags, is_over, is_replayed) = (RecentTags::default(), false, false);
        Side { traffic, opening, tags, frames, answers, sent, got, is_over, is_replayed }
    }

    /// Bytes as they go over the wire: answers to the peer's updates, an update that is due, and data if there is any.
    fn say(&mut self, data: &[u8], now_ms: u64) -> Result<Vec<u8>, Failure> {
        let mut records = std::mem::take(&mut self.answers);
        if !data.is_empty() {
            self.traffic.update_if_due(now_ms, &mut records)?;
            let at = RecordKey::begin(&mut records);
            records.extend_from_slice(data);
            self.traffic.seal_data(&mut records, at)?;
            self.sent.extend_from_slice(data);
        }
        let Some(frames) = &mut self.frames else { return Ok(records) };
        let (mut framed, mut rest) = (Vec::new(), &records[..]);
        while let Some(len) = frames.append(&mut framed, rest)? {
            rest = &rest[len..];
        }
        Ok(framed)
    }

    fn hear(&mut self, wire: &[u8], now_ms: u64) -> Result<(), Failure> {
        let mut wire = wire.to_vec();
        while !wire.is_empty() {
            let (skip, len) = match &self.frames {
                None => match box_len(&wire)? {
                    Some(len) => (0, HEAD_BYTES + len),
                    None => return Ok(()),
                },
                Some(frames) => match frames.front(&mut wire)? {
                    Front::Record { skip, len } => (skip, len),
                    Front::Control { len, .. } => {
                        wire.drain(..len);
                        continue;
                    }
                    Front::Needs(bytes) => {
                        assert!(bytes > 0);
                        return Ok(());
                    }
                },
            };
            let Some(record) = wire.get_mut(skip..skip + len) else { return Ok(()) };
            let sealed = &mut record[HEAD_BYTES..];
            let received = sealed.to_vec();
            let opened = self.opening.open(sealed);
            let Ok((kind, content)) = opened else {
                self.is_replayed |= self.tags.has(&received);
                return opened.map(drop);
            };
            self.tags.note(&received);
            let content = sealed[..content].to_vec();
            match kind {
                Kind::Data => self.got.extend_from_slice(&content),
                kind => {
                    if let Some(next) = self.traffic.take(kind, &content, now_ms, &mut self.answers)? {
                        self.opening = next;
                    }
                }
            }
            wire.drain(..skip + len);
        }
        Ok(())
    }
}

pub fn run(peers: [Peer; 2], over_websocket: bool, input: &mut Input<'_>) {
    let client = ws::Role::Client { host: "host:1".to_owned(), path: "/".to_owned() };
    let [of_client, of_server] = peers;
    let mut sides = [
        Side::new(of_client, &client, over_websocket),
        Side::new(of_server, &ws::Role::Server, over_websocket),
    ];
    let (mut meddled, mut now_ms, mut before) = (false, 0, Vec::new());
    for step in 0..MOST_STEPS {
        let is_last = input.is_empty();
        let (choices, way) = (input.byte(), input.byte());
        // Once the input has ended both say what they owe.
        let from = if is_last { step % 2 } else { usize::from(choices & 1) };
        now_ms += u64::from(choices >> 4);
        let long = [7; MAX_CONTENT_BYTES];
        let data: &[u8] = match (choices >> 1) & 3 {
            0 => &[],
            1 => b"short",
            2 => input.run(),
            _ => &long,
        };
        if sides[from].is_over {
            continue;
        }
        let Ok(mut said) = sides[from].say(data, now_ms) else {
            sides[from].is_over = true;
            break;
        };
        if !said.is_empty() {
            match way % 16 {
                way @ 1..=6 => meddled |= relay::edit(way.into(), input, &mut said, 0),
                // What was said before, once more.
                7 => {
                    meddled = true;
                    said.extend_from_slice(&before);
                }
                _ => {}
            }
            before.clone_from(&said);
        }
        let to = &mut sides[1 - from];
        if !to.is_over {
            to.is_over = to.hear(&said, now_ms).is_err();
        }
        if is_last && sides.iter().all(|side| side.answers.is_empty()) {
            break;
        }
    }
    let [client, server] = &sides;
    for (to, from) in [(client, server), (server, client)] {
        assert!(from.sent.starts_with(&to.got), "nothing is made up, repeated or moved");
    }
    let is_good = !sides.iter().any(|side| side.is_over);
    assert!(meddled || is_good, "two honest sides part");
    assert!(meddled || !sides.iter().any(|side| side.is_replayed));
    if !meddled {
        assert!(client.got == server.sent && server.got == client.sent, "nothing is lost");
    }
}

/// Data both ways, with an update at each record, and some that are changed.
pub fn known() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    for (name, kem, choices) in [("records", 0, 0), ("records-of-1024", 1, 0), ("records-over-ws", 0, 16)] {
        // Short and long data of both in turn, with turns for answers in between.
        let steps = [2, 0, 3, 0, 0, 0, 1, 0, 6, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0];
        all.push((name, [&[kem, 7, choices, 0, 3][..], &steps].concat()));
    }
    for (name, choices, way) in [
        ("record-edited", 0, 1),
        ("record-cut", 0, 2),
        ("record-twice", 0, 4),
        ("record-again", 0, 7),
        ("record-over-ws-edited", 16, 1),
        ("record-over-ws-again", 16, 7),
    ] {
        all.push((name, vec![0, 7, choices, 255, 0, 2, 0, 2, way, 0, 9, 1]));
    }
    all
}
