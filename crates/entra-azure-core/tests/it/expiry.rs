//! The time until which the SDK keeps its copy of a token.

use std::time::Duration;

use azure_core::credentials::TokenCredential as _;
use azure_core::time::OffsetDateTime;

use crate::support::{STORAGE, TokenService};

/// Returns the token, and the minutes until its `expires_on`.
async fn token(token_service: &TokenService) -> (String, i64) {
    let token = token_service.credential().get_token(&[STORAGE], None).await.unwrap();
    let left = token.expires_on - OffsetDateTime::now_utc();
    // The clocks may tick in between.
    let left = (left + azure_core::time::Duration::seconds(30)).whole_minutes();
    (token.token.secret().to_owned(), left)
}

#[tokio::test]
async fn token_without_a_refresh_is_kept_to_its_end() {
    let token_service = TokenService::new();
    assert_eq!(token(&token_service).await, ("t1".to_owned(), 60));
}

#[tokio::test]
async fn sdk_asks_again_when_the_refresh_is_due() {
    let token_service = TokenService::new();
    token_service.script(|script| {
        script.lifetime = 24 * 3600;
        script.refresh_in = Some(12 * 3600);
    });
    let (name, left) = token(&token_service).await;
    // The client refreshes at random up to a tenth of that time earlier, and the SDK asks five
    // minutes before `expires_on`.
    assert!(
        name == "t1" && (10 * 60 + 53..=12 * 60 + 5).contains(&left),
        "{name} for {left} minutes"
    );
}

#[tokio::test]
async fn sdk_asks_each_minute_while_a_refresh_is_overdue() {
    let token_service = TokenService::new();
    token_service.script(|script| {
        script.lifetime = 24 * 3600;
        script.refresh_in = Some(1);
    });
    token(&token_service).await;
    token_service.fail(503, "");
    token_service.clock.advance(Duration::from_secs(3600));
    assert_eq!(token(&token_service).await, ("t1".to_owned(), 6));
}

#[tokio::test]
async fn overdue_refresh_does_not_outlive_the_token() {
    let token_service = TokenService::new();
    token_service.script(|script| {
        script.lifetime = 180;
        script.refresh_in = Some(1);
    });
    assert_eq!(token(&token_service).await, ("t1".to_owned(), 3));
}
