//! Tokens of managed identities: the requests of each source and their errors.

mod app_service;
mod arc;
mod azure_ml;
mod cloud_shell;
mod imds;
mod instance;
mod machine;
mod recorded;
#[cfg(feature = "tls")]
mod service_fabric;

use entra_emulator::{Emulator, Machine, ManagedIdentity, ManagedIdentitySource};
use http::Request;
use serde_json::Value;

use crate::support::{Response, claims, encode, json_body};

const VAULT: &str = "https://vault.azure.net";
const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
const OBJECT_ID: &str = "aaaaaaaa-2222-3333-4444-555555555555";
const RESOURCE_ID: &str = "/subscriptions/S/resourcegroups/x";

/// Returns a system-assigned identity, and a user-assigned one with known IDs.
fn identities() -> [ManagedIdentity; 2] {
    let system = ManagedIdentity::system_assigned().grant(Emulator::GRAPH, "User.Read.All");
    let user = ManagedIdentity::user_assigned("collector")
        .client_id(CLIENT_ID)
        .object_id(OBJECT_ID)
        .resource_id(RESOURCE_ID)
        .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read");
    [system, user]
}

fn emulator() -> Emulator {
    emulator_with(Machine::default())
}

fn emulator_with(machine: Machine) -> Emulator {
    let machine = identities().into_iter().fold(machine, Machine::identity);
    Emulator::builder().machine(machine).build()
}

/// The request for a token of a source, to be changed by a test.
struct Asked<'a> {
    emulator: &'a Emulator,
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> Asked<'a> {
    /// Returns a complete request, without an identity.
    fn new(emulator: &'a Emulator, source: ManagedIdentitySource) -> Self {
        let environment = emulator.managed_identity_environment(source);
        let variable = |wanted: &str| {
            let mut found = environment.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| value.clone())
        };
        let (url, version, secret) = match source {
            ManagedIdentitySource::Imds => {
                let host = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap();
                (host + "/metadata/identity/oauth2/token", "2018-02-01", None)
            }
            ManagedIdentitySource::AppService => {
                let secret = variable("IDENTITY_HEADER").unwrap();
                let endpoint = variable("IDENTITY_ENDPOINT").unwrap();
                (endpoint, "2019-08-01", Some(("x-identity-header", secret)))
            }
            ManagedIdentitySource::AppService2017 | ManagedIdentitySource::AzureMl => {
                let secret = variable("MSI_SECRET").unwrap();
                (
                    variable("MSI_ENDPOINT").unwrap(),
                    "2017-09-01",
                    Some(("secret", secret)),
                )
            }
            ManagedIdentitySource::CloudShell => (variable("MSI_ENDPOINT").unwrap(), "-", None),
            ManagedIdentitySource::Arc => (variable("IDENTITY_ENDPOINT").unwrap(), "2020-06-01", None),
            ManagedIdentitySource::ServiceFabric => {
                let secret = variable("IDENTITY_HEADER").unwrap();
                let endpoint = variable("IDENTITY_ENDPOINT").unwrap();
                (endpoint, "2019-07-01-preview", Some(("secret", secret)))
            }
            other => panic!("{other:?}"),
        };
        Self {
            emulator,
            method: "GET",
            url,
            headers: [("metadata", "true".to_owned())].into_iter().chain(secret).collect(),
            query: vec![("api-version", version), ("resource", VAULT)],
        }
    }

    /// Adds or replaces a parameter. The value `-` removes it.
    fn with(mut self, name: &'a str, value: &'a str) -> Self {
        crate::support::merge(&mut self.query, &[(name, value)]);
        self
    }

    /// Adds a parameter, whether it is there or not.
    fn and(mut self, name: &'a str, value: &'a str) -> Self {
        self.query.push((name, value));
        self
    }

    /// Adds or replaces a header. The value `-` removes it.
    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        if value != "-" {
            self.headers.push((name, value.to_owned()));
        }
        self
    }

    fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn send(&self) -> Response {
        let url = format!("{}?{}", self.url, encode(&self.query));
        let request = self.headers.iter().fold(
            Request::builder().method(self.method).uri(url),
            |request, (name, value)| request.header(*name, value),
        );
        self.emulator.handle(request.body(Vec::new()).unwrap())
    }

    /// Sends a request that must succeed, and returns the body.
    #[track_caller]
    fn body(&self) -> Value {
        let response = self.send();
        let body = json_body(&response);
        assert_eq!(response.status(), 200, "{body}");
        body
    }

    /// Returns the status and a member of the body, by its path.
    fn error(&self, member: &str) -> (u16, Value) {
        let response = self.send();
        let body = json_body(&response);
        let value = body.pointer(member).unwrap_or_else(|| panic!("no {member} in {body}"));
        (response.status().as_u16(), value.clone())
    }
}

/// Checks that each parameter of `table` names an identity by a value that is right for it, and
/// that names of other sources have no effect.
#[track_caller]
fn check_identity_parameters(source: ManagedIdentitySource, table: &[(&str, &str)]) {
    check_identity_parameters_of(&emulator(), source, table);
}

#[track_caller]
fn check_identity_parameters_of(emulator: &Emulator, source: ManagedIdentitySource, table: &[(&str, &str)]) {
    let system = &emulator.managed_identities()[0];
    assert!(system.system_assigned);
    let oid = |name: &str, value: &str| {
        let body = Asked::new(emulator, source).with(name, value).body();
        claims(&body)["oid"].as_str().unwrap().to_owned()
    };
    for &(parameter, value) in table {
        assert_eq!(oid(parameter, value), OBJECT_ID, "{parameter}");
        assert_eq!(
            oid(parameter, &value.to_lowercase()),
            OBJECT_ID,
            "{parameter} in lower case"
        );
        assert_eq!(
            oid(parameter, &value.to_uppercase()),
            OBJECT_ID,
            "{parameter} in upper case"
        );
    }
    for (parameter, value) in [
        ("client_id", CLIENT_ID),
        ("clientid", CLIENT_ID),
        ("object_id", OBJECT_ID),
        ("principal_id", OBJECT_ID),
        ("principalId", OBJECT_ID),
        ("msi_res_id", RESOURCE_ID),
        ("mi_res_id", RESOURCE_ID),
    ] {
        if !table.iter().any(|(known, _)| *known == parameter) {
            assert_eq!(oid(parameter, value), system.object_id, "{parameter}");
            let lints = emulator.requests().pop().unwrap().lints;
            let lints = format!("{lints:?}");
            assert!(lints.contains("UnknownParameter"), "{parameter}: {lints}");
        }
    }
}
