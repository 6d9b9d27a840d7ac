//! The prose of comments: a sentence names its actor by its type ("the I/O thread", "the caller") and stays short.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Words that stand for an actor or a number without naming it.
const VAGUE_WORDS: [&str; 11] = [
    "who",
    "whoever",
    "whom",
    "whatever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "so many",
    "so much",
    "so often",
];
/// The words of a sentence.
const MAX_SENTENCE_WORDS: usize = 25;

#[test]
fn comments_name_their_actors() {
    let mut vague = Vec::new();
    for (file, comment) in comments() {
        for sentence in sentences(&comment.text) {
            if let Some(word) = vague_word(&sentence) {
                vague.push(format!("{}:{}: \"{word}\" in: {sentence}", file.display(), comment.line));
            }
        }
    }
    assert!(vague.is_empty(), "name the actor or the number:\n{}", vague.join("\n"));
}

#[test]
fn sentences_of_comments_are_short() {
    let mut long = Vec::new();
    for (file, comment) in comments() {
        for sentence in sentences(&comment.text) {
            let count = sentence.split_whitespace().count();
            if count > MAX_SENTENCE_WORDS {
                long.push(format!("{}:{}: {count} words: {sentence}", file.display(), comment.line));
            }
        }
    }
    assert!(long.is_empty(), "one fact a sentence:\n{}", long.join("\n"));
}

#[test]
fn checks_find_their_faults() {
    let comment = |text: &str| comments_of(&format!("/// {text}\nfn f() {{}}"));
    let [vague] = &comment("A lock, for\n/// whoever comes.")[..] else { panic!("one comment") };
    assert_eq!(vague_word(&sentences(&vague.text)[0]), Some("whoever"));
    assert_eq!(vague_word("The `who` command, whose name is so many bytes."), Some("who"));
    assert_eq!(vague_word("Whole, whose."), None);
    assert_eq!(sentences("One fact. Another\none: and `x.y`."), ["One fact.", "Another one:", "and `x.y`."]);
    assert_eq!(sentences("a\n\nb\n* c\n```\nwho\n```"), ["a", "b", "* c"]);
    assert_eq!(comments_of("let x = \"// no comment\"; // one\n").len(), 1);
}

/// Consecutive comment lines of the same kind, without their slashes.
struct Comment {
    /// Number of the first line, from 1.
    line: usize,
    text: String,
}

/// The comments of all source files.
fn comments() -> Vec<(PathBuf, Comment)> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source file");
        comments_of(&text).into_iter().map(move |comment| (file.clone(), comment)).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A comment behind code is one of its own.
fn comments_of(source: &str) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let mut before = None;
    for (index, line) in source.lines().enumerate() {
        let code = line.trim_start();
        let kind = ["///", "//!", "//"].into_iter().find(|kind| code.starts_with(kind));
        match (kind, comments.last_mut()) {
            (Some(kind), Some(last)) if before == Some(kind) => {
                last.text.push('\n');
                last.text.push_str(code[kind.len()..].trim_start());
            }
            (Some(kind), _) => {
                comments.push(Comment { line: index + 1, text: code[kind.len()..].trim_start().to_owned() });
            }
            (None, _) => {
                let behind = code.rsplit_once(" // ").filter(|(code, _)| code.matches('"').count() % 2 == 0);
                comments.extend(behind.map(|(_, text)| Comment { line: index + 1, text: text.to_owned() }));
            }
        }
        before = kind;
    }
    comments
}

/// Splits at ends of sentences, paragraphs and entries of lists; leaves out code and tables.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if in_code || line.is_empty() || line.starts_with(['|', '#']) || line.starts_with("```") {
            sentences.push(String::new());
            continue;
        }
        if line.starts_with("* ") || line.starts_with("- ") {
            sentences.push(String::new());
        }
        for word in line.split_whitespace() {
            let sentence = sentences.last_mut().expect("never empty");
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
            if word.ends_with(['.', ':', ';', '?', '!']) || word.ends_with(".)") {
                sentences.push(String::new());
            }
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// The first of `VAGUE_WORDS` in a sentence.
fn vague_word(sentence: &str) -> Option<&'static str> {
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words: Vec<String> = sentence.split_whitespace().map(bare).collect();
    let text = format!(" {} ", words.join(" "));
    VAGUE_WORDS.into_iter().find(|word| text.contains(&format!(" {word} ")))
}
