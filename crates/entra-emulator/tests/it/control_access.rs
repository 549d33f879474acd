//! Requests that the control API rejects, and the addresses that it listens at.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use entra_emulator::Emulator;
use http::Request;
use serde_json::json;

use crate::support::control::{call, emulator, get_ok, post_error, request_token};
use crate::support::json_body;

#[test]
fn requests_without_the_key_are_rejected() {
    let emulator = emulator();
    let key = emulator.control_key().to_owned();
    let swapped = key.chars().rev().collect::<String>();
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(format!("Bearer {swapped}")),
        Some(format!("Bearer {key}x")),
        Some(format!("Bearer {}", &key[..63])),
        Some(format!("Basic {key}")),
        Some(key.clone()),
    ];
    for authorization in wrong {
        for path in ["/v1", "/v1/faults", "/nowhere", "/"] {
            let mut request = Request::post(path).header("content-type", "application/json");
            if let Some(authorization) = &authorization {
                request = request.header("authorization", authorization);
            }
            let response = emulator.handle_control(request.body(br#"{"status":500}"#.to_vec()).unwrap());
            assert_eq!(response.status(), 401, "{authorization:?} {path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert!(!response.headers().contains_key("access-control-allow-origin"));
            let text = String::from_utf8(response.body().clone()).unwrap();
            assert!(text.contains("invalid_key") && !text.contains(&key), "{text}");
        }
    }
    let twice = Request::get("/v1")
        .header("authorization", format!("Bearer {key}"))
        .header("authorization", format!("Bearer {key}"));
    assert_eq!(emulator.handle_control(twice.body(Vec::new()).unwrap()).status(), 401);
    assert_eq!(get_ok(&emulator, "/v1/faults"), json!({"faults": []}));
    assert!(!format!("{emulator:?}").contains(&key));
    assert_ne!(
        key,
        crate::support::control::emulator().control_key(),
        "the key is not derived from the seed"
    );
}

#[test]
fn foreign_hosts_are_rejected() {
    let emulator = emulator();
    let status = |uri: &str, hosts: &[&str]| {
        let mut request = Request::get(uri).header("authorization", format!("Bearer {}", emulator.control_key()));
        for host in hosts {
            request = request.header("host", *host);
        }
        emulator
            .handle_control(request.body(Vec::new()).unwrap())
            .status()
            .as_u16()
    };
    assert_eq!(status("/v1", &["127.0.0.1:8401"]), 200);
    assert_eq!(status("http://localhost/v1", &[]), 200);
    assert_eq!(status("/v1", &["evil.example"]), 403);
    assert_eq!(status("/v1", &["localhost", "evil.example"]), 403);
    assert_eq!(status("http://evil.example/v1", &["localhost"]), 403);
}

#[test]
fn errors_list_the_paths_and_methods() {
    let emulator = emulator();
    let index = get_ok(&emulator, "/v1");
    assert_eq!(index["version"], "v1");
    for operation in index["operations"].as_array().unwrap() {
        assert!(
            operation["about"].as_str().is_some_and(|text| text.len() > 5),
            "{operation}"
        );
    }
    for path in ["/", "/v2", "/v1/fault", "/v1/faults/1", "//v1"] {
        let response = call(&emulator, "GET", path, None);
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(json_body(&response)["operations"], index["operations"]);
    }
    for (method, path, allow) in [
        ("PUT", "/v1/faults", "GET, POST, DELETE"),
        ("OPTIONS", "/v1/faults", "GET, POST, DELETE"),
        ("GET", "/v1/reset", "POST"),
        ("DELETE", "/v1/clock", "GET, POST"),
        ("POST", "/v1/requests", "GET, DELETE"),
    ] {
        let response = call(&emulator, method, path, None);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &allow.parse().unwrap())
        );
        assert!(json_body(&response)["message"].as_str().unwrap().contains(allow));
    }
    assert_eq!(call(&emulator, "GET", "/v1/faults/", None).status(), 200);
}

