//! `todolist_api`: the permissions of callers, and the to-dos that they see.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use entra_emulator::{Api, Config, Defect, Emulator, EmulatorBuilder, Forge};
use entra_proto::Body;
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request};
use serde_json::{Value, json};

use crate::stories::support::{Running, folder, run_in, text};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_todolist_api");
pub(crate) const ADELE: &str = "adele@contoso.onmicrosoft.com";
pub(crate) const ALEX: &str = "alex@contoso.onmicrosoft.com";
const OTHER_API: &str = "api://other";

/// Returns a file of the example, as it is published.
pub(crate) fn published(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("todolist_api").join(name)).unwrap()
}

/// Starts the emulator of the example, with an API that is not the example's.
pub(crate) fn emulator() -> Emulator {
    emulator_with(|config| config.apis.push(Api::new(OTHER_API).role("ToDoList.Read.All")))
}

/// Starts the emulator of the example with a changed configuration.
pub(crate) fn emulator_with(change: impl FnOnce(&mut Config)) -> Emulator {
    let mut config = Config::from_json(&published("emulator.json")).unwrap();
    change(&mut config);
    EmulatorBuilder::from(config).start()
}

/// A running API.
pub(crate) struct Server {
    _running: Running,
    pub(crate) endpoint: String,
}

impl Server {
    /// Starts the API in a folder, with this configuration.
    pub(crate) fn start(emulator: &Emulator, folder: &Path, settings: &str, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", emulator, folder, settings, arguments)
    }

