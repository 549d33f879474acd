//! Errors of the collector: where, what, and what to do.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use entra_proto::Tenant;
use entra_tenants::TenantStoreError;

use crate::feed::{CallError, ContentType};
use crate::sink::{SinkError, Window};

/// Where something happened.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) tenant: Tenant,
    pub(crate) content_type: Option<ContentType>,
    pub(crate) window: Option<Window>,
    /// The API's name of a content.
    pub(crate) content: Option<Arc<str>>,
}

impl Place {
    /// Somewhere in this tenant.
    pub(crate) fn tenant(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.clone(),
            content_type: None,
            window: None,
            content: None,
        }
    }

    /// The same place, in this content type.
    pub(crate) fn of_type(&self, content_type: ContentType) -> Self {
        Self {
            content_type: Some(content_type),
            ..self.clone()
        }
    }

    /// The same place, in this window.
    pub(crate) fn within(&self, window: Window) -> Self {
        Self {
            window: Some(window),
            ..self.clone()
        }
    }

    /// The same place, at this content.
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

/// Something that failed. Its text says where and what; [`hint`](Self::hint) says what to do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) place: Place,
    pub(crate) cause: Cause,
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// A call failed.
    Call(CallError),
    /// Records could not be stored.
    Sink(Arc<SinkError>),
    /// The tenant's id is not known, and the token does not tell it.
    TenantId,
    /// The tenant is listed under another name as well, and collected under that one.
    SameTenant(Tenant),
    /// The tenant's entry in the tenant store cannot be read.
    Store(Arc<TenantStoreError>),
    /// The API lists this time no more, and it was not collected completely before.
    Gap,
    /// There are too many pages, or they go round in a circle.
    Pages(usize),
}

impl Failure {
    pub(crate) fn new(place: Place, cause: impl Into<Cause>) -> Self {
        Self {
            place,
            cause: cause.into(),
        }
    }

    /// Returns what happened, without the place and without [what to do about it](Self::hint).
    pub(crate) fn problem(&self) -> String {
        match &self.cause {
            Cause::Call(error) => error.to_string(),
            Cause::Sink(error) => error.to_string(),
            Cause::TenantId => "the token does not tell the tenant's id".to_owned(),
            Cause::SameTenant(name) => format!("this is tenant {name}, which is collected under that name"),
            Cause::Store(error) => error.to_string(),
            Cause::Gap => {
                "content of this time is lost: it was not collected within the 7 days that the API keeps it".to_owned()
            }
            Cause::Pages(read) => format!("the list of content does not end: {read} pages were read"),
        }
    }

    /// Returns what to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<&str> {
        match &self.cause {
            Cause::Call(error) => error.hint(),
            Cause::Sink(error) => Some(error.hint()),
            Cause::TenantId => Some("name the tenant by its id in place of a domain"),
            Cause::SameTenant(_) => Some("name each tenant once"),
            Cause::Store(error) => error.hint(),
            Cause::Gap => {
                Some("run the collector more often, and see what stopped it at that time; this is reported once")
            }
            Cause::Pages(_) => Some("see whether the next round succeeds, and report it to Microsoft if not"),
        }
    }

    /// Returns whether the tenant's administrator must consent first.
    pub(crate) fn is_consent_gone(&self) -> bool {
        matches!(&self.cause, Cause::Call(error) if error.is_consent_gone())
    }

    /// Returns whether the tenant was throttled.
    pub(crate) fn is_throttled(&self) -> bool {
        matches!(&self.cause, Cause::Call(error) if error.is_throttled())
    }

    /// Returns whether content is lost.
    pub(crate) fn is_gap(&self) -> bool {
        matches!(&self.cause, Cause::Gap)
    }

    /// Returns whether nothing else of the tenant can succeed either.
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

/// An error of any of the libraries, with its causes and what to do about it.
pub(crate) type Report = entra_proto::report::ReportFor<(entra_tower::Errors, entra_tenants::Errors)>;
