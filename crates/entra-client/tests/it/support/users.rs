//! Users, tokens that name them, and a blocking client without virtual time.

use std::time::Duration;

use super::{CountedRandom, Reply, Service, api};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_client::{Client, ConsentFlow, SignIn, User, blocking};
use entra_proto::Application;
use entra_proto::authorize::{Redirect, RedirectUri, RefreshToken, UserAssertion};
use entra_transport::{BlockingTransport, Request, Response, TransportError};

pub(crate) const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";

/// Returns an access token or an ID token with these claims.
pub(crate) fn jwt(claims: &str) -> &'static str {
    format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims)).leak()
}

pub(crate) fn of_tenant() -> &'static str {
    jwt(&format!(
        r#"{{"tid":"{TENANT}","upn":"admin@contoso.com","oid":"{TENANT}"}}"#
    ))
}

/// Returns a service whose n-th reply to a user, counted from 0, has the n-th refresh token. Tokens
/// live for an hour.
pub(crate) fn rotating() -> Service {
    Service::new(|n, seen| {
        let user = seen.value("grant_type") != Some("client_credentials");
        let more = if user {
            format!(r#","refresh_token":"rt-{n}""#)
        } else {
            String::new()
        };
        (Duration::ZERO, Reply::Token(of_tenant(), 3600, more.leak()))
    })
}

pub(crate) fn uri() -> RedirectUri {
    "https://www.mycompany.com/myapp/".parse().unwrap()
}

pub(crate) fn user(token: &str) -> User {
    User::from_refresh_token(TENANT.parse().unwrap(), RefreshToken::new(token).unwrap())
}

pub(crate) fn assertion(text: &str) -> UserAssertion {
    UserAssertion::new(text).unwrap()
}

/// Returns a field of the stored state of a consent.
pub(crate) fn field(stored: &str, name: &str) -> String {
    let mut fields = form_urlencoded::parse(stored.as_bytes());
    fields.find(|(known, _)| known == name).unwrap().1.into_owned()
}

pub(crate) async fn signed_in(client: &Client) -> SignIn {
    let flow = ConsentFlow::new(client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = Redirect::from_query(&format!("code=c&state={}", pending.state())).unwrap();
    flow.finish(&pending, &redirect).await.unwrap().sign_in.unwrap()
}

/// A transport to a service, without delay.
pub(crate) struct AtOnce(pub(crate) Service);

impl BlockingTransport for AtOnce {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.0.receive(&request, Duration::ZERO).1.into_result()
    }
}

/// A runtime that does not wait.
pub(crate) struct NoTime;

impl blocking::Runtime for NoTime {
    fn sleep(&self, _: Duration) {}

    fn spawn(&self, _: Box<dyn FnOnce() + Send>) {}
}

pub(crate) fn blocking_client(application: Application, service: &Service) -> blocking::Client {
    let builder = blocking::Client::builder(application, AtOnce(service.clone()));
    builder
        .runtime(NoTime)
        .secure_random(CountedRandom::default())
        .build()
        .unwrap()
}
