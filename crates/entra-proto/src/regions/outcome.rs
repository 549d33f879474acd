//! The result of the search for a region.

use std::fmt;

use crate::authority::Region;
use crate::printable::excerpt;
use crate::secrecy::may_be_secret;

/// The result of the search for a region.
#[derive(Clone, Debug, Default)]
pub struct RegionOutcome {
    found: Option<(Region, RegionSource)>,
    warnings: Vec<RegionWarning>,
}

impl RegionOutcome {
    pub(super) fn found(region: Region, source: RegionSource, warnings: Vec<RegionWarning>) -> Self {
        Self {
            found: Some((region, source)),
            warnings,
        }
    }

    pub(super) fn not_found(warnings: Vec<RegionWarning>) -> Self {
        Self { found: None, warnings }
    }

    /// Returns the region. Without one, use the global endpoint.
    #[must_use]
    pub fn region(&self) -> Option<&Region> {
        self.found.as_ref().map(|(region, _)| region)
    }

    /// Returns the source that named the region.
    #[must_use]
    pub fn source(&self) -> Option<RegionSource> {
        self.found.as_ref().map(|(_, source)| *source)
    }

    /// Returns the sources that should have named a region but did not.
    #[must_use]
    pub fn warnings(&self) -> &[RegionWarning] {
        &self.warnings
    }
}

/// A source that names the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionSource {
    /// The setting of the program.
    Setting,
    /// This environment variable.
    Variable(&'static str),
    /// The instance metadata service of the machine.
    Imds,
}

impl fmt::Display for RegionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Setting => "the program's setting",
            Self::Variable(name) => name,
            Self::Imds => "the instance metadata service (IMDS)",
        })
    }
}

/// The reason why a source did not name a region. The search ignores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionWarning {
    source: RegionSource,
    problem: String,
}

impl RegionWarning {
    pub(super) fn new(source: RegionSource, problem: impl Into<String>) -> Self {
        Self {
            source,
            problem: problem.into(),
        }
    }

    /// Creates the warning for a name that is not one of a region. It shows the name, cut and
    /// escaped, unless the name may be a secret.
    pub(super) fn name(source: RegionSource, name: &str) -> Self {
        let problem = "names something that is not a region";
        Self::new(
            source,
            if may_be_secret(name) {
                problem.to_owned()
            } else {
                format!("{problem}: \"{}\"", excerpt(name, LONGEST_NAME))
            },
        )
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> RegionSource {
        self.source
    }
}

impl fmt::Display for RegionWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.problem)
    }
}

/// The maximum length of a name in a warning, in characters.
const LONGEST_NAME: usize = 100;
