//! Contains panics where they do no harm, without a line on stderr unless the log is to have one.

use super::cancel::CancelOff;
use super::fork::SetOnce;
use super::thread_state::ThreadState;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Runs `run`, whose panics are bugs of the library and must not reach the program. `None` if it panicked:
/// the caller then drops the values it was working on, or checks them anew, so no later call sees them half
/// done.
pub fn contain<T>(run: impl FnOnce() -> T) -> Option<T> {
    quieten(None);
    catch(ThreadState::current(), run)
}

/// As [`contain`], for a caller that has the thread's state already. Where it is the first of all, panics are
/// [told of](report_by) by `report`.
#[inline]
pub fn contain_at<T>(here: &'static ThreadState, report: Report, run: impl FnOnce() -> T) -> Option<T> {
    quieten(Some(report));
    catch(here, run)
}

#[inline]
fn catch<T>(here: &'static ThreadState, run: impl FnOnce() -> T) -> Option<T> {
    here.depth.set(here.depth.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    here.depth.set(here.depth.get() - 1);
    match outcome {
        Ok(value) => Some(value),
        Err(payload) => {
            // Its drop might panic again, and no code reads it.
            std::mem::forget(payload);
            None
        }
    }
}

/// The panic hook before ours. In a static rather than in the hook itself: memory owned by a hook stays allocated.
static OTHERS: SetOnce<Box<Hook>> = SetOnce::new();
/// Tells of a contained panic. Returns whether the hook before ours is to have it.
static REPORT: SetOnce<Report> = SetOnce::new();
pub type Report = fn(&PanicHookInfo<'_>) -> bool;
type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// Has contained panics told of by this function. The first one stays.
pub fn report_by(report: Report) {
    REPORT.set(report);
}

/// Installs a hook that passes all panics to the previous one, except contained ones. Those are passed on where the log is to have
/// them on stderr, and stand in its file where it has one.
#[inline]
fn quieten(report: Option<Report>) {
    /// A thread installs the hook, or has. No thread waits for that: a forked child may not have the thread, and a panic that comes
    /// before the hook is there is printed and does no other harm. One thread sets it, any reads it; it makes no edge, so Relaxed.
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.load(Relaxed) && !BEGUN.swap(true, Relaxed) {
        install(report);
    }
}

#[cold]
fn install(report: Option<Report>) {
    if let Some(report) = report {
        report_by(report);
    }
    if OTHERS.set(std::panic::take_hook()) {
        std::panic::set_hook(Box::new(|info| {
            let is_contained = ThreadState::current().depth.get() > 0;
            if is_contained && !REPORT.get().is_some_and(|report| report(info)) {
                return;
            }
            if let Some(others) = OTHERS.get() {
                let _off = CancelOff::for_call(ThreadState::current());
                others(info);
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn a_contained_panic_is_none() {
        assert_eq!(contain(|| 7), Some(7));
        assert_eq!(contain(|| -> u8 { panic!("contained") }), None);
        assert_eq!(contain(|| contain(|| -> u8 { panic!("contained") })), Some(None));
        assert_eq!(ThreadState::current().depth.get(), 0);
    }
}
