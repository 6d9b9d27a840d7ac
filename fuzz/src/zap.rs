//! Replies of an authenticator, which is a program of the user's and may say anything.

use super::input::Input;
use zmq::engine::ZapReply;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut frames: Vec<Vec<u8>> = Vec::new();
    // Sound frames where the input does not say otherwise, or nothing would get beyond the first.
    for sound in [&b""[..], b"1.0", b"1", b"200", b"OK", b"ann", b""] {
        frames.push(if input.flag() { input.run().to_vec() } else { sound.to_vec() });
    }
    frames.truncate(7 - input.below(8) % 7);
    if input.flag() {
        frames.push(input.run().to_vec());
    }
    if let Some(last) = frames.last_mut() {
        last.extend_from_slice(input.rest());
    }
    if let Ok(reply) = ZapReply::parse(&frames) {
        assert_eq!(frames.len(), 7);
        assert!([200, 300, 400, 500].contains(&reply.status.code()));
        for (at, (name, _)) in reply.metadata.iter().enumerate() {
            assert!(reply.metadata[..at].iter().all(|(other, _)| other != name));
        }
    }
}
