//! Authorization requests, as transactions and grants keep them.

use crate::state::recorder::Endpoint;
use crate::state::scopes::{Scopes, Target};
use crate::state::store::Weigh;

/// A request that was understood. Whether it is granted depends on the user.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client_id: String,
    /// The tenant's GUID if the path names one.
    pub(crate) tenant: Option<String>,
    pub(crate) reply: Reply,
    pub(crate) ask: Ask,
    pub(crate) prompt: Prompt,
    pub(crate) login_hint: Option<String>,
    pub(crate) domain_hint: Option<String>,
}

/// Where the answer goes.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// One of the app's own, or what those stand for.
    pub(crate) uri: String,
    pub(crate) mode: Mode,
    /// To be given back byte for byte.
    pub(crate) state: Option<Vec<u8>>,
}

/// How parameters are put into an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    SignIn(Box<SignIn>),
    AdminConsent {
        version: Endpoint,
        /// Empty on v1, where everything registered is meant.
        scopes: Scopes,
    },
}

/// A code, an id token, or both.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) version: Endpoint,
    /// Whether the request named its redirect URI, so that the token request has to repeat it.
    pub(crate) named_redirect: bool,
    pub(crate) code: bool,
    pub(crate) id_token: bool,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) target: Target,
    pub(crate) client_info: bool,
    /// Whether the id token is to tell when the user signed in.
    pub(crate) auth_time: bool,
}

impl Weigh for Request {
    fn weight(&self) -> usize {
        let ask = match &self.ask {
            Ask::SignIn(sign_in) => sign_in.target.weight() + sign_in.nonce.as_ref().map_or(0, String::len),
            Ask::AdminConsent { scopes, .. } => scopes.weight(),
        };
        let hints = [&self.login_hint, &self.domain_hint]
            .into_iter()
            .flatten()
            .map(String::len);
        let state = self.reply.state.as_ref().map_or(0, Vec::len);
        ask + self.reply.uri.len() + state + hints.sum::<usize>() + REST
    }
}

/// What the user is to see in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Unsaid,
    None,
    Login,
    SelectAccount,
    Consent,
    AdminConsent,
}

/// What the token request has to fit. Its `Debug` shows nothing: a plain challenge is the secret itself.
#[derive(Clone)]
pub(crate) struct Challenge {
    pub(crate) value: String,
    pub(crate) is_hashed: bool,
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge")
    }
}

/// Bytes of a request beside its texts, and those of IDs.
const REST: usize = 512;
