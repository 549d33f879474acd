//! Properties of challenges, well-formed and malformed.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_proto::claims::{Challenge, ClaimsChallenge, ClaimsRequest};
use entra_proto::{Application, Authority, ClientSecret, Cloud, Guid, Target};
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use proptest::prelude::*;

fn headers(values: impl IntoIterator<Item = impl AsRef<[u8]>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            headers.append(WWW_AUTHENTICATE, value);
        }
    }
    headers
}

/// The parts of a challenge: scheme, token68 value, parameters.
type Parts = (String, Option<String>, Vec<(String, String)>);

fn parts(challenge: &Challenge) -> Parts {
    let params = challenge
        .params()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    (
        challenge.scheme().to_owned(),
        challenge.token68().map(str::to_owned),
        params.collect(),
    )
}

/// Quotes a value. Escapes the characters that must be escaped, and those that `style` selects.
fn quoted(value: &str, style: u8) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') || (style & 1 == 1 && character.is_ascii_punctuation()) {
            text.push('\\');
        }
        text.push(character);
    }
    text + "\""
}

/// Writes one of the many spellings of a challenge, chosen by the bits of `style`.
fn write((scheme, token68, params): &Parts, style: u8) -> String {
    let (comma, equals) = (
        [",", ", ", " ,\t", " , , "][usize::from(style >> 1 & 3)],
        ["=", " = "][usize::from(style >> 3 & 1)],
    );
    let mut elements: Vec<String> = token68.iter().cloned().collect();
    for (name, value) in params {
        let name = if style & 16 == 16 {
            name.to_ascii_uppercase()
        } else {
            name.clone()
        };
        let is_bare = style & 32 == 32
            // `a==` alone would be a token68 value.
            && !value.trim_matches('=').is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b",\"".contains(&byte));
        let value = if is_bare { value.clone() } else { quoted(value, style) };
        elements.push(format!("{name}{equals}{value}"));
    }
    if elements.is_empty() {
        scheme.clone()
    } else {
        format!("{scheme} {}", elements.join(comma))
    }
}

fn challenge() -> impl Strategy<Value = Parts> {
    let token = "[a-z0-9!#$%&'*+.^_`|~\\-]{1,8}";
    let value = prop_oneof!["\\PC{0,20}", "[ -~\t]{0,20}", "[!-~]{1,20}", "[\",\\\\= ]{0,8}"];
    let params = proptest::collection::btree_map(token, value, 0..6);
    (
        "[A-Za-z0-9!#$%&'*+.^_`|~\\-]{1,8}",
        proptest::option::of("[A-Za-z0-9._~+/\\-]{1,12}={0,2}"),
        params,
    )
        .prop_map(|(scheme, token68, params)| (scheme, token68, params.into_iter().collect()))
}

fn claims_request() -> impl Strategy<Value = String> {
    let value = prop_oneof!["\\PC{0,20}", "[?>~/\"\\\\{},=]{0,20}"];
    proptest::collection::btree_map("[a-z_]{1,8}", value, 0..4).prop_map(|members| {
        let members = members
            .into_iter()
            .map(|(name, value)| (name, serde_json::json!({ "value": value })));
        serde_json::Value::Object(members.collect()).to_string()
    })
}

