//! The proxy and the root certificates that environment variables name.

use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;

entra_transport_conformance::environment_tests!(UreqTransport::builder, UreqTransport::send);
