//! Compares our requests with those of the official clients, and decodes the responses that these
//! clients were tested with.

use std::time::Duration;

use entra_proto::assertion::ClientAssertion;
use entra_proto::endpoint::Region;
use entra_proto::error::{ErrorClass, ResponseProblem};
use entra_proto::{
    Application, Authority, ClientSecret, Cloud, EndpointVersion, Error, Guid, Target, Timestamp, TokenResponse,
};
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

#[test]
fn requests_match_those_of_the_official_clients() {
    let captures: Vec<Value> = serde_json::from_str(include_str!("../captures/requests.json")).unwrap();
    let (mut sent, mut rejected) = (0, 0);
    for capture in &captures {
        let (case, form) = (text(capture, "case"), &capture["form"]);
        let app = application(capture);
        let target = match form.get("resource") {
            Some(resource) => Target::resource(resource.as_str().unwrap()),
            None => Target::scopes(text(form, "scope")),
        };
        let request = match app.client_credentials(target.unwrap()) {
            Ok(request) => request,
            Err(error) => {
                // The service rejects these requests. Ours are rejected before they are sent, with
                // a hint.
                assert!(
                    matches!(
                        case,
                        "cc_scope_no_default" | "cc_scope_two_scopes" | "cc_second_call_scope_order_swapped"
                    ),
                    "{case}: {error}"
                );
                assert!(
                    matches!(&error, Error::Input(input) if input.hint().is_some()),
                    "{case}: {error}"
                );
                rejected += 1;
                continue;
            }
        };
        let request = match form.get("claims") {
            Some(claims) => request.with_claims(claims.as_str().unwrap()).unwrap(),
            None => request,
        };
        let http = request.encode(Guid::from_random([7; 16]));
        assert_eq!(http.method(), "POST");
        assert_eq!(http.uri().scheme_str(), Some("https"));
        assert_eq!(http.uri().host(), Some(text(capture, "host")), "{case}");
        assert_eq!(http.uri().path(), text(capture, "path"), "{case}");
        assert_eq!(http.headers()["content-type"], "application/x-www-form-urlencoded");
        let ours: Vec<(String, String)> = form_urlencoded::parse(http.body().as_bytes()).into_owned().collect();
        assert_eq!(
            ours.len(),
            form.as_object().unwrap().len(),
            "{case}: {:?}",
            ours.iter().map(|pair| &pair.0).collect::<Vec<_>>()
        );
        for (name, value) in &ours {
            let theirs = if name == "client_assertion" {
                assertion(form)
            } else {
                text(form, name)
            };
            if name == "claims" {
                let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                assert_eq!(json(value), json(theirs), "{case}");
            } else {
                assert_eq!(value, theirs, "{case}: {name}");
            }
        }
        sent += 1;
    }
    assert_eq!((sent, rejected), (53, 4));
}

/// Returns the application of a capture. Its URL contains the host, the tenant and the version.
fn application(capture: &Value) -> Application {
    let path = text(capture, "path");
    let tenant = path.split('/').nth(1).unwrap().parse().unwrap();
    let authority = match text(capture, "host").strip_suffix(".login.microsoft.com") {
        Some(region) => {
            let region: Region = region.parse().unwrap();
            Authority::new(Cloud::Public, tenant)
                .unwrap()
                .with_region(region)
                .unwrap()
        }
        None => Authority::new(
            Cloud::at(&format!("https://{}", text(capture, "host"))).unwrap(),
            tenant,
        )
        .unwrap(),
    };
    let version = if path.ends_with("/v2.0/token") || path.starts_with("/adfs/") {
        EndpointVersion::V2
    } else {
        EndpointVersion::V1
    };
    let form = &capture["form"];
    let id = text(form, "client_id").parse().unwrap();
    let app = match form.get("client_secret") {
        Some(secret) => Application::new(authority, id, ClientSecret::new(secret.as_str().unwrap()).unwrap()),
        None => Application::new(authority, id, ClientAssertion::new(assertion(form)).unwrap()),
    };
    app.with_endpoint_version(version)
}

/// Returns the assertion of a capture. Captures omit signed assertions, which have their own
/// comparison.
fn assertion(form: &Value) -> &str {
    match text(form, "client_assertion") {
        "<client_assertion>" => "a.b.c",
        given => given,
    }
}

