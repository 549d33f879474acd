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

/// Profiles: settings of applications under a name, in entra.toml.
///
/// A setting comes from the first of these that has it: an option, an environment variable, the profile in the project's file, the
/// profile of the same name in the user's file. The profile is the one that --profile or ENTRA_PROFILE names, else the one that
/// default_profile names in the project's file, then in the user's. Without any, no profile is used.
///
/// The project's file is entra.toml in the current folder or the nearest one above it, up to the root of the repository (where .git is)
/// or up to the home folder, which is not searched; outside of both, the current folder alone. The user's file is entra/entra.toml in
/// $XDG_CONFIG_HOME, or in ~/.config, or on Windows in %LOCALAPPDATA%. Paths in a file begin at the file's folder.
///
/// A file holds no secret: it names a file with it (secret_file), or the secret comes from AZURE_CLIENT_SECRET.
///
/// A project's file may come from an untrusted source, so it cannot send your secret away: it may name Microsoft's clouds and this machine
/// only, and no file outside its own folder (links count as what they lead to). If it names an authority on this machine, only a
/// credential of that folder is used. It does choose the tenant and the application: `entra config show` shows both before anything is
/// sent.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show each setting, and where it comes from
    ///
    /// Takes the options of `entra token` and shows what they, the variables and the profile come to. Secrets are shown as "set".
    #[command(after_help = "\
Examples:
  entra config show
  entra config show --profile contoso -o json")]
    Show(Box<Show>),
    /// Write an entra.toml with a comment for each setting
    ///
    /// It is written to the current folder, or with --user to the user's folder. Nothing is asked, and an existing file is left
    /// alone unless --force is given.
    #[command(after_help = "\
Examples:
  entra config init --tenant contoso.onmicrosoft.com \\
    --client-id 00001111-aaaa-2222-bbbb-3333cccc4444
  entra config init contoso --user")]
    Init(Init),
    /// Print where the files are: the project's, then the user's
    ///
    /// A project's file is printed if there is one; the user's is printed even if it is not there yet.
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
    /// The name of the profile
    #[arg(value_name = "NAME", default_value = "default")]
    name: String,

    /// The tenant of the profile: its ID, or a domain
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,

    /// The application (client) ID of the profile
    #[arg(long, value_name = "GUID")]
    client_id: Option<String>,

    /// The authority of the profile: public, usgovernment, china or an address
    #[arg(long, value_name = "HOST")]
    authority_host: Option<String>,

    /// Write the user's own file instead of a project's
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
    // What would end a command that sends something.
    if let Err(failure) = application.settings.check() {
        failure.warn("these settings cannot be used");
    }
    Ok(())
}

fn init(arguments: &Init) -> Result<(), Failure> {
    let text = contents(arguments)?;
    let path = if arguments.user {
        user_file().ok_or_else(|| {
            Failure::text(Exit::Configuration, "there is no home for the user's file")
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
                .hint("look for a file or a broken link in its place, or set XDG_CONFIG_HOME")
        })?;
    }
    if arguments.force {
        replace(&path, &text).map_err(|error| failed(&error))?;
    } else if path.symlink_metadata().is_ok() {
        return Err(Failure::text(Exit::Output, format!("{} exists already", shown(&path)))
            .hint("edit it, or give --force to replace it"));
    } else {
        write_new(&path, &text, false)?;
    }
    tell(format_args!(
        "wrote {}; see the result with `entra config show`",
        shown(&path)
    ));
    Ok(())
}

/// The file: what was given, and a remark with an example for everything else.
fn contents(arguments: &Init) -> Result<String, Failure> {
    if !is_name(&arguments.name) {
        return Err(Failure::text(Exit::Usage, "the name of the profile is not valid").hint(NAME_RULE));
    }
    // Without quotes, TOML reads a dot as the start of another table.
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
        "# Settings of the entra command. `entra config --help` says which file goes before which.".to_owned(),
        "# No secret belongs here: name a file with it, or set AZURE_CLIENT_SECRET.".to_owned(),
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
        return Err(Failure::text(Exit::Configuration, "there is no file, and no home for one").hint("set HOME"));
    }
    print(&paths.join("\n"))
}
