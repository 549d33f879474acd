//! The address of an API, and the target of its tokens.

use entra_proto::{Cloud, Error, KnownApi, Target};

/// An API that tokens are requested for.
pub(crate) struct Api {
    /// `https://host`, without a slash at the end.
    pub(crate) address: String,
    /// The target of token requests: the API's own address in every cloud, and with the emulator as
    /// well.
    pub(crate) target: Target,
}

impl Api {
    /// Returns Microsoft Graph in this cloud.
    pub(crate) fn graph(cloud: &Cloud) -> Result<Self, Error> {
        let public = "https://graph.microsoft.com";
        let known = KnownApi::with_audience(public).and_then(|api| api.in_cloud(cloud));
        let audience = known.map_or(public, |api| api.audience);
        Ok(Self {
            address: address(cloud, audience).to_owned(),
            target: Target::resource(audience)?,
        })
    }
}

/// Returns the address of an API with this audience. The emulator serves its APIs at the address of
/// its authority.
pub(crate) fn address<'a>(cloud: &'a Cloud, audience: &'a str) -> &'a str {
    let is_emulator = cloud.is_loopback();
    if is_emulator { cloud.origin() } else { audience }
}
