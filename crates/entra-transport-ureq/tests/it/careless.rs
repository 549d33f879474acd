//! The suite can fail: a plain agent of ureq, without the rules of a transport, does not pass.

use std::io::Read;
use std::time::Duration;

use entra_transport::{BlockingTransport, Body, Request, Response, TransportError, TransportErrorKind};
use entra_transport_conformance::{leave_out_of_logs, run, run_with};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

#[test]
fn agent_without_rules_fails_suite() {
    run_with(&[], "careless::child_runs_the_suite");
}

#[test]
#[ignore = "the test above runs it in a separate process, because the suite sets the logger of its process"]
fn child_runs_the_suite() {
    leave_out_of_logs("ureq_proto::util");
    let report = run(|setup| {
        let roots: RootCerts = setup
            .roots
            .iter()
            .map(|der| Certificate::from_der(der).to_owned())
            .into();
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(entra_transport::tls::provider().expect("one is compiled in"))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(2)));
        Box::new(Careless(agent.build().into()))
    });
    let failed: Vec<_> = report.failed().map(|(name, _)| name).collect();
    for name in [
        "request_arrives_unchanged_and_once",
        "every_status_is_a_response",
        "redirect_is_returned_and_not_followed",
        "plain_http_is_rejected_unless_allowed",
        "plain_http_to_another_machine_is_always_rejected",
        "user_name_in_uri_is_rejected",
        "unknown_host_is_a_dns_error",
        "declared_length_over_limit_is_rejected_unread",
        "endless_body_without_length_is_cut_off",
        "compressed_body_is_rejected",
        "server_that_never_responds_ends_at_deadline",
        "stalled_body_ends_at_deadline",
        "reset_in_body_without_length_is_an_error",
        "missing_close_notify_in_body_without_length_is_an_error",
        "expired_certificate_is_rejected",
        "https_uses_tunnel_through_proxy",
        "local_route_does_not_lead_elsewhere_over_plain_http",
        "pinned_certificate_needs_no_authority",
        "probe_of_unreachable_endpoint_ends_early",
    ] {
        assert!(failed.contains(&name), "{name} passes\n{report}");
    }
    // Other cases pass, so the suite does not fail at everything.
    let passed: Vec<_> = report.passed().collect();
    for name in [
        "chunked_body_is_returned_complete",
        "connection_is_reused",
        "tls_with_trusted_authority_works",
    ] {
        assert!(passed.contains(&name), "{name} fails\n{report}");
    }
}

/// A transport that sends each request and accepts each response.
struct Careless(Agent);

impl BlockingTransport for Careless {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let other = |error: String| TransportError::new(TransportErrorKind::Interrupted, error);
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, body.as_bytes());
        let (parts, body) = self
            .0
            .run(request)
            .map_err(|_| other("no response".to_owned()))?
            .into_parts();
        let mut bytes = Vec::new();
        let read = body.into_reader().take(64 * 1024 * 1024).read_to_end(&mut bytes);
        read.map_err(|error| other(error.to_string()))?;
        Ok(Response::from_parts(parts, Body::new(bytes)))
    }
}
