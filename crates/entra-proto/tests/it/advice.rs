//! Hints that match the credential in use.

use std::sync::Arc;

use entra_proto::assertion::{
    CertificateCredential, ClientAssertion, FederatedCredential, Signer, SignerError, SigningAlgorithm,
    SigningCertificate,
};
use entra_proto::report::Report;
use entra_proto::{Application, Authority, Body, ClientCredential, ClientSecret, Error, Guid, Target, Timestamp};
use http::Response;

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

struct Unused;

impl Signer for Unused {
    fn certificate(&self) -> SigningCertificate {
        SigningCertificate::new([1; 20], [2; 32], Vec::new())
    }

    fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(vec![0; 256])
    }
}

fn credentials() -> [(&'static str, ClientCredential); 5] {
    let federated = |_: &str| -> Result<ClientAssertion, Error> { ClientAssertion::new("a.b.c") };
    let id = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    [
        ("secret", ClientSecret::new("qWgdYAmab0YSkuL1qKv5bPX").unwrap().into()),
        ("secret id", ClientSecret::new(id).unwrap().into()),
        (
            "certificate",
            CertificateCredential::from(Arc::new(Unused) as Arc<dyn Signer>).into(),
        ),
        ("assertion", ClientAssertion::new("a.b.c").unwrap().into()),
        ("federated", FederatedCredential::new(federated).into()),
    ]
}

/// Returns the hint of the error with this body, for an application with this credential.
fn hint(credential: ClientCredential, body: &str) -> String {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), credential);
    let target = Target::resource("https://graph.microsoft.com").unwrap();
    let response = Response::builder()
        .status(401)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let request = app.client_credentials(target).unwrap();
    let error = request.decode(&response, NOW).unwrap_err();
    error.service().unwrap().hint().unwrap().to_owned()
}

#[test]
fn hint_matches_the_credential() {
    for (name, credential) in credentials() {
        for body in [
            r#"{"error":"invalid_client","error_description":"AADSTS700211: No matching record. Trace ID: t"}"#,
            r#"{"error":"invalid_client","error_codes":[700219]}"#,
            r#"{"error":"invalid_client","error_codes":[70002]}"#,
            r#"{"error":"invalid_client","error_codes":[7000215]}"#,
            r#"{"error":"invalid_client","error_codes":[700027]}"#,
            r#"{"error":"invalid_client","error_codes":[9999999]}"#,
            r#"{"error":"invalid_client"}"#,
        ] {
            let hint = hint(credential.clone(), body);
            match name {
                "federated" => {
                    assert!(
                        !hint.contains("secret") && !hint.contains("register the certificate"),
                        "{body} {hint}"
                    );
                    assert!(hint.contains("federated") || hint.contains("issuer"), "{body} {hint}");
                }
                "certificate" | "assertion" => assert!(!hint.contains("secret"), "{body} {hint}"),
                _ => assert!(!hint.contains("certificate"), "{body} {hint}"),
            }
        }
    }
}

#[test]
fn guid_sent_as_the_secret_is_named() {
    for (name, credential) in credentials() {
        let hint = hint(credential, r#"{"error":"invalid_client","error_codes":[7000215]}"#);
        assert_eq!(hint.contains("GUID"), name == "secret id", "{name} {hint}");
    }
}

#[test]
fn device_flow_hint_names_public_client_flows() {
    let authority: Authority = "https://login.microsoftonline.com/contoso.com".parse().unwrap();
    let app = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), ClientCredential::Public);
    let start = app.device_code(Target::scopes("User.Read").unwrap()).unwrap();
    let rejection = || {
        let body = r#"{"error":"invalid_client","error_codes":[7000218]}"#;
        Response::builder()
            .status(401)
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let codes = r#"{"device_code":"d","user_code":"u","verification_uri":"https://a.example"}"#;
    let codes = start.decode(&Response::new(Body::from(codes.to_owned())), NOW).unwrap();
    for error in [
        start.decode(&rejection(), NOW).unwrap_err(),
        start.poll(&codes).unwrap().decode(&rejection(), NOW).unwrap_err(),
    ] {
        assert!(
            format!("{:#}", Report::of(&error)).contains("Allow public client flows"),
            "{error}"
        );
    }
}
