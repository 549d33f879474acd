//! The command `entra emulator`: runs the emulator, alone or for the time of another command.

pub(super) mod address;
mod config;
mod control;
mod federation;
mod guest;
mod machine;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use entra_emulator::{Config, Emulator, EmulatorBuilder, Issuers, KeyCredential};

use crate::ca_file::CaFile;
use crate::commands::emulator::address::Address;
use crate::commands::emulator::control::{Control, control_help};
use crate::commands::emulator::federation::Federation;
use crate::commands::emulator::machine::Machine;
use crate::exit::{Exit, Failure};
use crate::files::{name_of, print_secret, read_text, tell};
use crate::sanitize::{escape, shell_quoted, without_suspected_secrets};
use crate::stop::{Stop, end_as};
use crate::verbosity;

/// Run a local Entra emulator.
///
/// The emulator is a token service that enforces Entra's rules, for tests without a tenant. It runs
/// until it is stopped. It prints its addresses, its tenant and applications, and the environment
/// variables that other programs (and `entra token`) read, and logs each request as one line on
/// standard error. Its keys and secrets are public, so only tests may trust its tokens.
///
/// With a command after --, the emulator runs until the command ends. It then sets the variables
/// for that command instead of printing them, logs requests only with -v, and exits with the exit
/// code of the command.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true, after_help = concat!("\
Examples:
  entra emulator --port 8500
  # while one command runs
  entra emulator -- cargo test
  entra emulator -- entra token \\
    --resource https://graph.microsoft.com
  # a workload with a managed identity, and no secret
  entra emulator --managed-identity app-service -- \\
    ./my-program
  # for other containers; wait for it with
  # curl http://emulator:8500/healthz
  entra emulator --listen 0.0.0.0:8500 --name emulator
  # your own applications: edit the printed example
  entra emulator config --example > emulator.json
  entra emulator --config emulator.json --tls \\
    --ca-out ca.pem
  # a token of a cluster in place of a secret
  entra emulator --federated-token-file token.jwt -- \\
    entra token --resource https://graph.microsoft.com
  # the file is complete once /healthz responds
  entra emulator --port 8500 > emulator.env &
  curl --retry 9 --retry-connrefused -sS \\
    http://127.0.0.1:8500/healthz; . ./emulator.env
  entra token --resource https://graph.microsoft.com

To sign a user in to the public application `cli`, use the client ID that is printed for it:
  entra login --client-id ...
  entra token --account --scope User.Read

`entra token --flow obo` needs an application that is also an API, so that users can get tokens for it. In obo.json:
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
Run the first command, then the second in another shell with the variables that the first prints:
  entra emulator --port 8500 --config obo.json
  entra token --flow auth-code \\
    --scope api://todo/Todo.Read |
    entra token --flow obo --assertion-file - \\
      --scope User.Read

Other libraries require TLS, and validate the authority with Microsoft by default. Use --tls, and turn that off:
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
If the program that requests tokens and the API that validates them reach the emulator under different addresses, set --issuer to the address that the API uses.

