//! HELLO, client to server: the suites, an ephemeral key, and the client's identity under the server's key.

use super::fields::Fields;
pub use super::identity::{Identity, LARGE_IDENTITY_BYTES, identity_bytes};
use super::suite::{KEY_ID_BYTES, MAX_SUITES, Suite};
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::{AeadSuite, KemPublic, KemSuite};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;

const NAME: &[u8] = b"\x05HELLO";
const MAJOR_VERSION: u8 = 1;
const MINOR_VERSION: u8 = 0;
const FULL: u8 = 0;
const RESUMING: u8 = 1;
/// Bytes of the client's random.
pub const RANDOM_BYTES: usize = 32;
/// Most bytes of a ticket.
pub const MAX_TICKET_BYTES: usize = 8192;
/// What the box is sealed with. The suites offered make no difference: a server opens it before it has to know them.
pub const BOX_AEAD: AeadSuite = AeadSuite::Aes256Gcm;

/// A HELLO whose form is valid; its box is not opened yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// What comes before the box.
    pub head: &'a [u8],
    pub kem: KemSuite,
    /// The numbers of suites, as the client prefers them. Some may be unknown, or of another KEM.
    pub suites: &'a [u8],
    pub ephemeral: &'a [u8],
    pub key_id: &'a [u8; KEY_ID_BYTES],
    pub mode: Mode<'a>,
    pub sealed: &'a [u8],
    /// The length of the cookie, and the cookie.
    pub cookie_field: &'a [u8],
}

/// How the client shows that it knows the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    /// By an encapsulation to the server's key.
    Full {
        ciphertext: &'a [u8],
    },
    Resuming {
        ticket: &'a [u8],
    },
}

/// The fields of a HELLO that a client makes.
pub struct Fresh<'a> {
    pub kem: KemSuite,
    pub suites: &'a [Suite],
    pub random: &'a [u8; RANDOM_BYTES],
    pub ephemeral: &'a KemPublic,
    pub key_id: [u8; KEY_ID_BYTES],
    pub mode: Mode<'a>,
    /// Bytes of the box.
    pub box_bytes: usize,
}

impl Fresh<'_> {
    /// The part of the body before the box.
    pub fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(NAME.len() + 64 + 2 * self.kem.public_bytes());
        head.extend_from_slice(NAME);
        let mode = match self.mode {
            Mode::Full { .. } => FULL,
            Mode::Resuming { .. } => RESUMING,
        };
        head.extend_from_slice(&[MAJOR_VERSION, MINOR_VERSION, mode, self.kem.number()]);
        head.extend_from_slice(self.random);
        let suites = self.suites.get(..MAX_SUITES).unwrap_or(self.suites);
        head.push(suites.len() as u8);
        head.extend(suites.iter().map(|suite| suite.number()));
        head.extend_from_slice(self.ephemeral.bytes());
        head.extend_from_slice(&self.key_id);
        match self.mode {
            Mode::Full { ciphertext } => head.extend_from_slice(ciphertext),
            Mode::Resuming { ticket } => {
                head.extend_from_slice(&(ticket.len() as u16).to_be_bytes());
                head.extend_from_slice(ticket);
            }
        }
        head.extend_from_slice(&(self.box_bytes as u16).to_be_bytes());
        head
    }
}

/// The random in a HELLO, or in what comes before its box.
pub fn random_of(head: &[u8]) -> [u8; RANDOM_BYTES] {
    head.get(NAME.len() + 4..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
}

/// Reads the body of a HELLO.
pub fn parse(body: &[u8]) -> Result<Hello<'_>, Failure> {
    check_name(body)?;
    if !body.starts_with(NAME) {
        return Err(Failure::UNEXPECTED_COMMAND);
    }
    parse_fields(body).ok_or(Failure::MALFORMED_HELLO)
}

fn parse_fields(body: &[u8]) -> Option<Hello<'_>> {
    let mut fields = Fields::new(body);
    fields.take(NAME.len())?;
    let [major, _minor, mode, kem] = *fields.array()?;
    if major != MAJOR_VERSION {
        return None;
    }
    let kem = KemSuite::from_number(kem)?;
    fields.array::<RANDOM_BYTES>()?;
    let count = usize::from(fields.byte()?);
    if !(1..=MAX_SUITES).contains(&count) {
        return None;
    }
    let suites = fields.take(count)?;
    let ephemeral = fields.take(kem.public_bytes())?;
    let key_id = fields.array()?;
    let mode = match mode {
        FULL => Mode::Full { ciphertext: fields.take(kem.ciphertext_bytes())? },
        RESUMING => {
            let len = fields.short().filter(|len| (1..=MAX_TICKET_BYTES).contains(len))?;
            Mode::Resuming { ticket: fields.take(len)? }
        }
        _ => return None,
    };
    let box_bytes = fields.short()?;
    let fits = match mode {
        Mode::Full { .. } => [identity_bytes(kem), LARGE_IDENTITY_BYTES]
            .map(|bytes| bytes + AEAD_TAG_BYTES)
            .contains(&box_bytes),
        Mode::Resuming { .. } => box_bytes == AEAD_TAG_BYTES,
    };
    let head = body.get(..body.len() - fields.rest().len()).filter(|_| fits)?;
    let sealed = fields.take(box_bytes)?;
    let cookie_field = fields.rest();
    let (len, cookie) = cookie_field.split_first()?;
    (usize::from(*len) == cookie.len()).then_some(Hello {
        head,
        kem,
        suites,
        ephemeral,
        key_id,
        mode,
        sealed,
        cookie_field,
    })
}
