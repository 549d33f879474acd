//! The store of sign-ins and cached tokens: permissions, damage, and reuse of tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};

use crate::common::session::{Browser, ME, MEGAN, REFRESH, Session, done};
use crate::common::{GRAPH, Running, err, fails, out, set_mode};

#[test]
fn secrets_are_neither_printed_nor_readable() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let browser = Browser::new(session.folder.path());
    let login = session.login(MEGAN);
    let recorded = browser.recorded();
    // The browser gets no secret and an empty standard input.
    assert!(
        !recorded.contains(emulator.client_secret()) && recorded.contains("ENTRA_STORE"),
        "{recorded}"
    );
    let token = session.run(REFRESH);
    let all = [
        err(&login),
        err(&token),
        out(&session.run(&["accounts", "-o", "text"])),
        out(&session.run(&["accounts", "-o", "table"])),
        out(&session.run(&["accounts", "-o", "json"])),
    ]
    .concat();
    assert!(!all.contains("1.R") && !all.contains(out(&token).trim()), "{all}");

    assert_eq!(
        fs::metadata(session.store()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let mut names = Vec::new();
    for entry in fs::read_dir(session.store()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{entry:?}"
        );
        let bytes = fs::read(entry.path()).unwrap();
        for secret in ["1.R", out(&token).trim(), MEGAN, "eyJ"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} lies open in {entry:?}");
        }
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["sign-ins.key", "sign-ins.redb", "sign-ins.redb.lock"]);
}

#[test]
fn concurrent_commands_send_one_request() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    done(&session.run(&["cache", "clear"]));
    let before = session.token_requests();
    let tokens: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = (0..6).map(|_| scope.spawn(|| session.run(ME))).collect();
        let outputs = running.into_iter().map(|one| one.join().unwrap());
        outputs
            .map(|output| {
                done(&output);
                out(&output).to_owned()
            })
            .collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(session.token_requests(), before + 1);
    // With --refresh, each command sends a request, and the account remains usable.
    thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| session.run(REFRESH))).collect();
        running.into_iter().for_each(|one| done(&one.join().unwrap()));
    });
    assert_eq!(session.token_requests(), before + 5);
    done(&session.run(REFRESH));
}

#[test]
fn killed_command_loses_nothing() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    emulator.fault(Fault::delayed(Duration::from_secs(600)).on("/token"));
    let before = session.token_requests();
    let mut child = Running::start(&mut session.command(REFRESH, &[]));
    session.wait_for_token_request(before);
    child.kill().unwrap();
    drop(child);
    emulator.clear_faults();
    done(&session.run(REFRESH));
}

#[test]
fn app_only_tokens_are_cached_on_request() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let words = ["token", "--cache", "--resource", GRAPH];
    let first = session.run(&words);
    done(&first);
    for _ in 0..5 {
        let next = session.run(&words);
        assert_eq!(out(&next), out(&first));
        assert!(
            err(&next).contains("from the cache") && err(&next).contains("--refresh"),
            "{}",
            err(&next)
        );
    }
    assert_eq!(session.token_requests(), 1);
    // All that changes the token, and another credential, has its own entry.
    let office = "https://manage.office.com";
    for (words, more) in [
        (&["token", "--cache", "--resource", office][..], &[][..]),
        (&["token", "--cache", "--resource", GRAPH, "--v1"], &[]),
        (&["token", "--cache", "--resource", GRAPH, "--capability", "cp1"], &[]),
        (
            &[
                "token",
                "--cache",
                "--resource",
                GRAPH,
                "--claims",
                r#"{"access_token":{"nbf":{"essential":true}}}"#,
            ],
            &[],
        ),
        (&["token", "--cache", "--resource", GRAPH, "--refresh"], &[]),
    ] {
        let before = session.token_requests();
        done(&session.run_with(words, more));
        assert_eq!(session.token_requests(), before + 1, "{words:?}");
    }
    let wrong = session.run_with(&words, &[("AZURE_CLIENT_SECRET", "another")]);
    fails(&wrong, 5, &["AADSTS7000215"]);
    let cleared = session.run(&["cache", "clear"]);
    assert!(err(&cleared).contains("cached tokens removed: 5"), "{}", err(&cleared));
    let before = session.token_requests();
    done(&session.run(&words));
    assert_eq!(session.token_requests(), before + 1);
}

#[test]
fn expired_token_is_requested_again() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(2)).start();
    let session = Session::new(&emulator);
    let words = ["token", "--cache", "--resource", GRAPH];
    done(&session.run(&words));
    thread::sleep(Duration::from_secs(2));
    let next = session.run(&words);
    assert!(!err(&next).contains("from the cache"), "{}", err(&next));
    assert_eq!(session.token_requests(), 2);
}

