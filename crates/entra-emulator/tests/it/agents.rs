//! Agent identities: blueprints, agents and the user accounts of agents.

use entra_emulator::{Api, App, Config, Defect, Emulator, EmulatorBuilder, FederatedCredential, Lint, Tenant, User};
use serde_json::{Value, json};

use crate::support::assertion::{TYPE, accepted, rejected};
use crate::support::{Response, claims, error_code, get_as, json_body, post};

const TENANT: &str = "ff882432-09b0-437b-bd22-ca13c0037ded";
const BLUEPRINT: &str = "499b84ac-1321-427f-aa17-267ca6975798";
const AGENT: &str = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb";
const EXCHANGE: &str = "api://AzureADTokenExchange/.default";
const GRAPH: &str = "https://graph.microsoft.com/.default";
const FIC: &str = "user_federated_identity_credential";

fn builder() -> EmulatorBuilder {
    let agent = App::new("agent").client_id(AGENT).agent_of("blueprint");
    Emulator::builder()
        .tenant(
            Tenant::new("contoso.example")
                .id(TENANT)
                .user(User::new("Agent One").agent("agent"))
                .user(User::new("Other Agent").agent("second"))
                .user(User::new("Alex Wilber")),
        )
        .tenant(Tenant::new("fabrikam.example"))
        .app(App::new("blueprint").client_id(BLUEPRINT).secret("s3cret").blueprint())
        .app(
            agent
                .grant(Emulator::GRAPH, "User.Read.All")
                .grant_scope(Emulator::GRAPH, "User.Read"),
        )
        .app(App::new("second").agent_of("blueprint"))
        .app(App::new("stranger").secret("s3cret").blueprint())
        .app(App::new("plain").secret("plain-s3cret"))
}

fn emulator() -> Emulator {
    builder().build()
}

/// Sends a token request to the tenant of the agents.
fn request(emulator: &Emulator, fields: &[(&str, &str)]) -> Response {
    post(emulator, &emulator.token_url_v2(), fields)
}

fn token(response: &Response) -> String {
    accepted(response);
    json_body(response)["access_token"].as_str().unwrap().to_owned()
}

fn claims_of(token: &str) -> Value {
    claims(&json!({"access_token": token}))
}

/// The request of a blueprint for one of its agents.
fn first<'a>(blueprint: &'a str, agent: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", blueprint),
        ("client_secret", "s3cret"),
        ("scope", EXCHANGE),
        ("fmi_path", agent),
    ]
}

/// The request of an agent with the token of its blueprint.
fn second<'a>(agent: &'a str, assertion: &'a str, scope: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", agent),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
        ("scope", scope),
    ]
}

#[test]
fn agent_gets_a_token_by_its_blueprint() {
    let emulator = emulator();
    let one = token(&request(&emulator, &first(BLUEPRINT, AGENT)));
    let claims = claims_of(&one);
    assert_eq!(claims["aud"], "fb60f99c-7a34-4190-8149-302f77469936");
    assert_eq!(claims["azp"], BLUEPRINT);
    let subject = format!("/eid1/c/pub/t/MiSI_7AJe0O9IsoTwAN97Q/a/rISbSSETf0KqFyZ8ppdXmA/{AGENT}");
    assert_eq!(claims["sub"], json!(subject));
    assert_eq!(claims["idtyp"], "app");
    let two = token(&request(&emulator, &second(AGENT, &one, GRAPH)));
    let claims = claims_of(&two);
    for name in ["appid", "oid", "sub"] {
        assert_eq!(claims[name], AGENT, "{name}");
    }
    assert_eq!(claims["appidacr"], "2");
    assert_eq!(claims["xms_par_app_azp"], BLUEPRINT);
    assert_eq!(
        (&claims["idtyp"], &claims["roles"]),
        (&json!("app"), &json!(["User.Read.All"]))
    );
    let kinds = claims["xms_sub_fct"].as_str().unwrap();
    assert!(kinds.split(' ').any(|kind| kind == "11"), "{kinds}");
    assert_eq!(get_as(&emulator, "/v1.0/users", &two).status(), 200);
    assert_eq!(emulator.requests()[0].lints, [Lint::MissingClientRequestId]);
}

