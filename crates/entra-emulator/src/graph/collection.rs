//! Responses with one resource or a page of them.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use crate::exchange::Exchange;
use crate::graph::property::{Kind, Property};
use crate::graph::query::{Query, Target};
use crate::graph::{CONTEXT, Denial};

/// One page of a collection.
pub(crate) fn list<T>(exchange: &Exchange<'_>, kind: &Kind<T>, items: Vec<&T>) -> Result<Value, Denial> {
    let query = Query::read(exchange, kind, Target::Collection)?;
    let found = found(&query, items);
    let start = match &query.skip_token {
        None => 0,
        Some(token) => read_skip_token(token, &query)
            .filter(|start| *start <= found.len())
            .ok_or_else(|| Denial::request("The skip token is not valid."))?,
    };
    let end = found.len().min(start.saturating_add(query.top.unwrap_or(DEFAULT_PAGE)));
    let selection = selection(kind, &query);
    let mut body = json!({"@odata.context": format!("{CONTEXT}#{selection}")});
    if query.count && query.skip_token.is_none() {
        body["@odata.count"] = json!(found.len());
    }
    if end < found.len() {
        body["@odata.nextLink"] = json!(next_link(exchange, kind, &query, end));
    }
    let page = found.get(start..end).unwrap_or_default();
    body["value"] = page
        .iter()
        .map(|item| fields(kind, &query, item))
        .map(Value::Object)
        .collect();
    Ok(body)
}

/// The number of resources that a query finds.
pub(crate) fn count<T>(exchange: &Exchange<'_>, kind: &Kind<T>, items: Vec<&T>) -> Result<usize, Denial> {
    let query = Query::read(exchange, kind, Target::Count)?;
    Ok(found(&query, items).len())
}

/// One resource.
pub(crate) fn entity<T>(exchange: &Exchange<'_>, kind: &Kind<T>, item: &T) -> Result<Value, Denial> {
    let query = Query::read(exchange, kind, Target::Entity)?;
    let mut body = fields(kind, &query, item);
    let context = format!("{CONTEXT}#{}/$entity", selection(kind, &query));
    body.insert("@odata.context".to_owned(), json!(context));
    Ok(Value::Object(body))
}

/// The items that the filter lets through, in order.
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

fn selected<T>(kind: &Kind<T>, query: &Query<T>) -> Vec<&'static Property<T>> {
    match &query.select {
        Some(properties) => properties.clone(),
        None => kind.properties.iter().filter(|property| property.is_default).collect(),
    }
}

fn fields<T>(kind: &Kind<T>, query: &Query<T>, item: &T) -> Map<String, Value> {
    let properties = selected(kind, query).into_iter();
    properties
        .map(|property| (property.name.to_owned(), (property.value)(item)))
        .collect()
}

/// The collection in the context of a response, with the properties if not all are there.
fn selection<T>(kind: &Kind<T>, query: &Query<T>) -> String {
    match &query.select {
        None => kind.set.to_owned(),
        Some(properties) => {
            let names: Vec<&str> = properties.iter().map(|property| property.name).collect();
            format!("{}({})", kind.set, names.join(","))
        }
    }
}

fn next_link<T>(exchange: &Exchange<'_>, kind: &Kind<T>, query: &Query<T>, position: usize) -> String {
    let mut link = format!("{}/v1.0/{}?", exchange.origin, kind.set);
    for (name, value) in &query.kept {
        link.push_str(&format!("${name}="));
        link.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        link.push('&');
    }
    link.push_str("$skiptoken=");
    link.push_str(&skip_token(position, query));
    link
}

/// Opaque to the client: a position with a check, so that one that was made up, or that belongs to another query, is
/// rejected.
fn skip_token<T>(position: usize, query: &Query<T>) -> String {
    format!("RFN{position:08x}{:08x}", check(position, query))
}

fn read_skip_token<T>(token: &str, query: &Query<T>) -> Option<usize> {
    let digits = token
        .strip_prefix("RFN")
        .filter(|digits| digits.len() == 16 && digits.is_ascii())?;
    let position = usize::from_str_radix(&digits[..8], 16).ok()?;
    (u32::from_str_radix(&digits[8..], 16).ok()? == check(position, query)).then_some(position)
}

/// Over the options that decide which resource stands where.
fn check<T>(position: usize, query: &Query<T>) -> u32 {
    let options = query
        .kept
        .iter()
        .filter(|(name, _)| ["filter", "orderby"].contains(name));
    let bytes = options.flat_map(|(name, value)| name.bytes().chain(value.bytes()));
    // FNV-1a.
    bytes
        .fold((position as u32) ^ 0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
        .wrapping_mul(2_654_435_761)
}

const DEFAULT_PAGE: usize = 100;
