//! NORM's thread and what it tells.

use super::headers::*;
use crate::errno::{Errno, Result};
use crate::sys::fork::Born;
use crate::sys::lock::Lock;
use crate::sys::thread::BlockedSignals;
use std::ffi::c_char;
use std::os::fd::RawFd;
use std::ptr;

/// Stopped, each with the number of its making. NORM 1.5 never closes one of an instance's descriptors, so that a
/// program that goes on opening and closing sockets would run out of them: instances are used again.
static IDLE: Lock<Vec<(usize, Born)>> = Lock::new(Vec::new());

/// An instance of NORM's that runs; it stops when dropped. Its sessions must be gone by then.
pub(super) struct Instance {
    handle: Handle,
    born: Born,
}

impl Instance {
    /// Errors: `EPROTONOSUPPORT` if the library is another than the one whose header this follows; else `EMFILE`, which
    /// is the only likely one where NORM says nothing.
    pub(super) fn start() -> Result<Instance> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: ints; the third may be left out.
        unsafe { NormGetVersion(&raw mut major, &raw mut minor, ptr::null_mut()) };
        // Another one may number its events otherwise, and what is a sender's handle today be something else.
        if (major, minor) != (1, 5) {
            return Err(Errno::PROTONOSUPPORT);
        }
        // The thread takes over what is blocked here; signals are the program's own.
        let _blocked = BlockedSignals::all();
        while let Some((handle, born)) = { IDLE.lock().pop() } {
            // A forked child has its parent's, by which both would take each other's events.
            if born.forked() {
                continue;
            }
            let handle = ptr::with_exposed_provenance(handle);
            // SAFETY: an instance of ours that is stopped.
            if unsafe { NormRestartInstance(handle) } {
                return Ok(Instance { handle, born });
            }
            // SAFETY: as above; nobody uses it after this.
            unsafe { NormDestroyInstance(handle) };
        }
        // SAFETY: no arguments but a flag. The process may have as many instances as it likes.
        let handle = unsafe { NormCreateInstance(false) };
        if handle.is_null() {
            return Err(Errno::MFILE);
        }
        // SAFETY: an instance of ours, and functions that live as long as the library does.
        unsafe { NormSetAllocationFunctions(handle, Some(no_room), Some(nothing_to_free)) };
        Ok(Instance { handle, born: Born::now() })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle
    }

    /// Readable when there is an event. It stays the instance's.
    pub(super) fn fd(&self) -> RawFd {
        // SAFETY: an instance of ours.
        unsafe { NormGetDescriptor(self.handle) }
    }

    /// The next event. NORM keeps what it names until it is asked for another.
    pub(super) fn next_event(&self) -> Option<Event> {
        let mut event = Event::none();
        // SAFETY: an instance of ours and room for an event.
        unsafe { NormGetNextEvent(self.handle, &raw mut event, false) }.then_some(event)
    }

    /// NORM's thread does nothing until [`resume`](Instance::resume), for this thread alone; every other call goes on
    /// as usual.
    pub(super) fn suspend(&self) {
        // SAFETY: an instance of ours.
        unsafe { NormSuspendInstance(self.handle) };
    }

    /// By the thread that has called [`suspend`](Instance::suspend), and as often.
    pub(super) fn resume(&self) {
        // SAFETY: an instance of ours.
        unsafe { NormResumeInstance(self.handle) };
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: an instance of ours.
        unsafe { NormStopInstance(self.handle) };
        // Stopping is an event as well, of which the next socket must not hear.
        while self.next_event().is_some() {}
        IDLE.lock().push((self.handle.expose_provenance(), self.born));
    }
}

/// For objects that are no streams: none of our senders' are. NORM would take as much as a sender says such an object
/// has, and end the process where there is none; without it, the object is refused.
extern "C" fn no_room(_bytes: usize) -> *mut c_char {
    ptr::null_mut()
}

extern "C" fn nothing_to_free(_data: *mut c_char) {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn instances_are_used_again() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        // Other tests open descriptors too; so many they do not.
        let before = descriptors();
        for _ in 0..200 {
            let instance = Instance::start().unwrap();
            assert!(instance.next_event().is_none());
            assert!(instance.fd() >= 0);
        }
        assert!(descriptors() < before + 100, "{before} and {}", descriptors());
    }
}
