//! For tests: bodies that tell when their free callback runs.
#![allow(clippy::unwrap_used)]

use super::Body;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes to lend, and how often they were given back.
pub(crate) struct Counted {
    data: &'static [u8],
    freed: Arc<AtomicUsize>,
}

impl Counted {
    pub(crate) fn new(data: &'static [u8]) -> Counted {
        Counted { data, freed: Arc::default() }
    }

    /// A body that counts when it is freed.
    pub(crate) fn body(&self) -> Body {
        let freed = Arc::clone(&self.freed);
        let hook = FreeHook::new(move || {
            freed.fetch_add(1, Ordering::SeqCst);
        });
        hook.with_data(self.data)
    }

    pub(crate) fn freed(&self) -> usize {
        self.freed.load(Ordering::SeqCst)
    }
}

/// A closure to be run as a free callback.
pub(crate) struct FreeHook(Box<dyn FnOnce() + Send>);

impl FreeHook {
    pub(crate) fn new(run: impl FnOnce() + Send + 'static) -> FreeHook {
        FreeHook(Box::new(run))
    }

    /// An empty body that runs the closure when freed.
    pub(crate) fn into_body(self) -> Body {
        self.with_data(b"")
    }

    fn with_data(self, data: &'static [u8]) -> Body {
        let hint = Box::into_raw(Box::new(self)).cast();
        // SAFETY: constant bytes, which are never written to, and a callback that may run anywhere.
        unsafe { Body::external(data.as_ptr().cast_mut(), data.len(), Some(FreeHook::run), hint) }.unwrap()
    }

    unsafe extern "C" fn run(_data: *mut c_void, hint: *mut c_void) {
        // SAFETY: the hint of `with_data`, handed over by the one call there is.
        let hook = unsafe { Box::from_raw(hint.cast::<FreeHook>()) };
        (hook.0)();
    }
}
