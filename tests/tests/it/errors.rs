//! The shape of every public error type: `Display` says what happened, the hint stands apart, and a report shows each part once.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use entra_proto::assertion::SignerError;
use entra_proto::report::{KnownErrors, ReportFor};
use entra_proto::{Cloud, Guid, Target, Timestamp, TokenResponse};
use entra_transport::{AcquireError, TransportError};
use http::{HeaderMap, StatusCode};

type Known = (
    entra_tower::Errors,
    entra_credential::Errors,
    entra_tenants::Errors,
    entra_validate::Errors,
);

#[test]
fn every_error_type_keeps_problem_and_hint_apart() {
    for error in errors() {
        check(&*error);
    }
}

fn check(error: &(dyn Error + 'static)) {
    let text = error.to_string();
    let known = Known::find(error).unwrap_or_else(|| panic!("{text}: its type is in no set"));
    assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
    assert!(!format!("{error:?} {error:#?} {text}").contains(CANARY), "{text}");
    let report = ReportFor::<Known>::of(error);
    let shown = [format!("{report:#}"), format!("{report:?}")];
    if let Some(hint) = known.hint() {
        assert!(!text.contains(hint) && text != hint, "{text}");
        assert!(shown.iter().all(|shown| shown.matches(hint).count() == 1), "{shown:?}");
    }
    if let Some(service) = known.service() {
        let ids = service.ids();
        assert!(shown.iter().all(|shown| shown.matches(&ids).count() == 1), "{shown:?}");
    }
    assert!(shown.iter().all(|shown| shown.starts_with(&text)), "{shown:?}");
    assert!(!shown.concat().contains(CANARY), "{shown:?}");
    let mut links = 0;
    let mut next = error.source();
    while let Some(cause) = next {
        links += 1;
        assert!(links < 10, "{text}: the chain has no end");
        next = cause.source();
    }
}

/// An error of each type.
fn errors() -> Vec<Box<dyn Error>> {
    let decoded = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        TokenResponse::decode(status, &HeaderMap::new(), body.as_bytes(), Timestamp::from_secs(1)).unwrap_err()
    };
    let rejected = || {
        let body = format!(
            r#"{{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: No. client_secret={CANARY}","trace_id":"{GUID}"}}"#
        );
        decoded(401, &body)
    };
    let reset = || TransportError::interrupted().because(io::Error::other("reset"));
    vec![
        Box::new(rejected()),
        Box::new(rejected().service().unwrap().clone()),
        Box::new(decoded(200, "{")),
        Box::new(Target::resource(CANARY_TOKEN).unwrap_err()),
        Box::new(Cloud::at("http://login.example").unwrap_err()),
        Box::new(SignerError::new("the vault is sealed").with_hint("open it")),
        Box::new(reset()),
        Box::new(AcquireError::from(reset())),
        Box::new(AcquireError::from(rejected())),
        Box::new(entra_client::Error::from(rejected())),
        Box::new(entra_client::Error::from(reset())),
        Box::new(entra_client::BuildError::NoRuntime),
        Box::new(entra_tower::BearerError::Token(rejected().into())),
        Box::new(entra_tower::BearerError::UnlistedOrigin { origin: None }),
        Box::new(entra_tower::BuildError::NoOrigin),
        Box::new(entra_credential::Error::PasswordNeeded),
        Box::new(entra_tenants::TenantStoreError::Io {
            path: PathBuf::from("t.redb"),
            doing: "open",
            source: io::Error::other("no"),
        }),
        Box::new(entra_validate::Rejection::NoToken),
        Box::new(entra_validate::Rejection::Tenant {
            found: GUID.parse::<Guid>().unwrap(),
        }),
    ]
}

const CANARY: &str = "c4n4ry~Q8secretsecret";
const CANARY_TOKEN: &str = "c4n4ry~Q8secretsecret eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2ln";
const GUID: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
