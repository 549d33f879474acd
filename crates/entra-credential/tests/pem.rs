//! PEM bundles as people have them.

use entra_credential::{ClientCertificate, Error};
use entra_proto::Signer;

#[test]
fn keys_of_every_form_and_bundles_in_any_order() {
    for (file, text) in [
        ("PKCS#8, key first", PKCS8),
        ("PKCS#1, certificate first", include_str!("vectors/pem/pkcs1.pem")),
        ("bag attributes", include_str!("vectors/pem/bag_attributes.pem")),
        ("CRLF", &PKCS8.replace('\n', "\r\n")),
        ("CR", &PKCS8.replace('\n', "\r")),
        ("a byte order mark", &format!("\u{feff}{PKCS8}")),
        ("no line break at the end", PKCS8.trim_end()),
        ("indented", &PKCS8.replace('\n', "\n    ")),
        ("text before and after", &format!("my key\n{PKCS8}the end")),
        ("twice the same", &format!("{PKCS8}{PKCS8}")),
        (
            "other sections",
            &format!("-----BEGIN DH PARAMETERS-----\nAQID\n-----END DH PARAMETERS-----\n{PKCS8}"),
        ),
    ] {
        for certificate in [
            ClientCertificate::read(text.as_bytes(), None),
            ClientCertificate::from_pem(text, None),
        ] {
            let certificate = certificate.unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(certificate.thumbprints().sha1_hex(), DAEMON, "{file}");
            assert_eq!(certificate.certificate().chain().count(), 1, "{file}");
        }
    }
    let long = ClientCertificate::from_pem(include_str!("vectors/pem/rsa4096.pem"), None).unwrap();
    assert_eq!(long.key_bits(), 4096);
}

#[test]
fn the_leaf_is_found_by_its_key_and_the_chain_ordered() {
    // Root, the leaf's key, a stranger, leaf, another stranger, intermediate.
    let certificate = ClientCertificate::from_pem(include_str!("vectors/pem/chain_shuffled.pem"), None).unwrap();
    assert_eq!(certificate.subject(), "CN=leaf, O=Contoso");
    assert_eq!(certificate.issuer(), "CN=intermediate");
    assert_eq!(
        certificate.thumbprints().sha1_hex(),
        "90F244767C5AFDFB1429CD1E3DFEFFDEE8F407C9"
    );
    let signing = certificate.certificate();
    let chain: Vec<_> = signing.chain().collect();
    assert_eq!(chain.len(), 3);
    assert_eq!(chain[0], certificate.der());
    let holds = |der: &[u8], text: &[u8]| der.windows(text.len()).any(|window| window == text);
    assert!(holds(chain[1], b"intermediate") && holds(chain[1], b"root"));
    assert!(holds(chain[2], b"root") && !holds(chain[2], b"intermediate"));
}

#[test]
#[cfg(feature = "pfx")]
fn encrypted_keys_open_with_their_password() {
    for (file, text) in ENCRYPTED {
        let certificate =
            ClientCertificate::from_pem(text, Some("secret")).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(certificate.thumbprints().sha1_hex(), DAEMON, "{file}");
        let wrong = ClientCertificate::from_pem(text, Some("Secret")).unwrap_err();
        assert!(matches!(wrong, Error::WrongPassword), "{file}: {wrong}");
        let none = ClientCertificate::from_pem(text, None).unwrap_err();
        assert!(matches!(none, Error::PasswordNeeded), "{file}: {none}");
    }
}

#[test]
#[cfg(not(feature = "pfx"))]
fn encrypted_keys_are_named() {
    for (file, text) in ENCRYPTED {
        let error = ClientCertificate::from_pem(text, Some("secret")).unwrap_err();
        assert!(error.to_string().contains("feature `pfx`"), "{file}: {error}");
    }
}

#[test]
fn what_is_not_read_is_named_with_its_cure() {
    let section = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
    for (text, named, cure) in [
        (
            include_str!("vectors/pem/proc_type.pem"),
            "Proc-Type",
            "openssl pkcs8 -topk8",
        ),
        (&section("OPENSSH PRIVATE KEY"), "OpenSSH", "ssh-keygen"),
        (&section("PKCS7"), "PKCS#7", "openssl pkcs7"),
        #[cfg(feature = "pfx")]
        (
            include_str!("vectors/pem/encrypted_pbes1_md5_des.pem"),
            "MD5",
            "openssl pkcs8",
        ),
    ] {
        let error = ClientCertificate::from_pem(text, Some("secret")).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        let error = error.to_string();
        assert!(error.contains(named) && error.contains(cure), "{error}");
    }
    let utf16: Vec<u8> = format!("\u{feff}{PKCS8}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(
        ClientCertificate::read(&utf16, None)
            .unwrap_err()
            .to_string()
            .contains("UTF-16")
    );
}

