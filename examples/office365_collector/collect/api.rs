//! The address of the API, and the audience of its tokens. The API in one cloud rejects the tokens
//! of another.

use entra_proto::endpoint::Origin;
use entra_proto::{Cloud, KnownApi};

use crate::common;

/// Returns the origin of the API and the audience of its tokens: those of the API at `named`, or
/// else of the one in the cloud that issues the tokens.
///
/// # Errors
/// Returns an error if the API is known to be in another cloud, or is not known in this one.
pub(super) fn find(cloud: &Cloud, named: Option<&Origin>) -> Result<(Origin, String), String> {
    let is_emulator = cloud.is_loopback();
    let public = KnownApi::with_audience(PUBLIC_API).expect("the table has it");
    let here = public.in_cloud(if is_emulator { &Cloud::Public } else { cloud });
    let unknown = || {
        let cloud = cloud.origin();
        format!(
            "the Office 365 Management Activity API of the cloud at {cloud} is not known: check AZURE_AUTHORITY_HOST, or name the API's \
             address with --api; {}",
            pairs(public)
        )
    };
    let Some(origin) = named else {
        let audience = here.ok_or_else(unknown)?.audience;
        let address = common::address(cloud, audience);
        let origin = address.parse().map_err(|error| format!("{address}: {error}"))?;
        return Ok((origin, audience.to_owned()));
    };
    // The emulator has the API at its own address, with tokens for the real one.
    if origin.is_loopback() {
        let is_custom = matches!(cloud, Cloud::Custom(_));
        let audience = here
            .or_else(|| is_custom.then_some(public))
            .ok_or_else(unknown)?
            .audience;
        return Ok((origin.clone(), audience.to_owned()));
    }
    let known = origin.as_str().parse().ok().and_then(|uri| KnownApi::at(&uri));
    let Some(known) = known else {
        return Ok((origin.clone(), origin.as_str().to_owned()));
    };
    if known.name != public.name {
        return Err(format!(
            "--api {} is {}, not the Office 365 Management Activity API; {}",
            origin.as_str(),
            known.name,
            pairs(public)
        ));
    }
    // For another authority, such as a proxy, the cloud is unknown.
    let is_known = is_emulator || !matches!(cloud, Cloud::Custom(_));
    if is_known && known.cloud != *cloud {
        return Err(format!(
            "--api {} accepts tokens of {} only, and AZURE_AUTHORITY_HOST names {}; {}",
            origin.as_str(),
            known.cloud.origin(),
            cloud.origin(),
            pairs(public)
        ));
    }
    Ok((origin.clone(), known.audience.to_owned()))
}

/// Lists the values that belong together.
fn pairs(public: &KnownApi) -> String {
    let known = KnownApi::all().iter().filter(|api| api.name == public.name);
    let pairs = known.map(|api| format!("--api {} with {}", api.audience, api.cloud.origin()));
    format!("these belong together: {}", pairs.collect::<Vec<_>>().join(", "))
}

/// The API's address in the public cloud, which is also its audience there.
const PUBLIC_API: &str = "https://manage.office.com";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(authority: &str, api: Option<&str>) -> Result<(String, String), String> {
        let cloud = Cloud::from_setting(authority).unwrap();
        let api = api.map(|api| api.parse().unwrap());
        find(&cloud, api.as_ref()).map(|(origin, audience)| (origin.as_str().to_owned(), audience))
    }

    const PUBLIC: &str = "https://login.microsoftonline.com";
    const GOVERNMENT: &str = "https://login.microsoftonline.us";
    const CHINA: &str = "https://login.partner.microsoftonline.cn";
    const EMULATOR: &str = "http://127.0.0.1:8400";
    const PROXY: &str = "https://login.contoso.example";

    #[test]
    fn api_is_that_of_the_authoritys_cloud() {
        for (authority, api, origin, audience) in [
            (PUBLIC, None, PUBLIC_API, PUBLIC_API),
            (
                GOVERNMENT,
                None,
                "https://manage.office365.us",
                "https://manage.office365.us",
            ),
            (EMULATOR, None, EMULATOR, PUBLIC_API),
            (EMULATOR, Some("http://localhost:9"), "http://localhost:9", PUBLIC_API),
            (PUBLIC, Some(EMULATOR), EMULATOR, PUBLIC_API),
            (GOVERNMENT, Some(EMULATOR), EMULATOR, "https://manage.office365.us"),
            (PUBLIC, Some(PUBLIC_API), PUBLIC_API, PUBLIC_API),
            (
                PUBLIC,
                Some("https://MANAGE-gcc.office.com:443/"),
                "https://manage-gcc.office.com",
                "https://manage-gcc.office.com",
            ),
            (
                GOVERNMENT,
                Some("https://manage.protection.apps.mil"),
                "https://manage.protection.apps.mil",
                "https://manage.protection.apps.mil",
            ),
            (PROXY, Some(PUBLIC_API), PUBLIC_API, PUBLIC_API),
            (
                CHINA,
                Some("https://api.example.cn"),
                "https://api.example.cn",
                "https://api.example.cn",
            ),
        ] {
            let expected = (origin.to_owned(), audience.to_owned());
            assert_eq!(found(authority, api), Ok(expected), "{authority} {api:?}");
        }
    }

    #[test]
    fn api_of_another_cloud_is_rejected() {
        for (authority, api, said) in [
            (CHINA, None, "is not known"),
            (PROXY, None, "is not known"),
            (CHINA, Some(EMULATOR), "is not known"),
            (
                CHINA,
                Some(PUBLIC_API),
                "accepts tokens of https://login.microsoftonline.com only",
            ),
            (
                PUBLIC,
                Some("https://manage.office365.us"),
                "accepts tokens of https://login.microsoftonline.us only",
            ),
            (
                PUBLIC,
                Some("https://manage.protection.apps.mil"),
                "accepts tokens of https://login.microsoftonline.us only",
            ),
            (
                GOVERNMENT,
                Some("https://manage-gcc.office.com"),
                "accepts tokens of https://login.microsoftonline.com only",
            ),
            (EMULATOR, Some("https://manage.office365.us"), "accepts tokens of"),
            (PUBLIC, Some("https://graph.microsoft.com"), "is Microsoft Graph, not"),
        ] {
            let error = found(authority, api).unwrap_err();
            assert!(error.contains(said), "{authority} {api:?}: {error}");
            let pair = "--api https://manage.office365.us with https://login.microsoftonline.us";
            assert!(error.contains(pair), "{error}");
        }
    }
}
