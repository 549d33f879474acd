//! The users that a client acquires tokens for, and the refresh tokens of those who signed in.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use entra_proto::authorize::{RefreshToken, UserAssertion};
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::{Input, InputError};
use entra_proto::{Application, ClientId, Guid, Target, Tenant, TokenRequest};

/// A user that tokens are acquired for. A user's tokens never mix with app-only tokens or with
/// those of another user. Clones are the same user, and cheap.
///
/// [`Client::user`](crate::Client::user) returns the client for a user who signed in. It must be a
/// client of the application that the user signed in to, in the same cloud. For users who called
/// the application's API, see [`Client::on_behalf_of`](crate::Client::on_behalf_of).
///
/// Each newer refresh token in a response replaces the user's refresh token. Entra still accepts
/// the older one. A service that accepts each refresh token once rejects one of two refreshes at
/// the same time. The client tries that one again if the newer token has arrived by then.
///
/// ```
/// use entra_client::User;
/// use entra_proto::Guid;
/// use entra_proto::authorize::RefreshToken;
///
/// // The tenant's ID and the refresh token come from an earlier sign-in.
/// let tenant: Guid = "41463f53-8812-40f4-890f-865bf6e35190".parse()?;
/// let user = User::from_refresh_token(tenant, RefreshToken::new("0.AXEA")?);
/// assert!(user.refresh_token().is_some());
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct User(Arc<Inner>);

struct Inner {
    tenant: Option<Tenant>,
    grant: Grant,
}

enum Grant {
    SignedIn {
        /// The newest refresh token, or `None` if the user has signed out.
        refresh_token: Mutex<Option<RefreshToken>>,
        on_rotation: Mutex<Option<OnRotation>>,
        /// The only application that the refresh token is for, and the cloud that issued it: known
        /// from the sign-in, or from the first request.
        issued_for: OnceLock<IssuedFor>,
    },
    OnBehalfOf {
        assertion: UserAssertion,
        hash: String,
    },
}

/// The callback for newer refresh tokens.
type OnRotation = Box<dyn Fn(&RefreshToken) + Send + Sync>;

/// The client ID of an application, and the origin of a cloud.
type IssuedFor = (ClientId, String);

impl User {
    /// Creates a user who signed in to this tenant, from a stored refresh token: for example that
    /// of a sign-in before a restart.
    ///
    /// Each call creates a distinct user with its own cache entries; clone an existing one instead.
    /// The user is bound to the first application that requests a token for it.
    #[must_use]
    pub fn from_refresh_token(tenant: Guid, refresh_token: RefreshToken) -> Self {
        Self::of_sign_in(tenant, refresh_token, OnceLock::new())
    }

    /// Creates the user of a sign-in to this application.
    pub(crate) fn signed_in(application: &Application, tenant: Guid, refresh_token: RefreshToken) -> Self {
        Self::of_sign_in(tenant, refresh_token, issued_for(application).into())
    }

    fn of_sign_in(tenant: Guid, refresh_token: RefreshToken, issued_for: OnceLock<IssuedFor>) -> Self {
        Self(Arc::new(Inner {
            tenant: Some(Tenant::Id(tenant)),
            grant: Grant::SignedIn {
                refresh_token: Mutex::new(Some(refresh_token)),
                on_rotation: Mutex::default(),
                issued_for,
            },
        }))
    }

    /// Creates the user who called with this assertion, in this tenant, or in the one that the
    /// assertion names if `tenant` is not a specific one.
    pub(crate) fn on_behalf_of(tenant: Option<&Tenant>, assertion: &UserAssertion) -> Self {
        let named = || UnverifiedClaims::decode(assertion.expose()).ok()?.tenant_id();
        let tenant = match tenant.is_some_and(Tenant::is_specific) {
            true => None,
            false => named().map(Tenant::Id),
        };
        Self::from_assertion(tenant, assertion.clone())
    }

    fn from_assertion(tenant: Option<Tenant>, assertion: UserAssertion) -> Self {
        let hash = assertion.hash();
        Self(Arc::new(Inner {
            tenant,
            grant: Grant::OnBehalfOf { assertion, hash },
        }))
    }

    /// Returns the current refresh token of a user who signed in and has not signed out. Each
    /// response of the service may replace it.
    #[must_use]
    pub fn refresh_token(&self) -> Option<RefreshToken> {
        match &self.0.grant {
            Grant::SignedIn { refresh_token, .. } => lock(refresh_token).clone(),
            Grant::OnBehalfOf { .. } => None,
        }
    }

    /// Sets a callback for each newer refresh token, for tokens that must outlive this process. It
    /// replaces the previous callback.
    ///
    /// The callback runs while a token is acquired, one call at a time, in the order in which the
    /// tokens replace each other, and not after the user has signed out. It must be fast, must not
    /// hold a clone of this user, and must not call the client or this method. Use another thread
    /// to write to a disk.
    ///
    /// ```
    /// # use entra_client::User;
    /// # fn keep(user: &User, store: impl Fn(&str) + Send + 'static) {
    /// let (send, newest) = std::sync::mpsc::channel();
    /// user.on_rotation(move |token| drop(send.send(token.clone())));
    /// std::thread::spawn(move || {
    ///     for token in newest {
    ///         store(token.expose()); // for example with entra-tenants
    ///     }
    /// });
    /// # }
    /// ```
    pub fn on_rotation(&self, callback: impl Fn(&RefreshToken) + Send + Sync + 'static) {
        if let Grant::SignedIn { on_rotation, .. } = &self.0.grant {
            *lock(on_rotation) = Some(Box::new(callback));
        }
    }

