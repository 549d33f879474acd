//! The failures that the daemon documents describe, caused on purpose: the service's response, and
//! the error and hint of this library.

use entra::Report;
use entra_emulator::{App, Emulator};
use entra_proto::error::{ErrorClass, ServiceError};
use entra_proto::{Body, EndpointVersion, Error, Target, Timestamp, TokenResponse};
use entra_tests::{Carrier, application, call, carriers};
use entra_transport::AcquireError;

const MANAGED_DESKTOP: &str = "https://mwaas-services-customerapi-prod.azurewebsites.net";

/// Every AADSTS code of the emulator also exists in the service, so each needs a hint.
#[test]
fn every_aadsts_code_of_the_emulator_is_explained() {
    let unknown: Vec<u32> = entra_emulator::Aadsts::table()
        .iter()
        .map(|row| row.code)
        .filter(|code| entra_proto::error::Aadsts::find(*code).is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Posts a form as a program without this library would, and decodes the response with it.
fn post(carrier: &dyn Carrier, url: &str, form: &str) -> Result<TokenResponse, Error> {
    let request = http::Request::post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let response = carrier.send(request).unwrap();
    TokenResponse::decode(
        response.status(),
        response.headers(),
        response.body().as_bytes(),
        Timestamp::from_secs(1_767_225_600),
    )
}

fn refusal(result: Result<TokenResponse, Error>) -> ServiceError {
    match result {
        Err(Error::Service(error)) => {
            // Everything that Entra's support asks for.
            assert!(
                error.trace_id.is_some() && error.correlation_id.is_some() && error.timestamp.is_some(),
                "{error:?}"
            );
            ServiceError::clone(&error)
        }
        other => panic!("{other:?}"),
    }
}

fn credentials(emulator: &Emulator) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    format!(
        "client_id={}&client_secret={}",
        emulator.client_id(),
        encode(emulator.client_secret())
    )
}

#[test]
fn the_scope_is_not_resource_default() {
    let emulator = Emulator::start();
    for carrier in carriers(None) {
        for (scope, code) in [
            ("https://graph.microsoft.com/User.Read", 1_002_012),
            ("https://graph.microsoft.com", 1_002_012),
            ("https%253A%252F%252Fgraph.microsoft.com%252F.default", 1_002_012),
            (
                "https://graph.microsoft.com/.default%20https://graph.microsoft.com/User.Read",
                70011,
            ),
            (
                "https://graph.microsoft.com/.default%20https://manage.office.com/.default",
                70011,
            ),
        ] {
            let form = format!("grant_type=client_credentials&scope={scope}&{}", credentials(&emulator));
            let error = refusal(post(&*carrier, &emulator.token_url_v2(), &form));
            assert_eq!(
                (error.error.as_str(), error.codes.as_slice(), error.class()),
                ("invalid_scope", &[code][..], ErrorClass::Scope),
                "{scope}"
            );
            assert!(
                error.hint().unwrap().contains("/.default") && !error.is_retryable(),
                "{scope}: {error}"
            );
        }
    }
    // Ours is not even sent, and says what to write.
    let app = application(&emulator, &emulator.apps()[0].name);
    let error = app
        .client_credentials(Target::scopes("https://graph.microsoft.com/User.Read").unwrap())
        .unwrap_err();
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.ends_with("write https://graph.microsoft.com/.default")),
        "{error}"
    );
    let error = Target::scopes("https://graph.microsoft.com").unwrap_err();
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.ends_with("write https://graph.microsoft.com/.default")),
        "{error}"
    );
}

