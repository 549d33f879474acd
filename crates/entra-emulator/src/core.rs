//! The emulator without any socket: a request in, a response out.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::DATE;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::Error;
use crate::aadsts::Refusal;
use crate::authorize::pages::Shown;
use crate::authorize::transaction::Transactions;
use crate::clock::Clock;
use crate::config::{Config, LONGEST_INTERVAL, LONGEST_LIFETIME, Tenant};
use crate::consents::Consents;
use crate::control::ControlKey;
use crate::directory::{Directory, ciam_subdomain};
use crate::exchange::{Exchange, shown};
use crate::fault::{Script, http_date};
use crate::keys::KeyRing;
use crate::quota::Quota;
use crate::recorder::{Channel, Endpoint, Purpose, Recorder};
use crate::redact::redacted;
use crate::seed::{Generator, is_guid};
use crate::token::device;
use crate::token::grants::Grants;
use crate::token::issuer::Issuers;
use crate::token::replay::Replays;
use crate::token::revocation::Revocations;
use crate::{Aadsts, activity, authorize, discovery, graph, landing, managed_desktop, recorder, token, user_realm};

/// All state of one emulator.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) directory: Directory,
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
    pub(crate) issuers: Issuers,
    pub(crate) recorder: Recorder,
    pub(crate) script: Script,
    /// Seconds an access token lives.
    pub(crate) token_lifetime: u64,
    pub(crate) refresh_in: Option<u64>,
    pub(crate) device_interval: u64,
    /// The origin to name in documents when a request names none.
    pub(crate) base_url: String,
    /// The origin of the TLS listener, if there is one.
    pub(crate) tls_url: Option<String>,
    /// Names that clients reach the emulator by, beside its addresses.
    pub(crate) names: Vec<String>,
    /// Tells this emulator from one that had its address before: nanoseconds, by the clock of the machine.
    pub(crate) started_at: u128,
    /// The assertions used so far, if none may be used twice.
    pub(crate) replays: Option<Replays>,
    pub(crate) revocations: Revocations,
    pub(crate) consents: Consents,
    pub(crate) transactions: Transactions,
    pub(crate) grants: Grants,
    pub(crate) subscriptions: activity::Subscriptions,
    pub(crate) feed: activity::Feed,
    /// Requests to Graph that an application may make in a tenant in a minute; any number if nothing is said.
    pub(crate) graph_requests_per_minute: Option<u64>,
    pub(crate) graph_quota: Quota,
    pub(crate) activity_quota: Quota,
    /// Whether answers to apps name their issuer (RFC 9207).
    pub(crate) issuer_in_answers: bool,
    /// What the control API is used with.
    pub(crate) control_key: ControlKey,
    /// Whether the control API may be reached under any name.
    pub(crate) control_is_open: bool,
    ids: Mutex<Generator>,
}

impl Core {
    pub(crate) fn new(config: Config, clock: Clock, recorder: Recorder, base_url: String) -> Result<Self, Error> {
        config.issuers.check()?;
        config.check()?;
        let feed = activity::Feed::new(config.activity.clone(), config.seed);
        let issuers = config.issuers.clone();
        let seed = config.seed;
        let token_lifetime = config.token_lifetime.unwrap_or(3_600).clamp(1, LONGEST_LIFETIME);
        let refresh_in = config.refresh_in;
        let graph_requests_per_minute = config.graph_requests_per_minute;
        let device_interval = config.device_interval.unwrap_or(5).clamp(1, LONGEST_INTERVAL);
        Ok(Self {
            directory: Directory::new(config)?,
            seed,
            clock,
            keys: KeyRing::new(seed),
            issuers,
            recorder,
            script: Script::default(),
            token_lifetime,
            refresh_in,
            device_interval,
            base_url,
            tls_url: None,
            names: Vec::new(),
            started_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos(),
            replays: None,
            revocations: Revocations::new(seed),
            consents: Consents::default(),
            transactions: Transactions::default(),
            grants: Grants::default(),
            subscriptions: activity::Subscriptions::default(),
            feed,
            graph_requests_per_minute,
            graph_quota: Quota::default(),
            activity_quota: Quota::default(),
            issuer_in_answers: false,
            control_key: ControlKey::new(),
            control_is_open: false,
            ids: Mutex::new(Generator::named(seed, "answers")),
        })
    }

    /// Puts back the state at the start; the configuration stays.
    pub(crate) fn reset(&self) {
        // Without `..`, so that a new field is thought of here.
        let Self {
            directory: _,
            seed,
            clock,
            keys,
            issuers: _,
            recorder,
            script,
            token_lifetime: _,
            refresh_in: _,
            device_interval: _,
            base_url: _,
            tls_url: _,
            names: _,
            started_at: _,
            replays,
            revocations,
            consents,
            transactions,
            grants,
            subscriptions,
            feed,
            graph_requests_per_minute: _,
            graph_quota,
            activity_quota,
            issuer_in_answers: _,
            control_key: _,
            control_is_open: _,
            ids,
        } = self;
        script.clear();
        clock.reset();
        keys.reset();
        if let Some(replays) = replays {
            replays.clear();
        }
        revocations.clear();
        consents.clear();
        transactions.clear();
        grants.clear();
        subscriptions.clear();
        feed.clear();
        graph_quota.clear();
        activity_quota.clear();
        *ids.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Generator::named(*seed, "answers");
        // Last, so that no request of before is counted.
        recorder.reset();
    }

