//! The users of a tenant: `/users` and `/me`.

use serde_json::{Value, json};

use crate::config::User;
use crate::exchange::Exchange;
use crate::graph::bearer::Caller;
use crate::graph::property::{Kind, Property, Support};
use crate::graph::{Denial, collection};

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    caller.needs(READ_USERS)?;
    collection::list(exchange, &USERS, users(caller).iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_USERS)?;
    collection::count(exchange, &USERS, users(caller).iter().collect())
}

pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Value, Denial> {
    caller.needs(READ_USERS)?;
    let found = users(caller)
        .iter()
        .find(|user| user.id.eq_ignore_ascii_case(id) || user.user_principal_name.eq_ignore_ascii_case(id));
    collection::entity(exchange, &USERS, found.ok_or_else(|| Denial::not_found(id))?)
}

/// The user that the token was issued for.
pub(super) fn me(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Value, Denial> {
    let user = caller
        .user
        .as_ref()
        .and_then(|id| users(caller).iter().find(|user| user.id == *id));
    let user = user.ok_or_else(|| Denial::request("/me request is only valid with delegated authentication flow."))?;
    caller.needs(READ_MYSELF)?;
    collection::entity(exchange, &USERS, user)
}

fn users<'a>(caller: &Caller<'a>) -> &'a [User] {
    caller.tenant.users.as_deref().unwrap_or_default()
}

/// The first word of the name, and the rest.
fn names(user: &User) -> (&str, &str) {
    user.display_name.split_once(' ').unwrap_or((&user.display_name, ""))
}

/// The properties that Graph returns by default, with the support for each that its documents state.
static USERS: Kind<User> = Kind {
    set: "users",
    entity: "user",
    resource: "User",
    properties: &[
        Property::new("businessPhones", |_| json!([])),
        Property::text("displayName", |user: &User| json!(user.display_name), YES, NO, YES).order(YES),
        Property::text("givenName", |user| json!(names(user).0), YES, YES, YES),
        Property::text("jobTitle", |user| json!(user.job_title), YES, YES, YES),
        Property::text("mail", |user: &User| json!(user.user_principal_name), YES, YES, YES).suffix(ADVANCED),
        Property::text("mobilePhone", |_| Value::Null, ADVANCED, ADVANCED, ADVANCED),
        Property::text("officeLocation", |_| Value::Null, ADVANCED, ADVANCED, ADVANCED),
        Property::text("preferredLanguage", |_| Value::Null, ADVANCED, ADVANCED, ADVANCED),
        Property::text("surname", |user| json!(names(user).1), YES, YES, YES),
        Property::text(
            "userPrincipalName",
            |user: &User| json!(user.user_principal_name),
            YES,
            YES,
            YES,
        )
        .suffix(ADVANCED)
        .order(YES),
        Property::text("id", |user| json!(user.id), YES, NO, NO),
    ],
    absent: &[
        "aboutme",
        "accountenabled",
        "activities",
        "agegroup",
        "agreementacceptances",
        "approleassignments",
        "assignedlicenses",
        "assignedplans",
        "authentication",
        "authorizationinfo",
        "birthday",
        "calendar",
        "calendargroups",
        "calendars",
        "calendarview",
        "chats",
        "city",
        "cloudclipboard",
        "companyname",
        "consentprovidedforminor",
        "contactfolders",
        "contacts",
        "country",
        "createddatetime",
        "createdobjects",
        "creationtype",
        "customsecurityattributes",
        "deleteddatetime",
        "department",
        "devicemanagementtroubleshootingevents",
        "directreports",
        "drive",
        "drives",
        "employeeexperience",
        "employeehiredate",
        "employeeid",
        "employeeleavedatetime",
        "employeeorgdata",
        "employeetype",
        "events",
        "extensions",
        "externaluserstate",
        "externaluserstatechangedatetime",
        "faxnumber",
        "followedsites",
        "hiredate",
        "identities",
        "imaddresses",
        "inferenceclassification",
        "insights",
        "interests",
        "ismanagementrestricted",
        "isresourceaccount",
        "joinedteams",
        "lastpasswordchangedatetime",
        "legalagegroupclassification",
        "licenseassignmentstates",
        "licensedetails",
        "mailboxsettings",
        "mailfolders",
        "mailnickname",
        "manageddevices",
        "manager",
        "memberof",
        "messages",
        "mysite",
        "oauth2permissiongrants",
        "onenote",
        "onlinemeetings",
        "onpremisesdistinguishedname",
        "onpremisesdomainname",
        "onpremisesextensionattributes",
        "onpremisesimmutableid",
        "onpremiseslastsyncdatetime",
        "onpremisesprovisioningerrors",
        "onpremisessamaccountname",
        "onpremisessecurityidentifier",
        "onpremisessyncenabled",
        "onpremisesuserprincipalname",
        "othermails",
        "outlook",
        "owneddevices",
        "ownedobjects",
        "passwordpolicies",
        "passwordprofile",
        "pastprojects",
        "people",
        "permissiongrants",
        "photo",
        "photos",
        "planner",
        "postalcode",
        "preferreddatalocation",
        "preferredname",
        "presence",
        "print",
        "provisionedplans",
        "proxyaddresses",
        "registereddevices",
        "responsibilities",
        "schools",
        "scopedrolememberof",
        "securityidentifier",
        "serviceprovisioningerrors",
        "settings",
        "showinaddresslist",
        "signinactivity",
        "signinsessionsvalidfromdatetime",
        "skills",
        "solutions",
        "sponsors",
        "state",
        "streetaddress",
        "teamwork",
        "todo",
        "transitivememberof",
        "usagelocation",
        "usertype",
    ],
};

const YES: Support = Support::Yes;
const ADVANCED: Support = Support::Advanced;
const NO: Support = Support::No;

const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_MYSELF: &[&str] = &["User.Read", "User.ReadWrite", "User.Read.All", "Directory.Read.All"];
