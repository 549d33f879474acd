//! Authorization codes: what each is good for, and each way it is not.

use std::time::Duration;

use crate::support::{Answer, authorize_url, claims, json_body, post, refusal};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{Api, App, Emulator, Lint, Tenant, TokenVersion};
use serde_json::{Value, json};

const REDIRECT: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const GRAPH: &str = "https://graph.microsoft.com";

fn emulator() -> Emulator {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .api(Api::new("api://orders").scope("read").token_version(TokenVersion::V2))
        .app(
            App::new("web")
                .secret("s3cret")
                .redirect_uri(REDIRECT)
                .grant_scope(GRAPH, "User.Read")
                .grant_scope(GRAPH, "Mail.Read")
                .grant_scope("api://orders", "read"),
        )
        .app(App::new("other").secret("other-secret").redirect_uri(REDIRECT))
        .app(
            App::new("native")
                .public_client()
                .redirect_uri("http://localhost")
                .grant_scope(GRAPH, "User.Read"),
        )
        .build();
    emulator.clock().freeze();
    emulator
}

fn code(emulator: &Emulator, endpoint: &str, more: &[(&str, &str)]) -> String {
    let mut fields = vec![("redirect_uri", REDIRECT)];
    fields.extend_from_slice(more);
    let url = authorize_url(emulator, endpoint, &fields);
    emulator
        .approve(&url, "Adele Vance")
        .unwrap()
        .parameter("code")
        .expect("a code")
}

fn redeem(emulator: &Emulator, path: &str, code: &str, more: &[(&str, &str)]) -> Answer {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("redirect_uri", REDIRECT),
        ("code", code),
    ];
    for (name, value) in more {
        fields.retain(|(known, _)| known != name);
        if *value != "-" {
            fields.push((name, value));
        }
    }
    post(emulator, path, &fields)
}

fn v2(emulator: &Emulator, code: &str, more: &[(&str, &str)]) -> Answer {
    redeem(emulator, &emulator.token_url_v2(), code, more)
}

fn v1(emulator: &Emulator, code: &str, more: &[(&str, &str)]) -> Answer {
    redeem(emulator, &emulator.token_url_v1(), code, more)
}

const SCOPE: (&str, &str) = ("scope", "openid profile offline_access User.Read");

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
fn a_code_of_version_two() {
    let emulator = emulator();
    let code = code(
        &emulator,
        "v2.0/authorize",
        &[SCOPE, ("nonce", "n"), ("client_info", "1")],
    );
    let body = json_body(&v2(&emulator, &code, &[("client_info", "1")]));
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["ext_expires_in"]),
        (&json!("Bearer"), &json!(3599), &json!(3599))
    );
    assert_eq!(body["scope"], "User.Read openid profile");
    assert!(body["resource"].is_null() && body["expires_on"].is_null() && body["refresh_token"].is_string());
    let adele = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    let info: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body["client_info"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(info, json!({"uid": adele.id, "utid": emulator.tenant_id()}));
    let token = claims(&body);
    // Graph by its short name: the audience is its app id. The token carries all that was consented to, and what UserInfo asks for.
    assert_eq!(
        (&token["aud"], &token["scp"]),
        (
            &json!("00000003-0000-0000-c000-000000000000"),
            &json!("Mail.Read User.Read openid profile")
        )
    );
    assert_eq!(
        (&token["oid"], &token["name"]),
        (&json!(adele.id), &json!("Adele Vance"))
    );
    let id = claims(&json!({"access_token": body["id_token"]}));
    assert_eq!(
        (&id["nonce"], &id["aud"], &id["ver"]),
        (&json!("n"), &json!(emulator.client_id()), &json!("2.0"))
    );
    assert_eq!(
        id["iss"],
        format!("https://login.microsoftonline.com/{}/v2.0", emulator.tenant_id())
    );
    assert_eq!(
        (&id["preferred_username"], &id["auth_time"]),
        (&json!(adele.user_principal_name), &Value::Null)
    );
    assert_ne!(id["sub"], token["sub"]);
}

