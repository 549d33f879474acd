//! A loopback server that waits for the browser to return from Entra with an OAuth 2.0 redirect.
//!
//! One thread for each listener accepts connections, one thread for each connection reads a
//! request. The caller judges each redirect and shows a page.

mod readers;

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use entra_proto::authorize::{Redirect, RedirectUri};
use entra_proto::{Application, ClientCredential};

use self::readers::{READERS, Readers};
use crate::browser;
use crate::exit::{Exit, Failure};
use crate::files::{tell, tell_always};
use crate::listen::{ListenError, listen};
use crate::page::{self, Page};

/// The options for the address to which the browser returns.
#[derive(Args)]
pub(crate) struct CallbackSettings {
    /// Listen for the browser at this loopback address; for a host name, at all its addresses; port
    /// 0 selects a free port [default: localhost:8400]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// The redirect URI registered under Authentication in the app registration, for the platform
    /// "Web", or "Mobile and desktop applications" for a public client; it may have a path, or be
    /// the address of a proxy that forwards to --listen [default: http://HOST:PORT/ of --listen]
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,

    /// Do not open a browser, only print the address
    #[arg(long)]
    no_browser: bool,

    /// Give up if the browser does not return within this many seconds, from 1 to 86400 [default:
    /// 600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: Option<u64>,
}

/// A server on this machine that waits for a browser.
pub(crate) struct Callback {
    listeners: Vec<TcpListener>,
    redirect_uri: RedirectUri,
    registration: String,
    wait: Duration,
    opens_browser: bool,
    start: Option<Start>,
}

/// A short address of this server that redirects to the long URL of the service. The short address
/// fits on one line of a terminal and into every command line.
struct Start {
    path: String,
    short: String,
    url: String,
}

/// The caller's verdict on a redirect.
pub(crate) enum Outcome<T> {
    /// The redirect belongs to another request: report it, and keep waiting.
    Unrelated(entra_client::Error),
    /// The redirect is the expected one: show the page, and finish.
    Done(Page, T),
}

impl CallbackSettings {
    /// Returns true if any of the options is set.
    pub(crate) fn is_given(&self) -> bool {
        self.listen.is_some() || self.redirect_uri.is_some() || self.wait.is_some() || self.no_browser
    }

    /// Starts to listen. Called before a browser is opened.
    ///
    /// # Errors
    /// Returns an error if the address is invalid, not a loopback address, or in use.
    pub(crate) fn listen(&self, application: &Application) -> Result<Callback, Failure> {
        let place = self.listen.as_deref().unwrap_or(LISTEN);
        let problem =
            |problem: String| Failure::text(Exit::Configuration, problem).context(format_args!("--listen {place}"));
        let listeners = listen(place).map_err(|error| match error {
            ListenError::Address(error) => {
                problem(error.to_string()).hint(format!("write HOST:PORT, such as {LISTEN}"))
            }
            ListenError::NotLoopback(address) => problem(format!(
                "{address} is not a loopback address, and the code would cross the network unencrypted"
            ))
            .hint("listen on 127.0.0.1, behind a proxy if necessary"),
            ListenError::Bind(address, error) => {
                let failure = problem(format!("{address}: {error}"));
                match error.kind() {
                    ErrorKind::AddrInUse => {
                        failure.hint("another program uses this port: give another port, or 0 for a free one")
                    }
                    _ => failure,
                }
            }
        })?;
        let port = port_of(&listeners);
        let (host, requested_port) = place.rsplit_once(':').unwrap_or((place, ""));
        let redirect_uri: RedirectUri = match &self.redirect_uri {
            Some(uri) => uri.parse()?,
            None => format!("http://{host}:{port}/").parse().map_err(|_| {
                problem("this address cannot be a redirect URI".to_owned())
                    .hint("write localhost, 127.0.0.1 or [::1], and the port")
            })?,
        };
        // Entra ignores the port of http://localhost, so one registration suffices for all ports.
        let registered = match &self.redirect_uri {
            None if requested_port == "0" && host.eq_ignore_ascii_case("localhost") => format!("http://{host}/"),
            _ => redirect_uri.to_string(),
        };
        Ok(Callback {
            listeners,
            registration: registration(&registered, application),
            start: self.start_of(&redirect_uri),
            redirect_uri,
            wait: Duration::from_secs(self.wait.unwrap_or(WAIT)),
            opens_browser: !self.no_browser,
        })
    }
}

impl CallbackSettings {
    /// Returns a short address that other users of this machine cannot guess, or `None` if
    /// `--redirect-uri` is set, since a proxy may not forward this path.
    fn start_of(&self, redirect_uri: &RedirectUri) -> Option<Start> {
        if self.redirect_uri.is_some() {
            return None;
        }
        let id = entra_transport::request_id().ok()?.to_string();
        let path = format!("/{}", id.get(..13)?);
        let short = format!("{}{path}", redirect_uri.as_str().trim_end_matches('/'));
        Some(Start {
            path,
            short,
            url: String::new(),
        })
    }
}

