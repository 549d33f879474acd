//! Keys derived from a password as in PKCS#12 (RFC 7292, appendix B).

use zeroize::Zeroizing;

use crate::crypto::digest::{self, Algorithm};

/// A password in the form for key derivation.
pub(crate) struct Password(Zeroizing<Vec<u8>>);

/// The purpose of a key: the number that is mixed into it.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Encryption = 1,
    InitializationVector = 2,
    Mac = 3,
}

impl Password {
    /// Encodes a password in UTF-16, big-endian, with a zero at the end. Characters beyond U+FFFF
    /// become surrogates, as in Windows and OpenSSL.
    pub(crate) fn new(password: &str) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity((password.len() + 1) * 2));
        for unit in password.encode_utf16().chain([0]) {
            bytes.extend_from_slice(&unit.to_be_bytes());
        }
        Self(bytes)
    }

    /// Returns an absent password, without the zero at the end. Some tools write it for an empty
    /// password.
    pub(crate) fn none() -> Self {
        Self(Zeroizing::default())
    }

    /// Derives a key of `length` bytes. The step numbers are those of appendix B.2.
    pub(crate) fn derive(
        &self,
        hash: &'static Algorithm,
        salt: &[u8],
        purpose: Purpose,
        rounds: u64,
        length: usize,
    ) -> Zeroizing<Vec<u8>> {
        let block = hash.block_len();
        let filled = |bytes: &[u8]| bytes.len().div_ceil(block) * block;
        // Steps 1 to 4.
        let diversifier = vec![purpose as u8; block];
        let (salt_length, password_length) = (filled(salt), filled(&self.0));
        let mut input = Zeroizing::new(Vec::with_capacity(salt_length + password_length));
        input.extend(salt.iter().cycle().take(salt_length));
        input.extend(self.0.iter().cycle().take(password_length));

        let mut key = Zeroizing::new(Vec::with_capacity(length));
        loop {
            // Step 6A.
            let mut context = digest::Context::new(hash);
            context.update(&diversifier);
            context.update(&input);
            let mut hashed = context.finish();
            for _ in 1..rounds {
                hashed = digest::digest(hash, hashed.as_ref());
            }
            let missing = length - key.len();
            key.extend(hashed.as_ref().iter().take(missing));
            if key.len() == length {
                return key;
            }
            // Steps 6B and 6C: each block of the input, plus the repeated hash, plus one.
            for part in input.chunks_exact_mut(block) {
                let mut carry = 1;
                let addend = hashed.as_ref().iter().cycle().take(block);
                // The last byte is the lowest. The hash is repeated from its first byte on.
                let addend: Zeroizing<Vec<u8>> = Zeroizing::new(addend.copied().collect());
                for (byte, other) in part.iter_mut().zip(addend.iter()).rev() {
                    let sum = u16::from(*byte) + u16::from(*other) + carry;
                    *byte = sum.to_be_bytes()[1];
                    carry = sum >> 8;
                }
            }
        }
    }
}

/// The advice for an unsupported file.
pub(crate) const ADVICE: &str = "export it again, with AES-256 and nothing but the key and its certificates, or as PEM: `openssl pkcs12 -in old.pfx -out all.pem`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256};

    fn derived(
        hash: &'static Algorithm,
        password: &str,
        salt: &[u8],
        purpose: Purpose,
        rounds: u64,
        length: usize,
    ) -> String {
        crate::thumbprints::hex(&Password::new(password).derive(hash, salt, purpose, rounds, length))
    }

    #[test]
    fn known_keys_are_derived() {
        // Published test values of other libraries: the password "smeg" and others.
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        assert_eq!(
            derived(&SHA1_FOR_LEGACY_USE_ONLY, "smeg", &salt, Purpose::Encryption, 1, 24),
            "8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3"
        );
        assert_eq!(
            derived(
                &SHA1_FOR_LEGACY_USE_ONLY,
                "smeg",
                &salt,
                Purpose::InitializationVector,
                1,
                8
            ),
            "79993DFE048D3B76"
        );
        let salt = [0x05, 0xde, 0xc9, 0x59, 0xac, 0xff, 0x72, 0xf7];
        assert_eq!(
            derived(&SHA1_FOR_LEGACY_USE_ONLY, "queeg", &salt, Purpose::Encryption, 1000, 24),
            "ED2034E36328830FF09DF1E1A07DD357185DAC0D4F9EB3D4"
        );
        assert_eq!(derived(&SHA256, "", &[], Purpose::Mac, 1, 0), "");
    }
}
