//! The commands of developers' machines that issue access tokens.

use std::borrow::Cow;
use std::fmt;

use entra_client::{AsyncTokenCommand, CommandError, CommandRequest, CommandToken, TokenCommand};
use entra_credential::{Error, Program, ProgramOutput};
use entra_proto::assertion::BoxFuture;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::error::Diagnose;
use entra_proto::{AccessToken, Target, Timestamp};
use serde::Deserialize;

/// Azure CLI (`az`) as a source of tokens: those of the user who signed in with `az login`.
///
/// It is for developers' machines. A program in production uses an application or a managed
/// identity.
#[derive(Clone)]
pub struct AzureCli {
    program: Program,
}

/// Azure Developer CLI (`azd`) as a source of tokens: those of the user who signed in with `azd
/// auth login`.
///
/// It is for developers' machines. A program in production uses an application or a managed
/// identity.
#[derive(Clone)]
pub struct AzureDeveloperCli {
    program: Program,
}

impl AzureCli {
    /// Creates the source, with the program `az` in `PATH`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_program(Program::new(if cfg!(windows) { "az.cmd" } else { "az" }))
    }

    /// Creates the source with this program in place of `az`.
    #[must_use]
    pub fn with_program(program: Program) -> Self {
        Self { program }
    }
}

impl AzureDeveloperCli {
    /// Creates the source, with the program `azd` in `PATH`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_program(Program::new("azd"))
    }

    /// Creates the source with this program in place of `azd`.
    #[must_use]
    pub fn with_program(program: Program) -> Self {
        Self { program }
    }
}

/// The differences between the commands.
trait Command {
    const NAME: &'static str;
    const LOGIN: &'static str;

    fn program(&self) -> &Program;

    /// Returns the arguments that print a token for this resource as JSON.
    fn arguments(resource: &str) -> Vec<String>;

    /// The argument before the tenant.
    const TENANT: &'static str;

    /// Returns the program with the arguments of a request.
    fn prepare(&self, request: &CommandRequest) -> Result<Program, CommandError> {
        if request.claims.is_some() {
            let problem = format!("{} cannot request a token with the claims of an API", Self::NAME);
            return Err(CommandError::failed(problem).with_hint(format!("sign out, and run {}", Self::LOGIN)));
        }
        let resource = resource(&request.target)?;
        let mut arguments = Self::arguments(&resource);
        if let Some(tenant) = &request.tenant {
            arguments.extend([Self::TENANT.to_owned(), tenant.to_string()]);
        }
        Ok(self.program().clone().with_arguments(arguments))
    }

    /// Reads the output of the program.
    fn read(&self, output: Result<ProgramOutput, Error>) -> Result<CommandToken, CommandError> {
        let output = output.map_err(|error| match error {
            Error::ProgramMissing { .. } => CommandError::absent(format!("{} is not installed", Self::NAME))
                .with_hint(format!("install it, and run {}", Self::LOGIN)),
            error => failed(&error),
        })?;
        if output.code() != Some(0) && is_signed_out(&output, Self::LOGIN) {
            return Err(CommandError::absent(format!("no user has signed in to {}", Self::NAME))
                .with_hint(format!("run {}", Self::LOGIN)));
        }
        let output = output.succeeded().map_err(|error| failed(&error))?;
        token(output.stdout()).ok_or_else(|| {
            CommandError::failed(format!("{} printed no token with an expiry", Self::NAME))
                .with_hint("update it, and run it in a terminal")
        })
    }
}

impl Command for AzureCli {
    const NAME: &'static str = "Azure CLI";
    const LOGIN: &'static str = "az login";
    const TENANT: &'static str = "--tenant";

    fn program(&self) -> &Program {
        &self.program
    }

