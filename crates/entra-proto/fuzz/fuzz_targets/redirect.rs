//! What a browser brings back, or what was kept of a sign-in. `cargo xtask fuzz` runs it from `tests/corpora/redirect`.

#![no_main]

#[path = "../../tests/it/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::redirect(bytes);
});
