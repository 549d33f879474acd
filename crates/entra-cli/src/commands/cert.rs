use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use entra_credential::ClientCertificate;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::certificate::PasswordSettings;
use crate::exit::{Exit, Failure};
use crate::files::{harmless, print, print_json, tell, write_new};
use crate::moment::{from_now, utc};

/// Make and look at client certificates.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an RSA key and a self-signed certificate for it.
    ///
    /// Both go into one PEM file that nobody but you may read (on Unix); the certificate alone goes into another, to be uploaded. Entra needs no
    /// certificate authority: it knows the certificate because an administrator registered it.
    #[command(after_help = "\
Examples:
  entra cert new --name daemon
  entra keycredentials daemon.pem                       # for the app registration's manifest
  entra token --certificate daemon.pem --resource https://graph.microsoft.com")]
    New {
        /// The certificate's common name, and the name of its files: NAME.pem (with the key) and NAME.crt
        #[arg(long, default_value = "entra-client")]
        name: String,

        /// The length of the key, in bits
        #[arg(long, value_enum, default_value_t = Bits::B2048)]
        bits: Bits,

        /// For how many days it is valid
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: u64,
    },
    /// Show what a file with a certificate and its key holds, and what Entra calls it.
    Inspect {
        /// The file, PEM or PFX
        #[arg(value_name = "FILE")]
        file: PathBuf,

        #[command(flatten)]
        password: PasswordSettings,

        /// What to print
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    B2048,
    #[value(name = "3072")]
    B3072,
    #[value(name = "4096")]
    B4096,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One line a property
    Text,
    /// The properties, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::New { name, bits, days } => new(name, *bits, *days),
        Command::Inspect { file, password, output } => inspect(&password.open(file)?, *output),
    }
}

fn new(name: &str, bits: Bits, days: u64) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['/', '\\', '\0']) {
        return Err(Failure::text(Exit::Usage, "a name is a file name without a folder"));
    }
    let size = match bits {
        Bits::B2048 => RsaKeySize::_2048,
        Bits::B3072 => RsaKeySize::_3072,
        Bits::B4096 => RsaKeySize::_4096,
    };
    let (key, certificate) = self_signed(name, size, Duration::from_secs(days * 86_400))?;
    let (private, public) = (format!("{name}.pem"), format!("{name}.crt"));
    let both = Zeroizing::new(format!("{}{certificate}", key.as_str()));
    write_new(public.as_ref(), &certificate, false)?;
    if let Err(failure) = write_new(private.as_ref(), &both, true) {
        // Made a moment ago, and of no use without its key.
        let _ = std::fs::remove_file(&public);
        return Err(failure);
    }
    let (private, public) = (harmless(&private), harmless(&public));
    tell(format_args!(
        "{private} holds the key: keep it to yourself. {public} is the certificate alone: upload it, or use"
    ));
    tell(format_args!("  entra keycredentials {private}"));
    let made = ClientCertificate::from_pem(both.as_bytes(), None);
    inspect(
        &made.map_err(|error| Failure::new(Exit::Credential, error))?,
        Output::Text,
    )
}

/// An RSA key and a certificate that it signed itself, in PEM.
pub(crate) fn self_signed(
    name: &str,
    size: RsaKeySize,
    life: Duration,
) -> Result<(Zeroizing<String>, String), Failure> {
    let failed = |error: rcgen::Error| Failure::new(Exit::Credential, error);
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // Five minutes back, for machines whose clocks differ.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(300)).into();
    params.not_after = (now + life).into();
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((Zeroizing::new(key.serialize_pem()), certificate.pem()))
}

fn inspect(certificate: &ClientCertificate, output: Output) -> Result<(), Failure> {
    let thumbprints = certificate.thumbprints();
    match output {
        Output::Text => {
            let moment = |moment| format!("{}, {}", utc(moment), from_now(moment));
            let mut text = String::new();
            for (name, value) in [
                ("subject", harmless(certificate.subject())),
                ("issuer", harmless(certificate.issuer())),
                ("serial", harmless(certificate.serial())),
                ("valid from", moment(certificate.not_before())),
                ("valid until", moment(certificate.not_after())),
                ("key", format!("RSA, {} bits", certificate.key_bits())),
                (
                    "thumbprint",
                    format!("{}  (SHA-1: what the portal shows)", thumbprints.sha1_hex()),
                ),
                ("x5t", format!("{}  (the same in an assertion)", thumbprints.x5t())),
                ("x5t#S256", format!("{}  (SHA-256)", thumbprints.x5t_s256())),
                (
                    "custom id",
                    format!(
                        "{}  (customKeyIdentifier in the manifest)",
                        thumbprints.custom_key_identifier()
                    ),
                ),
            ] {
                let _ = writeln!(text, "{name:<12} {value}");
            }
            print(text.trim_end())
        }
        Output::Json => {
            let object = json!({
                "subject": certificate.subject(),
                "issuer": certificate.issuer(),
                "serial": certificate.serial(),
                "notBefore": certificate.not_before().as_secs(),
                "notAfter": certificate.not_after().as_secs(),
                "keyBits": certificate.key_bits(),
                "sha1": thumbprints.sha1_hex(),
                "sha256": thumbprints.sha256_hex(),
                "x5t": thumbprints.x5t(),
                "x5t#S256": thumbprints.x5t_s256(),
                "customKeyIdentifier": thumbprints.custom_key_identifier(),
            });
            print_json(&object)
        }
    }
}
