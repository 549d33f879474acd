//! The failure of a command: the problem, the advice, the exit code, and their text and JSON.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use entra::FromEnvError;
use entra_client::BuildError;
use entra_proto::Error as ProtocolError;
use entra_proto::error::{ErrorClass, LegError, ManagedIdentityErrorKind, ServiceError};
use entra_proto::report::ReportFor;
use entra_serve::SetupError;
use entra_tenants::TenantStoreError;
use entra_transport::{AcquireError, TransportError, TransportErrorKind};
use serde_json::{Map, Value};

use crate::exit::Exit;
use crate::json_requested::json_requested;
use crate::json_text::ascii_json;
use crate::message::Message;
use crate::sanitize::without_secrets;
use crate::terminal::Style;

/// A failure of a command: the problem, the advice, and the exit code.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// The problem, in lower case and without a full stop.
    pub(crate) problem: String,
    /// The advice, the most specific first.
    hints: Vec<Cow<'static, str>>,
    class: Option<ErrorClass>,
    /// True if the same command may succeed a little later; `None` if that is unknown.
    retryable: Option<bool>,
    retry_after: Option<Duration>,
    service: Option<Arc<ServiceError>>,
    api: Option<Box<ApiError>>,
    /// The IDs of the request, for a support request.
    ids: Option<String>,
}

/// The parts of an API's error response.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// The API's own code.
    pub(crate) code: Option<String>,
    /// The ID of the request, for the API's support.
    pub(crate) request_id: Option<String>,
}

/// Reports the outcome of a command, and returns its exit code.
pub(crate) fn report_outcome(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.exit == Exit::OutputClosed => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
}

/// Returns the failure for a command that cannot be run, with the exit code that shells use.
pub(crate) fn not_run(program: &OsStr, error: &io::Error) -> Failure {
    let (exit, hint) = match error.kind() {
        io::ErrorKind::NotFound => (Exit::NotFound, "check the command's name and PATH"),
        _ => (Exit::NotRun, "name a program that this user can run"),
    };
    Failure::of(exit, error).context(program.display()).hint(hint)
}

impl Failure {
    /// Creates a failure with this problem.
    pub(crate) fn text(exit: Exit, problem: impl fmt::Display) -> Self {
        Self {
            exit,
            problem: problem.to_string(),
            hints: Vec::new(),
            class: None,
            retryable: None,
            retry_after: None,
            service: None,
            api: None,
            ids: None,
        }
    }

    /// Adds an API's error response, and its `Retry-After`.
    pub(crate) fn api(self, api: ApiError, retry_after: Option<Duration>) -> Self {
        Self {
            ids: Some(api.ids(retry_after)),
            api: Some(Box::new(api)),
            retry_after,
            ..self
        }
    }

    /// Creates a failure from an error of the libraries, with this exit code instead of the usual
    /// one.
    pub(crate) fn new(exit: Exit, error: impl Into<Self>) -> Self {
        Self { exit, ..error.into() }
    }

    /// Creates a failure from any error, with its causes, its hint and its IDs.
    pub(crate) fn of(exit: Exit, error: &(dyn StdError + 'static)) -> Self {
        let report = Report::of(error);
        Self {
            hints: report.hint().map(|hint| hint.to_owned().into()).into_iter().collect(),
            ids: report.ids().map(str::to_owned),
            ..Self::text(exit, report)
        }
    }

    /// Adds a hint after the existing ones.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Replaces all hints with this one.
    pub(crate) fn hint_instead(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hints = vec![hint.into()];
        self
    }

    /// Prefixes the problem with its context, such as the name of a file.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.problem = format!("{context}: {}", self.problem);
        self
    }

    /// Returns the hints, the most specific first.
    pub(crate) fn hints(&self) -> &[Cow<'static, str>] {
        &self.hints
    }

    /// Returns the problem with the IDs of the request, without hints.
    pub(crate) fn problem_with_ids(&self) -> String {
        match &self.ids {
            Some(ids) => format!("{} ({ids})", self.problem),
            None => self.problem.clone(),
        }
    }

    /// Returns the message for standard error.
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            style: Style::Error,
            problem: &self.problem,
            hints: &self.hints,
            ids: self.ids.as_deref(),
        }
    }

    /// Reports the failure as a warning; the command continues. `context` names the consequence.
    pub(crate) fn warn(self, context: &str) {
        let failure = self.context(context);
        let message = Message {
            style: Style::Warning,
            ..failure.message()
        };
        message.warn();
    }

    /// Writes the failure to standard error, as JSON if the command line requests JSON, and returns
    /// the exit code.
    pub(crate) fn end(&self) -> ExitCode {
        if json_requested() {
            // A closed standard error is not a failure.
            let _ = writeln!(io::stderr(), "{}", ascii_json(&self.to_json().to_string()));
        } else {
            self.message().show();
        }
        self.exit.into()
    }

    /// Returns the failure as JSON. Members that do not apply are left out.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        let text = |text: &str| Some(Value::from(without_secrets(text)));
        put("error", text(&self.problem));
        put("hints", Some(self.hints.iter().filter_map(|hint| text(hint)).collect()));
        put("kind", Some(self.exit.kind().into()));
        put("exit_code", Some((self.exit as u8).into()));
        put("class", self.class.map(|class| class.to_string().into()));
        put("retryable", self.retryable.map(Value::from));
        put("retry_after", self.retry_after.map(|after| after.as_secs().into()));
        if let Some(service) = self.service.as_deref() {
            let filled = |member: &str| Some(member).filter(|member| !member.is_empty()).and_then(text);
            let optional = |member: &Option<String>| member.as_deref().and_then(filled);
            put(
                "status",
                Some(service.status).filter(|status| *status > 0).map(Value::from),
            );
            put("aadsts_codes", Some(service.codes.as_slice().into()));
            put("oauth_error", filled(&service.error));
            put("suberror", optional(&service.suberror));
            put("description", filled(&service.description));
            put("claims", optional(&service.claims));
            put("trace_id", optional(&service.trace_id));
            put("correlation_id", optional(&service.correlation_id));
            put("timestamp", optional(&service.timestamp.as_deref().map(rfc3339)));
        }
        if let Some(api) = &self.api {
            put("status", Some(api.status.into()));
            put("code", api.code.as_deref().and_then(text));
            put("request_id", api.request_id.as_deref().and_then(text));
        }
        object.into()
    }
}

