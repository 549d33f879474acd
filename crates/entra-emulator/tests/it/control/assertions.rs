//! Assertions of the second issuer.

use entra_emulator::Emulator;
use serde_json::json;

use crate::support::assertion::{accepted, rejected, send};
use crate::support::control::{post_error, post_ok};

fn emulator() -> Emulator {
    Emulator::builder().second_issuer().build()
}

#[test]
fn assertion_is_issued_for_any_subject_and_audience() {
    let emulator = emulator();
    let issue = |body| post_ok(&emulator, "/v1/assertions", body);
    let send = |body: &serde_json::Value| send(&emulator, body["assertion"].as_str().unwrap());
    let plain = issue(json!({}));
    assert_eq!(plain["claims"]["iss"], emulator.second_issuer_url().unwrap());
    accepted(&send(&plain));
    accepted(&send(&issue(json!({"subject": "sc://contoso/app/connection"}))));
    accepted(&send(&issue(json!({"service_account": "default/app"}))));
    for (body, code) in [
        (json!({"subject": "other"}), 700213),
        (json!({"service_account": "default/other"}), 700213),
        (json!({"audience": "other"}), 700212),
        (json!({"claims": {"iss": "https://other.example"}}), 700211),
        (json!({"claims": {"sub": null}}), 90014),
        (json!({"lifetime_seconds": 90_001}), 70023),
        (json!({"claims": {"exp": 1}}), 700024),
        (json!({"key": "unpublished"}), 7000272),
        (json!({"algorithm": "PS256"}), 5002738),
        (json!({"defect": "bad_signature"}), 700027),
        (json!({"header": {"kid": "other"}}), 7000272),
    ] {
        rejected(&send(&issue(body.clone())), code);
    }
}

#[test]
fn invalid_requests_for_assertions_are_rejected() {
    let emulator = emulator();
    for (body, error, member) in [
        (json!({"subject": ""}), "invalid_member", "subject"),
        (json!({"service_account": "app"}), "invalid_member", "service_account"),
        (json!({"service_account": "a/b/c"}), "invalid_member", "service_account"),
        (json!({"key": "other"}), "invalid_member", "key"),
        (json!({"lifetime_seconds": -1}), "invalid_member", "lifetime_seconds"),
        (json!({"defect": "none"}), "invalid_member", "defect"),
        (json!({"issuer": "a"}), "unknown_member", "issuer"),
    ] {
        let (status, problem) = post_error(&emulator, "/v1/assertions", &body.to_string());
        assert_eq!(
            (status, &problem["error"], &problem["member"]),
            (400, &json!(error), &json!(member))
        );
    }
    let both = json!({"subject": "a", "service_account": "a/b"}).to_string();
    let (_, problem) = post_error(&emulator, "/v1/assertions", &both);
    assert_eq!(problem["error"], "conflicting_members");
    let (status, problem) = post_error(&Emulator::builder().build(), "/v1/assertions", "{}");
    assert_eq!((status, &problem["error"]), (409, &json!("no_second_issuer")));
}
