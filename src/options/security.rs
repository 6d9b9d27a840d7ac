//! Security options. Setting one chooses the mechanism and the role as well, so the order of the calls
//! matters.
//!
//! Sources: zmq_setsockopt(3), zmq_plain(7), zmq_curve(7).

#[cfg(feature = "qzmq")]
use super::qzmq;
#[cfg(feature = "qzmq")]
use super::socket_values::MAX_QZMQ_UPDATE_SIZE;
use super::socket_values::{Mechanism, SocketOptions};
use super::text::Text;
use super::value::{self, FlagRule};
use crate::errno::{Errno, Result};
use crate::z85;
use zeroize::Zeroizing;

/// Most bytes of a user name or password: the length is one byte on the wire (RFC 24).
const PLAIN_MAX: usize = 255;
const KEY_BYTES: usize = 32;
const KEY_Z85: usize = 40;

pub(super) fn set_plain_server(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    set_server(options, value, Mechanism::Plain)
}

pub(super) fn plain_server(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    server(options, out, Mechanism::Plain)
}

pub(super) fn set_plain_username(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    if let Some(username) = plain_credential(options, value)? {
        options.plain_username = username;
    }
    Ok(())
}

pub(super) fn plain_username(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_c_str(out, options.plain_username.as_bytes())
}

pub(super) fn set_plain_password(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    if let Some(password) = plain_credential(options, value)? {
        options.plain_password = password;
    }
    Ok(())
}

pub(super) fn plain_password(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_c_str(out, options.plain_password.as_bytes())
}

pub(super) fn set_curve_server(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    set_server(options, value, Mechanism::Curve)
}

pub(super) fn curve_server(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    server(options, out, Mechanism::Curve)
}

pub(super) fn set_curve_publickey(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let value = value.unwrap_or_default();
    let curve = curve_part(value)?;
    #[cfg(feature = "qzmq")]
    let keeps_both = options.curve_beside_qzmq || options.curve_fallback;
    #[cfg(feature = "qzmq")]
    let is_curves = qzmq::put(qzmq::public(value)?, &mut options.qzmq.public, keeps_both);
    #[cfg(not(feature = "qzmq"))]
    let is_curves = true;
    if is_curves {
        options.curve_public_key = *curve;
    }
    options.mechanism = Mechanism::Curve;
    Ok(())
}

pub(super) fn curve_publickey(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    #[cfg(feature = "qzmq")]
    if let Some(public) = options.qzmq.public.as_ref().filter(|_| !is_for_curve(options, out.len())) {
        return put_key(out, &public.tagged());
    }
    put_key(out, &options.curve_public_key)
}

pub(super) fn set_curve_secretkey(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let value = value.unwrap_or_default();
    let curve = curve_part(value)?;
    #[cfg(feature = "qzmq")]
    let keeps_both = options.curve_beside_qzmq || options.curve_fallback;
    #[cfg(feature = "qzmq")]
    let is_curves = qzmq::put(qzmq::secret(value)?, &mut options.qzmq.secret, keeps_both);
    #[cfg(not(feature = "qzmq"))]
    let is_curves = true;
    if is_curves {
        options.curve_secret_key = curve;
    }
    options.mechanism = Mechanism::Curve;
    Ok(())
}

pub(super) fn curve_secretkey(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    #[cfg(feature = "qzmq")]
    if let Some(secret) = options.qzmq.secret.as_ref().filter(|_| !is_for_curve(options, out.len())) {
        return put_key(out, &secret.tagged());
    }
    put_key(out, &*options.curve_secret_key)
}

/// Only a client has a server's key, so setting it ends the server role.
pub(super) fn set_curve_serverkey(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let value = value.unwrap_or_default();
    let curve = curve_part(value)?;
    #[cfg(feature = "qzmq")]
    let keeps_both = options.curve_beside_qzmq || options.curve_fallback;
    #[cfg(feature = "qzmq")]
    let is_curves = qzmq::put(qzmq::public(value)?, &mut options.qzmq.server, keeps_both);
    #[cfg(not(feature = "qzmq"))]
    let is_curves = true;
    if is_curves {
        options.curve_server_key = *curve;
    }
    options.mechanism = Mechanism::Curve;
    options.as_server = false;
    Ok(())
}

pub(super) fn curve_serverkey(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    #[cfg(feature = "qzmq")]
    if let Some(server) = options.qzmq.server.as_ref().filter(|_| !is_for_curve(options, out.len())) {
        return put_key(out, &server.tagged());
    }
    put_key(out, &options.curve_server_key)
}

#[cfg(feature = "qzmq")]
pub(super) fn set_suites(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.qzmq.set_suites(value.unwrap_or_default())
}

#[cfg(feature = "qzmq")]
pub(super) fn suites(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_bytes(out, options.qzmq.suites())
}

#[cfg(feature = "qzmq")]
pub(super) fn set_update_size(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let size = value::i64(value.unwrap_or_default())?;
    if !(1..=MAX_QZMQ_UPDATE_SIZE).contains(&size) {
        return Err(Errno::INVAL);
    }
    options.qzmq_update_size = size;
    Ok(())
}

#[cfg(feature = "qzmq")]
pub(super) fn update_size(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_i64(out, options.qzmq_update_size)
}

#[cfg(feature = "qzmq")]
pub(super) fn set_authority(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.qzmq.set_authority(value)
}

