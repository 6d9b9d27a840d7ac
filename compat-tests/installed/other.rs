//! A Rust library that is not libzmq: a panic of a thread of its own unwinds to where it is caught.

#[unsafe(no_mangle)]
pub extern "C" fn other_contains_panics() -> u32 {
    std::panic::set_hook(Box::new(|_| {}));
    let thread = std::thread::spawn(|| {
        let catch = || std::panic::catch_unwind(|| assert!(std::env::var_os("ZMQ_NEVER_SET").is_some()));
        u32::from(catch().is_err())
    });
    thread.join().unwrap_or(0)
}
