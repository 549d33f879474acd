//! A little of Microsoft Graph, with the access checks of the real one.

mod bearer;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::clock::{graph_date, unix};
use crate::config::{App, User};
use crate::exchange::Exchange;
use crate::graph::bearer::Caller;
use crate::well_known::GRAPH_APP_ID;

/// Answers a request below `/v1.0`.
pub(crate) fn answer(exchange: &mut Exchange<'_>, path: &[&str]) -> Response<Vec<u8>> {
    if path == ["$metadata"] {
        return exchange.answer(StatusCode::OK, "application/xml", METADATA.as_bytes().to_vec());
    }
    let result = bearer::caller(exchange).and_then(|caller| {
        if exchange.method != Method::GET {
            return Err(Denial::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "Request_BadRequest",
                "Only GET is emulated.",
            ));
        }
        match path {
            ["me"] => me(exchange, &caller),
            ["users"] => users(exchange, &caller),
            ["users", id] => user(exchange, &caller, id),
            ["applications"] => applications(exchange, &caller),
            ["applications", id] => application(exchange, &caller, id),
            [one] => match one
                .strip_prefix("applications(appId='")
                .and_then(|rest| rest.strip_suffix("')"))
            {
                Some(app_id) => application(exchange, &caller, app_id),
                None => Err(Denial::no_segment(one)),
            },
            _ => Err(Denial::no_segment(path.first().copied().unwrap_or_default())),
        }
    });
    match result {
        Ok(body) => exchange.answer(StatusCode::OK, JSON, serde_json::to_vec(&body).unwrap_or_default()),
        Err(denial) => denial.answer(exchange),
    }
}

/// An answer that is no success, in Graph's form.
#[derive(Debug)]
pub(crate) struct Denial {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// What the challenge says besides where tokens come from: parameters, each behind a comma.
    challenge: String,
}

impl Denial {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            challenge: String::new(),
        }
    }

    /// The token is missing or no good.
    fn token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// The token was revoked, and the client did not say that it can answer a claims challenge.
    fn revoked() -> Self {
        let message = "Access token validation failure. The token was revoked.";
        Self {
            challenge: format!(", error_description=\"{message}\", error=\"invalid_token\""),
            ..Self::token(message)
        }
    }

    /// The token was revoked at this time, in seconds since the epoch, and the client can answer a challenge: it is to
    /// ask for a token that is not older.
    fn claims(at: u64) -> Self {
        let claims = json!({"access_token": {"nbf": {"essential": true, "value": at.to_string()}}});
        let claims = STANDARD.encode(claims.to_string());
        Self {
            challenge: format!(
                ", error_description=\"{ISSUED_BEFORE}\", error=\"insufficient_claims\", claims=\"{claims}\""
            ),
            ..Self::token(ISSUED_BEFORE)
        }
    }

    /// The token is good, but the app may not do this: most of the time, nobody consented.
    fn privileges() -> Self {
        let message = "Insufficient privileges to complete the operation.";
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{}' does not exist or one of its references is not there.",
            shown(id)
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    fn no_segment(segment: &str) -> Self {
        Self::bad_request(format!("Resource not found for the segment '{}'.", shown(segment)))
    }

    fn answer(self, exchange: &Exchange<'_>) -> Response<Vec<u8>> {
        let request_id = &exchange.trace_id;
        let mut inner = json!({"request-id": request_id, "date": graph_date(unix(exchange.now))});
        if let Some(id) = exchange.client_request_id() {
            inner["client-request-id"] = json!(id);
        }
        let body = json!({"error": {"code": self.code, "message": self.message, "innerError": inner}});
        let mut response = exchange.answer(self.status, JSON, serde_json::to_vec(&body).unwrap_or_default());
        if let Ok(id) = HeaderValue::from_str(request_id) {
            response.headers_mut().insert("request-id", id);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"{}/common/oauth2/authorize\", client_id=\"{GRAPH_APP_ID}\"{}",
                login(exchange),
                self.challenge
            );
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
        }
        response
    }
}