    /// Returns the tenant of the sign-in, or the tenant that the assertion names.
    pub(crate) fn tenant(&self) -> Option<&Tenant> {
        self.0.tenant.as_ref()
    }

    /// Returns the request for a token of this user.
    pub(crate) fn request(
        &self,
        application: &Application,
        target: Target,
    ) -> Result<TokenRequest, entra_proto::Error> {
        match &self.0.grant {
            Grant::SignedIn {
                refresh_token,
                issued_for: bound_to,
                ..
            } => {
                let here = issued_for(application);
                if bound_to.get().is_some_and(|bound_to| *bound_to != here) {
                    return Err(wrong_application());
                }
                let newest = lock(refresh_token).clone();
                let newest = newest.ok_or_else(|| {
                    InputError::new(Input::User, "has signed out").with_hint("sign the user in again")
                })?;
                let request = application.refresh(newest, target)?;
                // A valid request binds the user. Only one of two concurrent ones does.
                if *bound_to.get_or_init(|| here.clone()) == here {
                    Ok(request)
                } else {
                    Err(wrong_application())
                }
            }
            Grant::OnBehalfOf { assertion, .. } => application.on_behalf_of(assertion.clone(), target),
        }
    }

    /// Replaces the refresh token that was `sent` by the newer one of the response. If it was
    /// replaced in the meantime, by another response or because the user has signed out, the newer
    /// one is dropped.
    pub(crate) fn rotate(&self, sent: &RefreshToken, newer: RefreshToken) {
        let Grant::SignedIn {
            refresh_token,
            on_rotation,
            ..
        } = &self.0.grant
        else {
            return;
        };
        // The lock is held to the end, so that the last call of the callback is for the token in
        // use.
        let on_rotation = lock(on_rotation);
        {
            let mut newest = lock(refresh_token);
            if newest.as_ref().is_none_or(|newest| newest.expose() != sent.expose()) {
                return;
            }
            *newest = Some(newer.clone());
        }
        if let Some(on_rotation) = &*on_rotation {
            on_rotation(&newer);
        }
    }

    /// Drops the refresh token and the callback for newer ones.
    pub(crate) fn sign_out(&self) {
        if let Grant::SignedIn {
            refresh_token,
            on_rotation,
            ..
        } = &self.0.grant
        {
            let mut on_rotation = lock(on_rotation);
            *on_rotation = None;
            *lock(refresh_token) = None;
        }
    }

    /// Returns true if the user has signed out, so that no token can be requested.
    pub(crate) fn has_signed_out(&self) -> bool {
        match &self.0.grant {
            Grant::SignedIn { refresh_token, .. } => lock(refresh_token).is_none(),
            Grant::OnBehalfOf { .. } => false,
        }
    }

    /// Returns true if other processes can identify the user in the same way. They cannot if the
    /// identity is a refresh token, which changes.
    pub(crate) fn is_shareable(&self) -> bool {
        matches!(self.0.grant, Grant::OnBehalfOf { .. })
    }

    /// Returns the number of bytes of the texts that the user holds.
    pub(crate) fn size(&self) -> usize {
        match &self.0.grant {
            Grant::SignedIn { refresh_token, .. } => {
                lock(refresh_token).as_ref().map_or(0, |token| token.expose().len())
            }
            Grant::OnBehalfOf { assertion, hash } => assertion.expose().len() + hash.len(),
        }
    }

    /// Returns the hash of the user's assertion, which identifies the user. A user who signed in
    /// has no identity beside the object itself.
    fn hash(&self) -> Option<&str> {
        match &self.0.grant {
            Grant::SignedIn { .. } => None,
            Grant::OnBehalfOf { hash, .. } => Some(hash),
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

fn wrong_application() -> entra_proto::Error {
    InputError::new(Input::User, "signed in to another application or cloud").into()
}

/// Returns the application that a refresh token is for, and the cloud that it may be sent to.
fn issued_for(application: &Application) -> IssuedFor {
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
    fn sign_ins_are_distinct_and_assertions_compare_by_hash() {
        let token = || RefreshToken::new("canary").unwrap();
        let one = User::from_refresh_token(Guid::from_bytes([1; 16]), token());
        let other = User::from_refresh_token(Guid::from_bytes([1; 16]), token());
        assert!(one == one.clone() && one != other);
        let of = |text: &str| User::from_assertion(None, UserAssertion::new(text).unwrap());
        assert!(of("a") == of("a") && of("a") != of("b") && of("a") != one);
        assert!(!format!("{one:?} {:?}", of("canary")).contains("canary"));
    }

    #[test]
    fn newer_refresh_token_reaches_the_callback() {
        let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("first").unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seen_by_callback = Arc::clone(&seen);
        user.on_rotation(move |token| seen_by_callback.lock().unwrap().push(token.expose().to_owned()));
        let token = |text: &str| RefreshToken::new(text).unwrap();
        user.rotate(&token("first"), token("second"));
        user.rotate(&token("first"), token("late"));
        assert_eq!(*seen.lock().unwrap(), ["second"]);
        assert_eq!(user.refresh_token().unwrap().expose(), "second");
    }

    #[test]
    fn last_callback_of_concurrent_rotations_has_the_current_token() {
        let user = User::from_refresh_token(Guid::from_bytes([1; 16]), RefreshToken::new("first").unwrap());
        let (mismatches, observed) = (Arc::new(Mutex::new(0)), user.clone());
        let count = Arc::clone(&mismatches);
        user.on_rotation(move |token| {
            if observed.refresh_token().unwrap().expose() != token.expose() {
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
        assert_eq!(*mismatches.lock().unwrap(), 0);
    }
}
