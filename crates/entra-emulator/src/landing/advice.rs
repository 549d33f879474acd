//! Advice about error responses and lints, for the landing page.

use http::StatusCode;

use crate::aadsts::Aadsts;
use crate::state::recorder::{Lint, Purpose, RequestEvent};

/// Returns advice about an error response, if any is known.
pub(super) fn advice(event: &RequestEvent) -> Option<&'static str> {
    if let Some(code) = event.aadsts {
        return Some(of_code(code));
    }
    if event.purpose == Some(Purpose::ManagedIdentity) {
        return of_source(event.status);
    }
    match event.status {
        StatusCode::UNAUTHORIZED => Some(
            "Get a token from this emulator for this API, and send it in the header `Authorization: Bearer` before it expires.",
        ),
        StatusCode::FORBIDDEN => Some(
            "Grant the application a permission that this call needs, get a new token, and check its `roles` or `scp`.",
        ),
        StatusCode::NOT_FOUND if event.purpose.is_none() => Some("Compare the path with the endpoints on this page."),
        StatusCode::METHOD_NOT_ALLOWED => Some("Use the method that the header `Allow` of the response names."),
        StatusCode::NOT_IMPLEMENTED => Some("The emulator does not implement this: test it against Entra itself."),
        StatusCode::TOO_MANY_REQUESTS => Some("Wait as long as `Retry-After` says, then send the request again."),
        status if status.is_client_error() => Some("Compare the request with the documentation of this API."),
        _ => None,
    }
}

/// Returns advice about an error of a source of managed identities.
fn of_source(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED => {
            Some("Send the secret of the source in its header, from the variables of this run.")
        }
        StatusCode::NOT_FOUND => Some("Use the variables that the emulator prints for the source."),
        StatusCode::BAD_REQUEST => {
            Some("Compare the identity and the parameters with the managed identities on this page.")
        }
        status if status.is_client_error() => Some("Compare the request with the documentation of this source."),
        _ => None,
    }
}

/// Returns advice about a row of the table of error responses.
fn of_code(code: u32) -> &'static str {
    let known = ADVICE.iter().find(|(codes, _)| codes.contains(&code));
    if let Some((_, advice)) = known {
        return advice;
    }
    match Aadsts::find(code).map_or("", |row| row.error) {
        "interaction_required" => {
            "Have the user sign in again, and include the `claims` of the response in the request."
        }
        "temporarily_unavailable" | "server_error" => "The request is correct: send it again after a few seconds.",
        "invalid_grant" => "Start a new sign-in: the code or token in the request is no longer valid.",
        "invalid_client" => "Compare the credential with those of the application on this page.",
        "invalid_scope" | "invalid_resource" => "Compare the scope or the resource with the APIs on this page.",
        _ => "Compare the parameters of the request with the documentation of the endpoint.",
    }
}

