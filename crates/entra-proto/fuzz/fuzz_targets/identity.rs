//! Responses of the sources of managed identities, and challenges of the Azure Arc agent. `cargo
//! xtask fuzz` runs this target from `tests/corpora/identity`.

#![no_main]

#[path = "../../tests/it/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::identity(bytes);
});
