//! The devices that Microsoft Managed Desktop manages.

use std::time::SystemTime;

use serde::Deserialize;

/// A device of a tenant that Microsoft Managed Desktop manages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagedDevice {
    /// Name, such as `MMD-03690457680`; derived from the seed when empty.
    pub name: String,
    /// Serial number; derived from the seed when empty.
    pub serial_number: String,
    /// Manufacturer; `Microsoft Corporation` when left out.
    pub manufacturer: Option<String>,
    /// Model; `Surface Laptop` when left out.
    pub model: Option<String>,
    /// User to whom the device is assigned, by object id or sign-in name. An object id once the emulator is built.
    pub user: Option<String>,
    /// Group of devices that gets updates at the same time; `Broad` when left out.
    pub update_ring: Option<UpdateRing>,
    /// `Compliant`, `NonCompliant` or `Unknown`; `Compliant` when left out.
    pub compliance_state: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Time at which the device was enrolled into Intune.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub enrolled: Option<SystemTime>,
    /// Time of the last synchronization with Intune.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub last_sync: Option<SystemTime>,
    /// Has an open elevation request, whose details the API returns.
    pub elevated: bool,
}

/// The order in which devices get updates.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateRing {
    /// Devices for tests.
    Test,
    /// Devices of early users.
    First,
    /// Devices before most others.
    Fast,
    /// Most devices.
    Broad,
}

impl ManagedDevice {
    /// A device of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Assigns the device to a user, by object id or sign-in name.
    pub fn user(self, user: impl Into<String>) -> Self {
        Self {
            user: Some(user.into()),
            ..self
        }
    }

    /// Opens an elevation request for the device.
    pub fn elevated(self) -> Self {
        Self { elevated: true, ..self }
    }

    pub(crate) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("Surface Laptop")
    }

    /// The update ring, as the API names it.
    pub(crate) fn ring(&self) -> &'static str {
        match self.update_ring {
            Some(UpdateRing::Test) => "Test",
            Some(UpdateRing::First) => "First",
            Some(UpdateRing::Fast) => "Fast",
            Some(UpdateRing::Broad) | None => "Broad",
        }
    }
}
