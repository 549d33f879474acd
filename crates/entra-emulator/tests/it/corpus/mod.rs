//! The corpus of access tokens, which is generated with the forge. `ENTRA_CORPUS=write` regenerates
//! the file.

mod accepted;
mod rejected;
mod row;
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use entra_emulator::Emulator;

use crate::corpus::accepted::accepted;
use crate::corpus::rejected::{forbidden, rejected};
use crate::corpus::row::{Corpus, Row};
use crate::corpus::world::{apis, documents, emulator};

pub(super) const HOME: &str = "aaaabbbb-0000-4ccc-8111-dddd2222eeee";
pub(super) const PARTNER: &str = "bbbbcccc-1111-4ddd-8222-eeee3333ffff";
pub(super) const STRANGER: &str = "ccccdddd-2222-4eee-8333-ffff44440000";
pub(super) const EXTERNAL: &str = "ddddeeee-3333-4fff-8444-000055551111";
pub(super) const API: &str = "11112222-bbbb-4333-8444-4444dddd5555";
pub(super) const BLUEPRINT: &str = "44445555-eeee-4666-8777-777700008888";
pub(super) const USER: &str = "55556666-ffff-4777-8888-888811119999";
pub(super) const LOGIN: &str = "https://login.microsoftonline.com";
pub(super) const NOW: u64 = 1_767_225_600;
pub(super) const LEEWAY: u64 = 300;

fn rows(emulator: &Emulator) -> Vec<Row> {
    let mut rows = accepted(emulator);
    rows.extend(rejected(emulator));
    rows.extend(forbidden(emulator));
    rows
}

const ABOUT: &str = "Access tokens, each with the verdict of a web API that validates it. README.md describes the format. The keys are public test keys: trust no token that they signed.";

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/access-tokens.json")
}

fn read() -> Option<Corpus> {
    let text = std::fs::read_to_string(path()).ok()?;
    serde_json::from_str(&text).ok()
}

/// Keeps the stored signatures of PS256, which differ in every run.
fn keep_signatures(rows: &mut [Row], known: &[Row]) {
    for row in rows.iter_mut().filter(|row| row.name.ends_with(" ps256")) {
        let signed = |row: &Row| row.text().rsplit_once('.').map(|(signed, _)| signed.to_owned());
        let same = known
            .iter()
            .find(|other| other.name == row.name && signed(other) == signed(row));
        if let Some(same) = same {
            row.token = same.token.clone();
        }
    }
}

#[test]
fn corpus_matches_the_forge() {
    let emulator = emulator();
    let known = read();
    let mut tokens = rows(&emulator);
    keep_signatures(&mut tokens, known.as_ref().map_or(&[], |known| &known.tokens));
    let corpus = Corpus {
        about: ABOUT.to_owned(),
        now: NOW,
        leeway: LEEWAY,
        apis: apis(),
        documents: documents(&emulator),
        tokens,
    };
    if std::env::var_os("ENTRA_CORPUS").is_some_and(|value| value == "write") {
        let text = serde_json::to_string_pretty(&corpus).unwrap() + "\n";
        return std::fs::write(path(), text).unwrap();
    }
    let known = known.expect("the corpus exists; ENTRA_CORPUS=write regenerates it");
    let differ: Vec<&str> = corpus
        .tokens
        .iter()
        .filter(|row| !known.tokens.contains(row))
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(differ, [""; 0], "ENTRA_CORPUS=write regenerates it");
    assert!(corpus == known, "ENTRA_CORPUS=write regenerates it");
}

#[test]
fn corpus_is_consistent() {
    let corpus = read().unwrap();
    let names: BTreeSet<&str> = corpus.tokens.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), corpus.tokens.len(), "names are unique");
    for row in &corpus.tokens {
        assert!(corpus.apis.contains_key(&row.api), "{}", row.name);
        let is_rejected = ["401", "403"].contains(&row.verdict.as_str());
        assert!(is_rejected || row.verdict == "accept", "{}", row.name);
        assert_eq!(
            (row.rule.is_some(), row.principal.is_some()),
            (is_rejected, !is_rejected),
            "{}",
            row.name
        );
    }
    for api in corpus.apis.values() {
        for url in api["metadata"].as_object().unwrap().values() {
            let metadata = &corpus.documents[url.as_str().unwrap()];
            assert!(
                corpus.documents.contains_key(metadata["jwks_uri"].as_str().unwrap()),
                "{url}"
            );
        }
    }
}

#[test]
fn pieces_restore_the_text() {
    for text in [
        "",
        "a",
        "AAAA",
        &"A".repeat(1_001),
        &format!("x.{}.{}y", "W1tb".repeat(70), "A".repeat(300)),
    ] {
        let row = Row::new("", "", "", "", text);
        assert_eq!(row.text(), *text);
        assert!(row.token.len() < 6);
    }
}
