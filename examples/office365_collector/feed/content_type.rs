//! Content types.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;

/// A kind of content, with its own subscription and list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ContentType {
    AzureActiveDirectory,
    Exchange,
    SharePoint,
    General,
    /// Requires the permission `ActivityFeed.ReadDlp` as well.
    Dlp,
}

impl ContentType {
    /// All content types.
    pub(crate) const ALL: [Self; 5] = [
        Self::AzureActiveDirectory,
        Self::Exchange,
        Self::SharePoint,
        Self::General,
        Self::Dlp,
    ];

    /// Returns its name in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
        }
    }
}

impl FromStr for ContentType {
    type Err = ();

    /// Parses a name in the API, in any letter case.
    fn from_str(text: &str) -> Result<Self, ()> {
        let named = |content_type: &Self| content_type.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or(())
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ValueEnum for ContentType {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}