    /// Starts the API at this address.
    pub(crate) fn start_at(
        place: &str,
        emulator: &Emulator,
        folder: &Path,
        settings: &str,
        arguments: &[&str],
    ) -> Self {
        fs::write(folder.join("appsettings.json"), settings).unwrap();
        let arguments = [&["--listen", place], arguments].concat();
        let variables = [("AZURE_AUTHORITY_HOST", emulator.base_url())];
        let running = Running::start(PROGRAM, &arguments, folder, &variables);
        Self {
            endpoint: running.address.clone(),
            _running: running,
        }
    }

    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        self.send(request.body(Body::from(body)).unwrap())
    }

    pub(crate) fn send(&self, request: Request<Body>) -> Reply {
        let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
        let response = transport.send(request).unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_slice(response.body().as_bytes()).unwrap_or_default(),
        }
    }

    pub(crate) fn list(&self, token: &str) -> Vec<String> {
        let reply = self.call("GET", "", Some(token), None);
        assert_eq!(reply.status, 200);
        let list = reply.json.as_array().unwrap().iter();
        list.map(|todo| todo["description"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn post(&self, token: &str, body: Value) -> Value {
        let reply = self.call("POST", "", Some(token), Some(body));
        assert_eq!(reply.status, 201, "{}", reply.json);
        assert_eq!(reply.headers["location"], format!("/api/todolist/{}", reply.json["id"]));
        reply.json
    }
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Reply {
    fn challenge(&self) -> &str {
        self.headers["www-authenticate"].to_str().unwrap()
    }
}

/// Starts an API that should fail to start. If it starts after all, it serves for a moment.
pub(super) fn start(emulator: &Emulator, folder: &Path, settings: &str, arguments: &[&str]) -> Output {
    fs::write(folder.join("appsettings.json"), settings).unwrap();
    let moment = ["--", PROGRAM, "--version"];
    let variables = [("AZURE_AUTHORITY_HOST", emulator.base_url())];
    run_in(folder, PROGRAM, &[arguments, &moment].concat(), &variables)
}

/// Starts the emulator, and the API with the published configuration.
pub(super) fn world(name: &str) -> (Emulator, PathBuf, Server) {
    let (emulator, folder) = (emulator(), folder(name));
    let server = Server::start(&emulator, &folder, &published("appsettings.json"), &[]);
    (emulator, folder, server)
}

pub(super) fn user(emulator: &Emulator, name: &str) -> String {
    emulator.forge().user(name).token()
}

fn object_id<'a>(emulator: &'a Emulator, name: &str) -> &'a str {
    let users = emulator.tenants()[0].users.as_ref().unwrap();
    &users.iter().find(|user| user.user_principal_name == name).unwrap().id
}

#[test]
fn application_sees_all_and_user_sees_their_own() {
    let (emulator, _, server) = world("todolist-own");
    let (app, adele, alex) = (emulator.forge().token(), user(&emulator, ADELE), user(&emulator, ALEX));
    let (adele_id, alex_id) = (object_id(&emulator, ADELE), object_id(&emulator, ALEX));

    // A user is the owner, whatever the body says.
    let first = server.post(&adele, json!({"id": 77, "owner": alex_id, "description": "of Adele"}));
    assert_eq!(first, json!({"id": 1, "owner": adele_id, "description": "of Adele"}));
    let second = server.post(&alex, json!({"description": "of Alex"}));
    assert_eq!(second["owner"], alex_id);
    let third = server.post(&app, json!({"owner": adele_id, "description": "for Adele"}));
    assert_eq!(third["owner"], adele_id);
    assert_eq!(server.list(&adele), ["of Adele", "for Adele"]);
    assert_eq!(server.list(&alex), ["of Alex"]);
    assert_eq!(server.list(&app), ["of Adele", "of Alex", "for Adele"]);

    // A to-do of another user is not found.
    let change = || Some(json!({"owner": alex_id, "description": "changed"}));
    for (method, body) in [("GET", None), ("PUT", change()), ("DELETE", None)] {
        for path in ["/1", "/99", "/-1", "/x", "/1%27%20OR%201=1"] {
            assert_eq!(
                server.call(method, path, Some(&alex), body.clone()).status,
                404,
                "{method} {path}"
            );
        }
    }
    assert_eq!(server.call("GET", "/1", Some(&adele), None).json, first);
    let changed = server.call("PUT", "/1", Some(&adele), change());
    assert_eq!(
        changed.json,
        json!({"id": 1, "owner": adele_id, "description": "changed"})
    );
    assert_eq!(server.call("PUT", "/2", Some(&app), change()).json["owner"], alex_id);
    assert_eq!(server.call("DELETE", "/2", Some(&app), None).status, 200);
    assert_eq!(server.call("DELETE", "/2", Some(&app), None).status, 404);
    assert_eq!(server.list(&app), ["changed", "for Adele"]);
    assert!(server.list(&alex).is_empty());
}

/// Returns the token of a user who signs in to the client application with a browser.
fn signed_in(emulator: &Emulator, user: &str, scope: &str) -> String {
    let client = emulator.app("ciam-client-app").unwrap().client_id.clone();
    let query = |pairs: &[(&str, &str)]| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs).finish()
    };
    let common = [
        ("client_id", client.as_str()),
        ("redirect_uri", "http://localhost"),
        ("scope", scope),
    ];
    let authorize = query(&[&common[..], &[("response_type", "code")]].concat());
    // The address of an external tenant, whose host is in the path here.
    let base = format!("{}/contoso.ciamlogin.com/oauth2/v2.0", emulator.base_url());
    let redirect = emulator
        .approve(&format!("{base}/authorize?{authorize}"), user)
        .unwrap();
    let code = redirect.parameter("code").unwrap();
    let body = query(&[&common[..], &[("grant_type", "authorization_code"), ("code", &code)]].concat());
    let request = Request::post(format!("{base}/token")).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = emulator.handle(request.body(body.into_bytes()).unwrap());
    let reply: Value = serde_json::from_slice(response.body()).unwrap();
    reply["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply}"))
        .to_owned()
}

