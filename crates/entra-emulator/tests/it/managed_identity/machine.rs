//! The identities of the machine, and the claims of their tokens.

use entra_emulator::{
    Api, App, Config, Emulator, EmulatorBuilder, Machine, ManagedIdentity, ManagedIdentitySource, Tenant, TokenVersion,
};
use serde_json::{Value, json};

use crate::managed_identity::{Asked, CLIENT_ID, OBJECT_ID, RESOURCE_ID, emulator, identities};
use crate::support::{access_token, claims, error_code, get_as, header, json_body, post};

const IMDS: ManagedIdentitySource = ManagedIdentitySource::Imds;

fn token(emulator: &Emulator, resource: &str, client_id: &str) -> Value {
    Asked::new(emulator, IMDS)
        .with("resource", resource)
        .with("client_id", client_id)
        .body()
}

#[test]
fn token_says_which_identity_it_belongs_to() {
    let emulator = emulator();
    let body = token(&emulator, Emulator::OFFICE_MANAGEMENT, CLIENT_ID);
    let claims = claims(&body);
    for (claim, value) in [
        ("aud", Emulator::OFFICE_MANAGEMENT),
        ("iss", &format!("https://sts.windows.net/{}/", emulator.tenant_id())),
        ("appid", CLIENT_ID),
        ("appidacr", "2"),
        ("oid", OBJECT_ID),
        ("sub", OBJECT_ID),
        ("tid", emulator.tenant_id()),
        ("idtyp", "app"),
        ("ver", "1.0"),
        ("xms_mirid", RESOURCE_ID),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    assert_eq!(claims["roles"], json!(["ActivityFeed.Read"]));
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap(),
        86_700
    );
    assert_eq!(header(&body)["x5t"], header(&body)["kid"]);
    let event = emulator.requests().pop().unwrap();
    assert_eq!(
        (
            event.client_id.as_deref(),
            event.tenant.as_deref(),
            event.target.as_deref()
        ),
        (
            Some(CLIENT_ID),
            Some(emulator.tenant_id()),
            Some(Emulator::OFFICE_MANAGEMENT)
        )
    );
}

#[test]
fn audience_is_the_resource_as_requested() {
    let emulator = emulator();
    for resource in [
        "https://vault.azure.net",
        "https://vault.azure.net/",
        "https://database.windows.net/",
        "00000003-0000-0000-c000-000000000000",
    ] {
        assert_eq!(claims(&token(&emulator, resource, CLIENT_ID))["aud"], resource);
    }
}

#[test]
fn api_decides_the_version_of_the_token() {
    let api = Api::new("api://orders")
        .token_version(TokenVersion::V2)
        .role("Orders.Read");
    let identity = ManagedIdentity::user_assigned("a")
        .client_id(CLIENT_ID)
        .grant("api://orders", "Orders.Read");
    let emulator = Emulator::builder().api(api).managed_identity(identity).build();
    let claims = claims(&token(&emulator, "api://orders", CLIENT_ID));
    assert_eq!(claims["aud"], emulator.api().app_id);
    assert_eq!((&claims["azp"], &claims["ver"]), (&json!(CLIENT_ID), &json!("2.0")));
    assert_eq!(
        (&claims["idtyp"], &claims["roles"]),
        (&json!("app"), &json!(["Orders.Read"]))
    );
}

#[test]
fn identity_lives_in_its_tenant() {
    let other = "bbbbbbbb-2222-3333-4444-555555555555";
    let identity = ManagedIdentity::user_assigned("a")
        .client_id(CLIENT_ID)
        .object_id(OBJECT_ID)
        .in_tenant("fabrikam.example");
    let emulator = Emulator::builder()
        .tenant(Tenant::new("contoso.example"))
        .tenant(Tenant::new("fabrikam.example").id(other))
        .managed_identity(identity)
        .build();
    let claims = claims(&token(&emulator, Emulator::GRAPH, CLIENT_ID));
    assert_eq!((&claims["tid"], &claims["oid"]), (&json!(other), &json!(OBJECT_ID)));
    assert_eq!(emulator.managed_identity("a").unwrap().tenant.as_deref(), Some(other));
}

#[test]
fn graph_accepts_the_token_of_an_identity_with_the_role() {
    let emulator = emulator();
    let graph = |body: Value| {
        let token = body["access_token"].as_str().unwrap().to_owned();
        get_as(&emulator, "/v1.0/users", &token).status().as_u16()
    };
    assert_eq!(
        graph(Asked::new(&emulator, IMDS).with("resource", Emulator::GRAPH).body()),
        200
    );
    assert_eq!(graph(token(&emulator, Emulator::GRAPH, CLIENT_ID)), 403);
}

