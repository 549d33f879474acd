use crate::error_class::ErrorClass;

/// What is known of one of Entra's error numbers, the `AADSTS...` of its messages.
///
/// The numbers and the words are those of Entra's own list of error codes and of answers seen; what to do about them is ours.
/// Branch on [`ErrorClass`], not on numbers: Entra adds and changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Aadsts {
    /// The number.
    pub code: u32,
    /// The OAuth 2.0 error word that it usually comes with.
    pub error: &'static str,
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// Whether the same request may succeed a little later.
    pub retryable: bool,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

impl Aadsts {
    /// The row of this number, where it is known.
    #[must_use]
    pub fn find(code: u32) -> Option<&'static Self> {
        TABLE
            .binary_search_by_key(&code, |row| row.code)
            .ok()
            .and_then(|at| TABLE.get(at))
    }

    /// All that are known, in the order of their numbers.
    #[must_use]
    pub fn all() -> &'static [Self] {
        TABLE
    }
}

const fn row(code: u32, error: &'static str, class: ErrorClass, meaning: &'static str, hint: &'static str) -> Aadsts {
    Aadsts {
        code,
        error,
        class,
        retryable: matches!(class, Transient),
        meaning,
        hint,
    }
}

use ErrorClass::{Application, Consent, Credential, Grant, Interaction, Policy, Request, Scope, Tenant, Transient};

