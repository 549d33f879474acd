//! The middleware for ureq: the layer's rules without async.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::Policy;
use entra_client::blocking::{Client, TokenSource};
use entra_client::clock::ManualClock;
use entra_proto::Timestamp;
use entra_proto::acquire::RetryPolicy;
use entra_tower::{BearerError, BearerMiddleware, UnlistedOrigin};
use entra_transport::{Body, Response, blocking_transport_fn};
use http::StatusCode;
use ureq::config::RedirectAuthHeaders;
use ureq::{Agent, Error};

use crate::support::server::Server;
use crate::support::{
    BUSY, Reply, application, challenge, challenge_from, context, graph, not_before, ok, unauthorized,
};

/// A token service that issues `t1`, `t2` and so on.
#[derive(Clone, Default)]
struct TokenService(Arc<Mutex<Vec<String>>>);

impl TokenService {
    fn source(&self, clock: &ManualClock) -> TokenSource {
        self.source_rejecting(clock, |_, number| (number > 20).then_some("invalid_client"))
    }

    /// Returns a source whose token requests are rejected with the code that `reject` returns for
    /// their form and number: with status 401, or with 503 for [`BUSY`].
    fn source_rejecting(
        &self,
        clock: &ManualClock,
        reject: impl Fn(&str, usize) -> Option<&'static str> + Send + Sync + 'static,
    ) -> TokenSource {
        let calls = Arc::clone(&self.0);
        let transport = blocking_transport_fn(move |request| {
            let mut calls = calls.lock().unwrap();
            let form = String::from_utf8(request.body().as_bytes().to_vec()).unwrap();
            let rejection = reject(&form, calls.len() + 1);
            calls.push(form);
            let (status, body) = match rejection {
                None => (
                    200,
                    format!(r#"{{"access_token":"t{}","expires_in":3599}}"#, calls.len()),
                ),
                Some(BUSY) => (503, String::new()),
                Some(error) => (401, format!(r#"{{"error":"{error}"}}"#)),
            };
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        });
        let mut policy = Policy::default();
        // Tests do not wait.
        policy.retry = RetryPolicy::never();
        // Longer than the slowest machine takes to start a thread.
        policy.grace = Duration::from_secs(600);
        let client = Client::builder(application(), transport)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        client.source(&graph()).unwrap()
    }

    fn forms(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_secs(1_767_225_600))
}

fn agent(middleware: BearerMiddleware, status_as_error: bool) -> Agent {
    Agent::config_builder()
        .middleware(middleware)
        .http_status_as_error(status_as_error)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .proxy(None)
        .build()
        .new_agent()
}

/// Starts an API that accepts these tokens, and rejects others in this way.
fn server(tokens: &'static [&'static str], rejection: Reply) -> Server {
    Server::start(move |_, token| {
        if tokens.contains(&token) {
            return (200, String::new());
        }
        let fields = rejection.1.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        (rejection.0, fields.collect())
    })
}

/// Returns status and token, whether or not ureq turns statuses into errors.
fn get(agent: &Agent, url: &str) -> (u16, String) {
    match agent.get(url).header("authorization", "Basic Zm9v").call() {
        Ok(mut response) => (
            response.status().as_u16(),
            response.body_mut().read_to_string().unwrap(),
        ),
        Err(Error::StatusCode(status)) => (status, String::new()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn request_after_a_rejection_has_another_token() {
    for status_as_error in [false, true] {
        let (token_service, server) = (TokenService::default(), server(&["t2"], unauthorized()));
        let middleware = BearerMiddleware::new(token_service.source(&clock()), [&server.origin]).unwrap();
        let agent = agent(middleware, status_as_error);
        assert_eq!(get(&agent, &server.origin).0, 401);
        for _ in 0..2 {
            assert_eq!(get(&agent, &server.origin), (200, "t2".to_owned()));
        }
        assert_eq!(server.tokens(), ["t1", "t2", "t2"]);
        assert_eq!(token_service.forms().len(), 2);
    }
}

#[test]
fn claims_are_used_if_ureq_shows_them() {
    let claims = not_before(1);
    for (rejection, status_as_error, expected) in [
        (challenge(&claims), false, vec![false, true]),
        (challenge(&claims), true, vec![false, false]),
        (challenge_from("https://evil.test/", &claims), false, vec![false]),
    ] {
        let (token_service, server) = (TokenService::default(), server(&["t2"], rejection));
        let middleware = BearerMiddleware::new(token_service.source(&clock()), [&server.origin]).unwrap();
        let agent = agent(middleware, status_as_error);
        get(&agent, &server.origin);
        get(&agent, &server.origin);
        let with_claims: Vec<bool> = token_service.forms().iter().map(|form| form.contains("nbf")).collect();
        assert_eq!(with_claims, expected);
    }
}

#[test]
fn api_that_always_rejects_is_limited() {
    let (token_service, server, clock) = (TokenService::default(), server(&[], unauthorized()), clock());
    let middleware = BearerMiddleware::new(token_service.source(&clock), [&server.origin]).unwrap();
    let agent = agent(middleware, false);
    for expected in [3, 5] {
        for _ in 0..20 {
            assert_eq!(get(&agent, &server.origin).0, 401);
        }
        assert_eq!(token_service.forms().len(), expected);
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn redirect_is_followed_without_the_token() {
    let claims = challenge(&not_before(1)).1.remove(0);
    let other = Server::start(move |_, _| (401, format!("{}: {}\r\n", claims.0, claims.1)));
    let location = format!("location: {}/\r\n", other.origin);
    let server = Server::start(move |_, _| (302, location.clone()));
    let token_service = TokenService::default();
    let middleware = BearerMiddleware::new(token_service.source(&clock()), [&server.origin]).unwrap();
    let agent = agent(middleware, false);
    for _ in 0..2 {
        assert_eq!(get(&agent, &server.origin).0, 401);
    }
    // The host is the same, and ureq compares hosts only.
    assert_eq!(
        (server.tokens(), other.tokens()),
        (vec!["t1".to_owned(); 2], vec![String::new(); 2])
    );
    assert_eq!(token_service.forms().len(), 1);
}

#[test]
fn unlisted_origin_is_rejected_or_served_unchanged() {
    let (token_service, server) = (TokenService::default(), server(&[], unauthorized()));
    let middleware = || BearerMiddleware::new(token_service.source(&clock()), ["https://graph.microsoft.com"]).unwrap();
    let error = agent(middleware(), false).get(&server.origin).call().unwrap_err();
    let Error::Other(error) = error else { panic!("{error}") };
    assert!(
        matches!(error.downcast_ref(), Some(BearerError::UnlistedOrigin { .. })),
        "{error}"
    );
    assert_eq!(server.seen().len(), 0);
    let agent = agent(middleware().unlisted_origin(UnlistedOrigin::WithoutToken), false);
    get(&agent, &server.origin);
    assert_eq!(
        (server.tokens(), token_service.forms().len()),
        (vec!["Basic Zm9v".to_owned()], 0)
    );
}

#[test]
fn request_is_not_sent_without_a_token() {
    let (token_service, server) = (TokenService::default(), server(&[], unauthorized()));
    token_service.0.lock().unwrap().extend(vec![String::new(); 20]);
    let middleware = BearerMiddleware::new(token_service.source(&clock()), [&server.origin]).unwrap();
    let error = agent(middleware, false).get(&server.origin).call().unwrap_err();
    let Error::Other(error) = error else { panic!("{error}") };
    let Some(BearerError::Token(cause)) = error.downcast_ref() else {
        panic!("{error}")
    };
    assert_eq!(cause.service().unwrap().error, "invalid_client");
    assert_eq!(server.seen().len(), 0);
}

/// Starts an API whose reply depends on the path and on the token.
fn server_at_paths(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |path, token| {
        let (status, fields) = script(path, token);
        let fields = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        (status, fields.collect())
    })
}

#[test]
fn challenge_of_one_path_leaves_the_others_their_token() {
    type Evil = fn(&str) -> Reply;
    let always: Evil = |_| challenge(&context("evil"));
    let then_plain: Evil = |token| {
        if token == "t1" {
            challenge(&context("evil"))
        } else {
            unauthorized()
        }
    };
    for (rejection, evil) in [
        (Some("interaction_required"), always),
        (Some(BUSY), always),
        (None, always),
        (None, then_plain),
    ] {
        let (token_service, clock) = (TokenService::default(), clock());
        let source = token_service.source_rejecting(&clock, move |form, _| {
            form.contains("evil").then_some(rejection).flatten()
        });
        let server = server_at_paths(move |path, token| match path {
            "/evil" => evil(token),
            _ if token == "t1" => ok(),
            _ => unauthorized(),
        });
        let middleware = BearerMiddleware::new(source, [&server.origin]).unwrap();
        let agent = agent(middleware, false);
        for _ in 0..10 {
            let url = |path| format!("{}{path}", server.origin);
            assert_eq!(get(&agent, &url("/good")), (200, "t1".to_owned()), "{rejection:?}");
            assert_eq!(get(&agent, &url("/evil")).0, 401);
            clock.advance(Duration::from_secs(6));
        }
        assert!(
            token_service.forms().len() <= 10,
            "{rejection:?}: {}",
            token_service.forms().len()
        );
    }
}

#[test]
fn two_contexts_behind_one_middleware_have_two_tokens() {
    let (token_service, clock) = (TokenService::default(), clock());
    let server = server_at_paths({
        let token_service = token_service.clone();
        move |path, token| {
            let wanted = if path == "/a" { "c1" } else { "c2" };
            let number: usize = token[1..].parse().unwrap();
            let has_it = token_service.forms()[number - 1].contains(wanted);
            if has_it { ok() } else { challenge(&context(wanted)) }
        }
    });
    let middleware = BearerMiddleware::new(token_service.source(&clock), [&server.origin]).unwrap();
    let agent = agent(middleware, false);
    let rejected = (0..40).filter(|call| {
        clock.advance(Duration::from_secs(1));
        get(&agent, &format!("{}{}", server.origin, ["/a", "/b"][call % 2])).0 == 401
    });
    assert_eq!(rejected.collect::<Vec<_>>(), [0, 1]);
    assert_eq!(token_service.forms().len(), 3);
}

#[test]
fn outage_lets_other_paths_use_the_token_to_its_end() {
    let (token_service, clock) = (TokenService::default(), clock());
    let source = token_service.source_rejecting(&clock, |_, number| (number > 1).then_some(BUSY));
    let server = server_at_paths(|path, _| if path == "/evil" { unauthorized() } else { ok() });
    let agent = agent(BearerMiddleware::new(source, [&server.origin]).unwrap(), false);
    for _ in 0..59 {
        for (path, status) in [("/good", 200), ("/evil", 401), ("/good", 200)] {
            let url = format!("{}{path}", server.origin);
            assert_eq!(get(&agent, &url), (status, "t1".to_owned()));
        }
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn limit_of_one_path_leaves_a_revocation_to_the_others() {
    let (token_service, clock, valid_from) = (TokenService::default(), clock(), Arc::new(Mutex::new(1)));
    let server = server_at_paths({
        let valid_from = Arc::clone(&valid_from);
        move |path, token| {
            let number: usize = token[1..].parse().unwrap();
            if path != "/evil" && number >= *valid_from.lock().unwrap() {
                ok()
            } else {
                unauthorized()
            }
        }
    });
    let agent = agent(
        BearerMiddleware::new(token_service.source(&clock), [&server.origin]).unwrap(),
        false,
    );
    let status = |path| get(&agent, &format!("{}{path}", server.origin)).0;
    for _ in 0..20 {
        assert_eq!(status("/evil"), 401);
    }
    assert_eq!(token_service.forms().len(), 3);
    clock.advance(Duration::from_secs(10));
    *valid_from.lock().unwrap() = 4;
    // The middleware sends nothing twice: one request receives the rejection.
    assert_eq!(["/a", "/a", "/b", "/evil", "/b"].map(status), [401, 200, 200, 401, 200]);
    assert_eq!(token_service.forms().len(), 4);
}
