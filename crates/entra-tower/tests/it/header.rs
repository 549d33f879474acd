//! The header that the layer adds, and the requests that get it.

use std::error::Error as _;

use entra_tower::{BearerError, BearerLayer, OriginError, UnlistedOrigin};
use http::{HeaderValue, Request};
use tower::{Layer, Service, ServiceExt};

use crate::support::{self, Api, ApiError, TokenService, USERS, get, send, token_in, unauthorized};

#[tokio::test]
async fn every_request_has_the_token_and_debug_output_hides_it() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    let mut service = token_service.layer().layer(api.clone());
    for _ in 0..3 {
        assert_eq!(send(&mut service, get(USERS)).await.unwrap(), (200, "t1".to_owned()));
        assert!(api.last()["authorization"].is_sensitive());
    }
    assert_eq!(token_service.requests(), 1);
    let shown = format!("{service:?} {:?}", token_service.layer());
    assert!(
        shown.contains("https://graph.microsoft.com") && !shown.contains("t1"),
        "{shown}"
    );
}

#[tokio::test]
async fn existing_authorization_headers_are_replaced() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    let mut service = token_service.layer().layer(api.clone());
    // First without a cached token, then with one.
    for _ in 0..2 {
        let mut request = get(USERS);
        for value in ["Basic Zm9v", "Bearer theirs"] {
            request
                .headers_mut()
                .append("authorization", HeaderValue::from_static(value));
        }
        send(&mut service, request).await.unwrap();
        let values: Vec<_> = api.last().get_all("authorization").iter().cloned().collect();
        assert_eq!(values, ["Bearer t1"]);
    }
}

#[tokio::test]
async fn rest_of_the_request_is_unchanged() {
    let token_service = TokenService::new();
    let inner = tower::service_fn(|request: Request<String>| async move {
        let note = request.extensions().get::<u32>().copied();
        let shown = format!("{:?} {} {note:?} {}", request.method(), request.uri(), request.body());
        Ok::<_, ApiError>(http::Response::new(shown))
    });
    let request = || {
        let request = Request::post("https://graph.microsoft.com/v1.0/users?$top=1").extension(7_u32);
        request.body("body".to_owned()).unwrap()
    };
    let mut service = token_service.layer().layer(inner);
    for _ in 0..2 {
        let shown = send(&mut service, request()).await.unwrap().1;
        assert_eq!(shown, "POST https://graph.microsoft.com/v1.0/users?$top=1 Some(7) body");
    }
}

/// Origins other than those of the layer: `https://graph.microsoft.com`,
/// `https://[2001:db8::1]:8443` and `http://127.0.0.1:8400`.
const UNLISTED: &[&str] = &[
    "https://graph.microsoft.com.evil.test/",
    "https://evil.test/graph.microsoft.com",
    "https://evil.test/?https://graph.microsoft.com",
    "https://graph.microsoft.co/",
    "https://graph.microsoft.com./",
    "https://graph.microsoft.com:8443/",
    "https://graph.microsoft.com:0/",
    "https://graph.microsoft.com:/",
    "https://graph.microsoft.com:80/",
    "http://graph.microsoft.com/",
    "http://graph.microsoft.com:443/",
    "https://user@graph.microsoft.com/",
    "https://graph.microsoft.com@evil.test/",
    "https://graph.microsoft.com:443@evil.test/",
    "https://[2001:db8::1]/",
    "https://[2001:db8::2]:8443/",
    "http://127.0.0.1/",
    "http://127.0.0.1:8401/",
    "http://127.0.0.2:8400/",
    "http://localhost:8400/",
    "https://127.0.0.1:8400/",
    "wss://graph.microsoft.com/",
    "/v1.0/users",
    "*",
    "graph.microsoft.com:443",
];

const LISTED: &[&str] = &[
    "https://graph.microsoft.com/v1.0/users",
    "https://graph.microsoft.com",
    "https://graph.microsoft.com?$top=1",
    "https://Graph.Microsoft.COM/",
    "https://graph.microsoft.com:443/",
    "HTTPS://graph.microsoft.com:443/",
    "https://[2001:DB8::1]:8443/",
    "http://127.0.0.1:8400/v1.0/users",
];

fn layer(token_service: &TokenService) -> BearerLayer {
    let origins = [
        "https://graph.microsoft.com",
        "https://[2001:db8::1]:8443/",
        "http://127.0.0.1:8400",
    ];
    BearerLayer::new(token_service.source(), origins).unwrap()
}

#[tokio::test]
async fn unlisted_origin_is_rejected_before_anything_is_sent() {
    let (token_service, api) = (TokenService::new(), Api::accepting_all());
    let mut service = layer(&token_service).layer(api.clone());
    for uri in UNLISTED {
        let error = send(&mut service, get(uri)).await.unwrap_err();
        assert!(matches!(error, BearerError::UnlistedOrigin { .. }), "{uri}: {error}");
    }
    assert_eq!((token_service.requests(), api.tokens().len()), (0, 0));
    for uri in LISTED {
        assert_eq!(send(&mut service, get(uri)).await.unwrap().1, "t1", "{uri}");
    }
}

#[tokio::test]
async fn unlisted_origin_is_served_unchanged_if_configured() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t1"], unauthorized()));
    let mut service = layer(&token_service)
        .unlisted_origin(UnlistedOrigin::WithoutToken)
        .replay()
        .layer(api.clone());
    for uri in UNLISTED {
        let mut request = get(uri);
        request
            .headers_mut()
            .insert("authorization", HeaderValue::from_static("Basic Zm9v"));
        assert_eq!(send(&mut service, request).await.unwrap().0, 401, "{uri}");
        assert_eq!(token_in(&api.last()), "Basic Zm9v");
        send(&mut service, get(uri)).await.unwrap();
        assert!(api.last().is_empty());
    }
    assert_eq!((token_service.requests(), api.tokens().len()), (0, 2 * UNLISTED.len()));
}

