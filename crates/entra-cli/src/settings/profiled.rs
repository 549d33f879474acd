//! The settings of an application combined with those of the profile, and the source of each.

use std::path::{Path, PathBuf};

use entra_credential::FederatedTokenFile;
use entra_proto::{ClientId, Cloud, EndpointVersion};

use super::credential::{CREDENTIALS, Chosen, path_variable};
use super::{ApplicationSettings, cloud_at, given};
use crate::certificate::{CertificateSettings, PASSWORD, SEND_CHAIN};
use crate::exit::{Exit, Failure};
use crate::named_file::reject_contents;
use crate::profile::{Entry, Profile, Setting};
use crate::secret;
use crate::source::{Source, Traced};

impl Traced<ApplicationSettings> {
    /// Returns the source of a setting, including profiles. An empty option or variable counts as
    /// unset.
    pub(crate) fn origin(&self, argument: &str) -> Result<Source, Failure> {
        let settings = &self.settings;
        let is_blank = match argument {
            "tenant" => given(&settings.tenant).is_none(),
            "client_id" => given(&settings.client_id).is_none(),
            "authority_host" => given(&settings.cloud.authority_host).is_none(),
            _ => false,
        };
        match self.source(argument) {
            source @ (Source::Flag(_) | Source::Variable(_)) if !is_blank => Ok(source),
            _ => {
                let entry = settings.profile()?.entry(argument);
                Ok(entry.map_or(Source::Default, |entry| Source::Profile(entry.at.clone())))
            }
        }
    }
}

impl ApplicationSettings {
    /// Returns the profile.
    ///
    /// # Errors
    /// Returns an error if a file is invalid, or no file has the profile.
    pub(crate) fn profile(&self) -> Result<&Profile, Failure> {
        self.profile.get()
    }

    /// Returns a text setting: the given one, or the profile's.
    pub(super) fn text<'a>(&'a self, own: &'a Option<String>, key: &str) -> Result<Option<&'a str>, Failure> {
        Ok(text_of(self.profile()?, own, key))
    }

    pub(super) fn capabilities(&self) -> Result<Vec<&str>, Failure> {
        let profile = self.profile()?;
        if !self.capabilities.is_empty() {
            return Ok(self.capabilities.iter().map(String::as_str).collect());
        }
        Ok(match profile.entry("capabilities").map(|entry| &entry.value) {
            Some(Setting::List(names)) => names.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        })
    }

    /// Returns the credential in the profile, unless an option or a variable names one.
    pub(super) fn named_in_profile(&self) -> Result<Option<Named>, Failure> {
        let is_given = self.secret_file.is_some()
            || self.certificate.file().is_some()
            || self.certificate.key_file().is_some()
            || self.federated.given().is_some()
            || (!self.is_of_file && CREDENTIALS.iter().any(|name| path_variable(name).is_some()));
        let entry = self.profile()?.credential().filter(|_| !is_given);
        let Some((entry, Setting::Path(path))) = entry.map(|entry| (entry, &entry.value)) else {
            return Ok(None);
        };
        reject_contents(path, Exit::Credential)?;
        Ok(Some(Named {
            kind: entry.key,
            path: path.clone(),
            source: Source::Profile(entry.at.clone()),
        }))
    }

    /// Returns the settings of the certificate. The key and password files of a profile's
    /// certificate come from the same file as the certificate.
    pub(crate) fn certificate(&self) -> Result<CertificateSettings, Failure> {
        let profile = self.profile()?;
        let mut settings = self.certificate.clone();
        if let Some(Setting::Flag(true)) = profile.entry("send_certificate_chain").map(|entry| &entry.value) {
            settings.send_chain_by_profile();
        }
        if let Some(algorithm) = profile.entry("algorithm").and_then(as_text) {
            settings.sign_by_profile(algorithm);
        }
        let is_of_profile = self
            .named_in_profile()?
            .is_some_and(|named| named.kind == "certificate");
        if let Some(certificate) = profile.credential().filter(|_| is_of_profile) {
            let path = |key| match profile.beside(certificate, key).map(|entry| &entry.value) {
                Some(Setting::Path(path)) => Some(path.clone()),
                _ => None,
            };
            settings.open_by_profile(path("certificate_key"), path("certificate_password_file"));
        }
        Ok(settings)
    }

    /// Returns true if a profile's credential belongs to this application in this cloud. It belongs
    /// to the client ID and the authority of the profile.
    pub(super) fn profile_is_of(&self, client_id: ClientId, cloud: &Cloud) -> Result<bool, Failure> {
        let profile = self.profile()?;
        let named_client = match profile.entry("client_id").and_then(as_text) {
            Some(id) => id.parse().ok(),
            None => self.client_id().ok(),
        };
        let named_cloud = match profile.entry("authority_host").and_then(as_text) {
            Some(host) => cloud_at(host),
            None => self.cloud(),
        };
        Ok(named_client == Some(client_id) && named_cloud.is_ok_and(|named| named.origin() == cloud.origin()))
    }
}

/// A setting for display.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The value, or `None` if it is not set. For a secret, the value is the word "set".
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
}

