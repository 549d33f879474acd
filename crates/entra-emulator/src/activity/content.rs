//! Content and the audit records in it: one record for each user, a hundred records in each content, one content on each page.

use serde_json::{Value, json};

use crate::activity::Found;
use crate::activity::denial::Denial;
use crate::activity::query::{NEXT_PAGE, Options};
use crate::clock::{graph_date, unix};
use crate::config::{Tenant, User};
use crate::exchange::Exchange;
use crate::seed::Generator;

/// One page of the content that was created in the time window of the request.
pub(super) fn page(
    exchange: &Exchange<'_>,
    tenant: &Tenant,
    content_type: &str,
    options: &Options,
) -> Result<Found, Denial> {
    let created = unix(exchange.now).saturating_sub(AGE);
    if options.window.as_ref().is_some_and(|window| !window.contains(&created)) {
        return Ok(json!([]).into());
    }
    let part = match &options.next_page {
        None => 0,
        Some(text) => read_page(text)
            .filter(|part| *part < parts(tenant))
            .ok_or_else(|| Denial::new("AF20031", "Invalid nextPage Input."))?,
    };
    let next_page = (part + 1 < parts(tenant)).then(|| {
        let mut options = form_urlencoded::Serializer::new(String::new());
        // All that the client sent, so that the next page is of the same query.
        let sent = exchange.query.pairs().iter();
        options.extend_pairs(sent.filter(|(name, _)| !name.eq_ignore_ascii_case(NEXT_PAGE) && name != "access_token"));
        options.append_pair(NEXT_PAGE, &page_name(part + 1));
        format!("{}/subscriptions/content?{}", feed(exchange, tenant), options.finish())
    });
    Ok(Found {
        body: json!([content(exchange, tenant, content_type, part)]),
        next_page,
    })
}

/// The records of one content, the same ones each time: real content comes more than once as well.
pub(super) fn records(exchange: &Exchange<'_>, tenant: &Tenant, content_type: &str, part: usize) -> Value {
    let users = users(tenant).chunks(SIZE).nth(part).unwrap_or_default().iter();
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

/// Which content of this type has this id.
pub(super) fn part(tenant: &Tenant, content_type: &str, id: &str) -> Option<usize> {
    (0..parts(tenant)).find(|part| content_id(tenant, content_type, *part) == id)
}

fn content(exchange: &Exchange<'_>, tenant: &Tenant, content_type: &str, part: usize) -> Value {
    let id = content_id(tenant, content_type, part);
    let now = unix(exchange.now);
    let time = |seconds: u64| format!("{}.000Z", graph_date(seconds));
    json!({
        "contentType": content_type,
        "contentId": id,
        "contentUri": format!("{}/audit/{id}", feed(exchange, tenant)),
        "contentCreated": time(now.saturating_sub(AGE)),
        "contentExpiration": time(now + 7 * 24 * 3_600),
    })
}

fn feed(exchange: &Exchange<'_>, tenant: &Tenant) -> String {
    format!("{}/api/v1.0/{}/activity/feed", exchange.origin, tenant.id)
}

/// Real ones hold `$` as well.
fn content_id(tenant: &Tenant, content_type: &str, part: usize) -> String {
    let name = content_type.to_ascii_lowercase().replace('.', "_");
    format!("{}${name}${name}$na{:04}", tenant.id.replace('-', ""), 41 + part)
}

/// Opaque to the client.
fn page_name(part: usize) -> String {
    format!("na{part:08}")
}

fn read_page(text: &str) -> Option<usize> {
    let part = text.strip_prefix("na")?.parse().ok()?;
    (page_name(part) == text).then_some(part)
}

/// There is content, if empty, in a tenant without users as well.
fn parts(tenant: &Tenant) -> usize {
    users(tenant).len().div_ceil(SIZE).max(1)
}

fn users(tenant: &Tenant) -> &[User] {
    tenant.users.as_deref().unwrap_or_default()
}

/// How long ago content was created, in seconds.
const AGE: u64 = 3_600;
/// How many records one content has.
const SIZE: usize = 100;
