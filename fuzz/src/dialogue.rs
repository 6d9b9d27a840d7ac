//! Two honest sides that shake hands, and somebody between them who changes, drops, repeats and adds bytes. So inputs get
//! behind the boxes of CURVE, which they could never make themselves.

use super::input::Input;
use super::sides::{self, Authenticator, Mechanism};
use zmq::engine::{Codec, Config, Opening, Peer, Progress, ws};

/// Turns of a conversation; an honest one takes no more than ten.
const MOST_TURNS: usize = 24;

/// One side, and what is on its way to it.
struct Side {
    opening: Opening,
    config: Config,
    arriving: Vec<u8>,
    asked: bool,
    peer: Option<Peer>,
    failed: bool,
}

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mechanism = input.one_of(&[Mechanism::Curve, Mechanism::Null, Mechanism::Plain]);
    let over_websocket = input.flag();
    let authenticator = Authenticator::chosen(&mut input);
    let role = ws::Role::Client { host: "host:1".to_owned(), path: "/".to_owned() };
    let (client, server) = if over_websocket { (Some(&role), Some(&ws::Role::Server)) } else { (None, None) };
    let mut client = Side::new(client, sides::config(&mut input, mechanism, false));
    let mut server = Side::new(server, sides::config(&mut input, mechanism, true));
    let mut meddled = false;
    for turn in 0..MOST_TURNS {
        let (from, to) = if turn % 2 == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let mut said = Vec::new();
        from.opening.output(&mut said);
        if !said.is_empty() {
            meddled |= meddle(&mut input, &mut said);
        }
        to.arriving.extend_from_slice(&said);
        to.hear(authenticator);
    }
    for side in [&client, &server] {
        if let Some(peer) = &side.peer {
            sides::check_peer(peer, &side.config, mechanism, over_websocket);
        }
    }
    let (Some(of_client), Some(of_server)) = (client.peer.take(), server.peer.take()) else { return };
    if !meddled {
        understand(of_client.codec, of_server.codec);
    }
}

impl Side {
    fn new(role: Option<&ws::Role>, config: Config) -> Side {
        let opening = Opening::new(role, config.clone());
        Side { opening, config, arriving: Vec::new(), asked: false, peer: None, failed: false }
    }

    fn hear(&mut self, authenticator: Authenticator) {
        if self.peer.is_some() || self.failed {
            return;
        }
        let arriving = std::mem::take(&mut self.arriving);
        let progress = self.opening.input(&arriving).map(|(_, progress)| progress);
        self.take(progress);
        if self.asked && self.peer.is_none() && !self.failed {
            let answer = authenticator.answer(&mut self.opening);
            self.take(answer);
        }
    }

    fn take(&mut self, progress: Result<Progress, zmq::engine::Failure>) {
        match progress {
            Ok(Progress::Done(peer)) => self.peer = Some(peer),
            Ok(Progress::Zap(_)) => self.asked = true,
            Ok(Progress::More | Progress::Denied(_)) => {}
            Err(_) => self.failed = true,
        }
    }
}

/// Lets the input change what is under way. Whether it did.
fn meddle(input: &mut Input<'_>, said: &mut Vec<u8>) -> bool {
    let way = input.below(8);
    let at = usize::from(input.u16()) % said.len();
    match way {
        1 => said[at] ^= input.byte().max(1),
        2 => said.truncate(at),
        3 => said.insert(at, input.byte()),
        4 => said.extend_from_within(at..),
        5 => {
            said.splice(at..at, input.run().iter().copied());
        }
        6 => {
            said.drain(at..(at + input.below(256)).min(said.len()));
        }
        _ => return false,
    }
    true
}

/// Two that have shaken hands and were not disturbed understand each other.
fn understand(ours: Codec, theirs: Codec) {
    let (Some((mut sealer, _)), Some((_, mut opener))) = (ours.halves(), theirs.halves()) else { return };
    let mut wire = Vec::new();
    sealer.append_frame(&mut wire, 0, b"hello").unwrap();
    let (flags, body) = opener.open(&mut wire[2..]).unwrap();
    assert_eq!((flags, &*body), (0, &b"hello"[..]));
}
