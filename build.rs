//! What the compiler and linker must be told.

use platform::{EXTRAS, Target, cfgs};

#[path = "src/sys/platform.rs"]
mod platform;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/sys/platform.rs");
    // The draft functions are always part of the library. The cfg only marks them, for cbindgen to put them
    // under `ZMQ_BUILD_DRAFT_API` in the header.
    println!("cargo::rustc-check-cfg=cfg(zmq_draft)");
    println!("cargo::rustc-cfg=zmq_draft");
    for extra in EXTRAS {
        println!("cargo::rustc-check-cfg=cfg({})", extra.cfg);
    }
    let said = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let [os, env, arch] = ["OS", "ENV", "ARCH"].map(said);
    let target = Target { os, env, arch, pointer_width: said("POINTER_WIDTH"), endian: said("ENDIAN") };
    for cfg in cfgs(&target, std::env::var_os("CARGO_FEATURE_PORTABLE").is_some()) {
        println!("cargo::rustc-cfg={cfg}");
    }
    // Programs linked against libzmq look for this name; without it they would not take our file.
    if target.os != "macos" && target.os != "windows" {
        println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libzmq.so.5");
        // The threads of the log, the audit trail and the security file outlive all contexts. A program that unloads a plugin, and this library
        // with it, would pull the code from under them.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
