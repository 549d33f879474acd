//! Responses to a device authorization request and to a code redemption. `cargo xtask fuzz` runs
//! this target from `tests/corpora/response`.

#![no_main]

#[path = "../../tests/it/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::response(bytes);
});
