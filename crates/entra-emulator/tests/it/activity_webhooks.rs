//! Webhooks of the activity feed: validation, notifications, retries, and addresses that are never
//! called.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use entra_emulator::{ActivityFeed, App, ContentType, Emulator};
use serde_json::{Value, json};

use crate::support::access_token_of;

const MANAGE: &str = "https://manage.office.com";

/// A listener that responds to each call with a configurable status.
struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The status line and headers of a response, or empty to leave the caller waiting.
    response: String,
    calls: Vec<(String, Value)>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut waiting = Vec::new();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Some(call) = read(&stream) else { continue };
                let mut state = shared.lock().unwrap();
                state.calls.push(call);
                if state.response.is_empty() {
                    waiting.push(stream);
                    continue;
                }
                let _ =
                    stream.write_all(format!("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", state.response).as_bytes());
            }
        });
        let receiver = Self { address, state };
        receiver.respond_with("200 OK");
        receiver
    }

    fn url(&self) -> String {
        format!("http://{}/hook?x=1", self.address)
    }

    fn respond_with(&self, response: &str) {
        self.state.lock().unwrap().response = response.to_owned();
    }

    /// Returns the calls so far, as soon as there are this many.
    fn calls(&self, count: usize) -> Vec<(String, Value)> {
        let start = Instant::now();
        loop {
            let calls = self.state.lock().unwrap().calls.clone();
            if calls.len() >= count || start.elapsed() > Duration::from_secs(30) {
                assert_eq!(calls.len(), count, "{calls:?}");
                return calls;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns the head in lower case, and the body.
fn read(stream: &TcpStream) -> Option<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)?
        .split("\r\n")
        .next()?
        .parse()
        .ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

/// A started emulator with a frozen clock.
struct World {
    emulator: Emulator,
    token: String,
}

impl World {
    fn new() -> Self {
        let feed = ActivityFeed::new().contents(3).page_size(2).plain_webhooks();
        let emulator = Emulator::builder()
            .app(App::new("a").secret("s3cret").grant(MANAGE, "ActivityFeed.Read"))
            .activity(feed)
            .frozen_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .token_lifetime(Duration::from_secs(30 * 86_400))
            .start();
        let token = access_token_of(&emulator, "s3cret", "https://manage.office.com/.default");
        Self { emulator, token }
    }

    /// Sends a request below the feed over the network. Returns the status and the body.
    fn request(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (head, body) = self.exchange(method, path, body);
        (head[9..12].parse().unwrap(), body)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> (String, Value) {
        let mut stream = TcpStream::connect(self.emulator.address().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let path = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}/{path}", self.emulator.activity_url()),
        };
        let request = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            path.strip_prefix(self.emulator.base_url()).unwrap(),
            self.emulator.address().unwrap(),
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap_or_default())
    }

    fn start(&self, webhook: Value) -> (u16, Value) {
        let body = json!({"webhook": webhook}).to_string();
        self.request("POST", "subscriptions/start?contentType=Audit.Exchange", &body)
    }

    fn webhook(&self) -> Value {
        self.request("GET", "subscriptions/list", "").1[0]["webhook"].clone()
    }

    fn publish(&self, contents: u32) {
        self.emulator
            .publish_activity(self.emulator.tenant_id(), ContentType::Exchange, contents);
    }

    fn attempts(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = Some("subscriptions/notifications?contentType=Audit.Exchange".to_owned());
        while let Some(path) = next {
            let (head, body) = self.exchange("GET", &path, "");
            let header = head.lines().find_map(|line| line.strip_prefix("nextpageuri: "));
            next = header.map(str::to_owned);
            let items = body.as_array().unwrap();
            assert!(items.len() <= 2);
            all.extend(items.clone());
        }
        all
    }
}

#[test]
fn webhook_is_validated_before_it_is_stored() {
    let world = World::new();
    let receiver = Receiver::start();
    let hook = |id: &str| json!({"address": receiver.url(), "authId": id});
    receiver.respond_with("500 Broken");
    let (status, body) = world.start(hook("secret"));
    assert_eq!((status, &body["error"]["code"]), (400, &json!("AF20021")));
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with("The endpoint did not return HTTP 200.")
    );
    assert_eq!(world.request("GET", "subscriptions/list", "").1, json!([]));
    receiver.respond_with("200 OK");
    let (status, body) = world.start(hook("secret"));
    assert_eq!((status, &body["webhook"]["status"]), (200, &json!("enabled")));
    assert!(
        world
            .emulator
            .requests()
            .pop()
            .unwrap()
            .lints
            .iter()
            .all(|lint| *lint != entra_emulator::Lint::WebhookNeverCalled)
    );
    let calls = receiver.calls(2);
    let (head, body) = &calls[1];
    let code = body["validationCode"].as_str().unwrap();
    assert!(head.starts_with("post /hook?x=1 http/1.1\r\n"), "{head}");
    for line in [
        "webhook-authid: secret",
        &format!("webhook-validationcode: {}", code.to_lowercase()),
        "content-type: application/json",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert_ne!(calls[0].1["validationCode"], code);
    // If validation fails, the old webhook stays. A redirect counts as a failure and is not
    // followed.
    for response in ["204 No Content", "302 Found\r\nLocation: /elsewhere", "404 Not Found"] {
        receiver.respond_with(response);
        assert_eq!(world.start(hook("other")).1["error"]["code"], "AF20021", "{response}");
        assert_eq!(world.webhook()["authId"], "secret");
    }
    assert_eq!(world.start(hook("secret")).1["error"]["code"], "AF20024");
    receiver.calls(5);
}

#[test]
fn only_loopback_is_called() {
    let world = World::new();
    for address in [
        "http://192.0.2.1/hook",
        "http://localhost.example/hook",
        "http://127.0.0.1.example/hook",
        "http://user@127.0.0.1/hook",
        "http://127.0.0.1@example.com/hook",
        "http://0x7f000001/hook",
        "ftp://127.0.0.1/hook",
        "//127.0.0.1/hook",
    ] {
        let (status, body) = world.start(json!({"address": address}));
        assert_eq!((status, &body["error"]["code"]), (400, &json!("AF20021")), "{address}");
        // Rejected before any call is tried.
        let message = body["error"]["message"].as_str().unwrap();
        assert!(message.ends_with("The address must begin with HTTPS."), "{message}");
    }
    // The address is stored, but not called.
    assert_eq!(world.start(json!({"address": "https://app.example/hook"})).0, 200);
    let lints = world.emulator.requests().pop().unwrap().lints;
    assert!(lints.contains(&entra_emulator::Lint::WebhookNeverCalled));
}

#[test]
fn new_content_is_notified_once() {
    let world = World::new();
    let receiver = Receiver::start();
    let hook = json!({"address": receiver.url().replace("127.0.0.1", "localhost"), "authId": "secret"});
    assert_eq!(world.start(hook).0, 200);
    world.publish(12);
    let calls = receiver.calls(3);
    let (head, first) = &calls[1];
    assert!(
        head.contains("webhook-authid: secret") && !head.contains("webhook-validationcode"),
        "{head}"
    );
    assert_eq!(
        (first.as_array().unwrap().len(), calls[2].1.as_array().unwrap().len()),
        (10, 2)
    );
    let items: Vec<Value> = calls[1..]
        .iter()
        .flat_map(|(_, body)| body.as_array().unwrap().clone())
        .collect();
    for item in &items {
        assert_eq!(
            (&item["tenantId"], &item["clientId"], &item["contentType"]),
            (
                &json!(world.emulator.tenant_id()),
                &json!(world.emulator.client_id()),
                &json!("Audit.Exchange")
            )
        );
    }
    let (status, records) = world.request("GET", items[11]["contentUri"].as_str().unwrap(), "");
    assert_eq!((status, records.as_array().unwrap().len()), (200, 3));
    let attempts = world.attempts();
    assert_eq!(attempts.len(), 12);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt["notificationStatus"] == "success")
    );
    assert_eq!(attempts[0]["notificationSent"], "2023-11-14T22:13:20.000Z");
    assert_eq!(attempts[0]["contentId"], items[0]["contentId"]);
}

