//! The command `entra cert`: makes and inspects client certificates.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use entra_credential::{Certificate, ClientCertificate};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    RsaKeySize,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::certificate::{CertificateFiles, PasswordSettings};
use crate::exit::{Exit, Failure};
use crate::files::{harmless, print, print_json, shell_word, tell, write_new};
use crate::named_file::reject_contents;
use crate::sanitize::shown;
use crate::time_format::{from_now, now, put_time, utc};

/// Make and inspect client certificates.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an RSA key and a self-signed certificate for it.
    ///
    /// Writes two files: NAME.pem with the key and the certificate, which only you can read (on
    /// Unix), and NAME.crt with only the certificate, for upload. A certificate authority is not
    /// needed: Entra trusts the certificate because an administrator registers it.
    #[command(after_help = "\
Examples:
  entra cert new --name daemon
  entra cert new --name daemon --out /etc/daemon/
  entra cert new --name daemon --out /etc/daemon/key.pem
  # for the app registration's manifest
  entra keycredentials daemon.crt
  entra token --certificate daemon.pem \\
    --resource https://graph.microsoft.com")]
    New {
        /// Common name of the certificate, and base name of the files NAME.pem and NAME.crt
        #[arg(long, default_value = "entra-client")]
        name: String,

        /// Folder for the two files, or path of the file with the key; the certificate is then
        /// written next to it, with the extension .crt [default: the current folder]
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,

        /// Length of the key, in bits
        #[arg(long, value_enum, default_value_t = Bits::B2048)]
        bits: Bits,

        /// Validity of the certificate in days, from 1 to 3650
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u64).range(1..=3650))]
        days: u64,

        /// Output format
        #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
        output: Output,
    },
    /// Show the certificate in a file, with the thumbprints that Entra shows.
    ///
    /// The private key is optional, and may be in the same file or in another one. If it is
    /// present, the command checks that it belongs to the certificate. Only public information is
    /// shown.
    #[command(after_help = "\
Examples:
  entra cert inspect daemon.pem
  entra cert inspect tls.crt --certificate-key tls.key
  entra cert inspect daemon.cer -o json")]
    Inspect {
        /// The certificate: a file in PEM, DER (.cer) or PFX format
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// A file with the private key, if the certificate's file does not contain it
        #[arg(long, value_name = "FILE")]
        certificate_key: Option<PathBuf>,

        #[command(flatten)]
        password: PasswordSettings,

        /// Output format
        #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
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
    /// One line for each property
    Text,
    /// The properties, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::New {
            name,
            out,
            bits,
            days,
            output,
        } => new(name, out.as_deref(), *bits, *days, *output),
        Command::Inspect {
            file,
            certificate_key,
            password,
            output,
        } => {
            let files = password.read(file, certificate_key.as_deref(), false)?;
            inspect(&files, *output)
        }
    }
}

fn new(name: &str, out: Option<&Path>, bits: Bits, days: u64, output: Output) -> Result<(), Failure> {
    let size = match bits {
        Bits::B2048 => RsaKeySize::_2048,
        Bits::B3072 => RsaKeySize::_3072,
        Bits::B4096 => RsaKeySize::_4096,
    };
    // A secret that is passed by accident must not become the name of a file.
    for given in [Some(Path::new(name)), out].into_iter().flatten() {
        reject_contents(given, Exit::Usage)?;
    }
    check_common_name(name)?;
    let (private, public) = destination(name, out)?;
    let (key, certificate) = self_signed(name, size, Duration::from_secs(days * 86_400))?;
    let both = Zeroizing::new(format!("{}{certificate}", key.as_str()));
    write_new(&public, &certificate, false)?;
    if let Err(failure) = write_new(&private, &both, true) {
        // The certificate that was just written is useless without its key.
        let _ = std::fs::remove_file(&public);
        return Err(failure);
    }
    tell(format_args!(
        "{} contains the private key: keep it secret. {} contains only the certificate: upload it, or use",
        shown(&private),
        shown(&public)
    ));
    tell(format_args!("  entra keycredentials {}", shell_word(&public)));
    let read = ClientCertificate::from_pem(both.as_bytes(), None);
    let certificate = read.map_err(|error| Failure::new(Exit::Credential, error))?;
    let files = [("key_file", &private), ("certificate_file", &public)];
    let files = files.map(|(name, path)| (name.to_owned(), path.to_string_lossy().into()));
    show(certificate.leaf(), "in the file", output, files.into_iter().collect())
}

