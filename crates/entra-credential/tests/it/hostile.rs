//! Hostile and damaged files: each gives an error within bounds, never a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use entra_credential::{ClientCertificate, Error, KeyCredential};
use entra_proto::Guid;
use proptest::prelude::*;

#[test]
#[cfg(feature = "pfx")]
fn nested_envelopes_share_one_allowance() {
    for bytes in [
        &include_bytes!("../vectors/made/nested_rounds.pfx")[..],
        include_bytes!("../vectors/made/nested_scrypt.pfx"),
    ] {
        let (read, memory) = measured(bytes, Some("secret"));
        assert!(matches!(read, Err(Error::TooManyIterations { .. })), "{read:?}");
        assert!(memory < 1 << 20, "{memory}");
    }
}

#[test]
#[cfg(feature = "pfx")]
fn encrypted_pem_key_counts_its_rounds() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    // N is 16384 there; with r = 127 in the place of 8 it fills 254 MiB.
    let text = include_str!("../vectors/pem/encrypted_scrypt.pem");
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(body).expect("it is base64");
    let numbers = [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1];
    let at = der
        .windows(numbers.len())
        .position(|it| it == numbers)
        .expect("N, r and p are there");
    der[at + 6] = 127;
    let body = STANDARD.encode(der);
    let text = format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let (read, memory) = measured(text.as_bytes(), Some("secret"));
    assert!(matches!(read, Err(Error::TooManyIterations { .. })), "{read:?}");
    assert!(memory < 1 << 20, "{memory}");
}

#[test]
#[cfg(feature = "pfx")]
fn many_encrypted_keys_share_one_allowance() {
    let text = include_str!("../vectors/pem/encrypted_scrypt.pem");
    let (key, certificate) = text.split_at(text.find("-----BEGIN CERT").expect("it is there"));
    let (read, memory) = measured(format!("{}{certificate}", key.repeat(8)).as_bytes(), Some("secret"));
    assert!(matches!(read, Err(Error::TooManyIterations { .. })), "{read:?}");
    assert!(memory < 1 << 20, "{memory}");
}

#[test]
fn as_many_sections_as_fit_are_read_in_time() {
    let section = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let own = include_str!("../vectors/pem/pkcs8.pem");
    let (_, certificate) = own.split_at(own.find("-----BEGIN CERT").expect("it is there"));
    let (key, _) = own.split_at(own.find("-----BEGIN CERT").expect("it is there"));
    for text in [
        section.repeat((1 << 20) / section.len()),
        own.repeat((1 << 20) / own.len()),
        format!("{key}{}", certificate.repeat(800)),
        key.repeat(600),
        "-----BEGIN ".repeat(90_000),
        "-----BEGIN PRIVATE KEY-----\n".repeat(30_000),
        "A".repeat(1 << 20),
        format!("-----BEGIN PRIVATE KEY-----\n{}", "AAAA\n".repeat(200_000)),
    ] {
        let (_, memory) = measured(text.as_bytes(), None);
        assert!(memory < MEMORY, "{memory} for {}", &text[..40]);
    }
}

#[test]
fn endless_elements_are_read_in_time() {
    let start = [0x30, 0x80];
    let endless = |inside: &[u8]| [&start[..], inside, &[0, 0]].concat();
    for bytes in [
        endless(&[0x30, 0x80, 0, 0].repeat(250_000)),
        endless(&[0x24, 0x80, 4, 1, 0, 0, 0].repeat(140_000)),
        endless(&endless(&[2, 1, 3].repeat(300_000))),
        start.repeat(500_000),
        [
            start.repeat(20),
            [4, 0x84, 0, 0x0f, 0, 0].to_vec(),
            vec![0; 0x0f_0000],
            vec![0; 40],
        ]
        .concat(),
    ] {
        let (read, memory) = measured(&bytes, Some("secret"));
        assert!(read.is_err());
        assert!(memory < MEMORY, "{memory}");
    }
}

#[test]
fn file_truncated_anywhere_is_an_error() {
    for (path, bytes) in vectors() {
        for cut in (0..bytes.len()).step_by(41) {
            let (_, memory) = measured(&bytes[..cut], Some("secret"));
            assert!(memory < MEMORY, "{}, {cut}: {memory}", path.display());
        }
    }
}

#[test]
fn fuzz_corpus_is_harmless() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora");
    let mut count = 0;
    for path in files(&folder) {
        let bytes = fs::read(&path).expect("it is there");
        let (_, memory) = measured(&bytes, Some("secret"));
        assert!(memory < MEMORY, "{}: {memory}", path.display());
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = KeyCredential::merge(text, [&KeyCredential::new(b"certificate", Guid::from_bytes([1; 16]))]);
        }
        count += 1;
    }
    assert!(count > 20, "the corpus is there: {count}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Of each file, with some bytes changed.
    #[test]
    fn damaged_files_are_errors_within_bounds(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let vectors = vectors();
        let (path, mut bytes) = which.get(&vectors).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (_, memory) = measured(&bytes, Some("secret"));
        prop_assert!(memory < MEMORY, "{}: {}", path.display(), memory);
    }

    /// A plain file has no MAC before its structure: damage reaches every reader of it.
    #[test]
    fn damaged_plain_files_are_errors_within_bounds(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = include_bytes!("../vectors/pfx/plain_nomac.pfx").to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (_, memory) = measured(&bytes, None);
        prop_assert!(memory < MEMORY, "{}", memory);
    }

    #[test]
    fn noise_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), start in prop::sample::select(vec![&b""[..], b"\x30\x82\x01\x00\x02\x01\x03", b"-----BEGIN PRIVATE KEY-----\n"])) {
        let bytes = [start, &bytes].concat();
        prop_assert!(ClientCertificate::read(&bytes, Some("secret")).is_err());
        prop_assert!(ClientCertificate::from_der_parts([&bytes], &bytes).is_err());
    }
}

/// Reads `bytes`, and returns the result with the most memory in use.
fn measured(bytes: &[u8], password: Option<&str>) -> (Result<ClientCertificate, Error>, u64) {
    let mut read = None;
    let start = Instant::now();
    let memory = allocation_counter::measure(|| read = Some(ClientCertificate::read(bytes, password)));
    assert!(start.elapsed() < HANG, "it took {:?}", start.elapsed());
    (read.expect("it was read"), memory.bytes_max)
}

/// Every file of the tests but the one whose rounds take seconds without optimisation.
fn vectors() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    files(&folder)
        .into_iter()
        .filter(|path| !path.ends_with("iterations_600000.pfx"))
        .map(|path| (path.clone(), fs::read(path).expect("it is there")))
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Only work beyond all bounds takes so long, such as the rounds that a file asks for, on however
/// busy a machine.
pub(crate) const HANG: Duration = Duration::from_secs(120);
/// The most memory that any file may use.
const MEMORY: u64 = 64 << 20;

#[test]
fn a_cost_of_nothing_is_damage() {
    // The library below computes with the cost before it looks at it.
    let pfx = include_bytes!("../vectors/made/scrypt_no_cost.pfx");
    let pem = include_bytes!("../vectors/pem/scrypt_no_cost.pem");
    for password in [None, Some(""), Some("secret")] {
        assert!(ClientCertificate::read(pfx, password).is_err());
        assert!(ClientCertificate::read(pem, password).is_err());
    }
}
