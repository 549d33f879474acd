//! Acquisitions with client assertions: signed per attempt, or fetched from another issuer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::assertion::{
    CertificateCredential, ClientAssertion, FederatedCredential, Signer, SignerError, SigningAlgorithm,
    SigningCertificate,
};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{
    Application, Authority, Body, ClientCredential, EndpointVersion, Error, Guid, Target, Timestamp, TokenRequest,
};
use http::Response;
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
/// Ten minutes later, in the format of a `Date` header.
const LATER: &str = "Thu, 01 Jan 2026 00:10:00 GMT";
const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
const OUT_OF_TIME: &str = r#"{"error":"invalid_client","error_codes":[700024]}"#;

/// "Signs" with the name of the algorithm and the length of the input, or fails.
struct Pen {
    fails: bool,
}

impl Signer for Pen {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [2; 32], Vec::new())
    }

    fn sign(
        &self,
        certificate: &SigningCertificate,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        assert_eq!(certificate, &self.certificate());
        if self.fails {
            return Err(SignerError::new("the vault is sealed"));
        }
        Ok(format!("{} over {}", algorithm.as_str(), input.len()).into_bytes())
    }
}

fn request(credential: impl Into<ClientCredential>) -> TokenRequest {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential);
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}

/// Runs an acquisition against responses (status, `Date`, body). Returns its outcome and the
/// assertion of each request.
fn run(request: TokenRequest, responses: &[(u16, &str, &str)]) -> (Result<(), Error>, Vec<String>) {
    let (mut now, mut assertions, mut responses) = (NOW, Vec::new(), responses.iter());
    let mut step = request
        .start(RetryPolicy::default(), Guid::from_random([7; 16]), now)
        .unwrap();
    loop {
        let next = match step {
            Step::Sign(sign) => sign.sign(),
            Step::Assert(assert) => assert.fetch(),
            Step::Exchange(exchange) => {
                let http = exchange.request();
                let form: Vec<(String, String)> = form_urlencoded::parse(http.body().as_bytes()).into_owned().collect();
                let value = |name: &str| form.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
                assert_eq!(
                    value("client_assertion_type").unwrap(),
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                );
                assert_eq!(value("client_secret"), None);
                assertions.push(value("client_assertion").unwrap());
                let (status, date, body) = responses.next().expect("more requests than responses");
                let mut response = Response::builder().status(*status);
                if !date.is_empty() {
                    response = response.header("date", *date);
                }
                exchange.respond(&response.body(Body::from((*body).to_owned())).unwrap(), now)
            }
            Step::Pause(pause) => {
                now = now.plus(Duration::from_secs(5));
                pause.resume(now)
            }
            Step::Done(_) => return (Ok(()), assertions),
        };
        step = match next {
            Ok(step) => step,
            Err(error) => return (Err(error), assertions),
        };
    }
}

