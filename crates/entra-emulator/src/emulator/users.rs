//! The actions of users in a browser: signing in, consenting, and entering the code of a device.

use crate::config::{Tenant, User};
use crate::emulator::Emulator;
use crate::headless::{ErrorPage, Redirect};

impl Emulator {
    /// Opens an `authorize` or `adminconsent` URL as a browser would, signs in as this user (by
    /// sign-in name, object ID or full name) and accepts everything.
    ///
    /// The requests use the same pages as a browser's; they are recorded, and faults apply to them.
    ///
    /// ```
    /// use entra_emulator::Emulator;
    ///
    /// let emulator = Emulator::builder().build();
    /// let url = format!(
    ///     "{}?client_id={}&response_type=code&scope=User.Read&state=s{}",
    ///     emulator.authorize_url_v2(),
    ///     emulator.client_id(),
    ///     "&redirect_uri=http://localhost:8400",
    /// );
    /// let redirect = emulator.approve(&url, "Adele Vance").unwrap();
    /// assert!(redirect.url.starts_with("http://localhost:8400?code="));
    /// assert_eq!(redirect.parameter("state").as_deref(), Some("s"));
    /// ```
    ///
    /// # Errors
    /// Returns [`ErrorPage`] if the sign-in ends at a page: the request names an unknown
    /// application or redirect URI, or the user may not consent (AADSTS90094).
    ///
    /// # Panics
    /// Panics if there is no such user or the URL is malformed, because a mistake there would
    /// silently weaken a test.
    pub fn approve(&self, url: &str, user: &str) -> Result<Redirect, ErrorPage> {
        self.to_app(url, user, true)
    }

    /// Like [`approve`](Self::approve), but cancels: on the consent page if there is one, otherwise
    /// on the sign-in page.
    ///
    /// # Errors
    /// Returns [`ErrorPage`] if the sign-in ends at a page.
    ///
    /// # Panics
    /// Panics if there is no such user or the URL is malformed.
    pub fn decline(&self, url: &str, user: &str) -> Result<Redirect, ErrorPage> {
        self.to_app(url, user, false)
    }

    /// Enters the code that a device shows, signs in as this user and approves the sign-in of the
    /// device.
    ///
    /// # Errors
    /// Returns [`ErrorPage`] if the code is unknown or expired, or the user may not consent.
    ///
    /// # Panics
    /// Panics if there is no such user.
    pub fn approve_device(&self, user_code: &str, user: &str) -> Result<(), ErrorPage> {
        self.state().decide_device(user_code, &self.users(user))
    }

    /// Enters the code that a device shows and declines the sign-in of the device.
    ///
    /// # Errors
    /// Returns [`ErrorPage`] if the code is unknown or expired.
    pub fn decline_device(&self, user_code: &str) -> Result<(), ErrorPage> {
        self.state().decide_device(user_code, &[])
    }

    /// Revokes the sessions of a user (by sign-in name, object ID or full name), as a new
    /// password does.
    ///
    /// All refresh tokens of the user are rejected (AADSTS50173), and Graph rejects all their
    /// access tokens as after [`revoke_tokens`](Self::revoke_tokens). The user must sign in again.
    ///
    /// # Panics
    /// Panics if there is no such user.
    pub fn revoke_sessions_of(&self, user: &str) {
        self.state().revoke_sessions(&self.users(user));
    }

    fn to_app(&self, url: &str, user: &str, agree: bool) -> Result<Redirect, ErrorPage> {
        let url = url.parse().expect("a URL is given");
        self.state().visit(url, &self.users(user), agree)
    }

    fn users(&self, name: &str) -> Vec<(&Tenant, &User)> {
        let found = self.state().users_named(name);
        assert!(!found.is_empty(), "no user has the name or the object ID {name:?}");
        found
    }
}
