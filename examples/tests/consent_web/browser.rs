//! In a browser: an administrator's way through the application and Entra's pages, and the ways that lead nowhere.

use entra_emulator::{Emulator, Fault};

use crate::chromium::{Page, in_browser};
use crate::world::{ADMINISTRATOR, EVERYMAN, Web, World};

/// From the application's page to the consent page.
async fn sign_in(page: &Page, web: &Web, user: &str) {
    page.open(&web.url).await;
    page.click("#connect").await;
    page.click(&format!("[data-user='{user}']")).await;
}

async fn connect(page: &Page, web: &Web) {
    sign_in(page, web, ADMINISTRATOR).await;
    page.click("#accept").await;
    page.find("#connected").await;
}

fn tenant_row(world: &World) -> String {
    format!("[data-tenant='{}']", world.tenant())
}

async fn assert_refused(page: &Page, title: &str) {
    // Entra's pages have headings, too.
    page.find("#back").await;
    assert_eq!(page.text("h1").await, title);
    page.click("#back").await;
    page.find("#connect").await;
}

/// A page whose policy forbids what stands in it.
const FORBIDDEN: &str =
    "data:text/html,<meta http-equiv=content-security-policy content=\"style-src 'none'\"><p style=color:red>";

fn token_requests(emulator: &Emulator) -> usize {
    emulator.token_requests().len()
}

#[test]
fn an_administrator_of_another_tenant_connects_it_and_its_records_are_shown() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        sign_in(page, &web, ADMINISTRATOR).await;
        assert_eq!(page.text("#app").await, "Audit Viewer");
        for (kind, expected) in [
            (
                "application",
                ["ActivityFeed.Read of Office 365", "ServiceHealth.Read of Office 365"].as_slice(),
            ),
            ("delegated", ["ActivityFeed.Read of Office 365"].as_slice()),
        ] {
            let shown = page.texts(&format!("[data-kind={kind}][data-permission*='.']")).await;
            assert!(
                shown.len() == expected.len() && shown.iter().zip(expected).all(|(a, b)| a.starts_with(b)),
                "{shown:?}"
            );
        }
        page.keep_picture("consent_web-consent").await;

        page.click("#accept").await;
        assert_eq!(
            page.text("#connected").await,
            format!("Tenant {} is connected.", world.tenant())
        );
        assert!(page.text(&tenant_row(&world)).await.contains(ADMINISTRATOR));
        assert_eq!(
            page.url().await,
            format!("{}?connected={}", web.url, world.tenant()),
            "no code is left there"
        );
        assert_eq!(
            page.cookies().await,
            [serde_json::json!(["browser", "/", true, "Lax", false, 64])]
        );
        page.keep_picture("consent_web-connected").await;

        page.click(&format!("{} button", tenant_row(&world))).await;
        assert_eq!(page.text("#tenant").await, world.tenant());
        let users = page.texts("#records td:nth-child(3)").await;
        assert_eq!(users, [ADMINISTRATOR, EVERYMAN]);
        page.keep_picture("consent_web-records").await;
        page.resize(400, false).await;
        for part in ["#subscriptions", "#records"] {
            let cut = format!(
                "const part = document.querySelector('{part}').parentElement; return part.scrollWidth > part.clientWidth"
            );
            assert!(!page.is(&cut).await, "{part} does not fit the page");
        }
        let named = "return getComputedStyle(document.querySelector('#records td'), '::before').content";
        assert!(page.is(&format!("{named} === '\"Time (UTC)\"'")).await);
        page.keep_picture("consent_web-records-400").await;
        let complaints = page.complaints().await;
        assert!(
            complaints.is_empty(),
            "a policy forbids what a page needs: {complaints:?}"
        );
        page.open(FORBIDDEN).await;
        assert_eq!(page.complaints().await.len(), 1, "what is forbidden is seen");
        world.assert_told_word_for_word(&web);
    });
}

#[test]
fn the_button_leads_on_where_entra_sends_the_browser_elsewhere() {
    let world = World::new();
    let web = world.start(&[]);
    // A tenant's own page to sign in at, say.
    let elsewhere = Emulator::start();
    let there = format!("{}/devicelogin", elsewhere.base_url());
    world
        .emulator
        .fault(Fault::redirect(302, &*there).on("/oauth2/authorize"));
    in_browser(true, async |page| {
        page.open(&web.url).await;
        page.click("#connect").await;
        page.find("form[action='/devicelogin']").await;
        assert_eq!(page.url().await, there);
    });
}

#[test]
fn who_declines_or_may_not_consent_connects_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        sign_in(page, &web, ADMINISTRATOR).await;
        page.click("#accept ~ #cancel").await;
        page.find("#advice").await;
        page.keep_picture("consent_web-declined").await;
        assert_refused(page, "Consent was declined").await;

        sign_in(page, &web, EVERYMAN).await;
        page.click("[data-aadsts='90094'] #cancel").await;
        assert_refused(page, "An administrator has to consent").await;

        assert!(!page.has("[data-tenant]").await);
        assert_eq!(token_requests(&world.emulator), 0);
    });
}

#[test]
fn an_answer_of_entra_is_taken_once_and_in_the_browser_that_asked() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        let redirect_uri = format!("{}myapp/", web.url);
        page.open(&format!("{redirect_uri}?code=x&state=forged")).await;
        assert_refused(page, "Nothing was connected").await;

        // Another browser: one that has lost its cookie.
        sign_in(page, &web, ADMINISTRATOR).await;
        page.find("#accept").await;
        page.forget_cookies(&web.url).await;
        page.click("#accept").await;
        assert_refused(page, "Nothing was connected").await;
        assert_eq!(token_requests(&world.emulator), 0);

        page.visited(&redirect_uri).await;
        connect(page, &web).await;
        let [answer] = page.visited(&format!("{redirect_uri}?")).await.try_into().unwrap();
        assert!(answer.contains("code="), "{answer}");

        // The back button leads to the sign-in of before: done once more, it has the state of before.
        page.back().await;
        page.back().await;
        page.reload().await;
        page.click(&format!("[data-user='{ADMINISTRATOR}']")).await;
        page.click("#accept").await;
        assert_refused(page, "Nothing was connected").await;

        page.open(&answer).await;
        assert_refused(page, "Nothing was connected").await;
        assert!(page.has(&tenant_row(&world)).await);
        assert_eq!(world.redeemed_codes(), 1);
    });
}

#[test]
fn the_keyboard_is_enough() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        page.open(&web.url).await;
        page.enter_at("#connect").await;
        page.enter_at(&format!("[data-user='{ADMINISTRATOR}']")).await;
        page.enter_at("#accept").await;
        page.find("#connected").await;
        page.enter_at(&format!("{} button", tenant_row(&world))).await;
        assert!(page.texts("#records td").await.contains(&EVERYMAN.to_owned()));
        page.enter_at("#back").await;
        page.find("#connect").await;
    });
}

#[test]
fn no_script_is_needed() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(false, async |page| {
        page.open("data:text/html,<p id=a>off</p><script>a.textContent='on'</script>")
            .await;
        assert_eq!(page.text("#a").await, "off");
        connect(page, &web).await;
        page.click(&format!("{} button", tenant_row(&world))).await;
        assert!(page.texts("#records td").await.contains(&EVERYMAN.to_owned()));
        let events = world.emulator.requests();
        let forms = events.iter().filter(|event| {
            let agent = event.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
            event.path == "/signin" && agent.is_some_and(|agent| agent.contains("Chrome"))
        });
        assert_eq!(forms.count(), 2, "the browser chose the account and accepted");
    });
}
