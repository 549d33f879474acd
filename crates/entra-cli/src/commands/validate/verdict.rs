//! The result of the validation, as a table, as JSON and as an exit code.

use entra_proto::Timestamp;
use entra_validate::{Outcome, Rejection, Report, Rule, Tenants};
use serde_json::{Map, Value, json};

use crate::commands::validate::accepted::Accepted;
use crate::exit::{Exit, Failure};
use crate::files::tell;
use crate::listing::Table;
use crate::sanitize::without_secrets;
use crate::time_format::put_time;

/// The result of the validation.
pub(super) struct Verdict {
    pub(super) accepted: Accepted,
    pub(super) report: Report,
    /// True if the keys come from files.
    pub(super) is_offline: bool,
    pub(super) now: Timestamp,
}

impl Verdict {
    pub(super) fn rows(&self) -> Vec<[String; 4]> {
        let lines = self.report.lines();
        lines
            .map(|(rule, outcome)| {
                let [result, why] = [result(outcome).replace('_', " "), self.why(rule, outcome)];
                [rule.id().to_owned(), rule.name().to_owned(), result, why]
            })
            .collect()
    }

    /// Returns a table of two columns, which fit a terminal of any width.
    pub(super) fn table(&self) -> Table<2> {
        let rows = self.rows().into_iter();
        let rows = rows.map(|[id, name, result, why]| [format!("{id} {name}"), format!("{result}: {why}")]);
        Table::new(["RULE", "RESULT"], rows)
    }

    /// Returns the reason for an outcome, or the requirement of a rule that passed.
    fn why(&self, rule: Rule, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Failed(rejection) => rejection.problem().to_string(),
            Outcome::Passed => match rule {
                Rule::Tenant if matches!(self.accepted.api.tenants(), Tenants::Any) => {
                    "any tenant is accepted".to_owned()
                }
                Rule::Caller if self.accepted.callers.is_empty() => "any application is accepted".to_owned(),
                Rule::Permissions if self.accepted.any_permission => ANY_PERMISSION.to_owned(),
                rule => rule.about().to_owned(),
            },
            _ => match self.report.rejection().and_then(Rejection::rule) {
                Some(failed) => format!("{} failed before it", failed.id()),
                None => String::new(),
            },
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let rules = self.report.lines().map(|(rule, outcome)| {
            json!({
                "rule": rule.id(),
                "name": rule.name(),
                "result": result(outcome),
                "why": without_secrets(&self.why(rule, outcome)),
            })
        });
        let mut object = Map::new();
        object.insert("valid".to_owned(), self.report.is_valid().into());
        if let Some(rejection) = self.report.rejection() {
            let response = json!({ "status": rejection.status().as_u16(), "error": rejection.error() });
            object.insert("response".to_owned(), response);
        }
        object.insert("accepted".to_owned(), self.accepted.to_json());
        put_time(&mut object, "judged", self.now);
        object.insert("rules".to_owned(), rules.collect());
        object.into()
    }

    /// Reports a valid token on standard error.
    ///
    /// # Errors
    /// Returns an error if the token is not valid.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.report.is_valid() {
            if self.accepted.any_permission {
                tell(format_args!("the token is valid; {ANY_PERMISSION}"));
            } else {
                tell("the token is valid");
            }
            return Ok(());
        }
        let Some(rejection) = self.report.rejection() else {
            return Err(Failure::text(
                Exit::Token,
                "the token is not valid: a rule was not reached",
            ));
        };
        let failure = Failure::text(Exit::Token, format!("the token is not valid: {rejection}"));
        let may_be_wrong_file = matches!(
            rejection,
            Rejection::Issuer | Rejection::UnknownKey | Rejection::KeyIssuer
        );
        let failure = if self.is_offline && may_be_wrong_file {
            failure.hint(
                "check the files of --jwks and --metadata: v1 and v2 tokens have different documents, and keys change",
            )
        } else {
            failure
        };
        Err(failure.hint(hint(rejection).to_owned()))
    }
}

fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "pass",
        Outcome::Failed(_) => "fail",
        _ => "not_reached",
    }
}

/// Returns the hint for a rejection. The hint of the library is replaced if it names functions that
/// are options of this command.
fn hint(rejection: &Rejection) -> &str {
    match rejection {
        Rejection::UnknownKey => {
            "check --authority-host; an application with its own signing keys needs --signing-keys-of"
        }
        other => other.hint().unwrap_or_default(),
    }
}

const ANY_PERMISSION: &str = "any scope or role is accepted, because neither --scope nor --role is given";
