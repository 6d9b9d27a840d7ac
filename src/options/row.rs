//! One row of an option table, and how it reads and writes the option.

use std::ffi::c_int;

use super::socket_values::SocketOptions;
use super::text::Text;
use super::value::{self, FlagRule};
use crate::errno::{Errno, Result};

/// One option, of a socket by default, with all its properties.
pub struct Row<S: 'static = SocketOptions> {
    /// The number in `zmq.h`.
    pub number: c_int,
    /// The name in `zmq.h`.
    pub name: &'static str,
    /// C type, default and accepted values.
    pub kind: Kind,
    /// Whether it can be read, written or both.
    pub access: Access,
    /// When a new value takes effect.
    pub when: When,
    /// The layer that answers `zmq_setsockopt` for it.
    pub owner: Owner,
    pub(super) store: Store<S>,
}

/// The C type of an option with its default and the values it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `int` from `min` to `max`, both included.
    Int { default: i32, min: i32, max: i32 },
    /// `int` that means yes or no; read as 0 or 1.
    Flag { default: bool, rule: FlagRule },
    /// `uint64_t`.
    U64 { default: u64 },
    /// `int64_t`.
    I64 { default: i64 },
    /// Bytes, from `min` to `max` of them; read without a NUL. Empty by default.
    Binary { min: usize, max: usize },
    /// A string of at most `max` bytes; read with a NUL behind it. Empty by default.
    Text { max: usize, empty: Empty },
    /// A CURVE key: 32 bytes, or 40 characters of Z85 with or without a NUL. All zero by default. Or a key of QZMQ in the same forms.
    Key,
    /// Each value is one more entry of a list; NULL empties the list. Empty by default.
    List,
}

/// How a string option is made empty again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// By NULL with size 0; a pointer with size 0 is `EINVAL`.
    ByNull,
    /// By size 0, with any pointer.
    BySize,
    /// It cannot be: size 0 is `EINVAL`.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Get,
    Set,
    Both,
}

/// When a new value takes effect. Source: zmq_setsockopt(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// From the next operation on, for existing connections too.
    AtOnce,
    /// For endpoints bound or connected afterwards; those that exist keep the old value.
    NextEndpoint,
    /// Of a context: for what is started afterwards, the I/O threads or the next socket.
    NextStart,
}

/// The layer that answers for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The socket, of any type: for state such as `ZMQ_EVENTS`, which is not a setting.
    Socket,
    /// The socket types that know the option; all others answer `EINVAL`.
    Pattern,
    /// The table itself, for every socket type.
    Common,
}

/// The place of the value.
pub(super) enum Store<S: 'static> {
    Int(Place<S, i32>),
    Flag(Place<S, bool>),
    U64(Place<S, u64>),
    I64(Place<S, i64>),
    Binary(Place<S, Vec<u8>>),
    Text(Place<S, Text>),
    /// The value has rules or side effects of its own.
    Special {
        set: fn(&mut S, Option<&[u8]>) -> Result<()>,
        get: fn(&S, &mut [u8]) -> Result<usize>,
    },
    /// With the owner, not in the options.
    Elsewhere,
    /// Nowhere: the feature is not part of this build.
    NotBuilt,
}

/// A field of `S`, to read and to write.
pub(super) struct Place<S: 'static, T: 'static> {
    pub of: fn(&S) -> &T,
    pub of_mut: fn(&mut S) -> &mut T,
}

impl<S> Row<S> {
    pub fn gettable(&self) -> bool {
        self.access != Access::Set
    }

    pub fn settable(&self) -> bool {
        self.access != Access::Get
    }

    /// Whether this build supports the option.
    pub fn built(&self) -> bool {
        !matches!(self.store, Store::NotBuilt)
    }

