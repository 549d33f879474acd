//! Accounts: users who signed in, each with a refresh token in the store.

use std::fmt;

use entra_proto::authorize::RefreshToken;
use entra_proto::{ClientId, Cloud, Guid, Tenant, Timestamp};
use entra_tenants::{SecretName, Secrets, StoredSecret, TenantStoreError};
use zeroize::Zeroizing;

use super::{Store, failure};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::excerpt;
use crate::sanitize::escape;
use crate::time_format::utc;

/// A stored account: a user who signed in, and the refresh token of the sign-in.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) client_id: ClientId,
    pub(crate) tenant: Guid,
    /// The authority's origin. The refresh token is only sent there.
    pub(crate) origin: String,
    /// The object ID, or another permanent name.
    pub(crate) user_id: String,
    pub(crate) username: String,
    /// The tenant as the user named it at the sign-in, for example a domain.
    pub(crate) named: String,
    /// True if the application is a public client, without a credential.
    pub(crate) is_public: bool,
    pub(crate) signed_in_at: Timestamp,
    pub(crate) refresh_token: RefreshToken,
}

/// A filter for accounts. `None` matches every account.
#[derive(Default)]
pub(crate) struct AccountFilter {
    pub(crate) user: Option<String>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) origin: Option<String>,
}

impl AccountFilter {
    fn matches(&self, account: &Account) -> bool {
        let is_user =
            |user: &String| user.eq_ignore_ascii_case(&account.username) || user.eq_ignore_ascii_case(&account.user_id);
        self.user.as_ref().is_none_or(is_user)
            && self.tenant.as_ref().is_none_or(|tenant| account.is_of(tenant))
            && self.client_id.is_none_or(|client_id| client_id == account.client_id)
            && self.origin.as_ref().is_none_or(|origin| *origin == account.origin)
    }
}

impl Account {
    /// Returns true if this tenant is the account's, by its ID or by a known domain.
    fn is_of(&self, tenant: &Tenant) -> bool {
        let text = tenant.to_string();
        // A user who signed in to a named tenant may be a guest there. Then the domain of the
        // username belongs to another tenant.
        let is_home = self.named.parse::<Tenant>().is_ok_and(|named| !named.is_specific());
        let domain = self.username.rsplit_once('@').map(|(_, domain)| domain);
        let domain = domain.filter(|_| is_home);
        match tenant {
            Tenant::Id(id) => *id == self.tenant,
            tenant if !tenant.is_specific() => true,
            _ => {
                text.eq_ignore_ascii_case(&self.named) || domain.is_some_and(|domain| text.eq_ignore_ascii_case(domain))
            }
        }
    }

    /// Returns the ID of this account in the names of secrets.
    pub(super) fn id(&self, store: &Store) -> Result<String, TenantStoreError> {
        let parts = [self.origin.as_bytes(), self.user_id.as_bytes()];
        store.pseudonym(&parts).ok_or(TenantStoreError::NoKey)
    }

    /// Stores the account, replacing an earlier sign-in of the same user and its tokens.
    ///
    /// # Errors
    /// Returns an error if the store cannot be written.
    pub(crate) fn save(&self, store: &Store) -> Result<(), Failure> {
        let save = || {
            let id = self.id(store)?;
            store.database.change_secrets(|secrets| {
                remove_tokens(secrets, &id)?;
                self.put(secrets, &id)
            })
        };
        save().map_err(failure)
    }

    fn put(&self, secrets: &mut Secrets<'_>, id: &str) -> Result<(), TenantStoreError> {
        let name = name_of(id);
        secrets.put(SecretName::new(self.client_id, self.tenant, &name), &self.encode())
    }

    /// Replaces the refresh token that was `sent` by the new one, unless a sign-in or another
    /// command has replaced it meanwhile. Returns false if the account no longer exists.
    pub(crate) fn rotate(
        &self,
        store: &Store,
        secrets: &mut Secrets<'_>,
        sent: &RefreshToken,
        newer: &RefreshToken,
    ) -> Result<bool, TenantStoreError> {
        let id = self.id(store)?;
        let Some(stored) = self.stored(secrets, &id)? else {
            return Ok(false);
        };
        if stored.refresh_token.expose() == sent.expose() && newer.expose() != sent.expose() {
            let rotated = Self {
                refresh_token: newer.clone(),
                ..stored
            };
            rotated.put(secrets, &id)?;
        }
        Ok(true)
    }

    /// Reads this account from the store. Returns `None` if it was removed.
    pub(crate) fn reread(&self, store: &Store) -> Result<Option<Self>, Failure> {
        let reread = || {
            let name = name_of(&self.id(store)?);
            let name = SecretName::new(self.client_id, self.tenant, &name);
            let secret = entra_tenants::TenantStore::secret(&store.database, name)?;
            Ok(secret.and_then(|secret| Self::decode(self.client_id, self.tenant, &secret)))
        };
        reread().map_err(failure)
    }

