//! From a person in a browser to tokens without one: seed by seed and grant by grant, our clients
//! against the emulator's own judgement.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra_client::SignIn;
use entra_client::blocking::{Client, ConsentFlow, Runtime};
use entra_credential::ClientCertificate;
use entra_emulator::{Api, App, Emulator, Tenant, TokenVersion};
use entra_proto::authorize::{PendingAuthorization, Prompt, Redirect, RedirectUri, ResponseMode, UserAssertion};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, Authority, ClientCredential, ClientSecret, EndpointVersion, Target, Timestamp};
use entra_tenants::{ConsentedTenant, RedbTenantStore, TenantStore};
use entra_tests::{Carrier, call, carriers};
use entra_transport::AcquireError;
use entra_transport_ureq::UreqTransport;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use EndpointVersion::{V1, V2};

pub(super) const OFFICE: &str = "https://manage.office.com";
const GRAPH: &str = "https://graph.microsoft.com";
pub(super) const ADMIN: &str = "adele@contoso.onmicrosoft.com";
const USER: &str = "alex@contoso.onmicrosoft.com";

/// The seed's application, and where it is sent back to.
pub(super) const CLIENT_ID: &str = "a6099727-6b7b-482c-b509-1df309acc563";
const REDIRECT_URI: &str = "http://www.mycompany.com/myapp/";

/// The emulator, and the certificate (PEM, with its key) of the seed's application.
pub(super) fn emulator() -> (Arc<Emulator>, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let pem = certificate.pem() + &key.serialize_pem();
    let home = "mycompany.example";
    let app = App::new("MyCompanyName MyAppName")
        .client_id(CLIENT_ID)
        .home(home)
        .multi_tenant()
        .secret("a-secret")
        .certificate(certificate.der())
        .redirect_uri(REDIRECT_URI)
        .redirect_uri("https://app.example/cb")
        .request(OFFICE, "ActivityFeed.Read")
        .request(OFFICE, "ServiceHealth.Read")
        .request_scope(OFFICE, "ActivityFeed.Read")
        .request_scope(OFFICE, "ServiceHealth.Read")
        .request_scope(GRAPH, "User.Read");
    let todo = App::new("todo")
        .client_id("11111111-2222-3333-4444-555555555555")
        .secret("b-secret")
        .redirect_uri("https://app.example/cb")
        .grant_scope("api://todo", "Todo.Read")
        .grant_scope(GRAPH, "User.Read");
    let emulator = Emulator::builder()
        .frozen_at(UNIX_EPOCH + Duration::from_secs(1_795_000_000))
        .tenant(Tenant::new(home))
        .tenant(Tenant::new("contoso.onmicrosoft.com"))
        .api(
            Api::new("api://todo")
                .app_id("11111111-2222-3333-4444-555555555555")
                .scope("Todo.Read")
                .token_version(TokenVersion::V2),
        )
        .app(app)
        .app(todo)
        .app(App::new("a command").public_client().grant_scope(GRAPH, "User.Read"))
        .start();
    (Arc::new(emulator), pem)
}

pub(super) fn application(
    emulator: &Arc<Emulator>,
    name: &str,
    tenant: &str,
    credential: impl Into<ClientCredential>,
) -> Application {
    let authority = Authority::loopback(&format!("{}/{tenant}", emulator.base_url())).unwrap();
    Application::new(
        authority,
        emulator.app(name).unwrap().client_id.parse().unwrap(),
        credential,
    )
}

fn seed_app(emulator: &Arc<Emulator>, version: EndpointVersion) -> Application {
    let secret = ClientSecret::new("a-secret").unwrap();
    application(emulator, "MyCompanyName MyAppName", "common", secret).with_endpoint_version(version)
}

/// Moves the emulator's clock instead of sleeping.
struct ItsTime(Arc<Emulator>);

impl Runtime for ItsTime {
    fn sleep(&self, duration: Duration) {
        self.0.clock().advance(duration);
    }

    fn spawn(&self, task: Box<dyn FnOnce() + Send>) {
        task();
    }
}

/// The clock of the emulator, as the client's own.
pub(super) struct ItsClock(pub(super) Arc<Emulator>);

