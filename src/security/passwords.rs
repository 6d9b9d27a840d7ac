//! The users of PLAIN: their names and hashed passwords, in a file with a line `name:hash` for each.

use super::certificate::check_privacy;
use super::fault::Fault;
use super::reload::{self, Content};
use crate::crypto::digest::sha256;
use crate::crypto::password::PasswordHash;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a name or password: the length is one byte on the wire (RFC 24).
const MAX_PLAIN_BYTES: usize = 255;

/// The users of a file.
#[derive(Default)]
pub struct Users {
    by_name: BTreeMap<String, Arc<PasswordHash>>,
    /// The digest of the file. Peers do not know it, as the file holds hashes.
    secret: [u8; 32],
}

/// What a password is compared with.
pub struct Comparison {
    pub hash: Arc<PasswordHash>,
    /// The user exists. For one that does not, the hash is another's; see [`Users::comparison`].
    pub is_known: bool,
}

impl Users {
    /// Reads a file of users.
    pub fn read(path: &Path) -> Result<Users, Fault> {
        Users::parse(path, &reload::read(path)?)
    }

    pub(super) fn parse(path: &Path, content: &Content) -> Result<Users, Fault> {
        check_privacy(path, content)?;
        let mut users = BTreeMap::new();
        for (number, line) in (1..).zip(content.text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mistake = |what: &str, what_to_do: &str| Fault::mistake(path, Some(number), what, what_to_do);
            let form = "write `name:hash`, with an Argon2id hash as $argon2id$v=19$...";
            let (name, hash) = line.split_once(':').ok_or_else(|| mistake("this is no user", form))?;
            if name.is_empty() || name.len() > MAX_PLAIN_BYTES {
                return Err(mistake("a name has 1 to 255 bytes", form));
            }
            let hash =
                PasswordHash::parse(hash).map_err(|_| mistake("this is no hash of a password", form))?;
            if users.insert(name.to_owned(), Arc::new(hash)).is_some() {
                return Err(mistake("this user is there twice", "take one of the lines out"));
            }
        }
        Ok(Users { by_name: users, secret: sha256(&[content.text.as_bytes()]) })
    }

    /// What the password of a user is compared with; `None` where there is no user at all.
    ///
    /// A name that is not listed stands for one that is, and always for the same one. So its answers take as long as those of a listed
    /// name. Where hashes differ in their costs, the time tells which cost a name has, and not whether it is listed.
    pub fn comparison(&self, name: &[u8]) -> Option<Comparison> {
        // Made for listed names as well, so that it takes no time of its own.
        let stand_in = self.by_name.values().nth(self.place_of(name));
        let known = std::str::from_utf8(name).ok().and_then(|name| self.by_name.get(name));
        let hash = known.or(stand_in)?;
        Some(Comparison { hash: Arc::clone(hash), is_known: known.is_some() })
    }

    /// One of the places in the list, by the name and what no peer knows.
    fn place_of(&self, name: &[u8]) -> usize {
        let [a, b, c, d, ..] = sha256(&[&self.secret, name]);
        let drawn = u32::from_le_bytes([a, b, c, d]) as usize;
        drawn.checked_rem(self.by_name.len()).unwrap_or(0)
    }
}

/// Reads a client's file with its password.
pub fn read_password_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    read_password(path, &reload::read(path)?)
}

/// The password in a client's file: its first line.
pub(super) fn read_password(path: &Path, content: &Content) -> Result<Zeroizing<Vec<u8>>, Fault> {
    check_privacy(path, content)?;
    let line = content.text.lines().next().unwrap_or_default();
    if line.is_empty() || line.len() > MAX_PLAIN_BYTES {
        let what = "its first line is no password of 1 to 255 bytes";
        return Err(Fault::mistake(path, Some(1), what, "write the password into it"));
    }
    Ok(Zeroizing::new(line.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing;
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    /// A cheap hash of "password", by the reference implementation.
    const OF_PASSWORD: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn with_file<R>(text: &str, mode: u32, test: impl FnOnce(&Path, &Content) -> R) -> R {
        let folder = testing::folder();
        let path = folder.join("file");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let outcome = test(&path, &reload::read(&path).unwrap());
        fs::remove_dir_all(folder).unwrap();
        outcome
    }

    #[test]
    fn users_are_known_by_their_passwords() {
        let text = format!("# users\n\nann:{OF_PASSWORD}\n");
        let users = with_file(&text, 0o600, Users::parse).unwrap();
        let ann = users.comparison(b"ann").unwrap();
        assert!(ann.is_known && ann.hash.verify(b"password").unwrap());
        let nobody = users.comparison(b"\xff").unwrap();
        assert!(!nobody.is_known, "and the answer takes as long");
        assert!(with_file("", 0o600, Users::parse).unwrap().comparison(b"ann").is_none());
    }

    /// An attacker asks for names, and compares times.
    #[test]
    fn names_that_are_not_listed_cost_what_listed_ones_cost() {
        const DEARER: &str =
            "$argon2id$v=19$m=512,t=3,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let text = format!("ann:{OF_PASSWORD}\nbob:{DEARER}\ncid:{OF_PASSWORD}\n");
        let users = with_file(&text, 0o600, Users::parse).unwrap();
        let of = |name: &str| users.comparison(name.as_bytes()).unwrap().hash.costs();
        let listed = [of("ann"), of("bob")];
        assert_ne!(listed[0], listed[1]);
        let names = |number: usize| format!("name{number}");
        let strangers: Vec<_> = (0..300).map(|number| of(&names(number))).collect();
        let dear = strangers.iter().filter(|costs| **costs == listed[1]).count();
        assert!(strangers.iter().all(|costs| listed.contains(costs)));
        assert!((50..150).contains(&dear), "a third of the listed: {dear} of 300");
        let again: Vec<_> = (0..300).map(|number| of(&names(number))).collect();
        assert_eq!(strangers, again, "a name that changed its cost would be none that is listed");
        let other = with_file(&format!("{text}# other\n"), 0o600, Users::parse).unwrap();
        let of_other = |number| other.comparison(names(number).as_bytes()).unwrap().hash.costs();
        assert!((0..300).any(|number| of_other(number) != strangers[number]), "no peer can compute it");
    }

    #[test]
    fn mistakes_have_their_lines() {
        let hash = OF_PASSWORD;
        for (text, line) in [
            ("ann\n".to_owned(), 1),
            (format!("\nann:{hash}\nbob:secret\n"), 3),
            (format!(":{hash}\n"), 1),
            (format!("ann:{hash}\nann:{hash}\n"), 2),
        ] {
            let fault = with_file(&text, 0o600, Users::parse).err().unwrap();
            assert_eq!(fault.line, Some(line), "{text}: {fault}");
        }
        assert!(with_file("", 0o644, Users::parse).is_err(), "others may read it");
    }

    #[test]
    fn a_password_is_the_first_line() {
        assert_eq!(with_file("secret\nmore\n", 0o600, read_password).unwrap().as_slice(), b"secret");
        for (text, mode) in [("", 0o600), ("\n", 0o600), ("secret", 0o640)] {
            assert!(with_file(text, mode, read_password).is_err());
        }
        assert!(with_file(&"x".repeat(256), 0o600, read_password).is_err());
    }
}
