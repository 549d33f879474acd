//! The error responses of each source: every form, its kind, and what is never shown.

use entra_proto::error::ErrorClass;
use entra_proto::error::ManagedIdentityErrorKind::{self, Configuration, Denied, NotAssigned, Throttled, Unavailable};
use entra_proto::managed_identity::Source;
use entra_proto::report::Report;

use super::support::*;

const CORRELATION: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// Returns the outcome of this response to the request for the token, after all retries.
fn rejected(source: Source, status: u16, body: &str) -> Run {
    let request = Machine::of(source).system();
    let policy = entra_proto::acquire::RetryPolicy::never();
    let mut script = vec![responds(status, body)];
    if source == Source::Arc {
        script.insert(0, challenge("/var/opt/azcmagent/tokens/k.key"));
    }
    run_with(&request, policy, &script)
}

#[test]
fn every_form_of_error_is_read_from_every_source() {
    let forms = [
        (
            format!(r#"{{"statusCode":400,"message":"the reason","correlationId":"{CORRELATION}"}}"#),
            None,
            "the service rejected the request: the reason",
            true,
        ),
        (
            r#"{"error":"invalid_request","error_description":"the reason"}"#.to_owned(),
            Some("invalid_request"),
            "invalid_request: the reason",
            false,
        ),
        (
            format!(r#"{{"error":{{"code":"BadRequest","message":"the reason","correlationId":"{CORRELATION}"}}}}"#),
            Some("BadRequest"),
            "BadRequest: the reason",
            true,
        ),
        (
            r#"{"error":{"code":"BadRequest","message":"the reason","innererror":{"trace":["x"]}}}"#.to_owned(),
            Some("BadRequest"),
            "BadRequest: the reason",
            false,
        ),
        (
            r#"{"code":"BadRequest","message":"the reason"}"#.to_owned(),
            Some("BadRequest"),
            "BadRequest: the reason",
            false,
        ),
        (
            r#"{"unknown":["canary"]}"#.to_owned(),
            None,
            "the service rejected the request without a reason, by HTTP status 400",
            false,
        ),
        (
            String::new(),
            None,
            "the service rejected the request without a reason, by HTTP status 400",
            false,
        ),
    ];
    for source in Source::ALL {
        for (body, code, text, has_correlation) in &forms {
            let run = rejected(source, 400, body);
            let error = run.error();
            assert_eq!(
                (error.kind(), error.error_code()),
                (NotAssigned, *code),
                "{source} {body}"
            );
            assert_eq!(error.to_string(), format!("there is no token from {source}: {text}"));
            assert_eq!(error.correlation_id(), has_correlation.then_some(CORRELATION));
            let report = format!("{:#}", Report::of(error));
            assert_eq!(report.contains(CORRELATION), *has_correlation, "{report}");
            assert!(!run.shown.contains("canary"), "{}", run.shown);
        }
        // Text is not shown. Only the metadata service is known to send none.
        let run = rejected(source, 400, "canary: the reason");
        assert!(!run.shown.contains("canary"), "{}", run.shown);
        let expected = if source == Source::Imds {
            ManagedIdentityErrorKind::Malformed
        } else {
            NotAssigned
        };
        assert_eq!(run.kind(), expected, "{source}");
    }
}

#[test]
fn kind_follows_the_code_and_the_status() {
    for (source, status, body, kind) in [
        (
            Source::Imds,
            400,
            r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            NotAssigned,
        ),
        (Source::Imds, 400, r#"{"error":"invalid_resource"}"#, Configuration),
        (Source::Imds, 400, r#"{"error":"bad_request_102"}"#, Configuration),
        (Source::Imds, 400, r#"{"error":"unauthorized_client"}"#, Denied),
        (Source::Imds, 400, r#"{"error":"access_denied"}"#, Denied),
        (Source::Imds, 401, r#"{"error":"unknown_source"}"#, Denied),
        (Source::Imds, 500, r#"{"error":"unknown"}"#, Unavailable),
        (Source::Imds, 429, r#"{"error":"invalid_resource"}"#, Throttled),
        (
            Source::Imds,
            400,
            r#"{"error":"x","error_description":"AADSTS500011: The resource principal named a was not found."}"#,
            Configuration,
        ),
        (
            Source::CloudShell,
            400,
            r#"{"error":{"code":"AudienceNotSupported","message":"Audience x is not a supported MSI token audience."}}"#,
            Configuration,
        ),
        (
            Source::ServiceFabric,
            404,
            r#"{"error":{"code":"ManagedIdentityNotFound","message":"m"}}"#,
            NotAssigned,
        ),
        (
            Source::ServiceFabric,
            400,
            r#"{"error":{"code":"SecretHeaderNotFound","message":"m"}}"#,
            Configuration,
        ),
        (
            Source::ServiceFabric,
            400,
            r#"{"error":{"code":"InvalidApiVersion","message":"m"}}"#,
            Configuration,
        ),
        (
            Source::ServiceFabric,
            500,
            r#"{"error":{"code":"InternalServerError","message":"m"}}"#,
            Unavailable,
        ),
        (
            Source::AppService,
            500,
            r#"{"statusCode":500,"message":"m"}"#,
            Unavailable,
        ),
        (Source::AppService, 401, "", Denied),
    ] {
        let run = rejected(source, status, body);
        assert_eq!(run.kind(), kind, "{source} {status} {body}");
        assert!(run.error().hint().is_some());
    }
}

#[test]
fn errors_have_the_advice_of_their_source() {
    for (source, status, body, advice) in [
        (Source::Imds, 400, r#"{"error":"bad_request_102"}"#, "header Metadata"),
        (
            Source::Imds,
            400,
            r#"{"error":"invalid_resource"}"#,
            "check the resource",
        ),
        (Source::AppService, 500, "", "check the resource"),
        (Source::ServiceFabric, 500, "", "trailing slash"),
        (
            Source::CloudShell,
            400,
            r#"{"error":{"code":"AudienceNotSupported"}}"#,
            "https://management.azure.com/",
        ),
        (Source::MachineLearning, 400, "{}", "DEFAULT_IDENTITY_CLIENT_ID"),
        (
            Source::MachineLearning,
            400,
            r#"{"error":"invalid_resource"}"#,
            "check the resource",
        ),
        (Source::Imds, 400, "{}", "assign the identity"),
        (Source::Imds, 410, "", "two minutes"),
    ] {
        let run = rejected(source, status, body);
        let hint = run.error().hint().unwrap();
        assert!(hint.contains(advice), "{source} {status}: {hint}");
    }
    let machine = Machine::of(Source::MachineLearning);
    machine.set("DEFAULT_IDENTITY_CLIENT_ID", "d");
    let run = run(&machine.system(), &[responds(400, "{}")]);
    assert!(!run.error().hint().unwrap().contains("DEFAULT_IDENTITY_CLIENT_ID"));
}

#[test]
fn response_of_entra_behind_the_source_is_explained() {
    let body = format!(
        r#"{{"error":"invalid_resource","error_description":"AADSTS500011: The resource principal named https://x was not found in the tenant named y. Trace ID: a","error_codes":[500011],"timestamp":"2026-01-01 00:00:00Z","trace_id":"{CORRELATION}","correlation_id":"{ID}","error_uri":"https://login.microsoftonline.com/error?code=500011"}}"#
    );
    let run = rejected(Source::Imds, 400, &body);
    let error = run.error();
    let service = error.service().unwrap();
    assert_eq!(service.codes, [500_011]);
    assert_eq!(service.trace_id.as_deref(), Some(CORRELATION));
    assert_eq!(error.correlation_id(), Some(ID));
    assert_eq!((error.kind(), error.class()), (Configuration, ErrorClass::Scope));
    assert_eq!(error.hint(), service.hint());
    assert!(error.to_string().contains("AADSTS500011 invalid_resource"), "{error}");
}

#[test]
fn secrets_that_a_platform_echoes_are_not_shown() {
    let encoded = CANARY.replace('~', "%7E");
    for source in Source::ALL {
        for spelled in [CANARY, &encoded] {
            let quoted = format!("\"{spelled}\"");
            for body in [
                format!(r#"{{"error":{quoted},"error_description":{quoted}}}"#),
                format!(r#"{{"error":{{"code":{quoted},"message":"header was {spelled}","correlationId":{quoted}}}}}"#),
                format!(r#"{{"statusCode":{quoted},"message":{quoted},"correlationId":{quoted}}}"#),
                format!(
                    r#"{{"correlation_id":{quoted},"trace_id":{quoted},"timestamp":{quoted},"error_uri":"https://a/?{spelled}"}}"#
                ),
                format!("<html>{spelled}</html>"),
                format!(r#"{{"access_token":"{spelled}","#),
                format!(r#"{{"access_token":{quoted},"token_type":{quoted},"expires_in":{quoted}}}"#),
            ] {
                for status in [200, 302, 400, 401, 403, 404, 429, 500] {
                    let run = rejected(source, status, &body);
                    // The requests to the metadata service and to Cloud Shell have no secret.
                    let has_secret = !matches!(source, Source::Imds | Source::CloudShell);
                    if has_secret || status == 200 {
                        assert!(!run.shown.contains(spelled), "{source} {status} {body}: {}", run.shown);
                    }
                }
            }
        }
    }
}

#[test]
fn short_secret_does_not_hide_a_code() {
    let machine = Machine::of(Source::Arc);
    machine.with_key("/var/opt/azcmagent/tokens/k.key", b"n");
    let body = r#"{"error":"identity_not_found","error_description":"canary"}"#;
    let run = run(
        &machine.system(),
        &[challenge("/var/opt/azcmagent/tokens/k.key"), responds(404, body)],
    );
    assert_eq!(
        (run.kind(), run.error().error_code()),
        (NotAssigned, Some("identity_not_found"))
    );
    let run = rejected(Source::Imds, 400, r#"{"error":"bad_request_102"}"#);
    assert_eq!(run.error().error_code(), Some("bad_request_102"));
}

#[test]
fn tokens_in_error_responses_are_not_shown() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
    for source in Source::ALL {
        for body in [
            format!(r#"{{"access_token":"{jwt}","error":"e"}}"#),
            format!(r#"{{"error":"{jwt}","error_description":"failed for {jwt}"}}"#),
            format!(r#"{{"error":{{"code":"{jwt}","message":"{jwt}"}}}}"#),
            format!(r#"{{"message":"access_token={jwt}"}}"#),
            jwt.to_owned(),
        ] {
            for status in [400, 403, 500] {
                let run = rejected(source, status, &body);
                assert!(!run.shown.contains("eyJ"), "{source} {status}: {}", run.shown);
            }
        }
    }
}
