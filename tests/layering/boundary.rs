//! Nothing is decided in `ffi`: it checks, converts, calls and maps.
//!
//! It names no constant of the layers below but numbers of options, and compares nothing with a constant or a number other than 0
//! and 1: so it has no thresholds. Each entry point calls one function of a socket: so it tries nothing first and something else
//! afterwards.

use crate::tokens::{end_of_group, tokens};
use crate::{code_of, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Constants of other layers that `ffi` may name.
const CONVERTED: [&str; 1] = [
    // How many bytes a key has: the text that is made of them is longer by a quarter.
    "crypto::KEY_BYTES",
];

/// Entry points that call more than one function of a socket, and which.
const MORE_THAN_ONE: [(&str, &[&str]); 1] = [
    // ZMQ_RCVMORE takes no lock. `option` does, and so runs inside of what contains panics.
    ("zmq_getsockopt", &["option", "rcvmore"]),
];

#[test]
fn ffi_names_no_constant_of_other_layers() {
    let mut wrong = Vec::new();
    for (file, tokens) in ffi() {
        for path in constants_of_others(&tokens) {
            let is_option = path.starts_with("options::number::");
            if !is_option && !CONVERTED.contains(&path.as_str()) {
                wrong.push(format!("{file} names {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ffi_compares_with_no_threshold() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.module[0] == "ffi") {
        let code = code_of(&source.text);
        for line in code.lines().filter(|line| compares_with_threshold(line)) {
            wrong.push(format!("{}: {}", source.file.display(), line.trim()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn entry_points_call_one_function_of_a_socket() {
    let handle: BTreeSet<String> = sources()
        .iter()
        .filter(|source| source.module[0] == "socket")
        .flat_map(|source| public_methods(&tokens(&source.text), "Handle"))
        // A conversion.
        .filter(|name| name != "address")
        .collect();
    assert!(["send_bytes", "recv_message", "bind"].iter().all(|name| handle.contains(*name)), "{handle:?}");
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for (file, tokens) in ffi() {
        let functions = functions(&tokens);
        for entry in functions.keys().filter(|name| name.starts_with("zmq_")) {
            let called = calls(entry, &functions, &handle, &mut BTreeSet::new());
            match MORE_THAN_ONE.iter().find(|(name, _)| name == entry) {
                Some((name, expected))
                    if called == expected.iter().map(|name| (*name).to_owned()).collect() =>
                {
                    found.push(*name);
                }
                _ if called.len() <= 1 => {}
                _ => wrong.push(format!("{file}: {entry} calls {called:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(found.len(), MORE_THAN_ONE.len(), "an exception that is none any more");
}

/// The files of `ffi` and what they say, its own constants apart.
fn ffi() -> Vec<(String, Vec<String>)> {
    sources()
        .into_iter()
        .filter(|source| source.module[0] == "ffi")
        .map(|source| (source.file.display().to_string(), tokens(&source.text)))
        .collect()
}

/// Constants behind `crate::`, as paths without that: in a `use`, with or without a list, and in the code.
fn constants_of_others(tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at] != "crate" || tokens.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        let mut path = Vec::new();
        let mut end = at + 2;
        while tokens.get(end + 1).is_some_and(|next| next == "::") {
            path.push(tokens[end].as_str());
            end += 2;
        }
        let names = match tokens.get(end).map(String::as_str) {
            Some("{") => tokens[end..end_of_group(tokens, end)].to_vec(),
            Some(name) => vec![name.to_owned()],
            None => continue,
        };
        for name in names.iter().filter(|name| is_constant(name)) {
            found.push([path.as_slice(), &[name.as_str()]].concat().join("::"));
        }
    }
    found
}

fn is_constant(name: &str) -> bool {
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// As rustfmt lays it out: with blanks around what compares, and none inside of `<...>`.
fn compares_with_threshold(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_threshold = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        // Not the limits of a type: `isize::MAX`.
        (number && word != "0" && word != "1") || is_constant(word)
    };
    words.windows(3).any(|words| match words {
        [left, "<" | ">" | "<=" | ">=", right] => is_threshold(left) || is_threshold(right),
        _ => false,
    })
}

/// The public functions in the `impl` blocks of a type.
fn public_methods(tokens: &[String], of: &str) -> Vec<String> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at..].starts_with(&["impl".to_owned(), of.to_owned(), "{".to_owned()]) {
            let block = &tokens[at..end_of_group(tokens, at + 2)];
            let names = block.windows(3).filter(|words| words[0] == "pub" && words[1] == "fn");
            found.extend(names.map(|words| words[2].clone()));
        }
    }
    found
}

/// Each function's body.
fn functions(tokens: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for at in 0..tokens.len().saturating_sub(1) {
        let ends = |token: &String| token == "{" || token == ";";
        if tokens[at] == "fn"
            && let Some(open) = tokens[at..].iter().position(ends).map(|place| at + place)
            && tokens[open] == "{"
        {
            found.insert(tokens[at + 1].clone(), tokens[open..end_of_group(tokens, open)].to_vec());
        }
    }
    found
}

/// Which of the socket's functions a function calls, and those that it calls in its file.
fn calls(
    name: &str,
    functions: &BTreeMap<String, Vec<String>>,
    handle: &BTreeSet<String>,
    seen: &mut BTreeSet<String>,
) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    let Some(body) = functions.get(name).filter(|_| seen.insert(name.to_owned())) else { return called };
    for words in body.windows(4) {
        let [receiver, dot, method, open] = words else { continue };
        if open == "(" && dot == "." && (receiver == "socket" || receiver == "?") && handle.contains(method) {
            called.insert(method.clone());
        }
    }
    for words in body.windows(2).filter(|words| words[1] == "(" && !words[0].starts_with("zmq_")) {
        called.extend(calls(&words[0], functions, handle, seen));
    }
    called
}

#[test]
fn decisions_are_seen() {
    let list = |text: &str| tokens(text);
    let constants = |text: &str| constants_of_others(&list(text));
    assert_eq!(constants("use crate::message::{Msg, LIMIT};"), ["message::LIMIT"]);
    assert_eq!(
        constants("let x = crate::message::LIMIT; let y = crate::errno::Errno::AGAIN;"),
        ["message::LIMIT", "errno::Errno::AGAIN"]
    );
    for line in ["if len >= LIMIT {", "&& bytes.len() < 8192", "match x { _ if 0x100 > len => y }"] {
        assert!(compares_with_threshold(line), "{line}");
    }
    for line in
        ["if len > 0 {", "len > isize::MAX as usize", "fn f<A, B>(a: A) -> Vec<B> {", "index + 1 < count"]
    {
        assert!(!compares_with_threshold(line), "{line}");
    }
    let handle: BTreeSet<String> =
        public_methods(&list("impl Handle { pub fn a() {} fn b() {} pub fn c() {} }"), "Handle")
            .into_iter()
            .collect();
    assert_eq!(handle.iter().collect::<Vec<_>>(), ["a", "c"]);
    let text = "fn zmq_x() { if socket.a() { long(socket) } } fn long() { find(socket)?.c() } fn zmq_y() { socket.a() }";
    let functions = functions(&list(text));
    let count = |name: &str| calls(name, &functions, &handle, &mut BTreeSet::new()).len();
    assert_eq!((count("zmq_x"), count("zmq_y")), (2, 1));
}
