use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use entra_proto::authorize::{Redirect, RedirectUri};
use entra_proto::{Application, ClientCredential};

use crate::browser;
use crate::exit::{Exit, Failure};
use crate::files::{tell, tell_always};
use crate::listen::{ListenError, listen};
use crate::page::{self, Page};

/// Where the browser comes back to.
#[derive(Args)]
pub(crate) struct CallbackSettings {
    /// Wait for the browser at this address of this machine, and at every address of its name; port 0 takes a free one [default:
    /// localhost:8400]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// The redirect URI that is registered, under Authentication in the app registration, for the platform "Web", or "Mobile and desktop
    /// applications" for a public client: a path below it, or the address of a proxy that leads here [default: http://HOST:PORT/ of
    /// --listen]
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,

    /// Open no browser: print the address alone
    #[arg(long)]
    no_browser: bool,

    /// Give up if no browser has come back after this many seconds [default: 600]
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
    /// An address here that leads a browser on.
    start: Option<Start>,
}

/// A short address of this server, and where it leads: what fits on a line of a terminal, and on every command line.
struct Start {
    path: String,
    short: String,
    url: String,
}

/// What came of a redirect.
pub(crate) enum Answer<T> {
    /// It is not the one that is waited for: say so, and go on waiting.
    Other(entra_client::Error),
    /// It is: show the page, and end.
    Done(Page, T),
}

impl CallbackSettings {
    /// Whether anything of it was given.
    pub(crate) fn is_given(&self) -> bool {
        self.listen.is_some() || self.redirect_uri.is_some() || self.wait.is_some() || self.no_browser
    }

