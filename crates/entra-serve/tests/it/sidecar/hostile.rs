//! Requests that try to get more than the settings allow.

use entra_serve::{AllowedResources, DownstreamApi, Endpoint, Identities, Identity, Sidecar};
use entra_transport_hyper::{Connector, HyperTransport};
use http::Request;

use super::headers::uuid;
use super::stage::{APP, ASSISTANT, GRAPH, Settings, Stage, application, everywhere, json, text};

#[tokio::test]
async fn hostile_overrides_are_rejected() {
    let stage = Stage::blueprint().await;
    let token = stage.user_token();
    let agent = stage.agent().to_owned();
    let path = |path: &str| {
        let path = percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC);
        format!("optionsOverride.RelativePath={path}")
    };
    for query in [
        path("https://evil.example/"),
        path("//evil.example/"),
        path("///evil.example/"),
        path("/\\evil.example"),
        path("http:evil.example"),
        path("../beta/me"),
        path("me/../../../admin"),
        path("%2e%2e/beta"),
        path("%252e%252e%252fbeta"),
        path("..;/beta"),
        path("me#x"),
        path("me\r\nx-injected: 1"),
        path("me\0"),
        "optionsOverride.RelativePath=a&optionsOverride.relativepath=b".into(),
        "optionsOverride.HttpMethod=CONNECT".into(),
        "optionsOverride.HttpMethod=TRACE".into(),
        "optionsOverride.HttpMethod=GET%20/%20HTTP/1.1%0d%0aHost:%20evil".into(),
        "optionsOverride.AcceptHeader=a%0d%0ax-injected:%201".into(),
        "optionsOverride.ContentType=a%0ax-injected:%201".into(),
        "optionsOverride.ExtraHeaderParameters.Authorization=Bearer%20mine".into(),
        "optionsOverride.ExtraHeaderParameters.authorization=Bearer%20mine".into(),
        "optionsOverride.ExtraHeaderParameters.Host=evil.example".into(),
        "optionsOverride.ExtraHeaderParameters.Cookie=a".into(),
        "optionsOverride.ExtraHeaderParameters.X-Forwarded-Host=evil.example".into(),
        "optionsOverride.ExtraHeaderParameters.X-MS-CLIENT-PRINCIPAL=a".into(),
        "optionsOverride.ExtraHeaderParameters.Transfer-Encoding=chunked".into(),
        "optionsOverride.ExtraHeaderParameters.Content-Length=0".into(),
        "optionsOverride.ExtraHeaderParameters.X%0d%0aY=a".into(),
        "optionsOverride.ExtraHeaderParameters.X=a%0d%0aY:%20b".into(),
        "optionsOverride.Scopes=https://vault.azure.net/.default".into(),
        "optionsOverride.Scopes=User.Read&optionsOverride.Scopes=https://vault.azure.net/user_impersonation".into(),
        "optionsOverride.Scopes=https://vault.azure.net/.default&optionsOverride.RequestAppToken=true".into(),
        "optionsOverride.Scopes=https://graph.microsoft.com.evil.example/.default".into(),
        "optionsOverride.RequestAppToken=perhaps".into(),
        "optionsOverride.AcquireTokenOptions.ForceRefresh=1".into(),
        "optionsOverride.AcquireTokenOptions.Claims=not-json".into(),
        "optionsOverride.AcquireTokenOptions.CorrelationId=1".into(),
        "optionsOverride.AcquireTokenOptions.Tenant=fabrikam.example".into(),
        "optionsOverride.AcquireTokenOptions.Tenant=a/b".into(),
        "optionsOverride.AcquireTokenOptions.PopPublicKey=abc".into(),
        "optionsOverride.AcquireTokenOptions.LongRunningWebApiSessionKey=abc".into(),
        "optionsOverride.AcquireTokenOptions.FmiPath=a".into(),
        format!(
            "optionsOverride.AcquireTokenOptions.ManagedIdentity.UserAssignedClientId={}",
            uuid(1)
        ),
        "optionsOverride.AcquireTokenOptions.ManagedIdentity.UserAssignedClientId=mine".into(),
        "AgentIdentity=not-a-guid".into(),
        format!("AgentIdentity={agent}&AgentIdentity={}", uuid(2)),
        format!("AgentIdentity={agent}&AgentUserId=not-a-guid"),
        format!("AgentIdentity={agent}&AgentUsername=no-name"),
        format!("AgentUsername={ASSISTANT}"),
        format!("AgentUserId={}", uuid(3)),
        format!("AgentIdentity={agent}&optionsOverride.AcquireTokenOptions.FmiPath={agent}"),
        "optionsOverride.Scopes=%ff".into(),
        "a&".repeat(33),
    ] {
        let uri = format!("/DownstreamApi/me?{query}");
        let response = stage.post(&uri, Some(&token)).await;
        let status = response.status().as_u16();
        assert!([400, 403].contains(&status), "{query}: {status} {}", text(&response));
        assert_eq!(json(&response)["status"], status);
        if query.starts_with("AgentUser") {
            assert!(text(&response).contains("need AgentIdentity"), "{}", text(&response));
        }
    }
    assert_eq!(stage.api.requests().len(), 0);
    assert_eq!(stage.emulator.token_requests().len(), 0);
}

