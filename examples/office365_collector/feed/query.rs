//! The addresses of requests.

use entra_proto::{Guid, Timestamp};
use http::Uri;

use crate::feed::ContentType;
use crate::sink::Window;

/// Returns the address that lists the content of a window, below the feed's root.
pub(crate) fn content_query(root: &str, content_type: ContentType, window: Window) -> String {
    let start = time(window.start);
    let end = time(window.end);
    format!("{root}/subscriptions/content?contentType={content_type}&startTime={start}&endTime={end}")
}

/// Formats a time as the API reads it, `YYYY-MM-DDTHH:MM:SS`.
fn time(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    text.strip_suffix('Z').unwrap_or(&text).to_owned()
}

/// Adds the publisher, unless the address already names one, as that of a next page does.
pub(super) fn with_publisher(uri: Uri, publisher: Option<Guid>) -> Uri {
    let Some(publisher) = publisher else { return uri };
    let named = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case(PUBLISHER)
    };
    if uri.query().is_some_and(|query| query.split('&').any(named)) {
        return uri;
    }
    let mark = if uri.query().is_some() { '&' } else { '?' };
    format!("{uri}{mark}{PUBLISHER}={publisher}").parse().unwrap_or(uri)
}

const PUBLISHER: &str = "PublisherIdentifier";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publisher_is_named_once() {
        let publisher: Guid = "46b472a7-c68e-4adf-8ade-3db49497518e".parse().unwrap();
        for (uri, expected) in [
            (
                "https://a/b",
                "https://a/b?PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e",
            ),
            (
                "https://a/b?c=d",
                "https://a/b?c=d&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e",
            ),
            ("https://a/b?publisheridentifier=x", "https://a/b?publisheridentifier=x"),
            (
                "https://a/b?c=PublisherIdentifier",
                "https://a/b?c=PublisherIdentifier&PublisherIdentifier=46b472a7-c68e-4adf-8ade-3db49497518e",
            ),
        ] {
            assert_eq!(
                with_publisher(uri.parse().unwrap(), Some(publisher)).to_string(),
                expected
            );
            assert_eq!(with_publisher(uri.parse().unwrap(), None).to_string(), uri);
        }
    }
}
