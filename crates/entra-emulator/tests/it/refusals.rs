//! One test a way to be refused, each with the number that Entra gives.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Answer, claims, encode, form, json_body, post, token};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{Aadsts, Api, App, Emulator, Fault, Lint, Secret, Tenant};
use http::Request;
use serde_json::{Value, json};

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");
const RESOURCE: (&str, &str) = ("resource", "https://graph.microsoft.com");

/// Checks a refusal against its row: status, word, number, text, and the shape every refusal shares.
#[track_caller]
fn refused(response: &Answer, code: u32) -> Value {
    let body = json_body(response);
    let row = Aadsts::find(code).expect("a row");
    assert_eq!(body["error_codes"], json!([code]), "{body}");
    assert_eq!(response.status(), row.status);
    assert_eq!(body["error"], row.error);
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    for (label, member) in [
        ("Trace ID", "trace_id"),
        ("Correlation ID", "correlation_id"),
        ("Timestamp", "timestamp"),
    ] {
        let repeated = format!(" {label}: {}", body[member].as_str().unwrap());
        assert!(description.contains(&repeated), "{description}");
    }
    let uri = format!("https://login.microsoftonline.com/error?code={code}");
    assert_eq!(
        body.get("error_uri").map(|uri| uri.as_str().unwrap()),
        row.error_uri.then_some(uri.as_str())
    );
    assert!(
        response.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("no-store")
    );
    body
}

#[track_caller]
fn v2_refuses(more: &[(&str, &str)], code: u32) -> Value {
    let emulator = Emulator::builder().build();
    let mut fields = vec![SCOPE];
    fields.extend_from_slice(more);
    refused(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), code)
}

#[track_caller]
fn v1_refuses(more: &[(&str, &str)], code: u32) -> Value {
    let emulator = Emulator::builder().build();
    refused(&token(&emulator, "token", &form(&emulator, more)), code)
}

#[track_caller]
fn raw_refuses(emulator: &Emulator, request: http::request::Builder, body: &str, code: u32) -> Answer {
    let response = emulator.handle(request.body(body.as_bytes().to_vec()).unwrap());
    refused(&response, code);
    response
}

#[test]
fn v1_without_resource() {
    let body = v1_refuses(&[SCOPE], 900144);
    assert!(body["error_description"].as_str().unwrap().contains("'resource'"));
}

#[test]
fn v2_with_resource() {
    v2_refuses(&[RESOURCE], 901002);
}

#[test]
fn v2_without_scope() {
    for scope in ["-", "", " "] {
        let body = v2_refuses(&[("scope", scope)], 900144);
        assert!(body["error_description"].as_str().unwrap().contains("'scope'"));
    }
}

#[test]
fn parameter_names_are_case_sensitive() {
    v2_refuses(&[("scope", "-"), ("Scope", SCOPE.1)], 900144);
    v1_refuses(&[("Resource", RESOURCE.1)], 900144);
}

#[test]
fn scopes_without_default() {
    for scope in [
        "https://graph.microsoft.com/User.Read.All",
        "openid profile",
        "https%3A%2F%2Fgraph.microsoft.com%2F.default",
    ] {
        v2_refuses(&[("scope", scope)], 1002012);
    }
}

#[test]
fn scopes_that_do_not_go_together() {
    let graph = SCOPE.1;
    for other in [
        "https://manage.office.com/.default",
        "https://graph.microsoft.com/User.Read",
        "User.Read",
    ] {
        v2_refuses(&[("scope", &format!("{graph} {other}"))], 70011);
        v2_refuses(&[("scope", &format!("{other} {graph}"))], 70011);
    }
}

#[test]
fn unknown_resources() {
    for resource in [
        "https://nowhere.example",
        "api://none",
        "https://graph.microsoft.com.evil.example",
        "https://GRAPH.microsoft.com",
        "graph.microsoft.com",
    ] {
        v2_refuses(&[("scope", &format!("{resource}/.default"))], 500011);
        v1_refuses(&[("resource", resource)], 500011);
    }
}

