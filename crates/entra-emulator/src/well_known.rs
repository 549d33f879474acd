//! The APIs that are there in every tenant, and the names of several tenants.

use crate::config::Api;

/// Microsoft Graph, the Office 365 Management APIs, Azure Resource Manager, Key Vault, Storage and SQL, and Managed Desktop,
/// with what they are used for most. All of them accept v1 tokens.
pub(crate) fn apis() -> Vec<Api> {
    WELL_KNOWN
        .iter()
        .map(|known| Api {
            name: known.name.to_owned(),
            app_id: known.app_id.to_owned(),
            identifiers: owned(known.identifiers),
            roles: owned(known.roles),
            scopes: owned(known.scopes),
            admin_scopes: owned(known.admin_scopes),
            optional_claims: if known.app_id == GRAPH_APP_ID {
                vec!["xms_cc".to_owned()]
            } else {
                Vec::new()
            },
            ..Api::default()
        })
        .collect()
}

/// The APIs of Azure that let an app act as its user, whose own access control decides the rest.
pub(crate) fn azure_services() -> Vec<Api> {
    let mut apis = apis();
    apis.retain(|api| api.scopes == IMPERSONATION);
    apis
}

/// Whether there is more of this API here than its tokens, so that it has to keep its names.
pub(crate) fn is_served(api: &Api) -> bool {
    [GRAPH_APP_ID, OFFICE_MANAGEMENT_APP_ID].contains(&api.app_id.as_str())
}

/// The identifier of the service that an Azure resource of its own name belongs to: an account of Storage or a vault. Entra
/// issues tokens for every such name, whether the resource exists or not. (Key Vault then refuses one for a single vault,
/// AKV10022.)
pub(crate) fn service_of(resource: &str) -> Option<&'static str> {
    let host = resource.strip_prefix("https://")?.trim_end_matches('/');
    let (name, domain) = host.split_once('.')?;
    let is_label =
        (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let (_, service) = SERVICES.iter().find(|(known, _)| known.eq_ignore_ascii_case(domain))?;
    is_label.then_some(*service)
}

/// Names as configuration holds them.
pub(crate) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The names in a path that stand for several tenants.
pub(crate) const SHARED: &[&str] = &["common", "organizations", "consumers"];
/// The tenant of all personal accounts; `consumers` is another name of it.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// Microsoft Graph's application id, the same in every tenant.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// Microsoft Graph's identifier URI.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
/// The Office 365 Management APIs' identifier URI.
pub(crate) const OFFICE_MANAGEMENT: &str = "https://manage.office.com";
/// Azure Resource Manager's identifier URI.
pub(crate) const AZURE_RESOURCE_MANAGER: &str = "https://management.azure.com";
/// Azure Key Vault's identifier URI.
pub(crate) const AZURE_KEY_VAULT: &str = "https://vault.azure.net";
/// Azure Storage's identifier URI.
pub(crate) const AZURE_STORAGE: &str = "https://storage.azure.com";
/// Azure SQL's identifier URI, which ends with a slash.
pub(crate) const AZURE_SQL: &str = "https://database.windows.net/";
/// Managed Desktop's identifier URI.
pub(crate) const MANAGED_DESKTOP: &str = "https://mwaas-services-customerapi-prod.azurewebsites.net";

struct WellKnown {
    name: &'static str,
    app_id: &'static str,
    identifiers: &'static [&'static str],
    roles: &'static [&'static str],
    scopes: &'static [&'static str],
    admin_scopes: &'static [&'static str],
}

/// The domains below which each resource of a service has its name.
const SERVICES: &[(&str, &str)] = &[
    ("blob.core.windows.net", AZURE_STORAGE),
    ("dfs.core.windows.net", AZURE_STORAGE),
    ("file.core.windows.net", AZURE_STORAGE),
    ("queue.core.windows.net", AZURE_STORAGE),
    ("table.core.windows.net", AZURE_STORAGE),
    ("vault.azure.net", AZURE_KEY_VAULT),
];

const OFFICE_MANAGEMENT_APP_ID: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";

/// The one delegated permission of the Azure services.
const IMPERSONATION: &[&str] = &["user_impersonation"];

const OFFICE_PERMISSIONS: &[&str] = &[
    "ActivityFeed.Read",
    "ActivityFeed.ReadDlp",
    "ActivityReports.Read",
    "ServiceHealth.Read",
];

const WELL_KNOWN: &[WellKnown] = &[
    WellKnown {
        name: "Microsoft Graph",
        app_id: GRAPH_APP_ID,
        identifiers: &[GRAPH],
        roles: &[
            "AppRoleAssignment.ReadWrite.All",
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Application.ReadWrite.OwnedBy",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "GroupMember.Read.All",
            "GroupMember.ReadWrite.All",
            "Organization.Read.All",
            "User.Read.All",
            "User.ReadBasic.All",
            "User.ReadWrite.All",
        ],
        scopes: &[
            "Calendars.Read",
            "Files.Read",
            "Mail.Read",
            "Mail.Send",
            "User.Read",
            "User.ReadBasic.All",
        ],
        admin_scopes: &[
            "Application.Read.All",
            "Directory.Read.All",
            "Group.Read.All",
            "GroupMember.Read.All",
            "Organization.Read.All",
            "User.Read.All",
        ],
    },
    WellKnown {
        name: "Office 365 Management APIs",
        app_id: OFFICE_MANAGEMENT_APP_ID,
        identifiers: &[OFFICE_MANAGEMENT],
        roles: OFFICE_PERMISSIONS,
        scopes: &[],
        admin_scopes: OFFICE_PERMISSIONS,
    },
    WellKnown {
        name: "Azure Resource Manager",
        app_id: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
        // The older name, which ends with a slash, is what most v1 programs ask for.
        identifiers: &[AZURE_RESOURCE_MANAGER, "https://management.core.windows.net/"],
        roles: &[],
        scopes: IMPERSONATION,
        admin_scopes: &[],
    },
    WellKnown {
        name: "Azure Key Vault",
        app_id: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        identifiers: &[AZURE_KEY_VAULT],
        roles: &[],
        scopes: IMPERSONATION,
        admin_scopes: &[],
    },
    WellKnown {
        name: "Azure Storage",
        app_id: "e406a681-f3d4-42a8-90b6-c2b029497af1",
        identifiers: &[AZURE_STORAGE],
        roles: &[],
        scopes: IMPERSONATION,
        admin_scopes: &[],
    },
    WellKnown {
        name: "Azure SQL Database",
        app_id: "022907d3-0f1b-48f7-badc-1ba6abab6d66",
        identifiers: &[AZURE_SQL],
        roles: &[],
        scopes: IMPERSONATION,
        admin_scopes: &[],
    },
    WellKnown {
        // The server application of clusters with Entra sign-in. It has no identifier but its ID.
        name: "Azure Kubernetes Service AAD Server",
        app_id: "6dae42f8-4368-4678-94ff-3960e28e3630",
        identifiers: &[],
        roles: &[],
        scopes: &["user.read"],
        admin_scopes: &[],
    },
    WellKnown {
        name: "Modern Workplace Customer APIs",
        // Made up: the real one is not published.
        app_id: "c9d51f28-8ccd-42b2-a836-fd8fe9ebf2ae",
        identifiers: &[MANAGED_DESKTOP],
        roles: &["MmdSupport.ReadWrite"],
        scopes: &[],
        admin_scopes: &["MWaaSDevice.Read"],
    },
];
