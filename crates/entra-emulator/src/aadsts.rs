//! The table of refusals: one row per AADSTS number.

use std::fmt;

/// One way Entra refuses: the number, and what the answer looks like.
///
/// The number and the OAuth word follow the Entra documents and published captures; the wording is the emulator's own
/// except for the short phrases that programs are known to look for. Every row says in [`Self::known`] how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The number behind `AADSTS`, which is also the only entry of `error_codes`.
    pub code: u32,
    /// The OAuth word in `error`.
    pub error: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The text in `error_description`, with `{0}`, `{1}` where values of the request go.
    pub text: &'static str,
    /// Whether the answer has an `error_uri`.
    pub error_uri: bool,
    /// The `suberror`, if any.
    pub suberror: Option<&'static str>,
    /// How this row is known.
    pub known: Known,
}

/// How a row of the table is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// Seen in a published answer of the real service.
    Captured,
    /// Described in the Entra documents or by people who met it; the exact answer was not seen.
    Documented,
    /// The number exists, but that it comes in this very situation is a guess.
    Assumed,
}

impl Aadsts {
    /// The whole table, in the order of the numbers.
    pub fn table() -> &'static [Self] {
        TABLE
    }

    /// The row of a number.
    ///
    /// ```
    /// let row = entra_emulator::Aadsts::find(7_000_215).expect("a wrong secret has a row");
    /// assert_eq!((row.error, row.status), ("invalid_client", 401));
    /// ```
    pub fn find(code: u32) -> Option<&'static Self> {
        TABLE
            .binary_search_by_key(&code, |row| row.code)
            .ok()
            .and_then(|at| TABLE.get(at))
    }
}

impl fmt::Display for Aadsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AADSTS{}", self.code)
    }
}

/// A refusal on its way to the client: a row and the values for its text.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) row: &'static Aadsts,
    values: Vec<String>,
}

impl Refusal {
    pub(crate) fn new(code: u32) -> Self {
        Self {
            row: Aadsts::find(code).unwrap_or(&TABLE[0]),
            values: Vec::new(),
        }
    }

    /// Gives the next placeholder its value, shortened and without control characters.
    pub(crate) fn with(mut self, value: &str) -> Self {
        let shown = value
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character });
        self.values.push(shown.take(LONGEST_VALUE).collect());
        self
    }

    /// `AADSTS7000215: Invalid client secret provided. ...`
    pub(crate) fn message(&self) -> String {
        let mut message = format!("{}: ", self.row);
        let mut rest = self.row.text;
        // Filled in one pass, so that a value which looks like a placeholder stays what it is.
        while let Some((before, after)) = rest.split_once('{') {
            message.push_str(before);
            let Some((number, after)) = after.split_once('}') else {
                break;
            };
            let value = number.parse::<usize>().ok().and_then(|at| self.values.get(at));
            message.push_str(value.map_or("?", String::as_str));
            rest = after;
        }
        message.push_str(rest);
        message
    }
}

const LONGEST_VALUE: usize = 256;

const INVALID_CLIENT: &str = "invalid_client";
const INVALID_GRANT: &str = "invalid_grant";
const INVALID_REQUEST: &str = "invalid_request";
const INVALID_RESOURCE: &str = "invalid_resource";
const INVALID_SCOPE: &str = "invalid_scope";
const INTERACTION: &str = "interaction_required";
const UNAVAILABLE: &str = "temporarily_unavailable";
const UNAUTHORIZED: &str = "unauthorized_client";

const fn row(code: u32, error: &'static str, status: u16, known: Known, text: &'static str) -> Aadsts {
    Aadsts {
        code,
        error,
        status,
        text,
        error_uri: true,
        suberror: None,
        known,
    }
}

const fn without_uri(row: Aadsts) -> Aadsts {
    Aadsts {
        error_uri: false,
        ..row
    }
}

const fn sub(suberror: &'static str, row: Aadsts) -> Aadsts {
    Aadsts {
        suberror: Some(suberror),
        ..row
    }
}

use Known::{Assumed, Captured, Documented};

