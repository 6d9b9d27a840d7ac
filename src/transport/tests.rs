//! Tests over real sockets: loopback and temporary directories.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reset;
mod tls;

use super::*;
use crate::sys::faults::{self, Call};
use crate::sys::net::{self, IntOption};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// The options of a new socket.
fn options() -> SocketOptions {
    SocketOptions::new(SocketType::Pair)
}

fn bound(uri: &str, options: &SocketOptions) -> Result<Listener> {
    let (scheme, address) = parse(uri)?;
    Listener::bind(scheme, address, options)
}

fn planned(uri: &str, options: &SocketOptions) -> Result<ConnectPlan> {
    let (scheme, address) = parse(uri)?;
    ConnectPlan::parse(scheme, address, options)
}

/// Connects as a session would.
fn connected(uri: &str, options: &SocketOptions) -> Result<std::os::fd::OwnedFd> {
    let plan = planned(uri, options)?;
    let destinations = match plan.resolve_literal(options) {
        Some(answer) => answer?,
        None => plan.resolve(options)?,
    };
    let attempt = plan.start(destinations.first().unwrap(), options)?;
    if !attempt.done? {
        ready(attempt.fd.as_fd(), Interest::WRITABLE);
        assert!(proceed(plan.scheme(), attempt.fd.as_fd(), options)?);
    }
    Ok(attempt.fd)
}

fn accepted(listener: &Listener) -> std::result::Result<Accepted, AcceptError> {
    ready(listener.fd(), Interest::READABLE);
    listener.accept().map(|accepted| accepted.expect("a connection is waiting"))
}

fn ready(fd: BorrowedFd<'_>, interest: Interest) {
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(0), interest).unwrap();
    let mut events = Events::with_capacity(1);
    poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    assert!(!events.is_empty(), "not ready in time");
}

fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

/// A temporary directory, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("zmq-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn endpoints_are_a_known_scheme_and_an_address() {
    assert_eq!(parse("tcp://a:1"), Ok((Scheme::Tcp, "a:1")));
    assert_eq!(parse("ipc://a://b"), Ok((Scheme::Ipc, "a://b")));
    assert_eq!(parse("inproc://#1"), Ok((Scheme::Inproc, "#1")));
    for uri in ["", "tcp", "tcp:/a", "tcp://", "://a", "tcp:a://"] {
        assert_eq!(parse(uri), Err(Errno::INVAL), "{uri}");
    }
    for uri in ["TCP://a:1", "bogus://x", "vmci://x", " tcp://a:1"] {
        assert_eq!(parse(uri), Err(Errno::PROTONOSUPPORT), "{uri}");
    }
    for (uri, built) in [("norm://x", cfg!(feature = "norm")), ("pgm://x", cfg!(feature = "pgm"))] {
        assert_eq!(parse(uri).is_ok(), built, "{uri}");
    }
}

#[test]
fn every_scheme_has_a_row_and_a_name_of_its_own() {
    let mut names: Vec<_> = Scheme::ALL.iter().map(|scheme| scheme.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Scheme::Norm as usize + 1);
    assert_eq!(bound("inproc://x", &options()).unwrap_err(), Errno::PROTONOSUPPORT);
}

#[test]
fn schemes_fit_socket_types() {
    assert_eq!(compatible(Scheme::Tcp, SocketType::Radio), Ok(()));
    assert_eq!(compatible(Scheme::Udp, SocketType::Radio), Ok(()));
    assert_eq!(compatible(Scheme::Udp, SocketType::Pub), Err(Errno::NOCOMPATPROTO));
    assert_eq!(compatible(Scheme::Pgm, SocketType::Xsub), Ok(()));
    assert_eq!(compatible(Scheme::Norm, SocketType::Push), Err(Errno::NOCOMPATPROTO));
}

#[test]
fn tcp_connects_and_both_ends_know_each_other() {
    let options = options();
    let listener = bound("tcp://127.0.0.1:*", &options).unwrap();
    assert!(listener.accept().unwrap().is_none());
    let client = connected(listener.last_endpoint(), &options).unwrap();
    let server = accepted(&listener).unwrap();
    let (local, peer) = endpoints_of(Scheme::Tcp, client.as_fd());
    assert_eq!((peer.as_str(), server.local.as_str()), (listener.last_endpoint(), listener.last_endpoint()));
    assert_eq!(server.peer, local);
    assert_eq!(server.peer_address, "127.0.0.1");
    assert_eq!(peer_address(client.as_fd()), "127.0.0.1");
    for fd in [client.as_fd(), server.fd.as_fd()] {
        assert_eq!(net::option(fd, IntOption::Nodelay), Ok(1));
    }
    assert!(listener.accept().unwrap().is_none());
}

