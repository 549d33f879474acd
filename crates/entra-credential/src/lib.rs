//! From a PEM or PFX file to a signed client assertion, without OpenSSL.
//!
//! A daemon in production authenticates with a certificate. This crate reads certificate files,
//! reports their problems, computes the thumbprints that Entra uses, writes the manifest entry that
//! registers a certificate, and signs with its key. It does not create keys or certificates, and
//! `entra-proto` builds the assertions that it signs. The primary type is [`ClientCertificate`].
//!
//! Most programs use this crate through `entra`, with its feature `pfx` for PFX files.
//!
//! ```text
//!  PEM of any layout ──┐                      ┌─► Certificate
//!  PFX, DER, base64 ───┼─► CertificateBundle ─┤     ├─► Thumbprints
//!  key in its own file ┘                      │     └─► KeyCredential
//!     the key finds its certificate,          ▼         (manifest)
//!     signatures find the chain       ClientCertificate
//!                                             │
//!                                     RotatingCertificate
//!                                             │
//!                                             ▼
//!  key, thumbprint ──► ThumbprintKey ──► Signer ──► signature
//!
//!  FederatedTokenFile ─┐
//!  AssertionVariable ──┼► ClientAssertion    the platform holds the key
//!  AssertionCommand ───┘
//! ```
//!
//! ```
//! use entra_credential::{ClientCertificate, RotatingCertificate};
//! use entra_proto::assertion::{Signer, SigningAlgorithm};
//!
//! # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
//! // let bytes = std::fs::read("daemon.pfx")?;
//! let certificate = ClientCertificate::read(bytes, None)?;
//! let signer = RotatingCertificate::new(certificate);
//!
//! // An application gets the signer by `Application::new(.., signer)`.
//! let certificate = signer.certificate(); // for the assertion's header
//! let input = b"eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhIn0";
//! let algorithm = SigningAlgorithm::Ps256;
//! let signature = signer.sign(&certificate, algorithm, input)?;
//! assert_eq!(signature.len(), 256); // a key of 2048 bits
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Files may be hostile: at most 1 MiB is read, all key derivations of a file together take at most
//! two million rounds, and at most 100 signatures are verified to order its certificates.
//!
//! # Features
//! - `aws-lc-rs` (default), `ring`: the cryptography. One of them is required; aws-lc-rs is used if
//!   both are on. If the TLS of a program uses ring,
//!   `default-features = false, features = ["ring", "pfx"]` builds only one library. With ring, the
//!   first signature takes half a millisecond, where aws-lc-rs needs 20 ms for its first random
//!   numbers; ring signs with keys of up to 4096 bits.
//! - `pfx` (default): PFX files and encrypted private keys. Most dependencies come with it.
//!
//! # What is not here
//! Creation of keys and certificates, the certificate store of Windows, HSMs and vaults (implement
//! [`Signer`](entra_proto::assertion::Signer) for those), and the assertion itself.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("entra-credential needs a cryptography library: enable its feature `aws-lc-rs` (default) or `ring`");

#[cfg(feature = "pfx")]
mod allowance;
mod assertion_command;
mod assertion_text;
mod assertion_variable;
#[cfg(feature = "pfx")]
mod ber;
mod bundle;
mod calendar;
mod certificate;
mod chain;
mod contents;
mod crypto;
mod der;
#[cfg(feature = "pfx")]
mod envelope;
mod error;
mod federated;
mod key;
mod key_credential;
mod kind;
#[cfg(feature = "pfx")]
mod mac;
mod manifest;
mod name;
mod pem;
#[cfg(feature = "pfx")]
mod pfx;
#[cfg(not(feature = "pfx"))]
#[path = "without_pfx.rs"]
mod pfx;
#[cfg(feature = "pfx")]
mod pkcs12;
mod program;
mod rotating;
mod signature;
mod text;
mod thumbprint_key;
mod thumbprints;
mod token_file;
mod warning;
mod x509;

pub use assertion_command::AssertionCommand;
pub use assertion_variable::AssertionVariable;
pub use bundle::CertificateBundle;
pub use certificate::ClientCertificate;
pub use error::{Error, Errors};
pub use key_credential::KeyCredential;
pub use program::{Program, ProgramOutput};
pub use rotating::RotatingCertificate;
pub use thumbprint_key::ThumbprintKey;
pub use thumbprints::Thumbprints;
pub use token_file::FederatedTokenFile;
pub use warning::Warning;
pub use x509::Certificate;

/// The shortest RSA key that Entra accepts, in bits.
pub const MIN_KEY_BITS: usize = 2048;

/// The most bytes of a file. A key of 4096 bits with a chain of five takes about 20 kB.
pub const MAX_FILE: usize = 1 << 20;

/// The most rounds of one key derivation. OWASP recommends 600,000 for PBKDF2 with SHA-256, and no
/// tool uses more by default.
#[cfg(feature = "pfx")]
const MAX_ITERATIONS: u64 = 1_000_000;

/// The most rounds of all key derivations of a file: three times 600,000 (its MAC, its
/// certificates, its key), and a little more.
#[cfg(feature = "pfx")]
const MAX_ITERATIONS_OF_FILE: u64 = 2_000_000;
