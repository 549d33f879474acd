use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use entra_proto::authorize::{RefreshToken, UserAssertion};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::{Input, InputError};
use entra_proto::{Application, ClientId, Guid, Target, Tenant, TokenRequest};

/// A user who signed in, for whom tokens are asked. They never mix with the application's own, nor with those of another user. Cheap to
/// clone: the clones are one user.
///
/// [`Client::user`](crate::Client::user) gives the client that asks for him: of the application that he signed in to, in the same cloud.
/// For one who called the application's API there is [`Client::on_behalf_of`](crate::Client::on_behalf_of).
///
/// His refresh token is replaced by each newer one that an answer brings. Entra takes an older one all the same. A service that takes
/// each once refuses one of two renewals that cross, which is tried again if the newer one has come by then.
#[derive(Clone)]
pub struct User(Arc<Inner>);

struct Inner {
    tenant: Option<Tenant>,
    ground: Ground,
}

enum Ground {
    SignedIn {
        /// The newest; none where he has signed out.
        refresh_token: Mutex<Option<RefreshToken>>,
        keep: Mutex<Option<Keep>>,
        /// The one application that it is good for, and the cloud that gave it: known from the sign-in, or from the first request.
        party: OnceLock<(ClientId, String)>,
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
    /// Each call makes another user, with tokens of his own in the cache: keep a clone of the one that is there. The client that asks for
    /// him first is of the application that he signed in to: no other one may ask from then on.
    #[must_use]
    pub fn from_refresh_token(tenant: Guid, refresh_token: RefreshToken) -> Self {
        Self::of_sign_in(tenant, refresh_token, OnceLock::new())
    }

    /// The user who signed in to this application just now.
    pub(crate) fn signed_in(application: &Application, tenant: Guid, refresh_token: RefreshToken) -> Self {
        Self::of_sign_in(tenant, refresh_token, party(application).into())
    }

    fn of_sign_in(tenant: Guid, refresh_token: RefreshToken, party: OnceLock<(ClientId, String)>) -> Self {
        Self(Arc::new(Inner {
            tenant: Some(Tenant::Id(tenant)),
            ground: Ground::SignedIn {
                refresh_token: Mutex::new(Some(refresh_token)),
                keep: Mutex::default(),
                party,
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

    /// The refresh token as it is now, of one who signed in and has not signed out: the service may give a newer one with each answer.
    #[must_use]
    pub fn refresh_token(&self) -> Option<RefreshToken> {
        match &self.0.ground {
            Ground::SignedIn { refresh_token, .. } => lock(refresh_token).clone(),
            Ground::OnBehalfOf { .. } => None,
        }
    }

    /// Hands each newer refresh token to `keep`, to be kept where it outlives this process. It is called in the middle of things, by
    /// whoever renews a token, one at a time, in the order in which the tokens take each other's place, and not after the user has signed
    /// out. It should be quick, hold no clone of this user, and call neither the client nor this; what takes a disk's time is for a thread
    /// of its own. In the place of what was given before.
    ///
    /// ```
    /// # use entra_client::User;
    /// # fn keep(user: &User, store: impl Fn(&str) + Send + 'static) {
    /// let (send, newest) = std::sync::mpsc::channel();
    /// user.on_rotation(move |token| drop(send.send(token.clone())));
    /// std::thread::spawn(move || {
    ///     for token in newest {
    ///         store(token.expose()); // such as `put_secret` of a store of entra-tenants
    ///     }
    /// });
    /// # }
    /// ```
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
            Ground::SignedIn {
                refresh_token,
                party: of,
                ..
            } => {
                let here = party(application);
                if of.get().is_some_and(|of| *of != here) {
                    return Err(stranger());
                }
                let newest = lock(refresh_token).clone();
                let newest = newest
                    .ok_or_else(|| InputError::new(Input::User, "has signed out").with_hint("let him sign in again"))?;
                let request = application.refresh(newest, target)?;
                // What can be sent binds him: of two at once, one.
                if *of.get_or_init(|| here.clone()) == here {
                    Ok(request)
                } else {
                    Err(stranger())
                }
            }
            Ground::OnBehalfOf { assertion, .. } => application.on_behalf_of(assertion.clone(), target),
        }
    }

    /// Takes the refresh token that came with an answer, in the place of the one that was `sent`: where that was replaced already, by
    /// another answer or because he has signed out, the one that comes late is not used.
    pub(crate) fn rotate(&self, sent: &RefreshToken, newer: RefreshToken) {
        let Ground::SignedIn {
            refresh_token, keep, ..
        } = &self.0.ground
        else {
            return;
        };
        // Held to the end: of two that come at once, the one that is used from now on is kept last.
        let keep = lock(keep);
        {
            let mut newest = lock(refresh_token);
            if newest.as_ref().is_none_or(|newest| newest.expose() != sent.expose()) {
                return;
            }
            *newest = Some(newer.clone());
        }
        if let Some(keep) = &*keep {
            keep(&newer);
        }
    }

    /// Drops his refresh token for good, and what would keep a newer one.
    pub(crate) fn sign_out(&self) {
        if let Ground::SignedIn {
            refresh_token, keep, ..
        } = &self.0.ground
        {
            let mut keep = lock(keep);
            *keep = None;
            *lock(refresh_token) = None;
        }
    }

    /// Whether there is no asking for him any more.
    pub(crate) fn has_signed_out(&self) -> bool {
        match &self.0.ground {
            Ground::SignedIn { refresh_token, .. } => lock(refresh_token).is_none(),
            Ground::OnBehalfOf { .. } => false,
        }
    }

    /// Whether other processes can know him by the same name: not where it is a refresh token, which changes.
    pub(crate) fn has_lasting_name(&self) -> bool {
        matches!(self.0.ground, Ground::OnBehalfOf { .. })
    }

    /// How many bytes it takes to keep this user, as far as they are not always the same.
    pub(crate) fn size(&self) -> usize {
        match &self.0.ground {
            Ground::SignedIn { refresh_token, .. } => {
                lock(refresh_token).as_ref().map_or(0, |token| token.expose().len())
            }
            Ground::OnBehalfOf { assertion, hash } => assertion.expose().len() + hash.len(),
        }
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

fn stranger() -> entra_proto::Error {
    InputError::new(Input::User, "signed in to another application or cloud").into()
}

/// What a refresh token is good for, and where it may be sent.
fn party(application: &Application) -> (ClientId, String) {
    let cloud = application.authority().cloud();
    (application.client_id(), cloud.origin().to_owned())
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
        let token = |text: &str| RefreshToken::new(text).unwrap();
        user.rotate(&token("first"), token("second"));
        user.rotate(&token("first"), token("late"));
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
                        let newer = RefreshToken::new(format!("{thread}-{n}")).unwrap();
                        user.rotate(&user.refresh_token().unwrap(), newer);
                    }
                });
            }
        });
        assert_eq!(*others.lock().unwrap(), 0);
    }
}
