//! The error of this crate.

use std::fmt;
use std::io;
use std::sync::Arc;

use entra_proto::error::Diagnose;

use crate::der::DerError;

/// The reason why a file, a variable or a program gives no credential. It never holds a password or
/// a part of a key or token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file has more bytes than any credential. Nothing was read.
    TooLarge {
        /// The most bytes of a file.
        limit: usize,
    },
    /// The file is neither a PEM bundle nor a PFX file.
    NotACredential,
    /// The named part ends early or has a wrong structure.
    Damaged(&'static str),
    /// The file is encrypted, and no password was given.
    PasswordNeeded,
    /// The password is wrong, or the file is damaged. The two cannot be distinguished.
    WrongPassword,
    /// No password or the empty one was given, and the file needs another.
    EmptyPassword,
    /// The file holds no private key.
    KeyMissing,
    /// The file holds no certificate.
    CertificateMissing,
    /// No certificate belongs to the private key.
    KeyMismatch,
    /// There is more than one private key with a certificate: the SHA-1 thumbprints of the
    /// certificates, in hexadecimal.
    SeveralKeys(Vec<String>),
    /// There are several certificates for different keys, and no private key to choose one: their
    /// SHA-1 thumbprints, in hexadecimal.
    SeveralCertificates(Vec<String>),
    /// Entra does not accept this RSA key.
    KeyTooShort {
        /// The length of its modulus, in bits.
        bits: usize,
    },
    /// The key is not an RSA key: its type.
    KeyType(String),
    /// Decrypting the file takes more rounds of key derivation than permitted. It would keep a
    /// processor busy, or fill the memory.
    TooManyIterations {
        /// The most rounds in one file.
        limit: u64,
    },
    /// The file is valid, but this kind is not supported.
    Unsupported {
        /// The kind.
        what: String,
        /// The remedy.
        advice: &'static str,
    },
    /// No key can be added to this manifest.
    Manifest {
        /// The problem.
        problem: String,
        /// The remedy.
        advice: &'static str,
    },
    /// A file cannot be read.
    File {
        /// Its path.
        path: String,
        /// The error of the operating system.
        source: Arc<io::Error>,
    },
    /// The place of a workload's assertion holds something else, or nothing.
    Assertion {
        /// The path of the file, or the name of the variable or command.
        place: String,
        /// The problem with its contents.
        problem: &'static str,
        /// The remedy.
        advice: &'static str,
    },
    /// A program that should print a token is not installed.
    ProgramMissing {
        /// Its name.
        program: String,
    },
    /// A program that should print a token failed.
    Program {
        /// Its name.
        program: String,
        /// The problem.
        problem: String,
        /// The remedy.
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

    /// Returns advice about the error, if any is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::TooLarge { .. } => "check the path: certificate files are shorter",
            Self::NotACredential => "give a PEM file with a certificate and its private key, or a PFX (PKCS#12) file",
            Self::Damaged(_) => "copy or export it again, as binary if it is a PFX file",
            Self::PasswordNeeded | Self::EmptyPassword => "give its password",
            Self::WrongPassword => "check the password, then export the file again",
            Self::KeyMissing => "export the certificate together with its private key, or add the key to the PEM file",
            Self::CertificateMissing => "add the certificate that belongs to the key",
            Self::KeyMismatch => "put the certificate that was issued for this key beside it",
            Self::SeveralKeys(_) | Self::SeveralCertificates(_) => "remove all but the one to use",
            Self::KeyTooShort { .. } => "create a new key and certificate",
            Self::KeyType(_) => "create an RSA key of 2048 bits or more",
            Self::TooManyIterations { .. } => "export it again with fewer iterations (600,000 are enough)",
            Self::Unsupported { advice, .. }
            | Self::Manifest { advice, .. }
            | Self::Assertion { advice, .. }
            | Self::Program { advice, .. } => advice,
            Self::ProgramMissing { .. } => "install the program, or give its full path",
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => "run as a user who can read it",
                _ => "check the path, and that the platform writes the token there",
            },
        })
    }

    /// Returns the error for an encoding fault in `what`.
    pub(crate) fn der(what: &'static str) -> impl Fn(DerError) -> Self {
        move |error| match error {
            DerError::Damaged => Self::Damaged(what),
            DerError::Ber => Self::unsupported(format!("{what} in BER instead of DER"), BER_ADVICE),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "it is longer than {limit} bytes"),
            Self::NotACredential => f.write_str("it is neither PEM nor PFX"),
            Self::Damaged(what) => write!(f, "{what} is damaged or truncated"),
            Self::PasswordNeeded => f.write_str("the private key is encrypted"),
            Self::WrongPassword => f.write_str("wrong password or damaged file"),
            Self::EmptyPassword => f.write_str("the file needs a password"),
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
                "the RSA key has {bits} bits and Entra accepts no key shorter than {}",
                crate::MIN_KEY_BITS
            ),
            Self::KeyType(name) => write!(f, "the key is {name} and Entra accepts only RSA keys"),
            Self::TooManyIterations { limit } => {
                write!(
                    f,
                    "its key derivation takes more than {limit} rounds, or too much memory"
                )
            }
            Self::Unsupported { what, .. } => write!(f, "{what} is not supported"),
            Self::Manifest { problem, .. } => write!(f, "the manifest {problem}"),
            Self::File { path, .. } => write!(f, "{path} cannot be read"),
            Self::Assertion { place, problem, .. } => write!(f, "{place} {problem}"),
            Self::ProgramMissing { program } => write!(f, "the program {program} was not found"),
            Self::Program { program, problem, .. } => write!(f, "the program {program} {problem}"),
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

/// The advice to convert a file to DER.
pub(crate) const BER_ADVICE: &str = "convert it: `openssl pkcs12 -in old.pfx -out all.pem -nodes`, then use the PEM file or export it to a PFX file again";
