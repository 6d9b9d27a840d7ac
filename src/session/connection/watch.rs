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
//! | `Borrow`, lending | `Thread`; `claimed` or `untold`: refused | same epoll: `held`; `untold`: `Reactor`; else `Thread`; `held`: refused | refused | `Thread` | `Thread` |
//! | `Borrow`, not lending | refused | `Reactor`; `held`: refused | refused | `Thread` | `Thread` |
//! | `Leave` | drops `claimed` | `Stay`, not `untold`: `Timer`; else drops `held` | `no_credit`: `Credit`; `timed` or `Stay`: `Timer`; `ToFront` with a front: `Front`; else `Reactor` | - | - |
//! | `LeaveFront` | - | `Reactor`; `held`: - | - | drops `front` | drops `front` |
//! | `Recall` | - | `Reactor` | `Reactor`, `claimed` | `Reactor` | `Reactor` |
//! | `NeedRoom` | `room` | `Reactor`, `room` | `Reactor`, `room`, `claimed` | `Reactor`, `room` | `Reactor`, `room` |
//! | `DropRoom` | drops `room` | - | - | - | - |
//! | `NoCredit` | `Credit`; `claimed`: `Thread` | `Credit`; `held`: `Thread` | `no_credit` | `Credit` | - |
//! | `Credited` | - | - | drops `no_credit` | - | `timed`: `Timer`; else `Reactor` |
//! | `Receiving` | drops `untold` | drops `untold` | - | - | - |
//! | `Untold`, hidden | `untold` | `untold` | `Reactor`, `claimed`, `untold` | `Reactor`, `untold` | the session's: `Reactor`, `untold`; else - |
//! | `Untold`, in the stream | `untold` | `untold` | `no_credit`, the session's: `Reactor`, `claimed`, `untold`; else - | - | the session's: `Reactor`, `untold`; else - |
//! | `Look`, came | - | - | `timed` | - | `timed` |
//! | `Look`, did not come | - | - | drops `timed` | with a front, and `to_front`: `Front`; else `Reactor` | drops `timed` |
//! | `Close` | `Closed` | `Closed` | `Closed` | `Closed` | `Closed` |
//!
//! Bytes are untold while no event will tell of them: their arrival was told of before. They are hidden where they lie in a tunnel, as
//! decrypted bytes do. `untold` goes along from `Reactor` to `Reactor`, and between `Front` and `Reactor`. The other states need it not.
//! A thread that polls is told of what is in the stream, and so is the reactor once the stream is registered anew. The thread that grants
//! credit reads all, or wakes the session. Where the session comes for that and is turned away, no thread would come again: the stream goes
//! to the reactor, `untold`, and the thread that holds the half wakes the session.
//!
//! Laws, which the tests check for every state and every event:
//! - The registration is always the one that the table gives for the state, also after an action has failed.
//! - A stream in `Front` is never registered anew with other interests: Linux refuses that for an exclusive registration.
//! - Only `Reactor` watches for room. Every event that needs room leads there.
//! - A stream leaves the reactor by [`Action::TakeFromReactor`] alone, which refuses while bytes wait to be sent.
//! - A thread that borrowed the stream keeps its claim until it leaves.
//! - Untold bytes are noted until the I/O thread or the thread that grants credit receives. The note may go with a stream that leaves
//!   the reactor, and only then.
//! - No thread borrows a stream with untold bytes, and none is left to the timer with them.
//! - The session is told of untold bytes that a thread leaves with the reactor, or by leaving. It knows of its own.
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
        /// There may be bytes of which no event will tell.
        untold: bool,
    },
    /// The front epoll instance of a thread, and the reactor behind it.
    Front {
        /// The thread waits for the stream.
        held: bool,
        /// As of `Reactor`.
        untold: bool,
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
    /// The I/O thread is about to receive.
    Receiving,
    /// A turn of receiving has ended before the bytes did, or the I/O thread was turned away from the half. `hidden`: the bytes may
    /// lie where poll(2) does not see them. `by`: whose turn it was.
    Untold { by: Receiver, hidden: bool },
    /// The session's timer. `came`: a thread has borrowed the stream since the last look. `to_front`: the front epoll
    /// instance may have it back.
    Look { came: bool, to_front: bool },
    /// The connection is over.
    Close,
}

