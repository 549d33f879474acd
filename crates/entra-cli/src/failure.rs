//! The reason why a command did not do what it was asked to.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use entra_client::BuildError;
use entra_proto::Error as ProtocolError;
use entra_proto::error::{ErrorClass, ServiceError};
use entra_proto::report::ReportFor;
use entra_tenants::TenantStoreError;
use entra_transport::{AcquireError, TransportError, TransportErrorKind};
use serde_json::{Map, Value};

use crate::exit::Exit;
use crate::json_text::ascii_json;
use crate::json_wanted::wants_json;
use crate::message::Message;
use crate::outside::without_secrets;
use crate::terminal::Style;

/// A failure of a command: what happened, what to do about it, and how the command ends.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What happened, in lower case and without a full stop.
    pub(crate) problem: String,
    /// What to do about it, the most particular advice first.
    hints: Vec<Cow<'static, str>>,
    class: Option<ErrorClass>,
    /// Whether the same command may succeed a little later, where that is known.
    retryable: Option<bool>,
    retry_after: Option<Duration>,
    service: Option<Arc<ServiceError>>,
    api: Option<Box<ApiError>>,
    /// The IDs of the request, which a support asks for.
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

/// Reports how a command ended, and returns the exit code.
pub(crate) fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.exit == Exit::OutputClosed => ExitCode::SUCCESS,
        Err(failure) => failure.end(),
    }
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

    /// Adds what an API said, and when it takes the request again.
    pub(crate) fn api(self, api: ApiError, retry_after: Option<Duration>) -> Self {
        Self {
            ids: Some(api.ids(retry_after)),
            api: Some(Box::new(api)),
            retry_after,
            ..self
        }
    }

    /// Creates a failure from an error of the libraries, with all that it knows, and this exit code instead of the usual one.
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

    /// Adds what to do about it, behind the advice that is there.
    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts this advice in the place of what the error itself advises.
    pub(crate) fn hint_instead(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hints = vec![hint.into()];
        self
    }

    /// Says what the problem is about: the name of a file, say.
    pub(crate) fn context(mut self, context: impl fmt::Display) -> Self {
        self.problem = format!("{context}: {}", self.problem);
        self
    }

    /// Returns what to do about it, the most particular advice first.
    pub(crate) fn hints(&self) -> &[Cow<'static, str>] {
        &self.hints
    }

    /// Returns what happened and the IDs that belong to it, without advice.
    pub(crate) fn problem_with_ids(&self) -> String {
        match &self.ids {
            Some(ids) => format!("{} ({ids})", self.problem),
            None => self.problem.clone(),
        }
    }

    /// Returns the failure as it is shown on standard error.
    pub(crate) fn message(&self) -> Message<'_> {
        Message {
            style: Style::Error,
            problem: &self.problem,
            hints: &self.hints,
            ids: self.ids.as_deref(),
        }
    }

    /// Warns of the failure, which does not end the command. `context` says what is done without.
    pub(crate) fn warn(self, context: &str) {
        let failure = self.context(context);
        let message = Message {
            style: Style::Warning,
            ..failure.message()
        };
        message.warn();
    }

    /// Tells the failure on standard error, and returns the exit code: as JSON if the command line asks for JSON.
    pub(crate) fn end(&self) -> ExitCode {
        if wants_json() {
            // A reader that has closed it is no failure.
            let _ = writeln!(io::stderr(), "{}", ascii_json(&self.to_json().to_string()));
        } else {
            self.message().show();
        }
        self.exit.into()
    }

    /// Returns the failure for programs. A member that does not apply is left out.
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
            ids += &format!(", request id {id}");
        }
        ids
    }
}

/// One line, as a log takes it.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message().line())
    }
}

/// The service's time, `YYYY-MM-DD hh:mm:ssZ`, as RFC 3339 has it.
pub(crate) fn rfc3339(timestamp: &str) -> String {
    timestamp.replacen(' ', "T", 1)
}

/// An error of any of the libraries, or of another crate, in its parts.
pub(crate) type Report = ReportFor<(
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
            error => Self::of(Exit::Refused, &error),
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
            ..Self::from(error.cause().clone())
        };
        // That of the client says as well whether the failure is an earlier one.
        let failure = Self {
            problem: Report::of(&error).to_string(),
            ..failure
        };
        if rejected {
            return failure.hint(
                "`entra doctor`, with the same options and variables, looks for what is wrong with the credential",
            );
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
            ProtocolError::Service(_) => Exit::Refused,
            _ => Exit::Token,
        };
        let failure = Self {
            retryable: Some(error.is_retryable()),
            retry_after: error.retry_after(),
            ..Self::of(exit, &error)
        };
        match error {
            ProtocolError::Service(service) => Self {
                class: Some(service.class()),
                service: Some(service),
                ..failure
            },
            _ => failure,
        }
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let exit = match error.kind() {
            TransportErrorKind::Refused | TransportErrorKind::Configuration => Exit::Configuration,
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
