//! The routes of Microsoft's authentication sidecar (`Microsoft.Identity.Web.Sidecar`), with the
//! same bodies, so that programs written for its container run unchanged.
//!
//! They have no key: callers are those that reach the server on this machine, as in a pod.

mod api;
mod call;
mod header;
mod overrides;
mod problem;
mod url;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use entra_proto::Target;
use entra_proto::authorize::UserAssertion;
use entra_transport_hyper::Connector;
use entra_validate::{Principal, Rejection, Validator, bearer_token};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, EXPIRES, PRAGMA};
use http::{HeaderValue, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde_json::json;

use self::call::{ApiClient, Call};
use self::overrides::Wanted;
use self::problem::{Details, Problem};
use super::exchange::Exchange;
use crate::ask::{Ask, Party};
use crate::error::SetupError;
use crate::query::Query;
use crate::tokens::{Refusal, Tokens};

pub use self::api::DownstreamApi;
pub use self::overrides::AllowOverrides;

/// The sidecar of an application: the APIs that it calls, and the rules for its callers.
///
/// Programs send the same requests as to Microsoft's container. See
/// [`EndpointBuilder::sidecar`](crate::EndpointBuilder::sidecar).
///
/// ```
/// use entra_serve::{DownstreamApi, Sidecar};
/// use entra_transport_hyper::{Connector, HyperTransport};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let connector = Connector::new(&HyperTransport::builder().settings()?)?;
/// let graph = DownstreamApi::new("Graph")
///     .with_base_url("https://graph.microsoft.com/v1.0")?
///     .with_scopes(["https://graph.microsoft.com/.default"])?
///     .with_request_app_token(true);
/// let sidecar = Sidecar::new(connector).with_api(graph)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Sidecar {
    apis: Vec<DownstreamApi>,
    validator: Option<Validator>,
    overrides: AllowOverrides,
    http: ApiClient,
}

impl Sidecar {
    /// Creates a sidecar without APIs, which calls APIs over these connections.
    #[must_use]
    pub fn new(connector: Connector) -> Self {
        Self {
            apis: Vec::new(),
            validator: None,
            overrides: AllowOverrides::default(),
            http: ApiClient::new(connector),
        }
    }

    /// Adds an API.
    ///
    /// # Errors
    /// Returns an error if another one has the same name.
    pub fn with_api(mut self, api: DownstreamApi) -> Result<Self, SetupError> {
        if self.apis.iter().any(|own| own.name() == api.name()) {
            return Err(SetupError::new(
                format!("there are two APIs with the name {:?}", api.name()),
                "give each API a name of its own",
            ));
        }
        self.apis.push(api);
        Ok(self)
    }

    /// Sets the rules for the tokens of callers, on the routes for callers with a token. Without
    /// them, those routes reject every request.
    ///
    /// The audience is the application itself: its callers' tokens are exchanged on their behalf.
    #[must_use]
    pub fn with_validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Sets the routes whose requests may change the settings of an API.
    #[must_use]
    pub fn with_overrides(mut self, overrides: AllowOverrides) -> Self {
        self.overrides = overrides;
        self
    }

    /// Checks that tokens for each API can be issued.
    pub(super) fn check(&self, tokens: &Tokens) -> Result<(), SetupError> {
        self.apis.iter().try_for_each(|api| {
            let scopes = api.token.scopes.as_ref();
            let is_allowed = |target: &Target| tokens.resources.allow(target);
            if scopes.is_some_and(|scopes| !is_allowed(&scopes.first) || !is_allowed(&scopes.all)) {
                return Err(SetupError::new(
                    format!(
                        "the scopes of the API {:?} are not among the allowed resources",
                        api.name()
                    ),
                    "add the API's audience to the list of resources",
                ));
            }
            match tokens.identities.choose(&api.token.identity) {
                Some(_) => Ok(()),
                None => Err(SetupError::new(
                    format!("the API {:?} names an identity that does not exist", api.name()),
                    "add the identity, or change its name or client ID in the settings of the API",
                )),
            }
        })
    }

