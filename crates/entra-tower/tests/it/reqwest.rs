//! A reqwest client as the inner service.

use entra_tower::{BearerLayer, ReqwestService};
use http::Request;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::support::server::Server;
use crate::support::{TokenService, challenge, not_before};

/// Returns a layer that sends the tokens of this service to that server.
fn layer(token_service: &TokenService, server: &Server) -> BearerLayer {
    BearerLayer::new(token_service.source(), [&server.origin]).unwrap()
}

fn inner() -> ReqwestService {
    ReqwestService::new(client()).unwrap()
}

pub(crate) fn client() -> reqwest::ClientBuilder {
    // The servers use plain HTTP, but reqwest requires a provider. The second test finds one
    // installed.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // There are no trusted certificates, so that the test runs on a machine without any.
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

#[tokio::test]
async fn rejected_request_is_sent_again_over_reqwest() {
    let claims = not_before(1);
    let server = Server::start(move |_, token| {
        let (status, fields) = if token == "t2" {
            (200, vec![])
        } else {
            challenge(&claims)
        };
        let fields = fields.into_iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        (status, fields.collect())
    });
    let token_service = TokenService::new();
    let service = ServiceBuilder::new()
        .layer(layer(&token_service, &server).replay())
        .service(inner());
    for _ in 0..2 {
        let request = Request::get(format!("{}/v1.0/users?$top=1", server.origin))
            .body("")
            .unwrap();
        let response = reqwest::Response::from(service.clone().oneshot(request).await.unwrap());
        assert_eq!(
            (response.status().as_u16(), response.text().await.unwrap()),
            (200, "t2".to_owned())
        );
    }
    assert_eq!(server.tokens(), ["t1", "t2", "t2"]);
    assert_eq!(server.seen()[0].0, "/v1.0/users?$top=1");
    assert!(token_service.form(1).contains("nbf"));
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let other = Server::start(|_, _| (200, String::new()));
    let location = format!("location: {}/\r\n", other.origin);
    let server = Server::start(move |_, _| (302, location.clone()));
    let client = client().redirect(reqwest::redirect::Policy::limited(5));
    let service = layer(&TokenService::new(), &server).layer(ReqwestService::new(client).unwrap());
    let request = Request::get(format!("{}/", server.origin)).body("").unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 302);
    assert_eq!((server.seen().len(), other.seen().len()), (1, 0));
}

#[tokio::test]
async fn errors_of_reqwest_are_returned() {
    let service = inner();
    let error = service
        .oneshot(Request::get("/relative").body("").unwrap())
        .await
        .unwrap_err();
    assert!(error.is_builder(), "{error}");
    // No server listens there: the port belonged to a listener that is closed.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let origin = format!("http://127.0.0.1:{port}");
    let service = BearerLayer::new(TokenService::new().source(), [&origin])
        .unwrap()
        .layer(inner());
    let error = service
        .oneshot(Request::get(&origin).body("").unwrap())
        .await
        .unwrap_err();
    assert!(error.inner::<reqwest::Error>().unwrap().is_connect(), "{error:?}");
}
