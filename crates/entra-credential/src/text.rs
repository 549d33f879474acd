//! Text restored from the changes of shells, JSON, YAML, web pages and editors.

use std::ops::RangeInclusive;

use zeroize::Zeroizing;

/// Returns true if `bytes` are DER and not a text. A text that begins with `0` continues in ASCII;
/// a structure of 128 bytes or more does not.
pub(crate) fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0xff, ..])
}

/// Returns the text in `bytes` as UTF-8: decodes UTF-16, removes marks, decodes the escapes of
/// JSON, C, URLs and XML, and replaces typographic dashes, quotes and blanks by plain ones. Other
/// bytes are returned unchanged.
pub(crate) fn clean(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let utf8 = from_utf16(bytes);
    let bytes = utf8.as_ref().map_or(bytes, |text| text.as_slice());
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_form = contains(bytes, b"BEGIN+");
    // A pipeline escapes only the line ends.
    let is_url = is_form || contains(bytes, b"BEGIN%20") || contains(bytes, b"-----%0");
    let decoded = is_url.then(|| without_percent(bytes, is_form));
    let bytes = decoded.as_ref().map_or(bytes, |text| text.as_slice());

    // Nothing below is longer than its source, so that no growing vector leaves a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        rest = match rest {
            [b'\\', ..] => unescape(rest, &mut text),
            // The line end of PowerShell.
            [b'`', b'n' | b'r', behind @ ..] => {
                text.push(b'\n');
                behind
            }
            [b'&', b'#', reference @ ..] => match referred(reference) {
                Some((character, behind)) => {
                    text.push(character);
                    behind
                }
                None => {
                    text.push(first);
                    behind
                }
            },
            // Blanks of all widths, line ends and direction marks.
            [0xc2, 0x85 | 0xa0, behind @ ..]
            | [0xe2, 0x80, 0x80..=0x8f | 0xa8..=0xaf, behind @ ..]
            | [0xe3, 0x80, 0x80, behind @ ..]
            | [0xef, 0xbb, 0xbf, behind @ ..] => {
                text.push(b' ');
                behind
            }
            // Dashes of all widths and the minus sign: editors combine two dashes into one.
            [0xe2, 0x80, 0x90..=0x95, behind @ ..] | [0xe2, 0x88, 0x92, behind @ ..] => {
                text.extend_from_slice(b"--");
                behind
            }
            [0xe2, 0x80, 0x98..=0x9f, behind @ ..] => {
                text.push(b'"');
                behind
            }
            _ => {
                text.push(first);
                behind
            }
        };
    }
    text
}

/// Decodes base64 in either alphabet, with or without padding. Ignores white space and the
/// characters that separate the lines of a text in a program.
pub(crate) fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    use base64::Engine;
    use base64::alphabet::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for byte in text {
        match byte {
            b'"' | b'\'' | b',' => {}
            space if space.is_ascii_whitespace() => {}
            b'-' => digits.push(b'+'),
            b'_' => digits.push(b'/'),
            other => digits.push(*other),
        }
    }
    let mut bytes = Zeroizing::new(vec![0; digits.len() / 4 * 3 + 3]);
    let length = ENGINE.decode_slice(&*digits, &mut bytes).ok()?;
    bytes.truncate(length);
    (length > 0).then_some(bytes)
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Returns the parts of a text that may be base64: the texts in quotation marks, otherwise the
/// words. Words of the length of a base64 line belong to one value, which YAML indents.
pub(crate) fn members(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let has_quotes = text.contains(&b'"');
    let mut rest = text;
    std::iter::from_fn(move || {
        if has_quotes {
            let (member, behind) = split(rest, |byte| *byte == b'"')?;
            rest = behind;
            return Some(member);
        }
        rest = rest.trim_ascii_start();
        let all = rest;
        let (first, mut behind) = split(rest, u8::is_ascii_whitespace)?;
        let mut last = first;
        while FULL_LINE.contains(&first.len()) && last.len() == first.len() {
            let Some((word, after)) = split(behind.trim_ascii_start(), u8::is_ascii_whitespace) else {
                break;
            };
            if word.len() > first.len() || !is_digits(word) {
                break;
            }
            (last, behind) = (word, after);
        }
        rest = behind;
        all.get(..all.len() - behind.len()).map(<[u8]>::trim_ascii_end)
    })
}

