//! Measures entra-client against an authority that another process runs, in the terms of a bench
//! that runs many libraries alike.
//!
//! `driver main` prints one line of JSON with every figure; `driver first secret|cert` gets one
//! token from a standing start and prints its peak memory; `driver nothing` ends at once;
//! `driver mt N` fills N tenants. The environment says where: `AUTH_HTTPS` and `AUTH_HTTP` (base
//! URLs, the latter with `/_stats` and `/_latency`), `CERTS` (a folder with `client.pem`),
//! `SSL_CERT_FILE` (the authority's CA).

#![allow(clippy::print_stdout, reason = "the figures are what it prints")]

mod authority;
mod measure;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entra_client::{Client, Policy};
use entra_credential::ClientCertificate;
use entra_proto::{Application, Authority, ClientCredential, ClientSecret, Guid, Target, Tenant, Timestamp};
use entra_transport::{Body, Response, Transport, transport_fn};
use entra_transport_hyper::HyperTransport;
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::measure::{allocations, cpu_us, peak_kb, percentile, resident};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["first", kind] => first(kind == "cert"),
        ["nothing"] => {}
        ["mt", tenants] => print(&many_tenants(tenants.parse().expect("a number of tenants"))),
        _ => print(&everything()),
    }
}

type Figures = Map<String, Value>;

fn print(figures: &Figures) {
    println!("{}", Value::Object(figures.clone()));
}

fn set(figures: &mut Figures, name: &str, value: f64) {
    figures.insert(name.to_owned(), json!((value * 1000.0).round() / 1000.0));
}

