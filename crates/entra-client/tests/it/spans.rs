//! Logs: spans with tenant, target, source, correlation ID and AADSTS code, and never a secret or a
//! token.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::ConsentFlow;
use entra_proto::authorize::Redirect;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::users::{assertion, field, jwt, uri, user};
use crate::support::{Reply, Service, Stage, api, pass, record_traces, seconds, settle};

/// A subscriber that records the fields of each span, and all text.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spans: Vec<(&'static str, BTreeMap<&'static str, String>)>,
    text: String,
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        let mut state = self.0.lock().unwrap();
        state.spans.push((span.metadata().name(), fields));
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let at = span.into_u64() as usize - 1;
        values.record(&mut Fields(&mut self.0.lock().unwrap().spans[at].1));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        writeln!(self.0.lock().unwrap().text, "{fields:?}").unwrap();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Log {
    /// Returns the text of all events.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().text.clone()
    }

    /// Returns the fields of the spans of tokens, in the order in which they began.
    fn tokens(&self) -> Vec<BTreeMap<&'static str, String>> {
        let state = self.0.lock().unwrap();
        let ours = state.spans.iter().filter(|(name, _)| *name == "entra.token");
        ours.map(|(_, fields)| fields.clone()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn span_names_the_source_of_a_token() {
    let log = Log::default();
    let _guard = record_traces(log.clone());
    let rejection =
        r#"{"error":"invalid_client","error_codes":[70002,7000215],"error_description":"canary-secret was wrong"}"#;
    let replies = [Reply::Token("canary-token", 3600, ""), Reply::body(401, rejection)];
    let stage = Stage::new(Service::replies(&replies));
    let token = stage.client.token(&api("graph")).await.unwrap();
    stage.client.token(&api("graph")).await.unwrap();
    stage.client.token(&api("other")).await.unwrap_err();

    let spans = log.tokens();
    assert_eq!(spans.len(), 3, "{spans:?}");
    for (span, target) in spans.iter().zip(["graph", "graph", "other"]) {
        assert_eq!(
            (span["tenant"].as_str(), span["target"].as_str()),
            ("contoso.com", &*format!("https://{target}.example"))
        );
    }
    let id = token.request_id().unwrap().to_string();
    assert_eq!(
        (spans[0]["source"].as_str(), &spans[0]["correlation_id"]),
        ("network", &id)
    );
    assert_eq!(spans[1]["source"], "cache");
    assert_eq!(
        (spans[2]["source"].as_str(), spans[2]["code"].as_str()),
        ("network", "7000215")
    );

    let state = log.0.lock().unwrap();
    let all = format!("{:?} {}", state.spans, state.text);
    assert!(all.contains("AADSTS7000215"), "{all}");
    assert!(!all.contains("canary"), "{all}");
}

/// Codes, states, verifiers, assertions, and the tokens of users, in every flow.
#[tokio::test(start_paused = true)]
async fn no_secret_of_a_user_is_logged() {
    let log = Log::default();
    let _guard = record_traces(log.clone());
    let refresh_token = r#","refresh_token":"canary-refresh""#;
    // An ID token of an authorization code would have to carry the nonce.
    let both: &str = format!("{refresh_token},\"id_token\":\"{}\"", jwt(r#"{"name":"canary"}"#)).leak();
    let rejection = r#"{"error":"invalid_grant","error_codes":[70000],"error_description":"no canary-gone"}"#;
    let access = jwt(r#"{"tid":"41463f53-8812-40f4-890f-865bf6e35190","name":"canary"}"#);
    let stage = Stage::new(Service::new(move |_, seen| {
        let reply = if seen.form.iter().any(|(_, value)| value == "canary-gone") {
            Reply::body(400, rejection)
        } else if seen.path.ends_with("/devicecode") {
            Reply::body(
                200,
                r#"{"device_code":"canary-device","user_code":"canary-user","verification_uri":"https://microsoft.com/devicelogin","expires_in":900}"#,
            )
        } else {
            let by_code = seen.value("grant_type") == Some("authorization_code");
            Reply::Token(access, 3600, if by_code { refresh_token } else { both })
        };
        (Duration::ZERO, reply)
    }));
    let flow = ConsentFlow::new(&stage.client, api("graph"), uri()).unwrap();
    let (_, pending) = flow.start().unwrap();
    let redirect = |code: &str| Redirect::from_query(&format!("code={code}&state={}", pending.state())).unwrap();
    let sign_in = flow.finish(&pending, &redirect("canary-code")).await.unwrap().sign_in;
    flow.finish(&pending, &redirect("canary-gone")).await.unwrap_err();
    let someone = sign_in.unwrap().user.unwrap();
    stage.client.user(&someone).token(&api("mail")).await.unwrap();
    stage
        .client
        .user(&user("canary-gone"))
        .token(&api("mail"))
        .await
        .unwrap_err();
    stage
        .client
        .on_behalf_of(&assertion("canary-assertion"))
        .token(&api("mail"))
        .await
        .unwrap();
    stage
        .client
        .on_behalf_of(&assertion("canary-gone"))
        .token(&api("mail"))
        .await
        .unwrap_err();
    stage.client.device_code(&api("graph"), |_| {}).await.unwrap();
    stage.client.forget_user(&someone);

    let state = log.0.lock().unwrap();
    let all = format!("{:?} {}", state.spans, state.text);
    assert!(all.contains("AADSTS70000") && state.spans.len() > 6, "{all}");
    let stored = ["state", "nonce", "code_verifier"].map(|name| field(&pending.expose(), name));
    for secret in stored.iter().map(String::as_str).chain(["canary", "eyJ"]) {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn failed_background_refresh_is_reported_in_its_span() {
    let log = Log::default();
    let _guard = record_traces(log.clone());
    let replies = [Reply::Token("t", 3600, r#","refresh_in":1800"#), Reply::status(400)];
    let stage = Stage::new(Service::replies(&replies));
    stage.client.token(&api("graph")).await.unwrap();
    pass(seconds(1800)).await;
    stage.client.token(&api("graph")).await.unwrap();
    settle().await;
    assert!(
        log.0
            .lock()
            .unwrap()
            .text
            .contains("no token for https://graph.example")
    );
    assert_eq!(
        log.tokens()
            .iter()
            .filter(|span| span.get("source").is_some_and(|source| source == "network"))
            .count(),
        2
    );
}
