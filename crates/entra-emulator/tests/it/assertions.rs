//! Client assertions: every form the official clients send is accepted, and each wrong field has its own number.

use std::time::{Duration, UNIX_EPOCH};

use crate::support::assertion::{
    APP, Draft, NOW, SCOPE, Shape, TYPE, accepted, ask, builder, changed, der, emulator, hex, in_lines, refused, sha1,
    sha256,
};
use crate::support::{claims, encode, json_body, post, token};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_emulator::{Api, App, Emulator, Lint, Tenant, TokenVersion};
use serde_json::{Value, json};

#[test]
fn a_token_says_that_the_client_had_a_certificate() {
    let api = |version| Api::new("api://a").token_version(version);
    for (version, claim) in [(TokenVersion::V1, "appidacr"), (TokenVersion::V2, "azpacr")] {
        let app = App::new("daemon").certificate_pem(APP);
        let emulator = builder(app).api(api(version)).build();
        let sent = |credential: &[(&str, &str)]| {
            let mut fields = vec![
                ("grant_type", "client_credentials"),
                ("client_id", emulator.client_id()),
                ("scope", "api://a/.default"),
            ];
            fields.extend_from_slice(credential);
            claims(&json_body(&token(&emulator, "v2.0/token", &encode(&fields))))[claim].clone()
        };
        let assertion = Draft::new(&emulator).sign();
        let with_certificate = [
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", TYPE),
        ];
        assert_eq!(sent(&with_certificate), "2");
        assert_eq!(sent(&[("client_secret", emulator.client_secret())]), "1");
    }
}

#[test]
fn every_official_client_is_accepted() {
    let emulator = builder(
        App::new("captured")
            .client_id("aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb")
            .certificate_pem(APP),
    )
    .tenant(Tenant::new("contoso.onmicrosoft.com").id("11111111-2222-3333-4444-555555555555"))
    .build();
    let shapes = Shape::all();
    assert_eq!(shapes.len(), 20);
    for shape in shapes {
        let assertion = shape.sign(&emulator);
        let target = if shape.path.contains("/v2.0/") {
            ("scope", SCOPE)
        } else {
            ("resource", "https://graph.microsoft.com")
        };
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", emulator.client_id()),
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            target,
        ];
        let response = post(&emulator, &shape.path, &fields);
        if shape.path.starts_with("/adfs/") {
            refused(&response, 900023);
        } else {
            assert_eq!(
                response.status(),
                200,
                "{} {}: {}",
                shape.client,
                shape.case,
                json_body(&response)
            );
        }
    }
}

/// azure-identity's asynchronous client for Python pads all three parts. The signature covers them as they are sent.
#[test]
fn parts_may_be_padded() {
    let emulator = emulator();
    // One more character at a time: each part has every length of padding once.
    for filler in ["", "a", "ab"] {
        let draft = Draft::new(&emulator).header("x", filler).claim("x", filler);
        let [header, claims] = [&draft.header, &draft.claims].map(|part| URL_SAFE.encode(part.to_string()));
        let bare = |part: &String| part.trim_end_matches('=').to_owned();
        for (header, claims) in [
            (header.clone(), claims.clone()),
            (bare(&header), claims.clone()),
            (header.clone(), bare(&claims)),
            (bare(&header), bare(&claims)),
        ] {
            let text = format!("{header}.{claims}");
            let signature = URL_SAFE.encode(draft.signature(&text, "PS256"));
            accepted(&ask(&emulator, &format!("{text}.{signature}")));
            accepted(&ask(&emulator, &format!("{text}.{}", bare(&signature))));
        }
    }
    let lints = &emulator.requests()[0].lints;
    assert!(lints.contains(&Lint::PaddedAssertion), "{lints:?}");

    // The padding belongs to what is signed.
    let draft = Draft::new(&emulator).header("x", "");
    let signed = draft.sign();
    assert!(!ask(&emulator, &signed).status().is_client_error());
    let lints = emulator.requests().pop().unwrap().lints;
    assert!(!lints.contains(&Lint::PaddedAssertion), "{lints:?}");
    let (header, rest) = signed.split_once('.').unwrap();
    let padded = URL_SAFE.encode(URL_SAFE_NO_PAD.decode(header).unwrap());
    assert_ne!(header, padded);
    refused(&ask(&emulator, &format!("{padded}.{rest}")), 700027);
    for wrong in [
        format!("={signed}"),
        format!("{signed}==="),
        format!("{signed}=A"),
        format!("{signed}== "),
        signed.replacen('.', "====.", 1),
    ] {
        refused(&ask(&emulator, &wrong), 50027);
    }
}

