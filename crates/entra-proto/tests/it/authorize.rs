//! URLs for a user's browser: their content, and the requests that are rejected before one exists.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::authorize::{PendingAuthorization, Prompt, Redirect, RedirectUri, ResponseMode};
use entra_proto::claims::ClaimsRequest;
use entra_proto::report::Report;
use entra_proto::{EndpointVersion, Error, Guid, Target, Tenant};

use crate::browser::{BACK, ID, application, back, common, form, graph, random, read};

/// Separates the random parameters from the others, which are the same for every sign-in.
fn split(mut parameters: BTreeMap<String, String>) -> (BTreeMap<String, String>, [String; 3]) {
    let random = ["state", "nonce", "code_challenge"].map(|name| parameters.remove(name).expect(name));
    (parameters, random)
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Returns the S256 challenge of a verifier (RFC 7636, section 4.2).
fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(hmac_sha256::Hash::hash(verifier.as_bytes()))
}

/// The consent URL of the Office 365 Management APIs' document, with PKCE and an administrator's
/// prompt.
#[test]
fn v1_url_requests_admin_consent_for_a_resource() {
    let app = application("https://login.windows.net/common").with_endpoint_version(EndpointVersion::V1);
    let target = Target::resource("https://manage.office.com").unwrap();
    let plain = RedirectUri::over_plain_http("http://www.mycompany.com/myapp/").unwrap();
    let request = app.authorize(target, plain).with_prompt(Prompt::AdminConsent);
    let (url, pending) = request.start(&random(1)).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(address, "https://login.microsoftonline.com/common/oauth2/authorize");
    let (fixed, [state, nonce, challenge]) = split(parameters);
    let expected = map([
        ("client_id", ID),
        ("response_type", "code"),
        ("redirect_uri", "http://www.mycompany.com/myapp/"),
        ("response_mode", "query"),
        ("resource", "https://manage.office.com"),
        ("code_challenge_method", "S256"),
        ("prompt", "admin_consent"),
    ]);
    assert_eq!(fixed, expected);
    assert!([&state, &nonce, &challenge].iter().all(|text| text.len() == 43));
    assert_eq!(state, pending.state());

    // The document's redirect with its code, on the endpoint of the sign-in.
    let redirect = format!(
        "http://www.mycompany.com/myapp/?code=AAABAAAAvPM1KaPlrEqdFSB&state={state}&session_state=x&admin_consent=True"
    );
    let request = pending.redeem(&app, &Redirect::from_url(&redirect).unwrap()).unwrap();
    let http = request.encode(Guid::from_bytes([7; 16]));
    assert_eq!(http.uri(), "https://login.microsoftonline.com/common/oauth2/token");
    let form = form(&request);
    let verifier = form["code_verifier"].clone();
    assert_eq!(challenge_of(&verifier), challenge);
    let expected = map([
        ("grant_type", "authorization_code"),
        ("client_id", ID),
        ("client_secret", "s3cret"),
        ("code", "AAABAAAAvPM1KaPlrEqdFSB"),
        ("redirect_uri", "http://www.mycompany.com/myapp/"),
        ("resource", "https://manage.office.com"),
        ("code_verifier", verifier.as_str()),
    ]);
    assert_eq!(form, expected);
}

