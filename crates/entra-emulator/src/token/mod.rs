//! The token endpoint: every grant, judged step by step.

mod assertion;
pub(crate) mod authorization_code;
pub(crate) mod client_auth;
pub(crate) mod device;
pub(crate) mod grants;
pub(crate) mod id_token;
pub(crate) mod issuer;
pub(crate) mod mint;
mod on_behalf_of;
mod password;
pub(crate) mod pkce;
mod realm;
pub(crate) mod refresh;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod revocation;
mod target;
pub(crate) mod user;

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use crate::aadsts::Refusal;
use crate::config::{App, Tenant};
use crate::exchange::{Exchange, no_store};
use crate::form::{Form, is_form};
use crate::recorder::{Endpoint, Lint, parameters};
use crate::seed::is_guid;

/// Answers a request to a token endpoint.
pub(crate) fn answer(exchange: &mut Exchange<'_>, tenant: &str, endpoint: Endpoint) -> Response<Vec<u8>> {
    let form = read_form(exchange);
    request::inspect(exchange, &form, endpoint);
    match judge(exchange, tenant, &form, endpoint) {
        Ok(response) => response,
        Err(refusal) => {
            let mut response = exchange.refuse(&refusal);
            // Only a client that tried the header is told which scheme it should have used (RFC 6749, 5.2).
            if response.status() == StatusCode::UNAUTHORIZED && exchange.basic().is_some() {
                response.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"entra-emulator\""),
                );
            }
            response
        }
    }
}

/// Every check in the order in which the service is believed to make them: the tenant, the grant, the client, the
/// target, the credential, and what the client may have.
fn judge(
    exchange: &mut Exchange<'_>,
    tenant: &str,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Refusal> {
    check_form(exchange, form)?;
    let tenant = Audience::read(exchange, tenant)?;
    request::check_kind(form)?;
    match form.value("grant_type") {
        Some("client_credentials") => client_credentials(exchange, tenant, form, endpoint),
        Some("authorization_code") => authorization_code::redeem(exchange, tenant, form, endpoint),
        Some("refresh_token") => refresh::redeem(exchange, tenant, form, endpoint),
        Some(JWT_BEARER) => on_behalf_of::redeem(exchange, tenant, form, endpoint),
        Some("device_code" | DEVICE_CODE) => device::poll(exchange, tenant, form, endpoint),
        Some("password") => Err(password::refuse(exchange, tenant, form, endpoint)),
        Some(other) => Err(Refusal::new(70003).with(other)),
        None => Err(Refusal::new(900144).with("grant_type")),
    }
}

fn client_credentials(
    exchange: &mut Exchange<'_>,
    audience: Audience<'_>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Refusal> {
    let tenant = match audience {
        Audience::One(tenant) => tenant,
        Audience::Common | Audience::Organizations => return Err(Refusal::new(50059)),
        Audience::Consumers => return Err(Refusal::new(9001023)),
    };
    let presented = client_auth::read(exchange, form)?;
    let app = find_app(exchange, &presented.client_id, tenant)?;
    let resource = target::read(form, endpoint)?;
    let requested = request::claims(form)?;
    let realm = realm::Realm::of(tenant);
    let proof = client_auth::verify(exchange, app, &realm, presented)?;
    if proof == client_auth::Proof::Public {
        return Err(Refusal::new(7000218));
    }

    let api = exchange.core.directory.find_api(&resource, &tenant.name)?;
    let roles = exchange.core.roles(app, api, tenant);
    if api.assignment_required && roles.is_empty() {
        let refusal = Refusal::new(501051).with(&app.client_id).with(&app.name);
        return Err(refusal.with(&api.app_id).with(&api.name));
    }
    let grant = mint::Grant {
        tenant,
        app,
        api,
        resource: &resource,
        roles,
        proof,
        requested,
    };
    let token = mint::mint(exchange, &grant);
    Ok(no_store(match endpoint {
        Endpoint::V1 => exchange.json(StatusCode::OK, &V1Body::new(&token, &resource)),
        Endpoint::V2 => exchange.json(StatusCode::OK, &V2Body::new(&token)),
    }))
}

/// A client that a grant with a user was asked by, and where.
struct Client<'a> {
    app: &'a App,
    tenant: &'a Tenant,
    proof: client_auth::Proof,
}

