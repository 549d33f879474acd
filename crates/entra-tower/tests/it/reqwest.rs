//! A reqwest client as the inner service.

use entra_tower::{BearerLayer, ReqwestService};
use http::Request;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::support::server::Server;
use crate::support::{Entra, challenge, not_before};

/// A service that sends the tokens of this Entra to that server.
fn layer(entra: &Entra, server: &Server) -> BearerLayer {
    BearerLayer::new(entra.source(), [&server.origin]).unwrap()
}

fn inner() -> ReqwestService {
    ReqwestService::new(client()).unwrap()
}

fn client() -> reqwest::ClientBuilder {
    // The servers are reached over plain HTTP, but reqwest wants a provider all the same. The second test finds it there.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    // No roots either: a machine without certificates runs this, too.
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

#[tokio::test]
async fn the_token_arrives_and_a_refused_request_is_sent_once_more() {
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
    let entra = Entra::new();
    let service = ServiceBuilder::new()
        .layer(layer(&entra, &server).replay())
        .service(inner());
    for _ in 0..2 {
        let request = Request::get(format!("{}/v1.0/users?$top=1", server.origin))
            .body("")
            .unwrap();
        let answer = reqwest::Response::from(service.clone().oneshot(request).await.unwrap());
        assert_eq!(
            (answer.status().as_u16(), answer.text().await.unwrap()),
            (200, "t2".to_owned())
        );
    }
    assert_eq!(server.tokens(), ["t1", "t2", "t2"]);
    assert_eq!(server.seen()[0].0, "/v1.0/users?$top=1");
    assert!(entra.form(1).contains("nbf"));
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_never_followed() {
    let elsewhere = Server::start(|_, _| (200, String::new()));
    let location = format!("location: {}/\r\n", elsewhere.origin);
    let server = Server::start(move |_, _| (302, location.clone()));
    let client = client().redirect(reqwest::redirect::Policy::limited(5));
    let service = layer(&Entra::new(), &server).layer(ReqwestService::new(client).unwrap());
    let request = Request::get(format!("{}/", server.origin)).body("").unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 302);
    assert_eq!((server.seen().len(), elsewhere.seen().len()), (1, 0));
}

#[tokio::test]
async fn its_own_errors_come_through() {
    let service = inner();
    let error = service
        .oneshot(Request::get("/relative").body("").unwrap())
        .await
        .unwrap_err();
    assert!(error.is_builder(), "{error}");
    // Nobody listens there: the port was given to a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let origin = format!("http://127.0.0.1:{port}");
    let service = BearerLayer::new(Entra::new().source(), [&origin])
        .unwrap()
        .layer(inner());
    let error = service
        .oneshot(Request::get(&origin).body("").unwrap())
        .await
        .unwrap_err();
    assert!(error.inner::<reqwest::Error>().unwrap().is_connect(), "{error:?}");
}
