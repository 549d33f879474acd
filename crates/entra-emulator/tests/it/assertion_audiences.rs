//! The audiences that client assertions may have.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::{App, Issuers, Tenant};
use serde_json::{Value, json};

use crate::support::assertion::{APP, Draft, NOW, SCOPE, TYPE, accepted, builder, changed, emulator, rejected, sha1};
use crate::support::{encode, json_body, post};

#[test]
fn token_url_audiences_are_accepted() {
    let emulator = builder(App::new("daemon").certificate_pem(APP))
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .tenant(Tenant::new("customers.onmicrosoft.com").external())
        .build();
    let id = emulator.tenant_id();
    let base = emulator.base_url();
    let send = |audience: &str| Draft::new(&emulator).claim("aud", audience).send(&emulator);
    for path in ["oauth2/token", "oauth2/v2.0/token", "v2.0"] {
        for tenant in [id, "contoso.onmicrosoft.com", &id.to_uppercase()] {
            for host in [
                base,
                "https://login.microsoftonline.com",
                "https://LOGIN.microsoftonline.com",
                "https://login.windows.net",
                "https://login.microsoft.com",
                "https://sts.windows.net",
                "https://westus2.login.microsoft.com",
            ] {
                accepted(&send(&format!("{host}/{tenant}/{path}")));
            }
        }
    }
    accepted(&send(&format!("https://sts.windows.net/{id}/")));
    // go-autorest includes the query of its token URL in the audience.
    for host in [base, "https://login.microsoftonline.com", "https://LOGIN.windows.net"] {
        for tenant in [id, "Contoso.onmicrosoft.com"] {
            for path in ["oauth2/token", "oauth2/v2.0/token"] {
                for end in ["?api-version=1.0", "/", "/?api-version=1.0", "?api-version=2015-06-01"] {
                    accepted(&send(&format!("{host}/{tenant}/{path}{end}")));
                }
            }
        }
    }
    for (host, path) in [
        ("https://login.microsoftonline.us", format!("{id}/oauth2/v2.0/token")),
        ("https://evil.example", format!("{id}/oauth2/v2.0/token")),
        (
            "https://login.microsoftonline.com.evil.example",
            format!("{id}/oauth2/v2.0/token"),
        ),
        (
            "https://login.microsoftonline.com@evil.example",
            format!("{id}/oauth2/v2.0/token"),
        ),
        ("https://a.b.login.microsoft.com", format!("{id}/oauth2/v2.0/token")),
        ("http://login.microsoftonline.com", format!("{id}/oauth2/v2.0/token")),
        ("https://customers.ciamlogin.com", format!("{id}/oauth2/v2.0/token")),
        ("https://customers.ciamlogin.com", "oauth2/v2.0/token".to_owned()),
        (base, "other.example/oauth2/v2.0/token".to_owned()),
        (base, "common/oauth2/v2.0/token".to_owned()),
        (base, format!("{id}/oauth2/v2.0/token//")),
        (base, format!("{id}/oauth2/v2.0/token?a=b")),
        (base, format!("{id}/oauth2/token?api-version=1.0&a=b")),
        (base, format!("{id}/oauth2/token?api-version")),
        (base, format!("{id}/oauth2/token?api-version=")),
        (base, format!("{id}/oauth2/token?api-version=a/b")),
        (base, format!("{id}/oauth2/token?api-version=1.0?api-version=1.0")),
        (base, format!("{id}/oauth2/token#api-version=1.0")),
        (base, format!("{id}/v2.0?api-version=1.0")),
        (base, format!("{id}/v2.0/")),
        (base, "other.example/oauth2/token?api-version=1.0".to_owned()),
        ("https://evil.example", format!("{id}/oauth2/token?api-version=1.0")),
        ("https://evil.example?", format!("{id}/oauth2/token")),
        (base, format!("{id}/oauth2/v2.0/authorize")),
        (base, format!("{id}/v2")),
        (base, format!("{id}/{id}/v2.0")),
        (base, id.to_owned()),
        (base, format!("{id}/")),
        (base, "oauth2/v2.0/token".to_owned()),
        ("https://login.microsoftonline.com", "oauth2/v2.0/token".to_owned()),
        ("https://west-us.login.microsoft.com", format!("{id}/oauth2/v2.0/token")),
        (base, String::new()),
        ("", String::new()),
    ] {
        let audience = format!("{host}/{path}");
        let response = send(&audience);
        assert_eq!(json_body(&response)["error_codes"], json!([700023]), "{audience}");
    }
    rejected(&send(emulator.client_id()), 700023);
    rejected(&send(""), 700023);
    changed(|draft| draft.claim("aud", json!([base])), 50027);
}

