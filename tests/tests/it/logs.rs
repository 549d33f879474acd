//! Logs of a full run at trace level, over every transport: they hold no secret and no token.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use entra_emulator::{Api, App, Emulator, Fault, FederatedCredential, ManagedIdentity, ManagedIdentitySource, Tenant};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::authorize::{Redirect, UserAssertion};
use entra_proto::managed_identity::{self, Host, Identity};
use entra_proto::{Application, Authority, ClientCredential, ClientSecret, Cloud, EndpointVersion, Target};
use entra_tests::{Carrier, application, call, carriers};
use zeroize::Zeroizing;

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    /// Enables everything except the target under which ureq logs every byte that it sends. The
    /// transport rejects requests while that target is enabled, and its error says so.
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() != "ureq_proto::util"
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        RECORDS
            .lock()
            .unwrap()
            .push(format!("{} {}", record.target(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn no_secret_and_no_token_is_logged() {
    let this = std::env::current_exe().expect("a test has a file");
    let ended = Command::new(this)
        .args(["--exact", "logs::child_logs_everything", "--ignored"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && printed.contains("1 passed"), "{printed}");
}

#[test]
#[ignore = "run by the test above in a process of its own, as a process has one logger"]
fn child_logs_everything() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let secret = "canary/se+cret~1";
    let emulator = Emulator::builder()
        .api(
            Api::new("api://own")
                .app_id("11111111-2222-3333-4444-555555555555")
                .scope("Use"),
        )
        .app(
            App::new("daemon")
                .secret(secret)
                .client_id("11111111-2222-3333-4444-555555555555")
                .redirect_uri("https://app.example/cb")
                .grant_scope("api://own", "Use")
                .grant_scope(Emulator::GRAPH, "User.Read")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .tls()
        .start();
    let mut tokens = Vec::new();
    for carrier in carriers(emulator.ca_pem()) {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let app = application(&emulator, "daemon").with_endpoint_version(version);
            let target = Target::resource("https://graph.microsoft.com").unwrap();
            let token = carrier
                .acquire(app.client_credentials(target.clone()).unwrap())
                .unwrap()
                .access_token;
            let (status, _) = call(
                &*carrier,
                &format!("{}/v1.0/users", emulator.tls_url().unwrap()),
                &token,
            );
            assert_eq!(status, 200);
            tokens.push(token.expose().to_owned());

            // The same by Basic authentication, and with a truncated response.
            let basic = ClientCredential::BasicSecret(ClientSecret::new(secret).unwrap());
            let app = Application::new(app.authority().clone(), app.client_id(), basic).with_endpoint_version(version);
            emulator.fault(Fault::truncated(30));
            let token = carrier
                .acquire(app.client_credentials(target).unwrap())
                .unwrap()
                .access_token;
            tokens.push(token.expose().to_owned());
        }
        tokens.extend(of_a_user(&emulator, &*carrier));
        tokens.extend(of_a_managed_identity(&*carrier));
    }

    let records = RECORDS.lock().unwrap();
    // The libraries below do log: else this test would see nothing.
    for library in ["ureq", "hyper"] {
        assert!(
            records.iter().any(|record| record.starts_with(library)),
            "nothing from {library} in {} records",
            records.len()
        );
    }
    // As it stands in memory, in a form, and as the hexadecimal dump of some of its bytes.
    let traces = [
        "canary",
        "se+cret",
        "se%2Bcret",
        "se%252Bcret",
        "63616e617279",
        "63 61 6e 61 72 79",
    ];
    for record in records.iter() {
        assert!(!traces.iter().any(|trace| record.contains(trace)), "{record}");
        assert!(!tokens.iter().any(|token| record.contains(token.as_str())), "{record}");
        // Base64 shifts with what stands before: the encoded pair holds the client id first, so
        // look for the scheme.
        assert!(!record.contains("Basic ") && !record.contains("Bearer ey"), "{record}");
    }
}

/// Everything secret of a user's sign-in, renewal, and the API that acts on their behalf: the code,
/// the verifier, the state, the tokens.
fn of_a_user(emulator: &Emulator, carrier: &dyn Carrier) -> Vec<String> {
    let app = application(emulator, "daemon");
    let own = Target::scopes("api://own/Use").unwrap();
    let request = app.authorize(own.clone(), "https://app.example/cb".parse().unwrap());
    let mut random = [0; 96];
    for chunk in random.chunks_mut(16) {
        chunk.copy_from_slice(entra_transport::request_id().unwrap().as_bytes());
    }
    let (url, pending) = request.start(&random).unwrap();
    let back = emulator.approve(&url, "Alex Wilber").unwrap();
    let redeemed = pending.redeem(&app, &Redirect::from_url(&back.url).unwrap()).unwrap();
    let first = carrier.acquire(redeemed).unwrap();
    let refresh_token = first.refresh_token.unwrap();
    let renewed = carrier
        .acquire(app.refresh(refresh_token.clone(), own).unwrap())
        .unwrap();
    let assertion = UserAssertion::new(renewed.access_token.expose()).unwrap();
    let behalf = app
        .on_behalf_of(assertion, Target::scopes("User.Read").unwrap())
        .unwrap();
    let behalf = carrier.acquire(behalf).unwrap();
    let kept = pending.expose();
    let verifier = kept.split('&').find_map(|pair| pair.strip_prefix("code_verifier="));
    [
        &*back.parameter("code").unwrap(),
        pending.state(),
        verifier.unwrap(),
        first.access_token.expose(),
        refresh_token.expose(),
        first.id_token.unwrap().expose(),
        renewed.access_token.expose(),
        renewed.refresh_token.unwrap().expose(),
        behalf.access_token.expose(),
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Everything secret of an application whose credential is a managed identity: the values that
/// the platform passes to its programs, the assertions, the tokens.
fn of_a_managed_identity(carrier: &dyn Carrier) -> Vec<String> {
    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const IDENTITY: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example").id(TENANT))
        .managed_identity(
            ManagedIdentity::user_assigned("workload")
                .client_id(IDENTITY)
                .object_id(IDENTITY),
        )
        .app(
            App::new("daemon")
                .without_secrets()
                .federated_credential(FederatedCredential::new(issuer, IDENTITY))
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .start();
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    let authority = Authority::new(cloud.clone(), TENANT.parse().unwrap()).unwrap();
    let client_id = emulator.client_id().parse().unwrap();
    let mut secrets = Vec::new();
    for source in [
        ManagedIdentitySource::Imds,
        ManagedIdentitySource::AppService,
        ManagedIdentitySource::AppService2017,
    ] {
        let platform = emulator.managed_identity_environment(source).into_iter().collect();
        let platform = Platform(platform);
        let passed = ["IDENTITY_HEADER", "MSI_SECRET"].into_iter();
        secrets.extend(passed.filter_map(|name| platform.0.get(name).cloned()));
        let identity = Identity::client_id(IDENTITY.parse().unwrap());
        let identity = managed_identity::ManagedIdentity::new(identity, platform);
        let credential = AcquiredCredential::of_user_assigned(&identity, &cloud).unwrap();
        let app = Application::new(authority.clone(), client_id, credential);
        let target = Target::resource("https://graph.microsoft.com").unwrap();
        let response = carrier.acquire(app.client_credentials(target).unwrap()).unwrap();
        secrets.push(response.access_token.expose().to_owned());
    }
    let requests = emulator.token_requests();
    let assertions = requests.iter().map(|event| event.form_value("client_assertion"));
    secrets.extend(assertions.map(|assertion| assertion.unwrap().to_owned()));
    // Two sources pass a value; each token takes an assertion.
    assert_eq!(secrets.len(), 2 + 3 + 3);
    secrets
}

/// A machine whose platform passes these variables.
struct Platform(BTreeMap<&'static str, String>);

impl Host for Platform {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(OsString::from)
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
