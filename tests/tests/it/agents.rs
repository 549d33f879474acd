//! Agent identities and their user accounts: the clients of both kinds over real sockets, with the
//! emulator as the judge of every request, and a web API that validates the tokens.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use entra_client::{Client, blocking};
use entra_emulator::{
    Api as Registration, App, Emulator, FederatedCredential, ManagedIdentity as Machine, ManagedIdentitySource, Tenant,
    TokenVersion, User,
};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::agents::AgentUser;
use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
use entra_proto::{Application, ClientId, Cloud, Guid, Target};
use entra_tests::application;
use entra_transport_hyper::HyperTransport;
use entra_transport_ureq::UreqTransport;
use entra_validate::{Acting, Agents, Api, Audience, Permissions, Principal, Tenants, blocking as validation};
use zeroize::Zeroizing;

const CONTOSO: &str = "ff882432-09b0-437b-bd22-ca13c0037ded";
const API: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const IDENTITY: &str = "22223333-cccc-4444-dddd-5555eeee6666";
const PRINCIPAL: &str = "33334444-dddd-5555-eeee-6666ffff7777";

/// Starts an emulator whose first tenant is that of the blueprint, and the second that of the
/// agents.
fn emulator() -> Emulator {
    let uri = format!("api://{API}");
    let issuer = format!("https://login.microsoftonline.com/{CONTOSO}/v2.0");
    Emulator::builder()
        .tenant(Tenant::new("fabrikam.example"))
        .tenant(
            Tenant::new("contoso.example")
                .id(CONTOSO)
                .user(User::new("Assistant").agent("agent")),
        )
        .managed_identity(
            Machine::user_assigned("machine")
                .client_id(IDENTITY)
                .object_id(PRINCIPAL)
                .in_tenant(CONTOSO),
        )
        .api(
            Registration::new(&uri)
                .app_id(API)
                .role("Orders.Read.All")
                .scope("Orders.Read")
                .token_version(TokenVersion::V2),
        )
        .app(
            App::new("blueprint")
                .blueprint()
                .secret("s3cret")
                .federated_credential(FederatedCredential::new(issuer, PRINCIPAL)),
        )
        .app(
            App::new("agent")
                .agent_of("blueprint")
                .home(CONTOSO)
                .grant(&uri, "Orders.Read.All")
                .grant_scope(&uri, "Orders.Read"),
        )
        .app(App::new("second").agent_of("blueprint").home(CONTOSO))
        .start()
}

fn id(emulator: &Emulator, app: &str) -> ClientId {
    emulator.app(app).unwrap().client_id.parse().unwrap()
}

fn contoso() -> Guid {
    CONTOSO.parse().unwrap()
}

fn user() -> AgentUser {
    "assistant@contoso.example".parse().unwrap()
}

fn orders(permission: &str) -> Target {
    Target::scopes(&format!("api://{API}/{permission}")).unwrap()
}

/// Checks that an API accepts the token as that of the agent, and returns for whom it acts.
fn acting(emulator: &Emulator, token: &str) -> Acting {
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    let transport = UreqTransport::builder().for_cloud(&cloud).build().unwrap();
    let permissions = Permissions::any_of(["Orders.Read"], ["Orders.Read.All"]).unwrap();
    let api = Api::new(
        Audience::app(API.parse().unwrap()),
        Tenants::One(contoso()),
        permissions,
    )
    .unwrap();
    let api = api.with_cloud(cloud).unwrap();
    let accepts = |policy| {
        let api = api.clone().with_agents(policy);
        validation::Validator::new(api, transport.clone()).validate(token)
    };
    assert!(accepts(Agents::Reject).is_err());
    let principal = accepts(Agents::Require).unwrap();
    let Principal::Agent(agent) = principal else {
        panic!("{principal:?}")
    };
    assert_eq!(
        (agent.application, agent.blueprint),
        (id(emulator, "agent"), Some(id(emulator, "blueprint")))
    );
    agent.acting
}

