//! Chains: the first member that is not absent is used, and no other one instead of it.

use std::time::Duration;

use entra_client::clock::ManualClock;
use entra_client::observer::EventKind;
use entra_client::{Absence, BuildError, Chain, CommandRequest, CommandToken, MemberState, TokenOptions, blocking};
use entra_proto::assertion::{ClientAssertion, FederatedCredential};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{AccessToken, Tenant};
use tokio::time::Instant;

use crate::support::commands::{Command, absent, failed, issued, states};
use crate::support::users::{AtOnce, NoTime, user};
use crate::support::{CountedRandom, Reply, START, Service, Stage, api, app, pass, seconds, secret, settle, together};

fn tokens() -> Service {
    Service::always(Reply::Token("of-app", 3600, ""))
}

/// Returns a service that rejects the application's secret.
fn rejecting() -> Service {
    Service::always(Reply::body(
        401,
        r#"{"error":"invalid_client","error_codes":[7000215]}"#,
    ))
}

#[tokio::test(start_paused = true)]
async fn first_member_that_is_not_absent_is_chosen() {
    // The members: `-` is not configured, `a` is an application, and of the commands `i` issues a
    // token, `n` is not installed, and `f` fails. Each command takes one second.
    for (members, chosen, runs, requests, elapsed) in [
        ("a", Some("a"), 0, 1, 0),
        ("-a", Some("a"), 0, 1, 0),
        ("--", None, 0, 0, 0),
        ("", None, 0, 0, 0),
        ("ai", Some("a"), 0, 1, 0),
        ("ia", Some("i"), 1, 0, 1),
        ("-i", Some("i"), 1, 0, 1),
        ("na", Some("a"), 1, 1, 1),
        ("n-ni", Some("i"), 3, 0, 3),
        ("nnn", None, 3, 0, 3),
        // A credential that fails ends the chain.
        ("fa", None, 1, 0, 1),
        ("nfa", None, 2, 0, 2),
    ] {
        let mut chain = Chain::new();
        let mut commands = Vec::new();
        for member in members.chars() {
            let mut command = |outcome| {
                let command = Command::always(outcome);
                commands.push(command.clone());
                command
            };
            let name = member.to_string();
            chain = match member {
                '-' => chain.with_absent(name, Absence::new("it is not configured")),
                'a' => chain.with_application(name, app(secret())),
                'i' => chain.with_async_command(name, command(issued("of-command"))),
                'n' => chain.with_async_command(name, command(absent())),
                _ => chain.with_async_command(name, command(failed())),
            };
        }
        let stage = Stage::of(chain, tokens(), |builder| builder);
        let start = Instant::now();
        let outcome = stage.client.token(&api("graph")).await;
        let report = stage.client.chain().unwrap();
        assert_eq!(outcome.is_ok(), chosen.is_some(), "{members}: {outcome:?}");
        assert_eq!(report.chosen(), chosen, "{members}");
        let all_runs: usize = commands.iter().map(Command::runs).sum();
        assert_eq!(
            (all_runs, stage.service.requests(), start.elapsed().as_secs()),
            (runs, requests, elapsed),
            "{members}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_credential_ends_the_chain() {
    let next = Command::always(issued("of-command"));
    let chain = Chain::new()
        .with_application("environment", app(secret()))
        .with_async_command("Azure CLI", next.clone());
    let stage = Stage::of(chain, rejecting(), |builder| builder);
    for _ in 0..3 {
        let error = stage.client.token(&api("graph")).await.unwrap_err();
        assert_eq!(error.service().unwrap().codes, [7_000_215]);
        assert!(!error.is_absent() && error.chain().is_none(), "{error}");
        pass(seconds(100)).await;
    }
    assert_eq!((next.runs(), stage.service.requests()), (0, 3));
    let report = stage.client.chain().unwrap();
    assert_eq!(states(&report), [("environment", "chosen"), ("Azure CLI", "untried")]);
}

#[tokio::test(start_paused = true)]
async fn certain_member_is_chosen_before_the_first_token() {
    let absence = || Absence::new("AZURE_CLIENT_SECRET is not set");
    let federated = |_: &str| ClientAssertion::new("header.claims.signature");
    for application in [app(secret()), app(FederatedCredential::new(federated))] {
        let chain = Chain::new()
            .with_absent("environment", absence())
            .with_application("workload identity", application)
            .with_async_command("Azure CLI", Command::always(issued("t")));
        let stage = Stage::of(chain, tokens(), |builder| builder);
        let report = stage.client.chain().unwrap();
        assert_eq!(report.chosen(), Some("workload identity"));
        assert_eq!(
            report.members[0].state,
            MemberState::Absent(Absence::new("AZURE_CLIENT_SECRET is not set"))
        );
        assert!(stage.client.application().is_some());
        assert_eq!(stage.service.requests(), 0);
    }
    let chain = Chain::new()
        .with_async_command("Azure CLI", Command::always(issued("t")))
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    assert_eq!(stage.client.chain().unwrap().chosen(), None);
}

#[tokio::test(start_paused = true)]
async fn chain_keeps_its_first_success_after_failures() {
    let first = Command::new(|n, _| (seconds(1), if n == 0 { issued("of-command") } else { absent() }));
    let chain = Chain::new()
        .with_async_command("Azure CLI", first.clone())
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "of-command");
    for target in ["vault", "storage"] {
        let error = stage.client.token(&api(target)).await.unwrap_err();
        assert_eq!(error.to_string(), "it is not installed");
        assert_eq!(error.hint(), Some("install it"));
    }
    assert_eq!((first.runs(), stage.service.requests()), (3, 0));
    let report = stage.client.chain().unwrap();
    assert_eq!(states(&report), [("Azure CLI", "chosen"), ("environment", "untried")]);
    assert!(stage.client.application().is_none());
}

#[tokio::test(start_paused = true)]
async fn thousand_callers_of_ten_targets_probe_once() {
    let probe = Command::always(absent());
    let chain = Chain::new()
        .with_async_command("Azure CLI", probe.clone())
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, tokens().taking(seconds(1)), |builder| builder);
    let start = Instant::now();
    together(1000, |n| {
        let client = stage.client.clone();
        async move { client.token(&api(&format!("api{}", n % 10))).await.unwrap() }
    })
    .await;
    assert_eq!((probe.runs(), stage.service.requests()), (1, 10));
    // The probe takes one second, and then all ten requests are in flight at once.
    assert_eq!(start.elapsed(), seconds(2));
    assert_eq!(stage.client.chain().unwrap().chosen(), Some("environment"));
}

