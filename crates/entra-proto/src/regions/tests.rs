//! Tests of the order of sources and of the queries to the metadata service.

use http::Response;
use http::header::LOCATION;
use proptest::prelude::*;

use super::*;
use crate::body::{Body, MAX_RESPONSE};
use crate::managed_identity::LocalRoute;

fn set(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
    let variables: Vec<(String, OsString)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
        .collect();
    move |name| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}

fn ask(step: RegionStep) -> RegionQuery {
    match step {
        RegionStep::Ask(query) => query,
        RegionStep::Done(outcome) => panic!("{outcome:?}"),
    }
}

fn done(step: RegionStep) -> RegionOutcome {
    match step {
        RegionStep::Done(outcome) => outcome,
        RegionStep::Ask(query) => panic!("{query:?}"),
    }
}

fn query() -> RegionQuery {
    ask(RegionSetting::Detect.resolve(|_| None).unwrap())
}

fn respond(query: RegionQuery, status: u16, body: &str) -> RegionStep {
    let response = Response::builder().status(status).body(Body::from(body.to_owned()));
    query.respond(&response.unwrap())
}

const VERSIONS: &str = r#"{"error":"Bad request. api-version was not specified in the request",
    "newest-versions":["2020-10-01","2020-04-02","2020-02-01"]}"#;

#[test]
fn first_source_that_applies_decides() {
    let forced = (FORCE_REGION, "West Europe");
    let named = (REGION_NAME, "EAST US");
    let west = RegionSetting::from("westus2".parse::<Region>().unwrap());
    for (setting, variables, region, source) in [
        (west, &[forced, named][..], Some("westus2"), Some(RegionSource::Setting)),
        (
            RegionSetting::Unset,
            &[forced, named],
            Some("westeurope"),
            Some(RegionSource::Variable(FORCE_REGION)),
        ),
        (RegionSetting::Unset, &[named], None, None),
        (RegionSetting::Unset, &[], None, None),
        (RegionSetting::Unset, &[(FORCE_REGION, "")], None, None),
        (
            RegionSetting::Unset,
            &[(FORCE_REGION, "DisableMsalForceRegion")],
            None,
            None,
        ),
        (
            RegionSetting::Unset,
            &[(FORCE_REGION, "tryautodetect"), named],
            Some("eastus"),
            Some(RegionSource::Variable(REGION_NAME)),
        ),
        (RegionSetting::Global, &[forced, named], None, None),
        (
            RegionSetting::Detect,
            &[forced, named],
            Some("eastus"),
            Some(RegionSource::Variable(REGION_NAME)),
        ),
    ] {
        let outcome = done(setting.resolve(set(variables)).unwrap());
        let found = (outcome.region().map(Region::as_str), outcome.source());
        assert_eq!(found, (region, source), "{setting:?} {variables:?}");
        assert!(outcome.warnings().is_empty());
    }
    // Only detection asks the machine, and only if no variable names the region.
    for variables in [&[][..], &[forced], &[(REGION_NAME, "")]] {
        ask(RegionSetting::Detect.resolve(set(variables)).unwrap());
    }
}

#[test]
fn setting_of_other_libraries_is_read() {
    for (text, setting) in [
        ("", RegionSetting::Unset),
        (" ", RegionSetting::Unset),
        ("West Europe", RegionSetting::Named("westeurope".parse().unwrap())),
        ("TryAutoDetect", RegionSetting::Detect),
        (" 'tryautodetect'\n", RegionSetting::Detect),
        ("AutoDiscoverRegion", RegionSetting::Detect),
        ("DisableMsalForceRegion", RegionSetting::Global),
    ] {
        assert_eq!(
            RegionSetting::read(set(&[(REGIONAL_AUTHORITY_NAME, text)])).unwrap(),
            setting,
            "{text}"
        );
    }
    assert_eq!(RegionSetting::read(|_| None).unwrap(), RegionSetting::Unset);
}

#[test]
fn configured_name_must_be_valid_and_detected_one_is_ignored() {
    let long = "a".repeat(100);
    for name in ["evil.com/", "a.b", "%2e", "-", &long, "a@b", "9west"] {
        let error = RegionSetting::read(set(&[(REGIONAL_AUTHORITY_NAME, name)])).unwrap_err();
        assert!(error.to_string().contains(REGIONAL_AUTHORITY_NAME), "{error}");
        let error = RegionSetting::Unset.resolve(set(&[(FORCE_REGION, name)])).unwrap_err();
        assert!(error.to_string().contains(FORCE_REGION), "{error}");
        // It is ignored where it does not apply.
        assert!(RegionSetting::Global.resolve(set(&[(FORCE_REGION, name)])).is_ok());

        let query = ask(RegionSetting::Detect.resolve(set(&[(REGION_NAME, name)])).unwrap());
        let document = serde_json::json!({ "location": name }).to_string();
        let outcome = done(respond(query, 200, &document));
        assert_eq!(outcome.region(), None);
        let warnings: Vec<String> = outcome.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].starts_with("REGION_NAME names something") && warnings[1].contains("IMDS"),
            "{warnings:?}"
        );
    }
}

#[test]
fn instance_document_names_the_region() {
    let query = query();
    let request = query.request();
    assert_eq!(
        request.uri().to_string(),
        "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01"
    );
    assert_eq!(
        (
            request.method().as_str(),
            request.headers()["metadata"].to_str().unwrap()
        ),
        ("GET", "true")
    );
    assert!(request.body().is_empty());
    let route = LocalRoute::of(&request).unwrap();
    assert!(route.allows(request.uri()) && route.connect_timeout() < Some(RegionQuery::LIMIT));
    assert!(query.delay().is_zero());
    let outcome = done(respond(
        query,
        200,
        r#"{"azEnvironment":"AzurePublicCloud","location":"westeurope"}"#,
    ));
    assert_eq!(outcome.region().map(Region::as_str), Some("westeurope"));
    assert_eq!(outcome.source(), Some(RegionSource::Imds));
}

