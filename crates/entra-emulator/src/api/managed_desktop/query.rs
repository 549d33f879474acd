//! The query options of Managed Desktop: each is carried out, or the request is rejected.

use crate::api::managed_desktop::denial::Denial;
use crate::exchange::{Exchange, shown};

/// The query options of a list, checked.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) skip: usize,
    /// The number of items on a page.
    pub(super) top: Option<usize>,
    /// In lower case.
    pub(super) search: Option<String>,
    /// As they were sent, for the link to the next page.
    sent: Vec<(&'static str, String)>,
}

impl Options {
    /// Reads the options of a list. Names are read in upper or lower case, those of OData with `$` or without.
    ///
    /// # Errors
    /// Returns an error for an option that is given twice, malformed, or not carried out.
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

    /// Checks a request that takes no options.
    ///
    /// # Errors
    /// Returns an error for each option.
    pub(super) fn none(exchange: &Exchange<'_>) -> Result<(), Denial> {
        match given(exchange).next() {
            None => Ok(()),
            Some((name, _)) => Err(not_emulated(name)),
        }
    }

    /// The address of the page that begins with this item.
    pub(super) fn next_link(&self, exchange: &Exchange<'_>, skip: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.sent.iter().filter(|(name, _)| *name != SKIP));
        query.append_pair(SKIP, &skip.to_string());
        // A dollar sign is allowed in a query, and OData writes it so.
        let query = query.finish().replace("%24skip=", "$skip=").replace("%24top=", "$top=");
        format!("{}{}?{query}", exchange.origin, exchange.event.path)
    }

    /// Whether the text that is searched for is in one of these.
    pub(super) fn finds<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        match &self.search {
            None => true,
            Some(text) => texts.into_iter().any(|searched| searched.to_lowercase().contains(text)),
        }
    }
}

/// The options of a request, without those that identify the request or its caller.
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
    // More than there can be.
    Ok(value.parse().unwrap_or(usize::MAX))
}

fn not_emulated(name: &str) -> Denial {
    let name = shown(name);
    Denial::not_emulated(format_args!("the query option '{name}' here"))
}

const SKIP: &str = "$skip";
const TOP: &str = "$top";
const SEARCH: &str = "searchText";
