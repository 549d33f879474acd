use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use entra_proto::Cloud;

use crate::tls::Trust;
use crate::{Policy, Proxies, TransportError};

/// Builds a transport over rustls: `UreqTransport`, `HyperTransport`, `ReqwestTransport`.
///
/// What can be set is the same for all of them, and stands here once.
#[must_use]
pub struct TransportBuilder<T> {
    settings: Settings,
    proxies_from_env: bool,
    transport: PhantomData<fn() -> T>,
}

/// What a transport is built from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Which requests and answers are let through, and how long they may take.
    pub policy: Policy,
    /// Which certificate authorities are trusted.
    pub trust: Trust,
    /// Which proxies are gone through.
    pub proxies: Proxies,
}

/// A transport that [`TransportBuilder`] builds.
pub trait FromSettings: Sized {
    /// The transport with these settings.
    ///
    /// # Errors
    /// [`Configuration`](crate::TransportErrorKind::Configuration) where it cannot be built so.
    fn from_settings(settings: Settings) -> Result<Self, TransportError>;
}

impl<T> TransportBuilder<T> {
    /// Everything at its default.
    pub fn new() -> Self {
        let settings = Settings {
            policy: Policy::default(),
            trust: Trust::default(),
            proxies: Proxies::none(),
        };
        Self {
            settings,
            proxies_from_env: true,
            transport: PhantomData,
        }
    }

    /// How long a request may take altogether. 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.timeout = timeout;
        self
    }

    /// How long it may take to have a connection, TLS handshake included. 10 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.connect_timeout = timeout;
        self
    }

    /// How many bytes the body of an answer may have. [`MAX_BODY`](crate::MAX_BODY) by default.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.policy.max_body = bytes;
        self
    }

    /// Whether plain `http` is let out to this very machine: for emulators and tests. Off by default.
    pub fn allow_plain_loopback(mut self, allow: bool) -> Self {
        self.settings.policy.allow_plain_loopback = allow;
        self
    }

    /// Allows plain `http` to this machine if the cloud is an emulator with such an address. For every other cloud it
    /// changes nothing.
    ///
    /// Such a cloud comes from [`Cloud::loopback`], or from a setting ([`cloud_from_env`](crate::cloud_from_env)).
    pub fn for_cloud(self, cloud: &Cloud) -> Self {
        match cloud {
            Cloud::Custom(origin) if !origin.is_https() => self.allow_plain_loopback(true),
            _ => self,
        }
    }

    /// Trusts the certificates in `pem` as roots, too.
    ///
    /// # Errors
    /// Where there is no certificate in it, or a broken one.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, TransportError> {
        self.settings.trust.add_pem(pem)?;
        Ok(self)
    }

    /// Trusts the certificate in `der` as a root, too.
    ///
    /// # Errors
    /// Where it is no certificate.
    pub fn add_root_der(mut self, der: &[u8]) -> Result<Self, TransportError> {
        self.settings.trust.add_der(der)?;
        Ok(self)
    }

    /// Whether the added roots are the only ones that are trusted. Off by default.
    pub fn added_roots_only(mut self, only: bool) -> Self {
        self.settings.trust.added_only(only);
        self
    }

    /// The proxy to go through. By default the environment says: see [`Proxies::from_env`].
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.settings.proxies = proxies;
        self.proxies_from_env = false;
        self
    }

    /// What has been set.
    ///
    /// # Errors
    /// [`Configuration`](crate::TransportErrorKind::Configuration) where the environment names a proxy that cannot be used.
    pub fn settings(mut self) -> Result<Settings, TransportError> {
        if self.proxies_from_env {
            self.settings.proxies = Proxies::from_env()?;
        }
        self.settings.policy = self.settings.policy.bounded();
        Ok(self.settings)
    }
}

impl<T: FromSettings> TransportBuilder<T> {
    /// The transport.
    ///
    /// # Errors
    /// [`Configuration`](crate::TransportErrorKind::Configuration) where no root is trusted, no cryptography is compiled in, or the
    /// environment names a proxy that cannot be used.
    pub fn build(self) -> Result<T, TransportError> {
        T::from_settings(self.settings()?)
    }
}

impl<T> Default for TransportBuilder<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for TransportBuilder<T> {
    fn clone(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            proxies_from_env: self.proxies_from_env,
            transport: PhantomData,
        }
    }
}

impl<T> fmt::Debug for TransportBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransportBuilder").field(&self.settings).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_allowed_for_an_emulator_only() {
        let allows = |cloud: &Cloud| {
            let builder = TransportBuilder::<()>::new().proxies(Proxies::none()).for_cloud(cloud);
            builder.settings().unwrap().policy.allow_plain_loopback
        };
        assert!(allows(&Cloud::from_setting("http://127.0.0.1:8500").unwrap()));
        for cloud in ["public", "https://contoso.ciamlogin.com", "https://localhost:8501"] {
            assert!(!allows(&Cloud::from_setting(cloud).unwrap()), "{cloud}");
        }
    }
}
