//! The USDT probes of the shared library: those that `docs/observability.md` promises, with as many arguments, and also once it is
//! stripped.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of probes, and how many arguments each has.
type Probes = BTreeMap<String, usize>;

#[test]
fn the_page_has_the_probes_of_the_library() {
    let built = notes(&library());
    assert!(built.len() >= 7, "{built:?}");
    assert_eq!(built, table(), "the notes of the library, and the table of the page");
}

#[test]
fn every_probe_has_a_line_of_bpftrace_that_suits_it() {
    let page = page();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("bpftrace ")).collect();
    for (name, arguments) in table() {
        let place = format!(":ferrozmq:{name} ");
        let line = lines.iter().find(|line| line.contains(&place)).expect(&name);
        assert!(
            line.matches(":ferrozmq:").count() == line.matches(&place).count(),
            "one probe a line: {line}"
        );
        let used = line.match_indices("arg").map(|(at, _)| line[at + 3..].chars().next().unwrap());
        let used: Vec<usize> = used.map(|digit| digit.to_digit(10).unwrap() as usize).collect();
        assert!(!used.is_empty() && used.iter().all(|argument| *argument < arguments), "{name}: {line}");
        let closed = |open: char, close: char| line.matches(open).count() == line.matches(close).count();
        assert!(closed('(', ')') && closed('{', '}') && line.ends_with("}'"), "{line}");
    }
}

#[test]
fn a_stripped_library_keeps_them() {
    let stripped = library().with_file_name(format!("libzmq.stripped.{}", std::process::id()));
    // As `make install` does.
    let arguments = ["--strip-unneeded".as_ref(), "-o".as_ref(), stripped.as_os_str()];
    let outcome = Command::new("strip").args(arguments).arg(library()).status().unwrap();
    assert!(outcome.success());
    let kept = notes(&stripped);
    fs::remove_file(&stripped).unwrap();
    assert_eq!(kept, notes(&library()));
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/observability.md")).unwrap()
}

/// The probes of the page: the rows of its table.
fn table() -> Probes {
    let page = page();
    let (_, rows) = page.split_once("| probe | when | arguments |\n|---|---|---|\n").expect("the table");
    let rows = rows.lines().take_while(|line| line.starts_with('|'));
    let probe = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, _, arguments, _] = cells[..] else { panic!("{row}") };
        (name.trim_matches('`').to_owned(), arguments.split(", ").count())
    };
    rows.map(probe).collect()
}

/// The probes of a file. Each may be at several places, and has as many arguments at all of them.
fn notes(file: &Path) -> Probes {
    let output = Command::new("readelf").args(["--notes", "--wide"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut probes = Probes::new();
    let mut name = None;
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines().map(str::trim) {
        if let Some(provider) = line.strip_prefix("Provider: ") {
            assert_eq!(provider, "ferrozmq");
        } else if let Some(probe) = line.strip_prefix("Name: ") {
            name = Some(probe.to_owned());
        } else if let Some(places) = line.strip_prefix("Location: ") {
            // The base lies in front of the code. A note of code that the linker has taken out has a small number.
            let mut numbers = places.split(", ").map(|part| {
                let (_, digits) = part.split_once("0x").expect("a number");
                u64::from_str_radix(digits, 16).unwrap()
            });
            let (location, base) = (numbers.next().unwrap(), numbers.next().unwrap());
            assert!(location > base, "{name:?} is at {location:#x}, where there is no code");
        } else if let Some(arguments) = line.strip_prefix("Arguments: ") {
            let (name, count) = (name.take().expect("a name"), arguments.split_whitespace().count());
            assert_eq!(*probes.entry(name).or_insert(count), count, "{line}");
        }
    }
    probes
}

/// Beside the test programs; the file one folder above may be that of an earlier build.
fn library() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("libzmq.so")
}
