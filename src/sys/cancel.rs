//! `pthread_cancel` of a program's thread that is in a call of the library.
//!
//! glibc ends a cancelled thread at a *cancellation point*, by unwinding its stack from there. That must not
//! happen inside the library. The unwinding ends the process where it meets a
//! [`contain`](super::contain::contain), and no destructor would run.
//!
//! So no call of the library is a cancellation point, except those that sleep ([`SystemCall::sleep`]). There
//! glibc unwinds no further than the frame that made the call. That call returns `EINTR`, and so do its
//! callers, up to the outermost frame, which owns nothing. The outermost frame then ends the thread
//! ([`end_if_cancelled`]).
//!
//! Other calls that could be cancellation points are made without libc's wrapper ([`SystemCall::make`]), or
//! run under a [`CancelOff`].

use super::thread_state::{PutOff, ThreadState};
#[cfg(any(direct_calls, futex))]
use crate::errno::{Errno, Result};
#[cfg(any(direct_calls, futex))]
use std::ffi::c_long;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

unsafe extern "C-unwind" {
    fn pthread_exit(value: *mut c_void) -> !;
    fn pthread_testcancel();
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

// All C libraries here agree on these, except Apple's.
const ENABLE: c_int = if cfg!(target_vendor = "apple") { 1 } else { 0 };
const DISABLE: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };
/// `PTHREAD_CANCELED`.
const CANCELED: *mut c_void = if cfg!(target_vendor = "apple") {
    ptr::without_provenance_mut(1)
} else {
    ptr::without_provenance_mut(usize::MAX)
};

/// While it lives, the calling thread is not cancelled, except where a call [begun](CancelOff::for_call) so sleeps.
pub struct CancelOff {
    here: &'static ThreadState,
    before: PutOff,
    /// The old state of `pthread_setcancelstate`.
    state: c_int,
}

impl CancelOff {
    /// For code that may reach cancellation points of libc. Where it sleeps the thread is cancelled, and its outermost frame has to
    /// [end it](end_if_cancelled).
    pub fn for_call(here: &'static ThreadState) -> CancelOff {
        CancelOff::begin(here, PutOff::ByCall)
    }

    /// For calls that end no thread, and for waits in them: the cancellation waits for the thread's next cancellation point, be it a call
    /// of the library or of libc. If it were acted upon here, libc would take the thread for one that ends already, and never end it.
    pub fn for_whole_call(here: &'static ThreadState) -> CancelOff {
        CancelOff::begin(here, PutOff::ByCallback)
    }

    /// For the time in which a callback of the program runs.
    pub fn for_callback(here: &'static ThreadState) -> CancelOff {
        CancelOff::begin(here, PutOff::ByCallback)
    }

    fn begin(here: &'static ThreadState, put_off: PutOff) -> CancelOff {
        let mut state = ENABLE;
        here.entered_kernel.set(true);
        // SAFETY: room for the old state; the new one is a state that the system knows.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut state) };
        // A frame that has deferred it before, or the program, goes on doing so.
        let before = here.put_off.get();
        let open = before == PutOff::No && state == ENABLE || before == PutOff::ByCall;
        here.put_off.set(if open { put_off } else { PutOff::ByCallback });
        CancelOff { here, before, state }
    }
}

impl Drop for CancelOff {
    fn drop(&mut self) {
        self.here.put_off.set(self.before);
        // SAFETY: the state that the system returned.
        unsafe { pthread_setcancelstate(self.state, ptr::null_mut()) };
    }
}

/// Descriptors that any thread may be the last to close, in any call: close(2) is a cancellation point.
#[derive(Debug)]
pub struct Closes<T>(ManuallyDrop<T>);

impl<T> Closes<T> {
    pub fn new(descriptors: T) -> Closes<T> {
        Closes(ManuallyDrop::new(descriptors))
    }
}

