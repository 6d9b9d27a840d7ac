//! The data phase: frames of every version of ZMTP, of WebSocket, and none at all, out of a stream into a pipe.

use super::input::Input;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use zmq::engine::zmtp::Version;
use zmq::engine::zmtp::heartbeat::Intervals;
use zmq::engine::{Codec, Heartbeat, ws};
use zmq::pipe::{self, LaneOptions, Pipe};
use zmq::session::recv::{Limits, Received, RecvForm, RecvHalf};

const SILENT: Intervals = Intervals { ping_ms: 0, timeout_ms: 0, ttl_ds: 0 };
/// More calls than any input can need: one that does not get on is a fault.
const MOST_CALLS: usize = 100_000;

/// Frames that were read: flags and body.
pub type Frames = Vec<(u8, Vec<u8>)>;

pub fn run(data: &[u8]) {
    super::begin();
    let mut input = Input(data);
    let form = input.below(8);
    let limits = limits(&mut input);
    let (credit, cut) = (i32::from(input.byte() % 8), usize::from(input.u16()));
    let bytes = input.rest();
    let whole = receive(make(form), limits, 0, &[bytes]);
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    let pieces = receive(make(form), limits, credit, &[first, second]);
    assert_eq!(whole.1, pieces.1, "the end is the same, however it was cut");
    if form == RAW {
        let together =
            |frames: &Frames| frames.iter().flat_map(|(_, body)| body.clone()).collect::<Vec<u8>>();
        assert_eq!(together(&whole.0), together(&pieces.0));
        assert_eq!(together(&whole.0), bytes);
    } else {
        assert_eq!(whole.0, pieces.0, "however it was cut");
    }
}

const RAW: usize = 4;

fn make(form: usize) -> RecvForm {
    let client = ws::Role::Client { host: String::new(), path: String::new() };
    match form {
        0 => RecvForm::Zmtp(Version::V3_1),
        1 => RecvForm::Zmtp(Version::V3_0),
        2 => RecvForm::Zmtp(Version::V2),
        3 => RecvForm::Zmtp(Version::V1),
        RAW => RecvForm::Raw,
        5 => RecvForm::Ws(ws::codec(&client, Codec::Clear).1),
        _ => RecvForm::Ws(ws::codec(&ws::Role::Server, Codec::Clear).1),
    }
}

/// What a peer may send, as the input has it.
pub fn limits(input: &mut Input<'_>) -> Limits {
    let choices = input.byte();
    Limits {
        frame: if choices & 1 == 1 { 1000 } else { -1 },
        message: if choices & 2 == 2 { 5000 } else { u64::MAX },
        subscriptions: choices & 4 == 4,
    }
}

/// Receives pieces that arrive one after the other, and then the end of the stream, with a mark of `hwm` messages (0: none).
/// All that a reader sees, and how it ended.
pub fn receive(form: RecvForm, limits: Limits, hwm: i32, pieces: &[&[u8]]) -> (Frames, Received) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let options = LaneOptions { hwm, conflate: false };
    let (mut reader, pipe) = pipe::pair(options, options).unwrap();
    let (_, writer, _end) = pipe.into_parts();
    let mut half = RecvHalf::new(writer, form, limits, Some(Heartbeat::start(SILENT, 0)));
    let (mut frames, mut control) = (Frames::new(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            match (&theirs).write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            if let Some(end) = drive(&mut half, &ours, &mut control, &mut reader, &mut frames) {
                return (frames, end);
            }
        }
    }
    // Closing would do no more: another process that looks at this one's descriptors puts it off by a moment.
    theirs.shutdown(Shutdown::Both).unwrap();
    half.hang_up();
    half.expect_bytes();
    let end = drive(&mut half, &ours, &mut control, &mut reader, &mut frames);
    (frames, end.expect("the end of the stream"))
}

/// Receives until there is no more; `Some` where that is for good.
fn drive(
    half: &mut RecvHalf,
    stream: &UnixStream,
    control: &mut Vec<u8>,
    reader: &mut Pipe,
    frames: &mut Frames,
) -> Option<Received> {
    for _ in 0..MOST_CALLS {
        let received = half.receive(stream.as_fd(), 0, control);
        // The owner writes it all: a peer cannot make it grow.
        assert!(control.len() <= 64 * 1024, "{} bytes of answers", control.len());
        control.clear();
        while let Some(frame) = reader.read() {
            frames.push((frame.flags, frame.data().to_vec()));
        }
        match received {
            Received::Blocked => return None,
            Received::NoCredit | Received::Yield => {}
            end => return Some(end),
        }
    }
    panic!("it does not get on");
}
