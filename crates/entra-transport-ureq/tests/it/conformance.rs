//! The suite of all transports, over ureq.

use entra_transport::conformance::{self, Setup};
use entra_transport_ureq::UreqTransport;

#[test]
fn it_conforms() {
    conformance::leave_out_of_logs("ureq_proto::util");
    let report = conformance::run(|setup| Box::new(transport(setup)));
    eprintln!("{report}");
    report.assert();
}

fn transport(setup: &Setup) -> UreqTransport {
    let builder = UreqTransport::builder()
        .timeout(setup.policy.timeout)
        .connect_timeout(setup.policy.connect_timeout)
        .max_body(setup.policy.max_body)
        .allow_plain_loopback(setup.policy.allow_plain_loopback)
        .proxies(setup.proxies.clone())
        .added_roots_only(true);
    let builder = setup
        .roots
        .iter()
        .try_fold(builder, |builder, root| builder.add_root_der(root));
    builder
        .and_then(|builder| builder.build())
        .expect("the suite gives roots")
}
