//! A CURVE client made by hand, with crypto_box for its boxes: it can say all that ours would never say.

use super::bench::*;
use crypto_box::aead::AeadInPlace;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use std::io::{Read, Write};
use std::net::TcpStream;

pub const SERVER: [u8; 32] = [7; 32];
pub const HONEST: [u8; 32] = [8; 32];
pub const COOKIE: usize = 96;

pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    *SecretKey::from(*secret).public_key().as_bytes()
}

/// A CURVE server under attack, and an honest client.
pub fn bench(kind: i32, good_kind: i32, prepare: impl FnOnce(Socket)) -> Bench {
    let serve = |_, socket: Socket| {
        socket.set(ZMQ_CURVE_SERVER, 1);
        socket.set_bytes(ZMQ_CURVE_SECRETKEY, &SERVER);
        socket.set_bytes(ZMQ_CURVE_PUBLICKEY, &public(&SERVER));
        prepare(socket);
    };
    Bench::with(kind, good_kind, serve, |socket| {
        socket.set_bytes(ZMQ_CURVE_SECRETKEY, &HONEST);
        socket.set_bytes(ZMQ_CURVE_PUBLICKEY, &public(&HONEST));
        socket.set_bytes(ZMQ_CURVE_SERVERKEY, &public(&SERVER));
    })
}

/// A connection on which CURVE is spoken.
pub struct Client {
    pub stream: TcpStream,
    short_term: SecretKey,
    counter: u64,
}

/// What a server has said in its WELCOME.
pub struct Welcome {
    pub cookie: [u8; COOKIE],
    server: PublicKey,
}

/// What a client says of itself in its INITIATE; the truth unless it is changed.
pub struct Claims {
    pub secret: [u8; 32],
    pub public: [u8; 32],
    /// The short-term key that it vouches for; its own if `None`.
    pub short_term: Option<[u8; 32]>,
    pub socket_type: &'static [u8],
}

impl Default for Claims {
    fn default() -> Claims {
        Claims { secret: HONEST, public: public(&HONEST), short_term: None, socket_type: b"PUSH" }
    }
}

impl Client {
    /// Greetings are exchanged.
    pub fn greeted(bench: &Bench) -> Client {
        let mut stream = bench.attack();
        stream.write_all(&greeting(3, "CURVE")).unwrap();
        let mut heard = [0; 64];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(&heard[12..18], b"CURVE\0");
        let mut secret = [0; 32];
        zmq::crypto::random::fill(&mut secret).unwrap();
        let short_term = SecretKey::from(secret);
        Client { stream, short_term, counter: 0 }
    }

    /// The server has answered its HELLO.
    pub fn welcomed(bench: &Bench) -> (Client, Welcome) {
        let mut client = Client::greeted(bench);
        let hello = client.hello();
        client.say(&hello);
        let welcome = client.welcome();
        (client, welcome)
    }

    /// The server has let it in; the key for messages.
    pub fn connected(bench: &Bench) -> (Client, SalsaBox) {
        Client::connected_as(bench, b"PUSH")
    }

