//! The report of an error: everything that a user should read, rendered once.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::Arc;
use std::{fmt, io};

use crate::environment::EnvironmentError;
use crate::error::{
    Diagnose, Error, InputError, LegError, ManagedIdentityError, RedirectError, ResponseError, ServiceError,
};
use crate::printable::excerpt;
use crate::secrecy::{is_between_words, without_secrets};
use crate::signer::SignerError;

/// A set of error types whose hints a [`ReportFor`] finds: a type that implements [`Diagnose`], or
/// a tuple of sets.
///
/// Each crate has a set `Errors` with its own types and those of the crates below it.
pub trait KnownErrors {
    /// Returns the error as a [`Diagnose`], if its type is in the set, or if it is an `Arc`, a
    /// `Box` or a static reference of a type in the set, up to three deep.
    fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose>;
}

impl<E: Diagnose + 'static> KnownErrors for E {
    fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a dyn Diagnose> {
        downcast::<E>(error).map(|error| error as &dyn Diagnose)
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
    (ManagedIdentityError, EnvironmentError),
);

/// A report that knows the errors of this crate. The crates above have their own, which know more
/// types.
pub type Report = ReportFor<Errors>;

/// An error as a user should read it: the problem, its causes, the hint, and the IDs that Microsoft
/// support asks for.
///
/// A report is created from any error; `?` does so in a `main`. The hint is that of the first error
/// in the chain of causes whose type is in the set `K`, at any depth below other errors, and also
/// if an `Arc`, a `Box`, a static reference or an [`io::Error`] contains it. In texts of errors
/// outside the set, everything that may be a secret is replaced. Control characters are escaped,
/// and a cause that is empty or that an outer error already shows is left out.
///
/// | format | shows |
/// |---|---|
/// | `{}` | the problem and its causes, in one line |
/// | `{:#}` | everything in one line, for a log |
/// | `{:?}` | everything in several lines, for a terminal: what a `main` that returns it shows |
///
/// ```
/// use entra_proto::report::Report;
/// use entra_proto::Target;
///
/// fn run() -> Result<(), Report> {
///     Target::resource("https://graph.microsoft.com/.default")?;
///     std::fs::read("no such file")?; // other errors as well
///     Ok(())
/// }
///
/// let report = run().unwrap_err();
/// assert_eq!(
///     format!("Error: {report:?}"), // as `main` writes it
///     "Error: resource \"https://graph.microsoft.com/.default\" is a scope\
///      \n  hint: leave out /.default, or give it as a scope"
/// );
/// ```
///
/// A program whose errors come from several crates combines their sets:
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
/// assert_eq!(
///     format!("{report:#}"),
///     "the quota of today is used up; wait until midnight"
/// );
/// ```
pub struct ReportFor<K> {
    problem: String,
    causes: Vec<String>,
    hint: Option<String>,
    ids: Option<String>,
    known: PhantomData<fn() -> K>,
}

impl<K: KnownErrors> ReportFor<K> {
    /// Creates the report of an error.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut texts: Vec<String> = Vec::new();
        let (mut hint, mut ids) = (None, None);
        let mut next = Some(error);
        let (mut chain, mut containers) = (0, 0);
        while let Some(error) = next.filter(|_| chain < MAX_CHAIN) {
            let known = K::find(error);
            // A container shows the same text as the error that it contains. One too many counts as
            // an error, so that at least this text is shown.
            let is_opened = known.is_none() && containers < MAX_CONTAINERS;
            if let Some(contained) = contained(error).filter(|_| is_opened) {
                containers += 1;
                next = Some(contained);
                continue;
            }
            chain += 1;
            next = error.source();
            let text = text_of(error, known.is_some());
            if !text.is_empty() && !texts.iter().any(|outer| repeats(outer, &text)) {
                texts.push(text);
            }
            hint = hint.or_else(|| known?.hint().map(shown));
            ids = ids.or_else(|| Some(known?.service()?.ids()));
        }
        let mut texts = texts.into_iter();
        Self {
            problem: texts.next().unwrap_or_else(|| NO_TEXT.to_owned()),
            causes: texts.collect(),
            hint,
            ids,
            known: PhantomData,
        }
    }
}

impl<K> ReportFor<K> {
    /// Returns the problem in one line, without its causes.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// Returns the causes, the nearest first, each in one line.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns what to do about the error, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the IDs of the service's error response, if there is one.
    #[must_use]
    pub fn ids(&self) -> Option<&str> {
        self.ids.as_deref()
    }
}

