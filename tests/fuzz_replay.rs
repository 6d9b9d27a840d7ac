//! What fuzzing has found, and the vulnerabilities that libzmq has had, shown to every target of `fuzz/` again: in each build,
//! without what fuzzing itself needs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code)]
mod fuzz;
#[path = "support/allocations.rs"]
#[allow(dead_code)]
mod allocations;

use allocations::most_held_here;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// No input makes a target hold more than this, in bytes, nor more than so many times its own length on top.
const MAX_HELD: usize = 2 << 20;
const MAX_TIMES_HELD: usize = 64;
/// The corpus of a target stays small, in bytes.
const LARGEST_CORPUS: u64 = 16 * 1024;

#[test]
fn what_is_known_does_no_harm() {
    let known = fuzz::known::all();
    for (name, _) in fuzz::TARGETS {
        assert!(known.iter().any(|(target, ..)| *target == name), "{name} has no input to begin with");
    }
    // For libFuzzer to begin with; `fuzz/run` asks for it.
    let seeds = std::env::var_os("FERROZMQ_WRITE_SEEDS").map(PathBuf::from);
    for (target, name, bytes) in known {
        if let Some(folder) = seeds.as_ref().map(|seeds| seeds.join(target)) {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), &bytes).unwrap();
        }
        show(target, name, &bytes);
    }
}

#[test]
fn what_fuzzing_has_found_does_no_harm() {
    for (target, _) in fuzz::TARGETS {
        let mut size = 0;
        for file in inputs(target) {
            let bytes = fs::read(&file).unwrap();
            size += bytes.len() as u64;
            show(target, &file.display().to_string(), &bytes);
        }
        assert!(size > 0, "{target} has no corpus; see fuzz/run --keep");
        assert!(size <= LARGEST_CORPUS, "the corpus of {target} has {size} bytes");
    }
}

/// Every beginning of every input that is known: peers stop at any byte.
#[test]
fn what_ends_too_early_does_no_harm() {
    for (target, name, bytes) in fuzz::known::all() {
        let step = if ["curve", "dialogue", "qzmq"].contains(&target) { 7 } else { 1 };
        for end in (0..bytes.len().min(400)).step_by(step) {
            show(target, &format!("{name}, {end} bytes"), &bytes[..end]);
        }
    }
}

#[test]
fn every_target_has_a_program() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for (name, _) in fuzz::TARGETS {
        assert!(folder().join("fuzz_targets").join(name).with_extension("rs").is_file(), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), fuzz::TARGETS.len());
}

/// Runs a target on an input, and says which it was where that goes wrong.
fn show(target: &str, name: &str, bytes: &[u8]) {
    let (_, run) =
        fuzz::TARGETS.into_iter().find(|(known, _)| *known == target).expect("a target of this name");
    let (held, outcome) = most_held_here(|| catch_unwind(AssertUnwindSafe(|| run(bytes))));
    assert!(outcome.is_ok(), "{target}: {name}");
    assert!(held <= MAX_HELD + MAX_TIMES_HELD * bytes.len(), "{target}: {name} holds {held} bytes");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder().join("corpus").join(target)) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
