//! The options of a context, typed.

use std::collections::BTreeSet;
use std::ffi::c_int;

use super::row::{self, Empty, Row, refuse_get, refuse_set, row};
use super::socket_values::{SocketOptions, SocketType};
use super::table::{MAX, PATH_MAX};
use super::text::Text;
use super::value;
use super::{draft_number::*, number::*};
use crate::errno::{Errno, Result};

/// The value of `ZMQ_SOCKET_LIMIT`: epoll puts no bound of its own on sockets.
const SOCKET_LIMIT: i32 = 65_535;
/// `sizeof (zmq_msg_t)`, which programs have compiled in and so never changes.
const MSG_T_SIZE: i32 = 64;
/// Enough for 16,384 handshakes at once, or 1,024 with TLS.
const MAX_HANDSHAKES_BYTES: i32 = 64 << 20;
/// Bytes of a thread's name on Linux, its NUL included.
const THREAD_NAME_PREFIX_MAX: usize = 16;

/// All values that `zmq_ctx_set` can set.
///
/// `Default` only serves [`ContextOptions::new`], which writes the table's defaults into it.
#[derive(Clone, Debug, Default)]
pub struct ContextOptions {
    pub io_threads: i32,
    pub max_sockets: i32,
    /// Most bytes of one message that may be received.
    pub max_msgsz: i32,
    /// Whether new sockets linger for ever; otherwise they do not linger.
    pub blocky: bool,
    pub ipv6: bool,
    pub zero_copy_recv: bool,
    /// -1 leaves the priority as it is.
    pub thread_priority: i32,
    /// A `SCHED_*`; -1 leaves the policy as it is.
    pub thread_sched_policy: i32,
    /// The processors that I/O threads may run on; empty is all.
    pub thread_affinity_cpus: BTreeSet<i32>,
    pub thread_name_prefix: Text,
    /// Bytes that the handshakes of all peers that have connected to this context may hold; 0: no limit.
    pub max_handshakes_size: i32,
    /// The path of the file that secures the sockets; empty: the one that the environment names.
    pub security: Text,
}

impl ContextOptions {
    /// The options that `zmq_ctx_new` starts with.
    pub fn new() -> ContextOptions {
        let mut options = ContextOptions::default();
        for row in CONTEXT {
            row.put_default(&mut options);
        }
        options
    }

    /// `zmq_ctx_set_ext`; `zmq_ctx_set` is the same with the four bytes of an int.
    ///
    /// Errors: `EINVAL` for an unknown or read-only option, a wrong size or value, with nothing changed.
    /// Source: zmq_ctx_set(3).
    pub fn set(&mut self, option: c_int, value: &[u8]) -> Result<()> {
        find(option, Row::settable)?.write(self, Some(value))
    }

    /// `zmq_ctx_get_ext`: writes the value into `out` and returns the size to report, always that of `out`.
    ///
    /// Errors: `EINVAL` for an unknown or write-only option or a wrong size of `out`. Source: zmq_ctx_get(3).
    pub fn get(&self, option: c_int, out: &mut [u8]) -> Result<usize> {
        find(option, Row::gettable)?.read(self, out)
    }

    /// `zmq_ctx_set`. Errors: as [`ContextOptions::set`].
    pub fn set_int(&mut self, option: c_int, number: c_int) -> Result<()> {
        self.set(option, &number.to_ne_bytes())
    }

    /// `zmq_ctx_get`. Errors: as [`ContextOptions::get`].
    pub fn int(&self, option: c_int) -> Result<c_int> {
        let mut out = [0; size_of::<c_int>()];
        self.get(option, &mut out)?;
        Ok(c_int::from_ne_bytes(out))
    }

    /// The options that a new socket of this type starts with in this context.
    pub fn socket_options(&self, socket_type: SocketType) -> SocketOptions {
        let mut options = SocketOptions::new(socket_type);
        options.ipv6 = self.ipv6;
        options.zero_copy = self.zero_copy_recv;
        if !self.blocky {
            options.linger_ms = 0;
        }
        options
    }
}