#[test]
fn nobody_gave_admin_consent() {
    let emulator = Emulator::builder()
        .app(App::new("forgotten").request(Emulator::GRAPH, "User.Read.All"))
        .app(
            App::new("consented")
                .request(Emulator::GRAPH, "User.Read.All")
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .start();
    for carrier in carriers(None) {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            for (name, expected) in [("forgotten", 403), ("consented", 200)] {
                let request = application(&emulator, name).with_endpoint_version(version);
                let request = request
                    .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
                    .unwrap();
                let token = carrier.acquire(request).unwrap();
                let (status, body) = call(
                    &*carrier,
                    &format!("{}/users", emulator.graph_url()),
                    &token.access_token,
                );
                assert_eq!(status, expected, "{} {name}", carrier.name());
                if expected == 403 {
                    let error = &body["error"];
                    assert_eq!(error["code"], "Authorization_RequestDenied");
                    assert_eq!(error["message"], "Insufficient privileges to complete the operation.");
                    assert!(
                        error["innerError"]["request-id"].is_string() && error["innerError"]["date"].is_string(),
                        "{body}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_secret_is_wrong_its_id_or_expired() {
    use entra_emulator::Secret;
    use std::time::{Duration, SystemTime};

    let expired = Secret::new("yesterday's").ends(SystemTime::now() - Duration::from_secs(86_400));
    let emulator = Emulator::builder()
        .app(App::new("daemon").secret("right").secret(expired))
        .start();
    let id = emulator.apps()[0].secrets.as_ref().unwrap()[0].id.clone();
    for carrier in carriers(None) {
        for (secret, code, hint) in [
            ("wrong", 7_000_215, "value, not its ID"),
            (id.as_str(), 7_000_215, "value, not its ID"),
            ("yesterday's", 7_000_222, "new secret"),
        ] {
            let app = application(&emulator, "daemon");
            let app = entra_proto::Application::new(
                app.authority().clone(),
                app.client_id(),
                entra_proto::ClientSecret::new(secret).unwrap(),
            );
            let request = app
                .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
                .unwrap();
            let Err(AcquireError::Protocol(Error::Service(error))) = carrier.acquire(request) else {
                panic!("{secret}")
            };
            assert_eq!(
                (error.status, error.codes.as_slice(), error.class()),
                (401, &[code][..], ErrorClass::Credential)
            );
            let shown = format!("{:#}", Report::of(&*error));
            assert!(shown.contains(hint) && !shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn the_managed_desktop_document_is_followed_to_the_letter() {
    let emulator = Emulator::start();
    for carrier in carriers(None) {
        // Its grant type lacks an s.
        let form = format!(
            "grant_type=client_credential&Scope={MANAGED_DESKTOP}/.default&{}",
            credentials(&emulator)
        );
        let error = refusal(post(&*carrier, &emulator.token_url_v1(), &form));
        assert_eq!(
            (error.error.as_str(), error.codes.as_slice()),
            ("unsupported_grant_type", &[70003][..])
        );
        assert!(error.hint().unwrap().contains("client_credentials"), "{error}");

        // After that fix, its parameter is neither in lower case nor one of the v1 endpoint.
        for scope in ["Scope", "scope"] {
            let form = format!(
                "grant_type=client_credentials&{scope}={MANAGED_DESKTOP}/.default&{}",
                credentials(&emulator)
            );
            let error = refusal(post(&*carrier, &emulator.token_url_v1(), &form));
            assert_eq!(error.codes, [900_144], "{scope}");
            assert!(
                error.description.contains("'resource'")
                    && error
                        .hint()
                        .unwrap()
                        .contains("v1 endpoint (/oauth2/token) requires resource"),
                "{error}"
            );
        }

        // What works, on either endpoint.
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let app = application(&emulator, &emulator.apps()[0].name).with_endpoint_version(version);
            for target in [
                Target::resource(MANAGED_DESKTOP),
                Target::scopes(&format!("{MANAGED_DESKTOP}/.default")),
            ] {
                carrier
                    .acquire(app.client_credentials(target.unwrap()).unwrap())
                    .unwrap();
            }
        }
    }
}

#[test]
fn missing_tenant_application_or_api_is_reported() {
    let emulator = Emulator::start();
    let known = credentials(&emulator);
    let stranger = "client_id=0e0e0e0e-1111-2222-3333-444444444444&client_secret=s";
    let graph = "scope=https://graph.microsoft.com/.default";
    let url = |tenant: &str| format!("{}/{tenant}/oauth2/v2.0/token", emulator.base_url());
    let tenant = emulator.tenant_id();
    for carrier in carriers(None) {
        for (tenant, who, what, code, class) in [
            (
                "00000000-1111-2222-3333-444444444444",
                known.as_str(),
                graph,
                90002,
                ErrorClass::Tenant,
            ),
            ("fabrikam.example", &known, graph, 90002, ErrorClass::Tenant),
            (tenant, stranger, graph, 700_016, ErrorClass::Application),
            (
                tenant,
                &known,
                "scope=https://unknown.example/.default",
                500_011,
                ErrorClass::Scope,
            ),
            (
                tenant,
                &known,
                "resource=https://graph.microsoft.com",
                901_002,
                ErrorClass::Request,
            ),
            (tenant, &known, "", 900_144, ErrorClass::Request),
        ] {
            let error = refusal(post(
                &*carrier,
                &url(tenant),
                &format!("grant_type=client_credentials&{who}&{what}"),
            ));
            assert_eq!(
                (error.codes.as_slice(), error.class()),
                (&[code][..], class),
                "{tenant} {what}"
            );
            assert!(error.hint().is_some() && !error.is_retryable(), "{error}");
        }
        let form = format!("grant_type=client_credentials&{known}&{graph}");
        assert_eq!(
            refusal(post(&*carrier, &url("common"), &form)).class(),
            ErrorClass::Tenant
        );
    }
}
