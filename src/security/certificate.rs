//! Key files in the form that pyzmq and czmq give certificates: ZPL (RFC 4), with the sections `metadata` and `curve`.
//!
//! The keys are CURVE's or QZMQ's.

use super::fault::Fault;
use super::keys::{CURVE_Z85, Kind, Public, Secret};
use super::reload::{self, Content};
#[cfg(feature = "qzmq")]
use crate::crypto::{KemSecret, KemSuite};
use crate::crypto::{PublicKey, SecretKey};
use crate::errno::Result as Outcome;
use std::path::Path;
#[cfg(feature = "qzmq")]
use std::sync::Arc;

/// The form of a [fingerprint](crate::crypto::fingerprint()).
const FINGERPRINT_FORM: &str = "0000-0000-0000-0000-0000-0000-0000-0000";
/// Bytes of a name; as a User-Id it is sent along with every message inside of the process.
const MAX_NAME_BYTES: usize = 255;

/// A pair of keys, or a public key alone, and its owner's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `name` among the metadata.
    pub name: Option<String>,
    pub public: Public,
    pub secret: Option<Secret>,
}

impl Certificate {
    /// A fresh pair of CURVE. Errors: those of the system's random numbers.
    pub fn generate(name: Option<String>) -> Outcome<Certificate> {
        SecretKey::generate().map(|secret| Certificate::of_pair(name, Secret::Curve(secret)))
    }

    /// A fresh pair of QZMQ. Errors: those of the system's random numbers.
    #[cfg(feature = "qzmq")]
    pub fn generate_qzmq(name: Option<String>, suite: KemSuite) -> Outcome<Certificate> {
        KemSecret::generate(suite).map(|secret| Certificate::of_pair(name, Secret::Qzmq(Arc::new(secret))))
    }

    /// A fresh pair of this kind. Errors: those of the system's random numbers.
    pub(super) fn generate_like(kind: Kind) -> Outcome<Certificate> {
        match kind {
            Kind::Curve => Certificate::generate(None),
            #[cfg(feature = "qzmq")]
            Kind::Qzmq(suite) => Certificate::generate_qzmq(None, suite),
        }
    }

    fn of_pair(name: Option<String>, secret: Secret) -> Certificate {
        Certificate { name, public: secret.public(), secret: Some(secret) }
    }

    /// Reads a certificate for its public key. A secret key beside it is read too, and must belong to it.
    pub fn read_public(path: &Path) -> Result<Certificate, Fault> {
        Certificate::of_public(path, &reload::read(path)?)
    }

    /// Reads a certificate for its secret key, which no other user may be able to read.
    pub fn read_secret(path: &Path) -> Result<Certificate, Fault> {
        Certificate::of_secret(path, &reload::read(path)?)
    }

    pub(super) fn of_public(path: &Path, content: &Content) -> Result<Certificate, Fault> {
        reload::check_writers(path, &content.stamp)?;
        Certificate::parse(path, &content.text)
    }

    pub(super) fn of_secret(path: &Path, content: &Content) -> Result<Certificate, Fault> {
        check_privacy(path, content)?;
        let certificate = Certificate::parse(path, &content.text)?;
        if certificate.secret.is_none() {
            let what_to_do = "name the file with the secret key, which ends with .key_secret as a rule";
            return Err(Fault::mistake(path, None, "it holds no secret key", what_to_do));
        }
        Ok(certificate)
    }

    /// Reads the text of a certificate; `path` is for the faults.
    pub fn parse(path: &Path, text: &str) -> Result<Certificate, Fault> {
        let fields = Fields::parse(path, text)?;
        let secret = fields.secret;
        let public = match (fields.public, &secret) {
            (Some((public, line)), Some(secret)) if secret.public() != public => {
                let what = "the public key is not the one of the secret key";
                return Err(Fault::mistake(path, Some(line), what, "take both from one pair"));
            }
            (Some((public, _)), _) => public,
            (None, Some(secret)) => secret.public(),
            (None, None) => {
                let what = "it holds no key";
                let what_to_do = "a certificate has a section `curve` with a line `public-key = \"...\"`";
                return Err(Fault::mistake(path, None, what, what_to_do));
            }
        };
        Ok(Certificate { name: fields.name, public, secret })
    }