/// Where the client gets its tokens: here, or at the public cloud's address where it reached Graph under Graph's own.
fn login<'e>(exchange: &'e Exchange<'_>) -> &'e str {
    if exchange.host().eq_ignore_ascii_case("graph.microsoft.com") {
        "https://login.microsoftonline.com"
    } else {
        &exchange.origin
    }
}

fn users(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    caller.needs(READ_USERS)?;
    let users = caller.tenant.users.as_deref().unwrap_or_default();
    let top = match exchange.query.value("$top") {
        None => DEFAULT_PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|top| (1..=LARGEST_PAGE).contains(top))
            .ok_or_else(|| {
                Denial::bad_request(format!(
                    "Invalid page size specified: '{}'. Must be between 1 and {LARGEST_PAGE} inclusive.",
                    shown(text)
                ))
            })?,
    };
    let start = match exchange.query.value("$skiptoken") {
        None => 0,
        Some(token) => read_skip_token(token)
            .filter(|start| *start <= users.len())
            .ok_or_else(|| Denial::bad_request("The skip token is not valid."))?,
    };
    let select = exchange.query.value("$select");
    let end = users.len().min(start.saturating_add(top));
    let page: Vec<Value> = users
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .map(|user| selected(user_json(user), select))
        .collect();
    let mut body = json!({"@odata.context": format!("{CONTEXT}#users")});
    if end < users.len() {
        let mut link = format!("{}/v1.0/users?$top={top}", exchange.origin);
        if let Some(select) = select {
            link.push_str("&$select=");
            link.extend(form_urlencoded::byte_serialize(select.as_bytes()));
        }
        link.push_str("&$skiptoken=");
        link.push_str(&skip_token(end));
        body["@odata.nextLink"] = json!(link);
    }
    body["value"] = Value::Array(page);
    Ok(body)
}

