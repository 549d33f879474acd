//! The error codes of the API, and the features that are not implemented.

use std::time::{Duration, UNIX_EPOCH};

use entra_emulator::{ActivityFeed, App, Config, Emulator, EmulatorBuilder, Fault, Tenant};
use http::Request;
use serde_json::json;

use crate::activity::{MANAGE, SCOPE, TYPE, good, post_as, post_with, seen, token, token_in};
use crate::support::{Response, get, get_as, json_body};

/// Reaches each code with a request.
#[test]
fn every_error_code_can_be_reached() {
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .tenant(Tenant::new("other.example"))
        .tenant(Tenant::new("customers.example").external())
        .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
        .activity(ActivityFeed::new().contents(8).span(Duration::from_secs(7 * 86_400)))
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .build();
    let token = token_in(&emulator, 0);
    let feed = emulator.activity_url();
    let feed_of = |tenant: &str| feed.replace(emulator.tenant_id(), tenant);
    let start =
        |query: &str, body: &str| post_with(&emulator, &format!("{feed}/subscriptions/start{query}"), &token, body);
    let send = |path: &str| get_as(&emulator, &format!("{feed}/{path}"), &token);
    let content = |query: &str| send(&format!("subscriptions/content?contentType=Audit.Exchange{query}"));
    let language = |languages: &[&str]| {
        let request = Request::get(format!("{feed}/resources/dlpSensitiveTypes"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = languages.iter().fold(request, |request, language| {
            request.header("accept-language", *language)
        });
        emulator.handle(request.body(Vec::new()).unwrap())
    };
    let mut reached = std::collections::BTreeSet::new();
    let mut check = |code: &str, status: u16, response: Response| {
        assert_eq!(
            seen(&response),
            (status, code.to_owned()),
            "{}",
            String::from_utf8_lossy(response.body())
        );
        reached.insert(code.to_owned());
    };

    check("AF10001", 401, get(&emulator, &format!("{feed}/subscriptions/list")));
    check("AF10001", 401, start("?contentType=DLP.All", ""));
    check("AF20001", 400, start("", ""));
    check("AF20002", 400, send("subscriptions/list?PublisherIdentifier=x"));
    check("AF20002", 400, start("?contentType=Audit.Exchange", "[]"));
    let webhook = json!({"webhook": {"address": "https://a.example", "expiration": "2001-01-01T00:00:00Z"}});
    check(
        "AF20003",
        400,
        start("?contentType=Audit.Exchange", &webhook.to_string()),
    );
    let other = feed_of(&emulator.tenants()[1].id);
    check(
        "AF20010",
        400,
        get_as(&emulator, &format!("{other}/subscriptions/list"), &token),
    );
    let unknown = feed_of("11111111-2222-3333-4444-555555555555");
    check(
        "AF20011",
        400,
        get_as(&emulator, &format!("{unknown}/subscriptions/list"), &token),
    );
    let customers = feed_of(&emulator.tenants()[2].id);
    check(
        "AF20012",
        400,
        get_as(
            &emulator,
            &format!("{customers}/subscriptions/list"),
            &token_in(&emulator, 2),
        ),
    );
    let domain = feed_of(emulator.domain());
    check(
        "AF20013",
        400,
        get_as(&emulator, &format!("{domain}/subscriptions/list"), &token),
    );
    check("AF20020", 400, start("?contentType=Audit.Nothing", ""));
    let webhook = json!({"webhook": {"address": "http://a.example"}});
    check(
        "AF20021",
        400,
        start("?contentType=Audit.Exchange", &webhook.to_string()),
    );
    check("AF20022", 400, content(""));
    check("enabled", 200, start("?contentType=Audit.SharePoint", ""));
    check("AF20024", 400, start("?contentType=Audit.SharePoint", ""));
    check(
        "",
        200,
        post_as(
            &emulator,
            &format!("{feed}/subscriptions/stop?contentType=Audit.SharePoint"),
            &token,
        ),
    );
    check(
        "AF20023",
        400,
        send("subscriptions/content?contentType=Audit.SharePoint"),
    );
    check("enabled", 200, start("?contentType=Audit.Exchange", ""));
    check("AF20002", 400, content("&startTime=yesterday&endTime=2023-11-14"));
    check("AF20030", 400, content("&startTime=2023-11-14"));
    check("AF20055", 400, content("&startTime=2023-11-01&endTime=2023-11-02"));
    check(
        "AF20055",
        400,
        content("&startTime=2023-11-13&endTime=2023-11-14T00:01"),
    );
    check("AF20031", 400, content("&nextPage=x"));
    check("AF20052", 400, send("audit/nothing"));
    let first = json_body(&content("&startTime=2023-11-08&endTime=2023-11-09"))[0]["contentId"]
        .as_str()
        .unwrap()
        .to_owned();
    check("", 200, send(&format!("audit/{first}")));
    check(
        "AF20050",
        400,
        send(&format!("audit/{}", first.replace("301299000", "301299999"))),
    );
    check("AF20053", 400, language(&["en, de"]));
    check("AF20053", 400, language(&["en", "de"]));
    check("AF20054", 400, language(&["e n"]));
    check("", 200, language(&["es"]));
    emulator.fault(Fault::activity("AF50000"));
    check("AF50000", 500, send("subscriptions/list"));
    emulator.fault(Fault::activity("af429").on("/subscriptions"));
    check("AF429", 403, send("subscriptions/list"));
    emulator.clock().advance(Duration::from_secs(2 * 86_400));
    let token = token_in(&emulator, 0);
    check(
        "AF20051",
        400,
        get_as(&emulator, &format!("{feed}/audit/{first}"), &token),
    );
    assert_eq!(
        reached.iter().filter(|code| code.starts_with("AF")).count(),
        23,
        "{reached:?}"
    );
}

#[test]
fn rejections_and_faults_have_the_text_of_the_reference() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let path = |content_type: &str| {
        let feed = emulator.activity_url();
        format!("{feed}/subscriptions/content?contentType={content_type}")
    };
    let message = |content_type: &str| {
        let response = get_as(&emulator, &path(content_type), &token);
        json_body(&response)["error"]["message"].clone()
    };
    let no_subscription = "No subscription found for the specified content type.";
    assert_eq!(message("Audit.Nothing"), "The specified content type is not valid.");
    assert_eq!(message("Audit.Exchange"), no_subscription);
    emulator.fault(Fault::activity("AF20022"));
    assert_eq!(message("Audit.Nothing"), no_subscription);
}

#[test]
fn sensitive_type_names_are_localized() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let url = format!("{}/resources/dlpSensitiveTypes", emulator.activity_url());
    for (language, name) in [
        (None, "Credit Card Number"),
        (Some("en-US"), "Credit Card Number"),
        (Some("*"), "Credit Card Number"),
        (Some("de-AT;q=0.5"), "Kreditkartennummer"),
        (Some("ES"), "Número de tarjeta de crédito"),
        (Some("sv"), "Credit Card Number"),
    ] {
        let request = Request::get(&url).header("authorization", format!("Bearer {token}"));
        let request = language
            .into_iter()
            .fold(request, |request, language| request.header("accept-language", language));
        let body = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
        assert_eq!(
            body[0],
            json!({"id": "50842eb7-edc8-4019-85dd-5a5c1f2bb085", "name": name}),
            "{language:?}"
        );
    }
}

