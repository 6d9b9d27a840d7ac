//! `ferrozmq cert`: authorities of QZMQ, and certificates that they sign.
//!
//! The files are ZPL as certificates of keys are, with a section `qzmq` in place of `curve`.

use crate::certificate::{PUBLIC_MODE, SECRET_MODE, create, create_all, is_file_name, make_folder};
use crate::cli::{Cert, CertAuthority, CertRevoke, CertShow, CertSign};
use crate::failure::{self, Failure};
use crate::outcome::Outcome;
use jiff::Timestamp;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use zeroize::Zeroizing;
use zmq::crypto::certificate::Refusal;
use zmq::crypto::{Certificate, Claims, DsaPublic, DsaSecret, Roles, Trust, fingerprint};
use zmq::security::certificate::Certificate as Keys;
use zmq::security::keys::Public;
use zmq::z85;

const DAY_S: u64 = 24 * 60 * 60;
/// A file of any kind here is smaller.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

pub fn run(options: &Cert) -> Result<Outcome, Failure> {
    match options {
        Cert::Authority(options) => authority(options),
        Cert::Sign(options) => sign(options),
        Cert::Show(options) => show(options),
        Cert::Revoke(options) => revoke(options),
    }
}

fn authority(options: &CertAuthority) -> Result<Outcome, Failure> {
    is_file_name(&options.name)?;
    let secret = DsaSecret::generate(options.suite.into()).map_err(|_| no_random_numbers())?;
    let public = text(&secret.public().tagged())?;
    let file = |suffix: &str| options.out.join(format!("{}{suffix}", options.name));
    let (public_file, secret_file) = (file(".authority"), file(".authority_secret"));
    let metadata = format!("metadata\n    name = \"{}\"\nqzmq\n", options.name);
    let public_text =
        format!("# QZMQ authority, made by ferrozmq cert.\n{metadata}    authority-key = \"{public}\"\n");
    let secret_text = Zeroizing::new(format!(
        "# QZMQ authority, secret, made by ferrozmq cert. Keep it off the machines that serve.\n{metadata}    authority-key = \"{public}\"\n    authority-secret = \"{}\"\n",
        *z85::encode(&secret.tagged()).map_err(|_| wrong_size())?
    ));
    make_folder(&options.out)?;
    let secret_part = (secret_file.as_path(), SECRET_MODE, secret_text);
    create_all(&options.out, [secret_part, (&public_file, PUBLIC_MODE, Zeroizing::new(public_text))])?;
    failure::print(&format!(
        "public file  {}\nsecret file  {}\nfingerprint  {}\n",
        public_file.display(),
        secret_file.display(),
        fingerprint(&secret.public().fingerprint())
    ))?;
    Ok(Outcome::Yes)
}

fn sign(options: &CertSign) -> Result<Outcome, Failure> {
    let authority = read_authority_secret(&options.authority)?;
    let keys = Keys::read_public(&options.key).map_err(|fault| Failure::new(fault.to_string()))?;
    let Public::Qzmq(public) = &keys.public else {
        return Err(Failure::new(format!("{}: not a public key of QZMQ", options.key.display())));
    };
    let name = options.name.clone().or(keys.name).ok_or_else(|| Failure::new("--name is missing"))?;
    let now_s = now_s();
    let not_after_s = u64::from(options.days).checked_mul(DAY_S).and_then(|life_s| now_s.checked_add(life_s));
    let claims = Claims {
        name,
        public: (**public).clone(),
        roles: options.role.into(),
        not_before_s: now_s,
        not_after_s: not_after_s.ok_or_else(|| Failure::new("--days: too many"))?,
    };
    let certificate = Certificate::sign(&authority, claims).map_err(|_| {
        Failure::new("the name has 1 to 255 bytes and no control characters, and --days is at least 1")
    })?;
    let file = options.out.clone().unwrap_or_else(|| options.key.with_extension("certificate"));
    let name = &certificate.claims.name;
    let content = format!(
        "# QZMQ certificate, made by ferrozmq cert.\nmetadata\n    name = \"{}\"\nqzmq\n    certificate = \"{}\"\n",
        name.replace('"', "'"),
        text(certificate.bytes())?
    );
    create(&file, PUBLIC_MODE, &content)?;
    failure::print(&format!("certificate  {}\n", file.display()))?;
    Ok(Outcome::Yes)
}

