//! Any text, with and without a password. `cargo xtask fuzz` runs it from `tests/corpora/pem`.

#![no_main]

use entra_credential::ClientCertificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ClientCertificate::from_pem(bytes, None);
    let _ = ClientCertificate::read(bytes, Some("secret"));
});
