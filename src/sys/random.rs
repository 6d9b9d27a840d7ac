//! Random bytes of the system.

use super::cancel::CancelOff;
use super::faults::{self, Call};
use super::file;
use super::retry::unless_interrupted;
use super::thread_state::ThreadState;
use crate::errno::{Errno, Result};
use std::io::Read;
use std::path::Path;

/// Calls made in all where signals interrupt them. None interrupts a call for so few bytes, by the manual
/// page.
const MAX_TRIES: u32 = 8;
/// Bytes that the system returns in one call without being interrupted (getrandom(2)).
const MAX_CALL_BYTES: usize = 256;

/// Fills `bytes`, by any way that the system does not refuse.
///
/// Errors: the system's; the caller must not use `bytes` then.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    let _off = CancelOff::for_call(ThreadState::current());
    for part in bytes.chunks_mut(MAX_CALL_BYTES) {
        if ask(part).is_err() {
            read(part)?;
        }
    }
    Ok(())
}

/// A random number, or 0 where the system has none: for values that should be hard to guess but need not be.
pub fn number_or_0() -> u32 {
    let mut bytes = [0; 4];
    if fill(&mut bytes).is_ok() { u32::from_ne_bytes(bytes) } else { 0 }
}

#[cfg(getrandom)]
fn ask(bytes: &mut [u8]) -> Result<()> {
    if let Some(errno) = faults::next(Call::Random) {
        return Err(errno);
    }
    let given = unless_interrupted(MAX_TRIES, || {
        // SAFETY: the call writes at most that many bytes, which are borrowed for as long.
        let given = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        usize::try_from(given).map_err(|_| std::io::Error::last_os_error())
    })?;
    if given == bytes.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
}

/// There is no such call. To tests that have calls refused it counts as one.
#[cfg(not(getrandom))]
fn ask(_bytes: &mut [u8]) -> Result<()> {
    Err(faults::next(Call::Random).unwrap_or(Errno(libc::ENOSYS)))
}

fn read(bytes: &mut [u8]) -> Result<()> {
    if let Some(errno) = faults::next(Call::Random) {
        return Err(errno);
    }
    let mut device = file::open(Path::new("/dev/urandom"), libc::O_RDONLY, 0)?;
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match unless_interrupted(MAX_TRIES, || device.read(rest))? {
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
    fn two_fills_differ_by_either_way() {
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
        let mut bytes = vec![0; 3 * MAX_CALL_BYTES + 7];
        fill(&mut bytes).unwrap();
        assert!(bytes.chunks(64).all(|part| part.len() < 64 || part.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn a_system_without_random_bytes_is_an_error() {
        let _refused = faults::refuse(Call::Random, Errno::FAULT, 3);
        assert_eq!(fill(&mut [0; 32]), Err(Errno::FAULT));
        assert_eq!((fill(&mut [0; 32]), number_or_0() == 0), (Ok(()), false));
    }
}
