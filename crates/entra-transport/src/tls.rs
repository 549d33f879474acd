//! The parts that transports over rustls share: the cryptography provider, the trusted roots, and
//! the errors of TLS.
//!
//! # Cryptography
//! The provider is always explicit. The default provider of the process, which other libraries may
//! install, is neither used nor changed. The feature `aws-lc-rs` takes precedence over `ring`.
//!
//! rustls has a default for other code in the program only if exactly one provider is compiled in.
//! If that code relies on it (`ClientConfig::builder()` without a provider), choose the same
//! provider here.
//!
//! # Roots
//! With `native-roots`, transports trust the certificate authorities of the system's store, which
//! includes those of a company. It is read once, when a transport is built. On Linux it is the
//! distribution's bundle; `SSL_CERT_FILE` and `SSL_CERT_DIR` name another file or folders, as for
//! OpenSSL.
//!
//! With `webpki-roots`, transports trust Mozilla's list as of the build, if the system has no store
//! (an image built from scratch) and neither variable is set, or if `native-roots` is off. Roots
//! that the program adds are trusted in addition; [`Trust::added_only`] makes them the only ones.
//!
//! The types of rustls are part of this module's API, so its versions follow those of rustls.

mod pin;

use std::error::Error;
use std::sync::Arc;
use std::{io, iter};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::{TransportError, TransportErrorKind, TransportPolicy};

pub use self::pin::pinned;

/// The certificate authorities that a transport trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    added: Vec<CertificateDer<'static>>,
    added_only: bool,
}

impl Trust {
    /// Adds the certificates in `pem` to the trusted roots. Other text in `pem` is ignored.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Configuration`] if `pem` contains no certificate or a
    /// malformed one.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), TransportError> {
        let pem = pem.strip_prefix(BYTE_ORDER_MARK).unwrap_or(pem);
        let mut found = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| {
                configuration(
                    "the root certificates are not well-formed PEM",
                    "copy or export the file again",
                )
                .because(e.to_string())
            })?;
            found.push(certificate);
        }
        if found.is_empty() {
            return Err(configuration(
                "no root certificate found",
                "use PEM text that contains -----BEGIN CERTIFICATE-----, or add_root_der for DER",
            ));
        }
        found.iter().try_for_each(|certificate| self.add_der(certificate))
    }

    /// Adds the certificate in `der` to the trusted roots.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Configuration`] if `der` is not a certificate.
    pub fn add_der(&mut self, der: &[u8]) -> Result<(), TransportError> {
        let certificate = CertificateDer::from(der.to_vec());
        RootCertStore::empty().add(certificate.clone()).map_err(|e| {
            configuration(
                "the root certificate cannot be read",
                "use a single X.509 certificate in DER format",
            )
            .because(e)
        })?;
        self.added.push(certificate);
        Ok(())
    }

    /// Sets whether only the added roots are trusted.
    pub fn added_only(&mut self, only: bool) {
        self.added_only = only;
    }

    /// Returns the trusted certificates, as DER.
    ///
    /// If the policy allows plain http to loopback, the list may be empty, because an emulator
    /// works without certificates, and a machine for tests may have none. Every TLS handshake then
    /// fails.
    ///
    /// # Errors
    /// Returns [`TransportErrorKind::Configuration`] if no certificate is trusted and the policy
    /// does not allow plain http to loopback.
    pub fn certificates(&self, policy: &TransportPolicy) -> Result<Vec<CertificateDer<'static>>, TransportError> {
        let mut all = self.added.clone();
        if !self.added_only {
            match built_in() {
                Ok(found) => all.extend(found),
                Err(error) if all.is_empty() && !policy.allow_plain_loopback => return Err(error),
                Err(_) => {}
            }
        }
        if all.is_empty() && !policy.allow_plain_loopback {
            return Err(configuration(
                "no certificate authority is trusted",
                "install the system's bundle (ca-certificates), name a bundle with SSL_CERT_FILE, \
                 enable the feature webpki-roots, or add a root",
            ));
        }
        Ok(all)
    }

    /// Returns a configuration for TLS 1.2 and 1.3 with these roots and [`provider`], without
    /// client certificates.
    ///
    /// # Errors
    /// Returns the errors of [`certificates`](Self::certificates), and an error if no provider is
    /// compiled in.
    pub fn client_config(&self, policy: &TransportPolicy) -> Result<ClientConfig, TransportError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates(policy)?);
        let config = versions(provider()?)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Begins a configuration for TLS 1.2 and 1.3.
fn versions(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TransportError> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            let problem = "the cryptography provider supports no TLS version";
            configuration(problem, "use aws-lc-rs or ring").because(error)
        })
}

/// Returns the cryptography provider of a transport: aws-lc-rs, or ring if only that is compiled
/// in.
///
/// # Errors
/// Returns [`TransportErrorKind::Configuration`] if neither is compiled in.
pub fn provider() -> Result<Arc<CryptoProvider>, TransportError> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    Err(configuration(
        "no cryptography provider is compiled in",
        "enable the feature aws-lc-rs or ring",
    ))
}

