//! TOML values with their lines, and what is said of those that do not fit. A value that does not fit is noted as a fault, and reading
//! goes on: all mistakes of a file are told at once.

use super::certificate::is_key;
use super::fault::Fault;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How much alike two names are, from 0 to 1, for one to be meant by the other.
const MIN_LIKENESS: f64 = 0.8;

/// A path in the file, and the line that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub path: PathBuf,
    pub line: usize,
}

/// A setting as it stands in the file.
pub struct Entry<'v> {
    pub name: &'v str,
    pub value: &'v DeValue<'v>,
    /// Of the value, in bytes.
    at: Range<usize>,
    name_at: Range<usize>,
}

pub struct Reader<'f> {
    file: &'f Path,
    text: &'f str,
    pub faults: Vec<Fault>,
}

impl<'f> Reader<'f> {
    pub fn new(file: &'f Path, text: &'f str) -> Reader<'f> {
        Reader { file, text, faults: Vec::new() }
    }

    /// The document; `None`, with a fault noted, where it is no TOML.
    pub fn document(&mut self) -> Option<Spanned<DeTable<'f>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                let line = error.span().map(|span| self.line_of(span.start));
                let what = format!("this is no TOML: {}", error.message().replace('\n', ", "));
                self.faults.push(Fault::mistake(self.file, line, what, "see docs/security.md for the form"));
                None
            }
        }
    }

    /// From 1 on.
    pub fn line_of(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub fn line(&self, entry: &Entry<'_>) -> usize {
        self.line_of(entry.at.start)
    }

    pub fn mistake(&mut self, entry: &Entry<'_>, what: impl Into<String>, what_to_do: impl Into<String>) {
        let line = Some(self.line(entry));
        self.faults.push(Fault::mistake(self.file, line, what, what_to_do));
    }

    /// A name that means nothing here.
    pub fn unknown(&mut self, entry: &Entry<'_>, known: &[&str]) {
        let line = Some(self.line_of(entry.name_at.start));
        let what = format!("there is no setting \"{}\" here", entry.name);
        self.faults.push(Fault::mistake(self.file, line, what, advice(entry.name, known)));
    }

    pub fn table<'v>(&mut self, entry: &Entry<'v>) -> Option<Vec<Entry<'v>>> {
        if let DeValue::Table(table) = entry.value {
            return Some(entries(table));
        }
        let what_to_do = format!("write it as a table, as `{} = {{ ... }}`", entry.name);
        self.mistake(entry, format!("\"{}\" holds {}", entry.name, kind(entry.value)), what_to_do);
        None
    }

    pub fn text(&mut self, entry: &Entry<'_>) -> Option<String> {
        match entry.value {
            DeValue::String(text) if !text.is_empty() => return Some(text.to_string()),
            DeValue::String(_) => {
                self.mistake(entry, format!("\"{}\" is empty", entry.name), "leave it out, or say it")
            }
            other => self.mistake(
                entry,
                format!("\"{}\" holds {}", entry.name, kind(other)),
                "write a text between quotes",
            ),
        }
        None
    }

    /// A text, or a list of texts.
    pub fn texts(&mut self, entry: &Entry<'_>) -> Vec<(String, usize)> {
        let DeValue::Array(array) = entry.value else {
            let line = self.line(entry);
            return self.text(entry).map(|text| (text, line)).into_iter().collect();
        };
        let items =
            array.iter().map(|item| Entry { value: item.get_ref(), at: item.span(), ..entry.as_named() });
        items.filter_map(|item| Some((self.text(&item)?, self.line(&item)))).collect()
    }

    pub fn yes_or_no(&mut self, entry: &Entry<'_>) -> Option<bool> {
        if let DeValue::Boolean(value) = entry.value {
            return Some(*value);
        }
        self.mistake(entry, format!("\"{}\" holds {}", entry.name, kind(entry.value)), "write true or false");
        None
    }

    pub fn number(&mut self, entry: &Entry<'_>, range: Range<u32>) -> Option<u32> {
        let value = self.large_number(entry, range.start.into()..range.end.into());
        value.and_then(|value| u32::try_from(value).ok())
    }

    pub fn large_number(&mut self, entry: &Entry<'_>, range: Range<u64>) -> Option<u64> {
        if let DeValue::Integer(number) = entry.value
            && let Ok(value) = u64::from_str_radix(number.as_str(), number.radix())
            && range.contains(&value)
        {
            return Some(value);
        }
        let what_to_do = format!("write a number from {} to {}", range.start, range.end.saturating_sub(1));
        self.mistake(entry, format!("\"{}\" holds {}", entry.name, kind(entry.value)), what_to_do);
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, entry: &Entry<'_>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(entry)?;
        let line = self.line(entry);
        self.chosen(&text, line, choices)
    }

    /// Of a list of words, each one of a few. An empty list is a mistake.
    pub fn choices<T: Copy>(&mut self, entry: &Entry<'_>, choices: &[(&str, T)]) -> Vec<T> {
        self.refuse_empty(entry);
        let texts = self.texts(entry);
        texts.iter().filter_map(|(text, line)| self.chosen(text, *line, choices)).collect()
    }

    /// Of a list that says what a setting is for: an empty one may be meant to be for none, or for all.
    pub fn refuse_empty(&mut self, entry: &Entry<'_>) {
        if matches!(entry.value, DeValue::Array(array) if array.is_empty()) {
            self.mistake(entry, format!("\"{}\" is empty", entry.name), "leave it out, or say it");
        }
    }

    /// A path; a relative one counts from the file's folder.
    pub fn place(&mut self, entry: &Entry<'_>) -> Option<Place> {
        let text = self.text(entry)?;
        let line = self.line(entry);
        self.path(&text, line).map(|path| Place { path, line })
    }

    pub fn places(&mut self, entry: &Entry<'_>) -> Vec<Place> {
        let texts = self.texts(entry);
        let place = |(text, line): (String, usize)| self.path(&text, line).map(|path| Place { path, line });
        texts.into_iter().filter_map(place).collect()
    }

    /// The fault about a key that stands where its file should does not show the key: it may be the secret one.
    fn path(&mut self, text: &str, line: usize) -> Option<PathBuf> {
        if is_key(text) {
            let what = "this is a key and not the file with it";
            self.faults.push(Fault::mistake(
                self.file,
                Some(line),
                what,
                "write the key into a file, and its name here",
            ));
            return None;
        }
        Some(self.file.parent().unwrap_or(Path::new("")).join(text))
    }

    fn chosen<T: Copy>(&mut self, text: &str, line: usize, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let what = format!("{} is none of the choices", shown(text));
            self.faults.push(Fault::mistake(self.file, Some(line), what, advice(text, &names)));
        }
        found
    }
}

