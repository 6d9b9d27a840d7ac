//! The thread that compares passwords with hashes. That takes tens of milliseconds each, which an I/O thread does not have.
//!
//! The thread begins with the first comparison and ends with the last. What waits has a bound, and [places](PeerNetwork) have equal shares of it:
//!
//! | a peer comes | its comparison |
//! |---|---|
//! | there is room | waits |
//! | the queue is full, and its place has as many in it as any other | is not made: the peer is to come again |
//! | the queue is full, and its place has less in it than another | waits, instead of the last of the place with the most |
//!
//! The places that wait are served in turn. So a flood from one place costs others a comparison's time for each of theirs.

use super::peer_network::PeerNetwork;
use crate::crypto::password::PasswordHash;
use crate::errno::{Errno, Result};
use crate::sys::contain::contain;
use crate::sys::fork::PerProcess;
use crate::sys::lock::Lock;
use crate::sys::thread::{self, ThreadSettings};
use std::collections::VecDeque;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Comparisons that wait: some seconds' worth, after which most peers have given up.
const MAX_WAITING: usize = 64;
/// The thread's name, of which the system shows 15 bytes.
const THREAD_NAME: &str = "ZMQpasswords";

/// A comparison, and the call that takes its outcome on the thread.
struct Job {
    /// No other has it.
    number: u64,
    place: Option<PeerNetwork>,
    hash: Arc<PasswordHash>,
    password: Zeroizing<Vec<u8>>,
    /// Whether the session still waits for the outcome.
    is_wanted: Box<dyn Fn() -> bool + Send>,
    done: Box<dyn FnOnce(Result<bool>) + Send>,
}

#[derive(Default)]
struct Queue {
    waiting: Turns<Job>,
    runs: bool,
    /// Of the last job.
    number: u64,
}

impl Queue {
    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

/// What waits, in the order in which it came, and the order in which places were served. Peers without an address are one place.
struct Turns<J> {
    waiting: VecDeque<J>,
    /// Of places that wait: when they were served. One that was not comes first.
    served: Vec<(Option<PeerNetwork>, u64)>,
    turn: u64,
}

/// What belongs to a place.
trait Placed {
    fn place(&self) -> Option<PeerNetwork>;
}

impl Placed for Job {
    fn place(&self) -> Option<PeerNetwork> {
        self.place
    }
}

impl<J> Default for Turns<J> {
    fn default() -> Turns<J> {
        Turns { waiting: VecDeque::new(), served: Vec::new(), turn: 0 }
    }
}

impl<J: Placed> Turns<J> {
    /// Has something wait. Returns what is not to wait any more: nothing, another, or this itself.
    fn push(&mut self, job: J) -> Option<J> {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(job);
            return None;
        }
        let count = |place| self.waiting.iter().filter(|waiting| waiting.place() == place).count();
        let most = self.waiting.iter().map(|waiting| count(waiting.place())).max().unwrap_or(0);
        let last = self.waiting.iter().rposition(|waiting| count(waiting.place()) == most);
        // With one more it must not have more than the other has then.
        let outdone = last.filter(|_| count(job.place()) + 1 < most);
        let Some(taken) = outdone.and_then(|last| self.waiting.remove(last)) else { return Some(job) };
        self.waiting.push_back(job);
        Some(taken)
    }

    /// The first of the place that was served the longest time ago.
    fn pop(&mut self) -> Option<J> {
        let served =
            |place| self.served.iter().find(|(known, _)| *known == place).map_or(0, |(_, turn)| *turn);
        let next = (0..).zip(&self.waiting).min_by_key(|(_, waiting)| served(waiting.place()));
        let (index, place) = next.map(|(index, waiting)| (index, waiting.place()))?;
        let job = self.waiting.remove(index);
        self.turn += 1;
        self.served
            .retain(|(known, _)| *known != place && self.waiting.iter().any(|job| job.place() == *known));
        self.served.push((place, self.turn));
        job
    }

    fn take(&mut self) -> VecDeque<J> {
        std::mem::take(&mut self.waiting)
    }
}

/// A forked child has a queue of its own: the thread is the parent's.
static QUEUE: PerProcess<Lock<Queue>> = PerProcess::new();

/// Has a password compared, of a peer at a place. `done` is called on the thread, unless `is_wanted` says no by then: peers that hang up cost no time, and
/// a context that ends does not wait for the comparisons of its peers. Errors: `EAGAIN` where too many wait; those of a thread that cannot begin.
pub fn compare(
    place: Option<PeerNetwork>,
    (hash, password): (Arc<PasswordHash>, Zeroizing<Vec<u8>>),
    is_wanted: impl Fn() -> bool + Send + 'static,
    done: impl FnOnce(Result<bool>) + Send + 'static,
) -> Result<()> {
    let queue = QUEUE.find_or_make(Lock::default);
    let mut state = queue.lock();
    let (is_wanted, done) = (Box::new(is_wanted), Box::new(done));
    let number = state.next_number();
    let dropped = state.waiting.push(Job { number, place, hash, password, is_wanted, done });
    if let Some(dropped) = dropped {
        // Told without the lock, as a session may go with it.
        drop(state);
        if dropped.number == number {
            return Err(Errno::AGAIN);
        }
        (dropped.done)(Err(Errno::AGAIN));
        return Ok(());
    }
    if !state.runs {
        match thread::spawn(&ThreadSettings::default(), THREAD_NAME, run) {
            Ok(_runs_by_itself) => state.runs = true,
            Err(errno) => {
                // Dropped without the lock, as a session may go with it.
                let never_made = state.waiting.take();
                drop(state);
                drop(never_made);
                return Err(errno);
            }
        }
    }
    Ok(())
}

