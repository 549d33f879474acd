//! Federated credentials: assertions that another issuer signed for a workload.

use http::header::CONTENT_TYPE;
use http::{Method, Request};
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::Value;

use crate::aadsts::Rejection;
use crate::config::{App, FederatedCredential, Tenant, TokenVersion};
use crate::exchange::{Exchange, FetchedKeys};
use crate::form::{Form, is_form};
use crate::protocol::token::assertion::{Assertion, malformed, required};
use crate::protocol::token::form::LONGEST_FORM;
use crate::state::State;
use crate::state::directory::agents;
use crate::state::jwks::Jwks;
use crate::well_known::{TOKEN_EXCHANGE, TOKEN_EXCHANGE_APP_ID};

/// The claims of an assertion that are compared with credentials.
struct Presented<'a> {
    state: &'a State,
    issuer: &'a str,
    subject: &'a str,
    audiences: Vec<&'a str>,
    assertion: &'a Assertion,
    /// The tenant of this service that issued the assertion, if there is one.
    tenant: Option<&'a Tenant>,
}

impl Assertion {
    /// Verifies the assertion of another issuer: the credential that it matches, its kind, its
    /// algorithm, its times and its signature, in this order. No document of Entra states the
    /// order, so it is an assumption: it decides only the code of an assertion with several
    /// problems.
    ///
    /// # Errors
    /// Returns 700211, 700213, 7002131, 7002138, 700212, 7002121, 700214 or 70021 if no credential
    /// matches; 700229, 700231 or 700222 for an unsuitable token of this service; and 5002738,
    /// 700024, 70023, 50166, 7000272 or 700027.
    pub(super) fn verify_federated(&self, exchange: &Exchange<'_>, app: &App) -> Result<(), Rejection> {
        let presented = Presented::read(exchange.state, self)?;
        match &app.agent_of {
            Some(blueprint) => presented.check_agent(app, blueprint)?,
            None => presented.check_match(&app.federated_credentials)?,
        }
        presented.check_token()?;
        self.check_federated_algorithm()?;
        self.check_federated_times(exchange)?;
        let keys = presented.keys(exchange)?;
        presented.check_signature(&keys)
    }
}

impl<'a> Presented<'a> {
    fn read(state: &'a State, assertion: &'a Assertion) -> Result<Self, Rejection> {
        let issuer = required("iss", assertion.claims.iss.as_ref())?;
        let subject = assertion.subject()?;
        let audiences = match &assertion.claims.aud {
            Some(Value::String(audience)) => vec![audience.as_str()],
            // Tokens of a cluster have a list.
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(_) => return Err(malformed("aud is neither a string nor a list")),
            // The issuer is checked before the audience.
            None => Vec::new(),
        };
        Ok(Self {
            state,
            issuer,
            subject,
            audiences,
            assertion,
            tenant: own_tenant(state, issuer),
        })
    }

    /// Checks that one credential matches issuer, subject and audience.
    fn check_match(&self, credentials: &[FederatedCredential]) -> Result<(), Rejection> {
        let of_issuer: Vec<_> = credentials.iter().filter(|one| one.issuer == self.issuer).collect();
        if of_issuer.is_empty() {
            return Err(Rejection::new(700211).with(self.issuer));
        }
        let mut of_subject = of_issuer.iter().filter(|one| self.is_subject_of(one)).peekable();
        if of_subject.peek().is_none() {
            return Err(self.wrong_subject(&of_issuer));
        }
        if of_subject.clone().any(|one| self.is_audience_of(one)) {
            return Ok(());
        }
        let audience = *self
            .audiences
            .first()
            .ok_or_else(|| Rejection::new(90014).with("aud"))?;
        if of_issuer.iter().any(|one| self.is_audience_of(one)) {
            let rejection = Rejection::new(70021).with(self.issuer).with(self.subject);
            return Err(rejection.with(audience));
        }
        let is_by_id = |one: &&FederatedCredential| one.audiences.iter().any(|named| named == TOKEN_EXCHANGE_APP_ID);
        let code = if audience == TOKEN_EXCHANGE_APP_ID && of_subject.any(is_by_id) {
            700214
        } else if self.issuer.starts_with(STS) {
            7002121
        } else {
            700212
        };
        Err(Rejection::new(code).with(audience))
    }

    /// Returns the error for a subject that none of the credentials of the issuer has.
    fn wrong_subject(&self, of_issuer: &[&FederatedCredential]) -> Rejection {
        let mut subjects = of_issuer.iter().filter_map(|one| one.subject.as_ref());
        let code = if subjects.any(|subject| subject.to_lowercase() == self.subject.to_lowercase()) {
            7002138
        } else if of_issuer.iter().any(|one| one.claims_matching_expression.is_some()) {
            7002131
        } else {
            700213
        };
        Rejection::new(code).with(self.subject)
    }

    /// Checks that the assertion is a token of this blueprint for this agent, in the tenant of the
    /// agent. The codes are assumptions: those of a credential for such a token.
    fn check_agent(&self, agent: &App, blueprint: &str) -> Result<(), Rejection> {
        let home = agent
            .home_tenant
            .as_deref()
            .and_then(|name| self.state.directory.tenant(name));
        let is_home = |tenant: &&Tenant| home.is_some_and(|home| home.id == tenant.id);
        let Some(tenant) = self.tenant.filter(is_home) else {
            return Err(Rejection::new(700211).with(self.issuer));
        };
        let subject = agents::subject(&tenant.id, blueprint, &agent.client_id);
        self.check_match(&[FederatedCredential::new(self.issuer, subject).audience(TOKEN_EXCHANGE)])
    }

