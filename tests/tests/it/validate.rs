//! Tokens of the emulator at a web API: what one side issues, the other validates, over real
//! sockets.

use entra_emulator::{Api as Registration, App, Emulator, TokenVersion};
use entra_proto::{Cloud, EndpointVersion, Target};
use entra_tests::{application, carriers};
use entra_transport_hyper::HyperTransport;
use entra_transport_ureq::UreqTransport;
use entra_validate::{Api, Audience, Permissions, Principal, Rejection, Tenants, Validator, blocking};

const API: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

fn emulator(version: TokenVersion) -> Emulator {
    let uri = format!("api://{API}");
    let api = Registration::new(&uri)
        .app_id(API)
        .role("ToDoList.Read.All")
        .token_version(version);
    Emulator::builder()
        .api(api)
        .app(App::new("daemon").grant(&uri, "ToDoList.Read.All"))
        .app(App::new("stranger"))
        .start()
}

fn token(emulator: &Emulator, app: &str) -> String {
    let request = application(emulator, app).with_endpoint_version(EndpointVersion::V2);
    let request = request
        .client_credentials(Target::resource(&format!("api://{API}")).unwrap())
        .unwrap();
    let token = carriers(None)[0].acquire(request).unwrap();
    token.access_token.expose().to_owned()
}

fn api(emulator: &Emulator, tenants: Tenants) -> Api {
    let audience = Audience::app(API.parse().unwrap());
    let permissions = Permissions::any_of([""; 0], ["ToDoList.Read.All"]).unwrap();
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    Api::new(audience, tenants, permissions)
        .unwrap()
        .with_cloud(cloud)
        .unwrap()
}

#[test]
fn tokens_of_the_emulator_are_valid_in_both_versions() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for version in [TokenVersion::V1, TokenVersion::V2] {
        let emulator = emulator(version);
        let tenant = emulator.tenant_id().parse().unwrap();
        let (good, bare) = (token(&emulator, "daemon"), token(&emulator, "stranger"));
        for tenants in [Tenants::One(tenant), Tenants::any_of([tenant]), Tenants::Any] {
            let api = api(&emulator, tenants);
            let transport = HyperTransport::builder().for_cloud(api.cloud()).build().unwrap();
            let validator = Validator::new(api, transport);
            let report = runtime.block_on(validator.report(&good));
            assert!(report.is_valid(), "{report}");
            let Ok(Principal::App(app)) = runtime.block_on(validator.validate(&good)) else {
                panic!("it is an application")
            };
            assert_eq!(app.application.to_string(), emulator.app("daemon").unwrap().client_id);
            assert_eq!(runtime.block_on(validator.validate(&bare)), Err(Rejection::NoGrants));
        }
    }
}

#[test]
fn blocking_validator_follows_the_emulators_rotation() {
    let emulator = emulator(TokenVersion::V2);
    let api = api(&emulator, Tenants::One(emulator.tenant_id().parse().unwrap()));
    let old = token(&emulator, "daemon");
    emulator.rotate_signing_key();
    let new = token(&emulator, "daemon");
    let transport = UreqTransport::builder().for_cloud(api.cloud()).build().unwrap();
    let validator = blocking::Validator::new(api.clone(), transport);
    validator.validate(&old).unwrap();
    validator.validate(&new).unwrap();
    let other = Api::new(
        Audience::new("api://other").unwrap(),
        api.tenants().clone(),
        api.permissions().clone(),
    )
    .unwrap();
    let transport = UreqTransport::builder().for_cloud(api.cloud()).build().unwrap();
    let validator = blocking::Validator::new(other.with_cloud(api.cloud().clone()).unwrap(), transport);
    assert!(matches!(validator.validate(&new), Err(Rejection::Audience { .. })));
}