#[test]
fn unsupported_version_is_replaced_by_the_newest() {
    let without = ask(respond(query(), 400, VERSIONS));
    assert_eq!(without.request().uri().query(), None);
    assert!(without.request().uri().path().ends_with("/compute"));
    let newest = ask(respond(without, 400, VERSIONS));
    assert_eq!(newest.request().uri().query(), Some("api-version=2020-10-01"));
    // The service is asked three times at most.
    let outcome = done(respond(newest, 400, VERSIONS));
    assert!(outcome.warnings()[0].to_string().contains("status 400"));

    let newest = || ask(respond(ask(respond(query(), 400, "")), 400, VERSIONS));
    assert_eq!(
        done(respond(newest(), 200, r#"{"location":"eastus"}"#))
            .region()
            .unwrap()
            .as_str(),
        "eastus"
    );
    for versions in [
        "",
        "{}",
        r#"{"newest-versions":[]}"#,
        r#"{"newest-versions":[7]}"#,
        r#"{"newest-versions":[""]}"#,
        r#"{"newest-versions":["2020-10-01&a=b"]}"#,
        r#"{"newest-versions":["x"]}"#,
        r#"{"newest-versions":["1111111111111111111111111111111"]}"#,
    ] {
        let without = ask(respond(query(), 400, ""));
        let outcome = done(respond(without, 400, versions));
        assert!(
            outcome.warnings()[0].to_string().contains("no known version"),
            "{versions}"
        );
    }
}

#[test]
fn temporary_failure_is_retried_once() {
    for status in [410, 429, 500, 502, 503, 504] {
        let again = ask(respond(query(), status, ""));
        assert_eq!(again.delay().as_secs(), 1);
        let outcome = done(respond(again, status, ""));
        assert!(outcome.warnings()[0].to_string().contains(&format!("status {status}")));
    }
    // A version that follows a retry is asked for at once, and not retried.
    let again = ask(respond(query(), 503, ""));
    let without = ask(respond(again, 400, ""));
    assert!(without.delay().is_zero());
    done(respond(without, 503, ""));
    for status in [201, 204, 302, 401, 403, 404, 405, 408] {
        done(respond(query(), status, r#"{"location":"westeurope"}"#));
    }
    let outcome = done(query().failed());
    assert_eq!(outcome.region(), None);
    assert_eq!(
        outcome.warnings()[0].to_string(),
        "the instance metadata service (IMDS) did not respond"
    );
}

#[test]
fn responses_of_other_services_name_no_region() {
    for body in [
        "",
        "westeurope",
        "{",
        "[]",
        "{}",
        r#"{"location":7}"#,
        r#"{"location":null}"#,
        r#"{"location":""}"#,
        "<html>canary</html>",
    ] {
        let outcome = done(respond(query(), 200, body));
        assert!(outcome.region().is_none() && outcome.warnings().len() == 1, "{body}");
        assert!(!format!("{outcome:?}").contains("canary"));
    }
    let flood = Response::new(Body::new(vec![b' '; MAX_RESPONSE + 1]));
    assert!(
        done(query().respond(&flood)).warnings()[0]
            .to_string()
            .contains("longer than")
    );
    let redirect = Response::builder().status(302).header(LOCATION, "http://evil.example");
    done(query().respond(&redirect.body(Body::default()).unwrap()));
}

#[test]
fn service_may_be_at_another_local_address() {
    let base = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    for (value, uri) in [
        (
            "http://127.0.0.1:8000/",
            "http://127.0.0.1:8000/metadata/instance/compute?api-version=2021-02-01",
        ),
        (
            "http://imds:81/a/path",
            "http://imds:81/metadata/instance/compute?api-version=2021-02-01",
        ),
        (
            "https://imds.example",
            "https://imds.example/metadata/instance/compute?api-version=2021-02-01",
        ),
        (
            "",
            "http://169.254.169.254/metadata/instance/compute?api-version=2021-02-01",
        ),
    ] {
        let query = ask(RegionSetting::Detect.resolve(set(&[(base, value)])).unwrap());
        assert_eq!(query.request().uri().to_string(), uri);
    }
    for value in [
        "imds",
        "http://evil.example",
        "ftp://localhost",
        "http://a:b@localhost",
        "not a url",
        "/path",
    ] {
        let outcome = done(RegionSetting::Detect.resolve(set(&[(base, value)])).unwrap());
        let warning = outcome.warnings()[0].to_string();
        assert!(warning.starts_with(base) && !warning.contains(value), "{warning}");
    }
}

proptest! {
    #[test]
    fn any_response_ends_the_search_soon(
        responses in proptest::collection::vec((100_u16..600, ".{0,40}|\\{\"(location|newest-versions)\":(\"[a-z0-9./%-]{0,80}\"|\\[\"[0-9-]{0,12}\"\\])\\}"), 8)
    ) {
        let mut step = RegionSetting::Detect.resolve(|_| None).unwrap();
        let mut waited = 0;
        for (status, body) in responses {
            let RegionStep::Ask(query) = step else { break };
            waited += query.delay().as_secs();
            prop_assert!(query.request().uri().host() == Some("169.254.169.254"));
            step = respond(query, status, &body);
        }
        prop_assert!(waited < RegionQuery::LIMIT.as_secs());
        let outcome = done(step);
        let is_label = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        prop_assert!(outcome.region().is_none_or(|region| is_label(region.as_str())));
    }
}
