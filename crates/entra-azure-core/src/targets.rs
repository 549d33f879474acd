//! The targets of the scopes that the SDK asks for.

use std::borrow::Cow;
use std::sync::OnceLock;

use entra_proto::{Error, Target};

/// The targets of the first scopes that a credential was asked for, so that they are parsed once.
///
/// An SDK client asks for one scope, always the same, and a program has few of them. Reading takes
/// no lock.
#[derive(Default)]
pub(crate) struct KnownTargets([OnceLock<(Box<str>, Target)>; 8]);

impl KnownTargets {
    /// Returns the target of these scopes.
    pub(crate) fn get(&self, scopes: &[&str]) -> Result<Cow<'_, Target>, Error> {
        let [scope] = scopes else {
            return Target::scopes(&scopes.join(" ")).map(Cow::Owned);
        };
        for entry in &self.0 {
            if let Some((known, target)) = entry.get() {
                if **known == **scope {
                    return Ok(Cow::Borrowed(target));
                }
                continue;
            }
            let target = Target::scopes(scope)?;
            let (known, target) = entry.get_or_init(|| ((*scope).into(), target));
            // Another thread may have taken the place.
            if **known == **scope {
                return Ok(Cow::Borrowed(target));
            }
        }
        Target::scopes(scope).map(Cow::Owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_get_their_targets_also_beyond_the_known_ones() {
        let targets = KnownTargets::default();
        for _ in 0..2 {
            for number in 0..20 {
                let scope = format!("https://api{number}.test/.default");
                let target = targets.get(&[&scope]).unwrap();
                assert_eq!(target.to_string(), scope);
                assert_eq!(matches!(target, Cow::Borrowed(_)), number < 8, "{scope}");
            }
        }
    }

    #[test]
    fn invalid_scope_takes_no_place() {
        let targets = KnownTargets::default();
        for _ in 0..8 {
            assert!(targets.get(&[""]).is_err());
        }
        let target = targets.get(&["https://api.test/.default"]).unwrap();
        assert!(matches!(target, Cow::Borrowed(_)));
    }
}
