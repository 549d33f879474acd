//! The validation of one token as data in, data out: no I/O and no clock.
//!
//! [`Api::start`] applies the rules before the first that requires keys, and returns a [`Step`].
//! The states are [`NeedKeys`], which holds the token until the caller has its keys, and the
//! verdict.

use entra_proto::{EndpointVersion, Timestamp};

use crate::api::Api;
use crate::keys::KeySet;
use crate::principal::Principal;
use crate::rejection::Rejection;
use crate::report::{Log, Report, Silent};
use crate::rule::Rule;
use crate::rules::{self, Facts};
use crate::token::Token;

impl Api {
    /// Starts the validation of a token: applies the rules up to the first that needs the signing
    /// keys.
    ///
    /// A driver is one exhaustive match:
    ///
    /// ```
    /// # use entra_proto::Timestamp;
    /// # use entra_validate::{Api, KeySet, Principal, Rejection, Step};
    /// # fn validate(
    /// #     api: &Api,
    /// #     token: &str,
    /// #     now: Timestamp,
    /// #     keys_for: impl Fn(&str) -> Result<KeySet, Rejection>,
    /// # ) -> Result<Principal, Rejection> {
    /// match api.start(token, now) {
    ///     Step::Done(verdict) => verdict,
    ///     Step::NeedKeys(token) => {
    ///         let keys = keys_for(token.kid())?;
    ///         token.judge(&keys)
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn start<'t>(&self, token: &'t str, now: Timestamp) -> Step<'t> {
        match self.start_logged(token, now, &mut Silent) {
            Ok(needs) => Step::NeedKeys(needs),
            Err(rejection) => Step::Done(Err(rejection)),
        }
    }

    /// Returns the outcome of each rule for a token, with these keys.
    #[must_use]
    pub fn report(&self, token: &str, keys: &KeySet, now: Timestamp) -> Report {
        let mut report = Report::new();
        if let Ok(needs) = self.start_logged(token, now, &mut report) {
            // The report holds the verdict.
            let _ = needs.judge_logged(keys, &mut report);
        }
        report
    }

    pub(crate) fn start_logged<'t>(
        &self,
        token: &'t str,
        now: Timestamp,
        log: &mut impl Log,
    ) -> Result<NeedKeys<'t>, Rejection> {
        let token = match Token::read(token) {
            Ok(token) => {
                log.note(Rule::Form, &Ok(()));
                token
            }
            Err(rejection) => {
                log.note(Rule::Form, &Err(rejection.clone()));
                return Err(rejection);
            }
        };
        let facts = Facts {
            api: self,
            token: &token,
            keys: None,
            now,
        };
        let next = rules::apply(&facts, 0, log)?;
        Ok(NeedKeys {
            api: self.clone(),
            token,
            now,
            next,
        })
    }
}

/// The next step of a validation. The enum is exhaustive on purpose: there are no other steps.
#[derive(Debug)]
// It lives on the stack of one validation: a box would be one allocation per request.
#[allow(clippy::large_enum_variant)]
pub enum Step<'t> {
    /// The signing keys are needed.
    NeedKeys(NeedKeys<'t>),
    /// The verdict.
    Done(Result<Principal, Rejection>),
}

/// A token that waits for its signing keys. Nothing in it is trusted yet.
#[derive(Debug)]
pub struct NeedKeys<'t> {
    api: Api,
    token: Token<'t>,
    now: Timestamp,
    /// The index of the next rule.
    next: usize,
}

impl NeedKeys<'_> {
    /// Returns the version whose keys are needed: each version has its own metadata document.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.token.version()
    }

    /// Returns the `kid` of the key that is needed.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.token.kid()
    }

    /// Applies the remaining rules with these keys.
    ///
    /// # Errors
    /// Returns the rejection of the first rule that fails.
    pub fn judge(self, keys: &KeySet) -> Result<Principal, Rejection> {
        self.judge_logged(keys, &mut Silent)
    }

    pub(crate) fn judge_logged(self, keys: &KeySet, log: &mut impl Log) -> Result<Principal, Rejection> {
        let facts = Facts {
            api: &self.api,
            token: &self.token,
            keys: Some(keys),
            now: self.now,
        };
        rules::apply(&facts, self.next, log)?;
        self.token.into_principal()
    }
}