/// What the libraries for .NET, Go and Java send, by their documentation and source.
#[test]
fn other_clients_are_accepted() {
    let emulator = emulator();
    let draft = Draft::new(&emulator).claim("iat", Value::Null);
    let leaf = STANDARD.encode(der(APP));
    let dotnet = draft
        .clone()
        .claim("nbf", NOW.to_string())
        .claim("exp", (NOW + 600).to_string());
    accepted(&dotnet.header("x5c", leaf.as_str()).ask(&emulator));
    let go = draft.header("x5t#S256", STANDARD.encode(sha256(APP)));
    accepted(&go.clone().header("x5c", json!([leaf])).ask(&emulator));
    accepted(&go.header("alg", "RS256").header("typ", Value::Null).ask(&emulator));
}

#[test]
fn signatures_that_do_not_fit() {
    let shown = changed(Draft::with_next_key, 700027);
    assert!(
        shown.contains("use of the key to verify the signature failed."),
        "{shown}"
    );
    assert!(
        shown.contains("Found key 'Start=01/01/2020 00:00:00, End=01/01/2120 00:00:00'"),
        "{shown}"
    );
    let emulator = emulator();
    let draft = Draft::new(&emulator);
    refused(&ask(&emulator, &draft.sign_as("RS256")), 700027);
    refused(
        &ask(&emulator, &draft.clone().header("alg", "RS256").sign_as("PS256")),
        700027,
    );
    let (text, signature) = draft
        .sign()
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    for signature in [
        String::new(),
        "AA".to_owned(),
        URL_SAFE_NO_PAD.encode([0; 256]),
        signature.repeat(3),
    ] {
        refused(&ask(&emulator, &format!("{text}.{signature}")), 700027);
    }
    // Claims of another assertion under a good signature.
    let other = draft.claim("jti", "other").sign();
    let mixed: Vec<&str> = text.split('.').take(1).chain(other.split('.').skip(1)).collect();
    accepted(&ask(&emulator, &mixed.join(".")));
    refused(
        &ask(&emulator, &format!("{}.{signature}", other.rsplit_once('.').unwrap().0)),
        700027,
    );
}

#[test]
fn algorithms_other_than_two() {
    let emulator = emulator();
    let draft = |algorithm: &str| Draft::new(&emulator).header("alg", algorithm);
    for algorithm in [
        "none", "None", "HS256", "RS384", "RS512", "PS384", "ES256", "EdDSA", "rs256", "",
    ] {
        let shown = refused(&draft(algorithm).ask(&emulator), 5002738);
        assert!(shown.contains(&format!("'{algorithm}' is not a supported")), "{shown}");
    }
    let unsigned = draft("none").sign();
    refused(
        &ask(&emulator, &format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        5002738,
    );
    // The public key taken for a shared secret.
    let text = draft("HS256").sign();
    let text = text.rsplit_once('.').unwrap().0;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &der(APP));
    let tag = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()));
    refused(&ask(&emulator, &format!("{text}.{tag}")), 5002738);
    changed(|draft| draft.header("alg", Value::Null), 50027);
    changed(|draft| draft.header("alg", 256), 50027);
}

#[test]
fn types_other_than_jwt() {
    for kind in ["client-authentication+jwt", "at+jwt", ""] {
        changed(|draft| draft.header("typ", kind), 5002727);
    }
    let emulator = emulator();
    for kind in [
        json!(null),
        json!("JWT"),
        json!("jwt"),
        json!("http://openid.net/specs/jwt/1.0"),
    ] {
        accepted(&Draft::new(&emulator).header("typ", kind).ask(&emulator));
    }
}

