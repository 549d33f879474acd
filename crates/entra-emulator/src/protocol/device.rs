//! The device authorization grant (RFC 8628): a code for the device, and a code for the user to
//! enter.

use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::json;

use crate::aadsts::Rejection;
use crate::config::{Tenant, User};
use crate::exchange::{Exchange, no_store};
use crate::form::Form;
use crate::protocol::token::client::{check_interactive, find_client, find_enterable};
use crate::protocol::token::form::{check_form, read_form};
use crate::protocol::token::redemption::{Redemption, StoredGrant};
use crate::protocol::token::request as token_request;
use crate::protocol::token::target::whole_target;
use crate::state::State;
use crate::state::grants::{DeviceCode, Progress};
use crate::state::recorder::Endpoint;
use crate::state::scopes::{Scopes, Target};
use crate::state::session::Session;
use crate::state::store::random;
use crate::state::transactions::Goal;
use crate::tenant_path::TenantPath;
use crate::time::unix;

/// Responds to a request to a `devicecode` endpoint.
pub(crate) fn handle(exchange: &mut Exchange<'_>, tenant: &str, endpoint: Endpoint) -> Response<Vec<u8>> {
    let form = read_form(exchange);
    token_request::inspect(exchange, &form, endpoint);
    match start(exchange, tenant, &form, endpoint) {
        Ok(response) => response,
        Err(rejection) => exchange.error_response(&rejection),
    }
}

fn start(
    exchange: &Exchange<'_>,
    tenant: &str,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    check_form(exchange, form)?;
    let (tenant, app) = find_client(exchange, form, tenant)?;
    check_interactive(app)?;
    let target = whole_target(exchange, form, app, endpoint)?;
    let (user_code, interval) = (user_code(), exchange.state.device_interval);
    let verification = format!("{}/devicelogin", exchange.origin);
    let waiting = DeviceCode {
        client_id: app.client_id.clone(),
        tenant: tenant.map(|tenant| tenant.id.clone()),
        target,
        user_code: user_code.clone(),
        expires: unix(exchange.now) + LIFETIME,
        interval,
        polled: None,
        progress: Progress::Pending,
    };
    let device_code = exchange.state.grants.devices().add("D", waiting);
    let message = format!("To sign in, open {verification} in a web browser and enter the code {user_code}.");
    let body = match endpoint {
        Endpoint::V1 => json!({
            "user_code": user_code, "device_code": device_code, "verification_url": verification,
            "expires_in": LIFETIME.to_string(), "interval": interval.to_string(), "message": message,
        }),
        Endpoint::V2 => json!({
            "user_code": user_code, "device_code": device_code, "verification_uri": verification,
            "expires_in": LIFETIME, "interval": interval, "message": message,
        }),
    };
    Ok(no_store(exchange.json(StatusCode::OK, &body)))
}

impl StoredGrant for DeviceCode {
    const PARAMETER: &'static str = "device_code";

    fn text(form: &Form) -> Option<&str> {
        form.value(Self::PARAMETER).or_else(|| form.value("code"))
    }

    fn find(state: &State, text: &str) -> Option<Self> {
        state.grants.devices().get(text).cloned()
    }

    fn client_id(&self) -> &str {
        &self.client_id
    }

    fn tenant(&self) -> Option<&str> {
        match &self.progress {
            Progress::Approved(session) => Some(&session.tenant),
            _ => self.tenant.as_deref(),
        }
    }

    fn unknown() -> Rejection {
        Rejection::new(70018)
    }

    fn of_another_app() -> Rejection {
        Rejection::new(70018)
    }

    fn without_user() -> Rejection {
        Rejection::new(70018)
    }
}

