//! The watcher of a stream: the states, the events, and the one function that decides.
//!
//! The decision is pure. [`registration`](super::registration) carries out the actions, and nothing else touches a registration.
//! [`Watch`] explains the fields of the states, and [`connection`](super) the terms.
//!
//! | state | reader of bytes that come | registration |
//! |---|---|---|
//! | `Reactor` | the I/O thread | with the reactor, edge-triggered, for room as well if `room` |
//! | `Front` | the thread that sleeps in its front epoll instance, else the I/O thread | with both; the reactor's is exclusive, for reading only |
//! | `Thread` | the thread that holds the stream | not with the reactor; with the front epoll instance if `front` |
//! | `Timer` | no thread; the session's timer looks within 8 ms | as `Thread` |
//! | `Credit` | no thread; the thread that grants credit reads | as `Thread` |
//! | `Closed` | no thread | none is made any more |
//!
//! | event | `Reactor` | `Front` | `Thread` | `Timer` | `Credit` |
//! |---|---|---|---|---|---|
//! | `Borrow`, lending | `Thread`; `claimed`: refused | same epoll: `held`; else `Thread`; `held`: refused | refused | `Thread` | `Thread` |
//! | `Borrow`, not lending | refused | `Reactor`; `held`: refused | refused | `Thread` | `Thread` |
//! | `Leave` | drops `claimed` | `Stay`: `Timer`; else drops `held` | `no_credit`: `Credit`; `timed` or `Stay`: `Timer`; `ToFront` with a front: `Front`; else `Reactor` | - | - |
//! | `LeaveFront` | - | `Reactor`; `held`: - | - | drops `front` | drops `front` |
//! | `Recall` | - | `Reactor` | `Reactor`, `claimed` | `Reactor` | `Reactor` |
//! | `NeedRoom` | `room` | `Reactor`, `room` | `Reactor`, `room`, `claimed` | `Reactor`, `room` | `Reactor`, `room` |
//! | `DropRoom` | drops `room` | - | - | - | - |
//! | `NoCredit` | `Credit`; `claimed`: `Thread` | `Credit`; `held`: `Thread` | `no_credit` | `Credit` | - |
//! | `Credited` | - | - | drops `no_credit` | - | `timed`: `Timer`; else `Reactor` |
//! | `Look`, came | - | - | `timed` | - | `timed` |
//! | `Look`, did not come | - | - | drops `timed` | with a front, and `to_front`: `Front`; else `Reactor` | drops `timed` |
//! | `Close` | `Closed` | `Closed` | `Closed` | `Closed` | `Closed` |
//!
//! Laws, which the tests check for every state and every event:
//! - The registration is always the one that the table gives for the state, also after an action has failed.
//! - A stream in `Front` is never registered anew with other interests: Linux refuses that for an exclusive registration.
//! - Only `Reactor` watches for room. Every event that needs room leads there.
//! - A stream leaves the reactor by [`Action::TakeFromReactor`] alone, which refuses while bytes wait to be sent.
//! - A thread that borrowed the stream keeps its claim until it leaves.
//! - `Closed` is final and does nothing.

/// The watcher of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The reactor, and no thread of the program.
    Reactor {
        /// The reactor also tells when the stream has room.
        room: bool,
        /// The thread that borrowed the stream has not left it yet.
        claimed: bool,
    },
    /// The front epoll instance of a thread, and the reactor behind it.
    Front {
        /// The thread waits for the stream.
        held: bool,
    },
    /// The thread that borrowed the stream.
    Thread {
        /// The thread's front epoll instance watches the stream.
        front: bool,
        /// The session's timer is armed, or the note that arms it is on its way.
        timed: bool,
        /// The pipe takes no more.
        no_credit: bool,
    },
    /// The session's timer, between two waits of a thread that comes back soon.
    Timer {
        /// As of `Thread`.
        front: bool,
    },
    /// The pipe takes no more: the thread that reads from it grants credit, and reads the stream then.
    Credit {
        /// As of `Thread`.
        front: bool,
        /// As of `Thread`.
        timed: bool,
    },
    /// The connection is over.
    Closed,
}

