//! INITIATE, client to server: the proof of the client's key, and its properties.

use super::fields::{Fields, append_padding, is_padded};
use crate::engine::Failure;
use crate::engine::mechanism::check_name;

pub const NAME: &[u8] = b"\x08INITIATE";

/// The text of the box.
pub fn encode(properties: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(properties.len() + 128);
    text.extend_from_slice(&(properties.len() as u32).to_be_bytes());
    text.extend_from_slice(properties);
    append_padding(&mut text);
    text
}

/// The box in the body of an INITIATE.
pub fn sealed(body: &[u8]) -> Result<&[u8], Failure> {
    check_name(body)?;
    body.strip_prefix(NAME).ok_or(Failure::UNEXPECTED_COMMAND)
}

/// The properties in the text of the box.
pub fn parse(text: &[u8]) -> Result<&[u8], Failure> {
    parse_fields(text).ok_or(Failure::MALFORMED_INITIATE)
}

fn parse_fields(text: &[u8]) -> Option<&[u8]> {
    let mut fields = Fields::new(text);
    let len = usize::try_from(fields.long()?).ok()?;
    let properties = fields.take(len)?;
    is_padded(text, fields.rest()).then_some(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_a_multiple_of_64_bytes() {
        for len in 0..200 {
            let properties = vec![7; len];
            let text = encode(&properties);
            assert_eq!(parse(&text), Ok(&properties[..]));
            for wrong in
                [&text[..text.len() - 1], &[&text[..], &[0]].concat(), &[&text[..], &[0; 64]].concat()]
            {
                assert_eq!(parse(wrong), Err(Failure::MALFORMED_INITIATE), "{} bytes", wrong.len());
            }
        }
    }
}
