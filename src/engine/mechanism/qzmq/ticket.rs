//! Tickets, the server's side: what it seals for itself, so that a client can resume.
//!
//! Nothing of a ticket is kept. It is the name of the key that seals it, a nonce, and a box with all that the server has to know.
//! Keys are replaced as time goes on. One that no ticket in life can need is wiped when the next client comes.

use super::fields::Fields;
use super::hello::MAX_TICKET_BYTES;
use super::identity::Identity;
use super::suite::{KEY_ID_BYTES, hash_of};
use crate::crypto::aead::{AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES};
use crate::crypto::hkdf::{DerivationKey, MAX_DIGEST_BYTES};
use crate::crypto::{AeadKey, AeadSuite, KemSuite, random};
use crate::engine::Failure;
use crate::sys::lock::Lock;
use std::fmt;
use zeroize::Zeroizing;

/// Longest life of a ticket, in seconds: a day.
pub const MAX_TICKET_LIFE_S: u32 = 86_400;
/// Bytes of the name of a key.
const NAME_BYTES: usize = 8;
/// Most keys at a time: one is replaced after half a life, and its last ticket lives a whole one.
const MAX_KEYS: usize = 3;
/// What tickets are sealed with, of all suites.
const AEAD: AeadSuite = AeadSuite::Aes256Gcm;

/// A server's tickets. Any thread may use them.
pub struct Tickets {
    /// Of a ticket that a full handshake gives; none are given at 0.
    life_ms: u64,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// When the last connection came.
    now_ms: u64,
    /// The newest comes last.
    keys: Vec<SealingKey>,
}

struct SealingKey {
    name: [u8; NAME_BYTES],
    key: AeadKey,
    since_ms: u64,
}

/// What a ticket stands for.
pub struct Grant {
    pub identity: Identity,
    pub psk: DerivationKey,
    /// The end of the ticket, by the clock of [`Tickets::note_time`].
    pub ends_ms: u64,
}

/// A ticket as READY has it.
pub struct Sealed {
    pub life_s: u32,
    pub ticket: Vec<u8>,
}

impl Tickets {
    /// `life_s`: 0, and none are given or taken, to [`MAX_TICKET_LIFE_S`]; more counts as that.
    pub fn new(life_s: u32) -> Tickets {
        let life_ms = u64::from(life_s.min(MAX_TICKET_LIFE_S)) * 1000;
        Tickets { life_ms, state: Lock::default() }
    }

    /// Tells the time, and wipes keys that are too old; `now_ms` is of any clock that does not go back.
    pub fn note_time(&self, now_ms: u64) {
        let mut state = self.state.lock();
        state.now_ms = state.now_ms.max(now_ms);
        let (now_ms, most_ms) = (state.now_ms, self.life_ms.saturating_add(self.interval_ms()));
        state.keys.retain(|key| now_ms.saturating_sub(key.since_ms) < most_ms);
    }

    /// The time when these seconds are over, by the clock of [`Tickets::note_time`].
    pub fn ms_in(&self, seconds: u64) -> u64 {
        self.state.lock().now_ms.saturating_add(seconds.saturating_mul(1000))
    }

    /// A ticket for a client that has shaken hands with the key of this id. `ends_ms`: of the ticket that this handshake began with.
    /// `None` where no ticket is given. Errors: the system has no random bytes.
    pub fn seal(
        &self,
        (kem, key_id): (KemSuite, &[u8; KEY_ID_BYTES]),
        identity: &Identity,
        psk: &DerivationKey,
        ends_ms: Option<u64>,
    ) -> Result<Option<Sealed>, Failure> {
        let mut state = self.state.lock();
        let now_ms = state.now_ms;
        let ends_ms = now_ms.saturating_add(self.life_ms).min(ends_ms.unwrap_or(u64::MAX));
        // The quotient of a day at most.
        let life_s = (ends_ms.saturating_sub(now_ms) / 1000) as u32;
        if life_s == 0 {
            return Ok(None);
        }
        let SealingKey { name, key, .. } = self.newest(&mut state)?;
        let identity = identity.encode(kem);
        // All of it at once, so that no copy of the psk is left behind.
        let mut ticket = Vec::with_capacity(
            box_at() + KEY_ID_BYTES + 16 + MAX_DIGEST_BYTES + identity.len() + AEAD_TAG_BYTES,
        );
        let mut nonce = [0; AEAD_NONCE_BYTES];
        random::fill(&mut nonce).map_err(Failure::Own)?;
        ticket.extend_from_slice(name);
        ticket.extend_from_slice(&nonce);
        ticket.push(kem.number());
        ticket.extend_from_slice(key_id);
        ticket.extend_from_slice(&ends_ms.to_be_bytes());
        ticket.extend_from_slice(psk.bytes());
        ticket.extend_from_slice(&identity);
        let text = ticket.get_mut(box_at()..).unwrap_or_default();
        let tag = key.seal_in_place(&nonce, name, text).map_err(Failure::Own)?;
        ticket.extend_from_slice(&tag);
        Ok((ticket.len() <= MAX_TICKET_BYTES).then_some(Sealed { life_s, ticket }))
    }

