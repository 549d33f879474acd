//! Successes of each source: the documented bodies, their prefixes, and what must be rejected.

use std::time::Duration;

use entra_proto::Timestamp;
use entra_proto::error::ManagedIdentityErrorKind::{Malformed, NotAssigned};
use entra_proto::managed_identity::{Identity, ManagedIdentityRequest, Source};

use super::support::*;

/// The documented successes, with lifetimes that end a day after [`NOW`].
const GOLDEN: [(Source, &str); 7] = [
    (
        Source::Imds,
        r#"{"access_token":"eyJ0eXAi.a.b","refresh_token":"","expires_in":"3599","expires_on":"1767229200","not_before":"1767225300","resource":"https://vault.azure.net","token_type":"Bearer","client_id":"11111111-2222-3333-4444-555555555555","ext_expires_in":"86399"}"#,
    ),
    (
        Source::AppService,
        r#"{"access_token":"eyJ0eXAi.a.b","expires_on":"1767229200","resource":"https://vault.azure.net","token_type":"Bearer","client_id":"11111111-2222-3333-4444-555555555555"}"#,
    ),
    (
        Source::MachineLearning,
        r#"{"access_token":"eyJ0eXAi.a.b","expires_on":"1/1/2026 1:00:00 AM +00:00","resource":"https://vault.azure.net","token_type":"Bearer"}"#,
    ),
    (
        Source::MachineLearning,
        r#"{"access_token":"eyJ0eXAi.a.b","expires_on":1767229200,"resource":"https://vault.azure.net","token_type":"Bearer"}"#,
    ),
    (
        Source::CloudShell,
        r#"{"access_token":"eyJ0eXAi.a.b","refresh_token":"0.canary~refresh","expires_in":"3599","expires_on":"1767229200","not_before":"1767225300","resource":"https://vault.azure.net","token_type":"Bearer"}"#,
    ),
    (
        Source::Arc,
        r#"{"access_token":"eyJ0eXAi.a.b","client_id":"11111111-2222-3333-4444-555555555555","expires_in":"3599","expires_on":"1767229200","ext_expires_in":"86399","not_before":"1767225300","resource":"https://vault.azure.net","token_type":"Bearer"}"#,
    ),
    (
        Source::ServiceFabric,
        r#"{"token_type":"Bearer","access_token":"eyJ0eXAi.a.b","expires_on":1767229200,"resource":"https://vault.azure.net"}"#,
    ),
];

fn reply(source: Source, body: &str) -> Run {
    let request = Machine::of(source).system();
    reply_to(&request, body)
}

fn reply_to(request: &ManagedIdentityRequest, body: &str) -> Run {
    let mut script = vec![responds(200, body)];
    if request.source() == Source::Arc {
        script.insert(0, challenge("/var/opt/azcmagent/tokens/k.key"));
    }
    run(request, &script)
}

fn life(body: &str) -> Result<u64, String> {
    let run = reply(Source::Imds, body);
    match &run.outcome {
        Some(Ok(token)) => Ok(token.lifetime.expires_at.since(token.lifetime.received_at).as_secs()),
        Some(Err(error)) => {
            assert_eq!(run.kind(), Malformed);
            Err(error.to_string())
        }
        None => panic!("there is a response"),
    }
}

#[test]
fn documented_replies_are_tokens() {
    for (source, body) in GOLDEN {
        let run = reply(source, body);
        let token = run.token();
        assert_eq!(token.access_token.expose(), "eyJ0eXAi.a.b");
        assert_eq!(token.resource.as_deref(), Some(VAULT));
        assert_eq!(token.identity_source, Some(source));
        assert_eq!(token.lifetime.received_at, NOW);
        let life = token.lifetime.expires_at.since(NOW).as_secs();
        assert!((3599..=3600).contains(&life), "{source}: {life}");
        assert_eq!(token.lifetime.refresh_at, None);
        // The refresh token of Cloud Shell is a user's.
        assert!(token.refresh_token.is_none() && token.id_token.is_none());
        assert!(
            !run.shown.contains("canary") && !run.shown.contains("eyJ0eXAi"),
            "{}",
            run.shown
        );
        assert_eq!(source.issues_user_tokens(), source == Source::CloudShell);
    }
}

#[test]
fn every_prefix_of_a_reply_is_malformed() {
    for (source, body) in GOLDEN {
        for end in 0..body.len() {
            let run = reply(source, &body[..end]);
            assert_eq!(run.kind(), Malformed, "{source} {end}");
            assert!(!run.shown.contains("eyJ0eXAi") && !run.shown.contains("canary"));
        }
    }
}

