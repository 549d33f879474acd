//! `entra validate`: the verdicts for the corpus, the emulator's tokens, and other inputs.

use std::path::{Path, PathBuf};
use std::process::Output;

use entra_emulator::Emulator;
use serde_json::Value;

use crate::common::{self, command, entra, err, fails, folder, out, variables};

struct Corpus {
    text: Value,
    folder: PathBuf,
}

impl Corpus {
    fn read(name: &str) -> Self {
        let folders = ["entra-emulator", concat!("entra-emulator-", env!("CARGO_PKG_VERSION"))];
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut paths = folders
            .iter()
            .map(|folder| crates.join(folder).join("corpus/access-tokens.json"));
        let path = paths.find(|path| path.exists()).expect("the corpus beside this crate");
        Self {
            text: serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap(),
            folder: folder(name),
        }
    }

    /// Writes a document of the token service to a file.
    fn document(&self, url: &str) -> String {
        let name: String = url.chars().filter(char::is_ascii_alphanumeric).collect();
        let path = self.folder.join(name);
        std::fs::write(&path, self.text["documents"][url].to_string()).unwrap();
        path.display().to_string()
    }

    /// Returns the words that validate a token for a web API of the corpus, offline.
    fn words(&self, api: &str, version: &str) -> Vec<String> {
        let api = &self.text["apis"][api];
        let list = |name: &str| {
            api[name]
                .as_array()
                .into_iter()
                .flatten()
                .map(|it| it.as_str().unwrap().to_owned())
        };
        let url = match api["metadata"][version].as_str() {
            Some(url) => url,
            None => api["metadata"]["2.0"].as_str().unwrap(),
        };
        let metadata = &self.text["documents"][url];
        let mut words = vec!["validate".to_owned(), "-o".to_owned(), "json".to_owned()];
        for (option, member) in [
            ("--audience", "audiences"),
            ("--tenant", "tenants"),
            ("--caller", "callers"),
            ("--scope", "scopes"),
            ("--role", "roles"),
        ] {
            words.extend(list(member).flat_map(|value| [option.to_owned(), value]));
        }
        if api["tenants"].is_null() {
            words.push("--any-tenant".to_owned());
        }
        let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
        let pairs = [
            ("--authority-host", host),
            ("--metadata", self.document(url)),
            ("--jwks", self.document(metadata["jwks_uri"].as_str().unwrap())),
            ("--at", self.text["now"].to_string()),
        ];
        words.extend(pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        words
    }

    fn tokens(&self) -> impl Iterator<Item = (&Value, String)> {
        self.text["tokens"].as_array().unwrap().iter().map(|row| {
            let pieces = row["token"]
                .as_array()
                .unwrap()
                .iter()
                .map(|piece| match piece.as_str() {
                    Some(text) => text.to_owned(),
                    None => piece["repeat"]
                        .as_str()
                        .unwrap()
                        .repeat(piece["times"].as_u64().unwrap() as usize),
                });
            (row, pieces.collect())
        })
    }

    fn run(&self, row: &Value, token: &str) -> Output {
        let version = if row["name"].as_str().unwrap().contains("v1") {
            "1.0"
        } else {
            "2.0"
        };
        let words = self.words(row["api"].as_str().unwrap(), version);
        entra(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[], token)
    }
}

#[test]
fn corpus_gives_the_expected_codes_and_rules() {
    let corpus = Corpus::read("validate_corpus");
    let mut judged = 0;
    for (row, token) in corpus.tokens() {
        let name = &row["name"];
        let output = corpus.run(row, &token);
        let expected = if row["verdict"] == "accept" { 0 } else { 9 };
        assert_eq!(output.status.code(), Some(expected), "{name}: {}", err(&output));
        assert!(
            token.is_empty() || !format!("{}{}", out(&output), err(&output)).contains(&token),
            "{name}"
        );
        // Text without the syntax of a credential has no report.
        let Ok(report) = serde_json::from_str::<Value>(out(&output)) else {
            assert_eq!(row["rule"], "form", "{name}: {}", err(&output));
            continue;
        };
        judged += 1;
        assert_eq!(report["valid"], expected == 0, "{name}");
        let failed = report["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|rule| rule["result"] == "fail");
        assert_eq!(failed.map(|rule| &rule["name"]), row.get("rule"), "{name}: {report}");
        let status = row["verdict"].as_str().unwrap().parse::<u16>().ok();
        assert_eq!(report["response"]["status"].as_u64(), status.map(u64::from), "{name}");
    }
    assert!(judged > 250, "{judged}");
}

#[test]
fn documents_of_the_other_version_are_suspected() {
    let corpus = Corpus::read("validate_versions");
    let (_, token) = corpus
        .tokens()
        .find(|(row, _)| row["api"] == "one_tenant" && row["verdict"] == "accept")
        .unwrap();
    let claims = entra_proto::claims::UnverifiedClaims::decode(&token).unwrap();
    let version = claims.version().unwrap();
    let run = |words: &[String]| entra(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[], &token);
    let other = if version == "1.0" { "2.0" } else { "1.0" };
    fails(
        &run(&corpus.words("one_tenant", other)),
        3,
        &["the issuer in the metadata is not that of the cloud"],
    );
    let mut words = corpus.words("one_tenant", version);
    assert_eq!(run(&words).status.code(), Some(0));
    let url = "https://login.microsoftonline.com/common/discovery/keys";
    let keys = corpus.text["documents"][url]
        .to_string()
        .replace("\"kid\":\"", "\"kid\":\"other-");
    let at = words.iter().position(|word| word == "--jwks").unwrap();
    words[at + 1] = common::file("validate_other_keys.json", &keys).display().to_string();
    let output = run(&words);
    assert_eq!(output.status.code(), Some(9));
    assert!(err(&output).contains("check the files of --jwks"), "{}", err(&output));
}

/// Returns the words that accept the emulator's forged token.
fn words(emulator: &Emulator, more: &[&str]) -> Vec<String> {
    let token = emulator.forge().token();
    let claims = entra_proto::claims::UnverifiedClaims::decode(&token).unwrap();
    let words = ["validate", "--audience", claims.audience().unwrap()];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn validate(emulator: &Emulator, more: &[&str], token: &str) -> Output {
    validate_as("text", emulator, more, token)
}

fn validate_as(form: &str, emulator: &Emulator, more: &[&str], token: &str) -> Output {
    let words = words(emulator, &[&["-o", form], more].concat());
    let variables = &variables(emulator)[..2];
    entra(&words.iter().map(String::as_str).collect::<Vec<_>>(), variables, token)
}

#[test]
fn token_is_found_in_pasted_text() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    let (head, tail) = token.split_at(40);
    for text in [
        format!("{token}\n"),
        format!("Bearer {token}"),
        format!("Authorization: Bearer {token}\r\n"),
        format!("\"{token}\""),
        format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"{token}"}}"#),
        format!("{head}\n{tail}"),
        format!("curl -H 'Authorization: Bearer {token}' https://api.example"),
        format!("ENTRA_ACCESS_TOKEN={token}"),
    ] {
        let output = validate(&emulator, &[], &text);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(!err(&output).contains(tail) && !out(&output).contains(tail));
        assert!(
            out(&output).contains("any scope or role is accepted"),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn bare_token_is_validated_unchanged() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    for text in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{token}"),
        format!("Bearer {token}/"),
        // The header is not valid base64url.
        token.replacen("eyJ", "ey!J", 1),
        token.replacen('.', "*.", 1),
        "opaque".to_owned(),
        "123".to_owned(),
    ] {
        let output = validate(&emulator, &[], &text);
        assert_eq!(output.status.code(), Some(9), "{text}: {}", err(&output));
        assert!(
            out(&output).starts_with("R01") && out(&output).contains("R01 failed before it"),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn without_keys_there_is_no_verdict() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    let check = |more: &[&str], code: i32, expected: &str| {
        let output = validate(&emulator, more, &token);
        fails(&output, code, &[expected, "the token was not validated"]);
    };
    check(&["--authority-host", "http://127.0.0.1:9"], 7, "127.0.0.1:9");
    check(
        &["--tenant", "bbbbcccc-1111-dddd-2222-eeee3333ffff"],
        5,
        "entra discover",
    );
}

#[test]
fn invalid_settings_are_named() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    let keys = common::file("validate_no_keys.json", "{}").display().to_string();
    for (more, code, expected) in [
        (&["--tenant", "contoso.com"] as &[&str], 3, "entra discover"),
        (&["--tenant", "common"], 3, "--any-tenant"),
        (&["--tenant", ""], 3, "not an ID"),
        (
            &["--tenant", "aaaabbbb-0000-cccc-1111-dddd2222eeee", "--any-tenant"],
            2,
            "contradict",
        ),
        (&["--audience", ""], 3, "audience"),
        (&["--audience", "https://graph.microsoft.com"], 3, "Graph"),
        (&["--role", "two words"], 3, "role"),
        (&["--scope", ""], 3, "scope"),
        (&["--caller", "daemon"], 3, "client ID is not"),
        (&["--signing-keys-of", "daemon"], 3, "client ID is not"),
        (&["--at", "yesterday"], 2, "2026-01-31T12:00:00Z"),
        (&["--metadata", &keys], 2, "--jwks"),
        (&["--jwks", "-"], 2, "standard input"),
        (&["--jwks", "missing.json"], 3, "missing.json"),
        (&["--jwks", &keys], 3, "--metadata"),
        (&["--jwks", &keys, "--authority-host", "public"], 3, "an array of keys"),
        (&["--jwks", &keys, "--metadata", &keys], 3, "not JSON with issuer"),
        (&["--authority-host", "ftp://x"], 3, "neither https nor http"),
    ] {
        let output = validate(&emulator, more, &token);
        fails(&output, code, &[expected]);
    }
}

#[test]
fn token_on_the_command_line_is_rejected() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    let output = validate(&emulator, &[&token], "");
    fails(&output, 2, &["command line"]);
    assert!(!err(&output).contains(&token[20..]));
}

#[test]
fn tenant_options_override_the_variable() {
    let emulator = Emulator::start();
    let token = emulator.forge().token();
    let other = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
    let run = |tenant: &str, more: &[&str]| {
        let words = words(&emulator, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let variables = [
            ("AZURE_AUTHORITY_HOST", emulator.base_url()),
            ("AZURE_TENANT_ID", tenant),
        ];
        entra(&words, &variables, &token).status.code()
    };
    assert_eq!(run(emulator.tenant_id(), &[]), Some(0));
    assert_eq!(run(other, &["--any-tenant"]), Some(0));
    assert_eq!(run(other, &["--tenant", emulator.tenant_id()]), Some(0));
    assert_eq!(
        run(
            emulator.tenant_id(),
            &["--tenant", other, "--tenant", "cccccccc-1111-dddd-2222-eeee3333ffff"]
        ),
        Some(9)
    );
    assert_eq!(run("", &[]), Some(3));
}

#[test]
fn project_file_does_not_choose_the_keys() {
    let folder = common::private_folder();
    let profile = "default_profile = \"x\"\n[profile.x]\nauthority_host = \"https://login.evil.example\"\n";
    std::fs::write(folder.path().join("entra.toml"), profile).unwrap();
    common::set_mode(&folder.path().join("entra.toml"), 0o600);
    let home = folder.path().display().to_string();
    let output = command(
        &["validate", "--audience", "api://x", "--any-tenant"],
        &[("HOME", &format!("{home}/home"))],
    );
    let output = { output }.current_dir(folder.path()).output().unwrap();
    fails(&output, 3, &["neither Microsoft's nor on this machine"]);
}

#[test]
fn hostile_values_are_made_printable() {
    let emulator = Emulator::start();
    let token = emulator
        .forge()
        .claim("aud", "a\u{1b}[2J\n\u{202e}R10 audience  pass")
        .token();
    for form in ["table", "json"] {
        let output = validate_as(form, &emulator, &["--any-tenant"], &token);
        assert_eq!(output.status.code(), Some(9));
        assert!(out(&output).contains("R10"), "{form}");
        for text in [out(&output), err(&output)] {
            assert!(
                !text.contains(['\u{1b}', '\u{202e}']) && !text.contains("\nR10 audience  pass"),
                "{text}"
            );
        }
    }
}

#[test]
fn long_inputs_end() {
    let emulator = Emulator::start();
    let member = format!("{{\"{}\":[{}0]}}", "a".repeat(900_000), "0,".repeat(500_000));
    for text in [
        "a.".repeat(900_000),
        "[".repeat(1_900_000),
        "a.b.c ".repeat(300_000),
        member,
        "eyJ".repeat(600_000),
    ] {
        let output = validate(&emulator, &[], &text);
        assert_eq!(output.status.code(), Some(9), "{}", err(&output));
    }
    let output = validate(&emulator, &[], &"a".repeat(2 * 1024 * 1024 + 1));
    fails(&output, 4, &["longer than"]);
}

#[test]
fn text_without_a_token_is_not_valid() {
    let emulator = Emulator::start();
    for text in ["", " \n", "{}", "no token here", "-----BEGIN CERTIFICATE-----"] {
        fails(&validate(&emulator, &[], text), 9, &["error: ", "; "]);
    }
}
