//! Any text as a manifest. `cargo xtask fuzz` runs it from `tests/corpora/manifest`.

#![no_main]

use entra_credential::KeyCredential;
use entra_proto::Guid;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let entry = KeyCredential::new(b"certificate", Guid::from_bytes([1; 16]));
    if let Ok(once) = KeyCredential::merge(text, [&entry]) {
        let twice = KeyCredential::merge(&once, [&entry]).expect("what was edited can be edited");
        assert_eq!(once, twice);
    }
});
