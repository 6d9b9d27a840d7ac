//! The size of the message being written.

/// Bytes of the large bodies of one message; small bodies are not counted.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// Messages written before this one.
    before: u64,
    bytes: usize,
}

impl Weight {
    /// Adds a body to the message that `before` others precede.
    pub(super) fn add(&mut self, before: u64, bytes: usize) {
        if self.before != before {
            *self = Weight { before, bytes: 0 };
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes of the message that `before` others precede.
    pub(super) fn of(&self, before: u64) -> usize {
        if self.before == before { self.bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_weighs_the_sum_of_its_bodies() {
        let mut weight = Weight::default();
        weight.add(0, 10_000);
        weight.add(0, 20_000);
        assert_eq!((weight.of(0), weight.of(1)), (30_000, 0));
        weight.add(7, 9_000);
        assert_eq!((weight.of(7), weight.of(0), weight.of(8)), (9_000, 0, 0));
    }
}
