//! A certificate as the doctor reads and judges it.

use std::path::Path;

use entra_credential::{Certificate, ClientCertificate, Warning};
use entra_proto::Timestamp;

use crate::certificate::CertificateSettings;
use crate::commands::cert::json_of;
use crate::commands::doctor::name;
use crate::commands::doctor::report::Check;
use crate::exit::{Exit, Failure};
use crate::time_format::{length, utc};

/// What could be read of the certificate's file, and of the file of its key.
pub(crate) struct Read {
    pub(crate) opened: Result<ClientCertificate, Failure>,
    /// The certificate alone, where its key is missing.
    public: Option<Certificate>,
    /// What is wrong with the permissions of the files, and what to do about it.
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

    /// Judges it by the time `now` of the service.
    pub(crate) fn judge(&self, path: &str, now: Timestamp) -> Check {
        let mut check = match (&self.opened, &self.public) {
            (Ok(certificate), _) => {
                let renew = format!(
                    "make a new one (entra cert new), register it (entra keycredentials), and use it instead of {path}"
                );
                let found = format!(
                    "key and certificate go together; {}",
                    described(certificate.leaf(), now)
                );
                with_details(judged(certificate, found, &renew, now), certificate.leaf())
            }
            (Err(failure), public) => {
                let advice = "give a PEM or PFX file with the certificate and its private key";
                let check = Check::failure(name::CERTIFICATE, failure, advice);
                match public {
                    Some(certificate) => with_details(check.and(&described(certificate, now)), certificate),
                    None => check,
                }
            }
        };
        for (problem, advice) in &self.exposures {
            check = check.but(problem, advice);
        }
        check
    }
}

/// A certificate on one line.
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
    // What keeps it from being used comes last, and stays.
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
            format!("wait until {}, or use another", utc(certificate.not_before())),
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
