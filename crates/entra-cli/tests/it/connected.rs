//! The conditions under which `entra consent` reports a tenant as connected.

use entra_emulator::{App, Emulator, Fault, Tenant, User};

use crate::common::skips::skip;
use crate::common::waiting::{Fixture, Waiting, json};
use crate::common::{GRAPH, err, fails, out};

const OFFICE: &str = "https://manage.office.com";
const ADMIN: &str = "adele@contoso.onmicrosoft.com";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Returns an emulator with an application of another company, and a tenant without consent.
fn emulator(app: App) -> Emulator {
    let home = "mycompany.example";
    Emulator::builder()
        .tenant(Tenant::new(home))
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("live.example").id(PERSONAL).user(User::new("Mona").admin()))
        .app(
            app.home(home)
                .multi_tenant()
                .redirect_uri("http://127.0.0.1")
                .redirect_uri("http://localhost"),
        )
        .start()
}

/// An application with app-only permissions, as most daemons have.
fn with_roles_alone() -> App {
    App::new("daemon").request(OFFICE, "ActivityFeed.Read")
}

/// Returns the page that an administrator sees after consent.
fn accepted(waiting: &Waiting, emulator: &Emulator) -> String {
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url)
}

fn heading(page: &str) -> &str {
    let rest = page.split_once("<h1>").unwrap().1;
    rest.split_once("</h1>").unwrap().0
}

#[test]
fn application_permissions_connect_a_tenant() {
    for words in [&["--v1"][..], &["--admin"], &["--admin", "--v1"]] {
        let emulator = emulator(with_roles_alone());
        let contoso = &*emulator.tenants()[1].id;
        let fixture = Fixture::new(&emulator);
        let words = [&["consent", "--resource", OFFICE, "-o", "json"], words].concat();
        let waiting = fixture.start(&words);
        let page = accepted(&waiting, &emulator);
        assert_eq!(heading(&page), "Tenant connected", "{words:?}");
        assert!(page.contains(&format!("The tenant {contoso} is connected.")), "{page}");
        let output = waiting.end();
        assert_eq!(output.status.code(), Some(0), "{words:?} {}", err(&output));
        let printed = json(&output);
        assert_eq!(printed["tenant"], contoso);
        assert_eq!(
            printed["granted"],
            serde_json::json!(["ActivityFeed.Read"]),
            "{words:?}"
        );
        let listed = fixture.run(&["tenants", "list", "-o", "text"]);
        assert!(out(&listed).contains(contoso) && out(&listed).contains("ActivityFeed.Read"));
        if words.contains(&"--admin") {
            continue;
        }
        // The code is redeemed for an ID token, which names the administrator.
        assert_eq!(printed["user"], ADMIN);
    }
}

#[test]
fn tenant_given_by_domain_is_connected() {
    for name in ["contoso.onmicrosoft.com", "id"] {
        for words in [&["--v1"][..], &["--admin"]] {
            let emulator = emulator(with_roles_alone());
            let contoso = &*emulator.tenants()[1].id;
            let tenant = if name == "id" { contoso } else { name };
            let fixture = Fixture::new(&emulator);
            let words = [&["consent", "--resource", OFFICE, "--tenant", tenant], words].concat();
            let waiting = fixture.start(&words);
            assert_eq!(heading(&accepted(&waiting, &emulator)), "Tenant connected");
            let output = waiting.end();
            assert_eq!(out(&output), format!("{contoso}\n"), "{words:?} {}", err(&output));
        }
    }
}

