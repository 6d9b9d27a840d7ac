//! What `import zmq` would use in a Python.

use super::findings::{Findings, How};
use crate::elf::{Elf, Zmq};
use crate::loader::{Scope, Surroundings};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Where pyzmq has its extensions.
const BACKEND: &str = "zmq/backend";
/// Folders deep that its extensions are looked for in.
const MAX_DEPTH: usize = 3;

pub fn is_interpreter(program: &Path) -> bool {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let Some(version) = name.strip_prefix("python").or(name.strip_prefix("pypy")) else { return false };
    version.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// Looks at the pyzmq that the interpreter would import.
pub fn look(interpreter: &Path, surroundings: &Surroundings, findings: &mut Findings) {
    let folders = packages(interpreter);
    let Some(backend) = folders.iter().map(|folder| folder.join(BACKEND)).find(|backend| backend.is_dir())
    else {
        let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        findings.note(format!("no pyzmq in {}", looked.join(", ")));
        return;
    };
    let mut extensions = Vec::new();
    collect(&backend, MAX_DEPTH, &mut extensions);
    let mut has_any = false;
    for path in extensions {
        let Ok(Some(elf)) = Elf::read(&path) else { continue };
        if elf.zmq == Zmq::Nothing {
            continue;
        }
        findings.note(format!("import zmq loads {}", path.display()));
        // An older pyzmq has several extensions, which all have the same libzmq.
        if has_any {
            continue;
        }
        has_any = true;
        let is_own = elf.zmq == Zmq::Inside || elf.zmq == Zmq::Exported && elf.is_symbolic;
        match elf.maker().filter(|_| is_own) {
            Some(maker) => findings.uses(&path, maker, How::Inside),
            None => findings.judge(&Scope::of(&path, elf, surroundings)),
        }
    }
    if !has_any {
        findings.note(format!("no extension for libzmq in {}", backend.display()));
    }
}

/// The folders of packages, in the order in which the interpreter looks.
fn packages(interpreter: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PYTHONPATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let prefix = |program: &Path| program.parent().and_then(Path::parent).map(Path::to_owned);
    if let Some(prefix) = prefix(interpreter)
        && let Ok(settings) = fs::read_to_string(prefix.join("pyvenv.cfg"))
    {
        folders.extend(site(&prefix, None));
        let sees_system = settings
            .lines()
            .any(|line| line.replace(' ', "").to_lowercase() == "include-system-site-packages=true");
        if !sees_system {
            return folders;
        }
    }
    let real = fs::canonicalize(interpreter).unwrap_or_else(|_| interpreter.to_owned());
    let version =
        real.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("python"));
    let version = version.filter(|version| version.contains('.'));
    if let Some(home) = env::var_os("HOME") {
        folders.extend(site(&Path::new(&home).join(".local"), version));
    }
    if let Some(prefix) = prefix(&real) {
        folders.extend(site(&prefix.join("local"), version));
        folders.extend(site(&prefix, version));
        folders.push(prefix.join("lib/python3/dist-packages"));
    }
    folders
}

/// The folders of packages below a prefix, for one version or, where that is not known, for all that are there.
fn site(prefix: &Path, version: Option<&str>) -> Vec<PathBuf> {
    let mut versions: Vec<PathBuf> = Vec::new();
    for lib in ["lib", "lib64"].map(|name| prefix.join(name)) {
        match version {
            Some(version) => versions.push(lib.join(format!("python{version}"))),
            None => versions.extend(inside(&lib).into_iter().filter(|path| is_interpreter(path))),
        }
    }
    let both = |folder: PathBuf| [folder.join("site-packages"), folder.join("dist-packages")];
    versions.into_iter().flat_map(both).filter(|folder| folder.is_dir()).collect()
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for path in inside(folder) {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found);
        } else if path.extension().is_some_and(|extension| extension == "so") {
            found.push(path);
        }
    }
}

/// What is in a folder, by name.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn interpreters_are_known_by_name() {
        for name in ["python", "python3", "/usr/bin/python3.11", "pypy3"] {
            assert!(is_interpreter(Path::new(name)), "{name}");
        }
        for name in ["pythonista", "ipython3", "bash", "/usr/bin/"] {
            assert!(!is_interpreter(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_venv_has_its_own_packages() {
        let folder = tempfile::tempdir().unwrap();
        let packages_folder = folder.path().join("lib/python3.11/site-packages");
        fs::create_dir_all(&packages_folder).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("pyvenv.cfg"), "include-system-site-packages = false\n").unwrap();
        let found = packages(&folder.path().join("bin/python"));
        assert_eq!(found.last(), Some(&packages_folder));
    }
}