#[test]
fn agent_user_gets_a_token_by_its_agent() {
    let emulator = emulator();
    let one = token(&request(&emulator, &first(BLUEPRINT, AGENT)));
    let two = token(&request(&emulator, &second(AGENT, &one, EXCHANGE)));
    let id = emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    let fields = |more: &[(&'static str, &str)]| {
        let mut fields = second(AGENT, &one, "https://graph.microsoft.com/User.Read").clone();
        fields[0].1 = "user_fic";
        fields.push((FIC, &two));
        let mut fields: Vec<(String, String)> = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            if *value != "-" {
                fields.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        request(&emulator, &fields)
    };
    for user in [("username", "agent@contoso.example"), ("user_id", &*id)] {
        let response = fields(&[user, ("requested_token_use", "on_behalf_of")]);
        let claims = claims_of(&token(&response));
        assert_eq!((&claims["oid"], &claims["appid"]), (&json!(id), &json!(AGENT)));
        assert_eq!(
            (&claims["idtyp"], &claims["scp"]),
            (&json!("user"), &json!("User.Read"))
        );
        assert_eq!(claims["xms_par_app_azp"], BLUEPRINT);
        assert!(
            claims["xms_sub_fct"]
                .as_str()
                .unwrap()
                .split(' ')
                .any(|kind| kind == "13")
        );
        assert!(!format!("{:?}", emulator.requests()).contains(&two));
    }
    let name = ("username", "agent@contoso.example");
    // Published reports have requests without the parameter.
    accepted(&fields(&[name]));
    for (more, code) in [
        (vec![], 900144),
        (vec![name, ("user_id", &*id)], 90023),
        (vec![name, ("requested_token_use", "other")], 90023),
        (vec![name, (FIC, "-")], 900144),
        (vec![name, (FIC, "garbage")], 50013),
        // The token of the blueprint is not that of the agent.
        (vec![name, (FIC, &*one)], 50013),
        (
            vec![name, ("client_assertion", "-"), ("client_assertion_type", "-")],
            7000218,
        ),
        (vec![("username", "unknown@contoso.example")], 50034),
        (vec![("username", "alex@contoso.example")], 700213),
        (vec![("username", "other@contoso.example")], 700213),
        (vec![("user_id", "agent@contoso.example")], 50000),
        (vec![name, ("scope", "https://graph.microsoft.com/Mail.Read")], 65001),
    ] {
        let response = fields(&more);
        assert_eq!(error_code(&response), code, "{more:?}: {}", json_body(&response));
    }
    let graph = token(&request(&emulator, &second(AGENT, &one, GRAPH)));
    assert_eq!(error_code(&fields(&[name, (FIC, &graph)])), 500131);
}

#[test]
fn agent_is_authenticated_only_by_its_own_blueprint() {
    let emulator = emulator();
    let stranger = emulator.app("stranger").unwrap().client_id.clone();
    let other = emulator.app("second").unwrap().client_id.clone();
    let one = token(&request(&emulator, &first(BLUEPRINT, AGENT)));
    let wrong_parent = token(&request(&emulator, &first(&stranger, AGENT)));
    let own = request(
        &emulator,
        &[
            ("grant_type", "client_credentials"),
            ("client_id", BLUEPRINT),
            ("client_secret", "s3cret"),
            ("scope", EXCHANGE),
        ],
    );
    let without_path = token(&own);
    for (agent, assertion, code) in [
        (AGENT, &wrong_parent, 700213),
        (&*other, &one, 700213),
        (AGENT, &without_path, 700213),
        ("plain", &one, 700211),
    ] {
        let agent = emulator.app(agent).map_or(agent, |app| &app.client_id);
        rejected(&request(&emulator, &second(agent, assertion, GRAPH)), code);
    }
    let forged = |defect| {
        let subject = claims_of(&one)["sub"].clone();
        let forge = emulator.forge().app("blueprint").api(Emulator::TOKEN_EXCHANGE);
        forge.claim("sub", subject).claim("idtyp", "app").defect(defect).token()
    };
    for (defect, code) in [(Defect::BadSignature, 700027), (Defect::Expired, 700024)] {
        rejected(&request(&emulator, &second(AGENT, &forged(defect), GRAPH)), code);
    }
}

#[test]
fn agent_has_no_credentials_of_its_own() {
    let emulator = emulator();
    let secret = [
        ("grant_type", "client_credentials"),
        ("client_id", AGENT),
        ("client_secret", "s3cret"),
        ("scope", GRAPH),
    ];
    rejected(&request(&emulator, &secret), 7000215);
    for (member, value) in [
        ("secrets", json!([{"value": "a"}])),
        ("certificates", json!([include_str!("../certificates/app.crt")])),
        (
            "federated_credentials",
            json!([{"issuer": "https://a.example", "subject": "a"}]),
        ),
        ("redirect_uris", json!(["http://localhost"])),
        ("public_client", json!(true)),
        ("multi_tenant", json!(true)),
        ("tenants", json!(["fabrikam.example"])),
        ("blueprint", json!(true)),
        ("agent_of", json!("unknown")),
    ] {
        let mut agent = json!({"name": "agent", "agent_of": "blueprint"});
        agent[member] = value;
        let config = json!({
            "tenants": [{"domain": "contoso.example"}, {"domain": "fabrikam.example"}],
            "apps": [{"name": "blueprint", "blueprint": true}, agent],
        });
        let config = Config::from_json(&config.to_string()).unwrap();
        let problem = EmulatorBuilder::from(config).try_build().expect_err(member).to_string();
        assert!(problem.contains("apps[1]."), "{member}: {problem}");
    }
    let user = Tenant::new("contoso.example").user(User::new("Ann").agent("unknown"));
    let problem = Emulator::builder().tenant(user).try_build().unwrap_err().to_string();
    assert!(problem.contains("tenants[0].users[0].agent"), "{problem}");
}

#[test]
fn agent_lives_in_one_tenant() {
    let emulator = emulator();
    let one = token(&request(&emulator, &first(BLUEPRINT, AGENT)));
    let there = format!("{}/fabrikam.example/oauth2/v2.0/token", emulator.base_url());
    rejected(&post(&emulator, &there, &second(AGENT, &one, GRAPH)), 700016);
    // The blueprint asks in the tenant of the agent.
    let elsewhere = token(&post(&emulator, &there, &first(BLUEPRINT, AGENT)));
    rejected(&request(&emulator, &second(AGENT, &elsewhere, GRAPH)), 700211);
}

#[test]
fn blueprint_has_no_token_for_other_apis() {
    let emulator = emulator();
    let send = |scope: &str, more: &[(&'static str, &'static str)]| {
        let mut fields = first(BLUEPRINT, AGENT);
        fields.retain(|(name, _)| !["scope", "fmi_path"].contains(name));
        fields.push(("scope", scope));
        fields.extend(more);
        request(&emulator, &fields)
    };
    accepted(&send(GRAPH, &[]));
    let own = format!("{}/.default", emulator.api().app_id);
    let text = rejected(&send(&own, &[]), 82001);
    assert!(
        text.contains(BLUEPRINT) && text.contains(&emulator.api().app_id),
        "{text}"
    );
    assert_eq!(error_code(&send(&own, &[("fmi_path", AGENT)])), 90023);
    assert_eq!(error_code(&send(EXCHANGE, &[("fmi_path", "")])), 90100);
    assert_eq!(error_code(&send(EXCHANGE, &[("fmi_path", "a b")])), 90023);
    assert_eq!(
        error_code(&send(EXCHANGE, &[("fmi_path", AGENT), ("fmi_path", AGENT)])),
        9000411
    );
    let plain = [
        ("grant_type", "client_credentials"),
        ("client_id", &*emulator.app("plain").unwrap().client_id),
        ("client_secret", "plain-s3cret"),
        ("scope", EXCHANGE),
        ("fmi_path", AGENT),
    ];
    let response = request(&emulator, &plain);
    assert_eq!(
        (error_code(&response), &json_body(&response)["error"]),
        (90023, &json!("unauthorized_client"))
    );
}

/// Device codes, authorization codes and passwords.
#[test]
fn flows_with_a_person_are_refused() {
    let emulator = emulator();
    for client in [BLUEPRINT, AGENT] {
        let device = format!("{}/oauth2/v2.0/devicecode", emulator.authority());
        let response = post(&emulator, &device, &[("client_id", client), ("scope", "User.Read")]);
        assert_eq!(
            (error_code(&response), &json_body(&response)["error"]),
            (90023, &json!("unauthorized_client"))
        );
        let url = format!(
            "{}?client_id={client}&response_type=code&scope=User.Read",
            emulator.authorize_url_v2()
        );
        let page = emulator.approve(&url, "Alex Wilber").unwrap_err();
        assert_eq!(page.aadsts, Some(90023));
    }
    let password = [
        ("grant_type", "password"),
        ("client_id", BLUEPRINT),
        ("client_secret", "s3cret"),
        ("username", "alex@contoso.example"),
        ("password", "p"),
        ("scope", GRAPH),
    ];
    assert_eq!(error_code(&request(&emulator, &password)), 90023);
    let user = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", BLUEPRINT),
        ("client_secret", "s3cret"),
        ("assertion", "a"),
        ("requested_token_use", "on_behalf_of"),
        ("scope", GRAPH),
    ];
    assert_eq!(error_code(&request(&emulator, &user)), 82002);
    let fic = [
        ("grant_type", "user_fic"),
        ("client_id", BLUEPRINT),
        ("client_secret", "s3cret"),
        (FIC, "a"),
        ("username", "agent@contoso.example"),
        ("scope", GRAPH),
    ];
    assert_eq!(error_code(&request(&emulator, &fic)), 90023);
}

/// The users of an agent call its blueprint, which is the only API of both.
#[test]
fn agent_acts_for_a_user_who_called_its_blueprint() {
    let uri = format!("api://{BLUEPRINT}");
    let api = Api::new(&uri).app_id(BLUEPRINT).scope("Work");
    let other = Api::new("api://other").scope("Other");
    let emulator = builder().api(api).api(other).build();
    let assertion = token(&request(&emulator, &first(BLUEPRINT, AGENT)));
    let exchange = |called: &str| {
        let user = emulator.forge().api(called).user("Alex Wilber").token();
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("client_id", AGENT),
            ("client_assertion_type", TYPE),
            ("client_assertion", &assertion),
            ("assertion", &user),
            ("requested_token_use", "on_behalf_of"),
            ("scope", "https://graph.microsoft.com/User.Read"),
        ];
        request(&emulator, &fields)
    };
    let claims = claims_of(&token(&exchange(&uri)));
    assert_eq!((&claims["appid"], &claims["scp"]), (&json!(AGENT), &json!("User.Read")));
    assert_eq!(error_code(&exchange("api://other")), 500_131);
}

