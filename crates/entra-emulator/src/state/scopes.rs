//! The `scope` parameter of requests with a user (v2).

use crate::aadsts::Rejection;
use crate::config::Api;
use crate::form::Form;
use crate::state::directory::Directory;
use crate::state::store::Weigh;
use crate::well_known::GRAPH_APP_ID;

/// A parsed scope parameter: the OpenID Connect scopes, and the API permissions in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// The requested scopes among `openid`, `profile`, `email` and `offline_access`, in order.
    oidc: Vec<&'static str>,
    pub(crate) permissions: Vec<Permission>,
}

/// One requested permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permission {
    /// The text before the last slash, byte for byte: the audience of a v1 token.
    pub(crate) resource: String,
    /// The scope's name; `None` for `.default`.
    pub(crate) name: Option<String>,
    /// The whole text, as requested.
    pub(crate) text: String,
}

impl Scopes {
    /// Parses a scope parameter.
    ///
    /// # Errors
    /// Returns AADSTS70011 for `.default` beside other permissions, for an empty resource or name,
    /// or for more permissions or bytes than the limits allow.
    pub(crate) fn parse(text: &str) -> Result<Self, Rejection> {
        let mut scopes = Self::default();
        let mut length = 0;
        for part in text.split(' ').filter(|part| !part.is_empty()) {
            if let Some(oidc) = OIDC.iter().find(|known| **known == part) {
                if !scopes.has(oidc) {
                    scopes.oidc.push(oidc);
                }
                continue;
            }
            let (resource, name) = part.rsplit_once('/').unwrap_or((GRAPH_APP_ID, part));
            if resource.is_empty() || name.is_empty() {
                return Err(Rejection::new(70011).with(text));
            }
            let permission = Permission {
                resource: resource.to_owned(),
                name: (name != DEFAULT).then(|| name.to_owned()),
                text: part.to_owned(),
            };
            if !scopes.permissions.contains(&permission) {
                // Scopes are stored with every code and refresh token.
                length += part.len();
                if scopes.permissions.len() == MOST || length > LONGEST {
                    return Err(Rejection::new(70011).with(text));
                }
                scopes.permissions.push(permission);
            }
        }
        let defaults = scopes.permissions.iter().filter(|one| one.name.is_none()).count();
        if defaults > 0 && scopes.permissions.len() > 1 {
            return Err(Rejection::new(70011).with(text));
        }
        Ok(scopes)
    }

    /// Returns whether an OpenID Connect scope was requested.
    pub(crate) fn has(&self, oidc: &str) -> bool {
        self.oidc.contains(&oidc)
    }

    /// Returns whether these scopes, in any spelling, include all of the others. `.default`
    /// includes every scope of its API.
    pub(crate) fn covers(&self, others: &Self, directory: &Directory) -> bool {
        let api = |permission: &Permission| directory.api(&permission.resource).map(|api| &api.app_id);
        let is_covered = |other: &Permission| {
            self.permissions.iter().any(|own| {
                let is_named = match (&own.name, &other.name) {
                    (None, _) => true,
                    (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
                    (Some(_), None) => false,
                };
                is_named && api(own) == api(other)
            })
        };
        others.oidc.iter().all(|scope| self.has(scope)) && others.permissions.iter().all(is_covered)
    }

    /// Adds the OpenID Connect scopes of another request of the same sign-in.
    pub(crate) fn with_oidc_of(mut self, other: &Self) -> Self {
        for scope in &other.oidc {
            if !self.has(scope) {
                self.oidc.push(scope);
            }
        }
        self
    }

    /// Returns the OpenID Connect scopes that responses and tokens name, which excludes
    /// `offline_access`.
    pub(crate) fn oidc_names(&self) -> impl Iterator<Item = &'static str> {
        self.oidc.iter().copied().filter(|scope| *scope != "offline_access")
    }

