//! The options for the flow of a token request, and the flows with a user.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use entra_client::blocking::{Client, ConsentFlow};
use entra_client::{Policy, SignIn, Token};
use entra_proto::Target;
use entra_proto::authorize::{Prompt, UserAssertion};
use entra_proto::claims::ClaimsRequest;

use crate::callback::{CallbackSettings, Outcome};
use crate::commands::consent::{is_declined, is_of_another_sign_in, sign_in_failure};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, harmless, name_of, read_text, tell_always};
use crate::page::Page;
use crate::token_settings::TokenSettings;

/// The options for the flow of a token request.
#[derive(Args)]
pub(crate) struct FlowSettings {
    /// The OAuth 2.0 flow
    #[arg(long, value_enum, default_value_t = Flow::ClientCredentials, conflicts_with = "account")]
    flow: Flow,

    /// Send no credential even if one is set: the application is a public client ("Allow public
    /// client flows" in its registration)
    #[arg(long, conflicts_with_all = ["account", "certificate", "certificate_key", "other_credential"])]
    public: bool,

    /// With --flow obo: the file with the user's access token for this application's API, or "-"
    /// for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    assertion_file: Option<PathBuf>,

    #[command(flatten)]
    callback: CallbackSettings,
}

/// The OAuth 2.0 flow of a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flow {
    /// Client credentials: an app-only token
    ClientCredentials,
    /// Device code: the user enters a code in a browser on any device
    DeviceCode,
    /// Authorization code: the user signs in with a browser that returns to --listen
    AuthCode,
    /// On-behalf-of: for the user who called the application's API, with --assertion-file
    Obo,
    /// Not supported; the error says why.
    #[value(hide = true)]
    Password,
}

/// A token, with its client and sign-in.
pub(crate) struct Acquired {
    pub(crate) token: Token,
    pub(crate) client: Client,
    pub(crate) sign_in: Option<SignIn>,
}

impl FlowSettings {
    /// Returns true if the flow gets an app-only token.
    pub(crate) fn is_for_application(&self) -> bool {
        self.flow == Flow::ClientCredentials
    }

    /// Returns true if the flow works without a credential.
    fn may_be_public(&self) -> bool {
        matches!(self.flow, Flow::DeviceCode | Flow::AuthCode)
    }

    /// Acquires a token by the chosen flow.
    pub(crate) fn token(&self, wanted: &TokenSettings, policy: Policy) -> Result<Acquired, Failure> {
        let client = if self.is_for_application() {
            wanted.client(policy)?
        } else {
            let application = wanted.application(self.public, self.may_be_public())?;
            wanted.client_of(application, policy)?.build()?
        };
        let (target, options) = (wanted.target()?, wanted.options()?);
        let without_sign_in = |client: Client| -> Result<Acquired, Failure> {
            Ok(Acquired {
                token: client.token_with(&target, &options)?,
                client,
                sign_in: None,
            })
        };
        let sign_in = match self.flow {
            Flow::Password => return Err(password_grant().into()),
            Flow::ClientCredentials => return without_sign_in(client),
            // Read last, since the program that writes it to a pipe may need a sign-in first.
            Flow::Obo => return without_sign_in(client.on_behalf_of(&self.assertion()?)),
            Flow::DeviceCode => client
                .device_code(&target, |code| tell_always(harmless(&code.message)))
                .map_err(sign_in_failure)?,
            Flow::AuthCode => through_browser(
                &client,
                &self.callback,
                target,
                wanted.claims()?,
                "--flow device-code",
                |_| Ok(()),
            )?,
        };
        Ok(Acquired {
            token: sign_in.token.clone(),
            client,
            sign_in: Some(sign_in),
        })
    }

    /// Returns the user's token, with --flow obo.
    fn assertion(&self) -> Result<UserAssertion, Failure> {
        let file = self.assertion_file.as_deref().unwrap_or_else(|| "-".as_ref());
        let text = read_text(file, "the user's access token", MAX_ASSERTION, Exit::Token)?;
        UserAssertion::new(text.trim()).map_err(|error| Failure::new(Exit::Token, error).context(name_of(file)))
    }

