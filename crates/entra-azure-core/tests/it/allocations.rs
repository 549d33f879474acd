//! The allocations of a cached token.

use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use azure_core::credentials::TokenCredential as _;

use crate::support::{STORAGE, TokenService};

#[tokio::test]
async fn cached_token_takes_two_allocations() {
    let token_service = TokenService::new();
    let credential = token_service.credential();
    credential.get_token(&[STORAGE], None).await.unwrap();
    for _ in 0..3 {
        let allocated = measure(|| {
            let mut cx = Context::from_waker(Waker::noop());
            let mut next = credential.get_token(&[STORAGE], None);
            let Poll::Ready(Ok(token)) = next.as_mut().poll(&mut cx) else {
                panic!("a cached token is returned at once");
            };
            assert_eq!(token.token.secret(), "t1");
        });
        assert_eq!(allocated.count_total, 2);
    }
}
