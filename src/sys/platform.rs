//! What an operating system and a processor must give, and what is used where they give more.
//!
//! **Every system** gives:
//! - threads and their destructors (pthreads), `pthread_atfork`, `mmap`, a monotonic clock;
//! - non-blocking sockets with `sendmsg` and `recvmsg`, Unix sockets among them, `pipe` and `poll`;
//! - what mio watches descriptors with (epoll or kqueue), and `/dev/urandom`.
//!
//! **Every processor** gives pointers of 32 or 64 bits, and atomic operations on them and on 64 bits.
//!
//! [`EXTRAS`] are what is used where it can be had, each with what stands in elsewhere. build.rs includes this file. It sets a cfg for
//! each extra that the target has. The rest of the source asks for that cfg and not for the system, but for what stands below.
//!
//! The cargo feature `portable` leaves out all that has a stand-in. So any Linux machine can run the tests as they would run on a
//! system that gives no more than it must.
//!
//! These have no cfg, since a system without them only does less: names, priorities and processors of threads; `malloc_trim`; `tipc://`
//! and `vsock://`; probes.
//!
//! These have none either. Their file chooses by the system, and has two ways of a few lines each:
//! - the user of a local peer: `SO_PEERCRED`, else `getpeereid`, which tells no process ([`credentials`](super::credentials));
//! - streams that are non-blocking from the start: `accept4` and `SOCK_NONBLOCK`, else `fcntl` behind the call ([`net`](super::net));
//! - room for a file of counters: `posix_fallocate`, else `ftruncate` ([`mapped_file`](super::mapped_file));
//! - whether a setuid program runs: `AT_SECURE`, else user numbers ([`environment`](super::environment)).
//!
//! `portable` does not leave these out: on Linux no test runs the other way.

/// What rustc says of a target, in cargo's words (`CARGO_CFG_TARGET_OS` and so on).
#[derive(Debug)]
pub struct Target {
    pub os: String,
    pub env: String,
    pub arch: String,
    pub pointer_width: String,
    pub endian: String,
}

/// Something that not every target has.
pub struct Extra {
    /// The name of the cfg.
    pub cfg: &'static str,
    /// What is done without it. `None`: nothing can stand in, and `portable` does not leave it out.
    #[allow(dead_code)]
    pub stand_in: Option<&'static str>,
    has: fn(&Target) -> bool,
}

/// Every extra.
pub const EXTRAS: [Extra; 9] = [
    Extra {
        // System calls by number. The layouts of 64 bits are enough, and MIPS has its own numbers of errors.
        cfg: "direct_calls",
        stand_in: Some("libc's functions, with pthread_cancel disabled meanwhile"),
        has: |target| {
            target.os == "linux" && target.pointer_width == "64" && !target.arch.starts_with("mips")
        },
    },
    Extra {
        // glibc's way of ending a thread inside of a call that sleeps.
        cfg: "cancel_in_calls",
        stand_in: Some("a cancelled thread ends when its call returns"),
        has: |target| {
            target.os == "linux"
                && target.env == "gnu"
                && target.pointer_width == "64"
                && has_assembly(target)
        },
    },
    Extra {
        cfg: "eventfd",
        stand_in: Some("a pipe"),
        has: |target| is_linux(target) || target.os == "freebsd",
    },
    Extra {
        cfg: "futex",
        stand_in: Some(
            "a thread without descriptors to wait for polls its bell; locks and joins wait on the standard library's Condvar",
        ),
        has: is_linux,
    },
    Extra {
        // EPOLLEXCLUSIVE, and its order.
        cfg: "front_epoll",
        stand_in: Some("a thread borrows its streams anew for each wait, and polls them"),
        has: is_linux,
    },
    Extra {
        cfg: "getrandom",
        stand_in: Some("/dev/urandom"),
        has: |target| is_linux(target) || target.os == "freebsd",
    },
    Extra {
        // A signal mask for a wait.
        cfg: "ppoll",
        stand_in: None,
        has: |target| is_linux(target) || target.os == "freebsd",
    },
    Extra {
        // Salsa20 with SSE2, AVX2 and AVX-512; which of them, the processor says at run time.
        cfg: "vector_kernels",
        stand_in: Some("the kernel in Rust for any processor"),
        has: |target| target.arch == "x86_64",
    },
    Extra {
        // graviola; whether the processor can, it says at run time.
        cfg: "fast_x25519",
        stand_in: Some("x25519-dalek"),
        has: |target| has_assembly(target) && target.endian == "little",
    },
];

/// The cfgs of a target; of those with a stand-in none with `portable`.
pub fn cfgs(target: &Target, portable: bool) -> impl Iterator<Item = &'static str> {
    let wanted = move |extra: &&Extra| (extra.has)(target) && !(portable && extra.stand_in.is_some());
    EXTRAS.iter().filter(wanted).map(|extra| extra.cfg)
}

fn is_linux(target: &Target) -> bool {
    target.os == "linux" || target.os == "android"
}

fn has_assembly(target: &Target) -> bool {
    target.arch == "x86_64" || target.arch == "aarch64"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(os: &str, env: &str, arch: &str, pointer_width: &str) -> Target {
        let [os, env, arch, pointer_width, endian] =
            [os, env, arch, pointer_width, "little"].map(str::to_owned);
        Target { os, env, arch, pointer_width, endian }
    }

    fn has(target: &Target, cfg: &str) -> bool {
        cfgs(target, false).any(|one| one == cfg)
    }

    #[test]
    fn each_target_has_its_extras() {
        let here = target("linux", "gnu", "x86_64", "64");
        assert_eq!(cfgs(&here, false).count(), EXTRAS.len());
        assert_eq!(cfgs(&here, true).collect::<Vec<_>>(), ["ppoll"]);
        let musl = target("linux", "musl", "aarch64", "64");
        assert!(has(&musl, "direct_calls") && has(&musl, "futex") && has(&musl, "fast_x25519"));
        assert!(!has(&musl, "cancel_in_calls") && !has(&musl, "vector_kernels"));
        // x32: a 64-bit processor with pointers of 32 bits.
        for narrow in [target("linux", "gnu", "x86", "32"), target("linux", "gnu", "x86_64", "32")] {
            assert!(
                has(&narrow, "futex") && !has(&narrow, "direct_calls") && !has(&narrow, "cancel_in_calls")
            );
        }
        let apple = target("macos", "", "aarch64", "64");
        assert_eq!(cfgs(&apple, false).collect::<Vec<_>>(), ["fast_x25519"]);
        let freebsd = target("freebsd", "", "x86_64", "64");
        assert!(has(&freebsd, "eventfd") && has(&freebsd, "ppoll") && !has(&freebsd, "futex"));
    }

    #[test]
    fn big_ends_have_no_assembly() {
        let big = Target { endian: "big".to_owned(), ..target("linux", "gnu", "aarch64", "64") };
        assert!(!has(&big, "fast_x25519") && has(&big, "direct_calls"));
    }
}
