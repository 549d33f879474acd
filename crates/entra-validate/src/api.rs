//! The web API that tokens are validated for, and the validation of one token as data in, data out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::error::{Input, InputError};
use entra_proto::{ClientId, Cloud, EndpointVersion, Error, Guid, Timestamp};

use crate::audience::Audience;
use crate::challenge::{self, Parameters};
use crate::issuer::Template;
use crate::keys::KeySet;
use crate::permissions::Permissions;
use crate::principal::Principal;
use crate::profile::Profile;
use crate::rejection::Rejection;
use crate::report::{Log, Report, Silent};
use crate::rule::Rule;
use crate::rules::{self, Facts};
use crate::tenants::Tenants;
use crate::token::Token;

/// The web API that tokens are validated for: the tokens that it accepts, and what its challenges
/// say.
///
/// Cheap to clone. Everything that decides about access is an argument of [`Api::new`], so that
/// nothing is off by default.
///
/// ```
/// use entra_validate::{Api, Audience, Permissions, Tenants};
///
/// let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse()?;
/// let audience = Audience::app("11112222-bbbb-3333-cccc-4444dddd5555".parse()?);
/// let permissions = Permissions::any_of(["ToDoList.Read"], ["ToDoList.Read.All"])?;
/// let api = Api::new(audience, Tenants::One(tenant), permissions)?;
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Api(Arc<Settings>);

#[derive(Clone, Debug)]
struct Settings {
    audience: Audience,
    tenants: Tenants,
    permissions: Permissions,
    cloud: Cloud,
    callers: Option<BTreeSet<ClientId>>,
    signing_keys_of: Option<ClientId>,
    skew: Duration,
    profile: Profile,
    challenge: Parameters,
    /// The issuers of v1 and v2 tokens, where they are known without the cloud's metadata.
    known_issuers: [Option<Template>; 2],
}

impl Api {
    /// An API with this audience, which accepts tokens of these tenants with one of these
    /// permissions, in the public cloud.
    ///
    /// # Errors
    /// Returns an error if the set of tenants is empty.
    pub fn new(audience: Audience, tenants: Tenants, permissions: Permissions) -> Result<Self, Error> {
        if matches!(&tenants, Tenants::AnyOf(some) if some.is_empty()) {
            return Err(InputError::new(Input::Other("tenants"), "are empty")
                .with_hint("name a tenant, or pass Tenants::Any for an API that every tenant may call")
                .into());
        }
        let cloud = Cloud::Public;
        Ok(Self(Arc::new(Settings {
            audience,
            tenants,
            permissions,
            known_issuers: Template::known(&cloud),
            cloud,
            callers: None,
            signing_keys_of: None,
            skew: SKEW,
            profile: Profile::default(),
            challenge: Parameters::default(),
        })))
    }

    /// Sets the cloud: a national one, an external tenant's (`https://contoso.ciamlogin.com`), or
    /// an emulator.
    ///
    /// # Errors
    /// Returns an error if the cloud is an external tenant's and the tenants are not
    /// [`Tenants::One`].
    pub fn with_cloud(mut self, cloud: Cloud) -> Result<Self, Error> {
        if is_external(&cloud) && !matches!(self.0.tenants, Tenants::One(_)) {
            return Err(InputError::new(
                Input::Other("tenants"),
                "are several, and an external tenant issues tokens for itself only",
            )
            .with_hint("pass Tenants::One with the ID of the external tenant")
            .into());
        }
        let settings = Arc::make_mut(&mut self.0);
        settings.known_issuers = Template::known(&cloud);
        settings.cloud = cloud;
        Ok(self)
    }

