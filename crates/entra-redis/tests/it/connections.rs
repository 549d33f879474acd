//! Connections of redis-rs to a server that has the token as the password of a user.

use std::time::Duration;

use entra_redis::RedisCredentials;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, cmd};
use tokio::time::timeout;

use crate::server::Server;
use crate::support::{PRINCIPAL, TokenService, jwt, token};

/// Has the server accept this password of the user, and no other.
async fn accept(server: &Server, user: &str, password: &str) {
    let mut command = cmd("ACL");
    command.arg("SETUSER").arg(user).arg("on").arg("resetpass");
    command.arg(format!(">{password}")).arg("~*").arg("+@all");
    command.exec_async(&mut server.admin().await).await.unwrap();
}

async fn user(connection: &mut MultiplexedConnection) -> String {
    cmd("ACL").arg("WHOAMI").query_async(connection).await.unwrap()
}

async fn id(connection: &mut MultiplexedConnection) -> u64 {
    cmd("CLIENT").arg("ID").query_async(connection).await.unwrap()
}

/// Returns the number of commands `AUTH` that the server has accepted, and of those that it has
/// rejected.
async fn authentications(server: &Server) -> (u64, u64) {
    let mut info = cmd("INFO");
    let info: String = info
        .arg("commandstats")
        .query_async(&mut server.admin().await)
        .await
        .unwrap();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_auth:"))
        .unwrap_or_default();
    let value = |name| {
        let mut fields = line.trim().split(',').filter_map(|field| field.split_once('='));
        fields
            .find(|field| field.0 == name)
            .map_or(0, |field| field.1.parse().unwrap())
    };
    let (all, failed): (u64, u64) = (value("calls"), value("failed_calls"));
    (all - failed, failed)
}

/// Waits until the server has accepted this many authentications.
async fn authenticated(server: &Server, count: u64) {
    let wait = async { while authentications(server).await.0 < count {} };
    timeout(Duration::from_secs(60), wait)
        .await
        .expect("the connections are authenticated again");
}

#[tokio::test]
async fn connection_has_the_token_of_the_principal() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::new();
    let credentials = RedisCredentials::new(&service.client).unwrap();
    accept(&server, PRINCIPAL, &token(1)).await;
    let mut connection = server.connect(&credentials).await.unwrap();
    assert_eq!(user(&mut connection).await, PRINCIPAL);
    assert!(service.forms()[0].contains("scope=https%3A%2F%2Fredis.azure.com%2F.default"));
}

#[tokio::test]
async fn connections_share_one_token_request() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::new();
    let credentials = RedisCredentials::new(&service.client).unwrap();
    accept(&server, PRINCIPAL, &token(1)).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(server.connect(&credentials).await.unwrap());
    }
    assert_eq!(service.forms().len(), 1);
}

#[tokio::test]
async fn open_connections_are_authenticated_again() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::new();
    let credentials = RedisCredentials::new(&service.client).unwrap();
    accept(&server, PRINCIPAL, &token(1)).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(server.connect(&credentials).await.unwrap());
    }
    // Each connection subscribes twice: once to open, and once for the tokens to come.
    authenticated(&server, 6).await;
    let first = id(&mut connections[0]).await;
    for n in 2..5 {
        accept(&server, PRINCIPAL, &token(n)).await;
        service.client.clear();
        authenticated(&server, 3 * n as u64 + 3).await;
    }
    assert_eq!(
        authentications(&server).await,
        (15, 0),
        "each new token once, and no old one"
    );
    assert_eq!(service.forms().len(), 4);
    assert_eq!(id(&mut connections[0]).await, first, "the connection is the same");
    for connection in &mut connections {
        assert_eq!(user(connection).await, PRINCIPAL);
    }
    // The server accepts the newest token only.
    assert!(server.connect(&credentials).await.is_ok());
}

#[tokio::test]
async fn open_connection_becomes_the_user_of_the_new_token() {
    const OTHER: &str = "00000000-0000-4000-8000-000000000001";
    let other = jwt(&format!(r#"{{"oid":"{OTHER}"}}"#));
    let tokens = [token(1), other.clone()];
    let Some(server) = Server::start() else { return };
    let service = TokenService::issuing(move |n| tokens.get(n - 1).cloned());
    let credentials = RedisCredentials::new(&service.client).unwrap();
    accept(&server, PRINCIPAL, &token(1)).await;
    accept(&server, OTHER, &other).await;
    let mut connection = server.connect(&credentials).await.unwrap();
    assert_eq!(user(&mut connection).await, PRINCIPAL);
    service.client.clear();
    let change = async { while user(&mut connection).await != OTHER {} };
    timeout(Duration::from_secs(60), change).await.unwrap();
}

#[tokio::test]
async fn username_can_be_set() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::issuing(|n| Some(format!("opaque-{n}")));
    let credentials = RedisCredentials::new(&service.client).unwrap();
    let error = server.connect(&credentials).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
    assert!(error.to_string().contains("no object ID (claim oid)"), "{error}");
    assert!(!format!("{error:?}").contains("opaque"), "{error:?}");

    accept(&server, "worker", "opaque-1").await;
    let credentials = credentials.with_username("worker");
    let mut connection = server.connect(&credentials).await.unwrap();
    assert_eq!(user(&mut connection).await, "worker");
}

#[tokio::test]
async fn connection_without_a_token_fails_with_its_error() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::issuing(|_| None);
    let credentials = RedisCredentials::new(&service.client).unwrap();
    let error = server.connect(&credentials).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AuthenticationFailed);
    let text = error.to_string();
    assert!(
        text.contains("AADSTS7000215") && text.contains("send the secret's value"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(authentications(&server).await, (0, 0));
}

#[tokio::test]
async fn rejected_password_is_an_error_of_the_server() {
    let Some(server) = Server::start() else { return };
    let service = TokenService::new();
    let credentials = RedisCredentials::new(&service.client).unwrap();
    accept(&server, PRINCIPAL, "another").await;
    let error = server.connect(&credentials).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains(&token(1)), "{error:?}");
    assert_eq!(authentications(&server).await.1, 1);
}

#[tokio::test]
async fn debug_shows_no_token() {
    let service = TokenService::new();
    let credentials = RedisCredentials::new(&service.client).unwrap().with_username("worker");
    let debug = format!("{credentials:?}");
    assert!(debug.contains("redis.azure.com") && debug.contains("worker"), "{debug}");
    assert!(!debug.contains("canary") && !debug.contains("e30"), "{debug}");
}