    fn stored(&self, secrets: &Secrets<'_>, id: &str) -> Result<Option<Self>, TenantStoreError> {
        let name = name_of(id);
        let secret = secrets.get(SecretName::new(self.client_id, self.tenant, &name))?;
        Ok(secret.and_then(|secret| Self::decode(self.client_id, self.tenant, &secret)))
    }

    /// Removes the account and its tokens. Returns false if the account did not exist.
    pub(crate) fn forget(&self, store: &Store) -> Result<bool, Failure> {
        let forget = || {
            let id = self.id(store)?;
            store.database.change_secrets(|secrets| {
                remove_tokens(secrets, &id)?;
                secrets.remove(SecretName::new(self.client_id, self.tenant, &name_of(&id)))
            })
        };
        forget().map_err(failure)
    }

    /// Encodes the account with one line for each part, in a buffer that is zeroized.
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let signed_in_at = self.signed_in_at.as_secs().to_string();
        let parts = [
            VERSION,
            &self.origin,
            &self.user_id,
            &self.username,
            &self.named,
            if self.is_public { PUBLIC } else { CONFIDENTIAL },
            &signed_in_at,
            self.refresh_token.expose(),
        ];
        super::cached_token::lines(&parts)
    }

    fn decode(client_id: ClientId, tenant: Guid, secret: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(secret).ok()?.split('\n');
        let mut next = || lines.next();
        if next()? != VERSION {
            return None;
        }
        let account = Self {
            client_id,
            tenant,
            origin: next()?.to_owned(),
            user_id: next()?.to_owned(),
            username: next()?.to_owned(),
            named: next()?.to_owned(),
            is_public: match next()? {
                PUBLIC => true,
                CONFIDENTIAL => false,
                _ => return None,
            },
            signed_in_at: Timestamp::from_secs(next()?.parse().ok()?),
            refresh_token: RefreshToken::new(next()?).ok()?,
        };
        next().is_none().then_some(account)
    }
}

/// The purpose for which a stored account is looked up.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// To request a token for the user.
    Token,
    /// To remove the account.
    Removal,
}

/// Leaves out the refresh token.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}  {}  {}  {}",
            excerpt(&self.username, 100),
            self.tenant,
            self.client_id,
            utc(self.signed_in_at)
        )?;
        if self.origin != Cloud::Public.origin() {
            write!(f, "  {}", excerpt(&self.origin, 100))?;
        }
        Ok(())
    }
}

impl Store {
    /// Returns the accounts by username, and the number of unreadable ones.
    pub(crate) fn accounts(&self) -> Result<(Vec<Account>, usize), Failure> {
        let (mut accounts, mut unreadable) = (Vec::new(), 0);
        for kept in self.secrets()? {
            if !is_name(&kept.name) {
                continue;
            }
            match read(&kept) {
                Some(account) => accounts.push(account),
                None => unreadable += 1,
            }
        }
        accounts.sort_by(|one, other| {
            (&one.username, one.tenant, &one.origin).cmp(&(&other.username, other.tenant, &other.origin))
        });
        Ok((accounts, unreadable))
    }

    /// Returns the account that matches the `required` filter. The `preferred` filter selects among
    /// several. The purpose selects the hints of a failure.
    ///
    /// # Errors
    /// Returns an error if no account matches, or several do.
    pub(crate) fn account(
        &self,
        required: &AccountFilter,
        preferred: &AccountFilter,
        purpose: Purpose,
    ) -> Result<Account, Failure> {
        let (accounts, unreadable) = self.accounts()?;
        let mut matching: Vec<&Account> = accounts.iter().filter(|account| required.matches(account)).collect();
        if matching.len() > 1 {
            let closer: Vec<&Account> = matching
                .iter()
                .filter(|account| preferred.matches(account))
                .copied()
                .collect();
            if !closer.is_empty() {
                matching = closer;
            }
        }
        match matching.as_slice() {
            [one] => Ok((*one).clone()),
            [] if accounts.is_empty() && unreadable > 0 => {
                let problem = format!("the stored accounts cannot be decrypted: {}", self.reason_unreadable());
                Err(Failure::text(Exit::Credential, problem).hint(purpose.hint_if_unreadable()))
            }
            [] if accounts.is_empty() => {
                Err(Failure::text(Exit::Credential, "no user is signed in").hint(purpose.hint_if_none()))
            }
            [] => {
                let mismatch = match required.user.as_deref() {
                    Some(user) => format!("{} is not signed in", excerpt(user, 100)),
                    None => "no account matches the options".to_owned(),
                };
                let others = match unreadable {
                    0 => String::new(),
                    count => format!("; {count} more cannot be decrypted: {}", self.reason_unreadable()),
                };
                let problem = format!("{mismatch}; signed in: {}{others}", listed(accounts.iter()));
                Err(Failure::text(Exit::Credential, problem).hint(purpose.hint_if_no_match()))
            }
            several => {
                let problem = format!("{} accounts match: {}", several.len(), listed(several.iter().copied()));
                Err(Failure::text(Exit::Usage, problem).hint(
                    "give one with --account USER, and with --tenant, --client-id or --authority-host if necessary",
                ))
            }
        }
    }
}

