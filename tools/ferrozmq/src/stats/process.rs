//! Is the process of a file still there, and what is it called?

use std::fs;

/// What has become of the process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    Running,
    /// By a signal or a debugger. Its counters can be read all the same.
    Stopped,
    /// It has ended, and has not been waited for yet.
    Zombie,
    Gone,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Stopped => "stopped",
            State::Zombie => "zombie",
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
    /// The process with this id that started at this time, in the system's ticks since it was booted. A process id is used again;
    /// with the time it is not. A time of 0 is not known: then any process with the id will do.
    pub fn find(pid: u64, started: u64) -> Process {
        let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        match parse(&String::from_utf8_lossy(&stat)) {
            Some((state, name, at)) if at == started || started == 0 => Process { state, name },
            _ => Process { state: State::Gone, name: String::new() },
        }
    }
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
    fn a_process_is_known_by_its_start_time() {
        let me = std::process::id();
        assert_eq!(Process::find(me.into(), started(me)).state, State::Running);
        assert_eq!(Process::find(me.into(), started(me) + 1).state, State::Gone);
        assert_eq!(Process::find(me.into(), 0).state, State::Running);
        assert_eq!(Process::find(u64::MAX, 1).state, State::Gone);
    }
}
