//! RETRY, server to client: HELLO is to come again, with a cookie.

use super::fields::Fields;
use crate::engine::Failure;
use crate::engine::zmtp::frame;
use crate::message::COMMAND;

const NAME: &[u8] = b"\x05RETRY";
/// Fewest bytes of a cookie.
const MIN_COOKIE_BYTES: usize = 8;

/// Appends a RETRY with a cookie of at most 255 bytes.
pub fn append(out: &mut Vec<u8>, cookie: &[u8]) {
    let mut body = NAME.to_vec();
    body.extend_from_slice(&[0, cookie.len() as u8]);
    body.extend_from_slice(cookie);
    frame::append_frame(out, COMMAND, &body);
}

/// Whether this is a RETRY.
pub fn is_retry(body: &[u8]) -> bool {
    body.starts_with(NAME)
}

/// The cookie field for the next HELLO. Fails for a RETRY that has no cookie, or refuses a ticket: no HELLO of ours has one.
pub fn cookie_field(body: &[u8]) -> Result<&[u8], Failure> {
    parse(body).ok_or(Failure::UNEXPECTED_COMMAND)
}

fn parse(body: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields::new(body.strip_prefix(NAME)?);
    if fields.byte()? != 0 {
        return None;
    }
    let field = fields.rest();
    let len = usize::from(fields.byte()?);
    (len >= MIN_COOKIE_BYTES && fields.rest().len() == len).then_some(field)
}
