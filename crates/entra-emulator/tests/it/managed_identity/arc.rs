//! Azure Arc.

use std::fs;
use std::path::PathBuf;

use entra_emulator::{Emulator, Fault, Lint, Machine, ManagedIdentity, ManagedIdentitySource};
use serde_json::{Value, json};

use crate::managed_identity::{Asked, CLIENT_ID, OBJECT_ID, RESOURCE_ID, emulator, emulator_with};
use crate::support::{Response, claims, json_body};

const ARC: ManagedIdentitySource = ManagedIdentitySource::Arc;

/// Returns the path of the key file in a challenge.
#[track_caller]
fn challenge(response: &Response) -> PathBuf {
    assert_eq!(response.status(), 401);
    let header = response.headers()["www-authenticate"].to_str().unwrap();
    PathBuf::from(header.strip_prefix("Basic realm=").unwrap())
}

/// Sends a request twice: the second time with the key of the challenge.
fn prove(asked: Asked<'_>) -> Response {
    let path = challenge(&asked.send());
    let key = fs::read_to_string(&path).unwrap();
    let response = asked.header("authorization", &format!("Basic {key}")).send();
    assert!(!path.exists(), "the file is deleted when its key is used");
    response
}

fn body(asked: Asked<'_>) -> Value {
    let response = prove(asked);
    let body = json_body(&response);
    assert_eq!(response.status(), 200, "{body}");
    body
}

#[test]
fn key_of_the_challenge_gets_a_token() {
    let emulator = emulator();
    let body = body(Asked::new(&emulator, ARC));
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "access_token",
            "refresh_token",
            "expires_in",
            "expires_on",
            "not_before",
            "resource",
            "token_type"
        ]
    );
    assert!(body.as_object().unwrap().values().all(Value::is_string), "{body}");
    assert_eq!(claims(&body)["oid"], emulator.managed_identities()[0].object_id);
}

#[test]
fn each_challenge_has_its_own_key_that_works_once() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, ARC);
    let (first, second) = (challenge(&asked().send()), challenge(&asked().send()));
    assert_ne!(first, second);
    let keys = [&first, &second].map(|path| format!("Basic {}", fs::read_to_string(path).unwrap()));
    for key in &keys {
        assert_eq!(asked().header("authorization", key).send().status(), 200);
        let again = challenge(&asked().header("authorization", key).send());
        assert!(again.exists() && again != first && again != second);
    }
    let shown = format!("{:?}", emulator.requests());
    assert!(keys.iter().all(|key| !shown.contains(&key[6..])), "{shown}");
}

#[test]
fn anything_but_the_key_is_challenged_again() {
    let emulator = emulator();
    let path = challenge(&Asked::new(&emulator, ARC).send());
    let key = fs::read_to_string(&path).unwrap();
    for wrong in [
        key.clone(),
        format!("Bearer {key}"),
        format!("Basic {key}x"),
        format!("Basic  {key}"),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        format!("Basic {}", path.display()),
    ] {
        let response = Asked::new(&emulator, ARC).header("authorization", &wrong).send();
        challenge(&response);
    }
    let right = Asked::new(&emulator, ARC).header("authorization", &format!("basic {key}"));
    assert_eq!(right.send().status(), 200);
}

