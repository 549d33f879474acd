//! The suite of all transports, over hyper.

use std::sync::Arc;

use entra_transport::conformance::{self, Setup};
use entra_transport_hyper::HyperTransport;
use tokio::runtime::Runtime;

#[test]
fn it_conforms() {
    let runtime = Runtime::new().expect("a runtime starts");
    let report = conformance::run_async(
        |setup| Arc::new(transport(setup)),
        move |future| runtime.block_on(future),
    );
    eprintln!("{report}");
    report.assert();
}

fn transport(setup: &Setup) -> HyperTransport {
    let builder = HyperTransport::builder()
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
