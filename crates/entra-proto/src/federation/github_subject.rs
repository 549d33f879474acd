//! The subjects of GitHub Actions.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Input, InputError};

/// The subject of a job of GitHub Actions, such as `repo:contoso/app:ref:refs/heads/main`.
///
/// The subjects of repositories that were created, renamed or moved after 15 July 2026 have the
/// numeric IDs of the owner and the repository: `repo:contoso@4711/app@4712:ref:refs/heads/main`. A
/// federated credential with the other form does not match them.
///
/// ```
/// use entra_proto::federation::{GitHubContext, GitHubSubject};
///
/// let subject: GitHubSubject = "repo:contoso/app:environment:prod%3Aeu".parse()?;
/// assert_eq!((subject.owner(), subject.repository()), ("contoso", "app"));
/// assert_eq!(
///     *subject.context(),
///     GitHubContext::Environment("prod:eu".into())
/// );
/// assert_eq!(
///     subject.with_ids(4711, 4712).to_string(),
///     "repo:contoso@4711/app@4712:environment:prod%3Aeu"
/// );
/// # Ok::<(), entra_proto::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GitHubSubject {
    owner: String,
    repository: String,
    ids: Option<(u64, u64)>,
    context: GitHubContext,
}

/// The part of a job's subject after the repository: the reason why the job runs, or where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GitHubContext {
    /// A branch or tag, such as `refs/heads/main`.
    Ref(String),
    /// An environment of the repository, which takes precedence over the branch.
    Environment(String),
    /// A pull request.
    PullRequest,
    /// The claims of a customized subject, unchanged.
    Other(String),
}

impl GitHubSubject {
    /// Returns the user or organization that owns the repository.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns the name of the repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the IDs of the owner and of the repository, if the subject contains them.
    #[must_use]
    pub fn ids(&self) -> Option<(u64, u64)> {
        self.ids
    }

    /// Returns the part after the repository.
    #[must_use]
    pub fn context(&self) -> &GitHubContext {
        &self.context
    }

    /// Returns the subject with these IDs of the owner and of the repository.
    #[must_use]
    pub fn with_ids(mut self, owner: u64, repository: u64) -> Self {
        self.ids = Some((owner, repository));
        self
    }

    /// Returns the subject without IDs.
    #[must_use]
    pub fn without_ids(mut self) -> Self {
        self.ids = None;
        self
    }

    /// Returns the part of the subject that names the repository.
    pub(super) fn prefix(&self) -> String {
        let (owner, repository) = (&self.owner, &self.repository);
        match self.ids {
            Some((owner_id, id)) => format!("repo:{owner}@{owner_id}/{repository}@{id}"),
            None => format!("repo:{owner}/{repository}"),
        }
    }
}

impl FromStr for GitHubSubject {
    type Err = Error;

    /// Parses the subject of an assertion.
    ///
    /// # Errors
    /// Returns an error if the text has another form.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            let problem = "is not of the form repo:<owner>/<repository>:<context>";
            InputError::new(Input::Other("subject"), problem).value(text).into()
        })
    }
}

impl fmt::Display for GitHubSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.prefix())?;
        match &self.context {
            GitHubContext::Ref(name) => write!(f, "ref:{}", escaped(name)),
            GitHubContext::Environment(name) => write!(f, "environment:{}", escaped(name)),
            GitHubContext::PullRequest => f.write_str("pull_request"),
            GitHubContext::Other(claims) => f.write_str(claims),
        }
    }
}

fn parse(text: &str) -> Option<GitHubSubject> {
    let (repository, context) = text.strip_prefix("repo:")?.split_once(':')?;
    let (owner, repository) = repository.split_once('/')?;
    let (owner, owner_id) = named(owner)?;
    let (repository, repository_id) = named(repository)?;
    let ids = match (owner_id, repository_id) {
        (Some(owner), Some(repository)) => Some((owner, repository)),
        (None, None) => None,
        _ => return None,
    };
    let context = match context.split_once(':') {
        None if context == "pull_request" => GitHubContext::PullRequest,
        Some(("ref", name)) if is_one_value(name) => GitHubContext::Ref(unescaped(name)),
        Some(("environment", name)) if is_one_value(name) => GitHubContext::Environment(unescaped(name)),
        _ if context.is_empty() => return None,
        _ => GitHubContext::Other(context.to_owned()),
    };
    Some(GitHubSubject {
        owner: owner.to_owned(),
        repository: repository.to_owned(),
        ids,
        context,
    })
}

