//! Sign-ins that are kept: the whole way, by one process after the other, against an emulator.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use entra_emulator::{App, Emulator, Fault};
use serde_json::Value;

use common::{GRAPH, Running, command, err, fails, out, private_folder, set_mode};

const MEGAN: &str = "megan@contoso.onmicrosoft.com";
const ADELE: &str = "adele@contoso.onmicrosoft.com";
const ME: &[&str] = &["token", "--account", "--scope", "User.Read"];
const ANEW: &[&str] = &["token", "--account", "--scope", "User.Read", "--refresh"];

/// A user of the command: the printed variables of an emulator, and a folder for what is kept.
struct Desk<'a> {
    emulator: &'a Emulator,
    folder: tempfile::TempDir,
}

impl<'a> Desk<'a> {
    fn new(emulator: &'a Emulator) -> Self {
        Self {
            emulator,
            folder: private_folder(),
        }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store().join(name)
    }

    fn variables(&self) -> Vec<(&str, String)> {
        let mut variables: Vec<_> = common::variables(self.emulator)
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect();
        variables.push(("ENTRA_STORE", self.store().display().to_string()));
        variables
    }

    fn run_with(&self, words: &[&str], more: &[(&str, &str)]) -> Output {
        self.command(words, more).output().unwrap()
    }

    fn command(&self, words: &[&str], more: &[(&str, &str)]) -> std::process::Command {
        let variables = self.variables();
        let mut variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        variables.extend_from_slice(more);
        command(words, &variables)
    }

    fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, &[])
    }

    fn cli(&self) -> &str {
        &self.emulator.app("cli").unwrap().client_id
    }

    /// `entra login` for the public application, in a browser that `BROWSER` starts.
    fn login(&self, user: &str) -> Output {
        self.login_with(&["login", "--client-id", self.cli()], user)
    }

    fn login_with(&self, words: &[&str], user: &str) -> Output {
        let browser = Browser::new(self.folder.path());
        let child = Running::start(
            self.command(
                &[words, &["--listen", "localhost:0"]].concat(),
                &[("BROWSER", browser.program.to_str().unwrap())],
            )
            .stdin(std::process::Stdio::null()),
        );
        let url = browser.address();
        let page = self.visit(&url, user);
        assert!(page.contains("You are signed in"), "{page}");
        child.output()
    }

    /// What the browser shows in the end: from the short address to the authority, and back.
    fn visit(&self, short: &str, user: &str) -> String {
        let page = get(short);
        let url = header(&page, "location").expect("it leads on").to_owned();
        get(&self.emulator.approve(&url, user).unwrap().url)
    }

    /// Waits until the service has another request for a token.
    fn wait_for_token_request(&self, before: usize) {
        let since = Instant::now();
        while self.token_requests() == before {
            assert!(since.elapsed() < Duration::from_secs(60), "no token is requested");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn token_requests(&self) -> usize {
        let all = self.emulator.requests();
        all.iter().filter(|request| request.path.ends_with("/token")).count()
    }
}

/// A program for `BROWSER` that notes what it is called with.
struct Browser {
    program: PathBuf,
    called: PathBuf,
}

impl Browser {
    fn new(folder: &Path) -> Self {
        let (program, called) = (folder.join("browser"), folder.join("called"));
        let _ = fs::remove_file(&called);
        let script = format!(
            "#!/bin/sh\n{{ echo $#; echo \"$1\"; env; cat; }} > {0}.new; mv {0}.new {0}\n",
            called.display()
        );
        fs::write(&program, script).unwrap();
        set_mode(&program, 0o700);
        Self { program, called }
    }

    fn said(&self) -> String {
        let since = Instant::now();
        loop {
            match fs::read_to_string(&self.called) {
                Ok(said) => return said,
                Err(_) => assert!(since.elapsed() < Duration::from_secs(60), "no browser was opened"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn address(&self) -> String {
        let said = self.said();
        assert!(said.starts_with("1\n"), "{said}");
        said.lines().nth(1).unwrap().to_owned()
    }
}

/// What this URL of this machine answers, with its head.
fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[track_caller]
fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
}

#[track_caller]
fn json(output: &Output) -> Value {
    done(output);
    serde_json::from_str(out(output)).unwrap()
}

#[test]
fn a_sign_in_outlasts_the_command() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let login = desk.login(MEGAN);
    done(&login);
    assert_eq!(out(&login), "");
    assert!(
        err(&login).contains("megan@contoso.onmicrosoft.com of "),
        "{}",
        err(&login)
    );

    let listed = desk.run(&["accounts"]);
    done(&listed);
    assert!(
        out(&listed).starts_with(MEGAN) && out(&listed).contains(desk.cli()),
        "{}",
        out(&listed)
    );
    let listed = json(&desk.run(&["accounts", "-o", "json"]));
    assert_eq!(listed[0]["username"], MEGAN);
    assert_eq!(listed[0]["tenant"], emulator.tenant_id());
    assert_eq!(listed[0]["public"], true);

    // The token of the sign-in serves first.
    let before = desk.token_requests();
    let first = desk.run(ME);
    done(&first);
    assert_eq!(desk.token_requests(), before);
    done(&desk.run(&["cache", "clear"]));
    let token = desk.run(ME);
    assert_ne!(out(&token), out(&first));
    assert_eq!(desk.token_requests(), before + 1);
    let again = desk.run(&["token", "--account", MEGAN, "--scope", "User.Read", "-o", "json"]);
    let again = json(&again);
    assert_eq!(again["access_token"], out(&token).trim());
    assert_eq!((&again["cached"], &again["username"]), (&true.into(), &MEGAN.into()));
    assert_eq!(desk.token_requests(), before + 1);
    let fresh = desk.run(ANEW);
    assert_ne!(out(&fresh), out(&token));
    assert_eq!(desk.token_requests(), before + 2);
    let decoded = common::entra(&["decode"], &[], out(&token));
    assert!(out(&decoded).contains(MEGAN), "{}", out(&decoded));

    done(&desk.run(&["logout"]));
    fails(&desk.run(ME), 4, &["no user is signed in", "entra login"]);
}

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
        out(&desk.run(&["accounts"])),
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
fn the_printed_lines_of_an_emulator_are_enough() {
    let mut emulator = Running::serve(&["emulator", "--control", "0"]);
    let printed = BufReader::new(emulator.stdout.take().unwrap());
    let mut variables = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())];
    let mut cli = String::new();
    for line in printed.lines() {
        let line = line.unwrap();
        if let Some((_, id)) = line.split_once("entra login --client-id ") {
            cli = id.to_owned();
        }
        let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) else {
            continue;
        };
        variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        if name == "ENTRA_EMULATOR_CONTROL_KEY" {
            break;
        }
    }
    let value = |wanted: &str| variables.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    let (control, key) = (value("ENTRA_EMULATOR_CONTROL"), value("ENTRA_EMULATOR_CONTROL_KEY"));
    let (daemon, folder) = (value("AZURE_CLIENT_ID"), private_folder());
    variables.push(("ENTRA_STORE".to_owned(), folder.path().join("s").display().to_string()));
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    // To the application that is printed for it, and to the first, with its secret.
    for (words, client_id) in [(&["login", "--client-id", &cli][..], &cli), (&["login"], &daemon)] {
        let words = [words, &["--no-browser", "--listen", "localhost:0"]].concat();
        let mut child = Running::start(&mut command(&words, &variables));
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut url = String::new();
        while !url.starts_with("http") {
            url.clear();
            assert_ne!(said.read_line(&mut url).unwrap(), 0, "it has ended");
        }
        let approval = serde_json::json!({ "url": url.trim(), "user": MEGAN });
        let approved = post(&format!("{control}/v1/approvals"), &key, &approval);
        let page = get(approved["redirect_url"]
            .as_str()
            .unwrap_or_else(|| panic!("{approved}")));
        assert!(page.contains("You are signed in"), "{page}");
        done(&child.output());
        let words = [
            "token",
            "--account",
            "--client-id",
            client_id,
            "--scope",
            "User.Read",
            "--refresh",
        ];
        done(&common::run(&words, &variables));
    }
}