#[test]
fn missing_grant_types() {
    for grant in ["-", ""] {
        let body = v2_refuses(&[("grant_type", grant)], 900144);
        assert!(body["error_description"].as_str().unwrap().contains("'grant_type'"));
    }
}

#[test]
fn unknown_grant_types() {
    for grant in [
        "client_credential",
        "Client_Credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        v2_refuses(&[("grant_type", grant)], 70003);
    }
}

#[test]
fn the_managed_desktop_document_taken_at_its_word() {
    let fields = [
        ("grant_type", "client_credential"),
        (
            "Scope",
            "https://mwaas-services-customerapi-prod.azurewebsites.net/.default",
        ),
    ];
    v1_refuses(&fields, 70003);
    v1_refuses(&fields[1..], 900144);
    let emulator = Emulator::builder().build();
    let right = [("resource", "https://mwaas-services-customerapi-prod.azurewebsites.net")];
    let body = json_body(&token(&emulator, "token", &form(&emulator, &right)));
    assert_eq!(
        (&body["expires_in"], &claims(&body)["roles"]),
        (&json!("3599"), &json!(["MmdSupport.ReadWrite"]))
    );
}

#[test]
fn duplicates() {
    let emulator = Emulator::builder().build();
    for twice in ["scope=a", "grant_type=client_credentials", "unknown=1&unknown=2"] {
        let body = format!("{}&{twice}", form(&emulator, &[SCOPE]));
        refused(&token(&emulator, "v2.0/token", &body), 9000411);
    }
}

#[test]
fn other_methods() {
    let emulator = Emulator::builder().build();
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        raw_refuses(
            &emulator,
            Request::builder().method(method).uri(emulator.token_url_v2()),
            "",
            900561,
        );
    }
}

#[test]
fn other_content_types() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE]);
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = Request::post(emulator.token_url_v2()).header("content-type", content_type);
        raw_refuses(&emulator, request, &body, 900144);
    }
    raw_refuses(&emulator, Request::post(emulator.token_url_v2()), &body, 900144);
    assert!(matches!(emulator.requests()[0].lints[0], Lint::ContentType(_)));
}

#[test]
fn tenants() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE, RESOURCE]);
    for (tenant, code) in [
        ("11111111-1111-1111-1111-111111111111", 90002),
        ("fabrikam.onmicrosoft.com", 90002),
        ("nobody.ciamlogin.com", 90002),
        ("contoso", 900023),
        ("%7Btenant%7D", 900023),
        ("a..b", 900023),
        ("-a.example", 900023),
        ("common", 50059),
        ("organizations", 50059),
        ("consumers", 9001023),
        ("9188040d-6c67-4c5b-b112-36a304b66dad", 9001023),
    ] {
        for endpoint in ["token", "v2.0/token"] {
            let request = Request::post(format!("/{tenant}/oauth2/{endpoint}"))
                .header("content-type", "application/x-www-form-urlencoded");
            raw_refuses(&emulator, request, &body, code);
        }
    }
}

#[test]
fn apps() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("one.example"))
        .tenant(Tenant::new("two.example"))
        .app(App::new("good").secret("s"))
        .app(App::new("off").secret("s").disabled())
        .app(App::new("new").secret("s").unprovisioned())
        .app(App::new("elsewhere").secret("s").only_in("two.example"))
        .build();
    let id = |name: &str| emulator.app(name).unwrap().client_id.clone();
    for (client_id, code) in [
        ("00000000-0000-0000-0000-000000000000".to_owned(), 700038),
        ("22222222-2222-2222-2222-222222222222".to_owned(), 700016),
        ("not a guid".to_owned(), 700016),
        (id("off"), 7000112),
        (id("new"), 7000229),
        (id("elsewhere"), 700016),
    ] {
        let fields = [SCOPE, ("client_id", &client_id), ("client_secret", "s")];
        refused(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), code);
    }
    for missing in ["-", ""] {
        let body = refused(
            &token(
                &emulator,
                "v2.0/token",
                &form(&emulator, &[SCOPE, ("client_id", missing)]),
            ),
            900144,
        );
        assert!(body["error_description"].as_str().unwrap().contains("'client_id'"));
    }
    let two = [
        ("grant_type", "client_credentials"),
        ("client_id", &id("elsewhere")),
        ("client_secret", "s"),
        SCOPE,
    ];
    assert_eq!(post(&emulator, "/two.example/oauth2/v2.0/token", &two).status(), 200);
}

