//! Faults in memory: the changed response, and the `Delivery` for what a response cannot express.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{Cut, Delivery, Emulator, Fault};

use crate::support::{Response, form, get, token};

const SCOPE: (&str, &str) = ("scope", "https://graph.microsoft.com/.default");

fn response_with(fault: Fault) -> Response {
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    emulator.fault(fault);
    let response = token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE]));
    let after = token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE]));
    assert_eq!(after.status(), 200, "a fault applies once");
    assert_eq!(after.extensions().get::<Delivery>(), None);
    response
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

fn cut(response: &Response) -> Cut {
    response.extensions().get::<Delivery>().unwrap().cut
}

#[test]
fn retry_after_has_both_formats() {
    let response = response_with(Fault::status(429).retry_after(Duration::from_secs(60)));
    assert_eq!(
        (response.status().as_u16(), header(&response, "retry-after")),
        (429, "60")
    );
    let response = response_with(Fault::status(503).retry_after_date(Duration::from_secs(60)));
    assert_eq!(header(&response, "retry-after"), "Tue, 14 Nov 2023 22:14:20 GMT");
    let response = response_with(Fault::aadsts(90033).retry_after(Duration::from_secs(5)));
    assert_eq!(
        (response.status().as_u16(), header(&response, "retry-after")),
        (503, "5")
    );
}

#[test]
fn bodies_and_content_types_are_replaced() {
    let response = response_with(Fault::body("{\"access_token\":").content_type("application/json"));
    assert_eq!(
        (response.status().as_u16(), response.body().as_slice()),
        (200, &b"{\"access_token\":"[..])
    );
    let response = response_with(Fault::typed("text/html"));
    assert_eq!(header(&response, "content-type"), "text/html");
    assert!(response.body().starts_with(b"{\"token_type\""));
    let response = response_with(Fault::redirect(302, "http://evil.example/"));
    assert_eq!(
        (response.status().as_u16(), header(&response, "location")),
        (302, "http://evil.example/")
    );
    assert_eq!(response_with(Fault::redirect(200, "/")).status(), 302);
}

#[test]
fn delivery_describes_network_effects() {
    let response = response_with(Fault::reset());
    assert_eq!(
        (response.status().as_u16(), response.body().len(), cut(&response)),
        (502, 0, Cut::Reset)
    );
    let response = response_with(Fault::truncated(9));
    assert_eq!(
        (response.body().as_slice(), cut(&response)),
        (&b"{\"token_t"[..], Cut::After(9))
    );
    let response = response_with(Fault::huge(70_000));
    assert_eq!((response.body().len(), cut(&response)), (70_000, Cut::Repeated(70_000)));
    let response = response_with(Fault::huge(u64::MAX));
    assert_eq!(response.body().len(), 4 << 20);
    let response = response_with(Fault::endless());
    assert_eq!((response.body().len(), cut(&response)), (4 << 20, Cut::Endless));
    let response = response_with(Fault::body("").cut(Cut::Repeated(3)));
    assert_eq!(response.body().len(), 3);
    let response = response_with(Fault::delayed(Duration::from_secs(3_600)));
    assert_eq!(
        response.extensions().get::<Delivery>().unwrap().latency,
        Some(Duration::from_secs(3_600))
    );
    assert_eq!(response.status(), 200);
}

#[test]
fn dates_are_skewed_against_the_emulators_clock() {
    assert_eq!(
        header(&response_with(Fault::date_ahead(Duration::from_secs(3_600))), "date"),
        "Tue, 14 Nov 2023 23:13:20 GMT"
    );
    assert_eq!(
        header(&response_with(Fault::date_behind(Duration::from_secs(3_600))), "date"),
        "Tue, 14 Nov 2023 21:13:20 GMT"
    );
    response_with(Fault::date_ahead(Duration::MAX));
    response_with(Fault::status(503).retry_after_date(Duration::MAX));
}

#[test]
fn faults_apply_by_path_count_and_order() {
    let emulator = Emulator::builder().build();
    emulator.fault(Fault::status(500).on("/oauth2/v2.0/token").times(2));
    emulator.fault(Fault::status(501));
    emulator.fault(Fault::status(502).on("/keys").always());
    let send = || {
        token(&emulator, "v2.0/token", &form(&emulator, &[SCOPE]))
            .status()
            .as_u16()
    };
    let keys = || get(&emulator, "/common/discovery/keys").status().as_u16();
    assert_eq!(
        [keys(), send(), send(), send(), keys(), keys()],
        [501, 500, 500, 200, 502, 502]
    );
    emulator.clear_faults();
    assert_eq!(keys(), 200);
}
