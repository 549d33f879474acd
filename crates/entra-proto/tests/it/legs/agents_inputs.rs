//! The inputs of agent identities, their cache keys and their secrets.

use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::agents::AgentUser;
use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::{RefreshToken, UserAssertion};
use entra_proto::{Body, ClientCredential, ClientSecret, Error, Guid, Target, TokenRequest};
use proptest::prelude::*;

use super::agents::{AGENT, BLUEPRINT, agent_of, for_user, graph};
use super::support::*;

#[test]
fn applications_that_are_no_agents_are_rejected() {
    let user = || AgentUser::object_id(Guid::from_bytes([1; 16]));
    for credential in [ClientCredential::Public, secret().into(), Pen(None).into()] {
        let error = application(AGENT, credential).agent_user(user(), graph()).unwrap_err();
        assert!(error.to_string().contains("not an agent identity"), "{error}");
    }
    let id = Guid::from_bytes([AGENT; 16]).into();
    assert!(application(BLUEPRINT, ClientCredential::Public).agent(id).is_err());
    let common =
        application(BLUEPRINT, secret()).with_authority("https://login.microsoftonline.com/common".parse().unwrap());
    assert!(common.agent(id).unwrap_err().to_string().contains("specific tenant"));
    let agent = agent_of(secret()).with_authority(common.authority().clone());
    assert!(agent.agent_user(user(), graph()).is_err() && agent.client_credentials(graph()).is_err());
    let two = Target::scopes("https://a/.default https://b/.default").unwrap();
    assert!(agent_of(secret()).agent_user(user(), two).is_err());
}

#[test]
fn no_user_signs_in_to_an_agent() {
    let agent = agent_of(secret());
    let page = "https://app.example/".parse().unwrap();
    for error in [
        agent.device_code(graph()).unwrap_err(),
        agent.authorize(graph(), page).start(&[7; 96]).unwrap_err(),
    ] {
        assert!(error.to_string().contains("no user can sign in"), "{error}");
        assert!(error.hint().unwrap().contains("on_behalf_of"));
    }
    let callers = UserAssertion::new("callers").unwrap();
    let run = run(
        agent.on_behalf_of(callers, graph()).unwrap(),
        &[Issues("t.1.x", 3600), Issues("graph", 3600)],
    );
    assert!(run.is_done());
    assert_eq!(
        (run.clients().as_str(), run.sent[1].get("assertion")),
        ("ba", Some("callers"))
    );
}

