//! Webhooks of subscriptions: their addresses, their validation and their status.
//!
//! The server makes the calls. This module decides which calls are due and records their results.

use std::net::IpAddr;
use std::time::SystemTime;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::activity::denial::Denial;
use crate::api::activity::query::time;
use crate::state::subscriptions::{Hook, Webhook};
use crate::time::{parse_rfc3339, unix};

/// A call of a webhook, to a plain HTTP address on loopback.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) address: Uri,
    pub(crate) auth_id: Option<String>,
    /// The validation code; only in the call that validates the address.
    pub(crate) validation_code: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Webhook {
    /// Parses the webhook in the body of a request that starts a subscription. Returns `None` if
    /// the body names no webhook or its address is empty.
    ///
    /// # Errors
    /// Returns AF20002 if the body is not such an object, AF20003 if the expiration is in the past,
    /// and AF20021 if the address is without TLS and is not a permitted loopback address.
    pub(super) fn read(body: &[u8], now: u64, plain: bool) -> Result<Option<Self>, Denial> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let wrong = || Denial::new("AF20002", "Invalid parameter type: webhook. Expected type: object");
        // Serde would accept an array for a struct, so the type is checked first.
        let webhook = match serde_json::from_slice(body).map_err(|_| wrong())? {
            Value::Null => Value::Null,
            Value::Object(body) => in_lower_case(body).remove("webhook").unwrap_or_default(),
            _ => return Err(wrong()),
        };
        let mut webhook = match webhook {
            Value::Null => return Ok(None),
            Value::Object(members) => Self::deserialize(Value::Object(in_lower_case(members))).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        if webhook.address.is_empty() {
            return Ok(None);
        }
        for text in [&mut webhook.auth_id, &mut webhook.expiration] {
            *text = text.take().filter(|text| !text.is_empty());
            // The text becomes a header value.
            let is_sound = |text: &String| text.len() <= LONGEST_TEXT && HeaderValue::from_str(text).is_ok();
            if text.as_ref().is_some_and(|text| !is_sound(text)) {
                return Err(wrong());
            }
        }
        let is_permitted = webhook.url("https").is_some() || plain && webhook.loopback().is_some();
        if !is_permitted || webhook.address.len() > LONGEST_TEXT {
            return Err(webhook.not_validated("The address must begin with HTTPS."));
        }
        if let Some(expiration) = &webhook.expiration {
            let Some(end) = time_of(expiration) else {
                let message = "Invalid parameter type: expiration. Expected type: datetime";
                return Err(Denial::new("AF20002", message));
            };
            webhook.end = Some(unix(end));
            if webhook.has_expired(now) {
                let message = format!("Expiration {expiration} provided is set to past date and time.");
                return Err(Denial::new("AF20003", message));
            }
        }
        Ok(Some(webhook))
    }

    /// Creates AF20021, the error for a webhook that could not be validated.
    pub(super) fn not_validated(&self, reason: &str) -> Denial {
        let address = crate::exchange::shown(&self.address);
        let message = format!("The webhook endpoint ({address}) could not be validated. {reason}");
        Denial::new("AF20021", message)
    }

    /// Returns the address if it is a URL of this scheme with a host, no user name, and a valid
    /// port if any.
    fn url(&self, scheme: &str) -> Option<Uri> {
        let url: Uri = self.address.parse().ok()?;
        let authority = url.authority()?.as_str();
        let port = authority.strip_prefix(url.host().filter(|host| !host.is_empty())?)?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        (url.scheme_str() == Some(scheme) && is_port).then_some(url)
    }

    /// Returns the address if it is plain HTTP on loopback. No other address is ever called.
    pub(super) fn loopback(&self) -> Option<Uri> {
        self.url("http")
            .filter(|address| address.host().is_some_and(is_loopback))
    }

    /// Returns the call that validates the address.
    pub(super) fn validation(&self, code: String) -> Option<Call> {
        Some(Call {
            address: self.loopback()?,
            auth_id: self.auth_id.clone(),
            body: json!({"validationCode": code}).to_string().into_bytes(),
            validation_code: Some(code),
        })
    }

    pub(super) fn has_expired(&self, now: u64) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

/// Lowercases member names, because the service ignores their case. Of two equal names, the last
/// one wins.
fn in_lower_case(members: Map<String, Value>) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// Parses the time of an expiration: in UTC as in a query, or with an offset.
fn time_of(text: &str) -> Option<SystemTime> {
    time(text).or_else(|| parse_rfc3339(text))
}

impl Hook {
    pub(super) fn status(&self, now: u64) -> &'static str {
        match (self.is_disabled, self.webhook.has_expired(now)) {
            (true, _) => "disabled",
            (false, true) => "expired",
            (false, false) => "enabled",
        }
    }

    pub(super) fn shown(&self, now: u64) -> Value {
        json!({
            "status": self.status(now),
            "address": self.webhook.address,
            "authId": self.webhook.auth_id,
            "expiration": self.webhook.expiration,
        })
    }

    /// Returns true if a notification can be sent now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.is_called && !self.in_flight && self.due <= now && self.status(now) == "enabled"
    }
}

/// Returns true if the host of a URL is a name or an address of loopback.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The largest length of a text of a webhook, in bytes.
const LONGEST_TEXT: usize = 2_048;
