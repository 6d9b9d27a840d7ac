//! Pipes in an order of their owner's choosing, each of which is found and moved in one step.

use crate::pipe::PipeId;
use slotmap::SecondaryMap;

/// A list of pipes that knows every pipe's place. Owners keep their pipes in groups, such as active ones first, and
/// move a pipe over a group's border with a swap.
#[derive(Default)]
pub struct PipeArray {
    pipes: Vec<PipeId>,
    places: SecondaryMap<PipeId, usize>,
}

impl PipeArray {
    #[inline(always)]
    pub fn get(&self, place: usize) -> Option<PipeId> {
        self.pipes.get(place).copied()
    }

    #[inline]
    pub fn place(&self, pipe: PipeId) -> Option<usize> {
        self.places.get(pipe).copied()
    }

    pub fn len(&self) -> usize {
        self.pipes.len()
    }

    pub fn contains(&self, pipe: PipeId) -> bool {
        self.places.contains_key(pipe)
    }

    pub fn iter(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.pipes.iter().copied()
    }

    /// Adds a pipe at the end; one that is there already stays where it is.
    pub fn push(&mut self, pipe: PipeId) {
        if !self.contains(pipe) {
            self.places.insert(pipe, self.pipes.len());
            self.pipes.push(pipe);
        }
    }

    /// Places that are not there are left alone.
    #[inline]
    pub fn swap(&mut self, one: usize, other: usize) {
        let (Some(first), Some(second)) = (self.get(one), self.get(other)) else { return };
        if one != other {
            self.pipes.swap(one, other);
            self.places.insert(first, other);
            self.places.insert(second, one);
        }
    }

    /// Takes a pipe out; the last one moves to its place.
    pub fn remove(&mut self, pipe: PipeId) {
        let Some(place) = self.places.remove(pipe) else { return };
        self.pipes.swap_remove(place);
        if let Some(moved) = self.get(place) {
            self.places.insert(moved, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotmap::SlotMap;

    #[test]
    fn every_pipe_is_where_it_says() {
        let mut ids = SlotMap::with_key();
        let [a, b, c, d] = [(); 4].map(|()| ids.insert(()));
        let mut array = PipeArray::default();
        for pipe in [a, b, c, b] {
            array.push(pipe);
        }
        array.swap(0, 2);
        array.swap(1, 9);
        assert_eq!(array.iter().collect::<Vec<_>>(), [c, b, a]);
        array.remove(c);
        array.remove(d);
        assert_eq!(array.iter().collect::<Vec<_>>(), [a, b]);
        assert_eq!([a, b, c].map(|pipe| array.place(pipe)), [Some(0), Some(1), None]);
    }
}
