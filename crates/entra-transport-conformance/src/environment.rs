//! The tests of environment variables: those for proxies, and those for files of roots.
//!
//! Variables belong to a process, so each test runs an ignored test of the same binary in a
//! separate process.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use entra_transport::adapter::FromSettings;
use entra_transport::{Body, Request, Response, TransportBuilder, TransportError, TransportErrorKind};

use crate::bench::LOOK_UP;
use crate::certificate::{root_pem, self_signed};
use crate::exchange::ok;
use crate::local::{local_request, pinned, probe};
use crate::server::{Peer, Server};

/// Adds the tests of environment variables to a module of a test binary: those for proxies, and
/// those for files of roots.
///
/// The first argument creates a [`TransportBuilder`](entra_transport::TransportBuilder). The second
/// sends a request over the transport that it builds.
///
/// ```
/// use entra_transport::adapter::FromSettings;
/// use entra_transport::{Request, Response, TransportBuilder, TransportError};
/// use entra_transport_conformance::environment_tests;
///
/// struct MyTransport;
///
/// # use entra_transport::adapter::Settings;
/// impl FromSettings for MyTransport {
///     // ...
/// #   fn from_settings(_: Settings) -> Result<Self, TransportError> { Ok(Self) }
/// }
///
/// impl MyTransport {
///     fn send(&self, _: Request) -> Result<Response, TransportError> {
///         unimplemented!()
///     }
/// }
///
/// environment_tests!(TransportBuilder::<MyTransport>::new, MyTransport::send);
/// ```
#[macro_export]
macro_rules! environment_tests {
    ($builder:expr, $send:expr) => {
        #[test]
        fn proxy_from_environment_is_used() {
            $crate::environment::uses_proxy(module_path!());
        }

        #[test]
        fn proxy_for_plain_http_is_ignored() {
            $crate::environment::ignores_proxy_for_http(module_path!());
        }

        #[test]
        fn proxy_from_environment_is_not_used_for_local_endpoints() {
            $crate::environment::ignores_proxy_for_local_endpoints(module_path!());
        }

        #[test]
        fn unusable_proxy_is_an_error() {
            $crate::environment::reports_unusable_proxies(module_path!());
        }

        #[test]
        fn missing_roots_are_an_error() {
            $crate::environment::reports_missing_roots(module_path!());
        }

        #[test]
        #[ignore = "another test runs it in a separate process"]
        fn child_sends_through_proxy() {
            $crate::environment::child_sends_through_proxy($builder, $send);
        }

        #[test]
        #[ignore = "another test runs it in a separate process"]
        fn child_reaches_loopback() {
            $crate::environment::child_reaches_loopback($builder, $send);
        }

        #[test]
        #[ignore = "another test runs it in a separate process"]
        fn child_reaches_local_endpoint() {
            $crate::environment::child_reaches_local_endpoint($builder, $send);
        }

        #[test]
        #[ignore = "another test runs it in a separate process"]
        fn child_cannot_be_built() {
            $crate::environment::child_cannot_be_built($builder);
        }

        #[test]
        #[ignore = "another test runs it in a separate process"]
        fn child_has_no_roots() {
            $crate::environment::child_has_no_roots($builder);
        }
    };
}

/// Runs an ignored test of this binary in a separate process. The process has these variables and
/// no other variables for proxies and roots.
///
/// `test` is the path of the test in the binary, such as `environment::child_has_no_roots`.
///
/// # Panics
/// Panics if the test fails, or if no test has this name.
pub fn run_with(variables: &[(&str, &OsStr)], test: &str) {
    let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy().to_ascii_lowercase();
        if known.ends_with("_proxy") || known.starts_with("ssl_cert_") {
            command.env_remove(name);
        }
    }
    let ended = command
        .args(["--exact", test, "--ignored"])
        .envs(variables.iter().copied())
        .output()
        .expect("a test can be run");
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && printed.contains("1 passed"), "{printed}");
}

/// Runs an ignored test of the macro. `module` is `module_path!()`, which begins with the name of
/// the binary.
fn run_child(variables: &[(&str, &OsStr)], module: &str, child: &str) {
    let test = match module.split_once("::") {
        Some((_, module)) => format!("{module}::{child}"),
        None => child.to_owned(),
    };
    run_with(variables, &test);
}

pub fn uses_proxy(module: &str) {
    let proxy = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let address = proxy.local_addr().expect("it is bound");
    let requested = thread::spawn(move || {
        let mut start = [0; 34];
        let (mut stream, _) = proxy.accept().expect("a client connects");
        stream.read_exact(&mut start).expect("the client sends its request");
        start
    });
    let proxy = format!("http://{address}");
    run_child(
        &[("HTTPS_PROXY", OsStr::new(&proxy))],
        module,
        "child_sends_through_proxy",
    );
    let requested = requested.join().expect("the proxy ends");
    assert_eq!(&requested, b"CONNECT login.example:443 HTTP/1.1");
}

pub fn ignores_proxy_for_http(module: &str) {
    let dead = OsStr::new("http://127.0.0.1:1");
    run_child(
        &[("http_proxy", dead), ("HTTP_PROXY", dead)],
        module,
        "child_reaches_loopback",
    );
}