/// What happens to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A thread begins to wait, and asks for the stream. `lend`: the lending policy allows it.
    Borrow { lend: bool, front: Front },
    /// The thread's front epoll instance could not watch the stream.
    FrontFailed,
    /// The thread that borrowed the stream waits no longer.
    Leave(Leave),
    /// The reactor could not be registered behind the front epoll instance.
    BehindFailed,
    /// The thread whose front epoll instance this is waits for something else.
    LeaveFront,
    /// The I/O thread is to read.
    Recall,
    /// Bytes wait to be sent, and the stream has no room.
    NeedRoom,
    /// Nothing waits to be sent, or a thread of the program waits for room itself.
    DropRoom,
    /// Receiving ended because the pipe takes no more.
    NoCredit,
    /// The pipe takes more again.
    Credited,
    /// The session's timer. `came`: a thread has borrowed the stream since the last look. `to_front`: the front epoll
    /// instance may have it back.
    Look { came: bool, to_front: bool },
    /// The connection is over.
    Close,
}

/// The front epoll instance that a thread brings along when it borrows a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// None: the thread sleeps in poll(2).
    Absent,
    /// The one that watches the stream already.
    Same,
    /// One that does not watch the stream.
    Other,
}

/// Where a stream goes whose thread waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Away from the reactor: the thread will be back soon.
    Stay,
    /// To the reactor, behind the front epoll instance if one watches the stream.
    ToFront,
    /// To the reactor alone.
    ToReactor,
}

/// The actions of a transition, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Deregister from the reactor, unless bytes wait to be sent. Always the first action. Where it fails or is refused, the
    /// transition has not happened.
    TakeFromReactor,
    /// Deregister from the reactor. A failure makes no difference: the stream is registered anew, or is over.
    Deregister,
    /// Register with the reactor, for room as well if `room`. Where it fails, the session ends the connection.
    Register { room: bool },
    /// Change what the reactor watches for. Where it fails, the session ends the connection.
    Reregister { room: bool },
    /// Register with the reactor behind the front epoll instance. Where it fails: [`Event::BehindFailed`].
    RegisterBehind,
    /// The front epoll instance that the thread brought watches the stream. Where it fails: [`Event::FrontFailed`].
    WatchFront,
    /// The front epoll instance watches the stream no more.
    UnwatchFront,
    /// Leave the session a note to arm its timer.
    ArmTimer,
}

/// The most actions that follow from an event.
const MAX_ACTIONS: usize = 3;

/// The actions of one transition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions([Option<Action>; MAX_ACTIONS]);

impl Watch {
    /// Whether a thread of the program has a claim on the stream.
    pub fn is_held(self) -> bool {
        matches!(
            self,
            Watch::Reactor { claimed: true, .. } | Watch::Front { held: true } | Watch::Thread { .. }
        )
    }

    /// Whether a thread other than the I/O thread reads the bytes that come.
    pub fn is_lent(self) -> bool {
        !matches!(self, Watch::Reactor { .. } | Watch::Front { held: false } | Watch::Closed)
    }

    /// Whether the reactor tells of the end of the stream as of something to read.
    pub fn hides_the_end(self) -> bool {
        matches!(self, Watch::Front { .. })
    }

    /// Whether the stream waits for credit.
    pub fn waits_for_credit(self) -> bool {
        matches!(self, Watch::Credit { .. } | Watch::Thread { no_credit: true, .. })
    }

    /// Whether the reactor watches for room.
    pub fn watches_room(self) -> bool {
        matches!(self, Watch::Reactor { room: true, .. })
    }

    /// Whether the session's timer is to go on.
    pub fn is_timed(self) -> bool {
        matches!(
            self,
            Watch::Timer { .. } | Watch::Thread { timed: true, .. } | Watch::Credit { timed: true, .. }
        )
    }

