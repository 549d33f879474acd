//! The parser of a `WWW-Authenticate` header.

use crate::challenge::{Challenge, MOST_CHALLENGES};

/// Parses one header from start to end in linear time.
pub(super) fn read_header(value: &[u8], challenges: &mut Vec<Challenge>) {
    let mut reader = Reader(value);
    // The number of challenges of earlier headers, to which no parameter of this one belongs.
    let before = challenges.len();
    // A scheme stands at the beginning or after a comma. Any other word without `=` is noise, such
    // as the words of a description without quotes.
    let mut may_begin = true;
    loop {
        reader.blanks();
        match reader.peek() {
            None => return,
            Some(b',') => {
                reader.skip();
                may_begin = true;
                continue;
            }
            Some(b'"') => {
                // Skipped as a whole: its content is not a challenge.
                reader.quoted();
                may_begin = false;
                continue;
            }
            Some(_) => {}
        }
        let word = reader.take_while(is_token);
        if reader.skip_equals() {
            let value = reader.value();
            let current = challenges.get_mut(before..).and_then(<[_]>::last_mut);
            if let (Some(challenge), Some(value), false) = (current, value, word.is_empty()) {
                challenge.add(word, value);
            }
        } else if may_begin && !word.is_empty() && reader.follows_scheme(challenges.len() == before) {
            if challenges.len() == MOST_CHALLENGES {
                return;
            }
            challenges.push(Challenge {
                scheme: text(word),
                token68: reader.token68().map(text),
                params: Vec::new(),
            });
        } else {
            reader.take_while(|byte| !is_blank(byte) && !matches!(byte, b',' | b'"'));
        }
        may_begin = false;
    }
}

/// The rest of a header.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn skip(&mut self) {
        self.0 = self.0.get(1..).unwrap_or_default();
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !wanted(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at_checked(end).unwrap_or_default();
        self.0 = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take_while(is_blank);
    }

    /// Skips an equals sign and the blanks before it, if they come next.
    fn skip_equals(&mut self) -> bool {
        let mut ahead = *self;
        ahead.blanks();
        let found = ahead.peek() == Some(b'=');
        if found {
            ahead.skip();
            *self = ahead;
        }
        found
    }

    /// Returns the value after an equals sign, or `None` if its quotes are not closed.
    fn value(&mut self) -> Option<String> {
        self.blanks();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        Some(text(self.take_while(|byte| !is_blank(byte) && byte != b',')))
    }

    /// Returns a quoted string (RFC 9110, section 5.6.4) without quotes and escapes. An unclosed
    /// one consumes the rest of the header.
    fn quoted(&mut self) -> Option<String> {
        self.skip();
        let mut value = Vec::new();
        loop {
            value.extend_from_slice(self.take_while(|byte| !matches!(byte, b'"' | b'\\')));
            let end = self.peek()?;
            self.skip();
            if end == b'"' {
                return Some(text(&value));
            }
            value.push(self.peek()?);
            self.skip();
        }
    }

    /// Returns a token68 value, if one comes next. `a=` could be such a value or a parameter
    /// without a value; the grammar makes it the former.
    fn token68(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        ahead.blanks();
        let start = ahead.0;
        let word = ahead.take_while(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        let padding = ahead.take_while(|byte| byte == b'=');
        if word.is_empty() || !ahead.is_end_of_element() {
            return None;
        }
        *self = ahead;
        start.get(..word.len() + padding.len())
    }

    /// Returns whether the word just read is a scheme, given what comes next: nothing, a token68
    /// value or a parameter. The first word of a header is a scheme whenever a blank follows it.
    fn follows_scheme(mut self, is_first: bool) -> bool {
        if self.is_end_of_element() {
            return true;
        }
        let is_apart = self.peek().is_some_and(is_blank);
        is_apart && (is_first || self.token68().is_some() || self.skip_param_name())
    }

    /// Skips the name of a parameter and the equals sign after it. Returns false if something else
    /// comes next.
    fn skip_param_name(&mut self) -> bool {
        self.blanks();
        !self.take_while(is_token).is_empty() && self.skip_equals()
    }

    /// Returns whether a comma or the end comes next.
    fn is_end_of_element(mut self) -> bool {
        self.blanks();
        matches!(self.peek(), None | Some(b','))
    }

    fn peek(self) -> Option<u8> {
        self.0.first().copied()
    }
}

/// Returns whether the byte may occur in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
