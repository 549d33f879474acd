//! The pages of a sign-in: plain HTML without scripts, with every value escaped.

use std::fmt::Write;

use http::header::ALLOW;
use http::{HeaderValue, Response, StatusCode};

use crate::aadsts::Rejection;
use crate::config::{App, Tenant, User};
use crate::exchange::{Exchange, no_store};
use crate::html::{Document, escape};
use crate::protocol::authorize::{ERROR_STATUS, kind_name};
use crate::state::consents::Kind;
use crate::state::transactions::Consent;

/// The kind of a page, in the response's extensions, for callers that complete a sign-in without a
/// browser.
#[derive(Clone)]
pub(crate) enum Shown {
    SignIn {
        transaction: String,
    },
    Consent {
        transaction: String,
        blocked: bool,
    },
    DeviceLogin,
    /// The sign-in of the device was approved or declined.
    Done,
    Error {
        code: Option<u32>,
        message: String,
    },
    /// The response to the app, to be posted to it.
    FormPost {
        uri: String,
        body: String,
    },
}

/// Returns the sign-in page, on which the user selects an account.
pub(crate) fn sign_in(
    exchange: &Exchange<'_>,
    app: &str,
    transaction: &str,
    users: &[(&Tenant, &User)],
    hint: Option<&str>,
    destination: Destination,
) -> Response<Vec<u8>> {
    let mut body = format!(
        "<h1>Sign in</h1>\n<p>to continue to <strong>{}</strong></p>\n",
        escape(app)
    );
    body.push_str(&form_start("/signin", transaction));
    let is_hinted = |user: &User| hint.is_some_and(|hint| user.user_principal_name.eq_ignore_ascii_case(hint));
    let focused = users.iter().position(|(_, user)| is_hinted(user)).unwrap_or(0);
    if users.is_empty() {
        body.push_str("<p>No user here can sign in to this app.</p>\n");
    } else {
        body.push_str("<h2 id=\"who\">Pick an account</h2>\n<ul aria-labelledby=\"who\">\n");
    }
    for (at, (tenant, user)) in users.iter().enumerate() {
        let name = escape(&user.user_principal_name);
        let role = if user.admin { ", administrator" } else { "" };
        let focus = if at == focused { " autofocus" } else { "" };
        let _ = writeln!(
            body,
            "<li><button name=\"user\" value=\"{}.{}\" data-user=\"{name}\"{focus}><strong>{}</strong><br>{name} ({}{role})</button></li>",
            escape(&tenant.id),
            escape(&user.id),
            escape(&user.display_name),
            escape(&tenant.name),
        );
    }
    if !users.is_empty() {
        body.push_str("</ul>\n");
    }
    body.push_str(
        "<p><button id=\"cancel\" name=\"decision\" value=\"cancel\" class=\"quiet\">Cancel</button></p>\n</form>\n",
    );
    let shown = Shown::SignIn {
        transaction: transaction.to_owned(),
    };
    page(exchange, StatusCode::OK, "Sign in", "", &body, destination, shown)
}

/// The content of a consent page.
pub(crate) struct ConsentPage<'a> {
    pub(crate) app: &'a App,
    pub(crate) tenant: &'a Tenant,
    pub(crate) user: &'a User,
    pub(crate) consent: &'a Consent,
    /// The OpenID Connect scopes.
    pub(crate) oidc: &'a [&'static str],
    pub(crate) transaction: &'a str,
    pub(crate) destination: Destination,
}