    /// Whether a front epoll instance watches the stream.
    pub fn has_front(self) -> bool {
        match self {
            Watch::Front { .. } => true,
            Watch::Thread { front, .. } | Watch::Timer { front } | Watch::Credit { front, .. } => front,
            Watch::Reactor { .. } | Watch::Closed => false,
        }
    }
}

impl Actions {
    fn of<const N: usize>(actions: [Option<Action>; N]) -> Actions {
        let mut list = Actions::default();
        for (place, action) in list.0.iter_mut().zip(actions.into_iter().flatten()) {
            *place = Some(action);
        }
        list
    }

    /// In the order in which they are to be carried out.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        self.0.into_iter().flatten()
    }
}

/// The watcher of the stream after an event, and the actions for that.
pub fn next(watch: Watch, event: Event) -> (Watch, Actions) {
    match event {
        _ if watch == Watch::Closed => same(watch),
        Event::Borrow { lend, front } => borrow(watch, lend, front),
        Event::FrontFailed => match watch {
            Watch::Thread { .. } => {
                (Watch::Reactor { room: false, claimed: false }, register(false, Watch::Closed))
            }
            _ => same(watch),
        },
        Event::Leave(leave) => left(watch, leave),
        Event::BehindFailed => match watch {
            Watch::Front { held } => {
                let front = Watch::Timer { front: true };
                (Watch::Reactor { room: false, claimed: held }, register(false, front))
            }
            _ => same(watch),
        },
        Event::LeaveFront => leave_front(watch),
        Event::Recall => to_reactor(watch, false),
        Event::NeedRoom => to_reactor(watch, true),
        Event::DropRoom => match watch {
            Watch::Reactor { room: true, claimed } => (
                Watch::Reactor { room: false, claimed },
                Actions::of([Some(Action::Reregister { room: false })]),
            ),
            _ => same(watch),
        },
        Event::NoCredit => no_credit(watch),
        Event::Credited => credited(watch),
        Event::Look { came, to_front } => look(watch, came, to_front),
        Event::Close => {
            let registered =
                matches!(watch, Watch::Reactor { claimed: true, .. } | Watch::Front { held: true });
            // A thread that still polls the stream keeps its descriptor open. Without a claim the descriptor closes, which
            // deregisters it.
            let deregister = registered.then_some(Action::Deregister);
            (Watch::Closed, Actions::of([unwatch_front(watch), deregister]))
        }
    }
}

fn borrow(watch: Watch, lend: bool, front: Front) -> (Watch, Actions) {
    let watched = front != Front::Absent;
    match watch {
        _ if watch.is_held() => same(watch),
        Watch::Reactor { .. } if lend => (
            Watch::Thread { front: watched, timed: false, no_credit: false },
            Actions::of([Some(Action::TakeFromReactor), watched.then_some(Action::WatchFront)]),
        ),
        Watch::Front { .. } if lend && front == Front::Same => {
            (Watch::Front { held: true }, Actions::default())
        }
        Watch::Front { .. } if lend => {
            let [unwatch, watch_front] = change_front(true, front);
            (
                Watch::Thread { front: watched, timed: false, no_credit: false },
                Actions::of([Some(Action::TakeFromReactor), unwatch, watch_front]),
            )
        }
        // The thread would be woken for a stream that it does not poll.
        Watch::Front { .. } => to_reactor(watch, false),
        Watch::Timer { front: old } => (
            Watch::Thread { front: watched, timed: true, no_credit: false },
            Actions::of(change_front(old, front)),
        ),
        Watch::Credit { front: old, timed } => {
            (Watch::Thread { front: watched, timed, no_credit: true }, Actions::of(change_front(old, front)))
        }
        Watch::Reactor { .. } | Watch::Thread { .. } | Watch::Closed => same(watch),
    }
}

