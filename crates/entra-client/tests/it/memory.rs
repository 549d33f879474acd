//! The memory that a token costs: no allocation if it is cached, few if it is not.

use allocation_counter::measure;
use entra_client::{Chain, Client, Policy, Principal};
use entra_proto::Guid;
use entra_transport::{Body, Response};

use crate::support::machine::Machine;
use crate::support::{api, app, poll_once, secret};

/// The length of the tokens.
const TOKEN: usize = 1500;

/// Returns a client with room for many tokens, of a service without delay.
fn client() -> Client {
    client_of(app(secret()))
}

fn client_of(principal: impl Into<Principal>) -> Client {
    let head = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":""#;
    let reply = format!("{head}{}\"}}", "a".repeat(TOKEN));
    let transport = entra_transport::transport_fn(move |_| {
        let reply = Body::from(reply.clone());
        async move { Ok(Response::new(reply)) }
    });
    let mut policy = Policy::default();
    policy.capacity = 200_000;
    Client::builder(principal, transport).policy(policy).build().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn cached_token_takes_no_allocation() {
    let chain = || Chain::new().with_managed_identity("managed identity", Machine::app_service().identity());
    for client in [
        client(),
        client_of(Machine::app_service().identity()),
        client_of(chain()),
    ] {
        takes_no_allocation(&client);
    }
}

fn takes_no_allocation(client: &Client) {
    let (runtime, graph) = (runtime(), api("graph"));
    let mut source = client.source(&graph).unwrap();
    let mut changes = source.changes();
    runtime.block_on(async {
        source.token().await.unwrap();
        changes.next().await.unwrap();
        // The next change is awaited meanwhile.
        assert!(poll_once(changes.next()).await.is_pending());
        let allocated = measure(|| {
            for _ in 0..100 {
                drop(client.cached(&graph).unwrap());
                assert!(source.current().is_some());
            }
        });
        assert_eq!(allocated.count_total, 0);
    });
    let allocated = measure(|| {
        runtime.block_on(async {
            for _ in 0..100 {
                client.token(&graph).await.unwrap();
            }
        });
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn token_of_a_new_slot_takes_few_allocations() {
    let of_application = allocations_of_500(&client());
    // The map grows a few times.
    assert!(of_application <= 17 * 500 + 10, "{of_application}");
    let of_imds = allocations_of_500(&client_of(Machine::default().identity()));
    assert!(of_imds <= of_application, "{of_imds}");
    // The variables of a web app are read for each request, because the platform rotates them.
    let of_web_app = allocations_of_500(&client_of(Machine::app_service().identity()));
    assert!(of_web_app <= of_application + 6 * 500, "{of_web_app}");
}

/// Returns the number of allocations that 500 tokens of new slots take.
fn allocations_of_500(client: &Client) -> u64 {
    let runtime = runtime();
    let apis: Vec<_> = (0..1000).map(|n| api(&format!("api{n}"))).collect();
    let acquire = |apis: &[_]| {
        runtime.block_on(async {
            for api in apis {
                client.token(api).await.unwrap();
            }
        });
    };
    acquire(&apis[..500]);
    measure(|| acquire(&apis[500..])).count_total
}

#[test]
fn cached_token_takes_few_bytes_beside_its_text() {
    const TENANTS: u128 = 20_000;
    let (runtime, client, graph) = (runtime(), client(), api("graph"));
    let allocated = measure(|| {
        runtime.block_on(async {
            for n in 1..=TENANTS {
                let tenant = Guid::from_bytes((n << 64).to_be_bytes());
                client.tenant(tenant).token(&graph).await.unwrap();
            }
        });
    });
    let beside = allocated.bytes_current as u128 / TENANTS - TOKEN as u128;
    assert!(beside < 400, "{beside}");
}
