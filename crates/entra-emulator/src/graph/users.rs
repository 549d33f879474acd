//! The users of a tenant: `/users` and `/me`.

use serde_json::{Value, json};

use crate::clock::{graph_time, unix};
use crate::config::{User, UserType};
use crate::exchange::Exchange;
use crate::graph::bearer::Caller;
use crate::graph::property::{Kind, Literals, Property, Support};
use crate::graph::{CREATED, Denial, collection};

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_USERS)?;
    collection::list(exchange, &USERS, users(caller).iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    caller.needs(READ_USERS)?;
    collection::count(exchange, &USERS, users(caller).iter().collect())
}

pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Vec<u8>, Denial> {
    caller.needs(READ_USERS)?;
    let found = users(caller)
        .iter()
        .find(|user| user.id.eq_ignore_ascii_case(id) || user.user_principal_name.eq_ignore_ascii_case(id));
    collection::entity(exchange, &USERS, found.ok_or_else(|| Denial::not_found(id))?)
}

/// The user that the token was issued for.
pub(super) fn me(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
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

fn created(user: &User) -> Value {
    json!(
        user.created_date_time
            .map_or_else(|| CREATED.to_owned(), |time| graph_time(unix(time)))
    )
}

fn mail_nickname(user: &User) -> Value {
    let name = user.user_principal_name.split('@').next();
    json!(user.mail_nickname.as_deref().or(name))
}

fn user_type(user: &User) -> Value {
    json!(match user.user_type {
        None | Some(UserType::Member) => "Member",
        Some(UserType::Guest) => "Guest",
    })
}

/// With the support for each property that Graph's documents state.
pub(super) static USERS: Kind<User> = Kind {
    set: "users",
    entity: "user",
    resource: "User",
    properties: &[
        Property::new("businessPhones", |_| json!([])),
        Property::text("displayName", |user: &User| json!(user.display_name), YES, NO, YES).order(YES),
        Property::text("givenName", |user| json!(user.names().0), YES, YES, YES),
        Property::text("jobTitle", |user| json!(user.job_title), YES, YES, YES),
        Property::text("mail", |user: &User| json!(user.address()), YES, YES, YES).suffix(ADVANCED),
        Property::text(
            "mobilePhone",
            |user| json!(user.mobile_phone),
            ADVANCED,
            ADVANCED,
            ADVANCED,
        ),
        Property::text(
            "officeLocation",
            |user| json!(user.office_location),
            ADVANCED,
            ADVANCED,
            ADVANCED,
        ),
        Property::text("preferredLanguage", |_| Value::Null, ADVANCED, ADVANCED, ADVANCED),
        Property::text("surname", |user| json!(user.names().1), YES, YES, YES),
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
        Property::boolean("accountEnabled", |user: &User| json!(user.is_enabled())).selected_only(),
        Property::text(
            "companyName",
            |user: &User| json!(user.company_name),
            ADVANCED,
            ADVANCED,
            ADVANCED,
        )
        .selected_only(),
        Property::text("createdDateTime", created, YES, YES, NO)
            .literals(Literals::Time)
            .order(ADVANCED)
            .selected_only(),
        Property::text("department", |user: &User| json!(user.department), YES, YES, YES).selected_only(),
        Property::text("employeeId", |user: &User| json!(user.employee_id), YES, ADVANCED, YES).selected_only(),
        Property::text("mailNickname", mail_nickname, YES, YES, YES).selected_only(),
        Property::text("usageLocation", |user: &User| json!(user.usage_location), YES, YES, YES).selected_only(),
        Property::text("userType", user_type, YES, NO, NO).selected_only(),
    ],
    own_fields: None,
    absent: &[
        "aboutme",
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
        "consentprovidedforminor",
        "contactfolders",
        "contacts",
        "country",
        "createdobjects",
        "creationtype",
        "customsecurityattributes",
        "deleteddatetime",
        "devicemanagementtroubleshootingevents",
        "directreports",
        "drive",
        "drives",
        "employeeexperience",
        "employeehiredate",
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
    ],
};

const YES: Support = Support::Yes;
const ADVANCED: Support = Support::Advanced;
const NO: Support = Support::No;

pub(super) const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const READ_MYSELF: &[&str] = &["User.Read", "User.ReadWrite", "User.Read.All", "Directory.Read.All"];
