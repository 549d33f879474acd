//! The folder in which sign-ins and tokens are kept: who may read it, what damage does, and what is used again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use entra_emulator::{Emulator, Fault};

use crate::common::desk::{ANEW, Browser, Desk, ME, MEGAN, done};
use crate::common::{GRAPH, Running, err, fails, out, set_mode};

#[test]
fn nothing_secret_is_printed_or_lies_open() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let browser = Browser::new(desk.folder.path());
    let login = desk.login(MEGAN);
    let said = browser.said();
    // The browser gets no secret and nothing to read.
    assert!(
        !said.contains(emulator.client_secret()) && said.contains("ENTRA_STORE"),
        "{said}"
    );
    let token = desk.run(ANEW);
    let all = [
        err(&login),
        err(&token),
        out(&desk.run(&["accounts", "-o", "text"])),
        out(&desk.run(&["accounts", "-o", "table"])),
        out(&desk.run(&["accounts", "-o", "json"])),
    ]
    .concat();
    assert!(!all.contains("1.R") && !all.contains(out(&token).trim()), "{all}");

    assert_eq!(fs::metadata(desk.store()).unwrap().permissions().mode() & 0o777, 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(desk.store()).unwrap() {
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
fn commands_that_run_at_once_send_one_request() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    done(&desk.run(&["cache", "clear"]));
    let before = desk.token_requests();
    let tokens: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = (0..6).map(|_| scope.spawn(|| desk.run(ME))).collect();
        let outputs = running.into_iter().map(|one| one.join().unwrap());
        outputs
            .map(|output| {
                done(&output);
                out(&output).to_owned()
            })
            .collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(desk.token_requests(), before + 1);
    // Forced, each sends its own, and the account stays usable.
    thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(|| desk.run(ANEW))).collect();
        running.into_iter().for_each(|one| done(&one.join().unwrap()));
    });
    assert_eq!(desk.token_requests(), before + 5);
    done(&desk.run(ANEW));
}

#[test]
fn a_command_that_is_killed_loses_nothing() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    emulator.fault(Fault::delayed(Duration::from_secs(600)).on("/token"));
    let before = desk.token_requests();
    let mut child = Running::start(&mut desk.command(ANEW, &[]));
    desk.wait_for_token_request(before);
    child.kill().unwrap();
    drop(child);
    emulator.clear_faults();
    done(&desk.run(ANEW));
}

#[test]
fn application_tokens_are_kept_if_wanted() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let words = ["token", "--cache", "--resource", GRAPH];
    let first = desk.run(&words);
    done(&first);
    for _ in 0..5 {
        let next = desk.run(&words);
        assert_eq!(out(&next), out(&first));
        assert!(
            err(&next).contains("from the cache") && err(&next).contains("--refresh"),
            "{}",
            err(&next)
        );
    }
    assert_eq!(desk.token_requests(), 1);
    // Whatever changes the token, or shows that it is another application, is another entry.
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
        let before = desk.token_requests();
        done(&desk.run_with(words, more));
        assert_eq!(desk.token_requests(), before + 1, "{words:?}");
    }
    let wrong = desk.run_with(&words, &[("AZURE_CLIENT_SECRET", "another")]);
    fails(&wrong, 5, &["AADSTS7000215"]);
    let cleared = desk.run(&["cache", "clear"]);
    assert!(err(&cleared).contains("cached tokens 5"), "{}", err(&cleared));
    let before = desk.token_requests();
    done(&desk.run(&words));
    assert_eq!(desk.token_requests(), before + 1);
}

#[test]
fn an_expired_token_is_requested_anew() {
    let emulator = Emulator::builder().token_lifetime(Duration::from_secs(2)).start();
    let desk = Desk::new(&emulator);
    let words = ["token", "--cache", "--resource", GRAPH];
    done(&desk.run(&words));
    thread::sleep(Duration::from_secs(2));
    let next = desk.run(&words);
    assert!(!err(&next).contains("from the cache"), "{}", err(&next));
    assert_eq!(desk.token_requests(), 2);
}

