//! A token service without sockets.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use azure_core::credentials::TokenCredential as _;
use entra_azure_core::EntraCredential;
use entra_client::clock::{Clock as _, ManualClock, SystemClock};
use entra_client::{Client, Policy, Principal};
use entra_proto::acquire::RetryPolicy;
use entra_proto::{Application, ClientSecret};
use entra_transport::{Body, Response, transport_fn};

/// A token service that issues `t1`, `t2` and so on, and records its requests.
pub(crate) struct TokenService {
    pub(crate) client: Client,
    /// It starts at the time of day, because the SDK uses that.
    pub(crate) clock: ManualClock,
    script: Arc<Mutex<Script>>,
}

/// The responses of the token service.
pub(crate) struct Script {
    /// The status and the body of a failure, instead of a token.
    pub(crate) failure: Option<(u16, &'static str)>,
    /// The lifetime of tokens, in seconds.
    pub(crate) lifetime: u64,
    /// The age at which the service asks for a refresh, in seconds.
    pub(crate) refresh_in: Option<u64>,
    forms: Vec<String>,
}

impl TokenService {
    pub(crate) fn new() -> Self {
        Self::of(application())
    }

    pub(crate) fn of(principal: impl Into<Principal>) -> Self {
        let script = Arc::new(Mutex::new(Script {
            failure: None,
            lifetime: 3599,
            refresh_in: None,
            forms: Vec::new(),
        }));
        let shared = Arc::clone(&script);
        let transport = transport_fn(move |request| {
            let mut script = shared.lock().unwrap();
            script
                .forms
                .push(String::from_utf8(request.body().as_bytes().to_vec()).unwrap());
            let (status, body) = script.response();
            async move {
                // Other callers of the same token get their turn.
                tokio::task::yield_now().await;
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = status.try_into().unwrap();
                Ok(response)
            }
        });
        let mut policy = Policy::default();
        // Tests do not wait.
        policy.retry = RetryPolicy::never();
        let clock = ManualClock::at(SystemClock.now().wall);
        let client = Client::builder(principal, transport)
            .policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { client, clock, script }
    }

    pub(crate) fn credential(&self) -> Arc<EntraCredential> {
        Arc::new(EntraCredential::new(self.client.clone()))
    }

    /// Changes the responses from now on.
    pub(crate) fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(crate) fn fail(&self, status: u16, body: &'static str) {
        self.script(|script| script.failure = Some((status, body)));
    }

    /// Returns the forms of the token requests.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.script.lock().unwrap().forms.clone()
    }

    /// Returns the number of token requests.
    pub(crate) fn requests(&self) -> usize {
        self.forms().len()
    }

    /// Returns the token that the credential returns for Storage.
    pub(crate) async fn token(&self) -> azure_core::Result<String> {
        let token = self.credential().get_token(&[STORAGE], None).await?;
        Ok(token.token.secret().to_owned())
    }
}

impl Script {
    fn response(&self) -> (u16, String) {
        if let Some((status, body)) = self.failure {
            return (status, body.to_owned());
        }
        let mut body = format!(
            r#"{{"access_token":"t{}","expires_in":{}"#,
            self.forms.len(),
            self.lifetime
        );
        if let Some(refresh_in) = self.refresh_in {
            write!(body, r#","refresh_in":{refresh_in}"#).unwrap();
        }
        (200, body + "}")
    }
}

pub(crate) fn application() -> Application {
    let authority = "https://login.microsoftonline.com/contoso.onmicrosoft.com";
    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
    let secret = ClientSecret::new("s3cret").unwrap();
    Application::new(authority.parse().unwrap(), id, secret).with_capabilities(&["cp1"])
}

/// The scope that the clients of Storage ask for.
pub(crate) const STORAGE: &str = "https://storage.azure.com/.default";
