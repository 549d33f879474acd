//! The output formats for tokens.

use std::env;
use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use entra_client::Token;
use entra_proto::claims::UnverifiedClaims;
use entra_proto::managed_identity::Source as IdentitySource;
use entra_proto::{Authority, Timestamp};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::commands::exec::{ACCESS_TOKEN, EXPIRES_ON};
use crate::exit::{Exit, Failure};
use crate::files::{print_json, print_secret, tell};
use crate::sanitize::shell_quoted;
use crate::store::CachedToken;
use crate::time_format::{from_now, now, put_time};

/// An output format for a token.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// The token only
    Token,
    /// The token, its type and its lifetime, as JSON
    Json,
    /// The Authorization header
    Header,
    /// Shell commands that export the variables of `entra exec`
    Env,
    /// A configuration with the Authorization header, for `curl -K -`
    Curl,
    /// A credential for kubectl: an ExecCredential, as JSON
    ExecCredential,
    /// The output of `az account get-access-token`, as JSON
    Az,
}

impl Output {
    /// Returns true if a token takes one line, so that `--watch` can print one after another.
    pub(crate) fn is_line(self) -> bool {
        matches!(self, Self::Token | Self::Json | Self::Header)
    }

    /// Returns the token on one line, for the formats for which [`is_line`](Self::is_line) is true.
    pub(crate) fn line(self, token: &PrintedToken<'_>) -> String {
        match self {
            Self::Header => format!("Authorization: Bearer {}", token.access_token),
            Self::Json => token.json().to_string(),
            _ => token.access_token.to_owned(),
        }
    }

    /// Reads the environment for the format, before a token is requested.
    ///
    /// # Errors
    /// Returns an error if kubectl requests an unknown version of a credential.
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

/// An output format with its parameters from the environment.
pub(crate) struct ReadyOutput {
    form: Output,
    /// The API version that kubectl requests.
    exec_version: &'static str,
}

impl ReadyOutput {
    /// Prints the token. The format `json` also has the members of `more`.
    ///
    /// # Errors
    /// Returns an error if standard output cannot be written.
    pub(crate) fn print(&self, token: &PrintedToken<'_>, issuer: &Issuer, more: Value) -> Result<(), Failure> {
        match self.form {
            Output::Token | Output::Header => print_secret(&self.form.line(token)),
            Output::Json => {
                let mut json = token.json();
                if let (Value::Object(members), Value::Object(more)) = (&mut json, more) {
                    members.extend(more);
                }
                print_json(&json)
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
            Output::Az => print_json(&token.as_az(issuer)),
        }
    }
}

/// The issuer of a token.
pub(crate) enum Issuer {
    Authority(Authority),
    /// The platform under the workload, for a managed identity.
    Platform(IdentitySource),
    /// A program on a developer's machine, by its name.
    Program(String),
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(authority) => authority.fmt(f),
            Self::Platform(source) => source.fmt(f),
            Self::Program(name) => f.write_str(name),
        }
    }
}

/// The printed parts of a token.
pub(crate) struct PrintedToken<'a> {
    access_token: &'a str,
    expires_at: Timestamp,
    refresh_at: Option<Timestamp>,
}

impl<'a> From<&'a Token> for PrintedToken<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            access_token: token.expose(),
            expires_at: token.expires_at(),
            refresh_at: token.refresh_at(),
        }
    }
}

impl<'a> From<&'a CachedToken> for PrintedToken<'a> {
    fn from(token: &'a CachedToken) -> Self {
        Self {
            access_token: token.expose(),
            expires_at: token.lifetime.expires_at,
            refresh_at: token.lifetime.refresh_at,
        }
    }
}

