//! The groups of a tenant and their members: `/groups`.

use std::cell::LazyCell;
use std::collections::HashMap;

use serde_json::{Value, json};

use crate::api::graph::bearer::Caller;
use crate::api::graph::body::CREATED;
use crate::api::graph::collection;
use crate::api::graph::denial::Denial;
use crate::api::graph::objects::{OBJECTS, Object};
use crate::api::graph::property::{Kind, Literals, Property, Support};
use crate::api::graph::service_principals::{self, READ_PRINCIPALS, SERVICE_PRINCIPALS};
use crate::api::graph::users::{self, READ_USERS, USERS};
use crate::config::Group;
use crate::exchange::Exchange;
use crate::time::{graph_time, unix};

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_GROUPS)?;
    collection::list(exchange, &GROUPS, groups(caller).iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_GROUPS)?;
    collection::count(exchange, &GROUPS, groups(caller).iter().collect())
}

pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Vec<u8>, Denial> {
    collection::entity(exchange, &GROUPS, find(caller, id)?)
}

/// Returns the direct members of a group.
pub(super) fn members(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Vec<u8>, Denial> {
    let members = objects(exchange, caller, find(caller, id)?);
    collection::list(exchange, &OBJECTS, members.iter().collect())
}

pub(super) fn members_count(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<usize, Denial> {
    let members = objects(exchange, caller, find(caller, id)?);
    collection::count(exchange, &OBJECTS, members.iter().collect())
}

fn find<'a>(caller: &Caller<'a>, id: &str) -> Result<&'a Group, Denial> {
    caller.needs(READ_GROUPS)?;
    let found = groups(caller).iter().find(|group| group.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| Denial::not_found(id))
}

/// Returns the groups that an object is a direct member of.
pub(super) fn member_of(exchange: &Exchange<'_>, caller: &Caller<'_>, member: &Member<'_>) -> Result<Vec<u8>, Denial> {
    let groups = containing(caller, member.id(caller)?);
    collection::list(exchange, &OBJECTS, groups.iter().collect())
}

pub(super) fn member_of_count(
    exchange: &Exchange<'_>,
    caller: &Caller<'_>,
    member: &Member<'_>,
) -> Result<usize, Denial> {
    let groups = containing(caller, member.id(caller)?);
    collection::count(exchange, &OBJECTS, groups.iter().collect())
}

/// The object whose groups are listed.
pub(super) enum Member<'p> {
    Me,
    User(&'p str),
    Group(&'p str),
}

impl Member<'_> {
    /// Returns the ID of the object.
    ///
    /// # Errors
    /// Returns an error if the caller may not list the object's groups, or if there is no such
    /// object.
    fn id<'a>(&self, caller: &Caller<'a>) -> Result<&'a str, Denial> {
        match self {
            Self::Me => {
                let user = users::myself(caller)?;
                if !users::is_own(caller, user) {
                    caller.needs(READ_GROUPS)?;
                }
                Ok(&user.id)
            }
            Self::User(id) => {
                let user = users::find(caller, id);
                if !user.is_some_and(|user| users::is_own(caller, user)) && caller.needs(READ_USERS).is_err() {
                    caller.needs(READ_GROUPS)?;
                }
                Ok(&user.ok_or_else(|| Denial::not_found(id))?.id)
            }
            Self::Group(id) => Ok(&find(caller, id)?.id),
        }
    }
}

/// Returns the groups with this member, in the order of the configuration.
fn containing(caller: &Caller<'_>, member: &str) -> Vec<Object> {
    let is_readable = caller.needs(READ_GROUPS).is_ok();
    let groups = groups(caller).iter();
    groups
        .filter(|group| group.members.iter().any(|id| id == member))
        .map(|group| object(&GROUPS, group, &group.id, is_readable))
        .collect()
}

/// Returns the members of a group, in the order of the configuration.
fn objects(exchange: &Exchange<'_>, caller: &Caller<'_>, group: &Group) -> Vec<Object> {
    let users = caller.tenant.users.iter().flatten();
    let users: HashMap<&str, _> = users.map(|user| (user.id.as_str(), user)).collect();
    let groups: HashMap<&str, _> = groups(caller).iter().map(|group| (group.id.as_str(), group)).collect();
    let principals = LazyCell::new(|| service_principals::all(exchange, caller));
    let (of_users, may_read_users) = match users::readable(caller) {
        Ok(kind) => (kind, true),
        Err(_) => (&USERS, false),
    };
    let may_read_principals = caller.needs(READ_PRINCIPALS).is_ok();
    let member = |id: &String| {
        if let Some(user) = users.get(id.as_str()) {
            return Some(object(of_users, *user, id, may_read_users));
        }
        if let Some(group) = groups.get(id.as_str()) {
            return Some(object(&GROUPS, *group, id, true));
        }
        // An application that is not present in this tenant has no service principal here.
        let principal = principals.iter().find(|principal| principal.id == *id)?;
        Some(object(&SERVICE_PRINCIPALS, principal, id, may_read_principals))
    };
    group.members.iter().filter_map(member).collect()
}

/// Creates an object. If the caller may not read its type, it shows only the type and the ID.
fn object<T>(kind: &Kind<T>, item: &T, id: &str, is_readable: bool) -> Object {
    if is_readable {
        Object::new(kind, item)
    } else {
        Object::unreadable(kind, id)
    }
}

