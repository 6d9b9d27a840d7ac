//! The file in which a process shows what it counts (`FERROZMQ_STATS`), read as any other program would read it.

use crate::support::PATIENCE;
use crate::support::process::{role, spawn, test_name};
use crate::support::program::{Context, Socket};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zmq::ffi::constants::*;

const MESSAGES: u64 = 100;

/// A folder of its own, which is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ferrozmq-stats-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file_of(&self, pid: u32) -> PathBuf {
        self.0.join(format!("ferrozmq.{pid}"))
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file, taken apart by its own table of names.
struct Stats {
    bytes: Vec<u8>,
    /// By kind and name: the offset in the record, and the bytes of a text or 0.
    rows: HashMap<(String, String), (usize, usize)>,
    /// By the number of the kind: offset, bytes from slot to slot, slots.
    sections: HashMap<usize, (usize, usize, usize)>,
}

const PROCESS: usize = 1;
const IO_THREAD: usize = 3;
const SOCKET: usize = 4;
const CONNECTION: usize = 5;
const LANE: usize = 6;

impl Stats {
    fn read(path: &Path) -> Stats {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(&bytes[..8], b"FZMQSTAT");
        let mut stats = Stats { bytes, rows: HashMap::new(), sections: HashMap::new() };
        assert_eq!(stats.u32(8), 1);
        let names = &stats.bytes[stats.u32(56)..][..stats.u32(60)];
        for line in String::from_utf8(names.to_vec()).unwrap().lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let text = fields[4].strip_prefix("text ").map_or(0, |length| length.parse().unwrap());
            let name = (fields[0].to_string(), fields[1].to_string());
            stats.rows.insert(name, (fields[2].parse().unwrap(), text));
        }
        for section in (64..stats.u32(12)).step_by(16) {
            let [kind, offset, stride, slots] = [0, 4, 8, 12].map(|at| stats.u32(section + at));
            if kind == 0 {
                break;
            }
            stats.sections.insert(kind, (offset, stride, slots));
        }
        stats
    }

    fn u32(&self, at: usize) -> usize {
        u32::from_ne_bytes(self.bytes[at..at + 4].try_into().unwrap()) as usize
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// Where the records of a kind begin that are there.
    fn records(&self, kind: usize) -> Vec<usize> {
        let (offset, stride, slots) = self.sections[&kind];
        (0..slots).map(|slot| offset + slot * stride).filter(|at| self.u64(*at) != 0).collect()
    }

    fn value(&self, record: usize, kind: &str, name: &str) -> u64 {
        let (offset, text) = self.rows[&(kind.to_string(), name.to_string())];
        assert_eq!(text, 0);
        self.u64(record + offset)
    }

    fn text(&self, record: usize, kind: &str, name: &str) -> String {
        let (offset, bytes) = self.rows[&(kind.to_string(), name.to_string())];
        let text = &self.bytes[record + offset..][..bytes];
        String::from_utf8(text.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap()
    }

    /// The messages that the socket of this type has sent and received.
    fn passed(&self, socket_type: &str) -> (u64, u64) {
        let is_it = |at: &usize| self.text(*at, "socket", "type") == socket_type;
        let socket = self.records(SOCKET).into_iter().find(is_it).expect("the socket");
        let lanes = self.records(LANE);
        let sum = |side: &str, what: &str, first: &str| {
            let of_socket = lanes.iter().filter(|lane| self.value(**lane, "lane", side) == self.u64(socket));
            let live: u64 = of_socket
                .map(|lane| {
                    self.value(*lane, "lane", what) - self.value(*lane, "lane", &format!("requests_{what}"))
                })
                .sum();
            live + self.value(socket, "socket", first)
        };
        (sum("writer_socket", "written", "messages_sent"), sum("reader_socket", "read", "messages_received"))
    }

    fn of_process(&self, name: &str) -> u64 {
        self.value(self.records(PROCESS)[0], "process", name)
    }
}

/// Runs a part of this test in a process that shows its counters in the folder. `first` is done by the shell before, with `$$` as the
/// process's id.
fn start(test: &str, role: &str, folder: &Path, first: &str) -> Child {
    let script = format!("{first}\nexec \"$@\"");
    let folder = format!("FERROZMQ_STATS={}", folder.display());
    spawn(test, role, &["sh", "-c", &script, "sh", "env", &folder])
}

/// In the process: says that it is ready, and waits until it is told to go on.
fn pause(text: &str) {
    println!("\n{text}");
    std::io::stdout().flush().unwrap();
    // A stop, a kill, or a signal that ends the call.
    // SAFETY: no pointers.
    unsafe { libc::pause() };
}

/// Waits until the process has said this.
fn hear(child: &mut Child, text: &str) {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == text), "the process has not said {text:?}");
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: no pointers; the child was not waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

