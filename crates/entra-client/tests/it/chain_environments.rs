//! A chain in different environments: the chosen member, the requests, and the time.

use std::time::Duration;

use entra_client::{Absence, Chain, Client};
use entra_proto::acquired::AcquiredCredential;
use entra_proto::{Target, Tenant};
use tokio::time::Instant;

use crate::support::commands::{Command, issued, states};
use crate::support::machine::{Machine, beside, is_of_machine, no_imds};
use crate::support::{Reply, Seen, Service, Stage, api, app, pass, seconds, secret, together};

const TOKEN: &str = r#"{"access_token":"of-machine","expires_in":"86400","token_type":"Bearer"}"#;
const PORTAL: &str = "<html>sign in</html>";
const NO_IDENTITY: &str = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;

/// An instance metadata service that rejects the probe and issues tokens.
fn imds(seen: &Seen) -> (Duration, Reply) {
    let reply = match seen.headers.contains_key("metadata") {
        true => Reply::body(200, TOKEN),
        false => Reply::body(400, r#"{"error":"bad_request_102"}"#),
    };
    (Duration::ZERO, reply)
}

/// An instance metadata service that rejects the probe, and replies with this to other requests.
fn imds_with(status: u16, body: &'static str) -> impl Fn(&Seen) -> (Duration, Reply) {
    move |seen| match seen.headers.contains_key("metadata") {
        true => (Duration::ZERO, Reply::body(status, body)),
        false => imds(seen),
    }
}

fn always(reply: Reply) -> impl Fn(&Seen) -> (Duration, Reply) {
    move |_| (Duration::ZERO, reply.clone())
}

/// A chain of an application that may be configured, the identity of the machine, and a command.
fn chain(has_application: bool, machine: &Machine) -> Chain {
    let chain = match has_application {
        true => Chain::new().with_application("environment", app(secret())),
        false => Chain::new().with_absent("environment", Absence::new("AZURE_CLIENT_ID is not set")),
    };
    chain.with_managed_identity("managed identity", machine.identity())
}

type Imds = Box<dyn Fn(&Seen) -> (Duration, Reply) + Send + Sync>;

/// An environment, and what follows from it.
struct Environment {
    name: &'static str,
    has_application: bool,
    /// True if a command that issues tokens is the last member.
    has_command: bool,
    machine: Machine,
    imds: Imds,
    /// The origin of the token, or a part of the error.
    expected: Result<&'static str, &'static str>,
    requests: usize,
    milliseconds: u64,
}

impl Environment {
    /// Creates the environment of a machine without any variable.
    fn new(
        name: &'static str,
        imds: impl Fn(&Seen) -> (Duration, Reply) + Send + Sync + 'static,
        expected: Result<&'static str, &'static str>,
        requests: usize,
        milliseconds: u64,
    ) -> Self {
        Self {
            name,
            has_application: false,
            has_command: true,
            machine: Machine::default(),
            imds: Box::new(imds),
            expected,
            requests,
            milliseconds,
        }
    }

    fn without_command(self) -> Self {
        Self {
            has_command: false,
            ..self
        }
    }

    fn with_application(self) -> Self {
        Self {
            has_application: true,
            ..self
        }
    }

    fn on(self, machine: Machine) -> Self {
        Self { machine, ..self }
    }

    async fn check(self) {
        let Self { name, expected, .. } = self;
        let command = Command::always(issued("of-command"));
        let mut chain = chain(self.has_application, &self.machine);
        if self.has_command {
            chain = chain.with_async_command("Azure CLI", command.clone());
        }
        let stage = Stage::of(chain, beside(self.imds), |builder| builder);
        let start = Instant::now();
        let outcome = stage.client.token(&api("vault")).await;
        let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap();
        match (&outcome, expected) {
            (Ok(token), Ok(expected)) => assert_eq!(token.expose(), expected, "{name}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            _ => panic!("{name}: {outcome:?}"),
        }
        assert_eq!(
            (stage.service.requests(), elapsed),
            (self.requests, self.milliseconds),
            "{name}"
        );
        assert_eq!(command.runs() > 0, expected == Ok("of-command"), "{name}");
        let chosen = match expected {
            Ok("of-app") => Some("environment"),
            Ok("of-machine") => Some("managed identity"),
            Ok(_) => Some("Azure CLI"),
            Err(_) => None,
        };
        assert_eq!(stage.client.chain().unwrap().chosen(), chosen, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn absent_member_is_followed_by_the_next_one() {
    let docker = "connecting to 169.254.169.254:80: dial tcp: connectex: A socket operation was attempted to an \
                  unreachable network";
    let of_command = Ok("of-command");
    for environment in [
        Environment::new("laptop", no_imds, of_command, 1, 2000),
        Environment::new(
            "container on a laptop",
            always(Reply::body(403, docker)),
            of_command,
            1,
            1000,
        ),
        Environment::new(
            "portal of a network",
            always(Reply::body(200, PORTAL)),
            of_command,
            2,
            1000,
        ),
        Environment::new("virtual machine", imds, Ok("of-machine"), 2, 0),
        Environment::new("web app", always(Reply::body(200, TOKEN)), Ok("of-machine"), 1, 0).on(Machine::app_service()),
        Environment::new("secret", no_imds, Ok("of-app"), 1, 0).with_application(),
        Environment::new("secret on a virtual machine", imds, Ok("of-app"), 1, 0).with_application(),
    ] {
        environment.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn machine_with_nothing_is_known_after_one_request() {
    let nothing = Err("no credential is available");
    for environment in [
        Environment::new("no route", no_imds, nothing, 1, 1000),
        Environment::new("no listener", always(Reply::Unreachable), nothing, 1, 0),
    ] {
        environment.without_command().check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn failure_of_a_present_member_is_not_hidden() {
    let app_service = Machine::app_service;
    let invalid = Machine::with(&[("IDENTITY_ENDPOINT", "not a url"), ("IDENTITY_HEADER", "h")]);
    let (of_imds, of_app_service) = (Err("IMDS"), Err("App Service"));
    for environment in [
        Environment::new("no identity", imds_with(400, NO_IDENTITY), of_imds, 2, 0),
        Environment::new(
            "no permission",
            imds_with(403, r#"{"error":"access_denied"}"#),
            of_imds,
            2,
            0,
        ),
        Environment::new(
            "no identity",
            always(Reply::body(400, NO_IDENTITY)),
            of_app_service,
            1,
            0,
        )
        .on(app_service()),
        Environment::new("portal", always(Reply::body(200, PORTAL)), of_app_service, 1, 0).on(app_service()),
        Environment::new("invalid variable", imds, Err("IDENTITY_ENDPOINT"), 0, 0).on(invalid),
    ] {
        environment.check().await;
    }
}

#[tokio::test(start_paused = true)]
async fn platform_that_is_down_hides_no_error() {
    for status in [429, 500, 503] {
        let command = Command::always(issued("of-command"));
        let chain = chain(false, &Machine::default()).with_async_command("Azure CLI", command.clone());
        let stage = Stage::of(chain, beside(imds_with(status, "")), |builder| builder);
        let error = stage.client.token(&api("vault")).await.unwrap_err();
        assert!(!error.is_absent() && error.is_retryable(), "{status}: {error}");
        assert_eq!(command.runs(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_secret_does_not_reach_the_managed_identity() {
    let service = Service::new(|_, seen| match is_of_machine(seen) {
        true => imds(seen),
        false => (Duration::ZERO, Reply::body(401, r#"{"error":"invalid_client"}"#)),
    });
    let stage = Stage::of(chain(true, &Machine::default()), service, |builder| builder);
    let error = stage.client.token(&api("vault")).await.unwrap_err();
    assert_eq!(error.service().unwrap().error, "invalid_client");
    assert_eq!(stage.service.requests(), 1);
    let report = stage.client.chain().unwrap();
    assert_eq!(
        states(&report),
        [("environment", "chosen"), ("managed identity", "untried")]
    );
}

#[tokio::test(start_paused = true)]
async fn thousand_callers_of_ten_targets_probe_the_machine_once() {
    let chain = Chain::new()
        .with_managed_identity("managed identity", Machine::default().identity())
        .with_application("environment", app(secret()));
    let stage = Stage::of(chain, beside(no_imds), |builder| builder);
    let start = Instant::now();
    together(1000, |n| {
        let client = stage.client.clone();
        async move { client.token(&api(&format!("api{}", n % 10))).await.unwrap() }
    })
    .await;
    assert_eq!((stage.service.requests(), start.elapsed()), (1 + 10, seconds(1)));
}

#[tokio::test(start_paused = true)]
async fn machine_that_was_found_is_not_probed_again() {
    let stage = Stage::of(chain(false, &Machine::default()), beside(imds), |builder| builder);
    for target in ["vault", "storage", "graph"] {
        stage.client.token(&api(target)).await.unwrap();
    }
    assert_eq!(stage.service.requests(), 2 + 1 + 1);
}

#[tokio::test(start_paused = true)]
async fn machine_that_was_absent_is_probed_again() {
    let start = Instant::now();
    let late = move |seen: &Seen| match start.elapsed() < seconds(60) {
        true => no_imds(seen),
        false => imds(seen),
    };
    let stage = Stage::of(chain(false, &Machine::default()), beside(late), |builder| builder);
    let error = stage.client.token(&api("vault")).await.unwrap_err();
    assert!(error.chain().is_some(), "{error}");
    pass(seconds(61)).await;
    assert_eq!(stage.client.token(&api("vault")).await.unwrap().expose(), "of-machine");
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_chosen_machine_do_not_end_the_choice() {
    let start = Instant::now();
    let breaks = move |seen: &Seen| match start.elapsed() < seconds(60) {
        true => imds(seen),
        false => no_imds(seen),
    };
    let command = Command::always(issued("of-command"));
    let chain = chain(false, &Machine::default()).with_async_command("Azure CLI", command.clone());
    let stage = Stage::of(chain, beside(breaks), |builder| builder);
    stage.client.token(&api("vault")).await.unwrap();
    pass(seconds(61)).await;
    let error = stage.client.token(&api("storage")).await.unwrap_err();
    assert!(!error.is_absent(), "{error}");
    pass(seconds(100_000)).await;
    stage.client.token(&api("vault")).await.unwrap_err();
    assert_eq!(command.runs(), 0);
    assert_eq!(stage.client.chain().unwrap().chosen(), Some("managed identity"));
}

#[tokio::test(start_paused = true)]
async fn tenant_of_a_chain_needs_an_application_only_if_it_is_chosen() {
    let tenant: Tenant = "fabrikam.com".parse().unwrap();
    let of = |imds: Imds| {
        let chain = Chain::new()
            .with_managed_identity("managed identity", Machine::default().identity())
            .with_application("environment", app(secret()));
        Stage::of(chain, beside(imds), |builder| builder)
    };
    let there = |client: &Client| client.tenant(tenant.clone());
    // The machine has no identity, so the application acquires the token.
    let stage = of(Box::new(no_imds));
    assert_eq!(
        there(&stage.client).token(&api("vault")).await.unwrap().expose(),
        "of-app"
    );
    assert_eq!(stage.service.seen(1).path, "/fabrikam.com/oauth2/v2.0/token");
    // It has one, which is chosen and has no choice of tenants.
    let stage = of(Box::new(imds));
    for requests in [2, 2] {
        let error = there(&stage.client).token(&api("vault")).await.unwrap_err();
        assert!(error.to_string().contains("only applications"), "{error}");
        assert_eq!(stage.service.requests(), requests);
        assert_eq!(stage.client.chain().unwrap().chosen(), Some("managed identity"));
        pass(seconds(10)).await;
    }
    assert_eq!(stage.client.token(&api("vault")).await.unwrap().expose(), "of-machine");
}

#[tokio::test(start_paused = true)]
async fn application_on_a_missing_identity_is_absent() {
    let audience = Target::resource("api://AzureADTokenExchange").unwrap();
    let request = Machine::default().identity().request(audience).unwrap();
    let credential = AcquiredCredential::of_managed_identity(request).unwrap();
    let chain = Chain::new()
        .with_application("federated", app(credential))
        .with_async_command("Azure CLI", Command::always(issued("of-command")));
    let stage = Stage::of(chain, beside(no_imds), |builder| builder);
    let start = Instant::now();
    assert_eq!(stage.client.token(&api("vault")).await.unwrap().expose(), "of-command");
    // The probe and the command take a second each.
    assert_eq!((stage.service.requests(), start.elapsed()), (1, seconds(2)));
}
