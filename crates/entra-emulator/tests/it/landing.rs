//! What the emulator says about itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{access_token, access_token_of, form, get, json_body, token};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_emulator::{Api, App, Emulator, Fault, Secret, Tenant, User};
use http::Request;

#[test]
fn healthz_answers_get_and_head() {
    let emulator = Emulator::builder().build();
    for path in [
        "/healthz",
        "/healthz/",
        "/healthz?probe=1",
        "http://emulator:8080/healthz",
    ] {
        let answer = get(&emulator, path);
        let body = json_body(&answer);
        assert_eq!(
            (answer.status().as_u16(), &body["status"]),
            (200, &"ok".into()),
            "{path}"
        );
        assert!(body["version"].is_string() && answer.headers().contains_key("date"));
    }
    let head = emulator.handle(Request::head("/healthz").body(Vec::new()).unwrap());
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    let posted = emulator.handle(Request::post("/healthz").body(b"x".to_vec()).unwrap());
    assert_eq!(
        (posted.status().as_u16(), &posted.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[test]
fn healthz_leaves_no_trace() {
    let (probed, other) = (Emulator::builder().build(), Emulator::builder().build());
    for emulator in [&probed, &other] {
        emulator.clock().freeze();
        emulator.clock().set(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    }
    probed.fault(Fault::status(503));
    assert_eq!(get(&probed, "/healthz").status(), 200);
    assert_eq!((probed.request_count(), probed.requests().len()), (0, 0));
    // The fault still waits for its request.
    assert_eq!(get(&probed, "/common/discovery/keys").status(), 503);
    get(&other, "/common/discovery/keys");
    // Identifiers are drawn as without the probe.
    let scope = "https://graph.microsoft.com/.default";
    assert_eq!(access_token(&probed, scope), access_token(&other, scope));
}

#[test]
fn healthz_is_there_over_the_network() {
    let emulator = Emulator::start();
    for (method, has_body) in [("GET", true), ("HEAD", false)] {
        let mut stream = TcpStream::connect(emulator.address().unwrap()).unwrap();
        write!(
            stream,
            "{method} /healthz HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: "),
            "{answer}"
        );
        assert_eq!(answer.ends_with('}'), has_body, "{answer}");
    }
}

const EVIL: &str = "\"><script>alert('x')</script><b a=\"&";
const CANARY: &str = "canary-S3cret~1";

/// An emulator whose names are hostile, and whose secrets are canaries.
fn hostile() -> Emulator {
    let secret = Secret::new(CANARY);
    let app = App::new(format!("app {EVIL}")).secret(secret).secret("canary2");
    Emulator::builder()
        .tenant(
            Tenant::new("evil.example").user(User::new(format!("Zoe {EVIL}")).user_principal_name("zoe@evil.example")),
        )
        .api(
            Api::new(format!("api://{}", EVIL.replace(' ', "-")))
                .role("all<i>")
                .scope("read<i>"),
        )
        .app(
            app.certificate_pem(include_str!("../certificates/app.crt"))
                .redirect_uri("https://app.example/cb"),
        )
        .build()
}

fn page(emulator: &Emulator) -> String {
    let answer = get(emulator, "http://localhost/");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    String::from_utf8(answer.into_body()).unwrap()
}

#[test]
fn the_page_shows_what_is_registered() {
    let app = App::new("nightly-report")
        .secret(Secret::new(CANARY).id("0d6f0a6a-7f11-4c8c-9a36-7c9a1b003f5e"))
        .certificate_pem(include_str!("../certificates/app.crt"))
        .redirect_uri("https://app.example/cb")
        .grant(Emulator::GRAPH, "User.Read.All")
        .request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
        .request_scope("api://orders", "Orders.Read");
    let emulator = Emulator::builder()
        .api(Api::new("api://orders").scope("Orders.Read").role("Orders.Read.All"))
        .app(app)
        .app(App::new("phone").public_client())
        .build();
    let html = page(&emulator);
    let user = &emulator.tenants()[0].users.as_ref().unwrap()[0];
    for shown in [
        emulator.tenant_id(),
        emulator.domain(),
        &user.user_principal_name,
        &user.id,
        "All Employees",
        &emulator.tenants()[0].groups.as_ref().unwrap()[1].id,
        &emulator.tenants()[0].managed_devices.as_ref().unwrap()[0].name,
        "open elevation request",
        "nightly-report",
        emulator.client_id(),
        "https://app.example/cb",
        "secret <span class=\"dim\">0d6f0a6a-7f11-4c8c-9a36-7c9a1b003f5e</span>",
        "certificate <span class=\"dim\">",
        "api://orders",
        "Orders.Read.All",
        "asked for, not granted",
        "public client",
        &format!("http://localhost/{}/oauth2/v2.0/token", emulator.tenant_id()),
        "export AZURE_CLIENT_ID=",
        "There have been no requests yet",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    let state = html
        .split("<code>User.Read.All</code>")
        .nth(1)
        .unwrap()
        .split("</tr>")
        .next()
        .unwrap();
    assert!(state.contains("granted") && !state.contains("not granted"), "{state}");
    // A consent is seen at once.
    let url = format!(
        "{}?client_id={}&redirect_uri=https://app.example/cb",
        emulator.authority() + "/adminconsent",
        emulator.client_id()
    );
    emulator.approve(&url, &user.user_principal_name).unwrap();
    let html = page(&emulator);
    assert!(
        !html.contains("asked for, not granted") && html.contains("granted for all users"),
        "{html}"
    );
}

#[test]
fn the_page_says_what_was_wrong_and_what_to_do() {
    let emulator = Emulator::builder().app(App::new("daemon").secret("right")).build();
    token(
        &emulator,
        "v2.0/token",
        &form(
            &emulator,
            &[
                ("client_secret", "wrong-one"),
                ("scope", "https://graph.microsoft.com/.default"),
                ("Scope", "x"),
            ],
        ),
    );
    let html = page(&emulator);
    for shown in [
        "<b class=\"status\">401</b> AADSTS7000215",
        "<strong>Wrong:</strong> Invalid client secret provided.",
        "<strong>To do:</strong> Send the value of one of the application&#39;s secrets",
        "<li>parameter &quot;Scope&quot; in the wrong case: names are case-sensitive",
        "<td role=\"cell\">daemon<br>",
        "client_credentials",
        "The only request",
    ] {
        assert!(html.contains(shown), "{shown}\n{html}");
    }
    // A fault is not blamed on the client, and a request that is fine has nothing wrong.
    emulator.fault(Fault::status(503));
    get(&emulator, "/common/discovery/keys");
    get(&emulator, "/common/discovery/keys");
    let html = page(&emulator);
    let rows: Vec<&str> = html.split("<tbody role=\"rowgroup\" class=").skip(1).collect();
    assert!(
        rows[0].starts_with("\"fine\"") && !rows[0].contains("Wrong:"),
        "{}",
        rows[0]
    );
    assert!(
        rows[1].starts_with("\"fault\"") && rows[1].contains("fault <em>status</em>"),
        "{}",
        rows[1]
    );
    assert!(rows[2].starts_with("\"wrong\""), "{}", rows[2]);
    for i in 0..60 {
        get(&emulator, &format!("/nothing-{i}"));
    }
    let html = page(&emulator);
    assert!(html.contains("The last 50 of 63 requests") && html.contains("nothing-59") && !html.contains("nothing-9<"));
    assert!(html.contains("Compare the path with the endpoints on this page."));
    emulator.clear_requests();
    assert!(page(&emulator).contains("The list of requests was cleared."));
}

#[test]
fn findings_that_are_left_out_are_counted() {
    let emulator = Emulator::builder().build();
    let fields: Vec<String> = (0..25).map(|i| format!("p{i}=x")).collect();
    token(&emulator, "v2.0/token", &fields.join("&"));
    let html = page(&emulator);
    assert!(
        html.contains("&quot;p9&quot;") && !html.contains("&quot;p10&quot;") && html.contains("<li>and 16 more</li>"),
        "{html}"
    );
}

#[test]
fn a_device_that_waits_is_not_blamed() {
    let emulator = Emulator::builder()
        .app(
            App::new("tv")
                .public_client()
                .request_scope(Emulator::GRAPH, "User.Read"),
        )
        .build();
    let client = ("client_id", emulator.client_id());
    let waiting = json_body(&crate::support::post(
        &emulator,
        "/common/oauth2/v2.0/devicecode",
        &[client, ("scope", "User.Read")],
    ));
    let fields = [
        client,
        ("grant_type", "device_code"),
        ("device_code", waiting["device_code"].as_str().unwrap()),
    ];
    crate::support::post(&emulator, &emulator.token_url_v2(), &fields);
    let html = page(&emulator);
    assert!(
        html.contains("class=\"waiting\"") && html.contains("<strong>Waiting:</strong>") && !html.contains("Wrong:"),
        "{html}"
    );
    for hidden in ["device_code", "user_code"] {
        assert!(!html.contains(waiting[hidden].as_str().unwrap()), "{hidden}");
    }
}

/// It would say which word the secret is.
#[test]
fn a_secret_that_is_a_word_is_not_hidden_in_our_words() {
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
fn a_secret_in_the_path_in_place_of_the_query_is_not_shown() {
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
fn what_stands_in_place_of_a_client_id_is_not_shown() {
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
fn the_page_holds_no_secret_and_no_markup_from_outside() {
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
fn the_page_is_confined_and_leaves_no_trace() {
    let emulator = hostile();
    emulator.fault(Fault::status(503));
    let answer = get(&emulator, "/");
    assert_eq!(answer.status(), 200);
    let headers = answer.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    let html = String::from_utf8_lossy(answer.body());
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
        "other sites must not read it"
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

#[test]
fn the_page_is_made_again_only_after_a_change() {
    let emulator = Emulator::builder().build();
    emulator.clock().freeze();
    let ask = |tag: &str| emulator.handle(Request::get("/").header("if-none-match", tag).body(Vec::new()).unwrap());
    let tag = |answer: &http::Response<Vec<u8>>| answer.headers()["etag"].to_str().unwrap().to_owned();
    let first = tag(&ask("\"other\""));
    for known in [first.clone(), format!("\"a\", W/{first}")] {
        let same = ask(&known);
        assert_eq!(
            (same.status().as_u16(), same.body().len(), tag(&same)),
            (304, 0, first.clone())
        );
    }
    get(&emulator, "/common/discovery/keys");
    let changed = ask(&first);
    assert_eq!(changed.status(), 200);
    emulator.clear_requests();
    assert_eq!(ask(&tag(&changed)).status(), 200);
    emulator.reset();
    assert_eq!(ask(&first).status(), 200);
    // So is one whose secrets take over from each other at one moment, by the clock alone.
    let (now, later) = (UNIX_EPOCH + Duration::from_secs(1_800_000_000), Duration::from_secs(60));
    let app = App::new("a").secret(Secret::new("x").ends(now + later));
    let rotated = Emulator::builder()
        .frozen_at(now)
        .app(app.secret(Secret::new("y").starts(now + later)))
        .build();
    let before = tag(&get(&rotated, "/"));
    rotated.clock().advance(later);
    assert_ne!(tag(&get(&rotated, "/")), before);
    // Another emulator at the same address is not taken for this one.
    assert_ne!(tag(&get(&Emulator::builder().build(), "/")), first);
}

/// A foreign site can point a name of its own at a loopback address, and would then read what is there.
#[test]
fn the_page_is_not_shown_under_a_foreign_name() {
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
        let answer = get(&emulator, &format!("http://{host}/"));
        assert_eq!(answer.status(), status, "{host}");
        let html = String::from_utf8_lossy(answer.body());
        assert_eq!(html.contains(emulator.client_id()), status == 200, "{host}");
        assert_eq!(get(&emulator, &format!("http://{host}/healthz")).status(), 200);
    }
    assert_eq!(emulator.request_count(), 0);
    let html = get(&emulator, "http://evil.com:8500/").into_body();
    assert!(String::from_utf8_lossy(&html).contains("<code>--name evil.com</code>"));
}

/// Browsers and resolvers accept names that stand in no URL of the emulator.
#[test]
fn the_page_is_not_shown_under_a_name_that_is_unreadable() {
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
        let answer = emulator.handle(request.body(Vec::new()).unwrap());
        let html = String::from_utf8_lossy(answer.body());
        assert_eq!(answer.status(), 421, "{:?}", String::from_utf8_lossy(hosts[0]));
        assert!(!html.contains(emulator.client_id()) && !html.contains("<code>--name \u{fffd}"));
    }
}

#[test]
fn the_page_of_a_large_configuration_is_bounded() {
    let mut builder = Emulator::builder();
    for i in 0..300 {
        builder = builder.tenant(Tenant::new(format!("t{i}.example")).user(User::new(format!("U{i}"))));
        let mut app = App::new(format!("app{i}"));
        for j in 0..30 {
            app = app
                .redirect_uri(format!("https://{j}.example/"))
                .secret(format!("secret-{j}"));
        }
        builder = builder.app(app.grant(Emulator::GRAPH, "User.Read.All"));
        builder = builder.api(Api::new(format!("api://a{i}")).role(format!("R{i}")));
    }
    let html = page(&builder.build());
    assert!(html.len() < 200_000, "{}", html.len());
    for more in [
        "And 295 more tenants.",
        "And 280 more applications.",
        "and 20 more</span>",
    ] {
        assert!(html.contains(more), "{more}");
    }
}

#[test]
fn the_page_can_be_used_by_keyboard_ear_and_without_scripts() {
    let emulator = hostile();
    token(&emulator, "v2.0/token", "");
    let html = page(&emulator);
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && html.contains("<title>"));
    assert_eq!((html.matches("<h1").count(), html.matches("<main").count()), (1, 1));
    assert_eq!(html.matches("<table").count(), html.matches("<caption>").count());
    assert!(html.contains("role=\"status\" aria-live=\"polite\""));
    // All is renewed: another emulator may have started at the same address.
    assert_eq!(html.matches("<section").count(), html.matches(" data-live>").count());
    assert!(html.contains("<noscript><meta http-equiv=\"refresh\"") && html.contains("<a href=\"/\">Reload now</a>"));
    for target in html.split("<a href=\"#").skip(1) {
        let id = target.split('"').next().unwrap();
        assert!(html.contains(&format!(" id=\"{id}\"")), "{id}");
    }
}
