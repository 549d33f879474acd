//! Signatures, verified by another library.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_credential::{ClientCertificate, RotatingCertificate};
use entra_proto::assertion::{Signer, SigningAlgorithm, SigningCertificate};
use jsonwebtoken::crypto::verify;
use jsonwebtoken::{Algorithm, DecodingKey};

type Report = entra_proto::report::ReportFor<entra_credential::Errors>;

#[test]
fn signatures_verify_with_another_library() {
    for pem in [PKCS8, OTHER, RSA4096] {
        let certificate = ClientCertificate::from_pem(pem, None).unwrap();
        for (algorithm, theirs) in ALGORITHMS {
            let signature = certificate.sign(&certificate.certificate(), algorithm, INPUT).unwrap();
            assert_eq!(signature.len() * 8, certificate.key_bits());
            assert!(is_sound(&certificate, theirs, INPUT, &signature));
            assert!(!is_sound(&certificate, theirs, b"something else", &signature));
        }
    }
}

#[test]
fn the_two_paddings_are_distinguished() {
    let certificate = ClientCertificate::from_pem(PKCS8, None).unwrap();
    let of = |algorithm| certificate.sign(&certificate.certificate(), algorithm, INPUT).unwrap();
    assert!(!is_sound(
        &certificate,
        Algorithm::RS256,
        INPUT,
        &of(SigningAlgorithm::Ps256)
    ));
    assert!(!is_sound(
        &certificate,
        Algorithm::PS256,
        INPUT,
        &of(SigningAlgorithm::Rs256)
    ));
    assert_eq!(of(SigningAlgorithm::Rs256), of(SigningAlgorithm::Rs256));
    assert_ne!(
        of(SigningAlgorithm::Ps256),
        of(SigningAlgorithm::Ps256),
        "its salt is fresh each time"
    );
}

#[test]
#[cfg(feature = "pfx")]
fn a_key_from_a_pfx_file_signs_too() {
    for bytes in [
        &include_bytes!("../vectors/pfx/legacy_rc2.pfx")[..],
        include_bytes!("../vectors/pfx/pyca.pfx"),
        include_bytes!("../vectors/pfx/chain3.pfx"),
    ] {
        let certificate = ClientCertificate::from_pfx(bytes, Some("secret")).unwrap();
        let signature = certificate
            .sign(&certificate.certificate(), SigningAlgorithm::Ps256, INPUT)
            .unwrap();
        assert!(is_sound(&certificate, Algorithm::PS256, INPUT, &signature));
    }
}

#[test]
fn assertion_header_names_its_certificate() {
    let certificate = ClientCertificate::from_pem(PKCS8, None).unwrap();
    let signing = certificate.certificate();
    assert_eq!(signing.sha1(), certificate.thumbprints().sha1());
    assert_eq!(signing.sha256(), certificate.thumbprints().sha256());
    assert_eq!(signing.chain().next(), Some(certificate.der()));
    // A signature belongs to the certificate in the header, or signing fails.
    let other = ClientCertificate::from_pem(OTHER, None).unwrap();
    let error = certificate
        .sign(&other.certificate(), SigningAlgorithm::Ps256, INPUT)
        .unwrap_err();
    assert!(error.to_string().contains("another certificate"), "{error}");
}

#[test]
fn replacement_is_used_from_the_next_assertion() {
    let [first, second, third] = [PKCS8, OTHER, RSA4096].map(|pem| ClientCertificate::from_pem(pem, None).unwrap());
    let rotating = RotatingCertificate::new(first.clone());
    let signer: Box<dyn Signer> = Box::new(rotating.clone());
    let signed_by = |certificate: &SigningCertificate, expected: &ClientCertificate| {
        let signature = signer.sign(certificate, SigningAlgorithm::Ps256, INPUT).unwrap();
        assert!(is_sound(expected, Algorithm::PS256, INPUT, &signature));
    };

    let begun = signer.certificate();
    signed_by(&begun, &first);
    rotating.replace(second.clone());
    // What was begun with the old one is finished with the old one.
    signed_by(&begun, &first);
    signed_by(&signer.certificate(), &second);
    assert_eq!(signer.certificate(), second.certificate());

    // The same file read again pushes nothing out.
    rotating.replace(ClientCertificate::from_pem(OTHER, None).unwrap());
    signed_by(&begun, &first);

    rotating.replace(third.clone());
    signed_by(&second.certificate(), &second);
    signed_by(&signer.certificate(), &third);
    let error = signer.sign(&begun, SigningAlgorithm::Ps256, INPUT).unwrap_err();
    assert!(format!("{:#}", Report::of(&error)).contains("begin again"), "{error}");
}

