//! Tokens without user interaction: from the cache on disk, or by the stored account of a user.
//!
//! The cache serves app-only tokens with `--cache` and user tokens with `--account`. Commands that
//! run at the same time send one request.

use clap::Args;
use entra_client::blocking::Client;
use entra_client::{Error, Policy, Token, TokenOptions, User};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, Authority, ClientCredential, Cloud, Target, Tenant, TokenRequest};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::excerpt;
use crate::sanitize::shell_quoted;
use crate::settings::{ApplicationSettings, cloud_at};
use crate::source::{Source, Traced};
use crate::store::{
    Account, AccountFilter, CachedToken, Purpose, RequestFailure, Store, StoreSettings, TokenName, acquire, failure,
};
use crate::token_settings::TokenSettings;

/// The options for stored accounts and cached tokens.
#[derive(Args)]
pub(crate) struct CacheSettings {
    /// Get the token for a user who signed in with `entra login`, without interaction: for USER, or
    /// for the only matching account
    #[arg(long, value_name = "USER", num_args = 0..=1, default_missing_value = "", conflicts_with = "cache")]
    account: Option<String>,

    /// Cache the application's token in an encrypted file, and reuse it while it is fresh
    ///
    /// A token that was issued for another credential is not reused. A token that an API rejects is
    /// reused: add --refresh once. `entra cache clear` removes the cached tokens.
    #[arg(long)]
    cache: bool,

    /// With --cache or --account: request a new token, even if one is cached
    #[arg(long)]
    refresh: bool,

    #[command(flatten)]
    store: Traced<StoreSettings>,
}

/// A token that was acquired without interaction.
pub(crate) struct Silent {
    pub(crate) token: CachedToken,
    pub(crate) is_cached: bool,
    pub(crate) authority: Authority,
    pub(crate) account: Option<Account>,
}

impl CacheSettings {
    /// Returns true if the options select the cache or a stored account.
    pub(crate) fn is_enabled(&self) -> bool {
        self.account.is_some() || self.cache
    }

    /// Requests a new token even if one is cached.
    pub(crate) fn force_refresh(&mut self) {
        self.refresh = true;
    }

    /// Returns true if the token is for a user with a stored account.
    pub(crate) fn is_for_account(&self) -> bool {
        self.account.is_some()
    }

    /// Rejects invalid combinations of options.
    ///
    /// # Errors
    /// Returns an error that names the options.
    pub(crate) fn check(&self, wanted: &TokenSettings, is_for_application: bool) -> Result<(), Failure> {
        if self.refresh && !self.is_enabled() {
            let problem = "--refresh requires --cache or --account";
            return Err(
                Failure::text(Exit::Usage, problem).hint("remove it: without --cache or --account each token is new")
            );
        }
        for name in ["store", "store_key"] {
            if let (false, Source::Flag(flag)) = (self.is_enabled(), self.store.source(name)) {
                let problem = format!("{flag} requires --cache or --account");
                return Err(Failure::text(Exit::Usage, problem)
                    .hint("remove it: without --cache or --account nothing is stored"));
            }
        }
        if let (Some(option), true) = (wanted.principal_option(), self.is_enabled()) {
            let own = if self.cache { "--cache" } else { "--account" };
            let problem = format!("{own} cannot be used with {option}");
            return Err(Failure::text(Exit::Usage, problem).hint(match self.cache {
                true => "remove it: only tokens of applications are cached on disk",
                false => "remove one of them",
            }));
        }
        if self.cache && !is_for_application {
            let problem = "--cache is only for app-only tokens";
            return Err(Failure::text(Exit::Usage, problem).hint("use `entra login` and --account for tokens of users"));
        }
        Ok(())
    }

    /// Returns a token from the cache, or requests one.
    pub(crate) fn token(&self, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        match &self.account {
            Some(user) => self.of_account(user, wanted, policy),
            None => self.of_application(wanted, policy),
        }
    }

