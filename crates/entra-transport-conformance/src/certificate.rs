//! The certificates of the scripted servers.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{DEFAULT_VERSIONS, ServerConfig, SupportedProtocolVersion};

/// Returns the certificate of an authority that signed nothing, as PEM, for tests that need a root.
#[must_use]
pub fn root_pem() -> String {
    Authority::new("unused").pem()
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

    /// Returns the root certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Configures a server for `localhost` and 127.0.0.1.
    pub(crate) fn good(&self) -> Certified {
        self.server(named(&["localhost", "127.0.0.1"]))
    }

    /// Configures a server for another host.
    pub(crate) fn for_another_host(&self) -> Certified {
        self.server(named(&["login.example"]))
    }

    /// Configures a server whose certificate expired in 2021.
    pub(crate) fn expired(&self) -> Certified {
        let mut params = named(&["127.0.0.1"]);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.server(params)
    }

    /// Configures a server whose certificate is valid from 2099.
    pub(crate) fn not_yet(&self) -> Certified {
        let mut params = named(&["127.0.0.1"]);
        params.not_before = rcgen::date_time_ymd(2099, 1, 1);
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        self.server(params)
    }

    fn server(&self, params: CertificateParams) -> Certified {
        let key = key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("these parameters make a certificate");
        Certified::new(certificate.der().clone(), &key)
    }
}

/// The configuration of a server, and its certificate.
pub(crate) struct Certified {
    config: Arc<ServerConfig>,
    der: CertificateDer<'static>,
    key: Arc<CertifiedKey>,
}

/// A configuration of a server whose certificate is replaced while it runs.
#[derive(Debug)]
pub(crate) struct Replaceable(Mutex<Arc<CertifiedKey>>);

impl Replaceable {
    pub(crate) fn new(first: &Certified) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Arc::clone(&first.key))))
    }

    pub(crate) fn replace(&self, next: &Certified) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next.key);
    }

    /// Configures a server that resumes no session, so that each connection shows the certificate.
    pub(crate) fn config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let mut config = server_config(Arc::<Self>::clone(self));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }
}

impl ResolvesServerCert for Replaceable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> ServerConfig {
    server_config_with(DEFAULT_VERSIONS, resolver)
}

fn server_config_with(
    versions: &[&'static SupportedProtocolVersion],
    resolver: Arc<dyn ResolvesServerCert>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

impl Certified {
    fn new(der: CertificateDer<'static>, key: &KeyPair) -> Self {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let private = PrivateKeyDer::try_from(key.serialize_der()).expect("it was just made");
        let signs = provider.key_provider.load_private_key(private);
        // It does not compare the key with the certificate.
        let key = CertifiedKey::new(vec![der.clone()], signs.expect("it is a key"));
        let key = Arc::new(key);
        Self {
            config: Arc::new(server_config(Arc::new(SingleCertAndKey::from(Arc::clone(&key))))),
            der,
            key,
        }
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Configures a server that supports TLS 1.2 at most.
    pub(crate) fn old_config(&self) -> Arc<ServerConfig> {
        let resolver = Arc::new(SingleCertAndKey::from(Arc::clone(&self.key)));
        Arc::new(server_config_with(&[&TLS12], resolver))
    }

    /// Returns the SHA-1 hash of the certificate, in lower-case hexadecimal digits.
    pub(crate) fn sha1(&self) -> String {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl From<Certified> for Arc<ServerConfig> {
    fn from(certified: Certified) -> Self {
        certified.config
    }
}

/// Configures a server with a self-signed certificate.
pub(crate) fn self_signed() -> Certified {
    let key = key();
    Certified::new(self_signed_by(&key), &key)
}

/// Configures a server with a self-signed certificate whose key it does not have.
pub(crate) fn with_another_key() -> Certified {
    Certified::new(self_signed_by(&key()), &key())
}

fn self_signed_by(key: &KeyPair) -> CertificateDer<'static> {
    let certificate = named(&["127.0.0.1"]).self_signed(key);
    certificate.expect("these parameters make a certificate").der().clone()
}

fn named(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("these are names")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("this machine has random bytes")
}
