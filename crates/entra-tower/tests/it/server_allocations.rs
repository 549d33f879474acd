//! The allocations of the layer for web APIs: for a request with a valid token and a known key.

use std::convert::Infallible;

use entra_tower::{RequirePermissions, RequireToken};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer, ServiceExt};

use crate::corpus::{Corpus, Keys};

#[test]
fn valid_request_allocates_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let corpus = Corpus::read();
    let inner = tower::service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let read = RequirePermissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
    let service = RequireToken::new(corpus.validator("one_tenant", &Keys::default())).layer(read.layer(inner));
    let bearer = format!("Bearer {}", corpus.token("v2 application"));
    let mut allocations = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/tasks")
            .header(AUTHORIZATION, &bearer)
            .body(String::new())
            .unwrap();
        let call = service.clone().oneshot(request);
        let counted = allocation_counter::measure(|| {
            let Ok(response) = runtime.block_on(call);
            assert_eq!(response.status(), 200);
        });
        allocations.push(counted.count_total);
    }
    assert!(allocations[2] <= 16, "{allocations:?}");
}
