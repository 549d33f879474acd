//! `todolist_api` and a page of another origin: a user signs in with a browser, and the page gets
//! the user's own to-dos.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use entra_emulator::Emulator;
use entra_proto::Body;
use entra_transport::BlockingTransport;
use entra_transport_ureq::UreqTransport;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use serde_json::{Value, json};

use super::support::folder;
use super::todolist_api::{ADELE, ALEX, Reply, Server, emulator, published};
use crate::support::chromium::in_browser;

const SCOPE: &str = "api://22223333-cccc-4444-dddd-5555eeee6666/ToDoList.ReadWrite";

/// A web application: its server redeems the code of a sign-in, and its page calls the API with the
/// token.
struct Site {
    port: u16,
    listener: TcpListener,
}

impl Site {
    fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, listener }
    }

    fn origin(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Serves until the process ends.
    fn serve(self, emulator: &Emulator, api: &str) {
        let app = emulator.app("ciam-client-app").unwrap().client_id.clone();
        let redirect = format!("{}/", self.origin());
        let authorize = form_urlencoded::Serializer::new(format!("{}?", emulator.authorize_url_v2()))
            .extend_pairs([("client_id", &*app), ("response_type", "code"), ("scope", SCOPE)])
            .append_pair("redirect_uri", &redirect)
            .finish();
        let (token_url, api) = (emulator.token_url_v2(), api.to_owned());
        let token = Arc::new(Mutex::new(String::new()));
        thread::spawn(move || {
            for stream in self.listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let code = path.strip_prefix("/?").and_then(|query| {
                    let mut pairs = form_urlencoded::parse(query.as_bytes());
                    pairs
                        .find(|(name, _)| name == "code")
                        .map(|(_, code)| code.into_owned())
                });
                if let Some(code) = code {
                    *token.lock().unwrap() = redeem(&token_url, &app, &redirect, &code);
                    respond(stream, "303 See Other", "Location: /list\r\n", "");
                } else if path == "/list" {
                    let page = PAGE.replace("API", &api).replace("TOKEN", &token.lock().unwrap());
                    respond(stream, "200 OK", "", &page);
                } else {
                    let link = authorize.replace('&', "&amp;");
                    respond(
                        stream,
                        "200 OK",
                        "",
                        &format!("<a id=sign-in href=\"{link}\">Sign in</a>"),
                    );
                }
            }
        });
    }
}

fn respond(mut stream: TcpStream, status: &str, headers: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
}

fn redeem(url: &str, app: &str, redirect: &str, code: &str) -> String {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "authorization_code"),
            ("client_id", app),
            ("scope", SCOPE),
        ])
        .extend_pairs([("redirect_uri", redirect), ("code", code)])
        .finish();
    let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let transport = UreqTransport::builder().allow_plain_loopback(true).build().unwrap();
    let response = transport.send(request.body(form.into_bytes().into()).unwrap()).unwrap();
    let body: Value = serde_json::from_slice(response.body().as_bytes()).unwrap();
    body["access_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

/// Adds a to-do and shows the list. Both calls require a preflight request.
const PAGE: &str = r#"<!doctype html><html lang=en><title>To-dos</title><h1>To-dos</h1><ul></ul><script>
const call = (method, body) =>
  fetch("API", { method, body, headers: { authorization: "Bearer TOKEN", "content-type": "application/json" } });
const show = (id, text) => {
  const line = document.createElement(id === "todo" ? "li" : "p");
  Object.assign(line, { id, textContent: text });
  document.querySelector(id === "todo" ? "ul" : "body").append(line);
};
(async () => {
  try {
    const added = await call("POST", JSON.stringify({ description: "Water plants" }));
    for (const todo of await (await call("GET")).json()) show("todo", todo.description);
    show("done", `${added.status} ${added.headers.get("location")}`);
  } catch (error) {
    show("failed", error.name);
  }
})();
</script></html>"#;

#[test]
fn user_in_a_browser_gets_their_own_todos() {
    in_browser(true, async |page| {
        let (emulator, folder, site) = (emulator(), folder("todolist-browser"), Site::bind());
        let arguments = ["--allow-origin", &site.origin()];
        let server = Server::start(&emulator, &folder, &published("appsettings.json"), &arguments);
        let token = |user| emulator.forge().user(user).token();
        server.post(&token(ADELE), json!({"description": "Buy bread"}));
        server.post(&token(ALEX), json!({"description": "Call home"}));
        let (origin, port) = (site.origin(), site.port);
        site.serve(&emulator, &server.endpoint);

        page.open(&origin).await;
        page.click("#sign-in").await;
        page.click(&format!("[data-user='{ADELE}']")).await;
        assert_eq!(page.text("#done").await, "201 /api/todolist/3");
        assert_eq!(page.texts("li").await, ["Buy bread", "Water plants"]);
        page.keep_picture("todolist-user").await;
        assert_eq!(server.list(&token(ALEX)), ["Call home"]);

        // The same page from an origin that is not allowed: the browser blocks the first call.
        page.open(&format!("http://127.0.0.1:{port}/list")).await;
        assert_eq!(page.text("#failed").await, "TypeError");
        assert_eq!(server.list(&token(ADELE)).len(), 2);
    });
}

#[test]
fn preflight_succeeds_for_allowed_origins_only() {
    let (emulator, folder) = (emulator(), folder("todolist-cors"));
    let arguments = ["--allow-origin", "https://app.contoso.com"];
    let server = Server::start(&emulator, &folder, &published("appsettings.json"), &arguments);
    let send = |method: Method, origin: &str| {
        let request = Request::builder()
            .method(method)
            .uri(&server.endpoint)
            .header("origin", origin);
        let request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        server.send(request.body(Body::default()).unwrap())
    };
    let header = |reply: &Reply, name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned());

    let allowed = send(Method::OPTIONS, "https://app.contoso.com");
    assert_eq!(allowed.status, 200);
    let named = header(&allowed, "access-control-allow-origin");
    assert_eq!(named.as_deref(), Some("https://app.contoso.com"));
    let methods = header(&allowed, "access-control-allow-methods");
    assert!(methods.is_some_and(|methods| methods.contains("POST")));
    assert_eq!(
        header(
            &send(Method::OPTIONS, "https://other.example"),
            "access-control-allow-origin"
        ),
        None
    );

    // A page can read why it was rejected.
    let rejected = send(Method::GET, "https://app.contoso.com");
    assert_eq!(rejected.status, 401);
    assert!(
        header(&rejected, "access-control-allow-origin").is_some() && rejected.headers.contains_key("www-authenticate")
    );
}
