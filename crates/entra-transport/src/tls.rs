//! What transports over rustls share: the cryptography, the roots they trust, and the words for what went wrong.
//!
//! # Cryptography
//! The provider is always named, never taken from the process: a default that some other library installs, or does not install,
//! changes nothing here, and nothing is installed. The feature `aws-lc-rs` wins where `ring` is on as well.
//!
//! rustls itself has a default for others in the program only where one provider is compiled in. Where they rely on it
//! (`ClientConfig::builder()` without a provider), choose the same provider here.
//!
//! # Roots
//! With `native-roots`, the certificate authorities of the system's store: a daemon in a company finds the company's own there.
//! It is read once, when a transport is built. On Linux it is the distribution's bundle; `SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! another file or folders, as they do for OpenSSL. With `webpki-roots`, Mozilla's list as of the build stands in where the
//! system has none (an image made from scratch) and neither variable is set, or alone where `native-roots` is off. Roots that are
//! added by hand always count beside these; [`Trust::added_only`] makes them the only ones.
//!
//! The types of rustls appear in this module, so it follows rustls' versions.

use std::error::Error;
use std::sync::Arc;
use std::{io, iter};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::{Policy, TransportError, TransportErrorKind};

/// Which certificate authorities a transport trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    added: Vec<CertificateDer<'static>>,
    added_only: bool,
}

impl Trust {
    /// Trusts the certificates in `pem` as roots, too. Text around them is skipped.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where there is no certificate in it, or a broken one.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), TransportError> {
        let pem = pem.strip_prefix(BYTE_ORDER_MARK).unwrap_or(pem);
        let mut found = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| {
                configuration(
                    "the root certificates are not PEM as it should be",
                    "copy or export the file again",
                )
                .because(e.to_string())
            })?;
            found.push(certificate);
        }
        if found.is_empty() {
            return Err(configuration(
                "no root certificate found",
                "give PEM text with -----BEGIN CERTIFICATE----- in it, or use add_root_der for DER",
            ));
        }
        found.iter().try_for_each(|certificate| self.add_der(certificate))
    }

    /// Trusts the certificate in `der` as a root, too.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where it is no certificate.
    pub fn add_der(&mut self, der: &[u8]) -> Result<(), TransportError> {
        let certificate = CertificateDer::from(der.to_vec());
        RootCertStore::empty().add(certificate.clone()).map_err(|e| {
            configuration(
                "the root certificate cannot be read",
                "give one X.509 certificate in DER",
            )
            .because(e)
        })?;
        self.added.push(certificate);
        Ok(())
    }

    /// Whether the added roots are the only ones.
    pub fn added_only(&mut self, only: bool) {
        self.added_only = only;
    }

    /// Everything that is trusted, as DER.
    ///
    /// Nothing at all will do under a policy that allows plain http to loopback: an emulator needs no certificates, and neither
    /// does a machine that only tests against one. Every TLS handshake fails then.
    ///
    /// # Errors
    /// [`TransportErrorKind::Configuration`] where nothing is trusted otherwise.
    pub fn certificates(&self, policy: &Policy) -> Result<Vec<CertificateDer<'static>>, TransportError> {
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
                "install the system's bundle (ca-certificates), name one with SSL_CERT_FILE, \
                 switch on the feature webpki-roots, or add a root",
            ));
        }
        Ok(all)
    }

    /// TLS 1.2 and 1.3 with these roots and [`provider`], without client certificates.
    ///
    /// # Errors
    /// As for [`certificates`](Self::certificates), and where no provider is compiled in.
    pub fn client_config(&self, policy: &Policy) -> Result<ClientConfig, TransportError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.certificates(policy)?);
        let config = ClientConfig::builder_with_provider(provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|e| configuration("the cryptography knows no TLS version", "use aws-lc-rs or ring").because(e))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

/// The cryptography of a transport: aws-lc-rs, or ring where only that is compiled in.
///
/// # Errors
/// [`TransportErrorKind::Configuration`] where neither is.
pub fn provider() -> Result<Arc<CryptoProvider>, TransportError> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    Err(configuration(
        "no cryptography is compiled in",
        "switch on the feature aws-lc-rs or ring",
    ))
}

