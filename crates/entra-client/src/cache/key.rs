//! The identity of a cached token.

use std::hash::{Hash, Hasher};

use entra_proto::claims::ClaimsRequest;
use entra_proto::{Target, Tenant};

use crate::subject::Subject;

/// The parameters that distinguish the tokens of one client.
///
/// The other parameters of a token (principal, authority, endpoint version, credential,
/// capabilities) belong to the client and are the same for all its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The tenant, or `None` if the principal of the client determines it.
    pub(crate) tenant: Option<Tenant>,
    pub(crate) target: Target,
    pub(crate) claims: Option<ClaimsRequest>,
    pub(crate) subject: Subject,
}

impl Key {
    /// Returns true if other processes can recognize the key, so that the shared store can hold its
    /// token.
    pub(crate) fn is_shareable(&self) -> bool {
        self.subject.is_shareable()
    }

    #[inline]
    pub(crate) fn view(&self) -> KeyRef<'_> {
        KeyRef {
            tenant: self.tenant.as_ref(),
            target: &self.target,
            claims: self.claims.as_ref(),
            subject: &self.subject,
        }
    }
}

/// A borrowed key, for look-ups.
///
/// Two keys are equal if they identify the same token: see
/// [`TargetIdentity`](entra_proto::cache::TargetIdentity).
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) tenant: Option<&'a Tenant>,
    pub(crate) target: &'a Target,
    pub(crate) claims: Option<&'a ClaimsRequest>,
    pub(crate) subject: &'a Subject,
}

impl KeyRef<'_> {
    /// Returns true if two different keys are equal apart from their claims.
    pub(crate) fn differs_in_claims(self, other: Self) -> bool {
        let without = |key| Self { claims: None, ..key };
        without(self) == without(other)
    }

    pub(crate) fn to_key(self) -> Key {
        Key {
            tenant: self.tenant.cloned(),
            target: self.target.clone(),
            claims: self.claims.cloned(),
            subject: self.subject.clone(),
        }
    }
}

impl PartialEq for KeyRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.tenant == other.tenant
            && self.claims == other.claims
            && self.subject == other.subject
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
        self.subject.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use entra_proto::Guid;
    use entra_proto::agents::AgentUser;
    use entra_proto::authorize::{RefreshToken, UserAssertion};

    use super::*;
    use crate::user::User;

    fn key(tenant: &str, target: Target, claims: Option<&str>) -> Key {
        Key {
            tenant: Some(tenant.parse().unwrap()),
            target,
            claims: claims.map(|claims| ClaimsRequest::parse(claims).unwrap()),
            subject: Subject::Principal,
        }
    }

    fn scopes(text: &str) -> Target {
        Target::scopes(text).unwrap()
    }

    #[test]
    fn targets_for_the_same_token_are_one_key() {
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
    fn each_parameter_changes_the_key() {
        let a = Target::resource("https://a").unwrap();
        let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
        let tenant = "contoso.com".parse().unwrap();
        let signed_in = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("r").unwrap());
        let of = |user: &User| Key {
            subject: Subject::User(user.clone()),
            ..key("contoso.com", a.clone(), None)
        };
        let agent = |id: u8| Subject::of_agent(Guid::from_bytes([id; 16]).into());
        let account = |id: u8| AgentUser::object_id(Guid::from_bytes([id; 16]));
        let subject = |subject: Subject| Key {
            subject,
            ..key("contoso.com", a.clone(), None)
        };
        let again = User::on_behalf_of(Some(&tenant), &UserAssertion::new("a").unwrap());
        assert!(of(&signed_in).view() == of(&signed_in.clone()).view());
        let keys = [
            key("contoso.com", a.clone(), None),
            key("fabrikam.com", a.clone(), None),
            Key {
                tenant: None,
                ..key("contoso.com", a.clone(), None)
            },
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
            of(&User::on_behalf_of(Some(&tenant), &UserAssertion::new("a").unwrap())),
            of(&User::on_behalf_of(Some(&tenant), &UserAssertion::new("b").unwrap())),
            subject(agent(1)),
            subject(agent(2)),
            subject(agent(1).with_agent_user(account(1))),
            subject(agent(1).with_agent_user(account(2))),
            subject(agent(2).with_agent_user(account(1))),
            subject(Subject::Principal.with_agent_user(account(1))),
            subject(agent(1).with_agent_user("a@contoso.com".parse().unwrap())),
            subject(agent(1).with_user(&signed_in)),
            subject(agent(2).with_user(&signed_in)),
            subject(agent(1).with_user(&again)),
        ];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert!(one.view() != other.view(), "{one:?} {other:?}");
            }
        }
        assert_eq!(keys.iter().filter(|key| key.view() == of(&again).view()).count(), 1);
    }
}
