//! The log (`FERROZMQ_LOG`, `FERROZMQ_LOG_FILE`), each test in a process of its own, which has the variables from its start.

use crate::support::PATIENCE;
use crate::support::bench::*;
use crate::support::process::{role, spawn, test_name};
use std::fs::{self, OpenOptions};
use std::io::{PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a call may take while a place takes no line.
const MAX_CALL_TIME: Duration = Duration::from_millis(100);

/// A folder with the log, and with what was said on stderr.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ferrozmq-logged-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs the test in a process with these variables and its stderr in a file. What it said there.
    pub fn run(&self, test: &str, variables: &[(&str, &str)]) -> String {
        let stderr = self.file("stderr");
        let script = format!("exec \"$@\" 2>{}", stderr.display());
        let settings: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut before = vec!["sh", "-c", &script, "sh", "env"];
        before.extend(settings.iter().map(String::as_str));
        let output: Output = spawn(test, self.0.to_str().unwrap(), &before).wait_with_output().unwrap();
        let said = fs::read_to_string(stderr).unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("running 1 test") && output.status.success(), "{test}: {shown}\n{said}");
        said
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// In the process of a test: the folder.
pub fn inside() -> Option<PathBuf> {
    role().map(PathBuf::from)
}

/// Waits until the file has a line that contains all the pieces. That line.
fn line(file: &Path, pieces: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| pieces.iter().all(|piece| line.contains(piece))) {
            return line.to_owned();
        }
        assert!(began.elapsed() < PATIENCE, "no line with {pieces:?} in:\n{text}");
        sleep(Duration::from_millis(5));
    }
}

fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
}

#[test]
fn a_connection_has_a_line_for_each_of_its_events() {
    let name = test_name!(a_connection_has_a_line_for_each_of_its_events);
    let Some(folder) = inside() else {
        let folder = Folder::new("events");
        let log = folder.file("log");
        let said =
            folder.run(name, &[("FERROZMQ_LOG", "debug"), ("FERROZMQ_LOG_FILE", log.to_str().unwrap())]);
        assert_eq!(said, "");
        assert_eq!(fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
        return;
    };
    let log = folder.join("log");
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    let endpoint = pull.bind_anywhere();
    let bound = line(&log, &["info connection: PULL is bound to", &endpoint]);
    let (time, rest) = bound.split_once(' ').unwrap();
    assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{bound}");
    assert!(rest.starts_with(&format!("ferrozmq[{}] info ", std::process::id())), "{bound}");
    push.connect(&endpoint);
    push.send(&["message"]);
    assert_eq!(pull.recv(), ["message"]);
    line(&log, &["info connection: PUSH connects to", &endpoint]);
    line(&log, &["info connection: connected to", &endpoint]);
    line(&log, &["debug connection:", &endpoint, "has accepted tcp://127.0.0.1:"]);
    line(&log, &["info handshake: handshake at", "peer 127.0.0.1 (NULL, "]);
    let other = context.patient(ZMQ_PULL);
    assert_eq!(other.try_bind(&endpoint), Err(libc::EADDRINUSE));
    line(&log, &["info connection: PULL cannot be bound to", &endpoint, "Address already in use"]);
    pull.close();
    line(
        &log,
        &["info connection: disconnected from tcp://127.0.0.1:", &endpoint, "this side has closed it"],
    );
    line(&log, &["info connection: disconnected from", &endpoint, "the peer has hung up"]);
    line(&log, &["debug reconnect:", "is tried again in ", " ms"]);
    let closed = closed_port();
    push.connect(&closed);
    line(&log, &["info reconnect:", &closed, "cannot be reached: Connection refused"]);
    push.disconnect(&closed);
    line(&log, &["info connection: PUSH leaves", &closed]);
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("message"), "no line is about a message:\n{text}");
    context.end(&[push, other]);
}

#[test]
fn what_is_not_asked_for_is_not_written() {
    let name = test_name!(what_is_not_asked_for_is_not_written);
    let Some(_) = inside() else {
        let folder = Folder::new("off");
        let log = folder.file("log");
        let file = ("FERROZMQ_LOG_FILE", log.to_str().unwrap());
        for value in ["", "off", "0", "warn", "memory=debug,security=info"] {
            assert_eq!(folder.run(name, &[("FERROZMQ_LOG", value), file]), "", "{value}");
            assert!(!log.exists(), "{value}: {}", fs::read_to_string(log).unwrap());
        }
        assert!(folder.run(name, &[("FERROZMQ_LOG", "connection=info"), file]).is_empty() && log.exists());
        return;
    };
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    push.connect(&pull.bind_anywhere());
    push.send(&["message"]);
    assert_eq!(pull.recv(), ["message"]);
    context.end(&[push, pull]);
}