/// A report is not an error itself, because it can be created from any error.
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

/// Everything, in several lines.
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

type AnyError = dyn StdError + 'static;

/// Returns the error as an `E`, also if it is an `Arc`, a `Box` or a static reference of one, up to
/// three deep.
///
/// A field of type `Arc<E>` is an error by itself, and the `source()` that returns it hides the
/// `E`. So does `?` with the result in a static `LazyLock`, whose error is a `&'static E`.
fn downcast<E: StdError + 'static>(error: &AnyError) -> Option<&E> {
    fn once<E: StdError + 'static>(error: &AnyError) -> Option<&E> {
        let shared = error.downcast_ref::<Arc<E>>().map(|error| &**error);
        let boxed = || error.downcast_ref::<Box<E>>().map(|error| &**error);
        let borrowed = || error.downcast_ref::<&'static E>().copied();
        shared.or_else(boxed).or_else(borrowed)
    }
    fn twice<E: StdError + 'static>(error: &AnyError) -> Option<&E> {
        let shared = once::<Arc<E>>(error).map(|error| &**error);
        let boxed = || once::<Box<E>>(error).map(|error| &**error);
        let borrowed = || once::<&'static E>(error).copied();
        shared.or_else(boxed).or_else(borrowed)
    }
    fn three_times<E: StdError + 'static>(error: &AnyError) -> Option<&E> {
        let shared = twice::<Arc<E>>(error).map(|error| &**error);
        let boxed = || twice::<Box<E>>(error).map(|error| &**error);
        let borrowed = || twice::<&'static E>(error).copied();
        shared.or_else(boxed).or_else(borrowed)
    }
    let plain = error.downcast_ref();
    let nested = || once(error).or_else(|| twice(error)).or_else(|| three_times(error));
    plain.or_else(nested)
}

/// Returns the error inside an [`io::Error`], or behind a shared or static pointer to an error of
/// any type.
///
/// These containers show the text of the error that they contain, but their `source()` leaves it
/// out.
fn contained(error: &AnyError) -> Option<&AnyError> {
    if let Some(io) = downcast::<io::Error>(error) {
        return io.get_ref().map(|error| error as _);
    }
    if let Some(shared) = downcast::<Arc<dyn StdError + Send + Sync>>(error) {
        return Some(&**shared);
    }
    if let Some(shared) = downcast::<Arc<dyn StdError>>(error) {
        return Some(&**shared);
    }
    if let Some(borrowed) = downcast::<&'static (dyn StdError + Send + Sync)>(error) {
        return Some(*borrowed);
    }
    downcast::<&'static AnyError>(error).copied()
}

/// Returns the text of an error in one line. If the type of the error is not known, everything that
/// may be a secret is replaced.
fn text_of(error: &AnyError, is_known: bool) -> String {
    let mut beginning = Beginning::default();
    let is_complete = write!(beginning, "{error}").is_ok();
    let Beginning { mut text, is_cut } = beginning;
    if is_cut {
        // The last word may be the first part of a secret, which does not always look like one.
        text.truncate(text.rfind(is_between_words).unwrap_or(text.len()));
    }
    if !is_known {
        text = without_secrets(&text).unwrap_or(text);
    }
    if is_cut || !is_complete {
        text.push('…');
    }
    shown(&text)
}

/// The first [`MAX_READ`] bytes of a text.
#[derive(Default)]
struct Beginning {
    text: String,
    is_cut: bool,
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let left = MAX_READ.saturating_sub(self.text.len());
        if part.len() <= left {
            self.text.push_str(part);
            return Ok(());
        }
        let end = (0..=left).rev().find(|at| part.is_char_boundary(*at));
        self.text
            .push_str(part.get(..end.unwrap_or_default()).unwrap_or_default());
        self.is_cut = true;
        Err(fmt::Error)
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

/// The most containers of errors that are opened. They do not count as errors of the chain.
const MAX_CONTAINERS: usize = 64;

/// The problem of a report if none of its errors has a text.
const NO_TEXT: &str = "an error without a message";

/// The most bytes of a text that are read, so that the search for secrets in it is bounded.
const MAX_READ: usize = 64 * 1024;

/// The most characters of a text that are reported.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests;
