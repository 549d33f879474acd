//! The `entra` command: tokens from Microsoft Entra ID, calls to APIs, diagnosis, and a local
//! emulator.
//!
//! Only a command's result goes to standard output; everything else goes to standard error.
//! `entra --help` lists the exit codes.

#![allow(clippy::print_stdout, reason = "a command's result is what it prints")]
#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "these comments are help texts, read in a terminal"
)]

mod account_tokens;
mod arguments;
mod browser;
mod ca_file;
mod callback;
mod certificate;
mod commands;
mod discovery;
mod environment;
mod exit;
mod failure;
mod files;
mod folders;
mod foreground;
mod json_requested;
mod json_text;
mod linter;
mod listen;
mod listing;
mod logging;
mod message;
mod named_file;
mod observation;
mod page;
mod pasted_token;
mod presented;
mod principal_settings;
mod profile;
mod prompt;
mod requests;
mod sanitize;
mod screen;
mod secret;
mod secret_detection;
mod settings;
mod sign_in;
mod silent;
#[cfg(test)]
#[path = "../tests/it/common/skips.rs"]
mod skips;
mod source;
mod stop;
mod store;
mod target;
mod tenant_store;
mod terminal;
mod time_format;
mod token_output;
mod token_settings;
mod verbosity;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::commands::{
    accounts, assertion, cache, call, cert, completions, config, consent, decode, demo, discover, doctor, emulator,
    exec, explain, keycredentials, kube_credential, lint, login, logout, man, proxy, resources, scope, serve, tenants,
    token, validate,
};
use crate::exit::EXIT_CODES;
use crate::failure::{Failure, report_outcome};
use crate::logging::LogSettings;
use crate::sanitize::guard_inputs;
use crate::terminal::help_width;

/// Get tokens from Microsoft Entra ID, call APIs, diagnose errors, and test against a local
/// emulator.
#[derive(Parser)]
#[command(name = "entra", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    log: LogSettings,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Emulator(emulator::Arguments),
    Token(Box<token::Arguments>),
    Call(Box<call::Arguments>),
    Login(Box<login::Arguments>),
    Logout(logout::Arguments),
    Accounts(accounts::Arguments),
    Cache(cache::Arguments),
    Consent(Box<consent::Arguments>),
    Tenants(tenants::Arguments),
    Doctor(Box<doctor::Arguments>),
    Config(config::Arguments),
    Discover(discover::Arguments),
    Exec(Box<exec::Arguments>),
    KubeCredential(Box<kube_credential::Arguments>),
    Serve(Box<serve::Arguments>),
    Proxy(Box<proxy::Arguments>),
    Cert(cert::Arguments),
    Keycredentials(keycredentials::Arguments),
    Assertion(Box<assertion::Arguments>),
    Decode(decode::Arguments),
    Validate(Box<validate::Arguments>),
    Scope(scope::Arguments),
    Resources(resources::Arguments),
    Explain(explain::Arguments),
    Lint(lint::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    guard_inputs();
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return arguments::report(error, Arguments::command()),
    };
    let logs_requests = match &arguments.command {
        Command::Serve(arguments) => arguments.logs_requests(),
        Command::Proxy(arguments) => arguments.logs_requests(),
        _ => false,
    };
    report_outcome(arguments.log.start(logs_requests).and_then(|()| run(arguments.command)))
}

fn parse() -> Result<Arguments, clap::Error> {
    // On a narrow terminal, the column beside the longest option is too narrow for a sentence.
    let mut command = Arguments::command().next_line_help(help_width().is_some_and(|width| width < 90));
    let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Arguments::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Parses the command line of `entra serve` again, for settings that are read anew.
fn serve_arguments() -> Option<serve::Arguments> {
    match parse().ok()?.command {
        Command::Serve(arguments) => Some(*arguments),
        _ => None,
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Emulator(arguments) => emulator::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Call(arguments) => call::run(*arguments),
        Command::Login(arguments) => login::run(&arguments),
        Command::Logout(arguments) => logout::run(&arguments),
        Command::Accounts(arguments) => accounts::run(&arguments),
        Command::Cache(arguments) => cache::run(&arguments),
        Command::Consent(arguments) => consent::run(&arguments),
        Command::Tenants(arguments) => tenants::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Discover(arguments) => discover::run(&arguments),
        Command::Exec(arguments) => exec::run(&arguments),
        Command::KubeCredential(mut arguments) => kube_credential::run(&mut arguments),
        Command::Proxy(arguments) => proxy::run(*arguments),
        Command::Serve(arguments) => serve::run(*arguments, serve_arguments),
        Command::Cert(arguments) => cert::run(&arguments),
        Command::Keycredentials(arguments) => keycredentials::run(&arguments),
        Command::Assertion(arguments) => assertion::run(&arguments),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Scope(arguments) => scope::run(&arguments),
        Command::Resources(arguments) => resources::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, &Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
        Command::Version => arguments::print_version(),
    }
}
