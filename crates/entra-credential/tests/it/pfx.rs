//! The result of each PFX file in `vectors/pfx` and `vectors/made`.

use std::time::Instant;

use entra_credential::{ClientCertificate, Error, Warning};
use entra_proto::Timestamp;
use entra_proto::assertion::Signer;

use crate::hostile::HANG;

#[test]
fn files_of_every_writer_open() {
    for (file, bytes, password) in [
        (
            "legacy_rc2",
            &include_bytes!("../vectors/pfx/legacy_rc2.pfx")[..],
            SECRET,
        ),
        ("3des_mac256", include_bytes!("../vectors/pfx/3des_mac256.pfx"), SECRET),
        (
            "mixed",
            include_bytes!("../vectors/pfx/mixed_3descert_aeskey.pfx"),
            SECRET,
        ),
        ("pyca", include_bytes!("../vectors/pfx/pyca.pfx"), SECRET),
        ("PBMAC1", include_bytes!("../vectors/pfx/pbmac1_256.pfx"), SECRET),
        ("BER", include_bytes!("../vectors/pfx/ber_indef.pfx"), SECRET),
        ("iter1", include_bytes!("../vectors/pfx/iter1.pfx"), SECRET),
        (
            "plain_nomac",
            include_bytes!("../vectors/pfx/plain_nomac.pfx"),
            Some(""),
        ),
        (
            "plain_nomac without a password",
            include_bytes!("../vectors/pfx/plain_nomac.pfx"),
            None,
        ),
    ] {
        let certificate =
            ClientCertificate::from_pfx(bytes, password).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(certificate.thumbprints().x5t(), "QJ-Dz9bK9EQaPzi22GR-0i3b9cY", "{file}");
        let x5t_s256 = certificate.thumbprints().x5t_s256();
        assert_eq!(x5t_s256, "ZFVYWqBxn4N-V2hyO4aiQBvpjAAoTQIgigsi6zHcIm0", "{file}");
        assert_eq!(
            (certificate.key_bits(), certificate.subject()),
            (2048, "CN=MyCompanyName MyAppName Cert")
        );
    }
}

#[test]
fn java_writes_one_too() {
    let certificate = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/java.pfx"), Some("secret1")).unwrap();
    assert_eq!(certificate.thumbprints().x5t(), "S4pvE008F7MG0SHn50MyU_W05fc");
}

#[test]
fn a_chain_is_ordered_leaf_first() {
    let certificate = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/chain3.pfx"), SECRET).unwrap();
    assert_eq!(certificate.thumbprints().x5t(), "0dHTvnDrehPpHzNct-NLo9sbq8I");
    assert_eq!(certificate.chain_subjects(), ["CN=leaf", "CN=Int", "CN=Root"]);
}

#[test]
fn a_file_without_a_mac_says_so() {
    let now = |it: &ClientCertificate| it.not_before();
    let unprotected = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/plain_nomac.pfx"), None).unwrap();
    assert!(
        unprotected
            .warnings(now(&unprotected))
            .contains(&Warning::IntegrityNotProtected)
    );
    let protected = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/pyca.pfx"), SECRET).unwrap();
    assert!(
        !protected
            .warnings(now(&protected))
            .contains(&Warning::IntegrityNotProtected)
    );
    assert_ne!(protected.not_before(), Timestamp::default());
}

#[test]
fn what_is_not_read_is_named() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let bytes = include_bytes!("../vectors/made/rc4.pfx");
    let digits = STANDARD.encode(bytes).into_bytes();
    let wrapped = digits.chunks(64).collect::<Vec<_>>().join(&b'\n');
    for bytes in [&bytes[..], &digits, &wrapped] {
        let error = ClientCertificate::read(bytes, SECRET).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("RC4"), "{error}");
    }
}

/// A file with other bytes where `from` stands last.
fn changed(file: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = file
        .windows(from.len())
        .rposition(|window| window == from)
        .expect("it is there");
    [&file[..at], to, &file[at + from.len()..]].concat()
}

#[test]
fn unsupported_algorithms_are_named() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const SEQUENCE: u8 = 0x30;
    const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    const AES256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
    const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09];
    let pyca = include_bytes!("../vectors/pfx/pyca.pfx");
    let pbmac1 = include_bytes!("../vectors/pfx/pbmac1_256.pfx");
    let with = |bytes: &[u8], last: u8| [&bytes[..bytes.len() - 1], &[last]].concat();
    for (bytes, named) in [
        (changed(pyca, SHA256, &with(SHA256, 4)), "its MAC (SHA-224)"),
        (
            changed(pyca, SHA256, &with(SHA256, 8)),
            "its MAC (2.16.840.1.101.3.4.2.8)",
        ),
        (
            changed(pbmac1, HMAC_SHA256, &with(HMAC_SHA256, 13)),
            "its MAC (1.2.840.113549.2.13)",
        ),
        // Each block of a longer key costs all the rounds again.
        (
            changed(pbmac1, &[2, 1, 32, SEQUENCE], &[2, 1, 65, SEQUENCE]),
            "64 bytes",
        ),
    ] {
        let error = ClientCertificate::from_pfx(&bytes, SECRET).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
    let text = include_str!("../vectors/pem/encrypted_aes256.pem");
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    let key = STANDARD.decode(body).unwrap();
    for (last, named) in [(0x2e, "AES-256-GCM"), (0x2b, "2.16.840.1.101.3.4.1.43")] {
        let key = changed(&key, AES256, &with(AES256, last));
        let error = ClientCertificate::read(&key, SECRET).unwrap_err();
        assert!(error.to_string().contains(named), "{named}: {error}");
    }
}