/// Returns true if the text has only characters of base64, with padding only at the end.
fn is_digits(word: &[u8]) -> bool {
    let padding = word.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = word.get(..word.len() - padding).unwrap_or_default();
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    // Only dashes: the separator of list items or of documents in a file.
    digits.iter().any(u8::is_ascii_alphanumeric) && digits.iter().all(is_digit)
}

/// Splits at the first such byte. Returns `None` at the end.
fn split(text: &[u8], is_end: impl Fn(&u8) -> bool) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(is_end).unwrap_or(text.len());
    Some((text.get(..end)?, text.get(end + 1..).unwrap_or_default()))
}

/// Writes the character after any number of backslashes, and returns the rest. JSON within JSON has
/// several.
fn unescape<'a>(text: &'a [u8], into: &mut Vec<u8>) -> &'a [u8] {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = text.get(slashes..).unwrap_or_default();
    let (character, behind) = match rest {
        [b'n' | b'r' | b'\n' | b'\r', behind @ ..] => (b'\n', behind),
        [b't', behind @ ..] => (b' ', behind),
        [quoted @ (b'"' | b'\'' | b'/'), behind @ ..] => (*quoted, behind),
        [b'u', b'0', b'0', high, low, behind @ ..] => match hex(*high, *low) {
            Some(character @ 0..0x80) => (character, behind),
            _ => (b'\\', rest),
        },
        _ => (b'\\', rest),
    };
    into.push(character);
    behind
}

/// Decodes UTF-16, which is recognized by its mark or by the zeros of its first two characters.
pub(crate) fn from_utf16(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (bytes, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xff, 0xfe, text @ ..] => (text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => (text, u16::from_be_bytes),
        [1..=0xff, 0, 1..=0xff, 0, ..] => (bytes, u16::from_le_bytes),
        [0, 1..=0xff, 0, 1..=0xff, ..] => (bytes, u16::from_be_bytes),
        _ => return None,
    };
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len() / 2 * 3));
    let units = bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(unit);
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(text)
}

/// Decodes the `%0A` and `%20` of a URL. In a form, a plus sign is a blank.
fn without_percent(bytes: &[u8], is_form: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = match rest {
            [b'%', high, low, behind @ ..] if hex(*high, *low).is_some() => {
                text.extend(hex(*high, *low));
                behind
            }
            [b'+', ..] if is_form => {
                text.push(b' ');
                behind
            }
            _ => {
                text.push(*first);
                behind
            }
        };
    }
    text
}