fn finish(mut child: Child) {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
}

/// Two sockets that have passed messages on, over this transport.
fn passed_on(context: Context, transport: &str) -> [Socket; 2] {
    let pull = context.patient(ZMQ_PULL);
    let push = context.patient(ZMQ_PUSH);
    push.connect(&pull.try_bind(transport).unwrap());
    for _ in 0..MESSAGES {
        push.send(&["secret-topic", "secret-body"]);
        assert_eq!(pull.recv().len(), 2);
    }
    [push, pull]
}

#[test]
fn it_can_be_read_while_the_process_is_stopped_and_after_a_kill() {
    if role().is_some() {
        let _sockets = passed_on(Context::new(), "tcp://127.0.0.1:*");
        return pause("ready");
    }
    let folder = Folder::new("stopped");
    let mut child = start(
        test_name!(it_can_be_read_while_the_process_is_stopped_and_after_a_kill),
        "works",
        &folder.0,
        "",
    );
    hear(&mut child, "ready");
    let pid = child.id();
    let path = folder.file_of(pid);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    signal(&child, libc::SIGSTOP);
    let check = || {
        let stats = Stats::read(&path);
        assert_eq!(stats.passed("PUSH"), (MESSAGES, 0));
        assert_eq!(stats.passed("PULL"), (0, MESSAGES));
        assert_eq!(stats.u64(16), u64::from(pid));
        assert_eq!(stats.u64(48) % 2, 0, "no change is under way");
        assert!(stats.u64(24) > 0 && stats.u64(40) >= stats.u64(32));
        assert_eq!(stats.records(CONNECTION).len(), 2);
        for connection in stats.records(CONNECTION) {
            assert!(stats.text(connection, "connection", "endpoint").starts_with("tcp://127.0.0.1:"));
            assert_eq!(stats.text(connection, "connection", "mechanism"), "NULL");
        }
        assert!(!stats.bytes.windows(6).any(|bytes| bytes == b"secret"), "a message is in the file");
    };
    check();
    signal(&child, libc::SIGKILL);
    assert!(!child.wait().unwrap().success());
    check();
}

#[test]
fn it_is_gone_with_the_last_context_and_with_the_process() {
    const TEST: &str = "it_is_gone_with_the_last_context_and_with_the_process";
    if let Some(role) = role() {
        let own = PathBuf::from(std::env::var_os("FERROZMQ_STATS").unwrap())
            .join(format!("ferrozmq.{}", std::process::id()));
        let (one, other) = (Context::new(), Context::new());
        assert_eq!(Stats::read(&own).of_process("contexts"), 2);
        one.end(&passed_on(one, "inproc://a"));
        let sockets = passed_on(other, "inproc://a");
        assert_eq!(Stats::read(&own).passed("PUSH"), (MESSAGES, 0));
        if role == "exits" {
            std::process::exit(0);
        }
        other.end(&sockets);
        assert!(!own.exists());
        // Another one begins anew.
        let third = Context::new();
        assert_eq!(Stats::read(&own).records(SOCKET).len(), 0);
        third.term();
        assert!(!own.exists());
        return;
    }
    for role in ["terminates", "exits"] {
        let folder = Folder::new(role);
        finish(start(test_name!(it_is_gone_with_the_last_context_and_with_the_process), role, &folder.0, ""));
        assert!(folder.is_empty(), "{TEST}: {role}");
    }
}

