//! The interpreter that a shim of pyenv starts. A shim is a script in `ROOT/shims`, for which pyenv chooses among `ROOT/versions`.
//!
//! pyenv's rules: `PYENV_VERSION`, else the `.python-version` of the nearest folder from here upwards, else `ROOT/version`. Each names
//! versions, of which the first counts that has the program. `system` is what PATH finds behind the shims.

use std::cmp::Reverse;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the rules look.
pub struct Surroundings {
    /// `PYENV_VERSION`.
    pub version: Option<String>,
    /// The current folder.
    pub folder: PathBuf,
    /// PATH.
    pub path: Vec<PathBuf>,
}

impl Surroundings {
    pub fn here() -> Surroundings {
        Surroundings {
            version: env::var("PYENV_VERSION").ok().filter(|version| !version.is_empty()),
            folder: env::current_dir().unwrap_or_default(),
            path: env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
        }
    }
}

/// Whether a program is a shim of pyenv.
pub fn is_shim(program: &Path) -> bool {
    root(program).is_some()
}

/// The interpreter behind a shim; `None` where pyenv would start none.
pub fn behind(shim: &Path, surroundings: &Surroundings) -> Option<PathBuf> {
    let (root, name) = (root(shim)?, shim.file_name()?);
    let versions = surroundings.version.clone().or_else(|| local(&surroundings.folder));
    let versions = versions.or_else(|| fs::read_to_string(root.join("version")).ok());
    let versions = versions.unwrap_or_else(|| "system".to_owned());
    let named =
        versions.split([':', '\n']).map(|version| version.split('#').next().unwrap_or_default().trim());
    named.filter(|version| !version.is_empty()).find_map(|version| match version {
        "system" => surroundings
            .path
            .iter()
            .filter(|folder| **folder != root.join("shims"))
            .map(|folder| folder.join(name))
            .find(|program| program.is_file()),
        version => in_versions(&root.join("versions"), version, name),
    })
}

/// The root of pyenv, of one of its shims.
fn root(program: &Path) -> Option<&Path> {
    let shims = program.parent().filter(|folder| folder.file_name() == Some(OsStr::new("shims")))?;
    shims.parent().filter(|root| root.join("versions").is_dir())
}

/// What the nearest `.python-version` says.
fn local(folder: &Path) -> Option<String> {
    folder.ancestors().find_map(|folder| fs::read_to_string(folder.join(".python-version")).ok())
}

/// The program of a version, or of the latest that begins with it: `3.11` stands for `3.11.7`.
fn in_versions(versions: &Path, version: &str, name: &OsStr) -> Option<PathBuf> {
    let program =
        |version: &str| Some(versions.join(version).join("bin").join(name)).filter(|file| file.is_file());
    program(version).or_else(|| {
        let beginning = format!("{version}.");
        let entries = fs::read_dir(versions).ok()?.flatten();
        let mut found: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        found.retain(|found| found.starts_with(&beginning));
        found.sort_by_key(|found| {
            Reverse(found.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>())
        });
        found.iter().find_map(|version| program(version))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_chosen_as_pyenv_does() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join(".pyenv");
        for version in ["3.9.18", "3.11.7", "3.11.10"] {
            let bin = root.join("versions").join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            fs::write(bin.join("python3"), "").unwrap();
        }
        let shim = root.join("shims/python3");
        fs::create_dir(root.join("shims")).unwrap();
        fs::write(&shim, "#!/usr/bin/env bash\n").unwrap();
        let (project, system) = (home.path().join("project/below"), home.path().join("bin"));
        fs::create_dir_all(&project).unwrap();
        fs::create_dir(&system).unwrap();
        fs::write(system.join("python3"), "").unwrap();
        let chosen = |version: Option<&str>| {
            let (version, folder) = (version.map(str::to_owned), project.clone());
            let path = vec![root.join("shims"), system.clone()];
            behind(&shim, &Surroundings { version, folder, path })
        };
        let of = |version: &str| Some(root.join("versions").join(version).join("bin/python3"));
        assert!(is_shim(&shim) && !is_shim(&system.join("python3")));
        assert_eq!(chosen(None), Some(system.join("python3")), "without a word");
        fs::write(root.join("version"), "3.9.18\n").unwrap();
        assert_eq!(chosen(None), of("3.9.18"));
        fs::write(home.path().join("project/.python-version"), "# ours\n3.8.1\n3.11\n").unwrap();
        assert_eq!(chosen(None), of("3.11.10"), "the first that is there, and its latest");
        assert_eq!(chosen(Some("3.11.7:system")), of("3.11.7"));
        assert_eq!(chosen(Some("system")), Some(system.join("python3")));
        assert_eq!(chosen(Some("2.7")), None);
    }
}
