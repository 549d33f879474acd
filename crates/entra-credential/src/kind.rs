//! The kind of a structure in DER, told by its first elements: labels and file names say little
//! about what they stand for.

use crate::der::{BIT_STRING, CONTEXT_0, Der, DerError, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME};
use crate::error::Error;

/// What a structure in DER is.
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
    /// The kind of the structure in `der`, if it is known.
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

    /// The kind of a signed structure, by its elements up to the fourth.
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

    /// Why this kind is not a part of a credential, where it is none.
    pub(crate) fn refusal(self) -> Option<Error> {
        Some(match self {
            Self::Certificate | Self::Pfx | Self::PrivateKey | Self::EncryptedKey => return None,
            Self::PublicKey => Error::unsupported(
                "a public key without its certificate",
                "give the certificate with its private key",
            ),
            Self::Request => Error::unsupported(
                "a certificate request (CSR)",
                "have it signed, and give the certificate with its private key; or make one that is signed by its own key: `entra cert new`",
            ),
            Self::RevocationList => Error::unsupported(
                "a certificate revocation list (CRL)",
                "give the certificate with its private key",
            ),
            Self::Pkcs7 => Error::unsupported(
                "a bundle of certificates in PKCS#7",
                "convert it: `openssl pkcs7 -print_certs -in old.p7b -out certificates.pem` (with `-inform DER` where it is binary)",
            ),
        })
    }
}

/// A file that is neither PEM nor DER, and has a name.
pub(crate) fn of_file(bytes: &[u8]) -> Error {
    let known = FILES.iter().find(|(starts, ..)| bytes.starts_with(starts));
    if let Some((_, what, advice)) = known {
        return Error::unsupported(*what, advice);
    }
    // What base64 stands for may begin with any character.
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (what, advice) = if bytes.is_empty() {
        (
            "an empty file",
            "the step that should have written the certificate into it wrote nothing",
        )
    } else if text.starts_with(['{', '[']) && text.contains("ENC[AES256_GCM,") {
        ("a file encrypted by SOPS", "decrypt it first: `sops --decrypt`")
    } else if text.starts_with(['{', '[']) && text.contains("\"kty\"") {
        ("a key in JSON (JWK)", WITH_KEY)
    } else if text.starts_with(['{', '[']) {
        (
            "JSON that holds no PEM text",
            "take the certificate out of it, such as with `az keyvault secret show --query value -o tsv`",
        )
    } else if text.contains("<RSAKeyValue>") {
        ("a key in XML", WITH_KEY)
    } else if text.starts_with('<') {
        (
            "a web page or XML",
            "look at it: a download may have led to a page to sign in",
        )
    } else if is_numbers(text) {
        let is_thumbprint = text.bytes().filter(u8::is_ascii_hexdigit).count() == THUMBPRINT;
        if is_thumbprint {
            (
                "a thumbprint",
                "export the certificate that it names, with its private key, as PFX",
            )
        } else {
            (
                "a list of bytes in numbers",
                "write the bytes themselves into the file, such as with `xxd -r -p`",
            )
        }
    } else {
        return Error::NotACredential;
    };
    Error::unsupported(what, advice)
}

/// Whether it is the bytes of something, in hexadecimal or decimal.
fn is_numbers(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace() || b",:-".contains(&byte);
    digits.len() >= THUMBPRINT && digits.bytes().all(is_part)
}

/// How many digits of hexadecimal a thumbprint has.
const THUMBPRINT: usize = 40;
const WITH_KEY: &str = "give an X.509 certificate with its private key";

/// Files that are told by how they begin: what they are, and what to do.
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
    fn structures_are_told_by_their_first_elements() {
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