fn claims(assertion: &str) -> Value {
    let part = assertion.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn certificate_signs_each_request() {
    let (outcome, assertions) = run(request(Pen { fails: false }), &[(200, "", TOKEN)]);
    outcome.unwrap();
    let (input, signature) = assertions[0].rsplit_once('.').unwrap();
    let signature = String::from_utf8(URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    assert_eq!(signature, format!("PS256 over {}", input.len()));
    assert_eq!(claims(&assertions[0])["exp"], NOW.as_secs() + 600);
}

#[test]
fn each_attempt_has_its_own_assertion() {
    let (outcome, assertions) = run(
        request(Pen { fails: false }),
        &[(503, "", ""), (503, "", ""), (200, "", TOKEN)],
    );
    outcome.unwrap();
    let [first, second, third] = [0, 1, 2].map(|at| claims(&assertions[at]));
    assert!(first["jti"] != second["jti"] && second["jti"] != third["jti"] && first["jti"] != third["jti"]);
    assert_eq!(second["iat"], NOW.as_secs() + 5);
}

#[test]
fn out_of_time_assertion_is_renewed_by_the_servers_clock() {
    let (outcome, assertions) = run(
        request(Pen { fails: false }),
        &[(401, LATER, OUT_OF_TIME), (200, "", TOKEN)],
    );
    outcome.unwrap();
    assert_eq!(claims(&assertions[1])["nbf"], NOW.as_secs() + 600);

    // The second rejection is final, and so is the first if the server sends no time.
    let (outcome, assertions) = run(
        request(Pen { fails: false }),
        &[(401, LATER, OUT_OF_TIME), (401, LATER, OUT_OF_TIME)],
    );
    assert_eq!(
        (
            outcome.unwrap_err().service().unwrap().codes.as_slice(),
            assertions.len()
        ),
        (&[700_024][..], 2)
    );
    let (outcome, assertions) = run(request(Pen { fails: false }), &[(401, "", OUT_OF_TIME)]);
    assert!(outcome.is_err() && assertions.len() == 1);
}

#[test]
fn clock_correction_persists_across_retries() {
    let responses = [(401, LATER, OUT_OF_TIME), (503, "", ""), (200, "", TOKEN)];
    let (outcome, assertions) = run(request(Pen { fails: false }), &responses);
    outcome.unwrap();
    assert_eq!(claims(&assertions[2])["iat"], NOW.as_secs() + 600 + 5);
}

#[test]
fn given_assertion_is_used_until_it_is_out_of_time() {
    let given = ClientAssertion::new("given.given.given").unwrap();
    let request = request(Pen { fails: false }).with_assertion(given);
    let (outcome, assertions) = run(request.clone(), &[(503, "", ""), (200, "", TOKEN)]);
    outcome.unwrap();
    assert_eq!(assertions, ["given.given.given", "given.given.given"]);

    let (outcome, assertions) = run(request, &[(401, LATER, OUT_OF_TIME), (200, "", TOKEN)]);
    outcome.unwrap();
    assert_eq!(assertions[0], "given.given.given");
    assert_eq!(claims(&assertions[1])["nbf"], NOW.as_secs() + 600);
}

#[test]
fn signer_failure_ends_before_anything_is_sent() {
    let (outcome, assertions) = run(request(Pen { fails: true }), &[]);
    let error = outcome.unwrap_err();
    assert!(
        error.to_string().contains("the vault is sealed") && !error.is_retryable(),
        "{error}"
    );
    assert!(assertions.is_empty());
}

#[test]
fn v1_and_ad_fs_use_rs256() {
    let credential = CertificateCredential::new(Pen { fails: false }).with_algorithm(SigningAlgorithm::Rs256);
    for request in [
        request(credential),
        on_v1(Pen { fails: false }),
        on_ad_fs(Pen { fails: false }),
    ] {
        let unsigned = request.unsigned_assertion(Guid::from_bytes([1; 16]), NOW).unwrap();
        assert_eq!(unsigned.algorithm(), SigningAlgorithm::Rs256);
        let header = unsigned.input().split(|byte| *byte == b'.').next().unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let expected = serde_json::json!({ "alg": "RS256", "typ": "JWT", "x5t": "AQEBAQEBAQEBAQEBAQEBAQEBAQE" });
        assert_eq!(header, expected);
    }
}

fn on_ad_fs(signer: impl Signer + 'static) -> TokenRequest {
    let authority: Authority = "https://adfs.contoso.com/adfs".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), signer);
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}

fn on_v1(signer: impl Signer + 'static) -> TokenRequest {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), signer)
        .with_endpoint_version(EndpointVersion::V1);
    app.client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
        .unwrap()
}

#[test]
fn federated_assertion_is_fetched_for_each_attempt() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let source = move |audience: &str| {
        assert_eq!(audience, "api://AzureADTokenExchange");
        let count = counter.fetch_add(1, Ordering::Relaxed);
        ClientAssertion::new(format!("header.claims{count}.signature"))
    };
    let responses = [(401, "", OUT_OF_TIME), (503, "", ""), (200, "", TOKEN)];
    let (outcome, assertions) = run(request(FederatedCredential::new(source)), &responses);
    outcome.unwrap();
    assert_eq!(
        assertions,
        [
            "header.claims0.signature",
            "header.claims1.signature",
            "header.claims2.signature"
        ]
    );
    assert_eq!(fetched.load(Ordering::Relaxed), 3);
}

