//! The query options of Managed Desktop: each is applied, or the request is rejected.

use crate::api::managed_desktop::denial::Denial;
use crate::exchange::{Exchange, shown};

/// The checked query options of a list.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) skip: usize,
    /// The number of items on a page.
    pub(super) top: Option<usize>,
    /// The search text, in lower case.
    pub(super) search: Option<String>,
    /// The options as they were sent, for the link to the next page.
    sent: Vec<(&'static str, String)>,
}

impl Options {
    /// Reads the options of a list. Names are accepted in any letter case, those of OData with or
    /// without `$`.
    ///
    /// # Errors
    /// Returns an error if an option is repeated, malformed or not implemented.
    pub(super) fn read(exchange: &Exchange<'_>) -> Result<Self, Denial> {
        let mut sent: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in given(exchange) {
            let bare = name.strip_prefix('$').unwrap_or(name);
            let known = match () {
                () if bare.eq_ignore_ascii_case("skip") => SKIP,
                () if bare.eq_ignore_ascii_case("top") => TOP,
                () if name.eq_ignore_ascii_case(SEARCH) => SEARCH,
                () => return Err(not_emulated(name)),
            };
            if sent.iter().any(|(name, _)| *name == known) {
                return Err(Denial::bad_request(format!(
                    "The query option '{known}' is given more than once."
                )));
            }
            sent.push((known, value.to_owned()));
        }
        let value = |name: &str| {
            let found = sent.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &str| value(name).map(|value| number(name, value)).transpose();
        Ok(Self {
            skip: number(SKIP)?.unwrap_or_default(),
            top: number(TOP)?,
            search: value(SEARCH).filter(|text| !text.is_empty()).map(str::to_lowercase),
            sent,
        })
    }

    /// Checks that a request has no options.
    ///
    /// # Errors
    /// Returns an error if it has one.
    pub(super) fn none(exchange: &Exchange<'_>) -> Result<(), Denial> {
        match given(exchange).next() {
            None => Ok(()),
            Some((name, _)) => Err(not_emulated(name)),
        }
    }

    /// Returns the URL of the page that begins with this item.
    pub(super) fn next_link(&self, exchange: &Exchange<'_>, skip: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.sent.iter().filter(|(name, _)| *name != SKIP));
        query.append_pair(SKIP, &skip.to_string());
        // A dollar sign is allowed in a query, and OData writes it unescaped.
        let query = query.finish().replace("%24skip=", "$skip=").replace("%24top=", "$top=");
        format!("{}{}?{query}", exchange.origin, exchange.event.path)
    }

    /// Returns true if one of these texts contains the search text.
    pub(super) fn finds<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        match &self.search {
            None => true,
            Some(text) => texts.into_iter().any(|searched| searched.to_lowercase().contains(text)),
        }
    }
}

/// Returns the options of a request, without those that identify the request or its caller.
fn given<'e>(exchange: &'e Exchange<'_>) -> impl Iterator<Item = (&'e str, &'e str)> {
    let pairs = exchange.query.pairs().iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !["access_token", "client-request-id"].contains(name))
}

fn number(name: &str, value: &str) -> Result<usize, Denial> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Denial::bad_request(format!(
            "Invalid value '{}' for {name} query option found. It requires a non-negative integer value.",
            shown(value)
        )));
    }
    // A number too large for `usize` exceeds every list.
    Ok(value.parse().unwrap_or(usize::MAX))
}

fn not_emulated(name: &str) -> Denial {
    let name = shown(name);
    Denial::not_emulated(format_args!("the query option '{name}' here"))
}

const SKIP: &str = "$skip";
const TOP: &str = "$top";
const SEARCH: &str = "searchText";
