//! Any text, with and without a password. `cargo +nightly fuzz run pem -- -timeout=10 -rss_limit_mb=256 -max_total_time=20`

#![no_main]

use entra_credential::ClientCertificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ClientCertificate::from_pem(bytes, None);
    let _ = ClientCertificate::read(bytes, Some("secret"));
});
