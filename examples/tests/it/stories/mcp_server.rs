//! `mcp_server`: discovery by RFC 9728, and the tool for an authenticated caller.

use std::fs;
use std::path::Path;

use entra_emulator::{Config, Emulator, EmulatorBuilder};
use entra_proto::Body;
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::stories::support::{Running, printed, run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp_server");
const API: &str = "33334444-dddd-5555-eeee-6666ffff7777";

fn world() -> (Emulator, Running) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("mcp_server/emulator.json");
    let emulator = EmulatorBuilder::from(Config::from_json(&fs::read_to_string(file).unwrap()).unwrap()).start();
    let arguments = ["--client-id", API, "--listen", "127.0.0.1:0"];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let server = Running::start(PROGRAM, &arguments, folder, &printed(&emulator));
    (emulator, server)
}

fn send(request: Request<Vec<u8>>) -> (Response<Body>, Value) {
    let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    let response = transport.send(request.map(Body::from)).unwrap();
    let json = serde_json::from_slice(response.body().as_bytes()).unwrap_or_default();
    (response, json)
}

fn call(endpoint: &str, token: &str, message: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = Request::post(endpoint)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, json) = send(request.body(message.as_bytes().to_vec()).unwrap());
    (response.status().as_u16(), json)
}

#[test]
fn client_finds_the_authorization_server() {
    let (emulator, server) = world();
    let endpoint = server.address.split(',').next().unwrap();
    let (response, _) = send(Request::post(endpoint).body(b"{}".to_vec()).unwrap());
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(!challenge.contains("error="), "{challenge}");
    let scope = format!("api://{API}/Tools.Call");
    assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
    let url = challenge
        .split("resource_metadata=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();

    let (response, metadata) = send(Request::get(url).body(Vec::new()).unwrap());
    assert_eq!(response.status(), 200);
    assert_eq!(metadata["resource"], endpoint);
    assert_eq!(metadata["scopes_supported"], json!([scope]));
    assert_eq!(
        metadata["authorization_servers"],
        json!([format!("{}/v2.0", emulator.authority())])
    );
    // The issuer with the suffix of OpenID Connect is the address of the tenant's metadata.
    let issuer = metadata["authorization_servers"][0].as_str().unwrap();
    let (response, _) = send(
        Request::get(format!("{issuer}/.well-known/openid-configuration"))
            .body(Vec::new())
            .unwrap(),
    );
    assert_eq!(response.status(), 200);
}

#[test]
fn tool_distinguishes_users_from_applications() {
    let (emulator, server) = world();
    let endpoint = server.address.split(',').next().unwrap();
    let user = emulator.forge().user("adele@contoso.onmicrosoft.com").token();
    let app = emulator.forge().token();
    let message = |method: &str, parameters: Value| {
        json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}).to_string()
    };
    let hello = message(
        "initialize",
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test"}}),
    );
    let (status, reply) = call(endpoint, &user, &hello, &[]);
    assert_eq!(
        (status, &reply["id"], &reply["result"]["protocolVersion"]),
        (200, &json!(7), &json!("2025-06-18"))
    );
    let (_, reply) = call(
        endpoint,
        &user,
        &message("initialize", json!({"protocolVersion": "1999-01-01"})),
        &[],
    );
    assert_eq!(reply["result"]["protocolVersion"], "2025-06-18");
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(
        call(
            endpoint,
            &user,
            &notification,
            &[("mcp-protocol-version", "2025-06-18")]
        )
        .0,
        202
    );
    let (_, reply) = call(endpoint, &user, &message("tools/list", json!({})), &[]);
    assert_eq!(reply["result"]["tools"][0]["name"], "whoami");
    let object_id = &emulator.tenants()[0].users.as_ref().unwrap()[0].id;
    for (token, kind) in [(&user, "user"), (&app, "application")] {
        let (_, reply) = call(
            endpoint,
            token,
            &message("tools/call", json!({"name": "whoami", "arguments": {}})),
            &[],
        );
        let caller = &reply["result"]["structuredContent"];
        assert_eq!(
            (&caller["kind"], &caller["tenant"]),
            (&json!(kind), &json!(emulator.tenant_id()))
        );
        assert_eq!(caller["objectId"] == object_id.as_str(), kind == "user");
        assert_eq!(reply["result"]["isError"], false);
    }
    for (wrong, status, code) in [
        ("canary".to_owned(), 400, -32700),
        ("[]".to_owned(), 400, -32600),
        (r#"{"jsonrpc": "2.0"}"#.to_owned(), 400, -32600),
        (
            r#"{"jsonrpc": "2.0", "id": {}, "method": "ping"}"#.to_owned(),
            400,
            -32600,
        ),
        (message("tools/call", json!({"name": "rm"})), 200, -32602),
        (message("resources/list", json!({})), 200, -32601),
    ] {
        let (found, reply) = call(endpoint, &user, &wrong, &[]);
        assert_eq!((found, &reply["error"]["code"]), (status, &json!(code)), "{wrong}");
    }
}

#[test]
fn unauthorized_caller_reaches_no_tool() {
    let (emulator, server) = world();
    let endpoint = server.address.split(',').next().unwrap();
    let ping = r#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#;
    let forge = || emulator.forge();
    for (token, status) in [
        (forge().token(), 200),
        (forge().roles(["Tools.Call"]).token(), 403),
        (
            forge().user("adele@contoso.onmicrosoft.com").scopes(["Other"]).token(),
            403,
        ),
        (forge().api(Emulator::OFFICE_MANAGEMENT).token(), 401),
        (forge().unpublished_key().token(), 401),
    ] {
        assert_eq!(call(endpoint, &token, ping, &[]).0, status);
    }
    let token = forge().token();
    let own = endpoint.strip_suffix("/mcp").unwrap();
    for (name, value, status) in [
        ("origin", own, 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("mcp-protocol-version", "2025-06-18", 200),
        ("mcp-protocol-version", "1999-01-01", 400),
    ] {
        assert_eq!(
            call(endpoint, &token, ping, &[(name, value)]).0,
            status,
            "{name}: {value}"
        );
    }
    let request = Request::get(endpoint).header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(
        send(request.body(Vec::new()).unwrap()).0.status(),
        405,
        "there is no event stream"
    );
}

#[test]
fn server_listens_on_this_machine_only() {
    let output = run(
        PROGRAM,
        &["--client-id", API, "--listen", "0.0.0.0:0"],
        &[("AZURE_TENANT_ID", API)],
    );
    assert!(!output.status.success() && text(&output.stderr).contains("\nhint: listen on localhost"));
}
