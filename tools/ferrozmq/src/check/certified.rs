//! Certificates of QZMQ: whether what a side shows is good today, and whether the other side accepts it.
//!
//! | a certificate is shown | it is held against |
//! |---|---|
//! | always | the clock; the authorities and the revoked keys of the side's own file, where that names the authority |
//! | with `--with` | the authorities, the revoked keys and the server's name in the other side's file |

use super::Report;
use crate::cert::{date, now_s};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zmq::crypto::certificate::Refusal;
use zmq::crypto::{Certificate, Roles, Trust, fingerprint};
use zmq::options::Mechanism;
use zmq::security::authorities::Named;
use zmq::security::certificate::Certificate as Keys;
use zmq::security::file::{Place, Settings};
use zmq::security::keys::Public;

/// Days before the end of a certificate from which on the end is told.
const DAYS_OF_NOTICE: u64 = 14;
const DAY_S: u64 = 24 * 60 * 60;

/// What some settings of a file say about certificates, and about keys that are shown without one.
#[derive(Default)]
pub struct Certified {
    shown: Vec<Shown>,
    /// This side's keys that the other side may look at without a certificate, those of CURVE beside QZMQ as well.
    bare: Vec<Bare>,
    /// Clients of QZMQ are served.
    serves: bool,
    /// The servers' keys that a client knows, as in lists of what is revoked.
    known: Vec<[u8; 32]>,
    trust: Trust,
    /// The name by which a client knows its server.
    expected: Option<String>,
}

struct Shown {
    file: PathBuf,
    role: Roles,
    certificate: Certificate,
}

struct Bare {
    file: PathBuf,
    role: Roles,
    key: [u8; 32],
}

impl Certified {
    /// A key that cannot be read is left out: that has been told.
    pub fn new(settings: &Settings, named: Named) -> Certified {
        let Settings { server_key, client_key, server_public, migration, .. } = settings;
        let secret = |place: &Place| Keys::read_secret(&place.path).ok();
        let bare = |role, place: &Place| {
            let key = secret(place)?.public.credential();
            Some(Bare { file: place.path.clone(), role, key })
        };
        let of_server = server_key.iter().chain(&migration.server_key).map(|place| (Roles::Server, place));
        let of_client = client_key.iter().chain(&migration.client_key).map(|place| (Roles::Client, place));
        let shown: Vec<_> = named
            .shown
            .into_iter()
            .map(|(file, role, certificate)| Shown { file, role, certificate })
            .collect();
        let is_certified = |key| shown.iter().any(|shown| shown.role == Roles::Client && shown.key() == key);
        // A server's certificate is shown to those that ask. Other clients know its key.
        let is_bare = |bare: &Bare| bare.role == Roles::Server || !is_certified(bare.key);
        let is_of_qzmq =
            |place: &Place| secret(place).is_some_and(|keys| matches!(keys.public, Public::Qzmq(_)));
        let known = server_public.iter().chain(&migration.server_public);
        let known = known.filter_map(|place| Keys::read_public(&place.path).ok());
        Certified {
            bare: of_server
                .chain(of_client)
                .filter_map(|(role, place)| bare(role, place))
                .filter(is_bare)
                .collect(),
            serves: settings.mechanism == Mechanism::Curve && server_key.first().is_some_and(is_of_qzmq),
            known: known.map(|keys| keys.public.credential()).collect(),
            trust: named.trust,
            expected: settings.server_name.clone().filter(|_| settings.server_public.is_none()),
            shown,
        }
    }

    /// Whether a client by these settings knows its server by a name alone.
    pub fn knows_by_name(&self) -> bool {
        self.expected.is_some()
    }

