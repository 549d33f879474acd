//! The error codes of the Management Activity API, with their statuses and texts.

use http::StatusCode;
use serde_json::json;

/// Returns the status and the body of the error with this code, with the text of Microsoft's
/// reference.
///
/// An unknown code yields AF50000.
pub(crate) fn fault_body(code: &str) -> (StatusCode, Vec<u8>) {
    let known = CODES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(code));
    let (code, status, text) = known.copied().unwrap_or(UNKNOWN);
    let body = json!({"error": {"code": code, "message": text}});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, body.to_string().into_bytes())
}

/// Returns the status of an error code, and its text in Microsoft's reference. `None` if the code
/// is unknown.
pub(crate) fn find(code: &str) -> Option<(StatusCode, &'static str)> {
    let (_, status, text) = CODES.iter().find(|(known, ..)| *known == code)?;
    Some((StatusCode::from_u16(*status).ok()?, text))
}

const UNKNOWN: (&str, u16, &str) = ("AF50000", 500, "An internal error occurred. Retry the request.");

/// Every code with its status and its text in Microsoft's reference.
///
/// Users of the service reported the statuses of AF10001,
/// AF20022 to AF20024, AF20055 and AF429; the other statuses are assumed.
const CODES: &[(&str, u16, &str)] = &[
    (
        "AF10001",
        401,
        "The permission set () sent in the request does not include the expected permission.",
    ),
    ("AF20001", 400, "Missing parameter: contentType."),
    (
        "AF20002",
        400,
        "Invalid parameter type: startTime. Expected type: datetime",
    ),
    (
        "AF20003",
        400,
        "The expiration provided is set to a past date and time.",
    ),
    (
        "AF20010",
        400,
        "The tenant ID passed in the URL does not match the tenant ID passed in the access token.",
    ),
    (
        "AF20011",
        400,
        "Specified tenant ID does not exist in the system or has been deleted.",
    ),
    (
        "AF20012",
        400,
        "Specified tenant ID is incorrectly configured in the system.",
    ),
    ("AF20013", 400, "The tenant ID passed in the URL is not a valid GUID."),
    ("AF20020", 400, "The specified content type is not valid."),
    (
        "AF20021",
        400,
        "The webhook endpoint could not be validated. The endpoint did not return HTTP 200.",
    ),
    ("AF20022", 400, "No subscription found for the specified content type."),
    ("AF20023", 400, "The subscription was disabled by a tenant admin."),
    (
        "AF20024",
        400,
        "The subscription is already enabled. No property change.",
    ),
    (
        "AF20030",
        400,
        "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, \
         with the start time no more than 7 days in the past.",
    ),
    ("AF20031", 400, "Invalid nextPage Input."),
    ("AF20050", 400, "The specified content does not exist."),
    (
        "AF20051",
        400,
        "Content requested has already expired. Content older than 7 days cannot be retrieved.",
    ),
    ("AF20052", 400, "Content ID in the URL is invalid."),
    (
        "AF20053",
        400,
        "Only one language may be present in the Accept-Language header.",
    ),
    ("AF20054", 400, "Invalid syntax in Accept-Language header."),
    (
        "AF20055",
        400,
        "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, \
         with the start time prior to end time and start time no more than 7 days in the past.",
    ),
    (
        "AF429",
        403,
        "Too many requests. Method=GetBlob, PublisherId=00000000-0000-0000-0000-000000000000",
    ),
    UNKNOWN,
];
