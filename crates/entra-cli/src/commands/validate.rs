use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use entra_proto::{ClientId, Cloud, EndpointVersion, Error, Guid, Timestamp};
use entra_transport::{BlockingTransport, Request, Response, TransportError};
use entra_validate::blocking::Validator;
use entra_validate::{
    Api, Audience, FetchError, KeySet, Metadata, Outcome, Permissions, Rejection, Report, Rule, Step, Tenants,
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::arguments::WrongValue;
use crate::exit::{Exit, Failure};
use crate::files::{excerpt, name_of, print, print_json, read_bytes, read_loosely, tell};
use crate::listing::{Form, ListOutput, Table};
use crate::message::warn;
use crate::pasted_token;
use crate::profile::ProfileSettings;
use crate::sanitize::without_secrets;
use crate::settings::{CloudSetting, NetworkSettings, authority_doubt, cloud_of, missing, text_of};
use crate::source::{Source, Traced};
use crate::terminal::{Stream, columns};
use crate::time_format::put_time;

/// Validate an access token as a web API should, and show how each rule ended.
///
/// A rule passes, fails, or is not reached, since the first that fails decides. The token is read from standard input or a file, on its
/// own, in a header or in JSON, and is never printed. The signing keys come from the authority, or from a file with --jwks, which
/// sends nothing.
///
/// The exit code is 0 for a valid token, and 9 for one that is not and for a text without a token. With every other code nothing was
/// judged: 3 for a wrong setting or a file of keys that cannot be used, 4 for a file that cannot be read, and 5, 7 or 8 where the
/// authority gave no keys.
///
/// In JSON: valid; accepted, with what was accepted, where null is anything; judged_on and judged_at; rules, each with rule, name, result
/// (pass, fail, not_reached) and why; and of an invalid token response, with the status and the error that a web API sends (RFC 6750).
#[derive(Args)]
#[command(after_help = "\
Examples:
  entra token --resource api://contoso |
    entra validate --audience api://contoso --role Orders
  entra validate token.txt \\
    --audience 11112222-bbbb-3333-cccc-4444dddd5555 \\
    --tenant aaaabbbb-0000-cccc-1111-dddd2222eeee \\
    --scope Orders.Read --jwks keys.json -o json")]
pub(crate) struct Arguments {
    /// The file with the token; "-" is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// The API that the token has to be for, as aud has it, byte for byte; a client ID also accepts api://CLIENT_ID; can be given several times
    #[arg(long = "audience", value_name = "AUDIENCE", required = true)]
    audiences: Vec<String>,

    #[command(flatten)]
    tenants: Traced<TenantSettings>,

    /// Accept an application with this role; can be given several times. With --role and no --scope, a user is not accepted
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,

    /// Accept a user with this scope; can be given several times. With --scope and no --role, an application is not accepted. With neither,
    /// any role or scope will do
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,

    /// Accept this calling application, by its client ID; can be given several times [default: any]
    #[arg(long = "caller", value_name = "GUID")]
    callers: Vec<String>,

    /// Read the signing keys (JWKS) from this file, and send nothing
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,

    /// Read the metadata (openid-configuration) that belongs to these keys from this file; needed where the cloud is an external tenant's or
    /// an emulator
    #[arg(long, value_name = "FILE", requires = "jwks")]
    metadata: Option<PathBuf>,

    /// Use the signing keys of this application, for a registration with keys of its own (claims mapping)
    #[arg(long, value_name = "GUID", conflicts_with = "jwks")]
    signing_keys_of: Option<String>,

    /// Judge the token as at this time: seconds since 1970, or RFC 3339 such as 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,

    #[command(flatten)]
    profile: ProfileSettings,

    #[command(flatten)]
    cloud: CloudSetting,

    #[command(flatten)]
    network: NetworkSettings,

    #[command(flatten)]
    output: ListOutput,
}

/// The tenants whose tokens are accepted.
#[derive(Args)]
struct TenantSettings {
    /// Accept tokens of this tenant, by its ID; can be given several times
    #[arg(
        long = "tenant",
        env = "AZURE_TENANT_ID",
        hide_env_values = true,
        value_name = "GUID"
    )]
    tenants: Vec<String>,

    /// Accept tokens of any tenant, whatever AZURE_TENANT_ID or a profile says
    #[arg(long)]
    any_tenant: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.file.to_str().is_some_and(|name| name.starts_with("eyJ")) {
        return Err(Failure::text(
            Exit::Usage,
            "a token on the command line is seen by every user of the machine",
        )
        .hint("pipe it in: entra validate < token.txt"));
    }
    let on_stdin = [
        Some(&arguments.file),
        arguments.jwks.as_ref(),
        arguments.metadata.as_ref(),
    ];
    if on_stdin.iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::text(
            Exit::Usage,
            "standard input is named for more than one of the token, --jwks and --metadata",
        )
        .hint("read one of them from standard input, and name files for the others"));
    }
    let now = arguments.at.unwrap_or_else(entra_transport::now);
    let accepted = Accepted::of(arguments)?;
    let text = read_loosely(&arguments.file, "a token", MAX_TOKEN, Exit::Credential)?;
    let (token, note) = pasted_token::token_in(&text)?;
    if let Some(note) = note {
        tell(note);
    }
    let report = match &arguments.jwks {
        Some(jwks) => offline(&accepted.api, &token, jwks, arguments.metadata.as_deref(), now)?,
        None => online(&accepted.api, &token, arguments, now)?,
    };
    let verdict = Verdict {
        accepted,
        report,
        is_offline: arguments.jwks.is_some(),
        now,
    };
    match arguments.output.form() {
        Form::Json => print_json(&verdict.to_json())?,
        Form::Table => print(&verdict.table().fitted(Stream::Out.width()))?,
        Form::Text => print(&columns(&verdict.rows()))?,
    }
    verdict.end()
}

