//! The shape of every public error type: `Display` shows the problem only, the hint is separate,
//! and a report shows each part once.

use std::any::type_name;
use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use entra_client::{Absence, Chain, CommandError};
use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::assertion::SignerError;
use entra_proto::authorize::Redirect;
use entra_proto::environment::{EnvironmentError, cloud};
use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
use entra_proto::report::{KnownErrors, ReportFor};
use entra_proto::{Application, ClientSecret, Cloud, Guid, Target, Timestamp, TokenResponse};
use entra_transport::{AcquireError, Acquisition, Body, Response, TransportError, blocking_transport_fn};
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

type Known = (
    entra::Errors,
    entra_tower::Errors,
    entra_credential::Errors,
    entra_tenants::Errors,
    entra_validate::Errors,
    entra_serve::Errors,
);

#[test]
fn every_error_type_separates_problem_and_hint() {
    for entry in table() {
        check(&*entry.error);
    }
    let error = emulator_error();
    let (text, hint) = (error.to_string(), error.hint().unwrap());
    assert!(!text.contains(hint) && !text.ends_with('.'), "{text}");
}

/// The lists of public names are those of `cargo xtask api`.
#[test]
fn table_has_every_public_error_type() {
    let emulator = Entry::of(emulator_error());
    let table: BTreeSet<_> = table().iter().chain([&emulator]).map(|entry| entry.name).collect();
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/api");
    let mut listed = 0;
    for list in fs::read_dir(lists).unwrap() {
        let list = list.unwrap().path();
        // The facade exports the errors of the other crates as well, which may be in any crate.
        let krate = list.file_stem().unwrap().to_str().unwrap().replace('-', "_");
        for name in error_types(&fs::read_to_string(&list).unwrap()) {
            listed += 1;
            let original = RENAMED.iter().find(|(renamed, _)| *renamed == name);
            let name = original.map_or(name, |(_, original)| *original);
            let is_in_table =
                |(in_crate, in_table): &(&str, &str)| *in_table == name && (*in_crate == krate || krate == "entra");
            assert!(table.iter().any(is_in_table), "the table lacks {krate}::{name}");
        }
    }
    assert!(listed >= table.len(), "{listed} in the lists, {table:?}");
}

#[test]
fn error_types_are_found_in_list() {
    let list = "Api::error fn\nApi::Error variant\nDetailed struct\nError enum\nErrors type\nRejection struct\n\
                keys::FetchError struct\nreport::Known trait\n";
    assert_eq!(error_types(list), ["Error", "Rejection", "FetchError"]);
}

/// Returns the names of the types in a list whose names say that they are errors.
fn error_types(list: &str) -> Vec<&str> {
    let types = list.lines().filter_map(|line| match line.rsplit_once(' ')? {
        (path, "struct" | "enum") => path.rsplit("::").next(),
        _ => None,
    });
    types
        .filter(|name| name.ends_with("Error") || name.ends_with("Rejection"))
        .collect()
}

fn check(error: &(dyn Error + 'static)) {
    let text = error.to_string();
    let known = Known::find(error).unwrap_or_else(|| panic!("{text}: its type is in no set"));
    assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
    assert!(!format!("{error:?} {error:#?} {text}").contains(CANARY), "{text}");
    let report = ReportFor::<Known>::of(error);
    let shown = [format!("{report:#}"), format!("{report:?}")];
    if let Some(hint) = known.hint() {
        assert!(!text.contains(hint) && text != hint, "{text}");
        assert!(shown.iter().all(|shown| shown.matches(hint).count() == 1), "{shown:?}");
    }
    if let Some(service) = known.service() {
        let ids = service.ids();
        assert!(shown.iter().all(|shown| shown.matches(&ids).count() == 1), "{shown:?}");
    }
    assert!(shown.iter().all(|shown| shown.starts_with(&text)), "{shown:?}");
    assert!(!shown.concat().contains(CANARY), "{shown:?}");
    let mut links = 0;
    let mut next = error.source();
    while let Some(cause) = next {
        links += 1;
        assert!(links < 10, "{text}: the chain has no end");
        next = cause.source();
    }
}

/// An error with its type.
struct Entry {
    /// The crate and the name of the type.
    name: (&'static str, &'static str),
    error: Box<dyn Error>,
}

impl Entry {
    fn of<E: Error + 'static>(error: E) -> Self {
        let (krate, path) = type_name::<E>().split_once("::").unwrap();
        Self {
            name: (krate, path.rsplit("::").next().unwrap()),
            error: Box::new(error),
        }
    }
}

