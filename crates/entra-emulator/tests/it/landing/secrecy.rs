//! The secrets that the page must not show, and the hosts under which it is not shown.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{App, Emulator, Fault};
use http::Request;

use crate::landing::{CANARY, EVIL, hostile, page};
use crate::support::{access_token_of, form, get, token};

/// Hiding the word would reveal it as the secret.
#[test]
fn common_word_as_secret_does_not_change_fixed_texts() {
    let emulator = Emulator::builder().app(App::new("daemon").secret("secret")).build();
    let scope = ("scope", "https://graph.microsoft.com/.default");
    for sent in ["wrong", "Invalid", "parameter"] {
        let fields = [scope, ("client_secret", sent), ("Scope", "x"), (sent, "y")];
        token(&emulator, "v2.0/token", &form(&emulator, &fields));
        let html = page(&emulator);
        let row = html.split("</tbody>").next().unwrap();
        for shown in [
            "Invalid client secret provided. Ensure the secret being sent",
            "parameter &quot;Scope&quot; in the wrong case",
            "unknown parameter &quot;[not shown]&quot;",
        ] {
            assert!(row.contains(shown), "{sent}: {row}");
        }
        let line = emulator.requests().pop().unwrap().to_string();
        assert!(
            line.contains("in the wrong case") && line.contains("AADSTS7000215: Invalid client secret"),
            "{line}"
        );
    }
}

#[test]
fn secret_in_the_path_is_not_shown() {
    let emulator = Emulator::builder().build();
    for path in [
        "/common/oauth2/v2.0/token&client_secret=hunter2&scope=x",
        "/common/oauth2/v2.0/token%26client_secret%3Dhunter2",
        "/common/oauth2/v2.0/authorize?client_id=a&redirect_uri=https://a.example/?client_secret%3Dhunter2",
    ] {
        get(&emulator, path);
        assert!(!page(&emulator).contains("hunter2"), "{path}");
        assert!(
            !emulator.requests().pop().unwrap().to_string().contains("hunter2"),
            "{path}"
        );
    }
}

/// A secret need not look like one.
#[test]
fn invalid_client_id_is_not_shown() {
    let emulator = Emulator::builder().build();
    let scope = ("scope", "https://graph.microsoft.com/.default");
    for name in ["correcthorse", "two words", "x", "hunter2"] {
        token(&emulator, "v2.0/token", &form(&emulator, &[scope, ("client_id", name)]));
        let html = page(&emulator);
        let row = html
            .split("<tbody role=\"rowgroup\" class=")
            .nth(1)
            .unwrap()
            .split("</tbody>")
            .next()
            .unwrap();
        assert!(
            !row.contains(&format!("&#39;{name}&#39;")) && row.contains("&#39;[not shown]&#39;"),
            "{row}"
        );
        assert!(name.len() < 3 || !row.contains(name), "{name}: {row}");
    }
}

#[test]
fn page_shows_no_secret_and_no_foreign_markup() {
    let emulator = hostile();
    let stray = "abc8Q~kD93jfKEl20sPq81canaryvQwT4uYbNhGcR";
    let hex = "9f86d081884c7d659a2feaa0ccanary5ad015".replace("canary", "");
    let scope = ("scope", "https://graph.microsoft.com/.default");
    let issued = access_token_of(&emulator, CANARY, "https://graph.microsoft.com/.default");
    let parts: Vec<&str> = issued.split('.').collect();
    for place in [
        CANARY,
        "canary2",
        stray,
        &hex,
        &issued,
        EVIL,
        "q1w2e3r4t5y6u7i8o9p0canary",
    ] {
        let encoded = crate::support::encode(&[("", place)]).split_off(1);
        for path in [
            format!("/{encoded}/oauth2/v2.0/token"),
            format!("/{}/oauth2/{encoded}", emulator.tenant_id()),
            format!("/v1.0/{encoded}"),
            format!("/{encoded}"),
            format!("/common/oauth2/v2.0/authorize?client_id={encoded}&code={encoded}&{encoded}={encoded}"),
        ] {
            get(&emulator, &path);
        }
        for fields in [
            &[scope, ("client_id", place)][..],
            &[scope, ("client_secret", place)],
            &[("scope", place)],
            &[scope, ("grant_type", place)],
            &[scope, (place, "x"), (place, "y")],
            &[scope, ("client_assertion", place)],
        ] {
            token(&emulator, "v2.0/token", &form(&emulator, fields));
            let html = page(&emulator);
            for hidden in ["canary", &hex, parts[1], parts[2], "<script>alert", "<b a", "<i>"] {
                assert!(
                    !html.contains(hidden),
                    "{hidden} of {place}: {}",
                    &html[html.find(hidden).unwrap() - 300..][..700]
                );
            }
        }
    }
}

