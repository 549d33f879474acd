//! The command `entra lint`: finds common errors in files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::environment::nearest;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, harmless, print, print_json, tell};
use crate::linter::{Finding, RULES, Skipped, check, inputs};
use crate::linter::{Level, Rule};
use crate::message::warn_only;
use crate::sanitize::without_secrets;
use crate::terminal::{Stream, columns, wrapped};

/// Find common Entra errors in code, configuration and documents.
///
/// The rules find, among others, misspelled grant types, scopes in place of resources, missing
/// slashes and /.default, secrets in files, and placeholders. --list prints the rules, and
/// --explain RULE explains one.
///
/// The command reads lines and does not parse any language: a rule reads one line, or a URL
/// together with the parameters near it. Texts that are joined in one line ("a" + "b") are read,
/// and so are YAML lists below `scope:`. A value that is joined with a variable or over several
/// lines is not.
///
/// Folders are searched recursively. Links are not followed. The folders of tools (.git, target,
/// node_modules), binary files and files over 4 MiB are skipped. The comment "entra-lint: allow
/// RULE" turns a rule off for its line and the next one. Secrets that are found are not printed.
///
/// The exit code is 11 if a problem is found, and 0 otherwise, even with notes. The JSON output has
/// findings (each with file, line, column, rule, level, problem and hints) and files, the number of
/// files that were read.
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra lint src .env README.md
  git diff | entra lint -
  entra lint . --allow placeholder -o json
  entra lint --explain resource-slash")]
pub(crate) struct Arguments {
    /// Files and folders to read; "-" is standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "explain"])]
    files: Vec<PathBuf>,

    /// Turn this rule off; may be repeated
    #[arg(long, value_name = "RULE")]
    allow: Vec<String>,

    /// List the rules
    #[arg(long, conflicts_with_all = ["files", "explain"])]
    list: bool,

    /// Explain a rule: the problem, the reason, and what to write instead
    #[arg(long, value_name = "RULE", conflicts_with = "files")]
    explain: Option<String>,

    /// Output format
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Two lines for each finding
    Text,
    /// One JSON object
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let is_json = arguments.output == Output::Json;
    if arguments.list {
        if is_json {
            return print_json(&RULES.iter().map(rule_to_json).collect());
        }
        let rows: Vec<[String; 3]> = RULES
            .iter()
            .map(|rule| [rule.id, rule.level.name(), rule.title].map(str::to_owned))
            .collect();
        return print(&columns(&rows));
    }
    if let Some(id) = &arguments.explain {
        let rule = rule(id)?;
        return if is_json {
            print_json(&rule_to_json(rule))
        } else {
            print(&explained(rule))
        };
    }
    for id in &arguments.allow {
        rule(id)?;
    }
    let mut report = Report {
        is_json,
        ..Report::default()
    };
    for input in inputs(&arguments.files)? {
        match input.read() {
            Ok(text) => report.add(&input.name(), &check(&input.file_name(), &text, &arguments.allow))?,
            // Binary files in a folder are normal, and skipped without a warning.
            Err(Skipped::Binary) if input.is_named => {
                warn_only(format!("{} is binary, and skipped", input.name()));
            }
            Err(Skipped::Binary) => {}
            Err(Skipped::TooLong) => warn_only(format!("{} is longer than 4 MiB, and skipped", input.name())),
            Err(Skipped::Unreadable(error)) if input.is_named => {
                let problem = format!("{}: {error}", input.name());
                return Err(Failure::text(Exit::Usage, problem).hint("check the path and the permissions of the file"));
            }
            Err(Skipped::Unreadable(error)) => warn_only(format!("{} is skipped: {error}", input.name())),
        }
    }
    report.end()
}

#[derive(Default)]
struct Report {
    is_json: bool,
    findings: Vec<Value>,
    files: usize,
    concerned: usize,
    problems: usize,
    notes: usize,
}

impl Report {
    fn add(&mut self, name: &str, findings: &[Finding]) -> Result<(), Failure> {
        self.files += 1;
        self.concerned += usize::from(!findings.is_empty());
        for finding in findings {
            match finding.rule.level {
                Level::Problem => self.problems += 1,
                Level::Note => self.notes += 1,
            }
            if self.is_json {
                self.findings.push(json!({
                    "file": name,
                    "line": finding.line,
                    "column": finding.column,
                    "rule": finding.rule.id,
                    "level": finding.rule.level.name(),
                    "problem": without_secrets(&finding.problem),
                    "hints": [without_secrets(&finding.instead)],
                }));
            } else {
                print(&line(name, finding))?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<(), Failure> {
        if self.is_json {
            print_json(&json!({ "findings": self.findings, "files": self.files }))?;
        }
        let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let (problems, notes, files) = (
            count(self.problems, "problem"),
            count(self.notes, "note"),
            count(self.files, "file"),
        );
        match (self.problems, self.notes) {
            (0, 0) => tell(format_args!("no problems in {files}")),
            (0, _) => tell(format_args!("{notes} and no problems in {files}")),
            _ => {
                let problem = format!("{problems} and {notes} in {} of {files}", self.concerned);
                return Err(Failure::text(Exit::Findings, problem).hint("`entra lint --explain RULE` explains a rule"));
            }
        }
        Ok(())
    }
}

fn line(name: &str, finding: &Finding) -> String {
    let note = match finding.rule.level {
        Level::Problem => "",
        Level::Note => "note: ",
    };
    let text = format!(
        "{name}:{}:{}: {note}{} [{}]\n    {}",
        finding.line,
        finding.column,
        harmless(&finding.problem),
        finding.rule.id,
        harmless(&finding.instead)
    );
    match Stream::Out.width() {
        Some(width) => wrapped(&text, width, 4),
        None => text,
    }
}

fn rule(id: &str) -> Result<&'static Rule, Failure> {
    RULES.iter().find(|rule| rule.id == id).ok_or_else(|| {
        let failure = Failure::text(Exit::Usage, format!("there is no rule {}", excerpt(id, 60)));
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        match nearest(id, &ids) {
            Some(near) => failure.hint(format!("did you mean {near}")),
            None => failure.hint("`entra lint --list` lists the rules"),
        }
    })
}

fn explained(rule: &Rule) -> String {
    let text = format!(
        "{} ({})\n  problem  {}\n  reason   {}\n  instead  {}",
        rule.id,
        rule.level.name(),
        rule.title,
        rule.why,
        rule.instead
    );
    match Stream::Out.width() {
        Some(width) => wrapped(&text, width, 9),
        None => text,
    }
}

fn rule_to_json(rule: &Rule) -> Value {
    json!({
        "rule": rule.id,
        "level": rule.level.name(),
        "problem": rule.title,
        "why": rule.why,
        "hints": [rule.instead],
    })
}
