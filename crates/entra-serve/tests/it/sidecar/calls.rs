//! The routes that call an API.

use http::Request;
use serde_json::{Value, json};

use super::stage::{APP, Settings, Stage, claims_in, json, reply, text};

#[tokio::test]
async fn api_is_called_with_the_token_of_the_right_party() {
    let stage = Stage::new().await;
    let token = stage.user_token();
    let response = stage.post("/DownstreamApi/me", Some(&token)).await;
    assert_eq!(
        text(&response),
        r#"{"statusCode":200,"headers":{"Content-Type":["application/json"],"Content-Length":["7"]},"content":"{\"a\":1}"}"#
    );
    let response = stage.post("/DownstreamApiUnauthenticated/graph", None).await;
    assert_eq!(response.status(), 200, "{}", text(&response));
    let requests = stage.api.requests();
    for (request, line, scopes) in [
        (&requests[0], "GET /v1.0/me HTTP/1.1", json!("User.Read")),
        (&requests[1], "GET /v1.0/ HTTP/1.1", Value::Null),
    ] {
        assert_eq!(request.line, line);
        assert_eq!(request.headers.get_all("authorization").iter().count(), 1);
        let claims = claims_in(request.headers["authorization"].to_str().unwrap());
        assert_eq!((&claims["appid"], &claims["scp"]), (&json!(APP), &scopes));
    }
}