    /// The public key in Z85, as programs and other files have it.
    pub fn public_z85(&self) -> String {
        self.public.z85()
    }

    /// The public key as people compare it, and as lists of clients may have it.
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint()
    }
}

/// A public key of CURVE in Z85.
pub fn public_z85(public: &PublicKey) -> String {
    Public::Curve(*public).z85()
}

/// The fingerprint that a text stands for: one, or a public key in Z85. Errors: `EINVAL`.
pub fn parse_fingerprint(text: &str) -> Outcome<String> {
    let is_one = text.len() == FINGERPRINT_FORM.len()
        && text.bytes().zip(FINGERPRINT_FORM.bytes()).all(|(byte, form)| match form {
            b'-' => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    if is_one { Ok(text.to_ascii_lowercase()) } else { Public::parse(text).map(|key| key.fingerprint()) }
}

/// The lines of a certificate that matter, each with its number.
#[derive(Default)]
struct Fields {
    name: Option<String>,
    public: Option<(Public, usize)>,
    secret: Option<Secret>,
}

impl Fields {
    fn parse(path: &Path, text: &str) -> Result<Fields, Fault> {
        let mut fields = Fields::default();
        let mut section = "";
        for (number, line) in (1..).zip(text.lines()) {
            let words = line.trim();
            if words.is_empty() || words.starts_with('#') {
                continue;
            }
            if !line.starts_with([' ', '\t']) && !words.contains('=') {
                section = words;
                continue;
            }
            let Some((name, value)) = words.split_once('=') else { continue };
            let value = unquoted(value.trim());
            match (section, name.trim()) {
                ("metadata", "name") if value.len() <= MAX_NAME_BYTES && !value.is_empty() => {
                    fields.name = Some(value.to_owned());
                }
                ("curve", "public-key") => {
                    let key = Public::parse(value).map_err(|_| no_key(path, number))?;
                    fields.public = Some((key, number));
                }
                ("curve", "secret-key") => {
                    fields.secret = Some(Secret::parse(value).map_err(|_| no_key(path, number))?);
                }
                // Other libraries put what they like beside it.
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// Whether a text has the form of a key, public or secret.
pub(super) fn is_key(text: &str) -> bool {
    Public::parse(text).is_ok() || Secret::parse(text).is_ok()
}

fn no_key(path: &Path, line: usize) -> Fault {
    let what_to_do =
        format!("a key of CURVE has {CURVE_Z85} characters of Z85 between quotes, one of QZMQ has more");
    Fault::mistake(path, Some(line), "this is no key", what_to_do)
}

fn unquoted(value: &str) -> &str {
    let between = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    between('"').or_else(|| between('\'')).unwrap_or(value)
}

/// A secret that others may read is none.
pub(super) fn check_privacy(path: &Path, content: &Content) -> Result<(), Fault> {
    if content.stamp.is_open_to_others() {
        let what = format!("other users may read this secret (mode {:04o})", content.stamp.permissions());
        return Err(Fault::denial(path, None, what, format!("chmod 600 {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing;
    use super::*;
    use crate::crypto::{KEY_BYTES, fingerprint};
    use crate::errno::Errno;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    const FILE: &str = "some.key";

    fn parse(text: &str) -> Result<Certificate, Fault> {
        Certificate::parse(Path::new(FILE), text)
    }

    #[test]
    fn certificates_of_pyzmq_and_czmq_are_read() {
        let pair = Certificate::generate(None).unwrap();
        let (public, secret) = (pair.public_z85(), pair.secret.as_ref().unwrap().z85());
        let pyzmq = format!(
            "#   ****  Generated on 2026-01-01 by pyzmq  ****\n\nmetadata\ncurve\n    public-key = \"{public}\"\n    secret-key = \"{}\"\n",
            *secret
        );
        assert_eq!(parse(&pyzmq).unwrap(), pair);
        let czmq = format!(
            "#   ZeroMQ CURVE Public Certificate\nmetadata\n    name = \"alice\"\n    email = \"a@b\"\ncurve\n    public-key = \"{public}\"\n"
        );
        let read = parse(&czmq).unwrap();
        let public = pair.public.clone();
        assert_eq!((read.name.as_deref(), read.public, read.secret), (Some("alice"), public, None));
        let bare = format!("curve\n\tsecret-key = {}\n", *secret);
        assert_eq!(parse(&bare).unwrap(), pair);
    }

    #[cfg(feature = "qzmq")]
    #[test]
    fn keys_of_qzmq_are_read_and_not_mixed() {
        let curve = Certificate::generate(None).unwrap();
        for suite in KemSuite::ALL {
            let pair = Certificate::generate_qzmq(Some("alice".to_owned()), suite).unwrap();
            let (public, secret) = (pair.public_z85(), pair.secret.as_ref().unwrap().z85());
            let file = |public: &str, secret: &str| {
                parse(&format!(
                    "metadata\n    name = \"alice\"\ncurve\n    public-key = \"{public}\"\n    secret-key = \"{secret}\"\n"
                ))
            };
            assert_eq!(file(&public, &secret).unwrap(), pair);
            assert_eq!(parse(&format!("curve\n\tsecret-key = {}\n", *secret)).unwrap().public, pair.public);
            let told = parse_fingerprint(&public).unwrap();
            assert_eq!(told, pair.fingerprint());
            let (other, other_secret) = (curve.public_z85(), curve.secret.as_ref().unwrap().z85());
            for (public, secret) in [(&other, &secret), (&public, &other_secret)] {
                assert_eq!(file(public, secret).unwrap_err().errno, Errno::INVAL);
            }
        }
    }

    #[test]
    fn a_fingerprint_is_one_or_a_key() {
        let pair = Certificate::generate(None).unwrap();
        for text in [pair.public_z85(), pair.fingerprint(), pair.fingerprint().to_uppercase()] {
            assert_eq!(parse_fingerprint(&text).unwrap(), pair.fingerprint(), "{text}");
        }
    }

    #[test]
    fn what_is_no_fingerprint() {
        let good = fingerprint(&[7; KEY_BYTES]);
        for text in [
            "",
            "x",
            &good[1..],
            &format!("{good}00"),
            &good.replace('-', "+"),
            &good.replacen('-', "0", 1),
            &"g".repeat(39),
        ] {
            assert_eq!(parse_fingerprint(text), Err(Errno::INVAL), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let (one, other) = (Certificate::generate(None).unwrap(), Certificate::generate(None).unwrap());
        let secret = one.secret.as_ref().unwrap().z85();
        let mixed =
            format!("curve\n    public-key = \"{}\"\n    secret-key = \"{}\"\n", other.public_z85(), *secret);
        let fault = parse(&mixed).unwrap_err();
        assert_eq!((fault.line, fault.errno), (Some(2), Errno::INVAL));
        for (text, line) in [
            ("", None),
            ("metadata\n    name = \"x\"\n", None),
            ("curve\n", None),
            ("# public-key = \"x\"\n", None),
            ("curve\n\n    public-key = \"short\"\n", Some(3)),
            ("curve\n    public-key = \"\"\n", Some(2)),
            ("curve\n    secret-key = \"0000000000000000000000000000000000000000000\"\n", Some(2)),
            ("curve\n    public-key = \"\u{e4}000000000000000000000000000000000000\"\n", Some(2)),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.line, fault.file.to_str()), (line, Some(FILE)), "{text:?}");
        }
    }

    #[test]
    fn a_file_with_the_public_key_alone_is_no_secret_one() {
        let folder = testing::folder();
        let pair = Certificate::generate(None).unwrap();
        testing::write_pair(&folder, "server.one", &pair);
        let (public, secret) = (folder.join("server.one.key"), folder.join("server.one.key_secret"));
        assert_eq!(Certificate::read_secret(&secret).unwrap(), pair);
        assert_eq!(Certificate::read_public(&public).unwrap().public, pair.public);
        assert!(Certificate::read_secret(&public).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = testing::folder();
        testing::write_pair(&folder, "pair", &Certificate::generate(None).unwrap());
        let secret = folder.join("pair.key_secret");
        for (mode, refused) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o620, true)] {
            fs::set_permissions(&secret, Permissions::from_mode(mode)).unwrap();
            let outcome = Certificate::read_secret(&secret).map_err(|fault| fault.errno);
            assert_eq!(outcome.err(), refused.then_some(Errno::ACCES), "{mode:o}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
