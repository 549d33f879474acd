//! The users of a tenant: `/users` and `/me`.

use serde_json::{Value, json};

use crate::api::graph::bearer::Caller;
use crate::api::graph::body::CREATED;
use crate::api::graph::collection;
use crate::api::graph::denial::Denial;
use crate::api::graph::property::{Kind, Literals, Property, Support};
use crate::config::{User, UserType};
use crate::exchange::Exchange;
use crate::time::{graph_time, unix};

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    collection::list(exchange, readable(caller)?, users(caller).iter().collect())
}

pub(super) fn count(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<usize, Denial> {
    collection::count(exchange, readable(caller)?, users(caller).iter().collect())
}

pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Vec<u8>, Denial> {
    let found = find(caller, id);
    let kind = match found {
        Some(user) if is_own(caller, user) => &USERS,
        _ => readable(caller)?,
    };
    collection::entity(exchange, kind, found.ok_or_else(|| Denial::not_found(id))?)
}

/// Returns the user of the token, for `/me`.
pub(super) fn me(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    let user = myself(caller)?;
    caller.needs(READ_MYSELF)?;
    collection::entity(exchange, &USERS, user)
}

/// Returns the user that the token was issued for.
///
/// # Errors
/// Returns an error if the token is an application's.
pub(super) fn myself<'a>(caller: &Caller<'a>) -> Result<&'a User, Denial> {
    let id = caller.user.as_ref();
    let user = id.and_then(|id| users(caller).iter().find(|user| user.id == *id));
    user.ok_or_else(|| Denial::request("/me request is only valid with delegated authentication flow."))
}

/// Returns the user with this ID or user principal name.
pub(super) fn find<'a>(caller: &Caller<'a>, id: &str) -> Option<&'a User> {
    users(caller)
        .iter()
        .find(|user| user.id.eq_ignore_ascii_case(id) || user.user_principal_name.eq_ignore_ascii_case(id))
}

/// Returns true if the token is this user's and lets them read their own profile.
pub(super) fn is_own(caller: &Caller<'_>, user: &User) -> bool {
    caller.user.as_deref() == Some(&user.id) && caller.needs(READ_MYSELF).is_ok()
}

/// Returns the properties of other users that the caller may read.
///
/// # Errors
/// Returns an error if the caller may not read other users.
pub(super) fn readable(caller: &Caller<'_>) -> Result<&'static Kind<User>, Denial> {
    if caller.needs(READ_USERS).is_ok() {
        return Ok(&USERS);
    }
    caller.needs(READ_BASIC)?;
    Ok(&BASIC_USERS)
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

/// The support for each property is that of Graph's documents.
pub(super) static USERS: Kind<User> = Kind {
    set: "users",
    entity: "user",
    resource: "User",
    properties: &[
        Property::new("businessPhones", |_| json!([])),
        DISPLAY_NAME,
        GIVEN_NAME,
        Property::text("jobTitle", |user| json!(user.job_title), YES, YES, YES),
        MAIL,
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
        SURNAME,
        USER_PRINCIPAL_NAME,
        ID,
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
    absent: ABSENT,
};

/// The basic profile, the only properties of other users that `User.ReadBasic.All` permits to read.
static BASIC_USERS: Kind<User> = Kind {
    properties: &[
        Property::denied("businessPhones"),
        DISPLAY_NAME,
        GIVEN_NAME,
        Property::denied("jobTitle"),
        MAIL,
        Property::denied("mobilePhone"),
        Property::denied("officeLocation"),
        Property::denied("preferredLanguage"),
        SURNAME,
        USER_PRINCIPAL_NAME,
        ID,
        Property::denied("accountEnabled").selected_only(),
        Property::denied("companyName").selected_only(),
        Property::denied("createdDateTime").selected_only(),
        Property::denied("department").selected_only(),
        Property::denied("employeeId").selected_only(),
        Property::denied("mailNickname").selected_only(),
        Property::denied("usageLocation").selected_only(),
        Property::denied("userType").selected_only(),
    ],
    set: "users",
    entity: "user",
    resource: "User",
    own_fields: None,
    absent: ABSENT,
};

const DISPLAY_NAME: Property<User> =
    Property::text("displayName", |user: &User| json!(user.display_name), YES, NO, YES).order(YES);
const GIVEN_NAME: Property<User> = Property::text("givenName", |user| json!(user.names().0), YES, YES, YES);
const MAIL: Property<User> =
    Property::text("mail", |user: &User| json!(user.address()), YES, YES, YES).suffix(ADVANCED);
const SURNAME: Property<User> = Property::text("surname", |user| json!(user.names().1), YES, YES, YES);
const USER_PRINCIPAL_NAME: Property<User> = Property::text(
    "userPrincipalName",
    |user: &User| json!(user.user_principal_name),
    YES,
    YES,
    YES,
)
.suffix(ADVANCED)
.order(YES);
const ID: Property<User> = Property::text("id", |user| json!(user.id), YES, NO, NO);

const ABSENT: &[&str] = &[
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
];

const YES: Support = Support::Yes;
const ADVANCED: Support = Support::Advanced;
const NO: Support = Support::No;

pub(super) const READ_USERS: &[&str] = &[
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// The permission for the basic profiles of all users.
const READ_BASIC: &[&str] = &["User.ReadBasic.All"];
const READ_MYSELF: &[&str] = &[
    "User.Read",
    "User.ReadWrite",
    "User.ReadBasic.All",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
