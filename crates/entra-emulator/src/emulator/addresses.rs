//! The addresses of the emulator and of its endpoints.

use std::net::SocketAddr;

use crate::emulator::Emulator;

impl Emulator {
    /// Returns the base URL without a final slash: `http://127.0.0.1:{port}`, or the first name of
    /// [`reached_as`](crate::EmulatorBuilder::reached_as). Without sockets, it is a placeholder.
    ///
    /// In a browser, it shows the registrations, and the last requests with their errors.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// Returns `https://127.0.0.1:{port}` if there is a TLS listener. It listens at every address
    /// of `localhost`, which its certificate contains as well.
    pub fn tls_url(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.tls_url.as_deref())
    }

    /// Returns the certificate authority of the TLS listener in PEM, for a client to trust.
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.ca_pem.as_deref())
    }

    /// Returns the address of the plain HTTP listener, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.address)
    }

    /// Returns the v1 token endpoint of the first tenant.
    pub fn token_url_v1(&self) -> String {
        format!("{}/{}/oauth2/token", self.base_url(), self.tenant_id())
    }

    /// Returns the v2 token endpoint of the first tenant.
    pub fn token_url_v2(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.base_url(), self.tenant_id())
    }

    /// Returns `{base_url}/{tenant_id}`, which most libraries call the authority.
    pub fn authority(&self) -> String {
        format!("{}/{}", self.base_url(), self.tenant_id())
    }

    /// Returns the v1 authorization endpoint of the first tenant, without parameters.
    pub fn authorize_url_v1(&self) -> String {
        format!("{}/oauth2/authorize", self.authority())
    }

    /// Returns the v2 authorization endpoint of the first tenant, without parameters.
    pub fn authorize_url_v2(&self) -> String {
        format!("{}/oauth2/v2.0/authorize", self.authority())
    }

    /// Returns the URL of the Office 365 Management Activity API for the first tenant:
    /// `{base_url}/api/v1.0/{tenant_id}/activity/feed`.
    pub fn activity_url(&self) -> String {
        format!("{}/api/v1.0/{}/activity/feed", self.base_url(), self.tenant_id())
    }

    /// Returns the URL of Microsoft Graph: `{base_url}/v1.0`.
    pub fn graph_url(&self) -> String {
        format!("{}/v1.0", self.base_url())
    }

    /// Returns the URL of the Managed Desktop API for the first tenant:
    /// `{base_url}/support/odata/v1/tenants/{tenant_id}`.
    ///
    /// Its tokens are for [`MANAGED_DESKTOP`](Self::MANAGED_DESKTOP), which has another host than
    /// the API.
    pub fn managed_desktop_url(&self) -> String {
        format!("{}/support/odata/v1/tenants/{}", self.base_url(), self.tenant_id())
    }
}
