//! A program as a shell would find it.

use crate::failure::Failure;
use rustix::fs::getxattr;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the kernel reads of a script's first line.
const MAX_LINE_BYTES: u64 = 256;
/// How many interpreters may stand one behind the other.
const MAX_INTERPRETERS: usize = 4;
const SET_USER_ID: u32 = 0o4000;
const SET_GROUP_ID: u32 = 0o2000;

#[derive(Debug)]
pub struct Program {
    /// The file that was named.
    pub path: PathBuf,
    /// The file that is executed: of a script, its interpreter.
    pub image: PathBuf,
    /// The arguments that a script's first line gives its interpreter.
    pub script_arguments: Vec<OsString>,
}

impl Program {
    /// Looks in PATH, unless the name has a slash.
    pub fn find(name: &OsStr) -> Result<Program, Failure> {
        let path = match name.as_bytes().contains(&b'/') {
            true => Some(PathBuf::from(name)).filter(|path| path.exists()),
            false => on_path(name),
        };
        let path = path.ok_or_else(|| Failure::new(format!("{}: no such program", name.display())))?;
        let mut program = Program { image: path.clone(), path, script_arguments: Vec::new() };
        for _ in 0..MAX_INTERPRETERS {
            let Some((interpreter, argument)) = first_line(&program.image) else { break };
            program.image = interpreter;
            program.script_arguments.splice(0..0, argument);
        }
        program.skip_env();
        Ok(program)
    }

    /// `#!/usr/bin/env python3` stands for python3 in PATH.
    fn skip_env(&mut self) {
        if self.image.file_name() != Some(OsStr::new("env")) {
            return;
        }
        let words =
            self.script_arguments.iter().flat_map(|text| text.as_bytes().split(u8::is_ascii_whitespace));
        let is_name = |word: &&[u8]| !word.is_empty() && !word.starts_with(b"-") && !word.contains(&b'=');
        let name = words.into_iter().find(is_name).map(OsStr::from_bytes);
        if let Some(found) = name
            .and_then(|name| if name.as_bytes().contains(&b'/') { Some(name.into()) } else { on_path(name) })
        {
            self.image = found;
        }
    }
}

/// Whether the kernel gives the program more rights than its caller has. The loader then heeds no variables.
pub fn is_privileged(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    let mode = metadata.permissions().mode();
    let changes_user = mode & SET_USER_ID != 0 && metadata.uid() != rustix::process::geteuid().as_raw();
    let changes_group = mode & SET_GROUP_ID != 0 && metadata.gid() != rustix::process::getegid().as_raw();
    let is_root = rustix::process::geteuid().is_root();
    // File capabilities change nothing for root.
    changes_user || changes_group || !is_root && getxattr(path, "security.capability", &mut [0u8; 64]).is_ok()
}

fn on_path(name: &OsStr) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|folder| folder.join(name));
    found.into_iter().find(|file| {
        fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

/// The interpreter of a script and its argument.
fn first_line(path: &Path) -> Option<(PathBuf, Option<OsString>)> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(MAX_LINE_BYTES).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at_checked(end)?;
    let argument = Some(argument.trim_ascii()).filter(|argument| !argument.is_empty());
    let interpreter = PathBuf::from(OsStr::from_bytes(interpreter));
    Some((interpreter, argument.map(|argument| OsString::from_vec(argument.to_vec()))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn scripts_lead_to_their_interpreters() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let shell = on_path(OsStr::new("sh")).unwrap();
        let cases = [
            ("#!/bin/sh -e\n".to_owned(), PathBuf::from("/bin/sh")),
            ("#! /usr/bin/env sh\n".to_owned(), shell.clone()),
            ("#!/usr/bin/env -S A=b sh -x\n".to_owned(), shell),
            ("no script".to_owned(), script.clone()),
            ("#!".to_owned(), PathBuf::new()),
        ];
        for (text, image) in cases {
            fs::write(&script, &text).unwrap();
            assert_eq!(Program::find(script.as_os_str()).unwrap().image, image, "{text:?}");
        }
    }

    #[test]
    fn names_are_looked_for_in_path() {
        assert!(Program::find(OsStr::new("sh")).unwrap().path.ends_with("sh"));
        assert!(Program::find(OsStr::new("no-such-program-at-all")).is_err());
        assert!(Program::find(OsStr::new("./no-such-program")).is_err());
    }

    #[test]
    fn privileged_programs_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program");
        fs::write(&file, "").unwrap();
        // One's own file changes no user.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(!is_privileged(&file));
    }
}
