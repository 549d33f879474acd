//! Restrictions on a project's `entra.toml`.
//!
//! The author of a project's file may be hostile. The file cannot send a secret to them, because
//!
//! - it may only name authorities of Microsoft ([`is_microsofts`]) and loopback addresses. The keys
//!   of an authority also decide which tokens are valid,
//! - it may only name files in its own folder, so that a secret, a key or an assertion of the user
//!   is not sent to an application or tenant that the file chooses, and
//! - only a credential of the same project, and no user's token, is sent to a loopback authority
//!   that it names: the port may belong to another user.
//!
//! Options, variables and the user's own file are the user's choice and not restricted.

use std::path::{Component, Path, PathBuf};

use entra_proto::Cloud;

use super::credential::{CREDENTIALS, path_variable};
use super::profiled::{Named, text_of};
use super::{ApplicationSettings, cloud_at, given};
use crate::exit::{Exit, Failure};
use crate::profile::{Entry, Profile, Setting};
use crate::sanitize::shown;
use crate::source::Source;

impl ApplicationSettings {
    /// Returns the cloud.
    ///
    /// # Errors
    /// Returns an error if a project's file names an authority that it must not name.
    pub(super) fn checked_cloud(&self) -> Result<Cloud, Failure> {
        cloud_of(self.profile()?, &self.cloud.authority_host)
    }

    /// Returns the entry of a project's file that determines the authority.
    fn authority_of_project(&self) -> Result<Option<&Entry>, Failure> {
        Ok(project_authority(self.profile()?, &self.cloud.authority_host))
    }

    /// Rejects a credential for a loopback authority that a project's file names, unless the
    /// credential is the project's own.
    pub(super) fn check_recipient(&self, credential: &Source) -> Result<(), Failure> {
        let Some(authority) = self.authority_of_project()? else {
            return Ok(());
        };
        let named = self.named_in_profile()?;
        if is_microsofts(&self.checked_cloud()?) || named.is_some_and(|named| named.is_of_project()) {
            return Ok(());
        }
        let problem = format!(
            "{}: a project's file names an authority on this machine, and the credential {credential} is not the project's own",
            authority.at
        );
        Err(Failure::text(Exit::Credential, problem).hint(
            "set AZURE_AUTHORITY_HOST to send it there, or give a credential in the project's folder in that file",
        ))
    }

    /// Rejects files outside the folder of the project's file that names them: the credential, and
    /// the key and password files of a certificate.
    pub(super) fn check_files(&self, named: &Named) -> Result<(), Failure> {
        let profile = self.profile()?;
        let Some(credential) = profile.credential().filter(|entry| entry.at.is_project) else {
            return Ok(());
        };
        let mut files = vec![(credential, named.path.clone())];
        if named.kind == "certificate" {
            let used = self.certificate()?;
            let belonging = [
                ("certificate_key", used.key_file()),
                ("certificate_password_file", used.password_file()),
            ];
            files.extend(belonging.into_iter().filter_map(|(key, path)| {
                let entry = profile.beside(credential, key)?;
                // A file in an option is the user's choice.
                let is_profiles = matches!((&entry.value, path), (Setting::Path(own), Some(path)) if own == path);
                is_profiles.then_some((entry, path?.to_owned()))
            }));
        }
        match files.iter().find(|(entry, path)| !is_within(&entry.at.file, path)) {
            Some((entry, path)) => Err(outside(entry, path)),
            None => Ok(()),
        }
    }

    /// Checks the settings that determine where a credential is sent.
    ///
    /// # Errors
    /// Returns an error if a project's file breaks a restriction.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.checked_cloud()?;
        match self.named_in_profile()? {
            Some(named) => {
                self.check_files(&named)?;
                self.check_recipient(&named.source)
            }
            None => match CREDENTIALS.into_iter().find(|name| path_variable(name).is_some()) {
                Some(name) => self.check_recipient(&Source::Variable(name.to_owned())),
                None => Ok(()),
            },
        }
    }

    /// Rejects sending a user's token to a loopback authority that a project's file names.
    ///
    /// # Errors
    /// Returns an error if a project's file names a loopback authority.
    pub(crate) fn check_recipient_of_user_token(&self) -> Result<(), Failure> {
        let Some(authority) = self.authority_of_project()? else {
            return Ok(());
        };
        if is_microsofts(&self.checked_cloud()?) {
            return Ok(());
        }
        let problem = format!(
            "{}: a project's file names an authority on this machine, and a user's token is not sent there",
            authority.at
        );
        Err(Failure::text(Exit::Credential, problem).hint("set AZURE_AUTHORITY_HOST to send it there"))
    }
}

