//! The platforms that issue tokens for managed identities.

use std::fmt;

/// A platform with a local endpoint for the tokens of managed identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The App Service family: App Service, Functions, Container Apps, Automation.
    AppService,
    /// The instance metadata service of virtual machines, scale sets, AKS nodes and container
    /// instances.
    Imds,
    /// The agent of Azure Arc, on machines outside of Azure.
    Arc,
    /// A Service Fabric cluster.
    ServiceFabric,
    /// Azure Machine Learning, and the older protocol of App Service.
    MachineLearning,
    /// Azure Cloud Shell, whose tokens are those of the user who signed in.
    CloudShell,
}

impl Source {
    /// All sources, in the order in which detection looks for them.
    pub const ALL: [Self; 6] = [
        Self::ServiceFabric,
        Self::AppService,
        Self::MachineLearning,
        Self::CloudShell,
        Self::Arc,
        Self::Imds,
    ];

    /// Returns whether the tokens are those of the user who signed in, not of an application.
    #[must_use]
    pub fn issues_user_tokens(self) -> bool {
        self == Self::CloudShell
    }

    /// Returns the name of the platform, as users know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppService => "App Service",
            Self::Imds => "the instance metadata service (IMDS)",
            Self::Arc => "Azure Arc",
            Self::ServiceFabric => "Service Fabric",
            Self::MachineLearning => "Azure Machine Learning",
            Self::CloudShell => "Cloud Shell",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
