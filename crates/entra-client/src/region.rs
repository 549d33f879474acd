//! The region of the machine, found once for the process, with its failures logged.

#[cfg(feature = "tokio")]
use entra_proto::environment::EnvironmentError;
use entra_proto::regions::RegionOutcome;
#[cfg(feature = "tokio")]
use entra_proto::regions::RegionSetting;
#[cfg(feature = "tokio")]
use entra_transport::Transport;

/// Finds the region that a setting, the environment or the machine names, as
/// [`entra_transport::find_region`] does, on tokio.
///
/// A source that should name the region but does not is logged as a warning of `tracing`, and the
/// program uses the global endpoint.
///
/// ```
/// use entra_client::find_region;
/// use entra_proto::Authority;
/// use entra_proto::regions::RegionSetting;
/// use entra_transport::Transport;
///
/// async fn regional(
///     authority: Authority,
///     transport: &dyn Transport,
/// ) -> Result<Authority, Box<dyn std::error::Error>> {
///     let found = find_region(&RegionSetting::Detect, transport).await?;
///     Ok(match found.region() {
///         Some(region) => authority.with_region(region.clone())?,
///         None => authority,
///     })
/// }
/// ```
///
/// # Errors
/// Returns an error if a variable that the program has to obey is invalid.
#[cfg(feature = "tokio")]
pub async fn find_region(
    setting: &RegionSetting,
    transport: &(impl Transport + ?Sized),
) -> Result<RegionOutcome, EnvironmentError> {
    entra_transport::find_region(setting, transport, tokio::time::sleep)
        .await
        .map(logged)
}

/// Logs the warnings of an outcome.
pub(crate) fn logged(outcome: RegionOutcome) -> RegionOutcome {
    for warning in outcome.warnings() {
        tracing::warn!("the region is not detected: {warning}");
    }
    outcome
}
