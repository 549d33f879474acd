//! The conformance suite over ureq.

use entra_transport_conformance::{leave_out_of_logs, run};
use entra_transport_ureq::UreqTransport;

#[test]
fn transport_conforms() {
    leave_out_of_logs("ureq_proto::util");
    let report = run(|setup| Box::new(setup.build(UreqTransport::builder())));
    eprintln!("{report}");
    report.assert();
    // Local routes are supported.
    assert!(report.skipped().all(|(_, why)| !why.starts_with("the transport")));
}
