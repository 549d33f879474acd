#![allow(dead_code, unused)]
mod support;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_client::{Client, Clock, Now};
use entra_proto::Timestamp;
use entra_tower::BearerLayer;
use entra_transport::{Body, transport_fn};
use http::{Request, Response, StatusCode};
use support::{Answer, challenge, challenge_from, context, not_before, ok, token_in, unauthorized};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, ServiceExt};

struct TokioClock(Instant);
impl Clock for TokioClock {
    fn now(&self) -> Now {
        let passed = self.0.elapsed();
        Now { wall: Timestamp::from_secs(1_767_225_600).plus(passed), monotonic: Duration::from_secs(1000) + passed }
    }
}

#[derive(Clone)]
struct World {
    start: Instant,
    forms: Arc<Mutex<Vec<(f64, String)>>>,
    sent: Arc<Mutex<Vec<(f64, String, String)>>>,
    valid_from: Arc<AtomicUsize>,
    client: Client,
    api: Arc<dyn Fn(&World, &str, usize) -> Answer + Send + Sync>,
}
type Call = Arc<dyn Fn(Request<String>) -> Pin<Box<dyn Future<Output = Result<u16, String>> + Send>> + Send + Sync>;

impl World {
    /// service: (form, number) -> (status, latency seconds)
    fn new(
        service: impl Fn(f64, &str, usize) -> (u16, f64) + Send + Sync + 'static,
        api: impl Fn(&World, &str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let start = Instant::now();
        let forms = Arc::new(Mutex::new(Vec::new()));
        let record: Arc<Mutex<Vec<(f64, String)>>> = Arc::clone(&forms);
        let transport = transport_fn(move |request: entra_transport::Request| {
            let form = percent_encoding::percent_decode_str(&String::from_utf8_lossy(request.body().as_bytes()).replace('+', " ")).decode_utf8().unwrap().into_owned();
            let at = start.elapsed().as_secs_f64();
            let number = { let mut f = record.lock().unwrap(); f.push((at, form.clone())); f.len() };
            let (status, latency) = service(at, &form, number);
            async move {
                sleep(Duration::from_secs_f64(latency)).await;
                let body = if status == 200 { format!(r#"{{"access_token":"t{number}","expires_in":3599}}"#) } else if status == 400 { r#"{"error":"invalid_request","error_description":"no"}"#.to_owned() } else { String::new() };
                let mut r = Response::new(Body::from(body));
                *r.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok(r)
            }
        });
        let mut policy = entra_client::Policy::default();
        policy.retry = entra_proto::RetryPolicy::never();
        let client = Client::builder(support::application(), transport).policy(policy).clock(TokioClock(start)).build().unwrap();
        Self { start, forms, sent: Arc::default(), valid_from: Arc::new(AtomicUsize::new(0)), client, api: Arc::new(api) }
    }
    fn at(&self) -> f64 { self.start.elapsed().as_secs_f64() }
    fn form(&self, n: usize) -> String { self.forms.lock().unwrap()[n - 1].1.clone() }
    fn requests(&self) -> usize { self.forms.lock().unwrap().len() }
    fn is_valid(&self, n: usize) -> bool { n >= self.valid_from.load(Ordering::SeqCst) }
    fn revoke(&self) { self.valid_from.store(self.requests() + 1, Ordering::SeqCst) }
    fn call(&self, replays: bool) -> Call {
        let world = self.clone();
        let inner = tower::service_fn(move |request: Request<String>| {
            let world = world.clone();
            async move {
                sleep(Duration::from_millis(10)).await;
                let token = token_in(request.headers()).to_owned();
                let path = request.uri().path().to_owned();
                world.sent.lock().unwrap().push((world.at(), path.clone(), token.clone()));
                let number = token[1..].parse().unwrap();
                let (status, fields) = (world.api)(&world, &path, number);
                if status == 0 { return Err(support::ApiError); }
                let mut r = Response::new(String::new());
                *r.status_mut() = StatusCode::from_u16(status).unwrap();
                for (n, v) in fields { r.headers_mut().append(n, v.parse().unwrap()); }
                Ok(r)
            }
        });
        let source = self.client.source(&support::graph(), None).unwrap();
        let layer = BearerLayer::new(source, ["https://graph.microsoft.com", "https://b.test"]).unwrap();
        if replays {
            let s = layer.replay().layer(inner);
            Arc::new(move |r| { let s = s.clone(); Box::pin(async move { s.oneshot(r).await.map(|r| r.status().as_u16()).map_err(|e| format!("{e:?}")) }) })
        } else {
            let s = layer.layer(inner);
            Arc::new(move |r| { let s = s.clone(); Box::pin(async move { s.oneshot(r).await.map(|r| r.status().as_u16()).map_err(|e| format!("{e:?}")) }) })
        }
    }
}
fn req(path: &str) -> Request<String> { Request::post(format!("https://graph.microsoft.com{path}")).body("b".into()).unwrap() }
fn simple(w: &World, _: &str, n: usize) -> Answer { if w.is_valid(n) { ok() } else { unauthorized() } }

#[tokio::test(start_paused = true)]
async fn s1_two_revocations_one_path() {
    for replays in [false, true] {
        for gap in [5, 20, 50] {
            let w = World::new(|_, _, _| (200, 0.2), simple);
            let call = w.call(replays);
            let mut failed = vec![];
            for s in 0..120 {
                if s == 10 || s == 10 + gap { w.revoke(); }
                if call(req("/a")).await != Ok(200) { failed.push(s); }
                sleep(Duration::from_secs(1)).await;
            }
            println!("S1 replays {replays} gap {gap}: failed {failed:?} requests {}", w.requests());
        }
    }
}
#[tokio::test(start_paused = true)]
async fn s2_forced_in_flight() {
    for replays in [false, true] {
        let w = World::new(|_, _, _| (200, 1.0), simple);
        let call = w.call(replays);
        call(req("/a")).await;
        sleep(Duration::from_secs(100)).await;
        w.revoke();
        let w2 = w.clone();
        tokio::spawn(async move { sleep(Duration::from_millis(500)).await; w2.revoke(); });
        let mut failed = vec![];
        for s in 0..60 {
            if call(req("/a")).await != Ok(200) { failed.push(s); }
            sleep(Duration::from_secs(1)).await;
        }
        println!("S2 replays {replays}: failed {failed:?} requests {}", w.requests());
    }
}
#[tokio::test(start_paused = true)]
async fn s3_hanging_service() {
    for replays in [false, true] {
        let w = World::new(|_, _, n| (if n == 1 { 200 } else { 503 }, if n == 1 { 0.1 } else { 25.0 }), |_, p, _| if p == "/evil" { unauthorized() } else { ok() });
        let call = w.call(replays);
        call(req("/good")).await;
        let mut most: f64 = 0.0;
        let mut slow = 0;
        let mut failed = 0;
        let end = w.at() + 300.0;
        let mut calls = 0;
        while w.at() < end {
            if calls % 20 == 0 { let c = call.clone(); tokio::spawn(async move { c(req("/evil")).await }); }
            let t = w.at();
            failed += usize::from(call(req("/good")).await != Ok(200));
            let took = w.at() - t;
            most = most.max(took); slow += usize::from(took > 0.1);
            calls += 1;
            sleep(Duration::from_millis(500)).await;
        }
        println!("S3 replays {replays}: calls {calls} slow {slow} most {most} failed {failed} requests {} api {}", w.requests(), w.sent.lock().unwrap().len());
    }
}
#[tokio::test(start_paused = true)]
async fn s4_deadlines() {
    for replays in [false, true] {
        let w = World::new(|_, _, _| (200, 1.2), simple);
        let call = w.call(replays);
        let mut out = vec![];
        for s in 0..120 {
            if s == 10 || s == 40 || s == 55 { w.revoke(); }
            match timeout(Duration::from_secs(1), call(req("/a"))).await { Ok(Ok(200)) => {}, r => out.push((s, r.is_err())) }
            sleep(Duration::from_secs(1)).await;
        }
        println!("S4 replays {replays}: {out:?} requests {}", w.requests());
    }
}
#[tokio::test(start_paused = true)]
async fn s5_fresh_claims() {
    for replays in [false, true] {
        for accepts in [false, true] {
            for size in [10, 15_000] {
            for good_any in [true, false] {
            let nonce = Arc::new(AtomicUsize::new(0));
            let seen = Arc::new(Mutex::new(BTreeMap::<usize, usize>::new()));
            let w = World::new(|_, _, _| (200, 0.2), move |w, p, n| {
                let has = w.form(n).contains("evil");
                match p {
                    "/evil" => {
                        let mut seen = seen.lock().unwrap();
                        let c = seen.entry(n).or_default(); *c += 1;
                        if has && accepts && *c == 1 { return ok(); }
                        challenge(&context(&format!("evil{}{}", nonce.fetch_add(1, Ordering::SeqCst), "x".repeat(size))))
                    }
                    _ if has && !good_any => unauthorized(),
                    _ => ok(),
                }
            });
            let call = w.call(replays);
            let mut failed = 0;
            for s in 0..300 {
                call(req("/evil")).await;
                for p in ["/good", "/g/1", "/g/2"] { failed += usize::from(call(req(p)).await != Ok(200)); }
                sleep(Duration::from_millis(960)).await;
            }
            println!("S5 replays {replays} accepts {accepts} size {size} good_any {good_any}: good failed {failed} requests {} in {} s, len {}", w.requests(), w.at(), w.client.len());
            }}
        }
    }
}
#[tokio::test(start_paused = true)]
async fn s7_alternating() {
    for replays in [false, true] {
        let count = Arc::new(AtomicUsize::new(0));
        let w = World::new(|_, _, _| (200, 0.2), move |w, p, n| if p == "/evil" && count.fetch_add(1, Ordering::SeqCst) % 2 == 0 { unauthorized() } else { ok() });
        let call = w.call(replays);
        for s in 0..300 { call(req("/evil")).await; call(req("/good")).await; sleep(Duration::from_secs(1)).await; }
        println!("S7 replays {replays}: requests {} in {}", w.requests(), w.at());
    }
}
#[tokio::test(start_paused = true)]
async fn s8_layers() {
    for replays in [false, true] {
        let w = World::new(|_, _, _| (200, 0.2), |_, p, _| if p.starts_with("/evil") { unauthorized() } else { ok() });
        let calls: Vec<_> = (0..10).map(|_| w.call(replays)).collect();
        let mut failed = 0;
        for s in 0..300 {
            for (i, call) in calls.iter().enumerate() { call(req(&format!("/evil/{i}{s}"))).await; failed += usize::from(call(req("/good")).await != Ok(200)); }
            sleep(Duration::from_secs(1)).await;
        }
        println!("S8 replays {replays}: good failed {failed} requests {} in {}", w.requests(), w.at());
    }
}
#[tokio::test(start_paused = true)]
async fn s9_two_challenges() {
    for order in [0, 1] {
        let w = World::new(|_, _, _| (200, 0.2), move |w, _, n| {
            if w.form(n).contains("c1") { return ok(); }
            let mut fields = vec![challenge_from("https://evil.test/common", &context("evil")).1.remove(0), challenge(&context("c1")).1.remove(0)];
            if order == 1 { fields.reverse(); }
            (401, fields)
        });
        let call = w.call(true);
        println!("S9 order {order}: {:?} requests {}", call(req("/a")).await, w.requests());
    }
}
#[tokio::test(start_paused = true)]
async fn s11_cae_outage() {
    for replays in [false, true] {
        let w = World::new(|at, _, n| if (50.0..350.0).contains(&at) { (503, 3.0) } else { (200, 0.2) }, |w, p, n| {
            if w.is_valid(n) { ok() } else { challenge(&not_before(5)) }
        });
        let call = w.call(replays);
        let (mut failed, mut errors, mut last) = (0, 0, 0.0);
        let mut slow = 0;
        while w.at() < 600.0 {
            if (60.0..61.5).contains(&w.at()) { w.revoke(); }
            let t = w.at();
            match call(req(["/a", "/b"][t as usize % 2])).await { Ok(200) => {}, Ok(_) => { failed += 1; last = w.at(); }, Err(_) => { errors += 1; last = w.at(); } }
            slow += usize::from(w.at() - t > 0.5);
            sleep(Duration::from_secs(1)).await;
        }
        println!("S11 replays {replays}: failed {failed} errors {errors} last {last} slow {slow} requests {} api {}", w.requests(), w.sent.lock().unwrap().len());
    }
}
#[tokio::test(start_paused = true)]
async fn s12_concurrent() {
    for replays in [false, true] {
        let nonce = Arc::new(AtomicUsize::new(0));
        let w = World::new(|_, _, _| (200, 0.2), move |w, p, n| if p.starts_with("/evil") { challenge(&context(&format!("evil{}", nonce.fetch_add(1, Ordering::SeqCst)))) } else { ok() });
        let call = w.call(replays);
        call(req("/good")).await;
        let mut failed = 0;
        for _ in 0..60 {
            let tasks: Vec<_> = (0..200).map(|i| { let (c, p) = (call.clone(), if i % 2 == 0 { format!("/evil/{i}") } else { "/good".into() }); tokio::spawn(async move { (i, c(req(&p)).await) }) }).collect();
            for t in tasks { let (i, r) = t.await.unwrap(); if i % 2 == 1 && r != Ok(200) { failed += 1; } }
            sleep(Duration::from_secs(1)).await;
        }
        println!("S12 replays {replays}: good failed {failed} requests {} len {}", w.requests(), w.client.len());
    }
}
#[tokio::test(start_paused = true)]
async fn s13_claims_revoked() {
    for replays in [false, true] {
        for by_claims in [false, true] {
            let w = World::new(|_, _, _| (200, 0.2), move |w, p, n| {
                let has = w.form(n).contains("c1");
                if w.is_valid(n) && has { ok() } else if !has || by_claims { challenge(&context("c1")) } else { unauthorized() }
            });
            let call = w.call(replays);
            let mut failed = vec![];
            for s in 0..120 {
                if [20, 45, 100].contains(&s) { w.revoke(); }
                for p in ["/a", "/b"] { if call(req(p)).await != Ok(200) { failed.push((s, p)); } }
                sleep(Duration::from_secs(1)).await;
            }
            println!("S13 replays {replays} by_claims {by_claims}: failed {failed:?} requests {}", w.requests());
        }
    }
}
#[tokio::test(start_paused = true)]
async fn s14_inner_errors_on_trial() {
    for replays in [false, true] {
        let count = Arc::new(AtomicUsize::new(0));
        let w = World::new(|_, _, _| (200, 0.2), move |w, p, n| {
            if !w.form(n).contains("c1") { challenge(&context("c1")) } else if count.fetch_add(1, Ordering::SeqCst) < 2 { (0, vec![]) } else { ok() }
        });
        let call = w.call(replays);
        let mut out = vec![];
        for s in 0..10 { out.push(call(req("/a")).await.unwrap_or(0)); sleep(Duration::from_secs(1)).await; }
        println!("S14 replays {replays}: {out:?} requests {}", w.requests());
    }
}
#[tokio::test(start_paused = true)]
async fn s15_revoked_with_evil() {
    // A revocation while one or several evil paths take all renewals.
    for replays in [false, true] {
        for evils in [1, 2, 3, 5] {
            let w = World::new(|_, _, _| (200, 0.2), |w, p, n| if p.starts_with("/evil") || !w.is_valid(n) { unauthorized() } else { ok() });
            let call = w.call(replays);
            let mut failed = vec![];
            for s in 0..180 {
                for e in 0..evils { call(req(&format!("/evil{e}"))).await; }
                if s == 30 || s == 100 { w.revoke(); }
                if call(req("/good")).await != Ok(200) { failed.push(s); }
                sleep(Duration::from_millis(900)).await;
            }
            println!("S15 replays {replays} evils {evils}: good failed {failed:?} requests {} in {}", w.requests(), w.at());
        }
    }
}
