//! The HTTP client of both libraries. It trusts the emulator's CA, stays on loopback and notes
//! client assertions.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::{env, fs, io};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use oauth2::{HttpRequest, HttpResponse};
use url::Url;

use crate::settings::Settings;

#[derive(Clone, Debug)]
pub struct Wire {
    client: reqwest::Client,
    origin: String,
    assertions: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    pub fn new(settings: &Settings) -> Result<Self, Box<dyn Error>> {
        let ca = reqwest::Certificate::from_pem(&fs::read(env::var("SSL_CERT_FILE")?)?)?;
        Ok(Self {
            client: reqwest::Client::builder()
                .tls_certs_only([ca])
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            origin: Url::parse(&settings.host)?.origin().ascii_serialization(),
            assertions: Arc::default(),
        })
    }

    pub fn take_assertions(&self) -> Vec<String> {
        std::mem::take(&mut *self.assertions.lock().unwrap())
    }

    /// Sends a request of the crate `oauth2`.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, io::Error> {
        let url = Url::parse(&request.uri().to_string()).map_err(io::Error::other)?;
        self.inspect(&url, request.body()).map_err(io::Error::other)?;
        let request = request.try_into().map_err(io::Error::other)?;
        let answer = self.client.execute(request).await.map_err(io::Error::other)?;
        let mut response = HttpResponse::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await.map_err(io::Error::other)?.to_vec();
        Ok(response)
    }

    fn inspect(&self, url: &Url, body: &[u8]) -> Result<(), String> {
        if url.origin().ascii_serialization() != self.origin {
            return Err(format!("it asked for {url}, and only the emulator is there"));
        }
        let sent = url::form_urlencoded::parse(body).filter(|(name, _)| name == "client_assertion");
        let mut assertions = self.assertions.lock().unwrap();
        assertions.extend(sent.map(|(_, assertion)| assertion.into_owned()));
        Ok(())
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let problem = |text| azure_core::Error::with_message(ErrorKind::Other, text);
        let Body::Bytes(body) = request.body() else {
            return Err(problem("the body is a stream".to_owned()));
        };
        self.inspect(request.url(), body).map_err(problem)?;
        self.client.execute_request(request).await
    }
}
