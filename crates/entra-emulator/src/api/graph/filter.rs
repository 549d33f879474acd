//! The `$filter` option: a part of OData's filter language, with the limits that Graph documents
//! for directory objects.

use crate::api::graph::denial::Denial;
use crate::api::graph::property::{Kind, Literals, Property, Support};
use crate::api::graph::token::{Token, position, tokens};
use crate::exchange::shown;
use crate::time::{graph_time, parse_rfc3339, unix};

/// A parsed filter.
pub(crate) enum Expression<T: 'static> {
    Compare(&'static Property<T>, Operator, Literal),
    In(&'static Property<T>, Vec<Literal>),
    StartsWith(&'static Property<T>, String),
    EndsWith(&'static Property<T>, String),
    /// A list property contains this text.
    Any(&'static Property<T>, String),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// A value in the form of [`Property::key`], or null.
type Literal = Option<String>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
}

impl<T> Expression<T> {
    /// Evaluates the filter for an item. `None` is OData's null, whose negation is null too.
    pub(crate) fn holds(&self, item: &T) -> Option<bool> {
        match self {
            Self::Compare(property, operator, literal) => {
                let value = property.key(item);
                Some(match (operator, &value, literal) {
                    (Operator::Equal, value, literal) => value == literal,
                    (Operator::NotEqual, value, literal) => value != literal,
                    (Operator::AtLeast, Some(value), Some(literal)) => value >= literal,
                    (Operator::AtMost, Some(value), Some(literal)) => value <= literal,
                    _ => false,
                })
            }
            Self::In(property, literals) => Some(literals.contains(&property.key(item))),
            Self::StartsWith(property, start) => property.key(item).map(|value| value.starts_with(start.as_str())),
            Self::EndsWith(property, end) => property.key(item).map(|value| value.ends_with(end.as_str())),
            Self::Any(property, text) => Some(property.has(item, text)),
            Self::And(parts) => all(parts.iter().map(|part| part.holds(item))),
            // De Morgan: `or` is the negation of `and` over negated parts.
            Self::Or(parts) => all(parts.iter().map(|part| part.holds(item).map(|is| !is))).map(|is| !is),
            Self::Not(part) => part.holds(item).map(|is| !is),
        }
    }
}

/// Evaluates `and` in three-valued logic.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// Parses a filter.
///
/// # Errors
/// Returns an error if the filter is malformed, not supported by Graph, or not implemented here.
pub(crate) fn parse<T>(text: &str, kind: &Kind<T>, is_advanced: bool) -> Result<Expression<T>, Denial> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        kind,
        is_advanced,
    };
    let expression = parser.alternatives()?;
    match parser.next() {
        Token::End => Ok(expression),
        _ => Err(parser.syntax_error()),
    }
}

struct Parser<'t, T: 'static> {
    text: &'t str,
    tokens: Vec<(usize, Token<'t>)>,
    at: usize,
    depth: usize,
    kind: &'t Kind<T>,
    is_advanced: bool,
}

impl<'t, T> Parser<'t, T> {
    fn peek(&self) -> &Token<'t> {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(next) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, token: &Token<'_>) -> Result<(), Denial> {
        if self.next() == *token {
            Ok(())
        } else {
            Err(self.syntax_error())
        }
    }

    /// Creates a syntax error at the token that was consumed last.
    fn syntax_error(&self) -> Denial {
        let at = self
            .tokens
            .get(self.at.saturating_sub(1))
            .map_or(self.text.len(), |(at, _)| *at);
        Denial::malformed(format!(
            "Invalid filter clause: Syntax error at position {} in '{}'.",
            position(self.text, at),
            shown(self.text)
        ))
    }

    fn alternatives(&mut self) -> Result<Expression<T>, Denial> {
        let mut parts = vec![self.conjunction()?];
        while self.takes_word("or") {
            parts.push(self.conjunction()?);
        }
        self.check_number("OR", parts.len())?;
        Ok(one_or(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression<T>, Denial> {
        let mut parts = vec![self.term()?];
        while self.takes_word("and") {
            parts.push(self.term()?);
        }
        Ok(one_or(parts, Expression::And))
    }

    fn term(&mut self) -> Result<Expression<T>, Denial> {
        match self.next() {
            Token::Open => {
                let inner = self.deeper(Self::alternatives)?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Token::Word(word) if word.eq_ignore_ascii_case("not") => {
                let inner = self.deeper(Self::negated)?;
                self.needs_advanced("not")?;
                Ok(Expression::Not(Box::new(inner)))
            }
            Token::Word(name) if *self.peek() == Token::Open => self.function(name),
            Token::Word(name) => self.comparison(name),
            Token::Text(_) => Err(self.comparison_not_emulated()),
            _ => Err(self.syntax_error()),
        }
    }

    /// Parses the operand of `not`, which binds tighter than a comparison and so requires a
    /// function or parentheses.
    fn negated(&mut self) -> Result<Expression<T>, Denial> {
        let is_bare = matches!(
            (self.peek(), self.tokens.get(self.at + 1).map(|(_, token)| token)),
            (Token::Word(word), next) if !word.eq_ignore_ascii_case("not") && next != Some(&Token::Open)
        );
        if is_bare {
            self.at += 1;
            return Err(self.syntax_error());
        }
        self.term()
    }

    /// Parses a nested expression. The depth is limited, so that no request exhausts the stack.
    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Expression<T>, Denial>,
    ) -> Result<Expression<T>, Denial> {
        if self.depth >= DEEPEST {
            return Err(Denial::malformed(format!(
                "Invalid filter clause: The query is nested more than {DEEPEST} levels deep."
            )));
        }
        self.depth += 1;
        let expression = read(self)?;
        self.depth -= 1;
        Ok(expression)
    }

    /// Parses a function call, starting at its opening parenthesis.
    fn function(&mut self, name: &str) -> Result<Expression<T>, Denial> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("contains") {
            return Err(Denial::unsupported(
                "Unsupported property filter clause operator 'Contains'.",
            ));
        }
        if let Some((list, "any")) = name.rsplit_once('/')
            && let Ok(property) = self.kind.property(list, CLAUSE)
            && property.literals == Literals::Texts
        {
            return self.any(property);
        }
        if !is("startsWith") && !is("endsWith") {
            if name.contains('/') {
                // A lambda operator on a path, or a path that Graph does not have.
                self.kind.property(name, CLAUSE)?;
            }
            return Err(if FUNCTIONS.iter().any(|known| is(known)) {
                Denial::not_emulated(format_args!("the function '{name}' in '$filter'"))
            } else {
                Denial::malformed(format!(
                    "{CLAUSE}: An unknown function with name '{}' was found.",
                    shown(name)
                ))
            });
        }
        self.next();
        let Token::Word(property) = self.next() else {
            return Err(self.syntax_error());
        };
        let property = self.kind.property(property, CLAUSE)?;
        self.expect(&Token::Comma)?;
        let Token::Text(value) = self.next() else {
            return Err(self.syntax_error());
        };
        self.expect(&Token::Close)?;
        if self.takes_word("eq") && !self.takes_word("true") {
            return Err(self.comparison_not_emulated());
        }
        let value = value.to_lowercase();
        if is("startsWith") {
            self.supports(property, property.prefix)?;
            Ok(Expression::StartsWith(property, value))
        } else {
            if property.suffix == Support::Advanced {
                self.needs_advanced("endsWith")?;
            }
            self.supports(property, property.suffix)?;
            Ok(Expression::EndsWith(property, value))
        }
    }

    /// Parses `property/any(x:x eq 'text')`, starting at its opening parenthesis.
    fn any(&mut self, property: &'static Property<T>) -> Result<Expression<T>, Denial> {
        self.next();
        // White space is allowed around the colon.
        let mut variable = String::new();
        while let Token::Word(word) = self.peek().clone() {
            self.next();
            if word.eq_ignore_ascii_case("eq") {
                break;
            }
            variable.push_str(word);
        }
        let is_same = variable
            .split_once(':')
            .is_some_and(|(one, other)| !one.is_empty() && one == other);
        match (self.next(), self.peek()) {
            (Token::Text(text), Token::Close) if is_same => {
                self.next();
                self.supports(property, property.equality)?;
                Ok(Expression::Any(property, text.to_lowercase()))
            }
            _ => Err(Denial::not_emulated(format_args!(
                "this lambda operator in '$filter', only '{}/any(x:x eq 'text')'",
                property.name
            ))),
        }
    }

    /// Parses a comparison, starting after the name of its property.
    fn comparison(&mut self, name: &str) -> Result<Expression<T>, Denial> {
        let Token::Word(operator) = self.next() else {
            return Err(self.syntax_error());
        };
        let is = |known: &str| operator.eq_ignore_ascii_case(known);
        if !["eq", "ne", "ge", "le", "gt", "lt", "in", "has"]
            .iter()
            .any(|known| is(known))
        {
            return Err(self.syntax_error());
        }
        let property = self.kind.property(name, CLAUSE)?;
        if is("in") {
            let literals = self.list(property)?;
            self.supports(property, property.equality)?;
            return Ok(Expression::In(property, literals));
        }
        let literal = self.literal(property)?;
        let (operator, support) = match () {
            () if is("eq") => (Operator::Equal, property.equality),
            () if is("ne") => (Operator::NotEqual, property.equality),
            () if is("ge") => (Operator::AtLeast, property.range),
            () if is("le") => (Operator::AtMost, property.range),
            () => return Err(self.clause(property)),
        };
        if operator == Operator::NotEqual {
            self.needs_advanced("ne")?;
        }
        self.supports(property, support)?;
        Ok(Expression::Compare(property, operator, literal))
    }

    fn list(&mut self, property: &'static Property<T>) -> Result<Vec<Literal>, Denial> {
        self.expect(&Token::Open)?;
        let mut literals = vec![self.literal(property)?];
        loop {
            match self.next() {
                Token::Comma => literals.push(self.literal(property)?),
                Token::Close => break,
                _ => return Err(self.syntax_error()),
            }
        }
        self.check_number("IN", literals.len())?;
        Ok(literals)
    }

    /// Parses a literal to compare a property with.
    fn literal(&mut self, property: &'static Property<T>) -> Result<Literal, Denial> {
        match self.next() {
            Token::Text(text) if property.literals == Literals::Text => Ok(Some(text.to_lowercase())),
            Token::Text(text) => Err(self.incompatible(property, &format!("'{text}'"))),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => {
                // Only the index of advanced queries knows which properties are null.
                if property.equality == Support::Yes && !self.is_advanced {
                    return Err(self.clause(property));
                }
                Ok(None)
            }
            Token::Word(word) if self.kind.property(word, CLAUSE).is_ok() => Err(self.comparison_not_emulated()),
            Token::Word(_) if property.equality == Support::NotEmulated => {
                self.supports(property, property.equality).map(|()| None)
            }
            Token::Word(word) => {
                let literal = match property.literals {
                    Literals::Text | Literals::Texts => None,
                    Literals::Boolean => ["true", "false"]
                        .iter()
                        .find(|known| word.eq_ignore_ascii_case(known))
                        .map(|known| (*known).to_owned()),
                    Literals::Time => moment(word),
                };
                literal.map(Some).ok_or_else(|| self.incompatible(property, word))
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// Checks that the property supports this use.
    fn supports(&self, property: &Property<T>, support: Support) -> Result<(), Denial> {
        match support {
            Support::Yes => Ok(()),
            Support::Advanced if self.is_advanced => Ok(()),
            Support::Advanced | Support::No => Err(self.clause(property)),
            Support::NotEmulated => Err(Denial::not_emulated(format_args!(
                "'$filter' on the property '{}'",
                property.name
            ))),
        }
    }

    fn incompatible(&self, property: &Property<T>, literal: &str) -> Denial {
        let expected = match property.literals {
            Literals::Text => "a string: put strings in single quotation marks",
            Literals::Boolean => "true or false, without quotation marks",
            Literals::Time => "a time like 2026-01-31T23:59:58Z, without quotation marks",
            Literals::Texts => "a list: use 'any'",
        };
        Denial::malformed(format!(
            "{CLAUSE}: '{}' cannot be compared with the property '{}', which is {expected}.",
            shown(literal),
            property.name
        ))
    }

    fn clause(&self, property: &Property<T>) -> Denial {
        Denial::unsupported(format!(
            "Unsupported or invalid query filter clause specified for property '{}' of resource '{}'.",
            property.name, self.kind.resource
        ))
    }

    fn needs_advanced(&self, operator: &str) -> Result<(), Denial> {
        if self.is_advanced {
            return Ok(());
        }
        Err(Denial::unsupported(format!(
            "Operator '{operator}' is not supported because the required parameters might be missing. Try adding \
             $count=true query parameter and ConsistencyLevel:eventual header."
        )))
    }

    /// Checks the number of alternatives, which is limited to 15 in default queries.
    fn check_number(&self, operator: &str, number: usize) -> Result<(), Denial> {
        if self.is_advanced || number <= MOST_ALTERNATIVES {
            return Ok(());
        }
        Err(Denial::unsupported(format!(
            "Too many child clauses specified in search filter expression containing '{operator}' operators: {number}. \
             Max allowed: {MOST_ALTERNATIVES}."
        )))
    }

    fn comparison_not_emulated(&self) -> Denial {
        Denial::not_emulated(format_args!(
            "a comparison of anything but a property with a literal, as in '{}'",
            shown(self.text)
        ))
    }
}

/// Parses a time or a day into the form of [`Property::key`].
fn moment(word: &str) -> Option<String> {
    let time = parse_rfc3339(word).or_else(|| parse_rfc3339(&format!("{word}T00:00:00Z")))?;
    Some(graph_time(unix(time)).to_lowercase())
}

fn one_or<T>(mut parts: Vec<Expression<T>>, several: fn(Vec<Expression<T>>) -> Expression<T>) -> Expression<T> {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}

const CLAUSE: &str = "Invalid filter clause";
const DEEPEST: usize = 50;
const MOST_ALTERNATIVES: usize = 15;
/// The OData functions that the emulator does not implement.
const FUNCTIONS: &[&str] = &[
    "cast",
    "ceiling",
    "concat",
    "date",
    "day",
    "floor",
    "hour",
    "indexof",
    "isof",
    "length",
    "matchesPattern",
    "minute",
    "month",
    "now",
    "round",
    "second",
    "substring",
    "substringof",
    "time",
    "tolower",
    "toupper",
    "trim",
    "year",
];
