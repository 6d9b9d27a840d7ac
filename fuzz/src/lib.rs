//! Targets for fuzzing: functions that take any bytes, feed them to a part of ferrozmq that meets what peers, authenticators
//! and programs say, and check what must hold whatever they say.
//!
//! A target is used twice: by the programs in `fuzz_targets`, which libFuzzer drives, and by `tests/fuzz_replay.rs`, which
//! shows each the inputs in `corpus` and in [`known`] again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod certificates;
pub mod datagrams;
pub mod dialogue;
pub mod endpoints;
pub mod frames;
pub mod handshake;
pub mod input;
pub mod known;
pub mod metadata;
pub mod options;
pub mod qzmq;
pub mod relay;
pub mod sealed;
pub mod security;
pub mod sides;
pub mod socks;
pub mod topics;
pub mod z85;
pub mod zap;

/// Each input begins with it: random bytes are the same for each, and keys with them, where the build is one for fuzzing. Public-key
/// operations that an earlier input has had cost nothing then.
pub fn begin() {
    #[cfg(fuzzing)]
    ::zmq::crypto::repeatable::begin();
}

/// A target: its name, as the corpus and the program have it, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 17] = [
    ("handshake", handshake::any),
    ("curve", handshake::curve),
    ("websocket", handshake::websocket),
    ("dialogue", dialogue::run),
    ("frames", frames::run),
    ("sealed", sealed::run),
    ("metadata", metadata::run),
    ("zap", zap::run),
    ("datagrams", datagrams::run),
    ("socks", socks::run),
    ("endpoints", endpoints::run),
    ("options", options::run),
    ("topics", topics::run),
    ("security", security::run),
    ("z85", z85::run),
    ("certificates", certificates::run),
    ("qzmq", qzmq::run),
];
