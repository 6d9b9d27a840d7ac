//! The token that one thread leaves and the other takes, without the calls that sleep and wake.

use std::sync::atomic::{AtomicU32, Ordering};

/// There is no token, and the thread does not sleep. A new token begins so.
const EMPTY: u32 = 0;
/// There is a token.
const NOTIFIED: u32 = 1;
/// The thread sleeps, or is about to, on the futex.
pub const PARKED: u32 = 2;
/// As PARKED, but in poll(2) or epoll_wait(2), with the bell among what it polls.
pub const POLLING: u32 = 3;

/// A token, and how the thread sleeps that waits for one: EMPTY, NOTIFIED, PARKED or POLLING.
///
/// | method | thread | from | to | edge |
/// |---|---|---|---|---|
/// | `take` | the parking one | NOTIFIED | EMPTY | acquire |
/// | `begin_sleep` | the parking one | EMPTY | PARKED or POLLING | release |
/// | `end_sleep` | the parking one | any | EMPTY | acquire |
/// | `put` | any other | any | NOTIFIED | acquire and release |
///
/// What came before `put` is visible after the `take` or `end_sleep` that finds the token. What came before `begin_sleep`, the
/// making of the bell, is visible to the `put` that finds POLLING.
#[derive(Debug, Default)]
pub struct Token<W>(W);

/// How a thread is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// It does not sleep.
    No,
    /// It sleeps on the futex.
    Futex,
    /// It polls the bell.
    Bell,
}

/// The word of a token: the standard library's atomic, or loom's.
pub trait Word {
    fn load(&self) -> u32;
    fn swap(&self, value: u32, ordering: Ordering) -> u32;
    fn exchange(&self, from: u32, to: u32, ordering: Ordering) -> bool;
}

impl<W: Word> Token<W> {
    /// What a futex sleeps on.
    pub fn word(&self) -> &W {
        &self.0
    }

    /// Uses a token up, if there is one. Whether there was.
    pub fn take(&self) -> bool {
        self.0.exchange(NOTIFIED, EMPTY, Ordering::Acquire)
    }

    /// The thread is going to sleep, `how` being PARKED or POLLING. `false`: there is a token.
    pub fn begin_sleep(&self, how: u32) -> bool {
        self.0.exchange(EMPTY, how, Ordering::Release)
    }

    /// The thread sleeps no more. Uses a token up, if there is one. Whether there was.
    pub fn end_sleep(&self) -> bool {
        // One step: a token that came between a look and a store would be lost.
        self.0.swap(EMPTY, Ordering::Acquire) == NOTIFIED
    }

    /// Whether the thread is still to sleep on the futex.
    pub fn is_parked(&self) -> bool {
        self.0.load() == PARKED
    }

    /// Leaves a token.
    pub fn put(&self) -> Wake {
        // A release on every path, also where a token is there already: the `park` that takes it shall see what
        // happened before this call too.
        match self.0.swap(NOTIFIED, Ordering::AcqRel) {
            PARKED => Wake::Futex,
            POLLING => Wake::Bell,
            _ => Wake::No,
        }
    }
}

impl Word for AtomicU32 {
    fn load(&self) -> u32 {
        AtomicU32::load(self, Ordering::Relaxed)
    }

    fn swap(&self, value: u32, ordering: Ordering) -> u32 {
        AtomicU32::swap(self, value, ordering)
    }

