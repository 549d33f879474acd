//! The challenge of the Azure Arc agent: only a key in its own folder is ever opened.

use std::io;
use std::path::{Path, PathBuf};

use entra_proto::error::ManagedIdentityErrorKind::{Configuration, Denied, Malformed, NotAssigned};
use entra_proto::managed_identity::{Identity, Platform, Source};

use super::support::*;

const KEY: &str = "/var/opt/azcmagent/tokens/k.key";
const WINDOWS_KEY: &str = r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\k.key";

fn with_header(value: &str) -> Network {
    Network::Responds(401, vec![("www-authenticate", value.to_owned())], Vec::new())
}

#[test]
fn key_of_the_challenge_gets_the_token() {
    let machine = Machine::of(Source::Arc);
    let run = run(&machine.system(), &[challenge(KEY), responds(200, TOKEN)]);
    assert_eq!(run.token().access_token.expose(), "a.b.c");
    assert_eq!(machine.opened(), [PathBuf::from(KEY)]);
    let [first, second] = &run.sent[..] else {
        panic!("{:?}", run.sent)
    };
    assert_eq!(first.line, second.line);
    assert_eq!(first.headers, ["metadata: true"]);
    assert_eq!(
        second.headers,
        [format!("authorization: Basic {CANARY}"), "metadata: true".to_owned()]
    );
    assert!(!run.shown.contains(CANARY), "{}", run.shown);
}

#[test]
fn each_acquisition_reads_its_own_key() {
    let machine = Machine::of(Source::Arc);
    let request = machine.system();
    for name in ["a", "b"] {
        let path = format!("/var/opt/azcmagent/tokens/{name}.key");
        machine.with_key(&path, name.as_bytes());
        let run = run(&request, &[challenge(&path), responds(200, TOKEN)]);
        assert!(run.sent[1].headers.contains(&format!("authorization: Basic {name}")));
    }
    assert_eq!(machine.opened().len(), 2);
}

#[test]
fn challenge_is_read_in_its_usual_forms() {
    for header in [
        format!("Basic realm={KEY}"),
        format!("basic REALM={KEY}"),
        format!("BASIC Realm=\"{KEY}\""),
        format!(" Basic  realm = \"{KEY}\" "),
    ] {
        let machine = Machine::of(Source::Arc);
        let run = run(&machine.system(), &[with_header(&header), responds(200, TOKEN)]);
        assert!(matches!(run.outcome, Some(Ok(_))), "{header}");
    }
}

#[test]
fn malformed_challenge_opens_no_file() {
    let two = || {
        let header = format!("Basic realm={KEY}");
        Network::Responds(
            401,
            vec![("www-authenticate", header.clone()), ("www-authenticate", header)],
            Vec::new(),
        )
    };
    let mut challenges = vec![responds(401, TOKEN), two()];
    challenges.extend(
        [
            "",
            "Basic",
            "Basic ",
            "somefile=filename",
            &format!("Bearer realm={KEY}"),
            &format!("realm={KEY}"),
            &format!("Basic file={KEY}"),
            &format!("Basic realm=a={KEY}"),
            &format!("Basic realm={KEY}, charset=UTF-8"),
            &format!("Basic realm=\"{KEY}"),
            &format!("Basic realm={KEY}\""),
            &format!("Basic realm=\"{KEY}\" x"),
            &format!("Basicrealm={KEY}"),
            "Basic realm=\u{e9}.key",
        ]
        .map(with_header),
    );
    for network in challenges {
        let machine = Machine::of(Source::Arc);
        let run = run(&machine.system(), std::slice::from_ref(&network));
        assert_eq!((run.kind(), run.sent.len()), (Malformed, 1));
        assert_eq!(machine.opened(), Vec::<PathBuf>::new());
    }
}

#[test]
fn only_keys_in_the_folder_of_the_agent_are_opened() {
    let tokens = "/var/opt/azcmagent/tokens";
    for file in [
        "/etc/passwd",
        "k.key",
        "tokens/k.key",
        "/var/opt/azcmagent/tokens",
        "/var/opt/azcmagent/tokens/",
        "/var/opt/azcmagent/tokens/.key",
        "/var/opt/azcmagent/tokens/..key",
        "/var/opt/azcmagent/tokens/k",
        "/var/opt/azcmagent/tokens/k.txt",
        "/var/opt/azcmagent/tokens/k.key.txt",
        "/var/opt/azcmagent/tokens/k.KEY",
        "/var/opt/azcmagent/tokens/k.key/",
        "/var/opt/azcmagent/tokens//k.key",
        "/var/opt//azcmagent/tokens/k.key",
        "//var/opt/azcmagent/tokens/k.key",
        "/var/opt/azcmagent/tokens/./k.key",
        "/var/opt/azcmagent/tokens/../tokens/k.key",
        "/var/opt/azcmagent/tokens/../../etc/x.key",
        "/var/opt/azcmagent/tokens/sub/k.key",
        "/var/opt/azcmagent/tokensx/k.key",
        "/var/opt/azcmagent/tokens\\k.key",
        "/var/opt/azcmagent/tokens/..\\k.key",
        "/VAR/opt/azcmagent/tokens/k.key",
        "/var/opt/azcmagent/tokens/k k.key",
        "/var/opt/azcmagent/tokens/k%2f.key",
        "/var/opt/azcmagent/tokens/k:s.key",
        "/var/opt/azcmagent/tokens/k\t.key",
        &format!("{tokens}/{}.key", "k".repeat(129)),
        WINDOWS_KEY,
    ] {
        let machine = Machine::of(Source::Arc);
        let run = run(&machine.system(), &[challenge(file)]);
        assert_eq!(machine.opened(), Vec::<PathBuf>::new(), "{file}");
        assert_eq!(run.kind(), Malformed, "{file}");
        assert!(run.error().to_string().contains(tokens), "{}", run.error());
    }
}

