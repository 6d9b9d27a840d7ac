//! Option values as C passes them: a pointer and a size, checked as libzmq checks them.
//!
//! Reading (`zmq_setsockopt`) always requires the exact size of a number. Writing (`zmq_getsockopt`) has two
//! rules, and programs notice which one applies. Most numbers require a buffer of exactly their size
//! ([`put_int`], [`put_u64`], [`put_i64`]).
//!
//! Strings, and the few numbers that the socket itself answers, accept any buffer that is large enough. They
//! clear the unused rest and report the size written ([`put_bytes`], [`put_c_str`], [`put_int_padded`]).
//! Source: zmq_setsockopt(3), zmq_getsockopt(3).

use crate::errno::{Errno, Result};

/// The integers that a yes-or-no option accepts. They differ from option to option, and programs rely on
/// each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagRule {
    /// 0 and 1, nothing else.
    ZeroOrOne,
    /// 0 is no, every other number is yes, negative ones too.
    Any,
    /// 0 is no, every positive number is yes. The rule of the socket types and of the context.
    NotNegative,
}

/// A C `int`. Errors: `EINVAL` unless `value` is four bytes long.
pub fn int(value: &[u8]) -> Result<i32> {
    exact(value).map(i32::from_ne_bytes)
}

/// A C `uint64_t`. Errors: `EINVAL` unless `value` is eight bytes long.
pub fn u64(value: &[u8]) -> Result<u64> {
    exact(value).map(u64::from_ne_bytes)
}

/// A C `int64_t`. Errors: `EINVAL` unless `value` is eight bytes long.
pub fn i64(value: &[u8]) -> Result<i64> {
    exact(value).map(i64::from_ne_bytes)
}

/// A C `int` from `min` to `max`, both included. Errors: `EINVAL`.
pub fn int_within(value: &[u8], min: i32, max: i32) -> Result<i32> {
    let number = int(value)?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(Errno::INVAL) }
}

/// A C `int` that means yes or no. Errors: `EINVAL` for another size or a number that `rule` excludes.
pub fn flag(value: &[u8], rule: FlagRule) -> Result<bool> {
    let number = int(value)?;
    let allowed = match rule {
        FlagRule::ZeroOrOne => number == 0 || number == 1,
        FlagRule::Any => true,
        FlagRule::NotNegative => number >= 0,
    };
    if allowed { Ok(number != 0) } else { Err(Errno::INVAL) }
}

/// Adds the four-byte number in `value` to a list of accepted peers, once. `None`, C's NULL, empties the
/// list. Errors: `EINVAL` unless `value` is four bytes long.
pub(super) fn add_or_clear<T: PartialEq>(
    list: &mut Vec<T>,
    value: Option<&[u8]>,
    convert: fn([u8; 4]) -> T,
) -> Result<()> {
    let Some(value) = value else {
        list.clear();
        return Ok(());
    };
    let number = convert(exact(value)?);
    if !list.contains(&number) {
        list.push(number);
    }
    Ok(())
}

/// Writes a C `int`; returns 4. Errors: `EINVAL` unless `out` is exactly four bytes long.
pub fn put_int(out: &mut [u8], number: i32) -> Result<usize> {
    put_exact(out, &number.to_ne_bytes())
}

/// Writes a C `uint64_t`; returns 8. Errors: `EINVAL` unless `out` is exactly eight bytes long.
pub fn put_u64(out: &mut [u8], number: u64) -> Result<usize> {
    put_exact(out, &number.to_ne_bytes())
}

/// Writes a C `int64_t`; returns 8. Errors: `EINVAL` unless `out` is exactly eight bytes long.
pub fn put_i64(out: &mut [u8], number: i64) -> Result<usize> {
    put_exact(out, &number.to_ne_bytes())
}

/// Writes a C `int` into a buffer of four bytes or more and clears the rest; returns 4. This is the rule of
/// `ZMQ_RCVMORE`, `ZMQ_FD`, `ZMQ_EVENTS`, `ZMQ_THREAD_SAFE` and `ZMQ_TOPICS_COUNT`. Errors: `EINVAL`.
pub fn put_int_padded(out: &mut [u8], number: i32) -> Result<usize> {
    put_bytes(out, &number.to_ne_bytes())
}