#[test]
fn v2_consent_of_a_user_does_not_connect_the_tenant() {
    let both = || with_roles_alone().request_scope(OFFICE, "ActivityFeed.Read");
    for app in [with_roles_alone(), both()] {
        let emulator = emulator(app);
        let fixture = Fixture::new(&emulator);
        let waiting = fixture.start(&["consent", "--resource", OFFICE]);
        let page = accepted(&waiting, &emulator);
        assert_eq!(heading(&page), "The tenant is not connected");
        assert!(!page.contains("is connected"), "{page}");
        let output = waiting.end();
        fails(&output, 6, &["--admin"]);
        assert_eq!(out(&output), "");
        assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");

        // After admin consent for the tenant, it is connected on v2 too.
        let admin = fixture.start(&["consent", "--admin", "--resource", OFFICE]);
        accepted(&admin, &emulator);
        assert_eq!(admin.end().status.code(), Some(0));
        let waiting = fixture.start(&["consent", "--resource", OFFICE]);
        let page = accepted(&waiting, &emulator);
        let output = waiting.end();
        assert_eq!(
            (heading(&page), output.status.code()),
            ("Tenant connected", Some(0)),
            "{}",
            err(&output)
        );
        assert_eq!(out(&output), format!("{}\n", emulator.tenants()[1].id));
    }
}

#[test]
fn consent_without_application_permissions_is_reported() {
    for words in [&["--v1"][..], &["--admin"], &["--admin", "--v1"]] {
        let emulator = emulator(App::new("users only").request_scope(OFFICE, "ActivityFeed.Read"));
        let contoso = &*emulator.tenants()[1].id;
        let fixture = Fixture::new(&emulator);
        let waiting = fixture.start(&[&["consent", "--resource", OFFICE], words].concat());
        let page = accepted(&waiting, &emulator);
        assert!(
            !page.contains("is connected") && page.contains("no application permissions"),
            "{page}"
        );
        // The administrator has consented, so the tenant is stored.
        let output = waiting.end();
        fails(&output, 6, &["has consented", "add application permissions"]);
        assert!(err(&output).contains(contoso));
        assert!(out(&fixture.run(&["tenants", "list", "-o", "text"])).contains(contoso));
    }
}

#[test]
fn unverified_consent_is_stored() {
    let emulator = emulator(with_roles_alone());
    let contoso = &*emulator.tenants()[1].id;
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--admin", "--resource", OFFICE]);
    // The token service has not replicated the consent yet.
    emulator.fault(Fault::aadsts(700_016).on("/token"));
    let page = accepted(&waiting, &emulator);
    assert_eq!(heading(&page), "Consent received");
    assert!(!page.contains("is connected"), "{page}");
    let output = waiting.end();
    assert_eq!(out(&output), format!("{contoso}\n"), "{}", err(&output));
    assert!(err(&output).contains("not verified: no app-only token yet: AADSTS700016"));
    assert!(out(&fixture.run(&["tenants", "list", "-o", "text"])).contains(contoso));
}

#[test]
fn unknown_tenant_is_not_stored() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--admin", "--resource", OFFICE]);
    let back = emulator.approve(&waiting.url, ADMIN).unwrap().url;
    let page = waiting.come_back(&back.replace(&*emulator.tenants()[1].id, "11111111-2222-3333-4444-555555555555"));
    assert_eq!(heading(&page), "The tenant is not connected");
    let output = waiting.end();
    fails(
        &output,
        5,
        &["11111111-2222-3333-4444-555555555555 is not connected", "AADSTS90002"],
    );
    assert_eq!(out(&output), "");
    assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn failed_verification_is_not_a_missing_permission() {
    let proof = |emulator: &Emulator| format!("/{}/oauth2/v2.0/token", emulator.tenants()[1].id);
    let emulator_of = |app: App| {
        let emulator = emulator(app);
        emulator.fault(Fault::reset().on(proof(&emulator)).always());
        emulator
    };
    // An administrator consented for the tenant, so it is stored.
    let emulator = emulator_of(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--admin", "--resource", OFFICE, "-o", "json"]);
    assert_eq!(heading(&accepted(&waiting, &emulator)), "Consent received");
    let printed = json(&waiting.end());
    assert_eq!(
        (&printed["proved"], &printed["roles"]),
        (&false.into(), &serde_json::json!([]))
    );
    // A user consented: the tenant is not stored, and no permission is reported as missing.
    for app in [
        with_roles_alone(),
        with_roles_alone().request_scope(OFFICE, "ActivityFeed.Read"),
    ] {
        let emulator = emulator_of(app);
        let fixture = Fixture::new(&emulator);
        let waiting = fixture.start(&["consent", "--resource", OFFICE]);
        let page = accepted(&waiting, &emulator);
        assert_eq!(heading(&page), "The tenant is not connected");
        assert!(!page.contains("no application permissions"), "{page}");
        let output = waiting.end();
        fails(&output, 7, &[]);
        assert!(
            !err(&output).contains("application permissions are granted"),
            "{}",
            err(&output)
        );
        assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
    }
}

#[test]
fn rejected_credential_is_named() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--admin", "--resource", OFFICE]);
    emulator.fault(Fault::aadsts(7_000_215).on("/token"));
    assert_eq!(heading(&accepted(&waiting, &emulator)), "Consent received");
    let output = waiting.end();
    fails(
        &output,
        5,
        &[
            "has consented, but the application gets no token there",
            "AADSTS7000215",
        ],
    );
    assert_eq!(out(&output), "");
    assert!(out(&fixture.run(&["tenants", "list", "-o", "text"])).contains(&*emulator.tenants()[1].id));
}

