//! Wrong names that users and other tools give to the environment variables.

use std::ffi::OsString;

use super::{AUTHORITY_HOST, CLIENT_CERTIFICATE_PATH, CLIENT_ID, CLIENT_SECRET, FEDERATED_TOKEN_FILE, TENANT_ID};

/// Returns a variable that is set instead of `variable`, under a wrong name that is not read.
pub fn misnamed(lookup: impl Fn(&str) -> Option<OsString>, variable: &str) -> Option<&'static str> {
    let is_set = |name: &str| lookup(name).is_some_and(|value| !value.is_empty());
    let names = MISNAMED.iter().filter(|(right, _)| *right == variable);
    names
        .flat_map(|(_, wrong)| wrong.iter().copied())
        .find(|wrong| is_set(wrong))
}

const MISNAMED: [(&str, &[&str]); 6] = [
    (
        TENANT_ID,
        &[
            "AZURE_TENANT",
            "AZURE_TENANTID",
            "AZURE_AD_TENANT_ID",
            "ARM_TENANT_ID",
            "AAD_TENANT_ID",
            "TENANT_ID",
        ],
    ),
    (
        CLIENT_ID,
        &[
            "AZURE_CLIENT",
            "AZURE_CLIENTID",
            "AZURE_APP_ID",
            "AZURE_APPLICATION_ID",
            "AZURE_AD_CLIENT_ID",
            "ARM_CLIENT_ID",
            "AAD_CLIENT_ID",
            "CLIENT_ID",
        ],
    ),
    (
        CLIENT_SECRET,
        &[
            "AZURE_SECRET",
            "AZURE_CLIENTSECRET",
            "AZURE_CLIENT_KEY",
            "AZURE_APP_SECRET",
            "AZURE_CLIENT_PASSWORD",
            "AZURE_SECRET_ID",
            "AZURE_CLIENT_SECRET_VALUE",
            "AZURE_AD_CLIENT_SECRET",
            "ARM_CLIENT_SECRET",
            "AAD_CLIENT_SECRET",
            "CLIENT_SECRET",
        ],
    ),
    (
        CLIENT_CERTIFICATE_PATH,
        &[
            "AZURE_CERTIFICATE_PATH",
            "AZURE_CLIENT_CERTIFICATE",
            "AZURE_CLIENT_CERTIFICATE_FILE",
            "AZURE_CLIENT_CERT_PATH",
            "AZURE_CERTIFICATE",
            "ARM_CLIENT_CERTIFICATE_PATH",
        ],
    ),
    (
        FEDERATED_TOKEN_FILE,
        &[
            "AZURE_FEDERATED_TOKEN_PATH",
            "AZURE_TOKEN_FILE",
            "AZURE_FEDERATED_TOKEN",
        ],
    ),
    (
        AUTHORITY_HOST,
        &["AZURE_AUTHORITY", "AZURE_AUTHORITY_URL", "AZURE_CLOUD_INSTANCE"],
    ),
];