fn left(watch: Watch, leave: Leave) -> (Watch, Actions) {
    match watch {
        Watch::Reactor { room, .. } => (Watch::Reactor { room, claimed: false }, Actions::default()),
        Watch::Front { held: true } if leave == Leave::Stay => (
            Watch::Timer { front: true },
            Actions::of([Some(Action::TakeFromReactor), Some(Action::ArmTimer)]),
        ),
        Watch::Front { .. } => (Watch::Front { held: false }, Actions::default()),
        Watch::Thread { front, timed, no_credit: true } => {
            (Watch::Credit { front, timed }, Actions::default())
        }
        Watch::Thread { front, timed: true, .. } => (Watch::Timer { front }, Actions::default()),
        Watch::Thread { front, .. } => match leave {
            Leave::Stay => (Watch::Timer { front }, Actions::of([Some(Action::ArmTimer)])),
            Leave::ToFront => give_back(watch, front),
            Leave::ToReactor => give_back(watch, false),
        },
        Watch::Timer { .. } | Watch::Credit { .. } | Watch::Closed => same(watch),
    }
}

fn leave_front(watch: Watch) -> (Watch, Actions) {
    let unwatch = Actions::of([Some(Action::UnwatchFront)]);
    match watch {
        Watch::Front { held: false } => to_reactor(watch, false),
        Watch::Timer { front: true } => (Watch::Timer { front: false }, unwatch),
        Watch::Credit { front: true, timed } => (Watch::Credit { front: false, timed }, unwatch),
        _ => same(watch),
    }
}

fn no_credit(watch: Watch) -> (Watch, Actions) {
    match watch {
        Watch::Reactor { claimed: true, .. } => (
            Watch::Thread { front: false, timed: false, no_credit: true },
            Actions::of([Some(Action::TakeFromReactor)]),
        ),
        Watch::Reactor { claimed: false, .. } => {
            (Watch::Credit { front: false, timed: false }, Actions::of([Some(Action::TakeFromReactor)]))
        }
        Watch::Front { held: true } => (
            Watch::Thread { front: true, timed: false, no_credit: true },
            Actions::of([Some(Action::TakeFromReactor)]),
        ),
        Watch::Front { held: false } => (
            Watch::Credit { front: false, timed: false },
            Actions::of([Some(Action::TakeFromReactor), Some(Action::UnwatchFront)]),
        ),
        Watch::Thread { front, timed, .. } => {
            (Watch::Thread { front, timed, no_credit: true }, Actions::default())
        }
        Watch::Timer { .. } => {
            (Watch::Credit { front: false, timed: true }, Actions::of([unwatch_front(watch)]))
        }
        Watch::Credit { .. } | Watch::Closed => same(watch),
    }
}

fn credited(watch: Watch) -> (Watch, Actions) {
    match watch {
        Watch::Thread { front, timed, .. } => {
            (Watch::Thread { front, timed, no_credit: false }, Actions::default())
        }
        Watch::Credit { front, timed: true } => (Watch::Timer { front }, Actions::default()),
        Watch::Credit { timed: false, .. } => to_reactor(watch, false),
        Watch::Reactor { .. } | Watch::Front { .. } | Watch::Timer { .. } | Watch::Closed => same(watch),
    }
}

fn look(watch: Watch, came: bool, to_front: bool) -> (Watch, Actions) {
    match watch {
        Watch::Thread { front, no_credit, .. } => {
            (Watch::Thread { front, timed: came, no_credit }, Actions::default())
        }
        Watch::Credit { front, .. } => (Watch::Credit { front, timed: came }, Actions::default()),
        Watch::Timer { front } if !came => give_back(watch, front && to_front),
        Watch::Timer { .. } | Watch::Reactor { .. } | Watch::Front { .. } | Watch::Closed => same(watch),
    }
}

/// From a thread, or from the timer, to the reactor: behind the front epoll instance if `front`.
fn give_back(watch: Watch, front: bool) -> (Watch, Actions) {
    if front {
        return (Watch::Front { held: false }, Actions::of([Some(Action::RegisterBehind)]));
    }
    (Watch::Reactor { room: false, claimed: false }, register(false, watch))
}

