//! The calls.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::acquire::server_time;
use entra_proto::endpoint::Origin;
use entra_proto::{Guid, Target, Timestamp};
use entra_tower::{Bearer, BearerLayer, CloneBody};
use entra_transport_hyper::{Connector, HyperTransport};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use tower::{Layer, ServiceExt};

use super::blob::Blob;
use super::content_type::ContentType;
use super::error::{ApiError, CallError, NOT_PERMITTED, Permission, printable};
use super::query::with_publisher;

/// The API, for all tenants.
pub(crate) struct Api {
    origin: Origin,
    target: Target,
    publisher: Option<Guid>,
    connections: Connections,
}

type Connections = legacy::Client<Connector, Full<Bytes>>;

impl Api {
    /// The API at this origin, with the tokens of this audience. `publisher` is named in every
    /// request.
    ///
    /// # Errors
    /// Returns an error if the origin is plain `http` to another machine, no certificates can be
    /// trusted, or the environment names a proxy that cannot be used.
    pub(crate) fn new(origin: Origin, audience: &str, publisher: Option<Guid>) -> Result<Self, Box<dyn Error>> {
        let is_local = origin.is_loopback();
        if !origin.is_https() && !is_local {
            return Err(format!(
                "{} is plain http, which would send tokens in the clear: write https",
                origin.as_str()
            )
            .into());
        }
        // The same proxy and trusted authorities as for the tokens.
        let settings = HyperTransport::builder()
            .connect_timeout(LONGEST_CONNECT)
            .allow_plain_loopback(is_local)
            .settings()?;
        Ok(Self {
            target: Target::resource(audience)?,
            publisher,
            connections: legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(Duration::from_secs(30))
                .build(Connector::new(&settings)?),
            origin,
        })
    }

    /// Returns what tokens are requested for.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns whether an address that a notification names is that of a content of this tenant.
    pub(crate) fn is_content(&self, tenant: Guid, uri: &str) -> bool {
        content_address(&self.origin, tenant, uri).is_ok()
    }

    /// Returns a tenant's part of it. `client` gets tokens in that tenant.
    ///
    /// # Errors
    /// Returns an error if no token can be requested there.
    pub(crate) fn feed(&self, client: &Client, tenant: Guid) -> Result<Feed, CallError> {
        let source = client.source(&self.target).map_err(CallError::Token)?;
        let layer = BearerLayer::new(source, [self.origin.as_str()])
            .map_err(|error| CallError::Rejected(format!("{:#}", crate::failure::Report::from(error))))?;
        Ok(Feed {
            root: format!("{}/api/v1.0/{tenant}/activity/feed", self.origin.as_str()).into(),
            origin: self.origin.clone(),
            tenant,
            publisher: self.publisher,
            service: layer.replay().layer(self.connections.clone()),
            client: client.clone(),
            target: self.target.clone(),
        })
    }
}

/// One tenant's part of the API.
#[derive(Clone)]
pub(crate) struct Feed {
    root: Arc<str>,
    origin: Origin,
    tenant: Guid,
    publisher: Option<Guid>,
    service: Bearer<Connections, CloneBody>,
    client: Client,
    target: Target,
}

/// The subscriptions of a tenant.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    pub(crate) subscriptions: Vec<Subscription>,
    /// What time it is by the API's clock.
    pub(crate) now: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) content_type: ContentType,
    pub(crate) is_enabled: bool,
    /// Its webhook.
    pub(crate) webhook: Option<Webhook>,
    /// Whether the webhook is enabled.
    pub(crate) is_webhook_enabled: bool,
}

/// The webhook of a subscription.
#[derive(Clone)]
pub(crate) struct Webhook {
    /// A public https address.
    pub(crate) address: String,
    /// What the API sends along, by which the listener knows it. It is a secret.
    pub(crate) auth_id: Option<String>,
}

impl Webhook {
    /// Returns whether this is the same webhook, as far as the list of subscriptions shows it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let is_known = |id: &String| other.auth_id.as_ref() == Some(id);
        self.address == other.address && self.auth_id.as_ref().is_none_or(is_known)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A content that can be fetched.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) content_type: ContentType,
    pub(crate) id: String,
    pub(crate) uri: Uri,
    /// When it became available, as the API writes it.
    pub(crate) created: String,
}

/// A page of a window's content.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) contents: Vec<Content>,
    pub(crate) next: Option<Uri>,
}

