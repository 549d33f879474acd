//! A sidecar over the emulator, and an API that records its requests.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use entra_client::Client;
use entra_emulator::{Api as Registration, App, Emulator, Tenant, TokenVersion, User};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Application, Authority, ClientSecret, Cloud};
use entra_serve::{
    AllowOverrides, AllowedResources, Caller, DownstreamApi, Endpoint, EndpointBuilder, Identities, Identity, Sidecar,
};
use entra_transport_hyper::{Connector, HyperTransport};
use entra_validate::{Api, Audience, Permissions, Tenants, Validator};
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The application of the sidecar, which is an API itself, and the blueprint of an agent.
pub(super) const APP: &str = "11112222-bbbb-4333-8444-4444dddd5555";
/// A client of the application.
pub(super) const ALEX: &str = "alex@contoso.example";
pub(super) const ASSISTANT: &str = "assistant@contoso.example";
pub(super) const GRAPH: &str = Emulator::GRAPH;
pub(super) const EXCHANGE: &str = "api://AzureADTokenExchange";

/// An endpoint with a sidecar, and the parts that tests look at.
pub(super) struct Stage {
    pub(super) emulator: Emulator,
    pub(super) endpoint: Endpoint,
    pub(super) api: StubApi,
}

/// The changes of a test to the usual settings.
pub(super) struct Settings {
    pub(super) overrides: AllowOverrides,
    /// True if the application is the blueprint of an agent. Such an application has no users.
    pub(super) is_blueprint: bool,
    pub(super) endpoint: fn(EndpointBuilder) -> EndpointBuilder,
    pub(super) api: fn(DownstreamApi) -> DownstreamApi,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            overrides: AllowOverrides::default(),
            is_blueprint: false,
            endpoint: |endpoint| endpoint,
            api: |api| api,
        }
    }
}

impl Stage {
    /// Starts everything with the usual settings.
    pub(super) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// Starts everything for the blueprint of an agent, with overrides on all routes.
    pub(super) async fn blueprint() -> Self {
        Self::with(Settings {
            overrides: everywhere(),
            is_blueprint: true,
            ..Settings::default()
        })
        .await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let emulator = emulator(settings.is_blueprint);
        let cloud = Cloud::loopback(emulator.base_url()).unwrap();
        let transport = HyperTransport::builder().for_cloud(&cloud);
        let connector = Connector::new(&transport.clone().settings().unwrap()).unwrap();
        let transport = transport.build().unwrap();
        let app = application(&emulator).with_capabilities(&["cp1"]);
        let client = Client::new(app, transport.clone());
        let tenant = Tenants::One(emulator.tenant_id().parse().unwrap());
        let rules = Api::new(
            Audience::app(APP.parse().unwrap()),
            tenant,
            Permissions::any_of(["Work"], ["Work.All"]).unwrap(),
        );
        let rules = rules.unwrap().with_cloud(cloud).unwrap();
        let api = StubApi::start().await;
        let graph = |name: &str, scope: &str| {
            let api = DownstreamApi::new(name).with_base_url(&format!("{}/v1.0", api.url));
            api.unwrap().with_scopes([scope]).unwrap()
        };
        let sidecar = Sidecar::new(connector)
            .with_validator(Validator::new(rules, transport))
            .with_overrides(settings.overrides)
            .with_api((settings.api)(
                graph("me", "User.Read").with_relative_path("me").unwrap(),
            ))
            .and_then(|sidecar| {
                let app = graph("graph", "https://graph.microsoft.com/.default").with_request_app_token(true);
                sidecar.with_api((settings.api)(app))
            })
            .and_then(|sidecar| sidecar.with_api(DownstreamApi::new("bare")))
            .unwrap();
        let resources = AllowedResources::new([GRAPH, EXCHANGE]).unwrap();
        let endpoint = Endpoint::builder(Identities::new(Identity::new("app", client)), resources);
        // No process stands behind the callers of these tests.
        let endpoint = endpoint.any_user();
        let endpoint = (settings.endpoint)(endpoint).sidecar(sidecar).unwrap().build();
        Self {
            emulator,
            endpoint,
            api,
        }
    }

    /// Returns the token of a user for the application, as a client of it sends it.
    pub(super) fn user_token(&self) -> String {
        self.emulator.forge().api(APP).app("client").user(ALEX).token()
    }

    /// Returns the client ID of the agent.
    pub(super) fn agent(&self) -> &str {
        &self.emulator.app("agent").unwrap().client_id
    }

    /// Sends a request from this machine.
    pub(super) async fn send(&self, request: http::request::Builder, body: &'static str) -> Response<Bytes> {
        let request = request.header("host", "localhost:5000");
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        self.endpoint.respond(&request, &caller("127.0.0.1:50000")).await
    }

