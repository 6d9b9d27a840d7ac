//! The HTTP request that turns a stream into a WebSocket connection, and its answer (RFC 6455, section 4).

use crate::crypto::{digest, random};
use crate::engine::config::Config;
use crate::engine::zmtp::make_room;
use crate::options::Mechanism;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{EMPTY_HEADER, Request, Response, Status};

/// Most bytes of the head of a request or an answer. Browsers send some kilobytes of cookies along.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most header fields.
const MAX_FIELDS: usize = 96;
/// Appended to the client's key to make the accept key (RFC 6455, section 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_END: &[u8] = b"\r\n\r\n";
const REQUEST_BEGINS: &[u8] = b"GET ";
const ANSWER_BEGINS: &[u8] = b"HTTP/1.1 101";

/// The subprotocol that both sides agree on for the frames (RFC 45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subprotocol {
    /// No mechanism: each side's first frame is its routing id.
    Bare,
    Null,
    Plain,
    Curve,
    Qzmq,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no request for an upgrade to WebSocket.
    BadRequest,
    /// It asks for another version of WebSocket.
    Version,
    /// It offers no subprotocol that matches our mechanism.
    Subprotocol,
}

/// The head of a request or an answer, gathered from pieces of any size.
#[derive(Debug)]
pub struct Head {
    begins: &'static [u8],
    bytes: Vec<u8>,
}

/// The head is too long, or begins as no valid one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHead;

impl Head {
    pub fn of_request() -> Head {
        Head { begins: REQUEST_BEGINS, bytes: Vec::new() }
    }

    pub fn of_answer() -> Head {
        Head { begins: ANSWER_BEGINS, bytes: Vec::new() }
    }

    /// Takes bytes off the front of `bytes`, at most up to the end of the head. Returns whether it is
    /// complete.
    pub fn input(&mut self, bytes: &mut &[u8]) -> Result<bool, BadHead> {
        // The end may have begun in an earlier piece.
        let from = self.bytes.len().saturating_sub(HEAD_END.len() - 1);
        let old = self.bytes.len();
        let room = MAX_HEAD_BYTES - old.min(MAX_HEAD_BYTES);
        make_room(&mut self.bytes, bytes.len().min(room), MAX_HEAD_BYTES);
        self.bytes.extend(bytes.iter().take(room));
        let judged = self.begins.len().min(self.bytes.len());
        if self.bytes.get(..judged) != self.begins.get(..judged) {
            return Err(BadHead);
        }
        let new = self.bytes.get(from..).unwrap_or_default();
        let Some(at) = new.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
            let whole_room = bytes.len() >= room;
            *bytes = &[];
            return if whole_room { Err(BadHead) } else { Ok(false) };
        };
        self.bytes.truncate(from + at + HEAD_END.len());
        *bytes = bytes.get(self.bytes.len() - old..).unwrap_or_default();
        Ok(true)
    }

    /// Reads a complete request. Returns the answer's accept key, and the first offered subprotocol that
    /// matches ours.
    pub fn read_request(&self, config: &Config) -> Result<(String, Subprotocol), Refusal> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = Request::new(&mut fields);
        if request.parse(&self.bytes) != Ok(Status::Complete(self.bytes.len())) || request.version != Some(1)
        {
            return Err(Refusal::BadRequest);
        }
        let fields = Fields(request.headers);
        let key = fields.first("Sec-WebSocket-Key").filter(|key| !key.is_empty());
        let key = key.filter(|_| fields.upgrades()).ok_or(Refusal::BadRequest)?;
        // libzmq does not always send the version; there is only one.
        if fields.first("Sec-WebSocket-Version").is_some_and(|version| version != "13") {
            return Err(Refusal::Version);
        }
        let offered = fields.list("Sec-WebSocket-Protocol");
        let found =
            offered.filter_map(|name| Subprotocol::suitable(config).find(|ours| ours.name() == name)).next();
        Ok((accept_key(key), found.ok_or(Refusal::Subprotocol)?))
    }

    /// Whether a complete request that was read offers QZMQ.
    pub fn offers_qzmq(&self) -> bool {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = Request::new(&mut fields);
        let is_read = request.parse(&self.bytes).is_ok();
        is_read
            && Fields(request.headers)
                .list("Sec-WebSocket-Protocol")
                .any(|name| name == Subprotocol::Qzmq.name())
    }

    /// The subprotocol that a complete answer to our request with `key` has chosen; `None` unless it grants
    /// the request.
    pub fn read_answer(&self, key: &str, config: &Config) -> Option<Subprotocol> {
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut answer = Response::new(&mut fields);
        if answer.parse(&self.bytes) != Ok(Status::Complete(self.bytes.len())) || answer.code != Some(101) {
            return None;
        }
        let fields = Fields(answer.headers);
        if !fields.upgrades() || fields.first("Sec-WebSocket-Accept") != Some(&accept_key(key)) {
            return None;
        }
        let chosen = fields.first("Sec-WebSocket-Protocol")?;
        Subprotocol::suitable(config).find(|ours| ours.name() == chosen)
    }
}