/// Returns an error if the name cannot be the common name of a certificate.
fn check_common_name(name: &str) -> Result<(), Failure> {
    let (problem, hint) = if name.trim().is_empty() {
        ("the name is empty", "pass a common name, such as --name daemon")
    } else if name.chars().any(char::is_control) {
        (
            "the name contains a control character, such as a line end",
            "choose another name",
        )
    } else if name.chars().count() > LONGEST_COMMON_NAME {
        (
            "the name is longer than 64 characters, the limit for a common name (RFC 5280)",
            "choose a shorter name",
        )
    } else {
        return Ok(());
    };
    Err(Failure::text(Exit::Usage, problem).hint(hint))
}

/// Returns the paths of the file with the key and of the file with only the certificate.
fn destination(name: &str, out: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let is_folder = |path: &Path| path.is_dir() || path.to_string_lossy().ends_with(std::path::is_separator);
    match out {
        Some(file) if !is_folder(file) => {
            let file_name = file.file_name().unwrap_or_default().to_string_lossy();
            if file_name == "-" {
                return Err(
                    Failure::text(Exit::Usage, "--out cannot be standard output").hint("name a folder or a file")
                );
            }
            check_file_name(&file_name)?;
            let public = file.with_extension("crt");
            if public == file {
                return Err(Failure::text(
                    Exit::Usage,
                    "--out names the file with the key, which cannot have the extension .crt of the certificate",
                )
                .hint("use another extension for the file with the key, such as .pem"));
            }
            Ok((file.to_owned(), public))
        }
        folder => {
            check_file_name(name)?;
            let folder = folder.unwrap_or_else(|| Path::new(""));
            Ok((folder.join(format!("{name}.pem")), folder.join(format!("{name}.crt"))))
        }
    }
}

/// Returns an error if the name is not that of a plain file, but a path, an NTFS stream or a
/// Windows device.
fn check_file_name(name: &str) -> Result<(), Failure> {
    let device = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_uppercase();
    let is_port = |prefix: &str| {
        device
            .strip_prefix(prefix)
            .is_some_and(|number| number.chars().count() == 1 && number.contains(PORTS))
    };
    let (problem, hint) = if name.contains(['/', '\\', ':', '\0']) {
        ("contains a slash or a colon", "name the folder with --out")
    } else if matches!(name, "." | "..") {
        ("is a folder", "choose another name")
    } else if DEVICES.contains(&device.as_str()) || is_port("COM") || is_port("LPT") {
        ("is a Windows device", "choose another name")
    } else {
        return Ok(());
    };
    let name = harmless(name);
    Err(Failure::text(
        Exit::Usage,
        format_args!("{name} is not a valid file name: it {problem}"),
    )
    .hint(hint))
}

/// Names of Windows devices, which are reserved with every extension.
const DEVICES: [&str; 6] = ["AUX", "CON", "CONIN$", "CONOUT$", "NUL", "PRN"];
/// The digits that name a device after `COM` or `LPT`.
const PORTS: [char; 13] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '\u{b9}', '\u{b2}', '\u{b3}',
];
/// The limit `ub-common-name` of RFC 5280, appendix A, in characters.
const LONGEST_COMMON_NAME: usize = 64;

/// Makes an RSA key and a self-signed certificate. Returns both in PEM.
pub(crate) fn self_signed(
    name: &str,
    size: RsaKeySize,
    life: Duration,
) -> Result<(Zeroizing<String>, String), Failure> {
    let failed = |error: rcgen::Error| Failure::of(Exit::Credential, &error);
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(failed)?;
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // Valid from five minutes ago, because the clocks of machines differ.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(300)).into();
    params.not_after = (now + life).into();
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((Zeroizing::new(key.serialize_pem()), certificate.pem()))
}

fn inspect(files: &CertificateFiles, output: Output) -> Result<(), Failure> {
    let certificate = files.certificate()?;
    let (key, warnings) = match files.bundle.client_certificate(now()) {
        Ok(identity) => ("in the file".to_owned(), identity.warnings(now())),
        Err(_) if !files.bundle.has_private_key() => ("not in the file".to_owned(), certificate.warnings(now())),
        Err(error) => {
            let problem = Failure::from(error).problem;
            (format!("not read: {problem}"), certificate.warnings(now()))
        }
    };
    files.tell_warnings(warnings);
    show(&certificate, &key, output, Map::new())
}

