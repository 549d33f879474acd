//! The metadata of the protected resource (RFC 9728), served by the layer.

use entra_tower::RequireToken;
use entra_validate::ResourceMetadata;
use http::{HeaderValue, Method, StatusCode};
use tower::Layer;

use crate::corpus::{Corpus, Keys};
use crate::server::{challenge, get, request, send, who};

#[tokio::test]
async fn metadata_of_the_resource_is_served() {
    let corpus = Corpus::read();
    let address = "https://api.contoso.com/.well-known/oauth-protected-resource/mcp";
    let api = corpus.api("one_tenant").with_resource_metadata(address).unwrap();
    let metadata = ResourceMetadata::new("https://api.contoso.com/mcp", &api).unwrap();
    let layer = RequireToken::new(corpus.validator_of(api, &Keys::default()))
        .publish(&metadata)
        .unwrap();
    let service = layer.layer(tower::service_fn(who));
    let path = "/.well-known/oauth-protected-resource/mcp";
    let response = send(&service, get(path, None)).await;
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (StatusCode::OK, &HeaderValue::from_static("application/json"))
    );
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let document: serde_json::Value = serde_json::from_str(response.body()).unwrap();
    assert_eq!(document["resource"], "https://api.contoso.com/mcp");
    assert!(
        document["authorization_servers"][0]
            .as_str()
            .unwrap()
            .ends_with("/v2.0")
    );
    let response = send(&service, request(Method::HEAD, path, None)).await;
    assert_eq!((response.status().as_u16(), response.body().as_str()), (200, ""));
    assert_eq!(send(&service, request(Method::POST, path, None)).await.status(), 405);
    for other in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp/x",
        "/mcp",
    ] {
        let response = send(&service, get(other, None)).await;
        assert_eq!(response.status(), 401, "{other}");
        assert_eq!(
            challenge(&response),
            format!("Bearer realm=\"\", resource_metadata=\"{address}\"")
        );
    }
}

#[tokio::test]
async fn challenges_name_the_address_that_is_served() {
    let corpus = Corpus::read();
    let serve = |named: Option<&str>| {
        let api = corpus.api("one_tenant");
        let api = named
            .map_or_else(|| Ok(api.clone()), |url| api.clone().with_resource_metadata(url))
            .unwrap();
        let metadata = ResourceMetadata::new("https://api.contoso.com/mcp", &api).unwrap();
        RequireToken::new(corpus.validator_of(api, &Keys::default()))
            .publish(&metadata)
            .map(drop)
    };
    assert!(serve(None).is_ok());
    assert!(serve(Some("https://api.contoso.com/.well-known/oauth-protected-resource/mcp")).is_ok());
    for other in [
        "https://api.contoso.com/.well-known/oauth-protected-resource",
        "https://api.contoso.com/mcp/.well-known/oauth-protected-resource",
        "https://other.contoso.com/.well-known/oauth-protected-resource/mcp",
    ] {
        let error = serve(Some(other)).unwrap_err().to_string();
        assert!(
            error.contains(other) && error.contains("oauth-protected-resource/mcp"),
            "{error}"
        );
    }
}
