//! The memory that a token costs: no allocation if it is cached, few if it is not.

use allocation_counter::measure;
use entra_client::{Client, Policy};
use entra_proto::Guid;
use entra_transport::{Body, Response};

use crate::support::{api, app, secret};

/// The length of the tokens.
const TOKEN: usize = 1500;

/// Returns a client with room for many tokens, of a service without delay.
fn client() -> Client {
    let head = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":""#;
    let reply = format!("{head}{}\"}}", "a".repeat(TOKEN));
    let transport = entra_transport::transport_fn(move |_| {
        let reply = Body::from(reply.clone());
        async move { Ok(Response::new(reply)) }
    });
    let mut policy = Policy::default();
    policy.capacity = 200_000;
    Client::builder(app(secret()), transport)
        .policy(policy)
        .build()
        .unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn cached_token_takes_no_allocation() {
    let (runtime, client, graph) = (runtime(), client(), api("graph"));
    let mut source = client.source(&graph).unwrap();
    runtime.block_on(async {
        source.token().await.unwrap();
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
    let (runtime, client) = (runtime(), client());
    let apis: Vec<_> = (0..1000).map(|n| api(&format!("api{n}"))).collect();
    let acquire = |apis: &[_]| {
        runtime.block_on(async {
            for api in apis {
                client.token(api).await.unwrap();
            }
        });
    };
    acquire(&apis[..500]);
    let allocated = measure(|| acquire(&apis[500..]));
    // The map grows a few times.
    assert!(allocated.count_total <= 17 * 500 + 10, "{}", allocated.count_total);
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
