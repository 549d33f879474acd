//! The client's own work, without a network: a stub stands in the place of the transport.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entra_client::{Client, Policy};
use entra_credential::ClientCertificate;
use entra_proto::assertion::{Signer, SigningAlgorithm};
use entra_proto::{Application, ClientCredential, ClientSecret, Guid, Target, Tenant};
use entra_transport::{Body, Response, Transport, transport_fn};
use http::StatusCode;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tokio::runtime::{Builder, Runtime};

use crate::bare;
use crate::measure::{allocations, bytes_kept, each, median_of, ratio};
use crate::protocol::{Plain, percent_encode_alone};
use crate::report::Report;

pub(crate) fn measure(report: &mut Report) {
    cached(report);
    cold_secret(report);
    cold_certificate(report);
    slow_neighbour(report);
    herds(report);
    many_tenants(report);
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn application(credential: impl Into<ClientCredential>) -> Application {
    let authority = "https://login.microsoftonline.com/00000000-0000-4000-8000-000000000000"
        .parse()
        .unwrap();
    Application::new(
        authority,
        "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap(),
        credential,
    )
}

pub(crate) fn secret() -> ClientSecret {
    ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX~a.b_c-d8Q~").unwrap()
}

/// A certificate as a credential, made for this run.
pub(crate) fn certificate() -> ClientCertificate {
    ClientCertificate::from_pem(certificate_pem(), None).unwrap()
}

/// A key and a certificate for it, in PEM.
pub(crate) fn certificate_pem() -> String {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    format!("{}{}", key.serialize_pem(), params.self_signed(&key).unwrap().pem())
}

pub(crate) fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").unwrap()
}

/// APIs without a cached token.
pub(crate) fn apis(count: usize) -> Vec<Target> {
    let api = |number| Target::resource(&format!("https://r{number}.example")).unwrap();
    (0..count).map(api).collect()
}

/// The body of a response with a token of 1,500 characters.
pub(crate) fn answer() -> String {
    let head = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":""#;
    format!("{head}{}\"}}", "a".repeat(TOKEN))
}

/// Responds at once.
pub(crate) fn stub() -> impl Transport {
    let answer = answer();
    transport_fn(move |_| {
        let answer = Body::from(answer.clone());
        async move { Ok(Response::new(answer)) }
    })
}

pub(crate) fn roomy() -> Policy {
    let mut policy = Policy::default();
    policy.capacity = 200_000;
    policy
}

fn cached(report: &mut Report) {
    let (runtime, client, graph) = (runtime(), Client::new(application(secret()), stub()), graph());
    let header = bare::header();
    runtime.block_on(client.token(&graph)).unwrap();
    let cached = ratio(
        || {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..1000 {
                    black_box(client.token(&graph).await.unwrap());
                }
                start.elapsed().as_nanos() as f64 / 1000.0
            })
        },
        || each(|| (header.clone(), bare::two_clock_reads())),
    );
    report.at_most("cached-token", cached, "times a header clone and two clock reads", 2.15);
    let count = allocations(|| {
        runtime.block_on(async {
            for _ in 0..100 {
                black_box(client.token(&graph).await.unwrap());
            }
        });
    });
    report.at_most("cached-token-allocations", count / 100.0, "allocations", 0.0);
    let mut source = client.source(&graph).unwrap();
    drop(runtime.block_on(source.token()));
    let of_source = ratio(|| each(|| source.current().is_some()), || each(bare::two_clock_reads));
    report.at_most("cached-token-of-a-source", of_source, "times two clock reads", 2.0);
}

fn cold_secret(report: &mut Report) {
    let (runtime, apis) = (runtime(), apis(4000));
    let client = Client::builder(application(secret()), stub())
        .policy(roomy())
        .build()
        .unwrap();
    let (response, mut chunks) = (answer(), apis[..3500].chunks(100));
    let cold = median_of(35, || {
        let apis = chunks.next().unwrap();
        let start = Instant::now();
        runtime.block_on(async {
            for api in apis {
                drop(black_box(client.token(api).await.unwrap()));
            }
        });
        let ours = start.elapsed();
        let start = Instant::now();
        for _ in apis {
            black_box((
                percent_encode_alone(),
                serde_json::from_str::<Plain>(&response).unwrap(),
            ));
        }
        ours.as_secs_f64() / start.elapsed().as_secs_f64()
    });
    report.at_most(
        "cold-secret-no-network",
        cold,
        "times percent-encoding and serde_json alone",
        8.5,
    );
    let count = allocations(|| {
        runtime.block_on(async {
            for api in &apis[3500..] {
                client.token(api).await.unwrap();
            }
        });
    });
    report.at_most("cold-secret-no-network-allocations", count / 500.0, "allocations", 20.0);
}

/// With an assertion signed for every request, against the bare signature.
fn cold_certificate(report: &mut Report) {
    let certificate = certificate();
    let (public, input) = (certificate.certificate(), [b'a'; 600]);
    let mut policy = roomy();
    policy.assertion_margin = None;
    let client = Client::builder(application(certificate.clone()), stub())
        .policy(policy)
        .build()
        .unwrap();
    let (runtime, apis) = (runtime(), apis(1001));
    let mut apis = apis.iter();
    let ratio = median_of(1001, || {
        let start = Instant::now();
        runtime.block_on(async { drop(black_box(client.token(apis.next().unwrap()).await.unwrap())) });
        let ours = start.elapsed();
        let start = Instant::now();
        drop(black_box(
            certificate.sign(&public, SigningAlgorithm::Ps256, &input).unwrap(),
        ));
        ours.as_secs_f64() / start.elapsed().as_secs_f64()
    });
    report.at_most("cold-certificate-no-network", ratio, "times the bare signature", 1.03);
}

