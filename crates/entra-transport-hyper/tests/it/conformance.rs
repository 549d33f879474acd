//! The conformance suite over hyper.

use std::sync::Arc;

use entra_transport_conformance::run_async;
use entra_transport_hyper::HyperTransport;
use tokio::runtime::Runtime;

#[test]
fn transport_conforms() {
    let runtime = Runtime::new().expect("a runtime starts");
    let report = run_async(
        |setup| Arc::new(setup.build(HyperTransport::builder())),
        move |future| runtime.block_on(future),
    );
    eprintln!("{report}");
    report.assert();
    // Local routes are supported.
    assert!(report.skipped().all(|(_, why)| !why.starts_with("the transport")));
}
