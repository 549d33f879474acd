//! Targets: the API or the scopes that a token is requested for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::authority::EndpointVersion;
use crate::default_scope::DEFAULT_SUFFIX;
use crate::error::{Error, Input, InputError};
use crate::known_api::MICROSOFT_GRAPH;
use crate::resource::Resource;
use crate::scope::{Scope, Scopes};
use crate::secrecy::may_be_secret;

/// The target of a token request: an API by its audience, or scopes.
///
/// The version of the endpoint decides the parameter on the wire:
///
/// | | v1 | v2 |
/// |---|---|---|
/// | `Resource(r)` | `resource=r` | `scope=r/.default` |
/// | `Scopes(s)` | `resource=` the one API before the last slash of each scope | `scope=s` |
///
/// ```
/// use entra_proto::{EndpointVersion, Target};
///
/// let sql = Target::resource("https://database.windows.net/")?;
/// assert_eq!(
///     sql.wire_parameter(EndpointVersion::V1)?,
///     ("resource", "https://database.windows.net/".into()),
/// );
/// assert_eq!(
///     sql.wire_parameter(EndpointVersion::V2)?,
///     ("scope", "https://database.windows.net//.default".into()),
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// All permissions granted on one API.
    Resource(Resource),
    /// Scopes.
    Scopes(Scopes),
}

impl Target {
    /// Creates a target from the audience of an API, such as `https://graph.microsoft.com`.
    ///
    /// # Errors
    /// Returns an error if the text is not a valid [`Resource`].
    pub fn resource(audience: &str) -> Result<Self, Error> {
        audience.parse().map(Self::Resource)
    }

    /// Creates a target from scopes that are separated by spaces.
    ///
    /// # Errors
    /// Returns an error if the text is not valid [`Scopes`].
    pub fn scopes(scopes: &str) -> Result<Self, Error> {
        scopes.parse().map(Self::Scopes)
    }

    /// Returns the name and the value of its parameter on the wire, not yet encoded.
    ///
    /// # Errors
    /// Returns an error for the v1 endpoint, which takes one resource, if the scopes name no API or
    /// more than one.
    pub fn wire_parameter(&self, version: EndpointVersion) -> Result<(&'static str, Cow<'_, str>), Error> {
        match (self, version) {
            (Self::Resource(resource), EndpointVersion::V1) => Ok(("resource", resource.as_str().into())),
            (Self::Resource(resource), EndpointVersion::V2) => {
                Ok(("scope", [resource.as_str(), DEFAULT_SUFFIX].concat().into()))
            }
            (Self::Scopes(scopes), EndpointVersion::V1) => Ok(("resource", one_resource(scopes)?.into())),
            (Self::Scopes(scopes), EndpointVersion::V2) => Ok(("scope", scopes.as_str().into())),
        }
    }

    /// Returns the parameter for requests of a user's tokens. On v2 it includes OpenID Connect's
    /// scopes, as in the official clients: without them there is neither an ID token nor a refresh
    /// token.
    pub(crate) fn on_for_user(&self, version: EndpointVersion) -> Result<(&'static str, Cow<'_, str>), Error> {
        self.check_for_user()?;
        let (name, value) = self.wire_parameter(version)?;
        if version == EndpointVersion::V1 {
            return Ok((name, value));
        }
        let mut scopes = value.into_owned();
        for wanted in ["openid", "profile", "offline_access"] {
            if !scopes.split(' ').any(|scope| scope == wanted) {
                scopes.push(' ');
                scopes.push_str(wanted);
            }
        }
        Ok((name, scopes.into()))
    }

