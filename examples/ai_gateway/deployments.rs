//! The deployments, and the pauses that they asked for.

use std::str::FromStr;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use entra_proto::acquire::{MAX_RETRY_AFTER, retry_after};
use entra_proto::endpoint::Origin;
use http::{HeaderMap, StatusCode, Uri};

/// The URL of a deployment, without a query.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) origin: Origin,
    path: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "is not a URL".to_owned())?;
        if uri.query().is_some() {
            return Err("has a query: leave it out, since callers send the version of the API".to_owned());
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        if path.is_empty() {
            return Err("names no deployment: write https://HOST/openai/deployments/NAME".to_owned());
        }
        let origin = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or_default(),
            uri.authority().map(|authority| authority.as_str()).unwrap_or_default()
        );
        let origin = origin.parse().map_err(|error: entra_proto::Error| error.to_string())?;
        Ok(Self { origin, path })
    }
}

/// The deployments of one model, in the order of preference.
#[derive(Debug)]
pub(crate) struct Deployments(Vec<Deployment>);

impl Deployments {
    pub(crate) fn new(addresses: &[Address]) -> Self {
        let all = addresses.iter().zip(1..).map(|(address, number)| Deployment {
            number,
            url: format!("{}{}", address.origin.as_str(), address.path),
            pause: Mutex::new(None),
        });
        Self(all.collect())
    }

    /// Returns the deployments that take requests at this time.
    pub(crate) fn ready(&self, now: Instant) -> impl Iterator<Item = &Deployment> {
        self.0.iter().filter(move |deployment| deployment.wait(now).is_zero())
    }

    /// Describes the state in which no deployment took a request: the status for the caller, and
    /// the time until the first of them takes requests again.
    pub(crate) fn busy(&self, now: Instant) -> (StatusCode, Duration) {
        let wait = self.0.iter().map(|deployment| deployment.wait(now)).min();
        let is_throttled = self.0.iter().any(|deployment| deployment.is_throttled(now));
        let status = match is_throttled {
            true => StatusCode::TOO_MANY_REQUESTS,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, wait.unwrap_or_default())
    }
}

/// A deployment.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// Its place among the options, from 1.
    pub(crate) number: usize,
    /// The address, without a slash at the end.
    pub(crate) url: String,
    pause: Mutex<Option<Pause>>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    is_throttled: bool,
}

impl Deployment {
    /// Records that the deployment could not be reached, and returns the length of its pause.
    pub(crate) fn unreachable(&self, now: Instant) -> Duration {
        self.pause_until(now + WITHOUT_CONNECTION, false);
        WITHOUT_CONNECTION
    }

    /// Records a response. If another deployment is to take over, returns the length of the pause,
    /// which is zero if one request alone has failed.
    pub(crate) fn record(&self, status: StatusCode, headers: &HeaderMap, now: Instant) -> Option<Duration> {
        let default = match status {
            StatusCode::TOO_MANY_REQUESTS => WITHOUT_HEADER,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                WITHOUT_CONNECTION
            }
            // It may be the request that fails, and the same request fails everywhere.
            StatusCode::INTERNAL_SERVER_ERROR => Duration::ZERO,
            _ => return None,
        };
        let pause = requested(headers).unwrap_or(default);
        self.pause_until(now + pause, status == StatusCode::TOO_MANY_REQUESTS);
        Some(pause)
    }

    fn pause_until(&self, until: Instant, is_throttled: bool) {
        let mut pause = self.pause();
        // The response to an earlier request must not end a longer pause.
        if pause.is_none_or(|pause| pause.until < until) {
            *pause = Some(Pause { until, is_throttled });
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        self.pause()
            .map_or(Duration::ZERO, |pause| pause.until.saturating_duration_since(now))
    }

    fn is_throttled(&self, now: Instant) -> bool {
        self.pause()
            .is_some_and(|pause| pause.is_throttled && pause.until >= now)
    }

    fn pause(&self) -> MutexGuard<'_, Option<Pause>> {
        self.pause.lock().expect("no code panics while it holds the lock")
    }
}

