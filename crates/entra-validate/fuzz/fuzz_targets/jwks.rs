//! Arbitrary bytes as a JWKS document. `cargo xtask fuzz` starts with `tests/corpora/jwks`.

#![no_main]

use std::sync::LazyLock;

use entra_proto::EndpointVersion;
use entra_validate::{Api, Audience, KeySet, MAX_KEYS, Permissions, Tenants};
use libfuzzer_sys::fuzz_target;

static API: LazyLock<Api> = LazyLock::new(|| {
    let audience = Audience::new("api://x").expect("the settings are valid");
    Api::new(audience, Tenants::Any, Permissions::any_granted()).expect("the settings are valid")
});

fuzz_target!(|bytes: &[u8]| {
    match KeySet::pinned(&API, EndpointVersion::V2, bytes) {
        Ok(keys) => {
            assert!((1..=MAX_KEYS).contains(&keys.kids().count()));
            assert!(keys.kids().all(|kid| !kid.is_empty()));
        }
        Err(error) => assert!(error.to_string().contains("JWKS")),
    }
});
