//! An assertion of another issuer, read without verification.

use serde_json::Value;

use super::registration::LONGEST;
use super::workload::entra_tenant;
use super::{AssertionProblem, GitHubSubject, Registration, Workload};
use crate::claims::UnverifiedClaims;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::guid::Guid;
use crate::pasted::token;
use crate::time::Timestamp;

/// The claims of an assertion that decide which federated credential matches it, read without
/// verification.
///
/// Nothing here proves who issued the assertion: it is for messages and for the registration. The
/// signature is not stored. The texts are those of the assertion; show them with
/// [`printable`](crate::error::printable).
///
/// ```
/// use entra_proto::federation::{PresentedAssertion, Workload};
///
/// let jwt = concat!(
///     "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL29pZGMuZXhhbXBsZS8iLCJzdWIi",
///     "OiJzeXN0ZW06c2VydmljZWFjY291bnQ6YmlsbGluZzpyZXBvcnQiLCJhdWQiOiJhcGk6",
///     "Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSJ9.c2ln",
/// );
/// let assertion = PresentedAssertion::read(jwt)?;
/// assert_eq!(assertion.issuer(), Some("https://oidc.example/"));
/// assert_eq!(
///     assertion.workload().to_string(),
///     "Kubernetes, namespace billing, service account report"
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentedAssertion {
    algorithm: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Vec<String>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// The IDs of the owner and the repository in the claims of GitHub.
    github_ids: Option<(u64, u64)>,
    is_managed_identity: bool,
    is_for_user: bool,
    is_chained: bool,
}

impl PresentedAssertion {
    /// Reads an assertion. White space, quotation marks and `Bearer` around it are ignored.
    ///
    /// # Errors
    /// Returns an error if the text is not a JWT. The error does not repeat the text.
    pub fn read(jwt: &str) -> Result<Self, Error> {
        UnverifiedClaims::decode(token(jwt)).map(|claims| Self::from(&claims))
    }

