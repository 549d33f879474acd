//! The chain above a certificate, and the certificate of several for one key.

use std::time::Instant;

use entra_credential::{CertificateBundle, ClientCertificate, Error, Thumbprints};
use entra_proto::Timestamp;
use entra_proto::assertion::Signer;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, RsaKeySize,
    SignatureAlgorithm, date_time_ymd,
};

use crate::hostile::HANG;

/// A certificate authority of a test.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        Self::with_key(name, KeyPair::generate_for(algorithm).unwrap())
    }

    fn ec(name: &str) -> Self {
        Self::new(name, &PKCS_ECDSA_P256_SHA256)
    }

    fn with_key(name: &str, key: KeyPair) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { params, key }
    }

    fn own(&self) -> Certificate {
        self.params.self_signed(&self.key).unwrap()
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params
            .signed_by(key, &Issuer::from_params(&self.params, &self.key))
            .unwrap()
    }

    /// Its certificate, issued by another.
    fn by(&self, other: &Self, with_key_id: bool) -> Certificate {
        let mut params = self.params.clone();
        params.use_authority_key_identifier_extension = with_key_id;
        other.sign(&params, &self.key)
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2030, 1, 1));
    params
}

fn leaf_params(with_key_id: bool) -> CertificateParams {
    let mut params = params("leaf");
    params.use_authority_key_identifier_extension = with_key_id;
    params
}

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

/// The chain behind the leaf of a file with these certificates, in this and the opposite order.
fn assert_chain(key: &KeyPair, certificates: &[&Certificate], expected: &[&Certificate]) {
    let expected: Vec<String> = expected.iter().map(|it| thumbprint(it.der())).collect();
    let forward: Vec<String> = certificates.iter().map(|it| it.pem()).collect();
    let backward: Vec<String> = forward.iter().rev().cloned().collect();
    for order in [forward, backward] {
        let bundle = CertificateBundle::read((key.serialize_pem() + &order.concat()).as_bytes(), None).unwrap();
        let signing = bundle.client_certificate(now()).unwrap().certificate();
        let chain: Vec<String> = signing.chain().map(thumbprint).collect();
        assert_eq!(chain, expected);
    }
}

fn thumbprint(der: &[u8]) -> String {
    Thumbprints::of(der).sha1_hex()
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_796_000_000) // 2026-11-30
}

#[test]
fn renewed_authority_of_one_name_is_distinguished() {
    for with_key_id in [true, false] {
        let key = rsa();
        let root = Authority::ec("root");
        let (old, new) = (Authority::ec("issuing"), Authority::ec("issuing"));
        let (old_certificate, new_certificate) = (old.by(&root, with_key_id), new.by(&root, with_key_id));
        let (leaf, root) = (new.sign(&leaf_params(with_key_id), &key), root.own());
        assert_chain(
            &key,
            &[&old_certificate, &leaf, &new_certificate, &root],
            &[&leaf, &new_certificate, &root],
        );
        // Where the right one is not there, none is sent in its place.
        assert_chain(&key, &[&old_certificate, &leaf, &root], &[&leaf]);
    }
}

#[test]
fn two_roots_of_one_name_are_distinguished() {
    let key = rsa();
    let (first, second) = (Authority::ec("root"), Authority::ec("root"));
    let issuing = Authority::ec("issuing");
    let issuing_certificate = issuing.by(&second, false);
    let leaf = issuing.sign(&leaf_params(false), &key);
    let second = second.own();
    assert_chain(
        &key,
        &[&first.own(), &leaf, &second, &issuing_certificate],
        &[&leaf, &issuing_certificate, &second],
    );
}