/// A thread that receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The I/O thread, which comes back by itself.
    Session,
    /// A thread of the program.
    Thread,
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
    /// Wake the session: there are untold bytes.
    TellSession,
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
            Watch::Reactor { claimed: true, .. } | Watch::Front { held: true, .. } | Watch::Thread { .. }
        )
    }

    /// Whether a thread other than the I/O thread reads the bytes that come.
    pub fn is_lent(self) -> bool {
        !matches!(self, Watch::Reactor { .. } | Watch::Front { held: false, .. } | Watch::Closed)
    }

    /// Whether there may be bytes of which no event will tell.
    pub fn has_untold(self) -> bool {
        matches!(self, Watch::Reactor { untold: true, .. } | Watch::Front { untold: true, .. })
    }

    /// Whether the I/O thread is to receive when the session is woken and no event tells of the stream. `published`: it is woken for
    /// published messages, for which it need not ask for more bytes.
    pub fn receives_when_woken(self, published: bool) -> bool {
        // The borrower may leave without another look at the stream, so being lent is no reason to forget untold bytes.
        self.has_untold() || !published && !self.is_lent()
    }

    /// Whether the reactor tells of the end of the stream as of something to read.
    pub fn hides_the_end(self) -> bool {
        matches!(self, Watch::Front { .. })
    }

    /// The same state, with this of its untold bytes, where it has a note of them.
    fn with_untold(self, untold: bool) -> Watch {
        match self {
            Watch::Reactor { room, claimed, .. } => Watch::Reactor { room, claimed, untold },
            Watch::Front { held, .. } => Watch::Front { held, untold },
            Watch::Thread { .. } | Watch::Timer { .. } | Watch::Credit { .. } | Watch::Closed => self,
        }
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
            Watch::Thread { .. } => (at_reactor(false), register(false, Watch::Closed)),
            _ => same(watch),
        },
        Event::Leave(leave) => left(watch, leave),
        Event::BehindFailed => match watch {
            Watch::Front { held, untold } => {
                let front = Watch::Timer { front: true };
                (Watch::Reactor { room: false, claimed: held, untold }, register(false, front))
            }
            _ => same(watch),
        },
        Event::LeaveFront => leave_front(watch),
        Event::Recall => to_reactor(watch, false),
        Event::NeedRoom => to_reactor(watch, true),
        Event::DropRoom => match watch {
            Watch::Reactor { room: true, claimed, untold } => (
                Watch::Reactor { room: false, claimed, untold },
                Actions::of([Some(Action::Reregister { room: false })]),
            ),
            _ => same(watch),
        },
        Event::NoCredit => no_credit(watch),
        Event::Credited => credited(watch),
        Event::Receiving => (watch.with_untold(false), Actions::default()),
        Event::Untold { by, hidden } => untold(watch, by, hidden),
        Event::Look { came, to_front } => look(watch, came, to_front),
        Event::Close => {
            let registered =
                matches!(watch, Watch::Reactor { claimed: true, .. } | Watch::Front { held: true, .. });
            // A thread that still polls the stream keeps its descriptor open. Without a claim the descriptor closes, which
            // deregisters it.
            let deregister = registered.then_some(Action::Deregister);
            (Watch::Closed, Actions::of([unwatch_front(watch), deregister]))
        }
    }
}

