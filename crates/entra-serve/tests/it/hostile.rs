//! Requests that must get no token, byte by byte over a socket: of browsers, of other machines, of
//! proxies, and malformed ones.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use entra_serve::{Endpoint, Limits, Listener, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Served, TOKEN};

/// A request that every guard accepts, for one protocol. `KEY` and `PORT` are replaced.
const GOOD: &[(&str, &str)] = &[
    (
        "app service",
        "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX-IDENTITY-HEADER: KEY\r\nEXTRA\r\n",
    ),
    (
        "imds",
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nMetadata: true\r\nEXTRA\r\n",
    ),
    (
        "azd",
        "POST /token?api-version=2023-07-12-preview HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\nContent-Length: 51\r\nEXTRA\r\n{\"scopes\":[\"https://graph.microsoft.com/.default\"]}",
    ),
];

/// Headers of browsers and proxies, each of which every protocol rejects.
const FOREIGN: &[&str] = &[
    "Origin: https://evil.example",
    "Origin: null",
    "Origin: http://127.0.0.1:PORT",
    "origin: http://localhost",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-site",
    "Sec-Fetch-Mode: navigate",
    "Referer: https://evil.example/",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: localhost",
    "X-Forwarded-Proto: http",
    "Forwarded: for=192.0.2.60",
    "Via: 1.1 proxy.example",
    "X-Real-IP: 127.0.0.1",
];

/// Replacements in a good request, each of which every protocol rejects.
const SPOILED: &[(&str, &str)] = &[
    ("Host: 127.0.0.1:PORT", "Host: evil.example"),
    ("Host: 127.0.0.1:PORT", "Host: 127.0.0.1.evil.example:PORT"),
    ("Host: 127.0.0.1:PORT", "Host: localhost.evil.example"),
    ("Host: 127.0.0.1:PORT", "Host: 169.254.169.254"),
    ("Host: 127.0.0.1:PORT", "Host: 10.0.0.1:PORT"),
    ("Host: 127.0.0.1:PORT", "Host: [2001:db8::1]:PORT"),
    ("Host: 127.0.0.1:PORT", "Host: user@127.0.0.1:PORT"),
    ("Host: 127.0.0.1:PORT", "Host: "),
    ("Host: 127.0.0.1:PORT", "Host: 127.0.0.1:PORT\r\nHost: evil.example"),
    ("Host: 127.0.0.1:PORT\r\n", ""),
    (" HTTP/1.1", " HTTP/2.0"),
    (" HTTP/1.1", " HTTP/1.1 x"),
    (" /", " http://evil.example/"),
    (" /", " //evil.example/"),
    (" /", " /../"),
    ("token?", "token%00?"),
    ("token?", "token;x?"),
    ("graph.microsoft.com", "vault.azure.net"),
    ("graph.microsoft.com", "graph.microsoft.com.evil.example"),
    ("graph.microsoft.com", "graph.microsoft.com%0d%0aX-Injected:1"),
    ("graph.microsoft.com", "graph.microsoft.com\u{202e}"),
    ("GET", "PUT"),
    ("POST", "PUT"),
    ("GET", "OPTIONS"),
    ("POST", "OPTIONS"),
    ("GET", "HEAD"),
    ("POST", "GET"),
    ("GET", "CONNECT"),
    ("KEY", ""),
    ("KEY", "null"),
    ("KEY", "KEY, KEY"),
    ("Metadata: true", "Metadata: false"),
    ("Metadata: true", "Metadata: true\r\nMetadata: false"),
    ("Metadata: true", "X-Metadata: true"),
    (
        "X-IDENTITY-HEADER: KEY",
        "X-IDENTITY-HEADER: x\r\nX-IDENTITY-HEADER: KEY",
    ),
    ("X-IDENTITY-HEADER: KEY", "Authorization: Bearer KEY"),
    ("Authorization: Bearer KEY", "X-IDENTITY-HEADER: KEY"),
    ("Authorization: Bearer KEY", "Cookie: key=KEY"),
    ("Content-Length: 51", "Content-Length: 51\r\nContent-Length: 5"),
    ("Content-Length: 51", "Content-Length: -1"),
    ("Content-Length: 51", "Content-Length: 99999999999999999999"),
    ("{\"scopes\":", "{\"scopes\":null,\"x\":"),
    ("[\"https", "[\"\\ud800https"),
];