#[test]
fn peers_that_fail_at_any_rate_are_counted() {
    let name = test_name!(peers_that_fail_at_any_rate_are_counted);
    let Some(folder) = inside() else {
        let folder = Folder::new("rate");
        // As ever: no file, and the variable is merely set.
        let said = folder.run(name, &[("FERROZMQ_LOG", "1")]);
        assert!(said.lines().all(|line| line.starts_with("ferrozmq: denial at tcp://127.0.0.1:")), "{said}");
        return;
    };
    let stderr = folder.join("stderr");
    let context = Context::new();
    let pull = context.patient(ZMQ_PULL);
    let events = Monitor::of(context, pull);
    let endpoint = pull.bind_anywhere();
    let fail = || {
        let mut peer = TcpStream::connect(&endpoint["tcp://".len()..]).unwrap();
        peer.write_all(&[0xff; 64]).unwrap();
        events.until(ZMQ_EVENT_DISCONNECTED);
    };
    let (mut failed, began) = (0, Instant::now());
    let told = || {
        let text = fs::read_to_string(&stderr).unwrap();
        let left_out: usize = text.lines().filter_map(left_out).sum();
        (text.lines().count(), left_out)
    };
    // The first line of each second tells of those of the second before. It may be on its way while the next peer fails.
    while told().1 == 0 || told().0 + told().1 != failed {
        assert!(began.elapsed() < PATIENCE, "{:?} of {failed}", told());
        fail();
        failed += 1;
        sleep(Duration::from_millis(5));
    }
    context.end(&[pull, events.0]);
}

fn left_out(line: &str) -> Option<usize> {
    line.strip_suffix(" more of this kind left out)")?.rsplit_once('(')?.1.parse().ok()
}

#[test]
fn what_is_not_understood_is_told_once_and_the_rest_counts() {
    let name = test_name!(what_is_not_understood_is_told_once_and_the_rest_counts);
    let Some(_) = inside() else {
        let folder = Folder::new("malformed");
        let said = folder.run(name, &[("FERROZMQ_LOG", "secuirty=info,connection=info,\u{1b}[2J")]);
        let lines: Vec<&str> = said.lines().collect();
        let complaint =
            "ferrozmq: FERROZMQ_LOG: \"secuirty=info\", \"?[2J\" not understood: write a level (error, ";
        assert!(lines[0].starts_with(complaint), "{said}");
        assert!(lines[1].starts_with("ferrozmq: PULL is bound to tcp://"), "{said}");
        assert_eq!(lines.iter().filter(|line| line.contains("not understood")).count(), 1, "{said}");
        return;
    };
    for _ in 0..2 {
        let context = Context::new();
        let pull = context.socket(ZMQ_PULL);
        pull.bind_anywhere();
        context.end(&[pull]);
    }
}

/// Fills a pipe that stands in the place of stderr and that is not read. Its reader.
fn full_stderr() -> PipeReader {
    let (reader, writer) = std::io::pipe().unwrap();
    // SAFETY: descriptors of this process, which has no other thread that uses them.
    unsafe {
        assert_eq!(libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK), 0);
        while (&writer).write(&[b'x'; 4096]).is_ok() {}
        while (&writer).write(b"x").is_ok() {}
        assert_eq!(libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, 0), 0);
        assert_eq!(libc::dup2(writer.as_raw_fd(), 2), 2);
    }
    reader
}

/// How long calls have taken.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn take<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let outcome = call();
        self.0.push(began.elapsed());
        outcome
    }

    /// Other processes may hold up single calls. A place for lines that is waited for holds up each.
    fn are_short(mut self) {
        self.0.sort_unstable();
        assert!(self.0[self.0.len() / 2] < MAX_CALL_TIME, "{:?}", self.0);
    }
}

