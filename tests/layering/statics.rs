//! The law of the statics: a forked child has those of its parent as they were at that moment. A lock that a thread of the parent held
//! is held for good there, and so is a `Once` that such a thread was in. So a static is of a type that keeps no thread waiting, or it
//! stands in the list here, with the reason why it may stay.

use super::sources;
use super::tokens::{end_of_group, tokens};

/// Types that a thread never waits for, whatever another has left half done. What they hold may wait: each process has its own.
const OPEN_TO_CHILDREN: [&str; 9] = [
    "PerProcess",
    "SetOnce",
    "Slots",
    "AtomicU64",
    "AtomicU32",
    "AtomicUsize",
    "Notice",
    "AtThreadEnd",
    "extern",
];

/// The others: the file, the static, and why no child hangs there.
const MAY_STAY: [(&str, &str, &str); 19] = [
    ("src/audit/mod.rs", "ON", "a flag that no thread waits for"),
    ("src/audit/mod.rs", "IS_TRIED", "a flag that no thread waits for"),
    ("src/ffi/version.rs", "NOTE", "read alone"),
    ("src/message/pool/class.rs", "CLASSES", "read alone"),
    (
        "src/message/pool/thread_cache.rs",
        "DEPOT",
        "its lock is only tried; without it the system has the memory",
    ),
    ("src/options/context.rs", "CONTEXT", "read alone"),
    ("src/options/table.rs", "SOCKET", "read alone"),
    ("src/sys/contain.rs", "BEGUN", "a flag that no thread waits for"),
    ("src/sys/futex.rs", "REFUSED_ONCE", "a flag that no thread waits for"),
    ("src/sys/futex.rs", "TABLE", "its locks are only tried; without one a thread looks every millisecond"),
    ("src/sys/memory/mod.rs", "ALLOCATOR", "it holds nothing"),
    ("src/sys/memory/mod.rs", "REFUSED", "a flag that no thread waits for"),
    ("src/sys/memory/mod.rs", "RESERVE", "words without a lock"),
    (
        "src/sys/memory/returned.rs",
        "KEEPERS",
        "its lock is only tried; a keeper that is not in the list looks now and then",
    ),
    (
        "src/sys/pgm/mod.rs",
        "STARTED",
        "OpenPGM must be started once, and has locks of its own that no child gets open",
    ),
    ("src/sys/thread_end.rs", "UNLOADED", "a flag that no thread waits for"),
    ("src/sys/log/shortage.rs", "NOTICES", "words without a lock"),
    ("src/session/trail.rs", "FAILED", "words without a lock"),
    ("src/queue/shim.rs", "WEAKENED", "of loom's models alone"),
];

/// Each static of a source, with the first word of its type. A thread's own statics are no other thread's.
fn statics(text: &str) -> Vec<(String, String)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is = |offset: usize, wanted: &str| tokens.get(at + offset).is_some_and(|token| token == wanted);
        if is(0, "thread_local") && is(1, "!") {
            at = end_of_group(&tokens, at + 2);
            continue;
        }
        let is_lifetime = at > 0 && tokens[at - 1] == "'";
        if is(0, "static") && !is_lifetime {
            let name = if is(1, "mut") { at + 2 } else { at + 1 };
            let rest = tokens.get(name + 2..).unwrap_or_default();
            let is_word = |token: &&String| token.chars().all(|c| c.is_alphanumeric() || c == '_');
            let kind = rest.iter().find(is_word).cloned().unwrap_or_default();
            found.push((tokens[name].clone(), kind));
        }
        at += 1;
    }
    found
}

#[test]
fn no_static_keeps_a_forked_child_waiting() {
    let root = env!("CARGO_MANIFEST_DIR");
    let (mut unknown, mut seen) = (Vec::new(), Vec::new());
    for source in sources() {
        let file = source.file.strip_prefix(root).unwrap().display().to_string();
        if file.ends_with("tests.rs") || file.ends_with("testing.rs") {
            continue;
        }
        for (name, kind) in statics(&source.text) {
            let listed = MAY_STAY.iter().position(|(place, known, _)| (*place, *known) == (&*file, &*name));
            seen.extend(listed);
            if listed.is_none() && !OPEN_TO_CHILDREN.contains(&kind.as_str()) {
                unknown.push(format!(
                    "{file}: {name}, of {kind}: make it a PerProcess or a SetOnce, or say in the list why a forked child does not hang"
                ));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    let gone: Vec<_> =
        (0..MAY_STAY.len()).filter(|index| !seen.contains(index)).map(|index| MAY_STAY[index]).collect();
    assert!(gone.is_empty(), "no such static any more: {gone:?}");
}

#[test]
fn a_static_is_found_wherever_it_stands() {
    let text = r#"
        static A: Lock<Vec<u8>> = Lock::new(Vec::new());
        pub(super) static B: [Slot; 2] = [const { Slot::new() }; 2];
        fn f() -> &'static str { static C: std::sync::Once = Once::new(); "static D: Once" }
        thread_local! { static E: Cell<u8> = const { Cell::new(0) }; }
        #[cfg(test)] mod tests { static F: Mutex<()> = Mutex::new(()); }
        static G: PerProcess<Lock<u8>> = PerProcess::new();
    "#;
    let found: Vec<_> = statics(text).into_iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    assert_eq!(found, ["A Lock", "B Slot", "C std", "G PerProcess"]);
}
