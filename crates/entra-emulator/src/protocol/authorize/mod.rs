//! Sign-in and consent in a browser: `authorize`, `adminconsent`, and the pages between request and
//! response.
//!
//! ```text
//!  authorize ───┐                        ┌─▶ redirect with code, or with error
//!  adminconsent ┼─▶ sign-in ─▶ consent ──┤
//!  devicelogin ─┘  (select)   (if needed)└─▶ "you may close this page"
//! ```
//!
//! The pages are plain HTML without scripts. These elements are stable, so that browser tests can
//! rely on them:
//! - sign-in: one button per user, with `name="user"` and `data-user="{sign-in name}"`;
//!   `id="cancel"`
//! - consent: `id="accept"`, `id="cancel"`; for an administrator a checkbox `id="organization"`;
//!   permissions `li[data-permission]` with `data-kind="delegated"` or `"application"`
//! - administrator required: `id="another"`, which returns to the sign-in page; `id="cancel"`;
//!   `main[data-aadsts="90094"]`
//! - device login: `id="user_code"`, `id="next"`
//! - response by form: `id="continue"`
//! - error: `main[data-aadsts]`, `id="message"`
//!
//! Every form names its sign-in by an ID (`name="transaction"`). The IDs become invalid when the
//! sign-in ends. Until then, the consent page can be reloaded and another user can be selected. No
//! cookie is set: each visit asks for the account, so `prompt=login` and `select_account` have no
//! effect and `prompt=none` always results in `login_required`.

pub(crate) mod consent;
pub(crate) mod pages;
mod reply;
pub(crate) mod request;

use http::{Method, Response, StatusCode};

use crate::aadsts::Rejection;
use crate::config::{App, Tenant, TokenVersion, User};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::authorize::consent::Next;
use crate::protocol::authorize::pages::Destination;
use crate::protocol::authorize::reply::AuthorizationResponse;
use crate::protocol::authorize::request::Rejected;
use crate::protocol::device;
use crate::protocol::token::{authorization_code, id_token, user};
use crate::state::State;
use crate::state::authorization::{Prompt, Request, RequestKind};
use crate::state::consents::Kind;
use crate::state::recorder::Endpoint;
use crate::state::session::Session;
use crate::state::transactions::{Consent, Goal, Stage};
use crate::time::unix;

/// Responds to a request to an `authorize` endpoint.
pub(crate) fn authorize(exchange: &mut Exchange<'_>, tenant: &str, version: Endpoint) -> Response<Vec<u8>> {
    begin(exchange, |exchange| {
        let request = request::authorize(exchange, tenant, version)?;
        if request.prompt == Prompt::None {
            return Err(Rejected::ToApp(Box::new(request.reply), Rejection::new(50058)));
        }
        Ok(request)
    })
}

/// Responds to a request to an `adminconsent` endpoint.
pub(crate) fn admin_consent(exchange: &mut Exchange<'_>, tenant: &str, version: Endpoint) -> Response<Vec<u8>> {
    begin(exchange, |exchange| request::admin_consent(exchange, tenant, version))
}

fn begin<'a>(
    exchange: &mut Exchange<'a>,
    read: impl FnOnce(&mut Exchange<'a>) -> Result<Request, Rejected>,
) -> Response<Vec<u8>> {
    if !is_read(exchange) && exchange.method != Method::POST {
        return pages::wrong_method(exchange, "GET, HEAD, POST");
    }
    match read(exchange) {
        Ok(request) => sign_in(exchange, Goal::App(Box::new(request))),
        Err(rejected) => reject(exchange, rejected),
    }
}

/// Responds with the page on which a user enters the code of a device, or to its form.
pub(crate) fn device_login(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    if is_read(exchange) {
        return pages::device_login(exchange, None);
    }
    if exchange.method != Method::POST {
        return pages::wrong_method(exchange, "GET, HEAD, POST");
    }
    let form = match read_form(exchange) {
        Ok(form) => form,
        Err(rejection) => return pages::error(exchange, &rejection),
    };
    let entered = form.value("user_code").unwrap_or_default();
    match device::find(exchange, entered) {
        Ok(goal) => sign_in(exchange, goal),
        Err(rejection) => pages::device_login(exchange, Some(&rejection)),
    }
}