impl Subprotocol {
    pub fn name(self) -> &'static str {
        match self {
            Subprotocol::Bare => "ZWS2.0",
            Subprotocol::Null => "ZWS2.0/NULL",
            Subprotocol::Plain => "ZWS2.0/PLAIN",
            Subprotocol::Curve => "ZWS2.0/CURVE",
            Subprotocol::Qzmq => "ZWS2.0/QZMQ",
        }
    }

    /// The mechanism that goes with it.
    pub fn mechanism(self) -> Mechanism {
        match self {
            Subprotocol::Bare | Subprotocol::Null => Mechanism::Null,
            Subprotocol::Plain => Mechanism::Plain,
            Subprotocol::Curve => Mechanism::Curve,
            Subprotocol::Qzmq => Mechanism::Qzmq,
        }
    }

    /// The subprotocols for a socket with these settings, best first. The one without a mechanism allows no
    /// authentication either.
    pub fn suitable(config: &Config) -> impl Iterator<Item = Subprotocol> + use<> {
        let all: &[Subprotocol] = match config.security.mechanism() {
            Mechanism::Null if config.authenticates() => &[Subprotocol::Null],
            Mechanism::Null => &[Subprotocol::Null, Subprotocol::Bare],
            Mechanism::Plain => &[Subprotocol::Plain],
            Mechanism::Curve => &[Subprotocol::Curve],
            Mechanism::Qzmq if config.security.is_several() || config.security.fallback().is_some() => {
                &[Subprotocol::Qzmq, Subprotocol::Curve]
            }
            Mechanism::Qzmq => &[Subprotocol::Qzmq],
            Mechanism::Gssapi => &[],
        };
        all.iter().copied()
    }
}

/// A key for a request. It distinguishes a server's answer from one that a cache kept.
pub fn new_key() -> String {
    let mut nonce = [0; 16];
    // The key is no secret. Without random bytes all keys are equal, which servers accept.
    let _ = random::fill(&mut nonce);
    STANDARD.encode(nonce)
}

/// Appends a request. `host` and `path` are visible ASCII.
pub fn append_request(out: &mut Vec<u8>, host: &str, path: &str, key: &str, config: &Config) {
    let names: Vec<_> = Subprotocol::suitable(config).map(Subprotocol::name).collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
        names.join(",")
    );
    out.extend_from_slice(request.as_bytes());
}

/// Appends the answer that grants a request.
pub fn append_answer(out: &mut Vec<u8>, accept_key: &str, chosen: Subprotocol) {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept_key}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
        chosen.name()
    );
    out.extend_from_slice(answer.as_bytes());
}

/// Appends the answer that refuses a request.
pub fn append_refusal(out: &mut Vec<u8>, refusal: Refusal) {
    let status: &[u8] = match refusal {
        Refusal::BadRequest | Refusal::Subprotocol => b"400 Bad Request",
        Refusal::Version => b"426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
    };
    for part in [b"HTTP/1.1 ", status, b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"] {
        out.extend_from_slice(part);
    }
}

fn accept_key(key: &str) -> String {
    STANDARD.encode(digest::sha1(&[key.as_bytes(), ACCEPT_GUID]))
}