#[test]
fn audience_of_a_federated_credential_follows_the_cloud() {
    let audience = |cloud: &str, credential: FederatedCredential| {
        let authority: Authority = format!("{cloud}/contoso.com").parse().unwrap();
        let app = Application::new(authority, Guid::from_bytes([7; 16]).into(), credential);
        let target = Target::resource("https://graph.microsoft.us").unwrap();
        let request = app.client_credentials(target).unwrap();
        let step = request
            .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
            .unwrap();
        let Step::Assert(assert) = step else { panic!("{step:?}") };
        let asked = assert.audience().to_owned();
        // The source gets the same audience.
        assert!(assert.fetch().unwrap_err().to_string().contains(&asked));
        asked
    };
    let echo = |audience: &str| Err(SignerError::new(audience).into());
    let federated = || FederatedCredential::new(echo);
    for (cloud, expected) in [
        ("https://login.microsoftonline.com", "api://AzureADTokenExchange"),
        ("https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        (
            "https://login.partner.microsoftonline.cn",
            "api://AzureADTokenExchangeChina",
        ),
    ] {
        assert_eq!(audience(cloud, federated()), expected);
        assert_eq!(audience(cloud, federated().with_audience("own")), "own");
    }
}

#[test]
fn external_signature_completes_the_assertion() {
    let step = request(Pen { fails: true })
        .start(RetryPolicy::default(), Guid::from_random([7; 16]), NOW)
        .unwrap();
    let Step::Sign(sign) = step else { panic!("{step:?}") };
    assert_eq!(sign.assertion().certificate().sha256(), &[2; 32]);
    let Step::Exchange(exchange) = sign.signed(b"from the vault") else {
        panic!()
    };
    assert!(
        exchange
            .request()
            .body()
            .as_bytes()
            .ends_with(URL_SAFE_NO_PAD.encode("from the vault").as_bytes())
    );
}

#[test]
fn assertions_match_those_of_the_official_clients() {
    let captures: Vec<Value> = serde_json::from_str(include_str!("../captures/assertions.json")).unwrap();
    for capture in &captures {
        let text = |name: &str| capture[name].as_str().unwrap();
        let names = |name: &str| {
            capture[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap())
        };
        let tenant = text("path").split('/').nth(1).unwrap();
        let authority: Authority = format!("https://login.microsoftonline.com/{tenant}").parse().unwrap();
        let version = if text("path").ends_with("/v2.0/token") {
            EndpointVersion::V2
        } else {
            EndpointVersion::V1
        };
        let mut credential =
            CertificateCredential::new(Pen { fails: false }).with_chain(names("header").any(|name| name == "x5c"));
        if text("alg") == "RS256" && names("header").any(|name| name == "x5t") {
            credential = credential.with_algorithm(SigningAlgorithm::Rs256);
        }
        let app = Application::new(authority, text("iss").parse().unwrap(), credential).with_endpoint_version(version);
        let request = app
            .client_credentials(Target::resource("https://graph.microsoft.com").unwrap())
            .unwrap();
        let unsigned = request.unsigned_assertion(Guid::from_bytes([1; 16]), NOW).unwrap();
        let jwt = String::from_utf8(unsigned.input().to_vec()).unwrap();
        let part = |at: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).unwrap()).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        for name in ["aud", "iss", "sub"] {
            assert_eq!(claims[name], text(name), "{capture}");
        }
        // Every claim of theirs is also one of ours. `iat` and `nbf` are always in ours.
        for name in names("claims") {
            assert!(claims.get(name).is_some(), "{name}: {capture}");
        }
        let lifetime = claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap();
        assert_eq!(Some(lifetime as f64), capture["lifetime"].as_f64(), "{capture}");
        // The test's certificate has no chain to send. Its thumbprint has the same name as theirs.
        for name in names("header").filter(|name| !matches!(*name, "typ" | "x5c" | "kid")) {
            assert!(header.get(name).is_some(), "{name}: {header} {capture}");
        }
    }
    assert_eq!(captures.len(), 19);
}