impl entra_client::clock::Clock for ItsClock {
    fn now(&self) -> entra_client::clock::Moment {
        let since = self.0.clock().now().duration_since(UNIX_EPOCH).unwrap();
        entra_client::clock::Moment {
            wall: Timestamp::from(UNIX_EPOCH + since),
            monotonic: since,
        }
    }
}

pub(super) fn client(emulator: &Arc<Emulator>, application: Application) -> Client {
    let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    Client::builder(application, transport)
        .clock(ItsClock(Arc::clone(emulator)))
        .runtime(ItsTime(Arc::clone(emulator)))
        .build()
        .unwrap()
}

fn redirect_uri() -> RedirectUri {
    RedirectUri::over_plain_http(REDIRECT_URI).unwrap()
}

/// Returns the parameters of the redirect, in whatever place the response mode puts them.
pub(super) fn came_back(redirect: &entra_emulator::Redirect) -> Redirect {
    match &redirect.body {
        Some(body) => Redirect::from_form(body.as_bytes()),
        None => Redirect::from_url(&redirect.url),
    }
    .unwrap()
}

fn sign_in(emulator: &Arc<Emulator>, client: &Client, target: Target, user: &str) -> SignIn {
    let flow = ConsentFlow::new(client, target, "https://app.example/cb".parse().unwrap()).unwrap();
    let flow = flow.with(|request| request.with_prompt(Prompt::SelectAccount));
    let (url, pending) = flow.start().unwrap();
    let back = came_back(&emulator.approve(&url, user).unwrap());
    flow.finish(&pending, &back).unwrap().sign_in.unwrap()
}

pub(super) fn code(error: &impl std::fmt::Debug, number: u32) -> bool {
    format!("{error:?}").contains(&format!("AADSTS{number}"))
}

#[test]
fn consent_leads_to_the_office_365_data_of_the_tenant() {
    let (emulator, pem) = emulator();
    let contoso = emulator.tenants()[1].id.clone();
    let office = Target::resource(OFFICE).unwrap();
    let with_certificate = {
        let certificate = ClientCertificate::read(pem.as_bytes(), None).unwrap();
        let app = application(&emulator, "MyCompanyName MyAppName", "common", certificate);
        client(&emulator, app.with_endpoint_version(V1))
    };
    // No administrator has consented yet.
    let error = with_certificate
        .tenant(contoso.parse::<entra_proto::Tenant>().unwrap())
        .token(&office);
    assert!(code(&error.unwrap_err(), 700_016));
    emulator.clock().advance(Duration::from_secs(5));

    // The administrator consents, and the code is redeemed with the secret on common, as the seed
    // has it.
    let with_secret = client(&emulator, seed_app(&emulator, V1));
    let flow = ConsentFlow::new(&with_secret, office.clone(), redirect_uri()).unwrap();
    let (url, pending) = flow.start().unwrap();
    assert!(url.starts_with(&format!("{}/common/oauth2/authorize?", emulator.base_url())));
    for said in [
        "response_type=code",
        "resource=https%3A%2F%2Fmanage.office.com",
        "client_id=a6099727-6b7b-482c-b509-1df309acc563",
        "redirect_uri=http%3A%2F%2Fwww.mycompany.com%2Fmyapp%2F",
    ] {
        assert!(url.contains(said), "{said}: {url}");
    }
    let back = emulator.approve(&url, ADMIN).unwrap();
    assert!(
        back.url.starts_with("http://www.mycompany.com/myapp/?code="),
        "{back:?}"
    );
    let consent = flow.finish(&pending, &came_back(&back)).unwrap();
    assert_eq!(consent.tenant.to_string(), contoso);
    let theirs = UnverifiedClaims::decode(consent.sign_in.as_ref().unwrap().token.expose()).unwrap();
    assert_eq!((theirs.username(), theirs.audience()), (Some(ADMIN), Some(OFFICE)));
    assert_eq!(
        theirs.scopes().collect::<Vec<_>>(),
        ["ActivityFeed.Read", "ServiceHealth.Read"]
    );
    let redeemed = emulator.token_requests().pop().unwrap();
    assert_eq!(
        (&*redeemed.path, redeemed.target.as_deref()),
        ("/common/oauth2/token", Some(OFFICE))
    );

    // The tenant's id is stored, and read again by who comes later.
    let folder = private_folder();
    let directory = RedbTenantStore::at(folder.path().join("tenants.redb"));
    let now = Timestamp::from(SystemTime::now());
    directory
        .put(&ConsentedTenant::new(CLIENT_ID.parse().unwrap(), consent.tenant, now))
        .unwrap();
    let stored = RedbTenantStore::at(directory.path()).list(None).unwrap().tenants[0].tenant;

    // From now on the certificate is enough.
    let token = with_certificate.tenant(stored).token(&office).unwrap();
    let claims = UnverifiedClaims::decode(token.expose()).unwrap();
    assert_eq!(
        claims.roles().collect::<Vec<_>>(),
        ["ActivityFeed.Read", "ServiceHealth.Read"]
    );
    assert_eq!(
        (claims.scopes().count(), claims.issuer()),
        (0, Some(&*format!("https://sts.windows.net/{contoso}/")))
    );
    let token = entra_proto::AccessToken::new(token.expose()).unwrap();
    for carrier in carriers(None) {
        let feed = emulator.activity_url().replace(emulator.tenant_id(), &contoso);
        let (status, body) = call(
            &*carrier,
            &format!("{feed}/subscriptions/list?PublisherIdentifier={CLIENT_ID}"),
            &token,
        );
        assert_eq!((status, body.is_array()), (200, true), "{}: {body}", carrier.name());
    }
    std::fs::remove_dir_all(folder).unwrap();
    let lints: Vec<_> = emulator
        .requests()
        .into_iter()
        .flat_map(|request| request.lints)
        .collect();
    assert!(lints.is_empty(), "{lints:?}");
}

