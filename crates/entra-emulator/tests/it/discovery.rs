//! The documents: good enough for the official clients, and for validators that follow a rotation.

use crate::support::{access_token, document, get, json_body};
use entra_emulator::{Emulator, EmulatorBuilder, Purpose, Tenant, User};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const GRAPH: &str = "https://graph.microsoft.com/.default";

fn tenant(builder: EmulatorBuilder) -> Emulator {
    builder
        .tenant(Tenant::new("contoso.onmicrosoft.com").id("11111111-2222-3333-4444-555555555555"))
        .build()
}

#[test]
fn v2_metadata() {
    let emulator = tenant(Emulator::builder());
    let id = "11111111-2222-3333-4444-555555555555";
    for name in [id, "contoso.onmicrosoft.com", "Contoso.onmicrosoft.com"] {
        let document = document(
            &emulator,
            &format!("https://login.example:8443/{name}/v2.0/.well-known/openid-configuration"),
        );
        assert_eq!(
            document["issuer"],
            format!("https://login.microsoftonline.com/{id}/v2.0")
        );
        assert_eq!(
            document["token_endpoint"],
            format!("https://login.example:8443/{id}/oauth2/v2.0/token")
        );
        assert_eq!(
            document["jwks_uri"],
            format!("https://login.example:8443/{id}/discovery/v2.0/keys")
        );
        assert_eq!(
            document["authorization_endpoint"],
            format!("https://login.example:8443/{id}/oauth2/v2.0/authorize")
        );
        for member in [
            "device_authorization_endpoint",
            "end_session_endpoint",
            "userinfo_endpoint",
            "cloud_instance_name",
        ] {
            assert!(document[member].is_string(), "{member}");
        }
    }
}

#[test]
fn v1_metadata() {
    let emulator = tenant(Emulator::builder());
    let id = emulator.tenant_id();
    let document = document(&emulator, &format!("/{id}/.well-known/openid-configuration"));
    assert_eq!(document["issuer"], format!("https://sts.windows.net/{id}/"));
    assert_eq!(
        document["token_endpoint"],
        format!("http://127.0.0.1/{id}/oauth2/token")
    );
    assert_eq!(document["jwks_uri"], "http://127.0.0.1/common/discovery/keys");
}

