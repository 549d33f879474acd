//! Tests of challenges, most of them headers that APIs have sent.

use http::HeaderValue;

use super::*;

fn headers(values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

/// Formats the challenges of one header, each as `scheme token68 name=<value>`.
fn read(value: &str) -> String {
    let written = |challenge: &Challenge| {
        let mut text = challenge.scheme().to_owned();
        text.extend(challenge.token68().map(|value| format!(" {value}")));
        text.extend(challenge.params().map(|(name, value)| format!(" {name}=<{value}>")));
        text
    };
    let challenges = Challenge::parse_all(&headers(&[value.as_bytes()]));
    challenges.iter().map(written).collect::<Vec<_>>().join(" | ")
}

#[test]
fn challenges_of_known_apis_are_parsed() {
    const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
    const URI: &str = "https://login.microsoftonline.com/common/oauth2/authorize";
    for (header, expected) in [
        (
            format!("Bearer realm=\"\", client_id={GRAPH}, authorization_uri=\"{URI}\""),
            format!("Bearer realm=<> client_id=<{GRAPH}> authorization_uri=<{URI}>"),
        ),
        // Microsoft Graph has been observed to send the URI without quotes.
        (
            format!(
                "Bearer realm=\"\", authorization_uri={URI}, client_id=\"{GRAPH}\", error=\"insufficient_claims\", claims=\"eyJ9==\", errorDescription=\"challenge with result: InteractionRequired and code: A\""
            ),
            format!(
                "Bearer realm=<> authorization_uri=<{URI}> client_id=<{GRAPH}> error=<insufficient_claims> claims=<eyJ9==> errordescription=<challenge with result: InteractionRequired and code: A>"
            ),
        ),
        (
            format!("PoP realm=\"\", client_id=\"{GRAPH}\", nonce=\"ey==\", Bearer realm=\"\", error=\"x\""),
            format!("PoP realm=<> client_id=<{GRAPH}> nonce=<ey==> | Bearer realm=<> error=<x>"),
        ),
        (
            "Bearer authorization=\"https://login.windows.net/t\", resource=\"https://vault.azure.net\"".into(),
            "Bearer authorization=<https://login.windows.net/t> resource=<https://vault.azure.net>".into(),
        ),
        (
            "WLID1.0 realm=WindowsLive, policy=MBI_SSL, siteId=\"ssl.live-tst.net\"".into(),
            "WLID1.0 realm=<WindowsLive> policy=<MBI_SSL> siteid=<ssl.live-tst.net>".into(),
        ),
        ("NTLM dG9rZW42OA==".into(), "NTLM dG9rZW42OA==".into()),
        (
            "Negotiate, NTLM dG9rZW42OA== ,Basic realm=\"a b\"".into(),
            "Negotiate | NTLM dG9rZW42OA== | Basic realm=<a b>".into(),
        ),
    ] {
        assert_eq!(read(&header), expected, "{header}");
    }
}

#[test]
fn grammar_and_near_misses() {
    for (header, expected) in [
        // RFC 9110, section 11.6.1.
        (
            r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#,
            r#"Basic realm=<simple> | Newauth realm=<apps> type=<1> title=<Login to "apps">"#,
        ),
        (
            r#"Bearer a="b, Basic c=\"d\\", e=f"#,
            r#"Bearer a=<b, Basic c="d\> e=<f>"#,
        ),
        ("  ,, Bearer  \t a = b ,,\tc= \"d\" , ", "Bearer a=<b> c=<d>"),
        ("Bearer ,a=b", "Bearer a=<b>"),
        ("Bearer,a=b", "Bearer a=<b>"),
        ("bEARER ERROR=b", "bEARER error=<b>"),
        ("Bearer", "Bearer"),
        ("Bearer a=b Basic c=d", "Bearer a=<b> c=<d>"),
        ("Bearer a=\"b\"c=\"d\"", "Bearer a=<b> c=<d>"),
        ("Bearer a=, b=\"\"", "Bearer a= b=<>"),
        ("Bearer b=\"\", a=, c=", "Bearer b=<> a=<> c=<>"),
        ("Bearer abc, a=b", "Bearer abc a=<b>"),
        ("Bearer a==b", "Bearer a=<=b>"),
        // Descriptions that should have quotes.
        ("Bearer d=It is expired, e=f", "Bearer d=<It> e=<f>"),
        ("Bearer d=No, it is late, e=f", "Bearer d=<No> e=<f>"),
        ("Bearer \"a\", e=f", "Bearer e=<f>"),
        ("Bearer \"Basic realm=x\", Basic e=f", "Bearer | Basic e=<f>"),
        ("Bearer a=b, \"x\" Basic e=f", "Bearer a=<b> e=<f>"),
        ("Bearer a=b, @c=d e=f", "Bearer a=<b> e=<f>"),
        ("Bearer/1 a=b, Basic e=f", "Basic e=<f>"),
        ("Bearer a=b, @x/y c=d, Basic e=f", "Bearer a=<b> c=<d> | Basic e=<f>"),
        // Parameters without a scheme belong to no challenge.
        ("a=b, c=\"d\", Basic e=f", "Basic e=<f>"),
        ("=b, \"x\", @, Basic e=f", "Basic e=<f>"),
        // An unclosed quote may be a truncated value.
        ("Bearer a=b, c=\"d, e=f", "Bearer a=<b>"),
        ("Bearer a=b, c=\"d\\", "Bearer a=<b>"),
        ("", ""),
        (" , ", ""),
        ("\"", ""),
    ] {
        assert_eq!(read(header), expected, "{header}");
    }
}

#[test]
fn parameters_belong_to_a_scheme_of_the_same_header() {
    let values: [&[u8]; 3] = [
        b"Basic realm=x, Bearer",
        b"error=\"invalid_token\"",
        b"bearer a=\"\xff\xc3\xa9\"",
    ];
    let challenges = Challenge::parse_all(&headers(&values));
    let schemes: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
    assert_eq!(schemes, ["Basic", "Bearer", "bearer"]);
    assert_eq!(challenges[1].params().count(), 0);
    assert_eq!(challenges[2].param("A"), Some("\u{fffd}\u{e9}"));
}

#[test]
fn first_of_repeated_parameters_counts() {
    let challenges = Challenge::parse_all(&headers(&[b"Bearer error=invalid_token, Error=insufficient_claims"]));
    assert_eq!(challenges[0].error(), Some("invalid_token"));
}

#[test]
fn only_bearer_errors_concern_the_token() {
    let verdicts = |header: &str| {
        let challenges = Challenge::parse_all(&headers(&[header.as_bytes()]));
        (challenges[0].is_invalid_token(), challenges[0].is_insufficient_claims())
    };
    assert_eq!(
        verdicts("Bearer error=\"Invalid_Token\", claims=\"e30=\""),
        (true, false)
    );
    assert_eq!(verdicts("pop error=\"INSUFFICIENT_CLAIMS\""), (false, true));
    assert_eq!(verdicts("Bearer realm=\"invalid_token\""), (false, false));
    assert_eq!(verdicts("Bearer error=\"insufficient_scope\""), (false, false));
    assert_eq!(verdicts("DPoP error=\"invalid_token\""), (false, false));
    assert_eq!(verdicts("Basic error=\"insufficient_claims\""), (false, false));
}

#[test]
fn challenges_and_parameters_are_limited() {
    let many = "Bearer a=b,".repeat(MOST_CHALLENGES + 1);
    assert_eq!(
        Challenge::parse_all(&headers(&[many.as_bytes(), b"Bearer"])).len(),
        MOST_CHALLENGES
    );
    let many: String = (0..=MOST_PARAMS).map(|number| format!(",a{number}=b")).collect();
    let challenges = Challenge::parse_all(&headers(&[format!("Bearer {many}, Basic c=d").as_bytes()]));
    assert_eq!(challenges[0].params().count(), MOST_PARAMS);
    assert_eq!(challenges[1].param("c"), Some("d"));
}

#[test]
fn oversized_header_is_skipped_as_a_whole() {
    let filling = |length: usize| format!("Bearer a=\"{}\"", "b".repeat(length - "Bearer a=\"\"".len()));
    let (large, half) = (filling(MOST_BYTES + 1), filling(MOST_BYTES - 6));
    let all: [&[u8]; 4] = [large.as_bytes(), half.as_bytes(), b"Basic a", b"Digest"];
    let challenges = Challenge::parse_all(&headers(&all));
    let schemes: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
    assert_eq!(schemes, ["Bearer", "Digest"]);
}

#[test]
fn debug_shows_no_value_but_the_error_code() {
    let challenges = Challenge::parse_all(&headers(&[
        b"Bearer error=\"invalid_token\", error_description=\"canary is expired\", realm=canary, NTLM canary",
    ]));
    let shown = format!("{challenges:?}");
    assert_eq!(
        shown,
        "[Bearer error=invalid_token, error_description=.., realm=.., NTLM ..]"
    );
}
