//! Arguments and variables that may be secrets are not repeated, and untrusted text is escaped.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::common::{UNREACHABLE, command, err, out, run};

/// Secrets that users put in the wrong place.
const CANARIES: [&str; 9] = [
    // The base64 of a PFX file.
    "MIIKUAIBAzCCCgYGCSqGSIb3DQEHAaCCCfcEggnzMIIJ7zCCBf8GCSqGSIb3DQEHAaCCBfAEggXsMIIF6DCCBeQGCyqGSIb3DQEMCgECoIIE+zCCBPcwKQYKKoZIhvc\
     NAQwBAzAbBBTb/w3J+nkOH8W4d0nXsG8V4r2yzAIDAMNQBIIEyCeYk5hTM5/p9XbNQDlw==",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJhdWQiOiJodHRwczovL2NhbmFyeS5leGFtcGxlIiwic3ViIjoiY2FuYXJ5In0.Q2FuYXJ5U2lnbmF0dXJl",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n",
    "-----BEGIN CERTIFICATE-----MIICpDCCAYwCCQDU9pQ4pHnSpDANBgkqhkiG9w0BAQsFADAUMRIwEAYDVQQDDAlsb2Nh-----END CERTIFICATE-----",
    "abc8Q~kD93jfKEl20sPq81LmZx7vQwT4uYbNhGcR",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AccountName=a;AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYg==;EndpointSuffix=core.windows.net",
    "0.AXoAmMGRhwJUQkaOXZVmzE-KiPmJgwv6PpHjk2sPq81LmZx7vQwT4uYbNhGcRk93jfKEl20sPq81LmZx7v",
];

/// Control characters, and text that imitates a line of the command.
const HOSTILE: &str = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\r\nFORGED";

/// The commands, their required options, and the number of their positional arguments.
const COMMANDS: [(&[&str], &[&str], usize); 19] = [
    (&["demo"], &[], 0),
    (&["emulator"], &["--tls"], 0),
    (
        &["token"],
        &["--resource", "https://graph.microsoft.com", "--timeout", "1"],
        0,
    ),
    (
        &["consent"],
        &[
            "--resource",
            "https://graph.microsoft.com",
            "--listen",
            "127.0.0.1:0",
            "--wait",
            "1",
        ],
        0,
    ),
    (
        &["login"],
        &[
            "--no-browser",
            "--listen",
            "127.0.0.1:0",
            "--wait",
            "1",
            "--store",
            "kept",
        ],
        0,
    ),
    (&["logout"], &[], 0),
    (&["accounts"], &[], 0),
    (&["cache", "clear"], &[], 0),
    (&["tenants", "list"], &["--tenant-store", "none.redb"], 0),
    (&["tenants", "forget"], &["--tenant-store", "none.redb"], 1),
    (&["doctor"], &["--timeout", "1"], 0),
    (
        &["exec"],
        &["--resource", "https://graph.microsoft.com", "--timeout", "1"],
        0,
    ),
    (&["cert", "new"], &[], 0),
    (&["cert", "inspect"], &[], 1),
    (&["keycredentials"], &[], 2),
    (&["assertion"], &[], 0),
    (&["decode"], &[], 1),
    (&["scope", "explain"], &[], 2),
    (&["explain"], &[], 2),
];

const VARIABLES: [&str; 21] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT",
    "AZURE_SECRET",
    "ENTRA_TENANT_STORE",
    "ENTRA_STORE",
    "ENTRA_STORE_KEY",
    "BROWSER",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
];

/// Returns the options with a value, from the help of a command.
static OPTIONS: LazyLock<Vec<Vec<String>>> =
    LazyLock::new(|| COMMANDS.iter().map(|(words, ..)| options(words)).collect());

fn options(words: &[&str]) -> Vec<String> {
    let help = run(&[words, &["--help"]].concat(), &[]);
    let lines = out(&help).lines().filter(|line| line.trim_start().starts_with('-'));
    let named = lines.filter_map(|line| {
        let (_, rest) = line.split_once("--")?;
        let (name, rest) = rest.split_once(' ')?;
        rest.starts_with('<').then(|| format!("--{name}"))
    });
    named.collect()
}

