//! The failures of the collector: the place, the cause and a hint.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use entra_proto::Tenant;
use entra_tenants::TenantStoreError;

use crate::feed::{CallError, ContentType};
use crate::sink::{SinkError, Window};

/// The place of a failure.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) tenant: Tenant,
    pub(crate) content_type: Option<ContentType>,
    pub(crate) window: Option<Window>,
    /// The API's name of a content.
    pub(crate) content: Option<Arc<str>>,
}

impl Place {
    /// Returns the place of this tenant.
    pub(crate) fn tenant(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.clone(),
            content_type: None,
            window: None,
            content: None,
        }
    }

    /// Returns the same place, with this content type.
    pub(crate) fn of_type(&self, content_type: ContentType) -> Self {
        Self {
            content_type: Some(content_type),
            ..self.clone()
        }
    }

    /// Returns the same place, with this window.
    pub(crate) fn within(&self, window: Window) -> Self {
        Self {
            window: Some(window),
            ..self.clone()
        }
    }

    /// Returns the same place, with this content.
    pub(crate) fn at(&self, content: &str) -> Self {
        let shown: String = content
            .chars()
            .filter(char::is_ascii_graphic)
            .take(LONGEST_NAME)
            .collect();
        Self {
            content: Some(shown.into()),
            ..self.clone()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.tenant)?;
        if let Some(content_type) = self.content_type {
            write!(f, ", {content_type}")?;
        }
        if let Some(window) = self.window {
            write!(f, ", {window}")?;
        }
        match &self.content {
            Some(content) => write!(f, ", content {content}"),
            None => Ok(()),
        }
    }
}

/// A failure. Its text names the place and the problem; [`hint`](Self::hint) advises what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) place: Place,
    pub(crate) cause: Cause,
}

/// The cause of a failure.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// A call failed.
    Call(CallError),
    /// Records could not be stored.
    Sink(Arc<SinkError>),
    /// The tenant's ID is not known, and the token does not contain it.
    TenantId,
    /// The tenant is listed under two names, and collected under this one.
    SameTenant(Tenant),
    /// The tenant's entry in the tenant store cannot be read.
    Store(Arc<TenantStoreError>),
    /// The API no longer lists this time, and it was not collected completely before.
    Gap,
    /// The list has too many pages, or its pages form a cycle.
    Pages(usize),
}

impl Failure {
    pub(crate) fn new(place: Place, cause: impl Into<Cause>) -> Self {
        Self {
            place,
            cause: cause.into(),
        }
    }

    /// Returns the problem, without the place and without the [hint](Self::hint).
    pub(crate) fn problem(&self) -> String {
        match &self.cause {
            Cause::Call(error) => error.to_string(),
            Cause::Sink(error) => error.to_string(),
            Cause::TenantId => "the token does not contain the tenant's ID".to_owned(),
            Cause::SameTenant(name) => format!("this is tenant {name}, which is collected under that name"),
            Cause::Store(error) => error.to_string(),
            Cause::Gap => {
                "content of this time is lost: it was not collected within the 7 days that the API keeps it".to_owned()
            }
            Cause::Pages(read) => format!("the list of content does not end: {read} pages were read"),
        }
    }

    /// Returns what to do about it, if that is known.
    pub(crate) fn hint(&self) -> Option<&str> {
        match &self.cause {
            Cause::Call(error) => error.hint(),
            Cause::Sink(error) => Some(error.hint()),
            Cause::TenantId => Some("name the tenant by its ID instead of a domain"),
            Cause::SameTenant(_) => Some("name each tenant once"),
            Cause::Store(error) => error.hint(),
            Cause::Gap => {
                Some("run the collector more often, and check what stopped it at that time; this is reported once")
            }
            Cause::Pages(_) => Some("if the next round fails as well, report it to Microsoft"),
        }
    }

    /// Returns true if the tenant's administrator must consent first.
    pub(crate) fn is_consent_gone(&self) -> bool {
        matches!(&self.cause, Cause::Call(error) if error.is_consent_gone())
    }

    /// Returns true if the tenant was throttled.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(&self.cause, Cause::Call(error) if error.is_throttled())
    }

    /// Returns true if content is lost.
    pub(crate) fn is_gap(&self) -> bool {
        matches!(&self.cause, Cause::Gap)
    }

    /// Returns true if no other call in the tenant can succeed.
    pub(crate) fn ends_tenant(&self) -> bool {
        match &self.cause {
            Cause::Call(error) => error.ends_tenant() || error.is_throttled(),
            Cause::Sink(_) | Cause::TenantId | Cause::SameTenant(_) | Cause::Store(_) => true,
            Cause::Gap | Cause::Pages(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Call(CallError::Token(error)) => Some(error),
            Cause::Sink(error) => Some(error),
            Cause::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CallError> for Cause {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<SinkError> for Cause {
    fn from(error: SinkError) -> Self {
        Self::Sink(Arc::new(error))
    }
}

const LONGEST_NAME: usize = 120;

/// The report of an error of any of the libraries, with its causes and hint.
pub(crate) type Report = entra_proto::report::ReportFor<(entra_tower::Errors, entra_tenants::Errors)>;