    /// Responds to a request that the guard let through.
    ///
    /// # Errors
    /// Returns the reason if the request gets no token.
    pub(super) async fn respond(&self, exchange: &mut Exchange<'_>, route: &Route) -> Result<Response<Bytes>, Refusal> {
        let method = route.method();
        if exchange.request.method() != method {
            return Err(Refusal::Method(method));
        }
        let response = match route {
            Route::Health => Ok(uncached("text/plain", "Healthy")),
            Route::OpenApi => Ok(uncached(JSON, OPEN_API)),
            Route::Validate => self.validate(exchange.request).await,
            Route::Header(api) => self.header(exchange, api).await,
            Route::Call(api) => self.call(exchange, api).await,
        };
        match response {
            Err(Problem::Refused(refusal)) => Err(refusal),
            Err(Problem::Own(details)) => {
                exchange.problem = Some(details.text().to_owned());
                Ok(details.response())
            }
            Ok(response) => Ok(response),
        }
    }

    /// Returns the claims of the caller's token.
    async fn validate(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
        let (token, _) = self.principal(request).await?;
        let claims = claims(token).ok_or_else(|| Problem::bad_request("the payload of the token is not JSON"))?;
        Ok(uncached(
            JSON,
            format!(r#"{{"protocol":"Bearer","token":"{token}","claims":{claims}}}"#),
        ))
    }

    /// Returns the value of an `Authorization` header for an API.
    async fn header(&self, exchange: &mut Exchange<'_>, api: &Named) -> Result<Response<Bytes>, Problem> {
        let is_allowed = match api.is_authenticated {
            true => self.overrides.get_authorization_header,
            false => self.overrides.get_authorization_header_unauthenticated,
        };
        let (_, ask) = self.ask(exchange.request, api, is_allowed).await?;
        let issued = exchange.issue(ask).await?;
        let header = format!("Bearer {}", issued.token.expose());
        Ok(uncached(JSON, json!({ "authorizationHeader": header }).to_string()))
    }

    /// Calls an API, and returns its response.
    async fn call(&self, exchange: &mut Exchange<'_>, api: &Named) -> Result<Response<Bytes>, Problem> {
        let is_allowed = match api.is_authenticated {
            true => self.overrides.call_downstream_api,
            false => self.overrides.call_downstream_api_unauthenticated,
        };
        let (wanted, ask) = self.ask(exchange.request, api, is_allowed).await?;
        let call = Call::new(&wanted.api.call, exchange.request)
            .map_err(|problem| Problem::bad_request(format!("the API '{}' cannot be called: {problem}", api.name)))?;
        let response = self.http.call(&call, ask, exchange).await?;
        Ok(uncached(JSON, response.to_json()))
    }

    /// Returns the question of a request for an API's token, and the settings for the request.
    async fn ask(&self, request: &Request<Bytes>, api: &Named, is_allowed: bool) -> Result<(Wanted, Ask), Problem> {
        let user = match api.is_authenticated {
            true => Some(self.principal(request).await?),
            false => None,
        };
        let query = Query::read(request.uri().query())?;
        // A name without settings is not an error by itself: a request may have all of them.
        let own = self.apis.iter().find(|own| own.name() == api.name).cloned();
        let wanted = Wanted::read(
            own.unwrap_or_else(|| DownstreamApi::new(&*api.name)),
            &query,
            is_allowed,
        )?;
        if wanted.has_ignored {
            tracing::warn!(target: "entra_serve", api = ?api.name, "overrides of a request were ignored");
        }
        if let Some(id) = wanted.correlation_id {
            tracing::debug!(target: "entra_serve", api = ?api.name, correlation_id = %id, "token of an operation");
        }
        let settings = &wanted.api.token;
        let Some(scopes) = &settings.scopes else {
            return Err(Problem::bad_request(format!(
                "No scopes found for the API '{}': add scopes to its settings, or send optionsOverride.Scopes",
                api.name
            )));
        };
        let party = match (&wanted.agent_user, &user) {
            (Some(agent_user), _) => Party::AgentUser(agent_user.clone()),
            (None, Some((token, principal))) if !settings.is_app_token => on_behalf_of(token, principal)?,
            _ => Party::Itself,
        };
        let party = match (party, &settings.fmi_path) {
            (Party::Itself, Some(path)) => Party::Vouched(path.clone()),
            (_, Some(_)) => {
                return Err(Problem::bad_request(
                    "FmiPath is for tokens without a user: set RequestAppToken",
                ));
            }
            (party, None) => party,
        };
        let target = match &party {
            Party::Itself | Party::Vouched(_) => &scopes.first,
            Party::AgentUser(_) | Party::OnBehalfOf(_) => &scopes.all,
        };
        let ask = Ask {
            agent: wanted.agent,
            party,
            tenant: settings.tenant.clone(),
            is_own_tenant: !wanted.names_tenant,
            claims: wanted.claims.clone(),
            force_refresh: wanted.force_refresh,
            ..Ask::new(target.clone(), settings.identity.clone())
        };
        Ok((wanted, ask))
    }

    /// Returns the caller's token once it is validated, and the caller.
    async fn principal<'r>(&self, request: &'r Request<Bytes>) -> Result<(&'r str, Principal), Problem> {
        let Some(validator) = &self.validator else {
            let detail = "tokens of callers are not accepted here: set the audience that they are for";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
        };
        let rejected = |rejection: Rejection| Problem::of_caller(validator.api(), &rejection);
        let token = bearer_token(request.headers(), request.uri().query()).map_err(rejected)?;
        let principal = validator.validate(token).await.map_err(rejected)?;
        Ok((token, principal))
    }
}