#[test]
fn repeated_failures_back_off_and_disable_the_webhook() {
    let world = World::new();
    let receiver = Receiver::start();
    let hook = json!({"address": receiver.url()});
    assert_eq!(world.start(hook.clone()).0, 200);
    receiver.respond_with("202 Accepted");
    world.publish(1);
    receiver.calls(2);
    let settled = |count: usize| {
        let start = Instant::now();
        while world.attempts().len() < count && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    for (failures, wait) in [(1, 60), (2, 120), (3, 240), (4, 480)] {
        settled(failures);
        assert_eq!(world.webhook()["status"], "enabled");
        world.emulator.clock().advance(Duration::from_secs(wait - 1));
        std::thread::sleep(Duration::from_millis(150));
        receiver.calls(1 + failures);
        world.emulator.clock().advance(Duration::from_secs(1));
        receiver.calls(2 + failures);
    }
    settled(5);
    assert_eq!(world.webhook()["status"], "disabled");
    let attempts = world.attempts();
    assert!(
        attempts.iter().all(|attempt| attempt["notificationStatus"] == "failed"),
        "{attempts:?}"
    );
    assert_eq!(attempts.len(), 5);
    world.emulator.clock().advance(Duration::from_secs(86_400));
    world.publish(1);
    std::thread::sleep(Duration::from_millis(150));
    receiver.calls(6);
    // Content can still be listed, and a start enables the webhook again.
    receiver.respond_with("200 OK");
    assert_eq!(world.start(hook).1["webhook"]["status"], "enabled");
    world.publish(1);
    receiver.calls(8);
    assert_eq!(
        world
            .request("GET", "subscriptions/content?contentType=Audit.Exchange", "")
            .0,
        200
    );
}

#[test]
fn expired_or_stopped_webhook_is_not_called() {
    let world = World::new();
    let receiver = Receiver::start();
    let hook = json!({"address": receiver.url(), "expiration": "2023-11-14T23:00:00Z"});
    assert_eq!(world.start(hook).0, 200);
    world.emulator.clock().advance(Duration::from_secs(3_600));
    world.publish(1);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(world.webhook()["status"], "expired");
    assert_eq!(world.start(json!({"address": receiver.url()})).0, 200);
    world.publish(1);
    receiver.calls(3);
    world.request("POST", "subscriptions/stop?contentType=Audit.Exchange", "");
    world.publish(1);
    std::thread::sleep(Duration::from_millis(150));
    receiver.calls(3);
}

#[test]
fn slow_webhook_does_not_block_other_requests() {
    let world = World::new();
    let receiver = Receiver::start();
    receiver.respond_with("");
    std::thread::scope(|scope| {
        let started = scope.spawn(|| world.start(json!({"address": receiver.url()})));
        receiver.calls(1);
        assert_eq!(world.request("GET", "subscriptions/list", "").1, json!([]));
        assert!(!started.is_finished(), "the list request did not wait for the webhook");
        assert_eq!(started.join().unwrap().1["error"]["code"], "AF20021");
    });
}

#[test]
fn stopping_does_not_wait_for_webhooks() {
    let receiver = Receiver::start();
    let hook = json!({"address": receiver.url()});
    // The time limit of a call, measured on this machine in this run.
    receiver.respond_with("");
    let begin = Instant::now();
    assert_eq!(World::new().start(hook.clone()).1["error"]["code"], "AF20021");
    let patience = begin.elapsed();
    let stop = |world: World| {
        let begin = Instant::now();
        drop(world);
        assert!(begin.elapsed() < patience, "{:?}", begin.elapsed());
    };
    receiver.respond_with("200 OK");
    let world = World::new();
    assert_eq!(world.start(hook.clone()).0, 200);
    receiver.respond_with("");
    world.publish(30);
    receiver.calls(3);
    stop(world);
    // Also during the call that validates: the request ends without a response.
    let world = World::new();
    let mut stream = TcpStream::connect(world.emulator.address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let body = json!({"webhook": hook}).to_string();
    let feed = world.emulator.activity_url();
    let request = format!(
        "POST {}/subscriptions/start?contentType=Audit.Exchange HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        feed.strip_prefix(world.emulator.base_url()).unwrap(),
        world.token,
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    receiver.calls(4);
    stop(world);
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    assert!(response.is_empty());
}

#[test]
fn webhook_members_are_case_insensitive() {
    let world = World::new();
    let body = r#"{"WebHook":{"Address":"https://app.example/hook","AuthID":"a","EXPIRATION":"2030-01-01T00:00:00Z"}}"#;
    let (status, body) = world.request("POST", "subscriptions/start?contentType=Audit.Exchange", body);
    assert_eq!(status, 200);
    let expected = json!({"status": "enabled", "address": "https://app.example/hook", "authId": "a",
        "expiration": "2030-01-01T00:00:00Z"});
    assert_eq!(body["webhook"], expected);
    let lint = world.emulator.requests().pop().unwrap().lints.pop().unwrap();
    assert!(lint.to_string().contains("PublisherIdentifier") || lint.to_string().contains("no https address"));
}

#[test]
fn attempt_page_is_bound_to_its_list() {
    let world = World::new();
    let receiver = Receiver::start();
    let hook = json!({"address": receiver.url()});
    for content_type in ["Audit.Exchange", "Audit.General"] {
        let body = json!({"webhook": hook}).to_string();
        let path = format!("subscriptions/start?contentType={content_type}");
        assert_eq!(world.request("POST", &path, &body).0, 200);
    }
    world.publish(3);
    receiver.calls(3);
    let start = Instant::now();
    while world.attempts().len() < 3 && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let path = "subscriptions/notifications?contentType=Audit.Exchange";
    let (head, _) = world.exchange("GET", path, "");
    let next = head
        .lines()
        .find_map(|line| line.strip_prefix("nextpageuri: "))
        .unwrap();
    assert_eq!(world.request("GET", next, "").0, 200);
    let other = next.replace("Audit.Exchange", "Audit.General");
    for bad in [
        &other,
        &format!("{path}&nextPage=N000000000002"),
        &format!("{path}&nextPage=N"),
    ] {
        assert_eq!(world.request("GET", bad, "").1["error"]["code"], "AF20031", "{bad}");
    }
}
