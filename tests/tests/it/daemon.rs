//! A daemon's path from its secret to an API's response, over every transport, with and without
//! TLS, on v1 and on v2.

use std::time::Duration;

use entra::Report;
use entra_emulator::{Api, App, Emulator, Fault, TokenVersion};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ResponseProblem;
use entra_proto::{EndpointVersion, Error, Target};
use entra_tests::{application, call, carriers};
use entra_transport::{AcquireError, Acquisition, TransportErrorKind, blocking_transport_fn};

const VERSIONS: [EndpointVersion; 2] = [EndpointVersion::V1, EndpointVersion::V2];

#[test]
fn a_daemon_gets_a_token_and_reads_every_page() {
    for tls in [false, true] {
        let builder = Emulator::builder().app(App::new("daemon").grant(Emulator::GRAPH, "User.Read.All"));
        let emulator = if tls { builder.tls() } else { builder }.start();
        for carrier in carriers(emulator.ca_pem()) {
            for version in VERSIONS {
                let app = application(&emulator, "daemon").with_endpoint_version(version);
                let request = app
                    .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
                    .unwrap();
                let token = carrier
                    .acquire(request)
                    .unwrap_or_else(|error| panic!("{} {version:?}: {error}", carrier.name()));
                assert_eq!(
                    token.lifetime.expires_at.since(token.lifetime.received_at),
                    Duration::from_secs(3599)
                );

                let claims = UnverifiedClaims::decode(token.access_token.expose()).unwrap();
                assert_eq!(claims.audience(), Some("https://graph.microsoft.com"));
                assert_eq!(claims.tenant_id().unwrap().to_string(), emulator.tenant_id());
                assert_eq!(claims.roles().collect::<Vec<_>>(), ["User.Read.All"]);

                let (mut next, mut users) = (Some(format!("{}/users?$top=1", emulator.graph_url())), Vec::new());
                while let Some(url) = next.take() {
                    let (status, page) = call(&*carrier, &url, &token.access_token);
                    assert_eq!(status, 200, "{} {page}", carrier.name());
                    assert_eq!(page["value"].as_array().unwrap().len(), 1);
                    users.push(page["value"][0]["id"].clone());
                    next = page["@odata.nextLink"].as_str().map(str::to_owned);
                }
                assert_eq!(users.len(), 3, "{}", carrier.name());
            }
        }
        let rejected: Vec<_> = emulator
            .requests()
            .into_iter()
            .filter(|request| request.status != 200 || !request.lints.is_empty())
            .collect();
        assert!(rejected.is_empty(), "{rejected:?}");
    }
}

#[test]
fn audience_is_the_requested_resource_on_both_endpoints() {
    let emulator = Emulator::builder()
        .app(App::new("daemon"))
        .api(Api::new("api://orders").identifier("https://orders.example//"))
        .api(Api::new("https://modern.example/api").token_version(TokenVersion::V2))
        .start();
    for carrier in carriers(None) {
        for version in VERSIONS {
            for resource in [
                "https://database.windows.net/",
                "https://graph.microsoft.com",
                "https://manage.office.com",
                "https://mwaas-services-customerapi-prod.azurewebsites.net",
                "api://orders",
                "https://orders.example//",
            ] {
                let request = application(&emulator, "daemon").with_endpoint_version(version);
                let request = request.client_credentials(Target::resource(resource).unwrap()).unwrap();
                let token = carrier.acquire(request).unwrap();
                let claims = UnverifiedClaims::decode(token.access_token.expose()).unwrap();
                assert_eq!(claims.audience(), Some(resource), "{} {version:?}", carrier.name());
                assert_eq!(claims.version(), Some("1.0"), "{resource}");
                // The v1 endpoint repeats the resource.
                assert_eq!(
                    token.resource.as_deref(),
                    (version == EndpointVersion::V1).then_some(resource)
                );
            }
            // An API that takes v2 tokens gets one from either endpoint, and its id for an
            // audience.
            let request = application(&emulator, "daemon").with_endpoint_version(version);
            let request = request
                .client_credentials(Target::resource("https://modern.example/api").unwrap())
                .unwrap();
            let token = carrier.acquire(request).unwrap();
            let claims = UnverifiedClaims::decode(token.access_token.expose()).unwrap();
            let api = emulator
                .apis()
                .iter()
                .find(|api| api.identifiers.iter().any(|id| id == "https://modern.example/api"));
            assert_eq!(
                (claims.version(), claims.audience()),
                (Some("2.0"), api.map(|api| api.app_id.as_str()))
            );
        }
    }
}

#[test]
fn a_passing_fault_is_tried_again() {
    let emulator = Emulator::builder().app(App::new("daemon")).start();
    for carrier in carriers(None) {
        for fault in [
            Fault::status(503).retry_after(Duration::ZERO),
            Fault::reset(),
            Fault::truncated(20),
            Fault::aadsts(90033),
        ] {
            emulator.clear_requests();
            let shown = format!("{} {fault:?}", carrier.name());
            emulator.fault(fault);
            let request = application(&emulator, "daemon")
                .client_credentials(Target::resource("https://graph.microsoft.com").unwrap());
            carrier
                .acquire(request.unwrap())
                .unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(emulator.requests().len(), 2, "{shown}");
        }
    }
}

#[test]
fn what_does_not_pass_is_rejected_once() {
    let emulator = Emulator::builder().app(App::new("daemon")).start();
    for carrier in carriers(None) {
        let acquire = |fault: Fault| {
            emulator.clear_requests();
            emulator.fault(fault);
            let request = application(&emulator, "daemon")
                .client_credentials(Target::resource("https://graph.microsoft.com").unwrap());
            let error = carrier.acquire(request.unwrap()).unwrap_err();
            assert_eq!(emulator.requests().len(), 1, "{} {error}", carrier.name());
            error
        };
        for status in [301, 302, 307, 308] {
            let error = acquire(Fault::redirect(status, format!("{}/elsewhere", emulator.base_url())));
            let AcquireError::Protocol(Error::Response(answer)) = error else {
                panic!("{error:?}")
            };
            assert_eq!(answer.problem, ResponseProblem::Redirect(Some("127.0.0.1".into())));
        }
        for fault in [Fault::huge(20_000_000), Fault::endless()] {
            let error = acquire(fault);
            assert!(
                matches!(&error, AcquireError::Transport(e) if e.kind() == TransportErrorKind::TooLarge),
                "{error:?}"
            );
        }
        let error = acquire(Fault::body("<html>sign in to the hotel's network</html>").content_type("text/html"));
        let report = format!("{:#}", Report::of(&error));
        assert!(report.contains("proxy") && report.contains("text/html"), "{report}");
        assert!(!report.contains("hotel"), "{report}");
    }
}

#[test]
fn no_socket_is_needed_at_all() {
    let emulator = Emulator::builder().app(App::new("daemon")).build();
    let transport = blocking_transport_fn(|request: entra_transport::Request| {
        let (parts, body) = request.into_parts();
        let answer = emulator.handle(http::Request::from_parts(parts, body.as_bytes().to_vec()));
        Ok(answer.map(entra_proto::Body::new))
    });
    let request =
        application(&emulator, "daemon").client_credentials(Target::resource("https://graph.microsoft.com").unwrap());
    let token = Acquisition::new(request.unwrap()).run_blocking(&transport).unwrap();
    assert_eq!(token.access_token.expose().split('.').count(), 3);
}