struct Fields<'h>(&'h [httparse::Header<'h>]);

impl<'h> Fields<'h> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'h str> {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.filter_map(|field| std::str::from_utf8(field.value).ok()).map(str::trim)
    }

    fn first(&self, name: &str) -> Option<&'h str> {
        self.all(name).next()
    }

    /// The elements of a field that is a list, which may be spread over several lines.
    fn list(&self, name: &str) -> impl Iterator<Item = &'h str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim)
    }

    fn upgrades(&self) -> bool {
        let says = |name, word: &str| self.list(name).any(|element| element.eq_ignore_ascii_case(word));
        says("Upgrade", "websocket") && says("Connection", "upgrade")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::zmtp::tests::config;
    use crate::options::SocketType;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn whole(mut head: Head, text: &str) -> Head {
        let mut bytes = text.as_bytes();
        assert_eq!(head.input(&mut bytes), Ok(true));
        assert_eq!(bytes, b"");
        head
    }

    fn request(fields: &str) -> Result<(String, Subprotocol), Refusal> {
        let text = format!("GET /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        whole(Head::of_request(), &text).read_request(&config(SocketType::Pull))
    }

    #[test]
    fn a_browsers_request_is_granted() {
        let fields = format!(
            "upgrade: WebSocket\r\nCookie: a=b\r\nconnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             sec-websocket-key: {KEY}\r\nSec-WebSocket-Protocol: other, ZWS2.0\r\n\
             Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n"
        );
        assert_eq!(request(&fields), Ok((ACCEPT.to_owned(), Subprotocol::Bare)));
    }

    #[test]
    fn other_requests_are_not() {
        let full = [
            ("Upgrade: websocket\r\n", Refusal::BadRequest),
            ("Connection: Upgrade\r\n", Refusal::BadRequest),
            ("Sec-WebSocket-Key: abc\r\n", Refusal::BadRequest),
            ("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n", Refusal::Subprotocol),
        ];
        for (left_out, refusal) in full {
            let fields: String =
                full.iter().map(|(field, _)| *field).filter(|field| *field != left_out).collect();
            assert_eq!(request(&fields), Err(refusal), "{left_out}");
        }
        let all: String = full.iter().map(|(field, _)| *field).collect();
        assert!(request(&all).is_ok());
        assert_eq!(request(&format!("{all}Sec-WebSocket-Version: 8\r\n")), Err(Refusal::Version));
        assert_eq!(request(&format!("{all}bad field: 1\r\n")), Err(Refusal::BadRequest));
        assert_eq!(request(&format!("{all}{}", "A: b\r\n".repeat(MAX_FIELDS))), Err(Refusal::BadRequest));
        let old = whole(Head::of_request(), &format!("GET / HTTP/1.0\r\n{all}\r\n"));
        assert_eq!(old.read_request(&config(SocketType::Pull)), Err(Refusal::BadRequest));
    }

    #[test]
    fn the_mechanism_decides_the_subprotocols() {
        let mut config = config(SocketType::Pull);
        let names =
            |config: &Config| Subprotocol::suitable(config).map(Subprotocol::name).collect::<Vec<_>>();
        assert_eq!(names(&config), ["ZWS2.0/NULL", "ZWS2.0"]);
        config.zap.domain = b"home".to_vec();
        assert_eq!(names(&config), ["ZWS2.0/NULL"], "every peer is authenticated");
        config.security = crate::engine::Security::PlainServer;
        assert_eq!(names(&config), ["ZWS2.0/PLAIN"]);
        #[cfg(not(feature = "gssapi"))]
        {
            config.security = crate::engine::Security::Gssapi;
            assert!(names(&config).is_empty());
        }
    }

    #[test]
    fn an_answer_has_to_be_to_our_question() {
        let config = config(SocketType::Pull);
        let mut good = Vec::new();
        append_answer(&mut good, ACCEPT, Subprotocol::Null);
        let good = String::from_utf8(good).unwrap();
        let read = |text: &str, key| whole(Head::of_answer(), text).read_answer(key, &config);
        assert_eq!(read(&good, KEY), Some(Subprotocol::Null));
        assert_eq!(read(&good, "another"), None);
        assert_eq!(read(&good.replace("/NULL", "/PLAIN"), KEY), None);
        assert_eq!(read(&good.replace("Upgrade: websocket\r\n", ""), KEY), None);
    }

    #[test]
    fn our_requests_would_be_granted_here() {
        let config = config(SocketType::Pull);
        let mut out = Vec::new();
        append_request(&mut out, "host:5", "/a?b", KEY, &config);
        let head = whole(Head::of_request(), std::str::from_utf8(&out).unwrap());
        assert_eq!(head.read_request(&config), Ok((ACCEPT.to_owned(), Subprotocol::Null)));
        assert!(out.starts_with(b"GET /a?b HTTP/1.1\r\nHost: host:5\r\n"));
    }

    #[test]
    fn a_head_ends_at_its_end_with_pieces_of_any_size() {
        let text = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
        for piece in 1..text.len() {
            let mut head = Head::of_request();
            let mut rest = Vec::new();
            let mut done = false;
            for mut bytes in text.chunks(piece) {
                if !done {
                    done = head.input(&mut bytes).unwrap();
                }
                rest.extend_from_slice(bytes);
            }
            assert!(done);
            assert_eq!(rest, b"rest", "{piece}");
            assert_eq!(head.bytes.len(), text.len() - 4);
        }
    }

    #[test]
    fn an_invalid_head_ends_the_handshake() {
        for text in [&b"POST"[..], b"\xff\0", b"get ", b"G E"] {
            assert_eq!(Head::of_request().input(&mut &text[..]), Err(BadHead));
        }
        assert_eq!(Head::of_answer().input(&mut &b"HTTP/1.1 404 Not Found\r\n\r\n"[..]), Err(BadHead));
        let mut head = Head::of_request();
        let mut fed = 0;
        let mut piece = &b"GET /"[..];
        while head.input(&mut piece).is_ok() {
            fed += 5;
            piece = b"aaaaa";
        }
        assert!(fed <= MAX_HEAD_BYTES && head.bytes.len() <= MAX_HEAD_BYTES);
        let endless = vec![b'a'; 1_000_000];
        let mut head = Head::of_request();
        assert_eq!(head.input(&mut &[b"GET /", &endless[..]].concat()[..]), Err(BadHead));
        assert!(head.bytes.len() <= MAX_HEAD_BYTES);
    }
}
