use std::fmt;
use std::io;
use std::sync::Arc;

use crate::der::DerError;

/// The reason why a file gives no credential, and what to do about it. It never holds a password or a part of a key.
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than a credential has. Nothing was read.
    TooLarge {
        /// The most bytes that are read.
        limit: usize,
    },
    /// Neither a PEM bundle nor a PFX file.
    NotACredential,
    /// It breaks off, or is not built as it should be: what it is.
    Damaged(&'static str),
    /// The file is under a password, and none was given.
    PasswordNeeded,
    /// The password is not this file's, or the file is damaged. The two look alike from outside.
    WrongPassword,
    /// No password, or the empty one, and it does not open the file.
    EmptyPassword,
    /// There is no private key in it.
    KeyMissing,
    /// There is no certificate in it.
    CertificateMissing,
    /// None of the certificates belongs to the private key.
    KeyMismatch,
    /// More than one private key with a certificate: the SHA-1 thumbprints of the certificates, in hexadecimal.
    SeveralKeys(Vec<String>),
    /// Several certificates for different keys, and no private key that tells which is meant: their SHA-1 thumbprints, in hexadecimal.
    SeveralCertificates(Vec<String>),
    /// An RSA key that Entra does not take.
    KeyTooShort {
        /// The length of its modulus.
        bits: usize,
    },
    /// A key of another type than RSA: its type.
    KeyType(String),
    /// More rounds of key derivation than are done for anybody: the file would keep a processor busy, or a memory full.
    TooManyIterations {
        /// The most rounds in one file.
        limit: u64,
    },
    /// Sound, and not read here: what it is, and what to do.
    Unsupported {
        /// What it is.
        what: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// A manifest into which no key can be put.
    Manifest {
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A file that cannot be read.
    File {
        /// Its path.
        path: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The file with the assertion of a workload holds something else.
    Assertion {
        /// Its path.
        path: String,
        /// What is wrong with its contents.
        problem: &'static str,
        /// What to do about it.
        advice: &'static str,
    },
}

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>, advice: &'static str) -> Self {
        Self::Unsupported {
            what: what.into(),
            advice,
        }
    }

    pub(crate) fn manifest(problem: impl Into<String>, advice: &'static str) -> Self {
        Self::Manifest {
            problem: problem.into(),
            advice,
        }
    }

    /// Returns what is wrong, without [what to do about it](Self::hint).
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::TooLarge { limit } => format!("it is longer than {limit} bytes"),
            Self::NotACredential => "it is neither PEM nor PFX".to_owned(),
            Self::Damaged(what) => format!("{what} is damaged or cut short"),
            Self::PasswordNeeded => "the private key is encrypted".to_owned(),
            Self::WrongPassword => "wrong password or damaged file".to_owned(),
            Self::EmptyPassword => "the file does not open without a password".to_owned(),
            Self::KeyMissing => "it holds no private key".to_owned(),
            Self::CertificateMissing => "it holds a private key and no certificate".to_owned(),
            Self::KeyMismatch => "the private key belongs to none of the certificates".to_owned(),
            Self::SeveralKeys(thumbprints) => {
                format!("it holds the keys of several certificates ({})", thumbprints.join(", "))
            }
            Self::SeveralCertificates(thumbprints) => {
                format!("it holds several certificates ({})", thumbprints.join(", "))
            }
            Self::KeyTooShort { bits } => format!(
                "the RSA key has {bits} bits and Entra takes no key shorter than {}",
                crate::MIN_KEY_BITS
            ),
            Self::KeyType(name) => format!("the key is {name} and Entra takes RSA keys only"),
            Self::TooManyIterations { limit } => {
                format!("its password is stretched by more than {limit} rounds in all, or in too much memory")
            }
            Self::Unsupported { what, .. } => format!("{what} is not read here"),
            Self::Manifest { problem, .. } => format!("the manifest {problem}"),
            Self::File { path, .. } => format!("{path} cannot be read"),
            Self::Assertion { path, problem, .. } => format!("{path} {problem}"),
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::TooLarge { .. } => "check the path: no certificate file is so long",
            Self::NotACredential => "give a PEM file with a certificate and its private key, or a PFX (PKCS#12) file",
            Self::Damaged(_) => "copy or export it again, as binary if it is a PFX file",
            Self::PasswordNeeded | Self::EmptyPassword => "give its password",
            Self::WrongPassword => "check the password, then export the file again",
            Self::KeyMissing => "export the certificate together with its private key, or add the key to the PEM file",
            Self::CertificateMissing => "add the certificate that belongs to the key",
            Self::KeyMismatch => "put the certificate that was issued for this key beside it",
            Self::SeveralKeys(_) | Self::SeveralCertificates(_) => "keep the one to use",
            Self::KeyTooShort { .. } => "make a new one",
            Self::KeyType(_) => "make an RSA key of 2048 bits or more",
            Self::TooManyIterations { .. } => "export it again with fewer (600,000 are plenty)",
            Self::Unsupported { advice, .. } | Self::Manifest { advice, .. } | Self::Assertion { advice, .. } => advice,
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => "run as a user who may read it",
                _ => "check the path, and that the platform writes the token there",
            },
        })
    }

    fn tell_hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }

    /// What a fault of the encoding means where `what` was expected.
    pub(crate) fn der(what: &'static str) -> impl Fn(DerError) -> Self {
        move |error| match error {
            DerError::Damaged => Self::Damaged(what),
            DerError::Ber => Self::unsupported(format!("{what} in BER where DER is the rule"), BER_ADVICE),
        }
    }
}

/// The text of `Display`, and the system's account of a file: what a `main` that returns the error shows.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { source, .. } => write!(f, "{}: {source}", self.problem())?,
            _ => f.write_str(&self.problem())?,
        }
        self.tell_hint(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        self.tell_hint(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

/// How to get DER.
pub(crate) const BER_ADVICE: &str = "convert it: `openssl pkcs12 -in old.pfx -out all.pem -nodes`, then use the PEM file or export it to a PFX file again";