    fn of_application(&self, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        let application = wanted.application(false, false)?;
        if matches!(application.credential(), ClientCredential::Acquired(_)) {
            let problem = "--cache cannot be used with --federated-source";
            return Err(Failure::text(Exit::Usage, problem)
                .hint("remove it: without a request, nothing proves that a cached token belongs to this credential"));
        }
        let client = built(wanted, application.clone(), policy)?;
        let proof = proof(application.credential())?;
        let (target, options) = (wanted.target()?, wanted.options()?);
        let authority = application.authority().clone();
        let request = || client.token_with(&target, &options);
        let silent = |token, is_cached| Silent {
            token,
            is_cached,
            authority: authority.clone(),
            account: None,
        };
        let opened = self.store.settings.open().and_then(|store| {
            let key = with_claims(application.client_credentials(target.clone())?, wanted)?;
            // The region changes the endpoint. The credential proves that the caller is the one to
            // whom the token was issued.
            let region = format!("{authority:?}");
            let others = [region.as_bytes(), &proof];
            let name = TokenName::of_application(&store, application.client_id(), &key, &others)?;
            Ok((store, name))
        });
        let (store, name) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                failure.warn("the cache is not used");
                return Ok(silent(CachedToken::from(&request()?), false));
            }
        };
        let acquired = acquire(&store, &name, self.refresh, wanted.timeout(), || {
            let token = CachedToken::from(&request()?);
            if let Err(error) = store.database.change_secrets(|secrets| name.put(secrets, &token)) {
                failure(error).warn("the token is not cached");
            }
            Ok(token)
        });
        let (token, is_cached) = acquired?;
        Ok(silent(token, is_cached))
    }

    fn of_account(&self, user: &str, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        let store = self.store.settings.open_existing()?;
        let user = Some(user.trim().to_owned()).filter(|user| !user.is_empty());
        let (required, preferred) = account_filters(wanted.settings(), user)?;
        let account = store.account(&required, &preferred, Purpose::Token)?;
        let authority = Authority::new(cloud_at(&account.origin)?, Tenant::Id(account.tenant))?;
        let application = ApplicationSettings::application_of_account(
            wanted.settings(),
            authority.clone(),
            account.client_id,
            account.is_public,
        )?;
        let client = built(wanted, application.clone(), policy)?;
        let target = wanted.target()?;
        let name = TokenName::of_account(&store, &account, &account_key(&application, &target, Some(wanted))?)?;
        let renewal = Renewal {
            store: &store,
            name: &name,
            client: &client,
            target: &target,
            options: &wanted.options()?,
        };
        let acquired = acquire(&store, &name, self.refresh, wanted.timeout(), || {
            renewal
                .request(&account)
                .map_err(|error| error.with_sign_in_hint(&account, wanted))
        });
        let (token, is_cached) = acquired?;
        Ok(Silent {
            token,
            is_cached,
            authority,
            account: Some(account),
        })
    }
}

/// A request for a token by the refresh token of an account.
struct Renewal<'a> {
    store: &'a Store,
    name: &'a TokenName,
    client: &'a Client,
    target: &'a Target,
    options: &'a TokenOptions,
}

/// The error of a [`Renewal`].
enum RenewalError {
    Client(Error),
    Other(Failure),
}

