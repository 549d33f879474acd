//! The record of requests: its contents, and the secrets that it never shows.

use std::time::Duration;

use entra_emulator::{App, Channel, Emulator, Endpoint, Fault, Lint};
use http::Request;

use crate::support::{access_token, encode, error_code, form, get, get_as, token};

const GRAPH: &str = "https://graph.microsoft.com";
const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

#[test]
fn token_request_is_recorded_completely() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE]));
    token(
        &emulator,
        "token",
        &form(&emulator, &[("resource", "https://nowhere.example")]),
    );
    let [v2, v1] = <[_; 2]>::try_from(emulator.token_requests()).unwrap();
    assert_eq!(
        (v2.index, v2.channel, v2.endpoint),
        (0, Channel::Memory, Some(Endpoint::V2))
    );
    assert_eq!((v2.at, v2.took), (emulator.clock().now(), Duration::ZERO));
    assert_eq!(v2.tenant.as_deref(), Some(emulator.tenant_id()));
    assert_eq!(v2.client_id.as_deref(), Some(emulator.client_id()));
    assert_eq!(
        (v2.grant.as_deref(), v2.target.as_deref()),
        (Some("client_credentials"), Some(SCOPE.1))
    );
    assert_eq!((v2.status.as_u16(), v2.aadsts, v2.fault), (200, None, None));
    assert_eq!(v2.form_value("client_secret"), Some(emulator.client_secret()));
    assert_eq!(
        (v1.index, v1.endpoint, v1.aadsts),
        (1, Some(Endpoint::V1), Some(500011))
    );
    assert_eq!(v1.target.as_deref(), Some("https://nowhere.example"));
    let problem = v1.problem.as_deref().unwrap();
    assert!(problem.starts_with("AADSTS500011: The resource principal named https://nowhere.example was not found"));
    assert!(!problem.contains("Trace ID"), "{problem}");
    let line = v1.to_string();
    assert!(line.contains(&format!(
        "Z POST /{}/oauth2/token 400 AADSTS500011: The resource",
        emulator.tenant_id()
    )));
    assert!(line.ends_with(" [no client-request-id]"), "{line}");
}

#[test]
fn every_error_response_is_described() {
    let emulator = Emulator::builder().build();
    let problem = |path: &str| {
        get(&emulator, path);
        emulator.requests().pop().unwrap().problem.unwrap_or_default()
    };
    assert_eq!(problem("/common/discovery/keys"), "");
    let authorize = format!(
        "/common/oauth2/v2.0/authorize?response_type=code&client_id={}",
        emulator.client_id()
    );
    for (path, words) in [
        ("/nothing", "no such endpoint"),
        ("/nothing/here", "does not emulate"),
        ("/v1.0/users", "token"),
        ("/api/v1.0/unknown/activity/feed/subscriptions/list", " "),
        (
            "/unknown.example/v2.0/.well-known/openid-configuration",
            "AADSTS90002: ",
        ),
        ("/signin", "cannot be opened directly"),
        (
            &format!("{authorize}&redirect_uri=https://elsewhere.example/"),
            "AADSTS50011: ",
        ),
        // Reported to the application by redirect.
        (&format!("{authorize}&redirect_uri=http://localhost/"), "AADSTS900144: "),
    ] {
        assert!(problem(path).contains(words), "{path}: {:?}", problem(path));
    }
}

#[test]
fn log_line_shows_no_secret() {
    let emulator = Emulator::builder().app(App::new("a").secret("canary-1")).build();
    for path in ["/canary-1/oauth2/v2.0/token", "/canary%2D1/oauth2/token"] {
        get(&emulator, path);
        // The test sees the path unchanged.
        assert_eq!(emulator.requests().pop().unwrap().path, path);
    }
    token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE, ("canary-1", "x")]));
    for event in emulator.requests() {
        let line = event.to_string();
        assert!(line.contains("[not shown]") && !line.contains("canary"), "{line}");
    }
}

