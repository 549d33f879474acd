//! Tokens as an attacker or another issuer would make them, each with the rule that rejects it. All
//! are signed with the cloud's key, so that the rule about the signature does not reject them
//! first.

use entra_proto::{Cloud as Named, EndpointVersion};
use entra_validate::{Api, Audience, KeySet, Metadata, Permissions, Principal, ResourceMetadata, Rule, Tenants};
use serde_json::{Value, json};

use crate::support::*;

/// Returns the rule that rejects a token, or `None` if the token passes.
fn stopped_by(api: &Api, token: &str) -> Option<Rule> {
    let rejection = validate(api, token).err()?;
    Some(rejection.rule().expect("a rule stops it"))
}

/// Compares all rows before it fails, so that one run shows every difference.
#[track_caller]
fn judge(api: &Api, rows: impl IntoIterator<Item = (String, String, Option<Rule>)>) {
    let mut wrong = Vec::new();
    for (name, token, expected) in rows {
        let found = stopped_by(api, &token);
        if found != expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn any_granted(tenants: Tenants) -> Api {
    Api::new(Audience::app(guid(API).into()), tenants, Permissions::any_granted()).unwrap()
}

#[test]
fn header_cannot_choose_the_algorithm_or_key() {
    let payload = Value::from(daemon().claims).to_string();
    let rows = [
        (r#"{"alg":"RS256","kid":"first"}"#, None),
        (r#"{"alg":"RS256","kid":"first","typ":"jwt"}"#, None),
        (r#"{"alg":"RS256","kid":"first","typ":"application/jwt"}"#, None),
        (r#"{"alg":"RS256","kid":"first","typ":"at+JWT"}"#, None),
        // Keys and addresses of the attacker are not read, and neither is the unencoded payload
        // option without crit.
        (
            r#"{"alg":"RS256","kid":"first","jku":"https://evil.example/keys"}"#,
            None,
        ),
        (
            r#"{"alg":"RS256","kid":"first","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}"#,
            None,
        ),
        (
            r#"{"alg":"RS256","kid":"first","x5u":"https://evil.example","x5c":["MII"]}"#,
            None,
        ),
        (r#"{"alg":"RS256","kid":"first","b64":false}"#, None),
        (
            r#"{"alg":"RS256","kid":"first","b64":false,"crit":["b64"]}"#,
            Some(Rule::Algorithm),
        ),
        (r#"{"alg":"RS256","kid":"first","crit":[]}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256","kid":"first","crit":null}"#, Some(Rule::Algorithm)),
        (
            r#"{"alg":"RS256","kid":"first","\u0063rit":["exp"]}"#,
            Some(Rule::Algorithm),
        ),
        (r#"{"alg":"rs256","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"Rs256","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":" RS256","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256\u0000","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"none","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"nOnE","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"HS256","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS384","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"PS256","kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":["RS256"],"kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":null,"kid":"first"}"#, Some(Rule::Algorithm)),
        (r#"{"kid":"first"}"#, Some(Rule::Algorithm)),
        (
            r#"{"alg":"RS256","kid":"first","typ":"logout+jwt"}"#,
            Some(Rule::Algorithm),
        ),
        (
            r#"{"alg":"RS256","kid":"first","typ":"secevent+jwt"}"#,
            Some(Rule::Algorithm),
        ),
        (
            r#"{"alg":"RS256","kid":"first","typ":"dpop+jwt"}"#,
            Some(Rule::Algorithm),
        ),
        (r#"{"alg":"RS256","kid":"first","typ":"pop"}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256","kid":"first","typ":""}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256","kid":"first","typ":null}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256","kid":"first","typ":["JWT"]}"#, Some(Rule::Algorithm)),
        (r#"{"alg":"RS256","alg":"none","kid":"first"}"#, Some(Rule::Form)),
        (r#"{"alg":"none","\u0061lg":"RS256","kid":"first"}"#, Some(Rule::Form)),
        (r#"{"alg":"RS256","kid":"first","kid":"second"}"#, Some(Rule::Form)),
        (
            r#"{"alg":"RS256","kid":"first","jku":1,"j\u006bu":2}"#,
            Some(Rule::Form),
        ),
        (r#"{"alg":"RS256","kid":"first"}x"#, Some(Rule::Form)),
        (r#"["RS256"]"#, Some(Rule::Form)),
        ("\u{feff}{\"alg\":\"RS256\",\"kid\":\"first\"}", Some(Rule::Form)),
        (r#"{"alg":"RS256","kid":"first "}"#, Some(Rule::Key)),
        (r#"{"alg":"RS256","kid":"../first"}"#, Some(Rule::Key)),
        (r#"{"alg":"RS256","kid":"first\u0000"}"#, Some(Rule::Key)),
        (r#"{"alg":"RS256","kid":"FIRST"}"#, Some(Rule::Key)),
        (r#"{"alg":"RS256","KID":"first"}"#, Some(Rule::Key)),
    ];
    judge(
        &api(),
        rows.map(|(header, rule)| (header.to_owned(), sign(header, &payload, 0), rule)),
    );
}

#[test]
fn ambiguous_payloads_are_rejected() {
    let added = |member: &str| daemon().sign_raw(|json| format!("{{{member},{}", &json[1..]));
    let without = |claim: &str, member: &str| {
        let forge = daemon().without(claim);
        forge.sign_raw(|json| format!("{{{member},{}", &json[1..]))
    };
    let deep = |depth: usize| format!(r#""x":{}1{}"#, "[".repeat(depth), "]".repeat(depth));
    let rows = [
        added(r#""\u0061ud":"x""#),
        added(r#""AUD":"x""#),
        added(r#""\u0052OLES":[]"#),
        added(r#""x":1,"\u0078":2"#),
        added(r#""x":01"#),
        added(r#""x":NaN"#),
        added("\"x\":\"a\nb\""),
        without("exp", r#""exp":1e999"#),
    ]
    .map(|token| (token.clone(), token, Some(Rule::Form)));
    judge(&api(), rows);
    judge(
        &api(),
        [
            ("deep".to_owned(), added(&deep(3000)), None),
            ("half a character".to_owned(), added(r#""x":"\ud800""#), None),
            ("huge".to_owned(), added(r#""x":1e999"#), None),
            (
                "escaped".to_owned(),
                without("aud", &format!(r#""\u0061ud":"{API}""#)),
                None,
            ),
        ],
    );
    for exp in [
        "-1",
        "-0.0",
        "1e300",
        "253402300800",
        "18446744073709551616",
        "\"9999999999\"",
        "null",
        "[]",
        "{}",
        "true",
    ] {
        let token = without("exp", &format!(r#""exp":{exp}"#));
        assert_eq!(stopped_by(&api(), &token), Some(Rule::Expiry), "{exp}");
    }
    for from in ["-1", "1e300", "\"0\"", "null", "[0]", "{}", "false"] {
        for claim in ["nbf", "iat"] {
            let token = without(claim, &format!(r#""{claim}":{from}"#));
            assert_eq!(stopped_by(&api(), &token), Some(Rule::NotBefore), "{claim} {from}");
        }
    }
}

#[test]
fn only_the_exact_encoding_of_a_token_is_valid() {
    let token = daemon().sign();
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let rows = [
        format!("{header}.{payload}.{signature}\n"),
        format!("{header}.{payload}.\t{signature}"),
        format!("{header}.\r\n{payload}.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("Bearer {token}"),
        format!("\"{token}\""),
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        format!("{header}\u{ff0e}{payload}.{signature}"),
        "\0".repeat(100),
    ]
    .map(|token| (token.clone(), token, Some(Rule::Form)));
    judge(&api(), rows);
    // Without a signature, with a zero, and with a signature that has an extra leading zero.
    for signature in [String::new(), "AA".to_owned(), format!("AAAA{signature}")] {
        assert_eq!(
            stopped_by(&api(), &format!("{header}.{payload}.{signature}")),
            Some(Rule::Signature)
        );
    }
}

#[test]
fn issuers_of_other_hosts_are_rejected() {
    let rows = [
        "https://login.microsoftonline.com:443/{t}/v2.0",
        "https://login.microsoftonline.com./{t}/v2.0",
        "https://x@login.microsoftonline.com/{t}/v2.0",
        "https://login.microsoftonline.com/{t}/v2.0#",
        "https://login.microsoftonline.com//{t}/v2.0",
        "https://login.microsoftonline.com/{t}/V2.0",
        "https://login.microsoftonline.com/{{t}}/v2.0",
        "https://login.microsoftonline.com/%7b{t}%7d/v2.0",
        " https://login.microsoftonline.com/{t}/v2.0",
        "https://login.partner.microsoftonline.cn/{t}/v2.0",
        "https://{t}.ciamlogin.com/{t}/v2.0",
        "https://sts.windows.net/{t}/v2.0",
        "https://sts.windows.net/{t}/",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://login.microsoftonline.com/\u{ff5b}t\u{ff5d}/v2.0",
    ];
    for api in [api(), any_granted(Tenants::Any)] {
        for iss in rows {
            let token = daemon().with("iss", iss.replace("{t}", TENANT)).sign();
            assert_eq!(stopped_by(&api, &token), Some(Rule::Issuer), "{iss}");
        }
        for ver in [
            json!("1.0"),
            json!("2"),
            json!("2.0 "),
            json!(2.0),
            json!(null),
            json!(["2.0"]),
        ] {
            let expected = if ver == json!("1.0") {
                Rule::Issuer
            } else {
                Rule::Version
            };
            let token = daemon().with("ver", ver.clone()).sign();
            assert_eq!(stopped_by(&api, &token), Some(expected), "{ver}");
        }
    }
    let consumers = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let personal = user()
        .with("tid", consumers)
        .with("iss", format!("https://login.microsoftonline.com/{consumers}/v2.0"))
        .sign();
    assert_eq!(stopped_by(&api(), &personal), Some(Rule::Tenant));
    assert_eq!(stopped_by(&any_granted(Tenants::Any), &personal), None);
}

#[test]
fn tokens_of_other_kinds_are_rejected() {
    let api = any_granted(Tenants::One(guid(TENANT)));
    let id_token = user()
        .without("scp")
        .without("azp")
        .with("name", "Ada")
        .with("nonce", "n");
    let v1_id_token = id_token
        .clone()
        .with("ver", "1.0")
        .with("iss", format!("https://sts.windows.net/{TENANT}/"));
    let all = json!(["ToDoList.Read.All"]);
    let rows = [
        ("ID token", id_token.clone(), Some(Rule::Principal)),
        (
            "ID token with roles",
            id_token.clone().with("roles", all.clone()),
            Some(Rule::Principal),
        ),
        (
            "ID token with idtyp",
            id_token.clone().with("idtyp", "user"),
            Some(Rule::Principal),
        ),
        (
            "ID token with azp",
            id_token.clone().with("azp", API),
            Some(Rule::Grants),
        ),
        (
            "ID token with azp and roles",
            id_token.clone().with("azp", API).with("roles", all),
            Some(Rule::Principal),
        ),
        ("ID token of v1", v1_id_token.clone(), Some(Rule::Principal)),
        (
            "ID token of v1 with azp",
            v1_id_token.with("azp", API),
            Some(Rule::Principal),
        ),
        (
            "logout token",
            id_token.with("events", json!({})),
            Some(Rule::Principal),
        ),
        ("the API as its own client", user().with("azp", API), None),
        ("guest", user().with("idp", "https://sts.windows.net/x/"), None),
        ("both names agree", daemon().with("appid", DAEMON), None),
        (
            "application with scopes",
            daemon().with("scp", "ToDoList.Read"),
            Some(Rule::Principal),
        ),
        ("device", daemon().with("idtyp", "device"), Some(Rule::Principal)),
        (
            "scopes as an array",
            user().with("scp", json!(["ToDoList.Read"])),
            Some(Rule::Principal),
        ),
        (
            "roles as a text",
            daemon().with("roles", "ToDoList.Read.All"),
            Some(Rule::Principal),
        ),
        (
            "roles of numbers",
            daemon().with("roles", json!([0])),
            Some(Rule::Principal),
        ),
        (
            "nested roles",
            daemon().with("roles", json!([["ToDoList.Read.All"]])),
            Some(Rule::Principal),
        ),
        ("no roles", daemon().with("roles", json!([])), Some(Rule::Grants)),
        (
            "blank role",
            daemon().with("roles", json!([" "])),
            Some(Rule::Principal),
        ),
        ("scope of blanks", user().with("scp", "   "), Some(Rule::Grants)),
        ("scope of a tab", user().with("scp", "\t"), Some(Rule::Principal)),
        (
            "scopes with a tab between",
            user().with("scp", "ToDoList.Read\tx"),
            Some(Rule::Principal),
        ),
        (
            "scope of a blank of another kind",
            user().with("scp", "\u{a0}"),
            Some(Rule::Principal),
        ),
        ("doubled blanks", user().with("scp", "  ToDoList.Read   x "), None),
        (
            "bound to a key",
            user().with("cnf", json!({"jkt": "x"})),
            Some(Rule::Binding),
        ),
        (
            "bound to a certificate",
            daemon().with("cnf", json!({"x5t#S256": "x"})),
            Some(Rule::Binding),
        ),
        ("audiences", user().with("aud", json!([API])), Some(Rule::Audience)),
        (
            "audience with a slash",
            user().with("aud", format!("{API}/")),
            Some(Rule::Audience),
        ),
        (
            "audience with a NUL",
            user().with("aud", format!("{API}\0")),
            Some(Rule::Audience),
        ),
    ];
    judge(
        &api,
        rows.map(|(name, forge, rule)| (name.to_owned(), forge.sign(), rule)),
    );
}

#[test]
fn each_spelling_of_agent_facets_is_recognized() {
    for facets in [
        json!("11"),
        json!("3 11 5"),
        json!("\t11\n"),
        json!(11),
        json!(["3", "11"]),
        json!("13"),
    ] {
        for claim in ["xms_act_fct", "xms_sub_fct"] {
            let principal = validate(&api(), &daemon().with(claim, facets.clone()).sign()).unwrap();
            assert!(matches!(principal, Principal::Agent(_)), "{claim} {facets}");
        }
    }
    for facets in [
        json!("1 1"),
        json!("11.0"),
        json!("+11"),
        json!("011"),
        json!(-11),
        json!(1e30),
        json!(["1", "1"]),
        json!(null),
    ] {
        let principal = validate(&api(), &daemon().with("xms_act_fct", facets.clone()).sign()).unwrap();
        assert!(matches!(principal, Principal::App(_)), "{facets}");
    }
}

fn metadata() -> Metadata {
    let document = json!({
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys",
    });
    Metadata::read(&api(), EndpointVersion::V2, document.to_string().as_bytes()).unwrap()
}

#[test]
fn keys_for_other_operations_do_not_verify() {
    let read = |operations: Value| {
        let mut jwk = KEYS[0].jwk();
        jwk["key_ops"] = operations;
        KeySet::read(&metadata(), json!({ "keys": [jwk] }).to_string().as_bytes())
    };
    for fine in [json!(["verify"]), json!(["sign", "verify"]), json!(null)] {
        assert!(read(fine.clone()).is_ok(), "{fine}");
    }
    for other in [
        json!(["encrypt"]),
        json!(["sign"]),
        json!(["Verify"]),
        json!([]),
        json!("verify"),
        json!({}),
    ] {
        assert!(read(other.clone()).is_err(), "{other}");
    }
}

#[test]
fn metadata_of_an_external_tenant_names_its_issuer() {
    let api = api()
        .with_cloud(Named::at("https://contoso.ciamlogin.com").unwrap())
        .unwrap();
    let document = ResourceMetadata::new("https://api.contoso.com/mcp", &api).unwrap();
    // A client compares it with the issuer in the metadata that it finds there (RFC 8414, section
    // 3.3).
    assert_eq!(
        document.authorization_servers,
        [format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0")]
    );
}

#[test]
fn scope_of_challenges_is_a_list_of_scopes() {
    for scope in ["", " ", "a  b", " a", "a ", "a\tb"] {
        assert!(api().with_challenge_scope(scope).is_err(), "{scope:?}");
    }
    for scope in ["a", "api://x/Tools.Call openid"] {
        assert!(api().with_challenge_scope(scope).is_ok(), "{scope:?}");
    }
}