#[test]
fn cross_signed_authority_extends_or_ends_the_chain() {
    let key = rsa();
    let (old_root, new_root) = (Authority::ec("old root"), Authority::ec("new root"));
    let cross = new_root.by(&old_root, true);
    let leaf = new_root.sign(&leaf_params(true), &key);
    let (old_own, new_own) = (old_root.own(), new_root.own());
    assert_chain(&key, &[&cross, &leaf, &old_own], &[&leaf, &cross, &old_own]);
    assert_chain(&key, &[&new_own, &leaf, &cross, &old_own], &[&leaf, &new_own]);
}

#[test]
fn authority_named_by_the_leaf_is_preferred() {
    let key = rsa();
    let authority = Authority::ec("issuing");
    let mut renamed = authority.params.clone();
    renamed.distinguished_name = params("renamed").distinguished_name;
    renamed.not_after = date_time_ymd(2031, 1, 1);
    let renamed = renamed.self_signed(&authority.key).unwrap();
    let leaf = authority.sign(&leaf_params(true), &key);
    let own = authority.own();
    assert_chain(&key, &[&renamed, &leaf, &own], &[&leaf, &own]);
    // Its key speaks for it where the other is not there.
    assert_chain(&key, &[&leaf, &renamed], &[&leaf, &renamed]);
}

#[test]
fn namesake_of_a_missing_root_is_not_used() {
    let key = rsa();
    let (missing, namesake, other) = (Authority::ec("root"), Authority::ec("root"), Authority::ec("other"));
    let mut issuing = Authority::ec("issuing");
    issuing.params.not_after = date_time_ymd(2030, 1, 1);
    let cross = issuing.by(&other, true);
    issuing.params.not_after = date_time_ymd(2031, 1, 1);
    let longer = issuing.by(&missing, true);
    let leaf = issuing.sign(&leaf_params(true), &key);
    let (namesake, other) = (namesake.own(), other.own());
    assert_chain(
        &key,
        &[&longer, &leaf, &namesake, &cross, &other],
        &[&leaf, &cross, &other],
    );
}

#[test]
fn renewed_certificate_of_an_authority_is_preferred() {
    let key = rsa();
    let root = Authority::ec("root");
    let mut issuing = Authority::ec("issuing");
    let valid = issuing.by(&root, true);
    let leaf = issuing.sign(&leaf_params(true), &key);
    issuing.params.not_after = date_time_ymd(2026, 6, 1);
    let expired = issuing.by(&root, true);
    let root = root.own();
    assert_chain(&key, &[&expired, &leaf, &valid, &root], &[&leaf, &valid, &root]);
    assert_chain(&key, &[&expired, &leaf, &root], &[&leaf, &expired, &root]);
}

#[test]
fn self_issued_is_not_self_signed() {
    let key = rsa();
    let (old, new) = (Authority::ec("authority"), Authority::ec("authority"));
    let new_with_old = new.by(&old, true);
    let leaf = new.sign(&leaf_params(true), &key);
    let old = old.own();
    assert_chain(&key, &[&old, &leaf, &new_with_old], &[&leaf, &new_with_old, &old]);
}

#[test]
fn loop_without_a_key_has_no_leaf() {
    let (first, second) = (Authority::ec("first"), Authority::ec("second"));
    let text = first.by(&second, true).pem() + &second.by(&first, true).pem();
    let bundle = CertificateBundle::read(text.as_bytes(), None).unwrap();
    assert!(matches!(bundle.certificate(now()), Err(Error::SeveralCertificates(all)) if all.len() == 2));
}

#[test]
fn loops_end() {
    let key = rsa();
    let (first, second) = (Authority::ec("first"), Authority::ec("second"));
    let (first_by_second, second_by_first) = (first.by(&second, true), second.by(&first, true));
    let leaf = first.sign(&leaf_params(true), &key);
    assert_chain(
        &key,
        &[&first_by_second, &leaf, &second_by_first],
        &[&leaf, &first_by_second, &second_by_first],
    );
}