#[test]
fn problem_shows_no_secret() {
    let emulator = Emulator::builder().app(App::new("a").secret("canary-1")).build();
    let stray = "abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR";
    for fields in [
        &[SCOPE, ("client_id", "canary-1")][..],
        &[SCOPE, ("client_id", "canary-2"), ("client_secret", "canary-2")],
        &[SCOPE, ("client_id", stray)],
        &[("scope", "canary-1/.default")],
        &[SCOPE, ("grant_type", "canary-1")],
    ] {
        token(&emulator, "v2.0/token", &form(&emulator, fields));
        let event = emulator.requests().pop().unwrap();
        let problem = event.problem.as_deref().unwrap();
        assert!(
            problem.starts_with("AADSTS") && !problem.contains("canary"),
            "{problem}"
        );
        assert!(!event.to_string().contains("canary"), "{event}");
    }
}

#[test]
fn debug_never_shows_a_secret() {
    let emulator = Emulator::builder()
        .app(App::new("a").secret("canary-1").secret("canary-2"))
        .build();
    token(
        &emulator,
        "v2.0/token",
        &form(
            &emulator,
            &[SCOPE, ("client_assertion", "canary-3"), ("Client_Secret", "canary-4")],
        ),
    );
    let bearer = access_token(&emulator, SCOPE.1);
    get_as(&emulator, "/v1.0/users?access_token=canary-5", &bearer);
    let request =
        Request::post("/common/oauth2/token?client_secret=canary-6").header("authorization", "Basic canary-7");
    emulator.handle(request.body(Vec::new()).unwrap());
    let shown = format!(
        "{emulator:?} {:?} {:?} {:?}",
        emulator.requests(),
        emulator.apps(),
        Emulator::builder().app(App::new("b").secret("canary-8"))
    );
    assert!(!shown.contains("canary") && !shown.contains(&bearer), "{shown}");
    let printed: String = emulator.requests().iter().map(ToString::to_string).collect();
    assert!(!printed.contains("canary"));
}

#[test]
fn mistakes_in_token_requests_are_recorded() {
    let emulator = Emulator::builder().build();
    let lints = |more: &[(&str, &str)], endpoint: &str| {
        let mut fields = vec![("client-request-id", "0f0e0d0c-0b0a-4908-8706-050403020100")];
        fields.extend_from_slice(more);
        token(&emulator, endpoint, &form(&emulator, &fields));
        emulator.requests().pop().unwrap().lints
    };
    assert_eq!(
        lints(
            &[SCOPE, ("x-client-SKU", "MSAL.Go"), ("client_info", "1")],
            "v2.0/token"
        ),
        []
    );
    assert_eq!(
        lints(&[SCOPE, ("colour", "red")], "v2.0/token"),
        [Lint::UnknownParameter("colour".to_owned())]
    );
    assert_eq!(
        lints(&[("Scope", "a")], "v2.0/token"),
        [Lint::ParameterCase("Scope".to_owned())]
    );
    assert_eq!(lints(&[SCOPE, ("resource", "a")], "v2.0/token"), [Lint::ResourceOnV2]);
    assert_eq!(lints(&[SCOPE, ("resource", "a")], "token"), [Lint::ScopeOnV1]);
    assert_eq!(
        lints(&[("scope", "https%3A%2F%2Fa%2F.default")], "v2.0/token"),
        [Lint::DoubleEncodedScope]
    );
    assert_eq!(
        lints(&[SCOPE, ("client_secret", "a ")], "v2.0/token"),
        [Lint::BlankAroundSecret]
    );
    assert_eq!(
        lints(&[SCOPE, ("client_assertion", "a")], "v2.0/token"),
        [Lint::TwoCredentials]
    );
    get(&emulator, "/v1.0/users?access_token=a");
    assert_eq!(emulator.requests().pop().unwrap().lints, [Lint::TokenInUrl]);
}

#[test]
fn record_is_bounded_in_number() {
    let emulator = Emulator::builder().recorded_requests(3).build();
    for number in 0..10 {
        get(&emulator, &format!("/{number}"));
    }
    let paths: Vec<String> = emulator.requests().into_iter().map(|event| event.path).collect();
    assert_eq!(
        (paths, emulator.request_count()),
        (vec!["/7".to_owned(), "/8".to_owned(), "/9".to_owned()], 10)
    );
    emulator.clear_requests();
    assert!(emulator.requests().is_empty());
    let many: String = (0..5_000).map(|number| format!("&name{number}=v")).collect();
    token(
        &emulator,
        "v2.0/token",
        &(form(&emulator, &[SCOPE]) + &many + "&big=" + &"v".repeat(100_000)),
    );
    let event = emulator.requests().pop().unwrap();
    assert!(
        event.form.len() <= 64 && event.lints.len() <= 64,
        "{} {}",
        event.form.len(),
        event.lints.len()
    );
    let silent = Emulator::builder().recorded_requests(0).build();
    get(&silent, "/nothing");
    assert_eq!((silent.requests().len(), silent.request_count()), (0, 1));
}

