//! Restrictions on a project's file.

use std::fs;

use entra_emulator::Emulator;

use super::place::Place;
use super::{ID, SHOW, TOKEN};
use crate::common::{GRAPH, err, fails, out};

/// Attacks by a hostile project's file on secrets in each place where the user has one.
#[test]
fn project_file_cannot_redirect_secrets() {
    let place = Place::new();
    let stranger = Emulator::start();
    let secret = place.write("secret.txt", "canary-hunter2");
    let outside = secret.to_str().unwrap();
    let user = format!("[profile.a]\nsecret_file = \"{outside}\"\n");
    let profile = |host: &str, more: &str| {
        format!(
            "default_profile = \"a\"\n[profile.a]\ntenant = \"contoso.com\"\nclient_id = \"{ID}\"\nauthority_host = \"{host}\"\n{more}"
        )
    };
    let secret_variable = [("AZURE_CLIENT_SECRET", "canary-hunter2")];
    let commands = [
        TOKEN,
        &["exec", "--resource", GRAPH, "--", "true"],
        &["doctor", "--resource", GRAPH],
        &["consent", "--no-browser", "--wait", "1", "--resource", GRAPH],
        &["login", "--device-code"],
    ];
    for host in [
        "https://login.evil.test",
        "https://login.microsoftonline.com.evil.test",
        "login.evil.test",
        "https://login.microsoftonline.com:8443",
        "https://evil.b2clogin.com",
    ] {
        place.project(&profile(host, ""));
        for words in commands {
            let output = place.run(words, &secret_variable);
            assert_eq!(output.status.code(), Some(3), "{words:?}: {}", err(&output));
            let all = format!("{}{}", out(&output), err(&output));
            assert!(
                all.contains("neither Microsoft's nor on this machine"),
                "{words:?}: {all}"
            );
        }
    }
    // A loopback port may belong to another user.
    let inside = "secret_file = \"linked.txt\"\n";
    #[cfg(unix)]
    std::os::unix::fs::symlink(&secret, place.home.path().join("work/app/linked.txt")).unwrap();
    for (more, user, words, variables) in [
        ("", "", &[][..], &secret_variable[..]),
        ("", &*user, &[], &[]),
        (&*format!("secret_file = \"{outside}\"\n"), "", &[], &[]),
        ("secret_file = \"../../secret.txt\"\n", "", &[], &[]),
        (inside, "", &[], &[]),
        ("", "", &["--secret-file", outside], &[]),
        ("secret_file = \"own.txt\"\n", "", &[], &secret_variable),
    ] {
        place.write("work/app/own.txt", "own");
        place.project(&profile(stranger.base_url(), more));
        place.user(user);
        for command in [TOKEN, &["doctor", "--resource", GRAPH]] {
            let output = place.run(&[command, words].concat(), variables);
            assert_eq!(
                output.status.code(),
                Some(4),
                "{more}: {}{}",
                out(&output),
                err(&output)
            );
        }
    }
    let posts = stranger
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST");
    assert_eq!(posts.count(), 0);
    // The user may choose to send it there.
    place.project(&profile("https://login.evil.test", ""));
    let output = place.run(
        TOKEN,
        &[secret_variable[0], ("AZURE_AUTHORITY_HOST", stranger.base_url())],
    );
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert!(
        err(&output).contains("using the profile a of this project"),
        "{}",
        err(&output)
    );
}

#[test]
fn project_secret_is_sent_to_the_projects_emulator() {
    let emulator = Emulator::start();
    let place = Place::new();
    place.write("work/app/secret.txt", emulator.client_secret());
    place.project(&format!(
        "default_profile = \"dev\"\n[profile.dev]\ntenant = \"{}\"\nclient_id = \"{}\"\nauthority_host = \"{}\"\nsecret_file = \"secret.txt\"\n",
        emulator.tenant_id(),
        emulator.client_id(),
        emulator.base_url()
    ));
    let output = place.run(TOKEN, &[]);
    assert!(
        output.status.success() && out(&output).starts_with("eyJ"),
        "{}",
        err(&output)
    );
}

/// Returns a project's file with the default authority, and `more`.
fn profile(more: &str) -> String {
    format!("default_profile = \"a\"\n[profile.a]\ntenant = \"stranger.example\"\nclient_id = \"{ID}\"\n{more}")
}

