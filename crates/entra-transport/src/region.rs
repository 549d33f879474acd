//! The search for the region of the machine, over a transport.

use std::env;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use entra_proto::environment::EnvironmentError;
use entra_proto::regions::{RegionOutcome, RegionQuery, RegionSetting, RegionStep};

use crate::{BlockingTransport, Response, Transport};

/// Finds the region that a setting, the environment or the machine names. `sleep` is that of the
/// runtime, such as `tokio::time::sleep`.
///
/// Only [`RegionSetting::Detect`] may send requests, to the instance metadata service, for at most
/// [`RegionQuery::LIMIT`]. Their result is that of the whole process, even if no region was found:
/// later searches send nothing. A failure is no error. Log the outcome's
/// [warnings](RegionOutcome::warnings), and use the global endpoint.
///
/// ```
/// use entra_proto::Authority;
/// use entra_proto::regions::RegionSetting;
/// use entra_transport::{Report, Transport, find_region};
///
/// # async fn sleep(_: std::time::Duration) {}
/// async fn regional(
///     authority: Authority,
///     transport: &dyn Transport,
/// ) -> Result<Authority, Report> {
///     let setting = RegionSetting::read(|name| std::env::var_os(name))?;
///     let found = find_region(&setting, transport, sleep).await?;
///     Ok(match found.region() {
///         Some(region) => authority.with_region(region.clone())?,
///         None => authority,
///     })
/// }
/// ```
///
/// # Errors
/// Returns an error if a variable that the program has to obey is invalid: see
/// [`RegionSetting::resolve`].
pub async fn find_region<S, F>(
    setting: &RegionSetting,
    transport: &(impl Transport + ?Sized),
    sleep: S,
) -> Result<RegionOutcome, EnvironmentError>
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let query = match first(setting)? {
        Ok(query) => query,
        Err(outcome) => return Ok(outcome),
    };
    let outcome = search(query, transport, sleep).await;
    Ok(DETECTED.get_or_init(|| outcome).clone())
}

/// Finds the region as [`find_region`] does, and blocks the thread until then.
///
/// `transport` is owned, since a request that exceeds the limit ends on its own thread.
///
/// # Errors
/// Returns the errors of [`find_region`].
pub fn find_region_blocking(
    setting: &RegionSetting,
    transport: impl BlockingTransport + 'static,
) -> Result<RegionOutcome, EnvironmentError> {
    let query = match first(setting)? {
        Ok(query) => query,
        Err(outcome) => return Ok(outcome),
    };
    let outcome = search_blocking(query, Arc::new(transport), RegionQuery::LIMIT);
    Ok(DETECTED.get_or_init(|| outcome).clone())
}

/// Returns the region that a search of this process has found on the machine. `None` if no search
/// sent requests and ended.
#[must_use]
pub fn detected_region() -> Option<RegionOutcome> {
    DETECTED.get().cloned()
}

/// Returns the first query, or the outcome if no request is necessary.
fn first(setting: &RegionSetting) -> Result<Result<RegionQuery, RegionOutcome>, EnvironmentError> {
    Ok(match setting.resolve(|name| env::var_os(name))? {
        RegionStep::Done(outcome) => Err(outcome),
        RegionStep::Ask(query) => DETECTED.get().map_or(Ok(query), |known| Err(known.clone())),
    })
}

async fn search<S, F>(mut query: RegionQuery, transport: &(impl Transport + ?Sized), sleep: S) -> RegionOutcome
where
    S: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let mut limit = pin!(sleep(RegionQuery::LIMIT));
    loop {
        let (delay, request) = (query.delay(), query.request());
        let exchange = pin!(async {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            transport.send(request).await.ok()
        });
        let response = unless(limit.as_mut(), exchange).await.flatten();
        query = match next(query, response) {
            RegionStep::Ask(next) => next,
            RegionStep::Done(outcome) => return outcome,
        };
    }
}

/// Returns the output of `work`, or `None` if `limit` completes first.
async fn unless<T>(
    mut limit: Pin<&mut impl Future<Output = ()>>,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    })
    .await
}

fn search_blocking(
    mut query: RegionQuery,
    transport: Arc<impl BlockingTransport + 'static>,
    limit: Duration,
) -> RegionOutcome {
    let started = Instant::now();
    loop {
        let (delay, request, transport) = (query.delay(), query.request(), Arc::clone(&transport));
        let (done, outcome) = channel();
        // Without a thread, the channel is closed.
        let _ = thread::Builder::new().spawn(move || {
            thread::sleep(delay);
            // The receiver is gone if the request took too long.
            drop(done.send(transport.send(request).ok()));
        });
        let left = limit.saturating_sub(started.elapsed());
        let response = outcome.recv_timeout(left).ok().flatten();
        query = match next(query, response) {
            RegionStep::Ask(next) => next,
            RegionStep::Done(outcome) => return outcome,
        };
    }
}

