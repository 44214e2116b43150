//! One line of JSON as a small tree that borrows from the line.
//!
//! `serde_json` parses; its error texts quote what they found, so only their place is kept. Members stay in order and
//! twice where they stand twice: what is unknown, doubled or of the wrong type is for the reader to say, in words that
//! hold nothing of the line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};

/// A JSON value.
#[derive(Clone)]
pub(super) enum Json<'l> {
    /// `null`, a boolean, or a number that is no `u64`: nothing that a registry uses.
    Other,
    /// A whole number.
    Number(u64),
    /// A string, escapes resolved.
    Text(Cow<'l, str>),
    /// An array.
    List(Vec<Json<'l>>),
    /// An object's members as they stand.
    Object(Vec<Member<'l>>),
}

/// One member of an object: its name and its value.
pub(super) type Member<'l> = (Cow<'l, str>, Json<'l>);

/// Parses a whole line. A usage error says at which column it stops being JSON.
pub(super) fn parse(text: &str) -> Result<Json<'_>> {
    serde_json::from_str(text).map_err(|e| {
        let bad = Error::usage(format!("not JSON (column {})", e.column()));
        if e.is_eof() { bad.help("the line is cut short: an event is one whole line") } else { bad }
    })
}

/// Known members of an object, taken by name.
pub(super) struct Members<'l, const N: usize> {
    known: &'static [&'static str; N],
    values: [Option<Json<'l>>; N],
}

impl<'l, const N: usize> Members<'l, N> {
    /// Sorts the members of `object`. Usage errors: a name that is not `known`, or one that stands twice.
    pub(super) fn new(known: &'static [&'static str; N], object: Vec<Member<'l>>) -> Result<Self> {
        let mut values = [const { None }; N];
        for (name, value) in object {
            let slot = known.iter().zip(&mut values).find(|(k, _)| **k == name);
            match slot {
                Some((_, slot @ None)) => *slot = Some(value),
                Some((known, _)) => return Err(Error::usage(format!("`{known}` stands twice"))),
                None => {
                    let near = super::event::nearest(&name, known);
                    return Err(Error::usage(format!("unknown key (the nearest known one is `{near}`)")));
                }
            }
        }
        Ok(Self { known, values })
    }

    /// The member `name`, once.
    pub(super) fn take(&mut self, name: &str) -> Option<Json<'l>> {
        let mut slots = self.known.iter().zip(&mut self.values);
        slots.find(|(known, _)| **known == name)?.1.take()
    }

    /// The member `name`, which stays.
    pub(super) fn peek(&self, name: &str) -> Option<&Json<'l>> {
        let mut slots = self.known.iter().zip(&self.values);
        slots.find(|(known, _)| **known == name)?.1.as_ref()
    }

    /// The member `name`, a string.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'l, str>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Error::usage(format!("`{name}` must be a string"))),
        }
    }

    /// The member `name`, an array.
    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Json<'l>>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::List(list)) => Ok(Some(list)),
            Some(_) => Err(Error::usage(format!("`{name}` must be an array"))),
        }
    }

    /// The first known name that was given and not taken.
    pub(super) fn left(&self) -> Option<&'static str> {
        let mut slots = self.known.iter().zip(&self.values);
        slots.find(|(_, value)| value.is_some()).map(|(name, _)| *name)
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

/// A member's name, borrowed where it has no escapes (serde's own `Cow` always copies).
struct Name<'l>(Cow<'l, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}
