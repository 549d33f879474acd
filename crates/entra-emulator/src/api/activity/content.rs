//! Lists of content blobs, and the audit records of one blob.

use std::ops::Range;

use serde_json::{Value, json};

use crate::api::activity::denial::Denial;
use crate::api::activity::query::{CONTENT_TYPE, DAY, END, NEXT_PAGE, Options, PUBLISHER, START};
use crate::api::activity::record;
use crate::config::{ContentType, Tenant};
use crate::exchange::{Exchange, shown};
use crate::seed::mixed;
use crate::state::feed::Contents;
use crate::time::{graph_date, unix};

/// The body of a successful response.
pub(super) struct Found {
    pub(super) body: Vec<u8>,
    /// The URL of the next page of a list.
    pub(super) next_page: Option<String>,
}

impl Found {
    pub(super) fn bytes(body: Vec<u8>) -> Self {
        Self { body, next_page: None }
    }

    pub(super) fn page(body: &Value, next_page: Option<String>) -> Self {
        Self {
            body: body.to_string().into_bytes(),
            next_page,
        }
    }
}

impl From<Value> for Found {
    fn from(body: Value) -> Self {
        Self::page(&body, None)
    }
}

/// Returns one page of the content that was created in the window of the request and outside the
/// gaps.
pub(super) fn page(
    exchange: &Exchange<'_>,
    tenant: &Tenant,
    content_type: ContentType,
    options: &Options,
    gaps: &[Range<u64>],
) -> Result<Found, Denial> {
    let now = unix(exchange.now);
    let feed = &exchange.state.feed;
    let contents = feed.contents(tenant, content_type, now);
    let oldest = now.saturating_sub(LIFE) + 1;
    let window = options.window.start.max(oldest)..options.window.end.min(now + 1);
    let slots = contents.within(&window);
    let first = match &options.next_page {
        None => (slots.start, 0),
        Some(text) => read_page(&contents, text)
            .filter(|(slot, _)| slots.contains(slot))
            .ok_or_else(|| Denial::new("AF20031", format!("Invalid nextPage Input: {}.", shown(text))))?,
    };
    let mut entries = entries(&contents, first, slots.end, gaps);
    let place = Place::new(&exchange.origin, tenant, content_type);
    let size = feed.settings.page_size as usize;
    let items: Vec<Value> = entries
        .by_ref()
        .take(size)
        .map(|(_, content)| place.item(&contents, content))
        .collect();
    let next_page = entries
        .next()
        .map(|(at, _)| next_page(exchange, &place, "content", options, &page_name(&contents, at)));
    Ok(Found::page(&Value::Array(items), next_page))
}

/// Returns the URL of the next page of a list.
///
/// It carries the window of this page even if the request named none.
pub(super) fn next_page(
    exchange: &Exchange<'_>,
    place: &Place<'_>,
    operation: &str,
    options: &Options,
    name: &str,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(CONTENT_TYPE, place.content_type.as_str());
    let sent = exchange.query.pairs().iter();
    query.extend_pairs(sent.filter(|(name, _)| name.eq_ignore_ascii_case(PUBLISHER)));
    query.append_pair(START, &graph_date(options.window.start));
    query.append_pair(END, &graph_date(options.window.end));
    query.append_pair(NEXT_PAGE, name);
    format!("{}/subscriptions/{operation}?{}", place.feed(), query.finish())
}

/// Iterates over the entries of a list from the position `first`: the slot and the part of the
/// slot, and the content.
///
/// Each slot lists its own content, then the previous slot's content again if that is listed twice.
/// Content inside a gap is left out; `gaps` is sorted.
fn entries<'a>(
    contents: &'a Contents<'_>,
    first: (u64, u8),
    end: u64,
    gaps: &'a [Range<u64>],
) -> impl Iterator<Item = ((u64, u8), u64)> + use<'a> {
    let gap_of = |content: u64| {
        let gap = gaps.get(gaps.partition_point(|gap| gap.end <= content))?;
        gap.contains(&content).then_some(gap)
    };
    let mut next = first.0;
    let slots = std::iter::from_fn(move || {
        // Of the slots in a gap, only the first can list anything: the content before the gap.
        if let Some(gap) = gap_of(next)
            && gap.start < next
        {
            next = gap.end;
        }
        let slot = (next < end).then_some(next)?;
        next += 1;
        Some(slot)
    });
    let all = slots.flat_map(move |slot| {
        let again = slot.checked_sub(1).filter(|before| contents.is_listed_twice(*before));
        let own = ((slot, 0), slot);
        [Some(own), again.map(|before| ((slot, 1), before))]
            .into_iter()
            .flatten()
    });
    all.filter(move |(at, content)| *at >= first && gap_of(*content).is_none())
}