#[test]
fn io_threads_and_peers_that_speak_no_zmtp_are_in_it() {
    if role().is_some() {
        let context = Context::new();
        let pull = context.patient(ZMQ_PULL);
        let endpoint = pull.bind_anywhere();
        let mut stranger = TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        stranger.write_all(&[0xff; 64]).unwrap();
        // It is closed once the handshake has failed.
        let _ = stranger.read_to_end(&mut Vec::new());
        let other = Context::new();
        let sockets = passed_on(other, "tcp://127.0.0.1:*");
        let own = std::env::var_os("FERROZMQ_STATS").unwrap();
        let path = PathBuf::from(own).join(format!("ferrozmq.{}", std::process::id()));
        let of = |stats: &Stats, name: &str| {
            let is_it = |at: &usize| {
                stats.text(*at, "socket", "type") == "PULL" && stats.value(*at, "socket", "accepts") == 1
            };
            let sockets = stats.records(SOCKET).into_iter().filter(is_it);
            sockets.map(|socket| stats.value(socket, "socket", name)).sum::<u64>()
        };
        let start = Instant::now();
        loop {
            let stats = Stats::read(&path);
            let threads = stats.records(IO_THREAD);
            assert_eq!(threads.len(), 2, "one of each context");
            let found = ["accepts", "handshakes_failed_protocol"].map(|name| of(&stats, name));
            let counted = ["polls", "events", "busy_time", "sources", "wakeups"]
                .map(|name| threads.iter().map(|at| stats.value(*at, "io_thread", name)).collect::<Vec<_>>());
            let [always @ .., wakeups] = &counted;
            let all_count = always.iter().flatten().all(|count| *count > 0);
            if all_count && wakeups.iter().sum::<u64>() > 0 && found == [2, 1] {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{found:?} {counted:?}");
            // One that is not asleep needs not be woken.
            other.connected(ZMQ_PUSH, "tcp://127.0.0.1:1").close();
        }
        context.end(&[pull]);
        other.end(&sockets);
        return;
    }
    let folder = Folder::new("threads");
    finish(start(test_name!(io_threads_and_peers_that_speak_no_zmtp_are_in_it), "works", &folder.0, ""));
}

#[test]
fn the_program_works_where_there_can_be_no_file() {
    if role().is_some() {
        let context = Context::new();
        return context.end(&passed_on(context, "tcp://127.0.0.1:*"));
    }
    let run = |folder: &Path, first: &str| {
        let script = format!("exec 2>&1\n{first}");
        let test = test_name!(the_program_works_where_there_can_be_no_file);
        let mut child = start(test, "works", folder, &script);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        said
    };
    let folder = Folder::new("mistakes");
    let missing = run(&folder.0.join("missing"), "");
    assert!(missing.contains("no counters in") && missing.contains("No such file"), "{missing}");
    let own = format!("{}/ferrozmq.$$", folder.0.display());
    // A file of another program, and a link to a file that is not to be touched.
    let foreign = run(&folder.0, &format!("echo foreign > {own}"));
    assert!(foreign.contains("File exists"), "{foreign}");
    let target = folder.0.join("target");
    fs::write(&target, "target").unwrap();
    let linked = run(&folder.0, &format!("ln -s {} {own}", target.display()));
    assert!(linked.contains("File exists"), "{linked}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "target");
    // A pipe: a process that opened it would wait for a writer.
    let piped = run(&folder.0, &format!("mkfifo {own}"));
    assert!(piped.contains("File exists"), "{piped}");
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    // One that an earlier process of the same id has left.
    let stale = run(&folder.0, &format!("printf FZMQSTAT > {own}; head -c 4096 /dev/zero >> {own}"));
    assert!(!stale.contains("no counters"), "{stale}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 4);
    // One of a process of the same id in another container. It may be there unless it has been silent for a day.
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().replace('-', "");
    let mut head = b"FZMQSTAT".to_vec();
    head.resize(4032, 0);
    head.extend(1u64.to_ne_bytes());
    head.extend(u128::from_str_radix(&boot, 16).unwrap().to_be_bytes());
    head.resize(4096, 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for (silent_hours, files) in [(0, 6), (23, 7), (25, 7)] {
        let heartbeat = now - Duration::from_secs(silent_hours * 3600);
        head[40..48].copy_from_slice(&u64::try_from(heartbeat.as_nanos()).unwrap().to_ne_bytes());
        fs::write(folder.0.join("head"), &head).unwrap();
        let others = run(&folder.0, &format!("cp {}/head {own}", folder.0.display()));
        assert!(!others.contains("no counters"), "{others}");
        let left = fs::read_dir(&folder.0).unwrap().count();
        assert_eq!(left, files, "{silent_hours}: one of the other stays, and the file of this one has gone");
    }
    symlink(&target, folder.0.join("last")).unwrap();
}

/// The program goes to another folder before the file is to be removed, and before the next one is made.
#[test]
fn a_relative_folder_counts_from_where_the_program_was_and_an_empty_one_is_none() {
    if let Some(role) = role() {
        let start = std::env::current_dir().unwrap();
        let file = start.join(format!("stats/ferrozmq.{}", std::process::id()));
        for elsewhere in ["one", "other"] {
            let context = Context::new();
            assert_eq!(file.exists(), role == "relative");
            std::env::set_current_dir(start.join(elsewhere)).unwrap();
            context.end(&passed_on(context, "inproc://a"));
            assert!(!file.exists(), "{elsewhere}: it is gone with the last context");
        }
        return;
    }
    let test = test_name!(a_relative_folder_counts_from_where_the_program_was_and_an_empty_one_is_none);
    for (role, value) in [("relative", "stats"), ("empty", "")] {
        let folder = Folder::new(role);
        let folders = ["stats", "one", "one/stats", "other", "other/stats"].map(|name| folder.0.join(name));
        folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let (chdir, variable) =
            (format!("--chdir={}", folder.0.display()), format!("FERROZMQ_STATS={value}"));
        finish(spawn(test, role, &["env", &chdir, &variable]));
        for path in folders.iter().chain([&folder.0]) {
            let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("ferrozmq.")).collect();
            assert!(left.is_empty(), "{role}: {left:?} in {}", path.display());
        }
    }
}

/// Of 64 KiB, where the file takes some megabytes. The system would end the program with a signal.
#[test]
fn a_limit_on_the_size_of_files_is_a_line_in_the_log() {
    if role().is_some() {
        let context = Context::new();
        return context.end(&passed_on(context, "inproc://limited"));
    }
    let folder = Folder::new("limited");
    let test = test_name!(a_limit_on_the_size_of_files_is_a_line_in_the_log);
    let mut child = start(test, "works", &folder.0, "exec 2>&1\nulimit -f 128");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success() && said.contains("1 passed"), "{status}: {said}");
    assert_eq!(said.matches("File too large").count(), 1, "{said}");
    assert!(folder.is_empty());
}

/// A file system of 64 KiB, where the system lets a test make one.
#[test]
fn a_full_disk_is_a_line_in_the_log() {
    if role().is_some() {
        let context = Context::new();
        return context.end(&passed_on(context, "inproc://full"));
    }
    let folder = Folder::new("full");
    let mount = format!("mount -t tmpfs -o size=64k none {}", folder.0.display());
    let may = std::process::Command::new("unshare").args(["-Urm", "sh", "-c", &mount]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        return println!("no file system can be made here");
    }
    let script = format!("{mount}\nexec 2>&1\n\"$@\"\nls {}", folder.0.display());
    let variable = format!("FERROZMQ_STATS={}", folder.0.display());
    let before = ["unshare", "-Urm", "sh", "-c", &script, "sh", "env", &variable];
    let child = spawn(test_name!(a_full_disk_is_a_line_in_the_log), "works", &before);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert!(said.contains("No space left"), "{said}");
    assert!(!said.lines().any(|line| line.starts_with("ferrozmq.")), "a file is left: {said}");
}

#[test]
fn slots_are_used_again_and_records_without_one_are_counted() {
    if role().is_some() {
        let own = PathBuf::from(std::env::var_os("FERROZMQ_STATS").unwrap())
            .join(format!("ferrozmq.{}", std::process::id()));
        let context = Context::new();
        let slots = Stats::read(&own).sections[&SOCKET].2;
        let sockets: Vec<_> = (0..slots + 10).map(|_| context.socket(ZMQ_PAIR)).collect();
        let stats = Stats::read(&own);
        assert_eq!(stats.records(SOCKET).len(), slots);
        assert_eq!(stats.of_process("records_left_out"), 10);
        // One without a slot works as any other.
        let (last, first) = (sockets[slots + 9], sockets[0]);
        last.bind("inproc://last");
        first.connect("inproc://last");
        first.send(&["x"]);
        assert_eq!(last.recv(), ["x"]);
        sockets.iter().for_each(|socket| socket.close());
        assert_eq!(Stats::read(&own).records(SOCKET).len(), 0);
        for _ in 0..10 {
            context.socket(ZMQ_PAIR).close();
        }
        let sockets = passed_on(context, "inproc://a");
        let stats = Stats::read(&own);
        assert_eq!(stats.of_process("records_left_out"), 10, "there is room again");
        assert_eq!((stats.passed("PUSH").0, stats.passed("PULL").1), (MESSAGES, MESSAGES));
        return context.end(&sockets);
    }
    let folder = Folder::new("slots");
    finish(start(
        test_name!(slots_are_used_again_and_records_without_one_are_counted),
        "works",
        &folder.0,
        "",
    ));
}

#[test]
fn a_forked_child_has_a_file_of_its_own() {
    if role().is_some() {
        let folder = PathBuf::from(std::env::var_os("FERROZMQ_STATS").unwrap());
        let context = Context::new();
        let sockets = passed_on(context, "inproc://a");
        // SAFETY: the child calls nothing that another thread of the parent could hold a lock of.
        let child = unsafe { libc::fork() };
        if child == 0 {
            sockets.iter().for_each(|socket| socket.close());
            let own = Context::new();
            let theirs = passed_on(own, "inproc://b");
            let stats = Stats::read(&folder.join(format!("ferrozmq.{}", std::process::id())));
            let fine = stats.passed("PUSH") == (MESSAGES, 0) && stats.records(SOCKET).len() == 2;
            own.end(&theirs);
            // SAFETY: ends the process.
            unsafe { libc::_exit(if fine { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: a child of ours, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        let path = folder.join(format!("ferrozmq.{}", std::process::id()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "the child's is gone");
        assert_eq!(Stats::read(&path).passed("PUSH"), (MESSAGES, 0), "the child has left it alone");
        return context.end(&sockets);
    }
    let folder = Folder::new("fork");
    finish(start(test_name!(a_forked_child_has_a_file_of_its_own), "works", &folder.0, ""));
    let start = Instant::now();
    while !folder.is_empty() {
        assert!(start.elapsed() < PATIENCE);
    }
}
