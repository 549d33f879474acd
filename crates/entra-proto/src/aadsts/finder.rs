//! AADSTS codes in texts.

/// The codes that a text names with `AADSTS` before them, in their order, each once.
pub(crate) fn marked_codes(text: &str) -> Vec<u32> {
    let mut codes = Codes::default();
    for number in numbers(text).filter(|number| number.is_marked()) {
        codes.add(number.value);
    }
    codes.0
}

/// The codes that a text names; where it names none, the numbers that may be codes.
pub(super) fn codes_in(text: &str) -> Vec<u32> {
    let mut named = Codes::default();
    let mut possible = Codes::default();
    // A text of numbers and nothing else is taken at its word, however many digits they have.
    let is_list = !text.contains(|c: char| c.is_alphabetic());
    for number in numbers(text) {
        if number.is_marked() || number.is_in_error_codes() || number.is_in_error_page() {
            named.add(number.value);
        }
        if number.is_whole() && (is_list && number.stands_alone() || LIKELY.contains(&number.value)) {
            possible.add(number.value);
        }
    }
    if named.0.is_empty() { possible.0 } else { named.0 }
}

/// The codes that are kept of one text.
#[derive(Default)]
struct Codes(Vec<u32>);

impl Codes {
    fn add(&mut self, code: u32) {
        if self.0.len() < MAX_CODES && !self.0.contains(&code) {
            self.0.push(code);
        }
    }
}

/// A run of digits, and what stands around it.
struct Number<'a> {
    value: u32,
    before: &'a str,
    after: &'a str,
}

impl Number<'_> {
    /// Whether `AADSTS` stands before it, in any case; `AADSTS 70011` and `AADSTS-70011` count.
    fn is_marked(&self) -> bool {
        let before = self.before.trim_end_matches([' ', '-', '_', ':', '#']);
        // People write one of these, not a row of them.
        self.before.len() - before.len() <= 2 && ends_with(before, "aadsts")
    }

    /// Whether it is an item of `error_codes`, in JSON or escaped in a JSON string.
    fn is_in_error_codes(&self) -> bool {
        let list = self.before.trim_end_matches(|c: char| {
            c.is_ascii_digit() || c.is_whitespace() || matches!(c, ',' | '[' | ':' | '"' | '\'' | '\\' | '=')
        });
        ends_with(list, "error_codes")
    }

    /// Whether it is the code in the address of the service's page about errors.
    fn is_in_error_page(&self) -> bool {
        ["error?code=", "error%3fcode%3d"]
            .iter()
            .any(|page| ends_with(self.before, page))
    }

    /// Whether it is no part of a word, an id, a time, an address or a fraction.
    fn is_whole(&self) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '%';
        let mut before = self.before.chars().rev();
        let joined_before = match before.next() {
            Some('-') => is_hex_group(before),
            Some('.' | ':' | '/') => before.next().is_some_and(|c| c.is_ascii_digit()),
            other => other.is_some_and(is_word),
        };
        let mut after = self.after.chars();
        let joined_after = match after.next() {
            Some('-') => is_hex_group(after),
            Some('.' | ':' | '/') => after.next().is_some_and(|c| c.is_ascii_digit()),
            other => other.is_some_and(is_word),
        };
        !joined_before && !joined_after
    }

    /// Whether it is set apart by blanks, commas and brackets alone.
    fn stands_alone(&self) -> bool {
        let apart = |c: char| c.is_whitespace() || ",;[](){}\"'.\u{feff}".contains(c);
        self.before.chars().next_back().is_none_or(apart) && self.after.chars().next().is_none_or(apart)
    }
}

/// Whether a group of a GUID comes: four hexadecimal digits.
fn is_hex_group(characters: impl Iterator<Item = char>) -> bool {
    characters.take(4).filter(char::is_ascii_hexdigit).count() == 4
}

/// Every number of a text that is no larger than a code can be.
fn numbers(text: &str) -> impl Iterator<Item = Number<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.find(|c: char| c.is_ascii_digit())?;
            let run = text.get(start..)?;
            let length = run.find(|c: char| !c.is_ascii_digit()).unwrap_or(run.len());
            at = start + length;
            if let (Some(digits), Some(before), Some(after)) = (run.get(..length), text.get(..start), text.get(at..)) {
                if let Ok(value) = digits.parse() {
                    return Some(Number { value, before, after });
                }
            }
        }
    })
}