#[rustfmt::skip]
static TABLE: &[Aadsts] = &[
    row(50011, INVALID_REQUEST, 400, Documented, "The redirect URI '{0}' is not one the application '{1}' has registered."),
    row(50027, INVALID_CLIENT, 401, Documented, "The client assertion is no valid JWT: {0}."),
    row(50049, "invalid_instance", 400, Documented, "Unknown or invalid instance: '{0}' is no authority this service knows."),
    row(50059, INVALID_REQUEST, 400, Documented, "No tenant-identifying information found in either the request or implied by any provided credentials."),
    row(50076, INTERACTION, 400, Documented, "Multi-factor authentication is needed to access '{0}'."),
    row(50079, INTERACTION, 400, Documented, "The user has to enroll in multi-factor authentication to access '{0}'."),
    row(50105, INVALID_GRANT, 400, Documented, "The signed-in user is not assigned to a role for the application '{0}'."),
    row(50173, INVALID_GRANT, 400, Documented, "The grant was revoked; a fresh sign-in is needed."),
    row(50196, INVALID_GRANT, 400, Documented, "The same request was made too often within a short time: a request loop was found."),
    sub("consent_required", row(65001, INVALID_GRANT, 400, Documented, "Nobody has consented to the use of the application '{0}'.")),
    sub("consent_required", row(65004, INVALID_GRANT, 400, Documented, "Consent to the application '{0}' was declined.")),
    without_uri(row(70003, "unsupported_grant_type", 400, Captured, "The grant type '{0}' is not supported here.")),
    row(70008, INVALID_GRANT, 400, Documented, "The refresh token has expired or was not used for too long."),
    row(70011, INVALID_SCOPE, 400, Documented, "The provided value for the input parameter 'scope' is not valid: '{0}'. Ask for the .default scope of exactly one resource, without named scopes beside it."),
    row(70021, INVALID_REQUEST, 400, Documented, "No matching federated identity record found for the presented assertion."),
    row(90002, INVALID_REQUEST, 400, Documented, "Tenant '{0}' not found. Check the tenant id, and that the request went to the cloud the tenant lives in."),
    row(90023, INVALID_REQUEST, 400, Assumed, "The request is not valid: {0}."),
    row(90033, UNAVAILABLE, 503, Documented, "A transient error has occurred. Please try again."),
    row(90055, UNAVAILABLE, 429, Documented, "Too many requests: throttled."),
    row(500011, INVALID_RESOURCE, 400, Captured, "The resource principal named {0} was not found in the tenant named {1}. Either no administrator of the tenant has consented to it, or the request went to the wrong tenant."),
    row(500133, INVALID_GRANT, 400, Documented, "The presented assertion is not within its valid time range."),
    // Documents of different years give invalid_client and invalid_grant; the answers people show have the latter.
    row(501051, INVALID_GRANT, 400, Documented, "Application '{0}'({1}) is not assigned to a role for the application '{2}'({3})."),
    row(530032, INVALID_GRANT, 400, Documented, "A security policy set by the tenant's administrator blocks access."),
    row(700016, UNAUTHORIZED, 400, Captured, "Application with identifier '{0}' was not found in the directory '{1}'. Either it was never installed or consented to there, or the request went to the wrong tenant."),
    row(700024, INVALID_CLIENT, 401, Documented, "The client assertion is not within its valid time range. Current time: {0}."),
    row(700027, INVALID_CLIENT, 401, Documented, "The client assertion was refused: {0}."),
    row(700038, UNAUTHORIZED, 400, Captured, "'{0}' is not a valid application identifier."),
    row(900023, INVALID_REQUEST, 400, Documented, "Specified tenant identifier '{0}' is neither a valid DNS name, nor a valid external domain."),
    row(900144, INVALID_REQUEST, 400, Documented, "The request body must contain the following parameter: '{0}'."),
    row(900561, INVALID_REQUEST, 400, Documented, "The endpoint only accepts POST requests. Received a {0} request."),
    row(901002, INVALID_REQUEST, 400, Documented, "The 'resource' request parameter is not supported."),
    row(1002012, INVALID_SCOPE, 400, Documented, "The provided value for scope {0} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."),
    row(7000112, UNAUTHORIZED, 400, Documented, "Application '{0}'({1}) is disabled."),
    row(7000215, INVALID_CLIENT, 401, Captured, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."),
    row(7000218, INVALID_CLIENT, 401, Documented, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    row(7000222, INVALID_CLIENT, 401, Documented, "The provided client secret keys for app '{0}' are expired or not valid yet. Add a new secret to the app, or authenticate with a certificate."),
    row(7000229, INVALID_CLIENT, 401, Documented, "The client application {0} is missing service principal in the tenant {1}."),
    row(9000411, INVALID_REQUEST, 400, Documented, "The request is not properly formatted. The parameter '{0}' is duplicated."),
    row(9001023, INVALID_REQUEST, 400, Documented, "The grant type is not supported over the /consumers endpoint. Use an endpoint of one tenant."),
    row(9002313, INVALID_REQUEST, 400, Assumed, "Invalid request. The request is malformed or invalid: {0}."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn values_never_become_placeholders() {
        let refusal = Refusal::new(500011).with("{1}\r\n").with("b");
        assert!(
            refusal
                .message()
                .starts_with("AADSTS500011: The resource principal named {1}   was not found in the tenant named b.")
        );
    }

    #[test]
    fn only_invalid_client_is_401() {
        assert!(
            TABLE
                .iter()
                .all(|row| (row.error == INVALID_CLIENT) == (row.status == 401))
        );
    }
}
