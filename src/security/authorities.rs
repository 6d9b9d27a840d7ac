//! Files of QZMQ's certificates, as `ferrozmq cert` writes them: authorities, certificates, and lists of what is revoked.
//!
//! The first two are ZPL as key files are, with a section `qzmq`. A list has a line for each fingerprint in Z85, with a note behind it.

use super::endpoint_keys;
use super::fault::Fault;
use super::file::{Place, Settings};
use super::keys::Public;
use super::reload::{self, Content};
use crate::crypto::kem::FINGERPRINT_BYTES;
use crate::crypto::{Certificate, DsaPublic, Roles, Trust};
use crate::z85;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Fingerprints of keys and authorities that are accepted no more.
pub type Revoked = Vec<[u8; FINGERPRINT_BYTES]>;

/// Reads an authority's public key.
pub fn authority(path: &Path, content: &Content) -> Result<DsaPublic, Fault> {
    reload::check_writers(path, &content.stamp)?;
    let (bytes, line) = field(path, &content.text, "authority-key")?;
    DsaPublic::from_tagged(&bytes).map_err(|_| no(path, line, "this is no authority's key"))
}

/// Reads a certificate. Whether it is good today, and whose authority's, is looked at by the other side.
pub fn certificate(path: &Path, content: &Content) -> Result<Certificate, Fault> {
    reload::check_writers(path, &content.stamp)?;
    let (bytes, line) = field(path, &content.text, "certificate")?;
    Certificate::parse(&bytes).map_err(|_| no(path, line, "this is no certificate"))
}

/// Reads a list of what is revoked. An empty one revokes nothing.
pub fn revoked(path: &Path, content: &Content) -> Result<Revoked, Fault> {
    reload::check_writers(path, &content.stamp)?;
    let lines = (1..).zip(content.text.lines());
    let words = lines.filter_map(|(number, line)| Some((number, line.split_whitespace().next()?)));
    let fingerprint = |(number, word): (usize, &str)| {
        let bytes = z85::decode(word.as_bytes()).ok();
        let fingerprint = bytes.and_then(|bytes| bytes.as_slice().try_into().ok());
        fingerprint.ok_or_else(|| {
            let what_to_do = "a line begins with a fingerprint, as `ferrozmq cert revoke` writes it";
            Fault::mistake(path, Some(number), "this is no fingerprint", what_to_do)
        })
    };
    words.filter(|(_, word)| !word.starts_with('#')).map(fingerprint).collect()
}

/// What the files of some settings say about certificates.
#[derive(Debug, Default)]
pub struct Named {
    /// What this side shows: the file, the role that it is shown in, and the certificate.
    pub shown: Vec<(PathBuf, Roles, Certificate)>,
    /// Whose certificates are accepted, and what is revoked. Empty without authorities.
    pub trust: Trust,
    /// The files cannot be read, are no such files, or do not fit this side's keys.
    pub faults: Vec<Fault>,
}

/// Reads the files about certificates that the settings name. `own`: the keys of this side as a server, and as a client. Whether a
/// certificate is accepted is not looked at.
pub fn read_named(settings: &Settings, own: [&[Public]; 2]) -> Named {
    fn read<T>(
        place: &Place,
        make: fn(&Path, &Content) -> Result<T, Fault>,
        faults: &mut Vec<Fault>,
    ) -> Option<T> {
        let made = reload::read(&place.path).and_then(|content| make(&place.path, &content));
        made.map_err(|fault| faults.push(fault)).ok()
    }
    let mut named = Named::default();
    for key in settings.authorities.iter().filter_map(|place| read(place, authority, &mut named.faults)) {
        // The file bounds the number of authorities.
        let _ = named.trust.add(key);
    }
    let list = settings.revoked.as_ref().and_then(|place| read(place, revoked, &mut named.faults));
    list.into_iter().flatten().for_each(|key| named.trust.revoke(key));
    let [server, client] = own;
    let shown = [
        (&settings.server_certificate, server, Roles::Server),
        (&settings.client_certificate, client, Roles::Client),
    ];
    for (place, keys, role) in shown {
        let Some(place) = place else { continue };
        let Some(certificate) = read(place, certificate, &mut named.faults) else { continue };
        let checked = endpoint_keys::check_certificate(&certificate, place, keys, role);
        named.faults.extend(checked.err());
        named.shown.push((place.path.clone(), role, certificate));
    }
    named
}

