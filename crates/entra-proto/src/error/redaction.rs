//! The secrets of a request, taken out of texts that a server sent back.

use zeroize::Zeroizing;

use crate::form::encode_value;

/// The secrets of one request in the spellings that a server may echo: as they are, and as they stand in a form, in JSON and in HTML.
///
/// A proxy's error page may show the request that it failed to pass on.
pub(crate) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Self {
        let mut spellings = Vec::new();
        // An empty text is found everywhere, and hides nothing.
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            let encoded = encode_value(secret);
            spellings.push(Zeroizing::new(encoded.replace("%20", "+")));
            spellings.push(Zeroizing::new(lower_hex(&encoded)));
            // Browsers' forms escape it, ours do not.
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
        // Most secrets need no escapes, and are spelled in one way.
        spellings.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        spellings.dedup_by(|one, other| one.as_str() == other.as_str());
        Self(spellings)
    }

    /// None: of a request that has no secret.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Replaces each of them in one pass. At the end of a text that was cut, the beginning of one counts as well.
    pub(crate) fn blot(&self, text: &mut String) {
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

/// As it stands in a page.
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

/// As it stands in a page that escapes more than it has to.
fn in_html_by_number(secret: &str) -> Zeroizing<String> {
    by_number(secret, |code| format!("&#x{code:X};"))
}

/// As it stands in a JSON string, quoted once more.
fn in_json(secret: &str) -> Zeroizing<String> {
    let quoted = Zeroizing::new(serde_json::Value::from(secret).to_string());
    Zeroizing::new(quoted.trim_matches('"').to_owned())
}

/// As it stands in a JSON string that is made safe for pages.
fn in_json_by_number(secret: &str) -> Zeroizing<String> {
    by_number(secret, |code| format!("\\u{code:04X}"))
}

/// The secret with these escapes for what an encoder of web pages does not take for harmless.
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

/// The same escapes with small letters.
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

/// How many characters of a secret at the end of a text are taken for one that was cut.
const SHORTEST_CUT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn blotted(secret: &str, text: &str) -> String {
        let mut text = text.to_owned();
        Secrets::new([secret].into_iter()).blot(&mut text);
        text
    }

    #[test]
    fn every_spelling_is_blotted_out() {
        assert_eq!(
            blotted("A+b c/D", "1 A+b c/D 2 A%2Bb%20c%2FD 3 A%2bb%20c%2fD 4 A%2Bb+c%2FD 5"),
            "1 [secret] 2 [secret] 3 [secret] 4 [secret] 5"
        );
        assert_eq!(
            blotted(
                "a~/<&>\"'",
                r#"1 a~\/<&>"' 2 a~/&lt;&amp;&gt;&quot;&#39; 3 a%7E%2F%3C%26%3E%22%27 4"#
            ),
            "1 [secret] 2 [secret] 3 [secret] 4"
        );
    }

    #[test]
    fn escapes_of_encoders_are_blotted_out_too() {
        assert_eq!(
            blotted(
                "a+b\"c'd&e<f",
                r#"1 a&#x2B;b&#x22;c&#x27;d&#x26;e&#x3C;f 2 a\u002Bb\u0022c\u0027d\u0026e\u003Cf 3 a+b\"c'd&e<f 4 a%252Bb%2522c%2527d%2526e%253Cf"#
            ),
            "1 [secret] 2 [secret] 3 [secret] 4 [secret]"
        );
    }

    #[test]
    fn a_secret_that_was_cut_is_blotted_out_too() {
        assert_eq!(blotted("SUPERSECRET", "client: SUPERSEC"), "client: [secret]");
        assert_eq!(blotted("SUPERSECRET", "client: SUPERSEC…"), "client: [secret]");
        assert_eq!(blotted("SUPERSECRET", "end of SUP"), "end of SUP");
    }

    #[test]
    fn a_short_secret_does_not_eat_the_marks_of_others() {
        assert_eq!(blotted("e", "the gate"), "th[secret] gat[secret]");
        assert_eq!(blotted("x", "nothing here"), "nothing here");
    }

    #[test]
    fn small_letters_in_escapes_only() {
        assert_eq!(lower_hex("AB%2F%C3%A9CD"), "AB%2f%c3%a9CD");
    }
}
