//! The APIs that are there in every tenant.

use crate::config::Api;

/// Microsoft Graph, the Office 365 Management APIs, Azure SQL and Managed Desktop, with what they are used for most.
pub(crate) fn apis() -> Vec<Api> {
    WELL_KNOWN
        .iter()
        .map(|known| Api {
            name: known.name.to_owned(),
            app_id: known.app_id.to_owned(),
            identifiers: vec![known.identifier.to_owned()],
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

/// Names as configuration holds them.
pub(crate) fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Microsoft Graph's application id, the same in every tenant.
pub(crate) const GRAPH_APP_ID: &str = "00000003-0000-0000-c000-000000000000";
/// Microsoft Graph's identifier URI.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
/// The Office 365 Management APIs' identifier URI.
pub(crate) const OFFICE_MANAGEMENT: &str = "https://manage.office.com";
/// Azure SQL's identifier URI, which ends with a slash.
pub(crate) const AZURE_SQL: &str = "https://database.windows.net/";
/// Managed Desktop's identifier URI.
pub(crate) const MANAGED_DESKTOP: &str = "https://mwaas-services-customerapi-prod.azurewebsites.net";

struct WellKnown {
    name: &'static str,
    app_id: &'static str,
    identifier: &'static str,
    roles: &'static [&'static str],
    scopes: &'static [&'static str],
    admin_scopes: &'static [&'static str],
}

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
        identifier: GRAPH,
        roles: &[
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
            "User.Read.All",
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
        admin_scopes: &["Application.Read.All", "Directory.Read.All", "User.Read.All"],
    },
    WellKnown {
        name: "Office 365 Management APIs",
        app_id: "c5393580-f805-4401-95e8-94b7a6ef2fc2",
        identifier: OFFICE_MANAGEMENT,
        roles: OFFICE_PERMISSIONS,
        scopes: &[],
        admin_scopes: OFFICE_PERMISSIONS,
    },
    WellKnown {
        name: "Azure SQL Database",
        app_id: "022907d3-0f1b-48f7-badc-1ba6abab6d66",
        identifier: AZURE_SQL,
        roles: &[],
        scopes: &["user_impersonation"],
        admin_scopes: &[],
    },
    WellKnown {
        name: "Modern Workplace Customer APIs",
        // Made up: the real one is not published.
        app_id: "c9d51f28-8ccd-42b2-a836-fd8fe9ebf2ae",
        identifier: MANAGED_DESKTOP,
        roles: &["MmdSupport.ReadWrite"],
        scopes: &[],
        admin_scopes: &[],
    },
];
