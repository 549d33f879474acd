//! The question in the query of a managed-identity protocol.

use entra_proto::{ClientId, Guid, Target};
use http::Uri;

use crate::ask::Ask;
use crate::identity::Choice;
use crate::query::Query;
use crate::tokens::Refusal;

/// What differs between the protocols of managed identities.
pub(super) struct ManagedParameters {
    /// The values of `api-version`.
    pub(super) versions: &'static [&'static str],
    /// The names of the parameter with an object ID.
    pub(super) object_id: &'static [&'static str],
    /// The names of the parameter with a resource ID.
    pub(super) resource_id: &'static [&'static str],
}

/// Reads what a request asks for.
pub(super) fn managed_ask(uri: &Uri, parameters: &ManagedParameters) -> Result<Ask, Refusal> {
    let query = Query::read(uri.query())?;
    match query.one("api-version")? {
        Some(version) if parameters.versions.contains(&version) => {}
        _ => {
            let versions = parameters.versions.join(" or ");
            return Err(Refusal::Malformed(
                format!("the parameter api-version is not {versions}").into(),
            ));
        }
    }
    let resource = query
        .one("resource")?
        .ok_or(Refusal::Malformed("the parameter resource is missing".into()))?;
    let target = Target::resource(resource).map_err(|error| Refusal::Malformed(error.to_string().into()))?;
    Ok(Ask::new(target, choice(&query, parameters)?))
}

/// Reads the ID of the identity.
fn choice(query: &Query<'_>, parameters: &ManagedParameters) -> Result<Choice, Refusal> {
    let mut found = Vec::new();
    if let Some(id) = query.one("client_id")? {
        let id: ClientId = id.parse().map_err(|_| not_a_guid("client_id"))?;
        found.push(Choice::ClientId(id));
    }
    for name in parameters.object_id {
        if let Some(id) = query.one(name)? {
            let id: Guid = id.parse().map_err(|_| not_a_guid(name))?;
            found.push(Choice::ObjectId(id));
        }
    }
    for name in parameters.resource_id {
        if let Some(id) = query.one(name)? {
            found.push(Choice::ResourceId(id.to_owned()));
        }
    }
    match found.len() {
        0 => Ok(Choice::Default),
        1 => Ok(found.remove(0)),
        _ => Err(Refusal::Malformed("the request names more than one identity".into())),
    }
}

fn not_a_guid(name: &str) -> Refusal {
    Refusal::Malformed(format!("the parameter {name} is not a GUID").into())
}