#[test]
fn project_file_cannot_name_outside_files() {
    let place = Place::new();
    let outside = place.write("secret.txt", "canary-hunter2");
    let outside = outside.to_str().unwrap();
    let inside = place.write("work/app/own.pem", "own");
    // A sibling folder with the project's name as a prefix of its own.
    fs::create_dir(place.home.path().join("work/app-secrets")).unwrap();
    place.write("work/app-secrets/key.txt", "canary-hunter2");
    #[cfg(unix)]
    for (link, target) in [
        ("linked.txt", outside),
        ("folder", "../.."),
        ("nowhere.txt", "/proc/self/fd/0"),
    ] {
        std::os::unix::fs::symlink(target, place.home.path().join("work/app").join(link)).unwrap();
    }
    let mut cases = vec![
        (format!("secret_file = \"{outside}\""), "secret-file"),
        ("secret_file = \"../../secret.txt\"".to_owned(), "secret-file"),
        ("secret_file = \"src/../../../secret.txt\"".to_owned(), "secret-file"),
        ("secret_file = \"../app-secrets/key.txt\"".to_owned(), "secret-file"),
        ("secret_file = \"~/secret.txt\"".to_owned(), "secret-file"),
        // The error does not reveal if the file exists.
        ("secret_file = \"../none.txt\"".to_owned(), "secret-file"),
        ("certificate = \"../../secret.txt\"".to_owned(), "certificate"),
        (
            format!("certificate = \"own.pem\"\ncertificate_key = \"{outside}\""),
            "certificate-key",
        ),
        (
            format!("certificate = \"own.pem\"\ncertificate_password_file = \"{outside}\""),
            "certificate-password-file",
        ),
        (
            "federated_token_file = \"/var/run/secrets/token\"".to_owned(),
            "federated-token-file",
        ),
    ];
    if cfg!(unix) {
        cases.extend(
            ["linked.txt", "folder/secret.txt", "nowhere.txt", "./src/../linked.txt"]
                .map(|path| (format!("secret_file = \"{path}\""), "secret-file")),
        );
    }
    for (more, option) in &cases {
        for authority in [
            "",
            "authority_host = \"public\"\n",
            "authority_host = \"https://x.ciamlogin.com\"\n",
        ] {
            let path = place.project(&profile(&format!("{authority}{more}\n")));
            let output = place.run(TOKEN, &[]);
            let hint = format!("give the file with --{option}");
            let expected = ["outside its own folder", &hint, path.to_str().unwrap()];
            fails(&output, 4, &expected);
            assert!(!err(&output).contains("canary"), "{}", err(&output));
        }
        let output = place.run(&["doctor", "--resource", GRAPH], &[]);
        assert!(
            out(&output).contains("outside its own folder"),
            "{more}: {}",
            out(&output)
        );
        let shown = place.run(SHOW, &[]);
        assert!(
            err(&shown).contains("outside its own folder"),
            "{more}: {}",
            err(&shown)
        );
    }
    assert!(inside.exists());
}

#[test]
fn outside_files_named_by_the_user_are_used() {
    let emulator = Emulator::start();
    let place = Place::new();
    let outside = place.write("secret.txt", emulator.client_secret());
    let outside = outside.to_str().unwrap();
    let ids = format!(
        "tenant = \"{}\"\nclient_id = \"{}\"\n",
        emulator.tenant_id(),
        emulator.client_id()
    );
    let host = [("AZURE_AUTHORITY_HOST", emulator.base_url())];
    let get = |words: &[&str]| {
        let output = place.run(&[TOKEN, words].concat(), &host);
        assert!(output.status.success(), "{words:?}: {}", err(&output));
    };
    place.project(&format!(
        "default_profile = \"a\"\n[profile.a]\n{ids}secret_file = \"../../secret.txt\"\n"
    ));
    get(&["--secret-file", outside]);
    // In the user's own file, in a profile with another name and with the same name.
    place.user(&format!("[profile.b]\n{ids}secret_file = \"{outside}\"\n"));
    get(&["--profile", "b"]);
    place.project(&format!("default_profile = \"a\"\n[profile.a]\n{ids}"));
    place.user("[profile.a]\nsecret_file = \"../../secret.txt\"\n");
    get(&[]);
}

#[test]
fn password_file_option_is_the_users_choice() {
    let place = Place::new();
    place.write("work/app/own.pem", "own");
    let password = place.write("password.txt", "x");
    place.project(&profile(
        "certificate = \"own.pem\"\ncertificate_password_file = \"../../password.txt\"\n",
    ));
    let words = [TOKEN, &["--certificate-password-file", password.to_str().unwrap()]].concat();
    let output = place.run(&words, &[]);
    assert!(!err(&output).contains("outside"), "{}", err(&output));
    fails(&output, 4, &["own.pem"]);
}

#[test]
fn link_within_the_project_is_followed() {
    let emulator = Emulator::start();
    let place = Place::new();
    place.write("work/app/src/secret.txt", emulator.client_secret());
    #[cfg(unix)]
    std::os::unix::fs::symlink("src/secret.txt", place.home.path().join("work/app/linked.txt")).unwrap();
    for path in ["src/secret.txt", "./src/deep/../secret.txt", "linked.txt"] {
        if !cfg!(unix) && path == "linked.txt" {
            continue;
        }
        place.project(&format!(
            "default_profile = \"a\"\n[profile.a]\ntenant = \"{}\"\nclient_id = \"{}\"\nauthority_host = \"{}\"\nsecret_file = \"{path}\"\n",
            emulator.tenant_id(),
            emulator.client_id(),
            emulator.base_url()
        ));
        let output = place.run(TOKEN, &[]);
        assert!(output.status.success(), "{path}: {}", err(&output));
    }
}