#[test]
fn redirect_with_the_right_state_ends_the_wait() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    for (words, change, expected) in [
        (
            &["--admin"][..],
            ("admin_consent=True", "admin_consent=False"),
            "admin_consent=True",
        ),
        (&["--v1"], ("code=", "coda="), "neither a code nor an error"),
    ] {
        let waiting = fixture.start(&[&["consent", "--resource", OFFICE], words].concat());
        let back = emulator.approve(&waiting.url, ADMIN).unwrap().url;
        let page = waiting.come_back(&back.replacen(change.0, change.1, 1));
        assert_eq!(heading(&page), "The tenant is not connected");
        fails(&waiting.end(), 9, &[expected]);
    }
    assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn personal_accounts_tenant_is_rejected_before_browser() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    for tenant in [PERSONAL, "consumers"] {
        for words in [&["--v1"][..], &["--v2"], &["--admin"], &["--admin", "--v1"]] {
            let words = [&["consent", "--resource", OFFICE, "--tenant", tenant], words].concat();
            fails(&fixture.run(&words), 3, &["personal Microsoft accounts"]);
        }
    }
}

#[test]
fn idle_connections_do_not_block_the_browser() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    let back = emulator.approve(&waiting.url, ADMIN).unwrap().url;
    let place = waiting.callback();
    let place = place.trim_start_matches("http://").trim_end_matches('/');
    let idle: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(place).unwrap()).collect();
    assert_eq!(heading(&waiting.come_back(&back)), "Tenant connected");
    assert_eq!(waiting.end().status.code(), Some(0));
    drop(idle);
}

#[test]
fn each_granted_permission_is_listed_once() {
    let app = App::new("daemon")
        .request(GRAPH, "User.Read.All")
        .request_scope(GRAPH, "User.Read")
        .request_scope(GRAPH, "User.Read.All");
    let emulator = emulator(app);
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--admin", "--resource", GRAPH, "-o", "json"]);
    accepted(&waiting, &emulator);
    let printed = json(&waiting.end());
    assert_eq!(printed["granted"], serde_json::json!(["User.Read.All", "User.Read"]));
    assert_eq!(printed["roles"], serde_json::json!(["User.Read.All"]));
    assert_eq!(printed["proved"], true);
}