fn show(options: &CertShow) -> Result<Outcome, Failure> {
    let bytes = read_field(&options.file, "certificate")?;
    let certificate = Certificate::parse(&bytes).map_err(|_| not_in(&options.file, "certificate"))?;
    let claims = &certificate.claims;
    let trust = read_trust(options)?;
    let verdict = trust.map(|trust| trust.check(&certificate, options.role.into(), now_s()));
    let verdict_text = match verdict {
        None => "not checked: name the authority with --authority",
        Some(Ok(())) => "good",
        Some(Err(refusal)) => reason(refusal),
    };
    let roles = match claims.roles {
        Roles::Client => "client",
        Roles::Server => "server",
        Roles::Both => "client and server",
    };
    let key = fingerprint(&claims.public.fingerprint());
    let (from, to) = (date(claims.not_before_s), date(claims.not_after_s));
    let authority = fingerprint(&certificate.authority);
    let (kem, dsa) = (claims.public.suite().name(), certificate.suite.name());
    failure::print(&match options.json {
        true => format!(
            "{}\n",
            json!({
                "name": claims.name, "roles": roles, "kem": kem, "fingerprint": key, "not_before": from,
                "not_after": to, "authority": authority, "signature": dsa, "verdict": verdict_text,
            })
        ),
        false => format!(
            "name         {}\nroles        {roles}\nkey          {kem} {key}\nvalid        {from} to {to}\nauthority    {dsa} {authority}\nverdict      {verdict_text}\n",
            claims.name
        ),
    })?;
    Ok(match verdict {
        Some(Err(_)) => Outcome::No,
        _ => Outcome::Yes,
    })
}

fn revoke(options: &CertRevoke) -> Result<Outcome, Failure> {
    let fingerprint = read_fingerprint(&options.key)?;
    let line = text(&fingerprint)?;
    let there = match fs::read_to_string(&options.list) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        there => there.map_err(|error| Failure::of(&options.list, &error))?,
    };
    if there.lines().any(|known| known.split_whitespace().next() == Some(&line)) {
        return Ok(Outcome::Yes);
    }
    let mut list = OpenOptions::new();
    let mut list = list
        .append(true)
        .create(true)
        .open(&options.list)
        .map_err(|error| Failure::of(&options.list, &error))?;
    let note = options.key.file_name().unwrap_or_default().to_string_lossy();
    // A line that has no end would take in the new one, which would be a note then.
    let end = if there.is_empty() || there.ends_with('\n') { "" } else { "\n" };
    // One write, so that a reader sees the whole line or nothing.
    let written = list.write_all(format!("{end}{line} {note}\n").as_bytes()).and_then(|()| list.sync_all());
    written.map_err(|error| Failure::of(&options.list, &error))?;
    failure::print(&format!("revoked      {line}\n"))?;
    Ok(Outcome::Yes)
}

/// The trust that the options name; `None` without an authority.
fn read_trust(options: &CertShow) -> Result<Option<Trust>, Failure> {
    let Some(file) = &options.authority else { return Ok(None) };
    let key = DsaPublic::from_tagged(&read_field(file, "authority-key")?);
    let mut trust = Trust::default();
    key.and_then(|key| trust.add(key)).map_err(|_| not_in(file, "authority"))?;
    if let Some(list) = &options.revoked {
        for line in read(list)?.lines().filter_map(|line| line.split_whitespace().next()) {
            let fingerprint = z85::decode(line.as_bytes()).ok().and_then(|bytes| bytes[..].try_into().ok());
            trust.revoke(fingerprint.ok_or_else(|| not_in(list, "list of fingerprints"))?);
        }
    }
    Ok(Some(trust))
}

