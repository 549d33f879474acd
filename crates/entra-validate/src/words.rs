//! Lists of names in a token.

/// Names in one allocation. No name is blank or contains a control character.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Words(String);

impl Words {
    /// Appends a name. Returns `false` without appending it if it is blank or contains a control
    /// character, which could be the separator.
    pub(crate) fn push(&mut self, word: &str) -> bool {
        if word.trim().is_empty() || word.chars().any(char::is_control) {
            return false;
        }
        if !self.0.is_empty() {
            self.0.push(SEPARATOR);
        }
        self.0.push_str(word);
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(SEPARATOR).filter(|word| !word.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const SEPARATOR: char = '\n';