/// Writes `bytes` and clears the rest of `out`; returns the length of `bytes`. Errors: `EINVAL` where `out`
/// is too small, which is then left unchanged.
pub fn put_bytes(out: &mut [u8], bytes: &[u8]) -> Result<usize> {
    let (head, rest) = out.split_at_mut_checked(bytes.len()).ok_or(Errno::INVAL)?;
    head.copy_from_slice(bytes);
    rest.fill(0);
    Ok(bytes.len())
}

/// Writes `text` with a NUL behind it and clears the rest of `out`; returns the length with the NUL. Errors:
/// `EINVAL` where `out` is too small, which is then left unchanged.
pub fn put_c_str(out: &mut [u8], text: &[u8]) -> Result<usize> {
    if out.len() <= text.len() {
        return Err(Errno::INVAL);
    }
    // The byte behind the text exists, and `put_bytes` clears it.
    put_bytes(out, text).map(|length| length + 1)
}

fn exact<const N: usize>(value: &[u8]) -> Result<[u8; N]> {
    value.try_into().map_err(|_| Errno::INVAL)
}

fn put_exact(out: &mut [u8], bytes: &[u8]) -> Result<usize> {
    if out.len() != bytes.len() {
        return Err(Errno::INVAL);
    }
    put_bytes(out, bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn numbers_require_their_exact_size() {
        assert_eq!(int(&(-7i32).to_ne_bytes()), Ok(-7));
        assert_eq!(u64(&u64::MAX.to_ne_bytes()), Ok(u64::MAX));
        assert_eq!(i64(&(-1i64).to_ne_bytes()), Ok(-1));
        for size in [0, 1, 3, 5, 8, 16] {
            assert_eq!(int(&vec![0; size]), Err(Errno::INVAL), "int of {size} bytes");
        }
        for size in [0, 4, 7, 9] {
            assert_eq!(u64(&vec![0; size]), Err(Errno::INVAL), "uint64_t of {size} bytes");
            assert_eq!(i64(&vec![0; size]), Err(Errno::INVAL), "int64_t of {size} bytes");
        }
    }

    #[test]
    fn ranges_include_both_ends() {
        let within = |number: i32| int_within(&number.to_ne_bytes(), -1, 5);
        assert_eq!(within(-1), Ok(-1));
        assert_eq!(within(5), Ok(5));
        assert_eq!(within(-2), Err(Errno::INVAL));
        assert_eq!(within(6), Err(Errno::INVAL));
    }

    #[test]
    fn each_flag_rule_accepts_its_own_numbers() {
        let flag = |number: i32, rule| flag(&number.to_ne_bytes(), rule).ok();
        for (number, strict, any, not_negative) in [
            (0, Some(false), Some(false), Some(false)),
            (1, Some(true), Some(true), Some(true)),
            (2, None, Some(true), Some(true)),
            (-1, None, Some(true), None),
        ] {
            assert_eq!(flag(number, FlagRule::ZeroOrOne), strict, "{number}");
            assert_eq!(flag(number, FlagRule::Any), any, "{number}");
            assert_eq!(flag(number, FlagRule::NotNegative), not_negative, "{number}");
        }
    }

    #[test]
    fn padded_numbers_clear_the_rest_and_exact_ones_refuse_it() {
        let mut out = [0xaa; 8];
        assert_eq!(put_int(&mut out, 1), Err(Errno::INVAL));
        assert_eq!(out, [0xaa; 8], "a refused buffer stays as it was");
        assert_eq!(put_int_padded(&mut out, 0x0101_0101), Ok(4));
        assert_eq!(out, [1, 1, 1, 1, 0, 0, 0, 0]);
        assert_eq!(put_int_padded(&mut out[..3], 1), Err(Errno::INVAL));
        assert_eq!(put_u64(&mut out, u64::MAX), Ok(8));
        assert_eq!(put_i64(&mut out[..4], 1), Err(Errno::INVAL));
    }

    #[test]
    fn strings_need_room_for_their_nul_and_binaries_do_not() {
        let mut out = [0xaa; 4];
        assert_eq!(put_c_str(&mut out, b"four"), Err(Errno::INVAL));
        assert_eq!(put_bytes(&mut out, b"four"), Ok(4));
        assert_eq!(&out, b"four");
        assert_eq!(put_c_str(&mut out, b"ab"), Ok(3));
        assert_eq!(&out, b"ab\0\0");
        assert_eq!(put_c_str(&mut [], b""), Err(Errno::INVAL));
        assert_eq!(put_bytes(&mut [], b""), Ok(0));
    }
}