/// Finds and verifies the client of a grant with a user. Where the path names no tenant, the grant does (`place`), and the
/// app's home stands in where neither does. `find` is [`find_app`], or [`find_enterable`] for an app that may become known
/// in the tenant by what is going on.
fn identify<'a>(
    exchange: &mut Exchange<'a>,
    form: &Form,
    audience: &Audience<'a>,
    place: Option<&str>,
    find: fn(&Exchange<'a>, &str, &'a Tenant) -> Result<&'a App, Refusal>,
) -> Result<Client<'a>, Refusal> {
    let directory = &exchange.core.directory;
    let presented = client_auth::read(exchange, form)?;
    let (tenant, is_shared) = match audience {
        Audience::One(tenant) => (Some(*tenant), false),
        Audience::Common | Audience::Organizations => {
            let app = find_shared(exchange, &presented.client_id)?;
            let named = place.and_then(|place| directory.tenant(place));
            (named.or_else(|| directory.place_of(app)), true)
        }
        Audience::Consumers => return Err(Refusal::new(9001023)),
    };
    let tenant = tenant.ok_or_else(|| Refusal::new(50059))?;
    let app = find(exchange, &presented.client_id, tenant)?;
    let realm = realm::Realm { tenant, is_shared };
    let proof = client_auth::verify(exchange, app, &realm, presented)?;
    Ok(Client { app, tenant, proof })
}

/// A code or a refresh token that nobody gave out: the number is that of a malformed request, the word that of the grant.
fn unreadable(what: &str) -> Refusal {
    Refusal::new(9002313).with(what).word("invalid_grant")
}

/// Whom the first segment of a path stands for.
pub(crate) enum Audience<'a> {
    One(&'a Tenant),
    /// Everybody.
    Common,
    /// Everybody with an account of an organization.
    Organizations,
    /// Everybody with an account of their own, of whom there are none here.
    Consumers,
}

impl<'a> Audience<'a> {
    pub(crate) fn read(exchange: &Exchange<'a>, name: &str) -> Result<Self, Refusal> {
        match name {
            "common" => return Ok(Self::Common),
            "organizations" => return Ok(Self::Organizations),
            "consumers" => return Ok(Self::Consumers),
            _ => {}
        }
        find_tenant(exchange, name).map(Self::One)
    }
}

/// The tenant that a request with a user to come names in its path, if it names one, and its app.
///
/// # Errors
/// 90130 for `consumers`, 900144 without a client id, and what is wrong with tenant or app.
pub(crate) fn find_client<'a>(
    exchange: &Exchange<'a>,
    form: &Form,
    tenant: &str,
) -> Result<(Option<&'a Tenant>, &'a App), Refusal> {
    let audience = Audience::read(exchange, tenant)?;
    let client_id = || {
        form.value("client_id")
            .ok_or_else(|| Refusal::new(900144).with("client_id"))
    };
    match audience {
        Audience::One(tenant) => Ok((Some(tenant), find_enterable(exchange, client_id()?, tenant)?)),
        Audience::Common | Audience::Organizations => Ok((None, find_shared(exchange, client_id()?)?)),
        Audience::Consumers => Err(Refusal::new(90130)),
    }
}

/// The tenant of that GUID or domain.
pub(crate) fn find_tenant<'a>(exchange: &Exchange<'a>, name: &str) -> Result<&'a Tenant, Refusal> {
    if !is_guid(name) && !is_domain(name) {
        return Err(Refusal::new(900023).with(name));
    }
    exchange
        .core
        .directory
        .tenant(name)
        .ok_or_else(|| Refusal::new(90002).with(name))
}

fn find_app<'a>(exchange: &Exchange<'a>, client_id: &str, tenant: &'a Tenant) -> Result<&'a App, Refusal> {
    let app = find_enterable(exchange, client_id, tenant)?;
    if !exchange.core.is_present(app, tenant) {
        return Err(if app.unprovisioned {
            Refusal::new(7000229).with(&app.client_id).with(&tenant.id)
        } else {
            Refusal::new(700016).with(client_id).with(&tenant.name)
        });
    }
    Ok(app)
}

