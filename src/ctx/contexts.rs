//! All contexts of the process, by the addresses that programs know them by.

use super::{Context, Slot, Slots};
use crate::errno::{Errno, Result};
use crate::message;
use crate::options::ContextOptions;
use crate::sys::memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The tag is libzmq's.
static CONTEXTS: Slots<Arc<Context>> = Slots::new(0xabad_cafe);

/// How many of them there are. The thread that ends the last one frees the data that they have shared; a count alone, so it makes
/// no edge.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// Makes a context, and returns its address. Errors: `ENOMEM`.
pub fn open() -> Result<usize> {
    memory::check()?;
    let address = CONTEXTS.insert(Arc::new(Context::new(ContextOptions::new())))?;
    LIVING.fetch_add(1, Relaxed);
    Ok(address)
}

/// The context of an address that a program gave us. Errors: `EFAULT` if there is none; `ETERM` for a context that came through a
/// fork.
pub fn find(address: usize) -> Result<Arc<Context>> {
    let slot = CONTEXTS.lookup(address).ok_or(Errno::FAULT)?;
    match slot.lock() {
        Some(context) if context.forked() => Err(Errno::TERM),
        Some(context) => Ok(Arc::clone(&context)),
        None if slot.forked() => Err(Errno::TERM),
        None => Err(Errno::FAULT),
    }
}

/// Shuts the context down. That of a forked process's parent has no socket here that could be told. Errors: `EFAULT` if there is none.
pub fn shutdown(address: usize) -> Result<()> {
    match find(address) {
        Ok(context) => context.shutdown(),
        Err(Errno::TERM) => {}
        Err(errno) => return Err(errno),
    }
    Ok(())
}

/// Reads or changes the options of a context, also of one that came through a fork. Errors: `EFAULT` if there is none; `ETERM` where a thread
/// of the parent was using that one when the process forked; those of `run`.
pub fn with_options<R>(address: usize, run: impl FnOnce(&mut ContextOptions) -> Result<R>) -> Result<R> {
    match find(address) {
        Ok(context) => return run(&mut context.options()),
        Err(Errno::TERM) => {}
        Err(errno) => return Err(errno),
    }
    // Its lock keeps the other threads of this process away from the options.
    let slot = CONTEXTS.lookup(address).and_then(Slot::lock_inherited).ok_or(Errno::TERM)?;
    run(&mut *slot.inherited_options().ok_or(Errno::TERM)?)
}

/// Terminates the context, which waits for its sockets, and forgets it. Errors: `EFAULT` if there is none; `EINTR`, and it is
/// still there.
pub fn close(address: usize) -> Result<()> {
    let slot = CONTEXTS.lookup(address).ok_or(Errno::FAULT)?;
    if slot.abandon() {
        return Ok(());
    }
    if let Some(inherited) = slot.lock().filter(|context| context.forked()) {
        // Its threads and descriptors are the parent's.
        std::mem::forget(CONTEXTS.remove(inherited));
        return Ok(());
    }
    let context = find(address)?;
    context.terminate()?;
    // Another thread may have ended it too, and the address may already stand for another context.
    if let Some(guard) = slot.lock()
        && Arc::ptr_eq(&guard, &context)
    {
        CONTEXTS.remove(guard);
        if LIVING.fetch_sub(1, Relaxed) == 1 {
            message::free_kept_bodies();
        }
    }
    Ok(())
}
