//! The request for the codes of a device flow, and its response (RFC 8628, sections 3.1 and 3.2).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use serde::Deserialize;

use crate::application::Application;
use crate::authority::Endpoint;
use crate::body::Body;
use crate::error::aadsts::CredentialKind;
use crate::error::{Error, Input, InputError, Requested, ResponseProblem, Secrets};
use crate::form::encode_form;
use crate::grant::Grant;
use crate::guid::Guid;
use crate::issued::DeviceCode;
use crate::loopback::is_loopback_host;
use crate::post::post;
use crate::response::body::{Count, Member, count, read, text};
use crate::response::{read_success, unusable};
use crate::target::Target;
use crate::time::Timestamp;
use crate::token_request::TokenRequest;
use crate::token_response::MAX_LIFETIME;

/// A request to the device-code endpoint (RFC 8628, section 3.1). Its response contains a code for
/// the user and one for polling.
///
/// Created by [`Application::device_code`]. [`start`](Self::start) runs the whole flow; `encode`,
/// `decode` and `poll` are its parts.
///
/// ```
/// use entra_proto::{
///     Application, Body, ClientCredential, Guid, Target, Timestamp,
/// };
///
/// let organizations =
///     "https://login.microsoftonline.com/organizations".parse()?;
/// let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// let app = Application::new(organizations, client_id, ClientCredential::Public);
/// let request = app.device_code(Target::scopes("User.Read")?)?;
/// let http = request.encode(Guid::from_random([7; 16]));
/// assert_eq!(http.uri().path(), "/organizations/oauth2/v2.0/devicecode");
///
/// let body = r#"{"device_code":"d", "user_code":"ABCD1234", "interval":5,
///     "verification_uri":"https://microsoft.com/devicelogin"}"#;
/// let response = http::Response::new(Body::from(body.to_owned()));
/// let codes = request.decode(&response, Timestamp::from_secs(1_767_225_600))?;
/// assert!(codes.message.ends_with("and enter the code ABCD1234."));
/// let poll = request.poll(&codes)?; // sent every five seconds
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct DeviceCodeRequest {
    application: Application,
    target: Target,
    /// The target as a parameter of the endpoint's version.
    parameter: (&'static str, Arc<str>),
    endpoint: Uri,
}

impl Application {
    /// Creates a request that starts the device flow (RFC 8628): the user enters a code on another
    /// device. On v2 it also requests `openid`, `profile` and `offline_access`.
    ///
    /// # Errors
    /// Returns an error if the target cannot be requested: `/.default` together with single
    /// permissions, or more than one API. Returns an error for an agent identity.
    pub fn device_code(&self, target: impl Into<Target>) -> Result<DeviceCodeRequest, Error> {
        self.check_sign_in()?;
        let target = target.into();
        target.check_one_api()?;
        DeviceCodeRequest::new(self.clone(), target)
    }
}

impl DeviceCodeRequest {
    fn new(application: Application, target: Target) -> Result<Self, Error> {
        let (name, value) = target.on_for_user(application.version)?;
        let parameter = (name, Arc::from(value));
        let endpoint = application
            .authority
            .endpoint(Endpoint::DeviceCode, application.version);
        let endpoint = endpoint
            .parse()
            .map_err(|_| InputError::new(Input::Authority, "does not form a valid URI").value(&endpoint))?;
        Ok(Self {
            application,
            target,
            parameter,
            endpoint,
        })
    }

    /// Returns the HTTP request that starts the flow. The same inputs produce the same bytes. It
    /// contains no credential.
    #[must_use]
    pub fn encode(&self, request_id: Guid) -> Request<Body> {
        let client_id = self.application.client_id.guid().to_string();
        let (name, value) = &self.parameter;
        let body = encode_form(&[Some(("client_id", &client_id)), Some((*name, &**value))]);
        post(self.endpoint.clone(), body, request_id)
    }

    /// Decodes the response. Numbers may be strings, and the address may be called
    /// `verification_url`, as on v1.
    ///
    /// # Errors
    /// Returns [`Error::Service`] for an error response. Returns [`Error::Response`] if there is no
    /// device code, no user code, or no address that is `https` or on this machine and contains no
    /// user name.
    pub fn decode(&self, response: &Response<Body>, now: Timestamp) -> Result<DeviceAuthorization, Error> {
        // The request contains no credential, whatever the application has.
        read_codes(response, now)
            .map_err(|error| error.requested(Requested::DeviceCode).sent_with(CredentialKind::Public))
    }

    /// Returns the token request that polls for the user's completion. Send it once per interval.
    ///
    /// # Errors
    /// Returns an error as [`Application::device_code`] does, which has checked the target already.
    pub fn poll(&self, authorization: &DeviceAuthorization) -> Result<TokenRequest, Error> {
        let grant = Grant::DeviceCode(authorization.device_code.clone());
        TokenRequest::of(self.application.clone(), grant, self.target.clone())
    }

    /// Returns the application.
    #[must_use]
    pub fn application(&self) -> &Application {
        &self.application
    }
}

impl fmt::Debug for DeviceCodeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let app = &self.application;
        write!(
            f,
            "DeviceCodeRequest({:?} for {:?} at {:?} on {:?})",
            app.client_id, self.target, app.authority, app.version
        )
    }
}

