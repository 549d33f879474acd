//! `entra consent` and `entra tenants`: an administrator in a browser, and a waiting command.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use entra_emulator::{Api, App, Emulator, Tenant};
use entra_proto::claims::UnverifiedClaims;
use redb::ReadableTable;
use serde_json::Value;

use crate::common::waiting::{Fixture, json};
use crate::common::{GRAPH, entra, err, fails, out, private_folder, run};

const OFFICE: &str = "https://manage.office.com";
const ADMIN: &str = "adele@contoso.onmicrosoft.com";

/// Returns an application of one company, without consent in other tenants.
pub(super) fn emulator() -> Emulator {
    let home = "mycompany.example";
    Emulator::builder()
        .tenant(Tenant::new(home))
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .api(Api::new("api://todo").role("Todo.Read.All").scope("Todo.Read"))
        .app(
            App::new("Activity Monitor")
                .home(home)
                .multi_tenant()
                .redirect_uri("http://127.0.0.1")
                .request(OFFICE, "ActivityFeed.Read")
                .request_scope(OFFICE, "ActivityFeed.Read")
                .request_scope(GRAPH, "User.Read"),
        )
        .app(
            App::new("a command")
                .public_client()
                .redirect_uri("http://127.0.0.1")
                .request_scope(GRAPH, "User.Read"),
        )
        .device_interval(Duration::from_secs(1))
        .start()
}

#[test]
fn admin_consent_stores_a_usable_tenant() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let contoso = emulator.tenants()[1].id.clone();
    let before = fixture.run(&["token", "--v1", "--resource", OFFICE, "--tenant", &contoso]);
    fails(&before, 5, &["AADSTS700016"]);

    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    assert!(waiting.url.contains("/common/oauth2/authorize?"), "{}", waiting.url);
    let page = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert!(page.contains(&format!("The tenant {contoso} is connected.")), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"));
    let output = waiting.end();
    assert_eq!(out(&output), format!("{contoso}\n"), "{}", err(&output));
    assert!(
        err(&output).contains("has the roles ActivityFeed.Read"),
        "{}",
        err(&output)
    );

    let listed = fixture.run(&["tenants", "list", "-o", "text"]);
    for expected in [&*contoso, emulator.client_id(), ADMIN, "ActivityFeed.Read", "UTC"] {
        assert!(out(&listed).contains(expected), "{expected}: {}", out(&listed));
    }
    let after = fixture.run(&["token", "--v1", "--resource", OFFICE, "--tenant", &contoso]);
    let claims = UnverifiedClaims::decode(out(&after).trim()).unwrap();
    assert_eq!(claims.roles().collect::<Vec<_>>(), ["ActivityFeed.Read"]);

    let listed = fixture.run(&["tenants", "list", "-o", "json"]);
    let listed: Value = serde_json::from_str(out(&listed)).unwrap();
    assert_eq!(listed[0]["consented_by"], ADMIN);
    fails(
        &fixture.run(&["tenants", "forget", emulator.tenant_id()]),
        3,
        &["no consent of"],
    );
    fails(
        &fixture.run(&["tenants", "forget", "contoso.com"]),
        3,
        &["\"contoso.com\" is not a tenant's ID", "entra tenants list"],
    );
    let of_another = [
        "tenants",
        "forget",
        &contoso,
        "--client-id",
        &emulator.apps()[1].client_id,
    ];
    fails(&fixture.run(&of_another), 3, &["no consent of"]);
    let of_this = ["tenants", "forget", &contoso, "--client-id", emulator.client_id()];
    assert!(fixture.run(&of_this).status.success());
    let listed = fixture.run(&["tenants", "list", "-o", "text"]);
    assert_eq!((out(&listed), err(&listed)), ("", "no tenant has consented yet\n"));
}