#[test]
fn subjects_and_issuers() {
    let other = "22222222-2222-2222-2222-222222222222";
    changed(|draft| draft.claim("iss", other), 50048);
    changed(|draft| draft.claim("sub", other), 50048);
    changed(|draft| draft.claim("sub", other).claim("iss", other), 700021);
    changed(|draft| draft.claim("sub", "system:serviceaccount:a:b"), 50048);
    let emulator = emulator();
    let id = emulator.client_id().to_uppercase();
    accepted(&Draft::new(&emulator).claim("iss", id.as_str()).ask(&emulator));
    accepted(
        &Draft::new(&emulator)
            .claim("sub", id.as_str())
            .claim("iss", id)
            .ask(&emulator),
    );
    for (claim, missing) in [("iss", "'iss'"), ("sub", "'sub'"), ("aud", "'aud'")] {
        assert!(changed(|draft| draft.claim(claim, Value::Null), 90014).contains(missing));
        changed(|draft| draft.claim(claim, 1), 50027);
    }
}

/// Tokens of a cluster, of a pipeline, of another tenant and of this very service, used as federated credentials.
#[test]
fn assertions_of_another_issuer() {
    let emulator = emulator();
    let id = emulator.client_id();
    let exchange = "api://AzureADTokenExchange";
    for issuer in [
        "https://token.actions.githubusercontent.com",
        "https://kubernetes.default.svc.cluster.local",
        "https://login.microsoftonline.com/22222222-2222-2222-2222-222222222222/v2.0",
        "kubernetes/serviceaccount",
        "",
        emulator.base_url(),
    ] {
        for subject in [
            "repo:contoso/app:ref:refs/heads/main",
            "22222222-2222-2222-2222-222222222222",
            id,
            issuer,
        ] {
            let draft = Draft::new(&emulator).claim("iss", issuer).claim("sub", subject);
            for draft in [
                draft.clone(),
                draft.clone().claim("aud", exchange),
                draft.clone().claim("aud", json!([exchange])),
                draft.clone().claim("aud", Value::Null),
                draft.clone().claim("exp", NOW - 3600),
                draft.clone().header("x5t#S256", Value::Null).header("kid", "key-1"),
                draft.clone().header("x5t#S256", Value::Null),
                draft.clone().header("alg", "ES256"),
                draft.clone().header("typ", "at+jwt"),
                draft.clone().with_next_key(),
            ] {
                let shown = refused(&draft.ask(&emulator), 700211);
                let expected =
                    format!("No matching federated identity record found for presented assertion issuer '{issuer}'.");
                assert!(shown.contains(&expected), "{shown}");
                let lints = emulator.requests().pop().unwrap().lints;
                assert!(
                    !lints.contains(&Lint::AudienceList) && !lints.contains(&Lint::MissingJti),
                    "{lints:?}"
                );
            }
        }
    }
    let federated = Draft::new(&emulator)
        .claim("iss", "https://a.example")
        .claim("sub", "s");
    let fields = |more: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("scope", SCOPE),
        ];
        fields.extend_from_slice(more);
        encode(&fields)
    };
    let signed = federated.sign();
    let without_id = token(&emulator, "v2.0/token", &fields(&[("client_assertion", &signed)]));
    assert!(refused(&without_id, 900144).contains("'client_id'"));
    let unknown = "22222222-2222-2222-2222-222222222222";
    let unknown = fields(&[("client_assertion", &signed), ("client_id", unknown)]);
    refused(&token(&emulator, "v2.0/token", &unknown), 700016);
    refused(&ask(&emulator, "garbage"), 50027);
    refused(&federated.clone().claim("iss", Value::Null).ask(&emulator), 90014);
    refused(&federated.claim("sub", Value::Null).ask(&emulator), 90014);
}

