//! The Office 365 Management Activity API, as far as it takes to read a tenant's sign-in records: "Office 365 Management Activity API
//! reference".

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Cloud, ErrorClass, Guid, Origin, ServiceError, Target};
use entra_tower::{Bearer, BearerError, BearerLayer, CloneBody};
use entra_transport::Policy;
use entra_transport::tls::Trust;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};

use crate::pages::{LATER, TELL, advice, without_advice};
use crate::settings::MANAGEMENT;

/// What is subscribed to and read: sign-ins and changes in the directory.
pub(crate) const CONTENT_TYPE: &str = "Audit.AzureActiveDirectory";

/// The API, for any tenant.
pub(crate) struct Activity {
    origin: Origin,
    target: Target,
    publisher: Option<Guid>,
    connections: Connections,
}

type Connections = legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// What a tenant has to show.
#[derive(Default)]
pub(crate) struct Audit {
    /// Content types, and whether they are enabled.
    pub(crate) subscriptions: Vec<(String, String)>,
    /// Whether the subscription was started just now: then there is nothing to read for up to twelve hours.
    pub(crate) started: bool,
    pub(crate) records: Vec<Record>,
    /// Whether there is more than what is shown.
    pub(crate) cut: bool,
}

/// An audit record, in part. All of it is the API's text.
pub(crate) struct Record {
    pub(crate) time: String,
    pub(crate) operation: String,
    pub(crate) user: String,
    pub(crate) address: String,
    pub(crate) result: String,
}

impl Activity {
    pub(crate) fn new(origin: Origin, publisher: Option<Guid>) -> Result<Self, Box<dyn Error>> {
        // An emulator's API has another address, and the same audience.
        let audience = Cloud::loopback(origin.as_str()).map_or(origin.as_str(), |_| MANAGEMENT);
        let target = Target::resource(audience)?;
        // An emulator on plain HTTP needs no certificates, and neither does a machine that calls nothing else.
        let mut policy = Policy::default();
        policy.allow_plain_loopback = Cloud::loopback(origin.as_str()).is_ok();
        let tls = HttpsConnectorBuilder::new().with_tls_config(Trust::default().client_config(&policy)?);
        let connector = tls.https_or_http().enable_http1().build();
        Ok(Self {
            target,
            publisher,
            connections: legacy::Client::builder(TokioExecutor::new()).build(connector),
            origin,
        })
    }

    /// What tokens are asked for.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Subscribes, where that was not done before, and reads what there is of the last 24 hours. `client` asks for tokens of its own in
    /// that tenant.
    ///
    /// # Errors
    /// Where there is no token, the API refuses, or it takes longer than a minute.
    pub(crate) async fn audit(&self, client: &Client, tenant: Guid) -> Result<Audit, Trouble> {
        tokio::time::timeout(Duration::from_secs(60), self.read(client, tenant))
            .await
            .map_err(|_| Trouble::Unreachable("it took longer than a minute".into()))?
    }

    async fn read(&self, client: &Client, tenant: Guid) -> Result<Audit, Trouble> {
        let source = client.source(&self.target, None).map_err(Trouble::Token)?;
        // The token goes to this origin alone, whatever address an answer names: the layer refuses every other one.
        let layer = BearerLayer::new(source, [self.origin.as_str()])
            .map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let mut api = Api {
            service: layer.replay().layer(self.connections.clone()),
            publisher: self.publisher,
        };
        let feed = format!("{}/api/v1.0/{tenant}/activity/feed", self.origin.as_str());

        let mut audit = Audit::default();
        let listed = api.call(Method::GET, &format!("{feed}/subscriptions/list")).await?.0;
        audit.subscriptions = items(&listed)?
            .iter()
            .map(|item| (text(item, "contentType"), text(item, "status")))
            .collect();
        let is_ours = |(content_type, status): &(String, String)| content_type == CONTENT_TYPE && status == "enabled";
        if !audit.subscriptions.iter().any(is_ours) {
            let start = format!("{feed}/subscriptions/start?contentType={CONTENT_TYPE}");
            match api.call(Method::POST, &start).await {
                Ok((started, _)) => {
                    audit
                        .subscriptions
                        .push((text(&started, "contentType"), text(&started, "status")));
                    audit.started = true;
                }
                // Another process started it since, or the list is behind.
                Err(Trouble::Refused { code, .. }) if code == ALREADY_ENABLED => {
                    audit
                        .subscriptions
                        .push((CONTENT_TYPE.to_owned(), "enabled".to_owned()));
                }
                Err(trouble) => return Err(trouble),
            }
        }

        let mut seen = HashSet::new();
        let mut next = Some(format!("{feed}/subscriptions/content?contentType={CONTENT_TYPE}"));
        let mut calls = 0;
        while let Some(page) = next {
            let (content, headers) = api.call(Method::GET, &page).await?;
            // The reference calls it `NextPageUri`, the document on troubleshooting `NextPageUrl`.
            let more = headers.get("nextpageuri").or_else(|| headers.get("nextpageurl"));
            next = more.and_then(|uri| uri.to_str().ok()).map(str::to_owned);
            for item in items(&content)? {
                calls += 1;
                if calls > MOST_CALLS || audit.records.len() >= MOST_RECORDS {
                    audit.cut = true;
                    return Ok(audit);
                }
                let records = api.call(Method::GET, &text(item, "contentUri")).await?.0;
                for record in items(&records)? {
                    // The same record comes more than once, by design. One without a name is nobody's double.
                    let id = text(record, "Id");
                    if !id.is_empty() && !seen.insert(id) {
                        continue;
                    }
                    if audit.records.len() >= MOST_RECORDS {
                        audit.cut = true;
                        return Ok(audit);
                    }
                    audit.records.push(Record::of(record));
                }
            }
            calls += 1;
            if next.is_some() && calls > MOST_CALLS {
                audit.cut = true;
                return Ok(audit);
            }
        }
        Ok(audit)
    }
}

