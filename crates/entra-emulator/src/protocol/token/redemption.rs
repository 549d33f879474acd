//! The redemption of a stored grant: the steps that authorization codes, refresh tokens and device
//! codes have in common.

use http::Response;

use crate::aadsts::Rejection;
use crate::config::{App, Tenant};
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::{Client, identify};
use crate::protocol::token::form::unreadable;
use crate::protocol::token::request::{self, RequestedClaims};
use crate::protocol::token::user;
use crate::state::State;
use crate::state::recorder::Endpoint;
use crate::state::scopes::Target;
use crate::state::session::Session;
use crate::tenant_path::TenantPath;

/// A grant that is stored under the code or token with which a client redeems it.
pub(crate) trait StoredGrant: Sized {
    /// The parameter that contains the code or token.
    const PARAMETER: &'static str;

    /// Returns the code or token of a request.
    fn text(form: &Form) -> Option<&str> {
        form.value(Self::PARAMETER)
    }

    /// Returns the stored grant of a code or token.
    fn find(state: &State, text: &str) -> Option<Self>;

    /// Returns the client ID of the app that received the grant.
    fn client_id(&self) -> &str;

    /// Returns the ID of the grant's tenant, if it is already known.
    fn tenant(&self) -> Option<&str>;

    /// Returns the error for an unknown code or token.
    fn unknown() -> Rejection;

    /// Returns the error for a grant of another app.
    fn of_another_app() -> Rejection {
        Rejection::new(700007)
    }

    /// Returns the error for a grant of a user who does not exist any more.
    fn without_user() -> Rejection {
        unreadable("its user does not exist")
    }
}

/// A grant and the authenticated client that redeems it.
pub(crate) struct Redemption<'a, G> {
    pub(crate) client: Client<'a>,
    pub(crate) grant: G,
    /// The code or token.
    pub(crate) text: String,
    endpoint: Endpoint,
    requested: RequestedClaims,
    client_info: bool,
}

impl<'a, G: StoredGrant> Redemption<'a, G> {
    /// Finds the grant of a request and authenticates the client. `find` is the argument of
    /// [`identify`].
    ///
    /// # Errors
    /// Returns an error if the client or the `claims` parameter is invalid, and if the grant is
    /// missing, unknown, or that of another app.
    pub(crate) fn begin(
        exchange: &mut Exchange<'a>,
        path: &TenantPath<'a>,
        form: &Form,
        endpoint: Endpoint,
        find: fn(&Exchange<'a>, &str, &'a Tenant) -> Result<&'a App, Rejection>,
    ) -> Result<Self, Rejection> {
        let text = G::text(form);
        let known = text.and_then(|text| G::find(exchange.state, text));
        let client = identify(exchange, form, path, known.as_ref().and_then(G::tenant), find)?;
        let text = text.ok_or_else(|| Rejection::new(900144).with(G::PARAMETER))?;
        let requested = request::claims(form)?;
        let grant = known.ok_or_else(G::unknown)?;
        if grant.client_id() != client.app.client_id {
            return Err(G::of_another_app());
        }
        Ok(Self {
            client,
            grant,
            text: text.to_owned(),
            endpoint,
            requested,
            client_info: form.value("client_info").is_some(),
        })
    }

    /// Responds with the tokens of a session. `first_resource` is the field of [`user::Grant`].
    ///
    /// # Errors
    /// Returns an error if the user does not exist any more, and the errors of [`user::respond`].
    pub(crate) fn respond(
        &self,
        exchange: &Exchange<'_>,
        session: &Session,
        target: &Target,
        first_resource: bool,
    ) -> Result<Response<Vec<u8>>, Rejection> {
        let directory = &exchange.state.directory;
        let (_, user) = directory
            .user(&session.tenant, &session.user)
            .ok_or_else(G::without_user)?;
        let grant = user::Grant {
            endpoint: self.endpoint,
            tenant: self.client.tenant,
            user,
            app: self.client.app,
            proof: self.client.proof,
            session,
            requested: &self.requested,
            client_info: self.client_info,
            first_resource,
        };
        user::respond(exchange, &grant, target)
    }
}
