//! Calls of the API: its lists with all their pages, and hints for its error responses.

use http::{StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::common::{Failure, Pages, Web};

/// The API in a tenant.
pub(crate) struct Service {
    /// Its target cannot be derived from the address.
    pub(crate) web: Web,
    /// The audience that the API accepts.
    pub(crate) audience: &'static str,
    /// The tenant's address in the API.
    pub(crate) url: String,
}

impl Service {
    /// Reads all pages of a list.
    pub(crate) fn list(&self, set: &str, arguments: &Arguments) -> Result<Vec<Vec<Value>>, Failure> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(size) = arguments.page_size {
            query.append_pair("$top", &size.to_string());
        }
        if let Some(text) = &arguments.search {
            query.append_pair("searchText", text);
        }
        let query = query.finish();
        let separator = if query.is_empty() { "" } else { "?" };
        let mut pages = Pages::of(&format!("{}/{set}{separator}{query}", self.url))?;
        let mut read = Vec::new();
        while let Some(page) = pages.next() {
            let page = self.get(&page)?;
            read.push(pages.read(&page)?.to_vec());
        }
        Ok(read)
    }

    /// Reads the open elevation request of a device.
    pub(crate) fn elevation(&self, device: &str) -> Result<Value, Failure> {
        let device = utf8_percent_encode(device, NON_ALPHANUMERIC);
        let url = format!("{}/devices/{device}/elevationDetails", self.url);
        let url = url.parse().map_err(|error| Failure::new(format!("{url}: {error}")))?;
        self.get(&url)
    }

    fn get(&self, url: &Uri) -> Result<Value, Failure> {
        let reply = self.web.get(url)?;
        if !reply.status.is_success() {
            return Err(self.advise(reply.status, reply.failure()));
        }
        let body = reply.json();
        body.ok_or_else(|| Failure::new("the API returned something that is not JSON"))
    }

    /// Adds a hint about an error response of this API.
    fn advise(&self, status: StatusCode, failure: Failure) -> Failure {
        match status {
            StatusCode::UNAUTHORIZED => failure.hint(format!(
                "request the token for {}, which is not the host of the API",
                self.audience
            )),
            StatusCode::FORBIDDEN => failure.hint(
                "add the application permission MmdSupport.ReadWrite of Modern Workplace Customer APIs to the app registration, \
                 have an administrator of the tenant consent to it, then run this again: tokens issued before do not contain it",
            ),
            StatusCode::NOT_FOUND => {
                failure.hint("check the name of the device in the list: it needs an open elevation request")
            }
            _ => failure,
        }
    }
}
