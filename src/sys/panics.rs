//! Lines of the log about panics that were contained.

use super::contain;
use super::log::{self, Level, Notice, Subsystem};
use std::panic::PanicHookInfo;

static PANICS: Notice = Notice::new(Subsystem::Panic, Level::Error);

/// From now on the log has them, where it is asked for them.
pub fn begin() {
    contain::report_by(report);
}

/// Writes a line into the log's file. Returns whether the program's own hook is to have the panic instead, which writes on stderr.
pub fn report(info: &PanicHookInfo<'_>) -> bool {
    if !PANICS.is_on() || !log::has_file() {
        return PANICS.is_on();
    }
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let words = info.payload_as_str().unwrap_or_default();
    PANICS.write(format_args!("contained at {place}: {words}"));
    false
}