    pub fn connected_as(bench: &Bench, socket_type: &'static [u8]) -> (Client, SalsaBox) {
        let (mut client, welcome) = Client::welcomed(bench);
        let initiate = client.initiate_with(&welcome, &Claims { socket_type, ..Claims::default() });
        client.say(&initiate);
        assert_eq!(&client.read_command()[..6], b"\x05READY");
        bench.wait_for(ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
        let key = client.key(&welcome);
        (client, key)
    }

    pub fn say(&mut self, body: &[u8]) {
        pour(&mut self.stream, &frame(Version::V3, COMMAND, body));
    }

    /// The body of the next HELLO.
    pub fn hello(&mut self) -> Vec<u8> {
        let mut hello = b"\x05HELLO\x01\0".to_vec();
        hello.resize(8 + 72, 0);
        hello.extend_from_slice(self.short_term.public_key().as_bytes());
        let counter = self.count();
        hello.extend_from_slice(&counter.to_be_bytes());
        hello.extend_from_slice(&seal_counted(&self.hello_key(), b"CurveZMQHELLO---", counter, &[0; 64]));
        hello
    }

    /// Waits for a WELCOME and opens it.
    pub fn welcome(&mut self) -> Welcome {
        let body = self.read_command();
        assert_eq!(&body[..8], b"\x07WELCOME");
        let nonce = [b"WELCOME-", &body[8..24]].concat();
        let (tag, mut text) = (body[24..40].to_vec(), body[40..].to_vec());
        self.hello_key()
            .decrypt_in_place_detached(nonce.as_slice().into(), b"", &mut text, tag.as_slice().into())
            .expect("a WELCOME for us");
        let (server, cookie) = text.split_first_chunk::<32>().unwrap();
        Welcome { cookie: cookie.try_into().unwrap(), server: PublicKey::from(*server) }
    }

    /// The body of the INITIATE that answers this WELCOME.
    pub fn initiate(&mut self, welcome: &Welcome) -> Vec<u8> {
        self.initiate_with(welcome, &Claims::default())
    }

    pub fn initiate_with(&mut self, welcome: &Welcome, claims: &Claims) -> Vec<u8> {
        let salt = [3; 16];
        let vouch_nonce = [&b"VOUCH---"[..], &salt].concat();
        let short_term = claims.short_term.unwrap_or(*self.short_term.public_key().as_bytes());
        let vouched = [short_term, public(&SERVER)].concat();
        let vouch_key = SalsaBox::new(&welcome.server, &SecretKey::from(claims.secret));
        let vouch = seal(&vouch_key, &vouch_nonce, &vouched);
        let mut text = [&claims.public[..], &salt, &vouch, b"\x0bSocket-Type\0\0\0"].concat();
        text.push(claims.socket_type.len() as u8);
        text.extend_from_slice(claims.socket_type);
        let counter = self.count();
        let sealed = seal_counted(&self.key(welcome), b"CurveZMQINITIATE", counter, &text);
        [b"\x08INITIATE", &welcome.cookie[..], &counter.to_be_bytes(), &sealed].concat()
    }

    /// The body of the next MESSAGE.
    pub fn message(&mut self, key: &SalsaBox, flags: u8, text: &[u8]) -> Vec<u8> {
        let counter = self.count();
        message(key, counter, flags, text)
    }

    /// Of the short-term keys.
    pub fn key(&self, welcome: &Welcome) -> SalsaBox {
        SalsaBox::new(&welcome.server, &self.short_term)
    }

    /// What HELLO and WELCOME are sealed with.
    fn hello_key(&self) -> SalsaBox {
        SalsaBox::new(&PublicKey::from(public(&SERVER)), &self.short_term)
    }

    /// The counter of what was made last.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub fn read_command(&mut self) -> Vec<u8> {
        let mut header = [0; 2];
        self.stream.read_exact(&mut header).unwrap();
        let len = if header[0] & LARGE == 0 {
            usize::from(header[1])
        } else {
            let mut rest = [0; 7];
            self.stream.read_exact(&mut rest).unwrap();
            rest.iter().fold(usize::from(header[1]), |len, byte| len << 8 | usize::from(*byte))
        };
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).unwrap();
        body
    }
}

/// The body of a MESSAGE with this counter; of the flags, 1 is MORE and 2 is COMMAND.
pub fn message(key: &SalsaBox, counter: u64, flags: u8, text: &[u8]) -> Vec<u8> {
    let text = [&[flags][..], text].concat();
    [b"\x07MESSAGE", &counter.to_be_bytes()[..], &seal_counted(key, b"CurveZMQMESSAGEC", counter, &text)]
        .concat()
}

fn seal_counted(key: &SalsaBox, prefix: &[u8; 16], counter: u64, text: &[u8]) -> Vec<u8> {
    seal(key, &[&prefix[..], &counter.to_be_bytes()].concat(), text)
}

/// A box as NaCl has it: the tag comes first.
fn seal(key: &SalsaBox, nonce: &[u8], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let tag = key.encrypt_in_place_detached(nonce.into(), b"", &mut text).unwrap();
    [&tag[..], &text].concat()
}