#[test]
fn shared_endpoints_leave_the_tenant_open() {
    let emulator = tenant(Emulator::builder());
    for name in ["common", "organizations"] {
        let v2 = document(&emulator, &format!("/{name}/v2.0/.well-known/openid-configuration"));
        assert_eq!(v2["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
        let v1 = document(&emulator, &format!("/{name}/.well-known/openid-configuration"));
        assert_eq!(v1["issuer"], "https://sts.windows.net/{tenantid}/");
    }
}

#[test]
fn unknown_tenants_have_no_documents() {
    let emulator = tenant(Emulator::builder());
    for path in [
        "v2.0/.well-known/openid-configuration",
        ".well-known/openid-configuration",
        "discovery/v2.0/keys",
        "discovery/keys",
    ] {
        // The metadata says 90002 of names that can be no tenant's, too.
        for name in [
            "nobody.example",
            "00000000-1111-2222-3333-444444444444",
            "nobody.ciamlogin.com",
            "tenant_id",
            "secrets",
            "%7Btenant%7D",
        ] {
            let response = get(&emulator, &format!("/{name}/{path}"));
            let body = json_body(&response);
            assert_eq!(response.status(), 400);
            assert_eq!(
                (&body["error"], &body["error_codes"]),
                (&json!("invalid_tenant"), &json!([90002])),
                "{name}/{path}"
            );
            let uri = "https://login.microsoftonline.com/error?code=90002";
            assert_eq!(body["error_uri"], uri);
        }
    }
}

/// Where a request is sent to, and not only a document read, the number comes with another word.
#[test]
fn requests_of_unknown_tenants_are_invalid_requests() {
    let emulator = tenant(Emulator::builder());
    let fields = [("client_id", emulator.client_id()), ("scope", GRAPH)];
    for path in [
        "oauth2/token",
        "oauth2/v2.0/token",
        "oauth2/devicecode",
        "oauth2/v2.0/devicecode",
    ] {
        for (name, code) in [("nobody.example", 90002), ("tenant_id", 900023)] {
            let body = json_body(&crate::support::post(&emulator, &format!("/{name}/{path}"), &fields));
            assert_eq!(
                (&body["error"], &body["error_codes"]),
                (&json!("invalid_request"), &json!([code])),
                "{name}/{path}"
            );
        }
    }
    // A browser gets a page.
    for path in [
        "oauth2/authorize",
        "oauth2/v2.0/authorize",
        "adminconsent",
        "v2.0/adminconsent",
    ] {
        let response = get(
            &emulator,
            &format!("/nobody.example/{path}?client_id={}", emulator.client_id()),
        );
        let page = String::from_utf8(response.body().clone()).unwrap();
        assert!(page.contains("AADSTS90002"), "{path}: {page}");
    }
    // Instance discovery is about the authority's host alone.
    let url = "https://h/nobody.example/discovery/instance?api-version=1.1&authorization_endpoint=https://h/nobody.example/oauth2/authorize";
    let body = document(&emulator, url);
    assert_eq!(
        body["tenant_discovery_endpoint"],
        "https://h/nobody.example/.well-known/openid-configuration"
    );
}

#[test]
fn user_realms_of_the_tenants() {
    let fabrikam =
        Tenant::new("fabrikam.example").user(User::new("Ann").user_principal_name("ann@Mail.Fabrikam.example"));
    let builder = Emulator::builder().tenant(Tenant::new("contoso.onmicrosoft.com"));
    let emulator = builder.tenant(fabrikam).build();
    let id = emulator.tenant_id();
    for (login, domain) in [
        ("adele@contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("nobody@CONTOSO.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("adele%40contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("a%2Fb@contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("x@fabrikam.example", "fabrikam.example"),
        ("x@mail.fabrikam.example", "Mail.Fabrikam.example"),
        ("a@b@fabrikam.example", "fabrikam.example"),
    ] {
        for path in [
            "common/UserRealm",
            "common/userrealm",
            "organizations/USERREALM",
            &format!("{id}/UserRealm"),
        ] {
            let one = document(&emulator, &format!("/{path}/{login}?api-version=1.0"));
            let expected = json!({
                "ver": "1.0",
                "account_type": "Managed",
                "domain_name": domain,
                "cloud_instance_name": "microsoftonline.com",
                "cloud_audience_urn": "urn:federation:MicrosoftOnline",
            });
            assert_eq!(one, expected);
            assert_eq!(document(&emulator, &format!("/{path}/{login}")), expected);
            assert_eq!(
                document(&emulator, &format!("/{path}?user={login}&api-version=1.0")),
                expected
            );
            for version in ["2.0", "2.1"] {
                let two = document(&emulator, &format!("/{path}/{login}?api-version={version}"));
                assert_eq!(
                    (&two["NameSpaceType"], &two["DomainName"]),
                    (&json!("Managed"), &json!(domain))
                );
            }
        }
    }
    for login in [
        "a@elsewhere.example",
        "a@sub.contoso.onmicrosoft.com",
        "contoso.onmicrosoft.com",
        "@",
        "%20",
        "a@",
    ] {
        let one = document(&emulator, &format!("/common/UserRealm/{login}?api-version=1.0"));
        assert_eq!(
            (&one["account_type"], &one["domain_name"]),
            (&json!("Unknown"), &Value::Null),
            "{login}"
        );
        let two = document(&emulator, &format!("/common/UserRealm/{login}?api-version=2.1"));
        assert_eq!(two["NameSpaceType"], "Unknown");
    }
    let long = format!("{}@fabrikam.example", "a".repeat(10_000));
    let long = document(&emulator, &format!("/common/UserRealm/{long}?api-version=2.0"));
    assert_eq!(
        (long["Login"].as_str().unwrap().len(), &long["NameSpaceType"]),
        (256, &json!("Managed"))
    );
    assert_eq!(
        get(&emulator, "/common/UserRealm/a@b.example?api-version=9").status(),
        501
    );
    let body = json_body(&get(&emulator, "/nobody.example/UserRealm/a@b.example?api-version=1.0"));
    assert_eq!(body["error"], "invalid_tenant");
    assert_eq!(get(&emulator, "/common/UserRealm/a@b.example/more").status(), 501);
}

/// What adal and MSAL for Go do with a password: first the realm, then the grant.
#[test]
fn a_password_is_refused_after_its_realm_was_found() {
    let emulator = tenant(Emulator::builder());
    let user = "adele@contoso.onmicrosoft.com";
    let realm = document(&emulator, &format!("/common/UserRealm/{user}?api-version=1.0"));
    assert_eq!(realm["account_type"], "Managed");
    for (path, target) in [
        (
            "oauth2/token?api-version=1.0",
            ("resource", "https://graph.microsoft.com"),
        ),
        (
            "oauth2/v2.0/token",
            ("scope", "User.Read openid profile offline_access"),
        ),
    ] {
        let fields = [
            ("grant_type", "password"),
            ("client_id", emulator.client_id()),
            ("client_secret", emulator.client_secret()),
            ("username", user),
            ("password", "guess"),
            target,
        ];
        for tenant in [emulator.tenant_id(), "organizations"] {
            let response = crate::support::post(&emulator, &format!("/{tenant}/{path}"), &fields);
            assert_eq!(crate::support::refusal(&response), 50126, "{path} {tenant}");
        }
    }
}

#[test]
fn customer_tenants_are_found_by_host_and_by_path() {
    let emulator = tenant(Emulator::builder().tenant(Tenant::new("fabrikam.onmicrosoft.com").external()));
    let id = emulator.tenant_id();
    let issuer = format!("https://{id}.ciamlogin.com/{id}/v2.0");
    for url in [
        "https://fabrikam.ciamlogin.com/v2.0/.well-known/openid-configuration".to_owned(),
        "https://fabrikam.ciamlogin.com/fabrikam.onmicrosoft.com/v2.0/.well-known/openid-configuration".to_owned(),
        format!("https://{id}.ciamlogin.com/{id}/v2.0/.well-known/openid-configuration"),
        "/fabrikam.ciamlogin.com/v2.0/.well-known/openid-configuration".to_owned(),
        format!("/fabrikam.ciamlogin.com/{id}/v2.0/.well-known/openid-configuration"),
        "/fabrikam.ciamlogin.com/fabrikam.onmicrosoft.com/v2.0/.well-known/openid-configuration".to_owned(),
    ] {
        assert_eq!(document(&emulator, &url)["issuer"], issuer, "{url}");
    }
    let other = "/fabrikam.ciamlogin.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
    assert_eq!(get(&emulator, other).status(), 501);
}

#[test]
fn tokens_verify_against_the_published_keys() {
    let emulator = tenant(Emulator::builder().seed(3));
    let audience = emulator.api().app_id.clone();
    let verify = |token: &str| {
        let id = emulator.tenant_id();
        let metadata = document(&emulator, &format!("/{id}/v2.0/.well-known/openid-configuration"));
        let keys: JwkSet = serde_json::from_value(document(&emulator, metadata["jwks_uri"].as_str().unwrap())).unwrap();
        let kid = decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid)?).unwrap();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[&audience]);
        rules.set_issuer(&[metadata["issuer"].as_str().unwrap()]);
        Some(decode::<Value>(token, &key, &rules).unwrap().claims)
    };
    let ask = || access_token(&emulator, &format!("{audience}/.default"));
    let first = ask();
    assert_eq!(verify(&first).unwrap()["ver"], "2.0");
    emulator.rotate_signing_key();
    let second = ask();
    assert!(verify(&first).is_some() && verify(&second).is_some());
    emulator.replace_signing_key();
    assert!(verify(&first).is_none() && verify(&second).is_none());
    assert!(verify(&ask()).is_some());
}

#[test]
fn all_key_documents_list_the_same_keys() {
    let emulator = tenant(Emulator::builder());
    emulator.rotate_signing_key();
    let kids = |path: &str| {
        let keys = document(&emulator, path)["keys"].as_array().unwrap().clone();
        for key in &keys {
            assert_eq!(
                (&key["kty"], &key["use"], &key["e"]),
                (&json!("RSA"), &json!("sig"), &json!("AQAB"))
            );
            assert_eq!(
                (&key["kid"], &key["x5c"][0].as_str().unwrap()[..2]),
                (&key["x5t"], "MI")
            );
        }
        keys.iter().map(|key| key["kid"].clone()).collect::<Vec<_>>()
    };
    let id = emulator.tenant_id();
    let expected = kids("/common/discovery/keys");
    assert_eq!(expected.len(), 2);
    for path in [
        format!("/{id}/discovery/keys?appid=a"),
        "/common/discovery/v2.0/keys".to_owned(),
        format!("/{id}/discovery/v2.0/keys"),
    ] {
        assert_eq!(kids(&path), expected, "{path}");
    }
    let v2 = document(&emulator, "/common/discovery/v2.0/keys");
    assert_eq!(
        v2["keys"][0]["issuer"],
        "https://login.microsoftonline.com/{tenantid}/v2.0"
    );
    assert_eq!(v2["keys"][0]["cloud_instance_name"], "microsoftonline.com");
}

#[test]
fn instance_discovery_knows_its_clouds_and_itself() {
    let emulator = tenant(Emulator::builder());
    let ask = |authority: &str| {
        get(
            &emulator,
            &format!(
                "https://login.example:8443/common/discovery/instance?api-version=1.1&authorization_endpoint=https://{authority}/common/oauth2/v2.0/authorize"
            ),
        )
    };
    let own = json_body(&ask("login.example:8443"));
    assert_eq!(
        own["tenant_discovery_endpoint"],
        "https://login.example:8443/common/v2.0/.well-known/openid-configuration"
    );
    assert_eq!(own["api-version"], "1.1");
    let public = json_body(&ask("login.windows.net"));
    assert_eq!(public["metadata"][0]["preferred_network"], "login.microsoftonline.com");
    assert!(
        public["metadata"][0]["aliases"]
            .as_array()
            .unwrap()
            .contains(&json!("sts.windows.net"))
    );
    let odd = json_body(&ask("login.windows.net/%22%0Ab%3F%C3%BC"));
    assert_eq!(
        odd["tenant_discovery_endpoint"],
        "https://login.windows.net/%22%0Ab%3F%C3%BC/v2.0/.well-known/openid-configuration"
    );
    let unknown = ask("login.evil.example");
    assert_eq!(
        (unknown.status().as_u16(), &json_body(&unknown)["error"]),
        (400, &json!("invalid_instance"))
    );
}

#[test]
fn a_strange_host_never_reaches_a_document() {
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
fn paths_are_read_in_any_case() {
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

    // The issuer of personal accounts is known beforehand.
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
fn endpoints_that_are_not_emulated_say_so() {
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
        "metadata/identity/oauth2/token",
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

#[test]
fn documents_of_an_application_name_its_keys() {
    let emulator = tenant(Emulator::builder());
    let keys = |query: &str| {
        let url = format!("https://login.example/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration{query}");
        document(&emulator, &url)["jwks_uri"].as_str().unwrap().to_owned()
    };
    let app = format!("?appid={}", emulator.client_id());
    let own = keys(&app);
    assert_eq!(own, keys("") + &app);
    assert_eq!(get(&emulator, &own).body(), get(&emulator, &keys("")).body());
    assert_eq!(keys("?appid=%22%3E%0d%0ax"), keys(""));
}