    /// Accepts these calling applications only, by `azp` or `appid`. An application on its own
    /// behalf must say `idtyp=app` then, which is an optional claim: without it, a user of an
    /// application on the list could pass for the application.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub fn with_callers(mut self, callers: impl IntoIterator<Item = ClientId>) -> Result<Self, Error> {
        let callers: BTreeSet<_> = callers.into_iter().collect();
        if callers.is_empty() {
            return Err(InputError::new(Input::Other("callers"), "are empty")
                .with_hint("name the client ID of an application, or set no callers to accept each")
                .into());
        }
        Arc::make_mut(&mut self.0).callers = Some(callers);
        Ok(self)
    }

    /// Fetches the signing keys of this application, for registrations with keys of their own
    /// (claims mapping): `?appid=` is appended to the address of the metadata.
    #[must_use]
    pub fn with_signing_keys_of(mut self, application: ClientId) -> Self {
        Arc::make_mut(&mut self.0).signing_keys_of = Some(application);
        self
    }

    /// Sets the clock skew that is allowed, in place of 5 minutes.
    ///
    /// # Errors
    /// Returns an error if it is more than [`MAX_SKEW`].
    pub fn with_skew(mut self, skew: Duration) -> Result<Self, Error> {
        if skew > MAX_SKEW {
            return Err(InputError::new(Input::Other("clock skew"), "is more than 10 minutes")
                .with_hint("keep the machine's clock by NTP, and leave the skew at 5 minutes")
                .into());
        }
        Arc::make_mut(&mut self.0).skew = skew;
        Ok(self)
    }

    /// Sets the profile of tokens.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        Arc::make_mut(&mut self.0).profile = profile;
        self
    }

    /// Sets the realm of challenges, in place of the empty one.
    ///
    /// # Errors
    /// Returns an error if it cannot stand in a header.
    pub fn with_realm(mut self, realm: &str) -> Result<Self, Error> {
        let realm = challenge::realm(realm)?;
        Arc::make_mut(&mut self.0).challenge.realm = realm;
        Ok(self)
    }

    /// Sets the `scope` of challenges: the scopes that a client requests, in full, with blanks
    /// between them, such as `api://{client id}/Tools.Call`. Without it, the names of the scopes
    /// needed are sent.
    ///
    /// # Errors
    /// Returns an error if it cannot stand in a header.
    pub fn with_challenge_scope(mut self, scope: &str) -> Result<Self, Error> {
        let scope = challenge::scope(scope)?;
        Arc::make_mut(&mut self.0).challenge.scope = Some(scope);
        Ok(self)
    }

    /// Sets the address of the API's [`ResourceMetadata`](crate::ResourceMetadata), which
    /// challenges then name (RFC 9728, section 5.1).
    ///
    /// # Errors
    /// Returns an error if it is not an `https` URL, or plain `http` on this machine.
    pub fn with_resource_metadata(mut self, url: &str) -> Result<Self, Error> {
        let url = challenge::metadata_url(url)?;
        Arc::make_mut(&mut self.0).challenge.resource_metadata = Some(url);
        Ok(self)
    }

    /// The address of the API's metadata that challenges name, if one is set.
    #[must_use]
    pub fn resource_metadata(&self) -> Option<&str> {
        self.0.challenge.resource_metadata.as_deref()
    }

    /// Starts the validation of a token: applies the rules up to the one that needs the signing
    /// keys.
    ///
    /// A driver is one total match:
    ///
    /// ```
    /// # use entra_proto::Timestamp;
    /// # use entra_validate::{Api, KeySet, Principal, Rejection, Step};
    /// # fn validate(api: &Api, token: &str, now: Timestamp, keys_for: impl Fn(&str) -> Result<KeySet, Rejection>) -> Result<Principal, Rejection> {
    /// match api.start(token, now) {
    ///     Step::Done(verdict) => verdict,
    ///     Step::NeedKeys(token) => {
    ///         let keys = keys_for(token.kid())?;
    ///         token.judge(&keys)
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn start<'t>(&self, token: &'t str, now: Timestamp) -> Step<'t> {
        match self.start_logged(token, now, &mut Silent) {
            Ok(needs) => Step::NeedKeys(needs),
            Err(rejection) => Step::Done(Err(rejection)),
        }
    }

    /// Returns the outcome of each rule for a token, with these keys.
    #[must_use]
    pub fn report(&self, token: &str, keys: &KeySet, now: Timestamp) -> Report {
        let mut report = Report::new();
        if let Ok(needs) = self.start_logged(token, now, &mut report) {
            // The report holds the verdict.
            let _ = needs.judge_logged(keys, &mut report);
        }
        report
    }

    pub(crate) fn start_logged<'t>(
        &self,
        token: &'t str,
        now: Timestamp,
        log: &mut impl Log,
    ) -> Result<NeedKeys<'t>, Rejection> {
        let token = match Token::read(token) {
            Ok(token) => {
                log.note(Rule::Form, &Ok(()));
                token
            }
            Err(rejection) => {
                log.note(Rule::Form, &Err(rejection.clone()));
                return Err(rejection);
            }
        };
        let facts = Facts {
            api: self,
            token: &token,
            keys: None,
            now,
        };
        let next = rules::apply(&facts, 0, log)?;
        Ok(NeedKeys {
            api: self.clone(),
            token,
            now,
            next,
        })
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.0.cloud
    }

    /// The audience.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// The tenants.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.0.tenants
    }

    /// The permissions.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.0.permissions
    }

    /// The profile of tokens.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.0.profile
    }

    pub(crate) fn skew(&self) -> Duration {
        self.0.skew
    }

    pub(crate) fn callers(&self) -> Option<&BTreeSet<ClientId>> {
        self.0.callers.as_ref()
    }

    pub(crate) fn challenge(&self) -> &Parameters {
        &self.0.challenge
    }

    pub(crate) fn known_issuer(&self, version: EndpointVersion) -> Option<&Template> {
        let [v1, v2] = &self.0.known_issuers;
        match version {
            EndpointVersion::V1 => v1.as_ref(),
            EndpointVersion::V2 => v2.as_ref(),
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        is_external(&self.0.cloud)
    }

    /// The address of the metadata: that of the one tenant, else the one for all tenants. No token
    /// has a say in it.
    #[must_use]
    pub fn metadata_url(&self, version: EndpointVersion) -> String {
        let path = match version {
            EndpointVersion::V1 => ".well-known/openid-configuration",
            EndpointVersion::V2 => "v2.0/.well-known/openid-configuration",
        };
        let url = format!("{}/{}/{path}", self.0.cloud.origin(), self.tenant_segment());
        match self.0.signing_keys_of {
            Some(application) => format!("{url}?appid={application}"),
            None => url,
        }
    }

    /// The address that a claims challenge names.
    pub(crate) fn authorization_uri(&self) -> String {
        format!(
            "{}/{}/oauth2/v2.0/authorize",
            self.0.cloud.origin(),
            self.tenant_segment()
        )
    }

    /// The issuers of the tenants, as RFC 9728 wants them: without a placeholder.
    pub(crate) fn authorization_servers(&self) -> Vec<String> {
        let of = |tenant: &str| format!("{}/{tenant}/v2.0", self.0.cloud.origin());
        match &self.0.tenants {
            // The host of the issuer is the tenant's ID there, whatever its other names are.
            Tenants::One(one) if self.is_external() => vec![format!("https://{one}.ciamlogin.com/{one}/v2.0")],
            Tenants::One(one) => vec![of(&one.to_string())],
            Tenants::AnyOf(some) => some.iter().map(|tenant: &Guid| of(&tenant.to_string())).collect(),
            // No issuer stands for all tenants: this is the address that clients of any of them can
            // use.
            Tenants::Any => vec![of("organizations")],
        }
    }

    fn tenant_segment(&self) -> String {
        match &self.0.tenants {
            Tenants::One(one) => one.to_string(),
            Tenants::AnyOf(_) | Tenants::Any => "common".to_owned(),
        }
    }
}

