//! The handle that a test holds.

mod addresses;
mod federation;
mod managed_identity;
mod revocations;
mod users;

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};

pub use self::federation::AssertionSource;
use crate::builder::EmulatorBuilder;
use crate::config::{Api, App, ContentType, Tenant};
use crate::control;
use crate::forge::Forge;
use crate::router;
use crate::server::Server;
use crate::state::State;
use crate::state::clock::Clock;
use crate::state::fault::{Cut, Delivery, Fault};
use crate::state::recorder::{Channel, RequestEvent};
use crate::time::unix;
use crate::well_known::{
    AZURE_KEY_VAULT, AZURE_RESOURCE_MANAGER, AZURE_SQL, AZURE_STORAGE, GRAPH, MANAGED_DESKTOP, OFFICE_MANAGEMENT,
};

/// A local token service that behaves like Microsoft Entra ID. Dropping it stops its server at
/// once.
///
/// Create it with [`Emulator::start`], which uses the defaults for everything, or with
/// [`Emulator::builder`]. Accessors such as [`tenant_id`](Self::tenant_id) and
/// [`client_id`](Self::client_id) return values of the first tenant, the first application and the
/// first configured API, so that tests do not need constants.
///
/// ```
/// use entra_emulator::Emulator;
///
/// let emulator = Emulator::start();
/// assert!(emulator.token_url_v2().starts_with("http://127.0.0.1:"));
/// assert!(emulator.requests().is_empty());
/// ```
pub struct Emulator {
    state: Arc<State>,
    server: Option<Server>,
}

impl Emulator {
    /// Starts an emulator with all defaults on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// Panics if a listening socket cannot be opened. [`EmulatorBuilder::try_start`] returns an
    /// error instead.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Returns a builder, which configures the emulator.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    pub(crate) fn new(state: Arc<State>, server: Option<Server>) -> Self {
        Self { state, server }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Handles one request without sockets, with the same rules, faults and records as over the
    /// network.
    ///
    /// The URI of the request can be absolute or only a path. The [`Delivery`] in the extensions of
    /// the response describes what a response cannot express: latency, a connection reset, a
    /// truncated or endless body. Here, repeated and endless bodies end after 4 MiB.
    pub fn handle(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        let mut response = router::handle(&self.state, request, Channel::Memory);
        let cut = response
            .extensions()
            .get::<Delivery>()
            .map_or(Cut::Whole, |delivery| delivery.cut);
        let body = response.body_mut();
        match cut {
            Cut::Whole | Cut::Reset => {}
            Cut::After(bytes) => body.truncate(bytes),
            Cut::Repeated(bytes) => repeat(
                body,
                usize::try_from(bytes).unwrap_or(usize::MAX).min(LONGEST_IN_MEMORY),
            ),
            Cut::Endless => repeat(body, LONGEST_IN_MEMORY),
        }
        response
    }

    /// Starts to handle requests, if the emulator was started [paused](EmulatorBuilder::paused).
    /// Requests that arrived before are handled now.
    pub fn resume(&mut self) {
        if let Some(server) = &mut self.server {
            server.resume();
        }
    }

    #[doc = include_str!("../control/contract.md")]
    pub fn handle_control(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        control::handle(&self.state, &request)
    }

    /// Returns the key of the control API: 32 random bytes in hexadecimal, new for every emulator
    /// and never derived from the seed.
    pub fn control_key(&self) -> &str {
        self.state.control_key.text()
    }

