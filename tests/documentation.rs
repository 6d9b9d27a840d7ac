//! The documentation keeps its promises: links lead somewhere, every page is in the index, sentences are short, and what the
//! pages say of the source is so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where pages are looked for, but for the ones at the top.
const FOLDERS: [&str; 2] = ["docs", "examples"];

/// What a file's name in a page begins with.
const ROOMS: [&str; 7] = ["src/", "tests/", "benches/", "compat-tests/", "docs/", "packaging/", "include/"];

/// The words of a sentence outside of tables.
const MAX_SENTENCE_WORDS: usize = 25;

/// Actors without a type. A sentence names the thread, the peer or the caller that acts.
const NAMELESS: [&str; 5] = ["whoever", "somebody", "nobody", "everybody", "anybody"];

#[test]
fn links_and_anchors_resolve() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = prose(&read(&page));
        for link in links(&text) {
            if let Some(complaint) = complaint_of(&page, link) {
                broken.push(format!("{}: ({link}) {complaint}", name(&page)));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_of_docs_is_in_its_index() {
    let index = root().join("docs/README.md");
    let listed: BTreeSet<PathBuf> = links(&read(&index))
        .filter_map(|link| root().join("docs").join(link.split('#').next()?).canonicalize().ok())
        .collect();
    let inside = pages().into_iter().filter(|page| page.starts_with(root().join("docs")) && *page != index);
    // A folder in the index stands for the page that is shown for it.
    let is_listed = |page: &PathBuf| {
        let page = page.canonicalize().unwrap();
        listed.contains(&page) || page.ends_with("README.md") && listed.contains(page.parent().unwrap())
    };
    let missing: Vec<String> = inside.filter(|page| !is_listed(page)).map(|page| name(&page)).collect();
    assert!(missing.is_empty(), "docs/README.md has no row for {missing:?}");
}

#[test]
fn sentences_are_short() {
    let mut long = Vec::new();
    for page in pages() {
        for sentence in sentences(&prose(&read(&page))) {
            let words =
                sentence.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
            if words > MAX_SENTENCE_WORDS {
                long.push(format!("{} ({words} words): {sentence}", name(&page)));
            }
        }
    }
    assert!(
        long.is_empty(),
        "{} sentences of more than {MAX_SENTENCE_WORDS} words:\n{}",
        long.len(),
        long.join("\n")
    );
}

#[test]
fn sentences_name_their_actors() {
    let mut found = Vec::new();
    for page in pages() {
        for (number, line) in read_without_code(&page).lines().enumerate() {
            let words = line.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
            for word in words.filter(|word| NAMELESS.contains(&word.as_str())) {
                found.push(format!("{}:{}: {word}", name(&page), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "say which thread, peer or program acts:\n{}", found.join("\n"));
}

#[test]
fn sentences_are_told_apart() {
    let text =
        "One. Two `a. B` is\nhere: 1.5 of it.\n\n- Three\n- Four, e.g. this. (Five.)\n\n| six. | seven |\n";
    let found: Vec<String> = sentences(&prose(text)).collect();
    assert_eq!(found, ["One.", "Two `a. B` is here: 1.5 of it.", "Three", "Four, e.g. this.", "(Five.)"]);
    assert_eq!(anchor("What `zmq_poll` does, and why: 1.5"), "what-zmq_poll-does-and-why-15");
}

#[test]
fn files_that_pages_name_are_there() {
    let mut missing = Vec::new();
    for page in pages() {
        let text = read_without_code(&page);
        // Every other piece stands between backticks.
        for code in text.split('`').skip(1).step_by(2) {
            let path = code.split_whitespace().next().unwrap_or_default();
            let (stem, is_pattern) = path.split_once('*').map_or((path, false), |(stem, _)| (stem, true));
            if ROOMS.iter().any(|room| path.starts_with(room)) && !is_there(stem, is_pattern) {
                missing.push(format!("{}: `{path}`", name(&page)));
            }
        }
    }
    assert!(missing.is_empty(), "files that are not there:\n{}", missing.join("\n"));
}

#[test]
fn every_difference_can_be_linked_to() {
    let page = read(&root().join("docs/differences.md"));
    let (_, tables) = page.split_once("| What |").expect("tables of differences");
    let rows: Vec<&str> =
        tables.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What")).collect();
    let without: Vec<&&str> = rows.iter().filter(|row| row.matches("<a id=\"").count() != 1).collect();
    assert!(without.is_empty(), "rows without an anchor of their own: {without:#?}");
    let ids: BTreeSet<&str> =
        rows.iter().filter_map(|row| row.split("<a id=\"").nth(1)?.split('"').next()).collect();
    assert!(rows.len() > 100 && ids.len() == rows.len(), "{} rows, {} anchors", rows.len(), ids.len());
}

#[test]
fn names_of_the_source_are_there() {
    let source = Source::read();
    let mut missing = Vec::new();
    for page in pages() {
        let text = read_without_code(&page);
        for code in text.split('`').skip(1).step_by(2).filter(|code| is_path_of_names(code)) {
            if let Some(unknown) = source.unknown_in(code) {
                missing.push(format!("{}: `{code}`: no {unknown}", name(&page)));
            }
        }
    }
    assert!(missing.is_empty(), "the source has no such names (any more):\n{}", missing.join("\n"));
}

/// Whether a piece of code is something like `session::connection` or `Connection::send_inline`.
fn is_path_of_names(code: &str) -> bool {
    code.contains("::") && code.split("::").all(|part| !part.is_empty() && part.chars().all(is_of_name))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What the source consists of.
struct Source {
    /// Names of modules, with the modules around them: `session/connection/watch`.
    modules: BTreeSet<String>,
    /// Names that something in it is defined by.
    items: BTreeSet<String>,
}

impl Source {
    fn read() -> Source {
        let mut source = Source { modules: BTreeSet::new(), items: BTreeSet::new() };
        source.add(&root().join("src"), "");
        source
    }

    fn add(&mut self, folder: &Path, around: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy();
            let module = format!("{around}{stem}");
            if path.is_dir() {
                self.add(&path, &format!("{module}/"));
            } else {
                self.items.extend(definitions(&read(&path)).map(str::to_owned));
            }
            self.modules.insert(module);
        }
    }

    /// The first part of a path that is no module and no item.
    fn unknown_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut around = String::new();
        for part in path.split("::") {
            let module = format!("{around}{part}");
            // A path may leave out the modules around its first one.
            let is_module = match around.is_empty() {
                true => self.modules.iter().any(|known| known.rsplit('/').next() == Some(part)),
                false => self
                    .modules
                    .iter()
                    .any(|known| *known == module || known.ends_with(&format!("/{module}"))),
            };
            if !is_module && !self.items.contains(part) {
                return Some(part);
            }
            around = if is_module { module + "/" } else { String::new() };
        }
        None
    }
}

/// The names that a piece of source defines.
fn definitions(text: &str) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod"];
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| KEYWORDS.contains(word))?;
        let name = words.find(|word| !KEYWORDS.contains(word))?;
        let end = name.find(|c| !is_of_name(c)).unwrap_or(name.len());
        Some(&name[..end])
    })
}

#[test]
fn tuned_thresholds_have_the_values_of_the_source() {
    let page = root().join("docs/performance/tuning.md");
    let rows: Vec<Threshold> = read(&page).lines().filter_map(Threshold::parse).collect();
    assert!(rows.len() > 40, "{} rows: has the table another form?", rows.len());
    let wrong: Vec<String> = rows.iter().filter_map(Threshold::complaint).collect();
    assert!(
        wrong.is_empty(),
        "docs/performance/tuning.md differs from the source. Change the rows, and what they were chosen by if the \
         values are new:\n{}",
        wrong.join("\n")
    );
}

/// A row of the table of tuned thresholds.
struct Threshold {
    constant: String,
    file: String,
    value: String,
}

impl Threshold {
    fn parse(line: &str) -> Option<Threshold> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        let code = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        let file = links(cells.get(2)?).next()?.trim_start_matches("../").to_owned();
        Some(Threshold { constant: code(cells.get(1)?)?, file, value: code(cells.get(3)?)? })
    }

    /// What is wrong with the row, and where the constant is now.
    fn complaint(&self) -> Option<String> {
        let Threshold { constant, file, value } = self;
        let text = fs::read_to_string(root().join(file)).unwrap_or_default();
        match value_of(&text, constant) {
            Some(there) if there == *value => None,
            Some(there) => Some(format!("{constant} in {file} is `{there}`, the page says `{value}`")),
            None => {
                let mut homes = Vec::new();
                find_constant(&root().join("src"), constant, &mut homes);
                let advice = match homes.is_empty() {
                    true => "no file defines it; was it renamed?".to_owned(),
                    false => format!("it is in {}", homes.join(", ")),
                };
                Some(format!("{constant} is not in {file}: {advice}"))
            }
        }
    }
}