/// An app that is known in a tenant, or may become so when somebody there consents to it.
fn find_enterable<'a>(exchange: &Exchange<'a>, client_id: &str, tenant: &'a Tenant) -> Result<&'a App, Refusal> {
    let directory = &exchange.core.directory;
    find_enabled(exchange, client_id, &tenant.name, |app| {
        directory.may_enter(app, tenant)
    })
}

/// An app at a path that stands for several tenants, where one that is for its home alone has no business.
fn find_shared<'a>(exchange: &Exchange<'a>, client_id: &str) -> Result<&'a App, Refusal> {
    let place = exchange.event.tenant.as_deref().unwrap_or_default();
    let app = find_enabled(exchange, client_id, place, |_| true)?;
    if app.home_tenant.is_some() && !app.multi_tenant {
        return Err(Refusal::new(50194));
    }
    Ok(app)
}

fn find_enabled<'a>(
    exchange: &Exchange<'a>,
    client_id: &str,
    place: &str,
    is_for: impl Fn(&App) -> bool,
) -> Result<&'a App, Refusal> {
    if client_id == ZERO {
        return Err(Refusal::new(700038).with(client_id));
    }
    let app = exchange.core.directory.app(client_id).filter(|app| is_for(app));
    let app = app.ok_or_else(|| Refusal::new(700016).with(client_id).with(place))?;
    if app.disabled {
        return Err(Refusal::new(7000112).with(&app.client_id).with(&app.name));
    }
    Ok(app)
}

/// Reads the body if it was sent as a form; anything else counts as no parameters, as in the service.
fn read_form(exchange: &mut Exchange<'_>) -> Form {
    let content_type = exchange.header(CONTENT_TYPE).unwrap_or_default().to_owned();
    if exchange.method != Method::POST || !is_form(&content_type) {
        if exchange.method == Method::POST {
            exchange.lint(Lint::ContentType(content_type.chars().take(100).collect()));
        }
        return Form::default();
    }
    let form = Form::parse(&std::mem::take(&mut exchange.body));
    exchange.event.form = parameters(form.pairs());
    form
}

/// What every form has to keep to, whichever it is.
fn check_form(exchange: &Exchange<'_>, form: &Form) -> Result<(), Refusal> {
    if exchange.method != Method::POST {
        return Err(Refusal::new(900561).with(exchange.method.as_str()));
    }
    // Parts of a form are kept: by the recorder, with a device's code, with a refresh token.
    let size: usize = form.pairs().iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LONGEST_FORM {
        return Err(Refusal::new(9002313).with("it is too long"));
    }
    match form.duplicate() {
        Some(name) => Err(Refusal::new(9000411).with(name)),
        None => Ok(()),
    }
}

fn is_domain(name: &str) -> bool {
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// v1 sends every number as a string of digits and says which resource the token is for.
#[derive(Serialize)]
struct V1Body<'a> {
    token_type: &'static str,
    expires_in: String,
    ext_expires_in: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<String>,
    expires_on: String,
    not_before: String,
    resource: &'a str,
    access_token: &'a str,
}

impl<'a> V1Body<'a> {
    fn new(token: &'a mint::Token, resource: &'a str) -> Self {
        Self {
            token_type: "Bearer",
            expires_in: token.expires_in.to_string(),
            ext_expires_in: token.expires_in.to_string(),
            refresh_in: token.refresh_in.map(|seconds| seconds.to_string()),
            expires_on: token.expires_on.to_string(),
            not_before: token.not_before.to_string(),
            resource,
            access_token: &token.text,
        }
    }
}

/// v2 has exactly these members for client credentials: four of them, where nobody set `refresh_in`.
#[derive(Serialize)]
struct V2Body<'a> {
    token_type: &'static str,
    expires_in: u64,
    ext_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_in: Option<u64>,
    access_token: &'a str,
}

impl<'a> V2Body<'a> {
    fn new(token: &'a mint::Token) -> Self {
        Self {
            token_type: "Bearer",
            expires_in: token.expires_in,
            ext_expires_in: token.expires_in,
            refresh_in: token.refresh_in,
            access_token: &token.text,
        }
    }
}

/// As long as an authorization request may be, in bytes.
const LONGEST_FORM: usize = 64 * 1024;
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";
