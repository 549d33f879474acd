use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra_proto::{Application, Guid, RefreshToken, Target, Tenant, TokenRequest, UnverifiedClaims, UserAssertion};

/// A user for whom tokens are asked: one who signed in, or one who called the application's API. Their tokens never mix with the
/// application's own, nor with those of another user. Cheap to clone: the clones are one user.
///
/// [`Client::user`](crate::Client::user) gives the client that asks for him.
#[derive(Clone)]
pub struct User(Arc<Inner>);

struct Inner {
    tenant: Option<Tenant>,
    ground: Ground,
}

enum Ground {
    SignedIn {
        /// The newest.
        refresh_token: Mutex<RefreshToken>,
        keep: Mutex<Option<Keep>>,
    },
    OnBehalfOf {
        assertion: UserAssertion,
        hash: String,
    },
}

type Keep = Box<dyn Fn(&RefreshToken) + Send + Sync>;

impl User {
    /// A user who signed in in this tenant, by the refresh token that was kept of him: a sign-in of an earlier run, say.
    ///
    /// Each call makes another user, with tokens of his own in the cache: keep a clone of the one that is there.
    #[must_use]
    pub fn from_refresh_token(tenant: Guid, refresh_token: RefreshToken) -> Self {
        Self(Arc::new(Inner {
            tenant: Some(Tenant::Id(tenant)),
            ground: Ground::SignedIn {
                refresh_token: Mutex::new(refresh_token),
                keep: Mutex::default(),
            },
        }))
    }

    /// The user who called with this assertion, in this tenant, or in the one that the assertion names where this is none in particular.
    pub(crate) fn on_behalf_of(tenant: &Tenant, assertion: &UserAssertion) -> Self {
        let named = || UnverifiedClaims::decode(assertion.expose()).ok()?.tenant_id();
        let tenant = match tenant.is_specific() {
            true => None,
            false => named().map(Tenant::Id),
        };
        Self::from_assertion(tenant, assertion.clone())
    }

    fn from_assertion(tenant: Option<Tenant>, assertion: UserAssertion) -> Self {
        let hash = assertion.hash();
        Self(Arc::new(Inner {
            tenant,
            ground: Ground::OnBehalfOf { assertion, hash },
        }))
    }

    /// The refresh token as it is now, of one who signed in: the service may give a newer one with each answer.
    #[must_use]
    pub fn refresh_token(&self) -> Option<RefreshToken> {
        match &self.0.ground {
            Ground::SignedIn { refresh_token, .. } => Some(lock(refresh_token).clone()),
            Ground::OnBehalfOf { .. } => None,
        }
    }

    /// Hands each newer refresh token to `keep`, to be kept where it outlives this process. It is called in the middle of things, by
    /// whoever renews a token, one at a time, in the order in which the tokens take each other's place: it should be quick, and must call
    /// neither the client nor this. In the place of what was given before.
    pub fn on_rotation(&self, keep: impl Fn(&RefreshToken) + Send + Sync + 'static) {
        if let Ground::SignedIn { keep: kept, .. } = &self.0.ground {
            *lock(kept) = Some(Box::new(keep));
        }
    }

    /// The tenant that he signed in in, or that his token names.
    pub(crate) fn tenant(&self) -> Option<&Tenant> {
        self.0.tenant.as_ref()
    }

    /// The request for a token of his.
    pub(crate) fn request(
        &self,
        application: &Application,
        target: Target,
    ) -> Result<TokenRequest, entra_proto::Error> {
        match &self.0.ground {
            Ground::SignedIn { refresh_token, .. } => application.refresh(lock(refresh_token).clone(), target),
            Ground::OnBehalfOf { assertion, .. } => application.on_behalf_of(assertion.clone(), target),
        }
    }

    /// Takes the refresh token that came with an answer, in the place of the one that was sent.
    pub(crate) fn rotate(&self, newer: RefreshToken) {
        if let Ground::SignedIn { refresh_token, keep } = &self.0.ground {
            // Held to the end: of two that come at once, the one that is used from now on is kept last.
            let keep = lock(keep);
            *lock(refresh_token) = newer.clone();
            if let Some(keep) = &*keep {
                keep(&newer);
            }
        }
    }

    /// Whether other processes can know him by the same name: not where it is a refresh token, which changes.
    pub(crate) fn has_lasting_name(&self) -> bool {
        matches!(self.0.ground, Ground::OnBehalfOf { .. })
    }

    /// By what he is told from others: the hash of his token for the API, or nothing but himself.
    fn hash(&self) -> Option<&str> {
        match &self.0.ground {
            Ground::SignedIn { .. } => None,
            Ground::OnBehalfOf { hash, .. } => Some(hash),
        }
    }
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.hash().is_some() && self.hash() == other.hash())
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.hash() {
            Some(hash) => hash.hash(state),
            None => Arc::as_ptr(&self.0).hash(state),
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.tenant {
            Some(tenant) => write!(f, "User(of {tenant})"),
            None => f.write_str("User(..)"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_one_user_and_an_assertion_is_one_however_often_it_comes() {
        let token = || RefreshToken::new("canary").unwrap();
        let one = User::from_refresh_token(Guid::from_bytes([1; 16]), token());
        let other = User::from_refresh_token(Guid::from_bytes([1; 16]), token());
        assert!(one == one.clone() && one != other);
        let of = |text: &str| User::from_assertion(None, UserAssertion::new(text).unwrap());
        assert!(of("a") == of("a") && of("a") != of("b") && of("a") != one);
        assert!(!format!("{one:?} {:?}", of("canary")).contains("canary"));
    }

    #[test]
    fn a_newer_refresh_token_is_handed_on() {
        let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("first").unwrap());
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        user.on_rotation(move |token| keep.lock().unwrap().push(token.expose().to_owned()));
        user.rotate(RefreshToken::new("second").unwrap());
        assert_eq!(*kept.lock().unwrap(), ["second"]);
        assert_eq!(user.refresh_token().unwrap().expose(), "second");
    }

    #[test]
    fn of_many_that_come_at_once_the_one_that_is_used_is_kept_last() {
        let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("first").unwrap());
        let (others, kept) = (Arc::new(Mutex::new(0)), user.clone());
        let count = Arc::clone(&others);
        user.on_rotation(move |token| {
            if kept.refresh_token().unwrap().expose() != token.expose() {
                *count.lock().unwrap() += 1;
            }
        });
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let user = &user;
                scope.spawn(move || {
                    for n in 0..2_000 {
                        user.rotate(RefreshToken::new(format!("{thread}-{n}")).unwrap());
                    }
                });
            }
        });
        assert_eq!(*others.lock().unwrap(), 0);
    }
}
