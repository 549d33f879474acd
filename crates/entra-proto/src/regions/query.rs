//! Queries to the instance metadata service for the region of a machine.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use serde_json::Value;

use super::{RegionOutcome, RegionSource, RegionStep, RegionWarning};
use crate::body::{Body, MAX_RESPONSE};
use crate::environment;
use crate::managed_identity::LocalRoute;

/// A query to the instance metadata service for the region of the machine.
///
/// The caller sends the [request](Self::request) after the [delay](Self::delay), and passes the
/// result to [`respond`](Self::respond) or [`failed`](Self::failed). All queries of a search take
/// at most [`LIMIT`](Self::LIMIT) together: after that, the caller calls `failed`. The result, a
/// failure included, is valid for the whole process: search once.
///
/// ```
/// use entra_proto::regions::{RegionSetting, RegionStep};
/// use entra_proto::{Body, managed_identity::LocalRoute};
/// use http::Response;
///
/// let step = RegionSetting::Detect.resolve(|_| None)?;
/// let RegionStep::Ask(query) = step else { unreachable!() };
/// let request = query.request();
/// assert_eq!(request.uri().host(), Some("169.254.169.254"));
/// assert!(LocalRoute::of(&request).is_some());
///
/// let document = r#"{"location":"westeurope","name":"vm-1"}"#.to_owned();
/// let step = query.respond(&Response::new(Body::from(document)));
/// let RegionStep::Done(outcome) = step else { unreachable!() };
/// assert_eq!(outcome.region().map(|region| region.as_str()), Some("westeurope"));
/// # Ok::<(), entra_proto::environment::EnvironmentError>(())
/// ```
pub struct RegionQuery {
    /// The scheme, host and port of the service.
    base: String,
    version: Version,
    delay: Duration,
    /// True if a request was already sent again.
    is_retry: bool,
    warnings: Vec<RegionWarning>,
}

/// The version of the service's API that a query uses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Version {
    /// The usual version.
    Usual,
    /// None: the service rejected the usual one, and responds with those that it supports.
    Omitted,
    /// The newest version of the service.
    Newest(String),
}

impl RegionQuery {
    /// The time that all queries of a search may take together.
    pub const LIMIT: Duration = Duration::from_secs(2);

    /// Returns the first query.
    pub(super) fn start(lookup: &impl Fn(&str) -> Option<OsString>, mut warnings: Vec<RegionWarning>) -> RegionStep {
        match base(lookup) {
            Ok(base) => RegionStep::Ask(Self {
                base,
                version: Version::Usual,
                delay: Duration::ZERO,
                is_retry: false,
                warnings,
            }),
            Err(problem) => {
                warnings.push(RegionWarning::new(RegionSource::Variable(BASE), problem));
                RegionStep::Done(RegionOutcome::not_found(warnings))
            }
        }
    }

    /// Returns the request. It carries a [`LocalRoute`].
    #[must_use]
    pub fn request(&self) -> Request<Body> {
        let version = match &self.version {
            Version::Usual => Some(USUAL_VERSION),
            Version::Omitted => None,
            Version::Newest(version) => Some(version.as_str()),
        };
        let query = version.map_or_else(String::new, |version| format!("?api-version={version}"));
        let mut request = Request::new(Body::default());
        // The base and the version were checked, so that the fallback is unreachable.
        *request.uri_mut() = format!("{}{PATH}{query}", self.base).parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(METADATA, HeaderValue::from_static("true"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let route = LocalRoute::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(Self::LIMIT);
        request.extensions_mut().insert(route);
        request
    }

    /// Returns the time to wait before the request is sent.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Reads the response.
    #[must_use]
    pub fn respond(self, response: &Response<Body>) -> RegionStep {
        let (status, body) = (response.status(), response.body().as_bytes());
        if body.len() > MAX_RESPONSE {
            return self.ends(format!("sent a response longer than {MAX_RESPONSE} bytes"));
        }
        let document = || serde_json::from_slice::<Value>(body).unwrap_or_default();
        match (status, &self.version) {
            (StatusCode::OK, _) => match document().get("location").and_then(Value::as_str) {
                Some(name) => self.named(name),
                None => self.ends("sent no location of the machine"),
            },
            (StatusCode::BAD_REQUEST, Version::Usual) => self.again(Version::Omitted),
            (StatusCode::BAD_REQUEST, Version::Omitted) => match newest(&document()) {
                Some(version) => self.again(Version::Newest(version)),
                None => self.ends("supports no known version of its API"),
            },
            (status, _) if is_temporary(status) && !self.is_retry => RegionStep::Ask(Self {
                delay: RETRY_DELAY,
                is_retry: true,
                ..self
            }),
            (status, _) => self.ends(format!("responded with status {}", status.as_u16())),
        }
    }

    /// Ends the search, because no response arrived in time.
    ///
    /// The request is not sent again: a machine in Azure responds within milliseconds.
    #[must_use]
    pub fn failed(self) -> RegionStep {
        self.ends("did not respond")
    }

    fn again(self, version: Version) -> RegionStep {
        RegionStep::Ask(Self {
            version,
            delay: Duration::ZERO,
            ..self
        })
    }

    fn named(mut self, name: &str) -> RegionStep {
        RegionStep::Done(match name.parse() {
            Ok(region) => RegionOutcome::found(region, RegionSource::Imds, self.warnings),
            Err(_) => {
                self.warnings.push(RegionWarning::name(RegionSource::Imds, name));
                RegionOutcome::not_found(self.warnings)
            }
        })
    }

    fn ends(mut self, problem: impl Into<String>) -> RegionStep {
        self.warnings.push(RegionWarning::new(RegionSource::Imds, problem));
        RegionStep::Done(RegionOutcome::not_found(self.warnings))
    }
}

impl fmt::Debug for RegionQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionQuery({} {:?})", self.base, self.version)
    }
}

/// Returns the scheme, host and port of the metadata service. The variable that moves its tokens to
/// another address moves the region, too.
fn base(lookup: &impl Fn(&str) -> Option<OsString>) -> Result<String, &'static str> {
    let Some(value) = environment::text(lookup, BASE).map_err(|_| "is not UTF-8")? else {
        return Ok(USUAL_BASE.to_owned());
    };
    let uri: Uri = value.trim().parse().map_err(|_| "is not a URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("is not an absolute URL");
    };
    if authority.as_str().contains('@') {
        return Err("is a URL with a user name");
    }
    if !LocalRoute::new().allows(&uri) {
        return Err("is neither an https URL nor the address of this machine or its network");
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Returns the newest version that the service lists.
fn newest(document: &Value) -> Option<String> {
    let newest = document.pointer("/newest-versions/0")?.as_str()?;
    let is_version = newest.len() <= 20 && newest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    (is_version && !newest.is_empty()).then(|| newest.to_owned())
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 410 | 429 | 500..=599)
}

const USUAL_BASE: &str = "http://169.254.169.254";
const PATH: &str = "/metadata/instance/compute";
const USUAL_VERSION: &str = "2021-02-01";
const BASE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
const METADATA: HeaderName = HeaderName::from_static("metadata");

/// The time for connecting to a service on the same link, half of the time for the whole search.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The wait before the only second attempt. A third one would not fit into the limit.
const RETRY_DELAY: Duration = Duration::from_secs(1);
