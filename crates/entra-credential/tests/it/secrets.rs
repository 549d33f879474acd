//! Passwords and keys never come out in what is printed.

use entra_credential::{CertificateBundle, ClientCertificate, Error, FederatedTokenFile, RotatingCertificate};
use entra_proto::assertion::{Signer, SigningAlgorithm};
use entra_proto::{Guid, Timestamp};

#[test]
fn no_password_and_no_key_is_shown() {
    let mut shown = Vec::new();
    let mut show = |read: Result<ClientCertificate, Error>| match read {
        Ok(certificate) => {
            let rotating = RotatingCertificate::new(certificate.clone());
            shown.push(format!(
                "{certificate:?} {certificate:#?} {rotating:?} {:?}",
                certificate.certificate()
            ));
            shown.push(format!(
                "{:?} {:?}",
                certificate.thumbprints(),
                certificate.warnings(certificate.not_after())
            ));
            shown.push(format!("{:?}", certificate.key_credential(Guid::from_bytes([1; 16]))));
            let other = ClientCertificate::from_pem(OTHER, None).unwrap();
            let rejected = rotating.sign(&other.certificate(), SigningAlgorithm::Ps256, b"canary-input");
            shown.push(format!("{rejected:?}"));
        }
        Err(error) => shown.push(format!("{error} {error:?} {error:#?}")),
    };
    let encrypted = include_str!("../vectors/pem/encrypted_aes256.pem");
    for password in [None, Some("secret"), Some(PASSWORD)] {
        show(ClientCertificate::from_pem(encrypted, password));
        show(ClientCertificate::from_pem(PKCS8, password));
        show(ClientCertificate::from_pem(
            PKCS8.replace("CERTIFICATE", "OTHER"),
            password,
        ));
        show(ClientCertificate::from_pem(format!("{PKCS8}{OTHER}"), password));
        show(ClientCertificate::from_pem(&PKCS8[..PKCS8.len() - 40], password));
        show(ClientCertificate::from_pem(PKCS8.replacen("MII", "M!I", 1), password));
        show(ClientCertificate::from_pem(
            include_str!("../vectors/pem/rsa1024.pem"),
            password,
        ));
        show(ClientCertificate::from_pem(
            include_str!("../vectors/pem/proc_type.pem"),
            password,
        ));
        for pfx in [
            &include_bytes!("../vectors/pfx/pyca.pfx")[..],
            include_bytes!("../vectors/pfx/ec.pfx"),
            include_bytes!("../vectors/pfx/keyonly.pfx"),
            include_bytes!("../vectors/pfx/flip_middle.pfx"),
            include_bytes!("../vectors/pfx/pbmac1_256.pfx"),
            include_bytes!("../vectors/pfx/plain_nomac.pfx"),
        ] {
            show(ClientCertificate::from_pfx(pfx, password));
        }
    }
    for bytes in [PKCS8.as_bytes(), encrypted.as_bytes(), &PKCS8.as_bytes()[..900]] {
        for password in [None, Some(PASSWORD)] {
            let read = CertificateBundle::read(bytes, password);
            shown.push(format!("{read:?}"));
            let certificate = read.and_then(|bundle| bundle.certificate(Timestamp::default()));
            shown.push(format!("{certificate:?}"));
        }
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("canary");
    for text in ["canary.canary.canary", "canary-token"] {
        std::fs::write(&path, text).unwrap();
        let file = FederatedTokenFile::new(&path);
        shown.push(format!("{file:?} {:?}", file.assertion()).replace(&path.display().to_string(), ""));
    }
    std::fs::remove_file(&path).unwrap();

    assert!(shown.len() > 40);
    let keys = [PKCS8, OTHER, encrypted].map(|pem| pem.lines().nth(12).unwrap().get(..24).unwrap());
    for text in shown {
        for canary in keys.iter().chain(&["canary", PASSWORD]) {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
}

const PASSWORD: &str = "canary-password";
const PKCS8: &str = include_str!("../vectors/pem/pkcs8.pem");
const OTHER: &str = include_str!("../vectors/pem/other.pem");
