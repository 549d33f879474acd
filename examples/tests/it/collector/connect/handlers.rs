//! The connect page without a browser: the requests that it accepts or rejects, and the headers of
//! every response.

use entra_emulator::{Emulator, Fault};
use entra_proto::Body;
use http::header::SET_COOKIE;
use http::{Method, Request};

use super::visitor::{Visitor, assert_is_safe, assert_says, location, text, wait_for};
use super::world::{ADMINISTRATOR, EVERYMAN, World, parts};
use crate::collector::world::PRINCIPAL;

#[test]
fn connected_tenant_is_collected_at_once() {
    let world = World::new();
    let web = world.collect();
    let visitor = Visitor::new(&web);
    let home = text(&visitor.get("/"));
    assert!(home.contains("None yet."), "{home}");
    for step in [
        "renews a one-hour token after 45 min",
        "may take 12 hours",
        "new content every 5 min",
    ] {
        assert!(home.contains(step), "{step}: {home}");
    }

    let url = visitor.connect();
    let office = "/common/oauth2/authorize?";
    assert!(
        url.starts_with(&format!("{}{office}", world.emulator.base_url())),
        "{url}"
    );
    assert!(
        url.contains("response_type=code") && url.contains("resource=https%3A%2F%2Fmanage.office.com&"),
        "{url}"
    );
    let redirect = world.emulator.approve(&url, ADMINISTRATOR).unwrap();
    let back = location(&visitor.get(&redirect.url));
    assert_eq!(back, format!("/?connected={}", world.tenant()));
    let home = text(&visitor.get(&back));
    assert!(
        home.contains(&format!("Tenant {} is connected.", world.tenant())),
        "{home}"
    );
    assert!(home.contains(&format!("connected by {ADMINISTRATOR}")), "{home}");

    // The next round would be in 5 minutes.
    let home = wait_for(&visitor, &world, "good");
    assert!(
        home.contains("Collected ") && home.contains(" records since the collector started."),
        "{home}"
    );
    let records = world.records();
    assert!(
        records.contains(ADMINISTRATOR) && records.contains(EVERYMAN),
        "{records}"
    );
    world.assert_requests_match_the_document(&web);

    // The tenant outlives the process, and no second consent is needed.
    drop(web);
    world.emulator.clear_requests();
    let web = world.collect();
    let visitor = Visitor::new(&web);
    wait_for(&visitor, &world, "good");
    let grants: Vec<_> = world
        .emulator
        .token_requests()
        .into_iter()
        .map(|event| event.grant.unwrap())
        .collect();
    assert_eq!(grants, ["client_credentials"]);
}

#[test]
fn revoked_tenant_is_shown_with_a_hint() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let home = text(&visitor.get("/"));
    assert!(
        home.contains("A collector that runs with the same tenant store"),
        "{home}"
    );
    drop(web);

    world
        .emulator
        .fault(Fault::aadsts(700_016).on("/oauth2/token").always());
    let web = world.collect();
    let visitor = Visitor::new(&web);
    let home = wait_for(&visitor, &world, "failed");
    assert!(
        home.contains("Let an administrator of the tenant connect it again."),
        "{home}"
    );

    // The application itself is blocked: connecting again would not help.
    drop(web);
    world.emulator.clear_faults();
    world
        .emulator
        .fault(Fault::aadsts(7_000_112).on("/oauth2/token").always());
    let web = world.collect();
    let visitor = Visitor::new(&web);
    let home = wait_for(&visitor, &world, "failed");
    assert!(!home.contains("connect it again"), "{home}");
    assert!(web.log().contains("AADSTS7000112"), "{}", web.log());
}

