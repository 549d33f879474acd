//! Environment variables.

use std::env::{self, VarError};
use std::error::Error;
use std::time::SystemTime;

use entra_credential::ClientCertificate;
use entra_credential::Errors;
use entra_proto::report::ReportFor;
use entra_proto::{ClientCredential, ClientSecret, Tenant};

use super::failure::Failure;

/// Returns the text of a required variable.
pub(crate) fn setting(name: &str) -> Result<String, Failure> {
    optional(name)?.ok_or_else(|| not_set(name))
}

fn not_set(name: &str) -> Failure {
    Failure::new(format!("{name} is not set")).hint(NOT_SET)
}

/// Returns the text of a variable, or `default` if it is not set.
pub(crate) fn setting_or(name: &str, default: &str) -> Result<String, String> {
    Ok(optional(name)?.unwrap_or_else(|| default.to_owned()))
}

/// Returns the text of a variable. An empty variable counts as not set; one that is not UTF-8 is an
/// error.
pub(crate) fn optional(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        // The error would repeat the value.
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8: set it again, as plain text")),
    }
}

/// Returns the tenants in `AZURE_TENANTS`, or the one in `AZURE_TENANT_ID`; at least one.
pub(crate) fn tenants() -> Result<Vec<Tenant>, Box<dyn Error>> {
    let tenants = match optional("AZURE_TENANTS")? {
        Some(tenants) => tenants,
        None => optional("AZURE_TENANT_ID")?.ok_or_else(|| not_set("AZURE_TENANTS, or AZURE_TENANT_ID,"))?,
    };
    let tenants: Result<Vec<Tenant>, _> = tenants.split(',').map(str::parse).collect();
    Ok(tenants.map_err(|error| Failure::from(error).at("AZURE_TENANTS or AZURE_TENANT_ID"))?)
}

/// Returns the certificate in `AZURE_CLIENT_CERTIFICATE_PATH`, or the secret in
/// `AZURE_CLIENT_SECRET`.
///
/// The certificate is preferred, because the emulator always sets a secret.
pub(crate) fn credential() -> Result<ClientCredential, Box<dyn Error>> {
    if optional("AZURE_CLIENT_CERTIFICATE_PATH")?.is_some() {
        return Ok(certificate()?.into());
    }
    let secret = optional("AZURE_CLIENT_SECRET")?;
    let secret = secret.ok_or_else(|| not_set("AZURE_CLIENT_SECRET, or AZURE_CLIENT_CERTIFICATE_PATH,"))?;
    let secret = ClientSecret::new(secret)?;
    if let Some(doubt) = secret.doubt() {
        eprintln!("warning: AZURE_CLIENT_SECRET: {doubt}; {}", doubt.hint());
    }
    Ok(secret.into())
}

/// Reads the certificate in `AZURE_CLIENT_CERTIFICATE_PATH`, and prints warnings about it.
pub(crate) fn certificate() -> Result<ClientCertificate, Box<dyn Error>> {
    let path = setting("AZURE_CLIENT_CERTIFICATE_PATH")?;
    let file = std::fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let password = optional("AZURE_CLIENT_CERTIFICATE_PASSWORD")?;
    let certificate = ClientCertificate::read(&file, password.as_deref());
    let certificate = certificate.map_err(|error| format!("{path}: {:#}", ReportFor::<Errors>::of(&error)))?;
    for warning in certificate.warnings(SystemTime::now().into()) {
        eprintln!("warning: {warning}; {}", warning.hint());
    }
    Ok(certificate)
}

const NOT_SET: &str = "set it, or run the program against an emulator: entra emulator -- COMMAND";
