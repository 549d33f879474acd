//! The checks of the credential: a client secret, a certificate, or a federated token.

use std::env;
use std::path::{Path, PathBuf};

use entra_credential::FederatedTokenFile;
use entra_proto::assertion::{ClientAssertion, FederatedCredential};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{ClientCredential, ClientSecret, Cloud, Timestamp};
use serde_json::Value;

use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{certificate, name};
use crate::exit::{Exit, Failure};
use crate::secret::is_guid;
use crate::settings::{ApplicationSettings, CREDENTIALS, Chosen};
use crate::source::Source;
use crate::time_format::length;

/// The configured credential, as far as it could be read.
pub(crate) enum Credential {
    Secret(ClientSecret, Source),
    Certificate {
        path: PathBuf,
        key: Option<PathBuf>,
        source: Source,
        read: Box<certificate::Read>,
    },
    Federated {
        file: FederatedTokenFile,
        source: Source,
        assertion: Result<ClientAssertion, Failure>,
    },
    /// No credential is configured, or it cannot be read.
    Missing(Failure),
}

impl Credential {
    pub(crate) fn read(settings: &ApplicationSettings) -> Self {
        match settings.chosen() {
            Ok(Chosen::Secret(secret, source)) => Self::Secret(secret, source),
            Ok(Chosen::Certificate(path, source)) => match settings.certificate() {
                Ok(certificate) => Self::Certificate {
                    read: Box::new(certificate::Read::of(&certificate, &path)),
                    key: certificate.key_file().map(Path::to_owned),
                    path,
                    source,
                },
                Err(failure) => Self::Missing(failure),
            },
            Ok(Chosen::Federated(file, source)) => Self::Federated {
                assertion: file.assertion().map_err(Failure::from),
                file,
                source,
            },
            Err(failure) => Self::Missing(failure),
        }
    }

    pub(crate) fn redact_in(&self, report: &mut Report) {
        match self {
            // A GUID is an ID and not a secret. Redacting it could hide the client ID, for example.
            Self::Secret(secret, _) if is_guid(secret.expose()) => {}
            Self::Secret(secret, _) => report.redact(secret.expose().trim()),
            Self::Federated {
                assertion: Ok(assertion),
                ..
            } => report.redact(assertion.expose()),
            _ => {}
        }
    }

    /// Returns the credential for a client, or `None` if it cannot be read.
    pub(crate) fn to_client(&self, settings: &ApplicationSettings) -> Option<ClientCredential> {
        match self {
            Self::Secret(secret, _) => Some(secret.clone().into()),
            Self::Certificate { read, .. } => {
                let certificate = read.opened.as_ref().ok()?.clone();
                Some(settings.certificate().ok()?.credential_of(certificate).ok()?.into())
            }
            Self::Federated { file, assertion, .. } => {
                assertion.as_ref().ok()?;
                Some(FederatedCredential::new(file.clone()).into())
            }
            Self::Missing(_) => None,
        }
    }

    /// Returns the expected value of the claims `appidacr` and `azpacr`: `1` for a secret, `2` for
    /// an assertion.
    pub(crate) fn class(&self) -> &'static str {
        if matches!(self, Self::Secret(..)) { "1" } else { "2" }
    }

    /// Returns the check that names the credential and its source. It does not reveal a secret or
    /// its length.
    pub(crate) fn describe(&self) -> Check {
        let (kind, found, source) = match self {
            Self::Secret(_, source) => ("secret", "a client secret".to_owned(), source),
            Self::Certificate { path, key, source, .. } => {
                let key = key.as_ref().map(|key| format!(", with the key in {}", key.display()));
                (
                    "certificate",
                    format!("the certificate in {}{}", path.display(), key.unwrap_or_default()),
                    source,
                )
            }
            Self::Federated { file, source, .. } => (
                "federatedToken",
                format!("the federated token in {}", file.path().display()),
                source,
            ),
            Self::Missing(failure) => {
                return Check::failure(name::CREDENTIAL, failure, "name a credential that can be read");
            }
        };
        let mut check = Check::ok(name::CREDENTIAL, found);
        if let Self::Secret(secret, _) = self
            && let Some(doubt) = secret.doubt()
        {
            check = check.with_warning(&doubt.to_string(), doubt.hint());
        }
        let others = overridden_by(source);
        if !others.is_empty() {
            check = check.with_warning(
                &format!("{} is also set, but not used", others.join(" and ")),
                "unset the variables that you do not mean: other programs choose differently",
            );
        }
        check.with("kind", kind).with_source(source.clone())
    }

    /// Checks a certificate or a federated token at the service's time `now`. Only the service can
    /// check a secret.
    pub(crate) fn examine(&self, cloud: Option<&Cloud>, now: Timestamp, report: &mut Report) -> Result<(), Failure> {
        match self {
            Self::Secret(..) | Self::Missing(_) => Ok(()),
            Self::Certificate { read, path, .. } => report.add(read.judge(&path.display().to_string(), now)),
            Self::Federated { assertion, .. } => report.add(match assertion {
                Ok(assertion) => judge_assertion(assertion, cloud, now),
                Err(failure) => Check::failure(
                    name::FEDERATED_TOKEN,
                    failure,
                    "check the path, and that the platform writes the token there: workload identity must be enabled for this workload",
                ),
            }),
        }
    }
}

