//! A line of the log as text.

use super::{Level, Subsystem};
use crate::sys::timestamp::Timestamp;
use std::fmt::{self, Write};
use std::time::SystemTime;

/// Bytes of a line with its end. A pipe with room takes a page at once (poll(2), PIPE_BUF).
pub const MAX_LINE_BYTES: usize = 4096;
/// What stands in the place of a character that people do not see.
const HIDDEN: char = '?';

/// For stderr: the library's name and the text.
pub fn on_stderr(text: fmt::Arguments<'_>) -> String {
    cut(format!("ferrozmq: {text}"))
}

/// For a file, which several processes may write to: the time, the process, the level and the subsystem stand before the text.
pub fn in_file(
    time: SystemTime,
    process: u32,
    (subsystem, level): (Subsystem, Level),
    text: fmt::Arguments<'_>,
) -> String {
    let (time, level, subsystem) = (Timestamp(time), level.name(), subsystem.name());
    cut(format!("{time} ferrozmq[{process}] {level} {subsystem}: {text}"))
}

/// Keeps out what would make two lines of it. Peers and files choose some of its characters.
fn cut(text: String) -> String {
    let mut line = String::new();
    for c in text.chars() {
        let c = if is_hidden(c) { HIDDEN } else { c };
        // The line's end has a byte as well.
        if line.len() + c.len_utf8() >= MAX_LINE_BYTES {
            break;
        }
        // Writing to a string does not fail.
        let _ = line.write_char(c);
    }
    line
}

/// Whether a character is none that people see, and may make a terminal show them something else.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_line_in_a_file_says_when_and_which_process() {
        let time = UNIX_EPOCH + Duration::from_micros(1_796_018_281_123_456);
        let line =
            in_file(time, 4711, (Subsystem::Reconnect, Level::Debug), format_args!("again in {} ms", 5));
        assert_eq!(line, "2026-11-30T05:58:01.123456Z ferrozmq[4711] debug reconnect: again in 5 ms");
        assert_eq!(on_stderr(format_args!("text")), "ferrozmq: text");
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        let forged = on_stderr(format_args!("a\nferrozmq: all is well\u{1b}[2J\u{202e}"));
        assert_eq!(forged, "ferrozmq: a?ferrozmq: all is well?[2J?");
        let long = on_stderr(format_args!("{}", "é".repeat(MAX_LINE_BYTES)));
        assert!((MAX_LINE_BYTES - 2..MAX_LINE_BYTES).contains(&long.len()) && long.ends_with('é'));
    }
}