#[test]
fn secrets() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let emulator = Emulator::builder()
        .frozen_at(at(1_000))
        .app(
            App::new("a")
                .secret(Secret::new("always").id("33333333-3333-3333-3333-333333333333"))
                .secret(Secret::new("old").ends(at(1_000)))
                .secret(Secret::new("young").starts(at(1_001))),
        )
        .app(App::new("other").secret("others"))
        .app(App::new("bare").without_secrets())
        .build();
    let ask = |secret: &str| {
        token(
            &emulator,
            "v2.0/token",
            &form(&emulator, &[SCOPE, ("client_secret", secret)]),
        )
    };
    assert_eq!(ask("always").status(), 200);
    for (secret, code) in [
        ("wrong", 7000215),
        ("ALWAYS", 7000215),
        ("always ", 7000215),
        ("others", 7000215),
        ("33333333-3333-3333-3333-333333333333", 7000215),
        ("old", 7000222),
        ("young", 7000222),
        ("", 7000218),
        ("-", 7000218),
    ] {
        refused(&ask(secret), code);
    }
    let text = json_body(&ask("33333333-3333-3333-3333-333333333333"))["error_description"].to_string();
    assert!(text.contains("client secret value, not the client secret ID"), "{text}");
    let lints = emulator.requests().pop().unwrap().lints;
    assert!(lints.contains(&Lint::SecretId), "{lints:?}");

    emulator.clock().set(at(999));
    assert_eq!(ask("old").status(), 200, "it was good a second ago");
    emulator.clock().set(at(1_001));
    assert_eq!(ask("young").status(), 200, "it is good now");
    let bare = emulator.app("bare").unwrap().client_id.clone();
    let fields = [SCOPE, ("client_id", &bare), ("client_secret", "always")];
    refused(&token(&emulator, "v2.0/token", &form(&emulator, &fields)), 7000215);
}

#[test]
fn secrets_in_the_url_are_never_used() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE, ("client_secret", "-")]);
    let secret = encode(&[("client_secret", emulator.client_secret())]);
    let request = Request::post(format!("{}?{secret}", emulator.token_url_v2()))
        .header("content-type", "application/x-www-form-urlencoded");
    raw_refuses(&emulator, request, &body, 7000218);
    let everything = format!("{}?{}", emulator.token_url_v2(), form(&emulator, &[SCOPE]));
    let request = Request::post(everything).header("content-type", "application/x-www-form-urlencoded");
    raw_refuses(&emulator, request, "", 900144);
    assert!(
        emulator
            .requests()
            .iter()
            .all(|event| event.lints.contains(&Lint::SecretInUrl))
    );
    assert!(!format!("{:?}", emulator.requests()).contains(emulator.client_secret()));
}

#[test]
fn assertions_that_cannot_be_read() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl";
    let kind = (
        "client_assertion_type",
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    );
    v2_refuses(&[("client_secret", "-"), kind, ("client_assertion", jwt)], 90014);
    for garbage in ["x", "a.b.c", "header.payload.signature", "....", "e30.e30"] {
        v2_refuses(&[("client_secret", "-"), kind, ("client_assertion", garbage)], 50027);
    }
    v2_refuses(&[("client_secret", "-"), ("client_assertion", jwt)], 900144);
    for other in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "jwt-bearer",
        "JWT",
    ] {
        let kind = ("client_assertion_type", other);
        v2_refuses(&[("client_secret", "-"), kind, ("client_assertion", jwt)], 90011);
    }
    v2_refuses(&[kind, ("client_assertion", jwt)], 90023);
}