", control_help!()))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    address: Address,

    #[command(flatten)]
    control: Control,

    #[command(flatten)]
    federation: Federation,

    #[command(flatten)]
    machine: Machine,

    /// Write the CA's certificate (PEM) to this file, which is not removed [default: a file in a
    /// temporary folder, removed at the end]
    #[arg(long, value_name = "FILE", requires = "tls")]
    ca_out: Option<PathBuf>,

    /// Seed of the generated values [default: the value of the configuration, or 0]
    #[arg(long)]
    seed: Option<u64>,

    /// Lifetime of tokens in seconds, from 1 to 31536000, such as 20 to see early renewals
    /// [default: the value of the configuration, or 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    token_lifetime: Option<u64>,

    /// Tell clients to request the next token after this many seconds (refresh_in); a value that is
    /// not below the lifetime is sent too, but `entra` ignores it [default: the value of the
    /// configuration, or no refresh_in]
    #[arg(long, value_name = "SECONDS")]
    refresh_in: Option<u64>,

    /// Issuer in tokens and documents: `entra` for Entra's own issuers, `origin` for the address of
    /// each request, or a URL such as http://emulator:8500 for all requests [default: the value of
    /// the configuration, or entra]
    #[arg(long, value_name = "entra|origin|URL", value_parser = issuers)]
    issuer: Option<Issuers>,

    /// Register this certificate (PEM), for example from `entra cert new`, with the first
    /// application
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// JSON file with tenants, applications and APIs; `-` is standard input; `entra emulator config
    /// --example` prints an example
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Program to run against the emulator, and its arguments
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
    // A script with an empty variable for the command would otherwise wait without end.
    if arguments.guest.is_empty() && std::env::args_os().last().is_some_and(|last| last == "--") {
        return Err(Failure::text(Exit::Usage, "there is no command after --")
            .hint("name the command to run against the emulator, or omit --"));
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
        // Checked here, because the builder would report an error of the configuration.
        let certificate = KeyCredential::pem(pem.as_str());
        certificate.check().map_err(|error| certificate_failure(path, &error))?;
        builder = builder.certificate_pem(pem.as_str());
    }
    // By default the log of requests is not mixed with the output of the command.
    let is_logged = arguments.guest.is_empty() || verbosity::logs();
    let mut emulator = arguments
        .control
        .apply(
            arguments
                .address
                .apply(arguments.federation.apply(arguments.machine.apply(builder)?)?)?,
        )
        .paused()
        // A misconfigured client may send a secret in the path.
        .on_request(move |event| {
            if is_logged {
                tell(without_suspected_secrets(&event.to_string()));
            }
        })
        .try_start()
        .map_err(|error| match error {
            entra_emulator::Error::Config(problem) => config_failure(arguments.config.as_deref(), &problem),
            entra_emulator::Error::Listen {
                address,
                error: ref cause,
            } => match arguments.control.hint(address) {
                Some(hint) => Failure::of(Exit::Configuration, &error).hint(hint),
                None => arguments.address.failed(address, &error, cause.kind()),
            },
            entra_emulator::Error::Name(_) => Failure::of(Exit::Configuration, &error)
                .hint("pass --name a host name or an IP address, without scheme and port"),
            error => Failure::of(Exit::Configuration, &error),
        })?;
    arguments.address.warn(&emulator);
    arguments.control.warn();
    arguments.machine.warn();
    // Before there is a file to remove, and before the lines are printed, because their reader may
    // stop the emulator at once.
    let stop = Stop::watch()?;
    let ca = emulator
        .ca_pem()
        // Most programs compare the thumbprint of Service Fabric; the others must trust its
        // certificate.
        .map(|pem| pem.to_owned() + emulator.service_fabric_pem().unwrap_or_default())
        .map(|pem| CaFile::write(&pem, arguments.ca_out.as_deref()))
        .transpose()?;
    let of_machine = arguments.machine.variables(&emulator);
    let variables = of_machine.unwrap_or_else(|| variables(&emulator));
    let variables = arguments.federation.variables(variables, &emulator);
    let unset = [arguments.machine.unset(&variables), arguments.federation.unset()].concat();
    let trust = ca.as_ref().map(|ca| trust_variables(&ca.path)).unwrap_or_default();
    if !arguments.guest.is_empty() {
        emulator.resume();
        let all = [variables, trust, control::variables(&emulator)].concat();
        let status = guest::run(&arguments.guest, &all, &unset, &stop)?;
        drop((ca, emulator));
        end_as(status);
    }
    let mut text = describe(&emulator, ca.as_ref().map(|ca| ca.path.as_path()));
    if !unset.is_empty() {
        let _ = write!(text, "\nunset {}", unset.join(" "));
    }
    export(&mut text, &variables);
    if !trust.is_empty() {
        text.push_str(TRUST);
        export(&mut text, &trust);
    }
    // The control variables come last: a reader that sees them has seen everything.
    export(&mut text, &control::variables(&emulator));
    print_secret(&text)?;
    // /healthz responds only after the lines were printed.
    emulator.resume();
    let stopped = stop.wait();
    // Removes the CA file and the key files of Azure Arc.
    drop((ca, emulator));
    stopped.end()
}