/// Returns the tenants of the token requests so far.
fn tenants(emulator: &Emulator) -> Vec<String> {
    let requests = emulator.requests();
    let paths = requests.iter().map(|request| request.path.clone());
    paths
        .filter(|path| path.ends_with("/token"))
        .filter_map(|path| path.split('/').nth(1).map(ToOwned::to_owned))
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn ureq(emulator: &Emulator) -> UreqTransport {
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    UreqTransport::builder().for_cloud(&cloud).build().unwrap()
}

fn hyper(emulator: &Emulator) -> HyperTransport {
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    HyperTransport::builder().for_cloud(&cloud).build().unwrap()
}

#[test]
fn agent_and_its_user_get_tokens_in_the_blocking_client() {
    let emulator = emulator();
    let client = blocking::Client::new(application(&emulator, "blueprint"), ureq(&emulator));
    let agent = client.tenant(contoso()).agent(id(&emulator, "agent"));
    let token = agent.token(&orders(".default")).unwrap();
    assert_eq!(acting(&emulator, token.expose()), Acting::Itself);
    assert_eq!(tenants(&emulator), [CONTOSO; 2]);

    let token = agent.agent_user(user()).token(&orders("Orders.Read")).unwrap();
    assert_eq!(acting(&emulator, token.expose()), Acting::AsOwnUser);
    assert_eq!(tenants(&emulator), [CONTOSO; 5]);
    agent.agent_user(user()).token(&orders("Orders.Read")).unwrap();
    assert_eq!(tenants(&emulator).len(), 5);
}

#[test]
fn agent_and_its_user_get_tokens_in_the_async_client() {
    let emulator = emulator();
    runtime().block_on(async {
        let client = Client::new(application(&emulator, "blueprint"), hyper(&emulator));
        let agent = client.agent(id(&emulator, "agent")).tenant(contoso());
        let by_id = emulator.tenants()[1].users.as_ref().unwrap()[0].id.parse().unwrap();
        for user in [user(), by_id] {
            let token = agent.agent_user(user).token(&orders("Orders.Read")).await.unwrap();
            assert_eq!(acting(&emulator, token.expose()), Acting::AsOwnUser);
        }
        let token = agent.token(&orders(".default")).await.unwrap();
        assert_eq!(acting(&emulator, token.expose()), Acting::Itself);
    });
    assert_eq!(tenants(&emulator), [CONTOSO; 3 + 3 + 2]);
    let requests = emulator.requests();
    assert!(requests.iter().all(|request| request.lints.is_empty()), "{requests:?}");
}

#[test]
fn error_names_the_request_of_the_agent() {
    let emulator = emulator();
    let client = blocking::Client::new(application(&emulator, "blueprint"), ureq(&emulator));
    // The agent does not live in the blueprint's own tenant.
    let error = client
        .agent(id(&emulator, "agent"))
        .token(&orders(".default"))
        .unwrap_err();
    assert_eq!(error.service().unwrap().codes, [700_016], "{error}");
    let contoso = client.tenant(contoso());
    // It is not the parent of another agent's user.
    let second = contoso.agent(id(&emulator, "second"));
    let error = second.agent_user(user()).token(&orders("Orders.Read")).unwrap_err();
    assert_eq!(error.service().unwrap().codes, [700_213], "{error}");

    let stranger: ClientId = Guid::from_bytes([9; 16]).into();
    let error = contoso.agent(stranger).token(&orders(".default")).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains("s3cret") && !text.contains("eyJ"), "{text}");

    let wrong = application(&emulator, "blueprint");
    let wrong = Application::new(
        wrong.authority().clone(),
        wrong.client_id(),
        entra_proto::ClientSecret::new("canary~wrong").unwrap(),
    );
    let client = blocking::Client::new(wrong, ureq(&emulator)).tenant(self::contoso());
    let agent = client.agent(id(&emulator, "agent"));
    let error = agent.agent_user(user()).token(&orders("Orders.Read")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("request 1 of 3 (") && !text.contains("canary"), "{text}");
    assert_eq!(error.service().unwrap().codes, [7_000_215]);
}

/// A machine with the variables of the emulator.
struct Variables(HashMap<&'static str, String>);

impl Host for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).map(Into::into)
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// No secret is stored anywhere: the platform vouches for the blueprint.
#[test]
fn managed_identity_authenticates_the_blueprint() {
    let emulator = emulator();
    let variables = emulator.managed_identity_environment(ManagedIdentitySource::Imds);
    let host = Variables(variables.into_iter().collect());
    let identity = ManagedIdentity::new(Identity::client_id(IDENTITY.parse().unwrap()), host);
    let blueprint = application(&emulator, "blueprint");
    let exchange = Target::resource(blueprint.authority().cloud().token_exchange_audience()).unwrap();
    let credential = AcquiredCredential::of_managed_identity(identity.request(exchange).unwrap()).unwrap();
    let blueprint = Application::new(blueprint.authority().clone(), blueprint.client_id(), credential);

    let client = blocking::Client::new(blueprint.clone(), ureq(&emulator));
    let agent = client.tenant(contoso()).agent(id(&emulator, "agent"));
    let token = agent.agent_user(user()).token(&orders("Orders.Read")).unwrap();
    assert_eq!(acting(&emulator, token.expose()), Acting::AsOwnUser);

    runtime().block_on(async {
        let client = Client::new(blueprint, hyper(&emulator)).tenant(contoso());
        let agent = client.agent(id(&emulator, "agent"));
        let token = agent.token(&orders(".default")).await.unwrap();
        assert_eq!(acting(&emulator, token.expose()), Acting::Itself);
    });
    assert!(!format!("{:?}", emulator.requests()).contains("client_secret"));
}