/// The next step of a validation. It is complete: there are no other steps.
#[derive(Debug)]
// It lives on the stack of one validation: a box would be an allocation for each request.
#[allow(clippy::large_enum_variant)]
pub enum Step<'t> {
    /// The signing keys are needed.
    NeedKeys(NeedKeys<'t>),
    /// The verdict.
    Done(Result<Principal, Rejection>),
}

/// A token that waits for its signing keys. Nothing of it is believed yet.
#[derive(Debug)]
pub struct NeedKeys<'t> {
    api: Api,
    token: Token<'t>,
    now: Timestamp,
    /// The place of the next rule.
    next: usize,
}

impl NeedKeys<'_> {
    /// The version whose keys are needed: each has a metadata document of its own.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.token.version()
    }

    /// The key that is needed.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.token.kid()
    }

    /// Applies the rules that are left, with these keys.
    ///
    /// # Errors
    /// Returns the first rule's rejection.
    pub fn judge(self, keys: &KeySet) -> Result<Principal, Rejection> {
        self.judge_logged(keys, &mut Silent)
    }

    pub(crate) fn judge_logged(self, keys: &KeySet, log: &mut impl Log) -> Result<Principal, Rejection> {
        let facts = Facts {
            api: &self.api,
            token: &self.token,
            keys: Some(keys),
            now: self.now,
        };
        rules::apply(&facts, self.next, log)?;
        self.token.into_principal()
    }
}

fn is_external(cloud: &Cloud) -> bool {
    cloud.host().ends_with(".ciamlogin.com")
}

/// The clock skew that is allowed where none is set: 5 minutes, as in Microsoft's own libraries.
const SKEW: Duration = Duration::from_secs(300);

/// The most clock skew that can be allowed: 10 minutes.
pub const MAX_SKEW: Duration = Duration::from_secs(600);
