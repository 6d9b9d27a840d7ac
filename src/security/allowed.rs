//! Whose keys are let in: those of a folder of certificates, those of a list, or any.

use super::certificate::Certificate;
use super::fault::Fault;
use super::reload::{self, Stamp, is_due, is_settled};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Files in one folder. Each certificate costs a look a second while peers come.
pub const MAX_FOLDER_FILES: usize = 4096;
/// Bytes of one of them: the I/O thread reads all when it first looks at the folder.
const MAX_CERTIFICATE_BYTES: u64 = 16 * 1024;
/// Broken certificates that one look tells of.
const MAX_NEWS: usize = 8;
/// How the names of certificates end, in a folder. Files of other names are none of ours.
const SUFFIX: &str = "key";

/// Keys that are let in, by their [fingerprints](crate::crypto::fingerprint()).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, Option<String>>);

/// A client whose key is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'n> {
    Named(&'n str),
    /// The key stands in a list, without a name.
    Unnamed,
}

impl Names {
    /// The owner of a key, where it is let in.
    pub fn owner(&self, fingerprint: &str) -> Option<Owner<'_>> {
        self.0.get(fingerprint).map(|name| name.as_deref().map_or(Owner::Unnamed, Owner::Named))
    }

    /// All fingerprints and their owners.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Owner<'_>)> {
        self.0.iter().map(|(key, name)| (key.as_str(), name.as_deref().map_or(Owner::Unnamed, Owner::Named)))
    }
}

/// Of a list of fingerprints.
impl<'k> FromIterator<&'k String> for Names {
    fn from_iter<I: IntoIterator<Item = &'k String>>(keys: I) -> Names {
        Names(keys.into_iter().map(|key| (key.clone(), None)).collect())
    }
}

/// A folder of certificates, as it is when it is needed.
///
/// A certificate that cannot be read or understood lets no client in; the others count. The folder itself must be readable.
#[derive(Default)]
pub struct Folder {
    looked: Option<Instant>,
    files: BTreeMap<OsString, Entry>,
    names: Option<Result<Arc<Names>, Fault>>,
    /// Faults that were not there at the look before.
    news: Vec<Fault>,
}

struct Entry {
    /// `None`: to be read again at the next look.
    stamp: Option<Stamp>,
    read: Result<Certificate, Fault>,
}

impl Folder {
    /// The keys in the folder now.
    pub fn now(&mut self, folder: &Path) -> Result<Arc<Names>, Fault> {
        let now = Instant::now();
        if let Some(names) = &self.names
            && !is_due(self.looked, now)
        {
            return names.clone();
        }
        self.looked = Some(now);
        let names = self.look(folder);
        self.names.insert(names).clone()
    }

    /// The faults of single certificates that were not told yet.
    pub fn take_news(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.news)
    }

    fn look(&mut self, folder: &Path) -> Result<Arc<Names>, Fault> {
        let mut before = std::mem::take(&mut self.files);
        for path in certificates(folder)? {
            let Some(name) = path.file_name() else { continue };
            let known = before.remove(name);
            let told = known.as_ref().and_then(|entry| entry.read.clone().err());
            let entry = Entry::now(&path, known);
            if let Err(fault) = &entry.read
                && told.as_ref() != Some(fault)
                && self.news.len() < MAX_NEWS
            {
                self.news.push(fault.clone());
            }
            self.files.insert(name.to_owned(), entry);
        }
        let mut names = BTreeMap::new();
        for (file, entry) in &self.files {
            if let Ok(certificate) = &entry.read {
                let name = certificate.name.clone().unwrap_or_else(|| stem(file));
                names.insert(certificate.fingerprint(), Some(name));
            }
        }
        Ok(Arc::new(Names(names)))
    }
}

