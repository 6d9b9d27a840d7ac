//! How many I/O threads a context has, where the environment says it (`FERROZMQ_IO_THREADS`).
//!
//! | `ZMQ_IO_THREADS` of the program | the variable | I/O threads |
//! |---|---|---|
//! | not 1 | anything | as the program says |
//! | 1, which is the default | not set, or a mistake | 1 |
//! | 1 | a number | that |
//! | 1 | `auto` | half of the processors that the process may use, from 1 to [`MAX_AUTO_THREADS`] |
//!
//! A program that sets 1 counts as one that sets nothing: pyzmq does so for each context that is given no number.

use crate::sys::fork::SetOnce;
use crate::sys::log::{self, Level, Subsystem};
use std::ffi::OsStr;
use std::thread::available_parallelism;

/// The variable of the environment.
pub const IO_THREADS: &str = "FERROZMQ_IO_THREADS";
/// More than that brings no rate, on any machine that was measured.
const MAX_AUTO_THREADS: usize = 8;
/// The most that the variable may ask for.
const MAX_THREADS: usize = 64;
/// The default of `ZMQ_IO_THREADS`.
const DEFAULT_THREADS: usize = 1;

/// The number for a context whose option says `asked`. The environment is looked at once. A mistake in it is told on stderr.
pub fn number(asked: i32) -> usize {
    static WISH: SetOnce<Option<usize>> = SetOnce::new();
    let asked = usize::try_from(asked).unwrap_or(0);
    if asked != DEFAULT_THREADS {
        return asked;
    }
    let processors = || available_parallelism().map_or(1, usize::from);
    if WISH.get().is_none() {
        let value = std::env::var_os(IO_THREADS);
        let wish = value.as_ref().and_then(|value| wish(value, processors));
        if WISH.set(wish)
            && wish.is_none()
            && let Some(value) = value
        {
            let value = value.display();
            let line = format_args!("{IO_THREADS}={value}: write a number from 1 to {MAX_THREADS}, or auto");
            log::complain((Subsystem::Limits, Level::Error), line);
        }
    }
    WISH.get().copied().flatten().unwrap_or(asked)
}

/// What a value of the variable asks for; `None` for a mistake.
fn wish(value: &OsStr, processors: impl FnOnce() -> usize) -> Option<usize> {
    let value = value.to_str()?;
    if value == "auto" {
        return Some((processors() / 2).clamp(1, MAX_AUTO_THREADS));
    }
    value.parse().ok().filter(|number| (1..=MAX_THREADS).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds_and_auto_has_a_rule() {
        let of = |value: &str, processors| wish(OsStr::new(value), || processors);
        for (value, number) in [("1", Some(1)), ("7", Some(7)), ("64", Some(64)), ("+3", Some(3))] {
            assert_eq!(of(value, 2), number, "{value}");
        }
        for value in ["", "0", "65", "-1", "Auto", "two", "1 ", "99999999999999999999"] {
            assert_eq!(of(value, 2), None, "{value:?}");
        }
        for (processors, number) in [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (16, 8), (17, 8), (256, 8)] {
            assert_eq!(of("auto", processors), Some(number), "{processors}");
        }
    }

    #[test]
    fn another_number_of_the_program_comes_first() {
        assert_eq!([number(0), number(2), number(1000)], [0, 2, 1000]);
    }
}
