//! The command `entra doctor`: checks each step that a daemon takes to a token, and reports the
//! results.

mod agent;
mod arguments;
mod certificate;
mod chain;
mod clock;
mod configuration;
mod connection;
mod credential;
mod managed;
mod name;
mod rejection;
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
    if let Some(managed) = arguments.managed.managed(&arguments.application)? {
        managed::examine(arguments, &managed, &mut report)?;
        return report.finish();
    }
    if arguments.chain.is_wanted() {
        chain::examine(arguments, &mut report)?;
        return report.finish();
    }
    // Before the first check is reported, so that no check can contain the secret.
    let credential = Credential::read(&arguments.application.settings, &arguments.network.settings);
    credential.redact_in(&mut report);

    let configuration = Configuration::examine(arguments, &credential, &mut report)?;
    let timed = connection::examine(&configuration, &mut report)?;
    let now = clock::examine(timed.as_ref(), &mut report)?;
    let tenant_id = tenant::examine(&configuration, timed.as_ref(), &mut report)?;
    credential.examine(configuration.cloud.as_ref(), now, &mut report)?;
    let agent = agent::examine(arguments, configuration.client_id, &mut report)?;
    let token = token::request(arguments, &configuration, &credential, agent.as_ref(), &mut report)?;
    let requested = token::Requested {
        configuration: &configuration,
        credential: &credential,
        tenant_id,
        agent: agent.as_ref(),
    };
    token::examine(&requested, token.as_ref(), &mut report)?;
    report.finish()
}
