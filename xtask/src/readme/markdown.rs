//! The parts of a Markdown file: fenced blocks, prose, links, anchors.

/// A fenced block of code.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    /// The line of its opening fence, from 1.
    pub(crate) line: usize,
    /// The text after the opening fence: `rust,no_run`.
    pub(crate) tag: String,
    pub(crate) text: String,
    /// The last line before it that is not blank.
    pub(crate) after: String,
    /// It has a closing fence.
    pub(crate) closed: bool,
}

impl Block {
    /// Returns the first word of its tag, or an empty text.
    pub(crate) fn language(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    /// Returns the words of its tag.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.tag.split([',', ' ']).filter(|word| !word.is_empty())
    }
}

/// A link as it is written: its line and its target.
#[derive(Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// Returns the fenced blocks of `markdown`.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence = None;
    let mut before = "";
    for (number, line) in (1..).zip(markdown.lines()) {
        let trimmed = line.trim();
        match (fence, fence_of(trimmed)) {
            (None, Some(found)) => {
                fence = Some(found);
                let tag = trimmed[found.1..].trim().to_owned();
                blocks.push(Block {
                    line: number,
                    tag,
                    text: String::new(),
                    after: before.to_owned(),
                    closed: false,
                });
            }
            (Some(open), Some(found)) if closes(open, found) && trimmed.len() == found.1 => {
                fence = None;
                blocks.last_mut().expect("a fence is open, so it has a block").closed = true;
            }
            (Some(_), _) => {
                let block = blocks.last_mut().expect("a fence is open, so it has a block");
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
        if !trimmed.is_empty() {
            before = trimmed;
        }
    }
    blocks
}

/// Returns the lines outside of every fenced block, with their numbers.
pub(crate) fn prose(markdown: &str) -> Vec<(usize, &str)> {
    let blocks = blocks(markdown);
    let inside = |number: usize| {
        blocks.iter().any(|block| {
            let end = block.line + block.text.lines().count() + usize::from(block.closed);
            (block.line..=end).contains(&number)
        })
    };
    (1..)
        .zip(markdown.lines())
        .filter(|(number, _)| !inside(*number))
        .collect()
}

/// Returns the links and images of the prose: `[text](target)`, `[name]: target`, `href="target"`,
/// `src="target"`.
pub(crate) fn links(markdown: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(markdown) {
        let text = without_code(text);
        for (opening, closing) in [("](", ')'), ("href=\"", '"'), ("src=\"", '"')] {
            for part in text.split(opening).skip(1) {
                links.extend(part.split(closing).next().map(|inside| (line, inside.to_owned())));
            }
        }
        if let Some((name, target)) = text.trim().split_once("]: ") {
            if name.starts_with('[') {
                links.push((line, target.to_owned()));
            }
        }
    }
    let first_word = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    links
        .into_iter()
        .map(|(line, target)| Link {
            line,
            target: first_word(&target),
        })
        .collect()
}

/// Returns the names by which the headings can be linked to.
pub(crate) fn anchors(markdown: &str) -> Vec<String> {
    let headings = prose(markdown).into_iter().filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Returns `line` without the text between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Returns the character of a fence and the number of its repetitions.
fn fence_of(trimmed: &str) -> Option<(char, usize)> {
    let first = trimmed.chars().next().filter(|c| ['`', '~'].contains(c))?;
    let length = trimmed.chars().take_while(|&c| c == first).count();
    let inline = first == '`' && trimmed[length..].contains('`');
    (length >= 3 && !inline).then_some((first, length))
}

fn closes(open: (char, usize), found: (char, usize)) -> bool {
    open.0 == found.0 && found.1 >= open.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_a_tag_a_text_and_something_before() {
        let found =
            blocks("# T\n\n<!-- m -->\n\n```rust,no_run\na\n\nb\n```\n~~~~\n```\n~~~~\n``` x ``` y\n```sh\nlost\n");
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            (found[0].line, found[0].text.as_str(), found[0].after.as_str()),
            (5, "a\n\nb\n", "<!-- m -->")
        );
        assert_eq!(
            (found[0].language(), found[0].words().collect::<Vec<_>>()),
            ("rust", vec!["rust", "no_run"])
        );
        assert_eq!((found[1].tag.as_str(), found[1].text.as_str()), ("", "```\n"));
        assert!(found[1].closed && !found[2].closed);
    }

    #[test]
    fn prose_is_what_no_fence_holds() {
        let lines: Vec<_> = prose("a\n```\nb\n```\nc\n```\nd\n")
            .into_iter()
            .map(|(number, _)| number)
            .collect();
        assert_eq!(lines, [1, 5]);
    }

    #[test]
    fn links_are_found_in_prose_alone() {
        let found = links(
            "see [a](A.md) and [![b](b.svg)](C.md \"title\"), `[no](NO.md)`\n```\n[no](NO.md)\n```\n[d]: D.md\n<img src=\"e.png\">",
        );
        let targets: Vec<_> = found.iter().map(|link| (link.line, link.target.as_str())).collect();
        assert_eq!(
            targets,
            [(1, "A.md"), (1, "b.svg"), (1, "C.md"), (5, "D.md"), (6, "e.png")]
        );
    }

    #[test]
    fn headings_can_be_linked_to() {
        assert_eq!(
            anchors("# Why?\n## `entra-proto`, in one picture\n```\n# no\n```\n"),
            ["why", "entra-proto-in-one-picture"]
        );
    }
}