#[test]
fn v2_url_contains_all_scopes_and_options() {
    let app = application("https://login.microsoftonline.us/contoso.com").with_capabilities(&["cp1"]);
    let target = Target::scopes("https://a.example/Read User.Read openid").unwrap();
    let claims = ClaimsRequest::parse(r#"{"id_token":{"auth_time":{"essential":true}}}"#).unwrap();
    let request = app
        .authorize(target, "https://a.example/cb?x=1&y=a+b".parse().unwrap())
        .with_response_mode(ResponseMode::FormPost)
        .with_prompt(Prompt::SelectAccount)
        .with_login_hint("jane+doe@contoso.com")
        .with_domain_hint("contoso.com&x")
        .with_claims(claims);
    let (url, pending) = request.start(&random(1)).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(
        address,
        "https://login.microsoftonline.us/contoso.com/oauth2/v2.0/authorize"
    );
    let with_capabilities =
        r#"{"access_token":{"xms_cc":{"values":["cp1"]}},"id_token":{"auth_time":{"essential":true}}}"#;
    let expected = map([
        ("client_id", ID),
        ("response_type", "code"),
        ("redirect_uri", "https://a.example/cb?x=1&y=a+b"),
        ("response_mode", "form_post"),
        (
            "scope",
            "https://a.example/Read User.Read openid profile offline_access",
        ),
        ("code_challenge_method", "S256"),
        ("prompt", "select_account"),
        ("login_hint", "jane+doe@contoso.com"),
        ("domain_hint", "contoso.com&x"),
        ("claims", with_capabilities),
    ]);
    assert_eq!(split(parameters).0, expected);

    // One token is for one API: the first one. The claims are requested again.
    let query = format!("code=c&state={}", pending.state());
    let form = form(&pending.redeem(&app, &Redirect::from_query(&query).unwrap()).unwrap());
    assert_eq!(form["scope"], "https://a.example/Read openid profile offline_access");
    assert_eq!(form["claims"], with_capabilities);
    assert_eq!(form["redirect_uri"], "https://a.example/cb?x=1&y=a+b");

    let only_capabilities = app.authorize(graph(), back()).start(&random(1)).unwrap().0;
    assert_eq!(
        read(&only_capabilities).1["claims"],
        r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#
    );
}

#[test]
fn prompts_and_modes_have_their_wire_values() {
    let app = common();
    for (prompt, value) in [
        (Prompt::Login, "login"),
        (Prompt::SelectAccount, "select_account"),
        (Prompt::Consent, "consent"),
        (Prompt::None, "none"),
    ] {
        let url = app
            .authorize(graph(), back())
            .with_prompt(prompt)
            .start(&random(1))
            .unwrap()
            .0;
        assert_eq!(read(&url).1["prompt"], value);
    }
    for (mode, value) in [
        (ResponseMode::Query, "query"),
        (ResponseMode::Fragment, "fragment"),
        (ResponseMode::FormPost, "form_post"),
    ] {
        let url = app
            .authorize(graph(), back())
            .with_response_mode(mode)
            .start(&random(1))
            .unwrap()
            .0;
        assert_eq!(read(&url).1["response_mode"], value);
    }
}

#[test]
fn random_bytes_determine_state_nonce_and_verifier() {
    let of = |random: &[u8; 96]| {
        let (url, pending) = common().authorize(graph(), back()).start(random).unwrap();
        let query = format!("code=c&state={}", pending.state());
        let request = pending
            .redeem(&common(), &Redirect::from_query(&query).unwrap())
            .unwrap();
        let [state, nonce, challenge] = split(read(&url).1).1;
        (url, [state, nonce, form(&request)["code_verifier"].clone(), challenge])
    };
    let (url, base) = of(&random(1));
    assert_eq!(of(&random(1)), (url, base.clone()));
    for (index, text) in base.iter().enumerate() {
        assert!(base[..index].iter().all(|other| other != text));
    }
    // Each third of the bytes determines one of them, and every byte matters.
    for at in 0..96 {
        let mut changed = random(1);
        changed[at] ^= 0x80;
        let (_, other) = of(&changed);
        for part in 0..3 {
            assert_eq!(other[part] != base[part], part == at / 32, "byte {at}, part {part}");
        }
        assert_eq!(other[3] != base[3], at / 32 == 2);
    }
    assert_eq!(challenge_of(&base[2]), base[3]);
}

#[test]
fn invalid_requests_are_rejected_before_they_are_sent() {
    let input_error = |result: Result<(String, PendingAuthorization), Error>| match result {
        Err(error @ Error::Input(_)) => format!("{:#}", Report::of(&error)),
        other => panic!("{other:?}"),
    };
    let (v1, v2) = (common().with_endpoint_version(EndpointVersion::V1), common());
    let error = input_error(
        v2.authorize(graph(), back())
            .with_prompt(Prompt::AdminConsent)
            .start(&random(1)),
    );
    assert!(error.contains("Application::admin_consent"), "{error}");
    let long = |length: usize| {
        format!("{BACK}{}", "x".repeat(length - BACK.len()))
            .parse::<RedirectUri>()
            .unwrap()
    };
    assert!(input_error(v1.authorize(graph(), long(256)).start(&random(1))).contains("255"));
    assert!(v1.authorize(graph(), long(255)).start(&random(1)).is_ok());
    assert!(v2.authorize(graph(), long(2048)).start(&random(1)).is_ok());
    let several = Target::scopes("https://a.example/X https://b.example/Y").unwrap();
    assert!(input_error(v1.authorize(several.clone(), back()).start(&random(1))).contains("more than one API"));
    assert!(v2.authorize(several, back()).start(&random(1)).is_ok());
    let mixed = Target::scopes("https://a.example/.default https://a.example/X").unwrap();
    for app in [&v1, &v2] {
        assert!(input_error(app.authorize(mixed.clone(), back()).start(&random(1))).contains("one or the other"));
    }
    assert!(
        input_error(
            v1.authorize(Target::scopes("openid").unwrap(), back())
                .start(&random(1))
        )
        .contains("names no API")
    );
}

#[test]
fn admin_consent_urls_of_both_versions() {
    let v1 = common().with_endpoint_version(EndpointVersion::V1);
    let (url, pending) = v1.admin_consent(back()).start(&[5; 32]).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(address, "https://login.microsoftonline.com/common/adminconsent");
    let expected = map([("client_id", ID), ("redirect_uri", BACK), ("state", pending.state())]);
    assert_eq!(parameters, expected);

    let v2 = application("https://login.microsoftonline.com/organizations");
    let scope = "https://graph.microsoft.com/.default";
    let request = v2.admin_consent(back()).with_target(Target::scopes(scope).unwrap());
    let (url, pending) = request.start(&[6; 32]).unwrap();
    let (address, parameters) = read(&url);
    assert_eq!(
        address,
        "https://login.microsoftonline.com/organizations/v2.0/adminconsent"
    );
    let expected = map([
        ("client_id", ID),
        ("redirect_uri", BACK),
        ("state", pending.state()),
        ("scope", scope),
    ]);
    assert_eq!(parameters, expected);
    let resource = v2
        .admin_consent(back())
        .with_target(Target::resource("https://graph.microsoft.com").unwrap());
    assert_eq!(resource.start(&[6; 32]).unwrap().0, url);
    assert_ne!(resource.start(&[7; 32]).unwrap().0, url);

    // The rules for a user's targets apply to administrators as well.
    let mixed = Target::scopes("User.Read https://b.example/X https://b.example/.default").unwrap();
    let consumers = application("https://login.microsoftonline.com/consumers");
    for (request, text) in [
        (v2.admin_consent(back()), "name the API"),
        (common().admin_consent(back()).with_target(graph()), "organizations"),
        (
            consumers.admin_consent(back()).with_target(graph()),
            "personal Microsoft accounts",
        ),
        (v2.admin_consent(back()).with_target(mixed), "one or the other"),
        (v1.admin_consent(back()).with_target(graph()), "leave the target out"),
    ] {
        let error = format!("{:#}", Report::from(request.start(&[5; 32]).unwrap_err()));
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn code_can_be_redeemed_for_the_identity_only() {
    let v1 = common().with_endpoint_version(EndpointVersion::V1);
    let request = v1
        .authorize(graph(), back())
        .with_prompt(Prompt::AdminConsent)
        .with_client_info();
    let (url, pending) = request.start(&random(1)).unwrap();
    assert!(url.contains("&client_info=1"), "{url}");
    let redirect = |more: &str| Redirect::from_query(&format!("code=c&state={}{more}", pending.state())).unwrap();
    let identity = pending.redeem_identity(&v1, &redirect("")).unwrap();
    assert_eq!(identity.target().to_string(), "openid profile");
    let sent = identity.encode(Guid::from_bytes([0; 16]));
    assert_eq!(sent.uri().path(), "/common/oauth2/v2.0/token");

    // The content is {"uid":"1","utid":"41463f53-8812-40f4-890f-865bf6e35190"}.
    let info = "eyJ1aWQiOiIxIiwidXRpZCI6IjQxNDYzZjUzLTg4MTItNDBmNC04OTBmLTg2NWJmNmUzNTE5MCJ9";
    let home: Tenant = "41463f53-8812-40f4-890f-865bf6e35190".parse().unwrap();
    for (more, tenant, consented) in [
        (String::new(), None, false),
        (format!("&client_info={info}"), Some(home.clone()), false),
        (
            format!("&client_info={info}%3D%3D&admin_consent=True"),
            Some(home),
            true,
        ),
        ("&client_info=e30&admin_consent=False".to_owned(), None, false),
        ("&client_info=%00&admin_consent=true".to_owned(), None, true),
    ] {
        let reported = pending.reported_consent(&v1, &redirect(&more)).unwrap();
        assert_eq!(
            (reported.tenant, reported.is_admin_consent),
            (tenant, consented),
            "{more}"
        );
    }
    // A requested tenant takes precedence over what the browser reports.
    let app = application("https://login.microsoftonline.com/contoso.com");
    let (_, pending) = app.authorize(graph(), back()).start(&random(1)).unwrap();
    let redirect = format!("code=c&state={}&client_info={info}", pending.state());
    let reported = pending
        .reported_consent(&app, &Redirect::from_query(&redirect).unwrap())
        .unwrap();
    assert_eq!(reported.tenant, Some("contoso.com".parse().unwrap()));
    // A redirect that does not belong to the sign-in reports nothing.
    let forged = Redirect::from_query(&format!("code=c&state=x&client_info={info}")).unwrap();
    assert!(pending.reported_consent(&app, &forged).is_err() && pending.redeem_identity(&app, &forged).is_err());
    let declined = Redirect::from_query(&format!("error=access_denied&state={}", pending.state())).unwrap();
    assert!(pending.reported_consent(&app, &declined).is_err());
}

#[test]
fn tenant_of_personal_accounts_cannot_consent() {
    let on_v1 = |tenant| {
        application(&format!("https://login.microsoftonline.com/{tenant}")).with_endpoint_version(EndpointVersion::V1)
    };
    for tenant in ["consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"] {
        let error = on_v1(tenant).admin_consent(back()).start(&[5; 32]).unwrap_err();
        assert!(
            format!("{:#}", Report::of(&error)).contains("work or school account"),
            "{error}"
        );
    }
    for tenant in ["common", "organizations", "contoso.com"] {
        let app = on_v1(tenant);
        let (_, pending) = app.admin_consent(back()).start(&[5; 32]).unwrap();
        let query = "admin_consent=True&tenant=9188040D-6C67-4C5B-B112-36A304B66DAD";
        let redirect = Redirect::from_query(&format!("{query}&state={}", pending.state())).unwrap();
        let error = pending.accept(&app, &redirect).unwrap_err();
        assert!(
            format!("{:#}", Report::of(&error)).contains("work or school account"),
            "{error}"
        );
    }
}
