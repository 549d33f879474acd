//! A visitor of the connect page without a browser, and the checks of every response.

use std::time::{Duration, Instant};

use entra_proto::Body;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response};

use super::world::{Web, World};
use crate::collector::running::DEADLINE;

/// A minimal browser: a cookie, and the token of the last form.
pub(super) struct Visitor<'a> {
    pub(super) web: &'a Web,
    pub(super) cookie: String,
    pub(super) form: String,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(web: &'a Web) -> Self {
        let home = web.send(Request::get(&web.url).body(Body::default()).unwrap());
        let cookie = home.headers()[SET_COOKIE].to_str().unwrap();
        let (cookie, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
        let page = text(&home);
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
        let token = rest.split('"').next().unwrap();
        Self {
            web,
            cookie: cookie.to_owned(),
            form: format!("form_token={token}"),
        }
    }

    pub(super) fn send(&self, method: Method, path: &str, body: &str) -> Response<Body> {
        let url = format!(
            "{}{}",
            self.web.url.trim_end_matches('/'),
            path.strip_prefix(self.web.url.trim_end_matches('/')).unwrap_or(path)
        );
        let request = Request::builder().method(method).uri(url).header(COOKIE, &self.cookie);
        let response = self.web.send(request.body(Body::from(body.to_owned())).unwrap());
        assert_is_safe(&response);
        response
    }

    pub(super) fn get(&self, path: &str) -> Response<Body> {
        self.send(Method::GET, path, "")
    }

    /// Presses a button. Returns the page that it leads to, or the redirect to another site.
    pub(super) fn press(&self, path: &str) -> Response<Body> {
        let response = self.send(Method::POST, path, &self.form);
        let address = response
            .headers()
            .get(LOCATION)
            .and_then(|address| address.to_str().ok());
        match address {
            Some(address) if address.starts_with('/') => self.get(address),
            _ => response,
        }
    }

    /// Returns the address at Entra that the button leads to.
    pub(super) fn connect(&self) -> String {
        location(&self.press("/connect"))
    }
}

pub(super) fn text(response: &Response<Body>) -> String {
    String::from_utf8(response.body().as_bytes().to_vec()).unwrap()
}

pub(super) fn location(response: &Response<Body>) -> String {
    assert_eq!(response.status(), 303, "{}", text(response));
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// Asserts the headers that every response must have.
pub(super) fn assert_is_safe(response: &Response<Body>) {
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
}

/// Asserts that the response is a message with this status and title, and a link back.
pub(super) fn assert_says(response: &Response<Body>, status: u16, title: &str) {
    let page = text(response);
    assert_eq!(response.status(), status, "{page}");
    assert!(page.contains(&format!("<h1>{title}</h1>")), "{title:?} in {page}");
    assert!(page.contains("<a id=\"back\" href=\"/\">"), "{page}");
}

/// Loads the page until it shows this state of the tenant.
pub(super) fn wait_for(visitor: &Visitor<'_>, world: &World, state: &str) -> String {
    let end = Instant::now() + DEADLINE;
    let row = format!("data-tenant=\"{}\" data-state=\"{state}\"", world.tenant());
    loop {
        let page = text(&visitor.get("/"));
        if page.contains(&row) {
            return page;
        }
        assert!(Instant::now() < end, "no {state} in {page}\n{}", visitor.web.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