/// Of a public key's file, of an authority's, or of a certificate's.
fn read_fingerprint(file: &Path) -> Result<[u8; 32], Failure> {
    if let Ok(bytes) = read_field(file, "certificate") {
        let certificate = Certificate::parse(&bytes).map_err(|_| not_in(file, "certificate"))?;
        return Ok(certificate.claims.public.fingerprint());
    }
    if let Ok(bytes) = read_field(file, "authority-key") {
        return Ok(DsaPublic::from_tagged(&bytes).map_err(|_| not_in(file, "authority"))?.fingerprint());
    }
    let keys = Keys::read_public(file).map_err(|fault| Failure::new(fault.to_string()))?;
    Ok(keys.public.credential())
}

fn read_authority_secret(file: &Path) -> Result<DsaSecret, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_err(|error| Failure::of(file, &error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let file = file.display();
        return Err(Failure::new(format!("{file}: other users may read this secret: chmod 600 {file}")));
    }
    DsaSecret::from_tagged(&read_field(file, "authority-secret")?)
        .map_err(|_| not_in(file, "authority's secret"))
}

/// The bytes of a line `NAME = "Z85"` in the section `qzmq`.
fn read_field(file: &Path, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = read(file)?;
    let mut section = "";
    for line in text.lines() {
        if !line.starts_with([' ', '\t', '#']) && !line.contains('=') {
            section = line.trim();
        }
        if let Some((field, value)) = line.split_once('=')
            && (section, field.trim()) == ("qzmq", name)
        {
            let value = value.trim().trim_matches('"');
            return z85::decode(value.as_bytes()).map_err(|_| not_in(file, name));
        }
    }
    Err(not_in(file, name))
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let size = fs::metadata(file).map_err(|error| Failure::of(file, &error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Failure::new(format!("{}: too large", file.display())));
    }
    fs::read_to_string(file).map(Zeroizing::new).map_err(|error| Failure::of(file, &error))
}

fn not_in(file: &Path, what: &str) -> Failure {
    Failure::new(format!("{}: holds no {what}", file.display()))
}

fn no_random_numbers() -> Failure {
    Failure::new("the system gives no random numbers")
}

fn wrong_size() -> Failure {
    Failure::new("a key of the wrong size")
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    z85::encode(bytes).map(|text| text.to_string()).map_err(|_| wrong_size())
}

fn reason(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownAuthority => "of another authority",
        Refusal::BadSignature => "forged: the signature is not the authority's",
        Refusal::NotYetValid => "not valid yet",
        Refusal::Expired => "expired",
        Refusal::OtherRole => "for another role",
        Refusal::Revoked => "revoked",
        Refusal::OtherName => "for another name",
        Refusal::NoCertificate => "no certificate",
    }
}

/// Seconds since 1970 in UTC.
pub fn now_s() -> u64 {
    u64::try_from(Timestamp::now().as_second()).unwrap_or_default()
}

