//! A daemon that proves itself with a certificate, over every transport, on v1 and on v2; and each
//! way in which that goes wrong.

use std::time::Duration;

use entra_credential::{ClientCertificate, RotatingCertificate};
use entra_emulator::{App, Emulator};
use entra_proto::assertion::{
    AssertionAudience, CertificateCredential, Signer, SignerError, SigningAlgorithm, SigningCertificate,
};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::ErrorClass;
use entra_proto::{Application, ClientCredential, EndpointVersion, Error, Target};
use entra_tests::{application, call, carriers};
use entra_transport::AcquireError;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

const GRAPH: &str = "https://graph.microsoft.com";

/// A fresh key with its certificate, and the certificate alone, in PEM.
fn certificate() -> (ClientCertificate, String) {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let pem = CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    (
        ClientCertificate::from_pem(format!("{pem}{}", key.serialize_pem()), None).unwrap(),
        pem,
    )
}

/// An emulator whose "daemon" has a secret and these certificates.
fn emulator(certificates: &[&str]) -> Emulator {
    let app = App::new("daemon")
        .secret("also a secret")
        .grant(Emulator::GRAPH, "User.Read.All");
    Emulator::builder()
        .app(certificates.iter().fold(app, |app, pem| app.certificate_pem(*pem)))
        .tls()
        .start()
}

/// The daemon of this emulator, with this credential.
fn daemon(emulator: &Emulator, credential: impl Into<ClientCredential>) -> Application {
    let secret = application(emulator, "daemon");
    Application::new(secret.authority().clone(), secret.client_id(), credential)
}

fn refusal(error: AcquireError) -> (u16, Vec<u32>, ErrorClass) {
    match error {
        AcquireError::Protocol(Error::Service(error)) => (error.status, error.codes.clone(), error.class()),
        other => panic!("{other}"),
    }
}

#[test]
fn certificate_gets_a_token_that_the_api_accepts() {
    let (certificate, pem) = certificate();
    let emulator = emulator(&[&pem]);
    let plain = CertificateCredential::new(certificate);
    let credentials = [
        plain.clone(),
        plain.clone().with_chain(true),
        plain.clone().with_algorithm(SigningAlgorithm::Rs256),
        plain.with_algorithm(SigningAlgorithm::Ps256),
    ];
    for carrier in carriers(emulator.ca_pem()) {
        for version in [EndpointVersion::V1, EndpointVersion::V2] {
            for credential in &credentials {
                let app = daemon(&emulator, credential.clone()).with_endpoint_version(version);
                let request = app.client_credentials(Target::resource(GRAPH).unwrap()).unwrap();
                let token = carrier
                    .acquire(request)
                    .unwrap_or_else(|error| panic!("{} {version:?}: {error}", carrier.name()));
                let claims = UnverifiedClaims::decode(token.access_token.expose()).unwrap();
                assert_eq!(claims.get("appidacr"), Some(&"2".into()));
                let url = format!("{}/v1.0/users", emulator.tls_url().unwrap());
                assert_eq!(call(&*carrier, &url, &token.access_token).0, 200);
            }
        }
    }
    let lints: Vec<_> = emulator
        .requests()
        .into_iter()
        .flat_map(|request| request.lints)
        .collect();
    // PS256 goes with the thumbprint of SHA-256, and RS256 with that of SHA-1, so there is nothing
    // to find.
    assert!(lints.is_empty(), "{lints:?}");
}

#[test]
fn unregistered_certificate_is_rejected() {
    let ((stranger, _), (_, registered)) = (certificate(), certificate());
    let emulator = emulator(&[&registered]);
    for carrier in carriers(emulator.ca_pem()) {
        let request = daemon(&emulator, stranger.clone())
            .client_credentials(Target::resource(GRAPH).unwrap())
            .unwrap();
        let (status, codes, class) = refusal(carrier.acquire(request).unwrap_err());
        assert_eq!(
            (status, codes.as_slice(), class),
            (401, &[700_027][..], ErrorClass::Credential)
        );
    }
}