#[test]
fn unsupported_requests_get_501() {
    let emulator = good();
    let token = token(&emulator, SCOPE);
    let feed = emulator.activity_url();
    let says = |response: &Response, named: &str| {
        assert_eq!(seen(response), (501, "not_emulated".to_owned()));
        let body = json_body(response);
        assert!(
            body["error"]["message"].as_str().unwrap().contains(named),
            "{named}: {body}"
        );
    };
    for (path, named) in [
        ("nothing", "nothing"),
        ("resources/others", "resources/others"),
        ("subscriptions/start", "GET subscriptions/start"),
        ("subscriptions", "subscriptions"),
        ("", "GET"),
        ("subscriptions/list?$top=1", "$top"),
        ("subscriptions/list?contentType=DLP.All", "contentType"),
        ("subscriptions/content?contentType=DLP.All&$filter=x", "$filter"),
        ("subscriptions/list?nextPage=2", "nextPage"),
        ("audit/x?x=1", "'x'"),
    ] {
        says(&get_as(&emulator, &format!("{feed}/{path}"), &token), named);
    }
    says(
        &post_as(&emulator, &format!("{feed}/subscriptions/list"), &token),
        "POST subscriptions/list",
    );
    says(
        &post_as(&emulator, &format!("{feed}/subscriptions/start{TYPE}&x=1"), &token),
        "'x'",
    );
    // None of the requests started a subscription.
    assert_eq!(
        json_body(&get_as(&emulator, &format!("{feed}/subscriptions/list"), &token)),
        json!([])
    );
    let twice = get_as(
        &emulator,
        &format!("{feed}/subscriptions/content{TYPE}&contenttype=DLP.All"),
        &token,
    );
    assert_eq!(seen(&twice).1, "AF20002");
}

#[test]
fn feed_limits_appear_in_errors() {
    let json = |member: &str, number: &str| {
        let config = Config::from_json(&format!(r#"{{"activity": {{"{member}": {number}}}}}"#));
        let built = config.and_then(|config| EmulatorBuilder::from(config).try_build().map(drop));
        built.expect_err(member).to_string()
    };
    for (member, most) in [
        ("contents", "1000000"),
        ("records", "10000"),
        ("page_size", "1000"),
        ("duplicate_records", "500"),
        ("duplicate_contents", "1000"),
        ("requests_per_minute", "4294967295"),
    ] {
        for number in ["4294967296", "18446744073709551615"] {
            let message = json(member, number);
            assert!(message.contains(most) && message.contains(member), "{message}");
        }
    }
    assert!(json("contents", "1000001").contains("must be between 0 and 1000000"));
}
