//! The certificates of the scripted servers.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// Returns the certificate of an authority that signed nothing, as PEM, for tests that need a root.
#[must_use]
pub fn root_pem() -> String {
    Authority::new("unused").issuer.pem()
}

/// A certificate authority of a test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("these parameters make a certificate");
        Self { issuer }
    }

    /// Returns the root certificate as DER.
    pub(crate) fn root(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Configures a server for `localhost` and 127.0.0.1.
    pub(crate) fn good(&self) -> Arc<ServerConfig> {
        self.server(named(&["localhost", "127.0.0.1"]))
    }

    /// Configures a server for another host.
    pub(crate) fn for_another_host(&self) -> Arc<ServerConfig> {
        self.server(named(&["login.example"]))
    }

    /// Configures a server whose certificate expired in 2021.
    pub(crate) fn expired(&self) -> Arc<ServerConfig> {
        let mut params = named(&["127.0.0.1"]);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.server(params)
    }

    /// Configures a server whose certificate is valid from 2099.
    pub(crate) fn not_yet(&self) -> Arc<ServerConfig> {
        let mut params = named(&["127.0.0.1"]);
        params.not_before = rcgen::date_time_ymd(2099, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        self.server(params)
    }

    fn server(&self, params: CertificateParams) -> Arc<ServerConfig> {
        let key = key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("these parameters make a certificate");
        config(certificate.der().to_vec(), &key)
    }
}

/// Configures a server with a self-signed certificate.
pub(crate) fn self_signed() -> Arc<ServerConfig> {
    let key = key();
    let certificate = named(&["127.0.0.1"])
        .self_signed(&key)
        .expect("these parameters make a certificate");
    config(certificate.der().to_vec(), &key)
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("these are names")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("this machine has random bytes")
}

fn config(certificate: Vec<u8>, key: &KeyPair) -> Arc<ServerConfig> {
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("it was just made");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], private)
        .expect("the key fits the certificate");
    Arc::new(config)
}