#[test]
fn invalid_bodies_are_rejected() {
    let emulator = emulator();
    for (path, body, error, member) in [
        ("/v1/faults", "", "invalid_json", ""),
        ("/v1/faults", "[]", "invalid_json", ""),
        ("/v1/faults", "null", "invalid_json", ""),
        ("/v1/faults", r#"{"status":429"#, "invalid_json", ""),
        ("/v1/faults", r#"{"status":429}x"#, "invalid_json", ""),
        ("/v1/faults", "\u{feff}{}", "invalid_json", ""),
        ("/v1/faults", "{}", "missing_member", ""),
        ("/v1/faults", r#"{"path":"/token","times":2}"#, "missing_member", ""),
        ("/v1/faults", r#"{"statsu":429}"#, "unknown_member", "statsu"),
        ("/v1/faults", r#"{"Status":429}"#, "unknown_member", "Status"),
        (
            "/v1/faults",
            r#"{"status":429,"status":503}"#,
            "duplicate_member",
            "status",
        ),
        ("/v1/faults", r#"{"status":"429"}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":429.5}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":null}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":101}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":600}"#, "invalid_member", "status"),
        ("/v1/faults", r#"{"status":-1}"#, "invalid_member", "status"),
        (
            "/v1/faults",
            r#"{"status":99999999999999999999999}"#,
            "invalid_member",
            "status",
        ),
        ("/v1/faults", r#"{"aadsts":1}"#, "invalid_member", "aadsts"),
        ("/v1/faults", r#"{"aadsts":"AADSTS90033"}"#, "invalid_member", "aadsts"),
        ("/v1/faults", r#"{"body":{}}"#, "invalid_member", "body"),
        ("/v1/faults", r#"{"body_base64":"%%"}"#, "invalid_member", "body_base64"),
        ("/v1/faults", r#"{"reset":false}"#, "invalid_member", "reset"),
        ("/v1/faults", r#"{"redirect":"a\nb"}"#, "invalid_member", "redirect"),
        (
            "/v1/faults",
            r#"{"redirect":"/","status":200}"#,
            "invalid_member",
            "status",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"content_type":"a\r\nb: c"}"#,
            "invalid_member",
            "content_type",
        ),
        ("/v1/faults", r#"{"status":429,"times":0}"#, "invalid_member", "times"),
        (
            "/v1/faults",
            r#"{"status":429,"times":"forever"}"#,
            "invalid_member",
            "times",
        ),
        ("/v1/faults", r#"{"status":429,"path":""}"#, "invalid_member", "path"),
        (
            "/v1/faults",
            r#"{"status":429,"path":"/x?y=z"}"#,
            "invalid_member",
            "path",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"path":"http://127.0.0.1/token"}"#,
            "invalid_member",
            "path",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"path":"/token "}"#,
            "invalid_member",
            "path",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"path":"/Healthz"}"#,
            "invalid_member",
            "path",
        ),
        ("/v1/faults", r#"{"status":429,"times":1.5}"#, "invalid_member", "times"),
        ("/v1/faults", r#"{"status":1e300}"#, "invalid_member", "status"),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":"5"}"#,
            "invalid_member",
            "retry_after",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":-5}"#,
            "invalid_member",
            "retry_after",
        ),
        (
            "/v1/faults",
            r#"{"latency_ms":86400000}"#,
            "invalid_member",
            "latency_ms",
        ),
        ("/v1/faults", r#"{"date_skew":1.5}"#, "invalid_member", "date_skew"),
        (
            "/v1/faults",
            r#"{"status":429,"aadsts":90033}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/faults", r#"{"body":"","json":{}}"#, "conflicting_members", ""),
        (
            "/v1/faults",
            r#"{"truncate":1,"endless":true}"#,
            "conflicting_members",
            "",
        ),
        (
            "/v1/faults",
            r#"{"reset":true,"retry_after":1}"#,
            "conflicting_members",
            "",
        ),
        (
            "/v1/faults",
            r#"{"status":429,"retry_after":1,"retry_after_date":1}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/clock", "{}", "missing_member", ""),
        ("/v1/clock", r#"{"advance":5}"#, "unknown_member", "advance"),
        (
            "/v1/clock",
            r#"{"advance_seconds":18446744073709551616}"#,
            "invalid_member",
            "advance_seconds",
        ),
        ("/v1/clock", r#"{"advance_seconds":1e400}"#, "invalid_json", ""),
        ("/v1/clock", r#"{"advance_seconds":NaN}"#, "invalid_json", ""),
        ("/v1/clock", r#"{"set":-1}"#, "invalid_member", "set"),
        ("/v1/clock", r#"{"set":253402300799.5}"#, "invalid_member", "set"),
        (
            "/v1/clock",
            r#"{"set":"0000-01-01T00:00:00Z"}"#,
            "invalid_member",
            "set",
        ),
        (
            "/v1/clock",
            r#"{"advance_seconds":-5}"#,
            "invalid_member",
            "advance_seconds",
        ),
        (
            "/v1/clock",
            r#"{"advance_seconds":253402300799}"#,
            "invalid_member",
            "advance_seconds",
        ),
        (
            "/v1/clock",
            r#"{"advance_seconds":1,"set":"tomorrow"}"#,
            "invalid_member",
            "set",
        ),
        (
            "/v1/clock",
            r#"{"set":"2026-02-30T00:00:00Z"}"#,
            "invalid_member",
            "set",
        ),
        ("/v1/clock", r#"{"frozen":"yes"}"#, "invalid_member", "frozen"),
        ("/v1/revocations", "{}", "missing_member", ""),
        (
            "/v1/revocations",
            r#"{"all":true,"app":"daemon"}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/revocations", r#"{"app":"unknown"}"#, "invalid_member", "app"),
        ("/v1/revocations", r#"{"user":"unknown"}"#, "invalid_member", "user"),
        (
            "/v1/revocations",
            r#"{"app":"daemon","user":"Adele Vance"}"#,
            "conflicting_members",
            "",
        ),
        (
            "/v1/approvals",
            r#"{"url":"/x","user_code":"A","user":"Adele Vance"}"#,
            "conflicting_members",
            "",
        ),
        ("/v1/approvals", "{}", "missing_member", ""),
        (
            "/v1/approvals",
            r#"{"url":"not a url","user":"Adele Vance"}"#,
            "invalid_member",
            "url",
        ),
        (
            "/v1/approvals",
            r#"{"url":"/common/oauth2/authorize"}"#,
            "missing_member",
            "user",
        ),
        (
            "/v1/approvals",
            r#"{"user_code":"ABCDEFGHI"}"#,
            "missing_member",
            "user",
        ),
        (
            "/v1/approvals",
            r#"{"user_code":"ABCDEFGHI","decision":"yes"}"#,
            "invalid_member",
            "decision",
        ),
        ("/v1/signing-keys", "{}", "missing_member", ""),
        ("/v1/signing-keys", r#"{"action":"delete"}"#, "invalid_member", "action"),
        ("/v1/reset", r#"{"everything":true}"#, "unknown_member", "everything"),
    ] {
        let (status, response) = post_error(&emulator, path, body);
        assert_eq!(
            (status, response["error"].as_str()),
            (400, Some(error)),
            "{body}: {response}"
        );
        if !member.is_empty() {
            assert_eq!(response["member"], member, "{response}");
            let message = response["message"].as_str().unwrap();
            assert!(message.contains(member), "{message}");
            let says_what = response["expected"].is_string() || response["expected"].is_array();
            assert!(
                error != "invalid_member" && error != "unknown_member" || says_what,
                "{response}"
            );
        }
    }
    assert_eq!(get_ok(&emulator, "/v1/faults"), json!({"faults": []}));
    assert_eq!(get_ok(&emulator, "/v1/clock")["now_on"], 1_700_000_000);
    assert_eq!(request_token(&emulator).status(), 200);

    let as_form = Request::post("/v1/faults")
        .header("authorization", format!("Bearer {}", emulator.control_key()))
        .header("content-type", "application/x-www-form-urlencoded");
    let response = emulator.handle_control(as_form.body(br#"{"status":429}"#.to_vec()).unwrap());
    assert_eq!(response.status(), 415);
    let untyped = Request::post("/v1/faults").header("authorization", format!("Bearer {}", emulator.control_key()));
    let response = emulator.handle_control(untyped.body(br#"{"status":429}"#.to_vec()).unwrap());
    assert_eq!(response.status(), 415);
    let members: Vec<String> = (0..20_000).map(|number| format!("\"{number}\":1")).collect();
    let (_, response) = post_error(&emulator, "/v1/faults", &format!("{{{}}}", members.join(",")));
    assert!(
        response["message"].as_str().unwrap().contains("too many members"),
        "{response}"
    );
    let deep = format!("{{\"json\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(post_error(&emulator, "/v1/faults", &deep).1["error"], "invalid_json");
    for (method, path) in [("DELETE", "/v1/faults"), ("GET", "/v1/clock")] {
        assert_eq!(
            json_body(&call(&emulator, method, path, Some("{}")))["error"],
            "unexpected_body"
        );
    }
    for path in [
        "/v1/faults?path=/token",
        "/v1/requests?after=x",
        "/v1/requests?after=1&after=2",
        "/v1/requests?before=1",
    ] {
        assert_eq!(
            json_body(&call(&emulator, "GET", path, None))["error"],
            "invalid_query",
            "{path}"
        );
    }
}

/// Sends a request over a socket and returns the raw response.
fn over_the_network(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response);
    response
}

#[test]
fn control_api_listens_on_its_own_port() {
    assert_eq!(Emulator::builder().start().control_url(), None);
    let emulator = Emulator::builder().control(0).start();
    let url = emulator.control_url().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url != emulator.base_url());
    let request = |host: &str, key: &str, body: &str| {
        format!(
            "POST /v1/faults HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (key, fault) = (emulator.control_key(), r#"{"status":503}"#);
    let host = url.trim_start_matches("http://");
    for (host, key, body, status) in [
        (host, key, fault, "201"),
        (host, "wrong", fault, "401"),
        ("evil.example", key, fault, "403"),
        (host, key, &"x".repeat(300_000), "413"),
        (host, key, &"x".repeat(10_000_000), "413"),
    ] {
        let response = over_the_network(url, &request(host, key, body));
        let is_json = response.contains("content-type: application/json");
        assert!(
            is_json && response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{response}"
        );
    }
    // Neither port serves the other's paths, and requests to the control API are not recorded.
    let elsewhere = over_the_network(emulator.base_url(), &request(host, key, fault));
    assert!(elsewhere.starts_with("HTTP/1.1 503 "), "{elsewhere}");
    assert_eq!(emulator.request_count(), 1);
}

#[test]
fn many_open_connections_are_served() {
    let emulator = Emulator::builder().control(0).start();
    let host = emulator.control_url().unwrap().trim_start_matches("http://");
    let request = format!(
        "GET /v1/clock HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
        emulator.control_key()
    );
    let clients: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut client = TcpStream::connect(host).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            let mut response = String::new();
            client.read_to_string(&mut response).unwrap();
            assert!(response.contains("now_on"), "{response}");
            client
        })
        .collect();
    drop(clients);
}

#[test]
fn other_machines_reach_it_only_if_allowed() {
    let error = Emulator::builder().control_at("0.0.0.0:0".parse().unwrap()).try_start();
    assert!(error.unwrap_err().to_string().contains("allow_other_machines"));
    let open = Emulator::builder()
        .ip("0.0.0.0".parse().unwrap())
        .allow_other_machines();
    let emulator = open.clone().control(0).start();
    assert!(emulator.control_url().unwrap().starts_with("http://127.0.0.1:"));
    let emulator = open.control_at("0.0.0.0:0".parse().unwrap()).start();
    let request = |key: &str| {
        let request = Request::get("/v1")
            .header("host", "entra:8401")
            .header("authorization", format!("Bearer {key}"));
        emulator
            .handle_control(request.body(Vec::new()).unwrap())
            .status()
            .as_u16()
    };
    assert_eq!((request(emulator.control_key()), request("wrong")), (200, 401));
}
