//! The library exports libzmq's functions and the few of its own, and nothing else, under libzmq's name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// The functions that `zmq.h` always declares.
const STABLE: &str = "
    zmq_atomic_counter_dec zmq_atomic_counter_destroy zmq_atomic_counter_inc zmq_atomic_counter_new
    zmq_atomic_counter_set zmq_atomic_counter_value zmq_bind zmq_close zmq_connect zmq_ctx_destroy zmq_ctx_get
    zmq_ctx_new zmq_ctx_set zmq_ctx_shutdown zmq_ctx_term zmq_curve_keypair zmq_curve_public zmq_device
    zmq_disconnect zmq_errno zmq_getsockopt zmq_has zmq_init zmq_msg_close zmq_msg_copy zmq_msg_data zmq_msg_get
    zmq_msg_gets zmq_msg_init zmq_msg_init_data zmq_msg_init_size zmq_msg_more zmq_msg_move zmq_msg_recv
    zmq_msg_send zmq_msg_set zmq_msg_size zmq_poll zmq_proxy zmq_proxy_steerable zmq_recv zmq_recviov zmq_recvmsg
    zmq_send zmq_send_const zmq_sendiov zmq_sendmsg zmq_setsockopt zmq_sleep zmq_socket zmq_socket_monitor
    zmq_stopwatch_intermediate zmq_stopwatch_start zmq_stopwatch_stop zmq_strerror zmq_term zmq_threadclose
    zmq_threadstart zmq_timers_add zmq_timers_cancel zmq_timers_destroy zmq_timers_execute zmq_timers_new
    zmq_timers_reset zmq_timers_set_interval zmq_timers_timeout zmq_unbind zmq_version zmq_z85_decode
    zmq_z85_encode";

/// Those it declares under `ZMQ_BUILD_DRAFT_API`.
const DRAFT: &str = "
    zmq_connect_peer zmq_ctx_get_ext zmq_ctx_set_ext zmq_disconnect_peer zmq_join zmq_leave zmq_msg_group
    zmq_msg_init_buffer zmq_msg_routing_id zmq_msg_set_group zmq_msg_set_routing_id zmq_poller_add
    zmq_poller_add_fd zmq_poller_destroy zmq_poller_fd zmq_poller_modify zmq_poller_modify_fd zmq_poller_new
    zmq_poller_remove zmq_poller_remove_fd zmq_poller_size zmq_poller_wait zmq_poller_wait_all zmq_ppoll
    zmq_socket_get_peer_state zmq_socket_monitor_pipes_stats zmq_socket_monitor_versioned";

/// Those that only this library has, which `zmq_ferro.h` declares.
const OURS: &str = "zmq_ferro_disconnect_peer zmq_ferro_fingerprint zmq_ferro_keypair zmq_ferro_public_key
    zmq_ferro_stats";

#[test]
fn the_shared_library_exports_these_functions_and_nothing_else() {
    let listing = run("nm", &["-D", "--defined-only", "--format=posix"], "libzmq.so");
    let exported = listing.lines().filter_map(|line| line.split(' ').next()).collect();
    compare(&exported, "libzmq.so");
}

#[test]
fn the_static_library_has_them_too() {
    let listing = run("nm", &["-g", "--defined-only", "--format=posix"], "libzmq.a");
    let names = listing.lines().filter_map(|line| line.split(' ').next());
    compare(&names.filter(|name| name.starts_with("zmq_")).collect(), "libzmq.a");
}

#[test]
fn the_headers_declare_all_of_them() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
    for (file, wanted) in [("zmq.h", of_libzmq()), ("zmq_ferro.h", ours())] {
        let header = std::fs::read_to_string(format!("{root}/{file}")).unwrap();
        let words: BTreeSet<&str> = header.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).collect();
        let missing: Vec<_> = wanted.into_iter().filter(|name| !words.contains(name)).collect();
        assert!(missing.is_empty(), "{file} lacks {missing:?}");
        assert!(file != "zmq.h" || ours().is_disjoint(&words), "zmq.h is libzmq's");
    }
}

#[test]
fn the_shared_library_has_the_name_that_programs_ask_for() {
    let dynamic = run("readelf", &["-d"], "libzmq.so");
    assert!(dynamic.contains("Library soname: [libzmq.so.5]"), "{dynamic}");
}

/// Whoever swaps the file must not have to install anything else.
#[test]
fn the_shared_library_needs_only_the_system() {
    let dynamic = run("readelf", &["-d"], "libzmq.so");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let of_the_system = ["[libc.so", "[libgcc_s.so", "[libm.so", "[ld-linux"];
        assert!(of_the_system.iter().any(|name| line.contains(name)), "{line}");
    }
}

fn of_libzmq() -> BTreeSet<&'static str> {
    STABLE.split_whitespace().chain(DRAFT.split_whitespace()).collect()
}

fn ours() -> BTreeSet<&'static str> {
    OURS.split_whitespace().collect()
}

fn compare(found: &BTreeSet<&str>, file: &str) {
    assert_eq!(of_libzmq().len(), 97);
    let wanted: BTreeSet<&str> = of_libzmq().union(&ours()).copied().collect();
    let missing: Vec<_> = wanted.difference(found).collect();
    let surplus: Vec<_> = found.difference(&wanted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{file}: missing {missing:?}, surplus {surplus:?}");
}

fn run(tool: &str, flags: &[&str], file: &str) -> String {
    // Beside the test programs; the file one folder above may be that of an earlier build.
    let folder: PathBuf = std::env::current_exe().unwrap().parent().unwrap().into();
    let output = Command::new(tool).args(flags).arg(folder.join(file)).output().expect("binutils are needed");
    assert!(output.status.success(), "{tool} {file}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
