//! The endpoints of the second issuer, and the assertions that they issue.

use std::time::Duration;

use entra_emulator::{AssertionSource, Emulator, Purpose};
use http::Request;
use serde_json::{Value, json};

use crate::support::assertion::{accepted, rejected, send};
use crate::support::{Response, claims, document, get, json_body};

fn emulator() -> Emulator {
    Emulator::builder().second_issuer().build()
}

/// Returns the value of an environment variable of a service.
fn variable(emulator: &Emulator, source: AssertionSource, name: &str) -> String {
    let variables = emulator.assertion_environment(source);
    let found = variables.into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

fn request(emulator: &Emulator, method: &str, url: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    emulator.handle(request.body(Vec::new()).unwrap())
}

fn claims_of(token: &str) -> Value {
    claims(&json!({"access_token": token}))
}

#[test]
fn metadata_names_the_issuer_and_its_key() {
    let emulator = emulator();
    let url = emulator.second_issuer_url().unwrap();
    assert_eq!(url, format!("{}/second-issuer", emulator.base_url()));
    let metadata = document(&emulator, &format!("{url}/.well-known/openid-configuration"));
    assert_eq!(metadata["issuer"], url);
    let keys = document(&emulator, metadata["jwks_uri"].as_str().unwrap());
    let entra = document(&emulator, "/common/discovery/v2.0/keys");
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    assert_ne!(keys["keys"][0]["n"], entra["keys"][0]["n"]);
    assert_eq!(emulator.requests()[0].purpose, Some(Purpose::Assertion));
}

#[test]
fn github_actions_job_gets_an_assertion() {
    let emulator = emulator();
    let of = |name| variable(&emulator, AssertionSource::GitHubActions, name);
    let (url, token) = (of("ACTIONS_ID_TOKEN_REQUEST_URL"), of("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    assert!(url.contains('?'), "{url}");
    let bearer = format!("Bearer {token}");
    let ask = |more: &str| request(&emulator, "GET", &format!("{url}{more}"), &[("authorization", &bearer)]);
    let body = json_body(&ask("&audience=api%3A%2F%2FAzureADTokenExchange"));
    let assertion = body["value"].as_str().unwrap();
    assert_eq!(body["count"], assertion.len());
    let claims = claims_of(assertion);
    assert_eq!(claims["sub"], "repo:contoso/app:ref:refs/heads/main");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    assert_eq!(claims["repository_owner"], "contoso");
    accepted(&send(&emulator, assertion));
    // The default audience is the owner of the repository.
    let claims = claims_of(json_body(&ask(""))["value"].as_str().unwrap());
    assert_eq!(claims["aud"], "https://github.com/contoso");
    let other = json_body(&ask("&subject=repo:fabrikam/x:environment:Test&audience=a"));
    let claims = claims_of(other["value"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["repository"], &claims["aud"]),
        (
            &json!("repo:fabrikam/x:environment:Test"),
            &json!("fabrikam/x"),
            &json!("a")
        )
    );
    assert_eq!(ask("&audience=a&audience=b").status(), 400);
    assert_eq!(get(&emulator, &url).status(), 401);
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(request(&emulator, "GET", &url, &wrong).status(), 401);
    assert_eq!(
        request(&emulator, "POST", &url, &[("authorization", &bearer)]).status(),
        405
    );
    assert!(!format!("{:?}", emulator.requests()).contains(&token));
}

#[test]
fn azure_pipelines_job_gets_an_assertion() {
    let emulator = emulator();
    let of = |name| variable(&emulator, AssertionSource::AzurePipelines, name);
    let bearer = format!("Bearer {}", of("SYSTEM_ACCESSTOKEN"));
    let connection = of("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID");
    let uri = of("SYSTEM_OIDCREQUESTURI");
    let ask = |query: &str, headers: &[(&str, &str)]| request(&emulator, "POST", &format!("{uri}{query}"), headers);
    let authorized = [("authorization", &*bearer), ("x-tfs-fedauthredirect", "Suppress")];
    let query = format!("?api-version=7.1&serviceConnectionId={connection}");
    let response = ask(&query, &authorized);
    assert!(response.headers().contains_key("x-vss-e2eid") && response.headers().contains_key("x-msedge-ref"));
    let body = json_body(&response);
    let assertion = body["oidcToken"].as_str().unwrap();
    assert_eq!(claims_of(assertion)["sub"], "sc://contoso/app/connection");
    accepted(&send(&emulator, assertion));
    let pipeline = json_body(&ask("?api-version=7.1", &authorized));
    let pipeline = pipeline["oidcToken"].as_str().unwrap();
    assert_eq!(claims_of(pipeline)["sub"], "p://contoso/app/pipeline");
    rejected(&send(&emulator, pipeline), 700213);
    let unknown = "?api-version=7.1&serviceConnectionId=22222222-2222-2222-2222-222222222222";
    assert_eq!(ask(unknown, &authorized).status(), 404);
    assert_eq!(ask("", &authorized).status(), 400);
    assert_eq!(request(&emulator, "GET", &uri, &authorized).status(), 405);
    // Without the token, there is a sign-in page, unless the client suppresses it.
    let page = ask(&query, &[]);
    assert_eq!(page.status(), 302);
    assert!(page.headers()["location"].to_str().unwrap().ends_with("/_signin"));
    assert_eq!(ask(&query, &[("x-tfs-fedauthredirect", "Suppress")]).status(), 401);
}

#[test]
fn google_machine_gets_an_assertion_as_text() {
    let emulator = emulator();
    let host = variable(&emulator, AssertionSource::Google, "GCE_METADATA_HOST");
    let path = "computeMetadata/v1/instance/service-accounts";
    let ask = |rest: &str, headers: &[(&str, &str)]| {
        let response = request(&emulator, "GET", &format!("http://{host}/{path}/{rest}"), headers);
        assert_eq!(response.headers()["metadata-flavor"], "Google");
        response
    };
    let flavor = [("metadata-flavor", "Google")];
    let response = ask("default/identity?audience=api://AzureADTokenExchange", &flavor);
    assert_eq!(response.status(), 200);
    let assertion = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(claims_of(assertion)["sub"], "107517467455664443766");
    accepted(&send(&emulator, assertion));
    assert_eq!(ask("default/identity?audience=a", &[]).status(), 403);
    assert_eq!(ask("default/identity", &flavor).status(), 400);
    assert_eq!(ask("other/identity?audience=a", &flavor).status(), 404);
    assert_eq!(ask("default/token", &flavor).status(), 404);
}

#[test]
fn cluster_token_has_a_list_of_audiences() {
    let emulator = emulator();
    let token = emulator.assertion().kubernetes("default", "app").token();
    let claims = claims_of(&token);
    assert_eq!(claims["aud"], json!(["api://AzureADTokenExchange"]));
    assert_eq!(claims["sub"], "system:serviceaccount:default:app");
    accepted(&send(&emulator, &token));
    let other = emulator.assertion().kubernetes("default", "other").token();
    rejected(&send(&emulator, &other), 700213);
    emulator.clock().advance(Duration::from_secs(3_901));
    rejected(&send(&emulator, &token), 700024);
}

#[test]
fn endpoints_exist_only_with_the_second_issuer() {
    let emulator = Emulator::builder().build();
    for path in [
        "/second-issuer/.well-known/openid-configuration",
        "/second-issuer/github-actions/token",
        "/computeMetadata/v1/instance/service-accounts/default/identity?audience=a",
    ] {
        assert_eq!(get(&emulator, path).status(), 404, "{path}");
    }
    assert!(emulator.apps()[0].federated_credentials.is_empty());
    assert_eq!(get(&self::emulator(), "/second-issuer/other").status(), 404);
}

#[test]
fn seed_fixes_the_tokens_of_jobs() {
    let one = Emulator::builder().seed(7).second_issuer().build();
    let two = Emulator::builder().seed(7).second_issuer().build();
    for source in AssertionSource::ALL {
        assert_eq!(one.assertion_environment(*source), two.assertion_environment(*source));
    }
    let other = Emulator::builder().seed(8).second_issuer().build();
    let of = |emulator: &Emulator| variable(emulator, AssertionSource::AzurePipelines, "SYSTEM_ACCESSTOKEN");
    assert_ne!(of(&one), of(&other));
}

/// The file of a cluster, which is replaced before its token expires.
#[test]
fn token_file_is_written_and_renewed() {
    let folder = std::env::temp_dir().join(format!("entra-emulator-tokens-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("token");
    let emulator = Emulator::builder().federated_token_file(&path).start();
    let read = || std::fs::read_to_string(&path).unwrap();
    let first = read();
    accepted(&send(&emulator, &first));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    emulator.clock().advance(Duration::from_secs(4_000));
    let start = std::time::Instant::now();
    while read() == first {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    rejected(&send(&emulator, &first), 700024);
    accepted(&send(&emulator, &read()));
    drop(emulator);
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["token"]);
    std::fs::remove_dir_all(&folder).unwrap();
    let missing = Emulator::builder()
        .federated_token_file(folder.join("token"))
        .try_build();
    assert!(missing.unwrap_err().to_string().contains("token file"));
}
