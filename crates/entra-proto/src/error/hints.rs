//! Hints that more than one error gives. Each text stands here once.

/// The hint for a response that ended before it was complete.
pub const CUT_RESPONSE: &str = "try again; if the error persists, look for a proxy that cuts responses";

/// The hint for a response that does not come from the service.
pub const FOREIGN_RESPONSE: &str =
    "look for a proxy or a sign-in portal between this machine and the service, and check the authority";

/// The hint for a temporary error of the service.
pub const TRY_LATER: &str = "try again later";

pub(crate) const ADD_CREDENTIAL: &str = "give the application a certificate or a client secret";
pub(crate) const ADD_CREDENTIAL_OR_ALLOW_PUBLIC: &str = "add a client secret or a certificate, or, for a public client, turn on \"Allow public client flows\" under Authentication in the app registration";
pub(crate) const CHECK_APPLICATION: &str =
    "check the client ID and the tenant; have an administrator consent to the application";
pub(crate) const CHECK_FORM: &str = "check that the request body is a form, percent-encoded once";
pub(crate) const CHECK_FEDERATION: &str = "compare the issuer, subject and audience of the assertion with the application's federated credential, including case and slashes";
pub(crate) const CHECK_PARAMETERS: &str = "check the parameters of the request";
pub(crate) const COPY_CLIENT_ID: &str = "copy the Application (client) ID from the app registration";
pub(crate) const GRANT_CONSENT: &str = "have an administrator grant consent to the application in this tenant";
pub(crate) const REQUEST_ONE_API: &str = "request one API: its application ID URI followed by /.default";
pub(crate) const SIGN_IN_AGAIN: &str = "start the sign-in again";
pub(crate) const SIGN_IN_INTERACTIVELY: &str = "have the user sign in interactively";
pub(crate) const SIGN_IN_WITH_CLAIMS: &str =
    "have the user sign in interactively, and pass on the claims of the error response";
pub(crate) const WHICH_POLICY: &str = "ask the tenant's administrator which policy applies";