#[rustfmt::skip]
const ADVICE: &[(&[u32], &str)] = &[
    (&[28000, 70011, 700022, 1002012], "Request one API at a time. An application requests the identifier of the API followed by `/.default`, and nothing else. If the identifier ends with a slash, the scope has two slashes."),
    (&[28002, 650053], "Request a scope that the API defines: this page lists them."),
    (&[28003], "Send a `scope`."),
    (&[50001, 500011], "Request an API by one of its identifiers on this page, or add it to `apis` of the configuration."),
    (&[50011, 500113], "Register the redirect URI that the request names in `redirect_uris` of the application, exactly as it is sent."),
    (&[50012, 50027, 700021], "Sign a new assertion: `iss` and `sub` are the client ID, `aud` is one token URL, and each assertion has its own `jti`."),
    (&[50013, 500131, 500133], "Send as `assertion` a valid access token that was issued to a user for this application."),
    (&[50034, 50126], "Sign in as one of the users on this page. The emulator has no passwords: it rejects every one."),
    (&[50048], "Set `iss` and `sub` of the assertion to the client ID, or send an assertion of an issuer that is registered in `federated_credentials` of the application."),
    (&[50166, 7000272], "Check that the issuer serves `/.well-known/openid-configuration` and the key that signed the assertion, or put its keys into `issuer_keys` of the configuration."),
    (&[70021, 700211, 700212, 700213, 7002121, 7002131, 7002138], "Compare `iss`, `sub` and `aud` of the assertion with the federated credentials of the application on this page. Letter case and final slashes count."),
    (&[70023], "Request an assertion with a shorter lifetime from the issuer."),
    (&[700214], "Set `audiences` of the federated credential to `api://AzureADTokenExchange`."),
    (&[700222, 700229, 700231], "Use the token of a user-assigned managed identity, or the assertion of an issuer other than Entra."),
    (&[50049], "Turn instance discovery off in the library: Microsoft does not list this host as an authority."),
    (&[50057], "Sign in as another user, or remove `account_enabled` from this one in the configuration."),
    (&[50058, 50173, 70043, 700082, 700084], "Have the user sign in again."),
    (&[50059, 50128, 50194, 90019, 90124, 90130, 9001023], "Put the tenant's ID or domain into the path, in place of `common` or `organizations`."),
    (&[50089], "Go back to the application and start the sign-in again."),
    (&[50105, 501051], "Grant the application a role of this API, or remove `assignment_required` from the API."),
    (&[50147, 50149, 501491], "Send a `code_challenge` of 43 to 128 characters with `code_challenge_method=S256`."),
    (&[501481], "Send the `code_verifier` whose SHA-256 was sent as `code_challenge`."),
    (&[54005, 70000, 70008], "Redeem each authorization code once and within ten minutes; for a refresh token that has expired or is unknown, start the sign-in again."),
    (&[65001], "Have the user or an administrator consent: open the authorization URL, or put the permission into `granted` or `granted_scopes`."),
    (&[65004], "The user declined. Start the sign-in again when they want to continue."),
    (&[70001, 700011, 700016, 7000229], "Compare the client ID and the tenant with this page. The application may be registered in another tenant, or lack consent in this one."),
    (&[70002, 700025], "Send no credential: the application is a public client. Or remove `public_client` from its registration."),
    (&[70003], "Use a grant type that the endpoint supports, spelled exactly, such as `client_credentials`."),
    (&[70005, 70007], "Use a `response_type` and a `response_mode` that go together, such as `code` with `query`."),
    (&[70016], "Poll again after the interval: the user has not finished signing in."),
    (&[70018, 70019, 70020], "Start the sign-in on the device again, and enter the code that it shows."),
    (&[90002, 900023], "Put a tenant of this page into the path, by its ID or its domain."),
    (&[90011], "Send `client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer`."),
    (&[90014, 900144], "Send the parameter that the message names, in the body, as a form."),
    (&[90094], "Sign in as an administrator, or put the permission into `granted` or `granted_scopes`."),
    (&[500112], "Send the same `redirect_uri` with the code as in the authorization request."),
    (&[650057], "Add the API's permissions to `requested` or `requested_scopes` of the application."),
    (&[700005, 700007, 7000012], "Redeem the code or token as the client, and in the tenant, that it was issued to."),
    (&[700023], "Set the `aud` of the assertion to the token URL that the request is sent to."),
    (&[700024], "Sign a new assertion, and check this machine's clock: an assertion is valid for a few minutes only."),
    (&[700027, 700030, 5002723, 5002730], "Register the certificate whose key signs the assertion with the application, and name it by `x5t`, `x5t#S256` or `x5c`."),
    (&[700038], "Send the application's client ID: a GUID that is not all zeros."),
    (&[50000], "Send a GUID as `user_id`, or the sign-in name as `username`."),
    (&[82001, 82002], "Get a token of the blueprint for one of its agent identities (`fmi_path`), and use it as the assertion of that agent identity."),
    (&[900561], "Send a POST request with the parameters in the body."),
    (&[901002], "On v2, send `scope` with `/.default` after the API's identifier, in place of `resource`. Leave out `request`, `request_uri` and `registration`."),
    (&[5002727], "Leave out `typ` in the header of the assertion, or set it to `JWT`."),
    (&[5002738], "Sign the assertion with RS256 or PS256."),
    (&[7000112], "Remove `disabled` from the registration of the application."),
    (&[7000114], "Send a token of a user: on-behalf-of does not work with a token of an application."),
    (&[7000215], "Send the value of one of the application's secrets as it is, without quotation marks or spaces around it. The ID of a secret is not its value."),
    (&[7000218], "Send a `client_secret` or a `client_assertion`, or make the application a public client."),
    (&[7000222], "Use a secret that is valid now by the emulator's clock, or give this one another `start` or `end`."),
    (&[9000411], "Send each parameter once."),
    (&[9002313], "Send the parameters in the body, as `application/x-www-form-urlencoded`, as the endpoint documents them."),
];

