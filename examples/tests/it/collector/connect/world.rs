//! The collector with its connect page, and the emulator that it is connected to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use entra_emulator::{App, Emulator, ManagedIdentitySource, RequestEvent, Tenant, User};
use entra_proto::Body;
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::HOST;
use http::{Request, Response};

use crate::collector::running::Running;
use crate::collector::world::{HOME, IDENTITY, identity, trust};
use crate::support::chromium::Folder;

/// Users of the connecting tenant, which is not the one that the application is registered in.
pub(crate) const ADMINISTRATOR: &str = "megan@fabrikam.example";
pub(crate) const EVERYMAN: &str = "isaiah@fabrikam.example";

/// The application's private key and certificate, shared by all tests because making a key takes a
/// while.
static CERTIFICATE: LazyLock<(String, String)> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (key.serialize_pem(), certificate.pem())
});

/// An emulator with two tenants, and an application registered as the document says: in one of
/// them, multi-tenant, with a reply URL, a key, a certificate and the permissions of the Management
/// APIs, which no administrator has consented to.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    folder: Folder,
}

impl World {
    pub(crate) fn new() -> Self {
        let office = Emulator::OFFICE_MANAGEMENT;
        Self::of(|app| {
            app.request(office, "ActivityFeed.Read")
                .request(office, "ServiceHealth.Read")
                .request_scope(office, "ActivityFeed.Read")
        })
    }

    /// Creates the same with other permissions in the registration.
    pub(crate) fn of(permissions: impl FnOnce(App) -> App) -> Self {
        let folder = Folder::new();
        let (key, certificate) = &*CERTIFICATE;
        fs::write(folder.path().join("app.pem"), format!("{key}{certificate}")).unwrap();
        let app = App::new("Audit Collector")
            .home("contoso.example")
            .multi_tenant()
            .redirect_uri("http://localhost/myapp/")
            .certificate_pem(certificate)
            .federated_credential(trust());
        let fabrikam = Tenant::new("fabrikam.example")
            .user(User::new("Megan Bowen").admin())
            .user(User::new("Isaiah Langer"));
        let emulator = Emulator::builder()
            .tenant(Tenant::new("contoso.example").id(HOME))
            .tenant(fabrikam)
            .tenant(Tenant::new("live.example").id("9188040d-6c67-4c5b-b112-36a304b66dad"))
            .managed_identity(identity())
            .app(permissions(app))
            .start();
        Self { emulator, folder }
    }

    /// Returns the number of codes that were sent to be redeemed.
    pub(crate) fn redeemed_codes(&self) -> usize {
        let requests = self.emulator.token_requests();
        let is_code = |event: &&RequestEvent| event.grant.as_deref() == Some("authorization_code");
        requests.iter().filter(is_code).count()
    }

