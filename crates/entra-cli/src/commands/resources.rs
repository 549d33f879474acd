//! The command `entra resources`: lists the well-known APIs.

use clap::Args;
use entra_proto::{Cloud, KnownApi, Scope};
use http::Uri;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{excerpt, print, print_json};
use crate::listing::{Form, ListOutput, Table};
use crate::terminal::{Stream, wrapped_behind};

/// List the well-known APIs with the audience and the scope for their tokens.
///
/// APIs compare an audience byte for byte, so copy it unchanged, with or without a slash at the
/// end. The scope is for the v2 endpoint; on the v1 endpoint the audience itself is the resource.
/// The table is part of this program: no request is sent.
///
/// In JSON each API has the members name, audience, scope, cloud, hosts and other_audiences, and
/// app_id and note if they are known.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra resources
  entra resources storage
  entra resources https://contoso.vault.azure.net/keys
  entra resources -o json")]
pub(crate) struct Arguments {
    /// Show all details of the APIs with this text in their name, audience, scope, ID, cloud or
    /// host, or of the API that serves this URL
    #[arg(value_name = "WORD|URL")]
    word: Option<String>,

    #[command(flatten)]
    output: ListOutput,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let word = arguments.word.as_deref().map(str::trim).filter(|word| !word.is_empty());
    let apis = found(word);
    if apis.is_empty() {
        let problem = format!(
            "no well-known API matches \"{}\"",
            excerpt(word.unwrap_or_default(), 100)
        );
        return Err(Failure::text(Exit::Usage, problem)
            .hint("`entra resources` lists all of them; the audience of your own API is its application ID URI"));
    }
    let form = arguments.output.form();
    if form == Form::Json {
        return print_json(&apis.iter().map(|api| to_json(api)).collect());
    }
    let width = Stream::Out.width().filter(|_| form == Form::Table);
    if word.is_none() {
        return print(&table(&apis).fitted(width));
    }
    let blocks: Vec<String> = apis.iter().map(|api| block(api, width)).collect();
    print(&blocks.join("\n\n"))
}

/// Returns the API that serves a URL, or else the APIs that contain the word in one of their texts.
fn found(word: Option<&str>) -> Vec<&'static KnownApi> {
    let Some(word) = word else {
        return KnownApi::all().iter().collect();
    };
    if let Some(api) = word.parse::<Uri>().ok().as_ref().and_then(KnownApi::at) {
        return vec![api];
    }
    let word = word.to_ascii_lowercase();
    let has = |text: &str| text.to_ascii_lowercase().contains(&word);
    let matches = |api: &&KnownApi| {
        let id = api.app_id.map(|id| id.to_string());
        has(api.name)
            || has(api.audience)
            || has(scope(api).as_str())
            || has(cloud(api))
            || id.is_some_and(|id| has(&id))
            || api.hosts.iter().chain(api.other_audiences).any(|text| has(text))
    };
    KnownApi::all().iter().filter(matches).collect()
}

/// Returns the name of the API's cloud, as `--authority-host` accepts it.
pub(crate) fn cloud(api: &KnownApi) -> &'static str {
    match api.cloud {
        Cloud::UsGovernment => "usgovernment",
        Cloud::China => "china",
        _ => "public",
    }
}

fn scope(api: &KnownApi) -> Scope {
    Scope::default_for(&api.resource())
}

fn table(apis: &[&KnownApi]) -> Table<4> {
    let rows = apis.iter().map(|api| {
        [
            api.name.to_owned(),
            cloud(api).to_owned(),
            api.audience.to_owned(),
            scope(api).to_string(),
        ]
    });
    Table::new(["API", "CLOUD", "AUDIENCE", "SCOPE"], rows)
}

/// Formats all details of an API, one on each line.
fn block(api: &KnownApi, width: Option<usize>) -> String {
    let scope = scope(api).to_string();
    let hosts = api.hosts.join(", ");
    let others = api.other_audiences.join(", ");
    let id = api.app_id.map(|id| id.to_string()).unwrap_or_default();
    let mut text = api.name.to_owned();
    for (label, value) in [
        ("audience", api.audience),
        ("scope", &scope),
        ("cloud", cloud(api)),
        ("accepts", &others),
        ("app id", &id),
        ("hosts", &hosts),
        ("note", api.note.unwrap_or_default()),
    ] {
        if !value.is_empty() {
            let value = width.map_or_else(|| value.to_owned(), |width| wrapped_behind(12, value, width, 12));
            text += &format!("\n  {label:8}  {value}");
        }
    }
    text
}

fn to_json(api: &KnownApi) -> Value {
    let mut object = json!({
        "name": api.name,
        "audience": api.audience,
        "other_audiences": api.other_audiences,
        "scope": scope(api).as_str(),
        "cloud": cloud(api),
        "hosts": api.hosts,
    });
    if let Some(id) = api.app_id {
        object["app_id"] = id.to_string().into();
    }
    if let Some(note) = api.note {
        object["note"] = note.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_urls_select_apis() {
        let names = |word| found(Some(word)).iter().map(|api| api.audience).collect::<Vec<_>>();
        assert_eq!(
            names("https://contoso.vault.azure.net/keys"),
            ["https://vault.azure.net"]
        );
        assert_eq!(names("6DAE42F8"), ["6dae42f8-4368-4678-94ff-3960e28e3630"]);
        assert_eq!(
            names("database.windows.net//.default"),
            ["https://database.windows.net/"]
        );
        assert_eq!(names("managed desktop").len(), 1);
        assert_eq!(names("Office 365 Management").len(), 4);
        assert_eq!(names("mmdls").len(), 1);
        assert!(names("china").len() > 5);
        assert!(names("nonesuch").is_empty());
        assert_eq!(found(None).len(), KnownApi::all().len());
    }

    #[test]
    fn cloud_names_are_valid_option_values() {
        for api in KnownApi::all() {
            assert_eq!(cloud(api).parse::<Cloud>().unwrap(), api.cloud);
        }
    }
}