/// Decodes an ASCII character in XML, `&#10;` or `&#xA;`, and returns it with the rest. `text`
/// begins after `&#`.
fn referred(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text.iter().take(LONGEST_REFERENCE).position(|byte| *byte == b';')?;
    let number = std::str::from_utf8(text.get(..end)?).ok()?;
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // XML does not permit a sign.
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let character = u8::from_str_radix(digits, radix).ok().filter(u8::is_ascii)?;
    Some((character, text.get(end + 1..)?))
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// The length of base64 lines that continue in the next one, usually 64 or 76 characters.
const FULL_LINE: RangeInclusive<usize> = 60..=76;
/// The longest number of an ASCII character in XML, with its zeros and the semicolon.
const LONGEST_REFERENCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        for (text, expected) in [
            (&b"a\\nb"[..], &b"a\nb"[..]),
            (b"a\\r\\nb", b"a\n\nb"),
            (b"a\\\\nb", b"a\nb"),
            (b"a\\/b\\u002Bc\\u003d", b"a/b+c="),
            (b"\\\"a\\\"", b"\"a\""),
            (b"a\\\nb", b"a\nb"),
            (b"a\\qb\\", b"a\\qb\\"),
            (b"\\u1234\\u00e9\\u00", b"\\u1234\\u00e9\\u00"),
            (b"\xef\xbb\xbfa\xc2\xa0b\xe2\x80\x8bc", b"a b c"),
            (b"\xe2\x80\x94\xe2\x80\x93BEGIN", b"----BEGIN"),
            (b"-----BEGIN%20A-----%0AQ%2BQ%2", b"-----BEGIN A-----\nQ+Q%2"),
            (b"-----BEGIN+A-----%0AQ%2BQ", b"-----BEGIN A-----\nQ+Q"),
            (b"100%25+", b"100%25+"),
            (b"a`r`nb`", b"a\n\nb`"),
            (b"-----%0D%0AQ", b"-----\r\nQ"),
            (b"a&#10;b&#x0A;c&#xd;&#43;", b"a\nb\nc\r+"),
            (b"&#;&#x;&#300;&#233;&#-1;&#+9;&#1", b"&#;&#x;&#300;&#233;&#-1;&#+9;&#1"),
            (b"a\xe3\x80\x80b\xe2\x80\x83c\xc2\x85d", b"a b c d"),
        ] {
            assert_eq!(clean(text).as_slice(), expected);
        }
    }

    #[test]
    fn utf16_is_decoded_with_and_without_a_mark() {
        let text = "-----BEGIN A-----\r\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            [&[0xff, 0xfe][..], &little].concat(),
            [&[0xfe, 0xff][..], &big].concat(),
            little,
            big,
        ] {
            assert_eq!(clean(&bytes).as_slice(), text.as_bytes());
        }
        assert_eq!(clean(&[0xff, 0xfe, 0x00, 0xd8, 0x41]).as_slice(), "\u{fffd}".as_bytes());
    }

    #[test]
    fn members_are_quoted_words_or_lines_of_one_value() {
        let found = |text: &str| -> Vec<String> {
            members(text.as_bytes())
                .map(|it| String::from_utf8_lossy(it).into_owned())
                .collect()
        };
        let (line, end) = ("A".repeat(64), "A".repeat(62) + "==");
        assert_eq!(found("{\"a\": \"b c\"}"), ["{", "a", ": ", "b c", "}"]);
        assert_eq!(found("a: b\nc: d"), ["a:", "b", "c:", "d"]);
        let value = format!("{line}\n  {line}\n  {end}");
        assert_eq!(found(&format!("a: |\n  {value}\nb: c")), ["a:", "|", &value, "b:", "c"]);
        assert_eq!(found(&format!("{line} {line}A")), [line.clone(), format!("{line}A")]);
        assert_eq!(
            found(&format!("{line} AA {line}")),
            [format!("{line} AA"), line.clone()]
        );
        // Two values, and a list of them.
        let long = "A".repeat(100);
        assert_eq!(found(&format!("{long}\n- B")), [&long, "-", "B"]);
        assert_eq!(found(&format!("{line}\nB=A")), [&line, "B=A"]);
        assert_eq!(found(&format!("{line}\n---\nB")), [&line, "---", "B"]);
        assert!(found("  ").concat().is_empty());
    }

    #[test]
    fn base64_is_read_in_either_alphabet_and_without_padding() {
        for text in [&b"+/8="[..], b"-_8", b"\"+/\",\n'8='"] {
            assert_eq!(base64(text).map(|it| it.to_vec()), Some(vec![0xfb, 0xff]));
        }
        for text in [&b""[..], b"  ", b"a", b"a=b=", b"a*bc", b"AQ==BQ=="] {
            assert!(base64(text).is_none());
        }
    }
}
