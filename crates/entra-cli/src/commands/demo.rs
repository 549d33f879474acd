//! The command `entra demo`: shows the other commands at work against an emulator in this process.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use clap::Args;
use entra_emulator::{App, Emulator};
use rcgen::RsaKeySize;
use serde_json::Value;

use crate::commands::cert::self_signed;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print, random_name, write_new};
use crate::sanitize::shell_quoted;
use crate::terminal::{Stream, wrapped};

/// Show the main commands in ten short steps against a local emulator.
///
/// Each step prints its command, so that you can type it yourself. The steps cover tokens and their
/// cache, calls with paging, certificates, common errors with their hints, the Office 365 activity
/// feed, and Managed Desktop. Nothing leaves this machine, and the files of the demo are removed at
/// the end.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Seed of the generated values: the same seed generates the same tenant and applications
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (key, certificate) = self_signed("certified daemon", RsaKeySize::_2048, Duration::from_secs(365 * 86_400))?;
    let emulator = Emulator::builder()
        .seed(arguments.seed)
        .app(
            App::new("reporting daemon")
                .grant(Emulator::GRAPH, "User.Read.All")
                .grant(Emulator::OFFICE_MANAGEMENT, "ActivityFeed.Read")
                .grant(Emulator::MANAGED_DESKTOP, "MmdSupport.ReadWrite"),
        )
        .app(
            App::new("certified daemon")
                .without_secrets()
                .certificate_pem(certificate.as_str())
                .grant(Emulator::GRAPH, "User.Read.All"),
        )
        .app(App::new("forgotten daemon").request(Emulator::GRAPH, "User.Read.All"))
        .try_start()
        .map_err(|error| Failure::of(Exit::Network, &error))?;
    let folder = Folder::new()?;
    write_new(
        &folder.0.join("daemon.pem"),
        &format!("{}{certificate}", key.as_str()),
        true,
    )?;
    write_new(&folder.0.join("daemon.py"), SNIPPET, false)?;
    let program = env::current_exe().map_err(|error| Failure::of(Exit::NotRun, &error))?;
    Demo {
        emulator,
        folder,
        program,
    }
    .tour()
}

/// A program with two errors.
const SNIPPET: &str = "\
authority = \" https://login.microsoftonline.com/contoso.com\"
body = \"grant_type=client_credential&scope=https://graph.microsoft.com/.default\"
";

struct Demo {
    emulator: Emulator,
    folder: Folder,
    program: PathBuf,
}

impl Demo {
    fn tour(&self) -> Result<(), Failure> {
        let emulator = &self.emulator;
        let resource = ["--resource", Emulator::GRAPH];
        let daemon = self.application("reporting daemon")?;
        say(&format!(
            "1. A local token service\n   {} behaves like Entra, for the tenant {} ({}). Its application \"reporting daemon\" may read \
             users, the activity feed and devices. To start one for your own tests: entra emulator",
            emulator.base_url(),
            emulator.domain(),
            emulator.tenant_id()
        ))?;

        say("\n2. A token, and the same token from the cache")?;
        let token = [&["token", "--cache"][..], &resource].concat();
        let before = emulator.request_count();
        self.show(&daemon, &token, Shown::Notes)?;
        let between = emulator.request_count();
        self.show(&daemon, &token, Shown::Notes)?;
        say(&format!(
            "   Requests to the service: {} for the first command, {} for the second.",
            between - before,
            emulator.request_count() - between
        ))?;

        say("\n3. A call to an API, with all pages of its result")?;
        let users = format!("{}/users?$top=2&$select=displayName", emulator.graph_url());
        self.show(&daemon, &["call", "GET", "--paginate", &users], Shown::All)?;

        say(
            "\n4. What to request for an API\n   Azure SQL has a slash at the end of its audience, so the scope has two:",
        )?;
        self.show(
            &daemon,
            &["scope", "explain", "https://database.windows.net/"],
            Shown::All,
        )?;

        say(
            "\n5. A certificate instead of a secret\n   `entra cert new` made daemon.pem; its certificate is registered for \"certified daemon\".",
        )?;
        let certified = self.application("certified daemon")?;
        let token = [&["token", "--certificate", "daemon.pem"][..], &resource].concat();
        self.show(&certified, &token, Shown::Notes)?;

        say(
            "\n6. Consent that is missing\n   \"forgotten daemon\" requests the same permission, but no administrator has granted it:",
        )?;
        let forgotten = self.application("forgotten daemon")?;
        let users = format!("{}/users", emulator.graph_url());
        self.show(&forgotten, &["call", "GET", &users], Shown::Failure(Exit::Permission))?;

        say("\n7. A wrong secret, and what to do\n   AZURE_CLIENT_SECRET has the secret's ID here, not its value:")?;
        let mut wrong = daemon.clone();
        wrong.secret = Some("206c46f6-0f25-49e8-8d74-b87362acd6f5".to_owned());
        self.show(
            &wrong,
            &[&["token"][..], &resource].concat(),
            Shown::Failure(Exit::Rejected),
        )?;

        say("\n8. Errors in code, before it runs")?;
        self.show(&daemon, &["lint", "daemon.py"], Shown::Failure(Exit::Findings))?;

        say("\n9. The Office 365 activity feed: subscribe, list contents, read one")?;
        let feed = format!("{}/subscriptions", emulator.activity_url());
        let kind = "contentType=Audit.Exchange";
        self.show(&daemon, &["call", "POST", &format!("{feed}/start?{kind}")], Shown::All)?;
        let contents = self.show(&daemon, &["call", "GET", &format!("{feed}/content?{kind}")], Shown::All)?;
        let contents: Value = serde_json::from_slice(&contents.stdout).unwrap_or_default();
        let content = contents[0]["contentUri"].as_str().unwrap_or_default();
        let records = self.show(&daemon, &["call", "GET", content], Shown::All)?;
        let records: Value = serde_json::from_slice(&records.stdout).unwrap_or_default();
        let text = |name: &str| excerpt(records[0][name].as_str().unwrap_or("?"), 60);
        say(&format!(
            "   Records: {}. The first: {} by {}.",
            records.as_array().map_or(0, Vec::len),
            text("Operation"),
            text("UserId")
        ))?;

        say("\n10. Microsoft Managed Desktop: an API whose audience is not its host")?;
        let devices = format!("{}/devices?$top=1", emulator.managed_desktop_url());
        self.show(&daemon, &["call", "GET", &devices], Shown::All)?;

        say(&format!(
            "\nRequests: {}, all to {}. Next: entra --help",
            emulator.request_count(),
            emulator.base_url()
        ))
    }