#[cfg(feature = "qzmq")]
pub(super) fn set_certificate(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.qzmq.set_certificate(value)
}

/// Only a client knows a server by its name, so setting one ends the server role. Taking it away leaves the role.
#[cfg(feature = "qzmq")]
pub(super) fn set_server_name(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let name = value.unwrap_or_default();
    options.qzmq.set_server_name(name)?;
    if !name.is_empty() {
        options.mechanism = Mechanism::Curve;
        options.as_server = false;
    }
    Ok(())
}

#[cfg(feature = "qzmq")]
pub(super) fn set_revoked(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    let fingerprint = value.map(curve_key).transpose()?;
    options.qzmq.set_revoked(fingerprint.map(|fingerprint| *fingerprint));
    Ok(())
}

pub(super) fn mechanism(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_int(out, options.mechanism as i32)
}

/// Both values choose the mechanism.
#[cfg(feature = "gssapi")]
pub(super) fn set_gssapi_server(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.as_server = value::flag(value.unwrap_or_default(), FlagRule::ZeroOrOne)?;
    options.mechanism = Mechanism::Gssapi;
    Ok(())
}

#[cfg(feature = "gssapi")]
pub(super) fn gssapi_server(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    server(options, out, Mechanism::Gssapi)
}

#[cfg(feature = "gssapi")]
pub(super) fn set_gssapi_principal(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.gss_principal = principal(value)?;
    options.mechanism = Mechanism::Gssapi;
    Ok(())
}

#[cfg(feature = "gssapi")]
pub(super) fn gssapi_principal(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_c_str(out, options.gss_principal.as_bytes())
}

/// Only a client names a service to talk to, so setting it ends the server role.
#[cfg(feature = "gssapi")]
pub(super) fn set_gssapi_service_principal(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<()> {
    options.gss_service_principal = principal(value)?;
    options.mechanism = Mechanism::Gssapi;
    options.as_server = false;
    Ok(())
}

#[cfg(feature = "gssapi")]
pub(super) fn gssapi_service_principal(options: &SocketOptions, out: &mut [u8]) -> Result<usize> {
    value::put_c_str(out, options.gss_service_principal.as_bytes())
}

/// Errors: `EINVAL` for an empty name and one of more than 255 bytes.
#[cfg(feature = "gssapi")]
fn principal(value: Option<&[u8]>) -> Result<Text> {
    let name = value.unwrap_or_default();
    if name.is_empty() || name.len() > PLAIN_MAX { Err(Errno::INVAL) } else { Ok(Text::from(name)) }
}

/// 1 chooses the mechanism and the server role. 0 goes back to `ZMQ_NULL`, from any mechanism.
fn set_server(options: &mut SocketOptions, value: Option<&[u8]>, mechanism: Mechanism) -> Result<()> {
    let serve = value::flag(value.unwrap_or_default(), FlagRule::ZeroOrOne)?;
    options.as_server = serve;
    options.mechanism = if serve { mechanism } else { Mechanism::Null };
    Ok(())
}

fn server(options: &SocketOptions, out: &mut [u8], mechanism: Mechanism) -> Result<usize> {
    value::put_int(out, i32::from(options.as_server && options.mechanism == mechanism))
}

/// The user name or password to store. NULL goes back to `ZMQ_NULL` and leaves the credentials as they are.
fn plain_credential(options: &mut SocketOptions, value: Option<&[u8]>) -> Result<Option<Text>> {
    let Some(credential) = value else {
        options.mechanism = Mechanism::Null;
        return Ok(None);
    };
    if credential.is_empty() || credential.len() > PLAIN_MAX {
        return Err(Errno::INVAL);
    }
    options.as_server = false;
    options.mechanism = Mechanism::Plain;
    Ok(Some(Text::from(credential)))
}

/// A CURVE key as 32 bytes, or as 40 characters of Z85 with or without a NUL. Wiped when dropped, as it may
/// be a secret key. Errors: `EINVAL`.
pub fn curve_key(value: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    let z85 = match value {
        [text @ .., 0] if text.len() == KEY_Z85 => text,
        _ if value.len() == KEY_Z85 => value,
        _ => return value.try_into().map(Zeroizing::new).map_err(|_| Errno::INVAL),
    };
    let bytes = z85::decode(z85)?;
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| Errno::INVAL)
}

/// What a value leaves in CURVE's own place: zeros for a key of QZMQ. Errors: `EINVAL` for what is neither.
fn curve_part(value: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>> {
    #[cfg(feature = "qzmq")]
    if qzmq::is_key(value) {
        return Ok(Zeroizing::new([0; KEY_BYTES]));
    }
    curve_key(value)
}

/// Writes a key: as bytes into a buffer of just their number, as Z85 with a NUL into one of just that. Errors: `EINVAL`.
fn put_key(out: &mut [u8], key: &[u8]) -> Result<usize> {
    match out.len() {
        size if size == key.len() => value::put_bytes(out, key),
        size if size == z85::encoded_len(key.len())?.saturating_add(1) => {
            value::put_c_str(out, z85::encode(key)?.as_bytes())
        }
        _ => Err(Errno::INVAL),
    }
}

/// Whether a buffer of this size is for the key of CURVE, which the socket has beside one of QZMQ.
#[cfg(feature = "qzmq")]
fn is_for_curve(options: &SocketOptions, size: usize) -> bool {
    [KEY_BYTES, KEY_Z85 + 1].contains(&size) && options.has_curve_keys()
}
