//! The tests of the token proxy of a Kubernetes cluster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{env, fs, process, thread};

use entra_proto::environment::TokenProxySettings;
use entra_transport::adapter::FromSettings;
use entra_transport::{
    Body, Proxies, Request, Response, TokenProxy, TransportBuilder, TransportError, TransportErrorKind,
};

use crate::bench::UNHURRIED;
use crate::certificate::{Authority, Replaceable};
use crate::exchange::ok;
use crate::local::local_request;
use crate::server::Server;

/// Adds the tests of a [`TokenProxy`](entra_transport::TokenProxy) to a module of a test binary.
///
/// The first argument creates a [`TransportBuilder`](entra_transport::TransportBuilder). The second
/// sends a request over the `TokenProxy` of the transport that it builds.
#[macro_export]
macro_rules! token_proxy_tests {
    ($builder:expr, $send:expr) => {
        #[test]
        fn token_request_goes_to_the_proxy_under_its_name() {
            $crate::token_proxy::goes_to_proxy($builder, $send);
        }

        #[test]
        fn other_requests_go_to_their_host() {
            $crate::token_proxy::other_requests($builder, $send);
        }

        #[test]
        fn proxy_with_another_name_or_authority_is_rejected() {
            $crate::token_proxy::rejects_others($builder, $send);
        }

        #[test]
        fn authorities_of_the_proxy_change_under_load() {
            $crate::token_proxy::rotates($builder, $send);
        }

        #[test]
        fn file_that_is_being_written_changes_nothing() {
            $crate::token_proxy::keeps($builder, $send);
        }

        #[test]
        fn token_proxy_without_certificates_is_an_error() {
            $crate::token_proxy::needs_certificates($builder);
        }
    };
}

/// A function that sends a request over the token proxy of a transport.
type Send<T> = fn(&TokenProxy<T>, Request) -> Result<Response, TransportError>;
type Builder<T> = fn() -> TransportBuilder<T>;

pub fn goes_to_proxy<T: FromSettings + Clone>(builder: Builder<T>, send: Send<T>) {
    let authority = Authority::new("the cluster");
    let server = proxy(authority.for_another_host());
    for with_file in [true, false] {
        let file = PemFile::new("named", &authority.pem());
        let trust = match with_file {
            true => ("AZURE_KUBERNETES_CA_FILE", file.path()),
            false => ("AZURE_KUBERNETES_CA_DATA", authority.pem()),
        };
        let url = server.https("/bindings/");
        let transport = transport(builder, &[("AZURE_KUBERNETES_TOKEN_PROXY", url), name(), trust]);
        let response = send(&transport, token_request()).expect("the proxy responds");
        assert_eq!(response.body().as_bytes(), b"proxy");
        assert_eq!(server.server_name().as_deref(), Some(NAME));
        let requests = server.requests();
        let request = requests.last().expect("there is one");
        assert_eq!(request.line, "POST /bindings/tenant/oauth2/v2.0/token HTTP/1.1");
        assert_eq!(request.all("host"), [format!("127.0.0.1:{}", server.port())]);
        assert_eq!(request.body, b"grant_type=client_credentials");
    }
}

pub fn other_requests<T: FromSettings + Clone>(builder: Builder<T>, send: Send<T>) {
    let authority = Authority::new("the cluster");
    let server = proxy(authority.for_another_host());
    let other = Server::responding(ok("other"));
    let transport = transport(
        builder,
        &[
            ("AZURE_KUBERNETES_TOKEN_PROXY", server.https("")),
            name(),
            ("AZURE_KUBERNETES_CA_DATA", authority.pem()),
        ],
    );
    let get = http::Request::get(other.http("/tenant/v2.0/.well-known/openid-configuration"));
    let device = http::Request::post(other.http("/tenant/oauth2/v2.0/devicecode"));
    // The request of a managed identity, with the path of a token request.
    let mut managed = local_request(&other.http("/oauth2/v2.0/token"));
    *managed.method_mut() = http::Method::POST;
    let others = [get, device].map(|request| request.body(Body::default()).expect("this is a request"));
    for request in others.into_iter().chain([managed]) {
        let response = send(&transport, request).expect("the other server responds");
        assert_eq!(response.body().as_bytes(), b"other");
    }
    assert_eq!(server.connections(), 0);
}

