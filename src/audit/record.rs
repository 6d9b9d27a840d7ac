//! A record and its line: one JSON object, of at most [`MAX_LINE_BYTES`].
//!
//! Laws of a line: it is JSON; it holds no control character, and none that changes the direction of text; the time, the process
//! and the event are always there; two different values of a field have two different texts, unless they had to be cut.

use crate::sys::log::is_hidden;
use crate::sys::timestamp::Timestamp;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// A line with its newline. A pipe takes as much in one piece (PIPE_BUF), however many processes write to it.
pub const MAX_LINE_BYTES: usize = 4096;
/// A field's text as it stands in the line. Seven of them and what is between them stay within a line.
const MAX_TEXT_BYTES: usize = 480;
/// A peer chooses some of it.
const MAX_SUMMARY_CHARS: usize = 600;
/// What stands in front of the hexadecimal digits of a value that is no text.
const HEX: &str = "hex:";
/// The end of a text that was cut.
const CUT: char = '…';

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A handshake has succeeded.
    Authentication,
    /// A handshake has failed, or a connection has ended since the peer broke the protocol.
    Denial,
    /// A connection of an address that is refused for a while.
    Ban,
    BindRefused,
    ConnectRefused,
    KeyAdded,
    KeyWithdrawn,
    /// A peer was let in on less than what was asked for, or a client goes on with CURVE where a server knows no QZMQ.
    Fallback,
    /// Records are missing here.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Denied,
    Refused,
}

/// Which side has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer has.
    In,
    /// This side has.
    Out,
}

/// One entry of the trail. What is empty or `None` is left out of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub time: SystemTime,
    pub event: Event,
    pub outcome: Option<Outcome>,
    pub direction: Option<Direction>,
    /// The one that is bound, else the one that is connected to.
    pub endpoint: String,
    /// The peer's address as the authenticator is told it.
    pub peer: String,
    pub port: Option<u16>,
    /// `ZMQ_ZAP_DOMAIN`.
    pub domain: Vec<u8>,
    pub mechanism: Option<&'static str>,
    /// The [fingerprint](crate::crypto::fingerprint()) of the peer's public key, or of the key that the record is about.
    pub key: Option<String>,
    pub user: Vec<u8>,
    /// The peer's.
    pub routing_id: Vec<u8>,
    /// The authenticator's status, else a `ZMQ_PROTOCOL_ERROR_*`, else an errno.
    pub status: Option<u32>,
    /// For people.
    pub reason: Vec<u8>,
    /// Of the handshake.
    pub duration: Option<Duration>,
    /// How many records are missing.
    pub lost: Option<u64>,
}

/// The process that a line speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    pub name: Vec<u8>,
}

impl Record {
    /// Of something that happens now.
    pub fn new(event: Event) -> Record {
        Record {
            time: SystemTime::now(),
            event,
            outcome: None,
            direction: None,
            endpoint: String::new(),
            peer: String::new(),
            port: None,
            domain: Vec::new(),
            mechanism: None,
            key: None,
            user: Vec::new(),
            routing_id: Vec::new(),
            status: None,
            reason: Vec::new(),
            duration: None,
            lost: None,
        }
    }

    /// For people, in one line: the event, the endpoint, the peer, and why.
    pub fn summary(&self) -> String {
        let mut text = format!("{} at {}", self.event.name(), self.endpoint);
        let user = String::from_utf8_lossy(&self.user);
        let key = self.key.as_deref().unwrap_or("");
        for (name, value) in [("peer", self.peer.as_str()), ("key", key), ("user", &*user)] {
            if !value.is_empty() {
                text.push_str(&format!(", {name} {value}"));
            }
        }
        if !self.reason.is_empty() {
            text.push_str(": ");
            text.push_str(&String::from_utf8_lossy(&self.reason));
        }
        text.chars().take(MAX_SUMMARY_CHARS).map(|c| if is_hidden(c) { '?' } else { c }).collect()
    }

