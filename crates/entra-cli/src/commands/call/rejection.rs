//! Error responses of an API: their codes and messages, and the hints for users.

use std::time::SystemTime;

use entra_proto::Timestamp;
use entra_proto::acquire::retry_after;
use http::header::{CONTENT_ENCODING, LOCATION};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::Value;

use crate::commands::call::body::ApiBody;
use crate::exit::{Exit, Failure};
use crate::failure::ApiError;
use crate::files::excerpt;
use crate::requests::shown;
use crate::sanitize::shell_quoted;

/// An error response of an API.
pub(super) struct Rejected {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, truncated at [`MAX_BODY`] bytes.
    pub(super) body: Vec<u8>,
    request: String,
    audience: String,
}

impl Rejected {
    /// Reads the error response to a request.
    pub(super) fn read(
        response: Response<ApiBody>,
        method: &Method,
        uri: &Uri,
        audience: String,
    ) -> Result<Self, Failure> {
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        // The status matters more than the rest of the body, so a read error only ends the body.
        while bytes.len() < MAX_BODY
            && let Ok(Some(piece)) = body.next()
        {
            bytes.extend(piece);
        }
        bytes.truncate(MAX_BODY);
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body: bytes,
            request: format!("{method} {}", shown(uri)),
            audience,
        })
    }

    /// Returns true if the API may accept the same request later.
    pub(super) fn is_throttled(&self) -> bool {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => true,
            // The Office 365 Management APIs throttle with this status, and not always in JSON.
            StatusCode::FORBIDDEN => self.explanation().code.as_deref() == Some(THROTTLED),
            _ => false,
        }
    }

    pub(super) fn into_failure(self) -> Failure {
        let said = self.explanation();
        let status = self.status;
        let mut problem = format!("{}: {}", self.request, status.as_u16());
        if let Some(reason) = status.canonical_reason() {
            problem += &format!(" {reason}");
        }
        for part in [&said.code, &said.message].into_iter().flatten() {
            problem += &format!(": {}", excerpt(part.trim().trim_end_matches('.'), LONGEST_TEXT));
        }
        let code = said.code.as_deref().unwrap_or_default();
        let exit = if is_permission(status, code) {
            Exit::Permission
        } else {
            Exit::Api
        };
        let mut failure = Failure::text(exit, problem);
        if status.is_redirection() {
            failure = failure.hint(self.redirect());
        } else if let Some(hint) = self.hint(code) {
            failure = failure.hint(hint);
        }
        let wait = retry_after(&self.headers, Timestamp::from(SystemTime::now()));
        let api = ApiError {
            status: status.as_u16(),
            code: said.code.map(|code| excerpt(&code, 100)),
            request_id: said.request_id.map(|id| excerpt(&id, 100)),
        };
        failure.api(api, wait)
    }

    fn redirect(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let uri: Option<Uri> = location.and_then(|text| text.parse().ok());
        let to = match uri {
            Some(uri) if uri.host().is_some() => format!(" to {}", excerpt(&shown(&uri), 300)),
            Some(uri) => format!(" to {}", excerpt(uri.path(), 300)),
            None => String::new(),
        };
        format!(
            "the redirect{to} is not followed, because it would receive the token; -i shows the full address, which may contain a secret"
        )
    }

    fn hint(&self, code: &str) -> Option<String> {
        let fixed = HINTS.iter().find(|(known, _)| *known == code).map(|(_, hint)| *hint);
        let audience = shell_quoted(&self.audience);
        let text = match (self.status, code) {
            (_, "Authorization_RequestDenied" | "AF10001") => format!(
                "grant the application the permission that the API's documentation requires for this request, and have an \
                 administrator consent: `entra consent --resource {audience}`; `entra token --resource {audience} | entra decode` \
                 shows what was granted"
            ),
            _ if fixed.is_some() => fixed?.to_owned(),
            (StatusCode::UNAUTHORIZED, _) => format!(
                "the token is for {audience}: check that this is the API's audience, and check the tenant and the cloud; \
                 `entra token --resource {audience} | entra decode` shows the token"
            ),
            (StatusCode::FORBIDDEN, _) => {
                "grant the application the permission or the role that the API's documentation requires for this request"
                    .to_owned()
            }
            (StatusCode::NOT_FOUND, _) => "check the path of the URL".to_owned(),
            (StatusCode::METHOD_NOT_ALLOWED, _) => "check the method".to_owned(),
            (status, _) if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE => {
                "try again later".to_owned()
            }
            (status, _) if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                "try again later; if the error persists, give the request ID to the API's support".to_owned()
            }
            _ => return None,
        };
        Some(text)
    }

    /// Reads the code and the message of the API from the body or the headers.
    fn explanation(&self) -> Explanation {
        let header = |name: &str| Some(self.headers.get(name)?.to_str().ok()?.to_owned());
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let mut said = Explanation::of(&json);
        said.code = said.code.or_else(|| header("x-ms-error-code"));
        let ids = ["request-id", "x-ms-request-id", "x-request-id"];
        said.request_id = said.request_id.or_else(|| ids.into_iter().find_map(header));
        let is_compressed = self
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding != "identity");
        if said.code.is_none() && said.message.is_none() && !is_compressed && !self.body.contains(&0) {
            let text = String::from_utf8_lossy(&self.body);
            said.code = text.contains(THROTTLED).then(|| THROTTLED.to_owned());
            // Storage responds with XML, gateways with HTML.
            let is_markup = text.trim_start_matches('\u{feff}').trim_start().starts_with('<');
            said.code = said.code.or_else(|| element(&text, "Code"));
            said.message = element(&text, "Message").or_else(|| {
                let text = text.trim();
                (!is_markup && !text.is_empty()).then(|| text.to_owned())
            });
        }
        said
    }
}

