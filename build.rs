//! What the compiler and linker must be told.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The draft functions are always part of the library. The cfg only marks them, for cbindgen to put them
    // under `ZMQ_BUILD_DRAFT_API` in the header.
    println!("cargo::rustc-check-cfg=cfg(zmq_draft)");
    println!("cargo::rustc-cfg=zmq_draft");
    // Where system calls are made without libc's wrappers, which are cancellation points: the numbers and layouts of 64 bits are enough.
    println!("cargo::rustc-check-cfg=cfg(direct_calls)");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("POINTER_WIDTH") == "64" && !target("ARCH").starts_with("mips") {
        println!("cargo::rustc-cfg=direct_calls");
    }
    // Programs linked against libzmq look for this name; without it they would not take our file.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libzmq.so.5");
}