impl Traced<ApplicationSettings> {
    /// Returns the settings and the source of each. Reads no file except `entra.toml`.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, Failure> {
        let settings = &self.settings;
        let profile = settings.profile()?;
        let text = |own, key| settings.text(own, key).map(|text| text.map(str::to_owned));
        let row = |name, value: Option<String>, source| Row {
            name,
            source: if value.is_some() { source } else { Source::Default },
            value,
        };
        let mut rows = vec![
            row("tenant", text(&settings.tenant, "tenant")?, self.origin("tenant")?),
            row(
                "client_id",
                text(&settings.client_id, "client_id")?,
                self.origin("client_id")?,
            ),
            row(
                "authority_host",
                Some(text(&settings.cloud.authority_host, "authority_host")?.unwrap_or_else(|| "public".to_owned())),
                self.origin("authority_host")?,
            ),
        ];
        let endpoint = match (settings.v1 || settings.v2).then_some(if settings.v1 { "v1" } else { "v2" }) {
            Some(flag) => self.origin(flag)?,
            None => self.origin("endpoint")?,
        };
        let is_v1 = settings.version()? == EndpointVersion::V1;
        rows.push(row(
            "endpoint",
            Some(if is_v1 { "v1" } else { "v2" }.to_owned()),
            endpoint,
        ));
        rows.push(row("region", text(&settings.region, "region")?, self.origin("region")?));
        let capabilities = settings.capabilities()?;
        let shown = (!capabilities.is_empty()).then(|| capabilities.join(", "));
        rows.push(row("capabilities", shown, self.origin("capabilities")?));

        let path = |path: &Path| Some(path.to_string_lossy().into_owned());
        let variable = |name: &str| Source::Variable(name.to_owned());
        if let Some(file) = &settings.secret_file {
            rows.push(row("secret_file", path(file), self.origin("secret_file")?));
        } else if let Some(file) = settings.certificate.file() {
            rows.push(row("certificate", path(file), self.origin("certificate")?));
        } else if let Some((name, value)) = settings.federated.given() {
            rows.push(row(name, Some(value), self.origin(name)?));
        } else if settings.certificate.key_file().is_none() && path_variable(CREDENTIALS[0]).is_some() {
            rows.push(row("client_secret", Some("set".to_owned()), variable(CREDENTIALS[0])));
        } else if let Some(file) = path_variable(CREDENTIALS[1]) {
            rows.push(row("certificate", path(&file), variable(CREDENTIALS[1])));
        } else if let Some(file) = path_variable(CREDENTIALS[2]) {
            rows.push(row("federated_token_file", path(&file), variable(CREDENTIALS[2])));
        } else {
            let named = settings.named_in_profile()?;
            let (name, value, source) = match &named {
                Some(named) => (named.kind, path(&named.path), named.source.clone()),
                None => ("credential", None, Source::Default),
            };
            rows.push(row(name, value, source));
        }
        if !rows.iter().any(|row| row.name == "certificate") {
            return Ok(rows);
        }
        let certificate = settings.certificate()?;
        let origin = |key: &str, variable_name: &str| match self.source(key) {
            Source::Default if path_variable(variable_name).is_some() => variable(variable_name),
            Source::Default => {
                let entry = match profile.credential().filter(|_| key.starts_with("certificate_")) {
                    Some(credential) => profile.beside(credential, key),
                    None => profile.entry(key),
                };
                entry.map_or(Source::Default, |entry| Source::Profile(entry.at.clone()))
            }
            given => given,
        };
        rows.push(row(
            "certificate_key",
            certificate.key_file().and_then(path),
            origin("certificate_key", ""),
        ));
        let password = certificate.password_file().and_then(path);
        let is_set = path_variable(PASSWORD).is_some().then(|| "set".to_owned());
        rows.push(row(
            "certificate_password",
            password.or(is_set),
            origin("certificate_password_file", PASSWORD),
        ));
        rows.push(row(
            "send_certificate_chain",
            Some(certificate.sends_chain()?.to_string()),
            origin("send_certificate_chain", SEND_CHAIN),
        ));
        rows.push(row("algorithm", certificate.algorithm_name(), origin("algorithm", "")));
        Ok(rows)
    }
}

/// A credential's kind and file, which has not been read.
pub(super) struct Named {
    pub(super) kind: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: Source,
}

impl Named {
    /// Reads a secret. Other files are read when they are used.
    pub(super) fn read(self) -> Result<Chosen, Failure> {
        Ok(match self.kind {
            "secret_file" => Chosen::Secret(secret::read(&self.path)?, self.source),
            "certificate" => Chosen::Certificate(self.path, self.source),
            _ => Chosen::Federated(FederatedTokenFile::new(self.path), self.source),
        })
    }
}

/// Returns a text setting: the given one, or the profile's.
pub(crate) fn text_of<'a>(profile: &'a Profile, own: &'a Option<String>, key: &str) -> Option<&'a str> {
    given(own).or_else(|| profile.entry(key).and_then(as_text))
}

fn as_text(entry: &Entry) -> Option<&str> {
    match &entry.value {
        Setting::Text(text) => Some(text),
        _ => None,
    }
}
