//! The APIs of the sidecar's routes: the tables `[api.NAME]` of the configuration file.

use entra_proto::{ClientId, Tenant};
use entra_serve::{DownstreamApi, Identities, SetupError, Sidecar};
use entra_validate::{Api, Audience, Permissions, Tenants, Validator};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::exit::Failure;
use crate::message::warn;
use crate::profile::Reader;
use crate::settings::NetworkSettings;

/// Reads the tables of APIs.
///
/// # Errors
/// Returns an error with the place of the problem.
pub(super) fn read(reader: &Reader<'_>, tables: &DeTable<'_>) -> Result<Vec<DownstreamApi>, Failure> {
    let mut apis = Vec::new();
    for (name, table) in tables {
        let mut api = DownstreamApi::new(name.get_ref().as_ref());
        for (key, value) in reader.table_of(name, table)? {
            let failed = |error: SetupError| {
                let place = reader.invalid(&value.span(), key.get_ref()).problem;
                Failure::from(error).context(place)
            };
            api = with(reader, api, key, value, &failed)?;
        }
        apis.push(api);
    }
    Ok(apis)
}

/// Returns the API with one more setting.
fn with(
    reader: &Reader<'_>,
    api: DownstreamApi,
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
    failed: &impl Fn(SetupError) -> Failure,
) -> Result<DownstreamApi, Failure> {
    let text = || reader.text_of(key, value);
    let invalid = |error: entra_proto::Error| failed_parse(reader, value, &error);
    match key.get_ref().as_ref() {
        "base_url" => api.with_base_url(&text()?).map_err(failed),
        "relative_path" => api.with_relative_path(&text()?).map_err(failed),
        "http_method" => api.with_http_method(&text()?).map_err(failed),
        "scopes" => api.with_scopes(texts(reader, key, value)?).map_err(failed),
        "request_app_token" => match value.get_ref().as_bool() {
            Some(is_wanted) => Ok(api.with_request_app_token(is_wanted)),
            None => Err(reader.wrong_type("request_app_token", "true or false", value)),
        },
        "tenant" => Ok(api.with_tenant(text()?.parse::<Tenant>().map_err(invalid)?)),
        "identity" => Ok(api.with_identity(text()?)),
        "managed_identity" => Ok(api.with_managed_identity(text()?.parse::<ClientId>().map_err(invalid)?)),
        "accept" => api.with_accept_header(&text()?).map_err(failed),
        "content_type" => api.with_content_type(&text()?).map_err(failed),
        "headers" => pairs(reader, key, value)?
            .into_iter()
            .try_fold(api, |api, (name, value)| {
                api.with_extra_header(&name, &value).map_err(failed)
            }),
        "query" => Ok(pairs(reader, key, value)?
            .into_iter()
            .fold(api, |api, (name, value)| api.with_extra_query(name, value))),
        _ => Err(reader.unknown(key, value, &KEYS)),
    }
}

fn failed_parse(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>, error: &entra_proto::Error) -> Failure {
    let failure = reader.invalid(&value.span(), error);
    match error.hint() {
        Some(hint) => failure.hint(hint.to_owned()),
        None => failure,
    }
}

/// Returns the texts of a list, or a single one.
fn texts(
    reader: &Reader<'_>,
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<String>, Failure> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().map(|item| reader.text_of(key, item)).collect(),
        _ => Ok(vec![reader.text_of(key, value)?]),
    }
}

/// Returns the names and the values of a table of texts.
fn pairs(
    reader: &Reader<'_>,
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<(String, String)>, Failure> {
    let pairs = reader.table_of(key, value)?.iter();
    pairs
        .map(|(name, value)| Ok((name.get_ref().to_string(), reader.text_of(name, value)?)))
        .collect()
}

/// Returns the sidecar with these APIs. Tokens of its callers are those for the default identity.
///
/// # Errors
/// Returns an error if the network options cannot be used, or two APIs have one name.
pub(super) fn sidecar(
    apis: Vec<DownstreamApi>,
    identities: &Identities,
    network: &NetworkSettings,
) -> Result<Sidecar, Failure> {
    let mut sidecar = Sidecar::new(network.connector()?);
    for api in apis {
        sidecar = sidecar.with_api(api).map_err(Failure::from)?;
    }
    let application = identities
        .iter()
        .next()
        .and_then(|default| default.client().application());
    let Some(application) = application else {
        return Ok(sidecar);
    };
    let authority = application.authority();
    let Tenant::Id(tenant) = authority.tenant() else {
        warn(
            "the routes of the sidecar for callers with a token reject all of them: the tenant is not an ID",
            "write the ID of the tenant to use these routes",
        );
        return Ok(sidecar);
    };
    let audience = Audience::app(application.client_id());
    let api = Api::new(audience, Tenants::One(*tenant), Permissions::any_granted())
        .and_then(|api| api.with_cloud(authority.cloud().clone()));
    let api = api.map_err(|error| Failure::of(crate::exit::Exit::Configuration, &error))?;
    Ok(sidecar.with_validator(Validator::new(api, network.async_transport()?)))
}

/// The settings of an API.
const KEYS: [&str; 12] = [
    "base_url",
    "relative_path",
    "http_method",
    "scopes",
    "request_app_token",
    "tenant",
    "identity",
    "managed_identity",
    "accept",
    "content_type",
    "headers",
    "query",
];
