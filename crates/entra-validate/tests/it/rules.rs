//! For each rule, tokens that break only this rule.

use entra_proto::{Cloud as Named, Timestamp};
use entra_validate::{Outcome, Rejection, Rule, Tenants};
use serde_json::json;

use crate::support::*;

/// Asserts that the rule fails, that all earlier rules passed, and that no later one was reached.
#[track_caller]
pub(super) fn fails_at(rule: Rule, api: &entra_validate::Api, cloud: &Cloud, token: &str) {
    let keys = cloud.keys(api, entra_proto::EndpointVersion::V2);
    let report = api.report(token, &keys, now());
    for (of, outcome) in report.lines() {
        let expected = match of.cmp(&rule) {
            std::cmp::Ordering::Less => matches!(outcome, Outcome::Passed),
            std::cmp::Ordering::Equal => matches!(outcome, Outcome::Failed(_)),
            std::cmp::Ordering::Greater => matches!(outcome, Outcome::NotReached),
        };
        assert!(expected, "{report}");
    }
    let rejection = validate_at(api, cloud, token, NOW).expect_err("it is rejected");
    assert_eq!((rejection.rule(), Some(&rejection)), (Some(rule), report.rejection()));
}

#[track_caller]
pub(super) fn fails(rule: Rule, forge: &Forge) {
    fails_at(rule, &api(), &Cloud::new(), &forge.sign());
}

#[test]
fn valid_tokens_pass_every_rule() {
    for forge in [daemon(), daemon_v1(), user(), user().with("idtyp", "user")] {
        let token = forge.sign();
        validate(&api(), &token).unwrap();
        validate(&api_for(Tenants::Any), &token).unwrap();
        validate(&api_for(Tenants::any_of([guid(OTHER_TENANT), guid(TENANT)])), &token).unwrap();
    }
    let keys = Cloud::new().keys(&api(), entra_proto::EndpointVersion::V2);
    let report = api().report(&daemon().sign(), &keys, now());
    assert!(report.is_valid(), "{report}");
    assert_eq!(report.rejection(), None);
}

#[test]
fn token_signed_by_another_library_is_valid() {
    // The crate jsonwebtoken accepts tokens that are signed here, too.
    let token = daemon().sign();
    let key = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(KEYS[0].jwk()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&[API]);
    validation.validate_exp = false;
    jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap();
    validate(&api(), &token).unwrap();
}

#[test]
fn form_is_three_parts_of_base64url() {
    let token = daemon().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for broken in [
        String::new(),
        "opaque".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{token}."),
        format!("{token}.."),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{}", signature.replace(['-', '_'], "/")) + "+",
        format!("{header}.{}.{signature}", &payload[1..]),
        format!("{payload}.{}.{signature}", "W10"),
        format!("W10.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}{}", "A".repeat(16 * 1024)),
    ] {
        fails_at(Rule::Form, &api(), &Cloud::new(), &broken);
    }
    // The last character of base64 has unused bits. They must be zero, or one signature would have
    // many spellings.
    let last = signature.chars().last().unwrap();
    let other = if last == 'w' { 'x' } else { 'B' };
    if "AQgw".contains(last) {
        let respelled = format!("{}{other}", &token[..token.len() - 1]);
        fails_at(Rule::Form, &api(), &Cloud::new(), &respelled);
    }
}