impl Entry {
    /// The certificate now; `before` is what was known of the file.
    fn now(path: &Path, before: Option<Entry>) -> Entry {
        let looks_the_same = |entry: &Entry| {
            entry.stamp.is_some()
                && std::fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata)) == entry.stamp
        };
        if let Some(entry) = before.filter(looks_the_same) {
            return entry;
        }
        let content = reload::read_at_most(path, MAX_CERTIFICATE_BYTES);
        let stamp = content.as_ref().ok().map(|content| content.stamp);
        Entry {
            stamp: stamp.filter(|stamp| is_settled(stamp, SystemTime::now())),
            read: content.and_then(|content| Certificate::of_public(path, &content)),
        }
    }
}

/// The certificates in a folder, by name.
fn certificates(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let unreadable = |error| reload::unreadable(folder, &error);
    let mut found = Vec::new();
    for (number, entry) in std::fs::read_dir(folder).map_err(unreadable)?.enumerate() {
        if number >= MAX_FOLDER_FILES {
            let what = format!("it holds more than {MAX_FOLDER_FILES} files");
            return Err(Fault::mistake(
                folder,
                None,
                what,
                "keep the allowed certificates in a folder of their own",
            ));
        }
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == SUFFIX) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn stem(file: &OsString) -> String {
    Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing;
    use super::*;
    use std::fs;

    fn look(folder: &mut Folder, path: &Path) -> Vec<String> {
        folder.looked = None;
        let names = folder.now(path).unwrap();
        let name = |(_, owner)| match owner {
            Owner::Named(name) => str::to_owned(name),
            Owner::Unnamed => String::new(),
        };
        let mut names: Vec<String> = names.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn keys_come_and_go_with_their_files() {
        let path = testing::folder();
        let mut folder = Folder::default();
        assert_eq!(look(&mut folder, &path), [""; 0]);
        let alice = Certificate::generate(None).unwrap();
        testing::write_pair(&path, "alice", &alice);
        assert_eq!(look(&mut folder, &path), ["alice"]);
        assert_eq!(folder.now(&path).unwrap().owner(&alice.fingerprint()), Some(Owner::Named("alice")));
        let bob = Certificate::generate(Some("robert".to_owned())).unwrap();
        testing::write_pair(&path, "bob", &bob);
        assert_eq!(look(&mut folder, &path), ["alice", "robert"]);
        fs::remove_file(path.join("alice.key")).unwrap();
        assert_eq!(look(&mut folder, &path), ["robert"]);
        assert_eq!(folder.now(&path).unwrap().owner(&alice.fingerprint()), None);
        // The secret file of the one, and what else lies there, count for nothing.
        fs::write(path.join("README"), "keys").unwrap();
        assert_eq!(look(&mut folder, &path), ["robert"]);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_broken_certificate_lets_its_owner_in_no_more() {
        let path = testing::folder();
        let mut folder = Folder::default();
        for name in ["alice", "bob"] {
            testing::write_pair(&path, name, &Certificate::generate(None).unwrap());
        }
        assert_eq!(look(&mut folder, &path), ["alice", "bob"]);
        fs::write(path.join("alice.key"), "curve\n    public-key = \"\"\n").unwrap();
        assert_eq!(look(&mut folder, &path), ["bob"]);
        let lines =
            |folder: &mut Folder| folder.take_news().iter().map(|fault| fault.line).collect::<Vec<_>>();
        assert_eq!(lines(&mut folder), [Some(2)]);
        look(&mut folder, &path);
        assert_eq!(lines(&mut folder), [None; 0], "told once");
        fs::remove_dir_all(&path).unwrap();
        folder.looked = None;
        assert!(folder.now(&path).is_err());
    }

    #[test]
    fn a_folder_is_bounded() {
        let path = testing::folder();
        for number in 0..=MAX_FOLDER_FILES {
            fs::write(path.join(format!("{number}.key")), "").unwrap();
        }
        assert!(Folder::default().now(&path).unwrap_err().what.contains("more than"));
        fs::remove_dir_all(path).unwrap();
    }
}
