//! The files that a policy names: whether they can be read, are private, fit together, and lie where no other user can change them.

use super::Report;
use super::certified::Certified;
use crate::failure::plain;
use rustix::fs::Access;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;
use zmq::options::Mechanism;
use zmq::security::allowed::{Folder, Owner};
use zmq::security::authorities;
use zmq::security::certificate::Certificate;
use zmq::security::endpoint_keys::{self, Named};
use zmq::security::file::{Allow, Place, Settings, Side};
use zmq::security::passwords::{Users, read_password_file};
use zmq::security::{Fault, Policy};

/// Write permission for the group and for others.
const OTHERS_WRITE: u32 = 0o022;
/// Write permission for all users.
const ALL_WRITE: u32 = 0o002;
/// In such a folder an entry is renamed and removed by its owner alone.
const STICKY: u32 = 0o1000;
const SECRET_SUFFIX: &str = "key_secret";
const PUBLIC_SUFFIX: &str = "key";

/// The keys in the files, by their fingerprints, and the users.
#[derive(Default)]
pub struct Files {
    /// Those that this side serves with.
    pub serves: BTreeMap<String, PathBuf>,
    /// Those of the servers that this side connects to.
    pub trusts: BTreeMap<String, PathBuf>,
    /// Those that this side has as a client.
    pub own: BTreeMap<String, PathBuf>,
    /// Those of the clients that are let in; `None`: of any.
    pub lets_in: Option<BTreeMap<String, String>>,
    /// QZMQ: what each rule, and the default, says about certificates.
    pub certified: Vec<Certified>,
    /// PLAIN: whom this side lets in, and who it is.
    pub users: Vec<(PathBuf, Users)>,
    pub logins: Vec<Login>,
}

/// A PLAIN client's name and password.
pub struct Login {
    pub user: String,
    pub file: PathBuf,
    pub password: Zeroizing<Vec<u8>>,
}

impl Files {
    /// Reads all files of the default and of the rules. What is wrong with them goes to the report.
    pub fn read(policy: &Policy, report: &mut Report) -> Files {
        let mut files = Files { lets_in: Some(BTreeMap::new()), ..Files::default() };
        look_at_writers(&policy.file, report);
        if let Some(place) = &policy.audit {
            look_at_mode(&place.path, report);
            // Folders of logs, such as /var/log, often belong to a group of their own.
            look_at_folders(&place.path, ALL_WRITE, report);
            tell(unwritable(&place.path), policy, place, report);
        }
        let rules = policy.rules.iter().map(|rule| &rule.settings);
        for settings in std::iter::once(&policy.default).chain(rules) {
            files.read_settings(policy, settings, report);
        }
        files
    }

    /// Tells what is wrong with the certificates of this side. `is_alone`: the other side's file is not there to be looked at.
    pub fn look_at_own_certificates(&self, is_alone: bool, report: &mut Report) {
        self.certified.iter().for_each(|certified| certified.look_at_own(is_alone, report));
    }

    fn read_settings(&mut self, policy: &Policy, settings: &Settings, report: &mut Report) {
        let mut serves = Vec::new();
        for place in &settings.server_key {
            let read = secret(policy, place, report);
            serves.extend(read.clone());
            note(read, place, &mut self.serves);
        }
        let named = |place: &Place| Named { file: &policy.file, line: Some(place.line) };
        let speaks_curve = settings.mechanism == Mechanism::Curve;
        if let Some(place) = settings.server_key.first() {
            let idle = |own: &Certificate| {
                endpoint_keys::check_idle(named(place), settings, own.public.kind(), Side::Server)
            };
            let idle = serves.first().filter(|_| speaks_curve).map_or(Ok(()), idle);
            let fault = endpoint_keys::of_server(named(place), &serves).map(drop).and(idle).err();
            fault.iter().for_each(|fault| report.add(fault.to_string()));
        }
        let own = settings.client_key.as_ref().and_then(|place| {
            let read = secret(policy, place, report);
            note(read.clone(), place, &mut self.own);
            Some((place, read?))
        });
        let known = settings.server_public.as_ref().and_then(|place| {
            let read = public(policy, place, report);
            if let (Some(server), Some((place, own))) = (&read, &own) {
                let fault = endpoint_keys::check_client(named(place), &server.public, &own.public).err();
                fault.iter().for_each(|fault| report.add(fault.to_string()));
            }
            if let Some(server) = read.as_ref().filter(|_| speaks_curve) {
                let kind = server.public.kind();
                let fault = endpoint_keys::check_idle(named(place), settings, kind, Side::Client).err();
                fault.iter().for_each(|fault| report.add(fault.to_string()));
            }
            note(read.clone(), place, &mut self.trusts);
            read
        });
        self.read_migration(policy, settings, report);
        let kinds = serves.iter().chain(own.iter().map(|(_, own)| own)).chain(&known);
        let fault = settings.qzmq.check(&policy.file, kinds.map(|key| key.public.kind())).err();
        fault.iter().for_each(|fault| report.add(fault.to_string()));
        let own: Vec<Certificate> = own.into_iter().map(|(_, own)| own).collect();
        self.read_certified(settings, [&serves, &own], report);
        self.read_users(policy, settings, report);
        match &settings.allow {
            Some(Allow::Any) => self.lets_in = None,
            Some(Allow::Keys(keys)) => {
                let names = keys.iter().map(|key| (key.clone(), String::new()));
                self.lets_in.iter_mut().for_each(|lets_in| lets_in.extend(names.clone()));
            }
            Some(Allow::Folder(place)) => self.read_folder(policy, place, report),
            None => {}
        }
    }