proptest! {
    #[test]
    fn written_challenges_are_parsed_back(
        challenges in proptest::collection::vec((challenge(), any::<u8>()), 0..5),
        in_one_header in any::<bool>(),
    ) {
        let written: Vec<_> = challenges.iter().map(|(parts, style)| write(parts, *style)).collect();
        let headers = if in_one_header { headers([written.join(", ")]) } else { headers(&written) };
        let read: Vec<_> = Challenge::parse_all(&headers).iter().map(parts).collect();
        let expected: Vec<_> = challenges.into_iter().map(|(parts, _)| parts).collect();
        prop_assert_eq!(read, expected, "{:?}", written);
    }

    #[test]
    fn arbitrary_bytes_are_parsed_and_round_trip(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..80),
                "[Bearer ,=\"\\\\a\t@/]{0,60}".prop_map(String::into_bytes),
                "((Bearer|PoP|a|error|claims|authorization_uri|insufficient_claims|e30=|\"|=|,| |\\\\){1}){0,30}".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let read = headers(&lines);
        let challenges = Challenge::parse_all(&read);
        for challenge in &challenges {
            prop_assert!(!challenge.scheme().is_empty());
            prop_assert!(challenge.params().all(|(name, value)| challenge.param(name).is_some() && !name.is_empty() && !value.contains('\n')));
        }
        let rewritten = headers(challenges.iter().map(|challenge| write(&parts(challenge), 0)));
        prop_assert_eq!(&Challenge::parse_all(&rewritten), &challenges);
        if let Some(found) = ClaimsChallenge::find(&read) {
            let _ = (found.authority(), found.is_from(&Cloud::Public), format!("{found:?}"));
            prop_assert!(challenges.contains(found.challenge()));
        }
    }

    #[test]
    fn claims_round_trip_in_every_encoding(json in claims_request(), style in any::<u8>()) {
        let expected = ClaimsRequest::parse(&json).unwrap();
        let spellings = [
            json.clone(),
            STANDARD.encode(&json),
            STANDARD_NO_PAD.encode(&json),
            URL_SAFE.encode(&json),
            URL_SAFE_NO_PAD.encode(&json),
        ];
        for claims in spellings {
            let params = [("error", "insufficient_claims"), ("claims", &claims)].map(|(name, value)| (name.to_owned(), value.to_owned()));
            let header = write(&("Bearer".to_owned(), None, params.into()), style);
            let found = ClaimsChallenge::find(&headers([&header]));
            prop_assert_eq!(found.as_ref().map(ClaimsChallenge::claims), Some(&expected), "{}", header);
        }
    }

    #[test]
    fn only_login_hosts_of_the_cloud_are_trusted(
        uri in prop_oneof![
            "https?://(login\\.microsoftonline\\.com|login\\.windows\\.net|evil\\.test|[a-z@:.#?/\\\\]{1,4}){1,4}(:[0-9]{1,4})?[/?#@]?\\PC{0,8}",
            "\\PC{0,30}",
        ],
    ) {
        let params = [("authorization_uri", &*uri), ("error", "insufficient_claims"), ("claims", "e30=")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = headers([write(&("Bearer".to_owned(), None, params.into()), 0)]);
        let Some(found) = ClaimsChallenge::find(&headers) else { return Ok(()) };
        if found.is_from(&Cloud::Public) {
            let host = uri.trim().strip_prefix("https://").unwrap().split(['/', '?', '#']).next().unwrap();
            let host = host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
            prop_assert!(["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"].contains(&&*host), "{}", uri);
        }
    }
}

#[test]
fn corpus_of_the_fuzz_target_is_harmless() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/challenge");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let read = headers(bytes.split(|byte| *byte == b'\n'));
        let challenges = Challenge::parse_all(&read);
        let rewritten = headers(challenges.iter().map(|challenge| write(&parts(challenge), 0)));
        assert_eq!(Challenge::parse_all(&rewritten), challenges, "{}", path.display());
        let is_claims = path.file_stem().unwrap().to_str().unwrap().starts_with("claims");
        assert!(
            !is_claims || ClaimsChallenge::find(&read).is_some(),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count > 10, "the corpus is incomplete: {count}");
}

#[test]
fn request_after_a_challenge_has_its_claims_and_capabilities() {
    let header = r#"Bearer realm="", authorization_uri="https://login.windows.net/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzI2MDc3NTk1In0sInhtc19jYWVlcnJvciI6eyJ2YWx1ZSI6IjEwMDEyIn19fQ==""#;
    let challenge = ClaimsChallenge::find(&headers([header])).unwrap();
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    assert!(challenge.is_from(authority.cloud()));
    let app = Application::new(
        authority,
        Guid::from_bytes([0xaa; 16]).into(),
        ClientSecret::new("s").unwrap(),
    )
    .with_capabilities(&["cp1"]);
    let request = app
        .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap();
    let again = request.clone().with_claims(challenge.claims().as_str()).unwrap();
    let http = again.encode(Guid::from_bytes([7; 16]));
    let sent = form_urlencoded::parse(http.body().as_bytes()).find(|(name, _)| name == "claims");
    assert_eq!(
        sent.unwrap().1,
        r#"{"access_token":{"nbf":{"essential":true,"value":"1726077595"},"xms_caeerror":{"value":"10012"},"xms_cc":{"values":["cp1"]}}}"#
    );
    assert_ne!(again.cache_key(), request.cache_key());
}