/// Returns advice about a lint.
#[rustfmt::skip]
pub(super) fn about(lint: &Lint) -> &'static str {
    match lint {
        Lint::SecretInUrl => "send it in the body: logs keep URLs",
        Lint::UnknownParameter(_) => "it was ignored; leave it out, or correct its name",
        Lint::DuplicateParameter(_) => "send it once",
        Lint::ParameterCase(_) => "names are case-sensitive: write it in lower case",
        Lint::TwoCredentials => "send one: in the body or in the header",
        Lint::MissingClientRequestId => "send a new GUID with each request, so that it can be found in the logs of the service",
        Lint::ContentType(_) => "send `application/x-www-form-urlencoded`: the body was not read",
        Lint::ScopeOnV1 => "send `resource` there, or use the v2 endpoint",
        Lint::ResourceOnV2 => "send `scope` there, or use the v1 endpoint",
        Lint::DoubleEncodedScope => "encode it once",
        Lint::BlankAroundSecret => "remove it: it was probably copied along with the secret",
        Lint::SecretId => "send the secret's value, which the portal shows once, when the secret is created",
        Lint::TokenInUrl => "send it in the header `Authorization`: logs keep URLs",
        Lint::ThumbprintEncoding => "Entra accepts it, other services may not",
        Lint::ThumbprintOfText => "encode the bytes of the hash",
        Lint::Sha1WithPs256 => "send `x5t#S256`",
        Lint::PaddedAssertion => "Entra accepts it, other services may not",
        Lint::BlankInX5c => "Entra accepts it, other services may not",
        Lint::PemInX5c => "encode the certificate in DER: Entra may not accept PEM",
        Lint::ChainOrder => "put the certificate that signs first",
        Lint::AssertionTime(_) => "Entra accepts it, other services may not",
        Lint::MissingJti => "add a random one, so that two assertions differ",
        Lint::MissingNotBefore => "add it",
        Lint::AssertionLifetime(_) => "Entra's documents advise ten minutes at most",
        Lint::MissingPkce => "send a `code_challenge` with S256",
        Lint::PlainPkce => "send the SHA-256 of the verifier, with S256",
        Lint::MissingState => "send a random one, and compare it when the browser returns",
        Lint::ScopeBeyondCode => "name all scopes in the authorization request",
        Lint::WebhookNeverCalled => {
            "fetch the list of content instead, or turn plain_webhooks on and use an address such as http://127.0.0.1:8080/"
        },
        Lint::MissingPublisherIdentifier => "send PublisherIdentifier=, the tenant ID of the program's author",
        Lint::AudienceList => "name one audience, as a string",
        Lint::MissingMetadata => "send it: IMDS, Azure Arc, Cloud Shell and Automation require it",
        Lint::ForwardedRequest => "send the request directly, without a proxy",
        Lint::SeveralScopes => "request one resource at a time",
        Lint::ScopeAsResource => "send the resource: the scope without its final `/.default`",
        Lint::TrailingSlash => "send the identifier of the API exactly",
    }
}

/// Returns true if the response of a request is an error.
pub(super) fn is_wrong(event: &RequestEvent) -> bool {
    let is_error = event.status.is_client_error() || event.status.is_server_error();
    is_error || event.aadsts.is_some() || event.problem.is_some()
}

/// Returns true if the response only says that the user of a device has not finished.
pub(super) fn is_waiting(event: &RequestEvent) -> bool {
    event.aadsts == Some(70016)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_advice() {
        for row in Aadsts::table() {
            assert!(of_code(row.code).ends_with('.'), "{row}");
        }
        let mut codes: Vec<u32> = ADVICE.iter().flat_map(|(codes, _)| codes.iter().copied()).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count, "a code has two texts of advice");
    }
}
