//! The rules. Each file contains the texts of its rules, their checks, and the data of the checks.

mod audiences;
mod names;
mod requests;
mod secrets;
mod settings;
mod urls;
mod values;

use crate::linter::rule::Rule;

/// All rules, in the order of `entra lint --list`.
pub(crate) static RULES: [Rule; 21] = [
    names::GRANT_TYPE,
    names::PARAMETER_CASE,
    urls::HTML_ESCAPE,
    requests::V1_SCOPE,
    requests::V2_RESOURCE,
    requests::MISSING_DEFAULT,
    audiences::RESOURCE_SLASH,
    audiences::DOUBLED_SLASH,
    requests::COMMON_APP_ONLY,
    requests::NO_TENANT,
    urls::ENDPOINT_SLASH,
    values::BLANK_IN_VALUE,
    secrets::SECRET_ID,
    secrets::SECRET_IN_FILE,
    secrets::TOKEN_IN_FILE,
    values::PLACEHOLDER,
    urls::REDIRECT_HTTP,
    settings::TLS_OFF,
    urls::OLD_HOST,
    urls::AZURE_AD_GRAPH,
    settings::ADAL,
];