    /// Begins to listen for the browser of this application: before a browser is sent anywhere.
    pub(crate) fn listen(&self, application: &Application) -> Result<Callback, Failure> {
        let place = self.listen.as_deref().unwrap_or(LISTEN);
        let problem =
            |problem: String| Failure::text(Exit::Configuration, problem).context(format_args!("--listen {place}"));
        let listeners = listen(place).map_err(|error| match error {
            ListenError::Address(error) => {
                problem(error.to_string()).hint(format!("write HOST:PORT, such as {LISTEN}"))
            }
            ListenError::NotLoopback(address) => problem(format!(
                "{address} is not a loopback address, and a code would cross the network in the clear"
            ))
            .hint("listen on 127.0.0.1, behind a proxy if need be"),
            ListenError::Bind(address, error) => {
                let failure = problem(format!("{address}: {error}"));
                match error.kind() {
                    ErrorKind::AddrInUse => {
                        failure.hint("another program listens there: name another port, or 0 for a free one")
                    }
                    _ => failure,
                }
            }
        })?;
        let port = port_of(&listeners);
        let (host, asked_port) = place.rsplit_once(':').unwrap_or((place, ""));
        let redirect_uri: RedirectUri = match &self.redirect_uri {
            Some(uri) => uri.parse()?,
            None => format!("http://{host}:{port}/").parse().map_err(|_| {
                problem("a browser cannot be sent back there".to_owned())
                    .hint("write localhost, 127.0.0.1 or [::1], and the port")
            })?,
        };
        // Entra ignores the port of http://localhost: one registration is enough for all.
        let registered = match &self.redirect_uri {
            None if asked_port == "0" && host.eq_ignore_ascii_case("localhost") => format!("http://{host}/"),
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
    /// The short address, which other users of this machine cannot guess. Where a proxy leads here, it leads nowhere else.
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

/// The port that all of them listen at.
fn port_of(listeners: &[TcpListener]) -> u16 {
    let address = listeners.first().and_then(|listener| listener.local_addr().ok());
    address.map_or(0, |address| address.port())
}

/// What to do if Entra does not take this redirect URI.
fn registration(uri: &str, application: &Application) -> String {
    let platform = match application.credential() {
        // The admin-consent page needs no credential: the application may have one all the same.
        ClientCredential::Public => "\"Mobile and desktop applications\" (\"Web\" if it has a secret or a certificate)",
        _ => "\"Web\"",
    };
    let by_address = if uri.starts_with("http://127.") {
        "; the portal takes this address in the manifest alone (replyUrlsWithType): localhost is simpler"
    } else if uri.starts_with("http://[") {
        "; Entra takes no IPv6 address: use localhost"
    } else {
        ""
    };
    format!(
        "AADSTS50011 or AADSTS500113, register the redirect URI {uri} in the app registration, under Authentication, platform {platform}{by_address}"
    )
}

impl Callback {
    /// Where the browser is to be sent back to.
    pub(crate) fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// What to do if Entra does not take the redirect URI, as a sentence.
    pub(crate) fn registration(&self) -> String {
        format!("if the page says {}", self.registration)
    }

    /// Sends a browser to this address, for a `purpose` such as "to sign in": opens one where there is one, and prints the address in any
    /// case, on a line of its own. `elsewhere` is an option of the command that needs no browser on this machine.
    pub(crate) fn send_browser(&mut self, purpose: &str, url: &str, elsewhere: Option<&str>) {
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
            Some(Err(why)) => {
                let alternative = elsewhere.map(|option| format!("; {option} needs none here"));
                format!(
                    "open this address in a browser {purpose} (none is opened: {why}{}):",
                    alternative.unwrap_or_default()
                )
            }
            None => format!("open this address in a browser {purpose}:"),
        };
        let whole = match &self.start {
            // The browser comes back to this machine: one that runs elsewhere has to be led here.
            Some(_) if !is_opened => format!(
                "\n\nwhich leads to\n\n{url}\n\nfrom another machine, forward the port first: ssh -L {0}:localhost:{0}",
                port_of(&self.listeners)
            ),
            Some(_) => format!("\n\nwhich leads to\n\n{url}"),
            None => String::new(),
        };
        tell_always(format_args!(
            "{invitation}\n\n{url_or_short}{whole}\n\nwaiting at {} ...\n{}",
            self.redirect_uri,
            self.registration()
        ));
    }

    /// Hands each redirect to `take`, until one is the one that is waited for. Whatever else is asked of this server is turned away.
    pub(crate) fn wait<T>(self, mut take: impl FnMut(&Redirect) -> Answer<T>) -> Result<T, Failure> {
        let registration = self.registration();
        let pages = Arc::new(Pages {
            callback: path_of(self.redirect_uri.as_str()).to_owned(),
            start: self.start,
        });
        let (sender, receiver) = mpsc::sync_channel(READERS);
        let readers = Arc::new(Readers::default());
        // They end with the process, which does not wait for them.
        for listener in self.listeners {
            let (pages, sender, readers) = (Arc::clone(&pages), sender.clone(), Arc::clone(&readers));
            thread::spawn(move || accept(&listener, &pages, &sender, &readers));
        }
        drop(sender);
        let end = Instant::now() + self.wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (redirect, mut browser) = match receiver.recv_timeout(left) {
                Ok(came) => came,
                Err(RecvTimeoutError::Timeout) => {
                    let waited = self.wait.as_secs();
                    let problem = format!("no browser came back within {waited} s");
                    return Err(Failure::text(Exit::Timeout, problem).hint(registration));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::text(Exit::Network, "the listener has ended"));
                }
            };
            match take(&redirect) {
                Answer::Other(error) => {
                    Page::bad("This is not the sign-in that was started", error.to_string())
                        .show(&mut browser, "400 Bad Request");
                    turned_away(&error);
                }
                Answer::Done(page, done) => {
                    page.show(&mut browser, "200 OK");
                    return Ok(done);
                }
            }
        }
    }
}

/// Tells of a redirect that is not the one that is waited for, a few times: any page in a browser can send one.
fn turned_away(error: &entra_client::Error) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    match COUNT.fetch_add(1, Ordering::Relaxed) {
        count if count < MOST_TOLD => tell(format_args!("a redirect was turned away: {error}")),
        MOST_TOLD => tell("more redirects were turned away: from now on that is not told"),
        _ => {}
    }
}

/// Takes connections, each read by a thread of its own: browsers open some before they need them.
fn accept(
    listener: &TcpListener,
    pages: &Arc<Pages>,
    sender: &SyncSender<(Redirect, TcpStream)>,
    readers: &Arc<Readers>,
) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Too many files are open, say: that does not pass at once.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let Ok(id) = readers.enter(&stream) else {
            continue;
        };
        let (readers, pages, sender) = (Arc::clone(readers), Arc::clone(pages), sender.clone());
        thread::spawn(move || {
            let came = read(stream, &pages);
            readers.leave(id);
            if let Some(came) = came {
                // The wait has ended, or is for as many redirects as there may be.
                drop(sender.try_send(came));
            }
        });
    }
}

/// The connections that are read. If there are too many, the oldest is closed: idle ones keep no browser out.
#[derive(Default)]
struct Readers(Mutex<(u64, VecDeque<(u64, TcpStream)>)>);