    /// The line, without its newline.
    pub fn line(&self, process: &Process) -> String {
        let mut line = Line::begin();
        line.text("time", Timestamp(self.time).to_string().as_bytes());
        line.number("pid", Some(process.id.into()));
        line.text("process", &process.name);
        line.text("event", self.event.name().as_bytes());
        line.text("outcome", self.outcome.map_or("", Outcome::name).as_bytes());
        line.text("direction", self.direction.map_or("", Direction::name).as_bytes());
        line.text("endpoint", self.endpoint.as_bytes());
        line.text("peer", self.peer.as_bytes());
        line.number("port", self.port.map(u64::from));
        line.text("domain", &self.domain);
        line.text("mechanism", self.mechanism.unwrap_or("").as_bytes());
        line.text("key", self.key.as_deref().unwrap_or("").as_bytes());
        line.text("user", &self.user);
        line.text("routing_id", &self.routing_id);
        line.number("status", self.status.map(u64::from));
        line.text("reason", &self.reason);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        line.number("duration_us", self.duration.map(micros));
        line.number("lost", self.lost);
        line.end()
    }
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Event::Authentication => "authentication",
            Event::Denial => "denial",
            Event::Ban => "ban",
            Event::BindRefused => "bind_refused",
            Event::ConnectRefused => "connect_refused",
            Event::KeyAdded => "key_added",
            Event::KeyWithdrawn => "key_withdrawn",
            Event::Fallback => "fallback",
            Event::Gap => "gap",
        }
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Denied => "denied",
            Outcome::Refused => "refused",
        }
    }
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// The object as far as it is written.
struct Line(String);

impl Line {
    fn begin() -> Line {
        Line(String::from("{"))
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn number(&mut self, name: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.name(name);
            // Writing to a string does not fail, here and below.
            let _ = write!(self.0, "{number}");
        }
    }

    fn text(&mut self, name: &str, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        self.name(name);
        self.0.push('"');
        match std::str::from_utf8(value) {
            Ok(text) if !text.starts_with(HEX) => self.escape(text.chars()),
            _ => {
                // More than that is cut in any case.
                let shown = value.iter().take(MAX_TEXT_BYTES);
                let digits = shown.flat_map(|byte| [byte >> 4, byte & 15]);
                let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
                self.escape(HEX.chars().chain(digits));
            }
        }
        self.0.push('"');
    }

    fn escape(&mut self, text: impl Iterator<Item = char>) {
        let most = self.0.len() + MAX_TEXT_BYTES;
        // Behind the last character that leaves room for the mark.
        let mut cut_at = self.0.len();
        for c in text {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if is_hidden(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
                c => self.0.push(c),
            }
            if self.0.len() > most {
                self.0.truncate(cut_at);
                return self.0.push(CUT);
            }
            if self.0.len() + CUT.len_utf8() <= most {
                cut_at = self.0.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::time::UNIX_EPOCH;

    fn process() -> Process {
        Process { id: 4711, name: b"server".to_vec() }
    }

    fn at(seconds: u64, micros: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, micros * 1000)
    }

    #[test]
    fn a_record_has_its_line() {
        let record = Record {
            time: at(1_796_018_281, 123_456),
            outcome: Some(Outcome::Denied),
            direction: Some(Direction::In),
            endpoint: "tcp://127.0.0.1:5555".into(),
            peer: "10.0.0.9".into(),
            port: Some(50112),
            domain: b"orders".to_vec(),
            mechanism: Some("CURVE"),
            key: Some("aa10-0b7e".into()),
            user: b"al\"ice\\\n".to_vec(),
            routing_id: vec![0, 0xff],
            status: Some(400),
            reason: "müde \u{202e}\u{1b}[0m".into(),
            duration: Some(Duration::from_micros(640)),
            ..Record::new(Event::Denial)
        };
        let line = concat!(
            r#"{"time":"2026-11-30T05:58:01.123456Z","pid":4711,"process":"server","event":"denial","outcome":"denied","#,
            r#""direction":"in","endpoint":"tcp://127.0.0.1:5555","peer":"10.0.0.9","port":50112,"domain":"orders","#,
            r#""mechanism":"CURVE","key":"aa10-0b7e","user":"al\"ice\\\u000a","routing_id":"hex:00ff","status":400,"#,
            r#""reason":"müde \u202e\u001b[0m","duration_us":640}"#,
        );
        assert_eq!(record.line(&process()), line);
        let gap = Record { time: at(0, 0), lost: Some(17), ..Record::new(Event::Gap) };
        let line =
            r#"{"time":"1970-01-01T00:00:00.000000Z","pid":4711,"process":"server","event":"gap","lost":17}"#;
        assert_eq!(gap.line(&process()), line);
    }

    /// As `date -u -d @SECONDS` has them.
    /// A user's name is the peer's to choose: it begins no line of its own.
    #[test]
    fn a_summary_is_one_line() {
        let record = Record {
            endpoint: "tcp://10.0.0.1:5555".to_owned(),
            peer: "10.0.0.9".to_owned(),
            user: b"ann\nferrozmq: all is well".to_vec(),
            reason: b"refused by the authenticator".to_vec(),
            ..Record::new(Event::Denial)
        };
        let line = "denial at tcp://10.0.0.1:5555, peer 10.0.0.9, user ann?ferrozmq: all is well: refused by the authenticator";
        assert_eq!(record.summary(), line);
        let long = Record { user: vec![b'a'; 100_000], ..record };
        assert_eq!(long.summary().chars().count(), MAX_SUMMARY_CHARS);
    }

    /// Takes a line apart by the rules of JSON: the fields with their values, texts unescaped.
    fn parse(line: &str) -> Vec<(String, String)> {
        let mut chars = line.chars().peekable();
        let mut fields = Vec::new();
        assert_eq!(chars.next(), Some('{'));
        loop {
            let name = string(&mut chars);
            assert_eq!(chars.next(), Some(':'));
            let value = match chars.peek() {
                Some('"') => string(&mut chars),
                _ => std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect(),
            };
            assert!(!value.is_empty(), "{line}");
            fields.push((name, value));
            match chars.next() {
                Some(',') => {}
                end => {
                    assert_eq!((end, chars.next()), (Some('}'), None), "{line}");
                    return fields;
                }
            }
        }
    }

    fn string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
        assert_eq!(chars.next(), Some('"'));
        let mut units = Vec::new();
        loop {
            match chars.next().unwrap() {
                '"' => return String::from_utf16(&units).unwrap(),
                '\\' => match chars.next().unwrap() {
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        units.push(u16::from_str_radix(&digits, 16).unwrap());
                    }
                    c @ ('"' | '\\') => units.push(c as u16),
                    c => panic!("\\{c}"),
                },
                c => {
                    assert!(!is_hidden(c));
                    units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                }
            }
        }
    }

