//! A web API's work for each request: a validated token beside the bare verification of its
//! signature, and the key fetches of storms.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entra_proto::Timestamp;
use entra_transport::{Body, Request, Response, Transport, transport_fn};
use entra_validate::{FORCED_REFRESH_INTERVAL, Validator};

use crate::client::runtime;
use crate::issued::{Issued, api};
use crate::measure::{allocations, median_of};
use crate::report::Report;

pub(crate) fn measure(report: &mut Report) {
    let issued = Issued::new();
    a_request(report, &issued);
    forged_kids(report, &issued);
    first_requests(report, &issued);
}

fn a_request(report: &mut Report, issued: &Issued) {
    let (cloud, bare) = (Cloud::new(issued, Duration::ZERO), issued.bare_verification());
    let validator = Validator::new(api(), cloud.transport());
    runtime().block_on(async {
        validator.validate(&issued.token).await.unwrap();
        // In a runtime that runs already, as a server's does.
        let mut ratios = Vec::new();
        for _ in 0..301 {
            let start = Instant::now();
            for _ in 0..EACH {
                bare();
            }
            let bare = start.elapsed();
            let start = Instant::now();
            for _ in 0..EACH {
                drop(black_box(validator.validate(&issued.token).await.unwrap()));
            }
            ratios.push(start.elapsed().as_secs_f64() / bare.as_secs_f64());
        }
        let mut ratios = ratios.into_iter();
        let ratio = median_of(ratios.len(), || ratios.next().unwrap());
        report.at_most("validated-request", ratio, "times the bare verification", 1.15);
    });
    let count = allocations(|| drop(runtime().block_on(validator.validate(&issued.token)).unwrap()));
    let of_runtime = allocations(|| runtime().block_on(async {}));
    report.at_most("validated-request-allocations", count - of_runtime, "allocations", 25.0);
}

/// Unknown key IDs, after the keys were fetched.
fn forged_kids(report: &mut Report, issued: &Issued) {
    let cloud = Cloud::new(issued, Duration::ZERO);
    let clock = Arc::new(AtomicU64::new(entra_transport::now().as_secs()));
    let reader = Arc::clone(&clock);
    let now = move || Timestamp::from_secs(reader.load(Ordering::Relaxed));
    let validator = Validator::with_clock(api(), cloud.transport(), now);
    let runtime = runtime();
    runtime.block_on(validator.validate(&issued.token)).unwrap();
    let before = cloud.fetches();
    clock.fetch_add(FORCED_REFRESH_INTERVAL.as_secs(), Ordering::Relaxed);
    for number in 0..10_000 {
        let token = issued.forged(&format!("forged {number}"));
        runtime.block_on(validator.validate(&token)).unwrap_err();
    }
    runtime.block_on(validator.validate(&issued.token)).unwrap();
    let fetches = cloud.fetches() - before;
    report.at_most("key-fetches-of-10000-forged-kids", fetches as f64, "fetches", 1.0);
}

fn first_requests(report: &mut Report, issued: &Issued) {
    let cloud = Cloud::new(issued, Duration::from_millis(20));
    let validator = Validator::new(api(), cloud.transport());
    let token: Arc<str> = issued.token.as_str().into();
    runtime().block_on(async {
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let (validator, token) = (validator.clone(), Arc::clone(&token));
                tokio::spawn(async move { drop(validator.validate(&token).await.unwrap()) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let fetches = cloud.fetches() as f64;
    report.at_most("key-fetches-of-10000-first-requests", fetches, "fetches", 1.0);
}

/// The two documents, and how often the first of them was fetched.
struct Cloud {
    jwks: String,
    delay: Duration,
    fetches: Arc<AtomicUsize>,
}

impl Cloud {
    fn new(issued: &Issued, delay: Duration) -> Self {
        Self {
            jwks: issued.jwks().to_string(),
            delay,
            fetches: Arc::default(),
        }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Relaxed)
    }

    fn transport(&self) -> impl Transport + use<> {
        let (jwks, delay, fetches) = (self.jwks.clone(), self.delay, Arc::clone(&self.fetches));
        transport_fn(move |request: Request| {
            let is_metadata = request.uri().path().contains("openid-configuration");
            let document = if is_metadata {
                fetches.fetch_add(1, Ordering::Relaxed);
                Issued::metadata().to_string()
            } else {
                jwks.clone()
            };
            async move {
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Ok(Response::new(Body::from(document)))
            }
        })
    }
}

const EACH: usize = 50;
