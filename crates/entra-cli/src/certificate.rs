use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use entra_credential::{Certificate, CertificateBundle, ClientCertificate, Error, Warning};
use entra_proto::Timestamp;
use entra_proto::assertion::{CertificateCredential, SigningAlgorithm};
use entra_proto::environment::sends_chain;
pub(crate) use entra_proto::environment::{
    CLIENT_CERTIFICATE_PASSWORD as PASSWORD, CLIENT_SEND_CERTIFICATE_CHAIN as SEND_CHAIN,
};
use zeroize::Zeroizing;

use crate::environment;
use crate::exit::{Exit, Failure};
use crate::files::{exposure, name_of, read_bytes, read_text, shell_word};
use crate::message::warn;
use crate::outside::shown;
use crate::prompt;

/// A certificate as a credential.
#[derive(Args, Clone)]
pub(crate) struct CertificateSettings {
    /// A file with the client certificate and its private key, PEM or PFX; else AZURE_CLIENT_CERTIFICATE_PATH names it
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// A file with the private key, where it is not in the certificate's file
    #[arg(long, value_name = "FILE")]
    certificate_key: Option<PathBuf>,

    #[command(flatten)]
    password: PasswordSettings,

    /// Send the certificate chain along (x5c), for applications registered by a subject name; also AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true
    #[arg(long)]
    send_certificate_chain: bool,

    /// How to sign [default: ps256 on v2, rs256 on v1]
    #[arg(long, value_enum)]
    algorithm: Option<Algorithm>,
}

/// The password of a certificate's file.
#[derive(Args, Clone)]
pub(crate) struct PasswordSettings {
    /// Read the password of the certificate's file from this file; else it is taken from AZURE_CLIENT_CERTIFICATE_PASSWORD, or asked for
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    Ps256,
    Rs256,
}

impl CertificateSettings {
    /// The file that was named on the command line.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// The file of the key that was named on the command line.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        self.certificate_key.as_deref()
    }

    /// The credential in this file.
    pub(crate) fn credential(&self, path: &Path) -> Result<CertificateCredential, Failure> {
        let files = self.read(path)?;
        let certificate = files.client_certificate()?;
        files.tell_warnings(certificate.warnings(now()));
        self.credential_of(certificate)
    }

    /// Reads this file, and the one with the key.
    pub(crate) fn read(&self, path: &Path) -> Result<CertificateFiles, Failure> {
        self.sends_chain()?;
        self.password.read(path, self.key_file(), true)
    }

    /// This certificate as a credential.
    pub(crate) fn credential_of(&self, certificate: ClientCertificate) -> Result<CertificateCredential, Failure> {
        let credential = CertificateCredential::new(certificate).with_chain(self.sends_chain()?);
        Ok(match self.algorithm {
            None => credential,
            Some(Algorithm::Ps256) => credential.with_algorithm(SigningAlgorithm::Ps256),
            Some(Algorithm::Rs256) => credential.with_algorithm(SigningAlgorithm::Rs256),
        })
    }

    /// Sends the chain along unless the variable says no, since a profile says so.
    pub(crate) fn send_chain_by_profile(&mut self) {
        let is_set = std::env::var_os(SEND_CHAIN).is_some_and(|value| !value.is_empty());
        self.send_certificate_chain |= !is_set;
    }

    /// Signs by the algorithm of this name, which a profile names, unless an option names one.
    pub(crate) fn sign_by_profile(&mut self, name: &str) {
        self.algorithm = self.algorithm.or_else(|| Algorithm::from_str(name, true).ok());
    }

    /// Opens the certificate that a profile names with the key and the password in these files, unless an option or a variable says how.
    pub(crate) fn open_by_profile(&mut self, key: Option<PathBuf>, password: Option<PathBuf>) {
        self.certificate_key = self.certificate_key.take().or(key);
        let own = &mut self.password.certificate_password_file;
        if std::env::var_os(PASSWORD).is_none_or(|value| value.is_empty()) {
            *own = own.take().or(password);
        }
    }

    pub(crate) fn password_file(&self) -> Option<&Path> {
        self.password.certificate_password_file.as_deref()
    }

    pub(crate) fn algorithm_name(&self) -> Option<String> {
        let value = self.algorithm.as_ref().and_then(ValueEnum::to_possible_value);
        value.map(|value| value.get_name().to_owned())
    }

    /// Whether the chain is sent along.
    pub(crate) fn sends_chain(&self) -> Result<bool, Failure> {
        let is_set = sends_chain(|name| std::env::var_os(name))
            .map_err(|_| environment::refused(Exit::Configuration, SEND_CHAIN))?;
        Ok(self.send_certificate_chain || is_set)
    }
}

