//! Certificates: files of ZPL (RFC 4) with a key pair or its public half, as pyzmq and czmq write and read them.

use crate::failure::{Failure, plain};
use rustix::fs::OFlags;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;
use zmq::security::certificate::Certificate as Pair;
use zmq::z85;

const PUBLIC_SUFFIX: &str = ".key";
const FINGERPRINT_SUFFIX: &str = ".fingerprint.key";
const SECRET_SUFFIX: &str = ".key_secret";
pub const PUBLIC_MODE: u32 = 0o644;
pub const SECRET_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
const MAX_NAME_BYTES: usize = 200;
const MAX_METADATA_BYTES: usize = 1024;
/// A server takes a longer `name` for none.
const MAX_OWNER_BYTES: usize = 255;

const PUBLIC_HEAD: &str = "\
# ZeroMQ public certificate, made by ferrozmq keygen.
# Give it to the other side on a way on which no one can change it.
";
const FINGERPRINT_HEAD: &str = "\
# ZeroMQ QZMQ fingerprint, made by ferrozmq keygen.
# For a server's folder of clients: it stands where the public key of CURVE would.
";
const SECRET_HEAD: &str = "\
# ZeroMQ secret certificate, made by ferrozmq keygen.
# Keep it on this machine, readable for its owner alone.
";

/// A line of the metadata part.
#[derive(Debug)]
pub struct Metadata {
    name: String,
    value: String,
}

impl Metadata {
    /// Who a server says the key's owner is, whatever the file is called.
    pub fn name(name: &str) -> Result<Metadata, Failure> {
        Metadata::parse(&format!("name={name}"))
    }

    pub fn is_name(&self) -> bool {
        self.name == "name"
    }

    /// From `NAME=VALUE`. Both readers must find the same in it, so names and values that one of them takes apart are refused.
    pub fn parse(text: &str) -> Result<Metadata, Failure> {
        let refuse = |why: &str| Err(Failure::new(format!("--metadata {text:?}: {why}")));
        let Some((name, value)) = text.split_once('=') else { return refuse("write NAME=VALUE") };
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "$-_@.&+/".contains(c);
        if name.is_empty() || !name.chars().all(is_of_name) {
            return refuse("a name consists of letters, digits and $-_@.&+/");
        }
        if ["public-key", "secret-key", "curve", "metadata"].iter().any(|taken| name.starts_with(taken)) {
            return refuse("this name belongs to the certificate itself");
        }
        if value.chars().any(char::is_control) || value.contains('"') {
            return refuse("a value has no quotation marks, line ends or control characters");
        }
        if text.len() > MAX_METADATA_BYTES {
            return refuse("too long");
        }
        if name == "name" && !(1..=MAX_OWNER_BYTES).contains(&value.len()) {
            return refuse("the name of the key's owner has 1 to 255 bytes");
        }
        Ok(Metadata { name: name.to_owned(), value: value.to_owned() })
    }
}

/// What a certificate says. Keys are Z85.
#[derive(Debug)]
pub struct Certificate {
    pub metadata: Vec<Metadata>,
    pub public: String,
    /// Of a key of QZMQ: 32 bytes that stand for it, in Z85. Authenticators are told these.
    pub fingerprint: Option<String>,
    pub secret: Zeroizing<String>,
}

/// The files of a certificate.
#[derive(Debug)]
pub struct Files {
    pub public: PathBuf,
    /// Of a key of QZMQ alone.
    pub fingerprint: PathBuf,
    pub secret: PathBuf,
}

impl Files {
    pub fn new(folder: &Path, name: &str) -> Result<Files, Failure> {
        is_file_name(name)?;
        let file = |suffix| folder.join(format!("{name}{suffix}"));
        Ok(Files {
            public: file(PUBLIC_SUFFIX),
            fingerprint: file(FINGERPRINT_SUFFIX),
            secret: file(SECRET_SUFFIX),
        })
    }

