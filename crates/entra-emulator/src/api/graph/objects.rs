//! Collections of mixed types (`directoryObject`), such as the members of a group.

use serde_json::{Value, json};

use crate::api::graph::property::{Kind, Property, Support};

/// A user, a group or a service principal, with every property that a query can select.
pub(super) struct Object {
    type_name: String,
    fields: Vec<Field>,
}

struct Field {
    name: &'static str,
    value: Value,
    is_default: bool,
}

impl Object {
    /// Creates an object with the properties that the caller may read.
    pub(super) fn new<T>(kind: &Kind<T>, item: &T) -> Self {
        Self::with(kind, |property| (property.value)(item))
    }

    /// Creates an object that shows only its type and its ID.
    pub(super) fn unreadable<T>(kind: &Kind<T>, id: &str) -> Self {
        let value = |property: &Property<T>| match property.name {
            "id" => json!(id),
            _ => Value::Null,
        };
        Self::with(kind, value)
    }

    fn with<T>(kind: &Kind<T>, value: impl Fn(&Property<T>) -> Value) -> Self {
        let field = |property: &Property<T>| Field {
            name: property.name,
            value: value(property),
            is_default: property.is_default,
        };
        Self {
            type_name: format!("#microsoft.graph.{}", kind.entity),
            fields: kind.properties.iter().map(field).collect(),
        }
    }

    fn get(&self, name: &str) -> Value {
        let found = self.fields.iter().find(|field| field.name == name);
        found.map_or(Value::Null, |field| field.value.clone())
    }

    /// Returns the members of the object in a response: the selected ones that its type has, or the
    /// default ones.
    fn fields(&self, selected: Option<&[&'static str]>) -> Vec<(&'static str, Value)> {
        let is_shown = |field: &&Field| match selected {
            Some(names) => names.contains(&field.name),
            None => field.is_default,
        };
        let shown = self.fields.iter().filter(is_shown);
        let mut fields = vec![("@odata.type", json!(self.type_name))];
        fields.extend(shown.map(|field| (field.name, field.value.clone())));
        fields
    }
}

macro_rules! selectable {
    ($($name:literal),* $(,)?) => {
        &[
            Property::text("id", |object: &Object| object.get("id"), Support::NotEmulated, Support::No, Support::No),
            Property::text(
                "displayName",
                |object: &Object| object.get("displayName"),
                Support::Advanced,
                Support::NotEmulated,
                Support::Advanced,
            )
            .order(Support::Advanced),
            $(Property::new($name, |object: &Object| object.get($name)),)*
        ]
    };
}

pub(super) static OBJECTS: Kind<Object> = Kind {
    set: "directoryObjects",
    entity: "directoryObject",
    resource: "DirectoryObject",
    properties: selectable![
        "accountEnabled",
        "appDisplayName",
        "appId",
        "appOwnerOrganizationId",
        "businessPhones",
        "companyName",
        "createdDateTime",
        "deletedDateTime",
        "department",
        "description",
        "employeeId",
        "givenName",
        "groupTypes",
        "jobTitle",
        "mail",
        "mailEnabled",
        "mailNickname",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "securityEnabled",
        "servicePrincipalNames",
        "servicePrincipalType",
        "surname",
        "usageLocation",
        "userPrincipalName",
        "userType",
        "visibility",
    ],
    own_fields: Some(Object::fields),
    absent: &[
        "alternativenames",
        "approles",
        "assignedlicenses",
        "city",
        "classification",
        "country",
        "employeehiredate",
        "employeetype",
        "identities",
        "isassignabletorole",
        "keycredentials",
        "manager",
        "memberof",
        "members",
        "membershiprule",
        "oauth2permissionscopes",
        "onpremisessyncenabled",
        "othermails",
        "owners",
        "passwordcredentials",
        "postalcode",
        "proxyaddresses",
        "replyurls",
        "securityidentifier",
        "state",
        "streetaddress",
        "tags",
    ],
};