#[test]
fn without_openid_and_offline_access_there_is_only_an_access_token() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[("scope", "api://orders/read")]);
    let body = json_body(&v2(&emulator, &code, &[]));
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        ["access_token", "expires_in", "ext_expires_in", "scope", "token_type"]
    );
    let token = claims(&body);
    let (api, adele) = (emulator.api(), &emulator.tenants()[0].users.as_ref().unwrap()[0]);
    assert_eq!(
        (&token["ver"], &token["aud"], &token["azpacr"]),
        (&json!("2.0"), &json!(api.app_id), &json!("1"))
    );
    assert_eq!(
        (&token["preferred_username"], &token["upn"]),
        (&json!(adele.user_principal_name), &Value::Null)
    );
    assert_eq!(body["scope"], "api://orders/read");
}

#[test]
fn default_is_everything_that_was_consented_to() {
    let emulator = emulator();
    let code = code(
        &emulator,
        "v2.0/authorize",
        &[("scope", "https://graph.microsoft.com/.default")],
    );
    let body = json_body(&v2(&emulator, &code, &[]));
    assert_eq!(
        body["scope"],
        "https://graph.microsoft.com/Mail.Read https://graph.microsoft.com/User.Read"
    );
    assert_eq!(claims(&body)["aud"], GRAPH);
}

#[test]
fn a_code_is_good_once_and_for_ten_minutes() {
    let emulator = emulator();
    let first = code(&emulator, "v2.0/authorize", &[SCOPE]);
    assert_eq!(refusal(&v2(&emulator, &first, &[])), 0);
    assert_eq!(refusal(&v2(&emulator, &first, &[])), 54005);
    let second = code(&emulator, "v2.0/authorize", &[SCOPE]);
    emulator.clock().advance(Duration::from_secs(599));
    let third = code(&emulator, "v2.0/authorize", &[SCOPE]);
    assert_eq!(refusal(&v2(&emulator, &third, &[])), 0);
    emulator.clock().advance(Duration::from_secs(1));
    assert_eq!(refusal(&v2(&emulator, &second, &[])), 70008);
}

#[test]
fn of_several_at_once_one_gets_the_tokens() {
    let emulator = emulator();
    for _ in 0..4 {
        let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
        let start = std::sync::Barrier::new(4);
        let answers: Vec<u64> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                refusal(&v2(&emulator, &code, &[]))
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let redeemed = answers.iter().filter(|code| **code == 0).count();
        assert_eq!(redeemed, 1, "{answers:?}");
    }
}

#[test]
fn refusals_look_as_they_were_seen() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    for (more, error) in [
        (("code", "made up"), "invalid_grant"),
        (("redirect_uri", "https://app.example/other"), "invalid_client"),
        (("code_verifier", VERIFIER), "invalid_grant"),
    ] {
        let answer = v2(&emulator, &code, &[more]);
        assert_eq!(
            (answer.status().as_u16(), &json_body(&answer)["error"]),
            (400, &json!(error)),
            "{more:?}"
        );
    }
}

#[test]
fn a_code_belongs_to_its_client_and_its_redirect_uri() {
    let emulator = emulator();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    let other = emulator.app("other").unwrap();
    for (more, refused) in [
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
        assert_eq!(refusal(&v2(&emulator, &code, more)), refused, "{more:?}");
    }
    let elsewhere = "/other.example/oauth2/v2.0/token";
    assert_eq!(refusal(&redeem(&emulator, elsewhere, &code, &[])), 700005);
    // None of these mistakes used it up, and `common` finds its tenant.
    assert_eq!(refusal(&redeem(&emulator, "/common/oauth2/v2.0/token", &code, &[])), 0);
}

#[test]
fn the_verifier_has_to_fit() {
    let emulator = emulator();
    for (method, challenge) in [("S256", CHALLENGE), ("plain", VERIFIER), ("-", VERIFIER)] {
        let mut fields = vec![SCOPE, ("code_challenge", challenge)];
        if method != "-" {
            fields.push(("code_challenge_method", method));
        }
        let code = code(&emulator, "v2.0/authorize", &fields);
        for wrong in ["-", CHALLENGE_OTHER, "short"] {
            assert_eq!(
                refusal(&v2(&emulator, &code, &[("code_verifier", wrong)])),
                501481,
                "{method} {wrong}"
            );
        }
        assert_eq!(
            refusal(&v2(&emulator, &code, &[("code_verifier", VERIFIER)])),
            0,
            "{method}"
        );
    }
}

const CHALLENGE_OTHER: &str = "0000000000000000000000000000000000000000000";

