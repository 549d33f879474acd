//! The authorization code grant (RFC 6749, section 4.1.3).

use http::Response;

use crate::aadsts::Rejection;
use crate::exchange::Exchange;
use crate::form::Form;
use crate::protocol::token::client::find_app;
use crate::protocol::token::form::unreadable;
use crate::protocol::token::pkce;
use crate::protocol::token::redemption::{Redemption, StoredGrant};
use crate::state::State;
use crate::state::authorization::SignIn;
use crate::state::grants::Code;
use crate::state::recorder::{Endpoint, Lint};
use crate::state::scopes::{self, Scopes, Target};
use crate::state::session::Session;
use crate::tenant_path::TenantPath;
use crate::time::unix;

/// Issues a code that is valid for ten minutes and one use.
pub(crate) fn issue(exchange: &Exchange<'_>, session: &Session, redirect_uri: &str, sign_in: &SignIn) -> String {
    let code = Code {
        session: session.clone(),
        redirect_uri: redirect_uri.to_owned(),
        named_redirect: sign_in.named_redirect,
        challenge: sign_in.challenge.clone(),
        target: sign_in.target.clone(),
        expires: unix(exchange.now) + LIFETIME,
        is_redeemed: false,
    };
    exchange.state.grants.codes().add("1.A", code)
}

/// Redeems a code.
pub(crate) fn redeem<'a>(
    exchange: &mut Exchange<'a>,
    path: TenantPath<'a>,
    form: &Form,
    endpoint: Endpoint,
) -> Result<Response<Vec<u8>>, Rejection> {
    let redemption = Redemption::<Code>::begin(exchange, &path, form, endpoint, find_app)?;
    let code = &redemption.grant;
    if code.session.tenant != redemption.client.tenant.id {
        return Err(Rejection::new(700005));
    }
    if code.is_redeemed {
        return Err(Rejection::new(54005));
    }
    if code.expires <= unix(exchange.now) {
        return Err(Rejection::new(70008));
    }
    match form.value("redirect_uri") {
        Some(uri) if uri == code.redirect_uri => {}
        None if !code.named_redirect => {}
        None => return Err(Rejection::new(900144).with("redirect_uri")),
        Some(uri) => return Err(Rejection::new(500112).with(uri).with(&code.redirect_uri)),
    }
    pkce::verify(code.challenge.as_ref(), form.value("code_verifier"))?;
    let target = target(exchange, form, &code.target, endpoint)?;
    let has_scope = form.value("scope").is_some();
    let response = redemption.respond(exchange, &code.session, &target, !has_scope)?;
    // Marked as redeemed only now, so that an invalid request does not use up the code. Of several
    // concurrent requests, one receives the tokens.
    match exchange.state.grants.codes().get_mut(&redemption.text) {
        Some(code) if !code.is_redeemed => code.is_redeemed = true,
        _ => return Err(Rejection::new(54005)),
    }
    Ok(response)
}

impl StoredGrant for Code {
    const PARAMETER: &'static str = "code";

    fn find(state: &State, text: &str) -> Option<Self> {
        state.grants.codes().get(text).cloned()
    }

    fn client_id(&self) -> &str {
        &self.session.client_id
    }

    fn tenant(&self) -> Option<&str> {
        Some(&self.session.tenant)
    }

    fn unknown() -> Rejection {
        unreadable("the authorization code is unknown")
    }
}

/// Returns the target of the token request, which defaults to that of the authorization request.
///
/// The documents require the scopes of a token request to be those of the authorization request or
/// fewer. However, client libraries add OpenID Connect scopes, and the refresh token could request
/// all consented scopes a moment later, so this emulator accepts more scopes and records a lint.
fn target(exchange: &mut Exchange<'_>, form: &Form, asked: &Target, endpoint: Endpoint) -> Result<Target, Rejection> {
    match endpoint {
        Endpoint::V1 => {
            let resource = form.value("resource");
            match (asked, resource) {
                (Target::V1 { resource: Some(first) }, Some(second)) if first != second => {
                    Err(Rejection::new(70000).with("the resource is not the one of the authorization request"))
                }
                (Target::V1 { resource: first }, second) => Ok(Target::V1 {
                    resource: first.clone().or_else(|| second.map(str::to_owned)),
                }),
                (Target::V2(_), second) => Ok(Target::V1 {
                    resource: second.map(str::to_owned),
                }),
            }
        }
        Endpoint::V2 => {
            let named = scopes::of_form(form)?.map(Scopes::parse).transpose()?;
            if let (Target::V2(first), Some(named)) = (asked, &named)
                && !first.covers(named, &exchange.state.directory)
            {
                exchange.lint(Lint::ScopeBeyondCode);
            }
            match (asked, named) {
                (Target::V2(first), Some(named)) if named.permissions.is_empty() => {
                    Ok(Target::V2(first.clone().with_oidc_of(&named)))
                }
                (Target::V2(first), Some(named)) => Ok(Target::V2(named.with_oidc_of(first))),
                (Target::V2(first), None) => Ok(Target::V2(first.clone())),
                (Target::V1 { .. }, Some(named)) => Ok(Target::V2(named)),
                (Target::V1 { .. }, None) => Err(Rejection::new(900144).with("scope")),
            }
        }
    }
}

/// The lifetime of a code in seconds.
const LIFETIME: u64 = 600;