    /// Any bytes in any field: the line is JSON, short enough, and says what the field held.
    #[test]
    fn any_value_makes_a_line_that_says_it() {
        const ALPHABET: [&str; 16] = [
            "a",
            "Z",
            "\"",
            "\\",
            "\n",
            "\0",
            "\u{7f}",
            "é",
            "…",
            "\u{202e}",
            "\u{e0041}",
            "😀",
            "hex:",
            "/",
            "\u{2028}",
            "\u{feff}",
        ];
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..1000 {
            let mut values: Vec<Vec<u8>> = Vec::new();
            for _ in 0..5 {
                let (count, is_text) = (random(700), random(2) == 0);
                let text: String = (0..count).map(|_| ALPHABET[random(16) as usize]).collect();
                let bytes = (0..count).map(|_| random(256) as u8).collect();
                values.push(if is_text { text.into_bytes() } else { bytes });
            }
            let long = "l".repeat(random(900) as usize);
            let record = Record {
                endpoint: long.clone(),
                peer: long,
                domain: values[0].clone(),
                user: values[1].clone(),
                routing_id: values[2].clone(),
                reason: values[3].clone(),
                status: Some(u32::MAX),
                duration: Some(Duration::MAX),
                lost: Some(u64::MAX),
                ..Record::new(Event::ConnectRefused)
            };
            let line = record.line(&Process { id: u32::MAX, name: values[4].clone() });
            assert!(line.len() < MAX_LINE_BYTES, "{}", line.len());
            let fields = parse(&line);
            for (name, value) in ["domain", "user", "routing_id", "reason", "process"].iter().zip(&values) {
                let said = fields.iter().find(|(field, _)| field == name).map(|(_, said)| said.as_str());
                check(value, said.unwrap_or(""));
            }
        }
    }

    /// Whether `said` is what a field that held `value` says.
    fn check(value: &[u8], said: &str) {
        let hex = || HEX.to_owned() + &value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = std::str::from_utf8(value).ok().filter(|text| !text.starts_with(HEX));
        let whole = text.map_or_else(hex, str::to_owned);
        let whole = if value.is_empty() { String::new() } else { whole };
        match said.strip_suffix(CUT) {
            Some(begin) if said != whole => assert!(whole.starts_with(begin) && begin.len() > 70),
            _ => assert_eq!(said, whole),
        }
    }

    #[test]
    fn a_text_that_just_fits_is_not_cut() {
        let line = |count: usize| {
            let user = vec![b'x'; count];
            Record { user, ..Record::new(Event::Denial) }.line(&Process::default())
        };
        assert!(line(MAX_TEXT_BYTES).contains(&format!("\"{}\"", "x".repeat(MAX_TEXT_BYTES))));
        let cut = format!("\"{}…\"", "x".repeat(MAX_TEXT_BYTES - CUT.len_utf8()));
        assert!(line(MAX_TEXT_BYTES + 1).contains(&cut));
    }
}
