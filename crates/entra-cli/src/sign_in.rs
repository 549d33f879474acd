use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use entra_client::blocking::{Client, ConsentFlow};
use entra_client::{Policy, SignIn, Token};
use entra_proto::Target;
use entra_proto::authorize::{Prompt, UserAssertion};
use entra_proto::claims::ClaimsRequest;

use crate::callback::{Answer, CallbackSettings};
use crate::commands::consent::{is_anothers, is_declined};
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, harmless, name_of, read_text, tell_always};
use crate::page::Page;
use crate::wanted::TokenSettings;

/// On what ground a token is asked for.
#[derive(Args)]
pub(crate) struct FlowSettings {
    /// How the token is got
    #[arg(long, value_enum, default_value_t = Flow::ClientCredentials, conflicts_with = "account")]
    flow: Flow,

    /// The application is a public client (its registration says "Allow public client flows"): send no credential, whatever the
    /// environment holds
    #[arg(long, conflicts_with_all = ["account", "secret_file", "certificate", "certificate_key", "federated_token_file"])]
    public: bool,

    /// With --flow obo: read the user's access token for this application's API from this file, or from standard input if it is "-"
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    assertion_file: Option<PathBuf>,

    #[command(flatten)]
    callback: CallbackSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flow {
    /// For the application itself
    ClientCredentials,
    /// For a person, who gets a code to type in elsewhere
    DeviceCode,
    /// For a person, in a browser that comes back to --listen
    AuthCode,
    /// For the user who called the application's API, by --assertion-file
    Obo,
    /// Not to be had: says why
    #[value(hide = true)]
    Password,
}

/// A token, and what came with it.
pub(crate) struct Got {
    pub(crate) token: Token,
    pub(crate) client: Client,
    pub(crate) sign_in: Option<SignIn>,
}

impl FlowSettings {
    /// Whether the application asks for itself.
    pub(crate) fn is_for_application(&self) -> bool {
        self.flow == Flow::ClientCredentials
    }

    /// Whether the application may ask without proof of who it is.
    fn may_be_public(&self) -> bool {
        matches!(self.flow, Flow::DeviceCode | Flow::AuthCode)
    }

    pub(crate) fn token(&self, wanted: &TokenSettings, policy: Policy) -> Result<Got, Failure> {
        let application = wanted.application(self.public, self.may_be_public())?;
        let client = wanted.client_of(application, policy)?.build()?;
        let (target, options) = (wanted.target()?, wanted.options()?);
        let without_sign_in = |client: Client| -> Result<Got, Failure> {
            Ok(Got {
                token: client.token_with(&target, &options)?,
                client,
                sign_in: None,
            })
        };
        let sign_in = match self.flow {
            Flow::Password => return Err(password_grant().into()),
            Flow::ClientCredentials => return without_sign_in(client),
            // Read last: whoever writes it into a pipe may sign in for it.
            Flow::Obo => return without_sign_in(client.on_behalf_of(&self.assertion()?)),
            Flow::DeviceCode => client.device_code(&target, |code| tell_always(harmless(&code.message)))?,
            Flow::AuthCode => through_browser(
                &client,
                &self.callback,
                target,
                wanted.claims()?,
                "--flow device-code",
                |_| Ok(()),
            )?,
        };
        Ok(Got {
            token: sign_in.token.clone(),
            client,
            sign_in: Some(sign_in),
        })
    }

    /// The user's token, with --flow obo.
    fn assertion(&self) -> Result<UserAssertion, Failure> {
        let file = self.assertion_file.as_deref().unwrap_or_else(|| "-".as_ref());
        let text = read_text(file, "the user's access token", MAX_ASSERTION, Exit::Token)?;
        UserAssertion::new(text.trim()).map_err(|error| Failure::new(Exit::Token, error).context(name_of(file)))
    }

