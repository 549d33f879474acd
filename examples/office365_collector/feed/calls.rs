//! The calls of the API.

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
    /// Creates the API at this origin, with tokens for this audience. Every request names
    /// `publisher`.
    ///
    /// # Errors
    /// Returns an error if the origin is plain `http` to another machine, if no certificates can be
    /// trusted, or if the environment names an unusable proxy.
    pub(crate) fn new(origin: Origin, audience: &str, publisher: Option<Guid>) -> Result<Self, Box<dyn Error>> {
        let is_local = origin.is_loopback();
        if !origin.is_https() && !is_local {
            return Err(format!(
                "{} is plain http, which would send tokens in the clear: write https",
                origin.as_str()
            )
            .into());
        }
        // The same proxy and trusted authorities as for the token requests.
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

    /// Returns the target of the tokens.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns true if the address in a notification is that of a content of this tenant.
    pub(crate) fn is_content(&self, tenant: Guid, uri: &str) -> bool {
        content_address(&self.origin, tenant, uri).is_ok()
    }

    /// Returns a tenant's part of the API. `client` gets tokens in that tenant.
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
    /// The time by the API's clock.
    pub(crate) now: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) content_type: ContentType,
    pub(crate) is_enabled: bool,
    /// Its webhook.
    pub(crate) webhook: Option<Webhook>,
    /// True if the webhook is enabled.
    pub(crate) is_webhook_enabled: bool,
}

/// The webhook of a subscription.
#[derive(Clone)]
pub(crate) struct Webhook {
    /// A public https address.
    pub(crate) address: String,
    /// The secret that the API sends along, by which the listener authenticates it.
    pub(crate) auth_id: Option<String>,
}

impl Webhook {
    /// Returns true if this is the same webhook, as far as the list of subscriptions shows.
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
    /// The time when it became available, as the API writes it.
    pub(crate) created: String,
}

/// A page of a window's content.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) contents: Vec<Content>,
    pub(crate) next: Option<Uri>,
}

impl Feed {
    /// Returns the base address of all of the tenant's calls.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Lists the subscriptions.
    ///
    /// # Errors
    /// Returns the errors of all calls: see [`CallError`]. Also returns an error if the response
    /// does not contain the time: only the API's clock decides what has been collected.
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
            // An entry may lack its status, and the reference shows enabled ones only.
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
                .ok_or_else(|| CallError::Response("the response has no usable Date header".to_owned()))?,
        })
    }

    /// Starts a subscription, or changes its webhook. Succeeds if it is enabled already.
    ///
    /// # Errors
    /// Returns the errors of all calls.
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
    /// then those at [`Page::next`].
    ///
    /// # Errors
    /// Returns the errors of all calls. Also returns an error if the response names an address at
    /// another origin, for a content or for the next page.
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
        // The reference names it `NextPageUri`, the document on troubleshooting `NextPageUrl`.
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
    /// Returns the errors of all calls. Also returns an error if the content is not a JSON array,
    /// for example because a part is missing.
    pub(crate) async fn blob(&self, content_type: ContentType, uri: Uri) -> Result<Blob, CallError> {
        let request = Call::get(uri, Some(content_type), LARGEST_BLOB);
        let (_, body) = self.call(request).await?;
        Blob::read(body).map_err(|error| {
            let text = format!("the content is not a complete JSON array: {error}");
            CallError::Response(text)
        })
    }

    /// Parses the address of a content in a notification. The sender of a notification is less
    /// trusted than the API: the address must be one of this tenant's contents.
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub(crate) fn notified(&self, uri: &str) -> Result<Uri, CallError> {
        content_address(&self.origin, self.tenant, uri)
    }

    fn same_origin(&self, text: &str) -> Result<Uri, CallError> {
        same_origin(&self.origin, text)
    }

    /// Sends a request, and returns the headers and the body of a successful response.
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
            // The beginning of an error response is enough.
            if !parts.status.is_success() {
                let body = read(body, LARGEST_ERROR, true).await.unwrap_or_default();
                let mut error = ApiError::read(parts.status, &parts.headers, &body);
                error.permission = Permission::of(content_type);
                if error.status == StatusCode::UNAUTHORIZED || error.is(NOT_PERMITTED) {
                    // The middleware has already tried a new token. If the token has the
                    // permission, the API may accept it later.
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
    /// Its content type, since the address may not name it; `None` if it concerns all types.
    content_type: Option<ContentType>,
    body: Bytes,
    /// The largest response, in bytes.
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

/// Parses the address of a content of this tenant.
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
        "the notification names an address that is not a content of the tenant".to_owned(),
    ))
}

/// Parses an address from a response. The token is sent there, so it must be at the origin of the
/// API.
fn same_origin(own: &Origin, text: &str) -> Result<Uri, CallError> {
    let unacceptable = |problem: &str| {
        let own = own.as_str();
        CallError::Rejected(format!(
            "the API names an address that {problem}: the token is sent to {own} only"
        ))
    };
    if text.len() > LONGEST_ADDRESS {
        return Err(unacceptable("is too long"));
    }
    let uri: Uri = text.trim().parse().map_err(|_| unacceptable("is invalid"))?;
    let origin = uri
        .scheme_str()
        .zip(uri.authority())
        .and_then(|(scheme, authority)| format!("{scheme}://{authority}").parse::<Origin>().ok());
    if origin.as_ref() != Some(own) {
        return Err(unacceptable("is at another origin"));
    }
    Ok(uri)
}

/// Reads a body of bounded size. The rest is an error, or is cut off if `is_cut`.
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

/// Parses an address that this program wrote.
fn own(uri: &str) -> Result<Uri, CallError> {
    uri.parse()
        .map_err(|error| CallError::Rejected(format!("{uri}: {error}")))
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8], what: &str) -> Result<T, CallError> {
    serde_json::from_slice(body)
        .map_err(|error| CallError::Response(printable(&format!("the response is not a {what}: {error}"), 300)))
}

/// The error of a start request that changes nothing: the subscription is already as requested.
const ALREADY_ENABLED: &str = "AF20024";
const LARGEST_LIST: usize = 1 << 20;
const LARGEST_PAGE: usize = 8 << 20;
/// Contents are at most a few megabytes long.
const LARGEST_BLOB: usize = 32 << 20;
const LARGEST_ERROR: usize = 16 << 10;
/// Addresses of contents are long.
const LONGEST_ADDRESS: usize = 16 << 10;
const LONGEST_CONNECT: Duration = Duration::from_secs(10);
const LONGEST_CALL: Duration = Duration::from_secs(120);