#[test]
fn no_person_signs_in_as_the_user_of_an_agent() {
    let app = App::new("web")
        .redirect_uri("http://localhost")
        .request_scope(Emulator::GRAPH, "User.Read");
    let emulator = builder().app(app).build();
    let url = format!(
        "{}?client_id={}&response_type=code&scope=User.Read&redirect_uri=http://localhost",
        emulator.authorize_url_v2(),
        emulator.app("web").unwrap().client_id
    );
    assert_eq!(emulator.approve(&url, "Agent One").unwrap_err().aadsts, Some(50126));
    assert!(emulator.approve(&url, "Alex Wilber").is_ok());
}

/// A blueprint authenticates with any credential.
#[test]
fn blueprint_may_use_a_federated_credential() {
    let credential = FederatedCredential::new("", "repo:contoso/app:ref:refs/heads/main");
    let blueprint = App::new("keyless")
        .without_secrets()
        .blueprint()
        .federated_credential(credential);
    let emulator = builder()
        .second_issuer()
        .app(blueprint)
        .app(App::new("child").agent_of("keyless"))
        .build();
    let [blueprint, child] = ["keyless", "child"].map(|name| emulator.app(name).unwrap().client_id.clone());
    let assertion = emulator.assertion().token();
    let mut fields = second(&blueprint, &assertion, EXCHANGE);
    fields.push(("fmi_path", &child));
    let one = token(&request(&emulator, &fields));
    accepted(&request(&emulator, &second(&child, &one, GRAPH)));
}