    /// Returns the ID of the connecting tenant.
    pub(crate) fn tenant(&self) -> &str {
        &self.emulator.tenants()[1].id
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn tenants_file(&self) -> PathBuf {
        self.folder.path().join("tenants.redb")
    }

    /// Returns the written records of the connecting tenant.
    pub(crate) fn records(&self) -> String {
        let folder = self.folder.path().join("audit").join(self.tenant());
        let Ok(files) = fs::read_dir(folder) else {
            return String::new();
        };
        let files = files.map(|file| file.unwrap().path());
        let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
        files.map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    /// Starts the connect page alone, with a secret for the codes in addition to the certificate,
    /// and more variables.
    pub(crate) fn start(&self, variables: &[(&str, &str)]) -> Web {
        self.run(&["--no-collect"], variables)
    }

    /// Starts the connect page and the collector.
    pub(crate) fn collect(&self) -> Web {
        self.run(&[], &[])
    }

    /// Starts the connect page alone, with a managed identity beside a secret and a certificate.
    pub(crate) fn start_with_identity(&self) -> Web {
        let variables = self.emulator.managed_identity_environment(ManagedIdentitySource::Imds);
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.run(&["--no-collect", "--managed-identity", IDENTITY], &variables)
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Web {
        let program = Running::spawn(&self.command(&self.tenants_file(), arguments, variables));
        let url = program.wait("connect: open ").expect("the page starts");
        Web { url, program }
    }

    /// Returns the output of a start that fails.
    pub(crate) fn fail(&self, tenants: &Path, variables: &[(&str, &str)]) -> String {
        let program = Running::spawn(&self.command(tenants, &[], variables));
        assert_eq!(program.wait("connect: open "), None, "the page starts");
        program.fail()
    }

    fn command(&self, tenants: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_office365_collector"));
        command
            .args(["--connect", "127.0.0.1:0", "--tenants"])
            .arg(tenants)
            .arg("--output")
            .arg(self.folder.path().join("audit"))
            .args(arguments)
            .env_clear()
            .envs([
                ("AZURE_CLIENT_ID", self.emulator.client_id()),
                ("AZURE_CLIENT_SECRET", self.emulator.client_secret()),
                (
                    "AZURE_CLIENT_CERTIFICATE_PATH",
                    self.folder.path().join("app.pem").to_str().unwrap(),
                ),
                ("AZURE_AUTHORITY_HOST", self.emulator.base_url()),
            ])
            .envs(variables.iter().copied());
        command
    }

    /// Asserts that the requests to Entra and to the API are those of the document, for a tenant
    /// that connected and was collected.
    pub(crate) fn assert_requests_match_the_document(&self, web: &Web) {
        let (client_id, office) = (self.emulator.client_id(), Emulator::OFFICE_MANAGEMENT);
        let redirect_uri = format!("{}myapp/", web.url);
        let events = self.emulator.requests();
        let the = |path: &str| -> &RequestEvent {
            let mut found = events.iter().filter(|event| event.path == path);
            let event = found.next().unwrap_or_else(|| panic!("{path} in {events:#?}"));
            assert!(found.next().is_none(), "{path} is repeated in {events:#?}");
            event
        };

        let authorize = the("/common/oauth2/authorize");
        for (name, value) in [
            ("response_type", "code"),
            ("resource", office),
            ("client_id", client_id),
            ("redirect_uri", &redirect_uri),
        ] {
            let sent = authorize.query.iter().find(|parameter| parameter.name == name);
            assert_eq!(sent.map(|parameter| parameter.value.as_str()), Some(value), "{name}");
        }
        assert_eq!(authorize.lints, []);

        let code = the("/common/oauth2/token");
        for (name, value) in [
            ("resource", office),
            ("client_id", client_id),
            ("redirect_uri", &redirect_uri),
            ("client_secret", self.emulator.client_secret()),
            ("grant_type", "authorization_code"),
        ] {
            assert_eq!(code.form_value(name), Some(value), "{name}");
        }
        assert!(code.form_value("code").is_some() && code.form_value("client_assertion").is_none());
        assert_eq!((code.status.as_u16(), code.lints.as_slice()), (200, [].as_slice()));

        let path = format!("/{}/oauth2/token", self.tenant());
        let app_only = the(&path);
        let jwt_bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        for (name, value) in [
            ("resource", office),
            ("client_id", client_id),
            ("grant_type", "client_credentials"),
            ("client_assertion_type", jwt_bearer),
        ] {
            assert_eq!(app_only.form_value(name), Some(value), "{name}");
        }
        let [header, claims] = parts(app_only.form_value("client_assertion").unwrap());
        assert!(header["alg"] == "RS256" && header["x5t"].is_string(), "{header}");
        let audience = format!("{}{path}", self.emulator.base_url());
        for (name, value) in [("aud", audience.as_str()), ("iss", client_id), ("sub", client_id)] {
            assert_eq!(claims[name], value, "{name}");
        }
        assert!(
            claims["jti"].is_string() && claims["nbf"].is_u64() && claims["exp"].is_u64(),
            "{claims}"
        );
        assert!(app_only.form_value("client_secret").is_none());
        assert_eq!(
            (app_only.status.as_u16(), app_only.lints.as_slice()),
            (200, [].as_slice())
        );

        let feed = format!("/api/v1.0/{}/activity/feed/", self.tenant());
        let called = events.iter().filter_map(|event| event.path.strip_prefix(&feed));
        let mut called: Vec<_> = called
            .map(|path| if path.starts_with("audit/") { "audit/" } else { path })
            .collect();
        called.dedup();
        let expected = [
            "subscriptions/list",
            "subscriptions/start",
            "subscriptions/content",
            "audit/",
        ];
        assert_eq!(called.get(..4), Some(expected.as_slice()), "{called:?}");
    }
}

/// Returns the header and the claims of a JWT.
pub(super) fn parts(jwt: &str) -> [serde_json::Value; 2] {
    let mut parts = jwt.split('.').map(|part| {
        use base64::Engine;
        serde_json::from_slice(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(part)
                .unwrap_or_default(),
        )
    });
    [(); 2].map(|()| parts.next().unwrap().unwrap())
}

/// The connect page. Dropping this ends the program.
pub(crate) struct Web {
    /// With a trailing slash.
    pub(crate) url: String,
    program: Running,
}

impl Web {
    /// Returns everything that the program has written to standard error.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }

    /// Sends a request without cookies, and without a resolver for `localhost`.
    pub(crate) fn send(&self, mut request: Request<Body>) -> Response<Body> {
        let host = request.uri().authority().unwrap().to_string();
        let address = request.uri().to_string().replacen("//localhost:", "//127.0.0.1:", 1);
        *request.uri_mut() = address.parse().unwrap();
        request.headers_mut().insert(HOST, host.parse().unwrap());
        let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
        transport.send(request).unwrap()
    }
}