/// The API whose place is taken, and what it accepts.
struct Accepted {
    api: Api,
    /// Neither a role nor a scope is named.
    any_permission: bool,
    /// Empty where any will do.
    callers: Vec<ClientId>,
}

impl Accepted {
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let profile = arguments.profile.get()?;
        let cloud = cloud_of(profile, &arguments.cloud.authority_host)?;
        let is_named = text_of(profile, &arguments.cloud.authority_host, "authority_host").is_some();
        if !is_named && let Some((problem, fix)) = authority_doubt() {
            warn(problem, fix);
        }
        let mut audiences = Vec::new();
        for audience in &arguments.audiences {
            let audience = audience.trim();
            match audience.parse() {
                Ok(id) => audiences.extend(Audience::app(id).values().map(str::to_owned)),
                Err(_) => audiences.push(audience.to_owned()),
            }
        }
        let any_permission = arguments.roles.is_empty() && arguments.scopes.is_empty();
        let permissions = if any_permission {
            Permissions::any_granted()
        } else {
            Permissions::any_of(&arguments.scopes, &arguments.roles)?
        };
        let tenants = arguments.tenants(text_of(profile, &None, "tenant"))?;
        let mut api = Api::new(Audience::any_of(audiences)?, tenants, permissions)?.with_cloud(cloud)?;
        let callers = arguments.callers.iter().map(|id| client_id("--caller", id));
        let callers = callers.collect::<Result<Vec<_>, _>>()?;
        if !callers.is_empty() {
            api = api.with_callers(callers.iter().copied())?;
        }
        if let Some(application) = &arguments.signing_keys_of {
            api = api.with_signing_keys_of(client_id("--signing-keys-of", application)?);
        }
        Ok(Self {
            api,
            any_permission,
            callers,
        })
    }

    fn to_json(&self) -> Value {
        let permissions = self.api.permissions();
        let (roles, scopes): (Vec<_>, Vec<_>) = (permissions.roles().collect(), permissions.scopes().collect());
        let tenants = match self.api.tenants() {
            Tenants::One(one) => Some(vec![one.to_string()]),
            Tenants::AnyOf(some) => Some(some.iter().map(Guid::to_string).collect()),
            _ => None,
        };
        let callers: Vec<String> = self.callers.iter().map(ClientId::to_string).collect();
        json!({
            "audiences": self.api.audience().values().collect::<Vec<_>>(),
            "tenants": tenants,
            "roles": (!self.any_permission).then_some(roles),
            "scopes": (!self.any_permission).then_some(scopes),
            "callers": (!callers.is_empty()).then_some(callers),
            "authority_host": self.api.cloud().origin(),
        })
    }
}

