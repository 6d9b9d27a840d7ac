//! READY, server to client: its properties, and a ticket.

use super::fields::{Fields, append_padding, is_padded};
use super::hello::MAX_TICKET_BYTES;
use crate::engine::Failure;

pub const NAME: &[u8] = b"\x05READY";

/// The content of a READY.
#[derive(Debug, PartialEq, Eq)]
pub struct Ready<'a> {
    pub properties: &'a [u8],
    /// Life of the ticket in seconds.
    pub life_s: u32,
    /// Empty where the server gives none.
    pub ticket: &'a [u8],
}

impl<'a> Ready<'a> {
    /// The text of the box.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.properties.len() + self.ticket.len() + 128);
        text.extend_from_slice(&(self.properties.len() as u32).to_be_bytes());
        text.extend_from_slice(self.properties);
        text.extend_from_slice(&self.life_s.to_be_bytes());
        text.extend_from_slice(&(self.ticket.len() as u16).to_be_bytes());
        text.extend_from_slice(self.ticket);
        append_padding(&mut text);
        text
    }

    /// Reads the text of the box.
    pub fn parse(text: &'a [u8]) -> Result<Ready<'a>, Failure> {
        Ready::parse_fields(text).ok_or(Failure::MALFORMED_READY)
    }

    fn parse_fields(text: &'a [u8]) -> Option<Ready<'a>> {
        let mut fields = Fields::new(text);
        let len = usize::try_from(fields.long()?).ok()?;
        let properties = fields.take(len)?;
        let life_s = fields.long()?;
        let len = fields.short().filter(|len| *len <= MAX_TICKET_BYTES)?;
        let ticket = fields.take(len)?;
        is_padded(text, fields.rest()).then_some(Ready { properties, life_s, ticket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_a_multiple_of_64_bytes() {
        for len in 0..200 {
            let ready = Ready { properties: b"some", life_s: 9, ticket: &vec![7; len] };
            let text = ready.encode();
            assert_eq!(Ready::parse(&text), Ok(ready));
            for wrong in
                [&text[..text.len() - 1], &[&text[..], &[0]].concat(), &[&text[..], &[0; 64]].concat()]
            {
                assert_eq!(Ready::parse(wrong), Err(Failure::MALFORMED_READY), "{} bytes", wrong.len());
            }
        }
    }

    #[test]
    fn a_ticket_has_a_greatest_length() {
        let longest = vec![7; MAX_TICKET_BYTES + 1];
        let text = |ticket| Ready { properties: b"", life_s: 9, ticket }.encode();
        assert!(Ready::parse(&text(&longest[1..])).is_ok());
        assert_eq!(Ready::parse(&text(&longest)), Err(Failure::MALFORMED_READY));
    }
}