#[test]
fn claims_that_are_no_json_object() {
    for claims in [
        "x",
        "[]",
        "{",
        "null",
        "eyJhY2Nlc3NfdG9rZW4iOnt9fQ==",
        r#"{"access_token":"x"}"#,
        r#"{"id_token":[]}"#,
        r#"{"userinfo":1}"#,
    ] {
        v2_refuses(&[("claims", claims)], 9002313);
        v1_refuses(
            &[("resource", "https://graph.microsoft.com"), ("claims", claims)],
            9002313,
        );
    }
    let emulator = Emulator::builder().build();
    for claims in [
        "{}",
        r#"{"access_token":null,"other":1}"#,
        r#"{"access_token":{"xms_cc":1,"nbf":[]}}"#,
    ] {
        let body = form(&emulator, &[SCOPE, ("claims", claims)]);
        assert_eq!(token(&emulator, "v2.0/token", &body).status(), 200, "{claims}");
    }
}

#[test]
fn apis_that_require_an_assignment() {
    let api = || {
        Api::new("api://strict")
            .role("Read")
            .role("Write")
            .assignment_required()
    };
    let ask = |app: App| {
        let emulator = Emulator::builder().api(api()).app(app).build();
        token(
            &emulator,
            "v2.0/token",
            &form(&emulator, &[("scope", "api://strict/.default")]),
        )
    };
    refused(&ask(App::new("a").request("api://strict", "Read")), 501051);
    assert_eq!(ask(App::new("a").grant("api://strict", "Read")).status(), 200);
}

fn basic(name: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(name), encode(secret)))
    )
}

#[test]
fn basic_authentication_decodes_what_was_form_encoded() {
    let secret = "a+b%20c:d e&é=";
    let emulator = Emulator::builder().app(App::new("a").secret(secret)).build();
    let body = form(&emulator, &[SCOPE, ("client_secret", "-"), ("client_id", "-")]);
    let ask = |authorization: &str, body: &str| {
        let request = Request::post(emulator.token_url_v2())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", authorization);
        emulator.handle(request.body(body.as_bytes().to_vec()).unwrap())
    };
    let good = basic(emulator.client_id(), secret);
    assert_eq!(ask(&good, &body).status(), 200);
    assert_eq!(emulator.requests()[0].client_id.as_deref(), Some(emulator.client_id()));
    assert_eq!(
        ask(
            &good.replace("Basic", "basic"),
            &form(&emulator, &[SCOPE, ("client_secret", "-")])
        )
        .status(),
        200
    );

    let wrong = ask(&basic(emulator.client_id(), "wrong"), &body);
    refused(&wrong, 7000215);
    assert!(
        wrong.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic realm=")
    );
    // Not encoded before base64: `+` and `%20` are read as blanks.
    let raw = format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{secret}", emulator.client_id()))
    );
    refused(&ask(&raw, &body), 7000215);
    refused(&ask(&good, &form(&emulator, &[SCOPE])), 90023);
    let other = form(
        &emulator,
        &[
            SCOPE,
            ("client_secret", "-"),
            ("client_id", "22222222-2222-2222-2222-222222222222"),
        ],
    );
    refused(&ask(&good, &other), 90023);
    for broken in ["Basic", "Basic !", "Basic YQ==", "Basic "] {
        let response = ask(broken, &body);
        assert_eq!(response.status(), 400, "{broken}: {response:?}");
    }
    let body = refused(&ask(&basic(emulator.client_id(), ""), &body), 7000218);
    assert!(body["error_description"].as_str().unwrap().contains("client_secret"));
    assert!(!format!("{:?}", emulator.requests()).contains(&good[6..]));
}

