//! Sealed secrets: a version, the key's ID, a nonce, and the secret encrypted by AES-256-GCM.
//!
//! The version, the ID and the name are authenticated too, so that a secret opens only under its
//! own name. Nonces are 96 random bits, which suffices for 2^32 seals with one key (NIST SP
//! 800-38D, section 8.3): one per second for a century.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::error::TenantStoreError;
use super::key::TenantStoreKey;

/// Seals a secret under a name.
pub(super) fn seal(key: &TenantStoreKey, name: &[u8], secret: &[u8]) -> Result<Vec<u8>, TenantStoreError> {
    let id = key.id();
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).map_err(|_| TenantStoreError::Crypto)?;
    // Reserved for the tag too, because a vector that grows leaves a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
    text.extend_from_slice(secret);
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(authenticated(id, name)), &mut *text)
        .map_err(|_| TenantStoreError::Crypto)?;
    Ok([&[VERSION], id.as_slice(), nonce.as_ref(), &text].concat())
}

/// Opens a secret that was sealed with this key under this name. Returns `None` for anything else.
pub(super) fn open(key: &TenantStoreKey, name: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, sealed) = sealed.split_first()?;
    let (id, sealed) = sealed.split_first_chunk::<8>()?;
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
    if *version != VERSION || *id != key.id() {
        return None;
    }
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).ok()?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let length = cipher
        .open_in_place(Nonce::from(nonce), Aad::from(authenticated(*id, name)), &mut text)
        .ok()?
        .len();
    text.truncate(length);
    Some(text)
}

fn authenticated(id: [u8; 8], name: &[u8]) -> Vec<u8> {
    [&[VERSION], id.as_slice(), name].concat()
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{LessSafeKey, UnboundKey};

    use super::*;

    const SECRET: &[u8] = b"0.AVYA-a refresh token";

    fn key() -> TenantStoreKey {
        TenantStoreKey::from_bytes([7; 32])
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_under_its_name() {
        let sealed = seal(&key(), b"name", SECRET).unwrap();
        assert_eq!(open(&key(), b"name", &sealed).unwrap().as_slice(), SECRET);
        assert!(open(&key(), b"nam", &sealed).is_none());
        assert!(open(&key(), b"name2", &sealed).is_none());
        assert!(open(&TenantStoreKey::from_bytes([8; 32]), b"name", &sealed).is_none());
        let empty = seal(&key(), b"", b"").unwrap();
        assert_eq!(open(&key(), b"", &empty).unwrap().as_slice(), b"");
    }

    #[test]
    fn any_flipped_bit_closes_it() {
        let sealed = seal(&key(), b"name", SECRET).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key(), b"name", &flipped).is_none(), "bit {bit}");
        }
    }

    /// A secret with the ID of another key is still rejected by the cipher.
    #[test]
    fn another_key_does_not_open_it_whatever_its_id() {
        let other = TenantStoreKey::from_bytes([8; 32]);
        let mut sealed = seal(&key(), b"name", SECRET).unwrap();
        sealed[1..9].copy_from_slice(&other.id());
        assert!(open(&other, b"name", &sealed).is_none());
    }

    /// Opens a secret as another implementation would.
    #[test]
    fn version_key_id_and_name_are_what_is_authenticated() {
        let sealed = seal(&key(), b"name", SECRET).unwrap();
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key().bytes()).unwrap());
        let nonce = || Nonce::try_assume_unique_for_key(&sealed[9..21]).unwrap();
        let opens = |associated: &[u8]| {
            let mut text = sealed[21..].to_vec();
            cipher.open_in_place(nonce(), Aad::from(associated), &mut text).is_ok()
        };
        let id = key().id();
        assert!(opens(&[&[1], id.as_slice(), b"name"].concat()));
        assert!(!opens(&[&[1], b"name".as_slice()].concat()) && !opens(&[id.as_slice(), b"name"].concat()));
    }

    #[test]
    fn what_is_cut_short_or_longer_stays_closed() {
        let sealed = seal(&key(), b"name", SECRET).unwrap();
        for length in 0..sealed.len() {
            assert!(open(&key(), b"name", &sealed[..length]).is_none(), "{length} bytes");
        }
        assert!(open(&key(), b"name", &[sealed.as_slice(), b"\0"].concat()).is_none());
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let nonces: std::collections::HashSet<Vec<u8>> = (0..1000)
            .map(|_| seal(&key(), b"name", SECRET).unwrap()[9..21].to_vec())
            .collect();
        assert_eq!(nonces.len(), 1000);
    }
}
