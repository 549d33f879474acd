//! Parameters, methods and content types.

use entra_emulator::{Emulator, Lint};
use http::Request;
use serde_json::{Value, json};

use crate::refusals::{RESOURCE, SCOPE, raw_refuses, refused, v2_refuses};
use crate::support::{claims, form, json_body, token};

#[track_caller]
fn v1_refuses(more: &[(&str, &str)], code: u32) -> Value {
    let emulator = Emulator::builder().build();
    refused(&token(&emulator, "token", &form(&emulator, more)), code)
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
