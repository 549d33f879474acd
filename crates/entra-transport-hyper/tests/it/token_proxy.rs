//! The token proxy of a Kubernetes cluster.

use entra_transport::{Request, Response, TokenProxy, Transport, TransportError};
use entra_transport_hyper::HyperTransport;

entra_transport_conformance::token_proxy_tests!(HyperTransport::builder, send);

fn send(transport: &TokenProxy<HyperTransport>, request: Request) -> Result<Response, TransportError> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(transport.send(request))
}
