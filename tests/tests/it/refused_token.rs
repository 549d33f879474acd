//! Tokens that the API rejects: the layer acquires another token and sends the request again,
//! unnoticed by the program.

use entra_client::{Client, blocking};
use entra_emulator::{App, Emulator};
use entra_proto::Target;
use entra_tests::application;
use entra_tower::{BearerLayer, BearerMiddleware, ReqwestService};
use entra_transport_hyper::HyperTransport;
use entra_transport_ureq::UreqTransport;
use serde_json::Value;
use tower::{Layer, ServiceExt};

fn emulator() -> Emulator {
    let daemon = App::new("daemon").grant(Emulator::GRAPH, "User.Read.All");
    Emulator::builder().app(daemon).start()
}

fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").unwrap()
}

/// A client for plain HTTP. It trusts no certificates, because the machine may have none.
fn reqwest_service() -> ReqwestService {
    // reqwest wants a provider all the same.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    ReqwestService::new(reqwest::Client::builder().no_proxy().tls_certs_only([])).unwrap()
}

/// The statuses of the requests to Graph, and how many there were to the token service.
fn history(emulator: &Emulator) -> (Vec<u16>, usize) {
    let to_graph = emulator
        .requests()
        .into_iter()
        .filter(|event| event.path.starts_with("/v1.0"));
    (
        to_graph.map(|event| event.status.as_u16()).collect(),
        emulator.token_requests().len(),
    )
}

#[tokio::test]
async fn over_reqwest_a_program_takes_no_notice() {
    let emulator = emulator();
    let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
    let client = Client::new(application(&emulator, "daemon"), transport);
    let layer = BearerLayer::new(client.source(&graph()).unwrap(), [emulator.base_url()]).unwrap();
    let inner = reqwest_service();
    let service = layer.replay().layer(inner);
    for round in 0..2 {
        let request = http::Request::get(format!("{}/users", emulator.graph_url()))
            .body("")
            .unwrap();
        let answer = reqwest::Response::from(service.clone().oneshot(request).await.unwrap());
        assert_eq!(answer.status(), 200);
        let users: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(users["value"].as_array().unwrap().len(), 3);
        if round == 0 {
            emulator.replace_signing_key();
        }
    }
    assert_eq!(history(&emulator), (vec![200, 401, 200], 2));
}

#[tokio::test]
async fn revoked_token_is_replaced_with_the_challenge_claims() {
    let emulator = emulator();
    emulator.clock().freeze();
    let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
    let app = application(&emulator, "daemon").with_capabilities(&["cp1"]);
    let client = Client::new(app, transport);
    let layer = BearerLayer::new(client.source(&graph()).unwrap(), [emulator.base_url()]).unwrap();
    let inner = reqwest_service();
    let service = layer.replay().layer(inner);
    for round in 0..3 {
        let request = http::Request::get(format!("{}/users", emulator.graph_url()))
            .body("")
            .unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), 200);
        if round == 0 {
            emulator.revoke_tokens();
        }
    }
    assert_eq!(history(&emulator), (vec![200, 401, 200, 200], 2));
    let asked = emulator.token_requests().remove(1);
    let claims = asked.form.iter().find(|parameter| parameter.name == "claims").unwrap();
    assert!(claims.value.contains("nbf"), "{}", claims.value);
}

/// Tokens are revoked while requests are in flight. No caller sees a revocation, and each costs one
/// or two token requests.
#[tokio::test]
async fn revocations_during_traffic_are_seen_by_no_caller() {
    let emulator = emulator();
    let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
    let app = application(&emulator, "daemon").with_capabilities(&["cp1"]);
    let client = Client::new(app, transport);
    let layer = BearerLayer::new(client.source(&graph()).unwrap(), [emulator.base_url()]).unwrap();
    let service = layer.replay().layer(reqwest_service());
    let url = format!("{}/users", emulator.graph_url());
    for round in 0..4 {
        let calls: Vec<_> = (0..16)
            .map(|number| {
                if round > 0 && number == 8 {
                    revoke(&emulator, round);
                }
                let request = http::Request::get(&url).body("").unwrap();
                tokio::spawn(service.clone().oneshot(request))
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap().status(), 200, "round {round}");
        }
    }
    let (statuses, token_requests) = history(&emulator);
    assert!(statuses.contains(&401), "no request came with a revoked token");
    assert!(token_requests <= 1 + 2 * 3, "{token_requests} token requests");
    let mut asked = emulator.token_requests().into_iter().skip(1);
    let is_answer =
        |parameter: &entra_emulator::Parameter| parameter.name == "claims" && parameter.value.contains("nbf");
    assert!(asked.any(|event| event.form.iter().any(is_answer)));
}

/// Revokes the tokens of the application, or all, through the control API.
fn revoke(emulator: &Emulator, round: u32) {
    let body = if round == 1 {
        r#"{"all": true}"#
    } else {
        r#"{"app": "daemon"}"#
    };
    let request = http::Request::post("/v1/revocations")
        .header("authorization", format!("Bearer {}", emulator.control_key()))
        .header("content-type", "application/json");
    let response = emulator.handle_control(request.body(body.as_bytes().to_vec()).unwrap());
    assert_eq!(response.status(), 200);
}

#[test]
fn over_ureq_it_sends_the_request_again() {
    let emulator = emulator();
    let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    let client = blocking::Client::new(application(&emulator, "daemon"), transport);
    let bearer = BearerMiddleware::new(client.source(&graph()).unwrap(), [emulator.base_url()]).unwrap();
    let agent = ureq::Agent::config_builder()
        .middleware(bearer)
        .proxy(None)
        .build()
        .new_agent();
    let get = || agent.get(format!("{}/users", emulator.graph_url())).call();
    assert!(get().is_ok());
    emulator.replace_signing_key();
    assert!(matches!(get(), Err(ureq::Error::StatusCode(401))));
    assert!(get().is_ok());
    assert_eq!(history(&emulator), (vec![200, 401, 200], 2));
}
