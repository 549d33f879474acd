//! Helpers for the tests of all examples.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use entra_emulator::{App, Emulator};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// Runs a program with no other variables than these.
pub(crate) fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    run_in(Path::new(env!("CARGO_TARGET_TMPDIR")), program, arguments, variables)
}

/// Runs a program in a folder.
pub(crate) fn run_in(folder: &Path, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    /// The address after "listening on".
    pub(crate) address: String,
}

impl Running {
    /// Starts a program in a folder, with no other variables than these.
    pub(crate) fn start(program: &str, arguments: &[&str], folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut address, mut log) = (None, String::new());
        while address.is_none() && lines.read_line(&mut log).unwrap() > 0 {
            let line = log.lines().last().unwrap_or_default();
            address = line.strip_prefix("note: listening on ").map(str::to_owned);
        }
        // Its log must not fill the pipe.
        std::thread::spawn(move || lines.read_to_string(&mut String::new()));
        Self {
            child,
            address: address.unwrap_or_else(|| panic!("{log}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is killed, so it writes nothing at its end.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The variables that `entra emulator` prints.
pub(crate) fn printed(emulator: &Emulator) -> [(&str, &str); 4] {
    [
        ("AZURE_AUTHORITY_HOST", emulator.base_url()),
        ("AZURE_TENANT_ID", emulator.tenant_id()),
        ("AZURE_CLIENT_ID", emulator.client_id()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret()),
    ]
}

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key_pem: String,
    pub(crate) key_der: Vec<u8>,
}

/// Returns a certificate, the same for all tests: making a key takes seconds.
pub(crate) fn certificate() -> &'static Certificate {
    static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        Certificate {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    });
    &CERTIFICATE
}

/// Returns an application with that certificate as its only credential.
pub(crate) fn certified() -> App {
    App::new("daemon")
        .without_secrets()
        .certificate_pem(certificate().pem.as_str())
        .grant(Emulator::GRAPH, "User.Read.All")
}

/// Creates an empty folder for a test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stories-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