#[test]
fn page_is_restricted_and_not_recorded() {
    let emulator = hostile();
    emulator.fault(Fault::status(503));
    let response = get(&emulator, "/");
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    let html = String::from_utf8_lossy(response.body());
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        for part in html.split(&format!("<{tag}>")).skip(1) {
            let text = part.split(&format!("</{tag}>")).next().unwrap();
            let hash = STANDARD.encode(digest(&SHA256, text.as_bytes()));
            let allowed = policy.split(directive).nth(1).unwrap().split(';').next().unwrap();
            assert!(allowed.contains(&format!("'sha256-{hash}'")), "{tag}: {policy}");
        }
    }
    for directive in [
        "default-src 'none'; ",
        "connect-src 'self'; ",
        "form-action 'none'; ",
        "frame-ancestors 'none'; base-uri 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !html.contains(" style=") && !html.contains(" onclick"));
    assert!(
        !headers.contains_key("access-control-allow-origin"),
        "other sites must not read the page"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store, no-cache"),
    ] {
        assert_eq!(headers[name], value);
    }
    let icon = get(&emulator, "/favicon.ico");
    assert_eq!(
        (icon.status().as_u16(), &icon.headers()["content-type"]),
        (200, &"image/svg+xml".parse().unwrap())
    );
    let posted = emulator.handle(Request::post("/").body(Vec::new()).unwrap());
    assert_eq!(posted.status(), 405);
    assert_eq!(
        (
            emulator.request_count(),
            get(&emulator, "/common/discovery/keys").status().as_u16()
        ),
        (0, 503)
    );
}

/// A foreign site can make one of its names resolve to a loopback address and read what is served
/// there.
#[test]
fn page_is_not_shown_under_a_foreign_name() {
    let emulator = Emulator::builder().reached_as("ci.contoso.com").build();
    for (host, status) in [
        ("evil.com", 421),
        ("127.0.0.1.evil.com:8500", 421),
        ("ci.contoso.com", 200),
        ("emulator:8080", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("10.0.0.7:8500", 200),
    ] {
        let response = get(&emulator, &format!("http://{host}/"));
        assert_eq!(response.status(), status, "{host}");
        let html = String::from_utf8_lossy(response.body());
        assert_eq!(html.contains(emulator.client_id()), status == 200, "{host}");
        assert_eq!(get(&emulator, &format!("http://{host}/healthz")).status(), 200);
    }
    assert_eq!(emulator.request_count(), 0);
    let html = get(&emulator, "http://evil.com:8500/").into_body();
    assert!(String::from_utf8_lossy(&html).contains("<code>--name evil.com</code>"));
}

/// Browsers and resolvers accept names that appear in no URL of the emulator.
#[test]
fn page_is_not_shown_under_a_malformed_name() {
    let emulator = Emulator::builder().build();
    let long = format!("{}.evil.com:8500", [&*"a".repeat(60); 4].join("."));
    for hosts in [
        &[long.as_bytes()][..],
        &[b"a!b.evil.com:8500"],
        &[b"a'*b.evil.com"],
        &[b"evil.com:99999"],
        &[b".evil.com"],
        &[b"\xe9.com"],
        &[b"user@127.0.0.1"],
        &[b"localhost", b"evil.com"],
        &[b"evil.com", b"localhost"],
    ] {
        let request = hosts
            .iter()
            .fold(Request::get("/"), |request, host| request.header("host", *host));
        let response = emulator.handle(request.body(Vec::new()).unwrap());
        let html = String::from_utf8_lossy(response.body());
        assert_eq!(response.status(), 421, "{:?}", String::from_utf8_lossy(hosts[0]));
        assert!(!html.contains(emulator.client_id()) && !html.contains("<code>--name \u{fffd}"));
    }
}