impl Feed {
    /// Returns the address below which all of the tenant's calls are.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Lists the subscriptions.
    ///
    /// # Errors
    /// As for all calls: see [`CallError`]. Also if the response does not tell the time: only the
    /// API's clock decides what has been collected.
    pub(crate) async fn subscriptions(&self) -> Result<Subscriptions, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Item {
            content_type: Option<String>,
            status: Option<String>,
            webhook: Option<Hook>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Hook {
            address: Option<String>,
            status: Option<String>,
            auth_id: Option<String>,
        }
        let uri = format!("{}/subscriptions/list", self.root);
        let request = Call::get(own(&uri)?, None, LARGEST_LIST);
        let (headers, body) = self.call(request).await?;
        let items: Vec<Item> = json(&body, "list of subscriptions")?;
        let is_enabled = |status: &Option<String>| {
            // An entry may lack its status, and the reference shows only enabled ones.
            status
                .as_ref()
                .is_none_or(|status| status.eq_ignore_ascii_case("enabled"))
        };
        let read = |item: Item| {
            Some(Subscription {
                content_type: item.content_type?.parse().ok()?,
                is_enabled: is_enabled(&item.status),
                is_webhook_enabled: item.webhook.as_ref().is_some_and(|hook| is_enabled(&hook.status)),
                webhook: item.webhook.and_then(|hook| {
                    let auth_id = hook.auth_id.filter(|id| !id.is_empty());
                    hook.address.map(|address| Webhook { address, auth_id })
                }),
            })
        };
        Ok(Subscriptions {
            subscriptions: items.into_iter().filter_map(read).collect(),
            now: server_time(&headers)
                .filter(|now| *now > Timestamp::from_secs(0))
                .ok_or_else(|| {
                    CallError::Response(
                        "the response does not tell the time of the API (no usable Date header)".to_owned(),
                    )
                })?,
        })
    }

