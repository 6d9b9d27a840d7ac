//! The writer of published messages: a thread of the program, or the I/O thread, and when.
//!
//! The decisions are pure. The caller passes plain facts as values, and facts that cost a system call or a lock as closures. A
//! closure is called only where the answer depends on it. [`Connection`](super::Connection) carries the decisions out.
//!
//! The mark is the high-water mark of the pipe. The other terms are those of [`connection`](super).
//!
//! | a thread of the program | and | writes |
//! |---|---|---|
//! | has published something | the mark is low, and it is streaming or [`INLINE_SEND_MIN_BYTES`] wait | the I/O thread, later while it coalesces |
//! | | it is streaming, and fewer bytes wait, or frames leave in another form than they lie in | as above |
//! | | else | the caller |
//! | has no credit left | | the caller, so that one wake-up of the peer is for a whole batch |
//! | would be refused, or pass the peer over, for want of credit | the mark is low, frames are sealed or masked, or TLS lies between | as it was decided before |
//! | | the stream had no room, or more waits than one turn sends | as it was decided before |
//! | | the context has one I/O thread, which serves all peers alike | as it was decided before |
//! | | else | the caller, so that no peer gets less since its I/O thread does not come to it |
//! | has published a large frame and may wait | the mark is low, the form another, or TLS lies between | as it was decided before |
//! | | the stream holds less than [`MIN_DRAINABLE_BYTES`], or less than half of the frame | as it was decided before |
//! | | the stream took nothing since such a thread last waited, and has no room | as it was decided before |
//! | | else | the caller drains |
//!
//! | the I/O thread is told that something waits | and | writes |
//! |---|---|---|
//! | it has control frames to send, or the session closes | | the I/O thread |
//! | the socket has published, nothing else happened | the program has sent a batch since the last look | the I/O thread, later |
//! | | else | as below |
//! | | a thread of the program owns the flush | the caller |
//! | | else | the I/O thread |
//!
//! A thread that finds the half locked leaves the writing to the I/O thread, by [`contention`](super::contention).
//!
//! Laws, which the tests check over all inputs:
//! - Where the mark is low no thread of the program writes much: a program that sets it wants to hear of a slow peer soon. It
//!   must not hear only when the system's buffers are full as well.
//! - A thread that is not streaming writes few bytes itself. The I/O thread would cost two changes of context.
//! - A thread drains only frames that leave as they lie, into a stream that holds enough for the peer to go on meanwhile.
//! - A thread that does not wait writes for credit only where that gives it credit, and where it copies frames at most.
//! - Urgent frames neither wait nor are left to another thread.
//! - The time between two looks stays between [`MIN_COALESCING_INTERVAL`] and [`MAX_COALESCING_INTERVAL`].

use std::time::Duration;

/// Bytes that a thread of the program had better send itself, however fast it goes on: with another thread they would be copied with
/// cold caches, into memory that could have been used again at once.
pub const INLINE_SEND_MIN_BYTES: usize = 32 * 1024;
/// High-water marks below this are low: as many messages of [`INLINE_SEND_MIN_BYTES`] are about what a stream's buffers take.
const LOW_HWM_MESSAGES: i32 = 100;
/// Bytes that a stream has to hold for a thread to wait for it. A connection to another host holds little before it has grown.
pub const MIN_DRAINABLE_BYTES: usize = 256 * 1024;
/// How long a thread drains a stream that takes a little now and then, in milliseconds.
pub const MAX_DRAIN_MS: i32 = 5;
const MAX_DRAIN: Duration = Duration::from_millis(MAX_DRAIN_MS as u64);
/// How long a thread that drains waits for a stream that takes nothing.
pub const MAX_STALL: Duration = Duration::from_millis(1);
/// The least time between two looks of a session that coalesces writes. A look between two batches would take half a batch away from
/// the program, and wake the peer for that.
const MIN_COALESCING_INTERVAL: Duration = Duration::from_micros(100);
/// The most. What the program sends last waits for twice as long.
const MAX_COALESCING_INTERVAL: Duration = Duration::from_micros(400);
/// Looks that find this number of batches are too rare.
const MANY_BATCHES_PER_LOOK: u32 = 5;