    pub(crate) fn oidc(&self) -> &[&'static str] {
        &self.oidc
    }
}

impl Weigh for Scopes {
    fn weight(&self) -> usize {
        let text = |one: &Permission| one.resource.len() + one.name.as_ref().map_or(0, String::len) + one.text.len();
        let permissions = self.permissions.iter().map(|one| text(one) + size_of::<Permission>());
        permissions.sum::<usize>() + 64
    }
}

/// The resource or the scopes that an app requests.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    V1 { resource: Option<String> },
    V2(Scopes),
}

impl Weigh for Target {
    fn weight(&self) -> usize {
        match self {
            Self::V1 { resource } => resource.as_ref().map_or(0, String::len),
            Self::V2(scopes) => scopes.weight(),
        }
    }
}

impl Permission {
    /// Returns the API and the scope in the API's spelling. Names are compared case-insensitively.
    ///
    /// # Errors
    /// Returns AADSTS500011 for an unknown API and 650053 for a scope that it does not define.
    pub(crate) fn resolve<'d>(
        &self,
        directory: &'d Directory,
        app: &str,
        tenant: &str,
    ) -> Result<(&'d Api, Option<&'d str>), Rejection> {
        let api = directory.find_api(&self.resource, tenant)?;
        let Some(name) = &self.name else {
            return Ok((api, None));
        };
        let known = api.all_scopes().find(|scope| scope.eq_ignore_ascii_case(name));
        match known {
            Some(scope) => Ok((api, Some(scope))),
            None => Err(Rejection::new(650053).with(app).with(name).with(&api.name)),
        }
    }
}

/// Returns the scope parameter of a v2 request. A parameter of only spaces counts as absent.
///
/// # Errors
/// Returns AADSTS901002 if there is also a `resource`, which v2 rejects.
pub(crate) fn of_form(form: &Form) -> Result<Option<&str>, Rejection> {
    if form.value("resource").is_some() {
        return Err(Rejection::new(901002).with("resource"));
    }
    Ok(form.value("scope").filter(|scope| !scope.trim_matches(' ').is_empty()))
}

const DEFAULT: &str = ".default";
const MOST: usize = 128;
/// The limit on the bytes of all permissions together.
const LONGEST: usize = 8 * 1_024;
/// The scopes of OpenID Connect, which do not belong to an API.
pub(crate) const OIDC: &[&str] = &["openid", "profile", "email", "offline_access"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let scopes = Scopes::parse(text).ok()?;
        Some(
            scopes
                .permissions
                .into_iter()
                .map(|one| (one.resource, one.name))
                .collect(),
        )
    }

    #[test]
    fn resources_end_at_the_last_slash() {
        let one = |resource: &str, name: Option<&str>| Some(vec![(resource.to_owned(), name.map(str::to_owned))]);
        assert_eq!(read("openid User.Read"), one(GRAPH_APP_ID, Some("User.Read")));
        assert_eq!(read(".default profile"), one(GRAPH_APP_ID, None));
        assert_eq!(read("https://a.example//.default"), one("https://a.example/", None));
        assert_eq!(read("api://x/y/read"), one("api://x/y", Some("read")));
        assert_eq!(read("api://x/.default User.Read"), None);
        assert_eq!(read("/.default"), None);
        assert_eq!(read("api://x/"), None);
        let long = |count: usize| {
            (0..count)
                .map(|at| format!("api://{at}/{} ", "r".repeat(1_000)))
                .collect::<String>()
        };
        assert!(read(&long(8)).is_some() && read(&long(9)).is_none());
    }

    #[test]
    fn openid_scopes_are_not_permissions() {
        let scopes = Scopes::parse("offline_access  openid email").unwrap();
        assert!(scopes.permissions.is_empty() && scopes.has("offline_access") && !scopes.has("profile"));
        assert_eq!(scopes.oidc_names().collect::<Vec<_>>(), ["openid", "email"]);
    }
}
