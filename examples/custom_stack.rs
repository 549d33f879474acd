//! A hand-written HTTP client on `std::net::TcpStream`, driven by entra-proto.
//!
//! entra-proto returns the next step; this program carries it out and reports the outcome. It
//! prints the length and the lifetime of the token. It has no TLS, so it works with the emulator
//! only:
//!
//! ```sh
//! cargo run -q -p entra-cli -- emulator -- \
//!     cargo run -q -p entra-examples --bin custom_stack
//! ```

mod common;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use entra_proto::acquire::{Delivery, RetryPolicy, Step};
use entra_proto::{Application, Authority, Body, ClientSecret, Cloud, Guid, Target, Timestamp};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::common::{Failure, report, say, setting};

fn main() -> ExitCode {
    report(run())
}

fn run() -> Result<(), Failure> {
    let cloud = Cloud::loopback(&setting("AZURE_AUTHORITY_HOST")?)?;
    let authority = Authority::new(cloud, setting("AZURE_TENANT_ID")?.parse()?)?;
    let secret = ClientSecret::new(setting("AZURE_CLIENT_SECRET")?)?;
    let app = Application::new(authority, setting("AZURE_CLIENT_ID")?.parse()?, secret);
    let request = app.client_credentials(Target::resource("https://graph.microsoft.com")?)?;

    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Failure::new(error.to_string()))?;
    let mut step = request.start(RetryPolicy::default(), Guid::from_random(id), now())?;
    let token = loop {
        step = match step {
            Step::Exchange(exchange) => match send(&exchange.request()) {
                Ok(response) => exchange.respond(&response, now())?,
                Err(error) => exchange
                    .failed(Delivery::MaybeSent, now())?
                    .ok_or_else(|| Failure::of(&error))?,
            },
            Step::Pause(pause) => {
                std::thread::sleep(pause.duration());
                pause.resume(now())?
            }
            Step::Sign(sign) => sign.sign()?,
            Step::Assert(assert) => assert.fetch()?,
            Step::Done(token) => break token,
        };
    };
    let life = token.lifetime.expires_at.since(token.lifetime.received_at);
    say!(
        "a token of {} characters, valid for {} s",
        token.access_token.expose().len(),
        life.as_secs()
    );
    Ok(())
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Sends one request over one connection, which the server closes after its response (RFC 9112). A
/// production client would also bound the total time of the reads.
fn send(request: &Request<Body>) -> io::Result<Response<Body>> {
    let invalid = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem.to_owned());
    let authority = request
        .uri()
        .authority()
        .ok_or_else(|| invalid("the URI has no host"))?;
    if request.uri().scheme_str() != Some("http") {
        return Err(invalid("this client has no TLS"));
    }
    let mut stream = TcpStream::connect((
        authority.host().trim_matches(['[', ']']),
        authority.port_u16().unwrap_or(80),
    ))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;

    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {authority}\r\n",
        request.method(),
        request.uri().path()
    );
    for (name, value) in request.headers() {
        head += &format!(
            "{name}: {}\r\n",
            value.to_str().map_err(|_| invalid("a header is not ASCII"))?
        );
    }
    head += &format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body().len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body().as_bytes())?;

    let mut bytes = Vec::new();
    stream.take(1024 * 1024).read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| invalid("the response is not HTTP, or is incomplete"))
}

/// Parses a response with a `content-length` header.
fn parse(bytes: &[u8]) -> Option<Response<Body>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::from_bytes(status.as_bytes()).ok()?;
    for line in lines {
        let (name, value) = line.split_once(':')?;
        response.headers_mut().append(
            name.parse::<HeaderName>().ok()?,
            value.trim().parse::<HeaderValue>().ok()?,
        );
    }
    let length: usize = response.headers().get("content-length")?.to_str().ok()?.parse().ok()?;
    let body = bytes.get(end + 4..)?.get(..length)?;
    *response.body_mut() = Body::new(body.to_vec());
    Some(response)
}
