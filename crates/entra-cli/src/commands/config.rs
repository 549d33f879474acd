//! The command `entra config`: shows settings and their sources, and writes a file with profiles.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use entra_proto::{ClientId, Tenant};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{harmless, print, print_json, replace, tell, write_new};
use crate::listing::{Form, ListOutput, Table};
use crate::message::warn;
use crate::profile::{FILE, KEYS, NAME_RULE, is_name, project_file, user_file};
use crate::sanitize::{shown, without_secrets};
use crate::settings::{ApplicationSettings, cloud_at, is_allowed_in_project};
use crate::source::Traced;
use crate::terminal::{Stream, columns};

/// Manage profiles: named settings of applications, in entra.toml.
///
/// A setting is taken from the first of these that has it: an option, an environment variable, the
/// profile in the project's file, the profile of the same name in the user's file. --profile or
/// ENTRA_PROFILE names the profile; otherwise default_profile does, in the project's file or else
/// in the user's. Without any of them, no profile is used.
///
/// The project's file is entra.toml in the current folder or the nearest folder above it. The
/// search ends at the root of the repository (where .git is) or below the home folder; outside of
/// both, only the current folder is searched. The user's file is entra/entra.toml in
/// $XDG_CONFIG_HOME, or in ~/.config, or on Windows in %LOCALAPPDATA%. Relative paths in a file
/// start at the file's folder.
///
/// The files contain no secrets: name a file with the secret (secret_file), or set
/// AZURE_CLIENT_SECRET.
///
/// A project's file may come from an untrusted source, so it cannot send your secret to another
/// place: it can only name Microsoft's clouds and this machine, and only files in its own folder
/// (links are resolved). If it names an authority on this machine, only a credential of that folder
/// is used. It can choose the tenant and the application: `entra config show` shows both before a
/// request is sent.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show each setting and its source
    ///
    /// Takes the options of `entra token`, and shows the settings that result from the options, the
    /// environment variables and the profile. Secrets are shown as "set".
    #[command(after_help = "\
Examples:
  entra config show
  entra config show --profile contoso -o json")]
    Show(Box<Show>),
    /// Write an entra.toml with a comment for each setting
    ///
    /// Writes to the current folder, or with --user to the user's folder. The command does not
    /// prompt. It does not replace an existing file without --force.
    #[command(after_help = "\
Examples:
  entra config init --tenant contoso.onmicrosoft.com \\
    --client-id 00001111-aaaa-2222-bbbb-3333cccc4444
  entra config init contoso --user")]
    Init(Init),
    /// Print the paths of the files: the project's, then the user's
    ///
    /// The path of the project's file is printed only if the file exists; the path of the user's
    /// file is always printed.
    Path,
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    application: Traced<ApplicationSettings>,

    #[command(flatten)]
    output: ListOutput,
}

#[derive(Args)]
struct Init {
    /// Name of the profile
    #[arg(value_name = "NAME", default_value = "default")]
    name: String,

    /// Tenant of the profile: its ID or a domain
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// Application (client) ID of the profile
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,

    /// Authority of the profile: public, usgovernment, china or an address
    #[arg(long, value_name = "HOST")]
    authority_host: Option<String>,

    /// Write the user's file instead of a project's file
    #[arg(long)]
    user: bool,

    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Show(arguments) => show(arguments),
        Command::Init(arguments) => init(arguments),
        Command::Path => path(),
    }
}

fn show(arguments: &Show) -> Result<(), Failure> {
    let application = &arguments.application;
    let profile = application.settings.profile()?;
    let rows = application.rows()?;
    let form = arguments.output.form();
    match form {
        Form::Json => {
            let files = profile.files.iter().map(|file| {
                json!({
                    "path": without_secrets(&file.path.to_string_lossy()),
                    "kind": if file.is_project { "project" } else { "user" },
                    "default_profile": file.default_profile.as_ref().map(|(name, _)| name),
                    "profiles": file.profiles.keys().collect::<Vec<_>>(),
                })
            });
            let settings = rows.iter().map(|row| {
                json!({
                    "name": row.name,
                    "value": row.value.as_deref().map(without_secrets),
                    "source": row.source.to_json(),
                })
            });
            print_json(&json!({
                "profile": profile.name,
                "files": files.collect::<Vec<Value>>(),
                "settings": settings.collect::<Vec<Value>>(),
            }))?;
        }
        Form::Table | Form::Text => {
            let mut lines = vec![[
                "profile".to_owned(),
                profile.name.clone().unwrap_or_else(|| "none".to_owned()),
                String::new(),
            ]];
            lines.extend(rows.iter().map(|row| {
                let value = row.value.as_deref().map_or_else(|| "not set".to_owned(), harmless);
                let source = if row.value.is_some() {
                    row.source.to_string()
                } else {
                    String::new()
                };
                [row.name.to_owned(), value, source]
            }));
            if form == Form::Table {
                print(&Table::new(["SETTING", "VALUE", "SOURCE"], lines).fitted(Stream::Out.width()))?;
            } else {
                print(&columns(&lines))?;
            }
        }
    }
    // An error that would end a command which sends a request is only a warning here.
    if let Err(failure) = application.settings.check() {
        failure.warn("these settings cannot be used");
    }
    Ok(())
}

