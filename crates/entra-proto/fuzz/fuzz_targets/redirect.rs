//! The query of a redirect, or the stored text of a pending sign-in. `cargo xtask fuzz` runs this
//! target from `tests/corpora/redirect`.

#![no_main]

#[path = "../../tests/it/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::redirect(bytes);
});