    /// Checks `value` and stores it in `options`, without regard to the owner; `None` is C's NULL pointer. A
    /// pattern uses this for its own options that live in the common struct. Errors: `EINVAL`, with nothing
    /// changed.
    pub fn write(&self, options: &mut S, value: Option<&[u8]>) -> Result<()> {
        if !self.settable() {
            return Err(Errno::INVAL);
        }
        if let Store::Special { set, .. } = &self.store {
            return set(options, value);
        }
        let given = value.unwrap_or_default();
        match (&self.kind, &self.store) {
            (&Kind::Int { min, max, .. }, Store::Int(place)) => {
                *(place.of_mut)(options) = value::int_within(given, min, max)?;
            }
            (&Kind::Flag { rule, .. }, Store::Flag(place)) => {
                *(place.of_mut)(options) = value::flag(given, rule)?;
            }
            (Kind::U64 { .. }, Store::U64(place)) => *(place.of_mut)(options) = value::u64(given)?,
            (Kind::I64 { .. }, Store::I64(place)) => *(place.of_mut)(options) = value::i64(given)?,
            (Kind::Binary { min, max }, Store::Binary(place)) => {
                if !(min..=max).contains(&&given.len()) {
                    return Err(Errno::INVAL);
                }
                *(place.of_mut)(options) = given.to_vec();
            }
            (&Kind::Text { max, empty }, Store::Text(place)) => {
                *(place.of_mut)(options) = text(value, max, empty)?;
            }
            _ => return Err(Errno::INVAL),
        }
        Ok(())
    }

    /// Writes the value into `out`, without regard to the owner, and returns the size to report. Errors:
    /// `EINVAL`, also where `out` has the wrong size.
    pub fn read(&self, options: &S, out: &mut [u8]) -> Result<usize> {
        if !self.gettable() {
            return Err(Errno::INVAL);
        }
        match &self.store {
            Store::Int(place) => value::put_int(out, *(place.of)(options)),
            Store::Flag(place) => value::put_int(out, i32::from(*(place.of)(options))),
            Store::U64(place) => value::put_u64(out, *(place.of)(options)),
            Store::I64(place) => value::put_i64(out, *(place.of)(options)),
            Store::Binary(place) => value::put_bytes(out, (place.of)(options)),
            Store::Text(place) => value::put_c_str(out, (place.of)(options).as_bytes()),
            Store::Special { get, .. } => get(options, out),
            Store::Elsewhere | Store::NotBuilt => Err(Errno::INVAL),
        }
    }

    /// Stores the default where it is a number. Strings, lists and keys are empty in a default `S` already.
    pub(super) fn put_default(&self, options: &mut S) {
        match (&self.kind, &self.store) {
            (&Kind::Int { default, .. }, Store::Int(place)) => *(place.of_mut)(options) = default,
            (&Kind::Flag { default, .. }, Store::Flag(place)) => *(place.of_mut)(options) = default,
            (&Kind::U64 { default }, Store::U64(place)) => *(place.of_mut)(options) = default,
            (&Kind::I64 { default }, Store::I64(place)) => *(place.of_mut)(options) = default,
            _ => {}
        }
    }
}

#[cfg(test)]
impl Row<SocketOptions> {
    /// Whether `zmq.h` shows the option only where `ZMQ_BUILD_DRAFT_API` is defined.
    pub fn is_draft(&self) -> bool {
        use super::draft_number::{ZMQ_NORM_PUSH, ZMQ_ZAP_ENFORCE_DOMAIN};
        (ZMQ_ZAP_ENFORCE_DOMAIN..=ZMQ_NORM_PUSH).contains(&self.number)
    }
}

