//! One content: a JSON array of records, of which only the ID and the time are read.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::sink::{Day, Key, Record, Time};

/// The records of a content, as ranges of the received body.
#[derive(Debug)]
pub(crate) struct Blob {
    /// The body without line ends, except for one after each record.
    pub(crate) body: Bytes,
    pub(crate) records: Vec<Record>,
}

impl Blob {
    /// Reads a body.
    ///
    /// # Errors
    /// Returns an error if the body is not a complete JSON array.
    pub(crate) fn read(mut body: Vec<u8>) -> Result<Self, serde_json::Error> {
        // In valid JSON, a line end between tokens is white space, and strings contain none. So
        // each record becomes one line. Every byte is written, so that the compiler can vectorize
        // the loop.
        for byte in &mut body {
            *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
        }
        let mut array = serde_json::Deserializer::from_slice(&body);
        let records = Records { body: &body }.deserialize(&mut array)?;
        array.end()?;
        // A record is followed by at least the bracket. So lines are ranges of the body as well,
        // and are written without a copy.
        for record in &records {
            body[record.raw.end] = b'\n';
        }
        Ok(Self {
            body: body.into(),
            records,
        })
    }
}

/// Reads the records of a body.
struct Records<'a> {
    body: &'a [u8],
}

impl Records<'_> {
    fn record(&self, raw: &RawValue) -> Record {
        let place = |part: &str| {
            let from = part.as_ptr() as usize - self.body.as_ptr() as usize;
            from..from + part.len()
        };
        let head = Head::of(raw);
        Record {
            raw: place(raw.get()),
            created: match head.created {
                Some(Cow::Borrowed(text)) => Day::of_time(text.as_bytes()).map(|day| Time { text: place(text), day }),
                // A usable time has no escapes.
                _ => None,
            },
            key: head.id.filter(|id| !id.is_empty()).map(|id| Key::of(&id)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = Vec<Record>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Record>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = Vec<Record>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<Record>, A::Error> {
        let mut records = Vec::with_capacity(USUAL_RECORDS);
        while let Some(raw) = array.next_element()? {
            records.push(self.record(raw));
        }
        Ok(records)
    }
}

/// The members of a record that are read. The first of several members with one name counts; a
/// member of another type counts as missing.
#[derive(Default)]
struct Head<'a> {
    id: Option<Cow<'a, str>>,
    created: Option<Cow<'a, str>>,
}

impl<'a> Head<'a> {
    /// Reads a record up to the last member that counts: the whole record was checked before.
    fn of(record: &'a RawValue) -> Self {
        let mut head = Self::default();
        // It ends with an error if members are left.
        let _ = (&mut head).deserialize(&mut serde_json::Deserializer::from_str(record.get()));
        head
    }
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for &mut Head<'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for &mut Head<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while self.id.is_none() || self.created.is_none() {
            let Some(Name(name)) = map.next_key()? else { break };
            let field = match name {
                Member::Id => &mut self.id,
                Member::CreationTime => &mut self.created,
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value = map.next_value::<Text<'_>>()?.0;
            if field.is_none() {
                *field = value;
            }
        }
        Ok(())
    }
}

enum Member {
    Id,
    CreationTime,
    Other,
}

struct Name(Member);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Member, E> {
                Ok(match name {
                    "Id" => Member::Id,
                    "CreationTime" => Member::CreationTime,
                    _ => Member::Other,
                })
            }
        }
        deserializer.deserialize_str(Text).map(Name)
    }
}

/// A text, or a value of any other type.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // Most texts have no escapes, and are borrowed unchanged.
        let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Ok(Self(match plain {
            Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
            Some(_) => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            None => None,
        }))
    }
}

/// The usual number of records in a content.
const USUAL_RECORDS: usize = 128;

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn read(body: &str) -> Vec<(String, Option<String>, Option<Key>)> {
        let blob = Blob::read(body.as_bytes().to_vec()).unwrap();
        let part = |range: Range<usize>| String::from_utf8(blob.body[range].to_vec()).unwrap();
        blob.records
            .iter()
            .map(|record| {
                (
                    part(record.raw.clone()),
                    record.created.clone().map(|time| part(time.text)),
                    record.key,
                )
            })
            .collect()
    }

    #[test]
    fn records_are_ranges_of_the_body() {
        let body = "[ {\"Id\" : \"a\",\r\n \"CreationTime\":\"2026-01-31T00:00:00\",\"x\":[{\"Id\":\"b\"}]} ,\n{\"y\":\"\\n\"}]";
        let records = read(body);
        assert_eq!(records.len(), 2);
        assert_eq!(
            records[0].0,
            "{\"Id\" : \"a\",   \"CreationTime\":\"2026-01-31T00:00:00\",\"x\":[{\"Id\":\"b\"}]}"
        );
        assert_eq!(records[0].1.as_deref(), Some("2026-01-31T00:00:00"));
        assert_eq!(records[0].2, Some(Key::of("a")));
        assert_eq!((records[1].0.as_str(), records[1].2), ("{\"y\":\"\\n\"}", None));
        assert!(read("[]").is_empty());
    }

    #[test]
    fn unusual_ids_keep_the_record() {
        for (record, id) in [
            (r#"{"Id":5}"#, None),
            (r#"{"Id":""}"#, None),
            (r#"{"Id":null}"#, None),
            (r#"{"id":"a"}"#, None),
            (r#"{"Id":{"Id":"a"}}"#, None),
            (r#"{"Id":"a","Id":"b"}"#, Some("a")),
            (r#"{"I\u0064":"a"}"#, Some("a")),
            (r#"{"Id":"\u0061"}"#, Some("a")),
            ("5", None),
            ("null", None),
            (r#""Id""#, None),
            ("[1]", None),
        ] {
            let records = read(&format!("[{record}]"));
            assert_eq!(
                (records[0].0.as_str(), records[0].2),
                (record, id.map(Key::of)),
                "{record}"
            );
        }
    }

    #[test]
    fn incomplete_bodies_are_rejected() {
        for body in [
            "",
            "[",
            "[{}",
            "[{},",
            "{}",
            "null",
            "5",
            "\"\"",
            "[{}]x",
            "[{]}",
            "[\"\n\u{0}\"]",
            "\u{feff}[",
        ] {
            assert!(Blob::read(body.as_bytes().to_vec()).is_err(), "{body:?}");
        }
        assert!(Blob::read(b"[\"\xff\"]".to_vec()).is_err());
        let deep = "[".repeat(100_000);
        assert!(Blob::read(deep.into_bytes()).is_err());
    }

    #[test]
    fn guids_are_compared_without_case() {
        let (lower, upper) = (
            "46b472a7-c68e-4adf-8ade-3db49497518e",
            "46B472A7-C68E-4ADF-8ADE-3DB49497518E",
        );
        assert_eq!(Key::of(lower), Key::of(upper));
        assert_ne!(Key::of("a"), Key::of("A"));
    }
}