fn user(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Value, Denial> {
    caller.needs(READ_USERS)?;
    let users = caller.tenant.users.as_deref().unwrap_or_default();
    let found = users
        .iter()
        .find(|user| user.id.eq_ignore_ascii_case(id) || user.user_principal_name.eq_ignore_ascii_case(id));
    let user = found.ok_or_else(|| Denial::not_found(id))?;
    let mut body = json!({"@odata.context": format!("{CONTEXT}#users/$entity")});
    if let (Value::Object(body), Value::Object(fields)) =
        (&mut body, selected(user_json(user), exchange.query.value("$select")))
    {
        body.extend(fields);
    }
    Ok(body)
}

/// The user whose token it is.
fn me(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    let users = caller.tenant.users.as_deref().unwrap_or_default();
    let user = caller
        .user
        .as_ref()
        .and_then(|id| users.iter().find(|user| user.id == *id));
    let user =
        user.ok_or_else(|| Denial::bad_request("/me request is only valid with delegated authentication flow."))?;
    caller.needs(READ_MYSELF)?;
    let mut body = json!({"@odata.context": format!("{CONTEXT}#users/$entity")});
    if let (Value::Object(body), Value::Object(fields)) =
        (&mut body, selected(user_json(user), exchange.query.value("$select")))
    {
        body.extend(fields);
    }
    Ok(body)
}

fn applications(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    caller.needs(READ_APPLICATIONS)?;
    let core = exchange.core;
    let apps = core.directory.apps.iter();
    let present = apps.filter(|app| core.is_present(app, caller.tenant));
    let apps: Vec<Value> = present.map(app_json).collect();
    Ok(json!({"@odata.context": format!("{CONTEXT}#applications"), "value": apps}))
}

/// One registration by object id or app id. An app may read its own without any permission.
fn application(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Value, Denial> {
    let core = exchange.core;
    let found = core.directory.apps.iter().find(|app| {
        (app.object_id.eq_ignore_ascii_case(id) || app.client_id.eq_ignore_ascii_case(id))
            && core.is_present(app, caller.tenant)
    });
    if !found.is_some_and(|app| app.client_id.eq_ignore_ascii_case(&caller.client_id)) {
        // Asked first, so that nobody learns which ids exist.
        caller.needs(READ_APPLICATIONS)?;
    }
    let app = found.ok_or_else(|| Denial::not_found(id))?;
    let mut body = json!({"@odata.context": format!("{CONTEXT}#applications/$entity")});
    if let (Value::Object(body), Value::Object(fields)) = (&mut body, app_json(app)) {
        body.extend(fields);
    }
    Ok(body)
}

fn user_json(user: &User) -> Value {
    let (given, surname) = user.display_name.split_once(' ').unwrap_or((&user.display_name, ""));
    json!({
        "businessPhones": [],
        "displayName": user.display_name,
        "givenName": given,
        "jobTitle": user.job_title,
        "mail": user.user_principal_name,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": surname,
        "userPrincipalName": user.user_principal_name,
        "id": user.id,
    })
}

fn app_json(app: &App) -> Value {
    let secrets = app.secrets.iter().flatten().map(|secret| {
        let value = &secret.value;
        // Graph shows the first three characters of a secret and no more.
        json!({"keyId": secret.id, "hint": value.chars().take(3).collect::<String>(), "secretText": null})
    });
    json!({
        "id": app.object_id,
        "deletedDateTime": null,
        "appId": app.client_id,
        "applicationTemplateId": null,
        "disabledByMicrosoftStatus": null,
        "createdDateTime": "2021-01-17T15:30:55Z",
        "displayName": app.name,
        "description": null,
        "groupMembershipClaims": null,
        "identifierUris": [],
        "keyCredentials": [],
        "passwordCredentials": secrets.collect::<Vec<_>>(),
        "requiredResourceAccess": [],
        "signInAudience": "AzureADMyOrg",
    })
}

/// Keeps the fields that `$select` names.
fn selected(value: Value, select: Option<&str>) -> Value {
    let (Some(select), Value::Object(fields)) = (select, &value) else {
        return value;
    };
    let wanted = |name: &String| select.split(',').any(|field| field.trim() == name);
    Value::Object(
        fields
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, field)| (name.clone(), field.clone()))
            .collect::<Map<_, _>>(),
    )
}

/// Opaque to the client on purpose: a position with a check, so that a made-up one is refused.
fn skip_token(position: usize) -> String {
    format!("RFN{position:08x}{:08x}", check(position))
}

fn read_skip_token(token: &str) -> Option<usize> {
    let digits = token
        .strip_prefix("RFN")
        .filter(|digits| digits.len() == 16 && digits.is_ascii())?;
    let position = usize::from_str_radix(&digits[..8], 16).ok()?;
    (u32::from_str_radix(&digits[8..], 16).ok()? == check(position)).then_some(position)
}

fn check(position: usize) -> u32 {
    (position as u32).wrapping_mul(2_654_435_761) ^ 0x5bd1_e995
}

fn shown(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect()
}

const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_MYSELF: &[&str] = &["User.Read", "User.ReadWrite", "User.Read.All", "Directory.Read.All"];
const READ_APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

const JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const CONTEXT: &str = "https://graph.microsoft.com/v1.0/$metadata";
const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 999;
/// The words that programs look for.
const ISSUED_BEFORE: &str = concat!(
    "Continuous access evaluation resulted in challenge with result: InteractionRequired",
    " and code: TokenIssuedBeforeRevocationTimestamp",
);
const METADATA: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\"><edmx:DataServices>",
    "<Schema Namespace=\"microsoft.graph\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">",
    "<EntityType Name=\"user\"/><EntityType Name=\"application\"/>",
    "</Schema></edmx:DataServices></edmx:Edmx>",
);
