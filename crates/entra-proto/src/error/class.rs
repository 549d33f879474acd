//! The kinds of error responses, by who has to act.

use std::fmt;

/// What kind of trouble a refusal is: what the application, its owner or its administrator should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The request is wrong: mend the code.
    Request,
    /// The scope or resource is wrong: mend the configuration.
    Scope,
    /// The tenant, the authority or the cloud is wrong: mend the configuration.
    Tenant,
    /// The application is not in the tenant, or disabled: check its id, or have an administrator consent to it.
    Application,
    /// The secret, certificate or assertion is not accepted: mend or renew it.
    Credential,
    /// A permission, a role or consent is missing: an administrator must grant it.
    Consent,
    /// A policy of the tenant blocks it: an administrator must decide.
    Policy,
    /// A person must sign in: pass the claims on.
    Interaction,
    /// The code, refresh token or user token is spent: start the flow again.
    Grant,
    /// A passing fault, throttling, or a person who is not done yet: try again later.
    Transient,
    /// Nothing is known about it.
    Unknown,
}

impl ErrorClass {
    /// The class of an OAuth 2.0 error word (RFC 6749, section 5.2, and Entra's own).
    pub(crate) fn of_word(error: &str) -> Self {
        match error {
            "invalid_request" | "unsupported_grant_type" | "unsupported_response_type" => Self::Request,
            "invalid_scope" | "invalid_resource" | "invalid_target" => Self::Scope,
            "invalid_instance" | "invalid_tenant" => Self::Tenant,
            "unauthorized_client" => Self::Application,
            "invalid_client" => Self::Credential,
            "consent_required" | "access_denied" | "permission_denied" | "authorization_declined" => Self::Consent,
            "interaction_required" | "login_required" | "account_selection_required" => Self::Interaction,
            "invalid_grant" | "expired_token" | "bad_verification_code" => Self::Grant,
            "temporarily_unavailable" | "server_error" | "request_timeout" => Self::Transient,
            // RFC 8628, section 3.5: the same poll may succeed once the person is done.
            "authorization_pending" | "slow_down" => Self::Transient,
            _ => Self::Unknown,
        }
    }

    /// What to do where nothing more is known than the class.
    pub(crate) const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Request => "check the request's parameters",
            Self::Scope => "ask for one API: its application id URI and /.default",
            Self::Tenant => "check the tenant, the authority and the cloud",
            Self::Application => "check the client id and the tenant; have an administrator consent to the application",
            Self::Credential => {
                "check the credential: the client secret's value, the certificate, or issuer, subject and audience of the federated credential"
            }
            Self::Consent => "have an administrator grant consent to the application in this tenant",
            Self::Policy => "ask the tenant's administrator which policy applies",
            Self::Interaction => "let the user sign in interactively, with the claims that came along",
            Self::Grant => "start the sign-in again",
            Self::Transient => "try again a little later",
            Self::Unknown => return None,
        })
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Scope => "scope",
            Self::Tenant => "tenant",
            Self::Application => "application",
            Self::Credential => "credential",
            Self::Consent => "consent",
            Self::Policy => "policy",
            Self::Interaction => "interaction",
            Self::Grant => "grant",
            Self::Transient => "transient",
            Self::Unknown => "unknown",
        })
    }
}
