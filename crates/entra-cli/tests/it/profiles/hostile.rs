//! Damaged and hostile files, and details of the file format.

use std::fs;

use super::place::Place;
use super::{TOKEN, setting};
use crate::common::{err, fails, out};

#[test]
fn names_of_profiles_may_have_dots() {
    let place = Place::new();
    place.user("[profile.\"my.prod\"]\ntenant = \"prod.example\"\n");
    let shown = place.shown(&["--profile", "my.prod"], &[]);
    assert_eq!(setting(&shown, "tenant").0, "prod.example");
    // Without quotes, TOML reads a nested table.
    place.user("[profile.my.prod]\ntenant = \"prod.example\"\n");
    let expected = [
        "1:13: prod is a table within the profile my",
        "write [profile.\"my.prod\"]",
    ];
    fails(&place.run(TOKEN, &[]), 3, &expected);
    place.user("[profile.my]\nprod.tenant = \"x\"\nprod.a.b = 1\n");
    fails(&place.run(TOKEN, &[]), 3, &["prod is a table within the profile my"]);
    place.user("");
    let output = place.run_in(
        "work/app",
        &["config", "init", "my.prod", "--tenant", "prod.example"],
        &[],
    );
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(setting(&place.shown(&[], &[]), "tenant").0, "prod.example");
}

#[test]
fn tilde_in_a_path_requires_a_home_folder() {
    let place = Place::new();
    let home = place.home.path().canonicalize().unwrap();
    let config = home.join(".config");
    place.user("[profile.a]\nsecret_file = \"~/x.txt\"\n");
    let shown = place.shown(&["--profile", "a"], &[]);
    assert_eq!(setting(&shown, "secret_file").0, home.join("x.txt").to_str().unwrap());
    for (path, home) in [("~/x.txt", ""), ("~/x.txt", "relative"), ("~", "")] {
        place.user(&format!("[profile.a]\nsecret_file = \"{path}\"\n"));
        let variables = [("HOME", home), ("XDG_CONFIG_HOME", config.to_str().unwrap())];
        let output = place.run(&[TOKEN, &["--profile", "a"]].concat(), &variables);
        fails(
            &output,
            3,
            &[
                "2:15: secret_file begins with ~, and no home folder is known",
                "set HOME",
            ],
        );
    }
}

#[test]
#[cfg(unix)]
fn backslashes_are_not_separators_on_unix() {
    let place = Place::new();
    for path in [
        "..\\secret.txt",
        "secrets\\key.txt",
        "C:\\keys\\key.pem",
        "\\\\server\\share\\x",
    ] {
        place.user(&format!("[profile.a]\ncertificate = '{path}'\n"));
        fails(
            &place.run(TOKEN, &[]),
            3,
            &["2:15: certificate contains a backslash", "write / between folders"],
        );
    }
    // An existing file may have a backslash in its name.
    place.write(".config/entra/odd\\name.pem", "x");
    place.user("[profile.a]\ncertificate = 'odd\\name.pem'\n");
    let shown = place.shown(&["--profile", "a"], &[]);
    assert!(setting(&shown, "certificate").0.ends_with("odd\\name.pem"));
}

#[test]
fn certificate_settings_come_from_the_same_file() {
    let place = Place::new();
    place.user("[profile.a]\ncertificate = \"user.pem\"\ncertificate_key = \"user.key\"\n");
    place.project("[profile.a]\ncertificate_key = \"project.key\"\n");
    let shown = place.shown(&["--profile", "a"], &[]);
    assert!(setting(&shown, "certificate").0.ends_with("entra/user.pem"), "{shown}");
    let (key, _, from) = setting(&shown, "certificate_key");
    assert!(key.ends_with("entra/user.key") && from.contains(".config"), "{shown}");
}

