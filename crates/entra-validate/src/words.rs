//! Lists of names in a token.

/// Names in one allocation. None of them is blank or holds a control character.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Words(String);

impl Words {
    /// Appends a name. Returns `false`, without taking it, if it is blank or could not be told from
    /// two.
    pub(crate) fn push(&mut self, word: &str) -> bool {
        if word.trim().is_empty() || word.chars().any(char::is_control) {
            return false;
        }
        if !self.0.is_empty() {
            self.0.push(BETWEEN);
        }
        self.0.push_str(word);
        true
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(BETWEEN).filter(|word| !word.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const BETWEEN: char = '\n';