/// The rows of a context's options. `ZMQ_SOCKET_LIMIT` and `ZMQ_THREAD_PRIORITY` share a number.
static CONTEXT: &[Row<ContextOptions>] = &[
    row!(ZMQ_IO_THREADS, Both, NextStart, int(ZMQ_IO_THREADS_DFLT, 0, MAX) in io_threads),
    row!(ZMQ_MAX_SOCKETS, Both, NextStart, int(ZMQ_MAX_SOCKETS_DFLT, 1, MAX) in max_sockets),
    row!(ZMQ_SOCKET_LIMIT, Get, AtOnce, int(SOCKET_LIMIT, 1, MAX) by refuse_set, socket_limit),
    row!(ZMQ_THREAD_PRIORITY, Set, NextStart, int(ZMQ_THREAD_PRIORITY_DFLT, 0, MAX) in thread_priority),
    row!(ZMQ_THREAD_SCHED_POLICY, Both, NextStart, int(ZMQ_THREAD_SCHED_POLICY_DFLT, 0, MAX) in thread_sched_policy),
    row!(ZMQ_MAX_MSGSZ, Both, NextStart, int(MAX, 0, MAX) in max_msgsz),
    row!(ZMQ_MSG_T_SIZE, Get, AtOnce, int(MSG_T_SIZE, 1, MAX) by refuse_set, msg_t_size),
    row!(ZMQ_THREAD_AFFINITY_CPU_ADD, Set, NextStart, list() by add_cpu, refuse_get),
    row!(ZMQ_THREAD_AFFINITY_CPU_REMOVE, Set, NextStart, list() by remove_cpu, refuse_get),
    row!(ZMQ_THREAD_NAME_PREFIX, Both, NextStart, text(THREAD_NAME_PREFIX_MAX, Never) by set_name_prefix, name_prefix),
    row!(ZMQ_ZERO_COPY_RECV, Both, NextStart, flag(true, NotNegative) in zero_copy_recv),
    row!(ZMQ_IPV6, Both, NextStart, flag(false, NotNegative) in ipv6),
    row!(ZMQ_BLOCKY, Both, NextStart, flag(true, NotNegative) in blocky),
    row!(ZMQ_FERRO_MAX_HANDSHAKES_SIZE, Both, AtOnce, int(MAX_HANDSHAKES_BYTES, 0, MAX) in max_handshakes_size),
    row!(ZMQ_FERRO_SECURITY, Both, NextStart, text(PATH_MAX, BySize) in security),
];

fn find(option: c_int, usable: fn(&Row<ContextOptions>) -> bool) -> Result<&'static Row<ContextOptions>> {
    CONTEXT.iter().find(|row| row.number == option && usable(row)).ok_or(Errno::INVAL)
}

fn socket_limit(_: &ContextOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, SOCKET_LIMIT)
}

fn msg_t_size(_: &ContextOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, MSG_T_SIZE)
}

fn add_cpu(options: &mut ContextOptions, value: Option<&[u8]>) -> Result<()> {
    options.thread_affinity_cpus.insert(value::int_within(value.unwrap_or_default(), 0, MAX)?);
    Ok(())
}

/// Only a processor that was added can be removed.
fn remove_cpu(options: &mut ContextOptions, value: Option<&[u8]>) -> Result<()> {
    let cpu = value::int_within(value.unwrap_or_default(), 0, MAX)?;
    if options.thread_affinity_cpus.remove(&cpu) { Ok(()) } else { Err(Errno::INVAL) }
}

/// A value of four bytes is an int, whose decimal digits become the prefix. A value of another size is the
/// prefix itself.
fn set_name_prefix(options: &mut ContextOptions, value: Option<&[u8]>) -> Result<()> {
    let value = value.unwrap_or_default();
    options.thread_name_prefix = match value::int(value) {
        Ok(number) => Text::from(number.to_string()),
        Err(_) => row::text(Some(value), THREAD_NAME_PREFIX_MAX, Empty::Never)?,
    };
    Ok(())
}

/// A buffer of four bytes gets an int: C's `atoi` of the prefix. Any other buffer gets the prefix without a
/// NUL and keeps its other bytes. The prefix's length is not reported, so a caller clears the buffer
/// beforehand.
fn name_prefix(options: &ContextOptions, out: &mut [u8]) -> Result<usize> {
    let prefix = options.thread_name_prefix.as_bytes();
    let size = out.len();
    if size == size_of::<c_int>() {
        return value::put_int(out, atoi(options.thread_name_prefix.as_c_bytes()));
    }
    out.get_mut(..prefix.len()).ok_or(Errno::INVAL)?.copy_from_slice(prefix);
    Ok(size)
}