    /// What a ticket stands for; `None` for one that is not ours, of another key or KEM, or too old.
    pub fn open(&self, kem: KemSuite, key_id: &[u8; KEY_ID_BYTES], ticket: &[u8]) -> Option<Grant> {
        let mut fields = Fields::new(ticket);
        let (name, nonce) = (fields.array::<NAME_BYTES>()?, fields.array::<AEAD_NONCE_BYTES>()?);
        let (text, tag) = fields.rest().split_last_chunk::<AEAD_TAG_BYTES>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let state = self.state.lock();
        let key = state.keys.iter().find(|key| key.name == *name)?;
        key.key.open_in_place(nonce, name, &mut text, tag).ok()?;
        let now_ms = state.now_ms;
        drop(state);
        let mut fields = Fields::new(&text);
        let fits = fields.byte()? == kem.number() && fields.array::<KEY_ID_BYTES>()? == key_id;
        let ends_ms = u64::from_be_bytes(*fields.array()?);
        if !fits || ends_ms <= now_ms {
            return None;
        }
        let psk = fields.take(hash_of(kem).digest_bytes())?;
        let psk = DerivationKey::from_bytes(hash_of(kem), psk).ok()?;
        Some(Grant { identity: Identity::parse(kem, fields.rest()).ok()?, psk, ends_ms })
    }

    /// Milliseconds after which a key is replaced.
    fn interval_ms(&self) -> u64 {
        self.life_ms / 2
    }

    /// The key that seals now, made where none is young enough.
    fn newest<'a>(&self, state: &'a mut State) -> Result<&'a SealingKey, Failure> {
        let now_ms = state.now_ms;
        let is_young = |key: &SealingKey| now_ms.saturating_sub(key.since_ms) < self.interval_ms();
        if !state.keys.last().is_some_and(is_young) {
            if state.keys.len() >= MAX_KEYS {
                state.keys.remove(0);
            }
            state.keys.push(SealingKey::generate(now_ms)?);
        }
        // The list is not empty here.
        state.keys.last().ok_or(Failure::UNSPECIFIED)
    }
}

/// Where the box of a ticket begins.
const fn box_at() -> usize {
    NAME_BYTES + AEAD_NONCE_BYTES
}

impl SealingKey {
    fn generate(since_ms: u64) -> Result<SealingKey, Failure> {
        let (mut name, mut key) = ([0; NAME_BYTES], Zeroizing::new([0; AEAD_KEY_BYTES]));
        random::fill(&mut name).map_err(Failure::Own)?;
        random::fill(&mut *key).map_err(Failure::Own)?;
        Ok(SealingKey { name, key: AeadKey::new(AEAD, &key).map_err(Failure::Own)?, since_ms })
    }
}

impl fmt::Debug for Tickets {
    /// Nothing of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} ms, ..)", self.life_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::KemSecret;

    const ID: [u8; KEY_ID_BYTES] = [7; 8];

    fn psk(kem: KemSuite) -> DerivationKey {
        DerivationKey::from_bytes(hash_of(kem), &vec![0xab; hash_of(kem).digest_bytes()]).unwrap()
    }

    fn sealed(tickets: &Tickets, ends_ms: Option<u64>) -> Option<Sealed> {
        let kem = KemSuite::XWing;
        tickets.seal((kem, &ID), &Identity::Anonymous, &psk(kem), ends_ms).unwrap()
    }

    fn opens(tickets: &Tickets, ticket: &[u8]) -> bool {
        tickets.open(KemSuite::XWing, &ID, ticket).is_some()
    }