/// The refresh, code and on-behalf-of grants read client assertions by the same rules.
#[test]
fn every_grant_reads_assertions_the_same_way() {
    let emulator = emulator();
    let padded = {
        let draft = Draft::new(&emulator).header("x", "");
        let text = format!(
            "{}.{}",
            URL_SAFE.encode(draft.header.to_string()),
            URL_SAFE.encode(draft.claims.to_string())
        );
        let signature = URL_SAFE.encode(draft.signature(&text, "PS256"));
        format!("{text}.{signature}")
    };
    let foreign = Draft::new(&emulator).claim("iss", "https://a.example").sign();
    for (grant, parameter) in [
        ("refresh_token", "refresh_token"),
        ("authorization_code", "code"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion"),
        ("urn:ietf:params:oauth:grant-type:device_code", "device_code"),
        ("password", "username"),
    ] {
        let send = |assertion: &str| {
            let fields = [
                ("grant_type", grant),
                ("client_id", emulator.client_id()),
                ("client_assertion_type", TYPE),
                ("client_assertion", assertion),
                ("requested_token_use", "on_behalf_of"),
                ("redirect_uri", "http://localhost"),
                ("scope", SCOPE),
                (parameter, "nothing"),
            ];
            crate::support::refusal(&token(&emulator, "v2.0/token", &encode(&fields)))
        };
        assert_eq!(send(&foreign), 700211, "{grant}");
        let refused = send(&padded);
        assert!(![50027, 700027, 0].contains(&refused), "{grant}: {refused}");
    }
}

#[test]
fn the_client_id_may_be_left_out_of_the_form() {
    let emulator = emulator();
    let send = |assertion: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", assertion),
            ("scope", SCOPE),
        ];
        token(&emulator, "v2.0/token", &encode(&fields))
    };
    let draft = Draft::new(&emulator);
    accepted(&send(&draft.sign()));
    assert_eq!(emulator.requests()[0].client_id.as_deref(), Some(emulator.client_id()));
    let other = "22222222-2222-2222-2222-222222222222";
    refused(
        &send(&draft.clone().claim("iss", other).claim("sub", other).sign()),
        700016,
    );
    refused(&send(&draft.clone().claim("iss", other).sign()), 50048);
    refused(&send(&draft.clone().claim("sub", Value::Null).sign()), 90014);
    refused(&send("garbage"), 50027);
    refused(&send(&draft.with_next_key().sign()), 700027);
}

#[test]
fn times_of_every_type() {
    let emulator = emulator();
    for (start, expiry) in [
        (json!(NOW), json!(NOW + 600)),
        (json!(NOW as f64 + 0.25), json!(NOW as f64 + 600.75)),
        (json!(NOW.to_string()), json!((NOW + 600).to_string())),
    ] {
        let draft = Draft::new(&emulator).claim("exp", expiry);
        accepted(
            &draft
                .clone()
                .claim("nbf", start.clone())
                .claim("iat", start.clone())
                .ask(&emulator),
        );
        accepted(
            &draft
                .clone()
                .claim("nbf", Value::Null)
                .claim("iat", start.clone())
                .ask(&emulator),
        );
        accepted(
            &draft
                .clone()
                .claim("nbf", start)
                .claim("iat", Value::Null)
                .ask(&emulator),
        );
        accepted(&draft.claim("nbf", Value::Null).claim("iat", Value::Null).ask(&emulator));
    }
    for claim in ["exp", "nbf", "iat"] {
        for bad in [
            json!("1e9"),
            json!(""),
            json!("-1"),
            json!(-1),
            json!(true),
            json!([1]),
            json!(1e300),
        ] {
            changed(|draft| draft.claim(claim, bad), 50027);
        }
    }
}

#[test]
fn times_that_are_over_or_not_there_yet() {
    let emulator = emulator();
    let skew = 300;
    let draft = Draft::new(&emulator);
    accepted(&draft.clone().claim("exp", NOW - skew + 1).ask(&emulator));
    accepted(&draft.clone().claim("nbf", NOW + skew).ask(&emulator));
    refused(&draft.clone().claim("exp", NOW - skew).ask(&emulator), 700024);
    refused(&draft.clone().claim("nbf", NOW + skew + 1).ask(&emulator), 700024);
    let shown = refused(&draft.clone().claim("exp", Value::Null).ask(&emulator), 700024);
    assert!(
        shown.contains(
            "Current time: 2026-01-01T00:00:00.0000000Z, assertion valid from 2026-01-01T00:00:00.0000000Z, expiry time \
             of assertion 1970-01-01T00:00:00.0000000Z."
        ),
        "{shown}"
    );
    let sent = draft.sign();
    emulator.clock().advance(Duration::from_secs(600 + skew - 1));
    accepted(&ask(&emulator, &sent));
    emulator.clock().advance(Duration::from_secs(1));
    refused(&ask(&emulator, &sent), 700024);
    emulator.clock().set(UNIX_EPOCH + Duration::from_secs(NOW - skew - 1));
    refused(&ask(&emulator, &sent), 700024);
    emulator.clock().set(UNIX_EPOCH);
    refused(&ask(&emulator, &sent), 700024);
}

