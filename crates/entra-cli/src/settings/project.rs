//! What a project's file may not do.
//!
//! A project's file may come from a stranger. It cannot send a secret to them, because
//!
//! - it names no authority but Microsoft's own ([`is_microsofts`]) and this machine, whose keys also decide which tokens are valid,
//! - it names no file but those of its own folder: a secret, a key or an assertion of the user is not sent to an application or tenant that
//!   the file chooses, and
//! - at an authority on this machine that it names, no credential is sent but one that the same project holds, and no token of a user:
//!   the port may be another user's.
//!
//! What an option, a variable or the user's own file names is what the user chose.

use std::path::{Component, Path, PathBuf};

use entra_proto::Cloud;

use super::credential::{CREDENTIALS, path_variable};
use super::profiled::{Named, text_of};
use super::{ApplicationSettings, cloud_at, given};
use crate::exit::{Exit, Failure};
use crate::outside::shown;
use crate::profile::{Entry, Profile, Setting};
use crate::source::Source;

impl ApplicationSettings {
    /// The cloud, where the one who names it may do so.
    pub(super) fn checked_cloud(&self) -> Result<Cloud, Failure> {
        cloud_of(self.profile()?, &self.cloud.authority_host)
    }

    /// The entry of a project's file that decides about the authority.
    fn authority_of_project(&self) -> Result<Option<&Entry>, Failure> {
        Ok(project_authority(self.profile()?, &self.cloud.authority_host))
    }

    /// Refuses to send a credential to an authority on this machine that a project's file names, unless it is the project's own.
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
            "set AZURE_AUTHORITY_HOST to send it there, or name a credential in the project's folder in that file",
        ))
    }

    /// Refuses files that a project's file names outside its own folder: the credential, and those that belong to a certificate.
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
                // One that an option names is the user's choice.
                let is_profiles = matches!((&entry.value, path), (Setting::Path(own), Some(path)) if own == path);
                is_profiles.then_some((entry, path?.to_owned()))
            }));
        }
        match files.iter().find(|(entry, path)| !is_within(&entry.at.file, path)) {
            Some((entry, path)) => Err(outside(entry, path)),
            None => Ok(()),
        }
    }

    /// Checks what decides about where a credential goes.
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

    /// Refuses to send a user's token to an authority on this machine that a project's file names.
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

/// The cloud that an option or a variable names (`own`), or else a profile that may do so.
pub(crate) fn cloud_of(profile: &Profile, own: &Option<String>) -> Result<Cloud, Failure> {
    let cloud = cloud_at(text_of(profile, own, "authority_host").unwrap_or("public"))?;
    let Some(entry) = project_authority(profile, own) else {
        return Ok(cloud);
    };
    if is_of_project(&cloud) {
        return Ok(cloud);
    }
    let problem = format!(
        "{}: a project's file names an authority that is neither Microsoft's nor on this machine: {}",
        entry.at,
        cloud.origin()
    );
    Err(Failure::text(Exit::Configuration, problem).hint(
        "its operator would get the credential, and decide which tokens are valid: if you trust it, set AZURE_AUTHORITY_HOST, or \
         move the profile to your own file (`entra config path`)",
    ))
}

fn project_authority<'a>(profile: &'a Profile, own: &Option<String>) -> Option<&'a Entry> {
    let entry = profile.entry("authority_host").filter(|entry| entry.at.is_project);
    entry.filter(|_| given(own).is_none())
}

impl Named {
    /// Whether a project's file names it, and it lies in the folder of that file.
    fn is_of_project(&self) -> bool {
        matches!(&self.source, Source::Profile(place) if place.is_project && is_within(&place.file, &self.path))
    }
}

/// The failure for a file that a project's file names.
fn outside(entry: &Entry, path: &Path) -> Failure {
    let problem = format!(
        "{}: a project's file names a file outside its own folder: {}",
        entry.at,
        shown(path)
    );
    let option = entry.key.replace('_', "-");
    Failure::text(Exit::Credential, problem).hint(format!(
        "its author chooses where the credential goes: if you trust it, give the file with --{option}, or name it in a profile of \
         another name in your own file (`entra config path`)"
    ))
}

/// Whether a path leads to a file in the folder of `entra.toml`, or to none at all.
fn is_within(file: &Path, path: &Path) -> bool {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let Ok(real) = folder.canonicalize() else {
        return false;
    };
    // Before the path is looked at: on Windows, a look at another machine's file sends it the user's name and password.
    let plain = without_parents(path);
    if !plain.starts_with(folder) && !plain.starts_with(&real) {
        return false;
    }
    match path.canonicalize() {
        Ok(path) => path.starts_with(real),
        // A link that leads nowhere may lead somewhere at the next look.
        Err(_) => path.symlink_metadata().is_err(),
    }
}

/// The path without `..`, as if there were no links.
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

/// Whether a project's file may name this authority.
pub(crate) fn is_of_project(cloud: &Cloud) -> bool {
    // The pages of a B2C tenant hold scripts of its owner.
    let is_trusted = is_microsofts(cloud) && !cloud.host().ends_with(".b2clogin.com");
    is_trusted || cloud.is_loopback()
}

/// Whether Microsoft, or the operator of a national cloud, runs what answers there: external tenants have hosts of their own.
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
    fn microsofts_hosts_are_told_from_their_like() {
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
