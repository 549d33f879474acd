//! The command `entra scope`: explains scopes and audiences.

use clap::{Args, Subcommand, ValueEnum};
use entra_proto::{EndpointVersion, Error, Guid, KnownApi, Scope, Target};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print, print_json};

/// Explain scopes and audiences.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show how a scope or an audience is requested, and which audience the token will have.
    ///
    /// A request to the v1 endpoint has the audience itself (resource). A request to the v2
    /// endpoint has the audience with /.default appended (scope), and the service removes the last
    /// slash and the text after it. So the scope for an audience that ends with a slash has two
    /// slashes: https://database.windows.net//.default
    #[command(after_help = "\
Examples:
  entra scope explain https://database.windows.net//.default
  entra scope explain https://graph.microsoft.com")]
    Explain {
        /// A scope that ends with /.default, several scopes as one quoted argument, or the audience
        /// of an API
        #[arg(value_name = "SCOPE|AUDIENCE", required = true)]
        targets: Vec<String>,

        /// Output format
        #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A few lines for each argument
    Text,
    /// A JSON list with one object for each argument
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Explain { targets, output } = &arguments.command;
    let explained = targets
        .iter()
        .map(|target| Explained::of(target))
        .collect::<Result<Vec<_>, _>>()?;
    match output {
        Output::Json => print_json(&explained.iter().map(Explained::to_json).collect()),
        Output::Text => {
            let texts: Vec<String> = explained.iter().map(Explained::to_text).collect();
            print(&texts.join("\n\n"))
        }
    }
}

