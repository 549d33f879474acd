//! Reading form parameters as strictly as RFC 6749 asks.

/// Decoded parameters in the order they came, names as sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Self {
        Self {
            pairs: form_urlencoded::parse(body).into_owned().collect(),
        }
    }

    /// The value of a parameter. Names are case-sensitive, and an empty value counts as left out (RFC 6749, 3.2).
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The first parameter that is there more than once (RFC 6749, 3.2: it must not be).
    pub(crate) fn duplicate(&self) -> Option<&str> {
        let mut seen = std::collections::BTreeSet::new();
        self.pairs
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| name.as_str())
            .find(|name| !seen.insert(*name))
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// The bytes of a parameter before they are taken for text: an app gets its `state` back as it sent it.
pub(crate) fn raw_value(form: &[u8], name: &str) -> Option<Vec<u8>> {
    form.split(|byte| *byte == b'&').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        let decoded = |bytes: &[u8]| -> Vec<u8> {
            let spaced: Vec<u8> = bytes
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect();
            percent_encoding::percent_decode(&spaced).collect()
        };
        (decoded(key) == name.as_bytes() && !value.is_empty()).then(|| decoded(value))
    })
}

/// Whether a header value says `application/x-www-form-urlencoded`, with whatever parameters.
pub(crate) fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_empty_means_absent() {
        let form = Form::parse(b"Scope=a&scope=&scope=b+c%20d&x");
        assert_eq!(form.value("scope"), Some("b c d"));
        assert_eq!(form.duplicate(), None);
        assert_eq!(Form::parse(b"a=1&b=2&a=1").duplicate(), Some("a"));
        assert_eq!(Form::parse(b"x=").value("x"), None);
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        assert_eq!(
            raw_value(b"a=1&st%61te=%FF+%2B%00=&state=x", "state"),
            Some(b"\xff +\0=".to_vec())
        );
        assert_eq!(raw_value(b"state=&state", "state"), None);
    }

    #[test]
    fn content_types_are_compared_without_their_parameters() {
        assert!(is_form("application/x-www-form-urlencoded"));
        assert!(is_form("Application/X-WWW-Form-URLencoded ;charset=utf-8"));
        assert!(!is_form("application/json"));
        assert!(!is_form(""));
    }
}
