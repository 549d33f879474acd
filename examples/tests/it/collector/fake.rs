//! An activity API whose responses a test determines, for what the real one does not do, or does
//! only in an outage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{Method, Response, StatusCode};

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The path below `/activity/feed`, with the query.
    pub(crate) path: String,
    pub(crate) tenant: String,
    /// The number of earlier requests for this path, with any query.
    pub(crate) before: usize,
    /// The origin of the API.
    pub(crate) origin: String,
}

impl Seen {
    /// Returns a value of the query.
    pub(crate) fn option(&self, name: &str) -> Option<String> {
        let query = self.path.split_once('?')?.1;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn is(&self, start: &str) -> bool {
        self.path.starts_with(start)
    }

    /// Returns the address of a content with this name, below the caller's tenant.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("{}/api/v1.0/{}/activity/feed/audit/{name}", self.origin, self.tenant)
    }

    /// Returns a page with contents of these names and of the requested type.
    pub(crate) fn page(&self, names: &[&str]) -> Reply {
        let content_type = self.option("contentType").unwrap_or_default();
        let items: Vec<String> = names
            .iter()
            .map(|name| {
                let uri = self.uri(name);
                format!(
                    r#"{{"contentType":"{content_type}","contentId":"{name}","contentUri":"{uri}","contentCreated":"2026-01-01T00:00:00.000Z"}}"#
                )
            })
            .collect();
        Reply::ok(format!("[{}]", items.join(",")))
    }
}

/// A response.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Returns an error response of the API.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::status(
            status,
            format!(r#"{{"error":{{"code":"{code}","message":"text of {code}"}}}}"#),
        )
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// The API. Without a response of the test, all subscriptions are enabled, and there is no content.
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(crate) fn start(respond: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Self {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        Self::counting(Duration::ZERO, &NOW, &MOST, respond)
    }

    /// Starts an API with slow responses. It counts the concurrent requests, now and at most.
    pub(crate) fn start_slow(
        now: &'static AtomicUsize,
        most: &'static AtomicUsize,
        respond: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::counting(Duration::from_millis(20), now, most, respond)
    }

    fn counting(
        wait: Duration,
        now: &'static AtomicUsize,
        most: &'static AtomicUsize,
        respond: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (origin, requests, respond) = (url.clone(), Arc::clone(&seen), Arc::new(respond));
        let handle = move |request: Request| {
            let seen = note(&request, &origin, &requests);
            let reply = respond(&seen).unwrap_or_else(|| default_reply(&seen));
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(wait).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
                for (name, value) in &reply.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        };
        // It ends with the process: after a test, nothing is sent.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, Router::new().fallback(handle)).await.unwrap();
            });
        });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the requests whose path starts with this text.
    pub(crate) fn requests(&self, start: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.is(start)).collect()
    }
}

fn note(request: &Request, origin: &str, requests: &Mutex<Vec<Seen>>) -> Seen {
    let path = request.uri().path_and_query().unwrap().as_str();
    let (head, rest) = path.split_once("/activity/feed").unwrap_or(("", path));
    let name = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let tenant = head.rsplit('/').next().unwrap_or_default().to_owned();
    let mut all = requests.lock().unwrap();
    let is_same = |seen: &&Seen| name(&seen.path) == name(rest) && seen.tenant == tenant;
    let seen = Seen {
        method: request.method().clone(),
        path: rest.to_owned(),
        before: all.iter().filter(is_same).count(),
        tenant,
        origin: origin.to_owned(),
    };
    all.push(seen.clone());
    seen
}

fn default_reply(seen: &Seen) -> Reply {
    if seen.is("/subscriptions/list") {
        let types = ["AzureActiveDirectory", "Exchange", "SharePoint", "General"];
        let items = types.map(|name| format!(r#"{{"contentType":"Audit.{name}","status":"enabled","webhook":null}}"#));
        return Reply::ok(format!("[{}]", items.join(",")));
    }
    if seen.is("/subscriptions/") {
        return Reply::ok("[]");
    }
    if seen.is("/audit/") {
        let name = seen
            .path
            .trim_start_matches("/audit/")
            .split('?')
            .next()
            .unwrap_or_default();
        return Reply::ok(record_list(&[name]));
    }
    Reply::error(404, "AF20050")
}

/// Returns a list of records with these IDs.
pub(crate) fn record_list(ids: &[&str]) -> String {
    let records: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"CreationTime":"2026-01-31T10:00:00","Id":"{id}","Operation":"x"}}"#))
        .collect();
    format!("[{}]", records.join(",\r\n "))
}
