//! The parameters of a query.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::tokens::Refusal;

/// The parameters of a query, decoded. Names are compared as they are.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads the query of a URI.
    ///
    /// # Errors
    /// Returns an error for a query that is not UTF-8 once decoded, or that has more than 32
    /// parameters.
    pub(crate) fn read(query: Option<&'a str>) -> Result<Self, Refusal> {
        let mut pairs = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST_PARAMETERS {
                return Err(Refusal::Malformed("the query has more than 32 parameters".into()));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// Returns the value of a parameter, or `None` if it is missing or empty.
    ///
    /// # Errors
    /// Returns an error for a parameter that occurs twice: programs disagree about which one
    /// counts.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(Refusal::Malformed(format!("the parameter {name} occurs twice").into()));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Returns all parameters in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns all values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(own, _)| own == name)
            .map(|(_, value)| &**value)
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, Refusal> {
    let decoded = if text.contains('+') {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced)
            .decode_utf8()
            .map(|text| text.into_owned().into())
    } else {
        percent_decode_str(text).decode_utf8()
    };
    decoded.map_err(|_| Refusal::Malformed("the query is not UTF-8".into()))
}

const MOST_PARAMETERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_found() {
        let query = Query::read(Some("resource=https%3A%2F%2Fa.example%2F&x=1+2&&flag&empty=")).unwrap();
        assert_eq!(query.one("resource").unwrap(), Some("https://a.example/"));
        assert_eq!(query.one("x").unwrap(), Some("1 2"));
        for absent in ["flag", "empty", "missing", "RESOURCE"] {
            assert_eq!(query.one(absent).unwrap(), None, "{absent}");
        }
    }

    #[test]
    fn ambiguous_queries_are_refused() {
        assert!(Query::read(Some("a=%ff")).is_err());
        assert!(Query::read(Some(&"a&".repeat(33))).is_err());
        assert!(Query::read(Some("a=1&a=1")).unwrap().one("a").is_err());
    }
}
