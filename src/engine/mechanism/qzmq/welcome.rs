//! WELCOME, server to client: the suite, and encapsulations to the client's keys.

use super::fields::Fields;
use super::hello::RANDOM_BYTES;
use super::suite::Suite;
use crate::crypto::aead::AEAD_TAG_BYTES;
use crate::crypto::{KemSuite, random};
use crate::engine::Failure;

const NAME: &[u8] = b"\x07WELCOME";

/// A WELCOME whose form is valid; its box is not opened yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Welcome<'a> {
    pub head: &'a [u8],
    pub suite: Suite,
    /// Of the encapsulation to the ephemeral key.
    pub ciphertext: &'a [u8],
    pub sealed: &'a [u8],
}

/// Bytes of the box.
pub fn box_bytes(kem: KemSuite, is_full: bool) -> usize {
    if is_full { kem.ciphertext_bytes() + AEAD_TAG_BYTES } else { AEAD_TAG_BYTES }
}

/// The part of the body before the box.
pub fn head(suite: Suite, ciphertext: &[u8], box_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut salt = [0; RANDOM_BYTES];
    random::fill(&mut salt).map_err(Failure::Own)?;
    let mut head = Vec::with_capacity(NAME.len() + 64 + ciphertext.len() + box_bytes);
    head.extend_from_slice(NAME);
    head.push(suite.number());
    head.extend_from_slice(&salt);
    head.extend_from_slice(ciphertext);
    head.extend_from_slice(&(box_bytes as u16).to_be_bytes());
    Ok(head)
}

/// Reads the body of a WELCOME. `offered`: by HELLO.
pub fn parse<'a>(
    body: &'a [u8],
    kem: KemSuite,
    offered: &[Suite],
    is_full: bool,
) -> Result<Welcome<'a>, Failure> {
    if !body.starts_with(NAME) {
        return Err(Failure::UNEXPECTED_COMMAND);
    }
    parse_fields(body, kem, offered, is_full).ok_or(Failure::MALFORMED_WELCOME)
}

fn parse_fields<'a>(body: &'a [u8], kem: KemSuite, offered: &[Suite], is_full: bool) -> Option<Welcome<'a>> {
    let mut fields = Fields::new(body);
    fields.take(NAME.len())?;
    let suite = Suite::from_number(fields.byte()?).filter(|suite| offered.contains(suite))?;
    fields.array::<RANDOM_BYTES>()?;
    let ciphertext = fields.take(kem.ciphertext_bytes())?;
    let len = fields.short().filter(|len| *len == box_bytes(kem, is_full))?;
    let head = body.get(..body.len() - fields.rest().len())?;
    let sealed = fields.take(len)?;
    fields.end()?;
    Some(Welcome { head, suite, ciphertext, sealed })
}
