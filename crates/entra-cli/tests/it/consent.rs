//! `entra consent`, `entra tenants` and `entra token --flow`: a person somewhere in a browser, and the command waiting for him.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use entra_emulator::{Api, App, Emulator, Tenant};
use entra_proto::claims::UnverifiedClaims;
use redb::ReadableTable;
use serde_json::Value;

use crate::common::waiting::{Setting, json};
use crate::common::{GRAPH, entra, err, fails, out, private_folder, run};

const OFFICE: &str = "https://manage.office.com";
const ADMIN: &str = "adele@contoso.onmicrosoft.com";

/// The application of one company, which other tenants have not heard of yet.
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
fn an_administrator_consents_and_the_tenant_is_printed_stored_and_of_use() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let contoso = emulator.tenants()[1].id.clone();
    let before = setting.run(&["token", "--v1", "--resource", OFFICE, "--tenant", &contoso]);
    fails(&before, 5, &["AADSTS700016"]);

    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    assert!(waiting.url.contains("/common/oauth2/authorize?"), "{}", waiting.url);
    let page = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert!(page.contains(&format!("The tenant {contoso} is connected.")), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"));
    let output = waiting.end();
    assert_eq!(out(&output), format!("{contoso}\n"), "{}", err(&output));
    assert!(
        err(&output).contains("with the roles ActivityFeed.Read"),
        "{}",
        err(&output)
    );

    let listed = setting.run(&["tenants", "list", "-o", "text"]);
    for said in [&*contoso, emulator.client_id(), ADMIN, "ActivityFeed.Read", "UTC"] {
        assert!(out(&listed).contains(said), "{said}: {}", out(&listed));
    }
    let after = setting.run(&["token", "--v1", "--resource", OFFICE, "--tenant", &contoso]);
    let claims = UnverifiedClaims::decode(out(&after).trim()).unwrap();
    assert_eq!(claims.roles().collect::<Vec<_>>(), ["ActivityFeed.Read"]);

    let listed = setting.run(&["tenants", "list", "-o", "json"]);
    let listed: Value = serde_json::from_str(out(&listed)).unwrap();
    assert_eq!(listed[0]["consented_by"], ADMIN);
    fails(
        &setting.run(&["tenants", "forget", emulator.tenant_id()]),
        3,
        &["no consent of"],
    );
    fails(
        &setting.run(&["tenants", "forget", "contoso.com"]),
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
    fails(&setting.run(&of_another), 3, &["no consent of"]);
    let of_this = ["tenants", "forget", &contoso, "--client-id", emulator.client_id()];
    assert!(setting.run(&of_this).status.success());
    let listed = setting.run(&["tenants", "list", "-o", "text"]);
    assert_eq!((out(&listed), err(&listed)), ("", "no tenant has consented yet\n"));
}

#[test]
fn every_page_of_consent_ends_with_the_tenant() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let contoso = emulator.tenants()[1].id.clone();
    for (words, path) in [
        (&["--admin"][..], "/organizations/v2.0/adminconsent?"),
        (&["--admin", "--v1"], "/common/adminconsent?"),
        (&["--v2"], "/common/oauth2/v2.0/authorize?"),
    ] {
        let words = [&["consent", "--resource", OFFICE, "-o", "json"], words].concat();
        let waiting = setting.start(&words);
        assert!(waiting.url.contains(path), "{}", waiting.url);
        waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
        let output = waiting.end();
        let answer: Value = json(&output);
        assert_eq!(answer["tenant"], *contoso);
        assert!(err(&output).contains("proved: app-only tokens"), "{}", err(&output));
    }
}

#[test]
fn the_directory_is_where_data_of_this_user_is_kept() {
    let folder = private_folder();
    let home = folder.path();
    // Something else lies there, which is said with its path.
    let place = |path: &str| {
        let file = home.join(path).join("entra").join("tenants.redb");
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "no directory").unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (data, share) = (place("data"), place("user/.local/share"));
    let at = |path: &str| home.join(path).to_str().unwrap().to_owned();
    let (xdg, user) = (at("data"), at("user"));
    for (variables, path) in [
        (&[("XDG_DATA_HOME", &*xdg), ("HOME", &*user)][..], &data),
        (&[("XDG_DATA_HOME", "data"), ("HOME", &*user)], &share),
        (&[("HOME", &*user), ("ENTRA_DIRECTORY", "")], &share),
        (&[("HOME", &*user), ("ENTRA_DIRECTORY", &*data)], &data),
    ] {
        fails(&run(&["tenants", "list"], variables), 1, &[path]);
    }
    fails(
        &run(&["tenants", "list"], &[("HOME", "relative")]),
        3,
        &["--directory", "ENTRA_DIRECTORY"],
    );
}