impl Renewal<'_> {
    /// Requests a token, and stores it together with the new refresh token. If the service rejects
    /// the refresh token and another command or a sign-in has replaced it meanwhile, tries the new
    /// one.
    fn request(&self, account: &Account) -> Result<CachedToken, RenewalError> {
        let mut is_second = false;
        loop {
            let current = account
                .reread(self.store)
                .map_err(RenewalError::Other)?
                .ok_or_else(|| {
                    let failure = Failure::text(Exit::Credential, "the account was removed by another command");
                    RenewalError::Other(failure.hint("sign in again with `entra login`"))
                })?;
            let sent = current.refresh_token.clone();
            let user = User::from_refresh_token(current.tenant, sent.clone());
            let error = match self.client.user(&user).token_with(self.target, self.options) {
                Ok(token) => return Ok(self.save(&current, &user, &sent, &token)),
                Err(error) => error,
            };
            let was_replaced = || {
                let now = account.reread(self.store).ok().flatten();
                now.is_some_and(|now| now.refresh_token.expose() != sent.expose())
            };
            if is_second || error.class() != ErrorClass::Grant || !was_replaced() {
                return Err(RenewalError::Client(error));
            }
            is_second = true;
        }
    }

    fn save(&self, account: &Account, user: &User, sent: &RefreshToken, token: &Token) -> CachedToken {
        let cached = CachedToken::from(token);
        let newer = user.refresh_token().unwrap_or_else(|| sent.clone());
        let saved = self.store.database.change_secrets(|secrets| {
            // An account that was removed by another command is not stored again.
            if account.rotate(self.store, secrets, sent, &newer)? {
                self.name.put(secrets, &cached)?;
            }
            Ok(())
        });
        if let Err(error) = saved {
            failure(error).warn("the new refresh token is not stored");
        }
        cached
    }
}

impl RenewalError {
    /// Converts the error, with the command to sign in again as the hint if a sign-in is required.
    fn with_sign_in_hint(self, account: &Account, wanted: &TokenSettings) -> RequestFailure {
        let error = match self {
            Self::Client(error) => error,
            Self::Other(failure) => return failure.into(),
        };
        let (exit, what) = match error.class() {
            ErrorClass::Grant | ErrorClass::Interaction => (Exit::Rejected, "must sign in again"),
            ErrorClass::Consent => (Exit::Permission, "or an administrator must consent"),
            _ => return error.into(),
        };
        let user = excerpt(&account.username, 100);
        // The claims for the sign-in come from the service, or from the API's challenge before.
        let requested = || wanted.claims().ok().flatten().map(|claims| claims.as_str().to_owned());
        let of_service = error.service().and_then(|service| service.claims.clone());
        let too_long = if of_service.is_some() {
            "add --claims with the member claims of the -o json error"
        } else {
            "add --claims with the same claims"
        };
        let command = format!(
            "{user} {what}: {} {}",
            login_command(account),
            wanted.target_arguments()
        );
        let failure = Failure::new(exit, error);
        let failure = match of_service.or_else(requested) {
            None => failure.hint_instead(command),
            Some(claims) if claims.len() <= LONGEST_CLAIMS => {
                failure.hint_instead(format!("{command} --claims {}", shell_quoted(&claims)))
            }
            Some(_) => failure.hint_instead(command).hint(too_long),
        };
        failure.into()
    }
}

/// The maximum length of claims in a hint, in bytes.
const LONGEST_CLAIMS: usize = 1000;

/// Returns the command that signs this account in again.
fn login_command(account: &Account) -> String {
    let mut command = format!(
        "entra login --client-id {} --tenant {}",
        account.client_id, account.tenant
    );
    if account.origin != Cloud::Public.origin() {
        command += &format!(" --authority-host {}", shell_quoted(&account.origin));
    }
    command
}

/// Returns the cache key of an account's token.
pub(crate) fn account_key(
    application: &Application,
    target: &Target,
    wanted: Option<&TokenSettings>,
) -> Result<CacheKey, Failure> {
    // The account is part of the token's name. Its refresh token changes, so a fixed one stands in.
    let request = application.refresh(RefreshToken::new("kept")?, target.clone())?;
    match wanted {
        Some(wanted) => with_claims(request, wanted),
        None => Ok(request.cache_key()),
    }
}

fn with_claims(request: TokenRequest, wanted: &TokenSettings) -> Result<CacheKey, Failure> {
    let request = match wanted.claims()? {
        Some(claims) => request.with_claims(claims.as_str())?,
        None => request,
    };
    Ok(request.cache_key())
}