fn groups<'a>(caller: &Caller<'a>) -> &'a [Group] {
    caller.tenant.groups.as_deref().unwrap_or_default()
}

fn created(group: &Group) -> Value {
    json!(
        group
            .created_date_time
            .map_or_else(|| CREATED.to_owned(), |time| graph_time(unix(time)))
    )
}

fn types(group: &Group) -> Value {
    json!(if group.microsoft_365 { &["Unified"][..] } else { &[] })
}

fn proxy_addresses(group: &Group) -> Value {
    json!(group.mail.iter().map(|mail| format!("SMTP:{mail}")).collect::<Vec<_>>())
}

/// Returns the SID, which encodes the object ID as four 32-bit numbers in little-endian order.
fn security_identifier(group: &Group) -> Value {
    let digits: String = group.id.chars().filter(|character| *character != '-').collect();
    let byte = |at: usize| {
        digits
            .get(2 * at..2 * at + 2)
            .and_then(|byte| u8::from_str_radix(byte, 16).ok())
    };
    let number = |order: [usize; 4]| order.map(|at| byte(at).unwrap_or_default());
    // The first three fields of a GUID are numbers, printed in big-endian order.
    let numbers = [[3, 2, 1, 0], [5, 4, 7, 6], [8, 9, 10, 11], [12, 13, 14, 15]];
    let numbers = numbers.map(|order| u32::from_le_bytes(number(order)).to_string());
    json!(format!("S-1-12-1-{}", numbers.join("-")))
}

/// The support for each property is that of Graph's documents.
pub(super) static GROUPS: Kind<Group> = Kind {
    set: "groups",
    entity: "group",
    resource: "Group",
    properties: &[
        Property::text("id", |group| json!(group.id), YES, NO, NO),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::text("classification", |_| Value::Null, YES, YES, YES),
        Property::text("createdDateTime", created, YES, YES, NO)
            .literals(Literals::Time)
            .order(Support::Advanced),
        Property::text("description", |group| json!(group.description), YES, YES, YES),
        Property::text("displayName", |group: &Group| json!(group.display_name), YES, YES, YES).order(YES),
        Property::new("expirationDateTime", |_| Value::Null),
        Property::texts("groupTypes", types),
        Property::new("isAssignableToRole", |_| Value::Null),
        Property::text("mail", |group: &Group| json!(group.mail), YES, YES, YES).order(Support::NotEmulated),
        Property::boolean("mailEnabled", |group| json!(group.microsoft_365)),
        Property::text(
            "mailNickname",
            |group: &Group| json!(group.mail_nickname),
            YES,
            YES,
            YES,
        )
        .order(Support::NotEmulated),
        Property::new("membershipRule", |_| Value::Null),
        Property::new("membershipRuleProcessingState", |_| Value::Null),
        Property::new("onPremisesDomainName", |_| Value::Null),
        Property::new("onPremisesLastSyncDateTime", |_| Value::Null),
        Property::new("onPremisesNetBiosName", |_| Value::Null),
        Property::new("onPremisesSamAccountName", |_| Value::Null),
        Property::new("onPremisesSecurityIdentifier", |_| Value::Null),
        Property::new("onPremisesSyncEnabled", |_| Value::Null),
        Property::new("preferredDataLocation", |_| Value::Null),
        Property::new("preferredLanguage", |_| Value::Null),
        Property::texts("proxyAddresses", proxy_addresses),
        Property::new("renewedDateTime", created),
        Property::new("resourceBehaviorOptions", |_| json!([])),
        Property::new("resourceProvisioningOptions", |_| json!([])),
        Property::boolean("securityEnabled", |group| json!(!group.microsoft_365)),
        Property::text("securityIdentifier", security_identifier, YES, NO, NO),
        Property::new("theme", |_| Value::Null),
        Property::new("visibility", |group| json!(group.microsoft_365.then_some("Private"))),
        Property::new("onPremisesProvisioningErrors", |_| json!([])),
    ],
    own_fields: None,
    absent: &[
        "acceptedsenders",
        "allowexternalsenders",
        "approleassignments",
        "assignedlabels",
        "assignedlicenses",
        "autosubscribenewmembers",
        "calendar",
        "calendarview",
        "conversations",
        "createdonbehalfof",
        "drive",
        "drives",
        "events",
        "extensions",
        "grouplifecyclepolicies",
        "hasmemberswithlicenseerrors",
        "hidefromaddresslists",
        "hidefromoutlookclients",
        "isarchived",
        "ismanagementrestricted",
        "issubscribedbymail",
        "licenseprocessingstate",
        "memberof",
        "members",
        "memberswithlicenseerrors",
        "onenote",
        "owners",
        "permissiongrants",
        "photo",
        "photos",
        "planner",
        "rejectedsenders",
        "serviceprovisioningerrors",
        "settings",
        "sites",
        "team",
        "threads",
        "transitivememberof",
        "transitivemembers",
        "uniquename",
        "unseencount",
    ],
};

const YES: Support = Support::Yes;
const NO: Support = Support::No;

const READ_GROUPS: &[&str] = &[
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_identifier_is_the_object_id() {
        let group = Group::new("HR Taskforce").id("02bd9fd6-8f93-4758-87c3-1fb73740a315");
        assert_eq!(
            security_identifier(&group),
            "S-1-12-1-45981654-1196986259-3072312199-363020343"
        );
    }
}
