//! Endpoints as a program may write them, of every scheme: what `zmq_connect` makes of them without asking anybody.

use super::input::Input;
use super::sides::ALL_TYPES;
use zmq::options::{SocketOptions, Text};
use zmq::transport;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut options = SocketOptions::new(input.one_of(&ALL_TYPES));
    let choices = input.byte();
    options.ipv6 = choices & 1 == 1;
    if choices & 2 == 2 {
        options.socks_proxy_address = Text::from(&b"127.0.0.1:1080"[..]);
    }
    let prefix =
        input.one_of(&["", "tcp://", "ipc://", "ws://", "tipc://", "vsock://", "inproc://", "udp://"]);
    let Ok(rest) = std::str::from_utf8(input.rest()) else { return };
    let uri = format!("{prefix}{rest}");
    let Ok((scheme, address)) = transport::parse(&uri) else { return };
    assert!(uri.starts_with(scheme.name()) && !address.is_empty());
    let _ = transport::compatible(scheme, options.socket_type);
    let Ok(plan) = transport::connect(scheme, address, &options) else { return };
    assert_eq!(plan.scheme(), scheme);
    // What is shown as the endpoint can be connected to as well; but for TIPC, whose services are shown with a third number.
    if scheme == transport::Scheme::Tipc {
        return;
    }
    let (again, shown) = transport::parse(plan.endpoint()).unwrap();
    assert_eq!(again, scheme);
    assert!(transport::connect(again, shown, &options).is_ok(), "{uri:?} is shown as {:?}", plan.endpoint());
    if let Some(Ok(places)) = plan.resolve_literal(&options) {
        for place in &places {
            let _ = plan.resolved_endpoint(place);
        }
    }
}
