//! The receiving half behind a tunnel that gives nothing before a record is whole.

use super::halves::streams;
use super::heartbeats::{is_given_up, watched, zmtp};
use crate::crypto::tls::{Clients, Identity, Servers, Settings, Versions};
use crate::session::connection::recv::Received;
use crate::session::connection::tls_stream::{self, Tunnel};
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;

const CERTIFICATE: &[u8] = include_bytes!("../../../tests/wss/cert.pem");
const KEY: &[u8] = include_bytes!("../../../tests/wss/key.pem");

/// A peer's end and ours.
type Ends = [Arc<Tunnel>; 2];

/// Two ends of TLS, after their handshake.
fn tls() -> Ends {
    let servers = Servers { certificates: CERTIFICATE, system: false, name: "ferrozmq.test", host: "" };
    let client = Settings::client(&servers, None, Versions::Both).unwrap();
    let identity = Identity { certificates: CERTIFICATE, key: KEY };
    let server = Settings::server(&identity, &Clients::Anonymous, Versions::Both).unwrap();
    let ends = [client, server].map(|settings| Arc::new(Tunnel::new(&settings).unwrap()));
    let (left, right) = streams();
    for _ in 0..5 {
        for (end, stream) in ends.iter().zip([&left, &right]) {
            let _ = tls_stream::flush(stream.as_fd(), Some(end));
            let read = tls_stream::read(stream.as_fd(), Some(end), &mut [0; 1]);
            assert!(read.is_err_and(|errno| errno.would_block()));
        }
    }
    ends
}

/// The bytes that `end` makes of these.
fn wire(end: &Tunnel, content: &[u8]) -> Vec<u8> {
    let (stream, mut tap) = streams();
    let written = tls_stream::write(stream.as_fd(), Some(end), &[IoSlice::new(content)]);
    assert_eq!(written, Ok(content.len()));
    drop(stream);
    let mut bytes = Vec::new();
    tap.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Whether the peer is given up while one of `pieces` comes each 10 ms, and then while none comes.
fn outcomes<'a>(end: Arc<Tunnel>, mut pieces: impl Iterator<Item = &'a [u8]>) -> [bool; 2] {
    let (_left, (half, _end), ours, mut theirs) = watched(zmtp(), false);
    let mut half = half.through(Some(end));
    [0, 2000].map(|from_ms| {
        is_given_up(&mut half, from_ms, |half, now_ms| {
            if from_ms == 0
                && let Some(piece) = pieces.next()
            {
                theirs.write_all(piece).unwrap();
            }
            assert_eq!(half.receive(ours.as_fd(), now_ms, &mut Vec::new()), Received::Blocked);
        })
    })
}

/// A record takes longer than the two seconds.
fn long_record(end: &Tunnel) -> Vec<u8> {
    wire(end, &b"\0\x01x".repeat(100))
}

#[test]
fn a_record_that_comes_slowly_is_a_sign_of_life_until_it_stops() {
    let [peer, end] = tls();
    assert_eq!(outcomes(end, long_record(&peer).chunks(1)), [false, true], "TLS");
}

#[cfg(feature = "qzmq")]
mod records {
    use super::*;
    use crate::engine::codec::records::testing::{Limits, traffics};
    use crate::engine::ws::Role;
    use crate::session::connection::records::Records;
    use crate::session::connection::ws_records::WsRecords;

    fn records(below: [Option<Arc<Tunnel>>; 2]) -> Ends {
        let mut below = below.into_iter();
        traffics(Limits::default()).map(|traffic| {
            let records = Records::new(traffic, &[], &[]).unwrap();
            Arc::new(Tunnel::Records(Box::new(records), below.next().flatten()))
        })
    }

    fn ws(below: [Option<Arc<Tunnel>>; 2]) -> Ends {
        let mut below = below.into_iter();
        [Role::Client { host: "a:1".into(), path: "/".into() }, Role::Server].map(|role| {
            let frames = WsRecords::new(&role, &[], &[]).unwrap();
            Arc::new(Tunnel::WsRecords(Box::new(frames), below.next().flatten()))
        })
    }

    #[test]
    fn so_is_one_of_qzmq_by_itself_and_within_others() {
        let belows = [
            ([None, None], "bare"),
            (tls().map(Some), "TLS"),
            (ws([None, None]).map(Some), "WebSocket"),
            (ws(tls().map(Some)).map(Some), "both"),
        ];
        for (below, name) in belows {
            let [peer, end] = records(below);
            assert_eq!(outcomes(end, long_record(&peer).chunks(1)), [false, true], "{name}");
        }
    }

    #[test]
    fn pings_of_websocket_around_records_are_none() {
        let ping = [0x89, 0x80, 0, 0, 0, 0];
        let [_, end] = records(ws([None, None]).map(Some));
        assert!(outcomes(end, ping.repeat(50).chunks(1))[0], "bare");
        let [peer, below] = tls();
        let [_, end] = records(ws([None, Some(below)]).map(Some));
        let pings: Vec<_> = (0..200).map(|_| wire(&peer, &ping)).collect();
        assert!(outcomes(end, pings.iter().map(Vec::as_slice))[0], "within TLS");
    }
}