/// Returns the consent page. The heading has the focus, so that it is read before the buttons.
pub(crate) fn consent(exchange: &mut Exchange<'_>, about: &ConsentPage<'_>) -> Response<Vec<u8>> {
    let directory = &exchange.state.directory;
    let consent = about.consent;
    let is_device = about.destination == Destination::Emulator;
    let title = match (consent.blocked, is_device, consent.for_everyone) {
        (true, ..) => "Need admin approval",
        (_, true, _) => "Sign in on another device",
        (_, _, true) => "Permissions requested: review for your organization",
        _ => "Permissions requested",
    };
    let publisher = directory
        .home(about.app)
        .map_or("unknown", |tenant| tenant.name.as_str());
    let mut body = format!(
        "<p class=\"who\">{}</p>\n<h1 tabindex=\"-1\" autofocus>{title}</h1>\n<p><strong id=\"app\">{}</strong><br>published by <span id=\"publisher\">{}</span></p>\n",
        escape(&about.user.user_principal_name),
        escape(&about.app.name),
        escape(publisher),
    );
    if consent.blocked {
        exchange.record(&Rejection::new(90094));
        body.push_str("<p id=\"message\">AADSTS90094: this app needs permissions that only an administrator can grant. Ask an administrator to grant them, then sign in again.</p>\n");
    } else if is_device {
        body.push_str("<p>Continue only if you entered a code from your own device. Anyone else who gave you the code will be signed in as you.</p>\n");
    }
    let is_asked = !(consent.asked.is_empty() && about.oidc.is_empty());
    if is_asked {
        body.push_str("<h2 id=\"what\">This app would like to</h2>\n<ul aria-labelledby=\"what\" class=\"plain\">\n");
        for scope in about.oidc {
            let text = match *scope {
                "openid" => "Sign you in",
                "offline_access" => "Keep access while you are away",
                "email" => "Read your email address",
                _ => "Read your basic profile",
            };
            let _ = writeln!(
                body,
                "<li data-permission=\"{scope}\" data-kind=\"delegated\">{text}</li>"
            );
        }
        for asked in &consent.asked {
            let api = directory
                .api(&asked.api)
                .map_or(asked.api.as_str(), |api| api.name.as_str());
            let kind = match asked.kind {
                Kind::Delegated if consent.for_everyone => "delegated: on behalf of each user",
                Kind::Delegated => "delegated: on your behalf",
                Kind::Application => "application: without a user",
            };
            let name = escape(&asked.name);
            let _ = writeln!(
                body,
                "<li data-permission=\"{name}\" data-kind=\"{}\"><strong>{name}</strong> of {} <span>({kind})</span></li>",
                kind_name(asked.kind),
                escape(api),
            );
        }
        body.push_str("</ul>\n");
    }
    if consent.for_everyone && !consent.blocked {
        let has = |kind: Kind| consent.asked.iter().any(|asked| asked.kind == kind);
        let tenant = format!("<strong>{}</strong>", escape(&about.tenant.name));
        let gets = match (has(Kind::Delegated) || !about.oidc.is_empty(), has(Kind::Application)) {
            (true, true) => format!(
                "gets the delegated permissions for every user of {tenant}, and the application permissions there without a user"
            ),
            (true, false) => format!("gets these permissions for every user of {tenant}"),
            (false, true) => format!("gets these permissions in {tenant} without a user"),
            (false, false) => format!("may be used by every user of {tenant}"),
        };
        let _ = writeln!(body, "<p>If you accept, this app {gets}.</p>");
    }
    body.push_str(&form_start("/signin", about.transaction));
    if consent.blocked {
        body.push_str("<p>Have an admin account?<br><button id=\"another\" name=\"decision\" value=\"another\">Sign in with that account</button></p>\n");
        body.push_str("<p><button id=\"cancel\" name=\"decision\" value=\"cancel\" class=\"quiet\">Return to the application without granting consent</button></p>\n");
    } else {
        if about.user.admin && !consent.for_everyone && !is_device {
            body.push_str("<p><input type=\"checkbox\" id=\"organization\" name=\"organization\" value=\"yes\"> <label for=\"organization\">Consent on behalf of your organization</label></p>\n");
        }
        body.push_str("<p><button id=\"accept\" name=\"decision\" value=\"accept\">Accept</button> <button id=\"cancel\" name=\"decision\" value=\"cancel\" class=\"quiet\">Cancel</button></p>\n");
    }
    body.push_str("</form>\n");
    let shown = Shown::Consent {
        transaction: about.transaction.to_owned(),
        blocked: consent.blocked,
    };
    let mark = if consent.blocked { " data-aadsts=\"90094\"" } else { "" };
    page(exchange, StatusCode::OK, title, mark, &body, about.destination, shown)
}

/// Returns the page on which a user enters the code of a device, with the problem of the previous
/// attempt.
pub(crate) fn device_login(exchange: &mut Exchange<'_>, problem: Option<&Rejection>) -> Response<Vec<u8>> {
    let mut body = "<h1>Enter code</h1>\n<p>Enter the code that your app or device shows.</p>\n".to_owned();
    let mut mark = String::new();
    let mut invalid = "";
    if let Some(rejection) = problem {
        exchange.record(rejection);
        mark = format!(" data-aadsts=\"{}\"", rejection.row.code);
        invalid = " aria-invalid=\"true\" aria-describedby=\"message\"";
        let _ = writeln!(
            body,
            "<p id=\"message\" class=\"bad\" role=\"alert\">{}</p>",
            escape(&rejection.message())
        );
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/devicelogin\">\n<p><label for=\"user_code\">Code</label><br><input id=\"user_code\" name=\"user_code\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"32\" required autofocus{invalid}></p>\n<p><button id=\"next\">Next</button></p>\n</form>\n"
    );
    let (status, shown) = match problem {
        None => (StatusCode::OK, Shown::DeviceLogin),
        Some(rejection) => (ERROR_STATUS, shown_error(rejection)),
    };
    page(
        exchange,
        status,
        "Enter code",
        &mark,
        &body,
        Destination::Emulator,
        shown,
    )
}

/// Returns the final page of a device sign-in.
pub(crate) fn done(exchange: &Exchange<'_>, approved: bool) -> Response<Vec<u8>> {
    let body = if approved {
        "<h1>You are signed in</h1>\n<p id=\"message\">The app on your device can continue. You can close this page.</p>\n"
    } else {
        "<h1>Nothing was granted</h1>\n<p id=\"message\">The app on your device will be informed. You can close this page.</p>\n"
    };
    page(
        exchange,
        StatusCode::OK,
        "Done",
        "",
        body,
        Destination::Emulator,
        Shown::Done,
    )
}