impl Arguments {
    /// The tenants of the command line or the variable, or else the one of the profile.
    fn tenants(&self, of_profile: Option<&str>) -> Result<Tenants, Failure> {
        let TenantSettings { tenants, any_tenant } = &self.tenants.settings;
        let is_flag = matches!(self.tenants.source("tenants"), Source::Flag(_));
        if *any_tenant {
            if is_flag {
                return Err(
                    Failure::text(Exit::Usage, "--tenant and --any-tenant contradict each other")
                        .hint("leave one of them out"),
                );
            }
            return Ok(Tenants::Any);
        }
        // A variable that is set to nothing is not set.
        let given = tenants.iter().map(|tenant| tenant.trim());
        let mut named: Vec<&str> = given.filter(|tenant| is_flag || !tenant.is_empty()).collect();
        if named.is_empty() {
            named.extend(of_profile);
        }
        let ids = named
            .iter()
            .map(|tenant| id_of(tenant))
            .collect::<Result<Vec<Guid>, _>>()?;
        match ids.as_slice() {
            [] => Err(missing("tenant", "--tenant", "AZURE_TENANT_ID")
                .hint("--any-tenant is for an API that every tenant may call")),
            [one] => Ok(Tenants::One(*one)),
            _ => Ok(Tenants::any_of(ids)),
        }
    }
}

fn client_id(option: &str, text: &str) -> Result<ClientId, Failure> {
    text.parse()
        .map_err(|error: Error| Failure::from(error).context(option))
}

/// A token names its tenant by the ID alone, and validation must not depend on what a domain leads to.
fn id_of(tenant: &str) -> Result<Guid, Failure> {
    tenant.parse().map_err(|_| {
        let shown = excerpt(tenant, 100);
        let failure = Failure::text(Exit::Configuration, format!("the tenant \"{shown}\" is not an ID"));
        match tenant {
            "common" | "organizations" | "consumers" => {
                failure.hint("give the ID of a tenant, or --any-tenant for an API that every tenant may call")
            }
            _ => failure.hint("give the ID, which is what a token holds: `entra discover DOMAIN` shows it"),
        }
    })
}

/// A time as it is written in JSON: in seconds, or as RFC 3339 has it.
fn moment(text: &str) -> Result<Timestamp, WrongValue> {
    let text = text.trim();
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let moment: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_second()).ok()
    });
    let seconds = seconds.filter(|seconds| *seconds <= LAST_SECOND);
    seconds.map(Timestamp::from_secs).ok_or_else(|| {
        WrongValue::new(
            "it is no time after 1970",
            "write seconds since 1970, or a time such as 2026-01-31T12:00:00Z",
        )
    })
}

/// Judges by keys out of files.
fn offline(api: &Api, token: &str, jwks: &Path, metadata: Option<&Path>, now: Timestamp) -> Result<Report, Failure> {
    let read = |path, what| read_bytes(path, what, MAX_DOCUMENT, Exit::Configuration);
    let metadata = match metadata {
        Some(path) => Some((path, read(path, "metadata")?)),
        None => None,
    };
    let keys = read(jwks, "signing keys")?;
    let key_set = |version| key_set(api, version, (jwks, &keys), metadata.as_ref());
    let keys = match api.start(token, now) {
        Step::NeedKeys(token) => key_set(token.version())?,
        // The files are to be right all the same, for one of the versions.
        Step::Done(_) => key_set(EndpointVersion::V2).or_else(|_| key_set(EndpointVersion::V1))?,
    };
    Ok(api.report(token, &keys, now))
}

fn key_set(
    api: &Api,
    version: EndpointVersion,
    (jwks, keys): (&Path, &[u8]),
    metadata: Option<&(&Path, Zeroizing<Vec<u8>>)>,
) -> Result<KeySet, Failure> {
    let failed = |path: &Path, error: FetchError| Failure::of(Exit::Configuration, &error).context(name_of(path));
    match metadata {
        Some((path, document)) => {
            let metadata = Metadata::read(api, version, document)
                .map_err(|error| failed(path, error).hint(format!("save what is at {}", api.metadata_url(version))))?;
            KeySet::read(&metadata, keys)
                .map_err(|error| failed(jwks, error).hint(format!("save what is at {}", metadata.jwks_uri())))
        }
        None if matches!(api.cloud(), Cloud::Custom(_)) => Err(Failure::text(
            Exit::Configuration,
            format!("the issuer of {} stands in its metadata alone", api.cloud().origin()),
        )
        .hint(format!(
            "save what is at {}, and name that file with --metadata",
            api.metadata_url(version)
        ))),
        None => KeySet::pinned(api, version, keys).map_err(|error| {
            failed(jwks, error).hint(format!("save what is at the jwks_uri of {}", api.metadata_url(version)))
        }),
    }
}

