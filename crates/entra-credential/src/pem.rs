//! The sections of a PEM file (RFC 7468) as they occur in practice: with missing or changed line
//! ends, and with any text between them.

use zeroize::Zeroizing;

use crate::error::Error;
use crate::text;

/// The text between a BEGIN and its END.
pub(crate) struct Section<'a> {
    /// `CERTIFICATE`, `PRIVATEKEY` ..: without blanks, which may be missing or be line ends.
    pub(crate) label: String,
    body: &'a [u8],
}

impl Section<'_> {
    /// Returns true if its headers say `Proc-Type: 4,ENCRYPTED` (RFC 1421). The text after them is
    /// not DER then.
    pub(crate) fn is_encrypted(&self) -> bool {
        text::contains(self.body, b"Proc-Type") && text::contains(self.body, b"ENCRYPTED")
    }

    /// Decodes its bytes.
    pub(crate) fn der(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut body = Zeroizing::new(Vec::new());
        if self.body.contains(&b':') {
            body.reserve_exact(self.body.len());
            // Headers, and lines that some tools write in their place.
            for line in self.body.split(is_line_end).filter(|line| !line.contains(&b':')) {
                body.extend_from_slice(line);
            }
        }
        let body = if body.is_empty() { self.body } else { body.as_slice() };
        text::base64(body).ok_or(Error::Damaged(PEM))
    }
}

/// Returns the sections of a [`clean`](text::clean) text, in their order. White space may be
/// anywhere, and a run of dashes may close one line and open the next. Sections in comments are
/// ignored.
pub(crate) fn sections(text: &[u8]) -> Result<Vec<Section<'_>>, Error> {
    let mut sections = Vec::new();
    let mut open: Option<(Marker, bool)> = None;
    let mut at = 0;
    while let Some(marker) = next_marker(text, at) {
        at = marker.label_end;
        let commented = is_commented(text, marker.start);
        match (marker.begins, open.take()) {
            (true, None | Some((_, true))) => open = Some((marker, commented)),
            (false, Some((begin, hidden))) if begin.label == marker.label => {
                if !hidden {
                    let body = text.get(begin.end..marker.start).unwrap_or_default();
                    let label = begin.label;
                    sections.push(Section { label, body });
                }
            }
            (false, None) if commented => {}
            _ => return Err(Error::Damaged(PEM)),
        }
    }
    match open {
        Some((_, false)) => Err(Error::Damaged(PEM)),
        _ => Ok(sections),
    }
}

/// A marker: `-----BEGIN LABEL-----`, or the same with END.
struct Marker {
    begins: bool,
    label: String,
    /// The start of its dashes.
    start: usize,
    /// The start of the dashes after its label, which may belong to the next marker as well.
    label_end: usize,
    /// The end of the marker.
    end: usize,
}

/// Returns the first marker at or after `at`.
fn next_marker(text: &[u8], mut at: usize) -> Option<Marker> {
    loop {
        let start = at + text.get(at..)?.iter().position(|byte| *byte == b'-')?;
        let end = start + dashes(text, start);
        if end - start >= FEWEST_DASHES {
            if let Some(marker) = marker(text, start, end) {
                return Some(marker);
            }
        }
        at = end;
    }
}

/// Returns the marker whose first dashes are from `start` to `dashes_end`.
fn marker(text: &[u8], start: usize, dashes_end: usize) -> Option<Marker> {
    // No label is longer; this bound keeps the work linear.
    let window = text.get(dashes_end..text.len().min(dashes_end + LONGEST_LABEL))?;
    let spaces = window.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let word = window.get(spaces..)?;
    let (begins, label) = match word.strip_prefix(b"BEGIN") {
        Some(label) => (true, label),
        None => (false, word.strip_prefix(b"END")?),
    };
    let length = label.iter().position(|byte| *byte == b'-')?;
    let label_end = dashes_end + (window.len() - label.len()) + length;
    let label = label.get(..length)?;
    let is_spaced = label
        .first()
        .is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'_');
    let mut name = String::with_capacity(label.len());
    for byte in label
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace() && **byte != b'_')
    {
        // Labels are in upper case: "-- END of the list --" is not a marker.
        if !byte.is_ascii_graphic() || byte.is_ascii_lowercase() {
            return None;
        }
        name.push(char::from(*byte));
    }
    if name.is_empty() || !is_spaced && !WITHOUT_BLANKS.contains(&name.as_str()) {
        return None;
    }
    let end = label_end + dashes(text, label_end);
    Some(Marker {
        begins,
        label: name,
        start,
        label_end,
        end,
    })
}