/// Returns the common port of all listeners.
fn port_of(listeners: &[TcpListener]) -> u16 {
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    address.map_or(0, |address| address.port())
}

/// Returns the advice for the case that Entra rejects this redirect URI.
fn registration(uri: &str, application: &Application) -> String {
    let platform = match application.credential() {
        // A confidential application may omit its credential here: the admin-consent page does not
        // use it.
        ClientCredential::Public => "\"Mobile and desktop applications\" (\"Web\" if it has a secret or a certificate)",
        _ => "\"Web\"",
    };
    let by_address = if uri.starts_with("http://127.") {
        "; the portal accepts this address only in the manifest (replyUrlsWithType): localhost is simpler"
    } else if uri.starts_with("http://[") {
        "; Entra does not accept IPv6 addresses: use localhost"
    } else {
        ""
    };
    format!(
        "AADSTS50011 or AADSTS500113, register the redirect URI {uri} in the app registration, under Authentication, platform {platform}{by_address}"
    )
}

impl Callback {
    /// Returns the redirect URI.
    pub(crate) fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Returns the advice for the case that Entra rejects the redirect URI.
    pub(crate) fn registration(&self) -> String {
        format!("if the page says {}", self.registration)
    }

    /// Opens a browser at this URL, if one is available, and prints the URL on a separate line.
    /// `purpose` is a phrase such as "to sign in"; `browserless` is the command's option that needs
    /// no browser on this machine.
    pub(crate) fn send_browser(&mut self, purpose: &str, url: &str, browserless: Option<&str>) {
        let url_or_short = match &mut self.start {
            Some(start) if self.opens_browser => {
                url.clone_into(&mut start.url);
                start.short.clone()
            }
            start => {
                *start = None;
                url.to_owned()
            }
        };
        let opened = self.opens_browser.then(|| browser::open(&url_or_short));
        let is_opened = matches!(opened, Some(Ok(())));
        let invitation = match opened {
            Some(Ok(())) => format!("a browser opens this address {purpose}; if it does not, open it yourself:"),
            Some(Err(reason)) => {
                let alternative = browserless.map(|option| format!("; {option} works without a browser here"));
                format!(
                    "open this address in a browser {purpose} (no browser was opened: {reason}{}):",
                    alternative.unwrap_or_default()
                )
            }
            None => format!("open this address in a browser {purpose}:"),
        };
        let whole = match &self.start {
            // The browser returns to this machine. One on another machine needs a forwarded port.
            Some(_) if !is_opened => format!(
                "\n\nwhich redirects to\n\n{url}\n\nfrom another machine, forward the port first: ssh -L {0}:localhost:{0}",
                port_of(&self.listeners)
            ),
            Some(_) => format!("\n\nwhich redirects to\n\n{url}"),
            None => String::new(),
        };
        tell_always(format_args!(
            "{invitation}\n\n{url_or_short}{whole}\n\nwaiting at {} ...\n{}",
            self.redirect_uri,
            self.registration()
        ));
    }

    /// Passes each redirect to `judge` until it returns [`Outcome::Done`]. Other requests get an
    /// error page.
    ///
    /// # Errors
    /// Returns an error if the browser does not return in time.
    pub(crate) fn wait<T>(self, mut judge: impl FnMut(&Redirect) -> Outcome<T>) -> Result<T, Failure> {
        let registration = self.registration();
        let pages = Arc::new(Pages {
            callback: path_of(self.redirect_uri.as_str()).to_owned(),
            start: self.start,
        });
        let (sender, receiver) = mpsc::sync_channel(READERS);
        let readers = Arc::new(Readers::default());
        // The process does not wait for these threads when it exits.
        for listener in self.listeners {
            let (pages, sender, readers) = (Arc::clone(&pages), sender.clone(), Arc::clone(&readers));
            thread::spawn(move || accept(&listener, &pages, &sender, &readers));
        }
        drop(sender);
        let end = Instant::now() + self.wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (redirect, mut browser) = match receiver.recv_timeout(left) {
                Ok(received) => received,
                Err(RecvTimeoutError::Timeout) => {
                    let waited = self.wait.as_secs();
                    let problem = format!("the browser did not return within {waited} s");
                    return Err(Failure::text(Exit::Timeout, problem).hint(registration));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::text(Exit::Network, "the listener has ended"));
                }
            };
            match judge(&redirect) {
                Outcome::Unrelated(error) => {
                    Page::bad("This is not the sign-in that was started", error.to_string())
                        .show(&mut browser, "400 Bad Request");
                    report_ignored(&error);
                }
                Outcome::Done(page, done) => {
                    page.show(&mut browser, "200 OK");
                    return Ok(done);
                }
            }
        }
    }
}

/// Reports an unexpected redirect, at most [`MAX_REPORTS`] times, since any page in a browser can
/// send one.
fn report_ignored(error: &entra_client::Error) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    match COUNT.fetch_add(1, Ordering::Relaxed) {
        count if count < MAX_REPORTS => tell(format_args!("a redirect was ignored: {error}")),
        MAX_REPORTS => tell("more redirects were ignored; further ones are not reported"),
        _ => {}
    }
}

