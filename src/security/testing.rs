//! Folders and key files for the tests of this module.
#![allow(clippy::unwrap_used)]

use super::certificate::Certificate;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder, which the test removes.
pub fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("ferrozmq-security-{}-{number}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    folder
}

/// Writes NAME.key and NAME.key_secret.
pub fn write_pair(folder: &Path, name: &str, pair: &Certificate) {
    let owner = pair.name.iter().map(|owner| format!("    name = \"{owner}\"\n")).collect::<String>();
    let public = format!("metadata\n{owner}curve\n    public-key = \"{}\"\n", pair.public_z85());
    let secret = pair.secret.as_ref().unwrap().z85();
    let secret_file = folder.join(format!("{name}.key_secret"));
    fs::write(folder.join(format!("{name}.key")), &public).unwrap();
    fs::write(&secret_file, format!("{public}    secret-key = \"{}\"\n", *secret)).unwrap();
    fs::set_permissions(secret_file, Permissions::from_mode(0o600)).unwrap();
}
