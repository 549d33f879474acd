//! The emulator's corpus of access tokens. The code that generates it is independent of this crate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use entra_proto::{ClientId, Cloud, EndpointVersion, Timestamp};
use entra_validate::{Api, Audience, KeySet, Metadata, Permissions, Principal, Rejection, Step, Tenants};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Corpus {
    now: u64,
    leeway: u64,
    apis: BTreeMap<String, Settings>,
    documents: BTreeMap<String, Value>,
    tokens: Vec<Row>,
}

#[derive(Deserialize)]
struct Settings {
    audiences: Vec<String>,
    tenants: Option<Vec<String>>,
    callers: Option<Vec<String>>,
    scopes: Vec<String>,
    roles: Vec<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    api: String,
    verdict: String,
    rule: Option<String>,
    token: Vec<Piece>,
    principal: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Repeat { repeat: String, times: usize },
}

impl Row {
    fn text(&self) -> String {
        let pieces = self.token.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Repeat { repeat, times } => repeat.repeat(*times),
        });
        pieces.collect()
    }
}

/// Returns the path of the corpus in the emulator's crate, which is beside this one: in the
/// workspace, or unpacked from its archive.
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

fn corpus() -> Corpus {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

/// Returns the API with the keys of each version.
fn api(corpus: &Corpus, settings: &Settings) -> (Api, Vec<(EndpointVersion, KeySet)>) {
    let tenants = match settings.tenants.as_deref() {
        None => Tenants::Any,
        Some([one]) => Tenants::One(one.parse().unwrap()),
        Some(some) => Tenants::any_of(some.iter().map(|id| id.parse().unwrap())),
    };
    let permissions = Permissions::any_of(&settings.scopes, &settings.roles).unwrap();
    let mut api = Api::new(Audience::any_of(&settings.audiences).unwrap(), tenants, permissions).unwrap();
    let origin = settings.metadata["2.0"]
        .split('/')
        .take(3)
        .collect::<Vec<_>>()
        .join("/");
    api = api.with_cloud(Cloud::at(&origin).unwrap()).unwrap();
    api = api.with_skew(std::time::Duration::from_secs(corpus.leeway)).unwrap();
    if let Some(callers) = &settings.callers {
        api = api
            .with_callers(callers.iter().map(|id| id.parse::<ClientId>().unwrap()))
            .unwrap();
    }
    let mut keys = Vec::new();
    for (name, version) in [("1.0", EndpointVersion::V1), ("2.0", EndpointVersion::V2)] {
        let Some(url) = settings.metadata.get(name) else {
            continue;
        };
        assert_eq!(*url, api.metadata_url(version));
        let metadata = Metadata::read(&api, version, corpus.documents[url].to_string().as_bytes()).unwrap();
        let document = corpus.documents[&metadata.jwks_uri().to_string()].to_string();
        keys.push((version, KeySet::read(&metadata, document.as_bytes()).unwrap()));
    }
    (api, keys)
}

fn judge(api: &Api, keys: &[(EndpointVersion, KeySet)], token: &str, now: Timestamp) -> Result<Principal, Rejection> {
    match api.start(token, now) {
        Step::Done(verdict) => verdict,
        Step::NeedKeys(needs) => {
            let (_, keys) = keys.iter().find(|(version, _)| *version == needs.version()).unwrap();
            needs.judge(keys)
        }
    }
}

fn shown(principal: &Principal) -> Value {
    let (kind, blueprint) = match principal {
        Principal::App(_) => ("application", None),
        Principal::User(_) => ("user", None),
        Principal::Agent(agent) => ("agent", agent.blueprint),
        _ => unreachable!("there are three kinds"),
    };
    json!({
        "kind": kind,
        "tenant": principal.tenant().to_string(),
        "object": principal.object_id().to_string(),
        "application": principal.application().to_string(),
        "blueprint": blueprint.map(|id| id.to_string()),
        "scopes": principal.scopes().collect::<Vec<_>>(),
        "roles": principal.roles().collect::<Vec<_>>(),
    })
}

#[test]
fn corpus_has_the_expected_verdicts() {
    let corpus = corpus();
    let now = Timestamp::from_secs(corpus.now);
    let mut wrong = Vec::new();
    for row in &corpus.tokens {
        let (api, keys) = api(&corpus, &corpus.apis[&row.api]);
        let found = match judge(&api, &keys, &row.text(), now) {
            Ok(principal) => ("accept".to_owned(), None, Some(shown(&principal))),
            Err(rejection) => {
                let rule = rejection.rule().map(|rule| rule.name().to_owned());
                (rejection.status().as_u16().to_string(), rule, None)
            }
        };
        let expected = (row.verdict.clone(), row.rule.clone(), row.principal.clone());
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}", row.name));
        }
    }
    assert_eq!(corpus.tokens.len(), 267);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
