//! A token service without sockets, and a store of the account on loopback.

use std::sync::{Arc, Mutex};

use entra_client::clock::ManualClock;
use entra_client::{Client, Policy};
use entra_object_store::EntraCredentialProvider;
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, ClientSecret, Timestamp};
use entra_transport::{Body, Response, transport_fn};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};

use crate::blob_service::BlobService;
use crate::connector::Direct;

/// A token service that issues `t1`, `t2` and so on for an hour, and records its requests.
pub(crate) struct TokenService {
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    /// The status and the body of the next responses, instead of a token.
    pub(crate) failure: Arc<Mutex<Option<(u16, &'static str)>>>,
    forms: Arc<Mutex<Vec<String>>>,
}

impl TokenService {
    pub(crate) fn new() -> Self {
        let forms = Arc::<Mutex<Vec<String>>>::default();
        let failure = Arc::<Mutex<Option<(u16, &'static str)>>>::default();
        let (record, failing) = (Arc::clone(&forms), Arc::clone(&failure));
        let transport = transport_fn(move |request| {
            let mut forms = record.lock().unwrap();
            forms.push(String::from_utf8(request.body().as_bytes().to_vec()).unwrap());
            let token = format!(r#"{{"access_token":"t{}","expires_in":3599}}"#, forms.len());
            let failure = *failing.lock().unwrap();
            let (status, body) = failure.map_or((200, token), |(status, body)| (status, body.to_owned()));
            async move {
                // Other callers of the same token get their turn.
                tokio::task::yield_now().await;
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = status.try_into().unwrap();
                Ok(response)
            }
        });
        let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
        let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let secret = ClientSecret::new("s3cret").unwrap();
        let application = Application::new(authority.parse().unwrap(), id, secret);
        let mut policy = Policy::default();
        // Tests do not wait.
        policy.retry = RetryPolicy::never();
        let clock = ManualClock::at(Timestamp::from_secs(1_767_225_600));
        let client = Client::builder(application, transport)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            client,
            clock,
            failure,
            forms,
        }
    }

    pub(crate) fn provider(&self) -> Arc<EntraCredentialProvider> {
        Arc::new(EntraCredentialProvider::new(&self.client).unwrap())
    }

    /// Returns the forms of the token requests.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap().clone()
    }

    /// Returns the number of token requests.
    pub(crate) fn requests(&self) -> usize {
        self.forms.lock().unwrap().len()
    }
}

/// Returns a store of the container `invoices`.
pub(crate) fn store(blob_service: &BlobService, provider: &Arc<EntraCredentialProvider>) -> MicrosoftAzure {
    MicrosoftAzureBuilder::new()
        .with_account("contoso")
        .with_container_name("invoices")
        .with_endpoint(blob_service.origin.clone())
        .with_allow_http(true)
        .with_http_connector(Direct)
        .with_credentials(Arc::clone(provider) as _)
        .build()
        .unwrap()
}