#[test]
fn lifetimes_are_numbers_texts_and_dates() {
    let hour = NOW.plus(Duration::from_secs(3600)).as_secs();
    for (members, expected) in [
        (r#""expires_in":3600"#.to_owned(), 3600),
        (r#""expires_in":"3600""#.to_owned(), 3600),
        (format!(r#""expires_on":{hour}"#), 3600),
        (format!(r#""expires_on":"{hour}""#), 3600),
        (r#""expires_on":"3600""#.to_owned(), 3600),
        (r#""expires_on":"2026-01-01T11:00:00.0000000+10:00""#.to_owned(), 3600),
        (r#""expires_on":"01/01/2026 01:00:00 +00:00""#.to_owned(), 3600),
        (format!(r#""expires_in":"3600","expires_on":"{}""#, hour + 300), 3600),
        (format!(r#""expires_in":"7200","expires_on":"{hour}""#), 3600),
        (format!(r#""expires_in":0,"expires_on":"{hour}""#), 3600),
        (format!(r#""expires_in":"-1","expires_on":"{hour}""#), 3600),
        (r#""expires_in":99999999999999999999"#.to_owned(), 86_400),
        (r#""expires_on":"99999999999999999999""#.to_owned(), 86_400),
    ] {
        let body = format!(r#"{{"access_token":"t",{members}}}"#);
        assert_eq!(life(&body), Ok(expected), "{members}");
    }
}

#[test]
fn lifetime_is_required_and_not_over() {
    for (members, problem) in [
        (r#""x":1"#, "does not state the lifetime"),
        (r#""expires_in":null,"expires_on":null"#, "does not state the lifetime"),
        (r#""expires_in":"soon""#, "not a number of seconds"),
        (r#""expires_in":-5"#, "not a number of seconds"),
        (r#""expires_in":{}"#, "not a number of seconds"),
        (
            r#""expires_on":"13/01/2026 01:00:00 +00:00""#,
            "not a number of seconds",
        ),
        (r#""expires_in":0"#, "has expired"),
        (r#""expires_on":"1767225600""#, "has expired"),
        (r#""expires_on":"978307200""#, "has expired"),
        (r#""expires_on":"2025-12-31T23:59:59Z""#, "has expired"),
        (r#""expires_in":3600,"expires_on":"1767225599""#, "has expired"),
    ] {
        let error = life(&format!(r#"{{"access_token":"t",{members}}}"#)).unwrap_err();
        assert!(error.contains(problem), "{members}: {error}");
    }
}

#[test]
fn reply_without_a_usable_token_is_malformed() {
    for (body, problem) in [
        ("", "is empty"),
        ("null", "wrong type"),
        ("[]", "wrong type"),
        ("<html>eyJ0eXAi</html>", "is not JSON"),
        (r#"{"expires_in":1}"#, "has no access token"),
        (r#"{"access_token":"","expires_in":1}"#, "has no access token"),
        (r#"{"access_token":null,"expires_in":1}"#, "has no access token"),
        (r#"{"access_token":["eyJ0eXAi"],"expires_in":1}"#, "not a string"),
        (
            r#"{"access_token":"eyJ0eXAi\r\nx","expires_in":1}"#,
            "no header may contain",
        ),
        (
            r#"{"access_token":"eyJ0eXAi","access_token":"b","expires_in":1}"#,
            "repeated member",
        ),
        (
            r#"{"access_token":"eyJ0eXAi","token_type":"pop","expires_in":1}"#,
            "type \"pop\"",
        ),
        (
            r#"{"access_token":"eyJ0eXAi","token_type":1,"expires_in":1}"#,
            "type \"?\"",
        ),
        (r#"{"error":"eyJ0eXAi"}"#, "has no access token"),
    ] {
        let run = reply(Source::Imds, body);
        assert_eq!(run.kind(), Malformed, "{body}");
        assert!(run.error().to_string().contains(problem), "{}", run.error());
        assert!(!run.shown.contains("eyJ0eXAi"), "{}", run.shown);
    }
    let long = format!("{}{TOKEN}", " ".repeat(1024 * 1024));
    assert!(
        reply(Source::Imds, &long)
            .error()
            .to_string()
            .contains("longer than 1 MiB")
    );
}

#[test]
fn token_type_may_be_missing_or_in_any_case() {
    for kind in [
        "",
        r#""token_type":"bearer","#,
        r#""token_type":"BEARER","#,
        r#""token_type":null,"#,
    ] {
        assert_eq!(
            life(&format!(r#"{{{kind}"access_token":"t","expires_in":60}}"#)),
            Ok(60)
        );
    }
}

#[test]
fn other_sources_may_leave_the_identity_out_but_not_change_it() {
    for source in [Source::Imds, Source::AppService, Source::MachineLearning] {
        let machine = Machine::of(source);
        let request = machine.identity(client_id()).request(vault()).unwrap();
        let reply = |echo: &str| {
            let body = format!(r#"{{"access_token":"t",{echo}"expires_in":60}}"#);
            reply_to(&request, &body)
        };
        assert!(matches!(reply("").outcome, Some(Ok(_))));
        let upper = format!(r#""client_id":"{}","#, ID.to_uppercase());
        assert!(matches!(reply(&upper).outcome, Some(Ok(_))));
        let other = reply(r#""client_id":"99999999-2222-3333-4444-555555555555","#);
        assert_eq!(other.kind(), NotAssigned, "{source}");
    }
}

#[test]
fn golden_bodies_of_2017_have_dates() {
    for (date, expected) in [
        ("06/20/2019 02:57:58 +00:00", 1_560_999_478),
        ("1/16/2020 5:24:12 AM +00:00", 1_579_152_252),
    ] {
        let before = Timestamp::from_secs(expected - 60);
        let request = Machine::of(Source::MachineLearning).system();
        let step = request.start(exact(), entra_proto::Guid::from_bytes([7; 16]), before);
        let Ok(entra_proto::acquire::Step::Exchange(exchange)) = step else {
            panic!("{step:?}")
        };
        let body = format!(r#"{{"access_token":"t","expires_on":"{date}"}}"#);
        let response = http::Response::new(entra_proto::Body::from(body));
        let Ok(entra_proto::acquire::Step::Done(token)) = exchange.respond(&response, before) else {
            panic!()
        };
        assert_eq!(token.lifetime.expires_at.as_secs(), expected);
    }
    assert!(Identity::system().is_system());
}
