//! The checks of a managed identity: its source, the API, the token request, and the token.

use entra_client::Token;
use entra_proto::Target;
use entra_proto::cache::Lifetime;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::managed_identity::{Detection, Evidence, ManagedIdentity};

use crate::commands::doctor::report::{Check, Report};
use crate::commands::doctor::token::Permissions;
use crate::commands::doctor::{Arguments, configuration, name, token};
use crate::commands::token::one_request;
use crate::exit::{Exit, Failure};

/// Checks the steps from a managed identity to its token.
pub(crate) fn examine(arguments: &Arguments, managed: &ManagedIdentity, report: &mut Report) -> Result<(), Failure> {
    let detection = managed.detect();
    report.add(describe(managed))?;
    let target = examine_target(
        arguments,
        |target| Ok(managed.request(target.clone()).map(drop)?),
        report,
    )?;
    let network = configuration::examine_network(arguments, None, report)?;
    let needs = [name::TARGET, name::NETWORK];
    let (Some(_), Some(target)) = (network, target) else {
        report.skip(name::TOKEN_REQUEST, &needs)?;
        return report.skip(name::TOKEN, &[name::TOKEN_REQUEST]);
    };
    let client = arguments
        .network
        .settings
        .client(managed.clone(), one_request())?
        .build()?;
    match client.token_with(&target, &arguments.options()?) {
        Ok(issued) => {
            report.add(Check::ok(name::TOKEN_REQUEST, "the platform issues a token"))?;
            examine_token(&issued, &target.audience()?, Permissions::Roles, report)
        }
        Err(error) => {
            let fix = "run this command where the managed identity is assigned";
            let failure = Failure::from(error);
            let is_silent = matches!(failure.exit, Exit::Network | Exit::Timeout);
            let failure = match is_silent && detection.evidence().is_empty() {
                true => failure.hint_instead(
                    "run this command on a machine or service of Azure: nothing names a platform here, and none responds",
                ),
                false => failure,
            };
            report.add(Check::failure(name::TOKEN_REQUEST, &failure, fix))?;
            report.skip(name::TOKEN, &[name::TOKEN_REQUEST])
        }
    }
}

/// Returns the check that names the identity and the source of its tokens.
pub(super) fn describe(managed: &ManagedIdentity) -> Check {
    let detection = managed.detect();
    let mut check = Check::ok(
        name::MANAGED_IDENTITY,
        format!("{} from {detection}", managed.identity()),
    );
    if detection.source().issues_user_tokens() {
        check = check.with_warning(
            "its tokens are those of the signed-in user",
            "run the program on a platform that issues tokens for applications",
        );
    }
    check
        .with("identity", managed.identity().to_string())
        .with("source", detection.source().name())
        .with("evidence", evidence(&detection))
}

/// Returns the names of the variables and files that decided.
fn evidence(detection: &Detection) -> Vec<String> {
    detection.evidence().iter().map(Evidence::to_string).collect()
}

/// Checks the API, which `accepts` checks for the principal.
pub(super) fn examine_target(
    arguments: &Arguments,
    accepts: impl Fn(&Target) -> Result<(), Failure>,
    report: &mut Report,
) -> Result<Option<Target>, Failure> {
    let settings = &arguments.target.settings;
    let examined = settings.target().and_then(|target| {
        accepts(&target)?;
        let audience = target.audience()?.into_owned();
        Ok((target, audience))
    });
    match examined {
        Ok((target, audience)) => {
            report.add(Check::ok(name::TARGET, audience.clone()).with("audience", audience))?;
            Ok(Some(target))
        }
        Err(failure) => {
            let fix = "name one API: --resource https://graph.microsoft.com";
            report.add(Check::failure(name::TARGET, &failure, fix))?;
            Ok(None)
        }
    }
}

pub(super) fn examine_token(
    issued: &Token,
    audience: &str,
    permissions: Permissions,
    report: &mut Report,
) -> Result<(), Failure> {
    report.redact(issued.expose());
    let lifetime = Lifetime::new(
        issued.received_at(),
        issued.expires_at().since(issued.received_at()),
        None,
    );
    match UnverifiedClaims::decode(issued.expose()) {
        Ok(claims) => token::examine_claims(&claims, audience, permissions, &lifetime, report),
        Err(error) => token::unreadable(error, &lifetime, report),
    }
}
