//! The resources that paths of Graph name, and their dispatch to the modules that serve them.

use crate::api::graph::bearer::Caller;
use crate::api::graph::body::{Body, METADATA};
use crate::api::graph::denial::Denial;
use crate::api::graph::groups::Member;
use crate::api::graph::key::Key;
use crate::api::graph::{applications, groups, organization, service_principals, users};
use crate::exchange::{Exchange, shown};

/// A resource that the emulator has.
pub(super) enum Resource<'p> {
    Metadata,
    Me,
    All(Set),
    Count(Set),
    One(Set, Key<'p>),
    Members(&'p str),
    MembersCount(&'p str),
    MemberOf(Member<'p>),
    MemberOfCount(Member<'p>),
    Assignments(Key<'p>),
    AssignedTo(Key<'p>),
    Federated(Key<'p>),
}

/// A collection at the root of Graph.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Applications,
    Groups,
    Organization,
    ServicePrincipals,
    Users,
}

impl Set {
    fn of(name: &str) -> Option<Self> {
        let found = SETS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        found.map(|(_, set)| *set)
    }

    /// Returns true if its resources have `appId` as an alternate key.
    fn has_app_ids(self) -> bool {
        [Self::Applications, Self::ServicePrincipals].contains(&self)
    }
}

impl<'p> Resource<'p> {
    /// Parses the segments of a path after the version.
    ///
    /// # Errors
    /// Returns an error if the emulator does not have the resource.
    pub(super) fn of(path: &[&'p str]) -> Result<Self, Denial> {
        let Some((first, rest)) = path.split_first() else {
            return Err(Denial::not_emulated("the service document of Microsoft Graph"));
        };
        let is = |name: &str| first.eq_ignore_ascii_case(name);
        if rest.is_empty() && is("$metadata") {
            return Ok(Self::Metadata);
        }
        if is("me") {
            return match rest {
                [] => Ok(Self::Me),
                rest => Self::member_of(Member::Me, rest),
            };
        }
        // The key is in the segment of the collection, or in the next one.
        if let Some((name, key)) = keyed(first) {
            return match (Set::of(name), key) {
                (Some(set), Key::AppId(_)) if !set.has_app_ids() => Err(no_segment(first)),
                (Some(set), key) => Self::below(set, key, rest),
                (None, _) => Err(no_segment(first)),
            };
        }
        let set = Set::of(first).ok_or_else(|| no_segment(first))?;
        match rest {
            [] => Ok(Self::All(set)),
            ["$count"] if set != Set::Organization => Ok(Self::Count(set)),
            ["$count", segment, ..] => Err(no_segment(segment)),
            [id, ..] if is_operation(id) => Err(no_segment(id)),
            [id, rest @ ..] => Self::below(set, Key::Id(id), rest),
        }
    }

    /// Parses the path below one resource.
    fn below(set: Set, key: Key<'p>, rest: &[&'p str]) -> Result<Self, Denial> {
        let is = |name: &str| rest.first().is_some_and(|segment| segment.eq_ignore_ascii_case(name));
        match (set, key, rest) {
            (_, _, []) => Ok(Self::One(set, key)),
            (Set::Groups, Key::Id(id), [_]) if is("members") => Ok(Self::Members(id)),
            (Set::Groups, Key::Id(id), [_, "$count"]) if is("members") => Ok(Self::MembersCount(id)),
            (Set::Groups, _, [_, segment, ..]) if is("members") => Err(no_segment(segment)),
            (Set::Groups, Key::Id(id), [_, ..]) => Self::member_of(Member::Group(id), rest),
            (Set::Users, Key::Id(id), [_, ..]) => Self::member_of(Member::User(id), rest),
            (Set::ServicePrincipals, key, [_]) if is("appRoleAssignments") => Ok(Self::Assignments(key)),
            (Set::ServicePrincipals, key, [_]) if is("appRoleAssignedTo") => Ok(Self::AssignedTo(key)),
            (Set::Applications, key, [_]) if is("federatedIdentityCredentials") => Ok(Self::Federated(key)),
            (_, _, [segment, ..]) => Err(no_segment(segment)),
        }
    }

    /// Parses `memberOf` and `memberOf/$count` below an object.
    fn member_of(member: Member<'p>, rest: &[&'p str]) -> Result<Self, Denial> {
        match rest {
            [segment] if segment.eq_ignore_ascii_case("memberOf") => Ok(Self::MemberOf(member)),
            [segment, "$count"] if segment.eq_ignore_ascii_case("memberOf") => Ok(Self::MemberOfCount(member)),
            [segment, after, ..] if segment.eq_ignore_ascii_case("memberOf") => Err(no_segment(after)),
            rest => Err(no_segment(rest.first().copied().unwrap_or_default())),
        }
    }

    /// Returns true if the response is a number.
    pub(super) fn is_count(&self) -> bool {
        matches!(self, Self::Count(_) | Self::MembersCount(_) | Self::MemberOfCount(_))
    }

    /// Returns the response body for the resource.
    ///
    /// # Errors
    /// Returns an error if the caller lacks a permission, the resource does not exist, or an option
    /// is not implemented.
    pub(super) fn read(self, exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Body, Denial> {
        let json = match self {
            Self::Metadata => return Ok(Body::Xml(METADATA)),
            Self::Count(set) => {
                let count = match set {
                    Set::Applications => applications::count(exchange, caller),
                    Set::Groups => groups::count(exchange, caller),
                    Set::Organization => Err(no_segment("$count")),
                    Set::ServicePrincipals => service_principals::count(exchange, caller),
                    Set::Users => users::count(exchange, caller),
                };
                return count.map(Body::Count);
            }
            Self::MembersCount(id) => return groups::members_count(exchange, caller, id).map(Body::Count),
            Self::MemberOfCount(member) => return groups::member_of_count(exchange, caller, &member).map(Body::Count),
            Self::Me => users::me(exchange, caller),
            Self::All(Set::Applications) => applications::list(exchange, caller),
            Self::All(Set::Groups) => groups::list(exchange, caller),
            Self::All(Set::Organization) => organization::list(exchange, caller),
            Self::All(Set::ServicePrincipals) => service_principals::list(exchange, caller),
            Self::All(Set::Users) => users::list(exchange, caller),
            Self::One(Set::Applications, key) => applications::one(exchange, caller, &key),
            Self::One(Set::ServicePrincipals, key) => service_principals::one(exchange, caller, &key),
            Self::One(set, Key::Id(id) | Key::AppId(id)) => match set {
                Set::Groups => groups::one(exchange, caller, id),
                Set::Organization => organization::one(exchange, caller, id),
                _ => users::one(exchange, caller, id),
            },
            Self::Members(id) => groups::members(exchange, caller, id),
            Self::MemberOf(member) => groups::member_of(exchange, caller, &member),
            Self::Assignments(key) => service_principals::assignments(exchange, caller, &key),
            Self::AssignedTo(key) => service_principals::assigned_to(exchange, caller, &key),
            Self::Federated(key) => applications::federated(exchange, caller, &key),
        };
        json.map(Body::Json)
    }
}

/// Splits a segment into the name of a collection and its key: `users('id')`,
/// `applications(appId='id')`.
fn keyed(segment: &str) -> Option<(&str, Key<'_>)> {
    let (set, key) = segment.strip_suffix(')')?.split_once('(')?;
    match key.split_once('=') {
        Some((name, value)) if !name.contains('\'') => {
            (name == "appId").then_some(())?;
            Some((set, Key::AppId(unquoted(value)?)))
        }
        _ => Some((set, Key::Id(unquoted(key)?))),
    }
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.strip_suffix('\'')
}

/// Returns true if a segment after a collection names something other than one of its resources.
fn is_operation(segment: &str) -> bool {
    segment.starts_with('$')
        || segment.eq_ignore_ascii_case("delta")
        || segment.contains('(')
        || segment.starts_with("microsoft.graph.")
}

fn no_segment(segment: &str) -> Denial {
    let segment = shown(segment);
    Denial::not_emulated(format_args!("the segment '{segment}' of Microsoft Graph: {EMULATED}"))
}

const SETS: &[(&str, Set)] = &[
    ("applications", Set::Applications),
    ("groups", Set::Groups),
    ("organization", Set::Organization),
    ("servicePrincipals", Set::ServicePrincipals),
    ("users", Set::Users),
];

const EMULATED: &str = "it has /v1.0/me, and /v1.0/users, /v1.0/groups, /v1.0/applications, /v1.0/servicePrincipals and \
     /v1.0/organization with their resources, /groups/{id}/members, /memberOf of users, groups and /me, \
     /applications/{id}/federatedIdentityCredentials, /servicePrincipals/{id}/appRoleAssignments and /appRoleAssignedTo";
