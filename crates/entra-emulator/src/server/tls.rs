//! TLS with a generated certificate authority.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// A server certificate and the authority that signed it.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Generates both. The certificate contains loopback, this address, these names, and the names
    /// of the real service, for tests that redirect those. Only clients that were configured with
    /// this authority trust it.
    pub(crate) fn new(address: IpAddr, names: &[String]) -> Result<Self, Error> {
        Self::generate(address, names).map_err(|error| Error::Tls(error.to_string()))
    }

    fn generate(address: IpAddr, names: &[String]) -> Result<Self, rcgen::Error> {
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name
            .push(DnType::CommonName, "entra-emulator test authority");
        let ca_certificate = ca.self_signed(&ca_key)?;

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut all: Vec<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
        for name in std::iter::once(&address.to_string()).chain(names) {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        let mut server = CertificateParams::new(all)?;
        server.distinguished_name.push(DnType::CommonName, "entra-emulator");
        server.use_authority_key_identifier_extension = true;
        let certificate = server.signed_by(&key, &Issuer::new(ca, &ca_key))?;
        Ok(Self {
            ca_pem: ca_certificate.pem(),
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        })
    }

    /// Generates a certificate for loopback that is its own authority, as that of Service Fabric.
    pub(crate) fn self_signed() -> Result<Self, Error> {
        let generate = || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let mut server = CertificateParams::new(LOOPBACK.map(str::to_owned))?;
            server
                .distinguished_name
                .push(DnType::CommonName, "entra-emulator fabric");
            let certificate = server.self_signed(&key)?;
            Ok(Self {
                ca_pem: certificate.pem(),
                chain: vec![certificate.der().clone()],
                key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            })
        };
        generate().map_err(|error: rcgen::Error| Error::Tls(error.to_string()))
    }

    /// Returns the SHA-1 of the certificate, in upper-case hexadecimal.
    pub(crate) fn thumbprint(&self) -> String {
        let der = self.chain.first().map_or(&[][..], |certificate| certificate.as_ref());
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, der);
        hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Creates an acceptor with an explicit provider, because any crate can set the process-wide
    /// default.
    pub(crate) fn acceptor(self) -> Result<TlsAcceptor, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(self.chain, self.key))
            .map_err(|error| Error::Tls(error.to_string()))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const NAMES: &[&str] = &[
    "localhost",
    "127.0.0.1",
    "::1",
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "*.login.microsoft.com",
    "*.ciamlogin.com",
    "graph.microsoft.com",
    "manage.office.com",
];