/// The parts of an error response.
#[derive(Default)]
struct Explanation {
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
}

impl Explanation {
    /// Reads the error formats of OData, Azure Resource Manager, OAuth and older frameworks.
    fn of(json: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        // Some APIs return a list with one error.
        let json = json.get(0).unwrap_or(json);
        let error = ["error", "odata.error", "Error"]
            .into_iter()
            .find_map(|name| json.get(name))
            .unwrap_or(json);
        if let Some(code) = text(error) {
            return Self {
                code: Some(code),
                message: text(&json["error_description"]).or_else(|| text(&json["message"])),
                request_id: None,
            };
        }
        let first = |names: [&str; 2]| names.into_iter().find_map(|name| text(&error[name]));
        let inner = ["innerError", "innererror"].map(|name| &error[name]);
        Self {
            code: first(["code", "Code"]),
            message: first(["message", "Message"]).or_else(|| text(&error["message"]["value"])),
            request_id: inner.into_iter().find_map(|inner| text(&inner["request-id"])),
        }
    }
}

/// Returns the text of the first XML element with this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Returns true if the API accepted the token, but the application lacks a permission.
fn is_permission(status: StatusCode, code: &str) -> bool {
    code == "AF10001" || (status == StatusCode::FORBIDDEN && code != THROTTLED)
}

/// The code of the Office 365 Management APIs for too many requests.
const THROTTLED: &str = "AF429";

/// Hints for the error codes of APIs.
const HINTS: [(&str, &str); 30] = [
    (
        "InvalidAuthenticationToken",
        "check that the token is for this API: --resource must be its audience, as `entra resources` lists it",
    ),
    (
        "ExpiredAuthenticationToken",
        "check this machine's clock: `entra doctor` compares it",
    ),
    (
        "InvalidAuthenticationTokenTenant",
        "name the tenant of the subscription with --tenant",
    ),
    (
        "AuthorizationFailed",
        "assign the application a role at this scope: `az role assignment create --assignee CLIENT_ID --role Reader --scope SCOPE`",
    ),
    (
        "LinkedAuthorizationFailed",
        "also assign the application a role on the other resource that the request names",
    ),
    (
        "SubscriptionNotFound",
        "check the subscription's ID, and that it is in this tenant",
    ),
    ("MissingApiVersionParameter", "add ?api-version=YYYY-MM-DD to the URL"),
    (
        "InvalidApiVersionParameter",
        "use one of the versions that the error lists as ?api-version=",
    ),
    (
        "AuthorizationPermissionMismatch",
        "assign the application a data role on the account, such as Storage Blob Data Reader; a new assignment takes effect after some minutes",
    ),
    (
        "InvalidAuthenticationInfo",
        "add -H 'x-ms-version: 2021-12-02': Storage accepts tokens only with this header",
    ),
    (
        "AKV10022",
        "request a token for the service, not for one vault: --resource https://vault.azure.net",
    ),
    (
        "ForbiddenByRbac",
        "assign the application a role on the vault, such as Key Vault Secrets User; a new assignment takes effect after some minutes",
    ),
    ("Request_ResourceNotFound", "check the ID or the name in the URL"),
    (
        "Request_UnsupportedQuery",
        "add -H 'ConsistencyLevel: eventual' and $count=true to the query: some filters need both",
    ),
    (
        "Directory_QuotaExceeded",
        "remove objects that are no longer needed, or request a larger quota",
    ),
    ("AF20001", "add the parameter that the error names to the query"),
    (
        "AF20010",
        "name the same tenant in the URL and with --tenant: the token is for another tenant than the URL",
    ),
    ("AF20011", "check the tenant's ID in the URL"),
    (
        "AF20012",
        "have an administrator of that tenant consent to the application: `entra consent` prints the link",
    ),
    (
        "AF20020",
        "use a contentType that exists: Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, Audit.General or DLP.All",
    ),
    (
        "AF20021",
        "make the webhook respond to the validation request with status 200, over https",
    ),
    (
        "AF20022",
        "start the subscription first: entra call POST .../activity/feed/subscriptions/start?contentType=TYPE",
    ),
    ("AF20023", "start the subscription again: it was stopped or disabled"),
    (
        "AF20030",
        "pass both startTime and endTime: at most 24 hours apart, with the start at most 7 days ago",
    ),
    (
        "AF20055",
        "pass both startTime and endTime: at most 24 hours apart, with the start at most 7 days ago",
    ),
    ("AF20024", "no change is needed: the subscription exists"),
    (
        "AF20050",
        "list the content again: this content expired or never existed",
    ),
    (
        "AF20051",
        "list the content again: this content expired or never existed",
    ),
    ("AF50000", "try again later: the API failed"),
    (
        "AF429",
        "try again later, with fewer requests per minute for this tenant",
    ),
];

