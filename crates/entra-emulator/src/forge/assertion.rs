//! Assertions of the second issuer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::forge::draft::{Draft, Object, SignatureAlgorithm};
use crate::forge::{Change, Defect, Forged, Part};
use crate::state::State;
use crate::state::keys::{Key, STRANGER};
use crate::state::second_issuer::{GITHUB_SUBJECT, SecondIssuer};
use crate::time::unix;
use crate::well_known::TOKEN_EXCHANGE;

/// A builder of assertions of the second issuer, created by
/// [`Emulator::assertion`](crate::Emulator::assertion).
///
/// It starts with a valid assertion of a GitHub Actions job, for `api://AzureADTokenExchange` and
/// for five minutes. Changes are applied in the order of the calls, and [`token`](Self::token)
/// signs the result.
///
/// ```
/// use entra_emulator::{App, Emulator, FederatedCredential};
///
/// // A credential without an issuer belongs to the second issuer.
/// let subject = "system:serviceaccount:default:worker";
/// let credential = FederatedCredential::new("", subject);
/// let app = App::new("worker").without_secrets();
/// let emulator = Emulator::builder()
///     .second_issuer()
///     .app(app.federated_credential(credential))
///     .build();
/// let assertion = emulator.assertion().subject(subject).token();
/// let body = format!(
///     "grant_type=client_credentials&scope=.default&client_id={}{}{}{}",
///     emulator.client_id(),
///     "&client_assertion_type=",
///     "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
///     format!("&client_assertion={assertion}"),
/// );
/// let request = http::Request::post(emulator.token_url_v2())
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(body.into_bytes());
/// assert_eq!(emulator.handle(request.unwrap()).status(), 200);
/// ```
#[must_use = "`token` creates the assertion"]
#[derive(Clone, Debug)]
pub struct AssertionForge<'a> {
    state: &'a State,
    issuer: &'a SecondIssuer,
    subject: String,
    audience: Value,
    lifetime: Duration,
    key: &'static Key,
    algorithm: SignatureAlgorithm,
    changes: Vec<Change>,
}

impl<'a> AssertionForge<'a> {
    pub(crate) fn new(state: &'a State, issuer: &'a SecondIssuer) -> Self {
        Self {
            state,
            issuer,
            subject: GITHUB_SUBJECT.to_owned(),
            audience: json!(TOKEN_EXCHANGE),
            lifetime: LIFETIME,
            key: issuer.key(),
            algorithm: SignatureAlgorithm::Rs256,
            changes: Vec::new(),
        }
    }

    /// Sets the subject (`sub`).
    pub fn subject(self, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            ..self
        }
    }

    /// Sets the audience (`aud`).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self {
            audience: Value::String(audience.into()),
            ..self
        }
    }

    /// Makes it the token of a service account of a Kubernetes cluster, with a list of audiences
    /// and a lifetime of an hour.
    pub fn kubernetes(self, namespace: &str, account: &str) -> Self {
        let claims = json!({"namespace": namespace, "serviceaccount": {"name": account}});
        Self {
            subject: format!("system:serviceaccount:{namespace}:{account}"),
            audience: match self.audience {
                Value::String(audience) => json!([audience]),
                list => list,
            },
            lifetime: CLUSTER_LIFETIME,
            ..self
        }
        .claim("kubernetes.io", claims)
    }

    /// Sets the lifetime, in whole seconds. The default is five minutes.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets a claim. An existing claim is replaced.
    pub fn claim(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Set(Part::Claims, name.into(), value.into()))
    }

    /// Removes a claim.
    pub fn without_claim(self, name: impl Into<String>) -> Self {
        self.change(Change::Remove(Part::Claims, name.into()))
    }

    /// Sets a parameter of the header. An existing parameter is replaced.
    pub fn header(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(Change::Set(Part::Header, name.into(), value.into()))
    }

    /// Removes a parameter of the header.
    pub fn without_header(self, name: impl Into<String>) -> Self {
        self.change(Change::Remove(Part::Header, name.into()))
    }

    /// Signs with a key that the issuer does not publish, and names it in the header.
    pub fn unpublished_key(self) -> Self {
        Self { key: &STRANGER, ..self }
    }

    /// Signs with another algorithm, and names it in the header.
    pub fn algorithm(self, algorithm: SignatureAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// Adds one defect to the assertion.
    pub fn defect(self, defect: Defect) -> Self {
        self.change(Change::Defect(defect))
    }

    /// Signs the assertion and returns its text.
    pub fn token(self) -> String {
        self.make().token
    }

    pub(crate) fn change(mut self, change: Change) -> Self {
        self.changes.push(change);
        self
    }

    pub(crate) fn make(self) -> Forged {
        let now = unix(self.state.clock.now());
        let lifetime = self.lifetime.as_secs();
        let id = self.state.guid();
        let claims = self.issuer.claims(&self.subject, &self.audience, now, lifetime, &id);
        let claims = Object::from(claims);
        let mut draft = Draft::new(now, self.key, self.algorithm, false, claims);
        for change in self.changes {
            draft.change(change);
        }
        Forged {
            token: draft.sign(),
            header: draft.header,
            claims: draft.claims,
        }
    }
}

/// The lifetime of a token of a cluster.
const CLUSTER_LIFETIME: Duration = Duration::from_secs(3_600);
/// The lifetime of an assertion, as that of a GitHub Actions job.
const LIFETIME: Duration = Duration::from_secs(300);
