//! Laws for arbitrary responses and challenges.

use std::path::{Component, Path};

use entra_proto::managed_identity::{Platform, Source};
use entra_proto::strategies::{hostile_response, hostile_text, identity, resource};
use proptest::prelude::*;

use super::support::*;
use crate::fuzzed;

/// Generates the path of a key in one of the agent's folders, with some hostile parts.
fn file() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("/var/opt/azcmagent/tokens".to_owned()),
        Just(r"C:\ProgramData\AzureConnectedMachineAgent\Tokens".to_owned()),
        "(/|\\\\|\\.\\.|\\.|k|\\.key|\"|=| |:|%2f|NUL|con){1,3}",
        hostile_text(),
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat() + ".key")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_response_causes_a_panic_or_a_flood(response in hostile_response()) {
        fuzzed::identity(response.body().as_bytes());
    }

    #[test]
    fn request_carries_the_identity_and_the_resource(identity in identity(), resource in resource()) {
        let machine = Machine::of(Source::AppService);
        let request = machine.identity(identity.clone()).request(resource.clone()).unwrap();
        let run = run(&request, &[IMPOSSIBLE]);
        let query = run.sent[0].line.split_once('?').unwrap().1;
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        prop_assert_eq!(&pairs[1], &("resource".to_owned(), resource.as_str().to_owned()));
        prop_assert_eq!(pairs.len(), if identity.is_system() { 2 } else { 3 });
        if let Some((_, value)) = pairs.get(2) {
            prop_assert!(identity.to_string().ends_with(value.as_str()));
        }
    }

    #[test]
    fn cache_keys_are_equal_for_equal_requests_only(one in identity(), other in identity(), resource in resource()) {
        let key = |identity: &entra_proto::managed_identity::Identity| {
            let machine = Machine::of(Source::AppService);
            machine.identity(identity.clone()).request(resource.clone()).unwrap().cache_key()
        };
        let is_same = one.to_string().eq_ignore_ascii_case(&other.to_string());
        prop_assert_eq!(key(&one) == key(&other), is_same);
        prop_assert_eq!(key(&one), key(&one));
        prop_assert!(!key(&one).as_str().contains(CANARY));
    }

    #[test]
    fn no_challenge_leads_out_of_the_folder(file in file(), on_windows: bool) {
        let Ok(value) = http::HeaderValue::from_bytes(format!("Basic realm={file}").as_bytes()) else {
            return Ok(());
        };
        let platform = if on_windows { Platform::Windows } else { Platform::Linux };
        let machine = Machine::of(Source::Arc).on(platform);
        let request = machine
            .identity(entra_proto::managed_identity::Identity::system())
            .with_source(Source::Arc)
            .request(vault())
            .unwrap();
        let Ok(value) = value.to_str() else { return Ok(()) };
        let start = request.start(exact(), entra_proto::Guid::from_bytes([7; 16]), NOW);
        let Ok(entra_proto::acquire::Step::Exchange(exchange)) = start else { panic!() };
        let response = http::Response::builder()
            .status(401)
            .header("www-authenticate", value)
            .body(entra_proto::Body::default())
            .unwrap();
        let _ = exchange.respond(&response, NOW);
        for path in machine.opened() {
            let text = path.to_str().unwrap();
            let (folder, name) = if on_windows {
                (r"C:\ProgramData\AzureConnectedMachineAgent\Tokens\", text.rsplit('\\').next().unwrap())
            } else {
                ("/var/opt/azcmagent/tokens/", text.rsplit('/').next().unwrap())
            };
            prop_assert_eq!(format!("{folder}{name}"), text);
            prop_assert!(name.ends_with(".key") && !name.contains(['/', '\\', ':', ' ']));
            prop_assert!(!Path::new(name).components().any(|part| part == Component::ParentDir));
        }
    }
}
