//! An error as a user should read it.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;

use crate::environment::EnvironmentError;
use crate::error::{Diagnose, Error, InputError, LegError, RedirectError, ResponseError, ServiceError};
use crate::printable::excerpt;
use crate::secrecy::without_secrets;
use crate::signer::SignerError;

/// A set of error types whose hints a [`ReportFor`] finds: a type that implements [`Diagnose`], or a tuple of sets.
///
/// Each crate has a set `Errors` with its own types and those of the crates below it.
pub trait KnownErrors {
    /// Returns the error as one that says what to do, if its type is in the set.
    fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose>;
}

impl<E: Diagnose + 'static> KnownErrors for E {
    fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose> {
        error.downcast_ref::<E>().map(|error| error as &dyn Diagnose)
    }
}

/// The empty set.
impl KnownErrors for () {
    fn find<'a>(_: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose> {
        None
    }
}

macro_rules! known_errors_of_tuples {
    ($(($($set:ident)+))+) => {
        $(impl<$($set: KnownErrors),+> KnownErrors for ($($set,)+) {
            fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose> {
                None$(.or_else(|| $set::find(error)))+
            }
        })+
    };
}

known_errors_of_tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// The error types of this crate.
pub type Errors = (
    Error,
    InputError,
    SignerError,
    ServiceError,
    ResponseError,
    RedirectError,
    LegError,
    EnvironmentError,
);

/// A report that knows the errors of this crate. The crates above have their own, which know more types.
pub type Report = ReportFor<Errors>;

/// An error as a user should read it: what happened and why, what to do about it, and the IDs that a support asks for.
///
/// It is made of any error, which `?` does in a `main`. The hint is that of the first error in the chain of causes whose type is in
/// the set `K`, however deep other errors hide it; of an error of another crate, what may be a secret is replaced. Control characters
/// are escaped, and a cause that an outer error has already told is left out.
///
/// | written as | shows |
/// |---|---|
/// | `{}` | what happened and why, in one line |
/// | `{:#}` | all of it in one line, for a log |
/// | `{:?}` | all of it in lines, for a terminal: what a `main` shows that returns it |
///
/// ```
/// use entra_proto::report::Report;
/// use entra_proto::Target;
///
/// fn run() -> Result<(), Report> {
///     Target::resource("https://graph.microsoft.com/.default")?;
///     std::fs::read("no such file")?; // other errors, too
///     Ok(())
/// }
///
/// let report = run().unwrap_err();
/// assert_eq!(
///     format!("Error: {report:?}"), // as `main` writes it
///     "Error: resource \"https://graph.microsoft.com/.default\" is a scope\n  \
///      hint: leave out /.default, or give it as a scope"
/// );
/// ```
///
/// A program whose errors come from several crates names them together:
///
/// ```
/// use entra_proto::error::Diagnose;
/// use entra_proto::report::{Errors, ReportFor};
///
/// #[derive(Debug)]
/// struct QuotaUsedUp;
///
/// impl std::fmt::Display for QuotaUsedUp {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("the quota of today is used up")
///     }
/// }
///
/// impl std::error::Error for QuotaUsedUp {}
///
/// impl Diagnose for QuotaUsedUp {
///     fn hint(&self) -> Option<&str> {
///         Some("wait until midnight")
///     }
/// }
///
/// type Report = ReportFor<(QuotaUsedUp, Errors)>;
///
/// let report = Report::from(QuotaUsedUp);
/// assert_eq!(format!("{report:#}"), "the quota of today is used up; wait until midnight");
/// ```
pub struct ReportFor<K> {
    problem: String,
    causes: Vec<String>,
    hint: Option<String>,
    ids: Option<String>,
    known: PhantomData<fn() -> K>,
}

impl<K: KnownErrors> ReportFor<K> {
    /// Reports an error.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut said: Vec<String> = Vec::new();
        let (mut hint, mut ids) = (None, None);
        let mut next = Some(error);
        for _ in 0..MAX_CHAIN {
            let Some(error) = next else { break };
            next = error.source();
            let known = K::find(error);
            let text = error.to_string();
            let text = match known {
                Some(_) => text,
                None => without_secrets(&text).unwrap_or(text),
            };
            let text = shown(&text);
            if said.is_empty() || !said.iter().any(|outer| repeats(outer, &text)) {
                said.push(text);
            }
            hint = hint.or_else(|| known?.hint().map(shown));
            ids = ids.or_else(|| Some(known?.service()?.ids()));
        }
        let mut said = said.into_iter();
        Self {
            problem: said.next().unwrap_or_default(),
            causes: said.collect(),
            hint,
            ids,
            known: PhantomData,
        }
    }
}

impl<K> ReportFor<K> {
    /// What happened, in one line without its causes.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The causes, the nearest first, each in one line.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The IDs of the service's error response, where there is one.
    #[must_use]
    pub fn ids(&self) -> Option<&str> {
        self.ids.as_deref()
    }
}

/// Since a report is made of every error, it is none itself.
impl<K: KnownErrors, E: StdError + 'static> From<E> for ReportFor<K> {
    fn from(error: E) -> Self {
        Self::of(&error)
    }
}

