//! PEM bundles as people have them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
#[cfg(feature = "pfx")]
use entra_credential::CertificateBundle;
use entra_credential::{ClientCertificate, Error};
#[cfg(feature = "pfx")]
use entra_proto::Timestamp;
use entra_proto::assertion::Signer;

type Report = entra_proto::report::ReportFor<entra_credential::Errors>;

#[test]
fn keys_of_every_form_and_bundles_in_any_order() {
    for (file, text) in [
        ("PKCS#8, key first", PKCS8),
        ("PKCS#1, certificate first", include_str!("../vectors/pem/pkcs1.pem")),
        ("bag attributes", include_str!("../vectors/pem/bag_attributes.pem")),
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
    let long = ClientCertificate::from_pem(include_str!("../vectors/pem/rsa4096.pem"), None).unwrap();
    assert_eq!(long.key_bits(), 4096);
}

#[test]
fn pem_that_lost_its_lines_is_read() {
    let escaped = PKCS8.replace('\n', "\\n");
    let utf16 =
        |bytes: fn(u16) -> [u8; 2], mark: &str| format!("{mark}{PKCS8}").encode_utf16().flat_map(bytes).collect();
    let one_line = |with: &str| PKCS8.replace('\n', with).into_bytes();
    let (key, certificate) = PKCS8.split_at(PKCS8.find("-----BEGIN CERTIFICATE").unwrap());
    let json = |text: &str| {
        format!(
            "{{\"cert\": \"{}\"}}",
            text.replace('\n', "\\n").replace('/', "\\/").replace('+', "\\u002B")
        )
    };
    let encoded = |text: &[u8]| STANDARD.encode(text).into_bytes();
    let wrapped = |text: &[u8]| {
        let digits = STANDARD.encode(text).into_bytes();
        digits.chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..])
    };
    let form = PKCS8
        .replace('+', "%2B")
        .replace(' ', "+")
        .replace('\n', "%0D%0A")
        .replace('/', "%2F");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("blanks", one_line(" ")),
        ("nothing", one_line("")),
        ("tabs", one_line("\t")),
        ("backslash n", escaped.clone().into_bytes()),
        ("backslash r n", one_line("\\r\\n")),
        ("escaped twice", escaped.replace('\\', "\\\\").into_bytes()),
        ("a JSON string", format!("\"{escaped}\"").into_bytes()),
        ("JSON of .NET and PHP", json(PKCS8).into_bytes()),
        (
            "two members",
            format!("{{\"a\": \"{}\", \"b\": \"{}\"}}", json(certificate), json(key)).into_bytes(),
        ),
        (
            "a list of lines",
            PKCS8
                .lines()
                .map(|line| format!("\"{line}\",\n"))
                .collect::<String>()
                .into_bytes(),
        ),
        ("quotes", format!("'{PKCS8}'").into_bytes()),
        (
            "a variable",
            format!("CERT=\"{}\"", one_line("\\n").escape_ascii()).into_bytes(),
        ),
        (
            "YAML",
            format!("key: |\n  {}", PKCS8.replace('\n', "\n  ")).into_bytes(),
        ),
        (
            "YAML, folded",
            format!("key: {}", PKCS8.replace('\n', " ")).into_bytes(),
        ),
        ("every blank a line end", PKCS8.replace(' ', "\n").into_bytes()),
        ("no blanks at all", PKCS8.replace([' ', '\n'], "").into_bytes()),
        ("shell continuation", one_line("\\\n")),
        (
            "a URL",
            PKCS8
                .replace('+', "%2B")
                .replace(' ', "%20")
                .replace('\n', "%0A")
                .into_bytes(),
        ),
        ("a pipeline", one_line("%0A")),
        ("a pipeline on Windows", one_line("%0D%0A")),
        (
            "XML",
            format!("<add value=\"{}\"/>", PKCS8.replace('\n', "&#xA;")).into_bytes(),
        ),
        ("XML of Windows", one_line("&#13;&#10;")),
        ("wide blanks", PKCS8.replace("E KEY", "E\u{3000}KEY").into_bytes()),
        (
            "minus signs",
            PKCS8.replace("-----", "\u{2212}\u{2212}\u{2212}").into_bytes(),
        ),
        (
            "END and BEGIN on a line",
            PKCS8.replace("-----\n-----", "----------").into_bytes(),
        ),
        (
            "five dashes for both",
            PKCS8.replace("-----\n-----", "-----").into_bytes(),
        ),
        ("a dash lost", PKCS8.as_bytes()[1..].to_vec()),
        (
            "blanks inside the dashes",
            PKCS8
                .replace("-----BEGIN ", "----- BEGIN ")
                .replace("KEY-----", "KEY -----")
                .into_bytes(),
        ),
        ("dashes of an editor", PKCS8.replace("--", "\u{2013}").into_bytes()),
        ("blanks of a web page", one_line("\u{a0}")),
        ("trailing blanks", one_line(" \r\n")),
        ("two line ends", one_line("\n\n")),
        (
            "commented out before",
            format!("#{}{PKCS8}", OTHER.trim_end().replace('\n', "\n#") + "\n").into_bytes(),
        ),
        ("a form", form.into_bytes()),
        ("backticks of PowerShell", one_line("`r`n")),
        (
            "underscores",
            PKCS8
                .replace("BEGIN ", "BEGIN_")
                .replace("END ", "END_")
                .replace("E K", "E_K")
                .into_bytes(),
        ),
        ("no padding", PKCS8.replace('=', "").into_bytes()),
        (
            "base64url",
            PKCS8
                .lines()
                .map(|line| {
                    if line.starts_with('-') {
                        format!("{line}\n")
                    } else {
                        line.replace('+', "-").replace('/', "_") + "\n"
                    }
                })
                .collect::<String>()
                .into_bytes(),
        ),
        ("UTF-16, little", utf16(u16::to_le_bytes, "\u{feff}")),
        ("UTF-16, big", utf16(u16::to_be_bytes, "\u{feff}")),
        ("UTF-16 without a mark", utf16(u16::to_le_bytes, "")),
        ("base64 of it", encoded(PKCS8.as_bytes())),
        ("base64 of it, wrapped", wrapped(PKCS8.as_bytes())),
        ("base64 of base64 of it", encoded(&wrapped(PKCS8.as_bytes()))),
        ("base64 of UTF-16", encoded(&utf16(u16::to_le_bytes, "\u{feff}"))),
        (
            "base64 in quotes",
            format!("\"{}\"\n", STANDARD.encode(PKCS8)).into_bytes(),
        ),
        (
            "a data: URL",
            format!("data:application/x-pem-file;base64,{}", STANDARD.encode(PKCS8)).into_bytes(),
        ),
        (
            "Latin 1 around it",
            [b"friendlyName: Gr\xfc\xdfe\n", PKCS8.as_bytes()].concat(),
        ),
    ];
    for (what, bytes) in cases {
        let read = ClientCertificate::read(&bytes, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(read.thumbprints().sha1_hex(), DAEMON, "{what}");
    }
}

