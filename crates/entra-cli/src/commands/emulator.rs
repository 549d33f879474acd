mod address;
mod config;
mod control;
mod guest;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use entra_emulator::{Config, Emulator, EmulatorBuilder, Issuers, KeyCredential};

use crate::ca_file::CaFile;
use crate::commands::emulator::address::Address;
use crate::commands::emulator::control::{Control, control_help};
use crate::exit::{Exit, Failure};
use crate::files::{name_of, print_secret, read_text, tell};
use crate::sanitize::{escape, shell_quoted, without_suspected_secrets};
use crate::stop::{Stop, end_as, is_first};
use crate::verbosity;

/// Run a local token service that behaves like Entra, until it is stopped or the command after -- ends.
///
/// Prints its addresses, its tenant and applications, and the environment variables that other programs (and `entra token`) read. Logs
/// each request on a line of standard error. Its keys and secrets are public, so only tests may trust its tokens.
///
/// With a command after --, sets the variables for that command instead of printing them, logs requests only with -v, and exits with the
/// exit code of the command.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true, after_help = concat!("\
Examples:
  entra emulator --port 8500
  # for the time that one command takes
  entra emulator -- cargo test
  entra emulator -- entra token \\
    --resource https://graph.microsoft.com
  # for other containers; wait for it with
  # curl http://emulator:8500/healthz
  entra emulator --listen 0.0.0.0:8500 --name emulator
  # applications of your own: edit what this prints
  entra emulator config --example > emulator.json
  entra emulator --config emulator.json --tls \\
    --ca-out ca.pem
  # the file is complete once /healthz responds
  entra emulator --port 8500 > emulator.env &
  curl --retry 9 --retry-connrefused -sS \\
    http://127.0.0.1:8500/healthz; . ./emulator.env
  entra token --resource https://graph.microsoft.com

Sign a user in to the public application `cli`, with the client ID that is printed for it:
  entra login --client-id ...
  entra token --account --scope User.Read