/// For people, in UTC.
pub fn date(second: u64) -> String {
    let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
    time.map_or_else(|| "for ever".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::certificate::{Certificate as Pair, Files, Metadata};
    use crate::cli::{AuthoritySuite, Role};
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use zmq::crypto::KemSuite;

    struct Place(tempfile::TempDir);

    impl Place {
        /// A folder with an authority `home` and a key pair `alice`.
        fn new(suite: AuthoritySuite) -> Place {
            let place = Place(tempfile::tempdir().unwrap());
            place.authority("home", suite);
            let files = Files::new(place.0.path(), "alice").unwrap();
            let pair = Keys::generate_qzmq(None, KemSuite::XWing).unwrap();
            files.write(&Pair::of(vec![Metadata::name("alice").unwrap()], &pair).unwrap()).unwrap();
            place
        }

        fn authority(&self, name: &str, suite: AuthoritySuite) {
            let out = self.0.path().to_owned();
            authority(&CertAuthority { name: name.to_owned(), out, suite }).unwrap();
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn sign(&self, days: u32) -> Result<Outcome, Failure> {
            sign(&CertSign {
                authority: self.file("home.authority_secret"),
                key: self.file("alice.key"),
                name: None,
                role: Role::Client,
                days,
                out: None,
            })
        }

        fn show(&self, authority: &str, role: Role) -> Outcome {
            let list = self.file("revoked");
            show(&CertShow {
                file: self.file("alice.certificate"),
                authority: Some(self.file(authority)),
                revoked: list.exists().then_some(list),
                role,
                json: true,
            })
            .unwrap()
        }
    }

    #[test]
    fn what_an_authority_signs_is_good_until_it_is_revoked() {
        for suite in [AuthoritySuite::MlDsa65, AuthoritySuite::MlDsa44] {
            let place = Place::new(suite);
            place.authority("other", suite);
            place.sign(1).unwrap();
            assert_eq!(place.show("home.authority", Role::Client), Outcome::Yes);
            assert_eq!(place.show("home.authority", Role::Server), Outcome::No, "it is for clients");
            assert_eq!(place.show("other.authority", Role::Client), Outcome::No);
            for _ in 0..2 {
                revoke(&CertRevoke { key: place.file("alice.key"), list: place.file("revoked") }).unwrap();
            }
            assert_eq!(fs::read_to_string(place.file("revoked")).unwrap().lines().count(), 1);
            assert_eq!(place.show("home.authority", Role::Client), Outcome::No);
        }
    }

    #[test]
    fn a_key_an_authority_and_a_certificate_can_be_revoked() {
        let place = Place::new(AuthoritySuite::MlDsa44);
        place.sign(1).unwrap();
        for (file, lines) in
            [("alice.certificate", 1), ("alice.key", 1), ("home.authority", 2), ("alice.fingerprint.key", 2)]
        {
            revoke(&CertRevoke { key: place.file(file), list: place.file("revoked") }).unwrap();
            assert_eq!(fs::read_to_string(place.file("revoked")).unwrap().lines().count(), lines, "{file}");
        }
    }

    #[test]
    fn a_list_without_an_end_of_line_takes_a_further_line() {
        let place = Place::new(AuthoritySuite::MlDsa44);
        place.sign(1).unwrap();
        let list = place.file("revoked");
        revoke(&CertRevoke { key: place.file("home.authority"), list: list.clone() }).unwrap();
        let first = fs::read_to_string(&list).unwrap();
        fs::write(&list, first.trim_end()).unwrap();
        revoke(&CertRevoke { key: place.file("alice.key"), list: list.clone() }).unwrap();
        let lines = fs::read_to_string(&list).unwrap();
        assert!(lines.starts_with(&first) && lines.ends_with(" alice.key\n") && lines.lines().count() == 2);
        for wrong in [place.0.path().to_owned(), place.file("alice.key/list")] {
            assert!(revoke(&CertRevoke { key: place.file("alice.key"), list: wrong }).is_err());
        }
        fs::write(&list, b"\xff").unwrap();
        assert!(revoke(&CertRevoke { key: place.file("alice.key"), list: list.clone() }).is_err());
        assert_eq!(fs::read(&list).unwrap(), b"\xff", "what cannot be read is left alone");
    }

    #[test]
    fn secrets_are_for_their_owner_and_nothing_is_overwritten() {
        let place = Place::new(AuthoritySuite::MlDsa65);
        let secret = place.file("home.authority_secret");
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o7777, 0o600);
        let public = fs::read_to_string(place.file("home.authority")).unwrap();
        assert!(!public.contains("authority-secret") && public.contains("authority-key"));
        let again = CertAuthority {
            name: "home".to_owned(),
            out: place.0.path().to_owned(),
            suite: AuthoritySuite::MlDsa65,
        };
        assert!(authority(&again).is_err());
        place.sign(1).unwrap();
        assert!(place.sign(1).is_err(), "the certificate is there");
        fs::remove_file(place.file("alice.certificate")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(place.sign(1).unwrap_err().line().contains("chmod 600"));
    }

    #[test]
    fn what_is_no_certificate_or_key_is_refused() {
        let place = Place::new(AuthoritySuite::MlDsa44);
        assert!(place.sign(0).is_err());
        for (file, text) in [
            ("empty", ""),
            ("wrong", "qzmq\n    certificate = \"00000\"\n"),
            ("no", "qzmq\n    certificate = \"!\"\n"),
        ] {
            fs::write(place.file(file), text).unwrap();
            let options = CertShow {
                file: place.file(file),
                authority: None,
                revoked: None,
                role: Role::Client,
                json: false,
            };
            assert!(show(&options).is_err());
            assert!(revoke(&CertRevoke { key: place.file(file), list: place.file("revoked") }).is_err());
        }
    }
}