#[test]
#[cfg(feature = "pfx")]
fn pfx_inside_the_lines_of_a_certificate_is_opened() {
    let pfx = include_bytes!("../vectors/made/mac_sha512.pfx");
    let body = STANDARD.encode(pfx);
    for label in ["CERTIFICATE", "PKCS12", "PFX", "X509 CERTIFICATE", "PRIVATE KEY"] {
        for text in [
            format!("-----BEGIN {label}-----\r\n{body}\r\n-----END {label}-----\r\n"),
            format!("-----BEGIN {label}-----{body}-----END {label}-----"),
        ] {
            let read = ClientCertificate::read(text.as_bytes(), Some("secret")).unwrap();
            assert_eq!(read.thumbprints().sha1_hex(), DAEMON, "{label}");
            let read = ClientCertificate::from_pem(&text, Some("wrong"));
            assert!(matches!(read, Err(Error::WrongPassword)), "{read:?}");
            let read = ClientCertificate::from_pem(&text, None);
            assert!(matches!(read, Err(Error::EmptyPassword)), "{read:?}");
        }
    }
    // Many of them share one allowance.
    let costly = STANDARD.encode(include_bytes!("../vectors/made/iterations_600000.pfx"));
    let many = format!("-----BEGIN PFX-----{costly}-----END PFX-----\n").repeat(3);
    let read = ClientCertificate::read(many.as_bytes(), Some("secret"));
    assert!(matches!(read, Err(Error::TooManyIterations { .. })), "{read:?}");
}

#[test]
fn certutil_lines_around_anything_are_read() {
    // As `certutil -encode` writes them, whatever the file is.
    let text = PKCS8.replace("PRIVATE KEY", "CERTIFICATE");
    assert_eq!(
        ClientCertificate::read(text.as_bytes(), None)
            .unwrap()
            .thumbprints()
            .sha1_hex(),
        DAEMON
    );
    // A PEM file is wrapped like any other, and again.
    let wrapped = |text: &str| {
        format!(
            "-----BEGIN CERTIFICATE-----\r\n{}\r\n-----END CERTIFICATE-----\r\n",
            STANDARD.encode(text)
        )
    };
    for text in [wrapped(PKCS8), wrapped(&wrapped(PKCS8))] {
        let read = ClientCertificate::from_pem(&text, None).unwrap();
        assert_eq!(read.thumbprints().sha1_hex(), DAEMON);
    }
    let deep = (0..9).fold(PKCS8.to_owned(), |text, _| wrapped(&text));
    assert!(ClientCertificate::read(deep.as_bytes(), None).is_err());
}

