//! The size classes: which room a body gets, and how many pieces of it make a batch.

/// Room of the classes that one look finds: most small messages.
const SMALL_ROOMS: [usize; 2] = [64, 128];
pub(super) const MAX_ROOM_BYTES: usize = 2 * 1024 * 1024;
/// Largest room that a thread keeps for itself.
pub(super) const MAX_THREAD_ROOM_BYTES: usize = 32 * 1024;
const CLASSES_PER_DOUBLING: usize = 4;
const MAX_BATCH_PIECES: usize = 16;
const MAX_BATCH_BYTES: usize = 64 * 1024;

pub(super) const CLASS_COUNT: usize = classes_up_to(MAX_ROOM_BYTES);
pub(super) const THREAD_CLASS_COUNT: usize = classes_up_to(MAX_THREAD_ROOM_BYTES);

/// All that sets one class apart from another.
#[derive(Clone, Copy)]
pub(super) struct Class {
    /// Bytes after the header.
    pub room: usize,
    /// Pieces in a full batch.
    pub batch_pieces: u32,
}

pub(super) static CLASSES: [Class; CLASS_COUNT] = classes();

const fn classes() -> [Class; CLASS_COUNT] {
    let mut classes = [Class { room: 0, batch_pieces: 1 }; CLASS_COUNT];
    let mut class = 0;
    while class < CLASS_COUNT {
        let room = room_of(class);
        let most = MAX_BATCH_BYTES / room;
        let pieces = if most > MAX_BATCH_PIECES { MAX_BATCH_PIECES } else { most };
        classes[class] =
            Class { room, batch_pieces: if class < THREAD_CLASS_COUNT { pieces as u32 } else { 1 } };
        class += 1;
    }
    classes
}

pub(super) const fn room_of(class: usize) -> usize {
    if class < SMALL_ROOMS.len() {
        return SMALL_ROOMS[class];
    }
    let place = class - SMALL_ROOMS.len();
    let (doubling, quarter) = (place / CLASSES_PER_DOUBLING, place % CLASSES_PER_DOUBLING);
    (SMALL_ROOMS[1] / CLASSES_PER_DOUBLING * (CLASSES_PER_DOUBLING + 1 + quarter)) << doubling
}

/// The class for a body of `len` bytes; `None` for a body that is too long for any.
#[inline(always)]
pub(super) const fn class_of(len: usize) -> Option<usize> {
    if len <= SMALL_ROOMS[0] {
        Some(0)
    } else if len <= SMALL_ROOMS[1] {
        Some(1)
    } else if len <= MAX_ROOM_BYTES {
        let doubling = (len - 1).ilog2();
        let quarter = ((len - 1) >> (doubling - CLASSES_PER_DOUBLING.ilog2())) % CLASSES_PER_DOUBLING;
        let doublings = (doubling - SMALL_ROOMS[1].ilog2()) as usize;
        Some(SMALL_ROOMS.len() + doublings * CLASSES_PER_DOUBLING + quarter)
    } else {
        None
    }
}

/// How many classes have this much room or less.
const fn classes_up_to(room: usize) -> usize {
    match class_of(room) {
        Some(class) => class + 1,
        None => 0,
    }
}

/// How much room a body for `len` bytes is to have: that of its class, a quarter more than it needs at most.
pub fn room_for(len: usize) -> usize {
    class_of(len).and_then(|class| CLASSES.get(class)).map_or(len, |class| class.room)
}

impl Class {
    pub fn batch_bytes(&self) -> usize {
        self.room * self.batch_pieces as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::message::header::Header;

    #[test]
    fn classes_rise_and_each_length_has_the_smallest_that_holds_it() {
        assert_eq!((CLASS_COUNT, THREAD_CLASS_COUNT), (58, 34));
        assert!(CLASSES.is_sorted_by(|one, next| one.room < next.room));
        assert_eq!(
            (CLASSES[0].room, CLASSES[2].room, CLASSES[CLASS_COUNT - 1].room),
            (64, 160, MAX_ROOM_BYTES)
        );
        for (number, class) in CLASSES.iter().enumerate() {
            let least = number.checked_sub(1).map_or(0, |below| CLASSES[below].room + 1);
            for len in [least, class.room] {
                assert_eq!(
                    (class_of(len), room_for(len), room_of(number)),
                    (Some(number), class.room, class.room)
                );
            }
            assert!(number < 2 || class.room <= least + least / 4, "{}", class.room);
            assert_eq!(class.room % align_of::<Header>(), 0);
        }
        for len in [MAX_ROOM_BYTES + 1, usize::MAX] {
            assert_eq!((class_of(len), room_for(len)), (None, len));
        }
    }

    #[test]
    fn batches_hold_sixteen_pieces_or_64_kib() {
        for (number, class) in CLASSES.iter().enumerate() {
            let pieces = if number < THREAD_CLASS_COUNT { (65536 / class.room).min(16) } else { 1 };
            assert_eq!(class.batch_pieces as usize, pieces, "{}", class.room);
        }
    }
}