fn next(query: RegionQuery, response: Option<Response>) -> RegionStep {
    match response {
        Some(response) => query.respond(&response),
        None => query.failed(),
    }
}

/// The result of the process.
static DETECTED: OnceLock<RegionOutcome> = OnceLock::new();

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Mutex;
    use std::task::{Context, Waker};

    use super::*;
    use crate::{Body, Request, TransportError, blocking_transport_fn, transport_fn};

    type Outcome = Result<Response, TransportError>;

    fn response(status: u16, body: &str) -> Outcome {
        let response = http::Response::builder().status(status);
        Ok(response.body(Body::from(body.to_owned())).unwrap())
    }

    fn query() -> RegionQuery {
        match RegionSetting::Detect.resolve(|_| None).unwrap() {
            RegionStep::Ask(query) => query,
            RegionStep::Done(outcome) => panic!("{outcome:?}"),
        }
    }

    /// Returns the output of a future that does not wait.
    fn output<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    /// Searches with these responses, and returns the region, the sent queries and the waits.
    fn found(responses: Vec<Outcome>) -> (Option<String>, Vec<String>, Vec<Duration>) {
        let (responses, sent) = (Mutex::new(responses.into_iter()), Mutex::new(Vec::new()));
        let transport = transport_fn(|request: Request| {
            sent.lock()
                .unwrap()
                .push(request.uri().query().unwrap_or_default().to_owned());
            ready(responses.lock().unwrap().next().expect("a response"))
        });
        let waits = Mutex::new(Vec::new());
        let outcome = output(search(query(), &transport, |time| {
            waits.lock().unwrap().push(time);
            // The first is the limit, which does not pass.
            let is_limit = waits.lock().unwrap().len() == 1;
            async move {
                if is_limit {
                    pending::<()>().await;
                }
            }
        }));
        assert_eq!(outcome.region().is_none(), !outcome.warnings().is_empty());
        let region = outcome.region().map(|region| region.as_str().to_owned());
        (region, sent.into_inner().unwrap(), waits.into_inner().unwrap())
    }

    #[test]
    fn every_query_of_a_search_is_sent() {
        let two = Duration::from_secs(2);
        let usual = "api-version=2021-02-01";
        let document = |name: &str| response(200, &format!(r#"{{"location":"{name}"}}"#));
        let newest = || response(400, r#"{"newest-versions":["2030-01-01","2021-02-01"]}"#);
        assert_eq!(
            found(vec![document("westeurope")]),
            (Some("westeurope".to_owned()), vec![usual.to_owned()], vec![two])
        );
        let (region, sent, _) = found(vec![newest(), newest(), document("eastus")]);
        assert_eq!(region.as_deref(), Some("eastus"));
        assert_eq!(sent, [usual, "", "api-version=2030-01-01"]);
        let (region, sent, waits) = found(vec![response(500, ""), document("eastus")]);
        assert_eq!((region.as_deref(), sent.len()), (Some("eastus"), 2));
        assert_eq!(waits, [two, Duration::from_secs(1)]);
        for failure in [
            response(404, ""),
            document("evil.example"),
            Err(TransportError::not_connected()),
        ] {
            let (region, sent, _) = found(vec![failure]);
            assert_eq!((region, sent.len()), (None, 1));
        }
    }

    #[test]
    fn search_ends_at_its_limit() {
        // The limit passes at once.
        let silent = transport_fn(|_| pending::<Outcome>());
        let outcome = output(search(query(), &silent, |_| ready(())));
        assert!(outcome.region().is_none() && outcome.warnings().len() == 1);

        let (release, forever) = channel::<()>();
        let forever = Mutex::new(forever);
        let silent = blocking_transport_fn(move |_| {
            let _ = forever.lock().unwrap().recv();
            response(200, r#"{"location":"westeurope"}"#)
        });
        let outcome = search_blocking(query(), Arc::new(silent), Duration::from_millis(50));
        assert!(outcome.region().is_none() && outcome.warnings().len() == 1);
        drop(release);
    }

    #[test]
    fn result_is_that_of_the_process() {
        let detect = RegionSetting::Detect;
        let failing = transport_fn(|_| ready(response(404, "")));
        assert!(
            output(find_region(&detect, &failing, |_| pending()))
                .unwrap()
                .region()
                .is_none()
        );
        // The failure counts, and nothing is sent.
        let unused = transport_fn(|_| async { panic!("a request is sent") });
        assert!(
            output(find_region(&detect, &unused, |_| pending()))
                .unwrap()
                .region()
                .is_none()
        );
        let unused = blocking_transport_fn(|_| panic!("a request is sent"));
        let outcome = find_region_blocking(&detect, unused).unwrap();
        assert_eq!(outcome.warnings().len(), 1);
        // Other settings do not depend on the machine.
        let named = RegionSetting::Named("eastus".parse().unwrap());
        let outcome = find_region_blocking(&named, unused).unwrap();
        assert_eq!(outcome.region().unwrap().as_str(), "eastus");
    }
}
