//! NORM's thread and its events.

use super::headers::*;
use crate::errno::{Errno, Result};
use crate::sys::fork::{Born, PerProcess};
use crate::sys::lock::Lock;
use crate::sys::thread::BlockedSignals;
use std::ffi::c_char;
use std::os::fd::RawFd;
use std::ptr;

/// Stopped instances. A forked child has its parent's descriptors, and both would take each other's events: so a child has a list of
/// its own. NORM 1.5 never closes one of an
/// instance's descriptors. A program that opens and closes sockets repeatedly would run out of them, so
/// instances are used again.
static IDLE: PerProcess<Lock<Vec<usize>>> = PerProcess::new();

/// A running instance of NORM; it stops when dropped. Its sessions must be gone by then.
pub(super) struct Instance {
    handle: Handle,
    born: Born,
}

impl Instance {
    /// Errors: `EPROTONOSUPPORT` if the library's version differs from the header's; otherwise `EMFILE`, the
    /// only likely error where NORM gives no reason.
    pub(super) fn start() -> Result<Instance> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: ints; the third may be left out.
        unsafe { NormGetVersion(&raw mut major, &raw mut minor, ptr::null_mut()) };
        // Another version may number its events differently, and reuse a sender's handle for another object.
        if (major, minor) != (1, 5) {
            return Err(Errno::PROTONOSUPPORT);
        }
        // The thread inherits the blocked signals; signals are for the program's own threads.
        let _blocked = BlockedSignals::all();
        while let Some(handle) = { idle().lock().pop() } {
            let handle = ptr::with_exposed_provenance(handle);
            // SAFETY: an instance of ours that is stopped.
            if unsafe { NormRestartInstance(handle) } {
                return Ok(Instance { handle, born: Born::now() });
            }
            // SAFETY: as above; it is not used after this.
            unsafe { NormDestroyInstance(handle) };
        }
        // SAFETY: its only argument is a flag. A process may have any number of instances.
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

    /// Readable when there is an event. The instance still owns it.
    pub(super) fn fd(&self) -> RawFd {
        // SAFETY: an instance of ours.
        unsafe { NormGetDescriptor(self.handle) }
    }

    /// The next event. NORM keeps the objects that it names until the next call.
    pub(super) fn next_event(&self) -> Option<Event> {
        let mut event = Event::none();
        // SAFETY: an instance of ours and room for an event.
        unsafe { NormGetNextEvent(self.handle, &raw mut event, false) }.then_some(event)
    }

    /// Stops NORM's thread until the calling thread calls [`resume`](Instance::resume). All other calls work
    /// as usual.
    pub(super) fn suspend(&self) {
        // SAFETY: an instance of ours.
        unsafe { NormSuspendInstance(self.handle) };
    }

    /// Undoes one [`suspend`](Instance::suspend), on the same thread.
    pub(super) fn resume(&self) {
        // SAFETY: an instance of ours.
        unsafe { NormResumeInstance(self.handle) };
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: an instance of ours.
        unsafe { NormStopInstance(self.handle) };
        // Stopping is an event as well, which the next socket must not see.
        while self.next_event().is_some() {}
        if !self.born.forked() {
            idle().lock().push(self.handle.expose_provenance());
        }
    }
}

fn idle() -> &'static Lock<Vec<usize>> {
    IDLE.find_or_make(Lock::default)
}

/// Called for objects that are no streams, which no sender of this library sends. NORM would allocate the
/// size that a sender claims, and end the process where there is no memory. Without memory from here, it
/// refuses the object.
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
        // Other tests open descriptors too, but fewer than this.
        let before = descriptors();
        for _ in 0..200 {
            let instance = Instance::start().unwrap();
            assert!(instance.next_event().is_none());
            assert!(instance.fd() >= 0);
        }
        assert!(descriptors() < before + 100, "{before} and {}", descriptors());
    }
}
