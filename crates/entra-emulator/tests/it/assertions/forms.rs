//! The formats of assertions that clients send.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_emulator::{Api, App, Emulator, Lint, Tenant, TokenVersion};
use serde_json::{Value, json};

use crate::support::assertion::{
    APP, Draft, NOW, SCOPE, Shape, TYPE, accepted, builder, der, emulator, hex, in_lines, rejected, send, sha1, sha256,
};
use crate::support::{claims, encode, json_body, post, token};

#[test]
fn token_shows_certificate_authentication() {
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
            rejected(&response, 900023);
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

/// azure-identity's asynchronous client for Python pads all three parts. The signature covers them
/// as sent.
#[test]
fn parts_may_be_padded() {
    let emulator = emulator();
    // Each part has every length of padding once.
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
            accepted(&send(&emulator, &format!("{text}.{signature}")));
            accepted(&send(&emulator, &format!("{text}.{}", bare(&signature))));
        }
    }
    let lints = &emulator.requests()[0].lints;
    assert!(lints.contains(&Lint::PaddedAssertion), "{lints:?}");

    // The signature covers the padding.
    let draft = Draft::new(&emulator).header("x", "");
    let signed = draft.sign();
    assert!(!send(&emulator, &signed).status().is_client_error());
    let lints = emulator.requests().pop().unwrap().lints;
    assert!(!lints.contains(&Lint::PaddedAssertion), "{lints:?}");
    let (header, rest) = signed.split_once('.').unwrap();
    let padded = URL_SAFE.encode(URL_SAFE_NO_PAD.decode(header).unwrap());
    assert_ne!(header, padded);
    rejected(&send(&emulator, &format!("{padded}.{rest}")), 700027);
    for wrong in [
        format!("={signed}"),
        format!("{signed}==="),
        format!("{signed}=A"),
        format!("{signed}== "),
        signed.replacen('.', "====.", 1),
    ] {
        rejected(&send(&emulator, &wrong), 50027);
    }
}

/// The formats of the libraries for .NET, Go and Java, from their documentation and source.
#[test]
fn other_clients_are_accepted() {
    let emulator = emulator();
    let draft = Draft::new(&emulator).claim("iat", Value::Null);
    let leaf = STANDARD.encode(der(APP));
    let dotnet = draft
        .clone()
        .claim("nbf", NOW.to_string())
        .claim("exp", (NOW + 600).to_string());
    accepted(&dotnet.header("x5c", leaf.as_str()).send(&emulator));
    let go = draft.header("x5t#S256", STANDARD.encode(sha256(APP)));
    accepted(&go.clone().header("x5c", json!([leaf])).send(&emulator));
    accepted(&go.header("alg", "RS256").header("typ", Value::Null).send(&emulator));
}

/// The refresh, code and on-behalf-of grants parse client assertions by the same rules.
#[test]
fn all_grants_share_the_rules_of_assertions() {
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
            crate::support::error_code(&token(&emulator, "v2.0/token", &encode(&fields)))
        };
        assert_eq!(send(&foreign), 700211, "{grant}");
        let rejected = send(&padded);
        assert!(![50027, 700027, 0].contains(&rejected), "{grant}: {rejected}");
    }
}

#[test]
fn client_id_is_optional_with_an_assertion() {
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
    rejected(
        &send(&draft.clone().claim("iss", other).claim("sub", other).sign()),
        700016,
    );
    rejected(&send(&draft.clone().claim("iss", other).sign()), 50048);
    rejected(&send(&draft.clone().claim("sub", Value::Null).sign()), 90014);
    rejected(&send("garbage"), 50027);
    rejected(&send(&draft.with_next_key().sign()), 700027);
}

#[test]
fn mistakes_in_assertions_are_recorded() {
    let emulator = emulator();
    let lints = |change: &dyn Fn(Draft) -> Draft| {
        change(Draft::new(&emulator)).send(&emulator);
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

/// The assertion in the guide to the Office 365 Management APIs. Its private key is not known.
#[test]
fn documented_sample_is_parsed() {
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
    let shown = rejected(&send(&emulator, sample), 700027);
    assert!(shown.contains("'6327EC8490B7ACF43E9291A8E5D51A898E6DDE25'"), "{shown}");
    emulator.clock().advance(Duration::from_secs(900));
    let shown = rejected(&send(&emulator, sample), 700024);
    assert!(
        shown.contains("expiry time of assertion 2015-03-25T01:57:28.0000000Z."),
        "{shown}"
    );
}
