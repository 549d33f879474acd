//! The application's credential: a secret or a certificate, as in the sample's configuration.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use entra_credential::{CertificateBundle, ClientCertificate, Error, MAX_FILE, ThumbprintKey};
use entra_proto::assertion::{CertificateCredential, SigningAlgorithm};
use entra_proto::{ClientCredential, ClientSecret, Timestamp};

use crate::common::{self, Failure, warn};
use crate::settings::{Setting, Settings};

/// Returns the credential of the configuration, or else that of the variables of Azure's tools.
pub(crate) fn read(settings: &Settings) -> Result<ClientCredential, Failure> {
    let names = settings.names;
    let secret = settings.raw(names.secret)?;
    let key = settings.get(names.key)?;
    match (secret, key) {
        (Some(secret), Some(key)) => Err(Failure::new(format!("both {} and {} are set", secret.place, key.place))
            .hint("keep the one that the application uses: the certificate, if it has one")),
        (Some(secret), None) => from_secret(secret),
        (None, Some(key)) => from_key(settings, &key),
        (None, None) => {
            let [secret, certificate] = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"].map(common::optional);
            if secret?.or(certificate?).is_none() {
                return Err(settings.missing(names.secret, "AZURE_CLIENT_SECRET"));
            }
            Ok(common::credential()?)
        }
    }
}

fn from_secret(secret: Setting) -> Result<ClientCredential, Failure> {
    let place = secret.place;
    let secret = ClientSecret::new(secret.value).map_err(|error| Failure::from(error).at(&place.to_string()))?;
    if let Some(doubt) = secret.doubt() {
        warn(&format!("{place}: {doubt}; {}", doubt.hint()));
    }
    Ok(secret.into())
}

fn from_key(settings: &Settings, key: &Setting) -> Result<ClientCredential, Failure> {
    let (bundle, bytes) = bundle(settings, key)?;
    let certificate = settings.get(settings.names.certificate)?;
    let thumbprint = settings.get(settings.names.thumbprint)?;
    let failed = |error: Error| Failure::from(error).at(&key.place.to_string());
    let now: Timestamp = SystemTime::now().into();

    let bundle = match &certificate {
        Some(certificate) => bundle.join(self::bundle(settings, certificate)?.0),
        None => bundle,
    };
    match (bundle.client_certificate(now), thumbprint) {
        (Ok(certificate), thumbprint) => {
            if let Some(thumbprint) = thumbprint {
                check_thumbprint(&certificate, &thumbprint)?;
            }
            for warning in certificate.warnings(now) {
                warn(&format!("{}: {warning}; {}", key.place, warning.hint()));
            }
            Ok(certificate.into())
        }
        (Err(Error::CertificateMissing), Some(thumbprint)) => {
            let signer = ThumbprintKey::read(&bytes, None, &thumbprint.value).map_err(failed)?;
            // The only algorithm that identifies a certificate by its SHA-1 thumbprint.
            let credential = CertificateCredential::new(signer).with_algorithm(SigningAlgorithm::Rs256);
            Ok(credential.into())
        }
        (Err(Error::CertificateMissing), None) => {
            let other = [settings.names.certificate, settings.names.thumbprint].concat();
            Err(failed(Error::CertificateMissing).hint(format!("set {other}, which names the certificate of the key")))
        }
        (Err(error), _) => Err(failed(error)),
    }
}

fn check_thumbprint(certificate: &ClientCertificate, thumbprint: &Setting) -> Result<(), Failure> {
    let is_digit = |c: &char| c.is_ascii_hexdigit();
    let given: String = thumbprint.value.to_ascii_uppercase().chars().filter(is_digit).collect();
    let real = certificate.thumbprints().sha1_hex();
    if given == real {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} is not that of the certificate in the key file",
        thumbprint.place
    ))
    .hint(format!("write {real}, and register that certificate")))
}

/// Reads the file that a setting names, relative to the folder of the configuration file.
fn bundle(settings: &Settings, file: &Setting) -> Result<(CertificateBundle, Vec<u8>), Failure> {
    let path = settings.folder.join(Path::new(&file.value));
    let place = format!("{}: {}", file.place, path.display());
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|opened| opened.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::new(format!("{place}: cannot be read: {error}")).hint("check the path"))?;
    let bundle = CertificateBundle::read(&bytes, None).map_err(|error| Failure::from(error).at(&place))?;
    Ok((bundle, bytes))
}
