//! Lengths of time as the system's calls take them.

use std::time::Duration;

/// `time` as a `timespec`; the longest that there is where it does not fit.
// libc tells of musl that the alias will become 64 bits wide there, which changes nothing here.
#[cfg_attr(target_env = "musl", allow(deprecated))]
pub fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        // Below 10^9, which fits any C long.
        tv_nsec: time.subsec_nanos() as _,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_kept_and_one_that_does_not_fit_is_the_longest() {
        let short = timespec(Duration::new(3, 999_999_999));
        assert_eq!((short.tv_sec, short.tv_nsec), (3, 999_999_999));
        let long = timespec(Duration::MAX);
        assert_eq!((i128::from(long.tv_sec) + 1).count_ones(), 1, "{}", long.tv_sec);
        assert!(i128::from(long.tv_sec) >= i128::from(i32::MAX));
    }
}
