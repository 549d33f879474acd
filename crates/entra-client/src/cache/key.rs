use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use entra_proto::claims::ClaimsRequest;
use entra_proto::{Target, Tenant};

use super::slot::Slot;
use crate::user::User;

/// What tells one token of a client from another. The rest that changes a token - authority, endpoint version, application,
/// credential, capabilities - is the client's own, and the same for all of them.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) tenant: Tenant,
    pub(crate) target: Target,
    pub(crate) claims: Option<ClaimsRequest>,
    /// Whose it is: the application's own where it is nobody's.
    pub(crate) user: Option<User>,
}

impl Key {
    /// Whether another process would know it for the same.
    pub(crate) fn is_lasting(&self) -> bool {
        self.user.as_ref().is_none_or(User::has_lasting_name)
    }

    #[inline]
    pub(crate) fn view(&self) -> KeyRef<'_> {
        KeyRef {
            tenant: &self.tenant,
            target: &self.target,
            claims: self.claims.as_ref(),
            user: self.user.as_ref(),
        }
    }
}

/// A key that is only looked up.
///
/// Two keys are equal if they are of the same token: see [`TargetIdentity`](entra_proto::cache::TargetIdentity).
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) target: &'a Target,
    pub(crate) claims: Option<&'a ClaimsRequest>,
    pub(crate) user: Option<&'a User>,
}

impl KeyRef<'_> {
    pub(crate) fn to_key(self) -> Key {
        Key {
            tenant: self.tenant.clone(),
            target: self.target.clone(),
            claims: self.claims.cloned(),
            user: self.user.cloned(),
        }
    }
}

impl PartialEq for KeyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.claims == other.claims
            && self.user == other.user
            && self.target.identity() == other.target.identity()
    }
}

impl Eq for KeyRef<'_> {}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.target.identity().hash(state);
        if let Some(claims) = self.claims {
            claims.hash(state);
        }
        if let Some(user) = self.user {
            user.hash(state);
        }
    }
}

/// A key behind a pointer: a map whose keys own theirs is searched with one that is borrowed.
pub(super) trait Keyed {
    fn key(&self) -> KeyRef<'_>;
}

impl Keyed for KeyRef<'_> {
    fn key(&self) -> KeyRef<'_> {
        *self
    }
}

impl Keyed for Arc<Slot> {
    fn key(&self) -> KeyRef<'_> {
        Slot::key(self).view()
    }
}

impl PartialEq for dyn Keyed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn Keyed + '_ {}

impl Hash for dyn Keyed + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// A slot in the map, found by its key.
pub(super) struct Entry(pub(super) Arc<Slot>);

impl<'a> Borrow<dyn Keyed + 'a> for Entry {
    fn borrow(&self) -> &(dyn Keyed + 'a) {
        &self.0
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Keyed::key(&self.0).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use entra_proto::Guid;
    use entra_proto::authorize::{RefreshToken, UserAssertion};

    use super::*;

    fn key(tenant: &str, target: Target, claims: Option<&str>) -> Key {
        Key {
            tenant: tenant.parse().unwrap(),
            target,
            claims: claims.map(|claims| ClaimsRequest::parse(claims).unwrap()),
            user: None,
        }
    }

    fn scopes(text: &str) -> Target {
        Target::scopes(text).unwrap()
    }

    #[test]
    fn what_asks_for_the_same_token_is_one_key() {
        let hasher = RandomState::new();
        for (one, other) in [
            (
                scopes("https://a/.default openid profile"),
                scopes("profile https://a/.default openid"),
            ),
            (
                scopes("https://a/.default openid"),
                scopes("openid https://a/.default openid"),
            ),
            (scopes("https://a/.default"), Target::resource("https://a").unwrap()),
            (
                scopes("https://a/.default https://a/.default"),
                Target::resource("https://a").unwrap(),
            ),
            (
                scopes("https://a/.default https://a/.default"),
                scopes("https://a/.default"),
            ),
            (scopes("https://a//.default"), Target::resource("https://a/").unwrap()),
        ] {
            let (one, other) = (key("contoso.com", one, None), key("Contoso.com", other, None));
            assert!(
                one.view() == other.view() && other.view() == one.view(),
                "{one:?} {other:?}"
            );
            assert_eq!(hasher.hash_one(one.view()), hasher.hash_one(other.view()));
        }
    }

    #[test]
    fn what_changes_the_token_changes_the_key() {
        let a = Target::resource("https://a").unwrap();
        let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
        let tenant = "contoso.com".parse().unwrap();
        let signed_in = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("r").unwrap());
        let of = |user: &User| Key {
            user: Some(user.clone()),
            ..key("contoso.com", a.clone(), None)
        };
        let again = User::on_behalf_of(&tenant, &UserAssertion::new("a").unwrap());
        assert!(of(&signed_in).view() == of(&signed_in.clone()).view());
        let keys = [
            key("contoso.com", a.clone(), None),
            key("fabrikam.com", a.clone(), None),
            key("contoso.com", Target::resource("https://a/").unwrap(), None),
            key("contoso.com", Target::resource("https://A").unwrap(), None),
            key("contoso.com", scopes("https://a/.default openid"), None),
            key("contoso.com", scopes("https://a/.default profile"), None),
            key("contoso.com", a.clone(), Some(claims)),
            key("contoso.com", a.clone(), Some("{}")),
            of(&signed_in),
            of(&User::from_refresh_token(
                Guid::from_bytes([1; 16]),
                RefreshToken::new("r").unwrap(),
            )),
            of(&User::on_behalf_of(&tenant, &UserAssertion::new("a").unwrap())),
            of(&User::on_behalf_of(&tenant, &UserAssertion::new("b").unwrap())),
        ];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert!(one.view() != other.view(), "{one:?} {other:?}");
            }
        }
        assert_eq!(keys.iter().filter(|key| key.view() == of(&again).view()).count(), 1);
    }
}