    fn is_subject_of(&self, credential: &FederatedCredential) -> bool {
        match (&credential.subject, &credential.claims_matching_expression) {
            (Some(subject), _) => subject == self.subject,
            (None, Some(matching)) => matching
                .expression()
                .is_ok_and(|expression| expression.is_true(self.subject, &self.assertion.claims.others)),
            (None, None) => false,
        }
    }

    /// Returns true if the audience of a credential is that of the assertion. A token of this
    /// service names the token exchange by its application ID, and a credential by its URI.
    fn is_audience_of(&self, credential: &FederatedCredential) -> bool {
        let is_own = self.tenant.is_some() && self.audiences.contains(&TOKEN_EXCHANGE_APP_ID);
        let exchange = self.state.directory.api(TOKEN_EXCHANGE_APP_ID).filter(|_| is_own);
        credential.audiences.iter().any(|audience| match exchange {
            Some(api) => api.identifiers.contains(audience),
            None => self.audiences.contains(&audience.as_str()),
        })
    }

    /// Checks that a token of this service is app-only and was not obtained with a federated
    /// credential, and that it is of a user-assigned managed identity. That other tokens cause
    /// AADSTS700222 is an assumption.
    fn check_token(&self) -> Result<(), Rejection> {
        if self.tenant.is_none() {
            return Ok(());
        }
        let claims = &self.assertion.claims.others;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if claims.contains_key("scp") || text("idtyp").is_some_and(|kind| kind != "app") || text("oid").is_none() {
            return Err(Rejection::new(700229));
        }
        // Tokens for agents have the claim, however their blueprint authenticated.
        if agents::is_managed_subject(self.subject) {
            return Ok(());
        }
        if claims.contains_key(FICINFO) {
            return Err(Rejection::new(700231));
        }
        let is_identity = text("xms_mirid").is_some_and(|id| id.to_ascii_lowercase().contains(USER_ASSIGNED));
        match is_identity {
            true => Ok(()),
            false => Err(Rejection::new(700222)),
        }
    }

    /// Returns the keys of the issuer.
    fn keys(&self, exchange: &Exchange<'_>) -> Result<Jwks, Rejection> {
        let failed = |why: &str| Rejection::new(50166).with(self.issuer).with(why);
        match known_keys(self.state, self.issuer) {
            Some(keys) => Ok(keys),
            None => match &exchange.fetched_keys {
                Some(FetchedKeys(Ok(keys))) => Ok(keys.clone()),
                Some(FetchedKeys(Err(why))) => Err(failed(why)),
                None => Err(failed(
                    "without a socket, the emulator knows only the keys of its configuration",
                )),
            },
        }
    }

    fn check_signature(&self, keys: &Jwks) -> Result<(), Rejection> {
        let assertion = self.assertion;
        let id = match &assertion.header.kid {
            None => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err(malformed("kid is not a string")),
        };
        let named: Vec<_> = keys.named(id).collect();
        if named.is_empty() {
            let id = id.unwrap_or_default();
            return Err(Rejection::new(7000272).with(id).with(self.issuer));
        }
        let is_valid = named.iter().filter_map(|key| key.decoding()).any(|key| {
            // The provider is named explicitly, because the process-wide default may be a
            // different one.
            (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::RS256, &key)
                .is_ok_and(|verifier| verifier.verify(assertion.signed_part(), &assertion.signature).is_ok())
        });
        match is_valid {
            true => Ok(()),
            false => Err(Rejection::new(700027)
                .with("Key was found, but use of the key to verify the signature failed.")
                .with(id.unwrap_or_default())
                .with("")),
        }
    }
}

/// Returns the issuer whose keys must be fetched before a request is handled: that of the client
/// assertion, if the client is registered with it and the emulator does not have its keys.
pub(crate) fn issuer_to_fetch(state: &State, request: &Request<Vec<u8>>) -> Option<String> {
    let path = request.uri().path().trim_end_matches('/').to_ascii_lowercase();
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let is_token_request = request.method() == Method::POST && path.ends_with("/token") && is_form(content_type);
    if !is_token_request || request.body().len() > LONGEST_FORM {
        return None;
    }
    let form = Form::parse(request.body());
    let app = state.directory.app(form.value("client_id")?)?;
    let assertion = Assertion::parse(form.value("client_assertion")?).ok()?;
    let presented = Presented::read(state, &assertion).ok()?;
    presented.check_match(&app.federated_credentials).ok()?;
    let is_known = known_keys(state, presented.issuer).is_some();
    (!is_known).then(|| presented.issuer.to_owned())
}

/// Returns the keys of an issuer if they need not be fetched.
fn known_keys(state: &State, issuer: &str) -> Option<Jwks> {
    if let Some(keys) = state.issuer_keys.get(issuer) {
        return Some(keys.clone());
    }
    if state.second_issuer.as_ref().is_some_and(|second| second.url == issuer) {
        return Some(Jwks::of(&[&crate::state::keys::SECOND]));
    }
    own_tenant(state, issuer).map(|_| Jwks::of(&state.keys.published()))
}

/// Returns the tenant whose tokens have this issuer.
fn own_tenant<'a>(state: &'a State, issuer: &str) -> Option<&'a Tenant> {
    state.directory.tenants.iter().find(|tenant| {
        [TokenVersion::V1, TokenVersion::V2]
            .iter()
            .any(|version| state.issuers.is_issuer(issuer, tenant, *version))
    })
}

/// The claim of a token that was obtained with a federated credential. Its value is opaque.
pub(crate) const FICINFO: &str = "xms_ficinfo";
const STS: &str = "https://sts.windows.net/";
/// A part of the resource ID of every user-assigned managed identity, in lower case.
const USER_ASSIGNED: &str = "/microsoft.managedidentity/userassignedidentities/";
