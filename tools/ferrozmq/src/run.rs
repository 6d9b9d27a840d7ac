//! `ferrozmq run`.

use crate::cli::Run;
use crate::elf::{self, Elf, Zmq};
use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND, RUN_FAILED, plain};
use crate::library::Library;
use crate::loader::PRELOAD;
use crate::outcome::Outcome;
use crate::program::{self, Program};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

const SECURITY: &str = "FERROZMQ_SECURITY";
const AUDIT: &str = "FERROZMQ_AUDIT";
const STATS: &str = "FERROZMQ_STATS";

const STATIC: &str =
    "it is linked statically and ignores LD_PRELOAD: link it with libzmq.so.5, or with ferrozmq's libzmq.a";
const PRIVILEGED: &str = "it is setuid or has file capabilities, so the loader ignores LD_PRELOAD: \
    install ferrozmq as the system's libzmq.so.5";
const INSIDE: &str = "a libzmq is linked into it, which LD_PRELOAD does not replace: \
    link it with libzmq.so.5, or with ferrozmq's libzmq.a";

/// Becomes the program. Returns only if that is not possible.
pub fn run(options: &Run) -> Result<Outcome, Failure> {
    let Some((name, arguments)) = options.program.split_first() else {
        return Err(Failure::new("no program was named").with_code(RUN_FAILED));
    };
    let library = Library::find().map_err(|failure| failure.with_code(RUN_FAILED))?;
    let program = Program::find(name).map_err(|failure| failure.with_code(NOT_FOUND))?;
    check(&program, &library)?;
    let mut command = Command::new(&program.path);
    command.arg0(name).args(arguments).env(PRELOAD, preload(&library.path, env::var_os(PRELOAD))?);
    for (variable, path) in settings(options, &library)? {
        command.env(variable, path);
    }
    let error = command.exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE };
    Err(Failure::new(format!("{}: {}", program.path.display(), plain(&error))).with_code(code))
}

/// Refuses a program that the loader would not give the library to: it would run as before, without a word.
fn check(program: &Program, library: &Library) -> Result<(), Failure> {
    let refuse =
        |why: String| Err(Failure::new(format!("{}: {why}", program.image.display())).with_code(RUN_FAILED));
    let elf = match Elf::read(&program.image) {
        Ok(Some(elf)) => elf,
        Ok(None) => {
            return Err(
                Failure::new(format!("{}: not a program", program.image.display())).with_code(NOT_EXECUTABLE)
            );
        }
        // A program may be executable and not readable. It is started: execve has the last word.
        Err(_) => return Ok(()),
    };
    if elf.target != library.target {
        return refuse(format!("it is for another architecture than {}", library.path.display()));
    }
    if elf.interpreter.is_none() {
        return refuse(STATIC.to_owned());
    }
    if program::is_privileged(&program.image) {
        return refuse(PRIVILEGED.to_owned());
    }
    match elf.zmq {
        Zmq::Inside | Zmq::Exported => refuse(INSIDE.to_owned()),
        Zmq::Called | Zmq::Nothing => Ok(()),
    }
}

/// The variables of the options, with absolute paths: the program may go to another folder.
fn settings(options: &Run, library: &Library) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
    let given = [
        (SECURITY, "--security", &options.security),
        (AUDIT, "--audit", &options.audit),
        (STATS, "--stats", &options.stats),
    ];
    let mut settings = Vec::new();
    for (variable, option, path) in given {
        let Some(path) = path else { continue };
        // A library that does not read the variable would leave the program as it is, without a word.
        if !elf::mentions(&library.path, variable) {
            let line = format!(
                "{option}: {} does not know {variable}; take a newer library",
                library.path.display()
            );
            return Err(Failure::new(line).with_code(RUN_FAILED));
        }
        let path = absolute(path).map_err(|error| Failure::of(path, &error).with_code(RUN_FAILED))?;
        settings.push((variable, path));
    }
    if let Some(security) = &options.security {
        std::fs::File::open(security).map_err(|error| Failure::of(security, &error).with_code(RUN_FAILED))?;
    }
    Ok(settings)
}

/// The library before what is preloaded already.
fn preload(library: &Path, before: Option<OsString>) -> Result<OsString, Failure> {
    let is_apart = |byte: &u8| matches!(byte, b' ' | b':');
    if library.as_os_str().as_bytes().iter().any(is_apart) {
        let line = format!(
            "{}: LD_PRELOAD takes no path with a space or colon: put the library elsewhere",
            library.display()
        );
        return Err(Failure::new(line).with_code(RUN_FAILED));
    }
    let mut value = library.as_os_str().to_owned();
    if let Some(before) = before.filter(|before| !before.is_empty()) {
        value.push(OsStr::new(":"));
        value.push(before);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_library_comes_first() {
        let library = Path::new("/opt/lib/libzmq.so.5");
        assert_eq!(preload(library, None).unwrap(), "/opt/lib/libzmq.so.5");
        assert_eq!(preload(library, Some("".into())).unwrap(), "/opt/lib/libzmq.so.5");
        assert_eq!(preload(library, Some("/a.so b.so".into())).unwrap(), "/opt/lib/libzmq.so.5:/a.so b.so");
        assert!(preload(Path::new("/my lib/libzmq.so.5"), None).is_err());
    }
}
