//! The connect page in a browser: an administrator's path through it and through Entra's pages.

use entra_emulator::{Emulator, Fault};

use super::world::{ADMINISTRATOR, EVERYMAN, Web, World};
use crate::support::chromium::{Page, in_browser};

/// Goes from the application's page to the consent page.
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

async fn assert_rejected(page: &Page, title: &str) {
    // Entra's pages have headings, too.
    page.find("#back").await;
    assert_eq!(page.text("h1").await, title);
    page.click("#back").await;
    page.find("#connect").await;
}

/// A page whose policy forbids its own style.
const FORBIDDEN: &str =
    "data:text/html,<meta http-equiv=content-security-policy content=\"style-src 'none'\"><p style=color:red>";

fn token_requests(emulator: &Emulator) -> usize {
    emulator.token_requests().len()
}

#[test]
fn administrator_of_another_tenant_connects_it() {
    let world = World::new();
    let web = world.collect();
    in_browser(true, async |page| {
        sign_in(page, &web, ADMINISTRATOR).await;
        assert_eq!(page.text("#app").await, "Audit Collector");
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
        page.keep_picture("connect-consent").await;

        page.click("#accept").await;
        assert_eq!(
            page.text("#connected").await,
            format!("Tenant {} is connected.", world.tenant())
        );
        assert!(page.text(&tenant_row(&world)).await.contains(ADMINISTRATOR));
        assert_eq!(
            page.url().await,
            format!("{}?connected={}", web.url, world.tenant()),
            "the address holds no code"
        );
        assert_eq!(
            page.cookies().await,
            [serde_json::json!(["browser", "/", true, "Lax", false, 64])]
        );
        page.keep_picture("connect-connected").await;

        // The state is shown as soon as the collector has been there.
        let collected = format!("{}[data-state=good]", tenant_row(&world));
        while !page.has(&collected).await {
            page.reload().await;
        }
        assert!(world.records().contains(EVERYMAN));
        page.keep_picture("connect-collected").await;
        let complaints = page.complaints().await;
        assert!(
            complaints.is_empty(),
            "a policy forbids what a page needs: {complaints:?}"
        );
        page.open(FORBIDDEN).await;
        assert_eq!(page.complaints().await.len(), 1, "policy violations are detected");
        world.assert_requests_match_the_document(&web);
    });
}

#[test]
fn button_follows_entra_to_other_sites() {
    let world = World::new();
    let web = world.start(&[]);
    // For example, a tenant's own sign-in page.
    let other_site = Emulator::start();
    let there = format!("{}/devicelogin", other_site.base_url());
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
fn declined_consent_connects_nothing() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        sign_in(page, &web, ADMINISTRATOR).await;
        page.click("#accept ~ #cancel").await;
        page.find("#advice").await;
        page.keep_picture("connect-declined").await;
        assert_rejected(page, "Consent was declined").await;

        sign_in(page, &web, EVERYMAN).await;
        page.click("[data-aadsts='90094'] #cancel").await;
        assert_rejected(page, "An administrator has to consent").await;

        assert!(!page.has("[data-tenant]").await);
        assert_eq!(token_requests(&world.emulator), 0);
    });
}

#[test]
fn redirect_is_accepted_once_in_its_own_browser() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        let redirect_uri = format!("{}myapp/", web.url);
        page.open(&format!("{redirect_uri}?code=x&state=forged")).await;
        assert_rejected(page, "Nothing was connected").await;

        // This stands for another browser: one that has lost its cookie.
        sign_in(page, &web, ADMINISTRATOR).await;
        page.find("#accept").await;
        page.forget_cookies(&web.url).await;
        page.click("#accept").await;
        assert_rejected(page, "Nothing was connected").await;
        assert_eq!(token_requests(&world.emulator), 0);

        page.visited(&redirect_uri).await;
        connect(page, &web).await;
        let [redirect] = page.visited(&format!("{redirect_uri}?")).await.try_into().unwrap();
        assert!(redirect.contains("code="), "{redirect}");

        // The back button leads to the previous sign-in. Repeated, it has the previous state.
        page.back().await;
        page.back().await;
        page.reload().await;
        page.click(&format!("[data-user='{ADMINISTRATOR}']")).await;
        page.click("#accept").await;
        assert_rejected(page, "Nothing was connected").await;

        page.open(&redirect).await;
        assert_rejected(page, "Nothing was connected").await;
        assert!(page.has(&tenant_row(&world)).await);
        assert_eq!(world.redeemed_codes(), 1);
    });
}

