//! The kind of a DER structure, found by its first elements: labels and file names are unreliable.

use crate::der::{BIT_STRING, CONTEXT_0, Der, DerError, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME};
use crate::error::Error;

/// The kind of a DER structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Certificate,
    Pfx,
    PrivateKey,
    EncryptedKey,
    PublicKey,
    Request,
    RevocationList,
    Pkcs7,
}

impl Kind {
    /// Returns the kind of the structure in `der`, if it is known.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        Self::read(der).ok().flatten()
    }

    fn read(der: &[u8]) -> Result<Option<Self>, DerError> {
        let mut parts = Der::new(der).inside(SEQUENCE)?;
        Ok(match parts.peek() {
            Some(OID) => Some(Self::Pkcs7),
            Some(INTEGER) => {
                let number = parts.value(INTEGER)?;
                match (number, parts.peek()) {
                    ([3], Some(SEQUENCE)) => Some(Self::Pfx),
                    ([0 | 1], Some(SEQUENCE | INTEGER | OCTET_STRING)) => Some(Self::PrivateKey),
                    (_, Some(INTEGER)) => Some(Self::PublicKey),
                    _ => None,
                }
            }
            Some(SEQUENCE) => {
                let first = parts.inside(SEQUENCE)?;
                match (first.peek(), parts.peek()) {
                    (Some(OID), Some(BIT_STRING)) => Some(Self::PublicKey),
                    (Some(OID), Some(OCTET_STRING)) => Some(Self::EncryptedKey),
                    (Some(CONTEXT_0 | INTEGER | SEQUENCE), Some(SEQUENCE)) => Some(Self::signed(first)?),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// Returns the kind of a signed structure, by its first four elements.
    fn signed(mut parts: Der<'_>) -> Result<Self, DerError> {
        let mut tags = [0; 4];
        for tag in &mut tags {
            *tag = if parts.is_empty() { 0 } else { parts.any()?.tag };
        }
        Ok(match tags {
            [INTEGER, SEQUENCE, SEQUENCE, 0 | CONTEXT_0] => Self::Request,
            [SEQUENCE, SEQUENCE, UTC_TIME, _] | [INTEGER, SEQUENCE, SEQUENCE, UTC_TIME] => Self::RevocationList,
            _ => Self::Certificate,
        })
    }

    /// Returns the reason why this kind is not part of a credential, or `None` if it is.
    pub(crate) fn refusal(self) -> Option<Error> {
        Some(match self {
            Self::Certificate | Self::Pfx | Self::PrivateKey | Self::EncryptedKey => return None,
            Self::PublicKey => Error::unsupported(
                "a public key without its certificate",
                "give the certificate with its private key",
            ),
            Self::Request => Error::unsupported(
                "a certificate request (CSR)",
                "have it signed, and give the certificate with its private key; or create a self-signed one: `entra cert new`",
            ),
            Self::RevocationList => Error::unsupported(
                "a certificate revocation list (CRL)",
                "give the certificate with its private key",
            ),
            Self::Pkcs7 => Error::unsupported(
                "a bundle of certificates in PKCS#7",
                "convert it: `openssl pkcs7 -print_certs -in old.p7b -out certificates.pem` (with `-inform DER` if it is binary)",
            ),
        })
    }
}

/// Returns the error for a known file that is neither PEM nor DER.
pub(crate) fn of_file(bytes: &[u8]) -> Error {
    let known = FILES.iter().find(|(starts, ..)| bytes.starts_with(starts));
    if let Some((_, what, advice)) = known {
        return Error::unsupported(*what, advice);
    }
    // Decoded base64 may begin with any character.
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (what, advice) = if bytes.is_empty() {
        (
            "an empty file",
            "check the step that should have written the certificate into it",
        )
    } else if text.starts_with(['{', '[']) && text.contains("ENC[AES256_GCM,") {
        ("a file encrypted by SOPS", "decrypt it first: `sops --decrypt`")
    } else if text.starts_with(['{', '[']) && text.contains("\"kty\"") {
        ("a key in JSON (JWK)", WITH_KEY)
    } else if text.starts_with(['{', '[']) {
        (
            "JSON that holds no PEM text",
            "extract the certificate, for example with `az keyvault secret show --query value -o tsv`",
        )
    } else if text.contains("<RSAKeyValue>") {
        ("a key in XML", WITH_KEY)
    } else if text.starts_with('<') {
        (
            "a web page or XML",
            "open it: the download may have returned a sign-in page",
        )
    } else if is_numbers(text) {
        let is_thumbprint = text.bytes().filter(u8::is_ascii_hexdigit).count() == THUMBPRINT;
        if is_thumbprint {
            (
                "a thumbprint",
                "export the certificate with this thumbprint, with its private key, as PFX",
            )
        } else {
            (
                "a list of bytes as numbers",
                "write the bytes into the file, for example with `xxd -r -p`",
            )
        }
    } else {
        return Error::NotACredential;
    };
    Error::unsupported(what, advice)
}

/// Returns true if the text is bytes in hexadecimal or decimal.
fn is_numbers(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace() || b",:-".contains(&byte);
    digits.len() >= THUMBPRINT && digits.bytes().all(is_part)
}

/// The number of hexadecimal digits in a thumbprint.
const THUMBPRINT: usize = 40;
const WITH_KEY: &str = "give an X.509 certificate with its private key";

/// Known files by their first bytes, each with its name and the advice.
const FILES: &[(&[u8], &str, &str)] = &[
    (b"\xfe\xed\xfe\xed", "a Java keystore (JKS)", FROM_JAVA),
    (b"\xce\xce\xce\xce", "a Java keystore (JCEKS)", FROM_JAVA),
    (b"ssh-", "a public key of SSH", WITH_KEY),
    (b"ecdsa-sha2-", "a public key of SSH", WITH_KEY),
    (
        b"PuTTY-User-Key-File",
        "a private key of PuTTY",
        "convert it: `puttygen key.ppk -O private-openssh -o key`, then `ssh-keygen -p -m PKCS8 -f key`",
    ),
    (
        b"\x1e\xf1\xb5\xb0",
        "a private key in Microsoft's PVK",
        "convert it: `openssl rsa -inform PVK -in old.pvk -out key.pem`",
    ),
    (
        b"\0\0\0\0CERT",
        "a store of certificates in Microsoft's SST",
        "export the certificate with its private key as PFX",
    ),
    (
        b"\x1f\x8b",
        "a file compressed by gzip",
        "unpack it, and give the file in it",
    ),
    (b"PK\x03\x04", "a ZIP archive", "unpack it, and give the file in it"),
    (
        b"$ANSIBLE_VAULT",
        "a file encrypted by Ansible",
        "decrypt it first: `ansible-vault decrypt`",
    ),
    (
        b"age-encryption.org",
        "a file encrypted by age",
        "decrypt it first: `age --decrypt`",
    ),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "fetch the file itself: `git lfs pull`",
    ),
    (
        b"@Microsoft.KeyVault(",
        "a reference to Key Vault that was not replaced",
        "let the app's identity read the secrets of that vault",
    ),
    (b"${", "a variable that was not replaced", NOT_REPLACED),
    (b"$(", "a variable that was not replaced", NOT_REPLACED),
    (
        b"***",
        "a secret that was masked",
        "write it to the file itself, and not from a log",
    ),
    (b"eyJ", "a token", WITH_KEY),
];
const FROM_JAVA: &str =
    "convert it: `keytool -importkeystore -srckeystore old.jks -destkeystore new.pfx -deststoretype PKCS12`";
const NOT_REPLACED: &str = "look at the step that writes the file, which should put the value there";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_recognized_by_their_first_elements() {
        let sequence = |parts: &[&[u8]]| {
            let parts = parts.concat();
            [&[SEQUENCE, parts.len() as u8][..], &parts].concat()
        };
        let oid = &[OID, 1, 0x2a][..];
        let algorithm = &sequence(&[oid])[..];
        let (zero, one, three, large) = (&[2, 1, 0][..], &[2, 1, 1][..], &[2, 1, 3][..], &[2, 2, 9, 9][..]);
        let (octets, bits, time, attributes) = (&[4, 0][..], &[3, 1, 0][..], &[UTC_TIME, 0][..], &[CONTEXT_0, 0][..]);
        let name = &sequence(&[])[..];
        let signed = |parts: &[&[u8]]| sequence(&[&sequence(parts), algorithm, bits]);
        for (der, kind) in [
            (sequence(&[three, name]), Kind::Pfx),
            (sequence(&[zero, algorithm, octets]), Kind::PrivateKey),
            (sequence(&[zero, large, one]), Kind::PrivateKey),
            (sequence(&[one, octets]), Kind::PrivateKey),
            (sequence(&[large, one]), Kind::PublicKey),
            (sequence(&[algorithm, bits]), Kind::PublicKey),
            (sequence(&[algorithm, octets]), Kind::EncryptedKey),
            (sequence(&[oid, attributes]), Kind::Pkcs7),
            (signed(&[zero, name, algorithm, attributes]), Kind::Request),
            (signed(&[one, algorithm, name, time]), Kind::RevocationList),
            (signed(&[algorithm, name, time]), Kind::RevocationList),
            (
                signed(&[&[CONTEXT_0, 3, 2, 1, 2], one, algorithm, name]),
                Kind::Certificate,
            ),
            (signed(&[large, algorithm, name, name]), Kind::Certificate),
        ] {
            assert_eq!(Kind::of(&der), Some(kind), "{der:?}");
        }
        for der in [&[][..], &[SEQUENCE, 0], &[4, 0], &[SEQUENCE, 9, 2]] {
            assert_eq!(Kind::of(der), None);
        }
    }
}
