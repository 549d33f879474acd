//! The pages of a collection: an API returns one part of it with the address of the next part
//! (`@odata.nextLink`).

use entra_proto::endpoint::Origin;
use http::Uri;
use serde_json::Value;

/// The pages of a collection, in order.
///
/// The address of the next page comes from a response, and the token is sent there. So it must have
/// the origin of the first page, and the number of pages is bounded.
pub(crate) struct Pages {
    origin: Origin,
    next: Option<Uri>,
    left: usize,
}

impl Pages {
    /// Starts at the page with this address.
    pub(crate) fn of(first: &str) -> Result<Self, String> {
        let first: Uri = first.parse().map_err(|error| format!("{first}: {error}"))?;
        Ok(Self {
            origin: origin(&first).ok_or_else(|| format!("{first} has no scheme or no host"))?,
            next: Some(first),
            left: MOST_PAGES,
        })
    }

    /// Returns the address of the next page, or `None` after the last one.
    pub(crate) fn next(&mut self) -> Option<Uri> {
        self.next.take()
    }

    /// Returns the items of a page, and remembers the address of the next page.
    ///
    /// # Errors
    /// Returns an error if the response is not a page, or if the next page must not be requested.
    pub(crate) fn read<'p>(&mut self, page: &'p Value) -> Result<&'p [Value], String> {
        let items = page["value"].as_array().ok_or("the response is not a list")?;
        let link = &page["@odata.nextLink"];
        if !link.is_null() {
            // A link that cannot be followed must not look like the last page.
            let link = link.as_str().and_then(|link| link.parse::<Uri>().ok());
            let link = link.ok_or("the link to the next page is not an address")?;
            if origin(&link).as_ref() != Some(&self.origin) {
                return Err(format!(
                    "the next page is not at {}: the token must not go there",
                    self.origin.as_str()
                ));
            }
            self.left -= 1;
            if self.left == 0 {
                return Err(format!("there are more than {MOST_PAGES} pages"));
            }
            self.next = Some(link);
        }
        Ok(items)
    }
}

fn origin(uri: &Uri) -> Option<Origin> {
    format!("{}://{}", uri.scheme_str()?, uri.authority()?).parse().ok()
}

const MOST_PAGES: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(link: &str) -> Value {
        json!({"value": [1, 2], "@odata.nextLink": link})
    }

    #[test]
    fn pages_are_read_to_the_last_one() {
        let mut pages = Pages::of("https://graph.microsoft.com/v1.0/users").unwrap();
        assert_eq!(pages.next().unwrap(), "https://graph.microsoft.com/v1.0/users");
        let next = "https://GRAPH.microsoft.com:443/v1.0/users?$skiptoken=x";
        assert_eq!(pages.read(&page(next)).unwrap().len(), 2);
        assert_eq!(pages.next().unwrap().query(), Some("$skiptoken=x"));
        assert!(pages.read(&json!({"value": []})).unwrap().is_empty());
        assert_eq!(pages.next(), None);
    }

    #[test]
    fn another_origin_gets_no_request() {
        for link in [
            "https://evil.example/v1.0/users",
            "http://graph.microsoft.com/v1.0/users",
            "https://graph.microsoft.com:8443/v1.0/users",
            "https://graph.microsoft.com.evil.example/",
            "https://graph.microsoft.com@evil.example/",
            "/v1.0/users?$skiptoken=x",
            "//evil.example/",
            "",
        ] {
            let mut pages = Pages::of("https://graph.microsoft.com/v1.0/users").unwrap();
            pages.next();
            assert!(pages.read(&page(link)).is_err(), "{link}");
            assert_eq!(pages.next(), None, "{link}");
        }
    }

    #[test]
    fn link_that_is_not_text_is_rejected() {
        for link in [
            json!(5),
            json!(true),
            json!({}),
            json!(["https://graph.microsoft.com/v1.0/users"]),
        ] {
            let mut pages = Pages::of("https://graph.microsoft.com/v1.0/users").unwrap();
            assert!(pages.read(&json!({"value": [], "@odata.nextLink": link})).is_err());
        }
        let mut pages = Pages::of("https://graph.microsoft.com/v1.0/users").unwrap();
        assert!(pages.read(&json!({"value": [], "@odata.nextLink": null})).is_ok());
    }

    #[test]
    fn cycle_of_pages_ends() {
        let mut pages = Pages::of("https://graph.microsoft.com/v1.0/users").unwrap();
        let mut read = 0;
        while pages.next().is_some() && pages.read(&page("https://graph.microsoft.com/v1.0/users")).is_ok() {
            read += 1;
        }
        assert_eq!(read, MOST_PAGES - 1);
    }
}