#[test]
fn every_response_mode_on_both_endpoints_over_every_transport() {
    let (emulator, _) = emulator();
    for carrier in carriers(None) {
        for version in [V1, V2] {
            for mode in [ResponseMode::Query, ResponseMode::Fragment, ResponseMode::FormPost] {
                let app = seed_app(&emulator, version);
                let request = app
                    .authorize(Target::resource(OFFICE).unwrap(), redirect_uri())
                    .with_response_mode(mode);
                let (url, pending) = request.with_login_hint(ADMIN).start(&random()).unwrap();
                let back = came_back(&emulator.approve(&url, ADMIN).unwrap());
                let redeemed = carrier.acquire(pending.redeem(&app, &back).unwrap()).unwrap();
                assert!(redeemed.id_token.is_some() && redeemed.refresh_token.is_some());
                let refreshed = app.refresh(redeemed.refresh_token.unwrap(), Target::resource(OFFICE).unwrap());
                let refreshed = carrier.acquire(refreshed.unwrap()).unwrap();
                let audience = UnverifiedClaims::decode(refreshed.access_token.expose()).unwrap();
                assert_eq!(
                    audience.audience(),
                    Some(OFFICE),
                    "{} {version:?} {mode:?}",
                    carrier.name()
                );
            }
        }
    }
    assert!(emulator.requests().iter().all(|request| request.lints.is_empty()));
}

/// Returns a code from a redirect, and the sign-in that it belongs to.
fn started(emulator: &Arc<Emulator>, app: &Application, uri: &str) -> (PendingAuthorization, Redirect) {
    let uri = RedirectUri::over_plain_http(uri).unwrap();
    let request = app.authorize(Target::resource(OFFICE).unwrap(), uri);
    let (url, pending) = request.start(&random()).unwrap();
    let back = came_back(&emulator.approve(&url, ADMIN).unwrap());
    (pending, back)
}

fn random() -> [u8; 96] {
    let mut bytes = [0; 96];
    for chunk in bytes.chunks_mut(16) {
        chunk.copy_from_slice(entra_transport::request_id().unwrap().as_bytes());
    }
    bytes
}