/// Returns the cloud of an option or a variable (`own`), or of the profile.
///
/// # Errors
/// Returns an error if the name is invalid, or a project's file must not name this cloud.
pub(crate) fn cloud_of(profile: &Profile, own: &Option<String>) -> Result<Cloud, Failure> {
    let cloud = cloud_at(text_of(profile, own, "authority_host").unwrap_or("public"))?;
    let Some(entry) = project_authority(profile, own) else {
        return Ok(cloud);
    };
    if is_allowed_in_project(&cloud) {
        return Ok(cloud);
    }
    let problem = format!(
        "{}: a project's file names an authority that is neither Microsoft's nor on this machine: {}",
        entry.at,
        cloud.origin()
    );
    Err(Failure::text(Exit::Configuration, problem).hint(
        "its operator would receive the credential, and decide which tokens are valid: if you trust it, set AZURE_AUTHORITY_HOST, \
         or move the profile to your own file (`entra config path`)",
    ))
}

fn project_authority<'a>(profile: &'a Profile, own: &Option<String>) -> Option<&'a Entry> {
    let entry = profile.entry("authority_host").filter(|entry| entry.at.is_project);
    entry.filter(|_| given(own).is_none())
}

impl Named {
    /// Returns true if a project's file names it, and it is in the folder of that file.
    fn is_of_project(&self) -> bool {
        matches!(&self.source, Source::Profile(place) if place.is_project && is_within(&place.file, &self.path))
    }
}

/// Returns the failure for a file outside the folder of a project's file.
fn outside(entry: &Entry, path: &Path) -> Failure {
    let problem = format!(
        "{}: a project's file names a file outside its own folder: {}",
        entry.at,
        shown(path)
    );
    let option = entry.key.replace('_', "-");
    Failure::text(Exit::Credential, problem).hint(format!(
        "the project's author chooses where the credential is sent: if you trust the author, give the file with --{option}, or in a \
         profile with another name in your own file (`entra config path`)"
    ))
}

/// Returns true if a path leads to a file in the folder of `entra.toml`, or does not exist.
fn is_within(file: &Path, path: &Path) -> bool {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let Ok(real) = folder.canonicalize() else {
        return false;
    };
    // Checked before the file system is: on Windows, access to another machine's file sends it the
    // user's credentials.
    let plain = without_parents(path);
    if !plain.starts_with(folder) && !plain.starts_with(&real) {
        return false;
    }
    match path.canonicalize() {
        Ok(path) => path.starts_with(real),
        // A broken link may have a target later.
        Err(_) => path.symlink_metadata().is_err(),
    }
}

/// Removes `..` from a path, as if there were no links.
fn without_parents(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            component => plain.push(component),
        }
    }
    plain
}

/// Returns true if a project's file may name this authority.
pub(crate) fn is_allowed_in_project(cloud: &Cloud) -> bool {
    // The pages of a B2C tenant contain scripts of its owner.
    let is_trusted = is_microsofts(cloud) && !cloud.host().ends_with(".b2clogin.com");
    is_trusted || cloud.is_loopback()
}

/// Returns true if Microsoft, or the operator of a national cloud, runs this authority. External
/// tenants have their own host names.
pub(crate) fn is_microsofts(cloud: &Cloud) -> bool {
    let of_tenants = [".ciamlogin.com", ".b2clogin.com"];
    match cloud {
        Cloud::Custom(origin) => origin.is_https() && of_tenants.iter().any(|end| origin.host().ends_with(end)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_hosts_are_not_microsofts() {
        for (host, is) in [
            ("public", true),
            ("https://login.windows.net", true),
            ("china", true),
            ("https://contoso.ciamlogin.com", true),
            ("https://contoso.b2clogin.com:8443", true),
            ("https://ciamlogin.com.evil.test", false),
            ("https://evilciamlogin.com", false),
            ("https://login.microsoftonline.com.evil.test", false),
            ("https://login.microsoftonline.com:8443", false),
            ("http://127.0.0.1:80", false),
        ] {
            assert_eq!(is_microsofts(&cloud_at(host).unwrap()), is, "{host}");
        }
    }
}
