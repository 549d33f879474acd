//! The first request to each source, byte for byte, and the variables that decide it.

use std::time::Duration;

use entra_proto::error::ManagedIdentityErrorKind;
use entra_proto::managed_identity::{
    Identity, ManagedIdentity, ManagedIdentityRequest, Platform, ResourceIdParameter, Source,
};
use entra_proto::{AccessToken, Error, Guid, Target};

use super::support::*;

const IMDS: &str = "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
const RESOURCE: &str = "resource=https%3A%2F%2Fvault.azure.net";

fn first(request: &ManagedIdentityRequest) -> Sent {
    let run = run(request, &[IMPOSSIBLE]);
    run.sent.into_iter().next().unwrap()
}

fn start_error(machine: &Machine, source: Source) -> String {
    let request = machine
        .identity(Identity::system())
        .with_source(source)
        .request(vault())
        .unwrap();
    match request.start(exact(), Guid::from_bytes([7; 16]), NOW) {
        Err(Error::ManagedIdentity(error)) => {
            assert_eq!(
                (error.kind(), error.identity_source()),
                (ManagedIdentityErrorKind::Configuration, source)
            );
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert!(!text.contains(CANARY), "{text}");
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

/// The headers that name the request and this library to the instance metadata service.
fn with_ids(headers: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = headers.iter().map(|header| String::from(*header)).collect();
    all.push("x-client-sku: entra-rust".to_owned());
    all.push(format!("x-client-ver: {}", env!("CARGO_PKG_VERSION")));
    all.push("x-ms-client-request-id: 07070707-0707-0707-0707-070707070707".to_owned());
    all.sort();
    all
}

#[test]
fn metadata_service_gets_the_documented_request() {
    let machine = Machine::default();
    let request = first(&machine.system());
    assert_eq!(request.line, format!("{IMDS}&{RESOURCE}"));
    assert_eq!(request.headers, with_ids(&["metadata: true"]));
    assert_eq!(request.body, "");
    assert_eq!(request.route().connect_timeout(), Some(Duration::from_secs(2)));

    let request = first(&machine.identity(resource_id()).request(vault()).unwrap());
    assert_eq!(
        request.line,
        format!("{IMDS}&{RESOURCE}&msi_res_id=%2Fsubscriptions%2Fs%2Fx")
    );
}

#[test]
fn host_of_the_metadata_service_can_be_replaced() {
    let path = "metadata/identity/oauth2/token?api-version=2018-02-01";
    for (value, base) in [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        (" http://localhost:8000/some/path?a=b ", "http://localhost:8000"),
        ("http://imds", "http://imds"),
        ("https://imds.example", "https://imds.example"),
    ] {
        let machine = Machine::new(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", value)]);
        assert_eq!(
            first(&machine.system()).line,
            format!("GET {base}/{path}&{RESOURCE}"),
            "{value}"
        );
    }
}

#[test]
fn app_service_gets_the_documented_request() {
    let machine = Machine::of(Source::AppService);
    let request = first(&machine.identity(client_id()).request(vault()).unwrap());
    assert_eq!(
        request.line,
        format!("GET http://127.0.0.1:41564/msi/token/?api-version=2019-08-01&{RESOURCE}&client_id={ID}")
    );
    assert_eq!(
        request.headers,
        ["metadata: true".to_owned(), format!("x-identity-header: {CANARY}")]
    );
    assert_eq!(request.route().pin(), None);

    for (endpoint, line) in [
        ("http://localhost:42356/msi/token", "http://localhost:42356/msi/token?"),
        (
            "http://169.254.129.3:8081/msi/token?a=b%20c",
            "http://169.254.129.3:8081/msi/token?a=b%20c&",
        ),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/?"),
        ("https://identity.example/t?", "https://identity.example/t?"),
    ] {
        machine.set("IDENTITY_ENDPOINT", endpoint);
        let expected = format!("GET {line}api-version=2019-08-01&{RESOURCE}");
        assert_eq!(first(&machine.system()).line, expected, "{endpoint}");
    }
}

#[test]
fn arc_for_kubernetes_gets_its_own_parameter() {
    let identity = Machine::of(Source::AppService)
        .identity(resource_id())
        .with_resource_id_parameter(ResourceIdParameter::MsiResId);
    let request = first(&identity.request(vault()).unwrap());
    assert!(
        request.line.ends_with("&msi_res_id=%2Fsubscriptions%2Fs%2Fx"),
        "{}",
        request.line
    );
}

#[test]
fn machine_learning_gets_the_documented_request() {
    let machine = Machine::of(Source::MachineLearning);
    let line = format!("GET http://localhost:7071/msi/token?api-version=2017-09-01&{RESOURCE}");
    let request = first(&machine.system());
    assert_eq!(request.line, line);
    assert_eq!(
        request.headers,
        ["metadata: true".to_owned(), format!("secret: {CANARY}")]
    );
    machine.set("DEFAULT_IDENTITY_CLIENT_ID", "d");
    assert_eq!(first(&machine.system()).line, format!("{line}&clientid=d"));
    let named = machine.identity(client_id()).request(vault()).unwrap();
    assert_eq!(first(&named).line, format!("{line}&clientid={ID}"));
    machine.set("DEFAULT_IDENTITY_CLIENT_ID", "");
    assert_eq!(first(&machine.system()).line, line);
}

#[test]
fn cloud_shell_gets_a_form() {
    let request = first(&Machine::of(Source::CloudShell).system());
    assert_eq!(request.line, "POST http://localhost:50342/oauth2/token");
    assert_eq!(
        request.headers,
        ["content-type: application/x-www-form-urlencoded", "metadata: true"]
    );
    assert_eq!(request.body, RESOURCE);
}

#[test]
fn arc_agent_gets_the_documented_request() {
    let path = "metadata/identity/oauth2/token?api-version=2020-06-01";
    let machine = Machine::of(Source::Arc);
    let request = first(&machine.system());
    assert_eq!(request.line, format!("GET http://127.0.0.1:40342/{path}&{RESOURCE}"));
    assert_eq!(request.headers, ["metadata: true"]);

    machine.set("IMDS_ENDPOINT", "http://localhost:40342");
    machine.set(
        "IDENTITY_ENDPOINT",
        "http://localhost:40999/metadata/identity/oauth2/token",
    );
    let request = first(&machine.system());
    assert_eq!(request.line, format!("GET http://127.0.0.1:40999/{path}&{RESOURCE}"));
    assert!(start_error(&machine.on(Platform::Other), Source::Arc).contains("Linux and on Windows only"));
}

#[test]
fn service_fabric_gets_the_documented_request() {
    let machine = Machine::of(Source::ServiceFabric);
    let base = "GET https://localhost:2377/metadata/identity/oauth2/token?api-version";
    let request = first(&machine.system());
    assert_eq!(request.line, format!("{base}=2019-07-01-preview&{RESOURCE}"));
    assert_eq!(
        request.headers,
        ["accept: application/json".to_owned(), format!("secret: {CANARY}")]
    );
    let pin = request.route().pin().unwrap();
    assert_eq!((pin[0], pin[19]), (0x84, 0x34));
    machine.set("IDENTITY_API_VERSION", "2020-05-01");
    assert_eq!(first(&machine.system()).line, format!("{base}=2020-05-01&{RESOURCE}"));
}

#[test]
fn service_fabric_replaces_a_token_after_a_challenge_only() {
    let machine = Machine::of(Source::ServiceFabric);
    let identity = machine.identity(Identity::system()).with_capabilities(&["cp1", "cp2"]);
    let plain = identity.request(vault()).unwrap();
    let token = AccessToken::new("test_token").unwrap();
    let hash = "token_sha256_to_refresh=cc0af97287543b65da2c7e1476426021826cab166f1e063ed012b855ff819656";
    let line = first(&plain).line;
    assert_eq!(first(&plain.clone().replacing(&token)).line, line);
    let challenged = plain.with_claims(r#"{"access_token":{"nbf":null}}"#).unwrap();
    assert_eq!(first(&challenged).line, format!("{line}&xms_cc=cp1%2Ccp2"));
    let replacing = challenged.replacing(&token);
    assert_eq!(first(&replacing).line, format!("{line}&{hash}&xms_cc=cp1%2Ccp2"));
    assert!(machine.system().with_claims("no JSON").is_err());

    // The other sources have no such parameters.
    for source in Source::ALL {
        let request = Machine::of(source).system();
        let replacing = request.clone().with_claims("{}").unwrap().replacing(&token);
        assert_eq!(
            first(&request).line == first(&replacing).line,
            source != Source::ServiceFabric
        );
    }
}

#[test]
fn variables_are_read_for_each_acquisition() {
    let machine = Machine::of(Source::AppService);
    let request = machine.system();
    assert!(
        first(&request)
            .headers
            .contains(&format!("x-identity-header: {CANARY}"))
    );
    machine.set("IDENTITY_HEADER", "rotated");
    assert!(
        first(&request)
            .headers
            .contains(&"x-identity-header: rotated".to_owned())
    );
    machine.set("IDENTITY_HEADER", "");
    assert_eq!(
        start_error(&machine, Source::AppService),
        "there is no token from App Service: the variable IDENTITY_HEADER is not set"
    );
}

#[test]
fn invalid_endpoint_is_rejected_and_not_repeated() {
    for (source, variable) in [
        (Source::AppService, "IDENTITY_ENDPOINT"),
        (Source::ServiceFabric, "IDENTITY_ENDPOINT"),
        (Source::Arc, "IDENTITY_ENDPOINT"),
        (Source::MachineLearning, "MSI_ENDPOINT"),
        (Source::CloudShell, "MSI_ENDPOINT"),
        (Source::Imds, "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
    ] {
        let machine = Machine::of(source);
        for value in [
            "not a url",
            "/msi/token",
            "127.0.0.1:80/msi/token",
            "ftp://127.0.0.1/x",
            "http://evil.example/",
            "http://10.0.0.4/",
            "http://2852039166/",
            "http://canary~Secret~1@127.0.0.1/",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:/",
            "http://127.0.0.1/#canary~Secret~1",
            "http://[::ffff:10.0.0.4]/",
        ] {
            machine.set(variable, value);
            let error = start_error(&machine, source);
            let named = format!("there is no token from {source}: the variable {variable} ");
            assert!(error.starts_with(&named), "{value}: {error}");
        }
    }
    let machine = Machine::of(Source::ServiceFabric);
    machine.set("IDENTITY_ENDPOINT", "http://localhost:2377/x");
    assert!(start_error(&machine, Source::ServiceFabric).contains("https"));
}

#[test]
fn secrets_must_fit_into_a_header() {
    for (source, variable) in [
        (Source::AppService, "IDENTITY_HEADER"),
        (Source::ServiceFabric, "IDENTITY_HEADER"),
        (Source::MachineLearning, "MSI_SECRET"),
    ] {
        for value in [
            "canary~Secret~1\r\nhost: evil.example",
            "canary~Secret~1\0",
            "canary~Secret~1\u{e9}",
        ] {
            let machine = Machine::of(source);
            machine.set(variable, value);
            assert!(start_error(&machine, source).contains(variable));
        }
    }
}

#[cfg(unix)]
#[test]
fn variable_that_is_not_utf8_is_named() {
    use std::os::unix::ffi::OsStringExt;

    let machine = Machine::of(Source::AppService);
    machine.set("IDENTITY_HEADER", std::ffi::OsString::from_vec(vec![b'a', 0xff]));
    assert_eq!(
        start_error(&machine, Source::AppService),
        "there is no token from App Service: the variable IDENTITY_HEADER is not UTF-8"
    );
}

#[test]
fn thumbprint_of_service_fabric_is_checked_before_sending() {
    let machine = Machine::of(Source::ServiceFabric);
    for bad in ["AB:CD", &PIN[1..], &PIN.repeat(2), &PIN.replace('8', "x")] {
        machine.set("IDENTITY_SERVER_THUMBPRINT", bad);
        let error = start_error(&machine, Source::ServiceFabric);
        assert!(
            error.contains("IDENTITY_SERVER_THUMBPRINT") && !error.contains(bad),
            "{error}"
        );
    }
}

/// Which identities each source accepts, and the parameter of each.
#[test]
fn sources_accept_the_documented_identities() {
    let clients = format!("client_id={ID}");
    let objects = format!("object_id={ID}");
    let (msi, mi) = (
        "msi_res_id=%2Fsubscriptions%2Fs%2Fx",
        "mi_res_id=%2Fsubscriptions%2Fs%2Fx",
    );
    let (ml, fabric) = (format!("clientid={ID}"), format!("principalId={ID}"));
    for (source, parameters) in [
        (Source::Imds, [Some(&*clients), Some(&*objects), Some(msi)]),
        (Source::AppService, [Some(&*clients), Some(&*objects), Some(mi)]),
        (Source::Arc, [Some(&*clients), Some(&*objects), Some(msi)]),
        (Source::MachineLearning, [Some(&*ml), None, None]),
        (Source::CloudShell, [None, None, None]),
        (Source::ServiceFabric, [None, Some(&*fabric), None]),
    ] {
        let machine = Machine::of(source);
        assert_eq!(machine.system().source(), source);
        let identities = [client_id(), object_id(), resource_id()];
        for (identity, parameter) in identities.into_iter().zip(parameters) {
            let request = machine.identity(identity.clone()).request(vault());
            match (request, parameter) {
                (Ok(request), Some(parameter)) => {
                    let line = first(&request).line;
                    assert!(line.ends_with(&format!("&{RESOURCE}&{parameter}")), "{line}");
                }
                (Err(Error::ManagedIdentity(error)), None) => {
                    assert_eq!(
                        (error.kind(), error.identity_source()),
                        (ManagedIdentityErrorKind::Configuration, source)
                    );
                    assert!(error.to_string().contains("accepts no identity by its"), "{error}");
                    assert!(error.hint().is_some());
                }
                (other, _) => panic!("{source} {identity:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn several_scopes_are_rejected_before_sending() {
    let identity = ManagedIdentity::new(Identity::system(), Machine::default());
    let several = Target::scopes("https://a/.default https://b/.default").unwrap();
    assert!(matches!(identity.request(several), Err(Error::Input(_))));
    let sql = Target::scopes("https://database.windows.net//.default").unwrap();
    let request = identity.request(sql).unwrap();
    assert_eq!(request.resource(), "https://database.windows.net/");
    assert!(
        first(&request)
            .line
            .ends_with("&resource=https%3A%2F%2Fdatabase.windows.net%2F")
    );
}

#[test]
fn resource_that_is_too_long_is_an_error() {
    let target = Target::resource(&format!("https://a/{}", "b".repeat(70_000))).unwrap();
    let request = ManagedIdentity::new(Identity::system(), Machine::default())
        .request(target)
        .unwrap();
    let error = request.start(exact(), Guid::from_bytes([7; 16]), NOW).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn cache_key_is_the_source_the_identity_and_the_resource() {
    let mut keys: Vec<String> = Vec::new();
    for source in [Source::Imds, Source::AppService, Source::Arc] {
        let machine = Machine::of(source);
        let identities = [Identity::system(), client_id(), object_id(), resource_id()];
        for identity in identities {
            for resource in [VAULT, "https://vault.azure.net/"] {
                let target = Target::resource(resource).unwrap();
                let request = machine.identity(identity.clone()).request(target).unwrap();
                keys.push(request.cache_key().as_str().to_owned());
            }
        }
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);

    let machine = Machine::default();
    let upper = Identity::resource_id("/Subscriptions/S/X").unwrap();
    let key = |identity: Identity, target| machine.identity(identity).request(target).unwrap().cache_key();
    assert_eq!(key(upper, vault()), key(resource_id(), vault()));
    let scope = Target::scopes("https://vault.azure.net/.default").unwrap();
    assert_eq!(key(client_id(), scope), key(client_id(), vault()));
}
