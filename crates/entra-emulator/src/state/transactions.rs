//! Sign-ins that wait for the browser's next form: the request and the user's progress.

use std::sync::{Mutex, MutexGuard};

use crate::state::authorization::Request;
use crate::state::consents::RequestedPermission;
use crate::state::lock::lock;
use crate::state::store::{Store, Weigh};

/// The sign-ins in progress. A form names one by its ID. The ID of a consent page is valid for one
/// form, that of a sign-in page until the sign-in ends.
#[derive(Debug)]
pub(crate) struct Transactions {
    state: Mutex<Store<Transaction>>,
}

/// One sign-in in progress.
#[derive(Clone)]
pub(crate) struct Transaction {
    pub(crate) goal: Goal,
    pub(crate) stage: Stage,
    /// The time from which its form is rejected, in seconds since the epoch.
    pub(crate) expires: u64,
}

/// The purpose of a sign-in. It has no `Debug`, since a device code is a secret.
#[derive(Clone)]
pub(crate) enum Goal {
    /// A response to an app, by redirect.
    App(Box<Request>),
    /// The approval of a device, by its device code.
    Device { device_code: String, client_id: String },
}

/// The stage of a sign-in, which is the page that the browser shows. It begins with the sign-in
/// page, continues with the consent page if consent is required, and ends when the transaction is
/// taken.
#[derive(Clone)]
pub(crate) enum Stage {
    /// The sign-in page, on which the user selects an account.
    SignIn,
    /// The consent page, with the ID of the sign-in page before it.
    Consent { consent: Consent, sign_in: String },
}

/// The permissions that a consent page shows.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    /// The tenant ID and the object ID of the user.
    pub(crate) user: (String, String),
    pub(crate) asked: Vec<RequestedPermission>,
    /// True if the consent is for all users of the tenant.
    pub(crate) for_everyone: bool,
    /// True if the user is not allowed to consent and can only go back.
    pub(crate) blocked: bool,
}

impl Weigh for Transaction {
    fn weight(&self) -> usize {
        let goal = match &self.goal {
            Goal::App(request) => request.weight(),
            Goal::Device { device_code, client_id } => device_code.len() + client_id.len(),
        };
        let stage = match &self.stage {
            Stage::SignIn => 0,
            Stage::Consent { consent, sign_in } => {
                let asked = consent.asked.iter().map(|one| one.api.len() + one.name.len() + REST);
                sign_in.len() + asked.sum::<usize>()
            }
        };
        goal + stage + REST
    }
}

impl Transactions {
    /// Stores a transaction for its next form and returns its ID.
    pub(crate) fn open(&self, now: u64, goal: Goal, stage: Stage) -> String {
        let transaction = Transaction {
            goal,
            stage,
            expires: now + LIFETIME,
        };
        self.state().add("", transaction)
    }

    /// Opens the consent page for a user who has just signed in. The sign-in page stays open: a
    /// browser sends its form again to reload the consent page, and a user who goes back may select
    /// another account.
    pub(crate) fn ask(&self, now: u64, sign_in: &str, goal: Goal, consent: Consent) -> String {
        let before = Transaction {
            goal: goal.clone(),
            stage: Stage::SignIn,
            expires: now + LIFETIME,
        };
        self.state().put(sign_in.to_owned(), before);
        let sign_in = sign_in.to_owned();
        self.open(now, goal, Stage::Consent { consent, sign_in })
    }

    /// Takes the transaction of a form and, for a consent page, also the one of the sign-in page
    /// before it. Returns `None` if the sign-in has ended, the form has expired, or the ID is
    /// unknown.
    pub(crate) fn take(&self, now: u64, id: &str) -> Option<Transaction> {
        let mut state = self.state();
        let transaction = state.take(id).filter(|transaction| now < transaction.expires)?;
        if let Stage::Consent { sign_in, .. } = &transaction.stage {
            state.take(sign_in)?;
        }
        Some(transaction)
    }

    /// Removes all of them.
    pub(crate) fn clear(&self) {
        self.state().clear();
    }

    /// Returns a transaction without taking it.
    pub(crate) fn peek(&self, id: &str) -> Option<Transaction> {
        self.state().get(id).cloned()
    }

    fn state(&self) -> MutexGuard<'_, Store<Transaction>> {
        lock(&self.state)
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            state: Mutex::new(Store::new(MOST, MOST_BYTES)),
        }
    }
}

/// The bytes of a value beside its texts, including those of IDs.
const REST: usize = 256;

/// The number of seconds for which a page is valid.
const LIFETIME: u64 = 900;
const MOST: usize = 1_000;
/// The limit for all transactions together. An app chooses the length of its `state`.
const MOST_BYTES: usize = 16 * 1024 * 1024;