/// What TLS made of a connection, if anything in the chain of `error` comes from it.
///
/// A server that is not who it should be, or speaks nothing in common, is refused for good. It looks into [`io::Error`] as well,
/// whose own chain leaves out what it carries.
#[must_use]
pub fn failure(error: &(dyn Error + 'static)) -> Option<TransportError> {
    let tls = find::<rustls::Error>(error)?;
    let (problem, advice) = match tls {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired",
                "check this machine's clock, or have the certificate renewed",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "the server's certificate is not valid yet",
                "check this machine's clock",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "the server's certificate is for another name",
                "check the host, and who answers in its place",
            ),
            // A signature is bad where a root was made anew under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                "the server's certificate is from an authority that is not trusted here",
                match named() {
                    None => {
                        "if it should be trusted (a company's proxy, an emulator), add its root to the transport or to the system's \
                         store, or name it with SSL_CERT_FILE"
                    }
                    // A wrong path is no error where plain http to this machine is allowed.
                    Some(_) => {
                        "SSL_CERT_FILE or SSL_CERT_DIR stands in the place of the system's store, so check its path, or add the \
                         authority's root there or to the transport"
                    }
                },
            ),
            _ => (
                "the server's certificate is refused",
                "check the host, and who answers in its place",
            ),
        },
        rustls::Error::AlertReceived(_) | rustls::Error::PeerIncompatible(_) => (
            "the server and this client have no TLS in common",
            "have the server speak TLS 1.2 or 1.3",
        ),
        rustls::Error::InvalidMessage(_) => ("what answers there does not speak TLS", "check the port"),
        _ => ("no TLS connection", "check the host and the port"),
    };
    let error = TransportError::new(TransportErrorKind::Tls, problem).with_hint(advice);
    Some(error.because(tls.clone()))
}

/// A server that hung up in the middle of the handshake: the one failure of TLS where trying again may help.
#[must_use]
pub fn cut_in_handshake(source: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new(
        TransportErrorKind::Tls,
        "the server closed the connection in the middle of the TLS handshake",
    )
    .because(source)
    .retryable(true)
}

/// Whether anything in the chain of `error` says that the other side ended the connection.
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

/// The first error of type `T` in the chain of `error`, also where an [`io::Error`] carries it.
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// `error` and its sources. What an [`io::Error`] carries counts as its source: its own chain leaves it out.
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

/// The certificate authorities of the system, or those of the build.
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

/// The variable that names files in the place of the system's store, and the path in it.
///
/// Returns `None` if there is none, or the system's store is not read at all.
#[must_use]
pub fn named() -> Option<(&'static str, std::ffi::OsString)> {
    let variables = cfg!(feature = "native-roots").then_some(["SSL_CERT_FILE", "SSL_CERT_DIR"])?;
    variables
        .into_iter()
        .find_map(|name| Some((name, std::env::var_os(name)?)))
}

/// Fails where variables name files without a certificate: no other list is what their user wants instead.
#[cfg(feature = "native-roots")]
fn system() -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() && named().is_some() {
        let failures: Vec<String> = loaded.errors.iter().take(3).map(ToString::to_string).collect();
        let error = configuration(
            "no certificate authority is found where SSL_CERT_FILE or SSL_CERT_DIR points",
            "check the path, or unset it",
        );
        // A path may hold anything.
        return Err(error.because(failures.join("; ").escape_debug().to_string()));
    }
    Ok(loaded.certs)
}

fn configuration(problem: &'static str, advice: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Configuration, problem).with_hint(advice)
}

/// Some editors put it before a PEM file, and the parser would miss the first certificate.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_inside_io_errors() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert!(failure(&nested).unwrap().hint().unwrap().contains("clock"));
        assert!(failure(&io::Error::other("no")).is_none());
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
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
        assert!(trust.certificates(&Policy::default()).is_err());
        let loopback = Policy {
            allow_plain_loopback: true,
            ..Policy::default()
        };
        assert!(trust.certificates(&loopback).is_ok_and(|roots| roots.is_empty()));
    }
}
