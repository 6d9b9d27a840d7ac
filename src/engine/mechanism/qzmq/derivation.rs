//! Keys of boxes and records, from the keys that they are derived from.

use crate::crypto::aead::{AEAD_KEY_BYTES, AEAD_NONCE_BYTES};
use crate::crypto::hkdf::DerivationKey;
use crate::crypto::{AeadKey, AeadSuite};
use crate::engine::Failure;
use zeroize::Zeroizing;

/// A key and an iv that come from another key. Both are wiped when they are dropped.
pub fn box_key(
    from: &DerivationKey,
    aead: AeadSuite,
    (key_label, iv_label): (&[u8], &[u8]),
    context: &[u8],
) -> Result<(AeadKey, Zeroizing<[u8; AEAD_NONCE_BYTES]>), Failure> {
    let mut key = Zeroizing::new([0; AEAD_KEY_BYTES]);
    let mut iv = Zeroizing::new([0; AEAD_NONCE_BYTES]);
    from.expand(key_label, context, &mut *key).map_err(Failure::Own)?;
    from.expand(iv_label, context, &mut *iv).map_err(Failure::Own)?;
    Ok((AeadKey::new(aead, &key).map_err(Failure::Own)?, iv))
}
