//! What is done when the process ends by exit(3), or when it unloads the library.

/// Has `last_act` called then, on whichever thread ends the process. The others go on running meanwhile. `false`: the system has
/// no memory for it.
pub fn at_exit(last_act: extern "C" fn()) -> bool {
    // SAFETY: the function lives as long as this library: libc calls it before it unloads that.
    unsafe { libc::atexit(last_act) == 0 }
}