fn named(peer: &str) -> Figures {
    Figures::from_iter([("peer".to_owned(), json!(peer))])
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn tenant(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn graph() -> Target {
    Target::resource("https://graph.microsoft.com").expect("a resource")
}

/// APIs without a cached token.
fn apis(count: usize) -> Vec<Target> {
    let api = |number| Target::resource(&format!("https://r{number}.example")).expect("a resource");
    (0..count).map(api).collect()
}

fn credential(certificate: bool) -> ClientCredential {
    if certificate {
        let pem = std::fs::read(format!("{}/client.pem", authority::variable("CERTS"))).expect("client.pem");
        ClientCertificate::read(&pem, None)
            .expect("a certificate with its key")
            .into()
    } else {
        ClientSecret::new("s3cret").expect("a secret").into()
    }
}

fn client(certificate: bool, number: usize, transport: impl Transport + 'static) -> Client {
    let authority: Authority = format!("{}/{}", authority::variable("AUTH_HTTPS"), tenant(number))
        .parse()
        .expect("an authority");
    let client_id = "11111111-1111-4111-8111-111111111111".parse().expect("a client id");
    let mut policy = Policy::default();
    policy.capacity = 200_000;
    Client::builder(
        Application::new(authority, client_id, credential(certificate)),
        transport,
    )
    .policy(policy)
    .build()
    .expect("a client")
}

fn wire() -> Arc<HyperTransport> {
    Arc::new(HyperTransport::new().expect("a transport"))
}

fn first(certificate: bool) {
    one_thread().block_on(async {
        client(certificate, 0, wire()).token(&graph()).await.expect("a token");
    });
    println!("{}", json!({ "hwm_kb": peak_kb() }));
}

fn everything() -> Figures {
    let mut figures = named("ours");
    let alone = std::env::var_os("ONLY_SEQ").is_some();
    cached(&mut figures);
    for certificate in [false, true] {
        cold(&mut figures, certificate);
    }
    if alone {
        return figures;
    }
    for certificate in [false, true] {
        without_network(&mut figures, certificate);
    }
    assertion(&mut figures);
    for certificate in [false, true] {
        throughput(&mut figures, certificate);
    }
    stampede(&mut figures);
    one_application(&mut figures);
    figures
}

fn cached(figures: &mut Figures) {
    let runtime = one_thread();
    let (client, graph) = (client(false, 0, wire()), graph());
    runtime.block_on(client.token(&graph)).expect("a token");
    let mut rounds = Vec::new();
    runtime.block_on(async {
        for round in 0..620 {
            let start = Instant::now();
            for _ in 0..200 {
                black_box(client.token(&graph).await.expect("a token"));
            }
            if round >= 20 {
                rounds.push(start.elapsed().as_nanos() as f64 / 200.0);
            }
        }
    });
    set(figures, "cached_ns", percentile(&mut rounds, 0.5));
    let (count, bytes) = allocations(|| {
        runtime.block_on(async {
            for _ in 0..1000 {
                black_box(client.token(&graph).await.expect("a token"));
            }
        });
    });
    set(figures, "cached_allocs", (count / 1000) as f64);
    set(figures, "cached_bytes", (bytes / 1000) as f64);
}

fn cold(figures: &mut Figures, certificate: bool) {
    let key = if certificate { "cold_cert" } else { "cold_secret" };
    let count = if certificate { 1000 } else { 5000 };
    let (runtime, client, apis) = (one_thread(), client(certificate, 0, wire()), apis(count + 100));
    let connections = authority::count("tls_connections");
    let mut times = Vec::with_capacity(count);
    // In one run of the runtime, as a program is.
    let mut ask_all = |apis: &[Target]| {
        runtime.block_on(async {
            for api in apis {
                let start = Instant::now();
                client.token(api).await.expect("a token");
                times.push(start.elapsed().as_nanos() as f64 / 1e3);
            }
        });
    };
    ask_all(&apis[..100]);
    let cpu = cpu_us();
    let (allocated, _) = allocations(|| ask_all(&apis[100..]));
    let mut times = times.split_off(100);
    set(figures, &format!("{key}_cpu_us"), (cpu_us() - cpu) / count as f64);
    set(figures, &format!("{key}_allocs"), allocated as f64 / count as f64);
    let opened = authority::count("tls_connections") - connections;
    set(figures, &format!("{key}_connections"), opened as f64);
    set(
        figures,
        &format!("{key}_first50_us"),
        percentile(&mut times[..50].to_vec(), 0.5),
    );
    set(figures, &format!("{key}_us"), percentile(&mut times, 0.5));
    set(figures, &format!("{key}_p95_us"), percentile(&mut times, 0.95));
}

/// A transport without a network: what is left is the library's own work.
fn stub() -> impl Transport {
    let head = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":""#;
    let answer = format!("{head}{}\"}}", "a".repeat(1500));
    transport_fn(move |_| {
        let answer = Body::from(answer.clone());
        async move { Ok(Response::new(answer)) }
    })
}

fn without_network(figures: &mut Figures, certificate: bool) {
    let key = if certificate { "stub_cert" } else { "stub_secret" };
    let (runtime, client, apis) = (one_thread(), client(certificate, 0, stub()), apis(3000));
    let mut times = Vec::new();
    let (allocated, _) = runtime.block_on(async {
        for api in &apis[..500] {
            client.token(api).await.expect("a token");
        }
        for api in &apis[500..2500] {
            let start = Instant::now();
            client.token(api).await.expect("a token");
            times.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
        (0, 0)
    });
    let (more, _) = allocations(|| {
        runtime.block_on(async {
            for api in &apis[2500..] {
                client.token(api).await.expect("a token");
            }
        });
    });
    set(figures, &format!("{key}_us"), percentile(&mut times, 0.5));
    set(figures, &format!("{key}_allocs"), (allocated + more) as f64 / 500.0);
}

/// One assertion, built and signed.
fn assertion(figures: &mut Figures) {
    let ClientCredential::Certificate(certificate) = credential(true) else {
        return;
    };
    let request = client(true, 0, stub())
        .application()
        .expect("an application")
        .client_credentials(graph())
        .expect("a request");
    let mut times = Vec::new();
    for number in 0..400_u128 {
        let start = Instant::now();
        let id = Guid::from_bytes(number.to_be_bytes());
        let unsigned = request
            .unsigned_assertion(id, Timestamp::from_secs(1_767_225_600))
            .expect("one is wanted");
        let signature = certificate.sign(&unsigned).expect("a signature");
        black_box(unsigned.signed(&signature));
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
    }
    set(figures, "assertion_us", percentile(&mut times, 0.5));
    set(figures, "assertion_reused", 1.0);
}

/// Requests a second of 64 workers, each in a tenant of its own and then all in one.
fn throughput(figures: &mut Figures, certificate: bool) {
    let key = if certificate { "cold_cert" } else { "cold_secret" };
    let each = if certificate { 60 } else { 400 };
    for (suffix, together) in [("rps64", false), ("rps64_one_credential", true)] {
        let runtime = two_threads();
        let client = client(certificate, 0, wire());
        let rate = runtime.block_on(async {
            let mut rate = 0.0;
            for (round, count) in [(0, 2), (1, each)] {
                let start = Instant::now();
                let workers: Vec<_> = (0..64)
                    .map(|worker| {
                        let number = if together { 0 } else { worker };
                        let client = client.tenant(tenant(number).parse::<Tenant>().expect("a tenant"));
                        tokio::spawn(async move {
                            for n in 0..count {
                                let api = format!("https://r{round}x{worker}x{n}.example");
                                client
                                    .token(&Target::resource(&api).expect("a resource"))
                                    .await
                                    .expect("a token");
                            }
                        })
                    })
                    .collect();
                for worker in workers {
                    worker.await.expect("a worker");
                }
                rate = (64 * count) as f64 / start.elapsed().as_secs_f64();
            }
            rate
        });
        set(figures, &format!("{key}_{suffix}"), rate);
    }
}

fn stampede(figures: &mut Figures) {
    let runtime = two_threads();
    let client = client(false, 0, wire());
    runtime.block_on(async {
        let warm = client.tenant(tenant(1).parse::<Tenant>().expect("a tenant"));
        warm.token(&graph()).await.expect("a token");
        authority::latency(50);
        let (before, start) = (authority::count("token"), Instant::now());
        let callers: Vec<_> = (0..1000)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.token(&graph()).await.is_ok() })
            })
            .collect();
        let mut failed = 0;
        for caller in callers {
            failed += usize::from(!caller.await.expect("a caller"));
        }
        set(figures, "stampede_wall_ms", start.elapsed().as_secs_f64() * 1e3);
        set(
            figures,
            "stampede_requests",
            (authority::count("token") - before) as f64,
        );
        set(figures, "stampede_failed", failed as f64);

        // A token that is in the cache, read while another one is fetched.
        authority::latency(500);
        let other = client.clone();
        let fetching = tokio::spawn(async move {
            let other_api = Target::resource("https://other.example").expect("a resource");
            other.token(&other_api).await.expect("a token");
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let start = Instant::now();
        client.token(&graph()).await.expect("a token");
        set(figures, "reader_stall_ms", start.elapsed().as_secs_f64() * 1e3);
        assert!(!fetching.is_finished());
        fetching.await.expect("the other caller");
        authority::latency(0);
    });
}

fn one_application(figures: &mut Figures) {
    let (fill, read, _) = fill(1000);
    set(figures, "one_app_1k_tenants_fill_s", fill);
    set(figures, "one_app_1k_tenants_ns", read);
}

fn many_tenants(count: usize) -> Figures {
    let mut figures = named("ours");
    let key = format!("mt{}k", count / 1000);
    let (seconds, read, bytes) = fill(count);
    set(&mut figures, &format!("{key}_fill_s"), seconds);
    set(&mut figures, &format!("{key}_ns"), read);
    set(&mut figures, &format!("{key}_bytes_per_token"), bytes);
    figures
}

/// Fills this many tenants of one client and reads them in random order: the seconds, the
/// nanoseconds a read, the bytes a token.
fn fill(count: usize) -> (f64, f64, f64) {
    let runtime = two_threads();
    let client = client(false, 0, wire());
    let at = |name: &str| client.tenant(name.parse::<Tenant>().expect("a tenant"));
    let fetch = |name: &str| {
        let client = at(name);
        tokio::spawn(async move { drop(client.token(&graph()).await.expect("a token")) })
    };
    runtime.block_on(async {
        let warm: Vec<_> = (0..64).map(|n| fetch(&format!("warm{n}.example"))).collect();
        for one in warm {
            one.await.expect("a task");
        }
        let names: Vec<String> = (0..count).map(tenant).collect();
        let (before, start) = (resident(), Instant::now());
        for chunk in names.chunks(64) {
            let tasks: Vec<_> = chunk.iter().map(|name| fetch(name)).collect();
            for task in tasks {
                task.await.expect("a task");
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        let bytes = resident().saturating_sub(before) as f64 / count as f64;
        let graph = graph();
        let (mut dice, mut rounds) = (measure::Dice::default(), Vec::new());
        for _ in 0..600 {
            let start = Instant::now();
            for _ in 0..200 {
                black_box(at(&names[dice.below(count)]).token(&graph).await.expect("a token"));
            }
            rounds.push(start.elapsed().as_nanos() as f64 / 200.0);
        }
        (seconds, percentile(&mut rounds, 0.5), bytes)
    })
}
