//! Commands on a developer's machine that issue access tokens.

use std::borrow::Cow;
use std::fmt;
use std::future;
use std::sync::Arc;

use entra_proto::assertion::BoxFuture;
use entra_proto::cache::{Lifetime, MAX_LIFETIME};
use entra_proto::claims::ClaimsRequest;
use entra_proto::{AccessToken, Target, Tenant, Timestamp, TokenResponse};

/// A command on a developer's machine that issues access tokens of the user who signed in to it,
/// such as Azure CLI.
///
/// It is a member of a [`Chain`](crate::Chain). The blocking client runs it on the thread of its
/// caller. For the async client, implement [`AsyncTokenCommand`].
pub trait TokenCommand: Send + Sync {
    /// Returns an access token.
    ///
    /// # Errors
    /// Returns [`CommandError::absent`] if the command is not installed or no user has signed in to
    /// it, and [`CommandError::failed`] for any other failure.
    fn run(&self, request: &CommandRequest) -> Result<CommandToken, CommandError>;
}

impl<F> TokenCommand for F
where
    F: Fn(&CommandRequest) -> Result<CommandToken, CommandError> + Send + Sync,
{
    fn run(&self, request: &CommandRequest) -> Result<CommandToken, CommandError> {
        self(request)
    }
}

/// The async counterpart of [`TokenCommand`].
pub trait AsyncTokenCommand: Send + Sync {
    /// Returns a future of an access token. The future may be dropped before it completes. The
    /// command is responsible for its own timeout.
    ///
    /// The output is an error as that of [`TokenCommand::run`].
    fn run<'a>(&'a self, request: &'a CommandRequest) -> BoxFuture<'a, Result<CommandToken, CommandError>>;
}

/// The parameters of the token that a command should return.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandRequest {
    /// The target of the token.
    pub target: Target,
    /// The tenant of the token. Without one, the command uses its own.
    pub tenant: Option<Tenant>,
    /// The claims that an API requires.
    pub claims: Option<ClaimsRequest>,
}

/// The access token that a command returned.
#[derive(Clone, Debug)]
pub struct CommandToken {
    access_token: AccessToken,
    expires_at: Timestamp,
}

impl CommandToken {
    /// Creates a token that expires at this time.
    #[must_use]
    pub fn new(access_token: AccessToken, expires_at: Timestamp) -> Self {
        Self {
            access_token,
            expires_at,
        }
    }

    /// Returns the token in the form of a response that arrived at `now`.
    pub(crate) fn into_response(self, now: Timestamp) -> Result<TokenResponse, CommandError> {
        let life = self.expires_at.since(now).min(MAX_LIFETIME);
        if life.is_zero() {
            return Err(CommandError::failed("the command returned a token that has expired")
                .with_hint("check the clock of this machine"));
        }
        Ok(TokenResponse::new(self.access_token, Lifetime::new(now, life, None)))
    }
}

/// The reason why a command returned no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    problem: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    is_absent: bool,
}

impl CommandError {
    /// Creates the error of a command that cannot issue tokens on this machine: it is not
    /// installed, or no user has signed in to it. A chain continues with its next member.
    ///
    /// `problem` is in lower case and has no full stop. It must not contain a secret.
    #[must_use]
    pub fn absent(problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            is_absent: true,
            ..Self::failed(problem)
        }
    }

    /// Creates the error of a command that failed, for example because the service rejected its
    /// request. A chain ends with this error.
    ///
    /// `problem` is in lower case and has no full stop. It must not contain a secret.
    #[must_use]
    pub fn failed(problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem: problem.into(),
            hint: None,
            is_absent: false,
        }
    }

    /// Sets the hint: what to do about the error.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns true if the command cannot issue tokens on this machine.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.is_absent
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for CommandError {}

/// A command of either kind.
#[derive(Clone)]
pub(crate) enum AnyCommand {
    Blocking(Arc<dyn TokenCommand>),
    Async(Arc<dyn AsyncTokenCommand>),
    /// The command for the blocking client, and that for the async one.
    Both(Arc<dyn TokenCommand>, Arc<dyn AsyncTokenCommand>),
}

/// A command that is ready to run.
#[derive(Clone)]
pub(crate) struct CommandRun {
    pub(crate) command: AnyCommand,
    pub(crate) request: CommandRequest,
}

impl CommandRun {
    /// Runs the command on this thread.
    pub(crate) fn run(&self) -> Result<CommandToken, CommandError> {
        match &self.command {
            AnyCommand::Blocking(command) | AnyCommand::Both(command, _) => command.run(&self.request),
            AnyCommand::Async(_) => Err(
                CommandError::failed("the command is async, and this client cannot await it")
                    .with_hint("use the async client, or a blocking command"),
            ),
        }
    }

    /// Runs the command. A blocking one runs within this call.
    pub(crate) fn run_async(&self) -> BoxFuture<'_, Result<CommandToken, CommandError>> {
        match &self.command {
            AnyCommand::Blocking(_) => Box::pin(future::ready(self.run())),
            AnyCommand::Async(command) | AnyCommand::Both(_, command) => command.run(&self.request),
        }
    }
}
