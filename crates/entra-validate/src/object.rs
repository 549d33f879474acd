//! JSON objects without duplicate members, read into records without a tree of values.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::words::Words;

/// The members of an object that are read; all others are skipped.
pub(crate) trait Record {
    const NAMES: &'static [Name];

    /// Sets the member with this index in [`NAMES`](Self::NAMES). It is called at most once for
    /// each member.
    fn set(&mut self, name: usize, value: Value<'_>);
}

/// The name of a member that is read.
pub(crate) struct Name {
    text: &'static str,
    folded: u64,
}

impl Name {
    pub(crate) const fn new(text: &'static str) -> Self {
        let folded = folded(text);
        Self { text, folded }
    }

    /// Returns true if it is this name, ignoring letter case.
    #[inline]
    fn is_alike(&self, name: &str, folded: u64) -> bool {
        // A name of eight bytes or fewer is completely in the number.
        self.folded == folded
            && self.text.len() == name.len()
            && (name.len() <= size_of::<u64>() || self.text.eq_ignore_ascii_case(name))
    }
}

/// Returns the last eight bytes of a name in lower case, as one number. It distinguishes almost all
/// names.
const fn folded(name: &str) -> u64 {
    let mut number = 0;
    let mut rest = name.as_bytes();
    while let [byte, tail @ ..] = rest {
        number = number << 8 | byte.to_ascii_lowercase() as u64;
        rest = tail;
    }
    number
}

/// The value of a member, in the types that records read.
#[derive(Debug)]
pub(crate) enum Value<'de> {
    Text(Cow<'de, str>),
    /// Whole numbers up to 2^53 are exact, which is far beyond any time.
    Number(f64),
    /// An array of texts.
    Words(Words),
    /// Anything else.
    Other,
}

/// The error of an object that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    NotAnObject,
    Duplicate,
    TooMany,
}

impl Problem {
    pub(crate) const fn of_header(self) -> &'static str {
        match self {
            Self::NotAnObject => "the header is not a JSON object",
            Self::Duplicate => "the header has a duplicate member, possibly in another letter case",
            Self::TooMany => "the header has too many members",
        }
    }

    pub(crate) const fn of_payload(self) -> &'static str {
        match self {
            Self::NotAnObject => "the payload is not a JSON object",
            Self::Duplicate => "the payload has a duplicate claim, possibly in another letter case",
            Self::TooMany => "the payload has too many claims",
        }
    }
}

/// Reads an object. A duplicate member is an error, and so is a member of the record in two letter
/// cases: readers differ in the one that they use.
pub(crate) fn read<R: Record>(json: &str, record: &mut R) -> Result<(), Problem> {
    let problem = Cell::new(Problem::NotAnObject);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let reader = Reader {
        problem: &problem,
        record,
    };
    deserializer.deserialize_map(reader).map_err(|_| problem.get())?;
    deserializer.end().map_err(|_| Problem::NotAnObject)
}

/// A reader into a record in place: the record is too large to be moved often.
struct Reader<'r, R> {
    problem: &'r Cell<Problem>,
    record: &'r mut R,
}

impl<'de, R: Record> Visitor<'de> for Reader<'_, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let fail = |problem| {
            self.problem.set(problem);
            A::Error::custom("rejected")
        };
        let mut known: u64 = 0;
        let mut others = Names::default();
        while let Some(Text(name)) = members.next_key()? {
            let folded = folded(&name);
            let Some(index) = R::NAMES.iter().position(|known| known.is_alike(&name, folded)) else {
                others.insert(name).map_err(fail)?;
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let bit = 1 << index;
            if known & bit != 0 {
                return Err(fail(Problem::Duplicate));
            }
            known |= bit;
            if R::NAMES.get(index).is_some_and(|exact| *exact.text == *name) {
                self.record.set(index, members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The names of the members that the record does not read.
#[derive(Default)]
struct Names<'de> {
    names: Vec<Cow<'de, str>>,
    /// A bit for each name. If the bit of a name is not set, the name is new, without a comparison.
    bits: u128,
}

impl<'de> Names<'de> {
    fn insert(&mut self, name: Cow<'de, str>) -> Result<(), Problem> {
        let bytes = name.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let sum = usize::from(first) * 7 + usize::from(last) * 31 + bytes.len() * 11;
        let bit = 1_u128 << (sum % 128);
        if self.bits & bit != 0 && self.names.contains(&name) {
            return Err(Problem::Duplicate);
        }
        self.bits |= bit;
        if self.names.len() == MOST_NAMES {
            return Err(Problem::TooMany);
        }
        if self.names.is_empty() {
            self.names.reserve(32);
        }
        self.names.push(name);
        Ok(())
    }
}

/// The largest number of skipped members. Tokens have about 30 claims. The number is limited
/// because each name may be compared with all names before it.
const MOST_NAMES: usize = 200;

/// A text, borrowed if it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value<'de>, A::Error> {
        let mut words = Words::default();
        let mut is_list = true;
        while let Some(element) = elements.next_element::<Value<'de>>()? {
            is_list &= matches!(&element, Value::Text(text) if words.push(text));
        }
        Ok(if is_list { Value::Words(words) } else { Value::Other })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Members(Vec<usize>);

    impl Record for Members {
        const NAMES: &'static [Name] = &[Name::new("iss"), Name::new("xms_par_app_azp")];

        fn set(&mut self, name: usize, _: Value<'_>) {
            self.0.push(name);
        }
    }

    fn members(json: &str) -> Result<Vec<usize>, Problem> {
        let mut members = Members::default();
        read(json, &mut members).map(|()| members.0)
    }

    #[test]
    fn names_with_equal_ends_are_distinguished() {
        let json = r#"{"xms_par_app_azp":1,"yms_par_app_azp":1,"ms_par_app_azp":1,"\u0000iss":1,"iss":1}"#;
        assert_eq!(members(json), Ok(vec![1, 0]));
    }

    #[test]
    fn name_in_another_letter_case_counts_and_is_not_read() {
        assert_eq!(members(r#"{"Iss":1,"XMS_par_app_azp":1}"#), Ok(vec![]));
        for json in [r#"{"iss":1,"ISS":1}"#, r#"{"xms_par_app_AZP":1,"xms_par_app_azp":1}"#] {
            assert_eq!(members(json), Err(Problem::Duplicate), "{json}");
        }
    }
}
