//! What a frame that goes by changes for the next one, of the pipes that a socket takes in turn.

/// Where a socket is in its messages. A frame of [`Between`](Turn::Between) that ends its message changes nothing, nor does one of
/// [`Inside`](Turn::Inside) that does not: nearly all frames of a socket with one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Turn {
    /// Between two messages. One pipe alone is active, or none.
    #[default]
    Between = 0,
    /// In a message of the pipe that alone is active.
    Inside = 1,
    /// Anything else.
    Shared = 2,
}

impl Turn {
    /// Whether a frame changes nothing; `more`: others of its message follow it.
    #[inline(always)]
    pub fn stays(self, more: bool) -> bool {
        self as u8 == u8::from(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_that_leaves_all_as_it_is_is_known() {
        let stays = [Turn::Between, Turn::Inside, Turn::Shared]
            .map(|turn| [false, true].map(|more| turn.stays(more)));
        assert_eq!(stays, [[true, false], [false, true], [false, false]]);
    }
}