/// The value that a piece of source gives a constant, as it stands there.
fn value_of(text: &str, constant: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("const {constant}: "))?;
    let (_, value) = rest.split(';').next()?.split_once(" = ")?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn find_constant(folder: &Path, constant: &str, homes: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_constant(&path, constant, homes);
        } else if value_of(&read(&path), constant).is_some() {
            homes.push(name(&path));
        }
    }
}

/// Whether a file is there, or one whose name begins so.
fn is_there(path: &str, is_beginning: bool) -> bool {
    let path = root().join(path);
    if !is_beginning {
        return path.exists();
    }
    let (Some(folder), Some(start)) = (path.parent(), path.file_name()) else { return false };
    let start = start.to_string_lossy();
    fs::read_dir(folder).is_ok_and(|mut inside| {
        inside.any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(&*start))
    })
}

/// What keeps a link from leading somewhere, or `None`. Links to other hosts are not followed.
fn complaint_of(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { page.to_path_buf() } else { page.parent().unwrap().join(path) };
    if !target.exists() {
        return Some("is not there".to_owned());
    }
    let anchor = anchor?;
    let target = if target.is_dir() { target.join("README.md") } else { target };
    let there = anchors(&read_without_code(&target));
    (!there.contains(anchor)).then(|| format!("has no heading or anchor #{anchor}"))
}

