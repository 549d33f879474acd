//! Without a browser: what it takes, what it refuses, and what every answer of it has.

use entra_emulator::{Emulator, Fault};
use entra_proto::Body;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response};

use crate::world::{ADMINISTRATOR, EVERYMAN, Web, World};

/// As much of a browser as it takes: a cookie, and the last form's token.
struct Visitor<'a> {
    web: &'a Web,
    cookie: String,
    form: String,
}

impl<'a> Visitor<'a> {
    fn new(web: &'a Web) -> Self {
        let home = web.send(Request::get(&web.url).body(Body::default()).unwrap());
        let cookie = home.headers()[SET_COOKIE].to_str().unwrap();
        let (cookie, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
        let page = text(&home);
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
        let token = rest.split('"').next().unwrap();
        Self {
            web,
            cookie: cookie.to_owned(),
            form: format!("form_token={token}"),
        }
    }

    fn send(&self, method: Method, path: &str, body: &str) -> Response<Body> {
        let url = format!(
            "{}{}",
            self.web.url.trim_end_matches('/'),
            path.strip_prefix(self.web.url.trim_end_matches('/')).unwrap_or(path)
        );
        let request = Request::builder().method(method).uri(url).header(COOKIE, &self.cookie);
        let answer = self.web.send(request.body(Body::from(body.to_owned())).unwrap());
        assert_is_safe(&answer);
        answer
    }

    fn get(&self, path: &str) -> Response<Body> {
        self.send(Method::GET, path, "")
    }

    /// Presses a button: where it leads on this site, or the address of another one.
    fn press(&self, path: &str) -> Response<Body> {
        let response = self.send(Method::POST, path, &self.form);
        let address = response
            .headers()
            .get(LOCATION)
            .and_then(|address| address.to_str().ok());
        match address {
            Some(address) if address.starts_with('/') => self.get(address),
            _ => response,
        }
    }

    /// Where the button leads at Entra.
    fn connect(&self) -> String {
        location(&self.press("/connect"))
    }
}

fn text(response: &Response<Body>) -> String {
    String::from_utf8(response.body().as_bytes().to_vec()).unwrap()
}

fn location(response: &Response<Body>) -> String {
    assert_eq!(response.status(), 303, "{}", text(response));
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// Asserts what every answer has, whatever it is about.
fn assert_is_safe(answer: &Response<Body>) {
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
}

/// Asserts that a message was shown with this status and title, and a way back.
fn assert_says(answer: &Response<Body>, status: u16, title: &str) {
    let page = text(answer);
    assert_eq!(answer.status(), status, "{page}");
    assert!(page.contains(&format!("<h1>{title}</h1>")), "{title:?} in {page}");
    assert!(page.contains("<a id=\"back\" href=\"/\">"), "{page}");
}

#[test]
fn a_tenant_connects_and_is_read_without_anybody_signed_in() {
    let world = World::new();
    let file = world.tenants_file();
    let more = [("TENANTS_FILE", file.to_str().unwrap())];
    let web = world.start(&more);
    let visitor = Visitor::new(&web);
    assert!(text(&visitor.get("/")).contains("None yet."));

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

    let path = format!("/tenants/{}/records", world.tenant());
    let records = text(&visitor.press(&path));
    for shown in [
        ADMINISTRATOR,
        EVERYMAN,
        "UserLoggedIn",
        "Audit.AzureActiveDirectory</td><td data-name=\"Status\">enabled",
    ] {
        assert!(records.contains(shown), "{shown} in {records}");
    }
    world.assert_told_word_for_word(&web);

    // The tenant outlives the process, and its data is there without any consent.
    drop(web);
    world.emulator.clear_requests();
    let web = world.start(&more);
    let visitor = Visitor::new(&web);
    assert!(text(&visitor.get("/")).contains(ADMINISTRATOR));
    let records = text(&visitor.press(&path));
    assert!(records.contains(EVERYMAN), "{records}");
    let grants: Vec<_> = world
        .emulator
        .token_requests()
        .into_iter()
        .map(|event| event.grant.unwrap())
        .collect();
    assert_eq!(grants, ["client_credentials"]);
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
        let records = text(&visitor.press(&format!("/tenants/{}/records", world.tenant())));
        assert!(records.contains(EVERYMAN), "{records}");
    }
}

#[test]
fn a_tenant_that_only_the_browser_names_has_to_be_proved() {
    let world = World::of(|app| app.request(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"));
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    // The service redeems no code, so that the redirect's own words are left.
    for endpoint in ["/common/oauth2/token", "/common/oauth2/v2.0/token"] {
        world.emulator.fault(Fault::aadsts(65_001).on(endpoint).always());
    }
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap().url;
    let (before, rest) = redirect.split_once("client_info=").unwrap();
    let after = rest.split_once('&').map_or("", |(_, after)| after);
    // {"utid":"11111111-2222-3333-4444-555555555555"}
    let forged = "eyJ1dGlkIjoiMTExMTExMTEtMjIyMi0zMzMzLTQ0NDQtNTU1NTU1NTU1NTU1In0";
    let answer = visitor.get(&format!("{before}client_info={forged}&{after}"));
    assert_says(&answer, 400, "Nothing was connected");
    assert!(text(&visitor.get("/")).contains("None yet."));

    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap().url;
    assert_eq!(
        location(&visitor.get(&redirect)),
        format!("/?connected={}", world.tenant())
    );
}

#[test]
fn a_consent_without_application_permissions_is_not_connected() {
    let world = World::of(|app| app.request_scope(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"));
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    let answer = visitor.get(&redirect.url);
    assert_says(&answer, 200, "A permission is missing");
    assert!(!text(&answer).contains("is connected"));
}

#[test]
fn a_personal_account_connects_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world
        .emulator
        .approve(&visitor.connect(), "adele@live.example")
        .unwrap();
    let answer = visitor.get(&redirect.url);
    assert_says(&answer, 400, "Nothing was connected");
    assert!(text(&answer).contains("work or school account"));
    assert!(text(&visitor.get("/")).contains("None yet."));
}

#[test]
fn the_certificate_redeems_the_code_where_there_is_no_secret() {
    let world = World::new();
    let web = world.start(&[
        ("AZURE_CLIENT_SECRET", ""),
        ("AZURE_TENANT_ID", world.emulator.tenant_id()),
    ]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    assert_eq!(
        visitor.press(&format!("/tenants/{}/records", world.tenant())).status(),
        200
    );
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
    let calls = world
        .emulator
        .requests()
        .into_iter()
        .filter(|event| event.path.contains("/activity/feed/"));
    for call in calls {
        let publisher = call
            .query
            .iter()
            .find(|parameter| parameter.name == "PublisherIdentifier");
        assert_eq!(publisher.unwrap().value, world.emulator.tenant_id(), "{}", call.path);
    }
}

#[test]
fn a_redirect_that_nobody_here_waits_for_is_refused_and_costs_the_one_that_is_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    let (visitor, stranger) = (Visitor::new(&web), Visitor::new(&web));
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
    assert_says(&stranger.get(&redirect.url), 400, title);
    stranger.connect();
    assert_says(&stranger.get(&redirect.url), 400, title);
    for forged in [
        "/myapp/".to_owned(),
        format!("/myapp/?code={code}"),
        format!("/myapp/?code={code}&state="),
        format!("/myapp/?code={code}&state={}", "x".repeat(43)),
        format!("/myapp/?code={code}&state={state}&state={state}"),
        format!("/myapp/?error=access_denied&state={}", "x".repeat(43)),
        "/myapp/?code=%ff".to_owned(),
    ] {
        let answer = visitor.get(&forged);
        assert_says(&answer, 400, title);
        assert!(!text(&answer).contains(&code) && !text(&answer).contains(&state));
    }
    assert_eq!(world.emulator.token_requests().len(), 0, "none of them was redeemed");

    location(&visitor.get(&redirect.url));
    assert_says(&visitor.get(&redirect.url), 400, title);
    assert_eq!(world.redeemed_codes(), 1, "it is redeemed once");
}

#[test]
fn a_code_that_is_not_the_one_is_told_without_repeating_it() {
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
    let answer = visitor.get(&format!("/myapp/?code=canarycanary&state={state}"));
    assert_says(&answer, 400, "Nothing was connected");
    let page = text(&answer);
    assert!(page.contains("AADSTS"), "{page}");
    // Whoever reads it has not written the application.
    let advice = "What to do:</strong> Show this message to whoever runs this application";
    assert!(page.contains(advice) && !page.contains("check that the body"), "{page}");
    assert!(!page.contains("canary") && !page.contains(&state) && !page.contains(world.emulator.client_secret()));
    assert!(text(&visitor.get("/")).contains("None yet."));
}

#[test]
fn who_declines_or_may_not_consent_is_told_so_and_nothing_is_connected() {
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
fn only_who_declined_is_told_to_press_the_button_again() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let refuse = |error: &str, description: &str| {
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
        assert_says(&refuse(error, description), 403, "Consent was declined");
    }
    for (error, description, said) in [
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
        let answer = refuse(error, description);
        assert_says(&answer, 400, "Nothing was connected");
        let page = text(&answer);
        assert!(page.contains(&format!("The reason: {said}")), "{page}");
        assert!(page.contains("to an administrator of your tenant"), "{page}");
    }
}

#[test]
fn what_it_cannot_work_with_is_said_before_anybody_consents() {
    let world = World::new();
    let pem = world.folder().join("app.pem");
    let certificate = std::fs::read_to_string(&pem).unwrap();
    let keyless = world.folder().join("app.crt");
    let start = certificate.find("-----BEGIN CERTIFICATE").unwrap();
    let end = certificate.find("-----END CERTIFICATE-----\n").unwrap() + 26;
    std::fs::write(&keyless, &certificate[start..end]).unwrap();
    for (variable, file, why) in [
        ("TENANTS_FILE", &pem, "it is of another kind"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", &keyless, "it holds no private key"),
    ] {
        let said = world.fail(&[(variable, file.to_str().unwrap())]);
        assert!(
            said.contains(why) && said.contains(file.to_str().unwrap()),
            "{variable}: {said}"
        );
    }
}

#[test]
fn what_comes_from_outside_is_shown_as_text() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.decline(&visitor.connect(), ADMINISTRATOR).unwrap();
    let state = redirect.parameter("state").unwrap();
    let bold = "%3Cb%20id=x%3E%22%27%26";
    let answer = visitor.get(&format!("/myapp/?error={bold}&error_description={bold}&state={state}"));
    let page = text(&answer);
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
fn a_form_that_was_not_made_for_this_browser_is_refused() {
    let world = World::new();
    let web = world.start(&[]);
    let (visitor, other) = (Visitor::new(&web), Visitor::new(&web));
    let records = format!("/tenants/{}/records", world.tenant());
    for path in ["/connect", records.as_str()] {
        for form in [
            "",
            "form_token=",
            "form_token=x",
            &other.form,
            &"form_token=0".repeat(40),
        ] {
            assert_says(&visitor.send(Method::POST, path, form), 403, "That form has expired");
        }
        let without_cookie = Visitor {
            cookie: String::new(),
            form: visitor.form.clone(),
            web: &web,
        };
        assert_says(&without_cookie.press(path), 403, "That form has expired");
    }
    assert_eq!(visitor.get("/connect").status(), 405);
    assert_eq!(visitor.send(Method::POST, "/connect", &"x".repeat(5_000)).status(), 413);
    assert_eq!(world.emulator.request_count(), 0);
}

#[test]
fn only_tenants_that_are_connected_are_read() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    for tenant in [world.tenant(), world.emulator.tenant_id(), "x", "..%2f..%2fcommon"] {
        assert_says(
            &visitor.press(&format!("/tenants/{tenant}/records")),
            404,
            "That tenant is not connected",
        );
    }
    assert_says(&visitor.get("/nowhere"), 404, "There is no such page");
    assert_eq!(world.emulator.request_count(), 0);
}

#[test]
fn a_name_that_is_not_ours_leads_nowhere() {
    let world = World::new();
    let web = world.start(&[]);
    let other_name = web.url.replace("localhost", "127.0.0.1");
    let answer = web.send(Request::get(other_name).body(Body::default()).unwrap());
    assert_says(&answer, 421, "Not here");
    assert_is_safe(&answer);
    assert!(text(&answer).contains(&web.url) && !answer.headers().contains_key(SET_COOKIE));
}

#[test]
fn an_api_that_fails_is_told_with_what_to_do_and_the_token_goes_nowhere_else() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let fetch = || {
        let answer = visitor.press(&format!("/tenants/{}/records", world.tenant()));
        (answer.status().as_u16(), text(&answer))
    };
    world.emulator.fault(Fault::status(503).on("/subscriptions/list"));
    let (status, page) = fetch();
    assert!(
        status == 502 && page.contains("503") && page.contains("Try again in a few minutes."),
        "{page}"
    );

    // Another emulator stands for somebody who would like to have the token.
    let thief = Emulator::start();
    let content = format!(r#"[{{"contentUri":"{}/api/v1.0/x"}}]"#, thief.base_url());
    world.emulator.fault(Fault::body(content).on("/subscriptions/content"));
    let (status, page) = fetch();
    assert!(status == 502 && page.contains("none of the origins"), "{page}");
    assert!(!page.contains("when the layer is made"), "{page}");
    assert_eq!(thief.request_count(), 0);

    // A refusal that says nothing, of a gateway say.
    world.emulator.fault(Fault::status(403).on("/subscriptions/list"));
    let (status, page) = fetch();
    assert!(
        status == 502 && page.contains("The API answered 403 Forbidden</p>"),
        "{page}"
    );
    assert!(!page.contains("Look the code up"), "{page}");
    assert_eq!(fetch().0, 200, "it goes on afterwards");
}

/// The list of subscriptions may be behind, and another process may have been faster.
#[test]
fn a_subscription_that_is_enabled_already_is_no_trouble() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let fetch = || visitor.press(&format!("/tenants/{}/records", world.tenant()));
    assert_eq!(fetch().status(), 200);
    world.emulator.fault(Fault::body("[]").on("/subscriptions/list"));
    let again = fetch();
    assert_eq!(again.status(), 200);
    let page = text(&again);
    assert!(
        page.contains("Audit.AzureActiveDirectory") && !page.contains("AF20024"),
        "{page}"
    );
    let events = world.emulator.requests();
    let starts = events
        .iter()
        .filter(|event| event.path.ends_with("/subscriptions/start"));
    assert_eq!(
        starts.map(|event| event.status.as_u16()).collect::<Vec<_>>(),
        [200, 400]
    );
}

/// To connect a tenant again helps where it does not know the application, and not where the application itself is barred.
#[test]
fn only_who_can_help_is_asked_for_help() {
    for (code, helps) in [(700_016, true), (65_001, true), (7_000_112, false)] {
        let world = World::new();
        let file = world.tenants_file();
        let more = [("TENANTS_FILE", file.to_str().unwrap())];
        let web = world.start(&more);
        let visitor = Visitor::new(&web);
        let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
        location(&visitor.get(&redirect.url));
        // Another process, which has no token yet.
        drop(web);
        let web = world.start(&more);
        let visitor = Visitor::new(&web);
        world.emulator.fault(Fault::aadsts(code).on("/oauth2/token"));
        let page = text(&visitor.press(&format!("/tenants/{}/records", world.tenant())));
        assert!(page.contains(&format!("AADSTS{code}")), "{page}");
        let advice = "administrator connect it again";
        assert_eq!(page.contains(advice), helps, "{page}");
    }
}

#[test]
fn what_cannot_be_read_of_the_api_is_never_taken_for_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let fetch = || {
        let answer = visitor.press(&format!("/tenants/{}/records", world.tenant()));
        (answer.status().as_u16(), text(&answer))
    };
    let calls = |end: &str| {
        let events = world.emulator.requests();
        events.iter().filter(|event| event.path.ends_with(end)).count()
    };
    let (not_json, no_list) = ("its answer is not JSON: ", "its answer is no list");
    world.emulator.fault(Fault::body("<html>").on("/subscriptions/start"));
    let (status, page) = fetch();
    assert!(status == 502 && page.contains(not_json), "{page}");
    assert_eq!(fetch().0, 200);
    let started = calls("/subscriptions/start");
    for path in ["/subscriptions/list", "/subscriptions/content", "/audit/"] {
        for (body, why) in [
            ("", not_json),
            ("<html>maintenance</html>", not_json),
            (r#"[{"contentUri":"#, not_json),
            ("null", no_list),
            ("{}", no_list),
        ] {
            world.emulator.fault(Fault::body(body).on(path));
            let (status, page) = fetch();
            assert!(
                status == 502 && page.contains(&format!("The API could not be used: {why}")),
                "{path} {body} {page}"
            );
        }
    }
    for body in ["[[]]", r#"[{"contentUri":7}]"#, r#"[{"contentUri":"http://"}]"#] {
        world.emulator.fault(Fault::body(body).on("/subscriptions/content"));
        let (status, page) = fetch();
        assert!(
            status == 502 && page.contains("The API could not be used: "),
            "{body} {page}"
        );
    }
    assert_eq!(calls("/subscriptions/start"), started, "it was subscribed before");
    assert_eq!(fetch().0, 200, "it goes on afterwards");
}

#[test]
fn records_are_shown_once_each_and_those_without_a_name_all() {
    let world = World::new();
    let web = world.start(&[]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let content = format!(r#"{{"contentUri":"{}/audit/x"}}"#, world.emulator.base_url());
    let fetch = |pieces: &[String]| {
        let list = vec![content.as_str(); pieces.len()].join(",");
        world
            .emulator
            .fault(Fault::body(format!("[{list}]")).on("/subscriptions/content"));
        for piece in pieces {
            world.emulator.fault(Fault::body(piece.as_str()).on("/audit/x"));
        }
        text(&visitor.press(&format!("/tenants/{}/records", world.tenant())))
    };
    let record = |id: usize| format!(r#"{{"Id":"{id}","Operation":"canary","CreationTime":"2015-06-29T20:03:19"}}"#);

    let page = fetch(&[
        format!("[{},{},{}]", record(1), record(2), record(1)),
        format!("[{}]", record(2)),
    ]);
    assert_eq!(page.matches("data-name=\"Operation\">canary</td>").count(), 2, "{page}");
    assert_eq!(
        page.matches(r#"<time datetime="2015-06-29T20:03:19Z">"#).count(),
        2,
        "{page}"
    );
    assert!(!page.contains("There are more of them"), "{page}");

    let page = fetch(&[r#"[{"Operation":"canary"},{"Operation":"canary"}]"#.to_owned()]);
    assert_eq!(page.matches("data-name=\"Operation\">canary</td>").count(), 2, "{page}");
    assert!(!page.contains("<time"), "{page}");

    let many: Vec<String> = (0..201).map(record).collect();
    for (count, more) in [(200, false), (201, true)] {
        let page = fetch(&[format!("[{}]", many[..count].join(","))]);
        assert_eq!(page.matches("data-name=\"Operation\">canary</td>").count(), 200);
        assert_eq!(page.contains("There are more of them"), more, "{count}");
    }
}

#[test]
fn records_of_every_page_are_shown() {
    let world = World::crowded(148);
    // Its home, by which the API counts: it is in each request once, links to next pages included.
    let web = world.start(&[("AZURE_TENANT_ID", world.emulator.tenant_id())]);
    let visitor = Visitor::new(&web);
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let page = text(&visitor.press(&format!("/tenants/{}/records", world.tenant())));
    assert_eq!(
        page.matches("data-name=\"Operation\">UserLoggedIn</td>").count(),
        150,
        "{page}"
    );
    assert!(!page.contains("There are more of them"), "{page}");
    let requests = world.emulator.requests();
    let pages = requests
        .iter()
        .filter(|request| request.path.ends_with("/subscriptions/content"));
    let publishers = pages.map(|request| {
        let publisher = request
            .query
            .iter()
            .filter(|parameter| parameter.name == "PublisherIdentifier");
        publisher.count()
    });
    assert_eq!(publishers.collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn fetched_records_can_be_loaded_again_by_their_browser_only() {
    let world = World::new();
    let web = world.start(&[]);
    let (visitor, other) = (Visitor::new(&web), Visitor::new(&web));
    let redirect = world.emulator.approve(&visitor.connect(), ADMINISTRATOR).unwrap();
    location(&visitor.get(&redirect.url));
    let path = format!("/tenants/{}/records", world.tenant());
    assert_eq!(location(&visitor.get(&path)), "/", "nothing was fetched");
    assert_eq!(location(&visitor.send(Method::POST, &path, &visitor.form)), path);
    let requests = world.emulator.request_count();
    for _ in 0..2 {
        assert!(text(&visitor.get(&path)).contains(EVERYMAN));
    }
    assert_eq!(
        world.emulator.request_count(),
        requests,
        "to look at them fetches nothing"
    );
    assert_eq!(location(&other.get(&path)), "/");
    assert_eq!(location(&visitor.get("/tenants/x/records")), "/");
    let stranger = Visitor {
        cookie: String::new(),
        form: String::new(),
        web: &web,
    };
    assert_eq!(location(&stranger.get(&path)), "/");
}