    /// Tells what is wrong with the certificates that this side shows, as far as its own file and the clock say. `is_alone`: the other
    /// side's file, by which more could be said, was not given.
    pub fn look_at_own(&self, is_alone: bool, report: &mut Report) {
        let now_s = now_s();
        for shown in &self.shown {
            let (file, claims) = (shown.file.display(), &shown.certificate.claims);
            match self.trust.check(&shown.certificate, shown.role, now_s) {
                Err(Refusal::UnknownAuthority) if shown.is_in_time(now_s) => {
                    if is_alone {
                        report.warn(format!(
                            "{file}: its authority is not among those of this file, so its signature is not looked \
                             at: check with the other side's file (--with)"
                        ));
                    }
                }
                Err(Refusal::UnknownAuthority) => {
                    let refusal =
                        if now_s < claims.not_before_s { Refusal::NotYetValid } else { Refusal::Expired };
                    report.add(shown.says(refusal));
                }
                // That has been told with the keys.
                Err(Refusal::OtherRole) => {}
                Err(refusal) => report.add(shown.says(refusal)),
                Ok(()) => {}
            }
            if shown.is_in_time(now_s) && claims.not_after_s.saturating_sub(now_s) < DAYS_OF_NOTICE * DAY_S {
                let end = date(claims.not_after_s);
                report.warn(format!("{file}: it is good until {end} alone: have the key signed anew"));
            }
        }
    }

    /// Why these settings of the other side refuse a certificate.
    fn refusal(&self, shown: &Shown, now_s: u64) -> Option<Refusal> {
        if let Err(refusal) = self.trust.check(&shown.certificate, shown.role, now_s) {
            return Some(refusal);
        }
        let is_other = |name: &String| shown.role == Roles::Server && *name != shown.certificate.claims.name;
        self.expected.as_ref().filter(|name| is_other(name)).map(|_| Refusal::OtherName)
    }

    /// Whether the other side's certificate in this role decides. A server without authorities refuses all.
    fn looks_at(&self, role: Roles) -> bool {
        if role == Roles::Client { self.serves } else { self.expected.is_some() }
    }

    /// Whether the other side's key decides, which it shows without a certificate.
    fn looks_at_key(&self, bare: &Bare) -> bool {
        if bare.role == Roles::Client { self.serves } else { self.known.contains(&bare.key) }
    }
}

impl Shown {
    fn key(&self) -> [u8; 32] {
        self.certificate.claims.public.fingerprint()
    }

    fn is_in_time(&self, now_s: u64) -> bool {
        let claims = &self.certificate.claims;
        (claims.not_before_s..claims.not_after_s).contains(&now_s)
    }

    fn says(&self, refusal: Refusal) -> String {
        let claims = &self.certificate.claims;
        let (what, what_to_do) = match refusal {
            Refusal::UnknownAuthority => {
                ("its authority is not trusted".to_owned(), "name the authority's file in \"authorities\"")
            }
            Refusal::BadSignature => {
                ("its signature is not the authority's".to_owned(), "have the authority sign the key")
            }
            Refusal::NotYetValid => {
                (format!("it is good from {} on", date(claims.not_before_s)), "look at this machine's clock")
            }
            Refusal::Expired => {
                (format!("it was good until {}", date(claims.not_after_s)), "have the key signed anew")
            }
            Refusal::OtherRole => ("it is for the other role".to_owned(), "sign the key with --role"),
            Refusal::Revoked => {
                ("its key or its authority is revoked".to_owned(), "make a new key, and have it signed")
            }
            Refusal::OtherName => (
                format!("it is for the name {:?}", claims.name),
                "write that as the clients' \"server_name\"",
            ),
            Refusal::NoCertificate => ("it is none".to_owned(), "have the authority sign the key"),
        };
        format!("{}: {what}: {what_to_do}", self.file.display())
    }
}

/// The fingerprints of a client's keys for which it shows a certificate.
pub fn certified_keys(client: &[Certified]) -> BTreeSet<String> {
    let shown = client.iter().flat_map(|certified| &certified.shown);
    shown.filter(|shown| shown.role == Roles::Client).map(|shown| fingerprint(&shown.key())).collect()
}

