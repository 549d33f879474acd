//! The tenant itself: `/organization`.

use serde_json::{Value, json};

use crate::api::graph::bearer::Caller;
use crate::api::graph::body::CREATED;
use crate::api::graph::collection;
use crate::api::graph::denial::Denial;
use crate::api::graph::property::{Kind, Property, Support};
use crate::config::Tenant;
use crate::exchange::Exchange;

/// A tenant. Users without the permission to read it see only its names.
struct Organization {
    id: String,
    name: String,
    domain: String,
    is_external: bool,
    is_readable: bool,
}

pub(super) fn list(exchange: &Exchange<'_>, caller: &Caller<'_>) -> Result<Vec<u8>, Denial> {
    let organization = Organization::of(caller)?;
    collection::list(exchange, &ORGANIZATION, vec![&organization])
}

pub(super) fn one(exchange: &Exchange<'_>, caller: &Caller<'_>, id: &str) -> Result<Vec<u8>, Denial> {
    let organization = Organization::of(caller)?;
    if !organization.id.eq_ignore_ascii_case(id) {
        return Err(Denial::not_found(id));
    }
    collection::entity(exchange, &ORGANIZATION, &organization)
}

impl Organization {
    fn of(caller: &Caller<'_>) -> Result<Self, Denial> {
        let is_readable = caller.needs(READ_ORGANIZATION).is_ok();
        if !is_readable {
            caller.needs(READ_NAMES)?;
        }
        let Tenant {
            id,
            name,
            domain,
            external,
            ..
        } = caller.tenant;
        Ok(Self {
            id: id.clone(),
            name: name.clone(),
            domain: domain.clone(),
            is_external: *external,
            is_readable,
        })
    }

    /// Returns the value, or null if the caller may read only the names.
    fn readable(&self, value: Value) -> Value {
        if self.is_readable { value } else { Value::Null }
    }

    fn domains(&self) -> Value {
        json!([{
            "capabilities": "Email, OfficeCommunicationsOnline",
            "isDefault": true,
            "isInitial": true,
            "name": self.domain,
            "type": "Managed",
        }])
    }
}

static ORGANIZATION: Kind<Organization> = Kind {
    set: "organization",
    entity: "organization",
    resource: "Organization",
    properties: &[
        Property::text(
            "id",
            |it: &Organization| json!(it.id),
            Support::NotEmulated,
            Support::No,
            Support::No,
        ),
        Property::new("deletedDateTime", |_| Value::Null),
        Property::new("businessPhones", |it| it.readable(json!([]))),
        Property::new("city", |_| Value::Null),
        Property::new("country", |_| Value::Null),
        Property::new("countryLetterCode", |_| Value::Null),
        Property::new("createdDateTime", |it| it.readable(json!(CREATED))),
        Property::new("defaultUsageLocation", |_| Value::Null),
        Property::new("displayName", |it| json!(it.name)),
        Property::new("marketingNotificationEmails", |it| it.readable(json!([]))),
        Property::new("onPremisesLastSyncDateTime", |_| Value::Null),
        Property::new("onPremisesSyncEnabled", |_| Value::Null),
        Property::new("postalCode", |_| Value::Null),
        Property::new("preferredLanguage", |_| Value::Null),
        Property::new("state", |_| Value::Null),
        Property::new("street", |_| Value::Null),
        Property::new("technicalNotificationMails", |it| it.readable(json!([]))),
        Property::new("tenantType", |it| {
            it.readable(json!(if it.is_external { "CIAM" } else { "AAD" }))
        }),
        Property::new("verifiedDomains", Organization::domains),
    ],
    own_fields: None,
    absent: &[
        "assignedplans",
        "branding",
        "certificatebasedauthconfiguration",
        "certificateconnectorsetting",
        "directorysizequota",
        "extensions",
        "ismultipledatalocationsforservicesenabled",
        "mobiledevicemanagementauthority",
        "partnertenanttype",
        "privacyprofile",
        "provisionedplans",
        "securitycompliancenotificationmails",
        "securitycompliancenotificationphones",
    ],
};

const READ_ORGANIZATION: &[&str] = &["Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
/// The permission with which a user may read the names of their own organization.
const READ_NAMES: &[&str] = &["User.Read"];
