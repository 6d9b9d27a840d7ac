//! The law of the layers: `src/lib.rs` lists the modules from the bottom up, and each uses only those above it in
//! that list. Only those marked † there may hold `unsafe`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod boundary;
mod circles;
mod impls;
mod statics;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 70;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "base", "misc"];

/// One line `pub mod x; // †` of `src/lib.rs`, or `pub(crate) mod x;`.
struct Layer {
    name: String,
    may_hold_unsafe: bool,
}

/// A source file, as the module path of what it holds: `src/pipe/hwm.rs` is `["pipe", "hwm"]`.
struct Source {
    file: PathBuf,
    module: Vec<String>,
    text: String,
}

#[test]
fn modules_use_only_those_above_them() {
    let layers = layers();
    let place = |name: &str| layers.iter().position(|layer| layer.name == name);
    let mut broken = Vec::new();
    for source in sources() {
        let Some(here) = source.module.first().and_then(|name| place(name)) else { continue };
        for used in roots_used(&code_of(&source.text), source.module.len()) {
            if place(&used).is_some_and(|there| there > here) {
                broken.push(format!("{} uses {used}, which stands below it", source.file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_is_in_the_list() {
    let layers = layers();
    assert!(layers.len() > 10, "src/lib.rs does not list the modules one to a line any more");
    for source in sources() {
        let name = &source.module[0];
        assert!(layers.iter().any(|layer| &layer.name == name), "{name} is not in src/lib.rs");
    }
}

#[test]
fn only_marked_modules_hold_unsafe_code() {
    let sources = sources();
    for layer in layers().iter().filter(|layer| !layer.may_hold_unsafe) {
        let root = sources.iter().find(|source| source.module == [layer.name.clone()]).expect("its file");
        let opens = root.text.lines().take_while(|line| line.is_empty() || line.starts_with(['/', '#']));
        let forbids = opens.into_iter().any(|line| line == "#![forbid(unsafe_code)]");
        assert!(forbids, "{} must open with #![forbid(unsafe_code)]", root.file.display());
    }
}

#[test]
fn names_say_what_is_inside() {
    for source in sources() {
        let name = source.module.last().unwrap();
        assert!(
            !EMPTY_NAMES.contains(&name.as_str()),
            "{} has a name that says nothing",
            source.file.display()
        );
    }
}

#[test]
fn files_and_functions_stay_readable() {
    let mut long = Vec::new();
    for source in sources() {
        let code = code_of(&source.text);
        let lines = code.lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{}: {lines} lines without its tests", source.file.display()));
        }
        for (name, lines) in functions(&code) {
            if lines > LONGEST_FUNCTION {
                long.push(format!("{}: fn {name} has {lines} lines", source.file.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

fn layers() -> Vec<Layer> {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    let entries = text.lines().filter_map(|line| {
        let declared = line.strip_prefix("pub mod ").or(line.strip_prefix("pub(crate) mod "));
        declared?.split_once(';')
    });
    entries.map(|(name, rest)| Layer { name: name.to_owned(), may_hold_unsafe: rest.contains('†') }).collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&src(), &mut found);
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.is_dir() {
            collect(&file, found);
            continue;
        }
        let path = file.strip_prefix(src()).unwrap().with_extension("");
        let mut module: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        if file.extension().is_some_and(|extension| extension == "rs") && module != ["lib"] {
            let text = fs::read_to_string(&file).unwrap();
            found.push(Source { file, module, text });
        }
    }
}

/// `text` without comments and without the tests at its end, which may reach for what they need.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("#[cfg(test)]") && lines.peek().is_some_and(|next| next.starts_with("mod ")) {
            break;
        }
        code.push_str(line.split("//").next().unwrap());
        code.push('\n');
    }
    code
}

/// The modules at the crate's root that `code` names: `crate::x`, `crate::{x, y::z}`, and as many `super::` as lead
/// from a module at `depth` to the root.
fn roots_used(code: &str, depth: usize) -> Vec<String> {
    let climb = "super::".repeat(depth);
    let mut used = Vec::new();
    for prefix in ["crate::", climb.as_str()] {
        for (at, _) in code.match_indices(prefix) {
            let before = code[..at].chars().next_back();
            // Part of a longer climb, or of another word.
            if before.is_some_and(|c| c == ':' || c == '_' || c.is_alphanumeric()) {
                continue;
            }
            used.extend(first_names(&code[at + prefix.len()..]));
        }
    }
    used
}

/// Of `a::b ...` that is `a`; of `{a::b, c::{d, e}} ...` they are `a` and `c`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names = vec![name(list)];
    let mut depth = 0;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&list[at + 1..])),
            _ => {}
        }
    }
    names
}

/// Each function's name and how many lines its body has, as rustfmt lays them out: a body ends at the first `}` that
/// stands as far in as the `fn`.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let length = lines[start..].iter().position(|line| line.trim_end() == end);
        found.push((name, length.map_or(1, |length| length + 1)));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let words = line.trim_start();
    let (before, after) = words.split_once("fn ")?;
    let only_qualifiers = before.split_whitespace().all(|word| {
        word.starts_with("pub")
            || ["const", "unsafe", "extern", "\"C\"", "async"].contains(&word)
            || word.ends_with(')')
    });
    let one_line = line.trim_end().ends_with('}') || line.trim_end().ends_with(';');
    (only_qualifiers && !one_line).then(|| first_names(after).remove(0))
}

#[test]
fn the_parser_sees_every_way_to_name_a_module() {
    let code = "use crate::pipe::Pipe;\nuse crate::{errno::Errno, queue::{A, B}, z85};\nlet x = super::super::ctx::f();";
    assert_eq!(roots_used(code, 2), ["pipe", "errno", "queue", "z85", "ctx"]);
    assert_eq!(roots_used("super::super::inner::f()", 3), [""; 0]);
    assert_eq!(code_of("a // use crate::x\n#[cfg(test)]\nmod tests {\ncrate::y"), "a \n");
}
