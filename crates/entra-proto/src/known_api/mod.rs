//! Microsoft's well-known APIs: the audiences of their tokens, and their hosts.

mod table;

use http::Uri;

use crate::cloud::Cloud;
use crate::guid::Guid;
use crate::resource::Resource;
use crate::tenant::is_label;

pub(crate) use table::MICROSOFT_GRAPH;

/// A well-known API in one cloud.
///
/// The list is [`KnownApi::all`]. It is data for tools: this crate does not restrict tokens to
/// these APIs.
///
/// ```
/// use entra_proto::{Cloud, KnownApi};
///
/// let vault = "https://contoso.vault.azure.net/secrets/x".parse()?;
/// let vault = KnownApi::at(&vault).expect("a known host");
/// assert_eq!(vault.audience, "https://vault.azure.net");
///
/// let graph = KnownApi::with_audience("https://graph.microsoft.com")
///     .expect("a known audience");
/// let graph = graph.in_cloud(&Cloud::China).expect("the same API in China");
/// assert_eq!(graph.audience, "https://microsoftgraph.chinacloudapi.cn");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct KnownApi {
    /// The name of the API, the same in every cloud.
    pub name: &'static str,
    /// The audience that its tokens need, byte for byte: a trailing slash is part of it.
    pub audience: &'static str,
    /// Other audiences that the API accepts.
    pub other_audiences: &'static [&'static str],
    /// The ID of its application, the same in every tenant, if it is published.
    pub app_id: Option<Guid>,
    /// The cloud that issues its tokens.
    pub cloud: Cloud,
    /// The hosts that serve it. A label `*` matches any single label. Empty if the host does not
    /// identify the API.
    pub hosts: &'static [&'static str],
    /// A fact that callers of this API need to know.
    pub note: Option<&'static str>,
}

impl KnownApi {
    /// Returns all known APIs. The entries of one API are adjacent, the public cloud first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &table::APIS
    }

    /// Returns the API that serves this URL, by its host.
    ///
    /// A URL matches only if it is `https` on the default port and has no user name, because this
    /// match decides where a token is sent. The case of the host does not matter, but a trailing
    /// dot does.
    #[must_use]
    pub fn at(url: &Uri) -> Option<&'static Self> {
        let authority = url.authority()?;
        let is_usual = url.scheme_str() == Some("https")
            && !authority.as_str().contains('@')
            && match authority.port_u16() {
                Some(port) => port == 443,
                // If the port is not a number, the host is shorter than the authority.
                None => authority.as_str() == authority.host(),
            };
        is_usual.then(|| Self::served_by(authority.host())).flatten()
    }

    /// Returns the API that this host serves.
    pub(crate) fn served_by(host: &str) -> Option<&'static Self> {
        Self::all()
            .iter()
            .find(|api| api.hosts.iter().any(|pattern| matches(pattern, host)))
    }

    /// Returns the API with this audience, or with this application ID. Audiences are compared byte
    /// for byte.
    ///
    /// If an API has the same audience in several clouds, the first entry is returned.
    #[must_use]
    pub fn with_audience(audience: &str) -> Option<&'static Self> {
        let accepts = |api: &&Self| api.audience == audience || api.other_audiences.contains(&audience);
        Self::all().iter().find(accepts).or_else(|| {
            let id: Guid = audience.parse().ok()?;
            Self::all().iter().find(|api| api.app_id == Some(id))
        })
    }

    /// Returns the API whose audience is this one with a trailing slash. Such an API rejects tokens
    /// for the audience without the slash.
    #[must_use]
    pub fn lacking_slash(audience: &str) -> Option<&'static Self> {
        let with_slash = |api: &&Self| api.audience.strip_suffix('/') == Some(audience);
        Self::all().iter().find(with_slash)
    }

    /// Returns the same API in another cloud: its first entry, which is the most common one.
    #[must_use]
    pub fn in_cloud(&self, cloud: &Cloud) -> Option<&'static Self> {
        Self::all()
            .iter()
            .find(|api| api.name == self.name && api.cloud == *cloud)
    }

    /// Returns the audience as a resource for which tokens can be requested.
    #[must_use]
    pub fn resource(&self) -> Resource {
        Resource::known(self.audience)
    }
}

