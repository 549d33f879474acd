//! Agent identities and their user accounts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::observer::{Counters, Event, EventKind};
use entra_client::token_store::{StoredToken, TokenStore};
use entra_client::{Client, TokenOptions, User, blocking};
use entra_proto::agents::AgentUser;
use entra_proto::authorize::RefreshToken;
use entra_proto::cache::CacheKey;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{ClientId, Guid, Target, Tenant};
use entra_transport::blocking_transport_fn;

use crate::support::users::{assertion, jwt};
use crate::support::{Reply, Seen, Service, Stage, api, app, secret, settle};

fn agent(id: u8) -> ClientId {
    Guid::from_bytes([id; 16]).into()
}

fn account(id: u8) -> AgentUser {
    AgentUser::object_id(Guid::from_bytes([id; 16]))
}

fn fabrikam() -> Tenant {
    "fabrikam.com".parse().unwrap()
}

/// Returns a service whose tokens name the request that they were issued for.
fn naming() -> Service {
    Service::new(|n, seen| (Duration::ZERO, naming_reply(n, seen)))
}

fn naming_reply(n: usize, seen: &Seen) -> Reply {
    let of = |name: &str| seen.value(name).unwrap_or("none").to_owned();
    let tenant = seen.path.split('/').nth(1).unwrap();
    let (client, user) = (of("client_id"), of("user_id"));
    let claims = format!(r#"{{"tenant":"{tenant}","azp":"{client}","as":"{user}","roles":["{client}"],"n":{n}}}"#);
    Reply::Token(format!("{}sig", jwt(&claims)).leak(), 3600, "")
}

/// Returns the client, the user and the tenant that a token names.
fn named(token: &str) -> (String, String, String) {
    let claims = UnverifiedClaims::decode(token).unwrap();
    let of = |name: &str| claims.get(name).and_then(|value| value.as_str()).unwrap().to_owned();
    (of("azp"), of("as"), of("tenant"))
}

#[tokio::test(start_paused = true)]
async fn vouching_handle_sends_its_path_and_has_its_own_token() {
    let stage = Stage::new(Service::new(|_, seen| {
        let path = seen.value("fmi_path").unwrap_or("none");
        (Duration::ZERO, Reply::Token(path.to_owned().leak(), 3600, ""))
    }));
    let client = &stage.client;
    for _ in 0..2 {
        for (handle, path) in [
            (client.clone(), "none"),
            (client.vouching_for("first"), "first"),
            (client.agent(agent(1)).vouching_for("second"), "second"),
        ] {
            assert_eq!(handle.token(&api("graph")).await.unwrap().expose(), path);
        }
    }
    assert_eq!(stage.service.requests(), 3);
    assert!(client.vouching_for("").token(&api("graph")).await.is_err());
    assert!(client.vouching_for("a b").token(&api("graph")).await.is_err());
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_handle_gets_its_own_token() {
    let stage = Stage::new(naming());
    let client = &stage.client;
    let none = "none".to_owned();
    let id = |id: u8| Guid::from_bytes([id; 16]).to_string();
    let contoso = "contoso.com".to_owned();
    let handles = [
        (client.clone(), (id(0xaa), none.clone(), contoso.clone()), 1),
        (client.agent(agent(1)), (id(1), none.clone(), contoso.clone()), 2),
        (client.agent(agent(2)), (id(2), none.clone(), contoso.clone()), 2),
        (
            client.agent(agent(1)).agent_user(account(7)),
            (id(1), id(7), contoso.clone()),
            3,
        ),
        (
            client.agent(agent(1)).agent_user(account(8)),
            (id(1), id(8), contoso.clone()),
            3,
        ),
        (
            client.agent(agent(2)).agent_user(account(7)),
            (id(2), id(7), contoso),
            3,
        ),
        (
            client.tenant(fabrikam()).agent(agent(1)),
            (id(1), none.clone(), fabrikam().to_string()),
            2,
        ),
        (
            client.agent(agent(1)).agent_user(account(7)).tenant(fabrikam()),
            (id(1), id(7), fabrikam().to_string()),
            3,
        ),
    ];
    for _ in 0..2 {
        for (handle, expected, requests) in &handles {
            let before = stage.service.requests();
            let cached = handle.cached(&api("graph")).is_some();
            let token = handle.token(&api("graph")).await.unwrap();
            assert_eq!(named(token.expose()), *expected, "{handle:?}");
            let sent = stage.service.requests() - before;
            assert_eq!(sent, if cached { 0 } else { *requests }, "{handle:?}");
        }
    }
    assert_eq!(stage.client.cache_entries(), handles.len());
    // An agent's handle of a user's handle is for the agent itself.
    let token = client
        .agent(agent(9))
        .agent_user(account(7))
        .agent(agent(1))
        .token(&api("graph"))
        .await;
    assert_eq!(named(token.unwrap().expose()).1, none);
}

#[tokio::test(start_paused = true)]
async fn other_tenant_reaches_all_requests() {
    let stage = Stage::new(naming());
    let users = stage.client.agent(agent(1)).agent_user(account(7)).tenant(fabrikam());
    users.token(&api("graph")).await.unwrap();
    for n in 0..3 {
        assert_eq!(stage.service.seen(n).path, "/fabrikam.com/oauth2/v2.0/token");
    }
    assert_eq!(
        stage.service.seen(0).value("fmi_path"),
        Some("01010101-0101-0101-0101-010101010101")
    );
    assert_eq!(stage.service.seen(0).value("client_secret"), Some("canary-secret"));
    assert_eq!(stage.service.seen(2).value("grant_type"), Some("user_fic"));
    assert_eq!(stage.service.seen(2).value("client_secret"), None);
}

#[tokio::test(start_paused = true)]
async fn agent_acts_on_behalf_of_a_user() {
    let stage = Stage::new(naming());
    let token = stage
        .client
        .agent(agent(1))
        .acquire_on_behalf_of(&assertion("callers"), &api("graph"))
        .await;
    assert_eq!(named(token.unwrap().expose()).0, agent(1).to_string());
    let last = stage.service.seen(1);
    assert_eq!(
        last.value("grant_type"),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer")
    );
    assert_eq!(last.value("assertion"), Some("callers"));
    assert!(last.value("client_assertion").is_some() && last.value("client_secret").is_none());
    // The blueprint's own token for the same user is another one.
    let token = stage
        .client
        .acquire_on_behalf_of(&assertion("callers"), &api("graph"))
        .await
        .unwrap();
    assert_eq!(named(token.expose()).0, Guid::from_bytes([0xaa; 16]).to_string());
}

#[tokio::test(start_paused = true)]
async fn sign_in_of_a_user_belongs_to_the_blueprint() {
    let stage = Stage::new(naming());
    let user = User::from_refresh_token(Guid::from_bytes([5; 16]), RefreshToken::new("rt").unwrap());
    stage.client.user(&user).token(&api("graph")).await.unwrap();
    let error = stage
        .client
        .agent(agent(1))
        .user(&user)
        .token(&api("graph"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("another application"), "{error}");
    let error = stage
        .client
        .agent(agent(1))
        .device_code(&api("graph"), |_| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("agent identity"), "{error}");
    assert_eq!(stage.service.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn application_that_is_no_agent_has_no_agent_users() {
    let stage = Stage::new(naming());
    let error = stage
        .client
        .agent_user(account(7))
        .token(&api("graph"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not an agent identity"), "{error}");
    assert_eq!((stage.service.requests(), stage.client.cache_entries()), (0, 0));
    // The application of the client may be the agent.
    let agent = app(secret()).agent(agent(1)).unwrap();
    let transport = crate::support::Wire::to(&stage.service);
    let client = Client::new(agent, transport).agent_user(account(7));
    client.token(&api("graph")).await.unwrap();
    assert_eq!(stage.service.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn rejection_and_forgetting_concern_one_agent() {
    let stage = Stage::new(naming());
    let (one, other) = (stage.client.agent(agent(1)), stage.client.agent(agent(2)));
    let graph = api("graph");
    let mut source = one.source(&graph).unwrap();
    let token = source.token().await.unwrap();
    assert_eq!(named(token.expose()).0, agent(1).to_string());
    other.token(&graph).await.unwrap();
    assert!(stage.client.invalidate(&token));
    let before = stage.service.requests();
    let newer = one
        .token_with(&graph, &TokenOptions::default().with_rejected(&token))
        .await
        .unwrap();
    assert_ne!(newer.expose(), token.expose());
    assert_eq!(stage.service.requests(), before + 2);
    other.token(&graph).await.unwrap();
    assert_eq!(stage.service.requests(), before + 2);

    one.agent_user(account(7)).token(&graph).await.unwrap();
    one.forget(&graph);
    assert!(one.cached(&graph).is_none() && other.cached(&graph).is_some());
    assert!(one.agent_user(account(7)).cached(&graph).is_some());
}

#[tokio::test(start_paused = true)]
async fn roles_are_those_of_the_agent() {
    let stage = Stage::new(naming());
    let roles = stage.client.agent(agent(1)).roles(&api("graph")).await.unwrap();
    assert_eq!(roles, [agent(1).to_string()]);
}

#[tokio::test(start_paused = true)]
async fn events_name_the_agent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let stage = Stage::with(naming(), |builder| {
        builder.observer(move |event: &Event<'_>| record.lock().unwrap().push((event.kind, event.agent)))
    });
    stage.client.agent(agent(1)).token(&api("graph")).await.unwrap();
    stage.client.token(&api("graph")).await.unwrap();
    let seen = seen.lock().unwrap();
    for (kind, of) in [(EventKind::Acquired, Some(agent(1))), (EventKind::Acquired, None)] {
        assert!(seen.contains(&(kind, of)), "{seen:?}");
    }
    let shown = format!("{:?}", stage.client.agent(agent(1)));
    assert!(shown.contains(&format!("as the agent {}", agent(1))), "{shown}");
}

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<HashMap<CacheKey, StoredToken>>>);

#[async_trait::async_trait]
impl TokenStore for Shelf {
    async fn load(&self, key: &CacheKey) -> Option<StoredToken> {
        self.0.lock().unwrap().get(key).cloned()
    }

    async fn save(&self, key: &CacheKey, token: &StoredToken) {
        self.0.lock().unwrap().insert(key.clone(), token.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn shared_store_keeps_agents_apart() {
    let (shelf, service) = (Shelf::default(), naming());
    let stage = || Stage::with(service.clone(), |builder| builder.token_store(shelf.clone()));
    for _ in 0..2 {
        let stage = stage();
        for agent in [agent(1), agent(2)] {
            for user in [None, Some(account(7)), Some(account(8))] {
                let handle = stage.client.agent(agent);
                let handle = match &user {
                    Some(user) => handle.agent_user(user.clone()),
                    None => handle,
                };
                let token = handle.token(&api("graph")).await.unwrap();
                let (client, of, _) = named(token.expose());
                assert_eq!(
                    (client, of),
                    (
                        agent.to_string(),
                        user.map_or_else(|| "none".to_owned(), |user| user.to_string())
                    )
                );
            }
        }
        settle().await;
    }
    assert_eq!(
        (shelf.0.lock().unwrap().len(), service.requests()),
        (6, 2 * (2 + 3 + 3))
    );
}

#[test]
fn blocking_client_has_the_same_handles() {
    let service = naming();
    let wire = service.clone();
    let client = blocking::Client::builder(
        app(secret()),
        blocking_transport_fn(move |request| wire.receive(&request, Duration::ZERO).1.into_result()),
    )
    .observer(Arc::new(Counters::default()))
    .build()
    .unwrap();
    let graph = Target::resource("https://graph.microsoft.com").unwrap();
    let agent_itself = client.agent(agent(1));
    for (handle, of) in [
        (agent_itself.clone(), "none".to_owned()),
        (agent_itself.agent_user(account(7)), account(7).to_string()),
    ] {
        let token = handle.tenant(fabrikam()).token(&graph).unwrap();
        assert_eq!(
            named(token.expose()),
            (agent(1).to_string(), of, fabrikam().to_string())
        );
    }
    assert_eq!(service.requests(), 5);
    assert!(agent_itself.device_code(&graph, |_| {}).is_err());
}