#[test]
fn application_permissions_alone_connect_a_tenant() {
    let world = World::of(|app| app.request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"));
    // The certificate redeems the code as well.
    for more in [&[][..], &[("AZURE_CLIENT_SECRET", "")]] {
        let web = world.start(more);
        let visitor = Visitor::new(&web);
        let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
        let back = location(&visitor.get(&redirect.url));
        assert_eq!(back, format!("/?connected={}", world.tenant()));
        let home = text(&visitor.get(&back));
        assert!(home.contains(&format!("connected by {ADMINISTRATOR}")), "{home}");
    }
}

#[test]
fn tenant_named_by_the_browser_must_be_proved() {
    let world = World::of(|app| app.request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"));
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    // The service redeems no code, so that only the redirect's own parameters are left.
    for endpoint in ["/common/oauth2/token", "/common/oauth2/v2.0/token"] {
        world.emulator.fault(Fault::aadsts(65_001).on(endpoint).always());
    }
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap().url;
    let (before, rest) = redirect.split_once("client_info=").unwrap();
    let after = rest.split_once('&').map_or("", |(_, after)| after);
    // {"utid":"11111111-2222-3333-4444-555555555555"}
    let forged = "eyJ1dGlkIjoiMTExMTExMTEtMjIyMi0zMzMzLTQ0NDQtNTU1NTU1NTU1NTU1In0";
    let response = visitor.get(&format!("{before}client_info={forged}&{after}"));
    assert_says(&response, 400, "Nothing was connected");
    assert!(text(&visitor.get("/")).contains("None yet."));

    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap().url;
    assert_eq!(
        location(&visitor.get(&redirect)),
        format!("/?connected={}", world.tenant())
    );
}

#[test]
fn consent_without_application_permissions_is_incomplete() {
    let world = World::of(|app| app.request_scope(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"));
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    let response = visitor.get(&redirect.url);
    assert_says(&response, 200, "A permission is missing");
    assert!(!text(&response).contains("is connected"));
}

#[test]
fn personal_account_connects_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world
        .emulator
        .approve(&visitor.connect(), "adele@live.example")
        .unwrap();
    let response = visitor.get(&redirect.url);
    assert_says(&response, 400, "Nothing was connected");
    assert!(text(&response).contains("work or school account"));
    assert!(text(&visitor.get("/")).contains("None yet."));
}

#[test]
fn certificate_redeems_the_code_without_a_secret() {
    let world = World::new();
    let web = world.start(&[("AZURE_CLIENT_SECRET", "")]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let tokens = world.emulator.token_requests();
    let has = |name: &str| {
        tokens
            .iter()
            .map(|event| event.form_value(name).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (has("client_assertion"), has("client_secret")),
        (vec![true, true], vec![false, false])
    );
}

#[test]
fn managed_identity_redeems_the_code_without_a_secret() {
    let world = World::new();
    let web = world.start_with_identity();
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    let back = location(&visitor.get(&redirect.url));
    assert_eq!(back, format!("/?connected={}", world.tenant()));
    let tokens = world.emulator.token_requests();
    assert_eq!(tokens.len(), 2);
    for event in tokens {
        assert_eq!(event.form_value("client_secret"), None);
        let [_, claims] = parts(event.form_value("client_assertion").unwrap());
        assert_eq!(claims["sub"], PRINCIPAL);
    }
}

#[test]
fn unknown_redirect_is_rejected_and_uses_no_consent() {
    let world = World::new();
    let web = world.start(&[]);
    let (visitor, other_browser) = (Visitor::new(&web), Visitor::new(&web));
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    let (code, state) = (
        redirect.parameter("code").unwrap(),
        redirect.parameter("state").unwrap(),
    );

    let title = "Nothing was connected";
    let without_cookie = Visitor {
        cookie: "browser=x".to_owned(),
        ..Visitor::new(&web)
    };
    assert_says(&without_cookie.get(&redirect.url), 400, title);
    assert_says(&other_browser.get(&redirect.url), 400, title);
    other_browser.connect();
    assert_says(&other_browser.get(&redirect.url), 400, title);
    for forged in [
        "/myapp/".to_owned(),
        format!("/myapp/?code={code}"),
        format!("/myapp/?code={code}&state="),
        format!("/myapp/?code={code}&state={}", "x".repeat(43)),
        format!("/myapp/?code={code}&state={state}&state={state}"),
        format!("/myapp/?error=access_denied&state={}", "x".repeat(43)),
        "/myapp/?code=%ff".to_owned(),
    ] {
        let response = visitor.get(&forged);
        assert_says(&response, 400, title);
        assert!(!text(&response).contains(&code) && !text(&response).contains(&state));
    }
    assert_eq!(world.emulator.token_requests().len(), 0, "none of them was redeemed");

    location(&visitor.get(&redirect.url));
    assert_says(&visitor.get(&redirect.url), 400, title);
    assert_eq!(world.redeemed_codes(), 1, "it is redeemed once");
}

#[test]
fn wrong_code_is_reported_without_repeating_it() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let url = visitor.connect();
    let state = world
        .emulator
        .approve(&url, ADMINISTRATOR)
        .unwrap()
        .parameter("state")
        .unwrap();
    let response = visitor.get(&format!("/myapp/?code=canarycanary&state={state}"));
    assert_says(&response, 400, "Nothing was connected");
    let page = text(&response);
    assert!(page.contains("AADSTS"), "{page}");
    // The user is not the developer.
    let advice = "What to do:</strong> Show this message to the operator of this application";
    assert!(
        page.contains(advice) && !page.contains("check that the request body"),
        "{page}"
    );
    assert!(!page.contains("canary") && !page.contains(&state) && !page.contains(world.emulator.client_secret()));
    assert!(text(&visitor.get("/")).contains("None yet."));
}

#[test]
fn declined_consent_connects_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    for (user, title) in [
        (ADMINISTRATOR, "Consent was declined"),
        (EVERYMAN, "An administrator has to consent"),
    ] {
        let redirect = world.emulator.decline(&visitor.connect(), user).unwrap();
        assert_says(&visitor.get(&redirect.url), 403, title);
    }
    assert!(text(&visitor.get("/")).contains("None yet."));
    assert_eq!(world.emulator.token_requests().len(), 0);
}

#[test]
fn only_a_declined_consent_is_reported_as_declined() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect_with_error = |error: &str, description: &str| {
        let redirect = world.emulator.decline(&visitor.connect(), ADMINISTRATOR).unwrap();
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("error", error)
            .append_pair("error_description", description)
            .append_pair("state", &redirect.parameter("state").unwrap())
            .finish();
        visitor.get(&format!("/myapp/?{query}"))
    };
    for (error, description) in [
        ("access_denied", "AADSTS65004: User declined to consent."),
        ("access_denied", "the user canceled the authentication"),
        ("access_denied", ""),
        ("permission_denied", ""),
    ] {
        assert_says(&redirect_with_error(error, description), 403, "Consent was declined");
    }
    for (error, description, expected) in [
        (
            "access_denied",
            "AADSTS50105: Users are blocked. Trace ID: t",
            "AADSTS50105 access_denied: Users are blocked (",
        ),
        (
            "access_denied",
            "AADSTS53003: Access is blocked.",
            "AADSTS53003 access_denied: Access is blocked (",
        ),
        ("consent_required", "", "consent_required ("),
    ] {
        let response = redirect_with_error(error, description);
        assert_says(&response, 400, "Nothing was connected");
        let page = text(&response);
        assert!(page.contains(&format!("The reason: {expected}")), "{page}");
        assert!(page.contains("to an administrator of your tenant"), "{page}");
    }
}

#[test]
fn unusable_files_are_reported_at_the_start() {
    let world = World::new();
    let pem = world.folder().join("app.pem");
    let certificate = std::fs::read_to_string(&pem).unwrap();
    let keyless = world.folder().join("app.crt");
    let start = certificate.find("-----BEGIN CERTIFICATE").unwrap();
    let end = certificate.find("-----END CERTIFICATE-----\n").unwrap() + 26;
    std::fs::write(&keyless, &certificate[start..end]).unwrap();
    let log = world.fail(&pem, &[]);
    assert!(
        log.contains("it is of another kind") && log.contains(pem.to_str().unwrap()),
        "{log}"
    );
    let log = world.fail(
        &world.tenants_file(),
        &[("AZURE_CLIENT_CERTIFICATE_PATH", keyless.to_str().unwrap())],
    );
    assert!(
        log.contains("it holds no private key") && log.contains(keyless.to_str().unwrap()),
        "{log}"
    );
}

#[test]
fn foreign_text_is_escaped() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.decline(&visitor.connect(), ADMINISTRATOR).unwrap();
    let state = redirect.parameter("state").unwrap();
    let bold = "%3Cb%20id=x%3E%22%27%26";
    let response = visitor.get(&format!("/myapp/?error={bold}&error_description={bold}&state={state}"));
    let page = text(&response);
    assert!(
        !page.contains("<b ") && page.contains("&#60;b id=x&#62;&#34;&#39;&#38;"),
        "{page}"
    );
    for path in [format!("/?connected={bold}"), format!("/{bold}")] {
        let page = text(&visitor.get(&path));
        assert!(!page.contains("id=x"), "{page}");
    }
}

#[test]
fn form_for_another_browser_is_rejected() {
    let world = World::new();
    let web = world.start(&[]);
    let (visitor, other) = (Visitor::new(&web), Visitor::new(&web));
    for form in [
        "",
        "form_token=",
        "form_token=x",
        &other.form,
        &"form_token=0".repeat(40),
    ] {
        assert_says(
            &visitor.send(Method::POST, "/connect", form),
            403,
            "That form has expired",
        );
    }
    let without_cookie = Visitor {
        cookie: String::new(),
        form: visitor.form.clone(),
        web: &web,
    };
    assert_says(&without_cookie.press("/connect"), 403, "That form has expired");
    assert_eq!(visitor.get("/connect").status(), 405);
    assert_eq!(visitor.send(Method::POST, "/connect", &"x".repeat(5_000)).status(), 413);
    assert_eq!(world.emulator.request_count(), 0);
}

#[test]
fn request_for_another_host_is_rejected() {
    let world = World::new();
    let web = world.start(&[]);
    let other_name = web.url.replace("localhost", "127.0.0.1");
    let response = web.send(Request::get(other_name).body(Body::default()).unwrap());
    assert_says(&response, 421, "This page is at another address");
    assert_is_safe(&response);
    assert!(text(&response).contains(&web.url) && !response.headers().contains_key(SET_COOKIE));
}
