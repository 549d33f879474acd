//! The APIs that tokens are issued for.

use std::borrow::Cow;

use entra_proto::Target;

use crate::error::SetupError;

/// The APIs that tokens are issued for. There is at least one.
///
/// Entries are audiences, such as `https://graph.microsoft.com` or `api://my-api`. A request matches
/// an entry in any case of letters, and with or without a slash at the end: these name the same
/// API.
#[derive(Clone, Debug)]
pub struct AllowedResources(Vec<String>);

impl AllowedResources {
    /// Creates the list.
    ///
    /// # Errors
    /// Returns an error if the list is empty, or an entry is not a valid audience.
    pub fn new(resources: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, SetupError> {
        let mut list = Vec::new();
        for resource in resources {
            let resource = resource.as_ref();
            let target = Target::resource(resource).map_err(|error| {
                SetupError::new(
                    format!("the resource {resource:?} is not valid: {error}"),
                    "name an API by its audience, such as https://graph.microsoft.com",
                )
            })?;
            let audience = target.audience().expect("a resource is one audience");
            list.push(audience.trim_end_matches('/').to_owned());
        }
        if list.is_empty() {
            return Err(SetupError::new(
                "the list of allowed resources is empty",
                "name each API that programs may get tokens for, such as https://graph.microsoft.com",
            ));
        }
        Ok(Self(list))
    }

    /// Returns true if tokens are issued for the API of this target.
    #[must_use]
    pub fn allow(&self, target: &Target) -> bool {
        self.find(target).is_some()
    }

    /// Returns the place of the entry for the API of this target.
    pub(crate) fn find(&self, target: &Target) -> Option<usize> {
        let audience = target.audience().ok()?;
        let audience = audience.strip_suffix('/').unwrap_or(&audience);
        self.0.iter().position(|own| own.eq_ignore_ascii_case(audience))
    }

    /// Returns the target with the letters of the entry at this place, which is that of its API. So
    /// a program that spells one API in many ways gets one token of a cache, and not many of the
    /// token service.
    pub(crate) fn spelled<'a>(&self, target: &'a Target, place: usize) -> Cow<'a, Target> {
        let own = self.0.get(place).map_or("", String::as_str);
        let is_other = |text: &str| {
            let start = text.get(..own.len());
            start.is_some_and(|start| start != own && start.eq_ignore_ascii_case(own))
        };
        let all = match target {
            Target::Resource(audience) => audience.as_str(),
            Target::Scopes(scopes) => scopes.as_str(),
        };
        if !all.split(' ').any(is_other) {
            return Cow::Borrowed(target);
        }
        let spelled = all.split(' ').map(|text| match is_other(text) {
            true => format!("{own}{}", &text[own.len()..]),
            false => text.to_owned(),
        });
        let spelled = spelled.collect::<Vec<_>>().join(" ");
        let other = match target {
            Target::Resource(_) => Target::resource(&spelled),
            Target::Scopes(_) => Target::scopes(&spelled),
        };
        other.map_or(Cow::Borrowed(target), Cow::Owned)
    }

    /// Returns the entries, without slashes at the end.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_an_error() {
        let error = AllowedResources::new([""; 0]).unwrap_err();
        assert_eq!(error.to_string(), "the list of allowed resources is empty");
    }

    #[test]
    fn slashes_and_case_do_not_matter_and_all_else_does() {
        let list = AllowedResources::new(["https://graph.microsoft.com", "https://database.windows.net/"]).unwrap();
        for (asked, allowed) in [
            ("https://graph.microsoft.com", true),
            ("https://graph.microsoft.com/", true),
            ("https://Graph.Microsoft.com", true),
            ("https://graph.microsoft.com//", false),
            ("https://database.windows.net", true),
            ("https://database.windows.net/", true),
            ("https://graph.microsoft.com.evil.example", false),
            ("https://graph.microsoft.com/v1.0", false),
            ("http://graph.microsoft.com", false),
            ("https://vault.azure.net", false),
        ] {
            assert_eq!(list.allow(&Target::resource(asked).unwrap()), allowed, "{asked}");
        }
        assert!(list.allow(&Target::scopes("https://graph.microsoft.com/.default").unwrap()));
        assert!(!list.allow(&Target::scopes("https://vault.azure.net/.default").unwrap()));
    }
}
