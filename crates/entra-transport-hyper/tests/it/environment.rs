//! The proxy and the root certificates that environment variables name.

use entra_transport::{Request, Response, Transport, TransportError};
use entra_transport_hyper::HyperTransport;

entra_transport_conformance::environment_tests!(HyperTransport::builder, send);

fn send(transport: &HyperTransport, request: Request) -> Result<Response, TransportError> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(transport.send(request))
}