/// Accepts connections. Each has a thread, since browsers open connections before they use them.
fn accept(
    listener: &TcpListener,
    pages: &Arc<Pages>,
    sender: &SyncSender<(Redirect, TcpStream)>,
    readers: &Arc<Readers>,
) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // An error such as too many open files does not pass at once.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let Ok(id) = readers.enter(&stream) else {
            continue;
        };
        let (readers, pages, sender) = (Arc::clone(readers), Arc::clone(pages), sender.clone());
        thread::spawn(move || {
            let received = read(stream, &pages);
            readers.leave(id);
            if let Some(received) = received {
                // Dropped if the wait has ended or the queue is full.
                drop(sender.try_send(received));
            }
        });
    }
}

/// The paths of this server.
struct Pages {
    /// The path of the redirect URI.
    callback: String,
    start: Option<Start>,
}

impl Pages {
    fn starts_at(&self, target: &str) -> bool {
        self.start.as_ref().is_some_and(|start| start.path == target)
    }
}

/// Reads a request and returns its redirect. Responds itself to any other request.
fn read(mut stream: TcpStream, pages: &Pages) -> Option<(Redirect, TcpStream)> {
    let query = match head(&mut stream) {
        Head::Get(target) => match target.split_once('?') {
            Some((path, query)) if path == pages.callback && !query.is_empty() => Ok(query.to_owned()),
            None if pages.starts_at(&target) => {
                page::redirect(&mut stream, pages.start.as_ref().map_or("/", |start| &start.url));
                return None;
            }
            _ => Err((
                "404 Not Found",
                "Page not found",
                "The sign-in continues in another page or window.",
            )),
        },
        Head::Other => Err((
            "405 Method Not Allowed",
            "Method not allowed",
            "This server only accepts browsers that return from Entra.",
        )),
        Head::Broken => Err((
            "400 Bad Request",
            "Invalid request",
            "The request is malformed or too long.",
        )),
        Head::Nothing => return None,
    };
    let query = match query {
        Ok(query) => query,
        Err((status, heading, text)) => {
            Page::bad(heading, text).show(&mut stream, status);
            return None;
        }
    };
    match Redirect::from_query(&query) {
        Ok(redirect) => Some((redirect, stream)),
        Err(error) => {
            let error = entra_client::Error::from(error);
            Page::bad("Invalid redirect", error.to_string()).show(&mut stream, "400 Bad Request");
            report_ignored(&error);
            None
        }
    }
}

/// The head of a request.
enum Head {
    /// A GET request with this target.
    Get(String),
    /// A request with another method.
    Other,
    /// A malformed or too long request.
    Broken,
    /// No complete request before the connection was closed or timed out.
    Nothing,
}

/// Reads the complete head of a request.
fn head(stream: &mut TcpStream) -> Head {
    let end = Instant::now() + PATIENCE;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Head::Nothing;
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Head::Nothing,
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Head::Nothing,
        }
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes) {
            Ok(status) if status.is_complete() => {
                return match (request.method, request.path) {
                    (Some("GET"), Some(target)) => Head::Get(target.to_owned()),
                    _ => Head::Other,
                };
            }
            Ok(_) if bytes.len() < LONGEST_HEAD => {}
            _ => return Head::Broken,
        }
    }
}

/// Returns the path of a redirect URI, without its query.
fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split('?').next().unwrap_or("/")
}

/// The default address. The portal accepts plain http in a redirect URI only for localhost.
const LISTEN: &str = "localhost:8400";

/// The default time limit for the browser to return, in seconds.
const WAIT: u64 = 600;

/// The maximum number of reported ignored redirects.
const MAX_REPORTS: usize = 5;

/// The time limit for a browser to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The maximum length of a request head, in bytes. Browsers send their cookies along.
const LONGEST_HEAD: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_a_redirect_uri_has_no_query() {
        for (uri, path) in [
            ("http://127.0.0.1:8400", "/"),
            ("http://127.0.0.1:8400/", "/"),
            ("https://a.example/myapp/?x=1", "/myapp/"),
        ] {
            assert_eq!(path_of(uri), path);
        }
    }

    #[test]
    fn registration_advice_fits_the_application() {
        let authority: entra_proto::Authority = "https://login.microsoftonline.com/common".parse().unwrap();
        let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let public = Application::new(authority.clone(), client_id, ClientCredential::Public);
        let secret = Application::new(authority, client_id, entra_proto::ClientSecret::new("s").unwrap());
        let advice = registration("http://localhost:8400/", &secret);
        assert!(
            advice.contains("URI http://localhost:8400/ in") && advice.ends_with("platform \"Web\""),
            "{advice}"
        );
        let advice = registration("http://127.0.0.1:8400/", &public);
        assert!(
            advice.contains("\"Mobile and desktop applications\"") && advice.contains("replyUrlsWithType"),
            "{advice}"
        );
    }
}
