//! The query options of a request: each is applied, or the request is rejected.
//!
//! The rules are those of "Use query parameters to customize responses" and "Advanced query
//! capabilities on Microsoft Entra ID objects".

use crate::api::graph::denial::Denial;
use crate::api::graph::filter;
use crate::api::graph::filter::Expression;
use crate::api::graph::property::{Kind, Property, Support};
use crate::exchange::{Exchange, shown};

/// The kind of resource that a request is for, which decides the options that it accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Collection,
    Count,
    Entity,
}

/// The checked query options of a request.
pub(crate) struct Query<T: 'static> {
    pub(crate) filter: Option<Expression<T>>,
    /// The properties to sort by, each with true for descending order.
    pub(crate) order: Vec<(&'static Property<T>, bool)>,
    pub(crate) select: Option<Vec<&'static Property<T>>>,
    pub(crate) top: Option<usize>,
    pub(crate) count: bool,
    pub(crate) skip_token: Option<String>,
    /// The options to repeat in the link to the next page, without the skip token.
    pub(crate) kept: Vec<(&'static str, String)>,
}

impl<T> Query<T> {
    /// Reads the query options of a request.
    ///
    /// # Errors
    /// Returns an error if an option is malformed, not supported by Graph, or not implemented here.
    pub(crate) fn read(exchange: &Exchange<'_>, kind: &Kind<T>, target: Target) -> Result<Self, Denial> {
        let options = options(exchange, target)?;
        let value = |name: &str| {
            let found = options.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.as_str())
        };
        let is_eventual = exchange
            .header("consistencylevel")
            .is_some_and(|level| level.trim().eq_ignore_ascii_case("eventual"));
        if value("search").is_some() {
            return Err(if is_eventual {
                Denial::not_emulated("the query option '$search'")
            } else {
                Denial::unsupported(SEARCH_WITHOUT_HEADER)
            });
        }
        if value("skip").is_some() {
            return Err(Denial::request("'$skip' is not supported by the service."));
        }
        let count = value("count").map(flag).transpose()?.unwrap_or_default();
        if count && !is_eventual {
            return Err(Denial::unsupported(COUNT_WITHOUT_HEADER));
        }
        if target == Target::Count && !is_eventual {
            return Err(Denial::request("$count is not currently supported."));
        }
        let is_advanced = is_eventual && (count || target == Target::Count);
        let filter = value("filter")
            .map(|text| filter::parse(text, kind, is_advanced))
            .transpose()?;
        let order = value("orderby")
            .map(|text| order(text, kind, is_advanced))
            .transpose()?
            .unwrap_or_default();
        if filter.is_some() && !order.is_empty() && !is_advanced {
            return Err(Denial::unsupported("Sorting not supported for current query."));
        }
        Ok(Self {
            filter,
            order,
            select: value("select").map(|text| select(text, kind)).transpose()?.flatten(),
            top: value("top").map(top).transpose()?,
            count,
            skip_token: value("skiptoken").map(str::to_owned),
            kept: options.into_iter().filter(|(name, _)| *name != "skiptoken").collect(),
        })
    }
}

/// Returns the options of a request by their names in lower case without `$`, as Graph accepts
/// them, too.
fn options(exchange: &Exchange<'_>, target: Target) -> Result<Vec<(&'static str, String)>, Denial> {
    let mut options: Vec<(&str, String)> = Vec::new();
    for (name, value) in exchange.query.pairs() {
        if NO_OPTIONS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        let bare = name.strip_prefix('$').unwrap_or(name);
        let known = OPTIONS.iter().find(|known| bare.eq_ignore_ascii_case(known));
        let not_emulated = || Denial::not_emulated(format_args!("the query option '{}' here", shown(name)));
        let &option = known.ok_or_else(not_emulated)?;
        match (option, target) {
            ("expand", _) => return Err(not_emulated()),
            ("format", _)
                if !["", "json", "application/json"]
                    .iter()
                    .any(|known| value.eq_ignore_ascii_case(known)) =>
            {
                return Err(Denial::not_emulated(format_args!(
                    "'$format={}', only json",
                    shown(value)
                )));
            }
            (_, Target::Collection) | ("filter" | "search" | "format", Target::Count) | ("select" | "format", _) => {}
            (_, Target::Count) => return Err(not_emulated()),
            (_, Target::Entity) => {
                return Err(Denial::malformed(format!(
                    "The query option '${option}' cannot be applied to the requested resource: it is not a collection."
                )));
            }
        }
        if options.iter().any(|(known, _)| *known == option) {
            return Err(Denial::malformed(format!(
                "Query option '${option}' was specified more than once, but it must be specified at most once."
            )));
        }
        if value.trim().is_empty() {
            return Err(Denial::malformed(format!(
                "The value for OData query '${option}' cannot be empty."
            )));
        }
        options.push((option, value.clone()));
    }
    Ok(options)
}

