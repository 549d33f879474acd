//! Forged tokens.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::config::TokenVersion;
use crate::control::call::{Call, Reply};
use crate::control::members::{Members, whole};
use crate::control::operations::{APP, TENANT, USER, app_named, tenant_named, unknown, users_named};
use crate::control::problem::Problem;
use crate::forge::{Change, Defect, Forge, Part, SignatureAlgorithm};
use crate::state::State;
use crate::state::keys::{KeyRing, STRANGER};

/// Handles `GET /v1/tokens`.
pub(crate) fn defects(_: &Call<'_>) -> Reply {
    let defects: Vec<Value> = Defect::ALL
        .iter()
        .map(|defect| json!({"defect": defect.name(), "rule": defect.rule(), "about": defect.about()}))
        .collect();
    Ok((StatusCode::OK, json!({"defects": defects})))
}

/// Handles `POST /v1/tokens`.
pub(crate) fn forge(call: &Call<'_>) -> Reply {
    let forged = read(call.state, call.members_if_any()?)?.make();
    let body = json!({"token": forged.token, "header": forged.header, "claims": forged.claims});
    Ok((StatusCode::CREATED, body))
}

fn read(state: &State, mut members: Members) -> Result<Forge<'_>, Problem> {
    let mut forge = Forge::new(state);
    if let Some(name) = members.text("app", APP)? {
        forge = forge.for_app(app_named(state, &name)?);
    }
    if let Some(name) = members.text("api", API)? {
        let api = state.directory.api(&name).ok_or_else(|| {
            let names = state.directory.apis.iter().flat_map(|api| api.identifiers.first());
            unknown("api", &name, API, &names.map(String::as_str).collect::<Vec<_>>())
        })?;
        forge = forge.for_api(api);
    }
    let users = members
        .text("user", USER)?
        .map(|name| users_named(state, &name))
        .transpose()?;
    if let Some((tenant, user)) = users.as_deref().and_then(<[_]>::first) {
        forge = forge.of_user(tenant, user);
    }
    // Read after the user, because it replaces the user's tenant.
    if let Some(name) = members.text("tenant", TENANT)? {
        forge = forge.in_tenant(tenant_named(state, &name)?);
    }
    if let Some(blueprint) = members.text("agent_of", "the client ID of a blueprint")? {
        forge = forge.agent_of(blueprint);
    }
    let version = members.read_as("version", "1 or 2", |value| {
        let number = u8::try_from(whole(value)?).ok()?;
        TokenVersion::try_from(number).ok()
    })?;
    if let Some(version) = version {
        forge = forge.version(version);
    }
    let (roles, scopes) = (names(&mut members, "roles")?, names(&mut members, "scopes")?);
    Problem::at_most_one(&[("roles", roles.is_some()), ("scopes", scopes.is_some())])?;
    if let Some(names) = roles.or(scopes) {
        forge = forge.roles(names);
    }
    let key = members.read_as(
        "key",
        "\"unpublished\", or the ID of a signing key",
        |value| match value.as_str()? {
            "unpublished" => Some(&STRANGER),
            kid => KeyRing::find(kid),
        },
    )?;
    if let Some(key) = key {
        forge = forge.signed_by(key);
    }
    if let Some(algorithm) = algorithm(&mut members)? {
        forge = forge.algorithm(algorithm);
    }
    for change in changes(&mut members)? {
        forge = forge.change(change);
    }
    members.finish()?;
    Ok(forge)
}

/// Takes the algorithm of the signature.
pub(super) fn algorithm(members: &mut Members) -> Result<Option<SignatureAlgorithm>, Problem> {
    let algorithms: Vec<&str> = SignatureAlgorithm::ALL.iter().map(|one| one.name()).collect();
    members.read_as("algorithm", &algorithms.join(", "), |value| {
        let name = value.as_str()?;
        SignatureAlgorithm::ALL.iter().find(|one| one.name() == name).copied()
    })
}

/// Takes the changes of the header and the claims, and the defect, which is applied last.
pub(super) fn changes(members: &mut Members) -> Result<Vec<Change>, Problem> {
    let mut all = Vec::new();
    for (member, part) in [("header", Part::Header), ("claims", Part::Claims)] {
        let changes = members.read_as(member, "an object; null removes a member", |value| {
            value.as_object().cloned()
        })?;
        all.extend(
            changes
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| match value {
                    Value::Null => Change::Remove(part, name),
                    value => Change::Set(part, name, value),
                }),
        );
    }
    for (member, part) in [("another_header", Part::Header), ("another_claim", Part::Claims)] {
        let expected = "an object; its members are added beside those of the same name";
        let added: Option<Map<String, Value>> =
            members.read_as(member, expected, |value| value.as_object().cloned())?;
        let added = added.unwrap_or_default().into_iter();
        all.extend(added.map(|(name, value)| Change::Add(part, name, value)));
    }
    let expected = "the name of a defect; GET /v1/tokens lists them";
    let defect = members.read_as("defect", expected, |value| {
        let name = value.as_str()?;
        Defect::ALL.iter().find(|defect| defect.name() == name).copied()
    })?;
    all.extend(defect.map(Change::Defect));
    Ok(all)
}

fn names(members: &mut Members, member: &'static str) -> Result<Option<Vec<String>>, Problem> {
    members.read_as(member, "a list of names", |value| {
        let names = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
        names.collect()
    })
}

const API: &str = "an identifier URI or the app ID of an API";