#[tokio::test(start_paused = true)]
async fn thousand_callers_share_the_error_of_absent_members() {
    let (first, second) = (Command::always(absent()), Command::always(absent()));
    let chain = Chain::new()
        .with_absent(
            "environment",
            Absence::new("AZURE_CLIENT_ID is not set").with_hint("set it"),
        )
        .with_async_command("Azure CLI", first.clone())
        .with_async_command("Azure Developer CLI", second.clone());
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let errors = together(1000, |n| {
        let client = stage.client.clone();
        async move { client.token(&api(&format!("api{}", n % 10))).await.unwrap_err() }
    })
    .await;
    assert_eq!((first.runs(), second.runs(), stage.service.requests()), (1, 1, 0));
    for error in errors {
        let text = error.to_string();
        for part in [
            "no credential is available",
            "environment is absent (AZURE_CLIENT_ID is not set)",
            "Azure CLI is absent (it is not installed)",
            "Azure Developer CLI is absent (it is not installed)",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(
            error.hint(),
            Some(
                "configure one of these credentials (environment: set it; Azure CLI: install it; \
                 Azure Developer CLI: install it)"
            )
        );
        assert!(error.is_absent() && !error.is_retryable());
        let report = error.chain().unwrap().report();
        assert_eq!(states(report).iter().filter(|state| state.1 == "absent").count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn absence_of_all_members_is_kept_for_a_short_time() {
    let command = Command::new(|n, _| (seconds(1), if n == 0 { absent() } else { issued("t") }));
    let chain = Chain::new().with_async_command("Azure CLI", command.clone());
    let stage = Stage::of(chain, tokens(), |builder| builder);
    stage.client.token(&api("graph")).await.unwrap_err();
    pass(seconds(4)).await;
    for target in ["graph", "vault"] {
        let error = stage.client.token(&api(target)).await.unwrap_err();
        assert!(error.is_cached() && error.chain().is_some(), "{error}");
    }
    assert_eq!(command.runs(), 1);
    pass(seconds(2)).await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "t");
    assert_eq!(stage.client.chain().unwrap().chosen(), Some("Azure CLI"));
}

#[tokio::test(start_paused = true)]
async fn forgotten_absence_is_looked_for_again() {
    let forgotten: [fn(&Stage); 2] = [|stage| stage.client.forget(&api("graph")), |stage| stage.client.clear()];
    for forget in forgotten {
        let command = Command::new(|n, _| (seconds(1), if n == 0 { absent() } else { issued("t") }));
        let chain = Chain::new().with_async_command("Azure CLI", command.clone());
        let stage = Stage::of(chain, tokens(), |builder| builder);
        stage.client.token(&api("graph")).await.unwrap_err();
        forget(&stage);
        assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "t");
    }
}

#[tokio::test(start_paused = true)]
async fn earlier_member_is_tried_again_before_the_first_success() {
    let command = Command::new(|n, _| (seconds(1), if n == 0 { absent() } else { issued("of-command") }));
    let chain = Chain::new()
        .with_async_command("Azure CLI", command)
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, rejecting(), |builder| builder);
    stage.client.token(&api("graph")).await.unwrap_err();
    let report = stage.client.chain().unwrap();
    assert_eq!(states(&report), [("Azure CLI", "absent"), ("environment", "untried")]);
    pass(seconds(10)).await;
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "of-command");
    let report = stage.client.chain().unwrap();
    assert_eq!(states(&report), [("Azure CLI", "chosen"), ("environment", "untried")]);
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_go_on_when_the_search_panics() {
    let command = Command::new(|n, _| {
        assert!(n > 0, "the first run panics");
        (seconds(1), issued("t"))
    });
    let chain = Chain::new().with_async_command("Azure CLI", command.clone());
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let outcomes = together(3, |n| {
        let client = stage.client.clone();
        async move { client.token(&api(&format!("api{n}"))).await.is_ok() }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|is_ok| **is_ok).count(), 2, "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn token_of_a_member_that_was_not_chosen_is_dropped() {
    // The first run takes longer than the patience of others. Then the command is absent.
    let command = Command::new(|n, _| match n {
        0 => (seconds(130), issued("of-command")),
        _ => (seconds(1), absent()),
    });
    let chain = Chain::new()
        .with_async_command("Azure CLI", command.clone())
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let client = stage.client.clone();
    let slow = tokio::spawn(async move { client.token(&api("graph")).await });
    settle().await;
    // Its request goes on without it.
    slow.abort();
    assert_eq!(stage.client.token(&api("vault")).await.unwrap().expose(), "of-app");
    assert_eq!(stage.client.chain().unwrap().chosen(), Some("environment"));
    pass(seconds(20)).await;
    let requests = stage.service.requests();
    assert_eq!(command.runs(), 2);
    assert_eq!(stage.client.token(&api("graph")).await.unwrap().expose(), "of-app");
    assert_eq!(
        stage.service.requests(),
        requests,
        "the request went on with the chosen member"
    );
}

#[tokio::test(start_paused = true)]
async fn command_gets_the_target_the_tenant_and_the_claims() {
    let (saw, seen) = std::sync::mpsc::channel();
    let command = Command::new(move |_, request: &CommandRequest| {
        saw.send(request.clone()).unwrap();
        (Duration::ZERO, issued("t"))
    });
    let chain = Chain::new().with_async_command("Azure CLI", command);
    let stage = Stage::of(chain, tokens(), |builder| builder);
    stage.client.token(&api("graph")).await.unwrap();
    let claims = ClaimsRequest::parse(r#"{"access_token":{"nbf":{"essential":true}}}"#).unwrap();
    let options = TokenOptions::default().with_claims(claims.clone());
    let tenant: Tenant = "fabrikam.com".parse().unwrap();
    let there = stage.client.tenant(tenant.clone());
    there.token_with(&api("graph"), &options).await.unwrap();
    let (first, second) = (seen.recv().unwrap(), seen.recv().unwrap());
    assert_eq!(first.target, api("graph"));
    assert_eq!((first.tenant, first.claims), (None, None));
    assert_eq!((second.tenant, second.claims), (Some(tenant), Some(claims)));
    assert_eq!(stage.count(EventKind::Acquired), 2);
}

#[tokio::test(start_paused = true)]
async fn expired_token_of_a_command_is_an_error() {
    let expired = CommandToken::new(AccessToken::new("t").unwrap(), START);
    let chain = Chain::new().with_async_command("Azure CLI", Command::always(Ok(expired)));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let error = stage.client.token(&api("graph")).await.unwrap_err();
    assert_eq!(error.to_string(), "the command returned a token that has expired");
}

#[tokio::test(start_paused = true)]
async fn application_of_a_chain_is_known_once_chosen() {
    let chain = Chain::new()
        .with_async_command("Azure CLI", Command::always(absent()))
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let error = stage.client.authority().unwrap_err().to_string();
    assert!(
        error.contains("a chain that has not chosen a credential yet"),
        "{error}"
    );
    let target = api("graph");
    assert!(stage.client.device_code(&target, |_| ()).await.is_err());
    stage.client.token(&target).await.unwrap();
    assert!(stage.client.application().is_some());
    assert!(stage.client.authority().is_ok());
    // Other tenants and users are those of the application.
    let tenant: Tenant = "fabrikam.com".parse().unwrap();
    stage.client.tenant(tenant).token(&target).await.unwrap();
    assert_eq!(stage.service.seen(1).path, "/fabrikam.com/oauth2/v2.0/token");
    stage.client.user(&user("rt-0")).token(&target).await.unwrap();
    assert_eq!(stage.service.seen(2).value("grant_type"), Some("refresh_token"));
}

#[tokio::test(start_paused = true)]
async fn users_and_consents_require_an_application() {
    let chain = Chain::new().with_async_command("Azure CLI", Command::always(issued("t")));
    let stage = Stage::of(chain, tokens(), |builder| builder);
    let target = api("graph");
    stage.client.token(&target).await.unwrap();
    let errors = [
        stage.client.user(&user("rt-0")).token(&target).await.unwrap_err(),
        stage.client.authority().unwrap_err(),
        stage.client.device_code(&target, |_| ()).await.unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(
            text.contains("Azure CLI") && text.contains("only applications"),
            "{text}"
        );
        assert!(!error.is_absent());
    }
    assert_eq!(stage.service.requests(), 0);
}

#[test]
fn blocking_client_runs_blocking_commands() {
    let command = |_: &CommandRequest| issued("of-command");
    let nothing = |_: &CommandRequest| absent();
    let chain = Chain::new()
        .with_command("Azure Developer CLI", nothing)
        .with_command("Azure CLI", command);
    let client = blocking::Client::builder(chain, AtOnce(tokens()))
        .runtime(NoTime)
        .clock(ManualClock::at(START))
        .secure_random(CountedRandom::default())
        .build()
        .unwrap();
    assert_eq!(client.token(&api("graph")).unwrap().expose(), "of-command");
    assert_eq!(client.chain().unwrap().chosen(), Some("Azure CLI"));

    let of_async = || Chain::new().with_async_command("Azure CLI", Command::always(issued("t")));
    let error = blocking::Client::builder(of_async(), AtOnce(tokens()))
        .build()
        .unwrap_err();
    assert_eq!(error, BuildError::AsyncCredential);
    let error = blocking::Client::new(of_async(), AtOnce(tokens()))
        .token(&api("graph"))
        .unwrap_err();
    assert!(error.to_string().contains("async"), "{error}");
}