fn flag(value: &str) -> Result<bool, Denial> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Denial::malformed(format!(
            "Invalid value '{}' for $count query option found. The value must be true or false.",
            shown(value)
        ))),
    }
}

fn top(value: &str) -> Result<usize, Denial> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Denial::malformed(format!(
            "Invalid value '{}' for $top query option found. The $top query option requires a non-negative integer value.",
            shown(value)
        )));
    }
    let size = value.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| {
        Denial::unsupported(format!(
            "Invalid page size specified: '{}'. Must be between 1 and {LARGEST_PAGE} inclusive.",
            shown(value)
        ))
    })
}

/// Parses `$select`. `None` selects every property.
fn select<T>(text: &str, kind: &Kind<T>) -> Result<Option<Vec<&'static Property<T>>>, Denial> {
    let names = || text.split(',').map(str::trim);
    let mut properties: Vec<&'static Property<T>> = Vec::new();
    for name in names().filter(|name| *name != "*") {
        let property = kind.property(name, "Parsing OData Select and Expand failed")?;
        if !properties.iter().any(|known| known.name == property.name) {
            properties.push(property);
        }
    }
    Ok(names().all(|name| name != "*").then_some(properties))
}

fn order<T>(text: &str, kind: &Kind<T>, is_advanced: bool) -> Result<Vec<(&'static Property<T>, bool)>, Denial> {
    let keys = text.split(',').map(|key| {
        let mut words = key.split_whitespace();
        let name = words.next().unwrap_or_default();
        let is_descending = match (words.next(), words.next()) {
            (None, _) => false,
            (Some(word), None) if word.eq_ignore_ascii_case("asc") => false,
            (Some(word), None) if word.eq_ignore_ascii_case("desc") => true,
            _ => {
                return Err(Denial::malformed(format!(
                    "Invalid orderby clause: Syntax error in '{}'.",
                    shown(text)
                )));
            }
        };
        let property = kind.property(name, "Invalid orderby clause")?;
        match property.order {
            Support::Yes => Ok((property, is_descending)),
            Support::Advanced if is_advanced => Ok((property, is_descending)),
            Support::Advanced | Support::No => Err(Denial::unsupported(format!(
                "Unsupported sort property '{}' for '{}'.",
                property.name, kind.resource
            ))),
            Support::NotEmulated => Err(Denial::not_emulated(format_args!("sorting by '{}'", property.name))),
        }
    });
    let mut order: Vec<(&'static Property<T>, bool)> = Vec::new();
    for key in keys {
        let (property, is_descending) = key?;
        // A repeated property cannot change the order.
        if !order.iter().any(|(known, _)| known.name == property.name) {
            order.push((property, is_descending));
        }
    }
    Ok(order)
}

const OPTIONS: &[&str] = &[
    "count",
    "expand",
    "filter",
    "format",
    "orderby",
    "search",
    "select",
    "skip",
    "skiptoken",
    "top",
];
/// Parameters that identify a request or its caller. They do not change the response.
const NO_OPTIONS: &[&str] = &["access_token", "client-request-id"];
const LARGEST_PAGE: usize = 999;
/// Graph responds without a count in this case, which no program can intend.
const COUNT_WITHOUT_HEADER: &str = "Graph ignores $count=true without the header 'ConsistencyLevel: eventual'. \
     The emulator rejects the request instead: add the header.";
const SEARCH_WITHOUT_HEADER: &str = "Request with $search query parameter only works through MSGraph with a special \
     request header: 'ConsistencyLevel: eventual'";
