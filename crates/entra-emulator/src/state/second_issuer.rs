//! The second issuer: it issues assertions for federated credentials, like a pipeline or a cluster.

use serde_json::{Value, json};

use crate::config::{Config, FederatedCredential};
use crate::seed::Generator;
use crate::state::keys::{Key, SECOND};

/// The issuer of assertions beside the token service.
#[derive(Debug)]
pub(crate) struct SecondIssuer {
    /// The `iss` of its assertions. Its metadata is below this URL.
    pub(crate) url: String,
    /// The token that a job sends in requests for assertions.
    pub(crate) request_token: String,
    /// The ID of the service connection [`CONNECTION`].
    pub(crate) connection_id: String,
}

impl SecondIssuer {
    pub(super) fn new(base_url: &str, seed: u64) -> Self {
        let mut generator = Generator::named(seed, "second issuer");
        Self {
            url: format!("{base_url}/{SEGMENT}"),
            request_token: generator.secret(),
            connection_id: generator.guid(),
        }
    }

    /// Returns the key that signs its assertions.
    pub(crate) fn key(&self) -> &'static Key {
        &SECOND
    }

    /// Returns the claims that all its assertions have, for a lifetime in seconds.
    pub(crate) fn claims(&self, subject: &str, audience: &Value, now: u64, lifetime: u64, id: &str) -> Value {
        json!({
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now.saturating_add(lifetime),
            "jti": id,
        })
    }

    /// Makes the credentials without an issuer its own, and registers the default app with the
    /// subjects of its endpoints.
    pub(super) fn register(&self, config: &mut Config) {
        let defaults = SUBJECTS
            .iter()
            .map(|(name, subject)| FederatedCredential::new(&self.url, *subject).name(*name));
        config.default_credentials.extend(defaults);
        let credentials = config.apps.iter_mut().flat_map(|app| &mut app.federated_credentials);
        for credential in credentials.filter(|credential| credential.issuer.is_empty()) {
            credential.issuer.clone_from(&self.url);
        }
    }
}

/// The first segment of the issuer's paths.
pub(crate) const SEGMENT: &str = "second-issuer";

/// The subjects of the issuer's endpoints, and the names of the credentials for them.
const SUBJECTS: &[(&str, &str)] = &[
    ("github-actions", GITHUB_SUBJECT),
    ("azure-pipelines", PIPELINES_SUBJECT),
    ("kubernetes", KUBERNETES_SUBJECT),
    ("google", GOOGLE_SUBJECT),
];

/// The subject of a GitHub Actions job for the branch `main`.
pub(crate) const GITHUB_SUBJECT: &str = "repo:contoso/app:ref:refs/heads/main";
/// The subject of an Azure Pipelines job with the service connection [`CONNECTION`].
const PIPELINES_SUBJECT: &str = "sc://contoso/app/connection";
/// The subject of the service account [`ACCOUNT`].
const KUBERNETES_SUBJECT: &str = "system:serviceaccount:default:app";
/// The subject of a Google service account: its unique ID.
pub(crate) const GOOGLE_SUBJECT: &str = "107517467455664443766";
/// The namespace and the name of the service account of a cluster.
pub(crate) const ACCOUNT: (&str, &str) = ("default", "app");
/// The name of the service connection of Azure Pipelines.
pub(crate) const CONNECTION: &str = "connection";
