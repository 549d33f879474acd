//! A little of the Office 365 Management Activity API: subscriptions, what there is to fetch, and audit records, with the
//! access checks of the real one.

mod query;

use std::collections::BTreeSet;
use std::sync::Mutex;

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::activity::query::{END, Options, START};
use crate::bearer::{self, Flaw};
use crate::clock::{graph_date, unix};
use crate::config::Tenant;
use crate::exchange::{Exchange, shown};
use crate::seed::Generator;
use crate::well_known::OFFICE_MANAGEMENT;

/// Which content each app subscribed to in each tenant. Bounded by the apps, tenants and content types there are.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    state: Mutex<BTreeSet<[String; 3]>>,
}

/// Answers a request below `/api/v1.0/{tenant}/activity/feed`.
pub(crate) fn answer(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Response<Vec<u8>> {
    match judge(exchange, tenant, path) {
        Ok(body) => exchange.json(StatusCode::OK, &body),
        Err(Denial { status, code, message }) => {
            exchange.json(status, &json!({"error": {"code": code, "message": message}}))
        }
    }
}

fn judge(exchange: &mut Exchange<'_>, tenant: &str, path: &[&str]) -> Result<Value, Denial> {
    let (tenant, client_id) = caller(exchange, tenant)?;
    let options = |names: &[&str]| Options::read(exchange, names);
    let subscription = |content_type: Option<String>| -> Result<[String; 3], Denial> {
        let content_type = content_type.ok_or_else(|| Denial::bad("AF20001", "Missing parameter: contentType."))?;
        if !CONTENT_TYPES.contains(&content_type.as_str()) {
            return Err(Denial::bad("AF20020", "The specified content type is not valid."));
        }
        Ok([tenant.id.clone(), client_id.clone(), content_type])
    };
    let subscriptions = &exchange.core.subscriptions;
    match (&exchange.method, path) {
        (&Method::GET, ["subscriptions", "list"]) => {
            options(&[])?;
            let own = subscriptions.of(&tenant.id, &client_id);
            let shown = own
                .into_iter()
                .map(|content_type| json!({"contentType": content_type, "status": "enabled", "webhook": null}));
            Ok(Value::Array(shown.collect()))
        }
        (&Method::POST, ["subscriptions", "start"]) => {
            let key = subscription(options(&["contentType"])?.content_type)?;
            without_webhook(exchange)?;
            let body = json!({"contentType": key[2], "status": "enabled", "webhook": null});
            subscriptions.state().insert(key);
            Ok(body)
        }
        (&Method::POST, ["subscriptions", "stop"]) => {
            let key = subscription(options(&["contentType"])?.content_type)?;
            if !subscriptions.state().remove(&key) {
                return Err(no_subscription());
            }
            Ok(Value::Null)
        }
        (&Method::GET, ["subscriptions", "content"]) => {
            let options = options(&["contentType", START, END])?;
            let key = subscription(options.content_type)?;
            if !subscriptions.state().contains(&key) {
                return Err(no_subscription());
            }
            let created = unix(exchange.now).saturating_sub(CONTENT_AGE);
            let is_wanted = options.window.is_none_or(|window| window.contains(&created));
            let items = is_wanted.then(|| content(exchange, tenant, &key[2]));
            Ok(items.into_iter().collect())
        }
        (&Method::GET, ["audit", id]) => {
            options(&[])?;
            let content_type = CONTENT_TYPES
                .iter()
                .find(|content_type| content_id(tenant, content_type) == *id)
                .ok_or_else(|| Denial::bad("AF20051", "Content requested with the key is not there."))?;
            Ok(records(exchange, tenant, content_type))
        }
        (method, path) => Err(Denial::not_emulated(format_args!(
            "{} {} of the Management Activity API",
            shown(method.as_str()),
            shown(&path.join("/"))
        ))),
    }
}

/// The tenant and the client of a verified token: audience first, then the tenant in the path, then the permission.
fn caller<'a>(exchange: &mut Exchange<'a>, tenant: &str) -> Result<(&'a Tenant, String), Denial> {
    let token = bearer::token(exchange)?;
    let claims = bearer::verify(exchange, &token)?;
    let core = exchange.core;
    let api = core.directory.api(OFFICE_MANAGEMENT);
    let is_meant = api.is_some_and(|api| {
        let audience = core.directory.api(&claims.aud);
        audience.is_some_and(|named| named.app_id == api.app_id)
    });
    if !is_meant {
        return Err(Denial::unauthorized());
    }
    let from = bearer::tenant(core, &claims)?;
    let client_id = claims.client_id().to_owned();
    exchange.event.client_id = Some(client_id.clone());
    exchange.event.tenant = Some(tenant.to_owned());
    claims.check_revocation(core)?;
    if !tenant.eq_ignore_ascii_case(&from.id) {
        let message = format!(
            "The tenant ID passed in the URL does not match the tenant ID {} in the access token.",
            from.id
        );
        return Err(Denial {
            status: StatusCode::BAD_REQUEST,
            code: "AF20010",
            message,
        });
    }
    if !claims.has_any(&["ActivityFeed.Read"]) {
        let held = claims.permissions().join(",");
        return Err(Denial {
            status: StatusCode::UNAUTHORIZED,
            code: "AF10001",
            message: format!(
                "The permission set ({held}) sent in the request does not include the expected permission."
            ),
        });
    }
    Ok((from, client_id))
}