#[test]
fn replays_are_refused_on_demand() {
    let lenient = emulator();
    let sent = Draft::new(&lenient).sign();
    accepted(&ask(&lenient, &sent));
    accepted(&ask(&lenient, &sent));

    let app = || App::new("daemon").certificate_pem(APP);
    let strict = builder(app()).app(app()).refuse_replayed_assertions().build();
    let draft = Draft::new(&strict);
    refused(&draft.clone().with_next_key().ask(&strict), 700027);
    accepted(&draft.ask(&strict));
    refused(&draft.ask(&strict), 50012);
    accepted(&draft.clone().claim("jti", "another").ask(&strict));
    let anonymous = draft.clone().claim("jti", Value::Null).sign();
    accepted(&ask(&strict, &anonymous));
    refused(&ask(&strict, &anonymous), 50012);
    strict.clock().advance(Duration::from_secs(899));
    refused(&draft.ask(&strict), 50012);
    strict.clock().advance(Duration::from_secs(2));
    accepted(&Draft::new(&strict).ask(&strict));
}

#[test]
fn what_is_no_jwt() {
    let emulator = emulator();
    let draft = Draft::new(&emulator);
    let good = draft.sign();
    let (header, claims) = (draft.header.to_string(), draft.claims.to_string());
    // The same members without their names.
    let header_list = json!(["PS256", "JWT", null, null, draft.header["x5t#S256"], null]).to_string();
    let claims_list = ["aud", "iss", "sub", "exp", "nbf", "iat", "jti"].map(|name| draft.claims[name].clone());
    let claims_list = json!(claims_list).to_string();
    for spaced in [format!("{good}\n"), format!("\t{good}"), good.replacen('.', ". ", 1)] {
        let shown = refused(&ask(&emulator, &spaced), 50027);
        assert!(shown.contains("white space"), "{shown}");
    }
    for bad in [
        "a".to_owned(),
        good.replacen('.', "", 1),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        format!("{good} "),
        draft.sign_text("[]", &claims, "PS256"),
        draft.sign_text(&header_list, &claims, "PS256"),
        draft.sign_text(&header, &claims_list, "PS256"),
        draft.sign_text(&header, "[]", "PS256"),
        draft.sign_text(&header, "null", "PS256"),
        draft.sign_text(&header.replacen('{', r#"{"alg":"none","#, 1), &claims, "PS256"),
        draft.sign_text(&header, &claims.replacen('{', r#"{"aud":"x","#, 1), "PS256"),
        draft.sign_text(&header, &format!("{claims}{claims}"), "PS256"),
        draft.sign_text(&header, &"[".repeat(40_000), "PS256"),
    ] {
        refused(&ask(&emulator, &bad), 50027);
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("x5t", json!(1)),
        ("x5t#S256", json!([])),
        ("x5c", json!([])),
        ("x5c", json!([1])),
        ("x5c", json!("")),
        ("x5c", json!("not base64")),
        ("x5c", json!({})),
    ] {
        changed(|draft| draft.header(name, value), 50027);
    }
}

#[test]
fn findings() {
    let emulator = emulator();
    let lints = |change: &dyn Fn(Draft) -> Draft| {
        change(Draft::new(&emulator)).ask(&emulator);
        let mut lints = emulator.requests().pop().unwrap().lints;
        lints.retain(|lint| *lint != Lint::MissingClientRequestId);
        lints
    };
    assert_eq!(lints(&|draft| draft), []);
    let x5t = |draft: Draft, text: String| draft.header("x5t#S256", Value::Null).header("x5t", text);
    let bare = || URL_SAFE_NO_PAD.encode(sha1(APP));
    assert_eq!(
        lints(&|draft| draft.header("x5t#S256", STANDARD.encode(sha256(APP)))),
        [Lint::ThumbprintEncoding]
    );
    assert_eq!(lints(&|draft| x5t(draft, bare())), [Lint::Sha1WithPs256]);
    assert_eq!(lints(&|draft| x5t(draft, bare()).header("alg", "RS256")), []);
    for text in [hex(&sha1(APP)), URL_SAFE_NO_PAD.encode(hex(&sha1(APP)).to_lowercase())] {
        assert_eq!(
            lints(&|draft| x5t(draft, text.clone()).naming(APP)),
            [Lint::ThumbprintOfText]
        );
    }
    assert_eq!(lints(&|draft| draft.header("x5c", in_lines(APP))), [Lint::BlankInX5c]);
    assert_eq!(
        lints(&|draft| draft.header("x5c", json!([STANDARD.encode(APP)]))),
        [Lint::PemInX5c]
    );
    let [issuer, issued] = ["issuer.crt", "issued.crt"].map(|name| {
        let file = format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"));
        STANDARD.encode(der(&std::fs::read_to_string(file).unwrap()))
    });
    for (chain, expected) in [
        (json!([issuer, issued]), &[Lint::ChainOrder][..]),
        (json!([issued, issuer]), &[]),
        (json!([issuer, issuer]), &[]),
        (json!([issued]), &[]),
        (json!([issued, ""]), &[]),
    ] {
        assert_eq!(lints(&|draft| draft.header("x5c", chain.clone())), expected, "{chain}");
    }
    assert_eq!(
        lints(&|draft| draft.claim("exp", NOW as f64 + 0.5).claim("nbf", NOW.to_string())),
        [
            Lint::AssertionTime("exp".to_owned()),
            Lint::AssertionTime("nbf".to_owned())
        ]
    );
    assert_eq!(lints(&|draft| draft.claim("jti", Value::Null)), [Lint::MissingJti]);
    assert_eq!(
        lints(&|draft| draft.claim("nbf", Value::Null)),
        [Lint::MissingNotBefore]
    );
    assert_eq!(
        lints(&|draft| draft.claim("exp", NOW + 601)),
        [Lint::AssertionLifetime(601)]
    );
    assert_eq!(lints(&|draft| draft.claim("aud", json!(["a"]))), [Lint::AudienceList]);
}

/// The assertion the Office 365 Management APIs' guide shows. Its key is known to nobody here.
#[test]
fn the_documented_sample_is_read() {
    let sample = concat!(
        "eyJhbGciOiJSUzI1NiIsIng1dCI6Ill5ZnNoSkMzclBRLWtwR281ZFVhaVk1dDNpVSJ9.",
        "eyJhdWQiOiJodHRwczpcL1wvbG9naW4ud2luZG93cy5uZXRcLzQxNDYzZjUzLTg4MTItNDBmNC04OTBmLTg2NWJmNmUzNTE5MFwvb2F1dGgy",
        "XC90b2tlbiIsImV4cCI6MTQyNzI0ODY0OCwiaXNzIjoiYTYwOTk3MjctNmI3Yi00ODJjLWI1MDktMWRmMzA5YWNjNTYzIiwianRpIjoiMGNl",
        "MjU0YzQtODFiMS00YTJlLTg0MzYtOWE4YzNiNDlkZmI5IiwibmJmIjoxNDI3MjQ4MDQ4LCJzdWIiOiJhNjA5OTcyNy02YjdiLTQ4MmMtYjUw",
        "OS0xZGYzMDlhY2M1NjMifQ.",
        "vfDrmCjiXgoj2JrTkwyOpr-NOeQTzlXQcGlKGNpLLe0oh4Zvjdcim5C7E0UbI3Z2yb9uKQdx9G7GeqS-gVc9kNV_XSSNP4wEQj3iYNKpf_JD",
        "2ikUVIWBkOg41BiTuknRJAYOMjiuBE2a6Wyk-vPCs_JMd7Sr-N3LiNZ-TjluuVzWHfok_HWz_wH8AzdoMF3S0HtrjNd9Ld5eI7MVMt4OTpRf",
        "h-Syofi7Ow0HN07nKT5FYeC_ThBpGiIoODnMQQtDA2tM7D3D6OlLQRgLfI8ir73PVXWL7V7Zj2RcOiooIeXx38dvuSwYreJYtdphmrDBZ2eh",
        "qtduzUZhaHL1iDvLlw",
    );
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_427_248_048))
        .tenant(Tenant::new("contoso.onmicrosoft.com").id("41463f53-8812-40f4-890f-865bf6e35190"))
        .app(
            App::new("daemon")
                .client_id("a6099727-6b7b-482c-b509-1df309acc563")
                .certificate_pem(APP),
        )
        .build();
    let shown = refused(&ask(&emulator, sample), 700027);
    assert!(shown.contains("'6327EC8490B7ACF43E9291A8E5D51A898E6DDE25'"), "{shown}");
    emulator.clock().advance(Duration::from_secs(900));
    let shown = refused(&ask(&emulator, sample), 700024);
    assert!(
        shown.contains("expiry time of assertion 2015-03-25T01:57:28.0000000Z."),
        "{shown}"
    );
}
