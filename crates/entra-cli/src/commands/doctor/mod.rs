//! Why a daemon gets no token, step by step.

mod arguments;
mod certificate;
mod clock;
mod configuration;
mod connection;
mod credential;
mod name;
mod refusal;
mod report;
mod tenant;
mod token;

use crate::exit::Failure;

use configuration::Configuration;
use credential::Credential;
use report::Report;

pub(crate) use self::arguments::Arguments;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report::new(arguments.output);
    // Before anything is told, so that nothing that is told can hold it.
    let credential = Credential::read(&arguments.application.settings);
    credential.keep_out_of(&mut report);

    let configuration = Configuration::examine(arguments, &credential, &mut report)?;
    let answer = connection::examine(&configuration, &mut report)?;
    let now = clock::examine(answer.as_ref(), &mut report)?;
    let tenant_id = tenant::examine(&configuration, answer.as_ref(), &mut report)?;
    credential.examine(configuration.cloud.as_ref(), now, &mut report)?;
    let token = token::request(arguments, &configuration, &credential, &mut report)?;
    token::examine(&configuration, &credential, tenant_id, token.as_ref(), &mut report)?;
    report.finish()
}
