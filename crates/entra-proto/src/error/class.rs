//! The classes of errors: each says who has to act, and how.

use std::fmt;

use super::hints::{
    CHECK_APPLICATION, CHECK_PARAMETERS, GRANT_CONSENT, REQUEST_ONE_API, SIGN_IN_AGAIN, SIGN_IN_WITH_CLAIMS, TRY_LATER,
    WHICH_POLICY,
};

/// The class of an error: what the application, its owner or an administrator should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The request is wrong: fix the code.
    Request,
    /// The scope or resource is wrong: fix the configuration.
    Scope,
    /// The tenant, the authority or the cloud is wrong: fix the configuration.
    Tenant,
    /// The application is disabled or does not exist in the tenant: check its ID, or have an
    /// administrator consent to it.
    Application,
    /// The secret, certificate or assertion was rejected: fix or renew it.
    Credential,
    /// A permission, a role or consent is missing: an administrator must grant it.
    Consent,
    /// A policy of the tenant blocks the request: an administrator must decide.
    Policy,
    /// A user must sign in: pass the claims of the error on.
    Interaction,
    /// The code, refresh token or user token is expired or used up: start the flow again.
    Grant,
    /// A temporary failure, throttling, or a user who has not finished yet: try again later.
    Transient,
    /// The cause is unknown.
    Unknown,
}

impl ErrorClass {
    /// Returns the class of an OAuth 2.0 error code (RFC 6749, section 5.2, and Entra's own).
    pub(crate) fn of_error_code(error: &str) -> Self {
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
            // RFC 8628, section 3.5: the same poll may succeed when the user has finished.
            "authorization_pending" | "slow_down" => Self::Transient,
            _ => Self::Unknown,
        }
    }

    /// Returns whether a user has to act, who takes part in the sign-in or the flow.
    pub(crate) const fn is_about_user(self) -> bool {
        matches!(self, Self::Grant | Self::Interaction)
    }

    /// Returns the hint for an error of which only the class is known.
    pub(crate) const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Request => CHECK_PARAMETERS,
            Self::Scope => REQUEST_ONE_API,
            Self::Tenant => "check the tenant, the authority and the cloud",
            Self::Application => CHECK_APPLICATION,
            Self::Credential => {
                "check the credential: the client secret's value, the certificate, or the issuer, subject and audience of the federated credential"
            }
            Self::Consent => GRANT_CONSENT,
            Self::Policy => WHICH_POLICY,
            Self::Interaction => SIGN_IN_WITH_CLAIMS,
            Self::Grant => SIGN_IN_AGAIN,
            Self::Transient => TRY_LATER,
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