/// The audience of go-autorest has the query of the URL, and its assertions live for a day.
#[test]
fn go_autorest_audiences_are_accepted() {
    let emulator = emulator();
    let id = emulator.tenant_id();
    for host in [
        "http://127.0.0.1:8700",
        "http://LOCALHOST:8700",
        "https://login.windows.net",
    ] {
        for (path, sent) in [
            ("oauth2/token?api-version=1.0", "oauth2/token?api-version=1.0"),
            ("oauth2/token", "oauth2/token?api-version=1.0"),
            ("oauth2/token?api-version=1.0", "oauth2/token"),
            ("oauth2/token/", "oauth2/token/?api-version=1.0"),
        ] {
            let assertion = Draft::new(&emulator)
                .header("alg", "RS256")
                .header("x5t#S256", Value::Null)
                .header("x5t", URL_SAFE_NO_PAD.encode(sha1(APP)))
                .claim("aud", format!("{}/{id}/{path}", host.to_lowercase()))
                .claim("iat", Value::Null)
                .claim("exp", NOW + 24 * 3600)
                .sign();
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", emulator.client_id()),
                ("client_assertion_type", TYPE),
                ("client_assertion", assertion.as_str()),
                ("resource", "https://management.azure.com/"),
            ];
            accepted(&post(&emulator, &format!("{host}/{id}/{sent}"), &fields));
        }
    }
}

#[cfg(feature = "tls")]
#[test]
fn audiences_of_both_listeners_are_accepted() {
    let emulator = builder(App::new("daemon").certificate_pem(APP)).tls().start();
    let id = emulator.tenant_id();
    for origin in [
        emulator.base_url(),
        emulator.tls_url().unwrap(),
        "https://asked.example",
    ] {
        let draft = Draft::new(&emulator).claim("aud", format!("{origin}/{id}/oauth2/v2.0/token"));
        // Sent to a third host, so that neither listener received the request.
        let body = encode(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", TYPE),
            ("client_assertion", &draft.sign()),
            ("scope", SCOPE),
        ]);
        let request = http::Request::post(format!("https://asked.example/{id}/oauth2/v2.0/token"))
            .header("content-type", "application/x-www-form-urlencoded");
        accepted(&emulator.handle(request.body(body.into_bytes()).unwrap()));
    }
    for url in [emulator.base_url(), emulator.tls_url().unwrap()] {
        for host in ["localhost", "LocalHost", "[::1]"] {
            let url = url.replace("127.0.0.1", host);
            accepted(
                &Draft::new(&emulator)
                    .claim("aud", format!("{url}/{id}/oauth2/v2.0/token"))
                    .send(&emulator),
            );
        }
        let url = url.replace("127.0.0.1", "localhost.evil.example");
        rejected(
            &Draft::new(&emulator)
                .claim("aud", format!("{url}/{id}/oauth2/v2.0/token"))
                .send(&emulator),
            700023,
        );
    }
    let other = Draft::new(&emulator).claim("aud", format!("https://localhost:1/{id}/oauth2/v2.0/token"));
    rejected(&other.send(&emulator), 700023);
}

#[test]
fn configured_issuer_is_an_audience() {
    let app = App::new("daemon").certificate_pem(APP);
    let issuers = Issuers::At("https://issuer.example".to_owned());
    let emulator = builder(app).issuers(issuers).build();
    let send = |path: &str| {
        let audience = format!("https://issuer.example/{}/{path}", emulator.tenant_id());
        Draft::new(&emulator).claim("aud", audience).send(&emulator)
    };
    accepted(&send("v2.0"));
    accepted(&send(""));
    rejected(&send("oauth2/v2.0/token"), 700023);
}

#[test]
fn external_tenant_audiences_are_accepted() {
    let emulator = builder(App::new("daemon").certificate_pem(APP))
        .tenant(Tenant::new("customers.onmicrosoft.com").external())
        .build();
    let (id, base) = (emulator.tenant_id(), emulator.base_url());
    for audience in [
        format!("https://customers.ciamlogin.com/{id}/oauth2/v2.0/token"),
        format!("https://customers.ciamlogin.com/{id}/v2.0"),
        format!("https://{id}.ciamlogin.com/{id}/v2.0"),
        "https://customers.ciamlogin.com/oauth2/v2.0/token".to_owned(),
        format!("{base}/customers.ciamlogin.com/{id}/oauth2/v2.0/token"),
        format!("{base}/customers.ciamlogin.com/oauth2/v2.0/token"),
    ] {
        accepted(&Draft::new(&emulator).claim("aud", audience).send(&emulator));
    }
    for audience in [
        "https://strangers.ciamlogin.com/oauth2/v2.0/token".to_owned(),
        "http://customers.ciamlogin.com/oauth2/v2.0/token".to_owned(),
        "https://customers.ciamlogin.com/customers.ciamlogin.com/oauth2/v2.0/token".to_owned(),
        format!("{base}/customers.ciamlogin.com/customers.ciamlogin.com/oauth2/v2.0/token"),
    ] {
        rejected(&Draft::new(&emulator).claim("aud", audience).send(&emulator), 700023);
    }
}
