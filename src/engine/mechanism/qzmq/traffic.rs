//! The keys of a connection's records, and how they are replaced.
//!
//! | State | on | answer | next |
//! |---|---|---|---|
//! | `Idle` | a limit | KEY_UPDATE | `AwaitAck` |
//! | `Idle` | KEY_UPDATE | KEY_UPDATE_ACK, then the new key | `AwaitDone` |
//! | `AwaitAck`, client | KEY_UPDATE | none: the client's counts | `AwaitAck` |
//! | `AwaitAck`, server | KEY_UPDATE | as `Idle`: its own is forgotten | `AwaitDone` |
//! | `AwaitAck` | KEY_UPDATE_ACK | KEY_UPDATE_DONE, then the new key | `Idle` |
//! | `AwaitDone` | KEY_UPDATE_DONE | none | `Idle` |
//!
//! Any other record of these types ends the connection.

use super::derivation::box_key;
use super::encapsulation::encapsulate;
use super::logged::LoggedSecrets;
use super::record::{Kind, RecordKey};
use super::suite::hash_of;
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{AeadSuite, KemPublic, KemSecret, KemSuite};
use crate::engine::Failure;
use std::fmt;

/// A side begins an update no sooner than this after it began the last.
const MIN_UPDATE_INTERVAL_MS: u64 = 250;
/// Updates of a peer that may come faster.
const MAX_UPDATE_BURST: u64 = 16;

/// The side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// When a side replaces the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records sealed with one key.
    pub records: u64,
    /// Bytes sealed with one key.
    pub bytes: u64,
    /// Milliseconds for which a key is used.
    pub age_ms: u64,
    /// Texts are padded to a multiple of this number of bytes; 0 and 1 pad nothing.
    pub padding_bytes: usize,
    /// Milliseconds between two updates that a side begins.
    pub interval_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            records: 1 << 23,
            bytes: 1 << 50,
            age_ms: 600_000,
            padding_bytes: 0,
            interval_ms: MIN_UPDATE_INTERVAL_MS,
        }
    }
}

/// The sending direction of a connection, and what both need to replace their keys.
pub struct Traffic {
    role: Role,
    aead: AeadSuite,
    kem: KemSuite,
    /// What the next keys are made of.
    update: DerivationKey,
    sealing: RecordKey,
    /// Taken once by the receiving direction.
    opening: Option<RecordKey>,
    state: State,
    limits: Limits,
    /// Bytes sealed with the key so far.
    sealed_bytes: u64,
    /// When the key was first used; `None` before.
    since_ms: Option<u64>,
    begun_ms: Option<u64>,
    /// Times that the keys were replaced.
    updates: u64,
    /// When the peer's updates are forgotten, all of them.
    forgotten_ms: u64,
    logged: Option<LoggedSecrets>,
}

impl fmt::Debug for Traffic {
    /// Nothing of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traffic({:?}, ..)", self.role)
    }
}

enum State {
    Idle,
    AwaitAck(Box<KemSecret>),
    /// The key that the peer's records have behind KEY_UPDATE_DONE.
    AwaitDone(RecordKey),
}

impl Traffic {
    /// `secrets`: the client's and the server's.
    pub fn new(
        role: Role,
        aead: AeadSuite,
        kem: KemSuite,
        secrets: [DerivationKey; 2],
        update: DerivationKey,
    ) -> Result<Traffic, Failure> {
        let (sealing, opening) = record_keys(role, aead, &secrets)?;
        Ok(Traffic {
            role,
            aead,
            kem,
            update,
            sealing,
            opening: Some(opening),
            state: State::Idle,
            limits: Limits::default(),
            sealed_bytes: 0,
            since_ms: None,
            begun_ms: None,
            updates: 0,
            forgotten_ms: 0,
            logged: None,
        })
    }

    /// Replaces keys by these limits from now on.
    pub fn with_limits(self, limits: Limits) -> Traffic {
        Traffic { limits, ..self }
    }

    /// Writes the secrets of each key update for a dissector.
    pub fn logged(self, logged: Option<LoggedSecrets>) -> Traffic {
        Traffic { logged, ..self }
    }

    /// The key of the receiving direction; `None` once it was taken.
    pub fn take_opening(&mut self) -> Option<RecordKey> {
        self.opening.take()
    }

    /// Whether records are padded.
    pub fn pads(&self) -> bool {
        self.limits.padding_bytes > 1
    }

    /// Goes on as if the key had sealed that number of records.
    #[cfg(test)]
    pub fn count_to(&mut self, records: u64) {
        self.sealing.count_to(records);
    }

