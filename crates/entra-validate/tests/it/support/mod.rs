//! A fake cloud for tests: its keys, its documents and its tokens.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::{EndpointVersion, Guid, Timestamp};
use entra_transport::{Body, Request, Response, TransportError};
use entra_validate::{Api, Audience, FetchStep, KeyCache, KeySet, Lookup, Permissions, Step, Tenants};
use http::StatusCode;
use serde_json::{Map, Value, json};

pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub(crate) const OTHER_TENANT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
pub(crate) const API: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
pub(crate) const DAEMON: &str = "22223333-cccc-4444-dddd-5555eeee6666";
pub(crate) const OBJECT: &str = "33334444-dddd-5555-eeee-6666ffff7777";

/// A key pair with its `kid`.
pub(crate) struct Key {
    pub(crate) kid: String,
    pair: KeyPair,
}

pub(crate) static KEYS: LazyLock<[Key; 3]> = LazyLock::new(|| {
    ["first", "second", "third"].map(|kid| Key {
        kid: kid.to_owned(),
        pair: KeyPair::generate(KeySize::Rsa2048).expect("the system has random bytes"),
    })
});

impl Key {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("it signs");
        signature
    }

    /// Returns the entry of a JWKS document.
    pub(crate) fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "cloud_instance_name": "microsoftonline.com",
        })
    }

    pub(crate) fn public_der(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}

/// A token to be changed and signed. It is valid at first.
#[derive(Clone)]
pub(crate) struct Forge {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    key: usize,
}

/// Returns a v2 token of a daemon.
pub(crate) fn daemon() -> Forge {
    Forge {
        header: object(json!({"typ": "JWT", "alg": "RS256", "kid": "first"})),
        claims: object(json!({
            "aud": API, "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "iat": NOW - 60, "nbf": NOW - 60,
            "exp": NOW + 3840, "aio": "k2RgYPj/", "azp": DAEMON, "azpacr": "1", "idtyp": "app", "oid": OBJECT, "rh": "1.AW",
            "roles": ["ToDoList.Read.All", "ToDoList.ReadWrite.All"], "sub": OBJECT, "tid": TENANT, "uti": "x", "ver": "2.0",
        })),
        key: 0,
    }
}

/// Returns a v1 token of a daemon.
pub(crate) fn daemon_v1() -> Forge {
    daemon()
        .without("azp")
        .without("azpacr")
        .with("appid", DAEMON)
        .with("ver", "1.0")
        .with("aud", format!("api://{API}"))
        .with("iss", format!("https://sts.windows.net/{TENANT}/"))
}

/// Returns a v2 token of a user.
pub(crate) fn user() -> Forge {
    daemon()
        .without("idtyp")
        .without("roles")
        .with("scp", "ToDoList.Read ToDoList.ReadWrite")
        .with("sub", "0LXZCYyFvBZvLW2D5p0rC0u3cCpE4xNQkhJb7D5Lb0E")
        .with("preferred_username", "ada@contoso.com")
}

impl Forge {
    pub(crate) fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(claim.to_owned(), value.into());
        self
    }

    pub(crate) fn without(mut self, claim: &str) -> Self {
        self.claims.remove(claim);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs with this key, without changing `kid`.
    pub(crate) fn signed_by(mut self, key: usize) -> Self {
        self.key = key;
        self
    }

    /// Signs with this key, and sets `kid` to it.
    pub(crate) fn of_key(self, key: usize) -> Self {
        self.header("kid", KEYS[key].kid.as_str()).signed_by(key)
    }

    pub(crate) fn sign(&self) -> String {
        sign(
            &Value::from(self.header.clone()).to_string(),
            &Value::from(self.claims.clone()).to_string(),
            self.key,
        )
    }

    /// Signs after changing the text of the payload.
    pub(crate) fn sign_raw(&self, change: impl FnOnce(&str) -> String) -> String {
        let payload = change(&Value::from(self.claims.clone()).to_string());
        sign(&Value::from(self.header.clone()).to_string(), &payload, self.key)
    }
}

pub(crate) fn sign(header: &str, payload: &str, key: usize) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = KEYS[key].sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

pub(crate) fn guid(text: &str) -> Guid {
    text.parse().expect("it is a GUID")
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_secs(NOW)
}

/// Returns an API that the daemons and users of one tenant may call.
pub(crate) fn api() -> Api {
    api_for(Tenants::One(guid(TENANT)))
}

pub(crate) fn api_for(tenants: Tenants) -> Api {
    let permissions =
        Permissions::any_of(["ToDoList.Read", "ToDoList.Other"], ["ToDoList.Read.All"]).expect("they are sound");
    Api::new(Audience::app(guid(API).into()), tenants, permissions).expect("the settings are valid")
}

/// The responses of the cloud, and the requests that it got.
#[derive(Clone)]
pub(crate) struct Cloud(Arc<Mutex<State>>);

struct State {
    keys: Vec<Value>,
    metadata: Map<String, Value>,
    failure: Option<(StatusCode, Option<String>)>,
    requests: Vec<String>,
}