/// Returns the error of a failed TLS handshake, if the chain of `error` contains one of rustls.
///
/// An invalid certificate and missing common protocols are permanent failures. The search includes
/// errors inside an [`io::Error`], which its own chain leaves out.
#[must_use]
pub fn failure(error: &(dyn Error + 'static)) -> Option<TransportError> {
    let tls = find::<rustls::Error>(error)?;
    let (problem, hint) = match tls {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired",
                "check this machine's clock, or have the certificate renewed",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "the server's certificate is not valid yet",
                "check this machine's clock",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ("the server's certificate is for another name", CHECK_HOST)
            }
            // The signature is invalid if a root was replaced by a new one of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                "the server's certificate is from an authority that is not trusted here",
                match named() {
                    None => {
                        "if the authority should be trusted (a company's proxy, an emulator), add its root to the transport or to \
                         the system's store, or name it with SSL_CERT_FILE"
                    }
                    // A wrong path is not an error if plain http to this machine is allowed.
                    Some(_) => {
                        "SSL_CERT_FILE or SSL_CERT_DIR replaces the system's store: check its path, or add the authority's root \
                         there or to the transport"
                    }
                },
            ),
            // Only the check of a pin returns this error.
            CertificateError::ApplicationVerificationFailure => (
                "the server's certificate does not have the required hash",
                "check the required hash (on Service Fabric, IDENTITY_SERVER_THUMBPRINT), and which server responds \
                 on this port",
            ),
            _ => ("the server's certificate was rejected", CHECK_HOST),
        },
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => (
            "the server and this client support no common TLS version or cipher suite",
            "enable TLS 1.2 or 1.3 on the server",
        ),
        rustls::Error::InvalidMessage(_) => ("the server does not use TLS on this port", "check the port"),
        _ => ("no TLS connection", "check the host and the port"),
    };
    let error = TransportError::new(TransportErrorKind::Tls, problem).with_hint(hint);
    Some(error.because(tls.clone()))
}

/// Creates the error for a server that closed the connection during the handshake: the only failure
/// of TLS after which a retry may help.
#[must_use]
pub fn cut_in_handshake(source: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new(
        TransportErrorKind::Tls,
        "the server closed the connection during the TLS handshake",
    )
    .because(source)
    .retryable(true)
}

/// Returns whether the chain of `error` contains the end of the connection by the other side.
#[must_use]
pub fn hung_up(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    chain(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| {
            matches!(
                error.kind(),
                UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
            )
        })
}

/// Returns the first error of type `T` in the chain of `error`, including errors inside an
/// [`io::Error`].
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// Returns `error` and its sources. The error inside an [`io::Error`] counts as its source,
/// although its `source()` leaves it out.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    iter::from_fn(move || {
        let error = next?;
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
        Some(error)
    })
}

/// Returns the certificate authorities of the system, or those of the build.
fn built_in() -> Result<Vec<CertificateDer<'static>>, TransportError> {
    #[cfg(feature = "native-roots")]
    let found = system()?;
    #[cfg(not(feature = "native-roots"))]
    let found = Vec::new();
    #[cfg(feature = "webpki-roots")]
    if found.is_empty() {
        return Ok(webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec());
    }
    Ok(found)
}

/// Returns the variable that names files that replace the system's store, and its value.
///
/// Returns `None` if neither is set, or if the system's store is not read at all.
#[must_use]
pub fn named() -> Option<(&'static str, std::ffi::OsString)> {
    let variables = cfg!(feature = "native-roots").then_some(["SSL_CERT_FILE", "SSL_CERT_DIR"])?;
    variables
        .into_iter()
        .find_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Reads the system's store. Fails if a variable names files without a certificate, because any
/// other list would bypass a deliberate setting.
#[cfg(feature = "native-roots")]
fn system() -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() && named().is_some() {
        let failures: Vec<String> = loaded.errors.iter().take(3).map(ToString::to_string).collect();
        let error = configuration(
            "SSL_CERT_FILE or SSL_CERT_DIR names no file with a certificate authority",
            "check the path, or unset the variable",
        );
        // A path may contain any characters.
        return Err(error.because(failures.join("; ").escape_debug().to_string()));
    }
    Ok(loaded.certs)
}

fn configuration(problem: &'static str, advice: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, problem).with_hint(advice)
}

const CHECK_HOST: &str = "check the host name, and which server responds under it";

/// Some editors write it at the beginning of a PEM file, and the parser would miss the first
/// certificate.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_found_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert!(failure(&nested).unwrap().hint().unwrap().contains("clock"));
        assert!(failure(&io::Error::other("no")).is_none());
    }

    #[test]
    fn invalid_certificate_is_rejected() {
        let mut trust = Trust::default();
        for pem in [
            "",
            "canary",
            "-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n",
        ] {
            let error = trust.add_pem(pem.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(!format!("{error:?}").contains("canary"));
        }
        assert!(trust.add_der(b"canary").is_err());
        trust.added_only(true);
        assert!(trust.certificates(&TransportPolicy::default()).is_err());
        let loopback = TransportPolicy {
            allow_plain_loopback: true,
            ..TransportPolicy::default()
        };
        assert!(trust.certificates(&loopback).is_ok_and(|roots| roots.is_empty()));
    }
}
