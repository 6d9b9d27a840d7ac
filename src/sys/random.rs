//! Random bytes of the system.

use super::cancel::CancelOff;
use super::contain::Here;
use super::faults::{self, Call};
use super::patience::unless_interrupted;
use crate::errno::{Errno, Result};
use std::fs::File;
use std::io::Read;

/// How often a call is made again that a signal is said to have cut short, which none does to one for so few bytes.
const TRIES: u32 = 8;
/// What the system gives in one call without being cut short.
const MOST_AT_ONCE: usize = 256;

/// Fills `bytes`, by whatever way the system does not refuse.
///
/// Errors: what the system says; `bytes` is then not to be used.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    let _off = CancelOff::for_call(Here::find());
    for part in bytes.chunks_mut(MOST_AT_ONCE) {
        if ask(part).is_err() {
            read(part)?;
        }
    }
    Ok(())
}

/// A number, or 0 where the system has none: for what had better not be guessed, and may.
pub fn number_or_0() -> u32 {
    let mut bytes = [0; 4];
    if fill(&mut bytes).is_ok() { u32::from_ne_bytes(bytes) } else { 0 }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn ask(bytes: &mut [u8]) -> Result<()> {
    if let Some(errno) = faults::next(Call::Random) {
        return Err(errno);
    }
    let given = unless_interrupted(TRIES, || {
        // SAFETY: the call writes at most that many bytes, which are borrowed for as long.
        let given = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        usize::try_from(given).map_err(|_| std::io::Error::last_os_error())
    })?;
    if given == bytes.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn ask(_bytes: &mut [u8]) -> Result<()> {
    Err(Errno(libc::ENOSYS))
}

fn read(bytes: &mut [u8]) -> Result<()> {
    if let Some(errno) = faults::next(Call::Random) {
        return Err(errno);
    }
    let mut device = File::open("/dev/urandom")?;
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match unless_interrupted(TRIES, || device.read(rest))? {
            0 => return Err(Errno(libc::EIO)),
            given => at += given,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn twice_is_never_the_same_by_either_way() {
        for refusals in [0, 1] {
            let _refused = faults::refuse(Call::Random, Errno::FAULT, refusals);
            let mut bytes = [[0; 32]; 2];
            fill(&mut bytes[0]).unwrap();
            fill(&mut bytes[1]).unwrap();
            assert_ne!(bytes[0], bytes[1]);
            assert!(bytes.iter().all(|bytes| *bytes != [0; 32]));
        }
    }

    #[test]
    fn more_than_one_call_gives_is_filled_to_the_end() {
        let mut bytes = vec![0; 3 * MOST_AT_ONCE + 7];
        fill(&mut bytes).unwrap();
        assert!(bytes.chunks(64).all(|part| part.len() < 64 || part.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn a_system_without_says_so() {
        let _refused = faults::refuse(Call::Random, Errno::FAULT, 3);
        assert_eq!(fill(&mut [0; 32]), Err(Errno::FAULT));
        assert_eq!((fill(&mut [0; 32]), number_or_0() == 0), (Ok(()), false));
    }
}