/// A server with every protocol, on a free port.
struct Running {
    served: Served,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let served = Served::new();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address().unwrap();
        let server = Server::new(vec![listener], Limits::default());
        let server = tokio::spawn(server.run(served.endpoint.clone(), std::future::pending()));
        Self {
            served,
            address,
            server,
        }
    }

    /// Sends these bytes, and returns all that the server sends before it closes or pauses.
    async fn exchange(&self, request: &str) -> String {
        let request = request
            .replace("KEY", self.served.key.expose())
            .replace("PORT", &self.address.port().to_string());
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may close the connection before it has read all.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut response = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut response));
        let _ = read.await.expect("the server neither responds nor closes");
        String::from_utf8_lossy(&response).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Checks that a response has neither a token nor the key, nor anything that a browser accepts.
fn check_rejected(what: &str, request: &str, response: &str, key: &str) {
    for secret in [TOKEN, key] {
        assert!(!response.contains(secret), "{what}: {request}\n{response}");
    }
    let status = response.split(' ').nth(1);
    // The client of azd reads only responses with the status 200.
    let is_error = response.contains(r#""status":"error""#);
    assert!(
        is_error || status.is_none_or(|status| status.starts_with(['4', '5'])),
        "{what}: {request}\n{response}"
    );
    assert!(
        !response.to_ascii_lowercase().contains("access-control-allow"),
        "{what}: {response}"
    );
}

#[tokio::test]
async fn hostile_requests_get_no_token() {
    let running = Running::start().await;
    let key = running.served.key.expose();
    let mut requests = 0;
    for (protocol, good) in GOOD {
        for header in FOREIGN {
            let request = good.replace("EXTRA", &format!("{header}\r\n"));
            let response = running.exchange(&request).await;
            check_rejected(protocol, &request, &response, key);
            assert!(response.starts_with("HTTP/1.1 403"), "{protocol}, {header}: {response}");
            requests += 1;
        }
        for (from, to) in SPOILED.iter().filter(|(from, _)| good.contains(from)) {
            let request = good.replacen(from, to, 1).replace("EXTRA", "");
            let response = running.exchange(&request).await;
            check_rejected(protocol, &request, &response, key);
            requests += 1;
        }
    }
    for garbage in [
        "",
        "\r\n\r\n",
        "GET",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /msi/token HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX-IDENTITY-HEADER: KEY\r\n\r\n",
        "GET /metadata/identity/oauth2/token HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
        "GET /metadata/instance?api-version=2021-02-01 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nMetadata: true\r\n\r\n",
        "POST /token HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n",
    ] {
        let response = running.exchange(garbage).await;
        check_rejected("garbage", garbage, &response, key);
        requests += 1;
    }
    assert!(requests >= 100, "{requests}");
    assert_eq!(running.served.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn guards_accept_what_clients_send() {
    let running = Running::start().await;
    for (protocol, good) in GOOD {
        for host in ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT"] {
            let request = good
                .replace("Host: 127.0.0.1:PORT", &format!("Host: {host}"))
                // `fetch` of Node sends it.
                .replace("EXTRA", "Sec-Fetch-Mode: cors\r\n");
            let response = running.exchange(&request).await;
            assert!(response.starts_with("HTTP/1.1 200"), "{protocol}, {host}: {response}");
            assert!(response.contains(TOKEN), "{protocol}, {host}: {response}");
        }
    }
    assert_eq!(Endpoint::APP_SERVICE_PATH, "/msi/token");
}