/// A run of the command with a value in one place.
struct Case {
    words: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Case {
    fn of(words: &[&[&str]]) -> Self {
        Self {
            words: words.concat().iter().map(|word| (*word).to_owned()).collect(),
            variables: UNREACHABLE.map(|(name, value)| (name, value.to_owned())).to_vec(),
        }
    }

    /// Returns true if this value is an argument, or the value of an option or variable for a file.
    fn names_file_by(&self, value: &str) -> bool {
        let names = [
            "file",
            "certificate",
            "directory",
            "config",
            "manifest",
            "out",
            "key",
            "store",
        ];
        let is_file = |pair: &[String]| {
            let option = pair[0].as_str();
            let names_file = !option.starts_with("--") || names.iter().any(|name| option.contains(name));
            pair[1] == value && names_file && option != "--ca-out"
        };
        let is_set =
            |(name, held): &(&str, String)| held.contains(value) && !UNREACHABLE.iter().any(|pair| pair.0 == *name);
        self.words.windows(2).any(is_file) || self.variables.iter().any(is_set)
    }

    fn run(&self, folder: &Path) -> String {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut command = command(&words, &variables);
        let mut child = command.current_dir(folder).spawn().unwrap();
        // A server that does start must not outlive the test.
        for _ in 0..6000 {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

/// Returns a case for every place of the command line and the environment with this value.
fn cases(value: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for ((words, needed, positional), options) in COMMANDS.into_iter().zip(&*OPTIONS) {
        let end: &[&str] = if words == ["exec"] { &["--", "true"] } else { &[] };
        for option in options {
            let named = format!("{option}={value}");
            let without: Vec<&str> = needed
                .chunks(2)
                .filter(|pair| pair[0] != option)
                .flatten()
                .copied()
                .collect();
            cases.push(Case::of(&[words, &without, &[option, value], end]));
            if option.contains("file") || option.contains("resource") {
                cases.push(Case::of(&[words, &without, &[&named], end]));
            }
        }
        // As a positional argument, as a superfluous one, and instead of an option and a command.
        for count in 1..=positional.max(1) + 1 {
            cases.push(Case::of(&[words, needed, &vec![value; count], end]));
        }
        cases.push(Case::of(&[words, needed, &[&format!("--{value}")]]));
        cases.push(Case::of(&[words, needed, &[&format!("--{value}"), "-o", "json"]]));
        cases.push(Case::of(&[words, needed, &["--secret", value], end]));
        cases.push(Case::of(&[words, needed, &[&format!("-o={value}")], end]));
        cases.push(Case::of(&[words, needed, &[&format!("-o{value}")], end]));
    }
    for (words, ..) in COMMANDS {
        // clap shows the values of variables.
        let mut case = Case::of(&[words, &["--help"]]);
        case.variables = VARIABLES.map(|name| (name, value.to_owned())).to_vec();
        cases.push(case);
    }
    cases.push(Case::of(&[&[value]]));
    cases.push(Case::of(&[&[
        "token",
        "--flow",
        "obo",
        "--resource",
        "https://a.example",
        "--assertion-file",
        value,
    ]]));
    cases.push(Case::of(&[&[
        "exec",
        "--resource",
        "https://a.example",
        "--timeout",
        "1",
        "--",
        value,
    ]]));
    for words in [
        &["token", "--resource", "https://a.example", "--timeout", "1"][..],
        &["doctor", "--resource", "https://a.example", "--timeout", "1"],
        &[
            "doctor",
            "--resource",
            "https://a.example",
            "--timeout",
            "1",
            "-o",
            "json",
        ],
        &["assertion"],
        &["tenants", "list"],
        &["accounts"],
        &["token", "--cache", "--resource", "https://a.example", "--timeout", "1"],
        &["login", "--listen", "127.0.0.1:0", "--wait", "1"],
    ] {
        for name in VARIABLES {
            let mut case = Case::of(&[words]);
            case.variables.retain(|pair| pair.0 != name);
            let value = match name {
                "HTTPS_PROXY" => format!("http://user:{value}@127.0.0.1:1"),
                _ => value.to_owned(),
            };
            case.variables.push((name, value));
            cases.push(case);
        }
    }
    cases
}

/// Returns the output of all cases. Some wait for a second, so they run concurrently.
fn shown(name: &str, cases: Vec<Case>) -> Vec<(Case, String)> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let next = std::sync::Mutex::new(cases.into_iter());
    let results = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else { break };
                    let text = case.run(&folder);
                    results.lock().unwrap().push((case, text));
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// Returns a part of a secret that a text contains.
fn part<'a>(secret: &'a str, text: &str) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let lines = secret.split(['\n', '-']).filter(|line| !line.contains(' '));
    let mut parts = lines.flat_map(|line| (0..line.len().saturating_sub(15)).map(move |at| &line[at..at + 16]));
    parts.find(|part| text.contains(&part.to_ascii_lowercase()))
}

#[test]
fn secret_in_any_place_is_not_repeated() {
    for (number, canary) in CANARIES.into_iter().enumerate() {
        // Each place is tested with a third of the secrets: all combinations take a minute.
        let cases = cases(canary).into_iter().enumerate();
        let cases = cases
            .filter(|(at, _)| at % 3 == number % 3)
            .map(|(_, case)| case)
            .collect();
        for (case, text) in shown(&format!("secrets-{number}"), cases) {
            assert_eq!(
                part(canary, &text),
                None,
                "{:?} {:?}: {text}",
                case.words,
                case.variables
            );
        }
    }
}

#[test]
fn control_characters_in_inputs_are_escaped() {
    // Without its line break the text is a valid file name, which the emulator would create.
    let mut all = cases(HOSTILE);
    let name = HOSTILE.split('\r').next().unwrap();
    all.extend(cases(name).into_iter().filter(|case| case.names_file_by(name)));
    for (case, text) in shown("hostile", all) {
        let obeyed = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
        assert!(
            !text.contains(obeyed),
            "{:?} {:?}: {text:?}",
            case.words,
            case.variables
        );
        let forged = text.lines().any(|line| line.trim_start().starts_with("FORGED"));
        assert!(!forged, "{:?} {:?}: {text}", case.words, case.variables);
    }
}

#[test]
fn secret_in_a_file_is_not_repeated() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for (number, canary) in CANARIES.into_iter().enumerate() {
        let mut cases = Vec::new();
        let quoted = serde_json::to_string(canary).unwrap();
        for (kind, text) in [
            canary.to_owned(),
            quoted.clone(),
            format!("{{{quoted}: 1}}"),
            format!(r#"{{"keyCredentials": {quoted}, "apps": {quoted}, "seed": {quoted}}}"#),
            format!(r#"{{"keyCredentials": [{quoted}]}}"#),
            format!(r#"{{"apps": [{{"client_id": {quoted}, "name": {quoted}}}]}}"#),
            format!("-----BEGIN CERTIFICATE-----\n{canary}\n-----END CERTIFICATE-----\n"),
        ]
        .into_iter()
        .enumerate()
        .filter(|(kind, _)| (kind + number) % 3 == 0)
        {
            let file = folder.join(format!("canary-{number}-{kind}"));
            std::fs::write(&file, text).unwrap();
            let file = file.to_str().unwrap();
            for words in [
                &["decode", file][..],
                &["cert", "inspect", file],
                &["keycredentials", file],
                &["keycredentials", "none.pem", "--manifest", file],
                &["emulator", "--config", file, "--port", "1"],
                &["emulator", "--certificate", file, "--port", "1"],
                &[
                    "token",
                    "--resource",
                    "https://a.example",
                    "--timeout",
                    "1",
                    "--secret-file",
                    file,
                ],
                &[
                    "doctor",
                    "--timeout",
                    "1",
                    "--ca-file",
                    file,
                    "--federated-token-file",
                    file,
                ],
                &["assertion", "--certificate", file, "--certificate-password-file", file],
                &[
                    "token",
                    "--flow",
                    "obo",
                    "--resource",
                    "https://a.example",
                    "--assertion-file",
                    file,
                ],
            ] {
                cases.push(Case::of(&[words]));
            }
        }
        for (case, text) in shown("files", cases) {
            assert_eq!(part(canary, &text), None, "{:?}: {text}", case.words);
        }
    }
}

#[test]
fn line_break_after_a_path_is_reported() {
    let mut case = Case::of(&[&["token", "--resource", "https://a.example"]]);
    case.variables
        .push(("AZURE_CLIENT_CERTIFICATE_PATH", "cert.pem\r".to_owned()));
    let shown = case.run(Path::new("."));
    assert!(
        shown.contains("AZURE_CLIENT_CERTIFICATE_PATH ends with a line break; remove the line break"),
        "{shown}"
    );
    let shown = Case::of(&[&["decode", "token.txt\r\n"]]).run(Path::new("."));
    assert!(shown.contains("an argument ends with a line break"), "{shown}");
}

#[test]
fn short_password_is_not_repeated_by_parsers() {
    let password = "Xk9$mQ2!";
    for words in [
        &["Xk9$mQ2!"][..],
        &["token", "--flow", "Xk9$mQ2!"],
        &["token", "--secrte", "Xk9$mQ2!"],
        &["token", "--resource", "https://a.example", "-o", "Xk9$mQ2!"],
        &["token", "--resource", "https://a.example", "-o=Xk9$mQ2!"],
        &["token", "--resource", "https://a.example", "-oXk9$mQ2!"],
        &["token", "--resource", "https://a.example", "--region", "Xk9$mQ2!"],
        &["doctor", "--timeout", "1", "-o", "json", "--secret-file", "Xk9$mQ2!"],
        &["doctor", "--timeout", "1", "-o", "json", "--certificate", "Xk9$mQ2!"],
    ] {
        let shown = Case::of(&[words]).run(Path::new("."));
        assert!(!shown.contains(password), "{words:?}: {shown}");
    }
}

#[test]
fn plain_word_as_secret_file_is_not_repeated() {
    for secret in ["correct horse battery", "pässword-of-daemon", "hunter2hunter2"] {
        for option in ["--secret-file", "--certificate-password-file"] {
            let words = ["doctor", "--timeout", "1", "--certificate", "Cargo.toml"];
            let words = if option == "--secret-file" { &words[..3] } else { &words };
            for arguments in [
                vec![option.to_owned(), secret.to_owned()],
                vec![format!("{option}={secret}")],
            ] {
                let more: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let shown = Case::of(&[words, &more]).run(Path::new("."));
                assert!(!shown.contains(secret), "{shown}");
                assert!(shown.contains(&format!("the file that {option} names: ")), "{shown}");
            }
        }
    }
    let shown = Case::of(&[&[
        "token",
        "--resource",
        "https://a.example",
        "--secret-file",
        "folder/secret.txt",
    ]]);
    assert!(shown.run(Path::new(".")).contains("folder/secret.txt"));
}

#[test]
fn contents_in_place_of_a_path_name_their_setting() {
    for canary in CANARIES {
        for (words, option) in [
            (&["token", "--resource", "https://a.example"][..], "--certificate"),
            (&["token", "--resource", "https://a.example"], "--secret-file"),
            (&["doctor", "--timeout", "1"], "--ca-file"),
            (&["assertion"], "--federated-token-file"),
            (&["emulator"], "--config"),
            (&["emulator", "--tls"], "--ca-out"),
            (&["tenants", "list"], "--tenant-store"),
        ] {
            let shown = Case::of(&[words, &[&format!("{option}={canary}")]]).run(Path::new("."));
            let expected = format!("{option} contains a key or a token instead");
            assert!(shown.contains(&expected), "{shown}");
        }
    }
    let output = run(&["cert", "inspect", CANARIES[0]], &[]);
    assert!(err(&output).contains("an argument contains a key"), "{}", err(&output));
}