#[test]
fn what_is_missing_is_told() {
    let (key, certificate) = PKCS8.split_at(PKCS8.find("-----BEGIN CERTIFICATE").unwrap());
    let of = |text: &str| ClientCertificate::from_pem(text, None).unwrap_err();
    assert!(matches!(of(key), Error::CertificateMissing));
    assert!(matches!(of(certificate), Error::KeyMissing));
    assert!(matches!(of(""), Error::NotACredential));
    assert!(matches!(
        of(&OTHER.replace("PRIVATE KEY", "PUBLIC KEY")),
        Error::KeyMissing
    ));
    let (other_key, _) = OTHER.split_at(OTHER.find("-----BEGIN CERTIFICATE").unwrap());
    assert!(matches!(of(&format!("{other_key}{certificate}")), Error::KeyMismatch));
    // A key too many is no obstacle while it has no certificate.
    assert!(ClientCertificate::from_pem(format!("{other_key}{PKCS8}"), None).is_ok());
    let Error::SeveralKeys(thumbprints) = of(&format!("{PKCS8}{OTHER}")) else {
        panic!("two identities in one file");
    };
    assert_eq!(thumbprints.len(), 2);
    assert_eq!(thumbprints[0], DAEMON);
}

#[test]
fn keys_that_entra_does_not_take_are_named() {
    let of = |text: &str| ClientCertificate::from_pem(text, None).unwrap_err();
    assert!(matches!(
        of(include_str!("vectors/pem/rsa1024.pem")),
        Error::KeyTooShort { bits: 1024 }
    ));
    assert!(matches!(of(include_str!("vectors/pem/ec.pem")), Error::KeyType(name) if name == "EC P-256"));
    assert!(matches!(of(include_str!("vectors/pem/ec_sec1.pem")), Error::KeyType(name) if name == "EC P-256"));
    let short = of(include_str!("vectors/pem/rsa1024.pem")).to_string();
    assert!(short.contains("1024") && short.contains("2048"), "{short}");
}

#[test]
fn a_key_whose_numbers_do_not_fit_is_damaged() {
    let certificate = ClientCertificate::from_pem(PKCS8, None).unwrap();
    let key = decoded_key();
    assert!(ClientCertificate::from_der_parts([certificate.der()], &key).is_ok());
    let mut changed = key.clone();
    let at = key.len() - 100;
    changed[at] ^= 1;
    let error = ClientCertificate::from_der_parts([certificate.der()], &changed).unwrap_err();
    assert!(matches!(error, Error::Damaged("the private key")), "{error}");
    for cut in [0, 1, 30, key.len() - 1] {
        assert!(ClientCertificate::from_der_parts([certificate.der()], &key[..cut]).is_err());
    }
    let none: [&[u8]; 0] = [];
    assert!(matches!(
        ClientCertificate::from_der_parts(none, &key),
        Err(Error::CertificateMissing)
    ));
}

#[test]
fn the_facts_of_a_certificate_are_told() {
    let certificate = ClientCertificate::from_pem(PKCS8, None).unwrap();
    assert_eq!(certificate.subject(), "CN=daemon, O=Contoso, C=US");
    assert_eq!(certificate.issuer(), certificate.subject());
    assert_eq!(certificate.key_bits(), 2048);
    assert_eq!(
        certificate.not_after().since(certificate.not_before()).as_secs(),
        3650 * 86_400
    );
    assert_eq!(certificate.serial(), SERIAL);
    assert_eq!(certificate.not_before().as_secs(), NOT_BEFORE);
}

fn decoded_key() -> Vec<u8> {
    use base64::Engine;

    let body: String = PKCS8
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

const PKCS8: &str = include_str!("vectors/pem/pkcs8.pem");
const OTHER: &str = include_str!("vectors/pem/other.pem");
const DAEMON: &str = "E4479C148A0B591FDF637C1372011758B5F551B2";
const ENCRYPTED: [(&str, &str); 5] = [
    ("PBES2, AES-256", include_str!("vectors/pem/encrypted_aes256.pem")),
    (
        "PBES2, AES-128, SHA-1",
        include_str!("vectors/pem/encrypted_aes128_sha1.pem"),
    ),
    ("PBES2, 3DES", include_str!("vectors/pem/encrypted_des3.pem")),
    ("PBES2, scrypt", include_str!("vectors/pem/encrypted_scrypt.pem")),
    ("3DES of PKCS#12", include_str!("vectors/pem/encrypted_pkcs12_3des.pem")),
];
/// As OpenSSL tells them.
const SERIAL: &str = "76019D6DD379BF2A055605D4D2D329D1AB251BAC";
const NOT_BEFORE: u64 = 1795212514;

#[test]
fn of_two_certificates_of_one_key_the_one_that_lasts_longest_counts() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let until = |year| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.self_signed(&key).unwrap().pem()
    };
    let (old, new) = (until(2027), until(2029));
    for order in [format!("{old}{new}"), format!("{new}{old}")] {
        let read = ClientCertificate::from_pem(format!("{}{order}", key.serialize_pem()), None).unwrap();
        let alone = ClientCertificate::from_pem(format!("{}{new}", key.serialize_pem()), None).unwrap();
        assert_eq!(read.thumbprints(), alone.thumbprints());
    }
}
