//! Tokens for which no person is asked: those that are kept, and those of users whose sign-in is kept.

use clap::Args;
use entra_client::blocking::Client;
use entra_client::{Error, Policy, Token, TokenOptions, User};
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, Authority, ClientCredential, Target, Tenant, TokenRequest};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::excerpt;
use crate::outside::shell_quoted;
use crate::settings::{ApplicationSettings, cloud_at};
use crate::source::{Source, Traced};
use crate::store::{Account, CachedToken, Store, StoreSettings, TokenName, Trouble, Wanted, acquire, failure};
use crate::wanted::TokenSettings;

/// What is kept from one command to the next.
#[derive(Args)]
pub(crate) struct KeptSettings {
    /// Get the token for a user who signed in with `entra login`, without asking: for USER, or for the one account that fits
    #[arg(long, value_name = "USER", num_args = 0..=1, default_missing_value = "", conflicts_with = "cache")]
    account: Option<String>,

    /// Keep the application's token, sealed in a file, and use it again while it is fresh
    ///
    /// A token that was issued for another credential is not used. One that an API rejects is: add --refresh once. `entra cache clear`
    /// removes what is kept.
    #[arg(long)]
    cache: bool,

    /// With --cache or --account: request a token, whatever is kept
    #[arg(long)]
    refresh: bool,

    #[command(flatten)]
    store: Traced<StoreSettings>,
}

/// A token, and how it was got.
pub(crate) struct Silent {
    pub(crate) token: CachedToken,
    pub(crate) is_cached: bool,
    pub(crate) authority: Authority,
    pub(crate) account: Option<Account>,
}

impl KeptSettings {
    /// Whether anything is to be kept or was.
    pub(crate) fn is_wanted(&self) -> bool {
        self.account.is_some() || self.cache
    }

    /// Asks for a token that is not the one that is kept.
    pub(crate) fn request_anew(&mut self) {
        self.refresh = true;
    }

    /// Whether the token is for a user who signed in before.
    pub(crate) fn is_for_account(&self) -> bool {
        self.account.is_some()
    }

    /// Refuses options that do not go together.
    pub(crate) fn check(&self, is_for_application: bool) -> Result<(), Failure> {
        if self.refresh && !self.is_wanted() {
            let problem = "--refresh goes with --cache or --account";
            return Err(Failure::text(Exit::Usage, problem).hint("leave it out: without those each token is requested"));
        }
        for name in ["store", "store_key"] {
            if let (false, Source::Flag(flag)) = (self.is_wanted(), self.store.source(name)) {
                let problem = format!("{flag} goes with --cache or --account");
                return Err(Failure::text(Exit::Usage, problem).hint("leave it out: without those nothing is kept"));
            }
        }
        if self.cache && !is_for_application {
            let problem = "--cache is for an application's own tokens";
            return Err(Failure::text(Exit::Usage, problem).hint("use `entra login` and --account for those of users"));
        }
        Ok(())
    }

    pub(crate) fn token(&self, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        match &self.account {
            Some(user) => self.of_account(user, wanted, policy),
            None => self.of_application(wanted, policy),
        }
    }

    fn of_application(&self, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        let application = wanted.application(false, false)?;
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
            // The region changes the way of the request. The credential shows that the token was issued to whoever asks now.
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
            if let Err(error) = store.directory.change_secrets(|secrets| name.put(secrets, &token)) {
                failure(error).warn("the token is not kept");
            }
            Ok(token)
        });
        let (token, is_cached) = acquired?;
        Ok(silent(token, is_cached))
    }

    fn of_account(&self, user: &str, wanted: &TokenSettings, policy: Policy) -> Result<Silent, Failure> {
        let store = self.store.settings.look()?;
        let user = Some(user.trim().to_owned()).filter(|user| !user.is_empty());
        let (asked, preferred) = narrowed(wanted.settings(), user)?;
        let account = store.account(&asked, &preferred)?;
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
                .map_err(|trouble| trouble.told(&account, wanted))
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

enum Refused {
    Service(Error),
    Other(Failure),
}

impl Renewal<'_> {
    /// Requests a token, and keeps it and the newer refresh token together. Where the refresh token was replaced meanwhile, by another
    /// command or a sign-in, and the service rejects the older one, the newer one is tried.
    fn request(&self, account: &Account) -> Result<CachedToken, Refused> {
        let mut is_second = false;
        loop {
            let current = account.reread(self.store).map_err(Refused::Other)?.ok_or_else(|| {
                let failure = Failure::text(Exit::Credential, "the account was signed out meanwhile");
                Refused::Other(failure.hint("sign in again with `entra login`"))
            })?;
            let sent = current.refresh_token.clone();
            let user = User::from_refresh_token(current.tenant, sent.clone());
            let error = match self.client.user(&user).token_with(self.target, self.options) {
                Ok(token) => return Ok(self.keep(&current, &user, &sent, &token)),
                Err(error) => error,
            };
            let was_replaced = || {
                let now = account.reread(self.store).ok().flatten();
                now.is_some_and(|now| now.refresh_token.expose() != sent.expose())
            };
            if is_second || error.class() != ErrorClass::Grant || !was_replaced() {
                return Err(Refused::Service(error));
            }
            is_second = true;
        }
    }

    fn keep(&self, account: &Account, user: &User, sent: &RefreshToken, token: &Token) -> CachedToken {
        let cached = CachedToken::from(token);
        let newer = user.refresh_token().unwrap_or_else(|| sent.clone());
        let kept = self.store.directory.change_secrets(|secrets| {
            // A user who has signed out meanwhile stays signed out.
            if account.rotate(self.store, secrets, sent, &newer)? {
                self.name.put(secrets, &cached)?;
            }
            Ok(())
        });
        if let Err(error) = kept {
            failure(error).warn("the newer refresh token is not kept");
        }
        cached
    }
}

