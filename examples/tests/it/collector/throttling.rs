//! Throttling: the tenant waits as long as the service asks for, and the others continue.

use crate::collector::fake::{Fake, Reply};
use crate::collector::world::{Folder, collect_at, ids, tokens_for};

#[test]
fn throttled_requests_are_repeated() {
    let emulator = tokens_for(&["contoso.example"]);
    const DOCUMENTED: &str = "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=x'}}";
    for reply in [
        || Reply::error(403, "AF429").with("Retry-After", "1"),
        || Reply::status(403, DOCUMENTED),
        || Reply::status(429, ""),
        || Reply::status(503, "").with("Retry-After", "1"),
        || Reply::status(503, "<html>"),
        || Reply::error(500, "AF50000"),
    ] as [fn() -> Reply; 6]
    {
        for path in ["/subscriptions/list", "/subscriptions/content", "/audit/a"] {
            let api = Fake::start(move |seen| match seen.path.as_str() {
                at if at.starts_with(path) && seen.before == 0 => Some(reply()),
                at if at.starts_with("/subscriptions/content") => Some(seen.page(&["a", "b"])),
                _ => None,
            });
            let folder = Folder::new();
            let run = collect_at(&emulator, &api.url, &folder, &["--back-off", "100ms"]);
            assert!(
                run.succeeded && run.stderr.contains(": waits "),
                "{path}: {}",
                run.stderr
            );
            assert_eq!(ids(&folder), ["a", "b"], "{path}");
        }
    }
}

#[test]
fn throttled_tenant_does_not_stop_others() {
    let emulator = tokens_for(&["contoso.example", "fabrikam.example"]);
    let throttled = emulator.tenants()[0].id.clone();
    let slow = throttled.clone();
    let api = Fake::start(move |seen| {
        // Longer than a tenant may occupy its slot: it is called again after the other has
        // finished.
        if seen.tenant == slow && seen.is("/subscriptions/list") && seen.before == 0 {
            return Some(Reply::error(403, "AF429").with("Retry-After", "6"));
        }
        let name = if seen.tenant == slow { "slow" } else { "quick" };
        seen.is("/subscriptions/content").then(|| seen.page(&[name]))
    });
    let folder = Folder::new();
    // There is one slot only.
    let run = collect_at(
        &emulator,
        &api.url,
        &folder,
        &["--concurrency", "1", "--per-tenant", "1"],
    );
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder), ["quick", "slow"]);
    let order: Vec<bool> = api
        .requests("/audit/")
        .iter()
        .map(|seen| seen.tenant == throttled)
        .collect();
    assert_eq!(order, [false, true]);
    assert!(run.stderr.contains("others continue"), "{}", run.stderr);
}

#[test]
fn patience_with_a_throttled_tenant_ends() {
    let emulator = tokens_for(&["contoso.example"]);
    for wait in ["1", "600"] {
        let api = Fake::start(move |seen| {
            seen.is("/subscriptions/content")
                .then(|| Reply::error(403, "AF429").with("Retry-After", wait))
        });
        let run = collect_at(&emulator, &api.url, &Folder::new(), &["--patience", "2s"]);
        assert!(!run.succeeded);
        let last = "Audit.General, 20";
        assert!(
            run.stderr.contains(last) && run.stderr.contains("403 AF429"),
            "{}",
            run.stderr
        );
        assert!(
            api.requests("/subscriptions/content").len() <= 3,
            "Retry-After is obeyed"
        );
    }
}

#[test]
fn concurrent_requests_are_bounded() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let emulator = tokens_for(&["contoso.example", "fabrikam.example", "adatum.example"]);
    let folder = Folder::new();
    let run = {
        let api = Fake::start_slow(&NOW, &MOST, |seen| {
            let names: Vec<String> = (0..20).map(|number| format!("{}-{number}", seen.tenant)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            seen.is("/subscriptions/content").then(|| seen.page(&names))
        });
        collect_at(
            &emulator,
            &api.url,
            &folder,
            &["--concurrency", "4", "--per-tenant", "3"],
        )
    };
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder).len(), 60);
    let most = MOST.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
}
