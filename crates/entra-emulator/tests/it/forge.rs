//! Forged tokens, in process and through the control API.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{Api, App, Defect, Emulator, SignatureAlgorithm, TokenVersion};
use http::Request;
use serde_json::{Value, json};

use crate::support::control::{get_ok, post_error, post_ok};
use crate::support::{access_token, get, get_as, json_body};

const CHINA: &str = "99999999-8888-4777-8666-555544443333";

fn emulator() -> Emulator {
    let api = |name: &str, version| {
        let api = Api::new(name).token_version(version).optional_claim("idtyp");
        api.role("Tasks.Read.All").role("Tasks.Write.All").scope("Tasks.Read")
    };
    Emulator::builder()
        .api(api("api://v2", TokenVersion::V2))
        .api(api("api://v1", TokenVersion::V1))
        .app(
            App::new("daemon")
                .grant("api://v2", "Tasks.Read.All")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .app(App::new("other"))
        .build()
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn names(object: &Value) -> BTreeSet<&String> {
    object.as_object().unwrap().keys().collect()
}

fn status(emulator: &Emulator, token: &str) -> u16 {
    get_as(emulator, "/v1.0/users", token).status().as_u16()
}

#[test]
fn unchanged_token_is_like_an_issued_one() {
    let emulator = emulator();
    emulator.clock().freeze();
    for (api, scope) in [
        ("api://v2", "api://v2/.default"),
        (Emulator::GRAPH, "https://graph.microsoft.com/.default"),
    ] {
        let issued = access_token(&emulator, scope);
        let granted: Vec<String> = serde_json::from_value(part(&issued, 1)["roles"].clone()).unwrap();
        let forged = emulator.forge().api(api).roles(granted).token();
        assert_eq!(part(&forged, 0), part(&issued, 0));
        let (forged, issued) = (part(&forged, 1), part(&issued, 1));
        assert_eq!(names(&forged), names(&issued));
        for name in names(&issued) {
            let is_random = ["aio", "rh", "uti", "xms_ftd"].contains(&name.as_str());
            assert!(is_random || forged[name] == issued[name], "{name}");
        }
    }
}

#[test]
fn forged_token_has_the_requested_values() {
    let emulator = emulator();
    let claims = part(&emulator.forge().token(), 1);
    assert_eq!(claims["roles"], json!(["Tasks.Read.All", "Tasks.Write.All"]));
    assert_eq!(claims["aud"], json!(emulator.api().app_id));
    let user = emulator.tenants()[0].users.as_ref().unwrap()[0].clone();
    let token = emulator.forge().user(&user.user_principal_name).app("other").token();
    let claims = part(&token, 1);
    assert_eq!(
        (&claims["scp"], &claims["oid"]),
        (&json!("Tasks.Read"), &json!(user.id))
    );
    assert_eq!(claims["azp"], json!(emulator.app("other").unwrap().client_id));
    assert_eq!(claims["idtyp"], "user");
    let token = emulator.forge().version(TokenVersion::V1).roles([""; 0]).token();
    assert_eq!(part(&token, 0)["x5t"], part(&token, 0)["kid"]);
    let claims = part(&token, 1);
    assert_eq!((&claims["ver"], &claims["aud"]), (&json!("1.0"), &json!("api://v2")));
    assert_eq!(claims["roles"], Value::Null);
    let claims = part(&emulator.forge().agent_of("b").token(), 1);
    assert_eq!(
        (&claims["xms_par_app_azp"], &claims["idtyp"]),
        (&json!("b"), &json!("app"))
    );
    let facts = |name: &str| claims[name].as_str().unwrap().split(' ').any(|fact| fact == "11");
    assert!(facts("xms_act_fct") && facts("xms_sub_fct"));
}

#[test]
fn changes_apply_in_order() {
    let emulator = emulator();
    let forge = emulator.forge().claim("a", 1).claim("a", 2).another_claim("a", 3);
    let forge = forge
        .without_claim("b")
        .claim("b", 4)
        .without_claim("azp")
        .header("typ", "at+jwt");
    let token = forge.another_header("alg", "none").without_header("kid").token();
    let text = |at| String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap();
    assert!(
        text(1).ends_with("\"a\":2,\"a\":3,\"b\":4}") && !text(1).contains("\"azp\""),
        "{}",
        text(1)
    );
    assert_eq!(text(0), r#"{"typ":"at+jwt","alg":"RS256","alg":"none"}"#);
}

#[test]
fn signature_uses_the_named_key() {
    let emulator = emulator();
    let first = part(&emulator.forge().token(), 0)["kid"].as_str().unwrap().to_owned();
    let graph = || emulator.forge().api(Emulator::GRAPH);
    emulator.rotate_signing_key();
    assert_eq!(status(&emulator, &graph().key(&first).token()), 200);
    assert_eq!(status(&emulator, &graph().token()), 200);
    assert_eq!(status(&emulator, &graph().unpublished_key().token()), 401);
    emulator.retire_old_signing_keys();
    assert_eq!(status(&emulator, &graph().key(&first).token()), 401);
    for &algorithm in SignatureAlgorithm::ALL {
        let token = graph().algorithm(algorithm).token();
        assert_eq!(part(&token, 0)["alg"], algorithm.name());
        let expected = if algorithm == SignatureAlgorithm::Rs256 {
            200
        } else {
            401
        };
        assert_eq!(status(&emulator, &token), expected, "{}", algorithm.name());
    }
}

/// Returns the statuses that Graph may respond with. Graph accepts its own audience and does not
/// check the caller.
fn expected_of_graph(defect: Defect) -> &'static [u16] {
    match defect.rule() {
        "principal" | "binding" => &[200, 401, 403],
        "grants" => &[403],
        _ if defect == Defect::GraphAudience => &[200],
        _ => &[401],
    }
}

#[test]
fn emulated_graph_rejects_every_defect() {
    let emulator = emulator();
    for version in [TokenVersion::V1, TokenVersion::V2] {
        let forge = || emulator.forge().api(Emulator::GRAPH).version(version);
        assert_eq!(status(&emulator, &forge().token()), 200);
        for &defect in Defect::ALL {
            let expected = expected_of_graph(defect);
            let found = status(&emulator, &forge().defect(defect).token());
            assert!(expected.contains(&found), "{}: {found}", defect.name());
        }
    }
}

#[test]
fn forged_tokens_can_be_revoked() {
    let emulator = emulator();
    let old = emulator.forge().api(Emulator::GRAPH).token();
    emulator.revoke_tokens();
    assert_eq!(status(&emulator, &old), 401);
    assert_eq!(status(&emulator, &emulator.forge().api(Emulator::GRAPH).token()), 200);
}

#[test]
fn control_api_forges_what_the_builder_forges() {
    let emulator = emulator();
    let body = json!({"api": "https://graph.microsoft.com", "roles": ["User.Read.All"]});
    let forged = post_ok(&emulator, "/v1/tokens", body);
    assert_eq!(status(&emulator, forged["token"].as_str().unwrap()), 200);
    let body = json!({
        "user": emulator.tenants()[0].users.as_ref().unwrap()[0].id, "app": "other", "version": 1, "agent_of": "b",
        "scopes": ["A"], "claims": {"x": [1], "nbf": null}, "another_claim": {"TID": CHINA}, "header": {"typ": null},
        "another_header": {"kid": "k"}, "key": "unpublished", "algorithm": "RS512",
    });
    let forged = post_ok(&emulator, "/v1/tokens", body);
    let (token, claims) = (forged["token"].as_str().unwrap(), &forged["claims"]);
    assert_eq!(&part(token, 1), claims);
    assert_eq!(
        (&claims["x"], &claims["nbf"], &claims["scp"]),
        (&json!([1]), &Value::Null, &json!("A"))
    );
    assert_eq!((&claims["TID"], &claims["ver"]), (&json!(CHINA), &json!("1.0")));
    let header = part(token, 0);
    assert_eq!(
        (&header["typ"], &header["kid"], &header["alg"]),
        (&Value::Null, &json!("k"), &json!("RS512"))
    );
    for row in get_ok(&emulator, "/v1/tokens")["defects"].as_array().unwrap() {
        let body = json!({"api": "https://graph.microsoft.com", "defect": row["defect"]});
        let token = post_ok(&emulator, "/v1/tokens", body)["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let defect = Defect::ALL
            .iter()
            .find(|defect| row["defect"] == defect.name())
            .unwrap();
        let told = (row["rule"].as_str(), row["about"].as_str());
        assert_eq!(told, (Some(defect.rule()), Some(defect.about())));
        assert!(expected_of_graph(*defect).contains(&status(&emulator, &token)), "{row}");
    }
    assert_eq!(
        get_ok(&emulator, "/v1/tokens")["defects"].as_array().unwrap().len(),
        Defect::ALL.len()
    );
}

#[test]
fn control_api_names_the_invalid_member() {
    let emulator = emulator();
    for (body, member, error) in [
        (json!({"app": "x"}), "app", "invalid_member"),
        (json!({"api": "x"}), "api", "invalid_member"),
        (json!({"user": "x"}), "user", "invalid_member"),
        (json!({"tenant": "x"}), "tenant", "invalid_member"),
        (json!({"version": 3}), "version", "invalid_member"),
        (json!({"roles": "A"}), "roles", "invalid_member"),
        (json!({"roles": [1]}), "roles", "invalid_member"),
        (json!({"claims": []}), "claims", "invalid_member"),
        (json!({"key": "x"}), "key", "invalid_member"),
        (json!({"algorithm": "RS1"}), "algorithm", "invalid_member"),
        (json!({"defect": "x"}), "defect", "invalid_member"),
        (json!({"flaw": "x"}), "flaw", "unknown_member"),
    ] {
        let (status, response) = post_error(&emulator, "/v1/tokens", &body.to_string());
        assert_eq!(
            (status, &response["member"], &response["error"]),
            (400, &json!(member), &json!(error)),
            "{response}"
        );
    }
    let (_, response) = post_error(&emulator, "/v1/tokens", r#"{"roles": [], "scopes": []}"#);
    assert_eq!(response["error"], "conflicting_members");
}

#[test]
fn no_token_is_forged_without_the_control_key() {
    let emulator = emulator();
    assert_eq!(get(&emulator, "/v1/tokens").status(), 501);
    for authorization in ["", "Bearer ", "Bearer 00", emulator.client_secret()] {
        let request = Request::post("/v1/tokens").header("authorization", authorization);
        let request = request.header("content-type", "application/json").body(b"{}".to_vec());
        let (one, two) = (
            request.unwrap(),
            Request::post("/v1/tokens").body(b"{}".to_vec()).unwrap(),
        );
        for response in [emulator.handle_control(one), emulator.handle_control(two)] {
            assert_eq!(
                (response.status().as_u16(), &json_body(&response)["token"]),
                (401, &Value::Null)
            );
        }
    }
    let request = Request::post("/v1/tokens").header("authorization", format!("Bearer {}", emulator.control_key()));
    let response = emulator.handle(request.body(b"{}".to_vec()).unwrap());
    assert_eq!(response.status(), 501, "the key is valid for the control API only");
}