/// To the reactor alone. A claim stays: its thread polls the stream still, or is about to leave it.
fn to_reactor(watch: Watch, need_room: bool) -> (Watch, Actions) {
    let after = Watch::Reactor { room: need_room, claimed: watch.is_held() };
    match watch {
        Watch::Reactor { room: false, .. } if need_room => {
            (after, Actions::of([Some(Action::Reregister { room: true })]))
        }
        Watch::Reactor { .. } | Watch::Closed => same(watch),
        Watch::Front { .. } => {
            // Bytes that came meanwhile show when the stream is registered anew.
            let register = Some(Action::Register { room: need_room });
            (after, Actions::of([unwatch_front(watch), Some(Action::Deregister), register]))
        }
        Watch::Thread { .. } | Watch::Timer { .. } | Watch::Credit { .. } => {
            (after, register(need_room, watch))
        }
    }
}

/// Registers a stream that is not with the reactor.
fn register(room: bool, before: Watch) -> Actions {
    Actions::of([unwatch_front(before), Some(Action::Register { room })])
}

fn unwatch_front(watch: Watch) -> Option<Action> {
    watch.has_front().then_some(Action::UnwatchFront)
}

/// From the front epoll instance that watches the stream, if one does, to the one that the thread brings.
fn change_front(watched: bool, front: Front) -> [Option<Action>; 2] {
    let (unwatch, watch) = match front {
        Front::Same => (false, false),
        Front::Absent => (watched, false),
        Front::Other => (watched, true),
    };
    [unwatch.then_some(Action::UnwatchFront), watch.then_some(Action::WatchFront)]
}

