//! Agent identities and their users.

use std::time::Duration;

use entra_proto::acquire::RetryPolicy;
use entra_proto::acquired::AcquiredCredential;
use entra_proto::agents::AgentUser;
use entra_proto::assertion::{ClientAssertion, FederatedCredential};
use entra_proto::{
    Application, Authority, ClientCredential, Cloud, EndpointVersion, Error, Guid, Target, TokenRequest,
};

use super::support::*;

pub(super) const AGENT: u8 = 0xaa;
pub(super) const BLUEPRINT: u8 = 0xbb;

pub(super) fn agent_of(credential: impl Into<ClientCredential>) -> Application {
    application(BLUEPRINT, credential)
        .agent(Guid::from_bytes([AGENT; 16]).into())
        .unwrap()
}

pub(super) fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").unwrap()
}

pub(super) fn for_user(agent: &Application) -> TokenRequest {
    agent
        .agent_user(AgentUser::name("assistant@contoso.com").unwrap(), graph())
        .unwrap()
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const T1: Network = Issues("t.1.x", 3600);
const T2: Network = Issues("t.2.x", 3600);
const TOKEN: Network = Issues("graph", 3600);
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[test]
fn agent_takes_two_requests() {
    let run = run(for_graph(&agent_of(secret())), &[T1, TOKEN]);
    assert!(run.is_done());
    let [first, second] = &run.sent[..] else {
        panic!("{:?}", run.sent)
    };
    assert_eq!(
        first.form,
        form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb"),
            ("scope", "api://AzureADTokenExchange/.default"),
            ("fmi_path", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
            ("client_secret", "canary~secret"),
        ])
    );
    assert_eq!(
        second.form,
        form(&[
            ("grant_type", "client_credentials"),
            ("client_id", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
            ("scope", "https://graph.microsoft.com/.default"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", "t.1.x"),
        ])
    );
}

#[test]
fn agent_user_takes_three_requests() {
    let agent = agent_of(secret());
    let id = Guid::from_bytes([0xdd; 16]);
    for (user, name, value) in [
        (
            AgentUser::name("Assistant@contoso.com").unwrap(),
            "username",
            "Assistant@contoso.com",
        ),
        (
            AgentUser::object_id(id),
            "user_id",
            "dddddddd-dddd-dddd-dddd-dddddddddddd",
        ),
    ] {
        let run = run(agent.agent_user(user, graph()).unwrap(), &[T1, T2, TOKEN]);
        assert!(run.is_done());
        assert_eq!(run.clients(), "baa");
        assert_eq!(
            run.sent[0].get("fmi_path"),
            Some("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa")
        );
        assert_eq!(
            run.sent[1].form,
            form(&[
                ("grant_type", "client_credentials"),
                ("client_id", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
                ("scope", "api://AzureADTokenExchange/.default"),
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", "t.1.x"),
            ])
        );
        assert_eq!(
            run.sent[2].form,
            form(&[
                ("grant_type", "user_fic"),
                ("client_id", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
                ("scope", "https://graph.microsoft.com/.default"),
                ("requested_token_use", "on_behalf_of"),
                (name, value),
                ("user_federated_identity_credential", "t.2.x"),
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", "t.1.x"),
            ])
        );
    }
}

#[test]
fn blueprint_may_have_any_credential() {
    let federated = |_: &str| ClientAssertion::new("f.e.d");
    let script = [Responds(200, r#"{"value":"o.i.dc"}"#), T1, T2, TOKEN];
    let run_of = |credential: ClientCredential, script: &[Network]| {
        let run = run(for_user(&agent_of(credential)), script);
        assert!(run.is_done(), "{:?}", run.outcome);
        run
    };
    let signed = run_of(Pen(None).into(), &script[1..]);
    assert_eq!((signed.signed.len(), signed.clients().as_str()), (1, "baa"));
    assert_eq!(signed.signed[0]["iss"], "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");
    let foreign = run_of(of_pipeline().into(), &script);
    assert_eq!(
        (foreign.clients().as_str(), foreign.sent[1].get("client_assertion")),
        ("xbaa", Some("o.i.dc"))
    );
    let fetched = run_of(FederatedCredential::new(federated).into(), &script[1..]);
    assert_eq!(fetched.sent[0].get("client_assertion"), Some("f.e.d"));
    // Four requests are the limit, and this credential takes two.
    let nested = AcquiredCredential::of_token(for_exchange(&application(0xee, of_pipeline()))).unwrap();
    let agent = agent_of(nested);
    assert!(run(for_graph(&agent), &[script[0], T1, T1, TOKEN]).is_done());
    let user = AgentUser::object_id(Guid::from_bytes([1; 16]));
    let error = agent.agent_user(user, graph()).unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
}

#[test]
fn other_authority_reaches_all_requests() {
    let agent = agent_of(secret());
    for (authority, host) in [
        (
            "https://login.microsoftonline.com/fabrikam.com",
            "login.microsoftonline.com/fabrikam.com/",
        ),
        (
            "https://login.microsoftonline.us/fabrikam.com",
            "login.microsoftonline.us/fabrikam.com/",
        ),
    ] {
        let agent = agent.clone().with_authority(authority.parse().unwrap());
        for (request, script) in [
            (for_graph(&agent), &[T1, TOKEN][..]),
            (for_user(&agent), &[T1, T2, TOKEN][..]),
        ] {
            let run = run(request, script);
            assert!(run.is_done());
            assert!(run.sent.iter().all(|sent| sent.uri.contains(host)), "{:?}", run.sent);
        }
    }
    // The first agent is unchanged.
    let run = run(for_graph(&agent), &[T1, TOKEN]);
    assert!(run.sent.iter().all(|sent| sent.uri.contains("/contoso.com/")));
}

#[test]
fn credential_of_the_blueprint_keeps_its_authority() {
    let home: Authority = "https://login.microsoftonline.com/home.example".parse().unwrap();
    let vouching = application(0xee, secret()).with_authority(home);
    let agent = agent_of(AcquiredCredential::of_token(for_exchange(&vouching)).unwrap());
    let agent = agent.with_authority("https://login.microsoftonline.com/fabrikam.com".parse().unwrap());
    let run = run(for_graph(&agent), &[T1, T1, TOKEN]);
    let tenants: Vec<_> = run
        .sent
        .iter()
        .map(|sent| sent.uri.split('/').nth(3).unwrap())
        .collect();
    assert_eq!(tenants, ["home.example", "fabrikam.com", "fabrikam.com"]);
}

#[test]
fn audience_of_the_exchange_is_that_of_the_cloud() {
    for (cloud, audience) in [
        (Cloud::Public, "api://AzureADTokenExchange"),
        (Cloud::UsGovernment, "api://AzureADTokenExchangeUSGov"),
        (Cloud::China, "api://AzureADTokenExchangeChina"),
        (
            Cloud::loopback("http://127.0.0.1:1").unwrap(),
            "api://AzureADTokenExchange",
        ),
    ] {
        assert_eq!(cloud.token_exchange_audience(), audience);
        let authority = Authority::new(cloud, "contoso.com".parse().unwrap()).unwrap();
        let blueprint = application(BLUEPRINT, secret()).with_authority(authority.clone());
        let agent = blueprint.agent(Guid::from_bytes([AGENT; 16]).into()).unwrap();
        let scope = format!("{audience}/.default");
        for agent in [agent, agent_of(secret()).with_authority(authority)] {
            let run = run(for_user(&agent), &[T1, T2, TOKEN]);
            assert!(
                run.sent[..2].iter().all(|sent| sent.get("scope") == Some(&scope)),
                "{:?}",
                run.sent
            );
        }
    }
}

#[test]
fn region_serves_the_inner_requests_of_a_user() {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let regional = authority.with_region("westeurope".parse().unwrap()).unwrap();
    let agent = agent_of(secret()).with_authority(regional);
    let run = run(for_user(&agent), &[T1, T2, TOKEN]);
    let hosts: Vec<_> = run
        .sent
        .iter()
        .map(|sent| sent.uri.split('/').nth(2).unwrap())
        .collect();
    let region = "westeurope.login.microsoft.com";
    assert_eq!(hosts, [region, region, "login.microsoftonline.com"]);
}

#[test]
fn assertion_serves_all_requests_of_the_agent() {
    const BUSY: Network = Responds(503, "");
    let run = run(for_user(&agent_of(secret())), &[T1, BUSY, T2, BUSY, DOWN, TOKEN]);
    assert!(run.is_done());
    assert_eq!(run.clients(), "baaaaa");
    assert!(
        run.sent[1..]
            .iter()
            .all(|sent| sent.get("client_assertion") == Some("t.1.x"))
    );
}

#[test]
fn expiring_tokens_are_acquired_again() {
    const BUSY: Network = Responds(503, "");
    let again = [Issues("t.3.x", 3600), Issues("t.4.x", 3600), TOKEN];
    for first in [[Issues("t.1.x", 62), T2], [T1, Issues("t.2.x", 61)]] {
        let script = [&first[..], &[BUSY], &again].concat();
        let run = run(for_user(&agent_of(secret())), &script);
        assert!(run.is_done());
        assert_eq!(run.clients(), "baabaa");
        assert_eq!(
            (
                run.sent[5].get("client_assertion"),
                run.sent[5].get("user_federated_identity_credential")
            ),
            (Some("t.3.x"), Some("t.4.x"))
        );
    }
    // The assertion expires while the agent waits for its own token.
    let run = run(
        for_user(&agent_of(secret())),
        &[Issues("t.1.x", 61), BUSY, Issues("t.3.x", 3600), T2, TOKEN],
    );
    assert_eq!(run.clients(), "babaa");
    assert_eq!(run.sent[4].get("client_assertion"), Some("t.3.x"));
}

#[test]
fn rejected_tokens_are_acquired_again_once() {
    let late = Responds(401, OUT_OF_TIME);
    let again = [Issues("t.3.x", 3600), Issues("t.4.x", 3600)];
    let run_with = |last| {
        run(
            for_user(&agent_of(secret())),
            &[&[T1, T2, late][..], &again, &[last]].concat(),
        )
    };
    let renewed = run_with(TOKEN);
    assert!(renewed.is_done());
    assert_eq!(renewed.clients(), "baabaa");
    assert_eq!(renewed.sent[5].get("user_federated_identity_credential"), Some("t.4.x"));
    let run = run_with(late);
    assert_eq!(run.error().service().unwrap().codes, [700_024]);
}

#[test]
fn given_tokens_are_sent() {
    let given = |text: &str| ClientAssertion::new(text).unwrap();
    let request = for_user(&agent_of(secret())).with_assertion(given("g.i.ven"));
    let with_assertion = run(request.clone(), &[T2, TOKEN]);
    assert!(with_assertion.is_done());
    assert!(
        with_assertion
            .sent
            .iter()
            .all(|sent| sent.get("client_assertion") == Some("g.i.ven"))
    );
    let run = run(request.with_agent_token(given("g.2.ven")), &[TOKEN]);
    assert!(run.is_done());
    assert_eq!(run.sent[0].get("user_federated_identity_credential"), Some("g.2.ven"));
}

#[test]
fn error_names_the_request_of_the_agent() {
    const REJECTED: Network = Responds(401, r#"{"error":"invalid_client","error_codes":[7000215]}"#);
    for (at, client) in ["bbbbbbbb", "aaaaaaaa"].iter().enumerate() {
        let mut script = vec![T1; at];
        script.push(REJECTED);
        let run = run(for_user(&agent_of(secret())), &script);
        let Error::Leg(failed) = run.error() else {
            panic!("{:?}", run.outcome)
        };
        let text = failed.to_string();
        assert!(
            text.starts_with(&format!("request {} of 3 (", at + 1)) && text.contains(client),
            "{text}"
        );
    }
    // The advice is about the blueprint, not about a federated credential of the agent, which has
    // none.
    const NO_CHILD: Network = Responds(401, r#"{"error":"invalid_client","error_codes":[700213]}"#);
    for script in [&[T1, NO_CHILD][..], &[T1, T2, NO_CHILD]] {
        let run = run(for_user(&agent_of(secret())), script);
        assert!(
            run.error().hint().unwrap().contains("a child of this blueprint"),
            "{}",
            run.shown
        );
    }
    let run = run(for_user(&agent_of(secret())), &[T1, T2, REJECTED]);
    assert!(matches!(run.error(), Error::Service(_)));
}

#[test]
fn claims_of_a_challenge_are_for_the_last_request() {
    let blueprint = application(BLUEPRINT, secret()).with_capabilities(&["cp1"]);
    let agent = blueprint.agent(Guid::from_bytes([AGENT; 16]).into()).unwrap();
    let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
    let run = run(for_user(&agent).with_claims(claims).unwrap(), &[T1, T2, TOKEN]);
    for (at, sent) in run.sent.iter().enumerate() {
        let claims = sent.get("claims").unwrap();
        assert!(
            claims.contains("cp1") && claims.contains("nbf") == (at == 2),
            "{claims}"
        );
    }
}

#[test]
fn agent_uses_the_v2_endpoint() {
    let v1 = application(BLUEPRINT, secret()).with_endpoint_version(EndpointVersion::V1);
    let agent = v1.agent(Guid::from_bytes([AGENT; 16]).into()).unwrap();
    let run = run(for_user(&agent), &[T1, T2, TOKEN]);
    assert!(run.sent.iter().all(|sent| sent.uri.ends_with("/oauth2/v2.0/token")));
}

#[test]
fn all_requests_share_one_deadline() {
    let start = || {
        for_user(&agent_of(secret()))
            .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
            .unwrap()
    };
    let slow = drive(start(), &[T1, T2, Responds(503, "")], Duration::from_secs(25));
    assert!(slow.error().is_retryable() && slow.waits.is_empty());
}
