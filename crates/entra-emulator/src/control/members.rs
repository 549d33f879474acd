//! Strict parsing of JSON objects: each member once, with its type, and no unknown member.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::control::problem::Problem;

/// The members of a JSON object that have not been read yet.
#[derive(Debug, Default)]
pub(crate) struct Members {
    left: Vec<(String, Value)>,
    /// The names that the operation reads, present or not.
    known: Vec<&'static str>,
}

impl Members {
    /// Parses a body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let pairs: Pairs = serde_json::from_slice(body)
            .map_err(|error| Problem::members("invalid_json", format!("the body is not a JSON object: {error}")))?;
        let mut left: Vec<(String, Value)> = Vec::new();
        for (name, value) in pairs.0 {
            if left.iter().any(|(known, _)| *known == name) {
                return Err(Problem::member("duplicate_member", &name, "is given twice"));
            }
            left.push((name, value));
        }
        Ok(Self {
            left,
            known: Vec::new(),
        })
    }

    /// Takes a member of any type.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let at = self.left.iter().position(|(known, _)| known == name)?;
        Some(self.left.swap_remove(at).1)
    }

    /// Takes a member and converts it with `read`. If that returns `None`, the error names
    /// `expected`.
    pub(crate) fn read_as<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.any(name) else { return Ok(None) };
        match read(&value) {
            Some(read) => Ok(Some(read)),
            None => Err(Problem::expected(name, expected, &value)),
        }
    }

    /// Takes a nonempty string.
    pub(crate) fn text(&mut self, name: &'static str, expected: &str) -> Result<Option<String>, Problem> {
        self.read_as(name, expected, |value| {
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    /// Takes an integer from `least` to `most`.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        unit: &str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, Problem> {
        let expected = format!("{unit}, an integer from {least} to {most}");
        self.read_as(name, &expected, |value| {
            let number = u64::try_from(whole(value)?).ok()?;
            (least..=most).contains(&number).then_some(number)
        })
    }

    /// Takes a member that is `true` or absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let flag = self.read_as(name, "true, or leave it out", |value| {
            value.as_bool().filter(|flag| *flag)
        })?;
        Ok(flag.is_some())
    }

    /// Returns an error if an unread member is left.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.left.first() else {
            return Ok(());
        };
        let known = match self.known.as_slice() {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        let problem = format!("is unknown here; known: {known}");
        Err(Problem::member("unknown_member", name, &problem).with("expected", self.known.clone().into()))
    }
}

/// Converts an integer, also one written as a float: many programs hold durations as floats and
/// write 3600.0.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    let float = || {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= LARGEST_EXACT).then_some(number as i64)
    };
    value.as_i64().or_else(float)
}

/// The largest number up to which a float represents every integer.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The members of an object in their order, duplicates included.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() == MOST {
                return Err(serde::de::Error::custom("it has too many members"));
            }
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// The largest number of members. It exceeds that of every operation, and bounds the quadratic
/// check for duplicates.
const MOST: usize = 64;
