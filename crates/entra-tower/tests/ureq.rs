//! The middleware for ureq: the layer's rules, for threads.

#![cfg(feature = "ureq")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::ManualClock;
use entra_client::blocking::{Client, TokenSource};
use entra_proto::Timestamp;
use entra_tower::{BearerError, BearerMiddleware, Elsewhere};
use entra_transport::{Body, Response, blocking_transport_fn};
use http::StatusCode;
use support::server::Server;
use support::{Answer, application, challenge, challenge_from, graph, not_before};
use ureq::config::RedirectAuthHeaders;
use ureq::{Agent, Error};

/// A token service that answers `t1`, `t2` and so on.
#[derive(Clone, Default)]
struct Entra(Arc<Mutex<Vec<String>>>);

impl Entra {
    fn source(&self, clock: &ManualClock) -> TokenSource {
        let asked = Arc::clone(&self.0);
        let transport = blocking_transport_fn(move |request| {
            let mut asked = asked.lock().unwrap();
            let form = String::from_utf8(request.body().as_bytes().to_vec()).unwrap();
            asked.push(form);
            if asked.len() > 20 {
                let mut answer = Response::new(Body::from(r#"{"error":"invalid_client"}"#.to_owned()));
                *answer.status_mut() = StatusCode::UNAUTHORIZED;
                return Ok(answer);
            }
            let body = format!(r#"{{"access_token":"t{}","expires_in":3599}}"#, asked.len());
            Ok(Response::new(Body::from(body)))
        });
        let client = Client::builder(application(), transport)
            .clock(clock.clone())
            .build()
            .unwrap();
        client.source(&graph(), None).unwrap()
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

/// An API that takes these tokens, and refuses others in this way.
fn server(tokens: &'static [&'static str], refusal: Answer) -> Server {
    Server::start(move |_, token| {
        if tokens.contains(&token) {
            return (200, String::new());
        }
        let fields = refusal.1.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        (refusal.0, fields.collect())
    })
}

/// Status and token, whether or not ureq makes errors of answers.
fn get(agent: &Agent, url: &str) -> (u16, String) {
    match agent.get(url).header("authorization", "Basic Zm9v").call() {
        Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap()),
        Err(Error::StatusCode(status)) => (status, String::new()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_token_arrives_and_after_a_refusal_the_next_request_has_another() {
    for status_as_error in [false, true] {
        let (entra, server) = (Entra::default(), server(&["t2"], support::unauthorized()));
        let middleware = BearerMiddleware::new(entra.source(&clock()), [&server.origin]).unwrap();
        let agent = agent(middleware, status_as_error);
        assert_eq!(get(&agent, &server.origin).0, 401);
        for _ in 0..2 {
            assert_eq!(get(&agent, &server.origin), (200, "t2".to_owned()));
        }
        assert_eq!(server.tokens(), ["t1", "t2", "t2"]);
        assert_eq!(entra.forms().len(), 2);
    }
}

#[test]
fn claims_are_remembered_where_ureq_shows_them() {
    let claims = not_before(1);
    for (refusal, status_as_error, expected) in [
        (challenge(&claims), false, vec![false, true]),
        (challenge(&claims), true, vec![false, false]),
        (challenge_from("https://evil.test/", &claims), false, vec![false]),
    ] {
        let (entra, server) = (Entra::default(), server(&["t2"], refusal));
        let middleware = BearerMiddleware::new(entra.source(&clock()), [&server.origin]).unwrap();
        let agent = agent(middleware, status_as_error);
        get(&agent, &server.origin);
        get(&agent, &server.origin);
        let with_claims: Vec<bool> = entra.forms().iter().map(|form| form.contains("nbf")).collect();
        assert_eq!(with_claims, expected);
    }
}

#[test]
fn an_api_that_always_refuses_costs_one_token_a_minute() {
    let (entra, server, clock) = (Entra::default(), server(&[], support::unauthorized()), clock());
    let middleware = BearerMiddleware::new(entra.source(&clock), [&server.origin]).unwrap();
    let agent = agent(middleware, false);
    for expected in [2, 3] {
        for _ in 0..20 {
            assert_eq!(get(&agent, &server.origin).0, 401);
        }
        assert_eq!(entra.forms().len(), expected);
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn a_redirect_is_followed_without_the_token_and_its_end_says_nothing_of_it() {
    let claims = challenge(&not_before(1)).1.remove(0);
    let elsewhere = Server::start(move |_, _| (401, format!("{}: {}\r\n", claims.0, claims.1)));
    let location = format!("location: {}/\r\n", elsewhere.origin);
    let server = Server::start(move |_, _| (302, location.clone()));
    let entra = Entra::default();
    let middleware = BearerMiddleware::new(entra.source(&clock()), [&server.origin]).unwrap();
    let agent = agent(middleware, false);
    for _ in 0..2 {
        assert_eq!(get(&agent, &server.origin).0, 401);
    }
    // The same host, which is all that ureq looks at.
    assert_eq!(
        (server.tokens(), elsewhere.tokens()),
        (vec!["t1".to_owned(); 2], vec![String::new(); 2])
    );
    assert_eq!(entra.forms().len(), 1);
}

#[test]
fn another_origin_is_refused_or_served_untouched() {
    let (entra, server) = (Entra::default(), server(&[], support::unauthorized()));
    let middleware = || BearerMiddleware::new(entra.source(&clock()), ["https://graph.microsoft.com"]).unwrap();
    let error = agent(middleware(), false).get(&server.origin).call().unwrap_err();
    let Error::Other(error) = error else { panic!("{error}") };
    assert!(
        matches!(error.downcast_ref(), Some(BearerError::Elsewhere { .. })),
        "{error}"
    );
    assert_eq!(server.seen().len(), 0);
    let agent = agent(middleware().elsewhere(Elsewhere::WithoutToken), false);
    get(&agent, &server.origin);
    assert_eq!(
        (server.tokens(), entra.forms().len()),
        (vec!["Basic Zm9v".to_owned()], 0)
    );
}

#[test]
fn without_a_token_nothing_is_sent() {
    let (entra, server) = (Entra::default(), server(&[], support::unauthorized()));
    entra.0.lock().unwrap().extend(vec![String::new(); 20]);
    let middleware = BearerMiddleware::new(entra.source(&clock()), [&server.origin]).unwrap();
    let error = agent(middleware, false).get(&server.origin).call().unwrap_err();
    let Error::Other(error) = error else { panic!("{error}") };
    let Some(BearerError::Token(cause)) = error.downcast_ref() else {
        panic!("{error}")
    };
    assert_eq!(cause.service().unwrap().error, "invalid_client");
    assert_eq!(server.seen().len(), 0);
}