    /// Times that the keys were replaced.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Seals what lies in `out` from `at` on as a record of data. Where that fails the record is taken off `out`.
    pub fn seal_data(&mut self, out: &mut Vec<u8>, at: usize) -> Result<(), Failure> {
        self.seal(out, at, Kind::Data)
    }

    /// Begins an update if one is due: appends KEY_UPDATE. To be called before data is sealed.
    pub fn update_if_due(&mut self, now_ms: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
        let since_ms = *self.since_ms.get_or_insert(now_ms);
        let is_due = self.sealing.counter() >= self.limits.records
            || self.sealed_bytes >= self.limits.bytes
            || now_ms.saturating_sub(since_ms) >= self.limits.age_ms;
        let may = self.begun_ms.is_none_or(|begun| now_ms.saturating_sub(begun) >= self.limits.interval_ms);
        if !(is_due && may && matches!(self.state, State::Idle)) {
            return Ok(());
        }
        let ephemeral = KemSecret::generate(self.kem).map_err(Failure::Own)?;
        self.append(out, Kind::KeyUpdate, ephemeral.public().bytes())?;
        self.begun_ms = Some(now_ms);
        self.state = State::AwaitAck(Box::new(ephemeral));
        Ok(())
    }

    /// Takes a record of the peer about keys, and appends the answer. Returns the key of the peer's records from the next on, where
    /// it changes.
    pub fn take(
        &mut self,
        kind: Kind,
        content: &[u8],
        now_ms: u64,
        out: &mut Vec<u8>,
    ) -> Result<Option<RecordKey>, Failure> {
        match (kind, std::mem::replace(&mut self.state, State::Idle)) {
            (Kind::KeyUpdate, State::AwaitAck(ephemeral)) if self.role == Role::Client => {
                if content.len() != self.kem.public_bytes() {
                    return Err(Failure::MALFORMED_MESSAGE);
                }
                self.count_update(now_ms)?;
                self.state = State::AwaitAck(ephemeral);
                Ok(None)
            }
            (Kind::KeyUpdate, State::Idle | State::AwaitAck(_)) => {
                self.count_update(now_ms)?;
                self.answer(content, out).map(|()| None)
            }
            (Kind::KeyUpdateAck, State::AwaitAck(ephemeral)) => {
                self.finish(&ephemeral, content, out).map(Some)
            }
            (Kind::KeyUpdateDone, State::AwaitDone(opening)) if content.is_empty() => Ok(Some(opening)),
            _ => Err(Failure::UNEXPECTED_COMMAND),
        }
    }

    /// Counts an update of the peer; they fade with time.
    fn count_update(&mut self, now_ms: u64) -> Result<(), Failure> {
        let interval_ms = self.limits.interval_ms;
        self.forgotten_ms = self.forgotten_ms.max(now_ms).saturating_add(interval_ms);
        if self.forgotten_ms - now_ms > interval_ms.saturating_mul(MAX_UPDATE_BURST) {
            Err(Failure::UNSPECIFIED)
        } else {
            Ok(())
        }
    }

    fn answer(&mut self, public: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let public = KemPublic::parse(self.kem, public).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        let (ciphertext, secret) = encapsulate(&public)?;
        self.append(out, Kind::KeyUpdateAck, ciphertext.bytes())?;
        let opening = self.replace(public.bytes(), ciphertext.bytes(), secret.as_bytes())?;
        self.state = State::AwaitDone(opening);
        Ok(())
    }

