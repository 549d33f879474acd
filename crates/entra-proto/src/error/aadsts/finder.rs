//! The search for AADSTS codes in text that users paste: messages, URLs, JSON, lists.

use percent_encoding::percent_decode_str;

/// Returns the codes that follow `AADSTS` in a text, in their order, each once.
pub(crate) fn marked_codes(text: &str) -> Vec<u32> {
    let mut codes = Codes::default();
    for number in numbers(text).filter(|number| number.is_marked()) {
        codes.add(number.value);
    }
    codes.0
}

/// Returns the codes that a text names as AADSTS codes. Without any, returns the numbers that
/// follow "error code" and the like, and without those the numbers that may be codes.
pub(super) fn codes_in(text: &str) -> Vec<u32> {
    let text = &plain(text);
    let [mut named, mut labeled, mut possible] = [const { Codes(Vec::new()) }; 3];
    // In a text of numbers only, each number counts, with any number of digits.
    let is_list = !text.contains(|c: char| c.is_alphabetic());
    let (mut in_named, mut in_labeled) = (false, false);
    for number in numbers(text) {
        in_named = number.is_in_list(in_named, &["error_codes"]);
        in_labeled = number.is_in_list(in_labeled, ERROR_CODE);
        if number.is_marked() || in_named || number.is_in_error_page() {
            named.add(number.value);
        }
        let is_likely = LIKELY.contains(&number.value);
        if in_labeled && is_likely {
            labeled.add(number.value);
        }
        if number.is_whole() && (is_list && number.stands_alone() || is_likely) {
            possible.add(number.value);
        }
    }
    let mut found = [named, labeled, possible].into_iter();
    found
        .find(|codes| !codes.0.is_empty())
        .map_or_else(Vec::new, |codes| codes.0)
}

/// Returns the text with up to two levels of percent-encoding decoded, and with the full-width
/// digits and letters of East Asian keyboards as ASCII.
fn plain(text: &str) -> String {
    let half_width = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    let mut text: String = text.chars().map(half_width).collect();
    for _ in 0..2 {
        if text.contains('%') {
            text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        }
    }
    text
}

/// The distinct codes of one text, at most [`MAX_CODES`].
#[derive(Default)]
struct Codes(Vec<u32>);

impl Codes {
    fn add(&mut self, code: u32) {
        if self.0.len() < MAX_CODES && !self.0.contains(&code) {
            self.0.push(code);
        }
    }
}

/// A run of digits with the text around it.
struct Number<'a> {
    value: u32,
    before: &'a str,
    /// The text between the previous run of digits and this one. Long texts stay cheap because most
    /// checks look at the gap only.
    gap: &'a str,
    after: &'a str,
}

impl Number<'_> {
    /// Returns whether `AADSTS` precedes it, in any case; `AADSTS 70011` and `AADSTS-70011` count.
    fn is_marked(&self) -> bool {
        let before = self.before.trim_end_matches([' ', '-', '_', ':', '#']);
        // Users write one or two of these characters, not more.
        self.before.len() - before.len() <= 2 && ends_with(before, "aadsts")
    }

    /// Returns whether it is an item of a list after one of these names, in JSON or escaped in a
    /// JSON string. `previous` is whether the number before it is an item.
    fn is_in_list(&self, previous: bool, names: &[&str]) -> bool {
        let list = self
            .gap
            .trim_end_matches(|c: char| c.is_whitespace() || ",[:\"'\\=".contains(c));
        let list = list.strip_suffix("&quot;").unwrap_or(list);
        (list.is_empty() && previous) || names.iter().any(|name| ends_with(list, name))
    }

    /// Returns whether it is the code in the URL of the service's page about errors.
    fn is_in_error_page(&self) -> bool {
        ["?code=", "&code=", "&amp;code="]
            .iter()
            .any(|page| ends_with(self.gap, page))
    }

    /// Returns whether it is not part of a word, an ID, a time, an address or a fraction.
    fn is_whole(&self) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '%';
        let mut before = self.before.chars().rev();
        let joined_before = match before.next() {
            Some('-') => is_hex_group(before),
            Some(':') if self.is_after_host() => true,
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

    /// Returns whether the colon before it follows a host or a file name.
    fn is_after_host(&self) -> bool {
        let word = self.gap.rsplit(char::is_whitespace).next().unwrap_or_default();
        word.contains('.') || word.contains("//") || ends_with(word, "localhost:")
    }

    /// Returns whether only white space, commas, brackets and the like surround it.
    fn stands_alone(&self) -> bool {
        let apart = |c: char| c.is_whitespace() || ",;[](){}\"'.\u{feff}".contains(c);
        self.before.chars().next_back().is_none_or(apart) && self.after.chars().next().is_none_or(apart)
    }
}