#[test]
fn personal_accounts_tenant_is_never_connected() {
    let emulator = emulator(with_roles_alone().request_scope(OFFICE, "ActivityFeed.Read"));
    let fixture = Fixture::new(&emulator);
    for words in [
        &["--v1"][..],
        &["--v2"],
        &["--admin", "--v1"],
        &["--v1", "--tenant", "live.example"],
    ] {
        let waiting = fixture.start(&[&["consent", "--resource", OFFICE], words].concat());
        let back = emulator.approve(&waiting.url, "mona@live.example").unwrap().url;
        let page = waiting.come_back(&back);
        assert!(
            page.contains("not connected") && page.contains("work or school account"),
            "{page}"
        );
        let output = waiting.end();
        assert_ne!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(out(&output), "");
    }
    assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn response_of_another_tenant_ends_the_wait() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let tenants = emulator.tenants();
    let words = ["consent", "--admin", "--resource", OFFICE, "--tenant", &tenants[1].id];
    let waiting = fixture.start(&words);
    let back = emulator.approve(&waiting.url, ADMIN).unwrap().url;
    let page = waiting.come_back(&back.replace(&*tenants[1].id, &tenants[0].id));
    assert_eq!(heading(&page), "The tenant is not connected");
    fails(&waiting.end(), 9, &["another tenant"]);
    assert_eq!(out(&fixture.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn page_is_styled_and_hides_the_code() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let waiting = fixture.start(&["consent", "--v1", "--resource", OFFICE]);
    let declined = emulator.decline(&waiting.url, ADMIN).unwrap().url;
    let page = waiting.come_back(&declined);
    assert_eq!(heading(&page), "Consent was declined");
    for part in [
        "<html lang=\"en\">",
        "name=\"viewport\"",
        "prefers-color-scheme:dark",
        "role=\"status\"",
        "history.replaceState(null,'',location.pathname)",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // The IDs of the request are separate from the reason.
    let reason = page
        .split_once("role=\"status\"")
        .unwrap()
        .1
        .split_once("</p>")
        .unwrap()
        .0;
    assert!(
        reason.contains("AADSTS65004") && !reason.to_lowercase().contains("trace id"),
        "{reason}"
    );
    // Only scripts with the page's nonce run.
    let nonce = page
        .split_once("script-src 'nonce-")
        .unwrap()
        .1
        .split_once('\'')
        .unwrap()
        .0;
    assert!(nonce.len() >= 32 && page.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(!page.contains("unsafe-inline"), "{page}");
    fails(&waiting.end(), 6, &["AADSTS65004"]);
}

#[test]
fn default_address_and_registration_advice_are_printed() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let consent =
        |words: &[&str]| fixture.run(&[&["consent", "--v1", "--resource", OFFICE, "--wait", "1"], words].concat());
    fails(
        &consent(&["--listen", "localhost:0"]),
        8,
        &[
            "redirect_uri=http%3A%2F%2Flocalhost%3A",
            "AADSTS50011 or AADSTS500113, register the redirect URI http://localhost/ in",
            "platform \"Web\"",
        ],
    );
    fails(
        &consent(&["--listen", "127.0.0.1:0"]),
        8,
        &["replyUrlsWithType", "localhost is simpler"],
    );
    let help = fixture.run(&["consent", "--help"]);
    for expected in [
        "localhost:8400",
        "AADSTS50011",
        "AADSTS500113",
        "platform \"Web\"",
        "Mobile and desktop applications",
    ] {
        assert!(out(&help).contains(expected), "{expected}");
    }
}

#[test]
fn port_in_use_in_one_address_family_is_an_error() {
    let Ok(other) = std::net::TcpListener::bind("[::1]:0") else {
        return skip("ipv6", "this machine has no IPv6");
    };
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let place = format!("localhost:{}", other.local_addr().unwrap().port());
    let output = fixture.run(&["consent", "--v1", "--resource", OFFICE, "--listen", &place]);
    fails(&output, 3, &["another program uses this port"]);
}

#[test]
fn commands_reject_options_without_effect() {
    let emulator = emulator(with_roles_alone());
    let fixture = Fixture::new(&emulator);
    let help = |command: &str| out(&fixture.run(&[command, "--help"])).to_owned();
    let consent = help("consent");
    assert!(
        !consent.contains("AZURE_TENANT_ID") && !consent.contains("--region"),
        "{consent}"
    );
    let assertion = help("assertion");
    for option in ["--secret-file", "--region", "--capability"] {
        assert!(!assertion.contains(option), "{option}");
    }
    fails(
        &fixture.run(&["assertion", "--region", "westeurope"]),
        2,
        &["only affect token requests"],
    );
}
