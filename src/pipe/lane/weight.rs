//! How large the message is that is being written.

/// Bytes of the bodies by reference of one message. The others are small, and not counted.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Messages written before it.
    before: u64,
    bytes: usize,
}

impl Weight {
    /// Adds a body to the message before which so many were written.
    pub(super) fn add(&mut self, before: u64, bytes: usize) {
        if self.before != before {
            *self = Weight { before, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// What the message weighs before which so many were written.
    pub(super) fn of(&self, before: u64) -> usize {
        if self.before == before { self.bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_weighs_what_its_bodies_do() {
        let mut weight = Weight::default();
        weight.add(0, 10_000);
        weight.add(0, 20_000);
        assert_eq!((weight.of(0), weight.of(1)), (30_000, 0));
        weight.add(7, 9_000);
        assert_eq!((weight.of(7), weight.of(0), weight.of(8)), (9_000, 0, 0));
    }
}