#[test]
fn threads_sign_while_the_certificate_is_replaced() {
    let certificates = [PKCS8, OTHER].map(|pem| ClientCertificate::from_pem(pem, None).unwrap());
    let rotating = RotatingCertificate::new(certificates[0].clone());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let certificate = rotating.certificate();
                    let signature = rotating.sign(&certificate, SigningAlgorithm::Rs256, INPUT).unwrap();
                    let expected = certificates.iter().find(|it| it.certificate() == certificate).unwrap();
                    assert!(is_sound(expected, Algorithm::RS256, INPUT, &signature));
                }
            });
        }
        // Back and forth between two: both are always there.
        for turn in 0..40 {
            rotating.replace(certificates[turn % 2].clone());
        }
    });
}

#[test]
#[cfg(feature = "aws-lc-rs")]
fn signature_needs_one_extra_allocation() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeyPair;
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
    use base64::engine::general_purpose::STANDARD;

    let certificate = ClientCertificate::from_pem(PKCS8, None).unwrap();
    let signing = certificate.certificate();
    let body: String = PKCS8
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    let bare = KeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
    let mut signature = vec![0; 256];
    for (algorithm, encoding) in [
        (SigningAlgorithm::Ps256, &RSA_PSS_SHA256),
        (SigningAlgorithm::Rs256, &RSA_PKCS1_SHA256),
    ] {
        let alone = allocation_counter::measure(|| {
            bare.sign(encoding, &SystemRandom::new(), INPUT, &mut signature)
                .unwrap();
        });
        let ours = allocation_counter::measure(|| {
            signature = certificate.sign(&signing, algorithm, INPUT).unwrap();
        });
        let beside = ours.count_total - alone.count_total;
        assert_eq!(beside, 1, "the signature itself ({algorithm:?})");
    }
    let made = allocation_counter::measure(|| drop(certificate.certificate()));
    assert_eq!(made.count_total, 0);
}

fn is_sound(certificate: &ClientCertificate, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
    let (modulus, exponent) = public_numbers(certificate);
    let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    verify(&URL_SAFE_NO_PAD.encode(signature), input, &key, algorithm).unwrap()
}

/// Modulus and exponent in the DER of a certificate: behind the algorithm's identifier, the bit
/// string and its sequence.
fn public_numbers(certificate: &ClientCertificate) -> (Vec<u8>, Vec<u8>) {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0, 3, 0x82];
    let der = certificate.der();
    let at = der.windows(RSA.len()).position(|it| it == RSA).expect("an RSA key") + RSA.len() + 2 + 1 + 4;
    let bytes = certificate.key_bits() / 8;
    let modulus = at + 4 + 1;
    let exponent = modulus + bytes + 2;
    (
        der[modulus..modulus + bytes].to_vec(),
        der[exponent..exponent + 3].to_vec(),
    )
}

const INPUT: &[u8] = b"eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJhIn0";
const ALGORITHMS: [(SigningAlgorithm, Algorithm); 2] = [
    (SigningAlgorithm::Ps256, Algorithm::PS256),
    (SigningAlgorithm::Rs256, Algorithm::RS256),
];
const PKCS8: &str = include_str!("../vectors/pem/pkcs8.pem");
const OTHER: &str = include_str!("../vectors/pem/other.pem");
const RSA4096: &str = include_str!("../vectors/pem/rsa4096.pem");
