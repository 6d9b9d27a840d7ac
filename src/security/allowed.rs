//! Whose keys are let in: those of a folder of certificates, those of a list, or any.

use super::certificate::Certificate;
use super::fault::Fault;
use super::reload::{self, Stamp, is_settled};
use super::watch::Look;
use crate::sys::log::{self, Level, Subsystem};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Files in one folder. Each certificate costs a look a second while peers come.
pub const MAX_FOLDER_FILES: usize = 4096;
/// Bytes of one of them: the I/O thread reads all when it first looks at the folder.
const MAX_CERTIFICATE_BYTES: u64 = 16 * 1024;
/// Broken certificates that one look tells of.
const MAX_NEWS: usize = 8;
const BROKEN: (Subsystem, Level) = (Subsystem::Security, Level::Warn);
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
pub struct Folder {
    path: PathBuf,
    files: BTreeMap<OsString, Entry>,
    news: News,
}

/// Faults of certificates that were not there at the look before.
#[derive(Default)]
pub struct News {
    /// The first ones.
    pub told: Vec<Fault>,
    /// How many more there are.
    pub untold: usize,
}

struct Entry {
    /// `None`: to be read again at the next look.
    stamp: Option<Stamp>,
    read: Result<Certificate, Fault>,
}

impl Folder {
    pub fn new(path: &Path) -> Folder {
        Folder { path: path.to_owned(), files: BTreeMap::new(), news: News::default() }
    }

    /// The faults of single certificates that were not told yet.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// The keys in the folder now.
    pub fn read(&mut self) -> Result<Arc<Names>, Fault> {
        let folder = &self.path;
        let mut before = std::mem::take(&mut self.files);
        check_folder_writers(folder)?;
        for path in certificates(folder)? {
            let Some(name) = path.file_name() else { continue };
            let known = before.remove(name);
            let told = known.as_ref().and_then(|entry| entry.read.clone().err());
            let entry = Entry::now(&path, known);
            if let Err(fault) = &entry.read
                && told.as_ref() != Some(fault)
            {
                self.news.add(fault);
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

/// A certificate that is broken is told of.
impl Look for Folder {
    type Value = Names;

    fn look(&mut self) -> Result<Arc<Names>, Fault> {
        let names = self.read();
        let News { told, untold } = self.take_news();
        for fault in told {
            log::complain(BROKEN, format_args!("a certificate lets nobody in: {fault}"));
        }
        if untold > 0 {
            let folder = self.path.display();
            log::complain(BROKEN, format_args!("{untold} more certificates in {folder} let nobody in"));
        }
        names
    }
}

impl News {
    fn add(&mut self, fault: &Fault) {
        if self.told.len() < MAX_NEWS {
            self.told.push(fault.clone());
        } else {
            self.untold += 1;
        }
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

/// Refuses a folder in which any user may put files. The sticky bit, as that of /tmp, does not keep them from it.
fn check_folder_writers(folder: &Path) -> Result<(), Fault> {
    let metadata = std::fs::metadata(folder).map_err(|error| reload::unreadable(folder, &error))?;
    reload::check_writers(folder, &Stamp::of(&metadata))
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
    use crate::errno::Errno;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn look(folder: &mut Folder) -> Vec<String> {
        let names = folder.read().unwrap();
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
        let mut folder = Folder::new(&path);
        assert_eq!(look(&mut folder), [""; 0]);
        let alice = Certificate::generate(None).unwrap();
        testing::write_pair(&path, "alice", &alice);
        assert_eq!(look(&mut folder), ["alice"]);
        assert_eq!(folder.read().unwrap().owner(&alice.fingerprint()), Some(Owner::Named("alice")));
        let bob = Certificate::generate(Some("robert".to_owned())).unwrap();
        testing::write_pair(&path, "bob", &bob);
        assert_eq!(look(&mut folder), ["alice", "robert"]);
        fs::remove_file(path.join("alice.key")).unwrap();
        assert_eq!(look(&mut folder), ["robert"]);
        assert_eq!(folder.read().unwrap().owner(&alice.fingerprint()), None);
        // The secret file of the one, and what else lies there, count for nothing.
        fs::write(path.join("README"), "keys").unwrap();
        assert_eq!(look(&mut folder), ["robert"]);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_broken_certificate_lets_its_owner_in_no_more() {
        let path = testing::folder();
        let mut folder = Folder::new(&path);
        for name in ["alice", "bob"] {
            testing::write_pair(&path, name, &Certificate::generate(None).unwrap());
        }
        assert_eq!(look(&mut folder), ["alice", "bob"]);
        fs::write(path.join("alice.key"), "curve\n    public-key = \"\"\n").unwrap();
        assert_eq!(look(&mut folder), ["bob"]);
        let lines =
            |folder: &mut Folder| folder.take_news().told.iter().map(|fault| fault.line).collect::<Vec<_>>();
        assert_eq!(lines(&mut folder), [Some(2)]);
        look(&mut folder);
        assert_eq!(lines(&mut folder), [None; 0], "told once");
        fs::remove_dir_all(&path).unwrap();
        assert!(folder.read().is_err());
    }

    #[test]
    fn many_broken_certificates_are_told_by_their_number() {
        let path = testing::folder();
        for number in 0..MAX_NEWS + 3 {
            fs::write(path.join(format!("{number}.key")), "").unwrap();
        }
        let mut folder = Folder::new(&path);
        look(&mut folder);
        let news = folder.take_news();
        assert_eq!((news.told.len(), news.untold), (MAX_NEWS, 3));
        look(&mut folder);
        let news = folder.take_news();
        assert_eq!((news.told.len(), news.untold), (0, 0), "told once");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_folder_that_all_may_write_lets_nobody_in() {
        let path = testing::folder();
        testing::write_pair(&path, "alice", &Certificate::generate(None).unwrap());
        let mut folder = Folder::new(&path);
        for (mode, refused) in
            [(0o755, None), (0o775, None), (0o777, Some(Errno::ACCES)), (0o1777, Some(Errno::ACCES))]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder.read().err().map(|fault| fault.errno), refused, "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(look(&mut folder), ["alice"]);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_folder_is_bounded() {
        let path = testing::folder();
        for number in 0..=MAX_FOLDER_FILES {
            fs::write(path.join(format!("{number}.key")), "").unwrap();
        }
        assert!(Folder::new(&path).read().unwrap_err().what.contains("more than"));
        fs::remove_dir_all(path).unwrap();
    }
}