    fn finish(
        &mut self,
        ephemeral: &KemSecret,
        ciphertext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<RecordKey, Failure> {
        let secret = ephemeral.decapsulate(ciphertext).map_err(|_| Failure::CRYPTOGRAPHIC)?;
        self.append(out, Kind::KeyUpdateDone, &[])?;
        self.replace(ephemeral.public().bytes(), ciphertext, secret.as_bytes())
    }

    /// Derives the next keys. This side sends with its own at once; the peer's is returned.
    fn replace(&mut self, public: &[u8], ciphertext: &[u8], secret: &[u8; 32]) -> Result<RecordKey, Failure> {
        let hash = hash_of(self.kem);
        let exchange = hash.digest(&[public, ciphertext]);
        let derive =
            |from: &DerivationKey, label: &[u8]| from.derive(label, exchange.bytes()).map_err(Failure::Own);
        let salt = derive(&self.update, b"derived")?;
        self.update = DerivationKey::extract(hash, salt.bytes(), secret);
        let secrets = [derive(&self.update, b"client data")?, derive(&self.update, b"server data")?];
        if let Some(logged) = &self.logged {
            logged.write(secrets.each_ref(), &self.update);
        }
        let (sealing, opening) = record_keys(self.role, self.aead, &secrets)?;
        self.sealing = sealing;
        self.updates += 1;
        (self.sealed_bytes, self.since_ms) = (0, None);
        Ok(opening)
    }

    fn append(&mut self, out: &mut Vec<u8>, kind: Kind, content: &[u8]) -> Result<(), Failure> {
        let at = RecordKey::begin(out);
        out.extend_from_slice(content);
        self.seal(out, at, kind)
    }

    fn seal(&mut self, out: &mut Vec<u8>, at: usize, kind: Kind) -> Result<(), Failure> {
        self.sealed_bytes = self.sealed_bytes.saturating_add((out.len() - at) as u64);
        self.sealing.seal(out, at, kind, self.limits.padding_bytes)
    }
}

/// The keys with which this side seals and opens. `secrets`: the client's and the server's.
fn record_keys(
    role: Role,
    aead: AeadSuite,
    [client, server]: &[DerivationKey; 2],
) -> Result<(RecordKey, RecordKey), Failure> {
    let key = |secret: &DerivationKey| {
        box_key(secret, aead, (b"key", b"iv"), &[]).map(|(key, iv)| RecordKey::new(key, iv))
    };
    let (client, server) = (key(client)?, key(server)?);
    Ok(match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    })
}

#[cfg(test)]
pub mod testing {
    #![allow(clippy::unwrap_used)]
    pub use super::Limits;
    use super::*;