/// The number at the start of `text`; 0 where there is none. A number too large wraps as in the C library.
fn atoi(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    // At most 16 digits come here, far below the limit of an i64.
    let number = digits
        .iter()
        .take_while(|digit| digit.is_ascii_digit())
        .fold(0i64, |number, digit| number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
    (if negative { number.wrapping_neg() } else { number }) as i32
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn defaults_are_those_of_the_header() {
        let options = ContextOptions::new();
        for (option, default) in [
            (ZMQ_IO_THREADS, 1),
            (ZMQ_MAX_SOCKETS, 1023),
            (ZMQ_SOCKET_LIMIT, 65_535),
            (ZMQ_THREAD_SCHED_POLICY, -1),
            (ZMQ_MAX_MSGSZ, i32::MAX),
            (ZMQ_MSG_T_SIZE, 64),
            (ZMQ_THREAD_NAME_PREFIX, 0),
            (ZMQ_ZERO_COPY_RECV, 1),
            (ZMQ_IPV6, 0),
            (ZMQ_BLOCKY, 1),
            (ZMQ_FERRO_MAX_HANDSHAKES_SIZE, 67_108_864),
        ] {
            assert_eq!(options.int(option), Ok(default), "option {option}");
        }
        assert_eq!(options.thread_priority, -1);
        for write_only in [ZMQ_THREAD_AFFINITY_CPU_ADD, ZMQ_THREAD_AFFINITY_CPU_REMOVE, 0, -1, 11, 1000] {
            assert_eq!(options.int(write_only), Err(Errno::INVAL), "option {write_only}");
        }
    }

    #[test]
    fn ranges_are_kept() {
        let mut options = ContextOptions::new();
        for (option, lowest) in [
            (ZMQ_IO_THREADS, 0),
            (ZMQ_MAX_SOCKETS, 1),
            (ZMQ_THREAD_PRIORITY, 0),
            (ZMQ_THREAD_SCHED_POLICY, 0),
            (ZMQ_MAX_MSGSZ, 0),
            (ZMQ_ZERO_COPY_RECV, 0),
            (ZMQ_IPV6, 0),
            (ZMQ_BLOCKY, 0),
            (ZMQ_FERRO_MAX_HANDSHAKES_SIZE, 0),
        ] {
            assert_eq!(options.set_int(option, lowest - 1), Err(Errno::INVAL), "option {option}");
            assert_eq!(options.set_int(option, lowest), Ok(()), "option {option}");
            assert_eq!(options.set_int(option, i32::MAX), Ok(()), "option {option}");
            assert_eq!(options.set(option, &[0; 8]), Err(Errno::INVAL), "option {option}");
        }
        assert_eq!(options.int(ZMQ_BLOCKY), Ok(1), "any positive number is read as 1");
        assert_eq!(options.thread_priority, i32::MAX, "3 is the priority when written");
        assert_eq!(options.int(ZMQ_SOCKET_LIMIT), Ok(65_535), "and the limit when read");
        assert_eq!(options.set_int(ZMQ_MSG_T_SIZE, 64), Err(Errno::INVAL));
    }

    #[test]
    fn processors_can_be_removed_only_once_added() {
        let mut options = ContextOptions::new();
        assert_eq!(options.set_int(ZMQ_THREAD_AFFINITY_CPU_REMOVE, 2), Err(Errno::INVAL));
        assert_eq!(options.set_int(ZMQ_THREAD_AFFINITY_CPU_ADD, -1), Err(Errno::INVAL));
        options.set_int(ZMQ_THREAD_AFFINITY_CPU_ADD, 2).unwrap();
        options.set_int(ZMQ_THREAD_AFFINITY_CPU_ADD, 5).unwrap();
        options.set_int(ZMQ_THREAD_AFFINITY_CPU_REMOVE, 2).unwrap();
        assert_eq!(options.thread_affinity_cpus.iter().copied().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn the_name_prefix_is_a_number_or_a_string_by_its_size() {
        let mut options = ContextOptions::new();
        options.set_int(ZMQ_THREAD_NAME_PREFIX, 1234).unwrap();
        assert_eq!(options.thread_name_prefix, "1234");
        assert_eq!(options.int(ZMQ_THREAD_NAME_PREFIX), Ok(1234));

        assert_eq!(options.set(ZMQ_THREAD_NAME_PREFIX, b""), Err(Errno::INVAL));
        assert_eq!(options.set(ZMQ_THREAD_NAME_PREFIX, &[b'a'; 17]), Err(Errno::INVAL));
        options.set(ZMQ_THREAD_NAME_PREFIX, b"MyPrefix9876\0").unwrap();
        assert_eq!(options.int(ZMQ_THREAD_NAME_PREFIX), Ok(0), "no number at its start");
        let mut out = [b'#'; 16];
        assert_eq!(options.get(ZMQ_THREAD_NAME_PREFIX, &mut out), Ok(16), "the caller's size is reported");
        assert_eq!(&out, b"MyPrefix9876\0###", "bytes behind the prefix are kept");
        assert_eq!(options.get(ZMQ_THREAD_NAME_PREFIX, &mut out[..12]), Err(Errno::INVAL));
    }

    #[test]
    fn atoi_reads_what_c_reads() {
        for (text, number) in [
            ("", 0),
            ("x1", 0),
            (" -12ab", -12),
            ("+7", 7),
            ("4294967297", 1),
            ("9999999999999999", 1874919423),
        ] {
            assert_eq!(atoi(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn new_sockets_inherit_from_their_context() {
        let mut context = ContextOptions::new();
        assert_eq!(context.socket_options(SocketType::Pair).linger_ms, -1);
        assert_eq!(context.socket_options(SocketType::Sub).linger_ms, 0);
        context.set_int(ZMQ_BLOCKY, 0).unwrap();
        context.set_int(ZMQ_IPV6, 1).unwrap();
        context.set_int(ZMQ_ZERO_COPY_RECV, 0).unwrap();
        let socket = context.socket_options(SocketType::Push);
        assert_eq!((socket.linger_ms, socket.ipv6, socket.zero_copy), (0, true, false));
    }
}
