//! Is the process of a file still there, and what is it called?

use super::layout::Header;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What has become of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Running,
    /// By a signal or a debugger. Its counters can be read all the same.
    Stopped,
    /// It has ended, and has not been waited for yet.
    Zombie,
    /// It has an id in a namespace that this tool does not see, as processes in other containers have: there, or gone.
    Elsewhere,
    Gone,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Stopped => "stopped",
            State::Zombie => "zombie",
            State::Elsewhere => "elsewhere",
            State::Gone => "gone",
        }
    }
}

/// What the system says of a process.
#[derive(Debug)]
pub struct Process {
    pub state: State,
    /// Empty where the system does not say.
    pub name: String,
}

impl Process {
    /// The process that a file is of.
    pub fn of(header: &Header) -> Process {
        let (namespace, boot) = here();
        Process::seen_from(header, namespace, boot)
    }

    /// As the tool in this namespace sees it, in this boot of the system.
    fn seen_from(header: &Header, namespace: u64, boot: [u8; 16]) -> Process {
        let differs = |theirs: bool, ours: bool, same: bool| theirs && ours && !same;
        let unseen = |state| Process { state, name: String::new() };
        if differs(header.boot != [0; 16], boot != [0; 16], header.boot == boot) {
            return unseen(State::Gone);
        }
        if differs(header.pid_namespace != 0, namespace != 0, header.pid_namespace == namespace) {
            return unseen(State::Elsewhere);
        }
        Process::find(header.pid, header.started)
    }

    /// The process with this id that started at this time, in the system's ticks since it was booted. A process id is used again;
    /// with the time it is not. A time of 0 is not known: then any process with the id will do.
    fn find(pid: u64, started: u64) -> Process {
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        match parse(&String::from_utf8_lossy(&stat)) {
            Some((state, name, at)) if at == started || started == 0 => Process { state, name },
            _ => Process { state: State::Gone, name: String::new() },
        }
    }
}

/// The namespace of the tool's own process id, and the boot of the system. Zeros where they are not known.
fn here() -> (u64, [u8; 16]) {
    let namespace = fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino());
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = u128::from_str_radix(&id.trim().replace('-', ""), 16).unwrap_or(0);
    (namespace, boot.to_be_bytes())
}

/// State, name and start time of a line of `/proc/PID/stat`. The name may hold spaces and parentheses.
fn parse(stat: &str) -> Option<(State, String, u64)> {
    let (front, rest) = stat.rsplit_once(") ")?;
    let (_, name) = front.split_once(" (")?;
    let mut words = rest.split(' ');
    let state = match words.next()? {
        "T" | "t" => State::Stopped,
        "Z" | "X" => State::Zombie,
        _ => State::Running,
    };
    // The state is field 3, so 22 is 18 words behind the next one.
    let started = words.nth(18)?.trim().parse().ok()?;
    Some((state, name.to_owned(), started))
}

#[cfg(test)]
pub fn started(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse(&stat).map(|found| found.2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_stat_are_taken_apart() {
        let line = "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 99 100\n";
        assert_eq!(parse(line), Some((State::Running, "a) b (c".to_owned(), 123_456)));
        assert_eq!(parse(&line.replace(" S ", " T ")).unwrap().0, State::Stopped);
        for broken in ["", "4711", "4711 (a) S", "4711 (a) S 1 2", ") ("] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn ids_of_other_namespaces_and_boots_are_other_processes() {
        let (me, (namespace, boot)) = (std::process::id(), here());
        let state = |pid_namespace, of_boot| {
            let mut header = Header::default();
            (header.pid, header.started) = (me.into(), started(me));
            (header.pid_namespace, header.boot) = (pid_namespace, of_boot);
            Process::seen_from(&header, namespace, boot).state
        };
        assert_eq!(state(namespace, boot), State::Running);
        assert_eq!(state(0, [0; 16]), State::Running);
        assert_eq!(state(namespace + 1, boot), State::Elsewhere);
        assert_eq!(state(namespace, [7; 16]), State::Gone);
        assert_eq!(state(namespace + 1, [7; 16]), State::Gone);
    }

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let me = std::process::id();
        assert_eq!(Process::find(me.into(), started(me)).state, State::Running);
        assert_eq!(Process::find(me.into(), started(me) + 1).state, State::Gone);
        assert_eq!(Process::find(me.into(), 0).state, State::Running);
        assert_eq!(Process::find(u64::MAX, 1).state, State::Gone);
    }
}
