//! A block is a hash of key, nonce and block counter: blocks do not depend on one another. A kernel computes
//! one block per lane of its vector registers, of any messages. The rounds are written once, for any
//! `Vector` (`salsa::rounds`). A kernel adds its vector type and the way from there to blocks in memory.

mod portable;
mod rounds;
#[cfg(vector_kernels)]
mod x86_avx2;
#[cfg(vector_kernels)]
mod x86_avx512;
#[cfg(vector_kernels)]
mod x86_sse2;

pub(super) use portable::hsalsa20;
use zeroize::Zeroizing;

/// Bytes of a block of key stream.
pub(super) const BLOCK_BYTES: usize = 64;
/// The most blocks that a kernel computes in a call.
pub(super) const MAX_LANES: usize = 16;

/// A key as the words that the rounds take.
pub(super) type Key = Zeroizing<[u32; 8]>;

/// A block of key stream.
pub(super) type Block = [u8; BLOCK_BYTES];

/// The blocks for the lanes of a call: a message's nonce and a block's number each.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Lanes {
    nonce: [u64; MAX_LANES],
    block: [u64; MAX_LANES],
}

impl Lanes {
    pub(super) fn new() -> Lanes {
        Lanes { nonce: [0; MAX_LANES], block: [0; MAX_LANES] }
    }

    /// `counter` is the nonce: a message's number, most significant byte first on the wire.
    #[inline(always)]
    pub(super) fn set(&mut self, lane: usize, counter: u64, block: u64) {
        self.nonce[lane] = counter.swap_bytes();
        self.block[lane] = block;
    }

    /// Whether a lane computes this block.
    #[inline(always)]
    pub(super) fn is(&self, lane: usize, counter: u64, block: u64) -> bool {
        self.nonce[lane] == counter.swap_bytes() && self.block[lane] == block
    }
}

/// A way to compute blocks. Kernels of an instruction set exist only where [`Kernel::all`] detects it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kernel(Set);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Set {
    Portable,
    #[cfg(vector_kernels)]
    Sse2,
    #[cfg(vector_kernels)]
    Avx2,
    #[cfg(vector_kernels)]
    Avx512,
}

impl Kernel {
    /// The kernel that every processor can run.
    pub(super) fn portable() -> Kernel {
        Kernel(Set::Portable)
    }

    /// The fastest kernel that this processor can run.
    pub(super) fn best() -> Kernel {
        Kernel::all().last().unwrap_or(Kernel::portable())
    }

    /// All kernels that this processor can run, the fastest last.
    pub(super) fn all() -> impl Iterator<Item = Kernel> {
        let all = [
            Some(Set::Portable),
            #[cfg(vector_kernels)]
            Some(Set::Sse2),
            #[cfg(vector_kernels)]
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2")).then_some(Set::Avx2),
            #[cfg(vector_kernels)]
            (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("bmi2")).then_some(Set::Avx512),
        ];
        all.into_iter().flatten().map(Kernel)
    }

    /// Blocks computed in one call.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            Set::Portable => portable::LANES,
            #[cfg(vector_kernels)]
            Set::Sse2 => x86_sse2::LANES,
            #[cfg(vector_kernels)]
            Set::Avx2 => x86_avx2::LANES,
            #[cfg(vector_kernels)]
            Set::Avx512 => x86_avx512::LANES,
        }
    }

    /// Computes the first `self.lanes()` blocks of `out`, and has `aside` go on after each of the 20 rounds.
    #[inline(always)]
    pub(super) fn fill<A: Aside>(
        self,
        key: &Key,
        lanes: &Lanes,
        out: &mut [Block; MAX_LANES],
        aside: A,
    ) -> A {
        match self.0 {
            Set::Portable => portable::fill(key, lanes, out, aside),
            #[cfg(vector_kernels)]
            Set::Sse2 => x86_sse2::fill(key, lanes, out, aside),
            // SAFETY: only `all` makes this one, having found AVX2 and BMI2.
            #[cfg(vector_kernels)]
            Set::Avx2 => unsafe { x86_avx2::fill(key, lanes, out, aside) },
            // SAFETY: only `all` makes this one, having found AVX-512F and BMI2.
            #[cfg(vector_kernels)]
            Set::Avx512 => unsafe { x86_avx512::fill(key, lanes, out, aside) },
        }
    }
}

/// Work for the integer units while the vector units compute blocks, at almost no cost.
///
/// A trait rather than a closure, so that inlining can be forced: a call would have to save all vector
/// registers. Passed by value, so that it has registers of its own.
pub(super) trait Aside {
    /// Does `len` bytes of the work (a multiple of 16), or nothing if less is left.
    fn go_on(&mut self, len: usize);
}

impl Aside for () {
    #[inline(always)]
    fn go_on(&mut self, _: usize) {}
}
