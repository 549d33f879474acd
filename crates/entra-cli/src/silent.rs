//! Tokens without user interaction: from the cache on disk, or by the stored account of a user.
//!
//! The cache serves app-only tokens with `--cache` and user tokens with `--account`. Commands that
//! run at the same time send one request.

use clap::Args;
use entra_client::Policy;
use entra_client::blocking::Client;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Application, Authority, ClientCredential};
use zeroize::Zeroizing;

use crate::account_tokens::{AccountTokens, Question, with_claims};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::source::{Source, Traced};
use crate::store::{Account, CachedToken, StoreSettings, TokenName, acquire, failure};
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
            let option = wanted.settings().settings.federated_option();
            let problem = format!("--cache cannot be used with {}", option.unwrap_or_default());
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
            let claims = wanted.claims()?;
            let key = with_claims(application.client_credentials(target.clone())?, claims.as_ref())?;
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
        let tokens = AccountTokens::open(store, user, wanted.settings(), wanted.network(), policy)?;
        let (target, claims) = (wanted.target()?, wanted.claims()?);
        let question = Question {
            target: &target,
            claims: claims.as_ref(),
            arguments: &wanted.target_arguments(),
        };
        let (token, is_cached) = tokens.token(&question, self.refresh, wanted.timeout())?;
        Ok(Silent {
            token,
            is_cached,
            authority: tokens.authority().clone(),
            account: Some(tokens.account),
        })
    }
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