    /// Rejects invalid combinations of options.
    ///
    /// # Errors
    /// Returns an error that names the options.
    pub(crate) fn check(&self, wanted: &TokenSettings) -> Result<(), Failure> {
        if self.public && !self.may_be_public() {
            return Err(Failure::text(
                Exit::Usage,
                "--public requires --flow device-code or auth-code: the other flows need a credential",
            )
            .hint("remove --public"));
        }
        if self.assertion_file.is_some() != (self.flow == Flow::Obo) {
            return Err(
                Failure::text(Exit::Usage, "--flow obo and --assertion-file FILE require each other")
                    .hint("give both: the file contains the user's token for this application's API"),
            );
        }
        if let (Some(option), false) = (wanted.principal_option(), self.is_for_application()) {
            let problem = format!("{option} requires --flow client-credentials");
            return Err(Failure::text(Exit::Usage, problem).hint("remove one of them: no user signs in"));
        }
        if self.flow == Flow::Obo {
            wanted.settings().settings.check_recipient_of_user_token()?;
        }
        if self.callback.is_given() && self.flow != Flow::AuthCode {
            return Err(Failure::text(
                Exit::Usage,
                "--listen, --redirect-uri, --no-browser and --wait require --flow auth-code: the other flows use no browser here",
            )
            .hint("remove them"));
        }
        if self.flow == Flow::DeviceCode && wanted.claims()?.is_some() {
            return Err(Failure::text(
                Exit::Usage,
                "--claims cannot be used with --flow device-code, which has no parameter for claims",
            )
            .hint("use --flow auth-code"));
        }
        let from_stdin = |file: Option<&Path>| file.is_some_and(|file| file.as_os_str() == "-");
        if from_stdin(self.assertion_file.as_deref()) && from_stdin(wanted.secret_file()) {
            return Err(Failure::text(
                Exit::Usage,
                "standard input cannot contain both the assertion and the secret",
            )
            .hint("give one of them as a file"));
        }
        Ok(())
    }
}

/// Signs a user in with a browser on this machine. `browserless` is the command's option that needs
/// no browser here. `save` runs before the page is sent, so that the page reports its outcome.
///
/// # Errors
/// Returns an error if the sign-in fails, or `save` does.
pub(crate) fn through_browser(
    client: &Client,
    callback: &CallbackSettings,
    target: Target,
    claims: Option<ClaimsRequest>,
    browserless: &str,
    mut save: impl FnMut(&SignIn) -> Result<(), Failure>,
) -> Result<SignIn, Failure> {
    let application = client.application().expect("users sign in to applications");
    let mut callback = callback.listen(application)?;
    let flow = ConsentFlow::new(client, target, callback.redirect_uri().clone())?;
    // Prompts for consent only if it is missing.
    let flow = flow.with(|request| {
        let request = request.with_prompt(Prompt::SelectAccount);
        match claims {
            Some(claims) => request.with_claims(claims),
            None => request,
        }
    });
    let (url, pending) = flow.start()?;
    callback.send_browser("to sign in", &url, Some(browserless));
    callback.wait(|redirect| match flow.finish_sign_in(&pending, redirect) {
        Ok(sign_in) => match save(&sign_in) {
            Ok(()) => {
                let user = sign_in
                    .username()
                    .map(|user| format!("You are {}. ", excerpt(&user, 60)));
                let text = user.unwrap_or_default() + "The sign-in is complete.";
                let page = Page::good("You are signed in", text);
                Outcome::Done(page, Ok(sign_in))
            }
            Err(failure) => {
                let text = "You signed in, but the command could not store the account. See its error message.";
                Outcome::Done(Page::bad("The account was not stored", text), Err(failure))
            }
        },
        Err(error) if is_of_another_sign_in(&error) => Outcome::Unrelated(error),
        Err(error) => {
            let page = if is_declined(&error) {
                Page::failed("The sign-in was canceled", "You are not signed in.", &error)
            } else {
                Page::failed("You are not signed in", "The command got no token.", &error)
            };
            Outcome::Done(page, Err(sign_in_failure(error)))
        }
    })?
}

/// The maximum length of an access token, in bytes.
const MAX_ASSERTION: u64 = 64 * 1024;

/// Returns the error for the password grant (RFC 6749, section 4.3), which RFC 9700, section 2.4,
/// forbids.
fn password_grant() -> entra_proto::Error {
    entra_proto::error::InputError::new(
        entra_proto::error::Input::Grant,
        "password is not supported: it exposes passwords to the application, and fails with a second factor",
    )
    .with_hint("use client-credentials for a daemon, and device-code or auth-code for a user")
    .into()
}
