//! Any text, with and without a password. `cargo xtask fuzz` runs it from `tests/corpora/pem`.

#![no_main]

use entra_credential::{CertificateBundle, ClientCertificate};
use entra_proto::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ClientCertificate::from_pem(bytes, None);
    if let Ok(bundle) = CertificateBundle::read(bytes, Some("secret")) {
        let now = Timestamp::from_secs(1_796_000_000);
        let _ = bundle.certificate(now);
        let _ = bundle.client_certificate(now);
    }
});