/// One row: `row!(number, access, when, kind place)`. The kind is `int(default, min, max)`, `flag(default,
/// rule)`, `uint64(default)`, `int64(default)`, `binary(min, max)`, `text(max, empty)`, `key()` or `list()`.
/// The place of the value is `in field`, `in field of Owner`, `by setter, getter`, `of Owner` (kept by the
/// owner) or `not built`.
macro_rules! row {
    ($number:ident, $access:ident, $when:ident, $kind:ident $values:tt in $field:ident) => {
        row!(@ $number, $access, $when, Common, $kind $values, row!(@store $kind $field))
    };
    ($number:ident, $access:ident, $when:ident, $kind:ident $values:tt in $field:ident of $owner:ident) => {
        row!(@ $number, $access, $when, $owner, $kind $values, row!(@store $kind $field))
    };
    ($number:ident, $access:ident, $when:ident, $kind:ident $values:tt by $set:ident, $get:ident) => {
        row!(@ $number, $access, $when, Common, $kind $values, $crate::options::row::Store::Special {
            set: $set,
            get: $get,
        })
    };
    ($number:ident, $access:ident, $when:ident, $kind:ident $values:tt of $owner:ident) => {
        row!(@ $number, $access, $when, $owner, $kind $values, $crate::options::row::Store::Elsewhere)
    };
    ($number:ident, $access:ident, $when:ident, $kind:ident $values:tt not built) => {
        row!(@ $number, $access, $when, Common, $kind $values, $crate::options::row::Store::NotBuilt)
    };
    (@ $number:ident, $access:ident, $when:ident, $owner:ident, $kind:ident $values:tt, $store:expr) => {
        $crate::options::row::Row {
            number: $number,
            name: stringify!($number),
            kind: row!(@kind $kind $values),
            access: $crate::options::row::Access::$access,
            when: $crate::options::row::When::$when,
            owner: $crate::options::row::Owner::$owner,
            store: $store,
        }
    };
    (@kind int($default:expr, $min:expr, $max:expr)) => {
        $crate::options::row::Kind::Int { default: $default, min: $min, max: $max }
    };
    (@kind flag($default:expr, $rule:ident)) => {
        $crate::options::row::Kind::Flag {
            default: $default,
            rule: $crate::options::value::FlagRule::$rule,
        }
    };
    (@kind uint64($default:expr)) => { $crate::options::row::Kind::U64 { default: $default } };
    (@kind int64($default:expr)) => { $crate::options::row::Kind::I64 { default: $default } };
    (@kind binary($min:expr, $max:expr)) => {
        $crate::options::row::Kind::Binary { min: $min, max: $max }
    };
    (@kind text($max:expr, $empty:ident)) => {
        $crate::options::row::Kind::Text { max: $max, empty: $crate::options::row::Empty::$empty }
    };
    (@kind key()) => { $crate::options::row::Kind::Key };
    (@kind list()) => { $crate::options::row::Kind::List };
    (@store int $field:ident) => { $crate::options::row::Store::Int(row!(@place $field)) };
    (@store flag $field:ident) => { $crate::options::row::Store::Flag(row!(@place $field)) };
    (@store uint64 $field:ident) => { $crate::options::row::Store::U64(row!(@place $field)) };
    (@store int64 $field:ident) => { $crate::options::row::Store::I64(row!(@place $field)) };
    (@store binary $field:ident) => { $crate::options::row::Store::Binary(row!(@place $field)) };
    (@store text $field:ident) => { $crate::options::row::Store::Text(row!(@place $field)) };
    (@place $field:ident) => {
        $crate::options::row::Place { of: |options| &options.$field, of_mut: |options| &mut options.$field }
    };
}
pub(super) use row;

/// A string value under the rules of [`Kind::Text`].
pub(super) fn text(value: Option<&[u8]>, max: usize, empty: Empty) -> Result<Text> {
    match value {
        Some(bytes) if !bytes.is_empty() && bytes.len() <= max => Ok(Text::from(bytes)),
        None if empty != Empty::Never => Ok(Text::new()),
        Some([]) if empty == Empty::BySize => Ok(Text::new()),
        _ => Err(Errno::INVAL),
    }
}

/// The `set` of a special option that can only be read.
pub(super) fn refuse_set<S>(_: &mut S, _: Option<&[u8]>) -> Result<()> {
    Err(Errno::INVAL)
}

/// The `get` of a special option that can only be written.
pub(super) fn refuse_get<S>(_: &S, _: &mut [u8]) -> Result<usize> {
    Err(Errno::INVAL)
}