/// The token of an application that itself authenticated with a federated credential.
#[test]
fn federated_credentials_are_not_chained() {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let principal = "cccccccc-1111-2222-3333-dddddddddddd";
    let mut middle = App::new("middle").without_secrets();
    middle.service_principal_id = principal.to_owned();
    let emulator = builder()
        .second_issuer()
        .app(middle.federated_credential(FederatedCredential::new("", "repo:contoso/app:ref:refs/heads/main")))
        .app(App::new("last").federated_credential(FederatedCredential::new(issuer, principal)))
        .build();
    let [middle, last] = ["middle", "last"].map(|name| emulator.app(name).unwrap().client_id.clone());
    let assertion = emulator.assertion().token();
    let one = token(&request(&emulator, &second(&middle, &assertion, EXCHANGE)));
    assert!(claims_of(&one)["xms_ficinfo"].is_string());
    rejected(&request(&emulator, &second(&last, &one, GRAPH)), 700231);
    let graph = token(&request(&emulator, &second(&middle, &assertion, GRAPH)));
    assert!(claims_of(&graph).get("xms_ficinfo").is_none());
}

#[test]
fn graph_shows_agents_as_service_principals_only() {
    let emulator = emulator();
    let graph = emulator.forge().api(Emulator::GRAPH).token();
    let names = |path: &str| {
        let body = json_body(&get_as(&emulator, path, &graph));
        let all = body["value"].as_array().unwrap().clone();
        all.into_iter()
            .map(|item| (item["displayName"].clone(), item["servicePrincipalType"].clone()))
            .collect::<Vec<_>>()
    };
    let has = |all: &[(Value, Value)], name: &str| all.iter().any(|(known, _)| known == name);
    let applications = names("/v1.0/applications");
    assert!(has(&applications, "blueprint") && !has(&applications, "agent"));
    let principals = names("/v1.0/servicePrincipals");
    assert!(
        principals.contains(&(json!("agent"), json!("ServiceIdentity"))),
        "{principals:?}"
    );
    assert!(principals.contains(&(json!("blueprint"), json!("Application"))));
}
