//! One side of a handshake, and whatever bytes come: plain ZMTP and WebSocket, every mechanism, as client and as server.

use super::input::Input;
use super::sides::{self, Authenticator, Mechanism};
use zmq::engine::{Config, Failure, Opening, Peer, Progress, ws};

/// What we say in one handshake is bounded, whatever the peer does.
const MOST_SAID: usize = 64 * 1024;

/// What can be seen of a handshake.
struct Seen {
    consumed: usize,
    said: Vec<u8>,
    outcome: Outcome,
}

enum Outcome {
    /// More bytes are due, or the peer was turned away.
    Open,
    Done(Box<Peer>),
    Failed(Failure),
}

impl Outcome {
    fn shown(&self) -> String {
        match self {
            Outcome::Open => "open".to_owned(),
            Outcome::Done(peer) => format!("{peer:?}"),
            Outcome::Failed(failure) => format!("{failure:?}"),
        }
    }
}

/// NULL, PLAIN and GSSAPI.
pub fn any(data: &[u8]) {
    let mut input = Input(data);
    let mechanism = input.one_of(&[Mechanism::Null, Mechanism::Plain, Mechanism::Gssapi]);
    zmtp(&mut input, mechanism);
}

/// CURVE.
pub fn curve(data: &[u8]) {
    zmtp(&mut Input(data), Mechanism::Curve);
}

/// The upgrade and what follows it. A client gets a sound answer to its request first, if the input says so.
pub fn websocket(data: &[u8]) {
    super::begin();
    let mut input = Input(data);
    let mechanism = input.one_of(&[Mechanism::Null, Mechanism::Plain, Mechanism::Curve]);
    let server = input.flag();
    let answered = !server && input.flag();
    let config = sides::config(&mut input, mechanism, server);
    let authenticator = Authenticator::chosen(&mut input);
    let role = match server {
        true => ws::Role::Server,
        false => ws::Role::Client { host: "host:1".to_owned(), path: "/".to_owned() },
    };
    let mut opening = Opening::new(Some(&role), config.clone());
    let mut said = Vec::new();
    if answered {
        opening.output(&mut said);
        let mut other = Config { socket_type: config.socket_type, ..config.clone() };
        other.security = sides::security(mechanism, true);
        let mut honest = Opening::new(Some(&ws::Role::Server), other);
        let mut answer = Vec::new();
        if honest.input(&said).is_ok() {
            honest.output(&mut answer);
        }
        // The head alone: what the server says behind it is up to the input.
        let head = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
        let _ = opening.input(&answer[..head]);
    }
    let seen = feed(opening, &[input.rest()], authenticator);
    judge(&seen, &config, mechanism, true);
}

fn zmtp(input: &mut Input<'_>, mechanism: Mechanism) {
    let server = input.flag();
    let choices = input.0;
    super::begin();
    let config = sides::config(input, mechanism, server);
    let authenticator = Authenticator::chosen(input);
    let cut = usize::from(input.u16());
    let bytes = input.rest();
    let whole = feed(Opening::new(None, config.clone()), &[bytes], authenticator);
    judge(&whole, &config, mechanism, false);
    if mechanism != Mechanism::Gssapi {
        // With the same random bytes again, for which the server's keys must be new ones too.
        super::begin();
        let config = sides::config(&mut Input(choices), mechanism, server);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let pieces = feed(Opening::new(None, config), &[first, second], authenticator);
        assert_eq!(whole.outcome.shown(), pieces.outcome.shown(), "however it was cut");
        if !matches!(whole.outcome, Outcome::Failed(_)) {
            assert_eq!(whole.consumed, pieces.consumed, "however it was cut");
            assert_eq!(whole.said.len(), pieces.said.len(), "however it was cut");
            // Without the same random bytes CURVE says others each time.
            if cfg!(fuzzing) || mechanism != Mechanism::Curve {
                assert_eq!(whole.said, pieces.said, "however it was cut");
            }
        }
    }
}

/// Feeds the pieces; the authenticator answers once all are there.
fn feed(mut opening: Opening, pieces: &[&[u8]], authenticator: Authenticator) -> Seen {
    let mut seen = Seen { consumed: 0, said: Vec::new(), outcome: Outcome::Open };
    let mut asked = false;
    opening.output(&mut seen.said);
    for piece in pieces {
        match opening.input(piece) {
            Ok((consumed, progress)) => {
                assert!(consumed <= piece.len());
                let whole = consumed == piece.len();
                assert!(whole || matches!(progress, Progress::Done(_)), "all is taken until it is done");
                seen.consumed += consumed;
                asked |= matches!(progress, Progress::Zap(_));
                seen.take(Ok(progress));
            }
            Err(failure) => seen.take(Err(failure)),
        }
        opening.output(&mut seen.said);
        if !matches!(seen.outcome, Outcome::Open) {
            break;
        }
    }
    // A denial may be followed by nothing: a second answer changes nothing.
    for _ in 0..2 {
        if asked && matches!(seen.outcome, Outcome::Open) {
            let answer = authenticator.answer(&mut opening);
            seen.take(answer);
            opening.output(&mut seen.said);
        }
    }
    if !matches!(seen.outcome, Outcome::Open) {
        assert!(opening.input(b"\0").is_err(), "over is over");
        assert!(authenticator.answer(&mut opening).is_err(), "over is over");
    }
    seen
}

impl Seen {
    fn take(&mut self, progress: Result<Progress, Failure>) {
        match progress {
            Ok(Progress::Done(peer)) => self.outcome = Outcome::Done(Box::new(peer)),
            Ok(_) => {}
            Err(failure) => self.outcome = Outcome::Failed(failure),
        }
    }
}

fn judge(seen: &Seen, config: &Config, mechanism: Mechanism, over_websocket: bool) {
    assert!(seen.said.len() <= MOST_SAID, "{} bytes said", seen.said.len());
    if let Outcome::Done(peer) = &seen.outcome {
        sides::check_peer(peer, config, mechanism, over_websocket);
    }
}