/// Returns whether a host matches a pattern, in any case.
fn matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let mut expected = pattern.split('.');
    loop {
        match (expected.next(), labels.next()) {
            (None, None) => return true,
            (Some("*"), Some(label)) if is_label(label) => {}
            (Some(one), Some(label)) if one.eq_ignore_ascii_case(label) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndpointVersion, Scope, Target};

    fn at(url: &str) -> Option<&'static str> {
        KnownApi::at(&url.parse().ok()?).map(|api| api.audience)
    }

    #[test]
    fn audiences_round_trip_on_both_endpoints() {
        for api in KnownApi::all() {
            let audiences = api.other_audiences.iter().chain([&api.audience]);
            for audience in audiences {
                let target = Target::resource(audience).expect(audience);
                assert_eq!(
                    target.wire_parameter(EndpointVersion::V1).unwrap(),
                    ("resource", (*audience).into())
                );
                let (name, scope) = target.wire_parameter(EndpointVersion::V2).unwrap();
                assert_eq!((name, &*scope), ("scope", format!("{audience}/.default").as_str()));
                let back = Target::scopes(&scope).expect(audience);
                assert_eq!(back.audience().unwrap(), *audience);
                assert_eq!(
                    back.wire_parameter(EndpointVersion::V1).unwrap(),
                    ("resource", (*audience).into())
                );
                assert!(KnownApi::with_audience(audience).is_some(), "{audience}");
            }
            assert_eq!(Target::from(api.resource()), Target::resource(api.audience).unwrap());
            assert_eq!(
                Scope::default_for(&api.resource()).resource(),
                Some(api.audience),
                "{api:?}"
            );
        }
    }

    #[test]
    fn no_host_belongs_to_two_apis() {
        let hosts: Vec<(&str, &KnownApi)> = KnownApi::all()
            .iter()
            .flat_map(|api| api.hosts.iter().map(move |host| (*host, api)))
            .collect();
        for (at, (host, api)) in hosts.iter().enumerate() {
            for (other, other_api) in &hosts[at + 1..] {
                let example = |pattern: &str| pattern.replace('*', "contoso");
                assert!(
                    !matches(host, &example(other)) && !matches(other, &example(host)),
                    "{host} of {} and {other} of {}",
                    api.audience,
                    other_api.audience
                );
            }
            let url = format!("https://{}/x?y", host.replace('*', "contoso-1"))
                .parse()
                .unwrap();
            assert!(std::ptr::eq(KnownApi::at(&url).unwrap(), *api), "{host}");
        }
    }

    #[test]
    fn entries_agree_with_each_other() {
        for api in KnownApi::all() {
            for other in KnownApi::all().iter().filter(|other| other.name == api.name) {
                assert_eq!(other.app_id, api.app_id, "{}", api.name);
            }
            for other in KnownApi::all().iter().filter(|other| other.audience == api.audience) {
                assert_eq!(other.name, api.name, "{}", api.audience);
            }
            assert!(!matches!(api.cloud, Cloud::Custom(_)));
            assert!(std::ptr::eq(
                api.in_cloud(&api.cloud).unwrap().in_cloud(&api.cloud).unwrap(),
                api.in_cloud(&api.cloud).unwrap()
            ));
            for host in api.hosts {
                let is_pattern = |label: &str| label == "*" || is_label(label);
                assert!(host.split('.').all(is_pattern) && !host.ends_with('*'), "{host}");
                assert_eq!(host.to_ascii_lowercase(), *host);
            }
        }
    }

    #[test]
    fn hosts_identify_their_api() {
        for (url, audience) in [
            (
                "https://graph.microsoft.com/v1.0/users?$top=1",
                "https://graph.microsoft.com",
            ),
            ("https://GRAPH.Microsoft.com:443", "https://graph.microsoft.com"),
            ("https://graph.microsoft.us/", "https://graph.microsoft.us"),
            ("https://manage.office.com/api/v1.0/x", "https://manage.office.com"),
            ("https://manage-gcc.office.com/", "https://manage-gcc.office.com"),
            ("https://manage.office365.us/", "https://manage.office365.us"),
            (
                "https://manage.protection.apps.mil/",
                "https://manage.protection.apps.mil",
            ),
            (
                "https://management.usgovcloudapi.net/",
                "https://management.usgovcloudapi.net",
            ),
            ("https://contoso.vault.azure.net/keys", "https://vault.azure.net"),
            ("https://contoso.blob.core.windows.net/a/b", "https://storage.azure.com"),
            (
                "https://contoso.blob.core.chinacloudapi.cn/a",
                "https://storage.azure.com",
            ),
            (
                "https://mmdls.microsoft.com/support",
                "https://mwaas-services-customerapi-prod.azurewebsites.net",
            ),
            ("https://dev.azure.com/contoso", "499b84ac-1321-427f-aa17-267ca6975798"),
            (
                "https://adb-1.2.azuredatabricks.net/api",
                "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d",
            ),
        ] {
            assert_eq!(at(url), Some(audience), "{url}");
        }
    }

    #[test]
    fn look_alike_hosts_identify_no_api() {
        for url in [
            "http://graph.microsoft.com/",
            "https://graph.microsoft.com./",
            "https://graph.microsoft.com.evil.example/",
            "https://evilgraph.microsoft.com/",
            "https://evil.graph.microsoft.com/",
            "https://evil.example/graph.microsoft.com",
            "https://evil.example/?https://graph.microsoft.com",
            "https://evil.example#graph.microsoft.com",
            "https://graph.microsoft.com@evil.example/",
            "https://user@graph.microsoft.com/",
            "https://user:password@graph.microsoft.com:443/",
            "https://graph.microsoft.com:8443/",
            "https://graph.microsoft.com:/",
            "https://graph.microsoft.com:99999/",
            "https://vault.azure.net/",
            "https://.vault.azure.net/",
            "https://a.b.vault.azure.net/",
            "https://contoso.vault.azure.net.evil.example/",
            "https://contosovault.azure.net/",
            "https://-.vault.azure.net/",
            "https://con_toso.vault.azure.net/",
            "https://%67raph.microsoft.com/",
            "https://login.microsoftonline.com/",
            "https://manage.office.com%2eevil.example/",
            "//graph.microsoft.com/",
            "graph.microsoft.com",
            "/v1.0/users",
        ] {
            assert_eq!(at(url), None, "{url}");
        }
    }

    #[test]
    fn audiences_are_compared_byte_for_byte() {
        let name = |audience| KnownApi::with_audience(audience).map(|api| api.name);
        assert_eq!(name("https://database.windows.net/"), Some("Azure SQL Database"));
        assert_eq!(name("https://database.windows.net"), None);
        assert_eq!(name("https://graph.microsoft.com/"), None);
        assert_eq!(name("00000003-0000-0000-C000-000000000000"), Some("Microsoft Graph"));
        assert_eq!(
            name("https://management.core.windows.net/"),
            Some("Azure Resource Manager")
        );
        assert_eq!(name(""), None);
        let lacking = |audience| KnownApi::lacking_slash(audience).map(|api| api.audience);
        assert_eq!(
            lacking("https://database.usgovcloudapi.net"),
            Some("https://database.usgovcloudapi.net/")
        );
        assert_eq!(lacking("https://database.windows.net/"), None);
        assert_eq!(lacking("https://graph.microsoft.com"), None);
    }

    #[test]
    fn api_is_found_in_another_cloud() {
        let in_cloud = |audience, cloud| {
            let api = KnownApi::with_audience(audience).unwrap();
            api.in_cloud(&cloud).map(|api| api.audience)
        };
        assert_eq!(
            in_cloud("https://manage.office.com", Cloud::UsGovernment),
            Some("https://manage.office365.us")
        );
        assert_eq!(
            in_cloud("https://graph.microsoft.us", Cloud::Public),
            Some("https://graph.microsoft.com")
        );
        assert_eq!(in_cloud("https://manage.office.com", Cloud::China), None);
        let emulator = Cloud::loopback("http://127.0.0.1:8500").unwrap();
        assert_eq!(in_cloud("https://graph.microsoft.com", emulator), None);
    }
}