`entra token --flow obo` needs an application with an API of its own, for which users get tokens.
In obo.json:
  {\"apis\": [{
     \"app_id\": \"2d4d11a2-f814-46a7-890a-274a72a7309e\",
     \"identifiers\": [\"api://todo\"],
     \"scopes\": [\"Todo.Read\"]}],
   \"apps\": [{
     \"client_id\": \"2d4d11a2-f814-46a7-890a-274a72a7309e\",
     \"name\": \"todo\",
     \"redirect_uris\": [
       \"http://localhost\", \"http://127.0.0.1\"],
     \"requested_scopes\": [
       {\"api\": \"api://todo\", \"scope\": \"Todo.Read\"}],
     \"granted_scopes\": [
       {\"api\": \"https://graph.microsoft.com\",
        \"scope\": \"User.Read\"}]}]}
Run the first command, and the second in another shell with the variables that the first prints:
  entra emulator --port 8500 --config obo.json
  entra token --flow auth-code \\
    --scope api://todo/Todo.Read |
    entra token --flow obo --assertion-file - \\
      --scope User.Read

Other libraries require TLS, and validate the authority with Microsoft unless that is turned off. Use --tls and:
  MSAL Python
    ConfidentialClientApplication(...,
      authority=f\"{host}/{tenant}\",
      instance_discovery=False)
  azure-identity
    ClientSecretCredential(..., authority=host,
      disable_instance_discovery=True)
Libraries for OpenID Connect (openid-client, go-oidc, Spring Security) require the issuer to be the URL that they are configured with:
  # issuer http://127.0.0.1:8500/TENANT/v2.0, on v1
  # http://127.0.0.1:8500/TENANT/; TENANT is an ID
  entra emulator --port 8500 --issuer origin
If tokens are requested at one address and validated with the documents of another, set --issuer to the URL of the latter.

", control_help!()))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    control: Control,

    /// Write the CA's certificate (PEM) to this file, and keep it [default: a file in a new temporary folder, removed at the end]
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,

    /// The seed of all generated values [default: what the configuration says, or 0]
    #[arg(long)]
    seed: Option<u64>,

    /// How long tokens live, such as 20 to see them renewed soon [default: what the configuration says, or 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    token_lifetime: Option<u64>,

    /// The seconds after which a response tells clients to request the next token (refresh_in) [default: what the configuration says, or not at all]
    #[arg(long, value_name = "SECONDS")]
    refresh_in: Option<u64>,

    /// The issuer in tokens and documents: `entra` for those of Entra, `origin` for the address that each request is sent to, or a
    /// URL such as http://emulator:8500 for all requests [default: what the configuration says, or entra]
    #[arg(long, value_name = "entra|origin|URL", value_parser = issuers)]
    issuer: Option<Issuers>,

    /// Register this certificate (PEM) with the first application, such as one of `entra cert new`
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// Tenants, applications and APIs, in JSON; `-` is standard input. `entra emulator config --example` prints one to start from
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A program to run against it, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    guest: Vec<OsString>,
}

#[derive(Subcommand)]
enum Command {
    Config(config::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(Command::Config(arguments)) = &arguments.command {
        return config::run(arguments);
    }
    // Such as that of a script whose variable with the command is empty: it would wait for ever.
    if arguments.guest.is_empty() && std::env::args_os().last().is_some_and(|last| last == "--") {
        return Err(Failure::text(Exit::Usage, "there is no command after --")
            .hint("name the command that is run against the emulator, or leave -- out"));
    }
    let mut builder = match &arguments.config {
        Some(path) => EmulatorBuilder::from(read_config(path)?),
        None => Emulator::builder(),
    };
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed);
    }
    if let Some(seconds) = arguments.token_lifetime {
        builder = builder.token_lifetime(Duration::from_secs(seconds));
    }
    if let Some(seconds) = arguments.refresh_in {
        builder = builder.refresh_in(Duration::from_secs(seconds));
    }
    if let Some(issuers) = &arguments.issuer {
        builder = builder.issuers(issuers.clone());
    }
    if let Some(path) = &arguments.certificate {
        let pem = read_text(path, "the certificate", MAX_CERTIFICATE, Exit::Configuration)?;
        // Else its fault would be told as one of the configuration.
        let certificate = KeyCredential::pem(pem.as_str());
        certificate.check().map_err(|error| refused_certificate(path, &error))?;
        builder = builder.certificate_pem(pem.as_str());
    }
    // The output of a command is not mixed with requests, unless the user wants that.
    let is_logged = arguments.guest.is_empty() || verbosity::logs();
    let mut emulator = arguments
        .control
        .apply(arguments.address.apply(builder)?)
        .paused()
        // A client that is set up wrongly has a secret in the path.
        .on_request(move |event| {
            if is_logged {
                tell(without_suspected_secrets(&event.to_string()));
            }
        })
        .try_start()
        .map_err(|error| match error {
            entra_emulator::Error::Config(problem) => refused_config(arguments.config.as_deref(), &problem),
            entra_emulator::Error::Listen {
                address,
                error: ref cause,
            } => match arguments.control.advice(address) {
                Some(advice) => Failure::of(Exit::Configuration, &error).hint(advice),
                None => arguments.address.failed(address, &error, cause.kind()),
            },
            entra_emulator::Error::Name(_) => Failure::of(Exit::Configuration, &error)
                .hint("give --name a host name or an IP address alone, without scheme and port"),
            error => Failure::of(Exit::Configuration, &error),
        })?;
    arguments.address.warn(&emulator);
    arguments.control.warn();
    let ca = emulator
        .ca_pem()
        .map(|pem| CaFile::write(pem, arguments.ca_out.as_deref()))
        .transpose()?;
    let variables = variables(&emulator);
    let trust = ca.as_ref().map(|ca| trust_variables(&ca.path)).unwrap_or_default();
    if !arguments.guest.is_empty() {
        emulator.resume();
        let all = [variables, trust, control::variables(&emulator)].concat();
        let status = guest::run(&arguments.guest, &all)?;
        drop((ca, emulator));
        end_as(status);
    }
    // Before the lines, as their reader may stop it at once.
    let stop = is_first().then(Stop::watch).transpose()?;
    let mut text = describe(&emulator, ca.as_ref().map(|ca| ca.path.as_path()));
    export(&mut text, &variables);
    if !trust.is_empty() {
        text.push_str(TRUST);
        export(&mut text, &trust);
    }
    // The last ones: with them all has been said.
    export(&mut text, &control::variables(&emulator));
    print_secret(&text)?;
    // Where /healthz answers, the lines have been printed, and can be read.
    emulator.resume();
    match ca.filter(|ca| ca.folder.is_some()) {
        Some(ca) => ca.remove_when_stopped(),
        None => match stop {
            Some(stop) => stop.wait().end(),
            // Until a signal ends it.
            None => loop {
                std::thread::park();
            },
        },
    }
}

fn read_config(path: &Path) -> Result<Config, Failure> {
    let text = read_text(path, "the configuration", MAX_CONFIG, Exit::Configuration)?;
    Config::from_json(&text).map_err(|error| match error {
        entra_emulator::Error::Config(problem) => refused_config(Some(path), &problem),
        error => Failure::of(Exit::Configuration, &error),
    })
}

/// A configuration that cannot be used. What is wrong with it may be that a secret stands where something else belongs.
fn refused_config(path: Option<&Path>, problem: &str) -> Failure {
    let name = path.map_or_else(String::new, |path| format!("{}: ", name_of(path)));
    Failure::text(Exit::Configuration, name + &without_suspected_secrets(problem))
}

fn refused_certificate(path: &Path, error: &entra_emulator::Error) -> Failure {
    let problem = match error {
        entra_emulator::Error::Config(problem) => problem.clone(),
        error => error.to_string(),
    };
    Failure::text(Exit::Configuration, format!("{}: {problem}", name_of(path)))
        .hint("give --certificate a certificate in PEM, such as one of `entra cert new`")
}

fn issuers(text: &str) -> Result<Issuers, String> {
    text.parse().map_err(|error| match error {
        entra_emulator::Error::Config(problem) => problem,
        error => error.to_string(),
    })
}

fn describe(emulator: &Emulator, ca: Option<&Path>) -> String {
    let mut text = format!(
        "# The emulator: {0}\n# What is registered, and what came in: open {0}/ in a browser",
        emulator.base_url()
    );
    if let (Some(url), Some(ca)) = (emulator.tls_url(), ca) {
        let _ = write!(
            text,
            "
# with TLS: {url}, by the CA in {}",
            escape(&ca.to_string_lossy())
        );
    }
    for tenant in emulator.tenants() {
        let _ = write!(text, "\n# tenant {} ({})", escape(&tenant.domain), escape(&tenant.id));
    }
    for app in emulator.apps() {
        let (name, id) = (escape(&app.name), escape(&app.client_id));
        let secret = app.secrets.iter().flatten().next();
        let proof = match secret {
            Some(secret) => format!("secret {}", escape(&secret.value)),
            None if app.public_client => format!("public: entra login --client-id {id}"),
            None => "secret none".to_owned(),
        };
        let object_id = escape(&app.object_id);
        let _ = write!(
            text,
            "\n# application {name}: client id {id}, object id {object_id}, {proof}"
        );
    }
    for api in emulator.apis() {
        // An API may have no other name than its id.
        let names = match api.identifiers.as_slice() {
            [] => api.app_id.clone(),
            names => names.join(" = "),
        };
        let _ = write!(text, "\n# API {}", escape(&names));
    }
    let _ = write!(text, "\n# activity feed of Office 365: {}", emulator.activity_url());
    text
}

/// The variables that name the emulator and its first application.
fn variables(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let host = emulator.tls_url().unwrap_or_else(|| emulator.base_url());
    vec![
        ("AZURE_AUTHORITY_HOST", host.to_owned()),
        ("AZURE_TENANT_ID", emulator.tenant_id().to_owned()),
        ("AZURE_CLIENT_ID", emulator.client_id().to_owned()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret().to_owned()),
    ]
}

/// The variables that have programs trust the emulator's CA. OpenSSL and this library, Python's requests, curl and Node each look at
/// their own.
fn trust_variables(ca: &Path) -> Vec<(&'static str, String)> {
    let names = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ];
    names.map(|name| (name, ca.to_string_lossy().into_owned())).to_vec()
}

/// Adds a line for a shell for each variable.
fn export(text: &mut String, variables: &[(&str, String)]) {
    for (name, value) in variables {
        let _ = write!(text, "\nexport {name}={}", shell_quoted(value));
    }
}

const TRUST: &str = "
# These take the place of this machine's root certificates in a shell: programs there trust the emulator's CA alone,
# and TLS to any other server fails. Node trusts it as well as its own roots.";

/// How long a configuration may be, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

/// How long a certificate may be, in bytes.
const MAX_CERTIFICATE: u64 = 64 * 1024;
