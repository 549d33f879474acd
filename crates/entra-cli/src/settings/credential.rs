//! The choice of the credential among options, variables and the profile.

use std::path::PathBuf;

use entra_credential::FederatedTokenFile;
use entra_proto::assertion::FederatedCredential;
use entra_proto::environment::{
    AUTHORITY_HOST, CLIENT_CERTIFICATE_PATH as CERTIFICATE, CLIENT_ID, CLIENT_SECRET as SECRET,
    FEDERATED_TOKEN_FILE as FEDERATED,
};
use entra_proto::{ClientCredential, ClientId, ClientSecret, Cloud};

use super::federated::FederatedSource;
use super::{ApplicationSettings, cloud_at, reason_unset};
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::message::warn;
use crate::named_file::reject_contents;
use crate::secret;
use crate::source::Source;

impl ApplicationSettings {
    pub(super) fn credential(&self) -> Result<ClientCredential, Failure> {
        Ok(match self.chosen()? {
            Chosen::Secret(secret, source) => {
                if let Some(doubt) = secret.doubt() {
                    warn(format_args!("the client secret {source}: {doubt}"), doubt.hint());
                }
                secret.into()
            }
            Chosen::Certificate(path, _) => self.certificate()?.credential(&path)?.into(),
            Chosen::Federated(file, _) => FederatedCredential::new(file).into(),
            Chosen::Acquired(source, _) => source.credential(&self.cloud()?)?,
        })
    }

    /// Returns the chosen credential. Options come first, then the variables for secret,
    /// certificate and federated token in this order, then the profile.
    ///
    /// # Errors
    /// Returns an error if no credential is set, or it must not be sent to this authority.
    pub(crate) fn chosen(&self) -> Result<Chosen, Failure> {
        let chosen = self.chosen_or_none()?.ok_or_else(|| {
            if self.is_of_file {
                return Failure::text(Exit::Credential, "no credential")
                    .hint("write secret_file, certificate or another credential in this table, or profile = \"NAME\"");
            }
            let why = CREDENTIALS.iter().find_map(|name| reason_unset(name)).unwrap_or_default();
            Failure::text(Exit::Credential, format_args!("no credential{why}")).hint(
                "set AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH, or use --secret-file FILE (\"-\" for standard input) or \
                 --certificate FILE",
            )
        })?;
        self.check_recipient(chosen.source())?;
        Ok(chosen)
    }

    /// Returns the chosen credential if it is an assertion of another issuer. Reads no secret from
    /// a file.
    ///
    /// # Errors
    /// Returns an error if the credential must not be sent to the authority.
    pub(crate) fn federated(&self) -> Result<Option<Chosen>, Failure> {
        let is_of_file = self.secret_file.is_some() || self.certificate.file().is_some();
        if is_of_file || self.certificate.key_file().is_some() {
            return Ok(None);
        }
        let chosen = self.chosen_or_none()?;
        let chosen = chosen.filter(|chosen| matches!(chosen, Chosen::Federated(..) | Chosen::Acquired(..)));
        if let Some(chosen) = &chosen {
            self.check_recipient(chosen.source())?;
        }
        Ok(chosen)
    }

    pub(super) fn chosen_or_none(&self) -> Result<Option<Chosen>, Failure> {
        self.reject_secret_on_command_line()?;
        self.reject_needless_identity()?;
        if let Some(path) = &self.secret_file {
            return Ok(Some(Chosen::Secret(secret::read(path)?, Source::File(path.clone()))));
        }
        if let Some(path) = self.certificate.file() {
            let flag = Source::Flag("--certificate".to_owned());
            reject_contents(path, Exit::Credential)?;
            return Ok(Some(Chosen::Certificate(path.to_owned(), flag)));
        }
        if let Some(key) = self.certificate.key_file() {
            // An option for the key excludes the variables of other credentials.
            reject_contents(key, Exit::Credential)?;
            let path = path_variable(CERTIFICATE).filter(|_| !self.is_of_file);
            let path = path.ok_or_else(|| {
                Failure::text(Exit::Credential, "--certificate-key is set without a certificate")
                    .hint("give the certificate's file with --certificate or AZURE_CLIENT_CERTIFICATE_PATH")
            })?;
            reject_contents(&path, Exit::Credential)?;
            return Ok(Some(Chosen::Certificate(
                path,
                Source::Variable(CERTIFICATE.to_owned()),
            )));
        }
        if let Some(path) = self.federated.file() {
            let flag = Source::Flag("--federated-token-file".to_owned());
            reject_contents(path, Exit::Credential)?;
            return Ok(Some(Chosen::Federated(FederatedTokenFile::new(path), flag)));
        }
        if let Some((source, flag)) = self.federated.source(|| self.identity.identity())? {
            return Ok(Some(Chosen::Acquired(source, flag)));
        }
        if self.is_of_file {
            return self.chosen_in_profile();
        }
        let variable = |name: &str| Source::Variable(name.to_owned());
        if let Some(text) = environment::text(SECRET, Exit::Credential)? {
            return Ok(Some(Chosen::Secret(secret::client_secret(&text)?, variable(SECRET))));
        }
        if let Some(path) = path_variable(CERTIFICATE) {
            reject_contents(&path, Exit::Credential)?;
            return Ok(Some(Chosen::Certificate(path, variable(CERTIFICATE))));
        }
        if let Some(path) = path_variable(FEDERATED) {
            reject_contents(&path, Exit::Credential)?;
            return Ok(Some(Chosen::Federated(
                FederatedTokenFile::new(path),
                variable(FEDERATED),
            )));
        }
        self.chosen_in_profile()
    }