#[test]
fn all_consent_endpoints_report_the_tenant() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let contoso = emulator.tenants()[1].id.clone();
    for (words, path) in [
        (&["--admin"][..], "/organizations/v2.0/adminconsent?"),
        (&["--admin", "--v1"], "/common/adminconsent?"),
        (&["--v2"], "/common/oauth2/v2.0/authorize?"),
    ] {
        let words = [&["consent", "--resource", OFFICE, "-o", "json"], words].concat();
        let waiting = fixture.start(&words);
        assert!(waiting.url.contains(path), "{}", waiting.url);
        waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
        let output = waiting.end();
        let printed: Value = json(&output);
        assert_eq!(printed["tenant"], *contoso);
        assert!(
            err(&output).contains("verified: the app-only token has the roles"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn tenant_store_is_in_the_users_data_folder() {
    let folder = private_folder();
    let home = folder.path();
    // The file is not a tenant store, and the error names its path.
    let place = |path: &str| {
        let file = home.join(path).join("entra").join("tenants.redb");
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "not a tenant store").unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (data, share) = (place("data"), place("user/.local/share"));
    let at = |path: &str| home.join(path).to_str().unwrap().to_owned();
    let (xdg, user) = (at("data"), at("user"));
    for (variables, path) in [
        (&[("XDG_DATA_HOME", &*xdg), ("HOME", &*user)][..], &data),
        (&[("XDG_DATA_HOME", "data"), ("HOME", &*user)], &share),
        (&[("HOME", &*user), ("ENTRA_TENANT_STORE", "")], &share),
        (&[("HOME", &*user), ("ENTRA_TENANT_STORE", &*data)], &data),
    ] {
        fails(&run(&["tenants", "list"], variables), 1, &[path]);
    }
    fails(
        &run(&["tenants", "list"], &[("HOME", "relative")]),
        3,
        &["--tenant-store", "ENTRA_TENANT_STORE"],
    );
}

#[test]
fn page_confirms_only_a_stored_tenant() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    // The file is damaged while the browser is away.
    std::fs::write(&fixture.tenant_store, "not a tenant store").unwrap();
    let page = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let contoso = &*emulator.tenants()[1].id;
    let expected = format!("The tenant {contoso} has consented, but the consent could not be stored.");
    let path = fixture.tenant_store.to_str().unwrap();
    assert!(page.contains(&expected) && !page.contains("is connected"), "{page}");
    assert!(!page.contains(path), "{page}");
    fails(&waiting.end(), 1, &[contoso, "could not be stored", path]);
}

#[test]
fn page_shows_the_error_and_command_the_hint() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let consent = ["consent", "--v1", "--resource", OFFICE];
    let sign_in = ["token", "--flow", "auth-code", "--scope", "User.Read"];
    for words in [&consent[..], &sign_in] {
        let waiting = fixture.start(words);
        let redirect = emulator.approve(&waiting.url, "alex@mycompany.example");
        let redirect = redirect.or_else(|_| emulator.approve(&waiting.url, ADMIN)).unwrap();
        let state = redirect.parameter("state").unwrap();
        let stranger = waiting.come_back(&format!("{}?code=x&state=forged", waiting.callback()));
        assert!(
            stranger.contains("a state other than") && !stranger.contains("accept only"),
            "{stranger}"
        );
        let page = waiting.come_back(&format!("{}?code=x&state={state}", waiting.callback()));
        assert!(page.contains("The reason: AADSTS9002313 invalid_grant: "), "{page}");
        assert!(!page.contains("check that the request body"), "{page}");
        fails(
            &waiting.end(),
            5,
            &[
                "a redirect was ignored: the redirect has a state other",
                "check that the request body is a form",
            ],
        );
    }
}

#[test]
fn scopes_of_two_apis_are_rejected_before_browser() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let scopes = format!("{OFFICE}/ActivityFeed.Read {GRAPH}/User.Read");
    let waiting = fixture.start(&["consent", "--v2", "--scope", &scopes]);
    let redirect = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert!(redirect.contains("The tenant is not connected"), "{redirect}");
    let output = waiting.end();
    fails(&output, 6, &["not verified: scope", "--admin"]);
    assert!(!err(&output).contains("yet"), "{}", err(&output));
}