impl fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidecar")
            .field("apis", &self.apis)
            .field("validator", &self.validator)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// Returns the response to a request that gets no token.
pub(super) fn refuse(refusal: &Refusal) -> Response<Bytes> {
    Details::of(refusal).response()
}

/// A route.
pub(super) enum Route {
    Health,
    OpenApi,
    Validate,
    /// The header for an API.
    Header(Named),
    /// A call of an API.
    Call(Named),
}

/// The API of a request.
pub(super) struct Named {
    name: String,
    /// True if the caller has a token.
    is_authenticated: bool,
}

impl Route {
    /// Returns the route of a path, whose letters may have any case, except those of the API.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let (first, name) = match path.split_once('/') {
            Some((first, name)) => (first, Some(name)),
            None => (path, None),
        };
        let first = first.to_ascii_lowercase();
        let named = |is_authenticated| {
            let name = name.filter(|name| !name.is_empty() && !name.contains('/'))?;
            let name = percent_decode_str(name).decode_utf8().ok()?.into_owned();
            Some(Named { name, is_authenticated })
        };
        match (&*first, name) {
            ("healthz", None) => Some(Self::Health),
            ("validate", None) => Some(Self::Validate),
            ("openapi", Some(name)) if name.eq_ignore_ascii_case("v1.json") => Some(Self::OpenApi),
            ("authorizationheader", _) => named(true).map(Self::Header),
            ("authorizationheaderunauthenticated", _) => named(false).map(Self::Header),
            ("downstreamapi", _) => named(true).map(Self::Call),
            ("downstreamapiunauthenticated", _) => named(false).map(Self::Call),
            _ => None,
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Call(_) => "POST",
            _ => "GET",
        }
    }
}

/// Returns the user for whom the caller's token is exchanged.
fn on_behalf_of(token: &str, principal: &Principal) -> Result<Party, Problem> {
    if !principal.is_user() {
        let detail = "the caller is an application, so there is no user to act for: set RequestAppToken";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
    }
    let assertion = UserAssertion::new(token).map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(Party::OnBehalfOf(assertion))
}

/// Returns the claims of a valid token as they are in it.
fn claims(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    serde_json::from_str::<IgnoredAny>(&text).ok()?;
    Some(text)
}

/// Returns a successful response that no cache may keep.
fn uncached(content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (EXPIRES, "0"),
        (PRAGMA, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const JSON: &str = "application/json; charset=utf-8";

/// The description of the routes.
const OPEN_API: &str = include_str!("openapi.json");