#[test]
fn log_line_escapes_the_path() {
    let emulator = Emulator::builder().build();
    get(&emulator, "/a\u{9b}31m\u{202e}b");
    get(&emulator, &format!("/{}", "x".repeat(5_000)));
    let lines: Vec<String> = emulator.requests().iter().map(ToString::to_string).collect();
    assert!(
        lines[0].ends_with("Z GET /a\\u{9b}31m\\u{202e}b 404 no such endpoint"),
        "{}",
        lines[0]
    );
    assert!(lines[1].len() < 400 && lines[1].contains("… 404"), "{}", lines[1]);
}

#[test]
fn record_is_bounded_in_bytes() {
    let emulator = Emulator::builder().build();
    let long = "x".repeat(50_000);
    for number in 0..1_000 {
        let request = Request::get(format!("/{number}?a={long}")).header("long", &long);
        emulator.handle(request.body(Vec::new()).unwrap());
    }
    let stored = emulator.requests();
    assert!((200..400).contains(&stored.len()), "{}", stored.len());
    assert_eq!(stored.last().unwrap().path, "/999");
    assert_eq!(emulator.request_count(), 1_000);
}

#[test]
fn observer_is_called_for_every_request() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let emulator = Emulator::builder()
        .recorded_requests(1)
        .on_request(move |event| sender.send(event.path.clone()).unwrap())
        .build();
    get(&emulator, "/a");
    get(&emulator, "/b");
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["/a", "/b"]);
}

#[test]
fn faults_are_recorded_by_name() {
    let emulator = Emulator::builder().build();
    emulator.fault(Fault::redirect(307, "https://elsewhere.example/"));
    token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE]));
    let event = emulator.requests().pop().unwrap();
    assert_eq!((event.fault, event.status.as_u16()), (Some("redirect"), 307));
}

#[test]
fn recorded_values_are_bounded_in_length() {
    let emulator = Emulator::builder()
        .app(App::new("television").public_client().request_scope(GRAPH, "User.Read"))
        .build();
    let client = ("client_id", emulator.client_id());
    let long = "x".repeat(1_000_000);
    let slashes = |number: usize| format!("{GRAPH}{}", "/".repeat(number));
    for endpoint in ["token", "v2.0/token", "devicecode", "v2.0/devicecode"] {
        for field in ["resource", "scope", "grant_type", "client_id"] {
            let rejected = token(&emulator, endpoint, &encode(&[(field, long.as_str())]));
            assert_eq!(error_code(&rejected), 9002313, "{endpoint} {field}");
        }
    }
    // A resource that is short enough to be read must name an API, and no name is this long.
    for number in [1_000, 60_000] {
        let rejected = token(
            &emulator,
            "devicecode",
            &encode(&[client, ("resource", &slashes(number))]),
        );
        assert_eq!(error_code(&rejected), 500011, "{number}");
    }
    let taken = token(&emulator, "devicecode", &encode(&[client, ("resource", &slashes(1))]));
    assert_eq!(error_code(&taken), 0);
    // The limit falls inside a character.
    let wide = format!("x{}", "é".repeat(20_000));
    token(
        &emulator,
        "v2.0/token",
        &encode(&[("grant_type", &wide), ("client_id", &wide), ("scope", "y")]),
    );
    for event in emulator.requests() {
        let texts = [&event.tenant, &event.client_id, &event.grant, &event.target];
        assert!(texts.into_iter().flatten().all(|text| text.len() <= 4 * 1024));
        let form: usize = event.form.iter().map(|one| one.name.len() + one.value.len()).sum();
        assert!(form <= 64 * 1024);
    }
    let last = emulator.requests().pop().unwrap();
    assert_eq!((last.grant.unwrap().len(), last.target.as_deref()), (4_095, Some("y")));
}