#[test]
fn page_works_with_the_keyboard_alone() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(true, async |page| {
        page.open(&web.url).await;
        page.enter_at("#connect").await;
        page.enter_at(&format!("[data-user='{ADMINISTRATOR}']")).await;
        page.enter_at("#accept").await;
        page.find("#connected").await;
        page.find(&tenant_row(&world)).await;
        // From a message, back to the page.
        page.enter_at("#connect").await;
        page.enter_at(&format!("[data-user='{EVERYMAN}']")).await;
        page.enter_at("#cancel").await;
        page.enter_at("#back").await;
        page.find("#connect").await;
    });
}

#[test]
fn page_works_without_scripts() {
    let world = World::new();
    let web = world.start(&[]);
    in_browser(false, async |page| {
        page.open("data:text/html,<p id=a>off</p><script>a.textContent='on'</script>")
            .await;
        assert_eq!(page.text("#a").await, "off");
        connect(page, &web).await;
        page.find(&tenant_row(&world)).await;
        let events = world.emulator.requests();
        let forms = events.iter().filter(|event| {
            let agent = event.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
            event.path == "/signin" && agent.is_some_and(|agent| agent.contains("Chrome"))
        });
        assert_eq!(forms.count(), 2, "the browser chose the account and accepted");
    });
}

async fn assert_named(page: &Page, role: &str, name: &str) {
    let named = page.accessible().await;
    assert!(
        named.contains(&(role.to_owned(), name.to_owned())),
        "{role} {name} in {named:?}"
    );
}

/// True if every text has the contrast with its background that WCAG 2 requires: 4.5.
const IS_READABLE: &str = r"
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = (...colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = colour => {
    const [r, g, b] = colour.map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const body = getComputedStyle(document.body).backgroundColor;
let lowest = 21;
for (const element of document.querySelectorAll('main *')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    const layers = [];
    for (let one = element; one !== document.body; one = one.parentElement) layers.unshift(getComputedStyle(one).backgroundColor);
    const back = light(rgba(body, ...layers));
    const front = light(rgba(body, ...layers, getComputedStyle(element).color));
    lowest = Math.min(lowest, (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05));
}
return lowest >= 4.5;";

#[test]
fn page_fits_every_screen_in_light_and_dark() {
    let world = World::new();
    let web = world.collect();
    in_browser(true, async |page| {
        connect(page, &web).await;
        let collected = format!("{}[data-state=good]", tenant_row(&world));
        while !page.has(&collected).await {
            page.reload().await;
        }
        assert_named(page, "button", "Connect your tenant").await;
        assert_named(page, "list", "Connected tenants").await;
        assert_named(page, "list", "What the collector does next").await;
        for width in [320, 704, 1200] {
            for (is_dark, scheme) in [(false, "light"), (true, "dark")] {
                page.resize(width, is_dark).await;
                let (needed, _) = page.size().await;
                assert!(needed <= u64::from(width), "{needed} of {width} px");
                assert!(
                    page.is(IS_READABLE).await,
                    "{width} px, {scheme}: a text cannot be read"
                );
                page.keep_picture(&format!("connect-{width}-{scheme}")).await;
            }
        }
        page.open(&format!("{}myapp/?code=x&state=forged", web.url)).await;
        assert_named(page, "link", "Back to the tenants").await;
        for is_dark in [false, true] {
            page.resize(320, is_dark).await;
            assert!(page.size().await.0 <= 320);
            assert!(page.is(IS_READABLE).await);
        }
    });
}
