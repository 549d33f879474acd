//! The metadata and JWKS documents that are accepted.

use entra_proto::{Cloud as Named, EndpointVersion};
use entra_validate::{Api, Fetch, FetchStep, KeySet, MAX_KEYS, Metadata, Tenants};
use serde_json::{Value, json};

use crate::support::*;

fn read(api: &Api, document: &Value) -> Result<Metadata, String> {
    Metadata::read(api, EndpointVersion::V2, document.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn document(issuer: &str, jwks_uri: &str) -> Value {
    json!({"issuer": issuer, "jwks_uri": jwks_uri, "cloud_instance_name": "microsoftonline.com"})
}

const ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const JWKS: &str = "https://login.microsoftonline.com/common/discovery/v2.0/keys";

#[test]
fn issuer_in_the_metadata_must_be_that_of_the_cloud() {
    let own = ISSUER.replace("{tenantid}", TENANT);
    let any = api_for(Tenants::Any);
    assert!(read(&any, &document(ISSUER, JWKS)).is_ok());
    assert!(read(&api(), &document(&own, JWKS)).is_ok());
    assert!(read(&api(), &document(ISSUER, JWKS)).is_ok());
    assert!(read(&any, &document(&own, JWKS)).is_err());
    for issuer in [
        ISSUER.replace("{tenantid}", OTHER_TENANT),
        "https://sts.windows.net/{tenantid}/".to_owned(),
        "https://evil.example/{tenantid}/v2.0".to_owned(),
        format!("{own}/"),
        format!("{ISSUER}?{TENANT}"),
        String::new(),
    ] {
        for api in [&any, &api()] {
            assert!(read(api, &document(&issuer, JWKS)).is_err(), "{issuer}");
        }
    }
}

#[test]
fn keys_come_from_the_same_cloud_over_https() {
    for uri in [
        JWKS,
        "https://login.windows.net/common/discovery/keys",
        "https://login.microsoftonline.com:443/x?appid=y",
    ] {
        assert_eq!(
            read(&api(), &document(ISSUER, uri)).unwrap().jwks_uri().to_string(),
            uri
        );
    }
    for uri in [
        "",
        "/common/discovery/v2.0/keys",
        "http://login.microsoftonline.com/keys",
        "https://evil.example/keys",
        "https://login.microsoftonline.com.evil.example/keys",
        "https://login.microsoftonline.com@evil.example/keys",
        "https://evil@login.microsoftonline.com/keys",
        "https://login.microsoftonline.com:8443/keys",
        "https://login.microsoftonline.us/keys",
        "https://169.254.169.254/metadata",
        "http://127.0.0.1/keys",
        "https://127.0.0.1/keys",
        "file:///etc/passwd",
        "https:///keys",
        "https://contoso.ciamlogin.com/keys",
    ] {
        assert!(read(&api(), &document(ISSUER, uri)).is_err(), "{uri}");
    }
}

#[test]
fn external_tenant_has_hosts_by_name_and_by_id() {
    let api = api()
        .with_cloud(Named::at("https://contoso.ciamlogin.com").unwrap())
        .unwrap();
    let issuer = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
    for uri in [
        format!("https://{TENANT}.ciamlogin.com/{TENANT}/discovery/v2.0/keys"),
        format!("https://contoso.ciamlogin.com/{TENANT}/discovery/v2.0/keys"),
    ] {
        assert!(read(&api, &document(&issuer, &uri)).is_ok(), "{uri}");
    }
    for uri in [
        "https://a.b.ciamlogin.com/keys",
        "https://ciamlogin.com/keys",
        "https://.ciamlogin.com/keys",
        "https://evilciamlogin.com/keys",
        "http://contoso.ciamlogin.com/keys",
        "https://contoso.ciamlogin.com:8443/keys",
        "https://login.microsoftonline.com/keys",
        "https://contoso.ciamlogin.com.evil.example/keys",
    ] {
        assert!(read(&api, &document(&issuer, uri)).is_err(), "{uri}");
    }
    assert!(read(&api, &document("https://contoso.ciamlogin.com/v2.0", JWKS)).is_err());
}

#[test]
fn external_tenant_token_names_its_own_issuer() {
    let api = api()
        .with_cloud(Named::at("https://contoso.ciamlogin.com").unwrap())
        .unwrap();
    let issuer = format!("https://{TENANT}.ciamlogin.com/{TENANT}/v2.0");
    let cloud = Cloud::new();
    cloud.metadata("issuer", issuer.as_str());
    cloud.metadata(
        "jwks_uri",
        format!("https://{TENANT}.ciamlogin.com/{TENANT}/discovery/v2.0/keys"),
    );
    let token = daemon().with("iss", issuer.as_str()).sign();
    let mut jwk = KEYS[0].jwk();
    // The exact issuer of the service is not documented.
    for of_key in [
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://contoso.ciamlogin.com/{tenantid}/v2.0",
        "https://{tenantid}.ciamlogin.com/{tenantid}/v2.0",
        &issuer,
    ] {
        jwk["issuer"] = json!(of_key);
        cloud.publish([jwk.clone()]);
        validate_at(&api, &cloud, &token, NOW).unwrap();
    }
    for of_key in [
        format!("https://login.microsoftonline.com/{OTHER_TENANT}/v2.0"),
        format!("https://{OTHER_TENANT}.ciamlogin.com/{OTHER_TENANT}/v2.0"),
    ] {
        jwk["issuer"] = json!(of_key);
        cloud.publish([jwk.clone()]);
        let rejection = validate_at(&api, &cloud, &token, NOW);
        assert_eq!(rejection, Err(entra_validate::Rejection::KeyIssuer), "{of_key}");
    }
    jwk["issuer"] = json!(issuer);
    cloud.publish([jwk]);
    for other in [
        format!("https://contoso.ciamlogin.com/{TENANT}/v2.0"),
        format!("https://{OTHER_TENANT}.ciamlogin.com/{TENANT}/v2.0"),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0"),
    ] {
        let rejection = validate_at(&api, &cloud, &daemon().with("iss", other.as_str()).sign(), NOW);
        assert_eq!(rejection, Err(entra_validate::Rejection::Issuer), "{other}");
    }
    let v1 = validate_at(&api, &cloud, &daemon_v1().sign(), NOW);
    assert_eq!(v1, Err(entra_validate::Rejection::Version));
}

#[test]
fn cloud_on_this_machine_may_use_plain_http_there() {
    let api = api()
        .with_cloud(Named::loopback("http://127.0.0.1:8500").unwrap())
        .unwrap();
    let issuer = ISSUER.replace("{tenantid}", TENANT);
    assert!(
        read(
            &api,
            &document(&issuer, "http://127.0.0.1:8500/common/discovery/v2.0/keys")
        )
        .is_ok()
    );
    for uri in [
        "http://127.0.0.1:8501/keys",
        "http://evil.example:8500/keys",
        "https://127.0.0.1:8500/keys",
        JWKS,
    ] {
        assert!(read(&api, &document(&issuer, uri)).is_err(), "{uri}");
    }
}

#[test]
fn other_documents_than_metadata_are_errors() {
    for bytes in [
        &b""[..],
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b"{\"issuer\":1,\"jwks_uri\":2}",
        b"\xff\xfe",
    ] {
        assert!(Metadata::read(&api(), EndpointVersion::V2, bytes).is_err());
    }
    let mut long = document(ISSUER, JWKS);
    long["padding"] = json!("x".repeat(300 * 1024));
    assert!(read(&api(), &long).unwrap_err().contains("longer"));
}

fn keys(keys: &[Value]) -> Result<Vec<String>, String> {
    let metadata = read(&api(), &document(ISSUER, JWKS)).unwrap();
    let read = KeySet::read(&metadata, json!({ "keys": keys }).to_string().as_bytes());
    read.map(|keys| keys.kids().map(str::to_owned).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn only_keys_that_sign_tokens_are_read() {
    let good = KEYS[0].jwk();
    let changed = |name: &str, value: Value| {
        let mut jwk = KEYS[1].jwk();
        jwk[name] = value;
        jwk
    };
    let short_key = "xyz".repeat(100);
    for bad in [
        changed("kty", json!("EC")),
        changed("kty", json!("rsa")),
        changed("use", json!("enc")),
        changed("alg", json!("RS512")),
        changed("alg", json!("HS256")),
        changed("kid", json!("")),
        changed("kid", json!(null)),
        changed("kid", json!(1)),
        changed("n", json!("")),
        changed("n", json!("AQAB")),
        changed("n", json!("!")),
        changed("n", json!(short_key)),
        changed("n", json!("x".repeat(2000))),
        changed("e", json!("")),
        changed("e", json!("AQ")),
        changed("e", json!("Aw")),
        changed("e", json!("AAAA")),
        changed("e", json!("AQAA")),
        changed("e", json!("_____________w")),
        json!(null),
        json!("key"),
        json!({}),
        json!([]),
    ] {
        assert_eq!(
            keys(&[bad.clone(), good.clone()]),
            Ok(vec!["first".to_owned()]),
            "{bad}"
        );
        assert!(keys(std::slice::from_ref(&bad)).is_err(), "{bad}");
    }
    for fine in [
        changed("use", json!(null)),
        changed("alg", json!("RS256")),
        changed("issuer", json!(null)),
        changed("x5c", json!(["garbage"])),
        changed("key_ops", json!(["verify"])),
    ] {
        assert_eq!(
            keys(std::slice::from_ref(&fine)),
            Ok(vec!["second".to_owned()]),
            "{fine}"
        );
    }
}

#[test]
fn leading_zero_of_a_modulus_is_ignored() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut jwk = KEYS[0].jwk();
    let mut modulus = vec![0];
    modulus.extend(URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap());
    jwk["n"] = json!(URL_SAFE_NO_PAD.encode(modulus) + "=");
    let cloud = Cloud::new();
    cloud.publish([jwk]);
    validate_at(&api(), &cloud, &daemon().sign(), NOW).unwrap();
}

#[test]
fn jwks_documents_are_bounded() {
    let many: Vec<Value> = (0..=MAX_KEYS)
        .map(|at| json!({"kid": at.to_string()}))
        .chain([KEYS[0].jwk()])
        .collect();
    assert!(keys(&many).unwrap_err().contains("more than"));
    assert!(
        keys(&[json!("x".repeat(600 * 1024)), KEYS[0].jwk()])
            .unwrap_err()
            .contains("longer")
    );
    assert!(keys(&[]).is_err());
}

#[test]
fn pinned_keys_need_a_named_cloud() {
    let document = json!({"keys": [KEYS[0].jwk()]}).to_string();
    let pinned = KeySet::pinned(&api(), EndpointVersion::V2, document.as_bytes()).unwrap();
    assert!(api().report(&daemon().sign(), &pinned, now()).is_valid());
    assert!(KeySet::pinned(&api(), EndpointVersion::V2, b"{}").is_err());
    let emulator = api()
        .with_cloud(Named::loopback("http://127.0.0.1:8500").unwrap())
        .unwrap();
    assert!(KeySet::pinned(&emulator, EndpointVersion::V2, document.as_bytes()).is_err());
}

#[test]
fn response_other_than_200_ends_a_fetch() {
    for (status, retry_after) in [(429, Some("120")), (503, None), (302, None), (404, None), (204, None)] {
        let cloud = Cloud::new();
        cloud.fail(status, retry_after);
        let fetch = Fetch::new(&api(), EndpointVersion::V2);
        let response = cloud.respond(&fetch.request());
        let FetchStep::Done(done) = fetch.respond(&response, now()) else {
            panic!("it goes on after {status}")
        };
        let error = done.error().unwrap();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(
            error.retry_after().map(|pause| pause.as_secs()),
            retry_after.map(|text| text.parse().unwrap())
        );
    }
}

#[test]
fn issuer_of_an_unnamed_cloud_has_the_tenant_in_it() {
    let local = || Named::loopback("http://127.0.0.1:8500").unwrap();
    let keys = "http://127.0.0.1:8500/keys";
    for (api, good) in [
        (api(), format!("http://127.0.0.1:8500/{TENANT}/v2.0")),
        (
            api_for(Tenants::Any),
            "http://127.0.0.1:8500/{tenantid}/v2.0".to_owned(),
        ),
    ] {
        let api = api.with_cloud(local()).unwrap();
        assert!(read(&api, &document(&good, keys)).is_ok(), "{good}");
        for other in [
            format!("http://127.0.0.1:8500/{OTHER_TENANT}/v2.0"),
            "http://127.0.0.1:8500/v2.0".to_owned(),
        ] {
            assert!(read(&api, &document(&other, keys)).is_err(), "{other}");
        }
    }
}
