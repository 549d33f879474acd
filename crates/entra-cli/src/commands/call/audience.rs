//! The audience of the API that serves a URL.

use entra_proto::endpoint::is_loopback_host;
use entra_proto::{Cloud, KnownApi};
use http::Uri;

use crate::exit::{Exit, Failure};
use crate::sanitize::excerpt;

/// An audience that was inferred from a URL.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) struct Found {
    pub(in crate::commands) audience: &'static str,
    /// The part of the URL that identifies the API.
    pub(in crate::commands) from: &'static str,
    /// The reason why the API may reject a token for this audience.
    pub(in crate::commands) doubt: Option<String>,
}

/// Returns the audience of the API that serves this URL. `cloud` issues the tokens.
///
/// # Errors
/// Returns an error if the host is not that of a well-known API.
pub(in crate::commands) fn of(uri: &Uri, cloud: &Cloud) -> Result<Found, Failure> {
    let host = uri.host().unwrap_or_default();
    if let Some(api) = KnownApi::at(uri) {
        // An external tenant has its own host, and issues tokens for the public cloud.
        let is_elsewhere = *cloud != api.cloud && !is_external(cloud);
        return Ok(Found {
            audience: api.audience,
            from: "host",
            doubt: is_elsewhere.then(|| {
                format!(
                    "{} at {host} accepts tokens of {}, but this one is from {}",
                    api.name,
                    api.cloud.origin(),
                    cloud.origin()
                )
            }),
        });
    }
    let is_emulator = cloud.is_loopback() && is_loopback_host(host);
    if is_emulator && let Some(audience) = at_emulator(uri.path()) {
        return Ok(Found {
            audience,
            from: "path, at the emulator",
            doubt: None,
        });
    }
    let host = excerpt(host, 100);
    let failure = if is_emulator {
        Failure::text(Exit::Usage, "the path does not belong to an API of the emulator")
    } else {
        Failure::text(Exit::Usage, format!("{host} is not the host of a well-known API"))
    };
    Err(failure
        .hint("name the API with --resource AUDIENCE or --scope: `entra resources` lists well-known APIs")
        .hint(
            "the audience of your own API is its application ID URI, such as api://GUID; for SharePoint and Dynamics 365 \
             it is https:// and the host",
        ))
}

/// Returns true if the cloud is a custom host, but not the emulator.
fn is_external(cloud: &Cloud) -> bool {
    matches!(cloud, Cloud::Custom(_)) && !cloud.is_loopback()
}

/// Returns the audience of the API that the emulator serves at this path.
fn at_emulator(path: &str) -> Option<&'static str> {
    PATHS
        .iter()
        .find(|(start, _)| {
            path.get(..start.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        })
        .map(|(_, audience)| *audience)
}

/// The path prefixes of the APIs that the emulator serves, with their audiences.
const PATHS: [(&str, &str); 5] = [
    ("/v1.0/", "https://graph.microsoft.com"),
    ("/beta/", "https://graph.microsoft.com"),
    ("/api/v1.0/", "https://manage.office.com"),
    ("/api/v1/", "https://manage.office.com"),
    (
        "/support/odata/",
        "https://mwaas-services-customerapi-prod.azurewebsites.net",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(url: &str, cloud: &str) -> Result<Found, Failure> {
        let cloud = Cloud::from_setting(cloud).unwrap();
        of(&url.parse().unwrap(), &cloud)
    }

    #[test]
    fn host_determines_the_audience() {
        let graph = found("https://graph.microsoft.com/v1.0/me", "public").unwrap();
        assert_eq!((graph.audience, graph.from), ("https://graph.microsoft.com", "host"));
        assert_eq!(graph.doubt, None);
        for (cloud, is_doubted) in [
            ("http://127.0.0.1:8500", true),
            ("https://contoso.ciamlogin.com", false),
        ] {
            let graph = found("https://graph.microsoft.com/v1.0/me", cloud).unwrap();
            assert_eq!(graph.doubt.is_some(), is_doubted, "{cloud}");
        }
        let doubt = found("https://graph.microsoft.us/v1.0/me", "public").unwrap().doubt;
        assert!(
            doubt
                .unwrap()
                .contains("accepts tokens of https://login.microsoftonline.us")
        );
    }

    #[test]
    fn path_determines_the_audience_only_at_the_emulator() {
        const EMULATOR: &str = "http://127.0.0.1:8500";
        for (_, audience) in PATHS {
            assert!(KnownApi::with_audience(audience).is_some(), "{audience}");
        }
        for (path, audience) in [
            ("/v1.0/users", "https://graph.microsoft.com"),
            (
                "/API/v1.0/t/activity/feed/subscriptions/list",
                "https://manage.office.com",
            ),
            (
                "/support/odata/v1/tenants/t/devices",
                "https://mwaas-services-customerapi-prod.azurewebsites.net",
            ),
        ] {
            let url = format!("http://localhost:8501{path}");
            let found_there = found(&url, EMULATOR).unwrap();
            assert_eq!(
                (found_there.audience, found_there.from),
                (audience, "path, at the emulator")
            );
            assert!(found(&url, "public").is_err());
            assert!(found(&format!("https://api.contoso.com{path}"), EMULATOR).is_err());
        }
        assert!(
            found("http://127.0.0.1:8500/other", EMULATOR)
                .unwrap_err()
                .problem
                .contains("path")
        );
    }

    #[test]
    fn other_hosts_need_an_option() {
        for url in [
            "https://api.contoso.com/orders",
            "https://graph.microsoft.com.evil.example/v1.0/me",
            "https://graph.microsoft.com:8443/v1.0/me",
            "https://contoso.servicebus.windows.net/q",
        ] {
            let failure = found(url, "public").unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.to_string().contains("--resource AUDIENCE"), "{failure}");
        }
    }
}
