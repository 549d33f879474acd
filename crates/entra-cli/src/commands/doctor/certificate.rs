//! The check of the client certificate.

use std::path::Path;

use entra_credential::{Certificate, ClientCertificate, Warning};
use entra_proto::Timestamp;

use crate::certificate::CertificateSettings;
use crate::commands::cert::json_of;
use crate::commands::doctor::name;
use crate::commands::doctor::report::Check;
use crate::exit::{Exit, Failure};
use crate::time_format::{length, utc};

/// The contents of the certificate's file and of the file of its key, as far as readable.
pub(crate) struct Read {
    pub(crate) opened: Result<ClientCertificate, Failure>,
    /// The certificate, even if its key is missing.
    public: Option<Certificate>,
    /// Problems with the permissions of the files, each with a hint.
    exposures: Vec<(String, String)>,
}

impl Read {
    pub(crate) fn of(settings: &CertificateSettings, path: &Path) -> Self {
        match settings.read(path) {
            Ok(files) => Self {
                opened: files.client_certificate(),
                public: files.certificate().ok(),
                exposures: files.exposures,
            },
            Err(failure) => Self {
                opened: Err(failure),
                public: None,
                exposures: Vec::new(),
            },
        }
    }

    /// Checks the certificate at the service's time `now`.
    pub(crate) fn judge(&self, path: &str, now: Timestamp) -> Check {
        let mut check = match (&self.opened, &self.public) {
            (Ok(certificate), _) => {
                let renew = format!(
                    "make a new one (entra cert new), register it (entra keycredentials), and use it instead of {path}"
                );
                let found = format!(
                    "the key matches the certificate; {}",
                    described(certificate.leaf(), now)
                );
                with_details(judged(certificate, found, &renew, now), certificate.leaf())
            }
            (Err(failure), public) => {
                let advice = "name a PEM or PFX file with the certificate and its private key";
                let check = Check::failure(name::CERTIFICATE, failure, advice);
                match public {
                    Some(certificate) => with_details(check.with_found(&described(certificate, now)), certificate),
                    None => check,
                }
            }
        };
        for (problem, advice) in &self.exposures {
            check = check.with_warning(problem, advice);
        }
        check
    }
}

/// Describes a certificate in one line.
fn described(certificate: &Certificate, now: Timestamp) -> String {
    let until = certificate.not_after();
    let left = until.since(now);
    let thumbprints = certificate.thumbprints();
    let bits = certificate.key_bits().map(|bits| format!(" of {bits} bits"));
    format!(
        "{}, {}{}; valid until {}{}; SHA-1 {} (x5t {}), SHA-256 {} (x5t#S256 {})",
        certificate.subject(),
        certificate.key_type(),
        bits.unwrap_or_default(),
        utc(until),
        if left.is_zero() {
            String::new()
        } else {
            format!(", for {}", length(left))
        },
        thumbprints.sha1_hex(),
        thumbprints.x5t(),
        thumbprints.sha256_hex(),
        thumbprints.x5t_s256(),
    )
}

fn judged(certificate: &ClientCertificate, found: String, renew: &str, now: Timestamp) -> Check {
    // The warnings that make the certificate unusable come last, so that one of them is taken.
    let mut warnings = certificate.warnings(now);
    warnings.sort_by_key(|warning| matches!(warning, Warning::Expired { .. } | Warning::NotYetValid { .. }));
    let Some(warning) = warnings.pop() else {
        return Check::ok(name::CERTIFICATE, found);
    };
    let found = format!("{warning}: {found}");
    match warning {
        Warning::Expired { .. } => Check::fail(name::CERTIFICATE, Exit::Credential, found, renew),
        Warning::NotYetValid { .. } => Check::fail(
            name::CERTIFICATE,
            Exit::Credential,
            found,
            format!(
                "wait until {}, or use another certificate",
                utc(certificate.not_before())
            ),
        ),
        Warning::ExpiresSoon { .. } => Check::warn(name::CERTIFICATE, found, renew),
        _ => Check::warn(name::CERTIFICATE, found, warning.hint()),
    }
}

fn with_details(check: Check, certificate: &Certificate) -> Check {
    json_of(certificate)
        .into_iter()
        .fold(check, |check, (name, value)| check.with(&name, value))
}