fn same(watch: Watch) -> (Watch, Actions) {
    (watch, Actions::default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    /// What the system has been told of a stream.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Registration {
        reactor: Registered,
        front: bool,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Registered {
        No,
        Alone { room: bool },
        Behind,
    }

    /// The action that fails, if one does.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Failing {
        None,
        TakeFromReactor,
        WatchFront,
        RegisterBehind,
    }

    const FAILING: [Failing; 4] =
        [Failing::None, Failing::TakeFromReactor, Failing::WatchFront, Failing::RegisterBehind];

    impl Registration {
        /// What the table says of a state.
        fn of(watch: Watch) -> Registration {
            let reactor = match watch {
                Watch::Reactor { room, .. } => Registered::Alone { room },
                Watch::Front { .. } => Registered::Behind,
                Watch::Thread { .. } | Watch::Timer { .. } | Watch::Credit { .. } | Watch::Closed => {
                    Registered::No
                }
            };
            Registration { reactor, front: watch.has_front() }
        }

        /// What the system would accept. Panics where it would not.
        fn apply(&mut self, action: Action) {
            match action {
                Action::TakeFromReactor | Action::Deregister => {
                    assert_ne!(self.reactor, Registered::No);
                    self.reactor = Registered::No;
                }
                Action::Register { room } => {
                    assert_eq!(self.reactor, Registered::No);
                    assert!(!self.front, "only behind the front");
                    self.reactor = Registered::Alone { room };
                }
                Action::Reregister { room } => {
                    assert_eq!(self.reactor, Registered::Alone { room: !room }, "never an exclusive one");
                    self.reactor = Registered::Alone { room };
                }
                Action::RegisterBehind => {
                    assert_eq!((self.reactor, self.front), (Registered::No, true));
                    self.reactor = Registered::Behind;
                }
                Action::WatchFront => {
                    assert!(!self.front);
                    self.front = true;
                }
                Action::UnwatchFront => {
                    assert!(self.front);
                    self.front = false;
                }
                Action::ArmTimer => {}
            }
        }
    }

    fn states() -> Vec<Watch> {
        let both = [false, true];
        let mut all = vec![Watch::Closed];
        for one in both {
            all.extend([Watch::Front { held: one }, Watch::Timer { front: one }]);
            for two in both {
                all.push(Watch::Reactor { room: one, claimed: two });
                all.push(Watch::Credit { front: one, timed: two });
                all.extend(both.map(|no_credit| Watch::Thread { front: one, timed: two, no_credit }));
            }
        }
        all
    }

    fn events() -> Vec<Event> {
        let both = [false, true];
        let mut all = vec![
            Event::LeaveFront,
            Event::Recall,
            Event::NeedRoom,
            Event::DropRoom,
            Event::NoCredit,
            Event::Credited,
            Event::Close,
        ];
        all.extend([Leave::Stay, Leave::ToFront, Leave::ToReactor].map(Event::Leave));
        for one in both {
            all.extend(
                [Front::Absent, Front::Same, Front::Other].map(|front| Event::Borrow { lend: one, front }),
            );
            all.extend(both.map(|to_front| Event::Look { came: one, to_front }));
        }
        all
    }

    /// Events that can happen in a state: a thread's own front epoll instance watches the stream only if one does.
    fn can_happen(watch: Watch, event: Event) -> bool {
        !matches!(event, Event::Borrow { front: Front::Same, .. }) || watch.has_front()
    }

    /// As `apply` does it: the state afterwards.
    fn step(watch: Watch, event: Event, failing: Failing, registration: &mut Registration) -> Watch {
        let (after, actions) = next(watch, event);
        for action in actions.iter() {
            let follow_up = match (action, failing) {
                (Action::TakeFromReactor, Failing::TakeFromReactor) if event == Event::Leave(Leave::Stay) => {
                    return step(watch, Event::Leave(Leave::ToFront), Failing::None, registration);
                }
                (Action::TakeFromReactor, Failing::TakeFromReactor) => return watch,
                (Action::WatchFront, Failing::WatchFront) => Event::FrontFailed,
                (Action::RegisterBehind, Failing::RegisterBehind) => Event::BehindFailed,
                _ => {
                    registration.apply(action);
                    continue;
                }
            };
            return step(after, follow_up, Failing::None, registration);
        }
        after
    }

    /// Every state, every event, every failure: the check gets the state before, the event, the failure and the state after.
    fn for_each_transition(check: impl Fn(Watch, Event, Failing, Watch)) {
        for watch in states() {
            for event in events().into_iter().filter(|event| can_happen(watch, *event)) {
                for failing in FAILING {
                    let mut registration = Registration::of(watch);
                    let after = step(watch, event, failing, &mut registration);
                    if after != Watch::Closed {
                        assert_eq!(registration, Registration::of(after), "{watch:?} {event:?} {failing:?}");
                    }
                    check(watch, event, failing, after);
                }
            }
        }
    }

    #[test]
    fn registration_is_the_one_of_the_table() {
        for_each_transition(|_, _, _, _| {});
    }

    #[test]
    fn claim_lasts_until_its_thread_leaves() {
        for_each_transition(|before, event, _, after| {
            if before.is_held() && !matches!(event, Event::Leave(_) | Event::Close) {
                assert!(after.is_held(), "{before:?} {event:?} gives {after:?}");
            }
            if matches!(event, Event::Leave(_)) {
                assert!(!after.is_held(), "{before:?} {event:?} gives {after:?}");
            }
            if !before.is_held() && !matches!(event, Event::Borrow { .. }) {
                assert!(!after.is_held(), "{before:?} {event:?} gives {after:?}");
            }
        });
    }

    #[test]
    fn stream_that_needs_room_is_with_the_reactor() {
        for_each_transition(|before, event, _, after| {
            let needs = event == Event::NeedRoom && before != Watch::Closed;
            assert!(!needs || after.watches_room(), "{before:?} gives {after:?}");
        });
    }

    #[test]
    fn stream_leaves_the_reactor_by_the_action_that_may_refuse() {
        for_each_transition(|before, event, failing, after| {
            let was_there = matches!(before, Watch::Reactor { .. } | Watch::Front { .. });
            let is_there = matches!(after, Watch::Reactor { .. } | Watch::Front { .. });
            if was_there && failing == Failing::TakeFromReactor && event != Event::Close {
                assert!(is_there, "{before:?} {event:?} gives {after:?}");
            }
        });
    }

    #[test]
    fn stream_without_reader_has_a_timer_or_an_owed_credit() {
        for_each_transition(|before, event, failing, after| {
            if let Watch::Timer { .. } = after
                && !before.is_timed()
            {
                let noted = next(before, event).1.iter().any(|action| action == Action::ArmTimer);
                assert!(noted, "{before:?} {event:?} {failing:?} gives {after:?}");
            }
            if let Watch::Credit { .. } = after {
                assert!(before.waits_for_credit() || event == Event::NoCredit, "{before:?} {event:?}");
            }
        });
    }

    #[test]
    fn closed_stream_is_left_alone() {
        for event in events() {
            assert_eq!(next(Watch::Closed, event), (Watch::Closed, Actions::default()));
        }
        for_each_transition(|before, event, _, after| {
            assert_eq!(before == Watch::Closed || event == Event::Close, after == Watch::Closed);
        });
    }

    #[test]
    fn refused_thread_changes_nothing_but_a_front_that_would_wake_it() {
        for_each_transition(|before, event, failing, after| {
            if let Event::Borrow { lend, .. } = event
                && (before.is_held() || !after.is_held())
                && failing != Failing::WatchFront
            {
                let called_off = matches!(before, Watch::Front { held: false }) && !lend;
                let expected =
                    if called_off { Watch::Reactor { room: false, claimed: false } } else { before };
                assert_eq!(after, expected, "{before:?} {event:?}");
            }
        });
    }

    #[test]
    fn take_from_reactor_is_the_first_action() {
        for watch in states() {
            for event in events().into_iter().filter(|event| can_happen(watch, *event)) {
                let later =
                    next(watch, event).1.iter().skip(1).find(|action| *action == Action::TakeFromReactor);
                assert_eq!(later, None, "{watch:?} {event:?}");
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::queue::shim::AtomicBool;
    use crate::session::connection::contention::TurnedAway;
    use loom::sync::{Arc, Mutex, MutexGuard, Notify};
    use std::sync::atomic::{AtomicU8, Ordering};

    /// What a twin leaves out. Set before the model runs, read inside it; loom does not see it.
    static LEFT_OUT: AtomicU8 = AtomicU8::new(0);
    /// A thread that leaves does not register the stream again.
    const REGISTER_ON_LEAVE: u8 = 1;

    /// One stream as the system sees it: an edge-triggered reactor, and a thread that polls.
    #[derive(Default)]
    struct Kernel {
        unread: u8,
        in_reactor: bool,
    }

    /// A connection with one message on its way, which one of its threads must read.
    struct Model {
        watch: Mutex<Watch>,
        kernel: Mutex<Kernel>,
        /// The lock of the receiving half: `true` while it is free.
        recv_free: AtomicBool,
        turned_away: TurnedAway,
        /// The message was read, or the connection is over.
        over: AtomicBool,
        io_thread: Notify,
    }

    impl Model {
        fn new() -> Model {
            Model {
                watch: Mutex::new(Watch::Reactor { room: false, claimed: false }),
                kernel: Mutex::new(Kernel { unread: 0, in_reactor: true }),
                recv_free: AtomicBool::new(true),
                turned_away: TurnedAway::default(),
                over: AtomicBool::new(false),
                io_thread: Notify::new(),
            }
        }

        fn watch(&self) -> MutexGuard<'_, Watch> {
            self.watch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        fn kernel(&self) -> MutexGuard<'_, Kernel> {
            self.kernel.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// The peer's message comes. The reactor tells of it at the edge, once.
        fn arrive(&self) {
            let mut kernel = self.kernel();
            kernel.unread = 1;
            if kernel.in_reactor {
                self.io_thread.notify();
            }
        }

        fn step(&self, watch: &mut Watch, event: Event) {
            let (after, actions) = next(*watch, event);
            for action in actions.iter() {
                let mut kernel = self.kernel();
                match action {
                    Action::TakeFromReactor | Action::Deregister => kernel.in_reactor = false,
                    Action::Register { .. }
                        if matches!(event, Event::Leave(_))
                            && LEFT_OUT.load(Ordering::Relaxed) == REGISTER_ON_LEAVE => {}
                    Action::Register { .. } => {
                        kernel.in_reactor = true;
                        if kernel.unread > 0 {
                            self.io_thread.notify();
                        }
                    }
                    _ => {}
                }
            }
            *watch = after;
        }

        fn try_lock_recv(&self) -> Option<()> {
            let free = self.recv_free.compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed);
            free.ok().map(|_| ())
        }

        /// With the receiving half: reads all bytes, and lets go.
        fn read(&self) {
            let mut kernel = self.kernel();
            if std::mem::take(&mut kernel.unread) > 0 {
                self.end();
            }
            drop(kernel);
            self.recv_free.swap(true, Ordering::Release);
        }

        /// Lets the I/O thread of the model come to its end.
        fn end(&self) {
            self.over.store(true, Ordering::Release);
            self.io_thread.notify();
        }

        fn caller(&self) {
            self.step(&mut self.watch(), Event::Borrow { lend: true, front: Front::Absent });
            let lent = matches!(*self.watch(), Watch::Thread { .. });
            if lent && self.kernel().unread > 0 {
                if self.try_lock_recv().is_some() {
                    self.read();
                    if self.turned_away.take() {
                        self.io_thread.notify();
                    }
                } else {
                    self.step(&mut self.watch(), Event::Recall);
                }
            }
            self.step(&mut self.watch(), Event::Leave(Leave::ToReactor));
        }

        /// Sleeps for ever if no thread tells it of the message, which loom reports.
        fn io_thread(&self) {
            while !self.over.load(Ordering::Acquire) {
                self.io_thread.wait();
                if self.turned_away.unless_in_use(|| self.try_lock_recv()).is_some() {
                    self.read();
                    self.turned_away.take();
                }
            }
        }

        fn closer(&self) {
            self.step(&mut self.watch(), Event::Close);
            self.end();
        }
    }

    fn model(closes: bool) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let model = Arc::new(Model::new());
            let (program, other) = (Arc::clone(&model), Arc::clone(&model));
            let program = loom::thread::spawn(move || program.caller());
            let other = loom::thread::spawn(move || {
                if closes {
                    other.closer();
                } else {
                    other.arrive();
                }
            });
            if closes {
                model.arrive();
            }
            model.io_thread();
            assert!(program.join().is_ok() && other.join().is_ok());
            let watch = *model.watch();
            assert!(if closes { watch == Watch::Closed } else { !watch.is_held() }, "{watch:?}");
        });
    }

    #[test]
    #[ignore = "run by the tests below"]
    fn twin() {
        let left_out = std::env::var("LEFT_OUT").ok().and_then(|name| name.parse().ok());
        LEFT_OUT.store(left_out.unwrap_or(0), Ordering::Relaxed);
        model(false);
    }

    fn fails(left_out: u8) -> bool {
        crate::sys::twin::fails(
            "session::connection::watch::loom_tests::twin",
            "LEFT_OUT",
            &left_out.to_string(),
        )
    }

    #[test]
    fn loom_message_is_read_under_any_watcher() {
        model(false);
    }

    #[test]
    fn loom_close_is_final_under_any_watcher() {
        model(true);
    }

    #[test]
    fn loom_twin_passes_with_nothing_left_out() {
        assert!(!fails(0));
    }

    #[test]
    fn loom_twin_fails_where_a_thread_leaves_without_registering() {
        assert!(fails(REGISTER_ON_LEAVE));
    }
}