fn init(arguments: &Init) -> Result<(), Failure> {
    let text = contents(arguments)?;
    let path = if arguments.user {
        user_file().ok_or_else(|| {
            Failure::text(Exit::Configuration, "there is no home folder for the user's file")
                .hint("set HOME or XDG_CONFIG_HOME")
        })?
    } else {
        PathBuf::from(FILE)
    };
    let failed = |error: &io::Error| Failure::of(Exit::Output, error).context(shown(&path));
    if let Some(folder) = path.parent().filter(|folder| arguments.user && !folder.exists()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::of(Exit::Output, &error)
                .context(format_args!("the folder {}", shown(folder)))
                .hint("check for a file or a broken link at that path, or set XDG_CONFIG_HOME")
        })?;
    }
    if arguments.force {
        replace(&path, &text).map_err(|error| failed(&error))?;
    } else if path.symlink_metadata().is_ok() {
        return Err(Failure::text(Exit::Output, format!("{} already exists", shown(&path)))
            .hint("edit it, or replace it with --force"));
    } else {
        write_new(&path, &text, false)?;
    }
    tell(format_args!(
        "wrote {}; `entra config show` shows the result",
        shown(&path)
    ));
    Ok(())
}

/// Returns the contents of the file: the given values, and a commented example for every other
/// setting.
fn contents(arguments: &Init) -> Result<String, Failure> {
    if !is_name(&arguments.name) {
        return Err(Failure::text(Exit::Usage, "the name of the profile is not valid").hint(NAME_RULE));
    }
    // Without quotes, a dot starts another table in TOML.
    let quote = if arguments.name.contains('.') { "\"" } else { "" };
    let tenant = arguments.tenant.as_deref().map(str::parse::<Tenant>).transpose()?;
    let client_id = arguments.client_id.as_deref().map(str::parse::<ClientId>).transpose()?;
    let cloud = arguments.authority_host.as_deref().map(cloud_at).transpose()?;
    if let Some(cloud) = cloud
        .as_ref()
        .filter(|cloud| !arguments.user && !is_allowed_in_project(cloud))
    {
        warn(
            format_args!("a project's file cannot name this authority: {}", cloud.origin()),
            "write the user's own file with --user, or set AZURE_AUTHORITY_HOST",
        );
    }
    let given = |name: &str| match name {
        "tenant" => tenant.as_ref().map(ToString::to_string),
        "client_id" => client_id.map(|id| id.to_string()),
        "authority_host" => cloud.as_ref().map(|cloud| cloud.origin().to_owned()),
        _ => None,
    };
    let mut lines = vec![
        "# Settings of the entra command. `entra config --help` explains which file takes precedence.".to_owned(),
        "# Do not write secrets here: name a file with the secret, or set AZURE_CLIENT_SECRET.".to_owned(),
        format!("default_profile = \"{}\"", arguments.name),
        String::new(),
        format!("[profile.{quote}{}{quote}]", arguments.name),
    ];
    for key in &KEYS {
        lines.push(match given(key.name) {
            Some(value) => format!("{} = \"{value}\"  # {}", key.name, key.remark),
            None => format!("# {} = {}  # {}", key.name, key.example, key.remark),
        });
    }
    Ok(lines.join("\n") + "\n")
}

fn path() -> Result<(), Failure> {
    let paths: Vec<String> = [project_file(), user_file()]
        .iter()
        .flatten()
        .map(|path| shown(Path::new(path)))
        .collect();
    if paths.is_empty() {
        return Err(Failure::text(
            Exit::Configuration,
            "there is no project file, and no home folder for the user's file",
        )
        .hint("set HOME"));
    }
    print(&paths.join("\n"))
}
