//! A record of the trail.

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::{self, Display};

/// The fields that a record may have.
pub const FIELDS: [&str; 18] = [
    "time",
    "pid",
    "process",
    "event",
    "outcome",
    "direction",
    "endpoint",
    "peer",
    "port",
    "domain",
    "mechanism",
    "key",
    "user",
    "routing_id",
    "status",
    "reason",
    "duration_us",
    "lost",
];
/// Those that a line for people shows by name. The others stand in their places.
const NAMED: [&str; 6] = ["domain", "user", "key", "routing_id", "status", "reason"];

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const ODD: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();

#[derive(Debug)]
pub struct Record<'a> {
    line: &'a str,
    fields: Map<String, Value>,
}

impl<'a> Record<'a> {
    /// `None` for what is no record: the rest of a write that was cut.
    pub fn parse(line: &'a str) -> Option<Record<'a>> {
        match serde_json::from_str(line).ok()? {
            Value::Object(fields) if fields.contains_key("event") => Some(Record { line, fields }),
            _ => None,
        }
    }

    /// As it stands in the file.
    pub fn line(&self) -> &str {
        self.line
    }

    /// A field's value as text.
    pub fn text(&self, field: &str) -> Option<String> {
        match self.fields.get(field)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    pub fn is(&self, field: &str, value: &str) -> bool {
        self.text(field).is_some_and(|text| text == value)
    }

    /// How many records a gap stands for.
    pub fn lost(&self) -> u64 {
        self.fields.get("lost").and_then(Value::as_u64).unwrap_or(0)
    }

    fn style(&self) -> Style {
        match self.text("outcome").as_deref() {
            Some("ok") => GOOD,
            Some("denied" | "refused") => BAD,
            _ => ODD,
        }
    }
}

/// One line for people.
impl Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field| self.text(field).map(|text| printable(&text).into_owned());
        let time = text("time").unwrap_or_default();
        let style = self.style();
        write!(f, "{QUIET}{time}{QUIET:#} {style}{:<15}{style:#}", text("event").unwrap_or_default())?;
        write!(f, " {}[{}]", text("process").unwrap_or_default(), text("pid").unwrap_or_default())?;
        if let Some(endpoint) = text("endpoint") {
            write!(f, " {endpoint}")?;
        }
        if let Some(peer) = text("peer") {
            let arrow = if self.is("direction", "out") { "to" } else { "from" };
            write!(f, " {arrow} {peer}")?;
            if let Some(port) = text("port") {
                write!(f, " port {port}")?;
            }
        }
        if let Some(mechanism) = text("mechanism") {
            write!(f, " {mechanism}")?;
        }
        for field in NAMED {
            if let Some(value) = text(field) {
                write!(f, " {QUIET}{field}{QUIET:#} {value}")?;
            }
        }
        if let Some(us) = self.fields.get("duration_us").and_then(Value::as_u64) {
            write!(f, " {}.{:03} ms", us / 1000, us % 1000)?;
        }
        if self.lost() > 0 {
            write!(f, " {BAD}{} records lost{BAD:#}", self.lost())?;
        }
        Ok(())
    }
}

/// Text that a peer may have chosen, without what a terminal would obey.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DENIAL: &str = r#"{"time":"2026-11-30T05:58:01.223456Z","pid":4711,"process":"python3","event":"denial","outcome":"denied","direction":"in","endpoint":"tcp://127.0.0.1:5555","peer":"10.0.0.9","port":50112,"domain":"orders","mechanism":"CURVE","user":"al\u001b[31mice","status":400,"reason":"No access","duration_us":640}"#;

    #[test]
    fn a_line_for_people() {
        let record = Record::parse(DENIAL).unwrap();
        let line = anstream::adapter::strip_str(&record.to_string()).to_string();
        assert_eq!(
            line,
            "2026-11-30T05:58:01.223456Z denial          python3[4711] tcp://127.0.0.1:5555 from 10.0.0.9 port 50112 CURVE \
             domain orders user al\\u{1b}[31mice status 400 reason No access 0.640 ms"
        );
    }

    #[test]
    fn what_is_no_record() {
        for line in ["", "{", "[]", "{}", "rest of a write\"}", "{\"pid\":1}"] {
            assert!(Record::parse(line).is_none(), "{line}");
        }
        let gap = Record::parse(r#"{"event":"gap","lost":17}"#).unwrap();
        assert_eq!((gap.lost(), gap.text("peer")), (17, None));
    }
}
