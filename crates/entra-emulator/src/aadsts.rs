//! The table of error responses: one row per AADSTS code.

use std::fmt;

/// One error response of Entra: the AADSTS code, the OAuth error code, the status and the text.
///
/// The AADSTS code and the OAuth error code follow the Entra documents and published captures. The
/// text is the emulator's own, except for the short phrases that programs are known to look for.
/// [`Self::known`] says how certain each row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The number after `AADSTS`, which is also the only entry of `error_codes`.
    pub code: u32,
    /// The OAuth error code, the member `error` of the body.
    pub error: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The text of `error_description`, with `{0}` and `{1}` in place of values of the request.
    pub text: &'static str,
    /// True if the response has an `error_uri`.
    pub error_uri: bool,
    /// The `suberror`, if any.
    pub suberror: Option<&'static str>,
    /// The claims challenge in `claims`, a JSON text, if any.
    pub claims: Option<&'static str>,
    /// The evidence for this row.
    pub known: Known,
}

/// The evidence for a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// Seen in a published response of the real service.
    Captured,
    /// Described in the Entra documents or reported by users; the exact response was not seen.
    Documented,
    /// The code exists, but its use in this situation is a guess.
    Assumed,
}

impl Aadsts {
    /// Returns the whole table, in ascending order of the codes.
    pub fn table() -> &'static [Self] {
        TABLE
    }

    /// Returns the row of an AADSTS code, or `None` if the table has no such row.
    ///
    /// ```
    /// use entra_emulator::Aadsts;
    ///
    /// let row = Aadsts::find(7_000_215).expect("a wrong secret has a row");
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

/// An error response that is being built: a row and the values for its text.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) row: &'static Aadsts,
    /// An OAuth error code that replaces the row's, for AADSTS codes that come with several.
    error: Option<&'static str>,
    /// A text that replaces the row's, for AADSTS codes that come with several.
    text: Option<&'static str>,
    values: Vec<String>,
}

impl Rejection {
    pub(crate) fn new(code: u32) -> Self {
        Self {
            row: Aadsts::find(code).unwrap_or(&TABLE[0]),
            error: None,
            text: None,
            values: Vec::new(),
        }
    }

    /// Sets the value of the next placeholder, cut to 256 characters and without control
    /// characters.
    pub(crate) fn with(mut self, value: &str) -> Self {
        let shown = value
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character });
        self.values.push(shown.take(LONGEST_VALUE).collect());
        self
    }

    /// Replaces the OAuth error code, and drops what belongs to the row's own code (`suberror`,
    /// claims challenge).
    pub(crate) fn with_error(self, error: &'static str) -> Self {
        Self {
            error: Some(error),
            ..self
        }
    }

    /// Replaces the row's text, placeholders included.
    pub(crate) fn with_text(self, text: &'static str) -> Self {
        Self {
            text: Some(text),
            ..self
        }
    }

    /// Returns the OAuth error code.
    pub(crate) fn error(&self) -> &'static str {
        self.error.unwrap_or(self.row.error)
    }

    /// Returns true if the OAuth error code is the row's own.
    pub(crate) fn is_plain(&self) -> bool {
        self.error.is_none()
    }

    /// Returns the message, such as `AADSTS7000215: Invalid client secret provided. ...`.
    pub(crate) fn message(&self) -> String {
        self.message_with(str::to_owned)
    }

    /// Returns the message with each value rendered by `show`. The text of the row stays unchanged.
    pub(crate) fn message_with(&self, show: impl Fn(&str) -> String) -> String {
        let mut message = format!("{}: ", self.row);
        let mut rest = self.text.unwrap_or(self.row.text);
        // Filled in one pass, so that a value that looks like a placeholder is not replaced.
        while let Some((before, after)) = rest.split_once('{') {
            message.push_str(before);
            let Some((number, after)) = after.split_once('}') else {
                break;
            };
            let value = number.parse::<usize>().ok().and_then(|at| self.values.get(at));
            message.push_str(&value.map_or_else(|| "?".to_owned(), |value| show(value)));
            rest = after;
        }
        message.push_str(rest);
        message
    }
}

const LONGEST_VALUE: usize = 256;

/// The challenge of a Conditional Access policy, with the policy ID of the documents' sample.
const POLICY_CHALLENGE: &str =
    r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19-ed42-4168-b6b7-7001fb3e933a"]}}}"#;

