//! What waits for a browser's next form: who asked for what, and how far the user got.

use std::sync::Mutex;

use crate::state::authorization::Request;
use crate::state::consents::Asked;
use crate::state::store::{Store, Weigh};

/// The sign-ins under way. A form names one by an id: that of a consent page is good for one form, that of a sign-in page
/// until the way through the pages ends.
#[derive(Debug)]
pub(crate) struct Transactions {
    state: Mutex<Store<Transaction>>,
}

/// One sign-in under way.
#[derive(Clone)]
pub(crate) struct Transaction {
    pub(crate) goal: Goal,
    pub(crate) stage: Stage,
    /// When its form is not accepted any more, in seconds since the epoch.
    pub(crate) expires: u64,
}

/// What the user came for. Without `Debug`, since a device code is a secret.
#[derive(Clone)]
pub(crate) enum Goal {
    /// An answer to an app, by redirect.
    App(Box<Request>),
    /// To let a device in, by its device code.
    Device { device_code: String, client_id: String },
}

/// Which page the browser shows.
#[derive(Clone)]
pub(crate) enum Stage {
    /// Who is it?
    SignIn,
    /// What may the app do? With the id of the sign-in page that led here.
    Consent { consent: Consent, sign_in: String },
}

/// What a user is asked to agree to.
#[derive(Clone, Debug)]
pub(crate) struct Consent {
    /// Tenant and object id of the user.
    pub(crate) user: (String, String),
    pub(crate) asked: Vec<Asked>,
    /// For all users of the tenant.
    pub(crate) for_everyone: bool,
    /// The user must not agree: all that is left is to go back.
    pub(crate) refused: bool,
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
    /// Keeps a transaction for its next form, and gives it its id.
    pub(crate) fn open(&self, now: u64, goal: Goal, stage: Stage) -> String {
        let transaction = Transaction {
            goal,
            stage,
            expires: now + LIFETIME,
        };
        self.state().add("", transaction)
    }

    /// Opens the page that asks what a user who just signed in agrees to. The page before stays open: a browser sends its
    /// form again to load this one anew, and whoever goes back may pick somebody else.
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

    /// Takes the transaction of a form, and of a consent page the one that led there. There is none for a form of a way that
    /// has ended, that comes too late or is made up.
    pub(crate) fn take(&self, now: u64, id: &str) -> Option<Transaction> {
        let mut state = self.state();
        let transaction = state.take(id).filter(|transaction| now < transaction.expires)?;
        if let Stage::Consent { sign_in, .. } = &transaction.stage {
            state.take(sign_in)?;
        }
        Some(transaction)
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        self.state().clear();
    }

    /// Looks at a transaction without taking it.
    pub(crate) fn peek(&self, id: &str) -> Option<Transaction> {
        self.state().get(id).cloned()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Store<Transaction>> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Default for Transactions {
    fn default() -> Self {
        Self {
            state: Mutex::new(Store::new(MOST, MOST_BYTES)),
        }
    }
}

/// Bytes of a value beside its texts, and those of IDs.
const REST: usize = 256;

/// Seconds a page may lie open.
const LIFETIME: u64 = 900;
const MOST: usize = 1_000;
/// Of all together: a browser is sent with as long a state as an app likes.
const MOST_BYTES: usize = 16 * 1024 * 1024;
