//! The state of a chain as data, and the error of a chain without a credential.

use std::borrow::Cow;
use std::fmt;

/// The reason why a credential is absent: it is not configured, or this machine does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    reason: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
}

impl Absence {
    /// Creates an absence with its reason, for example "AZURE_CLIENT_ID is not set". The reason has
    /// no full stop and must not contain a secret.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// Sets the hint: what to do to make the credential available.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns what to do to make the credential available, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The state of a chain: the member that it has chosen, and the reasons why others are absent.
///
/// Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainReport {
    /// The members, in their order.
    pub members: Vec<MemberReport>,
}

/// The state of a member of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberReport {
    /// The name that the member was added with.
    pub name: Cow<'static, str>,
    /// The state.
    pub state: MemberState,
}

/// The states of a member of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberState {
    /// The member has not been tried. An earlier one was chosen, or no token was requested yet.
    Untried,
    /// The member is absent.
    Absent(Absence),
    /// The member acquired the first token, or cannot be absent. All tokens come from it.
    Chosen,
}

impl ChainReport {
    /// Returns the name of the chosen member. `None` before the first token, unless the member is
    /// certain from the start.
    #[must_use]
    pub fn chosen(&self) -> Option<&str> {
        let mut members = self.members.iter();
        let chosen = members.find(|member| member.state == MemberState::Chosen)?;
        Some(&chosen.name)
    }
}

impl fmt::Display for ChainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, MemberReport { name, state }) in self.members.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            match state {
                MemberState::Untried => write!(f, "{separator}{name} was not tried")?,
                MemberState::Absent(absence) => write!(f, "{separator}{name} is absent ({absence})")?,
                MemberState::Chosen => write!(f, "{separator}{name} was chosen")?,
            }
        }
        Ok(())
    }
}

/// The error of a chain without a credential: all members are absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainError {
    report: ChainReport,
    hint: String,
}

impl ChainError {
    pub(crate) fn new(report: ChainReport) -> Self {
        let hints = report.members.iter().filter_map(|member| match &member.state {
            MemberState::Absent(absence) => Some(format!("{}: {}", member.name, absence.hint()?)),
            _ => None,
        });
        let hints: Vec<String> = hints.collect();
        let hint = match hints.is_empty() {
            true => "configure one of these credentials".to_owned(),
            false => format!("configure one of these credentials ({})", hints.join("; ")),
        };
        Self { report, hint }
    }

    /// Returns the members, each with the reason why it is absent.
    #[must_use]
    pub fn report(&self) -> &ChainReport {
        &self.report
    }

    /// Returns what to do about the error: the hints of all members.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.report.members.is_empty() {
            true => f.write_str("the chain has no members"),
            false => write!(f, "no credential is available: {}", self.report),
        }
    }
}

impl std::error::Error for ChainError {}
