//! The builder that all transports over rustls share.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use entra_proto::Cloud;
use rustls::pki_types::ServerName;

use crate::tls::Trust;
use crate::{Proxies, TransportError, TransportErrorKind, TransportPolicy};

/// A builder for a transport over rustls: `UreqTransport`, `HyperTransport` or `ReqwestTransport`.
///
/// All of them have the same settings.
///
/// ```
/// use std::time::Duration;
///
/// use entra_transport::adapter::FromSettings;
/// use entra_transport::{Proxies, Report, TransportBuilder};
///
/// fn transport<T: FromSettings>() -> Result<T, Report> {
///     let transport = TransportBuilder::<T>::new()
///         .timeout(Duration::from_secs(10))
///         .proxies(Proxies::through("http://proxy.example:3128")?)
///         .build()?;
///     Ok(transport)
/// }
/// ```
#[must_use]
pub struct TransportBuilder<T> {
    settings: Settings,
    proxies_from_env: bool,
    transport: PhantomData<fn() -> T>,
}

/// The settings of a transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The rules for requests and responses, and their deadlines.
    pub policy: TransportPolicy,
    /// The trusted certificate authorities.
    pub trust: Trust,
    /// The proxy, and the hosts that are reached without it.
    pub proxies: Proxies,
    /// The name that TLS uses in place of the host of the URI, except on a local route.
    pub server_name: Option<ServerName<'static>>,
}

/// A transport that a [`TransportBuilder`] can build.
pub trait FromSettings: Sized {
    /// Creates the transport with these settings.
    ///
    /// # Errors
    /// Returns [`Configuration`](crate::TransportErrorKind::Configuration) if the transport cannot
    /// be built with these settings.
    fn from_settings(settings: Settings) -> Result<Self, TransportError>;
}

impl<T> TransportBuilder<T> {
    /// Creates a builder with the default settings.
    pub fn new() -> Self {
        let settings = Settings {
            policy: TransportPolicy::default(),
            trust: Trust::default(),
            proxies: Proxies::none(),
            server_name: None,
        };
        Self {
            settings,
            proxies_from_env: true,
            transport: PhantomData,
        }
    }

    /// Sets the longest time of a whole request. The default is 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.timeout = timeout;
        self
    }

    /// Sets the longest time for connecting, including the TLS handshake. The default is 10
    /// seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.policy.connect_timeout = timeout;
        self
    }

    /// Sets the largest size of a response body, in bytes. The default is
    /// [`MAX_BODY`](crate::MAX_BODY).
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.settings.policy.max_body = bytes;
        self
    }

    /// Sets whether plain `http` to this machine is allowed, for emulators and tests. The default
    /// is `false`.
    pub fn allow_plain_loopback(mut self, allow: bool) -> Self {
        self.settings.policy.allow_plain_loopback = allow;
        self
    }

    /// Allows plain `http` to this machine if the cloud is an emulator with such an address.
    /// Changes nothing for every other cloud.
    ///
    /// Such a cloud comes from [`Cloud::loopback`], or from a setting
    /// ([`cloud_from_env`](crate::cloud_from_env)).
    pub fn for_cloud(self, cloud: &Cloud) -> Self {
        match cloud {
            Cloud::Custom(origin) if !origin.is_https() => self.allow_plain_loopback(true),
            _ => self,
        }
    }

    /// Adds the certificates in `pem` to the trusted roots.
    ///
    /// # Errors
    /// Returns an error if `pem` contains no certificate or a malformed one.
    pub fn root_certificates_pem(mut self, pem: &[u8]) -> Result<Self, TransportError> {
        self.settings.trust.add_pem(pem)?;
        Ok(self)
    }

    /// Adds the certificate in `der` to the trusted roots.
    ///
    /// # Errors
    /// Returns an error if `der` is not a certificate.
    pub fn add_root_der(mut self, der: &[u8]) -> Result<Self, TransportError> {
        self.settings.trust.add_der(der)?;
        Ok(self)
    }

    /// Sets whether only the added roots are trusted. The default is `false`.
    pub fn added_roots_only(mut self, only: bool) -> Self {
        self.settings.trust.added_only(only);
        self
    }

    /// Replaces all trusted roots by the certificates in `pem`.
    pub(crate) fn trusting_only(mut self, pem: &[u8]) -> Result<Self, TransportError> {
        self.settings.trust = Trust::default();
        self.root_certificates_pem(pem)
            .map(|builder| builder.added_roots_only(true))
    }

    /// Sets the proxy. By default, the environment determines it: see [`Proxies::from_env`].
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.settings.proxies = proxies;
        self.proxies_from_env = false;
        self
    }

    /// Sets the name that TLS sends to the server and requires in its certificate, in place of the
    /// host of the URI. It applies to all hosts, so it suits a transport that sends requests to a
    /// single one.
    ///
    /// # Errors
    /// Returns an error if `name` is neither a host name nor an address.
    pub fn server_name(mut self, name: &str) -> Result<Self, TransportError> {
        let name = ServerName::try_from(name).map_err(|error| {
            let problem = "the server name for TLS is not a host name";
            TransportError::new(TransportErrorKind::Configuration, problem)
                .with_hint("use the name in the server's certificate, without a scheme and a port")
                .because(error)
        })?;
        self.settings.server_name = Some(name.to_owned());
        Ok(self)
    }

    /// Returns the settings.
    ///
    /// # Errors
    /// Returns [`Configuration`](crate::TransportErrorKind::Configuration) if the environment names
    /// a proxy that cannot be used.
    pub fn settings(mut self) -> Result<Settings, TransportError> {
        if self.proxies_from_env {
            self.settings.proxies = Proxies::from_env()?;
        }
        self.settings.policy = self.settings.policy.bounded();
        Ok(self.settings)
    }
}

impl<T: FromSettings> TransportBuilder<T> {
    /// Builds the transport.
    ///
    /// # Errors
    /// Returns [`Configuration`](crate::TransportErrorKind::Configuration) if no root is trusted,
    /// if no cryptography provider is compiled in, or if the environment names a proxy that cannot
    /// be used.
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