/// Judges by the keys of the authority.
fn online(api: &Api, token: &str, arguments: &Arguments, now: Timestamp) -> Result<Report, Failure> {
    let error = Arc::default();
    let transport = Remembering {
        transport: arguments.network.transport()?,
        error: Arc::clone(&error),
    };
    let report = Validator::with_clock(api.clone(), transport, move || now).report(token);
    // Without keys there is no verdict, which exit code 9 would be.
    let Some(Rejection::KeysUnavailable { problem, .. }) = report.rejection() else {
        return Ok(report);
    };
    let error: Option<TransportError> = error.lock().unwrap_or_else(PoisonError::into_inner).take();
    Err(match error {
        Some(error) => Failure::from(error).context("the token is not judged, as there are no signing keys"),
        None => Failure::text(
            Exit::Rejected,
            format!("the token is not judged, as there are no signing keys: {problem}"),
        )
        .hint("check --tenant and --authority-host: `entra discover TENANT` shows what the authority publishes"),
    })
}

/// A transport that remembers the last failure: a validator keeps its text alone.
struct Remembering<T> {
    transport: T,
    error: Arc<Mutex<Option<TransportError>>>,
}

impl<T: BlockingTransport> BlockingTransport for Remembering<T> {
    fn send(&self, request: Request) -> Result<Response, TransportError> {
        let outcome = self.transport.send(request);
        if let Err(error) = &outcome {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
        outcome
    }
}

/// How a token was judged.
struct Verdict {
    accepted: Accepted,
    report: Report,
    /// Whether the keys came out of files.
    is_offline: bool,
    now: Timestamp,
}

impl Verdict {
    fn rows(&self) -> Vec<[String; 4]> {
        let lines = self.report.lines();
        lines
            .map(|(rule, outcome)| {
                let [result, why] = [result(outcome).replace('_', " "), self.why(rule, outcome)];
                [rule.id().to_owned(), rule.name().to_owned(), result, why]
            })
            .collect()
    }

    /// Two columns, which stay side by side on a terminal of any width.
    fn table(&self) -> Table<2> {
        let rows = self.rows().into_iter();
        let rows = rows.map(|[id, name, result, why]| [format!("{id} {name}"), format!("{result}: {why}")]);
        Table::new(["RULE", "RESULT"], rows)
    }

    /// The reason for an outcome, or what a rule demanded that passed.
    fn why(&self, rule: Rule, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Failed(rejection) => rejection.problem().to_string(),
            Outcome::Passed => match rule {
                Rule::Tenant if matches!(self.accepted.api.tenants(), Tenants::Any) => "any tenant will do".to_owned(),
                Rule::Caller if self.accepted.callers.is_empty() => "any application will do".to_owned(),
                Rule::Permissions if self.accepted.any_permission => ANY_PERMISSION.to_owned(),
                rule => rule.about().to_owned(),
            },
            _ => match self.report.rejection().and_then(Rejection::rule) {
                Some(failed) => format!("{} failed before it", failed.id()),
                None => String::new(),
            },
        }
    }

    fn to_json(&self) -> Value {
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

    fn end(&self) -> Result<(), Failure> {
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
        let is_of_files = matches!(
            rejection,
            Rejection::Issuer | Rejection::UnknownKey | Rejection::KeyIssuer
        );
        let failure = if self.is_offline && is_of_files {
            failure.hint("check the files of --jwks and --metadata: v1 and v2 tokens have documents of their own, and keys change")
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

/// What to do about a rejection. The library's own advice names its functions where this command has options.
fn hint(rejection: &Rejection) -> &str {
    match rejection {
        Rejection::UnknownKey => {
            "check --authority-host; an application with signing keys of its own needs --signing-keys-of"
        }
        other => other.hint().unwrap_or_default(),
    }
}

const ANY_PERMISSION: &str = "any scope or role will do, as neither --scope nor --role is given";

/// How long a text with a token may be, in bytes. A token that is too long for any API is still to be judged.
const MAX_TOKEN: u64 = 2 * 1024 * 1024;

/// How long a file of keys or metadata may be, in bytes: the library's own limits are below it.
const MAX_DOCUMENT: u64 = 1024 * 1024;

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for text in [
            "1767225600",
            " 1767225600\n",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00+01:00",
        ] {
            assert_eq!(moment(text), Ok(Timestamp::from_secs(1_767_225_600)), "{text}");
        }
        for text in [
            "",
            "now",
            "-1",
            "1969-01-01T00:00:00Z",
            "2026-01-01",
            "18446744073709551615",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_an_id_names_a_tenant() {
        assert!(id_of("AAAABBBB-0000-cccc-1111-dddd2222eeee").is_ok());
        for (text, said) in [
            ("common", "--any-tenant"),
            ("contoso.com", "entra discover"),
            ("", "entra discover"),
        ] {
            let failure = id_of(text).unwrap_err();
            assert!(failure.to_string().contains(said), "{failure}");
        }
    }
}
