//! The Azure region whose token endpoint a program uses: from its settings, from the environment,
//! or from the machine it runs on.
//!
//! A [`RegionSetting`] is the choice of the program. [`resolve`](RegionSetting::resolve) applies
//! it:
//!
//! | order | source | invalid value |
//! |---|---|---|
//! | 1 | the region that the setting names, or `AZURE_REGIONAL_AUTHORITY_NAME` | an error |
//! | 2 | `MSAL_FORCE_REGION`, if the setting is [`Unset`](RegionSetting::Unset) | an error |
//! | 3 | `REGION_NAME`, if the region is to be detected | a warning |
//! | 4 | the instance metadata service of the machine, if it is to be detected | a warning |
//!
//! The last source takes requests, which the caller sends: a [`RegionQuery`] contains one and reads
//! its response. The other sources cause none. If no region is found, the program uses the global
//! endpoint.
//!
//! ```
//! use entra_proto::regions::{RegionSetting, RegionStep};
//! use entra_proto::{Authority, EndpointVersion};
//!
//! let variables = |name: &str| {
//!     (name == "REGION_NAME").then(|| "West Europe".into())
//! };
//! let setting: RegionSetting = "TryAutoDetect".parse()?;
//! let RegionStep::Done(outcome) = setting.resolve(variables)? else {
//!     unreachable!()
//! };
//! let region = outcome.region().ok_or("no region")?;
//! assert_eq!(region.as_str(), "westeurope");
//!
//! let authority: Authority =
//!     "https://login.microsoftonline.com/contoso.com".parse()?;
//! let authority = authority.with_region(region.clone())?;
//! assert_eq!(
//!     authority.token_endpoint(EndpointVersion::V2).host(),
//!     Some("westeurope.login.microsoft.com"),
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod outcome;
mod query;

use std::ffi::OsString;
use std::str::FromStr;

use crate::authority::Region;
use crate::environment::{self, EnvironmentError};
use crate::error::Error;
use crate::pasted::unwrapped;

pub use outcome::{RegionOutcome, RegionSource, RegionWarning};
pub use query::RegionQuery;

/// The variable with the program's choice of a region.
pub const REGIONAL_AUTHORITY_NAME: &str = "AZURE_REGIONAL_AUTHORITY_NAME";
/// The variable with the region of programs that do not choose one.
pub const FORCE_REGION: &str = "MSAL_FORCE_REGION";
/// The variable with the region of the machine, in Azure's own environments.
pub const REGION_NAME: &str = "REGION_NAME";

/// The region that a program chooses for its token requests.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RegionSetting {
    /// No choice: the global endpoint, unless [`FORCE_REGION`] names a region.
    #[default]
    Unset,
    /// This region. Nothing is detected.
    Named(Region),
    /// The region of the machine, if it can be detected.
    Detect,
    /// The global endpoint, even if [`FORCE_REGION`] names a region.
    Global,
}

impl RegionSetting {
    /// Reads the setting from [`REGIONAL_AUTHORITY_NAME`] with `lookup`, which returns the value of
    /// a variable. An empty variable counts as unset.
    ///
    /// # Errors
    /// Returns an error if the value is neither the name of a region nor another setting.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        Ok(variable(&lookup, REGIONAL_AUTHORITY_NAME)?.unwrap_or_default())
    }

    /// Applies the setting to an environment. The result is final, or a query to the machine's
    /// metadata service.
    ///
    /// # Errors
    /// Returns an error if [`FORCE_REGION`] applies and its value is invalid.
    pub fn resolve(&self, lookup: impl Fn(&str) -> Option<OsString>) -> Result<RegionStep, EnvironmentError> {
        let forced = match self {
            Self::Unset => variable(&lookup, FORCE_REGION)?,
            _ => None,
        };
        let (setting, source) = match &forced {
            Some(forced) => (forced, RegionSource::Variable(FORCE_REGION)),
            None => (self, RegionSource::Setting),
        };
        Ok(match setting {
            Self::Named(region) => RegionStep::Done(RegionOutcome::found(region.clone(), source, Vec::new())),
            Self::Detect => detect(&lookup),
            Self::Unset | Self::Global => RegionStep::Done(RegionOutcome::default()),
        })
    }
}

impl From<Region> for RegionSetting {
    fn from(region: Region) -> Self {
        Self::Named(region)
    }
}

impl FromStr for RegionSetting {
    type Err = Error;

    /// Parses a setting as other libraries write it, in any case: the name of a region,
    /// `TryAutoDetect` or `AutoDiscoverRegion` for its detection, or `DisableMsalForceRegion` for
    /// the global endpoint.
    ///
    /// # Errors
    /// Returns an error if the text is not one of them.
    fn from_str(text: &str) -> Result<Self, Error> {
        match unwrapped(text).to_ascii_lowercase().as_str() {
            "tryautodetect" | "autodiscoverregion" => Ok(Self::Detect),
            "disablemsalforceregion" => Ok(Self::Global),
            _ => text.parse().map(Self::Named),
        }
    }
}

/// The next step of the search for a region.
#[derive(Debug)]
pub enum RegionStep {
    /// Send the request of this query, after its delay.
    Ask(RegionQuery),
    /// The search is complete.
    Done(RegionOutcome),
}

/// Detects the region of the machine.
fn detect(lookup: &impl Fn(&str) -> Option<OsString>) -> RegionStep {
    let source = RegionSource::Variable(REGION_NAME);
    let mut warnings = Vec::new();
    match environment::text(lookup, REGION_NAME) {
        Ok(None) => {}
        Ok(Some(name)) => match name.parse() {
            Ok(region) => return RegionStep::Done(RegionOutcome::found(region, source, warnings)),
            Err(_) => warnings.push(RegionWarning::name(source, &name)),
        },
        Err(_) => warnings.push(RegionWarning::new(source, "is not UTF-8")),
    }
    RegionQuery::start(lookup, warnings)
}

/// Returns the setting in a variable, if it is set.
fn variable(
    lookup: &impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<RegionSetting>, EnvironmentError> {
    let Some(text) = environment::text(lookup, name)?.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(setting) => Ok(Some(setting)),
        Err(error) => Err(EnvironmentError::Invalid { variable: name, error }),
    }
}

#[cfg(test)]
mod tests;