#[tokio::test]
async fn base_url_is_never_overridden() {
    let stage = Stage::blueprint().await;
    for name in ["BaseUrl", "baseurl", "BASEURL"] {
        let uri = format!("/DownstreamApiUnauthenticated/graph?optionsOverride.{name}=https://evil.example");
        let response = stage.post(&uri, None).await;
        assert_eq!(response.status(), 200, "{}", text(&response));
    }
    assert_eq!(stage.api.requests().len(), 3);
    // An API without a base has none in requests either.
    let scopes = "optionsOverride.Scopes=https://graph.microsoft.com/.default";
    let uri = format!(
        "/DownstreamApiUnauthenticated/bare?{scopes}&optionsOverride.BaseUrl={}",
        stage.api.url
    );
    assert_eq!(stage.post(&uri, None).await.status(), 400);
    assert_eq!(stage.api.requests().len(), 3);
}

#[tokio::test]
async fn routes_without_callers_take_no_overrides() {
    let stage = Stage::new().await;
    let agent = uuid(9);
    for (query, status) in [
        (
            "optionsOverride.Scopes=https://vault.azure.net/.default".to_owned(),
            200,
        ),
        ("optionsOverride.RelativePath=admin".into(), 200),
        ("optionsOverride.HttpMethod=DELETE".into(), 200),
        ("optionsOverride.RelativePath=//evil.example".into(), 200),
        ("optionsOverride.ExtraHeaderParameters.X-A=b".into(), 200),
        // A token of another party than the one that the request names would mislead it.
        (format!("AgentIdentity={agent}"), 403),
        (format!("agentidentity={agent}&AgentUsername={ASSISTANT}"), 403),
        (format!("AgentUserId={}", uuid(1)), 403),
        (
            "optionsOverride.AcquireTokenOptions.Tenant=fabrikam.example".into(),
            403,
        ),
        (format!("optionsoverride.acquiretokenoptions.fmipath={agent}"), 403),
        (
            format!(
                "optionsOverride.AcquireTokenOptions.ManagedIdentity.UserAssignedClientId={}",
                uuid(1)
            ),
            403,
        ),
    ] {
        let response = stage
            .post(&format!("/DownstreamApiUnauthenticated/graph?{query}"), None)
            .await;
        assert_eq!(response.status(), status, "{query}: {}", text(&response));
        let uri = format!("/AuthorizationHeaderUnauthenticated/graph?{query}");
        if status == 200 {
            let claims = stage.claims(&uri, None).await;
            assert_eq!(
                (&claims["aud"], &claims["appid"]),
                (&GRAPH.into(), &APP.into()),
                "{query}"
            );
        } else {
            assert_eq!(stage.get(&uri, None).await.status(), status, "{query}");
        }
    }
    for request in stage.api.requests() {
        assert_eq!(request.line, "GET /v1.0/ HTTP/1.1");
        assert!(!request.headers.contains_key("x-a"));
    }
}

#[tokio::test]
async fn each_route_has_its_own_switch() {
    for switched in 0..4 {
        let mut overrides = everywhere();
        match switched {
            0 => overrides.get_authorization_header = false,
            1 => overrides.get_authorization_header_unauthenticated = false,
            2 => overrides.call_downstream_api = false,
            _ => overrides.call_downstream_api_unauthenticated = false,
        }
        let stage = Stage::with(Settings {
            overrides,
            is_blueprint: true,
            ..Settings::default()
        })
        .await;
        let token = stage.user_token();
        let agent = stage.agent();
        for (n, route) in [
            "AuthorizationHeader",
            "AuthorizationHeaderUnauthenticated",
            "DownstreamApi",
            "DownstreamApiUnauthenticated",
        ]
        .iter()
        .enumerate()
        {
            let uri = format!("/{route}/graph?AgentIdentity={agent}");
            let response = match n < 2 {
                true => stage.get(&uri, Some(&token)).await,
                false => stage.post(&uri, Some(&token)).await,
            };
            let expected = if n == switched { 403 } else { 200 };
            assert_eq!(response.status(), expected, "{switched}: {route}: {}", text(&response));
        }
    }
}

