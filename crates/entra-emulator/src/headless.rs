//! Sign-ins without a browser: the same requests as a browser's, handled by the same pages.

use std::fmt;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Request, Response, StatusCode, Uri};

use crate::config::{Tenant, User};
use crate::protocol::authorize::candidates;
use crate::protocol::authorize::consent::{self, Next};
use crate::protocol::authorize::pages::Shown;
use crate::router;
use crate::state::State;
use crate::state::fault::Delivery;
use crate::state::grants::Refresh;
use crate::state::recorder::Channel;
use crate::state::transactions::Goal;
use crate::time::unix;

/// A redirect to the application: the response that a browser would follow. `Debug` hides the
/// parameters, which may be codes.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// The complete URL, including query or fragment.
    pub url: String,
    /// The body of the form that is posted to the URL, for `response_mode=form_post`.
    pub body: Option<String>,
}

impl Redirect {
    /// Returns the decoded value of a parameter in the query, fragment or body.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the decoded parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        let in_url = || {
            let parts = self.url.split_once('#').or_else(|| self.url.split_once('?'))?;
            Some(parts.1)
        };
        let encoded = self.body.as_deref().or_else(in_url).unwrap_or_default();
        form_urlencoded::parse(encoded.as_bytes()).into_owned()
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("Redirect").field("uri", &uri).finish_non_exhaustive()
    }
}

/// A page at which a sign-in ended: an error, or a page without a next step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorPage {
    /// The status of the response.
    pub status: StatusCode,
    /// The AADSTS code on the page.
    pub aadsts: Option<u32>,
    /// The message on the page.
    pub message: String,
}

impl fmt::Display for ErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a page with status {}: {}", self.status.as_u16(), self.message)
    }
}

impl std::error::Error for ErrorPage {}

impl State {
    /// Returns the users of all tenants with this user principal name, object ID or full name.
    pub(crate) fn users_named(&self, name: &str) -> Vec<(&Tenant, &User)> {
        let is_named = |user: &User| {
            user.user_principal_name.eq_ignore_ascii_case(name) || user.id == name || user.display_name == name
        };
        self.users().filter(|(_, user)| is_named(user)).collect()
    }

