//! Any bytes, under the password that the corpus is under. `cargo xtask fuzz` runs it from
//! `tests/corpora/pfx`.

#![no_main]

use entra_credential::ClientCertificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for password in [None, Some("secret")] {
        let _ = ClientCertificate::from_pfx(bytes, password);
    }
    // Without the certificate's own structure, the key's and the other way round.
    let _ = ClientCertificate::from_der_parts([bytes], bytes);
});
