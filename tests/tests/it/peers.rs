//! Observed faults of other clients, and the behaviour of this one. Each test has the cell of the
//! comparison in its comment.
//!
//! Faults on the wire come from the emulator, over real sockets. For time and counts, a stub
//! replaces the network and time is virtual.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_client::clock::{Clock, Moment};
use entra_client::{Client, Error, Policy, Token, TokenOptions, blocking};
use entra_emulator::{Emulator, Fault};
use entra_proto::acquire::RetryPolicy;
use entra_proto::claims::ClaimsRequest;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, ClientCredential, ClientSecret, EndpointVersion, Guid, Target, Tenant, Timestamp};
use entra_tests::application;
use entra_transport::{Body, Response, Transport, transport_fn};
use entra_transport_hyper::HyperTransport;
use entra_transport_reqwest::ReqwestTransport;
use entra_transport_ureq::UreqTransport;
use http::StatusCode;
use tokio::time::Instant;

/// A client over a real socket, whichever it is.
type Ask = Box<dyn Fn(&Target) -> Result<Token, Error>>;

/// Every client over every transport it can have, for one application of the emulator. None tries
/// twice, so none has to wait.
fn clients(emulator: &Emulator, version: EndpointVersion) -> Vec<(&'static str, Ask)> {
    let application = || application(emulator, "daemon").with_endpoint_version(version);
    let mut policy = Policy::default();
    policy.retry = RetryPolicy::never();
    let over = |transport: Box<dyn Transport>| {
        let client = Client::builder(application(), transport).policy(policy).build();
        on_tokio(client.unwrap())
    };
    let ureq = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    let over_ureq = blocking::Client::builder(application(), ureq)
        .policy(policy)
        .build()
        .unwrap();
    let hyper = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
    let reqwest = ReqwestTransport::builder().allow_plain_loopback(true).build().unwrap();
    vec![
        ("blocking over ureq", Box::new(move |target| over_ureq.token(target))),
        ("async over hyper", over(Box::new(hyper))),
        ("async over reqwest", over(Box::new(reqwest))),
    ]
}

fn on_tokio(client: Client) -> Ask {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    Box::new(move |target| runtime.block_on(client.token(target)))
}

fn emulator() -> Emulator {
    let app = entra_emulator::App::new("daemon").grant(Emulator::GRAPH, "User.Read.All");
    Emulator::builder().app(app).start()
}

pub(super) fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").unwrap()
}

/// Requests a token with every client while the emulator responds to the first requests with a
/// fault, and checks the result.
fn against(fault: &Fault, check: impl Fn(&str, Result<Token, Error>, usize)) {
    let emulator = emulator();
    for (name, ask) in clients(&emulator, EndpointVersion::V2) {
        emulator.clear_faults();
        emulator.clear_requests();
        emulator.fault(fault.clone());
        let outcome = ask(&graph());
        check(name, outcome, emulator.token_requests().len());
    }
}

// azure_identity: "DataConversion", status and AADSTS code lost.
#[test]
fn error_text_with_escapes_keeps_every_field() {
    let body = concat!(
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid \"secret\" provided.\r\nTrace ID: 00000000-0000-4000-8000-000000000001\r\n"#,
        r#"Correlation ID: 00000000-0000-4000-8000-000000000002","error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","#,
        r#""trace_id":"00000000-0000-4000-8000-000000000001","correlation_id":"00000000-0000-4000-8000-000000000002"}"#
    );
    against(&Fault::body(body).always(), |name, outcome, _| {
        let error = outcome.expect_err(name);
        let service = error.service().expect(name);
        assert_eq!(
            (service.codes.as_slice(), service.error.as_str()),
            (&[7_000_215][..], "invalid_client"),
            "{name}"
        );
        assert!(service.description.contains("\"secret\" provided.\r\n"), "{name}");
        assert_eq!(
            (service.trace_id.as_deref(), service.correlation_id.as_deref()),
            (
                Some("00000000-0000-4000-8000-000000000001"),
                Some("00000000-0000-4000-8000-000000000002")
            ),
            "{name}"
        );
    });
}

// azure_identity: a parse error, status lost; oauth2: status and headers lost.
#[test]
fn page_of_a_proxy_is_retryable_with_an_excerpt() {
    let page = format!("<html><body>Bad gateway{}</body></html>", " ".repeat(5000));
    let responses = [(502, page)];
    for (status, page) in responses {
        let (client, requests) = stub(move |_| (status, Vec::new(), page.clone()));
        let error = runtime().block_on(client.token(&graph())).unwrap_err();
        let service = error.service().unwrap();
        assert_eq!((service.status, service.description.chars().count()), (502, 1024));
        assert!(service.description.starts_with("<html><body>Bad gateway") && error.is_retryable());
        assert_eq!(requests.load(Ordering::SeqCst), 3);
    }
}

