//! Arbitrary bytes as `WWW-Authenticate` headers, one per line. `cargo xtask fuzz` runs this target
//! from `tests/corpora/challenge`.

#![no_main]

use entra_proto::claims::{Challenge, ClaimsChallenge};
use entra_proto::Cloud;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let read = headers(bytes.split(|byte| *byte == b'\n'));
    let challenges = Challenge::parse_all(&read);
    let written = headers(challenges.iter().map(write));
    // Escapes and replacements make the text longer, and the parser leaves out what exceeds its
    // limit.
    if written.values().map(HeaderValue::len).sum::<usize>() <= 64 * 1024 {
        assert_eq!(Challenge::parse_all(&written), challenges);
    }
    if let Some(found) = ClaimsChallenge::find(&read) {
        let _ = (found.is_from(&Cloud::Public), format!("{found:?}"));
        assert!(challenges.contains(found.challenge()));
    }
});

fn headers(values: impl Iterator<Item = impl AsRef<[u8]>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values
        .take(100)
        .filter_map(|value| HeaderValue::from_bytes(value.as_ref()).ok())
    {
        headers.append(WWW_AUTHENTICATE, value);
    }
    headers
}

fn write(challenge: &Challenge) -> String {
    let mut text = format!("{} {}", challenge.scheme(), challenge.token68().unwrap_or_default());
    for (name, value) in challenge.params() {
        text += &format!(", {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text
}
