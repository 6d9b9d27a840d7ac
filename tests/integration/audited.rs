//! What the audit trail and the log have, read from their files. Each test is run once more in a process that has them.

use crate::secured::{Setup, pair};
use crate::support::bench::*;
use crate::support::process::{copy_of_this_program, role, spawn, test_name};
use crate::support::zmtp::until_closed;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The files of a process with an audit trail and a log.
struct Files {
    folder: PathBuf,
}

impl Files {
    /// Runs the test once more in a process that has them, whose role is the folder.
    fn of(test: &str) -> Files {
        let name = test.replace(':', "-");
        let folder = std::env::temp_dir().join(format!("ferrozmq-audited-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = Files { folder };
        let (trail, log) = (files.path("trail"), files.path("log"));
        let (trail, log) = (trail.to_str().unwrap(), log.to_str().unwrap());
        let shell = format!("FERROZMQ_AUDIT={trail} FERROZMQ_LOG=1 exec \"$0\" \"$@\" 2>{log}");
        let folder = files.folder.to_str().unwrap();
        let output = spawn(test, folder, &["sh", "-c", &shell]).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", files.text("log"));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The records of an event.
    fn records(&self, event: &str) -> Vec<String> {
        records(&self.path("trail"), event)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn records(trail: &Path, event: &str) -> Vec<String> {
    let text = fs::read_to_string(trail).unwrap_or_default();
    let event = format!("\"event\":\"{event}\"");
    text.lines().filter(|line| line.contains(&event)).map(str::to_owned).collect()
}

fn number(record: &str, name: &str) -> u64 {
    let (_, rest) = record.split_once(&format!("\"{name}\":")).unwrap();
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}

fn stranger(endpoint: &str) -> TcpStream {
    TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap()
}

#[test]
fn a_connection_over_a_limit_is_in_the_trail_and_in_the_log() {
    let Some(_) = role() else {
        let files = Files::of(test_name!(a_connection_over_a_limit_is_in_the_trail_and_in_the_log));
        let denials = files.records("denial");
        let [full, of_address] = denials.as_slice() else { panic!("{denials:?}") };
        for (record, limit) in [(full, "connections"), (of_address, "connections_per_address")] {
            assert!(record.contains("\"outcome\":\"refused\",\"direction\":\"in\""), "{record}");
            assert!(record.contains("\"endpoint\":\"tcp://127.0.0.1:"), "{record}");
            assert!(record.contains("\"peer\":\"127.0.0.1\""), "{record}");
            assert!(record.contains(&format!("has 1 connections (limits: {limit})\"")), "{record}");
            assert_eq!(number(record, "status"), libc::ENOBUFS as u64);
        }
        let log = files.text("log");
        assert!(log.contains("closes connections as they come: the endpoint has 1 connections"), "{log}");
        assert!(log.contains("denial at tcp://127.0.0.1:"), "{log}");
        return;
    };
    for limit in ["connections", "connections_per_address"] {
        let setup = Setup::new(&format!("[default]\nmechanism = \"null\"\nlimits = {{ {limit} = 1 }}\n"));
        let context = setup.context();
        let server = context.patient(ZMQ_PULL);
        let events = Monitor::of(context, server);
        let endpoint = server.bind_anywhere();
        let _inside = stranger(&endpoint);
        events.until(ZMQ_EVENT_ACCEPTED);
        until_closed(&mut stranger(&endpoint));
        assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::ENOBUFS as u32);
        context.end(&[server, events.0]);
    }
}

/// Connections of strangers who go on knocking.
const KNOCKS: u64 = 200;

#[test]
fn refused_connections_are_recorded_at_a_bounded_rate_and_none_is_lost_from_the_numbers() {
    let Some(_) = role() else {
        let files = Files::of(test_name!(
            refused_connections_are_recorded_at_a_bounded_rate_and_none_is_lost_from_the_numbers
        ));
        let (bans, gaps) = (files.records("ban"), files.records("gap"));
        let left_out: u64 = gaps.iter().map(|gap| number(gap, "lost")).sum();
        assert_eq!(bans.len() as u64 + left_out, KNOCKS, "{gaps:?}");
        assert!(left_out > 0, "the knocks of a second are more than it has records");
        // Eight a second. A second of the clock has parts of two of those.
        let second = |ban: &String| ban.split('.').next().unwrap().to_owned();
        let most = bans.chunk_by(|one, other| second(one) == second(other)).map(<[String]>::len).max();
        assert!(most <= Some(16), "{most:?} in a second");
        assert!(gaps.iter().all(|gap| gap.contains("connections of refused addresses")), "{gaps:?}");
        return;
    };
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    server.set(ZMQ_FERRO_MAX_FAILED_HANDSHAKES, 1);
    server.set(ZMQ_CURVE_SERVER, 1);
    server.set_bytes(ZMQ_CURVE_SECRETKEY, &curve_keypair().1);
    let events = Monitor::of(context, server);
    let endpoint = server.bind_anywhere();
    let mut first = stranger(&endpoint);
    std::io::Write::write_all(&mut first, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    until_closed(&mut first);
    for _ in 0..KNOCKS {
        until_closed(&mut stranger(&endpoint));
        assert_eq!(events.until(ZMQ_EVENT_ACCEPT_FAILED), libc::EACCES as u32);
    }
    context.end(&[server, events.0]);
}

#[test]
fn keys_that_come_and_go_with_files_are_in_the_trail() {
    let Some(folder) = role() else {
        let files = Files::of(test_name!(keys_that_come_and_go_with_files_are_in_the_trail));
        let (added, withdrawn) = (files.records("key_added"), files.records("key_withdrawn"));
        let has = |records: &[String], words: &[&str]| {
            let found =
                records.iter().filter(|record| words.iter().all(|word| record.contains(word))).count();
            assert_eq!(found, 1, "{words:?} in {records:?}");
        };
        let server = "a key of the server, by the security file";
        let client = "a key of a client, by the security file";
        assert_eq!(added.iter().filter(|record| record.contains(server)).count(), 2, "{added:?}");
        has(&added, &["\"user\":\"bob\"", client, "\"endpoint\":\"tcp://127.0.0.1:", "\"key\":\""]);
        let own = added.iter().filter(|record| !record.contains("\"reason\"")).count();
        assert_eq!(own, 1, "bound twice, and told once: {added:?}");
        assert_eq!(added.len(), 4, "{added:?}");
        has(&withdrawn, &[server]);
        has(&withdrawn, &["\"user\":\"carol\"", client]);
        assert_eq!(withdrawn.len(), 2, "{withdrawn:?}");
        return;
    };
    let trail = Path::new(&folder).join("trail");
    let setup = Setup::curve();
    pair(&setup.folder.join("carol"));
    setup.let_in("carol");
    let context = setup.context();
    let server = context.patient(ZMQ_PULL);
    let endpoint = server.bind_anywhere();
    // Files are looked at when a peer comes, once a second.
    let meet_until = |event: &str, number: usize| {
        while records(&trail, event).len() < number {
            let client = context.patient(ZMQ_PUSH);
            client.connect(&endpoint);
            client.try_send(b"hello", 0).unwrap();
            assert_eq!(server.try_frame(0).unwrap().0, b"hello");
            client.close();
        }
    };
    meet_until("key_added", 1);
    setup.let_in("bob");
    meet_until("key_added", 2);
    fs::remove_file(setup.folder.join("allowed").join("carol.key")).unwrap();
    meet_until("key_withdrawn", 1);
    // Another server key, which clients learn of as well.
    pair(&setup.folder.join("server"));
    meet_until("key_withdrawn", 2);
    context.end(&[server]);
    // A program's own.
    let context = Context::new();
    let server = context.patient(ZMQ_PULL);
    server.set(ZMQ_CURVE_SERVER, 1);
    server.set_bytes(ZMQ_CURVE_SECRETKEY, &curve_keypair().1);
    server.bind_anywhere();
    server.bind_anywhere();
    context.end(&[server]);
}

/// Programs with more rights than their caller do not look at the variables: the caller would say what is done with those rights.
/// This needs the superuser, as the owner of such a program, and a folder on which programs may have more rights.
#[test]
fn setuid_programs_ignore_the_variables() {
    const NOBODY: &str = "65534";
    if role().is_some() {
        // SAFETY: no pointers.
        let is_secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
        let context = Context::new();
        let socket = context.patient(ZMQ_PULL);
        let bound = socket.try_bind("tcp://127.0.0.1:*").map(drop);
        println!("\nsecure {is_secure}, bound {bound:?}");
        return context.end(&[socket]);
    }
    // SAFETY: no pointers.
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("not the superuser: this test does nothing");
    }
    let folder = std::env::temp_dir().join(format!("ferrozmq-setuid-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (program, trail) = (folder.join("program"), folder.join("trail"));
    copy_of_this_program(&program);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = |mode| {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        let shell = format!(
            "FERROZMQ_SECURITY=/nowhere/security.toml FERROZMQ_AUDIT={} exec setpriv --reuid {NOBODY} --regid {NOBODY} \
             --clear-groups {} \"$@\"",
            trail.display(),
            program.display()
        );
        let test = test_name!(setuid_programs_ignore_the_variables);
        let output = spawn(test, "bind", &["sh", "-c", &shell]).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.lines().find_map(|line| line.strip_prefix("secure ")).unwrap_or(&said).to_owned()
    };
    assert_eq!(outcome(0o755), format!("false, bound Err({})", libc::EINVAL));
    assert!(!records(&trail, "bind_refused").is_empty());
    fs::remove_file(&trail).unwrap();
    let secure = outcome(0o4755);
    if secure.starts_with("false") {
        return eprintln!("{}: no program has more rights there: this test does nothing", folder.display());
    }
    assert_eq!(secure, "true, bound Ok(())");
    assert!(!trail.exists());
    fs::remove_dir_all(folder).unwrap();
}

/// In the folder of a service its user could make one that leads anywhere.
#[test]
fn the_trail_is_written_through_no_link() {
    if role().is_some() {
        return refuse_a_bind(Path::new("/nowhere"));
    }
    let folder = std::env::temp_dir().join(format!("ferrozmq-linked-trail-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (link, target) = (folder.join("link"), folder.join("target"));
    symlink(&target, &link).unwrap();
    let run = |trail: &Path| {
        let shell = format!("FERROZMQ_AUDIT={} exec \"$@\" 2>&1", trail.display());
        let test = test_name!(the_trail_is_written_through_no_link);
        let output = spawn(test, "refused", &["sh", "-c", &shell, "sh"]).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let said = run(&link);
    assert!(said.contains("FERROZMQ_AUDIT=") && said.contains("symbolic links"), "{said}");
    assert!(!target.exists());
    fs::write(&target, "").unwrap();
    run(&link);
    assert_eq!(fs::read(&target).unwrap(), b"");
    // The names of the process's own descriptors are links as well.
    let said = run(Path::new("/dev/stdout"));
    assert!(said.contains("\"event\":\"bind_refused\""), "{said}");
    fs::remove_dir_all(folder).unwrap();
}

/// Makes a record.
fn refuse_a_bind(folder: &Path) {
    let context = Context::new();
    let socket = context.patient(ZMQ_PULL);
    let missing = folder.join("missing.toml");
    socket.set_bytes(ZMQ_FERRO_SECURITY, missing.to_str().unwrap().as_bytes());
    assert_eq!(socket.try_bind("tcp://127.0.0.1:*"), Err(libc::EINVAL));
    context.end(&[socket]);
}

/// Puts a pipe in the place of stderr, which is full and which no thread reads.
fn fill_stderr() {
    let mut ends = [0; 2];
    // SAFETY: a place for two descriptors; they are this test's own, and stay open until the process ends.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_NONBLOCK), 0);
        while libc::write(ends[1], [b'x'; 4096].as_ptr().cast(), 4096) > 0 {}
        // A program's stderr waits for room.
        assert_eq!(libc::fcntl(ends[1], libc::F_SETFL, 0), 0);
        assert_eq!(libc::dup2(ends[1], 2), 2);
    }
}

#[test]
fn a_stderr_that_is_full_holds_up_no_io_thread() {
    let name = test_name!(a_stderr_that_is_full_holds_up_no_io_thread);
    if role().is_none() {
        let output = spawn(name, "full", &["env", "FERROZMQ_LOG=debug"]).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // Signal 14 is the alarm: a thread hangs.
        return assert!(output.status.success(), "{}: {said}", output.status);
    }
    let setup = Setup::new("[default]\nmechanism = \"null\"\nlimits = { connections = 1 }\n");
    let (context, clients) = (setup.context(), Context::new());
    let (server, client) = (context.patient(ZMQ_PULL), clients.patient(ZMQ_PUSH));
    // SAFETY: ends the process if it hangs, as would a panic's message, which goes to stderr as well.
    unsafe { libc::alarm(60) };
    fill_stderr();
    let endpoint = server.bind_anywhere();
    client.connect(&endpoint);
    for number in 0..20u8 {
        client.try_send(&[number], 0).unwrap();
        assert_eq!(server.try_frame(0).unwrap().0, [number]);
        // The one I/O thread has a line to write about each.
        until_closed(&mut stranger(&endpoint));
    }
    clients.end(&[client]);
    context.end(&[server]);
}
