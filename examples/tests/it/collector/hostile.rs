//! Responses that are damaged or malicious.

use std::sync::Arc;

use entra_emulator::{Emulator, Fault};

use crate::collector::fake::{Fake, Reply, record_list};
use crate::collector::world::{Folder, collect, collect_at, ids, reader, records, tenant, tokens_for};

/// Starts an API with the contents `a` and `b`, and with this response for `a`.
fn with_content(respond: impl Fn() -> Reply + Send + Sync + 'static) -> Fake {
    Fake::start(move |seen| match seen.path.as_str() {
        "/audit/a" => Some(respond()),
        path if path.starts_with("/subscriptions/content") => Some(seen.page(&["a", "b"])),
        _ => None,
    })
}

#[test]
fn unreadable_content_affects_no_other() {
    let emulator = tokens_for(&["contoso.example"]);
    let huge: Arc<[u8]> = vec![b' '; 40 << 20].into();
    for (name, body, expected) in [
        ("text", b"<html>".to_vec().into(), "not a complete JSON array"),
        ("object", b"{}".to_vec().into(), "not a complete JSON array"),
        (
            "half",
            record_list(&["x"]).as_bytes()[..40].to_vec().into(),
            "not a complete JSON array",
        ),
        ("deep", vec![b'['; 1 << 20].into(), "not a complete JSON array"),
        ("huge", huge, "larger than 32 MiB"),
    ] as [(&str, Arc<[u8]>, &str); 5]
    {
        let api = with_content(move || Reply::ok(body.to_vec()));
        let folder = Folder::new();
        let run = collect_at(&emulator, &api.url, &folder, &[]);
        assert!(
            !run.succeeded && run.stderr.contains(expected),
            "{name}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(", content a: "), "{name}: {}", run.stderr);
        assert_eq!(ids(&folder), ["b"], "{name}");
    }
}

#[test]
fn content_of_the_wrong_shape_in_a_list_is_reported() {
    let emulator = tokens_for(&["contoso.example"]);
    for body in ["{}", "null", "[5]", r#"[{"contentType":"Audit.General"}]"#, "[", ""] {
        let api = Fake::start(move |seen| seen.is("/subscriptions/content").then(|| Reply::ok(body)));
        let run = collect_at(&emulator, &api.url, &Folder::new(), &[]);
        assert!(
            !run.succeeded && run.stderr.contains("not a list of content"),
            "{body}: {}",
            run.stderr
        );
    }
}

#[test]
fn records_without_an_id_are_all_stored() {
    let emulator = tokens_for(&["contoso.example"]);
    let body =
        r#"[{"Operation":"x"},{"Operation":"x"},{"Id":5},{"Id":"r"},{"Id":"r"},{"Id":"R","CreationTime":"../../x"}]"#;
    let api = with_content(move || Reply::ok(body));
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &[]);
    assert!(run.succeeded, "{}", run.stderr);
    let written = records(&folder).into_values().next().unwrap();
    let written: Vec<(&str, usize)> = written.iter().map(|(id, times)| (id.as_str(), *times)).collect();
    assert_eq!(written, [("", 3), ("R", 1), ("b", 1), ("r", 1)]);
}

#[test]
fn repeated_records_are_written_once() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = with_content(|| Reply::ok(record_list(&["x", "y", "x", "b"])));
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &[]);
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder), ["b", "x", "y"]);
    assert!(
        run.stderr.contains("3 new records (2 repeated) in 2 contents"),
        "{}",
        run.stderr
    );
}

#[test]
fn damaged_responses_are_fetched_again() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 250))
        .app(reader())
        .start();
    for fault in [
        Fault::reset(),
        Fault::truncated(20),
        Fault::truncated(0),
        Fault::status(502),
        Fault::body(""),
    ] {
        for path in ["subscriptions/list", "subscriptions/content", "/audit/"] {
            // The emulator compares the beginning of the path.
            let path = format!(
                "/api/v1.0/{}/activity/feed/{}",
                emulator.tenant_id(),
                path.trim_start_matches('/')
            );
            emulator.fault(fault.clone().on(path).times(2));
        }
        let folder = Folder::new();
        let run = collect(&emulator, &folder, &[]);
        assert!(run.succeeded, "{}", run.stderr);
        assert_eq!(ids(&folder).len(), 1000, "{}", run.stderr);
    }
}

#[test]
fn error_texts_are_shown_without_control_sequences() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = with_content(|| {
        Reply::status(
            400,
            r#"{"error":{"code":"AF20001\u001b[2J","message":"\u001b]0;x\u0007\u202e"}}"#,
        )
    });
    let run = collect_at(&emulator, &api.url, &Folder::new(), &[]);
    assert!(
        !run.succeeded && !run.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{:?}",
        run.stderr
    );
}