/// The sample of the "Get started" document of the Office 365 Management APIs.
const DOCUMENTED: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsIng1dCI6Ill5ZnNoSkMzclBRLWtwR281ZFVhaVk1dDNpVSJ9.eyJhdWQiOiJodHRwczpcL1wvbG9naW4",
    "ud2luZG93cy5uZXRcLzQxNDYzZjUzLTg4MTItNDBmNC04OTBmLTg2NWJmNmUzNTE5MFwvb2F1dGgyXC90b2tlbiIsImV4cCI6MTQ",
    "yNzI0ODY0OCwiaXNzIjoiYTYwOTk3MjctNmI3Yi00ODJjLWI1MDktMWRmMzA5YWNjNTYzIiwianRpIjoiMGNlMjU0YzQtODFiMS0",
    "0YTJlLTg0MzYtOWE4YzNiNDlkZmI5IiwibmJmIjoxNDI3MjQ4MDQ4LCJzdWIiOiJhNjA5OTcyNy02YjdiLTQ4MmMtYjUwOS0xZGY",
    "zMDlhY2M1NjMifQ.vfDrmCjiXgoj2JrTkwyOpr-NOeQTzlXQcGlKGNpLLe0oh4Zvjdcim5C7E0UbI3Z2yb9uKQdx9G7GeqS-gVc9",
    "kNV_XSSNP4wEQj3iYNKpf_JD2ikUVIWBkOg41BiTuknRJAYOMjiuBE2a6Wyk-vPCs_JMd7Sr-N3LiNZ-TjluuVzWHfok_HWz_wH8",
    "AzdoMF3S0HtrjNd9Ld5eI7MVMt4OTpRfh-Syofi7Ow0HN07nKT5FYeC_ThBpGiIoODnMQQtDA2tM7D3D6OlLQRgLfI8ir73PVXWL",
    "7V7Zj2RcOiooIeXx38dvuSwYreJYtdphmrDBZ2ehqtduzUZhaHL1iDvLlw",
);

#[test]
fn documented_assertion_has_the_documented_claims() {
    let assertion = UnverifiedClaims::decode(DOCUMENTED).unwrap();
    let header: Vec<_> = assertion
        .header()
        .map(|(name, value)| (name, value.as_str().unwrap()))
        .collect();
    assert_eq!(header, [("alg", "RS256"), ("x5t", "YyfshJC3rPQ-kpGo5dUaiY5t3iU")]);
    let application = "a6099727-6b7b-482c-b509-1df309acc563";
    assert_eq!(
        assertion.audience(),
        Some("https://login.windows.net/41463f53-8812-40f4-890f-865bf6e35190/oauth2/token")
    );
    assert_eq!(
        (assertion.issuer(), assertion.get("sub")),
        (Some(application), Some(&application.into()))
    );
    assert_eq!(assertion.expires_at(), Some(Timestamp::from_secs(1_427_248_648)));
    assert_eq!(assertion.not_before(), Some(Timestamp::from_secs(1_427_248_048)));
    assert_eq!(
        assertion.get("jti"),
        Some(&"0ce254c4-81b1-4a2e-8436-9a8c3b49dfb9".into())
    );
    assert_eq!(
        URL_SAFE_NO_PAD
            .decode(DOCUMENTED.rsplit('.').next().unwrap())
            .unwrap()
            .len(),
        256
    );
}

#[test]
fn secret_and_assertion_are_never_sent_together() {
    let request = request(entra_proto::ClientSecret::new("s").unwrap());
    let http = request
        .with_assertion(ClientAssertion::new("a.b.c").unwrap())
        .encode(Guid::from_bytes([1; 16]));
    let body = std::str::from_utf8(http.body().as_bytes()).unwrap();
    assert!(
        body.contains("client_secret=s") && !body.contains("client_assertion"),
        "{body}"
    );
}
