//! The process at the other end of a local socket, and the groups of its user.

use crate::errno::{Errno, Result};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{mem, ptr};

/// Largest user or group record, in bytes. Larger ones count as not found: a directory service must not make
/// the library allocate without end.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// The ids of a process when it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    pub pid: i32,
}

/// The user that this process acts for.
pub fn effective_uid() -> u32 {
    // SAFETY: no pointers; the call cannot fail.
    unsafe { libc::geteuid() }
}

/// The credentials of a local socket's peer (`SO_PEERCRED`). Errors: those of getsockopt(2).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn peer(fd: BorrowedFd<'_>) -> Result<Credentials> {
    let mut ids = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: both pointers are to locals that outlive the call, and `length` is the size of `ids`; the descriptor
    // is open for as long as it is borrowed.
    let rc = unsafe {
        let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut ids).cast(), &raw mut length)
    };
    match rc {
        0 => Ok(Credentials { uid: ids.uid, gid: ids.gid, pid: ids.pid }),
        _ => Err(Errno::last()),
    }
}

/// The credentials of a local socket's peer, whose process is not told: -1 is none. Errors: those of getpeereid(3).
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn peer(fd: BorrowedFd<'_>) -> Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both pointers are to locals that outlive the call; the descriptor is open for as long as it is borrowed.
    match unsafe { libc::getpeereid(fd.as_raw_fd(), &raw mut uid, &raw mut gid) } {
        0 => Ok(Credentials { uid, gid, pid: -1 }),
        _ => Err(Errno::last()),
    }
}

/// Whether the group database lists the user among the members of group `gid`. `false` where either is
/// unknown. It may ask a directory service, and so may block.
pub fn is_member(uid: u32, gid: u32) -> bool {
    let Some(user) = user_name(uid) else { return false };
    let mut buffer = vec![0; 1024];
    loop {
        // SAFETY: all zeroes is a valid `group`: null pointers and numbers.
        let mut group: libc::group = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to locals that outlive the call, and the length is that of the buffer.
        let rc = unsafe {
            let (text, length) = (buffer.as_mut_ptr(), buffer.len());
            libc::getgrgid_r(gid, &raw mut group, text, length, &raw mut found)
        };
        if rc == libc::ERANGE && grow(&mut buffer) {
            continue;
        }
        if rc != 0 || found.is_null() {
            return false;
        }
        // SAFETY: the call has succeeded, so `gr_mem` is an array of C strings in `buffer` that null ends.
        return unsafe { lists(group.gr_mem, &user) };
    }
}

/// The name of user `uid`.
fn user_name(uid: u32) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 1024];
    loop {
        // SAFETY: all zeroes is a valid `passwd`: null pointers and numbers.
        let mut user: libc::passwd = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are to locals that outlive the call, and the length is that of the buffer.
        let rc = unsafe {
            let (text, length) = (buffer.as_mut_ptr(), buffer.len());
            libc::getpwuid_r(uid, &raw mut user, text, length, &raw mut found)
        };
        if rc == libc::ERANGE && grow(&mut buffer) {
            continue;
        }
        if rc != 0 || found.is_null() || user.pw_name.is_null() {
            return None;
        }
        // SAFETY: the call has succeeded, so `pw_name` is a C string in `buffer`.
        return Some(unsafe { CStr::from_ptr(user.pw_name) }.to_bytes().to_vec());
    }
}

/// Whether `name` is in an array of C strings.
///
/// # Safety
/// `members` is null, or an array of pointers to C strings whose last element is null.
unsafe fn lists(mut members: *mut *mut libc::c_char, name: &[u8]) -> bool {
    if members.is_null() {
        return false;
    }
    loop {
        // SAFETY: no element so far was null, so this one is still in the array.
        let member = unsafe { *members };
        if member.is_null() {
            return false;
        }
        // SAFETY: elements that are not null are C strings.
        if unsafe { CStr::from_ptr(member) }.to_bytes() == name {
            return true;
        }
        // SAFETY: only null ends the array.
        members = unsafe { members.add(1) };
    }
}

/// Doubles the buffer; `false` at the limit.
fn grow(buffer: &mut Vec<libc::c_char>) -> bool {
    let length = buffer.len().saturating_mul(2);
    if length <= MAX_RECORD_BYTES {
        buffer.resize(length, 0);
    }
    length <= MAX_RECORD_BYTES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (a, _b) = UnixStream::pair().unwrap();
        let ids = peer(a.as_fd()).unwrap();
        assert_eq!(ids.pid, std::process::id() as i32);
    }

    #[test]
    fn the_superuser_has_a_name_and_unknown_ids_have_none() {
        assert_eq!(user_name(0).unwrap(), b"root");
        assert_eq!(user_name(u32::MAX - 5), None);
        assert!(!is_member(0, u32::MAX - 5));
        assert!(!is_member(u32::MAX - 5, 0));
    }

    #[test]
    fn members_are_found_in_a_list() {
        let names = [c"ann".as_ptr().cast_mut(), c"bob".as_ptr().cast_mut(), ptr::null_mut()];
        let members = names.as_ptr().cast_mut();
        // SAFETY: an array of C strings that null ends.
        let found = |name| unsafe { lists(members, name) };
        assert!(found(b"ann") && found(b"bob"));
        assert!(!found(b"bo") && !found(b""));
    }
}
