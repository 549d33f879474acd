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
use crate::settings::ApplicationSettings;

/// Sign a client assertion with a certificate, and print or explain it.
///
/// Any program that has the assertion can act as the application for ten minutes: treat it as a
/// secret.
/// With --show, the command explains the header and the claims, and omits the signature.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra assertion --certificate daemon.pem --show
  entra assertion --certificate daemon.pem --v1")]
// These options do not affect an assertion, so the help hides them. If one is given, it is an error
// with a hint.
#[command(mut_arg("secret_file", |arg| arg.hide(true)), mut_arg("federated_token_file", |arg| arg.hide(true)))]
#[command(mut_arg("region", |arg| arg.hide(true)), mut_arg("capabilities", |arg| arg.hide(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    application: ApplicationSettings,

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
    // An assertion does not depend on the API of the token request.
    let request = arguments
        .application
        .application()?
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
