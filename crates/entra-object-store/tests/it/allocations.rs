//! The allocations of a cached token: the future of the trait's method.

use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use entra_proto::KnownApi;
use object_store::CredentialProvider as _;

use crate::support::TokenService;

#[tokio::test]
async fn cached_token_takes_one_allocation() {
    let provider = TokenService::new().provider();
    let first = provider.get_credential().await.unwrap();
    for _ in 0..3 {
        let allocated = measure(|| {
            let mut cx = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(next)) = provider.get_credential().as_mut().poll(&mut cx) else {
                panic!("a cached token is returned at once");
            };
            assert!(std::sync::Arc::ptr_eq(&first, &next));
        });
        assert_eq!(allocated.count_total, 1);
    }
}

#[test]
fn audience_is_that_of_the_known_api() {
    let form = KnownApi::with_audience("https://storage.azure.com").unwrap();
    assert_eq!(form.name, "Azure Storage");
}