#[test]
fn a_folder_that_cannot_be_used_is_told_of() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let login = ["login", "--client-id", desk.cli(), "--no-browser"];
    let cached = ["token", "--cache", "--resource", GRAPH];
    let check = |said: &[&str]| {
        fails(&desk.run(&login), 1, said);
        // A cache is a help.
        let token = desk.run(&cached);
        done(&token);
        assert!(
            err(&token).contains("warning: the cache is not used: "),
            "{}",
            err(&token)
        );
    };
    let store = desk.store();
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o777);
    check(&["state: others can replace", "chmod 700"]);
    set_mode(&store, 0o770);
    check(&["state: others can replace", "chmod 700"]);
    fs::remove_dir(&store).unwrap();
    let elsewhere = desk.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &store).unwrap();
    check(&["is a link", "--store"]);
    fs::remove_file(&store).unwrap();
    fs::write(&store, "x").unwrap();
    check(&["is a file", "--store"]);
    fs::remove_file(&store).unwrap();
    // Only root can give a folder away.
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o700);
    if std::os::unix::fs::chown(&store, Some(12_345), None).is_ok() {
        check(&["belongs to another user"]);
    }
    fs::remove_dir(&store).unwrap();

    let homeless = desk.run_with(&login, &[("ENTRA_STORE", "")]);
    fails(&homeless, 3, &["no home", "--store", "ENTRA_STORE"]);
    let homeless = desk.run_with(&["token", "--account", "--scope", "x"], &[("ENTRA_STORE", "")]);
    fails(&homeless, 3, &["no home", "--store"]);
    let home = desk.folder.path().join("home");
    let listed = desk.run_with(&["accounts"], &[("ENTRA_STORE", ""), ("HOME", home.to_str().unwrap())]);
    done(&listed);
    assert!(!home.exists(), "to look makes no folder");
}

#[test]
fn a_damaged_store_says_how_to_start_anew() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    let (file, key) = (desk.path("sign-ins.redb"), desk.path("sign-ins.key"));
    let (sound, sound_key) = (fs::read(&file).unwrap(), fs::read(&key).unwrap());
    let write = |path: &Path, bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        set_mode(path, 0o600);
    };
    for bytes in [&b""[..], b"x", &sound[..sound.len() / 2], &vec![0xff; 100_000]] {
        write(&file, bytes);
        fails(&desk.run(ME), 1, &["cannot be read", "move it away", "sign in again"]);
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    let mut flipped = sound.clone();
    for byte in flipped.iter_mut().skip(4096).step_by(61) {
        *byte ^= 1;
    }
    write(&file, &flipped);
    assert_ne!(desk.run(ME).status.code(), Some(0));
    let huge = fs::OpenOptions::new().write(true).open(&file).unwrap();
    huge.set_len(100 << 30).unwrap();
    fails(&desk.run(ME), 1, &["larger than sign-ins are", "move it away"]);
    drop(huge);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    fails(&desk.run(ME), 1, &["is a link or no file"]);
    fs::remove_file(&file).unwrap();
    write(&file, &sound);

    // Another key opens nothing; with none, nothing is opened, and all can be removed.
    write(&key, &[7; 32]);
    fails(&desk.run(ME), 4, &["cannot be opened", "sign in again"]);
    write(&key, &sound_key);
    set_mode(&key, 0o644);
    fails(&desk.run(ME), 1, &["others than its owner may read this key"]);
    write(&key, b"short");
    fails(&desk.run(ME), 1, &["does not hold a key", "sign in again"]);
    fs::remove_file(&key).unwrap();
    fails(
        &desk.run(ME),
        4,
        &["cannot be opened: their key is missing", "sign-ins.key"],
    );
    let accounts = desk.run(&["accounts"]);
    assert!(
        err(&accounts).contains("1 of the sign-ins cannot be opened: their key is missing"),
        "{}",
        err(&accounts)
    );
    write(&key, &sound_key);
    done(&desk.run(ME));
    fs::remove_file(&key).unwrap();
    assert!(err(&desk.run(&["logout", "--all"])).contains("sign-ins 1"));
    done(&desk.login(MEGAN));
    done(&desk.run(ME));
}

#[test]
fn a_key_elsewhere_is_used() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let key = desk.folder.path().join("my.key");
    let key = key.to_str().unwrap();
    done(&desk.login_with(&["login", "--client-id", desk.cli(), "--store-key", key], MEGAN));
    assert!(!desk.path("sign-ins.key").exists());
    fails(&desk.run(ME), 4, &["cannot be opened"]);
    done(&desk.run_with(ME, &[("ENTRA_STORE_KEY", key)]));
}

#[test]
fn a_read_only_folder_serves_what_is_there() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    done(&desk.run(ANEW));
    let first = desk.run(ME);
    for name in ["sign-ins.redb", "sign-ins.redb.lock"] {
        set_mode(&desk.path(name), 0o400);
    }
    set_mode(&desk.store(), 0o500);
    let next = desk.run(ME);
    assert_eq!(out(&next), out(&first));
    let forced = desk.run(ANEW);
    done(&forced);
    set_mode(&desk.store(), 0o700);
}
