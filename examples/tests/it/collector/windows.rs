//! Windows: at most 24 hours each, at most 7 days back, without gaps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use entra_proto::Timestamp;
use http::Method;

use crate::collector::fake::{Fake, Reply};
use crate::collector::world::{Folder, collect_at, tokens_for};

/// Returns `2026-01-31T23:59:58` in seconds since the epoch.
fn seconds(text: &str) -> u64 {
    let time = humantime::parse_rfc3339(&format!("{text}Z")).unwrap();
    Timestamp::from(time).as_secs()
}

#[test]
fn windows_are_at_most_a_day_long_and_leave_no_gap() {
    let emulator = tokens_for(&["contoso.example"]);
    for (since, days, windows) in [("90m", 0.0625, 1), ("60h", 2.5, 3), ("7d", 7.0, 7)] {
        let (api, folder) = (Fake::start(|_| None), Folder::new());
        let run = collect_at(&emulator, &api.url, &folder, &["--since", since]);
        assert!(run.succeeded, "{}", run.stderr);
        let listed: Vec<(u64, u64)> = api
            .requests("/subscriptions/content")
            .iter()
            .map(|seen| {
                (
                    seconds(&seen.option("startTime").unwrap()),
                    seconds(&seen.option("endTime").unwrap()),
                )
            })
            .collect();
        let now = Timestamp::from(SystemTime::now()).as_secs();
        assert_eq!(listed.len(), windows, "{listed:?}");
        assert!(
            listed.iter().all(|(start, end)| start < end && end - start <= 86_400),
            "{listed:?}"
        );
        assert!(listed.windows(2).all(|pair| pair[0].1 == pair[1].0), "{listed:?}");
        let (first, last) = (listed[0].0, listed[windows - 1].1);
        assert!(now - last < 60, "up to now");
        // The API rejects times older than seven days on arrival of the request.
        assert!(first > now - 7 * 86_400 + 60, "{first}");
        assert!((now - first) as f64 <= days * 86_400.0 + 60.0, "{first}");
    }
}

#[test]
fn only_missing_subscriptions_are_started() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        let listed = r#"[{"contentType":"Audit.Exchange","status":"enabled"},{"contentType":"Audit.General","status":"disabled"},
            {"contentType":"Audit.SharePoint"},{"contentType":"Audit.New","status":"enabled"},{"contentType":null}]"#;
        match seen.path.as_str() {
            "/subscriptions/list" => Some(Reply::ok(listed)),
            // Another process started it first.
            "/subscriptions/start?contentType=Audit.General" => Some(Reply::error(400, "AF20024")),
            _ => None,
        }
    });
    let folder = Folder::new();
    let run = crate::collector::world::collect(&emulator, &folder, &["--api", &api.url]);
    assert!(run.succeeded, "{}", run.stderr);
    let started: Vec<String> = api
        .requests("/subscriptions/start")
        .iter()
        .filter_map(|seen| seen.option("contentType"))
        .collect();
    assert_eq!(started, ["Audit.AzureActiveDirectory", "Audit.General"]);
    assert!(
        api.requests("/subscriptions/start")
            .iter()
            .all(|seen| seen.method == Method::POST)
    );
    let mut listed: Vec<String> = api
        .requests("/subscriptions/content")
        .iter()
        .filter_map(|seen| seen.option("contentType"))
        .collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            "Audit.AzureActiveDirectory",
            "Audit.Exchange",
            "Audit.General",
            "Audit.SharePoint"
        ]
    );
}

#[test]
fn failed_subscription_affects_no_other_type() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| match seen.path.as_str() {
        "/subscriptions/list" => Some(Reply::ok("[]")),
        "/subscriptions/start?contentType=DLP.All" => Some(Reply::error(403, "AF20020")),
        _ if seen.is("/subscriptions/content") => Some(seen.page(&["a"])),
        _ => None,
    });
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &["--content-type", "DLP.All"]);
    assert!(!run.succeeded);
    assert!(
        run.stderr.contains("DLP.All: the API responded with 403 AF20020") && run.stderr.contains("--content-type"),
        "{}",
        run.stderr
    );
    assert_eq!(crate::collector::world::ids(&folder), ["a"]);
}

#[test]
fn publisher_is_named_in_every_request() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| match seen.path.as_str() {
        path if path.starts_with("/subscriptions/list") => Some(Reply::ok("[]")),
        path if path.starts_with("/subscriptions/content") => Some(seen.page(&["a"])),
        _ => None,
    });
    let publisher = "46b472a7-c68e-4adf-8ade-3db49497518e";
    let run = collect_at(&emulator, &api.url, &Folder::new(), &["--publisher", publisher]);
    assert!(run.succeeded, "{}", run.stderr);
    let seen = api.seen();
    assert_eq!(seen.len(), 4);
    assert!(
        seen.iter()
            .all(|seen| seen.option("PublisherIdentifier").as_deref() == Some(publisher)),
        "{seen:?}"
    );
}

#[test]
fn next_run_starts_the_overlap_before_the_last_end() {
    let emulator = tokens_for(&["contoso.example"]);
    let late = AtomicBool::new(false);
    let api = Fake::start(move |seen| {
        // Another content appears late, in a window that was listed before.
        seen.is("/subscriptions/content")
            .then(|| match late.swap(true, Ordering::SeqCst) {
                false => seen.page(&["a", "b"]),
                true => seen.page(&["a", "late", "b"]),
            })
    });
    let folder = Folder::new();
    for _ in 0..2 {
        let run = collect_at(&emulator, &api.url, &folder, &["--since", "6h", "--overlap", "1h"]);
        assert!(run.succeeded, "{}", run.stderr);
    }
    let listed = api.requests("/subscriptions/content");
    let time = |number: usize, name: &str| seconds(&listed[number].option(name).unwrap());
    assert_eq!(time(1, "startTime"), time(0, "endTime") - 3600);
    assert_eq!(
        api.requests("/audit/").len(),
        3,
        "finished content is not fetched again"
    );
    assert_eq!(crate::collector::world::ids(&folder), ["a", "b", "late"]);
}

#[test]
fn window_with_a_failed_content_is_listed_again() {
    let emulator = tokens_for(&["contoso.example"]);
    let broken = AtomicBool::new(true);
    let api = Fake::start(move |seen| match seen.path.as_str() {
        "/audit/a" if broken.swap(false, Ordering::SeqCst) => Some(Reply::error(400, "AF20050")),
        path if path.starts_with("/subscriptions/content") => Some(seen.page(&["a", "b"])),
        _ => None,
    });
    let folder = Folder::new();
    let arguments = ["--since", "30h", "--overlap", "0s"];
    let run = collect_at(&emulator, &api.url, &folder, &arguments);
    assert!(!run.succeeded && run.stderr.contains("400 AF20050"), "{}", run.stderr);
    // The second window lists the same content, and collects it.
    assert_eq!(crate::collector::world::ids(&folder), ["a", "b"]);
    let run = collect_at(&emulator, &api.url, &folder, &arguments);
    assert!(run.succeeded, "{}", run.stderr);
    let listed = api.requests("/subscriptions/content");
    assert_eq!(listed.len(), 4, "both windows again: the first was not complete");
    assert_eq!(crate::collector::world::ids(&folder), ["a", "b"]);
    assert_eq!(api.requests("/audit/").len(), 3);
}