/// Returns at least one error of each type, except for the emulator's, which is in no set.
fn table() -> Vec<Entry> {
    let tenant_store_error = entra_tenants::TenantStoreError::Io {
        path: PathBuf::from("t.redb"),
        doing: "open",
        source: io::Error::other("no"),
    };
    let another_tenant = entra_validate::Rejection::Tenant {
        found: GUID.parse::<Guid>().unwrap(),
    };
    vec![
        Entry::of(rejected()),
        Entry::of(rejected().service().unwrap().clone()),
        Entry::of(unreadable()),
        Entry::of(match unreadable() {
            entra_proto::Error::Response(error) => (*error).clone(),
            other => panic!("{other}"),
        }),
        Entry::of(Target::resource(CANARY_TOKEN).unwrap_err()),
        Entry::of(Cloud::at("http://login.example").unwrap_err()),
        Entry::of(match Cloud::at("http://login.example").unwrap_err() {
            entra_proto::Error::Input(error) => (*error).clone(),
            other => panic!("{other}"),
        }),
        Entry::of(match Redirect::from_query("code=c&code=c").unwrap_err() {
            entra_proto::Error::Redirect(error) => (*error).clone(),
            other => panic!("{other}"),
        }),
        Entry::of(match rejected_leg() {
            AcquireError::Protocol(entra_proto::Error::Leg(error)) => (*error).clone(),
            other => panic!("{other}"),
        }),
        Entry::of(rejected_leg()),
        Entry::of(match unassigned_identity() {
            entra_proto::Error::ManagedIdentity(error) => (*error).clone(),
            other => panic!("{other}"),
        }),
        Entry::of(environment_error()),
        Entry::of(SignerError::new("the vault is sealed").with_hint("open it")),
        Entry::of(reset()),
        Entry::of(AcquireError::from(reset())),
        Entry::of(AcquireError::from(rejected())),
        Entry::of(entra::FromEnvError::from(environment_error())),
        Entry::of(entra::FromEnvError::Unsupported { credential: "x" }),
        Entry::of(entra_client::Error::from(rejected())),
        Entry::of(entra_client::Error::from(reset())),
        Entry::of(entra_client::BuildError::NoRuntime),
        Entry::of(CommandError::absent("it is not installed").with_hint("install it")),
        Entry::of(chain_error()),
        Entry::of(entra_tower::BearerError::Token(rejected().into())),
        Entry::of(entra_tower::BearerError::UnlistedOrigin { origin: None }),
        Entry::of(entra_tower::OriginError::NoOrigin),
        Entry::of(entra_credential::Error::PasswordNeeded),
        Entry::of(tenant_store_error),
        Entry::of(fetch_error()),
        Entry::of(entra_validate::Rejection::NoToken),
        Entry::of(another_tenant),
        Entry::of(entra_serve::AllowedResources::new([""; 0]).unwrap_err()),
    ]
}

fn decoded(status: u16, body: &str) -> entra_proto::Error {
    let status = StatusCode::from_u16(status).unwrap();
    TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), Timestamp::from_secs(1)).unwrap_err()
}

fn rejected() -> entra_proto::Error {
    decoded(401, &rejection())
}

fn rejection() -> String {
    format!(
        r#"{{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: No. client_secret={CANARY}","trace_id":"{GUID}"}}"#
    )
}

fn unreadable() -> entra_proto::Error {
    decoded(200, "{")
}

/// The error of the first request of an acquisition that takes two.
fn rejected_leg() -> AcquireError {
    let app = |credential: entra_proto::ClientCredential| {
        let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
        Application::new(authority, GUID.parse().unwrap(), credential)
    };
    let parent = app(ClientSecret::new("s3cret").unwrap().into());
    let exchange = Target::resource("api://AzureADTokenExchange").unwrap();
    let credential = AcquiredCredential::of_token(parent.client_credentials(exchange).unwrap()).unwrap();
    let graph = Target::resource("https://graph.microsoft.com").unwrap();
    let request = app(credential.into()).client_credentials(graph).unwrap();
    let transport = blocking_transport_fn(|_| {
        let mut response = Response::new(Body::from(rejection()));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Ok(response)
    });
    Acquisition::new(request).run_blocking(&transport).unwrap_err()
}

/// A machine without variables and files.
struct Bare;

impl Host for Bare {
    fn variable(&self, _: &str) -> Option<OsString> {
        None
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The error of a machine that does not have the identity.
fn unassigned_identity() -> entra_proto::Error {
    let vault = Target::resource("https://vault.azure.net").unwrap();
    let request = ManagedIdentity::new(Identity::system(), Bare).request(vault).unwrap();
    let id = GUID.parse().unwrap();
    let step = request
        .start(RetryPolicy::never(), id, Timestamp::from_secs(1))
        .unwrap();
    let Step::Exchange(exchange) = step else {
        panic!("{step:?}")
    };
    let body = format!(r#"{{"error":"invalid_request","error_description":"Identity not found: {CANARY}"}}"#);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    exchange.respond(&response, Timestamp::from_secs(1)).unwrap_err()
}

fn chain_error() -> entra_client::ChainError {
    let absence = Absence::new("AZURE_CLIENT_SECRET is not set").with_hint("set it");
    let chain = Chain::new().with_absent("environment", absence);
    let transport = blocking_transport_fn(|_| Err(reset()));
    let client = entra_client::blocking::Client::builder(chain, transport)
        .build()
        .unwrap();
    let error = client
        .token(&Target::resource("https://vault.azure.net").unwrap())
        .unwrap_err();
    error.chain().unwrap().clone()
}

fn environment_error() -> EnvironmentError {
    cloud(|_| Some("http://login.example".into())).unwrap_err()
}

fn fetch_error() -> entra_validate::FetchError {
    let audience = entra_validate::Audience::app(GUID.parse().unwrap());
    let tenants = entra_validate::Tenants::One(GUID.parse::<Guid>().unwrap());
    let api = entra_validate::Api::new(audience, tenants, entra_validate::Permissions::any_granted()).unwrap();
    entra_validate::Metadata::read(&api, entra_proto::EndpointVersion::V2, b"{").unwrap_err()
}

fn reset() -> TransportError {
    TransportError::interrupted().because(io::Error::other("reset"))
}

fn emulator_error() -> entra_emulator::Error {
    let builder = entra_emulator::Emulator::builder().reached_as("https://login.example");
    builder.try_start().unwrap_err()
}

/// The names under which the facade exports error types of other crates, with their original names.
const RENAMED: &[(&str, &str)] = &[("ProtocolError", "Error")];

const CANARY: &str = "c4n4ry~Q8secretsecret";
const CANARY_TOKEN: &str = "c4n4ry~Q8secretsecret eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
const GUID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
