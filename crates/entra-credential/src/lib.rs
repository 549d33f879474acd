//! From a PEM or PFX file to a signed client assertion, without OpenSSL.
//!
//! A daemon in production proves itself with a certificate. This crate reads the file it comes in,
//! says what is wrong with it, names it as Entra does, writes the manifest entry that registers it,
//! and signs with it. It reads certificates and keys that others made; what it signs is built by
//! `entra-proto`. The primary type is [`ClientCertificate`].
//!
//! ```text
//!   PEM, however laid out ──┐                                ┌─► Certificate ───► subject, validity, key size, warnings
//!   PFX, DER, base64 of any ┼─► CertificateBundle ───────────┤       ├─► Thumbprints        x5t, x5t#S256, hex, customKeyIdentifier
//!   a key in its own file ──┘      key finds its certificate │       └─► KeyCredential ───► manifest
//!                                  signatures find the chain │
//!                                                            ▼
//!                                                    ClientCertificate
//!                                                            │
//!                             RotatingCertificate ───► entra_proto::assertion::Signer ───► PS256 or RS256 signature
//!
//!   a key, and a thumbprint ──► ThumbprintKey ──► entra_proto::assertion::Signer ───► RS256 signature
//!
//!   FederatedTokenFile ───► ClientAssertion                      (the platform holds the key)
//! ```
//!
//! ```
//! use entra_credential::{ClientCertificate, RotatingCertificate};
//! use entra_proto::assertion::{Signer, SigningAlgorithm};
//!
//! # let bytes = include_bytes!("../tests/vectors/pem/pkcs8.pem");
//! // let bytes = std::fs::read("daemon.pfx")?;
//! let signer = RotatingCertificate::new(ClientCertificate::read(bytes, None)?);
//!
//! let certificate = signer.certificate(); // what the header of the assertion tells
//! let signature = signer.sign(&certificate, SigningAlgorithm::Ps256, b"eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhIn0")?;
//! assert_eq!(signature.len(), 256); // a key of 2048 bits
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Files may be hostile: at most 1 MiB is read, a password is stretched by at most two million
//! rounds for all that a file holds, whatever the file asks for, and at most 100 signatures are
//! verified to order its certificates.
//!
//! # Features
//! - `aws-lc-rs` (default), `ring`: the cryptography. One of them has to be on; aws-lc-rs is used
//!   where both are. A program whose TLS stands on ring builds one library only with
//!   `default-features = false, features = ["ring", "pfx"]`. Its first signature takes half a
//!   millisecond then, where aws-lc-rs spends 20 ms on its first random numbers; it signs with keys
//!   of up to 4096 bits.
//! - `pfx` (default): PFX files, and private keys under a password. It brings most of what this
//!   crate depends on.
//!
//! Not here: making keys and certificates, the certificate store of Windows, HSMs and vaults
//! (implement [`Signer`](entra_proto::assertion::Signer) for those), and the assertion itself.

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("entra-credential needs a cryptography library: enable its feature `aws-lc-rs` (default) or `ring`");

#[cfg(feature = "pfx")]
mod allowance;
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
mod rotating;
mod signature;
mod text;
mod thumbprint_key;
mod thumbprints;
mod token_file;
mod warning;
mod x509;

pub use bundle::CertificateBundle;
pub use certificate::ClientCertificate;
pub use error::{Error, Errors};
pub use key_credential::KeyCredential;
pub use rotating::RotatingCertificate;
pub use thumbprint_key::ThumbprintKey;
pub use thumbprints::Thumbprints;
pub use token_file::FederatedTokenFile;
pub use warning::Warning;
pub use x509::Certificate;

/// The shortest RSA key that Entra takes, in bits.
pub const MIN_KEY_BITS: usize = 2048;

/// The longest file that is read, in bytes. A key of 4096 bits with a chain of five takes about 20
/// kB.
pub const MAX_FILE: usize = 1 << 20;

/// How many rounds one key derivation may take. OWASP advises 600,000 (for PBKDF2 with SHA-256); no
/// tool writes more unless it is told.
#[cfg(feature = "pfx")]
const MAX_ITERATIONS: u64 = 1_000_000;

/// How many rounds all the key derivations of a file may take: three times 600,000 (its MAC, its
/// certificates, its key), and a little more.
#[cfg(feature = "pfx")]
const MAX_ITERATIONS_OF_FILE: u64 = 2_000_000;
