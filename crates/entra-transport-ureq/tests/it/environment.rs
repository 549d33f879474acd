//! The proxy and the file of roots that the environment of a process names.

use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;

entra_transport_conformance::environment_tests!(UreqTransport::builder, UreqTransport::send);
