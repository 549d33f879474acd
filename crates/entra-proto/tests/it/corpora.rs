//! Replays the corpora of the fuzz targets: no input causes a panic, and those with a telling name
//! are valid.

use std::fs;
use std::path::Path;

use crate::fuzzed;

fn replay(target: &str, check: fn(&[u8]) -> (bool, bool)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let good = check(&fs::read(&path).unwrap());
        assert_eq!(
            good,
            (
                name.starts_with("redeems") || name.starts_with("starts"),
                name.starts_with("stored") || name.starts_with("token")
            ),
            "{name}"
        );
        count += 1;
    }
    assert!(count > 10, "the corpus is incomplete: {count}");
}

#[test]
fn corpus_of_redirects_is_harmless() {
    replay("redirect", fuzzed::redirect);
}

#[test]
fn corpus_of_identities_is_harmless() {
    replay("identity", fuzzed::identity);
}

#[test]
fn corpus_of_responses_is_harmless() {
    replay("response", fuzzed::response);
}