    /// Writes all, or leaves none behind. Errors: one is there already; the folder takes no file.
    pub fn write(&self, certificate: &Certificate) -> Result<(), Failure> {
        let folder = self.public.parent().unwrap_or(Path::new("."));
        make_folder(folder)?;
        let fingerprint =
            certificate.fingerprint.as_ref().map(|_| (&self.fingerprint, PUBLIC_MODE, Half::Fingerprint));
        // The public file comes last, in one write: a server that watches the folder does not see half of it.
        let files = [
            Some((&self.secret, SECRET_MODE, Half::Secret)),
            fingerprint,
            Some((&self.public, PUBLIC_MODE, Half::Public)),
        ];
        let texts = files.into_iter().flatten();
        let texts = texts.map(|(file, mode, half)| (file.as_path(), mode, certificate.text(half)));
        create_all(folder, texts)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Half {
    Public,
    Fingerprint,
    Secret,
}

impl Certificate {
    /// What the files of a pair say.
    pub fn of(metadata: Vec<Metadata>, pair: &Pair) -> Result<Certificate, Failure> {
        let secret = pair.secret.as_ref().ok_or_else(|| Failure::new("there is no secret key"))?.z85();
        let fingerprint = match pair.public.curve() {
            Some(_) => None,
            None => {
                let text = z85::encode(&pair.public.credential());
                Some(text.map_err(|_| Failure::new("a fingerprint of the wrong size"))?.to_string())
            }
        };
        Ok(Certificate { metadata, public: pair.public_z85(), fingerprint, secret })
    }

    fn text(&self, half: Half) -> Zeroizing<String> {
        let lines: usize = self.metadata.iter().map(|line| line.name.len() + line.value.len() + 16).sum();
        // Of its full size at once: a String that grows leaves copies of the secret behind.
        let mut text =
            Zeroizing::new(String::with_capacity(1024 + lines + self.public.len() + self.secret.len()));
        text.push_str(match half {
            Half::Public => PUBLIC_HEAD,
            Half::Fingerprint => FINGERPRINT_HEAD,
            Half::Secret => SECRET_HEAD,
        });
        text.push_str("metadata\n");
        for Metadata { name, value } in &self.metadata {
            // Writing into a String does not fail.
            let _ = writeln!(text, "    {name} = \"{value}\"");
        }
        text.push_str("curve\n");
        let public = if half == Half::Fingerprint { self.fingerprint.as_ref() } else { None };
        let _ = writeln!(text, "    public-key = \"{}\"", public.unwrap_or(&self.public));
        if half == Half::Secret {
            let _ = writeln!(text, "    secret-key = \"{}\"", *self.secret);
        }
        text
    }
}

/// Errors: a name that no file should have.
pub fn is_file_name(name: &str) -> Result<(), Failure> {
    let is_fit = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with(['.', '-'])
        && !name.chars().any(|c| c == '/' || c == '"' || c.is_control());
    if is_fit {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--name {name:?}: a name has 1 to {MAX_NAME_BYTES} bytes, no slash or quotation mark, and does not begin with a dot or dash"
    )))
}

/// Makes the folder, for its owner alone, unless it is there.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(FOLDER_MODE).create(folder).map_err(|error| Failure::of(folder, &error))
}

/// A new file with this text and no more rights than `mode`, on disk when this returns.
pub fn create(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let flags = OFlags::NOFOLLOW.bits() as i32;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).custom_flags(flags);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::new(format!("{} is there already: remove it, or choose another --name", path.display()))
        }
        _ => Failure::of(path, &error),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        remove(path);
        Failure::of(path, &error)
    })
}

/// Creates all of these files in a folder, or leaves none of them behind.
pub fn create_all<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a Path, u32, Zeroizing<String>)>,
) -> Result<(), Failure> {
    let mut made = Vec::new();
    let written = files
        .into_iter()
        .try_for_each(|(file, mode, text)| create(file, mode, &text).inspect(|()| made.push(file)))
        .and_then(|()| sync_folder(folder));
    // A file that was there before is not among those that were made.
    written.inspect_err(|_| made.iter().for_each(|file| remove(file)))
}

/// Puts the names on disk as well.
fn sync_folder(folder: &Path) -> Result<(), Failure> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => Ok(()),
        result => result.map_err(|error| Failure::of(folder, &error)),
    }
}