/// The response of the device-code endpoint (RFC 8628, section 3.2): a code for the user, and one
/// for polling.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceAuthorization {
    /// The code for polling.
    pub device_code: DeviceCode,
    /// The code that the user enters: visible ASCII, at most 64 characters.
    pub user_code: String,
    /// The address at which the user enters it: `https`, or on this machine.
    pub verification_uri: String,
    /// The same address with the code in it, for a QR code, if the service returns one. Entra does
    /// not.
    pub verification_uri_complete: Option<String>,
    /// The instruction for the user in one sentence: the service's own, with spaces for characters
    /// that could confuse a terminal, or one made of the two fields above.
    pub message: String,
    /// The shortest wait between two polls: at least one second, otherwise as the service demands,
    /// up to the lifetime of the code.
    pub interval: Duration,
    /// The expiry of the code.
    pub expires_at: Timestamp,
}

/// The members of a response that only this endpoint returns. Token responses do not parse them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Codes {
    #[serde(deserialize_with = "text")]
    user_code: Member<String>,
    #[serde(deserialize_with = "text")]
    verification_uri: Member<String>,
    #[serde(deserialize_with = "text")]
    verification_url: Member<String>,
    #[serde(deserialize_with = "text")]
    verification_uri_complete: Member<String>,
    #[serde(deserialize_with = "count")]
    interval: Count,
    #[serde(deserialize_with = "text")]
    message: Member<String>,
}

/// Decodes the response of the device-code endpoint.
fn read_codes(response: &Response<Body>, now: Timestamp) -> Result<DeviceAuthorization, Error> {
    let (status, headers) = (response.status(), response.headers());
    let body = response.body().as_bytes();
    let common = read_success(status, headers, body, now, &Secrets::none)?;
    let codes: Codes = read(body).map_err(|problem| unusable(problem, status, headers))?;
    let odd = [
        ("user_code", &codes.user_code),
        ("verification_uri", &codes.verification_uri),
        ("verification_url", &codes.verification_url),
        ("verification_uri_complete", &codes.verification_uri_complete),
    ];
    if let Some((name, _)) = odd.into_iter().find(|(_, member)| member.is_odd()) {
        return Err(unusable(ResponseProblem::NotAString(name), status, headers));
    }
    let missing = || unusable(ResponseProblem::NoDeviceCode, status, headers);
    let user_code = codes.user_code.into_text().filter(|code| is_shown(code, 64));
    let user_code = user_code.ok_or_else(missing)?;
    let uri = codes
        .verification_uri
        .into_text()
        .or_else(|| codes.verification_url.into_text());
    let verification_uri = uri.filter(|uri| is_address(uri)).ok_or_else(missing)?;
    let complete = codes.verification_uri_complete.into_text();
    let message = match codes.message.into_text().filter(|message| !message.trim().is_empty()) {
        Some(message) => message.chars().take(1024).map(harmless).collect(),
        None => format!("To sign in, open {verification_uri} and enter the code {user_code}."),
    };
    let device_code = common.device_code.into_text().and_then(DeviceCode::from_wire);
    let seconds = |count: Count, default| Duration::from_secs(count.seconds().unwrap_or(default));
    let life = seconds(common.expires_in, 900).min(MAX_LIFETIME);
    Ok(DeviceAuthorization {
        device_code: device_code.ok_or_else(missing)?,
        user_code,
        verification_uri,
        verification_uri_complete: complete.filter(|uri| is_address(uri)),
        message,
        interval: seconds(codes.interval, 5).min(life).max(SHORTEST_INTERVAL),
        expires_at: now.plus(life),
    })
}

/// Returns whether a text can be shown to a user and typed.
fn is_shown(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Replaces control characters, and those that change the direction of text, by a space.
fn harmless(character: char) -> char {
    let turns = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    if turns || character.is_control() {
        ' '
    } else {
        character
    }
}

/// Returns whether a user may be sent to this address. The part before an `@` only looks like a
/// host.
fn is_address(text: &str) -> bool {
    let parsed: Option<Uri> = text.parse().ok();
    is_shown(text, 2048)
        && !text.contains('@')
        && parsed.is_some_and(|uri| match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => is_loopback_host(host),
            _ => false,
        })
}

const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