    /// Returns the URL of the control API, `http://127.0.0.1:{port}`, or `None` without
    /// [`EmulatorBuilder::control`].
    pub fn control_url(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.control_url.as_deref())
    }

    /// Returns the emulator's clock, which can be frozen and set.
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Adds a fault to the script.
    pub fn fault(&self, fault: Fault) {
        self.state.script.push(fault);
    }

    /// Deletes all pending faults.
    pub fn clear_faults(&self) {
        self.state.script.clear();
    }

    /// Returns the newest requests, oldest first. [`EmulatorBuilder::recorded_requests`] limits
    /// their number.
    pub fn requests(&self) -> Vec<RequestEvent> {
        self.state.recorder.events()
    }

    /// Returns the newest requests to a token endpoint, oldest first.
    pub fn token_requests(&self) -> Vec<RequestEvent> {
        self.requests()
            .into_iter()
            .filter(RequestEvent::is_token_request)
            .collect()
    }

    /// Returns the number of requests since the emulator was created or reset, including those no
    /// longer stored.
    pub fn request_count(&self) -> u64 {
        self.state.recorder.count()
    }

    /// Deletes the recorded requests. The count continues.
    pub fn clear_requests(&self) {
        self.state.recorder.clear();
    }

    /// Restores the state at the start.
    ///
    /// The clock and the signing keys are restored. Faults, requests and their count, consents,
    /// pending sign-ins, authorization codes, device codes, refresh tokens, revocations,
    /// subscriptions and used assertions are deleted. The configuration and the addresses stay.
    ///
    /// An access token that was issued before stays valid until it expires, because the emulator
    /// stores nothing about it. A request that is handled concurrently may see the state before or
    /// after the reset.
    ///
    /// ```
    /// use entra_emulator::{Emulator, Fault};
    ///
    /// let emulator = Emulator::builder().build();
    /// emulator.fault(Fault::status(503).always());
    /// emulator.clock().advance(std::time::Duration::from_secs(3_600));
    /// emulator.reset();
    /// let request = http::Request::get("/common/discovery/keys").body(Vec::new());
    /// assert_eq!(emulator.handle(request.unwrap()).status(), 200);
    /// ```
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Begins a forged token. By default, it is an app-only token of the first application, for
    /// [`api`](Forge::api), in the first tenant.
    pub fn forge(&self) -> Forge<'_> {
        Forge::new(&self.state)
    }

    /// Starts to sign with a new key and keeps the old ones published: validators meet an unknown
    /// key ID, and old tokens stay valid. After six keys, the first one is used again.
    pub fn rotate_signing_key(&self) {
        self.state.keys.rotate(true);
    }

    /// Starts to sign with a new key and withdraws all others at once, so that tokens signed before
    /// are rejected.
    pub fn replace_signing_key(&self) {
        self.state.keys.rotate(false);
    }

    /// Withdraws every key except the one that signs, as the service does some time after a
    /// rotation.
    pub fn retire_old_signing_keys(&self) {
        self.state.keys.retire();
    }

    /// Revokes every access token issued so far, as continuous access evaluation does. From now on,
    /// Graph rejects them with status 401.
    ///
    /// A client that declared support (its token has `cp1` in `xms_cc`, in any letter case)
    /// receives a claims challenge in `WWW-Authenticate`: `error="insufficient_claims"`, with
    /// `claims` that require an `nbf` at or after the revocation. Any other client receives
    /// `error="invalid_token"`; Entra would accept its token until it expires.
    ///
    /// Every token issued from now on is accepted, even in the same second and under a frozen
    /// clock, whether or not it was requested with the challenge's `claims`. Only with them is its
    /// `nbf` as late as they require.
    ///
    /// ```
    /// use entra_emulator::Emulator;
    /// use serde_json::Value;
    ///
    /// let emulator = Emulator::builder().build();
    /// let token = || {
    ///     let body = format!(
    ///         "grant_type=client_credentials&client_id={}&client_secret={}{}{}",
    ///         emulator.client_id(),
    ///         emulator.client_secret(),
    ///         "&scope=.default&claims=",
    ///         r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#,
    ///     );
    ///     let request = http::Request::post(emulator.token_url_v2())
    ///         .header("content-type", "application/x-www-form-urlencoded")
    ///         .body(body.into_bytes());
    ///     let response = emulator.handle(request.unwrap());
    ///     let body: Value = serde_json::from_slice(response.body()).unwrap();
    ///     body["access_token"].as_str().unwrap().to_owned()
    /// };
    /// let users = |token: &str| {
    ///     let request = http::Request::get("/v1.0/users")
    ///         .header("authorization", format!("Bearer {token}"))
    ///         .body(Vec::new());
    ///     emulator.handle(request.unwrap())
    /// };
    /// let old = token();
    /// emulator.revoke_tokens();
    /// let rejected = users(&old);
    /// assert_eq!(rejected.status(), 401);
    /// let challenge = rejected.headers()["www-authenticate"].to_str().unwrap();
    /// assert!(challenge.contains("insufficient_claims"));
    /// assert_eq!(users(&token()).status(), 200);
    /// ```
    pub fn revoke_tokens(&self) {
        self.state.revocations.revoke(None, unix(self.state.clock.now()));
    }

    /// Adds contents to the activity feed of a tenant (GUID or domain), created now, each with the
    /// [configured number](crate::ActivityFeed::records) of records. Webhooks of its subscriptions
    /// are notified.
    ///
    /// # Panics
    /// Panics if there is no such tenant.
    pub fn publish_activity(&self, tenant: &str, content_type: ContentType, contents: u32) {
        let tenant = self.tenant_named(tenant);
        self.state
            .feed
            .publish(tenant, content_type, contents, unix(self.state.clock.now()));
    }

    /// Iterates over the IDs of all audit records in the activity feed of a tenant (GUID or
    /// domain), each once: the result of a collector that loses nothing.
    ///
    /// # Panics
    /// Panics if there is no such tenant.
    pub fn activity_record_ids(&self, tenant: &str, content_type: ContentType) -> impl Iterator<Item = String> {
        let tenant = self.tenant_named(tenant);
        let now = unix(self.state.clock.now());
        self.state.feed.contents(tenant, content_type, now).record_ids()
    }

    fn tenant_named(&self, name: &str) -> &Tenant {
        match self.state.directory.tenant(name) {
            Some(tenant) => tenant,
            None => panic!("no tenant has the ID or the domain {name:?}"),
        }
    }

    /// Returns the GUID of the first tenant.
    pub fn tenant_id(&self) -> &str {
        &self.state.first_tenant().id
    }

    /// Returns the domain of the first tenant.
    pub fn domain(&self) -> &str {
        &self.state.first_tenant().domain
    }

    /// Returns the client ID of the first application.
    pub fn client_id(&self) -> &str {
        &self.first_app().client_id
    }

    /// Returns the object ID of the first application, which Graph's `/applications/{id}` takes.
    pub fn object_id(&self) -> &str {
        &self.first_app().object_id
    }

    /// Returns the first secret of the first application, or an empty text if it has none.
    pub fn client_secret(&self) -> &str {
        let secrets = self.first_app().secrets.as_deref().unwrap_or_default();
        secrets.first().map_or("", |secret| secret.value.as_str())
    }

    /// Returns the first configured API, or the generated one (v2 tokens) if none was configured.
    pub fn api(&self) -> &Api {
        self.state
            .directory
            .apis
            .get(self.state.directory.own_api)
            .expect("the directory holds at least one own API")
    }

    /// Returns the tenants, with all missing values filled in.
    pub fn tenants(&self) -> &[Tenant] {
        &self.state.directory.tenants
    }

    /// Returns the applications, with all missing values filled in.
    pub fn apps(&self) -> &[App] {
        &self.state.directory.apps
    }

    /// Returns the APIs, the well-known ones first, with all missing values filled in.
    pub fn apis(&self) -> &[Api] {
        &self.state.directory.apis
    }

    /// Returns the application with this name or client ID.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.state.directory.app_named(name)
    }

    /// The identifier URI of Microsoft Graph: `https://graph.microsoft.com`.
    pub const GRAPH: &'static str = GRAPH;

    /// The identifier URI of the Office 365 Management APIs: `https://manage.office.com`.
    pub const OFFICE_MANAGEMENT: &'static str = OFFICE_MANAGEMENT;

    /// The identifier URI of Azure Resource Manager: `https://management.azure.com`. The API is
    /// also known as `https://management.core.windows.net/`.
    pub const AZURE_RESOURCE_MANAGER: &'static str = AZURE_RESOURCE_MANAGER;

    /// The identifier URI of Azure Key Vault: `https://vault.azure.net`.
    pub const AZURE_KEY_VAULT: &'static str = AZURE_KEY_VAULT;

    /// The identifier URI of Azure Storage: `https://storage.azure.com`.
    pub const AZURE_STORAGE: &'static str = AZURE_STORAGE;

    /// The identifier URI of Azure SQL, including its final slash: `https://database.windows.net/`.
    pub const AZURE_SQL: &'static str = AZURE_SQL;

    /// The identifier URI of Managed Desktop. Its host is not that of the API.
    pub const MANAGED_DESKTOP: &'static str = MANAGED_DESKTOP;

    fn first_app(&self) -> &App {
        self.state
            .directory
            .apps
            .first()
            .expect("the directory holds at least one app")
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("base_url", &self.base_url())
            .field("tenant_id", &self.tenant_id())
            .field("client_id", &self.client_id())
            .finish_non_exhaustive()
    }
}

fn repeat(body: &mut Vec<u8>, length: usize) {
    if body.is_empty() {
        body.push(b' ');
    }
    let pattern = body.clone();
    while body.len() < length {
        let room = length - body.len();
        body.extend_from_slice(&pattern[..pattern.len().min(room)]);
    }
    body.truncate(length);
}

const LONGEST_IN_MEMORY: usize = 4 * 1024 * 1024;
