//! Tests of the store: concurrent changes, exchanged entries, eviction, outages.

use std::time::SystemTime;

use entra_proto::authorize::RefreshToken;
use entra_proto::{Application, ClientSecret, Guid, Target, Timestamp};
use entra_tenants::TenantStore;
use redb::{Database, ReadableTable, TableDefinition};

use super::*;

const SECRETS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("secrets");

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings {
        store: Some(folder.path().join("state")),
        store_key: None,
    };
    let store = settings.open().unwrap();
    (folder, store)
}

fn account(user: &str) -> Account {
    Account {
        client_id: Guid::from_bytes([1; 16]).into(),
        tenant: Guid::from_bytes([2; 16]),
        origin: "https://login.microsoftonline.com".to_owned(),
        user_id: user.to_owned(),
        username: format!("{user}@contoso.com"),
        named: "organizations".to_owned(),
        is_public: true,
        signed_in_at: Timestamp::from_secs(1),
        refresh_token: token("first"),
    }
}

fn token(text: &str) -> RefreshToken {
    RefreshToken::new(text).unwrap()
}

/// Returns the stored refresh token of this account.
fn stored(store: &Store, account: &Account) -> Option<String> {
    let stored = account.reread(store).unwrap();
    stored.map(|stored| stored.refresh_token.expose().to_owned())
}

#[test]
fn older_refresh_token_never_replaces_a_newer_one() {
    let (_folder, store) = store();
    let megan = account("megan");
    megan.save(&store).unwrap();
    let rotate = |sent: &str, newer: &str| {
        let rotated = store
            .database
            .change_secrets(|secrets| megan.rotate(&store, secrets, &token(sent), &token(newer)));
        rotated.unwrap()
    };
    assert!(rotate("first", "second"));
    assert_eq!(stored(&store, &megan).unwrap(), "second");
    // The response to an earlier request arrives late.
    assert!(rotate("first", "late"));
    assert_eq!(stored(&store, &megan).unwrap(), "second");
    megan.forget(&store).unwrap();
    assert!(!rotate("second", "third"));
    assert_eq!(stored(&store, &megan), None);
}

#[test]
fn exchanged_entries_cannot_be_decrypted() {
    let (_folder, store) = store();
    for user in ["megan", "adele"] {
        account(user).save(&store).unwrap();
    }
    let database = Database::open(store.database.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(SECRETS).unwrap();
        let entries: Vec<(Vec<u8>, Vec<u8>)> = table
            .iter()
            .unwrap()
            .map(Result::unwrap)
            .map(|(name, secret)| (name.value().to_vec(), secret.value().to_vec()))
            .collect();
        for (at, (name, _)) in entries.iter().enumerate() {
            table.insert(name.as_slice(), entries[1 - at].1.as_slice()).unwrap();
        }
    }
    transaction.commit().unwrap();
    drop(database);
    let (accounts, unreadable) = store.accounts().unwrap();
    assert_eq!((accounts.len(), unreadable), (0, 2));
    let chosen = store.account(&AccountFilter::default(), &AccountFilter::default(), Purpose::Token);
    assert_eq!(chosen.err().unwrap().exit, Exit::Credential);
}

#[test]
fn expired_and_superfluous_tokens_are_removed() {
    let (_folder, store) = store();
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let client_id = Guid::from_bytes([1; 16]).into();
    let application = Application::new(authority, client_id, ClientSecret::new("s").unwrap());
    let key = application.client_credentials(Target::resource("https://a").unwrap());
    let key = key.unwrap().cache_key();
    let named = |number: u32| TokenName::of_application(&store, client_id, &key, &[&number.to_be_bytes()]).unwrap();
    let now = Timestamp::from(SystemTime::now()).as_secs();
    let of = |expires: u64| CachedToken::decode(format!("1\n{}\n{expires}\n\na", now - 10).as_bytes()).unwrap();
    account("megan").save(&store).unwrap();
    let changed = store.database.change_secrets(|secrets| {
        named(0).put(secrets, &of(now - 1))?;
        for number in 1..=510 {
            named(number).put(secrets, &of(now + 1000 + u64::from(number)))?;
        }
        secrets.list()
    });
    let left = changed.unwrap();
    assert_eq!(left.len(), 501);
    let there = |number: u32| {
        let name = named(number);
        store.database.secret(name.secret_name()).unwrap().is_some()
    };
    assert!(!there(0) && !there(10) && there(11) && there(510));
    assert_eq!(stored(&store, &account("megan")).unwrap(), "first");
}

#[test]
fn token_name_depends_on_all_that_changes_the_token() {
    let (_folder, store) = store();
    let application = |tenant: &str, secret: &str| {
        let authority = format!("https://login.microsoftonline.com/{tenant}").parse().unwrap();
        Application::new(
            authority,
            Guid::from_bytes([1; 16]).into(),
            ClientSecret::new(secret).unwrap(),
        )
    };
    let name = |application: &Application, target: &str, other: &[u8]| {
        let key = application
            .client_credentials(Target::resource(target).unwrap())
            .unwrap()
            .cache_key();
        TokenName::of_application(&store, application.client_id(), &key, &[other])
            .unwrap()
            .name
    };
    let contoso = application("contoso.com", "s");
    let one = name(&contoso, "https://a", b"s");
    assert_eq!(one, name(&contoso, "https://a", b"s"));
    for other in [
        name(&contoso, "https://a/", b"s"),
        name(&contoso, "https://a", b"t"),
        name(&application("fabrikam.com", "s"), "https://a", b"s"),
        name(&contoso.clone().with_capabilities(&["cp1"]), "https://a", b"s"),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn token_past_refresh_is_only_used_in_an_outage() {
    let (_folder, store) = store();
    let megan = account("megan");
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let application = Application::new(authority, megan.client_id, ClientSecret::new("s").unwrap());
    let key = application.client_credentials(Target::resource("https://a").unwrap());
    let name = TokenName::of_account(&store, &megan, &key.unwrap().cache_key()).unwrap();
    let now = Timestamp::from(SystemTime::now()).as_secs();
    // It has a minute of its hour left.
    let text = format!("1\n{}\n{}\n\na", now - 3540, now + 60);
    let due = CachedToken::decode(text.as_bytes()).unwrap();
    store
        .database
        .change_secrets(|secrets| name.put(secrets, &due))
        .unwrap();
    let acquired = |is_retryable: bool, force: bool| {
        let failure = Failure::text(Exit::Rejected, "no token");
        let error = RequestFailure { failure, is_retryable };
        acquire(&store, &name, force, Duration::ZERO, || Err(error))
            .ok()
            .map(|(token, is_cached)| (token.expose().to_owned(), is_cached))
    };
    assert_eq!(acquired(true, false), Some(("a".to_owned(), true)));
    assert_eq!(acquired(false, false), None);
    assert_eq!(acquired(true, true), None);
}
