//! The handle a test holds.

mod users;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};

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

/// An emulated Entra. Dropping it stops its server at once.
///
/// Made by [`Emulator::start`] with everything at its default, or by [`Emulator::builder`]. The accessors name the first
/// tenant, the first app and the first API of your own, so that a test needs no constants.
pub struct Emulator {
    state: Arc<State>,
    server: Option<Server>,
}

impl Emulator {
    /// Starts an emulator with everything at its default on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the machine has no free port on loopback. [`EmulatorBuilder::try_start`] gives an error instead.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Says what the emulator is made of.
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder::default()
    }

    pub(crate) fn new(state: Arc<State>, server: Option<Server>) -> Self {
        Self { state, server }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Answers one request without any socket: the very same rules, faults and records as over the network.
    ///
    /// The request's URI may be absolute or only a path. What a response cannot express (a reset, a body cut short or
    /// without end, latency) is told by the [`Delivery`] among its extensions.
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

    /// Answers from now on, if the emulator started [paused](EmulatorBuilder::paused). Clients that came before have waited.
    pub fn resume(&mut self) {
        if let Some(server) = &mut self.server {
            server.resume();
        }
    }

    #[doc = include_str!("../control/contract.md")]
    pub fn handle_control(&self, request: Request<Vec<u8>>) -> Response<Vec<u8>> {
        control::answer(&self.state, &request)
    }

    /// The key of the control API: 32 random bytes in hexadecimal, new for every emulator and never derived from the seed.
    pub fn control_key(&self) -> &str {
        self.state.control_key.text()
    }

    /// Where the control API listens, if [`EmulatorBuilder::control`] has been called: `http://127.0.0.1:{port}`.
    pub fn control_url(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.control_url.as_deref())
    }

    /// The emulator's clock, to freeze and to move.
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Adds a fault to the script.
    pub fn fault(&self, fault: Fault) {
        self.state.script.push(fault);
    }

    /// Forgets every fault that has not struck yet.
    pub fn clear_faults(&self) {
        self.state.script.clear();
    }

    /// The newest requests, oldest first; how many are kept is [`EmulatorBuilder::recorded_requests`].
    pub fn requests(&self) -> Vec<RequestEvent> {
        self.state.recorder.events()
    }

    /// The newest requests to a token endpoint, oldest first.
    pub fn token_requests(&self) -> Vec<RequestEvent> {
        self.requests()
            .into_iter()
            .filter(RequestEvent::is_token_request)
            .collect()
    }

    /// Returns the number of requests since the emulator was made or reset, those no longer kept included.
    pub fn request_count(&self) -> u64 {
        self.state.recorder.count()
    }

    /// Forgets the requests so far; the count goes on.
    pub fn clear_requests(&self) {
        self.state.recorder.clear();
    }

    /// Puts the emulator back into the state at its start: the clock, the signing keys, and nothing known of faults,
    /// requests and their count, consents, sign-ins under way, codes, device codes, refresh tokens, revocations,
    /// subscriptions and used assertions. The configuration and the addresses stay.
    ///
    /// An access token that was issued before is good as long as it would have been: nothing is kept about it. A request
    /// that is answered meanwhile may see the state of before or after.
    ///
    /// ```
    /// use entra_emulator::{Emulator, Fault};
    ///
    /// let emulator = Emulator::builder().build();
    /// emulator.fault(Fault::status(503).always());
    /// emulator.clock().advance(std::time::Duration::from_secs(3_600));
    /// emulator.reset();
    /// let request = http::Request::get("/common/discovery/keys").body(Vec::new()).unwrap();
    /// assert_eq!(emulator.handle(request).status(), 200);
    /// ```
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Begins a forged token: an app-only one of the first app, for [`api`](Forge::api), in the first tenant.
    pub fn forge(&self) -> Forge<'_> {
        Forge::new(&self.state)
    }

    /// Takes a new signing key into use and keeps the old one published: a validator meets an unknown key id, and old
    /// tokens stay good. After six keys the first one comes again.
    pub fn rotate_signing_key(&self) {
        self.state.keys.rotate(true);
    }

    /// Takes a new signing key into use and withdraws all others at once: tokens signed before are refused.
    pub fn replace_signing_key(&self) {
        self.state.keys.rotate(false);
    }

    /// Withdraws every key but the one in use, as the service does some time after a rotation.
    pub fn retire_old_signing_keys(&self) {
        self.state.keys.retire();
    }

    /// Revokes every access token issued so far, as continuous access evaluation does: from now on Graph refuses them
    /// with 401.
    ///
    /// A client that said that it can handle it (its token has `cp1` in `xms_cc`, in any case) is told by a claims
    /// challenge in `WWW-Authenticate`: `error="insufficient_claims"`, and `claims` that ask for an `nbf` not before the
    /// revocation. Any other client is told `error="invalid_token"`; Entra would let its token live until it expires.
    ///
    /// Every token issued from now on is accepted, within the same second and under a frozen clock, too, whether it was
    /// asked for with the challenge's `claims` or without. Only with them is its `nbf` as late as they want it.
    ///
    /// ```
    /// use entra_emulator::Emulator;
    ///
    /// let emulator = Emulator::builder().build();
    /// let token = || {
    ///     let body = format!(
    ///         "grant_type=client_credentials&scope=.default&client_id={}&client_secret={}&claims={}",
    ///         emulator.client_id(),
    ///         emulator.client_secret(),
    ///         r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#,
    ///     );
    ///     let request = http::Request::post(emulator.token_url_v2())
    ///         .header("content-type", "application/x-www-form-urlencoded")
    ///         .body(body.into_bytes());
    ///     let answer: serde_json::Value = serde_json::from_slice(emulator.handle(request.unwrap()).body()).unwrap();
    ///     answer["access_token"].as_str().unwrap().to_owned()
    /// };
    /// let users = |token: &str| {
    ///     let request = http::Request::get("/v1.0/users").header("authorization", format!("Bearer {token}"));
    ///     emulator.handle(request.body(Vec::new()).unwrap())
    /// };
    /// let old = token();
    /// emulator.revoke_tokens();
    /// let refused = users(&old);
    /// assert_eq!(refused.status(), 401);
    /// assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("insufficient_claims"));
    /// assert_eq!(users(&token()).status(), 200);
    /// ```
    pub fn revoke_tokens(&self) {
        self.state.revocations.revoke(None, unix(self.state.clock.now()));
    }

    /// Revokes the access tokens of one app, by its name or client id, in every tenant: see
    /// [`revoke_tokens`](Self::revoke_tokens).
    ///
    /// # Panics
    /// If there is no such app: a misspelt name would weaken a test unseen.
    pub fn revoke_tokens_of(&self, app: &str) {
        let client_id = match self.app(app) {
            Some(app) => &app.client_id,
            None => panic!("no app is called {app:?} or has that client id"),
        };
        self.state
            .revocations
            .revoke(Some(client_id), unix(self.state.clock.now()));
    }

    /// Removes an app, by its name or client ID, from a tenant (GUID or domain), as an administrator does who deletes it
    /// there. Token requests are answered with AADSTS700016 from now on, and APIs reject the tokens that the app got there
    /// before: Microsoft's would accept some of them until they expire. A new consent brings the app back.
    ///
    /// # Panics
    /// Panics if there is no such app or tenant.
    pub fn revoke_consent(&self, app: &str, tenant: &str) {
        let Some(app) = self.app(app) else {
            panic!("no app is called {app:?} or has that client id");
        };
        self.state.withdraw(app, self.tenant_named(tenant));
    }

    /// Adds contents to the activity feed of a tenant (GUID or domain), created now, each with the
    /// [usual number](crate::ActivityFeed::records) of records. Webhooks of its subscriptions are notified of them.
    ///
    /// # Panics
    /// Panics if there is no such tenant.
    pub fn publish_activity(&self, tenant: &str, content_type: ContentType, contents: u32) {
        let tenant = self.tenant_named(tenant);
        self.state
            .feed
            .publish(tenant, content_type, contents, unix(self.state.clock.now()));
    }

    /// The IDs of all audit records in the activity feed of a tenant (GUID or domain), each once: what a collector that
    /// loses nothing has in the end.
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

    /// `http://127.0.0.1:{port}` while serving, or the first name of [`EmulatorBuilder::reached_as`]; a made-up origin without a
    /// socket. No slash at the end. A browser sees there what is registered, and the last requests with what was wrong.
    pub fn base_url(&self) -> &str {
        &self.state.base_url
    }

    /// `https://127.0.0.1:{port}` if a TLS listener was asked for. It listens at every address of `localhost`, which its certificate
    /// names as well.
    pub fn tls_url(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.tls_url.as_deref())
    }

    /// The certificate authority of the TLS listener, in PEM, for a client to trust.
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.as_ref().and_then(|server| server.ca_pem.as_deref())
    }

    /// Where the plain listener is, while there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.address)
    }

    /// The v1 token endpoint of the first tenant.
    pub fn token_url_v1(&self) -> String {
        format!("{}/{}/oauth2/token", self.base_url(), self.tenant_id())
    }

    /// The v2 token endpoint of the first tenant.
    pub fn token_url_v2(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.base_url(), self.tenant_id())
    }

    /// `{base_url}/{tenant_id}`: what most libraries call the authority.
    pub fn authority(&self) -> String {
        format!("{}/{}", self.base_url(), self.tenant_id())
    }

    /// The v1 authorization endpoint of the first tenant, without any parameter.
    pub fn authorize_url_v1(&self) -> String {
        format!("{}/oauth2/authorize", self.authority())
    }

    /// The v2 authorization endpoint of the first tenant, without any parameter.
    pub fn authorize_url_v2(&self) -> String {
        format!("{}/oauth2/v2.0/authorize", self.authority())
    }

    /// Where the Office 365 Management Activity API answers for the first tenant:
    /// `{base_url}/api/v1.0/{tenant_id}/activity/feed`.
    pub fn activity_url(&self) -> String {
        format!("{}/api/v1.0/{}/activity/feed", self.base_url(), self.tenant_id())
    }

    /// Where Microsoft Graph answers: `{base_url}/v1.0`.
    pub fn graph_url(&self) -> String {
        format!("{}/v1.0", self.base_url())
    }

    /// Where the Managed Desktop API answers for the first tenant: `{base_url}/support/odata/v1/tenants/{tenant_id}`. Its
    /// tokens are for [`MANAGED_DESKTOP`](Self::MANAGED_DESKTOP), which is another host than the API's own.
    pub fn managed_desktop_url(&self) -> String {
        format!("{}/support/odata/v1/tenants/{}", self.base_url(), self.tenant_id())
    }

    /// The first tenant's GUID.
    pub fn tenant_id(&self) -> &str {
        &self.state.first_tenant().id
    }

    /// The first tenant's domain.
    pub fn domain(&self) -> &str {
        &self.state.first_tenant().domain
    }

    /// The first app's client id.
    pub fn client_id(&self) -> &str {
        &self.first_app().client_id
    }

    /// The object id of the first app's registration, which Graph's `/applications/{id}` wants.
    pub fn object_id(&self) -> &str {
        &self.first_app().object_id
    }

    /// The first app's first secret; empty if it has none.
    pub fn client_secret(&self) -> &str {
        let secrets = self.first_app().secrets.as_deref().unwrap_or_default();
        secrets.first().map_or("", |secret| secret.value.as_str())
    }

    /// The first API of your own, or the one made up in its place (v2 tokens).
    pub fn api(&self) -> &Api {
        self.state
            .directory
            .apis
            .get(self.state.directory.own_api)
            .expect("the directory holds at least one own API")
    }

    /// The directories, with every gap filled.
    pub fn tenants(&self) -> &[Tenant] {
        &self.state.directory.tenants
    }

    /// The apps, with every gap filled.
    pub fn apps(&self) -> &[App] {
        &self.state.directory.apps
    }

    /// The APIs, the well-known ones first, with every gap filled.
    pub fn apis(&self) -> &[Api] {
        &self.state.directory.apis
    }

    /// The app of that name or client id.
    pub fn app(&self, name: &str) -> Option<&App> {
        self.state.directory.app_named(name)
    }

    /// Microsoft Graph's identifier URI: `https://graph.microsoft.com`.
    pub const GRAPH: &'static str = GRAPH;

    /// The Office 365 Management APIs' identifier URI: `https://manage.office.com`.
    pub const OFFICE_MANAGEMENT: &'static str = OFFICE_MANAGEMENT;

    /// Azure Resource Manager's identifier URI: `https://management.azure.com`. The API is also known as
    /// `https://management.core.windows.net/`.
    pub const AZURE_RESOURCE_MANAGER: &'static str = AZURE_RESOURCE_MANAGER;

    /// Azure Key Vault's identifier URI: `https://vault.azure.net`.
    pub const AZURE_KEY_VAULT: &'static str = AZURE_KEY_VAULT;

    /// Azure Storage's identifier URI: `https://storage.azure.com`.
    pub const AZURE_STORAGE: &'static str = AZURE_STORAGE;

    /// Azure SQL's identifier URI, with the slash at its end that belongs to it.
    pub const AZURE_SQL: &'static str = AZURE_SQL;

    /// Managed Desktop's identifier URI. It is not the host that the API is reached under.
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