/// The anchors of a page: those of its headings, and those that it sets.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()));
    let set = text.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    headings.chain(set).collect()
}

/// The anchor that GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The targets of a page's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A page without blocks of code.
fn read_without_code(page: &Path) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in read(page).lines() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        // Empty lines, so that numbers of lines stay.
        kept.push_str(if fenced || fence { "" } else { line });
        kept.push('\n');
    }
    kept
}

/// A page without blocks of code and without the parts that `benches/run` writes.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut measured = false;
    let mut kept = String::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        measured = (measured || line.starts_with("<!-- measured")) && !line.starts_with("<!-- end");
        if !fenced && !measured && !line.starts_with("```") && !line.starts_with("<!--") {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    kept
}

/// The sentences of a page outside tables and headings.
fn sentences(text: &str) -> impl Iterator<Item = String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        let line = line.trim();
        let item = line.strip_prefix("- ").or_else(|| {
            let (number, rest) = line.split_once(". ")?;
            number.chars().all(|c| c.is_ascii_digit()).then_some(rest)
        });
        if line.is_empty() || line.starts_with('#') || line.starts_with('|') || item.is_some() {
            blocks.push(String::new());
        }
        if !line.starts_with('#') && !line.starts_with('|') {
            let block = blocks.last_mut().unwrap();
            block.push_str(item.unwrap_or(line));
            block.push(' ');
        }
    }
    blocks.into_iter().flat_map(|block| split(&block))
}

/// A paragraph's sentences. One ends at a full stop, question mark or exclamation mark before a space and what may begin another.
fn split(block: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut sentence = String::new();
    let mut code = false;
    let words: Vec<&str> = block.split_whitespace().collect();
    for (place, word) in words.iter().enumerate() {
        sentence.push_str(word);
        code ^= word.matches('`').count() % 2 == 1;
        let bare = word.trim_end_matches(['*', ')', '"']);
        let begins = words.get(place + 1).is_none_or(|next| may_begin(next));
        if bare.ends_with(['.', '?', '!']) && begins && !code {
            found.push(std::mem::take(&mut sentence));
        } else {
            sentence.push(' ');
        }
    }
    found.push(sentence);
    found.retain(|sentence| !sentence.trim().is_empty());
    for sentence in &mut found {
        *sentence = sentence.trim().to_owned();
    }
    found
}

/// Whether a sentence may begin with a word: names keep their small letter.
fn may_begin(word: &str) -> bool {
    ["ferrozmq", "libzmq", "pyzmq"].iter().any(|name| word.starts_with(name))
        || !word.starts_with(char::is_lowercase)
}

/// All pages at the top and in [`FOLDERS`].
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root(), &mut found, false);
    for folder in FOLDERS {
        collect(&root().join(folder), &mut found, true);
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>, deep: bool) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && deep {
            collect(&path, found, deep);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap_or(page).display().to_string()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
