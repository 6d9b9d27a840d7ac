//! The system's GSSAPI library (MIT Kerberos), RFC 2744. It fetches tickets and the like by itself, which may
//! block.

use crate::errno::{Errno, Result};
use std::ffi::{c_int, c_void};
use std::ptr;

/// The notation of a principal; the numbers are those of `ZMQ_GSSAPI_NT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameType {
    /// `service@host`, or `service` on this host.
    Hostbased,
    User,
    /// `name/instance@REALM`.
    Krb5Principal,
}

/// A principal's name.
pub struct Name(*mut c_void);

/// Credentials: the proof that this side is a principal.
pub struct Credentials(*mut c_void);

/// The security context that two sides share once they have exchanged tokens.
pub struct Context(*mut c_void);

/// The result of a token.
pub struct Step {
    /// For the other side; empty if it needs none.
    pub token: Vec<u8>,
    /// This side is done.
    pub done: bool,
}

// SAFETY: the library ties none of these to a thread; each value is the only owner of its handle.
unsafe impl Send for Name {}
// SAFETY: as above.
unsafe impl Send for Credentials {}
// SAFETY: as above.
unsafe impl Send for Context {}

impl NameType {
    /// The type with this number of `ZMQ_GSSAPI_NT_*`.
    pub fn of(number: i32) -> NameType {
        match number {
            1 => NameType::User,
            2 => NameType::Krb5Principal,
            _ => NameType::Hostbased,
        }
    }
}

impl Name {
    /// Errors: `EINVAL`.
    pub fn import(name: &[u8], name_type: NameType) -> Result<Name> {
        // The bytes of the object identifiers that RFC 2743 and RFC 1964 give these kinds of names.
        let mut identifier: [u8; 10] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x01, 0x04];
        match name_type {
            NameType::Hostbased => {}
            NameType::User => identifier[9] = 0x01,
            NameType::Krb5Principal => {
                identifier[8] = 0x02;
                identifier[9] = 0x01;
            }
        }
        let mut oid = Oid { length: 10, elements: identifier.as_mut_ptr().cast() };
        let mut text = Buffer::lent(name);
        let (mut minor, mut handle) = (0, ptr::null_mut());
        // SAFETY: places for a number and a handle, a buffer and an identifier that outlive the call, which copies both.
        let major = unsafe { gss_import_name(&raw mut minor, &raw mut text, &raw mut oid, &raw mut handle) };
        if major == COMPLETE && !handle.is_null() { Ok(Name(handle)) } else { Err(Errno::INVAL) }
    }
}

