//! A relay that edits bytes on the way. Where it changes any of them, the side that gets it does not come to the end of the handshake.
//!
//! Two builds share the bytes: this one changes every second byte, and the one with the feature `portable` the others.

use super::retry::under_load;
use super::tickets::give;
use super::{Side, client, server, talk};
use crate::crypto::KemSuite;
use crate::engine::mechanism::qzmq::keys::{ClientKeys, ServerKeys, testing};
use std::sync::Arc;

/// What is edited.
#[derive(Clone, Copy, Debug)]
enum Conversation {
    Full,
    /// RETRY wants a cookie.
    Cookie,
    Resuming,
    /// RETRY wants a cookie of a client that resumes.
    ResumingCookie,
    /// RETRY refuses a ticket, and a full handshake follows.
    Refused,
    /// The same, behind a RETRY for a cookie.
    RefusedCookie,
}

/// The keys of a conversation, which it may be led with again and again.
struct Cast {
    conversation: Conversation,
    client: Arc<ClientKeys>,
    server: Arc<ServerKeys>,
    /// Gives the client its ticket.
    giver: Option<Arc<ServerKeys>>,
}

impl Cast {
    fn new(conversation: Conversation, kem: KemSuite) -> Cast {
        use Conversation::{Cookie, Full, Refused, RefusedCookie, Resuming, ResumingCookie};
        let (client, mut server) = testing::pair(kem);
        if matches!(conversation, Cookie | ResumingCookie | RefusedCookie) {
            server = under_load(server);
        }
        let giver = match conversation {
            Full | Cookie => None,
            Resuming | ResumingCookie => Some(Arc::clone(&server)),
            Refused | RefusedCookie => Some(testing::pair(kem).1),
        };
        Cast { conversation, client, server, giver }
    }

    fn talk(&self, edit: impl FnMut(usize, &mut Vec<u8>)) -> (Side, Side) {
        self.client.ticket.take();
        if let Some(giver) = &self.giver {
            give(&self.client, giver);
        }
        talk(&client(&self.client), &server(&self.server), edit)
    }

    /// The bytes of each flight where nothing is edited.
    fn flights(&self) -> Vec<usize> {
        let mut lengths = Vec::new();
        let (client, server) = self.talk(|_, bytes| lengths.push(bytes.len()));
        assert!(client.is_done() && server.is_done(), "{:?}", self.conversation);
        lengths
    }

    /// Whether the side that gets the flight goes through with the handshake.
    fn survives(&self, flight: usize, edit: impl Fn(&mut Vec<u8>)) -> bool {
        let (client, server) = self.talk(|number, bytes| {
            if number == flight {
                edit(bytes);
            }
        });
        let gets = if flight.is_multiple_of(2) { server } else { client };
        gets.is_done()
    }

    /// Changes the bytes that `wanted` tells of, one in each conversation.
    fn withstands(&self, wanted: impl Fn(usize, usize) -> bool) {
        for (flight, len) in self.flights().into_iter().enumerate() {
            let first = usize::from(cfg!(feature = "portable"));
            for at in (first..len).step_by(2).filter(|at| wanted(*at, len)) {
                let survives = self.survives(flight, |bytes| bytes[at] ^= 1 << (at % 8));
                assert!(!survives, "{:?}: byte {at} of flight {flight}", self.conversation);
            }
        }
    }
}

/// Some bytes of the long fields, and all of the others.
fn some(at: usize, len: usize) -> bool {
    at.is_multiple_of(97) || at < 120 || at + 40 > len
}

#[test]
fn no_edited_byte_leads_to_data() {
    Cast::new(Conversation::Full, KemSuite::XWing).withstands(|_, _| true);
}

#[test]
fn no_edited_byte_of_a_conversation_with_a_cookie_does() {
    Cast::new(Conversation::Cookie, KemSuite::XWing).withstands(|_, _| true);
    Cast::new(Conversation::ResumingCookie, KemSuite::XWing).withstands(some);
}

#[test]
fn no_edited_byte_of_one_that_resumes_does() {
    Cast::new(Conversation::Resuming, KemSuite::XWing).withstands(|_, _| true);
}

/// The ticket that is refused is part of what both sides have seen.
#[test]
fn no_edited_byte_of_a_refused_ticket_does() {
    Cast::new(Conversation::Refused, KemSuite::XWing).withstands(|_, _| true);
    Cast::new(Conversation::RefusedCookie, KemSuite::XWing).withstands(some);
}

#[test]
fn edited_bytes_of_the_other_kem_lead_to_no_data_either() {
    for conversation in
        [Conversation::Full, Conversation::Cookie, Conversation::Resuming, Conversation::Refused]
    {
        Cast::new(conversation, KemSuite::MlKem1024).withstands(some);
    }
}

#[test]
fn bytes_left_out_or_put_in_lead_to_no_data() {
    for conversation in [Conversation::Full, Conversation::ResumingCookie, Conversation::Refused] {
        let cast = Cast::new(conversation, KemSuite::XWing);
        for (flight, len) in cast.flights().into_iter().enumerate() {
            for at in (0..len).step_by(61) {
                let cut = cast.survives(flight, |bytes| {
                    bytes.remove(at);
                });
                let longer = cast.survives(flight, |bytes| bytes.insert(at, bytes[at] ^ 0x55));
                assert!(!cut && !longer, "{conversation:?}: byte {at} of flight {flight}");
            }
        }
    }
}