pub fn rejects_others<T: FromSettings + Clone>(builder: Builder<T>, send: Send<T>) {
    let (trusted, other) = (Authority::new("the cluster"), Authority::new("another"));
    for certified in [trusted.good(), other.for_another_host()] {
        let server = proxy(certified);
        let url = ("AZURE_KUBERNETES_TOKEN_PROXY", server.https(""));
        let trust = ("AZURE_KUBERNETES_CA_DATA", trusted.pem());
        // The builder's own authorities do not count for the proxy.
        let transport = transport_of(
            builder().add_root_der(&other.root()).expect("this is a root"),
            &[url, name(), trust],
        )
        .expect("the settings are valid");
        let error = send(&transport, token_request()).expect_err("the proxy is another server");
        assert_eq!(error.kind(), TransportErrorKind::Tls, "{error:?}");
        assert!(error.to_string().starts_with("127.0.0.1:"), "{error}");
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("AZURE_KUBERNETES_CA_FILE"))
        );
        assert_eq!(server.bytes(), 0);
    }
}

pub fn rotates<T: FromSettings + Clone + Sync + std::marker::Send>(builder: Builder<T>, send: Send<T>) {
    let authorities: Vec<_> = (0..4).map(|_| Authority::new("the cluster")).collect();
    let replaceable = Replaceable::new(&authorities[0].for_another_host());
    let server = proxy(replaceable.config());
    let file = PemFile::new("rotated", &authorities[0].pem());
    let transport = transport(
        builder,
        &[
            ("AZURE_KUBERNETES_TOKEN_PROXY", server.https("")),
            name(),
            ("AZURE_KUBERNETES_CA_FILE", file.path()),
        ],
    );
    let is_over = AtomicBool::new(false);
    let sent: Vec<_> = (0..4).map(|_| AtomicUsize::new(0)).collect();
    // Waits until each sender has begun and ended a request.
    let some_more = || {
        for count in &sent {
            let before = count.load(Ordering::SeqCst);
            while count.load(Ordering::SeqCst) < before + 2 && !is_over.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
    };
    let failures: Vec<TransportError> = thread::scope(|scope| {
        let senders: Vec<_> = sent
            .iter()
            .map(|count| {
                let (is_over, transport) = (&is_over, &transport);
                scope.spawn(move || {
                    while !is_over.load(Ordering::SeqCst) {
                        if let Err(error) = send(transport, token_request()) {
                            is_over.store(true, Ordering::SeqCst);
                            return Some(error);
                        }
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    None
                })
            })
            .collect();
        for pair in authorities.windows(2) {
            let [old, new] = pair else { continue };
            some_more();
            file.write("");
            some_more();
            file.write(&format!("{}{}", old.pem(), new.pem()));
            // Requests that began before the change of the file end first.
            some_more();
            replaceable.replace(&new.for_another_host());
            some_more();
            file.write(&new.pem());
            some_more();
        }
        is_over.store(true, Ordering::SeqCst);
        senders
            .into_iter()
            .filter_map(|sender| sender.join().expect("no sender panics"))
            .collect()
    });
    assert!(failures.is_empty(), "{failures:?}");
    // The first authority is not trusted any more.
    replaceable.replace(&authorities[0].for_another_host());
    let error = send(&transport, token_request()).expect_err("the authority was replaced");
    assert_eq!(error.kind(), TransportErrorKind::Tls);
}

pub fn keeps<T: FromSettings + Clone>(builder: Builder<T>, send: Send<T>) {
    let (old, new) = (Authority::new("the old one"), Authority::new("the new one"));
    let replaceable = Replaceable::new(&old.for_another_host());
    let server = proxy(replaceable.config());
    let file = PemFile::new("written", &old.pem());
    let transport = transport(
        builder,
        &[
            ("AZURE_KUBERNETES_TOKEN_PROXY", server.https("")),
            name(),
            ("AZURE_KUBERNETES_CA_FILE", file.path()),
        ],
    );
    let half = &new.pem()[..200];
    let long = "x".repeat(2 * 1024 * 1024);
    for content in ["", "\n", half, "canary", &long] {
        file.write(content);
        send(&transport, token_request()).expect("the old authority is still trusted");
    }
    file.delete();
    send(&transport, token_request()).expect("the old authority is still trusted");
    fs::create_dir(&file.0).expect("the file is deleted");
    send(&transport, token_request()).expect("the old authority is still trusted");
    fs::remove_dir(&file.0).expect("it is a folder");
    file.write(&new.pem());
    let error = send(&transport, token_request()).expect_err("the old authority is replaced");
    assert_eq!(error.kind(), TransportErrorKind::Tls);
    replaceable.replace(&new.for_another_host());
    send(&transport, token_request()).expect("the new authority is trusted");
}

pub fn needs_certificates<T: FromSettings + Clone>(builder: Builder<T>) {
    let url = || ("AZURE_KUBERNETES_TOKEN_PROXY", "https://10.0.0.1".to_owned());
    let empty = PemFile::new("empty", "");
    let missing = format!("{}-missing", empty.path());
    for (variables, text) in [
        (
            [url(), ("AZURE_KUBERNETES_CA_FILE", empty.path())],
            "no root certificate",
        ),
        (
            [url(), ("AZURE_KUBERNETES_CA_FILE", missing)],
            "AZURE_KUBERNETES_CA_FILE",
        ),
        (
            [url(), ("AZURE_KUBERNETES_CA_DATA", "canary".to_owned())],
            "no root certificate",
        ),
        (
            [url(), ("AZURE_KUBERNETES_SNI_NAME", "not a name".to_owned())],
            "server name",
        ),
    ] {
        let error = transport_of(builder(), &variables).expect_err("the settings cannot be used");
        assert_eq!(error.kind(), TransportErrorKind::Configuration);
        assert!(error.to_string().contains(text), "{error}");
        assert!(
            error.hint().is_some() && !format!("{error:?}").contains("canary"),
            "{error:?}"
        );
    }
}

/// Starts a proxy that closes each connection after one response.
fn proxy(config: impl Into<std::sync::Arc<rustls::ServerConfig>>) -> Server {
    Server::start_tls(config, |peer| {
        if peer.request()?.is_some() {
            peer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nproxy")?;
            peer.close()?;
        }
        Ok(())
    })
}

fn transport<T: FromSettings + Clone>(builder: Builder<T>, variables: &[(&str, String)]) -> TokenProxy<T> {
    let with_root = builder().add_root_der(&Authority::new("unused").root());
    transport_of(with_root.expect("this is a root"), variables).expect("the settings are valid")
}

fn transport_of<T: FromSettings + Clone>(
    builder: TransportBuilder<T>,
    variables: &[(&str, String)],
) -> Result<TokenProxy<T>, TransportError> {
    let lookup = |name: &str| {
        let variable = variables.iter().find(|(known, _)| *known == name);
        variable.map(|(_, value)| OsString::from(value))
    };
    let settings = TokenProxySettings::read(lookup).expect("the variables are valid");
    let builder = builder
        .proxies(Proxies::none())
        .timeout(UNHURRIED)
        .connect_timeout(UNHURRIED)
        .added_roots_only(true)
        .allow_plain_loopback(true);
    TokenProxy::new(builder, settings.expect("the proxy is set"))
}

fn token_request() -> Request {
    http::Request::post("https://login.microsoftonline.com/tenant/oauth2/v2.0/token")
        .body(Body::from("grant_type=client_credentials".to_owned()))
        .expect("this is a request")
}

fn name() -> (&'static str, String) {
    ("AZURE_KUBERNETES_SNI_NAME", NAME.to_owned())
}

/// The name of the proxy in TLS, for which [`Authority::for_another_host`] makes certificates.
const NAME: &str = "login.example";

/// A file of one test, deleted at its end.
struct PemFile(PathBuf);

impl PemFile {
    fn new(name: &str, content: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let file = Self(env::temp_dir().join(format!("entra-ca-{}-{count}-{name}.pem", process::id())));
        file.write(content);
        file
    }

    /// Writes in place, so that a reader may see the file empty or incomplete.
    fn write(&self, content: &str) {
        fs::write(&self.0, content).expect("the folder for temporary files is writable");
    }

    fn path(&self) -> String {
        self.0.to_str().expect("the path is text").to_owned()
    }

    fn delete(&self) {
        fs::remove_file(&self.0).expect("the file exists");
    }
}

impl Drop for PemFile {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        let _ = fs::remove_file(path);
    }
}
