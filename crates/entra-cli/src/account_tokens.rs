//! Tokens for the stored account of a user, by its refresh token.
//!
//! Commands that run at the same time send one request. The newest refresh token is stored with
//! each access token.

use std::time::Duration;

use entra_client::blocking::Client;
use entra_client::{Error, Policy, Token, TokenOptions, User};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;
use entra_proto::claims::ClaimsRequest;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, Authority, Cloud, Target, Tenant, TokenRequest};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::excerpt;
use crate::sanitize::shell_quoted;
use crate::settings::{ApplicationSettings, NetworkSettings, cloud_at};
use crate::source::{Source, Traced};
use crate::store::{Account, AccountFilter, CachedToken, Purpose, RequestFailure, Store, TokenName, acquire, failure};

/// A stored account, and the client that requests its tokens.
pub(crate) struct AccountTokens {
    store: Store,
    pub(crate) account: Account,
    application: Application,
    client: Client,
}

/// The token that is requested.
pub(crate) struct Question<'a> {
    pub(crate) target: &'a Target,
    /// The claims from an API's challenge.
    pub(crate) claims: Option<&'a ClaimsRequest>,
    /// The options that name the API, for the command that signs the user in again.
    pub(crate) arguments: &'a str,
}

impl AccountTokens {
    /// Finds the account of this user, or the only matching one if `user` is blank.
    ///
    /// # Errors
    /// Returns an error if no account matches or several do, or if the application's credential is
    /// missing or invalid.
    pub(crate) fn open(
        store: Store,
        user: &str,
        settings: &Traced<ApplicationSettings>,
        network: &NetworkSettings,
        policy: Policy,
    ) -> Result<Self, Failure> {
        let user = Some(user.trim().to_owned()).filter(|user| !user.is_empty());
        let (required, preferred) = account_filters(settings, user)?;
        let account = store.account(&required, &preferred, Purpose::Token)?;
        let authority = Authority::new(cloud_at(&account.origin)?, Tenant::Id(account.tenant))?;
        let application =
            ApplicationSettings::application_of_account(settings, authority, account.client_id, account.is_public)?;
        let client = network.client(application.clone(), policy)?.build()?;
        Ok(Self {
            store,
            account,
            application,
            client,
        })
    }

    /// Returns the authority that issues the tokens.
    pub(crate) fn authority(&self) -> &Authority {
        self.application.authority()
    }

    /// Returns the stored token while it is fresh, and otherwise or with `refresh` requests one.
    /// Also returns true if the token was stored. Waits at most this long for another command that
    /// requests a token.
    ///
    /// # Errors
    /// Returns an error if the request fails, or if another command removed the account.
    pub(crate) fn token(
        &self,
        question: &Question<'_>,
        refresh: bool,
        wait: Duration,
    ) -> Result<(CachedToken, bool), Failure> {
        let key = account_key(&self.application, question.target, question.claims)?;
        let name = TokenName::of_account(&self.store, &self.account, &key)?;
        acquire(&self.store, &name, refresh, wait, || {
            self.request(&name, question)
                .map_err(|error| error.with_sign_in_hint(&self.account, question))
        })
    }

    /// Requests a token, and stores it together with the new refresh token. If the service rejects
    /// the refresh token and another command or a sign-in has replaced it meanwhile, tries the new
    /// one.
    fn request(&self, name: &TokenName, question: &Question<'_>) -> Result<CachedToken, RenewalError> {
        let options = match question.claims {
            Some(claims) => TokenOptions::default().with_claims(claims.clone()),
            None => TokenOptions::default(),
        };
        let account = &self.account;
        let mut is_second = false;
        loop {
            let current = account
                .reread(&self.store)
                .map_err(RenewalError::Other)?
                .ok_or_else(|| {
                    let failure = Failure::text(Exit::Credential, "the account was removed by another command");
                    RenewalError::Other(failure.hint("sign in again with `entra login`"))
                })?;
            let sent = current.refresh_token.clone();
            let user = User::from_refresh_token(current.tenant, sent.clone());
            let acquired = self.client.user(&user).token_with(question.target, &options);
            let newer = user.refresh_token().unwrap_or_else(|| sent.clone());
            // Each request has a user of its own, whose tokens are of no use to the next one.
            self.client.forget_user(&user);
            let error = match acquired {
                Ok(token) => return Ok(self.save(name, &current, &sent, &newer, &token)),
                Err(error) => error,
            };
            let was_replaced = || {
                let now = account.reread(&self.store).ok().flatten();
                now.is_some_and(|now| now.refresh_token.expose() != sent.expose())
            };
            if is_second || error.class() != ErrorClass::Grant || !was_replaced() {
                return Err(RenewalError::Client(error));
            }
            is_second = true;
        }
    }

    fn save(
        &self,
        name: &TokenName,
        account: &Account,
        sent: &RefreshToken,
        newer: &RefreshToken,
        token: &Token,
    ) -> CachedToken {
        let cached = CachedToken::from(token);
        let saved = self.store.database.change_secrets(|secrets| {
            // An account that was removed by another command is not stored again.
            if account.rotate(&self.store, secrets, sent, newer)? {
                name.put(secrets, &cached)?;
            }
            Ok(())
        });
        if let Err(error) = saved {
            failure(error).warn("the new refresh token is not stored");
        }
        cached
    }
}

/// The error of a request by a refresh token.
enum RenewalError {
    Client(Error),
    Other(Failure),
}

impl RenewalError {
    /// Converts the error, with the command to sign in again as the hint if a sign-in is required.
    fn with_sign_in_hint(self, account: &Account, question: &Question<'_>) -> RequestFailure {
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
        let requested = || question.claims.map(|claims| claims.as_str().to_owned());
        let of_service = error.service().and_then(|service| service.claims.clone());
        let too_long = if of_service.is_some() {
            "add --claims with the member claims of the -o json error"
        } else {
            "add --claims with the same claims"
        };
        let command = format!("{user} {what}: {} {}", login_command(account), question.arguments);
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
    claims: Option<&ClaimsRequest>,
) -> Result<CacheKey, Failure> {
    // The account is part of the token's name. Its refresh token changes, so a fixed one stands in.
    let request = application.refresh(RefreshToken::new("kept")?, target.clone())?;
    with_claims(request, claims)
}

/// Returns the cache key of a request with these claims.
///
/// # Errors
/// Returns an error if the request cannot have the claims.
pub(crate) fn with_claims(request: TokenRequest, claims: Option<&ClaimsRequest>) -> Result<CacheKey, Failure> {
    let request = match claims {
        Some(claims) => request.with_claims(claims.as_str())?,
        None => request,
    };
    Ok(request.cache_key())
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