#[test]
fn a_browser_is_told_that_a_tenant_is_connected_when_it_is_stored() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    // While the browser is away.
    std::fs::write(&setting.directory, "no directory").unwrap();
    let page = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let contoso = &*emulator.tenants()[1].id;
    let said = format!("The tenant {contoso} has consented, but that could not be stored.");
    let path = setting.directory.to_str().unwrap();
    assert!(page.contains(&said) && !page.contains("is connected"), "{page}");
    assert!(!page.contains(path), "{page}");
    fails(&waiting.end(), 1, &[contoso, "is not stored", path]);
}

#[test]
fn the_page_says_what_went_wrong_and_the_command_what_to_do() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let consent = ["consent", "--v1", "--resource", OFFICE];
    let sign_in = ["token", "--flow", "auth-code", "--scope", "User.Read"];
    for words in [&consent[..], &sign_in] {
        let waiting = setting.start(words);
        let redirect = emulator.approve(&waiting.url, "alex@mycompany.example");
        let redirect = redirect.or_else(|_| emulator.approve(&waiting.url, ADMIN)).unwrap();
        let state = redirect.parameter("state").unwrap();
        let stranger = waiting.come_back(&format!("{}?code=x&state=forged", waiting.callback()));
        assert!(
            stranger.contains("another state") && !stranger.contains("take only"),
            "{stranger}"
        );
        let page = waiting.come_back(&format!("{}?code=x&state={state}", waiting.callback()));
        assert!(page.contains("The reason: AADSTS9002313 invalid_grant: "), "{page}");
        assert!(!page.contains("check that the body"), "{page}");
        fails(
            &waiting.end(),
            5,
            &[
                "a redirect was turned away: the redirect has another state",
                "check that the body is a form",
            ],
        );
    }
}

#[test]
fn scopes_of_two_apis_are_no_matter_of_waiting() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let scopes = format!("{OFFICE}/ActivityFeed.Read {GRAPH}/User.Read");
    let waiting = setting.start(&["consent", "--v2", "--scope", &scopes]);
    let redirect = waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert!(redirect.contains("The tenant is not connected"), "{redirect}");
    let output = waiting.end();
    fails(&output, 6, &["not proved: scope", "--admin"]);
    assert!(!err(&output).contains("yet"), "{}", err(&output));
}

#[test]
fn what_is_damaged_is_told_in_one_line_and_can_be_forgotten() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert_eq!(waiting.end().status.code(), Some(0));
    let contoso = &emulator.tenants()[1].id;

    let whole = std::fs::read(&setting.directory).unwrap();
    std::fs::write(&setting.directory, &whole[..4096]).unwrap();
    let output = setting.run(&["tenants", "list", "-o", "text"]);
    fails(&output, 1, &[setting.directory.to_str().unwrap()]);
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    std::fs::write(&setting.directory, whole).unwrap();

    let database = redb::Database::open(&setting.directory).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let records = redb::TableDefinition::<&[u8], &[u8]>::new("tenants");
        let mut records = transaction.open_table(records).unwrap();
        let key = records.first().unwrap().unwrap().0.value().to_vec();
        records.insert(key.as_slice(), b"damage".as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    let output = setting.run(&["tenants", "list", "-o", "text"]);
    assert!(err(&output).contains("or forget it"), "{}", err(&output));
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
    assert_eq!(err(&output).matches(contoso.as_str()).count(), 1, "{}", err(&output));
    let output = setting.run(&["tenants", "forget", contoso]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = setting.run(&["tenants", "list", "-o", "text"]);
    assert_eq!(err(&output).trim(), "no tenant has consented yet");
}

#[cfg(unix)]
#[test]
fn what_the_directory_warns_of_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    assert_eq!(waiting.end().status.code(), Some(0));
    std::fs::set_permissions(&setting.directory, PermissionsExt::from_mode(0o644)).unwrap();
    let output = setting.run(&["tenants", "list", "-o", "text"]);
    let told = format!(
        "warning: others could read this file; its mode is 0600 now; path: {}\n",
        setting.directory.display()
    );
    assert_eq!(err(&output), told);
    let mode = std::fs::metadata(&setting.directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(err(&setting.run(&["tenants", "list", "-o", "text"])), "");
}

/// The disk is full, say, when the administrator is done.
#[test]
fn a_tenant_that_cannot_be_stored_is_named() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    std::fs::write(&setting.directory, "no directory").unwrap();
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let said = format!("{} has consented, but that is not stored: ", emulator.tenants()[1].id);
    fails(&waiting.end(), 1, &[&said]);
}

