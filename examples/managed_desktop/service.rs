//! Calls of the API: pages, and waiting where it asks for that.

use std::thread;
use std::time::{Duration, SystemTime};

use http::{StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::common::{Failure, Pages, Web, note};

/// The API in a tenant.
pub(crate) struct Service {
    /// Its target cannot be told from the address.
    pub(crate) web: Web,
    /// The audience that the API accepts.
    pub(crate) audience: &'static str,
    /// The address of the tenant in the API.
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
        let mut attempt = 1;
        let mut is_renewed = false;
        loop {
            let reply = self.web.get(url.clone())?;
            match reply.status {
                status if status.is_success() => {
                    let body = reply.json();
                    return body.ok_or_else(|| Failure::new("the API returned something that is not JSON"));
                }
                // A token that was revoked meanwhile. Another one is requested, once.
                StatusCode::UNAUTHORIZED if !is_renewed => {
                    is_renewed = true;
                    self.web.client.forget(&self.web.target);
                }
                status if is_busy(status) && attempt < MOST_ATTEMPTS => {
                    let wait = wait(reply.retry_after.as_deref(), attempt);
                    note(&format!(
                        "the API returned {}; attempt {attempt} of {MOST_ATTEMPTS}, next in {} s",
                        status.as_u16(),
                        wait.as_secs()
                    ));
                    thread::sleep(wait);
                    attempt += 1;
                }
                status => return Err(self.advise(status, reply.failure())),
            }
        }
    }

    /// Adds what to do about an error response of this API.
    fn advise(&self, status: StatusCode, failure: Failure) -> Failure {
        match status {
            StatusCode::UNAUTHORIZED => failure.hint(format!(
                "request the token for {}, which is not the host of the API",
                self.audience
            )),
            StatusCode::FORBIDDEN => failure.hint(
                "add the application permission MmdSupport.ReadWrite of Modern Workplace Customer APIs to the app registration, \
                 have an administrator of the tenant consent to it, then run this again: a token from before does not have it",
            ),
            StatusCode::NOT_FOUND => {
                failure.hint("check the name of the device in the list: it needs an open elevation request")
            }
            _ => failure,
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

/// How long to wait: as long as the API asks for, within reason, or else longer each time.
fn wait(retry_after: Option<&str>, attempt: u32) -> Duration {
    let asked = retry_after.and_then(|text| match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let time = httpdate::parse_http_date(text).ok()?;
            Some(time.duration_since(SystemTime::now()).unwrap_or_default())
        }
    });
    asked
        .unwrap_or_else(|| Duration::from_secs(1 << attempt.min(5)))
        .min(LONGEST_WAIT)
}

const MOST_ATTEMPTS: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_as_asked_and_bounded() {
        let wait = |text: &str, attempt| wait(Some(text).filter(|text| !text.is_empty()), attempt).as_secs();
        assert_eq!((wait("7", 1), wait("0", 3), wait(" 5 ", 1)), (7, 0, 5));
        assert_eq!((wait("", 1), wait("", 2), wait("", 99)), (2, 4, 32));
        assert_eq!(
            (wait("99999999999999999999999", 1), wait("600", 1), wait("soon", 1)),
            (2, 60, 2)
        );
        assert_eq!(
            (
                wait("Thu, 01 Jan 1970 00:00:00 GMT", 1),
                wait("Fri, 31 Dec 9999 23:59:59 GMT", 1)
            ),
            (0, 60)
        );
    }
}
