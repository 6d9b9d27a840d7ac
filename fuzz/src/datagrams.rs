//! What a datagram holds, in and out.

use super::input::Input;
use std::net::SocketAddr;
use zmq::engine::datagram::{Form, Outgoing};

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let form = input.one_of(&[Form::Group, Form::Address]);
    let peer: SocketAddr =
        input.one_of(&["10.1.2.3:4567", "[::1]:9", "[::ffff:10.1.2.3]:9"]).parse().unwrap();
    let first_len = usize::from(input.u16());
    let mut first = b"left over".to_vec();
    if let Some(body) = form.decode(input.0, peer, &mut first) {
        assert!(first.len() <= 255 && body.len() <= input.0.len());
        // A datagram that was understood can be sent again, and is the same.
        let mut out = Outgoing::new(form, Some(peer));
        out.begin(&first);
        if out.finish(body) {
            assert_eq!(out.datagram().unwrap().0, input.0);
        } else {
            assert!(input.0.len() > form.largest());
        }
    }
    let mut out = Outgoing::new(form, Some(peer));
    out.begin(input.bytes(first_len));
    if out.finish(input.rest()) {
        let (datagram, to) = out.datagram().unwrap();
        assert!(datagram.len() <= form.largest() && to.port() != 0);
    } else {
        assert!(out.datagram().is_none());
    }
}