#[test]
fn missing_password_is_reported_before_the_cost() {
    // 1,200,000 rounds: the MAC over no password at all would be too many more.
    let file = include_bytes!("../vectors/made/iterations_600000.pfx");
    let costly = changed(file, &[2, 3, 0x09, 0x27, 0xc0], &[2, 3, 0x12, 0x4f, 0x80]);
    let error = ClientCertificate::from_pfx(&costly, None).unwrap_err();
    assert!(matches!(error, Error::EmptyPassword), "{error}");
}

#[test]
fn salt_that_is_too_long_is_named() {
    let element = |tag: u8, parts: &[&[u8]]| {
        let parts = parts.concat();
        let length = u8::try_from(parts.len()).unwrap();
        let head = if length < 0x80 {
            vec![tag, length]
        } else {
            vec![tag, 0x81, length]
        };
        [head, parts].concat()
    };
    let aes256 = [6, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
    let pbkdf2 = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
    let pbes2 = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
    let (salt, vector, sealed) = (
        element(4, &[&[7; 33]]),
        element(4, &[&[7; 16]]),
        element(4, &[&[7; 16]]),
    );
    let derivation = element(0x30, &[&pbkdf2, &element(0x30, &[&salt, &[2, 1, 1]])]);
    let parameters = element(0x30, &[&derivation, &element(0x30, &[&aes256, &vector])]);
    let key = element(0x30, &[&element(0x30, &[&pbes2, &parameters]), &sealed]);
    let text = format!(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{}\n-----END ENCRYPTED PRIVATE KEY-----\n",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key)
    );
    let error = ClientCertificate::from_pem(text, SECRET).unwrap_err().to_string();
    assert!(error.contains("salt of more than 32 bytes"), "{error}");
}

#[test]
fn mac_over_no_password_at_all_opens() {
    for password in [None, Some("")] {
        let bytes = include_bytes!("../vectors/pfx/emptypass_NULLmac.pfx");
        let certificate = ClientCertificate::from_pfx(bytes, password).unwrap();
        assert_eq!(certificate.thumbprints().x5t(), "QJ-Dz9bK9EQaPzi22GR-0i3b9cY");
        assert_eq!(certificate.warnings(certificate.not_before()).len(), 0);
    }
}

#[test]
fn keys_that_entra_does_not_accept_are_named() {
    let of = |bytes: &[u8]| ClientCertificate::from_pfx(bytes, SECRET).unwrap_err();
    assert!(matches!(of(include_bytes!("../vectors/pfx/ec.pfx")), Error::KeyType(name) if name == "EC P-256"));
    assert!(matches!(
        of(include_bytes!("../vectors/pfx/rsa1024.pfx")),
        Error::KeyTooShort { bits: 1024 }
    ));
}

#[test]
fn a_key_alone_lacks_its_certificate() {
    let error = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/keyonly.pfx"), SECRET).unwrap_err();
    assert!(matches!(error, Error::CertificateMissing), "{error}");
}

#[test]
fn damage_is_an_error() {
    let of = |bytes: &[u8]| ClientCertificate::from_pfx(bytes, SECRET).unwrap_err();
    let flipped = of(include_bytes!("../vectors/pfx/flip_middle.pfx"));
    assert!(matches!(flipped, Error::WrongPassword), "{flipped}");
    let truncated = of(include_bytes!("../vectors/pfx/truncated.pfx"));
    assert!(matches!(truncated, Error::Damaged(_)), "{truncated}");
    assert!(matches!(of(b""), Error::NotACredential));
    assert!(matches!(of(b"hello"), Error::NotACredential));
    assert!(matches!(of(&vec![0x30; (1 << 20) + 1]), Error::TooLarge { .. }));
}

#[test]
fn two_billion_rounds_are_rejected_at_once() {
    let start = Instant::now();
    let error = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/mac_iter_2e31.pfx"), SECRET).unwrap_err();
    assert!(matches!(error, Error::TooManyIterations { .. }), "{error}");
    assert!(start.elapsed() < HANG, "{:?}", start.elapsed());
}

#[test]
fn the_wrong_password_is_told() {
    for bytes in [
        &include_bytes!("../vectors/pfx/legacy_rc2.pfx")[..],
        include_bytes!("../vectors/pfx/3des_mac256.pfx"),
        include_bytes!("../vectors/pfx/mixed_3descert_aeskey.pfx"),
        include_bytes!("../vectors/pfx/pyca.pfx"),
        include_bytes!("../vectors/pfx/java.pfx"),
        include_bytes!("../vectors/pfx/iter1.pfx"),
        include_bytes!("../vectors/pfx/chain3.pfx"),
        include_bytes!("../vectors/pfx/ec.pfx"),
        include_bytes!("../vectors/pfx/keyonly.pfx"),
        include_bytes!("../vectors/pfx/pbmac1_256.pfx"),
        include_bytes!("../vectors/pfx/ber_indef.pfx"),
        include_bytes!("../vectors/made/empty.pfx"),
    ] {
        for wrong in ["Secret", "secret ", "sécret", &"s".repeat(1000)] {
            let error = ClientCertificate::from_pfx(bytes, Some(wrong)).unwrap_err();
            assert!(matches!(error, Error::WrongPassword), "{error}");
        }
    }
    let none = ClientCertificate::from_pfx(include_bytes!("../vectors/pfx/pyca.pfx"), None).unwrap_err();
    assert!(matches!(none, Error::EmptyPassword), "{none}");
}

#[test]
fn files_made_up_for_this_open_too() {
    for (file, bytes, password) in [
        (
            "utf8",
            &include_bytes!("../vectors/made/utf8.pfx")[..],
            Some("Grüße-密碼-€"),
        ),
        (
            "utf8_legacy",
            include_bytes!("../vectors/made/utf8_legacy.pfx"),
            Some("Grüße-密碼-€"),
        ),
        ("empty", include_bytes!("../vectors/made/empty.pfx"), Some("")),
        ("no password", include_bytes!("../vectors/made/empty.pfx"), None),
        ("mac_sha512", include_bytes!("../vectors/made/mac_sha512.pfx"), SECRET),
        ("trailing", include_bytes!("../vectors/made/trailing.pfx"), SECRET),
    ] {
        let certificate =
            ClientCertificate::from_pfx(bytes, password).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(certificate.thumbprints().sha1_hex(), DAEMON, "{file}");
        assert_eq!(certificate.subject(), "CN=daemon, O=Contoso, C=US");
    }
    let long = ClientCertificate::from_pfx(include_bytes!("../vectors/made/rsa4096.pfx"), SECRET).unwrap();
    assert_eq!(long.key_bits(), 4096);
    assert_eq!(
        long.thumbprints().sha1_hex(),
        "FE063B29BA03FB431ABCFBC4507A5658EFBF59BD"
    );
}

#[test]
fn six_hundred_thousand_rounds_are_accepted() {
    let bytes = include_bytes!("../vectors/made/iterations_600000.pfx");
    let certificate = ClientCertificate::from_pfx(bytes, SECRET).unwrap();
    assert_eq!(certificate.thumbprints().sha1_hex(), DAEMON);
}

#[test]
fn whatever_it_is_read_finds_out() {
    use base64::Engine;

    let pfx = include_bytes!("../vectors/pfx/pyca.pfx");
    let mut base64 = base64::engine::general_purpose::STANDARD.encode(pfx);
    base64.insert_str(76, "\r\n");
    base64.push('\n');
    for bytes in [&pfx[..], base64.as_bytes(), include_bytes!("../vectors/pfx/pyca.pfx")] {
        let certificate = ClientCertificate::read(bytes, SECRET).unwrap();
        assert_eq!(certificate.thumbprints().x5t(), "QJ-Dz9bK9EQaPzi22GR-0i3b9cY");
    }
    let bare = ClientCertificate::from_pfx(pfx, SECRET).unwrap();
    assert!(matches!(
        ClientCertificate::read(bare.der(), None),
        Err(Error::KeyMissing)
    ));
}

trait Chain {
    fn chain_subjects(&self) -> Vec<String>;
}

impl Chain for ClientCertificate {
    /// The subjects of the chain, each certificate read by itself through the errors it gives with
    /// this key.
    fn chain_subjects(&self) -> Vec<String> {
        let certificate = self.certificate();
        certificate.chain().map(common_name).collect()
    }
}

/// The subject of a certificate with one name of one part: what stands last before its public key.
/// Found by its text.
fn common_name(der: &[u8]) -> String {
    const NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    let at = der
        .windows(NAME.len())
        .rposition(|window| window == NAME)
        .expect("it has a name")
        + NAME.len();
    let length = usize::from(der[at + 1]);
    format!("CN={}", String::from_utf8_lossy(&der[at + 2..at + 2 + length]))
}

const SECRET: Option<&str> = Some("secret");
/// The certificate that all files but one in `vectors/made` hold.
const DAEMON: &str = "E4479C148A0B591FDF637C1372011758B5F551B2";
