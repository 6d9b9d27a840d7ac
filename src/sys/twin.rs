//! Models that loom must find fault with, for the tests of the lock-free parts.
#![allow(clippy::unwrap_used)]

/// Runs the ignored test `twin` of this binary with `variable` set to say what is weakened, in a process of its own, since a model
/// that fails may end in a double panic. Whether it failed.
pub fn fails(twin: &str, variable: &str, weakened: &str) -> bool {
    let own = std::env::current_exe().unwrap();
    let run = std::process::Command::new(own)
        .args(["--exact", twin, "--ignored"])
        .env(variable, weakened)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("running 1 test"), "{said}");
    !run.status.success()
}