    pub(crate) fn first_tenant(&self) -> &Tenant {
        self.directory
            .tenants
            .first()
            .expect("the directory holds at least one tenant")
    }

    /// A fresh GUID for an answer.
    pub(crate) fn guid(&self) -> String {
        self.ids().guid()
    }

    /// The generator behind everything that differs from answer to answer.
    pub(crate) fn ids(&self) -> std::sync::MutexGuard<'_, Generator> {
        self.ids.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Answers a request: by the script if a fault waits for it, by the rules otherwise. What asks about the emulator itself is
    /// not part of either.
    pub(crate) fn handle(&self, request: Request<Vec<u8>>, channel: Channel) -> Response<Vec<u8>> {
        if let Some(response) = landing::answer(self, &request, channel) {
            return response;
        }
        let mut exchange = Exchange::new(self, request, channel);
        (exchange.event.purpose, exchange.event.endpoint) = purpose(&exchange.segments);
        let fault = self.script.take(&exchange.event.path);
        let replacement = fault.as_ref().and_then(|fault| fault.replacement());
        let mut response = match replacement {
            Some(Ok(response)) => response,
            Some(Err(code)) if Aadsts::find(code).is_some() => exchange.refuse(&Refusal::new(code)),
            Some(Err(code)) => exchange.json(
                StatusCode::INTERNAL_SERVER_ERROR,
                &json!({"error": "server_error", "error_description": format!("AADSTS{code} is no row of the table")}),
            ),
            None => route(&mut exchange),
        };
        if !response.headers().contains_key(DATE) {
            response.headers_mut().insert(DATE, http_date(exchange.now));
        }
        if let Some(fault) = fault {
            fault.touch(&mut response, exchange.now);
            exchange.event.fault = Some(fault.name());
        }
        let mut event = exchange.event;
        let problem = event
            .problem
            .take()
            .or_else(|| problem(&response).map(|text| redacted(&self.directory, &event, &text)));
        // What is no GUID is no client ID: a secret may stand in its place, and need not look like one.
        let misplaced = event
            .client_id
            .as_deref()
            .filter(|id| !is_guid(id))
            .map(|id| format!("'{id}'"));
        event.problem = problem.map(|text| match &misplaced {
            Some(id) => text.replace(id, "'[not shown]'"),
            None => text,
        });
        event.shown = recorder::Shown {
            path: redacted(&self.directory, &event, &event.path),
            lints: event
                .lints
                .iter()
                .map(|lint| {
                    lint.with_text(|text| redacted(&self.directory, &event, text))
                        .to_string()
                })
                .collect(),
        };
        event.status = response.status();
        event.took = self.clock.now().duration_since(event.at).unwrap_or_default();
        self.recorder.record(event);
        response
    }
}

/// What an error response of any endpoint says in words.
fn problem(response: &Response<Vec<u8>>) -> Option<String> {
    if let Some(Shown::Error { message, .. }) = response.extensions().get() {
        return Some(message.clone());
    }
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return None;
    }
    let body: Value = serde_json::from_slice(response.body()).ok()?;
    let message = body
        .get("error_description")
        .or_else(|| body.pointer("/error/message"))?;
    message.as_str().map(str::to_owned)
}

/// Which endpoint a path ends with, whatever stands before it: a fault is played on a token request, too.
fn purpose(path: &[String]) -> (Option<Purpose>, Option<Endpoint>) {
    let path: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (purpose, endpoint) = match path.as_slice() {
        ["signin"] => return (Some(Purpose::SignIn), None),
        ["devicelogin"] => return (Some(Purpose::DeviceLogin), None),
        [.., "oauth2", "token"] => (Purpose::Token, Endpoint::V1),
        [.., "oauth2", "v2.0", "token"] => (Purpose::Token, Endpoint::V2),
        [.., "oauth2", "authorize"] => (Purpose::Authorize, Endpoint::V1),
        [.., "oauth2", "v2.0", "authorize"] => (Purpose::Authorize, Endpoint::V2),
        [.., "oauth2", "devicecode"] => (Purpose::DeviceCode, Endpoint::V1),
        [.., "oauth2", "v2.0", "devicecode"] => (Purpose::DeviceCode, Endpoint::V2),
        [.., "v2.0", "adminconsent"] => (Purpose::AdminConsent, Endpoint::V2),
        [.., "adminconsent"] => (Purpose::AdminConsent, Endpoint::V1),
        _ => return (None, None),
    };
    (Some(purpose), Some(endpoint))
}

