//! Certificates of QZMQ: whether what a side shows is good today, and whether the other side accepts it.
//!
//! | a certificate is shown | it is held against |
//! |---|---|
//! | always | the clock; the authorities and the revoked keys of the side's own file, where that names the authority |
//! | with `--with` | the authorities, the revoked keys and the server's name in the other side's file |

use super::Report;
use crate::cert::{date, now_s};
use std::path::{Path, PathBuf};
use zmq::crypto::certificate::Refusal;
use zmq::crypto::{Certificate, Roles, Trust};
use zmq::security::authorities::Named;
use zmq::security::file::Settings;

/// Days before the end of a certificate from which on the end is told.
const DAYS_OF_NOTICE: u64 = 14;
const DAY_S: u64 = 24 * 60 * 60;

/// What some settings of a file say about certificates.
pub struct Certified {
    shown: Vec<Shown>,
    trust: Trust,
    /// The name by which a client knows its server.
    expected: Option<String>,
}

struct Shown {
    file: PathBuf,
    role: Roles,
    certificate: Certificate,
}

impl Certified {
    pub fn new(settings: &Settings, named: Named) -> Certified {
        let shown = named.shown.into_iter();
        Certified {
            shown: shown.map(|(file, role, certificate)| Shown { file, role, certificate }).collect(),
            trust: named.trust,
            expected: settings.server_name.clone().filter(|_| settings.server_public.is_none()),
        }
    }

    /// Tells what is wrong with the certificates that this side shows, as far as its own file and the clock say.
    pub fn look_at_own(&self, report: &mut Report) {
        let now_s = now_s();
        for shown in &self.shown {
            let (file, claims) = (shown.file.display(), &shown.certificate.claims);
            match self.trust.check(&shown.certificate, shown.role, now_s) {
                Err(Refusal::UnknownAuthority) if shown.is_in_time(now_s) => report.warn(format!(
                    "{file}: its authority is not among those of this file, so its signature is not looked at: \
                     check with the other side's file (--with)"
                )),
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

    /// Whether these settings have a use for a certificate in this role.
    fn looks_at(&self, role: Roles) -> bool {
        !self.trust.is_empty() && (role == Roles::Client || self.expected.is_some())
    }
}

impl Shown {
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

/// Whether a client that shows a certificate has to do with a server that looks at one.
pub fn lets_in(server: &[Certified], client: &[Certified]) -> bool {
    let shows = |certified: &Certified| certified.shown.iter().any(|shown| shown.role == Roles::Client);
    server.iter().any(|certified| certified.looks_at(Roles::Client)) && client.iter().any(shows)
}

/// What the other side refuses of the certificates that the one shows. One of the other side's rules that accepts a certificate is enough.
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
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
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

        fn trust(&self) -> Trust {
            let mut trust = Trust::default();
            trust.add(self.authority.public().clone()).unwrap();
            trust
        }
    }

    fn side(shown: Option<Certificate>, trust: Trust, expected: Option<&str>) -> Certified {
        let shown = shown.map(|certificate| Shown { file: "c".into(), role: Roles::Server, certificate });
        Certified { shown: shown.into_iter().collect(), trust, expected: expected.map(str::to_owned) }
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
            side(Some(certificate), trust, None).look_at_own(&mut report);
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
}
