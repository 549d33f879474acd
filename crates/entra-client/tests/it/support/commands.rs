//! Commands on a developer's machine, on virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entra_client::{AsyncTokenCommand, ChainReport, CommandError, CommandRequest, CommandToken, MemberState};
use entra_proto::AccessToken;
use entra_proto::assertion::BoxFuture;

use super::{START, seconds};

pub(crate) type Outcome = Result<CommandToken, CommandError>;

/// The time that the n-th run takes, and its outcome.
type Script = dyn Fn(usize, &CommandRequest) -> (Duration, Outcome) + Send + Sync;

/// A command whose n-th run, counted from 0, ends as `script` says, after some time.
#[derive(Clone)]
pub(crate) struct Command {
    script: Arc<Script>,
    runs: Arc<AtomicUsize>,
}

impl Command {
    pub(crate) fn new(script: impl Fn(usize, &CommandRequest) -> (Duration, Outcome) + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            runs: Arc::default(),
        }
    }

    pub(crate) fn always(outcome: Outcome) -> Self {
        Self::new(move |_, _| (seconds(1), outcome.clone()))
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

impl AsyncTokenCommand for Command {
    fn run<'a>(&'a self, request: &'a CommandRequest) -> BoxFuture<'a, Outcome> {
        let n = self.runs.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let (time, outcome) = (self.script)(n, request);
            tokio::time::sleep(time).await;
            outcome
        })
    }
}

pub(crate) fn issued(token: &str) -> Outcome {
    let expires_at = START.plus(seconds(100_000));
    Ok(CommandToken::new(AccessToken::new(token).unwrap(), expires_at))
}

pub(crate) fn absent() -> Outcome {
    Err(CommandError::absent("it is not installed").with_hint("install it"))
}

pub(crate) fn failed() -> Outcome {
    Err(CommandError::failed("the session has expired").with_hint("sign in again"))
}

/// Returns the name and the state of each member.
pub(crate) fn states(report: &ChainReport) -> Vec<(&str, &'static str)> {
    let name = |state: &MemberState| match state {
        MemberState::Untried => "untried",
        MemberState::Absent(_) => "absent",
        MemberState::Chosen => "chosen",
        _ => "?",
    };
    let members = report.members.iter();
    members.map(|member| (&*member.name, name(&member.state))).collect()
}