#[test]
fn a_place_that_takes_nothing_holds_up_no_thread() {
    let name = test_name!(a_place_that_takes_nothing_holds_up_no_thread);
    let Some(_) = inside() else {
        let folder = Folder::new("full");
        let fifo = folder.file("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // It has a reader, which reads nothing.
        let _reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        folder.run(name, &[("FERROZMQ_LOG", "debug")]);
        for file in ["/dev/full", fifo.to_str().unwrap()] {
            folder.run(name, &[("FERROZMQ_LOG", "debug"), ("FERROZMQ_LOG_FILE", file)]);
        }
        return;
    };
    let (mut reader, mut times) = (full_stderr(), Times::default());
    let context = Context::new();
    let (pull, push) = (context.patient(ZMQ_PULL), context.patient(ZMQ_PUSH));
    times.take(|| push.connect(&closed_port()));
    let endpoint = times.take(|| pull.bind_anywhere());
    times.take(|| push.connect(&endpoint));
    push.set(ZMQ_SNDTIMEO, PATIENCE_MS);
    for _ in 0..100 {
        push.send(&["message"]);
    }
    assert_eq!(pull.recv(), ["message"]);
    // Lines that no rate bounds, and that are waited for where they can be written.
    let refused = context.socket(ZMQ_PULL);
    let path = format!("/none/{}", "x".repeat(2000));
    refused.set_bytes(ZMQ_FERRO_SECURITY, path.as_bytes());
    for _ in 0..100 {
        assert!(times.take(|| refused.try_bind("tcp://127.0.0.1:*")).is_err());
    }
    times.are_short();
    // What waited comes once there is room, and what did not fit is counted.
    let mut said = String::new();
    let mut buffer = [0; 4096];
    while !said.contains("lines of the log left out: there was no room for them\n") {
        let bytes = reader.read(&mut buffer).unwrap();
        said.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
    let written = said.matches("zmq_bind tcp://127.0.0.1:* refused: /none/x").count();
    let left_out = said.lines().find_map(|line| line.split_once(" lines of the log left out")).unwrap().0;
    let left_out: usize = left_out.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(written >= 20 && left_out > 0 && written + left_out >= 100, "{written} and {left_out} of 100");
    context.end(&[push, pull, refused]);
    drop(reader);
}

#[test]
fn a_forked_child_has_lines_of_its_own() {
    let name = test_name!(a_forked_child_has_lines_of_its_own);
    let Some(folder) = inside() else {
        let folder = Folder::new("forked");
        let log = folder.file("log");
        folder.run(name, &[("FERROZMQ_LOG", "info"), ("FERROZMQ_LOG_FILE", log.to_str().unwrap())]);
        return;
    };
    let log = folder.join("log");
    let bind = || {
        let context = Context::new();
        let pull = context.socket(ZMQ_PULL);
        pull.bind_anywhere();
        context.end(&[pull]);
    };
    bind();
    line(&log, &["PULL is bound to"]);
    // SAFETY: the child calls the library, which is made for that, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        bind();
        // The end of the context has seen to the lines.
        // SAFETY: it takes no pointers.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: no status is asked for.
    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains(&format!("ferrozmq[{child}] info connection: PULL is bound to")), "{text}");
}

#[test]
fn the_file_is_followed_and_a_link_is_refused() {
    let name = test_name!(the_file_is_followed_and_a_link_is_refused);
    let Some(folder) = inside() else {
        let folder = Folder::new("moved");
        let log = folder.file("log");
        let variables = [("FERROZMQ_LOG", "info"), ("FERROZMQ_LOG_FILE", log.to_str().unwrap())];
        assert_eq!(folder.run(name, &variables), "");
        fs::remove_file(&log).unwrap();
        symlink(folder.file("target"), &log).unwrap();
        fs::write(folder.file("linked"), "").unwrap();
        let said = folder.run(name, &variables);
        assert!(said.starts_with("ferrozmq: FERROZMQ_LOG_FILE="), "{said}");
        assert_eq!(said.matches("lines go to stderr").count(), 1, "{said}");
        assert!(said.matches("PULL is bound").count() == 2 && !folder.file("target").exists(), "{said}");
        return;
    };
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    pull.bind_anywhere();
    let log = folder.join("log");
    if !folder.join("linked").exists() {
        line(&log, &["PULL is bound to"]);
        fs::rename(&log, folder.join("log.1")).unwrap();
    }
    let endpoint = pull.bind_anywhere();
    if !folder.join("linked").exists() {
        line(&log, &["PULL is bound to", &endpoint]);
        assert_eq!(fs::read_to_string(folder.join("log.1")).unwrap().lines().count(), 1);
    }
    context.end(&[pull]);
}

#[test]
fn a_security_file_says_what_is_logged_and_says_otherwise_later() {
    let name = test_name!(a_security_file_says_what_is_logged_and_says_otherwise_later);
    let Some(folder) = inside() else {
        let folder = Folder::new("secured");
        let security = folder.file("security.toml");
        let path = security.to_str().unwrap();
        fs::write(&security, "[log]\nlevel = \"info\"\nfile = \"log\"\n[default]\nmechanism = \"null\"\n")
            .unwrap();
        folder.run(name, &[("FERROZMQ_SECURITY", path)]);
        return;
    };
    let (log, security) = (folder.join("log"), folder.join("security.toml"));
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    let endpoint = pull.bind_anywhere();
    line(&log, &["info security:", "security.toml: read"]);
    line(&log, &["info connection: PULL is bound to", &endpoint]);
    fs::write(&security, "[log]\nlevel = \"security=info\"\n[default]\nmechanism = \"null\"\n").unwrap();
    until_read(pull, &log, 2);
    let endpoint = pull.bind_anywhere();
    fs::write(&security, "[default]\nmechanism = \"null\"\n").unwrap();
    until_read(pull, &log, 3);
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains(&endpoint), "connections are not logged any more:\n{text}");
    context.end(&[pull]);
}

/// Binds until the security file, which is looked at once a second, has been read that many times.
fn until_read(pull: Socket, log: &Path, times: usize) {
    let began = Instant::now();
    while fs::read_to_string(log).unwrap().matches("security.toml: read").count() < times {
        assert!(began.elapsed() < PATIENCE);
        let endpoint = pull.bind_anywhere();
        pull.unbind(&endpoint);
    }
}