/// The JSON that this URL of this machine answers to JSON.
fn post(url: &str, key: &str, body: &Value) -> Value {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let (mut stream, body) = (std::net::TcpStream::connect(host).unwrap(), body.to_string());
    write!(
        stream,
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
}

#[test]
fn a_device_code_signs_in_too() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let words = ["login", "--device-code", "--client-id", desk.cli(), "-o", "json"];
    let mut child = Running::start(&mut desk.command(&words, &[]));
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let code = line
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
        .unwrap_or_else(|| panic!("{line}"));
    emulator.approve_device(code, MEGAN).unwrap();
    let output = child.output();
    assert_eq!(json(&output)["username"], MEGAN);
    done(&desk.run(ME));
}

#[test]
fn a_confidential_application_needs_its_secret_each_time() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login_with(&["login"], MEGAN));
    assert_eq!(json(&desk.run(&["accounts", "-o", "json"]))[0]["public"], false);
    done(&desk.run(ME));
    let without = desk.run_with(ANEW, &[("AZURE_CLIENT_SECRET", "")]);
    fails(&without, 4, &["no credential"]);
}

#[test]
fn of_several_accounts_one_is_named() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    done(&desk.login(ADELE));
    let both = desk.run(ME);
    fails(&both, 2, &["2 accounts fit", MEGAN, ADELE, "--account USER"]);
    done(&desk.run(&["token", "--account", ADELE, "--scope", "User.Read"]));
    fails(
        &desk.run(&["token", "--account", "alex@x", "--scope", "User.Read"]),
        4,
        &["alex@x", MEGAN],
    );
    // The variables decide between two sign-ins of one user.
    done(&desk.login_with(&["login"], MEGAN));
    let token = desk.run(&["token", "--account", MEGAN, "--scope", "User.Read"]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(emulator.client_id()), "{}", out(&claims));
    let token = desk.run(&[
        "token",
        "--account",
        MEGAN,
        "--client-id",
        desk.cli(),
        "--scope",
        "User.Read",
    ]);
    let claims = common::entra(&["decode"], &[], out(&token));
    assert!(out(&claims).contains(desk.cli()), "{}", out(&claims));

    fails(&desk.run(&["logout"]), 2, &["3 accounts fit"]);
    let logout = desk.run(&["logout", "--account", MEGAN, "--client-id", desk.cli()]);
    assert!(err(&logout).contains("nothing is revoked"), "{}", err(&logout));
    assert_eq!(
        json(&desk.run(&["accounts", "-o", "json"])).as_array().unwrap().len(),
        2
    );
    let logout = desk.run(&["logout", "--all"]);
    assert!(err(&logout).contains("sign-ins 2"), "{}", err(&logout));
    assert_eq!(json(&desk.run(&["accounts", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn a_dead_refresh_token_says_to_sign_in_again() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    let other = ["token", "--account", "--v1", "--resource", GRAPH];
    done(&desk.run(&other));
    emulator.revoke_sessions_of(MEGAN);
    let dead = desk.run(ANEW);
    let again = format!("entra login --client-id {}", desk.cli());
    fails(&dead, 5, &["AADSTS50173", "sign in again", &again, "--scope User.Read"]);
    // It is still listed, and the sign-in replaces it, with the tokens of the sessions that are revoked.
    assert!(out(&desk.run(&["accounts"])).contains(MEGAN));
    done(&desk.login(MEGAN));
    let again = desk.run(&other);
    assert!(!err(&again).contains("from the cache"), "{}", err(&again));
    done(&desk.run(ANEW));
    assert_eq!(
        json(&desk.run(&["accounts", "-o", "json"])).as_array().unwrap().len(),
        1
    );
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
fn a_refresh_token_replaced_meanwhile_is_tried() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    emulator.fault(
        Fault::aadsts(700_082)
            .latency(Duration::from_secs(3))
            .on("/token")
            .times(1),
    );
    let before = desk.token_requests();
    let child = Running::start(&mut desk.command(ANEW, &[]));
    desk.wait_for_token_request(before);
    done(&desk.login(MEGAN));
    done(&child.output());
    // Where it is the same, there is no other to try.
    emulator.fault(Fault::aadsts(700_082).on("/token").times(1));
    fails(&desk.run(ANEW), 5, &["AADSTS700082", "sign in again"]);
}

#[test]
fn who_signs_out_meanwhile_stays_signed_out() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    emulator.fault(Fault::delayed(Duration::from_secs(3)).on("/token").times(1));
    let before = desk.token_requests();
    let child = Running::start(&mut desk.command(ANEW, &[]));
    desk.wait_for_token_request(before);
    done(&desk.run(&["logout"]));
    done(&child.output());
    fails(&desk.run(ME), 4, &["no user is signed in"]);
    assert!(err(&desk.run(&["cache", "clear"])).contains("cached tokens 0"));
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
        assert!(err(&token).contains("the cache is not used"), "{}", err(&token));
    };
    let store = desk.store();
    fs::create_dir(&store).unwrap();
    set_mode(&store, 0o777);
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
    fails(&desk.run(ME), 4, &["cannot be opened"]);
    assert!(err(&desk.run(&["accounts"])).contains("1 of the sign-ins cannot be opened"));
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

#[test]
fn a_browser_that_is_not_there_leaves_the_address() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    for (more, said) in [
        (&[("BROWSER", "/nowhere/firefox")][..], "/nowhere/firefox"),
        (&[("SSH_CONNECTION", "x"), ("DISPLAY", ":0")], "remote session"),
        (&[], if cfg!(target_os = "linux") { "no display" } else { "" }),
    ] {
        let words = [
            "login",
            "--client-id",
            desk.cli(),
            "--listen",
            "localhost:0",
            "--wait",
            "1",
        ];
        let output = desk.run_with(&words, more);
        assert_eq!(output.status.code(), Some(8), "{}", err(&output));
        assert!(err(&output).contains(said), "{}", err(&output));
        let short = err(&output)
            .lines()
            .find(|line| line.starts_with("http://localhost:"))
            .unwrap();
        assert!(short.len() < 60, "{short}");
    }
    let words = [
        "login",
        "--client-id",
        desk.cli(),
        "--listen",
        "localhost:0",
        "--wait",
        "1",
        "--no-browser",
    ];
    let browser = Browser::new(desk.folder.path());
    let output = desk.run_with(&words, &[("BROWSER", browser.program.to_str().unwrap())]);
    let urls: Vec<&str> = err(&output).lines().filter(|line| line.starts_with("http")).collect();
    assert_eq!(urls.len(), 1, "{}", err(&output));
    assert!(
        urls[0].starts_with(emulator.base_url()) && urls[0].contains("offline_access"),
        "{}",
        urls[0]
    );
    assert!(!browser.called.exists());
}

#[test]
fn a_declined_sign_in_keeps_nothing() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    let browser = Browser::new(desk.folder.path());
    let words = ["login", "--client-id", desk.cli(), "--listen", "localhost:0"];
    let child = Running::start(&mut desk.command(&words, &[("BROWSER", browser.program.to_str().unwrap())]));
    let short = browser.address();
    let url = header(&get(&short), "location").unwrap().to_owned();
    let back = emulator.decline(&url, MEGAN).unwrap().url;
    assert!(get(&back).contains("The sign-in was canceled"));
    assert_ne!(child.output().status.code(), Some(0));
    assert_eq!(json(&desk.run(&["accounts", "-o", "json"])), serde_json::json!([]));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let emulator = Emulator::builder().app(App::new("a").secret("s")).start();
    let desk = Desk::new(&emulator);
    for words in [
        &["token", "--account", "--cache", "--scope", "x"][..],
        &["token", "--account", "x", "--flow", "device-code", "--scope", "x"],
        &["token", "--cache", "--watch", "--resource", GRAPH],
        &["token", "--refresh", "--resource", GRAPH],
        &["token", "--cache", "--flow", "device-code", "--scope", "x"],
        &["login", "--device-code", "--no-browser"],
        &["logout", "--all", "--account", "x"],
    ] {
        assert_eq!(desk.run(words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(desk.token_requests(), 0);
}

#[test]
fn a_scope_without_consent_says_how_to_consent() {
    let emulator = Emulator::start();
    let desk = Desk::new(&emulator);
    done(&desk.login(MEGAN));
    let scope = format!("api://{}/ToDoList.Read", emulator.api().app_id);
    let refused = desk.run(&["token", "--account", "--scope", &scope]);
    fails(&refused, 6, &["AADSTS65001", "has to consent: entra login", &scope]);
    done(&desk.login_with(&["login", "--client-id", desk.cli(), "--scope", &scope], MEGAN));
    done(&desk.run(&["token", "--account", "--scope", &scope]));
    done(&desk.run(ME));
}
