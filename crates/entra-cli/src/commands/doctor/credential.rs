//! The checks of the credential: a client secret, a certificate, or a federated token.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra_credential::FederatedTokenFile;
use entra_proto::assertion::{ClientAssertion, FederatedCredential};
use entra_proto::federation::{AssertionProblem, PresentedAssertion, Workload};
use entra_proto::{ClientCredential, ClientSecret, Cloud, Timestamp};

use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::{certificate, name};
use crate::exit::{Exit, Failure};
use crate::presented;
use crate::secret::is_guid;
use crate::settings::{ApplicationSettings, CREDENTIALS, Chosen, FederatedSource, NetworkSettings, detected_identity};
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
        place: Box<Place>,
        source: Source,
        assertion: Result<ClientAssertion, Failure>,
    },
    /// No credential is configured, or it cannot be read.
    Missing(Failure),
}

/// The place that another issuer's assertion comes from.
pub(crate) enum Place {
    File(FederatedTokenFile),
    /// A service or a variable.
    Source(FederatedSource),
}

impl Credential {
    pub(crate) fn read(settings: &ApplicationSettings, network: &NetworkSettings) -> Self {
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
                place: Box::new(Place::File(file)),
                source,
            },
            Ok(Chosen::Acquired(place, source)) => Self::Federated {
                assertion: place.assertion(&settings.cloud().unwrap_or_default(), network),
                place: Box::new(Place::Source(place)),
                source,
            },
            Err(failure) => Self::Missing(match detected_identity() {
                Some(detection) => failure.hint(format!(
                    "or use this machine's managed identity with --managed-identity ({detection})"
                )),
                None => failure,
            }),
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
            Self::Federated { place, assertion, .. } => {
                assertion.as_ref().ok()?;
                match &**place {
                    Place::File(file) => Some(FederatedCredential::new(file.clone()).into()),
                    Place::Source(place) => place.credential(&settings.cloud().ok()?).ok(),
                }
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
            Self::Federated { place, source, .. } => (
                "federatedToken",
                match &**place {
                    Place::File(file) => format!("the federated token in {}", file.path().display()),
                    Place::Source(place) => place.describe(),
                },
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
            Self::Federated { place, assertion, .. } => report.add(match (assertion, &**place) {
                (Ok(assertion), place) => {
                    let is_renewed = matches!(place, Place::Source(source) if source.is_renewed());
                    judge_assertion(assertion, is_renewed, cloud, now)
                }
                (Err(failure), Place::File(_)) => Check::failure(
                    name::FEDERATED_TOKEN,
                    failure,
                    "check the path, and that the platform writes the token there: workload identity must be enabled for this workload",
                ),
                (Err(failure), Place::Source(_)) => Check::failure(
                    name::FEDERATED_TOKEN,
                    failure,
                    "run this command where the platform sets the variables of the source",
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

/// Checks an assertion by its claims. `is_renewed` is true if each token request gets a new one.
fn judge_assertion(assertion: &ClientAssertion, is_renewed: bool, cloud: Option<&Cloud>, now: Timestamp) -> Check {
    let presented = match PresentedAssertion::read(assertion.expose()) {
        Ok(presented) => presented,
        Err(error) => {
            let failure = Failure::new(Exit::Credential, error);
            return Check::failure(
                name::FEDERATED_TOKEN,
                &failure,
                "check what the platform writes into the file",
            );
        }
    };
    let audience = presented.audiences().next();
    let expires = presented.expires_at();
    let mut found = format!(
        "issuer {}, subject {}, audience {}, {}",
        presented.issuer().unwrap_or("none"),
        presented.subject().unwrap_or("none"),
        audience.unwrap_or("none"),
        match expires {
            Some(moment) if moment > now => format!("valid for {}", length(moment.since(now))),
            Some(moment) => format!("expired {} ago", length(now.since(moment))),
            None => "no expiry".to_owned(),
        }
    );
    if presented.workload() != Workload::Other {
        found = format!("{found} ({})", presented.workload());
    }
    let default = Cloud::default();
    let problems = presented.problems(cloud.unwrap_or(&default), now);
    let has_expired = problems
        .iter()
        .any(|problem| matches!(problem, AssertionProblem::Expired { .. }));
    let mut check = if has_expired {
        let fix = "name the file that the platform renews: a copy of a token is never renewed";
        Check::fail(name::FEDERATED_TOKEN, Exit::Credential, found, fix)
    } else {
        Check::ok(name::FEDERATED_TOKEN, found)
    };
    for problem in &problems {
        check = match problem {
            AssertionProblem::Expired { .. } => check,
            problem => check.with_warning(&problem.to_string(), problem.hint()),
        };
    }
    if let Some((problem, hint)) = presented::other_subject(&presented) {
        check = check.with_warning(&problem, hint);
    }
    let life = presented.issued_at().zip(expires).map(|(start, end)| end.since(start));
    if !is_renewed && life.is_some_and(|life| life <= SHORT_LIVED) {
        check = check.with_warning(
            "it is issued for a few minutes only",
            "get a new one for each token request: --federated-source does so for GitHub Actions and Azure Pipelines",
        );
    }
    let codes: Vec<u32> = problems.iter().filter_map(AssertionProblem::code).collect();
    if !codes.is_empty() {
        check = check.with("expected_aadsts_codes", codes);
    }
    let check = check
        .with("issuer", presented.issuer())
        .with("subject", presented.subject())
        .with("audience", audience);
    match expires {
        Some(moment) => check.with_moment("expires", moment),
        None => check,
    }
}

/// The lifetime of the assertions that CI systems issue, which are valid for about five minutes,
/// with a reserve.
const SHORT_LIVED: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::report::Mark;

    fn judged(claims: &str) -> Mark {
        judged_if(true, claims)
    }

    fn judged_if(is_renewed: bool, claims: &str) -> Mark {
        use base64::Engine as _;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let assertion = format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(claims));
        let assertion = ClientAssertion::new(assertion).unwrap();
        judge_assertion(&assertion, is_renewed, Some(&Cloud::Public), Timestamp::from_secs(1000)).mark()
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

    #[test]
    fn short_lived_token_must_be_renewed() {
        let of = |life: u64| {
            format!(
                r#"{{"iss":"i","sub":"s","aud":"api://AzureADTokenExchange","iat":900,"exp":{}}}"#,
                900 + life
            )
        };
        assert_eq!(judged_if(false, &of(300)), Mark::Warn);
        assert_eq!(judged_if(true, &of(300)), Mark::Ok);
        assert_eq!(judged_if(false, &of(3600)), Mark::Ok);
    }

    #[test]
    fn both_subjects_of_github_are_named() {
        let claims = r#"{"iss":"https://token.actions.githubusercontent.com","sub":"repo:contoso/app:ref:refs/heads/main",
            "repository_owner_id":"1","repository_id":"2","aud":"api://AzureADTokenExchange","exp":1001}"#;
        assert_eq!(judged(claims), Mark::Warn);
        assert_eq!(judged(&claims.replace("repository_id", "other")), Mark::Ok);
    }
}