impl Refused {
    /// Adds how to sign in again, where only that helps.
    fn told(self, account: &Account, wanted: &TokenSettings) -> Trouble {
        let error = match self {
            Self::Service(error) => error,
            Self::Other(failure) => return failure.into(),
        };
        let (exit, what) = match error.class() {
            ErrorClass::Grant | ErrorClass::Interaction => (Exit::Refused, "has to sign in again"),
            ErrorClass::Consent => (Exit::Permission, "or an administrator has to consent"),
            _ => return error.into(),
        };
        let user = excerpt(&account.username, 100);
        // What the sign-in must show: the service says so, or the API did before.
        let asked = || wanted.claims().ok().flatten().map(|claims| claims.as_str().to_owned());
        let claims = error
            .service()
            .and_then(|service| service.claims.clone())
            .or_else(asked);
        let claims = claims.filter(|claims| claims.len() <= LONGEST_CLAIMS);
        let claims = claims.map(|claims| format!(" --claims {}", shell_quoted(&claims)));
        let hint = format!(
            "{user} {what}: {} {}{}",
            login_command(account),
            wanted.target_words(),
            claims.unwrap_or_default()
        );
        Failure::new(exit, error).hint_instead(hint).into()
    }
}

/// How long claims may be to be repeated in advice, in bytes.
const LONGEST_CLAIMS: usize = 1000;

/// The command that signs this account in again.
fn login_command(account: &Account) -> String {
    let mut command = format!(
        "entra login --client-id {} --tenant {}",
        account.client_id, account.tenant
    );
    if cloud_at("public").is_ok_and(|public| public.origin() != account.origin) {
        command += &format!(" --authority-host {}", shell_quoted(&account.origin));
    }
    command
}

/// What a token of an account is told from others by.
pub(crate) fn account_key(
    application: &Application,
    target: &Target,
    wanted: Option<&TokenSettings>,
) -> Result<CacheKey, Failure> {
    // The account stands in the name: its refresh tokens come and go.
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

/// What tells one credential from another. A federated token is another one each time: its issuer and its subject stay.
fn proof(credential: &ClientCredential) -> Result<Zeroizing<Vec<u8>>, Failure> {
    Ok(Zeroizing::new(match credential {
        ClientCredential::Secret(secret) | ClientCredential::BasicSecret(secret) => secret.expose().as_bytes().to_vec(),
        ClientCredential::Certificate(certificate) => certificate.certificate().sha256().to_vec(),
        ClientCredential::Federated(federated) => {
            let assertion = federated.assertion()?;
            // One without such claims is told from all others.
            match UnverifiedClaims::decode(assertion.expose()) {
                Ok(claims) => format!("{:?}", (claims.issuer(), claims.subject())).into_bytes(),
                Err(_) => assertion.expose().as_bytes().to_vec(),
            }
        }
        _ => Vec::new(),
    }))
}

/// Which account the settings name: options say which may be meant, variables and the profile which of several is.
pub(crate) fn narrowed(
    traced: &Traced<ApplicationSettings>,
    user: Option<String>,
) -> Result<(Wanted, Wanted), Failure> {
    let settings = &traced.settings;
    let is_flag = |name: &str| matches!(traced.source(name), Source::Flag(_));
    settings.profile()?;
    let is_preferred = |name: &str| matches!(traced.origin(name), Ok(Source::Variable(_) | Source::Profile(_)));
    let wanted = Wanted {
        user,
        tenant: is_flag("tenant").then(|| settings.tenant()).transpose()?,
        client_id: is_flag("client_id").then(|| settings.client_id()).transpose()?,
        origin: is_flag("authority_host")
            .then(|| settings.cloud())
            .transpose()?
            .map(|cloud| cloud.origin().to_owned()),
    };
    let preferred = Wanted {
        user: None,
        tenant: is_preferred("tenant").then(|| settings.tenant().ok()).flatten(),
        client_id: is_preferred("client_id").then(|| settings.client_id().ok()).flatten(),
        origin: is_preferred("authority_host")
            .then(|| settings.cloud().ok())
            .flatten()
            .map(|cloud| cloud.origin().to_owned()),
    };
    Ok((wanted, preferred))
}

#[cfg(test)]
mod tests {
    use entra_proto::ClientSecret;
    use entra_proto::assertion::{ClientAssertion, FederatedCredential};

    use super::*;

    #[test]
    fn credentials_are_told_from_each_other() {
        // {"alg":"none"}, then {"iss":"i","sub":"s","n":1}, the same with "n":2, and one with another subject.
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
        // The platform writes the token anew: its principal stays.
        assert_eq!(proofs[0], proofs[1]);
        for one in 1..proofs.len() {
            assert!(proofs[one + 1..].iter().all(|other| *other != proofs[one]), "{one}");
        }
        let gone = FederatedCredential::new(|_: &str| ClientAssertion::new("no token")).into();
        assert!(proof(&gone).is_err());
    }
}
