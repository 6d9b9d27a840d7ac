//! When a thread stops waiting.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub enum Deadline {
    Never,
    At(Instant),
}

impl Deadline {
    /// Of a timeout as the C interface has it: milliseconds from now, negative for none. A timeout beyond what the clock can count
    /// is none either.
    pub fn after_ms(timeout_ms: impl Into<i64>) -> Deadline {
        let timeout = u64::try_from(timeout_ms.into()).ok().map(Duration::from_millis);
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        end.map_or(Deadline::Never, Deadline::At)
    }

    /// `None`: without end.
    pub fn left(self) -> Option<Duration> {
        match self {
            Deadline::Never => None,
            Deadline::At(end) => Some(end.saturating_duration_since(Instant::now())),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn timeout_below_zero_has_no_end() {
        assert_eq!(Deadline::after_ms(-1).left(), None);
        assert_eq!(Deadline::after_ms(i64::MIN).left(), None);
        assert!(Deadline::after_ms(i64::MAX).left().is_none_or(|left| left > Duration::from_secs(1 << 40)));
        assert_eq!(Deadline::after_ms(0).left(), Some(Duration::ZERO));
        assert!(Deadline::after_ms(1_000_000).left() <= Some(Duration::from_secs(1000)));
    }
}
