//! The routes without a call of an API: headers, claims, health and the description.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_emulator::Defect;
use http::Request;
use serde_json::{Value, json};

use super::stage::{ALEX, APP, ASSISTANT, EXCHANGE, GRAPH, Settings, Stage, caller, everywhere, json, text};

#[tokio::test]
async fn bodies_are_those_of_the_container() {
    let stage = Stage::new().await;
    let token = stage.user_token();

    let response = stage.get("/healthz", None).await;
    assert_eq!((response.status().as_u16(), text(&response)), (200, "Healthy"));
    assert_eq!(response.headers()["content-type"], "text/plain");

    let response = stage.get("/AuthorizationHeaderUnauthenticated/graph", None).await;
    assert_eq!(response.status(), 200, "{}", text(&response));
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    assert_eq!(
        response.headers()["cache-control"],
        "no-cache, no-store, must-revalidate"
    );
    assert_eq!(response.headers()["pragma"], "no-cache");
    assert_eq!(response.headers()["expires"], "0");
    let header = json(&response)["authorizationHeader"].as_str().unwrap().to_owned();
    assert_eq!(text(&response), format!(r#"{{"authorizationHeader":"{header}"}}"#));

    let response = stage.get("/Validate", Some(&token)).await;
    let payload = token.split('.').nth(1).unwrap();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(
        text(&response),
        format!(r#"{{"protocol":"Bearer","token":"{token}","claims":{claims}}}"#)
    );
    assert_eq!(json(&response)["claims"]["scp"], "Work");

    let response = stage.get("/AuthorizationHeader/bare", Some(&token)).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let detail = "No scopes found for the API 'bare': add scopes to its settings, or send optionsOverride.Scopes";
    assert_eq!(
        text(&response),
        format!(
            r#"{{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"Bad Request","status":400,"detail":"{detail}"}}"#
        )
    );

    let response = stage.get("/openapi/v1.json", None).await;
    let document = json(&response);
    for path in [
        "/healthz",
        "/Validate",
        "/AuthorizationHeader/{apiName}",
        "/AuthorizationHeaderUnauthenticated/{apiName}",
        "/DownstreamApi/{apiName}",
        "/DownstreamApiUnauthenticated/{apiName}",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

/// Checks the token in the response to each request.
async fn check(stage: &Stage, rows: &[(String, Option<&str>, Value)]) {
    for (uri, token, expected) in rows {
        let claims = stage.claims(uri, *token).await;
        let aud = claims["aud"].as_str().unwrap();
        assert!(
            [GRAPH, "00000003-0000-0000-c000-000000000000"].contains(&aud),
            "{uri}: {aud}"
        );
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(claims[name], *value, "{uri}: {name} of {claims}");
        }
    }
}

/// Returns the claims of a user's token.
fn user(client: &str, oid: &str) -> Value {
    json!({ "appid": client, "oid": oid, "scp": "User.Read" })
}

/// Returns the claims of an application's own token.
fn app(client: &str) -> Value {
    json!({ "appid": client, "scp": null, "roles": ["User.Read.All"] })
}

#[tokio::test]
async fn tokens_are_those_of_the_caller_or_the_application() {
    let stage = Stage::with(Settings {
        overrides: everywhere(),
        ..Settings::default()
    })
    .await;
    let token = stage.user_token();
    let token = Some(&*token);
    let alex = stage.emulator.tenants()[0].users.as_ref().unwrap()[0].id.clone();
    let scopes = "optionsOverride.Scopes=https://graph.microsoft.com/.default";
    let rows = [
        ("/AuthorizationHeader/me".to_owned(), token, user(APP, &alex)),
        ("/authorizationheader/me/".to_owned(), token, user(APP, &alex)),
        ("/AuthorizationHeader/graph".to_owned(), token, app(APP)),
        ("/AuthorizationHeaderUnauthenticated/graph".to_owned(), None, app(APP)),
        // The token of a caller changes nothing where none is required.
        ("/AuthorizationHeaderUnauthenticated/graph".to_owned(), token, app(APP)),
        (
            format!("/AuthorizationHeader/me?optionsOverride.RequestAppToken=true&{scopes}"),
            token,
            app(APP),
        ),
        // A request cannot take the settings' choice back.
        (
            "/AuthorizationHeader/graph?optionsOverride.RequestAppToken=false".to_owned(),
            token,
            app(APP),
        ),
        // An API without settings: the request has all of them.
        (
            format!("/AuthorizationHeaderUnauthenticated/any?{scopes}"),
            None,
            app(APP),
        ),
    ];
    check(&stage, &rows).await;
    let requests = stage.emulator.token_requests();
    assert_eq!(requests.len(), 2, "one for the user, one for the application");
}

#[tokio::test]
async fn tokens_are_those_of_the_agent_or_its_users() {
    let stage = Stage::blueprint().await;
    let token = stage.user_token();
    let token = Some(&*token);
    let agent = stage.agent().to_owned();
    let users = stage.emulator.tenants()[0].users.clone().unwrap();
    let (alex, assistant) = (users[0].id.clone(), users[1].id.clone());
    let rows = [
        (
            format!("/AuthorizationHeaderUnauthenticated/graph?AgentIdentity={agent}"),
            None,
            app(&agent),
        ),
        (
            format!("/AuthorizationHeader/graph?agentidentity={agent}"),
            token,
            app(&agent),
        ),
        (
            format!("/AuthorizationHeader/me?AgentIdentity={agent}"),
            token,
            user(&agent, &alex),
        ),
        (
            format!("/AuthorizationHeaderUnauthenticated/me?AgentIdentity={agent}&AgentUsername={ASSISTANT}"),
            None,
            user(&agent, &assistant),
        ),
        (
            format!("/AuthorizationHeader/me?AgentIdentity={agent}&AgentUserId={assistant}"),
            token,
            user(&agent, &assistant),
        ),
        // The name counts, as in the container.
        (
            format!("/AuthorizationHeader/me?AgentIdentity={agent}&AgentUsername={ASSISTANT}&AgentUserId={alex}"),
            token,
            user(&agent, &assistant),
        ),
    ];
    check(&stage, &rows).await;
    // The blueprint itself has no users.
    let response = stage.get("/AuthorizationHeader/me", token).await;
    assert_eq!(response.status(), 401);
    assert!(text(&response).contains("AADSTS82002"), "{}", text(&response));
}

#[tokio::test]
async fn path_of_an_identity_is_in_the_exchange_token() {
    let stage = Stage::blueprint().await;
    let agent = stage.agent().to_owned();
    let uri = format!(
        "/AuthorizationHeaderUnauthenticated/blueprint?optionsOverride.Scopes={EXCHANGE}/.default\
         &optionsOverride.AcquireTokenOptions.FmiPath={agent}"
    );
    let claims = stage.claims(&uri, None).await;
    assert!(claims["sub"].as_str().unwrap().contains(&agent), "{claims}");
    let requests = stage.emulator.token_requests();
    assert_eq!(requests[0].form_value("fmi_path"), Some(&*agent));
}

#[tokio::test]
async fn options_of_the_token_reach_the_service() {
    let stage = Stage::blueprint().await;
    let uri = "/AuthorizationHeaderUnauthenticated/graph";
    stage.claims(uri, None).await;
    stage.claims(uri, None).await;
    assert_eq!(stage.emulator.token_requests().len(), 1);
    let forced = format!("{uri}?optionsOverride.AcquireTokenOptions.ForceRefresh=True");
    stage.claims(&forced, None).await;
    assert_eq!(stage.emulator.token_requests().len(), 2);
    let claims = "%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%221%22%7D%7D%7D";
    stage
        .claims(
            &format!("{uri}?optionsOverride.AcquireTokenOptions.Claims={claims}"),
            None,
        )
        .await;
    let requests = stage.emulator.token_requests();
    assert!(
        requests[2].form_value("claims").unwrap().contains("nbf"),
        "{:?}",
        requests[2]
    );
    let correlated = format!(
        "{uri}?optionsOverride.AcquireTokenOptions.CorrelationId=00001111-aaaa-2222-bbbb-3333cccc4444&unknown=1\
         &optionsOverride.Unknown=2"
    );
    stage.claims(&correlated, None).await;
    assert_eq!(stage.emulator.token_requests().len(), 3);
}

#[tokio::test]
async fn other_tenants_are_for_the_settings_to_allow() {
    for allowed in [false, true] {
        let endpoint: fn(entra_serve::EndpointBuilder) -> _ = match allowed {
            true => entra_serve::EndpointBuilder::any_tenant,
            false => |endpoint| endpoint,
        };
        let stage = Stage::with(Settings {
            overrides: everywhere(),
            endpoint,
            ..Settings::default()
        })
        .await;
        let fabrikam = &stage.emulator.tenants()[1].id;
        let uri =
            format!("/AuthorizationHeaderUnauthenticated/graph?optionsOverride.AcquireTokenOptions.Tenant={fabrikam}");
        match allowed {
            true => assert_eq!(stage.claims(&uri, None).await["tid"], **fabrikam),
            false => assert_eq!(stage.get(&uri, None).await.status(), 403),
        }
        assert_eq!(stage.emulator.token_requests().len(), usize::from(allowed));
        let own = stage.emulator.tenant_id();
        let uri = format!("/AuthorizationHeaderUnauthenticated/graph?optionsOverride.AcquireTokenOptions.Tenant={own}");
        assert_eq!(stage.claims(&uri, None).await["tid"], own);
    }
}

#[tokio::test]
async fn tenant_of_the_settings_needs_no_permission() {
    let stage = Stage::with(Settings {
        api: |api| api.with_tenant("fabrikam.example".parse().unwrap()),
        ..Settings::default()
    })
    .await;
    let claims = stage.claims("/AuthorizationHeaderUnauthenticated/graph", None).await;
    assert_eq!(claims["tid"], stage.emulator.tenants()[1].id);
    // A request still cannot choose another one.
    let token = stage.user_token();
    let other = "ff882432-09b0-437b-bd22-ca13c0037ded";
    let uri = format!("/AuthorizationHeader/graph?optionsOverride.AcquireTokenOptions.Tenant={other}");
    assert_eq!(stage.get(&uri, Some(&token)).await.status(), 403);
}

#[tokio::test]
async fn invalid_callers_get_nothing() {
    let stage = Stage::new().await;
    let forge = || stage.emulator.forge().api(APP).app("client").user(ALEX);
    let header = "/AuthorizationHeader/me";
    for (token, status) in [
        (None, 401),
        (Some("not-a-token".to_owned()), 401),
        (Some(forge().defect(Defect::Expired).token()), 401),
        (Some(forge().unpublished_key().token()), 401),
        (Some(forge().claim("aud", "api://another").token()), 401),
        (Some(stage.emulator.forge().api("api://other").user(ALEX).token()), 401),
        (Some(stage.emulator.forge().api(GRAPH).user(ALEX).token()), 401),
        (Some(forge().scopes(["Other"]).token()), 403),
    ] {
        for uri in [header, "/Validate", "/AuthorizationHeader/graph"] {
            let response = stage.get(uri, token.as_deref()).await;
            assert_eq!(response.status(), status, "{uri} {token:?}: {}", text(&response));
            assert!(
                response.headers()["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .starts_with("Bearer ")
            );
            assert_eq!(json(&response)["status"], status);
        }
        let response = stage.post("/DownstreamApi/me", token.as_deref()).await;
        assert_eq!(response.status(), status);
    }
    // An application has no user to act for.
    let app = stage.emulator.forge().api(APP).app("client").token();
    let response = stage.get(header, Some(&app)).await;
    assert_eq!(response.status(), 401);
    assert!(text(&response).contains("RequestAppToken"), "{}", text(&response));
    stage.claims("/AuthorizationHeader/graph", Some(&app)).await;
    assert_eq!(stage.api.requests().len(), 0);
}

#[tokio::test]
async fn only_health_is_for_other_machines() {
    let stage = Stage::new().await;
    for (uri, host, address, status) in [
        ("/healthz", "10.0.0.5:5000", "10.0.0.7:40000", 200),
        ("/HealthZ", "10.0.0.5:5000", "10.0.0.7:40000", 200),
        ("/openapi/v1.json", "localhost", "10.0.0.7:40000", 403),
        ("/Validate", "localhost", "10.0.0.7:40000", 403),
        (
            "/AuthorizationHeaderUnauthenticated/graph",
            "localhost",
            "10.0.0.7:40000",
            403,
        ),
        ("/AuthorizationHeader/graph", "localhost", "10.0.0.7:40000", 403),
        (
            "/AuthorizationHeaderUnauthenticated/graph",
            "localhost",
            "[2001:db8::1]:40000",
            403,
        ),
        (
            "/AuthorizationHeaderUnauthenticated/graph",
            "localhost",
            "[::ffff:127.0.0.1]:40000",
            200,
        ),
        (
            "/AuthorizationHeaderUnauthenticated/graph",
            "evil.example",
            "127.0.0.1:40000",
            403,
        ),
    ] {
        let request = Request::get(uri)
            .header("host", host)
            .body(bytes::Bytes::new())
            .unwrap();
        let response = stage.endpoint.respond(&request, &caller(address)).await;
        assert_eq!(response.status(), status, "{uri} {host} {address}");
    }
    for header in ["origin", "x-forwarded-for", "referer", "via"] {
        let request = Request::get("/AuthorizationHeaderUnauthenticated/graph").header(header, "http://localhost");
        let response = stage.send(request, "").await;
        assert_eq!(response.status(), 403, "{header}");
    }
}

#[tokio::test]
async fn failures_of_the_service_are_problems_with_advice() {
    let stage = Stage::blueprint().await;
    let uri = "/AuthorizationHeaderUnauthenticated/graph?optionsOverride.Scopes=User.Read";
    let response = stage.get(uri, None).await;
    assert_eq!(response.status(), 400);
    assert!(text(&response).contains("/.default"), "{}", text(&response));
    // The agent is one of no blueprint of ours.
    let uri = format!("/AuthorizationHeaderUnauthenticated/graph?AgentIdentity={}", uuid(7));
    let response = stage.get(&uri, None).await;
    assert_eq!(response.status(), 401);
    let body = json(&response);
    assert_eq!(body["title"], "Unauthorized");
    assert!(body["detail"].as_str().unwrap().contains("AADSTS"), "{body}");
    stage
        .emulator
        .fault(entra_emulator::Fault::status(503).on("/oauth2/v2.0/token").times(20));
    let response = stage.get("/AuthorizationHeaderUnauthenticated/graph", None).await;
    assert_eq!(response.status(), 503);
    assert_eq!(json(&response)["title"], "Service Unavailable");
}

pub(super) fn uuid(n: u8) -> String {
    format!("{n:08}-1111-4222-8333-444455556666")
}