#[test]
fn damaged_tenant_is_reported_and_can_be_forgotten() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert_eq!(waiting.end().status.code(), Some(0));
    let contoso = &emulator.tenants()[1].id;

    let whole = std::fs::read(&fixture.tenant_store).unwrap();
    std::fs::write(&fixture.tenant_store, &whole[..4096]).unwrap();
    let output = fixture.run(&["tenants", "list", "-o", "text"]);
    fails(&output, 1, &[fixture.tenant_store.to_str().unwrap()]);
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    std::fs::write(&fixture.tenant_store, whole).unwrap();

    let database = redb::Database::open(&fixture.tenant_store).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let records = redb::TableDefinition::<&[u8], &[u8]>::new("tenants");
        let mut records = transaction.open_table(records).unwrap();
        let key = records.first().unwrap().unwrap().0.value().to_vec();
        records.insert(key.as_slice(), b"damage".as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let output = fixture.run(&["tenants", "list", "-o", "text"]);
    assert!(err(&output).contains("or forget the tenant"), "{}", err(&output));
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    assert_eq!(err(&output).matches(contoso.as_str()).count(), 1, "{}", err(&output));
    let output = fixture.run(&["tenants", "forget", contoso]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = fixture.run(&["tenants", "list", "-o", "text"]);
    assert_eq!(err(&output).trim(), "no tenant has consented yet");
}

#[cfg(unix)]
#[test]
fn warnings_of_the_tenant_store_are_reported() {
    use std::os::unix::fs::PermissionsExt;
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert_eq!(waiting.end().status.code(), Some(0));
    std::fs::set_permissions(&fixture.tenant_store, PermissionsExt::from_mode(0o644)).unwrap();
    let output = fixture.run(&["tenants", "list", "-o", "text"]);
    let warning = format!(
        "warning: others could read this file; its mode is 0600 now; path: {}\n",
        fixture.tenant_store.display()
    );
    assert_eq!(err(&output), warning);
    let mode = std::fs::metadata(&fixture.tenant_store).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(err(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

/// The store fails after the administrator has consented, as with a full disk.
#[test]
fn tenant_that_cannot_be_stored_is_reported() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    std::fs::write(&fixture.tenant_store, "not a tenant store").unwrap();
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let expected = format!(
        "{} has consented, but the consent could not be stored: ",
        emulator.tenants()[1].id
    );
    fails(&waiting.end(), 1, &[&expected]);
}

/// The admin-consent page does not use a credential, and a command on an administrator's machine
/// has none.
#[test]
fn admin_consent_needs_no_credential() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let none = [("AZURE_CLIENT_SECRET", "")];
    let waiting = fixture.start_with(&["consent", "--admin", "--resource", OFFICE], &none);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let output = waiting.end();
    assert_eq!(
        out(&output),
        format!("{}\n", emulator.tenants()[1].id),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("not verified, without a credential"),
        "{}",
        err(&output)
    );

    let public = &*emulator.apps()[1].client_id;
    let words = [
        "token",
        "--flow",
        "auth-code",
        "--client-id",
        public,
        "--scope",
        "User.Read",
    ];
    let waiting = fixture.start_with(&words, &none);
    let user = "adele@mycompany.example";
    waiting.come_back(&emulator.approve(&waiting.url, user).unwrap().url);
    let output = waiting.end();
    assert!(out(&output).starts_with("eyJ"), "{}", err(&output));
    // The other flows need one.
    let variables = [&fixture.variables(), &none[..]].concat();
    let consent = entra(&["consent", "--v1", "--resource", OFFICE], &variables, "");
    fails(&consent, 4, &["no credential"]);
}

#[test]
fn declined_consent_stores_nothing() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    for words in [&["--v1"][..], &["--v2"], &["--admin"], &["--admin", "--v1"]] {
        let waiting = fixture.start(&[&["consent", "--resource", OFFICE], words].concat());
        let page = waiting.come_back(&emulator.decline(&waiting.url, ADMIN).unwrap().url);
        assert!(page.contains("The tenant is not connected."), "{page}");
        fails(&waiting.end(), 6, &["AADSTS65004"]);
    }
    assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn unrelated_redirects_do_not_end_the_wait() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    let callback = waiting.callback();
    let right = emulator.approve(&waiting.url, ADMIN).unwrap().url;
    for (forged, expected) in [
        ("?code=x&state=forged".to_owned(), "a state other than"),
        ("?code=x".to_owned(), "has no state"),
        ("?error=access_denied&state=forged".to_owned(), "a state other than"),
        (
            "?admin_consent=True&tenant=x&state=%3Cscript%3E".to_owned(),
            "a state other than",
        ),
        ("?code=x&amp;state=y".to_owned(), "&amp;amp;"),
        ("?code=x&code=y&state=z".to_owned(), "twice"),
        ("elsewhere?code=x&state=y".to_owned(), "Page not found"),
        (String::new(), "Page not found"),
    ] {
        let page = waiting.come_back(&format!("{callback}{forged}"));
        assert!(
            page.starts_with("HTTP/1.1 40") && page.contains(expected) && !page.contains("<script>"),
            "{forged}: {page}"
        );
    }
    // A connection without a request, and a client that is not a browser.
    let host = callback
        .strip_prefix("http://")
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let _silent = TcpStream::connect(&host).unwrap();
    let mut other = TcpStream::connect(&host).unwrap();
    other.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n").unwrap();
    // A prefetch of the link, as by mail programs, does not use up the redirect.
    let mut ahead = TcpStream::connect(&host).unwrap();
    let path = right.strip_prefix(&callback).unwrap();
    write!(ahead, "HEAD /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut printed = String::new();
    ahead.read_to_string(&mut printed).unwrap();
    assert!(
        printed.starts_with("HTTP/1.1 405") && printed.contains("\r\nallow: GET\r\n"),
        "{printed}"
    );
    waiting.come_back(&right);
    let output = waiting.end();
    assert!(output.status.success(), "{}", err(&output));
    assert!(!err(&output).contains("code=x"), "{}", err(&output));
}

#[test]
fn invalid_redirect_settings_fail_before_browser() {
    let emulator = emulator();
    let fixture = Fixture::new(&emulator);
    let consent = |words: &[&str]| fixture.run(&[&["consent", "--v1", "--resource", OFFICE], words].concat());
    fails(
        &consent(&["--listen", "0.0.0.0:0"]),
        3,
        &["0.0.0.0 is not a loopback address"],
    );
    // An IPv6 address without brackets.
    fails(
        &consent(&["--listen", "::1:0"]),
        3,
        &["--listen ::1:0", "write localhost"],
    );
    for nonsense in ["nonsense", "8400", ":8400", "127.0.0.1:80000"] {
        let expected = format!("--listen {nonsense}: ");
        fails(
            &consent(&["--listen", nonsense]),
            3,
            &[&expected, "write HOST:PORT, such as localhost:8400"],
        );
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fails(
        &consent(&["--listen", &taken]),
        3,
        &["give another port, or 0 for a free one"],
    );
    fails(
        &consent(&["--redirect-uri", "http://www.mycompany.com/"]),
        3,
        &["plain http"],
    );
    fails(&consent(&["--v2"]), 2, &["cannot be used with"]);
    fails(
        &consent(&["--listen", "127.0.0.1:0", "--wait", "1"]),
        8,
        &[
            "the browser did not return within 1 s",
            "register the redirect URI http://127.0.0.1:",
        ],
    );
    let named = [
        "consent",
        "--resource",
        OFFICE,
        "--tenant",
        "fabrikam.example",
        "--listen",
        "localhost:0",
        "--wait",
        "1",
    ];
    fails(
        &fixture.run(&named),
        8,
        &["/fabrikam.example/oauth2/v2.0/authorize?", "http://localhost:"],
    );
    let unknown = ["consent", "--admin", "--resource", OFFICE, "--tenant", "common"];
    // The default port may be in use.
    let unknown = fixture.run(&[&unknown[..], &["--listen", "localhost:0"]].concat());
    fails(&unknown, 3, &["tenant \"common\" is not accepted", "organizations"]);
}