// azure_identity: Ok with an empty token.
#[test]
fn an_empty_object_is_no_token() {
    against(&Fault::body("{}").always(), |name, outcome, _| {
        outcome.map(drop).expect_err(name);
    });
}

// azure_identity: rejected; oauth2: a Parse error whose Debug holds the whole body.
#[test]
fn v1_response_with_numbers_as_strings_is_accepted() {
    let emulator = emulator();
    for (name, ask) in clients(&emulator, EndpointVersion::V1) {
        let token = ask(&graph()).expect(name);
        // What it took on the way is off.
        let life = token.expires_at().since(token.received_at()).as_secs();
        assert!((3500..=3599).contains(&life), "{name}: {life}");
    }
}

// oauth2: the body in Debug, access token included.
#[test]
fn no_error_holds_the_body() {
    let body = r#"{"token_type":"mac","access_token":"canary","expires_in":"3599"}"#;
    against(&Fault::body(body).always(), |name, outcome, _| {
        let error = outcome.expect_err(name);
        assert!(
            !format!("{error} {error:?} {:?}", error.cause()).contains("canary"),
            "{name}"
        );
    });
}

// oauth2: only `error` and its text; status and headers lost.
#[test]
fn codes_claims_and_retry_after_are_kept() {
    let refusal = r#"{"error":"interaction_required","error_codes":[50079],"suberror":"basic_action","claims":"{\"access_token\":{}}"}"#;
    let (client, _) = stub(move |_| (401, Vec::new(), refusal.to_owned()));
    let error = runtime().block_on(client.token(&graph())).unwrap_err();
    let service = error.service().unwrap();
    assert_eq!((service.status, service.codes.as_slice()), (401, &[50_079][..]));
    assert_eq!(
        (service.suberror.as_deref(), service.claims.as_deref()),
        (Some("basic_action"), Some(r#"{"access_token":{}}"#))
    );

    let (client, requests) = stub(|_| (429, vec![("retry-after", "120")], "Too Many Requests".to_owned()));
    let error = runtime().block_on(client.token(&graph())).unwrap_err();
    assert_eq!(
        (error.service().unwrap().status, error.retry_after()),
        (429, Some(Duration::from_secs(120)))
    );
    assert_eq!(
        requests.load(Ordering::SeqCst),
        1,
        "what is asked for is longer than the deadline"
    );
}

// azure_identity: one call; msal-node: 5 requests for 5 callers, 997 for 1,000.
#[test]
fn callers_at_once_are_one_request() {
    for callers in [5, 50, 1000] {
        let (client, requests) = stub(|_| (200, Vec::new(), TOKEN.to_owned()));
        runtime().block_on(async {
            for outcome in all(&client, callers).await {
                outcome.unwrap();
            }
        });
        assert_eq!(requests.load(Ordering::SeqCst), 1, "{callers}");
    }
}

// azure_identity: 50 calls one after another, 2.7 s.
#[test]
fn concurrent_callers_share_one_error_response() {
    let (client, requests) = stub(|_| (401, Vec::new(), r#"{"error":"invalid_client"}"#.to_owned()));
    runtime().block_on(async {
        let start = Instant::now();
        for outcome in all(&client, 50).await {
            assert_eq!(outcome.unwrap_err().class(), ErrorClass::Credential);
        }
        assert_eq!((start.elapsed(), requests.load(Ordering::SeqCst)), (LATENCY, 1));
    });
}

// azure_identity: a reader of A waits 1.45 s.
#[test]
fn a_reader_of_one_scope_does_not_wait_for_another() {
    let (client, _) = stub(|_| (200, Vec::new(), TOKEN.to_owned()));
    runtime().block_on(async {
        client.token(&graph()).await.unwrap();
        let other = client.clone();
        let fetching = tokio::spawn(async move { other.token(&Target::resource("https://b.example").unwrap()).await });
        tokio::task::yield_now().await;
        let start = Instant::now();
        client.token(&graph()).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(!fetching.is_finished());
    });
}

// azure_identity: an error; MSAL Python: raises although the old token is good.
#[test]
fn outage_does_not_affect_unexpired_tokens() {
    for (life, refresh_in, asked_at) in [("3600", "", 3360), ("3600", r#","refresh_in":1800"#, 1900)] {
        let good = format!(r#"{{"token_type":"Bearer","expires_in":{life},"access_token":"old"{refresh_in}}}"#);
        let (client, requests) = stub(move |n| {
            if n == 0 {
                (200, Vec::new(), good.clone())
            } else {
                (503, Vec::new(), String::new())
            }
        });
        runtime().block_on(async {
            client.token(&graph()).await.unwrap();
            tokio::time::sleep(Duration::from_secs(asked_at)).await;
            assert_eq!(client.token(&graph()).await.unwrap().expose(), "old");
            tokio::time::sleep(Duration::from_secs(10)).await;
            assert_eq!(client.token(&graph()).await.unwrap().expose(), "old");
            assert!(requests.load(Ordering::SeqCst) > 1, "it was tried");
        });
    }
}

// azure_identity: two calls.
#[test]
fn scopes_in_another_order_are_the_same_token() {
    let (client, requests) = stub(|_| (200, Vec::new(), TOKEN.to_owned()));
    runtime().block_on(async {
        for scopes in ["https://a.example/.default openid", "openid https://a.example/.default"] {
            client.token(&Target::scopes(scopes).unwrap()).await.unwrap();
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

// azure_identity: 9 calls, 81.6 s, the lock held all that time.
#[test]
fn lasting_outage_ends_within_bounds() {
    let (client, requests) = stub(|_| (503, Vec::new(), String::new()));
    runtime().block_on(async {
        let start = Instant::now();
        client.token(&graph()).await.unwrap_err();
        assert_eq!(requests.load(Ordering::SeqCst), 3);
        // Three responses of 50 ms and two waits, of at most one second and two.
        assert!(
            start.elapsed() <= 3 * LATENCY + Duration::from_secs(3),
            "{:?}",
            start.elapsed()
        );
        client.token(&graph()).await.unwrap_err();
        assert_eq!(requests.load(Ordering::SeqCst), 3, "it cools down");
    });
}

// azure_identity: the same token again until 5 minutes before expiry.
#[test]
fn claims_challenge_replaces_the_cached_token() {
    let (client, requests) = stub(|n| (200, Vec::new(), TOKEN.replace("\"t\"", &format!("\"t{n}\""))));
    runtime().block_on(async {
        let refused = client.token(&graph()).await.unwrap();
        assert!(client.invalidate(&refused));
        let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#).unwrap();
        let next = client
            .token_with(&graph(), &TokenOptions::default().with_claims(claims))
            .await
            .unwrap();
        assert_eq!((next.expose(), requests.load(Ordering::SeqCst)), ("t1", 2));
        assert_eq!(
            client.token(&graph()).await.unwrap().expose(),
            "t2",
            "and the rejected token is not returned again"
        );
    });
}

// libhimmelblau: a table of texts.
#[test]
fn aadsts_code_has_a_class_a_meaning_and_a_hint() {
    for (code, class, retryable) in [
        (7_000_215, ErrorClass::Credential, false),
        (65_001, ErrorClass::Consent, false),
        (90_033, ErrorClass::Transient, true),
    ] {
        against(&Fault::aadsts(code).always(), |name, outcome, _| {
            let error = outcome.expect_err(name);
            assert_eq!(
                (error.class(), error.is_retryable()),
                (class, retryable),
                "{code}, {name}"
            );
            assert!(error.hint().is_some(), "{error}");
        });
    }
}

// MSAL Python, msal-node, adal: follow it and send the client secret again.
#[test]
fn a_redirect_to_another_host_is_refused() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("http://{}/token", elsewhere.local_addr().unwrap());
    for status in [301, 302, 307, 308] {
        against(
            &Fault::redirect(status, &location).always(),
            |name, outcome, requests| {
                let error = outcome.expect_err(name);
                assert!(!error.is_retryable() && requests == 1, "{status}, {name}: {error}");
                let connection = elsewhere.accept().map_err(|error| error.kind());
                assert_eq!(
                    connection.map(drop),
                    Err(std::io::ErrorKind::WouldBlock),
                    "{status}, {name}"
                );
            },
        );
    }
}

// All five official clients: read whole.
#[test]
fn a_body_of_twenty_megabytes_is_an_error_at_the_cap() {
    against(&Fault::huge(20 * 1024 * 1024).always(), |name, outcome, _| {
        let error = outcome.expect_err(name).to_string();
        assert!(error.contains("1048576 bytes"), "{name}: {error}");
    });
}

// All but adal: accepted.
#[test]
fn a_token_inside_a_refusal_is_refused() {
    let (client, _) = stub(|_| (400, Vec::new(), TOKEN.to_owned()));
    let error = runtime().block_on(client.token(&graph())).unwrap_err();
    assert!(!format!("{error:?}").contains("\"t\""), "{error}");
}

// MSAL Java: sign reversed, serves dead tokens for 5 minutes. The property test is entra-client's
// `clocks`.
#[test]
fn the_margin_is_before_the_expiry() {
    let (client, requests) = stub(|n| (200, Vec::new(), TOKEN.replace("\"t\"", &format!("\"t{n}\""))));
    runtime().block_on(async {
        let mut before = 0;
        for (at, name) in [(0, "t0"), (3299, "t0"), (3300, "t1"), (3900, "t1")] {
            tokio::time::sleep(Duration::from_secs(at - before)).await;
            before = at;
            assert_eq!(client.token(&graph()).await.unwrap().expose(), name, "{at}");
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

// What users of others ask for: types one can store in a struct, many tenants over one client.
#[test]
fn a_client_is_a_plain_type_that_serves_many_tenants() {
    struct Service {
        client: Client,
    }
    let (client, requests) = stub(|_| (200, Vec::new(), TOKEN.to_owned()));
    let service = Service { client };
    runtime().block_on(async {
        for tenant in ["contoso.com", "fabrikam.com", "contoso.com"] {
            let tenant: Tenant = tenant.parse().unwrap();
            service.client.tenant(tenant).token(&graph()).await.unwrap();
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

pub(super) const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t"}"#;

/// The time that the stub takes for a response.
const LATENCY: Duration = Duration::from_millis(50);

type StubResponse = (u16, Vec<(&'static str, &'static str)>, String);

/// Returns a client over a stub, and the number of its requests. `respond` gets the number of the
/// request, from 0. Time is tokio's, and paused.
fn stub(respond: impl Fn(usize) -> StubResponse + Send + Sync + 'static) -> (Client, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let credential = ClientCredential::from(ClientSecret::new("s3cret").unwrap());
    let application = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential);
    let client = Client::builder(application, stub_transport(respond, Arc::clone(&requests)))
        .clock(PausedClock)
        .build()
        .unwrap();
    (client, requests)
}

fn stub_transport(respond: impl Fn(usize) -> StubResponse + Send + Sync, requests: Arc<AtomicUsize>) -> impl Transport {
    transport_fn(move |_| {
        let (status, headers, body) = respond(requests.fetch_add(1, Ordering::SeqCst));
        async move {
            tokio::time::sleep(LATENCY).await;
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok(response)
        }
    })
}

/// msal-node: `slow_down` in the device flow fails. Here the interval is five seconds longer from
/// then on.
#[test]
fn slow_down_increases_the_interval_permanently() {
    const CODE: &str =
        r#"{"device_code":"d","user_code":"u","verification_uri":"https://microsoft.com/devicelogin","interval":5}"#;
    const TOKEN: &str =
        r#"{"access_token":"e30.eyJ0aWQiOiI0MTQ2M2Y1My04ODEyLTQwZjQtODkwZi04NjViZjZlMzUxOTAifQ.","expires_in":3599}"#;
    let (client, requests) = stub(|n| match n {
        0 => (200, vec![], CODE.to_owned()),
        1 | 3 => (400, vec![], r#"{"error":"authorization_pending"}"#.to_owned()),
        2 => (400, vec![], r#"{"error":"slow_down"}"#.to_owned()),
        _ => (200, vec![], TOKEN.to_owned()),
    });
    runtime().block_on(async {
        let start = Instant::now();
        client.device_code(&graph(), |_| {}).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(5 + 5 + 10 + 10) + 5 * LATENCY);
    });
    assert_eq!(requests.load(Ordering::SeqCst), 5);
}

/// Tokio's paused time, from some moment on.
struct PausedClock;

impl Clock for PausedClock {
    fn now(&self) -> Moment {
        thread_local! {
            static START: Instant = Instant::now();
        }
        let passed = START.with(Instant::elapsed);
        Moment {
            wall: Timestamp::from_secs(1_767_225_600).plus(passed),
            monotonic: passed,
        }
    }
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
}

/// Asks this many times at once.
async fn all(client: &Client, callers: usize) -> Vec<Result<Token, Error>> {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.token(&graph()).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}
