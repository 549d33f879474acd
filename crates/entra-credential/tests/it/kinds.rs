//! Files that are no credential are named, in every form that they come in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_credential::{CertificateBundle, ClientCertificate, Error};
use entra_proto::{Guid, Timestamp};

type Report = entra_proto::report::ReportFor<entra_credential::Errors>;

#[test]
fn other_kinds_of_files_are_named() {
    for (der, named) in [
        (&include_bytes!("../vectors/der/request.der")[..], "CSR"),
        (include_bytes!("../vectors/der/crl.der"), "CRL"),
        (include_bytes!("../vectors/der/pkcs7.der"), "PKCS#7"),
        (include_bytes!("../vectors/der/spki.der"), "public key"),
        (include_bytes!("../vectors/der/pkcs1_public.der"), "public key"),
        (include_bytes!("../vectors/der/dsa_pkcs8.der"), "DSA"),
        (include_bytes!("../vectors/der/dsa.der"), "DSA"),
    ] {
        let body = STANDARD.encode(der);
        let certutil = format!("-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\n");
        for bytes in [der, body.as_bytes(), certutil.as_bytes()] {
            let error = ClientCertificate::read(bytes, None).unwrap_err();
            assert!(format!("{:#}", Report::of(&error)).contains(named), "{named}: {error}");
        }
    }
    for (bytes, named) in [
        (&b"\xfe\xed\xfe\xed\0\0\0\x02"[..], "JKS"),
        (b"ssh-rsa AAAAB3NzaC1yc2E= me@home", "SSH"),
        (b"PuTTY-User-Key-File-3: ssh-rsa\n", "PuTTY"),
        (b"{\"kty\": \"RSA\"}", "JWK"),
        (b"{\"d\": \"ENC[AES256_GCM,data:A]\"}", "SOPS"),
        (b"<RSAKeyValue><Modulus>AQ==</Modulus></RSAKeyValue>", "key in XML"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"H4sIAAAAAAAAA0vOL0gFAKMAAAA=", "gzip"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n3636", "Ansible"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (
            b"@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/s)",
            "Key Vault",
        ),
        (b"${CERTIFICATE}\n", "not replaced"),
        (b"***", "masked"),
        (b"eyJhbGciOiJub25lIn0.e30.", "token"),
        (b"84848484 84848484 84848484 84848484 84848484\r\n", "thumbprint"),
        (&b"30820A0102010330"[..].repeat(9), "numbers"),
        (&b"48, 130, 10, 1, 2, 1, 3, "[..].repeat(9), "numbers"),
        (&b"48-82-0A-01-02-"[..].repeat(9), "numbers"),
        (b"{\"value\": \"MIIK\"}", "az keyvault"),
        (b"daemon.pem", "neither PEM nor PFX"),
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"\0\0\0\0CERT", "SST"),
        (b"\x1e\xf1\xb5\xb0\0\0", "PVK"),
    ] {
        let error = ClientCertificate::read(bytes, None).unwrap_err();
        assert!(format!("{:#}", Report::of(&error)).contains(named), "{named}: {error}");
    }
}

#[test]
fn unrelated_contents_are_ignored() {
    let section = |label: &str, der: &[u8]| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    };
    for extra in [
        section("PUBLIC KEY", include_bytes!("../vectors/der/spki.der")),
        section("CERTIFICATE REQUEST", include_bytes!("../vectors/der/request.der")),
        section("PKCS7", include_bytes!("../vectors/der/pkcs7.der")),
        section("X509 CRL", include_bytes!("../vectors/der/crl.der")),
        "-----BEGIN DH PARAMETERS-----\n!\n-----END DH PARAMETERS-----\n".to_owned(),
    ] {
        assert!(ClientCertificate::read(format!("{extra}{PKCS8}").as_bytes(), None).is_ok());
    }
}

