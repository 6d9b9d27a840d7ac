//! The time as lines for people and programs have it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// As RFC 3339 has it, in UTC, with microseconds.
pub struct Timestamp(pub SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_SECONDS: u64 = 86_400;
        // A clock that stands before 1970 is wrong in any case.
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, seconds) = (since.as_secs() / DAY_SECONDS, since.as_secs() % DAY_SECONDS);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let micros = since.subsec_micros();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// Year, month and day of the Gregorian calendar, of a number of days after the first of January 1970.
fn date(days: u64) -> (u64, u64, u64) {
    /// The calendar repeats itself after this number of days.
    const ERA_DAYS: u64 = 146_097;
    /// From the first of March of the year 0.
    const EPOCH_DAYS: u64 = 719_468;
    let days = days.saturating_add(EPOCH_DAYS);
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    // Years begin in March here, so that the leap day is the last.
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era.saturating_mul(400).saturating_add(year + next_year), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64, micros: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, micros * 1000)
    }

    #[test]
    fn days_have_their_dates() {
        let dates = [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_735_603_200, "2024-12-31"),
            (1_735_689_600, "2025-01-01"),
            (4_107_542_400, "2100-03-01"),
            (253_402_214_400, "9999-12-31"),
        ];
        for (seconds, date) in dates {
            assert_eq!(Timestamp(at(seconds, 0)).to_string(), format!("{date}T00:00:00.000000Z"));
        }
        let last = (0..40_000).map(date).fold((0, 0, 0), |last, next| {
            assert!(next > last, "{next:?} after {last:?}");
            next
        });
        assert_eq!(last, (2079, 7, 7));
        assert_eq!(date(u64::MAX).1, date(u64::MAX).1, "no panic");
    }
}
