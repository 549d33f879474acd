//! Pages: all are read, under either name of the header, and at the API's own origin only.

use crate::collector::fake::{Fake, Reply, Seen};
use crate::collector::world::{Folder, collect_at, ids, tokens_for};

/// Starts an API with three pages, linked by this header.
fn three_pages(header: &'static str) -> Fake {
    Fake::start(move |seen: &Seen| {
        if !seen.is("/subscriptions/content") {
            return None;
        }
        let page: usize = seen.option("nextPage").map_or(0, |page| page.parse().unwrap());
        let reply = seen.page(&[["a", "b", "c"][page]]);
        let (origin, tenant) = (&seen.origin, &seen.tenant);
        // The document on troubleshooting writes `v1` here.
        let next = format!(
            "{origin}/api/v1/{tenant}/activity/feed/subscriptions/content?contentType=Audit.General&nextPage={}",
            page + 1
        );
        Some(if page < 2 { reply.with(header, next) } else { reply })
    })
}

#[test]
fn all_pages_are_read_under_both_header_names() {
    let emulator = tokens_for(&["contoso.example"]);
    for header in ["NextPageUri", "NextPageUrl", "nextpageuri"] {
        let (api, folder) = (three_pages(header), Folder::new());
        let run = collect_at(&emulator, &api.url, &folder, &[]);
        assert!(run.succeeded, "{}", run.stderr);
        assert_eq!(ids(&folder), ["a", "b", "c"], "{header}");
    }
}

#[test]
fn token_is_sent_to_no_other_origin() {
    let emulator = tokens_for(&["contoso.example"]);
    let other = Fake::start(|_| None);
    let place = other.url.clone();
    for link in [
        format!("{place}/api/v1.0/t/activity/feed/subscriptions/content"),
        place.replace("127.0.0.1", "localhost"),
        "https://evil.example/".to_owned(),
        "/api/v1.0/relative".to_owned(),
        format!("//{}", place.trim_start_matches("http://")),
        "no address".to_owned(),
    ] {
        let next = link.clone();
        let api = Fake::start(move |seen| {
            seen.is("/subscriptions/content")
                .then(|| seen.page(&["a"]).with("NextPageUri", next.clone()))
        });
        let folder = Folder::new();
        let run = collect_at(&emulator, &api.url, &folder, &[]);
        assert!(
            !run.succeeded && run.stderr.contains("the token is sent to"),
            "{link}: {}",
            run.stderr
        );
        let content = link.clone();
        let api = Fake::start(move |seen| {
            let item = format!(r#"[{{"contentType":"Audit.General","contentId":"a","contentUri":"{content}"}}]"#);
            seen.is("/subscriptions/content").then(|| Reply::ok(item))
        });
        let run = collect_at(&emulator, &api.url, &folder, &[]);
        assert!(
            !run.succeeded && run.stderr.contains("the token is sent to"),
            "{link}: {}",
            run.stderr
        );
        assert!(ids(&folder).is_empty() && other.seen().is_empty(), "{link}");
    }
}

#[test]
fn cycle_of_pages_ends_and_its_content_is_stored() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        let next = format!(
            "{}/api/v1.0/{}/activity/feed/subscriptions/content?nextPage=1",
            seen.origin, seen.tenant
        );
        seen.is("/subscriptions/content")
            .then(|| seen.page(&["a"]).with("NextPageUri", next))
    });
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &[]);
    assert!(
        !run.succeeded && run.stderr.contains("does not end: 2 pages"),
        "{}",
        run.stderr
    );
    assert_eq!(api.requests("/subscriptions/content").len(), 2);
    assert_eq!(ids(&folder), ["a"]);
}

#[test]
fn content_on_two_pages_is_fetched_once() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        let next = format!(
            "{}/api/v1.0/{}/activity/feed/subscriptions/content?contentType=Audit.General&nextPage=1",
            seen.origin, seen.tenant
        );
        match seen.option("nextPage") {
            _ if !seen.is("/subscriptions/content") => None,
            None => Some(seen.page(&["a", "b"]).with("NextPageUri", next)),
            Some(_) => Some(seen.page(&["b", "a", "c"])),
        }
    });
    let folder = Folder::new();
    assert!(collect_at(&emulator, &api.url, &folder, &[]).succeeded);
    assert_eq!(api.requests("/audit/").len(), 3);
    assert_eq!(ids(&folder), ["a", "b", "c"]);
}

/// Returns a page that always names a next one.
fn endless(seen: &Seen) -> Reply {
    let (origin, tenant) = (&seen.origin, &seen.tenant);
    let next = seen.before + 1;
    let next =
        format!("{origin}/api/v1.0/{tenant}/activity/feed/subscriptions/content?contentType=Audit.General&next={next}");
    Reply::ok("[]").with("NextPageUri", next)
}

#[test]
fn window_with_too_many_pages_is_divided() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        if !seen.is("/subscriptions/content") {
            return None;
        }
        let time = |name| {
            let time = humantime::parse_rfc3339(&format!("{}Z", seen.option(name)?));
            Some(time.unwrap())
        };
        let Some((start, end)) = time("startTime").zip(time("endTime")) else {
            return Some(endless(seen));
        };
        let hours = end.duration_since(start).unwrap().as_secs() / 3600;
        let name = format!("of-{}", humantime::format_rfc3339_seconds(start));
        Some(if hours > 12 { endless(seen) } else { seen.page(&[&name]) })
    });
    let folder = Folder::new();
    let arguments = ["--since", "24h", "--overlap", "0s"];
    let run = collect_at(&emulator, &api.url, &folder, &arguments);
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder).len(), 2);
    let listed = api.requests("/subscriptions/content");
    assert_eq!(listed.len(), 1002);
    // The whole day is done.
    let run = collect_at(&emulator, &api.url, &folder, &arguments);
    assert!(run.succeeded, "{}", run.stderr);
    let next = &api.requests("/subscriptions/content")[1002];
    assert_eq!(next.option("startTime"), listed[1001].option("endTime"));
}

#[test]
fn endless_list_is_incomplete() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| seen.is("/subscriptions/content").then(|| endless(seen)));
    let (folder, arguments) = (Folder::new(), ["--since", "2s", "--overlap", "0s", "--summary", "json"]);
    let run = collect_at(&emulator, &api.url, &folder, &arguments);
    assert!(
        !run.succeeded && run.stderr.contains("does not end: 1000 pages"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.contains(r#""windows":0"#), "{}", run.stdout);
    assert_eq!(api.requests("/subscriptions/content").len(), 3000);
}
