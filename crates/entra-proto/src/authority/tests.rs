//! Tests of issuers and endpoints.

use super::*;

#[test]
fn issuer_must_match_the_cloud_and_the_tenant() {
    const ID: &str = "41463f53-8812-40f4-890f-865bf6e35190";
    const OTHER: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let at = |authority: &str, issuer: &str| {
        let authority = Authority::from_setting(authority);
        authority.unwrap().may_be_issued_by(&issuer.replace("{id}", ID))
    };
    let common = "https://login.microsoftonline.com/common";
    for good in [
        "https://login.microsoftonline.com/{id}/v2.0",
        "https://sts.windows.net/{id}/",
    ] {
        assert!(at(common, good), "{good}");
        assert!(at(&format!("https://login.windows.net/{ID}"), good), "{good}");
        assert!(!at(&format!("https://login.windows.net/{OTHER}"), good), "{good}");
        assert!(at("http://127.0.0.1:1/common", good), "{good}");
        assert!(!at("https://login.partner.microsoftonline.cn/common", good), "{good}");
    }
    for bad in [
        "",
        "{id}",
        "https://login.microsoftonline.com/",
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/{id}/v2.0/x",
        "https://login.microsoftonline.com.evil.example/{id}/v2.0",
        "https://evil.example/{id}/v2.0",
        "http://login.microsoftonline.com/{id}/v2.0",
    ] {
        assert!(!at(common, bad), "{bad}");
    }
    // Each national cloud has its own v1 host, or shares the public one's.
    for (cloud, v1) in [
        ("https://login.microsoftonline.us", "https://sts.windows.net"),
        (
            "https://login.partner.microsoftonline.cn",
            "https://sts.chinacloudapi.cn",
        ),
    ] {
        let authority = format!("{cloud}/common");
        assert!(at(&authority, &format!("{v1}/{{id}}/")), "{v1}");
        assert!(at(&authority, &format!("{cloud}/{{id}}/v2.0")), "{cloud}");
        assert!(
            !at(&authority, "https://login.microsoftonline.com/{id}/v2.0"),
            "{cloud}"
        );
    }
    assert!(!at(common, "https://sts.chinacloudapi.cn/{id}/"));
    // Personal accounts have one tenant, which contains no other accounts.
    const PERSONAL: &str = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for (tenant, personal, work) in [
        ("common", true, true),
        ("consumers", true, false),
        ("organizations", false, true),
    ] {
        let authority = format!("https://login.microsoftonline.com/{tenant}");
        assert_eq!(at(&authority, PERSONAL), personal, "{tenant}");
        assert_eq!(
            at(&authority, "https://login.microsoftonline.com/{id}/v2.0"),
            work,
            "{tenant}"
        );
    }
    // An AD FS server is its own issuer.
    let server = "https://fs.contoso.com/adfs";
    assert!(at(server, server) && at(server, "https://fs.contoso.com/adfs/"));
    for other in [
        "https://fs.contoso.com",
        "https://fs.fabrikam.com/adfs",
        "https://fs.contoso.com/{id}/v2.0",
    ] {
        assert!(!at(server, other), "{other}");
    }
    let external = "https://contoso.ciamlogin.com/";
    assert!(at(external, "https://{id}.ciamlogin.com/{id}/v2.0"));
    assert!(!at(external, &format!("https://{OTHER}.ciamlogin.com/{{id}}/v2.0")));
    assert!(at("http://127.0.0.1:1/common", "http://127.0.0.1:1/{id}/v2.0"));
    assert!(!at("http://127.0.0.1:1/common", "http://127.0.0.1:2/{id}/v2.0"));
}

#[test]
fn endpoints_of_both_versions() {
    let authority: Authority = "https://login.microsoftonline.us/contoso.com".parse().unwrap();
    let at = |endpoint, version| {
        authority
            .endpoint(endpoint, version)
            .split_off("https://login.microsoftonline.us/contoso.com/".len())
    };
    use EndpointVersion::{V1, V2};
    assert_eq!(authority.token_endpoint(V1).path(), "/contoso.com/oauth2/token");
    assert_eq!(authority.token_endpoint(V2).path(), "/contoso.com/oauth2/v2.0/token");
    assert_eq!(at(Endpoint::Authorize, V1), "oauth2/authorize");
    assert_eq!(at(Endpoint::Authorize, V2), "oauth2/v2.0/authorize");
    assert_eq!(at(Endpoint::DeviceCode, V1), "oauth2/devicecode");
    assert_eq!(at(Endpoint::DeviceCode, V2), "oauth2/v2.0/devicecode");
    assert_eq!(at(Endpoint::Logout, V1), "oauth2/logout");
    assert_eq!(at(Endpoint::Logout, V2), "oauth2/v2.0/logout");
    assert_eq!(
        at(Endpoint::OpenidConfiguration, V1),
        ".well-known/openid-configuration"
    );
    assert_eq!(
        at(Endpoint::OpenidConfiguration, V2),
        "v2.0/.well-known/openid-configuration"
    );
    assert_eq!(at(Endpoint::Keys, V1), "discovery/keys");
    assert_eq!(at(Endpoint::Keys, V2), "discovery/v2.0/keys");
}

#[test]
fn ad_fs_has_a_single_version_of_each_endpoint() {
    let authority: Authority = "https://adfs.contoso.com/adfs/".parse().unwrap();
    for version in [EndpointVersion::V1, EndpointVersion::V2] {
        assert_eq!(authority.token_endpoint(version).path(), "/adfs/oauth2/token");
        assert_eq!(
            authority.endpoint(Endpoint::Authorize, version),
            "https://adfs.contoso.com/adfs/oauth2/authorize"
        );
    }
    assert!("https://login.microsoftonline.com/adfs".parse::<Authority>().is_err());
}