    #[test]
    fn a_ticket_comes_back_as_it_was_for_its_key_and_kem_alone() {
        for kem in KemSuite::ALL {
            let tickets = Tickets::new(7200);
            tickets.note_time(5_000);
            let own = KemSecret::generate(kem).unwrap();
            for identity in [Identity::Anonymous, Identity::PublicKey(Box::new(own.public().clone()))] {
                let Sealed { life_s, ticket } =
                    tickets.seal((kem, &ID), &identity, &psk(kem), None).unwrap().unwrap();
                let grant = tickets.open(kem, &ID, &ticket).unwrap();
                assert_eq!((life_s, grant.ends_ms), (7200, 7_205_000));
                assert_eq!((grant.identity, grant.psk.bytes()), (identity, psk(kem).bytes()));
                assert!(tickets.open(kem, &[8; 8], &ticket).is_none(), "another key");
                let other = KemSuite::ALL.into_iter().find(|other| *other != kem).unwrap();
                assert!(tickets.open(other, &ID, &ticket).is_none(), "another KEM");
                assert!(Tickets::new(7200).open(kem, &ID, &ticket).is_none(), "another server");
            }
        }
    }

    /// An observer of the next HELLO must not learn from its length which client resumes.
    #[test]
    fn tickets_of_all_kinds_of_clients_have_one_length() {
        for kem in KemSuite::ALL {
            let own = KemSecret::generate(kem).unwrap();
            let tickets = Tickets::new(7200);
            let lengths =
                [Identity::Anonymous, Identity::PublicKey(Box::new(own.public().clone()))].map(|identity| {
                    tickets.seal((kem, &ID), &identity, &psk(kem), None).unwrap().unwrap().ticket.len()
                });
            assert_eq!(lengths[0], lengths[1]);
        }
    }

    #[test]
    fn edited_and_truncated_tickets_do_not_open() {
        let tickets = Tickets::new(60);
        let ticket = sealed(&tickets, None).unwrap().ticket;
        assert!(opens(&tickets, &ticket));
        for at in 0..ticket.len() {
            let mut edited = ticket.clone();
            edited[at] ^= 1 << (at % 8);
            assert!(!opens(&tickets, &edited) && !opens(&tickets, &ticket[..at]), "byte {at}");
        }
        assert!(!opens(&tickets, &[&ticket[..], &[0]].concat()));
    }

    #[test]
    fn a_ticket_ends_when_the_first_one_does() {
        let tickets = Tickets::new(100);
        tickets.note_time(1_000);
        let first = sealed(&tickets, None).unwrap();
        tickets.note_time(61_000);
        let second = sealed(&tickets, Some(101_000)).unwrap();
        assert_eq!((first.life_s, second.life_s), (100, 40));
        tickets.note_time(100_999);
        assert!(opens(&tickets, &first.ticket) && opens(&tickets, &second.ticket));
        assert!(sealed(&tickets, Some(101_000)).is_none(), "of less than a second");
        tickets.note_time(101_000);
        assert!(!opens(&tickets, &first.ticket) && !opens(&tickets, &second.ticket));
        assert!(sealed(&tickets, Some(100_000)).is_none(), "of one that has ended");
        tickets.note_time(5);
        assert!(!opens(&tickets, &first.ticket), "time does not go back");
    }

    #[test]
    fn keys_are_replaced_and_wiped() {
        let tickets = Tickets::new(100);
        let keys = || tickets.state.lock().keys.iter().map(|key| key.name).collect::<Vec<_>>();
        let mut seen = Vec::new();
        for round in 0..20 {
            tickets.note_time(round * 50_000);
            sealed(&tickets, None).unwrap();
            let newest = *keys().last().unwrap();
            assert!(!seen.contains(&newest), "a key for each half life");
            assert!(keys().len() <= MAX_KEYS);
            seen.push(newest);
            tickets.note_time(round * 50_000 + 49_999);
            sealed(&tickets, None).unwrap();
            assert_eq!(keys().last(), Some(&newest));
        }
        let last = sealed(&tickets, None).unwrap().ticket;
        tickets.note_time(999_999 + 99_999);
        assert!(opens(&tickets, &last), "the key outlives its last ticket");
        tickets.note_time(950_000 + 150_000);
        assert!(keys().is_empty(), "without a ticket in life there is no key");
    }

    #[test]
    fn a_life_has_bounds() {
        assert!(sealed(&Tickets::new(0), None).is_none());
        assert_eq!(sealed(&Tickets::new(1), None).unwrap().life_s, 1);
        assert_eq!(sealed(&Tickets::new(u32::MAX), None).unwrap().life_s, MAX_TICKET_LIFE_S);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let tickets = Tickets::new(100);
        sealed(&tickets, None).unwrap();
        assert_eq!(format!("{tickets:?}"), "Tickets(100000 ms, ..)");
    }
}
