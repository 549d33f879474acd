//! The region of the token endpoint: named, or detected.

use entra_proto::endpoint::Region;
use entra_proto::regions::{RegionSetting, RegionSource, RegionWarning};
use entra_transport::find_region_blocking;

use super::{ApplicationSettings, NetworkSettings};
use crate::exit::{Exit, Failure};

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
        let found = find_region_blocking(&RegionSetting::Detect, network.transport()?);
        let found = found.map_err(|error| Failure::of(Exit::Configuration, &error))?;
        Ok(FoundRegion {
            region: found.region().cloned(),
            source: found.source(),
            warnings: found.warnings().to_vec(),
        })
    }
}