pub fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        anstream::eprintln!("ferrozmq: {} is left behind: {}", path.display(), plain(&error));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use zmq::crypto::KemSuite;
    use zmq::security::certificate::Certificate as Read;

    #[test]
    fn files_that_may_not_be_on_disk_are_all_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        let text = || Zeroizing::new("text".to_owned());
        let files = || [(one.as_path(), SECRET_MODE, text()), (other.as_path(), PUBLIC_MODE, text())];
        // A folder that is not there cannot be synchronised.
        assert!(create_all(&folder.path().join("missing"), files()).is_err());
        assert!(!one.exists() && !other.exists());
        fs::write(&other, "before").unwrap();
        assert!(create_all(folder.path(), files()).is_err());
        assert!(!one.exists() && fs::read_to_string(&other).unwrap() == "before");
    }

    fn certificate() -> Certificate {
        Certificate {
            metadata: vec![Metadata::parse("mail=a@b.c").unwrap()],
            public: "P".repeat(40),
            fingerprint: None,
            secret: Zeroizing::new("S".repeat(40)),
        }
    }

    #[test]
    fn the_secret_is_in_one_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), "alice").unwrap();
        files.write(&certificate()).unwrap();
        let public = fs::read_to_string(&files.public).unwrap();
        let secret = fs::read_to_string(&files.secret).unwrap();
        assert!(public.ends_with(&format!(
            "metadata\n    mail = \"a@b.c\"\ncurve\n    public-key = \"{}\"\n",
            "P".repeat(40)
        )));
        assert!(!public.contains("SSSS") && secret.contains(&"S".repeat(40)));
        assert_eq!(fs::metadata(&files.secret).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn the_library_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), "alice").unwrap();
        let made = Read::generate(Some("Alice = it's # her".to_owned())).unwrap();
        let secret = made.secret.as_ref().unwrap().z85();
        let metadata = vec![Metadata::name(made.name.as_ref().unwrap()).unwrap()];
        files.write(&Certificate { metadata, public: made.public_z85(), fingerprint: None, secret }).unwrap();
        assert_eq!(Read::read_secret(&files.secret).unwrap(), made);
        assert_eq!(Read::read_public(&files.public).unwrap(), Read { secret: None, ..made });
    }

    /// The folder of allowed clients takes either public file.
    #[test]
    fn the_library_reads_the_files_of_qzmq() {
        for suite in KemSuite::ALL {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::new(folder.path(), "alice").unwrap();
            let made = Read::generate_qzmq(Some("alice".to_owned()), suite).unwrap();
            files.write(&Certificate::of(vec![Metadata::name("alice").unwrap()], &made).unwrap()).unwrap();
            assert_eq!(Read::read_secret(&files.secret).unwrap(), made);
            assert_eq!(fs::metadata(&files.secret).unwrap().permissions().mode() & 0o7777, 0o600);
            let (public, fingerprint) =
                (Read::read_public(&files.public).unwrap(), Read::read_public(&files.fingerprint).unwrap());
            assert_eq!(public, Read { secret: None, ..made });
            assert_eq!(fingerprint.fingerprint(), public.fingerprint());
            assert_eq!(fingerprint.public_z85().len(), 40);
        }
    }

    #[test]
    fn no_file_is_overwritten_and_none_left_alone() {
        for there in ["alice.key", "alice.key_secret"] {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::new(folder.path(), "alice").unwrap();
            fs::write(folder.path().join(there), "old").unwrap();
            let failure = files.write(&certificate()).unwrap_err();
            assert!(failure.line().contains(&format!("{there} is there already")), "{failure:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            assert_eq!(fs::read_to_string(folder.path().join(there)).unwrap(), "old");
        }
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), "alice").unwrap();
        symlink(folder.path().join("elsewhere"), &files.secret).unwrap();
        assert!(files.write(&certificate()).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_new_folder_is_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("keys");
        Files::new(&inside, "alice").unwrap().write(&certificate()).unwrap();
        assert_eq!(fs::metadata(inside).unwrap().permissions().mode() & 0o7777, 0o700);
    }

    #[test]
    fn names_and_metadata_that_cannot_be_are_refused() {
        for name in ["", ".", "..", ".hidden", "a/b", "-x", "a\nb", &"n".repeat(201)] {
            assert!(Files::new(Path::new("."), name).is_err(), "{name:?}");
        }
        for text in
            ["none", "=v", "a b=c", "n=\"", "n=a\nb", "public-key=x", "secret-keys=x", "curve=1", "name="]
        {
            assert!(Metadata::parse(text).is_err(), "{text:?}");
        }
        assert!(Metadata::name(&"n".repeat(256)).is_err());
        assert!(Metadata::parse("name=it's # = all right").is_ok());
    }
}