    /// What is said about certificates. `serves`, `own`: this side's keys as a server, and as a client.
    fn read_certified(
        &mut self,
        settings: &Settings,
        [serves, own]: [&[Certificate]; 2],
        report: &mut Report,
    ) {
        let single = [&settings.revoked, &settings.server_certificate, &settings.client_certificate];
        for place in settings.authorities.iter().chain(single.into_iter().flatten()) {
            look_at_writers(&place.path, report);
        }
        let public = |keys: &[Certificate]| keys.iter().map(|key| key.public.clone()).collect::<Vec<_>>();
        let named = authorities::read_named(settings, [&public(serves), &public(own)]);
        named.faults.iter().for_each(|fault| report.add(fault.to_string()));
        self.certified.push(Certified::new(settings, named));
    }

    /// The users of PLAIN.
    fn read_users(&mut self, policy: &Policy, settings: &Settings, report: &mut Report) {
        if let Some(place) = &settings.users {
            look_at_writers(&place.path, report);
            match Users::read(&place.path) {
                Ok(users) if users.comparison(b"").is_none() => {
                    report.warn(format!("{}: no user in it: no client is let in", place.path.display()));
                }
                Ok(users) if !self.users.iter().any(|(path, _)| *path == place.path) => {
                    self.users.push((place.path.clone(), users));
                }
                Ok(_) => {}
                Err(fault) => tell(Some(fault), policy, place, report),
            }
        }
        if let Some(place) = &settings.password_file {
            look_at_writers(&place.path, report);
            match (read_password_file(&place.path), &settings.username) {
                (Ok(password), Some(user)) => {
                    let login = Login { user: user.clone(), file: place.path.clone(), password };
                    if !self.logins.contains(&login) {
                        self.logins.push(login);
                    }
                }
                (Ok(_), None) => {}
                (Err(fault), _) => tell(Some(fault), policy, place, report),
            }
        }
    }

    /// The keys of CURVE beside those of QZMQ.
    fn read_migration(&mut self, policy: &Policy, settings: &Settings, report: &mut Report) {
        let migration = &settings.migration;
        // What is wrong with these has been told.
        let mut told = Report::default();
        let server = settings.server_key.first().and_then(|place| secret(policy, place, &mut told));
        let known = settings.server_public.as_ref().and_then(|place| public(policy, place, &mut told));
        type Read = fn(&Policy, &Place, &mut Report) -> Option<Certificate>;
        let rows: [(_, Read, _, _); 3] = [
            (&migration.server_key, secret, &server, &mut self.serves),
            (&migration.client_key, secret, &known, &mut self.own),
            (&migration.server_public, public, &known, &mut self.trusts),
        ];
        for (place, read, main, kept) in rows {
            let Some(place) = place else { continue };
            let beside = read(policy, place, report);
            if let (Some(main), Some(beside)) = (main, &beside) {
                let named = Named { file: &policy.file, line: Some(place.line) };
                let kinds = (main.public.kind(), beside.public.kind());
                let fault = endpoint_keys::check_migration(named, kinds.0, kinds.1).err();
                fault.iter().for_each(|fault| report.add(fault.to_string()));
            }
            note(beside, place, kept);
        }
    }