impl<'v> Entry<'v> {
    /// The same name with another value.
    fn as_named(&self) -> Entry<'v> {
        Entry { name: self.name, value: self.value, at: self.at.clone(), name_at: self.name_at.clone() }
    }
}

/// What stands in a table.
pub fn entries<'v>(table: &'v DeTable<'v>) -> Vec<Entry<'v>> {
    let entry = |(name, value): (&'v Spanned<_>, &'v Spanned<DeValue<'v>>)| Entry {
        name: std::borrow::Cow::as_ref(name.get_ref()),
        value: value.get_ref(),
        at: value.span(),
        name_at: name.span(),
    };
    table.iter().map(entry).collect()
}

/// What to do about a name that is none of `known`.
fn advice(name: &str, known: &[&str]) -> String {
    let alike = known.iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match alike.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((likeness, meant)) if likeness >= MIN_LIKENESS => format!("did you mean \"{meant}\"?"),
        _ => format!("write one of {}", known.join(", ")),
    }
}

/// A text of the file, as a fault shows it. A key is not shown: it may be the secret one.
pub fn shown(text: &str) -> String {
    if is_key(text) { "a key".to_owned() } else { format!("\"{text}\"") }
}

fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if is_key(text) => shown(text),
        DeValue::String(text) => format!("the text {}", shown(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(_) => "a number with a fraction".to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