/// Each file is read by two commands. Both report the place, and repeat no value.
#[test]
fn damaged_files_report_place_and_hint() {
    let place = Place::new();
    let long = format!("[profile.a]\n{} = 1\n", "k".repeat(5000));
    let many: String = (0..3000).map(|number| format!("[profile.p{number}]\n")).collect();
    let cases: &[(&[u8], &[&str])] = &[
        (b"\0\0\0\0", &["1:1: not TOML: a NUL character"]),
        (
            b"[profile.a]\ntenant = \"a\0b\"\n",
            &["2:12: not TOML: a NUL character", "config init"],
        ),
        (b"\x7fELF\x02\x01\x01\xfe\xff", &["not UTF-8 or UTF-16 text"]),
        (b"[profile.a]\ntenant = \"b\xfccher\"\n", &["not UTF-8 or UTF-16 text"]),
        (b"\xff\xfe[\0p\0", &["1:3: not TOML"]),
        (b"\xff\xfe[", &["not UTF-8 or UTF-16 text"]),
        (
            b"default_profile = \"a\"\r[profile.a]\r",
            &["1:23: not TOML: carriage return"],
        ),
        (b"[profile.a]\r\ntenant = 1\r\n", &["2:10: tenant is an integer"]),
        (
            b"\xef\xbb\xbf[profile.a]\ntenant = 1\n",
            &["2:10: tenant is an integer"],
        ),
        (
            b"[profile.a]\ntenant = \"canary\"\ntenant = \"canary\"\n",
            &["3:1: not TOML: duplicate key", "remove one of the two"],
        ),
        (
            b"[profile.a]\n[profile.b]\n[profile.a]\n",
            &["3:10: not TOML: duplicate key"],
        ),
        (b"[profile.a]\ntenat = \"canary\"\n", &["did you mean tenant"]),
        (b"[profile.a]\nTENANT = \"canary\"\n", &["did you mean tenant"]),
        (b"[profile.a]\ntenant_id = \"canary\"\n", &["did you mean tenant"]),
        (b"[profile.a]\nAZURE_TENANT_ID = \"canary\"\n", &["did you mean tenant"]),
        (
            b"[profile.a]\nAZURE_CLIENT_ID = \"canary\"\n",
            &["did you mean client_id"],
        ),
        (b"[profile.a]\nclient-id = \"canary\"\n", &["did you mean client_id"]),
        (b"[profile.a]\nappId = \"canary\"\n", &["did you mean client_id"]),
        (
            b"[profile.a]\nauthority = \"canary\"\n",
            &["did you mean authority_host"],
        ),
        (b"[profile.a]\ncloud = \"canary\"\n", &["did you mean authority_host"]),
        (b"[profile.a]\nzzzzz = \"canary\"\n", &["use one of tenant, client_id"]),
        (b"defaultprofile = \"canary\"\n", &["did you mean default_profile"]),
        (b"cloud = \"canary\"\n", &["use one of default_profile, profile"]),
        (b"[contoso]\ntenant = \"canary\"\n", &["write [profile.contoso]"]),
        (b"[[profile]]\nname = \"canary\"\n", &["profile is an array"]),
        (b"[profile.a]\ntenant = 1.5\n", &["tenant is a float"]),
        (b"[profile.a]\ntenant = 2026-01-01\n", &["tenant is a datetime"]),
        (b"[profile.a]\ntenant = [\"canary\"]\n", &["tenant is an array"]),
        (b"[profile.a]\ncapabilities = [1]\n", &["capabilities is an integer"]),
        (
            b"[profile.a]\ncapabilities = [[\"canary\"]]\n",
            &["capabilities is an array"],
        ),
        (b"[profile.a]\ncapabilities = \"canary\"\n", &["write a list of texts"]),
        (b"default_profile = 1\n", &["default_profile is an integer"]),
        (b"default_profile = \"\"\n", &["default_profile is empty"]),
        (b"[profile.\"\"]\n", &["the name of the profile is not valid"]),
        (b"[profile.\"../x\"]\n", &["the name of the profile is not valid"]),
        (
            b"[profile.a]\n\"x\\u001b[31m\" = 1\n",
            &["2:1: x\\u{1b}[31m is not a setting"],
        ),
        (
            b"[profile.a]\ntenant = \"canary\\u001b[31m\"\n",
            &["control characters"],
        ),
        (b"{\"profile\": {\"a\": {}}}", &["1:1: not TOML"]),
        (b"profile:\n  a:\n    tenant: canary\n", &["1:9: not TOML"]),
        (b"[profile.a]\ntenant = canary\n", &["2:10: not TOML"]),
        (long.as_bytes(), &["2:1: [not shown] is not a setting"]),
        (many.as_bytes(), &["there is no profile chosen", "use one of p0, p1"]),
    ];
    for (bytes, expected) in cases {
        let path = place.project("");
        fs::write(&path, bytes).unwrap();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
        for words in [TOKEN, &["config", "show"]] {
            let output = place.run(words, &[("ENTRA_PROFILE", "chosen")]);
            let says = err(&output);
            fails(&output, 3, expected);
            assert!(!says.contains("canary") && !says.contains('\u{1b}'), "{shown}: {says}");
            assert!(
                says.contains("entra.toml") || says.contains("no profile"),
                "{shown}: {says}"
            );
            assert!(says.len() < 1000, "{shown}: {says}");
        }
        // `config path` works with an invalid file.
        let output = place.run(&["config", "path"], &[]);
        assert!(
            output.status.success() && out(&output).starts_with(path.to_str().unwrap()),
            "{shown}"
        );
    }
}

