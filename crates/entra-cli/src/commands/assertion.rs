//! The command `entra assertion`: signs a client assertion and prints or explains it.

use clap::{Args, ValueEnum};
use entra_credential::Thumbprints;
use entra_proto::Target;
use entra_proto::acquire::{RetryPolicy, Step};
use entra_proto::claims::UnverifiedClaims;
use serde_json::{Value, json};

use crate::commands::decode::{describe, json_of, meaning};
use crate::exit::{Exit, Failure};
use crate::files::{print, print_json, print_secret};
use crate::presented;
use crate::settings::{ApplicationSettings, Chosen, NetworkSettings};

/// Sign a client assertion with a certificate, and print or explain it.
///
/// Any program that has the assertion can act as the application for ten minutes: treat it as a
/// secret.
/// With --show, the command explains the header and the claims, and omits the signature.
///
/// An assertion of another issuer (--federated-token-file, --federated-source,
/// --federated-token-variable) is only shown, with --show: its issuer, subject, audience and
/// expiry, the reasons for which Entra would reject it, and the JSON that registers it as a
/// federated credential. No tenant and no client ID are required for that.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra assertion --certificate daemon.pem --show
  entra assertion --certificate daemon.pem --v1
  # in a job of GitHub Actions: register what it prints
  entra assertion --show --federated-source github-actions
  entra assertion --show -o json \\
    --federated-token-file token.jwt |
    jq .registration")]
// These options do not affect an assertion, so the help hides them. If one is given, it is an error
// with a hint.
#[command(mut_arg("secret_file", |arg| arg.hide(true)))]
#[command(mut_arg("region", |arg| arg.hide(true)), mut_arg("capabilities", |arg| arg.hide(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    application: ApplicationSettings,

    #[command(flatten)]
    network: NetworkSettings,

    /// Explain the header and the claims instead of printing the assertion
    #[arg(long)]
    show: bool,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The assertion only, or its explanation
    Text,
    /// The assertion, or its header and its claims, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.application.reject_request_options()?;
    if let Some(chosen) = arguments.application.federated()? {
        return show_federated(arguments, &chosen);
    }
    // An assertion does not depend on the API of the token request.
    let request = arguments
        .application
        .application(&arguments.network)?
        .client_credentials(Target::resource("https://graph.microsoft.com")?)?;
    let id = entra_transport::request_id()?;
    let step = request.start(RetryPolicy::default(), id, entra_transport::now())?;
    let Step::Sign(sign) = step else {
        return Err(
            Failure::text(Exit::Usage, "assertions can be signed only with a certificate")
                .hint("pass --certificate FILE and no other credential"),
        );
    };
    let thumbprints = Thumbprints::from(sign.assertion().certificate());
    let Step::Exchange(exchange) = sign.sign()? else {
        return Err(Failure::text(Exit::Credential, "no assertion was signed"));
    };
    let assertion = exchange
        .assertion()
        .ok_or_else(|| Failure::text(Exit::Credential, "no assertion was signed"))?;
    if !arguments.show {
        return match arguments.output {
            Output::Text => print_secret(assertion.expose()),
            Output::Json => print_json(&json!({ "client_assertion": assertion.expose() })),
        };
    }
    let claims = UnverifiedClaims::decode(assertion.expose())?;
    if arguments.output == Output::Json {
        let mut object = json_of(&claims);
        object["sha1"] = thumbprints.sha1_hex().into();
        object["sha256"] = thumbprints.sha256_hex().into();
        return print_json(&object);
    }
    print(&format!(
        "{}signature\n  by the key of the certificate with the SHA-1 thumbprint {}\n  SHA-256 thumbprint, as Entra's errors show it: {}",
        describe(&claims, explain),
        thumbprints.sha1_hex(),
        thumbprints.sha256_hex()
    ))
}

/// Shows an assertion of another issuer.
fn show_federated(arguments: &Arguments, chosen: &Chosen) -> Result<(), Failure> {
    if !arguments.show {
        let problem = "assertions of other issuers are only shown: this command signs with a certificate";
        return Err(
            Failure::text(Exit::Usage, problem).hint("add --show, or pass --certificate FILE and no other credential")
        );
    }
    let cloud = arguments.application.cloud()?;
    let assertion = match chosen {
        Chosen::Acquired(source, _) => source.assertion(&cloud, &arguments.network)?,
        Chosen::Federated(file, _) => file.assertion()?,
        Chosen::Secret(..) | Chosen::Certificate(..) => return Ok(()),
    };
    presented::show(&assertion, &cloud, arguments.output == Output::Json)
}

/// Returns the meaning of a member of an assertion. Most have the same meaning as in a token.
fn explain(name: &str, value: &Value) -> Option<String> {
    let own = match name {
        "aud" => "the token endpoint that receives the assertion",
        "iss" => "the issuer: the application",
        "sub" => "the subject: the application",
        "jti" => "a unique ID of the assertion",
        "x5t" => "the SHA-1 thumbprint of the certificate, in base64url",
        "x5t#S256" => "the SHA-256 thumbprint of the certificate, in base64url",
        "x5c" => "the certificate and its chain, in base64",
        _ => return meaning(name, value),
    };
    Some(own.to_owned())
}
