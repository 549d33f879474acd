//! The region of the machine: a failure is a warning, and the result of the whole process.

use entra_client::{blocking, find_region};
use entra_proto::regions::RegionSetting;
use entra_transport::{Response, TransportError, blocking_transport_fn, transport_fn};

use crate::spans::Log;
use crate::support::record_traces;

#[tokio::test(start_paused = true)]
async fn failed_detection_of_the_region_is_a_warning() {
    let log = Log::default();
    let _guard = record_traces(log.clone());
    let silent = transport_fn(|_| std::future::pending::<Result<Response, TransportError>>());
    let started = tokio::time::Instant::now();
    let outcome = find_region(&RegionSetting::Detect, &silent).await.unwrap();
    assert_eq!(started.elapsed().as_millis(), 2000);
    assert!(outcome.region().is_none());
    assert_eq!(
        log.text().matches("the region is not detected").count(),
        1,
        "{}",
        log.text()
    );

    // The second client of the process sends nothing.
    let unused = blocking_transport_fn(|_| panic!("a request is sent"));
    let outcome = blocking::find_region(&RegionSetting::Detect, unused).unwrap();
    assert!(outcome.region().is_none());
    assert_eq!(log.text().matches("the region is not detected").count(), 2);
}
