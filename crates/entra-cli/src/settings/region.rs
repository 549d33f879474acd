//! The region of the token endpoint: named, or detected.

use entra_proto::endpoint::Region;
use entra_proto::regions::{RegionOutcome, RegionSetting, RegionSource, RegionWarning};
use entra_transport::find_region_blocking;

use super::{ApplicationSettings, NetworkSettings};
use crate::exit::{Exit, Failure};
use crate::message::warn;

/// The region of the token endpoint, and how it was found.
#[derive(Default)]
pub(crate) struct FoundRegion {
    /// The region, or `None` for the global endpoint.
    pub(crate) region: Option<Region>,
    /// The variable or the service that named it, if it was detected.
    pub(crate) source: Option<RegionSource>,
    /// The reasons why it was not detected.
    pub(crate) warnings: Vec<RegionWarning>,
}

impl ApplicationSettings {
    /// Returns the Azure region. With `auto`, it is that of the machine.
    ///
    /// # Errors
    /// Returns an error if the name is invalid.
    pub(crate) fn region(&self, network: &NetworkSettings) -> Result<FoundRegion, Failure> {
        let Some(text) = self.text(&self.region, "region")? else {
            return Ok(FoundRegion::default());
        };
        if !text.eq_ignore_ascii_case("auto") {
            let region = Some(text.parse()?);
            return Ok(FoundRegion {
                region,
                ..FoundRegion::default()
            });
        }
        let found = found(&RegionSetting::Detect, network)?;
        Ok(FoundRegion {
            region: found.region().cloned(),
            source: found.source(),
            warnings: found.warnings().to_vec(),
        })
    }
}

/// Finds the region that the environment chooses, for the applications of the environment.
///
/// # Errors
/// Returns an error if a variable is invalid.
pub(super) fn detect(network: &NetworkSettings) -> Result<(), Failure> {
    let setting = RegionSetting::read(|name| std::env::var_os(name));
    let setting = setting.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    for warning in found(&setting, network)?.warnings() {
        warn_of(warning);
    }
    Ok(())
}

fn found(setting: &RegionSetting, network: &NetworkSettings) -> Result<RegionOutcome, Failure> {
    let found = find_region_blocking(setting, network.transport()?);
    found.map_err(|error| Failure::of(Exit::Configuration, &error))
}

/// Warns that the region is not detected.
pub(super) fn warn_of(warning: &RegionWarning) {
    warn(
        format_args!("the region is not detected: {warning}"),
        "the global endpoint is used; name a region, or request none",
    );
}
