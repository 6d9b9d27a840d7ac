//! The certificates that the system trusts.
//!
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` of the environment name others, as they do for OpenSSL. A program with more rights than its caller takes
//! the system's own alone: the caller would else choose which servers the program trusts.

use rustls::pki_types::CertificateDer;
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use std::path::Path;

/// Where systems keep all that they trust in one file.
const FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];
/// The same, a file for each.
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The certificates; those that cannot be read are left out. `is_secure`: the program has more rights than its caller.
pub fn certificates(is_secure: bool) -> Vec<CertificateDer<'static>> {
    if !is_secure {
        return load_native_certs().certs;
    }
    let (file, folder) = (first(&FILES), first(&FOLDERS));
    // A file has all that the folder has.
    load_certs_from_paths(file, folder.filter(|_| file.is_none())).certs
}

/// The first that is there.
fn first(paths: &[&'static str]) -> Option<&'static Path> {
    paths.iter().copied().map(Path::new).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_more_rights_takes_those_of_the_system() {
        assert!(FILES.iter().chain(&FOLDERS).all(|path| Path::new(path).is_absolute()));
        let is_there = |path: &&str| Path::new(path).exists();
        if FILES.iter().any(is_there) {
            assert!(!certificates(true).is_empty());
        }
    }
}