impl Credentials {
    /// Acquires the credentials of a principal, from the key table or the ticket cache. May block. Errors:
    /// `EACCES` if there are none.
    pub fn acquire(principal: &Name) -> Result<Credentials> {
        const BOTH: c_int = 0;
        let (mut minor, mut handle) = (0, ptr::null_mut());
        // SAFETY: places for a number and a handle, a name of ours, and null where the library takes null.
        let major = unsafe {
            gss_acquire_cred(
                &raw mut minor,
                principal.0,
                0,
                ptr::null_mut(),
                BOTH,
                &raw mut handle,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        if major == COMPLETE && !handle.is_null() {
            Ok(Credentials(handle))
        } else {
            Err(Errno(libc::EACCES))
        }
    }
}

impl Context {
    /// A context that has received no token yet.
    pub fn begin() -> Context {
        Context(ptr::null_mut())
    }

    /// Takes the other side's token, empty at first, and returns ours, as the side that begins. May block.
    /// Errors: `EACCES`.
    pub fn initiate(
        &mut self,
        credentials: Option<&Credentials>,
        target: &Name,
        token: &[u8],
    ) -> Result<Step> {
        const MUTUAL_AND_REPLAY: u32 = 2 | 4;
        let (mut minor, mut given, mut ours) = (0, Buffer::lent(token), Buffer::empty());
        let given = if token.is_empty() { ptr::null_mut() } else { &raw mut given };
        // SAFETY: places for numbers, our context, credentials, a name, a buffer lent for the call, one to be filled, and
        // null where the library takes null.
        let major = unsafe {
            gss_init_sec_context(
                &raw mut minor,
                credentials.map_or(ptr::null_mut(), |credentials| credentials.0),
                &raw mut self.0,
                target.0,
                ptr::null_mut(),
                MUTUAL_AND_REPLAY,
                0,
                ptr::null_mut(),
                given,
                ptr::null_mut(),
                &raw mut ours.0,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        step(major, &ours)
    }

    /// Takes a token and returns ours, as the other side. Also returns the name of the first side, once done.
    /// Errors: `EACCES`.
    pub fn accept(&mut self, credentials: Option<&Credentials>, token: &[u8]) -> Result<(Step, Vec<u8>)> {
        let (mut minor, mut given, mut ours) = (0, Buffer::lent(token), Buffer::empty());
        let mut peer = Name(ptr::null_mut());
        // SAFETY: places for numbers and a name, our context, and credentials; a buffer lent for the call, one to be filled,
        // and null where the library takes null.
        let major = unsafe {
            gss_accept_sec_context(
                &raw mut minor,
                &raw mut self.0,
                credentials.map_or(ptr::null_mut(), |credentials| credentials.0),
                &raw mut given,
                ptr::null_mut(),
                &raw mut peer.0,
                ptr::null_mut(),
                &raw mut ours.0,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        Ok((step(major, &ours)?, peer.text()))
    }

    /// Seals bytes so that only the other side can read them. Errors: `EPROTO`.
    pub fn wrap(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        let (mut minor, mut secret) = (0, 0);
        let (mut given, mut wrapped) = (Buffer::lent(text), Buffer::empty());
        // SAFETY: places for numbers, our context, a buffer lent for the call and one to be filled.
        let major = unsafe {
            gss_wrap(&raw mut minor, self.0, 1, 0, &raw mut given, &raw mut secret, &raw mut wrapped.0)
        };
        if major == COMPLETE && secret != 0 { Ok(wrapped.bytes().to_vec()) } else { Err(Errno::PROTO) }
    }

    /// Opens bytes that the other side has sealed. Errors: `EPROTO` for bytes that were changed, came twice,
    /// or were not secret.
    pub fn unwrap(&mut self, wrapped: &[u8]) -> Result<Vec<u8>> {
        let (mut minor, mut secret) = (0, 0);
        let (mut given, mut text) = (Buffer::lent(wrapped), Buffer::empty());
        // SAFETY: places for numbers, our context, a buffer lent for the call and one to be filled.
        let major = unsafe {
            gss_unwrap(
                &raw mut minor,
                self.0,
                &raw mut given,
                &raw mut text.0,
                &raw mut secret,
                ptr::null_mut(),
            )
        };
        if major == COMPLETE && secret != 0 { Ok(text.bytes().to_vec()) } else { Err(Errno::PROTO) }
    }
}

impl Name {
    fn text(&self) -> Vec<u8> {
        if self.0.is_null() {
            return Vec::new();
        }
        let (mut minor, mut text) = (0, Buffer::empty());
        // SAFETY: a place for a number, a name of ours, a buffer to be filled, and null where the library takes null.
        let major = unsafe { gss_display_name(&raw mut minor, self.0, &raw mut text.0, ptr::null_mut()) };
        if major == COMPLETE { text.bytes().to_vec() } else { Vec::new() }
    }
}

fn step(major: u32, token: &Filled) -> Result<Step> {
    match major {
        COMPLETE => Ok(Step { token: token.bytes().to_vec(), done: true }),
        CONTINUE_NEEDED => Ok(Step { token: token.bytes().to_vec(), done: false }),
        _ => Err(Errno(libc::EACCES)),
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: a handle of ours, released once.
            unsafe { gss_release_name(&mut 0, &raw mut self.0) };
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        // SAFETY: a handle of ours, released once.
        unsafe { gss_release_cred(&mut 0, &raw mut self.0) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: a handle of ours, deleted once; no token is wanted.
            unsafe { gss_delete_sec_context(&mut 0, &raw mut self.0, ptr::null_mut()) };
        }
    }
}

const COMPLETE: u32 = 0;
const CONTINUE_NEEDED: u32 = 1;

/// `gss_buffer_desc`.
#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

/// A buffer that the library fills, and that is given back to it.
struct Filled(Buffer);

impl Buffer {
    /// For a call that only reads it.
    fn lent(bytes: &[u8]) -> Buffer {
        Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }

    fn empty() -> Filled {
        Filled(Buffer { length: 0, value: ptr::null_mut() })
    }
}

impl Filled {
    fn bytes(&self) -> &[u8] {
        if self.0.value.is_null() {
            return &[];
        }
        // SAFETY: the library has put `length` bytes there, which stay until the buffer is released with
        // `self`.
        unsafe { std::slice::from_raw_parts(self.0.value.cast(), self.0.length) }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // SAFETY: filled by the library or still empty, which it takes as well; released once.
        unsafe { gss_release_buffer(&mut 0, &raw mut self.0) };
    }
}

/// `gss_OID_desc`.
#[repr(C)]
struct Oid {
    length: u32,
    elements: *mut c_void,
}

#[link(name = "gssapi_krb5")]
unsafe extern "C" {
    fn gss_import_name(minor: *mut u32, text: *mut Buffer, kind: *mut Oid, name: *mut *mut c_void) -> u32;
    fn gss_display_name(minor: *mut u32, name: *mut c_void, text: *mut Buffer, kind: *mut *mut Oid) -> u32;
    fn gss_release_name(minor: *mut u32, name: *mut *mut c_void) -> u32;
    fn gss_release_buffer(minor: *mut u32, buffer: *mut Buffer) -> u32;
    fn gss_release_cred(minor: *mut u32, credentials: *mut *mut c_void) -> u32;
    fn gss_delete_sec_context(minor: *mut u32, context: *mut *mut c_void, token: *mut Buffer) -> u32;
    fn gss_acquire_cred(
        minor: *mut u32,
        name: *mut c_void,
        seconds: u32,
        mechanisms: *mut c_void,
        usage: c_int,
        credentials: *mut *mut c_void,
        actual: *mut *mut c_void,
        actual_seconds: *mut u32,
    ) -> u32;
    fn gss_init_sec_context(
        minor: *mut u32,
        credentials: *mut c_void,
        context: *mut *mut c_void,
        target: *mut c_void,
        mechanism: *mut Oid,
        flags: u32,
        seconds: u32,
        bindings: *mut c_void,
        given: *mut Buffer,
        actual: *mut *mut Oid,
        token: *mut Buffer,
        got_flags: *mut u32,
        got_seconds: *mut u32,
    ) -> u32;
    fn gss_accept_sec_context(
        minor: *mut u32,
        context: *mut *mut c_void,
        credentials: *mut c_void,
        given: *mut Buffer,
        bindings: *mut c_void,
        source: *mut *mut c_void,
        mechanism: *mut *mut Oid,
        token: *mut Buffer,
        got_flags: *mut u32,
        got_seconds: *mut u32,
        delegated: *mut *mut c_void,
    ) -> u32;
    fn gss_wrap(
        minor: *mut u32,
        context: *mut c_void,
        secret: c_int,
        quality: u32,
        text: *mut Buffer,
        is_secret: *mut c_int,
        wrapped: *mut Buffer,
    ) -> u32;
    fn gss_unwrap(
        minor: *mut u32,
        context: *mut c_void,
        wrapped: *mut Buffer,
        text: *mut Buffer,
        is_secret: *mut c_int,
        quality: *mut u32,
    ) -> u32;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_imported_and_shown() {
        let user = Name::import(b"somebody", NameType::User).unwrap();
        assert!(user.text().starts_with(b"somebody"));
        let service = Name::import(b"zmq@localhost", NameType::Hostbased).unwrap();
        assert_eq!(service.text(), b"zmq@localhost");
    }

    #[test]
    fn an_invalid_token_is_refused() {
        for token in [&b""[..], b"x", &[0x60; 500], &[0; 70_000]] {
            assert!(Context::begin().accept(None, token).is_err());
        }
        assert!(Context::begin().wrap(b"text").is_err());
        assert!(Context::begin().unwrap(b"text").is_err());
    }
}
