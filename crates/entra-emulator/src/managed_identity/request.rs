//! The parts of a request for a token that all sources share.

use http::Method;

use crate::config::{App, ManagedIdentity, ManagedIdentitySource};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::state::directory::machine::Machine;
use crate::state::recorder::{Lint, is_secret};

/// The ID by which a request names an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Client,
    Object,
    Resource,
}

impl Key {
    /// Returns the property of an identity.
    pub(super) fn of(self, identity: &ManagedIdentity) -> &str {
        match self {
            Self::Client => &identity.client_id,
            Self::Object => &identity.object_id,
            Self::Resource => &identity.resource_id,
        }
    }
}

/// The parameters of one source: those that name an identity, and its others.
pub(super) struct Parameters {
    /// Whether clients of the source send `Metadata: true`.
    pub(super) metadata: bool,
    pub(super) identity: &'static [(&'static str, Key)],
    pub(super) others: &'static [&'static str],
}

/// The parameter of a request that names an identity.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) parameter: &'static str,
    pub(super) key: Key,
    value: String,
}

/// The reason why no identity is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// The request names several identities.
    Several,
    /// The request names an identity that the machine does not have.
    Unknown,
    /// The request names no identity, and the machine has no system-assigned one.
    NoDefault,
}

/// Records the resource and the lints that do not depend on the source.
pub(super) fn inspect(exchange: &mut Exchange<'_>, form: &Form, parameters: &Parameters) {
    exchange.event.target = form.value("resource").map(str::to_owned);
    let is_known = |name: &str| {
        let mut known = parameters.identity.iter().map(|(known, _)| known);
        known.any(|known| *known == name) || parameters.others.contains(&name)
    };
    for (name, _) in form.pairs() {
        if !is_known(name) {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            exchange.lint(if is_known(&name.to_ascii_lowercase()) {
                Lint::ParameterCase(shown)
            } else {
                Lint::UnknownParameter(shown)
            });
        }
    }
    if let Some(name) = form.duplicate() {
        let shown = name.chars().take(LONGEST_NAME).collect();
        exchange.lint(Lint::DuplicateParameter(shown));
    }
    let machine = &exchange.state.directory.machine;
    let is_exposed = |(name, value): &(String, String)| is_secret(name) || is_of(machine, value);
    if exchange.query.pairs().iter().any(is_exposed) {
        exchange.lint(Lint::SecretInUrl);
    }
    if parameters.metadata && !has_metadata(exchange) {
        exchange.lint(Lint::MissingMetadata);
    }
    if exchange.headers.contains_key(FORWARDED) {
        exchange.lint(Lint::ForwardedRequest);
    }
    inspect_resource(exchange, form);
}

fn inspect_resource(exchange: &mut Exchange<'_>, form: &Form) {
    let Some(resource) = form.value("resource") else {
        return;
    };
    if resource.contains([' ', ',']) {
        exchange.lint(Lint::SeveralScopes);
    }
    if resource.ends_with("/.default") {
        exchange.lint(Lint::ScopeAsResource);
    }
    if has_surplus_slash(exchange, resource) {
        exchange.lint(Lint::TrailingSlash);
    }
}

/// Returns whether a resource names an API by one of its identifiers with a slash added.
pub(super) fn has_surplus_slash(exchange: &Exchange<'_>, resource: &str) -> bool {
    let is_exact = |api: &crate::config::Api| api.identifiers.iter().any(|identifier| identifier == resource);
    let api = exchange.state.directory.api(resource);
    resource.ends_with('/') && api.is_some_and(|api| !is_exact(api))
}

/// Returns whether a request has the header `Metadata: true`.
pub(super) fn has_metadata(exchange: &Exchange<'_>) -> bool {
    let value = exchange.header("metadata");
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Returns whether a request has the secret of a source in this header, and only there.
pub(super) fn has_secret(exchange: &Exchange<'_>, header: http::HeaderName, source: ManagedIdentitySource) -> bool {
    let mut values = exchange.headers.get_all(header).iter();
    let value = values.next();
    let secret = exchange.state.directory.machine.secret(source);
    values.next().is_none() && value.is_some_and(|value| value.as_bytes() == secret.as_bytes())
}

pub(super) fn is_get(exchange: &Exchange<'_>) -> bool {
    exchange.method == Method::GET
}

/// Returns the parameter that names an identity, if there is one.
///
/// # Errors
/// Returns an error if several parameters do.
pub(super) fn named(form: &Form, parameters: &Parameters) -> Result<Option<Named>, Unnamed> {
    let mut named = parameters.identity.iter().filter_map(|&(parameter, key)| {
        let value = form.value(parameter)?.to_owned();
        Some(Named { parameter, key, value })
    });
    let first = named.next();
    match named.next() {
        Some(_) => Err(Unnamed::Several),
        None => Ok(first),
    }
}

/// Returns the identity of the machine that a parameter names, or the system-assigned one.
///
/// # Errors
/// Returns an error if the machine does not have it.
pub(super) fn identity<'a>(
    machine: &'a Machine,
    named: Option<&Named>,
) -> Result<(&'a ManagedIdentity, &'a App), Unnamed> {
    let Some(Named { key, value, .. }) = named else {
        let mut all = machine.principals();
        return all
            .find(|(identity, _)| identity.system_assigned)
            .ok_or(Unnamed::NoDefault);
    };
    let mut all = machine.principals();
    all.find(|(identity, _)| key.of(identity).eq_ignore_ascii_case(value))
        .ok_or(Unnamed::Unknown)
}

fn is_of(machine: &Machine, value: &str) -> bool {
    machine.secrets().any(|secret| secret == value)
}

pub(super) const FORWARDED: &str = "x-forwarded-for";
const LONGEST_NAME: usize = 64;