/// A token that is in the cache, read while the request of another slot takes half a second.
fn slow_neighbour(report: &mut Report) {
    let answer = answer();
    let transport = transport_fn(move |request: entra_transport::Request| {
        let slow = request.body().as_bytes().windows(4).any(|part| part == b"slow");
        let answer = Body::from(answer.clone());
        async move {
            if slow {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(Response::new(answer))
        }
    });
    let (runtime, client, graph) = (runtime(), Client::new(application(secret()), transport), graph());
    runtime.block_on(async {
        client.token(&graph).await.unwrap();
        let alone = p99_of_reads(&client, &graph).await;
        let other = client.clone();
        let slow = tokio::spawn(async move {
            other
                .token(&Target::resource("https://slow.example").unwrap())
                .await
                .unwrap();
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let beside = p99_of_reads(&client, &graph).await;
        assert!(!slow.is_finished(), "the slow request was in flight the whole time");
        report.at_most(
            "cached-read-beside-a-slow-request-p99",
            beside / alone,
            "times the same read alone",
            10.0,
        );
        slow.await.unwrap();
    });
}

/// The nanoseconds that 99 of 100 reads stay below.
async fn p99_of_reads(client: &Client, target: &Target) -> f64 {
    let mut times = Vec::new();
    for _ in 0..1000 {
        let start = Instant::now();
        black_box(client.token(target).await.unwrap());
        times.push(start.elapsed().as_nanos() as f64);
    }
    times.sort_by(f64::total_cmp);
    times[989]
}

/// Returns the number of requests for concurrent callers.
fn herds(report: &mut Report) {
    for (name, callers, slots, status, limit) in [
        ("requests-of-10000-on-one-slot", 10_000, 1, 200, 1.0),
        ("requests-of-10000-on-one-slot-that-fails", 10_000, 1, 401, 1.0),
        ("requests-of-100-on-each-of-100-slots", 10_000, 100, 200, 100.0),
    ] {
        let requests = Arc::new(AtomicUsize::new(0));
        let transport = transport_fn({
            let requests = Arc::clone(&requests);
            move |_| {
                requests.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let mut response = Response::new(Body::from(answer()));
                    if status != 200 {
                        response = Response::new(Body::from(r#"{"error":"invalid_client"}"#.to_owned()));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    }
                    Ok(response)
                }
            }
        });
        let client = Client::new(application(secret()), transport);
        let apis = apis(slots);
        let good = runtime().block_on(async {
            let tasks: Vec<_> = (0..callers)
                .map(|caller| {
                    let (client, api) = (client.clone(), apis[caller % slots].clone());
                    tokio::spawn(async move { client.token(&api).await.is_ok() })
                })
                .collect();
            let mut good = 0;
            for task in tasks {
                good += usize::from(task.await.unwrap());
            }
            good
        });
        assert_eq!(good, if status == 200 { callers } else { 0 }, "all have the same");
        report.at_most(name, requests.load(Ordering::Relaxed) as f64, "requests", limit);
    }
}

fn many_tenants(report: &mut Report) {
    const TENANTS: u128 = 100_000;
    let (runtime, graph) = (runtime(), graph());
    let client = Client::builder(application(secret()), stub())
        .policy(roomy())
        .build()
        .unwrap();
    let tenant = |number: u128| Tenant::from(Guid::from_bytes((number << 64 | 0x4000_8000).to_be_bytes()));
    let kept = bytes_kept(|| {
        runtime.block_on(async {
            for number in 1..=TENANTS {
                client.tenant(tenant(number)).token(&graph).await.unwrap();
            }
        });
    });
    assert_eq!(client.cache_entries(), TENANTS as usize);
    let beside = kept / TENANTS as f64 - TOKEN as f64;
    report.at_most("bytes-beside-the-token-at-100000-tenants", beside, "bytes each", 400.0);
    let names: Vec<String> = (1..=TENANTS).map(|number| tenant(number).to_string()).collect();
    let plain: HashMap<(Guid, &str), Arc<[u64; 8]>> = names
        .iter()
        .map(|name| ((name.parse().unwrap(), "https://graph.microsoft.com"), Arc::default()))
        .collect();
    let lookup = ratio(
        || {
            let mut names = at_random(&names);
            each(|| {
                client
                    .tenant(names().parse::<Tenant>().unwrap())
                    .cached(&graph)
                    .unwrap()
            })
        },
        || {
            let mut names = at_random(&names);
            each(|| Arc::clone(&plain[&(names().parse().unwrap(), "https://graph.microsoft.com")]))
        },
    );
    report.at_most(
        "lookup-at-100000-tenants",
        lookup,
        "times a HashMap of the same keys",
        1.5,
    );
}

/// Names in an order without a pattern, the same at each call.
fn at_random<'n>(names: &'n [String]) -> impl FnMut() -> &'n str {
    let mut at = 0_usize;
    move || {
        at = at
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        &names[(at >> 33) % names.len()]
    }
}

/// The length of the stub's token.
const TOKEN: usize = 1500;
