//! The settings of a socket, in our units and in NORM's.

use crate::errno::{Errno, Result};

/// Most bytes of a segment: with NORM's headers it must fit its buffers of 64 KiB, and a datagram.
const MAX_SEGMENT_BYTES: i32 = 65_000;
const MAX_BUFFER_KIB: i32 = 1024 * 1024;
/// Most bytes that NORM may take for a sender. It counts units of eight bytes in 32 bits, and writes out of
/// bounds when that overflows.
const MAX_SENDER_BYTES: u64 = 4 << 30;
/// Bytes that NORM takes for a segment and for a block besides their content, rounded up.
const SEGMENT_OVERHEAD_BYTES: u64 = 24;
const BLOCK_OVERHEAD_BYTES: u64 = 512;

/// The control of a sender's rate.
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

/// The settings of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Receives; otherwise sends.
    pub receives: bool,
    pub hops: i32,
    /// The octet of that name in the IP header.
    pub tos: i32,
    pub rate_kbit: i32,
    pub mode: Mode,
    /// Receivers send requests for repair only to the sender.
    pub unicast_nack: bool,
    pub buffer_kib: i32,
    /// Bytes of payload in a packet.
    pub segment: i32,
    /// Segments of a coding block, and its parity segments: those available to replace lost ones, and those
    /// sent unasked.
    pub block: i32,
    pub parity: i32,
    pub auto_parity: i32,
    /// New messages replace old ones where there is no room.
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
    /// Errors: `EINVAL` for values too large for NORM.
    pub(super) fn of(settings: &Settings) -> Result<Sizes> {
        if settings.segment > MAX_SEGMENT_BYTES || settings.buffer_kib > MAX_BUFFER_KIB {
            return Err(Errno::INVAL);
        }
        // Segments sent unasked are part of the parity, and a block is never without data.
        let parity = settings.parity.max(settings.auto_parity);
        let block = settings.block.max(parity.saturating_add(1));
        let sizes = Sizes {
            buffer: u32::try_from(settings.buffer_kib).map_err(|_| Errno::INVAL)?.saturating_mul(1024),
            segment: settings.segment.try_into().map_err(|_| Errno::INVAL)?,
            block: block.try_into().map_err(|_| Errno::INVAL)?,
            parity: parity.try_into().map_err(|_| Errno::INVAL)?,
            auto_parity: settings.auto_parity.try_into().map_err(|_| Errno::INVAL)?,
        };
        if sizes.segment == 0 || sizes.bytes() > MAX_SENDER_BYTES { Err(Errno::INVAL) } else { Ok(sizes) }
    }

    /// Whether there is memory for a sender. NORM itself ends the process where there is none. Errors:
    /// `ENOMEM`.
    pub(super) fn check_memory(&self) -> Result<()> {
        let bytes = usize::try_from(self.bytes()).map_err(|_| Errno::NOMEM)?;
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| Errno::NOMEM)
    }

    /// Bytes that a sender takes: a stream of twice the buffer, and the buffer for parity.
    fn bytes(&self) -> u64 {
        let (segment, block, parity) =
            (u64::from(self.segment), u64::from(self.block), u64::from(self.parity));
        let blocks = 2 * (u64::from(self.buffer) / (segment * block).max(1)).max(2);
        let stream = blocks * (block * (segment + SEGMENT_OVERHEAD_BYTES) + BLOCK_OVERHEAD_BYTES);
        let spare = (u64::from(self.buffer) / SEGMENT_OVERHEAD_BYTES).min(blocks) * BLOCK_OVERHEAD_BYTES;
        stream + spare + u64::from(self.buffer) + 2 * parity * (segment + SEGMENT_OVERHEAD_BYTES)
    }
}

/// With ECN in use the octet's lowest two bits must say so: 1 or 2. 0 means not in use, and 3 is a mark
/// itself.
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
        assert!(Sizes::of(&Settings { buffer_kib: MAX_BUFFER_KIB, ..SETTINGS }).is_ok());
        for settings in [
            Settings { segment: 65_001, ..SETTINGS },
            Settings { segment: i32::MAX, ..SETTINGS },
            Settings { segment: 0, ..SETTINGS },
            Settings { buffer_kib: i32::MAX, ..SETTINGS },
            // More segments than NORM can count.
            Settings { buffer_kib: MAX_BUFFER_KIB, segment: 1, ..SETTINGS },
            Settings { buffer_kib: MAX_BUFFER_KIB, segment: 1, block: 1, parity: 0, ..SETTINGS },
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