/// Returns the number of dashes at `at`.
fn dashes(text: &[u8], at: usize) -> usize {
    text.get(at..)
        .map_or(0, |text| text.iter().take_while(|byte| **byte == b'-').count())
}

/// Returns true if only a comment sign precedes `at` on its line.
fn is_commented(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(LONGEST_LABEL)..at).unwrap_or_default();
    let line = before.rsplit(is_line_end).next().unwrap_or_default();
    matches!(line.trim_ascii(), b"#" | b"##" | b"//" | b";")
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// The fewest dashes of a marker: the first one of a text is easily lost when it is copied.
const FEWEST_DASHES: usize = 2;
const LONGEST_LABEL: usize = 80;
/// The labels that are recognized without blanks.
const WITHOUT_BLANKS: &[&str] = &[
    "CERTIFICATE",
    "ENCRYPTEDPRIVATEKEY",
    "ECPRIVATEKEY",
    "PRIVATEKEY",
    "RSAPRIVATEKEY",
];
const PEM: &str = "the PEM text";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let sections = sections(text).unwrap_or_default();
        let der = |it: &Section<'_>| it.der().map(|der| der.to_vec()).unwrap_or_default();
        sections.iter().map(|it| (it.label.clone(), der(it))).collect()
    }

    #[test]
    fn sections_are_found_among_other_text() {
        for text in [
            &b"Bag Attributes\r\n    localKeyID: 01\r\nsubject=/CN=a\r\n-----BEGIN A-----\r\nAQID\r\nBA==\r\n-----END A-----\r\n\r\n  -----BEGIN B C-----\n  BQ==\n  -----END B C-----"[..],
            b"-----BEGIN A----- AQID BA== -----END A----- -----BEGIN B C----- BQ== -----END B C-----",
            b"-----BEGIN A-----AQIDBA==-----END A----------BEGIN B C-----BQ==-----END B C-----",
            b"-----BEGIN\nA-----\nAQID\nBA==\n-----END\nA-----\n-----BEGIN\nB\nC-----\nBQ==\n-----END\nB\nC-----",
            b"{\"a\":\"-----BEGIN A-----\nAQIDBA\n-----END A-----\n\",\"b\":\"-----BEGIN B C-----BQ==-----END B C-----\"}",
            b"----BEGIN A-----\nAQIDBA==\n-----END A---\n----- BEGIN B C -----\nBQ==\n----- END B C -",
            b"#-----BEGIN A-----\n#AQ==\n#-----END A-----\n-----BEGIN A-----\nAQIDBA==\n-----END A-----\n-----BEGIN B C-----BQ-----END B C-----",
            b"-----BEGIN A-----\nComment: x\nAQIDBA==\n-----END A-----\n-- BEGINNING -- ENDING --\n-----BEGIN B C-----BQ-----END B C-----",
        ] {
            let expected = [("A".to_owned(), vec![1, 2, 3, 4]), ("BC".to_owned(), vec![5])];
            assert_eq!(found(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn blanks_of_labels_may_be_lost() {
        let text = b"-----BEGINRSAPRIVATEKEY-----AQ==-----ENDRSAPRIVATEKEY-----";
        assert_eq!(found(text), [("RSAPRIVATEKEY".to_owned(), vec![1])]);
        assert_eq!(found(b"-- BEGINNING -- ENDING -- END of it -- BEGIN --"), []);
    }

    #[test]
    fn headers_tell_of_encryption() {
        for text in [
            &b"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,00\n\nAQID\n-----END A-----\n"[..],
            b"-----BEGIN A----- Proc-Type: 4,ENCRYPTED DEK-Info: AES-128-CBC,00 AQID -----END A-----",
        ] {
            assert!(sections(text).is_ok_and(|it| it[0].is_encrypted()));
        }
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        for text in [
            &b"-----BEGIN A-----\nAQID\n"[..],
            b"-----BEGIN A-----\nAQID\n-----END B-----",
            b"-----END A-----",
            b"-----BEGIN A-----\n-----BEGIN A-----\nAQID\n-----END A-----",
            b"-----BEGIN A-----\nAQID\n-----END A",
        ] {
            assert!(sections(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        for text in [
            &b"-----BEGIN A-----\nA\n-----END A-----"[..],
            b"-----BEGIN A-----\nAQ*D\n-----END A-----",
            b"-----BEGIN A----------END A-----",
        ] {
            assert!(sections(text).is_ok_and(|it| it[0].der().is_err()));
        }
        assert!(sections(b"").is_ok_and(|it| it.is_empty()));
    }
}