#[test]
fn folder_on_windows_depends_on_program_data() {
    let on = |data: &str| {
        let machine = Machine::new(&[("ProgramData", data)]).on(Platform::Windows);
        for drive in ["C", "D"] {
            let path = WINDOWS_KEY.replace('C', drive);
            machine.with_key(&path, b"key");
        }
        machine
    };
    let arc = |machine: &Machine| {
        let identity = machine.identity(Identity::system()).with_source(Source::Arc);
        identity.request(vault()).unwrap()
    };
    let in_other_case = WINDOWS_KEY
        .to_uppercase()
        .replace(".KEY", ".key")
        .replace("K.key", "k.key");
    let opened = |machine: &Machine| machine.opened();
    for file in [WINDOWS_KEY, &in_other_case] {
        let machine = on("");
        let run = run(&arc(&machine), &[challenge(file), responds(200, TOKEN)]);
        assert!(matches!(run.outcome, Some(Ok(_))), "{file}");
        // The path is this crate's own, not that of the challenge.
        assert_eq!(opened(&machine), [PathBuf::from(WINDOWS_KEY)]);
    }
    let elsewhere = on(r"D:\Data\");
    elsewhere.with_key(r"D:\Data\AzureConnectedMachineAgent\Tokens\k.key", b"key");
    let file = r"D:\Data\AzureConnectedMachineAgent\Tokens\k.key";
    assert!(matches!(
        run(&arc(&elsewhere), &[challenge(file), responds(200, TOKEN)]).outcome,
        Some(Ok(_))
    ));
    for file in [
        r"D:\ProgramData\AzureConnectedMachineAgent\Tokens\k.key",
        r"\\server\share\AzureConnectedMachineAgent\Tokens\k.key",
        r"\\?\C:\ProgramData\AzureConnectedMachineAgent\Tokens\k.key",
        r"C:ProgramData\AzureConnectedMachineAgent\Tokens\k.key",
        r"C:/ProgramData/AzureConnectedMachineAgent/Tokens/k.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\..\k.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\\k.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\NUL.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\com1.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\con.x.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\k.key:stream.key",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\k.KEY",
        r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\k",
        KEY,
    ] {
        let machine = on("");
        let run = run(&arc(&machine), &[challenge(file)]);
        assert_eq!((run.kind(), opened(&machine)), (Malformed, Vec::new()), "{file}");
    }
    for data in ["relative", r"\\server\share", "C:", "/var"] {
        let machine = on(data);
        let run = run(&arc(&machine), &[challenge(WINDOWS_KEY)]);
        assert_eq!((run.kind(), opened(&machine)), (Configuration, Vec::new()), "{data}");
    }
}

#[test]
fn key_is_sent_as_it_is_without_its_line_end() {
    let longest = "k".repeat(4096);
    for (content, sent) in [
        ("key", Some("key")),
        ("key\n", Some("key")),
        ("key\r\n\r\n", Some("key")),
        ("a b+/=", Some("a b+/=")),
        (&longest, Some(&*longest)),
        (&format!("{longest}k"), None),
        ("", None),
        ("\r\n", None),
        ("key\nkey", None),
        ("key\0", None),
        ("key\t", None),
        ("k\u{e9}y", None),
    ] {
        let machine = Machine::of(Source::Arc);
        machine.with_key(KEY, content.as_bytes());
        match sent {
            Some(sent) => {
                let run = run(&machine.system(), &[challenge(KEY), responds(200, TOKEN)]);
                assert!(run.sent[1].headers.contains(&format!("authorization: Basic {sent}")));
            }
            None => {
                let run = run(&machine.system(), &[challenge(KEY)]);
                assert_eq!(run.kind(), Malformed, "{content:?}");
            }
        }
    }
}

#[test]
fn unreadable_key_has_advice() {
    let machine = Machine::of(Source::Arc);
    machine.with_unreadable_key(KEY, io::ErrorKind::PermissionDenied);
    let denied = run(&machine.system(), &[challenge(KEY)]);
    assert_eq!(denied.kind(), Denied);
    assert!(denied.error().hint().unwrap().contains("himds"));
    let windows = Machine::default().on(Platform::Windows);
    windows.with_unreadable_key(WINDOWS_KEY, io::ErrorKind::PermissionDenied);
    let request = windows
        .identity(Identity::system())
        .with_source(Source::Arc)
        .request(vault())
        .unwrap();
    let denied = run(&request, &[challenge(WINDOWS_KEY)]);
    assert!(denied.error().hint().unwrap().contains("administrator"));
    machine.with_unreadable_key(KEY, io::ErrorKind::NotFound);
    assert_eq!(run(&machine.system(), &[challenge(KEY)]).kind(), Malformed);
}

#[test]
fn response_without_a_challenge_is_rejected() {
    let machine = Machine::of(Source::Arc);
    for network in [
        responds(200, TOKEN),
        Network::Responds(302, vec![("location", "http://127.0.0.1/".to_owned())], Vec::new()),
        Network::Responds(
            307,
            vec![("www-authenticate", format!("Basic realm={KEY}"))],
            Vec::new(),
        ),
    ] {
        let run = run(&machine.system(), &[network]);
        assert_eq!((run.kind(), run.sent.len()), (Malformed, 1));
    }
    assert_eq!(machine.opened(), Vec::<PathBuf>::new());
    // The request with the key is not challenged again.
    let run = run(&machine.system(), &[challenge(KEY), challenge(KEY)]);
    assert_eq!((run.kind(), machine.opened().len()), (Denied, 1));
}

#[test]
fn walk_begins_again_at_the_challenge() {
    let machine = Machine::of(Source::Arc);
    let script = [
        responds(503, ""),
        challenge(KEY),
        responds(500, ""),
        challenge(KEY),
        BROKEN,
        challenge(KEY),
        responds(200, TOKEN),
    ];
    let run = run(&machine.system(), &script);
    assert_eq!(run.seconds(), [1, 1, 1]);
    let with_key = |sent: &Sent| sent.headers.len() == 2;
    let keys: Vec<bool> = run.sent.iter().map(with_key).collect();
    assert_eq!(keys, [false, false, true, false, true, false, true]);
    assert_eq!(machine.opened().len(), 3);
    assert!(machine.opened().iter().all(|path| path == Path::new(KEY)));
}

#[test]
fn token_of_another_identity_is_dropped() {
    let other = "99999999-2222-3333-4444-555555555555";
    let machine = Machine::of(Source::Arc);
    let upper = RESOURCE_ID.to_uppercase();
    for (identity, echo, is_same) in [
        (client_id(), format!(r#""client_id":"{ID}""#), true),
        (client_id(), format!(r#""client_id":"{}""#, ID.to_uppercase()), true),
        (client_id(), format!(r#""client_id":"{other}""#), false),
        (client_id(), format!(r#""object_id":"{ID}""#), false),
        (client_id(), r#""client_id":null"#.to_owned(), false),
        (client_id(), r#""client_id":1"#.to_owned(), false),
        (client_id(), r#""client_id":"""#.to_owned(), false),
        (object_id(), format!(r#""object_id":"{ID}""#), true),
        (object_id(), format!(r#""object_id":"{other}""#), false),
        (object_id(), r#""x":1"#.to_owned(), false),
        (resource_id(), format!(r#""msi_res_id":"{RESOURCE_ID}""#), true),
        (resource_id(), format!(r#""mi_res_id":"{upper}""#), true),
        (resource_id(), format!(r#""mi_res_id":"{RESOURCE_ID}y""#), false),
        (
            resource_id(),
            format!(r#""mi_res_id":"{RESOURCE_ID}","msi_res_id":"/other""#),
            false,
        ),
        (resource_id(), format!(r#""client_id":"{ID}""#), false),
        (Identity::system(), r#""x":1"#.to_owned(), true),
        (Identity::system(), format!(r#""client_id":"{other}""#), true),
    ] {
        let request = machine.identity(identity.clone()).request(vault()).unwrap();
        let body = format!(r#"{{"access_token":"to.ke.n","expires_in":"3600",{echo}}}"#);
        let run = run(&request, &[challenge(KEY), responds(200, body)]);
        if is_same {
            assert_eq!(run.token().access_token.expose(), "to.ke.n", "{identity:?} {echo}");
        } else {
            assert_eq!(run.kind(), NotAssigned, "{identity:?} {echo}");
            assert!(!run.shown.contains("to.ke.n") && run.error().hint().unwrap().contains("agent"));
        }
    }
}

#[test]
fn unknown_identity_is_the_agents_own_error() {
    let machine = Machine::of(Source::Arc);
    let request = machine.identity(client_id()).request(vault()).unwrap();
    let body = r#"{"error":"identity_not_found","error_description":"no such identity"}"#;
    for script in [vec![responds(404, body)], vec![challenge(KEY), responds(404, body)]] {
        let run = run(&request, &script);
        assert_eq!(run.kind(), NotAssigned);
        assert_eq!(run.error().error_code(), Some("identity_not_found"));
        assert!(run.waits.is_empty());
    }
}