#[test]
fn assertion_for_another_audience_is_rejected() {
    let (certificate, pem) = certificate();
    let emulator = emulator(&[&pem]);
    let credential = CertificateCredential::new(certificate)
        .with_audience(AssertionAudience::Custom("https://elsewhere.example".into()));
    for carrier in carriers(emulator.ca_pem()) {
        let request = daemon(&emulator, credential.clone())
            .client_credentials(Target::resource(GRAPH).unwrap())
            .unwrap();
        let (_, codes, class) = refusal(carrier.acquire(request).unwrap_err());
        assert_eq!((codes.as_slice(), class), (&[700_023][..], ErrorClass::Credential));
    }
}

#[test]
fn wrong_clock_is_corrected_by_the_server_time() {
    let (certificate, pem) = certificate();
    for (back, by) in [(false, 1200), (true, 1200), (false, 86_400)] {
        let emulator = emulator(&[&pem]);
        let now = emulator.clock().now();
        let by = Duration::from_secs(by);
        emulator.clock().set(if back { now - by } else { now + by });
        for carrier in carriers(emulator.ca_pem()) {
            emulator.clear_requests();
            let request = daemon(&emulator, certificate.clone())
                .client_credentials(Target::resource(GRAPH).unwrap())
                .unwrap();
            carrier
                .acquire(request)
                .unwrap_or_else(|error| panic!("{}: {error}", carrier.name()));
            let codes: Vec<_> = emulator.token_requests().iter().map(|request| request.aadsts).collect();
            assert_eq!(codes, [Some(700_024), None], "{}", carrier.name());
        }
    }
}

#[test]
fn a_certificate_is_replaced_while_the_client_runs() {
    let ((old, old_pem), (new, new_pem)) = (certificate(), certificate());
    let emulator = emulator(&[&old_pem, &new_pem]);
    let rotating = RotatingCertificate::new(old.clone());
    let app = daemon(&emulator, rotating.clone());
    for carrier in carriers(emulator.ca_pem()) {
        for current in [&old, &new] {
            rotating.replace(current.clone());
            carrier
                .acquire(app.client_credentials(Target::resource(GRAPH).unwrap()).unwrap())
                .unwrap();
            let requests = emulator.token_requests();
            let jwt = requests.last().unwrap().form_value("client_assertion").unwrap();
            let thumbprint = UnverifiedClaims::decode(jwt).unwrap();
            let thumbprint = thumbprint
                .header()
                .find(|member| member.0 == "x5t#S256")
                .unwrap()
                .1
                .clone();
            assert_eq!(thumbprint, current.thumbprints().x5t_s256(), "{}", carrier.name());
        }
    }
}

#[test]
fn no_assertion_is_sent_twice() {
    let (certificate, pem) = certificate();
    let app = App::new("daemon").secret("also a secret").certificate_pem(pem.as_str());
    let emulator = Emulator::builder().app(app).reject_replayed_assertions().tls().start();
    for carrier in carriers(emulator.ca_pem()) {
        for _ in 0..3 {
            emulator.fault(entra_emulator::Fault::status(503));
            let request = daemon(&emulator, certificate.clone())
                .client_credentials(Target::resource(GRAPH).unwrap())
                .unwrap();
            carrier.acquire(request).unwrap();
        }
    }
}

#[test]
fn a_vault_that_is_sealed_sends_nothing() {
    struct Sealed(ClientCertificate);
    impl Signer for Sealed {
        fn certificate(&self) -> SigningCertificate {
            self.0.certificate()
        }

        fn sign(&self, _: &SigningCertificate, _: SigningAlgorithm, _: &[u8]) -> Result<Vec<u8>, SignerError> {
            Err(SignerError::new("the vault is sealed"))
        }
    }
    let (certificate, pem) = certificate();
    let emulator = emulator(&[&pem]);
    for carrier in carriers(emulator.ca_pem()) {
        let request = daemon(&emulator, Sealed(certificate.clone()))
            .client_credentials(Target::resource(GRAPH).unwrap())
            .unwrap();
        assert!(
            carrier
                .acquire(request)
                .unwrap_err()
                .to_string()
                .contains("the vault is sealed")
        );
    }
    assert_eq!(emulator.request_count(), 0);
}
