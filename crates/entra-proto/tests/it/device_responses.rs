//! Responses of the device-code endpoint: what is accepted, and what is rejected.

use std::time::Duration;

use entra_proto::cache::MAX_LIFETIME;
use entra_proto::device::{DeviceAuthorization, DeviceCodeRequest};
use entra_proto::error::ResponseProblem;
use entra_proto::report::Report;
use entra_proto::{Application, Authority, Body, ClientCredential, EndpointVersion, Error, Guid, Target, Timestamp};
use http::Response;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const CODE: &str = r#"{"device_code":"canary-device-code","user_code":"ABCD1234","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in, open the page."}"#;

fn request() -> DeviceCodeRequest {
    let authority: Authority = "https://login.microsoftonline.com/organizations".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), ClientCredential::Public);
    app.device_code(Target::scopes("User.Read").unwrap()).unwrap()
}

fn decoded(body: &str) -> Result<DeviceAuthorization, Error> {
    request().decode(&Response::new(Body::from(body.to_owned())), NOW)
}

fn shown(body: &str) -> DeviceAuthorization {
    decoded(body).unwrap()
}

/// Returns the response with one member replaced by this JSON, or removed.
fn with(name: &str, value: &str) -> String {
    let mut members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(CODE).unwrap();
    members.remove(name);
    let rest = serde_json::to_string(&members).unwrap();
    if value.is_empty() {
        rest
    } else {
        format!("{{\"{name}\":{value},{}", &rest[1..])
    }
}

#[test]
fn v1_spellings_are_accepted() {
    let body = CODE
        .replace("verification_uri", "verification_url")
        .replace(":900", ":\"900\"")
        .replace(":5", ":\"5\"");
    let v1 = shown(&body);
    assert_eq!(v1.verification_uri, "https://microsoft.com/devicelogin");
    assert_eq!(
        (v1.interval, v1.expires_at.since(NOW)),
        (Duration::from_secs(5), Duration::from_secs(900))
    );
    assert_eq!(
        (v1.user_code.as_str(), v1.message.as_str()),
        ("ABCD1234", "To sign in, open the page.")
    );
    assert_eq!(
        (v1.device_code.expose(), v1.verification_uri_complete),
        ("canary-device-code", None)
    );
    let http = Application::new(
        "https://login.microsoftonline.com/common".parse().unwrap(),
        Guid::from_bytes([1; 16]).into(),
        ClientCredential::Public,
    )
    .with_endpoint_version(EndpointVersion::V1)
    .device_code(Target::resource("https://graph.microsoft.com").unwrap())
    .unwrap()
    .encode(Guid::from_bytes([7; 16]));
    assert_eq!(http.uri().path(), "/common/oauth2/devicecode");
}

#[test]
fn odd_numbers_are_corrected() {
    for (interval, seconds) in [
        ("", 5),
        ("null", 5),
        ("0", 1),
        ("-5", 5),
        ("\"NaN\"", 5),
        ("\"soon\"", 5),
        ("1e300", 900),
        ("301", 301),
        ("899", 899),
        ("901", 900),
        ("2.9", 2),
        ("[]", 5),
        ("\"99999999999999999999\"", 900),
    ] {
        assert_eq!(
            shown(&with("interval", interval)).interval.as_secs(),
            seconds,
            "{interval}"
        );
    }
    let day = MAX_LIFETIME.as_secs();
    for (expires_in, seconds) in [
        ("", 900),
        ("0", 0),
        ("-1", 900),
        ("1e300", day),
        ("\"86401\"", day),
        ("86399", 86399),
        ("true", 900),
    ] {
        assert_eq!(
            shown(&with("expires_in", expires_in)).expires_at.since(NOW).as_secs(),
            seconds,
            "{expires_in}"
        );
    }
}

#[test]
fn unusable_codes_are_rejected() {
    for (name, value) in [
        ("device_code", ""),
        ("device_code", "\"\""),
        ("device_code", "\"a b\""),
        ("device_code", "\"a\\n\""),
        ("device_code", "null"),
        ("user_code", ""),
        ("user_code", "\"\""),
        ("user_code", "\"A B\""),
        ("user_code", "\"A\\u001b[2J\""),
        ("user_code", "\"\u{202e}A\""),
        ("user_code", "\"A\\r\\nB\""),
        ("verification_uri", ""),
        ("verification_uri", "\"javascript:alert(1)\""),
        ("verification_uri", "\"http://evil.example/\""),
        ("verification_uri", "\"data:text/html,x\""),
        ("verification_uri", "\"/devicelogin\""),
        ("verification_uri", "\"microsoft.com/devicelogin\""),
        ("verification_uri", "\"https://microsoft.com@evil.example/\""),
        ("verification_uri", "\"https://a.example/\\u001b[2J\""),
        ("verification_uri", "\"http://localhost.evil.example/\""),
        ("verification_uri", "\"https://\""),
    ] {
        match decoded(&with(name, value)) {
            Err(Error::Response(error)) => {
                assert_eq!(error.problem, ResponseProblem::NoDeviceCode, "{name} {value}");
                assert!(!error.to_string().contains("canary"));
            }
            other => panic!("{name} {value}: {other:?}"),
        }
    }
    let long = |length| format!("\"{}\"", "A".repeat(length));
    assert!(decoded(&with("user_code", &long(64))).is_ok() && decoded(&with("user_code", &long(65))).is_err());
    let address = |length: usize| format!("\"https://a.example/{}\"", "a".repeat(length - 18));
    assert!(
        decoded(&with("verification_uri", &address(2048))).is_ok()
            && decoded(&with("verification_uri", &address(2049))).is_err()
    );
    for local in ["\"http://127.0.0.1:8080/device\"", "\"http://localhost/\""] {
        assert!(decoded(&with("verification_uri", local)).is_ok(), "{local}");
    }
    // The complete address is optional, so an invalid one is ignored.
    let body = with("verification_uri_complete", "\"javascript:x\"");
    assert_eq!(shown(&body).verification_uri_complete, None);
    let body = with("verification_uri_complete", "\"https://a.example/?c=A\"");
    assert_eq!(
        shown(&body).verification_uri_complete.as_deref(),
        Some("https://a.example/?c=A")
    );
}

