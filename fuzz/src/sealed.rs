//! The data phase under CURVE: frames of any flags and bodies in good boxes, and boxes that somebody has changed, repeated or
//! put in another order.

use super::frames;
use super::input::Input;
use std::sync::LazyLock;
use zmq::crypto::{KEY_BYTES, SecretKey, SharedKey};
use zmq::engine::codec::{AnyOpener, Counters, CurveCodec};
use zmq::engine::zmtp::Version;
use zmq::engine::{Codec, ws};
use zmq::session::recv::{Received, RecvForm};

/// The same each time, so that an input means the same.
static SHARED: LazyLock<SharedKey> = LazyLock::new(|| {
    let (one, other) = (SecretKey::from_bytes(&[7; KEY_BYTES]), SecretKey::from_bytes(&[9; KEY_BYTES]));
    SharedKey::new(&other.public(), &one).unwrap()
});

/// More frames, or longer ones, cover nothing new. A body may be longer than what is received at a time.
const MOST_FRAMES: usize = 24;
const MOST_BYTES: usize = 12 * 1024;

pub fn run(data: &[u8]) {
    super::begin();
    let mut input = Input(data);
    let version = input.one_of(&[Version::V3_1, Version::V3_0]);
    let over_websocket = input.flag();
    let limits = frames::limits(&mut input);
    let hwm = i32::from(input.byte() % 8);
    let cut = usize::from(input.u16());
    let mut sealer = codec(true, version).sealer;
    let client = ws::Role::Client { host: String::new(), path: String::new() };
    let (mut wire, mut sent, mut meddled) = (Vec::new(), Vec::new(), false);
    while !input.is_empty() && wire.len() < MOST_BYTES && sent.len() < MOST_FRAMES {
        let (choices, flags) = (input.byte(), input.byte());
        let body = input.run().repeat(if choices & 8 == 8 { 40 } else { 1 });
        let start = wire.len();
        let mut frame = Vec::new();
        sealer.append_frame(&mut frame, flags, &body).unwrap();
        if over_websocket {
            let header = zmq::engine::zmtp::frame::parse_header(&frame).unwrap().unwrap();
            let mut masks = client.masks();
            ws::frame::append_binary(&mut wire, masks.as_mut(), 0, &[], &frame[header.header_len..]);
        } else {
            wire.extend_from_slice(&frame);
        }
        sent.push((flags, body));
        meddled |= meddle(choices & 7, &mut input, &mut wire, start);
    }
    let form = || {
        let codec = codec(false, version);
        match over_websocket {
            true => RecvForm::Ws(ws::codec(&ws::Role::Server, Codec::Curve(Box::new(codec))).1),
            false => RecvForm::Sealed(version, AnyOpener::Curve(codec.opener)),
        }
    };
    let whole = frames::receive(form(), limits, 0, &[&wire]);
    let (first, second) = wire.split_at(cut.min(wire.len()));
    let pieces = frames::receive(form(), limits, hwm, &[first, second]);
    assert_eq!(whole, pieces, "however it was cut");
    // What comes out was put in, one frame after the other: nothing is made up, repeated or reordered.
    let mut sent = sent.into_iter();
    for (flags, body) in &whole.0 {
        let found = sent.any(|(_, sent)| sent == *body || is_subscription_of(&sent, body));
        assert!(found, "a frame with flags {flags} that nobody has sent");
    }
    if !meddled && limits.frame < 0 && limits.message == u64::MAX {
        assert_eq!(whole.1, Received::End, "good boxes open");
    }
}

fn codec(client: bool, version: Version) -> CurveCodec {
    match client {
        true => CurveCodec::of_client(&SHARED, Counters { ours: 2, theirs: 1 }, version),
        false => CurveCodec::of_server(&SHARED, Counters { ours: 1, theirs: 2 }, version),
    }
}

/// Whether `got` is the subscription that the command `sent` says, in the form older versions have it.
fn is_subscription_of(sent: &[u8], got: &[u8]) -> bool {
    let topic = sent.strip_prefix(b"\x09SUBSCRIBE").or(sent.strip_prefix(b"\x06CANCEL"));
    topic.is_some_and(|topic| got.len() == topic.len() + 1 && got.ends_with(topic))
}

/// Changes the frame that begins at `start`, if that is the way chosen. Whether it did.
fn meddle(way: u8, input: &mut Input<'_>, wire: &mut Vec<u8>, start: usize) -> bool {
    let at = start + usize::from(input.u16()) % (wire.len() - start);
    match way {
        1 => wire[at] ^= input.byte().max(1),
        2 => wire.truncate(at),
        // The same frame again.
        3 => wire.extend_from_within(start..),
        4 => wire.insert(at, input.byte()),
        // Behind the next.
        5 => wire[start..].rotate_left(at - start),
        _ => return false,
    }
    true
}
