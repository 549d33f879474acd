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

/// Sign a client assertion with a certificate, and show what it says.
///
/// The assertion proves for ten minutes that its bearer is the application: treat it as a secret. With --show, its parts are shown and
/// explained, and its signature is left out.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra assertion --certificate daemon.pem --show
  entra assertion --certificate daemon.pem --v1")]
// What has no part in an assertion is not offered. Given all the same, it is refused with what to do.
#[command(mut_arg("secret_file", |arg| arg.hide(true)), mut_arg("federated_token_file", |arg| arg.hide(true)))]
#[command(mut_arg("region", |arg| arg.hide(true)), mut_arg("capabilities", |arg| arg.hide(true)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    application: ApplicationSettings,

    /// Show what it says instead of the assertion itself
    #[arg(long)]
    show: bool,

    /// What to print
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The assertion alone, or what it says
    Text,
    /// The assertion, or its header and its claims, as JSON
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.application.reject_request_options()?;
    // What the token would be for does not enter into an assertion.
    let request = arguments
        .application
        .application()?
        .client_credentials(Target::resource("https://graph.microsoft.com")?)?;
    let id = entra_transport::request_id()?;
    let step = request.start(RetryPolicy::default(), id, entra_transport::now());
    let Step::Sign(sign) = step else {
        return Err(Failure::text(Exit::Usage, "only a certificate signs assertions")
            .hint("give --certificate FILE, and no other credential"));
    };
    let thumbprints = Thumbprints::from(sign.assertion().certificate());
    let Step::Exchange(exchange) = sign.sign()? else {
        return Err(Failure::text(Exit::Credential, "nothing was signed"));
    };
    let assertion = exchange
        .assertion()
        .ok_or_else(|| Failure::text(Exit::Credential, "nothing was signed"))?;
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
        "{}signature\n  by the key of the certificate {} (SHA-1)\n  in hexadecimal by SHA-256, as errors name it: {}",
        describe(&claims, explain),
        thumbprints.sha1_hex(),
        thumbprints.sha256_hex()
    ))
}

/// What a member of an assertion means: mostly what it means in a token.
fn explain(name: &str, value: &Value) -> Option<String> {
    let own = match name {
        "aud" => "the token endpoint that it is posted to",
        "iss" => "the application, which vouches for itself",
        "sub" => "the application again",
        "jti" => "its own id: another one each time",
        "x5t" => "the certificate, by its SHA-1 thumbprint in base64url",
        "x5t#S256" => "the certificate, by its SHA-256 thumbprint in base64url",
        "x5c" => "the certificate and its chain, in base64",
        _ => return meaning(name, value),
    };
    Some(own.to_owned())
}
