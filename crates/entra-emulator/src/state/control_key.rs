//! The key of the control API.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::state::store::random;

/// The key that every request to the control API must contain.
pub(crate) struct ControlKey(String);

impl ControlKey {
    /// Creates a key from the system's random generator. It is hexadecimal, since base64url may
    /// begin with a hyphen and look like a command-line option.
    pub(crate) fn new() -> Self {
        Self(random::<32>().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub(crate) fn is(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text.as_bytes()).is_ok()
    }
}

impl fmt::Debug for ControlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_are_not_shown() {
        let (one, two) = (ControlKey::new(), ControlKey::new());
        assert!(one.text().len() == 64 && one.text() != two.text());
        assert!(!format!("{one:?}").contains(one.text()));
        assert!(one.is(one.text()) && !one.is(two.text()) && !one.is("") && !one.is(&one.text()[1..]));
    }
}
