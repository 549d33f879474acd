//! Responses with one resource or one page of a collection.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::api::graph::body::CONTEXT;
use crate::api::graph::denial::Denial;
use crate::api::graph::property::{Kind, Property};
use crate::api::graph::query::{Query, Target};
use crate::exchange::Exchange;

/// The members of an object in a response, in Graph's order.
pub(crate) struct Fields(pub(crate) Vec<(&'static str, Value)>);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// A page of a collection.
#[derive(Serialize)]
struct Page {
    #[serde(rename = "@odata.context")]
    context: String,
    #[serde(rename = "@odata.count", skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    next_link: Option<String>,
    value: Vec<Fields>,
}

/// Returns one page of a collection as JSON.
pub(crate) fn list<T>(exchange: &Exchange<'_>, kind: &Kind<T>, items: Vec<&T>) -> Result<Vec<u8>, Denial> {
    let query = Query::read(exchange, kind, Target::Collection)?;
    let found = found(&query, items);
    let start = match &query.skip_token {
        None => 0,
        Some(token) => read_skip_token(token, exchange, &query)
            .filter(|start| *start <= found.len())
            .ok_or_else(|| Denial::request("The skip token is not valid."))?,
    };
    let end = found.len().min(start.saturating_add(query.top.unwrap_or(DEFAULT_PAGE)));
    let page = found.get(start..end).unwrap_or_default();
    Ok(json_of(&Page {
        context: format!("{CONTEXT}#{}", selection(kind, &query)),
        count: (query.count && query.skip_token.is_none()).then_some(found.len()),
        next_link: (end < found.len()).then(|| next_link(exchange, &query, end)),
        value: page.iter().map(|item| fields(kind, &query, item)).collect(),
    }))
}

/// Returns the number of resources that match a query.
pub(crate) fn count<T>(exchange: &Exchange<'_>, kind: &Kind<T>, items: Vec<&T>) -> Result<usize, Denial> {
    let query = Query::read(exchange, kind, Target::Count)?;
    Ok(found(&query, items).len())
}

/// Returns one resource as JSON.
pub(crate) fn entity<T>(exchange: &Exchange<'_>, kind: &Kind<T>, item: &T) -> Result<Vec<u8>, Denial> {
    let query = Query::read(exchange, kind, Target::Entity)?;
    let mut body = fields(kind, &query, item);
    let context = format!("{CONTEXT}#{}/$entity", selection(kind, &query));
    body.0.insert(0, ("@odata.context", json!(context)));
    Ok(json_of(&body))
}

fn json_of(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// Returns the items that match the filter, in order.
fn found<'a, T>(query: &Query<T>, mut items: Vec<&'a T>) -> Vec<&'a T> {
    if let Some(filter) = &query.filter {
        items.retain(|item| filter.holds(item) == Some(true));
    }
    if !query.order.is_empty() {
        items.sort_by(|one, other| {
            let keys = query.order.iter().map(|(property, is_descending)| {
                let order = property.key(one).cmp(&property.key(other));
                if *is_descending { order.reverse() } else { order }
            });
            keys.fold(Ordering::Equal, Ordering::then)
        });
    }
    items
}

fn fields<T>(kind: &Kind<T>, query: &Query<T>, item: &T) -> Fields {
    if let Some(own) = kind.own_fields {
        let selected = query.select.as_deref().map(names);
        return Fields(own(item, selected.as_deref()));
    }
    let defaults = || kind.properties.iter().filter(|property| property.is_default);
    let field = |property: &Property<T>| (property.name, (property.value)(item));
    Fields(match &query.select {
        Some(properties) => properties.iter().map(|property| field(property)).collect(),
        None => defaults().map(field).collect(),
    })
}

fn names<T>(properties: &[&'static Property<T>]) -> Vec<&'static str> {
    properties.iter().map(|property| property.name).collect()
}

/// Returns the collection in the `@odata.context` of a response, with the names of selected
/// properties.
fn selection<T>(kind: &Kind<T>, query: &Query<T>) -> String {
    match &query.select {
        None => kind.set.to_owned(),
        Some(properties) => format!("{}({})", kind.set, names(properties).join(",")),
    }
}

fn next_link<T>(exchange: &Exchange<'_>, query: &Query<T>, position: usize) -> String {
    let mut link = format!("{}{}?", exchange.origin, exchange.event.path);
    for (name, value) in &query.kept {
        link.push_str(&format!("${name}="));
        link.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        link.push('&');
    }
    link.push_str("$skiptoken=");
    link.push_str(&skip_token(position, exchange, query));
    link
}

/// Returns a skip token, opaque to the client: a position with a checksum, so that an invented
/// token or one of another query is rejected.
fn skip_token<T>(position: usize, exchange: &Exchange<'_>, query: &Query<T>) -> String {
    format!("RFN{position:08x}{:08x}", check(position, exchange, query))
}

fn read_skip_token<T>(token: &str, exchange: &Exchange<'_>, query: &Query<T>) -> Option<usize> {
    let digits = token
        .strip_prefix("RFN")
        .filter(|digits| digits.len() == 16 && digits.is_ascii())?;
    let position = usize::from_str_radix(&digits[..8], 16).ok()?;
    (u32::from_str_radix(&digits[8..], 16).ok()? == check(position, exchange, query)).then_some(position)
}

/// Computes a checksum over the tenant, the collection and the options that decide the order of
/// resources.
fn check<T>(position: usize, exchange: &Exchange<'_>, query: &Query<T>) -> u32 {
    let options = query
        .kept
        .iter()
        .filter(|(name, _)| ["filter", "orderby"].contains(name));
    let bytes = options.flat_map(|(name, value)| name.bytes().chain(value.bytes()));
    let path = exchange.event.path.bytes().map(|byte| byte.to_ascii_lowercase());
    let tenant = exchange.event.tenant.iter().flat_map(|tenant| tenant.bytes());
    // The hash is FNV-1a.
    tenant
        .chain(path)
        .chain(bytes)
        .fold((position as u32) ^ 0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
        .wrapping_mul(2_654_435_761)
}

const DEFAULT_PAGE: usize = 100;