/// Responds to a form of the sign-in page or the consent page.
pub(crate) fn proceed(exchange: &mut Exchange<'_>) -> Response<Vec<u8>> {
    if exchange.method != Method::POST {
        return pages::wrong_method(exchange, "POST");
    }
    let form = match read_form(exchange) {
        Ok(form) => form,
        Err(rejection) => return pages::error(exchange, &rejection),
    };
    let id = form.value("transaction").unwrap_or_default();
    let Some(transaction) = exchange.state.transactions.take(unix(exchange.now), id) else {
        return pages::error(exchange, &Rejection::new(50089));
    };
    let goal = transaction.goal;
    exchange.event.client_id = Some(goal.client_id().to_owned());
    let decision = form.value("decision");
    if decision == Some("cancel") {
        let why = match transaction.stage {
            Stage::Consent {
                consent: Consent { blocked: true, .. },
                ..
            } => Rejection::new(90094),
            _ => Rejection::new(65004).with(goal.client_id()),
        };
        return decline(exchange, goal, why);
    }
    match transaction.stage {
        Stage::Consent {
            consent: Consent { blocked: true, .. },
            ..
        } if decision == Some("another") => sign_in(exchange, goal),
        Stage::SignIn => {
            let picked = form.value("user").and_then(|name| name.split_once('.'));
            let found = candidates(exchange.state, &goal)
                .into_iter()
                .find(|(tenant, user)| picked == Some((&tenant.id, &user.id)));
            match found {
                Some((tenant, user)) => signed_in(exchange, id, goal, tenant, user),
                None => {
                    let requested = goal.tenant(exchange.state);
                    let requested = requested.and_then(|tenant| exchange.state.directory.tenant(&tenant));
                    let place = requested.map_or("requested", |tenant| &tenant.name);
                    let rejection = Rejection::new(50034).with(form.value("user").unwrap_or_default());
                    pages::error(exchange, &rejection.with(place))
                }
            }
        }
        Stage::Consent { consent, .. } => {
            let directory = &exchange.state.directory;
            let known = directory.user(&consent.user.0, &consent.user.1);
            let app = directory.app(goal.client_id());
            let (Some((tenant, user)), Some(app), Some("accept")) = (known, app, decision) else {
                let rejection = Rejection::new(9002313).with("neither Accept nor Cancel was chosen");
                return pages::error(exchange, &rejection);
            };
            if consent.blocked {
                return pages::error(exchange, &Rejection::new(90094));
            }
            let may_be_for_everyone = user.admin && matches!(goal, Goal::App(_));
            let for_everyone =
                consent.for_everyone || (may_be_for_everyone && form.value("organization") == Some("yes"));
            let only_for = (!for_everyone).then_some(user);
            exchange.state.consent(app, tenant, only_for, &consent.asked);
            finish(exchange, goal, app, tenant, user)
        }
    }
}

/// Returns the users that a sign-in page offers: those of the requested tenant, or of all tenants.
/// A domain hint excludes all others.
pub(crate) fn candidates<'a>(state: &'a State, goal: &Goal) -> Vec<(&'a Tenant, &'a User)> {
    let requested = goal.tenant(state);
    let hint = match goal {
        Goal::App(request) => request.domain_hint.as_deref(),
        Goal::Device { .. } => None,
    };
    let is_hinted = |tenant: &Tenant, user: &User| {
        hint.is_none_or(|hint| {
            let domain = user.user_principal_name.split_once('@').map(|(_, domain)| domain);
            [Some(tenant.domain.as_str()), Some(tenant.id.as_str()), domain]
                .into_iter()
                .flatten()
                .any(|name| name.eq_ignore_ascii_case(hint))
                || hint == "organizations"
        })
    };
    let tenants = state.directory.tenants.iter();
    tenants
        .filter(|tenant| requested.as_ref().is_none_or(|requested| *requested == tenant.id))
        .flat_map(|tenant| tenant.users.iter().flatten().map(move |user| (tenant, user)))
        .filter(|(tenant, user)| is_hinted(tenant, user))
        .collect()
}