#[test]
fn errors_name_the_device_code_endpoint() {
    for (status, body) in [(200, "<html>"), (200, ""), (200, "{}"), (200, "["), (302, "")] {
        let response = Response::builder().status(status).body(Body::from(body.to_owned()));
        let error = format!(
            "{:#}",
            Report::from(request().decode(&response.unwrap(), NOW).unwrap_err())
        );
        assert!(error.starts_with("the device-code endpoint's response"), "{error}");
    }
}

#[test]
fn message_is_short_and_harmless_or_generated() {
    let generated = "To sign in, open https://microsoft.com/devicelogin and enter the code ABCD1234.";
    for missing in ["", "null", "\"\"", "\" \\n \""] {
        assert_eq!(shown(&with("message", missing)).message, generated, "{missing}");
    }
    let odd = shown(&with(
        "message",
        "\"a\\r\\nb\\u001b[31mc\u{202e}d\u{2066}e\u{200f}f\u{7f}\u{9b}g\"",
    ))
    .message;
    assert_eq!(odd, "a  b [31mc d e f  g");
    let endless = format!("\"{}\"", "\u{e9}".repeat(100_000));
    assert_eq!(shown(&with("message", &endless)).message.chars().count(), 1024);
}

#[test]
fn no_error_shows_the_device_code_in_any_spelling() {
    let code = "canary+dev/ice=code";
    let spellings = [
        code.to_owned(),
        code.replace('/', "\\/"),
        "canary%2Bdev%2Fice%3Dcode".into(),
        "canary%2bdev%2fice%3dcode".into(),
    ];
    let authorization = shown(&with("device_code", &format!("\"{code}\"")));
    let shown = format!("{authorization:?} {authorization:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    let poll = request().poll(&authorization).unwrap();
    for spelling in &spellings {
        for body in [
            format!(r#"{{"error":"bad_verification_code","error_description":"AADSTS70018: {spelling} is unknown"}}"#),
            format!(
                r#"{{"error":"{spelling}","suberror":"{spelling}","trace_id":"{spelling}","error_uri":"https://x/{spelling}","claims":"{spelling}"}}"#
            ),
            format!("<html>could not pass on device_code={spelling}&client_id=x</html>"),
            format!("cannot read: {spelling}"),
            format!(r#"{{"error":"authorization_pending","error_description":"{spelling}"}}"#),
        ] {
            for status in [200, 400, 502] {
                let response = Response::builder()
                    .status(status)
                    .header("content-type", format!("text/{code}"));
                let error = poll
                    .decode(&response.body(Body::from(body.clone())).unwrap(), NOW)
                    .unwrap_err();
                let text = format!("{error} {error:?} {error:#?} {:?}", error.service());
                assert!(!text.contains("canary"), "{status} {body}: {text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn decoding_never_panics_and_shown_texts_are_harmless(
        status in prop_oneof![4 => Just(200u16), 1 => 100u16..600],
        name in "device_code|user_code|verification_uri|verification_url|verification_uri_complete|interval|expires_in|message|error|error_codes",
        value in prop_oneof!["\"(https?://)?\\PC{0,30}\"", "-?[0-9]{1,400}", "[0-9]{1,5}e[0-9]{1,4}", "[\\[\\]{}\",:0-9eE+.\\-a-z]{0,20}", "\"[\u{1}-\u{ff}]{0,12}\""],
    ) {
        let response = Response::builder().status(status).body(Body::from(with(&name, &value))).unwrap();
        if let Ok(authorization) = request().decode(&response, NOW) {
            for text in [&authorization.user_code, &authorization.verification_uri, &authorization.message] {
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control));
            }
            let life = authorization.expires_at.since(NOW).as_secs();
            prop_assert!((1..=life.max(1)).contains(&authorization.interval.as_secs()));
            prop_assert!(authorization.expires_at.since(NOW) <= MAX_LIFETIME);
        }
    }
}