#[test]
fn wildcards_resolve_to_the_systems_choice() {
    for uri in ["tcp://*:*", "tcp://*:0", "tcp://0.0.0.0:*"] {
        let listener = bound(uri, &options()).unwrap();
        let port = listener.last_endpoint().strip_prefix("tcp://0.0.0.0:").unwrap();
        assert_ne!(port.parse::<u16>().unwrap(), 0);
        connected(listener.last_endpoint(), &options()).unwrap();
    }
    assert!(bound("tcp://lo:*", &options()).unwrap().last_endpoint().starts_with("tcp://127.0.0.1:"));
}

#[test]
fn websocket_endpoints_carry_their_path_and_layers() {
    use crate::engine::ws::Role;
    let options = options();
    for (address, path) in
        [("127.0.0.1:*", "/"), ("lo:*", "/"), ("127.0.0.1:*/", "/"), ("*:0/a/b:c", "/a/b:c")]
    {
        let listener = bound(&format!("ws://{address}"), &options).unwrap();
        let endpoint = listener.last_endpoint().to_owned();
        assert!(endpoint.starts_with("ws://") && endpoint.ends_with(path), "{endpoint}");
        let client = connected(&endpoint, &options).unwrap();
        let server = accepted(&listener).unwrap();
        assert_eq!(server.layers.ws, Some(Role::Server));
        assert!(server.layers.tls.is_none());
        assert_eq!(server.peer_address, "127.0.0.1");
        assert!(server.local.ends_with(path) && server.peer.ends_with(path));
        for fd in [client.as_fd(), server.fd.as_fd()] {
            assert_eq!(net::option(fd, IntOption::Nodelay), Ok(1));
        }
    }
    let plan = planned("ws://127.0.0.1:7;[::1]:5/x", &options).unwrap();
    assert_eq!(plan.layers().ws, Some(Role::Client { host: "[::1]:5".into(), path: "/x".into() }));
    let place = Destination::Ip("[::1]:5".parse().unwrap());
    assert_eq!(plan.resolved_endpoint(&place), "ws://[::1]:5/x");
    for bad in ["ws://127.0.0.1", "ws://127.0.0.1/x", "ws://127.0.0.1:*", "ws://127.0.0.1:5/a b", "ws://:/"] {
        assert_eq!(planned(bad, &options).unwrap_err(), Errno::INVAL, "{bad}");
    }
    assert_eq!(compatible(Scheme::Ws, SocketType::Stream), Err(Errno::NOCOMPATPROTO));
}