#[test]
fn certificate_without_its_key_is_read_in_every_form() {
    let der = ClientCertificate::read(PKCS8.as_bytes(), None).unwrap().der().to_vec();
    let body = STANDARD.encode(&der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    #[cfg(feature = "pfx")]
    let sealed = include_str!("../vectors/pem/encrypted_aes256.pem");
    for bytes in [
        der.as_slice(),
        pem.as_bytes(),
        body.as_bytes(),
        pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE").as_bytes(),
        PKCS8.as_bytes(),
        #[cfg(feature = "pfx")]
        sealed.as_bytes(),
    ] {
        let bundle = CertificateBundle::read(bytes, None).unwrap();
        let certificate = bundle.certificate(NOW).unwrap();
        assert_eq!(certificate.der(), der);
        assert_eq!((certificate.key_bits(), certificate.key_type()), (Some(2048), "RSA"));
        assert_eq!(certificate.subject(), "CN=daemon, O=Contoso, C=US");
        assert_eq!(certificate.key_credential(Guid::from_bytes([1; 16])).key(), body);
        assert_eq!(
            bundle.has_private_key(),
            bytes.windows(11).any(|it| it == b"PRIVATE KEY")
        );
    }
    let bundle = CertificateBundle::read(pem.as_bytes(), None).unwrap();
    assert!(matches!(bundle.client_certificate(NOW), Err(Error::KeyMissing)));
    #[cfg(feature = "pfx")]
    {
        let bundle = CertificateBundle::read(sealed.as_bytes(), None).unwrap();
        assert!(matches!(bundle.client_certificate(NOW), Err(Error::PasswordNeeded)));
    }
}

#[test]
fn key_and_certificate_may_be_two_files() {
    let (key, certificate) = PKCS8.split_at(PKCS8.find("-----BEGIN CERTIFICATE").unwrap());
    let (other_key, _) = OTHER.split_at(OTHER.find("-----BEGIN CERTIFICATE").unwrap());
    for (first, second) in [(certificate, key), (key, certificate), (PKCS8, key)] {
        let bundle = CertificateBundle::read(first.as_bytes(), None).unwrap();
        let bundle = bundle.join(CertificateBundle::read(second.as_bytes(), None).unwrap());
        let read = bundle.client_certificate(NOW).unwrap();
        assert_eq!(read.subject(), "CN=daemon, O=Contoso, C=US");
    }
    let bundle = CertificateBundle::read(certificate.as_bytes(), None).unwrap();
    let bundle = bundle.join(CertificateBundle::read(other_key.as_bytes(), None).unwrap());
    assert!(matches!(bundle.client_certificate(NOW), Err(Error::KeyMismatch)));
    assert_eq!(
        format!("{bundle:?}"),
        "CertificateBundle(1 certificates, 1 private keys)"
    );
}

#[test]
fn base64_among_other_text_is_read() {
    let (key, certificate) = PKCS8.split_at(PKCS8.find("-----BEGIN CERTIFICATE").unwrap());
    let (key, certificate) = (STANDARD.encode(key), STANDARD.encode(certificate));
    let whole = STANDARD.encode(PKCS8);
    let wrapped = whole
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect::<Vec<_>>()
        .join("\\n");
    for text in [
        format!("apiVersion: v1\nkind: Secret\ndata:\n  tls.crt: {certificate}\n  tls.key: {key}\n"),
        format!("{{\"tls.key\": \"{key}\", \"tls.crt\": \"{certificate}\"}}"),
        format!("{{\n  \"contentType\": \"application/x-pem-file\",\n  \"value\": \"{whole}\"\n}}"),
        format!(
            "{{\"value\": \"{wrapped}\\n\", \"id\": \"https://vault.example/secrets/{}\"}}",
            "a".repeat(300)
        ),
        format!("CERTIFICATE {whole}\n").replace('=', ""),
        format!("export CERTIFICATE={whole}\nTENANT=contoso.com\n"),
        format!(
            "data:\n  tls.pem: >-\n    {}\nkind: Secret\n",
            wrapped.replace("\\n", "\n    ")
        ),
        format!("TLS_CRT={certificate}\nTLS_KEY={key}\n"),
        format!("- {certificate}\n- {key}\n"),
        // With padding of every length.
        format!(
            "CERTIFICATE={}\nTENANT=contoso.com\n",
            STANDARD.encode(format!("{PKCS8}\n"))
        ),
        format!(
            "CERTIFICATE={}\nTENANT=contoso.com\n",
            STANDARD.encode(format!("{PKCS8}\n\n"))
        ),
    ] {
        let read =
            ClientCertificate::read(text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}: {}", &text[..20]));
        assert_eq!(read.subject(), "CN=daemon, O=Contoso, C=US");
    }
    #[cfg(feature = "pfx")]
    {
        let pfx = STANDARD.encode(include_bytes!("../vectors/pfx/pyca.pfx"));
        let text = format!("{{\"contentType\": \"application/x-pkcs12\", \"value\": \"{pfx}\"}}");
        assert!(ClientCertificate::read(text.as_bytes(), Some("secret")).is_ok());
        assert!(matches!(
            ClientCertificate::read(text.as_bytes(), Some("x")),
            Err(Error::WrongPassword)
        ));
    }
}

#[test]
fn certificate_is_not_guessed_among_several() {
    let certificates = |text: &str| text.split_at(text.find("-----BEGIN CERTIFICATE").unwrap()).1.to_owned();
    let both = certificates(PKCS8) + &certificates(OTHER);
    let bundle = CertificateBundle::read(both.as_bytes(), None).unwrap();
    let Err(Error::SeveralCertificates(thumbprints)) = bundle.certificate(NOW) else {
        panic!("two certificates");
    };
    assert_eq!(thumbprints.len(), 2);
    // A chain has one that issued none of the others.
    let bundle = CertificateBundle::read(include_bytes!("../vectors/pem/signed_pss256.pem"), None).unwrap();
    assert_eq!(bundle.certificate(NOW).unwrap().subject(), "CN=leaf");
    let bundle =
        CertificateBundle::read(b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----", None).unwrap();
    assert!(bundle.certificate(NOW).is_err());
}

const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);
const PKCS8: &str = include_str!("../vectors/pem/pkcs8.pem");
const OTHER: &str = include_str!("../vectors/pem/other.pem");