    fn read_folder(&mut self, policy: &Policy, place: &Place, report: &mut Report) {
        look_at_writers(&place.path, report);
        look_at_certificates_in(&place.path, report);
        let mut folder = Folder::new(&place.path);
        let names = match folder.read() {
            Ok(names) => names,
            Err(fault) => return report.add(fault.named_by(&policy.file, place.line).to_string()),
        };
        let news = folder.take_news();
        for fault in news.told {
            report.add(format!("a certificate lets no client in: {fault}"));
        }
        if news.untold > 0 {
            report.add(format!(
                "{}: {} more certificates let no client in",
                place.path.display(),
                news.untold
            ));
        }
        if names.iter().next().is_none() {
            report.warn(format!("{}: no certificate (*.key): no client is let in", place.path.display()));
        }
        let Some(lets_in) = &mut self.lets_in else { return };
        for (key, owner) in names.iter() {
            let name = if let Owner::Named(name) = owner { name } else { "" };
            lets_in.insert(key.to_owned(), name.to_owned());
        }
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Login) -> bool {
        (&self.user, &self.file) == (&other.user, &other.file)
    }
}

impl Report {
    pub fn add(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    pub fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn tell(fault: Option<Fault>, policy: &Policy, place: &Place, report: &mut Report) {
    if let Some(fault) = fault {
        report.add(fault.named_by(&policy.file, place.line).to_string());
    }
}

fn note(certificate: Option<Certificate>, place: &Place, keys: &mut BTreeMap<String, PathBuf>) {
    keys.extend(certificate.map(|certificate| (certificate.fingerprint(), place.path.clone())));
}

fn secret(policy: &Policy, place: &Place, report: &mut Report) -> Option<Certificate> {
    look_at_writers(&place.path, report);
    match Certificate::read_secret(&place.path) {
        Ok(certificate) => {
            look_at_public_half(&place.path, &certificate, report);
            Some(certificate)
        }
        Err(fault) => {
            report.add(fault.named_by(&policy.file, place.line).to_string());
            None
        }
    }
}

fn public(policy: &Policy, place: &Place, report: &mut Report) -> Option<Certificate> {
    look_at_writers(&place.path, report);
    match Certificate::read_public(&place.path) {
        Ok(certificate) => {
            if certificate.secret.is_some() {
                report.warn(format!(
                    "{}: holds a secret key, of which this side needs the public half alone",
                    place.path.display()
                ));
            }
            Some(certificate)
        }
        Err(fault) => {
            report.add(fault.named_by(&policy.file, place.line).to_string());
            None
        }
    }
}

/// NAME.key beside NAME.key_secret is what other sides are given: it must be of the same pair.
fn look_at_public_half(secret: &Path, certificate: &Certificate, report: &mut Report) {
    if secret.extension().is_none_or(|suffix| suffix != SECRET_SUFFIX) {
        return;
    }
    let beside = secret.with_extension(PUBLIC_SUFFIX);
    if let Ok(public) = Certificate::read_public(&beside)
        && public.public != certificate.public
    {
        let (beside, secret) = (beside.display(), secret.display());
        report
            .add(format!("{beside}: not the public key of {secret}: give other sides that of the same pair"));
    }
}

/// Why the audit trail cannot be written there. The file itself is made by the first program that writes it.
fn unwritable(path: &Path) -> Option<Fault> {
    if zmq::audit::is_refused_link(path) {
        let what = "the audit trail cannot be written: it is a symbolic link";
        return Some(Fault::denial(path, None, what, "name the file that it leads to"));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (needed, rights, what_to_do) = match path.exists() {
        true => (path, Access::WRITE_OK, "let the program's user write to it"),
        false => (
            folder,
            Access::WRITE_OK | Access::EXEC_OK,
            "make the folder, and let the program's user write to it",
        ),
    };
    let error = io::Error::from(rustix::fs::access(needed, rights).err()?);
    Some(Fault::denial(
        path,
        None,
        format!("the audit trail cannot be written: {}", plain(&error)),
        what_to_do,
    ))
}

/// The folder itself has been looked at.
fn look_at_certificates_in(folder: &Path, report: &mut Report) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_certificate = |path: &PathBuf| path.extension().is_some_and(|suffix| suffix == PUBLIC_SUFFIX);
    let paths: BTreeSet<PathBuf> = entries.filter(is_certificate).collect();
    paths.iter().for_each(|path| look_at_mode(path, report));
}

/// Another user that may write to a file, or put another in its place, decides which peers the policy lets in.
fn look_at_writers(path: &Path, report: &mut Report) {
    look_at_mode(path, report);
    look_at_folders(path, OTHERS_WRITE, report);
}

fn look_at_mode(path: &Path, report: &mut Report) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode();
    if mode & OTHERS_WRITE != 0 {
        let path = path.display();
        report.add(format!(
            "{path}: other users may write to it (mode {:04o}): chmod go-w {path}",
            mode & 0o7777
        ));
    }
}

/// The folders above a file, up to the root: a user that may write to one can rename what is in it. In a sticky folder, such as /tmp,
/// only the owner of an entry can. `rights` are those that no other user should have.
fn look_at_folders(path: &Path, rights: u32, report: &mut Report) {
    let named = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A link can be replaced where it lies, and the file where it leads to.
    let led_to = fs::canonicalize(path).unwrap_or_default();
    let above = named.ancestors().skip(1).filter_map(|folder| fs::canonicalize(folder).ok());
    let folders: BTreeSet<PathBuf> = above.chain(led_to.ancestors().skip(1).map(Path::to_owned)).collect();
    for folder in folders {
        let Ok(metadata) = fs::metadata(&folder) else { continue };
        let mode = metadata.permissions().mode();
        if mode & rights != 0 && mode & STICKY == 0 {
            let folder = folder.display();
            report.add(format!(
                "{folder}: other users may write to it (mode {:04o}) and replace files below it: chmod go-w {folder}",
                mode & 0o7777
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::certificate::{Certificate as Pair, Files as KeyFiles, Metadata};
    use zmq::crypto::KemSuite;

    /// What is said of a file with these lines in `[default]`. There is a key `server` of X-Wing, and what each name holds besides.
    fn problems(lines: &str, named: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let pair = Certificate::generate_qzmq(None, KemSuite::XWing).unwrap();
        let pair = Pair::of(vec![Metadata::name("server").unwrap()], &pair).unwrap();
        KeyFiles::new(folder.path(), "server").unwrap().write(&pair).unwrap();
        for name in named {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o664)).unwrap();
        }
        let file = folder.path().join("security.toml");
        fs::write(&file, format!("[default]\n{lines}")).unwrap();
        let mut report = Report::default();
        Files::read(&Policy::read(&file).unwrap(), &mut report);
        report.problems.join("\n")
    }

    #[test]
    fn suites_have_to_fit_the_key_of_the_server_that_a_client_knows() {
        for (suite, fits) in [("xwing-aes256gcm", true), ("mlkem1024-aes256gcm", false)] {
            let said = problems(
                &format!("server_public = \"server.key\"\nqzmq = {{ suites = [\"{suite}\"] }}\n"),
                &[],
            );
            assert_eq!(!said.contains("\"suites\" has none for a key of"), fits, "{said}");
        }
    }

    #[test]
    fn files_about_certificates_that_others_may_write_are_told() {
        let names = ["home.authority", "revoked", "server.certificate", "client.certificate"];
        let [authority, revoked, server, client] = names;
        let said = problems(
            &format!(
                "authorities = \"{authority}\"\nrevoked = \"{revoked}\"\nserver_certificate = \"{server}\"\nclient_certificate = \"{client}\"\n"
            ),
            &names,
        );
        for name in names {
            assert!(said.contains(&format!("{name}: other users may write to it")), "{name}: {said}");
        }
    }

    #[test]
    fn folders_in_which_others_may_write_are_told_unless_they_are_sticky() {
        for (mode, is_told) in [(0o755, false), (0o775, true), (0o777, true), (0o1777, false)] {
            let root = tempfile::tempdir().unwrap();
            let (upper, folder) = (root.path().join("etc"), root.path().join("etc/zmq"));
            fs::create_dir_all(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
            fs::set_permissions(&upper, fs::Permissions::from_mode(mode)).unwrap();
            let (file, link) = (folder.join("security.toml"), root.path().join("security.toml"));
            fs::write(&file, "[default]\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::symlink(&file, &link).unwrap();
            for named in [&file, &link] {
                let mut report = Report::default();
                Files::read(&Policy::read(named).unwrap(), &mut report);
                let said = report.problems.join("\n");
                let wanted = format!("etc: other users may write to it (mode {mode:04o})");
                assert_eq!(said.contains(&wanted), is_told, "{said}");
            }
        }
    }

    #[test]
    fn certificates_of_clients_that_others_may_write_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("client.key");
        fs::write(&name, "").unwrap();
        fs::set_permissions(&name, fs::Permissions::from_mode(0o666)).unwrap();
        let mut report = Report::default();
        look_at_certificates_in(folder.path(), &mut report);
        assert!(report.problems.join("").contains("client.key: other users may write to it"));
    }
}