#[tokio::test]
async fn settings_and_overrides_shape_the_request() {
    let stage = Stage::with(Settings {
        api: |api| {
            let api = api.with_extra_header("ConsistencyLevel", "eventual").unwrap();
            let api = api
                .with_extra_query("api-version", "1")
                .with_http_method("put")
                .unwrap();
            api.with_accept_header("text/plain").unwrap()
        },
        ..Settings::default()
    })
    .await;
    let token = stage.user_token();
    let call = |query: &str| {
        let uri = format!("/DownstreamApi/me?{query}");
        let request = Request::post(uri).header("authorization", format!("Bearer {token}"));
        stage.send(request.header("content-type", "application/json"), r#"{"b":"ä"}"#)
    };
    let response = call("").await;
    assert_eq!(response.status(), 200, "{}", text(&response));
    call(
        "optionsoverride.relativepath=/users%3F%24top%3D5&optionsOverride.HttpMethod=Patch\
         &optionsOverride.AcceptHeader=application/xml&optionsOverride.ContentType=application/merge-patch%2Bjson\
         &optionsOverride.ExtraHeaderParameters.X-Custom-Tracking=trace-id-42\
         &optionsOverride.ExtraQueryParameters.%24Filter=a%26b&optionsOverride.BaseUrl=https://evil.example",
    )
    .await;
    // Without its type, a body is not passed on.
    let request = Request::post("/DownstreamApi/me").header("authorization", format!("Bearer {token}"));
    stage.send(request, "x").await;
    // An empty one has no type.
    let request = Request::post("/DownstreamApi/me").header("authorization", format!("Bearer {token}"));
    stage.send(request.header("content-type", "application/json"), "").await;
    let requests = stage.api.requests();
    let header = |n: usize, name: &str| requests[n].headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(requests[0].line, "PUT /v1.0/me?api%2Dversion=1 HTTP/1.1");
    assert_eq!(header(0, "accept"), Some("text/plain"));
    assert_eq!(header(0, "content-type"), Some("application/json"));
    assert_eq!(header(0, "consistencylevel"), Some("eventual"));
    assert_eq!(requests[0].body, r#"{"b":"ä"}"#);
    assert_eq!(
        requests[1].line,
        "PATCH /v1.0/users?$top=5&api%2Dversion=1&%24Filter=a%26b HTTP/1.1"
    );
    assert_eq!(header(1, "accept"), Some("application/xml"));
    assert_eq!(header(1, "content-type"), Some("application/merge-patch+json"));
    assert_eq!(header(1, "x-custom-tracking"), Some("trace-id-42"));
    assert_eq!(header(1, "host"), stage.api.url.strip_prefix("http://"));
    for n in [2, 3] {
        assert_eq!((requests[n].body.as_str(), header(n, "content-type")), ("", None));
    }
}

#[tokio::test]
async fn responses_are_passed_on_whatever_they_are() {
    let stage = Stage::new().await;
    for (response, expected) in [
        (
            reply("204 No Content", "set-cookie: a=b\r\n", ""),
            r#"{"statusCode":204,"headers":{"Content-Length":["0"]},"content":null}"#,
        ),
        (
            reply("302 Found", "location: http://127.0.0.1:9/next\r\nx-secret: a\r\n", ""),
            r#"{"statusCode":302,"headers":{"Content-Length":["0"]},"content":null}"#,
        ),
        (
            reply("401 Unauthorized", "www-authenticate: Bearer\r\n", "no"),
            r#"{"statusCode":401,"headers":{"Content-Length":["2"]},"content":"no"}"#,
        ),
        (
            b"HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\n<>\r\n0\r\n\r\n".to_vec(),
            r#"{"statusCode":500,"headers":{"Content-Type":["text/html"],"Content-Length":["2"]},"content":"<>"}"#,
        ),
    ] {
        stage.api.respond(response);
        let response = stage.post("/DownstreamApiUnauthenticated/graph", None).await;
        assert_eq!((response.status().as_u16(), text(&response)), (200, expected));
    }
    assert_eq!(stage.api.requests().len(), 4);
}

#[tokio::test]
async fn broken_responses_are_problems() {
    let stage = Stage::new().await;
    let mut long = reply("200 OK", "", "");
    long.truncate(0);
    long.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: 10485761\r\nconnection: close\r\n\r\n");
    long.resize(long.len() + 10_485_761, b'a');
    for (response, status, problem) in [
        (long, 502, "10 MiB"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(),
            502,
            "ended early",
        ),
        (b"nonsense\r\n\r\n".to_vec(), 502, "cannot be reached"),
        (Vec::new(), 502, "cannot be reached"),
    ] {
        stage.api.respond(response);
        let response = stage.post("/DownstreamApiUnauthenticated/graph", None).await;
        assert_eq!(response.status(), status, "{problem}");
        let detail = json(&response)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(problem), "{detail}");
        assert!(!detail.contains("eyJ"), "{detail}");
    }
    let response = stage.post("/DownstreamApiUnauthenticated/bare?x=y", None).await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn api_that_requires_claims_is_called_again_with_them() {
    let stage = Stage::new().await;
    // {"access_token":{"nbf":{"essential":true,"value":"1"}}}
    let claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ==";
    let authority = format!("{}/common/oauth2/authorize", stage.emulator.base_url());
    let challenge = format!(
        "www-authenticate: Bearer realm=\"\", authorization_uri=\"{authority}\", error=\"insufficient_claims\", claims=\"{claims}\"\r\n"
    );
    stage.api.respond(reply("401 Unauthorized", &challenge, ""));
    let token = stage.user_token();
    let response = stage.post("/DownstreamApi/me", Some(&token)).await;
    assert_eq!(json(&response)["statusCode"], 200, "{}", text(&response));
    let requests = stage.emulator.token_requests();
    assert!(requests[1].form_value("claims").unwrap().contains("nbf"));
    let calls = stage.api.requests();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].headers["authorization"], calls[1].headers["authorization"]);
    // An API that is never satisfied gets two requests, and the program its response.
    for _ in 0..2 {
        stage.api.respond(reply("401 Unauthorized", &challenge, ""));
    }
    let response = stage.post("/DownstreamApi/me", Some(&token)).await;
    assert_eq!(json(&response)["statusCode"], 401);
    assert_eq!(stage.api.requests().len(), 4);
}

#[tokio::test]
async fn rejected_token_is_not_used_again() {
    let stage = Stage::new().await;
    stage.api.respond(reply("401 Unauthorized", "", ""));
    let uri = "/DownstreamApiUnauthenticated/graph";
    for status in [401, 200, 200] {
        let response = stage.post(uri, None).await;
        assert_eq!(json(&response)["statusCode"], status);
    }
    let calls = stage.api.requests();
    assert_eq!(calls.len(), 3);
    assert_ne!(calls[0].headers["authorization"], calls[1].headers["authorization"]);
    assert_eq!(calls[1].headers["authorization"], calls[2].headers["authorization"]);
}