/// Prints a certificate and the location of its private key. JSON output also has the members of
/// `more`.
fn show(certificate: &Certificate, private_key: &str, output: Output, more: Map<String, Value>) -> Result<(), Failure> {
    let thumbprints = certificate.thumbprints();
    let key_type = certificate.key_type();
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
                (
                    "key",
                    match certificate.key_bits() {
                        Some(bits) => format!("{key_type}, {bits} bits"),
                        None => harmless(key_type),
                    },
                ),
                ("private key", private_key.to_owned()),
                (
                    "thumbprint",
                    format!("{}  (SHA-1, as the portal shows it)", thumbprints.sha1_hex()),
                ),
                (
                    "sha256",
                    format!("{}  (SHA-256, as AADSTS700027 shows it)", thumbprints.sha256_hex()),
                ),
                ("x5t", format!("{}  (SHA-1 in an assertion)", thumbprints.x5t())),
                (
                    "x5t#S256",
                    format!("{}  (SHA-256 in an assertion)", thumbprints.x5t_s256()),
                ),
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
            let mut object = json!({
                "issuer": certificate.issuer(),
                "serial": certificate.serial(),
                "private_key": private_key,
                "custom_key_identifier": thumbprints.custom_key_identifier(),
            });
            if let Value::Object(members) = &mut object {
                members.extend(json_of(certificate));
                members.extend(more);
            }
            print_json(&object)
        }
    }
}

/// Returns the properties that identify a certificate, as JSON members.
pub(crate) fn json_of(certificate: &Certificate) -> Map<String, Value> {
    let thumbprints = certificate.thumbprints();
    let mut members = Map::new();
    for (name, value) in [
        ("subject", certificate.subject().into()),
        ("key_type", certificate.key_type().into()),
        ("key_bits", certificate.key_bits().into()),
        ("sha1", thumbprints.sha1_hex().into()),
        ("sha256", thumbprints.sha256_hex().into()),
        ("x5t", thumbprints.x5t().into()),
        ("x5t_s256", thumbprints.x5t_s256().into()),
    ] {
        members.insert(name.to_owned(), value);
    }
    put_time(&mut members, "starts", certificate.not_before());
    put_time(&mut members, "expires", certificate.not_after());
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_file_names_are_rejected() {
        for name in [
            "a/b",
            "a\\b",
            "a:b",
            "C:",
            ".",
            "..",
            "CON",
            "nul",
            "aux.v2",
            "com1",
            "LPT9.x",
            "Com\u{b9}",
            "prn ",
            "conout$",
        ] {
            assert!(destination(name, None).is_err(), "{name}");
            assert!(destination(name, Some(Path::new("./"))).is_err(), "{name}");
        }
        for name in [
            "daemon",
            "my daemon",
            "console",
            "com",
            "com10",
            "null",
            "a.b",
            "-x",
            "contoso.com",
        ] {
            assert!(destination(name, None).is_ok(), "{name}");
        }
    }

    #[test]
    fn invalid_common_names_are_rejected() {
        for (name, said) in [
            ("", "empty"),
            ("  ", "empty"),
            ("a\nb", "control"),
            (&"a".repeat(65), "longer"),
        ] {
            let failure = check_common_name(name).unwrap_err();
            assert!(failure.to_string().contains(said), "{failure}");
        }
        assert!(check_common_name(&"\u{e9}".repeat(64)).is_ok());
    }

    #[test]
    fn out_determines_both_paths() {
        let both = |name, out: &str| destination(name, Some(Path::new(out))).ok();
        let paths = |private: &str, public: &str| Some((PathBuf::from(private), PathBuf::from(public)));
        assert_eq!(destination("a", None).ok(), paths("a.pem", "a.crt"));
        assert_eq!(both("a", "."), paths("./a.pem", "./a.crt"));
        assert_eq!(both("a", "none/"), paths("none/a.pem", "none/a.crt"));
        assert_eq!(both("a:/b", "keys/x.pem"), paths("keys/x.pem", "keys/x.crt"));
        assert_eq!(both("a", "keys/x"), paths("keys/x", "keys/x.crt"));
        for wrong in ["-", "x.crt", "keys/a:b.pem", "keys/nul.pem"] {
            assert_eq!(both("a", wrong), None, "{wrong}");
        }
    }
}
