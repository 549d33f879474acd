//! Compares our requests for users with those of the official clients: codes, refresh tokens,
//! assertions, device codes, and authorize URLs.

use std::collections::{BTreeMap, BTreeSet};

use entra_proto::assertion::ClientAssertion;
use entra_proto::authorize::{Redirect, RefreshToken, ResponseMode, UserAssertion};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{
    Application, Authority, Body, ClientCredential, ClientSecret, Cloud, EndpointVersion, Guid, Target, Timestamp,
    TokenRequest,
};
use http::{Request, Response};
use serde_json::Value;

type Form = BTreeMap<String, String>;

/// The accepted differences and their counts.
#[derive(Default)]
struct Differences(BTreeMap<&'static str, usize>);

impl Differences {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

#[test]
fn user_requests_match_those_of_the_official_clients() {
    let captures: Vec<Value> = serde_json::from_str(include_str!("../captures/grants.json")).unwrap();
    let (mut seen, mut differences) = (BTreeMap::<&str, usize>::new(), Differences::default());
    for capture in &captures {
        let theirs: Form = serde_json::from_value(capture["form"].clone()).unwrap();
        let form = &capture["form"];
        let grant = form
            .get("grant_type")
            .map_or("devicecode", |grant| grant.as_str().unwrap());
        let grant = grant.rsplit(':').next().unwrap();
        let app = application(capture, &theirs);
        let Some(ours) = request(&app, grant, &theirs) else {
            assert_eq!(grant, "password");
            differences.count("the password grant is not supported");
            continue;
        };
        *seen.entry(grant).or_default() += 1;
        assert_eq!(ours.method(), "POST");
        assert_eq!(ours.uri().host(), capture["host"].as_str());
        assert_eq!(Some(ours.uri().path()), capture["path"].as_str());
        if let Some(query) = capture.get("query") {
            assert_eq!(query.to_string(), r#"{"api-version":"1.0"}"#);
            differences.count("adal sends an api-version to the v1 device-code endpoint");
        }
        assert_eq!(ours.uri().query(), None);
        let ours = form_urlencoded::parse(ours.body().as_bytes()).into_owned().collect();
        compare(&capture["seen"].to_string(), theirs, ours, &mut differences);
    }
    let seen: Vec<(&str, usize)> = seen.into_iter().collect();
    let expected = [
        ("authorization_code", 6),
        ("device_code", 3),
        ("devicecode", 3),
        ("jwt-bearer", 2),
        ("refresh_token", 5),
    ];
    assert_eq!((captures.len(), seen.as_slice()), (20, &expected[..]));
    let expected = [
        ("only ours sends PKCE", 4),
        ("adal sends an api-version to the v1 device-code endpoint", 1),
        ("azure-identity omits OpenID Connect's scopes", 1),
        ("client_info", 13),
        ("node requests claims of the ID token", 4),
        ("the device code under both names", 2),
        ("the older name of the device grant", 1),
        ("the password grant is not supported", 1),
        ("the scope with each poll", 1),
    ];
    let expected: BTreeMap<&str, usize> = expected.into();
    assert_eq!(differences.0, expected);
}

fn compare(case: &str, mut theirs: Form, mut ours: Form, differences: &mut Differences) {
    if theirs.remove("client_info").is_some() {
        differences.count("client_info");
    }
    if theirs
        .get("claims")
        .is_some_and(|claims| claims.starts_with(r#"{"id_token":{"signin_state""#))
    {
        theirs.remove("claims");
        differences.count("node requests claims of the ID token");
    }
    let verifier = ours.remove("code_verifier");
    match (theirs.remove("code_verifier"), &verifier) {
        (None, Some(_)) => differences.count("only ours sends PKCE"),
        (Some(placeholder), Some(verifier)) => {
            assert_eq!(
                (placeholder.as_str(), verifier.len()),
                ("<code_verifier>", 43),
                "{case}"
            );
        }
        (None, None) => {}
        (Some(_), None) => panic!("{case}: no verifier"),
    }
    match (theirs.remove("client_assertion"), ours.remove("client_assertion")) {
        (Some(_), Some(jwt)) => assert_eq!(jwt, "a.b.c", "{case}"),
        (None, None) => {}
        (_, jwt) => panic!("{case}: {jwt:?}"),
    }
    if ours
        .get("grant_type")
        .is_some_and(|grant| grant == "urn:ietf:params:oauth:grant-type:device_code")
    {
        if theirs["grant_type"] == "device_code" {
            theirs.insert("grant_type".into(), ours["grant_type"].clone());
            differences.count("the older name of the device grant");
        }
        if theirs.remove("code").is_some() {
            differences.count("the device code under both names");
        }
        if !theirs.contains_key("scope") {
            ours.remove("scope");
            differences.count("the scope with each poll");
        }
    } else if ours.get("grant_type").is_some_and(|grant| grant == "device_code") {
        assert_eq!(ours.remove("device_code"), theirs.get("code").cloned(), "{case}");
        differences.count("the device code under both names");
    }
    let words = |form: &mut Form| {
        let scope = form.remove("scope");
        scope.map(|scope| scope.split(' ').map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let (their_scope, our_scope) = (words(&mut theirs), words(&mut ours));
    if their_scope != our_scope {
        let openid: BTreeSet<String> = ["openid", "profile", "offline_access"].map(str::to_owned).into();
        let theirs = their_scope.expect("both or neither");
        assert_eq!(
            theirs.union(&openid).cloned().collect::<BTreeSet<_>>(),
            our_scope.unwrap(),
            "{case}"
        );
        assert!(case.contains("azure-identity"), "{case}");
        differences.count("azure-identity omits OpenID Connect's scopes");
    }
    assert_eq!(ours, theirs, "{case}");
}

fn application(capture: &Value, form: &Form) -> Application {
    let path = capture["path"].as_str().unwrap();
    let tenant = path.split('/').nth(1).unwrap().parse().unwrap();
    let cloud = Cloud::at(&format!("https://{}", capture["host"].as_str().unwrap())).unwrap();
    let credential = match (form.get("client_secret"), form.get("client_assertion")) {
        (Some(secret), None) => ClientSecret::new(secret.as_str()).unwrap().into(),
        (None, Some(_)) => ClientAssertion::new("a.b.c").unwrap().into(),
        _ => ClientCredential::Public,
    };
    let version = if path.contains("/v2.0/") {
        EndpointVersion::V2
    } else {
        EndpointVersion::V1
    };
    Application::new(
        Authority::new(cloud, tenant).unwrap(),
        form["client_id"].parse().unwrap(),
        credential,
    )
    .with_endpoint_version(version)
}

fn request(app: &Application, grant: &str, form: &Form) -> Option<Request<Body>> {
    let target = match (form.get("resource"), form.get("scope")) {
        (Some(resource), _) => Target::resource(resource),
        (None, Some(scope)) => Target::scopes(scope),
        (None, None) => Target::scopes("User.Read"),
    }
    .unwrap();
    let id = Guid::from_random([7; 16]);
    let token: TokenRequest = match grant {
        "devicecode" => return Some(app.device_code(target).unwrap().encode(id)),
        "authorization_code" => {
            let (_, pending) = app
                .authorize(target, form["redirect_uri"].parse().unwrap())
                .start(&[7; 96])
                .unwrap();
            let redirect = format!("code={}&state={}", form["code"], pending.state());
            pending.redeem(app, &Redirect::from_query(&redirect).unwrap()).unwrap()
        }
        "refresh_token" => {
            let token = RefreshToken::new(form["refresh_token"].as_str()).unwrap();
            app.refresh(token, target).unwrap()
        }
        "jwt-bearer" => app
            .on_behalf_of(UserAssertion::new(form["assertion"].as_str()).unwrap(), target)
            .unwrap(),
        "device_code" => {
            let code = form.get("code").or_else(|| form.get("device_code")).unwrap();
            let body = format!(r#"{{"device_code":"{code}","user_code":"u","verification_uri":"https://a.example"}}"#);
            let start = app.device_code(target).unwrap();
            let authorization = start
                .decode(&Response::new(Body::from(body)), Timestamp::from_secs(0))
                .unwrap();
            start.poll(&authorization).unwrap()
        }
        _ => return None,
    };
    Some(token.encode(id))
}

#[test]
fn authorize_urls_match_those_of_the_official_clients() {
    let captures: Vec<Value> = serde_json::from_str(include_str!("../captures/authorize.json")).unwrap();
    for capture in &captures {
        let (address, theirs) = read(capture["url"].as_str().unwrap());
        let tenant = address.split('/').nth(3).unwrap();
        let authority = format!("https://login.microsoftonline.com/{tenant}").parse().unwrap();
        let app = Application::new(
            authority,
            theirs["client_id"].parse().unwrap(),
            ClientCredential::Public,
        );
        let mut request = app.authorize(
            Target::scopes(&theirs["scope"]).unwrap(),
            theirs["redirect_uri"].parse().unwrap(),
        );
        if theirs.get("response_mode").is_some_and(|mode| mode == "form_post") {
            request = request.with_response_mode(ResponseMode::FormPost);
        }
        let node_only = |claims: &&String| !claims.contains("signin_state");
        if let Some(claims) = theirs.get("claims").filter(node_only) {
            request = request.with_claims(ClaimsRequest::parse(claims).unwrap());
        }
        let (url, _) = request.start(&[7; 96]).unwrap();
        let (our_address, ours) = read(&url);
        assert_eq!(our_address, address);
        for (name, value) in &theirs {
            match name.as_str() {
                "client_info" | "clidata" | "client-request-id" | "max_age" => {}
                telemetry if telemetry.starts_with("x-client-") => {}
                "claims" if !node_only(&value) => {}
                "state" | "nonce" | "code_challenge" => assert_eq!(ours[name].len(), 43),
                _ => assert_eq!(&ours[name], value, "{name}"),
            }
        }
        for name in ours.keys().filter(|name| !theirs.contains_key(*name)) {
            assert!(
                matches!(
                    name.as_str(),
                    "nonce" | "code_challenge" | "code_challenge_method" | "response_mode"
                ),
                "{name}"
            );
        }
    }
    assert_eq!(captures.len(), 3);
}

fn read(url: &str) -> (&str, Form) {
    let (address, query) = url.split_once('?').unwrap();
    (address, form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}
