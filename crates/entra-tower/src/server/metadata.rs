//! The metadata of the protected resource (RFC 9728), served by the layer.

use std::sync::Arc;

use entra_proto::Error;
use entra_proto::error::{Input, InputError};
use entra_validate::ResourceMetadata;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Uri};

/// A handler of requests for the metadata of a protected resource: [`Published`] serves it,
/// [`Unpublished`] does not.
pub trait Publish<B> {
    /// Returns the response to a request for the metadata, and `None` for any other request.
    fn respond(&self, method: &Method, uri: &Uri) -> Option<Response<B>>;
}

/// The choice to serve no metadata.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpublished;

impl<B> Publish<B> for Unpublished {
    fn respond(&self, _: &Method, _: &Uri) -> Option<Response<B>> {
        None
    }
}

/// The choice to serve the metadata: see [`RequireToken::publish`](crate::RequireToken::publish).
#[derive(Clone, Debug)]
pub struct Published {
    path: Arc<str>,
    document: Arc<str>,
    url: Arc<str>,
}

impl Published {
    pub(super) fn new(metadata: &ResourceMetadata) -> Result<Self, Error> {
        let unusable = || InputError::new(Input::Other("resource metadata"), "names no URL as its resource");
        let resource: Uri = metadata.resource.parse().map_err(|_| unusable())?;
        // The well-known name comes between the host and the path of the resource (RFC 9728,
        // section 3).
        let path = match resource.path() {
            "/" => "",
            path => path,
        };
        let (scheme, authority) = resource.scheme_str().zip(resource.authority()).ok_or_else(unusable)?;
        let document = serde_json::to_string(metadata).map_err(|_| unusable())?;
        Ok(Self {
            path: format!("{WELL_KNOWN}{path}").into(),
            document: document.into(),
            url: format!("{scheme}://{authority}{WELL_KNOWN}{path}").into(),
        })
    }

    /// Returns the address of the document for clients.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl<B: Default + From<String>> Publish<B> for Published {
    fn respond(&self, method: &Method, uri: &Uri) -> Option<Response<B>> {
        if uri.path() != &*self.path {
            return None;
        }
        let mut response = match *method {
            Method::GET => Response::new(B::from(self.document.to_string())),
            Method::HEAD => Response::new(B::default()),
            // A preflight goes to the inner service, which responds to preflights.
            Method::OPTIONS => return None,
            _ => {
                let mut response = Response::new(B::default());
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                return Some(response);
            }
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        // The document holds no secret, and clients in browsers read it too.
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        Some(response)
    }
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