const INVALID_CLIENT: &str = "invalid_client";
const INVALID_GRANT: &str = "invalid_grant";
const INVALID_REQUEST: &str = "invalid_request";
const INVALID_RESOURCE: &str = "invalid_resource";
const INVALID_SCOPE: &str = "invalid_scope";
const INTERACTION: &str = "interaction_required";
const SERVER_ERROR: &str = "server_error";
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
        claims: None,
        known,
    }
}

const fn without_uri(row: Aadsts) -> Aadsts {
    Aadsts {
        error_uri: false,
        ..row
    }
}

const fn challenge(row: Aadsts) -> Aadsts {
    Aadsts {
        claims: Some(POLICY_CHALLENGE),
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
    row(28000, INVALID_SCOPE, 400, Documented, "The value of the input parameter 'scope' is not valid: '{0}' names more than one resource."),
    row(28002, INVALID_SCOPE, 400, Documented, "The value of the input parameter 'scope' is not valid: an unknown or unsupported scope is asked for."),
    row(28003, INVALID_SCOPE, 400, Documented, "The value of the input parameter 'scope' must not be empty."),
    row(50000, SERVER_ERROR, 500, Captured, "There was an error issuing a token or an issue with our sign-in service."),
    row(50001, INVALID_RESOURCE, 400, Documented, "The resource is disabled or does not exist in the tenant."),
    row(50011, INVALID_REQUEST, 400, Documented, "The redirect URI '{0}' is not one the application '{1}' has registered."),
    row(50012, INVALID_CLIENT, 401, Documented, "Authentication failed: {0}."),
    row(50013, INVALID_GRANT, 400, Captured, "Assertion failed signature validation. [Reason - {0}]"),
    row(50027, INVALID_REQUEST, 400, Captured, "JWT token is invalid or malformed. [Reason - {0}]"),
    row(50033, UNAVAILABLE, 503, Documented, "A retryable error has occurred, unrelated to the request."),
    row(50034, INVALID_GRANT, 400, Documented, "The user account {0} does not exist in the {1} directory."),
    row(50048, INVALID_CLIENT, 401, Documented, "Subject must match the issuer claim in the client assertion."),
    row(50049, "invalid_instance", 400, Documented, "Unknown or invalid instance: '{0}' is no authority this service knows."),
    row(50057, INVALID_GRANT, 400, Documented, "The user account is disabled."),
    row(50058, "login_required", 400, Documented, "A silent sign-in request was sent but no user is signed in."),
    row(50059, INVALID_REQUEST, 400, Documented, "No tenant-identifying information found in either the request or implied by any provided credentials."),
    challenge(row(50072, INTERACTION, 400, Documented, "The user has to enroll in multi-factor authentication.")),
    challenge(row(50074, INTERACTION, 400, Documented, "Strong authentication is required.")),
    challenge(row(50076, INTERACTION, 400, Documented, "Multi-factor authentication is needed to access '{0}'.")),
    challenge(row(50078, INTERACTION, 400, Documented, "The user's multi-factor authentication has expired.")),
    challenge(row(50079, INTERACTION, 400, Documented, "The user has to enroll in multi-factor authentication to access '{0}'.")),
    row(50087, UNAVAILABLE, 503, Documented, "A transient error has occurred during sign-out."),
    row(50089, INVALID_GRANT, 400, Documented, "The flow token has expired."),
    row(50105, INVALID_GRANT, 400, Documented, "The signed-in user is not assigned to a role for the application '{0}'."),
    row(50126, INVALID_GRANT, 400, Captured, "Error validating credentials due to invalid username or password."),
    row(50128, INVALID_REQUEST, 400, Documented, "Invalid domain name: nothing in the request names a tenant."),
    row(50147, INVALID_REQUEST, 400, Documented, "The code challenge is missing or its size is not valid."),
    row(50149, INVALID_REQUEST, 400, Documented, "The code challenge method is not valid: neither S256 nor plain."),
    challenge(row(50158, INTERACTION, 400, Documented, "An external security challenge is not satisfied.")),
    // The service does not name the issuer.
    without_uri(row(50166, INVALID_REQUEST, 400, Captured, "Request to External OIDC endpoint failed. The keys of the issuer '{0}' cannot be read: {1}.")),
    row(50173, INVALID_GRANT, 400, Documented, "The grant was revoked; a fresh sign-in is needed."),
    row(50194, INVALID_REQUEST, 400, Documented, "The application is not configured as a multi-tenant application. Use an endpoint of one tenant."),
    row(50196, INVALID_GRANT, 400, Documented, "The same request was made too often within a short time: a request loop was found."),
    challenge(row(53000, INVALID_GRANT, 400, Documented, "The device does not comply with the organization's policy.")),
    challenge(row(53001, INVALID_GRANT, 400, Documented, "The device is not joined to a domain.")),
    challenge(row(53002, INVALID_GRANT, 400, Documented, "The application is not among those approved for Conditional Access.")),
    challenge(row(53003, INVALID_GRANT, 400, Documented, "Access has been blocked by Conditional Access policies.")),
    challenge(row(53004, INVALID_GRANT, 400, Documented, "The user has to register for multi-factor authentication first.")),
    challenge(row(53009, INVALID_GRANT, 400, Documented, "The application has to enforce protection policies.")),
    challenge(row(53010, INVALID_GRANT, 400, Documented, "Multi-factor authentication cannot be set up from here.")),
    challenge(row(53011, INVALID_GRANT, 400, Documented, "The user is blocked because of a risk on the home tenant.")),
    row(54005, INVALID_GRANT, 400, Captured, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."),
    sub("consent_required", row(65001, INVALID_GRANT, 400, Documented, "The user or administrator has not consented to use the application with ID '{0}'. Send an interactive authorization request for this user and resource.")),
    sub("consent_required", row(65004, INVALID_GRANT, 400, Captured, "User declined to consent to access the app '{0}'.")),
    row(70000, INVALID_GRANT, 400, Documented, "Provided grant is invalid or malformed: {0}."),
    row(70001, UNAUTHORIZED, 400, Documented, "The application is disabled or unknown in the tenant."),
    row(70002, INVALID_CLIENT, 401, Documented, "The client's credentials could not be validated."),
    without_uri(row(70003, "unsupported_grant_type", 400, Captured, "The grant type '{0}' is not supported here.")),
    row(70005, "unsupported_response_type", 400, Documented, "The response type '{0}' is not supported or not enabled for the application."),
    row(70007, INVALID_REQUEST, 400, Documented, "'{0}' is not a supported value of 'response_mode' for this response type."),
    row(70008, INVALID_GRANT, 400, Documented, "The provided authorization code or refresh token has expired. Send a new authorization request."),
    row(70011, INVALID_SCOPE, 400, Documented, "The provided value for the input parameter 'scope' is not valid: '{0}'. Ask for the .default scope of exactly one resource, without named scopes beside it."),
    row(70016, "authorization_pending", 400, Captured, "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    row(70018, "bad_verification_code", 400, Documented, "The verification code is not one that was given out."),
    row(70019, "expired_token", 400, Documented, "The verification code has expired. Start the sign-in again on the device."),
    row(70020, "expired_token", 400, Documented, "The provided value for the input parameter 'device_code' is not valid. This device code has expired."),
    row(70021, INVALID_REQUEST, 400, Captured, "No matching federated identity record found for presented assertion. Assertion Issuer: '{0}'. Assertion Subject: '{1}'. Assertion Audience: '{2}'."),
    row(70023, INVALID_CLIENT, 401, Documented, "The assertion is valid for {0} seconds; the longest lifetime of a federated assertion is 1 day and 1 hour."),
    row(70043, INVALID_GRANT, 400, Documented, "The refresh token is expired or not valid because of Conditional Access sign-in frequency checks."),
    // The texts are of published reports; error code and status are guesses.
    row(82001, UNAUTHORIZED, 400, Documented, "Agentic application '{0}'({1}) is not permitted to request app-only tokens for resource '{2}'."),
    row(82002, UNAUTHORIZED, 400, Documented, "Agentic application '{0}'({1}) is not permitted to make on-behalf-of requests."),
    // The metadata endpoint responds with `invalid_tenant` and the same AADSTS code.
    row(90002, INVALID_REQUEST, 400, Captured, "Tenant '{0}' not found. Check the tenant id, and that the request went to the cloud the tenant lives in."),
    row(90006, SERVER_ERROR, 500, Documented, "The service is temporarily unavailable."),
    row(90011, INVALID_REQUEST, 400, Captured, "Unexpected client assertion type."),
    row(90012, SERVER_ERROR, 500, Documented, "The request to the service has timed out."),
    row(90013, INVALID_REQUEST, 400, Documented, "The input is not valid."),
    row(90014, INVALID_REQUEST, 400, Captured, "The required field '{0}' is missing from the credential."),
    row(90019, INVALID_REQUEST, 400, Documented, "Nothing in the request names a tenant."),
    row(90023, INVALID_REQUEST, 400, Assumed, "The request is not valid: {0}."),
    row(90024, UNAVAILABLE, 503, Documented, "The request budget was exceeded, a transient error."),
    row(90033, UNAVAILABLE, 503, Documented, "A transient error has occurred. Please try again."),
    row(90055, UNAVAILABLE, 429, Documented, "Too many requests: throttled."),
    row(90090, SERVER_ERROR, 500, Documented, "Another service could not be reached."),
    sub("consent_required", row(90094, INVALID_GRANT, 400, Documented, "The grant requires the permission of an administrator.")),
    row(90100, INVALID_REQUEST, 400, Documented, "A parameter is empty or not valid."),
    row(90124, INVALID_REQUEST, 400, Documented, "The resource is not supported over the /common or /consumers endpoints. Use /organizations or the endpoint of one tenant."),
    row(90130, INVALID_REQUEST, 400, Documented, "The application is not supported over the /common or /consumers endpoints. Use an endpoint of one tenant."),
    row(100007, INVALID_REQUEST, 400, Assumed, "Only first-party applications may use the regional endpoints."),
    row(500011, INVALID_RESOURCE, 400, Captured, "The resource principal named {0} was not found in the tenant named {1}. Either no administrator of the tenant has consented to it, or the request went to the wrong tenant."),
    // The OAuth error code of a client error, with the status of a grant error.
    row(500112, INVALID_CLIENT, 400, Captured, "The reply address '{0}' does not match the reply address '{1}' provided when requesting Authorization code."),
    row(500113, INVALID_REQUEST, 400, Documented, "No reply address is registered for the application."),
    row(500131, INVALID_GRANT, 400, Captured, "Assertion audience does not match the Client app presenting the assertion. The audience in the assertion was '{0}' and the expected audience is '{1}' or one of its identifier URIs."),
    row(500133, INVALID_GRANT, 400, Documented, "The presented assertion is not within its valid time range."),
    // Documents of different years say invalid_client or invalid_grant; published responses have
    // the latter.
    row(501051, INVALID_GRANT, 400, Documented, "Application '{0}'({1}) is not assigned to a role for the application '{2}'({3})."),
    row(501481, INVALID_GRANT, 400, Captured, "The code verifier does not match the code challenge."),
    row(501491, INVALID_REQUEST, 400, Documented, "Invalid size of Code_Challenge parameter."),
    challenge(row(530032, INVALID_GRANT, 400, Documented, "A security policy set by the tenant's administrator blocks access.")),
    row(650053, INVALID_CLIENT, 401, Documented, "The application '{0}' asked for scope '{1}' that doesn't exist on the resource '{2}'."),
    row(650057, INVALID_RESOURCE, 400, Documented, "Invalid resource: it is not among the permissions that the application's registration asks for."),
    row(700005, INVALID_GRANT, 400, Documented, "Provided Authorization Code is intended to be used against another tenant, and is refused here."),
    row(700007, INVALID_GRANT, 400, Documented, "The grant was issued for a different client id."),
    row(700011, UNAUTHORIZED, 400, Documented, "The application was not found in the directory."),
    row(700016, UNAUTHORIZED, 400, Captured, "Application with identifier '{0}' was not found in the directory '{1}'. Either it was never installed or consented to there, or the request went to the wrong tenant."),
    row(700021, INVALID_CLIENT, 401, Captured, "Client assertion application identifier doesn't match 'client_id' parameter."),
    row(700022, INVALID_SCOPE, 400, Documented, "The value of the input parameter 'scope' is not valid: it names more than one resource."),
    // The error list has this code for a scope without a resource; published responses have it for
    // this error.
    row(700023, INVALID_CLIENT, 401, Captured, "Client assertion audience claim does not match Realm issuer."),
    row(700024, INVALID_CLIENT, 401, Captured, "Client assertion is not within its valid time range. Current time: {0}, assertion valid from {1}, expiry time of assertion {2}."),
    row(700025, INVALID_CLIENT, 401, Documented, "The client is public: neither a client assertion nor a client secret may be presented."),
    row(700027, INVALID_CLIENT, 401, Captured, "Client assertion contains an invalid signature. [Reason - {0}, Thumbprint of key used by client: '{1}'{2}]"),
    row(700030, INVALID_CLIENT, 401, Documented, "The certificate's subject name is not among those that the application allows."),
    row(700038, UNAUTHORIZED, 400, Captured, "'{0}' is not a valid application identifier."),
    row(700082, INVALID_GRANT, 400, Documented, "The refresh token has expired because it was not used."),
    row(700084, INVALID_GRANT, 400, Documented, "The refresh token was issued to a single-page app and has a fixed lifetime, which is over."),
    // Published responses have no `error_uri`.
    without_uri(row(700211, INVALID_CLIENT, 401, Captured, "No matching federated identity record found for presented assertion issuer '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    without_uri(row(700212, INVALID_CLIENT, 401, Captured, "No matching federated identity record found for presented assertion audience '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    without_uri(row(700213, INVALID_CLIENT, 401, Captured, "No matching federated identity record found for presented assertion subject '{0}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    row(700214, INVALID_CLIENT, 401, Documented, "The audience of the federated identity credential must be the identifier URI of the token exchange, such as 'api://AzureADTokenExchange', and not '{0}'."),
    row(700222, INVALID_CLIENT, 401, Captured, "AAD-issued tokens may not be used for federated identity flows."),
    row(700229, INVALID_CLIENT, 401, Captured, "Forbidden token type. Only app-only tokens may be used as Federated Identity Credentials for AAD issuer."),
    row(700231, INVALID_CLIENT, 401, Documented, "The assertion was itself obtained with a federated identity credential. Use the first assertion instead."),
    row(900023, INVALID_REQUEST, 400, Documented, "Specified tenant identifier '{0}' is neither a valid DNS name, nor a valid external domain."),
    row(900144, INVALID_REQUEST, 400, Documented, "The request body must contain the following parameter: '{0}'."),
    row(900561, INVALID_REQUEST, 400, Documented, "The endpoint only accepts POST requests. Received a {0} request."),
    row(901002, INVALID_REQUEST, 400, Documented, "The '{0}' request parameter is not supported."),
    row(1002012, INVALID_SCOPE, 400, Documented, "The provided value for scope {0} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."),
    row(5002723, INVALID_CLIENT, 401, Captured, "Invalid JWT token. No certificate SHA-1 thumbprint, certificate SHA-256 thumbprint, nor keyId specified in token header."),
    row(5002727, INVALID_REQUEST, 400, Captured, "Invalid JWT header type specified, must be 'JWT' or 'http://openid.net/specs/jwt/1.0'."),
    row(5002730, INVALID_REQUEST, 400, Assumed, "Invalid JWT token. Unsupported key for the signing algorithm."),
    row(5002738, INVALID_CLIENT, 401, Captured, "Invalid JWT token. '{0}' is not a supported signature algorithm. Supported signing algorithms are: 'RS256,PS256'"),
    without_uri(row(7000012, INVALID_GRANT, 400, Captured, "The grant was obtained for a different tenant.")),
    row(7000112, UNAUTHORIZED, 400, Documented, "Application '{0}'({1}) is disabled."),
    row(7000114, INVALID_GRANT, 400, Documented, "Application '{0}' is not allowed to make application on-behalf-of calls: the assertion is a token without a user."),
    row(7000215, INVALID_CLIENT, 401, Captured, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{0}'."),
    row(7000218, INVALID_CLIENT, 401, Documented, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    row(7000222, INVALID_CLIENT, 401, Documented, "The provided client secret keys for app '{0}' are expired or not valid yet. Add a new secret to the app, or authenticate with a certificate."),
    row(7000229, INVALID_CLIENT, 401, Documented, "The client application {0} is missing service principal in the tenant {1}."),
    row(7000272, INVALID_CLIENT, 401, Captured, "The certificate with identifier {0} used to sign the federated credential could not be found in the metadata of identity provider {1}. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token."),
    without_uri(row(7002121, INVALID_CLIENT, 401, Documented, "No matching federated identity record found for presented assertion audience '{0}'. The issuer is of v1 tokens. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    without_uri(row(7002131, INVALID_CLIENT, 401, Documented, "No matching federated identity record found for presented assertion subject '{0}', neither by a subject nor by a claims matching expression. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    without_uri(row(7002138, INVALID_CLIENT, 401, Captured, "No matching federated identity record found for presented assertion subject '{0}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.")),
    row(9000411, INVALID_REQUEST, 400, Documented, "The request is not properly formatted. The parameter '{0}' is duplicated."),
    row(9001023, INVALID_REQUEST, 400, Documented, "The grant type is not supported over the /common or /consumers endpoints. Use an endpoint of one tenant."),
    // Seen as invalid_grant for a code or refresh token that cannot be read; the rest is a guess.
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
        let rejection = Rejection::new(500011).with("{1}\r\n").with("b");
        assert!(
            rejection
                .message()
                .starts_with("AADSTS500011: The resource principal named {1}   was not found in the tenant named b.")
        );
    }

    #[test]
    fn only_invalid_client_is_401() {
        let is_401 = |row: &Aadsts| row.error == INVALID_CLIENT && row.code != 500112;
        assert!(TABLE.iter().all(|row| is_401(row) == (row.status == 401)));
    }
}