fn built(wanted: &TokenSettings, application: Application, policy: Policy) -> Result<Client, Failure> {
    Ok(wanted.client_of(application, policy)?.build()?)
}

/// Returns bytes that identify a credential. A federated token changes with each request, so its
/// issuer and subject identify it.
fn proof(credential: &ClientCredential) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(Zeroizing::new(match credential {
        ClientCredential::Secret(secret) | ClientCredential::BasicSecret(secret) => secret.expose().as_bytes().to_vec(),
        ClientCredential::Certificate(certificate) => certificate.certificate().sha256().to_vec(),
        ClientCredential::Federated(federated) => {
            let assertion = federated.assertion()?;
            // A token without these claims identifies only itself.
            match UnverifiedClaims::decode(assertion.expose()) {
                Ok(claims) => format!("{:?}", (claims.issuer(), claims.subject())).into_bytes(),
                Err(_) => assertion.expose().as_bytes().to_vec(),
            }
        }
        _ => Vec::new(),
    }))
}

/// Returns the filters for the account: one by the options, which must match, and one by variables
/// and the profile, which selects among several matches.
pub(crate) fn account_filters(
    traced: &Traced<ApplicationSettings>,
    user: Option<String>,
) -> Result<(AccountFilter, AccountFilter), Failure> {
    let settings = &traced.settings;
    let is_flag = |name: &str| matches!(traced.source(name), Source::Flag(_));
    settings.profile()?;
    let is_preferred = |name: &str| matches!(traced.origin(name), Ok(Source::Variable(_) | Source::Profile(_)));
    let required = AccountFilter {
        user,
        tenant: is_flag("tenant").then(|| settings.tenant()).transpose()?,
        client_id: is_flag("client_id").then(|| settings.client_id()).transpose()?,
        origin: is_flag("authority_host")
            .then(|| settings.cloud())
            .transpose()?
            .map(|cloud| cloud.origin().to_owned()),
    };
    let preferred = AccountFilter {
        user: None,
        tenant: is_preferred("tenant").then(|| settings.tenant().ok()).flatten(),
        client_id: is_preferred("client_id").then(|| settings.client_id().ok()).flatten(),
        origin: is_preferred("authority_host")
            .then(|| settings.cloud().ok())
            .flatten()
            .map(|cloud| cloud.origin().to_owned()),
    };
    Ok((required, preferred))
}

#[cfg(test)]
mod tests {
    use entra_proto::ClientSecret;
    use entra_proto::assertion::{ClientAssertion, FederatedCredential};

    use super::*;

    #[test]
    fn credentials_are_distinguished() {
        // {"alg":"none"}, then {"iss":"i","sub":"s","n":1}, the same with "n":2, and one with
        // another subject.
        let jwt = |claims: &str| format!("eyJhbGciOiJub25lIn0.{claims}.c2ln");
        let federated =
            |token: String| FederatedCredential::new(move |_: &str| ClientAssertion::new(token.clone())).into();
        let secret = |text: &str| ClientCredential::from(ClientSecret::new(text).unwrap());
        let proofs: Vec<_> = [
            federated(jwt("eyJpc3MiOiJpIiwic3ViIjoicyIsIm4iOjF9")),
            federated(jwt("eyJpc3MiOiJpIiwic3ViIjoicyIsIm4iOjJ9")),
            federated(jwt("eyJpc3MiOiJpIiwic3ViIjoidCIsIm4iOjF9")),
            secret("one"),
            secret("two"),
        ]
        .iter()
        .map(|credential| proof(credential).unwrap())
        .collect();
        // The platform rewrites the token: issuer and subject stay the same.
        assert_eq!(proofs[0], proofs[1]);
        for one in 1..proofs.len() {
            assert!(proofs[one + 1..].iter().all(|other| *other != proofs[one]), "{one}");
        }
        let gone = FederatedCredential::new(|_: &str| ClientAssertion::new("no token")).into();
        assert!(proof(&gone).is_err());
    }
}