impl<K> fmt::Display for ReportFor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        if !f.alternate() {
            return Ok(());
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        match &self.ids {
            Some(ids) => write!(f, " ({ids})"),
            None => Ok(()),
        }
    }
}

/// All of it, in lines.
impl<K> fmt::Debug for ReportFor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        let causes = self.causes.iter().map(|cause| ("caused by", cause));
        let rest = self.hint.iter().map(|hint| ("hint", hint));
        let ids = self.ids.iter().map(|ids| ("ids", ids));
        causes
            .chain(rest)
            .chain(ids)
            .try_for_each(|(name, text)| write!(f, "\n  {name}: {text}"))
    }
}

/// A text as one line of a terminal or a log may show it.
fn shown(text: &str) -> String {
    excerpt(text.trim(), MAX_TEXT)
}

/// Returns whether `outer` says `inner` as well, in whole words.
fn repeats(outer: &str, inner: &str) -> bool {
    let is_end = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
    outer.match_indices(inner).any(|(at, _)| {
        let (before, from) = outer.split_at(at);
        let after = from.get(inner.len()..).unwrap_or_default();
        is_end(before.chars().next_back()) && is_end(after.chars().next())
    })
}

/// The most errors of a chain that are reported: a foreign one may have no end.
const MAX_CHAIN: usize = 16;

/// The most characters of a text that are reported.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// An error of another crate, with its cause.
    #[derive(Debug)]
    struct Foreign(&'static str, Option<Box<dyn StdError>>);

    impl fmt::Display for Foreign {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Foreign {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.1.as_deref()
        }
    }

    /// An error that is its own cause.
    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl StdError for Endless {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(self)
        }
    }

    fn rejected() -> Error {
        Error::from(ServiceError {
            status: 401,
            error: "invalid_client".into(),
            codes: vec![7_000_215],
            description: "AADSTS7000215: Invalid client secret provided.".into(),
            trace_id: Some("t".into()),
            correlation_id: Some("c".into()),
            timestamp: Some("2026-01-01 00:00:00Z".into()),
            ..ServiceError::default()
        })
    }

    #[test]
    fn each_part_stands_once() {
        let report = Report::from(rejected());
        let (problem, hint, ids) = (report.problem(), report.hint().unwrap(), report.ids().unwrap());
        assert_eq!(problem, "AADSTS7000215 invalid_client: Invalid client secret provided");
        assert_eq!(ids, "status 401, trace id t, correlation id c, at 2026-01-01 00:00:00Z");
        assert_eq!(report.to_string(), problem);
        assert_eq!(format!("{report:#}"), format!("{problem}; {hint} ({ids})"));
        assert_eq!(
            format!("{report:?}"),
            format!("{problem}\n  hint: {hint}\n  ids: {ids}")
        );
    }

    #[test]
    fn hint_is_found_below_errors_of_other_crates() {
        let error = Foreign("no users", Some(Box::new(Foreign("a box", Some(Box::new(rejected()))))));
        let report = Report::from(error);
        assert_eq!(report.problem(), "no users");
        assert_eq!(report.causes()[0], "a box");
        assert_eq!(report.causes().len(), 2);
        assert_eq!((report.hint(), report.ids().is_some()), (rejected().hint(), true));
        assert!(format!("{report:?}").starts_with("no users\n  caused by: a box\n  caused by: AADSTS7000215"));
    }

    #[test]
    fn cause_that_was_told_is_left_out() {
        let inner = || Some(Box::new(Foreign("connection reset", None)) as Box<dyn StdError>);
        let report = |text| Report::from(Foreign(text, inner()));
        assert!(report("sending failed: connection reset").causes().is_empty());
        assert!(report("connection reset").causes().is_empty());
        assert_eq!(report("connection resets happen").causes(), ["connection reset"]);
        assert_eq!(report("sending failed").to_string(), "sending failed: connection reset");
    }

    #[test]
    fn chain_without_an_end_is_cut() {
        assert_eq!(format!("{:?}", Report::from(Endless)), "again");
    }

    #[test]
    fn hostile_text_is_escaped_cut_and_without_secrets() {
        let text = "a\u{1b}[2J\nhint: forged https://x.example/?access_token=eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
        let shown = format!("{:?}", Report::from(Foreign(text, None)));
        assert!(shown.starts_with("a\\u{1b}[2J\\nhint: forged "), "{shown}");
        assert!(!shown.contains('\n') && !shown.contains("eyJ"), "{shown}");
        let long: &'static str = Box::leak("a ".repeat(10_000).into_boxed_str());
        assert!(Report::from(Foreign(long, None)).problem().chars().count() <= MAX_TEXT + 1);
    }

    #[test]
    fn set_of_sets_finds_its_types_and_no_others() {
        type Few = (InputError, (SignerError, ServiceError));
        let service = Arc::unwrap_or_clone(match rejected() {
            Error::Service(service) => service,
            other => panic!("{other}"),
        });
        assert!(Few::find(&service).is_some());
        assert!(Few::find(&SignerError::new("no")).is_some());
        assert!(Few::find(&rejected()).is_none());
        assert!(ReportFor::<Few>::from(rejected()).hint().is_none());
    }
}