#[rustfmt::skip]
const TABLE: &[Aadsts] = &[
    row(28_002, "invalid_scope", Scope, "the scope is not valid",
        "ask for one API's application id URI and /.default"),
    row(28_003, "invalid_scope", Scope, "the scope is empty",
        "ask for one API's application id URI and /.default"),
    row(50_001, "invalid_resource", Scope, "the API is not known in this tenant",
        "check the resource's spelling, slash included, and that the API's application exists in the tenant"),
    row(50_011, "invalid_request", Request, "the redirect URI is not one of the application's",
        "register the redirect URI, character for character, in the app registration"),
    row(50_012, "invalid_client", Credential, "the client assertion's signature cannot be checked",
        "check that the certificate is registered and that the key belongs to it"),
    row(50_013, "invalid_client", Credential, "the assertion is not valid",
        "check its signature, audience and lifetime"),
    row(50_027, "invalid_client", Credential, "the assertion is not a JWT that the service can read",
        "send one audience, and the certificate's thumbprint in the header"),
    row(50_033, "server_error", Transient, "the service has a passing fault",
        "try again a little later"),
    row(50_048, "invalid_client", Credential, "the assertion's issuer and subject differ",
        "write the application's client id into both iss and sub"),
    row(50_049, "invalid_instance", Tenant, "the authority's host is not known to the service",
        "check the authority's host and cloud"),
    row(50_059, "invalid_request", Tenant, "nothing says which tenant is meant",
        "use the tenant's id or domain in the authority, not common or organizations"),
    row(50_072, "interaction_required", Interaction, "the user must enrol for multi-factor authentication",
        "let the user sign in interactively, with the claims that came along"),
    row(50_074, "interaction_required", Interaction, "the user must pass multi-factor authentication",
        "let the user sign in interactively, with the claims that came along"),
    row(50_076, "interaction_required", Interaction, "the user must pass multi-factor authentication",
        "let the user sign in interactively, with the claims that came along"),
    row(50_078, "interaction_required", Interaction, "the user's multi-factor authentication has expired",
        "let the user sign in interactively, with the claims that came along"),
    row(50_079, "interaction_required", Interaction, "the user must enrol for multi-factor authentication",
        "let the user sign in interactively, with the claims that came along"),
    row(50_087, "temporarily_unavailable", Transient, "the service has a passing fault",
        "try again a little later"),
    row(50_089, "invalid_grant", Grant, "the sign-in's token has expired",
        "start the sign-in again"),
    row(50_105, "invalid_grant", Consent, "nobody assigned a role of the API to the application or user",
        "have an administrator assign one under Enterprise applications"),
    row(50_128, "invalid_request", Tenant, "nothing says which tenant is meant",
        "use the tenant's id or domain in the authority"),
    row(50_147, "invalid_request", Request, "the PKCE code challenge is missing or malformed",
        "send an S256 challenge, base64url without padding"),
    row(50_158, "interaction_required", Interaction, "another identity provider must be satisfied first",
        "let the user sign in interactively, with the claims that came along"),
    row(50_173, "invalid_grant", Grant, "the grant was revoked, as by a password change",
        "start the sign-in again"),
    row(50_194, "invalid_request", Tenant, "the application is not multi-tenant, and cannot be used on common",
        "use the tenant's id or domain in the authority"),
    row(50_196, "invalid_grant", Request, "the service sees the same request over and over",
        "keep tokens in a cache until they expire, and back off"),
    row(53_000, "interaction_required", Policy, "Conditional Access wants a compliant device",
        "ask the tenant's administrator to exclude the application, or satisfy the policy"),
    row(53_001, "interaction_required", Policy, "Conditional Access wants a device joined to the domain",
        "ask the tenant's administrator to exclude the application, or satisfy the policy"),
    row(53_002, "interaction_required", Policy, "Conditional Access wants an approved application",
        "ask the tenant's administrator to exclude the application, or satisfy the policy"),
    row(53_003, "invalid_grant", Policy, "Conditional Access blocks the token",
        "ask the tenant's administrator which policy applies; pass the claims on where there are any"),
    row(53_004, "interaction_required", Policy, "suspicious activity keeps the user from enrolling",
        "ask the tenant's administrator"),
    row(53_005, "interaction_required", Policy, "Conditional Access blocks the token",
        "ask the tenant's administrator which policy applies; pass the claims on where there are any"),
    row(53_006, "interaction_required", Policy, "Conditional Access blocks the token",
        "ask the tenant's administrator which policy applies; pass the claims on where there are any"),
    row(53_007, "interaction_required", Policy, "Conditional Access blocks the token",
        "ask the tenant's administrator which policy applies; pass the claims on where there are any"),
    row(53_008, "interaction_required", Policy, "Conditional Access blocks the token",
        "ask the tenant's administrator which policy applies; pass the claims on where there are any"),
    row(53_009, "interaction_required", Policy, "Conditional Access wants an app protection policy",
        "ask the tenant's administrator to exclude the application, or satisfy the policy"),
    row(53_010, "interaction_required", Policy, "the place or device is not allowed for enrolment",
        "ask the tenant's administrator"),
    row(53_011, "interaction_required", Policy, "the user is blocked for risk in the home tenant",
        "ask the tenant's administrator"),
    row(54_005, "invalid_grant", Grant, "the authorization code was redeemed before",
        "redeem each code once; start the sign-in again"),
    row(65_001, "invalid_grant", Consent, "nobody consented to these permissions",
        "have an administrator grant consent to the application in this tenant"),
    row(65_004, "invalid_grant", Consent, "consent was declined",
        "ask again, or have an administrator grant consent"),
    row(70_001, "unauthorized_client", Application, "the application is disabled or not in the tenant",
        "have an administrator enable it, or consent to it"),
    row(70_002, "invalid_client", Credential, "the credential is not valid",
        "check the client secret's value or the certificate"),
    row(70_003, "unsupported_grant_type", Request, "the grant type is not known",
        "write grant_type=client_credentials (with an s) for a daemon"),
    row(70_008, "invalid_grant", Grant, "the code or refresh token has expired",
        "start the sign-in again"),
    row(70_011, "invalid_scope", Scope, "the scope is not valid",
        "ask for one API: its application id URI and /.default, such as https://graph.microsoft.com/.default, and nothing beside it"),
    row(70_021, "invalid_request", Credential, "no federated credential matches the assertion",
        "compare issuer, subject and audience with the federated credential, capitals included"),
    row(70_043, "invalid_grant", Grant, "the refresh token has expired by the sign-in frequency",
        "start the sign-in again"),
    row(90_002, "invalid_request", Tenant, "the tenant does not exist in this cloud",
        "check the tenant's id or domain, and the cloud"),
    row(90_006, "server_error", Transient, "the service has a passing fault",
        "try again a little later"),
    row(90_011, "invalid_request", Request, "the client assertion's type is not known",
        "send client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    row(90_012, "temporarily_unavailable", Transient, "the service timed out",
        "try again a little later"),
    row(90_013, "invalid_request", Request, "a parameter is not valid",
        "check the request's parameters"),
    row(90_014, "invalid_request", Request, "a required parameter is missing",
        "send the parameter that the message names"),
    row(90_019, "invalid_request", Tenant, "nothing says which tenant is meant",
        "use the tenant's id or domain in the authority"),
    row(90_023, "invalid_request", Request, "the request is not valid",
        "check the request's parameters"),
    row(90_024, "temporarily_unavailable", Transient, "the service is busy",
        "try again a little later"),
    row(90_033, "temporarily_unavailable", Transient, "the service has a passing fault",
        "try again a little later"),
    row(90_055, "invalid_request", Transient, "there were too many requests",
        "wait as long as Retry-After says, and keep tokens in a cache"),
    row(90_090, "server_error", Transient, "the service has a passing fault",
        "try again a little later"),
    row(90_094, "invalid_grant", Consent, "an administrator must consent",
        "have an administrator grant consent to the application in this tenant"),
    row(90_100, "invalid_request", Request, "a parameter is empty or not valid",
        "check the request's parameters"),
    row(90_124, "invalid_request", Tenant, "the API cannot be used on common or consumers",
        "use the tenant's id or domain in the authority"),
    row(90_130, "invalid_request", Tenant, "the application cannot be used on common or consumers",
        "use the tenant's id or domain in the authority"),
    row(100_007, "unauthorized_client", Request, "the application may not use regional endpoints",
        "leave the region out"),
    row(500_011, "invalid_resource", Scope, "the API is not known in this tenant",
        "check the resource's spelling, slash included, and that the API's application exists in the tenant"),
    row(500_133, "invalid_grant", Grant, "the user's token has expired",
        "get a new token from the caller"),
    row(501_051, "invalid_grant", Consent, "the API wants a role assigned, and the application has none",
        "have an administrator assign one of the API's roles to the application"),
    row(501_481, "invalid_grant", Request, "the PKCE verifier does not match the challenge",
        "redeem the code with the verifier that its sign-in was started with"),
    row(530_032, "interaction_required", Policy, "a security policy blocks the token",
        "ask the tenant's administrator"),
    row(650_057, "invalid_resource", Scope, "the API is not among the application's permissions",
        "add the API under the app registration's API permissions and have it consented to"),
    row(700_011, "unauthorized_client", Application, "the application is not in the tenant",
        "check the client id and the tenant; have an administrator consent to the application"),
    row(700_016, "unauthorized_client", Application, "the application is not in the tenant",
        "check the client id and the tenant; have an administrator consent to the application"),
    row(700_021, "invalid_client", Credential, "the assertion is for another application",
        "write the client id of the request into both iss and sub"),
    row(700_022, "invalid_scope", Scope, "the scope names more than one API",
        "ask for a token for each API"),
    row(700_023, "invalid_client", Credential, "the assertion is for another audience, or the scope names no API",
        "write the token URL that the assertion is posted to into its aud; where the error is invalid_scope, ask for one API by /.default"),
    row(700_024, "invalid_client", Credential, "the assertion is not within its time",
        "set this machine's clock, or get a fresh federated token"),
    row(700_025, "invalid_client", Credential, "a public client sent a credential",
        "leave the credential out, or register the application as confidential"),
    row(700_027, "invalid_client", Credential, "the assertion's signature or certificate is not known",
        "register the certificate, and check that its thumbprint is the one in the assertion"),
    row(700_030, "invalid_client", Credential, "the certificate's subject is not allowed",
        "register the certificate, or its subject name and issuer"),
    row(700_038, "unauthorized_client", Application, "the client id is no application's",
        "copy the Application (client) ID from the app registration"),
    row(700_082, "invalid_grant", Grant, "the refresh token has expired through disuse",
        "start the sign-in again"),
    row(700_084, "invalid_grant", Grant, "the refresh token of a single-page application has expired",
        "start the sign-in again"),
    row(700_213, "invalid_request", Credential, "no federated credential matches the assertion's subject",
        "compare issuer, subject and audience with the federated credential, capitals included"),
    row(700_229, "invalid_request", Credential, "only app-only tokens can serve as federated credentials",
        "send an assertion that an application got for itself"),
    row(900_023, "invalid_request", Tenant, "the tenant is neither a GUID nor a domain",
        "write the tenant's id or domain, such as contoso.onmicrosoft.com"),
    row(900_144, "invalid_request", Request, "a required parameter is missing",
        "send the parameter that the message names, in lower case; the v1 endpoint (/oauth2/token) wants resource, the v2 endpoint (/oauth2/v2.0/token) wants scope"),
    row(901_002, "invalid_request", Request, "the v2 endpoint does not take resource",
        "send scope: the resource and /.default"),
    row(1_002_012, "invalid_scope", Scope, "a daemon's scope must end with /.default",
        "append /.default to the API's application id URI, as in https://graph.microsoft.com/.default, and encode it once"),
    row(5_002_723, "invalid_client", Credential, "the assertion's header names no certificate",
        "send x5t#S256 or x5t, or x5c"),
    row(5_002_727, "invalid_client", Credential, "the assertion's header has another type than JWT",
        "send typ JWT, or none"),
    row(5_002_730, "invalid_client", Credential, "the certificate's key is not one that the service takes",
        "use an RSA key of at least 2,048 bits"),
    row(5_002_738, "invalid_client", Credential, "the assertion is signed in another way than the service takes",
        "sign with PS256 or RS256"),
    row(7_000_112, "unauthorized_client", Application, "the application is disabled",
        "have an administrator enable it"),
    row(7_000_215, "invalid_client", Credential, "the client secret is wrong",
        "send the secret's value, not its id; the value is shown only once, so make a new secret if it is lost"),
    row(7_000_218, "invalid_client", Credential, "there is no credential in the request",
        "add a client secret or a certificate"),
    row(7_000_222, "invalid_client", Credential, "the client secret has expired",
        "make a new secret, or better, use a certificate"),
    row(7_000_229, "invalid_client", Application, "the application has no service principal in the tenant",
        "have an administrator consent to the application, and allow a few minutes"),
    row(9_001_023, "invalid_request", Tenant, "the grant cannot be used on common or consumers",
        "use the tenant's id or domain in the authority"),
    row(9_002_313, "invalid_request", Request, "the request is malformed",
        "check that the body is a form, encoded once"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_row_says_what_to_do() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in TABLE {
            assert_eq!(Aadsts::find(row.code), Some(row));
            assert!(
                !row.meaning.is_empty() && !row.hint.is_empty() && row.class != ErrorClass::Unknown,
                "{row:?}"
            );
        }
        assert_eq!(Aadsts::find(1), None);
    }
}
