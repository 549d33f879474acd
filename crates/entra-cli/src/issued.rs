//! The forms in which a token is printed.

use std::env;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use entra_client::Token;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::{Authority, Timestamp};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::commands::exec::{ACCESS_TOKEN, EXPIRES_ON};
use crate::exit::{Exit, Failure};
use crate::files::{print_json, print_secret, tell};
use crate::moment::{from_now, put_moment};
use crate::outside::shell_quoted;
use crate::store::CachedToken;

/// A form of a token.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// The token alone
    Token,
    /// The token, its type and its lifetime, as JSON
    Json,
    /// The Authorization header
    Header,
    /// Lines for a shell, which export the variables of `entra exec`
    Env,
    /// A configuration with the Authorization header, for `curl -K -`
    Curl,
    /// A credential for kubectl: an ExecCredential, as JSON
    ExecCredential,
    /// What `az account get-access-token` prints, as JSON
    Az,
}

impl Output {
    /// Whether it is one line, and the next token can follow it.
    pub(crate) fn is_line(self) -> bool {
        matches!(self, Self::Token | Self::Json | Self::Header)
    }

    /// Returns the token in this form on one line, where [that is one](Self::is_line).
    pub(crate) fn line(self, token: &Issued<'_>) -> String {
        match self {
            Self::Header => format!("Authorization: Bearer {}", token.access_token),
            Self::Json => token.json().to_string(),
            _ => token.access_token.to_owned(),
        }
    }

    /// Reads what the form depends on, before a token is requested.
    pub(crate) fn ready(self) -> Result<ReadyOutput, Failure> {
        let exec_version = if self == Self::ExecCredential {
            exec_version(env::var_os(EXEC_INFO).map(|info| info.to_string_lossy().into_owned()))?
        } else {
            EXEC_VERSIONS[0]
        };
        Ok(ReadyOutput {
            form: self,
            exec_version,
        })
    }
}

/// A form of a token, with all that it depends on.
pub(crate) struct ReadyOutput {
    form: Output,
    /// The version of the API that kubectl asks for.
    exec_version: &'static str,
}

impl ReadyOutput {
    /// Prints the token. The JSON of this program has `more` members.
    pub(crate) fn print(&self, token: &Issued<'_>, authority: &Authority, more: Value) -> Result<(), Failure> {
        match self.form {
            Output::Token | Output::Header => print_secret(&self.form.line(token)),
            Output::Json => {
                let mut answer = token.json();
                if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
                    answer.extend(more);
                }
                print_json(&answer)
            }
            Output::Env => print_secret(&format!(
                "export {ACCESS_TOKEN}={}\nexport {EXPIRES_ON}={}",
                shell_quoted(token.access_token),
                token.expires_at.as_secs()
            )),
            Output::Curl => print_secret(&format!("header = {}", curl_quoted(&Output::Header.line(token)))),
            Output::ExecCredential => print_json(&json!({
                "apiVersion": self.exec_version,
                "kind": "ExecCredential",
                "status": {
                    "token": token.access_token,
                    "expirationTimestamp": token.expires_at.to_rfc3339(),
                },
            })),
            Output::Az => print_json(&token.as_az(authority)),
        }
    }
}

/// What is printed of a token.
pub(crate) struct Issued<'a> {
    access_token: &'a str,
    expires_at: Timestamp,
    refresh_at: Option<Timestamp>,
}

impl<'a> From<&'a Token> for Issued<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            access_token: token.expose(),
            expires_at: token.expires_at(),
            refresh_at: token.refresh_at(),
        }
    }
}

impl<'a> From<&'a CachedToken> for Issued<'a> {
    fn from(token: &'a CachedToken) -> Self {
        Self {
            access_token: token.expose(),
            expires_at: token.lifetime.expires_at,
            refresh_at: token.lifetime.refresh_at,
        }
    }
}

