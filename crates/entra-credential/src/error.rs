use std::fmt;
use std::io;
use std::sync::Arc;

use entra_proto::error::Diagnose;

use crate::der::DerError;

/// The reason why a file gives no credential, and what to do about it. It never holds a password or
/// a part of a key.
#[derive(Clone, Debug)]
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
    /// More than one private key with a certificate: the SHA-1 thumbprints of the certificates, in
    /// hexadecimal.
    SeveralKeys(Vec<String>),
    /// Several certificates for different keys, and no private key that tells which is meant: their
    /// SHA-1 thumbprints, in hexadecimal.
    SeveralCertificates(Vec<String>),
    /// An RSA key that Entra does not take.
    KeyTooShort {
        /// The length of its modulus.
        bits: usize,
    },
    /// A key of another type than RSA: its type.
    KeyType(String),
    /// More rounds of key derivation than are done for anybody: the file would keep a processor
    /// busy, or a memory full.
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

    /// What a fault of the encoding means where `what` was expected.
    pub(crate) fn der(what: &'static str) -> impl Fn(DerError) -> Self {
        move |error| match error {
            DerError::Damaged => Self::Damaged(what),
            DerError::Ber => Self::unsupported(format!("{what} in BER where DER is the rule"), BER_ADVICE),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "it is longer than {limit} bytes"),
            Self::NotACredential => f.write_str("it is neither PEM nor PFX"),
            Self::Damaged(what) => write!(f, "{what} is damaged or cut short"),
            Self::PasswordNeeded => f.write_str("the private key is encrypted"),
            Self::WrongPassword => f.write_str("wrong password or damaged file"),
            Self::EmptyPassword => f.write_str("the file does not open without a password"),
            Self::KeyMissing => f.write_str("it holds no private key"),
            Self::CertificateMissing => f.write_str("it holds a private key and no certificate"),
            Self::KeyMismatch => f.write_str("the private key belongs to none of the certificates"),
            Self::SeveralKeys(thumbprints) => {
                write!(
                    f,
                    "it holds the keys of several certificates ({})",
                    thumbprints.join(", ")
                )
            }
            Self::SeveralCertificates(thumbprints) => {
                write!(f, "it holds several certificates ({})", thumbprints.join(", "))
            }
            Self::KeyTooShort { bits } => write!(
                f,
                "the RSA key has {bits} bits and Entra takes no key shorter than {}",
                crate::MIN_KEY_BITS
            ),
            Self::KeyType(name) => write!(f, "the key is {name} and Entra takes RSA keys only"),
            Self::TooManyIterations { limit } => {
                write!(
                    f,
                    "its password is stretched by more than {limit} rounds in all, or in too much memory"
                )
            }
            Self::Unsupported { what, .. } => write!(f, "{what} is not read here"),
            Self::Manifest { problem, .. } => write!(f, "the manifest {problem}"),
            Self::File { path, .. } => write!(f, "{path} cannot be read"),
            Self::Assertion { path, problem, .. } => write!(f, "{path} {problem}"),
        }
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

impl Diagnose for Error {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}

/// The error types of this crate and of those below it, for a
/// [`ReportFor`](entra_proto::report::ReportFor).
pub type Errors = (Error, entra_proto::report::Errors);

/// How to get DER.
pub(crate) const BER_ADVICE: &str = "convert it: `openssl pkcs12 -in old.pfx -out all.pem -nodes`, then use the PEM file or export it to a PFX file again";
