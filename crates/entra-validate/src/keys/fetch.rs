//! One fetch of a key set: the metadata first, then the keys that it names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use entra_proto::acquire::retry_after;
use entra_proto::error::Diagnose;
use entra_proto::{Body, EndpointVersion, Timestamp};
use http::header::ACCEPT;
use http::{Request, Response, StatusCode};

use super::KeySet;
use super::discovery::Metadata;
use crate::api::Api;
use crate::hints::FETCH_HINT;

/// A fetch of a key set, as data in, data out.
///
/// [`KeyCache`](super::KeyCache) starts it and takes its outcome. A driver sends
/// [`request`](Self::request), and calls [`respond`](Self::respond) or [`failed`](Self::failed).
/// There are at most two requests: the state `Metadata` requests the metadata document, and the
/// state `Keys` requests the JWKS document that the metadata names.
#[derive(Debug)]
pub struct Fetch {
    api: Api,
    version: EndpointVersion,
    stage: Stage,
    number: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Metadata,
    Keys(Metadata),
}

/// The next step of a fetch. The enum is exhaustive on purpose: there are no other steps.
#[derive(Debug)]
pub enum FetchStep {
    /// A request to send.
    Send(Fetch),
    /// The outcome, for [`KeyCache::complete`](super::KeyCache::complete).
    Done(Fetched),
}

/// The outcome of a fetch.
#[derive(Debug)]
pub struct Fetched {
    pub(super) version: EndpointVersion,
    pub(super) outcome: Result<KeySet, FetchError>,
    /// The number of the fetch in its cache.
    pub(super) number: Option<u64>,
}

impl Fetched {
    /// Returns the version whose keys were fetched.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.version
    }

    /// Creates the outcome of a fetch whose transport panicked.
    #[cfg(any(feature = "async", feature = "blocking"))]
    pub(crate) fn panicked(version: EndpointVersion, number: Option<u64>) -> Self {
        Self {
            version,
            number,
            outcome: Err(FetchError::new("the transport panicked")),
        }
    }

    /// Returns the error, if the fetch failed.
    #[must_use]
    pub fn error(&self) -> Option<&FetchError> {
        self.outcome.as_ref().err()
    }
}

impl Fetch {
    /// Creates a fetch of the keys for tokens of this version.
    #[must_use]
    pub fn new(api: &Api, version: EndpointVersion) -> Self {
        Self {
            api: api.clone(),
            version,
            stage: Stage::Metadata,
            number: None,
        }
    }

    pub(super) fn numbered(api: &Api, version: EndpointVersion, number: u64) -> Self {
        Self {
            number: Some(number),
            ..Self::new(api, version)
        }
    }

    #[cfg(any(feature = "async", feature = "blocking"))]
    pub(crate) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Returns the version whose keys are fetched.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.version
    }

    /// Returns the request to send: a GET without credentials.
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        let uri = match &self.stage {
            Stage::Metadata => self.api.metadata_url(self.version).parse().unwrap_or_default(),
            Stage::Keys(metadata) => metadata.jwks_uri.clone(),
        };
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri;
        request
            .headers_mut()
            .insert(ACCEPT, http::HeaderValue::from_static("application/json"));
        request
    }

    /// Processes the response.
    #[must_use]
    pub fn respond(self, response: &Response<Body>, now: Timestamp) -> FetchStep {
        if response.status() != StatusCode::OK {
            let error = FetchError {
                problem: format!(
                    "the request for {} got status {}",
                    self.document(),
                    response.status().as_u16()
                )
                .into(),
                hint: Some(FETCH_HINT),
                retry_after: retry_after(response.headers(), now),
            };
            return self.done(Err(error));
        }
        let body = response.body().as_bytes();
        let keys = match &self.stage {
            Stage::Metadata => match Metadata::read(&self.api, self.version, body) {
                Ok(metadata) => {
                    return FetchStep::Send(Self {
                        stage: Stage::Keys(metadata),
                        ..self
                    });
                }
                Err(error) => Err(error),
            },
            Stage::Keys(metadata) => KeySet::read(metadata, body),
        };
        self.done(keys)
    }

    /// Ends the fetch without a response. The text of `problem` appears in logs.
    #[must_use]
    pub fn failed(self, problem: impl fmt::Display) -> Fetched {
        Fetched {
            version: self.version,
            number: self.number,
            outcome: Err(FetchError {
                hint: Some(FETCH_HINT),
                ..FetchError::new(&format!("the request for {} failed: {problem}", self.document()))
            }),
        }
    }

    /// Returns the name of the requested document.
    fn document(&self) -> &'static str {
        match self.stage {
            Stage::Metadata => "the metadata document",
            Stage::Keys(_) => "the JWKS document",
        }
    }

    fn done(self, outcome: Result<KeySet, FetchError>) -> FetchStep {
        FetchStep::Done(Fetched {
            version: self.version,
            number: self.number,
            outcome,
        })
    }
}

/// The error of a fetch of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchError {
    problem: Arc<str>,
    hint: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl FetchError {
    pub(crate) fn new(problem: &str) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// Returns the pause in the service's `Retry-After`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns advice for the administrator of the API, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint
    }

    pub(super) fn problem(&self) -> &Arc<str> {
        &self.problem
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for FetchError {}

impl Diagnose for FetchError {
    fn hint(&self) -> Option<&str> {
        self.hint()
    }
}