#[test]
fn signed_in_user_has_a_separate_list() {
    let (emulator, _, server) = world("todolist-signed-in");
    let scope = |name: &str| format!("api://22223333-cccc-4444-dddd-5555eeee6666/{name}");
    let alex = signed_in(&emulator, ALEX, &scope("ToDoList.ReadWrite"));
    let todo = server.post(&alex, json!({"description": "of Alex"}));
    assert_eq!(todo["owner"], object_id(&emulator, ALEX));
    let adele = signed_in(&emulator, ADELE, &scope("ToDoList.ReadWrite"));
    assert!(server.list(&adele).is_empty());
    assert_eq!(server.list(&emulator.forge().token()), ["of Alex"]);
    assert_eq!(server.call("GET", "/1", Some(&adele), None).status, 404);
}

#[test]
fn user_is_identified_by_tenant_and_object_id() {
    let (emulator, _, server) = world("todolist-key");
    server.post(&user(&emulator, ADELE), json!({"description": "of Adele"}));
    // All names of Adele with role claims, and the object ID of Alex.
    let posing = ["upn", "email", "preferred_username", "unique_name", "name"]
        .into_iter()
        .fold(emulator.forge().user(ALEX), |forge, claim| forge.claim(claim, ADELE))
        .claim("roles", json!(["ToDoList.ReadWrite.All"]))
        .token();
    assert!(
        server.list(&posing).is_empty(),
        "a role of a user is not a permission of an application"
    );
    // A user with a new name is the same user.
    let renamed = emulator
        .forge()
        .user(ADELE)
        .claim("upn", "married@contoso.onmicrosoft.com")
        .token();
    assert_eq!(server.list(&renamed), ["of Adele"]);
}

/// Asserts that none of the routes can be called, and returns one of the replies.
pub(super) fn assert_rejected(server: &Server, token: Option<&str>, status: u16) -> Reply {
    let body = || Some(json!({"description": "forbidden"}));
    for (method, path, body) in [
        ("GET", "/1", None),
        ("POST", "", body()),
        ("PUT", "/1", body()),
        ("DELETE", "/1", None),
        // The caller is checked first.
        ("POST", "", Some(json!("no to-do"))),
    ] {
        let reply = server.call(method, path, token, body);
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(!reply.challenge().is_empty());
    }
    server.call("GET", "", token, None)
}

#[test]
fn caller_without_permission_gets_403() {
    let (emulator, _, server) = world("todolist-403");
    server.post(&user(&emulator, ADELE), json!({"description": "of Adele"}));
    let app = |role: &str| emulator.forge().roles([role]).token();
    let scopes = |scope: &str| emulator.forge().user(ADELE).scopes([scope]).token();
    // The names of scopes and of roles are never compared with each other.
    for token in [
        app("ToDoList.Other"),
        app("ToDoList.Read"),
        app("ToDoList.ReadWrite"),
        scopes("Other.Read"),
        scopes("ToDoList.ReadWrite.All"),
    ] {
        let reply = assert_rejected(&server, Some(&token), 403);
        assert!(
            reply.challenge().contains("error=\"insufficient_scope\""),
            "{}",
            reply.challenge()
        );
    }
    for token in [app("ToDoList.Read.All"), scopes("ToDoList.Read")] {
        assert_eq!(server.list(&token), ["of Adele"]);
        for (method, path) in [("POST", ""), ("PUT", "/1"), ("DELETE", "/1")] {
            let reply = server.call(method, path, Some(&token), Some(json!({"description": "x"})));
            assert_eq!(reply.status, 403, "{method}");
        }
    }
}

