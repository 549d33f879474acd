//! Sources of assertions within an acquisition.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::acquire::RetryPolicy;
use entra_proto::acquired::AcquiredCredential;
use entra_proto::federation::{AzurePipelines, GitHubActions};
use entra_proto::managed_identity::{Host, Identity, ManagedIdentity};
use entra_proto::{Application, Authority, Cloud, Error, Guid};
use zeroize::Zeroizing;

use super::support::*;

fn github() -> GitHubActions {
    GitHubActions::new("https://vstoken.example/idtoken?v=2", "canary~of~the~job").unwrap()
}

/// A response of GitHub with an assertion that was issued at this time after the start, in seconds,
/// and is valid for five minutes.
fn assertion(after: u64) -> Network {
    let issued = NOW.as_secs() + after;
    let claims = format!(r#"{{"iat":{issued},"exp":{}}}"#, issued + 300);
    let jwt = format!("e30.{}.{after}", URL_SAFE_NO_PAD.encode(claims));
    let body = format!(r#"{{"count":1,"value":"{jwt}"}}"#);
    Responds(200, Box::leak(body.into_boxed_str()))
}

fn assertions(run: &Run) -> Vec<&str> {
    let sent = run.sent.iter().filter_map(|sent| sent.get("client_assertion"));
    sent.map(|jwt| jwt.rsplit('.').next().unwrap()).collect()
}

#[test]
fn assertion_is_used_until_a_minute_before_its_expiry() {
    let patient = |wait: &'static str, script: &[Network]| {
        let mut policy = RetryPolicy::default();
        policy.deadline = Duration::from_secs(3600);
        policy.first_delay = Duration::ZERO;
        let busy = RespondsWith(503, "retry-after", wait, "");
        let script: Vec<Network> = [assertion(0), busy].into_iter().chain(script.iter().copied()).collect();
        let request = for_graph(&application(0xbb, github()));
        let step = request.start(policy, Guid::from_random([7; 16]), NOW).unwrap();
        drive(step, &script, Duration::ZERO)
    };
    let within = patient("239", &[Issues("graph", 3600)]);
    assert_eq!((within.is_done(), assertions(&within)), (true, vec!["0", "0"]));
    for wait in ["240", "360"] {
        let after: u64 = wait.parse().unwrap();
        let run = patient(wait, &[assertion(after), Issues("graph", 3600)]);
        assert_eq!((run.is_done(), run.clients()), (true, "xbxb".to_owned()), "{wait}");
        assert_eq!(assertions(&run), ["0", wait]);
    }
}

#[test]
fn rejected_assertion_is_replaced_once() {
    let expired = Responds(401, OUT_OF_TIME);
    let app = || for_graph(&application(0xbb, github()));
    let again = run(app(), &[assertion(0), expired, assertion(2), Issues("graph", 3600)]);
    assert_eq!((again.is_done(), assertions(&again)), (true, vec!["0", "2"]));
    let twice = run(app(), &[assertion(0), expired, assertion(2), expired]);
    assert_eq!(twice.error().service().unwrap().codes[..], [700_024]);
    assert!(
        twice.error().hint().unwrap().contains("five minutes"),
        "{:?}",
        twice.error().hint()
    );
}

#[test]
fn each_acquisition_gets_its_own_assertion() {
    let app = application(0xbb, github());
    for after in [0, 1] {
        let run = run(for_graph(&app), &[assertion(after), Issues("graph", 3600)]);
        assert_eq!(assertions(&run), [after.to_string()]);
    }
}

#[test]
fn audience_follows_the_cloud_of_the_application() {
    for (cloud, audience) in [
        ("https://login.microsoftonline.com", "api%3A%2F%2FAzureADTokenExchange"),
        (
            "https://login.microsoftonline.us",
            "api%3A%2F%2FAzureADTokenExchangeUSGov",
        ),
    ] {
        let authority: Authority = format!("{cloud}/contoso.com").parse().unwrap();
        let app = Application::new(authority, Guid::from_bytes([0xbb; 16]).into(), github());
        let run = run(for_graph(&app), &[assertion(0), Issues("graph", 3600)]);
        assert_eq!(
            run.sent[0].uri,
            format!("https://vstoken.example/idtoken?v=2&audience={audience}")
        );
        assert_eq!(run.sent[0].authorization.as_deref(), Some("Bearer canary~of~the~job"));
        assert_eq!(run.sent[1].authorization, None);
        assert!(!run.shown.contains("canary"), "{}", run.shown);
    }
}

#[test]
fn redirect_of_azure_pipelines_has_advice() {
    let connection = Guid::from_bytes([1; 16]);
    let source = AzurePipelines::new("https://dev.azure.com/o/oidctoken", connection, "canary").unwrap();
    let redirect = RespondsWith(302, "location", "https://canary.example/_signin", "");
    let run = run(for_graph(&application(0xbb, source)), &[redirect]);
    assert!(
        run.error().to_string().contains("redirect") && !run.shown.contains("canary"),
        "{}",
        run.shown
    );
    assert!(run.error().hint().unwrap().contains("SYSTEM_ACCESSTOKEN"));
    assert!(
        run.error().to_string().contains("service connection 01010101"),
        "{}",
        run.error()
    );
}

/// A machine with these variables and no files.
struct Machine(&'static [(&'static str, &'static str)]);

impl Host for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        let variable = self.0.iter().find(|(known, _)| *known == name);
        variable.map(|(_, value)| value.into())
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn read_key_file(&self, _: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn user_assigned(cloud: &Cloud) -> Result<AcquiredCredential, Error> {
    let identity = Identity::client_id(Guid::from_bytes([0xee; 16]).into());
    AcquiredCredential::of_user_assigned(&ManagedIdentity::new(identity, Machine(&[])), cloud)
}

#[test]
fn managed_identity_authenticates_the_application() {
    const IDENTITY: Network = Responds(
        200,
        r#"{"access_token":"mi.to.ken","expires_in":"86400","token_type":"Bearer"}"#,
    );
    for (cloud, audience) in [
        ("https://login.microsoftonline.com", "api%3A%2F%2FAzureADTokenExchange"),
        (
            "https://login.microsoftonline.us",
            "api%3A%2F%2FAzureADTokenExchangeUSGov",
        ),
        (
            "https://login.partner.microsoftonline.cn",
            "api%3A%2F%2FAzureADTokenExchangeChina",
        ),
    ] {
        let authority: Authority = format!("{cloud}/contoso.com").parse().unwrap();
        let credential = user_assigned(authority.cloud()).unwrap();
        let app = Application::new(authority, Guid::from_bytes([0xbb; 16]).into(), credential);
        // The same identity serves other tenants, for an application that is known there.
        let other: Authority = format!("{cloud}/fabrikam.com").parse().unwrap();
        for (app, tenant) in [
            (app.clone(), "contoso.com"),
            (app.with_authority(other), "fabrikam.com"),
        ] {
            let run = run(for_graph(&app), &[IDENTITY, Issues("graph", 3600)]);
            assert!(run.is_done(), "{}", run.shown);
            assert_eq!(
                run.sent[0].uri,
                format!(
                    "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={audience}&client_id=eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee"
                )
            );
            assert_eq!(run.sent[1].uri, format!("{cloud}/{tenant}/oauth2/v2.0/token"));
            assert_eq!(run.sent[1].get("client_assertion"), Some("mi.to.ken"));
            assert_eq!(run.sent[1].get("client_id").map(|id| &id[..2]), Some("bb"));
            assert!(!run.shown.contains("mi.to.ken"), "{}", run.shown);
        }
    }
}

#[test]
fn system_assigned_identity_is_no_credential() {
    let identity = ManagedIdentity::new(Identity::system(), Machine(&[]));
    let error = AcquiredCredential::of_user_assigned(&identity, &Cloud::Public).unwrap_err();
    assert!(
        error.to_string().contains("system-assigned") && error.hint().unwrap().contains("client ID"),
        "{error}"
    );
    // A caller who insists passes the request.
    let target = entra_proto::Target::resource(EXCHANGE).unwrap();
    assert!(AcquiredCredential::of_managed_identity(identity.request(target).unwrap()).is_ok());

    let shell = Machine(&[("MSI_ENDPOINT", "http://localhost:50342/oauth2/token")]);
    let identity = ManagedIdentity::new(Identity::client_id(Guid::from_bytes([0xee; 16]).into()), shell);
    assert!(AcquiredCredential::of_user_assigned(&identity, &Cloud::Public).is_err());
}