    /// Sends a `GET`, with the token of a caller if there is one.
    pub(super) async fn get(&self, uri: &str, token: Option<&str>) -> Response<Bytes> {
        self.send(bearing(Request::get(uri), token), "").await
    }

    /// Sends a `POST`, with the token of a caller if there is one.
    pub(super) async fn post(&self, uri: &str, token: Option<&str>) -> Response<Bytes> {
        self.send(bearing(Request::post(uri), token), "").await
    }

    /// Returns the claims of the token in the header for an API.
    pub(super) async fn claims(&self, uri: &str, token: Option<&str>) -> Value {
        let response = self.get(uri, token).await;
        let body = json(&response);
        assert_eq!(response.status(), 200, "{uri}: {body}");
        let header = body["authorizationHeader"].as_str().unwrap();
        claims_in(header)
    }
}

/// Returns the application of the sidecar.
pub(super) fn application(emulator: &Emulator) -> Application {
    let cloud = Cloud::loopback(emulator.base_url()).unwrap();
    let authority = Authority::new(cloud, emulator.tenant_id().parse().unwrap()).unwrap();
    Application::new(authority, APP.parse().unwrap(), ClientSecret::new("s3cret").unwrap())
}

fn emulator(is_blueprint: bool) -> Emulator {
    let uri = format!("api://{APP}");
    let own = Registration::new(&uri)
        .app_id(APP)
        .token_version(TokenVersion::V2)
        .role("Work.All")
        .scope("Work");
    let tenant = Tenant::new("contoso.example").user(User::new("Alex").user_principal_name(ALEX));
    let app = App::new("app")
        .client_id(APP)
        .secret("s3cret")
        .grant(GRAPH, "User.Read.All")
        .grant_scope(GRAPH, "User.Read");
    let agent = App::new("agent")
        .agent_of("app")
        .grant(GRAPH, "User.Read.All")
        .grant_scope(GRAPH, "User.Read");
    let assistant = User::new("Assistant").user_principal_name(ASSISTANT).agent("agent");
    let emulator = match is_blueprint {
        true => Emulator::builder()
            .tenant(tenant.user(assistant))
            .app(app.blueprint())
            .app(agent),
        false => Emulator::builder().tenant(tenant).app(app),
    };
    emulator
        .tenant(Tenant::new("fabrikam.example"))
        .api(own)
        .api(Registration::new("api://other").role("Other.All").scope("Other"))
        .app(App::new("client").grant(&uri, "Work.All").grant_scope(&uri, "Work"))
        .start()
}

/// Returns the settings that allow overrides on all routes.
pub(super) fn everywhere() -> AllowOverrides {
    let mut overrides = AllowOverrides::default();
    overrides.get_authorization_header_unauthenticated = true;
    overrides.call_downstream_api_unauthenticated = true;
    overrides
}

pub(super) fn caller(address: &str) -> Caller {
    Caller::tcp(1, address.parse().unwrap())
}

fn bearing(request: http::request::Builder, token: Option<&str>) -> http::request::Builder {
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

/// Returns the claims of the token in an `Authorization` header.
pub(super) fn claims_in(header: &str) -> Value {
    let token = header.strip_prefix("Bearer ").unwrap();
    let claims = UnverifiedClaims::decode(token).unwrap();
    let names = [
        "aud", "appid", "azp", "oid", "tid", "idtyp", "scp", "roles", "sub", "upn", "xms_cc",
    ];
    let pairs = names.iter().filter_map(|name| Some((*name, claims.get(name)?.clone())));
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

pub(super) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_default()
}

/// An API on loopback that records its requests and sends scripted responses.
pub(super) struct StubApi {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A request to the API.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl StubApi {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
            script: Arc::default(),
        };
        let (seen, script) = (Arc::clone(&api.seen), Arc::clone(&api.script));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                seen.lock().unwrap().push(request);
                let next = script.lock().unwrap().pop();
                let reply = next.unwrap_or_else(|| reply("200 OK", "content-type: application/json\r\n", "{\"a\":1}"));
                let _ = stream.write_all(&reply).await;
            }
        });
        api
    }

    /// Sets the response to the next request.
    pub(super) fn respond(&self, response: Vec<u8>) {
        self.script.lock().unwrap().insert(0, response);
    }

    pub(super) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Returns a response, after which the connection ends.
pub(super) fn reply(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

async fn read(stream: &mut tokio::net::TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let line = lines.next()?.to_owned();
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<http::HeaderName>().unwrap(), value.trim().parse().unwrap());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    while bytes.len() < head + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let body = String::from_utf8(bytes[head..].to_vec()).unwrap();
    Some(Seen { line, headers, body })
}