#[test]
fn key_identifier_alone_proves_nothing() {
    let key = rsa();
    let (right, mut wrong) = (Authority::ec("issuing"), Authority::ec("issuing"));
    // It calls its key what the other one calls its own.
    let id = right.params.key_identifier_method.clone();
    assert!(matches!(id, rcgen::KeyIdMethod::Sha256));
    let claimed = right.params.key_identifier(&right.key);
    wrong.params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(claimed);
    let leaf = right.sign(&leaf_params(true), &key);
    let (right, wrong) = (right.own(), wrong.own());
    assert_chain(&key, &[&wrong, &leaf, &right], &[&leaf, &right]);
    assert_chain(&key, &[&wrong, &leaf], &[&leaf]);
}

#[test]
fn signatures_of_every_algorithm_identify_the_issuer() {
    let rsa_of = |algorithm| KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap();
    let key = rsa();
    for authority_key in [
        (|| KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()) as fn() -> KeyPair,
        || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        || KeyPair::generate_for(&PKCS_ED25519).unwrap(),
    ]
    .map(|make| [make(), make()])
    .into_iter()
    .chain([
        [rsa(), rsa()],
        [rsa_of(&PKCS_RSA_SHA384), rsa()],
        [rsa_of(&PKCS_RSA_SHA512), rsa()],
        [rsa(), KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()],
    ]) {
        let [right, wrong] = authority_key.map(|key| Authority::with_key("issuing", key));
        let leaf = right.sign(&leaf_params(false), &key);
        let right = right.own();
        assert_chain(&key, &[&wrong.own(), &leaf, &right], &[&leaf, &right]);
    }
    // Made with OpenSSL: a decoy of the same name, the key, the leaf, its issuer.
    for (pem, length) in [
        (&include_bytes!("../vectors/pem/signed_pss256.pem")[..], 2),
        (include_bytes!("../vectors/pem/signed_pss384.pem"), 2),
        (include_bytes!("../vectors/pem/signed_sha1.pem"), 2),
        // Not verified here: the key identifiers decide.
        (include_bytes!("../vectors/pem/signed_pss_odd_ids.pem"), 2),
        (include_bytes!("../vectors/pem/signed_md5_ids.pem"), 2),
        // Names alone prove nothing.
        (include_bytes!("../vectors/pem/signed_pss_odd.pem"), 1),
        (include_bytes!("../vectors/pem/signed_md5.pem"), 1),
    ] {
        let bundle = CertificateBundle::read(pem, None).unwrap();
        let signing = bundle.client_certificate(now()).unwrap().certificate();
        let chain: Vec<String> = signing.chain().map(thumbprint).collect();
        assert_eq!(chain.len(), length);
        if let Some(issuer) = chain.get(1) {
            let expected = [
                "DF30CE964E9E12EC7D8AF886163E1A1DE1DAADC7",
                "181B9D0536CC0132FF5F83447AA8EA0D884A4168",
            ];
            assert!(expected.contains(&issuer.as_str()), "{issuer}");
        }
    }
}

#[test]
fn thousand_authorities_of_one_name_are_read_in_time() {
    let key = rsa();
    let right = Authority::ec("issuing");
    let leaf = right.sign(&leaf_params(false), &key);
    let mut text = key.serialize_pem() + &leaf.pem();
    for number in 0..1000_u64 {
        let mut decoy = right.params.clone();
        decoy.serial_number = Some(number.into());
        text += &decoy.self_signed(&right.key).unwrap().pem();
    }
    let start = Instant::now();
    assert!(ClientCertificate::read(text.as_bytes(), None).is_ok());
    let bundle = CertificateBundle::read(text.replace("PRIVATE KEY", "OTHER").as_bytes(), None).unwrap();
    assert!(bundle.certificate(now()).is_err());
    assert!(start.elapsed() < HANG, "{:?}", start.elapsed());
}

