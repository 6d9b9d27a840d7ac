//! Folders for the tests of this module.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh folder, which the test removes.
pub fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("ferrozmq-security-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
