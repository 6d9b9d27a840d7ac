//! Panics end where they do no harm, and without a word on stderr unless one is asked for.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Set in the environment, this makes a contained panic print what Rust prints of any other.
const LOG: &str = "FERROZMQ_LOG";

thread_local! {
    /// How many [`contain`]s this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs code whose panics are bugs of ours that must not reach the host. `None` if it panicked: the caller drops, or
/// checks anew, whatever it was working on, so nobody sees it half done.
pub fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    quieten();
    // Looked up once: in a shared library each look is a call.
    let depth = DEPTH.with(std::ptr::from_ref);
    // SAFETY: the variable has no destructor, so it is there for as long as its thread, which runs all of this.
    let depth = unsafe { &*depth };
    depth.set(depth.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    depth.set(depth.get() - 1);
    match outcome {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its drop might panic again, and nobody reads it.
            std::mem::forget(payload);
            None
        }
    }
}

/// Puts a hook before the one that is there, which keeps all panics but ours.
fn quieten() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let asked = std::env::var_os(LOG).is_some();
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let ours = DEPTH.try_with(|depth| depth.get() > 0).unwrap_or(false);
            if asked || !ours {
                others(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_is_an_answer() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("contained") }), None);
        assert_eq!(contain(|| contain(|| -> u8 { panic!("contained") })), Some(None));
        assert_eq!(DEPTH.with(Cell::get), 0);
    }
}