#[test]
fn request_without_a_valid_token_gets_401() {
    let (emulator, _, server) = world("todolist-401");
    server.post(&user(&emulator, ADELE), json!({"description": "of Adele"}));
    let reply = assert_rejected(&server, None, 401);
    assert!(
        reply.challenge().starts_with("Bearer ") && !reply.challenge().contains("error"),
        "{}",
        reply.challenge()
    );

    let forge = || emulator.forge();
    let defect = |defect| forge().defect(defect).token();
    let of_other: Forge<'_> = forge().api(OTHER_API);
    for token in [
        of_other.token(),
        defect(Defect::BadSignature),
        defect(Defect::Expired),
        forge().unpublished_key().token(),
        forge().claim("tid", "bbbbcccc-1111-dddd-2222-eeee3333ffff").token(),
        forge().claim("aud", "00000003-0000-0000-c000-000000000000").token(),
        "canary".to_owned(),
    ] {
        let reply = assert_rejected(&server, Some(&token), 401);
        assert!(
            reply.challenge().contains("error=\"invalid_token\""),
            "{}",
            reply.challenge()
        );
        assert!(!reply.challenge().contains("canary") && reply.json.is_null());
    }
    assert_eq!(server.list(&forge().token()), ["of Adele"]);
}

#[test]
fn invalid_to_do_is_rejected() {
    let (emulator, _, server) = world("todolist-body");
    let app = emulator.forge().token();
    let send = |content_type: &str, body: &str| {
        let request = Request::post(&server.endpoint)
            .header(AUTHORIZATION, format!("Bearer {app}"))
            .header(CONTENT_TYPE, content_type);
        server.send(request.body(Body::from(body.as_bytes().to_vec())).unwrap())
    };
    let long = json!({"description": "é".repeat(1001)}).to_string();
    let huge = json!({"description": "a".repeat(20_000)}).to_string();
    for (content_type, body, status) in [
        ("application/json", "", 400),
        ("application/json", "[]", 400),
        ("application/json", "{}", 400),
        ("application/json", r#"{"description": null}"#, 400),
        ("application/json", r#"{"description": "x", "owner": "x"}"#, 400),
        ("application/json", &long, 400),
        ("application/json", &huge, 413),
        ("text/plain", r#"{"description": "x"}"#, 415),
        (
            "application/json; charset=utf-8",
            r#"{"Description": "x", "Owner": null, "other": 1}"#,
            201,
        ),
    ] {
        assert_eq!(send(content_type, body).status, status, "{content_type} {}", body.len());
    }
    assert_eq!(server.call("GET", "/", Some(&app), None).status, 404);
    assert_eq!(server.call("PATCH", "", Some(&app), None).status, 405);
}

#[test]
fn to_dos_survive_a_restart() {
    let (emulator, folder, server) = world("todolist-restart");
    let app = emulator.forge().token();
    for description in ["first", "second"] {
        server.post(&app, json!({"description": description}));
    }
    assert_eq!(server.call("DELETE", "/2", Some(&app), None).status, 200);
    // It is killed, so it writes nothing at its end.
    drop(server);
    let server = Server::start(&emulator, &folder, &published("appsettings.json"), &["--sample-data"]);
    assert_eq!(server.list(&app), ["first"]);
    assert_eq!(
        server.post(&app, json!({"description": "third"}))["id"],
        3,
        "no ID is reused"
    );
}

#[test]
fn database_of_another_program_is_not_touched() {
    let (emulator, folder) = (emulator(), folder("todolist-other"));
    let path = folder.join("other.sqlite");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE things (id INTEGER)").unwrap();
    drop(other);
    fs::write(
        folder.join("text"),
        "this is not a database, and long enough to be read as one".repeat(100),
    )
    .unwrap();
    for name in ["other.sqlite", "text", "missing/folder.sqlite"] {
        let before = fs::read(folder.join(name)).ok();
        let arguments = ["--listen", "127.0.0.1:0", "--data", name];
        let output = start(&emulator, &folder, &published("appsettings.json"), &arguments);
        let stderr = text(&output.stderr);
        assert!(
            !output.status.success() && stderr.contains("\nhint: "),
            "{name}: {stderr}"
        );
        assert_eq!(fs::read(folder.join(name)).ok(), before, "{name}");
    }
}
