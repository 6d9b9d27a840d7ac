//! How a socket is made, in our words and in NORM's.

use crate::errno::{Errno, Result};

/// The longest segment: with NORM's headers it must fit its buffers of 64 KiB, and a datagram.
const LONGEST_SEGMENT: i32 = 65_000;
const MOST_BUFFER_KIB: i32 = 1024 * 1024;
/// What NORM may take for a sender. It counts in 32 bits, of units of eight bytes, and writes where it should not once
/// that is too few.
const MOST_BYTES: u64 = 4 << 30;
/// What NORM takes for a segment and for a block besides what they hold, rounded up.
const SEGMENT_OVERHEAD: u64 = 24;
const BLOCK_OVERHEAD: u64 = 512;

/// How a sender's rate comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `ZMQ_RATE`.
    Fixed,
    /// Congestion control, which takes loss for congestion.
    Congestion,
    /// Congestion control that tolerates loss.
    Lossy,
    /// Congestion control that heeds loss and the network's marks (ECN).
    Marked,
    /// Congestion control that heeds the network's marks alone.
    MarkedOnly,
}

/// How a socket is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Receives, or else sends.
    pub receives: bool,
    pub hops: i32,
    /// The IP header's octet of that name.
    pub tos: i32,
    pub rate_kbit: i32,
    pub mode: Mode,
    /// Receivers ask the sender alone for what they miss.
    pub unicast_nack: bool,
    pub buffer_kib: i32,
    /// Bytes that a packet carries.
    pub segment: i32,
    /// Segments of a coding block, and those of parity for each: as many as can be sent in place of lost ones, and as many
    /// as are sent without being asked for.
    pub block: i32,
    pub parity: i32,
    pub auto_parity: i32,
    /// New messages take the place of old ones where there is no room.
    pub push: bool,
}

/// The numbers of [`Settings`] as NORM takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) buffer: u32,
    pub(super) segment: u16,
    pub(super) block: u16,
    pub(super) parity: u16,
    pub(super) auto_parity: u8,
}

impl Sizes {
    /// Errors: `EINVAL` for what NORM has no room for.
    pub(super) fn of(settings: &Settings) -> Result<Sizes> {
        if settings.segment > LONGEST_SEGMENT || settings.buffer_kib > MOST_BUFFER_KIB {
            return Err(Errno::INVAL);
        }
        // What is sent unasked is part of the parity, and a block is never without data.
        let parity = settings.parity.max(settings.auto_parity);
        let block = settings.block.max(parity.saturating_add(1));
        let sizes = Sizes {
            buffer: u32::try_from(settings.buffer_kib).map_err(|_| Errno::INVAL)?.saturating_mul(1024),
            segment: settings.segment.try_into().map_err(|_| Errno::INVAL)?,
            block: block.try_into().map_err(|_| Errno::INVAL)?,
            parity: parity.try_into().map_err(|_| Errno::INVAL)?,
            auto_parity: settings.auto_parity.try_into().map_err(|_| Errno::INVAL)?,
        };
        if sizes.segment == 0 || sizes.bytes() > MOST_BYTES { Err(Errno::INVAL) } else { Ok(sizes) }
    }

    /// Whether there is memory for a sender. NORM itself ends the process where there is none. Errors: `ENOMEM`.
    pub(super) fn check_memory(&self) -> Result<()> {
        let bytes = usize::try_from(self.bytes()).map_err(|_| Errno::NOMEM)?;
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| Errno::NOMEM)
    }

    /// What a sender takes: a stream of twice the buffer, and the buffer for parity.
    fn bytes(&self) -> u64 {
        let (segment, block, parity) =
            (u64::from(self.segment), u64::from(self.block), u64::from(self.parity));
        let blocks = 2 * (u64::from(self.buffer) / (segment * block).max(1)).max(2);
        let stream = blocks * (block * (segment + SEGMENT_OVERHEAD) + BLOCK_OVERHEAD);
        let spare = (u64::from(self.buffer) / SEGMENT_OVERHEAD).min(blocks) * BLOCK_OVERHEAD;
        stream + spare + u64::from(self.buffer) + 2 * parity * (segment + SEGMENT_OVERHEAD)
    }
}

/// With marks in use the octet's lowest two bits must say so: 1 or 2, where 0 is "not in use" and 3 a mark itself.
pub(super) fn tos(settings: &Settings) -> u8 {
    let tos = settings.tos.clamp(0, 255).try_into().unwrap_or(0u8);
    match (settings.mode, tos & 3) {
        (Mode::Marked | Mode::MarkedOnly, 0) => tos | 1,
        (Mode::Marked | Mode::MarkedOnly, 3) => tos & !1,
        _ => tos,
    }
}

#[cfg(test)]
pub(super) const SETTINGS: Settings = Settings {
    receives: true,
    hops: 1,
    tos: 0,
    rate_kbit: 100,
    mode: Mode::Congestion,
    unicast_nack: false,
    buffer_kib: 2048,
    segment: 1400,
    block: 16,
    parity: 4,
    auto_parity: 0,
    push: false,
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn sizes_fit_each_other() {
        let sizes = Sizes::of(&SETTINGS).unwrap();
        assert_eq!(sizes, Sizes { buffer: 2_097_152, segment: 1400, block: 16, parity: 4, auto_parity: 0 });
        assert_eq!(sizes.check_memory(), Ok(()));
        let sizes = Sizes::of(&Settings { auto_parity: 254, ..SETTINGS }).unwrap();
        assert_eq!((sizes.block, sizes.parity, sizes.auto_parity), (255, 254, 254));
        assert!(Sizes::of(&Settings { buffer_kib: MOST_BUFFER_KIB, ..SETTINGS }).is_ok());
        for settings in [
            Settings { segment: 65_001, ..SETTINGS },
            Settings { segment: i32::MAX, ..SETTINGS },
            Settings { segment: 0, ..SETTINGS },
            Settings { buffer_kib: i32::MAX, ..SETTINGS },
            // More segments than NORM can count.
            Settings { buffer_kib: MOST_BUFFER_KIB, segment: 1, ..SETTINGS },
            Settings { buffer_kib: MOST_BUFFER_KIB, segment: 1, block: 1, parity: 0, ..SETTINGS },
        ] {
            assert_eq!(Sizes::of(&settings), Err(Errno::INVAL), "{settings:?}");
        }
    }

    #[test]
    fn marks_are_announced_where_they_are_heeded() {
        let with = |mode, octet| tos(&Settings { mode, tos: octet, ..SETTINGS });
        assert_eq!((with(Mode::Congestion, 0), with(Mode::Lossy, 3)), (0, 3));
        assert_eq!((with(Mode::Marked, 8), with(Mode::Marked, 9), with(Mode::MarkedOnly, 11)), (9, 9, 10));
    }
}
