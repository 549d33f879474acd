use clap::{Args, Subcommand};
use entra_proto::{EndpointVersion, Guid, Scope, Target};

use crate::exit::{Exit, Failure};
use crate::files::print;

/// Work with scopes.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what a scope or an API's audience becomes on the v1 and the v2 endpoint, and which audience its token will have.
    ///
    /// The v1 endpoint takes an audience as it is; the v2 endpoint takes it with /.default behind it, and cuts at the last slash. So
    /// an audience that ends with a slash needs two of them: https://database.windows.net//.default
    #[command(after_help = "\
Examples:
  entra scope explain https://database.windows.net//.default
  entra scope explain https://graph.microsoft.com")]
    Explain {
        /// A scope that ends with /.default, several scopes in quotes, or an API's audience
        #[arg(value_name = "SCOPE|AUDIENCE", required = true)]
        targets: Vec<String>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Command::Explain { targets } = &arguments.command;
    let explained = targets
        .iter()
        .map(|target| explain(target))
        .collect::<Result<Vec<_>, _>>()?;
    print(explained.join("\n\n").trim_end())
}

fn explain(text: &str) -> Result<String, Failure> {
    // What ends with /.default, is a short name or is more than one word is scopes; an address or a GUID is an audience.
    let is_short = !text.contains(':') && text.parse::<Guid>().is_err();
    let is_scope = text.ends_with("/.default") || text.contains(' ') || is_short;
    let target = if is_scope {
        Target::scopes(text)
    } else {
        Target::resource(text)
    };
    let target = target.map_err(|error| Failure::new(Exit::Usage, error))?;
    let audience = target.audience().map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut lines = vec![format!("{text}"), format!("  audience     {audience}")];
    for (name, version) in [
        ("v1 endpoint", EndpointVersion::V1),
        ("v2 endpoint", EndpointVersion::V2),
    ] {
        let (parameter, value) = target.on(version).map_err(|error| Failure::new(Exit::Usage, error))?;
        lines.push(format!("  {name}  {parameter}={value}"));
    }
    if audience.ends_with('/') {
        lines.push(
            "  note         the audience ends with a slash, and the v2 endpoint cuts at the last one: hence two".into(),
        );
    } else if SLASHED.contains(&&*audience) {
        lines.push(format!("  note         this API expects {audience}/, with a slash, and refuses this token: ask for {audience}//.default"));
    }
    if let Some(named) = text
        .split(' ')
        .filter_map(|word| word.parse::<Scope>().ok())
        .find(|scope| is_scope && !scope.is_default() && !scope.is_openid())
    {
        lines.push(format!(
            "  note         {named} is one permission: no daemon can ask for it alone, only for {audience}/.default"
        ));
    }
    // A permission of an API looks like an audience with a path.
    let named = text
        .parse::<Scope>()
        .ok()
        .filter(|scope| !is_scope && scope.resource().is_some());
    if let Some((api, permission)) = named.as_ref().and_then(|scope| scope.as_str().rsplit_once('/')) {
        lines.push(format!(
            "  or           if it is a scope: the permission {permission} of {api}, which no daemon can ask for alone"
        ));
    }
    Ok(lines.join("\n"))
}

/// The APIs that are known to expect a slash, without it.
pub(crate) const SLASHED: [&str; 1] = ["https://database.windows.net"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_double_slash_is_explained() {
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
}
