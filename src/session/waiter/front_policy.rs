//! Which connections a waiting thread borrows, and whether its front epoll instance watches them. Pure.
//!
//! Before each sleep, [`borrowing`] says what becomes of the connections the thread has:
//!
//! | what the thread waits for | `Borrowing` |
//! |---|---|
//! | more than [`MAX_LENT_CONNECTIONS`] sockets or connections | `Nothing` |
//! | a socket whose `ZMQ_FD` the program watches | `Nothing` |
//! | as at the last sleep: no list of connections has changed | `Same` |
//! | otherwise | `Anew` |
//!
//! When the thread borrows anew, [`FrontPolicy`] says whether its front epoll instance watches the streams, also between two
//! waits. It does from the third equal wait on. A thread that waits for changing sockets would not profit: the instance would wake
//! it for streams that it does not wait for, and each of them would have to leave the instance.
//!
//! | this wait and the last | equal waits before | `FrontUse` |
//! |---|---|---|
//! | differ | any | `Abandoned` |
//! | are equal | fewer than [`MIN_EQUAL_WAITS`], with this one | `Unused` |
//! | are equal | as many | `Used` |

use crate::session::connections::MAX_LENT_CONNECTIONS;

/// As often in a row a thread waits for what it waited for before, until its front epoll instance watches that.
const MIN_EQUAL_WAITS: u8 = 2;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub sockets: usize,
    pub connections: usize,
    /// The versions of the sockets' lists of connections, added up. None of them ever falls, so the sum stays the same only if all
    /// do.
    pub versions: u64,
    /// A program watches the `ZMQ_FD` of one of the sockets. What this thread received would wake that program for nothing.
    pub has_fd: bool,
}

/// What becomes of the connections that a thread has borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borrowing {
    /// They go back, and the I/O threads receive.
    Nothing,
    /// They stay.
    Same,
    /// They go back, and the thread asks for all that there are now.
    Anew,
}

/// `held_versions`: the [`Wanted::versions`] that the connections at hand were borrowed with.
pub fn borrowing(wanted: Wanted, held_versions: u64) -> Borrowing {
    if wanted.sockets.max(wanted.connections) > MAX_LENT_CONNECTIONS || wanted.has_fd {
        return Borrowing::Nothing;
    }
    if wanted.versions == held_versions { Borrowing::Same } else { Borrowing::Anew }
}

/// Whether a thread's front epoll instance watches what the thread borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontUse {
    /// Not yet: the thread sleeps in poll(2).
    Unused,
    /// As `Unused`, and what the instance still watches leaves it.
    Abandoned,
    /// It does, and the thread sleeps in it.
    Used,
}

/// How often in a row a thread has waited for the same connections.
#[derive(Debug, Default)]
pub struct FrontPolicy {
    equal_waits: u8,
}

impl FrontPolicy {
    /// The thread waits once more. `equal`: for the same connections as the last time.
    pub fn wait(&mut self, equal: bool) -> FrontUse {
        if !equal {
            self.equal_waits = 0;
            return FrontUse::Abandoned;
        }
        self.equal_waits = self.equal_waits.saturating_add(1);
        if self.equal_waits >= MIN_EQUAL_WAITS { FrontUse::Used } else { FrontUse::Unused }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn few_connections_are_borrowed_anew_when_a_list_has_changed() {
        let few = Wanted { sockets: 1, connections: MAX_LENT_CONNECTIONS, versions: 7, has_fd: false };
        assert_eq!(borrowing(few, 7), Borrowing::Same);
        assert_eq!(borrowing(few, 0), Borrowing::Anew);
        assert_eq!(borrowing(Wanted { sockets: MAX_LENT_CONNECTIONS, ..few }, 7), Borrowing::Same);
    }

    #[test]
    fn many_connections_and_sockets_and_watched_ones_are_not_borrowed() {
        let few = Wanted { sockets: 1, connections: 1, versions: 7, has_fd: false };
        let others = [
            Wanted { sockets: MAX_LENT_CONNECTIONS + 1, ..few },
            Wanted { connections: MAX_LENT_CONNECTIONS + 1, ..few },
            Wanted { has_fd: true, ..few },
        ];
        for other in others {
            for held in [0, 7] {
                assert_eq!(borrowing(other, held), Borrowing::Nothing, "{other:?}");
            }
        }
    }

    #[test]
    fn front_is_used_from_the_third_equal_wait_on() {
        let mut policy = FrontPolicy::default();
        assert_eq!(policy.wait(false), FrontUse::Abandoned);
        for _ in 1..MIN_EQUAL_WAITS {
            assert_eq!(policy.wait(true), FrontUse::Unused);
        }
        for _ in 0..300 {
            assert_eq!(policy.wait(true), FrontUse::Used);
        }
        assert_eq!(policy.wait(false), FrontUse::Abandoned);
        assert_eq!(policy.wait(true), FrontUse::Unused, "from the beginning");
    }
}
