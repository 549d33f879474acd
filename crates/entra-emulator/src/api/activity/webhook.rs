//! Webhooks of subscriptions: where notifications are sent, and what came of it.
//!
//! The calls themselves are made by the server: this side says which ones are due, and is told how they ended.

use std::net::IpAddr;
use std::time::SystemTime;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::activity::denial::Denial;
use crate::api::activity::query::time;
use crate::state::subscriptions::{Hook, Webhook};
use crate::time::{parse_rfc3339, unix};

/// A call of a webhook, to an address of plain http on loopback.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) address: Uri,
    pub(crate) auth_id: Option<String>,
    /// Only of the call that validates the address.
    pub(crate) validation_code: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Webhook {
    /// The webhook of a request to start a subscription, if its body names one. An empty address is none.
    ///
    /// # Errors
    /// AF20002 for a body that is no such object, AF20003 for a time in the past, AF20021 for an address without TLS that is
    /// not one of loopback, or where those are not permitted.
    pub(super) fn read(body: &[u8], now: u64, plain: bool) -> Result<Option<Self>, Denial> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let wrong = || Denial::new("AF20002", "Invalid parameter type: webhook. Expected type: object");
        // An array would do for a struct, were it not looked at.
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
            // It becomes the value of a header.
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

    /// AF20021.
    pub(super) fn not_validated(&self, reason: &str) -> Denial {
        let address = crate::exchange::shown(&self.address);
        let message = format!("The webhook endpoint ({address}) could not be validated. {reason}");
        Denial::new("AF20021", message)
    }

    /// The address, if it is a URL of this scheme with a host and without a user. A port is a number.
    fn url(&self, scheme: &str) -> Option<Uri> {
        let url: Uri = self.address.parse().ok()?;
        let authority = url.authority()?.as_str();
        let port = authority.strip_prefix(url.host().filter(|host| !host.is_empty())?)?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
        (url.scheme_str() == Some(scheme) && is_port).then_some(url)
    }

    /// The address, if it is one of plain http on loopback: the only ones that are ever called.
    pub(super) fn loopback(&self) -> Option<Uri> {
        self.url("http")
            .filter(|address| address.host().is_some_and(is_loopback))
    }

    /// The call that validates it.
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

/// The service reads the names of members in upper or lower case. Of two that are the same then, the last one counts.
fn in_lower_case(members: Map<String, Value>) -> Map<String, Value> {
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// The time of an expiration: in UTC as in a query, or with an offset.
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

    /// Whether a notification may be sent now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.is_called && !self.in_flight && self.due <= now && self.status(now) == "enabled"
    }
}

/// A name or an address of this machine, as the host of a URL has it.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// How long a text of a webhook may be, in bytes.
const LONGEST_TEXT: usize = 2_048;
