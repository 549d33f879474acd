//! Tenants without consent or permissions for the application.

use entra_emulator::{App, Emulator};

use crate::collector::fake::{Fake, Reply};
use crate::collector::world::{Folder, collect, collect_at, collect_from, ids, reader, records, tenant, tokens_for};

#[test]
fn tenant_without_consent_is_reported_and_others_finish() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .tenant(tenant("fabrikam.example", 3))
        .app(reader().only_in("fabrikam.example"))
        .start();
    let folder = Folder::new();
    let run = collect(&emulator, &folder, &[]);
    assert!(!run.succeeded);
    let (contoso, fabrikam) = (&emulator.tenants()[0].id, &emulator.tenants()[1].id);
    assert!(
        run.stderr
            .contains(&format!("tenant {contoso}: no token: AADSTS700016")),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("--connect") && run.stdout.contains(contoso.as_str()),
        "{}",
        run.stdout
    );
    let written = records(&folder);
    assert_eq!((written.get(contoso), written[fabrikam].len()), (None, 12));
}

#[test]
fn missing_permission_is_named() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(App::new("collector").grant(Emulator::OFFICE_MANAGEMENT, "ServiceHealth.Read"))
        .start();
    let run = collect(&emulator, &Folder::new(), &[]);
    assert!(!run.succeeded);
    assert!(
        run.stderr.contains("401 AF10001") && run.stderr.contains("ActivityFeed.Read "),
        "{}",
        run.stderr
    );
}

#[test]
fn consent_revoked_in_a_round_ends_one_tenant_only() {
    let emulator = tokens_for(&["contoso.example", "fabrikam.example"]);
    let revoked = emulator.tenants()[0].id.clone();
    let gone = revoked.clone();
    let api = Fake::start(move |seen| {
        if seen.tenant == gone && seen.is("/audit/") && !seen.is("/audit/0") {
            return Some(Reply::error(401, "AF10001"));
        }
        let names: Vec<String> = (0..9).map(|number| format!("{number}{}", &seen.tenant[..4])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        seen.is("/subscriptions/content").then(|| seen.page(&names))
    });
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &["--per-tenant", "1", "--since", "1h"]);
    assert!(!run.succeeded);
    let written = records(&folder);
    assert_eq!((written[&revoked].len(), ids(&folder).len()), (1, 10), "{}", run.stderr);
    let requests = api
        .seen()
        .iter()
        .filter(|seen| seen.tenant == revoked && seen.is("/audit/"))
        .count();
    // One successful request, and five attempts with two tokens each.
    assert!(requests <= 11, "{requests}");
}

#[test]
fn repeated_401_for_a_permitted_token_is_retried() {
    let emulator = tokens_for(&["contoso.example"]);
    let api = Fake::start(|seen| {
        if seen.is("/audit/1") && seen.before < 3 {
            return Some(Reply::error(401, "AF10001"));
        }
        seen.is("/subscriptions/content").then(|| seen.page(&["0", "1", "2"]))
    });
    let folder = Folder::new();
    let run = collect_at(&emulator, &api.url, &folder, &["--per-tenant", "1", "--since", "1h"]);
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(ids(&folder).len(), 3);
}

#[test]
fn tenant_with_two_names_is_collected_once() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let names = format!("contoso.example,{}", emulator.tenant_id());
    let run = collect_from(&emulator, &names, &folder, &[]);
    assert!(
        !run.succeeded && run.stderr.contains("name each tenant once"),
        "{}",
        run.stderr
    );
    let written = &records(&folder)[emulator.tenant_id()];
    assert!(written.len() == 12 && written.values().all(|times| *times == 1));
}

#[test]
fn tenant_named_by_domain_is_collected_by_id() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let run = collect_from(&emulator, "contoso.example", &folder, &[]);
    assert!(run.succeeded, "{}", run.stderr);
    assert_eq!(records(&folder)[emulator.tenant_id()].len(), 12);
}

#[test]
fn missing_dlp_permission_affects_no_other_type() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let types = ["--content-type", "DLP.All", "--content-type", "Audit.General"];
    let run = collect(&emulator, &folder, &types);
    assert!(
        !run.succeeded && run.stderr.contains("DLP.All: the API responded with 401 AF10001"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("permission ActivityFeed.ReadDlp of"),
        "{}",
        run.stderr
    );
    assert_eq!(records(&folder)[emulator.tenant_id()].len(), 3, "{}", run.stderr);
}

/// The subscription exists, and the permission was removed: the address of a content does not name
/// its type.
#[test]
fn forbidden_dlp_content_affects_no_other() {
    let emulator = tokens_for(&["contoso.example"]);
    for path in ["/subscriptions/content?contentType=DLP.All", "/audit/dlp"] {
        for status in [401, 403] {
            let api = Fake::start(move |seen| match seen.path.as_str() {
                at if at.starts_with(path) => Some(Reply::error(status, "AF10001")),
                "/subscriptions/list" => Some(Reply::ok(
                    r#"[{"contentType":"DLP.All"},{"contentType":"Audit.General"},{"contentType":"Audit.Exchange"}]"#,
                )),
                at if at.starts_with("/subscriptions/content?contentType=DLP.All") => Some(seen.page(&["dlp"])),
                at if at.starts_with("/subscriptions/content?contentType=Audit.Exchange") => {
                    Some(seen.page(&["other"]))
                }
                at if at.starts_with("/subscriptions/content") => Some(seen.page(&["general"])),
                _ => None,
            });
            let folder = Folder::new();
            let types = ["--content-type", "DLP.All", "--content-type", "Audit.Exchange"];
            let run = collect_at(&emulator, &api.url, &folder, &types);
            assert!(
                !run.succeeded && run.stderr.contains("permission ActivityFeed.ReadDlp of"),
                "{path} {status}: {}",
                run.stderr
            );
            assert_eq!(ids(&folder), ["general", "other"], "{path} {status}: {}", run.stderr);
        }
    }
}