/// Returns whether a group of a GUID follows: four hexadecimal digits.
fn is_hex_group(characters: impl Iterator<Item = char>) -> bool {
    characters.take(4).filter(char::is_ascii_hexdigit).count() == 4
}

/// Returns each number of a text that fits a code, a `u32`.
fn numbers(text: &str) -> impl Iterator<Item = Number<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.find(|c: char| c.is_ascii_digit())?;
            let run = text.get(start..)?;
            let length = run.find(|c: char| !c.is_ascii_digit()).unwrap_or(run.len());
            let gap = text.get(at..start)?;
            at = start + length;
            if let (Some(digits), Some(before), Some(after)) = (run.get(..length), text.get(..start), text.get(at..)) {
                if let Ok(value) = digits.parse() {
                    return Some(Number {
                        value,
                        before,
                        gap,
                        after,
                    });
                }
            }
        }
    })
}

/// Returns whether a text ends with this word, in any case.
fn ends_with(text: &str, word: &str) -> bool {
    let start = text.len().checked_sub(word.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// The names of a code in programs, logs and pages.
const ERROR_CODE: &[&str] = &[
    "error_code",
    "errorcode",
    "errorcodes",
    "error code",
    "error codes",
    "errcode",
];

/// The most codes that are kept of one text.
const MAX_CODES: usize = 16;

/// The numbers that may be codes: all known codes have five to eight digits.
const LIKELY: std::ops::RangeInclusive<u32> = 10_000..=99_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_pasted_text() {
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
            (
                "https://login.microsoftonline.com/error?lang=en&code=50058&x=12345",
                &[50_058],
            ),
            ("AADSTS%2050011", &[50_011]),
            ("AADSTS%3A50011", &[50_011]),
            ("error_codes%22%3A%5B50011%2C70011%5D", &[50_011, 70_011]),
            ("error%253Fcode%253D50011%26x%3D12345", &[50_011]),
            ("＆ AADSTS５００１１：", &[50_011]),
            ("&quot;error_codes&quot;:[50011]", &[50_011]),
            (
                r#"{"status":{"errorCode":50105},"processingTimeInMilliseconds":12345,"autonomousSystemNumber":35228}"#,
                &[50_105],
            ),
            ("Error code: 53003 from worker 12345", &[53_003]),
            (
                "http://localhost:50011/ and app.contoso.com:50012 and main.rs:12345: error 53003",
                &[53_003],
            ),
            ("HTTP error code 400: AADSTS700016", &[700_016]),
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

    /// Each number is checked with the text around it, not back to the beginning of the text.
    #[test]
    fn long_text_takes_linear_time() {
        for unit in ["1,", "1 ", "1-", "a.b:1", "error_codes1,"] {
            let text = unit.repeat(1_000_000 / unit.len());
            assert!(codes_in(&text).len() <= MAX_CODES, "{unit}");
        }
    }

    #[test]
    fn marked_codes_follow_aadsts() {
        assert_eq!(
            marked_codes("AADSTS70002: Error 12345. AADSTS70008: again AADSTS70002"),
            [70_002, 70_008]
        );
        let many: String = (10_000..10_100).map(|code| format!("AADSTS{code} ")).collect();
        assert_eq!(marked_codes(&many).len(), MAX_CODES);
    }
}