#[test]
fn graph_lists_identities_as_service_principals() {
    let machine = identities().into_iter().fold(Machine::default(), Machine::identity);
    let app = App::new("a").secret("s").grant(Emulator::GRAPH, "Application.Read.All");
    let emulator = Emulator::builder().machine(machine).app(app).build();
    let token = access_token(&emulator, "https://graph.microsoft.com/.default");
    let value = |path: &str| json_body(&get_as(&emulator, path, &token));
    let listed = value(
        "/v1.0/servicePrincipals?$filter=servicePrincipalType eq 'ManagedIdentity'"
            .replace(' ', "%20")
            .as_str(),
    );
    let listed = listed["value"].as_array().unwrap();
    let ids: Vec<&Value> = listed.iter().map(|one| &one["id"]).collect();
    assert_eq!(
        ids,
        [&json!(emulator.managed_identities()[0].object_id), &json!(OBJECT_ID)]
    );
    assert_eq!(listed[1]["alternativeNames"], json!(["isExplicit=True", RESOURCE_ID]));
    assert_eq!(
        (&listed[1]["appId"], &listed[1]["appOwnerOrganizationId"]),
        (&json!(CLIENT_ID), &Value::Null)
    );
    let roles = value(&format!("/v1.0/servicePrincipals/{OBJECT_ID}/appRoleAssignments"));
    assert_eq!(roles["value"].as_array().map(Vec::len), Some(1), "{roles}");
    let applications = value("/v1.0/applications");
    assert!(
        !applications.to_string().contains(CLIENT_ID),
        "an identity has no registration"
    );
}

#[test]
fn identity_has_no_credential_at_the_token_endpoint() {
    let emulator = emulator();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", "s"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let response = post(&emulator, &emulator.token_url_v2(), &fields);
    assert_eq!(error_code(&response), 700_016);
}

#[test]
fn removed_identity_gets_no_token() {
    let emulator = emulator();
    token(&emulator, Emulator::GRAPH, CLIENT_ID);
    emulator.revoke_consent("collector", emulator.tenant_id());
    let response = Asked::new(&emulator, IMDS).with("client_id", CLIENT_ID).send();
    assert_eq!((response.status().as_u16(), error_code(&response)), (400, 700_016));
    assert_eq!(Asked::new(&emulator, IMDS).send().status(), 200);
}

#[test]
fn default_machine_has_two_identities() {
    let emulator = Emulator::builder().build();
    let kinds: Vec<_> = emulator
        .managed_identities()
        .iter()
        .map(|identity| (identity.name.as_str(), identity.system_assigned))
        .collect();
    assert_eq!(kinds, [("machine", true), ("workload", false)]);
    let workload = emulator.managed_identity("workload").unwrap();
    assert!(workload.resource_id.ends_with("/userAssignedIdentities/workload"));
    let claims = claims(&token(&emulator, Emulator::GRAPH, &workload.client_id.to_uppercase()));
    assert_eq!(claims["roles"], json!(["User.Read.All"]));
    assert_eq!(emulator.apps().len(), 2, "identities are not applications");
}

#[test]
fn system_assigned_identity_comes_first() {
    let [system, user] = identities();
    let machine = Machine::default().identity(user).identity(system);
    let emulator = Emulator::builder().machine(machine).build();
    let order: Vec<bool> = emulator
        .managed_identities()
        .iter()
        .map(|identity| identity.system_assigned)
        .collect();
    assert_eq!(order, [true, false]);
    let ids = ["collector", CLIENT_ID].map(|name| &emulator.managed_identity(name).unwrap().object_id);
    assert_eq!(ids, [OBJECT_ID, OBJECT_ID]);
}

#[test]
fn json_configures_identities() {
    let config = Config::from_json(
        r#"{"token_lifetime": 60, "machine": {"name": "vm1", "identities": [
            {"system_assigned": true},
            {"name": "b", "client_id": "11111111-2222-3333-4444-555555555555",
             "granted": [{"api": "https://graph.microsoft.com", "role": "User.Read.All"}]}
        ]}}"#,
    );
    let emulator = EmulatorBuilder::from(config.unwrap()).build();
    assert_eq!(emulator.managed_identities()[0].name, "vm1");
    let body = token(&emulator, Emulator::GRAPH, CLIENT_ID);
    assert_eq!(
        (&body["expires_in"], &claims(&body)["roles"]),
        (&json!("59"), &json!(["User.Read.All"]))
    );
}

#[test]
fn api_that_demands_a_role_rejects_identities_without_one() {
    let api = Api::new("api://orders").role("Orders.Read").assignment_required();
    let emulator = Emulator::builder()
        .api(api)
        .managed_identity(ManagedIdentity::system_assigned())
        .build();
    let response = Asked::new(&emulator, IMDS).with("resource", "api://orders").send();
    assert_eq!(response.status(), 400);
    assert_eq!(emulator.requests()[0].aadsts, Some(501_051));
}