#[test]
fn names_of_agent_users() {
    for text in [
        "a@b",
        " 'assistant@contoso.com' ",
        "björn@contoso.com",
        "{AAAABBBB-0000-cccc-1111-dddd2222eeee}",
    ] {
        text.parse::<AgentUser>().expect(text);
    }
    let id: AgentUser = "AAAABBBB-0000-CCCC-1111-DDDD2222EEEE".parse().unwrap();
    assert_eq!(
        id,
        AgentUser::object_id("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().unwrap())
    );
    let long = format!("{}@contoso.com", "a".repeat(600));
    for text in [
        "",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b\n@c",
        "assistant",
        "a@\u{7}",
        &long,
    ] {
        let error = text.parse::<AgentUser>().expect_err(text);
        assert!(error.to_string().contains("neither an object ID"), "{error}");
    }
}

#[test]
fn path_names_an_identity_of_the_application() {
    let request = || for_exchange(&application(BLUEPRINT, secret()));
    let long = "a".repeat(1025);
    for path in ["", " ", "\t", " a", "a ", "a b", "a\nb", "a\u{7f}", "\u{a0}", &long] {
        assert!(request().with_fmi_path(path).is_err(), "{path:?}");
    }
    let run = run(
        request().with_fmi_path("Some/Pa+th=&").unwrap(),
        &[Issues("graph", 3600)],
    );
    assert_eq!(run.sent[0].get("fmi_path"), Some("Some/Pa+th=&"));
    let refresh = application(BLUEPRINT, secret())
        .refresh(RefreshToken::new("r").unwrap(), graph())
        .unwrap();
    let error = refresh.with_fmi_path("a").unwrap_err();
    assert!(error.to_string().contains("a user's token"), "{error}");
    assert!(for_user(&agent_of(secret())).with_fmi_path("a").is_err());
}

#[test]
fn cache_keys_tell_agents_and_users_apart() {
    let agent = |id: u8| {
        application(BLUEPRINT, secret())
            .agent(Guid::from_bytes([id; 16]).into())
            .unwrap()
    };
    let user = |id: u8| AgentUser::object_id(Guid::from_bytes([id; 16]));
    let other_blueprint = application(0xee, secret())
        .agent(Guid::from_bytes([1; 16]).into())
        .unwrap();
    let other_tenant = agent(1).with_authority("https://login.microsoftonline.com/fabrikam.com".parse().unwrap());
    let exchange = for_exchange(&application(BLUEPRINT, secret()));
    let requests = [
        for_graph(&application(BLUEPRINT, secret())),
        for_graph(&agent(1)),
        for_graph(&agent(2)),
        for_graph(&other_blueprint),
        for_graph(&other_tenant),
        agent(1).agent_user(user(1), graph()).unwrap(),
        agent(1).agent_user(user(2), graph()).unwrap(),
        agent(1).agent_user("a@b".parse().unwrap(), graph()).unwrap(),
        agent(2).agent_user(user(1), graph()).unwrap(),
        exchange.clone().with_fmi_path("a").unwrap(),
        exchange.clone().with_fmi_path("b").unwrap(),
        exchange,
    ];
    let mut keys: Vec<_> = requests.iter().map(TokenRequest::cache_key).collect();
    assert!(keys.iter().all(|key| key.as_str().lines().count() <= 7));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), requests.len());
    let with_tokens = for_user(&agent(1)).with_agent_token(ClientAssertion::new("t.2.x").unwrap());
    assert_eq!(with_tokens.cache_key(), for_user(&agent(1)).cache_key());
}

proptest! {
    /// An error response that repeats all secrets of its request shows none of them.
    #[test]
    fn no_secret_of_any_request_is_shown(
        at in 0_usize..3,
        status in prop::sample::select(vec![400_u16, 401, 403, 404, 500]),
        is_json in any::<bool>(),
        secret in "[A-Za-z0-9~]{20,40}",
        (one, two) in ("[A-Za-z0-9_-]{12,40}", "[A-Za-z0-9_-]{12,40}"),
    ) {
        let tokens = [format!("{one}.one.x"), format!("{two}.two.x")];
        let (one, two) = (&*tokens[0], &*tokens[1]);
        let blueprint = ClientSecret::new(secret.clone()).unwrap();
        let sent: &[&str] = match at {
            0 => &[&*secret],
            1 => &[one],
            _ => &[one, two],
        };
        let text = format!("the request was {}", sent.join("&x="));
        let body = match is_json {
            true => format!(r#"{{"error":"invalid_client","error_description":"AADSTS7000215: {text}"}}"#),
            false => text,
        };
        let mut step = for_user(&agent_of(blueprint)).start(RetryPolicy::never(), Guid::from_random([7; 16]), NOW).unwrap();
        let mut shown = format!("{step:?}");
        for token in &tokens[..at] {
            let Step::Exchange(exchange) = step else { panic!("{step:?}") };
            let body = format!(r#"{{"access_token":"{token}","expires_in":3600}}"#);
            step = exchange.respond(&http::Response::new(Body::from(body)), NOW).unwrap();
            shown += &format!("{step:?}");
        }
        let Step::Exchange(exchange) = step else { panic!("{step:?}") };
        let response = http::Response::builder().status(status).body(Body::from(body)).unwrap();
        let error = exchange.respond(&response, NOW).unwrap_err();
        shown += &format!("{error} {error:?} {error:#?} {:?}", error.hint());
        for secret in [&*secret, one, two] {
            prop_assert!(!shown.contains(secret), "{shown}");
        }
        prop_assert_eq!(matches!(error, Error::Leg(_)), at < 2);
    }
}
