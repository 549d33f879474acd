//! Tokens over kept-alive TLS, beside a bare POST by hyper over the same kind of connection; and
//! from the start of a process.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use entra_client::Client;
use entra_proto::{Authority, ClientCredential, Cloud};
use entra_transport_hyper::HyperTransport;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::client::{answer, apis, application, certificate, certificate_pem, roomy, runtime, secret};
use crate::measure::{allocations, median_of};
use crate::report::Report;
use crate::server::Server;

pub(crate) fn measure(report: &mut Report) {
    // One CPU for both sides: wake-ups from one to another are most of a request on loopback
    // otherwise, and noise.
    let all = sched_getaffinity(None).unwrap();
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).rfind(|cpu| all.is_set(*cpu)).unwrap());
    sched_setaffinity(None, &one).unwrap();
    against_a_bare_post(report);
    sched_setaffinity(None, &all).unwrap();
    from_the_start(report);
}

fn against_a_bare_post(report: &mut Report) {
    let (server, runtime) = (Server::start(answer()), runtime());
    let mut bare = runtime.block_on(connect(&server));
    let secret_client = client(&server, secret());
    let certificate_client = client(&server, certificate());
    let apis = apis(ROUNDS * EACH * 2);
    let (mut secret_apis, mut certificate_apis) = (apis.chunks(EACH), apis.chunks(EACH));
    let timed = |work: &mut dyn FnMut(&Runtime)| {
        let start = Instant::now();
        work(&runtime);
        start.elapsed().as_secs_f64()
    };
    let ask = |client: &Client, apis: &mut std::slice::Chunks<'_, _>| {
        let apis = apis.next().unwrap();
        timed(&mut |runtime| {
            runtime.block_on(async {
                for api in apis {
                    black_box(client.token(api).await.unwrap());
                }
            });
        })
    };
    let mut certificate_ratios = Vec::new();
    let secret_ratio = median_of(ROUNDS, || {
        let bare = timed(&mut |runtime| {
            runtime.block_on(async {
                for _ in 0..EACH {
                    black_box(post(&mut bare, &server).await);
                }
            });
        });
        let secret = ask(&secret_client, &mut secret_apis);
        certificate_ratios.push(ask(&certificate_client, &mut certificate_apis) / secret);
        secret / bare
    });
    report.at_most("cold-secret-over-tls", secret_ratio, "times a bare POST", 1.3);
    certificate_ratios.sort_by(f64::total_cmp);
    let certificate_ratio = certificate_ratios[ROUNDS / 2];
    report.at_most(
        "cold-certificate-over-tls",
        certificate_ratio,
        "times a cold secret",
        1.2,
    );

    let bare = allocations(|| {
        runtime.block_on(async {
            for _ in 0..EACH {
                post(&mut bare, &server).await;
            }
        });
    });
    let apis = secret_apis.next().unwrap();
    let ours = allocations(|| {
        runtime.block_on(async {
            for api in apis {
                secret_client.token(api).await.unwrap();
            }
        });
    });
    let beside = (ours - bare) / EACH as f64;
    report.at_most("cold-secret-over-tls-allocations", beside, "beside a bare POST's", 25.0);
}

fn client(server: &Server, credential: impl Into<ClientCredential>) -> Client {
    let cloud = Cloud::at(&format!("https://{}", server.address)).unwrap();
    let tenant = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    let transport = HyperTransport::builder()
        .root_certificates_pem(server.ca_pem.as_bytes())
        .unwrap()
        .added_roots_only(true)
        .build()
        .unwrap();
    let application = application(credential).with_authority(Authority::new(cloud, tenant).unwrap());
    Client::builder(application, transport).policy(roomy()).build().unwrap()
}

async fn connect(server: &Server) -> SendRequest<Full<Bytes>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(server.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

/// The same request, sent by a program without this library.
async fn post(sender: &mut SendRequest<Full<Bytes>>, server: &Server) -> Bytes {
    let body: &[u8] =
        b"client_id=535fb089-9ff3-47b6-9bfb-4f1264799865&client_secret=qWgdYAmab0YSkuL1qKv5bPX~a.b_c-d8Q~&\
        grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let request = http::Request::post("/00000000-0000-4000-8000-000000000000/oauth2/v2.0/token")
        .header("host", server.address.to_string())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from_static(body)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap().to_bytes()
}

/// The time from the start of a process to its first token, with each cryptography under TLS and
/// for certificates. The caller builds the programs.
fn from_the_start(report: &mut Report) {
    let server = Server::start(answer());
    let folder = std::env::temp_dir().join(format!("entra-figures-{}", std::process::id()));
    // Fails if another process created it.
    std::fs::create_dir(&folder).unwrap();
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, &server.ca_pem).unwrap();
    std::fs::write(folder.join("client.pem"), certificate_pem()).unwrap();
    for (name, credential, variable, limit) in [
        ("process-to-first-token-ring", "secret", RING, 5.0),
        ("process-to-first-token-aws-lc-rs", "secret", AWS_LC_RS, 29.0),
        ("process-to-first-token-certificate-ring", "cert", RING, 6.5),
        ("process-to-first-token-certificate-aws-lc-rs", "cert", AWS_LC_RS, 50.0),
    ] {
        let Some(driver) = std::env::var_os(variable) else {
            println!("{name}: no {variable} to run");
            continue;
        };
        let run = |arguments: &[&str]| {
            let start = Instant::now();
            let status = Command::new(&driver)
                .args(arguments)
                .env("AUTH_HTTPS", format!("https://{}", server.address))
                .env("CERTS", &folder)
                .env("SSL_CERT_FILE", &ca)
                .env_remove("SSL_CERT_DIR")
                .env("NO_PROXY", "*")
                .stdout(std::process::Stdio::null())
                .status();
            assert!(status.unwrap().success());
            start.elapsed().as_secs_f64()
        };
        let ratio = median_of(31, || run(&["first", credential]) / run(&["nothing"]));
        report.at_most(name, ratio, "times a process that ends at once", limit);
    }
    drop(std::fs::remove_dir_all(folder));
}

/// The variables that name the driver with each cryptography.
const RING: &str = "ENTRA_DRIVER_RING";
const AWS_LC_RS: &str = "ENTRA_DRIVER_AWS_LC_RS";

const ROUNDS: usize = 101;

/// The number of requests of each side in a round.
const EACH: usize = 40;