/// The expected result of decoding a response.
enum Outcome {
    /// A token with this lifetime in seconds and this scope.
    Token(u64, Option<&'static str>),
    /// An error response: class, AADSTS code, retryable, seconds to wait.
    Rejected(ErrorClass, Option<u32>, bool, Option<u64>),
    /// An unusable response.
    Unfit(ResponseProblem),
    /// A token or an error, according to the status. These cases test what happens before or after.
    Ordinary,
}

fn outcome(case: &str) -> Outcome {
    use ErrorClass::{Application, Credential, Interaction, Scope, Tenant, Transient, Unknown};
    use Outcome::{Ordinary, Rejected, Token, Unfit};
    match case {
        "body_cut_by_close" | "json_cut_200" => Unfit(ResponseProblem::Truncated),
        "bom_200" | "expires_in_string" | "missing_token_type" | "token_type_lowercase" | "wrong_content_type_200" => {
            Token(3599, None)
        }
        "expires_in_float" => Token(3599, None),
        "expires_in_tiny_1s" => Token(1, None),
        "missing_expires_in" => Token(0, None),
        "unknown_fields_200" => Token(3599, Some("x")),
        "empty_200" => Unfit(ResponseProblem::Empty),
        "html_200" => Unfit(ResponseProblem::NotJson { line: 1, column: 1 }),
        "json_array_200" => Unfit(ResponseProblem::WrongShape { line: 1, column: 1 }),
        "empty_access_token" | "missing_access_token" | "null_access_token" => Unfit(ResponseProblem::NoToken),
        "expires_in_garbage" | "expires_in_negative" => Unfit(ResponseProblem::InvalidLifetime),
        "token_in_400" => Unfit(ResponseProblem::TokenInErrorResponse),
        "token_type_pop" => Unfit(ResponseProblem::TokenType("pop".into())),
        "redirect_302" | "redirect_307" => Unfit(ResponseProblem::Redirect(Some("login.windows.net".into()))),
        "huge_400" => Unfit(ResponseProblem::TooLarge),
        "error_in_200" | "invalid_client_7000215" => Rejected(Credential, Some(7_000_215), false, None),
        "invalid_scope_70011" | "400_then_call_again_at_once" => Rejected(Scope, Some(70011), false, None),
        "unauthorized_client_700016" => Rejected(Application, Some(700_016), false, None),
        "interaction_required_claims" => Rejected(Interaction, Some(50079), false, None),
        "invalid_grant_on_refresh" | "invalid_grant_suberror_claims" => Rejected(Interaction, Some(50076), false, None),
        "text_400" => Rejected(Tenant, Some(90002), false, None),
        "empty_400" => Rejected(Unknown, None, false, None),
        "html_502" => Rejected(Transient, None, true, None),
        "server_500_always" | "server_500_once" | "server_503_always" => Rejected(Transient, Some(90033), true, None),
        "server_503_retry_after_once" => Rejected(Transient, Some(90033), true, Some(2)),
        "throttle_429_always" | "throttle_429_once" => Rejected(Transient, Some(90055), true, Some(2)),
        "429_then_call_again_at_once" => Rejected(Transient, Some(90055), true, Some(2)),
        "throttle_429_no_header_once" => Rejected(Transient, Some(90055), true, None),
        "instance_invalid" | "discovery_404" | "discovery_500_once" | "discovery_html" | "connection_closed_once" => {
            Ordinary
        }
        _ => panic!("no expected outcome for {case}"),
    }
}

#[test]
fn faulty_responses_have_the_expected_outcome() {
    let captures: Vec<Value> = serde_json::from_str(include_str!("../captures/responses.json")).unwrap();
    let mut seen = 0;
    for capture in &captures {
        if capture.get("closed").is_some() {
            // A connection without a response concerns the transport and the machine.
            continue;
        }
        let case = text(capture, "case");
        let status = StatusCode::from_u16(capture["status"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in capture["headers"].as_object().into_iter().flatten() {
            headers.insert(
                name.parse::<HeaderName>().unwrap(),
                value.as_str().unwrap().parse().unwrap(),
            );
        }
        let body = match capture.get("body_len") {
            Some(length) => format!(
                r#"{{"error":"invalid_request","error_description":"{}"}}"#,
                "A".repeat(length.as_u64().unwrap() as usize)
            ),
            None => text(capture, "body").to_owned(),
        };
        let end = capture
            .get("truncated_after")
            .map_or(body.len(), |end| end.as_u64().unwrap() as usize);
        let decoded = TokenResponse::decode(status, &headers, &body.as_bytes()[..end], NOW);
        // The last response of these cases is an ordinary one.
        let ends_well = status == 200
            && matches!(
                case,
                "429_then_call_again_at_once" | "throttle_429_no_header_once" | "redirect_307"
            );
        let outcome = if ends_well { Outcome::Ordinary } else { outcome(case) };
        check(case, status, decoded, outcome);
        seen += 1;
    }
    assert_eq!(seen, captures.len() - 2);
}

fn check(case: &str, status: StatusCode, decoded: Result<TokenResponse, Error>, outcome: Outcome) {
    match (outcome, decoded) {
        (Outcome::Token(seconds, scope), Ok(token)) => {
            assert_eq!(
                token.lifetime.expires_at.since(NOW),
                Duration::from_secs(seconds),
                "{case}"
            );
            assert_eq!(token.scope.as_deref(), scope, "{case}");
            assert_eq!(token.access_token.expose(), "opaque-access-token", "{case}");
        }
        (Outcome::Rejected(class, code, retryable, wait), Err(Error::Service(error))) => {
            assert_eq!(error.status, status.as_u16(), "{case}");
            assert_eq!((error.class(), error.codes.first().copied()), (class, code), "{case}");
            assert_eq!(
                (error.is_retryable(), error.retry_after.map(|wait| wait.as_secs())),
                (retryable, wait),
                "{case}"
            );
            if matches!(code, Some(code) if code != 90002) {
                assert_eq!(
                    error.trace_id.as_deref(),
                    Some("0000aaaa-11bb-cccc-dd22-eeeeee333333"),
                    "{case}"
                );
                assert_eq!(
                    error.correlation_id.as_deref(),
                    Some("aaaa0000-bb11-2222-33cc-444444dddddd"),
                    "{case}"
                );
                assert_eq!(error.timestamp.as_deref(), Some("2026-01-01 00:00:00Z"), "{case}");
                assert!(error.description.starts_with("AADSTS"), "{case}");
            }
            if class == ErrorClass::Interaction {
                assert!(
                    error.claims.as_deref().is_some_and(|claims| claims.starts_with('{')),
                    "{case}"
                );
            }
        }
        (Outcome::Unfit(problem), Err(Error::Response(error))) => {
            match (&error.problem, &problem) {
                (ResponseProblem::WrongShape { .. }, ResponseProblem::WrongShape { .. }) => {}
                (found, expected) => assert_eq!(found, expected, "{case}"),
            }
            assert!(!error.to_string().contains("opaque"), "{case}: {error}");
        }
        (Outcome::Ordinary, Ok(_)) => assert_eq!(status, 200, "{case}"),
        (_, decoded) => panic!("{case}: {decoded:?}"),
    }
}

#[test]
fn odd_member_of_an_error_is_ignored() {
    for odd in [
        r#""timestamp":123"#,
        r#""claims":{"access_token":{}}"#,
        r#""expires_in":"soon""#,
        r#""trace_id":["x"]"#,
        r#""access_token":"""#,
        r#""token_type":7"#,
    ] {
        let body = format!(
            r#"{{"error":"invalid_client","error_codes":["7000215"],"error_description":"AADSTS7000215: No.",{odd}}}"#
        );
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "120".parse().unwrap());
        let decoded = TokenResponse::decode(StatusCode::TOO_MANY_REQUESTS, &headers, body.as_bytes(), NOW);
        let Err(Error::Service(error)) = decoded else {
            panic!("{odd}: {decoded:?}")
        };
        assert_eq!(
            (error.codes.as_slice(), error.class()),
            (&[7_000_215][..], ErrorClass::Credential),
            "{odd}"
        );
        assert_eq!(error.retry_after, Some(Duration::from_secs(120)), "{odd}");
    }
    let claims = r#"{"error":"x","claims":{"access_token":{}}}"#;
    let decoded = TokenResponse::decode(StatusCode::BAD_REQUEST, &HeaderMap::new(), claims.as_bytes(), NOW);
    assert!(matches!(decoded, Err(Error::Service(error)) if error.claims.as_deref() == Some(r#"{"access_token":{}}"#)));
}

#[test]
fn lifetime_is_limited_to_a_day() {
    for (life, seconds) in [
        ("86400", 86400),
        ("86401", 86400),
        ("1e300", 86400),
        ("\"99999999999999999999\"", 86400),
        ("0", 0),
    ] {
        let body = format!(r#"{{"access_token":"t","expires_in":{life}}}"#);
        let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), NOW).unwrap();
        assert_eq!(token.lifetime.expires_at.since(NOW).as_secs(), seconds, "{life}");
    }
    // Without `expires_in`, `expires_on` counts, which may be in the past.
    for (moment, seconds) in [(NOW.as_secs() + 100, 100), (NOW.as_secs() - 100, 0), (u64::MAX, 86400)] {
        let body = format!(r#"{{"access_token":"t","expires_on":"{moment}"}}"#);
        let token = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), NOW).unwrap();
        assert_eq!(token.lifetime.expires_at.since(NOW).as_secs(), seconds, "{moment}");
    }
}

#[test]
fn duplicate_known_member_is_rejected() {
    for body in [
        r#"{"access_token":"a","access_token":"b","expires_in":1}"#,
        r#"{"access_token":"a","expires_in":1,"expires_in":2}"#,
        r#"{"error":"a","error":"b"}"#,
    ] {
        let decoded = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), NOW);
        assert!(
            matches!(&decoded, Err(Error::Response(error)) if matches!(error.problem, ResponseProblem::WrongShape { .. })),
            "{decoded:?}"
        );
    }
    let unknown = r#"{"access_token":"a","expires_in":1,"x":1,"x":2,"Access_Token":"b"}"#;
    assert!(TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), unknown.as_bytes(), NOW).is_ok());
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .as_str()
        .unwrap()
}