#[test]
fn code_is_valid_once_for_ten_minutes_and_one_client() {
    let (emulator, _) = emulator();
    let carrier: &dyn Carrier = &*carriers(None).remove(0);
    for version in [V1, V2] {
        let app = seed_app(&emulator, version);
        let redeem =
            |pending: &PendingAuthorization, back: &Redirect| carrier.acquire(pending.redeem(&app, back).unwrap());
        let (pending, back) = started(&emulator, &app, REDIRECT_URI);
        redeem(&pending, &back).unwrap();
        assert!(code(&redeem(&pending, &back).unwrap_err(), 54_005));

        let (pending, back) = started(&emulator, &app, REDIRECT_URI);
        emulator.clock().advance(Duration::from_secs(660));
        assert!(code(&redeem(&pending, &back).unwrap_err(), 70_008));

        // The verifier of another sign-in, and another redirect URI.
        let (pending, back) = started(&emulator, &app, REDIRECT_URI);
        let (other, _) = started(&emulator, &app, REDIRECT_URI);
        let text = |pending: &PendingAuthorization| pending.expose().to_string();
        let part = |text: &str, name: &str| {
            let pair = text.split('&').find(|pair| pair.starts_with(&format!("{name}=")));
            pair.unwrap().to_owned()
        };
        let mixed = text(&pending).replace(
            &part(&text(&pending), "code_verifier"),
            &part(&text(&other), "code_verifier"),
        );
        assert!(code(&redeem(&mixed.parse().unwrap(), &back).unwrap_err(), 501_481));

        let (pending, back) = started(&emulator, &app, REDIRECT_URI);
        let elsewhere = text(&pending).replace(
            &part(&text(&pending), "redirect_uri"),
            "redirect_uri=https%3A%2F%2Fapp.example%2Fcb",
        );
        let error = redeem(&elsewhere.parse().unwrap(), &back).unwrap_err();
        let AcquireError::Protocol(error) = error else {
            panic!("{error:?}")
        };
        assert!(
            matches!(
                error.service().unwrap().class(),
                ErrorClass::Grant | ErrorClass::Request
            ),
            "{error}"
        );
    }
}

/// "The redirect URL must match or be a sub-path under one of the Reply URLs": on v1.
#[test]
fn a_path_below_a_registered_one_is_for_v1() {
    let (emulator, _) = emulator();
    let below = format!("{REDIRECT_URI}tenants/connected");
    let app = seed_app(&emulator, V1);
    let (pending, back) = started(&emulator, &app, &below);
    carriers(None)
        .remove(0)
        .acquire(pending.redeem(&app, &back).unwrap())
        .unwrap();

    let app = seed_app(&emulator, V2);
    let request = app.authorize(
        Target::resource(OFFICE).unwrap(),
        RedirectUri::over_plain_http(&below).unwrap(),
    );
    let page = emulator
        .approve(&request.start(&random()).unwrap().0, ADMIN)
        .unwrap_err();
    assert_eq!(page.aadsts, Some(50_011));
}

#[test]
fn declined_and_forbidden_consents_are_distinguished() {
    let (emulator, _) = emulator();
    let client = client(&emulator, seed_app(&emulator, V1));
    let office = Target::resource(OFFICE).unwrap();
    let flow = ConsentFlow::new(&client, office.clone(), redirect_uri()).unwrap();
    let (url, pending) = flow.start().unwrap();
    let error = flow
        .finish(&pending, &came_back(&emulator.decline(&url, ADMIN).unwrap()))
        .unwrap_err();
    assert_eq!(
        (error.class(), error.service().unwrap().codes.as_slice()),
        (ErrorClass::Consent, &[65_004][..])
    );
    // Who is no administrator ends at a page that says so.
    assert_eq!(emulator.approve(&url, USER).unwrap_err().aadsts, Some(90_094));
    for version in [V1, V2] {
        let page = client_of(&emulator, version);
        let flow = ConsentFlow::admin_page(&page, office.clone(), redirect_uri()).unwrap();
        let (url, pending) = flow.start().unwrap();
        let declined = came_back(&emulator.decline(&url, ADMIN).unwrap());
        assert_eq!(
            flow.finish(&pending, &declined).unwrap_err().class(),
            ErrorClass::Consent,
            "{version:?}"
        );
        let consented = came_back(&emulator.approve(&url, ADMIN).unwrap());
        let consent = flow.finish(&pending, &consented).unwrap();
        assert_eq!(consent.tenant.to_string(), emulator.tenants()[1].id);
        page.tenant(consent.tenant).token(&office).unwrap();
    }
    // A silent request without a sign-in.
    let quiet = flow.with(|request| request.with_prompt(Prompt::None));
    let (url, pending) = quiet.start().unwrap();
    let back = emulator.approve(&url, ADMIN).unwrap();
    let error = quiet.finish(&pending, &came_back(&back)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Interaction, "{error}");
}

