//! Variables of the environment that switch something on.

use std::ffi::OsString;

/// The variable's value, if it is set, also to nothing. A program that runs with more rights than its caller (`AT_SECURE`, as
/// setuid programs do) has none: the caller would decide what is done with those rights.
pub fn variable(name: &str) -> Option<OsString> {
    if is_secure() {
        return None;
    }
    std::env::var_os(name)
}

/// Whether the program has more rights than its caller.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn is_secure() -> bool {
    // SAFETY: no pointers; the call reads what the kernel has given the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn is_secure() -> bool {
    // SAFETY: no pointers; none of these calls fails.
    unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_set_has_no_value() {
        assert!(variable("PATH").is_some());
        assert_eq!(variable("FERROZMQ_NOT_SET_BY_ANYONE"), None);
    }
}