    fn exchange(&self, from: u32, to: u32, ordering: Ordering) -> bool {
        self.compare_exchange(from, to, ordering, Ordering::Relaxed).is_ok()
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::{Condvar, Mutex};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU8;

    const NOTHING: u8 = 0;
    /// `put` makes no edge.
    const PUT: u8 = 1;
    /// `begin_sleep` makes no edge.
    const BEGIN: u8 = 2;
    /// `end_sleep` looks first and stores then.
    const END: u8 = 3;
    /// `put` wakes no thread.
    const WAKE: u8 = 4;

    /// What is weakened. Set by a test before its model runs; loom does not see it.
    static WEAKENED: AtomicU8 = AtomicU8::new(NOTHING);

    fn weakened(what: u8) -> bool {
        WEAKENED.load(Ordering::Relaxed) == what
    }

    struct Model(loom::sync::atomic::AtomicU32);

    impl Word for Model {
        fn load(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }

        fn swap(&self, value: u32, ordering: Ordering) -> u32 {
            if weakened(END) && value == EMPTY {
                let before = self.load();
                self.0.swap(EMPTY, ordering);
                return before;
            }
            let weak = weakened(PUT) && value == NOTIFIED;
            self.0.swap(value, if weak { Ordering::Relaxed } else { ordering })
        }

        fn exchange(&self, from: u32, to: u32, ordering: Ordering) -> bool {
            let weak = weakened(BEGIN) && from == EMPTY;
            let ordering = if weak { Ordering::Relaxed } else { ordering };
            self.0.compare_exchange(from, to, ordering, Ordering::Relaxed).is_ok()
        }
    }

    /// A parker, with the kernel's part and what one thread tells the other.
    struct Shared {
        token: Token<Model>,
        /// The futex: a look at the word and falling asleep are one step. And whether the bell rings.
        kernel: Mutex<bool>,
        asleep: Condvar,
        /// Made by the thread that parks, before it sleeps in poll(2) first.
        bell: UnsafeCell<bool>,
        /// Written before the token is put.
        news: UnsafeCell<u32>,
    }

    impl Shared {
        fn new() -> Shared {
            Shared {
                token: Token(Model(loom::sync::atomic::AtomicU32::new(EMPTY))),
                kernel: Mutex::new(false),
                asleep: Condvar::new(),
                bell: UnsafeCell::new(false),
                news: UnsafeCell::new(0),
            }
        }

        /// Whether a token came.
        fn park(&self) -> bool {
            if self.token.take() {
                return true;
            }
            if !self.token.begin_sleep(PARKED) {
                return self.token.take();
            }
            let kernel = self.kernel.lock().unwrap();
            if self.token.is_parked() {
                drop(self.asleep.wait(kernel).unwrap());
            } else {
                drop(kernel);
            }
            self.token.end_sleep()
        }

        /// As `park`, with the bell. `sleeps`: until it rings; else the time is over at once.
        fn poll(&self, sleeps: bool) -> bool {
            let had_token = self.token.take();
            let may_sleep = !had_token && self.token.begin_sleep(POLLING);
            if sleeps && may_sleep {
                let mut rings = self.kernel.lock().unwrap();
                while !*rings {
                    rings = self.asleep.wait(rings).unwrap();
                }
            }
            self.token.end_sleep() || had_token
        }

        fn unpark(&self) {
            let wake = self.token.put();
            if wake == Wake::Bell {
                // SAFETY: as above.
                assert!(self.bell.with(|bell| unsafe { *bell }));
            }
            if wake == Wake::No || weakened(WAKE) {
                return;
            }
            *self.kernel.lock().unwrap() |= wake == Wake::Bell;
            self.asleep.notify_one();
        }
    }

    /// One thread tells the other something and unparks it; that one sleeps as `wait` says until there is a token.
    fn model(wait: fn(&Shared) -> bool) {
        loom::model(move || {
            let shared = Arc::new(Shared::new());
            let theirs = Arc::clone(&shared);
            let other = loom::thread::spawn(move || {
                // SAFETY: read after the token alone; loom says so if it is not ordered.
                theirs.news.with_mut(|news| unsafe { *news = 7 });
                theirs.unpark();
            });
            // SAFETY: the other thread reads it where it finds POLLING alone; loom says so if it is not ordered.
            shared.bell.with_mut(|bell| unsafe { *bell = true });
            while !wait(&shared) {}
            // SAFETY: as above.
            assert_eq!(shared.news.with(|news| unsafe { *news }), 7);
            other.join().unwrap();
        });
    }

    fn all_models() {
        model(Shared::park);
        model(|shared| shared.poll(true));
        // A timeout at the moment of the wake must not cost the token.
        model(|shared| shared.poll(false) || shared.park());
        model(|shared| shared.poll(false) || shared.poll(true));
    }

    /// The models with something weakened, if the environment says so.
    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        let what = std::env::var("WEAKENED_PARKER").ok().and_then(|what| what.parse().ok());
        WEAKENED.store(what.unwrap_or(NOTHING), Ordering::Relaxed);
        all_models();
    }

    fn fails(what: u8) -> bool {
        crate::sys::weakened_twin::fails(
            "sys::park::token::loom_tests::twin",
            "WEAKENED_PARKER",
            &what.to_string(),
        )
    }

    #[test]
    fn loom_parked_thread_is_woken_and_sees_what_came_before() {
        all_models();
    }

    #[test]
    fn loom_passes_a_parker_with_nothing_weakened() {
        assert!(!fails(NOTHING));
    }

    #[test]
    fn loom_catches_a_token_without_an_edge() {
        assert!(fails(PUT));
    }

    #[test]
    fn loom_catches_a_bell_that_is_not_published() {
        assert!(fails(BEGIN));
    }

    #[test]
    fn loom_catches_a_timeout_that_loses_the_token() {
        assert!(fails(END));
    }

    #[test]
    fn loom_catches_an_unpark_that_wakes_no_thread() {
        assert!(fails(WAKE));
    }
}
