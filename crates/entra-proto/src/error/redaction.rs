//! The removal of a request's secrets from texts that a server sent back.

use zeroize::Zeroizing;

use crate::form::encode_value;

/// The secrets of one request, in each form that a server may echo: plain, and encoded for a form,
/// for JSON and for HTML.
///
/// The error page of a proxy may show the request that it failed to forward.
pub(crate) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut spellings = Vec::new();
        // An empty text occurs everywhere and is not a secret.
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            let encoded = encode_value(secret);
            spellings.push(Zeroizing::new(encoded.replace("%20", "+")));
            spellings.push(Zeroizing::new(lower_hex(&encoded)));
            // Browsers' forms encode `~`, the forms of this crate do not.
            spellings.push(Zeroizing::new(encoded.replace('~', "%7E")));
            spellings.push(Zeroizing::new(encoded.replace('%', "%25")));
            spellings.push(encoded);
            spellings.push(Zeroizing::new(secret.replace('/', "\\/")));
            for escape in [in_html, in_html_by_number, in_json, in_json_by_number] {
                let spelled = escape(secret);
                spellings.push(spelled);
            }
            spellings.push(Zeroizing::new(secret.to_owned()));
        }
        // Most secrets contain nothing to encode, so their forms are equal.
        spellings.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        spellings.dedup_by(|one, other| one.as_str() == other.as_str());
        Self(spellings)
    }

    /// Returns the secrets of a request that has none.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Replaces each secret in the text, in one pass. At the end of a text that was cut, the
    /// beginning of a secret is replaced as well.
    pub(crate) fn redact(&self, text: &mut String) {
        let mut clean = String::new();
        let mut rest = text.as_str();
        let mut found = false;
        while let Some(character) = rest.chars().next() {
            let whole = self
                .0
                .iter()
                .filter(|secret| rest.starts_with(secret.as_str()))
                .map(|secret| secret.len())
                .max();
            let bare = rest.strip_suffix('…').unwrap_or(rest);
            let cut = bare.len() >= SHORTEST_CUT && self.0.iter().any(|secret| secret.starts_with(bare));
            let length = whole.or_else(|| cut.then_some(rest.len()));
            match length.and_then(|length| rest.get(length..)) {
                Some(behind) => {
                    clean.push_str("[secret]");
                    rest = behind;
                    found = true;
                }
                None => {
                    clean.push(character);
                    rest = rest.get(character.len_utf8()..).unwrap_or_default();
                }
            }
        }
        if found {
            *text = clean;
        }
    }
}

/// Encodes a secret as HTML text.
fn in_html(secret: &str) -> Zeroizing<String> {
    let mut page = Zeroizing::new(String::with_capacity(secret.len() * 6));
    for character in secret.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
    page
}

/// Encodes a secret as HTML text of an encoder that escapes more than necessary, by number.
fn in_html_by_number(secret: &str) -> Zeroizing<String> {
    by_number(secret, |code| format!("&#x{code:X};"))
}

/// Encodes a secret as the content of a JSON string.
fn in_json(secret: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::Value::from(secret).to_string());
    Zeroizing::new(quoted.trim_matches('"').to_owned())
}

/// Encodes a secret as the content of a JSON string that is safe inside HTML.
fn in_json_by_number(secret: &str) -> Zeroizing<String> {
    by_number(secret, |code| format!("\\u{code:04X}"))
}

/// Escapes every character that a web encoder does not consider harmless.
fn by_number(secret: &str, escape: fn(u32) -> String) -> Zeroizing<String> {
    let mut page = Zeroizing::new(String::with_capacity(secret.len() * 6));
    for character in secret.chars() {
        if character.is_alphanumeric() || " -._~/:;,?!@#$%^*()[]{}=|".contains(character) {
            page.push(character);
        } else {
            page.push_str(&escape(u32::from(character)));
        }
    }
    page
}

/// Returns percent-encoded text with lower-case hexadecimal digits.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, plain) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(plain);
    }
    lower
}

/// The least characters of a secret at the end of a text that count as a secret that was cut.
const SHORTEST_CUT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secret: &str, text: &str) -> String {
        let mut text = text.to_owned();
        Secrets::new([secret].into_iter()).redact(&mut text);
        text
    }

    #[test]
    fn every_encoding_is_redacted() {
        assert_eq!(
            redacted("A+b c/D", "1 A+b c/D 2 A%2Bb%20c%2FD 3 A%2bb%20c%2fD 4 A%2Bb+c%2FD 5"),
            "1 [secret] 2 [secret] 3 [secret] 4 [secret] 5"
        );
        assert_eq!(
            redacted(
                "a~/<&>\"'",
                r#"1 a~\/<&>"' 2 a~/&lt;&amp;&gt;&quot;&#39; 3 a%7E%2F%3C%26%3E%22%27 4"#
            ),
            "1 [secret] 2 [secret] 3 [secret] 4"
        );
    }

    #[test]
    fn escapes_of_web_encoders_are_redacted() {
        assert_eq!(
            redacted(
                "a+b\"c'd&e<f",
                r#"1 a&#x2B;b&#x22;c&#x27;d&#x26;e&#x3C;f 2 a\u002Bb\u0022c\u0027d\u0026e\u003Cf 3 a+b\"c'd&e<f 4 a%252Bb%2522c%2527d%2526e%253Cf"#
            ),
            "1 [secret] 2 [secret] 3 [secret] 4 [secret]"
        );
    }

    #[test]
    fn cut_secret_is_redacted() {
        assert_eq!(redacted("SUPERSECRET", "client: SUPERSEC"), "client: [secret]");
        assert_eq!(redacted("SUPERSECRET", "client: SUPERSEC…"), "client: [secret]");
        assert_eq!(redacted("SUPERSECRET", "end of SUP"), "end of SUP");
    }

    #[test]
    fn short_secret_leaves_other_markers_intact() {
        assert_eq!(redacted("e", "the gate"), "th[secret] gat[secret]");
        assert_eq!(redacted("x", "nothing here"), "nothing here");
    }

    #[test]
    fn lower_hex_changes_only_escapes() {
        assert_eq!(lower_hex("AB%2F%C3%A9CD"), "AB%2f%c3%a9CD");
    }
}
