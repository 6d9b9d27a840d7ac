//! What a type does stands in one file: the file that defines it has its `impl`.
//!
//! Another file may have an `impl` of the type if it owns a part of the type's state: a field whose type that file defines, with
//! private fields alone. So all code that touches a piece of state is in one file. `impl`s of traits do not count, nor do tests.

use crate::circles::is_for_tests;
use crate::tokens::{end_of_group, tokens};
use crate::{Source, sources};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Files with an `impl` of a type of another file, and why.
const ELSEWHERE: [(&str, &str, &str); 1] =
    [("options/socket.rs", "SocketOptions", "it needs the table of options, which needs the type's fields")];

/// A type, as a file has it.
struct Type {
    name: String,
    /// Names in its definition: those of its fields and of their types.
    names: BTreeSet<String>,
    /// No field can be reached from other files.
    is_private: bool,
}

/// What a file says of types.
struct File {
    path: PathBuf,
    types: Vec<Type>,
    /// The types that it has an `impl` of.
    impls: BTreeSet<String>,
}

#[test]
fn an_impl_stands_with_its_type_or_owns_a_part_of_it() {
    let files: Vec<File> =
        sources().iter().filter(|source| !is_for_tests(&source.module)).map(File::of).collect();
    let found = elsewhere(&files);
    let is_known = |path: &PathBuf, name: &String| {
        ELSEWHERE.iter().any(|(file, known, _)| path.ends_with(file) && name == known)
    };
    let wrong: Vec<String> = found
        .iter()
        .filter(|(path, name)| !is_known(path, name))
        .map(|(path, name)| format!("{} has an `impl {name}`, and owns no part of it", path.display()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (file, known, _) in ELSEWHERE {
        let is_there = found.iter().any(|(path, name)| path.ends_with(file) && name == known);
        assert!(is_there, "{file}, {known}: an exception that is none any more");
    }
}

/// The files with an `impl` of a type that they neither define nor own a part of, and the type.
fn elsewhere(files: &[File]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for file in files {
        for name in &file.impls {
            let stands_here = file.types.iter().any(|known| known.name == *name);
            let owns_part_of =
                |of: &Type| file.types.iter().any(|part| part.is_private && of.names.contains(&part.name));
            let owns = || {
                let mut types = files.iter().flat_map(|other| &other.types);
                types.any(|known| known.name == *name && owns_part_of(known))
            };
            if !stands_here && !owns() {
                found.push((file.path.clone(), name.clone()));
            }
        }
    }
    found
}

impl File {
    fn of(source: &Source) -> File {
        let tokens = tokens(&source.text);
        let mut file = File { path: source.file.clone(), types: Vec::new(), impls: BTreeSet::new() };
        for at in 0..tokens.len() {
            match tokens[at].as_str() {
                "struct" | "enum" | "union" => file.types.extend(Type::at(&tokens, at)),
                "impl" if begins_item(&tokens, at) => file.impls.extend(type_of_impl(&tokens, at)),
                _ => {}
            }
        }
        file
    }
}

impl Type {
    /// The type whose definition begins at `at`.
    fn at(tokens: &[String], at: usize) -> Option<Type> {
        let name = tokens.get(at + 1)?.clone();
        let mut open = at + 2;
        while !["{", "(", ";"].contains(&tokens.get(open)?.as_str()) {
            open += 1;
        }
        let fields = if tokens[open] == ";" { &[][..] } else { &tokens[open..end_of_group(tokens, open)] };
        let is_private = tokens[at] == "struct" && !fields.iter().any(|token| token == "pub");
        Some(Type { name, names: fields.iter().cloned().collect(), is_private })
    }
}

/// Not part of a type: `&impl Fn()`, `-> impl Iterator`.
fn begins_item(tokens: &[String], at: usize) -> bool {
    at.checked_sub(1).is_none_or(|before| ["}", ";", "{"].contains(&tokens[before].as_str()))
}

/// The name of the type whose `impl` begins at `at`, unless it is that of a trait for the type.
fn type_of_impl(tokens: &[String], at: usize) -> Option<String> {
    let mut at = at + 1;
    if tokens.get(at)? == "<" {
        at = behind_generics(tokens, at);
    }
    let mut name = tokens.get(at)?;
    while tokens.get(at + 1)? == "::" {
        at += 2;
        name = tokens.get(at)?;
    }
    at += 1;
    if tokens.get(at)? == "<" {
        at = behind_generics(tokens, at);
    }
    ["{", "where"].contains(&tokens.get(at)?.as_str()).then(|| name.clone())
}

/// The place behind the `<...>` that opens at `from`. The `>` of `->` closes nothing.
fn behind_generics(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for at in from..tokens.len() {
        match tokens[at].as_str() {
            "<" => depth += 1,
            ">" if tokens[at - 1] != "-" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[test]
fn an_impl_elsewhere_is_seen() {
    let file = |path: &str, text: &str| {
        File::of(&Source { file: path.into(), module: vec![path.to_owned()], text: text.to_owned() })
    };
    let found = |home: &str, other: &str| {
        let files = [file("home", home), file("other", other)];
        elsewhere(&files)
            .into_iter()
            .map(|(path, name)| format!("{} {name}", path.display()))
            .collect::<Vec<_>>()
    };
    let home = "pub struct A<T> { part: Part, x: T } impl<T: Fn() -> u8> A<T> where T: Copy {}";
    assert_eq!(found(home, ""), [""; 0]);
    for other in ["impl A<u8> {}", "fn f() {} impl<T> super::home::A<T> { fn g() -> u8 { 1 } }"] {
        assert_eq!(found(home, other), ["other A"], "{other}");
    }
    assert_eq!(found(home, "pub struct Part(u8); impl A<u8> {}"), [""; 0], "it owns a part");
    assert_eq!(found(home, "pub struct Part(pub u8); impl A<u8> {}"), ["other A"], "which is private");
    assert_eq!(found(home, "struct Other(u8); impl A<u8> {}"), ["other A"], "and not just any type");
    for other in [
        "impl Clone for A<u8> {}",
        "impl<T> Iterator for A<T> where T: X {}",
        "fn f(a: impl A) -> impl A { a }",
        "#[cfg(test)] impl A<u8> {}",
    ] {
        assert_eq!(found(home, other), [""; 0], "{other}");
    }
}