/// The meaning of a scope or an audience.
struct Explained {
    text: String,
    is_scope: bool,
    audience: String,
    /// The parameter of a token request on the v1 endpoint, with its value.
    v1: (&'static str, String),
    /// The parameter of a token request on the v2 endpoint, with its value.
    v2: (&'static str, String),
    notes: Vec<String>,
    /// Another possible meaning.
    other: Option<String>,
}

impl Explained {
    fn of(text: &str) -> Result<Self, Failure> {
        // A text that ends with /.default, a short name, or several words are scopes. A URI or a
        // GUID is an audience.
        let is_short = !text.contains(':') && text.parse::<Guid>().is_err();
        let is_scope = Scope::resource_of_default(text).is_some() || text.contains(' ') || is_short;
        if is_short && looks_like_id(text) {
            return Err(Failure::text(
                Exit::Usage,
                format_args!(
                    "\"{}\" is neither a permission nor an application ID",
                    excerpt(text, 100)
                ),
            )
            .hint("write the complete ID, such as aaaabbbb-0000-cccc-1111-dddd2222eeee"));
        }
        let target = if is_scope {
            Target::scopes(text)
        } else {
            Target::resource(text)
        };
        let wrong = |error: Error| Failure::new(Exit::Usage, error);
        let target = target.map_err(wrong)?;
        let audience = target.audience().map_err(wrong)?.into_owned();
        let on = |version| {
            let (parameter, value) = target.wire_parameter(version).map_err(wrong)?;
            Ok::<_, Failure>((parameter, value.to_string()))
        };
        let mut notes = Vec::new();
        if audience.ends_with('/') {
            notes
                .push("the audience ends with a slash, and the v2 endpoint removes one slash with /.default: so the scope needs two".to_owned());
        } else if KnownApi::lacking_slash(&audience).is_some() {
            notes.push(format!(
                "this API expects {audience}/, with a slash, and rejects tokens for {audience}: request {audience}//.default"
            ));
        }
        if KnownApi::with_audience(&audience).is_none()
            && let Some(api) = audience.parse().ok().as_ref().and_then(KnownApi::at)
        {
            notes.push(format!(
                "this is a host of {}, whose audience is {}: `entra resources` lists well-known APIs",
                api.name, api.audience
            ));
        }
        if let Some(named) = text
            .split(' ')
            .filter_map(|word| word.parse::<Scope>().ok())
            .find(|scope| is_scope && !scope.is_default() && !scope.is_openid())
        {
            notes.push(format!(
                "{named} is a single permission: a daemon cannot request it, only {audience}/.default"
            ));
        }
        // A permission of an API looks like an audience with a path.
        let named = text
            .parse::<Scope>()
            .ok()
            .filter(|scope| !is_scope && scope.resource().is_some());
        let other = named.as_ref().and_then(|scope| scope.as_str().rsplit_once('/'));
        Ok(Self {
            text: text.to_owned(),
            is_scope,
            v1: on(EndpointVersion::V1)?,
            v2: on(EndpointVersion::V2)?,
            notes,
            other: other.map(|(api, permission)| {
                format!("if it is a scope: the permission {permission} of {api}, which a daemon cannot request")
            }),
            audience,
        })
    }

    fn to_text(&self) -> String {
        let mut lines = vec![self.text.clone(), format!("  audience     {}", self.audience)];
        for (name, (parameter, value)) in [("v1 endpoint", &self.v1), ("v2 endpoint", &self.v2)] {
            lines.push(format!("  {name}  {parameter}={value}"));
        }
        lines.extend(self.notes.iter().map(|note| format!("  note         {note}")));
        lines.extend(self.other.iter().map(|other| format!("  or           {other}")));
        lines.join("\n")
    }

    fn to_json(&self) -> Value {
        let notes = self.notes.iter().chain(&self.other);
        json!({
            "text": self.text,
            "kind": if self.is_scope { "scope" } else { "audience" },
            "audience": self.audience,
            "v1": { self.v1.0: self.v1.1 },
            "v2": { self.v2.0: self.v2.1 },
            "notes": notes.collect::<Vec<_>>(),
        })
    }
}

/// Returns true if a text is a part of a GUID or a misspelled GUID, and not the name of a
/// permission.
fn looks_like_id(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(text: &str) -> Result<String, Failure> {
        Explained::of(text).map(|explained| explained.to_text())
    }

    #[test]
    fn double_slash_is_explained() {
        for text in [
            "https://database.windows.net//.default",
            "https://database.windows.net/",
        ] {
            let explained = explain(text).unwrap();
            assert!(
                explained.contains("audience     https://database.windows.net/\n"),
                "{explained}"
            );
            assert!(
                explained.contains("v1 endpoint  resource=https://database.windows.net/\n"),
                "{explained}"
            );
            assert!(
                explained.contains("v2 endpoint  scope=https://database.windows.net//.default\n"),
                "{explained}"
            );
        }
        assert!(
            explain("https://graph.microsoft.com/User.Read")
                .unwrap()
                .contains("the permission User.Read of https://graph.microsoft.com,")
        );
        assert!(!explain("https://graph.microsoft.com").unwrap().contains("permission"));
        assert!(
            explain("cccccccc-0000-0000-0000-dddddddddddd")
                .unwrap()
                .contains("scope=cccccccc-0000-0000-0000-dddddddddddd/.default")
        );
        assert_eq!(explain("openid").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn host_of_known_api_shows_its_audience() {
        for (host, audience) in [
            (
                "https://mmdls.microsoft.com",
                "https://mwaas-services-customerapi-prod.azurewebsites.net",
            ),
            ("https://contoso.vault.azure.net/", "https://vault.azure.net"),
        ] {
            let explained = explain(host).unwrap();
            assert!(
                explained.contains(&format!("whose audience is {audience}:")),
                "{explained}"
            );
        }
        for text in [
            "https://graph.microsoft.com",
            "https://graph.microsoft.com.evil.example",
            "api://contoso",
        ] {
            assert!(!explain(text).unwrap().contains("whose audience"), "{text}");
        }
        assert!(
            explain("https://database.chinacloudapi.cn")
                .unwrap()
                .contains("with a slash")
        );
    }

    #[test]
    fn partial_id_is_not_a_permission() {
        for text in ["0000-1", "aaaabbbb-0000-cccc-1111-dddd2222eee", "1"] {
            let failure = explain(text).unwrap_err();
            assert!(failure.problem.contains("neither a permission nor"), "{failure}");
        }
        assert!(explain("User.Read").is_ok() && explain("access").is_ok());
    }
}