impl Readers {
    fn enter(&self, stream: &TcpStream) -> io::Result<u64> {
        let handle = stream.try_clone()?;
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, open) = &mut *inside;
        if open.len() >= READERS
            && let Some((_, oldest)) = open.pop_front()
        {
            let _ = oldest.shutdown(Shutdown::Both);
        }
        *last += 1;
        open.push_back((*last, handle));
        Ok(*last)
    }

    fn leave(&self, id: u64) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.1.retain(|(known, _)| *known != id);
    }
}

/// What is here to ask for.
struct Pages {
    /// The path that the browser comes back to.
    callback: String,
    start: Option<Start>,
}

impl Pages {
    fn starts_at(&self, target: &str) -> bool {
        self.start.as_ref().is_some_and(|start| start.path == target)
    }
}

/// Reads a request, and answers it where it is no redirect.
fn read(mut stream: TcpStream, pages: &Pages) -> Option<(Redirect, TcpStream)> {
    let query = match head(&mut stream) {
        Head::Get(target) => match target.split_once('?') {
            Some((asked, query)) if asked == pages.callback && !query.is_empty() => Ok(query.to_owned()),
            None if pages.starts_at(&target) => {
                page::lead_on(&mut stream, pages.start.as_ref().map_or("/", |start| &start.url));
                return None;
            }
            _ => Err((
                "404 Not Found",
                "There is nothing here",
                "The sign-in goes on elsewhere.",
            )),
        },
        Head::Other => Err((
            "405 Method Not Allowed",
            "There is nothing here",
            "Only a browser that comes back from Entra is waited for.",
        )),
        Head::Broken => Err((
            "400 Bad Request",
            "This cannot be read",
            "It is no request, or too long.",
        )),
        Head::Nothing => return None,
    };
    let query = match query {
        Ok(query) => query,
        Err((status, heading, said)) => {
            Page::bad(heading, said).show(&mut stream, status);
            return None;
        }
    };
    match Redirect::from_query(&query) {
        Ok(redirect) => Some((redirect, stream)),
        Err(error) => {
            let error = entra_client::Error::from(error);
            Page::bad("This cannot be read", error.to_string()).show(&mut stream, "400 Bad Request");
            turned_away(&error);
            None
        }
    }
}

enum Head {
    /// The target of a GET.
    Get(String),
    Other,
    Broken,
    /// The connection was opened for nothing.
    Nothing,
}

/// The first line of a request, all of its head being there.
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

/// The path of a redirect URI, without its query.
fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split('?').next().unwrap_or("/")
}

/// The default address and time of waiting. The portal takes http://localhost for a redirect URI, and no other plain http.
const LISTEN: &str = "localhost:8400";
const WAIT: u64 = 600;

/// How many redirects are told of that were turned away.
const MOST_TOLD: usize = 5;

/// How many connections are read at once.
const READERS: usize = 32;

/// How long a browser may take for its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a request may be, in bytes: browsers send their cookies along.
const LONGEST_HEAD: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_redirect_uri() {
        for (uri, path) in [
            ("http://127.0.0.1:8400", "/"),
            ("http://127.0.0.1:8400/", "/"),
            ("https://a.example/myapp/?x=1", "/myapp/"),
        ] {
            assert_eq!(path_of(uri), path);
        }
    }

    #[test]
    fn the_oldest_connection_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let browser = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            browser.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            (browser, listener.accept().unwrap().0)
        };
        let is_open = |browser: &mut TcpStream| browser.read(&mut [0]).is_err();
        let readers = Readers::default();
        let mut all: Vec<_> = (0..READERS).map(|_| connect()).collect();
        let ids: Vec<_> = all.iter().map(|(_, stream)| readers.enter(stream).unwrap()).collect();
        // One that has been read leaves its place to another.
        readers.leave(ids[5]);
        let next = connect();
        readers.enter(&next.1).unwrap();
        assert!(is_open(&mut all[0].0));
        let one_more = connect();
        readers.enter(&one_more.1).unwrap();
        assert!(!is_open(&mut all[0].0) && is_open(&mut all[1].0));
    }

    #[test]
    fn what_to_register_fits_the_application() {
        let authority: entra_proto::Authority = "https://login.microsoftonline.com/common".parse().unwrap();
        let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let public = Application::new(authority.clone(), client_id, ClientCredential::Public);
        let secret = Application::new(authority, client_id, entra_proto::ClientSecret::new("s").unwrap());
        let said = registration("http://localhost:8400/", &secret);
        assert!(
            said.contains("URI http://localhost:8400/ in") && said.ends_with("platform \"Web\""),
            "{said}"
        );
        let said = registration("http://127.0.0.1:8400/", &public);
        assert!(
            said.contains("\"Mobile and desktop applications\"") && said.contains("replyUrlsWithType"),
            "{said}"
        );
    }
}