fn run() {
    let queue = QUEUE.find_or_make(Lock::default);
    loop {
        let mut state = queue.lock();
        let Some(job) = state.waiting.pop() else {
            state.runs = false;
            return;
        };
        drop(state);
        // A panic must not leave the queue without its thread.
        contain(|| {
            if (job.is_wanted)() {
                (job.done)(job.hash.verify(&job.password));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::{LazyLock, mpsc};

    /// A cheap hash of "password", by the reference implementation.
    const OF_PASSWORD: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn comparisons_are_made_in_turn_and_their_number_has_a_bound() {
        let hash = Arc::new(PasswordHash::parse(OF_PASSWORD).unwrap());
        let (sender, receiver) = mpsc::channel();
        let ask = |password: &[u8]| {
            let sender = sender.clone();
            let password = Zeroizing::new(password.to_vec());
            compare(
                None,
                (Arc::clone(&hash), password),
                || true,
                move |outcome| sender.send(outcome).unwrap_or_default(),
            )
        };
        ask(b"password").unwrap();
        ask(b"wrong").unwrap();
        assert_eq!([receiver.recv().unwrap(), receiver.recv().unwrap()], [Ok(true), Ok(false)]);
        let taken = (0..MAX_WAITING * 2).take_while(|_| ask(b"wrong").is_ok()).count();
        assert!((MAX_WAITING..MAX_WAITING * 2).contains(&taken), "{taken}");
        for _ in 0..taken {
            assert_eq!(receiver.recv().unwrap(), Ok(false));
        }
        // What is not wanted any more is not compared: the sender goes without a word.
        let (unwanted, outcome) = mpsc::channel::<Result<bool>>();
        let done = move |result| unwanted.send(result).unwrap_or_default();
        compare(None, (Arc::clone(&hash), Zeroizing::new(b"password".to_vec())), || false, done).unwrap();
        assert_eq!(outcome.recv(), Err(mpsc::RecvError));
        // Another thread begins for those that come later.
        ask(b"password").unwrap();
        assert_eq!(receiver.recv().unwrap(), Ok(true));
    }

    /// A place's number, and the number of what it wants.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Asked(u8, usize);

    impl Placed for Asked {
        fn place(&self) -> Option<PeerNetwork> {
            // A queue asks thousands of times for each that waits.
            static PLACES: LazyLock<[Option<PeerNetwork>; 8]> =
                LazyLock::new(|| std::array::from_fn(|place| PeerNetwork::of(&format!("192.0.2.{place}"))));
            PLACES[usize::from(self.0)]
        }
    }

    #[test]
    fn a_flood_from_one_place_takes_nobody_elses_turn() {
        let mut turns = Turns::default();
        for number in 0..MAX_WAITING {
            assert_eq!(turns.push(Asked(1, number)), None);
        }
        assert_eq!(turns.push(Asked(1, MAX_WAITING)), Some(Asked(1, MAX_WAITING)), "full of its own");
        for place in 2..6 {
            let taken = turns.push(Asked(place, 0));
            let flood_last = MAX_WAITING - 1 - 2 * usize::from(place - 2);
            assert_eq!(taken, Some(Asked(1, flood_last)), "the flood's last");
            turns.push(Asked(place, 1));
        }
        let order: Vec<u8> = (0..10).filter_map(|_| turns.pop()).map(|asked| asked.0).collect();
        assert_eq!(order, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
        let rest: Vec<Asked> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(rest.len(), MAX_WAITING - 10);
        assert!(rest.is_sorted_by_key(|asked| asked.1), "each place in its own order");
    }

    /// Places at random: nothing is lost or there twice, the bound holds, and a place has no more than its share while others want theirs.
    #[test]
    fn shares_are_equal_where_all_places_want_more() {
        let mut turns = Turns::default();
        let (mut popped, mut refused) = (Vec::new(), 0);
        let mut state = 1u64;
        for number in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Half of what comes is of one place.
            let place = ((state >> 33) % 8) as u8;
            refused += usize::from(turns.push(Asked(place.saturating_sub(3), number)).is_some());
            if number % 3 == 0 {
                popped.extend(turns.pop());
            }
            assert!(turns.waiting.len() <= MAX_WAITING && turns.served.len() <= MAX_WAITING + 1);
        }
        assert_eq!(popped.len() + refused + turns.waiting.len(), 20_000);
        let of = |place: u8| popped.iter().filter(|asked| asked.0 == place).count();
        let shares: Vec<usize> = (0..5).map(of).collect();
        assert!(
            shares.iter().all(|share| share.abs_diff(popped.len() / 5) < popped.len() / 50),
            "{shares:?}"
        );
    }
}