fn sign_in(exchange: &Exchange<'_>, goal: Goal) -> Response<Vec<u8>> {
    let users = candidates(exchange.state, &goal);
    let destination = goal.destination();
    let hint = match &goal {
        Goal::App(request) => request.login_hint.clone(),
        Goal::Device { .. } => None,
    };
    let name = exchange
        .state
        .directory
        .app(goal.client_id())
        .map_or("", |app| app.name.as_str());
    let transaction = exchange
        .state
        .transactions
        .open(unix(exchange.now), goal, Stage::SignIn);
    pages::sign_in(exchange, name, &transaction, &users, hint.as_deref(), destination)
}

fn signed_in(exchange: &mut Exchange<'_>, id: &str, goal: Goal, tenant: &Tenant, user: &User) -> Response<Vec<u8>> {
    let Some(app) = exchange.state.directory.app(goal.client_id()) else {
        return pages::error(
            exchange,
            &Rejection::new(700016).with(goal.client_id()).with(&tenant.name),
        );
    };
    if user.agent.is_some() {
        // Its agent is it, and no person knows a password. The code is an assumption.
        return pages::error(exchange, &Rejection::new(50126));
    }
    if !user.is_enabled() {
        return pages::error(exchange, &Rejection::new(50057));
    }
    match consent::next(exchange.state, &goal, app, tenant, user) {
        Ok(Next::Finish) => finish(exchange, goal, app, tenant, user),
        Ok(Next::Ask(consent)) => ask(exchange, id, goal, consent, app, tenant, user),
        Err(rejection) if rejection.row.code == 700016 => pages::error(exchange, &rejection),
        Err(rejection) => match goal {
            Goal::App(request) => reject(exchange, Rejected::ToApp(Box::new(request.reply), rejection)),
            Goal::Device { .. } => pages::error(exchange, &rejection),
        },
    }
}

fn ask(
    exchange: &mut Exchange<'_>,
    sign_in: &str,
    goal: Goal,
    consent: Consent,
    app: &App,
    tenant: &Tenant,
    user: &User,
) -> Response<Vec<u8>> {
    let destination = goal.destination();
    let oidc = consent::oidc_scopes(exchange.state, &goal);
    let open = &exchange.state.transactions;
    let transaction = open.ask(unix(exchange.now), sign_in, goal, consent.clone());
    let page = pages::ConsentPage {
        app,
        tenant,
        user,
        consent: &consent,
        oidc: &oidc,
        transaction: &transaction,
        destination,
    };
    pages::consent(exchange, &page)
}

/// Completes a sign-in after the user has signed in and, if it was required, consented.
fn finish(exchange: &mut Exchange<'_>, goal: Goal, app: &App, tenant: &Tenant, user: &User) -> Response<Vec<u8>> {
    let request = match goal {
        Goal::Device { device_code, .. } => {
            return match device::approve(exchange, &device_code, tenant, user) {
                Ok(()) => pages::done(exchange, true),
                Err(rejection) => pages::error(exchange, &rejection),
            };
        }
        Goal::App(request) => *request,
    };
    let Request {
        reply, kind, prompt, ..
    } = request;
    let mut response = AuthorizationResponse::default();
    match kind {
        RequestKind::SignIn(sign_in) => {
            let session = Session::new(app, tenant, user, unix(exchange.now), &sign_in);
            let code = sign_in
                .code
                .then(|| authorization_code::issue(exchange, &session, &reply.uri, &sign_in));
            if let Some(code) = &code {
                response = response.with("code", code.as_str());
            }
            if sign_in.id_token {
                let token = id_token::mint(exchange, sign_in.version, &session, tenant, user, code.as_deref());
                response = response.with("id_token", token);
            }
            if sign_in.client_info {
                response = response.with("client_info", user::client_info(tenant, user));
            }
            // This prompt always shows the consent page, so the user has accepted.
            if prompt == Prompt::AdminConsent {
                response = response.with("admin_consent", "True");
            }
            response = response.with("session_state", exchange.state.guid());
        }
        RequestKind::AdminConsent { version, scopes } => {
            response = response
                .with("admin_consent", "True")
                .with("tenant", tenant.id.as_str());
            if version == Endpoint::V2 {
                response = response.with("scope", consent::granted(exchange.state, app, &scopes));
            }
        }
    }
    if exchange.state.issuer_in_responses {
        let issuer = exchange.issuer(tenant, TokenVersion::V2);
        response = response.with("iss", issuer);
    }
    response.send(exchange, &reply)
}

