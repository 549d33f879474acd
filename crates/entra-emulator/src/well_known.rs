//! The APIs that every tenant has, and the path segments that stand for several tenants.

use crate::config::{Api, TokenVersion};

/// Returns Microsoft Graph, the Office 365 Management APIs, Azure Resource Manager, Key Vault,
/// Storage, SQL and Kubernetes Service, Managed Desktop and the token exchange, with their most
/// used permissions. All of them accept v1 tokens, except for the token exchange.
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
            token_version: if known.app_id == TOKEN_EXCHANGE_APP_ID {
                TokenVersion::V2
            } else {
                TokenVersion::V1
            },
            optional_claims: if known.app_id == GRAPH_APP_ID {
                vec!["xms_cc".to_owned()]
            } else {
                Vec::new()
            },
            ..Api::default()
        })
        .collect()
}

/// Returns the Azure APIs in which an application acts as its user and which control access
/// themselves.
pub(crate) fn azure_services() -> Vec<Api> {
    let mut apis = apis();
    apis.retain(|api| api.scopes == IMPERSONATION);
    apis
}

/// Returns true if the emulator serves this API, so that its names must not change.
pub(crate) fn is_served(api: &Api) -> bool {
    [GRAPH_APP_ID, OFFICE_MANAGEMENT_APP_ID].contains(&api.app_id.as_str())
}

/// Returns the identifier of the service that an Azure resource with its own host name belongs to:
/// a storage account or a vault.
///
/// Entra issues tokens for every such name, whether the resource exists or not. (Key Vault then
/// rejects a token for a single vault, AKV10022.)
pub(crate) fn service_of(resource: &str) -> Option<&'static str> {
    let host = resource.strip_prefix("https://")?.trim_end_matches('/');
    let (name, domain) = host.split_once('.')?;
    let is_label =
        (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let (_, service) = SERVICES.iter().find(|(known, _)| known.eq_ignore_ascii_case(domain))?;
    is_label.then_some(*service)
}

/// Converts names to the type of the configuration.
pub(crate) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The path segments that stand for several tenants.
pub(crate) const SHARED: &[&str] = &["common", "organizations", "consumers"];
/// The tenant of all personal accounts; `consumers` is another name for it.
pub(crate) const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// The application ID of Microsoft Graph, the same in every tenant.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// The identifier URI of Microsoft Graph.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
/// The identifier URI of the Office 365 Management APIs.
pub(crate) const OFFICE_MANAGEMENT: &str = "https://manage.office.com";
/// The identifier URI of Azure Resource Manager.
pub(crate) const AZURE_RESOURCE_MANAGER: &str = "https://management.azure.com";
/// The identifier URI of Azure Key Vault.
pub(crate) const AZURE_KEY_VAULT: &str = "https://vault.azure.net";
/// The identifier URI of Azure Storage.
pub(crate) const AZURE_STORAGE: &str = "https://storage.azure.com";
/// The identifier URI of Azure SQL, which ends with a slash.
pub(crate) const AZURE_SQL: &str = "https://database.windows.net/";
/// The identifier URI of the token exchange: the audience of federated credentials.
pub(crate) const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";
/// The application ID of the token exchange, the same in every tenant.
pub(crate) const TOKEN_EXCHANGE_APP_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";
/// The identifier URI of Managed Desktop.
pub(crate) const MANAGED_DESKTOP: &str = "https://mwaas-services-customerapi-prod.azurewebsites.net";

struct WellKnown {
    name: &'static str,
    app_id: &'static str,
    identifiers: &'static [&'static str],
    roles: &'static [&'static str],
    scopes: &'static [&'static str],
    admin_scopes: &'static [&'static str],
}

/// The domains in which the resources of a service have their host names.
const SERVICES: &[(&str, &str)] = &[
    ("blob.core.windows.net", AZURE_STORAGE),
    ("dfs.core.windows.net", AZURE_STORAGE),
    ("file.core.windows.net", AZURE_STORAGE),
    ("queue.core.windows.net", AZURE_STORAGE),
    ("table.core.windows.net", AZURE_STORAGE),
    ("vault.azure.net", AZURE_KEY_VAULT),
];

const OFFICE_MANAGEMENT_APP_ID: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";

/// The only delegated permission of the Azure services.
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
        // Most v1 programs request the older name, which ends with a slash.
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
        // The server application of clusters with Entra sign-in. Its only identifier is its
        // application ID.
        name: "Azure Kubernetes Service AAD Server",
        app_id: "6dae42f8-4368-4678-94ff-3960e28e3630",
        identifiers: &[],
        roles: &[],
        scopes: &["user.read"],
        admin_scopes: &[],
    },
    WellKnown {
        name: "Modern Workplace Customer APIs",
        // Generated: the real ID is not published.
        app_id: "c9d51f28-8ccd-42b2-a836-fd8fe9ebf2ae",
        identifiers: &[MANAGED_DESKTOP],
        roles: &["MmdSupport.ReadWrite"],
        scopes: &[],
        admin_scopes: &["MWaaSDevice.Read"],
    },
    WellKnown {
        name: "AAD Token Exchange Endpoint",
        app_id: TOKEN_EXCHANGE_APP_ID,
        // The first one is that of the public cloud.
        identifiers: &[
            TOKEN_EXCHANGE,
            "api://AzureADTokenExchangeUSGov",
            "api://AzureADTokenExchangeChina",
            "api://AzureADTokenExchangeUSNat",
            "api://AzureADTokenExchangeUSSec",
        ],
        roles: &[],
        scopes: &[],
        admin_scopes: &[],
    },
];