impl Purpose {
    fn hint_if_unreadable(self) -> &'static str {
        match self {
            Self::Token => "restore the key, or sign in again with `entra login`",
            Self::Removal => "restore the key, or remove all accounts with `entra logout --all`",
        }
    }

    fn hint_if_none(self) -> &'static str {
        match self {
            Self::Token => "sign in with `entra login`",
            Self::Removal => "name the folder with --store if the account is in another one",
        }
    }

    fn hint_if_no_match(self) -> &'static str {
        match self {
            Self::Token => "give one of them, or sign in with `entra login`",
            Self::Removal => "give one of them, or omit the options if there is only one",
        }
    }
}

fn remove_tokens(secrets: &mut Secrets<'_>, id: &str) -> Result<(), TenantStoreError> {
    for kept in secrets.list()? {
        if super::cached_token::is_of_account(&kept.name, id) {
            secrets.remove(kept.secret_name())?;
        }
    }
    Ok(())
}

fn listed<'a>(accounts: impl Iterator<Item = &'a Account>) -> String {
    let named = accounts.take(MOST_LISTED).map(|account| {
        let user = excerpt(&account.username, 100);
        format!(
            "{user} of {} in {} at {}",
            account.tenant,
            account.client_id,
            excerpt(&account.origin, 100)
        )
    });
    named.collect::<Vec<_>>().join(", ")
}

fn read(kept: &StoredSecret) -> Option<Account> {
    Account::decode(kept.client_id, kept.tenant, kept.secret.as_ref()?)
}

pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn name_of(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Returns a text for one line of the encoding: without line breaks, and of limited length.
pub(crate) fn one_line(text: &str) -> String {
    escape(text).chars().take(LONGEST_TEXT).collect()
}

const PREFIX: &str = "account ";
const VERSION: &str = "1";
const PUBLIC: &str = "public";
const CONFIDENTIAL: &str = "confidential";

/// The maximum length of a text, in characters.
const LONGEST_TEXT: usize = 256;

/// The maximum number of accounts in a message.
const MOST_LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            client_id: Guid::from_bytes([1; 16]).into(),
            tenant: Guid::from_bytes([2; 16]),
            origin: Cloud::Public.origin().to_owned(),
            user_id: "u".to_owned(),
            username: "Megan@contoso.com".to_owned(),
            named: "fabrikam.com".to_owned(),
            is_public: true,
            signed_in_at: Timestamp::from_secs(7),
            refresh_token: RefreshToken::new("0.canary").unwrap(),
        }
    }

    #[test]
    fn encoded_account_is_decoded_again() {
        let account = account();
        let read = |bytes: &[u8]| Account::decode(account.client_id, account.tenant, bytes);
        let bytes = account.encode();
        let again = read(&bytes).unwrap();
        assert_eq!(again.encode().as_slice(), bytes.as_slice());
        assert!(again.is_public && again.refresh_token.expose() == "0.canary");
        assert!(!account.to_string().contains("canary"));
        for cut in 0..bytes.len() - "canary".len() {
            assert!(
                read(&bytes[..cut]).is_none() || cut > bytes.len() - "0.canary".len(),
                "{cut}"
            );
        }
        assert!(read(&[&bytes, b"\nx".as_slice()].concat()).is_none());
        assert!(read(b"2\na").is_none() && read(b"\xff").is_none() && read(b"").is_none());
    }

    #[test]
    fn filter_matches_user_and_tenant() {
        let account = account();
        let matches = |filter: AccountFilter| filter.matches(&account);
        assert!(matches(AccountFilter::default()));
        for (user, expected) in [("megan@CONTOSO.com", true), ("u", true), ("adele@contoso.com", false)] {
            let user = Some(user.to_owned());
            assert_eq!(
                matches(AccountFilter {
                    user,
                    ..AccountFilter::default()
                }),
                expected
            );
        }
        for (tenant, expected) in [
            // The user is a guest of the tenant that was named at the sign-in.
            ("contoso.com", false),
            ("FABRIKAM.com", true),
            ("02020202-0202-0202-0202-020202020202", true),
            ("03020202-0202-0202-0202-020202020202", false),
            ("other.com", false),
            ("organizations", true),
        ] {
            let tenant = Some(tenant.parse().unwrap());
            assert_eq!(
                matches(AccountFilter {
                    tenant,
                    ..AccountFilter::default()
                }),
                expected
            );
        }
    }

    #[test]
    fn domain_of_a_username_is_the_home_tenants() {
        for (named, expected) in [("organizations", true), ("common", true), ("fabrikam.com", false)] {
            let account = Account {
                named: named.to_owned(),
                ..account()
            };
            assert_eq!(account.is_of(&"Contoso.com".parse().unwrap()), expected, "{named}");
        }
    }

    #[test]
    fn names_from_a_token_stay_on_one_line() {
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
        assert_eq!(one_line(&"x".repeat(1000)).len(), LONGEST_TEXT);
    }
}
