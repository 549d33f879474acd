use http::{HeaderMap, HeaderName, StatusCode};

/// Whether an API refuses the token: by status 401, or by gRPC's `UNAUTHENTICATED` where it stands among the headers because there is
/// nothing else to say (the "Trailers-Only" answer of gRPC over HTTP/2).
#[inline]
pub(crate) fn is_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED
        || headers
            .get(&GRPC_STATUS)
            .is_some_and(|status| status == UNAUTHENTICATED)
}

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const UNAUTHENTICATED: &str = "16";