#[test]
fn version_one_names_its_resource_here_or_there() {
    let emulator = emulator();
    let resource = ("resource", GRAPH);
    let with = code(&emulator, "authorize", &[resource]);
    assert_eq!(refusal(&v1(&emulator, &with, &[("resource", "api://orders")])), 70000);
    let body = json_body(&v1(&emulator, &with, &[]));
    assert_eq!(
        (&body["resource"], &body["scope"]),
        (&json!(GRAPH), &json!("Mail.Read User.Read"))
    );
    let id = claims(&json!({"access_token": body["id_token"]}));
    assert_eq!(
        (&id["ver"], &id["upn"]),
        (&json!("1.0"), &json!("adele@contoso.onmicrosoft.com"))
    );
    let without = code(&emulator, "authorize", &[]);
    assert_eq!(refusal(&v1(&emulator, &without, &[])), 900144);
    assert_eq!(
        refusal(&v1(&emulator, &without, &[("resource", "https://manage.office.com")])),
        650057
    );
    assert_eq!(
        refusal(&v1(&emulator, &without, &[("resource", "https://nowhere.example")])),
        500011
    );
    assert_eq!(refusal(&v1(&emulator, &without, &[resource])), 0);
    // A request that left its redirect URI out need not repeat it.
    let url = authorize_url(&emulator, "authorize", &[resource]);
    let code = emulator
        .approve(&url, "Adele Vance")
        .unwrap()
        .parameter("code")
        .unwrap();
    assert_eq!(refusal(&v1(&emulator, &code, &[("redirect_uri", "-")])), 0);
}

#[test]
fn public_clients_have_no_secret() {
    let emulator = emulator();
    let native = emulator.app("native").unwrap();
    let fields = [
        SCOPE,
        ("client_id", native.client_id.as_str()),
        ("redirect_uri", "http://localhost:8400"),
    ];
    let code = code(&emulator, "v2.0/authorize", &fields);
    let own = [
        ("client_id", native.client_id.as_str()),
        ("redirect_uri", "http://localhost:8400"),
    ];
    assert_eq!(refusal(&v2(&emulator, &code, &own)), 700025);
    let body = json_body(&v2(&emulator, &code, &[own[0], own[1], ("client_secret", "-")]));
    assert_eq!(claims(&body)["appidacr"], "0");
    let app_only = [
        ("grant_type", "client_credentials"),
        ("client_id", &native.client_id),
        ("scope", ".default"),
    ];
    assert_eq!(refusal(&post(&emulator, &emulator.token_url_v2(), &app_only)), 7000218);
}

#[test]
fn id_tokens_tell_when_the_user_signed_in_if_asked() {
    let emulator = emulator();
    for more in [
        ("max_age", "0"),
        ("claims", r#"{"id_token":{"auth_time":{"essential":true}}}"#),
    ] {
        let code = code(&emulator, "v2.0/authorize", &[SCOPE, more]);
        let body = json_body(&v2(&emulator, &code, &[]));
        assert!(claims(&json!({"access_token": body["id_token"]}))["auth_time"].is_u64());
    }
}

#[test]
fn passwords_are_refused() {
    let emulator = emulator();
    let ask = |tenant: &str, user: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", user),
            ("password", "canary"),
            ("scope", "User.Read"),
        ];
        refusal(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    assert_eq!(ask("organizations", "adele@contoso.onmicrosoft.com"), 50126);
    assert_eq!(ask("contoso.onmicrosoft.com", "nobody@contoso.onmicrosoft.com"), 50034);
    assert_eq!(ask("consumers", "adele@contoso.onmicrosoft.com"), 9001023);
    assert_eq!(ask("common", "adele@contoso.onmicrosoft.com"), 9001023);
    assert!(!format!("{:?}", emulator.requests()).contains("canary"));
}

#[test]
fn debug_never_shows_what_was_handed_out() {
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

#[test]
fn a_code_of_version_one_names_its_scope_on_version_two() {
    let emulator = emulator();
    let code = code(&emulator, "authorize", &[("resource", GRAPH)]);
    assert_eq!(refusal(&v2(&emulator, &code, &[])), 900144);
    let body = json_body(&v2(&emulator, &code, &[("scope", "openid api://orders/read")]));
    assert_eq!(body["scope"], "api://orders/read openid");
    assert_eq!(claims(&body)["aud"], emulator.api().app_id);
    assert!(body["id_token"].is_string() && body["refresh_token"].is_null());
}

#[test]
fn a_name_is_looked_up_in_the_tenant_of_the_path() {
    let emulator = emulator();
    let ask = |tenant: &str| {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", "adele@contoso.onmicrosoft.com"),
            ("password", "canary"),
            ("scope", "User.Read"),
        ];
        refusal(&post(&emulator, &format!("/{tenant}/oauth2/v2.0/token"), &fields))
    };
    assert_eq!(ask("contoso.onmicrosoft.com"), 50126);
    assert_eq!(ask("other.example"), 50034);
}

#[test]
fn a_password_does_not_make_up_for_what_is_missing() {
    let emulator = emulator();
    let ask = |url: String, more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", "s3cret"),
            ("username", "adele@contoso.onmicrosoft.com"),
            ("password", "canary"),
        ];
        fields.extend_from_slice(more);
        refusal(&post(&emulator, &url, &fields))
    };
    for (more, v1, v2) in [
        (&[][..], 900144, 900144),
        (&[("scope", " ")], 900144, 900144),
        (&[("scope", "User.Reed")], 900144, 650053),
        (&[("resource", "https://nowhere.example")], 500011, 901002),
        (&[("resource", GRAPH)], 50126, 901002),
        (&[("scope", "openid")], 900144, 50126),
    ] {
        assert_eq!(ask(emulator.token_url_v1(), more), v1, "v1 {more:?}");
        assert_eq!(ask(emulator.token_url_v2(), more), v2, "v2 {more:?}");
    }
}