/// Whether a text ends with this word, in any case.
fn ends_with(text: &str, word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// How many codes of one text are kept.
const MAX_CODES: usize = 16;

/// The numbers that may be codes: all that are known have five to eight digits.
const LIKELY: std::ops::RangeInclusive<u32> = 10_000..=99_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_what_people_paste() {
        for (text, codes) in [
            ("AADSTS7000215", &[7_000_215][..]),
            ("aadsts7000215: invalid secret", &[7_000_215]),
            ("AADSTS 70011", &[70_011]),
            ("AADSTS-70011", &[70_011]),
            ("AADSTS: 70011", &[70_011]),
            ("AADSTS700016%3a+Application", &[700_016]),
            ("70011", &[70_011]),
            (" 70011, 70011 65001", &[70_011, 65_001]),
            ("\u{feff}70011\r\n", &[70_011]),
            ("[70002,70008]", &[70_002, 70_008]),
            ("[ 70002, 70008 ]", &[70_002, 70_008]),
            ("[\"70002\",\"70008\"]", &[70_002, 70_008]),
            ("'70002'", &[70_002]),
            ("#70011", &[70_011]),
            ("700016.", &[700_016]),
            ("12", &[12]),
            ("code: 700016.", &[700_016]),
            ("code:700016", &[700_016]),
            ("70011:bad scope", &[70_011]),
            ("70011-bad", &[70_011]),
            ("https://login.microsoftonline.com/error/code/7000215", &[7_000_215]),
            ("error_codes: 70002, 70008", &[70_002, 70_008]),
            ("Code=70011&x", &[70_011]),
            ("(AADSTS700016)", &[700_016]),
            ("error=700016&x=1", &[700_016]),
            ("Error (53003)", &[53_003]),
            ("https://login.microsoftonline.com/error?code=7000215", &[7_000_215]),
            ("https://login.microsoftonline.com/error?code=50058&x=12345", &[50_058]),
            (
                "https%3A%2F%2Flogin.microsoftonline.com%2Ferror%3Fcode%3D7000215",
                &[7_000_215],
            ),
            (
                "{\"error\":\"invalid_grant\",\"error_codes\":[70002,70008],\"timestamp\":\"2026-01-01 00:00:00Z\"}",
                &[70_002, 70_008],
            ),
            (r#"{\"error_codes\":[70002, 70008]}"#, &[70_002, 70_008]),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret. Trace ID: 00000000-0000-4000-8000-000000012345","error_codes":[7000215],"correlation_id":"12345678-1234-1234-1234-123456789012"}"#,
                &[7_000_215],
            ),
            (
                "AADSTS70002: Error. AADSTS70008: The code 12345 has expired.",
                &[70_002, 70_008],
            ),
            ("port 443, then code 50058 on 2026-11-29 at 07:41:07", &[50_058]),
            ("Trace ID: 12345678-1234-1234-1234-123456789012 error 65001", &[65_001]),
        ] {
            assert_eq!(codes_in(text), codes, "{text}");
        }
        for text in [
            "",
            "nothing",
            "AADSTS",
            "AADSTS99999999999999999999",
            "12345678-1234-1234-1234-123456789012",
            "at 1767225600 on 127.0.0.1:50123",
            "sha1 84E05C1D98BCE3A5421D225B140B36E86A3D5534",
        ] {
            assert!(codes_in(text).is_empty(), "{text} {:?}", codes_in(text));
        }
    }

    #[test]
    fn messages_name_their_codes_with_aadsts() {
        assert_eq!(
            marked_codes("AADSTS70002: Error 12345. AADSTS70008: again AADSTS70002"),
            [70_002, 70_008]
        );
        let many: String = (10_000..10_100).map(|code| format!("AADSTS{code} ")).collect();
        assert_eq!(marked_codes(&many).len(), MAX_CODES);
    }
}