/// The writer, and when it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The thread of the program, as far as the stream takes it at once.
    Caller,
    /// The thread of the program, which waits for the stream, this long in all.
    CallerDrains(Duration),
    /// The I/O thread, at once.
    IoThread,
    /// The I/O thread, which looks by itself within this time and need not be told.
    IoThreadLater(Duration),
}

/// How frames leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they lie in the pipe.
    AsTheyLie,
    /// Copied: with other headers, or without any.
    Copied,
    /// Sealed, or masked: each byte costs time.
    Transformed,
}

/// How a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// The high-water mark in messages; 0 or less: none.
    pub hwm: i32,
    pub form: Form,
    /// Something lies between that may hold bytes back from a stream with room.
    pub holds_back: bool,
    /// The context has several I/O threads, so others may serve other peers.
    pub beside_others: bool,
}

impl Outlet {
    fn has_low_mark(self) -> bool {
        (1..LOW_HWM_MESSAGES).contains(&self.hwm)
    }

    fn sends_as_they_lie(self) -> bool {
        self.form == Form::AsTheyLie
    }

    /// Whether a thread of the program may wait until the stream has taken all waiting bytes.
    pub fn is_drainable(self) -> bool {
        !self.has_low_mark() && self.sends_as_they_lie() && !self.holds_back
    }
}

/// A thread of the program has published something. `streaming`: it sends one message soon after the other, and receives nothing.
/// `much_waits`: [`INLINE_SEND_MIN_BYTES`] do. `next_look`: the session's, while it coalesces writes.
pub fn after_publishing(
    streaming: bool,
    outlet: Outlet,
    much_waits: impl FnOnce() -> bool,
    next_look: impl FnOnce() -> Option<Duration>,
) -> Writer {
    let leaves = if outlet.has_low_mark() {
        // Else the thread would have its credit back at once, and fill the system's buffers.
        streaming || much_waits()
    } else {
        streaming && !(outlet.sends_as_they_lie() && much_waits())
    };
    match leaves {
        false => Writer::Caller,
        true => next_look().map_or(Writer::IoThread, Writer::IoThreadLater),
    }
}

/// A thread of the program has no credit, and does not wait for it. `is_blocked`: the stream had no room when it was last offered
/// something. `more_than_a_turn_waits`: what one turn sends would not give credit. `None`: nothing changes.
///
/// An I/O thread may have no processor while the program runs. The peers of another I/O thread would then get all that this one's do
/// not take. Where there is one I/O thread it serves all alike, and in larger batches.
pub fn before_refusal(
    outlet: Outlet,
    is_blocked: bool,
    more_than_a_turn_waits: impl FnOnce() -> bool,
) -> Option<Writer> {
    let is_cheap = outlet.form != Form::Transformed && !outlet.holds_back;
    let may_write = outlet.beside_others && !outlet.has_low_mark() && is_cheap && !is_blocked;
    (may_write && !more_than_a_turn_waits()).then_some(Writer::Caller)
}

/// A thread of the program has published a frame of `frame_bytes`, and may wait. `stream_holds_bytes`: what the stream holds.
/// `is_stalled`: it took nothing since such a thread last waited for it in vain, and has no room. `None`: nothing changes.
pub fn after_large_frame(
    frame_bytes: usize,
    outlet: Outlet,
    stream_holds_bytes: impl FnOnce() -> usize,
    is_stalled: impl FnOnce() -> bool,
) -> Option<Writer> {
    if !outlet.is_drainable() {
        return None;
    }
    let holds_bytes = stream_holds_bytes();
    // Else the peer would stand still while the next frame is made.
    let holds_enough = holds_bytes >= MIN_DRAINABLE_BYTES && frame_bytes / 2 <= holds_bytes;
    (holds_enough && !is_stalled()).then_some(Writer::CallerDrains(MAX_DRAIN))
}

