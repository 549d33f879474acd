//! The emulator's corpus of access tokens, and validators that get their keys from it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use entra_proto::{ClientId, Cloud, Timestamp};
use entra_transport::{Body, transport_fn};
use entra_validate::{Api, Audience, Permissions, Principal, Rejection, Tenants, Validator};
use http::Response;
use serde_json::Value;

pub(crate) struct Corpus {
    text: Value,
    documents: Arc<BTreeMap<String, String>>,
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) api: String,
    pub(crate) verdict: String,
    pub(crate) rule: Option<String>,
    row: Value,
}

impl Row {
    pub(crate) fn text(&self) -> String {
        let pieces = self.row["token"].as_array().unwrap().iter();
        let pieces = pieces.map(|piece| match piece.as_str() {
            Some(text) => text.to_owned(),
            None => text(&piece["repeat"]).repeat(piece["times"].as_u64().unwrap() as usize),
        });
        pieces.collect()
    }

    pub(crate) fn object(&self) -> Option<String> {
        self.row["principal"]["object"].as_str().map(str::to_owned)
    }
}

/// The server of the signing keys.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<State>);

#[derive(Default)]
struct State {
    fetches: AtomicUsize,
    fails: AtomicBool,
    holds: AtomicBool,
}

impl Keys {
    /// Returns the number of requests so far.
    pub(crate) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// Responds to each request with status 500 from now on.
    pub(crate) fn fail(&self) {
        self.0.fails.store(true, Ordering::SeqCst);
    }

    /// Holds each response until the release.
    pub(crate) fn hold(&self) {
        self.0.holds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn release(&self) {
        self.0.holds.store(false, Ordering::SeqCst);
    }
}

impl Corpus {
    pub(crate) fn read() -> Self {
        let text: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
        let documents = text["documents"].as_object().unwrap().iter();
        let documents = documents
            .map(|(url, document)| (url.clone(), document.to_string()))
            .collect();
        Self {
            text,
            documents: Arc::new(documents),
        }
    }

    pub(crate) fn apis(&self) -> impl Iterator<Item = &str> {
        self.text["apis"].as_object().unwrap().keys().map(String::as_str)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        self.text["tokens"].as_array().unwrap().iter().map(|row| Row {
            name: text(&row["name"]),
            api: text(&row["api"]),
            verdict: text(&row["verdict"]),
            rule: row["rule"].as_str().map(str::to_owned),
            row: row.clone(),
        })
    }

    /// Returns the token with this name.
    pub(crate) fn token(&self, name: &str) -> String {
        let mut rows = self.rows();
        rows.find(|row| row.name == name)
            .unwrap_or_else(|| panic!("there is no token {name:?}"))
            .text()
    }

    /// Returns the caller of the token with this name.
    pub(crate) async fn principal(&self, name: &str) -> Result<Option<Principal>, Rejection> {
        let validator = self.validator("one_tenant", &Keys::default());
        validator.validate(&self.token(name)).await.map(Some)
    }

    pub(crate) fn api(&self, name: &str) -> Api {
        let settings = &self.text["apis"][name];
        let list = |name: &str| -> Vec<String> { settings[name].as_array().into_iter().flatten().map(text).collect() };
        let tenants = match list("tenants").as_slice() {
            [] => Tenants::Any,
            [one] => Tenants::One(one.parse().unwrap()),
            some => Tenants::any_of(some.iter().map(|id| id.parse().unwrap())),
        };
        let permissions = Permissions::any_of(list("scopes"), list("roles")).unwrap();
        let api = Api::new(Audience::any_of(list("audiences")).unwrap(), tenants, permissions).unwrap();
        let url = text(&settings["metadata"]["2.0"]);
        let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
        let api = api.with_cloud(Cloud::at(&origin).unwrap()).unwrap();
        match settings["callers"].as_array() {
            None => api,
            Some(_) => api
                .with_callers(list("callers").iter().map(|id| id.parse::<ClientId>().unwrap()))
                .unwrap(),
        }
    }

    pub(crate) fn validator(&self, api: &str, keys: &Keys) -> Validator {
        self.validator_of(self.api(api), keys)
    }

    pub(crate) fn validator_of(&self, api: Api, keys: &Keys) -> Validator {
        let now = Timestamp::from_secs(self.text["now"].as_u64().unwrap());
        let (documents, state) = (Arc::clone(&self.documents), Arc::clone(&keys.0));
        let transport = transport_fn(move |request| {
            state.fetches.fetch_add(1, Ordering::SeqCst);
            let document = documents[&request.uri().to_string()].clone();
            let state = Arc::clone(&state);
            async move {
                poll_fn(|_| match state.holds.load(Ordering::SeqCst) {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                })
                .await;
                let mut response = Response::new(Body::from(document));
                if state.fails.load(Ordering::SeqCst) {
                    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                }
                Ok(response)
            }
        });
        Validator::with_clock(api, transport, move || now)
    }
}

/// The file of the emulator's crate, which lies beside this one: in the workspace, or unpacked from
/// its archive.
fn path() -> PathBuf {
    let folders = ["entra-emulator", concat!("entra-emulator-", env!("CARGO_PKG_VERSION"))];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = folders
        .iter()
        .map(|folder| crates.join(folder).join("corpus/access-tokens.json"));
    paths
        .find(|path| path.exists())
        .expect("the crate entra-emulator beside this one")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