    /// Returns `iss`, the issuer.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns `sub`, the subject.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns `aud`, the audiences. Entra accepts an assertion with exactly one.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(String::as_str)
    }

    /// Returns `iat`, the moment at which the assertion was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Returns `exp`, the expiry.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Returns `alg` of the header, the algorithm of the signature.
    #[must_use]
    pub fn algorithm(&self) -> Option<&str> {
        self.algorithm.as_deref()
    }

    /// Returns the workload that the issuer and the subject name.
    #[must_use]
    pub fn workload(&self) -> Workload {
        match (self.issuer(), self.subject()) {
            (Some(issuer), Some(subject)) => Workload::of(issuer, subject, self.is_managed_identity),
            _ => Workload::Other,
        }
    }

    /// Returns the registration of a federated credential that matches the assertion, for an
    /// application in this cloud.
    ///
    /// Its audience is that of the assertion. Only a token that Entra itself issued names its
    /// audience differently: by the ID of an application. The registration then has the
    /// [audience of the cloud](Cloud::token_exchange_audience), as Entra requires.
    ///
    /// # Errors
    /// Returns an error if the issuer or the subject is missing, or if a claim has more than 600
    /// characters.
    pub fn registration(&self, cloud: &Cloud) -> Result<Registration, Error> {
        Registration::of(self, cloud)
    }

    /// Returns the subject that GitHub would put into an assertion for the same job in the other of
    /// its two forms: with or without IDs. A federated credential that was registered with it does
    /// not match the assertion.
    ///
    /// Returns `None` for other issuers, and if the assertion does not contain the IDs.
    #[must_use]
    pub fn other_subject(&self) -> Option<GitHubSubject> {
        let Workload::GitHubActions(subject) = self.workload() else {
            return None;
        };
        match (subject.ids(), self.github_ids) {
            (Some(_), _) => Some(subject.without_ids()),
            (None, Some((owner, repository))) => Some(subject.with_ids(owner, repository)),
            (None, None) => None,
        }
    }

    /// Returns the reasons for which Entra will probably reject the assertion at `now`, whatever is
    /// registered.
    #[must_use]
    pub fn problems(&self, cloud: &Cloud, now: Timestamp) -> Vec<AssertionProblem> {
        let claims = [
            ("iss", self.issuer()),
            ("sub", self.subject()),
            ("aud", self.audiences().next()),
        ];
        let mut problems: Vec<AssertionProblem> = claims
            .into_iter()
            .filter_map(|(claim, value)| match value {
                None | Some("") => Some(AssertionProblem::Missing { claim }),
                Some(value) if value.chars().count() > LONGEST => Some(AssertionProblem::TooLong { claim }),
                Some(_) => None,
            })
            .collect();
        if self.algorithm() != Some("RS256") {
            problems.push(AssertionProblem::Algorithm);
        }
        if self.audiences.len() > 1 {
            problems.push(AssertionProblem::SeveralAudiences);
        }
        if self
            .audiences()
            .next()
            .is_some_and(|audience| !is_for_exchange(audience, cloud))
        {
            problems.push(AssertionProblem::OtherAudience {
                expected: cloud.token_exchange_audience(),
            });
        }
        let start = self.not_before.or(self.issued_at);
        match self.expires_at {
            None => problems.push(AssertionProblem::Missing { claim: "exp" }),
            Some(end) if end <= now => problems.push(AssertionProblem::Expired { at: end }),
            Some(end) if start.is_some_and(|start| end.since(start).as_secs() > LONGEST_LIFE) => {
                problems.push(AssertionProblem::LivesTooLong);
            }
            Some(_) => {}
        }
        if let Some(at) = start.filter(|start| now.plus(CLOCK_SKEW) < *start) {
            problems.push(AssertionProblem::NotYetValid { at });
        }
        if self.issuer().is_some_and(|issuer| entra_tenant(issuer).is_some()) {
            if self.issuer().is_some_and(|issuer| !issuer.ends_with("/v2.0")) {
                problems.push(AssertionProblem::OldIssuer);
            }
            if self.is_for_user {
                problems.push(AssertionProblem::OfUser);
            }
            if self.is_chained {
                problems.push(AssertionProblem::Chained);
            }
        }
        problems
    }

    /// Returns the expiry by the local clock, at `now`. The issuer's clock may differ, so the
    /// remaining lifetime is at most the whole one.
    pub(super) fn expiry_by_local_clock(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.expires_at?;
        let life = self.issued_at.or(self.not_before).map(|start| end.since(start));
        Some(life.map_or(end, |life| end.min(now.plus(life))))
    }

    /// Returns the audience to register.
    pub(super) fn registered_audience<'a>(&'a self, cloud: &Cloud) -> &'a str {
        let of_cloud = cloud.token_exchange_audience();
        match self.audiences().next() {
            None | Some("") => of_cloud,
            Some(_) if self.audiences().any(|audience| audience == of_cloud) => of_cloud,
            Some(first) if is_application(first) => of_cloud,
            Some(first) => first,
        }
    }
}

impl From<&UnverifiedClaims> for PresentedAssertion {
    fn from(claims: &UnverifiedClaims) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let header = claims.header().find(|(name, _)| *name == "alg");
        let number = |name: &str| match claims.get(name)? {
            Value::String(text) => super::github_subject::number(text),
            value => value.as_u64(),
        };
        let audiences = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(String::from).collect(),
            Some(Value::String(one)) => vec![one.clone()],
            _ => Vec::new(),
        };
        Self {
            algorithm: header.and_then(|(_, value)| value.as_str()).map(String::from),
            issuer: text("iss").map(String::from),
            subject: text("sub").map(String::from),
            audiences,
            not_before: claims.not_before(),
            issued_at: claims.issued_at(),
            expires_at: claims.expires_at(),
            github_ids: number("repository_owner_id").zip(number("repository_id")),
            is_managed_identity: claims.get("xms_mirid").is_some(),
            is_for_user: claims.get("scp").is_some() || text("idtyp") == Some("user"),
            is_chained: claims.get("xms_ficinfo").is_some(),
        }
    }
}

/// Returns whether an audience is the one that Entra expects in this cloud. In tokens that Entra
/// issued, it is the ID of an application.
fn is_for_exchange(audience: &str, cloud: &Cloud) -> bool {
    audience == cloud.token_exchange_audience() || is_application(audience)
}

fn is_application(audience: &str) -> bool {
    audience.parse::<Guid>().is_ok_and(|id| id.is(TOKEN_EXCHANGE))
}

/// The ID of the application that Entra represents the token exchange by, in all tenants.
const TOKEN_EXCHANGE: u128 = 0xfb60_f99c_7a34_4190_8149_302f_7746_9936;

/// The longest lifetime of an assertion, in seconds: one day and one hour.
const LONGEST_LIFE: u64 = 25 * 60 * 60;

/// The difference of clocks that is not reported.
const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(5 * 60);
