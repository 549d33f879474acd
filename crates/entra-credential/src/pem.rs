use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::Error;

/// A section of a PEM file (RFC 7468): what stands between its BEGIN and its END.
pub(crate) struct Section<'a> {
    /// `CERTIFICATE`, `PRIVATE KEY` ..
    pub(crate) label: &'a [u8],
    /// Whether its headers say `Proc-Type: 4,ENCRYPTED` (RFC 1421): what follows them is not DER then.
    pub(crate) encrypted: bool,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// Whether it looks like PEM.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// Its sections, in their order. Any line ends, spaces around a line and text between the sections ("Bag Attributes") are common, and
/// all right.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, Error> {
    let mut sections = Vec::new();
    let mut open: Option<Open<'_>> = None;
    for line in bytes
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .map(<[u8]>::trim_ascii)
    {
        if let Some(label) = label(line, BEGIN) {
            if open.replace(Open::new(label, bytes.len())).is_some() {
                return Err(Error::Damaged(PEM));
            }
        } else if let Some(end) = label(line, END) {
            match open.take() {
                Some(section) if section.label == end => sections.push(section.close()?),
                _ => return Err(Error::Damaged(PEM)),
            }
        } else if let Some(section) = &mut open {
            section.push(line);
        }
    }
    if open.is_some() {
        return Err(Error::Damaged(PEM));
    }
    Ok(sections)
}

/// A section whose END has not come yet.
struct Open<'a> {
    label: &'a [u8],
    encrypted: bool,
    base64: Zeroizing<Vec<u8>>,
    most: usize,
}

impl<'a> Open<'a> {
    fn new(label: &'a [u8], most: usize) -> Self {
        Self {
            label,
            encrypted: false,
            base64: Zeroizing::new(Vec::new()),
            most,
        }
    }

    fn push(&mut self, line: &[u8]) {
        if line.contains(&b':') {
            self.encrypted |= line.ends_with(b"ENCRYPTED");
            return;
        }
        if self.base64.capacity() < self.base64.len() + line.len() {
            // A vector that grows by itself leaves what it held behind.
            let room = (self.base64.capacity() * 2)
                .max(INITIAL)
                .max(line.len() * 2)
                .min(self.most);
            let mut larger = Zeroizing::new(Vec::with_capacity(room.max(self.base64.len() + line.len())));
            larger.extend_from_slice(&self.base64);
            self.base64 = larger;
        }
        self.base64.extend_from_slice(line);
    }

    fn close(self) -> Result<Section<'a>, Error> {
        let mut der = Zeroizing::new(vec![0; self.base64.len() / 4 * 3 + 3]);
        let length = STANDARD
            .decode_slice(&*self.base64, &mut der)
            .map_err(|_| Error::Damaged(PEM))?;
        der.truncate(length);
        Ok(Section {
            label: self.label,
            encrypted: self.encrypted,
            der,
        })
    }
}

/// The label of a line of this kind.
fn label<'a>(line: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(kind)?.strip_suffix(b"-----")
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const PEM: &str = "the PEM text";
/// Enough for a key of 4096 bits.
const INITIAL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_among_other_text() {
        let text = b"Bag Attributes\r\n    localKeyID: 01\r\nsubject=/CN=a\r\n-----BEGIN A-----\r\nAQID\r\nBA==\r\n-----END A-----\r\n\r\n  -----BEGIN B-----\n  BQ==\n  -----END B-----";
        let sections = sections(text).unwrap_or_default();
        let found: Vec<_> = sections.iter().map(|it| (it.label, it.der.as_slice())).collect();
        assert_eq!(found, [(&b"A"[..], &[1, 2, 3, 4][..]), (b"B", &[5])]);
    }

    #[test]
    fn headers_tell_of_encryption() {
        let text = b"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END A-----\n";
        assert!(sections(text).is_ok_and(|it| it[0].encrypted && it[0].der.as_slice() == [1, 2, 3]));
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        for text in [
            &b"-----BEGIN A-----\nAQID\n"[..],
            b"-----BEGIN A-----\nAQID\n-----END B-----",
            b"-----END A-----",
            b"-----BEGIN A-----\n-----BEGIN A-----\nAQID\n-----END A-----",
            b"-----BEGIN A-----\nAQI\n-----END A-----",
            b"-----BEGIN A-----\nAQ*D\n-----END A-----",
        ] {
            assert!(sections(text).is_err());
        }
        assert!(sections(b"").is_ok_and(|it| it.is_empty()));
    }
}