    /// Returns the part that one token can be for: the scopes of the first API, and those of OpenID
    /// Connect.
    pub(crate) fn of_first_api(&self) -> Self {
        let Self::Scopes(scopes) = self else {
            return self.clone();
        };
        let first = scopes.iter().find(|scope| !scope.is_openid());
        let api = first.as_ref().map(|scope| scope.resource().unwrap_or(MICROSOFT_GRAPH));
        let of_it = |scope: &Scope| scope.is_openid() || Some(scope.resource().unwrap_or(MICROSOFT_GRAPH)) == api;
        let selected: Vec<Scope> = scopes.iter().filter(of_it).collect();
        Scopes::try_from(selected).map_or_else(|_| self.clone(), Self::Scopes)
    }

    /// Returns the audience of the token.
    ///
    /// # Errors
    /// Returns an error if the scopes name no API or more than one.
    pub fn audience(&self) -> Result<Cow<'_, str>, Error> {
        match self {
            Self::Resource(resource) => Ok(resource.as_str().into()),
            Self::Scopes(scopes) => one_resource(scopes).map(Cow::Owned),
        }
    }

    /// Checks that it can be requested for a user: `/.default` or single permissions, but not both
    /// (AADSTS70011).
    pub(crate) fn check_for_user(&self) -> Result<(), Error> {
        let Self::Scopes(scopes) = self else { return Ok(()) };
        let wanted = || scopes.iter().filter(|scope| !scope.is_openid());
        if wanted().any(|scope| scope.is_default()) && wanted().any(|scope| !scope.is_default()) {
            return Err(
                InputError::new(Input::Scope, "combines single permissions with /.default")
                    .value(scopes.as_str())
                    .with_hint("write one or the other: /.default stands for all permissions of the app registration")
                    .into(),
            );
        }
        Ok(())
    }

    /// Checks that it is for one API, or for OpenID Connect's scopes only: a token cannot be for
    /// more.
    pub(crate) fn check_one_api(&self) -> Result<(), Error> {
        self.check_for_user()?;
        match self {
            Self::Scopes(scopes) if scopes.iter().any(|scope| !scope.is_openid()) => one_resource(scopes).map(drop),
            _ => Ok(()),
        }
    }

    /// Checks that a daemon can request it: one API, by `/.default` (the service rejects others
    /// with AADSTS1002012 or AADSTS70011).
    pub(crate) fn check_for_daemon(&self) -> Result<(), Error> {
        let Self::Scopes(scopes) = self else { return Ok(()) };
        let wanted: Vec<Scope> = scopes.iter().filter(|scope| !scope.is_openid()).collect();
        if let Some(named) = wanted.iter().find(|scope| !scope.is_default()) {
            let api = named.resource().unwrap_or(MICROSOFT_GRAPH);
            return Err(InputError::new(
                Input::Scope,
                "is a single permission, but app-only tokens need /.default",
            )
            .value(named.as_str())
            .with_hint(if may_be_secret(named.as_str()) {
                "write the API's application ID URI followed by /.default".to_owned()
            } else {
                format!("write {api}{DEFAULT_SUFFIX}")
            })
            .into());
        }
        one_resource(scopes).map(drop)
    }
}

impl From<Resource> for Target {
    fn from(resource: Resource) -> Self {
        Self::Resource(resource)
    }
}

impl From<Scope> for Target {
    fn from(scope: Scope) -> Self {
        Self::Scopes(scope.into())
    }
}

impl From<Scopes> for Target {
    fn from(scopes: Scopes) -> Self {
        Self::Scopes(scopes)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(resource) => resource.fmt(f),
            Self::Scopes(scopes) => scopes.fmt(f),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(resource) => write!(f, "resource {resource}"),
            Self::Scopes(scopes) => write!(f, "scope {scopes}"),
        }
    }
}

