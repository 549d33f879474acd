//! What users do in a browser: sign in, consent, type in the code of a device.

use crate::config::{Tenant, User};
use crate::emulator::Emulator;
use crate::headless::{ErrorPage, Redirect};

impl Emulator {
    /// Opens a URL of `authorize` or `adminconsent` as a browser would, signs in as this user (by sign-in name, object id or
    /// full name) and accepts what is asked.
    ///
    /// The requests are answered by the same pages, recorded and hit by the same faults as those of a browser.
    ///
    /// ```
    /// use entra_emulator::Emulator;
    ///
    /// let emulator = Emulator::builder().build();
    /// let url = format!(
    ///     "{}/oauth2/v2.0/authorize?client_id={}&response_type=code&scope=User.Read&redirect_uri=http://localhost:8400&state=s",
    ///     emulator.authority(),
    ///     emulator.client_id(),
    /// );
    /// let redirect = emulator.approve(&url, "Adele Vance").unwrap();
    /// assert!(redirect.url.starts_with("http://localhost:8400?code="));
    /// assert_eq!(redirect.parameter("state").as_deref(), Some("s"));
    /// ```
    ///
    /// # Errors
    /// [`ErrorPage`] where the way ends at a page: the request names an unknown app or redirect URI, or the user must not
    /// consent (AADSTS90094).
    ///
    /// # Panics
    /// If there is no such user, or the text is no URL: a mistake in them would weaken a test unseen.
    pub fn approve(&self, url: &str, user: &str) -> Result<Redirect, ErrorPage> {
        self.to_app(url, user, true)
    }

    /// As [`approve`](Self::approve), but cancels: on the consent page if there is one, else on the sign-in page.
    ///
    /// # Errors
    /// [`ErrorPage`] where the way ends at a page.
    ///
    /// # Panics
    /// If there is no such user, or the text is no URL.
    pub fn decline(&self, url: &str, user: &str) -> Result<Redirect, ErrorPage> {
        self.to_app(url, user, false)
    }

    /// Types in the code that a device shows, signs in as this user and lets the device in.
    ///
    /// # Errors
    /// [`ErrorPage`] if the code is unknown or expired, or the user must not consent.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn approve_device(&self, user_code: &str, user: &str) -> Result<(), ErrorPage> {
        self.state().answer_device(user_code, &self.users(user))
    }

    /// Types in the code that a device shows and turns the device away.
    ///
    /// # Errors
    /// [`ErrorPage`] if the code is unknown or expired.
    pub fn decline_device(&self, user_code: &str) -> Result<(), ErrorPage> {
        self.state().answer_device(user_code, &[])
    }

    /// Revokes the sessions of a user (by sign-in name, object ID or full name), as a new password does: every refresh token
    /// (AADSTS50173), and every access token of the user, which Graph rejects as after
    /// [`revoke_tokens`](Self::revoke_tokens). The user has to sign in again.
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
        assert!(!found.is_empty(), "no user is called {name:?}");
        found
    }
}