impl ApiError {
    fn ids(&self, retry_after: Option<Duration>) -> String {
        let mut ids = format!("status {}", self.status);
        if let Some(wait) = retry_after {
            ids += &format!(", retry after {} s", wait.as_secs());
        }
        if let Some(id) = &self.request_id {
            ids += &format!(", request ID {id}");
        }
        ids
    }
}

/// The message on one line, for a log.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message().line())
    }
}

/// Converts the service's time format, `YYYY-MM-DD hh:mm:ssZ`, to RFC 3339.
pub(crate) fn rfc3339(timestamp: &str) -> String {
    timestamp.replacen(' ', "T", 1)
}

/// A report of an error of any of the libraries, or of another crate.
pub(crate) type Report = ReportFor<(
    FromEnvError,
    entra_client::Errors,
    entra_credential::Errors,
    entra_tenants::Errors,
    entra_validate::Errors,
)>;

impl From<AcquireError> for Failure {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Protocol(error) => error.into(),
            AcquireError::Transport(error) => error.into(),
            error => Self::of(Exit::Rejected, &error),
        }
    }
}

impl From<entra_client::Error> for Failure {
    fn from(error: entra_client::Error) -> Self {
        let service = error.service();
        let rejected = service.is_some_and(|service| service.class() == ErrorClass::Credential);
        let failure = Self {
            class: Some(error.class()),
            retry_after: error.retry_after(),
            ..match error.cause() {
                Some(cause) => Self::from(cause.clone()),
                // A credential is absent, or its command fails.
                None => Self::of(Exit::Credential, &error),
            }
        };
        // The client's report also says whether the failure was cached.
        let failure = Self {
            problem: Report::of(&error).to_string(),
            ..failure
        };
        if rejected {
            return failure.hint("run `entra doctor` with the same options and variables to check the credential");
        }
        failure
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        let exit = match &error {
            ProtocolError::Input(_) => Exit::Configuration,
            ProtocolError::Service(service) if service.class() == ErrorClass::Consent => Exit::Permission,
            ProtocolError::Signer(_) => Exit::Credential,
            ProtocolError::Service(_) => Exit::Rejected,
            ProtocolError::ManagedIdentity(error) => exit_of(error.kind()),
            // The exit code is that of the inner request.
            ProtocolError::Leg(leg) => Self::from(LegError::cause(leg).clone()).exit,
            _ => Exit::Token,
        };
        let failure = Self {
            retryable: Some(error.is_retryable()),
            retry_after: error.retry_after(),
            ..Self::of(exit, &error)
        };
        let service = match &error {
            ProtocolError::Service(service) => Some(Arc::clone(service)),
            error => error.service().cloned().map(Arc::new),
        };
        let Some(service) = service else { return failure };
        let failure = match service.codes.last() {
            Some(code) if failure.hints.is_empty() => {
                failure.hint(format!("see https://login.microsoftonline.com/error?code={code}"))
            }
            _ => failure,
        };
        Self {
            class: Some(error.class()),
            service: Some(service),
            ..failure
        }
    }
}

impl From<FromEnvError> for Failure {
    fn from(error: FromEnvError) -> Self {
        let exit = match error {
            FromEnvError::Transport(error) => return error.into(),
            FromEnvError::File { .. } | FromEnvError::Certificate(_) => Exit::Credential,
            _ => Exit::Configuration,
        };
        Self::of(exit, &error)
    }
}

/// Returns the exit code for an error of a managed identity.
fn exit_of(kind: ManagedIdentityErrorKind) -> Exit {
    match kind {
        ManagedIdentityErrorKind::Absent => Exit::Credential,
        ManagedIdentityErrorKind::Configuration => Exit::Configuration,
        ManagedIdentityErrorKind::Malformed => Exit::Token,
        _ => Exit::Rejected,
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let exit = match error.kind() {
            TransportErrorKind::NotAllowed | TransportErrorKind::Configuration => Exit::Configuration,
            TransportErrorKind::Timeout => Exit::Timeout,
            _ => Exit::Network,
        };
        Self {
            retryable: Some(error.is_retryable()),
            ..Self::of(exit, &error)
        }
    }
}

impl From<entra_credential::Error> for Failure {
    fn from(error: entra_credential::Error) -> Self {
        Self::of(Exit::Credential, &error)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::of(Exit::Configuration, &error)
    }
}

impl From<TenantStoreError> for Failure {
    fn from(error: TenantStoreError) -> Self {
        Self::of(Exit::Output, &error)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::of(Exit::Configuration, &error).hint(error.hint().to_owned())
    }
}