/// Returns the pause that a response asks for: in milliseconds (`retry-after-ms`), which Azure
/// OpenAI adds because it is more precise, or in seconds or as a date (`Retry-After`).
fn requested(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds = headers
        .get("retry-after-ms")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match milliseconds {
        Some(milliseconds) => Some(Duration::from_millis(milliseconds).min(MAX_RETRY_AFTER)),
        None => retry_after(headers, entra_transport::now()),
    }
}

/// The pause after a 429 that names none.
const WITHOUT_HEADER: Duration = Duration::from_secs(10);
/// The pause of a deployment that is down, unless it names another.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_static(value))
        });
        lines.collect()
    }

    fn two() -> Deployments {
        let address = |text: &str| text.parse().unwrap();
        Deployments::new(&[address("https://east.example/a"), address("https://west.example/b/")])
    }

    fn numbers(deployments: &Deployments, now: Instant) -> Vec<usize> {
        deployments.ready(now).map(|deployment| deployment.number).collect()
    }

    #[test]
    fn pause_is_the_one_that_the_response_asks_for() {
        for (status, lines, seconds) in [
            (429, &[("retry-after", "30")][..], Some(30.0)),
            (429, &[("retry-after-ms", "1500"), ("retry-after", "2")], Some(1.5)),
            (429, &[("retry-after-ms", "soon"), ("retry-after", "2")], Some(2.0)),
            (429, &[("retry-after-ms", "18446744073709551615")], Some(3600.0)),
            (429, &[("retry-after", "86400")], Some(3600.0)),
            (429, &[("retry-after", "-1")], Some(0.0)),
            (429, &[], Some(10.0)),
            (503, &[("retry-after", "7")], Some(7.0)),
            (503, &[], Some(5.0)),
            (502, &[], Some(5.0)),
            (504, &[], Some(5.0)),
            (500, &[], Some(0.0)),
            (500, &[("retry-after", "3")], Some(3.0)),
            (200, &[("retry-after", "3")], None),
            (400, &[], None),
            (404, &[], None),
        ] {
            let (deployments, now) = (two(), Instant::now());
            let status = StatusCode::from_u16(status).unwrap();
            let pause = deployments.0[0].record(status, &headers(lines), now);
            let expected = seconds.map(Duration::from_secs_f64);
            assert_eq!(pause, expected, "{status} {lines:?}");
            let is_paused = expected.is_some_and(|pause| !pause.is_zero());
            let ready = if is_paused { vec![2] } else { vec![1, 2] };
            assert_eq!(numbers(&deployments, now), ready, "{status} {lines:?}");
            assert_eq!(numbers(&deployments, now + expected.unwrap_or_default()), [1, 2]);
        }
    }

    #[test]
    fn longer_pause_is_kept() {
        let (deployments, now) = (two(), Instant::now());
        let first = &deployments.0[0];
        first.record(StatusCode::TOO_MANY_REQUESTS, &headers(&[("retry-after", "30")]), now);
        first.record(StatusCode::SERVICE_UNAVAILABLE, &headers(&[("retry-after", "1")]), now);
        assert_eq!(first.wait(now), Duration::from_secs(30));
        first.unreachable(now + Duration::from_secs(29));
        assert_eq!(first.wait(now), Duration::from_secs(34));
    }

    #[test]
    fn busy_deployments_ask_for_the_smaller_pause() {
        let (deployments, now) = (two(), Instant::now());
        let [first, second] = &deployments.0[..] else { panic!() };
        first.unreachable(now);
        second.unreachable(now + Duration::from_secs(1));
        let unavailable = (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(5));
        assert_eq!(deployments.busy(now), unavailable);
        second.record(StatusCode::TOO_MANY_REQUESTS, &headers(&[("retry-after", "30")]), now);
        let throttled = (StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(5));
        assert_eq!(deployments.busy(now), throttled);
    }

    #[test]
    fn address_names_a_deployment() {
        for text in [
            "https://east.example",
            "https://east.example/",
            "https://east.example/a?api-version=1",
            "east.example/a",
            "/a",
            "https://user:canary@east.example/a",
            "",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
        assert_eq!(two().0[1].url, "https://west.example/b");
    }
}
