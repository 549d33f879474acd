//! The key that seals secrets.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::error::TenantStoreError;
use super::private_file::{self, Draft};

/// The key that seals the secrets of a store: 256 random bits.
///
/// It is cheap to clone, and overwritten when the last clone is dropped. It has no `Display`, and
/// its `Debug` is a constant.
#[derive(Clone)]
pub struct TenantStoreKey(Arc<Zeroizing<[u8; LENGTH]>>);

impl TenantStoreKey {
    /// Creates a key from 32 bytes, for example from a vault. They must be random: a password is
    /// not a key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// Reads the key from a file of 32 bytes. If there is no file, creates one with a new key that
    /// only its owner can read. Programs that start at the same time get the same key.
    ///
    /// A key file protects the secrets against readers who get the store without the key. Do not
    /// put both into one backup. If the key is lost, the secrets are lost; the tenants are not.
    ///
    /// On Unix, the file and its folder must belong to this user or to root, after all links are
    /// followed, because another owner would know the key. No other user may read the file, and no
    /// folder on its path may be writable for everyone. On other systems nothing is checked, and
    /// the folder must protect the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or created, belongs to another user, is readable
    /// for others, or does not hold 32 bytes.
    pub fn read_or_create(path: impl AsRef<Path>) -> Result<Self, TenantStoreError> {
        let path = path.as_ref();
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new([0; LENGTH]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| TenantStoreError::Crypto)?;
        let (draft, mut file) = Draft::beside(path)?;
        file.write_all(&*bytes)
            .and_then(|()| file.sync_all())
            .map_err(|source| TenantStoreError::io(&draft.path, "write", source))?;
        draft.publish(path)?;
        // Another program may have created the file first: its key counts.
        Self::read(path)?.ok_or_else(|| TenantStoreError::io(path, "read", io::ErrorKind::NotFound.into()))
    }

    fn read(path: &Path) -> Result<Option<Self>, TenantStoreError> {
        let Some(file) = private_file::open(path, false)? else {
            return Ok(None);
        };
        let failed = |source| TenantStoreError::io(path, "read", source);
        if private_file::is_open_to_others(&file).map_err(failed)? {
            return Err(TenantStoreError::Exposed {
                path: path.to_owned(),
                why: "users other than its owner can read this key",
                advice: "if no one has read it, remove their permission (chmod 600)",
            });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
        file.take(LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let key: [u8; LENGTH] = bytes.as_slice().try_into().map_err(|_| TenantStoreError::Key {
            path: path.to_owned(),
            why: "does not hold 32 bytes, so it is not a key",
            advice: "name another file, or restore it from a copy",
        })?;
        Ok(Some(Self::from_bytes(key)))
    }

    /// Returns an opaque text for these parts, to be used in the name of a secret: 32 hexadecimal
    /// digits that depend on the parts and on this key. Without the key they reveal nothing about
    /// the parts.
    #[must_use]
    pub fn pseudonym(&self, parts: &[&[u8]]) -> String {
        let mut text = b"entra directory pseudonym".to_vec();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        let text = Zeroizing::new(text);
        self.tag(&text)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns an identifier of this key that reveals nothing about it.
    pub(super) fn id(&self) -> [u8; 8] {
        let tag = self.tag(b"entra directory key id");
        tag[..8].try_into().expect("it is longer")
    }

    /// Returns the HMAC-SHA256 of a text.
    fn tag(&self, text: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.bytes());
        let tag = hmac::sign(&key, text);
        tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Debug for TenantStoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantStoreKey(..)")
    }
}

/// The length of a key in bytes.
const LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing files depend on both values.
    #[test]
    fn id_and_pseudonyms_of_a_key_never_change() {
        let key = TenantStoreKey::from_bytes([7; 32]);
        assert_eq!(key.id(), ID);
        assert_eq!(key.pseudonym(&[b"a", b"bc"]), PSEUDONYM);
        assert_ne!(key.pseudonym(&[b"ab", b"c"]), PSEUDONYM);
    }

    // Computed by Python's hmac.
    const ID: [u8; 8] = [0x2f, 0x0f, 0xcd, 0xc9, 0x72, 0xb0, 0x73, 0x9c];
    const PSEUDONYM: &str = "3f52f7ae02d5a8bcac13da50e95ec489";
}