#[test]
fn only_basic_gets_a_challenge() {
    let emulator = Emulator::builder().build();
    let response = token(
        &emulator,
        "v2.0/token",
        &form(&emulator, &[SCOPE, ("client_secret", "wrong")]),
    );
    refused(&response, 7000215);
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[test]
fn the_correlation_id_is_the_clients_if_it_is_a_guid() {
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let ask = |id: &str, back: &str| {
        let request = Request::post(emulator.token_url_v2())
            .header("client-request-id", id)
            .header("return-client-request-id", back);
        emulator.handle(request.body(Vec::new()).unwrap())
    };
    let id = "0F0E0D0C-0b0a-4908-8706-050403020100";
    let response = ask(id, "true");
    let body = json_body(&response);
    assert_eq!(
        (&body["correlation_id"], &body["timestamp"]),
        (&json!(id), &json!("2023-11-14 22:13:20Z"))
    );
    assert_eq!(response.headers()["client-request-id"], id);
    assert_eq!(
        response.headers()["x-ms-request-id"],
        body["trace_id"].as_str().unwrap()
    );
    assert!(!ask(id, "false").headers().contains_key("client-request-id"));
    let other = ask("not a guid", "true");
    assert!(!other.headers().contains_key("client-request-id"));
    assert_eq!(json_body(&other)["correlation_id"].as_str().unwrap().len(), 36);
}

#[test]
fn regional_hosts_name_themselves_in_the_error_uri() {
    let emulator = Emulator::builder().build();
    let request = Request::post(format!(
        "https://westus2.login.microsoft.com/{}/oauth2/v2.0/token/",
        emulator.tenant_id()
    ));
    let body = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
    assert_eq!(
        body["error_uri"],
        "https://westus2.login.microsoft.com/error?code=900144"
    );
}

#[test]
fn every_row_can_be_played() {
    let emulator = Emulator::builder().build();
    let mut words = BTreeSet::new();
    for row in Aadsts::table() {
        emulator.fault(Fault::aadsts(row.code));
        let body = refused(&token(&emulator, "v2.0/token", ""), row.code);
        assert_eq!(body.get("suberror").and_then(Value::as_str), row.suberror);
        assert_eq!(body.get("claims").and_then(Value::as_str), row.claims);
        assert!(
            row.claims
                .is_none_or(|claims| serde_json::from_str::<Value>(claims).is_ok_and(|claims| claims.is_object()))
        );
        assert_eq!(emulator.requests().last().unwrap().aadsts, Some(row.code));
        words.insert(row.error);
    }
    assert!(words.contains("invalid_client") && words.len() >= 8);
    emulator.fault(Fault::aadsts(1));
    assert_eq!(token(&emulator, "v2.0/token", "").status(), 500);
}

#[test]
fn endpoints_that_are_not_there_say_so() {
    let emulator = Emulator::builder().build();
    for (path, status) in [
        ("/nothing", 404),
        ("/common", 404),
        ("/common/oauth2/logout", 501),
        ("/common/oauth2/v2.0/logout", 501),
    ] {
        assert_eq!(crate::support::get(&emulator, path).status(), status, "{path}");
    }
}

#[test]
fn tokens_of_another_kind_are_rejected() {
    for more in [
        [("token_type", "pop"), ("req_cnf", "eyJraWQiOiJ4In0")],
        [("token_type", "ssh-cert"), ("key_id", "x")],
        [("token_type", "Bearer"), ("req_cnf", "eyJraWQiOiJ4In0")],
        [
            ("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
            ("token_type", "bearer"),
        ],
    ] {
        let body = v2_refuses(&more, 90023);
        assert!(
            body["error_description"].as_str().unwrap().contains("is not emulated"),
            "{body}"
        );
    }
    let emulator = Emulator::builder().build();
    let fields = form(&emulator, &[SCOPE, ("token_type", "bearer")]);
    assert_eq!(token(&emulator, "v2.0/token", &fields).status(), 200);
}
