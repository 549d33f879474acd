//! Browsers, and the forms that belong to them.
//!
//! # Forged forms
//! Another site can make a browser post a form here, and the browser adds this page's cookie unless
//! that is `SameSite`. With `Lax`, the cookie is not sent with cross-site posts, but is sent with
//! the redirect from Entra, which is a `GET`. Sites of the same domain count as same-site, though,
//! so each form also holds a token that is derived from the cookie with a key of this process:
//! another site can neither read nor make it. The `Origin` header is of no use here: with
//! `Referrer-Policy: no-referrer` browsers send `null`.

use hmac_sha256::HMAC;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// A browser, identified by the random name in its cookie. The name is a secret that authenticates
/// the browser, and is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Browser([u8; 32]);

/// Identifies browsers by their cookies.
pub(crate) struct Browsers {
    key: [u8; 32],
    cookie: &'static str,
    attributes: &'static str,
}

impl Browsers {
    /// Creates it for a site at an `https` address, or at a plain `http` address on this machine.
    pub(crate) fn new(is_https: bool) -> Result<Self, getrandom::Error> {
        // `__Host-` prevents sites of the same domain from setting the cookie. It requires
        // `Secure`, which excludes plain connections.
        let (cookie, attributes) = match is_https {
            true => ("__Host-browser", "; Path=/; HttpOnly; SameSite=Lax; Secure"),
            false => ("browser", "; Path=/; HttpOnly; SameSite=Lax"),
        };
        Ok(Self {
            key: random()?,
            cookie,
            attributes,
        })
    }

    /// Returns the browser that sent these headers, if it has been here before.
    pub(crate) fn known(&self, headers: &HeaderMap) -> Option<Browser> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(name, _)| *name == self.cookie)
            .and_then(|(_, value)| from_hex(value))
            .map(Browser)
    }

    /// Creates a new browser, and returns it with its `Set-Cookie` header.
    pub(crate) fn welcome(&self) -> Result<(Browser, HeaderValue), getrandom::Error> {
        let browser = Browser(random()?);
        let cookie = format!("{}={}{}", self.cookie, hex(&browser.0), self.attributes);
        let mut cookie = HeaderValue::try_from(cookie).expect("all of it is visible ASCII");
        cookie.set_sensitive(true);
        Ok((browser, cookie))
    }

    /// Returns the token for a form of this browser.
    pub(crate) fn form_token(&self, browser: &Browser) -> String {
        hex(&HMAC::mac(browser.0, self.key))
    }

    /// Returns true if a form with this token was made for this browser. The comparison takes
    /// constant time.
    pub(crate) fn made_form(&self, browser: &Browser, token: &str) -> bool {
        from_hex(token).is_some_and(|token| HMAC::verify(browser.0, self.key, &token))
    }
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_is_known_by_cookie_and_has_its_own_forms() {
        let browsers = Browsers::new(true).unwrap();
        let (browser, cookie) = browsers.welcome().unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-browser=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
        let mut headers = HeaderMap::new();
        let sent = format!("a=b; {}; c", cookie.split(';').next().unwrap());
        headers.insert(COOKIE, sent.parse().unwrap());
        assert!(browsers.known(&headers) == Some(browser.clone()));
        let (other, _) = browsers.welcome().unwrap();
        let token = browsers.form_token(&browser);
        assert!(browsers.made_form(&browser, &token) && !browsers.made_form(&other, &token));
        assert!(
            !Browsers::new(true).unwrap().made_form(&browser, &token),
            "another process, another key"
        );
    }

    #[test]
    fn other_cookies_identify_no_browser() {
        let browsers = Browsers::new(false).unwrap();
        let digits = "0".repeat(64);
        for cookie in [
            "",
            "browser",
            "browser=",
            "browser=00",
            &format!("browser={}", "é".repeat(32)),
            &format!("other={digits}"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
            assert!(browsers.known(&headers).is_none(), "{cookie}");
        }
    }
}