/// Responds to a poll at a token endpoint. The parameter of the code is `device_code` or, on v1,
/// `code`.
pub(crate) fn poll<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    // The user's approval adds the app to the tenant, so until then the app may be unknown there.
    let redemption = Redemption::<DeviceCode>::begin(exchange, &path, form, endpoint, find_enterable)?;
    let (device, text) = (&redemption.grant, &redemption.text);
    if device.expires <= unix(exchange.now) {
        return Err(Rejection::new(70020));
    }
    let session = match &device.progress {
        Progress::Approved(session) => session,
        Progress::Declined => {
            let rejection = Rejection::new(65004).with(&device.client_id);
            return Err(rejection.with_error("authorization_declined"));
        }
        Progress::Pending => {
            let now = exchange.now;
            let wait = Duration::from_secs(device.interval);
            let is_early = device
                .polled
                .is_some_and(|polled| now.duration_since(polled).is_ok_and(|since| since < wait));
            if let Some(device) = exchange.state.grants.devices().get_mut(text) {
                device.polled = Some(now);
                if is_early {
                    device.interval += SLOWER;
                }
            }
            let rejection = Rejection::new(70016);
            // The interval grows by five seconds from now on (RFC 8628, section 3.5).
            return Err(if is_early {
                rejection.with_error("slow_down")
            } else {
                rejection
            });
        }
    };
    if session.tenant != redemption.client.tenant.id {
        return Err(Rejection::new(70018));
    }
    let target = match (endpoint, &device.target) {
        (Endpoint::V1, Target::V1 { resource }) => Target::V1 {
            resource: form.value("resource").map(str::to_owned).or_else(|| resource.clone()),
        },
        (Endpoint::V1, Target::V2(_)) => Target::V1 {
            resource: form.value("resource").map(str::to_owned),
        },
        (Endpoint::V2, Target::V2(scopes)) => Target::V2(scopes.clone()),
        (Endpoint::V2, Target::V1 { .. }) => {
            let scope = form
                .value("scope")
                .ok_or_else(|| Rejection::new(900144).with("scope"))?;
            Target::V2(Scopes::parse(scope)?)
        }
    };
    let response = redemption.respond(exchange, session, &target, true)?;
    // Of several concurrent polls, one receives the tokens.
    exchange
        .state
        .grants
        .devices()
        .take(text)
        .ok_or_else(|| Rejection::new(70018))?;
    Ok(response)
}

/// Returns the sign-in for an entered user code.
///
/// # Errors
/// Returns AADSTS70018 for an unknown code, and 70019 for an expired one.
pub(crate) fn find(exchange: &Exchange<'_>, entered: &str) -> Result<Goal, Rejection> {
    let entered: String = entered.chars().filter(char::is_ascii_alphanumeric).collect();
    let devices = exchange.state.grants.devices();
    let found = devices
        .iter()
        .find(|(_, device)| device.user_code.eq_ignore_ascii_case(&entered) && device.is_pending());
    let (device_code, device) = found.ok_or_else(|| Rejection::new(70018))?;
    if device.expires <= unix(exchange.now) {
        return Err(Rejection::new(70019));
    }
    Ok(Goal::Device {
        device_code: device_code.to_owned(),
        client_id: device.client_id.clone(),
    })
}

/// Returns the tenant whose users may approve a device, or `None` if users of all tenants may.
pub(crate) fn tenant(state: &State, device_code: &str) -> Option<String> {
    state.grants.devices().get(device_code)?.tenant.clone()
}

/// Returns the target that a device requested.
pub(crate) fn target(state: &State, device_code: &str) -> Option<Target> {
    state
        .grants
        .devices()
        .get(device_code)
        .map(|device| device.target.clone())
}

/// Approves a device.
///
/// # Errors
/// Returns AADSTS70019 if its code has expired meanwhile, and 70018 if it was already approved or
/// declined.
pub(crate) fn approve(
    exchange: &Exchange<'_>,
    device_code: &str,
    tenant: &Tenant,
    user: &User,
) -> Result<(), Rejection> {
    let now = unix(exchange.now);
    let mut devices = exchange.state.grants.devices();
    let device = devices
        .get_mut(device_code)
        .filter(|device| now < device.expires)
        .ok_or_else(|| Rejection::new(70019))?;
    let app = exchange.state.directory.app(&device.client_id);
    let app = app
        .filter(|_| device.is_pending())
        .ok_or_else(|| Rejection::new(70018))?;
    device.progress = Progress::Approved(Box::new(Session::plain(app, tenant, user, now)));
    Ok(())
}

/// Declines a device.
///
/// # Errors
/// Returns AADSTS70018 if its code was already approved or declined.
pub(crate) fn decline(state: &State, device_code: &str) -> Result<(), Rejection> {
    let mut devices = state.grants.devices();
    let device = devices.get_mut(device_code).filter(|device| device.is_pending());
    device.ok_or_else(|| Rejection::new(70018))?.progress = Progress::Declined;
    Ok(())
}

/// Returns nine characters from an alphabet without similar characters.
fn user_code() -> String {
    random::<9>()
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
        .collect()
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const LIFETIME: u64 = 900;
/// The number of seconds added to the interval after an early poll.
const SLOWER: u64 = 5;
