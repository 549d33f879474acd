//! A revoked token: the API's challenge is read, a token is asked for with its claims, and the API
//! responds again.

use entra_emulator::{App, Emulator};
use entra_proto::claims::{Challenge, ClaimsChallenge};
use entra_proto::{AccessToken, Body, Cloud, EndpointVersion, Target};
use entra_tests::{Carrier, application, carriers};
use entra_transport::Response;

const GRAPH: &str = "https://graph.microsoft.com";

fn users(carrier: &dyn Carrier, origin: &str, token: &AccessToken) -> Response {
    let request = http::Request::get(format!("{origin}/v1.0/users")).header("authorization", token.authorization());
    carrier.send(request.body(Body::default()).unwrap()).unwrap()
}

#[test]
fn daemon_with_cp1_recovers_with_the_challenge_claims() {
    for tls in [false, true] {
        let builder = Emulator::builder().app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
        let emulator = if tls { builder.tls() } else { builder }.start();
        emulator.clock().freeze();
        let origin = emulator.tls_url().unwrap_or_else(|| emulator.base_url());
        for carrier in carriers(emulator.ca_pem()) {
            for version in [EndpointVersion::V1, EndpointVersion::V2] {
                let app = application(&emulator, "daemon")
                    .with_endpoint_version(version)
                    .with_capabilities(&["cp1"]);
                let request = app.client_credentials(Target::resource(GRAPH).unwrap()).unwrap();
                let old = carrier.acquire(request.clone()).unwrap().access_token;
                assert_eq!(users(&*carrier, origin, &old).status(), 200, "{}", carrier.name());

                emulator.revoke_tokens();
                let refused = users(&*carrier, origin, &old);
                assert_eq!(refused.status(), 401, "{}", carrier.name());
                let challenge = ClaimsChallenge::find(refused.headers()).expect("a claims challenge");
                assert!(challenge.is_from(app.authority().cloud()), "{challenge:?}");
                assert!(!challenge.is_from(&Cloud::Public), "{challenge:?}");

                let request = request.with_claims(challenge.claims().as_str()).unwrap();
                let new = carrier.acquire(request).unwrap().access_token;
                assert_eq!(users(&*carrier, origin, &new).status(), 200, "{}", carrier.name());
                assert_eq!(users(&*carrier, origin, &old).status(), 401, "{}", carrier.name());
            }
        }
    }
}

#[test]
fn daemon_without_cp1_gets_an_invalid_token_error() {
    let emulator = Emulator::builder()
        .app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"))
        .start();
    for carrier in carriers(None) {
        let app = application(&emulator, "daemon");
        let request = app.client_credentials(Target::resource(GRAPH).unwrap()).unwrap();
        let old = carrier.acquire(request.clone()).unwrap().access_token;
        emulator.revoke_tokens_of("daemon");
        let refused = users(&*carrier, emulator.base_url(), &old);
        assert_eq!(refused.status(), 401, "{}", carrier.name());
        assert_eq!(ClaimsChallenge::find(refused.headers()), None);
        let challenges = Challenge::parse_all(refused.headers());
        assert!(challenges.iter().any(Challenge::is_invalid_token), "{challenges:?}");

        let new = carrier.acquire(request).unwrap().access_token;
        assert_eq!(
            users(&*carrier, emulator.base_url(), &new).status(),
            200,
            "{}",
            carrier.name()
        );
    }
}
