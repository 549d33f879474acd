//! The brackets around a place: the call or the object that a URL is a part of.

use crate::mistakes::line::Line;
use crate::mistakes::request::REACH;

/// A place in a file: the index of a line, and a byte in it.
type Place = (usize, usize);

/// Returns the spans of the brackets around a place, from the innermost one, up to a block of statements.
pub(super) fn spans_around(lines: &[Line<'_>], line: usize, at: usize) -> Vec<(Place, Place)> {
    let mut closers = closers(lines, line, at).into_iter();
    openers(lines, line, at)
        .into_iter()
        .map_while(|opener| Some((opener, closers.next()?)))
        .collect()
}

/// The brackets before a place that are open there.
fn openers(lines: &[Line<'_>], line: usize, at: usize) -> Vec<Place> {
    let mut found = Vec::new();
    let mut closed = 0_usize;
    let mut budget = BUDGET;
    for index in (line.saturating_sub(REACH)..=line).rev() {
        let bytes = lines[index].text.as_bytes();
        let end = if index == line { at } else { bytes.len() };
        for at in (0..end).rev() {
            budget -= 1;
            match bytes[at] {
                b')' | b']' | b'}' => closed += 1,
                b'(' | b'[' | b'{' if closed > 0 => closed -= 1,
                b'{' if is_block(&lines[index].text[..at]) => return found,
                b'(' | b'[' | b'{' => found.push((index, at)),
                _ => {}
            }
            if budget == 0 || found.len() == DEEPEST {
                return found;
            }
        }
    }
    found
}

/// The brackets behind a place that close those which are open there.
fn closers(lines: &[Line<'_>], line: usize, at: usize) -> Vec<Place> {
    let mut found = Vec::new();
    let mut opened = 0_usize;
    let mut budget = BUDGET;
    for (index, text) in lines.iter().enumerate().skip(line).take(REACH + 1) {
        let start = if index == line { at } else { 0 };
        for (at, byte) in text.text.bytes().enumerate().skip(start) {
            budget -= 1;
            match byte {
                b'(' | b'[' | b'{' => opened += 1,
                b')' | b']' | b'}' if opened > 0 => opened -= 1,
                b')' | b']' | b'}' => found.push((index, at)),
                _ => {}
            }
            if budget == 0 || found.len() == DEEPEST {
                return found;
            }
        }
    }
    found
}

/// Whether the bracket behind this text opens a block of statements, not an object.
fn is_block(before: &str) -> bool {
    let before = before.trim_end();
    let word = before
        .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default();
    let before_word = before[..before.len() - word.len()].trim_end();
    before.is_empty()
        || before.ends_with([')', '>', '}', ';', '|'])
        || matches!(
            word,
            "else" | "try" | "do" | "finally" | "loop" | "unsafe" | "async" | "move" | "begin" | "static"
        )
        || [
            "class",
            "struct",
            "namespace",
            "impl",
            "mod",
            "interface",
            "->",
            "module",
        ]
        .iter()
        .any(|end| !word.is_empty() && before_word.ends_with(end))
}

const DEEPEST: usize = 6;

/// The number of bytes that are read in each direction.
const BUDGET: usize = 8 * 1024;