impl PrintedToken<'_> {
    fn json(&self) -> Value {
        let mut members = Map::new();
        members.insert("token_type".to_owned(), "Bearer".into());
        members.insert("access_token".to_owned(), self.access_token.into());
        members.insert("expires_in".to_owned(), self.left().as_secs().into());
        put_time(&mut members, "expires", self.expires_at);
        if let Some(moment) = self.refresh_at {
            put_time(&mut members, "refresh", moment);
        }
        members.into()
    }

    /// Returns the JSON of the Azure CLI. Its `expiresOn` is in local time.
    fn as_az(&self, issuer: &Issuer) -> Value {
        let claims = UnverifiedClaims::decode(self.access_token).ok();
        let tenant = claims.as_ref().and_then(UnverifiedClaims::tenant_id);
        let tenant = tenant.map(|id| id.to_string()).or_else(|| match issuer {
            Issuer::Authority(authority) => Some(authority.tenant().to_string()),
            Issuer::Platform(_) | Issuer::Program(_) => None,
        });
        let subscription = env::var("AZURE_SUBSCRIPTION_ID")
            .ok()
            .filter(|id| !id.trim().is_empty());
        let mut json = json!({
            "accessToken": self.access_token,
            "expiresOn": local(self.expires_at, TimeZone::system()),
            "expires_on": self.expires_at.as_secs(),
            "subscription": subscription,
            "tenant": tenant,
            "tokenType": "Bearer",
        });
        // Without a value there is no member, as in the Azure CLI with --tenant.
        if let Some(members) = json.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        json
    }

    /// Returns the time until the token expires.
    pub(crate) fn left(&self) -> Duration {
        self.expires_at.since(now())
    }

    /// Notes the time at which the service suggests a refresh.
    pub(crate) fn tell_refresh(&self) {
        if let Some(moment) = self.refresh_at {
            tell(format_args!(
                "the service suggests requesting the next token {}",
                from_now(moment)
            ));
        }
    }
}

/// Returns a time in the format of the Azure CLI, in this time zone.
fn local(moment: Timestamp, zone: TimeZone) -> String {
    let last = jiff::Timestamp::MAX;
    let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(last);
    moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// Returns a quoted value for a configuration file of curl.
fn curl_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the API version that kubectl requests.
fn exec_version(info: Option<String>) -> Result<&'static str, Failure> {
    let Some(info) = info.filter(|info| !info.is_empty()) else {
        return Ok(EXEC_VERSIONS[0]);
    };
    let info: Value = serde_json::from_str(&info).unwrap_or_default();
    let requested = info["apiVersion"].as_str().unwrap_or_default();
    EXEC_VERSIONS
        .into_iter()
        .find(|version| *version == requested)
        .ok_or_else(|| {
            let problem = format!("{EXEC_INFO} requests an unknown version of a credential");
            Failure::text(Exit::Configuration, problem)
                .hint(format!("set apiVersion to {}", EXEC_VERSIONS.join(" or ")))
        })
}

/// The variable in which kubectl describes the requested credential.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";

/// The supported API versions of kubectl's credential plugins, the preferred one first.
const EXEC_VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_the_requested_version() {
        let version_for = |text: &str| exec_version(Some(text.to_owned()));
        assert_eq!(exec_version(None).unwrap(), EXEC_VERSIONS[0]);
        assert_eq!(version_for("").unwrap(), EXEC_VERSIONS[0]);
        for version in EXEC_VERSIONS {
            let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": {} });
            assert_eq!(version_for(&info.to_string()).unwrap(), version);
        }
        for info in [
            r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#,
            "{}",
            "no JSON",
            "[]",
        ] {
            assert_eq!(version_for(info).unwrap_err().exit, Exit::Configuration, "{info}");
        }
    }

    #[test]
    fn azure_cli_time_is_in_the_time_zone() {
        let zone = TimeZone::posix("<+0530>-5:30").unwrap();
        let moment = Timestamp::from_secs(951_868_799);
        assert_eq!(local(moment, zone), "2000-03-01 05:29:59.000000");
        assert_eq!(local(moment, TimeZone::UTC), "2000-02-29 23:59:59.000000");
        assert!(local(Timestamp::from_secs(u64::MAX), TimeZone::UTC).starts_with("9999-12-30"));
    }

    #[test]
    fn values_are_quoted_for_curl() {
        assert_eq!(curl_quoted(r#"a: "b\c""#), r#""a: \"b\\c\"""#);
    }
}