/// The most characters shown of the API's code or message.
const LONGEST_TEXT: usize = 500;

/// The most bytes read of the body of an error response.
const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, body: &str) -> Rejected {
        Rejected {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            request: "GET https://a.example:443/x".to_owned(),
            audience: "https://a.example".to_owned(),
        }
    }

    #[test]
    fn every_error_format_is_read() {
        for (status, body, code, message, exit) in [
            (
                403,
                r#"{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges.","innerError":{"request-id":"r"}}}"#,
                "Authorization_RequestDenied",
                "Insufficient privileges",
                Exit::Permission,
            ),
            (
                404,
                r#"{"odata.error":{"code":"Request_ResourceNotFound","message":{"lang":"en","value":"No such thing"}}}"#,
                "Request_ResourceNotFound",
                "No such thing",
                Exit::Api,
            ),
            (
                401,
                r#"{"error":"invalid_token","error_description":"expired"}"#,
                "invalid_token",
                "expired",
                Exit::Api,
            ),
            (400, r#"{"code":"X","message":"y"}"#, "X", "y", Exit::Api),
            (
                401,
                r#"{"Message":"Authorization has been denied."}"#,
                "",
                "Authorization has been denied",
                Exit::Api,
            ),
            (
                403,
                "{'error':{'code':'AF429','message':'Too many requests.'}}",
                "AF429",
                "Too many requests",
                Exit::Api,
            ),
            (
                403,
                "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthorizationPermissionMismatch</Code><Message>No.\nRequestId:1</Message></Error>",
                "AuthorizationPermissionMismatch",
                "No.",
                Exit::Permission,
            ),
            (
                502,
                "<html><title>Bad gateway</title></html>",
                "",
                "Bad Gateway",
                Exit::Api,
            ),
            (500, "oh\u{1b}[2J", "", "oh\\u{1b}[2J", Exit::Api),
            (500, "", "", "Internal Server Error", Exit::Api),
            (
                401,
                r#"{"error":{"code":"AF10001","message":"m"}}"#,
                "AF10001",
                "m",
                Exit::Permission,
            ),
        ] {
            let failure = rejected(status, body).into_failure();
            assert_eq!(failure.exit, exit, "{body}");
            assert!(
                failure.problem.contains(code) && failure.problem.contains(message),
                "{failure}"
            );
            let json = failure.to_json();
            assert_eq!(json["status"], status);
            assert_eq!(
                json.get("code").and_then(Value::as_str).unwrap_or_default(),
                code,
                "{json}"
            );
        }
    }

    #[test]
    fn throttling_is_detected_by_status_or_code() {
        for (status, body, is_throttled) in [
            (429, "", true),
            (503, "", true),
            (403, "{'error':{'code':'AF429'}}", true),
            (403, r#"{"error":{"code":"AF10001"}}"#, false),
            (500, "AF429", false),
        ] {
            assert_eq!(rejected(status, body).is_throttled(), is_throttled, "{status} {body}");
        }
    }

    #[test]
    fn redirect_is_shown_without_its_query() {
        let mut redirect = rejected(302, "");
        for (location, to) in [
            (
                "https://b.example/file?tempauth=canary",
                "to https://b.example:443/file?tempauth=…",
            ),
            ("/elsewhere?canary", "to /elsewhere is"),
        ] {
            redirect.headers.insert(LOCATION, location.parse().unwrap());
            let hint = redirect.redirect();
            assert!(hint.contains(to) && !hint.contains("canary"), "{hint}");
        }
    }
}