/// Reports to the app that the user declined, in the format of its endpoint.
fn decline(exchange: &mut Exchange<'_>, goal: Goal, why: Rejection) -> Response<Vec<u8>> {
    let request = match goal {
        Goal::Device { device_code, .. } => {
            return match device::decline(exchange.state, &device_code) {
                Ok(()) => pages::done(exchange, false),
                Err(rejection) => pages::error(exchange, &rejection),
            };
        }
        Goal::App(request) => *request,
    };
    match &request.kind {
        RequestKind::SignIn(_) => {
            let rejection = why.with_error("access_denied");
            // Clients recognize by this that the user pressed Cancel, or went back from a page that
            // they could not accept.
            let response = AuthorizationResponse::error(exchange, &rejection).with("error_subcode", "cancel");
            response.send(exchange, &request.reply)
        }
        RequestKind::AdminConsent {
            version: Endpoint::V1, ..
        } => {
            let rejection = why.with_error("permission_denied");
            AuthorizationResponse::error(exchange, &rejection).send(exchange, &request.reply)
        }
        RequestKind::AdminConsent {
            version: Endpoint::V2, ..
        } => {
            // `admin_consent=True` accompanies even the error, so a client must check for an error
            // first. The error code is that of the documents; a response published in 2023 has
            // `access_denied` instead. Clients must accept either.
            let rejection = why.with_error("consent_required");
            let response = AuthorizationResponse::error(exchange, &rejection).with("admin_consent", "True");
            response.send(exchange, &request.reply)
        }
    }
}

fn reject(exchange: &mut Exchange<'_>, rejected: Rejected) -> Response<Vec<u8>> {
    match rejected {
        Rejected::ToUser(rejection) => pages::error(exchange, &rejection),
        Rejected::ToApp(reply, rejection) => AuthorizationResponse::error(exchange, &rejection).send(exchange, &reply),
    }
}

/// Returns whether a page is requested by its address. HEAD is GET without the body, which the
/// server omits (RFC 9110, section 9.3.2).
fn is_read(exchange: &Exchange<'_>) -> bool {
    exchange.method == Method::GET || exchange.method == Method::HEAD
}

/// Reads the form of a POST request.
fn read_form(exchange: &mut Exchange<'_>) -> Result<Form, Rejection> {
    request::form_body(exchange).map(|body| Form::parse(&body))
}

impl Goal {
    pub(crate) fn client_id(&self) -> &str {
        match self {
            Self::App(request) => &request.client_id,
            Self::Device { client_id, .. } => client_id,
        }
    }

    /// Returns the GUID of the requested tenant, if there is one.
    fn tenant(&self, state: &State) -> Option<String> {
        match self {
            Self::App(request) => request.tenant.clone(),
            Self::Device { device_code, .. } => device::tenant(state, device_code),
        }
    }

    fn destination(&self) -> Destination {
        match self {
            Self::App(_) => Destination::App,
            Self::Device { .. } => Destination::Emulator,
        }
    }
}

/// Returns the name of a permission's kind in `data-kind`.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Delegated => "delegated",
        Kind::Application => "application",
    }
}

/// The status of error pages.
pub(crate) const ERROR_STATUS: StatusCode = StatusCode::BAD_REQUEST;
