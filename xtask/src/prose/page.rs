//! The texts of one file, and what is wrong in them.

use std::fmt;

use super::{markdown, rust};

/// The counts and faults of one file.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Lines of comments or of Markdown.
    pub(super) lines: usize,
    /// First lines of documentation comments.
    pub(super) summaries: usize,
    /// Summaries that begin with a question word.
    pub(super) questions: usize,
    pub(super) faults: Vec<Fault>,
}

/// Something wrong on one line.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// A comment or a line of Markdown is too long.
    Long { line: usize, columns: usize },
    /// A line of a code block or diagram is too long.
    LongCode { line: usize, columns: usize, limit: usize },
    /// The file has no head.
    Headless,
    /// The name of a test is too long.
    LongName { line: usize, characters: usize },
    /// A word that is not used here, and its replacement.
    Word {
        line: usize,
        word: &'static str,
        instead: &'static str,
    },
}

impl Page {
    pub(super) fn read(file: &str, text: &str) -> Self {
        if file.ends_with(".md") {
            // Only what rustdoc shows has to fit into its narrow column.
            let is_rustdoc = file.contains("/docs/");
            markdown::read(text, if is_rustdoc { MOST_CODE_COLUMNS } else { MOST_COLUMNS })
        } else {
            let is_test = file.starts_with("tests/") || file.contains("/tests/");
            // The guides show these programs whole.
            let is_shown = file.starts_with("xtask/acceptance/rust/migrating/");
            rust::read(text, !is_test && !is_shown)
        }
    }
}

impl Fault {
    /// The kinds in their order, as headings of the table.
    pub(super) const KINDS: &[&str] = &["long", "code", "headless", "names", "words"];

    /// Returns the place of its kind among [`Self::KINDS`].
    pub(super) fn kind(&self) -> usize {
        match self {
            Self::Long { .. } => 0,
            Self::LongCode { .. } => 1,
            Self::Headless => 2,
            Self::LongName { .. } => 3,
            Self::Word { .. } => 4,
        }
    }

    /// Returns the word that is not used here.
    pub(super) fn word(&self) -> Option<&'static str> {
        match self {
            Self::Word { word, .. } => Some(word),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long { line, columns } => {
                write!(f, "{line}: {columns} columns, more than {MOST_COLUMNS}: wrap the text")
            }
            Self::LongCode { line, columns, limit } => {
                write!(
                    f,
                    "{line}: a code block or diagram of {columns} columns, more than {limit}"
                )
            }
            Self::Headless => write!(f, "1: no `//!` head: say in one to five lines what the module holds"),
            Self::LongName { line, characters } => write!(
                f,
                "{line}: a test name of {characters} characters, more than {MOST_NAME}: name the behaviour"
            ),
            Self::Word { line, word, instead } => write!(f, "{line}: {word:?} is not used here: {instead}"),
        }
    }
}

/// The most columns of a comment and of a line of Markdown.
pub(super) const MOST_COLUMNS: usize = 100;

/// The most columns of a code block that rustdoc shows without a scroll bar.
pub(super) const MOST_CODE_COLUMNS: usize = 80;

/// The most characters of a test's name.
pub(super) const MOST_NAME: usize = 60;