/// The admin-consent page asks for no credential, and a command on a person's own machine has none.
#[test]
fn where_no_credential_is_set_none_is_needed() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let none = [("AZURE_CLIENT_SECRET", "")];
    let waiting = setting.start_with(&["consent", "--admin", "--resource", OFFICE], &none);
    waiting.come_back(&emulator.approve(&waiting.url, ADMIN).unwrap().url);
    let output = waiting.end();
    assert_eq!(
        out(&output),
        format!("{}\n", emulator.tenants()[1].id),
        "{}",
        err(&output)
    );
    assert!(
        err(&output).contains("not proved, without a credential"),
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
    let waiting = setting.start_with(&words, &none);
    let user = "adele@mycompany.example";
    waiting.come_back(&emulator.approve(&waiting.url, user).unwrap().url);
    let output = waiting.end();
    assert!(out(&output).starts_with("eyJ"), "{}", err(&output));
    // For the others it is.
    let variables = [&setting.variables(), &none[..]].concat();
    let consent = entra(&["consent", "--v1", "--resource", OFFICE], &variables, "");
    fails(&consent, 4, &["no credential"]);
}

#[test]
fn a_declined_consent_stores_nothing() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    for words in [&["--v1"][..], &["--v2"], &["--admin"], &["--admin", "--v1"]] {
        let waiting = setting.start(&[&["consent", "--resource", OFFICE], words].concat());
        let page = waiting.come_back(&emulator.decline(&waiting.url, ADMIN).unwrap().url);
        assert!(page.contains("The tenant is not connected."), "{page}");
        fails(&waiting.end(), 6, &["AADSTS65004"]);
    }
    assert_eq!(out(&setting.run(&["tenants", "list", "-o", "text"])), "");
}

#[test]
fn redirects_that_nobody_asked_for_are_turned_away_and_the_right_one_still_counts() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let waiting = setting.start(&["consent", "--v1", "--resource", OFFICE]);
    let callback = waiting.callback();
    let right = emulator.approve(&waiting.url, ADMIN).unwrap().url;
    for (forged, said) in [
        ("?code=x&state=forged".to_owned(), "another state"),
        ("?code=x".to_owned(), "has no state"),
        ("?error=access_denied&state=forged".to_owned(), "another state"),
        (
            "?admin_consent=True&tenant=x&state=%3Cscript%3E".to_owned(),
            "another state",
        ),
        ("?code=x&amp;state=y".to_owned(), "&amp;amp;"),
        ("?code=x&code=y&state=z".to_owned(), "twice"),
        ("elsewhere?code=x&state=y".to_owned(), "There is nothing here"),
        (String::new(), "There is nothing here"),
    ] {
        let page = waiting.come_back(&format!("{callback}{forged}"));
        assert!(
            page.starts_with("HTTP/1.1 40") && page.contains(said) && !page.contains("<script>"),
            "{forged}: {page}"
        );
    }
    // One that says nothing, and one that is no browser.
    let host = callback
        .strip_prefix("http://")
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let _silent = TcpStream::connect(&host).unwrap();
    let mut other = TcpStream::connect(&host).unwrap();
    other.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n").unwrap();
    // A look ahead, as mail programs take at links, spends nothing.
    let mut ahead = TcpStream::connect(&host).unwrap();
    let path = right.strip_prefix(&callback).unwrap();
    write!(ahead, "HEAD /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    ahead.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 405") && answer.contains("\r\nallow: GET\r\n"),
        "{answer}"
    );
    waiting.come_back(&right);
    let output = waiting.end();
    assert!(output.status.success(), "{}", err(&output));
    assert!(!err(&output).contains("code=x"), "{}", err(&output));
}

#[test]
fn what_cannot_be_waited_for_is_refused_before_a_browser_is_sent_away() {
    let emulator = emulator();
    let setting = Setting::new(&emulator);
    let consent = |words: &[&str]| setting.run(&[&["consent", "--v1", "--resource", OFFICE], words].concat());
    fails(
        &consent(&["--listen", "0.0.0.0:0"]),
        3,
        &["0.0.0.0 is not a loopback address"],
    );
    // An address that stands without its brackets.
    fails(
        &consent(&["--listen", "::1:0"]),
        3,
        &["--listen ::1:0", "write localhost"],
    );
    for nonsense in ["nonsense", "8400", ":8400", "127.0.0.1:80000"] {
        let said = format!("--listen {nonsense}: ");
        fails(
            &consent(&["--listen", nonsense]),
            3,
            &[&said, "write HOST:PORT, such as localhost:8400"],
        );
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fails(
        &consent(&["--listen", &taken]),
        3,
        &["name another port, or 0 for a free one"],
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
            "no browser came back within 1 s",
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
        &setting.run(&named),
        8,
        &["/fabrikam.example/oauth2/v2.0/authorize?", "http://localhost:"],
    );
    let unknown = ["consent", "--admin", "--resource", OFFICE, "--tenant", "common"];
    // The port that it listens at otherwise may be taken.
    let unknown = setting.run(&[&unknown[..], &["--listen", "localhost:0"]].concat());
    fails(&unknown, 3, &["tenant \"common\" is not taken", "organizations"]);
}
