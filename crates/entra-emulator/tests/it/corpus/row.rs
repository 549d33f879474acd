//! The corpus file and its rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The corpus file.
#[derive(Deserialize, Serialize, PartialEq)]
pub(super) struct Corpus {
    pub(super) about: String,
    /// Seconds since the Unix epoch.
    pub(super) now: u64,
    pub(super) leeway: u64,
    /// The web APIs, by name.
    pub(super) apis: BTreeMap<String, Value>,
    /// The documents of the token service, by URL.
    pub(super) documents: BTreeMap<String, Value>,
    pub(super) tokens: Vec<Row>,
}

#[derive(Deserialize, Serialize, PartialEq, Clone)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) api: String,
    pub(super) verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    pub(super) about: String,
    pub(super) token: Vec<Piece>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<Value>,
}

/// A part of a token's text. Only long runs use `Repeat`.
#[derive(Deserialize, Serialize, PartialEq, Clone, Debug)]
#[serde(untagged)]
pub(super) enum Piece {
    Text(String),
    Repeat { repeat: String, times: usize },
}

impl Row {
    pub(super) fn new(name: &str, api: &str, verdict: &str, about: &str, token: &str) -> Self {
        Self {
            name: name.to_owned(),
            api: api.to_owned(),
            verdict: verdict.to_owned(),
            rule: None,
            about: about.to_owned(),
            token: pieces(token),
            principal: None,
        }
    }

    pub(super) fn text(&self) -> String {
        let pieces = self.token.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Repeat { repeat, times } => repeat.repeat(*times),
        });
        pieces.collect()
    }
}

/// Splits a text into pieces. Runs of four repeated characters, the base64 of equal bytes, become
/// one piece.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at + 4 <= text.len() {
        let unit = &text.as_bytes()[at..at + 4];
        let times = text.as_bytes()[at..]
            .chunks(4)
            .take_while(|chunk| *chunk == unit)
            .count();
        if times < 64 {
            at += 1;
            continue;
        }
        if start < at {
            pieces.push(Piece::Text(text[start..at].to_owned()));
        }
        pieces.push(Piece::Repeat {
            repeat: text[at..at + 4].to_owned(),
            times,
        });
        at += 4 * times;
        start = at;
    }
    if start < text.len() {
        pieces.push(Piece::Text(text[start..].to_owned()));
    }
    pieces
}
