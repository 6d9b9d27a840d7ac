//! The table of inproc names, with the sockets that have connected before the bind.

use crate::errno::{Errno, Result};
use crate::sys::lock::Lock;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The sockets bound to inproc names, and those that wait for a name to be bound.
///
/// `O` identifies owners (sockets). `E` is the data that a connecting socket needs of a bound one. `P` is the
/// data that a binding socket needs of one that connected first. Every call is one step under one lock, so a
/// connect and a bind that race always find each other. Removed values are returned, to be dropped with no
/// lock held.
pub struct Names<O, E, P>(Lock<Inner<O, E, P>>);

/// The values of an owner that was removed.
#[derive(Debug)]
pub struct Left<E, P> {
    pub endpoints: Vec<E>,
    pub pending: Vec<P>,
}

struct Inner<O, E, P> {
    bound: BTreeMap<Arc<str>, (O, E)>,
    pending: BTreeMap<Arc<str>, Vec<(O, P)>>,
    /// The names of each owner, so that closing one of many sockets need not search all names. It may list
    /// too many, never too few.
    owned: BTreeSet<(O, Arc<str>)>,
}

impl<O: Copy + Ord, E, P> Names<O, E, P> {
    pub fn new() -> Names<O, E, P> {
        Names(Lock::new(Inner { bound: BTreeMap::new(), pending: BTreeMap::new(), owned: BTreeSet::new() }))
    }

    /// Binds the name and returns the entries that wait for it, in the order they came.
    ///
    /// Errors: `EADDRINUSE`.
    pub fn bind(&self, name: &str, owner: O, endpoint: E) -> Result<Vec<P>> {
        let name: Arc<str> = name.into();
        let mut inner = self.0.lock();
        match inner.bound.entry(Arc::clone(&name)) {
            Entry::Occupied(_) => return Err(Errno::ADDRINUSE),
            Entry::Vacant(place) => place.insert((owner, endpoint)),
        };
        let waiting = inner.pending.remove(&name).unwrap_or_default();
        for (waiter, _) in &waiting {
            inner.forget(*waiter, &name);
        }
        inner.owned.insert((owner, name));
        Ok(waiting.into_iter().map(|(_, pending)| pending).collect())
    }

    /// Unbinds a name.
    ///
    /// Errors: `ENOENT` if it is not bound, or bound by another owner.
    pub fn unbind(&self, name: &str, owner: O) -> Result<E> {
        let mut inner = self.0.lock();
        if inner.bound.get(name).is_none_or(|(holder, _)| *holder != owner) {
            return Err(Errno::NOENT);
        }
        let (_, endpoint) = inner.bound.remove(name).ok_or(Errno::NOENT)?;
        inner.forget(owner, name);
        Ok(endpoint)
    }

    /// The endpoint bound to the name now. It may be unbound by the time it is used; see
    /// [`connect`](Names::connect).
    pub fn find(&self, name: &str) -> Option<E>
    where
        E: Clone,
    {
        self.0.lock().bound.get(name).map(|(_, endpoint)| endpoint.clone())
    }

    /// Connects or waits. `meet` is given the bound endpoint, if any. The lock is held while it runs, so the
    /// owner cannot unbind meanwhile. A command that `meet` sends reaches the owner's mailbox before the mailbox
    /// closes. A value that `meet` returns waits for a bind. `meet` has to be short and must not call this
    /// object. Errors: those of `meet`.
    pub fn connect(
        &self,
        name: &str,
        owner: O,
        meet: impl FnOnce(Option<&E>) -> Result<Option<P>>,
    ) -> Result<()> {
        let mut inner = self.0.lock();
        let pending = meet(inner.bound.get(name).map(|(_, endpoint)| endpoint))?;
        if let Some(pending) = pending {
            inner.wait(name.into(), owner, pending);
        }
        Ok(())
    }

    /// Waits for a bind, without checking whether the name is bound already.
    #[cfg(test)]
    pub fn pend(&self, name: &str, owner: O, pending: P) {
        self.0.lock().wait(name.into(), owner, pending);
    }

    /// Ends the waiting for that name (`zmq_disconnect` before the bind).
    pub fn cancel(&self, name: &str, owner: O) -> Vec<P> {
        let mut inner = self.0.lock();
        let cancelled = inner.take_pending(name, owner);
        if inner.bound.get(name).is_none_or(|(holder, _)| *holder != owner) {
            inner.forget(owner, name);
        }
        cancelled
    }

    /// Removes and returns everything of an owner that closes. Pending entries for which `keep` returns
    /// `true` go on waiting without it. `keep` has to be short and must not call this object.
    pub fn remove_owner(&self, owner: O, mut keep: impl FnMut(&mut P) -> bool) -> Left<E, P> {
        let mut left = Left { endpoints: Vec::new(), pending: Vec::new() };
        let mut inner = self.0.lock();
        let first: (O, Arc<str>) = (owner, "".into());
        let names: Vec<Arc<str>> = inner
            .owned
            .range(first..)
            .take_while(|(holder, _)| *holder == owner)
            .map(|(_, name)| Arc::clone(name))
            .collect();
        for name in names {
            inner.forget(owner, &name);
            if inner.bound.get(&name).is_some_and(|(holder, _)| *holder == owner) {
                left.endpoints.extend(inner.bound.remove(&name).map(|(_, endpoint)| endpoint));
            }
            for mut pending in inner.take_pending(&name, owner) {
                if keep(&mut pending) {
                    inner.pending.entry(Arc::clone(&name)).or_default().push((owner, pending));
                } else {
                    left.pending.push(pending);
                }
            }
        }
        left
    }

