//! Form parameters, parsed as strictly as RFC 6749 requires.

/// Decoded parameters in the order in which they were sent, with their names unchanged.
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

    /// Returns the value of a parameter. Names are case-sensitive, and an empty value counts as
    /// absent (RFC 6749, section 3.2).
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Returns the name of a repeated parameter, which RFC 6749 (section 3.2) forbids.
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

/// Returns the bytes of a parameter before they are decoded as text, because an application must
/// receive its `state` unchanged.
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

/// Returns true if a media type is `application/x-www-form-urlencoded`, with any parameters.
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
    fn raw_value_keeps_bytes_that_are_not_utf8() {
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
