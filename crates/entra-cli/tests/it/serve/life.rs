//! The life of a server: reload, drain, crash.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};

use super::{Client, Served, is_token, wait};
use crate::common::{GRAPH, private_folder, set_mode, variables};

#[test]
fn hangup_reads_the_credential_again() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let secret = folder.path().join("secret");
    let path = secret.to_str().unwrap();
    let write = |text: &str| {
        fs::write(&secret, text).unwrap();
        set_mode(&secret, 0o600);
    };
    write("not-the-secret");
    let known = &variables(&emulator)[..3];
    let served = Served::start(&["--resource", GRAPH, "--secret-file", path], known);
    let client = served.client();
    assert_eq!(client.ask().0, 400);
    write(emulator.client_secret());
    served.signal("HUP");
    served.wait_for("the settings are read again");
    let token = is_token(&client.ask(), GRAPH);
    // A file that cannot be used changes nothing.
    fs::remove_file(&secret).unwrap();
    served.signal("HUP");
    served.wait_for("warning: the server continues with the earlier settings: ");
    assert_eq!(is_token(&client.ask(), GRAPH), token);
}

#[test]
fn hangup_reads_the_file_again() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let file = folder.path().join("serve.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, format!("resources = [\"{GRAPH}\"]\n")).unwrap();
    let served = Served::start(&["--config", path], &variables(&emulator));
    let client = served.client();
    let other = Emulator::OFFICE_MANAGEMENT;
    assert_eq!(client.ask_for(other, "").0, 403);
    fs::write(&file, format!("resources = [\"{other}\"]\nport = 1\n")).unwrap();
    served.signal("HUP");
    served.wait_for("do not change");
    served.wait_for("the settings are read again");
    assert_eq!(client.ask().0, 403);
    assert_ne!(client.ask_for(other, "").0, 403);
    for broken in ["resources = []", "resource = 1", "nonsense", ""] {
        let before = served.err().matches("continues with the earlier").count();
        fs::write(&file, broken).unwrap();
        served.signal("HUP");
        let count = || served.err().matches("continues with the earlier").count();
        wait(|| count() > before, || served.err());
        assert_ne!(client.ask_for(other, "").0, 403);
    }
}

#[test]
fn requests_in_progress_end_before_the_server() {
    let emulator = Emulator::start();
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let served = Served::start(&["--resource", GRAPH], &variables(&emulator));
        let client = served.client();
        emulator.clear_requests();
        emulator.fault(Fault::delayed(Duration::from_secs(2)).on("/token"));
        let asking = {
            let client = client.clone();
            thread::spawn(move || client.ask())
        };
        // A delayed request is recorded when it arrives or when it ends.
        thread::sleep(Duration::from_millis(700));
        served.signal(name);
        wait(
            || client.try_get("/healthz", &[]).is_err(),
            || "it still accepts".into(),
        );
        is_token(&asking.join().unwrap(), GRAPH);
        assert_eq!(served.end().status.signal(), Some(number));
    }
}

#[test]
fn second_signal_ends_at_once() {
    let emulator = Emulator::start();
    let served = Served::start(&["--resource", GRAPH], &variables(&emulator));
    let client = served.client();
    emulator.fault(Fault::delayed(Duration::from_secs(30)).on("/token"));
    let asking = {
        let client = client.clone();
        let path = format!("/msi/token?api-version=2019-08-01&resource={GRAPH}");
        thread::spawn(move || client.try_get(&path, &[("X-IDENTITY-HEADER", &client.key)]))
    };
    thread::sleep(Duration::from_millis(500));
    let start = std::time::Instant::now();
    served.signal("TERM");
    wait(
        || client.try_get("/healthz", &[]).is_err(),
        || "it still accepts".into(),
    );
    served.signal("TERM");
    assert_eq!(served.end().status.signal(), Some(15));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(asking.join().unwrap().is_err());
}

#[test]
fn many_clients_cause_one_request() {
    let emulator = Emulator::start();
    let served = Served::begin(&["-q", "--resource", GRAPH], &variables(&emulator));
    let client = served.client();
    emulator.clear_requests();
    emulator.fault(Fault::delayed(Duration::from_secs(1)).on("/token"));
    let clients: Vec<_> = (0..1000)
        .map(|_| {
            let client = client.clone();
            let thread = thread::Builder::new().stack_size(128 * 1024);
            thread.spawn(move || client.ask()).unwrap()
        })
        .collect();
    let tokens: Vec<String> = clients
        .into_iter()
        .map(|client| is_token(&client.join().unwrap(), GRAPH))
        .collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(emulator.token_requests().len(), 1);
}

/// Clients see connection errors while the server is down, and nothing else.
#[test]
fn killed_server_comes_back_with_the_same_key() {
    let emulator = Emulator::start();
    let folder = private_folder();
    let key_file = folder.path().join("key");
    let path = key_file.to_str().unwrap().to_owned();
    let known = variables(&emulator);
    let served = Served::begin(&["-q", "--resource", GRAPH, "--key-file", &path], &known);
    let client = served.client();
    let port = client.host.rsplit_once(':').unwrap().1.to_owned();
    let (is_over, served_count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (client, is_over, count) = (client.clone(), Arc::clone(&is_over), Arc::clone(&served_count));
            thread::spawn(move || ask_until(&client, &is_over, &count))
        })
        .collect();
    let mut served = served;
    for _ in 0..3 {
        let before = served_count.load(Ordering::Relaxed);
        wait(
            || served_count.load(Ordering::Relaxed) > before + 50,
            || "no tokens".into(),
        );
        served.signal("KILL");
        served.end();
        let words = ["-q", "--resource", GRAPH, "--key-file", &path, "--port", &port];
        served = Served::begin(&words, &known);
    }
    let before = served_count.load(Ordering::Relaxed);
    wait(|| served_count.load(Ordering::Relaxed) > before + 50, || served.err());
    is_over.store(true, Ordering::Relaxed);
    let broken: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(broken > 0);
}

/// Asks until it is over. Each response must be a token; returns the number of failed connections.
fn ask_until(client: &Client, is_over: &AtomicBool, count: &AtomicUsize) -> usize {
    let path = format!("/msi/token?api-version=2019-08-01&resource={GRAPH}");
    let mut broken = 0;
    while !is_over.load(Ordering::Relaxed) {
        match client.try_get(&path, &[("X-IDENTITY-HEADER", &client.key)]) {
            Ok(response) => {
                is_token(&response, GRAPH);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                broken += 1;
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
    broken
}
