//! Arbitrary bytes as a metadata document. `cargo xtask fuzz` starts with
//! `tests/corpora/discovery`.

#![no_main]

use std::sync::LazyLock;

use entra_proto::{Cloud, EndpointVersion};
use entra_validate::{Api, Audience, Metadata, Permissions, Tenants};
use libfuzzer_sys::fuzz_target;

/// APIs of a named cloud, of an external tenant, and of a cloud on this machine.
static APIS: LazyLock<[Api; 4]> = LazyLock::new(|| {
    let tenant = || "aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().expect("it is a GUID");
    let of = |tenants| {
        let audience = Audience::new("api://x").expect("the settings are valid");
        Api::new(audience, tenants, Permissions::any_granted()).expect("the settings are valid")
    };
    let one = || of(Tenants::One(tenant()));
    let external = Cloud::at("https://contoso.ciamlogin.com").expect("it is a cloud");
    let local = Cloud::loopback("http://127.0.0.1:8500").expect("it is a cloud");
    [
        one(),
        of(Tenants::Any),
        one().with_cloud(external).expect("it has one tenant"),
        one().with_cloud(local).expect("a loopback cloud is allowed"),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    for api in APIS.iter() {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let Ok(metadata) = Metadata::read(api, version, bytes) else {
                continue;
            };
            let uri = metadata.jwks_uri();
            let host = uri.host().unwrap_or_default();
            let is_known = match api.cloud().host() {
                "127.0.0.1" => host == "127.0.0.1" && uri.port_u16() == Some(8500),
                "contoso.ciamlogin.com" => host.to_ascii_lowercase().ends_with(".ciamlogin.com"),
                _ => host.to_ascii_lowercase().starts_with("login.") || host.eq_ignore_ascii_case("sts.windows.net"),
            };
            assert!(is_known, "{uri}");
            assert_eq!(uri.scheme_str() == Some("http"), host == "127.0.0.1");
            assert!(
                !uri.authority()
                    .is_some_and(|authority| authority.as_str().contains('@'))
            );
        }
    }
});
