//! Assertions of a certificate, where other clients were seen to get them wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::peers::{TOKEN, graph, runtime};
use entra_client::{Client, Policy};
use entra_credential::ClientCertificate;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Application, Guid, Target};
use entra_transport::{Body, Request, Response, transport_fn};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;

// azure_identity: PFX only, OpenSSL, RSA RS256, padded thumbprints, x5c of the PEM text;
// graph-oauth: the same jti twice, times as strings, the audience of the public cloud always.
#[test]
fn a_certificate_makes_clean_assertions() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let pem = CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap()
        .pem();
    let certificate = ClientCertificate::from_pem(format!("{}{pem}", key.serialize_pem()), None).unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let transport = transport_fn({
        let seen = Arc::clone(&seen);
        move |request: Request| {
            let form = String::from_utf8(request.body().as_bytes().to_vec()).unwrap();
            let jwt = form
                .split("client_assertion=")
                .nth(1)
                .unwrap()
                .split('&')
                .next()
                .unwrap()
                .to_owned();
            seen.lock().unwrap().push((request.uri().to_string(), jwt));
            async { Ok(Response::new(Body::from(TOKEN.to_owned()))) }
        }
    });
    let mut policy = Policy::default();
    policy.assertion_margin = None;
    let authority = "https://login.microsoftonline.us/contoso.com".parse().unwrap();
    let application = Application::new(authority, Guid::from_bytes([0xaa; 16]).into(), certificate);
    let client = Client::builder(application, transport).policy(policy).build().unwrap();
    runtime().block_on(async {
        client.token(&graph()).await.unwrap();
        client
            .token(&Target::resource("https://b.example").unwrap())
            .await
            .unwrap();
    });
    let seen = seen.lock().unwrap();
    let claims: Vec<_> = seen
        .iter()
        .map(|(_, jwt)| UnverifiedClaims::decode(jwt).unwrap())
        .collect();
    assert_ne!(claims[0].get("jti"), claims[1].get("jti"));
    let header: BTreeMap<&str, &Value> = claims[0].header().collect();
    assert_eq!(
        (header["alg"], header["typ"]),
        (&Value::from("PS256"), &Value::from("JWT"))
    );
    let thumbprint = header["x5t#S256"].as_str().unwrap();
    assert!(
        thumbprint.len() == 43 && !thumbprint.contains(['=', '+', '/']),
        "{thumbprint}"
    );
    assert_eq!(header.len(), 3, "no chain where none is asked for");
    for ((url, _), claims) in seen.iter().zip(&claims) {
        assert_eq!(claims.get("aud").unwrap().as_str(), Some(url.as_str()));
        for time in ["exp", "nbf", "iat"] {
            assert!(claims.get(time).unwrap().is_u64(), "{time}");
        }
    }
}