#[test]
fn key_finds_the_leaf_and_the_chain_is_ordered() {
    // Root, the leaf's key, a stranger, leaf, another stranger, intermediate.
    let certificate = ClientCertificate::from_pem(include_str!("../vectors/pem/chain_shuffled.pem"), None).unwrap();
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
#[cfg(feature = "pfx")]
fn certificate_beside_an_encrypted_key_is_read() {
    let text = include_str!("../vectors/pem/encrypted_pbes1_md5_des.pem");
    for password in [None, Some("secret")] {
        let bundle = CertificateBundle::read(text.as_bytes(), password).unwrap();
        assert!(bundle.has_private_key());
        let now = Timestamp::from_secs(1_795_176_000);
        assert_eq!(bundle.certificate(now).unwrap().subject(), "CN=daemon, O=Contoso, C=US");
        let error = bundle.client_certificate(now).unwrap_err().to_string();
        assert!(error.contains("PBES1 with MD5"), "{error}");
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
fn unsupported_contents_are_named_with_a_remedy() {
    let section = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
    for (text, named, cure) in [
        (
            include_str!("../vectors/pem/proc_type.pem"),
            "Proc-Type",
            "openssl pkcs8 -topk8",
        ),
        (&section("OPENSSH PRIVATE KEY"), "SSH", "ssh-keygen"),
        (&section("SSH2 PUBLIC KEY"), "public key of SSH", "X.509"),
        (&section("SSH2 ENCRYPTED PRIVATE KEY"), "SSH", "ssh-keygen"),
        (&section("PKCS7"), "PKCS#7", "openssl pkcs7"),
        (&section("CMS"), "PKCS#7", "openssl pkcs7"),
        (&section("PUBLIC KEY"), "public key", "private key"),
        (&section("RSA PUBLIC KEY"), "public key", "private key"),
        (&section("CERTIFICATE REQUEST"), "CSR", "signed"),
        (&section("NEW CERTIFICATE REQUEST"), "CSR", "signed"),
        (&section("X509 CRL"), "CRL", "certificate"),
        (&section("PGP PRIVATE KEY BLOCK"), "PGP", "X.509"),
        (
            &include_str!("../vectors/pem/proc_type.pem").replace('\n', " "),
            "Proc-Type",
            "openssl pkcs8",
        ),
        #[cfg(feature = "pfx")]
        (
            include_str!("../vectors/pem/encrypted_pbes1_md5_des.pem"),
            "MD5",
            "openssl pkcs8",
        ),
    ] {
        let error = ClientCertificate::from_pem(text, Some("secret")).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        let error = format!("{:#}", Report::of(&error));
        assert!(error.contains(named) && error.contains(cure), "{error}");
    }
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
fn keys_that_entra_does_not_accept_are_named() {
    let of = |text: &str| ClientCertificate::from_pem(text, None).unwrap_err();
    assert!(matches!(
        of(include_str!("../vectors/pem/rsa1024.pem")),
        Error::KeyTooShort { bits: 1024 }
    ));
    assert!(matches!(of(include_str!("../vectors/pem/ec.pem")), Error::KeyType(name) if name == "EC P-256"));
    assert!(matches!(of(include_str!("../vectors/pem/ec_sec1.pem")), Error::KeyType(name) if name == "EC P-256"));
    let short = of(include_str!("../vectors/pem/rsa1024.pem")).to_string();
    assert!(short.contains("1024") && short.contains("2048"), "{short}");
}

#[test]
fn key_with_inconsistent_numbers_is_damaged() {
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
    let body: String = PKCS8
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    STANDARD.decode(body).unwrap()
}

const PKCS8: &str = include_str!("../vectors/pem/pkcs8.pem");
const OTHER: &str = include_str!("../vectors/pem/other.pem");
const DAEMON: &str = "E4479C148A0B591FDF637C1372011758B5F551B2";
const ENCRYPTED: [(&str, &str); 5] = [
    ("PBES2, AES-256", include_str!("../vectors/pem/encrypted_aes256.pem")),
    (
        "PBES2, AES-128, SHA-1",
        include_str!("../vectors/pem/encrypted_aes128_sha1.pem"),
    ),
    ("PBES2, 3DES", include_str!("../vectors/pem/encrypted_des3.pem")),
    ("PBES2, scrypt", include_str!("../vectors/pem/encrypted_scrypt.pem")),
    (
        "3DES of PKCS#12",
        include_str!("../vectors/pem/encrypted_pkcs12_3des.pem"),
    ),
];
/// As OpenSSL tells them.
const SERIAL: &str = "76019D6DD379BF2A055605D4D2D329D1AB251BAC";
const NOT_BEFORE: u64 = 1795212514;
