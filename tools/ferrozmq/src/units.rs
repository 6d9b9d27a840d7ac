//! Numbers for people: at most five characters for one in a column.

/// A number of things: `0`, `999`, `1.2k`, `34.5k`, `678k`, `9.1M`.
pub fn count(number: f64) -> String {
    scaled(number, 1000.0, &["", "k", "M", "G", "T", "P"])
}

/// Bytes in powers of 1024: `0`, `999`, `1.2K`, `34.5M`.
pub fn bytes(number: f64) -> String {
    scaled(number, 1024.0, &["", "K", "M", "G", "T", "P"])
}

fn scaled(number: f64, step: f64, prefixes: &[&str]) -> String {
    let mut number = number.max(0.0);
    let mut prefixes = prefixes.iter();
    let mut prefix = prefixes.next().copied().unwrap_or_default();
    // What would be rounded to four digits goes to the next prefix.
    while number >= 999.5
        && let Some(next) = prefixes.next()
    {
        number /= step;
        prefix = next;
    }
    match prefix {
        _ if number >= 99.95 => format!("{number:.0}{prefix}"),
        "" if number == number.trunc() => format!("{number:.0}"),
        _ => format!("{number:.1}{prefix}"),
    }
}

/// A time: `0`, `640ns`, `12.3us`, `1.5ms`, `2.0s`, `7min`, `3h`, `12d`.
pub fn seconds(seconds: f64) -> String {
    let steps = [(1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms"), (120.0, 1.0, "s")];
    if seconds <= 0.0 {
        return "0".to_owned();
    }
    if let Some((_, factor, unit)) = steps.iter().find(|(below, ..)| seconds < *below) {
        let number = seconds * factor;
        return if number < 99.95 && *unit != "ns" {
            format!("{number:.1}{unit}")
        } else {
            format!("{number:.0}{unit}")
        };
    }
    age(seconds)
}

/// How old: `5s`, `7min`, `3h`, `12d`.
pub fn age(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{:.0}s", seconds.max(0.0).floor()),
        ..7200.0 => format!("{:.0}min", (seconds / 60.0).floor()),
        ..172_800.0 => format!("{:.0}h", (seconds / 3600.0).floor()),
        _ => format!("{:.0}d", (seconds / 86_400.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_right() {
        let cases = [
            (0.0, "0"),
            (-1.0, "0"),
            (0.25, "0.2"),
            (7.0, "7"),
            (99.94, "99.9"),
            (99.97, "100"),
            (999.4, "999"),
            (999.5, "1.0k"),
            (1234.0, "1.2k"),
            (99_960.0, "100k"),
            (999_499.0, "999k"),
            (999_500.0, "1.0M"),
            (9.1e15, "9.1P"),
            (9.1e19, "91000P"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text, "{number}");
        }
        let mut number = 1.0;
        while number < 1e17 {
            assert!(count(number).len() <= 5 && bytes(number).len() <= 5, "{number}: {}", count(number));
            number *= 1.01;
        }
    }

    #[test]
    fn bytes_are_in_powers_of_1024() {
        assert_eq!(bytes(999.0), "999");
        assert_eq!(bytes(1000.0), "1.0K");
        assert_eq!(bytes(1536.0), "1.5K");
        assert_eq!(bytes(1024.0 * 1024.0 * 34.5), "34.5M");
    }

    #[test]
    fn times_have_a_unit() {
        let cases = [
            (0.0, "0"),
            (640e-9, "640ns"),
            (12.34e-6, "12.3us"),
            (0.0015, "1.5ms"),
            (0.25, "250ms"),
            (2.0, "2.0s"),
            (119.9, "120s"),
            (450.0, "7min"),
            (10_800.0, "3h"),
            (1_036_800.0, "12d"),
        ];
        for (number, text) in cases {
            assert_eq!(seconds(number), text, "{number}");
        }
    }
}
