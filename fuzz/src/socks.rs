//! What a SOCKS5 proxy says.

use super::input::Input;
use zeroize::Zeroizing;
use zmq::engine::socks::Socks5;

pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let host = input.one_of(&["127.0.0.1", "::1", "a.name"]);
    let login = input.flag().then(|| (Zeroizing::new(b"ann".to_vec()), Zeroizing::new(b"secret".to_vec())));
    let cut = usize::from(input.byte());
    let bytes = input.rest();
    let talk = |pieces: &[&[u8]]| {
        let mut proxy = Socks5::new(host, 5555, login.clone()).unwrap();
        let (mut said, mut kept, mut used) = (Vec::new(), Vec::new(), 0);
        proxy.output(&mut said);
        for piece in pieces {
            kept.extend_from_slice(piece);
            let (count, done) = match proxy.input(&kept) {
                Ok(outcome) => outcome,
                Err(error) => {
                    assert_eq!(proxy.input(b"\x05\0"), Err(error), "over is over");
                    return (0, Err(error), Vec::new());
                }
            };
            assert!(count <= kept.len());
            kept.drain(..count);
            used += count;
            proxy.output(&mut said);
            if done {
                return (used, Ok(true), said);
            }
            assert!(kept.len() <= 262, "no message is longer");
        }
        (used, Ok(false), said)
    };
    let (first, second) = bytes.split_at(cut.min(bytes.len()));
    assert_eq!(talk(&[bytes]), talk(&[first, second]), "however it was cut");
}