    fn arguments(resource: &str) -> Vec<String> {
        [
            "account",
            "get-access-token",
            "--output",
            "json",
            "--resource",
            resource,
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl Command for AzureDeveloperCli {
    const NAME: &'static str = "Azure Developer CLI";
    const LOGIN: &'static str = "azd auth login";
    const TENANT: &'static str = "--tenant-id";

    fn program(&self) -> &Program {
        &self.program
    }

    fn arguments(resource: &str) -> Vec<String> {
        let scope = format!("{resource}/.default");
        ["auth", "token", "--output", "json", "--no-prompt", "--scope", &scope]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Implements the traits of the client for a command. A generic implementation could conflict with
/// that for closures.
macro_rules! token_command {
    ($command:ty) => {
        impl TokenCommand for $command {
            fn run(&self, request: &CommandRequest) -> Result<CommandToken, CommandError> {
                self.read(self.prepare(request)?.run())
            }
        }

        impl AsyncTokenCommand for $command {
            fn run<'a>(&'a self, request: &'a CommandRequest) -> BoxFuture<'a, Result<CommandToken, CommandError>> {
                Box::pin(async move { self.read(self.prepare(request)?.run_async().await) })
            }
        }

        impl Default for $command {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Debug for $command {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($command), self.program)
            }
        }
    };
}

token_command!(AzureCli);
token_command!(AzureDeveloperCli);

/// Returns the resource of a target. The commands issue tokens for one API, with all permissions
/// that the user may use.
fn resource(target: &Target) -> Result<String, CommandError> {
    target.audience().map(Cow::into_owned).map_err(|error| {
        let failed = CommandError::failed(error.to_string());
        match error.hint() {
            Some(hint) => failed.with_hint(hint.to_owned()),
            None => failed,
        }
    })
}

/// Returns whether the program ended because no user has signed in. If the service rejected the
/// sign-in of a user, the message has its AADSTS code or the arguments for another sign-in, and the
/// credential is not absent.
fn is_signed_out(output: &ProgramOutput, login: &str) -> bool {
    let message = String::from_utf8_lossy(output.stderr());
    let is_rejected = ["AADSTS", " login --", "reauthentication", "explicitly log in"];
    message.contains(login) && !is_rejected.iter().any(|sign| message.contains(sign))
}

fn failed(error: &Error) -> CommandError {
    let failed = CommandError::failed(error.to_string());
    match Diagnose::hint(error) {
        Some(hint) => failed.with_hint(hint.to_owned()),
        None => failed,
    }
}

/// The JSON that both commands print.
#[derive(Deserialize)]
struct Printed<'a> {
    #[serde(alias = "accessToken")]
    token: &'a str,
    /// Seconds since 1970, which newer versions of Azure CLI print. The other forms of the expiry
    /// have no time zone or differ between the commands.
    expires_on: Option<u64>,
}

/// Reads the token. Without an expiry in seconds, it is the one that the token itself names.
fn token(printed: &[u8]) -> Option<CommandToken> {
    // Warnings and notices of updates may precede the JSON.
    let start = printed.iter().position(|byte| *byte == b'{')?;
    let json = printed.get(start..)?;
    let printed = serde_json::Deserializer::from_slice(json)
        .into_iter::<Printed<'_>>()
        .next()?
        .ok()?;
    let expires_at = match printed.expires_on {
        Some(seconds) => Timestamp::from_secs(seconds),
        None => UnverifiedClaims::decode(printed.token).ok()?.expires_at()?,
    };
    let token = AccessToken::new(printed.token).ok()?;
    Some(CommandToken::new(token, expires_at))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use entra_client::blocking::Client;
    use entra_client::{Chain, Error as ClientError, Token};
    use entra_transport::{Body, Response, blocking_transport_fn};

    use super::*;

    /// A script in place of a command, in a folder of its own.
    struct Script(PathBuf);

    impl Script {
        fn new(name: &str, body: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("entra-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let path = folder.join("command");
            fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            Self(path)
        }

        fn program(&self) -> Program {
            Program::new(&self.0)
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    fn token_of(command: impl TokenCommand + AsyncTokenCommand + 'static) -> Result<Token, ClientError> {
        let transport = blocking_transport_fn(|_| Ok(Response::new(Body::default())));
        let chain = Chain::new().with_any_command("developer", command);
        let client = Client::builder(chain, transport).build().unwrap();
        client.token(&Target::resource("https://vault.azure.net").unwrap())
    }

    #[test]
    fn commands_get_the_resource_and_return_the_token() {
        let az = Script::new(
            "az",
            r#"[ "$*" = "account get-access-token --output json --resource https://vault.azure.net" ] || exit 9
               echo 'WARNING: update available'; echo '{"accessToken":"canary","expiresOn":"2099-01-01 10:00:00","expires_on":4070908800,"tenant":"t"}'"#,
        );
        assert_eq!(
            token_of(AzureCli::with_program(az.program())).unwrap().expose(),
            "canary"
        );
        // {"exp":4070908800}
        let jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjQwNzA5MDg4MDB9.c2ln";
        let azd = Script::new(
            "azd",
            &format!(
                r#"[ "$*" = "auth token --output json --no-prompt --scope https://vault.azure.net/.default" ] || exit 9
                   echo '{{"token":"{jwt}","expiresOn":"2099-01-01T10:00:00Z"}}'"#
            ),
        );
        assert_eq!(
            token_of(AzureDeveloperCli::with_program(azd.program()))
                .unwrap()
                .expose(),
            jwt
        );
    }

    #[test]
    fn command_without_a_user_is_absent_and_a_failure_is_not() {
        for (name, body, is_absent) in [
            (
                "out",
                "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
                true,
            ),
            ("policy", "echo 'AADSTS50076: run az login again' >&2; exit 1", false),
            // A user whose sign-in was rejected is not replaced by that of another program.
            (
                "broker",
                "printf 'Status_InteractionRequired\\nPlease explicitly log in with:\\naz login\\n' >&2; exit 1",
                false,
            ),
            (
                "scope",
                "echo 'To re-authenticate, run: az login --scope x' >&2; exit 1",
                false,
            ),
            ("crash", "echo broken >&2; exit 1", false),
            ("empty", "exit 0", false),
            ("page", "echo '<html>'", false),
            ("opaque", "echo '{\"accessToken\":\"canary\"}'", false),
            (
                "expired",
                "echo '{\"accessToken\":\"canary\",\"expires_on\":1000}'",
                false,
            ),
        ] {
            let script = Script::new(name, body);
            let error = token_of(AzureCli::with_program(script.program())).expect_err(name);
            assert_eq!(error.is_absent(), is_absent, "{name}: {error}");
            assert!(error.hint().is_some(), "{name}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{name}");
        }
        let missing = AzureCli::with_program(Program::new("/no/such/command"));
        let error = token_of(missing).unwrap_err();
        assert!(
            error.is_absent() && error.to_string().contains("Azure CLI is not installed"),
            "{error}"
        );
    }
}