impl Cloud {
    /// Creates a cloud that publishes the first key.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            keys: vec![KEYS[0].jwk()],
            metadata: Map::new(),
            failure: None,
            requests: Vec::new(),
        })))
    }

    pub(crate) fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        self.change(|state| state.keys = keys.into_iter().collect());
    }

    /// Sets a member of each metadata document.
    pub(crate) fn metadata(&self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        self.change(|state| drop(state.metadata.insert(name.to_owned(), value)));
    }

    pub(crate) fn fail(&self, status: u16, retry_after: Option<&str>) {
        let status = StatusCode::from_u16(status).expect("it is a status");
        self.change(|state| state.failure = Some((status, retry_after.map(str::to_owned))));
    }

    pub(crate) fn recover(&self) {
        self.change(|state| state.failure = None);
    }

    /// Returns the addresses of the requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0
            .lock()
            .expect("no test panics while it holds the lock")
            .requests
            .clone()
    }

    /// Returns the number of fetches of keys, with failed ones.
    pub(crate) fn fetches(&self) -> usize {
        self.requests()
            .iter()
            .filter(|uri| uri.contains("openid-configuration"))
            .count()
    }

    pub(crate) fn respond(&self, request: &Request) -> Response {
        assert_eq!(request.method(), "GET");
        assert!(request.headers().get("authorization").is_none() && request.body().is_empty());
        let mut state = self.0.lock().expect("no test panics while it holds the lock");
        let uri = request.uri().to_string();
        state.requests.push(uri.clone());
        if let Some((status, retry_after)) = &state.failure {
            let mut response = Response::new(Body::default());
            *response.status_mut() = *status;
            if let Some(retry_after) = retry_after {
                response
                    .headers_mut()
                    .insert("retry-after", retry_after.parse().expect("it is a header"));
            }
            return response;
        }
        let document = if uri.contains("openid-configuration") {
            let path = request.uri().path();
            let tenant = path
                .split('/')
                .nth(1)
                .unwrap_or_default()
                .replace("common", "{tenantid}");
            let mut document = if path.contains("/v2.0/") {
                json!({
                    "issuer": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
                    "jwks_uri": "https://login.microsoftonline.com/common/discovery/v2.0/keys",
                })
            } else {
                json!({
                    "issuer": format!("https://sts.windows.net/{tenant}/"),
                    "jwks_uri": "https://login.windows.net/common/discovery/keys",
                })
            };
            document["cloud_instance_name"] = json!("microsoftonline.com");
            for (name, value) in &state.metadata {
                document[name] = value.clone();
            }
            document
        } else {
            json!({"keys": state.keys})
        };
        Response::new(Body::from(document.to_string()))
    }

    /// Returns a transport to the cloud.
    pub(crate) fn transport(&self) -> impl entra_transport::Transport + use<> {
        let cloud = self.clone();
        entra_transport::transport_fn(move |request: Request| {
            let cloud = cloud.clone();
            async move { Ok::<_, TransportError>(cloud.respond(&request)) }
        })
    }

    /// Returns the keys of this cloud for one version.
    pub(crate) fn keys(&self, api: &Api, version: EndpointVersion) -> KeySet {
        let mut cache = KeyCache::new(api);
        let Lookup::Fetch(mut fetch) = cache.lookup(version, "", now()) else {
            panic!("an empty cache fetches");
        };
        let fetched = loop {
            let response = self.respond(&fetch.request());
            match fetch.respond(&response, now()) {
                FetchStep::Send(next) => fetch = next,
                FetchStep::Done(fetched) => break fetched,
            }
        };
        assert_eq!(fetched.error(), None);
        cache.complete(fetched, now());
        match cache.lookup(version, "", now()) {
            Lookup::Ready(keys) => keys,
            other => panic!("{other:?}"),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().expect("no test panics while it holds the lock"));
    }
}

/// Validates without a driver, with keys of this cloud.
pub(crate) fn validate_at(
    api: &Api,
    cloud: &Cloud,
    token: &str,
    at: u64,
) -> Result<entra_validate::Principal, entra_validate::Rejection> {
    match api.start(token, Timestamp::from_secs(at)) {
        Step::Done(verdict) => verdict,
        Step::NeedKeys(needs) => {
            let keys = cloud.keys(api, needs.version());
            needs.judge(&keys)
        }
    }
}

pub(crate) fn validate(api: &Api, token: &str) -> Result<entra_validate::Principal, entra_validate::Rejection> {
    validate_at(api, &Cloud::new(), token, NOW)
}

/// A clock that stands still until a test moves it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Mutex<Timestamp>>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(now())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().expect("no test panics while it holds the lock");
        *now = now.plus(by);
    }

    pub(crate) fn secs(&self) -> u64 {
        self.0.lock().expect("no test panics while it holds the lock").as_secs()
    }

    pub(crate) fn reader(&self) -> impl Fn() -> Timestamp + Send + Sync + use<> {
        let clock = self.clone();
        move || *clock.0.lock().expect("no test panics while it holds the lock")
    }

    /// Returns a token of a daemon that is valid now.
    pub(crate) fn token(&self, key: usize) -> String {
        let now = self.secs();
        daemon()
            .with("exp", now + 3600)
            .with("nbf", now - 60)
            .with("iat", now - 60)
            .of_key(key)
            .sign()
    }
}