/// Returns the one API of all these scopes, except OpenID Connect's. A scope without an API belongs
/// to Microsoft Graph.
fn one_resource(scopes: &Scopes) -> Result<String, Error> {
    let named: Vec<Scope> = scopes.iter().filter(|scope| !scope.is_openid()).collect();
    let resources: BTreeSet<&str> = named
        .iter()
        .map(|scope| scope.resource().unwrap_or(MICROSOFT_GRAPH))
        .collect();
    let mut resources = resources.into_iter();
    match (resources.next(), resources.next()) {
        (Some(one), None) => Ok(one.to_owned()),
        (None, _) => Err(InputError::new(Input::Scope, "names no API")
            .value(scopes.as_str())
            .with_hint("add the API's application ID URI followed by /.default")
            .into()),
        (Some(_), Some(_)) => Err(
            InputError::new(Input::Scope, "names more than one API, but a token is for one")
                .value(scopes.as_str())
                .with_hint("request a token for each")
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::in_full;
    use EndpointVersion::{V1, V2};

    fn scopes(text: &str) -> Target {
        Target::scopes(text).unwrap()
    }

    #[test]
    fn scopes_on_v1_become_a_single_resource() {
        for (text, resource) in [
            (
                "https://database.windows.net//.default",
                "https://database.windows.net/",
            ),
            (
                "https://graph.microsoft.com/.default openid offline_access",
                "https://graph.microsoft.com",
            ),
            (
                "User.Read https://graph.microsoft.com/Mail.Read",
                "https://graph.microsoft.com",
            ),
        ] {
            assert_eq!(
                scopes(text).wire_parameter(V1).unwrap(),
                ("resource", resource.into()),
                "{text}"
            );
            assert_eq!(
                scopes(text).wire_parameter(V2).unwrap(),
                ("scope", text.into()),
                "{text}"
            );
        }
        for text in [
            "openid",
            "https://a/.default https://b/.default",
            "https://a/.default https://a//.default",
        ] {
            assert!(scopes(text).wire_parameter(V1).is_err(), "{text}");
        }
    }

    #[test]
    fn user_targets_include_the_scopes_of_openid_connect() {
        for (text, sent) in [
            ("User.Read", "User.Read openid profile offline_access"),
            (
                "offline_access User.Read openid",
                "offline_access User.Read openid profile",
            ),
            (
                "https://a//.default",
                "https://a//.default openid profile offline_access",
            ),
        ] {
            assert_eq!(scopes(text).on_for_user(V2).unwrap(), ("scope", sent.into()));
        }
        let sql = Target::resource("https://database.windows.net/").unwrap();
        let sent = "https://database.windows.net//.default openid profile offline_access";
        assert_eq!(sql.on_for_user(V2).unwrap(), ("scope", sent.into()));
        assert_eq!(
            sql.on_for_user(V1).unwrap(),
            ("resource", "https://database.windows.net/".into())
        );
        let mixed = scopes("https://a/.default https://a/Read");
        assert!(in_full(&mixed.on_for_user(V2).unwrap_err()).contains("one or the other"));
    }

    #[test]
    fn code_is_redeemed_for_the_first_of_several_apis() {
        let several = scopes("openid https://a/X https://b/Y https://a/Z User.Read");
        assert_eq!(several.of_first_api().to_string(), "openid https://a/X https://a/Z");
        assert_eq!(
            scopes("User.Read https://graph.microsoft.com/Mail.Read")
                .of_first_api()
                .to_string(),
            "User.Read https://graph.microsoft.com/Mail.Read"
        );
        assert_eq!(scopes("openid").of_first_api().to_string(), "openid");
    }

    #[test]
    fn daemon_requests_one_api_by_its_default_scope() {
        for text in [
            "https://graph.microsoft.com/.default",
            ".default",
            "https://x//.default openid profile",
        ] {
            scopes(text).check_for_daemon().unwrap();
        }
        for (text, advice) in [
            (
                "https://graph.microsoft.com/User.Read",
                "write https://graph.microsoft.com/.default",
            ),
            ("User.Read", "write https://graph.microsoft.com/.default"),
            ("https://a/.default https://b/.default", "a token for each"),
            ("openid", "/.default"),
        ] {
            let error = in_full(&scopes(text).check_for_daemon().expect_err(text));
            assert!(error.contains(advice), "{error}");
        }
    }
}