impl Issued<'_> {
    fn json(&self) -> Value {
        let mut answer = Map::new();
        answer.insert("token_type".to_owned(), "Bearer".into());
        answer.insert("access_token".to_owned(), self.access_token.into());
        answer.insert("expires_in".to_owned(), self.left().as_secs().into());
        put_moment(&mut answer, "expires", self.expires_at);
        if let Some(moment) = self.refresh_at {
            put_moment(&mut answer, "refresh", moment);
        }
        answer.into()
    }

    /// Returns the JSON of the Azure CLI, whose `expiresOn` is in local time.
    fn as_az(&self, authority: &Authority) -> Value {
        let claims = UnverifiedClaims::decode(self.access_token).ok();
        let tenant = claims.as_ref().and_then(UnverifiedClaims::tenant_id);
        let tenant = tenant.map_or_else(|| authority.tenant().to_string(), |id| id.to_string());
        let subscription = env::var("AZURE_SUBSCRIPTION_ID")
            .ok()
            .filter(|id| !id.trim().is_empty());
        let mut answer = json!({
            "accessToken": self.access_token,
            "expiresOn": local(self.expires_at, TimeZone::system()),
            "expires_on": self.expires_at.as_secs(),
            "subscription": subscription,
            "tenant": tenant,
            "tokenType": "Bearer",
        });
        // Left out where there is none, as the Azure CLI does with --tenant.
        if let Some(members) = answer.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        answer
    }

    /// Returns how long the token is good.
    pub(crate) fn left(&self) -> Duration {
        self.expires_at.since(Timestamp::from(SystemTime::now()))
    }

    /// Notes when the service wants the next request.
    pub(crate) fn tell_refresh(&self) {
        if let Some(moment) = self.refresh_at {
            tell(format_args!(
                "the service suggests to request the next one {}",
                from_now(moment)
            ));
        }
    }
}

/// A moment as the Azure CLI writes it, in this time zone.
fn local(moment: Timestamp, zone: TimeZone) -> String {
    let last = jiff::Timestamp::MAX;
    let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(last);
    moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A value as curl reads it in a configuration file.
fn curl_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the version of the API that kubectl asks for.
fn exec_version(info: Option<String>) -> Result<&'static str, Failure> {
    let Some(info) = info.filter(|info| !info.is_empty()) else {
        return Ok(EXEC_VERSIONS[0]);
    };
    let info: Value = serde_json::from_str(&info).unwrap_or_default();
    let asked = info["apiVersion"].as_str().unwrap_or_default();
    EXEC_VERSIONS
        .into_iter()
        .find(|version| *version == asked)
        .ok_or_else(|| {
            let problem = format!("{EXEC_INFO} asks for a credential of a version that is not known");
            Failure::text(Exit::Configuration, problem)
                .hint(format!("set apiVersion to {}", EXEC_VERSIONS.join(" or ")))
        })
}

/// The variable in which kubectl says what it wants.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The versions of the API of kubectl's credential plugins, the preferred one first.
const EXEC_VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_the_version_that_it_asks_for() {
        let asked = |text: &str| exec_version(Some(text.to_owned()));
        assert_eq!(exec_version(None).unwrap(), EXEC_VERSIONS[0]);
        assert_eq!(asked("").unwrap(), EXEC_VERSIONS[0]);
        for version in EXEC_VERSIONS {
            let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": {} });
            assert_eq!(asked(&info.to_string()).unwrap(), version);
        }
        for info in [
            r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#,
            "{}",
            "no JSON",
            "[]",
        ] {
            assert_eq!(asked(info).unwrap_err().exit, Exit::Configuration, "{info}");
        }
    }

    #[test]
    fn local_time_is_that_of_the_time_zone() {
        let zone = TimeZone::posix("<+0530>-5:30").unwrap();
        let moment = Timestamp::from_secs(951_868_799);
        assert_eq!(local(moment, zone), "2000-03-01 05:29:59.000000");
        assert_eq!(local(moment, TimeZone::UTC), "2000-02-29 23:59:59.000000");
        assert!(local(Timestamp::from_secs(u64::MAX), TimeZone::UTC).starts_with("9999-12-30"));
    }

    #[test]
    fn curl_reads_back_what_was_quoted() {
        assert_eq!(curl_quoted(r#"a: "b\c""#), r#""a: \"b\\c\"""#);
    }
}
