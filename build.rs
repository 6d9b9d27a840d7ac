//! What the compiler and linker must be told.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The draft functions are always part of the library. The cfg only marks them, for cbindgen to put them
    // under `ZMQ_BUILD_DRAFT_API` in the header.
    println!("cargo::rustc-check-cfg=cfg(zmq_draft)");
    println!("cargo::rustc-cfg=zmq_draft");
    // Programs linked against libzmq look for this name; without it they would not take our file.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libzmq.so.5");
}