#[test]
fn ipv6_listeners_take_both_families() {
    if !has_ipv6() {
        return;
    }
    let options = SocketOptions { ipv6: true, ..options() };
    let listener = bound("tcp://*:*", &options).unwrap();
    let port = listener.last_endpoint().strip_prefix("tcp://[::]:").unwrap();
    for (host, seen) in [("[::1]", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")] {
        let _client = connected(&format!("tcp://{host}:{port}"), &options).unwrap();
        let server = accepted(&listener).unwrap();
        assert_eq!(server.peer_address, seen);
        assert!(server.peer.starts_with(&format!("tcp://[{seen}]:")));
    }
    let mapped = bound("tcp://127.0.0.1:*", &options).unwrap();
    assert!(mapped.last_endpoint().starts_with("tcp://[::ffff:127.0.0.1]:"));
    assert_eq!(bound("tcp://[::1]:*", &super::tests::options()).unwrap_err(), Errno::NODEV);
}

#[test]
fn addresses_that_are_not_ours_or_taken_are_refused() {
    let options = options();
    let first = bound("tcp://127.0.0.1:*", &options).unwrap();
    assert_eq!(bound(first.last_endpoint(), &options).unwrap_err(), Errno::ADDRINUSE);
    assert_eq!(bound("tcp://192.0.2.1:*", &options).unwrap_err(), Errno::ADDRNOTAVAIL);
    assert_eq!(bound("tcp://nosuchif0:*", &options).unwrap_err(), Errno::NODEV);
    assert_eq!(bound("tcp://127.0.0.1", &options).unwrap_err(), Errno::INVAL);
}

#[test]
fn a_port_is_free_again_as_soon_as_it_is_closed() {
    let options = options();
    let listener = bound("tcp://127.0.0.1:*", &options).unwrap();
    let endpoint = listener.last_endpoint().to_owned();
    let client = connected(&endpoint, &options).unwrap();
    // The server closes first, so the port is left in TIME_WAIT.
    drop(accepted(&listener).unwrap());
    listener.close().unwrap();
    drop(client);
    bound(&endpoint, &options).unwrap();
}

#[test]
fn options_reach_listeners_and_both_ends() {
    let options = SocketOptions {
        tos: 0x28,
        priority: 3,
        rcvbuf: 30_000,
        sndbuf: 20_000,
        tcp_keepalive: 1,
        tcp_keepalive_cnt: 7,
        tcp_keepalive_idle_s: 77,
        tcp_keepalive_intvl_s: 8,
        tcp_maxrt_ms: 12_345,
        ..options()
    };
    let listener = bound("tcp://127.0.0.1:*", &options).unwrap();
    let client = connected(listener.last_endpoint(), &options).unwrap();
    let server = accepted(&listener).unwrap();
    for fd in [client.as_fd(), server.fd.as_fd()] {
        for (option, value) in [
            (IntOption::TypeOfService, 0x28),
            (IntOption::Priority, 3),
            // The kernel keeps twice the requested size.
            (IntOption::ReceiveBuffer, 60_000),
            (IntOption::SendBuffer, 40_000),
            (IntOption::Keepalive, 1),
            (IntOption::KeepaliveCount, 7),
            (IntOption::KeepaliveIdle, 77),
            (IntOption::KeepaliveInterval, 8),
            (IntOption::UserTimeout, 12_345),
        ] {
            assert_eq!(net::option(fd, option), Ok(value), "{option:?}");
        }
    }
    let nowhere = SocketOptions { bindtodevice: "nosuchif0".into(), ..super::tests::options() };
    assert!(bound("tcp://127.0.0.1:*", &nowhere).is_err());
}

#[test]
fn tcp_filters_turn_peers_away() {
    let options =
        SocketOptions { tcp_accept_filters: vec![("127.0.0.255".parse().unwrap(), 32)], ..options() };
    let listener = bound("tcp://127.0.0.1:*", &options).unwrap();
    let mut client = TcpStream::from(connected(listener.last_endpoint(), &options).unwrap());
    assert_eq!(accepted(&listener).unwrap_err(), AcceptError::Refused(Errno::PERM));
    client.set_nonblocking(false).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn connecting_to_a_closed_port_fails_when_finished() {
    let options = options();
    let endpoint = bound("tcp://127.0.0.1:*", &options).unwrap().last_endpoint().to_owned();
    assert_eq!(connected(&endpoint, &options).unwrap_err(), Errno::CONNREFUSED);
}

#[test]
fn proceeding_without_an_attempt_fails_and_with_one_goes_on() {
    let options = options();
    let listeners = [bound("tcp://127.0.0.1:*", &options).unwrap(), bound("ipc://*", &options).unwrap()];
    for listener in &listeners {
        for errno in [Errno::INPROGRESS, Errno::INTR] {
            let _refused = faults::refuse(Call::Connect, errno, 1);
            let plan = planned(listener.last_endpoint(), &options).unwrap();
            let destination = plan.resolve_literal(&options).unwrap().unwrap().remove(0);
            let attempt = plan.start(&destination, &options).unwrap();
            assert_eq!(attempt.done, Ok(false));
            // The reactor reports it like any other, and so it is tried again.
            ready(attempt.fd.as_fd(), Interest::WRITABLE);
            assert_eq!(proceed(plan.scheme(), attempt.fd.as_fd(), &options), Err(Errno::NOTCONN));
            assert!(connected(listener.last_endpoint(), &options).is_ok());
        }
    }
}

#[test]
fn an_attempt_under_way_is_left_alone() {
    let options = options();
    // No host answers at this address (RFC 5737).
    let plan = planned("tcp://192.0.2.1:9", &options).unwrap();
    let destination = plan.resolve_literal(&options).unwrap().unwrap().remove(0);
    let attempt = plan.start(&destination, &options).unwrap();
    if attempt.done == Ok(false) {
        let proceeded = proceed(plan.scheme(), attempt.fd.as_fd(), &options);
        // Or this machine has no route to it, and the call fails at once.
        assert!(proceeded == Ok(false) || proceeded.is_err_and(|errno| errno != Errno::NOTCONN));
    }
}

#[test]
fn a_socket_connected_to_itself_counts_as_refused() {
    let options = options();
    let endpoint = bound("tcp://127.0.0.1:*", &options).unwrap().last_endpoint().to_owned();
    let address = endpoint.strip_prefix("tcp://").unwrap();
    // The kernel may choose the same port at both ends by chance.
    let to_itself = connected(&format!("tcp://{address};{address}"), &options);
    assert_eq!(to_itself.unwrap_err(), Errno::CONNREFUSED);
}

#[test]
fn source_addresses_are_used() {
    let options = options();
    let listener = bound("tcp://127.0.0.1:*", &options).unwrap();
    let address = listener.last_endpoint().strip_prefix("tcp://").unwrap();
    let _client = connected(&format!("tcp://127.0.0.2:0;{address}"), &options).unwrap();
    assert_eq!(accepted(&listener).unwrap().peer_address, "127.0.0.2");
    let plan = planned(&format!("tcp://nosuchif0:0;{address}"), &options).unwrap();
    let destination = plan.resolve_literal(&options).unwrap().unwrap().remove(0);
    assert_eq!(plan.start(&destination, &options).unwrap_err(), Errno::NODEV);
}

#[test]
fn plans_keep_names_and_resolve_them_later() {
    let options = options();
    let plan = planned("tcp://localhost:5555", &options).unwrap();
    assert_eq!(plan.endpoint(), "tcp://localhost:5555");
    assert!(plan.resolve_literal(&options).is_none());
    let destination = plan.resolve(&options).unwrap().remove(0);
    assert_eq!(plan.resolved_endpoint(&destination), "tcp://127.0.0.1:5555");
    for uri in ["tcp://localhost:invalid", "tcp://in val id:1234", "tcp://192.168.0.200:*"] {
        assert_eq!(planned(uri, &options).unwrap_err(), Errno::INVAL, "{uri}");
    }
    for uri in ["tcp://127.0.0.1:0;localhost:1234", "tcp://lo:5555;localhost:1235", "tcp://[::1]:1234"] {
        planned(uri, &options).unwrap();
    }
    let other_family = planned("tcp://[::1]:1234", &options).unwrap();
    assert_eq!(other_family.resolve_literal(&options).unwrap().unwrap_err(), Errno::INVAL);
}

#[test]
fn a_proxy_is_connected_to_in_place_of_the_peer() {
    let options = SocketOptions {
        socks_proxy_address: "127.0.0.1:1080".into(),
        socks_proxy_username: "ann".into(),
        socks_proxy_password: "secret".into(),
        ..options()
    };
    let plan = planned("tcp://lo:0;[::1]:80", &options).unwrap();
    assert_eq!(plan.endpoint(), "tcp://lo:0;[::1]:80");
    let credentials = Some((b"ann".to_vec().into(), b"secret".to_vec().into()));
    let request = ProxyRequest { host: "::1".into(), port: 80, credentials };
    assert_eq!(plan.proxy(), Some(&request));
    assert!(!format!("{plan:?}").contains("secret"));
    let destination = plan.resolve_literal(&options).unwrap().unwrap().remove(0);
    assert!(matches!(destination, Destination::Ip(proxy) if proxy.to_string() == "127.0.0.1:1080"));
    assert_eq!(plan.resolved_endpoint(&destination), plan.endpoint());
    assert_eq!(planned("tcp://peer:0", &options).unwrap_err(), Errno::INVAL);
    assert_eq!(planned("tcp://peer:1", &super::tests::options()).unwrap().proxy(), None);
}

#[test]
fn endpoints_are_found_under_other_names() {
    let options = options();
    let names = |address| other_names(Scheme::Tcp, address, &options).collect::<Vec<_>>();
    assert_eq!(names("localhost:9"), ["tcp://127.0.0.1:9", "tcp://127.0.0.1:9"]);
    assert_eq!(names("lo:0;127.0.0.1:9"), ["tcp://127.0.0.1:9", "tcp://127.0.0.1:9"]);
    assert_eq!(names("*:9"), [""; 0]);
    assert_eq!(other_names(Scheme::Ipc, "a", &options).count(), 0);
    if has_ipv6() {
        let options = SocketOptions { ipv6: true, ..super::tests::options() };
        let first = other_names(Scheme::Tcp, "127.0.0.1:9", &options).next().unwrap();
        assert_eq!(first, "tcp://[::ffff:127.0.0.1]:9");
    }
}

#[test]
fn ipc_connects_and_the_peer_is_named_by_its_credentials() {
    let scratch = Scratch::new("ipc-connects");
    let options = options();
    let uri = format!("ipc://{}", scratch.path("s"));
    let listener = bound(&uri, &options).unwrap();
    assert_eq!(listener.last_endpoint(), uri);
    assert_eq!(planned(&uri, &options).unwrap().endpoint(), uri);
    let client = connected(&uri, &options).unwrap();
    let server = accepted(&listener).unwrap();
    assert_eq!((server.local.as_str(), server.peer.as_str()), (uri.as_str(), "ipc://"));
    assert_eq!(endpoints_of(Scheme::Ipc, client.as_fd()), ("ipc://".into(), uri));
    let fields: Vec<_> = server.peer_address.split(':').collect();
    assert_eq!((fields[0], fields.len()), ("localhost", 4));
    assert_eq!(fields[3], std::process::id().to_string());
    assert_eq!(peer_address(server.fd.as_fd()), server.peer_address);
}

#[test]
fn abstract_names_begin_with_an_at_sign_and_leave_no_file() {
    let options = options();
    let uri = format!("ipc://@zmq-test-{}", std::process::id());
    let listener = bound(&uri, &options).unwrap();
    assert_eq!(listener.last_endpoint(), uri);
    assert_eq!(bound(&uri, &options).unwrap_err(), Errno::ADDRINUSE);
    connected(&uri, &options).unwrap();
    assert_eq!(accepted(&listener).unwrap().local, uri);
    for result in [bound("ipc://@", &options).map(drop), planned("ipc://@", &options).map(drop)] {
        assert_eq!(result, Err(Errno::INVAL));
    }
}

#[test]
fn ipc_paths_have_room_for_107_bytes() {
    let options = options();
    assert!(planned(&format!("ipc://{}", "x".repeat(107)), &options).is_ok());
    let long = format!("ipc://{}", "x".repeat(108));
    assert_eq!(planned(&long, &options).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(bound(&long, &options).unwrap_err(), Errno::NAMETOOLONG);
    assert_eq!(bound("ipc:///no/such/directory/s", &options).unwrap_err(), Errno::NOENT);
    assert_eq!(planned("ipc://a\0b", &options).unwrap_err(), Errno::INVAL);
}

#[test]
fn ipc_wildcards_make_a_directory_that_goes_with_the_listener() {
    let options = options();
    let listener = bound("ipc://*", &options).unwrap();
    let path = PathBuf::from(listener.last_endpoint().strip_prefix("ipc://").unwrap());
    assert!(path.ends_with("socket") && path.exists());
    connected(listener.last_endpoint(), &options).unwrap();
    listener.close().unwrap();
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn a_socket_of_another_owner_under_the_same_name_is_left_alone() {
    let listener = bound("ipc://*", &options()).unwrap();
    let path = PathBuf::from(listener.last_endpoint().strip_prefix("ipc://").unwrap());
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    listener.close().unwrap();
    UnixStream::connect(&path).unwrap();
    drop(other);
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
}

#[test]
fn named_sockets_stay_and_the_next_server_replaces_them() {
    let scratch = Scratch::new("ipc-stale");
    let uri = format!("ipc://{}", scratch.path("s"));
    bound(&uri, &options()).unwrap().close().unwrap();
    assert!(PathBuf::from(scratch.path("s")).exists());
    let listener = bound(&uri, &options()).unwrap();
    connected(&uri, &options()).unwrap();
    accepted(&listener).unwrap();
}

#[test]
fn only_files_without_content_are_replaced() {
    let scratch = Scratch::new("ipc-files");
    let uri = format!("ipc://{}", scratch.path("f"));
    fs::write(scratch.path("f"), "data").unwrap();
    assert_eq!(bound(&uri, &options()).unwrap_err(), Errno::ADDRINUSE);
    assert_eq!(fs::read(scratch.path("f")).unwrap(), b"data");
    fs::write(scratch.path("f"), "").unwrap();
    bound(&uri, &options()).unwrap();
}

#[test]
fn ipc_filters_accept_a_peer_that_any_of_them_names() {
    let scratch = Scratch::new("ipc-filters");
    let uri = format!("ipc://{}", scratch.path("s"));
    let pid = std::process::id() as i32;
    let wake_if_contended = |filters: SocketOptions| {
        let listener = bound(&uri, &filters).unwrap();
        let _client = connected(&uri, &filters).unwrap();
        match accepted(&listener) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, AcceptError::Refused(Errno::PERM));
                false
            }
        }
    };
    assert!(wake_if_contended(options()));
    assert!(wake_if_contended(SocketOptions { ipc_pid_accept_filters: vec![pid], ..options() }));
    assert!(!wake_if_contended(SocketOptions { ipc_pid_accept_filters: vec![pid + 1], ..options() }));
    let strangers = || SocketOptions {
        ipc_uid_accept_filters: vec![u32::MAX - 7],
        ipc_gid_accept_filters: vec![u32::MAX - 7],
        ..options()
    };
    assert!(!wake_if_contended(strangers()));
    assert!(wake_if_contended(SocketOptions { ipc_pid_accept_filters: vec![pid], ..strangers() }));
}

#[test]
fn a_full_queue_of_a_local_listener_has_its_own_error() {
    let scratch = Scratch::new("ipc-queue");
    let options = SocketOptions { backlog: 0, ..options() };
    let uri = format!("ipc://{}", scratch.path("s"));
    let _listener = bound(&uri, &options).unwrap();
    let _first = connected(&uri, &options).unwrap();
    assert_eq!(connected(&uri, &options).unwrap_err(), Errno::AGAIN);
}

#[test]
fn a_descriptor_of_the_program_listens_in_place_of_ours() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = theirs.local_addr().unwrap();
    let options = SocketOptions { use_fd: theirs.into_raw_fd(), ..options() };
    let listener = bound("tcp://ignored", &options).unwrap();
    assert_eq!(listener.last_endpoint(), format!("tcp://{address}"));
    assert_eq!(bound("tcp://ignored", &options).unwrap_err(), Errno::ADDRINUSE);
    assert!(listener.accept().unwrap().is_none(), "it does not block");
    let _client = connected(listener.last_endpoint(), &super::tests::options()).unwrap();
    assert_eq!(accepted(&listener).unwrap().local, listener.last_endpoint());
    listener.close().unwrap();
    assert!(TcpStream::connect(address).is_err(), "it is closed with the endpoint");
}

