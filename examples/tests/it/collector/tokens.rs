//! Tokens: requested as in the document, and renewed early.

use std::process::Stdio;
use std::time::{Duration, Instant};

use entra_emulator::{App, Emulator};

use crate::collector::fake::{Fake, Reply};
use crate::collector::world::{Folder, Run, collect, command, reader, tenant};

#[test]
fn tokens_are_requested_on_v1_unless_v2_is_named() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .start();
    let requested_path = |arguments: &[&str]| {
        emulator.clear_requests();
        assert!(collect(&emulator, &Folder::new(), arguments).succeeded);
        let requests = emulator.token_requests();
        assert_eq!(requests.len(), 1, "one token serves the whole round");
        assert!(requests[0].lints.is_empty(), "{:?}", requests[0].lints);
        requests[0].path.clone()
    };
    let id = emulator.tenant_id();
    assert_eq!(requested_path(&[]), format!("/{id}/oauth2/token"));
    assert_eq!(
        requested_path(&["--endpoint", "v2"]),
        format!("/{id}/oauth2/v2.0/token")
    );
}

#[test]
fn certificate_is_preferred_to_a_secret() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let pem = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    let folder = Folder::new();
    let path = folder.path().join("app.pem");
    std::fs::write(&path, format!("{}{pem}", key.serialize_pem())).unwrap();
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(
            App::new("collector")
                .without_secrets()
                .certificate_pem(pem)
                .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read"),
        )
        .start();
    let output = command(&emulator, emulator.tenant_id(), &folder)
        .env("AZURE_CLIENT_SECRET", "canary8Q~secret")
        .env("AZURE_CLIENT_CERTIFICATE_PATH", &path)
        .arg("--once")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !stderr.contains("canary"), "{stderr}");
}

#[test]
fn early_renewal_is_logged() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .token_lifetime(Duration::from_secs(8))
        .start();
    let api = Fake::start(|seen| {
        // A slow list, during which the first token ages.
        if seen.is("/subscriptions/content") && seen.before < 40 {
            std::thread::sleep(Duration::from_millis(100));
            let next = format!(
                "{}/api/v1.0/{}/activity/feed/subscriptions/content?contentType=Audit.General&nextPage={}",
                seen.origin, seen.tenant, seen.before
            );
            return Some(Reply::ok("[]").with("NextPageUri", next));
        }
        None
    });
    let arguments = [
        "--api",
        &api.url,
        "--content-type",
        "Audit.General",
        "--renew-after",
        "0.25",
    ];
    let run = collect(&emulator, &Folder::new(), &arguments);
    assert!(run.succeeded, "{}", run.stderr);
    let id = emulator.tenant_id();
    assert!(
        run.stderr
            .contains(&format!("tenant {id}: token acquired, valid for 7 s")),
        "{}",
        run.stderr
    );
    let renewed = run
        .stderr
        .lines()
        .find(|line| line.contains("token renewed after"))
        .expect("a line");
    let number = |after: &str| -> u64 {
        let rest = renewed.split_once(after).unwrap().1;
        rest.trim().split(' ').next().unwrap().parse().unwrap()
    };
    let (after, left) = (number("renewed after"), number("s, "));
    assert!(
        (2..7).contains(&after) && (6..=8).contains(&(after + left)),
        "{renewed}"
    );
    assert!(
        renewed.contains(&format!("tenant {id}: ")) && renewed.ends_with("before its expiry"),
        "{renewed}"
    );
}

#[test]
fn wrong_secret_is_reported_without_repeating_it() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 1))
        .app(reader())
        .start();
    let output = command(&emulator, emulator.tenant_id(), &Folder::new())
        .env("AZURE_CLIENT_SECRET", "canary8Q~secret")
        .arg("--once")
        .output()
        .unwrap();
    let run = Run::of(&emulator, &output);
    assert!(!run.succeeded && run.stderr.contains("AADSTS7000215"), "{}", run.stderr);
    assert!(
        !run.stderr.contains("canary") && !run.stdout.contains("canary"),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn signal_ends_the_continuous_collector() {
    let emulator = Emulator::builder()
        .tenant(tenant("contoso.example", 3))
        .app(reader())
        .start();
    let folder = Folder::new();
    let mut child = command(&emulator, emulator.tenant_id(), &folder)
        .args(["--interval", "100ms"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let lists = || {
        emulator
            .requests()
            .iter()
            .filter(|event| event.path.ends_with("/subscriptions/list"))
            .count()
    };
    while lists() < 3 && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let stopped = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success() && lists() >= 3);
    let status = child.wait().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("contents"));
    assert_eq!(emulator.token_requests().len(), 1);
}