#[test]
#[cfg(unix)]
fn inaccessible_user_file_is_an_error() {
    let place = Place::new();
    let config = place.home.path().join(".config");
    std::os::unix::fs::symlink(&config, &config).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &[".config/entra/entra.toml", "broken link"]);
    let output = place.run(&["config", "init", "--user"], &[]);
    fails(&output, 1, &["the folder ", ".config/entra", "a broken link"]);
    // If the folder is missing or a file, there is no user's file.
    fs::remove_file(&config).unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["no tenant"]);
    fs::write(&config, "").unwrap();
    fails(&place.run(TOKEN, &[]), 3, &["no tenant"]);
    let output = place.run(&["config", "init", "--user"], &[]);
    fails(&output, 1, &["the folder "]);
}

#[test]
#[cfg(unix)]
fn init_only_replaces_files() {
    let place = Place::new();
    let path = place.project("");
    let replace = || place.run_in("work/app", &["config", "init", "--force"], &[]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fails(&replace(), 1, &["entra.toml", "not a regular file"]);
    fs::remove_dir(&path).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    fails(&replace(), 1, &["entra.toml", "not a regular file"]);
    fs::remove_file(&path).unwrap();
    // A link is replaced, and not its target.
    let other = place.write("other.toml", "keep");
    std::os::unix::fs::symlink(&other, &path).unwrap();
    assert!(replace().status.success());
    assert_eq!(fs::read_to_string(&other).unwrap(), "keep");
    assert!(path.symlink_metadata().unwrap().is_file());
    for name in ["", "a b", "a\nb", "\"x", "a/b", "bücher", &"a".repeat(61)] {
        fails(
            &place.run_in("work/app", &["config", "init", name, "--force"], &[]),
            2,
            &["not valid"],
        );
    }
    let words = ["config", "init", "--force", "--authority-host", "https://login.example"];
    let output = place.run_in("work/app", &words, &[]);
    assert!(
        output.status.success() && err(&output).contains("cannot name this authority"),
        "{}",
        err(&output)
    );
    let output = place.run_in("work/app", &[&words[..], &["--user"]].concat(), &[]);
    assert!(
        output.status.success() && !err(&output).contains("cannot"),
        "{}",
        err(&output)
    );
}
