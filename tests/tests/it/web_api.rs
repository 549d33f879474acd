//! A web API with tokens of the emulator: its layer on one side, the layer of a client on the
//! other.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use entra_client::Client;
use entra_emulator::{Api as Registration, App, Emulator, TokenVersion};
use entra_proto::{Cloud, Target, Timestamp};
use entra_tests::application;
use entra_tower::{BearerLayer, RequireToken};
use entra_transport::{Body, transport_fn};
use entra_transport_hyper::HyperTransport;
use entra_validate::{Api, Audience, Permissions, Principal, Rejection, Tenants, Validator};
use http::StatusCode;
use tower::{Layer, ServiceExt};

const API: &str = "11112222-bbbb-4333-8444-4444dddd5555";

fn emulator(version: TokenVersion) -> Emulator {
    let api = Registration::new(format!("api://{API}"))
        .app_id(API)
        .token_version(version);
    let api = api
        .role("Tasks.Read.All")
        .scope("Tasks.Read")
        .optional_claim("xms_cc")
        .optional_claim("idtyp");
    let app = App::new("daemon").grant(format!("api://{API}"), "Tasks.Read.All");
    let emulator = Emulator::builder().api(api).app(app).start();
    emulator.clock().freeze();
    emulator
}

fn now(emulator: &Emulator) -> Timestamp {
    Timestamp::from_secs(emulator.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

fn validator(emulator: &Emulator) -> Validator {
    let tenant = Tenants::One(emulator.tenant_id().parse().unwrap());
    let permissions = Permissions::any_of(["Tasks.Read"], ["Tasks.Read.All"]).unwrap();
    let api = Api::new(Audience::app(API.parse().unwrap()), tenant, permissions).unwrap();
    let api = api.with_cloud(Cloud::loopback(emulator.base_url()).unwrap()).unwrap();
    let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
    let now = now(emulator);
    Validator::with_clock(api, transport, move || now)
}

/// The API: it accepts tokens that were issued since a moment, and counts the requests that it
/// rejected for it.
#[derive(Clone, Default)]
struct Tasks {
    since: Arc<AtomicU64>,
    rejected: Arc<AtomicU64>,
}

impl Tasks {
    fn answer(&self, validator: &Validator, request: &http::Request<String>) -> http::Response<String> {
        let caller = request.extensions().get::<Principal>().expect("the layer is around it");
        let since = Timestamp::from_secs(self.since.load(Ordering::SeqCst));
        match caller.issued_since(since) {
            Ok(()) => http::Response::new(caller.object_id().to_string()),
            Err(rejection) => {
                self.rejected.fetch_add(1, Ordering::SeqCst);
                validator.api().response(&rejection)
            }
        }
    }
}

#[tokio::test]
async fn revoked_session_at_a_protected_api_is_recovered() {
    for version in [TokenVersion::V1, TokenVersion::V2] {
        let emulator = emulator(version);
        let validator = validator(&emulator);
        let tasks = Tasks::default();
        let inner = {
            let (tasks, validator) = (tasks.clone(), validator.clone());
            tower::service_fn(move |request: http::Request<String>| {
                let response = tasks.answer(&validator, &request);
                async move { Ok::<_, Infallible>(response) }
            })
        };
        let api = RequireToken::new(validator).layer(inner);

        let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
        let client = Client::new(application(&emulator, "daemon").with_capabilities(&["cp1"]), transport);
        let target = Target::resource(&format!("api://{API}")).unwrap();
        let layer = BearerLayer::new(client.source(&target).unwrap(), ["https://tasks.example"]).unwrap();
        let service = layer.replay().layer(api);
        for round in 0..3 {
            let request = http::Request::get("https://tasks.example/tasks")
                .body(String::new())
                .unwrap();
            let response = service.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "round {round}, {version:?}");
            // From five minutes ago on, so that only the token for the challenge is new enough.
            tasks.since.store(now(&emulator).as_secs() - 1, Ordering::SeqCst);
        }
        assert_eq!(tasks.rejected.load(Ordering::SeqCst), 1);
        assert_eq!(emulator.token_requests().len(), 2);
    }
}

#[tokio::test]
async fn validator_follows_the_rotation_of_keys() {
    let emulator = Arc::new(emulator(TokenVersion::V2));
    let api = validator(&emulator).api().clone();
    let (server, clock) = (Arc::clone(&emulator), Arc::clone(&emulator));
    let in_memory = transport_fn(move |request| {
        let request = request.map(|_| Vec::new());
        let response = server.handle(request).map(Body::from);
        async move { Ok(response) }
    });
    let validator = Validator::with_clock(api, in_memory, move || now(&clock));
    let status = |verdict: Result<Principal, Rejection>| verdict.map_or_else(|it| it.status().as_u16(), |_| 200);
    let old = emulator.forge().token();
    assert_eq!(status(validator.validate(&old).await), 200);
    emulator.clock().advance(std::time::Duration::from_secs(600));
    emulator.rotate_signing_key();
    assert_eq!(status(validator.validate(&emulator.forge().token()).await), 200);
    assert_eq!(status(validator.validate(&old).await), 200);
    emulator.retire_old_signing_keys();
    emulator.clock().advance(std::time::Duration::from_secs(600));
    assert_eq!(
        status(validator.validate(&emulator.forge().unpublished_key().token()).await),
        401
    );
    assert_eq!(status(validator.validate(&old).await), 401);
}