#[test]
fn number_of_verified_signatures_is_bounded() {
    let key = rsa();
    let (right, wrong) = (Authority::ec("issuing"), Authority::ec("issuing"));
    for (with_key_id, is_found) in [(true, true), (false, false)] {
        let leaf = right.sign(&leaf_params(with_key_id), &key);
        let mut text = key.serialize_pem() + &leaf.pem();
        for number in 0..200_u64 {
            let mut decoy = wrong.params.clone();
            decoy.serial_number = Some(number.into());
            text += &decoy.self_signed(&wrong.key).unwrap().pem();
        }
        text += &right.own().pem();
        let bundle = CertificateBundle::read(text.as_bytes(), None).unwrap();
        let chain = bundle.client_certificate(now()).unwrap().certificate();
        assert_eq!(chain.chain().count() == 2, is_found);
    }
}

#[test]
fn certificate_that_is_valid_now_and_expires_last_is_used() {
    let key = rsa();
    let certificate = |name: &str, from: (i32, u8), until: (i32, u8)| {
        let mut params = params(name);
        params.not_before = date_time_ymd(from.0, from.1, 1);
        params.not_after = date_time_ymd(until.0, until.1, 1);
        params.self_signed(&key).unwrap().pem()
    };
    let long_gone = certificate("long gone", (2020, 1), (2021, 1));
    let expired = certificate("expired", (2025, 1), (2026, 6));
    let short = certificate("short", (2026, 6), (2027, 2));
    let long = certificate("long", (2026, 1), (2027, 6));
    let next = certificate("next", (2026, 12), (2029, 1));
    let far = certificate("far", (2028, 1), (2035, 1));
    for (certificates, expected) in [
        (vec![&short, &next], "CN=short"),
        (vec![&expired, &short, &long, &next, &far], "CN=long"),
        (vec![&expired, &next, &far, &long_gone], "CN=next"),
        (vec![&long_gone, &expired], "CN=expired"),
        (vec![&far], "CN=far"),
    ] {
        let forward: String = certificates.iter().map(|it| it.as_str()).collect();
        let backward: String = certificates.iter().rev().map(|it| it.as_str()).collect();
        for order in [forward, backward] {
            let bundle = CertificateBundle::read((key.serialize_pem() + &order).as_bytes(), None).unwrap();
            let read = bundle.client_certificate(now()).unwrap();
            assert_eq!(read.subject(), expected);
            assert_eq!(bundle.certificate(now()).unwrap().subject(), expected);
            // The others are no part of its chain.
            assert_eq!(read.certificate().chain().count(), 1);
            let alone = CertificateBundle::read(order.as_bytes(), None).unwrap();
            assert_eq!(alone.certificate(now()).unwrap().subject(), expected);
        }
    }
    // Renewed without a change of its name, it seems to have signed itself twice.
    let renewed: Vec<String> = [((2025, 1), (2026, 6)), ((2026, 6), (2027, 6)), ((2026, 12), (2029, 1))]
        .map(|(from, until)| certificate("daemon", from, until))
        .into();
    let alone = CertificateBundle::read(renewed.concat().as_bytes(), None).unwrap();
    let expected = CertificateBundle::read(renewed[1].as_bytes(), None).unwrap();
    let [alone, expected] = [alone, expected].map(|it| it.certificate(now()).unwrap().der().to_vec());
    assert_eq!(alone, expected);
    // A month later it is the next one's turn.
    let both = CertificateBundle::read((key.serialize_pem() + &long + &next).as_bytes(), None).unwrap();
    let later = Timestamp::from_secs(now().as_secs() + 31 * 86_400);
    assert_eq!(both.client_certificate(later).unwrap().subject(), "CN=next");
    // Of equals, the first.
    let duplicate = certificate("duplicate", (2026, 1), (2027, 6));
    let equal = CertificateBundle::read((key.serialize_pem() + &long + &duplicate).as_bytes(), None).unwrap();
    assert_eq!(equal.client_certificate(now()).unwrap().subject(), "CN=long");
}
