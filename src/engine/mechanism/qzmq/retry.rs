//! RETRY, server to client: HELLO is to come again, with a cookie, or without the ticket.

use super::fields::Fields;
use crate::engine::Failure;
use crate::engine::zmtp::frame;
use crate::message::COMMAND;

const NAME: &[u8] = b"\x05RETRY";
/// Fewest bytes of a cookie.
const MIN_COOKIE_BYTES: usize = 8;

/// The body of a RETRY that refuses a ticket.
pub const REFUSAL: &[u8] = b"\x05RETRY\x01\0";

/// What a RETRY wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Retry<'a> {
    /// The same HELLO with this in its cookie field.
    Cookie(&'a [u8]),
    /// Another one, that does not resume.
    Full,
}

/// Appends a RETRY with a cookie of at most 255 bytes.
pub fn append_cookie(out: &mut Vec<u8>, cookie: &[u8]) {
    let mut body = NAME.to_vec();
    body.extend_from_slice(&[0, cookie.len() as u8]);
    body.extend_from_slice(cookie);
    frame::append_frame(out, COMMAND, &body);
}

/// Appends a RETRY that refuses a ticket.
pub fn append_refusal(out: &mut Vec<u8>) {
    frame::append_frame(out, COMMAND, REFUSAL);
}

/// Whether this is a RETRY.
pub fn is_retry(body: &[u8]) -> bool {
    body.starts_with(NAME)
}

/// Reads the body of a RETRY. Where it refuses a ticket its cookie is checked and ignored.
pub fn parse(body: &[u8]) -> Result<Retry<'_>, Failure> {
    parse_fields(body).ok_or(Failure::UNEXPECTED_COMMAND)
}

fn parse_fields(body: &[u8]) -> Option<Retry<'_>> {
    let mut fields = Fields::new(body.strip_prefix(NAME)?);
    let refuses = fields.byte()?;
    let field = fields.rest();
    let len = usize::from(fields.byte()?);
    let has_cookie = len >= MIN_COOKIE_BYTES;
    if fields.rest().len() != len || !(has_cookie || len == 0) {
        return None;
    }
    match refuses {
        0 => has_cookie.then_some(Retry::Cookie(field)),
        1 => Some(Retry::Full),
        _ => None,
    }
}