#[tokio::test]
async fn other_paths_and_methods_get_nothing() {
    let stage = Stage::blueprint().await;
    for path in [
        "/",
        "/health",
        "/healthz/x",
        "//healthz",
        "/AuthorizationHeader",
        "/AuthorizationHeader/",
        "/AuthorizationHeader//",
        "/AuthorizationHeader/a/b",
        "/AuthorizationHeader/%ff",
        "/AuthorizationHeaders/graph",
        "/Validate/x",
        "/openapi/v2.json",
    ] {
        assert_eq!(stage.get(path, None).await.status(), 404, "{path}");
    }
    for (method, uri, allow) in [
        ("POST", "/AuthorizationHeaderUnauthenticated/graph", "GET"),
        ("HEAD", "/Validate", "GET"),
        ("OPTIONS", "/AuthorizationHeader/graph", "GET"),
        ("GET", "/DownstreamApi/graph", "POST"),
        ("PUT", "/DownstreamApiUnauthenticated/graph", "POST"),
        ("DELETE", "/healthz", "GET"),
    ] {
        let response = stage.send(Request::builder().method(method).uri(uri), "").await;
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["allow"].to_str().unwrap()
            ),
            (405, allow)
        );
    }
    assert_eq!(stage.emulator.token_requests().len(), 0);
}

#[tokio::test]
async fn settings_are_checked_when_they_are_made() {
    let api = || DownstreamApi::new("a");
    for error in [
        api().with_base_url("http://graph.microsoft.com").unwrap_err(),
        api().with_base_url("https://a.example/?b").unwrap_err(),
        api().with_relative_path("../a").unwrap_err(),
        api().with_http_method("TRACE").unwrap_err(),
        api().with_scopes([""; 0]).unwrap_err(),
        api()
            .with_scopes(["a,b.c"])
            .map_or_else(|error| error, |_| api().with_scopes([""]).unwrap_err()),
        api().with_accept_header("a\r\nb").unwrap_err(),
        api().with_content_type("a\nb").unwrap_err(),
        api().with_extra_header("Authorization", "a").unwrap_err(),
        api().with_extra_header("a b", "a").unwrap_err(),
    ] {
        assert!(error.to_string().contains("the API \"a\""), "{error}");
    }
    let secret = api().with_extra_header("x-functions-key", "s3cret").unwrap();
    let secret = secret.with_extra_query("code", "s3cret");
    assert!(!format!("{secret:?}").contains("s3cret"));

    let connector = Connector::new(&HyperTransport::builder().settings().unwrap()).unwrap();
    let sidecar = || Sidecar::new(connector.clone());
    assert!(sidecar().with_api(api()).unwrap().with_api(api()).is_err());
    let stage = Stage::new().await;
    let client = |identity: &str| {
        let transport = HyperTransport::builder().allow_plain_loopback(true).build().unwrap();
        Identity::new(
            identity,
            entra_client::Client::new(application(&stage.emulator), transport),
        )
    };
    let check = |api: DownstreamApi| {
        let resources = AllowedResources::new([GRAPH]).unwrap();
        let endpoint = Endpoint::builder(Identities::new(client("app")), resources);
        endpoint
            .sidecar(sidecar().with_api(api).unwrap())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(check(api()), Ok(()));
    assert_eq!(check(api().with_scopes(["User.Read"]).unwrap()), Ok(()));
    assert_eq!(check(api().with_identity("app")), Ok(()));
    let vault = check(api().with_scopes(["https://vault.azure.net/.default"]).unwrap());
    assert!(vault.unwrap_err().contains("not among the allowed resources"));
    assert!(
        check(api().with_identity("other"))
            .unwrap_err()
            .contains("does not exist")
    );
    let unknown = check(api().with_managed_identity(uuid(1).parse().unwrap()));
    assert!(unknown.unwrap_err().contains("does not exist"));
}