impl<T> Deref for Closes<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Closes<T> {
    fn drop(&mut self) {
        let _off = CancelOff::for_call(ThreadState::current());
        // SAFETY: dropped only here, and not used after this.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

/// Makes the calling thread, one of the library's own, never be cancelled.
pub fn never() {
    // SAFETY: the old state is not asked for.
    unsafe { pthread_setcancelstate(DISABLE, ptr::null_mut()) };
}

/// Ends the calling thread if [`SystemCall::sleep`] has found it cancelled, or if it is cancelled now. Call
/// it where no frame up to the program's own needs dropping. Inside another call's callback it does nothing.
#[cold]
pub fn end_if_cancelled(here: &'static ThreadState) {
    if here.is_contained() {
        return;
    }
    here.entered_kernel.set(false);
    if here.cancelled.replace(false) {
        // SAFETY: the frames between this and the program's own may be unwound, as the caller says.
        unsafe { pthread_exit(CANCELED) };
    }
    // SAFETY: as above.
    unsafe { pthread_testcancel() };
}

/// A system call: its number in `libc`, and its arguments. Pointers are exposed as numbers.
#[cfg(any(direct_calls, futex))]
pub struct SystemCall {
    number: c_long,
    arguments: [usize; 6],
    /// The call may be cancelled, although a [`CancelOff`] has disabled that for the thread.
    opens: bool,
}

#[cfg(any(direct_calls, futex))]
impl SystemCall {
    /// # Safety
    /// The call with these arguments may be made for as long as the value lives.
    pub unsafe fn new(number: c_long, arguments: [usize; 6]) -> SystemCall {
        SystemCall { number, arguments, opens: false }
    }

    /// Makes the call. It is no cancellation point. Errors: those of the call.
    pub fn make(self) -> Result<usize> {
        let [one, two, three, four, five, six] = self.arguments;
        // SAFETY: `new` was told that it may be made; calls with fewer arguments ignore the others.
        let outcome = unsafe { libc::syscall(self.number, one, two, three, four, five, six) };
        usize::try_from(outcome).map_err(|_| Errno::last())
    }

    /// Makes the call, which may sleep. If the thread is cancelled meanwhile, or was before, the call has no
    /// effect; it and all its callers then have to return soon. Errors: `EINTR` then; those of the call.
    pub fn sleep(mut self) -> Result<usize> {
        let here = ThreadState::current();
        if here.cancelled.get() {
            return Err(Errno::INTR);
        }
        self.opens = here.put_off.get() == PutOff::ByCall;
        if here.put_off.get() == PutOff::ByCallback {
            return self.make();
        }
        match frame::call(&self) {
            frame::CANCELLED => {
                here.cancelled.set(true);
                here.entered_kernel.set(true);
                Err(Errno::INTR)
            }
            outcome => usize::try_from(outcome).map_err(|_| Errno::last()),
        }
    }
}

/// Whether the calling thread was found cancelled: it leaves the event that woke it to others. It waits for nothing more, as none of
/// its sleeps lasts.
pub fn is_cancelled() -> bool {
    ThreadState::current().cancelled.get()
}

/// Runs `run` on the calling thread as if that had been found cancelled.
#[cfg(all(test, any(direct_calls, futex)))]
pub fn as_if_cancelled<R>(run: impl FnOnce() -> R) -> R {
    let here = ThreadState::current();
    here.cancelled.set(true);
    let outcome = run();
    here.cancelled.set(false);
    outcome
}

/// The frame at which the unwinding of a cancelled thread ends.
#[cfg(cancel_in_calls)]
mod frame {
    use super::{DISABLE, ENABLE, SystemCall, pthread_setcancelstate};
    use std::arch::naked_asm;
    use std::ffi::{c_int, c_long, c_void};
    use std::mem::MaybeUninit;
    use std::ptr;

    /// Returned where the call was cancelled; no call returns it.
    pub const CANCELLED: c_long = c_long::MIN;

    const DEFERRED: c_int = 0;
    const ASYNCHRONOUS: c_int = 1;

    /// glibc's `__pthread_unwind_buf_t`: at most a `__jmp_buf` of 22 words (AArch64) and five more.
    #[repr(C, align(16))]
    struct UnwindBuffer([MaybeUninit<u64>; 32]);

    // What the C compiler makes of `pthread_cleanup_push` where it cannot unwind. Declared in glibc's
    // <pthread.h>.
    unsafe extern "C-unwind" {
        fn __sigsetjmp(buffer: *mut c_void, save_mask: c_int) -> c_int;
        fn __pthread_register_cancel(buffer: *mut c_void);
        fn __pthread_unregister_cancel(buffer: *mut c_void);
        fn pthread_setcanceltype(kind: c_int, old: *mut c_int) -> c_int;
        fn syscall(number: c_long, ...) -> c_long;
    }

    /// The call's result (negative with errno), or [`CANCELLED`].
    pub fn call(call: &SystemCall) -> c_long {
        let mut buffer = UnwindBuffer([MaybeUninit::uninit(); 32]);
        // SAFETY: both outlive the call, and the buffer is large enough.
        let outcome = unsafe { call_in_frame(call, &raw mut buffer) };
        if outcome == CANCELLED {
            // SAFETY: the old type is not asked for. `make` had set this type for the call.
            unsafe { pthread_setcanceltype(DEFERRED, ptr::null_mut()) };
        }
        outcome
    }

    /// The one frame between here and the system call. It needs no dropping, so glibc may unwind it. glibc
    /// sends a signal only to a thread that may be cancelled at any instruction. So this thread may be, for
    /// as long as the call takes.
    unsafe extern "C-unwind" fn make(call: &SystemCall) -> c_long {
        let [one, two, three, four, five, six] = call.arguments;
        let mut kind = DEFERRED;
        // SAFETY: `SystemCall::new` was told that the call may be made. An unwinding at any of these lines
        // leaves no work half done.
        unsafe {
            if call.opens {
                pthread_setcancelstate(ENABLE, ptr::null_mut());
            }
            pthread_setcanceltype(ASYNCHRONOUS, &raw mut kind);
            let outcome = syscall(call.number, one, two, three, four, five, six);
            pthread_setcanceltype(kind, ptr::null_mut());
            if call.opens {
                pthread_setcancelstate(DISABLE, ptr::null_mut());
            }
            outcome
        }
    }

    /// Registers a handler for a cancelled thread, as `pthread_cleanup_push` does, around [`make`]. To glibc
    /// the handler runs for as long as the thread does from then on. When the thread ends with
    /// `pthread_exit`, the unwinding begins anew.
    ///
    /// # Safety
    /// `buffer` is for this call alone.
    #[cfg(target_arch = "x86_64")]
    #[unsafe(naked)]
    unsafe extern "C" fn call_in_frame(call: &SystemCall, buffer: *mut UnwindBuffer) -> c_long {
        naked_asm!(
            ".cfi_startproc",
            "push rbx",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset rbx, -16",
            "push r12",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_offset r12, -24",
            "sub rsp, 8",
            ".cfi_adjust_cfa_offset 8",
            "mov rbx, rdi",
            "mov r12, rsi",
            "mov rdi, rsi",
            "xor esi, esi",
            "call {sigsetjmp}",
            "endbr64",
            // A cancelled thread comes here a second time; rbx, r12 and rsp are unchanged.
            "test eax, eax",
            "jnz 2f",
            "mov rdi, r12",
            "call {register}",
            "mov rdi, rbx",
            "call {make}",
            "mov rbx, rax",
            "jmp 3f",
            "2:",
            "movabs rbx, {cancelled}",
            "3:",
            "mov rdi, r12",
            "call {unregister}",
            "mov rax, rbx",
            "add rsp, 8",
            ".cfi_adjust_cfa_offset -8",
            "pop r12",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore r12",
            "pop rbx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore rbx",
            "ret",
            ".cfi_endproc",
            sigsetjmp = sym __sigsetjmp,
            register = sym __pthread_register_cancel,
            unregister = sym __pthread_unregister_cancel,
            make = sym make,
            cancelled = const CANCELLED,
        )
    }

    /// As above.
    ///
    /// # Safety
    /// The same.
    #[cfg(target_arch = "aarch64")]
    #[unsafe(naked)]
    unsafe extern "C" fn call_in_frame(call: &SystemCall, buffer: *mut UnwindBuffer) -> c_long {
        naked_asm!(
            ".cfi_startproc",
            "stp x29, x30, [sp, #-32]!",
            ".cfi_def_cfa_offset 32",
            ".cfi_offset x29, -32",
            ".cfi_offset x30, -24",
            "stp x19, x20, [sp, #16]",
            ".cfi_offset x19, -16",
            ".cfi_offset x20, -8",
            "mov x29, sp",
            "mov x19, x0",
            "mov x20, x1",
            "mov x0, x1",
            "mov w1, #0",
            "bl {sigsetjmp}",
            // bti j: a cancelled thread comes here a second time; x19, x20 and sp are unchanged.
            "hint #36",
            "cbnz w0, 2f",
            "mov x0, x20",
            "bl {register}",
            "mov x0, x19",
            "bl {make}",
            "mov x19, x0",
            "b 3f",
            "2:",
            "mov x19, #{cancelled}",
            "3:",
            "mov x0, x20",
            "bl {unregister}",
            "mov x0, x19",
            "ldp x19, x20, [sp, #16]",
            ".cfi_restore x19",
            ".cfi_restore x20",
            "ldp x29, x30, [sp], #32",
            ".cfi_restore x29",
            ".cfi_restore x30",
            ".cfi_def_cfa_offset 0",
            "ret",
            ".cfi_endproc",
            sigsetjmp = sym __sigsetjmp,
            register = sym __pthread_register_cancel,
            unregister = sym __pthread_unregister_cancel,
            make = sym make,
            cancelled = const CANCELLED,
        )
    }
}

/// On other systems a thread that sleeps here is not cancelled before it has woken.
#[cfg(all(any(direct_calls, futex), not(cancel_in_calls)))]
mod frame {
    use super::SystemCall;
    use std::ffi::c_long;

    pub const CANCELLED: c_long = c_long::MIN;

    pub fn call(call: &SystemCall) -> c_long {
        let [one, two, three, four, five, six] = call.arguments;
        // SAFETY: `SystemCall::new` was told that it may be made.
        unsafe { libc::syscall(call.number, one, two, three, four, five, six) }
    }
}