fn borrow(watch: Watch, lend: bool, front: Front) -> (Watch, Actions) {
    let watched = front != Front::Absent;
    // The I/O thread is about to receive what neither it nor the thread would be told of.
    let lend = lend && !watch.has_untold();
    match watch {
        _ if watch.is_held() => same(watch),
        Watch::Reactor { .. } if lend => (
            Watch::Thread { front: watched, timed: false, no_credit: false },
            Actions::of([Some(Action::TakeFromReactor), watched.then_some(Action::WatchFront)]),
        ),
        Watch::Front { .. } if lend && front == Front::Same => {
            (Watch::Front { held: true, untold: false }, Actions::default())
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
        Watch::Reactor { room, untold, .. } => {
            (Watch::Reactor { room, claimed: false, untold }, Actions::default())
        }
        Watch::Front { held: true, untold: false } if leave == Leave::Stay => (
            Watch::Timer { front: true },
            Actions::of([Some(Action::TakeFromReactor), Some(Action::ArmTimer)]),
        ),
        Watch::Front { held, untold } => {
            let tells = held && untold;
            (Watch::Front { held: false, untold }, Actions::of([tells.then_some(Action::TellSession)]))
        }
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
        Watch::Front { held: false, .. } => to_reactor(watch, false),
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
        Watch::Front { held: true, .. } => (
            Watch::Thread { front: true, timed: false, no_credit: true },
            Actions::of([Some(Action::TakeFromReactor)]),
        ),
        Watch::Front { held: false, .. } => (
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

/// There are bytes of which no event will tell, unless a thread polls or the stream is registered anew.
fn untold(watch: Watch, by: Receiver, hidden: bool) -> (Watch, Actions) {
    let tells = (by == Receiver::Thread).then_some(Action::TellSession);
    let goes = match watch {
        Watch::Thread { no_credit, .. } => hidden || no_credit && by == Receiver::Session,
        Watch::Timer { .. } => hidden,
        // The session has come for credit that was granted. Nothing brings it again.
        Watch::Credit { .. } => by == Receiver::Session,
        Watch::Reactor { .. } | Watch::Front { .. } | Watch::Closed => false,
    };
    match watch {
        // While the thread has the stream it may receive them itself. When it leaves it tells of them.
        Watch::Front { held: true, .. } => (watch.with_untold(true), Actions::default()),
        Watch::Reactor { .. } | Watch::Front { .. } => (watch.with_untold(true), Actions::of([tells])),
        _ if goes => {
            let (after, actions) = to_reactor(watch, false);
            let [first, second, _] = actions.0;
            (after.with_untold(true), Actions::of([first, second, tells]))
        }
        Watch::Thread { .. } | Watch::Timer { .. } | Watch::Credit { .. } | Watch::Closed => same(watch),
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
        let after = Watch::Front { held: false, untold: false };
        return (after, Actions::of([Some(Action::RegisterBehind)]));
    }
    (at_reactor(false), register(false, watch))
}

/// To the reactor alone. A claim stays: its thread polls the stream still, or is about to leave it.
fn to_reactor(watch: Watch, need_room: bool) -> (Watch, Actions) {
    let after = Watch::Reactor { room: need_room, claimed: watch.is_held(), untold: watch.has_untold() };
    match watch {
        Watch::Reactor { room: false, .. } if need_room => {
            (after, Actions::of([Some(Action::Reregister { room: true })]))
        }
        Watch::Reactor { .. } | Watch::Closed => same(watch),
        Watch::Front { .. } => {
            // Bytes that came meanwhile show when the stream is registered anew, unless they are hidden.
            let register = Some(Action::Register { room: need_room });
            (after, Actions::of([unwatch_front(watch), Some(Action::Deregister), register]))
        }
        Watch::Thread { .. } | Watch::Timer { .. } | Watch::Credit { .. } => {
            (after, register(need_room, watch))
        }
    }
}

/// With the reactor alone, and all bytes told of.
pub fn at_reactor(room: bool) -> Watch {
    Watch::Reactor { room, claimed: false, untold: false }
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

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(test)]
mod tests;
