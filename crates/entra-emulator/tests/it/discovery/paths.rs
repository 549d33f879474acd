//! Hosts and paths.

use entra_emulator::{Emulator, Purpose};

use crate::discovery::tenant;
use crate::support::{document, get, json_body};

#[test]
fn malformed_hosts_are_replaced_in_documents() {
    let emulator = tenant(Emulator::builder());
    let endpoint = |host: &str| {
        let request = http::Request::get("/common/v2.0/.well-known/openid-configuration").header("host", host);
        let document = json_body(&emulator.handle(request.body(Vec::new()).unwrap()));
        document["token_endpoint"].as_str().unwrap().to_owned()
    };
    let long = "a".repeat(256);
    for host in [
        "a b",
        "a\"b",
        "user@evil.example",
        "evil.example/path",
        "",
        ".",
        ":80",
        "[[[",
        "[::1",
        "[::1]x",
        "[]",
        "[a.example]:80",
        "::1",
        "a.example:",
        "a.example:x",
        "a.example:65536",
        "a.example:80:80",
        "javascript:alert",
        "{tenantid}",
        &long,
    ] {
        assert_eq!(endpoint(host), "http://127.0.0.1/common/oauth2/v2.0/token", "{host}");
    }
    for host in [
        "[::1]",
        "[::1]:8500",
        "entra_1:80",
        "a.example.",
        "192.168.1.5:65535",
        "EMULATOR",
    ] {
        assert_eq!(endpoint(host), format!("https://{host}/common/oauth2/v2.0/token"));
    }
}

#[test]
fn paths_are_case_insensitive() {
    let emulator = tenant(Emulator::builder());
    let id = emulator.tenant_id();
    for path in [
        "Common/v2.0/.well-known/openid-configuration",
        "ORGANIZATIONS/V2.0/.Well-Known/OpenID-Configuration",
        &format!("{}/.WELL-KNOWN/openid-configuration", id.to_uppercase()),
        "https://contoso.ciamlogin.com/V2.0/.Well-Known/openid-configuration",
        "COMMON/Discovery/Keys",
        "Common/discovery/V2.0/keys",
        "common/USERREALM/Adele@Contoso.example",
        "Common/Discovery/Instance?authorization_endpoint=https://login.microsoftonline.com/common/oauth2/authorize",
    ] {
        let url = if path.starts_with("https:") {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        assert_eq!(get(&emulator, &url).status(), 200, "{path}");
    }
    let issuer = &document(&emulator, "/COMMON/v2.0/.well-known/openid-configuration")["issuer"];
    assert_eq!(issuer, "https://login.microsoftonline.com/{tenantid}/v2.0");

    // The issuer of personal accounts is fixed.
    let personal = "9188040d-6c67-4c5b-b112-36a304b66dad";
    for name in ["consumers", "Consumers", personal, &personal.to_uppercase()] {
        let document = document(&emulator, &format!("/{name}/v2.0/.well-known/openid-configuration"));
        assert_eq!(
            document["issuer"],
            format!("https://login.microsoftonline.com/{personal}/v2.0")
        );
    }

    let body = crate::support::form(&emulator, &[("scope", "https://graph.microsoft.com/.default")]);
    let request = http::Request::post(format!("/{id}/OAuth2/V2.0/Token"))
        .header("content-type", "application/x-www-form-urlencoded");
    let response = emulator.handle(request.body(body.into_bytes()).unwrap());
    assert_eq!(response.status(), 200, "{}", json_body(&response));
    assert_eq!(emulator.requests().pop().unwrap().purpose, Some(Purpose::Token));

    let unknown = get(&emulator, "/Unknown.example/V2.0/.well-known/openid-configuration");
    let body = json_body(&unknown);
    assert_eq!(body["error"], "invalid_tenant");
    assert!(
        body["error_description"]
            .as_str()
            .unwrap()
            .contains("'Unknown.example'"),
        "{body}"
    );
}

#[test]
fn unsupported_endpoints_get_501() {
    let emulator = Emulator::builder().build();
    let tenant = emulator.tenant_id().to_owned();
    for path in [
        "common/oauth2/logout",
        "common/oauth2/v2.0/logout",
        "organizations/oauth2/nonsense",
        "common/openid/nonsense",
        "contoso.onmicrosoft.com/saml2",
        "contoso.onmicrosoft.com/wsfed",
        "unknown.example/wsfed",
        "common/federationmetadata/2007-06/federationmetadata.xml",
        "common/kerberos",
        "common/v2.0/nonsense",
        "common/discovery/nonsense",
        "common/nonsense",
        "oidc/nonsense",
        "support/odata/v1/tenants",
        "api/v1.0/x/activity/other",
        &format!("{tenant}/saml2"),
    ] {
        let response = get(&emulator, &format!("/{path}"));
        let body = json_body(&response);
        assert_eq!(
            (response.status().as_u16(), body["error"].as_str()),
            (501, Some("not_emulated")),
            "{path}"
        );
        let (_, endpoint) = path.split_once('/').unwrap();
        assert!(body["error_description"].as_str().unwrap().contains(endpoint), "{body}");
    }
    for path in ["nonsense", "robots.txt"] {
        assert_eq!(get(&emulator, &format!("/{path}")).status(), 404, "{path}");
    }
}