#[tokio::test]
async fn rejection_by_an_unlisted_origin_does_not_concern_the_token() {
    let (token_service, api) = (TokenService::new(), Api::accepting(&["t1"], unauthorized()));
    let mut service = token_service
        .layer()
        .unlisted_origin(UnlistedOrigin::WithoutToken)
        .layer(api);
    for uri in [USERS, USERS, "https://evil.test/", USERS] {
        let (status, token) = send(&mut service, get(uri)).await.unwrap();
        assert_eq!((status == 200, &*token == "t1"), (uri == USERS, uri == USERS));
    }
    assert_eq!(token_service.requests(), 1);
}

#[test]
fn origin_is_a_scheme_a_host_and_a_port() {
    let token_service = TokenService::new();
    let made = |origins: &[&str]| BearerLayer::new(token_service.source(), origins).map(|_| ());
    for origin in [
        "https://graph.microsoft.com/v1.0",
        "https://user:canary@graph.microsoft.com",
        "https://graph.microsoft.com?canary",
        "https://graph.microsoft.com:99999",
        "wss://graph.microsoft.com",
        "graph.microsoft.com",
        "*",
        "",
    ] {
        let error = made(&["https://graph.microsoft.com", origin]).unwrap_err();
        assert!(matches!(error, OriginError::Invalid(_)), "{origin}: {error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    for origin in [
        "http://graph.microsoft.com",
        "http://10.0.0.1:8400",
        "http://127.0.0.1.evil.test",
    ] {
        let error = made(&[origin]).unwrap_err();
        assert!(matches!(error, OriginError::PlainHttp(_)), "{origin}: {error}");
    }
    assert!(matches!(made(&[]), Err(OriginError::NoOrigin)));
    for origin in ["http://localhost", "http://[::1]:8400", "http://127.8.9.10:1/"] {
        made(&[origin]).expect(origin);
    }
}

#[tokio::test]
async fn error_names_the_origin_and_no_secret() {
    let mut service = TokenService::new().layer().layer(Api::accepting_all());
    let mut rejected = async |uri| send(&mut service, get(uri)).await.unwrap_err().to_string();
    let error = rejected("http://user:canary@graph.microsoft.com:80/canary?canary").await;
    assert!(
        error.contains("http://graph.microsoft.com:80 is not among the origins"),
        "{error}"
    );
    assert!(!error.contains("canary"), "{error}");
    assert!(rejected("/canary").await.contains("relative"));
}

#[tokio::test]
async fn request_is_not_sent_without_a_token() {
    let token_service = TokenService::rejecting(|_| Some("invalid_client"));
    let api = Api::accepting_all();
    let mut service = token_service.layer().layer(api.clone());
    let error = send(&mut service, get(USERS)).await.unwrap_err();
    let cause = error.source().unwrap().downcast_ref::<entra_client::Error>().unwrap();
    assert_eq!(cause.service().unwrap().error, "invalid_client");
    assert!(!error.to_string().contains("invalid_client") && format!("{error:?}").contains("invalid_client"));
    assert_eq!(api.tokens().len(), 0);
}

#[tokio::test]
async fn errors_of_the_inner_service_are_returned() {
    let token_service = TokenService::new();
    let mut service = token_service.layer().replay().layer(Api::new(|_| (0, vec![])));
    for _ in 0..2 {
        let error = send(&mut service, get(USERS)).await.unwrap_err();
        assert_eq!(error.inner::<ApiError>(), Some(&ApiError));
        assert_eq!(error.source().unwrap().to_string(), "the API is down");
    }
}

#[tokio::test]
async fn inner_services_may_have_boxed_errors_and_any_body() {
    struct Body(#[allow(dead_code)] *const u8); // neither Clone nor Send
    let inner =
        tower::service_fn(|_: Request<Body>| async { Err::<http::Response<Body>, support::BoxError>("down".into()) });
    let mut service = TokenService::new().layer().layer(inner);
    let request = Request::get(USERS).body(Body(std::ptr::null())).unwrap();
    let error = service.ready().await.unwrap().call(request).await.err().unwrap();
    assert_eq!(error.source().unwrap().to_string(), "down");
}

#[tokio::test]
async fn errors_convert_to_boxes_with_and_without_send() {
    async fn down(_: Request<String>) -> Result<http::Response<String>, ApiError> {
        Err(ApiError)
    }
    async fn plain() -> Result<(), Box<dyn std::error::Error>> {
        let mut service = TokenService::new().layer().layer(tower::service_fn(down));
        service.ready().await?.call(get(USERS)).await?;
        Ok(())
    }
    async fn shared() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut service = TokenService::new().layer().layer(tower::service_fn(down));
        service.ready().await?.call(get(USERS)).await?;
        Ok(())
    }
    let (plain, shared) = (plain().await.unwrap_err(), shared().await.unwrap_err());
    let is_of_the_api = |error: Option<&BearerError>| error.is_some_and(|error| error.inner::<ApiError>().is_some());
    assert!(is_of_the_api(plain.downcast_ref()) && is_of_the_api(shared.downcast_ref()));
    assert_eq!(format!("{plain:?}"), "Service(ApiError)");
}

#[tokio::test]
async fn error_of_an_inner_layer_is_returned_unchanged() {
    let inner = TokenService::rejecting(|_| Some("invalid_client"))
        .layer()
        .layer(Api::accepting_all());
    let mut outer = layer(&TokenService::new()).layer(inner);
    let error = send(&mut outer, get(USERS)).await.unwrap_err();
    assert!(matches!(error, BearerError::Token(_)), "{error:?}");
}
