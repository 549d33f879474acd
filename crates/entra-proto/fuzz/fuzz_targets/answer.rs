//! What a server answers to a device flow's start and to a code. `cargo +nightly fuzz run answer -- -max_total_time=20`

#![no_main]

#[path = "../../tests/fuzzed/mod.rs"]
mod fuzzed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzzed::answer(bytes);
});
