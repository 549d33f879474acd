//! Chains of credentials, of which the first one that is not absent is used.

mod report;
mod selection;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use entra_proto::managed_identity::ManagedIdentity;
use entra_proto::{Application, ClientCredential};

use crate::cache::Key;
use crate::command::{AnyCommand, AsyncTokenCommand, TokenCommand};
use crate::subject::Subject;

pub use self::report::{Absence, ChainError, ChainReport, MemberReport, MemberState};
pub(crate) use self::selection::{Look, Search, Selection};

/// Credentials in an order of precedence, of which a client uses the first one that is not absent.
///
/// The choice is strict, so that a program in production never uses another credential than
/// intended:
///
/// - The client goes on to the next member only if a member is absent: it is not configured, or
///   this machine does not have it. If a credential is rejected, expired or unreachable, the
///   request fails with that error.
/// - The client keeps the member with which it acquired the first token, whatever fails later. If
///   the first member that is configured cannot be absent, it is chosen from the start.
/// - [`Client::chain`](crate::client::Client::chain) returns the chosen member, and the reasons why
///   others are absent.
///
/// Until a member is chosen, one request at a time looks for it, and other requests wait. If all
/// members are absent, all callers get one error that lists them ([`ChainError`]). After
/// [`Policy::cool_down`](field@crate::Policy::cool_down), the next caller starts again with the
/// first member.
///
/// ```
/// use entra_client::{Absence, Chain, Client};
/// use entra_proto::{Application, ClientSecret, Target};
/// # use entra_transport::{Body, Response, transport_fn};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let transport = transport_fn(|_| async {
/// #     let body = r#"{"access_token":"t","expires_in":3599}"#;
/// #     Ok(Response::new(Body::from(body.to_owned())))
/// # });
/// # let authority = "https://login.microsoftonline.com/contoso.com".parse()?;
/// # let client_id = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse()?;
/// # let secret = ClientSecret::new("s3cret")?;
/// # let app = Application::new(authority, client_id, secret);
/// let absence = Absence::new("AZURE_FEDERATED_TOKEN_FILE is not set");
/// let chain = Chain::new()
///     .with_absent("workload identity", absence)
///     .with_application("environment", app);
/// let client = Client::new(chain, transport);
///
/// let graph = Target::resource("https://graph.microsoft.com")?;
/// let token = client.token(&graph).await?;
/// let report = client.chain().expect("the principal is a chain");
/// assert_eq!(report.chosen(), Some("environment"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Chain {
    members: Vec<Member>,
}

/// A member of a chain.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: Cow<'static, str>,
    /// The credential, or the reason why it is not configured.
    pub(crate) credential: Result<Credential, Absence>,
}

/// The credential of a member.
#[derive(Clone)]
pub(crate) enum Credential {
    Application(Application),
    ManagedIdentity(ManagedIdentity),
    Command(AnyCommand),
}

impl Chain {
    /// Creates a chain without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a credential that is not configured, for the report and the error.
    #[must_use]
    pub fn with_absent(self, name: impl Into<Cow<'static, str>>, absence: Absence) -> Self {
        self.with(name, Err(absence))
    }

    /// Adds an application with its credential. It is absent only if its credential is acquired
    /// from a managed identity that is absent.
    #[must_use]
    pub fn with_application(self, name: impl Into<Cow<'static, str>>, application: Application) -> Self {
        self.with(name, Ok(Credential::Application(application)))
    }

    /// Adds a managed identity. It is absent if the environment names no source of its tokens, and
    /// the instance metadata service does not respond within a second.
    #[must_use]
    pub fn with_managed_identity(self, name: impl Into<Cow<'static, str>>, managed: ManagedIdentity) -> Self {
        self.with(name, Ok(Credential::ManagedIdentity(managed)))
    }

    /// Adds a command on a developer's machine.
    #[must_use]
    pub fn with_command(self, name: impl Into<Cow<'static, str>>, command: impl TokenCommand + 'static) -> Self {
        self.with(name, Ok(Credential::Command(AnyCommand::Blocking(Arc::new(command)))))
    }

    /// Adds a command on a developer's machine, for the async client.
    #[must_use]
    pub fn with_async_command(
        self,
        name: impl Into<Cow<'static, str>>,
        command: impl AsyncTokenCommand + 'static,
    ) -> Self {
        self.with(name, Ok(Credential::Command(AnyCommand::Async(Arc::new(command)))))
    }

    /// Adds a command on a developer's machine that both clients can run.
    #[must_use]
    pub fn with_any_command(
        self,
        name: impl Into<Cow<'static, str>>,
        command: impl TokenCommand + AsyncTokenCommand + 'static,
    ) -> Self {
        let command = Arc::new(command);
        self.with(
            name,
            Ok(Credential::Command(AnyCommand::Both(
                Arc::clone(&command) as _,
                command,
            ))),
        )
    }

    fn with(mut self, name: impl Into<Cow<'static, str>>, credential: Result<Credential, Absence>) -> Self {
        let name = name.into();
        self.members.push(Member { name, credential });
        self
    }
}

impl Credential {
    /// Returns true if the blocking client cannot use the credential.
    fn is_async(&self) -> bool {
        match self {
            Self::Application(application) => application.credential().is_async(),
            Self::ManagedIdentity(_) => false,
            Self::Command(command) => matches!(command, AnyCommand::Async(_)),
        }
    }
}

impl Member {
    /// Returns true if the member can acquire the token of this key.
    pub(crate) fn serves(&self, key: &Key) -> bool {
        match &self.credential {
            Ok(Credential::Application(_)) | Err(_) => true,
            Ok(Credential::ManagedIdentity(_)) => key.tenant.is_none() && key.subject == Subject::Principal,
            Ok(Credential::Command(_)) => key.subject == Subject::Principal,
        }
    }

    /// Returns true if the member cannot turn out to be absent.
    pub(crate) fn is_certain(&self) -> bool {
        match &self.credential {
            // An acquired credential may depend on the machine.
            Ok(Credential::Application(application)) => {
                !matches!(application.credential(), ClientCredential::Acquired(_))
            }
            Ok(Credential::ManagedIdentity(_) | Credential::Command(_)) | Err(_) => false,
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain")?;
        f.debug_list()
            .entries(self.members.iter().map(|member| &member.name))
            .finish()
    }
}