/// The v2 page takes organizations, the v1 page common.
fn client_of(emulator: &Arc<Emulator>, version: EndpointVersion) -> Client {
    let organizations = seed_app(emulator, version);
    let tenant: entra_proto::Tenant = if version == V1 { "common" } else { "organizations" }.parse().unwrap();
    let authority = organizations.authority().with_tenant(tenant).unwrap();
    client(emulator, organizations.with_authority(authority))
}

#[test]
fn sign_in_is_refreshed_delegated_and_revoked() {
    let (emulator, _) = emulator();
    let todo = |version: EndpointVersion| {
        let secret = ClientSecret::new("b-secret").unwrap();
        client(
            &emulator,
            application(&emulator, "todo", "contoso.onmicrosoft.com", secret).with_endpoint_version(version),
        )
    };
    for version in [V1, V2] {
        let client = todo(version);
        let own = if version == V1 {
            Target::resource("api://todo")
        } else {
            Target::scopes("api://todo/Todo.Read")
        };
        let own = own.unwrap();
        let signed_in = sign_in(&emulator, &client, own.clone(), USER);
        assert_eq!(signed_in.username().as_deref(), Some(USER));

        // The API that the user called requests tokens on their behalf: on both endpoints, with the
        // same object ID.
        let graph = Target::resource(GRAPH).unwrap();
        let assertion = UserAssertion::new(signed_in.token.expose()).unwrap();
        let behalf = client.acquire_on_behalf_of(&assertion, &graph).unwrap();
        let claims = UnverifiedClaims::decode(behalf.expose()).unwrap();
        assert_eq!(
            (claims.object_id(), claims.audience()),
            (signed_in.object_id(), Some(GRAPH))
        );
        client.acquire_on_behalf_of(&assertion, &graph).unwrap();

        let user = client.user(signed_in.user.as_ref().unwrap());
        let requests = emulator.token_requests().len();
        user.token(&own).unwrap();
        assert_eq!(emulator.token_requests().len(), requests);
        emulator.clock().advance(Duration::from_secs(3600));
        user.token(&own).unwrap();
        user.token(&graph).unwrap();
        assert_eq!(emulator.token_requests().len(), requests + 2);
        // The user's token for the API has expired, so it is rejected as an assertion.
        let error = client.acquire_on_behalf_of(&assertion, &graph).unwrap_err();
        assert!(code(&error, 500_133), "{error}");

        emulator.revoke_sessions_of(USER);
        emulator.clock().advance(Duration::from_secs(3600));
        let error = user.token(&own).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Grant, "{error}");
        emulator.clock().advance(Duration::from_secs(1));
    }
}

#[test]
fn device_code_signs_in_on_both_endpoints() {
    let (emulator, _) = emulator();
    for (version, target) in [(V1, Target::resource(GRAPH)), (V2, Target::scopes("User.Read"))] {
        let target = target.unwrap();
        let app = application(&emulator, "a command", "organizations", ClientCredential::Public)
            .with_endpoint_version(version);
        let client = client(&emulator, app);
        // The user waits, so several polls find nothing.
        let approving =
            |code: &entra_proto::device::DeviceAuthorization| emulator.approve_device(&code.user_code, USER).unwrap();
        let signed_in = client.device_code(&target, approving).unwrap();
        assert_eq!(signed_in.username().as_deref(), Some(USER));
        client.user(signed_in.user.as_ref().unwrap()).token(&target).unwrap();

        let declining =
            |code: &entra_proto::device::DeviceAuthorization| emulator.decline_device(&code.user_code).unwrap();
        let error = client.device_code(&target, declining).unwrap_err();
        assert_eq!(error.service().unwrap().error, "authorization_declined");
        let before = emulator.token_requests().len();
        let error = client.device_code(&target, |_| {}).unwrap_err();
        assert_eq!(error.service().unwrap().error, "expired_token", "{error}");
        let polls = emulator.token_requests().len() - before;
        // None at the very end, when the code is dead.
        assert_eq!(
            polls, 179,
            "every five seconds, for fifteen minutes, and never too early"
        );
    }
    assert!(emulator.requests().iter().all(|request| request.lints.is_empty()));
}

/// A folder that only this user may change, whatever the umask, removed with the test.
fn private_folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir().unwrap()
}