    /// Takes all pending entries, when the context ends and no bind will come.
    pub fn take_pending(&self) -> Vec<P> {
        let pending = std::mem::take(&mut self.0.lock().pending);
        pending.into_values().flatten().map(|(_, pending)| pending).collect()
    }
}

impl<O: Copy + Ord, E, P> Inner<O, E, P> {
    fn wait(&mut self, name: Arc<str>, owner: O, pending: P) {
        self.owned.insert((owner, Arc::clone(&name)));
        self.pending.entry(name).or_default().push((owner, pending));
    }

    fn forget(&mut self, owner: O, name: &str) {
        self.owned.remove(&(owner, name.into()));
    }

    fn take_pending(&mut self, name: &str, owner: O) -> Vec<P> {
        let Some(waiting) = self.pending.get_mut(name) else {
            return Vec::new();
        };
        let taken =
            waiting.extract_if(.., |(waiter, _)| *waiter == owner).map(|(_, pending)| pending).collect();
        if waiting.is_empty() {
            self.pending.remove(name);
        }
        taken
    }
}

impl<O: Copy + Ord, E, P> Default for Names<O, E, P> {
    fn default() -> Self {
        Names::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    type Inproc = Names<u32, char, u32>;

    #[test]
    fn a_name_has_one_owner() {
        let names = Inproc::new();
        assert_eq!(names.bind("a", 1, 'x'), Ok(vec![]));
        assert_eq!(names.bind("a", 2, 'y'), Err(Errno::ADDRINUSE));
        assert_eq!(names.find("a"), Some('x'));
        assert_eq!(names.unbind("a", 2), Err(Errno::NOENT));
        assert_eq!(names.unbind("a", 1), Ok('x'));
        assert_eq!(names.unbind("a", 1), Err(Errno::NOENT));
        assert_eq!(names.find("a"), None);
    }

    #[test]
    fn a_connect_before_the_bind_is_handed_over() {
        let names = Inproc::new();
        names.connect("a", 2, |bound| Ok(bound.is_none().then_some(20))).unwrap();
        names.pend("a", 3, 30);
        names.pend("b", 3, 31);
        assert_eq!(names.bind("a", 1, 'x'), Ok(vec![20, 30]));
        let meet = |bound: Option<&char>| {
            assert_eq!(bound, Some(&'x'));
            Ok(None)
        };
        names.connect("a", 2, meet).unwrap();
        assert!(names.remove_owner(2, |_| false).pending.is_empty());
        assert_eq!(names.take_pending(), [31]);
    }

    #[test]
    fn a_closed_owner_leaves_no_name() {
        let names = Inproc::new();
        names.bind("a", 1, 'x').unwrap();
        names.bind("b", 1, 'y').unwrap();
        names.bind("c", 2, 'z').unwrap();
        names.pend("d", 1, 10);
        names.pend("d", 2, 20);
        names.pend("e", 1, 11);
        assert_eq!(names.cancel("e", 1), [11]);
        assert!(names.cancel("e", 1).is_empty());
        assert!(names.cancel("a", 1).is_empty());
        let left = names.remove_owner(1, |_| false);
        assert_eq!((left.endpoints, left.pending), (vec!['x', 'y'], vec![10]));
        assert_eq!((names.find("a"), names.find("c")), (None, Some('z')));
        assert_eq!(names.bind("d", 1, 'w'), Ok(vec![20]));
        let inner = names.0.lock();
        assert_eq!(inner.owned.len(), 2);
        assert!(inner.pending.is_empty());
    }

    #[test]
    fn racing_bind_and_connect_find_each_other() {
        for _ in 0..500 {
            let (names, barrier) = (Inproc::new(), Barrier::new(3));
            let (met, taken) = thread::scope(|scope| {
                let connects: Vec<_> = [2, 3]
                    .map(|owner| {
                        let (names, barrier) = (&names, &barrier);
                        scope.spawn(move || {
                            barrier.wait();
                            let mut met = false;
                            let meet = |bound: Option<&char>| {
                                met = bound.is_some();
                                Ok((!met).then_some(owner))
                            };
                            names.connect("a", owner, meet).unwrap();
                            met
                        })
                    })
                    .into_iter()
                    .collect();
                barrier.wait();
                let taken = names.bind("a", 1, 'x').unwrap();
                let met = connects.into_iter().map(|thread| thread.join().unwrap());
                (met.filter(|met| *met).count(), taken.len())
            });
            assert_eq!(met + taken, 2);
        }
    }
}