fn route(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    let segments = std::mem::take(&mut exchange.segments);
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    // Clients disagree about the case, and the service takes any.
    let lower: Vec<String> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (lower.as_slice(), path.as_slice()) {
        (["v1.0", ..], [_, rest @ ..]) => return graph::answer(exchange, rest),
        (["beta", ..], _) => return graph::beta(exchange),
        (["oidc", "userinfo"], _) => return graph::userinfo::answer(exchange),
        (["signin"], _) => return authorize::proceed(exchange),
        (["devicelogin"], _) => return authorize::device_login(exchange),
        (["api", "v1.0", _, "activity", "feed", ..], [_, _, tenant, _, _, rest @ ..]) => {
            return activity::answer(exchange, tenant, rest);
        }
        (["support", "odata", "v1", "tenants", _, ..], [_, _, _, _, tenant, rest @ ..]) => {
            return managed_desktop::answer(exchange, tenant, rest);
        }
        _ => {}
    }
    let (tenant, rest) = tenant_and_rest(exchange, &path);
    exchange.event.tenant = Some(tenant.clone());
    let (_, lower) = lower.split_at(path.len() - rest.len());
    match lower {
        ["oauth2", "token"] => token::answer(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "token"] => token::answer(exchange, &tenant, Endpoint::V2),
        [".well-known", "openid-configuration"] => discovery::configuration(exchange, &tenant, Endpoint::V1),
        ["v2.0", ".well-known", "openid-configuration"] => discovery::configuration(exchange, &tenant, Endpoint::V2),
        ["discovery", "keys"] => discovery::keys(exchange, &tenant, Endpoint::V1),
        ["discovery", "v2.0", "keys"] => discovery::keys(exchange, &tenant, Endpoint::V2),
        ["discovery", "instance"] => discovery::instance(exchange),
        ["userrealm"] => user_realm::answer(exchange, &tenant, None),
        ["userrealm", _] => user_realm::answer(exchange, &tenant, rest.last().copied()),
        ["oauth2", "authorize"] => authorize::authorize(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "authorize"] => authorize::authorize(exchange, &tenant, Endpoint::V2),
        ["oauth2", "devicecode"] => device::answer(exchange, &tenant, Endpoint::V1),
        ["oauth2", "v2.0", "devicecode"] => device::answer(exchange, &tenant, Endpoint::V2),
        ["openid", "userinfo"] => graph::userinfo::answer_v1(exchange, &tenant),
        ["adminconsent"] => authorize::admin_consent(exchange, &tenant, Endpoint::V1),
        ["v2.0", "adminconsent"] => authorize::admin_consent(exchange, &tenant, Endpoint::V2),
        _ => unknown(exchange, &tenant, rest),
    }
}

/// Answers a request to a path that the emulator does not have. What may be an endpoint of Entra is not emulated: all of
/// them stand below a tenant's name.
fn unknown(exchange: &mut Exchange<'_>, tenant: &str, rest: &[&str]) -> Response<Vec<u8>> {
    if exchange.core.directory.tenant(tenant).is_none() {
        exchange.event.tenant = None;
    }
    let (status, error, description) = if rest.is_empty() {
        let description = "no such endpoint".to_owned();
        (StatusCode::NOT_FOUND, "not_found", description)
    } else {
        let description = format!(
            "the emulator does not emulate the endpoint '/{}' of Entra",
            shown(&rest.join("/"))
        );
        (StatusCode::NOT_IMPLEMENTED, "not_emulated", description)
    };
    exchange.json(status, &json!({"error": error, "error_description": description}))
}

/// The tenant a path is about, and what follows. An external tenant may be named by its host, with or without the
/// tenant's name in the path as well, or by that host's name as the first segment of the path.
fn tenant_and_rest<'p>(exchange: &Exchange<'_>, path: &'p [&'p str]) -> (String, &'p [&'p str]) {
    let directory = &exchange.core.directory;
    let Some((&first, rest)) = path.split_first() else {
        return (String::new(), path);
    };
    let is_endpoint = |segment: &str| ENDPOINT_STARTS.iter().any(|start| start.eq_ignore_ascii_case(segment));
    if ciam_subdomain(exchange.host()).is_some() && is_endpoint(first) {
        return (exchange.host().to_owned(), path);
    }
    if ciam_subdomain(first).is_some()
        && let Some((&second, after)) = rest.split_first()
        && !is_endpoint(second)
        && directory.tenant(first).map(|tenant| &tenant.id) == directory.tenant(second).map(|tenant| &tenant.id)
    {
        return (second.to_owned(), after);
    }
    let first = if first.eq_ignore_ascii_case(CONSUMERS) {
        "consumers"
    } else {
        first
    };
    let shared = SHARED.iter().find(|shared| shared.eq_ignore_ascii_case(first));
    (shared.copied().unwrap_or(first).to_owned(), rest)
}

/// The names that stand for several tenants.
pub(crate) const SHARED: &[&str] = &["common", "organizations", "consumers"];
/// The tenant of all personal accounts, which `consumers` is another name of.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const ENDPOINT_STARTS: &[&str] = &["oauth2", "v2.0", ".well-known", "discovery", "adminconsent"];
