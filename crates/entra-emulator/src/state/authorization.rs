//! Authorization requests, as stored with transactions and grants.

use crate::state::recorder::Endpoint;
use crate::state::scopes::{Scopes, Target};
use crate::state::store::Weigh;

/// A valid authorization request. The user decides whether it is granted.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client_id: String,
    /// The tenant's GUID if the path names one.
    pub(crate) tenant: Option<String>,
    pub(crate) reply: Reply,
    pub(crate) kind: RequestKind,
    pub(crate) prompt: Prompt,
    pub(crate) login_hint: Option<String>,
    pub(crate) domain_hint: Option<String>,
}

/// The destination of the authorization response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// One of the app's redirect URIs, or a URI that matches one of them.
    pub(crate) uri: String,
    pub(crate) mode: ResponseMode,
    /// The `state`, returned byte for byte.
    pub(crate) state: Option<Vec<u8>>,
}

/// The way in which parameters are added to the response (`response_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// The kind of authorization that an app requests.
#[derive(Clone, Debug)]
pub(crate) enum RequestKind {
    SignIn(Box<SignIn>),
    AdminConsent {
        version: Endpoint,
        /// Empty on v1, which means every registered permission.
        scopes: Scopes,
    },
}

/// A request for a code, an ID token, or both.
#[derive(Clone, Debug)]
pub(crate) struct SignIn {
    pub(crate) version: Endpoint,
    /// True if the request named its redirect URI, so that the token request must repeat it.
    pub(crate) named_redirect: bool,
    pub(crate) code: bool,
    pub(crate) id_token: bool,
    pub(crate) nonce: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) target: Target,
    pub(crate) client_info: bool,
    /// True if the ID token contains the time of the sign-in.
    pub(crate) auth_time: bool,
}

impl Weigh for Request {
    fn weight(&self) -> usize {
        let kind = match &self.kind {
            RequestKind::SignIn(sign_in) => sign_in.target.weight() + sign_in.nonce.as_ref().map_or(0, String::len),
            RequestKind::AdminConsent { scopes, .. } => scopes.weight(),
        };
        let hints = [&self.login_hint, &self.domain_hint]
            .into_iter()
            .flatten()
            .map(String::len);
        let state = self.reply.state.as_ref().map_or(0, Vec::len);
        kind + self.reply.uri.len() + state + hints.sum::<usize>() + REST
    }
}

/// The interaction that the app requires (`prompt`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Unspecified,
    None,
    Login,
    SelectAccount,
    Consent,
    AdminConsent,
}

/// The code challenge that the token request must match. Its `Debug` output hides the value: a
/// plain challenge is the secret itself.
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

/// The bytes of a request beside its texts, including those of IDs.
const REST: usize = 512;
