//! The suite can fail: an agent as ureq makes it, without our rules, does not pass.

use std::io::Read;
use std::time::Duration;

use entra_transport::{BlockingTransport, Body, Request, Response, TransportError, TransportErrorKind};
use entra_transport_conformance::{leave_out_of_logs, run, run_with};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

#[test]
fn an_agent_without_our_rules_fails_the_suite() {
    run_with(&[], "careless::child_runs_the_suite");
}

#[test]
#[ignore = "run by the test above in a process of its own, as the suite takes the logger of its process"]
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
        "a_request_arrives_byte_for_byte_and_once",
        "every_status_is_an_answer",
        "a_redirect_is_handed_back_and_not_followed",
        "plain_http_is_refused_unless_allowed",
        "plain_http_to_another_machine_is_refused_even_where_allowed",
        "a_user_name_in_the_uri_is_refused",
        "a_name_that_does_not_exist_is_a_dns_error",
        "a_declared_length_over_the_limit_is_refused_unread",
        "an_endless_body_without_length_is_cut_off",
        "a_compressed_body_is_refused",
        "a_server_that_never_answers_meets_the_deadline",
        "a_body_that_stalls_meets_the_deadline",
        "a_reset_in_a_body_without_length_is_no_end",
        "tls_without_a_goodbye_is_no_end_of_a_body_without_length",
        "an_expired_certificate_is_refused",
        "https_goes_through_a_proxy_as_a_tunnel",
    ] {
        assert!(failed.contains(&name), "{name} passes\n{report}");
    }
    // And it is not that it fails at everything.
    let passed: Vec<_> = report.passed().collect();
    for name in [
        "a_chunked_body_comes_back_whole",
        "a_connection_is_used_again",
        "tls_with_a_trusted_authority_works",
    ] {
        assert!(passed.contains(&name), "{name} fails\n{report}");
    }
}

/// Sends what it is told and reads what comes.
struct Careless(Agent);

impl BlockingTransport for Careless {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let other = |error: String| TransportError::new(TransportErrorKind::Interrupted, error);
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, body.as_bytes());
        let (parts, body) = self
            .0
            .run(request)
            .map_err(|_| other("no answer".to_owned()))?
            .into_parts();
        let mut bytes = Vec::new();
        let read = body.into_reader().take(64 * 1024 * 1024).read_to_end(&mut bytes);
        read.map_err(|error| other(error.to_string()))?;
        Ok(Response::from_parts(parts, Body::new(bytes)))
    }
}
