//! Devices that Microsoft Managed Desktop manages.

use std::time::SystemTime;

use serde::Deserialize;

/// A device of a tenant that Microsoft Managed Desktop manages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManagedDevice {
    /// The name, such as `MMD-03690457680`; derived from the seed when empty.
    pub name: String,
    /// The serial number; derived from the seed when empty.
    pub serial_number: String,
    /// The manufacturer; `Microsoft Corporation` when left out.
    pub manufacturer: Option<String>,
    /// The model; `Surface Laptop` when left out.
    pub model: Option<String>,
    /// The user of the device, by object ID or sign-in name. In a built emulator it is an object
    /// ID.
    pub user: Option<String>,
    /// The group of devices that receive updates together; `Broad` when left out.
    pub update_ring: Option<UpdateRing>,
    /// The compliance: `Compliant`, `NonCompliant` or `Unknown`; `Compliant` when left out.
    pub compliance_state: Option<String>,
    /// The version of the operating system.
    pub os_version: Option<String>,
    /// The time of the enrollment into Intune.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub enrolled: Option<SystemTime>,
    /// The time of the last synchronization with Intune.
    #[serde(deserialize_with = "crate::config::time::read")]
    pub last_sync: Option<SystemTime>,
    /// True if the device has an open elevation request, whose details the API returns.
    pub elevated: bool,
}

/// The order in which devices receive updates.
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
    /// Returns a device with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Assigns the device to a user, by object ID or sign-in name.
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

    /// Returns the API's name of the update ring.
    pub(crate) fn ring(&self) -> &'static str {
        match self.update_ring {
            Some(UpdateRing::Test) => "Test",
            Some(UpdateRing::First) => "First",
            Some(UpdateRing::Fast) => "Fast",
            Some(UpdateRing::Broad) | None => "Broad",
        }
    }
}
