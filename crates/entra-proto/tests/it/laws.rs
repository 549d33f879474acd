//! Properties of requests, responses and parsers, for any input.

use std::collections::HashMap;

use entra_proto::claims::ClaimsRequest;
use entra_proto::report::Report;
use entra_proto::strategies::{
    client_secret, endpoint_version, error_response, hostile_response, hostile_text, resource, target, tenant,
    token_response,
};
use entra_proto::{
    Application, Authority, ClientSecret, Cloud, EndpointVersion, Guid, Resource, Scope, Scopes, Target, Tenant,
    Timestamp, TokenRequest, TokenResponse,
};
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

fn application(version: EndpointVersion, secret: &str) -> Application {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    Application::new(
        authority,
        Guid::from_bytes([0xaa; 16]).into(),
        ClientSecret::new(secret).unwrap(),
    )
    .with_endpoint_version(version)
}

/// Parses the body with an independent parser.
fn form(request: &TokenRequest) -> HashMap<String, String> {
    let http = request.encode(Guid::from_bytes([7; 16]));
    let pairs: Vec<_> = form_urlencoded::parse(http.body().as_bytes()).into_owned().collect();
    let count = pairs.len();
    let map: HashMap<_, _> = pairs.into_iter().collect();
    assert_eq!(map.len(), count, "duplicate parameter");
    map
}