/// Splits `name@id`. The ID is missing in the older form.
fn named(text: &str) -> Option<(&str, Option<u64>)> {
    let (name, id) = match text.split_once('@') {
        Some((name, id)) => (name, Some(number(id)?)),
        None => (text, None),
    };
    let is_name = !name.is_empty() && !name.contains(['/', ':', '@']);
    is_name.then_some((name, id))
}

/// Parses a number without a sign and leading zeros, so that it is written as it was read.
pub(super) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Returns whether a text is one value: GitHub escapes the colons in values, so that any other
/// colon begins the next claim of a customized subject.
fn is_one_value(text: &str) -> bool {
    !text.is_empty() && !text.contains(':')
}

fn escaped(value: &str) -> String {
    value.replace(':', "%3A")
}

fn unescaped(value: &str) -> String {
    value.replace("%3A", ":")
}

#[cfg(test)]
mod tests {
    use super::GitHubContext::{Environment, Other, PullRequest, Ref};
    use super::*;

    #[test]
    fn subject_is_split_and_written_as_it_was_read() {
        let of = |name: &str| name.to_owned();
        for (text, ids, context) in [
            ("repo:o/r:ref:refs/heads/main", None, Ref(of("refs/heads/main"))),
            ("repo:o/r:ref:refs/tags/v1@2", None, Ref(of("refs/tags/v1@2"))),
            (
                "repo:o/r:environment:Production EU",
                None,
                Environment(of("Production EU")),
            ),
            ("repo:o/r:environment:a%3Ab%3a", None, Environment(of("a:b%3a"))),
            ("repo:o/r:pull_request", None, PullRequest),
            ("repo:o@12/r@345:pull_request", Some((12, 345)), PullRequest),
            (
                "repo:o@12/r@345:ref:refs/heads/a/b",
                Some((12, 345)),
                Ref(of("refs/heads/a/b")),
            ),
            (
                "repo:o/r:environment:e:actor:x",
                None,
                Other(of("environment:e:actor:x")),
            ),
            (
                "repo:o/r:job_workflow_ref:o/w/.github",
                None,
                Other(of("job_workflow_ref:o/w/.github")),
            ),
        ] {
            let subject: GitHubSubject = text.parse().expect(text);
            assert_eq!((subject.owner(), subject.repository()), ("o", "r"));
            assert_eq!((subject.ids(), subject.context()), (ids, &context), "{text}");
            assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn forms_with_and_without_ids_are_converted() {
        let old: GitHubSubject = "repo:contoso/app:pull_request".parse().unwrap();
        let new = old.clone().with_ids(4711, 4712);
        assert_eq!(new.to_string(), "repo:contoso@4711/app@4712:pull_request");
        assert_eq!((new.without_ids(), old.ids()), (old, None));
    }

    #[test]
    fn other_text_is_not_a_subject_of_github() {
        for text in [
            "",
            "repo:o/r",
            "repo:o/r:",
            "repo:/r:pull_request",
            "repo:o:pull_request",
            "repo:o/:pull_request",
            "repo:o@1/r:pull_request",
            "repo:o/r@1:pull_request",
            "repo:o@x/r@1:pull_request",
            "repo:o@01/r@1:pull_request",
            "repo:o@+1/r@1:pull_request",
            "repo:o@1@2/r@1:pull_request",
            "repo:o/r/s:pull_request",
            "repo:o@99999999999999999999999/r@1:pull_request",
            "repository_owner:o",
        ] {
            assert!(text.parse::<GitHubSubject>().is_err(), "{text}");
        }
    }
}