    /// Returns the users of all tenants.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&Tenant, &User)> {
        let tenants = self.directory.tenants.iter();
        tenants.flat_map(|tenant| tenant.users.iter().flatten().map(move |user| (tenant, user)))
    }

    /// Revokes every refresh token and access token of these users.
    pub(crate) fn revoke_sessions(&self, users: &[(&Tenant, &User)]) {
        let now = unix(self.clock.now());
        let mut tokens = self.grants.refresh_tokens();
        for (_, user) in users {
            self.revocations.revoke_user(&user.id, now);
            tokens
                .values_mut()
                .for_each(|token: &mut Refresh| token.revoke(&user.id));
        }
    }

    /// Enters the code of a device and approves it as the first of these users that the page
    /// offers. Without users, declines it.
    pub(crate) fn decide_device(&self, user_code: &str, who: &[(&Tenant, &User)]) -> Result<(), ErrorPage> {
        let page = self.post("/devicelogin", &[("user_code", user_code)]);
        match self.walk(page, "", who, !who.is_empty())? {
            End::Done => Ok(()),
            End::Redirect(redirect) => Err(ErrorPage {
                status: StatusCode::FOUND,
                aadsts: None,
                message: format!("sent on to {redirect:?}"),
            }),
        }
    }

    /// Opens a URL and follows the pages until the redirect to the application.
    pub(crate) fn visit(&self, url: Uri, who: &[(&Tenant, &User)], agree: bool) -> Result<Redirect, ErrorPage> {
        // The forms are posted to the origin of the page, which may become a part of the issuer.
        let origin = match (url.scheme_str(), url.authority()) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => String::new(),
        };
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = url;
        match self.walk(router::handle(self, request, Channel::Memory), &origin, who, agree)? {
            End::Redirect(redirect) => Ok(redirect),
            End::Done => Err(nothing_more(&Response::new(Vec::new()))),
        }
    }

    /// Follows the pages as the first of these users that the page offers. Does not cancel on a
    /// page without a question.
    fn walk(
        &self,
        first: Response<Vec<u8>>,
        origin: &str,
        who: &[(&Tenant, &User)],
        agree: bool,
    ) -> Result<End, ErrorPage> {
        let mut response = first;
        let forms = format!("{origin}/signin");
        // There are at most two pages, for sign-in and consent.
        for _ in 0..3 {
            if let Some(location) = response.headers().get(LOCATION) {
                let url = location.to_str().unwrap_or_default().to_owned();
                return Ok(End::Redirect(Redirect { url, body: None }));
            }
            let shown = response.extensions().get::<Shown>().cloned();
            response = match shown {
                Some(Shown::SignIn { transaction }) => {
                    let page = Open::find(self, &transaction);
                    let offered = page.as_ref().map(Open::accounts).unwrap_or_default();
                    let is_offered = |who: &&(&Tenant, &User)| {
                        offered
                            .iter()
                            .any(|(tenant, user)| (&tenant.id, &user.id) == (&who.0.id, &who.1.id))
                    };
                    let who = who.iter().find(is_offered).or_else(|| who.first());
                    let signs_in =
                        who.filter(|(tenant, user)| agree || page.as_ref().is_some_and(|page| page.asks(tenant, user)));
                    let named = signs_in.map(|(tenant, user)| format!("{}.{}", tenant.id, user.id));
                    let choice = match &named {
                        Some(named) => ("user", named.as_str()),
                        None => ("decision", "cancel"),
                    };
                    self.post(&forms, &[("transaction", &transaction), choice])
                }
                Some(Shown::Consent {
                    transaction,
                    blocked: true,
                }) if agree => {
                    // The user of a browser could not continue either, so the form is closed.
                    let _ = self.transactions.take(unix(self.clock.now()), &transaction);
                    return Err(ErrorPage {
                        status: response.status(),
                        aadsts: Some(90094),
                        message: "an administrator must consent".to_owned(),
                    });
                }
                Some(Shown::Consent { transaction, .. }) => {
                    let decision = if agree { "accept" } else { "cancel" };
                    self.post(&forms, &[("transaction", &transaction), ("decision", decision)])
                }
                Some(Shown::FormPost { uri, body }) => {
                    return Ok(End::Redirect(Redirect {
                        url: uri,
                        body: Some(body),
                    }));
                }
                Some(Shown::Error { code, message }) => {
                    return Err(ErrorPage {
                        status: response.status(),
                        aadsts: code,
                        message,
                    });
                }
                Some(Shown::Done) => return Ok(End::Done),
                Some(Shown::DeviceLogin) | None => break,
            };
        }
        Err(nothing_more(&response))
    }

    fn post(&self, url: &str, fields: &[(&str, &str)]) -> Response<Vec<u8>> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into_bytes());
        router::handle(self, request.expect("the path of a page is sound"), Channel::Memory)
    }
}

/// The end of a walk through the pages.
enum End {
    Redirect(Redirect),
    /// The page that confirms that a device was approved or declined.
    Done,
}

/// Creates the error for a response without a next step.
fn nothing_more(response: &Response<Vec<u8>>) -> ErrorPage {
    let message = match response.extensions().get::<Delivery>() {
        Some(_) => {
            "a fault applied to the user's request; give the fault a path, such as \"/token\", to exclude the pages"
        }
        None => "the response is not a page on which a user can continue",
    };
    ErrorPage {
        status: response.status(),
        aadsts: None,
        message: message.to_owned(),
    }
}

/// An open sign-in page as the user of a browser sees it: the accounts, and whether signing in as
/// one of them leads to a consent question.
struct Open<'a> {
    state: &'a State,
    goal: Goal,
}

impl<'a> Open<'a> {
    fn find(state: &'a State, transaction: &str) -> Option<Self> {
        let goal = state.transactions.peek(transaction)?.goal;
        Some(Self { state, goal })
    }

    fn accounts(&self) -> Vec<(&'a Tenant, &'a User)> {
        candidates(self.state, &self.goal)
    }

    fn asks(&self, tenant: &Tenant, user: &User) -> bool {
        let app = self.state.directory.app(self.goal.client_id());
        let next = app.map(|app| consent::next(self.state, &self.goal, app, tenant, user));
        matches!(next, Some(Ok(Next::Ask(_))))
    }
}
