//! The responses that reject a token.

use http::{HeaderMap, HeaderName, StatusCode};

/// Returns true if an API rejects the token: with status 401, or with gRPC's `UNAUTHENTICATED`
/// among the headers (the "Trailers-Only" response of gRPC over HTTP/2).
#[inline]
pub(crate) fn is_rejection(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED
        || headers
            .get(&GRPC_STATUS)
            .is_some_and(|status| status == UNAUTHENTICATED)
}

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const UNAUTHENTICATED: &str = "16";