impl PasswordSettings {
    /// Reads the file of a certificate, and that of its key. A password is asked for at a terminal, if the key is needed.
    pub(crate) fn read(&self, path: &Path, key: Option<&Path>, needs_key: bool) -> Result<CertificateFiles, Failure> {
        let mut contents = Vec::new();
        for path in [Some(path), key].into_iter().flatten() {
            contents.push((path, read_bytes(path, "the certificate", MAX_FILE, Exit::Credential)?));
        }
        let password = self.password()?;
        let read = CertificateFiles::read(&contents, password.as_deref().map(String::as_str), needs_key);
        match read {
            Err((path, Error::PasswordNeeded | Error::EmptyPassword))
                if password.is_none() && io::stdin().is_terminal() =>
            {
                let asked = prompt::line(&format!("Password of {}", shown(path)), MAX_PASSWORD as usize);
                let asked = asked.map_err(|error| Failure::of(Exit::Credential, &error))?;
                CertificateFiles::read(&contents, Some(&asked), needs_key)
            }
            read => read,
        }
        .map_err(|(path, error)| failure(&name_of(path), error))
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match &self.certificate_password_file {
            Some(path) => read_text(path, "the password", MAX_PASSWORD, Exit::Credential).map(Some),
            None => environment::text(PASSWORD, Exit::Credential),
        }
    }
}

/// The contents of a certificate's file, and of the file of its key.
pub(crate) struct CertificateFiles {
    pub(crate) bundle: CertificateBundle,
    /// What the files are called in messages.
    name: String,
    /// Whether there is a file for the key.
    has_key_file: bool,
    /// What is wrong with the permissions of those that hold a private key, and what to do about it.
    pub(crate) exposures: Vec<(String, String)>,
}

impl CertificateFiles {
    fn read<'a>(
        contents: &[(&'a Path, Zeroizing<Vec<u8>>)],
        password: Option<&str>,
        needs_key: bool,
    ) -> Result<Self, (&'a Path, Error)> {
        let mut files = Self {
            bundle: CertificateBundle::default(),
            name: contents
                .iter()
                .map(|(path, _)| name_of(path))
                .collect::<Vec<_>>()
                .join(" and "),
            has_key_file: contents.len() > 1,
            exposures: Vec::new(),
        };
        for (path, bytes) in contents {
            let file = CertificateBundle::read(bytes, password).map_err(|error| (*path, error))?;
            if file.has_private_key()
                && let Some(exposure) = exposure(path)
            {
                let advice = format!("run `chmod 600 {}`", shell_word(path));
                files.exposures.push((exposure, advice));
            }
            if let Err(error @ Error::PasswordNeeded) = file.client_certificate(now())
                && needs_key
            {
                return Err((path, error));
            }
            files.bundle = files.bundle.join(file);
        }
        Ok(files)
    }

    pub(crate) fn client_certificate(&self) -> Result<ClientCertificate, Failure> {
        let opened = self.bundle.client_certificate(now());
        opened.map_err(|error| match error {
            Error::KeyMissing if self.has_key_file => Failure::text(
                Exit::Credential,
                format_args!("{}: neither holds a private key", self.name),
            )
            .hint("name the file of the key with --certificate-key"),
            error => failure(&self.name, error),
        })
    }

    pub(crate) fn certificate(&self) -> Result<Certificate, Failure> {
        let read = self.bundle.certificate(now());
        read.map_err(|error| failure(&self.name, error))
    }

    /// Tells what is unusual about the files.
    pub(crate) fn tell_warnings(&self, warnings: impl IntoIterator<Item = Warning>) {
        let warnings = warnings
            .into_iter()
            .map(|warning| (warning.to_string(), warning.hint().to_owned()));
        for (problem, advice) in self.exposures.iter().cloned().chain(warnings) {
            warn(format_args!("{}: {problem}", self.name), advice);
        }
    }
}

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// An error about these files, with the options of this command that help.
fn failure(name: &str, error: Error) -> Failure {
    let advice = match error {
        Error::PasswordNeeded | Error::EmptyPassword => {
            "give its password in AZURE_CLIENT_CERTIFICATE_PASSWORD, or name a file that holds it with --certificate-password-file"
        }
        Error::KeyMissing => {
            "export the certificate together with its private key, or name the file of the key with --certificate-key"
        }
        error => return Failure::from(error).context(name),
    };
    Failure::from(error).context(name).hint_instead(advice)
}

/// How long a certificate's file and a password may be, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
const MAX_PASSWORD: u64 = 8 * 1024;