    fn chosen_in_profile(&self) -> Result<Option<Chosen>, Failure> {
        let Some(named) = self.named_in_profile()? else {
            return Ok(None);
        };
        self.check_files(&named)?;
        named.read().map(Some)
    }

    /// Returns the option for another issuer's assertion, if one is given.
    pub(crate) fn federated_option(&self) -> Option<String> {
        self.federated.option()
    }

    /// Rejects the options that name a managed identity, if none is used.
    pub(super) fn reject_needless_identity(&self) -> Result<(), Failure> {
        match self.identity.option() {
            Some(option) if !self.federated.is_managed_identity() => {
                let problem = format!("{option} requires a managed identity");
                Err(Failure::text(Exit::Usage, problem)
                    .hint("add --managed-identity for the token of the identity itself")
                    .hint("or --federated-source managed-identity for an application that trusts the identity"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn reject_secret_on_command_line(&self) -> Result<(), Failure> {
        if self.secret.is_none() {
            return Ok(());
        }
        Err(Failure::text(
            Exit::Usage,
            "a secret on the command line is visible to every user of this machine and stored in the shell's history",
        )
        .hint("set AZURE_CLIENT_SECRET, or use --secret-file FILE, or pipe it in with --secret-file -"))
    }

    /// Returns true if a credential of a variable or a profile belongs to this application in this
    /// cloud.
    pub(super) fn is_of(&self, chosen: &Chosen, client_id: ClientId, cloud: &Cloud) -> Result<bool, Failure> {
        match chosen.source() {
            Source::Variable(_) => Ok(self.variables_are_of(client_id, cloud)),
            Source::Profile(_) => self.profile_is_of(client_id, cloud),
            _ => Ok(true),
        }
    }

    /// Returns true if a credential in a variable belongs to this application in this cloud. It
    /// belongs to AZURE_CLIENT_ID at AZURE_AUTHORITY_HOST, even if an option names another
    /// application or cloud, and is not sent anywhere else.
    fn variables_are_of(&self, client_id: ClientId, cloud: &Cloud) -> bool {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let named_client = match variable(CLIENT_ID) {
            Some(id) => id.trim().parse().ok(),
            None => self.client_id().ok(),
        };
        let named_cloud = match variable(AUTHORITY_HOST) {
            Some(host) => cloud_at(host.trim()),
            None => self.cloud(),
        };
        named_client == Some(client_id) && named_cloud.is_ok_and(|named| named.origin() == cloud.origin())
    }
}

/// The chosen credential and its source. A secret has been read; files with keys and tokens have
/// not.
pub(crate) enum Chosen {
    Secret(ClientSecret, Source),
    Certificate(PathBuf, Source),
    Federated(FederatedTokenFile, Source),
    /// An assertion of a service or of a variable.
    Acquired(FederatedSource, Source),
}

impl Chosen {
    /// Returns the source of the credential.
    pub(crate) fn source(&self) -> &Source {
        let (Self::Secret(_, source)
        | Self::Certificate(_, source)
        | Self::Federated(_, source)
        | Self::Acquired(_, source)) = self;
        source
    }
}

/// Returns the path in a variable. An empty one counts as unset.
pub(super) fn path_variable(name: &str) -> Option<PathBuf> {
    entra_proto::environment::path(|name| std::env::var_os(name), name)
}

/// The variables for a credential. The first one that is set is used.
pub(crate) const CREDENTIALS: [&str; 3] = [SECRET, CERTIFICATE, FEDERATED];
