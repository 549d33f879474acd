//! Operations of real stores: the tokens that they send, and the token requests that they cause.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};

use crate::blob_service::BlobService;
use crate::support::{TokenService, store};

#[tokio::test]
async fn stores_put_get_and_list_with_one_token() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    let provider = token_service.provider();
    let stores = [store(&blob_service, &provider), store(&blob_service, &provider)];
    for (number, store) in stores.iter().enumerate() {
        let path = Path::from(format!("{number}.txt"));
        store.put(&path, format!("blob {number}").into()).await.unwrap();
    }
    let got = stores[0]
        .get(&Path::from("1.txt"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(&got[..], b"blob 1");
    let listed: Vec<_> = stores[1]
        .list(None)
        .map_ok(|it| it.location)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed, [Path::from("0.txt"), Path::from("1.txt")]);
    assert_eq!(blob_service.tokens(), ["t1"; 4]);
    let forms = token_service.forms();
    assert_eq!(forms.len(), 1);
    assert!(
        forms[0].contains("scope=https%3A%2F%2Fstorage.azure.com%2F.default"),
        "{}",
        forms[0]
    );
}

#[tokio::test]
async fn concurrent_operations_share_one_token_request() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    // Each store has a provider of its own: the cache is the client's.
    let stores: Vec<_> = (0..4)
        .map(|_| store(&blob_service, &token_service.provider()))
        .collect();
    let path = Path::from("a");
    let puts = (0..40).map(|number| stores[number % 4].put(&path, "x".into()));
    for put in join_all(puts).await {
        put.unwrap();
    }
    assert_eq!((token_service.requests(), blob_service.tokens().len()), (1, 40));
}

#[tokio::test]
async fn renewed_token_is_used_afterwards() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    let store = store(&blob_service, &token_service.provider());
    let path = Path::from("a");
    for minutes in [54, 2, 1] {
        store.put(&path, "x".into()).await.unwrap();
        token_service.clock.advance(Duration::from_secs(60 * minutes));
    }
    store.put(&path, "x".into()).await.unwrap();
    assert_eq!(blob_service.tokens(), ["t1", "t1", "t2", "t2"]);
}

#[tokio::test]
async fn outage_of_the_token_service_leaves_the_token() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    let store = store(&blob_service, &token_service.provider());
    store.put(&Path::from("a"), "x".into()).await.unwrap();
    *token_service.failure.lock().unwrap() = Some((503, ""));
    token_service.clock.advance(Duration::from_secs(58 * 60));
    store.put(&Path::from("a"), "x".into()).await.unwrap();
    assert_eq!(blob_service.tokens(), ["t1", "t1"]);
    assert_eq!(token_service.requests(), 2);
}

#[tokio::test]
async fn invalidated_token_is_replaced_once() {
    let (token_service, blob_service) = (TokenService::new(), BlobService::start());
    let provider = token_service.provider();
    assert!(!provider.invalidate(), "there is no token yet");
    let store = store(&blob_service, &provider);
    let path = Path::from("a");
    store.put(&path, "x".into()).await.unwrap();
    blob_service.reject("t1");
    let error = store.put(&path, "x".into()).await.unwrap_err();
    assert!(
        matches!(error, object_store::Error::Unauthenticated { .. }),
        "{error:?}"
    );
    assert_eq!([provider.invalidate(), provider.invalidate()], [true, false]);
    store.put(&path, "x".into()).await.unwrap();
    assert_eq!(blob_service.tokens(), ["t1", "t1", "t2"]);
    assert_eq!(token_service.requests(), 2);
}