#[test]
fn unusable_folder_is_reported() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let login = ["login", "--client-id", session.cli(), "--no-browser"];
    let cached = ["token", "--cache", "--resource", GRAPH];
    let check = |expected: &[&str]| {
        fails(&session.run(&login), 1, expected);
        // The command works without its cache.
        let token = session.run(&cached);
        done(&token);
        assert!(
            err(&token).contains("warning: the cache is not used: "),
            "{}",
            err(&token)
        );
    };
    let store = session.store();
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o777);
    check(&["state: other users can replace", "chmod 700"]);
    set_mode(&store, 0o770);
    check(&["state: other users can replace", "chmod 700"]);
    fs::remove_dir(&store).unwrap();
    let elsewhere = session.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &store).unwrap();
    check(&["is a link", "--store"]);
    fs::remove_file(&store).unwrap();
    fs::write(&store, "x").unwrap();
    check(&["is a file", "--store"]);
    fs::remove_file(&store).unwrap();
    // Only root can change the owner of a folder.
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o700);
    if std::os::unix::fs::chown(&store, Some(12_345), None).is_ok() {
        check(&["belongs to another user"]);
    }
    fs::remove_dir(&store).unwrap();

    let homeless = session.run_with(&login, &[("ENTRA_STORE", "")]);
    fails(&homeless, 3, &["no home folder", "--store", "ENTRA_STORE"]);
    let homeless = session.run_with(&["token", "--account", "--scope", "x"], &[("ENTRA_STORE", "")]);
    fails(&homeless, 3, &["no home folder", "--store"]);
    let home = session.folder.path().join("home");
    let listed = session.run_with(&["accounts"], &[("ENTRA_STORE", ""), ("HOME", home.to_str().unwrap())]);
    done(&listed);
    assert!(!home.exists(), "to look makes no folder");
}

#[test]
fn damaged_store_names_a_way_to_start_again() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    let (file, key) = (session.path("sign-ins.redb"), session.path("sign-ins.key"));
    let (sound, sound_key) = (fs::read(&file).unwrap(), fs::read(&key).unwrap());
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        set_mode(path, 0o600);
    };
    for bytes in [&b""[..], b"x", &sound[..sound.len() / 2], &vec![0xff; 100_000]] {
        write(&file, bytes);
        fails(
            &session.run(ME),
            1,
            &["cannot be read", "move it away", "sign in again"],
        );
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    let mut flipped = sound.clone();
    for byte in flipped.iter_mut().skip(4096).step_by(61) {
        *byte ^= 1;
    }
    write(&file, &flipped);
    assert_ne!(session.run(ME).status.code(), Some(0));
    let huge = fs::OpenOptions::new().write(true).open(&file).unwrap();
    huge.set_len(100 << 30).unwrap();
    fails(&session.run(ME), 1, &["too large for accounts", "move it away"]);
    drop(huge);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    fails(&session.run(ME), 1, &["must be a file, and not a link"]);
    fs::remove_file(&file).unwrap();
    write(&file, &sound);

    // Another key, or none, cannot decrypt the entries, but they can be removed.
    write(&key, &[7; 32]);
    fails(&session.run(ME), 4, &["cannot be decrypted", "sign in again"]);
    write(&key, &sound_key);
    set_mode(&key, 0o644);
    fails(&session.run(ME), 1, &["users other than its owner can read this key"]);
    write(&key, b"short");
    fails(&session.run(ME), 1, &["does not contain a key", "sign in again"]);
    fs::remove_file(&key).unwrap();
    fails(
        &session.run(ME),
        4,
        &["cannot be decrypted: the key file", "sign-ins.key is missing"],
    );
    let accounts = session.run(&["accounts"]);
    assert!(
        err(&accounts).contains("1 of the accounts cannot be read: the key file"),
        "{}",
        err(&accounts)
    );
    write(&key, &sound_key);
    done(&session.run(ME));
    fs::remove_file(&key).unwrap();
    assert!(err(&session.run(&["logout", "--all"])).contains("accounts removed: 1"));
    done(&session.login(MEGAN));
    done(&session.run(ME));
}

#[test]
fn key_in_another_place_is_used() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    let key = session.folder.path().join("my.key");
    let key = key.to_str().unwrap();
    done(&session.login_with(&["login", "--client-id", session.cli(), "--store-key", key], MEGAN));
    assert!(!session.path("sign-ins.key").exists());
    fails(&session.run(ME), 4, &["cannot be decrypted"]);
    done(&session.run_with(ME, &[("ENTRA_STORE_KEY", key)]));
}

#[test]
fn read_only_folder_serves_cached_tokens() {
    let emulator = Emulator::start();
    let session = Session::new(&emulator);
    done(&session.login(MEGAN));
    done(&session.run(REFRESH));
    let first = session.run(ME);
    for name in ["sign-ins.redb", "sign-ins.redb.lock"] {
        set_mode(&session.path(name), 0o400);
    }
    set_mode(&session.store(), 0o500);
    let next = session.run(ME);
    assert_eq!(out(&next), out(&first));
    let forced = session.run(REFRESH);
    done(&forced);
    set_mode(&session.store(), 0o700);
}
