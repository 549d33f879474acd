//! The refresh token grant (RFC 6749, section 6). Each response contains a new refresh token; the
//! old one stays valid.

use http::Response;

use crate::aadsts::Rejection;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::find_app;
use crate::protocol::token::form::unreadable;
use crate::protocol::token::redemption::{Redemption, StoredGrant};
use crate::state::State;
use crate::state::grants::Refresh;
use crate::state::recorder::Endpoint;
use crate::state::scopes::{self, Scopes, Target};
use crate::tenant_path::TenantPath;
use crate::time::unix;

/// Redeems a refresh token.
pub(crate) fn redeem<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    let redemption = Redemption::<Refresh>::begin(exchange, &path, form, endpoint, find_app)?;
    let refresh = &redemption.grant;
    // The service accepts a refresh token in every tenant of its user. In the emulator, a user
    // belongs to one tenant.
    if refresh.session.tenant != redemption.client.tenant.id {
        return Err(Rejection::new(7000012));
    }
    if refresh.is_revoked {
        return Err(Rejection::new(50173));
    }
    if refresh.expires <= unix(exchange.now) {
        return Err(Rejection::new(700082));
    }
    let target = match endpoint {
        Endpoint::V1 => match (form.value("resource"), &refresh.target) {
            (Some(resource), _) => Target::V1 {
                resource: Some(resource.to_owned()),
            },
            (None, Target::V1 { resource }) => Target::V1 {
                resource: resource.clone(),
            },
            (None, Target::V2(_)) => Target::V1 { resource: None },
        },
        Endpoint::V2 => {
            let named = scopes::of_form(form)?.map(Scopes::parse).transpose()?;
            match (named, &refresh.target) {
                (Some(named), Target::V2(first)) => Target::V2(named.with_oidc_of(first)),
                (Some(named), Target::V1 { .. }) => Target::V2(named),
                (None, Target::V2(first)) => Target::V2(first.clone()),
                (None, Target::V1 { .. }) => return Err(Rejection::new(900144).with("scope")),
            }
        }
    };
    redemption.respond(exchange, &refresh.session, &target, true)
}

impl StoredGrant for Refresh {
    const PARAMETER: &'static str = "refresh_token";

    fn find(state: &State, text: &str) -> Option<Self> {
        state.grants.refresh_tokens().get(text).cloned()
    }

    fn client_id(&self) -> &str {
        &self.session.client_id
    }

    fn tenant(&self) -> Option<&str> {
        Some(&self.session.tenant)
    }

    fn unknown() -> Rejection {
        unreadable("the refresh token is unknown")
    }
}
