//! The question in the query of a managed-identity protocol.

use entra_proto::{ClientId, Guid, Target};
use http::Uri;

use crate::ask::Ask;
use crate::identity::Choice;
use crate::query::Query;
use crate::tokens::Refusal;

/// The values of `api-version` that a protocol has.
pub(super) enum Versions {
    /// This one.
    Only(&'static str),
    /// All since this date.
    Since(&'static str),
}

impl Versions {
    fn have(&self, version: &str) -> bool {
        match self {
            Self::Only(own) => version == *own,
            Self::Since(first) => is_date(version) && version >= *first,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Only(own) => (*own).to_owned(),
            Self::Since(first) => format!("{first} or later"),
        }
    }
}

/// Returns true for a date as in `2018-02-01`.
fn is_date(text: &str) -> bool {
    let shape = |(place, byte): (usize, u8)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}

/// Reads what a request asks for.
pub(super) fn managed_ask(uri: &Uri, versions: &Versions) -> Result<Ask, Refusal> {
    let query = Query::read(uri.query())?;
    match query.one("api-version")? {
        Some(version) if versions.have(version) => {}
        _ => {
            let versions = versions.name();
            return Err(Refusal::Malformed(
                format!("the parameter api-version is not {versions}").into(),
            ));
        }
    }
    let resource = query
        .one("resource")?
        .ok_or(Refusal::Malformed("the parameter resource is missing".into()))?;
    let target = Target::resource(resource).map_err(|error| Refusal::Malformed(error.to_string().into()))?;
    Ok(Ask::new(target, choice(&query)?))
}

/// Reads the ID of the identity. Every protocol takes the names of all, in any case of letters: a
/// request whose name for the ID is not known would get the token of the default.
fn choice(query: &Query<'_>) -> Result<Choice, Refusal> {
    let mut found = Vec::new();
    for (name, id) in query.iter().filter(|(_, id)| !id.is_empty()) {
        let is_one_of = |names: &[&str]| names.iter().any(|own| own.eq_ignore_ascii_case(name));
        if is_one_of(&["client_id", "clientid"]) {
            let id: ClientId = id.parse().map_err(|_| not_a_guid("client_id"))?;
            found.push(Choice::ClientId(id));
        } else if is_one_of(&["object_id", "principal_id"]) {
            let id: Guid = id.parse().map_err(|_| not_a_guid("object_id"))?;
            found.push(Choice::ObjectId(id));
        } else if is_one_of(&["mi_res_id", "msi_res_id"]) {
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
