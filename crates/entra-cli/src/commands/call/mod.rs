//! `entra call`: one request to an API, with a token.

mod audience;
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
use crate::commands::call::send::{Caller, Reply};
use crate::exit::{Exit, Failure};
use crate::files::tell;
use crate::message::warn;
use crate::silent::CacheSettings;
use crate::token_settings::TokenSettings;

/// Call an API with a token: a request, its retries, and the pages of its result.
///
/// The API that the token is for is inferred from the host of the URL if it is one that `entra resources` lists, and named on standard
/// error. For every other host, name it with --resource or --scope. The token goes to the host of the URL alone: no redirect is
/// followed, and no page at another host. It is never printed: where the API repeats it, "[not shown]" stands in its place.
///
/// The body of the response goes to standard output: indented if it is JSON and standard output is a terminal, otherwise byte for byte.
/// A status of 300 or more, except 304, is a failure: its exit code is 6 where a permission is missing and 10 otherwise, and standard output has no
/// result, except with --include.
///
/// A request that the API does not take yet (status 429 or 503, or code AF429) is sent again after the pause that the API asks for. If
/// the API rejects the token, another one is requested, once.
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

    /// How the body is printed
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Auto)]
    output: Output,

    /// Write the body to this file, or to standard output if it is "-". An existing file is replaced once the body is complete
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How often to send the request again when the API does not take it yet
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=20))]
    retries: u32,

    #[command(flatten)]
    wanted: TokenSettings,

    #[command(flatten)]
    kept: CacheSettings,
}

/// How the body of a response is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// JSON indented at a terminal, everything else byte for byte
    Auto,
    /// Byte for byte
    Raw,
    /// JSON indented, and a failure as JSON
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
    kept.check(true)?;
    refuse_two_readers(&request, &wanted)?;
    let prepared = request.prepare()?;
    pages.check(&prepared.method, include)?;
    name_api(&prepared.uri, &mut wanted, &kept)?;

    let sink = Sink::open(out.as_deref())?;
    // A response to HEAD is its headers.
    let include = include || prepared.method == Method::HEAD;
    let mut caller = Caller::new(wanted, kept, prepared, retries)?;
    if pages.are_wanted() {
        return pages::run(&mut caller, &pages, sink);
    }
    match caller.send(None)? {
        Reply::Success(response) => output::print(*response, include, output, sink),
        Reply::Rejected(rejected) => {
            if include {
                output::print_rejected(&rejected)?;
            }
            Err(rejected.into_failure())
        }
    }
}

/// Names the API that the token is for, where no option does.
fn name_api(uri: &http::Uri, wanted: &mut TokenSettings, kept: &CacheSettings) -> Result<(), Failure> {
    let cloud = wanted.settings().settings.cloud()?;
    if wanted.names_api() {
        return Ok(());
    }
    let found = audience::of(uri, &cloud)?;
    // The cloud of an account is that of its sign-in.
    if let Some(doubt) = found.doubt.filter(|_| !kept.is_for_account()) {
        warn(doubt, "name the right cloud with --authority-host");
    }
    wanted.default_resource(found.audience);
    tell(format_args!("resource: {} (from the {})", found.audience, found.from));
    Ok(())
}

/// Refuses two options that read standard input.
fn refuse_two_readers(request: &RequestSettings, wanted: &TokenSettings) -> Result<(), Failure> {
    let secret = wanted.secret_file().is_some_and(|file| file.as_os_str() == "-");
    if usize::from(secret) + request.readers_of_stdin() > 1 {
        return Err(Failure::text(Exit::Usage, "two options read standard input")
            .hint("write one of the two to a file, and name the file"));
    }
    Ok(())
}