proptest! {
    #[test]
    fn resource_round_trips_through_its_scope(resource in resource()) {
        let scope = Scope::default_for(&resource);
        prop_assert_eq!(scope.resource(), Some(resource.as_str()));
        prop_assert_eq!(&scope.as_str().parse::<Scope>().unwrap(), &scope);
        let target = Target::from(scope);
        prop_assert_eq!(target.audience().unwrap(), resource.as_str());
    }

    #[test]
    fn v1_sends_resource_and_v2_sends_scope(target in target(), version in endpoint_version()) {
        let Ok(request) = application(version, "s").client_credentials(target.clone()) else { return Ok(()) };
        let form = form(&request);
        prop_assert_eq!(form.contains_key("resource"), version == EndpointVersion::V1);
        prop_assert_eq!(form.contains_key("scope"), version == EndpointVersion::V2);
        let sent = if version == EndpointVersion::V1 { form["resource"].clone() } else { form["scope"].clone() };
        match (&target, version) {
            (Target::Resource(resource), EndpointVersion::V1) => prop_assert_eq!(sent, resource.as_str()),
            (Target::Resource(resource), EndpointVersion::V2) => prop_assert_eq!(sent, format!("{resource}/.default")),
            (Target::Scopes(_), EndpointVersion::V1) => prop_assert_eq!(sent, target.audience().unwrap()),
            (Target::Scopes(scopes), EndpointVersion::V2) => prop_assert_eq!(sent, scopes.as_str()),
        }
    }

    #[test]
    fn encoded_form_is_read_back_by_another_parser(secret in client_secret(), resource in resource(), version in endpoint_version()) {
        let app = application(version, secret.expose()).with_capabilities(&["cp1"]);
        let request = app.client_credentials(resource).unwrap();
        let form = form(&request);
        prop_assert_eq!(&form["client_secret"], secret.expose());
        prop_assert_eq!(&form["client_id"], "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
        prop_assert_eq!(&form["grant_type"], "client_credentials");
        prop_assert_eq!(&form["claims"], r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        let (once, again) = (request.encode(Guid::from_bytes([7; 16])), request.encode(Guid::from_bytes([7; 16])));
        prop_assert_eq!(once.body().as_bytes(), again.body().as_bytes());
        prop_assert_eq!(once.headers(), again.headers());
    }

    #[test]
    fn hostile_responses_are_decoded_or_rejected(response in hostile_response(), now in any::<u64>()) {
        let body = response.body().as_bytes();
        let decoded = TokenResponse::decode(response.status(), response.headers(), body, Timestamp::from_secs(now));
        match decoded {
            Ok(token) => prop_assert!(response.status().is_success() && !token.access_token.expose().is_empty()),
            Err(error) => drop((error.to_string(), error.is_retryable(), error.retry_after())),
        }
    }

    #[test]
    fn token_responses_are_decoded(response in token_response()) {
        let body = response.body().as_bytes();
        let token = TokenResponse::decode(response.status(), response.headers(), body, Timestamp::from_secs(1)).unwrap();
        prop_assert!(token.lifetime.expires_at > token.lifetime.received_at);
    }

    #[test]
    fn error_responses_are_service_errors(response in error_response()) {
        let body = response.body().as_bytes();
        let error = TokenResponse::decode(response.status(), response.headers(), body, Timestamp::from_secs(1)).unwrap_err();
        prop_assert!(error.service().is_some(), "{}", error);
    }

    #[test]
    fn authority_of_any_tenant_round_trips(tenant in tenant()) {
        let authority = Authority::new(Cloud::Public, tenant).unwrap();
        prop_assert_eq!(authority.to_string().parse::<Authority>().unwrap(), authority);
    }

    #[test]
    fn no_member_of_a_response_makes_the_decoder_panic(
        status in prop_oneof![Just(200u16), Just(400), Just(500)],
        name in "access_token|token_type|expires_in|expires_on|refresh_in|error|error_codes|error_description|claims|scope",
        value in prop_oneof!["[\\[\\]{}\",:0-9eE+.\\-a-z]{0,20}", "-?[0-9]{1,400}", "[0-9]{1,5}e[0-9]{1,4}", "\"\\PC{0,20}\""],
    ) {
        let body = format!(r#"{{"access_token_":"t","{name}":{value}}}"#);
        let decoded = TokenResponse::decode(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), Timestamp::from_secs(1));
        if let Err(error) = decoded {
            let _ = (error.to_string(), error.is_retryable(), error.retry_after());
        }
    }

    #[test]
    fn accepted_token_is_a_valid_header(token in "\\PC{0,20}|[\u{0}-\u{ff}]{0,20}") {
        let body = serde_json::json!({ "access_token": token, "expires_in": 1 }).to_string();
        let decoded = TokenResponse::decode(StatusCode::OK, &HeaderMap::new(), body.as_bytes(), Timestamp::from_secs(1));
        let sound = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        prop_assert_eq!(decoded.is_ok(), sound);
        if let Ok(decoded) = decoded {
            let header = decoded.access_token.authorization();
            prop_assert_eq!(header.to_str().unwrap(), format!("Bearer {token}"));
            prop_assert!(header.is_sensitive());
        }
    }

    #[test]
    fn keys_are_equal_if_and_only_if_the_tokens_are(
        (one, other) in (target(), target()),
        (first, second) in (endpoint_version(), endpoint_version()),
    ) {
        let request = |target: &Target, version| application(version, "s").client_credentials(target.clone());
        let (Ok(a), Ok(b)) = (request(&one, first), request(&other, second)) else { return Ok(()) };
        let wire = |request: &TokenRequest, version| {
            let mut form = form(request);
            if let Some(scope) = form.get_mut("scope") {
                let mut scopes: Vec<&str> = scope.split(' ').collect();
                scopes.sort_unstable();
                scopes.dedup();
                *scope = scopes.join(" ");
            }
            (version, form)
        };
        prop_assert_eq!(a.cache_key() == b.cache_key(), wire(&a, first) == wire(&b, second));
    }

    #[test]
    fn tenant_never_changes_the_rest_of_a_url(text in prop_oneof![hostile_text(), "[a-z./@%?#:\\\\ ]{0,20}"]) {
        let Ok(tenant) = text.parse::<Tenant>() else { return Ok(()) };
        let authority = Authority::new(Cloud::Public, tenant.clone()).unwrap();
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            let uri = authority.token_endpoint(version);
            prop_assert_eq!(uri.host(), Some("login.microsoftonline.com"));
            prop_assert_eq!(uri.path().split('/').nth(1).unwrap(), tenant.to_string());
            prop_assert_eq!(uri.query(), None);
        }
    }

    #[test]
    fn parsing_never_panics(text in hostile_text()) {
        let _ = (text.parse::<Authority>(), text.parse::<Cloud>(), Cloud::loopback(&text), Cloud::from_setting(&text), text.parse::<Guid>());
        let _ = (text.parse::<Scope>(), text.parse::<Scopes>(), text.parse::<Resource>(), ClaimsRequest::parse(&text));
    }
}

#[test]
fn key_depends_on_everything_that_changes_the_token() {
    let base = application(EndpointVersion::V2, "s");
    let request = |app: &Application, target: &str| app.client_credentials(Target::scopes(target).unwrap()).unwrap();
    let graph = "https://graph.microsoft.com/.default openid";
    let one = request(&base, graph);
    let others = [
        request(&base, "https://graph.microsoft.com//.default openid"),
        request(&base.clone().with_endpoint_version(EndpointVersion::V1), graph),
        request(&base.clone().with_capabilities(&["cp1"]), graph),
        request(
            &base
                .clone()
                .with_authority("https://login.microsoftonline.com/fabrikam.com".parse().unwrap()),
            graph,
        ),
        request(
            &base
                .clone()
                .with_authority("https://login.microsoftonline.us/contoso.com".parse().unwrap()),
            graph,
        ),
        one.clone().with_claims(r#"{"access_token":{"nbf":null}}"#).unwrap(),
        one.clone()
            .with_claims(r#"{"access_token":{"nbf":{"essential":true}}}"#)
            .unwrap(),
    ];
    let mut keys: Vec<_> = others.iter().chain([&one]).map(TokenRequest::cache_key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), others.len() + 1);

    let same = [
        request(&base, "openid  https://graph.microsoft.com/.default openid"),
        request(&application(EndpointVersion::V2, "another secret"), graph),
    ];
    assert!(same.iter().all(|request| request.cache_key() == one.cache_key()));
    let claims = |text: &str| one.clone().with_claims(text).unwrap().cache_key();
    assert_eq!(claims(r#"{"a":{},"b":null}"#), claims(r#"{ "b": null, "a": {} }"#));
}

#[test]
fn hostile_tenants_are_rejected() {
    let hostile = [
        "",
        " ",
        ".",
        "..",
        "../",
        "../..",
        "../contoso.com",
        "contoso.com/..",
        "contoso.com/../fabrikam.com",
        "/contoso.com",
        "contoso.com/",
        "//evil.test",
        "\\evil.test",
        "@evil.test",
        "contoso.com@evil.test",
        "user:pass@contoso.com",
        "contoso.com:443",
        "contoso.com?x=1",
        "contoso.com#x",
        "contoso.com&x",
        "contoso.com;x",
        "contoso%2ecom",
        "%2f",
        "%2F..",
        "contoso.com%2f..",
        "contoso.com%00",
        "contoso.com\0",
        "contoso.com\r\nHost: evil.test",
        "contoso.com\u{0}",
        "con toso.com",
        "contoso.com\nfabrikam.com",
        "{contoso.com}",
        "contoso..com",
        ".contoso.com",
        "contoso.com.",
        "-contoso.com",
        "contoso-.com",
        "c\u{f6}ntoso.com",
        "contoso\u{2024}com",
        "\u{202e}moc.osotnoc",
        "contoso",
        "tenant",
        "{tenant}",
        "{tenantid}",
        "<tenant-id>",
        "Enter_the_Tenant_Id_Here",
        "common/",
        "common\u{0}",
        "commons",
        "11111111-2222-3333-4444-55555555555",
        "{11111111-2222-3333-4444-555555555555",
        "11111111-2222-3333-4444-555555555555}",
        "https://contoso.com",
        "*.contoso.com",
        "1.2.3.4",
        "v2.0",
    ];
    assert!(hostile.len() >= 40);
    for text in hostile {
        assert!(text.parse::<Tenant>().is_err(), "{text:?}");
    }
    let long = format!("{}.com", "a.".repeat(130));
    assert!(long.parse::<Tenant>().is_err());
}

#[test]
fn daemon_requires_a_specific_tenant() {
    for tenant in ["common", "organizations", "consumers"] {
        let authority: Authority = format!("https://login.microsoftonline.com/{tenant}").parse().unwrap();
        let app = application(EndpointVersion::V2, "s").with_authority(authority);
        let error = format!(
            "{:#}",
            Report::from(
                app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
                    .unwrap_err()
            )
        );
        assert!(
            error.contains(tenant) && error.contains("contoso.onmicrosoft.com"),
            "{error}"
        );
    }
}