    /// Refuses options that do not go together.
    pub(crate) fn check(&self, wanted: &TokenSettings) -> Result<(), Failure> {
        if self.public && !self.may_be_public() {
            return Err(Failure::text(
                Exit::Usage,
                "--public goes with --flow device-code and auth-code: for the others the application has to prove who it is",
            )
            .hint("leave --public out"));
        }
        if self.assertion_file.is_some() != (self.flow == Flow::Obo) {
            return Err(
                Failure::text(Exit::Usage, "--flow obo and --assertion-file FILE go together")
                    .hint("give both: the file holds the user's token for this application's API"),
            );
        }
        if self.flow == Flow::Obo {
            wanted.settings().settings.check_recipient_of_user_token()?;
        }
        if self.callback.is_given() && self.flow != Flow::AuthCode {
            return Err(Failure::text(
                Exit::Usage,
                "--listen, --redirect-uri, --no-browser and --wait go with --flow auth-code: the others send no browser anywhere",
            )
            .hint("leave them out"));
        }
        if self.flow == Flow::DeviceCode && wanted.claims()?.is_some() {
            return Err(Failure::text(
                Exit::Usage,
                "--claims does not go with --flow device-code, which has no place for them",
            )
            .hint("use --flow auth-code"));
        }
        let from_stdin = |file: Option<&Path>| file.is_some_and(|file| file.as_os_str() == "-");
        if from_stdin(self.assertion_file.as_deref()) && from_stdin(wanted.secret_file()) {
            return Err(Failure::text(
                Exit::Usage,
                "standard input cannot hold both the assertion and the secret",
            )
            .hint("read one of them from a file"));
        }
        Ok(())
    }
}

/// Signs a user in through a browser on this machine; `elsewhere` is the option that needs no browser here. What `keep` does is done before
/// the browser is told, so that its page is true.
pub(crate) fn through_browser(
    client: &Client,
    callback: &CallbackSettings,
    target: Target,
    claims: Option<ClaimsRequest>,
    elsewhere: &str,
    mut keep: impl FnMut(&SignIn) -> Result<(), Failure>,
) -> Result<SignIn, Failure> {
    let mut callback = callback.listen(client.application())?;
    let flow = ConsentFlow::new(client, target, callback.redirect_uri().clone())?;
    // Consent is asked for where it is missing, and not each time.
    let flow = flow.with(|request| {
        let request = request.with_prompt(Prompt::SelectAccount);
        match claims {
            Some(claims) => request.with_claims(claims),
            None => request,
        }
    });
    let (url, pending) = flow.start()?;
    callback.send_browser("to sign in", &url, Some(elsewhere));
    callback.wait(|redirect| match flow.finish_sign_in(&pending, redirect) {
        Ok(sign_in) => match keep(&sign_in) {
            Ok(()) => {
                let user = sign_in
                    .username()
                    .map(|user| format!("You are {}. ", excerpt(&user, 60)));
                let said = user.unwrap_or_default() + "The command has what it waited for.";
                let page = Page::good("You are signed in", said);
                Answer::Done(page, Ok(sign_in))
            }
            Err(failure) => {
                let said = "You signed in, but the command could not keep the sign-in. It says why.";
                Answer::Done(Page::bad("The sign-in is not kept", said), Err(failure))
            }
        },
        Err(error) if is_anothers(&error) => Answer::Other(error),
        Err(error) => {
            let page = if is_declined(&error) {
                Page::failed("The sign-in was canceled", "You are not signed in.", &error)
            } else {
                Page::failed("You are not signed in", "The command got no token.", &error)
            };
            Answer::Done(page, Err(error.into()))
        }
    })?
}

/// How long an access token may be, in bytes.
const MAX_ASSERTION: u64 = 64 * 1024;

/// The error for the password grant (RFC 6749, section 4.3), which RFC 9700, section 2.4, forbids.
fn password_grant() -> entra_proto::Error {
    entra_proto::error::InputError::new(
        entra_proto::error::Input::Grant,
        "password is not supported: it would show users' passwords to the application, and fails with a second factor",
    )
    .with_hint("use client credentials for a daemon, the device code or a browser for a person")
    .into()
}
