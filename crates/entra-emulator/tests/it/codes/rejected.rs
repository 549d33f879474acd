//! Codes that are rejected.

use std::time::Duration;

use serde_json::json;

use crate::codes::{GRAPH, SCOPE, code, emulator, redeem, v2};
use crate::support::{error_code, json_body, post};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn codes_are_bounded_in_bytes() {
    let emulator = emulator();
    let nonce = "n".repeat(60_000);
    let codes: Vec<String> = (0..300)
        .map(|_| code(&emulator, "v2.0/authorize", &[("scope", "openid"), ("nonce", &nonce)]))
        .collect();
    let known = |code: &String| v2(&emulator, code, &[]).status() == 200;
    assert!(!known(&codes[0]) && known(&codes[299]) && known(&codes[50]));
}

#[test]
fn code_is_valid_once_and_for_ten_minutes() {
    let emulator = emulator();
    let first = code(&emulator, "v2.0/authorize", &[SCOPE]);
    assert_eq!(error_code(&v2(&emulator, &first, &[])), 0);
    assert_eq!(error_code(&v2(&emulator, &first, &[])), 54005);
    let second = code(&emulator, "v2.0/authorize", &[SCOPE]);
    emulator.clock().advance(Duration::from_secs(599));
    let third = code(&emulator, "v2.0/authorize", &[SCOPE]);
    assert_eq!(error_code(&v2(&emulator, &third, &[])), 0);
    emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(error_code(&v2(&emulator, &second, &[])), 70008);
}

#[test]
fn concurrent_redemptions_yield_tokens_once() {
    let emulator = emulator();
    for _ in 0..4 {
        let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
        let start = std::sync::Barrier::new(4);
        let responses: Vec<u64> = std::thread::scope(|scope| {
            let send = || {
                start.wait();
                error_code(&v2(&emulator, &code, &[]))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let redeemed = responses.iter().filter(|code| **code == 0).count();
        assert_eq!(redeemed, 1, "{responses:?}");
    }
}

#[test]
fn error_responses_match_captures() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    for (more, error) in [
        (("code", "made up"), "invalid_grant"),
        (("redirect_uri", "https://app.example/other"), "invalid_client"),
        (("code_verifier", VERIFIER), "invalid_grant"),
    ] {
        let response = v2(&emulator, &code, &[more]);
        assert_eq!(
            (response.status().as_u16(), &json_body(&response)["error"]),
            (400, &json!(error)),
            "{more:?}"
        );
    }
}

#[test]
fn code_is_bound_to_client_and_redirect_uri() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    let other = emulator.app("other").unwrap();
    for (more, rejected) in [
        (
            &[
                ("client_id", other.client_id.as_str()),
                ("client_secret", "other-secret"),
            ][..],
            700007,
        ),
        (&[("code", "made up")], 9002313),
        (&[("code", "-")], 900144),
        (&[("redirect_uri", "-")], 900144),
        (&[("redirect_uri", "https://app.example/other")], 500112),
        (&[("client_secret", "-")], 7000218),
        (&[("client_secret", "wrong")], 7000215),
        (&[("client_id", "-")], 900144),
        (&[("code_verifier", VERIFIER)], 501481),
        (&[("scope", "User.Read api://orders/read")], 28000),
        (&[("scope", "Calendars.Read")], 65001),
        (&[("resource", GRAPH)], 901002),
    ] {
        assert_eq!(error_code(&v2(&emulator, &code, more)), rejected, "{more:?}");
    }
    let elsewhere = "/other.example/oauth2/v2.0/token";
    assert_eq!(error_code(&redeem(&emulator, elsewhere, &code, &[])), 700005);
    // None of these errors used up the code, and `common` finds its tenant.
    assert_eq!(
        error_code(&redeem(&emulator, "/common/oauth2/v2.0/token", &code, &[])),
        0
    );
}

#[test]
fn code_verifier_must_match() {
    let emulator = emulator();
    for (method, challenge) in [("S256", CHALLENGE), ("plain", VERIFIER), ("-", VERIFIER)] {
        let mut fields = vec![SCOPE, ("code_challenge", challenge)];
        if method != "-" {
            fields.push(("code_challenge_method", method));
        }
        let code = code(&emulator, "v2.0/authorize", &fields);
        for wrong in ["-", CHALLENGE_OTHER, "short"] {
            assert_eq!(
                error_code(&v2(&emulator, &code, &[("code_verifier", wrong)])),
                501481,
                "{method} {wrong}"
            );
        }
        assert_eq!(
            error_code(&v2(&emulator, &code, &[("code_verifier", VERIFIER)])),
            0,
            "{method}"
        );
    }
}

const CHALLENGE_OTHER: &str = "0000000000000000000000000000000000000000000";

#[test]
fn debug_shows_no_codes_or_tokens() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE, ("code_challenge", VERIFIER)]);
    let body = json_body(&v2(&emulator, &code, &[("code_verifier", VERIFIER)]));
    let refresh = body["refresh_token"].as_str().unwrap();
    post(
        &emulator,
        &emulator.token_url_v2(),
        &[("grant_type", "refresh_token"), ("refresh_token", refresh)],
    );
    let shown = format!("{:?} {emulator:?}", emulator.requests());
    for secret in [code.as_str(), refresh, VERIFIER, body["access_token"].as_str().unwrap()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
