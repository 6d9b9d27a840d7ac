//! Weakened twins of models, in which loom must find a fault: they show that the tests of lock-free parts can
//! fail.
#![allow(clippy::unwrap_used)]

/// Runs the ignored test `twin` of this binary, a path with or without the crate, with `variable` set to `weakened`. In a process of its own,
/// since a model that fails may end in a double panic. Returns whether it failed.
pub fn fails(twin: &str, variable: &str, weakened: &str) -> bool {
    let own = std::env::current_exe().unwrap();
    let twin = twin.strip_prefix(concat!(env!("CARGO_CRATE_NAME"), "::")).unwrap_or(twin);
    let run = std::process::Command::new(own)
        .args(["--exact", twin, "--ignored"])
        .env(variable, weakened)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("running 1 test"), "{said}");
    !run.status.success()
}