#[test]
fn a_tenant_that_does_not_know_the_app_says_so_first() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .app(
            App::new("web")
                .secret("s3cret")
                .multi_tenant()
                .redirect_uri(REDIRECT)
                .request_scope(GRAPH, "User.Read"),
        )
        .build();
    let code = code(&emulator, "v2.0/authorize", &[SCOPE]);
    let answer = redeem(&emulator, "/other.example/oauth2/v2.0/token", &code, &[]);
    assert_eq!(refusal(&answer), 700016);
    let body = json_body(&v2(&emulator, &code, &[]));
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("refresh_token", body["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(
        refusal(&post(&emulator, "/other.example/oauth2/v2.0/token", &fields)),
        700016
    );
    let fields = [
        ("grant_type", "password"),
        ("client_id", emulator.client_id()),
        ("client_secret", "s3cret"),
        ("username", "megan@other.example"),
        ("password", "canary"),
        ("scope", "User.Read"),
    ];
    assert_eq!(
        refusal(&post(&emulator, "/other.example/oauth2/v2.0/token", &fields)),
        700016
    );
}

#[test]
fn scopes_of_the_token_request_count_whichever_they_are() {
    let emulator = emulator();
    let redeem = |asked: &str, named: &str| {
        let code = code(&emulator, "v2.0/authorize", &[("scope", asked)]);
        let body = json_body(&v2(&emulator, &code, &[("scope", named)]));
        let has = |name: &str| body[name].is_string();
        let is_beyond = emulator
            .requests()
            .pop()
            .unwrap()
            .lints
            .contains(&Lint::ScopeBeyondCode);
        (
            body["scope"].as_str().unwrap_or_default().to_owned(),
            has("id_token"),
            has("refresh_token"),
            is_beyond,
        )
    };
    let is = |scope: &str, id_token, refresh_token, is_beyond| (scope.to_owned(), id_token, refresh_token, is_beyond);
    // More than was asked for is taken, with a finding, beside a permission as well as alone.
    assert_eq!(
        redeem("User.Read", "openid offline_access User.Read"),
        is("User.Read openid", true, true, true)
    );
    assert_eq!(
        redeem("User.Read", "openid offline_access"),
        is("User.Read openid", true, true, true)
    );
    assert_eq!(redeem("User.Read", "Mail.Read"), is("Mail.Read", false, false, true));
    assert!(redeem("User.Read", "https://graph.microsoft.com/.default").3);
    // The same or fewer is what the documents want.
    assert_eq!(
        redeem("openid offline_access User.Read", "openid"),
        is("User.Read openid", true, true, false)
    );
    let spelled = "https://graph.microsoft.com/user.read";
    assert_eq!(redeem("User.Read Mail.Read", spelled), is(spelled, false, false, false));
    assert!(!redeem("https://graph.microsoft.com/.default", "User.Read").3);
}
