//! Parameters, methods and content types.

use entra_emulator::{Emulator, Lint};
use http::Request;
use serde_json::{Value, json};

use crate::rejections::{RESOURCE, SCOPE, raw_rejects, rejected, v2_rejects};
use crate::support::{claims, form, json_body, token};

#[track_caller]
fn v1_rejects(more: &[(&str, &str)], code: u32) -> Value {
    let emulator = Emulator::builder().build();
    rejected(&token(&emulator, "token", &form(&emulator, more)), code)
}

#[test]
fn v1_requires_resource() {
    let body = v1_rejects(&[SCOPE], 900144);
    assert!(body["error_description"].as_str().unwrap().contains("'resource'"));
}

#[test]
fn v2_rejects_resource() {
    v2_rejects(&[RESOURCE], 901002);
}

#[test]
fn v2_requires_scope() {
    for scope in ["-", "", " "] {
        let body = v2_rejects(&[("scope", scope)], 900144);
        assert!(body["error_description"].as_str().unwrap().contains("'scope'"));
    }
}

#[test]
fn parameter_names_are_case_sensitive() {
    v2_rejects(&[("scope", "-"), ("Scope", SCOPE.1)], 900144);
    v1_rejects(&[("Resource", RESOURCE.1)], 900144);
}

#[test]
fn client_credentials_require_default_scope() {
    for scope in [
        "https://graph.microsoft.com/User.Read.All",
        "openid profile",
        "https%3A%2F%2Fgraph.microsoft.com%2F.default",
    ] {
        v2_rejects(&[("scope", scope)], 1002012);
    }
}

#[test]
fn default_scope_excludes_other_scopes() {
    let graph = SCOPE.1;
    for other in [
        "https://manage.office.com/.default",
        "https://graph.microsoft.com/User.Read",
        "User.Read",
    ] {
        v2_rejects(&[("scope", &format!("{graph} {other}"))], 70011);
        v2_rejects(&[("scope", &format!("{other} {graph}"))], 70011);
    }
}

#[test]
fn unknown_resources_are_rejected() {
    for resource in [
        "https://nowhere.example",
        "api://none",
        "https://graph.microsoft.com.evil.example",
        "https://GRAPH.microsoft.com",
        "graph.microsoft.com",
    ] {
        v2_rejects(&[("scope", &format!("{resource}/.default"))], 500011);
        v1_rejects(&[("resource", resource)], 500011);
    }
}

#[test]
fn grant_type_is_required() {
    for grant in ["-", ""] {
        let body = v2_rejects(&[("grant_type", grant)], 900144);
        assert!(body["error_description"].as_str().unwrap().contains("'grant_type'"));
    }
}

#[test]
fn unknown_grant_types_are_rejected() {
    for grant in [
        "client_credential",
        "Client_Credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        v2_rejects(&[("grant_type", grant)], 70003);
    }
}

#[test]
fn managed_desktop_documents_request_is_rejected() {
    let fields = [
        ("grant_type", "client_credential"),
        (
            "Scope",
            "https://mwaas-services-customerapi-prod.azurewebsites.net/.default",
        ),
    ];
    v1_rejects(&fields, 70003);
    v1_rejects(&fields[1..], 900144);
    let emulator = Emulator::builder().build();
    let right = [("resource", "https://mwaas-services-customerapi-prod.azurewebsites.net")];
    let body = json_body(&token(&emulator, "token", &form(&emulator, &right)));
    assert_eq!(
        (&body["expires_in"], &claims(&body)["roles"]),
        (&json!("3599"), &json!(["MmdSupport.ReadWrite"]))
    );
}

#[test]
fn duplicate_parameters_are_rejected() {
    let emulator = Emulator::builder().build();
    for twice in ["scope=a", "grant_type=client_credentials", "unknown=1&unknown=2"] {
        let body = format!("{}&{twice}", form(&emulator, &[SCOPE]));
        rejected(&token(&emulator, "v2.0/token", &body), 9000411);
    }
}

#[test]
fn other_methods_are_rejected() {
    let emulator = Emulator::builder().build();
    for method in ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        raw_rejects(
            &emulator,
            Request::builder().method(method).uri(emulator.token_url_v2()),
            "",
            900561,
        );
    }
}

#[test]
fn other_content_types_are_rejected() {
    let emulator = Emulator::builder().build();
    let body = form(&emulator, &[SCOPE]);
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
        let request = Request::post(emulator.token_url_v2()).header("content-type", content_type);
        raw_rejects(&emulator, request, &body, 900144);
    }
    raw_rejects(&emulator, Request::post(emulator.token_url_v2()), &body, 900144);
    assert!(matches!(emulator.requests()[0].lints[0], Lint::ContentType(_)));
}

#[test]
fn claims_must_be_a_json_object() {
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
        v2_rejects(&[("claims", claims)], 9002313);
        v1_rejects(
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
fn other_token_types_are_rejected() {
    for more in [
        [("token_type", "pop"), ("req_cnf", "eyJraWQiOiJ4In0")],
        [("token_type", "ssh-cert"), ("key_id", "x")],
        [("token_type", "Bearer"), ("req_cnf", "eyJraWQiOiJ4In0")],
        [
            ("requested_token_type", "urn:ietf:params:oauth:token-type:saml2"),
            ("token_type", "bearer"),
        ],
    ] {
        let body = v2_rejects(&more, 90023);
        assert!(
            body["error_description"].as_str().unwrap().contains("is not emulated"),
            "{body}"
        );
    }
    let emulator = Emulator::builder().build();
    let fields = form(&emulator, &[SCOPE, ("token_type", "bearer")]);
    assert_eq!(token(&emulator, "v2.0/token", &fields).status(), 200);
}
