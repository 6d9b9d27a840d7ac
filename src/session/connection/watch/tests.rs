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
            Action::ArmTimer | Action::TellSession => {}
        }
    }
}

fn states() -> Vec<Watch> {
    let both = [false, true];
    let mut all = vec![Watch::Closed];
    for one in both {
        all.push(Watch::Timer { front: one });
        for two in both {
            all.push(Watch::Front { held: one, untold: two });
            all.extend(both.map(|untold| Watch::Reactor { room: one, claimed: two, untold }));
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
        Event::Receiving,
        Event::Close,
    ];
    all.extend([Leave::Stay, Leave::ToFront, Leave::ToReactor].map(Event::Leave));
    for one in both {
        all.extend(
            [Front::Absent, Front::Same, Front::Other].map(|front| Event::Borrow { lend: one, front }),
        );
        all.extend(both.map(|to_front| Event::Look { came: one, to_front }));
        all.extend([Receiver::Session, Receiver::Thread].map(|by| Event::Untold { by, hidden: one }));
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
            let called_off =
                matches!(before, Watch::Front { held: false, .. }) && (!lend || before.has_untold());
            let called_off = called_off.then(|| Watch::Reactor {
                room: false,
                claimed: false,
                untold: before.has_untold(),
            });
            let expected = called_off.unwrap_or(before);
            assert_eq!(after, expected, "{before:?} {event:?}");
        }
    });
}

#[test]
fn take_from_reactor_is_the_first_action() {
    for watch in states() {
        for event in events().into_iter().filter(|event| can_happen(watch, *event)) {
            let later = next(watch, event).1.iter().skip(1).find(|action| *action == Action::TakeFromReactor);
            assert_eq!(later, None, "{watch:?} {event:?}");
        }
    }
}

#[test]
fn untold_bytes_are_noted_until_they_are_received() {
    for_each_transition(|before, event, failing, after| {
        let noted = before.has_untold() || matches!(event, Event::Untold { .. });
        let is_with_reactor = matches!(after, Watch::Reactor { .. } | Watch::Front { .. });
        if before.has_untold() && is_with_reactor && event != Event::Receiving {
            assert!(after.has_untold(), "{before:?} {event:?} {failing:?} gives {after:?}");
        }
        // A thread that polls, or grants credit, may take them along, and nothing else.
        if before.has_untold() && !is_with_reactor {
            assert!(matches!(event, Event::NoCredit | Event::Close), "{before:?} {event:?} gives {after:?}");
        }
        assert!(noted || !after.has_untold(), "{before:?} {event:?} gives {after:?}");
        if event == Event::Receiving {
            assert!(!after.has_untold(), "{before:?}");
        }
    });
}

#[test]
fn hidden_bytes_bring_the_stream_to_the_io_thread_unless_a_thread_owes_credit() {
    for_each_transition(|before, event, _, after| {
        if let Event::Untold { by: Receiver::Thread, hidden } = event {
            let credit = matches!(before, Watch::Credit { .. } | Watch::Closed);
            let was_there = matches!(before, Watch::Reactor { .. } | Watch::Front { .. });
            assert_eq!(after.has_untold(), !credit && (hidden || was_there), "{before:?} gives {after:?}");
            assert_eq!(after == before || hidden || was_there, !credit || after == before);
        }
    });
}

#[test]
fn session_that_has_come_for_credit_comes_again() {
    for_each_transition(|before, event, _, after| {
        if let Event::Untold { by: Receiver::Session, hidden } = event {
            // A thread polls, or a timer looks, and is told of what is in the stream.
            let others = matches!(before, Watch::Thread { .. } | Watch::Timer { .. }) && !hidden;
            let stays = others && !before.waits_for_credit() || before == Watch::Closed;
            assert_eq!(after.receives_when_woken(true), !stays, "{before:?} {event:?} gives {after:?}");
            assert!(!stays || after == before, "{before:?} gives {after:?}");
        }
    });
}

#[test]
fn session_is_told_of_untold_bytes_that_no_thread_has() {
    for_each_transition(|before, event, failing, after| {
        let tells = next(before, event).1.iter().any(|action| action == Action::TellSession);
        let by_thread = matches!(event, Event::Untold { by: Receiver::Thread, .. });
        let held_in_front = |watch| matches!(watch, Watch::Front { held: true, .. });
        let left = matches!(event, Event::Leave(_)) && held_in_front(before) && before.has_untold();
        let expected = after.has_untold() && (by_thread && !held_in_front(after) || left);
        assert_eq!(tells, expected, "{before:?} {event:?} {failing:?} gives {after:?}");
        if !by_thread && !left && event != Event::Receiving && before.has_untold() {
            // It was told before, or is the I/O thread itself.
            assert!(!tells, "{before:?} {event:?}");
        }
    });
}

#[test]
fn thread_does_not_borrow_a_stream_with_untold_bytes() {
    for_each_transition(|before, event, failing, after| {
        if matches!(event, Event::Borrow { .. }) && before.has_untold() {
            assert_eq!(after.is_held(), before.is_held(), "{before:?} {event:?} {failing:?}");
        }
        if matches!(after, Watch::Timer { .. }) {
            assert!(!before.has_untold(), "{before:?} {event:?}");
        }
    });
}

#[test]
fn session_that_is_woken_receives_untold_bytes_and_leaves_a_lent_stream_alone() {
    for watch in states() {
        for published in [false, true] {
            let at_home = matches!(watch, Watch::Reactor { .. } | Watch::Front { held: false, .. });
            let expected =
                watch.has_untold() || at_home && !published || watch == Watch::Closed && !published;
            assert_eq!(watch.receives_when_woken(published), expected, "{watch:?} {published}");
        }
    }
}
