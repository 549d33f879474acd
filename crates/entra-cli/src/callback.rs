use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use entra_proto::{Redirect, RedirectUri};

use crate::exit::{Exit, Failure};
use crate::files::tell;

/// Where the browser comes back to.
#[derive(Args)]
pub(crate) struct CallbackSettings {
    /// Wait for the browser at this address of this machine; port 0 takes a free one [default: 127.0.0.1:8400]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// The redirect URI as it is registered, where it is another one than http://HOST:PORT/: a path below it, or the address of a proxy
    /// that leads here
    #[arg(long, value_name = "URI")]
    redirect_uri: Option<String>,

    /// Give up when nobody has come back after so many seconds [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: Option<u64>,
}

/// A server on this machine that waits for a browser.
pub(crate) struct Callback {
    listener: TcpListener,
    redirect_uri: RedirectUri,
    wait: Duration,
}

/// What came of a redirect.
pub(crate) enum Answer<T> {
    /// It is not the one that is waited for: say so, and go on waiting.
    Other(entra_client::Error),
    /// It is: say so, and end.
    Done(String, T),
}

impl CallbackSettings {
    /// Whether anything of it was given.
    pub(crate) fn is_given(&self) -> bool {
        self.listen.is_some() || self.redirect_uri.is_some() || self.wait.is_some()
    }

    /// Begins to listen: before a browser is sent anywhere.
    pub(crate) fn listen(&self) -> Result<Callback, Failure> {
        let listen = self.listen.as_deref().unwrap_or(LISTEN);
        let failed = |problem: String| Failure::text(Exit::Configuration, format!("--listen {listen}: {problem}"));
        // Where a name stands for several, the first that can be listened on: a browser tries them all.
        let addresses: Vec<SocketAddr> = match listen.to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(failed(format!("{error}; write HOST:PORT, such as {LISTEN}"))),
        };
        if !addresses.iter().all(|address| is_loopback(address.ip())) {
            return Err(failed(
                "is not on this machine; a code would cross the network in the clear: listen on 127.0.0.1, behind a proxy if need be"
                    .to_owned(),
            ));
        }
        let bound =
            TcpListener::bind(&addresses[..]).and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (port, listener) = bound.map_err(|error| {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => "; another program listens there: name another port, or 0 for a free one",
                _ => "",
            };
            failed(format!("{error}{advice}"))
        })?;
        let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
        let redirect_uri = match &self.redirect_uri {
            Some(uri) => uri.parse()?,
            None => format!("http://{host}:{port}/").parse()?,
        };
        Ok(Callback {
            listener,
            redirect_uri,
            wait: Duration::from_secs(self.wait.unwrap_or(WAIT)),
        })
    }
}

impl Callback {
    /// Where the browser is to be sent back to.
    pub(crate) fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Hands each redirect to `take`, until one is the one that is waited for. Whatever else is asked of this server is turned away.
    pub(crate) fn wait<T>(self, mut take: impl FnMut(&Redirect) -> Answer<T>) -> Result<T, Failure> {
        let path = path_of(self.redirect_uri.as_str()).to_owned();
        let (sender, receiver) = mpsc::sync_channel(READERS);
        let listener = self.listener;
        // It ends with the process, which does not wait for it.
        thread::spawn(move || accept(&listener, &path, &sender));
        let end = Instant::now() + self.wait;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (redirect, mut browser) = match receiver.recv_timeout(left) {
                Ok(came) => came,
                Err(RecvTimeoutError::Timeout) => {
                    let waited = self.wait.as_secs();
                    return Err(Failure::text(
                        Exit::Timeout,
                        format!(
                            "nobody came back within {waited} s; where the page said AADSTS50011, register the redirect URI {}",
                            self.redirect_uri
                        ),
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::text(Exit::Network, "the listener has ended"));
                }
            };
            match take(&redirect) {
                Answer::Other(error) => {
                    answer(
                        &mut browser,
                        "400 Bad Request",
                        "This is not the sign-in that was started",
                        &error.problem(),
                    );
                    tell(format_args!("a redirect was turned away: {error}"));
                }
                Answer::Done(said, done) => {
                    answer(&mut browser, "200 OK", "You can close this page", &said);
                    return Ok(done);
                }
            }
        }
    }
}

/// Takes connections, each read by a thread of its own: browsers open some before they need them.
fn accept(listener: &TcpListener, path: &str, sender: &SyncSender<(Redirect, TcpStream)>) {
    let readers = Arc::new(AtomicUsize::new(0));
    let path: Arc<str> = path.into();
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Too many files are open, say: that does not pass at once.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        if readers.fetch_add(1, Ordering::Relaxed) >= READERS {
            readers.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (readers, path, sender) = (Arc::clone(&readers), Arc::clone(&path), sender.clone());
        thread::spawn(move || {
            if let Some(came) = read(stream, &path) {
                // Nobody waits any more.
                drop(sender.send(came));
            }
            readers.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Reads a request, and answers it where it is no redirect.
fn read(mut stream: TcpStream, path: &str) -> Option<(Redirect, TcpStream)> {
    let query = match head(&mut stream) {
        Head::Get(target) => {
            let (asked, query) = target.split_once('?').unwrap_or((&target, ""));
            if asked == path && !query.is_empty() {
                query.to_owned()
            } else {
                answer(
                    &mut stream,
                    "404 Not Found",
                    "There is nothing here",
                    "The sign-in goes on elsewhere.",
                );
                return None;
            }
        }
        Head::Other => {
            answer(
                &mut stream,
                "405 Method Not Allowed",
                "There is nothing here",
                "Only a browser that comes back is waited for.",
            );
            return None;
        }
        Head::Broken => {
            answer(
                &mut stream,
                "400 Bad Request",
                "This cannot be read",
                "It is no request, or too long.",
            );
            return None;
        }
        Head::Nothing => return None,
    };
    match Redirect::from_query(&query) {
        Ok(redirect) => Some((redirect, stream)),
        Err(error) => {
            let error = entra_client::Error::from(error);
            let said = error.problem();
            answer(&mut stream, "400 Bad Request", "This cannot be read", &said);
            tell(format_args!("a redirect was turned away: {error}"));
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

/// Shows a page. Nothing in it comes from elsewhere unescaped, and nothing may be loaded by it.
fn answer(stream: &mut TcpStream, status: &str, title: &str, said: &str) {
    let (title, said) = (escaped(title), escaped(said));
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><main><h1>{title}</h1><p>{said}</p></main></body></html>\n"
    );
    let head = format!(
        "HTTP/1.1 {status}\r\nallow: GET\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n\
         referrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n",
        page.len()
    );
    // Whoever has gone need not be told.
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(page.as_bytes()));
    let _ = stream.shutdown(Shutdown::Write);
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// The path of a redirect URI, without its query.
fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split('?').next().unwrap_or("/")
}

fn is_loopback(ip: IpAddr) -> bool {
    SocketAddr::new(ip, 0).ip().is_loopback()
}

/// Where it is waited for the browser, and for how many seconds, unless told otherwise.
const LISTEN: &str = "127.0.0.1:8400";
const WAIT: u64 = 600;

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
    fn a_page_shows_what_is_said_and_obeys_none_of_it() {
        assert_eq!(
            escaped("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
    }
}