/// The I/O thread is told that something waits. `batches`: of the program since the last look, where the socket has published and
/// nothing else happened. `last_look`: what was decided then. `owned`: a thread of the program owns the flush.
pub fn when_told(urgent: bool, batches: Option<u32>, last_look: Option<Duration>, owned: bool) -> Writer {
    if urgent {
        return Writer::IoThread;
    }
    match batches.and_then(|batches| next_look_in(batches, last_look)) {
        Some(look) => Writer::IoThreadLater(look),
        None if owned => Writer::Caller,
        None => Writer::IoThread,
    }
}

/// Time to the next look. It begins short, so that a program which sends a little more than its credit and stops does not wait for
/// the rest to leave.
fn next_look_in(batches: u32, last_look: Option<Duration>) -> Option<Duration> {
    let look = match (batches, last_look) {
        (0, _) => return None,
        (_, None) => MIN_COALESCING_INTERVAL,
        (1, Some(look)) => look.saturating_mul(2),
        (MANY_BATCHES_PER_LOOK.., Some(look)) => look / 2,
        (_, Some(look)) => look,
    };
    Some(look.clamp(MIN_COALESCING_INTERVAL, MAX_COALESCING_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [bool; 2] = [false, true];
    const FORMS: [Form; 3] = [Form::AsTheyLie, Form::Copied, Form::Transformed];
    const LOOKS: [Option<Duration>; 4] = [
        None,
        Some(MIN_COALESCING_INTERVAL),
        Some(Duration::from_micros(150)),
        Some(MAX_COALESCING_INTERVAL),
    ];

    fn outlets() -> impl Iterator<Item = Outlet> {
        [-1, 0, 1, LOW_HWM_MESSAGES - 1, LOW_HWM_MESSAGES, i32::MAX].into_iter().flat_map(|hwm| {
            FORMS.into_iter().flat_map(move |form| {
                (0..4).map(move |bits| Outlet {
                    hwm,
                    form,
                    holds_back: bits & 1 != 0,
                    beside_others: bits & 2 != 0,
                })
            })
        })
    }

    #[test]
    fn publishing_thread_writes_by_the_table() {
        for outlet in outlets() {
            for (streaming, much) in BOTH.into_iter().flat_map(|streaming| BOTH.map(|much| (streaming, much)))
            {
                for look in LOOKS {
                    let writer = after_publishing(streaming, outlet, || much, || look);
                    let low = (1..100).contains(&outlet.hwm);
                    let left = match (low, streaming, much) {
                        (true, true, _) | (true, _, true) | (false, true, false) => true,
                        (true, false, false) | (false, false, _) => false,
                        (false, true, true) => outlet.form != Form::AsTheyLie,
                    };
                    let expected = match (left, look) {
                        (false, _) => Writer::Caller,
                        (true, None) => Writer::IoThread,
                        (true, Some(look)) => Writer::IoThreadLater(look),
                    };
                    assert_eq!(writer, expected, "{outlet:?} {streaming} {much} {look:?}");
                    assert!(!low || !much || writer != Writer::Caller);
                    assert!(streaming || much || writer == Writer::Caller);
                }
            }
        }
    }

    #[test]
    fn costly_facts_are_asked_only_where_they_matter() {
        let outlet = Outlet { hwm: 1000, form: Form::AsTheyLie, holds_back: false, beside_others: true };
        let never = || -> bool { unreachable!("no need to ask") };
        let no_look = || -> Option<Duration> { unreachable!("no need to ask") };
        assert_eq!(after_publishing(false, outlet, never, no_look), Writer::Caller);
        let sealed = Outlet { form: Form::Transformed, ..outlet };
        assert_eq!(after_publishing(true, sealed, never, || None), Writer::IoThread);
        assert_eq!(after_large_frame(1 << 20, sealed, || unreachable!("no need to ask"), never), None);
        assert_eq!(after_large_frame(1 << 20, outlet, || 0, never), None);
        assert_eq!(before_refusal(sealed, false, never), None);
        assert_eq!(before_refusal(outlet, true, never), None);
        assert_eq!(before_refusal(Outlet { beside_others: false, ..outlet }, false, never), None);
    }

    #[test]
    fn thread_that_would_be_refused_writes_by_the_table() {
        for outlet in outlets() {
            for (is_blocked, much) in BOTH.into_iter().flat_map(|blocked| BOTH.map(|much| (blocked, much))) {
                let low = (1..100).contains(&outlet.hwm);
                let is_cheap = matches!(outlet.form, Form::AsTheyLie | Form::Copied);
                let leaves = is_cheap && !outlet.holds_back && !is_blocked && !much;
                assert_eq!(
                    before_refusal(outlet, is_blocked, || much),
                    (outlet.beside_others && !low && leaves).then_some(Writer::Caller),
                    "{outlet:?} {is_blocked} {much}"
                );
            }
        }
    }

    #[test]
    fn thread_drains_unconverted_frames_into_a_stream_that_holds_enough() {
        let sizes = [0, 1, 32 * 1024, 512 * 1024, 512 * 1024 + 1, 512 * 1024 + 2, usize::MAX];
        let holds = [0, 1, MIN_DRAINABLE_BYTES - 1, MIN_DRAINABLE_BYTES, 1 << 30, usize::MAX];
        for outlet in outlets() {
            for frame_bytes in sizes {
                for (holds, stalled) in
                    holds.into_iter().flat_map(|holds| BOTH.map(|stalled| (holds, stalled)))
                {
                    let low = (1..100).contains(&outlet.hwm);
                    let drains = outlet.form == Form::AsTheyLie
                        && !outlet.holds_back
                        && !low
                        && holds >= 256 * 1024
                        && frame_bytes / 2 <= holds
                        && !stalled;
                    assert_eq!(
                        after_large_frame(frame_bytes, outlet, || holds, || stalled),
                        drains.then_some(Writer::CallerDrains(MAX_DRAIN)),
                        "{outlet:?} {frame_bytes} {holds} {stalled}"
                    );
                }
            }
        }
    }

    #[test]
    fn io_thread_writes_urgent_frames_and_leaves_the_rest_by_the_table() {
        for batches in [None, Some(0), Some(1), Some(2), Some(MANY_BATCHES_PER_LOOK), Some(u32::MAX)] {
            for (last_look, owned) in LOOKS.into_iter().flat_map(|look| BOTH.map(|owned| (look, owned))) {
                assert_eq!(when_told(true, batches, last_look, owned), Writer::IoThread);
                let writer = when_told(false, batches, last_look, owned);
                let coalesces = batches.is_some_and(|batches| batches > 0);
                assert_eq!(matches!(writer, Writer::IoThreadLater(_)), coalesces);
                if let Writer::IoThreadLater(look) = writer {
                    assert!((MIN_COALESCING_INTERVAL..=MAX_COALESCING_INTERVAL).contains(&look));
                } else {
                    assert_eq!(writer, if owned { Writer::Caller } else { Writer::IoThread });
                }
            }
        }
    }

    #[test]
    fn looks_are_as_rare_as_the_programs_batches() {
        let mut look = None;
        let mut after = |batches| {
            look = next_look_in(batches, look);
            look.map(|look| look.as_micros())
        };
        assert_eq!(after(0), None);
        assert_eq!(after(1), Some(100), "the first is short");
        assert_eq!(after(1), Some(200));
        assert_eq!(after(2), Some(200));
        assert_eq!(after(1), Some(400));
        assert_eq!(after(1), Some(400), "no longer than that");
        assert_eq!(after(MANY_BATCHES_PER_LOOK), Some(200));
        assert_eq!(after(0), None, "it has stopped");
        assert_eq!(after(9), Some(100), "and begins anew");
    }
}
