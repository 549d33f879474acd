//! The token request of the document, sent literally, and the service's responses to it.

use std::sync::Arc;

use entra_proto::error::{ServiceError, printable};
use entra_proto::{Authority, Body, EndpointVersion, Error, TokenResponse};
use entra_transport::{BlockingTransport, now};
use entra_transport_ureq::UreqTransport;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::common::{Failure, say};

/// The values of the parameters that the document lists.
pub(crate) struct Document<'a> {
    pub(crate) transport: &'a UreqTransport,
    pub(crate) authority: &'a Authority,
    pub(crate) client_id: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) audience: &'a str,
}

/// A form of the token request.
struct Attempt<'a> {
    title: &'static str,
    endpoint: EndpointVersion,
    /// The parameter that names the API.
    api: (&'static str, &'a str),
    grant_type: &'static str,
    fault: Option<Fault>,
}

/// The error in a form of the request.
struct Fault {
    /// The AADSTS code of the service's error response.
    code: u32,
    reason: &'static str,
    right: String,
}

/// The response to a token request.
enum Outcome {
    Accepted(Value),
    Rejected(Arc<ServiceError>),
}

impl Document<'_> {
    /// Sends the document's request, then the same with one error after another corrected.
    pub(crate) fn follow(&self) -> Result<(), Failure> {
        let scope = format!("{}/.default", self.audience);
        let resource = self.audience;
        let right = format!("resource={resource} here, or scope={scope} at /oauth2/v2.0/token");
        let attempts = [
            Attempt {
                title: "literally: the v1 endpoint, Scope, and grant_type client_credential",
                endpoint: EndpointVersion::V1,
                api: ("Scope", &scope),
                grant_type: "client_credential",
                fault: Some(Fault {
                    code: 70_003,
                    reason: "there is no such grant type: its name ends with an s",
                    right: "grant_type=client_credentials".to_owned(),
                }),
            },
            Attempt {
                title: "with the correct grant type",
                endpoint: EndpointVersion::V1,
                api: ("Scope", &scope),
                grant_type: "client_credentials",
                fault: Some(Fault {
                    code: 900_144,
                    reason: "parameter names are lower case, so Scope is unknown and names no API",
                    right: right.clone(),
                }),
            },
            Attempt {
                title: "with scope in lower case",
                endpoint: EndpointVersion::V1,
                api: ("scope", &scope),
                grant_type: "client_credentials",
                fault: Some(Fault {
                    code: 900_144,
                    reason: "the v1 endpoint, /oauth2/token, does not read scope but resource, without /.default",
                    right,
                }),
            },
            Attempt {
                title: "correct on v1: resource",
                endpoint: EndpointVersion::V1,
                api: ("resource", resource),
                grant_type: "client_credentials",
                fault: None,
            },
            Attempt {
                title: "correct on v2: scope",
                endpoint: EndpointVersion::V2,
                api: ("scope", &scope),
                grant_type: "client_credentials",
                fault: None,
            },
        ];
        say!("The token request of \"Get access to API with application context\"");
        for (number, attempt) in attempts.iter().enumerate() {
            say!("\n{}. {}", number + 1, attempt.title);
            let outcome = self.send(attempt)?;
            attempt.print(&outcome);
            if let (Outcome::Rejected(error), None) = (outcome, &attempt.fault) {
                return Err(Error::Service(error).into());
            }
        }
        Ok(())
    }

    fn send(&self, attempt: &Attempt<'_>) -> Result<Outcome, Failure> {
        let url = self.authority.token_endpoint(attempt.endpoint);
        let (name, value) = attempt.api;
        say!("   POST {url}");
        say!("        client_id={}", printable(self.client_id));
        say!("        {name}={value}");
        say!("        client_secret=[secret]");
        say!("        grant_type={}", attempt.grant_type);
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", self.client_id)
            .append_pair(name, value)
            .append_pair("client_secret", self.secret)
            .append_pair("grant_type", attempt.grant_type)
            .finish();
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::new(form.into_bytes()))
            .map_err(|error| Failure::new(error.to_string()))?;
        let response = self.transport.send(request)?;
        let body = response.body().as_bytes();
        match TokenResponse::decode(response.status(), response.headers(), body, now()) {
            Ok(_) => Ok(Outcome::Accepted(serde_json::from_slice(body).unwrap_or_default())),
            Err(Error::Service(error)) => Ok(Outcome::Rejected(error)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Attempt<'_> {
    fn print(&self, outcome: &Outcome) {
        match (outcome, &self.fault) {
            (Outcome::Accepted(response), fault) => {
                if fault.is_some() {
                    say!("   accepted, unlike expected: the service has become more lenient");
                } else {
                    say!("   accepted:");
                }
                say!("        token_type={}", response["token_type"]);
                say!("        expires_in={}", response["expires_in"]);
                say!("        access_token=[token]");
            }
            (Outcome::Rejected(error), fault) => {
                let code = error
                    .codes
                    .last()
                    .map_or_else(String::new, |code| format!(" AADSTS{code}"));
                say!(
                    "   rejected: {} {}{code}: {}",
                    error.status,
                    printable(&error.error),
                    error.message()
                );
                match fault {
                    Some(fault) if error.codes.contains(&fault.code) => {
                        say!("   reason:   {}", fault.reason);
                        say!("   correct:  {}", fault.right);
                    }
                    _ => say!("   hint:     {}", error.hint().unwrap_or("see the message")),
                }
            }
        }
    }
}
