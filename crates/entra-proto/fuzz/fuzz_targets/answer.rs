//! What a server answers to a device flow's start and to a code. `cargo xtask fuzz` runs it from `tests/corpora/answer`.

#![no_main]

#[path = "../../tests/it/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::answer(bytes);
});
