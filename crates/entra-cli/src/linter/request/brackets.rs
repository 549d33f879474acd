//! The brackets around a position: the call or the object that contains a URL.

use crate::linter::line::Line;
use crate::linter::request::REACH;
use crate::linter::work;

/// A position in a file: the index of a line, and a byte in the line.
type Position = (usize, usize);

/// Returns the spans of the brackets around a position, from the innermost one out to a block of
/// statements.
pub(super) fn spans_around(lines: &[Line<'_>], line: usize, at: usize) -> Vec<(Position, Position)> {
    let mut closers = closers(lines, line, at).into_iter();
    openers(lines, line, at)
        .into_iter()
        .map_while(|opener| Some((opener, closers.next()?)))
        .collect()
}

/// Returns the brackets before a position that are open there.
fn openers(lines: &[Line<'_>], line: usize, at: usize) -> Vec<Position> {
    let mut found = Vec::new();
    let mut closed = 0_usize;
    let mut budget = BUDGET;
    for index in (line.saturating_sub(REACH)..=line).rev() {
        let bytes = lines[index].text.as_bytes();
        let end = if index == line { at } else { bytes.len() };
        for at in (0..end).rev() {
            budget -= 1;
            work::count(1);
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

/// Returns the brackets after a position that close the open ones.
fn closers(lines: &[Line<'_>], line: usize, at: usize) -> Vec<Position> {
    let mut found = Vec::new();
    let mut opened = 0_usize;
    let mut budget = BUDGET;
    for (index, text) in lines.iter().enumerate().skip(line).take(REACH + 1) {
        let start = if index == line { at } else { 0 };
        for (at, byte) in text.text.bytes().enumerate().skip(start) {
            budget -= 1;
            work::count(1);
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

/// Returns true if the bracket after this text opens a block of statements, not an object.
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

/// The most nested brackets that are returned.
const DEEPEST: usize = 6;

/// The most bytes that are read in each direction.
const BUDGET: usize = 8 * 1024;
