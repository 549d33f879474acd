//! The command `entra call`: sends one request with a token to an API.

pub(super) mod audience;
mod body;
mod output;
mod pages;
mod rejection;
mod request;
mod send;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Method;

use crate::commands::call::output::Sink;
use crate::commands::call::pages::PageSettings;
use crate::commands::call::request::RequestSettings;
use crate::commands::call::send::{ApiResponse, Caller};
use crate::exit::{Exit, Failure};
use crate::files::tell;
use crate::message::warn;
use crate::silent::CacheSettings;
use crate::token_settings::TokenSettings;

/// Call an API with a token: a request, its retries, and the pages of its result.
///
/// If `entra resources` lists the host of the URL, the token is requested for that API, and the
/// audience is printed to standard error. For every other host, name the API with --resource or
/// --scope.
///
/// The token is sent only to the host of the URL: redirects and pages at other hosts are not
/// followed. The token is never printed: if the API repeats it, "[not shown]" replaces it.
///
/// The body of the response goes to standard output: indented if it is JSON and standard output is
/// a terminal, otherwise byte for byte. A status of 300 or more, except 304, is a failure with exit
/// code 6 if a permission is missing, and 10 otherwise. Standard output then has no result, except
/// with --include, and with --paginate if a later page fails: the items of earlier pages are
/// already printed.
///
/// If the API throttles (status 429 or 503, or code AF429), the request is sent again after the
/// pause that the API requires; a pause of more than 5 minutes is a failure. If the API names no
/// pause, it is 1 second, and doubles with each retry up to 30 seconds. If the API rejects the
/// token (status 401), the command requests a new token and sends the request again, once.
#[derive(Args)]
#[command(
    override_usage = "entra call [OPTIONS] <METHOD> <URL>",
    mut_group("api", |group| group.required(false)),
    after_help = "\
Examples:
  entra call GET https://graph.microsoft.com/v1.0/users
  entra call GET --paginate \\
    'https://graph.microsoft.com/v1.0/users?$top=999' |
    jq -r .userPrincipalName
  entra call PATCH -d '{\"jobTitle\": \"Engineer\"}' \\
    https://graph.microsoft.com/v1.0/users/ID
  entra call POST https://api.contoso.com/orders \\
    --resource api://contoso -d @order.json
  entra call GET -H 'x-ms-version: 2021-12-02' \\
    https://contoso.blob.core.windows.net/a/b --out b.zip

  # as a user who signed in with `entra login`
  entra call GET https://graph.microsoft.com/v1.0/me \\
    --account

  # with an emulator, the path names the API
  entra call GET http://127.0.0.1:8500/v1.0/users"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    request: RequestSettings,

    #[command(flatten)]
    pages: PageSettings,

    /// Print the status and the headers before the body
    #[arg(short, long)]
    include: bool,

    /// Format of the body
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Auto)]
    output: Output,

    /// Write the body to this file, or to standard output if it is "-"; an existing file is
    /// replaced once the body is complete
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Send a throttled request again at most this many times, from 0 to 20
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,

    #[command(flatten)]
    wanted: TokenSettings,

    #[command(flatten)]
    kept: CacheSettings,
}

/// The format of the body of a response.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Indented JSON at a terminal, everything else byte for byte
    Auto,
    /// Byte for byte
    Raw,
    /// Indented JSON; a failure is JSON as well
    Json,
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        request,
        pages,
        include,
        output,
        out,
        retries,
        mut wanted,
        kept,
    } = arguments;
    kept.check(&wanted, true)?;
    reject_two_readers(&request, &wanted)?;
    let prepared = request.prepare()?;
    pages.check(&prepared.method, include)?;
    name_api(&prepared.uri, &mut wanted, &kept)?;

    let sink = Sink::open(out.as_deref())?;
    // A response to HEAD has only headers.
    let include = include || prepared.method == Method::HEAD;
    let mut caller = Caller::new(wanted, kept, prepared, retries)?;
    if pages.are_wanted() {
        return pages::run(&mut caller, &pages, sink);
    }
    match caller.send(None)? {
        ApiResponse::Success(response) => output::print(*response, include, output, sink),
        ApiResponse::Rejected(rejected) => {
            if include {
                output::print_rejected(&rejected)?;
            }
            Err(rejected.into_failure())
        }
    }
}

/// Sets the audience of the token from the URL, unless an option names the API.
fn name_api(uri: &http::Uri, wanted: &mut TokenSettings, kept: &CacheSettings) -> Result<(), Failure> {
    let cloud = wanted.cloud()?;
    if wanted.names_api() {
        return Ok(());
    }
    let found = audience::of(uri, &cloud)?;
    // An account uses the cloud of its sign-in.
    if let Some(doubt) = found.doubt.filter(|_| !kept.is_for_account()) {
        warn(doubt, "name the cloud of the API with --authority-host");
    }
    wanted.default_resource(found.audience);
    tell(format_args!("resource: {} (from the {})", found.audience, found.from));
    Ok(())
}

/// Returns an error if two options read standard input.
fn reject_two_readers(request: &RequestSettings, wanted: &TokenSettings) -> Result<(), Failure> {
    let secret = wanted.secret_file().is_some_and(|file| file.as_os_str() == "-");
    if usize::from(secret) + request.readers_of_stdin() > 1 {
        return Err(Failure::text(Exit::Usage, "two options read standard input")
            .hint("write one of the inputs to a file, and name the file"));
    }
    Ok(())
}
