//! A minimal browser, which uses only the HTML of the pages.

use entra_emulator::Emulator;
use http::Request;

use super::{Response, encode};

/// A page with one form: the elements that a user sees and can press.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) html: String,
    pub(crate) location: Option<String>,
    pub(crate) policy: String,
}

impl Page {
    pub(crate) fn of(response: &Response) -> Self {
        let text = |name: &str| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            status: response.status().as_u16(),
            html: String::from_utf8(response.body().clone()).unwrap(),
            location: text("location"),
            policy: text("content-security-policy").unwrap_or_default(),
        }
    }

    pub(crate) fn open(emulator: &Emulator, url: &str) -> Self {
        Self::of(&emulator.handle(Request::get(url).body(Vec::new()).unwrap()))
    }

    /// Presses the button that contains this piece of HTML, for example `id="accept"`.
    #[track_caller]
    pub(crate) fn press(&self, emulator: &Emulator, mark: &str) -> Self {
        self.press_with(emulator, mark, &[])
    }

    #[track_caller]
    pub(crate) fn press_with(&self, emulator: &Emulator, mark: &str, more: &[(&str, &str)]) -> Self {
        let button = self
            .tags("button")
            .into_iter()
            .find(|tag| tag.contains(mark))
            .unwrap_or_else(|| panic!("no button {mark} in {}", self.html));
        let form = self.tags("form").pop().expect("a form");
        let mut fields: Vec<(String, String)> = self
            .tags("input")
            .iter()
            .filter(|tag| tag.contains("type=\"hidden\""))
            .map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap()))
            .collect();
        if let (Some(name), Some(value)) = (attribute(&button, "name"), attribute(&button, "value")) {
            fields.push((name, value));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = encode(&[&fields[..], more].concat());
        Self::post(emulator, &attribute(&form, "action").unwrap(), &body)
    }

    pub(crate) fn post(emulator: &Emulator, path: &str, body: &str) -> Self {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        Self::of(&emulator.handle(request.body(body.as_bytes().to_vec()).unwrap()))
    }

    /// Returns the start tags of this name.
    pub(crate) fn tags(&self, name: &str) -> Vec<String> {
        let start = format!("<{name} ");
        let tags = self.html.match_indices(&start).map(|(at, _)| {
            let tag = &self.html[at..];
            tag[..=tag.find('>').expect("a tag ends")].to_owned()
        });
        tags.collect()
    }

    /// Returns a decoded parameter of the redirect's query or fragment.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let location = self.location.as_ref()?;
        let (_, parameters) = location.split_once('#').or_else(|| location.split_once('?'))?;
        let mut pairs = form_urlencoded::parse(parameters.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Returns the AADSTS code of an error page.
    pub(crate) fn aadsts(&self) -> Option<u32> {
        let main = self.html.find("data-aadsts=\"")? + "data-aadsts=\"".len();
        self.html[main..].split('"').next()?.parse().ok()
    }
}

/// Returns the decoded value of an attribute.
pub(crate) fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[start..].split('"').next()?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&#10;", "\n")
            .replace("&#13;", "\r")
            .replace("&amp;", "&"),
    )
}
