//! Two honest sides that shake hands by any mechanism but QZMQ, with any authenticator, over bytes or WebSockets, through a relay.

use super::input::Input;
use super::relay::{self, Side};
use super::sides::{self, Authenticator, Mechanism};
use zmq::engine::{Codec, ws};

/// Turns of a conversation; an honest one takes no more than ten.
const MOST_TURNS: usize = 24;

pub fn run(data: &[u8]) {
    super::begin();
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
        let mut said = from.say();
        if !said.is_empty() {
            let way = input.below(8);
            meddled |= relay::edit(way, &mut input, &mut said, 0);
        }
        to.hear(&said, authenticator);
    }
    for side in [&client, &server] {
        if let Some(Ok(peer)) = &side.outcome {
            sides::check_peer(peer, &side.config, mechanism, over_websocket);
        }
    }
    let (Some(Ok(of_client)), Some(Ok(of_server))) = (client.outcome.take(), server.outcome.take()) else {
        return;
    };
    if !meddled {
        understand(of_client.codec, of_server.codec);
    }
}

/// Two that have shaken hands and were not disturbed understand each other.
fn understand(ours: Codec, theirs: Codec) {
    let (Some((mut sealer, _)), Some((_, mut opener))) = (ours.halves(), theirs.halves()) else { return };
    let mut wire = Vec::new();
    sealer.append_frame(&mut wire, 0, b"hello").unwrap();
    let (flags, body) = opener.open(&mut wire[2..]).unwrap();
    assert_eq!((flags, &*body), (0, &b"hello"[..]));
}
