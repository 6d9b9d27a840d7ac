//! Network interfaces by name and by number.

use crate::errno::{Errno, Result};
use std::ffi::{CStr, CString};
use std::net::SocketAddr;
use std::ptr;

/// The first address, without a port, of the interface `name` in the family asked for. `None` if there is no
/// such interface or it has no such address. Errors: those of getifaddrs(3).
pub fn address_of(name: &str, ipv6: bool) -> Result<Option<SocketAddr>> {
    // A cheap check first: this is one call, and most names are those of hosts.
    if index_of(name).is_none() {
        return Ok(None);
    }
    let mut list = List(ptr::null_mut());
    // SAFETY: `list.0` outlives the call and receives the list.
    if unsafe { libc::getifaddrs(&raw mut list.0) } != 0 {
        return Err(Errno::last());
    }
    let mut next = list.0;
    while !next.is_null() {
        // SAFETY: not null, so an entry of the list that getifaddrs made and that lives as long as `list`.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        // SAFETY: getifaddrs gives every entry a name, a C string that lives as long as the list.
        if unsafe { CStr::from_ptr(entry.ifa_name) }.to_bytes() != name.as_bytes() {
            continue;
        }
        // SAFETY: getifaddrs fills addresses in as their family wants, or leaves null.
        match unsafe { super::net::socket_addr(entry.ifa_addr) } {
            Some(address) if address.is_ipv6() == ipv6 => return Ok(Some(address)),
            _ => {}
        }
    }
    Ok(None)
}

/// The number of the interface called `name`.
pub fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a C string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => None,
        index => Some(index),
    }
}

/// The name of interface number `index`.
pub fn name_of(index: u32) -> Option<String> {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the call may write, and outlives it.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: on success the call has left a C string in the buffer.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_str().ok().map(String::from)
}

/// The list of getifaddrs(3), or null.
struct List(*mut libc::ifaddrs);

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getifaddrs made the list, and it is freed only here.
            unsafe { libc::freeifaddrs(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_both_ways() {
        assert_eq!(address_of("lo", false).unwrap().unwrap().ip().to_string(), "127.0.0.1");
        assert_eq!(name_of(index_of("lo").unwrap()).unwrap(), "lo");
    }

    #[test]
    fn unknown_interfaces_are_none() {
        assert_eq!(address_of("no such if", false), Ok(None));
        assert_eq!(address_of("", true), Ok(None));
        assert_eq!(index_of("nosuchif"), None);
        assert_eq!(index_of("l\0o"), None);
        assert_eq!(name_of(u32::MAX), None);
    }
}
