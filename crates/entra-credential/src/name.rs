//! Distinguished names.

use std::fmt::Write;

use crate::der::{Der, DerError, OID, Oid, SEQUENCE, SET};

/// Returns a distinguished name as Windows and RFC 4514 write it: the last part first, separated by
/// `, `, without characters that could confuse a terminal or a log. `contents` are those of its
/// SEQUENCE.
pub(crate) fn name(contents: &[u8]) -> Result<String, DerError> {
    let mut parts = Vec::new();
    let mut sets = Der::new(contents);
    while !sets.is_empty() {
        let mut set = sets.inside(SET)?;
        let mut part = String::new();
        while !set.is_empty() {
            let mut pair = set.inside(SEQUENCE)?;
            let oid = pair.value(OID)?;
            let value = pair.any()?;
            if !part.is_empty() {
                part.push('+');
            }
            match TYPES.iter().find(|(known, _)| *known == oid) {
                Some((_, name)) => part.push_str(name),
                None => {
                    let _ = write!(part, "{}", Oid(oid));
                }
            }
            part.push('=');
            push_value(&mut part, value.tag, value.value);
        }
        parts.push(part);
    }
    parts.reverse();
    Ok(parts.join(", "))
}

fn push_value(part: &mut String, tag: u8, value: &[u8]) {
    match text(tag, value) {
        Some(text) => {
            for character in text.chars() {
                push_escaped(part, character);
            }
        }
        None => {
            part.push('#');
            for byte in value {
                let _ = write!(part, "{byte:02x}");
            }
        }
    }
}

/// Returns the text of a value, if it is a text.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING => {
            std::str::from_utf8(value).ok().map(str::to_owned)
        }
        // In practice, Teletex strings are Latin 1.
        TELETEX_STRING => Some(value.iter().copied().map(char::from).collect()),
        BMP_STRING => {
            let units = value
                .chunks_exact(2)
                .map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            let whole = value.len() % 2 == 0;
            whole.then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        _ => None,
    }
}

fn push_escaped(part: &mut String, character: char) {
    match character {
        ',' | '+' | '"' | '\\' | '<' | '>' | ';' => {
            part.push('\\');
            part.push(character);
        }
        ' '..='~' => part.push(character),
        // Control characters and direction marks become \u{..}.
        _ => part.extend(character.escape_debug()),
    }
}

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const BMP_STRING: u8 = 0x1e;

/// The types of RFC 4514, section 3, and other types that certificates contain.
const TYPES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "SERIALNUMBER"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], "E"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn part(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, inner: &[u8]| [&[tag, inner.len() as u8][..], inner].concat();
        let pair = [wrap(OID, oid), wrap(tag, value)].concat();
        wrap(SET, &wrap(SEQUENCE, &pair))
    }

    #[test]
    fn the_last_part_comes_first() {
        let contents = [
            part(&[0x55, 4, 6], PRINTABLE_STRING, b"US"),
            part(&[0x55, 4, 10], UTF8_STRING, "Caf\u{e9}, \"Ltd\"".as_bytes()),
            part(&[0x55, 4, 3], BMP_STRING, &[0, b'a', 0x20, 0xac]),
        ]
        .concat();
        assert_eq!(
            name(&contents).unwrap(),
            "CN=a\u{20ac}, O=Caf\u{e9}\\, \\\"Ltd\\\", C=US"
        );
    }

    #[test]
    fn a_name_is_harmless_to_print() {
        let contents = part(&[0x55, 4, 3], UTF8_STRING, "a\u{1b}[31m\r\n\u{202e}".as_bytes());
        assert_eq!(name(&contents).unwrap(), "CN=a\\u{1b}[31m\\r\\n\\u{202e}");
        assert_eq!(name(&part(&[0x2a, 3], UTF8_STRING, &[0xff])).unwrap(), "1.2.3=#ff");
        assert_eq!(name(&part(&[0x55, 4, 3], BMP_STRING, &[0xd8, 0])).unwrap(), "CN=#d800");
        assert_eq!(name(&[]).unwrap(), "");
        assert!(name(&[0x31, 0x02, 0x30]).is_err());
    }
}
