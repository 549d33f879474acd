//! A client whose tokens name an object ID.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_client::{Client, Policy};
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, ClientSecret};
use entra_transport::{Body, Response, transport_fn};
use http::StatusCode;

/// The object ID of the principal.
pub(crate) const PRINCIPAL: &str = "6e5a4f6b-54b1-4a5f-9d0c-7a1f0d6b3c2e";

/// A token service. Its n-th response, counted from 1, has the token `token(n)`.
#[derive(Clone)]
pub(crate) struct TokenService {
    pub(crate) client: Client,
    forms: Arc<Mutex<Vec<String>>>,
}

impl TokenService {
    pub(crate) fn new() -> Self {
        Self::issuing(|n| Some(token(n)))
    }

    /// Issues these tokens, and rejects a request without a token for it.
    pub(crate) fn issuing(issue: impl Fn(usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let (forms, requests) = (Arc::<Mutex<Vec<String>>>::default(), AtomicUsize::new(0));
        let seen = Arc::clone(&forms);
        let transport = transport_fn(move |request| {
            let form = String::from_utf8(request.body().as_bytes().to_vec()).unwrap();
            seen.lock().unwrap().push(form);
            let (status, body) = match issue(requests.fetch_add(1, Ordering::SeqCst) + 1) {
                Some(token) => (200, format!(r#"{{"access_token":"{token}","expires_in":3599}}"#)),
                None => (401, r#"{"error":"invalid_client","error_codes":[7000215]}"#.to_owned()),
            };
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            async move { Ok(response) }
        });
        let authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
        let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let secret = ClientSecret::new("canary-secret").unwrap();
        let mut policy = Policy::default();
        policy.retry = RetryPolicy::never();
        let client = Client::builder(Application::new(authority, id, secret), transport);
        Self {
            client: client.policy(policy).build().unwrap(),
            forms,
        }
    }

    pub(crate) fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap().clone()
    }
}

/// Returns the n-th token of the principal.
pub(crate) fn token(n: usize) -> String {
    jwt(&format!(r#"{{"oid":"{PRINCIPAL}","uti":"canary-{n}"}}"#))
}

/// Returns a token with these claims.
pub(crate) fn jwt(claims: &str) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}
