//! The checks of the environment's chain: the API, the choice of the credential, the token request,
//! and the token.

use entra_client::{Absence, ChainReport, Error, MemberState};
use entra_proto::environment::{self, CLIENT_SECRET, CredentialSource, TOKEN_CREDENTIALS};
use entra_proto::managed_identity::ManagedIdentity;
use entra_transport::LocalHost;
use serde_json::{Value, json};

use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::token::Permissions;
use crate::commands::doctor::{Arguments, configuration, managed, name};
use crate::commands::token::one_request;
use crate::environment::text;
use crate::exit::{Exit, Failure};
use crate::secret::is_guid;
use crate::settings::ChainPrincipal;
use crate::source::Source;

/// Checks the steps from the environment to a token.
///
/// # Errors
/// Returns an error if an option of an application is given.
pub(crate) fn examine(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    // Before the first check is reported, so that no check can contain the secret.
    if let Ok(Some(secret)) = text(CLIENT_SECRET, Exit::Credential)
        && !is_guid(secret.trim())
    {
        report.redact(secret.trim());
    }
    let chain = match arguments
        .chain
        .principal(&arguments.application, &arguments.network.settings)
    {
        Ok(Some(chain)) => Some(chain),
        Ok(None) => None,
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => {
            let fix = "set the variables that the message names";
            report.add(Check::failure(name::CHAIN, &failure, fix).with_source(selection()))?;
            None
        }
    };
    let target = managed::examine_target(arguments, |_| Ok(()), report)?;
    let cloud = environment::cloud(|name| std::env::var_os(name)).ok();
    let network = configuration::examine_network(arguments, cloud.as_ref(), report)?;
    let (Some(chain), Some(target), Some(_)) = (chain, target, network) else {
        report.skip(name::TOKEN_REQUEST, &[name::CHAIN, name::TARGET, name::NETWORK])?;
        return report.skip(name::TOKEN, &[name::TOKEN_REQUEST]);
    };
    let ChainPrincipal { principal, token_proxy } = chain;
    let network = &arguments.network.settings;
    let builder = match token_proxy {
        None => network.client(principal, one_request())?,
        Some(proxy) => network.client_through(proxy, principal, one_request())?,
    };
    let agent = arguments.agent.agent()?;
    let permissions = Permissions::of(agent.as_ref());
    let client = match agent {
        Some(agent) => agent.of(&builder.build()?),
        None => builder.build()?,
    };
    let requested = client.token_with(&target, &arguments.options()?);
    let members = members(client.chain(), requested.as_ref().err());
    report.add(describe(&members, requested.as_ref().err()))?;
    if members.iter().any(Member::is_used_managed_identity)
        && let Ok(identity) = environment::identity(|name| std::env::var_os(name))
    {
        report.add(managed::describe(&ManagedIdentity::new(identity, LocalHost)))?;
    }
    match requested {
        Ok(issued) => {
            report.add(Check::ok(
                name::TOKEN_REQUEST,
                "the credential is accepted, and a token is issued",
            ))?;
            managed::examine_token(&issued, &target.audience()?, permissions, report)
        }
        Err(error) => {
            if error.chain().is_some() {
                report.skip(name::TOKEN_REQUEST, &[name::CHAIN])?;
            } else {
                let fix = "run `entra doctor` without --chain to check each setting of the credential";
                report.add(Check::failure(name::TOKEN_REQUEST, &error.into(), fix))?;
            }
            report.skip(name::TOKEN, &[name::TOKEN_REQUEST])
        }
    }
}

/// A member of the chain after the token request.
struct Member {
    name: String,
    state: State,
}

enum State {
    Used,
    /// The credential is used, and the request with it failed.
    Failed,
    Absent(Absence),
    Untried,
}

/// Returns the members. A credential that is the only one is no chain.
fn members(chain: Option<ChainReport>, error: Option<&Error>) -> Vec<Member> {
    let mut is_decided = false;
    let mut state = |state: &MemberState| match state {
        MemberState::Absent(absence) => State::Absent(absence.clone()),
        // The first member that is not absent is used, and no other one after it.
        _ if is_decided => State::Untried,
        _ => {
            is_decided = true;
            match error {
                None => State::Used,
                Some(_) => State::Failed,
            }
        }
    };
    match chain {
        None => vec![Member {
            name: CredentialSource::ManagedIdentity.name().to_owned(),
            state: state(&MemberState::Chosen),
        }],
        Some(chain) => chain
            .members
            .iter()
            .map(|member| Member {
                name: member.name.to_string(),
                state: state(&member.state),
            })
            .collect(),
    }
}

impl Member {
    fn is_used(&self) -> bool {
        matches!(self.state, State::Used | State::Failed)
    }

    fn is_used_managed_identity(&self) -> bool {
        self.is_used() && self.name == CredentialSource::ManagedIdentity.name()
    }

    fn to_text(&self) -> String {
        let name = &self.name;
        match &self.state {
            State::Used => format!("{name} is used"),
            State::Failed => format!("{name} is used, and fails"),
            State::Absent(absence) => format!("{name} is absent ({absence})"),
            State::Untried => format!("{name} is not tried"),
        }
    }

    fn to_json(&self) -> Value {
        let (state, absence) = match &self.state {
            State::Used => ("used", None),
            State::Failed => ("failed", None),
            State::Absent(absence) => ("absent", Some(absence)),
            State::Untried => ("untried", None),
        };
        let mut object = json!({ "name": self.name, "state": state });
        if let Some(absence) = absence {
            object["reason"] = absence.reason().into();
            object["hint"] = absence.hint().into();
        }
        object
    }
}

/// Returns the check that names the credential, and the reasons why others are absent.
fn describe(members: &[Member], error: Option<&Error>) -> Check {
    let used = members.iter().find(|member| member.is_used());
    let check = match (used, error) {
        (None, Some(error)) => {
            let fix = "configure one of these credentials";
            Check::failure(name::CHAIN, &error.clone().into(), fix)
        }
        _ => {
            let texts: Vec<String> = members.iter().map(Member::to_text).collect();
            Check::ok(name::CHAIN, texts.join("; "))
        }
    };
    let all: Vec<Value> = members.iter().map(Member::to_json).collect();
    check
        .with("used", used.map(|member| member.name.as_str()))
        .with("members", all)
        .with_source(selection())
}

/// Returns the source of the selection of credentials.
fn selection() -> Source {
    let is_set = text(TOKEN_CREDENTIALS, Exit::Configuration).is_ok_and(|value| value.is_some());
    match is_set {
        true => Source::Variable(TOKEN_CREDENTIALS.to_owned()),
        false => Source::Default,
    }
}