    /// A client's and a server's, at the end of a handshake.
    pub fn traffics(limits: Limits) -> [Traffic; 2] {
        let kem = KemSuite::XWing;
        let secret = |byte| DerivationKey::from_bytes(hash_of(kem), &[byte; 32]).unwrap();
        [Role::Client, Role::Server].map(|role| {
            let traffic = Traffic::new(role, AeadSuite::Aes256Gcm, kem, [secret(1), secret(2)], secret(3));
            traffic.unwrap().with_limits(limits)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::record::{HEAD_BYTES, MAX_RECORDS};
    use super::testing::traffics;
    use super::*;

    /// The records in `wire`, opened with `key`.
    fn opened(key: &mut RecordKey, wire: &[u8]) -> Vec<(Kind, Vec<u8>)> {
        let (mut wire, mut all) = (wire.to_vec(), Vec::new());
        while !wire.is_empty() {
            let len = HEAD_BYTES + usize::from(u16::from_be_bytes([wire[0], wire[1]]));
            let (kind, content) = key.open(&mut wire[HEAD_BYTES..len]).unwrap();
            all.push((kind, wire[HEAD_BYTES..HEAD_BYTES + content].to_vec()));
            wire.drain(..len);
        }
        all
    }

    fn eager() -> Limits {
        Limits { records: 0, ..Limits::default() }
    }

    #[test]
    fn two_updates_at_once_are_the_clients() {
        let [mut client, mut server] = traffics(eager());
        let (mut of_client, mut of_server) = (server.take_opening().unwrap(), client.take_opening().unwrap());
        let (mut up, mut down) = (Vec::new(), Vec::new());
        client.update_if_due(0, &mut up).unwrap();
        server.update_if_due(0, &mut down).unwrap();
        let [(kind, from_server)] = &opened(&mut of_server, &down)[..] else { panic!("one") };
        assert!(client.take(*kind, from_server, 0, &mut Vec::new()).unwrap().is_none(), "ignored");
        let [(kind, from_client)] = &opened(&mut of_client, &up)[..] else { panic!("one") };
        (up, down) = (Vec::new(), Vec::new());
        assert!(server.take(*kind, from_client, 0, &mut down).unwrap().is_none());
        let [(kind, ack)] = &opened(&mut of_server, &down)[..] else { panic!("one") };
        of_server = client.take(*kind, ack, 0, &mut up).unwrap().expect("the server's next key");
        let [(kind, done)] = &opened(&mut of_client, &up)[..] else { panic!("one") };
        of_client = server.take(*kind, done, 0, &mut Vec::new()).unwrap().expect("the client's next key");
        for (traffic, key) in [(&mut client, &mut of_client), (&mut server, &mut of_server)] {
            let mut wire = Vec::new();
            let at = RecordKey::begin(&mut wire);
            wire.extend_from_slice(b"new");
            traffic.seal_data(&mut wire, at).unwrap();
            assert_eq!(opened(key, &wire), [(Kind::Data, b"new".to_vec())]);
            assert_eq!(traffic.updates(), 1);
        }
    }

    #[test]
    fn records_that_are_not_due_end_the_connection() {
        for kind in [Kind::KeyUpdateAck, Kind::KeyUpdateDone] {
            let [mut client, _] = traffics(Limits::default());
            assert!(client.take(kind, &[0; 1120], 0, &mut Vec::new()).is_err(), "{kind:?}");
        }
        let public = KemSecret::generate(KemSuite::XWing).unwrap();
        let public = public.public().bytes();
        let [mut client, _] = traffics(Limits::default());
        client.take(Kind::KeyUpdate, public, 0, &mut Vec::new()).unwrap();
        assert!(client.take(Kind::KeyUpdate, public, 0, &mut Vec::new()).is_err(), "before DONE");
        let [mut client, _] = traffics(Limits::default());
        client.take(Kind::KeyUpdate, public, 0, &mut Vec::new()).unwrap();
        assert!(client.take(Kind::KeyUpdateDone, b"x", 0, &mut Vec::new()).is_err(), "with a content");
        for bad in [&public[..1215], &[public, &[0]].concat(), &[0xff; 1216], b""] {
            let [mut client, _] = traffics(Limits::default());
            assert!(client.take(Kind::KeyUpdate, bad, 0, &mut Vec::new()).is_err(), "no key");
        }
        let [mut client, _] = traffics(eager());
        client.update_if_due(0, &mut Vec::new()).unwrap();
        assert!(client.take(Kind::KeyUpdateAck, &[0; 1119], 0, &mut Vec::new()).is_err(), "no ciphertext");
    }

    #[test]
    fn a_point_of_small_order_is_the_peers_fault() {
        let [mut client, _] = traffics(Limits::default());
        let public = super::super::encapsulation::testing::small_order();
        let outcome = client.take(Kind::KeyUpdate, public.bytes(), 0, &mut Vec::new());
        assert_eq!(outcome.err(), Some(Failure::CRYPTOGRAPHIC));
    }

    #[test]
    fn a_flood_of_updates_is_cut_off() {
        let public = KemSecret::generate(KemSuite::XWing).unwrap();
        let update = |traffic: &mut Traffic, now_ms| {
            traffic.take(Kind::KeyUpdate, public.public().bytes(), now_ms, &mut Vec::new()).is_ok()
                && traffic.take(Kind::KeyUpdateDone, &[], now_ms, &mut Vec::new()).is_ok()
        };
        let [mut client, _] = traffics(Limits::default());
        let taken = (0..100).take_while(|_| update(&mut client, 5)).count();
        assert_eq!(taken as u64, MAX_UPDATE_BURST);
        let [mut client, _] = traffics(Limits::default());
        assert!((0..100).all(|round| update(&mut client, round * MIN_UPDATE_INTERVAL_MS)), "no flood");
    }

    #[test]
    fn an_update_is_due_by_records_bytes_and_age() {
        let due = |limits: Limits, now_ms: u64| {
            let [mut client, _] = traffics(limits);
            let mut wire = Vec::new();
            client.update_if_due(1000, &mut wire).unwrap();
            let before = wire.len();
            let at = RecordKey::begin(&mut wire);
            wire.extend_from_slice(&[7; 100]);
            client.seal_data(&mut wire, at).unwrap();
            let sealed = wire.len();
            client.update_if_due(1000 + now_ms, &mut wire).unwrap();
            (before > 0, wire.len() > sealed)
        };
        let never = Limits { records: u64::MAX, bytes: u64::MAX, age_ms: u64::MAX, ..Limits::default() };
        assert_eq!(due(never, 1_000_000), (false, false));
        assert_eq!(due(Limits { records: 1, ..never }, 0), (false, true));
        assert_eq!(due(Limits { records: 2, ..never }, 0), (false, false));
        assert_eq!(due(Limits { bytes: 100, ..never }, 0), (false, true));
        assert_eq!(due(Limits { bytes: 1000, ..never }, 0), (false, false));
        assert_eq!(due(Limits { age_ms: 600, ..never }, 600), (false, true));
        assert_eq!(due(Limits { age_ms: 600, ..never }, 599), (false, false));
    }

    #[test]
    fn no_key_seals_more_than_it_may() {
        let [mut client, _] = traffics(Limits { records: u64::MAX, ..Limits::default() });
        client.sealing.count_to(MAX_RECORDS - 3);
        let mut seal = || {
            let mut wire = b"before".to_vec();
            let at = RecordKey::begin(&mut wire);
            wire.push(7);
            (client.seal_data(&mut wire, at), wire)
        };
        assert_eq!(seal().0, Ok(()));
        assert_eq!(seal(), (Err(Failure::SILENT), b"before".to_vec()), "no content is left behind");
    }
}
