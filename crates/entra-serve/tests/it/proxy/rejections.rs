//! Tokens that the API rejects, and tokens that the service does not issue.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use serde_json::Value;

use super::setup::{Got, Running, Tokens, api};

fn rejected() -> Response<String> {
    let mut response = Response::new("rejected".to_owned());
    *response.status_mut() = http::StatusCode::UNAUTHORIZED;
    response
}

/// Accepts the tokens from this one on.
fn accepts_from(first: usize) -> impl Fn(usize, &Got) -> Response<String> {
    move |_, got| {
        let number: usize = got.authorization().strip_prefix("Bearer t").unwrap().parse().unwrap();
        if number < first {
            rejected()
        } else {
            Response::new(format!("with t{number}"))
        }
    }
}

#[tokio::test]
async fn rejected_request_is_sent_again_with_a_new_token() {
    let (address, log) = api(accepts_from(2)).await;
    let proxy = Running::start(address).await;
    let post = "POST /a?b=c HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
    let received = proxy.send(post).await;
    assert_eq!((received.status, received.body.as_str()), (200, "with t2"));
    let got = log.all();
    assert_eq!(got.len(), 2);
    for (request, token) in got.iter().zip(["Bearer t1", "Bearer t2"]) {
        assert_eq!(
            (request.line.as_str(), &request.body[..]),
            ("POST /a?b=c", &b"body"[..])
        );
        assert_eq!(request.authorization(), token);
    }
}

#[tokio::test]
async fn long_request_is_not_sent_again_but_the_next_one_passes() {
    let (address, log) = api(accepts_from(2)).await;
    let proxy = Running::start(address).await;
    let length = 64 * 1024 + 1;
    let body = "x".repeat(length);
    let post =
        format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let received = proxy.send(&post).await;
    assert_eq!(
        (received.status, received.body.as_str(), received.error()),
        (401, "rejected", None)
    );
    let shorter = post.replace(&length.to_string(), &(length - 1).to_string());
    let shorter = &shorter[..shorter.len() - 1];
    let received = proxy.send(shorter).await;
    assert_eq!((received.status, received.body.as_str()), (200, "with t2"));
    assert_eq!(log.all()[0].body.len(), length);
    // A copy of the longest short body exists.
    let (address, log) = api(accepts_from(2)).await;
    let proxy = Running::start(address).await;
    assert_eq!(proxy.send(shorter).await.status, 200);
    assert_eq!(
        log.all().iter().map(|got| got.body.len()).collect::<Vec<_>>(),
        [length - 1; 2]
    );
}

#[tokio::test]
async fn chunked_request_is_not_awaited_to_be_copied() {
    let (address, log) = api(accepts_from(2)).await;
    let proxy = Running::start(address).await;
    let post = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(proxy.send(post).await.status, 401);
    assert_eq!(proxy.send(post).await.status, 200);
    assert!(log.all().iter().all(|got| &got.body[..] == b"abc"));
}

#[tokio::test]
async fn claims_challenge_is_answered() {
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    let (address, _) = api(move |number, _| {
        if number > 1 {
            return Response::new("accepted".to_owned());
        }
        let mut response = rejected();
        let challenge = format!(
            r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="{}""#,
            STANDARD.encode(claims)
        );
        response
            .headers_mut()
            .insert("www-authenticate", challenge.parse().unwrap());
        response
    })
    .await;
    let proxy = Running::start(address).await;
    let received = proxy.get("/").await;
    assert_eq!((received.status, received.body.as_str()), (200, "accepted"));
    let requests = proxy.tokens.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        !requests[0].contains("1604106651") && requests[1].contains("1604106651"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn client_without_renewal_works_for_three_token_lives() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    let mut tokens = Tokens::default();
    tokens.lifetime = Some(2);
    let proxy = Running::with(address, tokens, |proxy| proxy).await;
    let fixed = "GET / HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer read-once\r\nconnection: close\r\n\r\n";
    for _ in 0..16 {
        assert_eq!(proxy.send(fixed).await.status, 200);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let mut used: Vec<_> = log.all().iter().map(|got| got.authorization().to_owned()).collect();
    used.dedup();
    assert!(used.len() >= 3, "{used:?}");
    assert!(used.iter().all(|token| token.starts_with("Bearer t")), "{used:?}");
}

#[tokio::test]
async fn missing_token_is_an_error_of_the_proxy() {
    let (address, log) = api(|_, _| Response::new(String::new())).await;
    for (response, status, retry_after, code) in [
        (
            (
                401,
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#,
            ),
            502,
            None,
            7000215,
        ),
        (
            (
                503,
                r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error has occurred.","error_codes":[90033]}"#,
            ),
            503,
            Some(()),
            90033,
        ),
    ] {
        let tokens = Tokens::default();
        *tokens.failure.lock().unwrap() = Some(response);
        let proxy = Running::with(address, tokens, |proxy| proxy).await;
        let received = proxy.get("/").await;
        assert_eq!(
            (received.status, received.error()),
            (status, Some("no-token")),
            "{received:?}"
        );
        assert_eq!(received.headers["content-type"], "application/problem+json");
        assert_eq!(
            received.headers.get("retry-after").map(drop),
            retry_after,
            "{received:?}"
        );
        let problem: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!(problem["aadsts_codes"], serde_json::json!([code]));
        assert_eq!(problem["status"], status);
        assert!(
            problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()),
            "{problem}"
        );
    }
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn revoked_tokens_are_replaced_while_requests_run() {
    let revoked_below = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let limit = std::sync::Arc::clone(&revoked_below);
    let (address, _) = api(move |_, got| accepts_from(limit.load(std::sync::atomic::Ordering::SeqCst))(0, got)).await;
    let proxy = Running::start(address).await;
    assert_eq!(proxy.get("/").await.body, "with t1");
    revoked_below.store(2, std::sync::atomic::Ordering::SeqCst);
    let many = (0..20).map(|_| proxy.get("/"));
    let mut all = Vec::new();
    for received in many {
        all.push(received.await.status);
    }
    assert_eq!(all, [200; 20]);
    assert_eq!(proxy.tokens.requests().len(), 2);
}
