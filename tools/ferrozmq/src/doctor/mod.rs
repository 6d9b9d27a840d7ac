//! `ferrozmq doctor`.

mod findings;
mod process;
mod python;
mod shim;

use crate::cli::Doctor;
use crate::elf::{Elf, Zmq};
use crate::failure::{self, Failure};
use crate::library::Library;
use crate::loader::{Scope, Surroundings};
use crate::outcome::Outcome;
use crate::program::{self, Program};
use findings::{Findings, How, Subject};
use std::env;
use std::ffi::OsStr;
use std::path::Path;

/// The name that programs linked with libzmq ask the loader for.
const SONAME: &str = "libzmq.so.5";

pub fn run(options: &Doctor) -> Result<Outcome, Failure> {
    let findings = match options.subject.as_deref() {
        None => environment()?,
        Some(subject) => match process_id(subject) {
            Some(pid) => process::look(pid)?,
            None => program(subject)?,
        },
    };
    failure::print(&match options.json {
        true => findings.json(),
        false => findings.text(Library::find().ok().as_ref()),
    })?;
    Ok(findings.outcome())
}

/// Digits alone are a process, unless a file here is called so.
fn process_id(subject: &OsStr) -> Option<u32> {
    let pid = subject.to_str()?.parse().ok()?;
    (!Path::new(subject).exists()).then_some(pid)
}

/// What any program that is linked with libzmq would get.
fn environment() -> Result<Findings, Failure> {
    let tool = env::current_exe().map_err(|error| Failure::of(Path::new("/proc/self/exe"), &error))?;
    let elf = Elf::read(&tool).map_err(|error| Failure::of(&tool, &error))?;
    let elf = elf.ok_or_else(|| Failure::new(format!("{}: not an ELF file", tool.display())))?;
    let mut findings = Findings::new("a program linked with libzmq.so.5", Subject::Environment);
    findings.judge(&Scope::of_name(SONAME, elf.target, &Surroundings::here()));
    match Library::find() {
        Ok(library) => {
            let version = library.version.unwrap_or_default();
            findings.note(format!("this tool's library is ferrozmq {version}: {}", library.path.display()));
        }
        Err(failure) => findings.note(failure.line()),
    }
    Ok(findings)
}

fn program(name: &OsStr) -> Result<Findings, Failure> {
    let program = Program::find(name)?;
    let mut findings = Findings::new(program.path.display(), Subject::Program);
    if program.image != program.path {
        findings.note(format!("a script, run by {}", program.image.display()));
    }
    if program::is_privileged(&program.image) {
        findings.note(
            "setuid or with file capabilities: the loader ignores LD_PRELOAD and LD_LIBRARY_PATH for it",
        );
    }
    let surroundings = match program::is_privileged(&program.image) {
        true => Surroundings::default(),
        false => Surroundings::here(),
    };
    // A shim is a script of a shell, also where a script names it as its interpreter.
    if let Some(shim) = [&program.image, &program.path].into_iter().find(|path| shim::is_shim(path)) {
        match shim::behind(shim, &shim::Surroundings::here()) {
            Some(interpreter) => {
                findings.note(format!("{} is a shim of pyenv for {}", shim.display(), interpreter.display()));
                python::look(&interpreter, &surroundings, &mut findings);
            }
            None => {
                findings.note(format!("{} is a shim of pyenv, which has no such version", shim.display()))
            }
        }
        return Ok(findings);
    }
    if python::is_interpreter(&program.image) {
        python::look(&program.image, &surroundings, &mut findings);
        return Ok(findings);
    }
    if python::is_interpreter(&program.path) {
        findings.note("it starts another program, which is the one to name here");
    }
    let elf = Elf::read(&program.image).map_err(|error| Failure::of(&program.image, &error))?;
    let elf = elf.ok_or_else(|| Failure::new(format!("{}: not a program", program.image.display())))?;
    if elf.interpreter.is_none() && elf.is_program && elf.soname.is_none() {
        findings.note("statically linked: the loader has no part in it");
    }
    if let (Zmq::Inside | Zmq::Exported, Some(maker), None) = (elf.zmq, elf.maker(), &elf.soname) {
        findings.uses(&program.image, maker, How::Inside);
        return Ok(findings);
    }
    findings.judge(&Scope::of(&program.image, elf, &surroundings));
    Ok(findings)
}