    /// Starts a subscription, or changes its webhook. One that is enabled already is a success.
    ///
    /// # Errors
    /// As for all calls.
    pub(crate) async fn start(&self, content_type: ContentType, webhook: Option<&Webhook>) -> Result<(), CallError> {
        let uri = format!("{}/subscriptions/start?contentType={content_type}", self.root);
        let body = webhook.map_or_else(Bytes::new, |webhook| {
            let webhook = serde_json::json!({"webhook": {
                "address": webhook.address,
                "authId": webhook.auth_id.as_deref().unwrap_or_default(),
                "expiration": "",
            }});
            webhook.to_string().into()
        });
        let request = Call {
            method: Method::POST,
            body,
            ..Call::get(own(&uri)?, Some(content_type), LARGEST_LIST)
        };
        match self.call(request).await {
            Err(CallError::Api(error)) if error.is(ALREADY_ENABLED) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Reads a page of a window's content: the first at [`content_query`](super::content_query),
    /// then [`Page::next`].
    ///
    /// # Errors
    /// As for all calls. Also if the response names an address at another origin, for a content or
    /// for the next page.
    pub(crate) async fn page(&self, content_type: ContentType, uri: Uri) -> Result<Page, CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Item {
            content_type: String,
            content_id: String,
            content_uri: String,
            #[serde(default)]
            content_created: Option<String>,
        }
        let request = Call::get(uri, Some(content_type), LARGEST_PAGE);
        let (headers, body) = self.call(request).await?;
        let items: Vec<Item> = json(&body, "list of content")?;
        let mut contents = Vec::with_capacity(items.len());
        for item in items {
            let Ok(content_type) = item.content_type.parse() else {
                continue;
            };
            contents.push(Content {
                content_type,
                id: item.content_id,
                uri: self.same_origin(&item.content_uri)?,
                created: item.content_created.unwrap_or_default(),
            });
        }
        // The reference calls it `NextPageUri`, the document on troubleshooting `NextPageUrl`.
        let next = headers.get("nextpageuri").or_else(|| headers.get("nextpageurl"));
        let next = next.filter(|next| !next.is_empty()).map(|next| match next.to_str() {
            Ok(next) => self.same_origin(next),
            Err(_) => Err(CallError::Rejected(
                "the address of the next page is not text".to_owned(),
            )),
        });
        Ok(Page {
            contents,
            next: next.transpose()?,
        })
    }

    /// Fetches a content.
    ///
    /// # Errors
    /// As for all calls. Also if it is not a JSON array, as where a part of it is missing.
    pub(crate) async fn blob(&self, content_type: ContentType, uri: Uri) -> Result<Blob, CallError> {
        let request = Call::get(uri, Some(content_type), LARGEST_BLOB);
        let (_, body) = self.call(request).await?;
        Blob::read(body).map_err(|error| {
            let text = format!("the content is not a complete JSON array: {error}");
            CallError::Response(text)
        })
    }

    /// Reads the address of a content that a notification names. The sender of a notification is
    /// less trusted than the API: the address must be one of this tenant's contents.
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub(crate) fn notified(&self, uri: &str) -> Result<Uri, CallError> {
        content_address(&self.origin, self.tenant, uri)
    }

    fn same_origin(&self, text: &str) -> Result<Uri, CallError> {
        same_origin(&self.origin, text)
    }

    /// Sends a request, and returns the headers and the body of a success.
    async fn call(&self, call: Call) -> Result<(HeaderMap, Vec<u8>), CallError> {
        let Call {
            method,
            uri,
            content_type,
            body,
            most,
        } = call;
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = method;
        *request.uri_mut() = with_publisher(uri, self.publisher);
        request
            .headers_mut()
            .insert(ACCEPT, "application/json".parse().expect("a header value"));
        if !body.is_empty() {
            request.headers_mut().insert(
                CONTENT_TYPE,
                "application/json; charset=utf-8".parse().expect("a header value"),
            );
        }
        let whole = async {
            let response = self.service.clone().oneshot(request).await.map_err(CallError::of)?;
            let (parts, body) = response.into_parts();
            // Of an error response, the beginning is enough.
            if !parts.status.is_success() {
                let body = read(body, LARGEST_ERROR, true).await.unwrap_or_default();
                let mut error = ApiError::read(parts.status, &parts.headers, &body);
                error.permission = Permission::of(content_type);
                if error.status == StatusCode::UNAUTHORIZED || error.is(NOT_PERMITTED) {
                    // The middleware tried a new token already. If that has the permission, the API
                    // may change its mind.
                    let roles = self.client.roles(&self.target).await.map_err(CallError::Token)?;
                    error.is_permitted = roles.iter().any(|role| role == error.permission.as_str());
                }
                return Err(CallError::Api(error));
            }
            Ok((read(body, most, false).await?, parts.headers))
        };
        let (body, headers) = tokio::time::timeout(LONGEST_CALL, whole).await.map_err(|_| {
            CallError::Connection(format!("no complete response within {} s", LONGEST_CALL.as_secs()))
        })??;
        Ok((headers, body))
    }
}

/// A request.
struct Call {
    method: Method,
    uri: Uri,
    /// Its content type, which an address need not tell; none if it is about all of them.
    content_type: Option<ContentType>,
    body: Bytes,
    /// Size of the largest response.
    most: usize,
}

impl Call {
    fn get(uri: Uri, content_type: Option<ContentType>, most: usize) -> Self {
        Self {
            method: Method::GET,
            uri,
            content_type,
            body: Bytes::new(),
            most,
        }
    }
}

/// Reads the address of a content of this tenant.
fn content_address(origin: &Origin, tenant: Guid, uri: &str) -> Result<Uri, CallError> {
    let uri = same_origin(origin, uri)?;
    let mut parts = uri.path().split('/').skip(1);
    let is_audit = parts.next().is_some_and(|part| part.eq_ignore_ascii_case("api"))
        && parts.next().is_some()
        && parts.next().and_then(|part| part.parse().ok()) == Some(tenant)
        && parts.next().is_some_and(|part| part.eq_ignore_ascii_case("activity"))
        && parts.next().is_some_and(|part| part.eq_ignore_ascii_case("feed"))
        && parts.next().is_some_and(|part| part.eq_ignore_ascii_case("audit"));
    if is_audit {
        return Ok(uri);
    }
    Err(CallError::Rejected(
        "the notification names an address that is no content of the tenant".to_owned(),
    ))
}

/// Reads an address out of a response. The token goes there: so it must be at the origin of the
/// API.
fn same_origin(own: &Origin, text: &str) -> Result<Uri, CallError> {
    let elsewhere = |problem: &str| {
        let own = own.as_str();
        CallError::Rejected(format!(
            "the API names an address that {problem}: only {own} gets the token"
        ))
    };
    if text.len() > LONGEST_ADDRESS {
        return Err(elsewhere("is too long"));
    }
    let uri: Uri = text.trim().parse().map_err(|_| elsewhere("is not one"))?;
    let origin = uri
        .scheme_str()
        .zip(uri.authority())
        .and_then(|(scheme, authority)| format!("{scheme}://{authority}").parse::<Origin>().ok());
    if origin.as_ref() != Some(own) {
        return Err(elsewhere("is not its own"));
    }
    Ok(uri)
}

/// Reads a body of bounded size: more than that is an error, or left out if `is_cut`.
async fn read<B>(mut body: B, most: usize, is_cut: bool) -> Result<Vec<u8>, CallError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(expected.min(most));
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| CallError::Connection(printable(&format!("the response is incomplete: {error}"), 200)))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > most {
            if is_cut {
                return Ok(bytes);
            }
            return Err(CallError::Rejected(format!(
                "the response is larger than {} MiB",
                most >> 20
            )));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// An address that this program wrote.
fn own(uri: &str) -> Result<Uri, CallError> {
    uri.parse()
        .map_err(|error| CallError::Rejected(format!("{uri}: {error}")))
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8], what: &str) -> Result<T, CallError> {
    serde_json::from_slice(body)
        .map_err(|error| CallError::Response(printable(&format!("the response is not a {what}: {error}"), 300)))
}

/// The error of a start that changes nothing: the subscription is as it should be.
const ALREADY_ENABLED: &str = "AF20024";
const LARGEST_LIST: usize = 1 << 20;
const LARGEST_PAGE: usize = 8 << 20;
/// Content comes in pieces of some megabytes at most.
const LARGEST_BLOB: usize = 32 << 20;
const LARGEST_ERROR: usize = 16 << 10;
/// Addresses of content are long.
const LONGEST_ADDRESS: usize = 16 << 10;
const LONGEST_CONNECT: Duration = Duration::from_secs(10);
const LONGEST_CALL: Duration = Duration::from_secs(120);
