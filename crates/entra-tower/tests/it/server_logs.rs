//! The log lines of the layers for web APIs.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use entra_tower::RequireToken;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};

use crate::corpus::{Corpus, Keys};

/// A subscriber that collects all that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl tracing::field::Visit for Log {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?}\n"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        attributes.record(&mut self.clone());
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, record: &tracing::span::Record<'_>) {
        record.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

async fn nothing(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

#[tokio::test]
async fn log_names_the_rule_and_not_the_token() {
    let corpus = Corpus::read();
    let log = Log::default();
    let _guard = record_traces(log.clone());
    let service = RequireToken::new(corpus.validator("one_tenant", &Keys::default())).layer(tower::service_fn(nothing));
    let mut sent = Vec::new();
    for name in [
        "v2 bad_signature",
        "v2 expired",
        "v2 other_audience",
        "other role",
        "v2 user",
        "v2 four_parts",
    ] {
        let token = corpus.token(name);
        let in_header = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
        let in_query = Request::get(format!("/?access_token={token}"));
        for request in [in_header, in_query] {
            let Ok(_) = service.clone().oneshot(request.body(String::new()).unwrap()).await;
        }
        sent.push(token);
    }
    let log = log.0.lock().unwrap().clone();
    for rule in [
        "rule=\"signature\"",
        "rule=\"expiry\"",
        "rule=\"audience\"",
        "rule=\"permissions\"",
        "rule=\"form\"",
    ] {
        assert!(log.contains(rule), "{rule}: {log}");
    }
    for token in sent {
        for part in token.split('.').filter(|part| part.len() > 40) {
            assert!(!log.contains(&part[8..40]), "{log}");
        }
    }
}

/// Records what this thread traces until the guard is dropped.
///
/// There is always a second subscriber. With only one, tracing asks only the thread that first
/// reaches an event whether it is recorded, and the thread of another test could switch it off for
/// all.
fn record_traces(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND);
    tracing::subscriber::set_default(subscriber)
}
