//! Malformed responses, on both versions of the endpoint: they are rejected, or used once and not
//! cached.

use entra_client::Client;
use entra_proto::EndpointVersion;

use crate::support::{self, CountedRandom, Reply, Service, VirtualClock, Wire, api, app, secret};

fn client(service: &Service, version: EndpointVersion) -> Client {
    Client::builder(app(secret()).with_endpoint_version(version), Wire::to(service))
        .clock(VirtualClock::new())
        .secure_random(CountedRandom::default())
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn malformed_token_is_an_error() {
    for version in [EndpointVersion::V1, EndpointVersion::V2] {
        for body in [
            r#"{"token_type":"mac","access_token":"t","expires_in":3600}"#,
            r#"{"token_type":"pop","access_token":"t","expires_in":3600}"#,
            "{}",
            "",
            r#"{"access_token":"","expires_in":3600}"#,
            r#"{"access_token":"a b","expires_in":3600}"#,
            r#"{"access_token":"t","expires_in":-1}"#,
            r#"{"access_token":"t","expires_in":"soon"}"#,
            r#"{"error":"invalid_client","error_codes":[7000215]}"#,
            r#"{"access_token":"a","access_token":"b","expires_in":3600}"#,
        ] {
            let service = Service::always(Reply::body(200, body));
            let client = client(&service, version);
            let error = client.token(&api("graph")).await.expect_err(body);
            assert!(client.cached(&api("graph")).is_none());
            assert!(!format!("{error} {error:?}").contains("\"t\""), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn token_without_a_lifetime_serves_for_some_seconds() {
    for version in [EndpointVersion::V1, EndpointVersion::V2] {
        for body in [
            r#"{"token_type":"Bearer","access_token":"t"}"#,
            r#"{"token_type":"Bearer","access_token":"t","expires_in":0}"#,
            r#"{"token_type":"bearer","access_token":"t","expires_in":"0"}"#,
        ] {
            let service = Service::always(Reply::body(200, body));
            let client = client(&service, version);
            let together = support::together(10, |_| {
                let client = client.clone();
                async move { client.token(&api("graph")).await.unwrap() }
            });
            assert!(together.await.iter().all(|token| token.expose() == "t"), "{body}");
            assert_eq!(service.requests(), 1, "{body}");
            // One request for each read would be a flood.
            for _ in 0..1000 {
                client.token(&api("graph")).await.unwrap();
            }
            assert_eq!(service.requests(), 1, "{body}");
            support::pass(support::seconds(5)).await;
            client.token(&api("graph")).await.unwrap();
            assert_eq!(service.requests(), 2, "{body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_as_strings_and_excessive_lifetimes_are_accepted() {
    let v1 = r#"{"token_type":"Bearer","expires_in":"3599","expires_on":"1767229199","not_before":"1767225300",
        "resource":"https://graph.example","access_token":"t"}"#;
    let long = r#"{"token_type":"Bearer","expires_in":18446744073709551615,"access_token":"t"}"#;
    for (body, life) in [(v1, 3599), (long, 86_400)] {
        let service = Service::always(Reply::body(200, body));
        let client = client(&service, EndpointVersion::V1);
        let token = client.token(&api("graph")).await.unwrap();
        assert_eq!(token.expires_at().since(token.received_at()).as_secs(), life);
    }
}

#[tokio::test(start_paused = true)]
async fn token_is_opaque_whatever_its_claims() {
    // A JWT that is expired, for another API and of another issuer is a matter of the API.
    let jwt = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL290aGVyIiwiZXhwIjoxfQ.";
    for token in [jwt, "not-a-jwt", "....", "%"] {
        let body = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{token}"}}"#);
        let service = Service::always(Reply::body(200, &body));
        let client = client(&service, EndpointVersion::V2);
        for _ in 0..2 {
            assert_eq!(client.token(&api("graph")).await.unwrap().expose(), token);
        }
        assert_eq!(service.requests(), 1);
    }
}