/// Returns the content of this tenant with this ID.
///
/// # Errors
/// Returns AF20052 if the ID is malformed, AF20050 if there is no such content, and AF20051 if it
/// has expired.
pub(super) fn find<'a>(exchange: &Exchange<'a>, tenant: &Tenant, id: &str) -> Result<Blob<'a>, Denial> {
    let malformed = || Denial::new("AF20052", format!("Content ID {} in the URL is invalid.", shown(id)));
    let (content_type, index) = read_id(id).ok_or_else(malformed)?;
    let now = unix(exchange.now);
    let contents = exchange.state.feed.contents(tenant, content_type, now);
    let is_there = index < contents.count() && contents.created(index) <= now;
    if !is_there || content_id(tenant, content_type, &contents, index) != id {
        let message = format!("The specified content ({}) does not exist.", shown(id));
        return Err(Denial::new("AF20050", message));
    }
    if contents.created(index) + LIFE <= now {
        let message = format!(
            "Content requested with the key {} has already expired. Content older than 7 days cannot be retrieved.",
            shown(id)
        );
        return Err(Denial::new("AF20051", message));
    }
    Ok(Blob {
        content_type,
        contents,
        index,
    })
}

/// A content blob, found by its ID.
pub(super) struct Blob<'a> {
    pub(super) content_type: ContentType,
    contents: Contents<'a>,
    pub(super) index: u64,
}

impl Blob<'_> {
    /// Returns the records as a JSON array.
    pub(super) fn records(&self, tenant: &Tenant) -> Vec<u8> {
        record::array(tenant, self.content_type, &self.contents, self.index)
    }
}

/// The tenant and content type of a list, with the origin of its URLs.
pub(super) struct Place<'a> {
    origin: &'a str,
    pub(super) tenant: &'a Tenant,
    pub(super) content_type: ContentType,
}

impl<'a> Place<'a> {
    pub(super) fn new(origin: &'a str, tenant: &'a Tenant, content_type: ContentType) -> Self {
        Self {
            origin,
            tenant,
            content_type,
        }
    }

    fn feed(&self) -> String {
        format!("{}/api/v1.0/{}/activity/feed", self.origin, self.tenant.id)
    }

    /// Returns a content as an item of a list.
    pub(super) fn item(&self, contents: &Contents<'_>, index: u64) -> Value {
        let id = content_id(self.tenant, self.content_type, contents, index);
        let created = contents.created(index);
        let uri = format!("{}/audit/{id}", self.feed());
        json!({
            "contentType": self.content_type.as_str(),
            "contentId": id,
            "contentUri": uri,
            "contentCreated": moment(created),
            "contentExpiration": moment(created + LIFE),
        })
    }
}

/// Formats a time as in the items of lists.
pub(super) fn moment(time: u64) -> String {
    format!("{}.000Z", graph_date(time))
}

/// Returns the ID of a content, in the format of real IDs and as opaque to clients.
fn content_id(tenant: &Tenant, content_type: ContentType, contents: &Contents<'_>, index: u64) -> String {
    let number = FIRST_NUMBER + index;
    let tenant = tenant.id.replace('-', "");
    let day: String = graph_date(contents.created(index))
        .chars()
        .filter(char::is_ascii_digit)
        .take(10)
        .collect();
    let random = mixed(contents.key ^ index);
    let short = short_name(content_type);
    format!(
        "{number}${number}${tenant}{short}{day}${random:016x}{:016x}$04",
        mixed(random)
    )
}

/// Parses an ID into the content type and the index, without checking that such content exists.
fn read_id(id: &str) -> Option<(ContentType, u64)> {
    let mut parts = id.split('$');
    let (number, again, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, _, None) = (parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let index = number.parse::<u64>().ok()?.checked_sub(FIRST_NUMBER)?;
    let short = name.get(32..35)?;
    let content_type = ContentType::ALL.into_iter().find(|known| short_name(*known) == short)?;
    (number == again).then_some((content_type, index))
}

fn short_name(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::AzureActiveDirectory => "aad",
        ContentType::Exchange => "exc",
        ContentType::SharePoint => "spo",
        ContentType::General => "gen",
        ContentType::Dlp => "dlp",
    }
}

/// Returns the name of the page that begins at this position, opaque to the client.
fn page_name(contents: &Contents<'_>, (slot, part): (u64, u8)) -> String {
    let day: String = graph_date(contents.created(slot))
        .chars()
        .filter(char::is_ascii_digit)
        .take(10)
        .collect();
    format!("{day}R{:012}{:04x}", slot * 2 + u64::from(part), list_of(contents))
}

/// Returns a tag of the list, so that a page name of another tenant or content type is rejected.
fn list_of(contents: &Contents<'_>) -> u16 {
    mixed(contents.key) as u16
}

/// Returns the name of the page that begins with the attempt of this number.
pub(super) fn attempts_page(contents: &Contents<'_>, number: u64) -> String {
    format!("N{number:012}{:04x}", list_of(contents))
}

/// Parses the name of a page into the number of its first attempt.
pub(super) fn read_attempts_page(contents: &Contents<'_>, text: &str) -> Option<u64> {
    let number = text.get(1..text.len().checked_sub(4)?)?.parse::<u64>().ok()?;
    (attempts_page(contents, number) == text).then_some(number)
}

fn read_page(contents: &Contents<'_>, text: &str) -> Option<(u64, u8)> {
    let number = text.split_once('R')?.1;
    let number = number.get(..number.len().checked_sub(4)?)?.parse::<u64>().ok()?;
    let at = (number / 2, (number % 2) as u8);
    (at.0 < contents.count() && page_name(contents, at) == text).then_some(at)
}

/// The time for which a content can be retrieved, in seconds.
const LIFE: u64 = 7 * DAY;
/// The number in the ID of the first content.
const FIRST_NUMBER: u64 = 301_299_000_000;