#[test]
fn a_local_socket_of_the_program_keeps_its_file() {
    let scratch = Scratch::new("ipc-use-fd");
    let theirs = UnixListener::bind(scratch.path("s")).unwrap();
    let options = SocketOptions { use_fd: theirs.into_raw_fd(), ..options() };
    let listener = bound("ipc://*", &options).unwrap();
    assert_eq!(listener.last_endpoint(), format!("ipc://{}", scratch.path("s")));
    listener.close().unwrap();
    assert!(PathBuf::from(scratch.path("s")).exists());
}

#[test]
fn descriptors_that_do_not_fit_stay_the_programs() {
    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = SocketOptions { use_fd: theirs.as_raw_fd(), ..options() };
    assert_eq!(bound("ipc://x", &options).unwrap_err(), Errno::INVAL);
    TcpStream::connect(theirs.local_addr().unwrap()).unwrap();
    let file = fs::File::open("/dev/null").unwrap();
    let options = SocketOptions { use_fd: file.as_raw_fd(), ..super::tests::options() };
    assert_eq!(bound("tcp://x", &options).unwrap_err(), Errno::NOTSOCK);
    let options = SocketOptions { use_fd: 1_000_000_000, ..super::tests::options() };
    assert_eq!(bound("tcp://x", &options).unwrap_err(), Errno::BADF);
    assert_eq!(bound("ipc://@", &options).unwrap_err(), Errno::INVAL, "the address comes first");
}

#[test]
fn accept_errors_say_whether_to_wait() {
    let of = |errno| AcceptError::of(Errno(errno));
    for errno in [libc::ECONNABORTED, libc::EPROTO, libc::ENETDOWN, libc::EHOSTUNREACH] {
        assert_eq!(of(errno), AcceptError::Transient(Errno(errno)));
    }
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EPERM, libc::EIO] {
        assert_eq!(of(errno), AcceptError::Exhausted(Errno(errno)));
    }
    for errno in [libc::EBADF, libc::ENOTSOCK, libc::EINVAL] {
        assert_eq!(of(errno), AcceptError::Fatal(Errno(errno)));
    }
}
