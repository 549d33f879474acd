//! `entra resources`: the well-known APIs as text and as JSON.

use serde_json::Value;

#[cfg(unix)]
use crate::common::terminal;
use crate::common::{err, fails, out, run};

#[test]
fn each_api_is_a_line_with_audience_and_scope() {
    let output = run(&["resources", "-o", "table"], &[]);
    assert!(output.status.success() && err(&output).is_empty(), "{}", err(&output));
    let lines: Vec<Vec<&str>> = out(&output)
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(lines[0], ["API", "CLOUD", "AUDIENCE", "SCOPE"]);
    for (name, cloud, audience) in [
        ("Microsoft Graph", "public", "https://graph.microsoft.com"),
        (
            "Azure SQL Database",
            "usgovernment",
            "https://database.usgovcloudapi.net/",
        ),
        (
            "Office 365 Management APIs",
            "usgovernment",
            "https://manage.office365.us",
        ),
        (
            "Azure Kubernetes Service",
            "public",
            "6dae42f8-4368-4678-94ff-3960e28e3630",
        ),
    ] {
        let scope = format!("{audience}/.default");
        let line = vec![name, cloud, audience, &*scope];
        assert!(lines.contains(&line), "{line:?}: {}", out(&output));
    }
    assert!(lines.iter().all(|line| line.len() == 4));
}

#[test]
fn word_or_url_shows_apis_in_full() {
    let output = run(
        &[
            "resources",
            "https://contoso.blob.core.windows.net/a?sig=canary",
            "-o",
            "text",
        ],
        &[],
    );
    assert!(out(&output).starts_with("Azure Storage\n  audience  https://storage.azure.com\n"));
    assert!(
        out(&output).contains("  note      requests need the header x-ms-version"),
        "{}",
        out(&output)
    );
    assert_eq!(out(&output).matches("audience  ").count(), 1);

    let output = run(&["resources", "SQL database", "-o", "text"], &[]);
    assert_eq!(out(&output).matches("a scope needs two").count(), 3, "{}", out(&output));
    assert!(out(&output).contains("\n  scope     https://database.windows.net//.default\n"));
}

#[test]
fn word_without_a_match_is_an_error() {
    for word in ["nonesuch", "https://graph.microsoft.com.evil.example/v1.0"] {
        let output = run(&["resources", word], &[]);
        fails(
            &output,
            2,
            &["no well-known API matches", "`entra resources` lists all of them"],
        );
    }
}

#[test]
fn json_lists_objects() {
    let output = run(&["resources", "-o", "json"], &[]);
    let apis: Value = serde_json::from_str(out(&output)).unwrap();
    let apis = apis.as_array().unwrap();
    assert!(apis.len() > 30);
    for api in apis {
        let scope = format!("{}/.default", api["audience"].as_str().unwrap());
        assert_eq!(api["scope"], *scope, "{api}");
        assert!(api["hosts"].is_array() && api["name"].is_string() && api["cloud"].is_string());
    }
    let output = run(&["resources", "mmdls", "-o", "json"], &[]);
    let apis: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(
        apis[0]["audience"],
        "https://mwaas-services-customerapi-prod.azurewebsites.net"
    );
    assert!(apis[0].get("app_id").is_none(), "{apis}");
}

#[test]
#[cfg(unix)]
fn narrow_terminal_gets_lines_for_each_api() {
    let Some(recording) = terminal::record(60, &["resources", "storage"], &[("TERM", "xterm")], &[]) else {
        return;
    };
    let screen = recording.screen();
    assert!(screen.wrapped.is_empty(), "{:?}", screen.lines());
    assert!(
        screen.lines().iter().any(|line| line == "  cloud     public"),
        "{:?}",
        screen.lines()
    );
}
