//! A managed identity as the credential of an application.

use entra_proto::acquire::RetryPolicy;
use entra_proto::acquired::AcquiredCredential;
use entra_proto::managed_identity::{ManagedIdentityRequest, Source};
use entra_proto::{Application, Authority, Error, Guid, Target, TokenRequest};

use super::support::*;

const ASSERTION: &str = r#"{"access_token":"as.ser.tion","expires_in":"86399","token_type":"Bearer"}"#;
const ISSUED: &str = r#"{"access_token":"issued","expires_in":3599,"token_type":"Bearer"}"#;
const OUT_OF_TIME: &str = r#"{"error":"invalid_client","error_codes":[700024]}"#;

fn exchange(machine: &Machine) -> ManagedIdentityRequest {
    let target = Target::resource("api://AzureADTokenExchange").unwrap();
    machine.identity(client_id()).request(target).unwrap()
}

fn request(inner: ManagedIdentityRequest) -> TokenRequest {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let credential = AcquiredCredential::of_managed_identity(inner).unwrap();
    Application::new(authority, Guid::from_bytes([0xcc; 16]).into(), credential)
        .client_credentials(vault())
        .unwrap()
}

fn acquire(request: TokenRequest, script: &[Network]) -> Run {
    acquire_with(request, exact(), script)
}

fn acquire_with(request: TokenRequest, policy: RetryPolicy, script: &[Network]) -> Run {
    drive(request.start(policy, Guid::from_bytes([7; 16]), NOW), script)
}

#[test]
fn token_of_the_identity_is_the_client_assertion() {
    let run = acquire(
        request(exchange(&Machine::default())),
        &[responds(200, ASSERTION), responds(200, ISSUED)],
    );
    assert_eq!(run.token().access_token.expose(), "issued");
    assert_eq!(run.token().identity_source, None);
    assert!(
        run.sent[0]
            .line
            .contains("resource=api%3A%2F%2FAzureADTokenExchange&client_id=")
    );
    assert!(run.sent[1].body.contains("client_assertion=as.ser.tion"));
    assert!(
        run.sent[1]
            .line
            .starts_with("POST https://login.microsoftonline.com/contoso.com/")
    );
    assert!(run.sent[0].route.is_some() && run.sent[1].route.is_none());
    assert!(!run.shown.contains("as.ser.tion"), "{}", run.shown);
}

#[test]
fn failure_of_the_identity_names_its_request() {
    let run = acquire(request(exchange(&Machine::default())), &[responds(400, "{}")]);
    let Some(Err(Error::Leg(error))) = &run.outcome else {
        panic!("{:?}", run.outcome)
    };
    assert_eq!((error.leg().number(), error.leg().total()), (1, 2));
    assert!(matches!(error.cause(), Error::ManagedIdentity(_)));
    assert_eq!(
        error.to_string(),
        "request 1 of 2 (a token for api://AzureADTokenExchange from the instance metadata service (IMDS)): \
         there is no token from the instance metadata service (IMDS): the service rejected the request without a \
         reason, by HTTP status 400"
    );
}

#[test]
fn invalid_variable_ends_the_acquisition_before_sending() {
    let machine = Machine::of(Source::AppService);
    let request = request(exchange(&machine));
    machine.set("IDENTITY_ENDPOINT", "http://evil.example/");
    let run = acquire(request, &[]);
    assert!(matches!(&run.outcome, Some(Err(Error::Leg(_)))));
    assert!(run.sent.is_empty());
}

#[test]
fn each_leg_has_its_own_schedule() {
    let script = [
        responds(503, ""),
        responds(410, ""),
        responds(200, ASSERTION),
        responds(503, ""),
        responds(200, ISSUED),
    ];
    let run = acquire(request(exchange(&Machine::default())), &script);
    assert_eq!(run.seconds(), [1, 10, 0]);
    assert!(matches!(run.outcome, Some(Ok(_))));
    // The assertion serves both attempts.
    assert!(run.sent.iter().skip(3).all(|sent| sent.body.contains("as.ser.tion")));
}

#[test]
fn rejected_assertion_is_acquired_again_with_new_variables() {
    let machine = Machine::of(Source::AppService);
    let request = request(exchange(&machine));
    let start = request.start(exact(), Guid::from_bytes([7; 16]), NOW);
    machine.set("IDENTITY_HEADER", "rotated");
    let script = [
        responds(200, ASSERTION),
        responds(401, OUT_OF_TIME),
        responds(200, ASSERTION),
        responds(200, ISSUED),
    ];
    let run = drive(start, &script);
    assert_eq!(run.sent.len(), 4);
    assert!(run.sent[2].headers.contains(&"x-identity-header: rotated".to_owned()));
}

#[test]
fn absent_identity_makes_the_application_absent() {
    let run = acquire(request(exchange(&Machine::default()).probing(true)), &[DOWN]);
    assert!(matches!(&run.outcome, Some(Err(error)) if error.is_absent()));
    // The request of the application can be made a probing one, whatever is nested in it.
    let plain = request(exchange(&Machine::default()));
    let nested = AcquiredCredential::of_token(plain.clone()).unwrap();
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let outer = Application::new(authority, Guid::from_bytes([0xdd; 16]).into(), nested);
    for request in [plain, outer.client_credentials(vault()).unwrap()] {
        let run = acquire(request.probing(true), &[DOWN]);
        assert!(matches!(&run.outcome, Some(Err(error)) if error.is_absent()));
    }
    let run = acquire(request(exchange(&Machine::default())), &[DOWN, DOWN, DOWN, DOWN]);
    assert!(run.outcome.is_none());
}

#[test]
fn token_of_a_user_is_no_client_assertion() {
    let error = AcquiredCredential::of_managed_identity(Machine::of(Source::CloudShell).system()).unwrap_err();
    assert!(matches!(error, Error::Input(_)));
}

#[test]
fn cache_keys_of_two_identities_differ() {
    let machine = Machine::default();
    let target = || Target::resource("api://AzureADTokenExchange").unwrap();
    let keys = [client_id(), object_id()]
        .map(|identity| request(machine.identity(identity).request(target()).unwrap()).cache_key());
    assert_ne!(keys[0], keys[1]);
}