/// The bytes of a line `NAME = "Z85"` in the section `qzmq`, and its number.
fn field(path: &Path, text: &str, name: &str) -> Result<(Zeroizing<Vec<u8>>, usize), Fault> {
    let mut section = "";
    for (number, line) in (1..).zip(text.lines()) {
        if !line.starts_with([' ', '\t', '#']) && !line.contains('=') {
            section = line.trim();
        }
        if let Some((field, value)) = line.split_once('=')
            && (section, field.trim()) == ("qzmq", name)
        {
            let value = value.trim().trim_matches('"');
            let bytes = z85::decode(value.as_bytes());
            return bytes.map(|bytes| (bytes, number)).map_err(|_| no(path, number, "this is no Z85"));
        }
    }
    let what = format!("it holds no \"{name}\"");
    Err(Fault::mistake(path, None, what, "name a file that `ferrozmq cert` has made"))
}

fn no(path: &Path, line: usize, what: &str) -> Fault {
    Fault::mistake(path, Some(line), what, "see what `ferrozmq cert show` says of it")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing;
    use super::*;
    use crate::crypto::{Claims, DsaSecret, DsaSuite, KemSecret, KemSuite};
    use std::fs;

    fn read<T>(make: fn(&Path, &Content) -> Result<T, Fault>, text: &str) -> Result<T, Fault> {
        let folder = testing::folder();
        let path = folder.join("file");
        fs::write(&path, text).unwrap();
        let read = reload::read(&path).and_then(|content| make(&path, &content));
        fs::remove_dir_all(folder).unwrap();
        read
    }

    #[test]
    fn what_the_tool_writes_is_read() {
        let secret = DsaSecret::generate(DsaSuite::MlDsa44).unwrap();
        let public = KemSecret::generate(KemSuite::XWing).unwrap().public().clone();
        let fingerprint = public.fingerprint();
        let (name, roles) = ("alice".to_owned(), Roles::Client);
        let claims = Claims { name, public, roles, not_before_s: 1, not_after_s: 2 };
        let signed = Certificate::sign(&secret, claims).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let text = z85::encode(bytes).unwrap();
            format!("# made\nmetadata\n    name = \"x\"\nqzmq\n    {name} = \"{}\"\n", *text)
        };
        let key = file("authority-key", &secret.public().tagged());
        assert_eq!(read(authority, &key).unwrap(), *secret.public());
        assert_eq!(read(certificate, &file("certificate", signed.bytes())).unwrap(), signed);
        let line = z85::encode(&fingerprint).unwrap();
        assert_eq!(read(revoked, &format!("{} alice.key\n\n# none\n", *line)).unwrap(), [fingerprint]);
        assert!(read(revoked, "").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_with_their_lines() {
        for (text, line) in [
            ("", None),
            ("curve\n    authority-key = \"00000\"\n", None),
            ("qzmq\n    authority-key = \"0000\"\n", Some(2)),
            ("qzmq\n    authority-key = \"00000\"\n", Some(2)),
        ] {
            assert_eq!(read(authority, text).unwrap_err().line, line, "{text}");
        }
        assert_eq!(read(certificate, "qzmq\n    certificate = \"00000\"\n").unwrap_err().line, Some(2));
        for text in ["short\n", "\n000\n", &format!("{}\n", "0".repeat(45))] {
            assert!(read(revoked, text).unwrap_err().line.is_some(), "{text}");
        }
    }
}
