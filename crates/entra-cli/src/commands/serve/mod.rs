//! The command `entra serve`: a local token endpoint for programs in any language.

mod account;
mod apis;
mod arguments;
mod config;
pub(super) mod identities;
pub(super) mod key;
mod options;
pub(super) mod plan;
mod run;
pub(super) mod variables;

use std::sync::Arc;

pub(crate) use self::arguments::Arguments;
use self::plan::Plan;
use crate::exit::{Exit, Failure};
use crate::files::{print, tell};

/// Runs the server. `again` returns the arguments anew, for settings that are read again.
pub(crate) fn run(arguments: Arguments, again: fn() -> Option<Arguments>) -> Result<(), Failure> {
    if arguments.print_config {
        return print(EXAMPLE.trim_end());
    }
    // A script with an empty variable for the command would otherwise wait without end.
    if arguments.guest.is_empty() && std::env::args_os().last().is_some_and(|last| last == "--") {
        return Err(
            Failure::text(Exit::Usage, "there is no command after --").hint("name the command to run, or omit --")
        );
    }
    // Before this process has other threads, which might read its variables.
    let inherited = run::Inherited::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    let counters = Arc::default();
    let plan = Plan::load(&arguments, &counters)?;
    if arguments.check {
        return check(&plan, &arguments, &runtime);
    }
    let key = key::key(plan.options.key_file.as_deref())?;
    let start = run::Start {
        arguments: &arguments,
        plan,
        key: &key,
        counters,
        again,
    };
    runtime.block_on(run::run(start, inherited))
}

/// Reports what the settings say. With `--prefetch`, requests the tokens.
fn check(plan: &Plan, arguments: &Arguments, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    let (identities, resources) = (plan.identities.iter().count(), plan.resources.iter().count());
    if arguments.prefetch {
        let mut failures = runtime.block_on(plan.prefetch()).into_iter();
        if let Some((what, error)) = failures.next() {
            for (what, error) in failures {
                Failure::from(error).warn(&what);
            }
            return Err(Failure::from(error).context(what));
        }
    }
    tell(format_args!(
        "the settings are valid: identities {identities}, resources {resources}"
    ));
    Ok(())
}

/// An example of a configuration file.
const EXAMPLE: &str = include_str!("example.toml");
