//! The arguments of `entra validate`.

use std::path::PathBuf;

use clap::Args;
use entra_proto::Timestamp;

use crate::arguments::WrongValue;
use crate::listing::ListOutput;
use crate::profile::ProfileSettings;
use crate::settings::{CloudSetting, NetworkSettings};
use crate::source::Traced;

/// Validate an access token as a web API does, and show the result of each rule.
///
/// A rule passes, fails, or is not reached, because validation ends at the first failure. The token
/// is read from standard input or a file: the token itself, a header, or JSON. It is never printed.
/// The signing keys come from the authority, or from a file with --jwks; then no request is sent.
///
/// The exit code is 0 for a valid token, and 9 for an invalid token or a text without a token.
/// Every other exit code means that the token was not validated: 3 for a wrong setting or an
/// unusable file of keys, 4 for a file that cannot be read, and 5, 7 or 8 if the authority returned
/// no keys.
///
/// The members in JSON are valid; accepted, with the accepted values, where null accepts any value;
/// judged_on and judged_at, the time of the validation; rules, each with rule, name, result (pass,
/// fail, not_reached) and why; and for an invalid token response, with the status and the error
/// that a web API sends (RFC 6750).
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
    /// File with the token; "-" is standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Accept a token for this API, by its claim aud, byte for byte; a client ID also accepts
    /// api://CLIENT_ID; may be repeated
    #[arg(long = "audience", value_name = "AUDIENCE", required = true)]
    pub(super) audiences: Vec<String>,

    #[command(flatten)]
    pub(super) tenants: Traced<TenantSettings>,

    /// Accept an application with this role; may be repeated; if only --role is given, users are
    /// not accepted
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,

    /// Accept a user with this scope; may be repeated; if only --scope is given, applications are
    /// not accepted; with neither, any role or scope is accepted
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<String>,

    /// Accept calls from this application, by its client ID; may be repeated [default: any]
    #[arg(long = "caller", value_name = "GUID")]
    pub(super) callers: Vec<String>,

    /// Read the signing keys (JWKS) from this file, and send no requests
    #[arg(long, value_name = "FILE")]
    pub(super) jwks: Option<PathBuf>,

    /// Read the metadata (openid-configuration) for these keys from this file; required for an
    /// external tenant or an emulator
    #[arg(long, value_name = "FILE", requires = "jwks")]
    pub(super) metadata: Option<PathBuf>,

    /// Use the signing keys of this application, for a registration with its own keys (claims
    /// mapping)
    #[arg(long, value_name = "GUID", conflicts_with = "jwks")]
    pub(super) signing_keys_of: Option<String>,

    /// Validate the token at this time: seconds since 1970, or RFC 3339 such as
    /// 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) at: Option<Timestamp>,

    #[command(flatten)]
    pub(super) profile: ProfileSettings,

    #[command(flatten)]
    pub(super) cloud: CloudSetting,

    #[command(flatten)]
    pub(super) network: NetworkSettings,

    #[command(flatten)]
    pub(super) output: ListOutput,
}

/// The accepted tenants.
#[derive(Args)]
pub(super) struct TenantSettings {
    /// Accept tokens of this tenant, by its ID; may be repeated
    #[arg(
        long = "tenant",
        env = "AZURE_TENANT_ID",
        hide_env_values = true,
        value_name = "GUID"
    )]
    pub(super) tenants: Vec<String>,

    /// Accept tokens of any tenant, even if AZURE_TENANT_ID or a profile names one
    #[arg(long)]
    pub(super) any_tenant: bool,
}

/// Parses a time in seconds since 1970 or in RFC 3339.
fn moment(text: &str) -> Result<Timestamp, WrongValue> {
    let text = text.trim();
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let moment: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(moment.as_second()).ok()
    });
    let seconds = seconds.filter(|seconds| *seconds <= LAST_SECOND);
    seconds.map(Timestamp::from_secs).ok_or_else(|| {
        WrongValue::new(
            "it is not a time after 1970",
            "write seconds since 1970, or a time such as 2026-01-31T12:00:00Z",
        )
    })
}

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_in_both_formats() {
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
}