/// Returns the credential variables that are set, but overridden by another variable. A credential
/// from the command line is a deliberate choice, and the list is then empty.
fn overridden_by(source: &Source) -> Vec<&'static str> {
    let Source::Variable(chosen) = source else {
        return Vec::new();
    };
    CREDENTIALS
        .into_iter()
        .filter(|name| name != chosen && env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect()
}

fn judge_assertion(assertion: &ClientAssertion, cloud: Option<&Cloud>, now: Timestamp) -> Check {
    let claims = match UnverifiedClaims::decode(assertion.expose()) {
        Ok(claims) => claims,
        Err(error) => {
            let failure = Failure::new(Exit::Credential, error);
            return Check::failure(
                name::FEDERATED_TOKEN,
                &failure,
                "check what the platform writes into the file",
            );
        }
    };
    let (issuer, audience) = (claims.issuer(), claims.audience());
    let subject = claims.get("sub").and_then(Value::as_str);
    let expires = claims.expires_at();
    let found = format!(
        "issuer {}, subject {}, audience {}, {}",
        issuer.unwrap_or("none"),
        subject.unwrap_or("none"),
        audience.unwrap_or("none"),
        match expires {
            Some(moment) if moment > now => format!("valid for {}", length(moment.since(now))),
            Some(moment) => format!("expired {} ago", length(now.since(moment))),
            None => "no expiry".to_owned(),
        }
    );
    let registered = "the application's federated credential must contain exactly the same values";
    let check = if expires.is_some_and(|moment| moment <= now) {
        Check::fail(
            name::FEDERATED_TOKEN,
            Exit::Credential,
            found,
            "name the file that the platform renews: a copy of a token is never renewed",
        )
    } else if issuer.is_none() || subject.is_none() || expires.is_none() {
        Check::warn(
            name::FEDERATED_TOKEN,
            found,
            format!(
                "check which token the platform writes there; issuer, subject, audience and expiry are required: {registered}"
            ),
        )
    } else if !audience.is_some_and(|audience| is_exchange(audience, cloud)) {
        Check::warn(
            name::FEDERATED_TOKEN,
            found,
            format!(
                "have the token issued for {TOKEN_EXCHANGE}, or register this audience: {registered} of issuer, subject and audience"
            ),
        )
    } else {
        Check::ok(name::FEDERATED_TOKEN, found)
    };
    let check = check
        .with("issuer", issuer)
        .with("subject", subject)
        .with("audience", audience);
    match expires {
        Some(moment) => check.with_moment("expires", moment),
        None => check,
    }
}

/// Returns true if the audience is that of the token exchange. National clouds have their own
/// audiences, which begin with the same text.
fn is_exchange(audience: &str, cloud: Option<&Cloud>) -> bool {
    match cloud {
        Some(Cloud::Public) => audience == TOKEN_EXCHANGE,
        _ => audience.starts_with(TOKEN_EXCHANGE),
    }
}

const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::report::Mark;

    fn judged(claims: &str) -> Mark {
        use base64::Engine as _;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let assertion = ClientAssertion::new(format!("{}.{}.c2ln", part("{}"), part(claims))).unwrap();
        judge_assertion(&assertion, Some(&Cloud::Public), Timestamp::from_secs(1000)).mark()
    }

    #[test]
    fn federated_token_is_checked_by_its_claims() {
        let sound = r#"{"iss":"i","sub":"s","aud":"api://AzureADTokenExchange","exp":1001}"#;
        assert_eq!(judged(sound), Mark::Ok);
        assert_eq!(judged(&sound.replace("1001", "1000")), Mark::Fail(Exit::Credential));
        assert_eq!(judged(&sound.replace("Exchange", "ExchangeChina")), Mark::Warn);
        assert_eq!(judged(&sound.replace("\"sub\"", "\"name\"")), Mark::Warn);
        assert_eq!(judged(&sound.replace("\"exp\"", "\"nbf\"")), Mark::Warn);
        assert_eq!(judged("[]"), Mark::Fail(Exit::Credential));
    }
}