fn content(exchange: &Exchange<'_>, tenant: &Tenant, content_type: &str) -> Value {
    let id = content_id(tenant, content_type);
    let now = unix(exchange.now);
    let time = |seconds: u64| format!("{}.000Z", graph_date(seconds));
    json!({
        "contentType": content_type,
        "contentId": id,
        "contentUri": format!("{}/api/v1.0/{}/activity/feed/audit/{id}", exchange.origin, tenant.id),
        "contentCreated": time(now.saturating_sub(CONTENT_AGE)),
        "contentExpiration": time(now + 7 * 24 * 3_600),
    })
}

/// One record a user, the same ones each time: real content comes more than once as well.
fn records(exchange: &Exchange<'_>, tenant: &Tenant, content_type: &str) -> Value {
    let users = tenant.users.iter().flatten();
    let created = graph_date(unix(exchange.now).saturating_sub(7_200));
    let records = users.map(|user| {
        let id = Generator::named(exchange.core.seed, &format!("record {content_type} {}", user.id)).guid();
        json!({
            "CreationTime": created,
            "Id": id,
            "Operation": "UserLoggedIn",
            "OrganizationId": tenant.id,
            "RecordType": 15,
            "ResultStatus": "Success",
            "UserKey": user.id,
            "UserType": 0,
            "Version": 1,
            "Workload": content_type.trim_start_matches("Audit."),
            "UserId": user.user_principal_name,
            "ClientIP": "127.0.0.1",
        })
    });
    Value::Array(records.collect())
}

/// Real ones hold `$` as well.
fn content_id(tenant: &Tenant, content_type: &str) -> String {
    let name = content_type.to_ascii_lowercase().replace('.', "_");
    format!("{}${name}${name}$na0041", tenant.id.replace('-', ""))
}

impl Subscriptions {
    fn of(&self, tenant: &str, client_id: &str) -> Vec<String> {
        let state = self.state();
        let own = state.iter().filter(|[of, by, _]| of == tenant && by == client_id);
        own.map(|[_, _, content_type]| content_type.clone()).collect()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.state().clear();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BTreeSet<[String; 3]>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An answer that is no success, in this API's form.
struct Denial {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Denial {
    fn bad(code: &'static str, message: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.to_owned(),
        }
    }

    /// The API may do this, and the emulator does not.
    fn not_emulated(what: impl std::fmt::Display) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            code: "not_emulated",
            message: format!("The emulator does not emulate {what}."),
        }
    }

    fn unauthorized() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            code: "AF10001",
            message: "Authorization has been denied for this request.".to_owned(),
        }
    }
}

impl From<Flaw> for Denial {
    fn from(_: Flaw) -> Self {
        Self::unauthorized()
    }
}

/// Checks that a request to start a subscription asks for no webhook, which would never be called.
fn without_webhook(exchange: &Exchange<'_>) -> Result<(), Denial> {
    if exchange.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    match serde_json::from_slice::<Value>(&exchange.body) {
        Ok(Value::Object(body)) if body.get("webhook").is_none_or(Value::is_null) => Ok(()),
        Ok(Value::Object(_)) => Err(Denial::not_emulated("webhooks")),
        _ => Err(Denial::bad(
            "AF20002",
            "Invalid parameter: the body is not a JSON object.",
        )),
    }
}

fn no_subscription() -> Denial {
    Denial::bad("AF20022", "No subscription found for the specified content type.")
}

/// How long ago the content was created, in seconds.
const CONTENT_AGE: u64 = 3_600;

const CONTENT_TYPES: &[&str] = &[
    "Audit.AzureActiveDirectory",
    "Audit.Exchange",
    "Audit.SharePoint",
    "Audit.General",
    "DLP.All",
];
