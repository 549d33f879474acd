//! An endpoint over a token service in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Application, ClientSecret};
use entra_serve::{AccessKey, AllowedResources, Caller, Endpoint, Identities, Identity};
use entra_transport::{Body, Response, transport_fn};
use http::Request;
use serde_json::Value;
use tokio::sync::Semaphore;

/// An endpoint with every protocol, and the parts that tests look at.
pub(crate) struct Served {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: AccessKey,
    /// The number of requests that the token service got.
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Served {
    /// Returns an endpoint whose token service issues the token [`TOKEN`].
    pub(crate) fn new() -> Self {
        let body = format!(r#"{{"access_token":"{TOKEN}","expires_in":3599,"token_type":"Bearer"}}"#);
        Self::with_response(200, &body)
    }

    /// Returns an endpoint whose token service sends this response.
    pub(crate) fn with_response(status: u16, body: &str) -> Self {
        Self::with_slow_response(status, body, Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)))
    }

    /// Returns an endpoint whose token service sends this response once it has a permit.
    pub(crate) fn with_slow_response(status: u16, body: &str, permits: Arc<Semaphore>) -> Self {
        let body = body.to_owned();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let transport = transport_fn(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            let mut response = Response::new(Body::from(body.clone()));
            *response.status_mut() = status.try_into().unwrap();
            let permits = Arc::clone(&permits);
            async move {
                let _permit = permits.acquire().await;
                Ok(response)
            }
        });
        let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
            .parse()
            .unwrap();
        let client_id = CLIENT_ID.parse().unwrap();
        let app = Application::new(authority, client_id, ClientSecret::new("s3cret").unwrap());
        let identity = Identity::new("default", Client::new(app, transport))
            .with_object_id(OBJECT_ID.parse().unwrap())
            .with_resource_id(RESOURCE_ID);
        let resources = AllowedResources::new(["https://graph.microsoft.com", "https://database.windows.net"]).unwrap();
        let key = AccessKey::random().unwrap();
        let endpoint = Endpoint::builder(Identities::new(identity), resources)
            .app_service(key.clone())
            .imds()
            .any_user()
            .azd(key.clone())
            .build();
        Self {
            endpoint,
            key,
            requests,
        }
    }

    /// Sends a request from this machine, and returns the status and the JSON of the response.
    pub(crate) async fn send(&self, request: http::request::Builder, body: &str) -> (u16, Value) {
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let response = self.endpoint.respond(&request, &local()).await;
        let body = match &response.body()[..] {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap(),
        };
        (response.status().as_u16(), body)
    }
}

/// Returns a caller on this machine.
pub(crate) fn local() -> Caller {
    Caller::tcp(1, "127.0.0.1:50000".parse().unwrap())
}

/// Returns a request as a client on this machine sends it.
pub(crate) fn get(uri: &str) -> http::request::Builder {
    Request::get(uri).header("host", "127.0.0.1:41564")
}

/// The token that the service issues.
pub(crate) const TOKEN: &str = "an-access-token";
pub(crate) const CLIENT_ID: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
pub(crate) const OBJECT_ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
pub(crate) const RESOURCE_ID: &str =
    "/subscriptions/1/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n";

/// The response of the service to a wrong secret.
pub(crate) const WRONG_SECRET: &str = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#;