/// Returns the error page for problems that cannot be reported to an app.
pub(crate) fn error(exchange: &mut Exchange<'_>, rejection: &Rejection) -> Response<Vec<u8>> {
    exchange.record(rejection);
    // A retry of the same request would not help.
    let advice = match rejection.row.code {
        50089 => "<p>Go back to the app and start again.</p>\n".to_owned(),
        50011 => registered(exchange),
        _ => String::new(),
    };
    let body = format!(
        "<h1>Sorry, that did not work</h1>\n<p id=\"message\">{}</p>\n{advice}<p class=\"quiet\">Request id: {}</p>\n",
        escape(&rejection.message()),
        escape(&exchange.trace_id),
    );
    let mark = format!(" data-aadsts=\"{}\"", rejection.row.code);
    page(
        exchange,
        ERROR_STATUS,
        "Error",
        &mark,
        &body,
        Destination::Emulator,
        shown_error(rejection),
    )
}

/// Returns the list of the app's redirect URIs, for a request that named a different one.
fn registered(exchange: &Exchange<'_>) -> String {
    let app = exchange.event.client_id.as_deref();
    let Some(app) = app.and_then(|client_id| exchange.state.directory.app(client_id)) else {
        return String::new();
    };
    let mut list =
        "<h2 id=\"known\">Registered redirect URIs</h2>\n<ul aria-labelledby=\"known\" class=\"plain\">\n".to_owned();
    for uri in app.redirect_uris.iter().take(MOST_LISTED) {
        let _ = writeln!(list, "<li>{}</li>", escape(uri));
    }
    list.push_str("</ul>\n");
    list
}

/// Returns the error page for a method that the pages do not use. Users reach it by restoring a tab
/// or by pressing Enter in the address bar.
pub(crate) fn wrong_method(exchange: &Exchange<'_>, allowed: &'static str) -> Response<Vec<u8>> {
    let message = if allowed == "POST" {
        "This page responds to a form and cannot be opened directly. Go back to the app and start again.".to_owned()
    } else {
        format!("This page accepts {allowed}.")
    };
    let body = format!("<h1>Sorry, that did not work</h1>\n<p id=\"message\">{message}</p>\n");
    let shown = Shown::Error { code: None, message };
    let mut response = page(
        exchange,
        StatusCode::METHOD_NOT_ALLOWED,
        "Error",
        "",
        &body,
        Destination::Emulator,
        shown,
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Returns the response as a form that the user submits (OAuth 2.0 Form Post Response Mode). The
/// service's own page submits it by a script.
pub(crate) fn form_post(
    exchange: &Exchange<'_>,
    uri: &str,
    parameters: &[(&'static str, Vec<u8>)],
    encoded: &str,
) -> Response<Vec<u8>> {
    let mut body = format!(
        "<h1>Back to the app</h1>\n<form method=\"post\" action=\"{}\">\n",
        escape(uri)
    );
    for (name, value) in parameters {
        let value = String::from_utf8_lossy(value);
        let _ = writeln!(
            body,
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            escape(&value)
        );
    }
    body.push_str("<p><button id=\"continue\" autofocus>Continue</button></p>\n</form>\n");
    let shown = Shown::FormPost {
        uri: uri.to_owned(),
        body: encoded.to_owned(),
    };
    page(exchange, StatusCode::OK, "Continue", "", &body, Destination::App, shown)
}

fn shown_error(rejection: &Rejection) -> Shown {
    Shown::Error {
        code: Some(rejection.row.code),
        message: rejection.message(),
    }
}

fn form_start(action: &str, transaction: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\">\n<input type=\"hidden\" name=\"transaction\" value=\"{}\">\n",
        escape(transaction)
    )
}

/// The destination of a page's forms, directly or through further pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// An app, which may redirect anywhere.
    App,
    /// Pages of the emulator only: the user approves a device, or there is no form.
    Emulator,
}

/// Returns a complete page.
fn page(
    exchange: &Exchange<'_>,
    status: StatusCode,
    title: &str,
    mark: &str,
    body: &str,
    destination: Destination,
    shown: Shown,
) -> Response<Vec<u8>> {
    // Chromium checks every redirect after a form against `form-action`. If an app redirected its
    // user from the redirect URI, Chromium would silently stop here. Pages that lead to an app
    // therefore cannot restrict the destination.
    let policy = match destination {
        Destination::App => "",
        Destination::Emulator => "form-action 'self'; ",
    };
    let document = Document {
        title,
        mark,
        head: "",
        body,
        style: None,
        script: None,
        policy,
    };
    let mut response = exchange.response(status, "text/html; charset=utf-8", document.html().into_bytes());
    document.confine(&mut response);
    response.extensions_mut().insert(shown);
    no_store(response)
}

const MOST_LISTED: usize = 20;