fn read_config(path: &Path) -> Result<Config, Failure> {
    let text = read_text(path, "the configuration", MAX_CONFIG, Exit::Configuration)?;
    Config::from_json(&text).map_err(|error| match error {
        entra_emulator::Error::Config(problem) => config_failure(Some(path), &problem),
        error => Failure::of(Exit::Configuration, &error),
    })
}

/// Returns the failure for an invalid configuration. The problem is redacted: it may quote a secret
/// that was written in the wrong place.
fn config_failure(path: Option<&Path>, problem: &str) -> Failure {
    let name = path.map_or_else(String::new, |path| format!("{}: ", name_of(path)));
    Failure::text(Exit::Configuration, name + &without_suspected_secrets(problem))
}

fn certificate_failure(path: &Path, error: &entra_emulator::Error) -> Failure {
    let problem = match error {
        entra_emulator::Error::Config(problem) => problem.clone(),
        error => error.to_string(),
    };
    Failure::text(Exit::Configuration, format!("{}: {problem}", name_of(path)))
        .hint("pass --certificate a certificate in PEM, for example from `entra cert new`")
}

fn issuers(text: &str) -> Result<Issuers, String> {
    text.parse().map_err(|error| match error {
        entra_emulator::Error::Config(problem) => problem,
        error => error.to_string(),
    })
}

fn describe(emulator: &Emulator, ca: Option<&Path>) -> String {
    let mut text = format!(
        "# The emulator: {0}\n# Applications and received requests: open {0}/ in a browser",
        emulator.base_url()
    );
    if let (Some(url), Some(ca)) = (emulator.tls_url(), ca) {
        let _ = write!(
            text,
            "
# with TLS: {url}, with the CA in {}",
            escape(&ca.to_string_lossy())
        );
    }
    if let Some(url) = emulator.second_issuer_url() {
        let _ = write!(text, "\n# second issuer, for federated credentials: {url}");
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
            None if app.agent_of.is_some() => "agent identity: no credentials".to_owned(),
            None if !app.federated_credentials.is_empty() => "federated credentials".to_owned(),
            None => "secret none".to_owned(),
        };
        let object_id = escape(&app.object_id);
        let _ = write!(
            text,
            "\n# application {name}: client ID {id}, object ID {object_id}, {proof}"
        );
    }
    machine::describe(&mut text, emulator);
    for api in emulator.apis() {
        // An API without identifiers is named by its ID.
        let names = match api.identifiers.as_slice() {
            [] => api.app_id.clone(),
            names => names.join(" = "),
        };
        let _ = write!(text, "\n# API {}", escape(&names));
    }
    let _ = write!(text, "\n# activity feed of Office 365: {}", emulator.activity_url());
    text
}

/// Returns the variables with the address of the emulator and its first application.
fn variables(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let host = emulator.tls_url().unwrap_or_else(|| emulator.base_url());
    vec![
        ("AZURE_AUTHORITY_HOST", host.to_owned()),
        ("AZURE_TENANT_ID", emulator.tenant_id().to_owned()),
        ("AZURE_CLIENT_ID", emulator.client_id().to_owned()),
        ("AZURE_CLIENT_SECRET", emulator.client_secret().to_owned()),
    ]
}

/// Returns the variables with which programs trust the emulator's CA: one each for OpenSSL and this
/// library, Python's requests, curl, and Node.
fn trust_variables(ca: &Path) -> Vec<(&'static str, String)> {
    let names = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    ];
    names.map(|name| (name, ca.to_string_lossy().into_owned())).to_vec()
}

/// Adds an `export` line for each variable.
fn export(text: &mut String, variables: &[(&str, String)]) {
    for (name, value) in variables {
        let _ = write!(text, "\nexport {name}={}", shell_quoted(value));
    }
}

const TRUST: &str = "
# These variables replace this machine's root certificates in a shell: programs there trust only the emulator's CA,
# and TLS to any other server fails. Node trusts the CA in addition to its own roots.";

/// The longest configuration, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

/// The longest certificate, in bytes.
const MAX_CERTIFICATE: u64 = 64 * 1024;