#[test]
fn duplicate_members_are_malformed() {
    let twice = |added: &str| daemon().sign_raw(|json| format!("{{{added},{}", &json[1..]));
    for added in [
        format!(r#""tid":"{TENANT}""#),
        format!(r#""TID":"{OTHER_TENANT}""#),
        format!(r#""Tid":"{TENANT}""#),
        format!(r#""\u0074id":"{OTHER_TENANT}""#),
        r#""Roles":["Admin"]"#.to_owned(),
        r#""AUD":"x""#.to_owned(),
        r#""uti":"y""#.to_owned(),
        r#""extra":1,"extra":1"#.to_owned(),
    ] {
        fails_at(Rule::Form, &api(), &Cloud::new(), &twice(&added));
    }
    let payload = serde_json::Value::from(daemon().claims).to_string();
    for header in [
        r#"{"alg":"RS256","kid":"first","alg":"RS256"}"#,
        r#"{"alg":"RS256","kid":"first","ALG":"none"}"#,
        r#"{"alg":"RS256","kid":"first","Kid":"second"}"#,
        r#"{"alg":"RS256","kid":"first"} {}"#,
        r#"["alg"]"#,
    ] {
        fails_at(Rule::Form, &api(), &Cloud::new(), &sign(header, &payload, 0));
    }
    // A name in another letter case, without the exact name, is another claim.
    fails_at(
        Rule::TenantId,
        &api(),
        &Cloud::new(),
        &daemon().without("tid").with("TID", TENANT).sign(),
    );
    validate(&api(), &daemon().with("extn.Size", 1).with("extn.size", 2).sign()).unwrap();
}

#[test]
fn nested_and_wide_payloads_are_bounded() {
    let deep = format!(r#""deep":{}1{}"#, "[".repeat(2000), "]".repeat(2000));
    let wide: String = (0..250).map(|at| format!("\"c{at}\":1,")).collect();
    fails_at(
        Rule::Form,
        &api(),
        &Cloud::new(),
        &daemon().sign_raw(|json| format!("{{{wide}{}", &json[1..])),
    );
    let deep_roles = deep.replacen("deep", "amr", 1);
    for added in [deep, deep_roles] {
        let token = daemon().sign_raw(|json| format!("{{{added},{}", &json[1..]));
        // Skipped or rejected, but the stack does not overflow.
        let _ = validate(&api(), &token);
    }
    let token = daemon().with("roles", json!([[[["ToDoList.Read.All"]]]])).sign();
    fails_at(Rule::Principal, &api(), &Cloud::new(), &token);
}

#[test]
fn algorithm_is_rs256_and_nothing_else() {
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("HS256"),
        json!("RS512"),
        json!("PS256"),
        json!("ES256"),
        json!("rs256"),
        json!("RS256 "),
        json!(""),
        json!(null),
        json!(["RS256"]),
        json!({"alg": "RS256"}),
        json!(0),
    ] {
        fails(Rule::Algorithm, &daemon().header("alg", alg));
    }
    let mut without = daemon();
    without.header.remove("alg");
    fails(Rule::Algorithm, &without);
    fails(Rule::Algorithm, &daemon().header("crit", json!(["b64"])));
    fails(Rule::Algorithm, &daemon().header("crit", json!([])));
    for typ in [json!("dpop+jwt"), json!("JWE"), json!(1), json!("")] {
        fails(Rule::Algorithm, &daemon().header("typ", typ));
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        validate(&api(), &daemon().header("typ", typ).sign()).unwrap();
    }
    let mut untyped = daemon();
    untyped.header.remove("typ");
    validate(&api(), &untyped.sign()).unwrap();
}

#[test]
fn unsigned_and_hmac_tokens_are_rejected() {
    // The classic forgeries: no signature, and the public key as the secret of HS256.
    let token = daemon().header("alg", "none").sign();
    let unsigned = &token[..=token.rfind('.').unwrap()];
    fails_at(Rule::Algorithm, &api(), &Cloud::new(), unsigned);
    let header = jsonwebtoken::Header {
        kid: Some("first".to_owned()),
        ..Default::default()
    };
    let secret = jsonwebtoken::EncodingKey::from_secret(KEYS[0].public_der());
    let forged = jsonwebtoken::encode(&header, &daemon().claims, &secret).unwrap();
    fails_at(Rule::Algorithm, &api(), &Cloud::new(), &forged);
    // An empty signature under RS256.
    let token = daemon().sign();
    fails_at(
        Rule::Signature,
        &api(),
        &Cloud::new(),
        &token[..=token.rfind('.').unwrap()],
    );
}

#[test]
fn keys_in_the_header_are_never_used() {
    let attacker = daemon()
        .header("jwk", KEYS[1].jwk())
        .header("jku", "https://evil.example/keys")
        .header("x5u", "https://evil.example/cert")
        .signed_by(1);
    fails(Rule::Signature, &attacker);
}

#[test]
fn version_is_one_of_two() {
    for ver in [json!("3.0"), json!("2"), json!(2.0), json!(null), json!("")] {
        fails(Rule::Version, &daemon().with("ver", ver));
    }
    fails(Rule::Version, &daemon().without("ver"));
}

#[test]
fn tenant_id_is_a_guid_in_lower_case() {
    let spellings = [
        TENANT.to_uppercase(),
        format!("{{{TENANT}}}"),
        format!(" {TENANT}"),
        TENANT.replace('-', ""),
        "contoso.com".to_owned(),
        "common".to_owned(),
        "{tenantid}".to_owned(),
        String::new(),
    ];
    for tid in spellings {
        fails(Rule::TenantId, &daemon().with("tid", tid));
    }
    fails(Rule::TenantId, &daemon().with("tid", json!([TENANT])));
    fails(Rule::TenantId, &daemon().without("tid"));
}

#[test]
fn issuer_is_exact_for_tenant_version_and_cloud() {
    let v2 = |origin: &str, tenant: &str| format!("{origin}/{tenant}/v2.0");
    let host = "https://login.microsoftonline.com";
    for iss in [
        v2(host, OTHER_TENANT),
        v2(host, "{tenantid}"),
        v2(host, "common"),
        v2(host, &TENANT.to_uppercase()),
        v2("https://LOGIN.microsoftonline.com", TENANT),
        v2("http://login.microsoftonline.com", TENANT),
        v2("https://login.microsoftonline.com.evil.example", TENANT),
        v2("https://login.microsoftonline.us", TENANT),
        v2("https://login.windows.net", TENANT),
        v2(host, TENANT) + "/",
        v2(host, TENANT) + "?x",
        format!("{host}/{TENANT}/v2.0/{TENANT}/v2.0"),
        format!("https://sts.windows.net/{TENANT}/"),
        format!("{host}/{TENANT}"),
        String::new(),
    ] {
        for api in [api(), api_for(Tenants::Any)] {
            fails_at(
                Rule::Issuer,
                &api,
                &Cloud::new(),
                &daemon().with("iss", iss.as_str()).sign(),
            );
        }
    }
    fails(Rule::Issuer, &daemon().without("iss"));
    fails(Rule::Issuer, &daemon().with("iss", json!([v2(host, TENANT)])));
    let v1 = daemon_v1().with("iss", v2(host, TENANT)).sign();
    assert_eq!(validate(&api(), &v1), Err(Rejection::Issuer));
    let v1 = daemon_v1()
        .with("iss", format!("https://sts.windows.net/{TENANT}"))
        .sign();
    assert_eq!(validate(&api(), &v1), Err(Rejection::Issuer));
    // The token of another tenant, with this tenant's tid.
    fails_at(
        Rule::Issuer,
        &api(),
        &Cloud::new(),
        &daemon().with("tid", OTHER_TENANT).sign(),
    );
}

#[test]
fn key_is_found_by_its_kid_only() {
    for kid in [
        json!("second"),
        json!("First"),
        json!(""),
        json!(null),
        json!(1),
        json!(["first"]),
    ] {
        fails(Rule::Key, &daemon().header("kid", kid));
    }
    let mut without = daemon();
    without.header.remove("kid");
    fails(Rule::Key, &without);
    fails(Rule::Key, &without.header("x5t", "first"));
}

#[test]
fn signature_covers_header_and_payload() {
    fails(Rule::Signature, &daemon().signed_by(1));
    let (one, other) = (daemon().sign(), daemon().with("roles", json!(["Admin"])).sign());
    let signature_of = |token: &str| token[token.rfind('.').unwrap()..].to_owned();
    let parts = |token: &str| token[..token.rfind('.').unwrap()].to_owned();
    fails_at(
        Rule::Signature,
        &api(),
        &Cloud::new(),
        &(parts(&other) + &signature_of(&one)),
    );
    for bad in ["", "AAAA", &"A".repeat(342), &"_".repeat(342).replace("__", "_w")] {
        let token = format!("{}.{bad}", parts(&one));
        assert_eq!(
            validate(&api(), &token).unwrap_err().rule().unwrap(),
            if bad.ends_with('_') {
                Rule::Form
            } else {
                Rule::Signature
            }
        );
    }
}

#[test]
fn tokens_for_graph_get_their_own_hint() {
    let token = daemon()
        .with("aud", "00000003-0000-0000-c000-000000000000")
        .signed_by(1)
        .sign();
    let rejection = validate(&api(), &token).unwrap_err();
    assert_eq!(rejection, Rejection::Signature { is_graph: true });
    assert!(rejection.hint().unwrap().contains("Graph only"));
}

#[test]
fn key_signs_only_for_its_own_issuer() {
    let with_issuer = |issuer: serde_json::Value| {
        let mut jwk = KEYS[0].jwk();
        jwk["issuer"] = issuer;
        let cloud = Cloud::new();
        cloud.publish([jwk]);
        cloud
    };
    let personal = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for api in [api(), api_for(Tenants::Any)] {
        for issuer in [
            personal,
            "https://login.microsoftonline.us/{tenantid}/v2.0",
            "https://sts.windows.net/{tenantid}/",
            "",
        ] {
            fails_at(Rule::KeyIssuer, &api, &with_issuer(json!(issuer)), &daemon().sign());
        }
        let own = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        for issuer in [json!(own), json!(null)] {
            validate_at(&api, &with_issuer(issuer), &daemon().sign(), NOW).unwrap();
        }
    }
    // v1 documents name the issuer of v2, the v1 one, or none.
    for issuer in [
        json!(null),
        json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
        json!("https://sts.windows.net/{tenantid}/"),
    ] {
        validate_at(&api(), &with_issuer(issuer), &daemon_v1().sign(), NOW).unwrap();
    }
    let foreign = validate_at(&api(), &with_issuer(json!(personal)), &daemon_v1().sign(), NOW);
    assert_eq!(foreign, Err(Rejection::KeyIssuer));
}

#[test]
fn among_keys_with_one_kid_the_issuer_decides() {
    let (mut personal, mut work) = (KEYS[1].jwk(), KEYS[0].jwk());
    personal["issuer"] = json!("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0");
    personal["kid"] = json!("first");
    work["kid"] = json!("first");
    for keys in [[personal.clone(), work.clone()], [work, personal]] {
        let cloud = Cloud::new();
        cloud.publish(keys);
        validate_at(&api(), &cloud, &daemon().sign(), NOW).unwrap();
        fails_at(Rule::Signature, &api(), &cloud, &daemon().signed_by(1).sign());
    }
}

#[test]
fn key_of_another_cloud_is_rejected() {
    // The public cloud's document lists keys of the US Government's, under the same issuer.
    let mut government = KEYS[0].jwk();
    government["cloud_instance_name"] = json!("microsoftonline.us");
    let cloud = Cloud::new();
    cloud.publish([government]);
    fails_at(Rule::KeyCloud, &api(), &cloud, &daemon().sign());
    cloud.metadata("cloud_instance_name", json!(null));
    fails_at(Rule::KeyCloud, &api(), &cloud, &daemon().sign());
    let mut unnamed = KEYS[0].jwk();
    unnamed["cloud_instance_name"] = json!(null);
    cloud.publish([unnamed]);
    validate_at(&api(), &cloud, &daemon().sign(), NOW).unwrap();
}

#[test]
fn audience_is_exactly_one_of_the_names() {
    for aud in [
        json!(format!("API://{API}")),
        json!(format!("api://{API}/")),
        json!(API.to_uppercase()),
        json!(format!("{API} ")),
        json!(format!("spn:{API}")),
        json!(DAEMON),
        json!(""),
        json!([API]),
        json!([API, "other"]),
        json!(null),
        json!({"aud": API}),
    ] {
        fails(Rule::Audience, &daemon().with("aud", aud));
    }
    fails(Rule::Audience, &daemon().without("aud"));
    validate(&api(), &daemon().with("aud", format!("api://{API}")).sign()).unwrap();
}

#[test]
fn expiry_allows_the_clock_skew() {
    fails(
        Rule::Expiry,
        &daemon().with("exp", NOW - 300).without("nbf").without("iat"),
    );
    for exp in [
        json!("1767229440"),
        json!(null),
        json!(-1),
        json!(1e300),
        json!([NOW + 3600]),
        json!(true),
    ] {
        fails(Rule::Expiry, &daemon().with("exp", exp));
    }
    fails(Rule::Expiry, &daemon().without("exp"));
    let on_the_edge = daemon().with("exp", NOW - 299).without("nbf").without("iat").sign();
    validate(&api(), &on_the_edge).unwrap();
    let strict = api().with_skew(std::time::Duration::ZERO).unwrap();
    fails_at(Rule::Expiry, &strict, &Cloud::new(), &on_the_edge);
    validate(&api(), &daemon().with("exp", (NOW + 60) as f64 + 0.5).sign()).unwrap();
}

#[test]
fn not_before_allows_the_clock_skew() {
    for claim in ["nbf", "iat"] {
        fails(Rule::NotBefore, &daemon().with(claim, NOW + 301));
        validate(&api(), &daemon().with(claim, NOW + 300).sign()).unwrap();
        validate(&api(), &daemon().without(claim).sign()).unwrap();
        for wrong in [json!("soon"), json!(null), json!(-1)] {
            fails(Rule::NotBefore, &daemon().with(claim, wrong));
        }
    }
    fails(Rule::NotBefore, &daemon().with("exp", NOW + 10).with("nbf", NOW + 11));
    let rejection = validate(&api(), &daemon().with("nbf", NOW + 301).sign()).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::NotYetValid {
            from: Some(Timestamp::from_secs(NOW + 301))
        }
    );
}

#[test]
fn each_cloud_has_its_own_issuers() {
    let government = api().with_cloud(Named::UsGovernment).unwrap();
    assert_eq!(validate(&government, &daemon().sign()), Err(Rejection::Issuer));
    assert!(
        government
            .metadata_url(entra_proto::EndpointVersion::V2)
            .starts_with("https://login.microsoftonline.us/")
    );
}

#[test]
fn rules_are_numbered_in_their_order() {
    for (at, rule) in Rule::ALL.iter().enumerate() {
        assert_eq!(rule.id(), format!("R{:02}", at + 1));
        assert!(!rule.name().contains(' ') && !rule.about().is_empty());
        assert_eq!(Rule::ALL.iter().filter(|other| other.name() == rule.name()).count(), 1);
    }
    assert!(Rule::ALL.is_sorted());
}