#[test]
fn key_file_is_a_key_in_the_configured_folder() {
    let folder = std::env::temp_dir().join(format!("entra-arc-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let emulator = emulator_with(Machine::default().arc_tokens(&folder));
    let path = challenge(&Asked::new(&emulator, ARC).send());
    assert_eq!(path.parent(), Some(folder.as_path()));
    assert_eq!(path.extension().unwrap(), "key");
    assert!(fs::read(&path).unwrap().iter().all(u8::is_ascii_graphic));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    emulator.reset();
    assert!(!path.exists(), "a reset deletes the files");
    let path = challenge(&Asked::new(&emulator, ARC).send());
    drop(emulator);
    assert!(
        !path.exists() && folder.exists(),
        "the end deletes the files, but not the folder"
    );
    fs::remove_dir(&folder).unwrap();
}

#[test]
fn missing_folder_is_reported() {
    let emulator = emulator_with(Machine::default().arc_tokens("/nonexistent/entra/tokens"));
    let error = Asked::new(&emulator, ARC).error("/error_description");
    assert_eq!(error.0, 500);
    assert!(error.1.as_str().unwrap().contains("not found"), "{error:?}");
}

#[test]
fn named_identity_is_echoed() {
    let emulator = emulator();
    for (parameter, value) in [
        ("client_id", CLIENT_ID),
        ("object_id", OBJECT_ID),
        ("msi_res_id", RESOURCE_ID),
    ] {
        let lower = value.to_lowercase();
        let body = body(Asked::new(&emulator, ARC).with(parameter, &lower));
        assert_eq!(
            (&body[parameter], &claims(&body)["oid"]),
            (&json!(value), &json!(OBJECT_ID))
        );
    }
    // The parameter of App Service is ignored without a word.
    let body = body(Asked::new(&emulator, ARC).with("mi_res_id", RESOURCE_ID));
    assert!(
        body["mi_res_id"].is_null() && claims(&body)["oid"] != OBJECT_ID,
        "{body}"
    );
}

#[test]
fn old_agent_ignores_the_identity() {
    let emulator = emulator_with(Machine::default().arc_ignores_identity());
    for identity in [CLIENT_ID, OBJECT_ID] {
        let body = body(Asked::new(&emulator, ARC).with("client_id", identity));
        assert!(body["client_id"].is_null(), "{body}");
        assert_eq!(claims(&body)["oid"], emulator.managed_identities()[0].object_id);
    }
}

#[test]
fn errors_come_after_the_proof() {
    let emulator = emulator();
    let asked = || Asked::new(&emulator, ARC);
    for (asked, status, error) in [
        (asked().with("api-version", "-"), 400, "invalid_request"),
        (asked().with("api-version", "2018-02-01"), 400, "invalid_request"),
        (asked().with("resource", "-"), 400, "invalid_request"),
        (asked().with("client_id", OBJECT_ID), 404, "identity_not_found"),
        (
            asked().with("client_id", CLIENT_ID).with("object_id", OBJECT_ID),
            400,
            "invalid_request",
        ),
        (
            asked().with("resource", "https://nowhere.example"),
            400,
            "invalid_resource",
        ),
    ] {
        let response = prove(asked);
        let body = json_body(&response);
        assert_eq!(
            (response.status().as_u16(), &body["error"]),
            (status, &json!(error)),
            "{body}"
        );
    }
    for (asked, status) in [(asked().header("metadata", "-"), 400), (asked().method("POST"), 405)] {
        assert_eq!(asked.send().status(), status);
    }
    let without = Emulator::builder()
        .managed_identity(ManagedIdentity::user_assigned("a"))
        .build();
    assert_eq!(prove(Asked::new(&without, ARC)).status(), 404);
}

#[test]
fn supported_versions_are_those_of_the_agent() {
    let emulator = emulator();
    for version in ["2019-11-01", "2020-06-01", "2021-02-01"] {
        body(Asked::new(&emulator, ARC).with("api-version", version));
    }
}

#[test]
fn faults_reach_each_of_the_two_requests() {
    let emulator = emulator();
    emulator.fault(Fault::status(200).with_body("{}").on("/managed-identity/arc"));
    assert_eq!(Asked::new(&emulator, ARC).send().status(), 200);
    let path = challenge(&Asked::new(&emulator, ARC).send());
    emulator.fault(Fault::status(503).on("/managed-identity/arc"));
    let key = format!("Basic {}", fs::read_to_string(&path).unwrap());
    let asked = || Asked::new(&emulator, ARC).header("authorization", &key);
    assert_eq!(asked().send().status(), 503);
    assert!(path.exists(), "the fault replaced the request before it was handled");
    assert_eq!(asked().send().status(), 200);
    assert!(
        emulator
            .requests()
            .iter()
            .all(|event| !event.lints.contains(&Lint::SecretInUrl))
    );
}