    fn application(&self, name: &str) -> Result<Identity, Failure> {
        let app = self.emulator.app(name);
        let app = app.ok_or_else(|| Failure::text(Exit::Configuration, format!("no {name}")))?;
        Ok(Identity::of(app))
    }

    /// Runs a command as this application, and prints the command and its output.
    fn show(&self, identity: &Identity, words: &[&str], shown: Shown) -> Result<Output, Failure> {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(&self.folder.0).env_clear();
        for name in ["PATH", "SystemRoot", "TEMP", "TMP"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command
            .env("AZURE_AUTHORITY_HOST", self.emulator.base_url())
            .env("AZURE_TENANT_ID", self.emulator.tenant_id())
            .env("AZURE_CLIENT_ID", &identity.client_id)
            .env("ENTRA_STORE", self.folder.0.join("store"))
            .env("HOME", &self.folder.0)
            .envs(identity.secret.as_ref().map(|secret| ("AZURE_CLIENT_SECRET", secret)));
        let output = command.output().map_err(|error| Failure::of(Exit::NotRun, &error))?;
        let line = words
            .iter()
            .map(|word| shell_quoted(word))
            .collect::<Vec<_>>()
            .join(" ");
        let mut text = format!("   $ entra {line}");
        let results = String::from_utf8_lossy(&output.stdout);
        let notes = String::from_utf8_lossy(&output.stderr);
        let results = if shown == Shown::Notes { "" } else { &*results };
        for (lines, limit) in [(&*notes, LONGEST_NOTE), (results, LONGEST_RESULT)] {
            for line in lines.lines() {
                text += &format!("\n     {}", excerpt(line, limit));
            }
        }
        say(&text)?;
        let expected = match shown {
            Shown::Failure(exit) => exit as i32,
            Shown::All | Shown::Notes => 0,
        };
        if output.status.code() != Some(expected) {
            return Err(Failure::text(
                Exit::NotRun,
                "a step of the demo ended with an unexpected exit code",
            ));
        }
        Ok(output)
    }
}

/// The output of a command that is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    /// Only standard error, because the result is a token.
    Notes,
    /// All output of a command that is expected to fail with this exit code.
    Failure(Exit),
}

/// The credentials of an application, for the environment variables of a command.
#[derive(Clone)]
struct Identity {
    client_id: String,
    secret: Option<String>,
}

impl Identity {
    fn of(app: &App) -> Self {
        let secret = app.secrets.iter().flatten().next();
        Self {
            client_id: app.client_id.clone(),
            secret: secret.map(|secret| secret.value.clone()),
        }
    }
}

/// A private temporary folder, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let failed = |error| Failure::of(Exit::Output, &error).context("a temporary folder");
        let path = env::temp_dir().join(format!("entra-demo-{}", random_name().map_err(failed)?));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        let _ = fs::remove_dir_all(path);
    }
}

fn say(text: &str) -> Result<(), Failure> {
    print(&wrapped(text, Stream::Out.width().unwrap_or(USUAL_WIDTH), 2))
}

/// The width of the text if standard output is not a terminal, in columns.
const USUAL_WIDTH: usize = 100;

/// The most characters shown of a line of standard error.
const LONGEST_NOTE: usize = 700;
/// The most characters shown of a line of standard output.
const LONGEST_RESULT: usize = 160;