pub fn ignores_proxy_for_local_endpoints(module: &str) {
    let proxy = Server::start(Peer::until_gone);
    let uri = format!("http://127.0.0.1:{}", proxy.port());
    let uri = OsStr::new(&uri);
    let names = ["http_proxy", "https_proxy", "all_proxy"].map(|name| [name.to_owned(), name.to_uppercase()]);
    let variables: Vec<_> = names.iter().flatten().map(|name| (name.as_str(), uri)).collect();
    run_child(&variables, module, "child_reaches_local_endpoint");
    assert_eq!(proxy.connections(), 0);
}

pub fn reports_unusable_proxies(module: &str) {
    let run = |variables: &[(&str, &OsStr)]| run_child(variables, module, "child_cannot_be_built");
    run(&[("HTTPS_PROXY", OsStr::new("socks5://127.0.0.1:1080"))]);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        let not_utf8 = OsStr::from_bytes(b"http://user:p\xe9ss@127.0.0.1:1");
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            run(&[(name, not_utf8)]);
        }
        let proxy = OsStr::new("http://127.0.0.1:1");
        run(&[("HTTPS_PROXY", proxy), ("NO_PROXY", not_utf8)]);
        run(&[("HTTPS_PROXY", proxy), ("no_proxy", not_utf8)]);
    }
}

pub fn reports_missing_roots(module: &str) {
    let run = |name, value| run_child(&[(name, OsStr::new(value))], module, "child_has_no_roots");
    run("SSL_CERT_FILE", "/no/such/file.pem");
    run("SSL_CERT_DIR", "/no/such/folder");
}

/// A function that sends a request over a transport.
type Send<T> = fn(&T, Request) -> Result<Response, TransportError>;

pub fn child_sends_through_proxy<T: FromSettings>(builder: fn() -> TransportBuilder<T>, send: Send<T>) {
    let transport = with_root(builder()).build().expect("the proxy can be used");
    let error = send(&transport, get("https://login.example/")).expect_err("the proxy closes the connection");
    assert_eq!(error.kind(), TransportErrorKind::Connect);
    assert!(error.to_string().starts_with("the proxy 127.0.0.1:"), "{error}");
}

pub fn child_reaches_loopback<T: FromSettings>(builder: fn() -> TransportBuilder<T>, send: Send<T>) {
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let uri = format!("http://{}/", server.local_addr().expect("it is bound"));
    thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a client connects");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let transport = builder()
        .allow_plain_loopback(true)
        .build()
        .expect("the settings are valid");
    let response = send(&transport, get(&uri)).expect("the server responds");
    assert_eq!(response.body().as_bytes(), b"ok");
}

pub fn child_reaches_local_endpoint<T: FromSettings>(builder: fn() -> TransportBuilder<T>, send: Send<T>) {
    let server = Server::responding(ok("{}"));
    let certified = self_signed();
    let secure = Server::start_tls(certified.config(), |peer| {
        peer.request()?;
        peer.write(ok("{}").as_bytes())
    });
    let transport = with_root(builder())
        .timeout(LOOK_UP)
        .build()
        .expect("the proxy can be used");
    for request in [
        local_request(&server.http("/msi/token")),
        probe(&server.http("")),
        pinned(&secure.https("/token"), &certified.sha1()),
    ] {
        let response = send(&transport, request).expect("the endpoint responds");
        assert_eq!(response.body().as_bytes(), b"{}");
    }
    // Proxies are known to be left out for this machine, but these hosts are others. The error
    // tells that their names were looked up here.
    for request in [
        local_request("https://no-such-host.invalid/msi/token"),
        pinned("https://no-such-host.invalid/token", &certified.sha1()),
    ] {
        let error = send(&transport, request).expect_err("the host does not exist");
        let is_unknown = matches!(error.kind(), TransportErrorKind::Dns | TransportErrorKind::Timeout);
        assert!(is_unknown, "{error:?}");
    }
}

pub fn child_cannot_be_built<T: FromSettings>(builder: fn() -> TransportBuilder<T>) {
    let error = configuration_error(with_root(builder()));
    assert!(error.to_ascii_lowercase().contains("_proxy"), "{error}");
}

pub fn child_has_no_roots<T: FromSettings>(builder: fn() -> TransportBuilder<T>) {
    let error = configuration_error(builder());
    assert!(error.contains("SSL_CERT_"), "{error}");
    // An emulator over plain http works without roots.
    assert!(builder().allow_plain_loopback(true).build().is_ok());
}

fn with_root<T: FromSettings>(builder: TransportBuilder<T>) -> TransportBuilder<T> {
    builder
        .root_certificates_pem(root_pem().as_bytes())
        .expect("it is a certificate")
}

fn configuration_error<T: FromSettings>(builder: TransportBuilder<T>) -> String {
    let Err(error) = builder.build() else {
        panic!("a transport was built");
    };
    assert_eq!(error.kind(), TransportErrorKind::Configuration);
    error.to_string()
}

fn get(uri: &str) -> Request {
    http::Request::get(uri).body(Body::default()).expect("it is a URI")
}
