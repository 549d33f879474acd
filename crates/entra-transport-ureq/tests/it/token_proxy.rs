//! The token proxy of a Kubernetes cluster.

use entra_transport::{BlockingTransport, TokenProxy};
use entra_transport_ureq::UreqTransport;

entra_transport_conformance::token_proxy_tests!(UreqTransport::builder, TokenProxy::send);