impl Record {
    fn of(record: &Value) -> Self {
        Self {
            time: text(record, "CreationTime"),
            operation: text(record, "Operation"),
            user: text(record, "UserId"),
            address: text(record, "ClientIP"),
            result: text(record, "ResultStatus"),
        }
    }
}

/// The API, in one tenant.
struct Api {
    service: Bearer<Connections, CloneBody>,
    publisher: Option<Guid>,
}

impl Api {
    async fn call(&mut self, method: Method, uri: &str) -> Result<(Value, HeaderMap), Trouble> {
        let mut uri = uri.to_owned();
        // The address of a next page has it already.
        if let Some(publisher) = self.publisher
            && !uri.contains("PublisherIdentifier=")
        {
            let mark = if uri.contains('?') { '&' } else { '?' };
            uri = format!("{uri}{mark}PublisherIdentifier={publisher}");
        }
        let uri: Uri = uri
            .parse()
            .map_err(|_| Trouble::Unreachable("it named an address that is none".into()))?;
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let service = self.service.ready().await.map_err(Trouble::of)?;
        let answer = service.call(request).await.map_err(Trouble::of)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Trouble::Unreachable(error.to_string()))?;
        let answer = serde_json::from_slice(&body.to_bytes());
        if parts.status.is_success() {
            // What cannot be read is not nothing: a page of a gateway in between, or half an answer, must not hide records.
            let answer = answer.map_err(|error| Trouble::Unreachable(format!("its answer is not JSON: {error}")))?;
            return Ok((answer, parts.headers));
        }
        // A refusal stands by its status, whatever else it says.
        let answer: Value = answer.unwrap_or_default();
        Err(Trouble::Refused {
            status: parts.status,
            code: text(&answer["error"], "code"),
            message: text(&answer["error"], "message"),
        })
    }
}

/// Why there are no records.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// There is no token.
    Token(entra_client::Error),
    /// The API refused.
    Refused {
        status: StatusCode,
        /// `AF` and a number.
        code: String,
        message: String,
    },
    /// Nothing that can be used came back.
    Unreachable(String),
}

impl Trouble {
    fn of(error: BearerError) -> Self {
        match error {
            BearerError::Token(error) => Self::Token(error),
            BearerError::Service(error) => Self::Unreachable(error.to_string()),
            error => Self::Unreachable(error.to_string()),
        }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> &str {
        match self {
            Self::Token(error) if is_unconnected(error) => "Let the tenant's administrator connect it again.",
            Self::Token(error) => advice(error),
            Self::Refused { status, code, .. } => match code.as_str() {
                // Throttling comes as a 403 as well.
                "AF429" => "Too many requests were sent for this tenant. Try again in a few minutes.",
                "AF10001" => {
                    "The application's token lacks a permission. Add the application permission ActivityFeed.Read to the app \
                     registration, then let the tenant's administrator connect it again."
                }
                _ if status.is_server_error() => LATER,
                "" => TELL,
                _ => "Look the code up in the reference of the Office 365 Management Activity API.",
            },
            Self::Unreachable(_) => LATER,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => write!(f, "Entra gave no token: {}", error.problem()),
            Self::Refused { status, code, message } => {
                write!(f, "The API answered {status}")?;
                let said = format!("{code} {message}");
                match said.trim() {
                    "" => Ok(()),
                    said => write!(f, ": {said}"),
                }
            }
            Self::Unreachable(why) => write!(f, "The API could not be used: {}", without_advice(why)),
        }
    }
}

/// Whether the tenant does not know the application any more, or never consented to what it asks for.
fn is_unconnected(error: &entra_client::Error) -> bool {
    let unknown = |service: &ServiceError| service.codes.iter().any(|code| matches!(code, 700_016 | 7_000_229));
    error.class() == ErrorClass::Consent || error.service().is_some_and(unknown)
}

/// What a list holds. All that is read here is a list.
fn items(value: &Value) -> Result<&[Value], Trouble> {
    match value.as_array() {
        Some(items) => Ok(items),
        None => Err(Trouble::Unreachable("its answer is no list".into())),
    }
}

/// A field as a text of bounded length.
fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_default()
        .chars()
        .take(LONGEST_TEXT)
        .collect()
}

/// The refusal of a start that changes nothing. It means that the subscription is as it should be.
const ALREADY_ENABLED: &str = "AF20024";
/// In bytes: content comes in pieces of some megabytes at most.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// In characters: addresses of content are long.
const LONGEST_TEXT: usize = 4096;
const MOST_CALLS: usize = 50;
const MOST_RECORDS: usize = 200;