/// What the other side refuses of the certificates and keys that the one shows. One of the other side's rules that accepts is enough.
pub fn refused(
    (file, side): (&Path, &[Certified]),
    (other_file, other): (&Path, &[Certified]),
) -> Vec<String> {
    let now_s = now_s();
    let mut problems = Vec::new();
    for shown in side.iter().flat_map(|certified| &certified.shown) {
        let verdicts = other.iter().filter(|certified| certified.looks_at(shown.role));
        let verdicts: Vec<_> = verdicts.map(|certified| certified.refusal(shown, now_s)).collect();
        if let Some(refusal) = verdicts.iter().min_by_key(|refusal| refusal.is_some()).copied().flatten() {
            let (file, other_file) = (file.display(), other_file.display());
            problems.push(format!("{file} shows what {other_file} refuses: {}", shown.says(refusal)));
        }
    }
    for bare in side.iter().flat_map(|certified| &certified.bare) {
        let mut deciding = other.iter().filter(|certified| certified.looks_at_key(bare)).peekable();
        if deciding.peek().is_some() && deciding.all(|certified| certified.trust.is_revoked(&bare.key)) {
            let (file, key, other_file) = (file.display(), bare.file.display(), other_file.display());
            problems.push(format!("{file} has the key {key}, which {other_file} revokes: make a new key"));
        }
    }
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::files::Files;
    use super::super::other_side::differences;
    use super::*;
    use std::collections::BTreeMap;
    use zmq::crypto::{Claims, DsaSecret, DsaSuite, KemSecret, KemSuite};

    struct Place {
        authority: DsaSecret,
        key: KemSecret,
    }

    impl Place {
        fn new() -> Place {
            let authority = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
            Place { authority, key: KemSecret::generate(KemSuite::XWing).unwrap() }
        }

        /// Good for days from and to now, for a server.
        fn sign(&self, from: i64, to: i64) -> Certificate {
            let second = |days: i64| now_s().saturating_add_signed(days * DAY_S as i64);
            let claims = Claims {
                name: "orders".to_owned(),
                public: self.key.public().clone(),
                roles: Roles::Server,
                not_before_s: second(from),
                not_after_s: second(to),
            };
            Certificate::sign(&self.authority, claims).unwrap()
        }

        /// What a client has that knows its server by a name.
        fn client(&self) -> Certified {
            let claims = Claims { roles: Roles::Client, ..self.sign(-1, 90).claims };
            let certificate = Certificate::sign(&self.authority, claims).unwrap();
            let shown = vec![Shown { file: "c".into(), role: Roles::Client, certificate }];
            Certified { shown, expected: Some("orders".to_owned()), ..Certified::default() }
        }

        fn trust(&self) -> Trust {
            let mut trust = Trust::default();
            trust.add(self.authority.public().clone()).unwrap();
            trust
        }
    }

    fn side(shown: Option<Certificate>, trust: Trust, expected: Option<&str>) -> Certified {
        let shown = shown.map(|certificate| Shown { file: "c".into(), role: Roles::Server, certificate });
        let expected = expected.map(str::to_owned);
        Certified { shown: shown.into_iter().collect(), trust, expected, ..Certified::default() }
    }

    /// The same with another signature.
    fn forged(certificate: &Certificate) -> Certificate {
        let mut bytes = certificate.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Certificate::parse(&bytes).unwrap()
    }

    #[test]
    fn what_is_wrong_with_ones_own_is_told() {
        let place = Place::new();
        let report_of = |certificate, trust| {
            let mut report = Report::default();
            side(Some(certificate), trust, None).look_at_own(true, &mut report);
            (report.problems.concat(), report.warnings.concat())
        };
        assert_eq!(report_of(place.sign(-1, 90), place.trust()), Default::default());
        let mut revoked = place.trust();
        revoked.revoke(place.key.public().fingerprint());
        for (certificate, trust, problem) in [
            (place.sign(-9, -1), place.trust(), "c: it was good until"),
            (place.sign(-9, -1), Trust::default(), "c: it was good until"),
            (place.sign(1, 90), place.trust(), "c: it is good from"),
            (place.sign(1, 90), Place::new().trust(), "c: it is good from"),
            (place.sign(-1, 90), revoked, "c: its key or its authority is revoked"),
            (forged(&place.sign(-1, 90)), place.trust(), "c: its signature is not the authority's"),
        ] {
            let (problems, _) = report_of(certificate, trust);
            assert!(problems.starts_with(problem), "{problem}: {problems}");
        }
        let (problems, warnings) = report_of(place.sign(-1, 90), Trust::default());
        assert!(problems.is_empty() && warnings.contains("its authority is not among"), "{warnings}");
        let mut report = Report::default();
        side(Some(place.sign(-1, 90)), Trust::default(), None).look_at_own(false, &mut report);
        assert!(report.warnings.is_empty(), "the other side's file is looked at: {:?}", report.warnings);
        let (problems, warnings) = report_of(place.sign(-1, 2), place.trust());
        assert!(problems.is_empty() && warnings.contains("have the key signed anew"), "{warnings}");
    }

    #[test]
    fn what_the_other_side_refuses_is_told() {
        let place = Place::new();
        let refused_by = |certificate: Certificate, clients: &[Certified]| {
            let server = [side(Some(certificate), Trust::default(), None)];
            refused((Path::new("s.toml"), &server), (Path::new("c.toml"), clients)).concat()
        };
        let good = || place.sign(-1, 90);
        let client = |trust, name| side(None, trust, Some(name));
        assert_eq!(refused_by(good(), &[client(place.trust(), "orders")]), "");
        assert_eq!(refused_by(good(), &[side(None, place.trust(), None)]), "", "a client that knows the key");
        for (certificate, client, words) in [
            (good(), client(Place::new().trust(), "orders"), "its authority is not trusted"),
            (good(), client(place.trust(), "trades"), "it is for the name \"orders\""),
            (place.sign(-9, -1), client(place.trust(), "orders"), "it was good until"),
            (forged(&good()), client(place.trust(), "orders"), "its signature is not the authority's"),
        ] {
            let told = refused_by(certificate, &[client]);
            assert!(
                told.starts_with("s.toml shows what c.toml refuses: c: ") && told.contains(words),
                "{told}"
            );
        }
        let either = [client(place.trust(), "trades"), client(place.trust(), "orders")];
        assert_eq!(refused_by(good(), &either), "", "one rule accepts it");
    }

    #[test]
    fn a_client_with_a_certificate_is_refused_by_a_server_without_authorities() {
        let place = Place::new();
        let client = [place.client()];
        let refused_by = |server: Certified| {
            refused((Path::new("c.toml"), &client), (Path::new("s.toml"), &[server])).concat()
        };
        let told = refused_by(Certified { serves: true, ..Certified::default() });
        assert!(told.contains("its authority is not trusted"), "{told}");
        assert_eq!(refused_by(Certified { serves: true, ..side(None, place.trust(), None) }), "");
        assert_eq!(refused_by(Certified::default()), "", "it serves no clients");
    }

    #[test]
    fn keys_without_a_certificate_that_the_other_side_revokes_are_told() {
        let mut trust = Trust::default();
        trust.revoke([7; 32]);
        let revokes = |trust: &Trust| Certified { trust: trust.clone(), ..Certified::default() };
        for (role, other) in [
            (Roles::Client, Certified { serves: true, ..revokes(&trust) }),
            (Roles::Server, Certified { known: vec![[7; 32], [8; 32]], ..revokes(&trust) }),
        ] {
            for (key, is_told) in [(7, true), (8, false)] {
                let bare = Bare { file: "k".into(), role, key: [key; 32] };
                let one = [Certified { bare: vec![bare], ..Certified::default() }];
                let told = refused((Path::new("a"), &one), (Path::new("b"), std::slice::from_ref(&other)));
                assert_eq!(
                    told.concat().starts_with("a has the key k, which b revokes"),
                    is_told,
                    "{told:?}"
                );
            }
        }
    }

    /// The client knows its server by a name, and so has no key of it.
    #[test]
    fn keys_without_a_certificate_have_to_be_let_in_beside_those_with_one() {
        let place = Place::new();
        let keys =
            |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), PathBuf::from(name))).collect();
        let certified = vec![Certified { serves: true, ..side(None, place.trust(), None) }];
        let lets_in = Some(BTreeMap::new());
        let server = Files { serves: keys(&["s"]), lets_in, certified, ..Files::default() };
        let key = fingerprint(&place.key.public().fingerprint());
        let told = |own: &[&str], certified| {
            let client = Files { own: keys(own), certified: vec![certified], ..Files::default() };
            differences((Path::new("c.toml"), &client), (Path::new("s.toml"), &server))
        };
        assert!(told(&[&key], place.client()).is_empty());
        let bare = told(&[&key, "bare"], place.client());
        assert!(matches!(&bare[..], [said] if said.contains("has the client key bare (bare)")), "{bare:?}");
        let none = told(&[], side(None, Trust::default(), Some("orders")));
        assert!(matches!(&none[..], [said] if said.contains("names no client_key")), "{none:?}");
    }
}
